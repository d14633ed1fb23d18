#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/columnar/market.hpp"
#include "unit/columnar/read_table.hpp"

namespace betedge::columnar::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::string_view kHeader =
    R"({"header":{"id":1,"error_type":"null","error_msg":"null","next_page":"null","format":["ms_of_day","open","high","low","close","volume","count","date"]},"response":[)";

std::string chain(std::string_view elements) {
  return fmt::format("{}{}]}}", kHeader, elements);
}

std::string contract(std::string_view ticks, std::string_view contract_text) {
  return fmt::format(R"({{"ticks":[{}],"contract":{{{}}}}})", ticks, contract_text);
}

constexpr std::string_view kTick = "[34200000,1,2.5,0.5,2,10,3,20240102]";
constexpr std::string_view kContract =
    R"("root":"ABC","expiration":20240119,"strike":187500,"right":"C")";

Result<Encoded> encode_chain(std::string body, std::size_t length = std::string::npos) {
  return encode(request_for(Kind::option, Schema::ohlc), call_for(Kind::option, Schema::ohlc),
                WireFormat::v2_json, {std::move(body)}, [=] { return length; });
}

Result<Encoded> encode_stock(std::string body, std::size_t length = std::string::npos) {
  return encode(request_for(Kind::stock, Schema::ohlc), call_for(Kind::stock, Schema::ohlc),
                WireFormat::v2_json, {std::move(body)}, [=] { return length; });
}

TEST(V2Json, OfAChainTakesItsContractFromBehindTheTicks) {
  const auto encoded = encode_chain(chain(fmt::format(
      "{},{}", contract(fmt::format("{},[34260000,1,2.5,0.5,2,10,3,20240102]", kTick), kContract),
      contract(kTick, R"("right":"P","strike":5,"root":"ABC","expiration":20250117)"))));
  ASSERT_TRUE(encoded.has_value()) << encoded.error().message;
  const auto table = read_parquet(encoded->bytes);
  EXPECT_THAT(table.numbers.at("expiration"), ElementsAre(20240119, 20240119, 20250117));
  EXPECT_THAT(table.numbers.at("strike"), ElementsAre(187'500, 187'500, 5));
  EXPECT_THAT(table.texts.at("right"), ElementsAre("C", "C", "P"));
  EXPECT_THAT(table.prices.at("high"), ElementsAre(2.5, 2.5, 2.5));
}

TEST(V2Json, FieldsAreBoundByTheHeadersFormat) {
  const auto encoded = encode_stock(
      R"({"header":{"format":["date","count","volume","vwap","close","low","high","open","ms_of_day"]},)"
      R"("response":[[20240103,3,10,null,2,0.5,2.5,1,34200000]]})");
  ASSERT_TRUE(encoded.has_value()) << encoded.error().message;
  const auto table = read_parquet(encoded->bytes);
  EXPECT_THAT(table.numbers.at("ms_of_day"), ElementsAre(34'200'000));
  EXPECT_THAT(table.prices.at("open"), ElementsAre(1.0));
  EXPECT_THAT(table.numbers.at("volume"), ElementsAre(10));
}

TEST(V2Json, WhateverMeansNothingInTheHeaderIsNoError) {
  for (const std::string_view nothing :
       {R"("error_type":"null",)", R"("error_type":null,)", R"("error_type":"",)", ""}) {
    auto body = chain(contract(kTick, kContract));
    const std::string_view usual = R"("error_type":"null",)";
    body.replace(body.find(usual), usual.size(), nothing);
    EXPECT_TRUE(encode_chain(body).has_value()) << nothing;
  }
}

TEST(V2Json, AContractWithoutTicksHasNoRows) {
  const auto encoded =
      encode_chain(chain(contract("", kContract) + "," + contract(kTick, kContract)));
  ASSERT_TRUE(encoded.has_value()) << encoded.error().message;
  EXPECT_EQ(encoded->summary.rows, 1);
}

