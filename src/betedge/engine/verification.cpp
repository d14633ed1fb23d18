#include "betedge/engine/verification.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "betedge/columnar/file_metadata.hpp"
#include "betedge/core/object_key.hpp"
#include "betedge/engine/adoption.hpp"

namespace betedge::engine {

namespace {

// How often an object that changes while it is read is read again before it is left alone.
constexpr int kMostLooks = 3;

bool is_of_an_object(const std::optional<ObjectRecord>& recorded) {
  return recorded && recorded->what != ObjectRecord::What::no_data;
}

// Whether what was known of a key is what is known of it now.
bool is_same(const LakeEntry& before, const LakeEntry& now) {
  const auto etag = [](const LakeEntry& entry) {
    return entry.found ? std::optional(entry.found->etag) : std::nullopt;
  };
  const auto record = [](const LakeEntry& entry) {
    return is_of_an_object(entry.recorded)
               ? std::optional(std::pair(entry.recorded->sha256, entry.recorded->written_at))
               : std::nullopt;
  };
  return etag(before) == etag(now) && record(before) == record(now);
}

const std::string* said_of(const columnar::FileFacts& facts, std::string_view name) {
  const auto found = facts.metadata.find(std::string(name));
  return found == facts.metadata.end() ? nullptr : &found->second;
}

// In what a readable file differs from what it says of itself.
std::optional<Finding> differs_from_itself(const ObjectKey& key, const ObjectReading& read) {
  const auto& facts = *read.facts;
  if (const auto* own = said_of(facts, columnar::metadata::kKey); own && *own != key.text())
    return Finding{Verdict::foreign, fmt::format("the file says that it is {}", *own)};
  if (const auto* rows = said_of(facts, columnar::metadata::kRows);
      rows && *rows != std::to_string(facts.rows))
    return Finding{Verdict::changed,
                   fmt::format("{} rows, and the file says that it has {}", facts.rows, *rows)};
  if (const auto* digest = said_of(facts, columnar::metadata::kDigest);
      digest && *digest != *read.digest)
    return Finding{Verdict::changed,
                   "the digest of its values is not the one that the file says it has"};
  return std::nullopt;
}

std::optional<Finding> differs_from_record(const ObjectReading& read,
                                           const ObjectRecord& recorded) {
  if (read.size_bytes != recorded.size_bytes)
    return Finding{Verdict::changed, fmt::format("{} bytes, and {} were recorded", read.size_bytes,
                                                 recorded.size_bytes)};
  if (read.facts->rows != recorded.rows)
    return Finding{Verdict::changed,
                   fmt::format("{} rows, and {} were recorded", read.facts->rows, recorded.rows)};
  if (!recorded.sha256.empty() && read.sha256 != recorded.sha256)
    return Finding{Verdict::changed, fmt::format("its SHA-256 is {}, and {} was recorded",
                                                 read.sha256, recorded.sha256)};
  return std::nullopt;
}

}  // namespace

std::optional<Finding> finding_of(const ObjectKey& key, const ObjectReading& read,
                                  const std::optional<ObjectRecord>& recorded) {
  if (!read.facts) return Finding{Verdict::torn, read.facts.error().message};
  if (const auto named = facts_of(key); named && named->format != read.facts->format)
    return Finding{Verdict::torn, fmt::format("it is a file of format {}, not {}",
                                              to_text(read.facts->format), to_text(named->format))};
  if (!read.digest) return Finding{Verdict::torn, read.digest.error().message};
  if (auto found = differs_from_itself(key, read)) return found;
  if (!is_of_an_object(recorded))
    return Finding{Verdict::unknown, fmt::format("nobody recorded it; it is in order, with {} rows",
                                                 read.facts->rows)};
  return differs_from_record(read, *recorded);
}

Verification::Verification(Ports ports, Options options, std::stop_token stop)
    : ports_(ports),
      options_(std::move(options)),
      stop_(std::move(stop)),
      walk_(ports_.jobs, ports_.lake, options_.prefix),
      last_line_(ports_.runtime.steady_now()) {}

Verification::~Verification() {
  if (options_.ended) options_.ended();
}

Task<Result<std::optional<VerifyLine>>> Verification::next() {
  if (has_ended_) co_return std::nullopt;
  auto line = co_await go_on();
  if (!line && line.error().code == ErrorCode::cancelled)
    co_return std::unexpected(std::move(line).error());
  if (!line) {
    has_ended_ = true;
    co_return VerifyLine(VerifyFailure{line.error().message});
  }
  last_line_ = ports_.runtime.steady_now();
  co_return *std::move(line);
}

Task<Result<std::optional<VerifyLine>>> Verification::go_on() {
  while (true) {
    if (stop_.stop_requested()) co_return fail(ErrorCode::cancelled, "asked to stop");
    BETEDGE_CO_TRY(auto entry, co_await walk_.next());
    if (!entry) {
      BETEDGE_CO_TRY(auto last, co_await end());
      has_ended_ = true;
      co_return last;
    }
    if (!entry->found && !is_of_an_object(entry->recorded)) continue;
    if (!facts_of(entry->key)) continue;
    const auto key = entry->key;
    BETEDGE_CO_TRY(auto finding, co_await check(*std::move(entry)));
    ++told_.checked;
    if (finding) {
      ++told_.differences.of(finding->verdict);
      if (finding->verdict != Verdict::unknown) note_for_repair(key);
      co_return VerifyLine(Difference{key.text(), finding->verdict, std::move(finding->detail)});
    }
    ++told_.sound;
    if (ports_.runtime.steady_now() - last_line_ >= options_.silence)
      co_return VerifyLine(VerifyProgress{told_.checked});
  }
}

// As often as it changes meanwhile; one that changes all the time is being written, and is left to
// the next verification.
Task<Result<std::optional<Finding>>> Verification::check(LakeEntry entry) {
  for (int looks = 0; looks < kMostLooks; ++looks) {
    std::optional<Finding> finding;
    std::optional<ObjectReading> read;
    if (!entry.found) {
      if (!is_of_an_object(entry.recorded)) co_return std::nullopt;
      finding = Finding{Verdict::missing, "recorded, and not there"};
    } else {
      auto inspected = co_await read_object(ports_.runtime, ports_.lake, entry.key, stop_);
      if (inspected) {
        read = *std::move(inspected);
        finding = finding_of(entry.key, *read, entry.recorded);
        if (!finding) co_return std::nullopt;
      } else if (inspected.error().code != ErrorCode::not_found) {
        co_return std::unexpected(std::move(inspected).error());
      }
    }
    BETEDGE_CO_TRY(auto now, co_await look_again(entry.key));
    if (finding && is_same(entry, now)) {
      if (finding->verdict == Verdict::unknown) {
        BETEDGE_CO_TRY_VOID(co_await adopt(entry, *read));
      }
      co_return finding;
    }
    entry = std::move(now);
  }
  co_return std::nullopt;
}

Task<Result<LakeEntry>> Verification::look_again(ObjectKey key) {
  LakeEntry entry{.key = key, .found = {}, .recorded = {}, .failure = {}};
  BETEDGE_CO_TRY(entry.found, co_await ports_.lake.stat(key));
  BETEDGE_CO_TRY(entry.recorded, co_await ports_.jobs.find_object(key));
  co_return entry;
}

Task<Result<void>> Verification::adopt(const LakeEntry& entry, const ObjectReading& read) {
  auto record = adopted_record(entry.key, read, *entry.found, ports_.runtime.wall_now());
  co_return co_await ports_.jobs.record_object(std::move(record));
}

void Verification::note_for_repair(const ObjectKey& key) {
  if (!options_.repair) return;
  auto request = *facts_of(key);
  const auto period = request.dates;
  auto name = series_prefix(request) + std::string(to_text(request.format));
  auto& series = to_repair_.try_emplace(std::move(name), Series{std::move(request)}).first->second;
  series.periods.push_back(period);
}

// One job a series.
Task<Result<VerifyLine>> Verification::end() {
  const auto yesterday = new_york_date(ports_.runtime.wall_now()) - std::chrono::days{1};
  for (auto& [name, series] : to_repair_) {
    series.request.dates = {series.periods.front().first,
                            std::min(series.periods.back().last, yesterday)};
    series.request.existing = Existing::replace;
    if (series.request.dates.last < series.request.dates.first) continue;  // of a day to come
    Submission submission{
        .requests = {series.request}, .labels = {}, .only = std::move(series.periods)};
    auto job = co_await options_.repair(std::move(submission));
    if (!job)
      co_return fail_while(
          fmt::format("{} objects differ, and those of {} are not downloaded again",
                      told_.checked - told_.sound, name),
          std::move(job).error());
    told_.repair_jobs.push_back(*std::move(job));
  }
  co_return VerifyLine(told_);
}

}  // namespace betedge::engine
