#pragma once

#include <span>

#include "betedge/columnar/digest.hpp"
#include "betedge/core/error.hpp"
#include "betedge/core/table.hpp"

namespace arrow {
class RecordBatch;
}

namespace betedge::columnar {

// Takes all values of a batch whose columns are these, in this order, into the digest. internal: a
// null where the column has none, or an array of another type than the column's.
Result<void> add_to_digest(ValueDigest& digest, std::span<const Column> columns,
                           const arrow::RecordBatch& batch);

}  // namespace betedge::columnar
