#include "betedge/sinks/memory_store.hpp"

#include <gtest/gtest.h>

#include "support/virtual_runtime.hpp"

// What a simulation does to the lake in memory. What it promises as a lake is tests/contract's.
namespace betedge::sinks {
namespace {

using Step = MemoryStore::Step;
using betedge::testing::VirtualRuntime;

ObjectKey key_of(std::string_view text) {
  return ObjectKey::parse(text).value();
}
const Error kBroken{ErrorCode::storage_failed, "broken by the test", {}};

// Every step once; the first failure ends it.
Task<void> use(MemoryStore& store, Result<void>& result) {
  const auto key = key_of("a/data");
  auto found = co_await store.stat(key);
  if (!found) {
    result = std::unexpected(found.error());
    co_return;
  }
  auto writer = co_await store.create(key, {});
  if (!writer) {
    result = std::unexpected(writer.error());
    co_return;
  }
  result = co_await (*writer)->write(Bytes(3));
  if (result) result = co_await (*writer)->commit();
  if (!result) co_return;
  auto bytes = co_await store.read(key, 0, 3);
  if (!bytes) {
    result = std::unexpected(bytes.error());
    co_return;
  }
  auto page = co_await store.list("", "", 10);
  if (!page) result = std::unexpected(page.error());
}

class MemoryStoreStep : public ::testing::TestWithParam<Step> {};

TEST_P(MemoryStoreStep, FailsWhenTheHookSaysSo) {
  VirtualRuntime runtime(1);
  MemoryStore store(runtime, [](Step step, const ObjectKey& key) {
    EXPECT_EQ(key.text(), step == Step::list ? "list" : "a/data");
    return step == GetParam() ? MemoryStore::Fate{{}, kBroken, false} : MemoryStore::Fate{};
  });
  Result<void> result;
  runtime.run(use(store, result));
  EXPECT_EQ(result.error(), kBroken);
  EXPECT_EQ(store.find(key_of("a/data")) != nullptr,
            GetParam() == Step::read || GetParam() == Step::list);
  EXPECT_EQ(store.open_writers(), 0);
}

TEST_P(MemoryStoreStep, TakesAsLongAsTheHookSays) {
  VirtualRuntime runtime(1);
  MemoryStore store(runtime);
  store.set_hook([](Step step, const ObjectKey&) {
    return MemoryStore::Fate{std::chrono::seconds{step == GetParam() ? 7 : 0}, {}, false};
  });
  Result<void> result;
  const auto before = runtime.steady_now();
  runtime.run(use(store, result));
  EXPECT_TRUE(result);
  EXPECT_EQ(runtime.steady_now() - before, std::chrono::seconds{7});
}

INSTANTIATE_TEST_SUITE_P(EachStep, MemoryStoreStep,
                         ::testing::Values(Step::stat, Step::create, Step::write, Step::commit,
                                           Step::read, Step::list));

TEST(MemoryStoreTest, AnAnswerMayBeLostAfterTheCommitWasDone) {
  VirtualRuntime runtime(1);
  MemoryStore store(runtime, [](Step step, const ObjectKey&) {
    return step == Step::commit ? MemoryStore::Fate{{}, kBroken, true} : MemoryStore::Fate{};
  });
  Result<void> result;
  runtime.run(use(store, result));
  EXPECT_EQ(result.error(), kBroken);
  ASSERT_NE(store.find(key_of("a/data")), nullptr);
  EXPECT_EQ(store.find(key_of("a/data"))->size(), 3);
}

TEST(MemoryStoreTest, ListsItsKeysInOrderAndForgetsWhatIsErased) {
  VirtualRuntime runtime(1);
  MemoryStore store(runtime);
  for (const auto* key : {"b/2", "a/1", "c"}) store.put(key_of(key), Bytes(1));
  store.erase(key_of("b/2"));
  EXPECT_EQ(store.keys(), (std::vector{key_of("a/1"), key_of("c")}));
}

}  // namespace
}  // namespace betedge::sinks
