#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "betedge/jobs/scheduler.hpp"
#include "betedge/jobs/sqlite_store.hpp"
#include "contract/job_store/contract.hpp"
#include "support/counted_metrics.hpp"
#include "support/interposed_store.hpp"

// A scheduler on a store in memory, in a virtual world, with a script in the place of the engine.
namespace betedge::jobs {

using namespace std::chrono_literals;
using testing::ended;
using testing::job_id;
using testing::new_job;

class RecordingLog final : public Log {
 public:
  using Fields = std::map<std::string, std::string, std::less<>>;
  void event(Level /*level*/, std::string_view name, std::initializer_list<Field> fields) override {
    auto& entry = events.emplace_back(std::string(name), Fields{});
    for (const auto& field : fields) entry.second.emplace(field.name, field.value);
  }
  std::size_t count(std::string_view name) const { return all(name).size(); }
  std::vector<Fields> all(std::string_view name) const {
    std::vector<Fields> found;
    for (const auto& [event, fields] : events)
      if (event == name) found.push_back(fields);
    return found;
  }

  std::vector<std::pair<std::string, Fields>> events;
};

// A store that can be out. `answers_to_lose`: it does what it is asked, and then says it is out.
class FlakyStore final : public testing::InterposedStore {
 public:
  using InterposedStore::InterposedStore;

  bool out = false;
  int answers_to_lose = 0;
  int calls = 0;

 private:
  Result<void> before(std::string_view) override {
    ++calls;
    if (out) return fail(ErrorCode::store_unavailable, "job store: disk I/O error");
    return {};
  }
  Result<void> after(std::string_view) override {
    if (answers_to_lose == 0) return {};
    --answers_to_lose;
    return fail(ErrorCode::store_unavailable, "job store: the answer was lost");
  }
};

// What a fetch does, told by the test.
struct Doing {
  std::chrono::milliseconds takes{100};
  FetchResult result = ended(ItemState::succeeded);
  bool throws = false;
};

inline Error error_of(ErrorCode code, std::string message,
                      std::chrono::milliseconds retry_after = {}) {
  return {code, std::move(message), retry_after};
}

// The engine's place, taken by a script.
class Fetches {
 public:
  struct Start {
    ObjectKey key;
    SteadyTime at;
    std::uint64_t fence;
  };
  explicit Fetches(Runtime& runtime) : runtime_(runtime) {}

  // All of a batch take as long as the slowest of them; one that throws, throws for all.
  Task<std::vector<FetchResult>> run(std::vector<ClaimedFetch> batch, std::stop_token stop) {
    most_at_once = std::max(most_at_once, ++at_once);
    auto& keys = batches.emplace_back();
    std::vector<Doing> doings;
    for (const auto& claim : batch) {
      keys.push_back(claim.key);
      starts.push_back({claim.key, runtime_.steady_now(), claim.fence});
      doings.push_back(script(claim));
    }
    const auto takes = std::ranges::max(doings, {}, &Doing::takes).takes;
    const bool slept = co_await sleep_for(runtime_, takes, stop);
    --at_once;
    std::vector<FetchResult> results;
    for (auto& doing : doings) {
      if (slept && doing.throws) throw std::runtime_error("the decoder tripped");
      results.push_back(slept ? std::move(doing.result) : stopped_result());
    }
    if (!slept) ++stopped;
    results.resize(results.size() - results_to_drop, stopped_result());
    co_return results;
  }

  // When the fetch of this key was started, time by time, from the first on.
  std::vector<std::chrono::milliseconds> times(const ObjectKey& key) const {
    std::vector<std::chrono::milliseconds> found;
    std::optional<SteadyTime> first;
    for (const auto& start : starts) {
      if (start.key != key) continue;
      if (!first) first = start.at;
      found.push_back(std::chrono::duration_cast<std::chrono::milliseconds>(start.at - *first));
    }
    return found;
  }

  std::function<Doing(const ClaimedFetch&)> script = [](const ClaimedFetch&) { return Doing{}; };
  std::vector<Start> starts;
  std::vector<std::vector<ObjectKey>> batches;  // as they were started
  std::size_t results_to_drop = 0;              // as no engine should
  int at_once = 0, most_at_once = 0, stopped = 0;

 private:
  static FetchResult stopped_result() { return fail(ErrorCode::cancelled, "asked to stop"); }

  Runtime& runtime_;
};

class SchedulerTest : public ::testing::TestWithParam<std::uint64_t> {
 public:  // for the scenarios, which are coroutines beside it
  SchedulerTest() {
    options_.concurrency = {{"thetadata", 4}};
    options_.lease = 60s;
    make_scheduler();
  }

  void make_scheduler() {
    tracker_.emplace(&store_);
    scheduler_.emplace(Scheduler::Ports{runtime_, store_, *tracker_, log_, metrics_}, options_,
                       [this](std::vector<ClaimedFetch> batch, std::stop_token stop) {
                         return fetches_.run(std::move(batch), std::move(stop));
                       });
  }

  // As the front door does.
  Task<void> submit(std::uint64_t number, std::size_t items) {
    (co_await scheduler_->submit(new_job(number, items))).value();
  }
  Task<void> sleep(std::chrono::milliseconds time) { co_await sleep_for(runtime_, time); }
  bool has_ended(std::uint64_t number) const {
    const auto* job = tracker_->find(job_id(number));
    return job->status == JobStatus::completed || job->status == JobStatus::failed;
  }
  Task<void> end_of(std::uint64_t number) {
    while (!has_ended(number)) co_await sleep(10ms);
  }
  // A job from its submission to its end.
  Task<void> whole(std::uint64_t number, std::size_t items) {
    (co_await scheduler_->start()).value();
    co_await submit(number, items);
    co_await end_of(number);
    co_await scheduler_->stop(10s);
  }

  const JobInfo& job(std::uint64_t number) const { return *tracker_->find(job_id(number)); }
  std::vector<ItemRecord> items(std::uint64_t number) {
    std::optional<Result<ItemPage>> page;
    runtime_.run(testing::keep_value(
        file_->list_items(job_id(number), {.state = {}, .limit = 10'000}), page));
    return page->value().items;
  }
  SteadyTime now() const { return runtime_.steady_now(); }

  testing::VirtualRuntime runtime_{GetParam()};
  std::unique_ptr<JobStore> file_ = open_sqlite_store(runtime_, ":memory:").value();
  FlakyStore store_{*file_};
  RecordingLog log_;
  Fetches fetches_{runtime_};
  testing::CountedMetrics metrics_;
  SchedulerOptions options_;
  std::optional<JobTracker> tracker_;
  std::optional<Scheduler> scheduler_;
};

}  // namespace betedge::jobs
