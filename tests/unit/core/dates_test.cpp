#include "betedge/core/dates.hpp"

#include <gtest/gtest.h>

namespace betedge::core {
namespace {

using namespace std::chrono;

TEST(YyyymmddTest, ReadsEightDigitsThatNameARealDay) {
  EXPECT_EQ(parse_yyyymmdd("20240229"), Date{2024y / 2 / 29});
  EXPECT_EQ(parse_yyyymmdd("00010101"), Date{year{1} / 1 / 1});
  EXPECT_EQ(parse_yyyymmdd("99991231"), Date{9999y / 12 / 31});
}

TEST(YyyymmddTest, RefusesEverythingElse) {
  for (const auto* text :
       {"", "2024010", "202401020", "2024-1-2", "20240230", "20230229", "20241301", "20240100",
        "20240001", "00000101", " 2024010", "+2024010", "2024010a", "２０２４"})
    EXPECT_EQ(parse_yyyymmdd(text), std::nullopt) << text;
}

TEST(YyyymmddTest, EveryDayOfFourCenturiesComesBackAsItself) {
  for (Date day = 1800y / 1 / 1; day < Date{2200y / 1 / 1}; day += days{1}) {
    ASSERT_EQ(parse_yyyymmdd(to_yyyymmdd_text(day)), day);
    ASSERT_EQ(from_yyyymmdd(to_yyyymmdd(day)), day);
  }
  EXPECT_EQ(to_yyyymmdd_text(Date{year{33} / 4 / 3}), "00330403");
}

TEST(YyyymmddTest, ANumberThatNamesNoDayIsRefused) {
  for (const std::uint32_t number : {0U, 101U, 20240230U, 20241332U, 100000101U, 4294967295U})
    EXPECT_EQ(from_yyyymmdd(number), std::nullopt) << number;
}

TEST(PeriodTest, BeginsAndEndsWithItsMonthAndYear) {
  for (Date day = 2019y / 12 / 25; day < Date{2021y / 3 / 5}; day += days{1}) {
    const year_month_day ymd{day};
    ASSERT_EQ(first_of_month(day), Date{ymd.year() / ymd.month() / 1});
    ASSERT_NE(year_month_day{last_of_month(day) + days{1}}.month(), ymd.month());
    ASSERT_EQ(year_month_day{last_of_month(day)}.month(), ymd.month());
    ASSERT_EQ(first_of_year(day), Date{ymd.year() / 1 / 1});
    ASSERT_EQ(last_of_year(day), Date{ymd.year() / 12 / 31});
  }
  EXPECT_EQ(last_of_month(Date{2024y / 2 / 1}), Date{2024y / 2 / 29});
}

TEST(IsoTextTest, ADayHasDashes) {
  EXPECT_EQ(to_iso_text(Date{2024y / 1 / 2}), "2024-01-02");
}

TEST(IsoTextTest, TheFractionIsLeftOutOnlyWhenItIsZero) {
  const Timestamp second = sys_days{2026y / 1 / 2} + 3h + 4min + 5s;
  EXPECT_EQ(to_iso_text(second), "2026-01-02T03:04:05+00:00");
  EXPECT_EQ(to_iso_text(second + 123456us), "2026-01-02T03:04:05.123456+00:00");
  EXPECT_EQ(to_iso_text(second + 1us), "2026-01-02T03:04:05.000001+00:00");
  EXPECT_EQ(to_iso_text(second + 100ms), "2026-01-02T03:04:05.100000+00:00");
  EXPECT_EQ(to_iso_text(Timestamp{}), "1970-01-01T00:00:00+00:00");
  EXPECT_EQ(to_iso_text(Timestamp{-1us}), "1969-12-31T23:59:59.999999+00:00");
}

struct InstantCase {
  Timestamp now;
  Date day;
};

TEST(NewYorkTest, TheDayTurnsAtMidnightThere) {
  const InstantCase cases[] = {
      {sys_days{2024y / 1 / 3} + 4h + 59min, 2024y / 1 / 2},
      {sys_days{2024y / 1 / 3} + 5h, 2024y / 1 / 3},
      {sys_days{2024y / 7 / 3} + 4h - 1us, 2024y / 7 / 2},
      {sys_days{2024y / 7 / 3} + 4h, 2024y / 7 / 3},
      // The nights around both changes of 2024: 10 March and 3 November.
      {sys_days{2024y / 3 / 10} + 5h - 1us, 2024y / 3 / 9},
      {sys_days{2024y / 3 / 10} + 5h, 2024y / 3 / 10},
      {sys_days{2024y / 3 / 11} + 4h - 1us, 2024y / 3 / 10},
      {sys_days{2024y / 3 / 11} + 4h, 2024y / 3 / 11},
      {sys_days{2024y / 11 / 3} + 4h, 2024y / 11 / 3},
      {sys_days{2024y / 11 / 4} + 5h - 1us, 2024y / 11 / 3},
      {sys_days{2024y / 11 / 4} + 5h, 2024y / 11 / 4},
      {sys_days{2027y / 1 / 1} + 1h, 2026y / 12 / 31},
  };
  for (const auto& [now, day] : cases)
    EXPECT_EQ(to_iso_text(new_york_date(now)), to_iso_text(day)) << to_iso_text(now);
}

struct WallClockCase {
  Date day;
  std::chrono::milliseconds of_day;
  std::optional<std::chrono::sys_time<std::chrono::milliseconds>> instant;
};

TEST(NewYorkTest, AWallClockTimeIsAnInstantUnlessTheClocksChangeThen) {
  const WallClockCase cases[] = {
      {2024y / 1 / 2, 9h + 30min, sys_days{2024y / 1 / 2} + 14h + 30min},
      {2024y / 7 / 2, 9h + 30min, sys_days{2024y / 7 / 2} + 13h + 30min},
      {2024y / 1 / 2, 24h, sys_days{2024y / 1 / 3} + 5h},
      {2024y / 1 / 2, 24h + 1ms, std::nullopt},
      // The spring's night skips an hour, the autumn's has one twice.
      {2024y / 3 / 10, 2h - 1ms, sys_days{2024y / 3 / 10} + 7h - 1ms},
      {2024y / 3 / 10, 2h, std::nullopt},
      {2024y / 3 / 10, 3h - 1ms, std::nullopt},
      {2024y / 3 / 10, 3h, sys_days{2024y / 3 / 10} + 7h},
      {2024y / 11 / 3, 1h - 1ms, sys_days{2024y / 11 / 3} + 5h - 1ms},
      {2024y / 11 / 3, 1h, std::nullopt},
      {2024y / 11 / 3, 2h, sys_days{2024y / 11 / 3} + 7h},
      {2024y / 3 / 9, 24h, sys_days{2024y / 3 / 10} + 5h},
      // The rules of 1987 to 2006: first Sunday of April to last of October.
      {2006y / 3 / 20, 12h, sys_days{2006y / 3 / 20} + 17h},
      {2006y / 4 / 3, 12h, sys_days{2006y / 4 / 3} + 16h},
      {2006y / 10 / 30, 12h, sys_days{2006y / 10 / 30} + 17h},
      {2007y / 3 / 20, 12h, sys_days{2007y / 3 / 20} + 16h},
      // And before: last Sunday of April.
      {1986y / 4 / 21, 12h, sys_days{1986y / 4 / 21} + 17h},
      {1986y / 4 / 28, 12h, sys_days{1986y / 4 / 28} + 16h},
  };
  for (const auto& [day, of_day, instant] : cases) {
    const auto found = from_new_york(day, static_cast<std::uint32_t>(of_day.count()));
    EXPECT_EQ(found, instant) << to_iso_text(day) << " " << of_day.count();
    if (instant && found)
      EXPECT_EQ(to_new_york(*found).time_since_epoch(), day.time_since_epoch() + of_day);
  }
}

}  // namespace
}  // namespace betedge::core
