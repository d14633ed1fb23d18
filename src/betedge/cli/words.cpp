#include "betedge/cli/words.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <numeric>
#include <vector>

#include "betedge/wire/request.hpp"

namespace betedge::cli {

namespace {

using std::chrono::milliseconds;

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, value);
  if (text.empty() || error != std::errc{} || end != last) return std::nullopt;
  return value;
}

struct Unit {
  std::string_view name;
  std::int64_t ms;
};
constexpr std::array kUnits{Unit{"ms", 1}, Unit{"s", 1'000}, Unit{"m", 60'000},
                            Unit{"h", 3'600'000}, Unit{"d", 86'400'000}};
constexpr std::uint64_t kLongest = 1'000'000'000'000;  // ms; 31 years

// "15m" -> 15 minutes; a number without a unit counts in `plain`.
std::optional<milliseconds> with_unit(std::string_view text, std::int64_t plain) {
  const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto count = number(text.substr(0, digits));
  const auto unit = text.substr(digits);
  if (!count) return std::nullopt;
  auto factor = plain;
  if (!unit.empty()) {
    const auto* const found = std::ranges::find(kUnits, unit, &Unit::name);
    if (found == kUnits.end()) return std::nullopt;
    factor = found->ms;
  }
  if (*count == 0 || *count > kLongest / static_cast<std::uint64_t>(factor)) return std::nullopt;
  return milliseconds{static_cast<std::int64_t>(*count) * factor};
}

std::unexpected<std::string> not_a(std::string_view text, std::string_view what,
                                   std::string_view how) {
  return std::unexpected(fmt::format("'{}' is not {}: write {}", harmless(text), what, how));
}

bool is_continuation(char c) {
  return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

}  // namespace

Typed<std::string> read_date(std::string_view text) {
  std::string digits(text);
  if (text.size() == 10 && text[4] == '-' && text[7] == '-') std::erase(digits, '-');
  if (!parse_yyyymmdd(digits)) return not_a(text, "a date", "2024-12-31 or 20241231");
  return digits;
}

Typed<std::string> read_month(std::string_view text) {
  std::string digits(text);
  if (text.size() == 7 && text[4] == '-') digits.erase(4, 1);
  if (digits.size() != 6 || !parse_yyyymmdd(digits + "01"))
    return not_a(text, "a month", "2024-01 or 202401");
  return digits;
}

Typed<milliseconds> read_interval(std::string_view text) {
  const auto interval = with_unit(text, 1);
  if (!interval) return not_a(text, "an interval", "1m, 15m, 1h, 90s or milliseconds");
  return *interval;
}

