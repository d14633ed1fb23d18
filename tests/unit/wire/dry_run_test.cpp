#include "betedge/wire/dry_run.hpp"

#include <gtest/gtest.h>

namespace betedge::wire {
namespace {

Date day(std::string_view text) {
  return *parse_yyyymmdd(text);
}

TEST(DryRunTest, IsReadAsItWasWritten) {
  DryRunView run;
  run.items = {
      {"a/data.parquet", {day("20240102"), day("20240131")}, 22, false},
      {"b/data.parquet", {day("20240201"), day("20240229")}, 0, true},
  };
  run.not_yet_available = {day("20240301")};
  run.calls = 22;
  run.bytes = 1'234'567;
  run.seconds = 4.5;
  run.like_objects = 3;
  const auto json = dry_run_json(R"({"kind":"option"})", run);
  const auto read = parse_dry_run(json);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(dry_run_json(R"({"kind":"option"})", *read), json);
}

TEST(DryRunTest, WhatNothingIsKnownOfStaysUnknown) {
  const auto read = parse_dry_run(dry_run_json("null", {}));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->bytes, std::nullopt);
  EXPECT_EQ(read->seconds, std::nullopt);
}

TEST(DryRunTest, WhatIsNoPlanIsGarbled) {
  for (const auto* json : {"", "<html>", "[]", "{}", R"({"items":3})", R"({"items":[{}]})",
                           R"({"items":[{"key":"a","covers":["20240102"]}]})",
                           R"({"items":[{"key":"a","covers":["20240102","20240230"]}]})"}) {
    const auto read = parse_dry_run(json);
    ASSERT_FALSE(read) << json;
    EXPECT_EQ(read.error().code, ErrorCode::upstream_garbled);
  }
}

}  // namespace
}  // namespace betedge::wire
