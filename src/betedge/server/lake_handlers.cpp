#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "betedge/server/answers.hpp"
#include "betedge/server/byte_range.hpp"
#include "betedge/server/handlers.hpp"
#include "betedge/wire/lake.hpp"
#include "betedge/wire/refusal.hpp"
#include "betedge/wire/request.hpp"

namespace betedge::server {

using net::ServerResponse;
using net::SharedBytes;
using wire::ProblemCode;

namespace {

constexpr std::string_view kLakeFailed = "Failed to read the lake";
constexpr std::string_view kVerifyFailed = "Failed to verify the lake";
constexpr std::string_view kManifestFailed = "Failed to write the manifest";

constexpr std::size_t kObjectsPage = 100;
constexpr std::size_t kLongestObjectsPage = 1000;
// How much of an object is held at a time for each who downloads one.
constexpr std::size_t kPiece = std::size_t{256} << 10;

SharedBytes shared(Bytes bytes) {
  auto owner = std::make_shared<const Bytes>(std::move(bytes));
  const ByteView view(*owner);
  return {std::move(owner), view};
}

std::optional<std::string> text_or_none(std::string_view text) {
  return text.empty() ? std::nullopt : std::optional(std::string(text));
}

wire::LakeRoot view_of(const engine::LakeContents::Series& found) {
  const auto& series = found.series;
  wire::LakeRoot view{.kind = std::string(to_text(series.kind)),
                      .root = text_or_none(series.root.text()),
                      .schema = {},
                      .interval = {},
                      .return_format = std::string(to_text(series.format)),
                      .objects = found.objects,
                      .bytes = found.bytes,
                      .rows = found.rows,
                      .first = to_yyyymmdd_text(series.dates.first),
                      .last = to_yyyymmdd_text(series.dates.last)};
  if (series.kind != Kind::earnings) view.schema = std::string(to_text(series.schema));
  if (series.schema != Schema::eod) view.interval = interval_folder(series);
  return view;
}

wire::Coverage view_of(const HistoricalRequest& series, const engine::Coverage& coverage) {
  wire::Coverage view{.kind = std::string(to_text(series.kind)),
                      .root = text_or_none(series.root.text()),
                      .schema = {},
                      .interval_ms = {},
                      .return_format = std::string(to_text(series.format)),
                      .start_date = {},
                      .end_date = {},
                      .counts = coverage.counts,
                      .days = {}};
  if (series.kind != Kind::earnings) view.schema = std::string(to_text(series.schema));
  if (series.schema != Schema::eod) view.interval_ms = series.interval.count();
  if (coverage.dates) {
    view.start_date = to_yyyymmdd_text(coverage.dates->first);
    view.end_date = to_yyyymmdd_text(coverage.dates->last);
  }
  for (const auto& day : coverage.days)
    view.days.push_back(
        {to_yyyymmdd_text(day.date), day.state, coverage.keys[day.object].text(), day.reason});
  return view;
}

engine::CoverageRequest asked_of(const wire::ParsedSeries& parsed) {
  return {.request = parsed.request, .first = parsed.first, .last = parsed.last};
}

std::string etag_text(const ObjectInfo& info) {
  return fmt::format("\"{}\"", info.etag);
}

wire::LakeObjectPage view_of(const engine::LakeListing& listing) {
  wire::LakeObjectPage page{.objects = {}, .next_cursor = listing.next_after};
  for (const auto& object : listing.objects) {
    wire::LakeObject view{.key = object.key.text(),
                          .bytes = object.info.size_bytes,
                          .modified_at = to_iso_text(object.info.modified_at),
                          .etag = etag_text(object.info),
                          .sha256 = {},
                          .rows = {}};
    if (object.recorded) {
      view.sha256 = object.recorded->sha256;
      view.rows = object.recorded->rows;
    }
    page.objects.push_back(std::move(view));
  }
  return page;
}

std::string_view media_type_of(std::string_view key) {
  if (key.ends_with(".parquet")) return "application/vnd.apache.parquet";
  if (key.ends_with(".ipc")) return "application/vnd.apache.arrow.file";
  return "application/octet-stream";  // a manifest, too: part of it is no JSON
}

// What to save it as: all objects of a series have the same last segment.
std::string file_name_of(std::string_view key) {
  std::string name(key);
  std::ranges::replace_if(
      name,
      [](char c) {
        const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                              (c >= '0' && c <= '9') || std::string_view("-._^@").contains(c);
        return !is_plain;
      },
      '-');
  return name;
}

// An object on its way to a client.
struct Download {
  engine::LakeService& lake;
  ObjectKey key;
  ObjectInfo info;
  std::uint64_t offset;
  std::uint64_t left;
};

// The next piece. Pieces are read one by one, so that before the last one goes out it is made sure
// that all were of the same object: written again meanwhile, it is an error, which the client sees
// as a body that is cut off.
Task<Result<SharedBytes>> next_piece(std::shared_ptr<Download> download) {
  auto& [lake, key, info, offset, left] = *download;
  if (left == 0) co_return SharedBytes{};
  const auto length = static_cast<std::size_t>(std::min<std::uint64_t>(left, kPiece));
  BETEDGE_CO_TRY(auto bytes, co_await lake.read(key, offset, length));
  if (bytes.size() != length)
    co_return fail(ErrorCode::storage_failed, key.text() + " is shorter than it was");
  offset += length;
  left -= length;
  if (left == 0) {
    BETEDGE_CO_TRY(const auto now, co_await lake.stat(key));
    if (!now || now->etag != info.etag)
      co_return fail(ErrorCode::storage_failed, key.text() + " was written again meanwhile");
  }
  co_return shared(std::move(bytes));
}

Task<Result<SharedBytes>> next_line(std::shared_ptr<engine::Verification> verification, Log& log) {
  BETEDGE_CO_TRY(const auto line, co_await verification->next());
  if (!line) co_return SharedBytes{};
  if (const auto* end = std::get_if<VerifyEnd>(&*line))
    log.event(Level::info, "verification_ended",
              {{"checked", std::to_string(end->checked)},
               {"sound", std::to_string(end->sound)},
               {"repair_jobs", std::to_string(end->repair_jobs.size())}});
  if (const auto* failure = std::get_if<VerifyFailure>(&*line)) {
    log.event(Level::error, "verification_failed", {{"error", failure->error}});
    // The lake's own words are for the log.
    co_return SharedBytes::of(
        wire::verify_line_json(VerifyFailure{"the verification could not go on"}));
  }
  co_return SharedBytes::of(wire::verify_line_json(*line));
}

Task<Result<SharedBytes>> next_part(std::shared_ptr<engine::ManifestText> text) {
  BETEDGE_CO_TRY(auto part, co_await text->next());
  co_return part.empty() ? SharedBytes{} : SharedBytes::of(std::move(part));
}

}  // namespace

// As failed(), but that a lake which cannot be asked is an outage here.
ServerResponse Handlers::lake_failed(std::string_view sentence, const Call& call,
                                     const Error& error) {
  auto answer = failed("lake_failed", sentence, call, error);
  switch (error.code) {
    case ErrorCode::storage_failed:
    case ErrorCode::storage_full:
    case ErrorCode::storage_denied: break;
    default: return answer;
  }
  answer = problem_answer(ProblemCode::lake_unavailable,
                          fmt::format("{}: the lake is not available", sentence));
  answer.headers.emplace_back("Retry-After", "5");
  return answer;
}

Task<ServerResponse> Handlers::lake_roots(Call& call) {
  if (const auto closed = closed_for(false))
    co_return failed("lake_failed", kLakeFailed, call, *closed);
  const auto contents = co_await lake_.contents();
  if (!contents) co_return lake_failed(kLakeFailed, call, contents.error());
  wire::LakeRoots view{.lake = lake_.name(),
                       .publishes_conditionally = lake_.publishes_conditionally(),
                       .roots = {},
                       .other_objects = contents->other_objects,
                       .other_bytes = contents->other_bytes};
  for (const auto& series : contents->series) view.roots.push_back(view_of(series));
  co_return json_answer(200, wire::roots_json(view));
}

Task<ServerResponse> Handlers::lake_coverage(Call& call) {
  const auto parsed = wire::parse_series(call.request.query, today(), engine::kLongestCoverage);
  if (!parsed) co_return problem_answer(parsed.error());
  if (const auto closed = closed_for(false))
    co_return failed("lake_failed", kLakeFailed, call, *closed);
  const auto coverage = co_await lake_.coverage(asked_of(*parsed));
  if (!coverage) co_return lake_failed(kLakeFailed, call, coverage.error());
  co_return json_answer(200, wire::coverage_json(view_of(parsed->request, *coverage)));
}

Task<ServerResponse> Handlers::fill_lake(Call& call) {
  if (const auto closed = closed_for(true))
    co_return failed("submit_failed", kLakeFailed, call, *closed);
  const auto is_dry = is_dry_run(call);
  if (!is_dry) co_return std::move(is_dry).error();
  auto parsed = wire::parse_fill(call.request.header("content-type").value_or(""),
                                 call.request.body, today(), engine::kLongestCoverage);
  if (!parsed) co_return problem_answer(std::move(parsed).error());
  engine::FillRequest request{.series = asked_of(*parsed),
                              .labels = std::move(parsed->labels),
                              .priority = parsed->priority};
  if (*is_dry) {
    const auto filled = co_await lake_.dry_fill(std::move(request));
    if (!filled) co_return submit_refused(call, filled.error());
    if (!filled->run) co_return json_answer(200, wire::nothing_to_fill_json(filled->counts));
    co_return dry_run_answer(filled->run->first, filled->run->second);
  }
  auto key = take_key(call);
  if (!key) co_return std::move(key).error();
  const auto id = new_job_id();
  auto filled = co_await lake_.fill(std::move(request), id, std::move(parsed->warnings),
                                    std::move(key->idempotency));
  key->in_flight.reset();
  if (!filled) co_return submit_refused(call, std::move(filled).error());
  if (!filled->job) co_return json_answer(200, wire::nothing_to_fill_json(filled->counts));
  auto headers = tell_how(call, *filled->job);
  if (!headers) co_return std::move(headers).error();
  auto answer = accepted_answer(call);
  std::ranges::move(*headers, std::back_inserter(answer.headers));
  co_return answer;
}

Task<ServerResponse> Handlers::verify_lake(Call& call) {
  const auto parsed =
      wire::parse_verify(call.request.header("content-type").value_or(""), call.request.body);
  if (!parsed) co_return problem_answer(parsed.error());
  if (parsed->repair && call.caller.access < Access::submit)
    co_return problem_answer(ProblemCode::forbidden,
                             fmt::format("to repair needs a token with the scope submit; {}'s has "
                                         "{}",
                                         call.caller.client, to_text(call.caller.access)));
  if (const auto closed = closed_for(true))
    co_return failed("lake_failed", kVerifyFailed, call, *closed);
  using Repairs = engine::LakeService::Repairs;
  auto begun = lake_.verify(parsed->prefix, parsed->repair ? Repairs::all : Repairs::nothing,
                            call.request.gone);
  if (!begun)
    co_return problem_answer(ProblemCode::verification_in_progress, begun.error().message);
  std::shared_ptr<engine::Verification> verification = *std::move(begun);
  ServerResponse answer;
  answer.headers = {{"Content-Type", "application/x-ndjson"}, {"Cache-Control", "no-store"}};
  answer.next = [verification = std::move(verification), &log = log_] {
    return next_line(verification, log);
  };
  co_return answer;
}

Task<ServerResponse> Handlers::list_objects(Call& call) {
  auto prefix = wire::parse_prefix(last_of(call.request, "prefix"));
  if (!prefix) co_return problem_answer(std::move(prefix).error());
  const auto limit = wire::parse_limit(last_of(call.request, "limit"));
  if (!limit) co_return problem_answer(limit.error());
  const std::string cursor(last_of(call.request, "cursor").value_or(""));
  if (!cursor.empty() && !ObjectKey::parse(cursor))
    co_return problem_answer(ProblemCode::invalid_cursor, "Invalid cursor");
  if (const auto closed = closed_for(false))
    co_return failed("lake_failed", kLakeFailed, call, *closed);
  const auto page = std::min(limit->value_or(kObjectsPage), kLongestObjectsPage);
  const auto listing = co_await lake_.list(*std::move(prefix), cursor, page);
  if (!listing) co_return lake_failed(kLakeFailed, call, listing.error());
  co_return json_answer(200, wire::object_page_json(view_of(*listing)));
}

Task<ServerResponse> Handlers::get_object(Call& call) {
  const auto absent = [&call] {
    return problem_answer(ProblemCode::object_not_found,
                          fmt::format("Object {} not found", call.parameter));
  };
  auto key = ObjectKey::parse(call.parameter);
  if (!key) co_return absent();
  if (const auto closed = closed_for(false))
    co_return failed("lake_failed", kLakeFailed, call, *closed);
  const auto found = co_await lake_.stat(*key);
  if (!found) co_return lake_failed(kLakeFailed, call, found.error());
  if (!*found) co_return absent();
  const auto& info = **found;
  const auto etag = etag_text(info);

  ServerResponse answer;
  answer.headers = {{"ETag", etag}, {"Cache-Control", "private, no-cache"}};
  if (const auto known = call.request.header("If-None-Match"); known && matches(*known, etag)) {
    answer.status = 304;
    co_return answer;
  }
  // HEAD has no range (RFC 9110, 14.2); of another object than If-Range names, all is sent.
  const auto condition = call.request.header("If-Range");
  const bool is_ranged = call.request.method == "GET" && (!condition || *condition == etag);
  const auto selected =
      select_range(is_ranged ? call.request.header("Range") : std::nullopt, info.size_bytes);
  if (selected.what == Selected::What::nothing) {
    answer = problem_answer(ProblemCode::range_not_satisfiable,
                            fmt::format("{} has {} bytes", call.parameter, info.size_bytes));
    answer.headers.emplace_back("Content-Range", fmt::format("bytes */{}", info.size_bytes));
    co_return answer;
  }
  ByteRange range{0, info.size_bytes};
  if (selected.what == Selected::What::part) {
    range = selected.range;
    answer.status = 206;
    answer.headers.emplace_back("Content-Range",
                                fmt::format("bytes {}-{}/{}", range.offset,
                                            range.offset + range.length - 1, info.size_bytes));
  }
  answer.headers.emplace_back("Accept-Ranges", "bytes");
  answer.headers.emplace_back("Content-Type", media_type_of(key->text()));
  answer.headers.emplace_back(
      "Content-Disposition", fmt::format("attachment; filename=\"{}\"", file_name_of(key->text())));
  // Anybody may have put it there.
  answer.headers.emplace_back("X-Content-Type-Options", "nosniff");
  answer.content_length = range.length;
  auto download = std::make_shared<Download>(
      Download{lake_, *std::move(key), info, range.offset, range.length});
  answer.next = [download = std::move(download)] { return next_piece(download); };
  co_return answer;
}

Task<ServerResponse> Handlers::get_manifest(Call& call) {
  auto job = co_await find_job(call);
  if (!job) co_return std::move(job).error();
  auto text = std::make_shared<engine::ManifestText>(lake_.manifest(*std::move(job)));
  ServerResponse answer;
  answer.headers = {{"Content-Type", "application/json"}, {"Cache-Control", "private, no-cache"}};
  answer.next = [text = std::move(text)] { return next_part(text); };
  co_return answer;
}

Task<ServerResponse> Handlers::put_manifest(Call& call) {
  auto job = co_await find_job(call);
  if (!job) co_return std::move(job).error();
  if (const auto closed = closed_for(true))
    co_return failed("lake_failed", kManifestFailed, call, *closed);
  const auto written = co_await lake_.write_manifest(*std::move(job));
  if (!written && written.error().code == ErrorCode::conflict)
    co_return problem_answer(ProblemCode::conflict, written.error().message);
  if (!written) co_return lake_failed(kManifestFailed, call, written.error());
  auto answer = json_answer(201, wire::manifest_written_json(written->text()));
  answer.headers.emplace_back("Location", wire::object_target(written->text()));
  co_return answer;
}

}  // namespace betedge::server
