#include "betedge/columnar/object_encoder.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <algorithm>
#include <random>

#include "betedge/columnar/file_reader.hpp"
#include "betedge/columnar/row_buffer.hpp"
#include "unit/columnar/market.hpp"
#include "unit/columnar/read_table.hpp"

namespace betedge::columnar::testing {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Call underlying_call(Schema schema) {
  auto call = call_for(Kind::stock, schema);
  call.role = Role::underlying;
  return call;
}

std::string stock_csv(int rows) {
  std::string text = "timestamp,open,high,low,close,volume,count,vwap\n";
  for (int i = 0; i < rows; ++i)
    text += fmt::format("2024-01-02T{:02}:{:02}:00,100.5,101,100,100.75,5000,40,100.6\n",
                        9 + (30 + i) / 60, (30 + i) % 60);
  return text;
}

// Many rows of quotes, cheaply: one contract's block again and again.
class ManyRows {
 public:
  explicit ManyRows(std::size_t rows) : left_(rows) {
    text_ =
        "symbol,expiration,strike,right,timestamp,bid_size,bid_exchange,bid,bid_condition,"
        "ask_size,ask_exchange,ask,ask_condition\n";
  }
  // The next some 40 kB; empty at the end.
  std::string next() {
    std::string text = std::move(text_);
    text_.clear();
    for (int i = 0; i < 391 && left_ > 0; ++i, --left_)
      text += fmt::format(
          "ABC,2024-02-{:02},{}.000,{},2024-01-0{}T{:02}:{:02}:00,{},7,{}.{:02},50,{},9,{}.5,50\n",
          1 + contract_ % 28, 10 + contract_ % 500, contract_ % 2 == 0 ? "CALL" : "PUT",
          2 + contract_ % 4, 9 + (30 + i) / 60, (30 + i) % 60, random_() % 300, contract_ % 90,
          random_() % 100, random_() % 300, contract_ % 90);
    ++contract_;
    return text;
  }

