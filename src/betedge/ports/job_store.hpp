#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "betedge/core/job.hpp"
#include "betedge/core/plan.hpp"
#include "betedge/core/table.hpp"
#include "betedge/ports/task.hpp"

namespace betedge::ports {

using FetchId = std::int64_t;

// A fetch that a new job needs; it fills one item of the job.
struct NewFetch {
  ObjectKey key;
  std::string label;      // what a person calls it: "20240105"; begins its error messages
  std::string spec_json;  // what the engine needs to run it, as wire wrote it
  // Fetches of the same batch may be brought by one call of the vendor, and are claimed together
  // ("stock/ohlc/1m/AAPL/202401"); empty: this one is brought alone.
  std::string batch{};
};

// A client's promise that a request with this key is the same request (Idempotency-Key, API.md
// Part 2).
struct IdempotencyKey {
  std::string principal;  // who may reuse it: the client's name, empty without one
  std::string key;
  std::string fingerprint;  // of the request; another one under the same key is a mistake
  std::chrono::seconds keep_for{std::chrono::hours(24)};
};

struct NewJob {
  JobId job_id;
  Timestamp created_at{};
  std::string request_json;
  std::vector<std::string> warnings;
  std::vector<Date> not_yet_available;
  std::vector<NewFetch> fetches;  // in date order
  std::string upstream = "thetadata";
  int priority = 0;
  std::map<std::string, std::string> labels{};
  // Two jobs of the same text want the same; empty: nobody may join this one.
  std::string equal_to{};
  std::optional<IdempotencyKey> idempotency{};
  // False: answered with the job that is known for it, if there is one, and else not made.
  bool may_be_made = true;
};

// What became of a job that was to be made.
struct CreatedJob {
  enum class How : std::uint8_t {
    made,
    joined,              // an equal one has not ended: `job` is that one
    replayed,            // the same request came before with this key: `job` is that one's
    not_made,            // it may not be, and nothing is known; `job` is none
    key_used_otherwise,  // another request came before with this key, and made `job`; nothing new
  };
  How how = How::made;
  JobInfo job;
};

// A fetch that is ours until its lease ends. The fence grows with every claim; whoever comes with
// an older one is refused.
struct ClaimedFetch {
  FetchId fetch = 0;
  std::uint64_t fence = 0;
  JobId job_id;           // one of those that need it: the one that was served, if it does
  std::uint32_t seq = 0;  // the item's place in that job, from 0
  ObjectKey key;
  std::string label;
  std::string spec_json;
  int attempts_made = 0;   // before this claim
  std::string upstream{};  // as it was claimed for
  // Those of one claim with the same batch that follow each other are to be brought together, up to
  // kLargestBatch; empty: alone, also when it has a batch but may not be brought with it (claim).
  std::string batch{};
};

// What we know of a key's object.
struct ObjectRecord {
  enum class What : std::uint8_t {
    written = 0,  // by us, as this says
    adopted = 1,  // it was there, and we read it: an older lake's, or somebody else's
    no_data = 2,  // the vendor said that there is nothing to put there, and why
  };
  ObjectKey key;
  What what = What::written;
  std::uint64_t size_bytes = 0;  // 0 of no_data, as are rows
  std::uint64_t rows = 0;
  std::string sha256{};  // lower-case hex; empty of no_data
  Date covers_through{};
  int schema_version = 0;             // 0 of an adopted file that does not say
  Timestamp written_at{};             // when we published, adopted or were told
  std::chrono::milliseconds took{0};  // from the claim to the publish
  Layout layout{};
  std::string reason{};  // of no_data: "no_data", "zero_series"
  std::vector<Date>
      missing_sessions{};  // of its period, that it has no rows of; as the vendor had it
  friend bool operator==(const ObjectRecord&, const ObjectRecord&) = default;
};

// The last try to bring a key's object that failed for good, when none has succeeded since.
struct FailureRecord {
  std::string error;
  Timestamp failed_at{};
};

// A key of which something is known; at least one of the two.
struct KnownKey {
  ObjectKey key;
  std::optional<ObjectRecord> object;
  std::optional<FailureRecord> failure;
};
struct KnownKeyPage {
  std::vector<KnownKey> keys;  // in byte order
  std::optional<std::string> next_after;
};

// How a fetch ended, and with it its item.
struct FetchOutcome {
  ItemState state = ItemState::failed;  // an ended one
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;
  std::string sha256;
  std::string error;  // for failed; without the label
  // For succeeded; for no_data when it is to be remembered; for skipped when it was adopted.
  std::optional<ObjectRecord> object;
  // What a reader of a succeeded item should know: "no data on 2 of 21 sessions: 20240117
  // 20240118".
  std::string note{};
};

// What a change did to jobs, and which running fetches nobody needs any more: whoever runs them
// should stop.
struct Changes {
  std::vector<JobInfo> jobs;
  std::vector<FetchId> to_stop;
};

struct ItemRecord {
  std::uint32_t seq = 0;  // its place in its job
  ObjectKey key;
  std::string label;
  ItemState state = ItemState::pending;
  int attempts = 0;
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;
  std::string sha256;
  std::string error;                // of the last failed attempt; empty when there was none
  std::string note{};               // FetchOutcome's
  std::uint64_t ended_version = 0;  // the job's, with which it ended; 0 before
};

struct ItemFilter {
  std::optional<ItemState> state;
  std::uint32_t from_seq = 0;
  std::size_t limit = 100;
  // Only items that ended with a later version of their job.
  std::uint64_t ended_after_version = 0;
};

struct ItemPage {
  std::vector<ItemRecord> items;
  std::optional<std::uint32_t> next;  // the seq to go on from; nullopt at the end
};

struct JobFilter {
  std::optional<JobStatus> status;
  std::optional<std::pair<std::string, std::string>> label;
  std::optional<std::size_t> limit;  // all when there is none
};

// What was published of one kind of object so far: what the next one may be like.
struct Experience {
  std::uint64_t objects = 0;
  double mean_bytes = 0;
  double mean_seconds = 0;  // from the claim to the publish
};

// Where jobs live: SQLite, or a server's database when several workers share them. One interface,
// transactions inside it: each call is one transaction, durable when it answers, and whoever is
// refused has changed nothing. A job's counters change in the transaction that ends its items, so
// they cannot disagree. Errors: store_unavailable, not_found, conflict, fenced.
//
// A fetch belongs to all jobs that need it: one that is the same (key and spec) as a fetch that has
// not ended is not made a second time, and ends the items of every job with it. Two fetches that
// write one object never run at the same time.
//
// Leases are measured by the store's own clock; fences decide. Safe for several coroutines.
class JobStore {
 public:
  virtual ~JobStore() = default;

