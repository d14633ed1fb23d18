#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

// JSON as Python's `json` reads and writes it. A client of the original sees its parser's messages,
// positions and spellings of values in a 422, so they are met exactly (CPython 3.11,
// Modules/_json.c); no JSON library reports faults in those words.
namespace betedge::wire {

struct PythonMember;

// A value, with what Python would remember of it: integers of any length, floats apart from
// integers, members in the order of their first appearance with the last value of each name.
struct PythonValue {
  enum class Type : std::uint8_t { null, boolean, integer, real, text, array, object };
  Type type = Type::null;
  bool boolean = false;
  double real = 0;
  std::string text;  // of a text, UTF-8; of an integer, its digits as str(int) prints them
  std::vector<PythonValue> items;
  std::vector<PythonMember> members;

  // The member of this name; nullptr when there is none or this is no object.
  const PythonValue* find(std::string_view name) const;
};

struct PythonMember {
  std::string name;
  PythonValue value;
};

// Why a body could not be read.
struct PythonJsonFault {
  // `syntax`: a JSONDecodeError, with Python's message and position (in characters, not bytes).
  // `unreadable`: any other exception of the original's: not UTF-8, nested too deep, an integer of
  // more than 4300 digits.
  enum class Type : std::uint8_t { syntax, unreadable };
  Type type;
  std::string message;
  std::size_t position = 0;
};

inline constexpr int kDeepestNesting = 32;

// json.loads(bytes). A byte order mark is skipped. Uses no more stack for deeper nesting than
// kDeepestNesting, whatever the text.
std::expected<PythonValue, PythonJsonFault> parse_python_json(std::string_view bytes);

// json.dumps(value, ensure_ascii=False, separators=(",", ":")), but for NaN and infinities, which
// become null.
std::string to_python_json(const PythonValue& value);

// The text as a JSON string with its quotes, escaped as Python does. Not UTF-8: each bad byte
// becomes U+FFFD.
std::string quoted(std::string_view text);

// float.__repr__: "57.14285714285714", "100.0", "1e+22".
std::string python_repr(double value);

bool is_utf8(std::string_view bytes);

}  // namespace betedge::wire
