#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "betedge/core/error.hpp"

namespace betedge::core {

// A calendar day in New York, without a time. Plain day arithmetic: no time zone takes part.
using Date = std::chrono::sys_days;

// Wall-clock time, UTC, to the microsecond, as jobs record it.
using Timestamp = std::chrono::sys_time<std::chrono::microseconds>;

// First and last day, both included. Never empty: first <= last.
struct DateRange {
  Date first;
  Date last;
  friend bool operator==(const DateRange&, const DateRange&) = default;
};

// "20240102" -> 2 January 2024. nullopt unless it is exactly eight ASCII digits naming a real day.
std::optional<Date> parse_yyyymmdd(std::string_view text);

// 2 January 2024 -> 20240102, as the vendor and the files write a day.
std::uint32_t to_yyyymmdd(Date day);
std::string to_yyyymmdd_text(Date day);
// "2024-01-02"
std::string to_iso_text(Date day);
// nullopt unless `number` names a real day (20240230 does not).
std::optional<Date> from_yyyymmdd(std::uint32_t number);

Date first_of_month(Date day);
Date last_of_month(Date day);
Date first_of_year(Date day);
Date last_of_year(Date day);

// The day it is in New York at this instant. US rules since 2007 (second Sunday in March to first
// Sunday in November); used only for "now", never for history.
Date new_york_date(Timestamp now);

// The instant of a wall-clock time in New York: `ms_of_day` milliseconds after midnight, up to and
// with 86'400'000, the next day's midnight. US rules since 1967. nullopt for a larger number, and
// in the two nights of a year when the clocks change for a time that they skip or show twice; no
// session is near those.
std::optional<std::chrono::sys_time<std::chrono::milliseconds>> from_new_york(
    Date day, std::uint32_t ms_of_day);

// The wall-clock time in New York of this instant, by the same rules.
std::chrono::local_time<std::chrono::milliseconds> to_new_york(
    std::chrono::sys_time<std::chrono::milliseconds> time);

// "2026-01-02T03:04:05.123456+00:00": Python's datetime.isoformat() of a UTC time; the fraction is
// left out only when it is zero (API.md, Status).
std::string to_iso_text(Timestamp time);

}  // namespace betedge::core
