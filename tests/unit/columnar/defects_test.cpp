#include "betedge/columnar/defects.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "betedge/columnar/file_reader.hpp"
#include "betedge/columnar/object_encoder.hpp"
#include "unit/columnar/market.hpp"
#include "unit/columnar/read_table.hpp"

namespace betedge::columnar::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::Not;
using ::testing::Pair;

constexpr std::string_view kEodHeader =
    "symbol,expiration,strike,right,created,last_trade,open,high,low,close,volume,count,bid_size,"
    "bid_exchange,bid,bid_condition,ask_size,ask_exchange,ask,ask_condition\n";
constexpr std::string_view kStockEodHeader =
    "created,last_trade,open,high,low,close,volume,count,bid_size,bid_exchange,bid,bid_condition,"
    "ask_size,ask_exchange,ask,ask_condition\n";
constexpr std::string_view kOhlcHeader =
    "symbol,expiration,strike,right,timestamp,open,high,low,close,volume,count,vwap\n";
constexpr std::string_view kStockOhlcHeader = "timestamp,open,high,low,close,volume,count,vwap\n";
constexpr std::string_view kQuoteHeader =
    "symbol,expiration,strike,right,timestamp,bid_size,bid_exchange,bid,bid_condition,ask_size,"
    "ask_exchange,ask,ask_condition\n";

// "C100" on a day of January 2024, reported at a time, with its close; traded, and quoted.
std::string eod(std::string_view contract, int day, std::string_view created, double close) {
  return fmt::format(
      "ABC,2024-02-16,{}.000,{},2024-01-{:02}T{},2024-01-{:02}T15:59:58.5,{},{},{},{},10,3,5,7,1.1,"
      "50,6,9,1.3,50\n",
      contract.substr(1), contract.front() == 'C' ? "CALL" : "PUT", day, created, day, close, close,
      close, close);
}

struct DefectCase {
  std::string name;
  Kind kind;
  Schema schema;
  std::string csv;  // v3's
  RuleCounts rules;
  std::vector<double> closes;            // of the rows that are left, in order
  std::vector<std::uint32_t> created{};  // of these, in minutes of the day; none: not looked at
};

class DefectTest : public ::testing::TestWithParam<DefectCase> {};

