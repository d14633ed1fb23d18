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

}  // namespace
}  // namespace betedge::core
