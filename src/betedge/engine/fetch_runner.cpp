#include "betedge/engine/fetch_runner.hpp"

#include <fmt/format.h>

#include <utility>

#include "betedge/columnar/object_encoder.hpp"
#include "betedge/core/dataset.hpp"
#include "betedge/engine/freshness.hpp"
#include "betedge/engine/gaps.hpp"
#include "betedge/wire/fetch_spec.hpp"

namespace betedge::engine {

// What one run of a fetch holds.
struct FetchRunner::Work {
  SteadyTime began;
  ClaimedFetch fetch;
  wire::FetchSpec spec;
  std::stop_token stop;
  MemoryBudget::Share memory;
  std::unique_ptr<columnar::ObjectEncoder> encoder;
  std::unique_ptr<ObjectWriter> writer;  // made with the first output
  std::string without_underlying{};      // why its rows are missing
};

namespace {

std::unexpected<Error> stopped() {
  return fail(ErrorCode::cancelled, "asked to stop");
}

// The file speaks of its own period, not of the job's: the same object is the same bytes whichever
// job asked for it.
columnar::ObjectSpec object_spec(const wire::FetchSpec& spec, PriceType price_type) {
  auto request = spec.request;
  request.dates = spec.item.covers;
  request.existing = Existing::keep;
  auto text = wire::to_json(request);
  return {std::move(request), spec.item.key,
          spec.item.covers,   std::string(upstream_of(spec.request.kind)),
          std::move(text),    price_type};
}

}  // namespace

Task<Result<FetchOutcome>> FetchRunner::run(ClaimedFetch fetch, std::stop_token stop) {
  BETEDGE_CO_TRY(auto spec, wire::fetch_spec_from_json(fetch.spec_json));
  if (spec.request.existing != Existing::replace) {
    BETEDGE_CO_TRY(const auto found, co_await ports_.lake.stat(spec.item.key));
    BETEDGE_CO_TRY(const auto recorded, co_await ports_.jobs.find_object(spec.item.key));
    const Layout layout{.price_type = price_type_of(spec.request.kind, price_type_)};
    const auto standing = standing_of(found, recorded, spec.item.covers, layout);
    if (is_kept(spec.request.existing, standing)) {
      FetchOutcome outcome;
      outcome.state = standing == Standing::no_data ? ItemState::no_data : ItemState::skipped;
      co_return outcome;
    }
  }
  Work work{ports_.runtime.steady_now(),        std::move(fetch), std::move(spec), std::move(stop),
            MemoryBudget::Share(ports_.memory), nullptr,          nullptr};
  co_return co_await download(work);
}

// A day on which nobody reports earnings is no gap.
std::size_t FetchRunner::sessions_missing(const Work& work, std::span<const Date> days) {
  if (work.spec.request.kind == Kind::earnings) return 0;
  return missing_sessions(work.spec.item.covers, days);
}

// What is missing inside an object that is there otherwise: said with the item, never silent.
std::string FetchRunner::note_of(const Work& work, std::span<const Date> days) {
  std::string note;
  if (sessions_missing(work, days) > 0) note = note_of_gaps(work.spec.item.covers, days);
  if (!work.without_underlying.empty()) {
    if (!note.empty()) note += "; ";
    note += "without the underlying's rows: " + work.without_underlying;
  }
  return note;
}

void FetchRunner::count_what_is_missing(const Work& work, std::span<const Date> days) {
  const auto dataset = dataset_of(work.spec.item.key);
  if (const auto missing = sessions_missing(work, days); missing > 0)
    ports_.metrics.counter(Metric::sessions_missing, {dataset}).add(static_cast<double>(missing));
  if (!work.without_underlying.empty())
    ports_.metrics.counter(Metric::underlying_missing, {dataset}).add();
}

Task<Result<FetchOutcome>> FetchRunner::download(Work& work) {
  BETEDGE_CO_TRY(work.encoder, columnar::ObjectEncoder::open(object_spec(work.spec, price_type_)));
  for (const auto& call : work.spec.item.calls) {
    BETEDGE_CO_TRY(const auto data, co_await take_answer(work, call));
    if (data == Data::some || call.role == Role::underlying) continue;
    if (call.schema != Schema::eod) break;  // no option that day: the underlying alone is no chain
  }
  if (work.encoder->rows() == 0) {
    FetchOutcome outcome;
    outcome.state = ItemState::no_data;
    co_return outcome;
  }

  auto finish = [&work] {
    auto summary = work.encoder->finish();
    return std::pair(std::move(summary), work.encoder->take_output());
  };
  auto [summary, last_output] = co_await run_blocking(ports_.runtime, Pool::cpu, std::move(finish));
  if (!summary) co_return std::unexpected(std::move(summary).error());
  BETEDGE_CO_TRY_VOID(co_await write_output(work, std::move(last_output)));

  // Last thing before the publish: is the fetch still ours? The window that is left is the commit's
  // own duration, against a lease that has just been renewed.
  BETEDGE_CO_TRY_VOID(co_await ports_.jobs.renew(work.fetch.fetch, work.fetch.fence, lease_));
  if (work.stop.stop_requested()) co_return stopped();
  BETEDGE_CO_TRY_VOID(co_await work.writer->commit());
  count_what_is_missing(work, summary->days);

  FetchOutcome outcome;
  outcome.state = ItemState::succeeded;
  outcome.rows = summary->rows;
  outcome.bytes = summary->size_bytes;
  outcome.sha256 = summary->sha256;
  outcome.note = note_of(work, summary->days);
  if (summary->conflicting_rows > 0) {
    if (!outcome.note.empty()) outcome.note += "; ";
    outcome.note += fmt::format("{} rows stand beside another of their symbol and day",
                                summary->conflicting_rows);
  }
  outcome.object = ObjectRecord{
      .key = work.spec.item.key,
      .size_bytes = summary->size_bytes,
      .rows = summary->rows,
      .sha256 = summary->sha256,
      .covers_through = work.spec.item.covers.last,
      .schema_version = kSchemaVersion,
      .written_at = ports_.runtime.wall_now(),
      .took =
          std::chrono::ceil<std::chrono::milliseconds>(ports_.runtime.steady_now() - work.began),
      .layout = {.price_type = price_type_of(work.spec.request.kind, price_type_)}};
  co_return outcome;
}

// One call's rows into the encoder. `none` when the vendor has no data for it, and, for an
// underlying, also when this account may not see it: the option's rows then stand alone, and the
// item says so (DESIGN.md 10).
Task<Result<FetchRunner::Data>> FetchRunner::take_answer(Work& work, Call call) {
  auto opened = co_await ports_.source.open(call, work.stop);
  if (!opened) {
    ports_.upstream.failed(opened.error());
    // Only what is not in the subscription: any other refusal would leave a file without them for
    // good.
    const bool goes_on_without =
        call.role == Role::underlying && opened.error().code == ErrorCode::upstream_denied;
    if (!goes_on_without) co_return std::unexpected(std::move(opened).error());
    work.without_underlying = opened.error().message;
    co_return Data::none;
  }
  if (!*opened) {
    ports_.upstream.succeeded();
    if (call.role == Role::underlying) {
      work.without_underlying = "the vendor has no data for it";
    }
    co_return Data::none;
  }
  auto answer = *std::move(*opened);

  BETEDGE_CO_TRY_VOID(work.encoder->begin_answer(call, answer->format()));
  while (true) {
    const bool may_go_on = co_await work.memory.admit(work.stop);
    if (!may_go_on) co_return stopped();
    auto next = co_await answer->next();
    if (!next) {
      ports_.upstream.failed(next.error());
      co_return std::unexpected(std::move(next).error());
    }
    if (!*next) break;
    auto chunk = **std::move(next);
    work.memory.holds({.download = chunk.bytes.size(), .decode = work.encoder->memory_bytes()});
    auto decode = [encoder = work.encoder.get(), chunk = std::move(chunk)]() -> Result<Bytes> {
      if (chunk.begins_document) BETEDGE_TRY_VOID(encoder->begin_document());
      BETEDGE_TRY_VOID(encoder->feed(chunk.bytes));
      return encoder->take_output();
    };
    auto decoded = co_await run_blocking(ports_.runtime, Pool::cpu, std::move(decode));
    if (!decoded) co_return std::unexpected(std::move(decoded).error());
    work.memory.holds({.decode = work.encoder->memory_bytes(), .encode = decoded->size()});
    BETEDGE_CO_TRY_VOID(co_await write_output(work, *std::move(decoded)));
    work.memory.holds({.decode = work.encoder->memory_bytes()});
  }
  ports_.upstream.succeeded();
  auto end = [encoder = work.encoder.get()] { return encoder->end_answer(); };
  BETEDGE_CO_TRY_VOID(co_await run_blocking(ports_.runtime, Pool::cpu, std::move(end)));
  co_return Data::some;
}

Task<Result<void>> FetchRunner::write_output(Work& work, Bytes output) {
  if (output.empty()) co_return Result<void>{};
  if (!work.writer) {
    BETEDGE_CO_TRY(work.writer, co_await ports_.lake.create(work.spec.item.key));
  }
  co_return co_await work.writer->write(std::move(output));
}

}  // namespace betedge::engine
