#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <exception>
#include <map>
#include <memory>
#include <random>
#include <utility>

#include "betedge/ports/runtime.hpp"
#include "betedge/ports/task.hpp"

namespace betedge::testing {

// A world in one thread, whose clock jumps from one event to the next and whose chance comes from a
// seed: the same seed gives the same run, step by step.
//
// post() is first in, first out, at the present moment. post_blocking() runs its work on this same
// thread at a moment drawn from the seed, up to blocking_delay_limit() from now, so two pieces of
// work may end in either order. after() runs by virtual time; what is due at one moment runs in the
// order in which it was asked for.
class VirtualRuntime final : public Runtime {
 public:
  explicit VirtualRuntime(std::uint64_t seed);
  VirtualRuntime(const VirtualRuntime&) = delete;
  VirtualRuntime& operator=(const VirtualRuntime&) = delete;
  ~VirtualRuntime() override;

  void post(Work work) override;
  void post_blocking(Pool pool, Work work) override;
  std::unique_ptr<Timer> after(std::chrono::nanoseconds delay, Work work) override;
  SteadyTime steady_now() const override { return now_; }
  Timestamp wall_now() const override;
  std::uint64_t random_bits() override { return chance_(); }

  // Runs the task to its end, then what is posted and blocking still, so that nothing of it is left
  // but timers. An exception of the task comes out here. Throws std::logic_error when nothing is
  // left to happen and the task has not ended (a deadlock), when advance_limit() is passed, and
  // when ten million steps go by at one moment (a livelock); the task's frames are then lost.
  // May be called again; virtual time goes on.
  void run(Task<void> task);

  // The same in pieces, for a test that looks, or pulls the plug, in between: start the task, then
  // call step() as long as it is wanted. Several may be started.
  void start(Task<void> task);
  // Lets the next thing happen; false when there is nothing left. Rethrows what a started task
  // threw.
  bool step();
  // Every started task has ended.
  bool idle() const { return tasks_running_ == 0; }

  // How far virtual time may get from the beginning; 400 days unless told.
  void advance_limit(std::chrono::nanoseconds limit) { time_limit_ = SteadyTime(limit); }
  // What wall_now() says at the beginning of virtual time; 2025-06-02T13:30:00Z unless told.
  void set_wall_start(Timestamp start) { wall_start_ = start; }
  // The longest that blocking work takes; 2 ms unless told.
  void blocking_delay_limit(std::chrono::nanoseconds limit) { blocking_delay_limit_ = limit; }
  std::uint64_t steps_made() const { return steps_made_; }

 private:
  struct Driver;
  class PendingTimer;
  // Due time, then the order of asking.
  using Moment = std::pair<SteadyTime, std::uint64_t>;
  struct Event {
    Work work;
    bool is_blocking_work = false;
  };

  static Driver drive(VirtualRuntime& runtime, Task<void> task);
  Moment schedule(SteadyTime due, Event event);
  [[noreturn]] void give_up(const char* why) const;

  SteadyTime now_{};
  SteadyTime time_limit_{std::chrono::days{400}};
  Timestamp wall_start_;
  std::chrono::nanoseconds blocking_delay_limit_ = std::chrono::milliseconds{2};
  std::mt19937_64 chance_;    // what the code under test draws
  std::mt19937_64 schedule_;  // what decides the order of the world
  std::deque<Work> ready_;
  std::map<Moment, Event> events_;
  std::uint64_t asked_ = 0;
  std::uint64_t steps_made_ = 0;
  std::uint64_t steps_at_this_moment_ = 0;
  std::size_t blocking_works_ = 0;
  std::size_t tasks_running_ = 0;
  std::exception_ptr failure_;
};

}  // namespace betedge::testing
