#include "betedge/engine/lake_service.hpp"

#include <fmt/format.h>

#include <map>
#include <utility>

#include "betedge/core/object_key.hpp"
#include "betedge/wire/request.hpp"

namespace betedge::engine {

namespace {

// Two fills of the same text want the same, whatever the gaps are when they come.
std::string fingerprint_of(const FillRequest& request) {
  Submission asked{
      .requests = {request.series.request}, .labels = request.labels, .priority = request.priority};
  const auto text = [](std::optional<Date> day) {
    return day ? to_yyyymmdd_text(*day) : std::string("-");
  };
  const auto first = text(request.series.first), last = text(request.series.last);
  asked.requests.front().dates = {Date{}, Date{}};
  return fmt::format("fill {} {} {}", first, last, wire::to_json(asked));
}

std::string message_of(const DataProcessingService::SubmitFailure& failure) {
  if (const auto* rejection = std::get_if<Rejection>(&failure)) return rejection->message;
  if (const auto* full = std::get_if<QueueFull>(&failure)) return full->message;
  return std::get<Error>(failure).message;
}

}  // namespace

LakeService::LakeService(Ports ports, Layout layout) : ports_(ports), layout_(layout) {}

Layout LakeService::layout_of(Kind kind) const {
  return core::layout_of(kind, layout_);
}

Task<Result<LakeContents>> LakeService::contents() {
  LakeContents contents;
  std::map<std::string, LakeContents::Series> by_series;
  LakeWalk walk(ports_.jobs, ports_.lake, "");
  while (true) {
    BETEDGE_CO_TRY(const auto entry, co_await walk.next());
    if (!entry) break;
    const auto facts = facts_of(entry->key);
    if (!facts) {
      if (entry->found) {
        ++contents.other_objects;
        contents.other_bytes += entry->found->size_bytes;
      }
      continue;
    }
    auto name = series_prefix(*facts) + std::string(to_text(facts->format));
    auto& series =
        by_series.try_emplace(std::move(name), LakeContents::Series{*facts}).first->second;
    series.series.dates.last = facts->dates.last;
    // Asked for, and nothing came of it: the series has a row in every view all the same.
    if (!entry->found) continue;
    ++series.objects;
    series.bytes += entry->found->size_bytes;
    const auto& recorded = entry->recorded;
    const bool is_known = recorded && recorded->what != ObjectRecord::What::no_data &&
                          recorded->size_bytes == entry->found->size_bytes;
    if (!is_known)
      series.rows.reset();
    else if (series.rows)
      *series.rows += recorded->rows;
  }
  for (auto& [name, series] : by_series) contents.series.push_back(std::move(series));
  co_return contents;
}

Task<Result<Coverage>> LakeService::coverage(CoverageRequest asked) {
  const auto layout = layout_of(asked.request.kind);
  co_return co_await coverage_of(ports_.jobs, ports_.lake, std::move(asked), today(), layout);
}

// The submission that fills the gaps; nullopt when there are none.
Task<std::expected<std::optional<Submission>, LakeService::SubmitFailure>> LakeService::gaps_of(
    FillRequest request, DayCounts& counts) {
  using Failed = std::unexpected<SubmitFailure>;
  auto found = co_await coverage(request.series);
  if (!found) co_return Failed(std::move(found).error());
  if (!found->dates)
    co_return Failed(
        Rejection{"start_date", "nothing is known of this series yet: say where it begins"});
  counts = found->counts;
  if (found->gaps.empty()) co_return std::nullopt;
  Submission submission{.requests = {std::move(request.series.request)},
                        .labels = std::move(request.labels),
                        .priority = request.priority,
                        .only = std::move(found->gaps)};
  auto& series = submission.requests.front();
  series.dates = *found->dates;
  series.existing = Existing::keep;
  co_return std::optional(std::move(submission));
}

Task<std::expected<Filled, LakeService::SubmitFailure>> LakeService::fill(
    FillRequest request, JobId id, std::vector<std::string> warnings,
    std::optional<IdempotencyKey> idempotency) {
  using Failed = std::unexpected<SubmitFailure>;
  if (idempotency) {
    idempotency->fingerprint = fingerprint_of(request);
    NewJob asked;
    asked.job_id = id;
    asked.idempotency = idempotency;
    asked.may_be_made = false;
    auto known = co_await ports_.jobs.create_job(std::move(asked));
    if (!known) co_return Failed(std::move(known).error());
    if (known->how != CreatedJob::How::not_made) co_return Filled{*std::move(known)};
  }
  Filled filled;
  auto submission = co_await gaps_of(std::move(request), filled.counts);
  if (!submission) co_return Failed(std::move(submission).error());
  if (!*submission) co_return filled;
  auto created = co_await ports_.service.process_request(
      **std::move(submission), id, std::move(warnings), std::move(idempotency));
  if (!created) co_return Failed(std::move(created).error());
  filled.job = *std::move(created);
  co_return filled;
}

Task<std::expected<DryFill, LakeService::SubmitFailure>> LakeService::dry_fill(
    FillRequest request) {
  using Failed = std::unexpected<SubmitFailure>;
  DryFill filled;
  auto submission = co_await gaps_of(std::move(request), filled.counts);
  if (!submission) co_return Failed(std::move(submission).error());
  if (!*submission) co_return filled;
  auto run = co_await ports_.service.dry_run(**submission);
  if (!run) co_return Failed(std::move(run).error());
  filled.run.emplace(**std::move(submission), *std::move(run));
  co_return filled;
}

Result<std::unique_ptr<Verification>> LakeService::verify(std::string prefix, Repairs repairs,
                                                          std::stop_token stop) {
  if (is_verifying_)
    return fail(ErrorCode::conflict, "a verification is going on already: wait until it has ended");
  is_verifying_ = true;
  ports_.log.event(Level::info, "verification_started",
                   {{"prefix", prefix}, {"repair", repairs == Repairs::all ? "true" : "false"}});
  Verification::Options options{.prefix = std::move(prefix)};
  options.ended = [this] { is_verifying_ = false; };
  if (repairs == Repairs::all)
    options.repair = [this](Submission submission) { return repair(std::move(submission)); };
  return std::make_unique<Verification>(
      Verification::Ports{ports_.runtime, ports_.jobs, ports_.lake}, std::move(options),
      std::move(stop));
}

Task<Result<std::string>> LakeService::repair(Submission submission) {
  const auto id = JobId::make(ports_.runtime.wall_now(),
                              {ports_.runtime.random_bits(), ports_.runtime.random_bits()});
  auto created =
      co_await ports_.service.process_request(std::move(submission), id, {}, std::nullopt);
  if (!created) co_return fail(ErrorCode::internal, message_of(created.error()));
  co_return created->job.job_id.text();
}

Task<Result<LakeListing>> LakeService::list(std::string prefix, std::string after,
                                            std::size_t limit) {
  LakeListing listing;
  // One more, which tells whether there are more.
  LakeWalk walk(ports_.jobs, ports_.lake, std::move(prefix), std::move(after),
                std::min<std::size_t>(limit + 1, 1000));
  while (true) {
    BETEDGE_CO_TRY(auto entry, co_await walk.next());
    if (!entry) co_return listing;
    if (!entry->found) continue;
    if (listing.objects.size() == limit) {
      listing.next_after = listing.objects.back().key.text();
      co_return listing;
    }
    auto& recorded = entry->recorded;
    const bool is_of_it = recorded && recorded->what != ObjectRecord::What::no_data &&
                          recorded->size_bytes == entry->found->size_bytes;
    if (!is_of_it) recorded.reset();
    listing.objects.push_back(
        {std::move(entry->key), *std::move(entry->found), std::move(recorded)});
  }
}

Task<Result<std::optional<ObjectInfo>>> LakeService::stat(ObjectKey key) {
  auto found = co_await ports_.lake.stat(key);
  // The store's own folder is no object's.
  if (!found && found.error().code == ErrorCode::invalid_request) co_return std::nullopt;
  if (found) co_return found;
  // A folder of a lake that is one cannot be read as an object, and is none: a listing tells it
  // from an outage.
  auto listed = co_await ports_.lake.list(key.text(), "", 1);
  if (!listed) co_return found;
  const bool is_there = !listed->objects.empty() && listed->objects.front().key == key;
  if (is_there) co_return found;
  co_return std::nullopt;
}

Task<Result<Bytes>> LakeService::read(ObjectKey key, std::uint64_t offset, std::size_t length) {
  co_return co_await ports_.lake.read(std::move(key), offset, length);
}

Task<Result<ObjectKey>> LakeService::write_manifest(JobInfo job) {
  if (!has_ended(job.status))
    co_return fail(
        ErrorCode::conflict,
        fmt::format("job {} has not ended: its manifest would not be whole", job.job_id.text()));
  auto key = manifest_key(job.job_id);
  ManifestText text(ports_.jobs, std::move(job));
  BETEDGE_CO_TRY(auto writer, co_await ports_.lake.create(key));
  while (true) {
    BETEDGE_CO_TRY(const auto part, co_await text.next());
    if (part.empty()) break;
    const auto view = as_bytes(part);
    Bytes bytes(view.begin(), view.end());
    BETEDGE_CO_TRY_VOID(co_await writer->write(std::move(bytes)));
  }
  BETEDGE_CO_TRY_VOID(co_await writer->commit());
  ports_.log.event(Level::info, "manifest_written", {{"key", key.text()}});
  co_return key;
}

}  // namespace betedge::engine
