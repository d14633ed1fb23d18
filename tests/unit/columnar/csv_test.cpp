#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/columnar/market.hpp"
#include "unit/columnar/read_table.hpp"

namespace betedge::columnar::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::string_view kV3Quote =
    "symbol,expiration,strike,right,timestamp,bid_size,bid_exchange,bid,bid_condition,"
    "ask_size,ask_exchange,ask,ask_condition\r\n";
constexpr std::string_view kV3Eod =
    "created,last_trade,open,high,low,close,volume,count,bid_size,bid_exchange,bid,bid_condition,"
    "ask_size,ask_exchange,ask,ask_condition\n";
constexpr std::string_view kV2Ohlc =
    "root,expiration,strike,right,ms_of_day,open,high,low,close,volume,count,date\n";
constexpr std::string_view kV2StockOhlc = "ms_of_day,open,high,low,close,volume,count,date\n";

std::string joined(std::initializer_list<std::string_view> parts) {
  std::string text;
  for (const auto part : parts) text += part;
  return text;
}

TEST(V3Csv, BecomesTheColumnsOfTheFile) {
  const auto encoded = encode(
      request_for(Kind::option, Schema::quote), call_for(Kind::option, Schema::quote),
      WireFormat::v3_csv,
      {joined({kV3Quote,
               "ABC,2024-01-19,187.500,CALL,2024-01-02T09:30:00,3,42,0.15,50,4,7,0.2,51\r\n",
               "ABC,20240119,2.125,P,2024-01-03T16:00:00.04,0,0,0.00,0,1,2,12.3456,0\r\n"})});
  ASSERT_TRUE(encoded.has_value()) << encoded.error().message;
  const auto table = read_parquet(encoded->bytes);
  EXPECT_THAT(table.names,
              ElementsAre("ms_of_day", "bid_size", "bid_exchange", "bid", "bid_condition",
                          "ask_size", "ask_exchange", "ask", "ask_condition", "date", "root",
                          "expiration", "strike", "right"));
  EXPECT_THAT(table.numbers.at("ms_of_day"), ElementsAre(34'200'000, 57'600'040));
  EXPECT_THAT(table.numbers.at("bid_size"), ElementsAre(3, 0));
  EXPECT_THAT(table.numbers.at("ask_condition"), ElementsAre(51, 0));
  EXPECT_THAT(table.prices.at("bid"), ElementsAre(0.15, 0.0));
  EXPECT_THAT(table.prices.at("ask"), ElementsAre(0.2, 12.3456));
  EXPECT_THAT(table.numbers.at("date"), ElementsAre(20240102, 20240103));
  EXPECT_THAT(table.numbers.at("expiration"), ElementsAre(20240119, 20240119));
  EXPECT_THAT(table.numbers.at("strike"), ElementsAre(187'500, 2'125));
  EXPECT_THAT(table.texts.at("root"), ElementsAre("ABC", "ABC"));
  EXPECT_THAT(table.texts.at("right"), ElementsAre("C", "P"));
}

TEST(V3Csv, EodHasTwoTimesOfOneDay) {
  const auto encoded = encode(
      request_for(Kind::stock, Schema::eod), call_for(Kind::stock, Schema::eod), WireFormat::v3_csv,
      {joined({kV3Eod,
               "2024-01-02T17:15:02.5,2024-01-02T15:59:59.25,1.5,2,1,1.75,900,12,1,7,1.7,0,2,"
               "7,1.8,0\n",
               "2024-01-03T17:15:03,2024-01-03T00:00:00.000,0,0,0,0,0,0,1,7,1.7,0,2,7,1.8,0"
               "\n"})});
  ASSERT_TRUE(encoded.has_value()) << encoded.error().message;
  const auto table = read_parquet(encoded->bytes);
  EXPECT_THAT(table.numbers.at("ms_of_day"), ElementsAre(62'102'500, 62'103'000));
  EXPECT_THAT(table.numbers.at("ms_of_day2"), ElementsAre(57'599'250, 0));
  EXPECT_THAT(table.numbers.at("date"), ElementsAre(20240102, 20240103));
  EXPECT_FALSE(table.texts.contains("root"));
}

