// Batches: one slot and one run for several fetches, each of which ends by itself.
#include <gmock/gmock.h>

#include <algorithm>

#include "unit/jobs/scheduler_fixture.hpp"

namespace betedge::jobs {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::key_of;
using ::testing::SizeIs;

// Its items in batches of so many.
NewJob batched_job(std::uint64_t number, std::size_t items, std::size_t each,
                   const std::string& name = "batch") {
  auto job = new_job(number, items);
  for (std::size_t seq = 0; seq < items; ++seq)
    job.fetches[seq].batch = name + " " + std::to_string(seq / each);
  return job;
}

FetchResult failing(ErrorCode code, std::string message) {
  return std::unexpected(error_of(code, std::move(message)));
}

class SchedulerBatches : public SchedulerTest {
 public:
  std::vector<std::size_t> sizes() const {
    std::vector<std::size_t> all;
    for (const auto& batch : fetches_.batches) all.push_back(batch.size());
    return all;
  }
  // A job from its submission to its end.
  Task<void> whole(NewJob job) {
    const auto id = job.job_id;
    (co_await scheduler_->start()).value();
    (co_await scheduler_->submit(std::move(job))).value();
    while (!core::has_ended(tracker_->find(id)->status)) co_await sleep(10ms);
    co_await scheduler_->stop(10s);
  }
};

INSTANTIATE_TEST_SUITE_P(Worlds, SchedulerBatches, ::testing::Range<std::uint64_t>(1, 6));

TEST_P(SchedulerBatches, ABatchIsOneRunInOneSlot) {
  options_.concurrency = {{"thetadata", 2}};
  make_scheduler();
  const auto scenario = [](SchedulerBatches& t) -> Task<void> {
    (co_await t.scheduler_->start()).value();
    (co_await t.scheduler_->submit(batched_job(1, 15, 5))).value();
    co_await t.sleep(50ms);
    EXPECT_EQ(t.scheduler_->running(), 2u);
    EXPECT_EQ(t.job(1).items.running, 10u);
    EXPECT_EQ(t.metrics_.value(Metric::items_inflight), 10);
    co_await t.end_of(1);
    co_await t.scheduler_->stop(10s);
  };
  runtime_.run(scenario(*this));
  EXPECT_THAT(sizes(), ElementsAre(5, 5, 5));
  EXPECT_THAT(fetches_.batches[2], ElementsAre(key_of(1, 10), key_of(1, 11), key_of(1, 12),
                                               key_of(1, 13), key_of(1, 14)));
  EXPECT_EQ(fetches_.most_at_once, 2);
  EXPECT_EQ(job(1).items.succeeded, 15u);
  EXPECT_EQ(job(1).rows, 150u);
  EXPECT_EQ(log_.count("item_done"), 15u);
  EXPECT_EQ(metrics_.value(Metric::items_inflight), 0);
}

TEST_P(SchedulerBatches, MoreThanTheLargestBatchOfOneTextAreTwoRuns) {
  runtime_.run(whole(batched_job(1, 40, 40)));
  EXPECT_THAT(sizes(), ElementsAre(31, 9));
  EXPECT_EQ(job(1).items.succeeded, 40u);
}

TEST_P(SchedulerBatches, EachEndsByItselfAndWhatIsTriedAgainIsTriedAlone) {
  fetches_.script = [](const ClaimedFetch& claim) {
    Doing doing;
    if (claim.seq == 1) doing.result = ended(ItemState::no_data);
    if (claim.seq == 2) doing.result = failing(ErrorCode::upstream_refused, "400");
    if (claim.seq == 3 && claim.attempts_made == 0)
      doing.result = failing(ErrorCode::upstream_failed, "HTTP 500");
    return doing;
  };
  runtime_.run(whole(batched_job(1, 5, 5)));
  EXPECT_EQ(job(1).items, (ItemCounts{.succeeded = 3, .no_data = 1, .failed = 1}));
  EXPECT_EQ(items(1)[2].error, "400");
  EXPECT_THAT(sizes(), ElementsAre(5, 1));
  EXPECT_THAT(fetches_.batches[1], ElementsAre(key_of(1, 3)));
  EXPECT_EQ(items(1)[3].attempts, 2);
  EXPECT_EQ(log_.count("item_retry"), 1u);
}

TEST_P(SchedulerBatches, WhatWaitedAlikeIsABatchAgain) {
  int runs = 0;
  fetches_.script = [&runs](const ClaimedFetch& claim) {
    Doing doing;
    if (claim.seq == 0) ++runs;
    if (runs <= 6) doing.result = failing(ErrorCode::upstream_throttled, "HTTP 429");
    return doing;
  };
  runtime_.run(whole(batched_job(1, 5, 5)));
  EXPECT_THAT(sizes(), SizeIs(7));
  EXPECT_THAT(sizes(), Each(5));
  for (const auto& item : items(1)) EXPECT_EQ(item.attempts, 1);
}

TEST_P(SchedulerBatches, WhatIsTriedAgainForOneReasonIsReadyAtOneTime) {
  options_.concurrency = {{"thetadata", 8}};
  make_scheduler();
  fetches_.script = [](const ClaimedFetch& claim) {
    Doing doing;
    if (claim.attempts_made == 0) doing.result = failing(ErrorCode::upstream_garbled, "short");
    return doing;
  };
  runtime_.run(whole(batched_job(1, 5, 5)));
  EXPECT_THAT(sizes(), ElementsAre(5, 1, 1, 1, 1, 1));
  const auto& starts = fetches_.starts;
  ASSERT_THAT(starts, SizeIs(10));
  for (std::size_t i = 6; i < 10; ++i) EXPECT_EQ(starts[i].at, starts[5].at);
}

TEST_P(SchedulerBatches, AnUpstreamThatIsGoneTakesNoBatchApart) {
  bool gone = true;
  fetches_.script = [&gone](const ClaimedFetch&) {
    Doing doing;
    if (gone) doing.result = failing(ErrorCode::upstream_unavailable, "refused");
    return doing;
  };
  const auto scenario = [](SchedulerBatches& t, bool& is_gone) -> Task<void> {
    (co_await t.scheduler_->start()).value();
    (co_await t.scheduler_->submit(batched_job(1, 10, 5))).value();
    co_await t.sleep(50ms);
    t.scheduler_->pause("thetadata", "upstream unavailable");
    co_await t.sleep(1h);
    EXPECT_EQ(t.job(1).items.pending, 10u);
    is_gone = false;
    t.scheduler_->resume("thetadata");
    co_await t.end_of(1);
    co_await t.scheduler_->stop(10s);
  };
  runtime_.run(scenario(*this, gone));
  EXPECT_THAT(sizes(), ElementsAre(5, 5, 5, 5));
  for (const auto& item : items(1)) EXPECT_EQ(item.attempts, 1);
}

TEST_P(SchedulerBatches, AnExceptionFailsAllOfItsBatchAndNothingElse) {
  fetches_.script = [](const ClaimedFetch& claim) { return Doing{.throws = claim.seq == 1}; };
  runtime_.run(whole(batched_job(1, 6, 3)));
  EXPECT_EQ(job(1).items, (ItemCounts{.succeeded = 3, .failed = 3}));
  for (const std::size_t seq : {0, 1, 2})
    EXPECT_EQ(items(1)[seq].error, "internal: the decoder tripped");
  EXPECT_EQ(metrics_.value(Metric::items_inflight), 0);
}

TEST_P(SchedulerBatches, ResultsThatCannotBeToldApartFailAllOfTheirBatch) {
  fetches_.results_to_drop = 1;
  runtime_.run(whole(batched_job(1, 3, 3)));
  EXPECT_EQ(job(1).items, (ItemCounts{.failed = 3}));
  EXPECT_EQ(items(1)[0].error, "internal: 2 results of 3 fetches");
}

TEST_P(SchedulerBatches, OneThatIsLostStopsNoneOfTheOthers) {
  options_.lease = 3s;
  make_scheduler();
  std::optional<ClaimedFetch> lost;
  fetches_.script = [&lost](const ClaimedFetch& claim) {
    if (claim.seq == 1 && claim.fence == 1) lost = claim;
    return Doing{.takes = claim.fence == 1 ? 20s : 1s};
  };
  const auto scenario = [](SchedulerBatches& t, const auto& taken) -> Task<void> {
    (co_await t.scheduler_->start()).value();
    (co_await t.scheduler_->submit(batched_job(1, 3, 3))).value();
    co_await t.sleep(500ms);
    (co_await t.file_->put_back(taken->fetch, taken->fence, 0ms, false, "")).value();
    co_await t.end_of(1);
    EXPECT_EQ(t.scheduler_->running(), 0u);
    co_await t.scheduler_->stop(10s);
  };
  runtime_.run(scenario(*this, lost));
  EXPECT_EQ(job(1).items, (ItemCounts{.succeeded = 3}));
  EXPECT_EQ(fetches_.stopped, 0);
  EXPECT_EQ(log_.count("lease_lost"), 1u);
  EXPECT_EQ(log_.count("item_done"), 3u);
  EXPECT_EQ(metrics_.value(Metric::lease_lost), 1);
  EXPECT_EQ(metrics_.value(Metric::items_inflight), 0);
}

TEST_P(SchedulerBatches, ABatchOfWhichAllAreLostIsStopped) {
  options_.lease = 3s;
  make_scheduler();
  fetches_.script = [](const ClaimedFetch& claim) {
    return Doing{.takes = claim.fence == 1 ? 60s : 1s};
  };
  const auto scenario = [](SchedulerBatches& t) -> Task<void> {
    (co_await t.scheduler_->start()).value();
    (co_await t.scheduler_->submit(batched_job(1, 3, 3))).value();
    co_await t.sleep(500ms);
    (co_await t.file_->take_back(JobStore::Which::all, 9)).value();
    co_await t.end_of(1);
    co_await t.scheduler_->stop(10s);
  };
  runtime_.run(scenario(*this));
  EXPECT_EQ(job(1).items, (ItemCounts{.succeeded = 3}));
  EXPECT_EQ(fetches_.stopped, 1);
  EXPECT_EQ(log_.count("lease_lost"), 3u);
  EXPECT_THAT(sizes(), ElementsAre(3, 3));
}

TEST_P(SchedulerBatches, AFetchFencedByTheLakeIsStillOursAndRunAgain) {
  fetches_.script = [](const ClaimedFetch& claim) {
    Doing doing;
    if (claim.seq == 1 && claim.fence == 1)
      doing.result = failing(ErrorCode::fenced, "somebody else wrote it");
    return doing;
  };
  runtime_.run(whole(batched_job(1, 3, 3)));
  EXPECT_EQ(job(1).items, (ItemCounts{.succeeded = 3}));
  EXPECT_EQ(items(1)[1].attempts, 1);
  EXPECT_THAT(sizes(), ElementsAre(3, 1));
  EXPECT_EQ(log_.count("item_waits"), 1u);
  EXPECT_EQ(metrics_.value(Metric::lease_lost), 0);
}

TEST_P(SchedulerBatches, ACancelStopsABatchOnlyWhenNobodyNeedsAnythingOfIt) {
  fetches_.script = [](const ClaimedFetch&) { return Doing{.takes = 10s}; };
  const auto scenario = [](SchedulerBatches& t) -> Task<void> {
    (co_await t.file_->create_job(batched_job(1, 2, 2))).value();
    (co_await t.file_->create_job(batched_job(2, 2, 2))).value();
    (co_await t.scheduler_->start()).value();
    co_await t.sleep(1s);
    EXPECT_THAT(t.sizes(), ElementsAre(4));
    (co_await t.scheduler_->cancel(job_id(1))).value();
    co_await t.sleep(1s);
    EXPECT_EQ(t.fetches_.stopped, 0);
    EXPECT_EQ(t.job(1).state(), JobState::cancelling);
    (co_await t.scheduler_->cancel(job_id(2))).value();
    co_await t.end_of(1);
    co_await t.end_of(2);
    EXPECT_LT(t.now() - SteadyTime{}, 5s);
    co_await t.scheduler_->stop(10s);
  };
  runtime_.run(scenario(*this));
  EXPECT_EQ(fetches_.stopped, 1);
  for (const std::uint64_t number : {1, 2}) {
    EXPECT_EQ(job(number).state(), JobState::cancelled);
    EXPECT_EQ(job(number).items, (ItemCounts{.cancelled = 2}));
  }
  EXPECT_EQ(log_.count("item_cancelled"), 4u);
}

TEST_P(SchedulerBatches, WhatEndedWellIsWrittenDownBeforeTheJobFails) {
  fetches_.script = [](const ClaimedFetch& claim) {
    Doing doing;
    if (claim.seq == 1 || claim.seq == 2)
      doing.result = failing(ErrorCode::storage_full, "no space left");
    return doing;
  };
  runtime_.run(whole(batched_job(1, 5, 5)));
  EXPECT_EQ(job(1).status, JobStatus::failed);
  EXPECT_EQ(job(1).error_message, "no space left");
  EXPECT_EQ(job(1).items, (ItemCounts{.succeeded = 3, .failed = 2}));
  EXPECT_EQ(log_.count("job_failed"), 1u);
  EXPECT_EQ(metrics_.value(Metric::lease_lost), 0) << "its own job's end is nobody's theft";
}

TEST_P(SchedulerBatches, AFullLakeFailsEveryJobOfTheBatch) {
  fetches_.script = [](const ClaimedFetch&) {
    return Doing{.result = failing(ErrorCode::storage_full, "no space left")};
  };
  const auto scenario = [](SchedulerBatches& t) -> Task<void> {
    (co_await t.file_->create_job(batched_job(1, 2, 2))).value();
    (co_await t.file_->create_job(batched_job(2, 2, 2))).value();
    (co_await t.scheduler_->start()).value();
    co_await t.end_of(1);
    co_await t.end_of(2);
    co_await t.scheduler_->stop(10s);
  };
  runtime_.run(scenario(*this));
  EXPECT_THAT(sizes(), ElementsAre(4));
  for (const std::uint64_t number : {1, 2}) {
    EXPECT_EQ(job(number).status, JobStatus::failed);
    EXPECT_EQ(job(number).items, (ItemCounts{.failed = 2}));
  }
}

TEST_P(SchedulerBatches, ABatchHandedBackIsOneAtTheNextStart) {
  fetches_.script = [](const ClaimedFetch&) { return Doing{.takes = 10min}; };
  const auto first = [](SchedulerBatches& t) -> Task<void> {
    (co_await t.scheduler_->start()).value();
    (co_await t.scheduler_->submit(batched_job(1, 6, 3))).value();
    co_await t.sleep(1s);
    co_await t.scheduler_->stop(1s);
  };
  runtime_.run(first(*this));
  EXPECT_EQ(log_.count("item_handed_back"), 6u);
  EXPECT_EQ(job(1).items, (ItemCounts{.pending = 6}));

  fetches_.script = [](const ClaimedFetch&) { return Doing{}; };
  make_scheduler();
  const auto next = [](SchedulerBatches& t) -> Task<void> {
    (co_await t.scheduler_->start()).value();
    co_await t.end_of(1);
    co_await t.scheduler_->stop(10s);
  };
  runtime_.run(next(*this));
  EXPECT_THAT(sizes(), ElementsAre(3, 3, 3, 3));
  for (const auto& item : items(1)) EXPECT_EQ(item.attempts, 1);
}

TEST_P(SchedulerBatches, ABatchClaimedWhileAStopIsAskedForIsHandedBackWhole) {
  const auto scenario = [](SchedulerBatches& t) -> Task<void> {
    (co_await t.file_->create_job(batched_job(1, 6, 3))).value();
    (co_await t.scheduler_->start()).value();  // the first claim is in the store's queue now
    co_await t.scheduler_->stop(10s);
  };
  runtime_.run(scenario(*this));
  EXPECT_THAT(sizes(), IsEmpty());
  for (const auto& item : items(1)) EXPECT_EQ(item.state, ItemState::pending);
}

TEST_P(SchedulerBatches, ABatchOfAKilledProcessIsTakenUpAsOne) {
  const auto scenario = [](SchedulerBatches& t) -> Task<void> {
    (co_await t.file_->create_job(batched_job(1, 6, 6))).value();
    (co_await t.file_->claim("thetadata", 4, "killed", 60s)).value();
    (co_await t.scheduler_->start()).value();
    co_await t.end_of(1);
    co_await t.scheduler_->stop(10s);
  };
  runtime_.run(scenario(*this));
  EXPECT_THAT(sizes(), ElementsAre(6));
  EXPECT_EQ(metrics_.value(Metric::items_rescued), 6);
}

TEST_P(SchedulerBatches, AStoreThatIsOutWhenABatchEndsLosesNothingOfIt) {
  const auto scenario = [](SchedulerBatches& t) -> Task<void> {
    (co_await t.scheduler_->start()).value();
    (co_await t.scheduler_->submit(batched_job(1, 6, 6))).value();
    co_await t.sleep(50ms);
    t.store_.out = true;
    co_await t.sleep(10min);  // longer than the leases
    t.store_.out = false;
    co_await t.end_of(1);
    co_await t.scheduler_->stop(10s);
  };
  runtime_.run(scenario(*this));
  EXPECT_EQ(job(1).items, (ItemCounts{.succeeded = 6}));
  EXPECT_THAT(sizes(), ElementsAre(6));
  EXPECT_EQ(log_.count("store_unavailable"), 1u);
}

TEST_P(SchedulerBatches, WhatIsPutBackAfterAnOutageIsABatchAgain) {
  fetches_.script = [](const ClaimedFetch& claim) {
    Doing doing;
    if (claim.fence == 1) doing.result = failing(ErrorCode::upstream_throttled, "HTTP 429");
    return doing;
  };
  const auto scenario = [](SchedulerBatches& t) -> Task<void> {
    (co_await t.scheduler_->start()).value();
    (co_await t.scheduler_->submit(batched_job(1, 6, 6))).value();
    co_await t.sleep(50ms);
    t.store_.out = true;
    co_await t.sleep(1min);
    t.store_.out = false;
    co_await t.end_of(1);
    co_await t.scheduler_->stop(10s);
  };
  runtime_.run(scenario(*this));
  EXPECT_THAT(sizes(), ElementsAre(6, 6));
}

TEST_P(SchedulerBatches, AStopWhileTheStoreIsOutLeavesABatchForTheNextStart) {
  const auto scenario = [](SchedulerBatches& t) -> Task<void> {
    (co_await t.scheduler_->start()).value();
    (co_await t.scheduler_->submit(batched_job(1, 6, 6))).value();
    co_await t.sleep(50ms);
    t.store_.out = true;
    co_await t.sleep(1s);
    co_await t.scheduler_->stop(10s);
    t.store_.out = false;
    t.make_scheduler();
    (co_await t.scheduler_->start()).value();
    co_await t.end_of(1);
    co_await t.scheduler_->stop(10s);
  };
  runtime_.run(scenario(*this));
  EXPECT_EQ(job(1).items, (ItemCounts{.succeeded = 6}));
  EXPECT_THAT(sizes(), ElementsAre(6, 6));
  EXPECT_EQ(log_.count("item_not_recorded"), 6u);
}

}  // namespace
}  // namespace betedge::jobs
