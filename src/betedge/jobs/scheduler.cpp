#include "betedge/jobs/scheduler.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <exception>
#include <utility>

#include "betedge/core/dataset.hpp"
#include "betedge/wire/request.hpp"

namespace betedge::jobs {

namespace {

using namespace std::chrono_literals;

// Why a fetch is lost to its own job, which is nobody's theft.
constexpr std::string_view kItsJobHasFailed = "its job has failed";

// How long a store that is out is left alone: the whole server waits for it, so not for long.
constexpr RetryPolicy kStoreRetry{.max_attempts = 1, .first_delay = 100ms, .longest_delay = 5s};

std::string_view event_of(ItemState state) {
  switch (state) {
    case ItemState::succeeded: return "item_done";
    case ItemState::skipped: return "item_skipped";
    case ItemState::no_data: return "item_no_data";
    case ItemState::failed: return "item_failed";
    case ItemState::cancelled: return "item_cancelled";
    case ItemState::pending:
    case ItemState::running: break;  // no ends; the store refuses them
  }
  return "item_refused";
}

constexpr std::array kEnds{ItemState::succeeded, ItemState::skipped, ItemState::no_data,
                           ItemState::failed, ItemState::cancelled};

// Series that must be there before the first failure, so that it is seen as a rise.
void begin_series(Metrics& metrics) {
  for (const auto dataset : datasets()) {
    for (const auto* outcome : {"completed", "completed_with_errors", "failed", "cancelled"})
      metrics.counter(Metric::jobs, {dataset, outcome});
    for (const auto state : kEnds)
      metrics.counter(Metric::items, {dataset, to_text(state), kNoReason});
    metrics.counter(Metric::items, {dataset, to_text(ItemState::succeeded), kIncomplete});
    metrics.counter(Metric::items, {dataset, to_text(ItemState::failed), kCrashes});
    for (const auto code :
         {ErrorCode::timeout, ErrorCode::upstream_throttled, ErrorCode::upstream_failed,
          ErrorCode::upstream_refused, ErrorCode::upstream_too_large, ErrorCode::upstream_denied,
          ErrorCode::upstream_garbled, ErrorCode::storage_failed, ErrorCode::storage_full,
          ErrorCode::storage_denied, ErrorCode::internal})
      metrics.counter(Metric::items, {dataset, to_text(ItemState::failed), to_text(code)});
    metrics.counter(Metric::rows, {dataset});
  }
}

// Those that came together, each with its fetches. More than fit into one batch may have come of
// one text.
std::vector<std::vector<ClaimedFetch>> batches_of(std::vector<ClaimedFetch> claims) {
  std::vector<std::vector<ClaimedFetch>> batches;
  for (auto& claim : claims) {
    const bool goes_along = !claim.batch.empty() && !batches.empty() &&
                            batches.back().back().batch == claim.batch &&
                            batches.back().size() < JobStore::kLargestBatch;
    if (!goes_along) batches.emplace_back();
    batches.back().push_back(std::move(claim));
  }
  return batches;
}

std::string_view outcome_of(const JobInfo& job) {
  if (job.items.cancelled > 0) return "cancelled";
  if (job.status == JobStatus::failed) return "failed";
  return job.items.failed > 0 ? "completed_with_errors" : "completed";
}

}  // namespace

Scheduler::Scheduler(Ports ports, SchedulerOptions options, RunFetches run_fetches)
    : ports_(ports),
      options_(std::move(options)),
      run_fetches_(std::move(run_fetches)),
      inflight_(ports.metrics.gauge(Metric::items_inflight)),
      lease_lost_(ports.metrics.counter(Metric::lease_lost)),
      rescued_(ports.metrics.counter(Metric::items_rescued)),
      queue_seconds_(ports.metrics.histogram(Metric::item_queue_seconds)),
      wake_(ports.runtime),
      ended_(ports.runtime),
      tasks_(ports.runtime) {
  for (const auto& [upstream, batches] : options_.concurrency)
    lanes_[upstream].concurrency = std::max<std::size_t>(batches, 1);
  begin_series(ports.metrics);
}

Task<Result<void>> Scheduler::start() {
  BETEDGE_CO_TRY_VOID(co_await ports_.tracker.load());
  BETEDGE_CO_TRY(const auto jobs,
                 co_await ports_.jobs.take_back(JobStore::Which::all, options_.max_crashes));
  for (const auto& job : jobs) take_in(job, kCrashes);
  tasks_.spawn(claim_and_start());
  tasks_.spawn(keep_leases());
  co_return Result<void>();
}

Task<Result<CreatedJob>> Scheduler::submit(NewJob job) {
  BETEDGE_CO_TRY(auto created, co_await ports_.jobs.create_job(std::move(job)));
  if (created.how == CreatedJob::How::not_made) co_return created;
  take_in(created.job);
  wake_.notify_one();
  co_return created;
}

Task<Result<JobInfo>> Scheduler::cancel(JobId job) {
  BETEDGE_CO_TRY(const auto changes, co_await ports_.jobs.cancel_job(job));
  for (const auto& changed : changes.jobs) take_in(changed);
  for (const auto fetch : changes.to_stop)
    if (auto* held = find_held(fetch)) held->is_cancelled = true;
  stop_unneeded_batches();
  co_return changes.jobs.at(0);
}

Task<Result<JobInfo>> Scheduler::retry(JobId job) {
  BETEDGE_CO_TRY(auto retried, co_await ports_.jobs.retry_job(job));
  take_in(retried);
  wake_.notify_one();
  co_return retried;
}

void Scheduler::pause(std::string_view upstream, std::string reason) {
  if (const auto lane = lanes_.find(upstream); lane != lanes_.end())
    lane->second.paused_for = std::move(reason);
}

void Scheduler::resume(std::string_view upstream) {
  if (const auto lane = lanes_.find(upstream); lane != lanes_.end())
    lane->second.paused_for.reset();
  wake_.notify_one();
}

std::optional<std::string> Scheduler::paused_for(std::string_view upstream) const {
  const auto lane = lanes_.find(upstream);
  return lane == lanes_.end() ? std::nullopt : lane->second.paused_for;
}

void Scheduler::set_concurrency(std::string_view upstream, std::size_t batches) {
  if (const auto lane = lanes_.find(upstream); lane != lanes_.end())
    lane->second.concurrency = std::max<std::size_t>(batches, 1);
  wake_.notify_one();
}

Task<void> Scheduler::stop(std::chrono::milliseconds grace) {
  no_more_claims_.request_stop();
  const auto until = ports_.runtime.steady_now() + grace;
  while (!running_.empty()) {
    const auto woken = co_await ended_.wait({}, until);
    if (woken == Woken::timed_out) break;
  }
  handing_back_ = true;
  std::vector<std::stop_source> left;  // a batch may end, and leave the list, while being asked
  for (const auto& batch : running_) left.push_back(batch.stop);
  for (auto& batch : left) batch.request_stop();
  co_await tasks_.close();
}

Task<void> Scheduler::claim_and_start() {
  const auto stop = no_more_claims_.get_token();
  int failures = 0;
  while (!stop.stop_requested()) {
    std::optional<std::chrono::milliseconds> next_ready_in;
    bool store_is_out = false;
    for (const auto& [upstream, lane] : lanes_) {
      auto name = upstream;
      const auto filled = co_await fill(std::move(name), stop);
      if (!filled) {
        store_failed(filled.error());
        store_is_out = true;
        break;
      }
      if (*filled && (!next_ready_in || **filled < *next_ready_in)) next_ready_in = *filled;
    }
    if (store_is_out) {
      co_await sleep_for(ports_.runtime, backoff(++failures), stop);
      continue;
    }
    failures = 0;
    std::optional<SteadyTime> until;
    if (next_ready_in) until = ports_.runtime.steady_now() + *next_ready_in;
    co_await wake_.wait(stop, until);
  }
}

// Claims into the lane's free slots.
Task<Result<std::optional<std::chrono::milliseconds>>> Scheduler::fill(std::string upstream,
                                                                       std::stop_token stop) {
  auto& lane = lanes_.at(upstream);
  if (lane.paused_for || lane.running >= lane.concurrency || stop.stop_requested())
    co_return std::nullopt;
  BETEDGE_CO_TRY(auto claims, co_await ports_.jobs.claim(upstream, lane.concurrency - lane.running,
                                                         options_.owner, options_.lease));
  store_answered();
  for (const auto& job : claims.changed_jobs) take_in(job);
  for (auto& batch : batches_of(std::move(claims.fetches))) {
    Batch claimed{.upstream = upstream, .fetches = {}, .since = ports_.runtime.steady_now()};
    for (auto& claim : batch) {
      claim.upstream = upstream;
      claimed.fetches.push_back({.claim = std::move(claim)});
    }
    if (!stop.stop_requested()) {
      begin(std::move(claimed));
      continue;
    }
    std::vector<Ending> endings;
    endings.reserve(claimed.fetches.size());
    for (auto& held : claimed.fetches)
      endings.push_back({&held, {.kind = Verdict::Kind::put_back, .event = "item_handed_back"}});
    co_await write_down(std::move(endings));
  }
  co_return claims.next_ready_in;
}

void Scheduler::begin(Batch batch) {
  for (const auto& held : batch.fetches) observe_queue_time(held.claim);
  inflight_.add(static_cast<double>(batch.fetches.size()));
  lanes_.at(batch.upstream).running += 1;
  running_.push_back(std::move(batch));
  tasks_.spawn(run(std::prev(running_.end())));
}

// Our own leases first, then those that nobody renews: after a long standstill of this process its
// own fetches are still its own.
Task<void> Scheduler::keep_leases() {
  while (co_await sleep_for(ports_.runtime, options_.lease / 3, tasks_.stop_token())) {
    std::vector<std::pair<FetchId, std::uint64_t>> held;
    for (const auto& batch : running_)
      for (const auto& one : batch.fetches)
        if (!one.is_lost && !one.is_settled) held.emplace_back(one.claim.fetch, one.claim.fence);
    std::optional<Error> store_trouble;
    {
      TaskScope together(ports_.runtime);  // into one commit
      for (const auto& [fetch, fence] : held) together.spawn(renew(fetch, fence, store_trouble));
      co_await together.close();
    }
    stop_unneeded_batches();
    if (store_trouble) {
      store_failed(*store_trouble);
      continue;
    }
    auto changed = co_await ports_.jobs.take_back(JobStore::Which::expired, options_.max_crashes);
    if (!changed) {
      store_failed(changed.error());
      continue;
    }
    store_answered();
    for (const auto& job : *changed) take_in(job, kCrashes);
    if (!changed->empty()) wake_.notify_one();
  }
}

Task<void> Scheduler::renew(FetchId fetch, std::uint64_t fence,
                            std::optional<Error>& store_trouble) {
  const auto renewed = co_await ports_.jobs.renew(fetch, fence, options_.lease);
  if (renewed) co_return;
  if (renewed.error().code != ErrorCode::fenced) {
    store_trouble = renewed.error();
    co_return;
  }
  auto* ours = find_held(fetch);
  if (ours != nullptr && ours->claim.fence == fence) lose(*ours, renewed.error().message);
}

Task<void> Scheduler::run(std::list<Batch>::iterator batch) {
  const auto& held = batch->fetches;
  std::vector<FetchResult> results;
  std::optional<std::string> broken;
  try {
    std::vector<ClaimedFetch> claims;
    claims.reserve(held.size());
    for (const auto& one : held) claims.push_back(one.claim);
    auto running = run_fetches_(std::move(claims), batch->stop.get_token());
    results = co_await std::move(running);
    if (results.size() != held.size())
      broken = fmt::format("{} results of {} fetches", results.size(), held.size());
  } catch (const std::exception& error) {
    broken = error.what();
  } catch (...) {
    broken = "an exception of unknown type";
  }
  std::vector<Verdict> verdicts;
  verdicts.reserve(held.size());
  const auto chance = luck(ports_.runtime);
  for (std::size_t i = 0; i < held.size(); ++i)
    verdicts.push_back(broken ? failed_by({ErrorCode::internal, "internal: " + *broken, {}})
                              : judge(held[i], results[i], chance));
  co_await write_down(batch, std::move(verdicts));

  const std::chrono::duration<double> took = ports_.runtime.steady_now() - batch->since;
  for (const auto& one : held)
    ports_.metrics.histogram(Metric::item_run_seconds, {dataset_of(one.claim.key)})
        .observe(took.count());
  inflight_.add(-static_cast<double>(held.size()));
  lanes_.at(batch->upstream).running -= 1;
  running_.erase(batch);
  wake_.notify_one();
  ended_.notify_all();
}

// What concerns a fetch alone goes to the store together. What fails whole jobs comes after it, one
// by one: the first may end what the next would say.
Task<void> Scheduler::write_down(std::list<Batch>::iterator batch, std::vector<Verdict> verdicts) {
  std::vector<Ending> endings;
  std::vector<Ending> ends_of_jobs;
  for (std::size_t i = 0; i < verdicts.size(); ++i) {
    auto& of_its_kind = verdicts[i].kind == Verdict::Kind::fail_jobs ? ends_of_jobs : endings;
    of_its_kind.push_back({&batch->fetches[i], std::move(verdicts[i])});
  }
  co_await write_down(std::move(endings));
  for (auto& ending : ends_of_jobs) {
    std::vector<Ending> next;
    next.push_back(std::move(ending));
    co_await write_down(std::move(next));
  }
}

// All in one commit, so that what is put back with the same delay is ready at the same moment.
// Insists until the store answers, or there is no time left: what is not written down then is taken
// back at the next start. What is lost meanwhile is not written down.
Task<void> Scheduler::write_down(std::vector<Ending> endings) {
  for (int failures = 1;; ++failures) {
    std::erase_if(endings, [](const Ending& one) { return one.held->is_lost || !one.is_open(); });
    if (endings.empty()) co_return;
    if (failures > 1) {
      store_failed(endings.front().answer.error());
      const auto delay = backoff(failures - 1);
      if (!co_await sleep_for(ports_.runtime, delay, tasks_.stop_token())) break;
    }
    TaskScope together(ports_.runtime);
    for (auto& ending : endings) together.spawn(tell_store(ending));
    co_await together.close();
  }
  for (const auto& [held, verdict, answer] : endings)
    ports_.log.event(Level::warning, "item_not_recorded",
                     {{"job", held->claim.job_id.text()},
                      {"item", held->claim.key.text()},
                      {"attempt", std::to_string(held->claim.attempts_made + 1)},
                      {"error", answer.error().message}});
}

Task<void> Scheduler::tell_store(Ending& ending) {
  const auto& claim = ending.held->claim;
  auto answer = co_await ask_store(claim, ending.verdict);
  ending.answer = std::move(answer);
  if (ending.is_open()) co_return;
  store_answered();
  ending.held->is_settled = true;
  if (ending.answer) {
    log_verdict(claim, ending.verdict);
    if (ending.verdict.counts_attempt)
      ports_.metrics.counter(Metric::item_retries, {ending.verdict.reason}).add();
    for (const auto& job : ending.answer->jobs) take_in(job, ending.verdict.reason);
    for (const auto fetch : ending.answer->to_stop)
      if (auto* lost = find_held(fetch)) lose(*lost, kItsJobHasFailed);
    stop_unneeded_batches();
    co_return;
  }
  lose(*ending.held, ending.answer.error().message);
  // Somebody else ended it, or we did and the answer was lost: see what became of the job.
  const auto now = co_await ports_.jobs.get_job(claim.job_id);
  if (now && *now) take_in(**now);
}

Scheduler::Verdict Scheduler::failed_by(const Error& error) {
  Verdict verdict{.kind = Verdict::Kind::complete, .event = "item_failed"};
  verdict.outcome.state = ItemState::failed;
  verdict.outcome.error = error.message;
  verdict.reason = to_text(error.code);
  return verdict;
}

Scheduler::Verdict Scheduler::judge(const Held& held, const FetchResult& result, double luck) {
  const auto fetch = held.claim.fetch;
  if (result) {
    waits_.erase(fetch);
    return {.kind = Verdict::Kind::complete,
            .event = event_of(result->state),
            .outcome = *result,
            .reason = result->is_incomplete ? kIncomplete : kNoReason};
  }
  auto verdict = judge_failure(held, result.error(), luck);
  if (verdict.event != "item_waits") waits_.erase(fetch);
  return verdict;
}

Scheduler::Verdict Scheduler::judge_failure(const Held& held, const Error& error, double luck) {
  const auto& claim = held.claim;
  Verdict again{.kind = Verdict::Kind::put_back,
                .event = "item_retry",
                .error = error.message,
                .reason = to_text(error.code)};
  if (held.is_cancelled && error.code == ErrorCode::cancelled) {
    again.event = "item_cancelled";
    return again;
  }
  const auto next = after_failure(error.code);
  const bool may_go_better = next == AfterFailure::try_again || next == AfterFailure::wait;
  if (handing_back_ && may_go_better) {
    again.event = "item_handed_back";
    return again;
  }
  if (paused_for(claim.upstream) && is_of_the_upstream(error.code)) {
    again.event = "item_waits";
    return again;
  }
  switch (next) {
    case AfterFailure::try_again: {
      const auto delay = next_delay(error, claim.attempts_made + 1, options_.retry, luck);
      if (!delay) return failed_by(error);
      again.delay = *delay;
      again.counts_attempt = true;
      return again;
    }
    case AfterFailure::wait: {
      again.event = "item_waits";
      auto& waiting = waits_[claim.fetch];
      waiting.job = claim.job_id;
      const auto delay = next_delay(error, ++waiting.in_a_row, options_.retry, luck);
      again.delay = delay.value_or(options_.retry.longest_delay);
      return again;
    }
    case AfterFailure::give_up: return failed_by(error);
    case AfterFailure::fail_job:
      return {.kind = Verdict::Kind::fail_jobs,
              .event = "item_failed",
              .error = error.message,
              .reason = to_text(error.code)};
  }
  std::unreachable();
}

Task<Result<Changes>> Scheduler::ask_store(ClaimedFetch claim, Verdict verdict) {
  Result<std::vector<JobInfo>> jobs;
  switch (verdict.kind) {
    case Verdict::Kind::complete:
      jobs = co_await ports_.jobs.complete(claim.fetch, claim.fence, verdict.outcome);
      break;
    case Verdict::Kind::put_back:
      jobs = co_await ports_.jobs.put_back(claim.fetch, claim.fence, verdict.delay,
                                           verdict.counts_attempt, verdict.error);
      break;
    case Verdict::Kind::fail_jobs:
      co_return co_await ports_.jobs.fail_jobs(claim.fetch, claim.fence, verdict.error);
  }
  if (!jobs) co_return std::unexpected(std::move(jobs).error());
  co_return Changes{.jobs = *std::move(jobs), .to_stop = {}};
}

void Scheduler::take_in(const JobInfo& job, std::string_view reason) {
  const auto* known = ports_.tracker.find(job.job_id);
  // One that is not known here and has ended did so before, or with its creation: no news.
  const auto unknown = has_ended(job.status) ? job.status : JobStatus::pending;
  const auto before = known == nullptr ? unknown : known->status;
  const auto items_before = known == nullptr ? job.items : known->items;
  const auto rows_before = known == nullptr ? job.rows : known->rows;
  if (const auto applied = ports_.tracker.apply(job); !applied) {
    ports_.log.event(Level::error, "job_refused",
                     {{"job", job.job_id.text()}, {"error", applied.error().message}});
    return;
  }
  // What the tracker made of it: an answer that was overtaken changes nothing.
  if (const auto* now = ports_.tracker.find(job.job_id))
    count_items(items_before, rows_before, *now, reason);
  if (before == JobStatus::pending && job.status == JobStatus::running)
    ports_.log.event(Level::info, "job_started",
                     {{"job", job.job_id.text()}, {"items", std::to_string(job.total_items())}});
  if (has_ended(before) && !has_ended(job.status))
    ports_.log.event(Level::info, "job_retried",
                     {{"job", job.job_id.text()},
                      {"items", std::to_string(job.items.pending + job.items.running)}});
  if (has_ended(before) || !has_ended(job.status)) return;
  std::erase_if(waits_, [&job](const auto& entry) { return entry.second.job == job.job_id; });
  ports_.metrics.counter(Metric::jobs, {dataset_of_job(job), outcome_of(job)}).add();
  datasets_.erase(job.job_id);
  const bool has_failed = job.state() == JobState::failed;
  std::string_view event = has_failed ? "job_failed" : "job_completed";
  if (job.state() == JobState::cancelled) event = "job_cancelled";
  ports_.log.event(has_failed ? Level::error : Level::info, event,
                   {{"job", job.job_id.text()},
                    {"items", std::to_string(job.total_items())},
                    {"succeeded", std::to_string(job.items.succeeded)},
                    {"skipped", std::to_string(job.items.skipped)},
                    {"no_data", std::to_string(job.items.no_data)},
                    {"failed", std::to_string(job.items.failed)},
                    {"cancelled", std::to_string(job.items.cancelled)},
                    {"rows", std::to_string(job.rows)},
                    {"bytes", std::to_string(job.bytes)},
                    {"error", job.error_message.value_or("")}});
}

Scheduler::Held* Scheduler::find_held(FetchId fetch) {
  for (auto& batch : running_)
    for (auto& held : batch.fetches)
      if (held.claim.fetch == fetch && !held.is_lost && !held.is_settled) return &held;
  return nullptr;
}

void Scheduler::stop_unneeded_batches() {
  std::vector<std::stop_source> unneeded;  // a batch may end, and leave the list, while being asked
  for (const auto& batch : running_)
    if (std::ranges::all_of(batch.fetches, [](const Held& held) {
          return held.is_lost || held.is_cancelled || held.is_settled;
        }))
      unneeded.push_back(batch.stop);
  for (auto& batch : unneeded) batch.request_stop();
}

// By the job's own counters, so that the metrics say what GET /jobs/{id} says, whoever ended the
// items and however many at once.
void Scheduler::count_items(const ItemCounts& before, std::uint64_t rows_before,
                            const JobInfo& after, std::string_view reason) {
  auto was = before;
  auto is = after.items;
  for (const auto state : kEnds) {
    if (is.of(state) <= was.of(state)) continue;
    // Only a success can be incomplete, only a failure has an error.
    const bool may_have_reason = state == ItemState::failed || state == ItemState::succeeded;
    const auto why = may_have_reason ? reason : kNoReason;
    ports_.metrics.counter(Metric::items, {dataset_of_job(after), to_text(state), why})
        .add(is.of(state) - was.of(state));
  }
  if (after.rows > rows_before)
    ports_.metrics.counter(Metric::rows, {dataset_of_job(after)})
        .add(static_cast<double>(after.rows - rows_before));
  if (reason == kCrashes && was.running > is.running) rescued_.add(was.running - is.running);
}

std::string_view Scheduler::dataset_of_job(const JobInfo& job) {
  auto& dataset = datasets_[job.job_id];
  if (dataset.empty()) {
    dataset = wire::dataset_of_request(job.request_json);
  }
  return dataset;
}

void Scheduler::observe_queue_time(const ClaimedFetch& claim) {
  const auto* job = ports_.tracker.find(claim.job_id);
  if (job == nullptr || claim.attempts_made > 0 || waits_.contains(claim.fetch)) return;
  const std::chrono::duration<double> waited = ports_.runtime.wall_now() - job->created_at;
  queue_seconds_.observe(std::max(waited.count(), 0.0));  // the wall clock may be set back
}

void Scheduler::lose(Held& held, std::string_view why) {
  if (std::exchange(held.is_lost, true)) return;
  if (why != kItsJobHasFailed) lease_lost_.add();
  waits_.erase(held.claim.fetch);
  ports_.log.event(Level::warning, "lease_lost",
                   {{"job", held.claim.job_id.text()},
                    {"item", held.claim.key.text()},
                    {"attempt", std::to_string(held.claim.attempts_made + 1)},
                    {"error", std::string(why)}});
}

void Scheduler::log_verdict(const ClaimedFetch& claim, const Verdict& verdict) {
  const auto job = claim.job_id.text();
  const auto& item = claim.key.text();
  const auto attempt = std::to_string(claim.attempts_made + 1);
  if (verdict.kind == Verdict::Kind::put_back) {
    ports_.log.event(Level::info, verdict.event,
                     {{"job", job},
                      {"item", item},
                      {"attempt", attempt},
                      {"delay_ms", std::to_string(verdict.delay.count())},
                      {"error", verdict.error}});
  } else if (verdict.event == "item_failed") {
    const bool whole_job = verdict.kind == Verdict::Kind::fail_jobs;
    ports_.log.event(Level::error, verdict.event,
                     {{"job", job},
                      {"item", item},
                      {"attempt", attempt},
                      {"error", whole_job ? verdict.error : verdict.outcome.error}});
  } else {
    ports_.log.event(Level::info, verdict.event,
                     {{"job", job},
                      {"item", item},
                      {"attempt", attempt},
                      {"rows", std::to_string(verdict.outcome.rows)},
                      {"bytes", std::to_string(verdict.outcome.bytes)}});
  }
}

void Scheduler::store_failed(const Error& error) {
  if (store_trouble_) return;
  store_trouble_ = error.message;
  if (store_trouble_changed_) store_trouble_changed_();
  ports_.log.event(Level::error, "store_unavailable", {{"error", error.message}});
}

void Scheduler::store_answered() {
  if (!store_trouble_) return;
  store_trouble_.reset();
  if (store_trouble_changed_) store_trouble_changed_();
  ports_.log.event(Level::info, "store_back", {});
}

std::chrono::milliseconds Scheduler::backoff(int failures) {
  const Error out{ErrorCode::store_unavailable, {}, {}};
  return next_delay(out, failures, kStoreRetry, luck(ports_.runtime))
      .value_or(kStoreRetry.longest_delay);
}

}  // namespace betedge::jobs
