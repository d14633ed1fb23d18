#include "betedge/wire/python_json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <unordered_map>

namespace betedge::wire {
namespace {

constexpr std::size_t kMostDigits = 4300;  // sys.get_int_max_str_digits()
constexpr unsigned kReplacement = 0xFFFD;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::optional<unsigned> hex_digit(char c) {
  if (is_digit(c)) return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
  return std::nullopt;
}

bool is_high_surrogate(unsigned code) {
  return code >= 0xD800 && code <= 0xDBFF;
}
bool is_low_surrogate(unsigned code) {
  return code >= 0xDC00 && code <= 0xDFFF;
}

void append_utf8(std::string& text, unsigned code) {
  if (code < 0x80) {
    text += static_cast<char>(code);
  } else if (code < 0x800) {
    text += static_cast<char>(0xC0 | code >> 6);
    text += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    text += static_cast<char>(0xE0 | code >> 12);
    text += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    text += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    text += static_cast<char>(0xF0 | code >> 18);
    text += static_cast<char>(0x80 | (code >> 12 & 0x3F));
    text += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    text += static_cast<char>(0x80 | (code & 0x3F));
  }
}

// The length in bytes of the UTF-8 character that begins here (Unicode 15, table 3-7); 0 when none
// does.
std::size_t character_length(std::string_view rest) {
  const auto byte = [&](std::size_t i) {
    return i < rest.size() ? static_cast<unsigned char>(rest[i]) : 0U;
  };
  const auto continues = [&](std::size_t i) { return byte(i) >= 0x80 && byte(i) <= 0xBF; };
  const unsigned first = byte(0), second = byte(1);
  if (rest.empty()) return 0;
  if (first < 0x80) return 1;
  if (first < 0xC2 || first > 0xF4) return 0;
  if (!continues(1)) return 0;
  if (first < 0xE0) return 2;
  if (first == 0xE0 && second < 0xA0) return 0;
  if (first == 0xED && second > 0x9F) return 0;
  if (!continues(2)) return 0;
  if (first < 0xF0) return 3;
  if (first == 0xF0 && second < 0x90) return 0;
  if (first == 0xF4 && second > 0x8F) return 0;
  return continues(3) ? 4 : 0;
}

// float() of a literal of JSON's grammar: beyond the range it is an infinity or zero.
double to_double(const std::string& literal) {
  double value = 0;
  const auto [end, error] = std::from_chars(literal.data(), literal.data() + literal.size(), value);
  if (error == std::errc::result_out_of_range) return std::strtod(literal.c_str(), nullptr);
  return value;
}

// CPython's scanner (Modules/_json.c), step by step: its faults and positions depend on the order
// in which it looks. `at_` counts bytes; characters are counted only for a fault.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  std::expected<PythonValue, PythonJsonFault> document() {
    skip_space();
    PythonValue value;
    if (!any(value, 0)) return std::unexpected(fault_);
    skip_space();
    if (at_ != text_.size()) {
      refuse("Extra data", at_);
      return std::unexpected(fault_);
    }
    return value;
  }

