#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "betedge/ports/object_store.hpp"
#include "betedge/ports/runtime.hpp"

namespace betedge::sinks {

// A lake in memory, for tests and simulations: it outlives the engines that are started and crashed
// upon it, and any of its steps can be delayed or made to fail. Loop thread only.
class MemoryStore final : public ObjectStore {
 public:
  enum class Step : std::uint8_t { stat, create, write, commit, read, list };

  // What happens to a step: it waits, then fails or is done. With `done_all_the_same` a failing
  // step has its effect before it fails, as when only the answer is lost.
  struct Fate {
    std::chrono::nanoseconds delay{0};
    std::optional<Error> failure;
    bool done_all_the_same = false;
  };
  // A listing has no key of its own: "list".
  using Hook = std::function<Fate(Step step, const ObjectKey& key)>;

  explicit MemoryStore(Runtime& runtime, Hook hook = {});

  // Takes effect with the next step.
  void set_hook(Hook hook) { hook_ = std::move(hook); }

  Task<Result<std::optional<ObjectInfo>>> stat(ObjectKey key) override;
  Task<Result<std::unique_ptr<ObjectWriter>>> create(ObjectKey key, Expected expected) override;
  Task<Result<Bytes>> read(ObjectKey key, std::uint64_t offset, std::size_t length) override;
  Task<Result<ObjectPage>> list(std::string prefix, std::string after, std::size_t limit) override;
  bool publishes_conditionally() const override { return true; }
  std::string name() const override { return "memory"; }

  // For whoever checks afterwards: the keys in their order, and an object's bytes (nullptr:
  // absent).
  std::vector<ObjectKey> keys() const;
  std::shared_ptr<const Bytes> find(const ObjectKey& key) const;
  // Puts an object there, or takes one away, without the hook.
  void put(const ObjectKey& key, Bytes bytes);
  void erase(const ObjectKey& key);
  // Writers that are neither committed nor dropped.
  std::size_t open_writers() const { return open_writers_; }

 private:
  class Writer;
  struct Object {
    std::shared_ptr<const Bytes> bytes;
    Timestamp modified_at;
    std::uint64_t number = 0;  // of the write; its etag

    ObjectInfo info() const;
  };
  Result<void> check(const ObjectKey& key, const Expected& expected) const;
  // Waits as the hook says; what it decided comes back.
  Task<Fate> meet(Step step, ObjectKey key);

  Runtime& runtime_;
  Hook hook_;
  std::map<ObjectKey, Object> objects_;
  std::size_t open_writers_ = 0;
  std::uint64_t writes_ = 0;
};

}  // namespace betedge::sinks
