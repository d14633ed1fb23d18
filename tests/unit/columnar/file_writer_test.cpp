#include "betedge/columnar/file_writer.hpp"

#include <arrow/io/memory.h>
#include <gtest/gtest.h>
#include <parquet/file_reader.h>
#include <parquet/page_index.h>
#include <parquet/statistics.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "betedge/columnar/decoder.hpp"
#include "unit/columnar/read_table.hpp"

namespace betedge::columnar {
namespace {

using testing::read_parquet;
using testing::ReadTable;

constexpr std::size_t kMsOfDay = 0;
constexpr std::size_t kBidSize = 1;
constexpr std::size_t kBid = 3;

// A file of option quotes whose pages are given one by one.
class RowsFile {
 public:
  explicit RowsFile(std::size_t threads = 1)
      : columns_(core::columns(Kind::option, Schema::quote)), rows_(columns_, kBatchRows) {
    writer_ =
        FileWriter::open(FileFormat::parquet, columns_, Texts::as_codes, std::nullopt, threads)
            .value();
    rows_.root_code("ABC");
  }

  RowBuffer& rows() { return rows_; }

  // Fills the columns that a test does not look at with what never changes.
  void begin_page(std::size_t size) {
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      switch (columns_[i].type) {
        case ColumnType::uint32: std::fill_n(rows_.numbers(i), size, 7); break;
        case ColumnType::float64: std::fill_n(rows_.prices(i), size, 0.25); break;
        default: std::fill_n(rows_.codes(i), size, std::uint8_t{0});
      }
    }
    rows_.resize(size);
  }

  void write_page() {
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const std::string name(columns_[i].name);
      if (columns_[i].type == ColumnType::uint32)
        expected_.numbers[name].insert(expected_.numbers[name].end(), rows_.numbers(i),
                                       rows_.numbers(i) + rows_.size());
      if (columns_[i].type == ColumnType::float64)
        expected_.prices[name].insert(expected_.prices[name].end(), rows_.prices(i),
                                      rows_.prices(i) + rows_.size());
      if (columns_[i].type == ColumnType::text)
        for (std::size_t row = 0; row < rows_.size(); ++row)
          expected_.texts[name].push_back(rows_.words(i)[rows_.codes(i)[row]]);
    }
    ASSERT_TRUE(writer_->write(rows_, rows_.size()));
    take();
  }

  const Bytes& close() {
    EXPECT_TRUE(writer_->close({{"said", "so"}}));
    take();
    EXPECT_EQ(file_.size(), writer_->size_bytes());
    return file_;
  }

  // What Arrow reads is what was written, in every column.
  void expect_read_back(const ReadTable& read) const {
    EXPECT_EQ(read.numbers, expected_.numbers);
    EXPECT_EQ(read.prices, expected_.prices);
    EXPECT_EQ(read.texts, expected_.texts);
  }

 private:
  void take() {
    const Bytes bytes = writer_->take_output();
    file_.insert(file_.end(), bytes.begin(), bytes.end());
  }

  std::span<const Column> columns_;
  RowBuffer rows_;
  std::unique_ptr<FileWriter> writer_;
  ReadTable expected_;
  Bytes file_;
};

std::unique_ptr<parquet::ParquetFileReader> open(const Bytes& file) {
  return parquet::ParquetFileReader::Open(std::make_shared<arrow::io::BufferReader>(
      std::make_shared<arrow::Buffer>(reinterpret_cast<const std::uint8_t*>(file.data()),
                                      static_cast<std::int64_t>(file.size()))));
}

bool is_plain_somewhere(const Bytes& file, int column) {
  const auto reader = open(file);
  const auto chunk = reader->metadata()->RowGroup(0)->ColumnChunk(column);
  return std::ranges::any_of(chunk->encoding_stats(), [](const auto& said) {
    return said.page_type == parquet::PageType::DATA_PAGE &&
           said.encoding == parquet::Encoding::PLAIN;
  });
}

TEST(RowsFile, ReadsBackWhateverTheLengthOfAPage) {
  for (const std::size_t size : {1, 2, 7, 8, 9, 15, 16, 17, 255, 4096, 65'535, 65'536}) {
    SCOPED_TRACE(size);
    RowsFile file;
    file.begin_page(size);
    for (std::size_t row = 0; row < size; ++row) {
      file.rows().numbers(kMsOfDay)[row] = static_cast<std::uint32_t>(34'200'000 + 1000 * row);
      file.rows().numbers(kBidSize)[row] = static_cast<std::uint32_t>(row % 3);
      file.rows().prices(kBid)[row] = static_cast<double>(row / 5) / 100;
    }
    file.write_page();
    file.expect_read_back(read_parquet(file.close()));
  }
}

