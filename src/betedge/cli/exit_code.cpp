#include "betedge/cli/exit_code.hpp"

#include <utility>

namespace betedge::cli {

ExitCode exit_code_of(sdk::Problem problem) {
  switch (problem) {
    case sdk::Problem::refused: return kUsage;
    case sdk::Problem::unauthorized: return kDenied;
    case sdk::Problem::not_found: return kNotFound;
    case sdk::Problem::unavailable: return kUnavailable;
    case sdk::Problem::partial: return kPartial;
    case sdk::Problem::job_failed:
    case sdk::Problem::job_cancelled:
    case sdk::Problem::server_failed:
    case sdk::Problem::garbled: return kFailed;
    case sdk::Problem::timeout: return kTimeout;
    case sdk::Problem::stopped: return kInterrupted;
  }
  std::unreachable();
}

ExitCode exit_code_of(const wire::JobView& job) {
  if (job.status != JobStatus::completed) return kFailed;
  return job.items.failed > 0 || job.state == "completed_with_errors" ? kPartial : kOk;
}

}  // namespace betedge::cli
