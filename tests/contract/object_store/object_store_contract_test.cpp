#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "backends.hpp"
#include "betedge/ports/async.hpp"

// What every lake promises (ports/object_store.hpp), against each of them.
namespace betedge::testing {
namespace {

#define CO_REQUIRE(condition)                 \
  if (!(condition)) {                         \
    ADD_FAILURE() << "required: " #condition; \
    co_return;                                \
  }

ObjectKey key_of(std::string_view text) {
  return ObjectKey::parse(text).value();
}

Bytes bytes_of(std::string_view text) {
  const auto bytes = as_bytes(text);
  return {bytes.begin(), bytes.end()};
}

// Different at every place, and for every seed.
Bytes pattern(std::size_t size, std::uint64_t seed) {
  Bytes bytes(size);
  std::uint64_t state = seed * 2 + 1;
  for (auto& byte : bytes) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    byte = static_cast<std::byte>(state >> 56);
  }
  return bytes;
}

// Parameters by value, as coroutines take them; the store outlives the call.
Task<Result<void>> put(ObjectStore& store, ObjectKey key, Bytes bytes) {
  BETEDGE_CO_TRY(auto writer, co_await store.create(std::move(key)));
  BETEDGE_CO_TRY_VOID(co_await writer->write(std::move(bytes)));
  co_return co_await writer->commit();
}

Task<std::string> text_of(ObjectStore& store, ObjectKey key) {
  auto bytes = co_await store.read(std::move(key), 0, 1 << 20);
  co_return bytes ? std::string(as_text(*bytes))
                  : "<" + std::string(to_text(bytes.error().code)) + ">";
}

class ObjectStoreContract : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    backend_ = make_backend(GetParam());
    if (!backend_) GTEST_SKIP() << "no S3 server: moto is not installed in .deps/venv";
  }
  std::unique_ptr<Backend> backend_;
};

Task<void> absent_then_there(Runtime&, ObjectStore& store) {
  const auto key = key_of("historical-stock/eod/AAPL/2023/data.parquet");
  const auto before = co_await store.stat(key);
  CO_REQUIRE(before);
  EXPECT_FALSE(before->has_value());
  const auto unread = co_await store.read(key, 0, 10);
  EXPECT_EQ(unread.error().code, ErrorCode::not_found);
  const auto unread_of_nothing = co_await store.read(key, 0, 0);
  EXPECT_EQ(unread_of_nothing.error().code, ErrorCode::not_found);

  CO_REQUIRE(co_await put(store, key, bytes_of("hello")));
  const auto after = co_await store.stat(key);
  CO_REQUIRE(after && after->has_value());
  EXPECT_EQ((*after)->size_bytes, 5);
  EXPECT_GT((*after)->modified_at,
            Timestamp{std::chrono::sys_days{std::chrono::year{2024} / 1 / 1}});
  const auto beside = co_await store.stat(key_of("historical-stock/eod/AAPL/2023/data.ipc"));
  CO_REQUIRE(beside);
  EXPECT_FALSE(beside->has_value());
  const auto above = co_await store.stat(key_of("historical-stock/eod/AAPL/2022/data.parquet"));
  CO_REQUIRE(above);
  EXPECT_FALSE(above->has_value());
}
TEST_P(ObjectStoreContract, AnAbsentObjectIsAnAnswerAndACommittedOneIsThere) {
  backend_->run(absent_then_there);
}

Task<void> invisible_until_commit(Runtime&, ObjectStore& store) {
  const auto key = key_of("a/b/data.parquet");
  auto writer = co_await store.create(key);
  CO_REQUIRE(writer);
  CO_REQUIRE(co_await (*writer)->write(pattern(3 << 20, 1)));
  const auto meanwhile = co_await store.stat(key);
  CO_REQUIRE(meanwhile);
  EXPECT_FALSE(meanwhile->has_value());
  CO_REQUIRE(co_await (*writer)->commit());
  const auto after = co_await store.stat(key);
  CO_REQUIRE(after && after->has_value());
  EXPECT_EQ((*after)->size_bytes, 3 << 20);
}
TEST_P(ObjectStoreContract, AnObjectIsInvisibleUntilItIsCommitted) {
  backend_->run(invisible_until_commit);
}

