#include "betedge/columnar/file_reader.hpp"

#include <arrow/api.h>
#include <arrow/io/file.h>
#include <arrow/io/interfaces.h>
#include <arrow/ipc/reader.h>
#include <arrow/util/key_value_metadata.h>
#include <fmt/format.h>
#include <parquet/arrow/reader.h>
#include <parquet/file_reader.h>
#include <parquet/properties.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <exception>
#include <set>
#include <type_traits>
#include <utility>

#include "betedge/columnar/batch_digest.hpp"
#include "betedge/columnar/digest.hpp"
#include "betedge/columnar/file_metadata.hpp"
#include "betedge/columnar/file_writer.hpp"

namespace betedge::columnar {

namespace {

using ArrowFile = std::shared_ptr<arrow::io::RandomAccessFile>;

constexpr std::int64_t kReadRows = 65'536;

std::unexpected<Error> unreadable(std::string_view doing, std::string_view why) {
  return fail(ErrorCode::storage_failed, fmt::format("{}: {}", doing, why));
}

// RandomAccess in Arrow's clothes.
class CallbackFile final : public arrow::io::RandomAccessFile {
 public:
  explicit CallbackFile(RandomAccess file) : file_(std::move(file)) {}

  arrow::Result<std::shared_ptr<arrow::Buffer>> ReadAt(std::int64_t position,
                                                       std::int64_t length) override {
    const auto size = static_cast<std::int64_t>(file_.size_bytes);
    if (position < 0 || length < 0 || position > size)
      return arrow::Status::IOError("a read from beyond the file's end");
    length = std::min(length, size - position);
    auto bytes = file_.read(static_cast<std::uint64_t>(position), static_cast<std::size_t>(length));
    if (!bytes) return arrow::Status::IOError(bytes.error().message);
    if (std::cmp_not_equal(bytes->size(), length))
      return arrow::Status::IOError("fewer bytes than the file has");
    const auto text = as_text(*bytes);
    return arrow::Buffer::FromString(std::string(text));
  }
  arrow::Result<std::int64_t> ReadAt(std::int64_t position, std::int64_t length,
                                     void* out) override {
    ARROW_ASSIGN_OR_RAISE(const auto buffer, ReadAt(position, length));
    std::memcpy(out, buffer->data(), static_cast<std::size_t>(buffer->size()));
    return buffer->size();
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(std::int64_t length) override {
    ARROW_ASSIGN_OR_RAISE(auto buffer, ReadAt(position_, length));
    position_ += buffer->size();
    return buffer;
  }
  arrow::Result<std::int64_t> Read(std::int64_t length, void* out) override {
    ARROW_ASSIGN_OR_RAISE(const auto read, ReadAt(position_, length, out));
    position_ += read;
    return read;
  }
  arrow::Result<std::int64_t> GetSize() override {
    return static_cast<std::int64_t>(file_.size_bytes);
  }
  arrow::Status Seek(std::int64_t position) override {
    position_ = position;
    return arrow::Status::OK();
  }
  arrow::Result<std::int64_t> Tell() const override { return position_; }
  arrow::Status Close() override {
    closed_ = true;
    return arrow::Status::OK();
  }
  bool closed() const override { return closed_; }

 private:
  RandomAccess file_;
  std::int64_t position_ = 0;
  bool closed_ = false;
};

// A file of either format, batch by batch.
class TableFile {
 public:
  static Result<TableFile> open(std::string name, ArrowFile file) {
    TableFile table;
    table.name_ = std::move(name);
    const auto size = file->GetSize();
    if (!size.ok()) return table.unreadable_because(size.status());
    const auto magic = file->ReadAt(0, std::min<std::int64_t>(*size, 6));
    if (!magic.ok()) return table.unreadable_because(magic.status());
    const std::string_view first_bytes((*magic)->data_as<char>(),
                                       static_cast<std::size_t>((*magic)->size()));
    if (first_bytes.starts_with("PAR1")) {
      table.format_ = FileFormat::parquet;
      return table.open_parquet(std::move(file));
    }
    if (first_bytes == "ARROW1") {
      table.format_ = FileFormat::ipc;
      return table.open_ipc(std::move(file));
    }
    return unreadable(table.name_, "neither a Parquet nor an Arrow file");
  }

