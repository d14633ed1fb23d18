#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <parquet/arrow/reader.h>

#include <algorithm>
#include <stdexcept>

#include "betedge/columnar/file_reader.hpp"
#include "betedge/columnar/object_encoder.hpp"
#include "unit/columnar/market.hpp"

namespace betedge::columnar::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr Layout kTyped{.columns = ColumnStyle::typed};

RandomAccess in_memory(const Bytes& file) {
  return {file.size(), [&file](std::uint64_t offset, std::size_t length) -> Result<Bytes> {
            const auto begin = file.begin() + static_cast<std::ptrdiff_t>(offset);
            return Bytes(begin, begin + static_cast<std::ptrdiff_t>(length));
          }};
}

template <class Value>
Value value_or_throw(arrow::Result<Value> result) {
  if (!result.ok()) throw std::runtime_error(result.status().ToString());
  return *std::move(result);
}

// The file as Arrow itself reads it.
std::shared_ptr<arrow::Table> table_of(const Bytes& file) {
  const auto source = std::make_shared<arrow::io::BufferReader>(std::make_shared<arrow::Buffer>(
      reinterpret_cast<const std::uint8_t*>(file.data()), static_cast<std::int64_t>(file.size())));
  if (as_text(file).starts_with("PAR1"))
    return value_or_throw(
        value_or_throw(parquet::arrow::OpenFile(source, arrow::default_memory_pool()))
            ->ReadTable());
  return value_or_throw(value_or_throw(arrow::ipc::RecordBatchFileReader::Open(source))->ToTable());
}

std::string schema_text(const arrow::Table& table) {
  std::string text;
  for (const auto& field : table.schema()->fields())
    text += fmt::format("{}: {}{}\n", field->name(), field->type()->ToString(),
                        field->nullable() ? "?" : "");
  return text;
}

// The cells of a column as preview() shows them.
std::vector<std::string> shown(const Bytes& file, std::string_view column) {
  const auto preview = columnar::preview(in_memory(file), 1000);
  if (!preview) throw std::runtime_error(preview.error().message);
  const auto at = static_cast<std::size_t>(std::ranges::find(preview->columns, column) -
                                           preview->columns.begin());
  std::vector<std::string> cells;
  for (const auto& row : preview->rows) cells.push_back(row.at(at));
  return cells;
}

struct Answer {
  std::string text;
  WireFormat format = WireFormat::v3_csv;
  Role role = Role::primary;
  DateRange dates = call_for(Kind::option, Schema::ohlc).dates;
};

Result<Encoded> encode_all(Kind kind, Schema schema, const std::vector<Answer>& answers,
                           Layout layout = kTyped, FileFormat format = FileFormat::parquet) {
  auto spec = spec_for(request_for(kind, schema, format));
  spec.layout = layout;
  BETEDGE_TRY(const auto encoder, ObjectEncoder::open(std::move(spec)));
  for (const auto& [text, form, role, dates] : answers) {
    auto call = call_for(role == Role::underlying ? Kind::stock : kind, schema);
    call.role = role;
    call.dates = dates;
    BETEDGE_TRY_VOID(encoder->begin_answer(call, form));
    BETEDGE_TRY_VOID(encoder->begin_document());
    BETEDGE_TRY_VOID(encoder->feed(as_bytes(text)));
    BETEDGE_TRY_VOID(encoder->end_answer());
  }
  Encoded encoded;
  BETEDGE_TRY(encoded.summary, encoder->finish());
  encoded.bytes = encoder->take_output();
  return encoded;
}

const std::vector<Answer> kOptionBars{
    {"symbol,expiration,strike,right,timestamp,open,high,low,close,volume,count,vwap\n"
     "ABC,2024-02-16,187.500,CALL,2024-01-02T09:30:00,1,2,0.5,1.25,5,2,1.10\n"
     "ABC,2024-02-16,187.500,CALL,2024-01-02T15:59:00.02,0,0,0,0,0,0,1.10\n"
     "ABC,2024-02-16,0.005,PUT,2024-01-02T09:30:00,1,2,0.5,1.25,5,2,1.2\n"},
    {"timestamp,open,high,low,close,volume,count,vwap\n"
     "2024-01-02T09:30:00,100,101,99,100.5,500,20,100.2\n",
     WireFormat::v3_csv, Role::underlying}};

