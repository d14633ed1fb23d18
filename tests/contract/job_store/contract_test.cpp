#include <gmock/gmock.h>

#include <algorithm>

#include "contract/job_store/contract.hpp"

namespace betedge::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST_P(JobStoreContract, AJobIsReadAsItWasMade) {
  auto made = new_job(7, 3);
  made.warnings = {"unknown member 'colour' ignored", "“é” \xf0\x9f\x93\x88"};
  made.not_yet_available = {Date(std::chrono::days(20'000)), Date(std::chrono::days(20'001))};
  const auto created = get(store().create_job(made)).value().job;
  for (const auto& info : {created, job(7)}) {
    EXPECT_EQ(info.job_id, made.job_id);
    EXPECT_EQ(info.status, JobStatus::pending);
    EXPECT_EQ(info.items, (ItemCounts{.pending = 3}));
    EXPECT_EQ(info.request_json, made.request_json);
    EXPECT_EQ(info.warnings, made.warnings);
    EXPECT_EQ(info.not_yet_available, made.not_yet_available);
    EXPECT_EQ(info.created_at, made.created_at);
    EXPECT_EQ(info.updated_at, made.created_at);
    EXPECT_EQ(info.started_at, std::nullopt);
    EXPECT_EQ(info.finished_at, std::nullopt);
    EXPECT_EQ(info.error_message, std::nullopt);
    EXPECT_EQ(info.version, 1u);
  }
}

TEST_P(JobStoreContract, ASecondJobOfOneIdIsRefusedAndChangesNothing) {
  create(1, 3);
  EXPECT_EQ(code_of(get(store().create_job(new_job(1, 5)))), ErrorCode::conflict);
  EXPECT_EQ(job(1).total_items(), 3u);
  EXPECT_EQ(items(1).size(), 3u);
  EXPECT_EQ(claim(10).size(), 3u);
}

TEST_P(JobStoreContract, AJobWithoutFetchesIsCompletedAtOnce) {
  const auto info = create(1, 0);
  EXPECT_EQ(info.status, JobStatus::completed);
  EXPECT_EQ(info.finished_at, info.created_at);
  EXPECT_EQ(info.error_message, std::nullopt);
  EXPECT_THAT(get(store().active_jobs()).value(), IsEmpty());
}

TEST_P(JobStoreContract, AnUnknownJobIsAnAnswerForOneWhoAsksAndNotFoundForTheRest) {
  EXPECT_EQ(get(store().get_job(job_id(1))).value(), std::nullopt);
  EXPECT_EQ(code_of(get(store().list_items(job_id(1), {}))), ErrorCode::not_found);
  EXPECT_EQ(code_of(get(store().cancel_job(job_id(1)))), ErrorCode::not_found);
  EXPECT_EQ(code_of(get(store().retry_job(job_id(1)))), ErrorCode::not_found);
  EXPECT_EQ(code_of(get(store().delete_job(job_id(1)))), ErrorCode::not_found);
}

TEST_P(JobStoreContract, AClaimHandsOutWhatTheJobSaidInDateOrder) {
  create(4, 3);
  const auto first = claims(2);
  ASSERT_THAT(places(first.fetches), ElementsAre(0, 1));
  const auto& claimed = first.fetches[1];
  EXPECT_EQ(claimed.job_id, job_id(4));
  EXPECT_EQ(claimed.key, key_of(4, 1));
  EXPECT_EQ(claimed.label, "1");
  EXPECT_EQ(claimed.spec_json, R"({"seq":1})");
  EXPECT_EQ(claimed.attempts_made, 0);
  EXPECT_NE(first.fetches[0].fetch, claimed.fetch);
  EXPECT_THAT(places(claim(5)), ElementsAre(2));
  EXPECT_THAT(claim(5), IsEmpty());
}

TEST_P(JobStoreContract, TheFirstClaimStartsTheJob) {
  const auto before = create(1, 3);
  const auto claimed = claims(2);
  ASSERT_EQ(claimed.changed_jobs.size(), 1u);
  const auto& info = claimed.changed_jobs[0];
  EXPECT_EQ(info.status, JobStatus::running);
  EXPECT_EQ(info.items, (ItemCounts{.pending = 1, .running = 2}));
  EXPECT_TRUE(info.started_at.has_value());
  EXPECT_GT(info.version, before.version);
  EXPECT_EQ(job(1).version, info.version);
  EXPECT_EQ(items(1)[0].state, ItemState::running);
  EXPECT_EQ(items(1)[2].state, ItemState::pending);
}

TEST_P(JobStoreContract, NothingToClaimChangesNothing) {
  create(1, 1);
  claim(1);
  const auto before = job(1);
  const auto none = claims(5);
  EXPECT_THAT(none.fetches, IsEmpty());
  EXPECT_THAT(none.changed_jobs, IsEmpty());
  EXPECT_EQ(none.next_ready_in, std::nullopt);
  EXPECT_EQ(job(1).version, before.version);
  EXPECT_THAT(claims(0).fetches, IsEmpty());
}

TEST_P(JobStoreContract, TheJobWithTheFewestRunningFetchesIsServedFirst) {
  create(1, 252);
  claim(3);
  create(2, 1);
  EXPECT_THAT(jobs_of(claim(1)), ElementsAre(job_id(2)));
  create(3, 10);
  EXPECT_THAT(jobs_of(claim(4)), ElementsAre(job_id(3), job_id(3), job_id(3), job_id(1)));
}

