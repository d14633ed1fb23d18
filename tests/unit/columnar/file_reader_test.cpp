#include "betedge/columnar/file_reader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "betedge/columnar/file_metadata.hpp"
#include "betedge/core/table.hpp"
#include "unit/columnar/market.hpp"

namespace betedge::columnar::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

RandomAccess in_memory(const Bytes& file) {
  return {file.size(), [&file](std::uint64_t offset, std::size_t length) -> Result<Bytes> {
            const auto begin = file.begin() + static_cast<std::ptrdiff_t>(offset);
            return Bytes(begin, begin + static_cast<std::ptrdiff_t>(length));
          }};
}

class FileReader : public ::testing::TestWithParam<FileFormat> {
 protected:
  FileReader() {
    const auto request = request_for(Kind::option, Schema::quote, GetParam());
    encoded_ = *encode(request, call_for(Kind::option, Schema::quote), WireFormat::v3_csv,
                       {"symbol,expiration,strike,right,timestamp,bid_size,bid_exchange,bid,"
                        "bid_condition,ask_size,ask_exchange,ask,ask_condition\n"
                        "ABC,2024-01-19,7.500,CALL,2024-01-02T09:30:00,3,42,0.10,50,4,7,12,51\n"
                        "ABC,2024-01-19,7.500,PUT,2024-01-02T09:31:00,3,42,0.15,50,4,7,1.25,51\n"});
  }
  Encoded encoded_;
};

TEST_P(FileReader, TellsWhatTheFileSaysOfItself) {
  const auto facts = read_facts(in_memory(encoded_.bytes));
  ASSERT_TRUE(facts.has_value()) << facts.error().message;
  EXPECT_EQ(facts->format, GetParam());
  EXPECT_EQ(facts->rows, 2);
  EXPECT_EQ(facts->columns.size(), 14u);
  EXPECT_EQ(facts->columns.front(), "ms_of_day");
  const auto extension = std::string(core::to_text(GetParam()));
  EXPECT_THAT(
      facts->metadata,
      UnorderedElementsAre(
          Pair("betedge.source", "thetadata"), Pair("betedge.request", R"({"root":"ABC"})"),
          Pair("betedge.key", "historical-options/quote/1m/all/ABC/2024/01/02/data." + extension),
          Pair("betedge.covers_first", "20240102"), Pair("betedge.covers_last", "20240105"),
          Pair("betedge.rows", "2"), Pair("betedge.underlying_rows", "0"),
          Pair("betedge.schema_version", std::to_string(kSchemaVersion)),
          Pair("betedge.price_type", "float64"), Pair("betedge.digest", encoded_.summary.digest)));
  EXPECT_EQ(facts->schema_version(), kSchemaVersion);
  EXPECT_EQ(facts->covers(), (DateRange{*from_yyyymmdd(20240102), *from_yyyymmdd(20240105)}));
}

TEST_P(FileReader, ShowsTheFirstRowsAsText) {
  const auto shown = preview(in_memory(encoded_.bytes), 1);
  ASSERT_TRUE(shown.has_value()) << shown.error().message;
  ASSERT_EQ(shown->rows.size(), 1u);
  EXPECT_THAT(shown->rows[0], ElementsAre("34200000", "3", "42", "0.1", "50", "4", "7", "12", "51",
                                          "20240102", "ABC", "20240119", "7500", "C"));
  EXPECT_EQ(preview(in_memory(encoded_.bytes), 100)->rows.size(), 2u);
  EXPECT_TRUE(preview(in_memory(encoded_.bytes), 0)->rows.empty());
}

TEST_P(FileReader, FindsTheDaysThatHaveRows) {
  EXPECT_THAT(days_of(in_memory(encoded_.bytes)).value(), ElementsAre(*from_yyyymmdd(20240102)));
  if (GetParam() != FileFormat::parquet) return;  // an Arrow file may be read without its beginning
  auto torn = encoded_.bytes;
  std::fill(torn.begin() + 8, torn.begin() + 200, std::byte{0});
  EXPECT_FALSE(days_of(in_memory(torn)).has_value());
}

TEST_P(FileReader, FindsTheDigestOfTheValues) {
  EXPECT_EQ(digest_of(in_memory(encoded_.bytes)), encoded_.summary.digest);
}

TEST_P(FileReader, ReadsALocalFile) {
  const auto file =
      std::filesystem::temp_directory_path() / ("betedge-columnar-" + std::to_string(::getpid()) +
                                                "-" + std::string(core::to_text(GetParam())));
  {
    std::ofstream out(file, std::ios::binary);
    out << as_text(encoded_.bytes);
  }
  EXPECT_EQ(read_facts(file)->rows, 2);
  EXPECT_EQ(preview(file, 5)->rows.size(), 2u);
  EXPECT_EQ(digest_of(file), encoded_.summary.digest);
  std::filesystem::remove(file);
  const auto missing = read_facts(file);
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code, ErrorCode::storage_failed);
}

TEST_P(FileReader, RefusesAFileThatIsCutOrIsNone) {
  for (const std::size_t length :
       {std::size_t{0}, std::size_t{3}, std::size_t{20}, encoded_.bytes.size() - 1}) {
    const Bytes cut(encoded_.bytes.begin(),
                    encoded_.bytes.begin() + static_cast<std::ptrdiff_t>(length));
    const auto facts = read_facts(in_memory(cut));
    ASSERT_FALSE(facts.has_value()) << length;
    EXPECT_EQ(facts.error().code, ErrorCode::storage_failed);
  }
}

TEST_P(FileReader, PassesAFailureOfTheStorageOn) {
  const RandomAccess broken{1000, [](std::uint64_t, std::size_t) -> Result<Bytes> {
                              return fail(ErrorCode::storage_failed, "the disk is on fire");
                            }};
  const auto facts = read_facts(broken);
  ASSERT_FALSE(facts.has_value());
  EXPECT_THAT(facts.error().message, HasSubstr("the disk is on fire"));
}

INSTANTIATE_TEST_SUITE_P(Of, FileReader, ::testing::Values(FileFormat::parquet, FileFormat::ipc),
                         [](const auto& tested) {
                           return std::string(core::to_text(tested.param));
                         });

}  // namespace
}  // namespace betedge::columnar::testing
