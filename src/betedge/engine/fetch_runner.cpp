#include "betedge/engine/fetch_runner.hpp"

#include <fmt/format.h>

#include <utility>

#include "betedge/columnar/object_encoder.hpp"
#include "betedge/core/calls.hpp"
#include "betedge/core/dataset.hpp"
#include "betedge/engine/adoption.hpp"
#include "betedge/engine/freshness.hpp"
#include "betedge/engine/gaps.hpp"
#include "betedge/engine/verification.hpp"
#include "betedge/wire/fetch_spec.hpp"

namespace betedge::engine {

using What = ObjectRecord::What;

struct FetchRunner::Target {
  ClaimedFetch fetch;
  std::optional<wire::FetchSpec> spec{};  // nullopt: it cannot be read, as `result` says
  std::optional<ObjectInfo> found{};      // what lay there when the run began
  std::string note{};                     // of what was looked at
  std::string without_underlying{};       // why its rows are missing
  SteadyTime began{};
  std::optional<Result<FetchOutcome>> result{};  // nullopt: still to be brought

  const PlannedItem& item() const { return spec->item; }
};

namespace {

constexpr std::string_view kNoData = "no_data";
constexpr std::string_view kZeroSeries = "zero_series";

FetchOutcome ended_as(ItemState state) {
  FetchOutcome outcome;
  outcome.state = state;
  return outcome;
}

std::unexpected<Error> stopped() {
  return fail(ErrorCode::cancelled, "asked to stop");
}

void add_note(std::string& notes, std::string_view note) {
  if (!notes.empty() && !note.empty()) notes += "; ";
  notes += note;
}

// The file speaks of its own period, not of the job's: the same object is the same bytes whichever
// job asked for it.
columnar::ObjectSpec object_spec(const wire::FetchSpec& spec, Layout layout) {
  auto request = spec.request;
  request.dates = spec.item.covers;
  request.existing = Existing::keep;
  auto text = wire::to_json(request);
  return {.request = std::move(request),
          .key = spec.item.key,
          .covers = spec.item.covers,
          .source = std::string(upstream_of(spec.request.kind)),
          .request_json = std::move(text),
          .layout = layout};
}

// Whether a smaller call may go better: what came was no data, or the vendor would not have it so.
bool may_be_a_days_fault(ErrorCode code) {
  return code == ErrorCode::upstream_garbled || code == ErrorCode::upstream_refused ||
         code == ErrorCode::upstream_too_large;
}

}  // namespace

Task<std::vector<Result<FetchOutcome>>> FetchRunner::run(std::vector<ClaimedFetch> batch,
                                                         std::stop_token stop) {
  std::vector<Target> targets;
  targets.reserve(batch.size());
  for (auto& fetch : batch)
    targets.push_back({.fetch = std::move(fetch), .began = ports_.runtime.steady_now()});
  std::vector<Target*> left;
  for (auto& target : targets) {
    if (stop.stop_requested()) {
      target.result = stopped();
      continue;
    }
    if (auto looked = co_await look_at(target, stop); !looked)
      target.result = std::unexpected(std::move(looked).error());
    if (!target.result) left.push_back(&target);
  }
  if (!left.empty()) co_await bring(left, std::move(stop));

  std::vector<Result<FetchOutcome>> results;
  for (auto& target : targets) results.push_back(*std::move(target.result));
  co_return results;
}

// What lies there, and whether it will do.
Task<Result<void>> FetchRunner::look_at(Target& target, std::stop_token stop) {
  BETEDGE_CO_TRY(target.spec, wire::fetch_spec_from_json(target.fetch.spec_json));
  const auto mode = target.spec->request.existing;
  BETEDGE_CO_TRY(target.found, co_await ports_.lake.stat(target.item().key));
  if (mode == Existing::replace) co_return Result<void>{};
  BETEDGE_CO_TRY(const auto recorded, co_await ports_.jobs.find_object(target.item().key));
  const auto standing = standing_of(target.found, recorded, target.item().covers,
                                    layout_of(target.spec->request.kind, layout_));
  if (!is_kept(mode, standing)) co_return Result<void>{};
  if (standing == Standing::unrecorded)
    co_return co_await adopt(target, *target.found, std::move(stop));
  auto outcome = ended_as(ItemState::skipped);
  if (standing == Standing::no_data) {
    outcome.state = ItemState::no_data;
    outcome.note = note_of_no_data(*recorded);
  }
  target.result = std::move(outcome);
  co_return Result<void>{};
}

// An object of an older lake, or somebody else's: read once, and known from then on. What cannot be
// read, or is not what its key says, is downloaded again.
Task<Result<void>> FetchRunner::adopt(Target& target, ObjectInfo found, std::stop_token stop) {
  const auto& item = target.item();
  auto key = item.key;
  BETEDGE_CO_TRY(const auto read, co_await read_object(ports_.runtime, ports_.lake, std::move(key),
                                                       std::move(stop)));
  if (const auto finding = finding_of(item.key, read, std::nullopt);
      finding && finding->verdict != Verdict::unknown) {
    target.note = fmt::format("what lay there was {} and was downloaded again: {}",
                              to_text(finding->verdict), finding->detail);
    co_return Result<void>{};
  }
  auto record = adopted_record(item.key, read, found, ports_.runtime.wall_now());
  const auto standing =
      standing_of(found, record, item.covers, layout_of(target.spec->request.kind, layout_));
  if (!is_kept(target.spec->request.existing, standing)) co_return Result<void>{};
  auto outcome = ended_as(ItemState::skipped);
  outcome.note = fmt::format("adopted: {} rows", record.rows);
  if (!record.missing_sessions.empty())
    add_note(outcome.note, note_of_gaps(item.covers, read.days));
  outcome.object = std::move(record);
  target.result = std::move(outcome);
  co_return Result<void>{};
}

Task<void> FetchRunner::bring(Targets targets, std::stop_token stop) {
  if (stop.stop_requested()) {
    fail_all(targets, stopped().error());
  } else if (targets.size() == 1) {
    co_await bring_alone(*targets.front(), std::move(stop));
  } else {
    co_await bring_together(targets, std::move(stop));
  }
}

// By one call over all of their days.
Task<void> FetchRunner::bring_together(Targets targets, std::stop_token stop) {
  std::vector<Call> each;
  for (const auto* target : targets)
    each.insert(each.end(), target->item().calls.begin(), target->item().calls.end());
  const auto call = joined(each);
  if (!call) {  // of no one request: nobody batches such
    for (auto* target : targets) co_await bring({&target, 1}, stop);
    co_return;
  }

  auto opened = drafts_of(targets);
  if (!opened) co_return fail_all(targets, opened.error());
  auto drafts = *std::move(opened);
  const auto brought = co_await calls_.bring(*call, *drafts, stop);
  if (!brought) {
    drafts.reset();
    if (!may_be_a_days_fault(brought.error().code)) co_return fail_all(targets, brought.error());
    const auto half = targets.size() / 2;
    co_await bring(targets.first(half), stop);
    co_await bring(targets.subspan(half), stop);
    co_return;
  }
  std::vector<Target*> without_rows;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    auto& target = *targets[i];
    if (*brought == CallRunner::Data::some && drafts->rows(i) == 0) {
      without_rows.push_back(&target);
    } else {
      target.result = co_await publish(target, *drafts, i, targets.size(), stop);
    }
  }
  drafts.reset();
  for (auto* target : without_rows) co_await bring({&target, 1}, stop);
}

