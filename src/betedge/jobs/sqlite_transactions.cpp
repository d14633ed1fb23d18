#include "betedge/jobs/sqlite_transactions.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

namespace betedge::jobs::sqlite {

namespace {

using nlohmann::json;

#define BETEDGE_JOB_COLUMNS                                                                 \
  "id, ready, last_served, job_id, status, pending, running, succeeded, skipped, no_data, " \
  "failed, cancelled, rows, bytes, error_message, created_at, updated_at, started_at, "     \
  "finished_at, version, request_json, warnings, not_yet_available "

template <class Enum>
std::int64_t number(Enum value) {
  return static_cast<std::int64_t>(value);
}

std::string warnings_text(const std::vector<std::string>& warnings) {
  return json(warnings).dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string dates_text(const std::vector<Date>& dates) {
  auto numbers = json::array();
  for (const auto date : dates) numbers.push_back(to_yyyymmdd(date));
  return numbers.dump();
}

std::vector<Date> read_dates(const std::string& text) {
  std::vector<Date> dates;
  for (const auto& entry : json::parse(text))
    dates.push_back(from_yyyymmdd(entry.get<std::uint32_t>()).value());
  return dates;
}

ObjectKey read_key(const std::string& text) {
  return ObjectKey::parse(text).value();
}

std::unexpected<Error> no_such_job(const JobId& job) {
  return fail(ErrorCode::not_found, fmt::format("no job {}", job.text()));
}

std::int64_t limit_or_all(std::optional<std::size_t> limit) {
  constexpr auto most = std::numeric_limits<std::int64_t>::max() - 1;
  return limit ? static_cast<std::int64_t>(std::min<std::size_t>(*limit, most)) : -1;
}

}  // namespace

Transactions::Transactions(Connection& connection) : db_(connection) {
  auto query = db_.query("SELECT max(last_served) FROM job WHERE status IN (0, 1)");
  if (query.next()) served_ = query.integer(0);
}

// --- Jobs as rows
// ---------------------------------------------------------------------------------

Transactions::Row Transactions::read_row(Query& query) {
  Row row;
  int column = 0;
  row.id = query.integer(column++);
  row.ready = query.integer(column++);
  row.last_served = query.integer(column++);
  auto& info = row.info;
  info.job_id = JobId::parse(query.text(column++)).value();
  info.status = static_cast<JobStatus>(query.integer(column++));
  for (auto* count :
       {&info.items.pending, &info.items.running, &info.items.succeeded, &info.items.skipped,
        &info.items.no_data, &info.items.failed, &info.items.cancelled})
    *count = query.as<std::uint32_t>(column++);
  info.rows = query.as<std::uint64_t>(column++);
  info.bytes = query.as<std::uint64_t>(column++);
  if (!query.is_null(column)) info.error_message = query.text(column);
  ++column;
  info.created_at = query.time(column++);
  info.updated_at = query.time(column++);
  info.started_at = query.optional_time(column++);
  info.finished_at = query.optional_time(column++);
  info.version = query.as<std::uint64_t>(column++);
  info.request_json = query.text(column++);
  info.warnings = json::parse(query.text(column++)).get<std::vector<std::string>>();
  info.not_yet_available = read_dates(query.text(column++));
  return row;
}

std::vector<JobInfo> Transactions::read_jobs(Query query) {
  std::vector<JobInfo> jobs;
  while (query.next()) jobs.push_back(read_row(query).info);
  return jobs;
}

Transactions::Row Transactions::row_of(std::int64_t id) {
  auto query = db_.query("SELECT " BETEDGE_JOB_COLUMNS "FROM job WHERE id = ?", id);
  if (!query.next()) throw Failure(fmt::format("job {} of the store is gone", id));
  return read_row(query);
}

std::optional<Transactions::Row> Transactions::find_row(const JobId& job) {
  auto query = db_.query("SELECT " BETEDGE_JOB_COLUMNS "FROM job WHERE job_id = ?", job.text());
  if (!query.next()) return std::nullopt;
  return read_row(query);
}

void Transactions::save(Row& row, Moment now) {
  auto& info = row.info;
  info.version += 1;
  info.updated_at = std::max(info.updated_at, now.wall);
  const bool active = info.status == JobStatus::pending || info.status == JobStatus::running;
  if (active && info.items.pending == 0 && info.items.running == 0) {
    info.status = ended_status(info.items);
    info.error_message = ended_message(
        info.job_id, info.items, info.items.failed == 0 ? std::string() : first_failure(row.id));
  }
  if (info.status == JobStatus::completed || info.status == JobStatus::failed)
    info.finished_at = info.updated_at;
  db_.query(
         "UPDATE job SET ready = ?, last_served = ?, status = ?, pending = ?, running = ?, "
         "succeeded = ?, skipped = ?, no_data = ?, failed = ?, cancelled = ?, rows = ?, bytes = ?, "
         "error_message = ?, updated_at = ?, started_at = ?, finished_at = ?, version = ? "
         "WHERE id = ?",
         row.ready, row.last_served, number(info.status), info.items.pending, info.items.running,
         info.items.succeeded, info.items.skipped, info.items.no_data, info.items.failed,
         info.items.cancelled, info.rows, info.bytes, info.error_message, info.updated_at,
         info.started_at, info.finished_at, info.version, row.id)
      .run();
}

std::string Transactions::first_failure(std::int64_t job) {
  auto query = db_.query(
      "SELECT label, error FROM item WHERE job = ? AND state = 5 ORDER BY seq LIMIT 1", job);
  if (!query.next()) throw Failure(fmt::format("job {} counts a failure that no item has", job));
  const auto label = query.text(0);
  return label.empty() ? query.text(1) : fmt::format("{}: {}", label, query.text(1));
}

// --- What changes
// -----------------------------------------------------------------------------------

Result<JobInfo> Transactions::create_job(const NewJob& job) {
  if (find_row(job.job_id))
    return fail(ErrorCode::conflict, fmt::format("job {} exists already", job.job_id.text()));
  JobInfo info;
  info.job_id = job.job_id;
  info.items.pending = static_cast<std::uint32_t>(job.fetches.size());
  info.created_at = info.updated_at = job.created_at;
  info.request_json = job.request_json;
  info.warnings = job.warnings;
  info.not_yet_available = job.not_yet_available;
  if (job.fetches.empty()) {
    info.status = JobStatus::completed;
    info.finished_at = job.created_at;
  }
  db_.query(
         "INSERT INTO job (job_id, status, created_at, updated_at, finished_at, version, pending, "
         "running, succeeded, skipped, no_data, failed, cancelled, ready, request_json, warnings, "
         "not_yet_available) VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 0, 0, 0, ?, ?, ?, ?)",
         job.job_id.text(), number(info.status), info.created_at, info.updated_at, info.finished_at,
         info.version, info.items.pending, info.items.pending, job.request_json,
         warnings_text(job.warnings), dates_text(job.not_yet_available))
      .run();
  const auto id = db_.last_row_id();
  std::uint32_t seq = 0;
  for (const auto& fetch : job.fetches)
    db_.query("INSERT INTO item (job, seq, object_key, label, spec) VALUES (?, ?, ?, ?, ?)", id,
              seq++, fetch.key.text(), fetch.label, fetch.spec_json)
        .run();
  return info;
}

Result<JobStore::Claims> Transactions::claim(std::size_t max, const std::string& owner,
                                             std::chrono::milliseconds lease, Moment now) {
  {
    std::map<std::int64_t, std::int64_t> due;
    auto query = db_.query(
        "UPDATE item SET run_at = NULL WHERE state = 0 AND run_at IS NOT NULL AND run_at <= ? "
        "RETURNING job",
        now.lease);
    while (query.next()) ++due[query.integer(0)];
    for (const auto& [job, count] : due)
      db_.query("UPDATE job SET ready = ready + ? WHERE id = ?", count, job).run();
  }

  JobStore::Claims claims;
  std::map<std::int64_t, JobInfo> changed;
  while (claims.fetches.size() < max) {
    std::optional<Row> row;
    {
      auto query = db_.query("SELECT " BETEDGE_JOB_COLUMNS
                             "FROM job INDEXED BY job_to_serve WHERE ready > 0 "
                             "ORDER BY running, last_served, id LIMIT 1");
      if (query.next()) row = read_row(query);
    }
    if (!row) break;
    auto query = db_.query(
        "UPDATE item SET state = 1, fence = fence + 1, lease_until = ?, lease_owner = ? "
        "WHERE fetch = (SELECT fetch FROM item INDEXED BY item_ready WHERE job = ? AND state = 0 "
        "AND run_at IS NULL ORDER BY seq LIMIT 1) "
        "RETURNING fetch, fence, seq, object_key, label, spec, attempts",
        now.lease + lease, owner, row->id);
    if (!query.next())
      throw Failure(fmt::format("job {} counts a ready fetch that no item has", row->id));
    claims.fetches.push_back({.fetch = query.integer(0),
                              .fence = query.as<std::uint64_t>(1),
                              .job_id = row->info.job_id,
                              .seq = query.as<std::uint32_t>(2),
                              .key = read_key(query.text(3)),
                              .label = query.text(4),
                              .spec_json = query.text(5),
                              .attempts_made = query.as<int>(6)});
    row->ready -= 1;
    row->last_served = ++served_;
    row->info.items.pending -= 1;
    row->info.items.running += 1;
    if (row->info.status == JobStatus::pending) {
      row->info.status = JobStatus::running;
      row->info.started_at = std::max(row->info.updated_at, now.wall);
    }
    save(*row, now);
    changed.insert_or_assign(row->id, std::move(row->info));
  }
  for (auto& [id, info] : changed) claims.changed_jobs.push_back(std::move(info));

  auto next = db_.query(
      "SELECT min(run_at) FROM item INDEXED BY item_waiting WHERE state = 0 AND run_at IS NOT "
      "NULL");
  if (next.next() && !next.is_null(0))
    claims.next_ready_in = std::chrono::ceil<std::chrono::milliseconds>(next.time(0) - now.lease);
  return claims;
}

Result<Transactions::Running> Transactions::find_running(FetchId fetch, std::uint64_t fence) {
  auto query = db_.query("SELECT job, seq FROM item WHERE fetch = ? AND fence = ? AND state = 1",
                         fetch, fence);
  if (!query.next())
    return fail(ErrorCode::fenced,
                fmt::format("fetch {} is no longer held with fence {}", fetch, fence));
  return Running{query.integer(0), query.as<std::uint32_t>(1)};
}

Result<void> Transactions::renew(FetchId fetch, std::uint64_t fence,
                                 std::chrono::milliseconds lease, Moment now) {
  BETEDGE_TRY_VOID(find_running(fetch, fence));
  db_.query("UPDATE item SET lease_until = ? WHERE fetch = ?", now.lease + lease, fetch).run();
  return {};
}

Result<JobInfo> Transactions::complete(FetchId fetch, std::uint64_t fence,
                                       const FetchOutcome& outcome, Moment now) {
  if (!has_ended(outcome.state))
    return fail(ErrorCode::conflict,
                fmt::format("a fetch cannot end as {}", to_text(outcome.state)));
  BETEDGE_TRY(const auto running, find_running(fetch, fence));
  // The error of an earlier attempt stays with an item that made it at last.
  db_.query(
         "UPDATE item SET state = ?, attempts = attempts + 1, lease_until = NULL, "
         "lease_owner = NULL, rows = ?, bytes = ?, sha256 = ?, note = ?, "
         "error = CASE WHEN ? = 5 THEN ? ELSE error END WHERE fetch = ?",
         number(outcome.state), outcome.rows, outcome.bytes, outcome.sha256, outcome.note,
         number(outcome.state), outcome.error, fetch)
      .run();
  if (outcome.object && outcome.state == ItemState::succeeded) record(*outcome.object);
  auto row = row_of(running.job);
  row.info.items.running -= 1;
  row.info.items.of(outcome.state) += 1;
  row.info.rows += outcome.rows;
  row.info.bytes += outcome.bytes;
  save(row, now);
  return std::move(row.info);
}

void Transactions::record(const ObjectRecord& object) {
  db_.query(
         "INSERT OR REPLACE INTO object (object_key, size_bytes, rows, sha256, covers_through, "
         "schema_version, written_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
         object.key.text(), object.size_bytes, object.rows, object.sha256,
         object.covers_through.time_since_epoch().count(), object.schema_version, object.written_at)
      .run();
}

Result<JobInfo> Transactions::put_back(FetchId fetch, std::uint64_t fence,
                                       std::chrono::milliseconds delay, bool counts_attempt,
                                       const std::string& error, Moment now) {
  BETEDGE_TRY(const auto running, find_running(fetch, fence));
  std::optional<Timestamp> run_at;
  if (delay > delay.zero()) run_at = now.lease + delay;
  db_.query(
         "UPDATE item SET state = 0, lease_until = NULL, lease_owner = NULL, run_at = ?, "
         "attempts = attempts + ?, error = CASE WHEN ? THEN ? ELSE error END WHERE fetch = ?",
         run_at, counts_attempt ? 1 : 0, counts_attempt, error, fetch)
      .run();
  auto row = row_of(running.job);
  row.info.items.running -= 1;
  row.info.items.pending += 1;
  if (!run_at) row.ready += 1;
  save(row, now);
  return std::move(row.info);
}

Result<JobInfo> Transactions::fail_job(const JobId& job, const std::string& error, Moment now) {
  auto row = find_row(job);
  if (!row) return no_such_job(job);
  if (!may_become(row->info.status, JobStatus::failed))
    return fail(ErrorCode::conflict,
                fmt::format("job {} has {} already", job.text(), to_text(row->info.status)));
  db_.query(
         "UPDATE item SET state = 5, error = ?, run_at = NULL, lease_until = NULL, "
         "lease_owner = NULL WHERE job = ? AND state IN (0, 1)",
         error, row->id)
      .run();
  auto& items = row->info.items;
  items.failed += std::exchange(items.pending, 0) + std::exchange(items.running, 0);
  row->ready = 0;
  row->info.status = JobStatus::failed;
  row->info.error_message = error;
  save(*row, now);
  return std::move(row->info);
}

Result<std::vector<JobInfo>> Transactions::take_back(JobStore::Which which, int max_crashes,
                                                     Moment now) {
  struct Lost {
    FetchId fetch;
    std::int64_t job;
    bool given_up;
  };
  std::vector<Lost> lost;
  {
    const auto ended_by = which == JobStore::Which::all ? Timestamp::max() : now.lease;
    auto query = db_.query(
        "SELECT fetch, job, crashes FROM item INDEXED BY item_leased "
        "WHERE state = 1 AND lease_until <= ? ORDER BY job, seq",
        ended_by);
    while (query.next())
      lost.push_back({query.integer(0), query.integer(1), query.integer(2) + 1 >= max_crashes});
  }
  std::vector<JobInfo> changed;
  for (auto first = lost.begin(); first != lost.end();) {
    const auto job = first->job;
    const auto last =
        std::find_if(first, lost.end(), [job](const Lost& l) { return l.job != job; });
    auto row = row_of(job);
    for (; first != last; ++first) {
      row.info.items.running -= 1;
      if (first->given_up) {
        row.info.items.failed += 1;
        db_.query(
               "UPDATE item SET state = 5, fence = fence + 1, crashes = crashes + 1, "
               "lease_until = NULL, lease_owner = NULL, error = ? WHERE fetch = ?",
               fmt::format("given up: whoever ran it crashed or went silent, {} times",
                           max_crashes),
               first->fetch)
            .run();
      } else {
        row.info.items.pending += 1;
        row.ready += 1;
        db_.query(
               "UPDATE item SET state = 0, fence = fence + 1, crashes = crashes + 1, "
               "lease_until = NULL, lease_owner = NULL WHERE fetch = ?",
               first->fetch)
            .run();
      }
    }
    save(row, now);
    changed.push_back(std::move(row.info));
  }
  return changed;
}

// --- What only looks
// --------------------------------------------------------------------------------

Result<std::optional<JobInfo>> Transactions::get_job(const JobId& job) {
  auto row = find_row(job);
  if (!row) return std::nullopt;
  return std::move(row->info);
}

Result<std::vector<JobInfo>> Transactions::list_jobs(std::optional<JobStatus> status,
                                                     std::optional<std::size_t> limit) {
  if (status)
    return read_jobs(db_.query("SELECT " BETEDGE_JOB_COLUMNS
                               "FROM job WHERE status = ? ORDER BY created_at DESC, id DESC "
                               "LIMIT ?",
                               number(*status), limit_or_all(limit)));
  return read_jobs(db_.query("SELECT " BETEDGE_JOB_COLUMNS
                             "FROM job ORDER BY created_at DESC, id DESC LIMIT ?",
                             limit_or_all(limit)));
}

Result<std::vector<JobInfo>> Transactions::active_jobs() {
  return read_jobs(db_.query("SELECT " BETEDGE_JOB_COLUMNS
                             "FROM job WHERE status IN (0, 1) ORDER BY created_at, id"));
}

Result<ItemPage> Transactions::list_items(const JobId& job, std::optional<ItemState> state,
                                          std::uint32_t from_seq, std::size_t limit) {
  const auto row = find_row(job);
  if (!row) return no_such_job(job);
  auto query = db_.query(
      "SELECT seq, object_key, state, attempts, rows, bytes, sha256, error, note FROM item "
      "WHERE job = ? AND seq >= ? AND (? OR state = ?) ORDER BY seq",
      row->id, from_seq, !state.has_value(), state ? number(*state) : 0);
  ItemPage page;
  while (query.next()) {
    if (page.items.size() == limit) {
      page.next = query.as<std::uint32_t>(0);
      break;
    }
    page.items.push_back({.key = read_key(query.text(1)),
                          .state = static_cast<ItemState>(query.integer(2)),
                          .attempts = query.as<int>(3),
                          .rows = query.as<std::uint64_t>(4),
                          .bytes = query.as<std::uint64_t>(5),
                          .sha256 = query.text(6),
                          .error = query.text(7),
                          .note = query.text(8)});
  }
  return page;
}

Result<std::optional<ObjectRecord>> Transactions::find_object(const ObjectKey& key) {
  auto query = db_.query(
      "SELECT size_bytes, rows, sha256, covers_through, schema_version, written_at FROM object "
      "WHERE object_key = ?",
      key.text());
  if (!query.next()) return std::nullopt;
  return ObjectRecord{.key = key,
                      .size_bytes = query.as<std::uint64_t>(0),
                      .rows = query.as<std::uint64_t>(1),
                      .sha256 = query.text(2),
                      .covers_through = Date(std::chrono::days(query.integer(3))),
                      .schema_version = query.as<int>(4),
                      .written_at = query.time(5)};
}

}  // namespace betedge::jobs::sqlite