TEST_P(JobStoreContract, AmongEqualsTheOneServedLongestAgoComesFirst) {
  for (const std::uint64_t number : {1, 2, 3}) create(number, 10);
  std::vector<JobId> served;
  for (int turn = 0; turn < 7; ++turn) {  // each ended before the next is claimed: none runs
    const auto claimed = claim_one();
    served.push_back(claimed.job_id);
    complete(claimed, ended(ItemState::succeeded)).value();
  }
  EXPECT_THAT(served, ElementsAre(job_id(1), job_id(2), job_id(3), job_id(1), job_id(2), job_id(3),
                                  job_id(1)));
}

TEST_P(JobStoreContract, AFenceGrowsWithEveryClaimAndEveryTakingBack) {
  create(1, 1);
  const auto first = claim_one();
  get(store().put_back(first.fetch, first.fence, 0ms, false, "")).value();
  const auto second = claim_one();
  EXPECT_EQ(second.fetch, first.fetch);
  EXPECT_GT(second.fence, first.fence);
  get(store().take_back(JobStore::Which::all, 9)).value();
  const auto third = claim_one();
  EXPECT_GT(third.fence, second.fence + 1);  // one for the taking back, one for the claim
}

TEST_P(JobStoreContract, WhoeverComesWithAnOldFenceIsRefusedAndChangesNothing) {
  create(1, 2);
  const auto old = claim_one();
  get(store().take_back(JobStore::Which::all, 9)).value();
  const auto check = [&] {
    const auto before = job(1);
    EXPECT_EQ(code_of(get(store().renew(old.fetch, old.fence, kLease))), ErrorCode::fenced);
    EXPECT_EQ(code_of(complete(old, ended(ItemState::succeeded))), ErrorCode::fenced);
    EXPECT_EQ(code_of(get(store().put_back(old.fetch, old.fence, 0ms, true, "late"))),
              ErrorCode::fenced);
    EXPECT_EQ(job(1).version, before.version);
    EXPECT_EQ(items(1)[0].attempts, 0);
    EXPECT_EQ(items(1)[0].error, "");
  };
  check();  // while it waits to be claimed
  const auto held = claim_one();
  ASSERT_EQ(held.fetch, old.fetch);
  check();  // while somebody else has it
  EXPECT_TRUE(complete(held, ended(ItemState::succeeded)).has_value());
}

TEST_P(JobStoreContract, AFenceYetToComeIsRefusedToo) {
  create(1, 1);
  const auto held = claim_one();
  EXPECT_EQ(code_of(get(store().renew(held.fetch, held.fence + 1, kLease))), ErrorCode::fenced);
  EXPECT_EQ(code_of(get(store().renew(held.fetch + 1000, held.fence, kLease))), ErrorCode::fenced);
}

TEST_P(JobStoreContract, OnlyLeasesThatHaveEndedAreTakenBack) {
  create(1, 2);
  const auto silent = claim_one();
  const auto renewed = claim_one();
  world_->pass(kLease / 2);
  get(store().renew(renewed.fetch, renewed.fence, kLease)).value();
  EXPECT_THAT(get(store().take_back(JobStore::Which::expired, 9)).value(), IsEmpty());
  world_->pass(kLease / 2 + 1s);
  const auto changed = get(store().take_back(JobStore::Which::expired, 9)).value();
  ASSERT_EQ(changed.size(), 1u);
  EXPECT_EQ(changed[0].items, (ItemCounts{.pending = 1, .running = 1}));
  EXPECT_EQ(code_of(complete(silent, ended(ItemState::succeeded))), ErrorCode::fenced);
  EXPECT_TRUE(complete(renewed, ended(ItemState::succeeded)).has_value());
}

TEST_P(JobStoreContract, ALeaseThatHasEndedIsStillHeldUntilItIsTakenBack) {
  create(1, 1);
  const auto held = claim_one();
  world_->pass(kLease * 2);
  EXPECT_TRUE(get(store().renew(held.fetch, held.fence, kLease)).has_value());
  EXPECT_THAT(get(store().take_back(JobStore::Which::expired, 9)).value(), IsEmpty());
}

TEST_P(JobStoreContract, AttemptsStayAsTheyWereWhenAFetchIsTakenBack) {
  create(1, 1);
  const auto first = claim_one();
  get(store().put_back(first.fetch, first.fence, 0ms, true, "HTTP 500")).value();
  claim_one();
  get(store().take_back(JobStore::Which::all, 9)).value();
  const auto again = claim_one();
  EXPECT_EQ(again.attempts_made, 1);
  EXPECT_EQ(items(1)[0].error, "HTTP 500");
}

TEST_P(JobStoreContract, AFetchTakenBackTooOftenFailsItsItem) {
  create(1, 2);
  for (int crash = 1; crash <= 3; ++crash) {
    const auto claimed = claim_one();
    ASSERT_EQ(claimed.seq, 0u);
    const auto changed = get(store().take_back(JobStore::Which::all, 3)).value();
    ASSERT_EQ(changed.size(), 1u);
    EXPECT_EQ(changed[0].items.failed, crash == 3 ? 1u : 0u);
  }
  EXPECT_EQ(items(1)[0].state, ItemState::failed);
  EXPECT_NE(items(1)[0].error, "");
  complete(claim_one(), ended(ItemState::succeeded)).value();
  EXPECT_EQ(job(1).status, JobStatus::completed);
  EXPECT_EQ(job(1).error_message, "1 of 2 items failed, see /jobs/" + job_id(1).text() +
                                      "/items?state=failed: 0: " + items(1)[0].error);
}

