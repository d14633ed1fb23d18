#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>

#include "betedge/columnar/decoder.hpp"
#include "betedge/columnar/defects.hpp"
#include "betedge/columnar/digest.hpp"
#include "betedge/columnar/file_writer.hpp"
#include "betedge/columnar/object_encoder.hpp"
#include "betedge/columnar/typed_rows.hpp"

namespace betedge::columnar {

// From decoded rows to one file of the terminal's data: the rules for the vendor's defects, the
// layout, the digest, the file. Rows are put into rows() and looked at in take_full_batches(); what
// file comes of them does not depend on how many were put there at a time.
class TableEncoder final : public RowSink {
 public:
  // `capacity`: the rows that there is room for at first. `threads`: as ObjectEncoder's.
  static Result<std::unique_ptr<TableEncoder>> open(ObjectSpec spec, std::size_t capacity,
                                                    std::size_t threads = 1);
  TableEncoder(ObjectSpec spec, std::size_t capacity, std::unique_ptr<FileWriter> writer);

  const ObjectSpec& spec() const { return spec_; }
  RowBuffer& rows() { return rows_; }

  // `internal` when the rows of this call do not belong into the file.
  Result<void> begin_answer(const Call& call);
  Result<void> take_full_batches() override;
  Result<void> end_answer();

  // As ObjectEncoder's.
  Bytes take_output() { return row_count() == 0 ? Bytes{} : writer_->take_output(); }
  std::size_t memory_bytes() const;
  std::uint64_t row_count() const;
  Result<FileSummary> finish();

 private:
  Result<void> hold_rows();
  Result<void> write_held();
  Result<void> write_batch(std::size_t count);
  Result<void> write_plain(std::size_t count);
  Result<void> digest_prices(std::size_t column, std::size_t count);
  void digest_texts(std::size_t column, std::size_t count);
  void note_days(std::span<const std::uint32_t> dates);

  ObjectSpec spec_;
  std::span<const Column> columns_;  // of the rows: their prices are double whatever the file's are
  RowBuffer rows_;
  std::size_t date_;  // the column of it
  TwinFilter twins_;
  DefectCounter defects_;
  RuleCounts rules_;
  std::optional<RowBuffer> held_;  // of an object that is written when all rows have come
  std::optional<TypedRows> typed_;
  ValueDigest digest_;
  std::unique_ptr<FileWriter> writer_;
  std::string canonical_;
  std::set<std::uint32_t> days_;  // that rows have been written of
  std::uint32_t last_date_ = 0;
  bool answer_is_underlying_ = false;
  std::uint64_t rows_before_answer_ = 0;
  std::uint64_t rows_written_ = 0;
  std::uint64_t underlying_rows_ = 0;
};

// Runs what may throw, as Arrow and Parquet do on exhausted memory above all.
template <class Function>
auto guarded(Function function) -> decltype(function()) {
  try {
    return function();
  } catch (const std::exception& thrown) {
    return fail(ErrorCode::internal, std::string("encoding a file: ") + thrown.what());
  }
}

}  // namespace betedge::columnar
