#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "betedge/core/plan.hpp"
#include "betedge/core/table.hpp"
#include "betedge/ports/bytes.hpp"
#include "betedge/ports/source.hpp"

namespace betedge::columnar {

// What a file says of itself, in its own metadata (DESIGN.md 9). No clock and no job id in it: the
// same answer makes the same bytes.
struct ObjectSpec {
  HistoricalRequest request;  // normalised, for this object's period
  ObjectKey key;
  DateRange covers;
  std::string source;        // "thetadata"
  std::string request_json;  // the request as canonical JSON text, as wire wrote it
  Layout layout{};           // of earnings always the plain one
};

struct FileSummary {
  std::uint64_t rows = 0;             // all of them
  std::uint64_t underlying_rows = 0;  // of these, the underlying's
  std::vector<Date> days;             // that have rows: each once, in order
  // Earnings: lines that came twice with the same values on one day, of which one was taken; and
  // lines kept beside another of their symbol and day with other values.
  std::uint64_t repeated_rows = 0;
  std::uint64_t conflicting_rows = 0;
  // What the vendor's known defects did (defects.hpp): the rule's name and the rows it met, more
  // than none.
  std::map<std::string, std::uint64_t> rules;
  // A stock's rows of which not one price is above zero: the vendor answers so where it has none
  // (THETA.md 2.8).
  bool is_zero_series = false;
  std::uint64_t size_bytes = 0;
  std::string sha256;  // of the whole file, lower-case hex
  std::string digest;  // of the values: independent of compression and format
};

// Tells the allocator that objects will be encoded one after another: the some 8 MiB that each
// takes and gives back stay with the process, up to 16 MiB a thread, instead of coming as new pages
// from the system every time. For the start of a program.
void expect_many_objects();

// One object in the making: vendor bytes in, file bytes out, a row group at a time. Pure computing,
// on one thread at a time; no I/O. After an error it is only good for dropping. Memory is bounded
// by the row group, not by the answer; for earnings, which are small, by a month of them and the
// longest answer taken, 16 MiB. An option's eod is held whole until finish(), some 100 bytes a row
// of a month, since a contract's second row may come last.
class ObjectEncoder {
 public:
  // With two threads pages are made beside the decoding where a processor is free; the bytes are
  // the same, and all calls still come from one thread at a time.
  static Result<std::unique_ptr<ObjectEncoder>> open(ObjectSpec spec, std::size_t threads = 1);
  virtual ~ObjectEncoder() = default;

  // A call's answer begins. Its rows are checked against the call: days within its dates, times
  // within its window where one is given; the root where the wire names it.
  virtual Result<void> begin_answer(const Call& call, WireFormat format) = 0;
  // The next page of the same answer begins, with a header of its own. Also before the first bytes.
  virtual Result<void> begin_document() = 0;
  // Bytes as they came, cut anywhere. upstream_garbled also when a price is too large for the
  // file's price type, at the latest in finish().
  virtual Result<void> feed(ByteView bytes) = 0;
  // The answer is over. upstream_garbled when it ended in the middle of a row or a document, or was
  // empty, or was not the data asked for. A day without earnings is no error and adds no rows.
  virtual Result<void> end_answer() = 0;

  // What can be written so far, nothing as long as there are no rows; empties the encoder's output.
  virtual Bytes take_output() = 0;
  // Bytes held in memory at the moment: input not yet decoded, columns, and output not yet taken.
  virtual std::size_t memory_bytes() const = 0;

  // Rows so far, of which finish() may still drop what came twice; zero after all answers means
  // that there is no data and no file is to be written.
  virtual std::uint64_t rows() const = 0;
  // Ends the file; take_output() then has its last bytes.
  virtual Result<FileSummary> finish() = 0;
};

}  // namespace betedge::columnar
