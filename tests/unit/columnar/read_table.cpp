#include "unit/columnar/read_table.hpp"

#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>
#include <parquet/arrow/reader.h>
#include <parquet/file_reader.h>

#include <stdexcept>

namespace betedge::columnar::testing {

namespace {

template <class Value>
Value value_or_throw(arrow::Result<Value> result) {
  if (!result.ok()) throw std::runtime_error(result.status().ToString());
  return *std::move(result);
}

std::shared_ptr<arrow::io::RandomAccessFile> in_memory(const Bytes& file) {
  return std::make_shared<arrow::io::BufferReader>(std::make_shared<arrow::Buffer>(
      reinterpret_cast<const std::uint8_t*>(file.data()), static_cast<std::int64_t>(file.size())));
}

void add(ReadTable& table, const arrow::RecordBatch& batch) {
  table.rows += static_cast<std::size_t>(batch.num_rows());
  for (int i = 0; i < batch.num_columns(); ++i) {
    const std::string& name = batch.schema()->field(i)->name();
    const arrow::Array& array = *batch.column(i);
    for (std::int64_t row = 0; row < array.length(); ++row) {
      if (array.IsNull(row)) throw std::runtime_error("a null in " + name);
      switch (array.type_id()) {
        case arrow::Type::UINT32:
          table.numbers[name].push_back(static_cast<const arrow::UInt32Array&>(array).Value(row));
          break;
        case arrow::Type::DOUBLE:
          table.prices[name].push_back(static_cast<const arrow::DoubleArray&>(array).Value(row));
          break;
        case arrow::Type::FLOAT:
          table.narrow_prices[name].push_back(
              static_cast<const arrow::FloatArray&>(array).Value(row));
          break;
        case arrow::Type::STRING:
          table.texts[name].push_back(static_cast<const arrow::StringArray&>(array).GetString(row));
          break;
        default: throw std::runtime_error("a column of type " + array.type()->ToString());
      }
    }
  }
}

}  // namespace

ReadTable read_parquet(const Bytes& file) {
  ReadTable table;
  auto reader =
      value_or_throw(parquet::arrow::OpenFile(in_memory(file), arrow::default_memory_pool()));
  std::shared_ptr<arrow::Schema> schema;
  if (!reader->GetSchema(&schema).ok()) throw std::runtime_error("no schema");
  table.names = schema->field_names();
  const auto metadata = reader->parquet_reader()->metadata();
  for (int i = 0; i < metadata->num_row_groups(); ++i)
    table.row_groups.push_back(metadata->RowGroup(i)->num_rows());
  auto batches = value_or_throw(reader->GetRecordBatchReader());
  while (const auto batch = value_or_throw(batches->Next())) add(table, *batch);
  return table;
}

ReadTable read_ipc(const Bytes& file) {
  ReadTable table;
  const auto reader = value_or_throw(arrow::ipc::RecordBatchFileReader::Open(in_memory(file)));
  table.names = reader->schema()->field_names();
  for (int i = 0; i < reader->num_record_batches(); ++i) {
    const auto batch = value_or_throw(reader->ReadRecordBatch(i));
    table.row_groups.push_back(batch->num_rows());
    add(table, *batch);
  }
  return table;
}

}  // namespace betedge::columnar::testing
