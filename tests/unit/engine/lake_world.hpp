#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "betedge/jobs/sqlite_store.hpp"
#include "betedge/sinks/memory_store.hpp"
#include "support/interposed_store.hpp"
#include "support/virtual_runtime.hpp"

namespace betedge::engine::testing {

// A job store that knows of objects what a test says.
class KnowingStore final : public betedge::testing::InterposedStore {
 public:
  using InterposedStore::InterposedStore;
  std::map<ObjectKey, KnownKey> known;
  std::vector<ObjectRecord> recorded;  // by record_object, in order
  std::size_t scans = 0;               // pages that were asked for
  std::optional<Error> failure;        // of each scan

  void knows(ObjectRecord object) {
    const auto key = object.key;
    known.insert_or_assign(key, KnownKey{key, std::move(object), {}});
  }
  void failed(const ObjectKey& key, std::string error) {
    known.insert_or_assign(key, KnownKey{key, {}, FailureRecord{std::move(error), {}}});
  }

  Task<Result<KnownKeyPage>> list_known(std::string prefix, std::string after,
                                        std::size_t limit) override {
    ++scans;
    if (failure) co_return std::unexpected(*failure);
    KnownKeyPage page;
    for (const auto& [key, what] : known) {
      if (!key.text().starts_with(prefix) || key.text() <= after) continue;
      if (page.keys.size() == limit) {
        page.next_after = page.keys.back().key.text();
        break;
      }
      page.keys.push_back(what);
    }
    co_return page;
  }
  Task<Result<std::optional<ObjectRecord>>> find_object(ObjectKey key) override {
    const auto found = known.find(key);
    co_return found == known.end() ? std::nullopt : found->second.object;
  }
  Task<Result<void>> record_object(ObjectRecord object) override {
    recorded.push_back(object);
    knows(std::move(object));
    co_return Result<void>{};
  }
};

// A lake, and what is known of it.
struct LakeWorld {
  betedge::testing::VirtualRuntime runtime{7};
  std::unique_ptr<JobStore> file = *jobs::open_sqlite_store(runtime, ":memory:");
  KnowingStore jobs{*file};
  sinks::MemoryStore lake{runtime};

  template <class T>
  static Task<void> take(Task<T> task, std::optional<T>& value) {
    value.emplace(co_await std::move(task));
  }
  template <class T>
  T get(Task<T> task) {
    std::optional<T> value;
    runtime.run(take(std::move(task), value));
    return *std::move(value);
  }

  static ObjectKey key(std::string_view text) { return ObjectKey::parse(text).value(); }
  void put(std::string_view name, std::string_view bytes = "x") {
    const auto view = as_bytes(bytes);
    lake.put(key(name), Bytes(view.begin(), view.end()));
  }
};

}  // namespace betedge::engine::testing
