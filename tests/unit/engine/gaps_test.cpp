#include "betedge/engine/gaps.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "betedge/core/calendar.hpp"

namespace betedge::engine {
namespace {

Date day(std::uint32_t yyyymmdd) {
  return from_yyyymmdd(yyyymmdd).value();
}

// The note of an object of January 2024 (21 sessions) whose rows leave these days out.
std::string note_without(const std::vector<std::uint32_t>& missing, DateRange covers) {
  auto days = core::sessions(covers);
  std::erase_if(days, [&](Date one) { return std::ranges::count(missing, to_yyyymmdd(one)) != 0; });
  return note_of_gaps(covers, days);
}

const DateRange kJanuary{day(20240102), day(20240131)};
const DateRange kYear{day(20240102), day(20241231)};

TEST(Gaps, AnObjectWithRowsOfEachSessionHasNothingToSay) {
  EXPECT_EQ(note_without({}, kJanuary), "");
  EXPECT_EQ(note_without({}, {day(20240102), day(20240102)}), "");
}

TEST(Gaps, EachSessionWithoutRowsIsNamed) {
  EXPECT_EQ(note_without({20240117}, kJanuary), "no data on 1 of 21 sessions: 20240117");
  EXPECT_EQ(note_without({20240117, 20240118}, kJanuary),
            "no data on 2 of 21 sessions: 20240117 20240118");
}

TEST(Gaps, AtBothEndsToo) {
  EXPECT_EQ(note_without({20240102, 20240131}, kJanuary),
            "no data on 2 of 21 sessions: 20240102 20240131");
}

// 15 January is a holiday, 13 and 14 a weekend: the sessions around them follow each other.
TEST(Gaps, ThreeInARowAreToldByTheirEnds) {
  EXPECT_EQ(note_without({20240111, 20240112, 20240116, 20240119}, kJanuary),
            "no data on 4 of 21 sessions: 20240111-20240116 20240119");
}

TEST(Gaps, ASymbolListedInTheMiddleOfTheYearIsOneGap) {
  std::vector<std::uint32_t> before;
  for (const auto one : core::sessions({day(20240102), day(20240614)}))
    before.push_back(to_yyyymmdd(one));
  EXPECT_EQ(note_without(before, kYear), "no data on 115 of 252 sessions: 20240102-20240614");
}

TEST(Gaps, OfManyGapsTheFirstTenAreNamed) {
  std::vector<std::uint32_t> missing;
  for (const auto one : core::sessions(kYear))
    if (std::chrono::weekday(one) == std::chrono::Friday) missing.push_back(to_yyyymmdd(one));
  ASSERT_EQ(missing.size(), 51U);
  EXPECT_EQ(note_without(missing, kYear),
            "no data on 51 of 252 sessions: 20240105 20240112 20240119 20240126 20240202 20240209 "
            "20240216 20240223 20240301 20240308 and 41 more");
}

TEST(Gaps, ADayThatIsNoSessionFillsNone) {
  EXPECT_EQ(note_of_gaps({day(20240111), day(20240116)},
                         std::vector{day(20240111), day(20240112), day(20240113)}),
            "no data on 1 of 3 sessions: 20240116");
}

TEST(Gaps, AreListedToo) {
  const std::vector days{day(20240111), day(20240113), day(20240117)};
  EXPECT_EQ(missing_sessions({day(20240111), day(20240117)}, days),
            (std::vector{day(20240112), day(20240116)}));
  EXPECT_TRUE(missing_sessions({day(20240113), day(20240114)}, {}).empty()) << "a weekend";
}

}  // namespace
}  // namespace betedge::engine
