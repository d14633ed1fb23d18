#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "betedge/core/job.hpp"
#include "betedge/core/object_key.hpp"
#include "betedge/ports/job_store.hpp"

namespace betedge::engine {

// Where a job's manifest lies in the lake: "manifests/<id>.json".
ObjectKey manifest_key(const JobId& job);

// A job's manifest as JSON, a page of objects at a time: what became of each of its objects, with
// rows, bytes and SHA-256. Of an object that was there already these are what is recorded of it
// now. Used by one coroutine at a time; the store outlives it.
class ManifestText {
 public:
  ManifestText(JobStore& jobs, JobInfo job);

  // The next part; empty after the last one. not_found when the job was deleted meanwhile.
  Task<Result<std::string>> next();

 private:
  Task<Result<std::string>> objects();

  JobStore& jobs_;
  JobInfo job_;
  enum class Part : std::uint8_t { head, objects, nothing };
  Part part_ = Part::head;
  std::uint32_t from_ = 0;
  bool is_first_ = true;
};

}  // namespace betedge::engine
