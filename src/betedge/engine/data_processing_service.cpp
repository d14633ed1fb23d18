#include "betedge/engine/data_processing_service.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <stop_token>
#include <utility>

#include "betedge/core/dataset.hpp"
#include "betedge/core/plan.hpp"
#include "betedge/engine/fetch_runner.hpp"
#include "betedge/engine/freshness.hpp"
#include "betedge/engine/memory_budget.hpp"
#include "betedge/engine/upstream_watch.hpp"
#include "betedge/jobs/job_tracker.hpp"
#include "betedge/jobs/scheduler.hpp"
#include "betedge/wire/fetch_spec.hpp"

namespace betedge::engine {

namespace {

// How many batches are under way where so many calls may be. Some more, so that while one is being
// published, or makes room between its calls, the upstream has the next one's call to answer.
std::size_t batches_for(std::size_t calls) {
  return calls + (calls + 1) / 2;
}

// What a person calls an item: the day, the month or the year of its object.
std::string label_of(const HistoricalRequest& request, const PlannedItem& item) {
  auto text = to_yyyymmdd_text(item.covers.first);
  if (request.schema == Schema::eod) text.resize(request.kind == Kind::stock ? 4 : 6);
  return text;
}

std::optional<Rejection> rejection_of(const HistoricalRequest& request, const Plan& plan,
                                      const Source& source) {
  if (plan.items.empty() && !plan.not_yet_available.empty()) {
    return Rejection{"end_date",
                     fmt::format("no {} of this range has ended in New York yet; the first, {}, "
                                 "is available the day after",
                                 request.kind == Kind::earnings ? "weekday" : "session",
                                 to_yyyymmdd_text(plan.not_yet_available.front()))};
  }
  if (!plan.items.empty() && request.schema != Schema::eod) {
    if (auto why = source.refusal(plan.items.front().calls.front())) {
      return Rejection{"interval", *std::move(why)};
    }
  }
  return std::nullopt;
}

// Two submissions of one text need the same objects. What is planned depends on the day only where
// a period that is asked for goes on.
std::string equality_of(const std::string& request_json, const Submission& submission, Date today) {
  const bool goes_on = last_of_year(submission.requests.front().dates.last) >= today;
  return goes_on ? fmt::format("{} on {}", request_json, to_yyyymmdd_text(today)) : request_json;
}

// What objects like this one have in common: all of its key but the date and the name.
std::string likeness_of(const ObjectKey& key) {
  std::string text = key.text();
  const auto is_part_of_date = [](std::string_view segment) {
    return !segment.empty() &&
           std::ranges::all_of(segment, [](char c) { return c >= '0' && c <= '9'; });
  };
  text.erase(text.rfind('/'));
  while (true) {
    const auto slash = text.rfind('/');
    if (slash == std::string::npos || !is_part_of_date(std::string_view(text).substr(slash + 1)))
      return text + "/";
    text.erase(slash);
  }
}

// How many objects are looked at at once.
constexpr std::size_t kLooksAtOnce = 16;

}  // namespace

struct DataProcessingService::Impl {
  // One upstream with all that is only its own.
  struct Lane {
    Lane(Impl& impl, Upstream from)
        : upstream(std::move(from)),
          watch(impl.ports.runtime, upstream.source, upstream.limiter, impl.ports.log,
                [&impl, this] { impl.upstream_changed(*this); }),
          runner({impl.ports.runtime, impl.ports.jobs, impl.ports.lake, upstream.source,
                  impl.ports.log, impl.memory, watch, impl.ports.metrics},
                 impl.options.lease, impl.options.layout),
          circuit_opened(
              impl.ports.metrics.counter(Metric::upstream_circuit_opened, {upstream.name})) {}
    Upstream upstream;
    UpstreamWatch watch;
    FetchRunner runner;
    Counter& circuit_opened;
  };

  Impl(Ports given, EngineOptions with)
      : ports(std::move(given)),
        options(std::move(with)),
        memory(ports.runtime, options.memory_budget_bytes),
        tracker(&ports.jobs),
        scheduler({ports.runtime, ports.jobs, tracker, ports.log, ports.metrics},
                  scheduler_options(),
                  [this](std::vector<ClaimedFetch> batch, std::stop_token stop) {
                    auto& lane = *lanes.at(batch.front().upstream);
                    return lane.runner.run(std::move(batch), std::move(stop));
                  }),
        work(ports.runtime) {
    for (const auto& upstream : ports.upstreams)
      lanes.emplace(upstream.name, std::make_unique<Lane>(*this, upstream));
    scheduler.on_store_trouble([this] {
      ++circumstances;
      wake_watchers([](const JobInfo&) { return true; });
    });
    tracker.on_change([this](const JobInfo& job) { job_changed(job); });
    say_at_scrapes();
  }

