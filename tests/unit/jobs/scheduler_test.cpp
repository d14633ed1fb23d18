#include <gmock/gmock.h>

#include <algorithm>
#include <array>

#include "unit/jobs/scheduler_fixture.hpp"

namespace betedge::jobs {
namespace {

using ::testing::HasSubstr;

INSTANTIATE_TEST_SUITE_P(Worlds, SchedulerTest, ::testing::Range<std::uint64_t>(1, 6));

TEST_P(SchedulerTest, BackgroundTaskIsCreatedRunsAndLeavesItsScope) {
  const auto scenario = [](SchedulerTest& t) -> Task<void> {
    (co_await t.scheduler_->start()).value();
    EXPECT_EQ(t.scheduler_->running(), 0u);
    co_await t.submit(1, 1);
    co_await t.sleep(50ms);
    EXPECT_EQ(t.scheduler_->running(), 1u);
    EXPECT_EQ(t.job(1).status, JobStatus::running);
    co_await t.end_of(1);
    EXPECT_EQ(t.scheduler_->running(), 0u);
    co_await t.scheduler_->stop(10s);
  };
  runtime_.run(scenario(*this));
  EXPECT_EQ(job(1).status, JobStatus::completed);
  EXPECT_EQ(fetches_.starts.size(), 1u);
}

TEST_P(SchedulerTest, CloseLeavesNone) {
  const auto scenario = [](SchedulerTest& t) -> Task<void> {
    (co_await t.scheduler_->start()).value();
    co_await t.submit(1, 20);
    co_await t.sleep(150ms);
    EXPECT_GT(t.scheduler_->running(), 0u);
    co_await t.scheduler_->stop(0ms);
    EXPECT_EQ(t.scheduler_->running(), 0u);
    EXPECT_EQ(t.fetches_.at_once, 0);
  };
  runtime_.run(scenario(*this));
  EXPECT_FALSE(runtime_.step()) << "something is left to happen";
}

TEST_P(SchedulerTest, AJobIsTrackedFromItsStartToItsEnd) {
  runtime_.run(whole(1, 21));
  EXPECT_EQ(job(1).status, JobStatus::completed);
  EXPECT_EQ(job(1).items, (ItemCounts{.succeeded = 21}));
  EXPECT_EQ(job(1).rows, 210u);
  EXPECT_EQ(log_.count("job_started"), 1u);
  EXPECT_EQ(log_.count("item_done"), 21u);
  ASSERT_EQ(log_.count("job_completed"), 1u);
  const auto done = log_.all("item_done")[0];
  EXPECT_EQ(done.at("job"), job_id(1).text());
  EXPECT_EQ(done.at("item"), "lake/1/0");
  EXPECT_EQ(done.at("attempt"), "1");
  EXPECT_EQ(done.at("rows"), "10");
  EXPECT_EQ(done.at("bytes"), "1000");
  const auto completed = log_.all("job_completed")[0];
  EXPECT_EQ(completed.at("items"), "21");
  EXPECT_EQ(completed.at("succeeded"), "21");
  EXPECT_EQ(completed.at("error"), "");
}

TEST_P(SchedulerTest, AnItemsErrorIsCountedAndTheJobGoesOn) {
  fetches_.script = [](const ClaimedFetch& claim) {
    Doing doing;
    if (claim.seq == 1)
      doing.result = std::unexpected(error_of(ErrorCode::upstream_refused, "400"));
    if (claim.seq == 2) doing.throws = true;
    if (claim.seq == 3) doing.result = ended(ItemState::no_data);
    if (claim.seq == 4) doing.result = ended(ItemState::skipped);
    return doing;
  };
  runtime_.run(whole(1, 6));
  EXPECT_EQ(job(1).status, JobStatus::completed);
  EXPECT_EQ(job(1).items, (ItemCounts{.succeeded = 2, .skipped = 1, .no_data = 1, .failed = 2}));
  EXPECT_EQ(job(1).error_message,
            "2 of 6 items failed, see /jobs/" + job_id(1).text() + "/items?state=failed: 1: 400");
  EXPECT_EQ(items(1)[1].error, "400");
  EXPECT_EQ(items(1)[2].error, "internal: the decoder tripped");
  EXPECT_EQ(items(1)[1].attempts, 1);
  EXPECT_EQ(log_.count("item_done"), 2u);
  EXPECT_EQ(log_.count("item_skipped"), 1u);
  EXPECT_EQ(log_.count("item_no_data"), 1u);
  EXPECT_EQ(log_.count("item_failed"), 2u);
  EXPECT_EQ(log_.count("job_completed"), 1u);
}

TEST_P(SchedulerTest, AJobsErrorMarksItFailed) {
  fetches_.script = [](const ClaimedFetch& claim) {
    Doing doing{.takes = claim.seq == 1 ? 50ms : 1000ms};
    if (claim.seq == 1)
      doing.result = std::unexpected(error_of(ErrorCode::storage_full, "no space left"));
    return doing;
  };
  runtime_.run(whole(1, 30));
  EXPECT_EQ(job(1).status, JobStatus::failed);
  EXPECT_EQ(job(1).error_message, "no space left");
  EXPECT_EQ(job(1).items, (ItemCounts{.failed = 30}));
  EXPECT_EQ(fetches_.starts.size(), 4u);
  EXPECT_EQ(fetches_.stopped, 3) << "what ran for the failed job is asked to stop";
  ASSERT_EQ(log_.count("job_failed"), 1u);
  EXPECT_EQ(log_.all("job_failed")[0].at("error"), "no space left");
}

TEST_P(SchedulerTest, AJobOfWhichNothingCameFails) {
  fetches_.script = [](const ClaimedFetch&) {
    return Doing{.result = std::unexpected(error_of(ErrorCode::upstream_denied, "403"))};
  };
  runtime_.run(whole(1, 3));
  EXPECT_EQ(job(1).status, JobStatus::failed);
  EXPECT_EQ(job(1).error_message, "3 of 3 items failed: 0: 403");
}

TEST_P(SchedulerTest, AJobOfOneDayDoesNotWaitForOneOfAYear) {
  const auto scenario = [](SchedulerTest& t) -> Task<void> {
    (co_await t.scheduler_->start()).value();
    co_await t.submit(1, 252);
    co_await t.sleep(1s);
    const auto submitted = t.now();
    co_await t.submit(2, 1);
    co_await t.end_of(2);
    EXPECT_LT(t.now() - submitted, 250ms);  // a slot that frees, and its own 100 ms
    EXPECT_FALSE(t.has_ended(1));
    co_await t.end_of(1);
    co_await t.scheduler_->stop(10s);
  };
  runtime_.run(scenario(*this));
  std::vector<ObjectKey> order;
  for (const auto& start : fetches_.starts)
    if (start.key != testing::key_of(2, 0)) order.push_back(start.key);
  std::vector<ObjectKey> by_date;
  for (std::size_t seq = 0; seq < 252; ++seq) by_date.push_back(testing::key_of(1, seq));
  EXPECT_EQ(order, by_date);
}

TEST_P(SchedulerTest, TheLimitIsUsedAndNeverExceeded) {
  const auto scenario = [](SchedulerTest& t) -> Task<void> {
    (co_await t.scheduler_->start()).value();
    co_await t.submit(1, 40);
    co_await t.submit(2, 40);
    co_await t.sleep(500ms);
    EXPECT_EQ(t.fetches_.most_at_once, 4);
    t.scheduler_->set_concurrency("thetadata", 7);
    co_await t.sleep(500ms);
    EXPECT_EQ(t.fetches_.most_at_once, 7);
    t.scheduler_->set_concurrency("thetadata", 2);
    co_await t.sleep(300ms);
    t.fetches_.most_at_once = 0;
    co_await t.end_of(1);
    co_await t.end_of(2);
    EXPECT_EQ(t.fetches_.most_at_once, 2);
    co_await t.scheduler_->stop(10s);
  };
  runtime_.run(scenario(*this));
}

TEST_P(SchedulerTest, APassingFaultIsTriedAgainAtGrowingDistancesAndThenFails) {
  fetches_.script = [](const ClaimedFetch&) {
    return Doing{.takes = 0ms,
                 .result = std::unexpected(error_of(ErrorCode::upstream_failed, "HTTP 500"))};
  };
  runtime_.run(whole(1, 1));
  const auto times = fetches_.times(testing::key_of(1, 0));
  ASSERT_EQ(times.size(), 4u);
  constexpr auto kStore = 20ms;  // what the store's calls take in this world
  auto ceiling = options_.retry.first_delay;
  for (std::size_t attempt = 1; attempt < times.size(); ++attempt, ceiling *= 2) {
    EXPECT_GE(times[attempt] - times[attempt - 1], ceiling / 2);
    EXPECT_LE(times[attempt] - times[attempt - 1], ceiling + kStore);
  }
  EXPECT_EQ(items(1)[0].attempts, 4);
  EXPECT_EQ(items(1)[0].error, "HTTP 500");
  EXPECT_EQ(log_.count("item_retry"), 3u);
  EXPECT_EQ(log_.all("item_retry")[1].at("attempt"), "2");
  EXPECT_EQ(log_.count("item_failed"), 1u);
}

TEST_P(SchedulerTest, WhatTheOtherSideAskedUsToWaitIsWaited) {
  fetches_.script = [](const ClaimedFetch& claim) {
    Doing doing{.takes = 0ms};
    if (claim.attempts_made == 0)
      doing.result = std::unexpected(error_of(ErrorCode::upstream_failed, "HTTP 503", 90s));
    return doing;
  };
  runtime_.run(whole(1, 1));
  EXPECT_GE(fetches_.times(testing::key_of(1, 0)).at(1), 90s);
  EXPECT_EQ(job(1).items.succeeded, 1u);
}

TEST_P(SchedulerTest, BeingThrottledCostsNoAttempt) {
  int throttled = 0;
  fetches_.script = [&throttled](const ClaimedFetch&) {
    Doing doing{.takes = 0ms};
    if (++throttled <= 10)
      doing.result = std::unexpected(error_of(ErrorCode::upstream_throttled, "HTTP 429"));
    return doing;
  };
  runtime_.run(whole(1, 1));
  EXPECT_EQ(job(1).items.succeeded, 1u);
  EXPECT_EQ(items(1)[0].attempts, 1);
  EXPECT_EQ(log_.count("item_waits"), 10u);
  const auto times = fetches_.times(testing::key_of(1, 0));
  EXPECT_LT(times[1] - times[0], times[5] - times[4]);
  EXPECT_LE(times[10] - times[9], options_.retry.longest_delay + 20ms);
}

TEST_P(SchedulerTest, WhilePausedNothingIsClaimedAndWhatComesBackWaitsWithoutAnAttempt) {
  bool gone = false;
  fetches_.script = [&gone](const ClaimedFetch&) {
    Doing doing;
    if (gone) doing.result = std::unexpected(error_of(ErrorCode::upstream_unavailable, "refused"));
    return doing;
  };
  const auto scenario = [](SchedulerTest& t, bool& is_gone) -> Task<void> {
    (co_await t.scheduler_->start()).value();
    co_await t.submit(1, 20);
    co_await t.sleep(150ms);
    is_gone = true;
    t.scheduler_->pause("thetadata", "upstream unavailable");
    co_await t.sleep(1h);
    const auto started = t.fetches_.starts.size();
    EXPECT_LE(started, 8u);
    EXPECT_EQ(t.scheduler_->running(), 0u);
    EXPECT_EQ(t.job(1).items.running, 0u);
    EXPECT_EQ(t.job(1).items.failed, 0u);
    EXPECT_EQ(t.job(1).status, JobStatus::running);
    EXPECT_EQ(t.scheduler_->paused_for("thetadata"), "upstream unavailable");
    is_gone = false;
    const auto resumed = t.now();
    t.scheduler_->resume("thetadata");
    co_await t.end_of(1);
    EXPECT_LT(t.now() - resumed, 1s) << "put back to be claimed at once, not later";
    co_await t.scheduler_->stop(10s);
  };
  runtime_.run(scenario(*this, gone));
  EXPECT_EQ(job(1).items.succeeded, 20u);
  for (const auto& item : items(1)) EXPECT_EQ(item.attempts, 1);
}

TEST_P(SchedulerTest, WhatCameBackWhilePausedIsClaimedAsSoonAsThePauseEnds) {
  fetches_.script = [this](const ClaimedFetch& claim) {
    Doing doing;
    if (claim.fence == 1) {
      doing.result = std::unexpected(error_of(ErrorCode::upstream_unavailable, "refused"));
      scheduler_->pause("thetadata", "upstream unavailable");
    }
    return doing;
  };
  const auto scenario = [](SchedulerTest& t) -> Task<void> {
    (co_await t.scheduler_->start()).value();
    co_await t.submit(1, 1);
    co_await t.sleep(150ms);
    const auto resumed = t.now();
    t.scheduler_->resume("thetadata");
    co_await t.end_of(1);
    EXPECT_LT(t.now() - resumed, 150ms);  // its own 100 ms and the store's
    co_await t.scheduler_->stop(10s);
  };
  runtime_.run(scenario(*this));
  EXPECT_EQ(fetches_.starts.size(), 2u);
}

// A terminal's restart cuts, silences and refuses what is under way.
TEST_P(SchedulerTest, WhatFailsOfAnUpstreamThatIsLeftAloneCostsNoAttempt) {
  const std::array codes{ErrorCode::upstream_unavailable, ErrorCode::upstream_throttled,
                         ErrorCode::upstream_failed, ErrorCode::timeout};
  fetches_.script = [this, codes](const ClaimedFetch& claim) {
    Doing doing;
    if (claim.fence <= codes.size()) {
      doing.result = std::unexpected(error_of(codes[claim.fence - 1], "restarting"));
      scheduler_->pause("thetadata", "upstream unavailable");
    }
    return doing;
  };
  const auto scenario = [](SchedulerTest& t) -> Task<void> {
    (co_await t.scheduler_->start()).value();
    co_await t.submit(1, 1);
    for (int outage = 0; outage < 4; ++outage) {
      co_await t.sleep(1s);
      t.scheduler_->resume("thetadata");
    }
    co_await t.end_of(1);
    co_await t.scheduler_->stop(10s);
  };
  runtime_.run(scenario(*this));
  EXPECT_EQ(fetches_.starts.size(), 5u);
  EXPECT_EQ(items(1).at(0).state, ItemState::succeeded);
  EXPECT_EQ(items(1).at(0).attempts, 1);
  EXPECT_EQ(log_.count("item_waits"), 4u);
  EXPECT_EQ(log_.count("item_retry"), 0u);
}

TEST_P(SchedulerTest, AnUpstreamThatIsGoneWithoutAPauseIsNotHammered) {
  fetches_.script = [](const ClaimedFetch& claim) {
    Doing doing{.takes = 0ms};
    if (claim.fence <= 6)
      doing.result = std::unexpected(error_of(ErrorCode::upstream_unavailable, "refused"));
    return doing;
  };
  runtime_.run(whole(1, 1));
  EXPECT_EQ(job(1).items.succeeded, 1u);
  EXPECT_EQ(items(1)[0].attempts, 1);
  EXPECT_GT(fetches_.times(testing::key_of(1, 0)).back(), 5s);
}

TEST_P(SchedulerTest, AFetchLongerThanItsLeaseKeepsIt) {
  options_.lease = 3s;
  make_scheduler();
  fetches_.script = [](const ClaimedFetch&) { return Doing{.takes = 60s}; };
  runtime_.run(whole(1, 4));
  EXPECT_EQ(job(1).items.succeeded, 4u);
  EXPECT_EQ(fetches_.starts.size(), 4u);
  EXPECT_EQ(log_.count("lease_lost"), 0u);
}

TEST_P(SchedulerTest, AFetchWhoseLeaseIsLostIsStoppedAndWritesNothingDown) {
  options_.lease = 3s;
  options_.concurrency = {{"thetadata", 2}};
  make_scheduler();
  fetches_.script = [](const ClaimedFetch& claim) {
    return Doing{.takes = claim.fence == 1 ? 60s : 1s};
  };
  const auto scenario = [](SchedulerTest& t) -> Task<void> {
    (co_await t.scheduler_->start()).value();
    co_await t.submit(1, 1);
    co_await t.sleep(500ms);
    // Another process takes it for dead.
    (co_await t.file_->take_back(JobStore::Which::all, 9)).value();
    co_await t.end_of(1);
    co_await t.scheduler_->stop(10s);
  };
  runtime_.run(scenario(*this));
  EXPECT_EQ(job(1).items, (ItemCounts{.succeeded = 1}));
  EXPECT_EQ(fetches_.stopped, 1);
  EXPECT_EQ(log_.count("lease_lost"), 1u);
  EXPECT_EQ(log_.count("item_done"), 1u);
  EXPECT_EQ(fetches_.starts.back().fence, 3u);
  EXPECT_EQ(metrics_.value(Metric::lease_lost), 1);
  EXPECT_EQ(metrics_.value(Metric::items_inflight), 0);
}

TEST_P(SchedulerTest, AFetchThatFindsItselfFencedIsNoFailure) {
  fetches_.script = [](const ClaimedFetch& claim) {
    Doing doing;
    if (claim.fence == 1) doing.result = std::unexpected(error_of(ErrorCode::fenced, "fence 1"));
    return doing;
  };
  const auto scenario = [](SchedulerTest& t) -> Task<void> {
    (co_await t.scheduler_->start()).value();
    co_await t.submit(1, 1);
    co_await t.sleep(50ms);
    (co_await t.file_->take_back(JobStore::Which::all, 9)).value();
    co_await t.end_of(1);
    co_await t.scheduler_->stop(10s);
  };
  runtime_.run(scenario(*this));
  EXPECT_EQ(job(1).items, (ItemCounts{.succeeded = 1}));
  EXPECT_EQ(items(1)[0].attempts, 1);
}

TEST_P(SchedulerTest, WhatAnEarlierProcessHeldIsTakenUp) {
  const auto scenario = [](SchedulerTest& t) -> Task<void> {
    (co_await t.file_->create_job(new_job(1, 6))).value();
    (co_await t.file_->claim("thetadata", 4, "killed", 60s)).value();
    (co_await t.scheduler_->start()).value();
    EXPECT_EQ(t.job(1).status, JobStatus::running);
    co_await t.end_of(1);
    co_await t.scheduler_->stop(10s);
  };
  runtime_.run(scenario(*this));
  EXPECT_EQ(job(1).items, (ItemCounts{.succeeded = 6}));
  EXPECT_EQ(fetches_.starts.size(), 6u);
  EXPECT_LT(now() - SteadyTime{}, 10s) << "nobody waits for the dead one's leases";
  EXPECT_EQ(metrics_.value(Metric::items_rescued), 4);
}

TEST_P(SchedulerTest, AStopLetsFetchesEndWithinTheGraceAndHandsTheOthersBack) {
  fetches_.script = [](const ClaimedFetch& claim) {
    return Doing{.takes = claim.seq < 2 ? 5s : 10min};
  };
  const auto scenario = [](SchedulerTest& t) -> Task<void> {
    (co_await t.scheduler_->start()).value();
    co_await t.submit(1, 20);
    co_await t.sleep(1s);
    const auto asked = t.now();
    co_await t.scheduler_->stop(10s);
    EXPECT_GE(t.now() - asked, 10s);
    EXPECT_LT(t.now() - asked, 11s);
  };
  runtime_.run(scenario(*this));
  EXPECT_EQ(fetches_.starts.size(), 4u) << "no new claims once a stop was asked for";
  EXPECT_EQ(job(1).items, (ItemCounts{.pending = 18, .succeeded = 2}));
  EXPECT_EQ(job(1).status, JobStatus::running);
  EXPECT_EQ(log_.count("item_handed_back"), 2u);
  const auto left = items(1);
  EXPECT_EQ(left[2].attempts, 0);
  EXPECT_EQ(left[2].state, ItemState::pending);

  // And the next start goes on at once, where this one stood.
  fetches_.script = [](const ClaimedFetch&) { return Doing{}; };
  make_scheduler();
  const auto next = [](SchedulerTest& t) -> Task<void> {
    (co_await t.scheduler_->start()).value();
    co_await t.end_of(1);
    co_await t.scheduler_->stop(10s);
  };
  runtime_.run(next(*this));
  EXPECT_EQ(job(1).items, (ItemCounts{.succeeded = 20}));
  EXPECT_EQ(fetches_.starts.size(), 22u);
}

TEST_P(SchedulerTest, AStopReturnsAsSoonAsTheLastFetchHasEnded) {
  const auto scenario = [](SchedulerTest& t) -> Task<void> {
    (co_await t.scheduler_->start()).value();
    co_await t.submit(1, 20);
    co_await t.sleep(30ms);
    const auto asked = t.now();
    co_await t.scheduler_->stop(10s);
    EXPECT_LT(t.now() - asked, 200ms);
  };
  runtime_.run(scenario(*this));
  EXPECT_EQ(job(1).items.running, 0u);
  EXPECT_EQ(log_.count("item_handed_back"), 0u);
}

TEST_P(SchedulerTest, AClaimUnderWayWhenAStopIsAskedForIsHandedBack) {
  const auto scenario = [](SchedulerTest& t) -> Task<void> {
    (co_await t.file_->create_job(new_job(1, 20))).value();
    (co_await t.scheduler_->start()).value();  // the first claim is in the store's queue now
    co_await t.scheduler_->stop(10s);
  };
  runtime_.run(scenario(*this));
  EXPECT_EQ(fetches_.starts.size(), 0u);
  for (const auto& item : items(1)) {
    EXPECT_EQ(item.state, ItemState::pending);
    EXPECT_EQ(item.attempts, 0);
  }
}

TEST_P(SchedulerTest, AStopBeforeAStartReturns) {
  runtime_.run(scheduler_->stop(10s));
  EXPECT_EQ(fetches_.starts.size(), 0u);
}

TEST_P(SchedulerTest, AStoreThatIsOutAtTheStartIsSaidAndTheStartCanBeRepeated) {
  const auto scenario = [](SchedulerTest& t) -> Task<void> {
    t.store_.out = true;
    const auto refused = co_await t.scheduler_->start();
    EXPECT_FALSE(refused.has_value());
    t.store_.out = false;
    co_await t.whole(1, 3);
  };
  runtime_.run(scenario(*this));
  EXPECT_EQ(job(1).items.succeeded, 3u);
}

TEST_P(SchedulerTest, AnOutageIsWaitedForSaidOnceAndLosesNothing) {
  const auto scenario = [](SchedulerTest& t) -> Task<void> {
    (co_await t.scheduler_->start()).value();
    co_await t.submit(1, 20);
    co_await t.sleep(150ms);
    t.store_.out = true;
    const auto calls = t.store_.calls;
    co_await t.sleep(10min);
    EXPECT_LT(t.store_.calls - calls, 1000) << "it is left alone meanwhile";
    EXPECT_THAT(t.scheduler_->store_trouble().value_or(""), HasSubstr("disk I/O error"));
    t.store_.out = false;
    const auto back = t.now();
    co_await t.end_of(1);
    EXPECT_LT(t.now() - back, 10s);
    EXPECT_EQ(t.scheduler_->store_trouble(), std::nullopt);
    co_await t.scheduler_->stop(10s);
  };
  runtime_.run(scenario(*this));
  EXPECT_EQ(job(1).items, (ItemCounts{.succeeded = 20}));
  EXPECT_EQ(fetches_.starts.size(), 20u) << "what was downloaded is not downloaded again";
  EXPECT_EQ(log_.count("store_unavailable"), 1u);
  EXPECT_EQ(log_.count("store_back"), 1u);
}

TEST_P(SchedulerTest, AnOutageIsNotHammeredWithClaimsEither) {
  const auto scenario = [](SchedulerTest& t) -> Task<void> {
    (co_await t.scheduler_->start()).value();
    co_await t.sleep(50ms);
    t.store_.out = true;
    const auto calls = t.store_.calls;
    for (int minute = 0; minute < 10; ++minute) {
      t.scheduler_->resume("thetadata");
      co_await t.sleep(1min);
    }
    EXPECT_LT(t.store_.calls - calls, 400);
    t.store_.out = false;
    co_await t.submit(1, 3);
    co_await t.end_of(1);
    co_await t.scheduler_->stop(10s);
  };
  runtime_.run(scenario(*this));
  EXPECT_EQ(log_.count("store_unavailable"), 1u);
}

TEST_P(SchedulerTest, AStopDuringAnOutageReturnsAndTheNextStartGoesOn) {
  const auto scenario = [](SchedulerTest& t) -> Task<void> {
    (co_await t.scheduler_->start()).value();
    co_await t.submit(1, 8);
    co_await t.sleep(50ms);
    t.store_.out = true;
    co_await t.sleep(1s);
    const auto asked = t.now();
    co_await t.scheduler_->stop(10s);
    EXPECT_LT(t.now() - asked, 12s);
    t.store_.out = false;
    t.make_scheduler();
    (co_await t.scheduler_->start()).value();
    co_await t.end_of(1);
    co_await t.scheduler_->stop(10s);
  };
  runtime_.run(scenario(*this));
  EXPECT_EQ(job(1).items, (ItemCounts{.succeeded = 8}));
  EXPECT_EQ(log_.count("item_not_recorded"), 4u);
}

TEST_P(SchedulerTest, AnAnswerThatIsLostLeavesNoJobStanding) {
  const auto scenario = [](SchedulerTest& t) -> Task<void> {
    (co_await t.scheduler_->start()).value();
    co_await t.submit(1, 4);
    co_await t.sleep(50ms);
    t.store_.answers_to_lose = 4;  // all four ends are written, and reported as an outage
    co_await t.end_of(1);
    co_await t.scheduler_->stop(10s);
  };
  runtime_.run(scenario(*this));
  EXPECT_EQ(job(1).items, (ItemCounts{.succeeded = 4}));
  EXPECT_EQ(fetches_.starts.size(), 4u);
  EXPECT_EQ(log_.count("job_completed"), 1u);
}

TEST_P(SchedulerTest, ClaimsWhoseAnswerIsLostAreTakenBackWhenTheirLeaseHasEnded) {
  options_.lease = 3s;
  make_scheduler();
  const auto scenario = [](SchedulerTest& t) -> Task<void> {
    (co_await t.file_->create_job(new_job(1, 4))).value();
    (co_await t.scheduler_->start()).value();
    t.store_.answers_to_lose = 1;
    co_await t.end_of(1);
    co_await t.scheduler_->stop(10s);
  };
  runtime_.run(scenario(*this));
  EXPECT_EQ(job(1).items, (ItemCounts{.succeeded = 4}));
}

}  // namespace
}  // namespace betedge::jobs
