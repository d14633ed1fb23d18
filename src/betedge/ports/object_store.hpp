#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "betedge/core/dates.hpp"
#include "betedge/core/object_key.hpp"
#include "betedge/ports/bytes.hpp"
#include "betedge/ports/task.hpp"

namespace betedge::ports {

struct ObjectInfo {
  std::uint64_t size_bytes = 0;
  Timestamp modified_at{};
  // Another one when other bytes are written; opaque. Quotes are not part of it.
  std::string etag{};
};

// What must lie under a key when an object is published there.
struct Expected {
  enum class What : std::uint8_t { anything, nothing, this_one };
  What what = What::anything;
  std::string etag{};  // of this_one

  // What stat() found, as the thing to be replaced.
  static Expected as_found(const std::optional<ObjectInfo>& found) {
    return found ? Expected{What::this_one, found->etag} : Expected{What::nothing, {}};
  }
};

struct ObjectEntry {
  ObjectKey key;
  ObjectInfo info;
};

// Part of what lies in a lake, in the byte order of the keys.
struct ObjectPage {
  std::vector<ObjectEntry> objects;
  // The key to go on after; nullopt at the end. A page may be short, even empty, and go on.
  std::optional<std::string> next_after;
};

// An object being written; invisible until commit(). Dropping it leaves the store unchanged. Used
// by one coroutine at a time.
class ObjectWriter {
 public:
  virtual ~ObjectWriter() = default;
  virtual Task<Result<void>> write(Bytes bytes) = 0;
  // Publishes the whole object, replacing one that is there, durably: after the answer it survives
  // a power loss. `fenced` when what lies there is not what was expected: somebody else has been
  // there. After another error it is not visible unless the message says that it may be. Once only.
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

  // `expected` is looked at when the object is published, in one step with it where
  // publishes_conditionally(), and else just before.
  virtual Task<Result<std::unique_ptr<ObjectWriter>>> create(ObjectKey key,
                                                             Expected expected = {}) = 0;

  // At most `length` bytes from `offset`; fewer only at the object's end. not_found when absent.
  virtual Task<Result<Bytes>> read(ObjectKey key, std::uint64_t offset, std::size_t length) = 0;

  // At most `limit` (1 to 1000) of the objects whose key begins with `prefix` and is behind `after`
  // in byte order; empty texts for all. What lies there under a name that is no object key is left
  // out, as is what the store itself needs.
  virtual Task<Result<ObjectPage>> list(std::string prefix, std::string after,
                                        std::size_t limit) = 0;

  // Whether nobody can come between the look at what is expected and the publish.
  virtual bool publishes_conditionally() const = 0;

  // For people: "/home/ann/lake" or "s3://bucket/prefix". Holds no secret.
  virtual std::string name() const = 0;
};

}  // namespace betedge::ports
