#include "betedge/engine/upstream_watch.hpp"

#include <utility>

namespace betedge::engine {

UpstreamWatch::UpstreamWatch(Runtime& runtime, Source& source, Log& log,
                             std::function<void()> changed)
    : runtime_(runtime),
      source_(source),
      log_(log),
      changed_(std::move(changed)),
      breaker_(net::CircuitBreaker::Policy{}),
      tasks_(runtime) {}

std::optional<std::string> UpstreamWatch::waiting_for() const {
  if (!is_open()) return std::nullopt;
  return "upstream unavailable since " + to_iso_text(open_since_) + ": " + breaker_.reason();
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
  if (!is_open()) breaker_.succeeded();
}

void UpstreamWatch::failed(const Error& error) {
  count(true);
  if (is_open()) return;  // calls that were under way when it opened; the probe decides now
  breaker_.failed(error, runtime_.steady_now());
  if (!is_open()) return;
  open_since_ = runtime_.wall_now();
  log_.event(Level::warning, "upstream_unavailable", {{"error", breaker_.reason()}});
  changed_();
  if (!std::exchange(probing_, true)) tasks_.spawn(probe_until_back());
}

Task<void> UpstreamWatch::probe_until_back() {
  const auto stop = tasks_.stop_token();
  while (is_open()) {
    const auto delay = breaker_.probe_at() - runtime_.steady_now();
    if (!co_await sleep_for(runtime_, delay, stop)) break;
    auto answered = co_await source_.probe(stop);
    if (answered) {
      breaker_.succeeded();
      log_.event(Level::info, "upstream_available",
                 {{"unavailable_since", to_iso_text(open_since_)}});
      changed_();
    } else if (answered.error().code == ErrorCode::cancelled) {
      break;
    } else {
      breaker_.failed(answered.error(), runtime_.steady_now());
    }
  }
  probing_ = false;
}

Task<void> UpstreamWatch::close() {
  co_await tasks_.close();
}

}  // namespace betedge::engine
