#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "betedge/net/circuit_breaker.hpp"
#include "betedge/net/limiter.hpp"
#include "betedge/ports/async.hpp"
#include "betedge/ports/log.hpp"
#include "betedge/ports/source.hpp"

namespace betedge::engine {

// Knows whether the upstream takes calls. While it is gone it probes, at growing distances, and
// says when it is back; while it throttles us it waits as long as it was told to. Makes the limiter
// allow fewer calls at once after throttling and silence, and more again while calls go well; holds
// it while it is throttled. Loop thread only; close() before dropping.
class UpstreamWatch {
 public:
  // Of calls since the start.
  struct Counts {
    std::uint64_t calls = 0;   // that came to an end, well or not
    std::uint64_t failed = 0;  // of these, with an error
    double per_second = 0;     // over the last kRateSpan
  };
  static constexpr std::chrono::seconds kRateSpan{60};

  // `changed` is called whenever takes_calls() or waiting_for() has changed.
  UpstreamWatch(Runtime& runtime, Source& source, net::Limiter& limiter, Log& log,
                std::function<void()> changed);

  Counts counts() const;
  // Gone and only probed, or back by its probes' word alone: no call has succeeded since it was
  // gone for the second time.
  bool is_open() const;
  // Neither gone nor throttling us.
  bool takes_calls() const { return breaker_.state() == net::CircuitBreaker::State::closed; }
  // Why nothing goes on, for people: "upstream unavailable since 2026-01-02T03:04:05+00:00: …",
  // "upstream throttles us since …: …; goes on at …, 2 of 4 calls at once". Also while it answers
  // probes and refuses calls. nullopt while all is well.
  std::optional<std::string> waiting_for() const;

  // What a call to the upstream came to: any answer, or the error.
  void succeeded();
  void failed(const Error& error);

  Task<void> close();

 private:
  Task<void> wait_until_back();
  void count(bool has_failed);

  Runtime& runtime_;
  Source& source_;
  net::Limiter& limiter_;
  Log& log_;
  std::function<void()> changed_;
  net::CircuitBreaker breaker_;
  Timestamp since_{};       // the first time of those without a success between
  Timestamp goes_on_at_{};  // while it throttles us
  bool waits_ = false;
  std::uint64_t calls_ = 0;
  std::uint64_t failed_ = 0;
  // Calls by the second, of the last kRateSpan; the second that each bucket is of beside it.
  struct Bucket {
    std::int64_t second = -1;
    std::uint32_t calls = 0;
  };
  std::array<Bucket, static_cast<std::size_t>(kRateSpan.count())> recent_{};
  TaskScope tasks_;
};

}  // namespace betedge::engine
