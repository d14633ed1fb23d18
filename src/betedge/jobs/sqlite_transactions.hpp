#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "betedge/jobs/sqlite_connection.hpp"
#include "betedge/ports/job_store.hpp"

namespace betedge::jobs::sqlite {

// When a transaction happens: `wall` is what watchers are shown; `lease` runs evenly, whatever is
// done to the machine's clock, and is what leases and delays are measured by.
struct Moment {
  Timestamp wall;
  Timestamp lease;
};

// Statements whose cost must not grow with the store: here for the test that looks how SQLite plans
// them.
//
// A fetch whose object is being written has to wait. `state < 2` says nothing beside `state = 1`,
// but lets the partial index be used.
#define BETEDGE_OBJECT_IS_FREE                                                      \
  "NOT EXISTS (SELECT 1 FROM fetch o INDEXED BY fetch_active WHERE o.object_key = " \
  "f.object_key AND o.state < 2 AND o.state = 1) "
//
// Both give what a claim tells of the fetch, so that taking it is a plain UPDATE: one that returns
// rows builds a table of them first.
#define BETEDGE_CHOSEN_COLUMNS "f.id, f.fence, f.object_key, f.label, f.spec, f.attempts"
inline constexpr std::string_view kChooseFetch =
    "SELECT " BETEDGE_CHOSEN_COLUMNS
    ", f.batch, f.attempts = 0 AND f.crashes < 2 "
    "FROM item i INDEXED BY item_ready JOIN fetch f ON f.id = i.fetch "
    "WHERE i.job = ? AND i.ready = 1 AND " BETEDGE_OBJECT_IS_FREE "ORDER BY i.seq LIMIT 1";
inline constexpr std::string_view kChooseBatch =
    "SELECT " BETEDGE_CHOSEN_COLUMNS
    " FROM fetch f INDEXED BY fetch_batch "
    "WHERE f.batch = ? AND f.batch <> '' AND f.state = 0 AND f.run_at IS NULL "
    "AND f.attempts = 0 AND f.crashes < 2 AND EXISTS (SELECT 1 FROM item i INDEXED BY "
    "item_of_fetch "
    "JOIN job j ON j.id = i.job WHERE i.fetch = f.id AND i.ready = 1 AND j.upstream = ?) "
    "AND " BETEDGE_OBJECT_IS_FREE "ORDER BY f.object_key, f.id";

// What is known of keys from one on, in byte order.
#define BETEDGE_OBJECT_COLUMNS                                                               \
  "object_key, what, size_bytes, rows, sha256, covers_through, schema_version, written_at, " \
  "took_ms, column_style, price_type, reason, missing_sessions"
inline constexpr std::string_view kKnownFrom =
    "SELECT " BETEDGE_OBJECT_COLUMNS
    ", error, failed_at FROM object WHERE object_key >= ? ORDER BY object_key";

// Rows of a new job that one statement inserts: to begin and end a statement costs more than a row.
inline constexpr std::uint32_t kRowsAtOnce = 21;

// What JobStore promises, call by call, as statements on one connection. Knows no thread and no
// commit: it is called inside a transaction, and whoever gets an error from it rolls back. Throws
// Failure.
class Transactions {
 public:
  explicit Transactions(Connection& connection);

  Result<CreatedJob> create_job(const NewJob& job, Moment now);
  Result<JobStore::Claims> claim(const std::string& upstream, std::size_t max,
                                 const std::string& owner, std::chrono::milliseconds lease,
                                 Moment now);
  Result<void> renew(FetchId fetch, std::uint64_t fence, std::chrono::milliseconds lease,
                     Moment now);
  Result<std::vector<JobInfo>> complete(FetchId fetch, std::uint64_t fence,
                                        const FetchOutcome& outcome, Moment now);
  Result<std::vector<JobInfo>> put_back(FetchId fetch, std::uint64_t fence,
                                        std::chrono::milliseconds delay, bool counts_attempt,
                                        const std::string& error, Moment now);
  Result<Changes> fail_jobs(FetchId fetch, std::uint64_t fence, const std::string& error,
                            Moment now);
  Result<std::vector<JobInfo>> take_back(JobStore::Which which, int max_crashes, Moment now);
  Result<Changes> cancel_job(const JobId& job, Moment now);
  Result<JobInfo> retry_job(const JobId& job, Moment now);
  Result<void> delete_job(const JobId& job);

