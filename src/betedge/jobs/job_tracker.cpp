#include "betedge/jobs/job_tracker.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

namespace betedge::jobs {

namespace {

std::unexpected<Error> refused(const JobId& job, std::string_view why) {
  return fail(ErrorCode::conflict, fmt::format("job {}: {}", job.text(), why));
}

// The gate: may a job that looked like `before` look like `after`?
Result<void> may_follow(const JobInfo& before, const JobInfo& after) {
  const auto& job = before.job_id;
  if (after.retries > before.retries && has_ended(before.status) &&
      after.total_items() == before.total_items())
    return {};  // begun anew; how far it has come since is for the next change to compare
  if (has_ended(before.status))
    return refused(job, fmt::format("has {} already", to_text(before.status)));
  if (after.status != before.status && !may_become(before.status, after.status))
    return refused(
        job, fmt::format("cannot go from {} to {}", to_text(before.status), to_text(after.status)));
  if (after.total_items() != before.total_items())
    return refused(job,
                   fmt::format("has {} items, not {}", before.total_items(), after.total_items()));
  if (after.completed_items() < before.completed_items())
    return refused(job, fmt::format("progress cannot fall from {} to {}", before.completed_items(),
                                    after.completed_items()));
  if (has_ended(after.status) && after.completed_items() != after.total_items())
    return refused(job, fmt::format("cannot end with {} of {} items done", after.completed_items(),
                                    after.total_items()));
  return {};
}

}  // namespace

Result<JobInfo> JobTracker::create_job(JobId job, std::uint32_t total_items, Timestamp now) {
  if (file_ != nullptr) return refused(job, "is made by the store");
  if (jobs_.contains(job)) return refused(job, "exists already");
  JobInfo info;
  info.job_id = job;
  info.items.pending = total_items;
  info.created_at = info.updated_at = now;
  if (total_items == 0) {
    info.status = JobStatus::completed;
    info.finished_at = now;
  }
  keep(info);
  return info;
}

Result<JobInfo> JobTracker::change(const JobId& job, Timestamp now,
                                   const std::function<Result<void>(JobInfo&)>& step) {
  if (file_ != nullptr) return refused(job, "is changed by the store");
  const auto found = jobs_.find(job);
  if (found == jobs_.end()) return fail(ErrorCode::not_found, fmt::format("no job {}", job.text()));
  const auto& before = found->second.info;
  auto next = before;
  BETEDGE_TRY_VOID(step(next));
  BETEDGE_TRY_VOID(may_follow(before, next));
  next.version += 1;
  next.updated_at = std::max(next.updated_at, now);
  if (next.status == JobStatus::running && !next.started_at) next.started_at = next.updated_at;
  if (has_ended(next.status)) next.finished_at = next.updated_at;
  keep(next);
  return next;
}

Result<JobInfo> JobTracker::update_status(JobId job, JobStatus status, Timestamp now) {
  return change(job, now, [status](JobInfo& next) -> Result<void> {
    if (next.status == status)
      return refused(next.job_id, fmt::format("is {} already", to_text(status)));
    next.status = status;
    return {};
  });
}

Result<JobInfo> JobTracker::update_progress(JobId job, std::int64_t completed_items,
                                            Timestamp now) {
  return change(job, now, [completed_items](JobInfo& next) -> Result<void> {
    const std::int64_t total = next.total_items();
    if (completed_items < 0 || completed_items > total)
      return refused(next.job_id,
                     fmt::format("progress {} is not within 0 and {}", completed_items, total));
    if (next.status == JobStatus::pending) return refused(next.job_id, "has not started");
    next.items = {};
    next.items.succeeded = static_cast<std::uint32_t>(completed_items);
    next.items.pending = static_cast<std::uint32_t>(total - completed_items);
    return {};
  });
}

Result<JobInfo> JobTracker::mark_completed(JobId job, Timestamp now) {
  return update_status(job, JobStatus::completed, now);
}

Result<JobInfo> JobTracker::mark_failed(JobId job, std::string error, Timestamp now) {
  return change(job, now, [&error](JobInfo& next) -> Result<void> {
    if (has_ended(next.status)) return {};  // for the gate to refuse
    next.status = JobStatus::failed;
    next.items.failed +=
        std::exchange(next.items.pending, 0) + std::exchange(next.items.running, 0);
    next.error_message = std::move(error);
    return {};
  });
}

Result<void> JobTracker::apply(JobInfo stored) {
  if (const auto found = jobs_.find(stored.job_id); found != jobs_.end()) {
    const auto& known = found->second.info;
    if (stored.version <= known.version) return {};
    BETEDGE_TRY_VOID(may_follow(known, stored));
  }
  keep(std::move(stored));
  return {};
}

void JobTracker::keep(JobInfo info) {
  const auto job = info.job_id;
  const bool ended = has_ended(info.status);
  const auto [entry, is_new] = jobs_.try_emplace(job, Entry{{}, ended_.end()});
  if (is_new || info.completed_items() != entry->second.info.completed_items())
    entry->second.moved_at = info.updated_at;
  if (!is_new) unfinished_items_ -= unfinished_items_of(entry->second.info);
  unfinished_items_ += unfinished_items_of(info);
  entry->second.info = std::move(info);
  auto& place = entry->second.place;
  if (!ended && place != ended_.end()) ended_.erase(std::exchange(place, ended_.end()));
  if (ended && place == ended_.end()) place = ended_.insert(ended_.end(), job);
  if (listener_) listener_(entry->second.info);
  if (file_ == nullptr || ended_.size() <= ended_kept_) return;
  jobs_.erase(ended_.front());
  ended_.pop_front();
}

void JobTracker::forget(const JobId& job) {
  const auto found = jobs_.find(job);
  if (found == jobs_.end()) return;
  if (found->second.place != ended_.end()) ended_.erase(found->second.place);
  unfinished_items_ -= unfinished_items_of(found->second.info);
  jobs_.erase(found);
}

std::vector<const JobInfo*> JobTracker::active() const {
  std::vector<const JobInfo*> found;
  for (const auto& [id, entry] : jobs_)
    if (!has_ended(entry.info.status)) found.push_back(&entry.info);
  return found;
}

const JobInfo* JobTracker::find(const JobId& job) const {
  const auto found = jobs_.find(job);
  return found == jobs_.end() ? nullptr : &found->second.info;
}

JobTracker::Unfinished JobTracker::unfinished() const {
  const auto earlier = [](std::optional<Timestamp>& known, Timestamp time) {
    if (!known || time < *known) known = time;
  };
  Unfinished all;
  for (const auto& [id, entry] : jobs_) {
    if (has_ended(entry.info.status)) continue;
    ++all.jobs;
    all.pending_items += entry.info.items.pending;
    if (entry.info.items.pending > 0) earlier(all.oldest_pending, entry.info.created_at);
    earlier(all.longest_still, entry.moved_at);
  }
  return all;
}

Task<Result<void>> JobTracker::load() {
  if (file_ == nullptr) co_return Result<void>();
  BETEDGE_CO_TRY(auto active, co_await file_->active_jobs());
  for (auto& job : active) BETEDGE_CO_TRY_VOID(apply(std::move(job)));
  co_return Result<void>();
}

Task<Result<std::optional<JobInfo>>> JobTracker::get_job(JobId job) {
  if (const auto found = jobs_.find(job); found != jobs_.end()) {
    auto& entry = found->second;
    if (entry.place != ended_.end()) ended_.splice(ended_.end(), ended_, entry.place);
    co_return entry.info;
  }
  if (file_ == nullptr) co_return std::nullopt;
  BETEDGE_CO_TRY(auto stored, co_await file_->get_job(job));
  if (!stored) co_return std::nullopt;
  // Meanwhile memory may have learnt something newer.
  BETEDGE_CO_TRY_VOID(apply(*stored));
  const auto* known = find(job);
  co_return known == nullptr ? std::move(*stored) : *known;
}

Task<Result<std::vector<JobInfo>>> JobTracker::list_jobs(JobFilter filter) {
  if (file_ != nullptr) co_return co_await file_->list_jobs(std::move(filter));
  std::vector<JobInfo> jobs;
  if (filter.label) co_return jobs;
  for (const auto& [id, entry] : jobs_)
    if (!filter.status || entry.info.status == *filter.status) jobs.push_back(entry.info);
  std::ranges::sort(jobs, [](const JobInfo& a, const JobInfo& b) {
    return std::tie(b.created_at, b.job_id) < std::tie(a.created_at, a.job_id);
  });
  if (filter.limit && jobs.size() > *filter.limit) jobs.resize(*filter.limit);
  co_return jobs;
}

}  // namespace betedge::jobs
