#include "betedge/core/object_key.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>

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

std::string interval_folder(const HistoricalRequest& request) {
  std::string label = interval_label(request.interval);
  if (!request.window.is_whole_day())
    label +=
        fmt::format("@{}-{}", time_label(request.window.start), time_label(request.window.end));
  return label;
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

ObjectKey object_key(const HistoricalRequest& request, Date day) {
  const std::uint32_t date = to_yyyymmdd(day);
  const std::uint32_t y = date / 10000, m = date / 100 % 100, d = date % 100;
  const std::string_view schema = to_text(request.schema);
  const std::string_view format = to_text(request.format);
  const std::string& root = request.root.text();
  const bool is_eod = request.schema == Schema::eod;
  switch (request.kind) {
    case Kind::option:
      if (is_eod)
        return ObjectKey(
            fmt::format("historical-options/eod/{}/{:04}/{:02}/data.{}", root, y, m, format));
      return ObjectKey(fmt::format("historical-options/{}/{}/all/{}/{:04}/{:02}/{:02}/data.{}",
                                   schema, interval_folder(request), root, y, m, d, format));
    case Kind::stock:
      if (is_eod)
        return ObjectKey(fmt::format("historical-stock/eod/{}/{:04}/data.{}", root, y, format));
      return ObjectKey(fmt::format("historical-stock/{}/{}/{}/{:04}/{:02}/{:02}/data.{}", schema,
                                   interval_folder(request), root, y, m, d, format));
    case Kind::earnings:
      return ObjectKey(fmt::format("earnings/{:04}/{:02}/data.{}", y, m, format));
  }
  std::unreachable();
}

}  // namespace betedge::core
