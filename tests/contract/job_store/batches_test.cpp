// Fetches of one batch are claimed together, and end one by one.
#include <gmock/gmock.h>

#include <algorithm>

#include "contract/job_store/contract.hpp"

namespace betedge::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Whose items are all of one batch.
NewJob batched_job(std::uint64_t number, std::size_t items, const std::string& batch) {
  auto job = new_job(number, items);
  for (auto& fetch : job.fetches) fetch.batch = batch;
  return job;
}

std::vector<std::string> batches_of(const std::vector<ClaimedFetch>& claims) {
  std::vector<std::string> batches;
  for (const auto& claim : claims) batches.push_back(claim.batch);
  return batches;
}

TEST_P(JobStoreContract, AFetchBringsTheOthersOfItsBatchAndMaxCountsBatches) {
  auto job = batched_job(1, 7, "jan");
  for (const std::size_t seq : {3, 4}) job.fetches[seq].batch = "feb";
  for (const std::size_t seq : {5, 6}) job.fetches[seq].batch = "";
  get(store().create_job(std::move(job))).value();
  const auto first = claims(1);
  EXPECT_THAT(places(first.fetches), ElementsAre(0, 1, 2));
  EXPECT_THAT(batches_of(first.fetches), Each(std::string("jan")));
  ASSERT_THAT(first.changed_jobs, SizeIs(1));
  EXPECT_EQ(first.changed_jobs[0].items, (ItemCounts{.pending = 4, .running = 3}));
  EXPECT_EQ(first.changed_jobs[0].version, 2u) << "one change";
  const auto rest = claim(2);
  EXPECT_THAT(places(rest), ElementsAre(3, 4, 5));
  EXPECT_THAT(batches_of(rest), ElementsAre("feb", "feb", ""));
  EXPECT_THAT(places(claim(9)), ElementsAre(6));
}

TEST_P(JobStoreContract, ThoseOfABatchComeByKeyWhateverTheirOrderInTheJob) {
  auto job = batched_job(1, 4, "jan");
  std::ranges::reverse(job.fetches);
  get(store().create_job(std::move(job))).value();
  const auto claimed = claim(1);
  EXPECT_THAT(keys_of(claimed),
              ElementsAre(key_of(1, 0), key_of(1, 1), key_of(1, 2), key_of(1, 3)));
  EXPECT_THAT(places(claimed), ElementsAre(3, 2, 1, 0));
}

TEST_P(JobStoreContract, ABatchIsOfWhateverJobNeedsSomethingOfIt) {
  get(store().create_job(batched_job(1, 2, "jan"))).value();
  get(store().create_job(batched_job(2, 1, "jan"))).value();
  auto third = batched_job(3, 2, "jan");
  third.fetches[1].batch = "feb";
  third.fetches.push_back(batched_job(1, 2, "jan").fetches[1]);  // shared with the first
  get(store().create_job(std::move(third))).value();
  const auto claimed = claims(1);
  EXPECT_THAT(keys_of(claimed.fetches),
              ElementsAre(key_of(1, 0), key_of(1, 1), key_of(2, 0), key_of(3, 0)));
  EXPECT_THAT(jobs_of(claimed.fetches), ElementsAre(job_id(1), job_id(1), job_id(2), job_id(3)));
  EXPECT_THAT(places(claimed.fetches), ElementsAre(0, 1, 0, 0));
  EXPECT_THAT(ids_of(claimed.changed_jobs), ElementsAre(job_id(1), job_id(2), job_id(3)));
  EXPECT_EQ(job(1).items, (ItemCounts{.running = 2}));
  EXPECT_EQ(job(2).items, (ItemCounts{.running = 1}));
  EXPECT_EQ(job(3).items, (ItemCounts{.pending = 1, .running = 2}));
  for (const std::uint64_t number : {1, 2, 3}) EXPECT_EQ(job(number).status, JobStatus::running);
  // And each of them counts what it needs.
  for (const auto& one : claimed.fetches)
    get(store().complete(one.fetch, one.fence, ended(ItemState::succeeded))).value();
  EXPECT_EQ(job(1).status, JobStatus::completed);
  EXPECT_EQ(job(2).status, JobStatus::completed);
  EXPECT_EQ(job(3).items, (ItemCounts{.pending = 1, .succeeded = 2}));
  EXPECT_THAT(keys_of(claim(9)), ElementsAre(key_of(3, 1)));
}

TEST_P(JobStoreContract, AJobOfAnotherUpstreamStaysOutOfABatch) {
  get(store().create_job(batched_job(1, 2, "jan"))).value();
  auto other = batched_job(2, 2, "jan");
  other.upstream = "nasdaq";
  get(store().create_job(std::move(other))).value();
  EXPECT_THAT(jobs_of(claim(9)), ElementsAre(job_id(1), job_id(1)));
  EXPECT_EQ(job(2).items, (ItemCounts{.pending = 2}));
  EXPECT_THAT(get(store().claim("nasdaq", 9, "test", kLease)).value().fetches, SizeIs(2));
}

