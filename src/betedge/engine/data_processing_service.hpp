#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "betedge/core/job.hpp"
#include "betedge/core/request.hpp"
#include "betedge/core/retry.hpp"
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

struct EngineOptions {
  std::size_t concurrency = 4;                               // upstream calls, and fetches, at once
  std::size_t memory_budget_bytes = std::size_t{512} << 20;  // of all that is in flight
  std::chrono::milliseconds lease{60'000};
  std::chrono::milliseconds stop_grace{10'000};  // for running fetches, before they are handed back
  RetryPolicy retry;
  std::string owner = "local";  // who holds the leases
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
    Source& source;
    Log& log;
    Metrics& metrics = no_metrics();
  };
  DataProcessingService(Ports ports, EngineOptions options);
  ~DataProcessingService();

  Task<Result<void>> start();

  // Plans the request and stores the job, durably; does not wait for any upstream call. The id is
  // the caller's. `warnings` go into the job ("unknown member 'colour' ignored").
  using SubmitFailure = std::variant<Rejection, Error>;
  Task<std::expected<JobInfo, SubmitFailure>> process_request(HistoricalRequest request,
                                                              JobId request_id,
                                                              std::vector<std::string> warnings);

  // nullopt: no such job. Active jobs come from memory.
  Task<Result<std::optional<JobInfo>>> get_job_status(JobId job);
  Task<Result<std::vector<JobInfo>>> list_jobs(std::optional<JobStatus> status,
                                               std::optional<std::size_t> limit);
  Task<Result<ItemPage>> list_items(JobId job, std::optional<ItemState> state,
                                    std::uint32_t from_seq, std::size_t limit);

  // Why nothing moves just now ("upstream unavailable since …: connection refused"), for jobs that
  // have not ended; nullopt while things move.
  std::optional<std::string> waiting_for() const;

  Task<void> close();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace betedge::engine
