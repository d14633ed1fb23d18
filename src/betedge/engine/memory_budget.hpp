#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <stop_token>

#include "betedge/ports/async.hpp"

namespace betedge::engine {

// Bytes in flight of all fetches together: downloaded, decoded, being encoded. A fetch that wants
// more waits while the sum is over the budget, unless it is the oldest one running: that one always
// goes on, so that the budget can be overdrawn by one fetch's working set but never stands still.
// Loop thread only.
class MemoryBudget {
 public:
  MemoryBudget(Runtime& runtime, std::size_t budget_bytes);

  // One fetch's share; gives everything back when dropped.
  class Share {
   public:
    explicit Share(MemoryBudget& budget);
    ~Share();
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;

    // This fetch holds so many bytes now; never waits.
    void holds(std::size_t bytes);
    // Waits until this fetch may take more; false when stop was asked for first.
    Task<bool> admit(std::stop_token stop);

   private:
    MemoryBudget& budget_;
    std::list<Share*>::iterator place_;
    std::size_t bytes_ = 0;
  };

  std::size_t in_use_bytes() const { return in_use_; }
  std::size_t budget_bytes() const { return budget_; }

 private:
  std::size_t budget_;
  std::size_t in_use_ = 0;
  std::list<Share*> shares_;  // oldest first
  Notify changed_;
};

}  // namespace betedge::engine
