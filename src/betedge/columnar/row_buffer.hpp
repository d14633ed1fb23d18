#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "betedge/core/table.hpp"

namespace betedge::columnar {

// Prices as a file of float32 has them, each rounded to the nearest; the file's own digest is of
// these. Every value must be within what float32 can hold.
std::vector<float> as_float32(std::span<const double> prices);

// The columns of a buffer for files of this kind, schema and style, as the wire brings them: those
// of the plain layout, and for typed files those that only v3 has, which are nullable. A price of a
// nullable column that did not come is NaN.
std::span<const Column> row_columns(Kind kind, Schema schema, ColumnStyle style);

// Rows of a file before they are encoded: one plain array a column, which the decoders fill in
// place. Texts (`root`, `right`) are kept as codes, an index into the column's words. Owns the
// arrays and reuses them; knows no file format.
class RowBuffer {
 public:
  // The codes of `right`: call, put, and the underlying's own rows.
  enum Right : std::uint8_t { kCall = 0, kPut = 1, kUnderlying = 2 };

  RowBuffer(std::span<const Column> columns, std::size_t capacity);

  std::span<const Column> columns() const { return columns_; }
  std::optional<std::size_t> find(std::string_view name) const;

  // The arrays, `capacity()` long; valid until reserve() makes them longer or swap_rows() gives
  // them away.
  std::uint32_t* numbers(std::size_t column) const;
  double* prices(std::size_t column) const;
  std::uint8_t* codes(std::size_t column) const;
  // What the codes of a text column stand for.
  const std::vector<std::string>& words(std::size_t column) const;

  // The code of this root, from now on one of the words of the column `root`.
  std::uint8_t root_code(const std::string& root);

  std::size_t size() const { return size_; }
  std::size_t capacity() const { return capacity_; }
  std::size_t memory_bytes() const { return row_bytes_ * capacity_; }

  // The first `size` rows are filled.
  void resize(std::size_t size) { size_ = size; }
  // Room for that many rows; keeps what was written to every row, counted or not.
  void reserve(std::size_t capacity);
  // Forgets the first `rows` rows; the others move to the front.
  void drop_front(std::size_t rows);

  // Exchanges the rows, without copying any, with a buffer of the same columns and capacity, which
  // has our words from then on.
  void swap_rows(RowBuffer& other);

  // Rows of a buffer with the same columns, put behind these; room is made by doubling.
  void append(const RowBuffer& from, std::size_t first, std::size_t count);
  // The same, of the rows named, in this order.
  void append(const RowBuffer& from, std::span<const std::uint32_t> rows);
  // Writes a row over another. Both are counted or lie in the capacity.
  void copy_row(std::size_t from, std::size_t to);
  // Equal in every column. `other` has the same columns.
  bool is_same_row(std::size_t row, const RowBuffer& other, std::size_t other_row) const;

 private:
  // For each code of that buffer's column, ours for the same word.
  std::vector<std::uint8_t> codes_for(const RowBuffer& from, std::size_t column);
  void make_room(std::size_t rows);

  struct Storage {
    std::size_t width;
    std::unique_ptr<std::byte[]> bytes;
    std::vector<std::string> words;
  };
  std::span<const Column> columns_;
  std::vector<Storage> storage_;
  std::size_t row_bytes_ = 0;
  std::size_t capacity_ = 0;
  std::size_t size_ = 0;
};

}  // namespace betedge::columnar
