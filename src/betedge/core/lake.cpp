#include "betedge/core/lake.hpp"

#include <algorithm>

namespace betedge::core {
namespace {

template <class Value, std::size_t N>
std::optional<Value> among(const std::array<Value, N>& values, std::string_view text) {
  const auto* found =
      std::ranges::find_if(values, [&](Value value) { return to_text(value) == text; });
  return found == values.end() ? std::nullopt : std::optional(*found);
}

}  // namespace

std::string_view to_text(DayState state) {
  switch (state) {
    case DayState::present: return "present";
    case DayState::no_data: return "no_data";
    case DayState::failed: return "failed";
    case DayState::stale: return "stale";
    case DayState::missing: return "missing";
  }
  std::unreachable();
}

std::optional<DayState> parse_day_state(std::string_view text) {
  return among(kDayStates, text);
}

std::string_view to_text(Verdict verdict) {
  switch (verdict) {
    case Verdict::missing: return "missing";
    case Verdict::torn: return "torn";
    case Verdict::changed: return "changed";
    case Verdict::foreign: return "foreign";
    case Verdict::unknown: return "unknown";
  }
  std::unreachable();
}

std::optional<Verdict> parse_verdict(std::string_view text) {
  return among(kVerdicts, text);
}

}  // namespace betedge::core
