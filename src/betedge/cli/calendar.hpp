#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "betedge/cli/progress.hpp"
#include "betedge/wire/lake.hpp"

// A coverage, drawn. Plain functions.
namespace betedge::cli {

// Sessions in a row, by the coverage's own order, of one state and for one reason.
struct Stretch {
  std::string first;  // "yyyymmdd"
  std::string last;
  DayState state = DayState::missing;
  std::string reason;  // empty: nothing to say
  std::size_t sessions = 0;
};

// What a fill would bring: the sessions that are missing, failed or stale.
std::vector<Stretch> gaps_of(const wire::Coverage& coverage);
// Sessions without data for a reason beyond the plain one: a stock whose prices are all zero
// ("zero_series"), an object of several sessions that has no row of one.
std::vector<Stretch> oddities_of(const wire::Coverage& coverage);

// "no data"
std::string_view words_of(DayState state);

// Its years, each a line of months and five of weekdays, a column a week and a glyph a session;
// what is no session, or was not asked for, stays blank. From 76 columns a year stands side by
// side, from 147 with room between the sessions; of several years, from 165, each has its counts
// beside it. In fewer columns a year is broken into rows of months. Every line ends with a line end
// and is at most `columns` wide; from 11 all is readable. Empty when there are no sessions.
std::string calendar(const wire::Coverage& coverage, std::size_t columns, BarStyle style);

// What the glyphs mean, with how many there are of each, in lines of at most `columns`.
std::string legend(const DayCounts& counts, std::size_t columns, BarStyle style);

// How many sessions there are, and how many that need nothing: present, or without data.
std::size_t sessions_of(const DayCounts& counts);
std::size_t settled_of(const DayCounts& counts);

}  // namespace betedge::cli
