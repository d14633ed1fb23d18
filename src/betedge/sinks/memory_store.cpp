#include "betedge/sinks/memory_store.hpp"

#include <algorithm>

#include "betedge/ports/async.hpp"

namespace betedge::sinks {

class MemoryStore::Writer final : public ObjectWriter {
 public:
  Writer(MemoryStore& store, ObjectKey key, Expected expected)
      : store_(store), key_(std::move(key)), expected_(std::move(expected)) {
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
    if (!fate.failure || fate.done_all_the_same) BETEDGE_CO_TRY_VOID(store_.check(key_, expected_));
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
  Expected expected_;
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
  co_return std::optional(found->second.info());
}

Task<Result<std::unique_ptr<ObjectWriter>>> MemoryStore::create(ObjectKey key, Expected expected) {
  auto fate = co_await meet(Step::create, key);
  if (fate.failure) co_return std::unexpected(*std::move(fate.failure));
  std::unique_ptr<ObjectWriter> writer =
      std::make_unique<Writer>(*this, std::move(key), std::move(expected));
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

Task<Result<ObjectPage>> MemoryStore::list(std::string prefix, std::string after,
                                           std::size_t limit) {
  auto fate = co_await meet(Step::list, ObjectKey::parse("list").value());
  if (fate.failure) co_return std::unexpected(*std::move(fate.failure));
  ObjectPage page;
  for (const auto& [key, object] : objects_) {
    if (!key.text().starts_with(prefix) || key.text() <= after) continue;
    if (page.objects.size() == limit) {
      page.next_after = page.objects.back().key.text();
      break;
    }
    page.objects.push_back({key, object.info()});
  }
  co_return page;
}

ObjectInfo MemoryStore::Object::info() const {
  return {.size_bytes = bytes->size(), .modified_at = modified_at, .etag = std::to_string(number)};
}

Result<void> MemoryStore::check(const ObjectKey& key, const Expected& expected) const {
  const auto found = objects_.find(key);
  const bool is_there = found != objects_.end();
  const bool is_as_expected = expected.what == Expected::What::anything ||
                              (expected.what == Expected::What::nothing && !is_there) ||
                              (expected.what == Expected::What::this_one && is_there &&
                               found->second.info().etag == expected.etag);
  if (is_as_expected) return {};
  return fail(ErrorCode::fenced, key.text() + " was written by somebody else meanwhile");
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
      key, Object{std::make_shared<const Bytes>(std::move(bytes)), runtime_.wall_now(), ++writes_});
}

void MemoryStore::erase(const ObjectKey& key) {
  objects_.erase(key);
}

}  // namespace betedge::sinks
