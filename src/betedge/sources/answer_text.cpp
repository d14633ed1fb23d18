#include "betedge/sources/answer_text.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>

namespace betedge::sources {

std::string first_line(std::string_view body) {
  body = body.substr(0, body.find_first_of("\r\n"));
  std::string line;
  for (const char c : body.substr(0, 200)) line += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  const auto begin = line.find_first_not_of(" :");
  if (begin == std::string::npos) return {};
  return line.substr(begin);
}

std::chrono::milliseconds retry_after_of(std::string_view header) {
  constexpr std::int64_t kLongest = 120;
  std::int64_t seconds = 0;
  const auto* const end = header.data() + header.size();
  const auto [stopped, fault] = std::from_chars(header.data(), end, seconds);
  if (fault != std::errc{} || stopped != end || seconds <= 0) return {};
  return std::chrono::seconds{std::min(seconds, kLongest)};
}

}  // namespace betedge::sources
