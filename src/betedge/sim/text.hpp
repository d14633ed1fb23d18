#pragma once

#include <charconv>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "betedge/core/error.hpp"

// Values as people write them on the simulator's command line.
namespace betedge::sim {

// A whole number without sign; nullopt when there is anything else.
inline std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto* const end = text.data() + text.size();
  const auto [stopped, fault] = std::from_chars(text.data(), end, value);
  if (fault != std::errc{} || stopped != end) return std::nullopt;
  return value;
}

// "200ms", "2s", "1m", "1500" (milliseconds).
Result<std::chrono::milliseconds> parse_duration(std::string_view text);

// "512", "20KB", "20MB/s", "1GiB"; KB is 1000, KiB 1024.
Result<std::uint64_t> parse_bytes(std::string_view text);

// "on" or "off", "true" or "false", "yes" or "no".
Result<bool> parse_switch(std::string_view text);

}  // namespace betedge::sim