  // conflict when the id is there. A job without fetches is completed at once; one whose fetch is
  // running already, for another job, begins as running.
  virtual Task<Result<CreatedJob>> create_job(NewJob job) = 0;

  // Up to `max` batches of ready fetches of jobs of this upstream, leased: of the jobs with the
  // highest priority, of these the one with the fewest running items first (then the one served
  // longest ago), in date order within a job. With a fetch come the ready ones of its batch, of
  // whatever job of this upstream, up to kLargestBatch, but never two that write one object. One
  // that was tried before, or was taken back twice, comes alone: what spoils a batch must not go on
  // spoiling it. Jobs become `running` with their first claim.
  static constexpr std::size_t kLargestBatch = 31;
  struct Claims {
    std::vector<ClaimedFetch> fetches;  // those of a batch one after the other, by key
    std::vector<JobInfo> changed_jobs;
    // When the next fetch that waits for its time becomes ready; nullopt when none waits.
    std::optional<std::chrono::milliseconds> next_ready_in;
  };
  virtual Task<Result<Claims>> claim(std::string upstream, std::size_t max, std::string owner,
                                     std::chrono::milliseconds lease) = 0;

  // Extends the lease; `fenced` when it is lost: stop, and do not publish.
  virtual Task<Result<void>> renew(FetchId fetch, std::uint64_t fence,
                                   std::chrono::milliseconds lease) = 0;

  // Ends the fetch and the items that it fills, once; answers with their jobs. `fenced` when the
  // fence is old or the fetch is not running.
  virtual Task<Result<std::vector<JobInfo>>> complete(FetchId fetch, std::uint64_t fence,
                                                      FetchOutcome outcome) = 0;

  // Gives the fetch back, to be claimed again after the delay. With `counts_attempt` the claim
  // counts as an attempt, and `error` is kept with the item. Items of jobs that are being cancelled
  // end as cancelled; with no other left, so does the fetch.
  virtual Task<Result<std::vector<JobInfo>>> put_back(FetchId fetch, std::uint64_t fence,
                                                      std::chrono::milliseconds delay,
                                                      bool counts_attempt, std::string error) = 0;

  // Ends every job that needs this running fetch as failed, with this error_message; their items
  // that have not ended are failed with it too. `fenced` as complete().
  virtual Task<Result<Changes>> fail_jobs(FetchId fetch, std::uint64_t fence,
                                          std::string error) = 0;

  // Takes back fetches whose lease has ended, or (at start, when no other process can hold any)
  // all. Their fences grow, attempts stay as they were; a fetch that was taken back `max_crashes`
  // times fails its items; items of jobs that are being cancelled end. Returns the jobs that
  // changed.
  enum class Which : std::uint8_t { expired, all };
  virtual Task<Result<std::vector<JobInfo>>> take_back(Which which, int max_crashes) = 0;

  // Ends the job's items that nothing runs for, and those whose fetch another job needs, as
  // cancelled; what still runs for it alone is named, and ends with its fetch. A job that has ended
  // is answered as it is. not_found.
  virtual Task<Result<Changes>> cancel_job(JobId job) = 0;

  // Begins the failed items anew, without attempts. conflict unless the job has ended and has any;
  // not_found.
  virtual Task<Result<JobInfo>> retry_job(JobId job) = 0;

  // Forgets the job, its items and the idempotency keys that made it; never an object. conflict
  // unless it has ended; not_found.
  virtual Task<Result<void>> delete_job(JobId job) = 0;

  virtual Task<Result<std::optional<JobInfo>>> get_job(JobId job) = 0;
  // Newest first.
  virtual Task<Result<std::vector<JobInfo>>> list_jobs(JobFilter filter) = 0;
  // All jobs that have not ended, oldest first.
  virtual Task<Result<std::vector<JobInfo>>> active_jobs() = 0;
  // Items in their order. not_found: no such job.
  virtual Task<Result<ItemPage>> list_items(JobId job, ItemFilter filter) = 0;

  // What we know of this key's object; nullopt when nothing.
  virtual Task<Result<std::optional<ObjectRecord>>> find_object(ObjectKey key) = 0;
  // Replaces what we knew; for what becomes known outside of a fetch.
  virtual Task<Result<void>> record_object(ObjectRecord object) = 0;
  // All that is known of keys that begin with `prefix` and are behind `after`, at most `limit`. A
  // failure stays until an object is recorded under its key, also when its job is deleted.
  virtual Task<Result<KnownKeyPage>> list_known(std::string prefix, std::string after,
                                                std::size_t limit) = 0;
  // Of all objects that we wrote whose key begins so.
  virtual Task<Result<Experience>> experience(std::string key_prefix) = 0;
};

}  // namespace betedge::ports
