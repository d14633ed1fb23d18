#include "betedge/cli/calendar.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "betedge/cli/words.hpp"

namespace betedge::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr BarStyle kAscii{false, false};

Date day(std::string_view text) {
  return *parse_yyyymmdd(text);
}

// Every Monday to Friday of the range, present but for what a test changes.
wire::Coverage weekdays(std::string_view first, std::string_view last) {
  wire::Coverage coverage{};
  coverage.kind = "stock";
  coverage.root = "AAPL";
  coverage.schema = "eod";
  for (auto date = day(first); date <= day(last); date += std::chrono::days{1}) {
    if (std::chrono::weekday(date).iso_encoding() > 5) continue;
    coverage.days.push_back({to_yyyymmdd_text(date), DayState::present, "", ""});
    ++coverage.counts.of(DayState::present);
  }
  return coverage;
}

void change(wire::Coverage& coverage, std::string_view date, DayState state,
            std::string reason = "") {
  for (auto& one : coverage.days) {
    if (one.date != date) continue;
    --coverage.counts.of(one.state);
    ++coverage.counts.of(state);
    one.state = state;
    one.reason = std::move(reason);
  }
}

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

TEST(CalendarTest, AMonthIsItsWeeksSideBySide) {
  auto january = weekdays("20240101", "20240131");
  january.days.erase(january.days.begin());  // New Year's Day is no session
  change(january, "20240103", DayState::no_data);
  change(january, "20240109", DayState::missing);
  change(january, "20240110", DayState::failed);
  change(january, "20240111", DayState::stale);
  EXPECT_EQ(calendar(january, 79, kAscii),
            "2024 Jan\n"
            "Mon    # # # #\n"
            "Tue  # o # # #\n"
            "Wed  . x # # #\n"
            "Thu  # ~ # #\n"
            "Fri  # # # #\n");
  EXPECT_EQ(calendar(january, 14, kAscii),
            "2024 Jan\n"
            "Mon   ####\n"
            "Tue  #o###\n"
            "Wed  .x###\n"
            "Thu  #~##\n"
            "Fri  ####\n");
}

TEST(CalendarTest, AFirstWeekOfAWeekendAloneHasNoColumn) {
  // 1 June 2024 is a Saturday, 1 September 2024 a Sunday.
  EXPECT_EQ(lines_of(calendar(weekdays("20240601", "20240630"), 14, kAscii))[1], "Mon  ####");
  EXPECT_EQ(lines_of(calendar(weekdays("20240901", "20240930"), 14, kAscii))[1], "Mon  #####");
  // Five weeks are the most: 31 days from a Saturday on, and from a Sunday.
  for (const auto* month : {"202503", "202306", "202010"}) {
    const auto first = day(std::string(month) + "01");
    const auto drawn = calendar(
        weekdays(to_yyyymmdd_text(first), to_yyyymmdd_text(last_of_month(first))), 10, kAscii);
    for (const auto& line : lines_of(drawn)) EXPECT_LE(line.size(), 10U) << drawn;
    EXPECT_EQ(
        std::ranges::count(drawn, '#'),
        weekdays(to_yyyymmdd_text(first), to_yyyymmdd_text(last_of_month(first))).days.size());
  }
}

TEST(CalendarTest, AYearFitsEightyColumns) {
  EXPECT_EQ(calendar(weekdays("20240101", "20241231"), 79, kAscii),
            "2024 Jan   Feb   Mar   Apr   May   Jun   Jul   Aug   Sep   Oct   Nov   Dec\n"
            "Mon  #####  ####  #### #####  #### ####  #####  #### #####  ####  #### #####\n"
            "Tue  #####  ####  #### #####  #### ####  #####  #### ####  #####  #### #####\n"
            "Wed  #####  ####  #### ####  ##### ####  #####  #### ####  #####  #### ####\n"
            "Thu  ####  #####  #### ####  ##### ####  ####  ##### ####  #####  #### ####\n"
            "Fri  ####  ####  ##### ####  ##### ####  ####  ##### ####  ####  ##### ####\n");
}

TEST(CalendarTest, AWideTerminalHasRoomBetweenTheSessions) {
  const auto lines = lines_of(calendar(weekdays("20240101", "20241231"), 199, kAscii));
  ASSERT_EQ(lines.size(), 6U);
  EXPECT_THAT(lines[1],
              ::testing::StartsWith("Mon  # # # # #     # # # #     # # # #   # # # # # "));
  EXPECT_EQ(lines[1].find("present"), std::string::npos) << "the legend says it";
}

TEST(CalendarTest, OfSeveralYearsEachHasItsCountsBesideItWhereThereIsRoom) {
  auto years = weekdays("20230101", "20241231");
  change(years, "20240103", DayState::missing);
  const auto lines = lines_of(calendar(years, 165, kAscii));
  ASSERT_EQ(lines.size(), 13U);
  EXPECT_THAT(lines[1], ::testing::EndsWith("   # present   260"));
  EXPECT_THAT(lines[8], ::testing::EndsWith("   # present   261"));
  EXPECT_THAT(lines[12], ::testing::EndsWith("   o missing     1"));
  EXPECT_EQ(lines[8].size(), 165U);
  EXPECT_EQ(lines_of(calendar(years, 164, kAscii))[1].find("present"), std::string::npos);
}

