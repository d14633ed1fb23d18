#pragma once

#include <chrono>
#include <optional>
#include <string>
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

// What JobStore promises, call by call, as statements on one connection. Knows no thread and no
// commit: it is called inside a transaction, and whoever gets an error from it rolls back. Throws
// Failure.
class Transactions {
 public:
  explicit Transactions(Connection& connection);

  Result<JobInfo> create_job(const NewJob& job);
  Result<JobStore::Claims> claim(std::size_t max, const std::string& owner,
                                 std::chrono::milliseconds lease, Moment now);
  Result<void> renew(FetchId fetch, std::uint64_t fence, std::chrono::milliseconds lease,
                     Moment now);
  Result<JobInfo> complete(FetchId fetch, std::uint64_t fence, const FetchOutcome& outcome,
                           Moment now);
  Result<JobInfo> put_back(FetchId fetch, std::uint64_t fence, std::chrono::milliseconds delay,
                           bool counts_attempt, const std::string& error, Moment now);
  Result<JobInfo> fail_job(const JobId& job, const std::string& error, Moment now);
  Result<std::vector<JobInfo>> take_back(JobStore::Which which, int max_crashes, Moment now);

  Result<std::optional<JobInfo>> get_job(const JobId& job);
  Result<std::vector<JobInfo>> list_jobs(std::optional<JobStatus> status,
                                         std::optional<std::size_t> limit);
  Result<std::vector<JobInfo>> active_jobs();
  Result<ItemPage> list_items(const JobId& job, std::optional<ItemState> state,
                              std::uint32_t from_seq, std::size_t limit);
  Result<std::optional<ObjectRecord>> find_object(const ObjectKey& key);

 private:
  // A job as it lies in its table.
  struct Row {
    std::int64_t id = 0;
    std::int64_t ready = 0;  // pending fetches that wait for nothing but their turn
    std::int64_t last_served = 0;
    JobInfo info;
  };
  // A running fetch, found by its fence.
  struct Running {
    std::int64_t job = 0;
    std::uint32_t seq = 0;
  };

  static Row read_row(Query& query);
  static std::vector<JobInfo> read_jobs(Query query);
  Row row_of(std::int64_t id);
  std::optional<Row> find_row(const JobId& job);
  Result<Running> find_running(FetchId fetch, std::uint64_t fence);
  // Writes the row back as its next version; ends the job when its last item has ended.
  void save(Row& row, Moment now);
  std::string first_failure(std::int64_t job);
  void record(const ObjectRecord& object);

  Connection& db_;
  std::int64_t served_ = 0;  // grows with each claimed fetch; the order of "longest ago"
};

}  // namespace betedge::jobs::sqlite
