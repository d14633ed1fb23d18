#pragma once

#include <charconv>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

// The texts that settings are written in, read and shown. Plain functions; nullopt and false are
// for what is not such a text.
namespace betedge::app {

std::string lower(std::string_view text);
// Without spaces, tabs and line ends around it.
std::string_view trim(std::string_view text);

// The whole text as a number: no sign before a positive one, nothing behind it.
template <class Number>
std::optional<Number> read_number(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// true, 1, yes, on; false, 0, no, off; any case. The original reads only true, 1 and yes as true,
// and anything else as false; a typing error is worth a sentence, so what is neither is refused.
std::optional<bool> read_bool(std::string_view text);
bool read_bool_into(bool& value, std::string_view text);
std::string show_bool(bool value);

// "90", "1.5" (seconds), "500ms", "90s", "2m"; at most a day
std::optional<std::chrono::milliseconds> read_duration(std::string_view text);
std::string show_duration(std::chrono::milliseconds duration);

// "536870912", "512MiB", "1GiB", "500 MB"; at most 1 PiB
std::optional<std::size_t> read_size(std::string_view text);
std::string show_size(std::size_t bytes);

// The parts of "a, b,c", without the spaces around them.
std::vector<std::string_view> split(std::string_view text);

// Whether a rule of the rollout may be for it: 1 to 64 printable characters without a comma.
bool is_client_name(std::string_view name);

}  // namespace betedge::app
