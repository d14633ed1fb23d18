#include "betedge/core/object_key.hpp"

#include <fmt/compile.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <ranges>
#include <span>
#include <vector>

namespace betedge::core {
namespace {

constexpr std::size_t kLongestKey = 1024;  // S3's limit

bool is_forbidden(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7f || c == '\\';
}

// "100000", or "100000.123" with milliseconds; nothing for a side left out.
std::string time_label(std::optional<std::chrono::milliseconds> time) {
  if (!time) return {};
  const std::chrono::hh_mm_ss clock{*time};
  std::string label = fmt::format("{:02}{:02}{:02}", clock.hours().count(), clock.minutes().count(),
                                  clock.seconds().count());
  if (clock.subseconds().count() != 0) label += fmt::format(".{:03}", clock.subseconds().count());
  return label;
}

using std::chrono::milliseconds;

constexpr milliseconds kDay{86'400'000};

// A whole text of digits.
std::optional<std::int64_t> number_of(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_whole = error == std::errc{} && end == text.data() + text.size();
  return is_whole && number >= 0 ? std::optional(number) : std::nullopt;
}

// interval_label's inverse, as far as it goes: whoever asks compares what comes of it.
std::optional<milliseconds> parse_interval_label(std::string_view label) {
  const auto digits = label.find_first_not_of("0123456789");
  if (digits == std::string_view::npos || digits == 0) return std::nullopt;
  const auto count = number_of(label.substr(0, digits));
  if (!count || *count > kDay.count()) return std::nullopt;
  const auto unit = label.substr(digits);
  milliseconds length{0};
  if (unit == "d") length = kDay;
  if (unit == "h") length = std::chrono::hours(1);
  if (unit == "m") length = std::chrono::minutes(1);
  if (unit == "s") length = std::chrono::seconds(1);
  if (unit == "ms") length = milliseconds(1);
  const auto interval = *count * length;
  if (interval <= milliseconds{0} || interval > kDay) return std::nullopt;
  return interval;
}

// time_label's inverse, likewise; false when it is none.
bool parse_time_label(std::string_view label, std::optional<milliseconds>& time) {
  if (label.empty()) return true;
  if (label.size() != 6 && (label.size() != 10 || label[6] != '.')) return false;
  const auto hms = number_of(label.substr(0, 6));
  const auto fraction = label.size() == 10 ? number_of(label.substr(7)) : 0;
  if (!hms || !fraction) return false;
  time = std::chrono::hours(*hms / 10'000) + std::chrono::minutes(*hms / 100 % 100) +
         std::chrono::seconds(*hms % 100) + milliseconds(*fraction);
  return *time <= kDay;
}

// interval_folder's inverse, likewise.
bool parse_interval_folder(std::string_view folder, HistoricalRequest& request) {
  const auto at = folder.find('@');
  const auto interval = parse_interval_label(folder.substr(0, at));
  if (!interval) return false;
  request.interval = *interval;
  if (at == std::string_view::npos) return true;
  const auto times = folder.substr(at + 1);
  const auto dash = times.find('-');
  return dash != std::string_view::npos &&
         parse_time_label(times.substr(0, dash), request.window.start) &&
         parse_time_label(times.substr(dash + 1), request.window.end);
}

// The period that "2024", "2024/02" and "2024/02/09" name.
std::optional<DateRange> parse_period(std::span<const std::string_view> parts) {
  constexpr std::string_view kFirst = "0101";
  std::string text;
  for (const auto part : parts) text += part;
  if (text.size() != 2 * parts.size() + 2) return std::nullopt;
  const auto first = parse_yyyymmdd(text + std::string(kFirst.substr(text.size() - 4)));
  if (!first) return std::nullopt;
  switch (parts.size()) {
    case 1: return DateRange{*first, last_of_year(*first)};
    case 2: return DateRange{*first, last_of_month(*first)};
    default: return DateRange{*first, *first};
  }
}

}  // namespace

Result<ObjectKey> ObjectKey::parse(std::string_view text) {
  const auto refuse = [&](std::string_view why) {
    return fail(ErrorCode::invalid_request, fmt::format("object key {:?} {}", text, why));
  };
  if (text.size() > kLongestKey)
    return fail(ErrorCode::invalid_request,
                fmt::format("object key of {} bytes is longer than {}", text.size(), kLongestKey));
  if (std::ranges::any_of(text, is_forbidden))
    return refuse("has a control character or a backslash");
  for (const auto part : text | std::views::split('/')) {
    const std::string_view segment(part.begin(), part.end());
    if (segment.empty()) return refuse("has an empty segment");
    if (segment == "." || segment == "..") return refuse("has a segment that leaves its folder");
  }
  if (text.empty()) return refuse("is empty");
  return ObjectKey(std::string(text));
}

std::string interval_folder(const HistoricalRequest& request) {
  std::string label = interval_label(request.interval);
  if (!request.window.is_whole_day())
    label +=
        fmt::format("@{}-{}", time_label(request.window.start), time_label(request.window.end));
  return label;
}

ObjectKey object_key(const HistoricalRequest& request, Date day) {
  const std::uint32_t date = to_yyyymmdd(day);
  const std::uint32_t y = date / 10000, m = date / 100 % 100, d = date % 100;
  const std::string_view schema = to_text(request.schema);
  const std::string_view format = to_text(request.format);
  const std::string& root = request.root.text();
  const bool is_eod = request.schema == Schema::eod;
  // A large job has ten thousand of them: the formats are read by the compiler.
  fmt::memory_buffer key;
  const fmt::appender out(key);
  switch (request.kind) {
    case Kind::option:
      if (is_eod)
        fmt::format_to(out, FMT_COMPILE("historical-options/eod/{}/{:04}/{:02}/data.{}"), root, y,
                       m, format);
      else
        fmt::format_to(out,
                       FMT_COMPILE("historical-options/{}/{}/all/{}/{:04}/{:02}/{:02}/data.{}"),
                       schema, interval_folder(request), root, y, m, d, format);
      break;
    case Kind::stock:
      if (is_eod)
        fmt::format_to(out, FMT_COMPILE("historical-stock/eod/{}/{:04}/data.{}"), root, y, format);
      else
        fmt::format_to(out, FMT_COMPILE("historical-stock/{}/{}/{}/{:04}/{:02}/{:02}/data.{}"),
                       schema, interval_folder(request), root, y, m, d, format);
      break;
    case Kind::earnings:
      fmt::format_to(out, FMT_COMPILE("earnings/{:04}/{:02}/data.{}"), y, m, format);
      break;
  }
  return ObjectKey(fmt::to_string(key));
}

std::optional<HistoricalRequest> facts_of(const ObjectKey& key) {
  std::vector<std::string_view> parts;
  for (const auto part : std::string_view(key.text()) | std::views::split('/'))
    parts.emplace_back(part.begin(), part.end());
  const std::span<const std::string_view> all(parts);
  constexpr std::string_view kName = "data.";
  if (!all.back().starts_with(kName)) return std::nullopt;
  const auto format = parse_file_format(all.back().substr(kName.size()));
  if (!format) return std::nullopt;

  HistoricalRequest request{
      .kind = Kind::earnings, .root = {}, .dates = {}, .schema = Schema::eod, .format = *format};
  std::optional<Symbol> root{Symbol()};
  std::optional<DateRange> period;
  if (all[0] == "earnings" && all.size() == 4) {
    period = parse_period(all.subspan(1, 2));
  } else if (all[0] == "historical-options" || all[0] == "historical-stock") {
    request.kind = all[0] == "historical-stock" ? Kind::stock : Kind::option;
    const bool is_option = request.kind == Kind::option;
    if (all.size() == (is_option ? 6U : 5U) && all[1] == "eod") {
      root = Symbol::parse(all[2]);
      period = parse_period(all.subspan(3, is_option ? 2 : 1));
    } else if (all.size() == (is_option ? 9U : 8U)) {
      const auto schema = parse_schema(all[1]);
      if (!schema || !parse_interval_folder(all[2], request)) return std::nullopt;
      request.schema = *schema;
      root = Symbol::parse(all[is_option ? 4 : 3]);
      period = parse_period(all.subspan(is_option ? 5 : 4, 3));
    }
  }
  if (!root || !period) return std::nullopt;
  request.root = *std::move(root);
  request.dates = *period;
  // What is spelled in another way than ours is not ours.
  if (object_key(request, period->first) != key) return std::nullopt;
  return request;
}

std::string series_prefix(const HistoricalRequest& request) {
  std::string text = object_key(request, Date{std::chrono::year{2000} / 1 / 1}).text();
  text.resize(text.rfind("/2000/") + 1);  // the last one: a symbol may be "2000", too
  return text;
}

}  // namespace betedge::core