 private:
  bool refuse(std::string message, std::size_t at) {
    const auto before = text_.substr(0, at);
    const auto characters = std::ranges::count_if(
        before, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
    fault_ = {PythonJsonFault::Type::syntax, std::move(message),
              static_cast<std::size_t>(characters)};
    return false;
  }
  bool cannot_read(std::string message) {
    fault_ = {PythonJsonFault::Type::unreadable, std::move(message), 0};
    return false;
  }

  bool is_at(char c) const { return at_ < text_.size() && text_[at_] == c; }
  bool is_at_digit() const { return at_ < text_.size() && is_digit(text_[at_]); }
  bool take(std::string_view literal) {
    if (!text_.substr(at_).starts_with(literal)) return false;
    at_ += literal.size();
    return true;
  }
  void skip_space() {
    while (at_ < text_.size() && std::string_view(" \t\n\r").contains(text_[at_])) ++at_;
  }
  void skip_digits() {
    while (is_at_digit()) ++at_;
  }

  bool any(PythonValue& value, int depth) {
    using Type = PythonValue::Type;
    const auto real_of = [&](double number) {
      value.type = Type::real;
      value.real = number;
      return true;
    };
    if (is_at('"')) {
      value.type = Type::text;
      return string(value.text);
    }
    if (is_at('{')) return object(value, depth + 1);
    if (is_at('[')) return array(value, depth + 1);
    if (take("null")) return true;
    if (take("true") || take("false")) {
      value.type = Type::boolean;
      value.boolean = text_[at_ - 2] == 'u';
      return true;
    }
    if (take("NaN")) return real_of(std::nan(""));
    if (take("Infinity")) return real_of(HUGE_VAL);
    if (take("-Infinity")) return real_of(-HUGE_VAL);
    return number(value);
  }

  bool object(PythonValue& value, int depth) {
    value.type = PythonValue::Type::object;
    if (depth > kDeepestNesting) return cannot_read("nested too deep");
    std::unordered_map<std::string, std::size_t> places;
    ++at_;
    skip_space();
    if (is_at('}')) return ++at_, true;
    while (true) {
      if (!is_at('"')) return refuse("Expecting property name enclosed in double quotes", at_);
      std::string name;
      if (!string(name)) return false;
      skip_space();
      if (!is_at(':')) return refuse("Expecting ':' delimiter", at_);
      ++at_;
      skip_space();
      PythonValue member;
      if (!any(member, depth)) return false;
      const auto [place, is_new] = places.try_emplace(name, value.members.size());
      if (is_new) value.members.emplace_back(std::move(name));
      value.members[place->second].value = std::move(member);
      skip_space();
      if (is_at('}')) return ++at_, true;
      if (!is_at(',')) return refuse("Expecting ',' delimiter", at_);
      ++at_;
      skip_space();
    }
  }

  bool array(PythonValue& value, int depth) {
    value.type = PythonValue::Type::array;
    if (depth > kDeepestNesting) return cannot_read("nested too deep");
    ++at_;
    skip_space();
    if (is_at(']')) return ++at_, true;
    while (true) {
      PythonValue item;
      if (!any(item, depth)) return false;
      value.items.push_back(std::move(item));
      skip_space();
      if (is_at(']')) return ++at_, true;
      if (!is_at(',')) return refuse("Expecting ',' delimiter", at_);
      ++at_;
      skip_space();
    }
  }

  // From the opening quote to behind the closing one.
  bool string(std::string& value) {
    const std::size_t begins = at_++;
    while (true) {
      const std::size_t chunk = at_;
      while (at_ < text_.size() && text_[at_] != '"' && text_[at_] != '\\') {
        if (static_cast<unsigned char>(text_[at_]) <= 0x1F)
          return refuse("Invalid control character at", at_);
        ++at_;
      }
      value.append(text_, chunk, at_ - chunk);
      if (at_ == text_.size()) return refuse("Unterminated string starting at", begins);
      if (text_[at_++] == '"') return true;
      if (at_ == text_.size()) return refuse("Unterminated string starting at", begins);
      if (text_[at_] == 'u' ? !unicode_escape(value) : !short_escape(value)) return false;
    }
  }

  bool short_escape(std::string& value) {
    static constexpr std::string_view kEscapes = R"("\/bfnrt)";
    static constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    const auto which = kEscapes.find(text_[at_]);
    if (which == std::string_view::npos) return refuse("Invalid \\escape", at_ - 1);
    value += kMeanings[which];
    ++at_;
    return true;
  }

  // Four hex digits from `at`; nullopt when there are none or the text ends right behind them.
  std::optional<unsigned> four_hex_digits(std::size_t at) const {
    if (at + 4 >= text_.size()) return std::nullopt;
    unsigned code = 0;
    for (const char c : text_.substr(at, 4)) {
      const auto digit = hex_digit(c);
      if (!digit) return std::nullopt;
      code = code << 4 | *digit;
    }
    return code;
  }

  bool unicode_escape(std::string& value) {
    auto code = four_hex_digits(at_ + 1);
    if (!code) return refuse("Invalid \\uXXXX escape", at_);
    at_ += 5;
    if (is_high_surrogate(*code) && at_ + 6 < text_.size() &&
        text_.substr(at_).starts_with("\\u")) {
      const auto second = four_hex_digits(at_ + 2);
      if (!second) return refuse("Invalid \\uXXXX escape", at_ + 1);
      if (is_low_surrogate(*second)) {
        code = 0x10000 + ((*code - 0xD800) << 10) + (*second - 0xDC00);
        at_ += 6;
      }
    }
    const bool is_lone = is_high_surrogate(*code) || is_low_surrogate(*code);
    append_utf8(value, is_lone ? kReplacement : *code);
    return true;
  }

