#include "betedge/jobs/job_tracker.hpp"

#include <gmock/gmock.h>

#include "betedge/jobs/sqlite_store.hpp"
#include "contract/job_store/contract.hpp"
#include "support/interposed_store.hpp"

namespace betedge::jobs {
namespace {

using namespace std::chrono_literals;
using testing::job_id;

constexpr Timestamp kNow{1'700'000'000s};

JobInfo info_of(std::uint64_t number, JobStatus status, ItemCounts items, std::uint64_t version) {
  JobInfo info;
  info.job_id = job_id(number);
  info.status = status;
  info.items = items;
  info.version = version;
  return info;
}

// --- Standing alone, by SEED.md's names
// -----------------------------------------------------------------

class JobTrackerTest : public ::testing::Test {
 protected:
  JobInfo known() { return *tracker_.find(job_id(1)); }
  // Refused, with nothing changed.
  void expect_refused(const Result<JobInfo>& result, std::string_view why) {
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().code, ErrorCode::conflict);
    EXPECT_THAT(result.error().message, ::testing::HasSubstr(why));
  }

  JobTracker tracker_;
};

TEST_F(JobTrackerTest, CreateJobMakesAPendingJob) {
  const auto info = tracker_.create_job(job_id(1), 21, kNow).value();
  EXPECT_EQ(info.job_id, job_id(1));
  EXPECT_EQ(info.status, JobStatus::pending);
  EXPECT_EQ(info.total_items(), 21u);
  EXPECT_EQ(info.completed_items(), 0u);
  EXPECT_EQ(info.progress_percentage(), 0.0);
  EXPECT_EQ(info.created_at, kNow);
  EXPECT_EQ(info.updated_at, kNow);
  EXPECT_EQ(info.error_message, std::nullopt);
}

TEST_F(JobTrackerTest, CreateJobWithoutItemsIsCompletedAtOnce) {
  const auto info = tracker_.create_job(job_id(1), 0, kNow).value();
  EXPECT_EQ(info.status, JobStatus::completed);
  EXPECT_EQ(info.progress_percentage(), 100.0);
  EXPECT_EQ(info.finished_at, kNow);
}

TEST_F(JobTrackerTest, CreateJobOfAnIdThatIsThereIsRefused) {
  tracker_.create_job(job_id(1), 21, kNow).value();
  expect_refused(tracker_.create_job(job_id(1), 5, kNow), "exists already");
  EXPECT_EQ(known().total_items(), 21u);
}

TEST_F(JobTrackerTest, UpdateProgressCountsUpToTheTotal) {
  tracker_.create_job(job_id(1), 21, kNow).value();
  tracker_.update_status(job_id(1), JobStatus::running, kNow + 1s).value();
  const auto info = tracker_.update_progress(job_id(1), 12, kNow + 2s).value();
  EXPECT_EQ(info.completed_items(), 12u);
  EXPECT_EQ(info.progress_percentage(), 12.0 / 21.0 * 100);
  EXPECT_EQ(info.started_at, kNow + 1s);
  EXPECT_EQ(info.updated_at, kNow + 2s);
  EXPECT_EQ(info.version, 3u);
  EXPECT_EQ(tracker_.update_progress(job_id(1), 12, kNow + 3s)->completed_items(), 12u);
  EXPECT_EQ(tracker_.update_progress(job_id(1), 21, kNow + 3s)->progress_percentage(), 100.0);
}

TEST_F(JobTrackerTest, UpdateProgressThatFallsIsNegativeOrExceedsTheTotalIsRefused) {
  tracker_.create_job(job_id(1), 21, kNow).value();
  expect_refused(tracker_.update_progress(job_id(1), 1, kNow), "has not started");
  tracker_.update_status(job_id(1), JobStatus::running, kNow).value();
  const auto before = tracker_.update_progress(job_id(1), 12, kNow).value();
  expect_refused(tracker_.update_progress(job_id(1), -1, kNow), "not within 0 and 21");
  expect_refused(tracker_.update_progress(job_id(1), 22, kNow), "not within 0 and 21");
  expect_refused(tracker_.update_progress(job_id(1), 11, kNow), "cannot fall from 12 to 11");
  EXPECT_EQ(known().completed_items(), 12u);
  EXPECT_EQ(known().version, before.version);
}

TEST_F(JobTrackerTest, TimeNeverGoesBackInAJob) {
  tracker_.create_job(job_id(1), 2, kNow).value();
  tracker_.update_status(job_id(1), JobStatus::running, kNow + 10s).value();
  EXPECT_EQ(tracker_.update_progress(job_id(1), 1, kNow)->updated_at, kNow + 10s);
}

TEST_F(JobTrackerTest, UnfinishedJobsAreToldTogetherAndStandStillUntilAnItemEnds) {
  EXPECT_EQ(tracker_.unfinished().jobs, 0u);
  EXPECT_EQ(tracker_.unfinished().longest_still, std::nullopt);
  tracker_.create_job(job_id(1), 3, kNow).value();
  tracker_.create_job(job_id(2), 4, kNow + 5s).value();
  tracker_.update_status(job_id(1), JobStatus::running, kNow + 10s).value();
  auto all = tracker_.unfinished();
  EXPECT_EQ(all.jobs, 2u);
  EXPECT_EQ(all.pending_items, 7u);
  EXPECT_EQ(all.oldest_pending, kNow);
  EXPECT_EQ(all.longest_still, kNow) << "to be running is no progress";
  tracker_.update_progress(job_id(1), 1, kNow + 20s).value();
  EXPECT_EQ(tracker_.unfinished().longest_still, kNow + 5s) << "now it is the other one";
  tracker_.update_progress(job_id(1), 3, kNow + 30s).value();
  tracker_.mark_completed(job_id(1), kNow + 30s).value();
  all = tracker_.unfinished();
  EXPECT_EQ(all.jobs, 1u);
  EXPECT_EQ(all.pending_items, 4u);
  EXPECT_EQ(all.oldest_pending, kNow + 5s);
}

TEST_F(JobTrackerTest, MarkCompletedEndsAJobWhoseItemsAreDone) {
  tracker_.create_job(job_id(1), 2, kNow).value();
  tracker_.update_status(job_id(1), JobStatus::running, kNow).value();
  expect_refused(tracker_.mark_completed(job_id(1), kNow), "cannot end with 0 of 2 items done");
  tracker_.update_progress(job_id(1), 2, kNow).value();
  const auto info = tracker_.mark_completed(job_id(1), kNow + 1s).value();
  EXPECT_EQ(info.status, JobStatus::completed);
  EXPECT_EQ(info.finished_at, kNow + 1s);
  EXPECT_EQ(info.error_message, std::nullopt);
}

TEST_F(JobTrackerTest, MarkFailedEndsAJobWithItsReason) {
  tracker_.create_job(job_id(1), 5, kNow).value();
  tracker_.update_status(job_id(1), JobStatus::running, kNow).value();
  tracker_.update_progress(job_id(1), 2, kNow).value();
  const auto info = tracker_.mark_failed(job_id(1), "no space left", kNow + 1s).value();
  EXPECT_EQ(info.status, JobStatus::failed);
  EXPECT_EQ(info.error_message, "no space left");
  EXPECT_EQ(info.items, (ItemCounts{.succeeded = 2, .failed = 3}));
  EXPECT_EQ(info.finished_at, kNow + 1s);
}

TEST_F(JobTrackerTest, APendingJobMayFail) {
  tracker_.create_job(job_id(1), 5, kNow).value();
  EXPECT_EQ(tracker_.mark_failed(job_id(1), "lake denied", kNow)->status, JobStatus::failed);
}

TEST_F(JobTrackerTest, EveryTransitionThatIsNotAllowedIsRefused) {
  using enum JobStatus;
  for (const auto from : {pending, running, completed, failed}) {
    for (const auto to : {pending, running, completed, failed}) {
      SCOPED_TRACE(std::string(to_text(from)) + " to " + std::string(to_text(to)));
      JobTracker tracker;
      // All items done where they can be, so that only the transition itself is judged.
      tracker.create_job(job_id(1), 1, kNow).value();
      if (from != pending) {
        tracker.update_status(job_id(1), running, kNow).value();
        tracker.update_progress(job_id(1), 1, kNow).value();
      }
      if (from == completed) tracker.mark_completed(job_id(1), kNow).value();
      if (from == failed) tracker.mark_failed(job_id(1), "broke", kNow).value();
      const auto before = *tracker.find(job_id(1));
      const auto result = to == failed ? tracker.mark_failed(job_id(1), "late", kNow)
                                       : tracker.update_status(job_id(1), to, kNow);
      const bool items_allow = !(from == pending && to == completed);
      EXPECT_EQ(result.has_value(), may_become(from, to) && items_allow);
      if (!result) {
        EXPECT_EQ(result.error().code, ErrorCode::conflict);
        EXPECT_EQ(tracker.find(job_id(1))->version, before.version);
        EXPECT_EQ(tracker.find(job_id(1))->error_message, before.error_message);
      }
    }
  }
}

TEST_F(JobTrackerTest, AJobThatIsNotThereIsNotFound) {
  const auto changed = tracker_.update_status(job_id(1), JobStatus::running, kNow);
  ASSERT_FALSE(changed.has_value());
  EXPECT_EQ(changed.error().code, ErrorCode::not_found);
  EXPECT_EQ(tracker_.find(job_id(1)), nullptr);
}

TEST_F(JobTrackerTest, WithoutAFileItForgetsNoJob) {
  testing::VirtualRuntime runtime(1);
  JobTracker tracker(nullptr, 2);
  for (std::uint64_t number = 1; number <= 5; ++number)
    tracker.create_job(job_id(number), 0, kNow + std::chrono::seconds(number)).value();
  tracker.create_job(job_id(6), 1, kNow).value();
  std::optional<Result<std::vector<JobInfo>>> all, two, pending;
  runtime.run(testing::keep_value(tracker.list_jobs({}), all));
  runtime.run(testing::keep_value(
      tracker.list_jobs({.status = JobStatus::completed, .label = {}, .limit = 2}), two));
  runtime.run(testing::keep_value(
      tracker.list_jobs({.status = JobStatus::pending, .label = {}, .limit = {}}), pending));
  EXPECT_EQ((*all)->size(), 6u);
  ASSERT_EQ((*two)->size(), 2u);
  EXPECT_EQ((**two)[0].job_id, job_id(5));
  EXPECT_EQ((**two)[1].job_id, job_id(4));
  EXPECT_EQ((*pending)->size(), 1u);
  std::optional<Result<std::optional<JobInfo>>> job;
  runtime.run(testing::keep_value(tracker.get_job(job_id(9)), job));
  EXPECT_EQ(job->value(), std::nullopt);
}

// --- Over a store
// -----------------------------------------------------------------------------------------

// Counts how often the file is asked for a job.
class CountingStore final : public testing::InterposedStore {
 public:
  using InterposedStore::InterposedStore;
  int reads = 0;

