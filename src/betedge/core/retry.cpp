#include "betedge/core/retry.hpp"

#include <algorithm>

namespace betedge::core {

AfterFailure after_failure(ErrorCode code) {
  switch (code) {
    case ErrorCode::upstream_unavailable:
    case ErrorCode::upstream_throttled:
    // Nothing is known against the item: somebody else has it now, we were asked to stop (the fetch
    // is handed back), or its outcome could not be written down. The fence decides what counts.
    case ErrorCode::fenced:
    case ErrorCode::cancelled:
    case ErrorCode::store_unavailable: return AfterFailure::wait;

    case ErrorCode::timeout:
    case ErrorCode::upstream_failed:
    case ErrorCode::upstream_garbled:
    case ErrorCode::storage_failed:
    // A broken invariant may have come from a passing state (memory, order of events); the attempts
    // bound what a lasting one costs.
    case ErrorCode::internal: return AfterFailure::try_again;

    case ErrorCode::invalid_request:
    case ErrorCode::not_found:
    case ErrorCode::conflict:
    case ErrorCode::upstream_refused:
    case ErrorCode::upstream_too_large:
    // Entitlements are by asset and schema: the job's other items may be allowed.
    case ErrorCode::upstream_denied: return AfterFailure::give_up;

    case ErrorCode::storage_full:
    case ErrorCode::storage_denied: return AfterFailure::fail_job;
  }
  std::unreachable();
}

bool is_of_the_upstream(ErrorCode code) {
  switch (code) {
    case ErrorCode::upstream_unavailable:
    case ErrorCode::upstream_throttled:
    case ErrorCode::upstream_failed:
    case ErrorCode::timeout: return true;

    case ErrorCode::invalid_request:
    case ErrorCode::not_found:
    case ErrorCode::conflict:
    case ErrorCode::fenced:
    case ErrorCode::cancelled:
    case ErrorCode::upstream_refused:
    case ErrorCode::upstream_too_large:
    case ErrorCode::upstream_denied:
    case ErrorCode::upstream_garbled:
    case ErrorCode::storage_failed:
    case ErrorCode::storage_full:
    case ErrorCode::storage_denied:
    case ErrorCode::store_unavailable:
    case ErrorCode::internal: return false;
  }
  std::unreachable();
}

std::optional<std::chrono::milliseconds> next_delay(const Error& error, int attempts_made,
                                                    const RetryPolicy& policy, double luck) {
  switch (after_failure(error.code)) {
    case AfterFailure::give_up:
    case AfterFailure::fail_job: return std::nullopt;
    case AfterFailure::try_again:
      if (attempts_made >= policy.max_attempts) return std::nullopt;
      break;
    case AfterFailure::wait: break;
  }
  auto ceiling = std::min(policy.first_delay, policy.longest_delay);
  for (int i = 1; i < attempts_made && ceiling < policy.longest_delay; ++i)
    ceiling += std::min(ceiling, policy.longest_delay - ceiling);
  const auto jittered =
      std::chrono::duration_cast<std::chrono::milliseconds>(ceiling * (0.5 + luck / 2));
  return std::max(jittered, error.retry_after);
}

}  // namespace betedge::core
