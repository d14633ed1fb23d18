#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "betedge/net/circuit_breaker.hpp"
#include "betedge/ports/async.hpp"
#include "betedge/ports/log.hpp"
#include "betedge/ports/source.hpp"

namespace betedge::engine {

// Knows whether the upstream is there. While its circuit is open it probes, at growing distances,
// and says when it is back. Loop thread only; close() before dropping.
class UpstreamWatch {
 public:
  // Of calls since the start.
  struct Counts {
    std::uint64_t calls = 0;   // that came to an end, well or not
    std::uint64_t failed = 0;  // of these, with an error
    double per_second = 0;     // over the last kRateSpan
  };
  static constexpr std::chrono::seconds kRateSpan{60};

  // `changed` is called when the circuit opens and when it closes.
  UpstreamWatch(Runtime& runtime, Source& source, Log& log, std::function<void()> changed);

  Counts counts() const;
  bool is_open() const { return breaker_.state() == net::CircuitBreaker::State::open; }
  // "upstream unavailable since 2026-01-02T03:04:05+00:00: …"; nullopt while the circuit is closed.
  std::optional<std::string> waiting_for() const;

  // What a call to the upstream came to: any answer, or the error.
  void succeeded();
  void failed(const Error& error);

  Task<void> close();

 private:
  Task<void> probe_until_back();
  void count(bool has_failed);

  Runtime& runtime_;
  Source& source_;
  Log& log_;
  std::function<void()> changed_;
  net::CircuitBreaker breaker_;
  Timestamp open_since_{};
  bool probing_ = false;
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
