#include "betedge/sinks/memory_store.hpp"

#include <algorithm>

#include "betedge/ports/async.hpp"

namespace betedge::sinks {

class MemoryStore::Writer final : public ObjectWriter {
 public:
  Writer(MemoryStore& store, ObjectKey key) : store_(store), key_(std::move(key)) {
    ++store_.open_writers_;
  }
  ~Writer() override { leave(); }

  Task<Result<void>> write(Bytes bytes) override {
    auto fate = co_await store_.meet(Step::write, key_);
    if (fate.failure) {
      failure_ = *fate.failure;
      co_return std::unexpected(*std::move(fate.failure));
    }
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    co_return Result<void>{};
  }

  Task<Result<void>> commit() override {
    if (!open_) co_return fail(ErrorCode::internal, key_.text() + " is committed twice");
    if (failure_) co_return std::unexpected(*failure_);
    auto fate = co_await store_.meet(Step::commit, key_);
    leave();
    if (!fate.failure || fate.done_all_the_same) store_.put(key_, std::move(bytes_));
    if (fate.failure) co_return std::unexpected(*std::move(fate.failure));
    co_return Result<void>{};
  }

 private:
  void leave() {
    if (open_) --store_.open_writers_;
    open_ = false;
  }

  MemoryStore& store_;
  ObjectKey key_;
  Bytes bytes_;
  bool open_ = true;
  std::optional<Error> failure_;
};

MemoryStore::MemoryStore(Runtime& runtime, Hook hook) : runtime_(runtime), hook_(std::move(hook)) {}

Task<MemoryStore::Fate> MemoryStore::meet(Step step, ObjectKey key) {
  auto fate = hook_ ? hook_(step, key) : Fate{};
  if (fate.delay > std::chrono::nanoseconds::zero()) co_await sleep_for(runtime_, fate.delay);
  co_return fate;
}

Task<Result<std::optional<ObjectInfo>>> MemoryStore::stat(ObjectKey key) {
  auto fate = co_await meet(Step::stat, key);
  if (fate.failure) co_return std::unexpected(*std::move(fate.failure));
  const auto found = objects_.find(key);
  if (found == objects_.end()) co_return std::optional<ObjectInfo>{};
  co_return std::optional(ObjectInfo{found->second.bytes->size(), found->second.modified_at});
}

Task<Result<std::unique_ptr<ObjectWriter>>> MemoryStore::create(ObjectKey key) {
  auto fate = co_await meet(Step::create, key);
  if (fate.failure) co_return std::unexpected(*std::move(fate.failure));
  std::unique_ptr<ObjectWriter> writer = std::make_unique<Writer>(*this, std::move(key));
  co_return writer;
}

Task<Result<Bytes>> MemoryStore::read(ObjectKey key, std::uint64_t offset, std::size_t length) {
  auto fate = co_await meet(Step::read, key);
  if (fate.failure) co_return std::unexpected(*std::move(fate.failure));
  const auto found = objects_.find(key);
  if (found == objects_.end()) {
    co_return fail(ErrorCode::not_found, "there is no " + key.text() + " in the lake");
  }
  const auto& bytes = *found->second.bytes;
  const auto from = std::min<std::uint64_t>(offset, bytes.size());
  const auto size = std::min<std::uint64_t>(length, bytes.size() - from);
  const auto first = bytes.begin() + static_cast<std::ptrdiff_t>(from);
  co_return Bytes(first, first + static_cast<std::ptrdiff_t>(size));
}

std::vector<ObjectKey> MemoryStore::keys() const {
  std::vector<ObjectKey> keys;
  keys.reserve(objects_.size());
  for (const auto& [key, object] : objects_) keys.push_back(key);
  return keys;
}

std::shared_ptr<const Bytes> MemoryStore::find(const ObjectKey& key) const {
  const auto found = objects_.find(key);
  return found == objects_.end() ? nullptr : found->second.bytes;
}

void MemoryStore::put(const ObjectKey& key, Bytes bytes) {
  objects_.insert_or_assign(
      key, Object{std::make_shared<const Bytes>(std::move(bytes)), runtime_.wall_now()});
}

void MemoryStore::erase(const ObjectKey& key) {
  objects_.erase(key);
}

}  // namespace betedge::sinks