TEST_P(JobStoreContract, AJobWhoseLastFetchIsGivenUpEnds) {
  create(1, 1);
  claim_one();
  const auto changed = get(store().take_back(JobStore::Which::all, 1)).value();
  ASSERT_EQ(changed.size(), 1u);
  EXPECT_EQ(changed[0].status, JobStatus::failed);
  EXPECT_TRUE(changed[0].finished_at.has_value());
  EXPECT_THAT(claim(1), IsEmpty());
}

TEST_P(JobStoreContract, TakingBackNamesEachJobOnce) {
  create(1, 5);
  create(2, 5);
  create(3, 5);
  claim(7);
  const auto changed = get(store().take_back(JobStore::Which::all, 9)).value();
  EXPECT_THAT(ids_of(changed), ::testing::UnorderedElementsAre(job_id(1), job_id(2), job_id(3)));
  for (const auto& info : changed) {
    EXPECT_EQ(info.items, (ItemCounts{.pending = 5}));
    EXPECT_EQ(info.status, JobStatus::running);
  }
}

TEST_P(JobStoreContract, TheEndOfAnItemIsSeenInItsJobAtOnce) {
  create(1, 2);
  const auto claimed = claim_one();
  const auto info = complete(claimed, ended(ItemState::succeeded)).value();
  EXPECT_EQ(info.items, (ItemCounts{.pending = 1, .succeeded = 1}));
  EXPECT_EQ(info.rows, 10u);
  EXPECT_EQ(info.bytes, 1000u);
  EXPECT_EQ(info.status, JobStatus::running);
  const auto item = items(1)[0];
  EXPECT_EQ(item.key, key_of(1, 0));
  EXPECT_EQ(item.state, ItemState::succeeded);
  EXPECT_EQ(item.attempts, 1);
  EXPECT_EQ(item.rows, 10u);
  EXPECT_EQ(item.bytes, 1000u);
  EXPECT_EQ(item.sha256, "5ead");
}

TEST_P(JobStoreContract, AnItemEndsOnce) {
  create(1, 2);
  const auto claimed = claim_one();
  complete(claimed, ended(ItemState::no_data)).value();
  const auto before = job(1);
  EXPECT_EQ(code_of(complete(claimed, ended(ItemState::succeeded))), ErrorCode::fenced);
  EXPECT_EQ(code_of(get(store().put_back(claimed.fetch, claimed.fence, 0ms, true, ""))),
            ErrorCode::fenced);
  EXPECT_EQ(job(1).version, before.version);
  EXPECT_EQ(items(1)[0].state, ItemState::no_data);
}

TEST_P(JobStoreContract, AFetchCannotEndAsSomethingThatIsNoEnd) {
  create(1, 1);
  const auto claimed = claim_one();
  EXPECT_EQ(code_of(complete(claimed, ended(ItemState::running))), ErrorCode::conflict);
  EXPECT_EQ(code_of(complete(claimed, ended(ItemState::pending))), ErrorCode::conflict);
  EXPECT_TRUE(complete(claimed, ended(ItemState::skipped)).has_value());
}

struct EndCase {
  std::vector<ItemState> ends;
  JobStatus status;
  std::string message;  // after the job's id is put for {id}; empty: none
};

TEST_P(JobStoreContract, AJobEndsAsItsItemsDid) {
  using enum ItemState;
  const std::vector<EndCase> cases = {
      {{succeeded, skipped, no_data}, JobStatus::completed, ""},
      {{no_data}, JobStatus::completed, ""},
      {{succeeded, failed, failed},
       JobStatus::completed,
       "2 of 3 items failed, see /jobs/{id}/items?state=failed: 1: broke at 1"},
      {{skipped, failed},
       JobStatus::completed,
       "1 of 2 items failed, see /jobs/{id}/items?state=failed: 1: broke at 1"},
      {{failed, failed}, JobStatus::failed, "2 of 2 items failed: 0: broke at 0"},
  };
  std::uint64_t number = 0;
  for (const auto& tested : cases) {
    create(++number, tested.ends.size());
    auto claimed = claim(tested.ends.size());
    ASSERT_EQ(claimed.size(), tested.ends.size());
    std::ranges::reverse(claimed);  // the first failure is that of the first item, not in time
    std::optional<JobInfo> last;
    for (const auto& fetch : claimed)
      last = complete(fetch, ended(tested.ends[fetch.seq], "broke at " + fetch.label)).value();
    EXPECT_EQ(last->status, tested.status);
    auto message = tested.message;
    if (const auto at = message.find("{id}"); at != std::string::npos)
      message.replace(at, 4, last->job_id.text());
    EXPECT_EQ(last->error_message.value_or(""), message);
    EXPECT_EQ(last->error_message.has_value(), !message.empty());
    EXPECT_EQ(last->finished_at, last->updated_at);
    EXPECT_EQ(last->completed_items(), last->total_items());
    EXPECT_EQ(job(number).status, tested.status);
  }
}

