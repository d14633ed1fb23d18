#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "betedge/core/retry.hpp"
#include "betedge/jobs/job_tracker.hpp"
#include "betedge/ports/async.hpp"
#include "betedge/ports/job_store.hpp"
#include "betedge/ports/log.hpp"
#include "betedge/ports/metrics.hpp"

namespace betedge::jobs {

using FetchResult = Result<FetchOutcome>;
// Brings the fetches of a batch, 1 to JobStore::kLargestBatch that were claimed together; answers
// with how each of them ended, in their order. Ends soon after stop is asked for, which is done
// when none of them is needed any more, or there is no time left: one that is lost alone is told so
// by the store (`fenced`) before it is published. An exception, or another number of results, fails
// the items of all of them with "internal: …", and nothing else.
using RunFetches =
    std::function<Task<std::vector<FetchResult>>(std::vector<ClaimedFetch>, std::stop_token)>;

struct SchedulerOptions {
  // Batches at once, at least 1, of each upstream that is served at all.
  std::map<std::string, std::size_t> concurrency{{"thetadata", 4}};
  std::chrono::milliseconds lease{60'000};
  RetryPolicy retry;
  std::string owner = "local";  // who holds the leases
  // An item whose fetch has been lost so often, by crashes or silence, fails: it may be the reason.
  // Generous, because an unlucky item is running whenever a restless machine goes down.
  int max_crashes = 20;
};

// Claims batches of fetches while their upstream has free slots, runs each batch in a task of its
// own, and writes down how each of its fetches ended: item ended, again later (core/retry.hpp), or
// job failed. A batch takes one slot until the last of its fetches is written down; of those that
// are to be tried again, what failed alike becomes ready at the same moment, so that what may be
// batched again is. Keeps the tracker informed and the log: job_started, item_done, item_skipped,
// item_no_data, item_failed, item_retry, item_waits, item_handed_back, item_cancelled,
// item_not_recorded, lease_lost, job_completed, job_failed, job_cancelled, job_retried,
// store_unavailable, store_back.
//
// A store that is out is tried again at growing distances, up to 5 s, and results wait for it. Loop
// thread only. Everything given to it outlives it; stop() before dropping it.
class Scheduler {
 public:
  struct Ports {
    Runtime& runtime;
    JobStore& jobs;
    JobTracker& tracker;
    Log& log;
    Metrics& metrics = no_metrics();
  };
  Scheduler(Ports ports, SchedulerOptions options, RunFetches run_fetches);

  // Takes back what an earlier process held, loads what has not ended into the tracker, and begins
  // to claim. The store's error when it is out: nothing has begun then, and start may be called
  // again.
  Task<Result<void>> start();

  // Makes the job and begins to work on it; the tracker knows it when this answers.
  Task<Result<CreatedJob>> submit(NewJob job);
  // The job asked to stop: its running fetches are, unless another job needs them or something else
  // of their batch. Answers at once with the job as it is then.
  Task<Result<JobInfo>> cancel(JobId job);
  // Its failed items begin anew. conflict, not_found as the store.
  Task<Result<JobInfo>> retry(JobId job);

  // Claims nothing more of this upstream until resume(); what runs goes on. A fetch that comes back
  // meanwhile because its upstream is gone, throttles us or fails is put back at once, without an
  // attempt, and waits for resume().
  void pause(std::string_view upstream, std::string reason);
  void resume(std::string_view upstream);
  // nullopt while the upstream is served.
  std::optional<std::string> paused_for(std::string_view upstream) const;

  // Why the store cannot be used just now; nullopt while it can.
  const std::optional<std::string>& store_trouble() const { return store_trouble_; }

  // Called with every change of store_trouble(). One listener.
  void on_store_trouble(std::function<void()> listener) {
    store_trouble_changed_ = std::move(listener);
  }

