// What a store knows of the objects: what lies there, what the vendor does not have, what failed.
#include <gmock/gmock.h>

#include <algorithm>

#include "contract/job_store/contract.hpp"

namespace betedge::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using What = ObjectRecord::What;

ObjectKey key(std::string_view text) {
  return ObjectKey::parse(text).value();
}

// With something else than the default in each member.
ObjectRecord adopted(const ObjectKey& at) {
  return {.key = at,
          .what = What::adopted,
          .size_bytes = std::uint64_t{5} << 32,
          .rows = 77,
          .sha256 = "5ead",
          .covers_through = Date(std::chrono::days(19'000)),
          .schema_version = 3,
          .written_at = Timestamp(1'700'000'000'123'456us),
          .took = 12ms,
          .layout = {.columns = ColumnStyle::typed, .price_type = PriceType::float32},
          .reason = "because",
          .missing_sessions = {Date(std::chrono::days(18'990)), Date(std::chrono::days(18'995))}};
}

ObjectRecord no_data(const ObjectKey& at) {
  return {.key = at,
          .what = What::no_data,
          .covers_through = Date(std::chrono::days(19'000)),
          .written_at = Timestamp(1'700'000'000s),
          .reason = "zero_series"};
}

FetchOutcome ended_with(ItemState state, ObjectRecord object) {
  auto outcome = ended(state);
  outcome.object = std::move(object);
  return outcome;
}

TEST_P(JobStoreContract, WhatIsRecordedIsFoundAsItWasSaid) {
  const auto at = key("lake/1");
  for (const auto& object : {adopted(at), no_data(at), ObjectRecord{.key = at, .rows = 3}}) {
    record(object);
    EXPECT_EQ(find(at), object);
    ASSERT_THAT(known(), SizeIs(1));
    EXPECT_EQ(known()[0].key, at);
    EXPECT_EQ(known()[0].object, object);
    EXPECT_FALSE(known()[0].failure.has_value());
  }
}

TEST_P(JobStoreContract, AFetchThatEndsWellRecordsWhatItCameTo) {
  create(1, 4);
  const auto claimed = claim(4);
  complete(claimed[0], ended_with(ItemState::succeeded, adopted(key_of(1, 0)))).value();
  complete(claimed[1], ended_with(ItemState::no_data, no_data(key_of(1, 1)))).value();
  complete(claimed[2], ended_with(ItemState::skipped, adopted(key_of(1, 2)))).value();
  complete(claimed[3], ended(ItemState::no_data)).value();
  EXPECT_EQ(find(key_of(1, 0)), adopted(key_of(1, 0)));
  EXPECT_EQ(find(key_of(1, 1)), no_data(key_of(1, 1)));
  EXPECT_EQ(find(key_of(1, 2)), adopted(key_of(1, 2)));
  EXPECT_EQ(find(key_of(1, 3)), std::nullopt) << "a day that may yet come";
  EXPECT_THAT(known(), SizeIs(3));
}

TEST_P(JobStoreContract, AFailureIsKnownUntilAnObjectIsRecorded) {
  const auto at = key_of(1, 0);
  create(1, 1);
  complete(claim_one(), ended(ItemState::failed, "HTTP 500")).value();
  EXPECT_EQ(find(at), std::nullopt);
  ASSERT_THAT(known(), SizeIs(1));
  EXPECT_EQ(known()[0].key, at);
  EXPECT_EQ(known()[0].object, std::nullopt);
  EXPECT_EQ(known()[0].failure.value().error, "HTTP 500");
  EXPECT_EQ(known()[0].failure.value().failed_at, job(1).finished_at);
  // The next failure is the one that is told.
  get(store().retry_job(job_id(1))).value();
  complete(claim_one(), ended(ItemState::failed, "garbled")).value();
  EXPECT_EQ(known().at(0).failure.value().error, "garbled");
  // A failed item without an object of its own that ends well tells nothing of one.
  get(store().retry_job(job_id(1))).value();
  const auto claimed = claim_one();
  EXPECT_TRUE(known().at(0).failure.has_value()) << "it is not over yet";
  complete(claimed, ended_with(ItemState::succeeded, adopted(at))).value();
  EXPECT_EQ(known().at(0).object, adopted(at));
  EXPECT_FALSE(known().at(0).failure.has_value());
}

TEST_P(JobStoreContract, AFailureLeavesWhatIsKnownOfTheObject) {
  const auto at = key_of(1, 0);
  record(adopted(at));
  create(1, 1);
  complete(claim_one(), ended(ItemState::failed, "HTTP 500")).value();
  EXPECT_EQ(find(at), adopted(at));
  EXPECT_EQ(known().at(0).object, adopted(at));
  EXPECT_EQ(known().at(0).failure.value().error, "HTTP 500");
  record(no_data(at));
  EXPECT_EQ(known().at(0).object, no_data(at));
  EXPECT_FALSE(known().at(0).failure.has_value());
}

TEST_P(JobStoreContract, OnlyWhatFailedForGoodIsAFailure) {
  create(1, 3);
  const auto claimed = claim(3);
  get(store().put_back(claimed[0].fetch, claimed[0].fence, 1s, true, "HTTP 500")).value();
  get(store().cancel_job(job_id(1))).value();
  get(store().put_back(claimed[1].fetch, claimed[1].fence, 0ms, false, "")).value();
  get(store().take_back(JobStore::Which::all, 1)).value();
  EXPECT_EQ(job(1).state(), JobState::cancelled);
  EXPECT_THAT(known(), IsEmpty());
}

TEST_P(JobStoreContract, WhoeverIsRefusedRecordsNothing) {
  create(1, 1);
  const auto stale = claim_one();
  get(store().take_back(JobStore::Which::all, 9)).value();
  for (const auto& outcome :
       {ended(ItemState::failed, "late"), ended_with(ItemState::no_data, no_data(key_of(1, 0)))})
    EXPECT_EQ(code_of(complete(stale, outcome)), ErrorCode::fenced);
  EXPECT_EQ(code_of(get(store().fail_jobs(stale.fetch, stale.fence, "late"))), ErrorCode::fenced);
  EXPECT_THAT(known(), IsEmpty());
}

TEST_P(JobStoreContract, WhatIsGivenUpAfterCrashesHasFailed) {
  create(1, 1);
  claim_one();
  get(store().take_back(JobStore::Which::all, 1)).value();
  ASSERT_THAT(known(), SizeIs(1));
  EXPECT_EQ(known()[0].failure.value().error, items(1)[0].error);
}

TEST_P(JobStoreContract, WhatAJobFailsWithFailsAllThatNobodyElseNeeds) {
  create(1, 5);
  get(store().create_job(sharing_job(2, {3}))).value();
  const auto claimed = claim(3);
  ASSERT_THAT(keys_of(claimed), ElementsAre(key_of(1, 0), key_of(1, 3), key_of(1, 1)));
  complete(claimed[0], ended_with(ItemState::succeeded, adopted(key_of(1, 0)))).value();
  get(store().fail_jobs(claimed[2].fetch, claimed[2].fence, "no space left")).value();
  const auto failed = known();
  std::vector<ObjectKey> keys;
  for (const auto& one : failed) {
    if (!one.failure) continue;
    keys.push_back(one.key);
    EXPECT_EQ(one.failure->error, "no space left");
  }
  EXPECT_THAT(keys, ElementsAre(key_of(1, 1), key_of(1, 2), key_of(1, 4)));
}

TEST_P(JobStoreContract, AFailureOutlivesItsJob) {
  create(1, 1);
  complete(claim_one(), ended(ItemState::failed, "HTTP 500")).value();
  get(store().delete_job(job_id(1))).value();
  EXPECT_EQ(known().at(0).failure.value().error, "HTTP 500");
}

TEST_P(JobStoreContract, KnownKeysAreListedByPrefixInByteOrder) {
  for (const auto* text : {"b/2", "b/10", "b", "a/z", "b/é", "b/\xff\xff", "ba/1", "b/2/x", "c"})
    record({.key = key(text)});
  EXPECT_THAT(known_keys("b/"), ElementsAre("b/10", "b/2", "b/2/x", "b/é", "b/\xff\xff"));
  EXPECT_THAT(known_keys("b/2"), ElementsAre("b/2", "b/2/x"));
  EXPECT_THAT(known_keys("b"),
              ElementsAre("b", "b/10", "b/2", "b/2/x", "b/é", "b/\xff\xff", "ba/1"));
  EXPECT_THAT(known_keys("b/\xff"), ElementsAre("b/\xff\xff"));
  EXPECT_THAT(known_keys("bb"), IsEmpty());
  EXPECT_THAT(known_keys("d"), IsEmpty());
  EXPECT_THAT(known_keys(""), SizeIs(9));
}

TEST_P(JobStoreContract, KnownKeysAreReadPageByPage) {
  create(1, 7);
  for (const auto& one : claim(7)) {
    if (one.seq % 2 == 0) {
      complete(one, ended(ItemState::failed, "broke")).value();
    } else {
      complete(one, ended_with(ItemState::succeeded, adopted(one.key))).value();
    }
  }
  record({.key = key("lake/0")});
  record({.key = key("lake/2")});
  for (const std::size_t limit : {1, 2, 3, 7, 8, 100}) {
    std::vector<ObjectKey> keys;
    std::string after;
    while (true) {
      const auto page = get(store().list_known("lake/1/", after, limit)).value();
      EXPECT_LE(page.keys.size(), limit);
      for (const auto& one : page.keys) {
        EXPECT_NE(one.object.has_value(), one.failure.has_value());
        keys.push_back(one.key);
      }
      if (!page.next_after) break;
      EXPECT_EQ(page.keys.size(), limit);
      EXPECT_EQ(*page.next_after, keys.back().text());
      after = *page.next_after;
    }
    EXPECT_EQ(keys.size(), 7u) << limit;
    EXPECT_TRUE(std::ranges::is_sorted(keys)) << limit;
  }
  // Whatever it goes on behind.
  EXPECT_THAT(get(store().list_known("lake/1/", "a", 9)).value().keys, SizeIs(7));
  EXPECT_THAT(get(store().list_known("lake/1/", "lake/1/3x", 9)).value().keys, SizeIs(3));
  EXPECT_THAT(get(store().list_known("lake/1/", "lake/2", 9)).value().keys, IsEmpty());
  EXPECT_THAT(get(store().list_known("lake/1/", "", 0)).value().keys, IsEmpty());
}

TEST_P(JobStoreContract, OnlyWhatWeWroteIsExperience) {
  record({.key = key("lake/1/a"), .size_bytes = 10, .took = 2s});
  record(adopted(key("lake/1/b")));
  record(no_data(key("lake/1/c")));
  create(1, 1);
  complete(claim_one(), ended(ItemState::failed, "broke")).value();
  const auto found = get(store().experience("lake/1/")).value();
  EXPECT_EQ(found.objects, 1u);
  EXPECT_EQ(found.mean_bytes, 10);
  EXPECT_EQ(found.mean_seconds, 2);
}

}  // namespace
}  // namespace betedge::testing
