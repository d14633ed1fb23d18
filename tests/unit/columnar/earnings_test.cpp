#include "betedge/columnar/earnings.hpp"

#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <parquet/arrow/reader.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>

#include "betedge/columnar/file_metadata.hpp"
#include "betedge/columnar/file_reader.hpp"
#include "betedge/columnar/object_encoder.hpp"

namespace betedge::columnar {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Optional;

const Date kDay = std::chrono::year{2024} / 3 / 5;  // a Tuesday

json over() {
  return {{"symbol", "ABC"},
          {"name", "Abc Inc. "},
          {"time", "time-after-hours"},
          {"eps", "$1.25"},
          {"surprise", "6.98"},
          {"marketCap", "$1,234,567"},
          {"fiscalQuarterEnding", "Dec/2023"},
          {"epsForecast", "($0.05)"},
          {"noOfEsts", "6"}};
}

json to_come() {
  auto row = over();
  row.erase("eps");
  row.erase("surprise");
  row["lastYearEPS"] = "$0.09";
  row["lastYearRptDt"] = "3/07/2023";
  return row;
}

json names_of(const json& row) {
  json names = json::object();
  for (const auto& [name, value] : row.items()) names[name] = "Label";
  return names;
}

json document(json rows, std::string as_of = "Tue, Mar 5, 2024") {
  json headers = rows.empty() || !rows[0].is_object() ? json() : names_of(rows[0]);
  return {{"data", {{"asOf", std::move(as_of)}, {"headers", headers}, {"rows", std::move(rows)}}},
          {"message", nullptr},
          {"status", {{"rCode", 200}}}};
}

std::string body_of(json row) {
  return document(json::array({std::move(row)})).dump();
}

EarningsRow only_row(const std::string& body) {
  const auto day = parse_earnings_day(kDay, body);
  EXPECT_TRUE(day.has_value()) << day.error().message;
  if (!day || day->rows.size() != 1) return {};
  return day->rows.front();
}

std::string fault(const std::string& body) {
  const auto day = parse_earnings_day(kDay, body);
  EXPECT_FALSE(day.has_value()) << body.substr(0, 300);
  if (day) return {};
  EXPECT_EQ(day.error().code, ErrorCode::upstream_garbled);
  EXPECT_THAT(day.error().message, HasSubstr("2024-03-05"));
  return day.error().message;
}

TEST(EarningsDay, ReadsADayThatIsOver) {
  const auto row = only_row(body_of(over()));
  EXPECT_EQ(row.symbol, "ABC");
  EXPECT_EQ(row.name, "Abc Inc.");
  EXPECT_EQ(row.time, "time-after-hours");
  EXPECT_EQ(row.eps, 1.25);
  EXPECT_EQ(row.eps_forecast, -0.05);
  EXPECT_EQ(row.surprise_pct, 6.98);
  EXPECT_EQ(row.market_cap, 1'234'567);
  EXPECT_EQ(row.fiscal_quarter_ending, "Dec/2023");
  EXPECT_EQ(row.num_estimates, 6);
  EXPECT_EQ(row.last_year_eps, std::nullopt);
  EXPECT_EQ(row.last_year_report_date, std::nullopt);
}

TEST(EarningsDay, ReadsADayToCome) {
  const auto row = only_row(body_of(to_come()));
  EXPECT_EQ(row.eps, std::nullopt);
  EXPECT_EQ(row.surprise_pct, std::nullopt);
  EXPECT_EQ(row.last_year_eps, 0.09);
  EXPECT_EQ(row.last_year_report_date, "2023-03-07");
}

TEST(EarningsDay, TakesBothLayoutsInOneAnswerAndFieldsNobodyKnows) {
  auto more = over();
  more["unheardOf"] = json::array({1, 2});
  auto other = to_come();
  other["symbol"] = "mog.a";
  const auto day = parse_earnings_day(kDay, document(json::array({more, other})).dump());
  ASSERT_TRUE(day.has_value()) << day.error().message;
  ASSERT_EQ(day->rows.size(), 2);
  EXPECT_EQ(day->rows[1].symbol, "MOG.A");  // upper case, as the Python original
}

TEST(EarningsDay, ATimeThatIsNotSuppliedIsNull) {
  auto row = over();
  row["time"] = "time-not-supplied";
  EXPECT_EQ(only_row(body_of(row)).time, std::nullopt);
}

TEST(EarningsDay, ANameIsNeverTakenForAMissingOne) {
  auto row = over();
  row["name"] = "NA";
  EXPECT_EQ(only_row(body_of(row)).name, "NA");
  row["name"] = "  ";
  EXPECT_EQ(only_row(body_of(row)).name, std::nullopt);
}

// --- Values

struct ValueCase {
  std::string field;
  json wire;
  std::string file;  // "null"; "?" when it is refused
};

std::string text_of(const EarningsRow& row, const std::string& field) {
  const auto number = [](const auto& value) {
    return value ? fmt::format("{}", *value) : std::string("null");
  };
  if (field == "eps") return number(row.eps);
  if (field == "epsForecast") return number(row.eps_forecast);
  if (field == "surprise") return number(row.surprise_pct);
  if (field == "marketCap") return number(row.market_cap);
  if (field == "noOfEsts") return number(row.num_estimates);
  if (field == "lastYearEPS") return number(row.last_year_eps);
  if (field == "lastYearRptDt") return number(row.last_year_report_date);
  if (field == "time") return number(row.time);
  if (field == "fiscalQuarterEnding") return number(row.fiscal_quarter_ending);
  throw std::logic_error(field);
}

class EarningsValue : public ::testing::TestWithParam<ValueCase> {};

TEST_P(EarningsValue, IsReadOrRefused) {
  const auto& [field, wire, file] = GetParam();
  auto row = field.starts_with("last") ? to_come() : over();
  row[field] = wire;
  if (file != "?") {
    EXPECT_EQ(text_of(only_row(body_of(row)), field), file) << wire;
    return;
  }
  const auto message = fault(body_of(row));
  EXPECT_THAT(message, HasSubstr("ABC"));
  EXPECT_THAT(message, HasSubstr(field));
  if (wire.is_string()) EXPECT_THAT(message, HasSubstr(wire.get<std::string>().substr(0, 30)));
}

INSTANTIATE_TEST_SUITE_P(
    Money, EarningsValue,
    ::testing::Values(ValueCase{"eps", "$1.23", "1.23"}, ValueCase{"eps", "$12", "12"},
                      ValueCase{"eps", "$0", "0"}, ValueCase{"eps", "($0.05)", "-0.05"},
                      ValueCase{"eps", "$(0.12)", "-0.12"}, ValueCase{"eps", "-$1.00", "-1"},
                      ValueCase{"eps", "$-1.50", "-1.5"}, ValueCase{"eps", "-1.5", "-1.5"},
                      ValueCase{"eps", "(0.5)", "-0.5"}, ValueCase{"eps", "$1,234.50", "1234.5"},
                      ValueCase{"eps", "$.5", "0.5"}, ValueCase{"eps", "($0.00)", "0"},
                      ValueCase{"eps", " $2 ", "2"}, ValueCase{"eps", 1.5, "1.5"},
                      ValueCase{"lastYearEPS", "($99.99)", "-99.99"},
                      ValueCase{"eps", "N/A", "null"}, ValueCase{"eps", "NA", "null"},
                      ValueCase{"eps", "", "null"}, ValueCase{"eps", "--", "null"},
                      ValueCase{"eps", " ", "null"}, ValueCase{"epsForecast", nullptr, "null"},
                      ValueCase{"eps", "$", "?"}, ValueCase{"eps", "-", "?"},
                      ValueCase{"eps", "()", "?"}, ValueCase{"eps", "$1.2.3", "?"},
                      ValueCase{"eps", "$1,23", "?"}, ValueCase{"eps", "$1,2345", "?"},
                      ValueCase{"eps", "$,123", "?"}, ValueCase{"eps", "($1.00", "?"},
                      ValueCase{"eps", "-($1.00)", "?"}, ValueCase{"eps", "($-1.00)", "?"},
                      ValueCase{"eps", "--1", "?"}, ValueCase{"eps", "1.00 EUR", "?"},
                      ValueCase{"eps", "1e5", "?"}, ValueCase{"eps", "inf", "?"},
                      ValueCase{"eps", "nan", "?"}, ValueCase{"eps", "$1.", "?"},
                      ValueCase{"eps", "1234567890123456789", "?"}, ValueCase{"eps", true, "?"},
                      ValueCase{"eps", json::array({1}), "?"},
                      ValueCase{"eps", json::object(), "?"}));

INSTANTIATE_TEST_SUITE_P(
    Others, EarningsValue,
    ::testing::Values(
        ValueCase{"surprise", "-20.9", "-20.9"}, ValueCase{"surprise", "12", "12"},
        ValueCase{"surprise", "6.98%", "6.98"}, ValueCase{"surprise", "N/A", "null"},
        ValueCase{"surprise", "$1", "?"}, ValueCase{"surprise", "(3)", "?"},
        ValueCase{"surprise", "%", "?"}, ValueCase{"marketCap", "$71,008,400,000", "71008400000"},
        ValueCase{"marketCap", "71008400000", "71008400000"}, ValueCase{"marketCap", "", "null"},
        ValueCase{"marketCap", "N/A", "null"}, ValueCase{"marketCap", "$1.5", "?"},
        ValueCase{"marketCap", "$71B", "?"}, ValueCase{"marketCap", "-$1", "?"},
        ValueCase{"marketCap", "$9,999,999,999,999,999,999", "?"}, ValueCase{"noOfEsts", "6", "6"},
        ValueCase{"noOfEsts", 6, "6"}, ValueCase{"noOfEsts", "N/A", "null"},
        ValueCase{"noOfEsts", "six", "?"}, ValueCase{"noOfEsts", "-1", "?"},
        ValueCase{"noOfEsts", "1.5", "?"}, ValueCase{"lastYearRptDt", "11/14/2022", "2022-11-14"},
        ValueCase{"lastYearRptDt", "5/08/2023", "2023-05-08"},
        ValueCase{"lastYearRptDt", "5/8/2023", "2023-05-08"},
        ValueCase{"lastYearRptDt", "N/A", "null"}, ValueCase{"lastYearRptDt", "", "null"},
        ValueCase{"lastYearRptDt", "2/30/2023", "?"}, ValueCase{"lastYearRptDt", "13/1/2023", "?"},
        ValueCase{"lastYearRptDt", "2023-05-08", "?"}, ValueCase{"lastYearRptDt", "5/8/23", "?"},
        ValueCase{"time", "", "null"}, ValueCase{"time", 5, "5"},
        ValueCase{"time", json::array(), "?"}, ValueCase{"fiscalQuarterEnding", "", "null"},
        ValueCase{"fiscalQuarterEnding", " Sep/2023 ", "Sep/2023"}));

// --- Documents

TEST(EarningsDay, AnEmptyDayIsAnAnswer) {
  auto null_rows = document(json::array());
  null_rows["data"]["rows"] = nullptr;
  const json no_data{{"data", nullptr}, {"message", nullptr}, {"status", {{"rCode", 400}}}};
  for (const auto& body : {document(json::array()), null_rows, no_data}) {
    const auto day = parse_earnings_day(kDay, body.dump());
    ASSERT_TRUE(day.has_value()) << day.error().message;
    EXPECT_EQ(day->rows.size(), 0);
  }
}

TEST(EarningsDay, RefusesWhatIsNoCalendar) {
  const std::string whole = body_of(over());
  EXPECT_THAT(fault(""), HasSubstr("empty"));
  EXPECT_THAT(fault("<html><body>Sign in</body></html>"), HasSubstr("<html>"));
  EXPECT_THAT(fault("Too many requests"), HasSubstr("Too many requests"));
  EXPECT_THAT(fault("[]"), HasSubstr("object"));
  EXPECT_THAT(fault("{}"), HasSubstr("data"));
  EXPECT_THAT(fault(R"({"data":null})"), HasSubstr("status"));
  EXPECT_THAT(fault(R"({"data":null,"status":{"rCode":503}})"), HasSubstr("503"));
  EXPECT_THAT(fault(R"({"data":null,"status":{"rCode":429}})"), HasSubstr("429"));
  EXPECT_THAT(fault(R"({"data":[],"status":{"rCode":200}})"), HasSubstr("data"));
  EXPECT_THAT(fault(R"({"data":{},"status":{"rCode":200}})"), HasSubstr("rows"));
  EXPECT_THAT(fault(R"({"data":{"rows":7},"status":{"rCode":200}})"), HasSubstr("rows"));
  EXPECT_THAT(fault(R"({"data":{"rows":[7]},"status":{"rCode":200}})"), HasSubstr("row 1"));
  EXPECT_THAT(fault(whole + "x"), HasSubstr("broken"));
  EXPECT_THAT(fault("{\"data\":\"\xff\"}"), HasSubstr("broken"));
  auto odd = document(json::array({over()}));
  odd["status"]["rCode"] = 500;
  EXPECT_THAT(fault(odd.dump()), HasSubstr("500"));
}

TEST(EarningsDay, RefusesAnAnswerCutAnywhere) {
  const std::string whole = document(json::array({over(), to_come()})).dump();
  for (std::size_t length = 0; length < whole.size(); ++length) fault(whole.substr(0, length));
}

TEST(EarningsDay, RefusesDeepNestingInsteadOfFallingIntoIt) {
  const std::string deep = std::string(200'000, '[') + std::string(200'000, ']');
  fault(deep);
  EXPECT_THAT(fault(R"({"data":{"rows":)" + deep + "}}"), HasSubstr("row 1"));
  EXPECT_THAT(fault(R"({"data":)" + deep + "}"), HasSubstr("a list"));
}

TEST(EarningsDay, RefusesAnotherDaysRows) {
  EXPECT_THAT(fault(document(json::array({over()}), "Wed, Mar 6, 2024").dump()),
              HasSubstr("2024-03-06"));
  EXPECT_THAT(fault(document(json::array({over()}), "yesterday").dump()), HasSubstr("yesterday"));
}

TEST(EarningsDay, RefusesARowWithoutASymbol) {
  auto row = over();
  for (const json& symbol : {json(""), json(" "), json(nullptr), json(7)}) {
    row["symbol"] = symbol;
    EXPECT_THAT(fault(body_of(row)), HasSubstr("row 1 has no symbol"));
  }
  row["symbol"] = "two words";
  EXPECT_THAT(fault(body_of(row)), HasSubstr("TWO WORDS"));
}

TEST(EarningsDay, RefusesAHeaderOrARowThatLacksAField) {
  for (const auto& whole : {over(), to_come()}) {
    for (const auto& [name, value] : whole.items()) {
      if (name == "symbol") continue;
      auto less = whole;
      less.erase(name);
      EXPECT_THAT(fault(body_of(less)), HasSubstr("lacks the field " + name));
      auto under_a_whole_header = document(json::array({whole, less}));
      under_a_whole_header["data"]["headers"] = names_of(whole);
      EXPECT_THAT(fault(under_a_whole_header.dump()), HasSubstr("ABC lacks the field " + name));
    }
  }
  auto changed = document(json::array({over()}));
  changed["data"]["headers"] = "none";
  EXPECT_THAT(fault(changed.dump()), HasSubstr("headers"));
}

TEST(EarningsDay, TakesALineThatComesTwiceOnceAndKeepsOneThatDiffers) {
  auto other = over();
  other["eps"] = "$2";
  const auto day = parse_earnings_day(
      kDay, document(json::array({over(), over(), other, over(), other})).dump());
  ASSERT_TRUE(day.has_value()) << day.error().message;
  ASSERT_EQ(day->rows.size(), 2);
  EXPECT_EQ(day->rows[0].eps, 1.25);
  EXPECT_EQ(day->rows[1].eps, 2);
  EXPECT_EQ(day->repeated_rows, 3);
  EXPECT_EQ(day->conflicting_rows, 1);
}

// --- The file

HistoricalRequest march() {
  return {.kind = Kind::earnings,
          .root = {},
          .dates = {std::chrono::year{2024} / 3 / 1, std::chrono::year{2024} / 3 / 31},
          .schema = Schema::eod,
          .interval = {},
          .window = {},
          .format = FileFormat::parquet,
          .existing = Existing::keep};
}

Call call_of(Date day) {
  return {.kind = Kind::earnings,
          .schema = Schema::eod,
          .root = {},
          .dates = {day, day},
          .interval = {},
          .window = {},
          .role = Role::primary};
}

std::unique_ptr<ObjectEncoder> encoder() {
  const auto request = march();
  return *ObjectEncoder::open({.request = request,
                               .key = object_key(request, kDay),
                               .covers = {kDay, kDay + std::chrono::days{1}},
                               .source = "nasdaq",
                               .request_json = "{}"});
}

Result<void> take(ObjectEncoder& encoder, Date day, const std::string& body,
                  std::size_t piece = std::string::npos) {
  if (auto begun = encoder.begin_answer(call_of(day), WireFormat::nasdaq_json); !begun)
    return begun;
  if (auto begun = encoder.begin_document(); !begun) return begun;
  for (std::size_t at = 0; at < body.size(); at += std::min(piece, body.size() - at))
    if (auto fed = encoder.feed(as_bytes(std::string_view(body).substr(at, piece))); !fed)
      return fed;
  return encoder.end_answer();
}

std::shared_ptr<arrow::RecordBatch> batch_of(const Bytes& file) {
  const auto source = std::make_shared<arrow::io::BufferReader>(std::make_shared<arrow::Buffer>(
      reinterpret_cast<const std::uint8_t*>(file.data()), static_cast<std::int64_t>(file.size())));
  auto reader = parquet::arrow::OpenFile(source, arrow::default_memory_pool()).ValueOrDie();
  auto batches = reader->GetRecordBatchReader().ValueOrDie();
  auto batch = batches->Next().ValueOrDie();
  return batch;
}

RandomAccess access(Bytes file) {
  const auto size = file.size();
  return {
      .size_bytes = size,
      .read = [file = std::move(file)](std::uint64_t offset, std::size_t length) -> Result<Bytes> {
        const auto from = file.begin() + static_cast<std::ptrdiff_t>(offset);
        return Bytes(from, from + static_cast<std::ptrdiff_t>(length));
      }};
}

TEST(EarningsFile, HasTheDaysInOrderWithNullsWhereNothingWasSaid) {
  const auto made = encoder();
  auto first = over();
  first["marketCap"] = "";
  auto second = to_come();
  second["symbol"] = "XYZ";
  const auto next = kDay + std::chrono::days{1};
  ASSERT_TRUE(take(*made, kDay, document(json::array({first})).dump()));
  ASSERT_TRUE(take(*made, next, document(json::array({second}), "Wed, Mar 6, 2024").dump()));
  EXPECT_EQ(made->rows(), 2);
  EXPECT_GT(made->memory_bytes(), 0U);
  const auto summary = made->finish();
  ASSERT_TRUE(summary.has_value()) << summary.error().message;
  EXPECT_EQ(summary->rows, 2);
  const auto file = made->take_output();
  EXPECT_EQ(summary->size_bytes, file.size());
  EXPECT_EQ(summary->sha256.size(), 64);

  const auto batch = batch_of(file);
  EXPECT_EQ(batch->schema()->ToString(),
            "date: string not null\nsymbol: string not null\nname: string\ntime: string\n"
            "eps: double\neps_forecast: double\nsurprise_pct: double\nmarket_cap: int64\n"
            "fiscal_quarter_ending: string\nnum_estimates: int64\nlast_year_eps: double\n"
            "last_year_report_date: string");

  const auto shown = preview(access(file), 10);
  ASSERT_TRUE(shown.has_value());
  EXPECT_THAT(
      shown->rows,
      ElementsAre(ElementsAre("2024-03-05", "ABC", "Abc Inc.", "time-after-hours", "1.25", "-0.05",
                              "6.98", "", "Dec/2023", "6", "", ""),
                  ElementsAre("2024-03-06", "XYZ", "Abc Inc.", "time-after-hours", "", "-0.05", "",
                              "1234567", "Dec/2023", "6", "0.09", "2023-03-07")));
  const auto facts = read_facts(access(file));
  ASSERT_TRUE(facts.has_value());
  EXPECT_EQ(facts->metadata.at(std::string(metadata::kSource)), "nasdaq");
  EXPECT_EQ(facts->metadata.at(std::string(metadata::kKey)), "earnings/2024/03/data.parquet");
  EXPECT_EQ(facts->metadata.at(std::string(metadata::kRows)), "2");
  EXPECT_EQ(facts->metadata.at(std::string(metadata::kDigest)), summary->digest);
  EXPECT_EQ(digest_of(access(file)).value(), summary->digest);
}

TEST(EarningsFile, IsTheSameBytesHoweverTheAnswersWereCut) {
  const auto body = document(json::array({over(), to_come()})).dump();
  std::vector<Bytes> files;
  for (const std::size_t piece : {std::string::npos, std::size_t{1}, std::size_t{7}}) {
    const auto made = encoder();
    ASSERT_TRUE(take(*made, kDay, body, piece));
    ASSERT_TRUE(made->finish());
    files.push_back(made->take_output());
  }
  EXPECT_EQ(files[0], files[1]);
  EXPECT_EQ(files[0], files[2]);
}

TEST(EarningsFile, DigestTellsANullFromAValueAndOneFieldFromAnother) {
  std::map<std::string, int> digests;
  const auto digest_with = [&](const std::string& field, const json& value) {
    auto row = over();
    row[field] = value;
    const auto made = encoder();
    EXPECT_TRUE(take(*made, kDay, body_of(row)));
    ++digests[made->finish().value().digest];
  };
  digest_with("eps", "$1.25");
  digest_with("eps", "N/A");
  digest_with("eps", "$0");
  digest_with("marketCap", "N/A");
  digest_with("marketCap", "$0");
  digest_with("noOfEsts", "N/A");
  digest_with("name", "");
  EXPECT_EQ(digests.size(), 7);
}

TEST(EarningsFile, ADayWithoutReportsAddsNothingAndIsNoFailure) {
  const auto made = encoder();
  ASSERT_TRUE(take(*made, kDay, document(json::array()).dump()));
  EXPECT_EQ(made->rows(), 0);
  const auto next = kDay + std::chrono::days{1};
  ASSERT_TRUE(take(*made, next, document(json::array({over()}), "Wed, Mar 6, 2024").dump()));
  EXPECT_EQ(made->rows(), 1);
}

TEST(EarningsFile, CountsWhatCameTwice) {
  const auto made = encoder();
  auto other = over();
  other["eps"] = "$2";
  ASSERT_TRUE(take(*made, kDay, document(json::array({over(), over(), other})).dump()));
  const auto summary = made->finish();
  ASSERT_TRUE(summary.has_value());
  EXPECT_EQ(summary->rows, 2);
  EXPECT_EQ(summary->repeated_rows, 1);
  EXPECT_EQ(summary->conflicting_rows, 1);
}

TEST(EarningsFile, RefusesWhatIsNoAnswerOfItsOwn) {
  const auto made = encoder();
  auto stock = call_of(kDay);
  stock.kind = Kind::stock;
  auto month = call_of(kDay);
  month.dates.last += std::chrono::days{1};
  EXPECT_FALSE(made->begin_answer(stock, WireFormat::nasdaq_json));
  EXPECT_FALSE(made->begin_answer(month, WireFormat::nasdaq_json));
  EXPECT_FALSE(made->begin_answer(call_of(kDay), WireFormat::v3_csv));
  EXPECT_FALSE(made->feed(as_bytes(std::string_view("{}"))));
  EXPECT_FALSE(made->begin_document());
  EXPECT_FALSE(made->end_answer());
  ASSERT_TRUE(made->begin_answer(call_of(kDay), WireFormat::nasdaq_json));
  EXPECT_FALSE(made->begin_answer(call_of(kDay), WireFormat::nasdaq_json));
  ASSERT_TRUE(made->begin_document());
  ASSERT_TRUE(made->feed(as_bytes(std::string_view("{}"))));
  const auto second = made->begin_document();
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, ErrorCode::upstream_garbled);
  EXPECT_FALSE(made->finish());
  const auto ended = made->end_answer();
  ASSERT_FALSE(ended.has_value());
  EXPECT_EQ(ended.error().code, ErrorCode::upstream_garbled);
}

TEST(EarningsFile, RefusesAnAnswerWithoutEnd) {
  const auto made = encoder();
  ASSERT_TRUE(made->begin_answer(call_of(kDay), WireFormat::nasdaq_json));
  const std::string megabyte(1 << 20, ' ');
  for (int i = 0; i < 16; ++i) ASSERT_TRUE(made->feed(as_bytes(megabyte)));
  const auto fed = made->feed(as_bytes(std::string_view(" ")));
  ASSERT_FALSE(fed.has_value());
  EXPECT_EQ(fed.error().code, ErrorCode::upstream_garbled);
  EXPECT_THAT(fed.error().message, HasSubstr("16 MiB"));
}

// --- Recorded days, which lie beside the checkout and are not part of it

struct Sums {
  std::size_t rows = 0;
  std::map<std::string, std::int64_t> sums;  // cents, hundredths, dollars, days
  std::map<std::string, std::size_t> nulls;
  friend bool operator==(const Sums&, const Sums&) = default;
};

std::int64_t cents(double value) {
  return std::llround(value * 100);
}

// Worked out from the texts by another way than the decoder's: what is left without "$,()" is a
// number that the C library reads.
Sums sums_of(const json& rows) {
  Sums found;
  if (rows.is_null()) return found;
  found.rows = rows.size();
  for (const auto& row : rows) {
    for (const char* name : {"eps", "epsForecast", "surprise", "marketCap", "noOfEsts",
                             "lastYearEPS", "lastYearRptDt"}) {
      auto text = row.value(name, std::string());
      if (text.empty() || text == "N/A") {
        ++found.nulls[name];
        continue;
      }
      if (std::strcmp(name, "lastYearRptDt") == 0) {
        std::tm day{};
        EXPECT_NE(strptime(text.c_str(), "%m/%d/%Y", &day), nullptr) << text;
        found.sums[name] += timegm(&day) / 86'400;
        continue;
      }
      const bool is_negative = text.starts_with('(');
      std::erase_if(text, [](char c) { return std::strchr("$,()", c) != nullptr; });
      const double value = std::strtod(text.c_str(), nullptr) * (is_negative ? -1 : 1);
      found.sums[name] += cents(value);
    }
  }
  return found;
}

Sums sums_of(const EarningsDay& day) {
  Sums found;
  found.rows = day.rows.size();
  for (const auto& row : day.rows) {
    const auto add = [&](const char* name, const auto& value) {
      if (value)
        found.sums[name] += cents(static_cast<double>(*value));
      else
        ++found.nulls[name];
    };
    add("eps", row.eps);
    add("epsForecast", row.eps_forecast);
    add("surprise", row.surprise_pct);
    add("marketCap", row.market_cap);
    add("noOfEsts", row.num_estimates);
    add("lastYearEPS", row.last_year_eps);
    if (row.last_year_report_date) {
      auto digits = *row.last_year_report_date;
      std::erase(digits, '-');
      found.sums["lastYearRptDt"] += parse_yyyymmdd(digits)->time_since_epoch().count();
    } else {
      ++found.nulls["lastYearRptDt"];
    }
  }
  return found;
}

TEST(EarningsDay, ReadsEveryRecordedDayWhole) {
  const auto folder = std::filesystem::path(BETEDGE_SHARED_DATA) / "nasdaq";
  if (!std::filesystem::exists(folder)) {
    if (std::getenv("CI") != nullptr) FAIL() << folder << " is missing";
    GTEST_SKIP() << folder << " is missing";
  }
  const std::map<std::string, std::size_t> expected{
      {"2023-11-03", 85}, {"2023-11-13", 365}, {"2023-11-26", 0}, {"2023-11-28", 32},
      {"2024-07-01", 39}, {"2024-07-02", 22},  {"2024-07-03", 22}};
  for (const auto& [name, rows] : expected) {
    std::ifstream stream(folder / (name + ".json"), std::ios::binary);
    const std::string body((std::istreambuf_iterator<char>(stream)),
                           std::istreambuf_iterator<char>());
    auto digits = name;
    std::erase(digits, '-');
    const auto day = parse_earnings_day(*parse_yyyymmdd(digits), body);
    ASSERT_TRUE(day.has_value()) << day.error().message;
    EXPECT_EQ(day->rows.size(), rows) << name;
    EXPECT_EQ(day->repeated_rows + day->conflicting_rows, 0) << name;
    EXPECT_EQ(sums_of(*day), sums_of(json::parse(body).at("data").at("rows"))) << name;
    for (const auto& row : day->rows) {
      EXPECT_TRUE(row.name && !row.name->starts_with(' ') && !row.name->ends_with(' '));
      EXPECT_NE(row.time, "time-not-supplied");
    }
  }
}

}  // namespace
}  // namespace betedge::columnar
