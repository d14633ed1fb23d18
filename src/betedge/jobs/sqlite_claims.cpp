// How fetches are claimed: which job is served, with which of its fetches, and what comes along.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
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

Transactions::Choice Transactions::choose(std::int64_t job, const std::string& upstream) {
  struct Candidate {
    std::string key;
    FetchId fetch;
    auto operator<=>(const Candidate&) const = default;
  };
  Choice choice;
  std::vector<Candidate> together;
  bool goes_alone = true;
  {
    auto query = db_.query(kChooseFetch, job);
    if (!query.next()) return choice;
    together.push_back({query.text(1), query.integer(0)});
    choice.batch = query.text(2);
    goes_alone = choice.batch.empty() || query.integer(3) == 0;
  }
  if (goes_alone) {
    choice.batch.clear();
  } else {
    const auto chosen = together.front();
    auto query = db_.query(kChooseBatch, choice.batch, upstream);
    while (together.size() < JobStore::kLargestBatch && query.next()) {
      Candidate next{query.text(1), query.integer(0)};
      // Two that write one object: the chosen one, else the older one, goes first.
      if (next.key != chosen.key && next.key != together.back().key)
        together.push_back(std::move(next));
    }
    std::ranges::sort(together);
  }
  for (const auto& candidate : together) choice.fetches.push_back(candidate.fetch);
  return choice;
}

ClaimedFetch Transactions::take(Rows& rows, FetchId fetch, std::int64_t served_job,
                                const std::string& owner, Timestamp lease_until, Moment now) {
  auto claimed = [&] {
    auto query = db_.query(
        "UPDATE fetch SET state = 1, fence = fence + 1, lease_until = ?, lease_owner = ? "
        "WHERE id = ? RETURNING fence, object_key, label, spec, attempts",
        lease_until, owner, fetch);
    if (!query.next()) throw Failure(fmt::format("fetch {} of the store is gone", fetch));
    return ClaimedFetch{.fetch = fetch,
                        .fence = query.as<std::uint64_t>(0),
                        .job_id = {},
                        .key = read_key(query.text(1)),
                        .label = query.text(2),
                        .spec_json = query.text(3),
                        .attempts_made = query.as<int>(4)};
  }();
  std::vector<ItemPlace> places;
  {
    auto query = db_.query(
        "UPDATE item SET state = 1, ready = 0 WHERE fetch = ? AND state = 0 RETURNING job, seq",
        fetch);
    while (query.next()) places.push_back({query.integer(0), query.as<std::uint32_t>(1)});
  }
  for (const auto& place : places) {
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
  claimed.job_id = rows.at(named.job).info.job_id;
  claimed.seq = named.seq;
  return claimed;
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
      const auto choice = choose(job, upstream);
      if (choice.fetches.empty()) {
        auto query =
            db_.query("SELECT 1 FROM item INDEXED BY item_ready WHERE job = ? AND ready = 1", job);
        if (!query.next())
          throw Failure(fmt::format("job {} counts a ready fetch that no item has", job));
        blocked.insert(job);
        break;
      }
      batches += 1;
      served_ += 1;
      for (const auto fetch : choice.fetches) {
        auto claimed = take(served, fetch, job, owner, now.lease + lease, now);
        claimed.upstream = upstream;
        claimed.batch = choice.batch;
        claims.fetches.push_back(std::move(claimed));
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
