#include "betedge/engine/memory_budget.hpp"

namespace betedge::engine {

MemoryBudget::MemoryBudget(Runtime& runtime, std::size_t budget_bytes)
    : budget_(budget_bytes), changed_(runtime) {}

MemoryBudget::Share::Share(MemoryBudget& budget)
    : budget_(budget), place_(budget.shares_.insert(budget.shares_.end(), this)) {}

MemoryBudget::Share::~Share() {
  budget_.in_use_ -= bytes_;
  budget_.shares_.erase(place_);
  budget_.changed_.notify_all();
}

void MemoryBudget::Share::holds(std::size_t bytes) {
  const bool is_less = bytes < bytes_;
  budget_.in_use_ = budget_.in_use_ - bytes_ + bytes;
  bytes_ = bytes;
  if (is_less) budget_.changed_.notify_all();
}

Task<bool> MemoryBudget::Share::admit(std::stop_token stop) {
  while (budget_.in_use_ > budget_.budget_ && budget_.shares_.front() != this) {
    const auto woken = co_await budget_.changed_.wait(stop);
    if (woken == Woken::stopped) co_return false;
  }
  co_return true;
}

}  // namespace betedge::engine
