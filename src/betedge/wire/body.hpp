#pragma once

#include <expected>
#include <string_view>

#include "betedge/wire/python_json.hpp"
#include "betedge/wire/refusal.hpp"

namespace betedge::wire {

// A request's body as a JSON object; or the answer that the Python original's framework gave to
// what is none: a body that is empty, no JSON, no object or not UTF-8. `content_type` is the
// header's value, empty when it was not sent (then, and for application/json and
// application/*+json, the body is read as JSON).
std::expected<PythonValue, Refusal> read_object(std::string_view content_type,
                                                std::string_view body);

}  // namespace betedge::wire
