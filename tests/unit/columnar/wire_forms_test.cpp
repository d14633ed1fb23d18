#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>

#include "betedge/core/table.hpp"
#include "unit/columnar/market.hpp"
#include "unit/columnar/read_table.hpp"

namespace betedge::columnar::testing {
namespace {

struct FormCase {
  Kind kind;
  Schema schema;
};

class WireForms : public ::testing::TestWithParam<FormCase> {
 protected:
  // Pieces of any length: single bytes, some, or all.
  std::function<std::size_t()> random_lengths() {
    return [this]() -> std::size_t {
      switch (random_() % 4) {
        case 0: return 1;
        case 1: return 1 + random_() % 20;
        case 2: return 1 + random_() % 2000;
        default: return 1 + random_() % 50'000;
      }
    };
  }

  // Two or three pages.
  template <class Render>
  std::vector<std::string> in_pages(const Table& table, Style style, Render render) {
    std::vector<std::string> pages;
    std::size_t from = 0;
    while (from < table.rows.size()) {
      const auto to = std::min(table.rows.size(), from + 1 + random_() % table.rows.size());
      pages.push_back(render(table, from, to, style));
      from = to;
    }
    return pages;
  }

  Style random_style() {
    return {.crlf = random_() % 2 == 0,
            .quotes = random_() % 2 == 0,
            .more_columns = random_() % 2 == 0,
            .page_headers = random_() % 2 == 0,
            .spaces = random_() % 2 == 0,
            .contract_first = random_() % 2 == 0};
  }

  // An option's eod has one row a contract and day.
  Table table_of(Kind kind, Schema schema, std::size_t contracts, std::size_t rows_of_each) {
    const bool is_one_a_day = kind == Kind::option && schema == Schema::eod;
    return random_table(kind, schema, contracts,
                        is_one_a_day ? std::min<std::size_t>(rows_of_each, 4) : rows_of_each,
                        random_);
  }