class TypedFile : public ::testing::TestWithParam<FileFormat> {};

TEST_P(TypedFile, HasTheTypesAndValuesOfItsLayout) {
  const auto encoded = encode_all(Kind::option, Schema::ohlc, kOptionBars, kTyped, GetParam());
  ASSERT_TRUE(encoded.has_value()) << encoded.error().message;
  const auto table = table_of(encoded->bytes);
  ASSERT_TRUE(table->ValidateFull().ok());
  EXPECT_EQ(schema_text(*table),
            "timestamp: timestamp[ms, tz=America/New_York]\n"
            "open: double\nhigh: double\nlow: double\nclose: double\n"
            "volume: uint32\ncount: uint32\nvwap: double?\n"
            "root: dictionary<values=string, indices=int32, ordered=0>\n"
            "expiration: date32[day]?\nstrike: decimal128(12, 3)?\n"
            "right: dictionary<values=string, indices=int32, ordered=0>\n");
  const auto& times =
      static_cast<const arrow::TimestampArray&>(*table->GetColumnByName("timestamp")->chunk(0));
  EXPECT_EQ(times.Value(0), 1'704'205'800'000);  // 14:30 UTC
  EXPECT_EQ(times.Value(1), 1'704'229'140'020);
  EXPECT_THAT(shown(encoded->bytes, "timestamp"),
              ElementsAre("2024-01-02T09:30:00", "2024-01-02T15:59:00.02", "2024-01-02T09:30:00",
                          "2024-01-02T09:30:00"));
  EXPECT_THAT(shown(encoded->bytes, "expiration"),
              ElementsAre("2024-02-16", "2024-02-16", "2024-02-16", ""));
  EXPECT_THAT(shown(encoded->bytes, "strike"), ElementsAre("187.500", "187.500", "0.005", ""));
  EXPECT_THAT(shown(encoded->bytes, "right"), ElementsAre("C", "C", "P", "U"));
  EXPECT_THAT(shown(encoded->bytes, "root"), ElementsAre("ABC", "ABC", "ABC", "ABC"));
  EXPECT_THAT(shown(encoded->bytes, "vwap"), ElementsAre("1.1", "1.1", "1.2", "100.2"));
  EXPECT_EQ(encoded->summary.underlying_rows, 1);
}

TEST_P(TypedFile, SaysItsLayoutAndItsDigestIsFoundAgain) {
  for (const auto price_type : {PriceType::float64, PriceType::float32}) {
    const Layout layout{ColumnStyle::typed, price_type};
    const auto encoded = encode_all(Kind::option, Schema::ohlc, kOptionBars, layout, GetParam());
    ASSERT_TRUE(encoded.has_value()) << encoded.error().message;
    EXPECT_EQ(digest_of(in_memory(encoded->bytes)), encoded->summary.digest);
    const auto facts = read_facts(in_memory(encoded->bytes));
    ASSERT_TRUE(facts.has_value()) << facts.error().message;
    EXPECT_EQ(facts->layout, layout);
    EXPECT_EQ(facts->metadata.at("betedge.columns"), "typed");
    EXPECT_EQ(facts->metadata.at("betedge.price_type"), to_text(price_type));
  }
}

INSTANTIATE_TEST_SUITE_P(Of, TypedFile, ::testing::Values(FileFormat::parquet, FileFormat::ipc),
                         [](const auto& tested) {
                           return std::string(core::to_text(tested.param));
                         });

TEST(Typed, FilesOfBothFormatsHaveOneDigest) {
  EXPECT_EQ(
      encode_all(Kind::option, Schema::ohlc, kOptionBars, kTyped)->summary.digest,
      encode_all(Kind::option, Schema::ohlc, kOptionBars, kTyped, FileFormat::ipc)->summary.digest);
}

