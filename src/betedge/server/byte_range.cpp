#include "betedge/server/byte_range.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

#include "betedge/net/http_message.hpp"

namespace betedge::server {

namespace {

// Digits alone. One too large for 64 bits is beyond every object.
std::optional<std::uint64_t> number_of(std::string_view text) {
  if (text.empty() || !std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; }))
    return std::nullopt;
  std::uint64_t number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  return read.ec == std::errc{} ? number : std::numeric_limits<std::uint64_t>::max();
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

}  // namespace

Selected select_range(std::optional<std::string_view> range, std::uint64_t size) {
  constexpr Selected kWhole{};
  constexpr Selected kNothing{.what = Selected::What::nothing};
  if (!range) return kWhole;
  const auto equals = range->find('=');
  if (equals == std::string_view::npos ||
      !net::equal_ignoring_case(trimmed(range->substr(0, equals)), "bytes"))
    return kWhole;
  const auto set = trimmed(range->substr(equals + 1));
  const auto dash = set.find('-');
  if (dash == std::string_view::npos || set.contains(',')) return kWhole;
  const auto first_text = set.substr(0, dash), last_text = set.substr(dash + 1);
  const auto first = number_of(first_text), last = number_of(last_text);
  const auto part = [](std::uint64_t offset, std::uint64_t length) {
    return Selected{Selected::What::part, {offset, length}};
  };
  if (first_text.empty()) {  // the last so many bytes
    if (!last) return kWhole;
    if (*last == 0 || size == 0) return kNothing;
    const auto length = std::min(*last, size);
    return part(size - length, length);
  }
  if (!first || (!last && !last_text.empty()) || (last && *last < *first)) return kWhole;
  if (*first >= size) return kNothing;
  return part(*first, (last ? std::min(*last, size - 1) : size - 1) - *first + 1);
}

}  // namespace betedge::server
