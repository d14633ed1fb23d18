#include "betedge/cli/calendar.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <utility>

#include "betedge/cli/console.hpp"
#include "betedge/cli/words.hpp"

namespace betedge::cli {

namespace {

using std::chrono::year_month_day;

struct Look {
  std::string_view glyph;
  std::string_view ascii;
  std::string_view color;
};

// The glyphs differ in shape and in ink, so that they can be told apart without a colour.
Look look_of(DayState state) {
  switch (state) {
    case DayState::present: return {"■", "#", "32"};
    case DayState::no_data: return {"·", ".", "36"};
    case DayState::failed: return {"×", "x", "1;31"};
    case DayState::stale: return {"▒", "~", "33"};
    case DayState::missing: return {"□", "o", "1;35"};
  }
  std::unreachable();
}

std::string glyph_of(DayState state, BarStyle style) {
  const auto look = look_of(state);
  return colored(style.unicode ? look.glyph : look.ascii, look.color, style.color);
}

constexpr std::size_t kLabel = 5;  // "2024 ", "Mon  "
constexpr std::size_t kWeeks = 5;  // of a month, at most, counted by its Mondays to Fridays
constexpr std::size_t kLongestCount = 5;
constexpr std::size_t kLongestName = 7;  // "present", "no data", "missing"
// "   ■ present  2,520"
constexpr std::size_t kPanel = 3 + 2 + kLongestName + 1 + kLongestCount;
constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array<std::string_view, 5> kWeekdays{"Mon", "Tue", "Wed", "Thu", "Fri"};

// How the months stand beside each other.
struct Grid {
  std::size_t cell = 1;     // columns a session
  std::size_t gap = 1;      // between months
  std::size_t per_row = 1;  // months in a row
  bool has_panel = false;   // the year's counts beside it
  std::size_t month() const { return kWeeks * cell; }
  std::size_t width(std::size_t months) const {
    return kLabel + months * month() + (months - 1) * gap;
  }
};

Grid grid_of(std::size_t columns, std::size_t most_months, std::size_t years) {
  const Grid roomy{.cell = 2, .gap = 2, .per_row = most_months};
  if (roomy.width(most_months) <= columns) {
    auto grid = roomy;
    // Of a single year the legend says as much.
    grid.has_panel = years > 1 && roomy.width(most_months) + kPanel <= columns;
    return grid;
  }
  for (const std::size_t months : {12U, 6U, 4U, 3U, 2U}) {
    const Grid grid{.per_row = std::min<std::size_t>(months, most_months)};
    if (grid.width(grid.per_row) <= columns) return grid;
  }
  return {};
}

// The sessions of a year that are drawn, and the months that they lie in.
struct Year {
  std::map<Date, DayState> days;
  unsigned first_month = 12, last_month = 1;
  DayCounts counts;
};

std::map<int, Year> years_of(const wire::Coverage& coverage) {
  std::map<int, Year> years;
  for (const auto& day : coverage.days) {
    const auto date = parse_yyyymmdd(day.date);
    if (!date) continue;
    const year_month_day ymd(*date);
    auto& year = years[static_cast<int>(ymd.year())];
    const auto month = static_cast<unsigned>(ymd.month());
    year.first_month = std::min(year.first_month, month);
    year.last_month = std::max(year.last_month, month);
    year.days.emplace(*date, day.state);
    ++year.counts.of(day.state);
  }
  return years;
}

// 0 on Mondays.
unsigned weekday_of(Date day) {
  return std::chrono::weekday(day).iso_encoding() - 1;
}

// The week of its month that a Monday to Friday lies in: 0 to 4, since a first week without any of
// them does not count.
std::size_t week_of(Date day) {
  const auto dom = static_cast<unsigned>(year_month_day(day).day());
  const auto first = weekday_of(first_of_month(day));
  return (dom - 1 + first) / 7 - (first >= kWeekdays.size() ? 1 : 0);
}

// One weekday of one month: its sessions, week by week.
std::string month_row(const Year& year, Date first, unsigned weekday, const Grid& grid,
                      BarStyle style) {
  std::array<std::optional<DayState>, kWeeks> weeks{};
  const auto last = last_of_month(first);
  for (auto day = first; day <= last; day += std::chrono::days{1}) {
    const auto found = year.days.find(day);
    if (found != year.days.end() && weekday_of(day) == weekday) weeks[week_of(day)] = found->second;
  }
  std::string row;
  for (const auto& state : weeks) {
    row += state ? glyph_of(*state, style) : " ";
    row.append(grid.cell - 1, ' ');
  }
  return row;
}

void trim_end(std::string& line) {
  line.erase(line.find_last_not_of(' ') + 1);
}

std::string count_beside(DayState state, const DayCounts& counts, BarStyle style) {
  return fmt::format("   {} {:<{}} {:>{}}", glyph_of(state, style), words_of(state), kLongestName,
                     grouped(counts.of(state)), kLongestCount);
}

// The months from one to another, side by side.
std::string row_of_months(int number, const Year& year, unsigned from, unsigned to,
                          const Grid& grid, BarStyle style) {
  const auto separator = std::string(grid.gap, ' ');
  auto head = fmt::format("{:<{}}", number, kLabel);
  for (auto month = from; month <= to; ++month) {
    if (month > from) head += separator;
    head += fmt::format("{:<{}}", kMonths[month - 1], grid.month());
  }
  trim_end(head);
  auto text = colored(head, "1", style.color) + "\n";
  for (unsigned weekday = 0; weekday < kWeekdays.size(); ++weekday) {
    std::string line;
    for (auto month = from; month <= to; ++month) {
      if (month > from) line += separator;
      const Date first{std::chrono::year{number} / std::chrono::month{month} / 1};
      line += month_row(year, first, weekday, grid, style);
    }
    if (grid.has_panel) {
      line.append((grid.per_row - (to - from + 1)) * (grid.month() + grid.gap), ' ');
      line += count_beside(kDayStates[weekday], year.counts, style);
    } else {
      trim_end(line);
    }
    line = fmt::format("{:<{}}", kWeekdays[weekday], kLabel) + line;
    trim_end(line);
    text += line + "\n";
  }
  return text;
}
static_assert(kDayStates.size() == kWeekdays.size(), "the counts stand beside the weekdays");

std::vector<Stretch> stretches(const wire::Coverage& coverage,
                               bool (*is_wanted)(const wire::CoverageDay&)) {
  std::vector<Stretch> found;
  bool goes_on = false;  // the day before was of the last stretch
  for (const auto& day : coverage.days) {
    if (!is_wanted(day)) {
      goes_on = false;
      continue;
    }
    if (goes_on && found.back().state == day.state && found.back().reason == day.reason) {
      found.back().last = day.date;
      ++found.back().sessions;
    } else {
      found.push_back({day.date, day.date, day.state, day.reason, 1});
    }
    goes_on = true;
  }
  return found;
}

}  // namespace

std::vector<Stretch> gaps_of(const wire::Coverage& coverage) {
  return stretches(coverage, [](const wire::CoverageDay& day) {
    return day.state != DayState::present && day.state != DayState::no_data;
  });
}

std::vector<Stretch> oddities_of(const wire::Coverage& coverage) {
  return stretches(coverage, [](const wire::CoverageDay& day) {
    return day.state == DayState::no_data && !day.reason.empty() && day.reason != "no_data";
  });
}

std::string_view words_of(DayState state) {
  return state == DayState::no_data ? "no data" : to_text(state);
}

std::string calendar(const wire::Coverage& coverage, std::size_t columns, BarStyle style) {
  const auto years = years_of(coverage);
  std::size_t most_months = 1;
  for (const auto& [number, year] : years) {
    most_months = std::max<std::size_t>(most_months, year.last_month - year.first_month + 1);
  }
  const auto grid = grid_of(columns, most_months, years.size());
  std::string text;
  for (const auto& [number, year] : years) {
    for (auto from = year.first_month; from <= year.last_month;) {
      const auto to = std::min(year.last_month, from + static_cast<unsigned>(grid.per_row) - 1);
      if (!text.empty()) text += "\n";
      text += row_of_months(number, year, from, to, grid, style);
      from = to + 1;
    }
  }
  return text;
}

std::string legend(const DayCounts& counts, std::size_t columns, BarStyle style) {
  std::string text, line;
  std::size_t taken = 0;
  for (const auto state : kDayStates) {
    const auto words = fmt::format("{} {}", words_of(state), grouped(counts.of(state)));
    const auto width = 2 + columns_of(words);
    if (taken > 0 && taken + 3 + width > columns) {
      text += line + "\n";
      line.clear();
      taken = 0;
    }
    if (taken > 0) line += "   ";
    taken += (taken > 0 ? 3 : 0) + width;
    line += glyph_of(state, style) + " " + words;
  }
  return text + line + "\n";
}

std::size_t sessions_of(const DayCounts& counts) {
  std::size_t sum = 0;
  for (const auto state : kDayStates) sum += counts.of(state);
  return sum;
}

std::size_t settled_of(const DayCounts& counts) {
  return counts.of(DayState::present) + counts.of(DayState::no_data);
}

}  // namespace betedge::cli