  FileFormat format() const { return format_; }
  const arrow::Schema& schema() const { return *schema_; }
  const arrow::KeyValueMetadata* metadata() const { return metadata_.get(); }

  Result<std::uint64_t> rows() {
    if (parquet_)
      return static_cast<std::uint64_t>(parquet_->parquet_reader()->metadata()->num_rows());
    const auto count = ipc_->CountRows();
    if (!count.ok()) return unreadable_because(count.status());
    return static_cast<std::uint64_t>(*count);
  }

  // Calls `take` with each batch until it answers false.
  template <class Take>
  Result<void> for_each_batch(Take take) {
    if (ipc_) {
      for (int i = 0; i < ipc_->num_record_batches(); ++i) {
        const auto batch = ipc_->ReadRecordBatch(i);
        if (!batch.ok()) return unreadable_because(batch.status());
        BETEDGE_TRY(const bool more, take(**batch));
        if (!more) return {};
      }
      return {};
    }
    auto opened = parquet_->GetRecordBatchReader();
    if (!opened.ok()) return unreadable_because(opened.status());
    auto reader = *std::move(opened);
    while (true) {
      const auto batch = reader->Next();
      if (!batch.ok()) return unreadable_because(batch.status());
      if (*batch == nullptr) return {};
      BETEDGE_TRY(const bool more, take(**batch));
      if (!more) return {};
    }
  }

  std::unexpected<Error> unreadable_because(const arrow::Status& status) const {
    return unreadable(name_, status.message());
  }
  const std::string& name() const { return name_; }

 private:
  Result<TableFile> open_parquet(ArrowFile file) {
    // No threads and no reading ahead: a callback runs on the caller's thread.
    parquet::ArrowReaderProperties properties(/*use_threads=*/false);
    properties.set_pre_buffer(false);
    properties.set_batch_size(kReadRows);
    parquet::arrow::FileReaderBuilder builder;
    auto status = builder.Open(std::move(file));
    if (!status.ok()) return unreadable_because(status);
    auto built = builder.properties(properties)->Build();
    if (!built.ok()) return unreadable_because(built.status());
    parquet_ = *std::move(built);
    status = parquet_->GetSchema(&schema_);
    if (!status.ok()) return unreadable_because(status);
    metadata_ = parquet_->parquet_reader()->metadata()->key_value_metadata();
    return std::move(*this);
  }

  Result<TableFile> open_ipc(ArrowFile file) {
    auto options = arrow::ipc::IpcReadOptions::Defaults();
    options.use_threads = false;
    auto opened = arrow::ipc::RecordBatchFileReader::Open(file, options);
    if (!opened.ok()) return unreadable_because(opened.status());
    ipc_ = *std::move(opened);
    schema_ = ipc_->schema();
    metadata_ = ipc_->metadata();
    return std::move(*this);
  }