Typed<milliseconds> read_time_of_day(std::string_view text) {
  constexpr std::int64_t kDay = 86'400'000;
  const auto wrong = [text] { return not_a(text, "a time of day", "09:30 or 16:00:00"); };
  if (!text.contains(':')) {
    const auto plain = number(text);
    if (!plain || *plain > kDay) return wrong();
    return milliseconds{static_cast<std::int64_t>(*plain)};
  }
  std::int64_t time = 0;
  const auto dot = text.find('.');
  if (dot != std::string_view::npos) {
    const auto fraction = text.substr(dot + 1);
    const auto value = number(fraction);
    if (!value || fraction.size() != 3 || std::ranges::count(text, ':') != 2) return wrong();
    time = static_cast<std::int64_t>(*value);
    text = text.substr(0, dot);
  }
  std::int64_t unit = 3'600'000;
  std::uint64_t limit = 24;
  while (true) {
    const auto colon = text.find(':');
    const auto part = text.substr(0, colon);
    const auto value = number(part);
    if (!value || part.size() > 2 || *value > limit || unit < 1'000) return wrong();
    time += static_cast<std::int64_t>(*value) * unit;
    unit /= 60;
    limit = 59;
    if (colon == std::string_view::npos) break;
    text.remove_prefix(colon + 1);
  }
  if (time > kDay) return wrong();
  return milliseconds{time};
}

Typed<milliseconds> read_duration(std::string_view text) {
  const auto duration = with_unit(text, 1'000);
  if (!duration || *duration < std::chrono::seconds{1}) {
    return not_a(text, "a duration", "90s, 10m or 2h");
  }
  return *duration;
}

std::string grouped(std::uint64_t value) {
  auto text = std::to_string(value);
  for (auto at = static_cast<std::ptrdiff_t>(text.size()) - 3; at > 0; at -= 3) {
    text.insert(static_cast<std::size_t>(at), 1, ',');
  }
  return text;
}

std::string counted(std::uint64_t value, std::string_view noun) {
  return fmt::format("{} {}{}", grouped(value), noun, value == 1 ? "" : "s");
}

std::string size_text(double bytes) {
  if (bytes < 1000) return fmt::format("{:.0f} B", bytes);
  constexpr std::array<std::string_view, 4> kNames{"kB", "MB", "GB", "TB"};
  std::size_t i = 0;
  bytes /= 1000;
  // What would be rounded to 1000 is one of the next unit.
  while (bytes >= 999.95 && i + 1 < kNames.size()) {
    bytes /= 1000;
    ++i;
  }
  return fmt::format("{:.1f} {}", bytes, kNames[i]);
}

std::string clock_text(std::chrono::seconds time) {
  const auto seconds = std::max<std::int64_t>(time.count(), 0);
  const auto days = seconds / 86'400, hours = seconds / 3'600 % 24, minutes = seconds / 60 % 60;
  if (days > 0) return fmt::format("{}d {}:{:02}:{:02}", days, hours, minutes, seconds % 60);
  if (hours > 0) return fmt::format("{}:{:02}:{:02}", hours, minutes, seconds % 60);
  return fmt::format("{}:{:02}", minutes, seconds % 60);
}

std::string age_text(std::chrono::seconds age) {
  const auto seconds = age.count();
  if (seconds < 1) return "now";
  if (seconds < 60) return fmt::format("{}s", seconds);
  if (seconds < 3'600) return fmt::format("{}m", seconds / 60);
  if (seconds < 86'400) return fmt::format("{}h", seconds / 3'600);
  return fmt::format("{}d", seconds / 86'400);
}

std::string outcomes_text(const ItemCounts& items) {
  std::string text;
  const auto add = [&text](std::uint32_t count, std::string_view word) {
    if (count == 0) return;
    if (!text.empty()) text += ", ";
    text += fmt::format("{} {}", grouped(count), word);
  };
  add(items.succeeded, "written");
  add(items.skipped, "skipped");
  add(items.no_data, "no data");
  add(items.failed, "failed");
  add(items.cancelled, "cancelled");
  return text;
}

std::string request_text(const std::string& request_json) {
  const auto request = wire::request_from_json(request_json);
  if (!request) return {};
  const auto& [first, last] = request->dates;
  if (request->kind == Kind::earnings) {
    const auto month = [](Date day) { return to_iso_text(day).substr(0, 7); };
    const auto until = month(first) == month(last) ? std::string() : " to " + month(last);
    return fmt::format("earnings, {}{}", month(first), until);
  }
  auto text = fmt::format("{} {} {}", request->root.text(), to_text(request->kind),
                          to_text(request->schema));
  if (request->interval.count() > 0) text += " " + interval_label(request->interval);
  const auto time = [](milliseconds since_midnight) {
    const auto minutes = since_midnight.count() / 60'000;
    return fmt::format("{:02}:{:02}", minutes / 60, minutes % 60);
  };
  if (request->window.start) text += " from " + time(*request->window.start);
  if (request->window.end) text += " until " + time(*request->window.end);
  text += ", " + to_iso_text(first);
  if (last != first) text += " to " + to_iso_text(last);
  return text;
}

std::optional<Timestamp> read_timestamp(std::string_view text) {
  if (text.size() < 25 || text[10] != 'T' || !text.ends_with("+00:00")) return std::nullopt;
  std::string digits(text.substr(0, 10));
  std::erase(digits, '-');
  const auto day = parse_yyyymmdd(digits);
  const auto hours = number(text.substr(11, 2)), minutes = number(text.substr(14, 2)),
             seconds = number(text.substr(17, 2));
  if (!day || !hours || !minutes || !seconds) return std::nullopt;
  std::uint64_t micros = 0;
  if (text[19] == '.') {
    const auto fraction = number(text.substr(20, text.size() - 26));
    if (!fraction || text.size() != 32) return std::nullopt;
    micros = *fraction;
  }
  return Timestamp{*day} + std::chrono::hours{*hours} + std::chrono::minutes{*minutes} +
         std::chrono::seconds{*seconds} + std::chrono::microseconds{micros};
}

std::size_t columns_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return !is_continuation(c); }));
}

std::string cut(std::string_view text, std::size_t columns, bool unicode) {
  if (columns_of(text) <= columns) return std::string(text);
  const std::string_view end = unicode ? "…" : "...";
  const auto kept = columns - std::min(columns, columns_of(end));
  const auto first_of = [text](std::size_t wanted) {
    std::size_t at = 0;
    for (std::size_t seen = 0; at < text.size(); ++at) {
      if (!is_continuation(text[at]) && ++seen > wanted) break;
    }
    return std::string(text.substr(0, at));
  };
  return kept == 0 ? first_of(columns) : first_of(kept) + std::string(end);
}

std::string harmless(std::string_view text) {
  std::string result(text);
  for (std::size_t i = 0; i < result.size(); ++i) {
    const auto byte = static_cast<unsigned char>(result[i]);
    if (byte < 0x20 || byte == 0x7F) result[i] = ' ';
    // U+0080 to U+009F: C1 controls, some terminals obey them.
    const bool is_c1 =
        byte == 0xC2 && i + 1 < result.size() && static_cast<unsigned char>(result[i + 1]) < 0xA0;
    if (is_c1) result.replace(i, 2, " ");
  }
  return result;
}

std::string_view nearest(std::string_view typed, std::initializer_list<std::string_view> known) {
  return nearest(typed, std::span(known.begin(), known.size()));
}

std::string_view nearest(std::string_view typed, std::span<const std::string_view> known) {
  std::string_view best;
  std::size_t best_distance = 3;  // more than two slips are another word
  for (const auto candidate : known) {
    // Levenshtein's distance, row by row.
    std::vector<std::size_t> row(candidate.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= typed.size(); ++i) {
      auto diagonal = std::exchange(row[0], i);
      for (std::size_t j = 1; j <= candidate.size(); ++j) {
        const auto replaced = diagonal + (typed[i - 1] == candidate[j - 1] ? 0 : 1);
        diagonal = row[j];
        row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
      }
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = candidate;
    }
  }
  return best;
}

}  // namespace betedge::cli
