#pragma once

#include <memory>

#include "betedge/columnar/file_writer.hpp"
#include "betedge/columnar/object_encoder.hpp"

namespace betedge::columnar {

// What every file says of itself (file_metadata.hpp).
KeyValues describe(const ObjectSpec& spec, const FileSummary& summary);

// The encoder of an earnings file: an answer is one day's whole JSON document, the file is written
// when all have come.
Result<std::unique_ptr<ObjectEncoder>> open_earnings_encoder(ObjectSpec spec);

}  // namespace betedge::columnar
