// What Transactions only looks at: jobs and their items.
#include "betedge/jobs/sqlite_transactions.hpp"
#include "betedge/jobs/sqlite_values.hpp"

namespace betedge::jobs::sqlite {

using nlohmann::json;

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
  // Of nearly every job both lists are empty.
  if (const auto text = query.text(column++); text != "[]")
    info.warnings = json::parse(text).get<std::vector<std::string>>();
  if (const auto text = query.text(column++); text != "[]")
    info.not_yet_available = read_dates(text);
  info.upstream = query.text(column++);
  info.cancel_requested = query.integer(column++) != 0;
  info.retries = query.as<std::uint32_t>(column++);
  return row;
}

std::vector<JobInfo> Transactions::read_jobs(Query query) {
  std::vector<JobInfo> jobs;
  while (query.next()) jobs.push_back(read_row(query).info);
  return jobs;
}

Result<std::optional<JobInfo>> Transactions::get_job(const JobId& job) {
  write_jobs();
  auto row = find_row(job);
  if (!row) return std::nullopt;
  return std::move(row->info);
}

Result<std::vector<JobInfo>> Transactions::list_jobs(const JobFilter& filter) {
  write_jobs();
  const auto limit = limit_or_all(filter.limit);
  if (filter.label)
    return read_jobs(db_.query("SELECT " BETEDGE_JOB_COLUMNS
                               "FROM job WHERE (? OR status = ?) AND EXISTS (SELECT 1 FROM "
                               "json_each(job.labels) l WHERE l.key = ? AND l.value = ?) "
                               "ORDER BY created_at DESC, id DESC LIMIT ?",
                               !filter.status, filter.status ? number(*filter.status) : 0,
                               filter.label->first, filter.label->second, limit));
  if (filter.status)
    return read_jobs(db_.query("SELECT " BETEDGE_JOB_COLUMNS
                               "FROM job WHERE status = ? ORDER BY created_at DESC, id DESC "
                               "LIMIT ?",
                               number(*filter.status), limit));
  return read_jobs(db_.query(
      "SELECT " BETEDGE_JOB_COLUMNS "FROM job ORDER BY created_at DESC, id DESC LIMIT ?", limit));
}

Result<std::vector<JobInfo>> Transactions::active_jobs() {
  write_jobs();
  return read_jobs(db_.query("SELECT " BETEDGE_JOB_COLUMNS
                             "FROM job WHERE status IN (0, 1) ORDER BY created_at, id"));
}

Result<ItemPage> Transactions::list_items(const JobId& job, const ItemFilter& filter) {
  write_jobs();
  const auto row = find_row(job);
  if (!row) return no_such_job(job);
  // What the fetch came to is not the item's when the item was cancelled, or its job failed as a
  // whole, before.
  auto query = db_.query(
      "SELECT i.seq, f.object_key, f.label, i.state, f.attempts, i.state IN (2, 3), f.rows, "
      "f.bytes, f.sha256, coalesce(i.error, f.error), f.note, i.ended_version "
      "FROM item i JOIN fetch f ON f.id = i.fetch WHERE i.job = ? AND i.seq >= ? "
      "AND (? OR i.state = ?) AND i.ended_version >= ? ORDER BY i.seq LIMIT ?",
      row->id, filter.from_seq, !filter.state.has_value(), filter.state ? number(*filter.state) : 0,
      filter.ended_after_version == 0 ? 0 : filter.ended_after_version + 1,
      limit_or_all(filter.limit) + 1);
  ItemPage page;
  while (query.next()) {
    if (page.items.size() == filter.limit) {
      page.next = query.as<std::uint32_t>(0);
      break;
    }
    const bool has_object = query.integer(5) != 0;
    page.items.push_back({.seq = query.as<std::uint32_t>(0),
                          .key = read_key(query.text(1)),
                          .label = query.text(2),
                          .state = static_cast<ItemState>(query.integer(3)),
                          .attempts = query.as<int>(4),
                          .rows = has_object ? query.as<std::uint64_t>(6) : 0,
                          .bytes = has_object ? query.as<std::uint64_t>(7) : 0,
                          .sha256 = has_object ? query.text(8) : std::string(),
                          .error = query.text(9),
                          .note = query.text(10),
                          .ended_version = query.as<std::uint64_t>(11)});
  }
  return page;
}

}  // namespace betedge::jobs::sqlite
