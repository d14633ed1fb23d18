#pragma once

#include <string>
#include <string_view>

#include "betedge/core/request.hpp"
#include "betedge/sim/render.hpp"

// What a fault makes of a finished page, in any form. Pure; the framing stays honest.
namespace betedge::sim {

// The header and no row.
std::string without_rows(std::string_view page, Form form);
// The first half of the rows, whole ones, and what ends the document.
std::string half_of_rows(std::string_view page, Form form);
// Ends in the middle of a row.
std::string cut_in_a_row(std::string_view page);
// With a needed column under a wrong name: `page` is a CSV page, or a v2 JSON header.
std::string misnamed(std::string_view page, Form form, Schema schema);
// CSV: the last column first, and one more that no client knows.
std::string with_other_columns(std::string_view page);

// What a captive network answers in place of the data.
extern const std::string_view kWebPage;

}  // namespace betedge::sim