TEST_P(JobStoreContract, AFailedJobFailsWhatHadNotEnded) {
  create(1, 4);
  const auto claimed = claim(2);
  complete(claimed[0], ended(ItemState::succeeded)).value();
  const auto waiting = claim_one();
  get(store().put_back(waiting.fetch, waiting.fence, 10s, true, "HTTP 500")).value();
  const auto full = claimed[1];
  const auto changes =
      get(store().fail_jobs(full.fetch, full.fence, "no space left in the lake")).value();
  ASSERT_EQ(changes.jobs.size(), 1u);
  const auto& info = changes.jobs[0];
  EXPECT_THAT(changes.to_stop, IsEmpty());
  EXPECT_EQ(info.status, JobStatus::failed);
  EXPECT_EQ(info.error_message, "no space left in the lake");
  EXPECT_EQ(info.items, (ItemCounts{.succeeded = 1, .failed = 3}));
  EXPECT_EQ(info.finished_at, info.updated_at);
  const auto all = items(1);
  EXPECT_EQ(all[0].state, ItemState::succeeded);
  for (const std::size_t seq : {1, 2, 3}) {
    EXPECT_EQ(all[seq].state, ItemState::failed);
    EXPECT_EQ(all[seq].error, "no space left in the lake");
  }
  EXPECT_EQ(code_of(complete(claimed[1], ended(ItemState::succeeded))), ErrorCode::fenced);
  world_->pass(1min);
  const auto later = claims(5);
  EXPECT_THAT(later.fetches, IsEmpty());
  EXPECT_EQ(later.next_ready_in, std::nullopt);
}

TEST_P(JobStoreContract, AJobThatHasEndedGoesNowhere) {
  create(1, 1);
  const auto claimed = claim_one();
  complete(claimed, ended(ItemState::succeeded)).value();
  const auto before = job(1);
  EXPECT_EQ(code_of(get(store().fail_jobs(claimed.fetch, claimed.fence, "late"))),
            ErrorCode::fenced);
  EXPECT_EQ(code_of(get(store().retry_job(job_id(1)))), ErrorCode::conflict);
  EXPECT_THAT(get(store().take_back(JobStore::Which::all, 1)).value(), IsEmpty());
  const auto after = job(1);
  EXPECT_EQ(after.version, before.version);
  EXPECT_EQ(after.status, JobStatus::completed);
  EXPECT_EQ(after.error_message, std::nullopt);
}

TEST_P(JobStoreContract, AFailedJobNamesWhatStillRunsForItAlone) {
  create(1, 3);
  const auto claimed = claim(3);
  const auto changes =
      get(store().fail_jobs(claimed[1].fetch, claimed[1].fence, "no space")).value();
  EXPECT_THAT(changes.to_stop, ElementsAre(claimed[0].fetch, claimed[2].fetch));
  EXPECT_EQ(code_of(complete(claimed[0], ended(ItemState::succeeded))), ErrorCode::fenced);
}

TEST_P(JobStoreContract, TwoJobsThatNeedOneObjectShareItsFetchAndBothCountIt) {
  create(1, 3);
  const auto running = claim_one();  // of item 0
  const auto second = get(store().create_job(sharing_job(2, {0, 2}))).value().job;
  EXPECT_EQ(second.status, JobStatus::running);
  EXPECT_EQ(second.items, (ItemCounts{.pending = 1, .running = 1}));
  const auto ended_jobs =
      get(store().complete(running.fetch, running.fence, ended(ItemState::succeeded))).value();
  EXPECT_THAT(ids_of(ended_jobs), ElementsAre(job_id(1), job_id(2)));
  EXPECT_EQ(job(1).items.succeeded, 1u);
  EXPECT_EQ(job(2).items.succeeded, 1u);
  EXPECT_EQ(job(2).rows, 10u);
  // Two fetches are left for three items.
  const auto rest = claim(9);
  EXPECT_EQ(rest.size(), 2u);
  for (const auto& claimed : rest)
    get(store().complete(claimed.fetch, claimed.fence, ended(ItemState::no_data))).value();
  EXPECT_EQ(job(1).status, JobStatus::completed);
  EXPECT_EQ(job(2).status, JobStatus::completed);
  EXPECT_EQ(job(2).items, (ItemCounts{.succeeded = 1, .no_data = 1}));
}

TEST_P(JobStoreContract, AFetchThatDiffersIsAnotherOneAndWaitsForTheObject) {
  create(1, 1);
  const auto first = claim_one();
  auto other = sharing_job(2, {0});
  other.fetches[0].spec_json = R"({"mode":"force"})";
  get(store().create_job(std::move(other))).value();
  EXPECT_EQ(job(2).status, JobStatus::pending);
  EXPECT_THAT(claim(9), IsEmpty());  // its object is being written
  create(3, 1);
  EXPECT_THAT(jobs_of(claim(9)), ElementsAre(job_id(3)));  // others do not wait behind it
  complete(first, ended(ItemState::succeeded)).value();
  EXPECT_THAT(jobs_of(claim(9)), ElementsAre(job_id(2)));
}

