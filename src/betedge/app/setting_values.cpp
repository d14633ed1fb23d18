#include "betedge/app/setting_values.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace betedge::app {

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return result;
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const auto first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

std::optional<bool> read_bool(std::string_view text) {
  const auto word = lower(text);
  if (word == "true" || word == "1" || word == "yes" || word == "on") return true;
  if (word == "false" || word == "0" || word == "no" || word == "off") return false;
  return std::nullopt;
}

bool read_bool_into(bool& value, std::string_view text) {
  const auto read = read_bool(text);
  if (read) value = *read;
  return read.has_value();
}

std::optional<std::chrono::milliseconds> read_duration(std::string_view text) {
  const auto unit_at = text.find_first_not_of("0123456789.");
  const auto number = read_number<double>(text.substr(0, unit_at));
  if (!number) return std::nullopt;
  const auto unit = unit_at == std::string_view::npos ? "s" : trim(text.substr(unit_at));
  const double milliseconds = unit == "ms"  ? *number
                              : unit == "s" ? *number * 1e3
                              : unit == "m" ? *number * 6e4
                                            : -1.0;
  if (milliseconds < 0.0 || milliseconds > 8.64e7) return std::nullopt;
  return std::chrono::milliseconds(static_cast<std::int64_t>(milliseconds));
}

std::string show_duration(std::chrono::milliseconds duration) {
  return duration.count() % 1000 == 0 ? fmt::format("{}s", duration.count() / 1000)
                                      : fmt::format("{}ms", duration.count());
}

std::optional<std::size_t> read_size(std::string_view text) {
  const auto unit_at = text.find_first_not_of("0123456789");
  const auto number = read_number<std::size_t>(text.substr(0, unit_at));
  if (!number) return std::nullopt;
  const auto unit = unit_at == std::string_view::npos ? "b" : lower(trim(text.substr(unit_at)));
  const std::size_t factor = unit == "b"                    ? 1
                             : unit == "kib"                ? std::size_t{1} << 10
                             : unit == "mib" || unit == "m" ? std::size_t{1} << 20
                             : unit == "gib" || unit == "g" ? std::size_t{1} << 30
                             : unit == "kb"                 ? 1'000
                             : unit == "mb"                 ? 1'000'000
                             : unit == "gb"                 ? 1'000'000'000
                                                            : 0;
  if (factor == 0 || *number > (std::size_t{1} << 50) / factor) return std::nullopt;
  return *number * factor;
}

std::string show_size(std::size_t bytes) {
  return bytes % (std::size_t{1} << 20) == 0 ? fmt::format("{}MiB", bytes >> 20)
                                             : fmt::format("{}", bytes);
}

std::string show_bool(bool value) {
  return value ? "true" : "false";
}

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto comma = text.find(',');
    parts.push_back(trim(text.substr(0, comma)));
    if (comma == std::string_view::npos) return parts;
    text.remove_prefix(comma + 1);
  }
}

bool is_client_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 &&
         std::ranges::all_of(name, [](char c) { return c >= ' ' && c <= '~' && c != ','; });
}

}  // namespace betedge::app
