#include "betedge/wire/lake.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace betedge::wire {
namespace {

using Json = nlohmann::json;

TEST(LakeJson, RootsComeBackAsTheyWent) {
  LakeRoots sent{.lake = "/lakes/a \"b\"",
                 .publishes_conditionally = true,
                 .roots = {{.kind = "stock",
                            .root = "AAPL",
                            .schema = "ohlc",
                            .interval = "1m",
                            .return_format = "parquet",
                            .objects = 3,
                            .bytes = 4096,
                            .rows = 1173,
                            .first = "20240102",
                            .last = "20240104"},
                           {.kind = "earnings",
                            .root = {},
                            .schema = {},
                            .interval = {},
                            .return_format = "parquet",
                            .objects = 1,
                            .bytes = 10,
                            .rows = {},
                            .first = "20240101",
                            .last = "20240131"}},
                 .other_objects = 2,
                 .other_bytes = 77};
  const auto json = roots_json(sent);
  EXPECT_EQ(Json::parse(json)["roots"][1]["root"], nullptr);
  const auto read = parse_roots(json).value();
  EXPECT_EQ(read.lake, sent.lake);
  EXPECT_TRUE(read.publishes_conditionally);
  ASSERT_EQ(read.roots.size(), 2U);
  EXPECT_EQ(read.roots[0].interval, "1m");
  EXPECT_EQ(read.roots[0].rows, 1173U);
  EXPECT_EQ(read.roots[0].last, "20240104");
  EXPECT_EQ(read.roots[1].root, std::nullopt);
  EXPECT_EQ(read.roots[1].rows, std::nullopt);
  EXPECT_EQ(read.other_objects, 2U);
  EXPECT_EQ(read.other_bytes, 77U);
  EXPECT_EQ(roots_json(read), json);
}

TEST(LakeJson, CoverageComesBackAsItWent) {
  Coverage sent{.kind = "stock",
                .root = "AAPL",
                .schema = "ohlc",
                .interval_ms = 60'000,
                .return_format = "parquet",
                .start_date = "20240102",
                .end_date = "20240104",
                .counts = {},
                .days = {{"20240102", DayState::present, "a/b", ""},
                         {"20240103", DayState::no_data, "a/c", "zero_series"},
                         {"20240104", DayState::failed, "a/d", "HTTP 500 \"x\""}}};
  for (const auto& day : sent.days) ++sent.counts.of(day.state);
  const auto json = coverage_json(sent);
  EXPECT_EQ(Json::parse(json)["days"][0]["reason"], nullptr);
  EXPECT_EQ(Json::parse(json)["counts"],
            Json::parse(R"({"present":1,"no_data":1,"failed":1,"stale":0,"missing":0})"));
  const auto read = parse_coverage(json).value();
  EXPECT_EQ(read.counts, sent.counts);
  EXPECT_EQ(read.days[2].reason, "HTTP 500 \"x\"");
  EXPECT_EQ(coverage_json(read), json);
}

TEST(LakeJson, ACoverageOfNothingHasNoDates) {
  const auto json = coverage_json({.kind = "earnings",
                                   .root = {},
                                   .schema = {},
                                   .interval_ms = {},
                                   .return_format = "parquet",
                                   .start_date = {},
                                   .end_date = {},
                                   .counts = {},
                                   .days = {}});
  EXPECT_EQ(Json::parse(json)["start_date"], nullptr);
  EXPECT_EQ(coverage_json(parse_coverage(json).value()), json);
}

TEST(LakeJson, AQueryIsATargetAndABody) {
  const CoverageQuery query{.kind = "option",
                            .root = "^SPX",
                            .schema = "quote",
                            .interval_ms = 900'000,
                            .start_date = "20240102",
                            .end_date = {},
                            .return_format = {},
                            .start_time_ms = 0};
  EXPECT_EQ(coverage_target(query),
            "/lake/coverage?kind=option&root=%5ESPX&schema=quote&interval=900000"
            "&start_date=20240102&start_time=0");
  EXPECT_EQ(Json::parse(fill_json(query, {{"team", "a\"b"}}, -3)),
            Json::parse(R"({"kind":"option","root":"^SPX","schema":"quote","interval":900000,
                            "start_date":"20240102","start_time":0,"labels":{"team":"a\"b"},
                            "priority":-3})"));
  EXPECT_EQ(fill_json({.kind = "earnings", .root = ""}, {}, {}), R"({"kind":"earnings"})");
}

TEST(LakeJson, NothingToFillIsToldFromASubmit) {
  DayCounts counts;
  counts.of(DayState::present) = 21;
  EXPECT_EQ(parse_nothing_to_fill(nothing_to_fill_json(counts)), counts);
  EXPECT_EQ(parse_nothing_to_fill(R"({"status":"accepted","job_id":"x"})"), std::nullopt);
  EXPECT_EQ(parse_nothing_to_fill("<html>"), std::nullopt);
}

TEST(LakeJson, LinesOfAVerificationAreToldApart) {
  VerdictCounts differences;
  differences.of(Verdict::torn) = 2;
  for (const VerifyLine& line : {VerifyLine(Difference{"a/b", Verdict::foreign, "it says a/c"}),
                                 VerifyLine(VerifyProgress{1000}),
                                 VerifyLine(VerifyEnd{7, 5, differences, {"id-1", "id-2"}}),
                                 VerifyLine(VerifyFailure{"the lake failed"})}) {
    const auto text = verify_line_json(line);
    EXPECT_TRUE(text.ends_with("}\n"));
    const auto read = parse_verify_line(text).value();
    EXPECT_EQ(read.index(), line.index());
    EXPECT_EQ(verify_line_json(read), text);
  }
  EXPECT_EQ(Json::parse(verify_line_json(VerifyEnd{7, 5, differences, {}}))["differences"]["torn"],
            2);
  EXPECT_FALSE(parse_verify_line("{}").has_value());
  EXPECT_FALSE(parse_verify_line(R"({"key":"a","verdict":"odd"})").has_value());
  EXPECT_FALSE(parse_verify_line("{\"checked\":").has_value());
  EXPECT_EQ(verify_json("earnings/", true), R"({"prefix":"earnings/","repair":true})");
}

TEST(LakeJson, ObjectsComeBackAsTheyWent) {
  const LakeObjectPage sent{
      .objects = {{"a/b", 12, "2026-01-02T03:04:05+00:00", "\"x\"", "ab12", 7},
                  {"a/c", 0, "2026-01-02T03:04:05+00:00", "\"y\"", "", std::nullopt}},
      .next_cursor = "a/c"};
  const auto json = object_page_json(sent);
  EXPECT_EQ(Json::parse(json)["objects"][1]["sha256"], nullptr);
  const auto read = parse_object_page(json).value();
  EXPECT_EQ(object_page_json(read), json);
  EXPECT_EQ(Json::parse(object_page_json({}))["next_cursor"], nullptr);
  EXPECT_FALSE(parse_object_page(R"({"objects":[{"key":"a"}]})").has_value());
}

TEST(LakeJson, KeysAndPrefixesAreEncodedInTargets) {
  EXPECT_EQ(objects_target("", std::nullopt, ""), "/objects");
  EXPECT_EQ(objects_target("a b/&", 7, "c/ü"),
            "/objects?prefix=a%20b%2F%26&limit=7&cursor=c%2F%C3%BC");
  EXPECT_EQ(object_target("historical-stock/quote/15m@100000-/^V/2024/data.parquet"),
            "/objects/historical-stock/quote/15m%40100000-/%5EV/2024/data.parquet");
}

TEST(LakeJson, AManifestIsWrittenInPartsAndReadWhole) {
  Manifest sent{.job_id = "id",
                .state = "completed_with_errors",
                .created_at = "2026-01-02T03:04:05+00:00",
                .finished_at = std::nullopt,
                .request_json = R"({"kind":"stock"})",
                .objects = {{"a", "succeeded", 3, 10, "ab", "a note", ""},
                            {"b", "failed", 0, 0, "", "", "HTTP 500"}}};
  auto json = manifest_head_json(sent);
  for (std::size_t i = 0; i < sent.objects.size(); ++i)
    json += manifest_object_json(sent.objects[i], i == 0);
  json += manifest_tail_json();
  const auto read = parse_manifest(json).value();
  EXPECT_EQ(read.request_json, sent.request_json);
  ASSERT_EQ(read.objects.size(), 2U);
  EXPECT_EQ(read.objects[0].note, "a note");
  EXPECT_EQ(read.objects[1].error, "HTTP 500");
  EXPECT_EQ(Json::parse(json)["objects"][0]["error"], nullptr);
  EXPECT_TRUE(parse_manifest(manifest_head_json(sent) + manifest_tail_json())->objects.empty());
  sent.request_json = "{damaged";
  EXPECT_EQ(Json::parse(manifest_head_json(sent) + manifest_tail_json())["request"], nullptr);
  EXPECT_EQ(parse_manifest_written(manifest_written_json("manifests/id.json")),
            "manifests/id.json");
}

TEST(LakeJson, WhatIsNoAnswerOfOursIsGarbled) {
  for (const std::string_view text :
       {"", "<html>", "[]", "{}", R"({"roots":1,"days":{},"objects":""})"}) {
    EXPECT_EQ(parse_roots(text).error().code, ErrorCode::upstream_garbled);
    EXPECT_EQ(parse_coverage(text).error().code, ErrorCode::upstream_garbled);
    EXPECT_EQ(parse_verify_line(text).error().code, ErrorCode::upstream_garbled);
    EXPECT_EQ(parse_object_page(text).error().code, ErrorCode::upstream_garbled);
    EXPECT_EQ(parse_manifest(text).error().code, ErrorCode::upstream_garbled);
    EXPECT_EQ(parse_manifest_written(text).error().code, ErrorCode::upstream_garbled);
  }
}

}  // namespace
}  // namespace betedge::wire
