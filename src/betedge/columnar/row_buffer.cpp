#include "betedge/columnar/row_buffer.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace betedge::columnar {

namespace {

std::size_t width_of(ColumnType type) {
  switch (type) {
    case ColumnType::uint32: return sizeof(std::uint32_t);
    case ColumnType::float64: return sizeof(double);
    case ColumnType::text: return sizeof(std::uint8_t);
    case ColumnType::float32: break;  // prices are narrowed when they are written
    case ColumnType::int64: break;    // only earnings have these, and they are few rows
  }
  throw std::logic_error("a column type without a width");
}

}  // namespace

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

void RowBuffer::drop_front(std::size_t rows) {
  for (Storage& storage : storage_)
    std::memmove(storage.bytes.get(), storage.bytes.get() + storage.width * rows,
                 storage.width * (size_ - rows));
  size_ -= rows;
}

}  // namespace betedge::columnar
