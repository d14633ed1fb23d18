#pragma once

#include <memory>
#include <optional>
#include <span>

#include "betedge/columnar/digest.hpp"
#include "betedge/columnar/file_writer.hpp"
#include "betedge/columnar/row_buffer.hpp"
#include "betedge/core/error.hpp"
#include "betedge/core/table.hpp"

namespace arrow {
class Array;
}

namespace betedge::columnar {

// Turns rows as the wire brings them into those of the typed layout (core/table.hpp).
class TypedRows {
 public:
  // `file` is the file's Arrow schema, of the columns that core::columns() gives for this layout.
  TypedRows(Kind kind, Schema schema, Layout layout, std::shared_ptr<arrow::Schema> file);

  // The first `count` rows, into the digest and the file. upstream_garbled for a time that New
  // York's clocks did not show just once, and for a price that the file's type cannot hold.
  Result<void> write(const RowBuffer& rows, std::size_t count, ValueDigest& digest,
                     FileWriter& writer);

 private:
  // The instant of midnight of the last day asked for, when all of that day has one offset.
  struct Midnight {
    std::uint32_t yyyymmdd = 0;
    std::optional<std::int64_t> ms{};
  };
  Result<std::int64_t> instant_of(std::uint32_t yyyymmdd, std::uint32_t ms_of_day);
  Result<std::shared_ptr<arrow::Array>> instants(const RowBuffer& rows, std::size_t count,
                                                 std::string_view times, bool may_be_none);
  static Result<std::shared_ptr<arrow::Array>> days(const RowBuffer& rows, std::size_t count,
                                                    std::string_view column);
  static Result<std::shared_ptr<arrow::Array>> strikes(const RowBuffer& rows, std::size_t count);

  std::span<const Column> columns_;
  std::shared_ptr<arrow::Schema> file_;
  Midnight midnight_;
};

// upstream_garbled, naming the column, when one of the prices is beyond what float32 holds. NaN, no
// price, passes.
Result<void> check_float32(std::string_view column, std::span<const double> prices);

}  // namespace betedge::columnar
