#include "betedge/engine/gaps.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "betedge/core/calendar.hpp"

namespace betedge::engine {

namespace {

constexpr std::size_t kMostNamed = 10;

// Sessions without rows that follow each other, as places in the list of all.
struct Gap {
  std::size_t first;
  std::size_t last;
  std::size_t sessions() const { return last - first + 1; }
};

std::vector<Gap> gaps_of(std::span<const Date> all, std::span<const Date> days) {
  std::vector<Gap> gaps;
  for (std::size_t place = 0; place < all.size(); ++place) {
    if (std::ranges::binary_search(days, all[place])) continue;
    if (gaps.empty() || gaps.back().last + 1 != place) gaps.push_back({place, place});
    gaps.back().last = place;
  }
  return gaps;
}

}  // namespace

std::vector<Date> missing_sessions(DateRange covers, std::span<const Date> days) {
  auto missing = core::sessions(covers);
  std::erase_if(missing, [days](Date day) { return std::ranges::binary_search(days, day); });
  return missing;
}

std::string note_of_gaps(DateRange covers, std::span<const Date> days) {
  const auto all = core::sessions(covers);
  std::size_t missing = 0;
  std::size_t left = 0;
  std::size_t named = 0;
  std::string names;
  for (const Gap& gap : gaps_of(all, days)) {
    missing += gap.sessions();
    if (named == kMostNamed) {
      left += gap.sessions();
      continue;
    }
    ++named;
    names += " " + to_yyyymmdd_text(all[gap.first]);
    if (gap.sessions() > 1) {
      names += (gap.sessions() == 2 ? " " : "-") + to_yyyymmdd_text(all[gap.last]);
    }
  }
  if (missing == 0) return {};
  if (left > 0) names += fmt::format(" and {} more", left);
  return fmt::format("no data on {} of {} sessions:{}", missing, all.size(), names);
}

}  // namespace betedge::engine