TEST(Typed, APlainFileSaysNothingOfColumnsAndIsToldByItsTypes) {
  const auto encoded = encode_all(Kind::option, Schema::ohlc, kOptionBars, {});
  const auto facts = read_facts(in_memory(encoded->bytes));
  ASSERT_TRUE(facts.has_value()) << facts.error().message;
  EXPECT_FALSE(facts->metadata.contains("betedge.columns"));
  EXPECT_EQ(facts->layout, Layout{});
}

// Both of v2's forms have no vwap, and v3 need not have it.
TEST(Typed, AVwapThatDidNotComeIsNull) {
  const std::vector<std::vector<Answer>> without{
      {{"ms_of_day,open,high,low,close,volume,count,date\n"
        "34200000,1,2,0.5,1.25,5,2,20240102\n",
        WireFormat::v2_csv}},
      {{R"({"header":{"format":["ms_of_day","open","high","low","close","volume","count","date"]},)"
        R"("response":[[34200000,1,2,0.5,1.25,5,2,20240102]]})",
        WireFormat::v2_json}},
      {{"timestamp,open,high,low,close,volume,count\n2024-01-02T09:30:00,1,2,0.5,1.25,5,2\n"}}};
  std::vector<std::string> digests;
  for (const auto& answers : without) {
    const auto encoded = encode_all(Kind::stock, Schema::ohlc, answers);
    ASSERT_TRUE(encoded.has_value()) << encoded.error().message;
    EXPECT_THAT(shown(encoded->bytes, "vwap"), ElementsAre(""));
    digests.push_back(encoded->summary.digest);
  }
  EXPECT_THAT(digests, ElementsAre(digests[0], digests[0], digests[0]));
  auto with = without;
  with[2][0].text =
      "timestamp,open,high,low,close,volume,count,vwap\n"
      "2024-01-02T09:30:00,1,2,0.5,1.25,5,2,1.5\n";
  EXPECT_NE(encode_all(Kind::stock, Schema::ohlc, with[2])->summary.digest, digests[0]);
}

TEST(Typed, EodHasItsDayItsReportAndItsLastTradeOrNone) {
  const auto encoded = encode_all(
      Kind::option, Schema::eod,
      {{"symbol,expiration,strike,right,created,last_trade,open,high,low,close,volume,count,"
        "bid_size,bid_exchange,bid,bid_condition,ask_size,ask_exchange,ask,ask_condition\n"
        "ABC,2024-02-16,187.500,CALL,2024-01-02T17:15:02.043,2024-01-02T15:59:59.5,1,1,1,1,5,2,1,7,"
        "1.1,50,1,7,1.2,50\n"
        "ABC,2024-02-16,190.000,CALL,2024-01-02T17:15:02.043,2024-01-02T00:00:00,0,0,0,0,0,0,1,7,"
        "1.1,50,1,7,1.2,50\n"}});
  ASSERT_TRUE(encoded.has_value()) << encoded.error().message;
  const auto table = table_of(encoded->bytes);
  EXPECT_THAT(schema_text(*table),
              HasSubstr("date: date32[day]\n"
                        "created: timestamp[ms, tz=America/New_York]\n"
                        "last_trade: timestamp[ms, tz=America/New_York]?\nopen: double\n"));
  EXPECT_THAT(shown(encoded->bytes, "date"), ElementsAre("2024-01-02", "2024-01-02"));
  EXPECT_THAT(shown(encoded->bytes, "created"),
              ElementsAre("2024-01-02T17:15:02.043", "2024-01-02T17:15:02.043"));
  EXPECT_THAT(shown(encoded->bytes, "last_trade"), ElementsAre("2024-01-02T15:59:59.5", ""));
  EXPECT_EQ(digest_of(in_memory(encoded->bytes)), encoded->summary.digest);
}