Task<void> replace(Runtime&, ObjectStore& store) {
  const auto key = key_of("a/data.parquet");
  CO_REQUIRE(co_await put(store, key, bytes_of("the longer old text")));
  auto writer = co_await store.create(key);
  CO_REQUIRE(writer);
  CO_REQUIRE(co_await (*writer)->write(bytes_of("new")));
  EXPECT_EQ(co_await text_of(store, key), "the longer old text");
  CO_REQUIRE(co_await (*writer)->commit());
  EXPECT_EQ(co_await text_of(store, key), "new");
}
TEST_P(ObjectStoreContract, ACommitReplacesTheWholeOfWhatWasThere) {
  backend_->run(replace);
}

Task<void> dropped(Runtime&, ObjectStore& store) {
  const auto fresh = key_of("never/was/here");
  const auto kept = key_of("kept/data.parquet");
  CO_REQUIRE(co_await put(store, kept, bytes_of("kept")));
  for (const auto& key : {fresh, kept}) {
    auto writer = co_await store.create(key);
    CO_REQUIRE(writer);
    CO_REQUIRE(co_await (*writer)->write(pattern(2 << 20, 3)));
  }
  const auto still_absent = co_await store.stat(fresh);
  CO_REQUIRE(still_absent);
  EXPECT_FALSE(still_absent->has_value());
  EXPECT_EQ(co_await text_of(store, kept), "kept");
}
TEST_P(ObjectStoreContract, ADroppedWriterLeavesNothingBehind) {
  backend_->run(dropped);
  EXPECT_EQ(backend_->leftovers(), 0);
}

Task<void> committed_twice(Runtime&, ObjectStore& store) {
  const auto key = key_of("a/data.parquet");
  auto writer = co_await store.create(key);
  CO_REQUIRE(writer);
  CO_REQUIRE(co_await (*writer)->write(bytes_of("once")));
  CO_REQUIRE(co_await (*writer)->commit());
  const auto again = co_await (*writer)->commit();
  EXPECT_EQ(again.error().code, ErrorCode::internal);
  EXPECT_EQ(co_await text_of(store, key), "once");
}
TEST_P(ObjectStoreContract, AWriterCommitsOnce) {
  backend_->run(committed_twice);
  EXPECT_EQ(backend_->leftovers(), 0);
}

struct Range {
  std::uint64_t offset;
  std::size_t length;
  std::string expected;
};

Task<void> ranges(Runtime&, ObjectStore& store) {
  const auto key = key_of("a/data.parquet");
  CO_REQUIRE(co_await put(store, key, bytes_of("0123456789")));
  const std::vector<Range> table = {
      {0, 10, "0123456789"}, {0, 3, "012"}, {7, 3, "789"},
      {7, 100, "789"},       {9, 1, "9"},   {10, 1, ""},
      {1'000'000, 5, ""},    {4, 0, ""},    {1, SIZE_MAX, "123456789"}};
  for (const auto& range : table) {
    const auto bytes = co_await store.read(key, range.offset, range.length);
    EXPECT_TRUE(bytes) << range.offset << "+" << range.length << ": " << bytes.error().message;
    if (bytes) EXPECT_EQ(as_text(*bytes), range.expected) << range.offset << "+" << range.length;
  }
}
TEST_P(ObjectStoreContract, ReadsAnyRangeAndStopsAtTheEnd) {
  backend_->run(ranges);
}

