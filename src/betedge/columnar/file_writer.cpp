#include "betedge/columnar/file_writer.hpp"

#include <arrow/api.h>
#include <arrow/io/interfaces.h>
#include <arrow/ipc/writer.h>
#include <arrow/util/compression.h>
#include <arrow/util/key_value_metadata.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <parquet/arrow/schema.h>
#include <parquet/arrow/writer.h>
#include <parquet/column_page.h>
#include <parquet/column_writer.h>
#include <parquet/file_writer.h>
#include <parquet/metadata.h>
#include <parquet/page_index.h>
#include <parquet/properties.h>
#include <parquet/statistics.h>

#include <algorithm>
#include <array>
#include <exception>

#include "betedge/columnar/page_team.hpp"

namespace betedge::columnar {

namespace {

constexpr int kZstdLevel = 1;
// Some readers distrust the statistics of a file whose writer has no "name version number".
constexpr std::string_view kCreatedBy = "betedge version 1.0 (build 1)";

std::unexpected<Error> arrow_failed(std::string_view doing, const arrow::Status& status) {
  return fail(ErrorCode::internal, fmt::format("{}: {}", doing, status.ToString()));
}

// The file's bytes: hashed as they come, kept until taken.
class OutputSink final : public arrow::io::OutputStream {
 public:
  OutputSink() : hash_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    if (!hash_ || EVP_DigestInit_ex(hash_.get(), EVP_sha256(), nullptr) != 1)
      throw std::bad_alloc();
  }

  arrow::Status Write(const void* data, std::int64_t length) override {
    const auto* const first = static_cast<const std::byte*>(data);
    bytes_.insert(bytes_.end(), first, first + length);
    EVP_DigestUpdate(hash_.get(), data, static_cast<std::size_t>(length));
    position_ += length;
    return arrow::Status::OK();
  }
  using arrow::io::OutputStream::Write;
  arrow::Status Close() override {
    closed_ = true;
    return arrow::Status::OK();
  }
  arrow::Result<std::int64_t> Tell() const override { return position_; }
  bool closed() const override { return closed_; }

  Bytes take() { return std::exchange(bytes_, {}); }
  std::size_t memory_bytes() const { return bytes_.capacity(); }
  std::uint64_t size_bytes() const { return static_cast<std::uint64_t>(position_); }
  std::string sha256() {
    std::array<unsigned char, 32> digest{};
    EVP_DigestFinal_ex(hash_.get(), digest.data(), nullptr);
    std::string hex;
    for (const unsigned char byte : digest) hex += fmt::format("{:02x}", byte);
    return hex;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> hash_;
  Bytes bytes_;
  std::int64_t position_ = 0;
  bool closed_ = false;
};

std::shared_ptr<arrow::Schema> make_schema(std::span<const Column> columns, Texts texts) {
  arrow::FieldVector fields;
  for (const Column& column : columns) {
    std::shared_ptr<arrow::DataType> type;
    switch (column.type) {
      case ColumnType::uint32: type = arrow::uint32(); break;
      case ColumnType::float64: type = arrow::float64(); break;
      case ColumnType::float32: type = arrow::float32(); break;
      case ColumnType::text:
        // Parquet's writer takes a dictionary's codes as they are.
        type = texts == Texts::as_codes ? arrow::dictionary(arrow::int8(), arrow::utf8())
                                        : arrow::utf8();
        break;
      case ColumnType::int64: type = arrow::int64(); break;
      case ColumnType::timestamp: type = arrow::timestamp(arrow::TimeUnit::MILLI, kNewYork); break;
      case ColumnType::day: type = arrow::date32(); break;
      case ColumnType::dollars: type = arrow::decimal128(12, 3); break;
      case ColumnType::word: type = arrow::dictionary(arrow::int32(), arrow::utf8()); break;
    }
    // The terminal writes 0 where it has no value; only earnings and typed files have nulls.
    fields.push_back(arrow::field(std::string(column.name), type, column.nullable));
  }
  return arrow::schema(std::move(fields));
}

template <class Value>
std::shared_ptr<arrow::Buffer> borrow(const Value* values, std::size_t count) {
  return std::make_shared<arrow::Buffer>(reinterpret_cast<const std::uint8_t*>(values),
                                         static_cast<std::int64_t>(count * sizeof(Value)));
}

std::shared_ptr<arrow::Array> words_array(const std::vector<std::string>& words) {
  arrow::StringBuilder builder;
  for (const std::string& word : words)
    if (!builder.Append(word).ok()) throw std::bad_alloc();
  std::shared_ptr<arrow::Array> array;
  if (!builder.Finish(&array).ok()) throw std::bad_alloc();
  return array;
}

// What both formats share: the sink, and record batches that borrow the buffer's arrays.
class ArrowFileWriter : public FileWriter {
 public:
  explicit ArrowFileWriter(std::span<const Column> columns, Texts texts)
      : schema_(make_schema(columns, texts)), texts_(texts) {}