// Values of every kind of column: still, in runs, of few values, of many, all different, small and
// large, mixed; over several pages and row groups.
TEST(RowsFile, ReadsBackRandomColumns) {
  for (unsigned seed = 0; seed < 12; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    const auto below = [&](std::uint64_t bound) { return random() % bound; };
    RowsFile file;
    const std::size_t pages = 1 + below(4);
    for (std::size_t page = 0; page < pages; ++page) {
      const std::size_t size = 1 + below(page + 1 == pages ? 3000 : 20'000);
      file.begin_page(size);
      for (std::size_t column = 0; column < file.rows().columns().size(); ++column) {
        const std::uint64_t values = std::uint64_t{1} << below(32);
        const std::uint64_t longest = 1 + below(2) * below(100);
        std::uint64_t value = 0, left = 0;
        for (std::size_t row = 0; row < size; ++row) {
          if (left-- == 0) {
            value = below(values);
            left = below(longest);
          }
          switch (file.rows().columns()[column].type) {
            case ColumnType::uint32:
              file.rows().numbers(column)[row] = static_cast<std::uint32_t>(value);
              break;
            case ColumnType::float64:
              file.rows().prices(column)[row] = static_cast<double>(value) / 100;
              break;
            default:
              if (file.rows().columns()[column].name == "right")
                file.rows().codes(column)[row] = static_cast<std::uint8_t>(value % 3);
          }
        }
      }
      file.write_page();
    }
    file.expect_read_back(read_parquet(file.close()));
  }
}

TEST(RowsFile, AColumnOfTooManyValuesForADictionaryGoesOnPlain) {
  RowsFile file;
  for (std::uint32_t page = 0; page < 3; ++page) {
    file.begin_page(kBatchRows);
    for (std::uint32_t row = 0; row < kBatchRows; ++row) {
      const std::uint32_t value = page * kBatchRows / 2 + row / 2;
      file.rows().numbers(kBidSize)[row] = value;
      file.rows().prices(kBid)[row] = value / 100.0;
    }
    file.write_page();
  }
  const Bytes written = file.close();
  EXPECT_TRUE(is_plain_somewhere(written, kBidSize));
  EXPECT_TRUE(is_plain_somewhere(written, kBid));
  EXPECT_FALSE(is_plain_somewhere(written, kMsOfDay));
  file.expect_read_back(read_parquet(written));
}

TEST(RowsFile, AColumnWhoseValuesHardlyRepeatIsPlainFromTheStart) {
  // Of the first 4,096 rows three quarters may be new, and no more.
  for (const std::uint32_t different : {3072u, 3073u}) {
    SCOPED_TRACE(different);
    RowsFile file;
    for (const std::size_t size : {std::size_t{5000}, std::size_t{10}}) {
      file.begin_page(size);
      for (std::uint32_t row = 0; row < size; ++row) {
        file.rows().numbers(kBidSize)[row] = 5'000'000 + row % different;
        file.rows().prices(kBid)[row] = (row % different) / 100.0;
      }
      file.write_page();
    }
    const Bytes written = file.close();
    for (const int column : {kBidSize, kBid}) {
      const auto chunk = open(written)->metadata()->RowGroup(0)->ColumnChunk(column);
      EXPECT_EQ(chunk->has_dictionary_page(), different == 3072);
      EXPECT_EQ(is_plain_somewhere(written, column), different != 3072);
    }
    file.expect_read_back(read_parquet(written));
  }
}

TEST(RowsFile, EachRowGroupHasItsOwnDictionary) {
  RowsFile file;
  constexpr std::size_t kPages = kRowGroupRows / kBatchRows + 1;
  for (std::uint32_t page = 0; page < kPages; ++page) {
    file.begin_page(kBatchRows);
    for (std::uint32_t row = 0; row < kBatchRows; ++row)
      file.rows().numbers(kBidSize)[row] = page * 1000 + row % 900;
    file.write_page();
  }
  const ReadTable read = read_parquet(file.close());
  EXPECT_EQ(read.row_groups, (std::vector<std::int64_t>{kRowGroupRows, kBatchRows}));
  file.expect_read_back(read);
}

TEST(RowsFile, AWordThatComesLaterIsInTheDictionary) {
  RowsFile file;
  file.begin_page(100);
  file.write_page();
  file.begin_page(100);
  const std::uint8_t code = file.rows().root_code("ABCD");
  const std::size_t root = file.rows().find("root").value();
  std::fill_n(file.rows().codes(root) + 50, 50, code);
  file.write_page();
  const Bytes written = file.close();
  file.expect_read_back(read_parquet(written));
  const auto reader = open(written);
  const auto statistics =
      reader->metadata()->RowGroup(0)->ColumnChunk(static_cast<int>(root))->statistics();
  EXPECT_EQ(statistics->EncodeMin(), "ABC");
  EXPECT_EQ(statistics->EncodeMax(), "ABCD");
}

// Statistics and page index let a reader leave out what a filter excludes: a bound that is too
// narrow loses rows.
TEST(RowsFile, TheExtremesOfPagesAndChunksAreTheValues) {
  RowsFile file;
  // As runs, as indices, and from the third page on plain.
  const auto value_of = [](std::uint32_t page, std::uint32_t row) -> std::uint32_t {
    switch (page) {
      case 0: return 500 + row / 1000;
      case 1: return 100 + row * 7919 % 5000;
      default: return 1'000'000 * page + row;
    }
  };
  for (std::uint32_t page = 0; page < 4; ++page) {
    file.begin_page(kBatchRows);
    for (std::uint32_t row = 0; row < kBatchRows; ++row) {
      file.rows().numbers(kBidSize)[row] = value_of(page, row);
      file.rows().prices(kBid)[row] = value_of(page, row) - 500.0;
    }
    file.write_page();
  }
  const Bytes written = file.close();
  const auto reader = open(written);
  const auto index = reader->GetPageIndexReader()->RowGroup(0);
  const auto sizes =
      std::static_pointer_cast<parquet::Int32ColumnIndex>(index->GetColumnIndex(kBidSize));
  const auto bids =
      std::static_pointer_cast<parquet::DoubleColumnIndex>(index->GetColumnIndex(kBid));
  const auto offsets = index->GetOffsetIndex(kBidSize);
  ASSERT_EQ(sizes->min_values().size(), 4u);
  std::uint32_t least = UINT32_MAX, greatest = 0;
  for (std::uint32_t page = 0; page < 4; ++page) {
    std::uint32_t lower = UINT32_MAX, upper = 0;
    for (std::uint32_t row = 0; row < kBatchRows; ++row) {
      lower = std::min(lower, value_of(page, row));
      upper = std::max(upper, value_of(page, row));
    }
    least = std::min(least, lower);
    greatest = std::max(greatest, upper);
    EXPECT_EQ(static_cast<std::uint32_t>(sizes->min_values()[page]), lower);
    EXPECT_EQ(static_cast<std::uint32_t>(sizes->max_values()[page]), upper);
    EXPECT_EQ(bids->min_values()[page], lower - 500.0);
    EXPECT_EQ(bids->max_values()[page], upper - 500.0);
    EXPECT_EQ(offsets->page_locations()[page].first_row_index, page * kBatchRows);
  }
  const auto chunk = std::static_pointer_cast<parquet::DoubleStatistics>(
      reader->metadata()->RowGroup(0)->ColumnChunk(kBid)->statistics());
  EXPECT_EQ(chunk->min(), least - 500.0);
  EXPECT_EQ(chunk->max(), greatest - 500.0);
  EXPECT_EQ(chunk->null_count(), 0);
}

// However the columns were shared between them, and when there are fewer threads than files.
TEST(RowsFile, TwoThreadsMakeTheSameBytes) {
  constexpr std::uint32_t kPages = 6;  // over two row groups
  const auto fill = [](RowsFile& file, std::uint32_t page) {
    file.begin_page(page + 1 == kPages ? 1000 : kBatchRows);
    for (std::uint32_t row = 0; row < file.rows().size(); ++row) {
      file.rows().numbers(kMsOfDay)[row] = 34'200'000 + row % 391 * 60'000;
      file.rows().numbers(kBidSize)[row] = page * 40'000 + row;
      file.rows().prices(kBid)[row] = row * 7919 % 3000 / 100.0;
    }
    file.write_page();
  };
  RowsFile alone;
  for (std::uint32_t page = 0; page < kPages; ++page) fill(alone, page);
  const Bytes expected = alone.close();
  std::vector<std::unique_ptr<RowsFile>> files;
  for (int i = 0; i < 4; ++i) files.push_back(std::make_unique<RowsFile>(2));
  for (std::uint32_t page = 0; page < kPages; ++page)
    for (const auto& file : files) fill(*file, page);
  for (const auto& file : files) EXPECT_TRUE(file->close() == expected);
}

// A file that is given up in the middle leaves nobody waiting.
TEST(RowsFile, CanBeDroppedWhileASecondThreadIsAtIt) {
  for (int i = 0; i < 5; ++i) {
    RowsFile file(2);
    file.begin_page(kBatchRows);
    file.write_page();
    file.begin_page(kBatchRows);
    file.write_page();
  }
}

// The format's rule for statistics: readers may tell the zeros apart.
TEST(RowsFile, AZeroAsAnExtremeStandsForBothZeros) {
  RowsFile file;
  file.begin_page(3);
  std::ranges::copy(std::array{0.0, 0.0, 0.0}, file.rows().prices(kBid));
  file.write_page();
  const Bytes written = file.close();
  const auto reader = open(written);
  const auto chunk = std::static_pointer_cast<parquet::DoubleStatistics>(
      reader->metadata()->RowGroup(0)->ColumnChunk(kBid)->statistics());
  EXPECT_TRUE(std::signbit(chunk->min()));
  EXPECT_FALSE(std::signbit(chunk->max()));
}

}  // namespace
}  // namespace betedge::columnar