TEST_P(JobStoreContract, AFetchPutBackIsPendingInEveryJob) {
  create(1, 1);
  get(store().create_job(sharing_job(2, {0}))).value();
  const auto claimed = claim_one();
  EXPECT_EQ(job(2).status, JobStatus::running);
  get(store().put_back(claimed.fetch, claimed.fence, 10s, true, "HTTP 500")).value();
  for (const std::uint64_t number : {1, 2}) {
    EXPECT_EQ(job(number).items, (ItemCounts{.pending = 1}));
    EXPECT_EQ(items(number)[0].attempts, 1);
  }
  EXPECT_THAT(claim(9), IsEmpty());
  world_->pass(11s);
  EXPECT_EQ(claim(9).size(), 1u);
  EXPECT_THAT(claim(9), IsEmpty());
}

TEST_P(JobStoreContract, AHigherPriorityIsServedFirstAndEachUpstreamItsOwn) {
  create(1, 5);
  auto urgent = new_job(2, 2);
  urgent.priority = 7;
  get(store().create_job(std::move(urgent))).value();
  auto other = new_job(3, 1);
  other.upstream = "nasdaq";
  other.priority = 100;
  EXPECT_EQ(get(store().create_job(std::move(other))).value().job.upstream, "nasdaq");
  EXPECT_THAT(jobs_of(claim(3)), ElementsAre(job_id(2), job_id(2), job_id(1)));
  EXPECT_THAT(jobs_of(get(store().claim("nasdaq", 9, "test", kLease)).value().fetches),
              ElementsAre(job_id(3)));
}

TEST_P(JobStoreContract, AnEqualJobIsJoinedWhileItHasNotEnded) {
  using How = CreatedJob::How;
  auto first = new_job(1, 1);
  first.equal_to = "AAPL";
  EXPECT_EQ(get(store().create_job(first)).value().how, How::made);
  auto second = new_job(2, 1);
  second.equal_to = "AAPL";
  const auto joined = get(store().create_job(second)).value();
  EXPECT_EQ(joined.how, How::joined);
  EXPECT_EQ(joined.job.job_id, job_id(1));
  EXPECT_EQ(get(store().get_job(job_id(2))).value(), std::nullopt);
  complete(claim_one(), ended(ItemState::succeeded)).value();
  EXPECT_EQ(get(store().create_job(second)).value().how, How::made);
  get(store().cancel_job(job_id(2))).value();
  auto third = new_job(3, 1);
  third.equal_to = "AAPL";
  EXPECT_EQ(get(store().create_job(third)).value().how, How::made);
}

TEST_P(JobStoreContract, AKeyMakesTheSameRequestTheSameJobForItsTime) {
  using How = CreatedJob::How;
  const auto keyed = [](std::uint64_t number, std::string fingerprint, std::string principal) {
    auto job = new_job(number, 1);
    job.idempotency = IdempotencyKey{std::move(principal), "k1", std::move(fingerprint)};
    return job;
  };
  EXPECT_EQ(get(store().create_job(keyed(1, "a", "ann"))).value().how, How::made);
  complete(claim_one(), ended(ItemState::succeeded)).value();
  const auto again = get(store().create_job(keyed(2, "a", "ann"))).value();
  EXPECT_EQ(again.how, How::replayed);
  EXPECT_EQ(again.job.job_id, job_id(1));
  EXPECT_EQ(again.job.status, JobStatus::completed);
  EXPECT_EQ(get(store().create_job(keyed(3, "b", "ann"))).value().how, How::key_used_otherwise);
  EXPECT_EQ(get(store().create_job(keyed(4, "b", "bob"))).value().how, How::made);
  world_->pass(std::chrono::hours(25));
  EXPECT_EQ(get(store().create_job(keyed(5, "b", "ann"))).value().how, How::made);
  // A job that is deleted takes its key along.
  get(store().cancel_job(job_id(5))).value();
  get(store().delete_job(job_id(5))).value();
  EXPECT_EQ(get(store().create_job(keyed(6, "c", "ann"))).value().how, How::made);
}

TEST_P(JobStoreContract, ACancelledJobEndsWhenItsRunningFetchesHaveStopped) {
  create(1, 4);
  const auto claimed = claim(2);
  complete(claimed[0], ended(ItemState::succeeded)).value();
  const auto asked = get(store().cancel_job(job_id(1))).value();
  EXPECT_EQ(asked.jobs.at(0).state(), JobState::cancelling);
  EXPECT_EQ(asked.jobs.at(0).items, (ItemCounts{.running = 1, .succeeded = 1, .cancelled = 2}));
  EXPECT_THAT(asked.to_stop, ElementsAre(claimed[1].fetch));
  EXPECT_THAT(claim(9), IsEmpty());
  const auto again = get(store().cancel_job(job_id(1))).value();
  EXPECT_EQ(again.jobs.at(0).version, asked.jobs.at(0).version);
  EXPECT_THAT(again.to_stop, ElementsAre(claimed[1].fetch));
  const auto stopped =
      only(get(store().put_back(claimed[1].fetch, claimed[1].fence, 0ms, false, ""))).value();
  EXPECT_EQ(stopped.state(), JobState::cancelled);
  EXPECT_EQ(stopped.error_message, "cancelled");
  EXPECT_EQ(stopped.items, (ItemCounts{.succeeded = 1, .cancelled = 3}));
  EXPECT_THAT(claim(9), IsEmpty());
  // A second time it is answered as it is.
  const auto ended_job = get(store().cancel_job(job_id(1))).value();
  EXPECT_EQ(ended_job.jobs.at(0).version, stopped.version);
  EXPECT_EQ(items(1)[0].state, ItemState::succeeded);
  EXPECT_EQ(items(1)[0].rows, 10u);
}