  // What is looked up when somebody scrapes. Read no later than this lives: see Metrics.
  void say_at_scrapes() {
    auto& metrics = ports.metrics;
    for (const auto dataset : datasets()) {
      metrics.counter(Metric::sessions_missing, {dataset});
      if (dataset.starts_with("option_")) metrics.counter(Metric::underlying_missing, {dataset});
    }
    const auto bytes = [&](std::string_view kind, std::size_t MemoryBudget::Held::* part) {
      metrics.when_scraped(Metric::memory_bytes, {kind},
                           [this, part] { return static_cast<double>(memory.in_use().*part); });
    };
    bytes("download", &MemoryBudget::Held::download);
    bytes("decode", &MemoryBudget::Held::decode);
    bytes("encode", &MemoryBudget::Held::encode);
    metrics.gauge(Metric::memory_budget_bytes).set(static_cast<double>(memory.budget_bytes()));
    for (const auto& [name, lane] : lanes)
      metrics.when_scraped(Metric::upstream_circuit_state, {name},
                           [&watch = lane->watch] { return watch.is_open() ? 1.0 : 0.0; });
    metrics.when_scraped(Metric::jobs_unfinished, {},
                         [this] { return static_cast<double>(tracker.unfinished().jobs); });
    metrics.when_scraped(Metric::items_ready, {}, [this] {
      return static_cast<double>(tracker.unfinished().pending_items);
    });
    metrics.when_scraped(Metric::oldest_ready_item_seconds, {},
                         [this] { return age_of(tracker.unfinished().oldest_pending); });
    metrics.when_scraped(Metric::job_standstill_seconds, {},
                         [this] { return age_of(tracker.unfinished().longest_still); });
  }

  double age_of(std::optional<Timestamp> since) const {
    if (!since) return 0;
    const std::chrono::duration<double> age = ports.runtime.wall_now() - *since;
    return std::max(age.count(), 0.0);  // the wall clock may be set back
  }

  jobs::SchedulerOptions scheduler_options() const {
    jobs::SchedulerOptions scheduling{
        .concurrency = {}, .lease = options.lease, .retry = options.retry, .owner = options.owner};
    for (const auto& upstream : ports.upstreams)
      scheduling.concurrency[upstream.name] = batches_for(upstream.limiter.limit());
    return scheduling;
  }

  void upstream_changed(Lane& lane) {
    ++circumstances;
    if (lane.watch.takes_calls()) {
      scheduler.resume(lane.upstream.name);
    } else {
      if (lane.watch.is_open()) lane.circuit_opened.add();
      scheduler.pause(lane.upstream.name, lane.watch.waiting_for().value());
    }
    wake_watchers([&lane](const JobInfo& job) { return job.upstream == lane.upstream.name; });
  }

  // What these jobs wait for has changed, though they have not.
  template <class OfThem>
  void wake_watchers(OfThem of_them) {
    for (auto& [job, waiters] : waiting) waiters->changed.notify_all();
    if (!listener) return;
    for (const auto* job : tracker.active())
      if (of_them(*job)) listener(*job);
  }

  void job_changed(const JobInfo& job) {
    if (const auto found = waiting.find(job.job_id); found != waiting.end())
      found->second->changed.notify_all();
    if (listener) listener(job);
  }

  static UpstreamStatus status_of(const Lane& lane) {
    const auto& limiter = lane.upstream.limiter;
    return {.name = lane.upstream.name,
            .version = lane.upstream.source.version(),
            .slots = limiter.limit(),
            .slots_allowed = limiter.allowed(),
            .slots_in_use = limiter.in_use(),
            .calls_waiting = limiter.waiting(),
            .circuit_is_open = lane.watch.is_open(),
            .waiting_for = lane.watch.waiting_for(),
            .calls = lane.watch.counts()};
  }

