#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "betedge/core/dates.hpp"
#include "betedge/core/object_key.hpp"
#include "betedge/ports/bytes.hpp"
#include "betedge/ports/task.hpp"

namespace betedge::ports {

struct ObjectInfo {
  std::uint64_t size_bytes = 0;
  Timestamp modified_at{};
};

// An object being written; invisible until commit(). Dropping it leaves the store unchanged. Used
// by one coroutine at a time.
class ObjectWriter {
 public:
  virtual ~ObjectWriter() = default;
  virtual Task<Result<void>> write(Bytes bytes) = 0;
  // Publishes the whole object, replacing one that is there, durably: after the answer it survives
  // a power loss. After an error it is not visible unless the message says that it may be. Once
  // only.
  virtual Task<Result<void>> commit() = 0;
};

// Where finished files go: a directory, an S3 bucket, or memory in tests.
//
// An object is all or nothing: readers see the whole of it after commit(), and nothing before,
// whatever happens to this process. Safe to call from several coroutines. Errors are storage_failed
// (may pass), storage_full and storage_denied (will not).
class ObjectStore {
 public:
  virtual ~ObjectStore() = default;

  // An absent key is an answer (nullopt), not an error; an error means we could not tell.
  virtual Task<Result<std::optional<ObjectInfo>>> stat(ObjectKey key) = 0;

  virtual Task<Result<std::unique_ptr<ObjectWriter>>> create(ObjectKey key) = 0;

  // At most `length` bytes from `offset`; fewer only at the object's end. not_found when absent.
  virtual Task<Result<Bytes>> read(ObjectKey key, std::uint64_t offset, std::size_t length) = 0;

  // For people: "/home/ann/lake" or "s3://bucket/prefix". Holds no secret.
  virtual std::string name() const = 0;
};

}  // namespace betedge::ports
