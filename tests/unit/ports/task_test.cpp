#include "betedge/ports/task.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>

#include "support/virtual_runtime.hpp"

namespace betedge {
namespace {

using testing::VirtualRuntime;

Task<int> answer(int value) {
  co_return value;
}
Task<std::string> throwing() {
  throw std::runtime_error("broken");
  co_return "";
}
Task<void> nothing(bool& ran) {
  ran = true;
  co_return;
}
Task<std::unique_ptr<int>> owned(int value) {
  co_return std::make_unique<int>(value);
}
Task<Result<int>> failing() {
  co_return fail(ErrorCode::timeout, "too late");
}

Task<std::int64_t> sum_to(int count) {
  std::int64_t sum = 0;
  for (int i = 1; i <= count; ++i) sum += co_await answer(i);
  co_return sum;
}

Task<void> check_values(bool& done) {
  EXPECT_EQ(co_await answer(7), 7);
  auto pointer = co_await owned(8);
  EXPECT_EQ(*pointer, 8);
  const auto failed = co_await failing();
  EXPECT_FALSE(failed.has_value());
  bool ran = false;
  co_await nothing(ran);
  EXPECT_TRUE(ran);
  // Frames hand over to each other instead of piling up on the stack.
  EXPECT_EQ(co_await sum_to(100'000), 5'000'050'000);
  done = true;
}

Task<void> check_exception(std::string& caught) {
  try {
    co_await throwing();
  } catch (const std::runtime_error& error) {
    caught = error.what();
  }
}

Task<void> let_exception_out() {
  co_await throwing();
}

TEST(Task, BringsItsValueToWhoeverAwaitsIt) {
  VirtualRuntime world(1);
  bool done = false;
  world.run(check_values(done));
  EXPECT_TRUE(done);
}

TEST(Task, BringsItsExceptionToWhoeverAwaitsIt) {
  VirtualRuntime world(1);
  std::string caught;
  world.run(check_exception(caught));
  EXPECT_EQ(caught, "broken");
}

TEST(Task, AnExceptionOfTheRootComesOutOfRun) {
  VirtualRuntime world(1);
  EXPECT_THROW(world.run(let_exception_out()), std::runtime_error);
}

TEST(Task, DoesNothingUntilItIsAwaitedAndMayBeDroppedBefore) {
  bool ran = false;
  {
    auto task = nothing(ran);
    auto moved = std::move(task);
  }
  EXPECT_FALSE(ran);
}

}  // namespace
}  // namespace betedge
