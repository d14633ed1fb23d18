#include "betedge/columnar/batch_digest.hpp"

#include <arrow/api.h>
#include <arrow/util/decimal.h>
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
    case ColumnType::timestamp: return arrow::Type::TIMESTAMP;
    case ColumnType::day: return arrow::Type::DATE32;
    case ColumnType::dollars: return arrow::Type::DECIMAL128;
    case ColumnType::word: return arrow::Type::DICTIONARY;
  }
  return arrow::Type::NA;
}

void append_dollars(std::string& canonical, std::string_view decimal) {
  ValueDigest::append_integer(
      canonical,
      static_cast<std::int64_t>(
          arrow::Decimal128(reinterpret_cast<const std::uint8_t*>(decimal.data())).low_bits()));
}

std::string canonical_words(const arrow::DictionaryArray& array, bool nullable) {
  const auto& dictionary = static_cast<const arrow::StringArray&>(*array.dictionary());
  std::string canonical;
  for (std::int64_t row = 0; row < array.length(); ++row) {
    if (nullable) ValueDigest::append_presence(canonical, array.IsValid(row));
    if (array.IsValid(row))
      ValueDigest::append_text(canonical, dictionary.GetView(array.GetValueIndex(row)));
  }
  return canonical;
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
      case ColumnType::timestamp:
        if (nullable) {
          digest.add_canonical(
              i, canonical_values<arrow::TimestampArray>(array, true, ValueDigest::append_integer));
        } else {
          digest.add(i, {static_cast<const arrow::TimestampArray&>(array).raw_values(), length});
        }
        break;
      case ColumnType::day:
        digest.add_canonical(
            i, canonical_values<arrow::Date32Array>(array, nullable, ValueDigest::append_integer));
        break;
      case ColumnType::dollars:
        digest.add_canonical(
            i, canonical_values<arrow::Decimal128Array>(array, nullable, append_dollars));
        break;
      case ColumnType::word: {
        const auto& codes = static_cast<const arrow::DictionaryArray&>(array);
        if (codes.dictionary()->type_id() != arrow::Type::STRING)
          return fail(ErrorCode::internal,
                      fmt::format("the column {} holds {}", name, array.type()->ToString()));
        digest.add_canonical(i, canonical_words(codes, nullable));
        break;
      }
      case ColumnType::text:
        digest.add_canonical(
            i, canonical_values<arrow::StringArray>(array, nullable, ValueDigest::append_text));
        break;
    }
  }
  return {};
}

}  // namespace betedge::columnar