TEST_P(JobStoreContract, AJobServedWithAnothersBatchHasHadItsTurn) {
  get(store().create_job(batched_job(1, 1, "jan"))).value();
  auto along = batched_job(2, 1, "jan");
  along.fetches.push_back(new_job(2, 2).fetches[1]);
  get(store().create_job(std::move(along))).value();
  create(3, 1);
  for (const auto& one : claim(1))
    get(store().complete(one.fetch, one.fence, ended(ItemState::succeeded))).value();
  // None of the two that are left has anything running.
  EXPECT_THAT(jobs_of(claim(2)), ElementsAre(job_id(3), job_id(2)));
}

TEST_P(JobStoreContract, ABatchHasItsLimitAndTheFetchThatIsServedIsInIt) {
  const auto largest = JobStore::kLargestBatch;
  get(store().create_job(batched_job(1, largest + 9, "jan"))).value();
  auto urgent = batched_job(9, 1, "jan");  // whose key is the last of all
  urgent.priority = 1;
  get(store().create_job(std::move(urgent))).value();
  const auto first = claim(1);
  ASSERT_EQ(first.size(), largest);
  EXPECT_EQ(first.back().key, key_of(9, 0));
  EXPECT_TRUE(std::ranges::is_sorted(first, {}, &ClaimedFetch::key));
  EXPECT_THAT(claim(1), SizeIs(10));
  EXPECT_THAT(claim(1), IsEmpty());
}

TEST_P(JobStoreContract, TwoBatchesOfOneTextMayComeInOneClaim) {
  get(store().create_job(batched_job(1, JobStore::kLargestBatch + 9, "jan"))).value();
  EXPECT_THAT(claim(2), SizeIs(JobStore::kLargestBatch + 9));
}

TEST_P(JobStoreContract, TwoThatWriteOneObjectAreNotOfOneBatch) {
  get(store().create_job(batched_job(1, 3, "jan"))).value();
  auto forced = batched_job(1, 2, "jan");
  forced.job_id = job_id(2);
  for (auto& fetch : forced.fetches) fetch.spec_json = R"({"mode":"force"})";
  get(store().create_job(forced)).value();
  const auto first = claim(9);
  EXPECT_THAT(keys_of(first), ElementsAre(key_of(1, 0), key_of(1, 1), key_of(1, 2)));
  EXPECT_THAT(jobs_of(first), Each(job_id(1)));
  EXPECT_EQ(job(2).items, (ItemCounts{.pending = 2}));
  complete(first[1], ended(ItemState::succeeded)).value();
  // One of the two may run now; the other still waits for its object.
  EXPECT_THAT(keys_of(claim(9)), ElementsAre(key_of(1, 1)));
  complete(first[0], ended(ItemState::succeeded)).value();
  EXPECT_THAT(keys_of(claim(9)), ElementsAre(key_of(1, 0)));
}

TEST_P(JobStoreContract, TheFetchThatIsServedGoesBeforeAnOlderOneOfItsObject) {
  get(store().create_job(batched_job(1, 2, "jan"))).value();
  auto forced = batched_job(1, 1, "jan");
  forced.job_id = job_id(2);
  forced.priority = 1;
  forced.fetches[0].spec_json = R"({"mode":"force"})";
  get(store().create_job(forced)).value();
  const auto first = claim(9);
  EXPECT_THAT(keys_of(first), ElementsAre(key_of(1, 0), key_of(1, 1)));
  EXPECT_THAT(jobs_of(first), ElementsAre(job_id(2), job_id(1)));
}

