#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "betedge/core/error.hpp"
#include "betedge/ports/runtime.hpp"

namespace betedge::net {

// Whether it makes sense to call an upstream now. Plain state, no waiting: time comes in.
//
// closed: calls go. open: the upstream is gone; nobody calls but a probe, at growing distances.
// Opens at once on upstream_unavailable, or after `failures_to_open` failures of transport
// (upstream_failed, timeout) in a row; any answer, 472 included, counts as a success. Closes on a
// probe that succeeds.
class CircuitBreaker {
 public:
  struct Policy {
    int failures_to_open = 5;
    std::chrono::milliseconds first_probe_after{250};
    std::chrono::milliseconds longest_probe_after{15'000};
  };
  enum class State : std::uint8_t { closed, open };

  explicit CircuitBreaker(Policy policy) : policy_(policy) {}

  State state() const { return state_; }
  void succeeded();
  // Takes the error of a call or a probe; errors of other kinds change nothing.
  void failed(const Error& error, SteadyTime now);
  // Open only: when to probe next.
  SteadyTime probe_at() const { return probe_at_; }
  // Open only: since when, and why, for `waiting_for`.
  SteadyTime open_since() const { return open_since_; }
  const std::string& reason() const { return reason_; }

 private:
  Policy policy_;
  State state_ = State::closed;
  int failures_in_a_row_ = 0;
  std::chrono::milliseconds probe_distance_{};
  SteadyTime probe_at_{};
  SteadyTime open_since_{};
  std::string reason_;
};

}  // namespace betedge::net
