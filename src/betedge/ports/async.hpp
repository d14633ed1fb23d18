#pragma once

#include <chrono>
#include <coroutine>
#include <cstddef>
#include <list>
#include <memory>
#include <optional>
#include <stop_token>

#include "betedge/ports/runtime.hpp"
#include "betedge/ports/task.hpp"

// Waiting, and owning what waits. Everything here belongs to the loop's thread: create, await,
// notify and destroy there. request_stop() too is called there, so a stop callback runs there.
namespace betedge::ports {

enum class Woken : std::uint8_t { notified, timed_out, stopped };

// Something may have happened: look again. A notify with nobody waiting is remembered once.
class Notify {
 public:
  explicit Notify(Runtime& runtime) : runtime_(runtime) {}
  Notify(const Notify&) = delete;
  Notify& operator=(const Notify&) = delete;
  ~Notify();  // nobody waits any more

  // Wakes one waiter, or the next one to come.
  void notify_one();
  // Wakes everybody who waits now.
  void notify_all();

  // Until notified, until the time, or until stop is asked for, whichever is first.
  Task<Woken> wait(std::stop_token stop = {}, std::optional<SteadyTime> until = std::nullopt);

 private:
  struct Waiter;
  Runtime& runtime_;
  std::list<Waiter*> waiters_;
  bool pending_ = false;
};

// Sleeps; true when it slept the whole time, false when stop was asked for first.
Task<bool> sleep_for(Runtime& runtime, std::chrono::nanoseconds delay, std::stop_token stop = {});

// Holds coroutines that nobody awaits. Whoever has a TaskScope closes it in its own stop().
class TaskScope {
 public:
  explicit TaskScope(Runtime& runtime);
  TaskScope(const TaskScope&) = delete;
  TaskScope& operator=(const TaskScope&) = delete;
  ~TaskScope();  // must be closed or empty

  // Starts the task at once. A task must not let an exception out: that ends the process with its
  // text, since it is a broken invariant. After close() has begun, the task is dropped unstarted.
  void spawn(Task<void> task);

  std::size_t size() const { return running_; }

  // What the tasks should watch. Asked to stop by close().
  std::stop_token stop_token() const { return stop_.get_token(); }

  // No more in; asks all to stop; returns when they are gone. Call it once.
  Task<void> close();

 private:
  struct Runner;
  static Runner run(TaskScope& scope, Task<void> task);
  std::stop_source stop_;
  std::size_t running_ = 0;
  bool closed_ = false;
  Notify empty_;
};

}  // namespace betedge::ports
