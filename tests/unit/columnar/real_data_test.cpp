#include <fmt/compile.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "betedge/core/table.hpp"
#include "unit/columnar/market.hpp"
#include "unit/columnar/read_table.hpp"

// Real answers, which lie beside the checkout and are not part of it.
namespace betedge::columnar::testing {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const fs::path kData = BETEDGE_SHARED_DATA;

// Skips by name on a machine without the data; CI must have them.
#define BETEDGE_NEEDS(path)                                              \
  if (!fs::exists(path)) {                                               \
    if (std::getenv("CI") != nullptr) FAIL() << (path) << " is missing"; \
    GTEST_SKIP() << (path) << " is missing";                             \
  }                                                                      \
  static_assert(true)

std::string read_gzip(const fs::path& path) {
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), gzclose);
  if (!file) throw std::runtime_error("cannot open " + path.string());
  std::string text;
  std::string piece(1 << 20, '\0');
  int length = 0;
  while ((length = gzread(file.get(), piece.data(), static_cast<unsigned>(piece.size()))) > 0)
    text.append(piece, 0, static_cast<std::size_t>(length));
  if (length < 0) throw std::runtime_error("cannot unpack " + path.string());
  return text;
}

class Replay : public ::testing::TestWithParam<std::string> {};

std::uint64_t tenthousandths(double price) {
  return static_cast<std::uint64_t>(std::llround(price * 10'000));
}

void expect_column(const json& expected, const std::string& name,
                   const std::vector<std::uint64_t>& values) {
  EXPECT_EQ(expected.at("min").get<std::uint64_t>(), std::ranges::min(values)) << name;
  EXPECT_EQ(expected.at("max").get<std::uint64_t>(), std::ranges::max(values)) << name;
  std::uint64_t sum = 0;
  for (const auto value : values) sum += value;
  EXPECT_EQ(expected.at("sum").get<std::uint64_t>(), sum) << name;
}

void expect_as_manifest_says(const json& expected, const ReadTable& table) {
  ASSERT_EQ(expected.at("rows").get<std::size_t>(), table.rows);
  for (const auto& [name, column] : expected.at("columns").items()) {
    std::vector<std::uint64_t> values;
    if (name.ends_with("_e4"))
      for (const double price : table.prices.at(name.substr(0, name.size() - 3)))
        values.push_back(tenthousandths(price));
    else
      values.assign(table.numbers.at(name).begin(), table.numbers.at(name).end());
    expect_column(column, name, values);
  }
  // One of the three each.
  struct CrcColumn {
    const std::vector<std::uint32_t>* numbers = nullptr;
    const std::vector<double>* prices = nullptr;
    const std::vector<std::string>* texts = nullptr;
    bool names_contract = false;
  };
  std::vector<CrcColumn> columns;
  for (const auto& column : expected.at("row_crc32_columns")) {
    const auto name = column.get<std::string>();
    auto& added = columns.emplace_back();
    added.names_contract = name == "expiration" || name == "strike" || name == "right";
    if (table.numbers.contains(name))
      added.numbers = &table.numbers.at(name);
    else if (table.prices.contains(name))
      added.prices = &table.prices.at(name);
    else
      added.texts = &table.texts.at(name);
  }
  std::uint64_t crc_sum = 0;
  std::set<std::string> contracts;
  std::string line, contract, contract_before;
  for (std::size_t row = 0; row < table.rows; ++row) {
    line.clear();
    contract.clear();
    for (const CrcColumn& column : columns) {
      const std::size_t start = line.size();
      const auto out = std::back_inserter(line);
      if (column.numbers != nullptr)
        fmt::format_to(out, FMT_COMPILE("{}|"), (*column.numbers)[row]);
      else if (column.prices != nullptr)
        fmt::format_to(out, FMT_COMPILE("{}|"), tenthousandths((*column.prices)[row]));
      else
        fmt::format_to(out, FMT_COMPILE("{}|"), (*column.texts)[row]);
      if (column.names_contract) contract.append(line, start);
    }
    line.pop_back();
    crc_sum +=
        crc32(0, reinterpret_cast<const Bytef*>(line.data()), static_cast<uInt>(line.size()));
    if (contract != contract_before) contracts.insert(contract);
    contract_before = contract;
  }
  EXPECT_EQ(expected.at("row_crc32_sum").get<std::uint64_t>(), crc_sum);
  if (expected.contains("contracts"))
    EXPECT_EQ(expected.at("contracts").get<std::size_t>(), contracts.size());
}

TEST_P(Replay, IsDecodedAsTheManifestSays) {
  BETEDGE_NEEDS(kData / "replay/manifest.json");
  const auto manifest = json::parse(std::ifstream(kData / "replay/manifest.json"));
  std::size_t tested = 0;
  for (const auto& response : manifest.at("responses")) {
    if (response.at("endpoint") != GetParam()) continue;
    SCOPED_TRACE(response.at("file").get<std::string>());
    const auto& params = response.at("params");
    const bool is_option = GetParam().contains("option");
    const auto schema = *parse_schema(GetParam().substr(GetParam().rfind('/') + 1));
    const HistoricalRequest request{
        .kind = is_option ? Kind::option : Kind::stock,
        .root = *Symbol::parse(params.at("root").get<std::string>()),
        .dates = {*from_yyyymmdd(params.at("start_date").get<std::uint32_t>()),
                  *from_yyyymmdd(params.at("end_date").get<std::uint32_t>())},
        .schema = schema,
        .interval = std::chrono::milliseconds(params.value("ivl", 0))};
    const Call call{.kind = request.kind,
                    .schema = schema,
                    .root = request.root,
                    .dates = request.dates,
                    .interval = request.interval};
    const auto body = read_gzip(kData / "replay" / response.at("file").get<std::string>());
    const auto encoded =
        encode(request, call, WireFormat::v2_json, {body}, [] { return std::size_t{100'003}; });
    ASSERT_TRUE(encoded.has_value()) << encoded.error().message;
    expect_as_manifest_says(response.at("expected"), read_parquet(encoded->bytes));
    ++tested;
  }
  EXPECT_GT(tested, 0u);
}

INSTANTIATE_TEST_SUITE_P(Of, Replay,
                         ::testing::Values("/v2/bulk_hist/option/eod", "/v2/bulk_hist/option/ohlc",
                                           "/v2/bulk_hist/option/quote", "/v2/hist/stock/eod",
                                           "/v2/hist/stock/ohlc", "/v2/hist/stock/quote"),
                         [](const auto& tested) {
                           auto name = tested.param.substr(4);
                           std::ranges::replace(name, '/', '_');
                           return name;
                         });

TEST(VendorExamples, OfV3AreDecodedToTheLastRow) {
  const fs::path folder = kData / "theta/openapi-examples";
  BETEDGE_NEEDS(folder);
  for (const Kind kind : {Kind::option, Kind::stock}) {
    for (const Schema schema : {Schema::quote, Schema::ohlc, Schema::eod}) {
      const auto path =
          folder / fmt::format("{}_history_{}.csv", core::to_text(kind), core::to_text(schema));
      SCOPED_TRACE(path);
      std::ifstream file(path);
      const std::string body{std::istreambuf_iterator<char>(file), {}};
      ASSERT_FALSE(body.empty());
      auto call = call_for(kind, schema);
      call.root = *Symbol::parse("AAPL");
      call.dates = {*from_yyyymmdd(20200101), *from_yyyymmdd(20261231)};
      const auto encoded = encode(request_for(kind, schema), call, WireFormat::v3_csv, {body});
      ASSERT_TRUE(encoded.has_value()) << encoded.error().message;
      EXPECT_EQ(encoded->summary.rows + 1,
                static_cast<std::uint64_t>(std::ranges::count(body, '\n')));
    }
  }
}

}  // namespace
}  // namespace betedge::columnar::testing