TEST(V2Json, AContractMayHaveMoreTicksThanABatchHasRows) {
  std::string ticks(kTick);
  for (int i = 1; i < 150'000; ++i)
    ticks += fmt::format(",[34200000,1,2.5,0.5,2,{},3,20240102]", i);
  const auto encoded = encode_chain(chain(contract(ticks, kContract)), 65'536);
  ASSERT_TRUE(encoded.has_value()) << encoded.error().message;
  EXPECT_EQ(encoded->summary.rows, 150'000);
}

TEST(V2Json, AContractWithoutEndIsRefusedBeforeItFillsTheMemory) {
  std::string ticks(kTick);
  while (ticks.size() < 17 * 1024 * 1024) ticks += fmt::format(",{}", kTick);
  const auto encoded = encode_chain(fmt::format(R"({}{{"ticks":[{})", kHeader, ticks), 1 << 20);
  ASSERT_FALSE(encoded.has_value());
  EXPECT_THAT(encoded.error().message, HasSubstr("found no end to it"));
}

struct BadCase {
  std::string name;
  Kind kind;
  std::string body;
  std::string message;
};

class BadJson : public ::testing::TestWithParam<BadCase> {};

TEST_P(BadJson, IsRefusedWithASentence) {
  const auto& tested = GetParam();
  for (const std::size_t length : {std::string::npos, std::size_t{1}, std::size_t{7}}) {
    const auto encoded = tested.kind == Kind::option ? encode_chain(tested.body, length)
                                                     : encode_stock(tested.body, length);
    ASSERT_FALSE(encoded.has_value()) << "in pieces of " << length;
    EXPECT_EQ(encoded.error().code, ErrorCode::upstream_garbled);
    EXPECT_THAT(encoded.error().message, HasSubstr(tested.message));
  }
}

BadCase of_chain(std::string name, std::string body, std::string message) {
  return {std::move(name), Kind::option, std::move(body), std::move(message)};
}
BadCase of_tick(std::string name, std::string_view tick, std::string message) {
  return {std::move(name), Kind::option,
          chain(contract(fmt::format("{},{}", kTick, tick), kContract)), std::move(message)};
}
BadCase of_contract(std::string name, std::string_view contract_text, std::string message) {
  return {std::move(name), Kind::option, chain(contract(kTick, contract_text)), std::move(message)};
}
BadCase of_stock(std::string name, std::string body, std::string message) {
  return {std::move(name), Kind::stock, std::move(body), std::move(message)};
}

INSTANTIATE_TEST_SUITE_P(
    Document, BadJson,
    ::testing::Values(
        of_chain("empty", "", "found an empty body"),
        of_chain("space_alone", " \n ", "found an empty body"),
        of_chain("html", "<html></html>", "expected a JSON object with a header"),
        of_chain("text", ":No data for the specified timeframe & contract.",
                 "expected a JSON object with a header"),
        of_chain("response_first", R"({"response":[],"header":{"format":[]}})",
                 "expected \"header\" as the first key"),
        of_chain("no_response", R"({"header":{"format":[]},"answer":[]})",
                 "expected \"response\" after the header"),
        of_chain("header_is_no_json", R"({"header":{"format":[ms]},"response":[]})",
                 "expected a JSON header"),
        of_chain("no_format", R"({"header":{"format":null},"response":[]})", "the list \"format\""),
        of_chain("format_of_numbers", R"({"header":{"format":[1]},"response":[]})",
                 "the names of columns"),
        of_chain("format_lacks_one", R"({"header":{"format":["ms_of_day"]},"response":[]})",
                 "the column open"),
        of_chain(
            "error_in_the_header",
            R"({"header":{"error_type":"NO_DATA","error_msg":"no data","format":null},"response":[]})",
            "reports the error \"NO_DATA\": \"no data\""),
        of_chain("no_rows", chain(""), "found a response without any"),
        of_chain("no_ticks", chain(contract("", kContract)), "found a response without any"),
        of_chain("ends_in_the_header", std::string(kHeader.substr(0, 40)),
                 "ended in the middle of the header"),
        of_chain("ends_after_the_header", std::string(kHeader),
                 "ended in the middle of the response, after row 0"),
        of_chain("ends_in_a_contract",
                 chain(contract(kTick, kContract)).substr(0, kHeader.size() + 60),
                 "ended in the middle of the response"),
        of_chain("ends_between_contracts",
                 fmt::format("{}{},", kHeader, contract(kTick, kContract)),
                 "ended in the middle of the response, after row 1"),
        of_stock("ends_before_the_brace", fmt::format("{}{}]", kHeader, kTick),
                 "expected a closing brace after row 1"),
        of_chain("ends_before_the_bracket",
                 fmt::format("{}{}", kHeader, contract(kTick, kContract)),
                 "ended in the middle of the response, after row 1"),
        of_chain("goes_on_after_the_end", chain(contract(kTick, kContract)) + "{}",
                 "expected the end of the document"),
        of_chain("no_comma", chain(contract(kTick, kContract) + contract(kTick, kContract)),
                 "expected a comma or the end of the response"),
        of_chain("comma_before_the_end", chain(contract(kTick, kContract) + ","),
                 "expected a contract with its ticks"),
        of_chain("stock_for_a_chain", chain(kTick) + "}", "expected a contract with its ticks"),
        of_stock("chain_for_a_stock", chain(contract(kTick, kContract)),
                 "expected a tick in brackets"),
        of_stock("stock_cut", fmt::format("{}{},[34200000,1", kHeader, kTick),
                 "ended in the middle of the response, after row 1"),
        of_stock("stock_goes_on", chain(kTick) + "]", "expected the end of the document"),
        of_stock("header_without_end",
                 fmt::format(R"({{"header":{{"x":"{}"}})", std::string(17'000, 'x')),
                 "a JSON header of at most")),
    [](const auto& tested) { return tested.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Tick, BadJson,
    ::testing::Values(
        of_tick("short", "[34200000,1,2,0.5,2,10,20240102]", "row 2: expected 8 fields, found"),
        of_tick("long", "[34200000,1,2,0.5,2,10,3,20240102,1]",
                "row 2: expected the end of a tick of 8 fields"),
        of_tick("negative", "[34200000,1,2,0.5,2,-10,3,20240102]",
                "row 2, column volume: expected a whole number up to 4294967295, found \"-10\""),
        of_tick("exponent", "[34200000,1,2E0,0.5,2,10,3,20240102]", "row 2, column high"),
        of_tick("null_price", "[34200000,null,2,0.5,2,10,3,20240102]", "row 2, column open"),
        of_tick("text", "[34200000,\"1\",2,0.5,2,10,3,20240102]", "row 2, column open"),
        of_tick("leading_zero", "[034200000,1,2,0.5,2,10,3,20240102]", "row 2, column ms_of_day"),
        of_tick("leading_zero_of_a_price", "[34200000,01,2,0.5,2,10,3,20240102]",
                "row 2, column open"),
        of_tick("day_outside", "[34200000,1,2,0.5,2,10,3,20240108]",
                "column date: expected a day within 20240102..20240105, found \"20240108\""),
        of_tick("past_midnight", "[86400001,1,2,0.5,2,10,3,20240102]", "column ms_of_day"),
        of_tick("object", "{}", "expected a tick in brackets"),
        of_tick("nothing_in_brackets", "[]", "row 2, column ms_of_day"),
        of_tick("nested", "[[34200000],1,2,0.5,2,10,3,20240102]", "row 2, column ms_of_day")),
    [](const auto& tested) { return tested.param.name; });

INSTANTIATE_TEST_SUITE_P(
    Contract, BadJson,
    ::testing::Values(
        of_contract("other_root", R"("root":"XYZ","expiration":20240119,"strike":1,"right":"C")",
                    "expected the root ABC as the contract's root, found \"XYZ\""),
        of_contract("no_such_expiration",
                    R"("root":"ABC","expiration":20240230,"strike":1,"right":"C")",
                    "as the contract's expiration"),
        of_contract("strike_too_large",
                    R"("root":"ABC","expiration":20240119,"strike":4294967296,"right":"C")",
                    "as the contract's strike"),
        of_contract("strike_negative",
                    R"("root":"ABC","expiration":20240119,"strike":-1,"right":"C")",
                    "expected a whole number"),
        of_contract("other_right", R"("root":"ABC","expiration":20240119,"strike":1,"right":"X")",
                    "as the contract's right"),
        of_contract("lacks_the_right", R"("root":"ABC","expiration":20240119,"strike":1)",
                    "root, expiration, strike and right"),
        of_contract("root_twice", R"("root":"ABC","root":"ABC","expiration":20240119,"strike":1)",
                    "each once"),
        of_contract("unknown_key", R"("symbol":"ABC")", "each once, found \"symbol\""),
        of_contract("escape", R"("root":"A\u0042C","expiration":20240119,"strike":1,"right":"C")",
                    "a string without escapes"),
        of_chain("no_contract", chain(fmt::format(R"({{"ticks":[{}]}})", kTick)),
                 "a contract with \"ticks\" and \"contract\""),
        of_chain("ticks_twice",
                 chain(fmt::format(R"({{"ticks":[{0}],"ticks":[{0}],"contract":{{{1}}}}})", kTick,
                                   kContract)),
                 "\"ticks\" and \"contract\", each once")),
    [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace betedge::columnar::testing