TEST_P(JobStoreContract, AQueuedJobIsCancelledAtOnce) {
  create(1, 3);
  const auto asked = get(store().cancel_job(job_id(1))).value();
  EXPECT_EQ(asked.jobs.at(0).state(), JobState::cancelled);
  EXPECT_THAT(asked.to_stop, IsEmpty());
}

TEST_P(JobStoreContract, WhatFinishesWhileItIsBeingCancelledCounts) {
  create(1, 1);
  const auto claimed = claim_one();
  get(store().cancel_job(job_id(1))).value();
  const auto info = complete(claimed, ended(ItemState::succeeded)).value();
  EXPECT_EQ(info.state(), JobState::completed);
  EXPECT_EQ(info.error_message, std::nullopt);
}

TEST_P(JobStoreContract, ACancelLeavesWhatAnotherJobNeeds) {
  create(1, 2);
  get(store().create_job(sharing_job(2, {0, 1}))).value();
  const auto claimed = claim_one();
  const auto asked = get(store().cancel_job(job_id(1))).value();
  EXPECT_EQ(asked.jobs.at(0).state(), JobState::cancelled);
  EXPECT_THAT(asked.to_stop, IsEmpty());
  EXPECT_TRUE(complete(claimed, ended(ItemState::succeeded)).has_value());
  EXPECT_EQ(items(1)[0].state, ItemState::cancelled);
  EXPECT_EQ(items(1)[0].rows, 0u);
  EXPECT_EQ(job(1).rows, 0u);
  EXPECT_EQ(claim(9).size(), 1u);
}

TEST_P(JobStoreContract, ACancelThatWasUnderWayEndsWithTheNextStart) {
  create(1, 2);
  claim(1);
  get(store().cancel_job(job_id(1))).value();
  get(store().take_back(JobStore::Which::all, 9)).value();
  EXPECT_EQ(job(1).state(), JobState::cancelled);
  EXPECT_THAT(claim(9), IsEmpty());
}

TEST_P(JobStoreContract, ARetryBeginsTheFailedItemsAnewAndNothingElse) {
  create(1, 3);
  const auto claimed = claim(3);
  complete(claimed[0], ended(ItemState::succeeded)).value();
  complete(claimed[1], ended(ItemState::failed, "HTTP 500")).value();
  complete(claimed[2], ended(ItemState::no_data)).value();
  const auto before = job(1);
  const auto retried = get(store().retry_job(job_id(1))).value();
  EXPECT_EQ(retried.state(), JobState::queued);
  EXPECT_EQ(retried.retries, 1u);
  EXPECT_EQ(retried.items, (ItemCounts{.pending = 1, .succeeded = 1, .no_data = 1}));
  EXPECT_EQ(retried.error_message, std::nullopt);
  EXPECT_EQ(retried.finished_at, std::nullopt);
  EXPECT_GT(retried.version, before.version);
  EXPECT_EQ(code_of(get(store().retry_job(job_id(1)))), ErrorCode::conflict);
  EXPECT_EQ(items(1)[1].attempts, 0);
  const auto again = claim(9);
  ASSERT_THAT(places(again), ElementsAre(1));
  EXPECT_EQ(complete(again[0], ended(ItemState::succeeded)).value().state(), JobState::completed);
  EXPECT_EQ(code_of(complete(claimed[1], ended(ItemState::succeeded))), ErrorCode::fenced);
}

TEST_P(JobStoreContract, AFailureOfASharedFetchIsRetriedForEachJobByItself) {
  create(1, 1);
  get(store().create_job(sharing_job(2, {0}))).value();
  const auto claimed = claim_one();
  get(store().complete(claimed.fetch, claimed.fence, ended(ItemState::failed, "HTTP 500"))).value();
  get(store().retry_job(job_id(1))).value();
  get(store().retry_job(job_id(2))).value();
  const auto again = claim(9);
  ASSERT_EQ(again.size(), 1u);  // shared again
  get(store().complete(again[0].fetch, again[0].fence, ended(ItemState::succeeded))).value();
  EXPECT_EQ(job(1).state(), JobState::completed);
  EXPECT_EQ(job(2).state(), JobState::completed);
}

TEST_P(JobStoreContract, AnEndedJobIsForgottenWhenItIsDeleted) {
  create(1, 2);
  get(store().create_job(sharing_job(2, {0}))).value();
  EXPECT_EQ(code_of(get(store().delete_job(job_id(1)))), ErrorCode::conflict);
  get(store().cancel_job(job_id(1))).value();
  EXPECT_TRUE(get(store().delete_job(job_id(1))).has_value());
  EXPECT_EQ(get(store().get_job(job_id(1))).value(), std::nullopt);
  EXPECT_EQ(code_of(get(store().delete_job(job_id(1)))), ErrorCode::not_found);
  complete(claim_one(), ended(ItemState::succeeded)).value();  // the other's is still there
  EXPECT_EQ(job(2).state(), JobState::completed);
}

