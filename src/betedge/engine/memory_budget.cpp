#include "betedge/engine/memory_budget.hpp"

namespace betedge::engine {

MemoryBudget::MemoryBudget(Runtime& runtime, std::size_t budget_bytes)
    : budget_(budget_bytes), changed_(runtime) {}

MemoryBudget::Share::Share(MemoryBudget& budget)
    : budget_(budget), place_(budget.shares_.insert(budget.shares_.end(), this)) {}

MemoryBudget::Share::~Share() {
  budget_.exchange(held_, {});
  budget_.shares_.erase(place_);
  budget_.changed_.notify_all();
}

void MemoryBudget::exchange(const Held& before, const Held& after) {
  in_use_.download += after.download - before.download;
  in_use_.decode += after.decode - before.decode;
  in_use_.encode += after.encode - before.encode;
}

void MemoryBudget::Share::holds(Held held) {
  const bool is_less = held.all() < held_.all();
  budget_.exchange(held_, held);
  held_ = held;
  if (is_less) budget_.changed_.notify_all();
}

Task<bool> MemoryBudget::Share::admit(std::stop_token stop) {
  while (budget_.in_use_.all() > budget_.budget_ && budget_.shares_.front() != this) {
    const auto woken = co_await budget_.changed_.wait(stop);
    if (woken == Woken::stopped) co_return false;
  }
  co_return true;
}

}  // namespace betedge::engine
