#pragma once

#include <cstdint>
#include <string_view>
#include <variant>

#include "betedge/wire/python_json.hpp"

// How the Python original's framework reads values (pydantic's lax mode): "900000" and 900000.0 are
// integers, "yes" is a boolean.
namespace betedge::wire {

char lower(char c);  // of ASCII
bool is_digit(char c);
// Without Python's ASCII white space around it.
std::string_view stripped(std::string_view text);

// What pydantic's lax mode makes of a value for an `int`: the number, or the fault's type and text.
// Beyond 64 bits a number is the nearest that fits: it is refused by a bound either way.
struct NoInteger {
  std::string_view type;
  std::string_view message;
};
using Integer = std::variant<std::int64_t, NoInteger>;
Integer integer_from(const PythonValue& value);

// The same for a `bool`; or the fault's type.
std::variant<bool, std::string_view> boolean_from(const PythonValue& value);

}  // namespace betedge::wire
