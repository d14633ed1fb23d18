#include "betedge/engine/freshness.hpp"

#include <gtest/gtest.h>

#include "betedge/core/table.hpp"

namespace betedge::engine {
namespace {

using namespace std::chrono_literals;

const Date kFriday = std::chrono::year{2024} / 3 / 15;
const DateRange kCovers{std::chrono::year{2024} / 3 / 1, kFriday};

ObjectInfo found(std::uint64_t size, Timestamp modified_at) {
  return {size, modified_at};
}

ObjectRecord recorded(std::uint64_t size, Date covers_through, int version = kSchemaVersion) {
  return {*ObjectKey::parse("a/b"), size, 1, "", covers_through, version, Timestamp{}};
}

TEST(Freshness, NothingThereIsNotFresh) {
  EXPECT_FALSE(is_fresh(Existing::keep, std::nullopt, std::nullopt, kCovers, Layout{}));
  EXPECT_FALSE(is_fresh(Existing::keep, std::nullopt, recorded(10, kFriday), kCovers, Layout{}));
}

TEST(Freshness, WhatWeRecordedIsFreshWhenItIsStillThatAndCoversAsMuch) {
  EXPECT_TRUE(is_fresh(Existing::keep, found(10, {}), recorded(10, kFriday), kCovers, Layout{}));
  EXPECT_TRUE(is_fresh(Existing::keep, found(10, {}), recorded(10, kFriday + std::chrono::days{3}),
                       kCovers, Layout{}));
}

TEST(Freshness, AnObjectOfAPeriodThatWentOnIsNotFresh) {
  EXPECT_FALSE(is_fresh(Existing::keep, found(10, {}), recorded(10, kFriday - std::chrono::days{1}),
                        kCovers, Layout{}));
}

TEST(Freshness, AnObjectOfAnotherSizeThanWeWroteIsNotFresh) {
  EXPECT_FALSE(is_fresh(Existing::keep, found(9, {}), recorded(10, kFriday), kCovers, Layout{}));
}

TEST(Freshness, AnObjectWithOlderColumnsIsNotFresh) {
  EXPECT_FALSE(is_fresh(Existing::keep, found(10, {}), recorded(10, kFriday, kSchemaVersion - 1),
                        kCovers, Layout{}));
}

TEST(Freshness, AnObjectWithPricesOfAnotherTypeIsNotFresh) {
  auto narrow = recorded(10, kFriday);
  narrow.layout.price_type = PriceType::float32;
  EXPECT_TRUE(is_fresh(Existing::keep, found(10, {}), narrow, kCovers,
                       Layout{.price_type = PriceType::float32}));
  EXPECT_FALSE(is_fresh(Existing::keep, found(10, {}), narrow, kCovers, Layout{}));
  EXPECT_FALSE(is_fresh(Existing::keep, found(10, {}), recorded(10, kFriday), kCovers,
                        Layout{.price_type = PriceType::float32}));
}

TEST(Freshness, AnOlderLakesObjectIsTakenForWholeWhenWrittenAfterItsPeriodHadEndedInNewYork) {
  // Midnight in New York is 04:00 UTC in summer time.
  const Timestamp midnight = kFriday + 24h + 4h;
  EXPECT_TRUE(is_fresh(Existing::keep, found(10, midnight), std::nullopt, kCovers, Layout{}));
  EXPECT_FALSE(is_fresh(Existing::keep, found(10, midnight - 1s), std::nullopt, kCovers, Layout{}));
}

TEST(Freshness, RefreshTrustsOurOwnRecordAloneAndForceNothing) {
  const Timestamp long_after = kFriday + 24h * 30;
  EXPECT_FALSE(is_fresh(Existing::refresh, found(10, long_after), std::nullopt, kCovers, Layout{}));
  EXPECT_TRUE(is_fresh(Existing::refresh, found(10, {}), recorded(10, kFriday), kCovers, Layout{}));
  EXPECT_FALSE(
      is_fresh(Existing::replace, found(10, {}), recorded(10, kFriday), kCovers, Layout{}));
}

}  // namespace
}  // namespace betedge::engine