TEST_P(JobStoreContract, ItemsThatEndedSinceAVersionAreFound) {
  create(1, 3);
  const auto claimed = claim(3);
  complete(claimed[0], ended(ItemState::failed, "one")).value();
  const auto between = job(1).version;
  complete(claimed[1], ended(ItemState::failed, "two")).value();
  const auto page = get(store().list_items(job_id(1), {.state = ItemState::failed,
                                                       .from_seq = 0,
                                                       .limit = 10,
                                                       .ended_after_version = between}))
                        .value();
  ASSERT_EQ(page.items.size(), 1u);
  EXPECT_EQ(page.items[0].error, "two");
  EXPECT_EQ(page.items[0].ended_version, job(1).version);
}

TEST_P(JobStoreContract, JobsAreFoundByLabel) {
  auto job = new_job(1, 1);
  job.labels = {{"desk", "vol"}, {"what's", "“it”"}};
  get(store().create_job(job)).value();
  create(2, 1);
  const auto found = [&](std::string name, std::string value) {
    return ids_of(
        get(store().list_jobs({.status = {}, .label = {{name, value}}, .limit = {}})).value());
  };
  EXPECT_THAT(found("desk", "vol"), ElementsAre(job_id(1)));
  EXPECT_THAT(found("what's", "“it”"), ElementsAre(job_id(1)));
  EXPECT_THAT(found("desk", "rates"), IsEmpty());
}

TEST_P(JobStoreContract, ExperienceIsTheMeanOfWhatWasPublished) {
  EXPECT_EQ(get(store().experience("lake/1/")).value().objects, 0u);
  create(1, 2);
  std::uint64_t size = 1000;
  for (const auto& claimed : claim(2)) {
    auto outcome = ended(ItemState::succeeded);
    outcome.object = ObjectRecord{.key = claimed.key,
                                  .size_bytes = size,
                                  .rows = 1,
                                  .sha256 = "5ead",
                                  .covers_through = {},
                                  .schema_version = 1,
                                  .written_at = {},
                                  .took = 2s};
    size += 1000;
    complete(claimed, outcome).value();
  }
  const auto found = get(store().experience("lake/1/")).value();
  EXPECT_EQ(found.objects, 2u);
  EXPECT_EQ(found.mean_bytes, 1500);
  EXPECT_EQ(found.mean_seconds, 2);
  EXPECT_EQ(get(store().experience("lake/2/")).value().objects, 0u);
}

TEST_P(JobStoreContract, AFetchPutBackWaitsForItsTime) {
  create(1, 2);
  const auto claimed = claim_one();
  const auto info =
      only(get(store().put_back(claimed.fetch, claimed.fence, 30s, true, "HTTP 500"))).value();
  EXPECT_EQ(info.items, (ItemCounts{.pending = 2}));
  EXPECT_EQ(info.status, JobStatus::running);
  const auto others = claims(5);
  EXPECT_THAT(places(others.fetches), ElementsAre(1));
  ASSERT_TRUE(others.next_ready_in.has_value());
  EXPECT_GT(*others.next_ready_in, 29s);
  EXPECT_LE(*others.next_ready_in, 30s);
  world_->pass(*others.next_ready_in);
  const auto again = claims(5);
  EXPECT_THAT(places(again.fetches), ElementsAre(0));
  EXPECT_EQ(again.fetches[0].attempts_made, 1);
  EXPECT_EQ(again.next_ready_in, std::nullopt);
}

TEST_P(JobStoreContract, AnAttemptCountsOnlyWhenItIsSaidToAndItsErrorIsKept) {
  create(1, 1);
  const auto first = claim_one();
  get(store().put_back(first.fetch, first.fence, 0ms, true, "HTTP 500")).value();
  EXPECT_EQ(items(1)[0].attempts, 1);
  EXPECT_EQ(items(1)[0].error, "HTTP 500");
  const auto second = claim_one();
  get(store().put_back(second.fetch, second.fence, 0ms, false, "terminal gone")).value();
  EXPECT_EQ(items(1)[0].attempts, 1);
  EXPECT_EQ(items(1)[0].error, "HTTP 500");
  const auto third = claim_one();
  EXPECT_EQ(third.attempts_made, 1);
  complete(third, ended(ItemState::succeeded)).value();
  EXPECT_EQ(items(1)[0].attempts, 2);
  EXPECT_EQ(items(1)[0].error, "HTTP 500");  // of the last attempt that failed
}

TEST_P(JobStoreContract, WhatWaitsLongestIsNotWhatIsReadyFirst) {
  create(1, 3);
  const auto claimed = claim(3);
  const std::array<std::chrono::milliseconds, 3> delays = {9s, 3s, 6s};
  for (std::size_t i = 0; i < 3; ++i)
    get(store().put_back(claimed[i].fetch, claimed[i].fence, delays[i], false, "")).value();
  std::vector<std::uint32_t> order;
  for (int turn = 0; turn < 3; ++turn) {
    const auto none = claims(3);
    ASSERT_THAT(none.fetches, IsEmpty());
    world_->pass(none.next_ready_in.value());
    order.push_back(claim_one().seq);
  }
  EXPECT_THAT(order, ElementsAre(1, 2, 0));
}

