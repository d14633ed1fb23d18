#include "betedge/core/request.hpp"

#include <gtest/gtest.h>

namespace betedge::core {
namespace {

using namespace std::chrono_literals;

TEST(SymbolTest, IsUpperCasedAndKept) {
  EXPECT_EQ(Symbol::parse("aapl")->text(), "AAPL");
  for (const auto* text : {"A", "BRK.B", "^VIX", "SPXW", "BF-B", "0", "ABCDEFGHIJKLMNOP", "A^.-"})
    EXPECT_EQ(Symbol::parse(text)->text(), text);
}

TEST(SymbolTest, RefusesWhatCannotBeAFolder) {
  for (const auto* text : {"", ".", "..", "../X", ".A", "-A", "A/B", "A\\B", "A B", " A", "A ",
                           "A\n", "ABCDEFGHIJKLMNOPQ", "ÄB", "A*", "A%2f", "A_B", "A:B"})
    EXPECT_EQ(Symbol::parse(text), std::nullopt) << text;
  EXPECT_EQ(Symbol::parse(std::string_view("A\0B", 3)), std::nullopt);
}

TEST(SymbolTest, EveryByteIsDecidedByTheRule) {
  const std::string_view first = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789^";
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    const bool begins = first.find(c) != std::string_view::npos;
    EXPECT_EQ(Symbol::parse(std::string(1, c)).has_value(), begins) << byte;
    EXPECT_EQ(Symbol::parse(std::string("A") + c).has_value(), begins || c == '.' || c == '-')
        << byte;
  }
}

TEST(NamesTest, AreReadBackAndNothingElseIs) {
  for (const auto kind : {Kind::option, Kind::stock, Kind::earnings})
    EXPECT_EQ(parse_kind(to_text(kind)), kind);
  for (const auto mode : {Existing::keep, Existing::refresh, Existing::replace})
    EXPECT_EQ(parse_mode(to_text(mode)), mode);
  for (const auto schema : {Schema::quote, Schema::ohlc, Schema::eod})
    EXPECT_EQ(parse_schema(to_text(schema)), schema);
  for (const auto format : {FileFormat::parquet, FileFormat::ipc})
    EXPECT_EQ(parse_file_format(to_text(format)), format);
  EXPECT_EQ(parse_kind("Option"), std::nullopt);
  EXPECT_EQ(parse_schema("trades"), std::nullopt);
  EXPECT_EQ(parse_schema(""), std::nullopt);
  EXPECT_EQ(parse_file_format("PARQUET"), std::nullopt);
}

TEST(IntervalLabelTest, IsExactForAnyValue) {
  const std::pair<std::chrono::milliseconds, const char*> cases[] = {
      {60'000ms, "1m"},      {900'000ms, "15m"},    {3'600'000ms, "1h"},   {86'400'000ms, "1d"},
      {90'000ms, "90s"},     {60'001ms, "60001ms"}, {5'400'000ms, "90m"},  {7'200'000ms, "2h"},
      {172'800'000ms, "2d"}, {61'000ms, "61s"},     {90'500ms, "90500ms"}, {0ms, "0ms"},
  };
  for (const auto& [interval, label] : cases) EXPECT_EQ(interval_label(interval), label);
}

}  // namespace
}  // namespace betedge::core