Task<void> in_pieces(Runtime&, ObjectStore& store) {
  const auto key = key_of("a/data.parquet");
  const auto whole = pattern((3 << 20) + 17, 5);
  auto writer = co_await store.create(key);
  CO_REQUIRE(writer);
  const std::vector<std::size_t> sizes = {1, 0, 100, 65'536, (1 << 20) - 1, 1 << 20, 3};
  std::size_t at = 0;
  for (std::size_t i = 0; at < whole.size(); ++i) {
    const auto size = std::min(sizes[i % sizes.size()], whole.size() - at);
    const auto from = whole.begin() + static_cast<std::ptrdiff_t>(at);
    CO_REQUIRE(co_await (*writer)->write(Bytes(from, from + static_cast<std::ptrdiff_t>(size))));
    at += size;
  }
  CO_REQUIRE(co_await (*writer)->commit());
  const auto back = co_await store.read(key, 0, whole.size() + 1);
  CO_REQUIRE(back);
  EXPECT_TRUE(*back == whole);
}
TEST_P(ObjectStoreContract, PiecesOfAnySizeMakeTheirWhole) {
  backend_->run(in_pieces);
}

Task<void> empty_object(Runtime&, ObjectStore& store) {
  const auto key = key_of("empty");
  auto writer = co_await store.create(key);
  CO_REQUIRE(writer);
  CO_REQUIRE(co_await (*writer)->commit());
  const auto info = co_await store.stat(key);
  CO_REQUIRE(info && info->has_value());
  EXPECT_EQ((*info)->size_bytes, 0);
  EXPECT_EQ(co_await text_of(store, key), "");
}
TEST_P(ObjectStoreContract, AnEmptyObjectIsAnObject) {
  backend_->run(empty_object);
}

Task<void> odd_keys(Runtime&, ObjectStore& store) {
  const std::vector<std::string> keys = {
      "historical-options/quote/15m@100000-110000/all/^SPX/2024/01/02/data.parquet",
      "historical-stock/eod/BRK.B/2023/data.ipc",
      "historical-stock/eod/BRK-B/2023/data.ipc",
      "one",
      "with space/and (brackets)/a=b&c,d;e!'*$:.parquet",
      "dots/...three/.hidden/a..b",
      "caf\xc3\xa9/\xe2\x82\xac.parquet",
      std::string(200, 'n') + "/" + std::string(255, 'm'),
  };
  for (const auto& key : keys) {
    const auto stored = co_await put(store, key_of(key), bytes_of("of " + key));
    EXPECT_TRUE(stored) << key << ": " << stored.error().message;
  }
  for (const auto& key : keys) EXPECT_EQ(co_await text_of(store, key_of(key)), "of " + key);
}
TEST_P(ObjectStoreContract, OddKeysAreKeptApart) {
  backend_->run(odd_keys);
}

Task<void> two_writers(Runtime&, ObjectStore& store) {
  const auto key = key_of("a/b/c/data.parquet");
  const auto first_bytes = pattern(2 << 20, 11), second_bytes = pattern((2 << 20) + 5, 12);
  auto first = co_await store.create(key);
  auto second = co_await store.create(key);
  CO_REQUIRE(first && second);
  CO_REQUIRE(co_await (*first)->write(first_bytes));
  CO_REQUIRE(co_await (*second)->write(second_bytes));
  CO_REQUIRE(co_await (*second)->commit());
  const auto after_second = co_await store.read(key, 0, 4 << 20);
  CO_REQUIRE(after_second);
  EXPECT_TRUE(*after_second == second_bytes);
  CO_REQUIRE(co_await (*first)->commit());
  const auto after_first = co_await store.read(key, 0, 4 << 20);
  CO_REQUIRE(after_first);
  EXPECT_TRUE(*after_first == first_bytes);
}
TEST_P(ObjectStoreContract, OfTwoWritersTheLastCommitIsThereWhole) {
  backend_->run(two_writers);
}

Task<void> put_and_count(ObjectStore& store, ObjectKey key, Bytes bytes, int& stored) {
  if (co_await put(store, std::move(key), std::move(bytes))) ++stored;
}

Task<void> many_at_once(Runtime& runtime, ObjectStore& store) {
  constexpr int kWriters = 12;
  const auto shared = key_of("shared/folder/data");
  int stored = 0;
  TaskScope scope(runtime);
  for (int i = 0; i < kWriters; ++i) {
    const auto seed = static_cast<std::uint64_t>(i);
    scope.spawn(put_and_count(store, key_of("own/folder/" + std::to_string(i)),
                              pattern(300'000, seed), stored));
    scope.spawn(put_and_count(store, shared, pattern(300'000, seed), stored));
  }
  co_await scope.close();
  EXPECT_EQ(stored, 2 * kWriters);
  const auto winner = co_await store.read(shared, 0, 1 << 20);
  CO_REQUIRE(winner);
  int equal_to = 0;
  for (int i = 0; i < kWriters; ++i) {
    const auto wanted = pattern(300'000, static_cast<std::uint64_t>(i));
    const auto own = co_await store.read(key_of("own/folder/" + std::to_string(i)), 0, 1 << 20);
    CO_REQUIRE(own);
    EXPECT_TRUE(*own == wanted) << i;
    equal_to += *winner == wanted ? 1 : 0;
  }
  EXPECT_EQ(equal_to, 1);
}
TEST_P(ObjectStoreContract, ManyWritersAtOnceDoNotDisturbEachOther) {
  backend_->run(many_at_once);
  EXPECT_EQ(backend_->leftovers(), 0);
}

Task<void> large(Runtime&, ObjectStore& store) {
  constexpr std::size_t kPiece = std::size_t{1} << 20;
  constexpr std::uint64_t kPieces = 64;
  const auto key = key_of("large/data.parquet");
  auto writer = co_await store.create(key);
  CO_REQUIRE(writer);
  for (std::uint64_t i = 0; i < kPieces; ++i) {
    CO_REQUIRE(co_await (*writer)->write(pattern(kPiece, i)));
  }
  CO_REQUIRE(co_await (*writer)->commit());
  const auto info = co_await store.stat(key);
  CO_REQUIRE(info && info->has_value());
  EXPECT_EQ((*info)->size_bytes, kPiece * kPieces);
  for (const std::uint64_t i : {std::uint64_t{0}, std::uint64_t{31}, kPieces - 1}) {
    const auto piece = co_await store.read(key, i * kPiece, kPiece);
    CO_REQUIRE(piece);
    EXPECT_TRUE(*piece == pattern(kPiece, i)) << i;
  }
}
TEST_P(ObjectStoreContract, StoresSixtyFourMebibytes) {
  backend_->run(large);
}

Task<void> store_one(Runtime&, ObjectStore& store) {
  CO_REQUIRE(co_await put(store, key_of("a/data.parquet"), bytes_of("still here")));
}
Task<void> find_one(Runtime&, ObjectStore& store) {
  EXPECT_EQ(co_await text_of(store, key_of("a/data.parquet")), "still here");
}
TEST_P(ObjectStoreContract, WhatIsStoredIsThereWhenTheLakeIsOpenedAgain) {
  backend_->run(store_one);
  backend_->run(find_one);
}

// The keys of a lake as it lists them, in pages of `limit`, with a look at each entry.
Task<std::vector<std::string>> listed(ObjectStore& store, std::string prefix, std::string after,
                                      std::size_t limit) {
  std::vector<std::string> keys;
  std::optional<std::string> from = std::move(after);
  while (from) {
    auto page = co_await store.list(prefix, *from, limit);
    if (!page) {
      ADD_FAILURE() << page.error().message;
      break;
    }
    EXPECT_LE(page->objects.size(), limit);
    for (const auto& [key, info] : page->objects) {
      keys.push_back(key.text());
      const auto found = co_await store.stat(key);
      if (!found || !*found) {
        ADD_FAILURE() << key.text() << " is listed and not there";
        continue;
      }
      EXPECT_EQ(info.size_bytes, (*found)->size_bytes) << key.text();
      EXPECT_EQ(info.etag, (*found)->etag) << key.text();
      EXPECT_FALSE(info.etag.empty()) << key.text();
      EXPECT_EQ(std::chrono::floor<std::chrono::seconds>(info.modified_at),
                std::chrono::floor<std::chrono::seconds>((*found)->modified_at))
          << key.text();
    }
    if (page->next_after && *page->next_after <= *from) {
      ADD_FAILURE() << "a page goes on after " << *page->next_after;
      break;
    }
    from = std::move(page->next_after);
  }
  co_return keys;
}

Task<void> list_in_order(Runtime&, ObjectStore& store) {
  EXPECT_EQ(co_await listed(store, "", "", 10), std::vector<std::string>{});
  // As their bytes are: '-' '.' '/' '0' 'A' '^' 'a', then what is not ASCII.
  const std::vector<std::string> keys = {
      "a-b/data",
      "a.b/data",
      "a/^SPX/2024/01/02/data.parquet",
      "a/b",
      "a/b+c d&e=f%2F/data",
      "a/b-c",
      "a/bc/data",
      "a0/data",
      "historical-options/quote/15m@100000-110000/all/AAPL/2024/01/02/data.parquet",
      "historical-stock/eod/AAPL/2023/data.parquet",
      "historical-stock/eod/AAPL/2024/data.parquet",
      "historical-stock/eod/BRK.B/2023/data.parquet",
      "z",
      "z\xc3\xa9/\xe2\x82\xac",
  };
  for (auto key = keys.rbegin(); key != keys.rend(); ++key) {
    CO_REQUIRE(co_await put(store, key_of(*key), bytes_of("of " + *key)));
  }
  for (const std::size_t limit : {1, 3, 14, 1000}) {
    EXPECT_EQ(co_await listed(store, "", "", limit), keys) << limit;
  }
  const auto from_to = [&keys](std::ptrdiff_t from, std::ptrdiff_t to) {
    return std::vector(keys.begin() + from, keys.begin() + to);
  };
  EXPECT_EQ(co_await listed(store, "historical-stock/", "", 2), from_to(9, 12));
  EXPECT_EQ(co_await listed(store, "historical-stock/eod/A", "", 2), from_to(9, 11));
  EXPECT_EQ(co_await listed(store, "a/b", "", 2), from_to(3, 7));
  EXPECT_EQ(co_await listed(store, "a", "a.", 100), from_to(1, 8));
  EXPECT_EQ(co_await listed(store, "", "a/b", 100), from_to(4, 14));
  EXPECT_EQ(co_await listed(store, "a/", "a/b+zzz", 100), from_to(5, 7));
  EXPECT_EQ(co_await listed(store, "", "z", 100), from_to(13, 14));
  EXPECT_EQ(co_await listed(store, "", "zz", 100), from_to(13, 14));
  EXPECT_EQ(co_await listed(store, "nothing/", "", 100), from_to(0, 0));
}
TEST_P(ObjectStoreContract, ListsItsObjectsInTheOrderOfBytesPageByPage) {
  backend_->run(list_in_order);
}

Task<void> list_unfinished(Runtime&, ObjectStore& store) {
  auto writer = co_await store.create(key_of("a/data"));
  CO_REQUIRE(writer);
  CO_REQUIRE(co_await (*writer)->write(pattern(2 << 20, 1)));
  EXPECT_EQ(co_await listed(store, "", "", 10), std::vector<std::string>{});
  EXPECT_EQ(co_await listed(store, ".betedge-tmp/", "", 10), std::vector<std::string>{});
}
TEST_P(ObjectStoreContract, ListsNeitherWhatIsUnfinishedNorWhatIsItsOwn) {
  backend_->run(list_unfinished);
}

Task<Result<std::optional<ObjectInfo>>> put_expecting(ObjectStore& store, ObjectKey key,
                                                      std::string text, Expected expected) {
  BETEDGE_CO_TRY(auto writer, co_await store.create(key, std::move(expected)));
  BETEDGE_CO_TRY_VOID(co_await writer->write(bytes_of(text)));
  BETEDGE_CO_TRY_VOID(co_await writer->commit());
  co_return co_await store.stat(std::move(key));
}

Task<void> expected_or_fenced(Runtime&, ObjectStore& store) {
  const auto key = key_of("a/data.parquet");
  const Expected nothing{Expected::What::nothing, {}};
  const auto first = co_await put_expecting(store, key, "first", nothing);
  CO_REQUIRE(first && first->has_value());
  const auto again = co_await put_expecting(store, key, "again", nothing);
  EXPECT_EQ(again.error().code, ErrorCode::fenced);
  EXPECT_NE(again.error().message.find("a/data.parquet"), std::string::npos);
  EXPECT_EQ(co_await text_of(store, key), "first");

  const auto second = co_await put_expecting(store, key, "second", Expected::as_found(*first));
  CO_REQUIRE(second && second->has_value());
  EXPECT_NE((*second)->etag, (*first)->etag);
  const auto late = co_await put_expecting(store, key, "late", Expected::as_found(*first));
  EXPECT_EQ(late.error().code, ErrorCode::fenced);
  EXPECT_EQ(co_await text_of(store, key), "second");

  const auto other = key_of("a/other.parquet");
  const auto of_nothing = co_await put_expecting(store, other, "x", Expected::as_found(*second));
  EXPECT_EQ(of_nothing.error().code, ErrorCode::fenced);
  EXPECT_EQ(co_await text_of(store, other), "<not_found>");
  EXPECT_TRUE(co_await put_expecting(store, other, "x", Expected::as_found({})));
  EXPECT_TRUE(co_await put_expecting(store, key, "third", {}));
}
TEST_P(ObjectStoreContract, WhatIsNotAsExpectedIsFencedAndStays) {
  backend_->run(expected_or_fenced);
  EXPECT_EQ(backend_->leftovers(), 0);
}

Task<void> put_expecting_and_count(ObjectStore& store, ObjectKey key, Bytes bytes,
                                   Expected expected, std::vector<std::size_t>& stored,
                                   std::size_t& fenced, std::size_t number) {
  auto writer = co_await store.create(std::move(key), std::move(expected));
  CO_REQUIRE(writer);
  CO_REQUIRE(co_await (*writer)->write(std::move(bytes)));
  const auto committed = co_await (*writer)->commit();
  if (committed) stored.push_back(number);
  if (!committed && committed.error().code == ErrorCode::fenced) ++fenced;
}

Task<void> race(Runtime& runtime, ObjectStore& store) {
  constexpr std::size_t kWriters = 8;
  const auto key = key_of("shared/data");
  // Other bytes in each round: where an etag is a digest, the same bytes written again have the
  // same.
  for (const std::size_t round : {100, 200}) {
    const auto found = co_await store.stat(key);
    CO_REQUIRE(found);
    std::vector<std::size_t> stored;
    std::size_t fenced = 0;
    TaskScope scope(runtime);
    for (std::size_t i = 0; i < kWriters; ++i) {
      scope.spawn(put_expecting_and_count(store, key, pattern(200'000, i + round),
                                          Expected::as_found(*found), stored, fenced, i));
    }
    co_await scope.close();
    EXPECT_EQ(stored.size() + fenced, kWriters) << round;
    // Where the look comes before the publish, several may have seen the same.
    if (store.publishes_conditionally()) EXPECT_EQ(stored.size(), 1) << round;
    CO_REQUIRE(!stored.empty());
    const auto there = co_await store.read(key, 0, 1 << 20);
    CO_REQUIRE(there);
    EXPECT_TRUE(std::ranges::any_of(
        stored, [&](std::size_t i) { return *there == pattern(200'000, i + round); }));
  }
}
TEST_P(ObjectStoreContract, OfManyWhoExpectTheSameOneIsFirst) {
  backend_->run(race);
  EXPECT_EQ(backend_->leftovers(), 0);
}

Task<void> name_it(Runtime&, ObjectStore& store) {
  EXPECT_FALSE(store.name().empty());
  EXPECT_EQ(store.name().find("secret"), std::string::npos);
  co_return;
}
TEST_P(ObjectStoreContract, HasANameWithoutSecrets) {
  backend_->run(name_it);
}

INSTANTIATE_TEST_SUITE_P(Lakes, ObjectStoreContract,
                         ::testing::Values("memory", "folder", "folder_on_threads", "s3"),
                         [](const auto& tested) { return tested.param; });

}  // namespace
}  // namespace betedge::testing
