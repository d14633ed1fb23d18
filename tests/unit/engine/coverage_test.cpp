#include "betedge/engine/coverage.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/engine/lake_world.hpp"

namespace betedge::engine {
namespace {

using namespace std::chrono;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr Date kToday = sys_days{2024y / 6 / 3};
constexpr DateRange kFriday{sys_days{2024y / 1 / 5}, sys_days{2024y / 1 / 5}};

HistoricalRequest stock(Schema schema = Schema::ohlc) {
  return {.kind = Kind::stock,
          .root = *Symbol::parse("AAA"),
          .dates = kFriday,
          .schema = schema,
          .interval = schema == Schema::eod ? 0min : 1min};
}

std::string key_of(Date day) {
  return object_key(stock(), day).text();
}

ObjectRecord record(std::string_view key, Date covers_through, std::uint64_t size = 1) {
  return {.key = ObjectKey::parse(key).value(),
          .size_bytes = size,
          .rows = 10,
          .sha256 = "ab",
          .covers_through = covers_through,
          .schema_version = kSchemaVersion,
          .written_at = sys_days{2024y / 5 / 1}};
}

LakeEntry entry(bool is_there) {
  LakeEntry made{.key = ObjectKey::parse(key_of(kFriday.first)).value(),
                 .found = {},
                 .recorded = {},
                 .failure = {}};
  if (is_there) made.found = ObjectInfo{1, sys_days{2024y / 5 / 1}, "1"};
  return made;
}

TEST(StateOfAnObject, WhatIsThereAndFreshIsPresent) {
  auto there = entry(true);
  there.recorded = record(key_of(kFriday.first), kFriday.last);
  const auto state = state_of(there, kFriday, {});
  EXPECT_EQ(state.state, DayState::present);
  EXPECT_EQ(state.reason, "");
}

TEST(StateOfAnObject, WhatNobodyRecordedIsPresentAndSaysSo) {
  const auto state = state_of(entry(true), kFriday, {});
  EXPECT_EQ(state.state, DayState::present);
  EXPECT_EQ(state.reason, "not recorded yet");
}

TEST(StateOfAnObject, WhatNobodyRecordedAndWasWrittenTooEarlyIsStale) {
  auto early = entry(true);
  early.found->modified_at = sys_days{2024y / 1 / 5} + 15h;
  const auto state = state_of(early, kFriday, {});
  EXPECT_EQ(state.state, DayState::stale);
  EXPECT_THAT(state.reason, HasSubstr("not recorded"));
}

TEST(StateOfAnObject, WhatIsNotWhatWouldBeWrittenIsStaleAndSaysWhy) {
  auto there = entry(true);
  there.recorded = record(key_of(kFriday.first), kFriday.last, 7);
  EXPECT_EQ(state_of(there, kFriday, {}).state, DayState::stale);
  EXPECT_EQ(state_of(there, kFriday, {}).reason, "1 bytes, and 7 were recorded");
  there.recorded = record(key_of(kFriday.first), kFriday.last - days{1});
  EXPECT_EQ(state_of(there, kFriday, {}).reason, "ends with 20240104");
  there.recorded = record(key_of(kFriday.first), kFriday.last);
  EXPECT_EQ(state_of(there, kFriday, {.price_type = PriceType::float32}).reason,
            "of another layout");
}

TEST(StateOfAnObject, WhatWasRecordedAndIsGoneIsMissing) {
  auto gone = entry(false);
  gone.recorded = record(key_of(kFriday.first), kFriday.last);
  const auto state = state_of(gone, kFriday, {});
  EXPECT_EQ(state.state, DayState::missing);
  EXPECT_EQ(state.reason, "recorded, and not there any more");
  EXPECT_EQ(state_of(entry(false), kFriday, {}).reason, "");
}

TEST(StateOfAnObject, WhatFailedIsFailedOnlyWhileNothingLiesThere) {
  auto failed = entry(false);
  failed.failure = FailureRecord{"HTTP 500", {}};
  EXPECT_EQ(state_of(failed, kFriday, {}).state, DayState::failed);
  EXPECT_EQ(state_of(failed, kFriday, {}).reason, "HTTP 500");
  failed.found = entry(true).found;
  failed.recorded = record(key_of(kFriday.first), kFriday.last);
  EXPECT_EQ(state_of(failed, kFriday, {}).state, DayState::present);
}

TEST(StateOfAnObject, ThatThereIsNoDataIsAFactWithItsReason) {
  auto none = entry(false);
  none.recorded = record(key_of(kFriday.first), kFriday.last, 0);
  none.recorded->what = ObjectRecord::What::no_data;
  none.recorded->reason = "zero_series";
  EXPECT_EQ(state_of(none, kFriday, {}).state, DayState::no_data);
  EXPECT_EQ(state_of(none, kFriday, {}).reason, "zero_series");
}

class CoverageTest : public ::testing::Test {
 protected:
  Coverage covered(CoverageRequest asked, Date today = kToday) {
    auto answer =
        world_.get(coverage_of(world_.jobs, world_.lake, std::move(asked), today, Layout{}));
    EXPECT_TRUE(answer.has_value());
    return *std::move(answer);
  }
  void put_day(Date day, bool is_recorded = true) {
    world_.put(key_of(day));
    if (is_recorded) world_.jobs.knows(record(key_of(day), day));
  }
  static std::vector<DayState> states(const Coverage& coverage) {
    std::vector<DayState> all;
    for (const auto& day : coverage.days) all.push_back(day.state);
    return all;
  }

