#include "betedge/core/calls.hpp"

#include <algorithm>

#include "betedge/core/calendar.hpp"

namespace betedge::core {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kRegularOpen{34'200'000};
constexpr milliseconds kRegularClose{57'600'000};

// Rows are stamped at the window's start and at each whole interval after it: so many times up to
// its end.
std::int64_t steps_of(const Call& call) {
  const auto start = call.window.start.value_or(kRegularOpen);
  const auto end = call.window.end.value_or(kRegularClose);
  return end < start ? 0 : (end - start) / call.interval + 1;
}

bool is_alike(Call one, const Call& other) {
  one.dates = other.dates;
  return one == other;
}

}  // namespace

std::uint64_t most_ticks(const Call& call) {
  const auto days = sessions(call.dates).size();
  if (call.schema == Schema::eod) return days;
  return days * static_cast<std::uint64_t>(steps_of(call));
}

std::optional<Call> joined(std::span<const Call> calls) {
  if (calls.size() < 2) return std::nullopt;
  Call all = calls.front();
  for (const Call& next : calls.subspan(1)) {
    if (!is_alike(all, next) || next.dates.first <= all.dates.last) return std::nullopt;
    all.dates.last = next.dates.last;
  }
  return all;
}

std::optional<std::array<Call, 2>> halves(const Call& call) {
  std::array two{call, call};
  if (const auto days = sessions(call.dates); days.size() > 1) {
    const auto middle = days.begin() + static_cast<std::ptrdiff_t>(days.size() / 2);
    two[0].dates.last = *(middle - 1);
    two[1].dates.first = *middle;
    return two;
  }
  if (call.schema == Schema::eod || call.kind == Kind::earnings) return std::nullopt;
  const auto steps = steps_of(call);
  if (steps < 2) return std::nullopt;
  const auto middle = call.window.start.value_or(kRegularOpen) + call.interval * (steps / 2);
  two[0].window.end = middle - milliseconds{1};
  two[1].window.start = middle;
  return two;
}

std::vector<Call> by_expiration(const Call& call, std::span<const Date> expirations) {
  std::vector<Call> calls;
  if (call.kind != Kind::option || call.expiration) return calls;
  for (const Date expiration : expirations) {
    if (expiration < call.dates.first) continue;
    calls.push_back(call);
    calls.back().expiration = expiration;
  }
  return calls;
}

}  // namespace betedge::core