  bool number(PythonValue& value) {
    const std::size_t begins = at_;
    if (is_at('-')) ++at_;
    if (!is_at_digit()) return refuse("Expecting value", begins);
    if (text_[at_] == '0')
      ++at_;
    else
      skip_digits();
    bool is_real = false;
    if (is_at('.') && at_ + 1 < text_.size() && is_digit(text_[at_ + 1])) {
      ++at_;
      skip_digits();
      is_real = true;
    }
    if (is_at('e') || is_at('E')) {
      const std::size_t behind_mantissa = at_++;
      if (is_at('+') || is_at('-')) ++at_;
      if (is_at_digit()) {
        skip_digits();
        is_real = true;
      } else {
        at_ = behind_mantissa;
      }
    }
    std::string literal(text_.substr(begins, at_ - begins));
    if (is_real) {
      value.type = PythonValue::Type::real;
      value.real = to_double(literal);
      return true;
    }
    if (literal.size() - (literal.front() == '-' ? 1 : 0) > kMostDigits)
      return cannot_read("an integer of too many digits");
    value.type = PythonValue::Type::integer;
    value.text = literal == "-0" ? "0" : std::move(literal);
    return true;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  PythonJsonFault fault_{};
};

void write(std::string& out, const PythonValue& value) {
  switch (value.type) {
    case PythonValue::Type::null: out += "null"; return;
    case PythonValue::Type::boolean: out += value.boolean ? "true" : "false"; return;
    case PythonValue::Type::integer: out += value.text; return;
    case PythonValue::Type::real:
      out += std::isfinite(value.real) ? python_repr(value.real) : "null";
      return;
    case PythonValue::Type::text: out += wire::quoted(value.text); return;
    case PythonValue::Type::array:
      out += '[';
      for (std::string_view separator; const PythonValue& item : value.items) {
        out += separator;
        write(out, item);
        separator = ",";
      }
      out += ']';
      return;
    case PythonValue::Type::object:
      out += '{';
      for (std::string_view separator; const PythonMember& member : value.members) {
        out += separator;
        out += wire::quoted(member.name);
        out += ':';
        write(out, member.value);
        separator = ",";
      }
      out += '}';
      return;
  }
}

}  // namespace

const PythonValue* PythonValue::find(std::string_view name) const {
  const auto found = std::ranges::find(members, name, &PythonMember::name);
  return found == members.end() ? nullptr : &found->value;
}

std::expected<PythonValue, PythonJsonFault> parse_python_json(std::string_view bytes) {
  static constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (bytes.starts_with(kByteOrderMark)) bytes.remove_prefix(kByteOrderMark.size());
  if (!is_utf8(bytes))
    return std::unexpected(PythonJsonFault{PythonJsonFault::Type::unreadable, "not UTF-8"});
  return Scanner(bytes).document();
}

std::string to_python_json(const PythonValue& value) {
  std::string out;
  write(out, value);
  return out;
}

std::string quoted(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 2);
  out += '"';
  // Nearly every text is plain throughout.
  const auto is_plain = [](char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; };
  const auto* special = std::ranges::find_if_not(text, is_plain);
  const auto plain = static_cast<std::size_t>(special - text.begin());
  out += text.substr(0, plain);
  text.remove_prefix(plain);
  while (!text.empty()) {
    const char c = text.front();
    const std::size_t length = character_length(text);
    if (length == 0) {
      append_utf8(out, kReplacement);
      text.remove_prefix(1);
      continue;
    }
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20)
          out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
        else
          out += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
  out += '"';
  return out;
}

std::string python_repr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  // Python writes an exponent below 1e-4 and from 1e16 on (float_repr_style 'r').
  const double magnitude = std::abs(value);
  const bool is_plain = value == 0 || (magnitude >= 1e-4 && magnitude < 1e16);
  std::array<char, 64> buffer{};
  const auto [end, error] =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                    is_plain ? std::chars_format::fixed : std::chars_format::scientific);
  std::string text(buffer.data(), end);
  if (is_plain && !text.contains('.')) text += ".0";
  return text;
}

bool is_utf8(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t length = character_length(bytes);
    if (length == 0) return false;
    bytes.remove_prefix(length);
  }
  return true;
}

}  // namespace betedge::wire
