#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "betedge/core/job.hpp"
#include "betedge/core/request.hpp"
#include "betedge/core/retry.hpp"
#include "betedge/engine/upstream_watch.hpp"
#include "betedge/net/limiter.hpp"
#include "betedge/ports/async.hpp"
#include "betedge/ports/job_store.hpp"
#include "betedge/ports/log.hpp"
#include "betedge/ports/metrics.hpp"
#include "betedge/ports/object_store.hpp"
#include "betedge/ports/runtime.hpp"
#include "betedge/ports/source.hpp"

namespace betedge::engine {

// A request that is well-formed and still cannot be taken: which field, and one sentence that says
// why and what to do. Answered with 422 at ["body", field].
struct Rejection {
  std::string field;
  std::string message;
};

// The queue is full: the same request may be taken later.
struct QueueFull {
  std::string message;
  std::chrono::milliseconds retry_after{0};
};

// Who brings data: its source, and how many calls at once its account allows. Both outlive the
// service; the limit is the limiter's.
struct Upstream {
  std::string name;  // upstream_of() says which kinds are its
  Source& source;
  net::Limiter& limiter;
};

// How an upstream stands.
struct UpstreamStatus {
  std::string name;
  std::string version;  // as Source::version
  // Calls at once: as set, and as is allowed just now (net::Limiter).
  std::size_t slots = 0, slots_allowed = 0;
  std::size_t slots_in_use = 0, calls_waiting = 0;
  bool circuit_is_open = false;
  std::optional<std::string> waiting_for;
  UpstreamWatch::Counts calls;
};

struct EngineOptions {
  std::size_t memory_budget_bytes = std::size_t{512} << 20;  // of all that is in flight
  std::chrono::milliseconds lease{60'000};
  std::chrono::milliseconds stop_grace{10'000};  // for running fetches, before they are handed back
  RetryPolicy retry;
  std::string owner = "local";           // who holds the leases
  std::size_t items_per_job = 100'000;   // a larger request is refused
  std::size_t queued_items = 1'000'000;  // of all jobs that have not ended; more are QueueFull
  Layout layout;                         // of what is written, and of what is fresh
};

// What a request would do, without doing it.
struct DryRun {
  struct Item {
    ObjectKey key;
    DateRange covers;
    // That it would take at most; none for one that is there, and for one that comes with the call
    // of an item before it (batch_of).
    std::size_t calls = 0;
    bool is_there = false;  // and fresh: it would be skipped
  };
  std::vector<Item> items;
  std::vector<Date> not_yet_available;
  std::uint64_t calls = 0;
  // Of what is not there, from objects of its like that were published before; nullopt without any.
  std::optional<double> bytes, seconds;
  std::uint64_t like_objects = 0;  // how many that estimate is from
};

// The front door behind the endpoints (SEED.md): takes requests, runs them in the background, tells
// how they stand. Everything on the loop's thread. Its ports outlive it.
//
// start() takes up what an earlier process left; close() stops claiming, lets running fetches
// finish or hands them back, and returns when nothing of it is left. After close() requests are
// refused with store_unavailable.
class DataProcessingService {
 public:
  struct Ports {
    Runtime& runtime;
    JobStore& jobs;
    ObjectStore& lake;
    std::vector<Upstream> upstreams;  // one for each kind that is to be served
    Log& log;
    Metrics& metrics = no_metrics();
  };
  DataProcessingService(Ports ports, EngineOptions options);
  ~DataProcessingService();

  Task<Result<void>> start();

  // Plans the request and stores the job, durably; does not wait for any upstream call. The id is
  // the caller's, and is that of a job of before when this one joins it or is the same again
  // (CreatedJob). `warnings` go into the job ("unknown member 'colour' ignored").
  using SubmitFailure = std::variant<Rejection, QueueFull, Error>;
  Task<std::expected<CreatedJob, SubmitFailure>> process_request(
      Submission submission, JobId request_id, std::vector<std::string> warnings,
      std::optional<IdempotencyKey> idempotency);

  // Looks into the lake, and nothing else: no upstream is asked and nothing stored.
  Task<std::expected<DryRun, SubmitFailure>> dry_run(Submission submission);

  // nullopt: no such job. Active jobs come from memory.
  Task<Result<std::optional<JobInfo>>> get_job_status(JobId job);
  // One that has not ended, without a wait or a copy; null when there is no such. Until the next
  // change.
  const JobInfo* find_active(const JobId& job) const;
  Task<Result<std::vector<JobInfo>>> list_jobs(JobFilter filter);
  Task<Result<ItemPage>> list_items(JobId job, ItemFilter filter);
  std::vector<const JobInfo*> active_jobs() const;

  // As JobStore's: not_found, conflict. A cancelled job's running fetches are asked to stop.
  Task<Result<JobInfo>> cancel_job(JobId job);
  Task<Result<JobInfo>> retry_job(JobId job);
  Task<Result<void>> delete_job(JobId job);

  // Why nothing of this job moves just now ("upstream unavailable since …: connection refused");
  // nullopt while things move, and for a job that has ended.
  std::optional<std::string> waiting_for(const JobInfo& job) const;

  // Called after each change of a job, with the job as it is now. One listener.
  void on_change(std::function<void(const JobInfo&)> listener);
  // Until the job changes (or may have), circumstances do, the time comes or stop is asked for.
  Task<Woken> wait_for_change(JobId job, std::stop_token stop, std::optional<SteadyTime> until);
  // Wakes all who wait, now and from now on at once: the server is about to stop.
  void release_waiters();

  std::vector<UpstreamStatus> upstreams() const;
  // From now on, at least 1; running calls above it end first. Not kept over a restart. not_found.
  Result<UpstreamStatus> set_concurrency(std::string_view upstream, std::size_t calls);

  std::size_t memory_in_use_bytes() const;

  // Whether jobs can be stored and objects looked up, asked just now: what is wrong, or nothing.
  struct Readiness {
    std::optional<Error> store, lake;
  };
  Task<Readiness> readiness();

  Task<void> close();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace betedge::engine
