#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "betedge/core/job.hpp"
#include "betedge/ports/job_store.hpp"
#include "betedge/ports/task.hpp"

namespace betedge::jobs {

// The jobs in memory, with a JobStore as their optional file (SEED.md). Loop thread only.
//
// Every change passes one gate, whoever brings it. Refused with `conflict`, and nothing changed: a
// second job of one id, progress that is negative, falls or exceeds the total, a transition that
// core::may_become does not allow, anything after a job has ended but the retry of its failed
// items.
//
// With a file, jobs change by its transactions only: apply() takes what they return, and SEED.md's
// own changes (create_job … mark_failed) are refused, since memory would then say what the file
// does not. Active jobs are held whole and read without touching the file; of the ended ones the
// last `ended_kept` asked for or ended. Without a file it stands alone, and forgets none.
class JobTracker {
 public:
  explicit JobTracker(JobStore* file = nullptr, std::size_t ended_kept = 1024)
      : file_(file), ended_kept_(ended_kept) {}
  JobTracker(const JobTracker&) = delete;
  JobTracker& operator=(const JobTracker&) = delete;

  // A job of so many items, pending; completed at once when it has none.
  Result<JobInfo> create_job(JobId job, std::uint32_t total_items, Timestamp now);
  Result<JobInfo> update_status(JobId job, JobStatus status, Timestamp now);
  // How many items of a running job are done, in all.
  Result<JobInfo> update_progress(JobId job, std::int64_t completed_items, Timestamp now);
  // All its items must be done.
  Result<JobInfo> mark_completed(JobId job, Timestamp now);
  // Items not done count as failed. The error is what watchers are shown.
  Result<JobInfo> mark_failed(JobId job, std::string error, Timestamp now);

  // Called after each change, with the job as it is now. One listener.
  void on_change(std::function<void(const JobInfo&)> listener) { listener_ = std::move(listener); }

  // A job as one of the file's transactions left it. One that is older than what is known is passed
  // over: answers may overtake each other, a job's version never goes back.
  Result<void> apply(JobInfo stored);

  // Takes in all of the file's jobs that have not ended.
  Task<Result<void>> load();

  // The file has deleted it: memory does not know it any more.
  void forget(const JobId& job);

  // What memory holds; null when that is nothing. Until the next change.
  const JobInfo* find(const JobId& job) const;

  // The jobs that have not ended, taken together.
  struct Unfinished {
    std::size_t jobs = 0;
    std::size_t pending_items = 0;
    std::optional<Timestamp> oldest_pending;  // acceptance of the oldest job with pending items
    // When the job that stands still longest last ended an item (or was accepted, or taken up).
    std::optional<Timestamp> longest_still;
  };
  Unfinished unfinished() const;
  // Of them, the items that have not ended: known without looking at each.
  std::size_t unfinished_items() const { return unfinished_items_; }

  // nullopt: no such job. The file's errors.
  Task<Result<std::optional<JobInfo>>> get_job(JobId job);
  // Newest first. Labels are the file's to know: without one no job has any.
  Task<Result<std::vector<JobInfo>>> list_jobs(JobFilter filter);
  // Every job that memory holds and that has not ended, in the order of their ids.
  std::vector<const JobInfo*> active() const;

 private:
  struct Entry {
    JobInfo info;
    std::list<JobId>::iterator place;  // in ended_, once it has ended
    Timestamp moved_at{};              // when its progress last changed
  };

  // What the job counts for in unfinished_items().
  static std::size_t unfinished_items_of(const JobInfo& job) {
    return has_ended(job.status) ? 0 : job.total_items() - job.completed_items();
  }
  Result<JobInfo> change(const JobId& job, Timestamp now,
                         const std::function<Result<void>(JobInfo&)>& step);
  void keep(JobInfo info);

  JobStore* file_;
  std::size_t ended_kept_;
  std::map<JobId, Entry> jobs_;
  std::list<JobId> ended_;  // the one looked at longest ago first
  std::size_t unfinished_items_ = 0;
  std::function<void(const JobInfo&)> listener_;
};

}  // namespace betedge::jobs