TEST_P(DefectTest, IsMetByItsRuleAndCounted) {
  const auto& [name, kind, schema, csv, rules, closes, created] = GetParam();
  const auto encoded =
      encode(request_for(kind, schema), call_for(kind, schema), WireFormat::v3_csv, {csv});
  ASSERT_TRUE(encoded.has_value()) << encoded.error().message;
  EXPECT_EQ(encoded->summary.rules, rules);
  EXPECT_EQ(encoded->summary.rows, closes.size());
  const auto read = read_parquet(encoded->bytes);
  EXPECT_EQ(read.prices.at("close"), closes);
  std::vector<std::uint32_t> minutes;
  for (const auto ms : read.numbers.at("ms_of_day")) minutes.push_back(ms / 60'000);
  if (!created.empty()) EXPECT_EQ(minutes, created);

  const auto facts = read_facts(RandomAccess{
      encoded->bytes.size(), [&](std::uint64_t offset, std::size_t length) -> Result<Bytes> {
        const auto first = encoded->bytes.begin() + static_cast<std::ptrdiff_t>(offset);
        return Bytes(first, first + static_cast<std::ptrdiff_t>(length));
      }});
  ASSERT_TRUE(facts.has_value());
  RuleCounts said;
  for (const auto& [key, value] : facts->metadata)
    if (key.starts_with("betedge.rule.")) said[key.substr(13)] = std::stoull(value);
  EXPECT_EQ(said, rules);
}

std::string zero_eod(std::string_view contract, std::string_view bid, std::string_view ask) {
  return fmt::format(
      "ABC,2024-02-16,{}.000,CALL,2024-01-02T17:15:00,2024-01-02T00:00:00,0,0,0,0,0,0,5,7,{},50,6,"
      "9,{},50\n",
      contract.substr(1), bid, ask);
}

std::string stock_eod(int day, std::string_view price) {
  return fmt::format(
      "2024-01-{:02}T17:15:00,2024-01-{:02}T16:00:00,{},{},{},{},10,3,5,7,{},50,6,9,"
      "{},50\n",
      day, day, price, price, price, price, price, price);
}

std::string bar(std::string_view time, std::string_view close) {
  return fmt::format("ABC,2024-02-16,100.000,CALL,2024-01-02T{},1,1,1,{},5,2,1\n", time, close);
}

INSTANTIATE_TEST_SUITE_P(
    DoubledContracts, DefectTest,
    ::testing::Values(DefectCase{"one_after_the_other",
                                 Kind::option,
                                 Schema::eod,
                                 std::string(kEodHeader) + eod("C100", 2, "17:15:00", 1) +
                                     eod("C100", 2, "18:30:00", 1) + eod("P100", 2, "17:15:00", 2) +
                                     eod("P100", 2, "18:30:00", 2),
                                 {{"doubled_contracts", 2}},
                                 {1, 2},
                                 {1110, 1110}},
                      DefectCase{"again_after_the_whole_list",
                                 Kind::option,
                                 Schema::eod,
                                 std::string(kEodHeader) + eod("C100", 2, "17:15:00", 1) +
                                     eod("P100", 2, "17:15:00", 2) + eod("C105", 2, "17:15:00", 3) +
                                     eod("C100", 2, "17:16:00", 1) + eod("P100", 2, "17:16:00", 2) +
                                     eod("C105", 2, "17:16:00", 3),
                                 {{"doubled_contracts", 3}},
                                 {1, 2, 3},
                                 {1036, 1036, 1036}},
                      DefectCase{"again_in_another_order_keeps_the_first",
                                 Kind::option,
                                 Schema::eod,
                                 std::string(kEodHeader) + eod("C100", 2, "17:15:00", 1) +
                                     eod("P100", 2, "17:15:00", 2) + eod("P100", 2, "17:16:00", 2) +
                                     eod("C100", 2, "17:16:00", 1),
                                 {{"doubled_contracts", 2}},
                                 {1, 2},
                                 {1036, 1036}},
                      DefectCase{"the_newest_came_first",
                                 Kind::option,
                                 Schema::eod,
                                 std::string(kEodHeader) + eod("C100", 2, "18:30:00", 4) +
                                     eod("C100", 2, "17:15:00", 1),
                                 {{"doubled_contracts", 1}, {"conflicting_contracts", 1}},
                                 {4},
                                 {1110}},
                      DefectCase{"four_times",
                                 Kind::option,
                                 Schema::eod,
                                 std::string(kEodHeader) + eod("C100", 2, "17:15:00", 1) +
                                     eod("C100", 2, "17:17:00", 1) + eod("C100", 2, "17:16:00", 1) +
                                     eod("C100", 2, "17:14:00", 1),
                                 {{"doubled_contracts", 3}},
                                 {1},
                                 {1037}},
                      DefectCase{"with_other_values_is_a_conflict",
                                 Kind::option,
                                 Schema::eod,
                                 std::string(kEodHeader) + eod("C100", 2, "17:15:00", 1) +
                                     eod("C100", 2, "17:16:00", 1.5) +
                                     eod("P100", 2, "17:15:00", 2) + eod("P100", 2, "17:16:00", 2),
                                 {{"doubled_contracts", 2}, {"conflicting_contracts", 1}},
                                 {1.5, 2},
                                 {1036, 1036}},
                      DefectCase{"of_one_moment_and_other_values_keeps_the_first",
                                 Kind::option,
                                 Schema::eod,
                                 std::string(kEodHeader) + eod("C100", 2, "17:15:00", 1) +
                                     eod("C100", 2, "17:15:00", 1.5),
                                 {{"doubled_contracts", 1}, {"conflicting_contracts", 1}},
                                 {1}},
                      DefectCase{"on_other_days_or_of_the_other_right_is_not",
                                 Kind::option,
                                 Schema::eod,
                                 std::string(kEodHeader) + eod("C100", 2, "17:15:00", 1) +
                                     eod("C100", 3, "17:15:00", 2) + eod("P100", 3, "17:15:00", 3),
                                 {},
                                 {1, 2, 3}},
                      DefectCase{"on_earlier_days_is_not",
                                 Kind::option,
                                 Schema::eod,
                                 std::string(kEodHeader) + eod("C100", 3, "17:15:00", 3) +
                                     eod("C100", 2, "17:15:00", 1) + eod("P100", 2, "17:15:00", 2),
                                 {},
                                 {1, 2, 3}},
                      DefectCase{"long_after_and_on_a_later_day_is_not",
                                 Kind::option,
                                 Schema::eod,
                                 std::string(kEodHeader) + eod("C100", 2, "17:15:00", 1) +
                                     eod("P100", 3, "17:15:00", 3) + eod("C105", 2, "17:15:00", 2) +
                                     eod("C100", 3, "17:15:00", 4),
                                 {},
                                 {1, 2, 3, 4}}),
    [](const auto& tested) { return tested.param.name; });

INSTANTIATE_TEST_SUITE_P(
    IdenticalTwins, DefectTest,
    ::testing::Values(
        DefectCase{"of_eod_side_by_side_and_far_apart",
                   Kind::option,
                   Schema::eod,
                   std::string(kEodHeader) + eod("C100", 2, "17:15:00", 1) +
                       eod("C100", 2, "17:15:00", 1) + eod("P100", 2, "17:15:00", 2) +
                       eod("C100", 2, "17:15:00", 1),
                   {{"identical_twins", 2}},
                   {1, 2}},
        DefectCase{"of_bars",
                   Kind::option,
                   Schema::ohlc,
                   std::string(kOhlcHeader) + bar("09:30:00", "1") + bar("09:30:00", "1") +
                       bar("09:31:00", "2") + bar("09:31:00", "2") + bar("09:31:00", "2") +
                       bar("09:32:00", "3"),
                   {{"identical_twins", 3}},
                   {1, 2, 3}},
        DefectCase{"of_one_time_but_other_values_are_none",
                   Kind::option,
                   Schema::ohlc,
                   std::string(kOhlcHeader) + bar("09:30:00", "1") + bar("09:30:00", "1.5"),
                   {},
                   {1, 1.5}},
        DefectCase{"of_stock_bars",
                   Kind::stock,
                   Schema::ohlc,
                   std::string(kStockOhlcHeader) + "2024-01-02T09:30:00,1,1,1,1,5,2,1\n" +
                       "2024-01-02T09:30:00,1,1,1,1,5,2,1\n" +
                       "2024-01-03T09:30:00,1,1,1,1,5,2,1\n",
                   {{"identical_twins", 1}},
                   {1, 1}},
        DefectCase{"of_a_stocks_eod",
                   Kind::stock,
                   Schema::eod,
                   std::string(kStockEodHeader) + stock_eod(2, "1") + stock_eod(2, "1") +
                       stock_eod(3, "2"),
                   {{"identical_twins", 1}},
                   {1, 2}}),
    [](const auto& tested) { return tested.param.name; });

INSTANTIATE_TEST_SUITE_P(Zeros, DefectTest,
                         ::testing::Values(DefectCase{"an_option_with_a_bid_or_an_ask_is_data",
                                                      Kind::option,
                                                      Schema::eod,
                                                      std::string(kEodHeader) +
                                                          zero_eod("C100", "0.45", "0.5") +
                                                          zero_eod("C105", "0", "0.05") +
                                                          zero_eod("C110", "0.00", "0.0"),
                                                      {{"quoted_without_trade", 2}},
                                                      {0, 0, 0}},
                                           DefectCase{"a_stocks_day_without_prices_is_counted",
                                                      Kind::stock,
                                                      Schema::eod,
                                                      std::string(kStockEodHeader) +
                                                          stock_eod(2, "1") + stock_eod(3, "0.00"),
                                                      {{"zero_sessions", 1}},
                                                      {1, 0}}),
                         [](const auto& tested) { return tested.param.name; });

FileSummary summary_of(Kind kind, Schema schema, const std::string& text,
                       WireFormat format = WireFormat::v3_csv) {
  const auto encoded = encode(request_for(kind, schema), call_for(kind, schema), format, {text});
  EXPECT_TRUE(encoded.has_value()) << encoded.error().message;
  return encoded ? encoded->summary : FileSummary{};
}

TEST(Defects, TwinsAreFoundHoweverTheInputIsCutAndAcrossBatches) {
  std::string text(kOhlcHeader);
  constexpr int kContracts = 60, kBars = 1200;  // more than a batch, doubled
  for (int contract = 0; contract < kContracts; ++contract)
    for (int i = 0; i < kBars; ++i)
      for (int twin = 0; twin < 2; ++twin)
        text +=
            fmt::format("ABC,2024-02-16,{}.000,CALL,2024-01-02T{:02}:{:02}:{:02},1,1,1,{},5,2,1\n",
                        100 + contract, 9 + i / 3600, i / 60 % 60, i % 60, i % 7);
  for (const std::size_t piece : {std::size_t{997}, std::size_t{1} << 30}) {
    const auto encoded =
        encode(request_for(Kind::option, Schema::ohlc), call_for(Kind::option, Schema::ohlc),
               WireFormat::v3_csv, {text}, [piece] { return piece; });
    ASSERT_TRUE(encoded.has_value()) << encoded.error().message;
    EXPECT_EQ(encoded->summary.rows, kContracts * kBars);
    EXPECT_THAT(encoded->summary.rules, ElementsAre(Pair("identical_twins", kContracts * kBars)));
  }
}

TEST(Defects, AFileIsTheSameWithAndWithoutTwins) {
  std::string once(kOhlcHeader), twice(kOhlcHeader);
  for (int i = 0; i < 70'000; ++i) {
    const auto row =
        fmt::format("ABC,2024-02-16,{}.000,CALL,2024-01-02T09:{:02}:{:02},1,1,1,{},5,2,1\n",
                    100 + i / 3600, i / 60 % 60, i % 60, i % 7);
    once += row;
    twice += row;
    if (i % 65'536 < 3 || i % 65'536 > 65'532) twice += row + row;
  }
  EXPECT_EQ(summary_of(Kind::option, Schema::ohlc, once).digest,
            summary_of(Kind::option, Schema::ohlc, twice).digest);
}

TEST(Defects, AnOptionsEodIsTheSameFileByTheDayAndByTheMonth) {
  std::string month(kEodHeader);
  std::vector<std::string> days;
  // The month contract by contract, each with its days; one contract has no second day.
  for (const std::string_view contract : {"C100", "P100", "C105", "C095"})
    for (const int day : {2, 3, 4})
      if (contract != "P100" || day != 3) month += eod(contract, day, "17:15:00", day);
  for (const int day : {2, 3, 4}) {
    auto& text = days.emplace_back(kEodHeader);
    for (const std::string_view contract : {"C100", "P100", "C105", "C095"})
      if (contract != "P100" || day != 3) text += eod(contract, day, "17:15:00", day);
  }
  const auto request = request_for(Kind::option, Schema::eod);
  const auto whole =
      encode(request, call_for(Kind::option, Schema::eod), WireFormat::v3_csv, {month});
  ASSERT_TRUE(whole.has_value()) << whole.error().message;

  const auto encoder = *ObjectEncoder::open(spec_for(request));
  for (const auto& text : days) {
    ASSERT_TRUE(encoder->begin_answer(call_for(Kind::option, Schema::eod), WireFormat::v3_csv));
    ASSERT_TRUE(encoder->feed(as_bytes(text)));
    ASSERT_TRUE(encoder->end_answer());
  }
  EXPECT_EQ(encoder->rows(), 11);
  const auto summary = *encoder->finish();
  EXPECT_EQ(summary.sha256, whole->summary.sha256);
  EXPECT_EQ(encoder->take_output(), whole->bytes);
  EXPECT_THAT(read_parquet(whole->bytes).numbers.at("date"),
              ElementsAre(20240102, 20240102, 20240102, 20240102, 20240103, 20240103, 20240103,
                          20240104, 20240104, 20240104, 20240104));
}

TEST(Defects, AnOptionsEodIsHeldAndItsMemoryIsTold) {
  const auto encoder = *ObjectEncoder::open(spec_for(request_for(Kind::option, Schema::eod)));
  const auto before = encoder->memory_bytes();
  ASSERT_TRUE(encoder->begin_answer(call_for(Kind::option, Schema::eod), WireFormat::v3_csv));
  std::string text(kEodHeader);
  for (int i = 0; i < 140'000; ++i) text += eod(fmt::format("C{}", 1 + i), 2, "17:15:00", 1);
  ASSERT_TRUE(encoder->feed(as_bytes(text)));
  ASSERT_TRUE(encoder->end_answer());
  EXPECT_GT(encoder->memory_bytes(), before + std::size_t{140'000} * 100);
  EXPECT_LT(encoder->memory_bytes(), before + std::size_t{64} * 1024 * 1024);
  const auto summary = *encoder->finish();
  EXPECT_EQ(summary.rows, 140'000);
  EXPECT_EQ(read_parquet(encoder->take_output()).rows, 140'000);
}

TEST(Defects, MidnightIsATimeAndCounted) {
  const std::string v2 =
      "ms_of_day,open,high,low,close,volume,count,date\n"
      "86340000,1,1,1,1,5,2,20240102\n"
      "86400000,1,1,1,1,5,2,20240102\n";
  const auto summary = summary_of(Kind::stock, Schema::ohlc, v2, WireFormat::v2_csv);
  EXPECT_EQ(summary.rows, 2);
  EXPECT_THAT(summary.rules, ElementsAre(Pair("midnight_rows", 1)));
}

// A grid of a minute (THETA.md 2.5): 391 quotes and 390 bars are a whole day each, and of a day
// that closes early what comes after the close is zeros. All of it is kept, and nothing is counted.
TEST(Defects, AWholeDaysGridIsNone) {
  const auto rows = [](int count, std::string_view contract, int traded, std::string_view values,
                       std::string_view zeros) {
    std::string text;
    for (int i = 0; i < count; ++i)
      text += fmt::format("{}2024-01-02T{:02}:{:02}:00,{}\n", contract, 9 + (30 + i) / 60,
                          (30 + i) % 60, i < traded ? values : zeros);
    return text;
  };
  constexpr std::string_view kContract = "ABC,2024-02-16,100.000,CALL,";
  constexpr std::string_view kBar = "1,1,1,1,5,2,1", kNoBar = "0,0,0,0,0,0,1";
  constexpr std::string_view kQuoted = "5,7,1.1,50,6,9,1.3,50", kNoQuote = "0,0,0.00,0,0,0,0.00,0";
  struct Day {
    Kind kind;
    Schema schema;
    std::string csv;
    std::uint64_t rows;
  };
  const Day days[] = {
      {Kind::option, Schema::quote,
       std::string(kQuoteHeader) + rows(391, kContract, 391, kQuoted, kNoQuote), 391},
      {Kind::option, Schema::quote,
       std::string(kQuoteHeader) + rows(391, kContract, 211, kQuoted, kNoQuote), 391},
      {Kind::stock, Schema::ohlc, std::string(kStockOhlcHeader) + rows(390, "", 390, kBar, kNoBar),
       390},
      {Kind::stock, Schema::ohlc, std::string(kStockOhlcHeader) + rows(390, "", 210, kBar, kNoBar),
       390},
      {Kind::option, Schema::ohlc, std::string(kOhlcHeader) + rows(390, kContract, 0, kBar, kNoBar),
       390},
  };
  for (const auto& [kind, schema, csv, count] : days) {
    const auto summary = summary_of(kind, schema, csv);
    EXPECT_EQ(summary.rows, count);
    EXPECT_THAT(summary.rules, IsEmpty());
    EXPECT_FALSE(summary.is_zero_series);
  }
}

TEST(Defects, AStockWithoutAPriceIsAZeroSeries) {
  const auto zeros = [](std::string_view close) {
    return fmt::format(
        "{}2024-01-02T09:30:00,0,0.00,0,0,0,0,0\n2024-01-02T09:31:00,0,0,0,{},0,0,5\n",
        kStockOhlcHeader, close);
  };
  EXPECT_TRUE(summary_of(Kind::stock, Schema::ohlc, zeros("0.000")).is_zero_series);
  EXPECT_FALSE(summary_of(Kind::stock, Schema::ohlc, zeros("0.01")).is_zero_series);
  EXPECT_TRUE(summary_of(Kind::stock, Schema::eod, std::string(kStockEodHeader) + stock_eod(2, "0"))
                  .is_zero_series);
  EXPECT_FALSE(
      summary_of(Kind::option, Schema::eod, std::string(kEodHeader) + zero_eod("C100", "0", "0"))
          .is_zero_series);
}

TEST(Defects, AnUnderlyingWithoutAPriceIsCounted) {
  for (const std::string_view close : {"0", "100.5"}) {
    const auto encoder = *ObjectEncoder::open(spec_for(request_for(Kind::option, Schema::ohlc)));
    ASSERT_TRUE(encoder->begin_answer(call_for(Kind::option, Schema::ohlc), WireFormat::v3_csv));
    ASSERT_TRUE(encoder->feed(as_bytes(std::string(kOhlcHeader) + bar("09:30:00", "0"))));
    ASSERT_TRUE(encoder->end_answer());
    auto call = call_for(Kind::stock, Schema::ohlc);
    call.role = Role::underlying;
    ASSERT_TRUE(encoder->begin_answer(call, WireFormat::v3_csv));
    ASSERT_TRUE(encoder->feed(as_bytes(
        fmt::format("{}2024-01-02T09:30:00,0,0,0,{},0,0,0\n2024-01-02T09:31:00,0,0,0,0,0,0,0\n",
                    kStockOhlcHeader, close))));
    ASSERT_TRUE(encoder->end_answer());
    const auto summary = *encoder->finish();
    EXPECT_EQ(summary.underlying_rows, 2);
    if (close == "0")
      EXPECT_THAT(summary.rules, ElementsAre(Pair("zero_underlying", 2)));
    else
      EXPECT_THAT(summary.rules, Not(Contains(Key("zero_underlying"))));
  }
}

}  // namespace
}  // namespace betedge::columnar::testing
