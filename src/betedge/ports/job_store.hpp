#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "betedge/core/job.hpp"
#include "betedge/core/plan.hpp"
#include "betedge/ports/task.hpp"

namespace betedge::ports {

using FetchId = std::int64_t;

// A fetch to be done for a new job. In this layout each fetch fills one item.
struct NewFetch {
  ObjectKey key;
  std::string label;      // what a person calls it: "20240105"; begins its error messages
  std::string spec_json;  // what the engine needs to run it, as wire wrote it
};

struct NewJob {
  JobId job_id;
  Timestamp created_at{};
  std::string request_json;
  std::vector<std::string> warnings;
  std::vector<Date> not_yet_available;
  std::vector<NewFetch> fetches;  // in date order
};

// A fetch that is ours until its lease ends. The fence grows with every claim; whoever comes with
// an older one is refused.
struct ClaimedFetch {
  FetchId fetch = 0;
  std::uint64_t fence = 0;
  JobId job_id;
  std::uint32_t seq = 0;  // the item's place in its job, from 0
  ObjectKey key;
  std::string label;
  std::string spec_json;
  int attempts_made = 0;  // before this claim
};

// What an object in the lake was when we published it.
struct ObjectRecord {
  ObjectKey key;
  std::uint64_t size_bytes = 0;
  std::uint64_t rows = 0;
  std::string sha256;  // lower-case hex
  Date covers_through{};
  int schema_version = 0;
  Timestamp written_at{};
};

// How a fetch ended, and with it its item.
struct FetchOutcome {
  ItemState state = ItemState::failed;  // an ended one
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;
  std::string sha256;
  std::string error;                   // for failed; without the label
  std::optional<ObjectRecord> object;  // for succeeded
  // What a reader of a succeeded item should know: "no data on 2 of 21 sessions: 20240117
  // 20240118".
  std::string note{};
};

struct ItemRecord {
  ObjectKey key;
  ItemState state = ItemState::pending;
  int attempts = 0;
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;
  std::string sha256;
  std::string error;   // of the last failed attempt; empty when there was none
  std::string note{};  // FetchOutcome's
};

struct ItemPage {
  std::vector<ItemRecord> items;
  std::optional<std::uint32_t> next;  // the seq to go on from; nullopt at the end
};

// Where jobs live: SQLite, or a server's database when several workers share them. One interface,
// transactions inside it: each call is one transaction, durable when it answers, and whoever is
// refused has changed nothing. A job's counters change in the transaction that ends its items, so
// they cannot disagree. Errors: store_unavailable, not_found, conflict, fenced.
//
// Leases are measured by the store's own clock; fences decide. Safe for several coroutines.
class JobStore {
 public:
  virtual ~JobStore() = default;

  // conflict when the id is there. A job without fetches is completed at once.
  virtual Task<Result<JobInfo>> create_job(NewJob job) = 0;

  // Up to `max` ready fetches, leased: of the job with the fewest running ones first (then the one
  // served longest ago), in date order within a job. Jobs become `running` with their first claim.
  struct Claims {
    std::vector<ClaimedFetch> fetches;
    std::vector<JobInfo> changed_jobs;
    // When the next fetch that waits for its time becomes ready; nullopt when none waits.
    std::optional<std::chrono::milliseconds> next_ready_in;
  };
  virtual Task<Result<Claims>> claim(std::size_t max, std::string owner,
                                     std::chrono::milliseconds lease) = 0;

  // Extends the lease; `fenced` when it is lost: stop, and do not publish.
  virtual Task<Result<void>> renew(FetchId fetch, std::uint64_t fence,
                                   std::chrono::milliseconds lease) = 0;

  // Ends the fetch's item, once. `fenced` when the fence is old or the fetch is not running.
  virtual Task<Result<JobInfo>> complete(FetchId fetch, std::uint64_t fence,
                                         FetchOutcome outcome) = 0;

  // Gives the fetch back, to be claimed again after the delay. With `counts_attempt` the claim
  // counts as an attempt, and `error` is kept with the item.
  virtual Task<Result<JobInfo>> put_back(FetchId fetch, std::uint64_t fence,
                                         std::chrono::milliseconds delay, bool counts_attempt,
                                         std::string error) = 0;

  // Ends the job as failed, with this error_message; items not ended are failed with it too.
  virtual Task<Result<JobInfo>> fail_job(JobId job, std::string error) = 0;

  // Takes back fetches whose lease has ended, or (at start, when no other process can hold any)
  // all. Their fences grow, attempts stay as they were; a fetch that was taken back `max_crashes`
  // times fails its item. Returns the jobs that changed.
  enum class Which : std::uint8_t { expired, all };
  virtual Task<Result<std::vector<JobInfo>>> take_back(Which which, int max_crashes) = 0;

  virtual Task<Result<std::optional<JobInfo>>> get_job(JobId job) = 0;
  // Newest first; all statuses when none is given; all jobs when there is no limit.
  virtual Task<Result<std::vector<JobInfo>>> list_jobs(std::optional<JobStatus> status,
                                                       std::optional<std::size_t> limit) = 0;
  // All jobs that have not ended, oldest first.
  virtual Task<Result<std::vector<JobInfo>>> active_jobs() = 0;
  // Items in their order, from `from_seq`; nullopt state: all of them. not_found: no such job.
  virtual Task<Result<ItemPage>> list_items(JobId job, std::optional<ItemState> state,
                                            std::uint32_t from_seq, std::size_t limit) = 0;

  // What we last published under this key; nullopt when we never did.
  virtual Task<Result<std::optional<ObjectRecord>>> find_object(ObjectKey key) = 0;
};

}  // namespace betedge::ports
