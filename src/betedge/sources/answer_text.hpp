#pragma once

#include <chrono>
#include <string>
#include <string_view>

// What the sources read out of answers that are not data.
namespace betedge::sources {

// One line of the other side's own words, of at most 200 bytes, without control characters and the
// colon that a terminal begins with. May be empty.
std::string first_line(std::string_view body);

// The header Retry-After in seconds, at most two minutes; zero when it is empty or a date.
std::chrono::milliseconds retry_after_of(std::string_view header);

}  // namespace betedge::sources