  std::mt19937_64 random_{20240102};
};

// The rows as they stand in the file: as they came, but an option's eod by day.
Table in_file_order(Table table, Kind kind, Schema schema) {
  if (kind != Kind::option || schema != Schema::eod) return table;
  const auto date =
      static_cast<std::size_t>(std::ranges::find(table.columns, "date") - table.columns.begin());
  std::map<std::string, std::vector<std::vector<std::string>>> of_days;
  for (auto& row : table.rows) of_days[row[date]].push_back(std::move(row));
  table.rows.clear();
  for (auto& [day, rows] : of_days)
    for (auto& row : rows) table.rows.push_back(std::move(row));
  return table;
}

void expect_same(const Table& wanted, const ReadTable& found) {
  ASSERT_EQ(found.names, wanted.columns);
  ASSERT_EQ(found.rows, wanted.rows.size());
  for (std::size_t i = 0; i < wanted.columns.size(); ++i) {
    const auto& name = wanted.columns[i];
    for (std::size_t row = 0; row < wanted.rows.size(); ++row) {
      const auto& cell = wanted.rows[row][i];
      if (const auto column = found.numbers.find(name); column != found.numbers.end())
        ASSERT_EQ(fmt::to_string(column->second[row]), cell) << name << " of row " << row;
      else if (const auto prices = found.prices.find(name); prices != found.prices.end())
        ASSERT_EQ(prices->second[row], std::strtod(cell.c_str(), nullptr)) << name;
      else
        ASSERT_EQ(found.texts.at(name)[row], cell) << name << " of row " << row;
    }
  }
}

TEST_P(WireForms, BringTheSameColumnsHoweverTheyAreCut) {
  const auto [kind, schema] = GetParam();
  const auto request = request_for(kind, schema);
  const auto call = call_for(kind, schema);
  for (int round = 0; round < 12; ++round) {
    const auto contracts = kind == Kind::option ? 1 + random_() % 6 : 1;
    const auto table = table_of(kind, schema, contracts, 1 + random_() % 80);
    const auto all = table.rows.size();

    const auto plain = encode(request, call, WireFormat::v3_csv, {as_v3_csv(table, 0, all)});
    ASSERT_TRUE(plain.has_value()) << plain.error().message;
    expect_same(in_file_order(table, kind, schema), read_parquet(plain->bytes));

    const auto style = random_style();
    const auto v3 = encode(request, call, WireFormat::v3_csv, {as_v3_csv(table, 0, all, style)},
                           random_lengths());
    ASSERT_TRUE(v3.has_value()) << v3.error().message;
    const auto v2_csv = encode(request, call, WireFormat::v2_csv, in_pages(table, style, as_v2_csv),
                               random_lengths());
    ASSERT_TRUE(v2_csv.has_value()) << v2_csv.error().message;
    const auto v2_json = encode(request, call, WireFormat::v2_json,
                                in_pages(table, style, as_v2_json), random_lengths());
    ASSERT_TRUE(v2_json.has_value()) << v2_json.error().message;

    for (const auto* encoded : {&*v3, &*v2_csv, &*v2_json}) {
      EXPECT_EQ(encoded->summary.rows, all);
      EXPECT_EQ(encoded->summary.digest, plain->summary.digest);
      EXPECT_EQ(encoded->summary.sha256, plain->summary.sha256);
      ASSERT_TRUE(encoded->bytes == plain->bytes) << "same digest, other bytes";
    }
  }
}

TEST_P(WireForms, BringTheSameArrowFile) {
  const auto [kind, schema] = GetParam();
  const auto request = request_for(kind, schema, FileFormat::ipc);
  const auto call = call_for(kind, schema);
  const auto table = table_of(kind, schema, kind == Kind::option ? 3 : 1, 40);
  const auto all = table.rows.size();
  const auto v3 = encode(request, call, WireFormat::v3_csv, {as_v3_csv(table, 0, all)});
  const auto v2 =
      encode(request, call, WireFormat::v2_json, {as_v2_json(table, 0, all)}, random_lengths());
  ASSERT_TRUE(v3.has_value() && v2.has_value());
  expect_same(in_file_order(table, kind, schema), read_ipc(v3->bytes));
  EXPECT_TRUE(v3->bytes == v2->bytes);
  const auto parquet =
      encode(request_for(kind, schema), call, WireFormat::v2_csv, {as_v2_csv(table, 0, all)});
  ASSERT_TRUE(parquet.has_value());
  EXPECT_EQ(v3->summary.digest, parquet->summary.digest);
}

INSTANTIATE_TEST_SUITE_P(
    Of, WireForms,
    ::testing::Values(FormCase{Kind::option, Schema::quote}, FormCase{Kind::option, Schema::ohlc},
                      FormCase{Kind::option, Schema::eod}, FormCase{Kind::stock, Schema::quote},
                      FormCase{Kind::stock, Schema::ohlc}, FormCase{Kind::stock, Schema::eod}),
    [](const auto& tested) {
      return fmt::format("{}_{}", core::to_text(tested.param.kind),
                         core::to_text(tested.param.schema));
    });

// One byte changed anywhere must never go unnoticed as a crash or a read past the end; what it may
// do is change a value or be refused.
TEST(WireFormsBroken, ByOneByteAreReadOrRefusedTheSameWayHoweverCut) {
  std::mt19937_64 random(7);
  for (const auto schema : {Schema::eod, Schema::quote}) {
    const auto request = request_for(Kind::option, schema);
    const auto call = call_for(Kind::option, schema);
    const auto table = random_table(Kind::option, schema, 3, 4, random);
    const auto all = table.rows.size();
    const std::pair<WireFormat, std::string> forms[] = {
        {WireFormat::v3_csv, as_v3_csv(table, 0, all)},
        {WireFormat::v2_csv, as_v2_csv(table, 0, all)},
        {WireFormat::v2_json, as_v2_json(table, 0, all)}};
    for (const auto& [format, body] : forms) {
      for (int round = 0; round < 400; ++round) {
        auto broken = body;
        broken[random() % broken.size()] = "0129,.\"\n{}[]:x- "[random() % 16];
        if (random() % 3 == 0) broken.resize(random() % broken.size());
        const auto whole = encode(request, call, format, {broken});
        const auto cut = encode(request, call, format, {broken}, [&] { return 1 + random() % 40; });
        ASSERT_EQ(whole.has_value(), cut.has_value()) << broken;
        if (whole) {
          ASSERT_EQ(whole->summary.digest, cut->summary.digest) << broken;
        } else {
          ASSERT_EQ(whole.error().code, ErrorCode::upstream_garbled);
        }
      }
    }
  }
}

}  // namespace
}  // namespace betedge::columnar::testing
