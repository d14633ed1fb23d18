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

  // Where bytes are on their way: received and not decoded yet; columns in the making, with input
  // that is kept for them; bytes of a file on their way to the lake.
  struct Held {
    std::size_t download = 0;
    std::size_t decode = 0;
    std::size_t encode = 0;
    std::size_t all() const { return download + decode + encode; }
  };

  // One fetch's share; gives everything back when dropped.
  class Share {
   public:
    explicit Share(MemoryBudget& budget);
    ~Share();
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;

    // This fetch holds so many bytes now; never waits.
    void holds(Held held);
    // Waits until this fetch may take more; false when stop was asked for first.
    Task<bool> admit(std::stop_token stop);

   private:
    MemoryBudget& budget_;
    std::list<Share*>::iterator place_;
    Held held_;
  };

  Held in_use() const { return in_use_; }
  std::size_t in_use_bytes() const { return in_use_.all(); }
  std::size_t budget_bytes() const { return budget_; }

 private:
  void exchange(const Held& before, const Held& after);

  std::size_t budget_;
  Held in_use_;
  std::list<Share*> shares_;  // oldest first
  Notify changed_;
};

}  // namespace betedge::engine
