#pragma once

#include <chrono>
#include <optional>
#include <string_view>
#include <vector>

#include "betedge/core/dates.hpp"

namespace betedge::core {

// The New York Stock Exchange's trading calendar: by rule plus listed exceptions, exact for
// 2004-2027 and the rules' best guess before and after.

// Is this day a session (a trading day)?
bool is_session(Date day);

// Why a weekday is no session ("Good Friday", "Hurricane Sandy"); nullopt on a session or a
// weekend.
std::optional<std::string_view> closure_name(Date day);

// When trading ends that day, since midnight in New York: 16:00, or 13:00 on an early close.
// nullopt when there is no session.
std::optional<std::chrono::minutes> session_close(Date day);

// All sessions of the range, in order.
std::vector<Date> sessions(DateRange range);

}  // namespace betedge::core
