#include "betedge/columnar/batch_digest.hpp"

#include <arrow/api.h>
#include <fmt/format.h>

namespace betedge::columnar {

namespace {

arrow::Type::type arrow_type(ColumnType type) {
  switch (type) {
    case ColumnType::uint32: return arrow::Type::UINT32;
    case ColumnType::float64: return arrow::Type::DOUBLE;
    case ColumnType::float32: return arrow::Type::FLOAT;
    case ColumnType::text: return arrow::Type::STRING;
    case ColumnType::int64: return arrow::Type::INT64;
  }
  return arrow::Type::NA;
}

template <class Array, class Append>
std::string canonical_values(const arrow::Array& values, bool nullable, Append append) {
  const auto& array = static_cast<const Array&>(values);
  std::string canonical;
  for (std::int64_t row = 0; row < array.length(); ++row) {
    if (nullable) ValueDigest::append_presence(canonical, array.IsValid(row));
    if (array.IsValid(row)) append(canonical, array.GetView(row));
  }
  return canonical;
}

}  // namespace

Result<void> add_to_digest(ValueDigest& digest, std::span<const Column> columns,
                           const arrow::RecordBatch& batch) {
  const auto length = static_cast<std::size_t>(batch.num_rows());
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const auto& [name, type, nullable] = columns[i];
    const arrow::Array& array = *batch.column(static_cast<int>(i));
    if (array.type_id() != arrow_type(type))
      return fail(ErrorCode::internal,
                  fmt::format("the column {} holds {}", name, array.type()->ToString()));
    if (array.null_count() > 0 && !nullable)
      return fail(ErrorCode::internal, fmt::format("the column {} has nulls", name));
    switch (type) {
      case ColumnType::uint32:
        if (nullable) {
          digest.add_canonical(i, canonical_values<arrow::UInt32Array>(
                                      array, true, [](std::string& canonical, std::uint32_t value) {
                                        ValueDigest::append_integer(canonical, value);
                                      }));
        } else {
          digest.add(i, {static_cast<const arrow::UInt32Array&>(array).raw_values(), length});
        }
        break;
      case ColumnType::float64:
        if (nullable) {
          digest.add_canonical(
              i, canonical_values<arrow::DoubleArray>(array, true, ValueDigest::append_float));
        } else {
          digest.add(i, {static_cast<const arrow::DoubleArray&>(array).raw_values(), length});
        }
        break;
      case ColumnType::float32:
        if (nullable) {
          digest.add_canonical(
              i, canonical_values<arrow::FloatArray>(array, true, ValueDigest::append_float));
        } else {
          digest.add(i, {static_cast<const arrow::FloatArray&>(array).raw_values(), length});
        }
        break;
      case ColumnType::int64:
        digest.add_canonical(
            i, canonical_values<arrow::Int64Array>(array, nullable, ValueDigest::append_integer));
        break;
      case ColumnType::text:
        digest.add_canonical(
            i, canonical_values<arrow::StringArray>(array, nullable, ValueDigest::append_text));
        break;
    }
  }
  return {};
}

}  // namespace betedge::columnar
