#pragma once

#include <memory>
#include <string>
#include <utility>

#include "betedge/ports/job_store.hpp"

namespace betedge::testing {

// A job store in front of another, for faults and for counting: each call passes `before`, is done,
// and passes `after`. An error of either is the call's answer; after `after` it has been done all
// the same.
class InterposedStore : public JobStore {
 public:
  explicit InterposedStore(JobStore& store) : store_(store) {}

  Task<Result<CreatedJob>> create_job(NewJob job) override {
    return through("create_job", store_.create_job(std::move(job)));
  }
  Task<Result<Claims>> claim(std::string upstream, std::size_t max, std::string owner,
                             std::chrono::milliseconds lease) override {
    return through("claim", store_.claim(std::move(upstream), max, std::move(owner), lease));
  }
  Task<Result<void>> renew(FetchId fetch, std::uint64_t fence,
                           std::chrono::milliseconds lease) override {
    return through("renew", store_.renew(fetch, fence, lease));
  }
  Task<Result<std::vector<JobInfo>>> complete(FetchId fetch, std::uint64_t fence,
                                              FetchOutcome outcome) override {
    return through("complete", store_.complete(fetch, fence, std::move(outcome)));
  }
  Task<Result<std::vector<JobInfo>>> put_back(FetchId fetch, std::uint64_t fence,
                                              std::chrono::milliseconds delay, bool counts_attempt,
                                              std::string error) override {
    return through("put_back",
                   store_.put_back(fetch, fence, delay, counts_attempt, std::move(error)));
  }
  Task<Result<Changes>> fail_jobs(FetchId fetch, std::uint64_t fence, std::string error) override {
    return through("fail_jobs", store_.fail_jobs(fetch, fence, std::move(error)));
  }
  Task<Result<std::vector<JobInfo>>> take_back(Which which, int max_crashes) override {
    return through("take_back", store_.take_back(which, max_crashes));
  }
  Task<Result<Changes>> cancel_job(JobId job) override {
    return through("cancel_job", store_.cancel_job(job));
  }
  Task<Result<JobInfo>> retry_job(JobId job) override {
    return through("retry_job", store_.retry_job(job));
  }
  Task<Result<void>> delete_job(JobId job) override {
    return through("delete_job", store_.delete_job(job));
  }
  Task<Result<std::optional<JobInfo>>> get_job(JobId job) override {
    return through("get_job", store_.get_job(job));
  }
  Task<Result<std::vector<JobInfo>>> list_jobs(JobFilter filter) override {
    return through("list_jobs", store_.list_jobs(std::move(filter)));
  }
  Task<Result<std::vector<JobInfo>>> active_jobs() override {
    return through("active_jobs", store_.active_jobs());
  }
  Task<Result<ItemPage>> list_items(JobId job, ItemFilter filter) override {
    return through("list_items", store_.list_items(job, filter));
  }
  Task<Result<std::optional<ObjectRecord>>> find_object(ObjectKey key) override {
    return through("find_object", store_.find_object(std::move(key)));
  }
  Task<Result<void>> record_object(ObjectRecord object) override {
    return through("record_object", store_.record_object(std::move(object)));
  }
  Task<Result<KnownKeyPage>> list_known(std::string prefix, std::string after,
                                        std::size_t limit) override {
    return through("list_known", store_.list_known(std::move(prefix), std::move(after), limit));
  }
  Task<Result<Experience>> experience(std::string key_prefix) override {
    return through("experience", store_.experience(std::move(key_prefix)));
  }

 protected:
  virtual Result<void> before(std::string_view /*call*/) { return {}; }
  virtual Result<void> after(std::string_view /*call*/) { return {}; }

 private:
  template <class T>
  Task<Result<T>> through(std::string_view name, Task<Result<T>> call) {
    auto owned = std::move(call);
    BETEDGE_CO_TRY_VOID(before(name));
    auto answer = co_await std::move(owned);
    if (answer.has_value()) BETEDGE_CO_TRY_VOID(after(name));
    co_return answer;
  }

  JobStore& store_;
};

}  // namespace betedge::testing
