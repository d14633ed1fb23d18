#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "betedge/core/error.hpp"

namespace betedge::core {

// What a failed fetch does next.
enum class AfterFailure : std::uint8_t {
  try_again,  // counts as an attempt
  wait,       // costs no attempt: the upstream is gone, or throttles us
  give_up,    // the item failed
  fail_job,   // nothing of this job can go on: no space, lake denied, credentials refused
};
AfterFailure after_failure(ErrorCode code);

// Of a failed call to an upstream that is known to be out, or to throttle everybody: is that what
// it failed of? Such a failure says nothing about the fetch, and costs it no attempt.
bool is_of_the_upstream(ErrorCode code);

struct RetryPolicy {
  int max_attempts = 4;
  std::chrono::milliseconds first_delay{500};
  std::chrono::milliseconds longest_delay{30'000};
};

// How long to wait before attempt number `attempts_made` + 1, or nullopt to give up: exponential,
// jittered by `luck` in [0, 1) over the upper half, never shorter than the error's retry_after.
// `attempts_made` counts the attempt that has just failed; at least 1.
std::optional<std::chrono::milliseconds> next_delay(const Error& error, int attempts_made,
                                                    const RetryPolicy& policy, double luck);

}  // namespace betedge::core