 private:
  Result<void> before(std::string_view call) override {
    if (call == "get_job") ++reads;
    return {};
  }
};

class JobTrackerOverAStore : public ::testing::Test {
 protected:
  template <class T>
  T get(Task<T> task) {
    std::optional<T> value;
    runtime_.run(testing::keep_value(std::move(task), value));
    return *std::move(value);
  }
  std::optional<JobInfo> job(JobTracker& tracker, std::uint64_t number) {
    return get(tracker.get_job(job_id(number))).value();
  }
  // As many jobs, without items and so ended.
  void make_ended_jobs(std::uint64_t count) {
    for (std::uint64_t number = 1; number <= count; ++number)
      get(store_->create_job(testing::new_job(number, 0))).value();
  }

  testing::VirtualRuntime runtime_{1};
  std::unique_ptr<JobStore> store_ = open_sqlite_store(runtime_, ":memory:").value();
  CountingStore file_{*store_};
};

TEST_F(JobTrackerOverAStore, AnActiveJobIsReadWithoutTheFile) {
  JobTracker tracker(&file_);
  tracker.apply(get(store_->create_job(testing::new_job(1, 3))).value().job).value();
  EXPECT_EQ(job(tracker, 1)->status, JobStatus::pending);
  const auto claims = get(store_->claim("thetadata", 1, "test", 60s)).value();
  tracker.apply(claims.changed_jobs.at(0)).value();
  EXPECT_EQ(job(tracker, 1)->items, (ItemCounts{.pending = 2, .running = 1}));
  EXPECT_EQ(file_.reads, 0);
}

TEST_F(JobTrackerOverAStore, LoadTakesInWhatHasNotEnded) {
  make_ended_jobs(3);
  get(store_->create_job(testing::new_job(8, 1))).value();
  get(store_->create_job(testing::new_job(9, 1))).value();
  JobTracker tracker(&file_);
  get(tracker.load()).value();
  EXPECT_NE(tracker.find(job_id(8)), nullptr);
  EXPECT_NE(tracker.find(job_id(9)), nullptr);
  EXPECT_EQ(tracker.find(job_id(1)), nullptr);
}

TEST_F(JobTrackerOverAStore, AnOldJobIsReadOnceAndKeptForAWhile) {
  make_ended_jobs(4);
  JobTracker tracker(&file_, 2);
  EXPECT_EQ(job(tracker, 1)->status, JobStatus::completed);
  job(tracker, 1);
  job(tracker, 2);
  EXPECT_EQ(file_.reads, 2);
  job(tracker, 1);  // so that 2 is the one looked at longest ago
  job(tracker, 3);
  EXPECT_EQ(tracker.find(job_id(2)), nullptr);
  EXPECT_NE(tracker.find(job_id(1)), nullptr);
  EXPECT_EQ(file_.reads, 3);
  job(tracker, 2);
  EXPECT_EQ(file_.reads, 4);
}

TEST_F(JobTrackerOverAStore, AJobNobodyKnowsIsNoJob) {
  JobTracker tracker(&file_);
  EXPECT_EQ(job(tracker, 1), std::nullopt);
}

TEST_F(JobTrackerOverAStore, AVersionNeverGoesBack) {
  JobTracker tracker(&file_);
  const auto newer = info_of(1, JobStatus::running, {.pending = 1, .succeeded = 2}, 7);
  tracker.apply(newer).value();
  EXPECT_TRUE(tracker.apply(info_of(1, JobStatus::running, {.pending = 3}, 6)).has_value());
  EXPECT_TRUE(tracker.apply(info_of(1, JobStatus::pending, {.pending = 3}, 7)).has_value());
  EXPECT_EQ(tracker.find(job_id(1))->items, newer.items);
  EXPECT_EQ(tracker.find(job_id(1))->version, 7u);
}

TEST_F(JobTrackerOverAStore, WhatCannotFollowIsRefusedWhoeverSaysIt) {
  JobTracker tracker(&file_);
  tracker.apply(info_of(1, JobStatus::running, {.pending = 1, .succeeded = 2}, 3)).value();
  const auto refused = [&](JobInfo next) {
    const auto applied = tracker.apply(std::move(next));
    return !applied && applied.error().code == ErrorCode::conflict;
  };
  EXPECT_TRUE(refused(info_of(1, JobStatus::running, {.pending = 2, .succeeded = 1}, 4)));
  EXPECT_TRUE(refused(info_of(1, JobStatus::running, {.pending = 2, .succeeded = 2}, 4)));
  EXPECT_TRUE(refused(info_of(1, JobStatus::pending, {.pending = 1, .succeeded = 2}, 4)));
  EXPECT_TRUE(refused(info_of(1, JobStatus::completed, {.pending = 1, .succeeded = 2}, 4)));
  tracker.apply(info_of(1, JobStatus::completed, {.succeeded = 3}, 4)).value();
  EXPECT_TRUE(refused(info_of(1, JobStatus::completed, {.succeeded = 3}, 5)));
}

TEST_F(JobTrackerOverAStore, OnlyTheFileChangesItsJobs) {
  JobTracker tracker(&file_);
  tracker.apply(get(store_->create_job(testing::new_job(1, 3))).value().job).value();
  EXPECT_EQ(tracker.create_job(job_id(2), 3, kNow).error().code, ErrorCode::conflict);
  EXPECT_EQ(tracker.update_status(job_id(1), JobStatus::running, kNow).error().code,
            ErrorCode::conflict);
  EXPECT_EQ(tracker.mark_failed(job_id(1), "why", kNow).error().code, ErrorCode::conflict);
  EXPECT_EQ(tracker.find(job_id(1))->status, JobStatus::pending);
}

}  // namespace
}  // namespace betedge::jobs