  Bytes take_output() override { return sink_->take(); }
  std::size_t memory_bytes() const override {
    return sink_->memory_bytes() + static_cast<std::size_t>(pool_.bytes_allocated());
  }
  std::uint64_t size_bytes() const override { return sink_->size_bytes(); }
  std::string sha256() override { return sink_->sha256(); }
  const std::shared_ptr<arrow::Schema>& schema() const override { return schema_; }
  Result<void> write(RowBuffer& buffer, std::size_t rows) override {
    return write_batch(*batch_of(buffer, rows));
  }
  Result<void> write_batch(const arrow::RecordBatch& batch) override = 0;

 private:
  std::shared_ptr<arrow::RecordBatch> batch_of(const RowBuffer& buffer, std::size_t rows) {
    const auto length = static_cast<std::int64_t>(rows);
    std::vector<std::shared_ptr<arrow::ArrayData>> columns;
    for (std::size_t i = 0; i < buffer.columns().size(); ++i) {
      std::vector<std::shared_ptr<arrow::Buffer>> buffers{nullptr};
      std::shared_ptr<arrow::ArrayData> dictionary;
      switch (buffer.columns()[i].type) {
        case ColumnType::uint32: buffers.push_back(borrow(buffer.numbers(i), rows)); break;
        case ColumnType::float64: buffers.push_back(price_buffer(buffer, i, rows)); break;
        case ColumnType::text:
          if (texts_ == Texts::as_codes) {
            buffers.push_back(borrow(buffer.codes(i), rows));
            dictionary = words_array(buffer.words(i))->data();
          } else {
            spell_out(buffer.codes(i), rows, buffer.words(i), buffers);
          }
          break;
        case ColumnType::float32:
        case ColumnType::int64:
        case ColumnType::timestamp:
        case ColumnType::day:
        case ColumnType::dollars:
        case ColumnType::word: throw std::logic_error("a row buffer has no such columns");
      }
      auto data = arrow::ArrayData::Make(schema_->field(static_cast<int>(i))->type(), length,
                                         std::move(buffers), /*null_count=*/0);
      data->dictionary = std::move(dictionary);
      columns.push_back(std::move(data));
    }
    return arrow::RecordBatch::Make(schema_, length, std::move(columns));
  }

 protected:
  arrow::ProxyMemoryPool pool_{arrow::default_memory_pool()};
  std::shared_ptr<arrow::Schema> schema_;
  std::shared_ptr<OutputSink> sink_ = std::make_shared<OutputSink>();

 private:
  // A double's array as it lies there, or its copy as float32.
  std::shared_ptr<arrow::Buffer> price_buffer(const RowBuffer& buffer, std::size_t column,
                                              std::size_t rows) const {
    if (schema_->field(static_cast<int>(column))->type()->id() == arrow::Type::DOUBLE)
      return borrow(buffer.prices(column), rows);
    return arrow::Buffer::FromVector(as_float32(std::span(buffer.prices(column), rows)));
  }

