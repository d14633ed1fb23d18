#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "betedge/core/error.hpp"
#include "betedge/ports/runtime.hpp"

namespace betedge::net {

// Whether it makes sense to call an upstream now. Plain state, no waiting: time comes in.
//
// closed: calls go. open: the upstream is gone; nobody calls but a probe, at growing distances,
// until one succeeds. held: it throttles us; nobody calls until retry_at(), and no probe is needed
// then.
//
// Opens at once on upstream_unavailable, is held at once on upstream_throttled, and opens after
// `failures_to_open` failures of transport (upstream_failed, timeout) in a row; any answer counts
// as a success: no data (472), and what it refuses for good (400, 403, 570) too.
//
// After open or held it is closed on trial until a call has succeeded: an upstream that answers
// probes and then refuses its calls again is left alone for twice as long as the last time, and
// since() stays.
class CircuitBreaker {
 public:
  struct Policy {
    int failures_to_open = 5;
    std::chrono::milliseconds first_distance{250};
    std::chrono::milliseconds longest_distance{15'000};
  };
  enum class State : std::uint8_t { closed, open, held };

  explicit CircuitBreaker(Policy policy) : policy_(policy) {}

  State state() const { return state_; }
  // Of calls. What is heard of calls that were under way when it opened changes nothing, but that a
  // longer Retry-After makes retry_at() later; errors of other kinds never do.
  void succeeded();
  void failed(const Error& error, SteadyTime now);
  // Not closed: the probe succeeded, or the time of a hold is over. Calls go again, on trial.
  void try_again();
  // Open: the probe failed, with whatever error.
  void probe_failed(const Error& error, SteadyTime now);

  // Not closed: when to probe next, or when calls go again.
  SteadyTime retry_at() const { return retry_at_; }
  // Closed on trial, and not for the first time: probes succeeded before, and calls did not.
  bool is_doubted() const { return state_ == State::closed && on_trial_ && reopened_; }
  // Open or held: what it was the last time that it was not closed.
  State last_trouble() const { return last_trouble_; }
  // Why, for `waiting_for`; empty when there is nothing to say.
  const std::string& reason() const { return reason_; }

 private:
  void leave(State to, const Error& error, SteadyTime now);

  Policy policy_;
  State state_ = State::closed;
  State last_trouble_ = State::open;
  bool on_trial_ = false;
  bool reopened_ = false;  // without a success since
  int failures_in_a_row_ = 0;
  std::chrono::milliseconds distance_{};
  SteadyTime retry_at_{};
  std::string reason_;
};

}  // namespace betedge::net
