#pragma once

#include <chrono>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "betedge/core/dates.hpp"
#include "betedge/ports/task.hpp"

namespace betedge::ports {

// Time that only goes forward, for waiting and for deadlines.
using SteadyTime = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;

// Where blocking work goes: `cpu` has about as many threads as the machine has cores (decoding,
// encoding); `io` may block for long (files, fsync, the job store).
enum class Pool : std::uint8_t { cpu, io };

// A pending call, cancelled when this is destroyed. Create, hold and drop it on the loop's thread.
class Timer {
 public:
  virtual ~Timer() = default;
};

// Threads, time and chance. There is one loop thread, on which all coroutines of betedge run, and
// two pools for work that blocks. A test puts a seeded world with a virtual clock in its place, in
// which everything happens in one thread and in an order that a seed decides.
class Runtime {
 public:
  using Work = std::move_only_function<void()>;
  virtual ~Runtime() = default;

  // Runs the work on the loop's thread, after what was posted before it. From any thread.
  virtual void post(Work work) = 0;

  // Runs the work on a thread of the pool. From any thread. The work must not throw.
  virtual void post_blocking(Pool pool, Work work) = 0;

  // Runs the work on the loop's thread once the delay has passed. From the loop's thread only.
  virtual std::unique_ptr<Timer> after(std::chrono::nanoseconds delay, Work work) = 0;

  virtual SteadyTime steady_now() const = 0;
  virtual Timestamp wall_now() const = 0;
  // Uniform 64 bits; from the loop's thread only.
  virtual std::uint64_t random_bits() = 0;
};

// Uniform in [0, 1).
inline double luck(Runtime& runtime) {
  return static_cast<double>(runtime.random_bits() >> 11) * 0x1.0p-53;
}

namespace detail {

template <class Function>
class BlockingAwaiter {
 public:
  using Value = std::invoke_result_t<Function&>;
  BlockingAwaiter(Runtime& runtime, Pool pool, Function function)
      : runtime_(runtime), pool_(pool), function_(std::move(function)) {}

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> caller) {
    runtime_.post_blocking(pool_, [this, caller] {
      try {
        if constexpr (std::is_void_v<Value>) {
          function_();
        } else {
          value_.emplace(function_());
        }
      } catch (...) {
        failure_ = std::current_exception();
      }
      runtime_.post([caller] { caller.resume(); });
    });
  }
  Value await_resume() {
    if (failure_) std::rethrow_exception(failure_);
    if constexpr (!std::is_void_v<Value>) return std::move(*value_);
  }

 private:
  Runtime& runtime_;
  Pool pool_;
  Function function_;
  std::conditional_t<std::is_void_v<Value>, char, std::optional<Value>> value_{};
  std::exception_ptr failure_;
};

}  // namespace detail

// Runs the function on a pool and goes on, with its value or its exception, on the loop's thread.
// Give it a named function object that was moved in (STYLE.md), which stays alive meanwhile.
template <class Function>
auto run_blocking(Runtime& runtime, Pool pool, Function function) {
  return detail::BlockingAwaiter<Function>(runtime, pool, std::move(function));
}

}  // namespace betedge::ports
