#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "betedge/columnar/row_buffer.hpp"
#include "betedge/core/error.hpp"
#include "betedge/core/request.hpp"
#include "betedge/ports/bytes.hpp"

namespace arrow {
class RecordBatch;
class Schema;
}  // namespace arrow

namespace betedge::columnar {

// How a file's texts are handed to its writer.
enum class Texts : std::uint8_t {
  as_codes,  // a RowBuffer's: few words, many rows
  as_texts,  // a batch's: each its own
};

using KeyValues = std::vector<std::pair<std::string, std::string>>;

// The zone of a typed file's timestamps.
inline constexpr const char* kNewYork = "America/New_York";

// A row group of a Parquet file has this many rows, but for the last: a multiple of kBatchRows, so
// that the same rows make the same file. Readers share a file's row groups among their threads, so
// that a day at one minute should have some.
inline constexpr std::int64_t kRowGroupRows = 262'144;
// Of a plain file, those after the first: most files have one, which is small by being whole, and
// of a larger file the threads get more equal shares.
inline constexpr std::int64_t kLaterRowGroupRows = 196'608;

// Encodes batches of rows as a file whose bytes pile up in memory until they are taken. The bytes
// depend on the rows, the batches and the metadata alone. Errors are `internal`: there is no I/O.
class FileWriter {
 public:
  // `sorted_by`: the column by which the rows that will come ascend, from the first to the last;
  // said in a Parquet file. What is sorted only as a rule is not to be said: readers rely on it.
  // `threads`: the most that may work on it, one or two; a plain Parquet file alone has use for
  // two.
  static Result<std::unique_ptr<FileWriter>> open(FileFormat format,
                                                  std::span<const Column> columns,
                                                  Texts texts = Texts::as_codes,
                                                  std::optional<int> sorted_by = std::nullopt,
                                                  std::size_t threads = 1);
  virtual ~FileWriter() = default;

  // The first `rows` rows of the buffer, at most kBatchRows; they are taken, copied or encoded
  // before this returns, and are to be dropped from the buffer, whose arrays may be others (see
  // PageTeam). The buffer's columns are the file's, but that its prices are double always and are
  // rounded where the file has float32.
  virtual Result<void> write(RowBuffer& buffer, std::size_t rows) = 0;
  // All of a batch whose columns are the file's, of a file of the typed layout or opened with texts
  // as_texts; of others it is refused.
  virtual Result<void> write_batch(const arrow::RecordBatch& batch) = 0;
  // The columns as Arrow has them.
  virtual const std::shared_ptr<arrow::Schema>& schema() const = 0;
  // Ends the file, with this said of it in its own metadata.
  virtual Result<void> close(const KeyValues& metadata) = 0;

  // The bytes since the last call.
  virtual Bytes take_output() = 0;
  virtual std::size_t memory_bytes() const = 0;
  // Of all bytes so far.
  virtual std::uint64_t size_bytes() const = 0;
  // Of the whole file, lower-case hex; once, after close().
  virtual std::string sha256() = 0;
};

}  // namespace betedge::columnar
