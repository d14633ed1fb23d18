#pragma once

#include <deque>
#include <optional>
#include <string>

#include "betedge/ports/job_store.hpp"
#include "betedge/ports/object_store.hpp"

namespace betedge::engine {

// All that there is to say of one key; at least one of it is there.
struct LakeEntry {
  ObjectKey key;
  std::optional<ObjectInfo> found;  // what lies in the lake
  std::optional<ObjectRecord> recorded;
  std::optional<FailureRecord> failure;
};

// Goes through the lake and through what the store knows of it at the same time, in the byte order
// of the keys: those that begin with `prefix` and are behind `after`. Holds a page of each and no
// more. What changes meanwhile may be seen or not. Used by one coroutine at a time; lake and store
// outlive it.
class LakeWalk {
 public:
  // `page`: how many keys to ask for at a time, 1 to 1000.
  LakeWalk(JobStore& jobs, ObjectStore& lake, std::string prefix, std::string after = {},
           std::size_t page = 1000);

  // nullopt at the end. After an error it may be asked again.
  Task<Result<std::optional<LakeEntry>>> next();

 private:
  // Keys that have come and not been gone through; where to go on, nullopt when that was all.
  template <class Entry>
  struct Side {
    std::deque<Entry> entries{};
    std::optional<std::string> after;
  };
  Task<Result<void>> fill_up();

  JobStore& jobs_;
  ObjectStore& lake_;
  std::string prefix_;
  std::size_t page_;
  Side<ObjectEntry> found_;
  Side<KnownKey> known_;
};

}  // namespace betedge::engine