  static void spell_out(const std::uint8_t* codes, std::size_t rows,
                        const std::vector<std::string>& words,
                        std::vector<std::shared_ptr<arrow::Buffer>>& buffers) {
    std::string offsets;
    std::string texts;
    offsets.reserve((rows + 1) * sizeof(std::int32_t));
    const auto note_offset = [&] {
      const auto offset = static_cast<std::int32_t>(texts.size());
      offsets.append(reinterpret_cast<const char*>(&offset), sizeof offset);
    };
    note_offset();
    for (std::size_t row = 0; row < rows; ++row) {
      texts += words[codes[row]];
      note_offset();
    }
    buffers.push_back(arrow::Buffer::FromString(std::move(offsets)));
    buffers.push_back(arrow::Buffer::FromString(std::move(texts)));
  }

  Texts texts_;
};

class ParquetFileWriter final : public ArrowFileWriter {
 public:
  ParquetFileWriter(std::span<const Column> columns, Texts texts, std::optional<int> sorted_by)
      : ArrowFileWriter(columns, texts), sorted_by_(sorted_by) {}

  Result<void> start() {
    parquet::WriterProperties::Builder properties;
    properties.memory_pool(&pool_)
        ->created_by(std::string(kCreatedBy))
        ->compression(parquet::Compression::ZSTD)
        ->compression_level(kZstdLevel)
        ->max_row_group_length(kRowGroupRows)
        ->enable_write_page_index();
    // Differences pack these best.
    bool is_typed = false;
    for (const auto& field : schema_->fields()) {
      const auto type = field->type()->id();
      const bool is_step = type == arrow::Type::TIMESTAMP || type == arrow::Type::DATE32 ||
                           type == arrow::Type::DECIMAL128;
      is_typed = is_typed || is_step;
      if (!is_step) continue;
      properties.disable_dictionary(field->name());
      properties.encoding(field->name(), parquet::Encoding::DELTA_BINARY_PACKED);
    }
    if (sorted_by_)
      properties.set_sorting_columns(
          {{.column_idx = *sorted_by_, .descending = false, .nulls_first = false}});
    // As integers, so that readers compare statistics and filters without unpacking bytes.
    properties.enable_store_decimal_as_integer();
    parquet::ArrowWriterProperties::Builder arrow_properties;
    arrow_properties.set_use_threads(false);
    // Without the Arrow schema in the file its texts are plain strings to every reader; with it a
    // typed file's timestamps keep their zone.
    if (is_typed) arrow_properties.store_schema();
    auto opened = parquet::arrow::FileWriter::Open(*schema_, &pool_, sink_, properties.build(),
                                                   arrow_properties.build());
    if (!opened.ok()) return arrow_failed("opening a Parquet file", opened.status());
    writer_ = *std::move(opened);
    return {};
  }

  Result<void> write_batch(const arrow::RecordBatch& batch) override {
    const auto status = writer_->WriteRecordBatch(batch);
    if (!status.ok()) return arrow_failed("writing a batch of Parquet", status);
    return {};
  }

  Result<void> close(const KeyValues& metadata) override {
    auto pairs = std::make_shared<arrow::KeyValueMetadata>();
    for (const auto& [key, value] : metadata) pairs->Append(key, value);
    auto status = writer_->AddKeyValueMetadata(pairs);
    if (status.ok()) status = writer_->Close();
    if (!status.ok()) return arrow_failed("ending a Parquet file", status);
    return {};
  }

 private:
  std::optional<int> sorted_by_;
  std::unique_ptr<parquet::arrow::FileWriter> writer_;
};

// Parquet files of a RowBuffer's columns, the plain layout: a page of each column for each batch.
// The pages are made by ColumnChunk, which says why; the metadata around them by the library.
class RowsParquetWriter final : public FileWriter {
 public:
  RowsParquetWriter(std::span<const Column> columns, std::size_t threads)
      : schema_(make_schema(columns, Texts::as_texts)), team_(columns, threads) {}

  Result<void> start() {
    properties_ = parquet::WriterProperties::Builder()
                      .created_by(std::string(kCreatedBy))
                      ->compression(parquet::Compression::ZSTD)
                      ->enable_write_page_index()
                      ->build();
    auto status = parquet::arrow::ToParquetSchema(schema_.get(), *properties_, &descriptor_);
    if (!status.ok()) return arrow_failed("opening a Parquet file", status);
    metadata_ = parquet::FileMetaDataBuilder::Make(descriptor_.get(), properties_);
    page_index_ = parquet::PageIndexBuilder::Make(descriptor_.get());
    status = sink_->Write("PAR1", 4);
    if (!status.ok()) return arrow_failed("opening a Parquet file", status);
    return {};
  }