  testing::LakeWorld world_;
};

using enum DayState;

TEST_F(CoverageTest, NamesEverySessionOfTheRangeAndNoOtherDay) {
  put_day(2024y / 1 / 3);
  put_day(2024y / 1 / 5);
  // Of neither: another root, another interval, a later day.
  world_.put("historical-stock/ohlc/1m/AAB/2024/01/04/data.parquet");
  world_.put("historical-stock/ohlc/5m/AAA/2024/01/04/data.parquet");
  world_.put("historical-stock/ohlc/1m/AAA/2024/01/04/data.ipc");
  put_day(2024y / 1 / 9);
  const auto found =
      covered({.request = stock(), .first = 2024y / 1 / 1, .last = sys_days{2024y / 1 / 8}});
  EXPECT_THAT(states(found), ElementsAre(missing, present, missing, present, missing));
  EXPECT_EQ(found.days[0].date, Date{2024y / 1 / 2});
  EXPECT_EQ(found.keys[found.days[4].object].text(), key_of(2024y / 1 / 8));
  EXPECT_EQ(found.counts.of(missing), 3U);
  EXPECT_EQ(found.counts.of(present), 2U);
  EXPECT_THAT(found.gaps, ElementsAre(DateRange{2024y / 1 / 2, 2024y / 1 / 2},
                                      DateRange{2024y / 1 / 4, 2024y / 1 / 4},
                                      DateRange{2024y / 1 / 8, 2024y / 1 / 8}));
}

TEST_F(CoverageTest, NeighboursAreOneGapAlsoOverAWeekend) {
  put_day(2024y / 1 / 9);
  const auto found =
      covered({.request = stock(), .first = 2024y / 1 / 4, .last = sys_days{2024y / 1 / 10}});
  EXPECT_THAT(found.gaps, ElementsAre(DateRange{2024y / 1 / 4, 2024y / 1 / 8},
                                      DateRange{2024y / 1 / 10, 2024y / 1 / 10}));
}

TEST_F(CoverageTest, IsOneListingAndOneScanWhateverItsLength) {
  std::size_t listings = 0;
  for (Date day = 2014y / 7 / 1; day < kToday; day += days{1}) world_.put(key_of(day));
  world_.lake.set_hook([&](sinks::MemoryStore::Step step, const ObjectKey&) {
    EXPECT_EQ(step, sinks::MemoryStore::Step::list);
    ++listings;
    return sinks::MemoryStore::Fate{};
  });
  const auto found =
      covered({.request = stock(), .first = 2014y / 7 / 1, .last = sys_days{2024y / 5 / 31}});
  EXPECT_GT(found.days.size(), 2400U);
  EXPECT_EQ(found.counts.of(present), found.days.size());
  EXPECT_EQ(listings, 4U);  // pages of a thousand
  EXPECT_EQ(world_.jobs.scans, 1U);
}

TEST_F(CoverageTest, BeginsWithTheFirstObjectThatIsKnown) {
  world_.put("historical-stock/ohlc/1m/AAA/2023/12/01/data.ipc");  // of another format
  put_day(2024y / 5 / 30);
  world_.jobs.failed(ObjectKey::parse(key_of(2024y / 5 / 29)).value(), "HTTP 500");
  const auto found = covered({.request = stock()});
  EXPECT_EQ(found.dates, (DateRange{2024y / 5 / 29, sys_days{2024y / 5 / 31}}));
  EXPECT_THAT(states(found), ElementsAre(failed, present, missing));
}

TEST_F(CoverageTest, WithoutDatesAndWithoutObjectsThereIsNothing) {
  const auto found = covered({.request = stock()});
  EXPECT_EQ(found.dates, std::nullopt);
  EXPECT_TRUE(found.days.empty());
}

TEST_F(CoverageTest, AnOldSeriesIsCoveredForItsLastTenYears) {
  put_day(2005y / 1 / 3);
  EXPECT_EQ(covered({.request = stock()}).dates,
            (DateRange{2014y / 5 / 31, sys_days{2024y / 5 / 31}}));
  // 29 February, of ten years before, which had none.
  EXPECT_EQ(covered({.request = stock()}, 2024y / 3 / 1).dates->first, Date{2014y / 2 / 28});
}

TEST_F(CoverageTest, OfDaysThatHaveNotEndedNothingIsSaid) {
  const auto found =
      covered({.request = stock(), .first = 2024y / 6 / 3, .last = sys_days{2024y / 6 / 7}});
  EXPECT_TRUE(found.days.empty());
  EXPECT_TRUE(found.gaps.empty());
  // It begins behind the last session that has ended.
  EXPECT_TRUE(covered({.request = stock(), .first = 2024y / 6 / 5}).days.empty());
}

TEST_F(CoverageTest, APresentObjectsSessionsWithoutRowsAreNoData) {
  auto request = stock(Schema::eod);
  request.kind = Kind::option;
  const std::string key = "historical-options/eod/AAA/2024/01/data.parquet";
  world_.put(key);
  auto known = record(key, sys_days{2024y / 1 / 31});
  known.missing_sessions = {sys_days{2024y / 1 / 9}};
  world_.jobs.knows(known);
  const auto found =
      covered({.request = request, .first = 2024y / 1 / 8, .last = sys_days{2024y / 2 / 2}});
  ASSERT_EQ(found.days.size(), 19U);  // without Martin Luther King's day
  EXPECT_EQ(found.days[0].state, present);
  EXPECT_EQ(found.days[1].state, no_data);
  EXPECT_EQ(found.days[1].reason, "no rows");
  EXPECT_EQ(found.counts.of(no_data), 1U);
  EXPECT_EQ(found.counts.of(missing), 2U);  // of February
  // The whole month, as it would be downloaded.
  EXPECT_THAT(found.gaps, ElementsAre(DateRange{2024y / 2 / 1, 2024y / 2 / 29}));
}

TEST_F(CoverageTest, EarningsAreOfWeekdays) {
  const HistoricalRequest earnings{
      .kind = Kind::earnings, .root = {}, .dates = kFriday, .schema = Schema::eod};
  world_.put("earnings/2024/01/data.parquet");
  const auto found =
      covered({.request = earnings, .first = 2024y / 1 / 1, .last = sys_days{2024y / 1 / 31}});
  EXPECT_EQ(found.days.size(), 23U);
  EXPECT_EQ(found.days[0].date, Date{2024y / 1 / 1});  // a holiday of the exchange
  EXPECT_EQ(found.counts.of(present), 23U);
}

TEST_F(CoverageTest, AFaultOfTheLakeOrOfTheStoreIsNoAnswer) {
  const CoverageRequest asked{
      .request = stock(), .first = 2024y / 1 / 2, .last = sys_days{2024y / 1 / 5}};
  world_.jobs.failure = Error{ErrorCode::store_unavailable, "locked", {}};
  auto answer = world_.get(coverage_of(world_.jobs, world_.lake, asked, kToday, Layout{}));
  EXPECT_EQ(answer.error().code, ErrorCode::store_unavailable);
  world_.jobs.failure.reset();
  world_.lake.set_hook([](sinks::MemoryStore::Step, const ObjectKey&) {
    return sinks::MemoryStore::Fate{.failure = Error{ErrorCode::storage_failed, "gone", {}}};
  });
  answer = world_.get(coverage_of(world_.jobs, world_.lake, asked, kToday, Layout{}));
  EXPECT_EQ(answer.error().code, ErrorCode::storage_failed);
}

TEST_F(CoverageTest, AWalkMergesBothSidesByKeyAcrossPages) {
  for (const auto* name : {"a", "b", "d", "e"}) world_.put(name);
  for (const auto* name : {"a", "c", "e", "f"}) world_.jobs.knows(record(name, kToday));
  LakeWalk walk(world_.jobs, world_.lake, "", "", 1);
  std::string seen;
  while (true) {
    const auto next = world_.get(walk.next());
    ASSERT_TRUE(next.has_value());
    if (!*next) break;
    seen += (*next)->key.text();
    if ((*next)->found) seen += "+";
    if ((*next)->recorded) seen += "!";
    seen += " ";
  }
  EXPECT_EQ(seen, "a+! b+ c! d+ e+! f! ");
  LakeWalk some(world_.jobs, world_.lake, "", "d");
  EXPECT_EQ((*world_.get(some.next()))->key.text(), "e");
}

}  // namespace
}  // namespace betedge::engine
