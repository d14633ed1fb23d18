#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "betedge/columnar/object_encoder.hpp"

namespace betedge::columnar {

// One answer over several days, made into an object a day: each of the same bytes as ObjectEncoder
// makes from an answer of that day alone. Pure computing, on one thread at a time; after an error
// it is only good for dropping. The days' rows are in memory up to a row group each.
class DaySplitter {
 public:
  // One spec an object, in date order, each for the days that it covers; together of one request
  // but for the dates. `internal` when there is none, when two cover one day or are not in order,
  // when they differ in kind, schema or layout, or are of earnings.
  static Result<std::unique_ptr<DaySplitter>> open(std::vector<ObjectSpec> specs);
  virtual ~DaySplitter() = default;

  // As ObjectEncoder's, of the whole answer. Rows of days that no spec covers are dropped; a row is
  // still upstream_garbled when its day is not of the call.
  virtual Result<void> begin_answer(const Call& call, WireFormat format) = 0;
  virtual Result<void> begin_document() = 0;
  virtual Result<void> feed(ByteView bytes) = 0;
  virtual Result<void> end_answer() = 0;

  virtual std::size_t size() const = 0;
  // The object of specs[i], i < size(): for take_output() at any time, and for rows() and finish()
  // after the last answer. To feed it is `internal`. Its own memory_bytes() are of its share alone.
  virtual ObjectEncoder& of(std::size_t i) = 0;
  // Of all of them, and of what is not yet split.
  virtual std::size_t memory_bytes() const = 0;
};

}  // namespace betedge::columnar
