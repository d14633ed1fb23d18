#pragma once

#include <cstddef>
#include <list>
#include <memory>

#include "betedge/ports/async.hpp"

namespace betedge::net {

// At most `limit` at once, first come first served; the vendor's limit is account-wide, so there is
// one for the process. Loop thread only. Adjustable live: a lower limit takes effect as slots are
// given back.
class Limiter {
 public:
  class Slot {  // gives its place back when dropped
   public:
    Slot() = default;
    explicit Slot(Limiter* limiter) : limiter_(limiter) {}
    Slot(Slot&& other) noexcept : limiter_(std::exchange(other.limiter_, nullptr)) {}
    Slot& operator=(Slot&& other) noexcept;
    ~Slot();

   private:
    Limiter* limiter_ = nullptr;
  };

  Limiter(Runtime& runtime, std::size_t limit);
  // `cancelled` when stop is asked for before a slot is free.
  Task<Result<Slot>> acquire(std::stop_token stop);
  void set_limit(std::size_t limit);
  std::size_t limit() const { return limit_; }
  std::size_t in_use() const { return in_use_; }
  std::size_t waiting() const { return waiters_.size(); }

 private:
  struct Waiter;
  void release();
  // Hands free places to those who wait, in the order of their coming: nobody who comes later can
  // take a place between its being freed and the waiter's resumption.
  void hand_out();

  Runtime& runtime_;
  std::size_t limit_;
  std::size_t in_use_ = 0;
  std::list<Waiter*> waiters_;
};

}  // namespace betedge::net
