#include "betedge/engine/freshness.hpp"

#include <gtest/gtest.h>

#include <array>

namespace betedge::engine {
namespace {

using namespace std::chrono_literals;
using std::chrono::days;
using enum Standing;
using What = ObjectRecord::What;

const Date kFriday = std::chrono::year{2024} / 3 / 15;
const DateRange kCovers{std::chrono::year{2024} / 3 / 1, kFriday};
// Midnight in New York is 04:00 UTC in summer time.
const Timestamp kFridaysEnd = kFriday + 24h + 4h;

ObjectInfo found(std::uint64_t size, Timestamp modified_at = {}) {
  return {.size_bytes = size, .modified_at = modified_at, .etag = "e"};
}

ObjectRecord recorded(std::uint64_t size, Date covers_through) {
  return {.key = *ObjectKey::parse("a/b"),
          .size_bytes = size,
          .rows = 1,
          .sha256 = "",
          .covers_through = covers_through,
          .schema_version = kSchemaVersion};
}

ObjectRecord told(Timestamp when, Date covers_through = kFriday) {
  return {.key = *ObjectKey::parse("a/b"),
          .what = What::no_data,
          .sha256 = "",
          .covers_through = covers_through,
          .written_at = when,
          .reason = "no_data"};
}

TEST(Standing, NothingThereIsMissingWhateverWasWritten) {
  EXPECT_EQ(standing_of({}, {}, kCovers, {}), missing);
  EXPECT_EQ(standing_of({}, recorded(10, kFriday), kCovers, {}), missing) << "it was taken away";
}

TEST(Standing, WhatWeRecordedIsFreshWhileItIsStillThatAndCoversAsMuch) {
  EXPECT_EQ(standing_of(found(10), recorded(10, kFriday), kCovers, {}), fresh);
  EXPECT_EQ(standing_of(found(10), recorded(10, kFriday + days{3}), kCovers, {}), fresh);
  EXPECT_EQ(standing_of(found(10), recorded(10, kFriday - days{1}), kCovers, {}), stale)
      << "the period went on";
  EXPECT_EQ(standing_of(found(9), recorded(10, kFriday), kCovers, {}), stale) << "another size";
}

TEST(Standing, OlderColumnsAreStale) {
  auto older = recorded(10, kFriday);
  older.schema_version = kSchemaVersion - 1;
  EXPECT_EQ(standing_of(found(10), older, kCovers, {}), stale) << "0 of one of ours is no number";
}

TEST(Standing, AnotherLayoutIsStale) {
  const Layout narrow{.price_type = PriceType::float32};
  const Layout typed{.columns = ColumnStyle::typed};
  auto record = recorded(10, kFriday);
  EXPECT_EQ(standing_of(found(10), record, kCovers, narrow), stale);
  EXPECT_EQ(standing_of(found(10), record, kCovers, typed), stale);
  record.layout = narrow;
  EXPECT_EQ(standing_of(found(10), record, kCovers, narrow), fresh);
  EXPECT_EQ(standing_of(found(10), record, kCovers, {}), stale);
}

TEST(Standing, WhatNobodyRecordedIsWholeWhenWrittenAfterItsPeriodHadEndedInNewYork) {
  EXPECT_EQ(standing_of(found(10, kFridaysEnd), {}, kCovers, {}), unrecorded);
  EXPECT_EQ(standing_of(found(10, kFridaysEnd - 1s), {}, kCovers, {}), stale);
}

TEST(Standing, WhatCameWhereThereWasNoDataIsNobodysRecord) {
  EXPECT_EQ(standing_of(found(10, kFridaysEnd), told(kFridaysEnd + 48h), kCovers, {}), unrecorded);
  EXPECT_EQ(standing_of(found(10, kFriday), told(kFridaysEnd + 48h), kCovers, {}), stale);
}

TEST(Standing, AnAdoptedFileOfUnknownLayoutStaysAdoptedWhileItIsUnchanged) {
  auto adopted_one = recorded(10, kFriday);
  adopted_one.what = What::adopted;
  adopted_one.schema_version = 0;
  EXPECT_EQ(standing_of(found(10), adopted_one, kCovers, {}), adopted);
  EXPECT_EQ(standing_of(found(9), adopted_one, kCovers, {}), stale);
  adopted_one.covers_through = kFriday - days{1};
  EXPECT_EQ(standing_of(found(10), adopted_one, kCovers, {}), stale);
}

TEST(Standing, AnAdoptedFileThatSaysWhatItIsIsAsGoodAsOurOwn) {
  auto adopted_one = recorded(10, kFriday);
  adopted_one.what = What::adopted;
  EXPECT_EQ(standing_of(found(10), adopted_one, kCovers, {}), fresh);
  EXPECT_EQ(standing_of(found(10), adopted_one, kCovers, {.price_type = PriceType::float32}),
            stale);
}

TEST(Standing, NoDataIsReliedOnWhenItWasToldADayAfterTheLastSession) {
  EXPECT_EQ(standing_of({}, told(kFridaysEnd + 24h), kCovers, {}), no_data);
  EXPECT_EQ(standing_of({}, told(kFridaysEnd + 24h - 1s), kCovers, {}), missing)
      << "told on Saturday: it may have been late";
  EXPECT_EQ(standing_of({}, told(kFriday + 12h), kCovers, {}), missing);
}

TEST(Standing, NoDataOfLessThanIsAskedForSaysNothing) {
  EXPECT_EQ(standing_of({}, told(kFridaysEnd + 240h, kFriday - days{1}), kCovers, {}), missing);
}

TEST(Freshness, WhatIsSaidOfRememberedNoDataHasTheDayInNewYorkAndTheReason) {
  auto record = told(kFriday + 27h);  // 23:00 in New York
  EXPECT_EQ(note_of_no_data(record), "no data: told 2024-03-15");
  record.reason = "zero_series";
  EXPECT_EQ(note_of_no_data(record), "no data (zero_series): told 2024-03-15");
}

struct KeptCase {
  Standing standing;
  bool skip;
  bool refresh;
};

TEST(Freshness, EachModeKeepsWhatItSays) {
  constexpr std::array kCases{
      KeptCase{missing, false, false}, KeptCase{fresh, true, true},
      KeptCase{stale, false, false},   KeptCase{unrecorded, true, false},
      KeptCase{adopted, true, false},  KeptCase{Standing::no_data, true, false},
  };
  for (const auto& tested : kCases) {
    EXPECT_EQ(is_kept(Existing::keep, tested.standing), tested.skip) << to_text(tested.standing);
    EXPECT_EQ(is_kept(Existing::refresh, tested.standing), tested.refresh)
        << to_text(tested.standing);
    EXPECT_FALSE(is_kept(Existing::replace, tested.standing)) << to_text(tested.standing);
  }
}

}  // namespace
}  // namespace betedge::engine
