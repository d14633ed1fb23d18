#pragma once

#include <span>
#include <string>
#include <vector>

#include "betedge/core/dates.hpp"

namespace betedge::engine {

// What a reader of an object must be told of the sessions that it covers and has no row of: "no
// data on 2 of 21 sessions: 20240117 20240118". Three or more in a row are told by the first and
// the last
// ("20240102-20240614"), and of many gaps the first ten and how many sessions more. Empty when
// every session has rows. `days`: those that have, in order; a day that is no session does not
// count.
std::string note_of_gaps(DateRange covers, std::span<const Date> days);

// The sessions that it covers and has no row of, in order; `days` as above.
std::vector<Date> missing_sessions(DateRange covers, std::span<const Date> days);

}  // namespace betedge::engine
