#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "betedge/core/dates.hpp"
#include "betedge/core/job.hpp"

// What a person types, read; and values, in a person's words. Plain functions.
namespace betedge::cli {

// The error of these is one sentence: what is wrong, and how to write it.
template <class T>
using Typed = std::expected<T, std::string>;

// "2024-01-02" or "20240102" -> "20240102"
Typed<std::string> read_date(std::string_view text);
// "2024-01" or "202401" -> "202401"
Typed<std::string> read_month(std::string_view text);
// "15m", "1h", "90s", "1d", "60001ms" or milliseconds without a unit: at least 1.
Typed<std::chrono::milliseconds> read_interval(std::string_view text);
// "09:30", "09:30:15", "09:30:15.250", or milliseconds since midnight without colons; at most
// 24:00.
Typed<std::chrono::milliseconds> read_time_of_day(std::string_view text);
// "90s", "10m", "2h", "1d", or seconds without a unit: at least 1 s.
Typed<std::chrono::milliseconds> read_duration(std::string_view text);

// 1234567 -> "1,234,567"
std::string grouped(std::uint64_t number);
// "1 item", "1,234 items"
std::string counted(std::uint64_t number, std::string_view noun);
// Decimal, as disks and networks are sold: "999 B", "1.0 kB", "84.1 MB".
std::string size_text(double bytes);
// "0:42", "12:03", "1:02:03", "2d 3:04:05"
std::string clock_text(std::chrono::seconds time);
// How long ago: "now", "12s", "3m", "2h", "5d"
std::string age_text(std::chrono::seconds age);
// "9 written, 2 skipped, 1 no data, 1 failed, 1 cancelled": those that are not zero; empty if none.
std::string outcomes_text(const ItemCounts& items);
// "AAPL option quote 15m, 2024-01-01 to 2024-12-31"; "earnings, 2024-01 to 2024-03"; empty when it
// is no request.
std::string request_text(const std::string& request_json);
// "2026-01-02T03:04:05.123456+00:00" as the server writes it.
std::optional<Timestamp> read_timestamp(std::string_view text);

// How many columns of a terminal the text takes: its characters, whatever their bytes.
std::size_t columns_of(std::string_view text);
// At most `columns` of it; "…" (or "...") says that something was cut, where there is room for it.
std::string cut(std::string_view text, std::size_t columns, bool unicode);
// Without what could move the cursor or colour the terminal: control characters become spaces.
std::string harmless(std::string_view text);

// The one of `known` that was probably meant; empty when none is near.
std::string_view nearest(std::string_view typed, std::span<const std::string_view> known);
std::string_view nearest(std::string_view typed, std::initializer_list<std::string_view> known);

}  // namespace betedge::cli
