#include "support/virtual_runtime.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace betedge::testing {

namespace {
constexpr std::uint64_t kLivelockSteps = 10'000'000;
}  // namespace

// Owns a started task; frees itself at its end.
struct VirtualRuntime::Driver {
  struct promise_type {
    Driver get_return_object() const noexcept { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { std::terminate(); }
  };
};

class VirtualRuntime::PendingTimer final : public Timer {
 public:
  PendingTimer(VirtualRuntime& runtime, Moment moment) : runtime_(runtime), moment_(moment) {}
  PendingTimer(const PendingTimer&) = delete;
  PendingTimer& operator=(const PendingTimer&) = delete;
  ~PendingTimer() override { runtime_.events_.erase(moment_); }

 private:
  VirtualRuntime& runtime_;
  Moment moment_;
};

VirtualRuntime::VirtualRuntime(std::uint64_t seed)
    : wall_start_(std::chrono::sys_days{std::chrono::year{2025} / 6 / 2} +
                  std::chrono::minutes{13 * 60 + 30}),
      chance_(seed),
      schedule_(seed ^ 0x9e3779b97f4a7c15ULL) {}

VirtualRuntime::~VirtualRuntime() = default;

void VirtualRuntime::post(Work work) {
  ready_.push_back(std::move(work));
}

void VirtualRuntime::post_blocking(Pool /*pool*/, Work work) {
  ++blocking_works_;
  const auto range = static_cast<std::uint64_t>(blocking_delay_limit_.count()) + 1;
  const std::chrono::nanoseconds delay{static_cast<std::int64_t>(schedule_() % range)};
  schedule(now_ + delay, {std::move(work), true});
}

std::unique_ptr<Timer> VirtualRuntime::after(std::chrono::nanoseconds delay, Work work) {
  const auto due = now_ + std::max(delay, std::chrono::nanoseconds::zero());
  return std::make_unique<PendingTimer>(*this, schedule(due, {std::move(work), false}));
}

Timestamp VirtualRuntime::wall_now() const {
  return wall_start_ +
         std::chrono::duration_cast<std::chrono::microseconds>(now_.time_since_epoch());
}

VirtualRuntime::Moment VirtualRuntime::schedule(SteadyTime due, Event event) {
  const Moment moment{due, asked_++};
  events_.emplace(moment, std::move(event));
  return moment;
}

VirtualRuntime::Driver VirtualRuntime::drive(VirtualRuntime& runtime, Task<void> task) {
  try {
    auto owned = std::move(task);
    co_await std::move(owned);
  } catch (...) {
    if (!runtime.failure_) runtime.failure_ = std::current_exception();
  }
  --runtime.tasks_running_;
}

void VirtualRuntime::start(Task<void> task) {
  ++tasks_running_;
  drive(*this, std::move(task));
}

bool VirtualRuntime::step() {
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  Work work;
  if (!ready_.empty()) {
    work = std::move(ready_.front());
    ready_.pop_front();
  } else if (!events_.empty()) {
    auto next = events_.extract(events_.begin());
    const auto due = next.key().first;
    if (due > time_limit_) give_up("virtual time went past its limit");
    if (due > now_) {
      now_ = due;
      steps_at_this_moment_ = 0;
    }
    if (next.mapped().is_blocking_work) --blocking_works_;
    work = std::move(next.mapped().work);
  } else {
    return false;
  }
  ++steps_made_;
  if (++steps_at_this_moment_ > kLivelockSteps) give_up("time stands still (a livelock)");
  work();
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  return true;
}

void VirtualRuntime::run(Task<void> task) {
  start(std::move(task));
  while (tasks_running_ != 0) {
    if (!step()) give_up("nothing is left to happen and the task still waits (a deadlock)");
  }
  while (!ready_.empty() || blocking_works_ != 0) step();
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void VirtualRuntime::give_up(const char* why) const {
  const auto at = std::chrono::duration_cast<std::chrono::milliseconds>(now_.time_since_epoch());
  throw std::logic_error(std::string(why) + ", " + std::to_string(at.count()) +
                         " ms of virtual time and " + std::to_string(steps_made_) +
                         " steps from the beginning");
}

}  // namespace betedge::testing