void FetchRunner::fail_all(Targets targets, const Error& error) {
  for (auto* target : targets) target->result = std::unexpected(error);
}

Task<void> FetchRunner::bring_alone(Target& target, std::stop_token stop) {
  Target* const only = &target;
  auto opened = drafts_of({&only, 1});
  if (!opened) {
    target.result = std::unexpected(std::move(opened).error());
    co_return;
  }
  if (auto brought = co_await bring_calls(target, **opened, stop); !brought) {
    target.result = std::unexpected(std::move(brought).error());
    co_return;
  }
  target.result = co_await publish(target, **opened, 0, 1, std::move(stop));
}

// All calls of one object. A month's chain is asked for at once where the vendor takes that.
Task<Result<void>> FetchRunner::bring_calls(Target& target, Drafts& drafts, std::stop_token stop) {
  using Data = CallRunner::Data;
  const auto& calls = target.item().calls;
  const bool is_chain_eod =
      calls.front().kind == Kind::option && calls.front().schema == Schema::eod;
  if (const auto all = is_chain_eod ? joined(calls) : std::nullopt;
      all && ports_.source.takes_spans(*all)) {
    auto brought = co_await calls_.bring(*all, drafts, stop);
    if (brought) co_return Result<void>{};
    const bool learnt_better =
        may_be_a_days_fault(brought.error().code) && !ports_.source.takes_spans(*all);
    if (!learnt_better) co_return std::unexpected(std::move(brought).error());
  }
  for (const auto& call : calls) {
    auto brought = co_await calls_.bring(call, drafts, stop);
    if (call.role == Role::underlying) {
      // Only what is not in the subscription: any other refusal would leave a file without them
      // for good (DESIGN.md 10).
      if (!brought && brought.error().code != ErrorCode::upstream_denied)
        co_return std::unexpected(std::move(brought).error());
      if (!brought) target.without_underlying = brought.error().message;
      if (brought && *brought == Data::none)
        target.without_underlying = "the vendor has no data for it";
      continue;
    }
    if (!brought) co_return std::unexpected(std::move(brought).error());
    // No option that day: the underlying alone is no chain.
    if (*brought == Data::none && call.schema != Schema::eod) break;
  }
  co_return Result<void>{};
}