  Result<void> write(RowBuffer& buffer, std::size_t rows) override {
    if (group_rows_ >= (groups_ == 0 ? kRowGroupRows : kLaterRowGroupRows)) {
      const auto ended = team_.begin_group();
      team_.add(buffer, rows);
      write_row_group(ended);
    } else {
      team_.add(buffer, rows);
    }
    group_rows_ += static_cast<std::int64_t>(rows);
    return {};
  }

  Result<void> write_batch(const arrow::RecordBatch&) override {
    return fail(ErrorCode::internal, "a file of the plain layout is written by rows");
  }

  const std::shared_ptr<arrow::Schema>& schema() const override { return schema_; }

  Result<void> close(const KeyValues& metadata) override {
    team_.finish();
    if (group_rows_ > 0) write_row_group(team_.chunks());
    page_index_->Finish();
    const auto index = page_index_->WriteTo(sink_.get());
    metadata_->SetIndexLocations(parquet::IndexKind::kColumnIndex, index.column_index_locations);
    metadata_->SetIndexLocations(parquet::IndexKind::kOffsetIndex, index.offset_index_locations);
    auto pairs = std::make_shared<arrow::KeyValueMetadata>();
    for (const auto& [key, value] : metadata) pairs->Append(key, value);
    const auto footer = metadata_->Finish(pairs);
    parquet::WriteFileMetaData(*footer, sink_.get());
    return {};
  }

  Bytes take_output() override { return sink_->take(); }
  std::size_t memory_bytes() const override { return sink_->memory_bytes() + team_.memory_bytes(); }
  std::uint64_t size_bytes() const override { return sink_->size_bytes(); }
  std::string sha256() override { return sink_->sha256(); }

 private:
  static std::shared_ptr<arrow::Buffer> wrap(const Bytes& bytes) {
    return borrow(bytes.data(), bytes.size());
  }

  static parquet::EncodedStatistics statistics(std::string least, std::string greatest) {
    parquet::EncodedStatistics said;
    said.set_min(std::move(least)).set_max(std::move(greatest)).set_null_count(0);
    // DuckDB answers min() and max() from them alone when they are said to be exact.
    said.is_min_value_exact = said.is_max_value_exact = true;
    return said;
  }

  void write_row_group(PageTeam::Chunks chunks) {
    parquet::RowGroupMetaDataBuilder* const group = metadata_->AppendRowGroup();
    group->set_num_rows(group_rows_);
    page_index_->AppendRowGroup();
    std::int64_t bytes = 0;
    std::int16_t column = 0;
    for (const auto& chunk : chunks) {
      bytes += write_chunk(*chunk, *group, column++);
      chunk->clear();
    }
    group->Finish(bytes, static_cast<std::int16_t>(groups_++));
    group_rows_ = 0;
  }

  // Its bytes before compression.
  std::int64_t write_chunk(const ColumnChunk& chunk, parquet::RowGroupMetaDataBuilder& group,
                           std::int16_t column) {
    parquet::ColumnChunkMetaDataBuilder* const said = group.NextColumnChunk();
    const auto pager = parquet::PageWriter::Open(
        sink_, parquet::Compression::ZSTD, said, static_cast<std::int16_t>(groups_), column,
        arrow::default_memory_pool(), /*buffered_row_group=*/false, nullptr, nullptr, false,
        page_index_->GetColumnIndexBuilder(column), page_index_->GetOffsetIndexBuilder(column),
        arrow::util::CodecOptions(kZstdLevel));
    std::int64_t bytes = 0;
    const Bytes dictionary = chunk.dictionary();
    if (!dictionary.empty()) {
      bytes += pager->WriteDictionaryPage({wrap(dictionary),
                                           static_cast<std::int32_t>(chunk.dictionary_size()),
                                           parquet::Encoding::PLAIN});
    }
    std::int64_t first_row = 0;
    for (const ColumnChunk::Page& page : chunk.pages()) {
      bytes += pager->WriteDataPage(parquet::DataPageV1(
          wrap(page.bytes), static_cast<std::int32_t>(page.rows),
          page.is_plain ? parquet::Encoding::PLAIN : parquet::Encoding::RLE_DICTIONARY,
          parquet::Encoding::RLE, parquet::Encoding::RLE, static_cast<std::int64_t>(page.raw_bytes),
          statistics(page.least, page.greatest), first_row));
      first_row += static_cast<std::int64_t>(page.rows);
    }
    said->SetStatistics(statistics(chunk.least(), chunk.greatest()));
    pager->Close(!dictionary.empty(), chunk.is_plain());
    return bytes;
  }

