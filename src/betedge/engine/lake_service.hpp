#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "betedge/core/table.hpp"
#include "betedge/engine/coverage.hpp"
#include "betedge/engine/data_processing_service.hpp"
#include "betedge/engine/manifest.hpp"
#include "betedge/engine/verification.hpp"

namespace betedge::engine {

// What lies in the lake, by series. One of which the store knows something (each try failed, the
// vendor had nothing, its objects are gone) is among them when nothing of it lies there: a series
// left out would be a gap that nobody sees.
struct LakeContents {
  struct Series {
    HistoricalRequest series;   // `dates`: first and last day of what lies there or is known
    std::uint64_t objects = 0;  // that lie there; 0 as well
    std::uint64_t bytes = 0;
    std::optional<std::uint64_t> rows = 0;  // nullopt when one of them is not recorded
  };
  std::vector<Series> series;       // by key
  std::uint64_t other_objects = 0;  // whose keys are none of ours (core::facts_of)
  std::uint64_t other_bytes = 0;
};

struct LakeListing {
  struct Object {
    ObjectKey key;
    ObjectInfo info;
    std::optional<ObjectRecord> recorded;  // of the object as it lies there
  };
  std::vector<Object> objects;
  std::optional<std::string> next_after;  // the key to go on behind; nullopt at the end
};

struct FillRequest {
  CoverageRequest series;
  std::map<std::string, std::string> labels{};
  int priority = 0;
};
struct Filled {
  std::optional<CreatedJob> job;  // nullopt: there was nothing to fill
  DayCounts counts{};             // not of a job of before
};
struct DryFill {
  std::optional<std::pair<Submission, DryRun>> run;  // nullopt: there is nothing to fill
  DayCounts counts{};
};

// What there is to ask of the lake beside jobs: what lies there, what is missing, whether it is
// still what was written. Everything on the loop's thread; its ports outlive it. Errors are the
// lake's and the store's.
class LakeService {
 public:
  struct Ports {
    Runtime& runtime;
    JobStore& jobs;
    ObjectStore& lake;
    DataProcessingService& service;  // what is to be downloaded goes through it
    Log& log;
  };
  // `layout`: of what is written, and of what is fresh.
  LakeService(Ports ports, Layout layout);

  std::string name() const { return ports_.lake.name(); }
  bool publishes_conditionally() const { return ports_.lake.publishes_conditionally(); }

  // One pass over all that lies there and all that is known.
  Task<Result<LakeContents>> contents();

  Task<Result<Coverage>> coverage(CoverageRequest asked);

  // One job of exactly the objects that are missing, failed or stale, with Existing::keep: what
  // has been brought meanwhile is skipped. A Rejection when it is not said where the series begins
  // and nothing is known of it. With an idempotency key it is the fill that is remembered, whatever
  // the gaps are when it comes again.
  using SubmitFailure = DataProcessingService::SubmitFailure;
  Task<std::expected<Filled, SubmitFailure>> fill(FillRequest request, JobId id,
                                                  std::vector<std::string> warnings,
                                                  std::optional<IdempotencyKey> idempotency);
  Task<std::expected<DryFill, SubmitFailure>> dry_fill(FillRequest request);

  // conflict while another verification goes on. To be dropped before this is.
  enum class Repairs : std::uint8_t { nothing, all };
  Result<std::unique_ptr<Verification>> verify(std::string prefix, Repairs repairs,
                                               std::stop_token stop);

  // What lies there under keys that begin with `prefix`, behind `after`; at most `limit` (1 to
  // 1000).
  Task<Result<LakeListing>> list(std::string prefix, std::string after, std::size_t limit);

  // As ObjectStore's; what no object can be is absent.
  Task<Result<std::optional<ObjectInfo>>> stat(ObjectKey key);
  Task<Result<Bytes>> read(ObjectKey key, std::uint64_t offset, std::size_t length);

  ManifestText manifest(JobInfo job) { return {ports_.jobs, std::move(job)}; }
  // Writes the manifest of a job that has ended into the lake, whole or not at all; replaces the
  // one of before. conflict when it has not ended.
  Task<Result<ObjectKey>> write_manifest(JobInfo job);

 private:
  Date today() const { return new_york_date(ports_.runtime.wall_now()); }
  Layout layout_of(Kind kind) const;
  Task<std::expected<std::optional<Submission>, SubmitFailure>> gaps_of(FillRequest request,
                                                                        DayCounts& counts);
  Task<Result<std::string>> repair(Submission submission);

  Ports ports_;
  Layout layout_;
  bool is_verifying_ = false;
};

}  // namespace betedge::engine
