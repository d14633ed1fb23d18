#include "betedge/net/circuit_breaker.hpp"

#include <algorithm>

namespace betedge::net {

namespace {

enum class Meaning : std::uint8_t { gone, failure_of_transport, something_else };

Meaning meaning_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::upstream_unavailable: return Meaning::gone;
    case ErrorCode::upstream_failed:
    case ErrorCode::timeout: return Meaning::failure_of_transport;
    case ErrorCode::invalid_request:
    case ErrorCode::not_found:
    case ErrorCode::conflict:
    case ErrorCode::fenced:
    case ErrorCode::cancelled:
    case ErrorCode::upstream_throttled:
    case ErrorCode::upstream_refused:
    case ErrorCode::upstream_too_large:
    case ErrorCode::upstream_denied:
    case ErrorCode::upstream_garbled:
    case ErrorCode::storage_failed:
    case ErrorCode::storage_full:
    case ErrorCode::storage_denied:
    case ErrorCode::store_unavailable:
    case ErrorCode::internal: return Meaning::something_else;
  }
  return Meaning::something_else;
}

}  // namespace

void CircuitBreaker::succeeded() {
  state_ = State::closed;
  failures_in_a_row_ = 0;
  reason_.clear();
}

void CircuitBreaker::failed(const Error& error, SteadyTime now) {
  const auto meaning = meaning_of(error.code);
  if (meaning == Meaning::something_else) return;
  if (state_ == State::closed) {
    ++failures_in_a_row_;
    if (meaning != Meaning::gone && failures_in_a_row_ < policy_.failures_to_open) return;
    state_ = State::open;
    open_since_ = now;
    probe_distance_ = policy_.first_probe_after;
  } else if (now < probe_at_) {
    // A call that began before the circuit opened: it tells nothing new, and is not a probe.
    return;
  } else {
    probe_distance_ = std::min(probe_distance_ * 2, policy_.longest_probe_after);
  }
  probe_at_ = now + probe_distance_;
  reason_ = error.message;
}

}  // namespace betedge::net
