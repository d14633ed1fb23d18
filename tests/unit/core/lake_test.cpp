#include "betedge/core/lake.hpp"

#include <gtest/gtest.h>

namespace betedge::core {
namespace {

TEST(LakeWords, AreReadAsTheyAreWritten) {
  for (const auto state : kDayStates) EXPECT_EQ(parse_day_state(to_text(state)), state);
  for (const auto verdict : kVerdicts) EXPECT_EQ(parse_verdict(to_text(verdict)), verdict);
  EXPECT_EQ(parse_day_state("Present"), std::nullopt);
  EXPECT_EQ(parse_verdict(""), std::nullopt);
}

TEST(LakeWords, AreCountedEachByItself) {
  DayCounts counts;
  ++counts.of(DayState::missing);
  counts.of(DayState::present) += 2;
  EXPECT_EQ(counts.of(DayState::missing), 1U);
  EXPECT_EQ(counts.of(DayState::present), 2U);
  EXPECT_EQ(counts.of(DayState::stale), 0U);
}

}  // namespace
}  // namespace betedge::core