 private:
  std::size_t left_;
  std::string text_;
  unsigned contract_ = 0;
  std::mt19937 random_{1};
};

TEST(ObjectEncoder, PutsTheUnderlyingsRowsBehindTheOptions) {
  const auto encoder = *ObjectEncoder::open(spec_for(request_for(Kind::option, Schema::ohlc)));
  std::mt19937_64 random(1);
  const auto table = random_table(Kind::option, Schema::ohlc, 2, 2, random);
  ASSERT_TRUE(encoder->begin_answer(call_for(Kind::option, Schema::ohlc), WireFormat::v2_json));
  ASSERT_TRUE(encoder->begin_document());
  ASSERT_TRUE(encoder->feed(as_bytes(as_v2_json(table, 0, 4))));
  ASSERT_TRUE(encoder->end_answer());
  ASSERT_TRUE(encoder->begin_answer(underlying_call(Schema::ohlc), WireFormat::v3_csv));
  ASSERT_TRUE(encoder->begin_document());
  ASSERT_TRUE(encoder->feed(as_bytes(stock_csv(3))));
  ASSERT_TRUE(encoder->end_answer());
  EXPECT_EQ(encoder->rows(), 7);
  const auto summary = encoder->finish();
  ASSERT_TRUE(summary.has_value());
  EXPECT_EQ(summary->rows, 7);
  EXPECT_EQ(summary->underlying_rows, 3);

  const auto read = read_parquet(encoder->take_output());
  EXPECT_THAT(read.texts.at("right"), ElementsAre("C", "C", "P", "P", "U", "U", "U"));
  EXPECT_THAT(read.texts.at("root"), Each(std::string("ABC")));
  EXPECT_EQ(read.numbers.at("strike").at(4), 0);
  EXPECT_EQ(read.numbers.at("expiration").at(6), 0);
  EXPECT_EQ(read.numbers.at("ms_of_day").at(6), 34'320'000);
  EXPECT_EQ(read.prices.at("close").at(5), 100.75);
}

TEST(ObjectEncoder, KnowsAnUnderlyingOfAnotherRoot) {
  const auto encoder = *ObjectEncoder::open(spec_for(request_for(Kind::option, Schema::ohlc)));
  std::mt19937_64 random(1);
  const auto table = random_table(Kind::option, Schema::ohlc, 1, 1, random);
  ASSERT_TRUE(encoder->begin_answer(call_for(Kind::option, Schema::ohlc), WireFormat::v3_csv));
  ASSERT_TRUE(encoder->feed(as_bytes(as_v3_csv(table, 0, 1))));
  ASSERT_TRUE(encoder->end_answer());
  auto call = underlying_call(Schema::ohlc);
  call.root = *Symbol::parse("^ABC");
  ASSERT_TRUE(encoder->begin_answer(call, WireFormat::v3_csv));
  ASSERT_TRUE(encoder->feed(as_bytes(stock_csv(1))));
  ASSERT_TRUE(encoder->end_answer());
  ASSERT_TRUE(encoder->finish());
  const auto read = read_parquet(encoder->take_output());
  EXPECT_THAT(read.texts.at("root"), ElementsAre("ABC", "^ABC"));
}

TEST(ObjectEncoder, RefusesRowsThatDoNotBelongIntoTheFile) {
  const auto encoder = *ObjectEncoder::open(spec_for(request_for(Kind::stock, Schema::ohlc)));
  EXPECT_FALSE(encoder->begin_answer(call_for(Kind::stock, Schema::quote), WireFormat::v3_csv));
  EXPECT_FALSE(encoder->begin_answer(call_for(Kind::option, Schema::ohlc), WireFormat::v3_csv));
  EXPECT_FALSE(encoder->begin_answer(underlying_call(Schema::ohlc), WireFormat::v3_csv));
  EXPECT_FALSE(encoder->feed(as_bytes("x")));
  EXPECT_FALSE(encoder->end_answer());
  ASSERT_TRUE(encoder->begin_answer(call_for(Kind::stock, Schema::ohlc), WireFormat::v3_csv));
  EXPECT_FALSE(encoder->begin_answer(call_for(Kind::stock, Schema::ohlc), WireFormat::v3_csv));
  EXPECT_FALSE(encoder->finish());
}

class NarrowPrices : public ::testing::TestWithParam<FileFormat> {
 protected:
  // The file that this answer makes with the prices asked for, and its summary.
  static Encoded file_of(const std::string& csv, PriceType price_type) {
    auto spec = spec_for(request_for(Kind::option, Schema::quote, GetParam()));
    spec.layout.price_type = price_type;
    const auto encoder = *ObjectEncoder::open(std::move(spec));
    EXPECT_TRUE(encoder->begin_answer(call_for(Kind::option, Schema::quote), WireFormat::v3_csv));
    EXPECT_TRUE(encoder->begin_document());
    EXPECT_TRUE(encoder->feed(as_bytes(csv)));
    EXPECT_TRUE(encoder->end_answer());
    auto summary = *encoder->finish();
    return {encoder->take_output(), std::move(summary)};
  }
  static RandomAccess in_memory(const Bytes& file) {
    return {.size_bytes = file.size(), .read = [&file](std::uint64_t offset, std::size_t length) {
              const auto first = file.begin() + static_cast<std::ptrdiff_t>(offset);
              return Result<Bytes>(Bytes(first, first + static_cast<std::ptrdiff_t>(length)));
            }};
  }
};

TEST_P(NarrowPrices, AreTheNearestFloatsAndAllElseIsTheSame) {
  std::mt19937_64 random(7);
  // More rows than a batch, so that what is left in the buffer moves up between two.
  const auto table = random_table(Kind::option, Schema::quote, 300, 391, random);
  const auto csv = as_v3_csv(table, 0, table.rows.size());
  const auto wide = file_of(csv, PriceType::float64);
  const auto narrow = file_of(csv, PriceType::float32);
  const auto read = GetParam() == FileFormat::parquet ? read_parquet : read_ipc;
  const auto wide_table = read(wide.bytes), narrow_table = read(narrow.bytes);
  ASSERT_EQ(wide_table.rows, table.rows.size());
  ASSERT_EQ(narrow_table.rows, table.rows.size());
  EXPECT_EQ(narrow_table.names, wide_table.names);
  EXPECT_EQ(narrow_table.numbers, wide_table.numbers);
  EXPECT_EQ(narrow_table.texts, wide_table.texts);
  EXPECT_TRUE(narrow_table.prices.empty());
  ASSERT_EQ(narrow_table.narrow_prices.size(), wide_table.prices.size());
  for (const auto& [name, prices] : wide_table.prices)
    EXPECT_EQ(narrow_table.narrow_prices.at(name), as_float32(prices)) << name;
}

TEST_P(NarrowPrices, HaveADigestOfTheirOwnThatIsFoundAgain) {
  std::mt19937_64 random(8);
  const auto table = random_table(Kind::option, Schema::quote, 3, 5, random);
  const auto csv = as_v3_csv(table, 0, table.rows.size());
  const auto wide = file_of(csv, PriceType::float64);
  const auto narrow = file_of(csv, PriceType::float32);
  EXPECT_NE(narrow.summary.digest, wide.summary.digest);
  EXPECT_EQ(digest_of(in_memory(narrow.bytes)), narrow.summary.digest);
  const auto facts = read_facts(in_memory(narrow.bytes));
  ASSERT_TRUE(facts.has_value()) << facts.error().message;
  EXPECT_EQ(facts->metadata.at("betedge.price_type"), "float32");
  EXPECT_EQ(facts->metadata.at("betedge.digest"), narrow.summary.digest);
}

INSTANTIATE_TEST_SUITE_P(Formats, NarrowPrices,
                         ::testing::Values(FileFormat::parquet, FileFormat::ipc),
                         [](const auto& tested) { return std::string(to_text(tested.param)); });

TEST(ObjectEncoder, RefusesAPriceThatFloat32CannotHold) {
  auto spec = spec_for(request_for(Kind::stock, Schema::ohlc));
  spec.layout.price_type = PriceType::float32;
  const auto encoder = *ObjectEncoder::open(std::move(spec));
  ASSERT_TRUE(encoder->begin_answer(call_for(Kind::stock, Schema::ohlc), WireFormat::v3_csv));
  ASSERT_TRUE(encoder->begin_document());
  ASSERT_TRUE(
      encoder->feed(as_bytes("timestamp,open,high,low,close,volume,count,vwap\n"
                             "2024-01-02T09:30:00,1,400000000000000000000000000000000000000,1,1,1,"
                             "1,1\n")));
  ASSERT_TRUE(encoder->end_answer());
  const auto summary = encoder->finish();
  ASSERT_FALSE(summary.has_value());
  EXPECT_EQ(summary.error().code, ErrorCode::upstream_garbled);
  EXPECT_THAT(summary.error().message, HasSubstr("high is 4e+38"));
}

TEST(ObjectEncoder, SaysNoRowsWhereNoAnswerCame) {
  const auto encoder = *ObjectEncoder::open(spec_for(request_for(Kind::stock, Schema::ohlc)));
  EXPECT_EQ(encoder->rows(), 0);
}

TEST(ObjectEncoder, TellsTheDaysThatHaveRows) {
  const auto encoder = *ObjectEncoder::open(spec_for(request_for(Kind::stock, Schema::ohlc)));
  const auto call = call_for(Kind::stock, Schema::ohlc);
  // More rows than a batch, and the days in no order.
  for (const std::string_view date : {"2024-01-05", "2024-01-02", "2024-01-05"}) {
    ASSERT_TRUE(encoder->begin_answer(call, WireFormat::v3_csv));
    std::string text = "timestamp,open,high,low,close,volume,count,vwap\n";
    for (int i = 0; i < 40'000; ++i) text += fmt::format("{}T09:30:00,1,1,1,1,{},1,1\n", date, i);
    ASSERT_TRUE(encoder->feed(as_bytes(text)));
    ASSERT_TRUE(encoder->end_answer());
  }
  const auto summary = encoder->finish();
  ASSERT_TRUE(summary.has_value());
  EXPECT_EQ(summary->rows, 120'000);
  EXPECT_THAT(summary->days, ElementsAre(*from_yyyymmdd(20240102), *from_yyyymmdd(20240105)));
}

TEST(ObjectEncoder, AnswersOfSeveralDaysFollowEachOther) {
  const auto encoder = *ObjectEncoder::open(spec_for(request_for(Kind::option, Schema::eod)));
  std::mt19937_64 random(1);
  auto call = call_for(Kind::option, Schema::eod);
  std::size_t rows = 0;
  for (const WireFormat format : {WireFormat::v2_csv, WireFormat::v2_json, WireFormat::v3_csv}) {
    const auto table = random_table(Kind::option, Schema::eod, 4, 3, random);
    const auto all = table.rows.size();
    ASSERT_TRUE(encoder->begin_answer(call, format));
    ASSERT_TRUE(encoder->begin_document());
    ASSERT_TRUE(
        encoder->feed(as_bytes(format == WireFormat::v2_csv    ? as_v2_csv(table, 0, all)
                               : format == WireFormat::v2_json ? as_v2_json(table, 0, all)
                                                               : as_v3_csv(table, 0, all))));
    ASSERT_TRUE(encoder->end_answer());
    rows += all;
    EXPECT_EQ(encoder->rows(), rows);
  }
  ASSERT_TRUE(encoder->finish());
  EXPECT_EQ(read_parquet(encoder->take_output()).rows, rows);
}

TEST(ObjectEncoder, CutsRowGroupsByRowsAndHoldsOneAtMost) {
  constexpr std::size_t kRows = 262'144 + 4 * 196'608 + 100'000;
  const auto encoder = *ObjectEncoder::open(spec_for(request_for(Kind::option, Schema::quote)));
  ASSERT_TRUE(encoder->begin_answer(call_for(Kind::option, Schema::quote), WireFormat::v3_csv));
  ASSERT_TRUE(encoder->begin_document());
  Bytes file;
  std::size_t most = 0, input = 0;
  ManyRows many(kRows);
  for (auto text = many.next(); !text.empty(); text = many.next()) {
    input += text.size();
    ASSERT_TRUE(encoder->feed(as_bytes(text)));
    most = std::max(most, encoder->memory_bytes());
    const Bytes bytes = encoder->take_output();
    file.insert(file.end(), bytes.begin(), bytes.end());
  }
  ASSERT_TRUE(encoder->end_answer());
  const auto summary = encoder->finish();
  ASSERT_TRUE(summary.has_value());
  const Bytes bytes = encoder->take_output();
  file.insert(file.end(), bytes.begin(), bytes.end());

  EXPECT_GT(input, 80u * 1024 * 1024);
  EXPECT_LT(most, 48u * 1024 * 1024);
  EXPECT_EQ(summary->rows, kRows);
  EXPECT_EQ(summary->size_bytes, file.size());
  const auto read = read_parquet(file);
  EXPECT_EQ(read.rows, kRows);
  EXPECT_THAT(read.row_groups, ElementsAre(262'144, 196'608, 196'608, 196'608, 196'608, 100'000));
}

TEST(ObjectEncoder, WritesArrowBatchesOfOneSize) {
  constexpr std::size_t kRows = 140'000;
  for (const std::size_t piece : {std::size_t{1000}, std::size_t{1} << 22}) {
    const auto encoder =
        *ObjectEncoder::open(spec_for(request_for(Kind::option, Schema::quote, FileFormat::ipc)));
    ASSERT_TRUE(encoder->begin_answer(call_for(Kind::option, Schema::quote), WireFormat::v3_csv));
    std::string all;
    ManyRows many(kRows);
    for (auto text = many.next(); !text.empty(); text = many.next()) all += text;
    for (std::size_t at = 0; at < all.size(); at += piece)
      ASSERT_TRUE(encoder->feed(as_bytes(std::string_view(all).substr(at, piece))));
    ASSERT_TRUE(encoder->end_answer());
    ASSERT_TRUE(encoder->finish());
    EXPECT_THAT(read_ipc(encoder->take_output()).row_groups,
                ElementsAre(65'536, 65'536, 140'000 - 2 * 65'536));
  }
}

TEST(ObjectEncoder, GivesTheSha256OfTheWholeFile) {
  std::mt19937_64 random(1);
  const auto table = random_table(Kind::stock, Schema::quote, 1, 10, random);
  const auto encoded =
      encode(request_for(Kind::stock, Schema::quote), call_for(Kind::stock, Schema::quote),
             WireFormat::v2_csv, {as_v2_csv(table, 0, 10)});
  ASSERT_TRUE(encoded.has_value());
  unsigned char digest[32];
  unsigned int length = 0;
  EVP_Digest(encoded->bytes.data(), encoded->bytes.size(), digest, &length, EVP_sha256(), nullptr);
  std::string hex;
  for (const unsigned char byte : digest) hex += fmt::format("{:02x}", byte);
  EXPECT_EQ(encoded->summary.sha256, hex);
  EXPECT_EQ(encoded->summary.size_bytes, encoded->bytes.size());
}

TEST(ObjectEncoder, GivesOtherDigestsToOtherValues) {
  std::mt19937_64 random(1);
  const auto table = random_table(Kind::option, Schema::ohlc, 2, 3, random);
  const auto digest_of_table = [](const Table& of) {
    return encode(request_for(Kind::option, Schema::ohlc), call_for(Kind::option, Schema::ohlc),
                  WireFormat::v2_csv, {as_v2_csv(of, 0, of.rows.size())})
        ->summary.digest;
  };
  const auto digest = digest_of_table(table);
  EXPECT_EQ(digest.size(), 32u);
  EXPECT_EQ(digest, digest_of_table(table));
  auto other_value = table;
  other_value.rows[3][1] = "77.0001";
  EXPECT_NE(digest, digest_of_table(other_value));
  auto other_order = table;
  std::swap(other_order.rows[0], other_order.rows[4]);
  EXPECT_NE(digest, digest_of_table(other_order));
  auto fewer = table;
  fewer.rows.pop_back();
  EXPECT_NE(digest, digest_of_table(fewer));
}

}  // namespace
}  // namespace betedge::columnar::testing
