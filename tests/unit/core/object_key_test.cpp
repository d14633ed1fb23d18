#include "betedge/core/object_key.hpp"

#include <gtest/gtest.h>

namespace betedge::core {
namespace {

using namespace std::chrono;

struct KeyCase {
  std::string name;
  Kind kind;
  Schema schema;
  milliseconds interval;
  Window window;
  FileFormat format;
  Date day;
  std::string root;
  std::string key;
};

class ObjectKeyTest : public testing::TestWithParam<KeyCase> {};

TEST_P(ObjectKeyTest, IsWhereTheLoadersLook) {
  const KeyCase& tested = GetParam();
  const HistoricalRequest request{.kind = tested.kind,
                                  .root = Symbol::parse(tested.root).value(),
                                  .dates = {tested.day, tested.day},
                                  .schema = tested.schema,
                                  .interval = tested.interval,
                                  .window = tested.window,
                                  .format = tested.format};
  const ObjectKey key = object_key(request, tested.day);
  EXPECT_EQ(key.text(), tested.key);
  EXPECT_EQ(ObjectKey::parse(key.text()), key);
}

TEST_P(ObjectKeyTest, SaysWhatItIsOf) {
  const KeyCase& tested = GetParam();
  const auto key = ObjectKey::parse(tested.key).value();
  const auto facts = facts_of(key);
  ASSERT_TRUE(facts.has_value());
  EXPECT_EQ(facts->kind, tested.kind);
  EXPECT_EQ(facts->schema, tested.schema);
  EXPECT_EQ(facts->interval, tested.interval);
  EXPECT_EQ(facts->window, tested.window);
  EXPECT_EQ(facts->format, tested.format);
  EXPECT_EQ(facts->root.text(), tested.root);
  EXPECT_LE(facts->dates.first, tested.day);
  EXPECT_GE(facts->dates.last, tested.day);
  // The same object from its first to its last day, and no day more.
  for (const Date day : {facts->dates.first, facts->dates.last})
    EXPECT_EQ(object_key(*facts, day), key);
  EXPECT_NE(object_key(*facts, facts->dates.last + days{1}), key);
  EXPECT_NE(object_key(*facts, facts->dates.first - days{1}), key);
  EXPECT_TRUE(tested.key.starts_with(series_prefix(*facts)));
  EXPECT_EQ(tested.key.substr(series_prefix(*facts).size(), 4),
            to_yyyymmdd_text(tested.day).substr(0, 4));
}

using enum Kind;
using enum Schema;
using enum FileFormat;

INSTANTIATE_TEST_SUITE_P(
    Keys, ObjectKeyTest,
    testing::Values(
        KeyCase{"option_eod_is_one_file_a_month",
                option,
                eod,
                0ms,
                {},
                parquet,
                2024y / 2 / 9,
                "SPX",
                "historical-options/eod/SPX/2024/02/data.parquet"},
        KeyCase{"option_quote_is_one_file_a_day",
                option,
                quote,
                15min,
                {},
                parquet,
                2024y / 1 / 5,
                "AAPL",
                "historical-options/quote/15m/all/AAPL/2024/01/05/data.parquet"},
        KeyCase{"option_ohlc_of_an_hour_as_ipc",
                option,
                ohlc,
                1h,
                {},
                ipc,
                2019y / 12 / 31,
                "BRK.B",
                "historical-options/ohlc/1h/all/BRK.B/2019/12/31/data.ipc"},
        KeyCase{"stock_eod_is_one_file_a_year",
                stock,
                eod,
                0ms,
                {},
                parquet,
                2023y / 6 / 1,
                "AAPL",
                "historical-stock/eod/AAPL/2023/data.parquet"},
        KeyCase{"stock_quote_is_one_file_a_day",
                stock,
                quote,
                1min,
                {},
                parquet,
                2023y / 11 / 3,
                "AAPL",
                "historical-stock/quote/1m/AAPL/2023/11/03/data.parquet"},
        KeyCase{"an_odd_interval_is_exact",
                stock,
                ohlc,
                90s,
                {},
                parquet,
                2023y / 11 / 3,
                "^VIX",
                "historical-stock/ohlc/90s/^VIX/2023/11/03/data.parquet"},
        KeyCase{"a_window_is_part_of_it",
                option,
                quote,
                15min,
                {10h, 11h},
                parquet,
                2024y / 1 / 5,
                "AAPL",
                "historical-options/quote/15m@100000-110000/all/AAPL/2024/01/05/data.parquet"},
        KeyCase{"a_window_may_have_no_end",
                stock,
                quote,
                24h,
                {9h + 30min, {}},
                parquet,
                2024y / 1 / 5,
                "AAPL",
                "historical-stock/quote/1d@093000-/AAPL/2024/01/05/data.parquet"},
        KeyCase{"a_window_may_have_no_start",
                stock,
                quote,
                1min,
                {{}, 24h},
                parquet,
                2024y / 1 / 5,
                "AAPL",
                "historical-stock/quote/1m@-240000/AAPL/2024/01/05/data.parquet"},
        KeyCase{"milliseconds_of_a_window_follow",
                stock,
                quote,
                60001ms,
                {0ms, 10h + 1s + 123ms},
                parquet,
                2024y / 1 / 5,
                "AAPL",
                "historical-stock/quote/60001ms@000000-100001.123/AAPL/2024/01/05/data.parquet"}),
    [](const auto& tested) { return tested.param.name; });

TEST(ObjectKeyFacts, EarningsAreOfMonths) {
  const auto facts = facts_of(ObjectKey::parse("earnings/2024/02/data.parquet").value());
  ASSERT_TRUE(facts.has_value());
  EXPECT_EQ(facts->kind, Kind::earnings);
  EXPECT_EQ(facts->root, Symbol());
  EXPECT_EQ(facts->schema, Schema::eod);
  EXPECT_EQ(facts->dates, (DateRange{2024y / 2 / 1, sys_days{2024y / 2 / 29}}));
  EXPECT_EQ(series_prefix(*facts), "earnings/");
}

TEST(ObjectKeyFacts, ASymbolMayLookLikeAYear) {
  const auto facts =
      facts_of(ObjectKey::parse("historical-stock/eod/2000/2000/data.parquet").value());
  ASSERT_TRUE(facts.has_value());
  EXPECT_EQ(facts->root.text(), "2000");
  EXPECT_EQ(series_prefix(*facts), "historical-stock/eod/2000/");
}

TEST(ObjectKeyFacts, WhatNoRequestNeedsIsOfNothing) {
  for (const auto* text :
       {"a",
        "data.parquet",
        "manifests/0194f3a2.json",
        "earnings/2024/data.parquet",
        "earnings/2024/13/data.parquet",
        "earnings/2024/02/data.csv",
        "earnings/2024/02/other.parquet",
        "earnings/2024/02/03/data.parquet",
        "historical-stock/eod/AAPL/24/data.parquet",
        "historical-stock/eod/aapl/2024/data.parquet",
        "historical-stock/eod/AAPL/2024/01/data.parquet",
        "historical-options/eod/AAPL/2024/data.parquet",
        "historical-options/eod/AAPL/2024/1/data.parquet",
        "historical-options/quote/15m/20240119/AAPL/2024/01/05/data.parquet",
        "historical-options/quote/15m/all/AAPL/2024/02/30/data.parquet",
        "historical-stock/trades/1m/AAPL/2024/01/05/data.parquet",
        "historical-stock/quote/60s/AAPL/2024/01/05/data.parquet",
        "historical-stock/quote/2d/AAPL/2024/01/05/data.parquet",
        "historical-stock/quote/0m/AAPL/2024/01/05/data.parquet",
        "historical-stock/quote/m/AAPL/2024/01/05/data.parquet",
        "historical-stock/quote/1m@/AAPL/2024/01/05/data.parquet",
        "historical-stock/quote/1m@-/AAPL/2024/01/05/data.parquet",
        "historical-stock/quote/1m@10-11/AAPL/2024/01/05/data.parquet",
        "historical-stock/quote/1m@250000-/AAPL/2024/01/05/data.parquet",
        "historical-stock/quote/1m@106000-/AAPL/2024/01/05/data.parquet",
        "historical-stock/quote/99999999999999999999m/AAPL/2024/01/05/data.parquet",
        "historical-stock/quote/1m/AAPL/2024/01/05/06/data.parquet"})
    EXPECT_EQ(facts_of(ObjectKey::parse(text).value()), std::nullopt) << text;
}

TEST(ObjectKeyParseTest, KeepsEverythingThatStaysInTheLake) {
  for (const auto* text :
       {"a", "a/b", "earnings/2024/01/data.parquet", "a/...", "a b/ü", ".hidden"})
    EXPECT_EQ(ObjectKey::parse(text)->text(), text);
  EXPECT_TRUE(ObjectKey::parse(std::string(1024, 'x')).has_value());
}

TEST(ObjectKeyParseTest, RefusesEverythingThatMightLeaveIt) {
  for (const auto* text : {"", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "../a", "a/.", "./a",
                           "a\\b", "a\nb", "a\x7f", "\x01"}) {
    const auto key = ObjectKey::parse(text);
    ASSERT_FALSE(key.has_value()) << text;
    EXPECT_EQ(key.error().code, ErrorCode::invalid_request);
  }
  EXPECT_FALSE(ObjectKey::parse(std::string_view("a\0b", 3)).has_value());
  EXPECT_FALSE(ObjectKey::parse(std::string(1025, 'x')).has_value());
}

}  // namespace
}  // namespace betedge::core
