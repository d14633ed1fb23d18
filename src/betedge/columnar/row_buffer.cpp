#include "betedge/columnar/row_buffer.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>

namespace betedge::columnar {

namespace {

std::size_t width_of(ColumnType type) {
  switch (type) {
    case ColumnType::uint32: return sizeof(std::uint32_t);
    case ColumnType::float64: return sizeof(double);
    case ColumnType::text: return sizeof(std::uint8_t);
    case ColumnType::float32:  // prices are narrowed when they are written
    case ColumnType::int64:    // only earnings have these, and they are few rows
    case ColumnType::timestamp:
    case ColumnType::day:
    case ColumnType::dollars:
    case ColumnType::word: break;  // made when they are written
  }
  throw std::logic_error("a column type without a width");
}

constexpr std::array kTypedOhlc{
    Column{"ms_of_day", ColumnType::uint32},   Column{"open", ColumnType::float64},
    Column{"high", ColumnType::float64},       Column{"low", ColumnType::float64},
    Column{"close", ColumnType::float64},      Column{"volume", ColumnType::uint32},
    Column{"count", ColumnType::uint32},       Column{"date", ColumnType::uint32},
    Column{"vwap", ColumnType::float64, true}, Column{"root", ColumnType::text},
    Column{"expiration", ColumnType::uint32},  Column{"strike", ColumnType::uint32},
    Column{"right", ColumnType::text},
};
constexpr std::size_t kContractColumns = 4;

}  // namespace

std::span<const Column> row_columns(Kind kind, Schema schema, ColumnStyle style) {
  if (style == ColumnStyle::plain || schema != Schema::ohlc) return core::columns(kind, schema);
  const std::span<const Column> all(kTypedOhlc);
  return kind == Kind::option ? all : all.first(all.size() - kContractColumns);
}

std::vector<float> as_float32(std::span<const double> prices) {
  std::vector<float> narrow(prices.size());
  std::ranges::transform(prices, narrow.begin(),
                         [](double price) { return static_cast<float>(price); });
  return narrow;
}

RowBuffer::RowBuffer(std::span<const Column> columns, std::size_t capacity) : columns_(columns) {
  for (const Column& column : columns_) {
    Storage storage{width_of(column.type), nullptr, {}};
    if (column.name == "right") storage.words = {"C", "P", "U"};
    row_bytes_ += storage.width;
    storage_.push_back(std::move(storage));
  }
  reserve(capacity);
}

std::optional<std::size_t> RowBuffer::find(std::string_view name) const {
  const auto found = std::ranges::find(columns_, name, &Column::name);
  if (found == columns_.end()) return std::nullopt;
  return static_cast<std::size_t>(found - columns_.begin());
}

std::uint32_t* RowBuffer::numbers(std::size_t column) const {
  return reinterpret_cast<std::uint32_t*>(storage_[column].bytes.get());
}

double* RowBuffer::prices(std::size_t column) const {
  return reinterpret_cast<double*>(storage_[column].bytes.get());
}

std::uint8_t* RowBuffer::codes(std::size_t column) const {
  return reinterpret_cast<std::uint8_t*>(storage_[column].bytes.get());
}

const std::vector<std::string>& RowBuffer::words(std::size_t column) const {
  return storage_[column].words;
}

std::uint8_t RowBuffer::root_code(const std::string& root) {
  const auto column = find("root");
  if (!column) return 0;
  auto& words = storage_[*column].words;
  const auto found = std::ranges::find(words, root);
  if (found != words.end()) return static_cast<std::uint8_t>(found - words.begin());
  if (words.size() > 100) throw std::logic_error("a file of more than a hundred roots");
  words.push_back(root);
  return static_cast<std::uint8_t>(words.size() - 1);
}

void RowBuffer::reserve(std::size_t capacity) {
  if (capacity <= capacity_) return;
  for (Storage& storage : storage_) {
    std::unique_ptr<std::byte[]> longer(new std::byte[storage.width * capacity]);
    if (capacity_ > 0) std::memcpy(longer.get(), storage.bytes.get(), storage.width * capacity_);
    storage.bytes = std::move(longer);
  }
  capacity_ = capacity;
}

void RowBuffer::make_room(std::size_t rows) {
  if (size_ + rows > capacity_) reserve(std::max(size_ + rows, 2 * capacity_));
}

void RowBuffer::swap_rows(RowBuffer& other) {
  if (columns_.data() != other.columns_.data() || capacity_ != other.capacity_)
    throw std::logic_error("buffers of another kind cannot exchange their rows");
  for (std::size_t i = 0; i < storage_.size(); ++i) {
    std::swap(storage_[i].bytes, other.storage_[i].bytes);
    if (other.storage_[i].words != storage_[i].words) other.storage_[i].words = storage_[i].words;
  }
  std::swap(size_, other.size_);
}

std::vector<std::uint8_t> RowBuffer::codes_for(const RowBuffer& from, std::size_t column) {
  auto& words = storage_[column].words;
  std::vector<std::uint8_t> codes;
  for (const std::string& word : from.words(column)) {
    const auto found = std::ranges::find(words, word);
    codes.push_back(found == words.end() ? root_code(word)
                                         : static_cast<std::uint8_t>(found - words.begin()));
  }
  return codes;
}

void RowBuffer::append(const RowBuffer& from, std::size_t first, std::size_t count) {
  make_room(count);
  for (std::size_t i = 0; i < storage_.size(); ++i) {
    const Storage& source = from.storage_[i];
    std::byte* const to = storage_[i].bytes.get() + storage_[i].width * size_;
    if (columns_[i].type == ColumnType::text && source.words != storage_[i].words) {
      const auto ours = codes_for(from, i);
      std::transform(from.codes(i) + first, from.codes(i) + first + count, codes(i) + size_,
                     [&](std::uint8_t code) { return ours[code]; });
    } else {
      std::memcpy(to, source.bytes.get() + source.width * first, source.width * count);
    }
  }
  size_ += count;
}

void RowBuffer::append(const RowBuffer& from, std::span<const std::uint32_t> rows) {
  make_room(rows.size());
  for (std::size_t i = 0; i < storage_.size(); ++i) {
    const auto gather = [&]<class Value>(const Value* source, Value* to) {
      for (const std::uint32_t row : rows) *to++ = source[row];
    };
    switch (columns_[i].type) {
      case ColumnType::uint32: gather(from.numbers(i), numbers(i) + size_); break;
      case ColumnType::float64: gather(from.prices(i), prices(i) + size_); break;
      default: {
        const auto ours = codes_for(from, i);
        std::ranges::transform(rows, codes(i) + size_,
                               [&](std::uint32_t row) { return ours[from.codes(i)[row]]; });
      }
    }
  }
  size_ += rows.size();
}

void RowBuffer::copy_row(std::size_t from, std::size_t to) {
  for (const Storage& storage : storage_)
    std::memcpy(storage.bytes.get() + storage.width * to,
                storage.bytes.get() + storage.width * from, storage.width);
}

bool RowBuffer::is_same_row(std::size_t row, const RowBuffer& other, std::size_t other_row) const {
  for (std::size_t i = 0; i < storage_.size(); ++i) {
    const Storage& ours = storage_[i];
    const Storage& theirs = other.storage_[i];
    if (columns_[i].type == ColumnType::text) {
      if (ours.words[codes(i)[row]] != theirs.words[other.codes(i)[other_row]]) return false;
    } else if (std::memcmp(ours.bytes.get() + ours.width * row,
                           theirs.bytes.get() + theirs.width * other_row, ours.width) != 0) {
      return false;
    }
  }
  return true;
}

void RowBuffer::drop_front(std::size_t rows) {
  for (Storage& storage : storage_)
    std::memmove(storage.bytes.get(), storage.bytes.get() + storage.width * rows,
                 storage.width * (size_ - rows));
  size_ -= rows;
}

}  // namespace betedge::columnar
