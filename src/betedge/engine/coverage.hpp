#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "betedge/core/lake.hpp"
#include "betedge/core/plan.hpp"
#include "betedge/engine/lake_walk.hpp"

namespace betedge::engine {

// The longest range that is answered; a longer one is the caller's to refuse.
inline constexpr std::chrono::years kLongestCoverage{10};

// What the lake has of a series, session by session (for earnings: Mondays to Fridays).
struct Coverage {
  struct Day {
    Date date;
    DayState state = DayState::missing;
    std::size_t object = 0;  // its place in `keys`
    std::string reason;      // empty when there is nothing to say
  };
  // What was looked at; nullopt when it was not said, and nothing is known of the series.
  std::optional<DateRange> dates;
  std::vector<ObjectKey> keys;  // of the objects that hold these days
  std::vector<Day> days;        // those that had ended, in order
  DayCounts counts;
  // The sessions of the objects that are to be downloaded: of those whose days are missing, failed
  // or stale. In order, none overlapping another; neighbours are one.
  std::vector<DateRange> gaps;
};

// How the object of a planned item stands, and what there is to say about it: decided from what
// lies in the lake and what is known of it (DESIGN.md 9). A missing object is `failed` when the
// last try failed.
struct ObjectState {
  DayState state;
  std::string reason;
};
ObjectState state_of(const LakeEntry& entry, DateRange covers, Layout layout);

// Which series: `request.dates` is not read.
struct CoverageRequest {
  HistoricalRequest request;
  // Left out: from the first object of the series that is known, to the last session that has
  // ended; not more than kLongestCoverage.
  std::optional<Date> first{};
  std::optional<Date> last{};
};

// One listing and one scan of what is known, both of the series' keys alone. `today`: the day it is
// in New York. Errors are the lake's and the store's.
Task<Result<Coverage>> coverage_of(JobStore& jobs, ObjectStore& lake, CoverageRequest asked,
                                   Date today, Layout layout);

}  // namespace betedge::engine
