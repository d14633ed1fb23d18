#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "betedge/wire/request.hpp"

// What is asked of the lake: GET /lake/coverage, POST /lake/fill and /lake/verify.
namespace betedge::wire {
namespace {

using namespace std::chrono;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr Date kToday = sys_days{2024y / 6 / 3};
constexpr years kLongest{10};
using Query = std::vector<std::pair<std::string, std::string>>;

std::expected<ParsedSeries, Refusal> asked(const Query& query) {
  return parse_series(query, kToday, kLongest);
}
std::expected<ParsedSeries, Refusal> filled(std::string_view body) {
  return parse_fill("application/json", body, kToday, kLongest);
}

TEST(SeriesQuery, HasTheDefaultsOfASubmission) {
  const auto option = asked({{"kind", "option"}, {"root", "spx"}}).value();
  EXPECT_EQ(option.request.root.text(), "SPX");
  EXPECT_EQ(option.request.schema, Schema::quote);
  EXPECT_EQ(option.request.interval, 15min);
  EXPECT_EQ(option.request.format, FileFormat::parquet);
  EXPECT_EQ(option.first, std::nullopt);
  EXPECT_EQ(option.last, std::nullopt);
  EXPECT_EQ(asked({{"kind", "stock"}, {"root", "A"}})->request.interval, 1min);
}

TEST(SeriesQuery, ReadsEverythingThatASubmissionHas) {
  const auto read = asked({{"kind", "stock"},
                           {"root", "A"},
                           {"schema", "ohlc"},
                           {"interval", "300000"},
                           {"start_date", "20240102"},
                           {"end_date", "20240131"},
                           {"return_format", "ipc"},
                           {"start_time", "36000000"},
                           {"end_time", "39600000"}})
                        .value();
  EXPECT_EQ(read.request.schema, Schema::ohlc);
  EXPECT_EQ(read.request.interval, 5min);
  EXPECT_EQ(read.request.format, FileFormat::ipc);
  EXPECT_EQ(read.request.window, (Window{10h, 11h}));
  EXPECT_EQ(read.first, Date{2024y / 1 / 2});
  EXPECT_EQ(read.last, Date{2024y / 1 / 31});
}

TEST(SeriesQuery, EodHasNeitherIntervalNorWindow) {
  const auto read =
      asked({{"kind", "stock"}, {"root", "A"}, {"schema", "eod"}, {"start_time", "1"}}).value();
  EXPECT_EQ(read.request.interval, 0ms);
  EXPECT_TRUE(read.request.window.is_whole_day());
}

TEST(SeriesQuery, EarningsAreOfMonthsAndHaveNoSymbol) {
  const auto read =
      asked({{"kind", "earnings"}, {"start_date", "202401"}, {"end_date", "202402"}}).value();
  EXPECT_EQ(read.request.schema, Schema::eod);
  EXPECT_EQ(read.first, Date{2024y / 1 / 1});
  EXPECT_EQ(read.last, Date{2024y / 2 / 29});
  EXPECT_FALSE(asked({{"kind", "earnings"}, {"start_date", "20240101"}}).has_value());
}

TEST(SeriesQuery, OfSeveralValuesTheLastOneCounts) {
  EXPECT_EQ(asked({{"kind", "stock"}, {"root", "A"}, {"root", "B"}})->request.root.text(), "B");
}

TEST(SeriesQuery, NamesEveryFaultAndWhereItWas) {
  const auto refused = asked({{"kind", "stock"},
                              {"root", "../x"},
                              {"interval", "7"},
                              {"start_date", "20240230"},
                              {"end_time", "noon"}});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().status, 422);
  for (const std::string_view name : {"root", "interval", "start_date", "end_time"})
    EXPECT_THAT(refused.error().body, HasSubstr("[\"query\",\"" + std::string(name) + "\"]"));
  EXPECT_THAT(asked({}).error().body, HasSubstr(R"("loc":["query","kind"])"));
  EXPECT_THAT(asked({{"kind", "bond"}}).error().body, HasSubstr("'option', 'stock' or 'earnings'"));
  EXPECT_THAT(asked({{"kind", "stock"}}).error().body, HasSubstr(R"("loc":["query","root"])"));
  EXPECT_THAT(
      asked(
          {{"kind", "stock"}, {"root", "A"}, {"start_date", "20240105"}, {"end_date", "20240102"}})
          .error()
          .body,
      HasSubstr("end_date must be >= start_date"));
}

TEST(SeriesQuery, ARangeIsAtMostTenYears) {
  const auto range = [](const std::string& first, const std::string& last) {
    Query query{{"kind", "stock"}, {"root", "A"}, {"start_date", first}};
    if (!last.empty()) query.emplace_back("end_date", last);
    return asked(query);
  };
  EXPECT_TRUE(range("20100104", "20200104").has_value());
  EXPECT_FALSE(range("20100104", "20200105").has_value());
  EXPECT_TRUE(range("20140603", "").has_value());
  EXPECT_THAT(range("20140602", "").error().body, HasSubstr("at most 10 years"));
}

TEST(FillBody, HasLabelsAndAPriorityToo) {
  const auto read =
      filled(R"({"kind":"stock","root":"A","schema":"eod","labels":{"team":"x"},"priority":5,)"
             R"("start_date":null,"colour":1,"mode":"force"})");
  ASSERT_TRUE(read.has_value()) << read.error().body;
  EXPECT_EQ(read->labels.at("team"), "x");
  EXPECT_EQ(read->priority, 5);
  EXPECT_EQ(read->first, std::nullopt);
  EXPECT_EQ(read->request.existing, Existing::keep);
  EXPECT_THAT(read->warnings,
              ElementsAre("unknown member 'colour' ignored", "unknown member 'mode' ignored"));
  EXPECT_THAT(filled(R"({"kind":1})").error().body, HasSubstr(R"("loc":["body","kind"])"));
  EXPECT_EQ(filled("[]").error().status, 422);
}

TEST(VerifyBody, MayBeLeftOut) {
  const auto none = parse_verify("", "").value();
  EXPECT_EQ(none.prefix, "");
  EXPECT_FALSE(none.repair);
  const auto read =
      parse_verify("application/json", R"({"prefix":"earnings/","repair":"yes"})").value();
  EXPECT_EQ(read.prefix, "earnings/");
  EXPECT_TRUE(read.repair);
  EXPECT_TRUE(parse_verify("", R"({"prefix":null,"repair":null})").has_value());
}

TEST(VerifyBody, NamesItsFaults) {
  const auto refused = parse_verify("", R"({"prefix":"../","repair":"perhaps"})");
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().body, HasSubstr(R"("loc":["body","prefix"])"));
  EXPECT_THAT(refused.error().body, HasSubstr(R"("loc":["body","repair"])"));
  EXPECT_FALSE(parse_verify("", R"({"prefix":7})").has_value());
  EXPECT_FALSE(parse_verify("", "7").has_value());
}

TEST(Prefix, IsWhatAKeyMayBeginWith) {
  for (const std::string_view text : {"", "a", "earnings/", "historical-stock/quote/15m@1"})
    EXPECT_EQ(parse_prefix(text).value(), text);
  EXPECT_EQ(parse_prefix(std::nullopt).value(), "");
  for (const std::string_view text : {"/", "a//", "../", "a/../b", "a\\", "a\n"})
    EXPECT_EQ(parse_prefix(text).error().status, 422) << text;
}

}  // namespace
}  // namespace betedge::wire