// One object whose rows have all come, or that has none.
Task<Result<FetchOutcome>> FetchRunner::publish(Target& target, Drafts& drafts, std::size_t object,
                                                std::size_t objects_of_the_call,
                                                std::stop_token stop) {
  if (stop.stop_requested()) co_return stopped();
  const auto& item = target.item();
  if (drafts.rows(object) == 0) co_return no_data(target, std::string(kNoData), {});
  BETEDGE_CO_TRY(const auto summary, co_await drafts.finish(object));
  if (summary.is_zero_series) {
    const auto what = fmt::format("every price of its {} rows is zero", summary.rows);
    if (may_be_late(ports_.runtime.wall_now(), item.covers.last))
      co_return fail(ErrorCode::upstream_garbled,
                     what + ", and its last session has just ended: the vendor may be late");
    co_return no_data(target, std::string(kZeroSeries), what);
  }

  // Last thing before the publish: is the fetch still ours? The window that is left is the commit's
  // own duration, against a lease that has just been renewed.
  BETEDGE_CO_TRY_VOID(co_await ports_.jobs.renew(target.fetch.fetch, target.fetch.fence, lease_));
  if (stop.stop_requested()) co_return stopped();
  BETEDGE_CO_TRY_VOID(co_await drafts.publish(object));

  // A day on which nobody reports earnings is no gap.
  const bool has_gaps = target.spec->request.kind != Kind::earnings;
  auto missing = has_gaps ? missing_sessions(item.covers, summary.days) : std::vector<Date>();
  count(target, summary, missing.size());

  auto outcome = ended_as(ItemState::succeeded);
  outcome.rows = summary.rows;
  outcome.bytes = summary.size_bytes;
  outcome.sha256 = summary.sha256;
  outcome.is_incomplete = !missing.empty() || !target.without_underlying.empty();
  outcome.note = target.note;
  if (has_gaps) add_note(outcome.note, note_of_gaps(item.covers, summary.days));
  if (!target.without_underlying.empty())
    add_note(outcome.note, "without the underlying's rows: " + target.without_underlying);
  if (summary.conflicting_rows > 0)
    add_note(outcome.note, fmt::format("{} rows stand beside another of their symbol and day",
                                       summary.conflicting_rows));
  for (const auto& [rule, rows] : summary.rules)
    add_note(outcome.note, fmt::format("{}: {} rows", rule, rows));
  const auto took = (ports_.runtime.steady_now() - target.began) / objects_of_the_call;
  outcome.object = ObjectRecord{.key = item.key,
                                .size_bytes = summary.size_bytes,
                                .rows = summary.rows,
                                .sha256 = summary.sha256,
                                .covers_through = item.covers.last,
                                .schema_version = kSchemaVersion,
                                .written_at = ports_.runtime.wall_now(),
                                .took = std::chrono::ceil<std::chrono::milliseconds>(took),
                                .layout = layout_of(target.spec->request.kind, layout_),
                                .missing_sessions = std::move(missing)};
  co_return outcome;
}

Result<std::unique_ptr<Drafts>> FetchRunner::drafts_of(Targets targets) {
  std::vector<Drafts::Object> objects;
  for (const auto* target : targets)
    objects.push_back({object_spec(*target->spec, layout_), Expected::as_found(target->found)});
  return Drafts::open(ports_.runtime, ports_.lake, ports_.memory, std::move(objects));
}

// A fact to be remembered, unless something lies there: then that, and what is known of it, stays.
FetchOutcome FetchRunner::no_data(const Target& target, std::string reason, std::string note) {
  auto outcome = ended_as(ItemState::no_data);
  outcome.note = target.note;
  add_note(outcome.note, note);
  if (target.found) {
    add_note(outcome.note, "what was published before stays");
    return outcome;
  }
  outcome.object = ObjectRecord{.key = target.item().key,
                                .what = What::no_data,
                                .sha256 = {},
                                .covers_through = target.item().covers.last,
                                .written_at = ports_.runtime.wall_now(),
                                .layout = layout_of(target.spec->request.kind, layout_),
                                .reason = std::move(reason)};
  return outcome;
}

void FetchRunner::count(const Target& target, const columnar::FileSummary& summary,
                        std::size_t missing) {
  const auto dataset = dataset_of(target.item().key);
  if (missing > 0)
    ports_.metrics.counter(Metric::sessions_missing, {dataset}).add(static_cast<double>(missing));
  if (!target.without_underlying.empty())
    ports_.metrics.counter(Metric::underlying_missing, {dataset}).add();
  for (const auto& [rule, rows] : summary.rules)
    ports_.metrics.counter(Metric::rule_rows, {dataset, rule}).add(static_cast<double>(rows));
}

}  // namespace betedge::engine
