#include "betedge/core/calendar.hpp"

#include <algorithm>
#include <array>

namespace betedge::core {
namespace {

using namespace std::chrono;

constexpr minutes kUsualClose{16 * 60};
constexpr minutes kEarlyClose{13 * 60};

struct Exception {
  year_month_day day;
  std::string_view name;
};

// Whole days on which the Exchange closed outside its holiday rule: NYSE's own list of special
// closings ("NYSE: Special Closings since 1885") and its announcements since. In order of days.
constexpr std::array kSpecialClosures{
    Exception{1985y / September / 27, "Hurricane Gloria"},
    Exception{1994y / April / 27, "National Day of Mourning - Richard Nixon"},
    Exception{2001y / September / 11, "September 11 attacks"},
    Exception{2001y / September / 12, "September 11 attacks"},
    Exception{2001y / September / 13, "September 11 attacks"},
    Exception{2001y / September / 14, "September 11 attacks"},
    Exception{2004y / June / 11, "National Day of Mourning - Ronald Reagan"},
    Exception{2007y / January / 2, "National Day of Mourning - Gerald Ford"},
    Exception{2012y / October / 29, "Hurricane Sandy"},
    Exception{2012y / October / 30, "Hurricane Sandy"},
    Exception{2018y / December / 5, "National Day of Mourning - George H. W. Bush"},
    Exception{2025y / January / 9, "National Day of Mourning - Jimmy Carter"},
};

// Half days outside the rule (the same list of NYSE's).
constexpr std::array kSpecialEarlyCloses{
    1997y / December / 26,
    1999y / December / 31,
    2003y / December / 26,
};

// Easter Sunday of the Gregorian calendar (the anonymous algorithm, Nature 1876).
sys_days easter(year y) {
  const int number = static_cast<int>(y);
  const int a = number % 19, b = number / 100, c = number % 100;
  const int d = b / 4, e = b % 4, f = (b + 8) / 25, g = (b - f + 1) / 3;
  const int h = (19 * a + b - d - g + 15) % 30;
  const int i = c / 4, k = c % 4, l = (32 + 2 * e + 2 * i - h - k) % 7;
  const int m = (a + 11 * h + 22 * l) / 451;
  const int of_march = h + l - 7 * m + 114;
  return y / month{static_cast<unsigned>(of_march / 31)} /
         day{static_cast<unsigned>(of_march % 31 + 1)};
}

// A holiday on a fixed date is kept on the Friday before a Saturday and the Monday after a Sunday
// (NYSE Rule 7.2).
bool is_kept_on(sys_days day, month_day holiday) {
  const year y = year_month_day{day}.year();
  const sys_days date = y / holiday.month() / holiday.day();
  const weekday falls_on{date};
  if (falls_on == Saturday) return day == date - days{1};
  if (falls_on == Sunday) return day == date + days{1};
  return day == date;
}

// The Exchange's holidays by rule (NYSE Rule 7.2 and its commentary); `day` is a weekday.
std::optional<std::string_view> holiday_name(sys_days day) {
  const year_month_day ymd{day};
  const year y = ymd.year();
  const weekday w{day};
  const auto is_nth = [&](weekday_indexed nth) { return day == sys_days{y / ymd.month() / nth}; };
  switch (static_cast<unsigned>(ymd.month())) {
    case 1:
      // On a Saturday it is not kept at all: the Friday before ends the year's accounts.
      if (ymd.day() == 1d || (ymd.day() == 2d && w == Monday)) return "New Year's Day";
      if (y >= 1998y && is_nth(Monday[3])) return "Dr. Martin Luther King Jr. Day";
      break;
    case 2:
      if (is_nth(Monday[3])) return "President's Day";
      break;
    case 3:
    case 4:
      if (w == Friday && day == easter(y) - days{2}) return "Good Friday";
      break;
    case 5:
      if (day == sys_days{y / May / Monday[last]}) return "Memorial Day";
      break;
    case 6:
      if (y >= 2022y && is_kept_on(day, June / 19)) return "Juneteenth National Independence Day";
      break;
    case 7:
      if (is_kept_on(day, July / 4)) return "July 4th";
      break;
    case 9:
      if (is_nth(Monday[1])) return "Labor Day";
      break;
    case 11:
      if (is_nth(Thursday[4])) return "Thanksgiving";
      break;
    case 12:
      if (is_kept_on(day, December / 25)) return "Christmas";
      break;
    default: break;
  }
  return std::nullopt;
}

bool is_weekend(Date day) {
  const weekday w{day};
  return w == Saturday || w == Sunday;
}

// The half days by rule; `day` is a session.
bool is_early_close(Date day) {
  const year_month_day ymd{day};
  const year y = ymd.year();
  const weekday w{day};
  if (ymd.month() == November)
    return y >= 1993y && day == sys_days{y / November / Thursday[4]} + days{1};
  if (ymd.month() == December && ymd.day() == 24d) return y >= 1993y;
  if (ymd.month() == July && y >= 1995y) {
    // Before Independence Day; until 2012 not on a Wednesday, after which the Friday was the half
    // day.
    if (ymd.day() == 3d) return w != Wednesday || y >= 2013y;
    if (ymd.day() == 5d) return w == Friday && y < 2013y;
  }
  return std::ranges::find(kSpecialEarlyCloses, ymd) != kSpecialEarlyCloses.end();
}

}  // namespace

bool is_session(Date day) {
  return !is_weekend(day) && !closure_name(day);
}

std::optional<std::string_view> closure_name(Date day) {
  if (is_weekend(day)) return std::nullopt;
  const auto special = std::ranges::find(kSpecialClosures, year_month_day{day}, &Exception::day);
  if (special != kSpecialClosures.end()) return special->name;
  return holiday_name(day);
}

std::optional<std::chrono::minutes> session_close(Date day) {
  if (!is_session(day)) return std::nullopt;
  return is_early_close(day) ? kEarlyClose : kUsualClose;
}

std::vector<Date> sessions(DateRange range) {
  std::vector<Date> found;
  for (Date day = range.first; day <= range.last; day += days{1})
    if (is_session(day)) found.push_back(day);
  return found;
}

}  // namespace betedge::core
