#include "betedge/net/circuit_breaker.hpp"

#include <algorithm>

namespace betedge::net {

namespace {

enum class Meaning : std::uint8_t { gone, throttled, failure_of_transport, answer, something_else };

Meaning meaning_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::upstream_unavailable: return Meaning::gone;
    case ErrorCode::upstream_throttled: return Meaning::throttled;
    case ErrorCode::upstream_failed:
    case ErrorCode::timeout: return Meaning::failure_of_transport;
    case ErrorCode::upstream_refused:
    case ErrorCode::upstream_too_large:
    case ErrorCode::upstream_denied: return Meaning::answer;
    case ErrorCode::invalid_request:
    case ErrorCode::not_found:
    case ErrorCode::conflict:
    case ErrorCode::fenced:
    case ErrorCode::cancelled:
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
  if (state_ != State::closed) return;
  on_trial_ = reopened_ = false;
  failures_in_a_row_ = 0;
  reason_.clear();
}

void CircuitBreaker::failed(const Error& error, SteadyTime now) {
  const auto meaning = meaning_of(error.code);
  switch (state_) {
    case State::open: return;
    case State::held:
      if (meaning == Meaning::throttled) retry_at_ = std::max(retry_at_, now + error.retry_after);
      return;
    case State::closed: break;
  }
  switch (meaning) {
    case Meaning::something_else: return;
    case Meaning::answer: succeeded(); return;
    case Meaning::failure_of_transport:
      if (++failures_in_a_row_ >= policy_.failures_to_open) leave(State::open, error, now);
      return;
    case Meaning::gone: leave(State::open, error, now); return;
    case Meaning::throttled: leave(State::held, error, now); return;
  }
}

void CircuitBreaker::leave(State to, const Error& error, SteadyTime now) {
  distance_ =
      on_trial_ ? std::min(distance_ * 2, policy_.longest_distance) : policy_.first_distance;
  reopened_ = on_trial_;
  on_trial_ = false;
  failures_in_a_row_ = 0;
  state_ = last_trouble_ = to;
  retry_at_ = now + (to == State::held ? std::max(distance_, error.retry_after) : distance_);
  reason_ = error.message;
}

void CircuitBreaker::try_again() {
  if (state_ == State::closed) return;
  state_ = State::closed;
  on_trial_ = true;
}

void CircuitBreaker::probe_failed(const Error& error, SteadyTime now) {
  if (state_ != State::open) return;
  distance_ = std::min(distance_ * 2, policy_.longest_distance);
  retry_at_ = now + distance_;
  reason_ = error.message;
}

}  // namespace betedge::net
