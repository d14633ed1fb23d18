#include "betedge/wire/lax_values.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

namespace betedge::wire {

using Type = PythonValue::Type;

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::string_view stripped(std::string_view text) {
  constexpr std::string_view kSpace = " \t\n\v\f\r";
  const auto first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

namespace {

constexpr NoInteger kNotParsed{
    "int_parsing", "Input should be a valid integer, unable to parse string as an integer"};
constexpr NoInteger kTooLong{"int_parsing_size",
                             "Unable to parse input string as an integer, exceeded maximum size"};

std::int64_t nearest(std::string_view digits, bool is_negative) {
  std::int64_t value = 0;
  const std::string signed_digits = (is_negative ? "-" : "") + std::string(digits);
  const auto [end, error] =
      std::from_chars(signed_digits.data(), signed_digits.data() + signed_digits.size(), value);
  if (error == std::errc::result_out_of_range)
    return is_negative ? std::numeric_limits<std::int64_t>::min()
                       : std::numeric_limits<std::int64_t>::max();
  return value;
}

// "+1_000.00": space around, a sign, single underscores between digits, zeros behind a point.
Integer integer_from_text(std::string_view text) {
  constexpr std::size_t kLongest = 4300;
  if (text.size() > kLongest) return kTooLong;
  text = stripped(text);
  const bool is_negative = text.starts_with('-');
  if (is_negative || text.starts_with('+')) text.remove_prefix(1);
  const auto point = text.find('.');
  if (point != std::string_view::npos) {
    const auto decimals = text.substr(point + 1);
    if (decimals.empty() || decimals.find_first_not_of('0') != std::string_view::npos)
      return kNotParsed;
    text = text.substr(0, point);
  }
  std::string digits;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_digit(text[i]))
      digits += text[i];
    else if (text[i] != '_' || i == 0 || !is_digit(text[i - 1]) || i + 1 == text.size())
      return kNotParsed;
  }
  if (digits.empty()) return kNotParsed;
  return nearest(digits, is_negative);
}

}  // namespace

Integer integer_from(const PythonValue& value) {
  constexpr double kBeyond = 0x1p63;
  switch (value.type) {
    case Type::boolean: return value.boolean ? 1 : 0;
    case Type::integer: {
      const bool is_negative = value.text.starts_with('-');
      return nearest(std::string_view(value.text).substr(is_negative ? 1 : 0), is_negative);
    }
    case Type::real:
      if (!std::isfinite(value.real))
        return NoInteger{"finite_number", "Input should be a finite number"};
      if (std::trunc(value.real) != value.real)
        return NoInteger{"int_from_float",
                         "Input should be a valid integer, got a number with a fractional part"};
      if (value.real <= -kBeyond || value.real >= kBeyond) return kTooLong;
      return static_cast<std::int64_t>(value.real);
    case Type::text: return integer_from_text(value.text);
    case Type::null:
    case Type::array:
    case Type::object: return NoInteger{"int_type", "Input should be a valid integer"};
  }
  std::unreachable();
}

std::variant<bool, std::string_view> boolean_from(const PythonValue& value) {
  constexpr std::string_view kParsing = "bool_parsing", kType = "bool_type";
  switch (value.type) {
    case Type::boolean: return value.boolean;
    case Type::integer: {
      if (value.text == "0" || value.text == "1") return value.text == "1";
      std::int64_t number = 0;
      const auto read =
          std::from_chars(value.text.data(), value.text.data() + value.text.size(), number);
      return read.ec == std::errc{} ? kParsing : kType;
    }
    case Type::real:
      if (value.real == 0 || value.real == 1) return value.real == 1;
      return std::trunc(value.real) == value.real && std::abs(value.real) < 0x1p63 ? kParsing
                                                                                   : kType;
    case Type::text: {
      std::string text = value.text;
      std::ranges::transform(text, text.begin(), lower);
      for (const std::string_view yes : {"1", "on", "t", "true", "y", "yes"})
        if (text == yes) return true;
      for (const std::string_view no : {"0", "off", "f", "false", "n", "no"})
        if (text == no) return false;
      return kParsing;
    }
    case Type::null:
    case Type::array:
    case Type::object: return kType;
  }
  std::unreachable();
}

}  // namespace betedge::wire