TEST(V3Csv, ColumnsAreBoundByNameInAnyOrder) {
  const auto encoded =
      encode(request_for(Kind::option, Schema::ohlc), call_for(Kind::option, Schema::ohlc),
             WireFormat::v3_csv,
             {"right,vwap,close,open,timestamp,volume,count,low,high,strike,symbol,expiration\n"
              "PUT,9.99,4,1,2024-01-02T09:30:00,70,6,0.5,5,30.000,ABC,2024-02-16\n"
              "CALL,nothing,4,1,2024-01-02T09:31:00,70,6,0.5,5,31.000,ABC,2024-02-16\n"});
  ASSERT_TRUE(encoded.has_value()) << encoded.error().message;
  const auto table = read_parquet(encoded->bytes);
  EXPECT_THAT(table.prices.at("open"), ElementsAre(1.0, 1.0));
  EXPECT_THAT(table.prices.at("high"), ElementsAre(5.0, 5.0));
  EXPECT_THAT(table.prices.at("low"), ElementsAre(0.5, 0.5));
  EXPECT_THAT(table.prices.at("close"), ElementsAre(4.0, 4.0));
  EXPECT_THAT(table.numbers.at("strike"), ElementsAre(30'000, 31'000));
  EXPECT_THAT(table.texts.at("right"), ElementsAre("P", "C"));
}

TEST(V2Csv, ALastRowMayLackItsLineEndBecauseADayHasEightDigits) {
  const auto request = request_for(Kind::stock, Schema::ohlc);
  const auto call = call_for(Kind::stock, Schema::ohlc);
  const auto whole = encode(request, call, WireFormat::v2_csv,
                            {joined({kV2StockOhlc, "34200000,1,2,0.5,1.5,10,2,20240102"})});
  ASSERT_TRUE(whole.has_value()) << whole.error().message;
  EXPECT_EQ(whole->summary.rows, 1);
  const auto cut = encode(request, call, WireFormat::v2_csv,
                          {joined({kV2StockOhlc, "34200000,1,2,0.5,1.5,10,2,2024010"})});
  ASSERT_FALSE(cut.has_value());
  EXPECT_EQ(cut.error().code, ErrorCode::upstream_garbled);
}

TEST(V2Csv, BlankLinesMayEndADocument) {
  const auto encoded = encode(
      request_for(Kind::stock, Schema::ohlc), call_for(Kind::stock, Schema::ohlc),
      WireFormat::v2_csv, {joined({kV2StockOhlc, "34200000,1,2,0.5,1.5,10,2,20240102\n\r\n\n"})});
  ASSERT_TRUE(encoded.has_value()) << encoded.error().message;
  EXPECT_EQ(encoded->summary.rows, 1);
}

struct BadCase {
  std::string name;
  Kind kind;
  Schema schema;
  WireFormat format;
  std::string body;
  std::string message;
};

class BadCsv : public ::testing::TestWithParam<BadCase> {};

TEST_P(BadCsv, IsRefusedWithASentence) {
  const auto& tested = GetParam();
  auto call = call_for(tested.kind, tested.schema);
  if (tested.schema != Schema::eod) call.window = {std::chrono::hours(9), std::chrono::hours(16)};
  for (const std::size_t length : {std::string::npos, std::size_t{1}, std::size_t{7}}) {
    const auto encoded = encode(request_for(tested.kind, tested.schema), call, tested.format,
                                {tested.body}, [&] { return length; });
    ASSERT_FALSE(encoded.has_value()) << "in pieces of " << length;
    EXPECT_EQ(encoded.error().code, ErrorCode::upstream_garbled);
    EXPECT_THAT(encoded.error().message, HasSubstr(tested.message));
  }
}

BadCase v3_quote(std::string name, std::string_view rows, std::string message) {
  return {std::move(name),          Kind::option,      Schema::quote, WireFormat::v3_csv,
          joined({kV3Quote, rows}), std::move(message)};
}
BadCase v2_ohlc(std::string name, std::string_view rows, std::string message) {
  return {std::move(name),         Kind::option,      Schema::ohlc, WireFormat::v2_csv,
          joined({kV2Ohlc, rows}), std::move(message)};
}
BadCase v3_eod(std::string name, std::string_view rows, std::string message) {
  return {std::move(name),        Kind::stock,       Schema::eod, WireFormat::v3_csv,
          joined({kV3Eod, rows}), std::move(message)};
}
BadCase v3_body(std::string name, std::string body, std::string message) {
  return {std::move(name),    Kind::option,    Schema::quote,
          WireFormat::v3_csv, std::move(body), std::move(message)};
}

constexpr std::string_view kGood =
    "ABC,2024-01-19,187.500,CALL,2024-01-02T09:30:00,3,42,0.15,50,4,7,0.2,51\r\n";

