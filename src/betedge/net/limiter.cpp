#include "betedge/net/limiter.hpp"

#include <algorithm>

namespace betedge::net {

struct Limiter::Waiter {
  explicit Waiter(Runtime& runtime) : woken(runtime) {}
  Notify woken;
  bool has_place = false;
};

Limiter::Slot& Limiter::Slot::operator=(Slot&& other) noexcept {
  if (this != &other) {
    if (limiter_ != nullptr) limiter_->release();
    limiter_ = std::exchange(other.limiter_, nullptr);
  }
  return *this;
}

Limiter::Slot::~Slot() {
  if (limiter_ != nullptr) limiter_->release();
}

Limiter::Limiter(Runtime& runtime, std::size_t limit)
    : runtime_(runtime), limit_(limit), allowed_(limit) {}

Task<Result<Limiter::Slot>> Limiter::acquire(std::stop_token stop, Turn turn) {
  constexpr auto kStopped = "stopped while waiting for a free upstream slot";
  if (stop.stop_requested()) co_return fail(ErrorCode::cancelled, kStopped);
  if (waiters_.empty() && has_room()) {
    ++in_use_;
    co_return Slot(this);
  }
  Waiter waiter(runtime_);
  const auto place =
      waiters_.insert(turn == Turn::first ? waiters_.begin() : waiters_.end(), &waiter);
  const auto woken = co_await waiter.woken.wait(stop);
  if (!waiter.has_place) {
    waiters_.erase(place);
    co_return fail(ErrorCode::cancelled, kStopped);
  }
  Slot slot(this);
  if (woken == Woken::stopped) co_return fail(ErrorCode::cancelled, kStopped);
  co_return std::move(slot);
}

void Limiter::set_limit(std::size_t limit) {
  limit_ = allowed_ = limit;
  sent_before_ = well_in_a_row_ = 0;
  hand_out();
}

void Limiter::go_on() {
  held_ = false;
  hand_out();
}

void Limiter::back_off() {
  if (sent_before_ > 0) {
    --sent_before_;
    return;
  }
  allowed_ = std::max<std::size_t>(std::min(allowed_, limit_) / 2, 1);
  sent_before_ = in_use_;
  well_in_a_row_ = 0;
}

void Limiter::went_well() {
  if (sent_before_ > 0) {
    --sent_before_;
    return;
  }
  if (allowed_ >= limit_ || ++well_in_a_row_ < allowed_) return;
  ++allowed_;
  well_in_a_row_ = 0;
  hand_out();
}

void Limiter::release() {
  --in_use_;
  hand_out();
}

void Limiter::hand_out() {
  while (!waiters_.empty() && has_room()) {
    auto& waiter = *waiters_.front();
    waiters_.pop_front();
    ++in_use_;
    waiter.has_place = true;
    waiter.woken.notify_one();
  }
}

}  // namespace betedge::net
