#include "betedge/core/calendar.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <vector>

namespace betedge::core {
namespace {

using namespace std::chrono;

std::vector<std::vector<std::string>> read_csv(const std::string& path) {
  std::vector<std::vector<std::string>> rows;
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);  // the header
  while (std::getline(file, line)) {
    std::vector<std::string> row;
    std::istringstream fields(line);
    for (std::string field; std::getline(fields, field, ',');) row.push_back(field);
    rows.push_back(std::move(row));
  }
  return rows;
}

Date day_of(const std::string& iso) {
  std::string digits = iso;
  std::erase(digits, '-');
  return parse_yyyymmdd(digits).value();
}

class RecordedCalendarTest : public testing::Test {
 protected:
  void SetUp() override {
    const std::string folder = BETEDGE_SHARED_DATA "/calendar/";
    for (const auto& row : read_csv(folder + "xnys_sessions_2004_2027.csv"))
      closes_[day_of(row.at(0))] = row.at(2) == "13:00" ? 13h : 16h;
    for (const auto& row : read_csv(folder + "xnys_closures_2004_2027.csv"))
      closures_[day_of(row.at(0))] = row.at(2);
    if (!closes_.empty() && !closures_.empty()) return;
    if (std::getenv("CI") != nullptr) FAIL() << "no recorded calendar in " << folder;
    GTEST_SKIP() << "no recorded calendar in " << folder;
  }

  static constexpr DateRange kRecorded{sys_days{2004y / 1 / 1}, sys_days{2027y / 12 / 31}};
  std::map<Date, minutes> closes_;
  std::map<Date, std::string> closures_;
};

TEST_F(RecordedCalendarTest, EveryDayIsASessionExactlyWhenItWasOne) {
  for (Date day = kRecorded.first; day <= kRecorded.last; day += days{1})
    EXPECT_EQ(is_session(day), closes_.contains(day)) << to_iso_text(day);
}

TEST_F(RecordedCalendarTest, SessionsListsThemInOrder) {
  std::vector<Date> recorded;
  for (const auto& [day, close] : closes_) recorded.push_back(day);
  EXPECT_EQ(recorded.size(), 6037U);
  EXPECT_EQ(sessions(kRecorded), recorded);
}

TEST_F(RecordedCalendarTest, EveryCloseIsRight) {
  int early = 0;
  for (const auto& [day, close] : closes_) {
    EXPECT_EQ(session_close(day), close) << to_iso_text(day);
    early += close == 13h ? 1 : 0;
  }
  EXPECT_EQ(early, 49);
}

TEST_F(RecordedCalendarTest, EveryWeekdayClosureHasItsName) {
  EXPECT_EQ(closures_.size(), 225U);
  for (Date day = kRecorded.first; day <= kRecorded.last; day += days{1}) {
    const auto recorded = closures_.find(day);
    const auto name = closure_name(day);
    if (recorded == closures_.end())
      EXPECT_EQ(name, std::nullopt) << to_iso_text(day);
    else
      EXPECT_EQ(name, recorded->second) << to_iso_text(day);
  }
}

TEST(CalendarTest, ASessionIsAWeekdayWithoutAClosureAndHasAClose) {
  for (Date day = 1950y / 1 / 1; day < Date{2100y / 1 / 1}; day += days{1}) {
    const weekday w{day};
    const bool weekend = w == Saturday || w == Sunday;
    ASSERT_EQ(is_session(day), !weekend && !closure_name(day).has_value()) << to_iso_text(day);
    ASSERT_EQ(session_close(day).has_value(), is_session(day)) << to_iso_text(day);
    if (weekend) ASSERT_EQ(closure_name(day), std::nullopt) << to_iso_text(day);
  }
}

struct NamedDay {
  Date day;
  const char* name;
};

TEST(CalendarTest, SpecialClosuresAreNamed) {
  const NamedDay cases[] = {
      {1985y / 9 / 27, "Hurricane Gloria"},
      {1994y / 4 / 27, "National Day of Mourning - Richard Nixon"},
      {2001y / 9 / 11, "September 11 attacks"},
      {2001y / 9 / 14, "September 11 attacks"},
      {2004y / 6 / 11, "National Day of Mourning - Ronald Reagan"},
      {2007y / 1 / 2, "National Day of Mourning - Gerald Ford"},
      {2012y / 10 / 29, "Hurricane Sandy"},
      {2012y / 10 / 30, "Hurricane Sandy"},
      {2018y / 12 / 5, "National Day of Mourning - George H. W. Bush"},
      {2025y / 1 / 9, "National Day of Mourning - Jimmy Carter"},
  };
  for (const auto& [day, name] : cases) EXPECT_EQ(closure_name(day), name) << to_iso_text(day);
}

TEST(CalendarTest, HolidaysAreKeptByTheRuleOfTheirTime) {
  EXPECT_EQ(closure_name(2030y / 4 / 19), "Good Friday");
  EXPECT_EQ(closure_name(2028y / 7 / 4), "July 4th");
  EXPECT_TRUE(is_session(2021y / 6 / 18)) << "Juneteenth begins in 2022";
  EXPECT_TRUE(is_session(1997y / 1 / 20)) << "Martin Luther King Jr. Day begins in 1998";
  EXPECT_FALSE(is_session(1998y / 1 / 19));
}

TEST(CalendarTest, NewYearsDayOnASaturdayTakesNoFriday) {
  for (const auto y : {2004y, 2010y, 2021y, 2027y, 2032y})
    EXPECT_TRUE(is_session(Date{y / 12 / 31})) << int(y);
  EXPECT_EQ(closure_name(2023y / 1 / 2), "New Year's Day") << "a Sunday's is kept on Monday";
}

TEST(CalendarTest, HalfDaysFollowTheRuleOfTheirTime) {
  const Date half_days[] = {
      2030y / 11 / 29, 2029y / 12 / 24, 2028y / 7 / 3,   2013y / 7 / 3,   2002y / 7 / 5,
      1996y / 7 / 5,   2003y / 12 / 26, 1999y / 12 / 31, 1997y / 12 / 26, 2001y / 7 / 3,
  };
  for (const Date day : half_days) EXPECT_EQ(session_close(day), 13h) << to_iso_text(day);
  const Date whole_days[] = {
      2002y / 7 / 3, 2013y / 7 / 5,   2019y / 7 / 5,   2024y / 12 / 26, 1990y / 11 / 23,
      1990y / 7 / 3, 1992y / 12 / 24, 2024y / 12 / 23, 2024y / 11 / 27,
  };
  for (const Date day : whole_days) EXPECT_EQ(session_close(day), 16h) << to_iso_text(day);
}

}  // namespace
}  // namespace betedge::core
