#include "betedge/core/job.hpp"

#include <gtest/gtest.h>

#include <random>

namespace betedge::core {
namespace {

using namespace std::chrono;

constexpr const char* kCanonical = "3077f05c-0d33-4cfd-9910-076b8c6890ff";

TEST(JobIdTest, ReadsEverySpellingThatPythonReads) {
  for (const auto* text :
       {"3077f05c-0d33-4cfd-9910-076b8c6890ff", "3077F05C-0D33-4CFD-9910-076B8C6890FF",
        "3077f05c0d334cfd9910076b8c6890ff", "{3077f05c-0d33-4cfd-9910-076b8c6890ff}",
        "urn:uuid:3077f05c-0d33-4cfd-9910-076b8c6890ff", "3-0-7-7f05c0d334cfd9910076b8c6890ff--",
        "{{3077f05c0d334cfd9910076b8c6890ff", "urn:{3077f05c0d334cfd9910076b8c6890ff}}",
        "uuid:3077f05c0d334cfd9910076b8c6890ff", "3077f05curn:0d334cfd9910uuid:076b8c6890ff"}) {
    const auto id = JobId::parse(text);
    ASSERT_TRUE(id.has_value()) << text;
    EXPECT_EQ(id->text(), kCanonical);
  }
}

TEST(JobIdTest, RefusesWhatIsNoUuid) {
  for (const auto* text :
       {"", "not-a-uuid", "{}", "-", "3077f05c0d334cfd9910076b8c6890f",
        "urn:", "uuid:", "3077f05c0d334cfd9910076b8c6890ff0", "3077f05c0d334cfd9910076b8c6890fg",
        "URN:UUID:3077f05c-0d33-4cfd-9910-076b8c6890ff", "30{77f05c0d334cfd9910076b8c6890ff",
        "-{3077f05c0d334cfd9910076b8c6890ff}", " 3077f05c0d334cfd9910076b8c6890ff"})
    EXPECT_EQ(JobId::parse(text), std::nullopt) << text;
}

TEST(JobIdTest, IsAVersion7UuidThatBeginsWithTheTime) {
  // The example of RFC 9562, appendix A.6.
  const Timestamp now{milliseconds{0x017F22E279B0}};
  const JobId id = JobId::make(now + 999us, {0xCC3, std::uint64_t{0x18C4DC0C0C07398F} << 2});
  EXPECT_EQ(id.text(), "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
}

TEST(JobIdTest, SortsByTimeAndComesBackFromItsText) {
  std::mt19937_64 random(7);
  JobId before;
  Timestamp now = sys_days{2026y / 1 / 2};
  for (int i = 0; i < 1000; ++i) {
    now += milliseconds{1 + random() % 1000};
    const JobId id = JobId::make(now, {random(), random()});
    ASSERT_LT(before, id);
    ASSERT_EQ(JobId::parse(id.text()), id);
    ASSERT_EQ(id.text()[14], '7');
    ASSERT_NE(std::string("89ab").find(id.text()[19]), std::string::npos);
    before = id;
  }
}

TEST(JobStatusTest, IsReadInAnyCase) {
  for (const auto status :
       {JobStatus::pending, JobStatus::running, JobStatus::completed, JobStatus::failed})
    EXPECT_EQ(parse_job_status(to_text(status)), status);
  EXPECT_EQ(parse_job_status("FaILeD"), JobStatus::failed);
  EXPECT_EQ(parse_job_status("done"), std::nullopt);
  EXPECT_EQ(parse_job_status(""), std::nullopt);
}

TEST(JobStatusTest, MovesForwardOnly) {
  using enum JobStatus;
  const JobStatus all[] = {pending, running, completed, failed};
  const bool allowed[4][4] = {
      {false, true, true, true},
      {false, false, true, true},
      {false, false, false, false},
      {false, false, false, false},
  };
  for (std::size_t from = 0; from < 4; ++from)
    for (std::size_t to = 0; to < 4; ++to)
      EXPECT_EQ(may_become(all[from], all[to]), allowed[from][to])
          << to_text(all[from]) << " to " << to_text(all[to]);
}

JobInfo job_in(JobStatus status, ItemCounts items, bool cancel_requested = false) {
  JobInfo job;
  job.status = status;
  job.items = items;
  job.cancel_requested = cancel_requested;
  return job;
}

TEST(JobStateTest, IsTheContractsTableAndReadBack) {
  using enum JobState;
  const std::pair<JobInfo, JobState> cases[] = {
      {job_in(JobStatus::pending, {.pending = 2}), queued},
      {job_in(JobStatus::running, {.running = 2}), running},
      {job_in(JobStatus::running, {.running = 1, .cancelled = 1}, true), cancelling},
      {job_in(JobStatus::failed, {.succeeded = 1, .cancelled = 1}, true), cancelled},
      {job_in(JobStatus::completed, {.skipped = 2}), completed},
      {job_in(JobStatus::completed, {.succeeded = 1, .failed = 1}), completed_with_errors},
      {job_in(JobStatus::failed, {.failed = 2}), failed},
  };
  for (const auto& [job, state] : cases) {
    EXPECT_EQ(job.state(), state);
    EXPECT_EQ(status_of(state), job.status);
    EXPECT_EQ(has_ended(state), has_ended(job.status));
    EXPECT_EQ(parse_job_state(to_text(state)), state);
  }
  EXPECT_EQ(parse_job_state("done"), std::nullopt);
}

TEST(JobTransitionTest, OnlyARetryLeadsOutOfAnEndAndOnlyToQueued) {
  for (const auto& step : job_transitions()) {
    EXPECT_EQ(has_ended(step.from), step.event == JobEvent::retried);
    if (step.event == JobEvent::retried) EXPECT_EQ(step.to, JobState::queued);
    if (step.event == JobEvent::items_ended) EXPECT_TRUE(has_ended(step.to));
    if (step.event == JobEvent::claimed) EXPECT_EQ(step.to, JobState::running);
    EXPECT_NE(step.from, JobState::completed) << "nothing of it has failed";
  }
}

TEST(ItemStateTest, IsReadBackAndAllButTwoAreEnds) {
  using enum ItemState;
  for (const auto state : {pending, running, succeeded, skipped, no_data, failed, cancelled}) {
    EXPECT_EQ(parse_item_state(to_text(state)), state);
    EXPECT_EQ(has_ended(state), state != pending && state != running);
  }
  EXPECT_EQ(parse_item_state("done"), std::nullopt);
}

TEST(ItemCountsTest, EachStateHasItsOwnCounter) {
  using enum ItemState;
  ItemCounts counts;
  std::uint32_t number = 1;
  for (const auto state : {pending, running, succeeded, skipped, no_data, failed, cancelled})
    counts.of(state) = number *= 2;
  EXPECT_EQ(counts, (ItemCounts{2, 4, 8, 16, 32, 64, 128}));
  EXPECT_EQ(counts.total(), 254U);
  EXPECT_EQ(counts.ended(), 248U);
}

TEST(JobInfoTest, PercentageIsCompletedByTotalTimesAHundredInThatOrder) {
  JobInfo job;
  EXPECT_EQ(job.progress_percentage(), 100.0);
  job.items = {.pending = 9, .succeeded = 12};
  EXPECT_EQ(job.progress_percentage(), 57.14285714285714);
  job.items = {.pending = 4, .succeeded = 1, .failed = 2};
  EXPECT_EQ(job.progress_percentage(), 42.857142857142854);
  job.items = {.running = 3};
  EXPECT_EQ(job.progress_percentage(), 0.0);
  job.items = {.skipped = 1, .no_data = 1, .cancelled = 1};
  EXPECT_EQ(job.progress_percentage(), 100.0);
}

struct EndCase {
  ItemCounts items;
  JobStatus status;
  std::optional<std::string> message;
};

TEST(EndedJobTest, HasTheStatusAndMessageOfTheContract) {
  const JobId id = JobId::parse(kCanonical).value();
  const std::string see = ", see /jobs/" + std::string(kCanonical) + "/items?state=failed";
  const EndCase cases[] = {
      {{}, JobStatus::completed, std::nullopt},
      {{.succeeded = 21}, JobStatus::completed, std::nullopt},
      {{.skipped = 3, .no_data = 2}, JobStatus::completed, std::nullopt},
      {{.succeeded = 19, .failed = 2},
       JobStatus::completed,
       "2 of 21 items failed" + see + ": 20240105: HTTP 500"},
      {{.skipped = 1, .failed = 2},
       JobStatus::completed,
       "2 of 3 items failed" + see + ": 20240105: HTTP 500"},
      {{.no_data = 1, .failed = 1},
       JobStatus::completed,
       "1 of 2 items failed" + see + ": 20240105: HTTP 500"},
      {{.failed = 21}, JobStatus::failed, "21 of 21 items failed: 20240105: HTTP 500"},
      {{.succeeded = 5, .cancelled = 1}, JobStatus::failed, "cancelled"},
      {{.failed = 5, .cancelled = 1}, JobStatus::failed, "cancelled"},
  };
  for (const auto& [items, status, message] : cases) {
    EXPECT_EQ(ended_status(items), status);
    EXPECT_EQ(ended_message(id, items, "20240105: HTTP 500"), message);
  }
  EXPECT_EQ(ended_message(id, {.failed = 1}, ""), "1 of 1 items failed");
}

}  // namespace
}  // namespace betedge::core
