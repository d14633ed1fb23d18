#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "unit/columnar/market.hpp"

// A 200 whose body is not the data asked for is a failure in every form, never a file.
namespace betedge::columnar::testing {
namespace {

using ::testing::HasSubstr;

std::string rendered(WireFormat format, const Table& table, std::size_t from, std::size_t to) {
  switch (format) {
    case WireFormat::v2_csv: return as_v2_csv(table, from, to);
    case WireFormat::v2_json: return as_v2_json(table, from, to);
    default: return as_v3_csv(table, from, to);
  }
}

std::string name_of(WireFormat format) {
  switch (format) {
    case WireFormat::v2_csv: return "v2_csv";
    case WireFormat::v2_json: return "v2_json";
    default: return "v3_csv";
  }
}

class BadAnswer : public ::testing::TestWithParam<std::tuple<WireFormat, Schema>> {
 protected:
  static WireFormat format() { return std::get<0>(GetParam()); }
  static Schema schema() { return std::get<1>(GetParam()); }
  static Result<Encoded> encoded(const std::vector<std::string>& documents) {
    return encode(request_for(Kind::option, schema()), call_for(Kind::option, schema()), format(),
                  documents);
  }
  Table table_ = random_table(Kind::option, schema(), 3, 4, random_);

 private:
  std::mt19937_64 random_{5};
};

TEST_P(BadAnswer, IsNeverData) {
  const auto body = rendered(format(), table_, 0, table_.rows.size());
  const auto second_half = body.substr(body.size() / 2);
  const std::pair<std::string, std::vector<std::string>> answers[] = {
      {"an empty body", {""}},
      {"an empty second page", {body, ""}},
      {"nothing but blanks", {"\n\n"}},
      {"an HTML page", {"<!DOCTYPE html>\n<html><body>502 Bad Gateway</body></html>\n"}},
      {"an HTML page as the second", {body, "<html>\n<body>busy</body>\n</html>\n"}},
      {"a sentence", {"No data found for your request"}},
      {"a JSON error", {R"({"error":"busy"})"}},
      {"the end of an answer without its beginning", {second_half}},
      {"a wrong header",
       {"symbol,expiration,strike,right,date,price\nABC,2024-01-19,1,CALL,1,2\n"}},
      {"no rows",
       {body.substr(0, body.find(format() == WireFormat::v2_json ? "\"response\"" : "\n") + 1)}},
  };
  for (const auto& [what, documents] : answers) {
    const auto result = encoded(documents);
    ASSERT_FALSE(result.has_value()) << what;
    EXPECT_EQ(result.error().code, ErrorCode::upstream_garbled) << what;
    EXPECT_THAT(result.error().message, HasSubstr("option")) << what;
  }
}

TEST_P(BadAnswer, CutShortAnywhereItIsRefusedOrHasWholeRowsAlone) {
  const auto body = rendered(format(), table_, 0, table_.rows.size());
  std::vector<std::string> digests;  // of the first rows, one more each
  for (std::size_t rows = 1; rows < table_.rows.size(); ++rows)
    digests.push_back(encoded({rendered(format(), table_, 0, rows)})->summary.digest);
  std::size_t taken = 0;
  for (std::size_t length = 0; length + 1 < body.size(); ++length) {
    const auto result = encoded({body.substr(0, length)});
    if (!result.has_value()) {
      EXPECT_EQ(result.error().code, ErrorCode::upstream_garbled);
      continue;
    }
    ++taken;
    EXPECT_NE(format(), WireFormat::v2_json) << length;
    EXPECT_TRUE(result->summary.rows == table_.rows.size() ||
                result->summary.digest == digests.at(result->summary.rows - 1))
        << body.substr(0, length);
  }
  // Between two rows of CSV nothing tells but the transport, whose length is checked there.
  if (format() == WireFormat::v3_csv) EXPECT_EQ(taken, table_.rows.size() - 1);
}

TEST_P(BadAnswer, ARowCutInTwoByAPageIsRefused) {
  const auto body = rendered(format(), table_, 0, table_.rows.size());
  for (std::size_t at = body.size() / 2; at < body.size() / 2 + 40; ++at) {
    if (body[at - 1] == '\n' || body[at] == '\n') continue;
    const auto result = encoded({body.substr(0, at), body.substr(at)});
    ASSERT_FALSE(result.has_value()) << at;
    EXPECT_EQ(result.error().code, ErrorCode::upstream_garbled);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Forms, BadAnswer,
    ::testing::Combine(::testing::Values(WireFormat::v3_csv, WireFormat::v2_csv,
                                         WireFormat::v2_json),
                       ::testing::Values(Schema::quote, Schema::ohlc, Schema::eod)),
    [](const auto& tested) {
      return fmt::format("{}_{}", name_of(std::get<0>(tested.param)),
                         core::to_text(std::get<1>(tested.param)));
    });

}  // namespace
}  // namespace betedge::columnar::testing