TEST(CalendarTest, YearsAreBelowEachOtherAndMonthsBreakWhereThereIsNoRoom) {
  const auto years = weekdays("20231101", "20240229");
  EXPECT_THAT(lines_of(calendar(years, 79, kAscii)),
              ElementsAre(HasSubstr("2023 Nov"), ::testing::_, ::testing::_, ::testing::_,
                          ::testing::_, ::testing::_, "", HasSubstr("2024 Jan"), ::testing::_,
                          ::testing::_, ::testing::_, ::testing::_, ::testing::_));
  const auto whole = weekdays("20240101", "20241231");
  EXPECT_EQ(lines_of(calendar(whole, 40, kAscii)).size(), 2U * 6 + 1);
  EXPECT_EQ(lines_of(calendar(whole, 10, kAscii)).size(), 12U * 6 + 11);
}

TEST(CalendarTest, NoLineIsWiderThanTheTerminal) {
  auto decade = weekdays("20150101", "20241231");
  for (std::size_t i = 0; i < decade.days.size(); i += 3)
    change(decade, decade.days[i].date, kDayStates[i % kDayStates.size()]);
  for (std::size_t columns = 11; columns <= 250; ++columns) {
    for (const auto& line : lines_of(calendar(decade, columns, {false, true})))
      ASSERT_LE(columns_of(line), columns) << line;
  }
}

TEST(CalendarTest, GlyphsAndColoursAreAStatesOwn) {
  std::set<std::string> glyphs, ascii, colored;
  for (const auto state : kDayStates) {
    auto one = weekdays("20240102", "20240102");
    change(one, "20240102", state);
    ascii.insert(calendar(one, 79, kAscii));
    glyphs.insert(calendar(one, 79, {false, true}));
    colored.insert(calendar(one, 79, {true, true}));
    EXPECT_EQ(calendar(one, 79, {false, true}).find('\x1b'), std::string::npos);
  }
  EXPECT_EQ(ascii.size(), kDayStates.size());
  EXPECT_EQ(glyphs.size(), kDayStates.size());
  EXPECT_EQ(colored.size(), kDayStates.size());
}

TEST(CalendarTest, WithoutSessionsThereIsNothingToDraw) {
  EXPECT_THAT(calendar({}, 79, kAscii), IsEmpty());
}

TEST(LegendTest, SaysTheGlyphsAndBreaksWhereItMust) {
  DayCounts counts;
  counts.of(DayState::present) = 2'520;
  counts.of(DayState::no_data) = 3;
  EXPECT_EQ(legend(counts, 79, kAscii),
            "# present 2,520   . no data 3   x failed 0   ~ stale 0   o missing 0\n");
  EXPECT_EQ(legend(counts, 32, kAscii),
            "# present 2,520   . no data 3\n"
            "x failed 0   ~ stale 0\n"
            "o missing 0\n");
}

TEST(StretchTest, GapsAreRunsOfSessionsOfOneStateAndReason) {
  auto january = weekdays("20240102", "20240131");
  for (const auto* date : {"20240105", "20240108", "20240109"})
    change(january, date, DayState::missing);
  change(january, "20240110", DayState::failed, "HTTP 500");
  change(january, "20240111", DayState::failed, "HTTP 502");
  change(january, "20240116", DayState::no_data);
  change(january, "20240117", DayState::stale);
  const auto gaps = gaps_of(january);
  ASSERT_EQ(gaps.size(), 4U);
  EXPECT_EQ(gaps[0].first, "20240105") << "over a weekend";
  EXPECT_EQ(gaps[0].last, "20240109");
  EXPECT_EQ(gaps[0].sessions, 3U);
  EXPECT_EQ(gaps[1].reason, "HTTP 500");
  EXPECT_EQ(gaps[2].reason, "HTTP 502");
  EXPECT_EQ(gaps[3].state, DayState::stale);
}

TEST(StretchTest, OdditiesAreWithoutDataForAReasonOfTheirOwn) {
  auto january = weekdays("20240102", "20240131");
  change(january, "20240105", DayState::no_data, "no_data");
  change(january, "20240108", DayState::no_data);
  change(january, "20240109", DayState::no_data, "zero_series");
  change(january, "20240110", DayState::no_data, "zero_series");
  const auto oddities = oddities_of(january);
  ASSERT_EQ(oddities.size(), 1U);
  EXPECT_EQ(oddities[0].sessions, 2U);
  EXPECT_EQ(oddities[0].reason, "zero_series");
  EXPECT_THAT(gaps_of(january), IsEmpty());
}

}  // namespace
}  // namespace betedge::cli