  // The plan, or why there is none.
  std::expected<Plan, SubmitFailure> plan_of(const Submission& submission, Date today) const {
    using Failed = std::unexpected<SubmitFailure>;
    const auto& first = submission.requests.front();
    const auto lane = lanes.find(upstream_of(first.kind));
    if (lane == lanes.end())
      return Failed(Error{
          ErrorCode::internal, fmt::format("no upstream brings {}", to_text(first.kind)), {}});
    // All requests need as many items as the first: so it is known before they are planned.
    auto planned = plan(first, today, submission.only);
    if (auto rejection = rejection_of(first, planned, lane->second->upstream.source))
      return Failed(*std::move(rejection));
    const auto items = planned.items.size() * submission.requests.size();
    if (items > options.items_per_job)
      return Failed(
          Rejection{"end_date",
                    fmt::format("this asks for {} items, and a job may have {}: ask for a shorter "
                                "range or fewer symbols at a time",
                                items, options.items_per_job)});
    return submission.requests.size() == 1 ? std::move(planned) : plan(submission, today);
  }

  Task<void> look_at(DryRun& run, const Plan& planned, const Submission& submission,
                     std::size_t& next, std::size_t& looking, std::optional<Error>& failure,
                     Notify& done);

  struct Waiters {
    explicit Waiters(Runtime& runtime) : changed(runtime) {}
    Notify changed;
    std::size_t count = 0;
  };

