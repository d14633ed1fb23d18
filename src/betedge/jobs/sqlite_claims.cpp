// How fetches are claimed: which job is served, with which of its fetches, and what comes along.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "betedge/jobs/sqlite_transactions.hpp"
#include "betedge/jobs/sqlite_values.hpp"

namespace betedge::jobs::sqlite {

void Transactions::wake_due(Moment now) {
  std::vector<FetchId> due;
  {
    auto query = db_.query(
        "UPDATE fetch SET run_at = NULL WHERE state = 0 AND run_at IS NOT NULL AND run_at <= ? "
        "RETURNING id",
        now.lease);
    while (query.next()) due.push_back(query.integer(0));
  }
  std::map<std::int64_t, std::int64_t> ready;
  for (const auto fetch : due) {
    auto query =
        db_.query("UPDATE item SET ready = 1 WHERE fetch = ? AND state = 0 RETURNING job", fetch);
    while (query.next()) ++ready[query.integer(0)];
  }
  // No news to whoever watches the job: its items are pending as before.
  for (const auto& [job, count] : ready)
    db_.query("UPDATE job SET ready = ready + ? WHERE id = ?", count, job).run();
}

namespace {

// A row of kChooseFetch or kChooseBatch, as it will be once it is taken.
ClaimedFetch read_chosen(const Query& query) {
  return {.fetch = query.integer(0),
          .fence = query.as<std::uint64_t>(1) + 1,
          .job_id = {},
          .key = read_key(query.text(2)),
          .label = query.text(3),
          .spec_json = query.text(4),
          .attempts_made = query.as<int>(5)};
}

}  // namespace

std::vector<ClaimedFetch> Transactions::choose(std::int64_t job, const std::string& upstream) {
  std::vector<ClaimedFetch> chosen;
  std::string batch;
  {
    auto query = db_.query(kChooseFetch, job);
    if (!query.next()) return chosen;
    chosen.push_back(read_chosen(query));
    if (query.integer(7) != 0) batch = query.text(6);
  }
  if (batch.empty()) return chosen;
  const auto first = chosen.front().key;
  auto query = db_.query(kChooseBatch, batch, upstream);
  while (chosen.size() < JobStore::kLargestBatch && query.next()) {
    auto next = read_chosen(query);
    // Two that write one object: the chosen one, else the older one, goes first.
    if (next.key != first && next.key != chosen.back().key) chosen.push_back(std::move(next));
  }
  std::ranges::sort(chosen, {},
                    [](const ClaimedFetch& one) { return std::tie(one.key, one.fetch); });
  for (auto& one : chosen) one.batch = batch;
  return chosen;
}

void Transactions::take(Rows& rows, ClaimedFetch& chosen, std::int64_t served_job,
                        const std::string& owner, Timestamp lease_until, Moment now) {
  db_.query("UPDATE fetch SET state = 1, fence = ?, lease_until = ?, lease_owner = ? WHERE id = ?",
            chosen.fence, lease_until, owner, chosen.fetch)
      .run();
  std::vector<ItemPlace> places;
  {
    auto query = db_.query(
        "SELECT job, seq FROM item INDEXED BY item_of_fetch WHERE fetch = ? AND state = 0",
        chosen.fetch);
    while (query.next()) places.push_back({query.integer(0), query.as<std::uint32_t>(1)});
  }
  if (places.empty()) throw Failure(fmt::format("nobody waits for fetch {}", chosen.fetch));
  for (const auto& place : places) {
    db_.query("UPDATE item SET state = 1, ready = 0 WHERE job = ? AND seq = ?", place.job,
              place.seq)
        .run();
    auto& row = row_in(rows, place.job);
    row.ready -= 1;
    row.last_served = served_;
    row.info.items.pending -= 1;
    row.info.items.running += 1;
    if (row.info.status == JobStatus::pending) {
      row.info.status = JobStatus::running;
      row.info.started_at = std::max(row.info.updated_at, now.wall);
    }
  }
  // Named after the job that is served, where it needs it, and else the oldest that does.
  const auto named = std::ranges::min(places, {}, [served_job](const ItemPlace& place) {
    return std::tuple(place.job != served_job, place.job, place.seq);
  });
  chosen.job_id = rows.at(named.job).info.job_id;
  chosen.seq = named.seq;
}

Result<JobStore::Claims> Transactions::claim(const std::string& upstream, std::size_t max,
                                             const std::string& owner,
                                             std::chrono::milliseconds lease, Moment now) {
  write_jobs();
  wake_due(now);
  JobStore::Claims claims;
  std::map<std::int64_t, JobInfo> changed;
  // Jobs all of whose ready fetches wait for an object that another fetch is writing.
  std::set<std::int64_t> blocked;
  for (std::size_t batches = 0; batches < max;) {
    std::optional<Row> row, next;
    {
      auto query = db_.query("SELECT " BETEDGE_JOB_COLUMNS
                             "FROM job INDEXED BY job_to_serve WHERE upstream = ? AND ready > 0 "
                             "ORDER BY priority DESC, running, last_served, id",
                             upstream);
      while (!next && query.next()) {
        auto candidate = read_row(query);
        if (!blocked.contains(candidate.id)) (row ? next : row) = std::move(candidate);
      }
    }
    if (!row) break;
    const auto job = row->id;
    Rows served;
    const auto& serving = served.emplace(job, *std::move(row)).first->second;
    const auto claimed_before = claims.fetches.size();
    bool is_first = true;
    while (is_first && batches < max) {
      auto chosen = choose(job, upstream);
      if (chosen.empty()) {
        auto query =
            db_.query("SELECT 1 FROM item INDEXED BY item_ready WHERE job = ? AND ready = 1", job);
        if (!query.next())
          throw Failure(fmt::format("job {} counts a ready fetch that no item has", job));
        blocked.insert(job);
        break;
      }
      batches += 1;
      served_ += 1;
      for (auto& fetch : chosen) {
        take(served, fetch, job, owner, now.lease + lease, now);
        fetch.upstream = upstream;
        claims.fetches.push_back(std::move(fetch));
      }
      // Would it be the next again? The others' places are as they were, unless they were served
      // along with it.
      is_first = served.size() == 1 && serving.ready > 0 &&
                 (!next || serving.info.items.running < next->info.items.running);
    }
    if (claims.fetches.size() == claimed_before) continue;
    for (auto& [id, one] : served) {
      save(one, now);
      changed.insert_or_assign(id, std::move(one.info));
    }
  }
  for (auto& [id, info] : changed) claims.changed_jobs.push_back(std::move(info));

  auto next = db_.query(
      "SELECT min(run_at) FROM fetch INDEXED BY fetch_waiting WHERE state = 0 AND run_at IS NOT "
      "NULL");
  if (next.next() && !next.is_null(0))
    claims.next_ready_in = std::chrono::ceil<std::chrono::milliseconds>(next.time(0) - now.lease);
  return claims;
}

}  // namespace betedge::jobs::sqlite