  std::string name_;
  FileFormat format_ = FileFormat::parquet;
  std::shared_ptr<arrow::Schema> schema_;
  std::shared_ptr<const arrow::KeyValueMetadata> metadata_;
  std::unique_ptr<parquet::arrow::FileReader> parquet_;
  std::shared_ptr<arrow::ipc::RecordBatchFileReader> ipc_;
};

// Opens, asks, and turns Parquet's exceptions into errors.
template <class Ask>
auto with_file(const std::string& name, const std::function<arrow::Result<ArrowFile>()>& open,
               Ask ask) -> decltype(ask(std::declval<TableFile&>())) {
  try {
    auto file = open();
    if (!file.ok()) return unreadable(name, file.status().message());
    BETEDGE_TRY(auto table, TableFile::open(name, *std::move(file)));
    return ask(table);
  } catch (const std::exception& thrown) {
    return unreadable(name, thrown.what());
  }
}

template <class Ask>
auto with_path(const std::filesystem::path& path, Ask ask) {
  return with_file(
      path.string(),
      [&]() -> arrow::Result<ArrowFile> { return arrow::io::ReadableFile::Open(path.string()); },
      std::move(ask));
}

template <class Ask>
auto with_access(RandomAccess file, Ask ask) {
  return with_file(
      "reading a file",
      [&]() -> arrow::Result<ArrowFile> { return std::make_shared<CallbackFile>(std::move(file)); },
      std::move(ask));
}

Result<FileFacts> facts_of(TableFile& table) {
  FileFacts facts;
  facts.format = table.format();
  BETEDGE_TRY(facts.rows, table.rows());
  facts.columns = table.schema().field_names();
  for (const auto& field : table.schema().fields()) {
    const auto type = field->type()->id();
    if (type == arrow::Type::TIMESTAMP) facts.layout.columns = ColumnStyle::typed;
    if (type == arrow::Type::FLOAT) facts.layout.price_type = PriceType::float32;
  }
  if (const auto* metadata = table.metadata()) {
    for (std::int64_t i = 0; i < metadata->size(); ++i)
      if (metadata->key(i).starts_with("betedge."))
        facts.metadata[metadata->key(i)] = metadata->value(i);
  }
  return facts;
}

// The terminal's form, its fraction without trailing zeros.
std::string new_york_text(std::int64_t ms) {
  const auto time =
      to_new_york(std::chrono::sys_time<std::chrono::milliseconds>(std::chrono::milliseconds(ms)));
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::hh_mm_ss clock{time - day};
  auto text = fmt::format("{}T{:02}:{:02}:{:02}", to_iso_text(Date(day.time_since_epoch())),
                          clock.hours().count(), clock.minutes().count(), clock.seconds().count());
  if (clock.subseconds().count() != 0) {
    text += fmt::format(".{:03}", clock.subseconds().count());
    text.erase(text.find_last_not_of('0') + 1);
  }
  return text;
}

std::string cell_text(const arrow::Array& array, std::int64_t row) {
  if (array.IsNull(row)) return "";
  if (array.type_id() == arrow::Type::DOUBLE)
    return fmt::format("{}", static_cast<const arrow::DoubleArray&>(array).Value(row));
  if (array.type_id() == arrow::Type::FLOAT)
    return fmt::format("{}", static_cast<const arrow::FloatArray&>(array).Value(row));
  if (array.type_id() == arrow::Type::TIMESTAMP &&
      static_cast<const arrow::TimestampType&>(*array.type()).unit() == arrow::TimeUnit::MILLI)
    return new_york_text(static_cast<const arrow::TimestampArray&>(array).Value(row));
  if (array.type_id() == arrow::Type::DICTIONARY) {
    const auto& words = static_cast<const arrow::DictionaryArray&>(array);
    return cell_text(*words.dictionary(), words.GetValueIndex(row));
  }
  const auto scalar = array.GetScalar(row);
  return scalar.ok() ? (*scalar)->ToString() : scalar.status().message();
}

Result<Preview> preview_of(TableFile& table, std::size_t rows) {
  Preview preview;
  preview.columns = table.schema().field_names();
  if (rows == 0) return preview;
  BETEDGE_TRY_VOID(table.for_each_batch([&](const arrow::RecordBatch& batch) -> Result<bool> {
    for (std::int64_t row = 0; row < batch.num_rows() && preview.rows.size() < rows; ++row) {
      auto& cells = preview.rows.emplace_back();
      for (int i = 0; i < batch.num_columns(); ++i)
        cells.push_back(cell_text(*batch.column(i), row));
    }
    return preview.rows.size() < rows;
  }));
  return preview;
}

template <class Array>
void add_days(const arrow::Array& column, std::set<Date>& days) {
  std::int64_t last = -1;  // rows of a day stand together
  for (std::int64_t row = 0; row < column.length(); ++row) {
    if (column.IsNull(row)) continue;
    const auto value = static_cast<std::int64_t>(static_cast<const Array&>(column).Value(row));
    if (value == last) continue;
    last = value;
    if constexpr (std::is_same_v<Array, arrow::Date32Array>) {
      days.insert(Date(std::chrono::days(value)));
    } else if (std::in_range<std::uint32_t>(value)) {
      if (const auto day = from_yyyymmdd(static_cast<std::uint32_t>(value))) days.insert(*day);
    }
  }
}

Result<std::vector<Date>> days_of_table(TableFile& table) {
  std::set<Date> days;
  BETEDGE_TRY_VOID(table.for_each_batch([&](const arrow::RecordBatch& batch) -> Result<bool> {
    const auto column = batch.GetColumnByName("date");
    if (!column) return true;
    switch (column->type_id()) {
      case arrow::Type::UINT32: add_days<arrow::UInt32Array>(*column, days); break;
      case arrow::Type::INT32: add_days<arrow::Int32Array>(*column, days); break;
      case arrow::Type::INT64: add_days<arrow::Int64Array>(*column, days); break;
      case arrow::Type::DATE32: add_days<arrow::Date32Array>(*column, days); break;
      default: break;  // earnings' are texts
    }
    return true;
  }));
  return std::vector(days.begin(), days.end());
}

Result<std::string> digest_of_table(TableFile& table) {
  std::vector<Column> columns;
  for (const auto& field : table.schema().fields()) {
    const auto add = [&](ColumnType type) {
      columns.push_back({field->name(), type, field->nullable()});
    };
    switch (field->type()->id()) {
      case arrow::Type::UINT32: add(ColumnType::uint32); break;
      case arrow::Type::DOUBLE: add(ColumnType::float64); break;
      case arrow::Type::FLOAT: add(ColumnType::float32); break;
      case arrow::Type::STRING: add(ColumnType::text); break;
      case arrow::Type::INT64: add(ColumnType::int64); break;
      case arrow::Type::DATE32: add(ColumnType::day); break;
      case arrow::Type::DICTIONARY: add(ColumnType::word); break;
      case arrow::Type::TIMESTAMP:
        if (field->type()->Equals(arrow::timestamp(arrow::TimeUnit::MILLI, kNewYork))) {
          add(ColumnType::timestamp);
          break;
        }
        [[fallthrough]];
      case arrow::Type::DECIMAL128:
        if (field->type()->Equals(arrow::decimal128(12, 3))) {
          add(ColumnType::dollars);
          break;
        }
        [[fallthrough]];
      default:
        return unreadable(table.name(),
                          fmt::format("the column {} is of a type without a digest: {}",
                                      field->name(), field->type()->ToString()));
    }
  }
  ValueDigest digest(columns);
  std::uint64_t rows = 0;
  BETEDGE_TRY_VOID(table.for_each_batch([&](const arrow::RecordBatch& batch) -> Result<bool> {
    if (const auto added = add_to_digest(digest, columns, batch); !added)
      return unreadable(table.name(), added.error().message);
    rows += static_cast<std::uint64_t>(batch.num_rows());
    return true;
  }));
  return digest.hex(rows);
}

}  // namespace

std::optional<DateRange> FileFacts::covers() const {
  const auto first = metadata.find(std::string(metadata::kCoversFirst));
  const auto last = metadata.find(std::string(metadata::kCoversLast));
  if (first == metadata.end() || last == metadata.end()) return std::nullopt;
  const auto first_day = parse_yyyymmdd(first->second);
  const auto last_day = parse_yyyymmdd(last->second);
  if (!first_day || !last_day || *last_day < *first_day) return std::nullopt;
  return DateRange{*first_day, *last_day};
}

std::optional<int> FileFacts::schema_version() const {
  const auto found = metadata.find(std::string(metadata::kSchemaVersion));
  if (found == metadata.end()) return std::nullopt;
  int version = 0;
  const char* const end = found->second.data() + found->second.size();
  const auto read = std::from_chars(found->second.data(), end, version);
  if (read.ec != std::errc() || read.ptr != end) return std::nullopt;
  return version;
}

Result<FileFacts> read_facts(const std::filesystem::path& file) {
  return with_path(file, facts_of);
}
Result<FileFacts> read_facts(RandomAccess file) {
  return with_access(std::move(file), facts_of);
}

Result<Preview> preview(const std::filesystem::path& file, std::size_t rows) {
  return with_path(file, [rows](TableFile& table) { return preview_of(table, rows); });
}
Result<Preview> preview(RandomAccess file, std::size_t rows) {
  return with_access(std::move(file), [rows](TableFile& table) { return preview_of(table, rows); });
}

Result<std::string> digest_of(const std::filesystem::path& file) {
  return with_path(file, digest_of_table);
}
Result<std::string> digest_of(RandomAccess file) {
  return with_access(std::move(file), digest_of_table);
}

Result<std::vector<Date>> days_of(RandomAccess file) {
  return with_access(std::move(file), days_of_table);
}

}  // namespace betedge::columnar
