#include "betedge/core/dates.hpp"

#include <fmt/format.h>

namespace betedge::core {
namespace {

using namespace std::chrono;

year_month_day civil(Date day) {
  return year_month_day{day};
}

// The Sundays on which New York's clocks go forward and back, at 2:00: the Energy Policy Act of
// 2005, and the rules before it back to the Uniform Time Act (but for 1974 and 1975).
Date summer_begins(year y) {
  if (y >= 2007y) return y / March / Sunday[2];
  if (y >= 1987y) return y / April / Sunday[1];
  return y / April / Sunday[last];
}
Date summer_ends(year y) {
  if (y >= 2007y) return y / November / Sunday[1];
  return y / October / Sunday[last];
}

// From 2:00 EST to 2:00 EDT.
bool is_summer_time(sys_time<microseconds> now) {
  const year y = civil(floor<days>(now)).year();
  return summer_begins(y) + 7h <= now && now < summer_ends(y) + 6h;
}

}  // namespace

std::optional<Date> parse_yyyymmdd(std::string_view text) {
  if (text.size() != 8) return std::nullopt;
  std::uint32_t number = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    number = number * 10 + static_cast<std::uint32_t>(c - '0');
  }
  return from_yyyymmdd(number);
}

std::uint32_t to_yyyymmdd(Date day) {
  const year_month_day ymd = civil(day);
  return static_cast<std::uint32_t>(static_cast<int>(ymd.year())) * 10000 +
         static_cast<unsigned>(ymd.month()) * 100 + static_cast<unsigned>(ymd.day());
}

std::string to_yyyymmdd_text(Date day) {
  std::string text(8, '0');
  auto number = to_yyyymmdd(day);
  for (auto digit = text.rbegin(); number > 0 && digit != text.rend(); ++digit, number /= 10)
    *digit = static_cast<char>('0' + number % 10);
  return text;
}

std::string to_iso_text(Date day) {
  const std::uint32_t number = to_yyyymmdd(day);
  return fmt::format("{:04}-{:02}-{:02}", number / 10000, number / 100 % 100, number % 100);
}

std::optional<Date> from_yyyymmdd(std::uint32_t number) {
  if (number / 10000 < 1 || number / 10000 > 9999) return std::nullopt;
  const year_month_day ymd{year{static_cast<int>(number / 10000)}, month{number / 100 % 100},
                           day{number % 100}};
  if (!ymd.ok()) return std::nullopt;
  return sys_days{ymd};
}

Date first_of_month(Date day) {
  const year_month_day ymd = civil(day);
  return ymd.year() / ymd.month() / 1;
}

Date last_of_month(Date day) {
  const year_month_day ymd = civil(day);
  return ymd.year() / ymd.month() / last;
}

Date first_of_year(Date day) {
  return civil(day).year() / January / 1;
}

Date last_of_year(Date day) {
  return civil(day).year() / December / 31;
}

Date new_york_date(Timestamp now) {
  return floor<days>(now - (is_summer_time(now) ? hours{4} : hours{5}));
}

std::optional<sys_time<milliseconds>> from_new_york(Date day, std::uint32_t ms_of_day) {
  const milliseconds of_day{ms_of_day};
  if (of_day > 24h) return std::nullopt;
  if (of_day == 24h) return from_new_york(day + days{1}, 0);
  const year y = civil(day).year();
  const Date begins = summer_begins(y), ends = summer_ends(y);
  if (day == begins && of_day >= 2h && of_day < 3h) return std::nullopt;
  if (day == ends && of_day >= 1h && of_day < 2h) return std::nullopt;
  const bool is_summer = (day > begins || (day == begins && of_day >= 3h)) &&
                         (day < ends || (day == ends && of_day < 1h));
  return day + of_day + (is_summer ? 4h : 5h);
}

local_time<milliseconds> to_new_york(sys_time<milliseconds> time) {
  const auto offset = is_summer_time(time) ? hours{-4} : hours{-5};
  return local_time<milliseconds>{time.time_since_epoch() + offset};
}

std::string to_iso_text(Timestamp time) {
  const Date day = floor<days>(time);
  const hh_mm_ss clock{time - day};
  std::string text = fmt::format("{}T{:02}:{:02}:{:02}", to_iso_text(day), clock.hours().count(),
                                 clock.minutes().count(), clock.seconds().count());
  if (clock.subseconds().count() != 0) text += fmt::format(".{:06}", clock.subseconds().count());
  return text + "+00:00";
}

}  // namespace betedge::core
