#include "betedge/columnar/typed_rows.hpp"

#include <arrow/api.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include "betedge/columnar/batch_digest.hpp"
#include "betedge/core/dates.hpp"

namespace betedge::columnar {

namespace {

using ArrayResult = Result<std::shared_ptr<arrow::Array>>;

// A decimal(12, 3) has nine digits before the point, which every uint32 of thousandths has room in.
static_assert(std::numeric_limits<std::uint32_t>::max() / 1000 < 1'000'000'000);

constexpr std::uint32_t kMsOfDay = 86'400'000;

// Which rows have a value, as Arrow wants it: bits, none when all have one.
class Presence {
 public:
  explicit Presence(std::size_t rows) : bits_((rows + 7) / 8, 0) {}
  void add(bool is_there) {
    if (is_there)
      bits_[row_ / 8] = static_cast<std::uint8_t>(bits_[row_ / 8] | 1u << row_ % 8);
    else
      ++nulls_;
    ++row_;
  }
  std::int64_t nulls() const { return nulls_; }
  std::shared_ptr<arrow::Buffer> buffer() && {
    return nulls_ == 0 ? nullptr : arrow::Buffer::FromVector(std::move(bits_));
  }

 private:
  std::vector<std::uint8_t> bits_;
  std::size_t row_ = 0;
  std::int64_t nulls_ = 0;
};

template <class Value>
std::shared_ptr<arrow::Array> array_of(std::shared_ptr<arrow::DataType> type,
                                       std::vector<Value> values, Presence presence) {
  const auto nulls = presence.nulls();
  const auto length = static_cast<std::int64_t>(values.size());
  return arrow::MakeArray(arrow::ArrayData::Make(
      std::move(type), length,
      {std::move(presence).buffer(), arrow::Buffer::FromVector(std::move(values))}, nulls));
}

template <class Value>
std::shared_ptr<arrow::Array> array_of(std::shared_ptr<arrow::DataType> type,
                                       std::vector<Value> values) {
  const auto length = static_cast<std::int64_t>(values.size());
  return arrow::MakeArray(arrow::ArrayData::Make(
      std::move(type), length, {nullptr, arrow::Buffer::FromVector(std::move(values))}, 0));
}

std::shared_ptr<arrow::Array> numbers(const RowBuffer& rows, std::size_t count,
                                      std::string_view column) {
  const std::uint32_t* const values = rows.numbers(rows.find(column).value());
  return array_of(arrow::uint32(), std::vector<std::uint32_t>(values, values + count));
}

ArrayResult prices(const RowBuffer& rows, std::size_t count, const Column& column) {
  const std::span<const double> values(rows.prices(rows.find(column.name).value()), count);
  Presence presence(count);
  for (const double price : values) presence.add(!std::isnan(price));
  if (!column.nullable && presence.nulls() > 0)
    throw std::logic_error("no price where one must be");
  if (column.type == ColumnType::float64)
    return array_of(arrow::float64(), std::vector<double>(values.begin(), values.end()),
                    std::move(presence));
  BETEDGE_TRY_VOID(check_float32(column.name, values));
  return array_of(arrow::float32(), as_float32(values), std::move(presence));
}

std::shared_ptr<arrow::Array> words(const RowBuffer& rows, std::size_t count,
                                    std::string_view column,
                                    const std::shared_ptr<arrow::DataType>& type) {
  const std::size_t index = rows.find(column).value();
  arrow::StringBuilder builder;
  for (const std::string& word : rows.words(index))
    if (!builder.Append(word).ok()) throw std::bad_alloc();
  std::shared_ptr<arrow::Array> dictionary;
  if (!builder.Finish(&dictionary).ok()) throw std::bad_alloc();
  const std::uint8_t* const codes = rows.codes(index);
  auto codes_array = array_of(arrow::int32(), std::vector<std::int32_t>(codes, codes + count));
  return std::make_shared<arrow::DictionaryArray>(type, std::move(codes_array),
                                                  std::move(dictionary));
}

}  // namespace

TypedRows::TypedRows(Kind kind, Schema schema, Layout layout, std::shared_ptr<arrow::Schema> file)
    : columns_(core::columns(kind, schema, layout)), file_(std::move(file)) {}

Result<std::int64_t> TypedRows::instant_of(std::uint32_t yyyymmdd, std::uint32_t ms_of_day) {
  if (midnight_.yyyymmdd != yyyymmdd) {
    const Date day = from_yyyymmdd(yyyymmdd).value();
    const auto begins = from_new_york(day, 0), ends = from_new_york(day, kMsOfDay);
    midnight_ = {yyyymmdd, std::nullopt};
    if (begins && ends && *ends - *begins == std::chrono::days(1))
      midnight_.ms = begins->time_since_epoch().count();
  }
  if (midnight_.ms) return *midnight_.ms + ms_of_day;
  const auto instant = from_new_york(from_yyyymmdd(yyyymmdd).value(), ms_of_day);
  if (!instant)
    return fail(ErrorCode::upstream_garbled,
                fmt::format("expected a time of New York's, found {} ms of {}, when the clocks "
                            "change",
                            ms_of_day, yyyymmdd));
  return instant->time_since_epoch().count();
}

// From a column of milliseconds and `date`.
ArrayResult TypedRows::instants(const RowBuffer& rows, std::size_t count, std::string_view times,
                                bool may_be_none) {
  static const auto kType = arrow::timestamp(arrow::TimeUnit::MILLI, kNewYork);
  const std::uint32_t* const ms = rows.numbers(rows.find(times).value());
  const std::uint32_t* const dates = rows.numbers(rows.find("date").value());
  std::vector<std::int64_t> values(count);
  if (!may_be_none) {
    for (std::size_t row = 0; row < count; ++row) {
      BETEDGE_TRY(values[row], instant_of(dates[row], ms[row]));
    }
    return array_of(kType, std::move(values));
  }
  // No trade, no time of it: the vendor then says midnight.
  const std::uint32_t* const volumes = rows.numbers(rows.find("volume").value());
  Presence presence(count);
  for (std::size_t row = 0; row < count; ++row) {
    const bool is_there = ms[row] != 0 && volumes[row] != 0;
    presence.add(is_there);
    if (!is_there) continue;
    BETEDGE_TRY(values[row], instant_of(dates[row], ms[row]));
  }
  return array_of(kType, std::move(values), std::move(presence));
}

// Days since 1970; of 0, which the underlying's rows have, none.
ArrayResult TypedRows::days(const RowBuffer& rows, std::size_t count, std::string_view column) {
  const std::uint32_t* const dates = rows.numbers(rows.find(column).value());
  std::vector<std::int32_t> values(count);
  Presence presence(count);
  std::uint32_t known = 0;
  std::int32_t known_value = 0;
  for (std::size_t row = 0; row < count; ++row) {
    presence.add(dates[row] != 0);
    if (dates[row] == 0) continue;
    if (dates[row] != known) {
      known = dates[row];
      known_value = from_yyyymmdd(known).value().time_since_epoch().count();
    }
    values[row] = known_value;
  }
  return array_of(arrow::date32(), std::move(values), std::move(presence));
}

ArrayResult TypedRows::strikes(const RowBuffer& rows, std::size_t count) {
  const std::uint32_t* const thousandths = rows.numbers(rows.find("strike").value());
  const std::uint8_t* const rights = rows.codes(rows.find("right").value());
  struct Decimal {  // as a Decimal128 lies in memory
    std::uint64_t low;
    std::int64_t high;
  };
  std::vector<Decimal> values(count);
  Presence presence(count);
  for (std::size_t row = 0; row < count; ++row) {
    const bool is_there = rights[row] != RowBuffer::kUnderlying;
    presence.add(is_there);
    if (is_there) values[row].low = thousandths[row];
  }
  return array_of(arrow::decimal128(12, 3), std::move(values), std::move(presence));
}

Result<void> TypedRows::write(const RowBuffer& rows, std::size_t count, ValueDigest& digest,
                              FileWriter& writer) {
  arrow::ArrayVector arrays;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    const Column& column = columns_[i];
    std::shared_ptr<arrow::Array> array;
    switch (column.type) {
      case ColumnType::timestamp: {
        const bool is_last_trade = column.name == "last_trade";
        BETEDGE_TRY(array, instants(rows, count, is_last_trade ? "ms_of_day2" : "ms_of_day",
                                    is_last_trade));
        break;
      }
      case ColumnType::day: {
        BETEDGE_TRY(array, days(rows, count, column.name));
        break;
      }
      case ColumnType::dollars: {
        BETEDGE_TRY(array, strikes(rows, count));
        break;
      }
      case ColumnType::float64:
      case ColumnType::float32: {
        BETEDGE_TRY(array, prices(rows, count, column));
        break;
      }
      case ColumnType::uint32: array = numbers(rows, count, column.name); break;
      case ColumnType::word:
        array = words(rows, count, column.name, file_->field(static_cast<int>(i))->type());
        break;
      case ColumnType::text:
      case ColumnType::int64: throw std::logic_error("typed rows have no such columns");
    }
    arrays.push_back(std::move(array));
  }
  const auto batch =
      arrow::RecordBatch::Make(file_, static_cast<std::int64_t>(count), std::move(arrays));
  BETEDGE_TRY_VOID(add_to_digest(digest, columns_, *batch));
  return writer.write_batch(*batch);
}

Result<void> check_float32(std::string_view column, std::span<const double> prices) {
  for (const double price : prices)
    if (price > std::numeric_limits<float>::max())
      return fail(
          ErrorCode::upstream_garbled,
          fmt::format("{} is {}, which no price is and float32 cannot hold", column, price));
  return {};
}

}  // namespace betedge::columnar
