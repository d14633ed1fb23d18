#include "betedge/engine/data_processing_service.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "betedge/core/dataset.hpp"
#include "betedge/core/plan.hpp"
#include "betedge/engine/fetch_runner.hpp"
#include "betedge/engine/memory_budget.hpp"
#include "betedge/engine/upstream_watch.hpp"
#include "betedge/jobs/job_tracker.hpp"
#include "betedge/jobs/scheduler.hpp"
#include "betedge/wire/fetch_spec.hpp"

namespace betedge::engine {

namespace {

// The only one so far, as the metrics name it.
constexpr std::string_view kUpstream = "thetadata";

// What a person calls an item: the day, the month or the year of its object.
std::string label_of(const HistoricalRequest& request, const PlannedItem& item) {
  auto text = to_yyyymmdd_text(item.covers.first);
  if (request.schema == Schema::eod) text.resize(request.kind == Kind::option ? 6 : 4);
  return text;
}

std::optional<Rejection> rejection_of(const HistoricalRequest& request, const Plan& plan,
                                      const Source& source) {
  if (plan.items.empty() && !plan.not_yet_available.empty()) {
    return Rejection{
        "end_date",
        fmt::format("no session of this range has ended in New York yet; the first, {}, "
                    "is available the day after",
                    to_yyyymmdd_text(plan.not_yet_available.front()))};
  }
  if (!plan.items.empty() && request.schema != Schema::eod) {
    if (auto why = source.refusal(plan.items.front().calls.front())) {
      return Rejection{"interval", *std::move(why)};
    }
  }
  return std::nullopt;
}

}  // namespace

struct DataProcessingService::Impl {
  Impl(Ports given, EngineOptions with)
      : ports(given),
        options(std::move(with)),
        memory(ports.runtime, options.memory_budget_bytes),
        upstream(ports.runtime, ports.source, ports.log, [this] { upstream_changed(); }),
        runner({ports.runtime, ports.jobs, ports.lake, ports.source, ports.log, memory, upstream,
                ports.metrics},
               options.lease),
        tracker(&ports.jobs),
        scheduler({ports.runtime, ports.jobs, tracker, ports.log, ports.metrics},
                  {.concurrency = options.concurrency,
                   .lease = options.lease,
                   .retry = options.retry,
                   .owner = options.owner},
                  [this](ClaimedFetch fetch, std::stop_token stop) {
                    return runner.run(std::move(fetch), std::move(stop));
                  }),
        circuit_opened(ports.metrics.counter(Metric::upstream_circuit_opened, {kUpstream})) {
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
    metrics.when_scraped(Metric::upstream_circuit_state, {kUpstream},
                         [this] { return upstream.is_open() ? 1.0 : 0.0; });
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

  void upstream_changed() {
    if (const auto why = upstream.waiting_for()) {
      circuit_opened.add();
      scheduler.pause(*why);
    } else {
      scheduler.resume();
    }
  }

  Ports ports;
  EngineOptions options;
  MemoryBudget memory;
  UpstreamWatch upstream;
  FetchRunner runner;
  jobs::JobTracker tracker;
  jobs::Scheduler scheduler;
  Counter& circuit_opened;
  bool closed = false;
};

DataProcessingService::DataProcessingService(Ports ports, EngineOptions options)
    : impl_(std::make_unique<Impl>(ports, std::move(options))) {}

DataProcessingService::~DataProcessingService() = default;

Task<Result<void>> DataProcessingService::start() {
  co_return co_await impl_->scheduler.start();
}

Task<std::expected<JobInfo, DataProcessingService::SubmitFailure>>
DataProcessingService::process_request(HistoricalRequest request, JobId request_id,
                                       std::vector<std::string> warnings) {
  using Failed = std::unexpected<SubmitFailure>;
  if (impl_->closed) {
    co_return Failed(Error{ErrorCode::store_unavailable, "the server is stopping", {}});
  }
  const auto now = impl_->ports.runtime.wall_now();
  auto planned = plan(request, new_york_date(now));
  if (auto rejection = rejection_of(request, planned, impl_->ports.source)) {
    co_return Failed(*std::move(rejection));
  }

  NewJob job;
  job.job_id = request_id;
  job.created_at = now;
  job.request_json = wire::to_json(request);
  job.warnings = std::move(warnings);
  job.not_yet_available = std::move(planned.not_yet_available);
  job.fetches.reserve(planned.items.size());
  for (const auto& item : planned.items) {
    job.fetches.push_back({item.key, label_of(request, item), wire::to_json({request, item})});
  }
  auto created = co_await impl_->ports.jobs.create_job(std::move(job));
  if (!created) co_return Failed(std::move(created).error());
  if (auto applied = impl_->tracker.apply(*created); !applied) {
    co_return Failed(std::move(applied).error());
  }
  if (created->total_items() == 0) {
    // It has ended with its creation; no fetch will say so.
    impl_->ports.metrics
        .counter(Metric::jobs, {dataset_of(request.kind, request.schema), "completed"})
        .add();
    impl_->ports.log.event(Level::info, "job_completed",
                           {{"job", request_id.text()}, {"items", "0"}});
  }
  impl_->scheduler.wake();
  co_return *std::move(created);
}

Task<Result<std::optional<JobInfo>>> DataProcessingService::get_job_status(JobId job) {
  co_return co_await impl_->tracker.get_job(job);
}

Task<Result<std::vector<JobInfo>>> DataProcessingService::list_jobs(
    std::optional<JobStatus> status, std::optional<std::size_t> limit) {
  co_return co_await impl_->tracker.list_jobs(status, limit);
}

Task<Result<ItemPage>> DataProcessingService::list_items(JobId job, std::optional<ItemState> state,
                                                         std::uint32_t from_seq,
                                                         std::size_t limit) {
  co_return co_await impl_->ports.jobs.list_items(job, state, from_seq, limit);
}

std::optional<std::string> DataProcessingService::waiting_for() const {
  if (auto why = impl_->upstream.waiting_for()) return why;
  return impl_->scheduler.store_trouble();
}

Task<void> DataProcessingService::close() {
  impl_->closed = true;
  co_await impl_->scheduler.stop(impl_->options.stop_grace);
  co_await impl_->upstream.close();
}

}  // namespace betedge::engine
