#include "betedge/engine/upstream_watch.hpp"

#include <fmt/format.h>

#include <utility>

namespace betedge::engine {

namespace {

using State = net::CircuitBreaker::State;

// For people: whole seconds.
std::string since_text(Timestamp time) {
  return to_iso_text(std::chrono::floor<std::chrono::seconds>(time));
}
std::string until_text(Timestamp time) {
  return to_iso_text(std::chrono::ceil<std::chrono::seconds>(time));
}

}  // namespace

UpstreamWatch::UpstreamWatch(Runtime& runtime, Source& source, net::Limiter& limiter, Log& log,
                             std::function<void()> changed)
    : runtime_(runtime),
      source_(source),
      limiter_(limiter),
      log_(log),
      changed_(std::move(changed)),
      breaker_(net::CircuitBreaker::Policy{}),
      tasks_(runtime) {}

bool UpstreamWatch::is_open() const {
  if (breaker_.is_doubted()) return breaker_.last_trouble() == State::open;
  return breaker_.state() == State::open;
}

std::optional<std::string> UpstreamWatch::waiting_for() const {
  switch (breaker_.state()) {
    case State::open:
      return fmt::format("upstream unavailable since {}: {}", since_text(since_),
                         breaker_.reason());
    case State::held:
      return fmt::format(
          "upstream throttles us since {}: {}; goes on at {}, {} of {} calls at once",
          since_text(since_), breaker_.reason(), until_text(goes_on_at_), limiter_.allowed(),
          limiter_.limit());
    case State::closed: break;
  }
  if (!breaker_.is_doubted()) return std::nullopt;
  return fmt::format("upstream {} since {}: {}; trying again",
                     is_open() ? "refuses calls" : "throttles us", since_text(since_),
                     breaker_.reason());
}

UpstreamWatch::Counts UpstreamWatch::counts() const {
  const auto now = std::chrono::floor<std::chrono::seconds>(runtime_.steady_now());
  Counts counts{.calls = calls_, .failed = failed_};
  std::uint64_t recent = 0;
  for (const auto& bucket : recent_)
    if (bucket.second > (now - kRateSpan).time_since_epoch().count()) recent += bucket.calls;
  counts.per_second = static_cast<double>(recent) / static_cast<double>(kRateSpan.count());
  return counts;
}

void UpstreamWatch::count(bool has_failed) {
  ++calls_;
  if (has_failed) ++failed_;
  const auto second =
      std::chrono::floor<std::chrono::seconds>(runtime_.steady_now()).time_since_epoch().count();
  auto& bucket = recent_[static_cast<std::size_t>(second % kRateSpan.count())];
  if (bucket.second != second) bucket = {second, 0};
  ++bucket.calls;
}

void UpstreamWatch::succeeded() {
  count(false);
  limiter_.went_well();
  const bool was_doubted = breaker_.is_doubted();
  breaker_.succeeded();
  if (was_doubted) changed_();
}

void UpstreamWatch::failed(const Error& error) {
  count(true);
  // Too much at once, by its own word or by its silence.
  if (error.code == ErrorCode::upstream_throttled || error.code == ErrorCode::timeout) {
    limiter_.back_off();
  }
  const bool took_calls = takes_calls();
  const bool was_doubted = breaker_.is_doubted();
  breaker_.failed(error, runtime_.steady_now());
  const auto now = runtime_.wall_now();
  if (breaker_.state() == State::held) {
    goes_on_at_ = now + std::chrono::duration_cast<Timestamp::duration>(breaker_.retry_at() -
                                                                        runtime_.steady_now());
  }
  if (was_doubted && takes_calls() && !breaker_.is_doubted()) changed_();  // refused: an answer
  // Calls that were under way when it was left; the probe, or the time, decides now.
  if (!took_calls || takes_calls()) return;
  if (!was_doubted) since_ = now;
  if (breaker_.state() == State::open) {
    log_.event(Level::warning, "upstream_unavailable", {{"error", breaker_.reason()}});
  } else {
    limiter_.hold();  // also for fetches that are under way: they have more calls to make
    log_.event(Level::warning, "upstream_throttled",
               {{"error", breaker_.reason()},
                {"goes_on_at", to_iso_text(goes_on_at_)},
                {"calls_at_once", std::to_string(limiter_.allowed())}});
  }
  changed_();
  if (!std::exchange(waits_, true)) tasks_.spawn(wait_until_back());
}

Task<void> UpstreamWatch::wait_until_back() {
  const auto stop = tasks_.stop_token();
  while (!takes_calls()) {
    const auto delay = breaker_.retry_at() - runtime_.steady_now();
    if (!co_await sleep_for(runtime_, delay, stop)) break;
    if (runtime_.steady_now() < breaker_.retry_at()) continue;  // told to wait longer meanwhile
    if (breaker_.state() == State::open) {
      auto answered = co_await source_.probe(stop);
      if (!answered) {
        if (answered.error().code == ErrorCode::cancelled) break;
        const auto reason = breaker_.reason();
        breaker_.probe_failed(answered.error(), runtime_.steady_now());
        if (breaker_.reason() != reason) changed_();
        continue;
      }
      log_.event(Level::info, "upstream_available", {{"unavailable_since", to_iso_text(since_)}});
    }
    breaker_.try_again();
    limiter_.go_on();
    changed_();
  }
  waits_ = false;
}

Task<void> UpstreamWatch::close() {
  co_await tasks_.close();
}

}  // namespace betedge::engine
