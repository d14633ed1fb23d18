#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

#include "betedge/core/plan.hpp"
#include "betedge/wire/fetch_spec.hpp"
#include "betedge/wire/request.hpp"

namespace betedge::wire {
namespace {

using namespace std::chrono;

HistoricalRequest random_request(std::mt19937_64& random) {
  const Date first = Date{2010y / 1 / 1} + days{static_cast<int>(random() % 5000)};
  const auto kind = static_cast<Kind>(random() % 2);
  const auto schema = static_cast<Schema>(random() % 3);
  HistoricalRequest request{
      .kind = kind,
      .root = Symbol::parse(std::array{"A", "BRK.B", "^VIX", "SPXW", "0-9"}[random() % 5]).value(),
      .dates = {first, first + days{static_cast<int>(random() % 60)}},
      .schema = schema,
      .format = static_cast<FileFormat>(random() % 2),
      .existing = static_cast<Existing>(random() % 3)};
  if (schema == Schema::eod) return request;
  request.interval = milliseconds{60'000 + random() % 86'000'000};
  if (random() % 2 == 0) request.window.start = milliseconds{random() % 40'000'000};
  if (random() % 2 == 0) request.window.end = milliseconds{40'000'000 + random() % 40'000'000};
  return request;
}

TEST(StoredRequestTest, IsSpelledInTheContractsNames) {
  const HistoricalRequest request{.kind = Kind::option,
                                  .root = Symbol::parse("TEST").value(),
                                  .dates = {sys_days{2023y / 1 / 2}, sys_days{2023y / 2 / 3}},
                                  .schema = Schema::quote,
                                  .interval = 15min,
                                  .window = {10h, {}},
                                  .existing = Existing::replace};
  EXPECT_EQ(to_json(request),
            R"({"kind":"option","root":"TEST","start_date":"20230102","end_date":"20230203",)"
            R"("schema":"quote","interval":900000,"return_format":"parquet",)"
            R"("start_time":36000000,"end_time":null,"mode":"force","force_refresh":true})");
}

TEST(StoredRequestTest, ASubmissionOfSomeDaysSaysWhich) {
  const HistoricalRequest request{.kind = Kind::stock,
                                  .root = Symbol::parse("TEST").value(),
                                  .dates = {sys_days{2024y / 1 / 2}, sys_days{2024y / 1 / 31}},
                                  .schema = Schema::eod};
  Submission submission{.requests = {request}, .labels = {}};
  const auto whole = to_json(submission);
  submission.only = {{sys_days{2024y / 1 / 5}, sys_days{2024y / 1 / 8}},
                     {sys_days{2024y / 1 / 12}, sys_days{2024y / 1 / 12}}};
  EXPECT_EQ(to_json(submission),
            whole.substr(0, whole.size() - 1) +
                R"(,"only":[["20240105","20240108"],["20240112","20240112"]]})");
}

TEST(StoredRequestTest, EarningsAreOfMonthsAndHaveNoSymbol) {
  const HistoricalRequest request{.kind = Kind::earnings,
                                  .root = {},
                                  .dates = {sys_days{2024y / 1 / 1}, sys_days{2024y / 3 / 31}},
                                  .schema = Schema::eod};
  const auto json = to_json(request);
  EXPECT_EQ(json, R"({"kind":"earnings","start_date":"202401","end_date":"202403",)"
                  R"("return_format":"parquet","mode":"skip","force_refresh":false})");
  EXPECT_EQ(request_from_json(json).value(), request);
  for (const PlannedItem& item : plan(request, sys_days{2030y / 1 / 1}).items) {
    const auto read = fetch_spec_from_json(to_json(FetchSpec{request, item}));
    ASSERT_TRUE(read.has_value());
    EXPECT_EQ(read->item.calls, item.calls);
  }
}

TEST(StoredRequestTest, OneOfAnOlderVersionHasNoMode) {
  auto json = to_json(random_request(*std::make_unique<std::mt19937_64>(5)));
  const auto mode = json.find(R"("mode")");
  json.erase(mode, json.find(R"("force_refresh")") - mode);
  EXPECT_TRUE(request_from_json(json).has_value()) << json;
}

TEST(SubmissionJsonTest, NamesSeveralSymbolsLabelsAndPriorityWhenThereAreAny) {
  HistoricalRequest request{.kind = Kind::stock,
                            .root = Symbol::parse("AAPL").value(),
                            .dates = {sys_days{2024y / 1 / 2}, sys_days{2024y / 1 / 2}},
                            .schema = Schema::eod};
  Submission one{.requests = {request}, .labels = {}, .priority = 0};
  EXPECT_EQ(to_json(one), to_json(request));
  Submission several = one;
  request.root = Symbol::parse("MSFT").value();
  several.requests.push_back(request);
  several.labels = {{"desk", "vol"}};
  several.priority = -3;
  const auto json = to_json(several);
  EXPECT_NE(json.find(R"("roots":["AAPL","MSFT"])"), std::string::npos) << json;
  EXPECT_TRUE(json.ends_with(R"("labels":{"desk":"vol"},"priority":-3})")) << json;
}

TEST(StoredRequestTest, ComesBackAsItself) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 500; ++i) {
    const auto request = random_request(random);
    const auto read = request_from_json(to_json(request));
    ASSERT_TRUE(read.has_value()) << to_json(request);
    ASSERT_EQ(*read, request);
  }
}

TEST(StoredRequestTest, AcceptsItsOwnBodyAsASubmit) {
  std::mt19937_64 random(4);
  for (int i = 0; i < 200; ++i) {
    auto request = random_request(random);
    if (request.schema == Schema::eod) continue;
    request.dates.last = std::max(request.dates.first, request.dates.last);
    const auto parsed = parse_submission(request.kind, "", to_json(request), Existing::keep);
    ASSERT_TRUE(parsed.has_value()) << parsed.error().body;
    ASSERT_EQ(parsed->submission.requests.front(), request);
    ASSERT_EQ(parsed->warnings, (std::vector<std::string>{"unknown member 'kind' ignored"}));
  }
}

TEST(StoredRequestTest, WhateverIsLeftOutOrBrokenIsRefused) {
  const std::string whole = to_json(HistoricalRequest{
      .kind = Kind::stock, .root = Symbol::parse("A").value(), .dates = {Date{}, Date{}}});
  ASSERT_TRUE(request_from_json(whole).has_value());
  for (std::size_t cut = 0; cut < whole.size(); ++cut)
    ASSERT_FALSE(request_from_json(whole.substr(0, cut)).has_value()) << cut;
  for (
      const auto* text :
      {"", "[]", "{}", "null", "{\"kind\":\"stock\"}",
       R"({"kind":"bond","root":"A","start_date":"20230102","end_date":"20230102","schema":"eod","return_format":"ipc","force_refresh":true})",
       R"({"kind":"stock","root":"..","start_date":"20230102","end_date":"20230102","schema":"eod","return_format":"ipc","force_refresh":true})",
       R"({"kind":"stock","root":"A","start_date":"20230103","end_date":"20230102","schema":"eod","return_format":"ipc","force_refresh":true})"}) {
    const auto read = request_from_json(text);
    ASSERT_FALSE(read.has_value()) << text;
    EXPECT_EQ(read.error().code, ErrorCode::invalid_request);
  }
}

TEST(FetchSpecTest, EveryPlannedItemComesBackAsItself) {
  std::mt19937_64 random(5);
  for (int i = 0; i < 50; ++i) {
    const auto request = random_request(random);
    for (const PlannedItem& item : plan(request, sys_days{2030y / 1 / 1}).items) {
      const std::string json = to_json(FetchSpec{request, item});
      const auto read = fetch_spec_from_json(json);
      ASSERT_TRUE(read.has_value()) << json;
      ASSERT_EQ(read->request, request);
      ASSERT_EQ(read->item.key, item.key);
      ASSERT_EQ(read->item.covers, item.covers);
      ASSERT_EQ(read->item.calls, item.calls);
      ASSERT_EQ(to_json(*read), json);
    }
  }
}

// A store may hold fetches of an older version, which wrote every member of every call.
TEST(FetchSpecTest, OneOfAnOlderVersionIsRead) {
  const HistoricalRequest request{.kind = Kind::option,
                                  .root = Symbol::parse("TEST").value(),
                                  .dates = {sys_days{2024y / 1 / 2}, sys_days{2024y / 1 / 31}},
                                  .schema = Schema::quote,
                                  .interval = 15min,
                                  .window = {10h, {}},
                                  .existing = Existing::replace};
  const auto item = plan(request, sys_days{2030y / 1 / 1}).items.at(0);
  const auto call = [](std::string_view role, std::string_view kind) {
    return fmt::format(
        R"({{"role":"{}","kind":"{}","schema":"quote","root":"TEST","start_date":"20240102",)"
        R"("end_date":"20240102","interval":900000,"start_time":36000000,"end_time":null}})",
        role, kind);
  };
  const auto read = fetch_spec_from_json(fmt::format(
      R"({{"request":{},"key":"{}","covers_from":"20240102","covers_to":"20240102",)"
      R"("calls":[{},{}]}})",
      to_json(request), item.key.text(), call("primary", "option"), call("underlying", "stock")));
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(read->request, request);
  EXPECT_EQ(read->item.covers, item.covers);
  EXPECT_EQ(read->item.calls, item.calls);
}

TEST(FetchSpecTest, ACallSaysOnlyWhatIsNotTheItemsOrTheRequests) {
  const HistoricalRequest request{.kind = Kind::option,
                                  .root = Symbol::parse("TEST").value(),
                                  .dates = {sys_days{2024y / 1 / 2}, sys_days{2024y / 1 / 2}},
                                  .schema = Schema::quote,
                                  .interval = 15min,
                                  .window = {10h, {}}};
  auto item = plan(request, sys_days{2030y / 1 / 1}).items.at(0);
  EXPECT_TRUE(to_json(FetchSpec{request, item})
                  .ends_with(R"("calls":[{"role":"primary","kind":"option"},)"
                             R"({"role":"underlying","kind":"stock"}]})"));
  Call& call = item.calls.at(1);
  call.schema = Schema::ohlc;
  call.root = Symbol::parse("OTHER").value();
  call.dates.last = sys_days{2024y / 1 / 3};
  call.interval = 0ms;
  call.window = {};
  const auto json = to_json(FetchSpec{request, item});
  EXPECT_EQ(fetch_spec_from_json(json).value().item.calls, item.calls) << json;
  EXPECT_TRUE(json.ends_with(R"("schema":"ohlc","root":"OTHER","start_date":"20240102",)"
                             R"("end_date":"20240103","interval":null,"start_time":null,)"
                             R"("end_time":null}]})"))
      << json;
}

TEST(FetchSpecTest, ABrokenOneIsRefused) {
  std::mt19937_64 random(6);
  HistoricalRequest request = random_request(random);
  request.dates = {sys_days{2023y / 1 / 3}, sys_days{2023y / 1 / 3}};
  const auto planned = plan(request, sys_days{2030y / 1 / 1});
  const std::string json = to_json(FetchSpec{request, planned.items.at(0)});
  for (std::size_t cut = 0; cut < json.size(); ++cut)
    ASSERT_FALSE(fetch_spec_from_json(json.substr(0, cut)).has_value()) << cut;
  for (const std::string_view name :
       {"request", "key", "covers_from", "covers_to", "calls", "role", "kind"}) {
    std::string renamed = json;
    renamed.replace(json.rfind("\"" + std::string(name) + "\"") + 1, 1, "X");
    const auto read = fetch_spec_from_json(renamed);
    ASSERT_FALSE(read.has_value()) << name;
    EXPECT_EQ(read.error().code, ErrorCode::invalid_request);
  }
}

}  // namespace
}  // namespace betedge::wire
