#include "betedge/columnar/day_splitter.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "unit/columnar/market.hpp"
#include "unit/columnar/read_table.hpp"

namespace betedge::columnar::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::uint32_t kDays[] = {20240102, 20240103, 20240104, 20240105};

ObjectSpec spec_of_day(Kind kind, Schema schema, std::uint32_t day, Layout layout = {}) {
  auto request = request_for(kind, schema);
  request.dates = {*from_yyyymmdd(day), *from_yyyymmdd(day)};
  auto spec = spec_for(request);
  spec.layout = layout;
  return spec;
}

std::unique_ptr<DaySplitter> splitter_of(Kind kind, Schema schema, Layout layout = {}) {
  std::vector<ObjectSpec> specs;
  for (const auto day : kDays) specs.push_back(spec_of_day(kind, schema, day, layout));
  auto opened = DaySplitter::open(std::move(specs));
  EXPECT_TRUE(opened.has_value()) << opened.error().message;
  return *std::move(opened);
}

Table rows_of_day(const Table& table, std::uint32_t day) {
  Table of_day{table.columns, {}};
  for (std::size_t row = 0; row < table.rows.size(); ++row)
    if (table.cell(row, "date") == fmt::to_string(day)) of_day.rows.push_back(table.rows[row]);
  return of_day;
}

struct SplitCase {
  std::string name;
  Kind kind;
  Schema schema;
  WireFormat format;
  Layout layout;
};

class DaySplitterTest : public ::testing::TestWithParam<SplitCase> {
 protected:
  static std::string text_of(const Table& table) {
    switch (GetParam().format) {
      case WireFormat::v2_json: return as_v2_json(table, 0, table.rows.size());
      case WireFormat::v2_csv: return as_v2_csv(table, 0, table.rows.size());
      default: return as_v3_csv(table, 0, table.rows.size());
    }
  }
  static Encoded encoded_alone(const Table& of_day, std::uint32_t day) {
    const auto& [name, kind, schema, format, layout] = GetParam();
    auto call = call_for(kind, schema);
    call.dates = {*from_yyyymmdd(day), *from_yyyymmdd(day)};
    const auto encoder = *ObjectEncoder::open(spec_of_day(kind, schema, day, layout));
    EXPECT_TRUE(encoder->begin_answer(call, format));
    EXPECT_TRUE(encoder->begin_document());
    EXPECT_TRUE(encoder->feed(as_bytes(text_of(of_day))));
    EXPECT_TRUE(encoder->end_answer());
    auto summary = *encoder->finish();
    return {encoder->take_output(), std::move(summary)};
  }
};

