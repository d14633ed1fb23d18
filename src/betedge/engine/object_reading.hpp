#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "betedge/columnar/file_reader.hpp"
#include "betedge/ports/object_store.hpp"
#include "betedge/ports/runtime.hpp"

namespace betedge::engine {

// All that can be told of an object by reading it.
struct ObjectReading {
  std::uint64_t size_bytes = 0;
  std::string sha256;  // lower-case hex
  // What the file says of itself; storage_failed when it cannot be read as one.
  Result<columnar::FileFacts> facts = columnar::FileFacts{};
  // Of the values that lie in it, to be compared with what it says; empty when it says none, and
  // storage_failed when they cannot be decoded.
  Result<std::string> digest;
  std::vector<Date> days{};  // that it has rows of, as far as it has a column of them
};

// Reads the whole of it, by way of a nameless file in the folder for temporary files, so that
// memory does not grow with it. not_found: there is none; cancelled: stop was asked for; other
// errors are the lake's or the disk's, and say nothing of the object.
Task<Result<ObjectReading>> read_object(Runtime& runtime, ObjectStore& lake, ObjectKey key,
                                        std::stop_token stop);

}  // namespace betedge::engine