  std::shared_ptr<arrow::Schema> schema_;
  std::shared_ptr<OutputSink> sink_ = std::make_shared<OutputSink>();
  PageTeam team_;
  std::shared_ptr<parquet::WriterProperties> properties_;
  std::shared_ptr<parquet::SchemaDescriptor> descriptor_;
  std::unique_ptr<parquet::FileMetaDataBuilder> metadata_;
  std::unique_ptr<parquet::PageIndexBuilder> page_index_;
  std::int64_t group_rows_ = 0;
  int groups_ = 0;
};

class IpcFileWriter final : public ArrowFileWriter {
 public:
  // A dictionary would be in the way of readers, and zstd packs the texts as well.
  explicit IpcFileWriter(std::span<const Column> columns)
      : ArrowFileWriter(columns, Texts::as_texts) {}

  Result<void> start() {
    auto codec = arrow::util::Codec::Create(arrow::Compression::ZSTD, kZstdLevel);
    if (!codec.ok()) return arrow_failed("opening an Arrow file", codec.status());
    auto options = arrow::ipc::IpcWriteOptions::Defaults();
    options.codec = *std::move(codec);
    options.use_threads = false;
    options.memory_pool = &pool_;
    // A word that comes later is added to the dictionary: a file cannot have a second one.
    options.emit_dictionary_deltas = true;
    auto opened = arrow::ipc::MakeFileWriter(sink_, schema_, options, metadata_);
    if (!opened.ok()) return arrow_failed("opening an Arrow file", opened.status());
    writer_ = *std::move(opened);
    return {};
  }

  Result<void> write_batch(const arrow::RecordBatch& batch) override {
    const auto status = writer_->WriteRecordBatch(batch);
    if (!status.ok()) return arrow_failed("writing a batch of Arrow", status);
    return {};
  }

  Result<void> close(const KeyValues& metadata) override {
    // The writer holds the same object, and reads it when it writes the footer.
    for (const auto& [key, value] : metadata) metadata_->Append(key, value);
    const auto status = writer_->Close();
    if (!status.ok()) return arrow_failed("ending an Arrow file", status);
    return {};
  }

 private:
  std::shared_ptr<arrow::KeyValueMetadata> metadata_ = std::make_shared<arrow::KeyValueMetadata>();
  std::shared_ptr<arrow::ipc::RecordBatchWriter> writer_;
};

bool is_of_row_buffer(const Column& column) {
  return !column.nullable &&
         (column.type == ColumnType::uint32 || column.type == ColumnType::float64 ||
          column.type == ColumnType::float32 || column.type == ColumnType::text);
}

template <class Writer>
Result<std::unique_ptr<FileWriter>> started(std::unique_ptr<Writer> writer) {
  BETEDGE_TRY_VOID(writer->start());
  return writer;
}

}  // namespace

Result<std::unique_ptr<FileWriter>> FileWriter::open(FileFormat format,
                                                     std::span<const Column> columns, Texts texts,
                                                     std::optional<int> sorted_by,
                                                     std::size_t threads) {
  switch (format) {
    case FileFormat::parquet:
      if (texts == Texts::as_codes && std::ranges::all_of(columns, is_of_row_buffer))
        return started(std::make_unique<RowsParquetWriter>(columns, threads));
      return started(std::make_unique<ParquetFileWriter>(columns, texts, sorted_by));
    case FileFormat::ipc: return started(std::make_unique<IpcFileWriter>(columns));
  }
  return fail(ErrorCode::internal, "no writer for this file format");
}

}  // namespace betedge::columnar
