// What Transactions changes, but for the claim (sqlite_claims.cpp) and what is known of objects
// (sqlite_objects.cpp).
#include "betedge/jobs/sqlite_transactions.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include "betedge/jobs/sqlite_values.hpp"

namespace betedge::jobs::sqlite {

namespace {

// A statement that inserts kRowsAtOnce rows.
std::string rows_text(std::string text, std::string_view row) {
  for (std::size_t i = 0; i < kRowsAtOnce; ++i) {
    if (i > 0) text += ", ";
    text += row;
  }
  return text;
}

std::unexpected<Error> no_longer_held(FetchId fetch, std::uint64_t fence) {
  return fail(ErrorCode::fenced,
              fmt::format("fetch {} is no longer held with fence {}", fetch, fence));
}

}  // namespace

Transactions::Transactions(Connection& connection) : db_(connection) {
  auto query = db_.query("SELECT max(last_served) FROM job WHERE status IN (0, 1)");
  if (query.next()) served_ = query.integer(0);
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

void Transactions::advance(Row& row, Moment now) {
  auto& info = row.info;
  info.version += 1;
  info.updated_at = std::max(info.updated_at, now.wall);
  const bool active = info.status == JobStatus::pending || info.status == JobStatus::running;
  if (active && info.items.pending == 0 && info.items.running == 0) {
    info.status = ended_status(info.items);
    info.error_message = ended_message(
        info.job_id, info.items, info.items.failed == 0 ? std::string() : first_failure(row.id));
  }
  if (has_ended(info.status)) info.finished_at = info.updated_at;
}

void Transactions::write(const Row& row) {
  const auto& info = row.info;
  db_.query(
         "UPDATE job SET ready = ?, last_served = ?, status = ?, pending = ?, running = ?, "
         "succeeded = ?, skipped = ?, no_data = ?, failed = ?, cancelled = ?, rows = ?, bytes = ?, "
         "error_message = ?, updated_at = ?, started_at = ?, finished_at = ?, version = ?, "
         "cancel_requested = ?, retries = ? WHERE id = ?",
         row.ready, row.last_served, number(info.status), info.items.pending, info.items.running,
         info.items.succeeded, info.items.skipped, info.items.no_data, info.items.failed,
         info.items.cancelled, info.rows, info.bytes, info.error_message, info.updated_at,
         info.started_at, info.finished_at, info.version, info.cancel_requested, info.retries,
         row.id)
      .run();
}

void Transactions::save(Row& row, Moment now) {
  advance(row, now);
  write(row);
}

void Transactions::write_jobs() {
  for (const auto& [id, row] : std::exchange(unwritten_, {})) write(row);
}

Transactions::Row& Transactions::row_in(Rows& rows, std::int64_t id) {
  const auto found = rows.find(id);
  return found != rows.end() ? found->second : rows.emplace(id, row_of(id)).first->second;
}

std::vector<JobInfo> Transactions::save_all(Rows rows, Moment now) {
  std::vector<JobInfo> jobs;
  for (auto& [id, row] : rows) {
    save(row, now);
    jobs.push_back(std::move(row.info));
  }
  return jobs;
}

std::string Transactions::first_failure(std::int64_t job) {
  auto query = db_.query(
      "SELECT f.label, coalesce(i.error, f.error) FROM item i JOIN fetch f ON f.id = i.fetch "
      "WHERE i.job = ? AND i.state = 5 ORDER BY i.seq LIMIT 1",
      job);
  if (!query.next()) throw Failure(fmt::format("job {} counts a failure that no item has", job));
  const auto label = query.text(0);
  return label.empty() ? query.text(1) : fmt::format("{}: {}", label, query.text(1));
}

// The answer to a submission that is not to make a job.
std::optional<CreatedJob> Transactions::known_submission(const NewJob& job, Moment now) {
  using How = CreatedJob::How;
  if (job.idempotency) {
    const auto& promised = *job.idempotency;
    db_.query("DELETE FROM idempotency WHERE expires_at <= ?", now.wall).run();
    std::optional<std::pair<std::string, std::int64_t>> known;
    {
      auto query =
          db_.query("SELECT fingerprint, job FROM idempotency WHERE principal = ? AND key = ?",
                    promised.principal, promised.key);
      if (query.next()) known.emplace(query.text(0), query.integer(1));
    }
    if (known) {
      const auto how =
          known->first == promised.fingerprint ? How::replayed : How::key_used_otherwise;
      return CreatedJob{how, row_of(known->second).info};
    }
  }
  if (job.equal_to.empty()) return std::nullopt;
  std::optional<Row> equal;
  {
    auto query = db_.query("SELECT " BETEDGE_JOB_COLUMNS
                           "FROM job INDEXED BY job_equal WHERE equal_to = ? AND equal_to <> '' "
                           "AND status < 2 AND cancel_requested = 0 ORDER BY id LIMIT 1",
                           job.equal_to);
    if (query.next()) equal = read_row(query);
  }
  if (!equal) return std::nullopt;
  remember_key(job, equal->id, now);
  return CreatedJob{How::joined, std::move(equal->info)};
}

void Transactions::remember_key(const NewJob& job, std::int64_t id, Moment now) {
  if (!job.idempotency) return;
  const auto& promised = *job.idempotency;
  db_.query(
         "INSERT INTO idempotency (principal, key, fingerprint, job, expires_at) "
         "VALUES (?, ?, ?, ?, ?)",
         promised.principal, promised.key, promised.fingerprint, id, now.wall + promised.keep_for)
      .run();
}

Transactions::Attached Transactions::attach(const std::string& key, const std::string& label,
                                            const std::string& spec, const std::string& batch) {
  {
    auto query = db_.query(
        "SELECT id, state, run_at IS NULL FROM fetch INDEXED BY fetch_active "
        "WHERE object_key = ? AND state < 2 AND spec = ?",
        key, spec);
    if (query.next()) {
      const bool is_running = query.integer(1) == 1;
      return {query.integer(0), is_running, !is_running && query.integer(2) != 0};
    }
  }
  db_.query("INSERT INTO fetch (object_key, label, spec, batch) VALUES (?, ?, ?, ?)", key, label,
            spec, batch)
      .run();
  return {.fetch = db_.last_row_id()};
}

// Nothing under way writes any of these objects, nor do two of them write one. Their keys must
// grow for this to be seen at a glance.
bool Transactions::are_new(std::span<const NewFetch> fetches) {
  const auto grows = [](const NewFetch& a, const NewFetch& b) {
    return a.key.text() < b.key.text();
  };
  const auto falls = [grows](const NewFetch& a, const NewFetch& b) { return !grows(a, b); };
  if (std::ranges::adjacent_find(fetches, falls) != fetches.end()) return false;
  auto query = db_.query(
      "SELECT 1 FROM fetch INDEXED BY fetch_active "
      "WHERE state < 2 AND object_key BETWEEN ? AND ? LIMIT 1",
      fetches.front().key.text(), fetches.back().key.text());
  return !query.next();
}

void Transactions::insert_new(std::int64_t job, std::uint32_t first_seq,
                              std::span<const NewFetch, kRowsAtOnce> fetches) {
  static const auto kFetches =
      rows_text("INSERT INTO fetch (object_key, label, spec, batch) VALUES ", "(?, ?, ?, ?)");
  static const auto kItems =
      rows_text("INSERT INTO item (job, seq, fetch, state, ready) VALUES ", "(?, ?, ?, 0, 1)");
  {
    auto query = db_.query(kFetches);
    for (const auto& fetch : fetches)
      query.add(Lasting{fetch.key.text()}, Lasting{fetch.label}, Lasting{fetch.spec_json},
                Lasting{fetch.batch});
    query.run();
  }
  // Nobody else writes, so the ids of one statement follow each other.
  auto id = db_.last_row_id() - std::ssize(fetches);
  auto query = db_.query(kItems);
  for (std::uint32_t i = 0; i < fetches.size(); ++i) query.add(job, first_seq + i, ++id);
  query.run();
}

Result<CreatedJob> Transactions::create_job(const NewJob& job, Moment now) {
  write_jobs();
  if (auto known = known_submission(job, now)) return *std::move(known);
  if (!job.may_be_made) return CreatedJob{CreatedJob::How::not_made, {}};
  if (find_row(job.job_id))
    return fail(ErrorCode::conflict, fmt::format("job {} exists already", job.job_id.text()));
  Row row;
  auto& info = row.info;
  info.job_id = job.job_id;
  info.created_at = info.updated_at = job.created_at;
  info.request_json = job.request_json;
  info.warnings = job.warnings;
  info.not_yet_available = job.not_yet_available;
  info.upstream = job.upstream;
  if (job.fetches.empty()) {
    info.status = JobStatus::completed;
    info.finished_at = job.created_at;
  }
  db_.query(
         "INSERT INTO job (job_id, status, created_at, updated_at, finished_at, version, pending, "
         "running, succeeded, skipped, no_data, failed, cancelled, ready, request_json, warnings, "
         "not_yet_available, upstream, priority, labels, equal_to) "
         "VALUES (?, ?, ?, ?, ?, ?, 0, 0, 0, 0, 0, 0, 0, 0, ?, ?, ?, ?, ?, ?, ?)",
         job.job_id.text(), number(info.status), info.created_at, info.updated_at, info.finished_at,
         info.version, job.request_json, json_text(job.warnings), dates_text(job.not_yet_available),
         job.upstream, job.priority, json_text(job.labels), job.equal_to)
      .run();
  row.id = db_.last_row_id();
  std::uint32_t seq = 0;
  for (auto left = std::span(job.fetches); !left.empty();) {
    if (left.size() >= kRowsAtOnce && are_new(left.first(kRowsAtOnce))) {
      insert_new(row.id, seq, left.first<kRowsAtOnce>());
      seq += kRowsAtOnce;
      info.items.pending += kRowsAtOnce;
      row.ready += kRowsAtOnce;
      left = left.subspan(kRowsAtOnce);
      continue;
    }
    const auto& fetch = left.front();
    left = left.subspan(1);
    const auto attached = attach(fetch.key.text(), fetch.label, fetch.spec_json, fetch.batch);
    const bool is_ready = attached.is_ready && !attached.is_running;
    db_.query("INSERT INTO item (job, seq, fetch, state, ready) VALUES (?, ?, ?, ?, ?)", row.id,
              seq++, attached.fetch, attached.is_running ? 1 : 0, is_ready ? 1 : 0)
        .run();
    (attached.is_running ? info.items.running : info.items.pending) += 1;
    row.ready += is_ready ? 1 : 0;
  }
  if (info.items.running > 0) {
    info.status = JobStatus::running;
    info.started_at = info.created_at;
  }
  db_.query(
         "UPDATE job SET pending = ?, running = ?, ready = ?, status = ?, started_at = ? "
         "WHERE id = ?",
         info.items.pending, info.items.running, row.ready, number(info.status), info.started_at,
         row.id)
      .run();
  remember_key(job, row.id, now);
  return CreatedJob{CreatedJob::How::made, std::move(info)};
}

Result<void> Transactions::find_running(FetchId fetch, std::uint64_t fence) {
  auto query =
      db_.query("SELECT 1 FROM fetch WHERE id = ? AND fence = ? AND state = 1", fetch, fence);
  if (!query.next()) return no_longer_held(fetch, fence);
  return {};
}

std::vector<Transactions::ItemPlace> Transactions::live_items(FetchId fetch) {
  std::vector<ItemPlace> places;
  auto query = db_.query(
      "SELECT job, seq FROM item INDEXED BY item_of_fetch WHERE fetch = ? AND state < 2 "
      "ORDER BY job, seq",
      fetch);
  while (query.next()) places.push_back({query.integer(0), query.as<std::uint32_t>(1)});
  return places;
}

Result<void> Transactions::renew(FetchId fetch, std::uint64_t fence,
                                 std::chrono::milliseconds lease, Moment now) {
  BETEDGE_TRY_VOID(find_running(fetch, fence));
  db_.query("UPDATE fetch SET lease_until = ? WHERE id = ?", now.lease + lease, fetch).run();
  return {};
}

void Transactions::end_item(Rows& rows, ItemPlace item, ItemState from, ItemState to,
                            const std::optional<std::string>& error) {
  auto& row = row_in(rows, item.job);
  row.info.items.of(from) -= 1;
  row.info.items.of(to) += 1;
  // save() will write the next version.
  db_.query(
         "UPDATE item SET state = ?, ready = 0, ended_version = ?, error = ? "
         "WHERE job = ? AND seq = ?",
         number(to), row.info.version + 1, error, item.job, item.seq)
      .run();
}

Result<std::vector<JobInfo>> Transactions::complete(FetchId fetch, std::uint64_t fence,
                                                    const FetchOutcome& outcome, Moment now) {
  if (!has_ended(outcome.state))
    return fail(ErrorCode::conflict,
                fmt::format("a fetch cannot end as {}", to_text(outcome.state)));
  // The error of an earlier attempt stays with a fetch that made it at last.
  db_.query(
         "UPDATE fetch SET state = 2, attempts = attempts + 1, lease_until = NULL, "
         "lease_owner = NULL, rows = ?, bytes = ?, sha256 = ?, note = ?, "
         "error = CASE WHEN ? = 5 THEN ? ELSE error END WHERE id = ? AND fence = ? AND state = 1",
         outcome.rows, outcome.bytes, outcome.sha256, outcome.note, number(outcome.state),
         outcome.error, fetch, fence)
      .run();
  if (db_.changes() == 0) return no_longer_held(fetch, fence);
  if (outcome.state == ItemState::failed) {
    record_failure(fetch, outcome.error, now);
  } else if (outcome.object) {
    record(*outcome.object);
  }
  std::set<std::int64_t> changed;
  for (const auto& item : live_items(fetch)) {
    end_item(unwritten_, item, ItemState::running, outcome.state);
    auto& info = unwritten_.at(item.job).info;
    info.rows += outcome.rows;
    info.bytes += outcome.bytes;
    changed.insert(item.job);
  }
  std::vector<JobInfo> jobs;
  for (const auto job : changed) {
    auto& row = unwritten_.at(job);
    advance(row, now);
    jobs.push_back(row.info);
  }
  return jobs;
}

void Transactions::requeue(Rows& rows, FetchId fetch, std::optional<Timestamp> run_at) {
  bool is_wanted = false;
  for (const auto& item : live_items(fetch)) {
    auto& row = row_in(rows, item.job);
    if (row.info.cancel_requested) {
      end_item(rows, item, ItemState::running, ItemState::cancelled);
      continue;
    }
    is_wanted = true;
    row.info.items.running -= 1;
    row.info.items.pending += 1;
    if (!run_at) row.ready += 1;
    db_.query("UPDATE item SET state = 0, ready = ? WHERE job = ? AND seq = ?", run_at ? 0 : 1,
              item.job, item.seq)
        .run();
  }
  db_.query(
         "UPDATE fetch SET state = ?, lease_until = NULL, lease_owner = NULL, run_at = ? "
         "WHERE id = ?",
         is_wanted ? 0 : 2, is_wanted ? run_at : std::nullopt, fetch)
      .run();
}

Result<std::vector<JobInfo>> Transactions::put_back(FetchId fetch, std::uint64_t fence,
                                                    std::chrono::milliseconds delay,
                                                    bool counts_attempt, const std::string& error,
                                                    Moment now) {
  write_jobs();
  BETEDGE_TRY_VOID(find_running(fetch, fence));
  if (counts_attempt)
    db_.query("UPDATE fetch SET attempts = attempts + 1, error = ? WHERE id = ?", error, fetch)
        .run();
  std::optional<Timestamp> run_at;
  if (delay > delay.zero()) run_at = now.lease + delay;
  Rows rows;
  requeue(rows, fetch, run_at);
  return save_all(std::move(rows), now);
}

std::vector<FetchId> Transactions::end_unneeded_fetches(std::int64_t job) {
  db_.query(
         "UPDATE fetch SET state = 2, run_at = NULL WHERE state = 0 AND id IN "
         "(SELECT fetch FROM item WHERE job = ?) AND NOT EXISTS "
         "(SELECT 1 FROM item o INDEXED BY item_of_fetch WHERE o.fetch = fetch.id AND o.state < 2)",
         job)
      .run();
  std::vector<FetchId> running;
  auto query = db_.query(
      "SELECT f.id FROM fetch f INDEXED BY fetch_leased WHERE f.state = 1 AND f.id IN "
      "(SELECT fetch FROM item WHERE job = ?) AND NOT EXISTS "
      "(SELECT 1 FROM item o INDEXED BY item_of_fetch JOIN job j ON j.id = o.job "
      "WHERE o.fetch = f.id AND o.state < 2 AND j.cancel_requested = 0) ORDER BY f.id",
      job);
  while (query.next()) running.push_back(query.integer(0));
  return running;
}

// Those whose items of this job failed with this version of it, and that nobody waits for now.
std::vector<FetchId> Transactions::failed_fetches(std::int64_t job, std::uint64_t version) {
  std::vector<FetchId> fetches;
  auto query = db_.query(
      "SELECT f.id FROM item i INDEXED BY item_failed JOIN fetch f ON f.id = i.fetch "
      "WHERE i.job = ? AND i.state = 5 AND i.ended_version = ? AND f.state = 2",
      job, version);
  while (query.next()) fetches.push_back(query.integer(0));
  return fetches;
}

Result<Changes> Transactions::fail_jobs(FetchId fetch, std::uint64_t fence,
                                        const std::string& error, Moment now) {
  write_jobs();
  BETEDGE_TRY_VOID(find_running(fetch, fence));
  std::set<std::int64_t> jobs;
  for (const auto& item : live_items(fetch)) jobs.insert(item.job);
  Changes changes;
  Rows rows;
  for (const auto job : jobs) {
    auto& row = row_in(rows, job);
    db_.query(
           "UPDATE item SET state = 5, ready = 0, ended_version = ?, error = ? "
           "WHERE job = ? AND state < 2",
           row.info.version + 1, error, job)
        .run();
    auto& items = row.info.items;
    items.failed += std::exchange(items.pending, 0) + std::exchange(items.running, 0);
    row.ready = 0;
    row.info.status = JobStatus::failed;
    row.info.error_message = error;
  }
  db_.query(
         "UPDATE fetch SET state = 2, attempts = attempts + 1, lease_until = NULL, "
         "lease_owner = NULL, error = ? WHERE id = ?",
         error, fetch)
      .run();
  for (const auto job : jobs)
    std::ranges::move(end_unneeded_fetches(job), std::back_inserter(changes.to_stop));
  // Whoever runs them has lost them: nobody is left whose item they could end.
  for (const auto lost : changes.to_stop)
    db_.query(
           "UPDATE fetch SET state = 2, fence = fence + 1, lease_until = NULL, "
           "lease_owner = NULL WHERE id = ?",
           lost)
        .run();
  for (const auto& [id, row] : rows)
    for (const auto ended : failed_fetches(id, row.info.version + 1))
      record_failure(ended, error, now);
  changes.jobs = save_all(std::move(rows), now);
  return changes;
}

Result<std::vector<JobInfo>> Transactions::take_back(JobStore::Which which, int max_crashes,
                                                     Moment now) {
  write_jobs();
  struct Lost {
    FetchId fetch;
    bool given_up;
  };
  std::vector<Lost> lost;
  {
    const auto ended_by = which == JobStore::Which::all ? Timestamp::max() : now.lease;
    auto query = db_.query(
        "SELECT id, crashes FROM fetch INDEXED BY fetch_leased "
        "WHERE state = 1 AND lease_until <= ? ORDER BY id",
        ended_by);
    while (query.next()) lost.push_back({query.integer(0), query.integer(1) + 1 >= max_crashes});
  }
  Rows rows;
  for (const auto& [fetch, given_up] : lost) {
    db_.query("UPDATE fetch SET fence = fence + 1, crashes = crashes + 1 WHERE id = ?", fetch)
        .run();
    if (!given_up) {
      requeue(rows, fetch, std::nullopt);
      continue;
    }
    const auto error =
        fmt::format("given up: whoever ran it crashed or went silent, {} times", max_crashes);
    db_.query(
           "UPDATE fetch SET state = 2, lease_until = NULL, lease_owner = NULL, error = ? "
           "WHERE id = ?",
           error, fetch)
        .run();
    bool has_failed = false;
    for (const auto& item : live_items(fetch)) {
      const auto end =
          row_in(rows, item.job).info.cancel_requested ? ItemState::cancelled : ItemState::failed;
      has_failed = has_failed || end == ItemState::failed;
      end_item(rows, item, ItemState::running, end);
    }
    if (has_failed) record_failure(fetch, error, now);
  }
  return save_all(std::move(rows), now);
}

Result<Changes> Transactions::cancel_job(const JobId& job, Moment now) {
  write_jobs();
  auto row = find_row(job);
  if (!row) return no_such_job(job);
  Changes changes;
  auto& info = row->info;
  if (has_ended(info.status)) {
    changes.jobs.push_back(std::move(info));
    return changes;
  }
  const bool is_new = !info.cancel_requested;
  info.cancel_requested = true;
  if (is_new) db_.query("UPDATE job SET cancel_requested = 1 WHERE id = ?", row->id).run();
  // What waits, and what runs but for others too: nothing of it is this job's to wait for.
  db_.query(
         "UPDATE item SET state = 6, ready = 0, ended_version = ? WHERE job = ? AND (state = 0 OR "
         "(state = 1 AND EXISTS (SELECT 1 FROM item o INDEXED BY item_of_fetch "
         "JOIN job j ON j.id = o.job WHERE o.fetch = item.fetch AND o.state < 2 "
         "AND j.cancel_requested = 0)))",
         info.version + 1, row->id)
      .run();
  const auto ended = static_cast<std::uint32_t>(db_.changes());
  changes.to_stop = end_unneeded_fetches(row->id);
  if (!is_new && ended == 0) {
    changes.jobs.push_back(std::move(info));  // asked before, and still stopping
    return changes;
  }
  std::uint32_t still_running = 0;
  {
    auto query = db_.query("SELECT count(*) FROM item WHERE job = ? AND state = 1", row->id);
    if (query.next()) still_running = query.as<std::uint32_t>(0);
  }
  info.items.cancelled += ended;
  info.items.pending = 0;
  info.items.running = still_running;
  row->ready = 0;
  save(*row, now);
  changes.jobs.push_back(std::move(info));
  return changes;
}

Result<JobInfo> Transactions::retry_job(const JobId& job, Moment now) {
  write_jobs();
  auto row = find_row(job);
  if (!row) return no_such_job(job);
  auto& info = row->info;
  if (!has_ended(info.status) || info.items.failed == 0)
    return fail(ErrorCode::conflict,
                fmt::format("job {} is {} and has {} failed items: only the failed items of a job "
                            "that has ended can be retried",
                            job.text(), to_text(info.state()), info.items.failed));
  struct Failed {
    std::uint32_t seq;
    FetchId fetch;
    std::string key, label, spec, batch;
  };
  std::vector<Failed> failed;
  {
    auto query = db_.query(
        "SELECT i.seq, f.id, f.object_key, f.label, f.spec, f.batch "
        "FROM item i INDEXED BY item_failed JOIN fetch f ON f.id = i.fetch "
        "WHERE i.job = ? AND i.state = 5 ORDER BY i.seq",
        row->id);
    while (query.next())
      failed.push_back({query.as<std::uint32_t>(0), query.integer(1), query.text(2), query.text(3),
                        query.text(4), query.text(5)});
  }
  info.status = JobStatus::pending;
  for (const auto& item : failed) {
    const auto attached = attach(item.key, item.label, item.spec, item.batch);
    db_.query(
           "UPDATE item SET fetch = ?, state = ?, ready = ?, ended_version = 0, error = NULL "
           "WHERE job = ? AND seq = ?",
           attached.fetch, attached.is_running ? 1 : 0, attached.is_ready ? 1 : 0, row->id,
           item.seq)
        .run();
    db_.query("DELETE FROM fetch WHERE id = ? AND NOT EXISTS (SELECT 1 FROM item WHERE fetch = ?)",
              item.fetch, item.fetch)
        .run();
    info.items.failed -= 1;
    (attached.is_running ? info.items.running : info.items.pending) += 1;
    if (attached.is_ready) row->ready += 1;
    if (attached.is_running) info.status = JobStatus::running;
  }
  info.error_message.reset();
  info.finished_at.reset();
  info.cancel_requested = false;
  info.retries += 1;
  save(*row, now);
  return std::move(info);
}

Result<void> Transactions::delete_job(const JobId& job) {
  write_jobs();
  const auto row = find_row(job);
  if (!row) return no_such_job(job);
  if (!has_ended(row->info.status))
    return fail(ErrorCode::conflict,
                fmt::format("job {} is {}: cancel it first, or wait until it has ended", job.text(),
                            to_text(row->info.state())));
  std::vector<FetchId> fetches;
  {
    auto query = db_.query("SELECT fetch FROM item WHERE job = ?", row->id);
    while (query.next()) fetches.push_back(query.integer(0));
  }
  db_.query("DELETE FROM job WHERE id = ?", row->id).run();  // its items and keys go with it
  for (const auto fetch : fetches)
    db_.query("DELETE FROM fetch WHERE id = ? AND NOT EXISTS (SELECT 1 FROM item WHERE fetch = ?)",
              fetch, fetch)
        .run();
  return {};
}

}  // namespace betedge::jobs::sqlite