  // A hundred items of one job may end in one transaction: complete() changes their jobs in memory,
  // and they are written here: before the commit, and by any other call that looks at jobs.
  void write_jobs();
  // The transaction is undone, or what was done since a savepoint, before which jobs were written.
  void forget_jobs() { unwritten_.clear(); }

  Result<std::optional<JobInfo>> get_job(const JobId& job);
  Result<std::vector<JobInfo>> list_jobs(const JobFilter& filter);
  Result<std::vector<JobInfo>> active_jobs();
  Result<ItemPage> list_items(const JobId& job, const ItemFilter& filter);
  Result<std::optional<ObjectRecord>> find_object(const ObjectKey& key);
  Result<void> record_object(const ObjectRecord& object);
  Result<KnownKeyPage> list_known(const std::string& prefix, const std::string& after,
                                  std::size_t limit);
  Result<Experience> experience(const std::string& key_prefix);

 private:
  // A job as it lies in its table.
  struct Row {
    std::int64_t id = 0;
    std::int64_t ready = 0;  // pending fetches that wait for nothing but their turn
    std::int64_t last_served = 0;
    JobInfo info;
  };
  // The jobs that a transaction changes, each read once and written back once.
  using Rows = std::map<std::int64_t, Row>;
  struct ItemPlace {
    std::int64_t job = 0;
    std::uint32_t seq = 0;
  };

  static Row read_row(Query& query);
  static std::vector<JobInfo> read_jobs(Query query);
  Row row_of(std::int64_t id);
  Row& row_in(Rows& rows, std::int64_t id);
  std::optional<Row> find_row(const JobId& job);
  Result<void> find_running(FetchId fetch, std::uint64_t fence);
  // Items that the fetch is still to end.
  std::vector<ItemPlace> live_items(FetchId fetch);
  // The item and its job's counters; `error` only where it is not the fetch's.
  void end_item(Rows& rows, ItemPlace item, ItemState from, ItemState to,
                const std::optional<std::string>& error = std::nullopt);
  // After its run: pending again for who still wants it, over for the others.
  void requeue(Rows& rows, FetchId fetch, std::optional<Timestamp> run_at);
  // Ends those of the job's fetches that no item waits for any more; the running ones go on until
  // they are stopped, and are the answer.
  std::vector<FetchId> end_unneeded_fetches(std::int64_t job);
  // The fetch that the item waits for: one under way that is the same, or a new one.
  struct Attached {
    FetchId fetch = 0;
    bool is_running = false;
    bool is_ready = true;
  };
  Attached attach(const std::string& key, const std::string& label, const std::string& spec,
                  const std::string& batch);
  bool are_new(std::span<const NewFetch> fetches);
  void insert_new(std::int64_t job, std::uint32_t first_seq,
                  std::span<const NewFetch, kRowsAtOnce> fetches);
  // Makes what waited for a time that has come ready.
  void wake_due(Moment now);
  // The first ready fetch of the job that may run now, and those that come along, in key order;
  // none when each of them waits for an object that another fetch is writing.
  std::vector<ClaimedFetch> choose(std::int64_t job, const std::string& upstream);
  // Makes a chosen fetch, and its items, running.
  void take(Rows& rows, ClaimedFetch& chosen, std::int64_t served_job, const std::string& owner,
            Timestamp lease_until, Moment now);
  // Makes it the next version; ends the job when its last item has ended.
  void advance(Row& row, Moment now);
  void write(const Row& row);
  void save(Row& row, Moment now);  // both
  std::vector<JobInfo> save_all(Rows rows, Moment now);
  std::string first_failure(std::int64_t job);
  void record(const ObjectRecord& object);
  void record_failure(FetchId fetch, const std::string& error, Moment now);
  std::vector<FetchId> failed_fetches(std::int64_t job, std::uint64_t version);
  std::optional<CreatedJob> known_submission(const NewJob& job, Moment now);
  void remember_key(const NewJob& job, std::int64_t id, Moment now);

  Connection& db_;
  Rows unwritten_{};
  std::int64_t served_ = 0;  // grows with each claimed batch; the order of "longest ago"
};

}  // namespace betedge::jobs::sqlite
