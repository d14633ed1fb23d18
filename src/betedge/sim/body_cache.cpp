#include "betedge/sim/body_cache.hpp"

#include <utility>

namespace betedge::sim {

Task<Result<BodyCache::Body>> BodyCache::get(std::string key, Make make) {
  if (const auto found = kept_.find(key); found != kept_.end()) {
    recent_.splice(recent_.begin(), recent_, found->second.place);
    co_return found->second.body;
  }
  if (const auto found = rendering_.find(key); found != rendering_.end()) {
    const auto entry = found->second;
    while (!entry->result) co_await entry->done.wait();
    co_return *entry->result;
  }
  const auto entry = std::make_shared<Entry>(runtime_);
  rendering_.emplace(key, entry);
  auto rendering = co_await run_blocking(runtime_, Pool::cpu, std::move(make));
  rendering_.erase(key);
  ++rendered_;
  if (rendering) {
    entry->result = std::make_shared<const Rendered>(*std::move(rendering));
    keep(key, **entry->result);
  } else {
    entry->result = std::unexpected(std::move(rendering).error());
  }
  entry->done.notify_all();
  co_return *entry->result;
}

void BodyCache::keep(const std::string& key, Body body) {
  recent_.push_front(key);
  bytes_ += body->memory.reserved();
  kept_.emplace(key, Kept{std::move(body), recent_.begin()});
  while (bytes_ > limit_bytes_ && recent_.size() > 1) {
    const auto oldest = kept_.find(recent_.back());
    bytes_ -= oldest->second.body->memory.reserved();
    kept_.erase(oldest);
    recent_.pop_back();
  }
}

}  // namespace betedge::sim