TEST_P(DaySplitterTest, MakesOfASpanTheObjectsThatItsDaysMakeAlone) {
  const auto& [name, kind, schema, format, layout] = GetParam();
  std::mt19937_64 random(3);
  // More rows than a batch in all, contract by contract, so that the days alternate.
  const auto table = random_table(kind, schema, kind == Kind::option ? 60 : 1,
                                  kind == Kind::option ? 1600 : 80'000, random);
  const auto splitter = splitter_of(kind, schema, layout);
  ASSERT_TRUE(splitter->begin_answer(call_for(kind, schema), format));
  ASSERT_TRUE(splitter->begin_document());
  const auto text = text_of(table);
  std::vector<Bytes> files(splitter->size());
  const auto take = [&] {
    for (std::size_t i = 0; i < files.size(); ++i) {
      const Bytes bytes = splitter->of(i).take_output();
      files[i].insert(files[i].end(), bytes.begin(), bytes.end());
    }
  };
  for (std::size_t at = 0; at < text.size(); at += 300'001) {
    ASSERT_TRUE(splitter->feed(as_bytes(std::string_view(text).substr(at, 300'001))));
    take();
  }
  ASSERT_TRUE(splitter->end_answer());
  for (std::size_t i = 0; i < splitter->size(); ++i) {
    const auto summary = splitter->of(i).finish();
    ASSERT_TRUE(summary.has_value()) << summary.error().message;
    take();
    const auto alone = encoded_alone(rows_of_day(table, kDays[i]), kDays[i]);
    EXPECT_EQ(summary->rows, alone.summary.rows);
    EXPECT_EQ(summary->sha256, alone.summary.sha256);
    EXPECT_EQ(files[i], alone.bytes) << kDays[i];
    EXPECT_THAT(summary->days, ElementsAre(*from_yyyymmdd(kDays[i])));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Forms, DaySplitterTest,
    ::testing::Values(SplitCase{"stock_v3", Kind::stock, Schema::ohlc, WireFormat::v3_csv, {}},
                      SplitCase{"stock_v2", Kind::stock, Schema::quote, WireFormat::v2_csv, {}},
                      SplitCase{"stock_json", Kind::stock, Schema::quote, WireFormat::v2_json, {}},
                      SplitCase{"option_v3", Kind::option, Schema::ohlc, WireFormat::v3_csv, {}},
                      SplitCase{"option_typed",
                                Kind::option,
                                Schema::ohlc,
                                WireFormat::v3_csv,
                                {.columns = ColumnStyle::typed}}),
    [](const auto& tested) { return tested.param.name; });

std::string bars(std::string_view date, int count) {
  std::string text;
  for (int i = 0; i < count; ++i)
    text += fmt::format("{}T{:02}:{:02}:00,100.5,101,100,100.75,5000,40,100.6\n", date,
                        9 + (30 + i) / 60, (30 + i) % 60);
  return text;
}
constexpr std::string_view kHeader = "timestamp,open,high,low,close,volume,count,vwap\n";

TEST(DaySplitter, GivesADayWithoutRowsNoneAndDropsRowsOfDaysThatNobodyAskedFor) {
  std::vector<ObjectSpec> specs{spec_of_day(Kind::stock, Schema::ohlc, 20240102),
                                spec_of_day(Kind::stock, Schema::ohlc, 20240104)};
  const auto splitter = *DaySplitter::open(std::move(specs));
  ASSERT_TRUE(splitter->begin_answer(call_for(Kind::stock, Schema::ohlc), WireFormat::v3_csv));
  const auto text =
      std::string(kHeader) + bars("2024-01-03", 3) + bars("2024-01-04", 2) + bars("2024-01-05", 1);
  ASSERT_TRUE(splitter->feed(as_bytes(text)));
  ASSERT_TRUE(splitter->end_answer());
  EXPECT_EQ(splitter->of(0).rows(), 0);
  EXPECT_EQ(splitter->of(1).rows(), 2);
  ASSERT_TRUE(splitter->of(1).finish());
  EXPECT_EQ(read_parquet(splitter->of(1).take_output()).rows, 2);
}

TEST(DaySplitter, RefusesARowOfADayThatTheCallDoesNotHave) {
  const auto splitter = splitter_of(Kind::stock, Schema::ohlc);
  ASSERT_TRUE(splitter->begin_answer(call_for(Kind::stock, Schema::ohlc), WireFormat::v3_csv));
  const auto fed = splitter->feed(as_bytes(std::string(kHeader) + bars("2024-01-08", 1)));
  ASSERT_FALSE(fed.has_value());
  EXPECT_EQ(fed.error().code, ErrorCode::upstream_garbled);
}

TEST(DaySplitter, FailsAsAWholeWhenTheAnswerIsEmptyOrCut) {
  for (const std::string& text :
       {std::string(), std::string(kHeader), std::string(kHeader) + "2024-01-02T09:30:00,1"}) {
    const auto splitter = splitter_of(Kind::stock, Schema::ohlc);
    ASSERT_TRUE(splitter->begin_answer(call_for(Kind::stock, Schema::ohlc), WireFormat::v3_csv));
    ASSERT_TRUE(splitter->begin_document());
    ASSERT_TRUE(splitter->feed(as_bytes(text)));
    const auto ended = splitter->end_answer();
    ASSERT_FALSE(ended.has_value()) << text;
    EXPECT_EQ(ended.error().code, ErrorCode::upstream_garbled);
  }
}

TEST(DaySplitter, PutsTheUnderlyingsRowsBehindTheOptionsOfEachDay) {
  std::mt19937_64 random(4);
  const auto table = random_table(Kind::option, Schema::ohlc, 2, 8, random);
  const auto splitter = splitter_of(Kind::option, Schema::ohlc);
  ASSERT_TRUE(splitter->begin_answer(call_for(Kind::option, Schema::ohlc), WireFormat::v2_csv));
  ASSERT_TRUE(splitter->feed(as_bytes(as_v2_csv(table, 0, table.rows.size()))));
  ASSERT_TRUE(splitter->end_answer());
  auto call = call_for(Kind::stock, Schema::ohlc);
  call.role = Role::underlying;
  ASSERT_TRUE(splitter->begin_answer(call, WireFormat::v3_csv));
  ASSERT_TRUE(splitter->feed(
      as_bytes(std::string(kHeader) + bars("2024-01-02", 2) + bars("2024-01-03", 1))));
  ASSERT_TRUE(splitter->end_answer());
  const auto first = *splitter->of(0).finish(), second = *splitter->of(1).finish();
  EXPECT_EQ(first.underlying_rows, 2);
  EXPECT_EQ(second.underlying_rows, 1);
  EXPECT_THAT(read_parquet(splitter->of(0).take_output()).texts.at("right"),
              ElementsAre("C", "C", "P", "P", "U", "U"));
}

TEST(DaySplitter, RefusesWhatIsNoSpan) {
  const auto refused = [](std::vector<ObjectSpec> specs) {
    const auto opened = DaySplitter::open(std::move(specs));
    return opened ? std::string() : opened.error().message;
  };
  EXPECT_THAT(refused({}), HasSubstr("without an object"));
  EXPECT_THAT(refused({spec_of_day(Kind::stock, Schema::ohlc, 20240103),
                       spec_of_day(Kind::stock, Schema::ohlc, 20240103)}),
              HasSubstr("not of days after"));
  EXPECT_THAT(refused({spec_of_day(Kind::stock, Schema::ohlc, 20240102),
                       spec_of_day(Kind::stock, Schema::quote, 20240103)}),
              HasSubstr("not of one call"));
  EXPECT_THAT(refused({spec_of_day(Kind::stock, Schema::ohlc, 20240102),
                       spec_of_day(Kind::stock, Schema::ohlc, 20240103,
                                   {.price_type = PriceType::float32})}),
              HasSubstr("not of one call"));
  EXPECT_THAT(refused({spec_of_day(Kind::earnings, Schema::eod, 20240102)}),
              HasSubstr("day by day"));
}

TEST(DaySplitter, RefusesCallsOutOfTurn) {
  const auto splitter = splitter_of(Kind::stock, Schema::ohlc);
  EXPECT_FALSE(splitter->begin_document());
  EXPECT_FALSE(splitter->feed(as_bytes("x")));
  EXPECT_FALSE(splitter->end_answer());
  EXPECT_FALSE(splitter->begin_answer(call_for(Kind::stock, Schema::quote), WireFormat::v3_csv));
  const auto call = call_for(Kind::stock, Schema::ohlc);
  ASSERT_TRUE(splitter->begin_answer(call, WireFormat::v3_csv));
  EXPECT_FALSE(splitter->begin_answer(call, WireFormat::v3_csv));
  EXPECT_FALSE(splitter->of(0).finish());
  EXPECT_FALSE(splitter->of(0).begin_answer(call, WireFormat::v3_csv));
  EXPECT_FALSE(splitter->of(0).begin_document());
  EXPECT_FALSE(splitter->of(0).feed(as_bytes("x")));
  EXPECT_FALSE(splitter->of(0).end_answer());
}

TEST(DaySplitter, TakesLittleMemoryForAMonthOfBars) {
  std::vector<ObjectSpec> specs;
  for (std::uint32_t day = 20240102; day <= 20240131; ++day)
    specs.push_back(spec_of_day(Kind::stock, Schema::ohlc, day));
  const auto splitter = *DaySplitter::open(std::move(specs));
  auto call = call_for(Kind::stock, Schema::ohlc);
  call.dates = {*from_yyyymmdd(20240102), *from_yyyymmdd(20240131)};
  ASSERT_TRUE(splitter->begin_answer(call, WireFormat::v3_csv));
  std::string text(kHeader);
  for (int day = 2; day <= 31; ++day) text += bars(fmt::format("2024-01-{:02}", day), 390);
  ASSERT_TRUE(splitter->feed(as_bytes(text)));
  ASSERT_TRUE(splitter->end_answer());
  EXPECT_LT(splitter->memory_bytes(), 8u << 20);
  EXPECT_EQ(splitter->of(29).rows(), 390);
}

}  // namespace
}  // namespace betedge::columnar::testing