TEST_P(JobStoreContract, OneThatWasTriedComesAlone) {
  get(store().create_job(batched_job(1, 4, "jan"))).value();
  for (const auto& one : claim(1))
    get(store().put_back(one.fetch, one.fence, 0ms, one.seq < 2, "HTTP 500")).value();
  const auto again = claim(9);
  EXPECT_THAT(places(again), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(batches_of(again), ElementsAre("", "", "jan", "jan"));
  for (const auto& one : again) get(store().put_back(one.fetch, one.fence, 0ms, false, "")).value();
  EXPECT_THAT(places(claim(1)), ElementsAre(0));
  EXPECT_THAT(places(claim(1)), ElementsAre(1));
  EXPECT_THAT(places(claim(1)), ElementsAre(2, 3));
}

TEST_P(JobStoreContract, ThoseThatWaitWithoutAnAttemptAreABatchAgain) {
  get(store().create_job(batched_job(1, 3, "jan"))).value();
  const auto first = claim(1);
  for (const auto& one : first)
    get(store().put_back(one.fetch, one.fence, one.seq == 2 ? 20s : 10s, false, "")).value();
  const auto none = claims(9);
  EXPECT_THAT(none.fetches, IsEmpty());
  world_->pass(11s);
  EXPECT_THAT(places(claim(1)), ElementsAre(0, 1));
  EXPECT_THAT(claim(1), IsEmpty());
  world_->pass(10s);
  EXPECT_THAT(places(claim(1)), ElementsAre(2));
}

TEST_P(JobStoreContract, EachOfABatchEndsByItself) {
  get(store().create_job(batched_job(1, 4, "jan"))).value();
  const auto claimed = claim(1);
  complete(claimed[0], ended(ItemState::succeeded)).value();
  complete(claimed[1], ended(ItemState::failed, "garbled")).value();
  only(get(store().put_back(claimed[2].fetch, claimed[2].fence, 0ms, true, "HTTP 500"))).value();
  EXPECT_EQ(job(1).items, (ItemCounts{.pending = 1, .running = 1, .succeeded = 1, .failed = 1}));
  EXPECT_TRUE(get(store().renew(claimed[3].fetch, claimed[3].fence, kLease)).has_value());
  EXPECT_THAT(places(claim(1)), ElementsAre(2));
}

TEST_P(JobStoreContract, ACancelInsideABatchNamesOnlyWhatNobodyElseNeeds) {
  get(store().create_job(batched_job(1, 2, "jan"))).value();
  get(store().create_job(batched_job(2, 2, "jan"))).value();
  get(store().create_job(sharing_job(3, {1}))).value();  // the same fetch as the first's second
  const auto claimed = claim(1);
  ASSERT_THAT(claimed, SizeIs(4));
  const auto changes = get(store().cancel_job(job_id(1))).value();
  EXPECT_THAT(changes.to_stop, ElementsAre(claimed[0].fetch));
  EXPECT_EQ(changes.jobs.at(0).items, (ItemCounts{.running = 1, .cancelled = 1}));
  const auto stopped =
      only(get(store().put_back(claimed[0].fetch, claimed[0].fence, 0ms, false, ""))).value();
  EXPECT_EQ(stopped.state(), JobState::cancelled);
  for (const std::size_t i : {1, 2, 3}) complete(claimed[i], ended(ItemState::succeeded)).value();
  EXPECT_EQ(job(2).state(), JobState::completed);
  EXPECT_EQ(job(3).state(), JobState::completed);
}

TEST_P(JobStoreContract, AFailedJobLeavesWhatAnotherNeedsOfTheBatch) {
  get(store().create_job(batched_job(1, 2, "jan"))).value();
  get(store().create_job(batched_job(2, 1, "jan"))).value();
  const auto claimed = claim(1);
  ASSERT_THAT(claimed, SizeIs(3));
  const auto changes =
      get(store().fail_jobs(claimed[0].fetch, claimed[0].fence, "no space")).value();
  EXPECT_THAT(ids_of(changes.jobs), ElementsAre(job_id(1)));
  EXPECT_THAT(changes.to_stop, ElementsAre(claimed[1].fetch));
  EXPECT_EQ(complete(claimed[2], ended(ItemState::succeeded)).value().state(), JobState::completed);
}

TEST_P(JobStoreContract, ABatchThatIsTakenBackIsOneAgainButNotForEver) {
  get(store().create_job(batched_job(1, 3, "jan"))).value();
  const auto first = claim(1);
  const auto changed = get(store().take_back(JobStore::Which::all, 9)).value();
  ASSERT_THAT(changed, SizeIs(1));
  EXPECT_EQ(changed[0].items, (ItemCounts{.pending = 3}));
  for (const auto& one : first)
    EXPECT_EQ(code_of(get(store().renew(one.fetch, one.fence, kLease))), ErrorCode::fenced);
  EXPECT_THAT(places(claim(1)), ElementsAre(0, 1, 2));  // anybody's restart
  get(store().take_back(JobStore::Which::all, 9)).value();
  // One of them may be the reason: it would take the others along, time and again.
  EXPECT_THAT(places(claim(1)), ElementsAre(0));
  const auto others = claim(9);
  EXPECT_THAT(places(others), ElementsAre(1, 2));
  EXPECT_THAT(batches_of(others), Each(std::string()));
}

TEST_P(JobStoreContract, ARetryBatchesAgain) {
  get(store().create_job(batched_job(1, 4, "jan"))).value();
  for (const auto& one : claim(1))
    complete(one, ended(one.seq == 1 ? ItemState::succeeded : ItemState::failed, "broke")).value();
  get(store().retry_job(job_id(1))).value();
  const auto again = claim(1);
  EXPECT_THAT(places(again), ElementsAre(0, 2, 3));
  EXPECT_THAT(batches_of(again), Each(std::string("jan")));
}

}  // namespace
}  // namespace betedge::testing
