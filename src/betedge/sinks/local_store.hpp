#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "betedge/ports/object_store.hpp"
#include "betedge/ports/runtime.hpp"
#include "betedge/sinks/disk.hpp"

namespace betedge::sinks {

// A lake that is a folder. An object is written into `.betedge-tmp` inside it, synced, renamed to
// its key, and the folders that changed are synced too: whole or not at all, whatever happens to
// the process or to the machine. A sync that fails fails the object; it is never asked again, since
// the system may have forgotten by then what it could not write.
//
// What is expected to lie there is looked at just before the rename. Of the writers of this store
// none comes in between, and no other server has the lake (its lock). Another program may: between
// the look and the rename, which are microseconds, or not at all when nothing is expected and the
// file system can rename so that nothing is replaced (Linux's can; some network file systems
// cannot).
//
// Nothing inside the lake leads out of it: keys are walked folder by folder, and a symbolic link on
// the way is storage_denied. (The lake's own folder may be a link; put a disk below it by
// mounting.) New folders are 0755 and files 0644, less the umask: who may read is decided at the
// lake's folder.
class LocalStore final : public ObjectStore {
 public:
  // Makes the folder (0700) if it is missing, takes its lock and removes what a crash left behind
  // of our own unfinished files. Blocks: call it before the loop runs. `conflict` when another
  // server has the lake.
  static Result<std::unique_ptr<LocalStore>> open(Runtime& runtime, std::filesystem::path root,
                                                  std::shared_ptr<Disk> disk = nullptr);
  ~LocalStore() override;

  Task<Result<std::optional<ObjectInfo>>> stat(ObjectKey key) override;
  Task<Result<std::unique_ptr<ObjectWriter>>> create(ObjectKey key, Expected expected) override;
  Task<Result<Bytes>> read(ObjectKey key, std::uint64_t offset, std::size_t length) override;
  Task<Result<ObjectPage>> list(std::string prefix, std::string after, std::size_t limit) override;
  bool publishes_conditionally() const override;  // false: see above
  std::string name() const override;

 private:
  struct Lake;
  class Writer;
  LocalStore(Runtime& runtime, std::shared_ptr<Lake> lake);

  Runtime& runtime_;
  // Shared with the writers: a dropped one still removes its file, on the pool, after the store may
  // have gone. The last one out gives the lock back.
  std::shared_ptr<Lake> lake_;
};

}  // namespace betedge::sinks