TEST_P(JobStoreContract, JobsAreListedNewestFirst) {
  for (const std::uint64_t number : {1, 2, 3, 4}) create(number, 1);
  complete(claim_one(), ended(ItemState::succeeded)).value();  // of job 1
  claim_one();                                                 // of job 2
  const auto list = [&](std::optional<JobStatus> status, std::optional<std::size_t> limit) {
    return ids_of(get(store().list_jobs({.status = status, .label = {}, .limit = limit})).value());
  };
  EXPECT_THAT(list({}, {}), ElementsAre(job_id(4), job_id(3), job_id(2), job_id(1)));
  EXPECT_THAT(list({}, 2), ElementsAre(job_id(4), job_id(3)));
  EXPECT_THAT(list({}, 0), IsEmpty());
  EXPECT_THAT(list(JobStatus::pending, {}), ElementsAre(job_id(4), job_id(3)));
  EXPECT_THAT(list(JobStatus::pending, 1), ElementsAre(job_id(4)));
  EXPECT_THAT(list(JobStatus::running, {}), ElementsAre(job_id(2)));
  EXPECT_THAT(list(JobStatus::completed, 9), ElementsAre(job_id(1)));
  EXPECT_THAT(list(JobStatus::failed, {}), IsEmpty());
  EXPECT_THAT(ids_of(get(store().active_jobs()).value()),
              ElementsAre(job_id(2), job_id(3), job_id(4)));
}

TEST_P(JobStoreContract, ItemsAreReadPageByPage) {
  create(1, 7);
  for (const auto& claimed : claim(7))
    complete(claimed, ended(claimed.seq % 3 == 0 ? ItemState::failed : ItemState::skipped)).value();
  const auto read = [&](std::optional<ItemState> state, std::size_t limit) {
    std::vector<ObjectKey> keys;
    std::uint32_t from = 0;
    while (true) {
      const auto page =
          get(store().list_items(job_id(1), {.state = state, .from_seq = from, .limit = limit}))
              .value();
      EXPECT_LE(page.items.size(), limit);
      for (const auto& item : page.items) keys.push_back(item.key);
      if (!page.next) return keys;
      EXPECT_EQ(page.items.size(), limit);
      from = *page.next;
    }
  };
  std::vector<ObjectKey> all;
  for (std::size_t seq = 0; seq < 7; ++seq) all.push_back(key_of(1, seq));
  for (const std::size_t limit : {1, 2, 3, 7, 100}) {
    EXPECT_EQ(read({}, limit), all) << limit;
    EXPECT_THAT(read(ItemState::failed, limit),
                ElementsAre(key_of(1, 0), key_of(1, 3), key_of(1, 6)));
    EXPECT_THAT(read(ItemState::no_data, limit), IsEmpty());
  }
}

TEST_P(JobStoreContract, AnObjectIsRememberedAsItWasLastPublished) {
  create(1, 3);
  const auto key = key_of(9, 9);
  EXPECT_EQ(get(store().find_object(key)).value(), std::nullopt);
  auto outcome = ended(ItemState::succeeded);
  outcome.object = ObjectRecord{.key = key,
                                .size_bytes = std::uint64_t{5} << 32,
                                .rows = 77,
                                .sha256 = "abc",
                                .covers_through = Date(std::chrono::days(19'000)),
                                .schema_version = 3,
                                .written_at = Timestamp(1'700'000'000'123'456us),
                                .layout = {.price_type = PriceType::float32}};
  complete(claim_one(), outcome).value();
  const auto found = get(store().find_object(key)).value().value();
  EXPECT_EQ(found.key, key);
  EXPECT_EQ(found.size_bytes, std::uint64_t{5} << 32);
  EXPECT_EQ(found.rows, 77u);
  EXPECT_EQ(found.sha256, "abc");
  EXPECT_EQ(found.covers_through, Date(std::chrono::days(19'000)));
  EXPECT_EQ(found.schema_version, 3);
  EXPECT_EQ(found.written_at, Timestamp(1'700'000'000'123'456us));
  EXPECT_EQ(found.layout.price_type, PriceType::float32);

  outcome.object->rows = 78;
  complete(claim_one(), outcome).value();
  EXPECT_EQ(get(store().find_object(key)).value()->rows, 78u);

  const auto stale = claim_one();  // whoever is refused has published nothing
  get(store().take_back(JobStore::Which::all, 9)).value();
  outcome.object->rows = 79;
  EXPECT_EQ(code_of(complete(stale, outcome)), ErrorCode::fenced);
  EXPECT_EQ(get(store().find_object(key)).value()->rows, 78u);
}

// Claims and completes until nothing is left.
Task<void> work_off(JobStore& store, int& done) {
  while (true) {
    auto claimed = co_await store.claim("thetadata", 2, "test", 60s);
    if (claimed.value().fetches.empty()) co_return;
    for (const auto& claim : claimed->fetches) {
      auto outcome = ended(ItemState::succeeded);
      auto info = co_await store.complete(claim.fetch, claim.fence, std::move(outcome));
      if (info.has_value()) ++done;
    }
  }
}

Task<void> all_of(Runtime& runtime, JobStore& store, int& done) {
  TaskScope scope(runtime);
  for (int worker = 0; worker < 8; ++worker) scope.spawn(work_off(store, done));
  co_await scope.close();
}

TEST_P(JobStoreContract, SeveralWorkersNeverGetTheSameFetch) {
  create(1, 40);
  create(2, 25);
  int done = 0;
  world_->run(all_of(world_->runtime(), store(), done));
  EXPECT_EQ(done, 65);
  for (const std::uint64_t number : {1, 2}) {
    EXPECT_EQ(job(number).status, JobStatus::completed);
    for (const auto& item : items(number)) EXPECT_EQ(item.attempts, 1);
  }
}

}  // namespace
}  // namespace betedge::testing