  Ports ports;
  EngineOptions options;
  MemoryBudget memory;
  std::map<std::string, std::unique_ptr<Lane>, std::less<>> lanes;
  jobs::JobTracker tracker;
  jobs::Scheduler scheduler;
  std::map<JobId, std::unique_ptr<Waiters>> waiting;
  std::function<void(const JobInfo&)> listener;
  std::uint64_t circumstances = 0;
  std::stop_source released;
  TaskScope work;
  bool closed = false;
};

DataProcessingService::DataProcessingService(Ports ports, EngineOptions options)
    : impl_(std::make_unique<Impl>(std::move(ports), std::move(options))) {}

DataProcessingService::~DataProcessingService() = default;

Task<Result<void>> DataProcessingService::start() {
  co_return co_await impl_->scheduler.start();
}

Task<std::expected<CreatedJob, DataProcessingService::SubmitFailure>>
DataProcessingService::process_request(Submission submission, JobId request_id,
                                       std::vector<std::string> warnings,
                                       std::optional<IdempotencyKey> idempotency) {
  using Failed = std::unexpected<SubmitFailure>;
  if (impl_->closed) {
    co_return Failed(Error{ErrorCode::store_unavailable, "the server is stopping", {}});
  }
  const auto now = impl_->ports.runtime.wall_now();
  const auto today = new_york_date(now);
  auto planned = impl_->plan_of(submission, today);
  if (!planned) co_return std::unexpected(std::move(planned).error());

  const auto queued = planned->items.size() + impl_->tracker.unfinished_items();
  NewJob job;
  // One that is known already adds nothing to the queue.
  job.may_be_made = queued <= impl_->options.queued_items;
  job.job_id = request_id;
  job.created_at = now;
  job.request_json = wire::to_json(submission);
  job.warnings = std::move(warnings);
  job.not_yet_available = std::move(planned->not_yet_available);
  job.upstream = upstream_of(submission.requests.front().kind);
  job.priority = submission.priority;
  job.labels = submission.labels;
  job.equal_to = equality_of(job.request_json, submission, today);
  if (idempotency) {
    if (idempotency->fingerprint.empty()) idempotency->fingerprint = job.request_json;
    job.idempotency = std::move(idempotency);
  }
  job.fetches.reserve(planned->items.size());
  const auto items_each = planned->items.size() / submission.requests.size();
  for (std::size_t i = 0; i < planned->items.size(); ++i) {
    auto& item = planned->items[i];
    // Of the object's period, not of the job's: two jobs that need one object need one fetch.
    auto request = submission.requests[i / items_each];
    request.dates = item.covers;
    auto label = label_of(request, item);
    if (submission.requests.size() > 1) label = request.root.text() + " " + label;
    auto key = item.key;
    auto batch = batch_of(request, item);
    auto spec = wire::to_json({std::move(request), std::move(item)});
    job.fetches.push_back({std::move(key), std::move(label), std::move(spec), std::move(batch)});
  }
  auto created = co_await impl_->scheduler.submit(std::move(job));
  if (!created) co_return Failed(std::move(created).error());
  if (created->how == CreatedJob::How::not_made)
    co_return Failed(QueueFull{
        fmt::format("{} items would wait to be done, and {} may: wait until some have ended",
                    queued, impl_->options.queued_items),
        std::chrono::seconds(30)});
  if (created->how == CreatedJob::How::made && created->job.total_items() == 0) {
    // It has ended with its creation; no fetch will say so.
    const auto& first = submission.requests.front();
    impl_->ports.metrics.counter(Metric::jobs, {dataset_of(first.kind, first.schema), "completed"})
        .add();
    impl_->ports.log.event(Level::info, "job_completed",
                           {{"job", request_id.text()}, {"items", "0"}});
  }
  co_return *std::move(created);
}

// One of several that take the next item, look whether it is there, and go on.
Task<void> DataProcessingService::Impl::look_at(DryRun& run, const Plan& planned,
                                                const Submission& submission, std::size_t& next,
                                                std::size_t& looking, std::optional<Error>& failure,
                                                Notify& done) {
  const auto existing = submission.requests.front().existing;
  const auto layout = layout_of(submission.requests.front().kind, options.layout);
  while (next < planned.items.size() && !failure) {
    const auto i = next++;
    const auto& item = planned.items[i];
    if (existing == Existing::replace) continue;
    auto found = co_await ports.lake.stat(item.key);
    if (!found) {
      failure = std::move(found).error();
      break;
    }
    auto recorded = co_await ports.jobs.find_object(item.key);
    if (!recorded) {
      failure = std::move(recorded).error();
      break;
    }
    run.items[i].is_there = is_kept(existing, standing_of(*found, *recorded, item.covers, layout));
  }
  if (--looking == 0) done.notify_one();
}

Task<std::expected<DryRun, DataProcessingService::SubmitFailure>> DataProcessingService::dry_run(
    Submission submission) {
  using Failed = std::unexpected<SubmitFailure>;
  auto& impl = *impl_;
  auto planned = impl.plan_of(submission, new_york_date(impl.ports.runtime.wall_now()));
  if (!planned) co_return std::unexpected(std::move(planned).error());
  DryRun run;
  for (const auto& item : planned->items)
    run.items.push_back({.key = item.key, .covers = item.covers, .calls = item.calls.size()});
  run.not_yet_available = std::move(planned->not_yet_available);

  std::size_t next = 0;
  std::optional<Error> failure;
  Notify done(impl.ports.runtime);
  std::size_t looking = std::min(kLooksAtOnce, run.items.size());
  for (std::size_t i = 0, begun = looking; i < begun; ++i)
    impl.work.spawn(impl.look_at(run, *planned, submission, next, looking, failure, done));
  while (looking > 0) co_await done.wait();
  if (failure) co_return Failed(*std::move(failure));

  std::map<std::string, std::uint64_t> missing;  // by likeness
  std::set<std::string> batches;                 // of what is missing
  const auto items_each = planned->items.size() / submission.requests.size();
  for (std::size_t i = 0; i < run.items.size(); ++i) {
    auto& item = run.items[i];
    if (item.is_there) {
      item.calls = 0;
      continue;
    }
    ++missing[likeness_of(item.key)];
    auto batch = batch_of(submission.requests[i / items_each], planned->items[i]);
    if (!batch.empty() && !batches.insert(std::move(batch)).second) item.calls = 0;
    run.calls += item.calls;
  }
  double bytes = 0, seconds = 0;
  bool is_known = true;
  for (const auto& [likeness, count] : missing) {
    auto known = co_await impl.ports.jobs.experience(likeness);
    if (!known) co_return Failed(std::move(known).error());
    is_known = is_known && known->objects > 0;
    run.like_objects += known->objects;
    bytes += known->mean_bytes * static_cast<double>(count);
    seconds += known->mean_seconds * static_cast<double>(count);
  }
  if (is_known) {
    const auto& lane = *impl.lanes.find(upstream_of(submission.requests.front().kind))->second;
    run.bytes = bytes;
    run.seconds =
        seconds / static_cast<double>(std::max<std::size_t>(lane.upstream.limiter.limit(), 1));
  }
  co_return run;
}

Task<Result<std::optional<JobInfo>>> DataProcessingService::get_job_status(JobId job) {
  co_return co_await impl_->tracker.get_job(job);
}

const JobInfo* DataProcessingService::find_active(const JobId& job) const {
  const auto* known = impl_->tracker.find(job);
  return known != nullptr && !has_ended(known->status) ? known : nullptr;
}

Task<Result<std::vector<JobInfo>>> DataProcessingService::list_jobs(JobFilter filter) {
  co_return co_await impl_->tracker.list_jobs(std::move(filter));
}

Task<Result<ItemPage>> DataProcessingService::list_items(JobId job, ItemFilter filter) {
  co_return co_await impl_->ports.jobs.list_items(job, filter);
}

std::vector<const JobInfo*> DataProcessingService::active_jobs() const {
  return impl_->tracker.active();
}

Task<Result<JobInfo>> DataProcessingService::cancel_job(JobId job) {
  co_return co_await impl_->scheduler.cancel(job);
}

Task<Result<JobInfo>> DataProcessingService::retry_job(JobId job) {
  co_return co_await impl_->scheduler.retry(job);
}

Task<Result<void>> DataProcessingService::delete_job(JobId job) {
  BETEDGE_CO_TRY_VOID(co_await impl_->ports.jobs.delete_job(job));
  impl_->tracker.forget(job);
  impl_->ports.log.event(Level::info, "job_deleted", {{"job", job.text()}});
  co_return Result<void>{};
}

std::optional<std::string> DataProcessingService::waiting_for(const JobInfo& job) const {
  if (has_ended(job.status)) return std::nullopt;
  if (const auto lane = impl_->lanes.find(job.upstream); lane != impl_->lanes.end())
    if (auto why = lane->second->watch.waiting_for()) return why;
  return impl_->scheduler.store_trouble();
}

void DataProcessingService::on_change(std::function<void(const JobInfo&)> listener) {
  impl_->listener = std::move(listener);
}

Task<Woken> DataProcessingService::wait_for_change(JobId job, std::stop_token stop,
                                                   std::optional<SteadyTime> until) {
  if (impl_->released.stop_requested()) co_return Woken::stopped;
  auto& waiters = impl_->waiting[job];
  if (!waiters) waiters = std::make_unique<Impl::Waiters>(impl_->ports.runtime);
  auto& here = *waiters;
  ++here.count;
  const auto woken = co_await here.changed.wait(std::move(stop), until);
  if (--here.count == 0) impl_->waiting.erase(job);
  co_return woken;
}

void DataProcessingService::release_waiters() {
  impl_->released.request_stop();
  for (auto& [job, waiters] : impl_->waiting) waiters->changed.notify_all();
}

std::vector<UpstreamStatus> DataProcessingService::upstreams() const {
  std::vector<UpstreamStatus> all;
  for (const auto& [name, lane] : impl_->lanes) all.push_back(Impl::status_of(*lane));
  return all;
}

Result<UpstreamStatus> DataProcessingService::set_concurrency(std::string_view upstream,
                                                              std::size_t calls) {
  const auto found = impl_->lanes.find(upstream);
  if (found == impl_->lanes.end())
    return fail(ErrorCode::not_found, fmt::format("no upstream '{}'", upstream));
  const auto& lane = *found->second;
  calls = std::max<std::size_t>(calls, 1);
  impl_->ports.log.event(Level::info, "upstream_limit_changed",
                         {{"upstream", lane.upstream.name},
                          {"from", std::to_string(lane.upstream.limiter.limit())},
                          {"to", std::to_string(calls)}});
  lane.upstream.limiter.set_limit(calls);
  impl_->scheduler.set_concurrency(upstream, batches_for(calls));
  return Impl::status_of(lane);
}

std::size_t DataProcessingService::memory_in_use_bytes() const {
  return impl_->memory.in_use_bytes();
}

Task<DataProcessingService::Readiness> DataProcessingService::readiness() {
  Readiness found;
  if (auto answered = co_await impl_->ports.jobs.list_jobs({.status = {}, .label = {}, .limit = 0});
      !answered)
    found.store = std::move(answered).error();
  auto key = ObjectKey::parse("earnings/0000/00/data.parquet").value();  // of no month
  if (auto answered = co_await impl_->ports.lake.stat(std::move(key)); !answered)
    found.lake = std::move(answered).error();
  co_return found;
}

Task<void> DataProcessingService::close() {
  impl_->closed = true;
  release_waiters();
  co_await impl_->scheduler.stop(impl_->options.stop_grace);
  for (auto& [name, lane] : impl_->lanes) co_await lane->watch.close();
  co_await impl_->work.close();
}

}  // namespace betedge::engine
