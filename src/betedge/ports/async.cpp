#include "betedge/ports/async.hpp"

#include <cassert>
#include <cstdio>
#include <cstdlib>

namespace betedge::ports {

// Lives in the frame of the coroutine that waits. Whatever comes first (notify, timer, stop) takes
// it off the list and posts its resumption; the others then find `woken` set.
struct Notify::Waiter {
  Notify& notify;
  std::stop_token stop;
  std::optional<SteadyTime> until;
  std::coroutine_handle<> caller;
  std::list<Waiter*>::iterator place;
  std::optional<Woken> woken;
  std::unique_ptr<Timer> timer;
  struct OnStop {
    Waiter& waiter;
    void operator()() const { waiter.wake(Woken::stopped); }
  };
  std::optional<std::stop_callback<OnStop>> on_stop;

  bool await_ready() {
    if (notify.pending_) {
      notify.pending_ = false;
      woken = Woken::notified;
    } else if (stop.stop_requested()) {
      woken = Woken::stopped;
    }
    return woken.has_value();
  }
  void await_suspend(std::coroutine_handle<> handle) {
    caller = handle;
    place = notify.waiters_.insert(notify.waiters_.end(), this);
    if (until) {
      const auto now = notify.runtime_.steady_now();
      const auto delay = *until > now ? *until - now : std::chrono::nanoseconds::zero();
      timer = notify.runtime_.after(delay, [this] { wake(Woken::timed_out); });
    }
    on_stop.emplace(stop, OnStop{*this});
  }
  Woken await_resume() const { return *woken; }

  void wake(Woken why) {
    if (woken) return;
    woken = why;
    notify.waiters_.erase(place);
    notify.runtime_.post([this] {
      timer.reset();
      caller.resume();
    });
  }
};

Notify::~Notify() {
  assert(waiters_.empty());
}

void Notify::notify_one() {
  if (waiters_.empty()) {
    pending_ = true;
  } else {
    waiters_.front()->wake(Woken::notified);
  }
}

void Notify::notify_all() {
  while (!waiters_.empty()) waiters_.front()->wake(Woken::notified);
}

Task<Woken> Notify::wait(std::stop_token stop, std::optional<SteadyTime> until) {
  Waiter waiter{*this, std::move(stop), until, {}, {}, {}, {}, {}};
  co_return co_await waiter;
}

Task<bool> sleep_for(Runtime& runtime, std::chrono::nanoseconds delay, std::stop_token stop) {
  Notify never(runtime);
  const auto woken = co_await never.wait(std::move(stop), runtime.steady_now() + delay);
  co_return woken == Woken::timed_out;
}

// The frame that owns a spawned task; it frees itself at its end.
struct TaskScope::Runner {
  struct promise_type {
    Runner get_return_object() const noexcept { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept {
      try {
        throw;
      } catch (const std::exception& error) {
        std::fprintf(stderr, "betedge: a background task threw: %s\n", error.what());
      } catch (...) {
        std::fprintf(stderr, "betedge: a background task threw\n");
      }
      std::abort();
    }
  };
};

TaskScope::TaskScope(Runtime& runtime) : empty_(runtime) {}

TaskScope::~TaskScope() {
  assert(running_ == 0);
}

void TaskScope::spawn(Task<void> task) {
  if (closed_) return;
  ++running_;
  run(*this, std::move(task));
}

TaskScope::Runner TaskScope::run(TaskScope& scope, Task<void> task) {
  {
    auto owned = std::move(task);
    co_await std::move(owned);
  }
  if (--scope.running_ == 0) scope.empty_.notify_all();
}

Task<void> TaskScope::close() {
  closed_ = true;
  stop_.request_stop();
  while (running_ != 0) co_await empty_.wait();
}

}  // namespace betedge::ports
