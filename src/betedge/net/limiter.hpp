#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>

#include "betedge/ports/async.hpp"

namespace betedge::net {

// At most `limit` at once, first come first served but for who is let before; the vendor's limit is
// account-wide, so there is one for the process. Loop thread only. Adjustable live: a lower limit
// takes effect as slots are given back.
//
// What is allowed just now may be less: half of it, at least 1, after an upstream that throttled us
// or was silent (back_off), and one more after as many calls in a row went well as are allowed,
// until it is the limit again. Additive increase, multiplicative decrease, as TCP's. What is heard
// of calls that were under way at a decrease counts neither way: they were sent before it.
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
  // Whether one waits behind all others, or before them: for what has had an answer already, which
  // is lost when the next is not to be had.
  enum class Turn : std::uint8_t { last, first };
  // `cancelled` when stop is asked for before a slot is free.
  Task<Result<Slot>> acquire(std::stop_token stop, Turn turn = Turn::last);
  // Whoever sets it begins anew: all of it is allowed.
  void set_limit(std::size_t limit);
  std::size_t limit() const { return limit_; }
  std::size_t allowed() const { return allowed_; }
  // Nobody is let in any more, until go_on(); who is inside stays.
  void hold() { held_ = true; }
  void go_on();
  // How a call ended, once each.
  void back_off();
  void went_well();
  std::size_t in_use() const { return in_use_; }
  std::size_t waiting() const { return waiters_.size(); }

 private:
  struct Waiter;
  void release();
  bool has_room() const { return !held_ && in_use_ < allowed_; }
  // Hands free places to those who wait, in the order of their coming: nobody who comes later can
  // take a place between its being freed and the waiter's resumption.
  void hand_out();

  Runtime& runtime_;
  std::size_t limit_;
  std::size_t allowed_;
  bool held_ = false;
  std::size_t sent_before_ = 0;    // calls that were under way at the last decrease
  std::size_t well_in_a_row_ = 0;  // since the last change
  std::size_t in_use_ = 0;
  std::list<Waiter*> waiters_;
};

}  // namespace betedge::net
