#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "betedge/core/table.hpp"

namespace betedge::columnar {

// A fingerprint of a table's values in their order: XXH3-128 of each column's values (little-endian
// numbers, texts with their length as uint32 before them, instants as milliseconds, days as days
// since 1970 and dollars as thousandths, each in 64 bits; of a column that may have nulls: a byte 1
// before each value, and a byte 0 for a null), combined with the columns' names and types and the
// number of rows. The same for the same values, whatever file format, compression or batch size
// brought them.
class ValueDigest {
 public:
  explicit ValueDigest(std::span<const Column> columns);
  ~ValueDigest();
  ValueDigest(ValueDigest&&) noexcept;

  // The next values of a column. Every column is given the same number of rows in all.
  void add(std::size_t column, std::span<const std::uint32_t> values);
  void add(std::size_t column, std::span<const double> values);
  void add(std::size_t column, std::span<const float> values);
  void add(std::size_t column, std::span<const std::int64_t> values);
  // Values in canonical form already: texts, 64-bit integers, and all of a column that may have
  // nulls.
  void add_canonical(std::size_t column, std::string_view canonical);

  static void append_text(std::string& canonical, std::string_view text);
  static void append_integer(std::string& canonical, std::int64_t value);
  static void append_float(std::string& canonical, double value);
  // Before the value of a column that may have nulls, or instead of it.
  static void append_presence(std::string& canonical, bool is_there);

  // 32 lower-case hexadecimal digits.
  std::string hex(std::uint64_t rows) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace betedge::columnar
