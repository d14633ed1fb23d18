#include "betedge/core/dates.hpp"

#include <fmt/format.h>

namespace betedge::core {
namespace {

using namespace std::chrono;

year_month_day civil(Date day) {
  return year_month_day{day};
}

// Summer time in New York: from the second Sunday of March, 2:00 EST, to the first Sunday of
// November, 2:00 EDT (Energy Policy Act of 2005).
bool is_summer_time(sys_time<microseconds> now) {
  const year y = civil(floor<days>(now)).year();
  const auto begins = sys_days{y / March / Sunday[2]} + 7h;
  const auto ends = sys_days{y / November / Sunday[1]} + 6h;
  return begins <= now && now < ends;
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
  return fmt::format("{:08}", to_yyyymmdd(day));
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

std::string to_iso_text(Timestamp time) {
  const Date day = floor<days>(time);
  const hh_mm_ss clock{time - day};
  std::string text = fmt::format("{}T{:02}:{:02}:{:02}", to_iso_text(day), clock.hours().count(),
                                 clock.minutes().count(), clock.seconds().count());
  if (clock.subseconds().count() != 0) text += fmt::format(".{:06}", clock.subseconds().count());
  return text + "+00:00";
}

}  // namespace betedge::core