TEST(Typed, TimesAreNewYorksInWinterAndInSummer) {
  const DateRange march{*from_yyyymmdd(20240308), *from_yyyymmdd(20240311)};
  const auto encoded = encode_all(Kind::stock, Schema::ohlc,
                                  {{"ms_of_day,open,high,low,close,volume,count,date\n"
                                    "34200000,1,1,1,1,5,2,20240308\n86400000,1,1,1,1,5,2,20240308\n"
                                    "5400000,1,1,1,1,5,2,20240310\n34200000,1,1,1,1,5,2,20240310\n"
                                    "34200000,1,1,1,1,5,2,20240311\n",
                                    WireFormat::v2_csv, Role::primary, march}});
  ASSERT_TRUE(encoded.has_value()) << encoded.error().message;
  EXPECT_THAT(shown(encoded->bytes, "timestamp"),
              ElementsAre("2024-03-08T09:30:00", "2024-03-09T00:00:00", "2024-03-10T01:30:00",
                          "2024-03-10T09:30:00", "2024-03-11T09:30:00"));
  const auto& times = static_cast<const arrow::TimestampArray&>(
      *table_of(encoded->bytes)->GetColumnByName("timestamp")->chunk(0));
  EXPECT_EQ(times.Value(0), 1'709'908'200'000);  // 14:30 UTC
  EXPECT_EQ(times.Value(4), 1'710'163'800'000);  // 13:30 UTC
}

TEST(Typed, ATimeThatTheClocksSkipIsRefused) {
  const DateRange march{*from_yyyymmdd(20240308), *from_yyyymmdd(20240311)};
  const auto encoded = encode_all(Kind::stock, Schema::ohlc,
                                  {{"ms_of_day,open,high,low,close,volume,count,date\n"
                                    "9000000,1,1,1,1,5,2,20240310\n",
                                    WireFormat::v2_csv, Role::primary, march}});
  ASSERT_FALSE(encoded.has_value());
  EXPECT_EQ(encoded.error().code, ErrorCode::upstream_garbled);
  EXPECT_THAT(encoded.error().message, HasSubstr("9000000 ms of 20240310"));
}

TEST(Typed, APriceThatFloat32CannotHoldIsRefused) {
  const auto encoded =
      encode_all(Kind::stock, Schema::ohlc,
                 {{"timestamp,open,high,low,close,volume,count\n"
                   "2024-01-02T09:30:00,1,400000000000000000000000000000000000000,1,1,1,1\n"}},
                 {ColumnStyle::typed, PriceType::float32});
  ASSERT_FALSE(encoded.has_value());
  EXPECT_THAT(encoded.error().message, HasSubstr("high is 4e+38"));
}

// A dictionary may grow within an Arrow file, but not be replaced.
TEST(Typed, AnUnderlyingOfAnotherRootIsAWordMore) {
  for (const auto format : {FileFormat::parquet, FileFormat::ipc}) {
    auto spec = spec_for(request_for(Kind::option, Schema::ohlc, format));
    spec.layout = kTyped;
    const auto encoder = *ObjectEncoder::open(std::move(spec));
    std::string text =
        "symbol,expiration,strike,right,timestamp,open,high,low,close,volume,count\n";
    for (int i = 0; i < 70'000; ++i)
      text += fmt::format("ABC,2024-02-16,{}.000,CALL,2024-01-02T09:30:00,1,2,1,1,5,2\n", i + 1);
    ASSERT_TRUE(encoder->begin_answer(call_for(Kind::option, Schema::ohlc), WireFormat::v3_csv));
    ASSERT_TRUE(encoder->feed(as_bytes(text)));
    ASSERT_TRUE(encoder->end_answer());
    auto call = call_for(Kind::stock, Schema::ohlc);
    call.role = Role::underlying;
    call.root = *Symbol::parse("^ABC");
    ASSERT_TRUE(encoder->begin_answer(call, WireFormat::v3_csv));
    ASSERT_TRUE(encoder->feed(as_bytes(kOptionBars[1].text)));
    ASSERT_TRUE(encoder->end_answer());
    const auto summary = encoder->finish();
    ASSERT_TRUE(summary.has_value()) << summary.error().message;
    const auto file = encoder->take_output();
    EXPECT_EQ(digest_of(in_memory(file)), summary->digest);
    const auto table = table_of(file);
    EXPECT_EQ(table->num_rows(), 70'001);
  }
}

}  // namespace
}  // namespace betedge::columnar::testing