  // At least 1. Fewer than are running: those end first.
  void set_concurrency(std::string_view upstream, std::size_t batches);
  // Batches, of all upstreams.
  std::size_t running() const { return running_.size(); }

  // No new claims from this moment. Running batches have `grace` to end; then they are asked to
  // stop and handed back, without an attempt, for the next start. Returns when none is left. Call
  // it once.
  Task<void> stop(std::chrono::milliseconds grace);

 private:
  // A fetch between its claim and the store's answer to its end.
  struct Held {
    ClaimedFetch claim;
    bool is_lost = false;       // no longer ours: nothing to write down
    bool is_cancelled = false;  // nobody needs it any more
    bool is_settled = false;    // the store has answered: nothing left to renew
  };
  struct Batch {
    std::string upstream;
    std::vector<Held> fetches;  // at least one; stays as it is
    SteadyTime since{};         // the claim
    std::stop_source stop{};
  };
  // How a fetch ended, and so what is to be written down: one call of the store.
  struct Verdict {
    enum class Kind : std::uint8_t { complete, put_back, fail_jobs };
    Kind kind = Kind::complete;
    std::string_view event;
    FetchOutcome outcome{};             // to complete
    std::chrono::milliseconds delay{};  // to put back
    bool counts_attempt = false;
    std::string error{};                  // to put back, to fail the job
    std::string_view reason = kNoReason;  // of the end or of the retry, for the metrics
  };
  struct Lane {
    std::size_t concurrency = 1;
    std::size_t running = 0;
    std::optional<std::string> paused_for;
  };

  Task<void> claim_and_start();
  Task<void> keep_leases();
  void start(Batch batch);
  Task<void> run(std::list<Batch>::iterator batch);
  Task<void> write_down(std::list<Batch>::iterator batch, std::vector<Verdict> verdicts);
  Task<void> write_down(Held& held, Verdict verdict);  // held outlives it
  Task<Result<Changes>> settle(ClaimedFetch claim, Verdict verdict);
  // When the next fetch that waits for its time is ready; the store's error when it was out.
  Task<Result<std::optional<std::chrono::milliseconds>>> fill(std::string upstream,
                                                              std::stop_token stop);

  // `luck`: drawn once for a batch.
  Verdict judge(const Held& held, const FetchResult& result, double luck);
  static Verdict failed_by(const Error& error);
  Verdict judge_failure(const Held& held, const Error& error, double luck);
  Held* find_held(FetchId fetch);
  void stop_unneeded_batches();
  // `reason`: why items ended, if they did.
  void take_in(const JobInfo& job, std::string_view reason = kNoReason);
  void count_items(const ItemCounts& before, std::uint64_t rows_before, const JobInfo& after,
                   std::string_view reason);
  std::string_view dataset_of_job(const JobInfo& job);
  void observe_queue_time(const ClaimedFetch& claim);
  void lose(Held& held, std::string_view why);
  void log_verdict(const ClaimedFetch& claim, const Verdict& verdict);
  void store_failed(const Error& error);
  void store_answered();
  // Before the next try, after so many failures in a row; at least 1.
  std::chrono::milliseconds backoff(int failures);

  Ports ports_;
  SchedulerOptions options_;
  RunFetches run_fetches_;
  std::list<Batch> running_;
  struct Waiting {
    JobId job;
    int in_a_row = 0;
  };
  std::map<FetchId, Waiting> waits_;            // of fetches that wait without an attempt
  std::map<JobId, std::string_view> datasets_;  // of jobs that items have ended of
  Gauge& inflight_;
  Counter& lease_lost_;
  Counter& rescued_;
  Histogram& queue_seconds_;
  std::map<std::string, Lane, std::less<>> lanes_;
  std::optional<std::string> store_trouble_;
  std::function<void()> store_trouble_changed_;
  std::stop_source no_more_claims_;
  bool handing_back_ = false;
  Notify wake_;
  Notify ended_;
  TaskScope tasks_;
};

}  // namespace betedge::jobs