INSTANTIATE_TEST_SUITE_P(
    Body, BadCsv,
    ::testing::Values(
        v3_body("empty", "", "expected CSV, found an empty body"),
        v3_body("header_cut", "symbol,expir", "expected CSV with a header line"),
        v3_body("header_alone", std::string(kV3Quote), "expected rows, found a header alone"),
        v3_body("html", "<html>\n<body>no</body>\n", "found \"<html>\""),
        v3_body("text", "No data found for your request", "found \"No data found"),
        v3_body("lacks_a_column", "symbol,expiration,strike,timestamp\n", "the column right"),
        v3_body("column_twice", "symbol,symbol\n", "names the column \"symbol\" twice"),
        v3_body("v2_header", std::string(kV2Ohlc), "the column symbol"),
        v3_body("endless_line", std::string(70'000, 'x'), "without a line end"),
        v3_body("stray_quote", "sym\"bol,expiration\n", "expected a header line"),
        BadCase{"contracts_in_a_stock", Kind::stock, Schema::quote, WireFormat::v3_csv,
                joined({kV3Quote, kGood}), "expected a stock's rows"}),
    [](const auto& tested) { return tested.param.name; });

INSTANTIATE_TEST_SUITE_P(
    V3Row, BadCsv,
    ::testing::Values(
        v3_quote("short", joined({kGood, "ABC,2024-01-19,187.500,CALL,2024-01-02T09:30:00,3\r\n"}),
                 "row 2: expected 13 fields, found 6"),
        v3_quote("long",
                 "ABC,2024-01-19,187.500,CALL,2024-01-02T09:30:00,3,42,0.15,50,4,7,0.2,51,9\r\n",
                 "row 1: expected 13 fields, found 14"),
        v3_quote("cut_in_a_number",
                 joined({kGood,
                         "ABC,2024-01-19,187.500,CALL,2024-01-02T09:31:00,3,42,0.15,50,4,7,"
                         "0.2,5"}),
                 "ended in the middle of row 2"),
        v3_quote("cut_before_the_line_feed", kGood.substr(0, kGood.size() - 1),
                 "ended in the middle of row 1"),
        v3_quote("blank_line_between", joined({kGood, "\r\n", kGood}), "blank line"),
        v3_quote("other_root", "XYZ,2024-01-19,1.000,CALL,2024-01-02T09:30:00,3,4,1,0,4,7,2,1\n",
                 "column symbol: expected the root ABC, found \"XYZ\""),
        v3_quote("no_such_expiration",
                 "ABC,2024-02-30,1.000,CALL,2024-01-02T09:30:00,3,4,1,0,4,7,2,1\n",
                 "column expiration"),
        v3_quote("strike_not_exact",
                 "ABC,2024-01-19,1.0005,CALL,2024-01-02T09:30:00,3,4,1,0,4,7,2,1\n",
                 "column strike"),
        v3_quote("strike_too_large",
                 "ABC,2024-01-19,4294968,CALL,2024-01-02T09:30:00,3,4,1,0,4,7,2,1\n",
                 "column strike"),
        v3_quote("other_right", "ABC,2024-01-19,1.000,X,2024-01-02T09:30:00,3,4,1,0,4,7,2,1\n",
                 "column right: expected CALL or PUT, found \"X\""),
        v3_quote("day_outside", "ABC,2024-01-19,1.000,PUT,2024-01-06T09:30:00,3,4,1,0,4,7,2,1\n",
                 "column timestamp"),
        v3_quote("no_such_day", "ABC,2024-01-19,1.000,PUT,2024-00-00T09:30:00,3,4,1,0,4,7,2,1\n",
                 "column timestamp"),
        v3_quote("before_the_window",
                 "ABC,2024-01-19,1.000,PUT,2024-01-02T08:59:59.999,3,4,1,0,4,7,2,1\n",
                 "and 32400000..57600000 ms of the day"),
        v3_quote("after_the_window",
                 "ABC,2024-01-19,1.000,PUT,2024-01-02T16:00:00.001,3,4,1,0,4,7,2,1\n",
                 "column timestamp"),
        v3_quote("zone", "ABC,2024-01-19,1.000,PUT,2024-01-02T09:30:00Z,3,4,1,0,4,7,2,1\n",
                 "column timestamp"),
        v3_quote("negative_size", "ABC,2024-01-19,1.000,PUT,2024-01-02T09:30:00,-3,4,1,0,4,7,2,1\n",
                 "column bid_size: expected a whole number up to 4294967295, found \"-3\""),
        v3_quote("size_too_large",
                 "ABC,2024-01-19,1.000,PUT,2024-01-02T09:30:00,4294967296,4,1,0,4,7,2,1\n",
                 "column bid_size"),
        v3_quote("empty_size", "ABC,2024-01-19,1.000,PUT,2024-01-02T09:30:00,,4,1,0,4,7,2,1\n",
                 "column bid_size"),
        v3_quote("space", "ABC,2024-01-19,1.000,PUT,2024-01-02T09:30:00,3, 4,1,0,4,7,2,1\n",
                 "column bid_exchange"),
        v3_quote("space_after", "ABC,2024-01-19,1.000,PUT,2024-01-02T09:30:00,3,4 ,1,0,4,7,2,1\n",
                 "column bid_exchange"),
        v3_quote("nan", "ABC,2024-01-19,1.000,PUT,2024-01-02T09:30:00,3,4,NaN,0,4,7,2,1\n",
                 "column bid: expected a price such as 12.34, found \"NaN\""),
        v3_quote("exponent", "ABC,2024-01-19,1.000,PUT,2024-01-02T09:30:00,3,4,1E-4,0,4,7,2,1\n",
                 "column bid"),
        v3_quote("plus", "ABC,2024-01-19,1.000,PUT,2024-01-02T09:30:00,3,4,+1,0,4,7,2,1\n",
                 "column bid"),
        v3_quote("comma_in_quotes",
                 "ABC,2024-01-19,1.000,PUT,2024-01-02T09:30:00,3,4,\"1,5\",0,4,7,2,1\n",
                 "column bid"),
        v3_quote("open_quote", "ABC,2024-01-19,1.000,\"PUT,2024-01-02T09:30:00,3,4,1,0,4,7,2,1\n",
                 "expected fields with quotes"),
        v3_quote("lone_carriage_return",
                 "ABC,2024-01-19,1.000,PUT,2024-01-02T09:30:00,3,4,1,0,4,7,2,1\rABC\n", "row 1"),
        v3_quote("nul_byte",
                 std::string_view("ABC,2024-01-19,1.000,PUT,2024-01-02T09:30:00,3,4,\0,0,4,7,2,1\n",
                                  61),
                 "column bid")),
    [](const auto& tested) { return tested.param.name; });

INSTANTIATE_TEST_SUITE_P(
    V3Eod, BadCsv,
    ::testing::Values(
        v3_eod("last_trade_of_another_day",
               "2024-01-03T17:15:02.5,2024-01-02T15:59:59,1,2,1,1,9,1,1,7,1,0,2,7,1,0\n",
               "column last_trade: expected a time of the row's own day"),
        v3_eod("last_trade_of_no_day",
               "2024-01-03T17:15:02.5,0000-00-00T00:00:00,1,2,1,1,9,1,1,7,1,0,2,7,1,0\n",
               "column last_trade"),
        v3_eod("empty_last_trade", "2024-01-03T17:15:02.5,,1,2,1,1,9,1,1,7,1,0,2,7,1,0\n",
               "column last_trade")),
    [](const auto& tested) { return tested.param.name; });

INSTANTIATE_TEST_SUITE_P(
    V2Row, BadCsv,
    ::testing::Values(
        v2_ohlc("other_root", "ABCD,20240119,1000,C,34200000,1,1,1,1,5,1,20240102\n",
                "column root"),
        v2_ohlc("strike_in_dollars", "ABC,20240119,1.000,C,34200000,1,1,1,1,5,1,20240102\n",
                "column strike: expected thousandths"),
        v2_ohlc("expiration_zero", "ABC,0,1000,C,34200000,1,1,1,1,5,1,20240102\n",
                "column expiration"),
        v2_ohlc("outside_the_window", "ABC,20240119,1000,C,86400000,1,1,1,1,5,1,20240102\n",
                "column ms_of_day"),
        v2_ohlc("no_such_day", "ABC,20240119,1000,C,34200000,1,1,1,1,5,1,20240200\n",
                "column date: expected a day within 20240102..20240105, found \"20240200\""),
        v2_ohlc("day_zero", "ABC,20240119,1000,C,34200000,1,1,1,1,5,1,00000000\n", "column date"),
        v2_ohlc("fraction_of_a_contract", "ABC,20240119,1000,C,34200000,1,1,1,1,5.5,1,20240102\n",
                "column volume")),
    [](const auto& tested) { return tested.param.name; });

TEST(V2Csv, ASecondPageThatIsNoRowAndNoHeaderIsRefused) {
  const auto encoded =
      encode(request_for(Kind::stock, Schema::ohlc), call_for(Kind::stock, Schema::ohlc),
             WireFormat::v2_csv,
             {joined({kV2StockOhlc, "34200000,1,2,0.5,1.5,10,2,20240102\n"}), "<html>\n</html>\n"});
  ASSERT_FALSE(encoded.has_value());
  EXPECT_THAT(encoded.error().message, HasSubstr("row 2: expected 8 fields, found 1"));
}

TEST(V2Csv, AnEmptySecondPageIsRefusedButOneWithoutRowsIsNot) {
  const auto request = request_for(Kind::stock, Schema::ohlc);
  const auto call = call_for(Kind::stock, Schema::ohlc);
  const auto first = joined({kV2StockOhlc, "34200000,1,2,0.5,1.5,10,2,20240102\n"});
  EXPECT_FALSE(encode(request, call, WireFormat::v2_csv, {first, ""}).has_value());
  EXPECT_TRUE(
      encode(request, call, WireFormat::v2_csv, {first, std::string(kV2StockOhlc)}).has_value());
}

}  // namespace
}  // namespace betedge::columnar::testing
