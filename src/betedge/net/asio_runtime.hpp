#pragma once

#include <functional>
#include <memory>

#include "betedge/ports/runtime.hpp"

namespace betedge::net {

// The real threads, clocks and chance: an Asio loop on the thread that calls run(), a pool of
// `cpu_threads` and a pool for blocking I/O.
class AsioRuntime final : public Runtime {
 public:
  explicit AsioRuntime(unsigned cpu_threads = 0 /* as many as cores */, unsigned io_threads = 8);
  ~AsioRuntime() override;

  void post(Work work) override;
  void post_blocking(Pool pool, Work work) override;
  std::unique_ptr<Timer> after(std::chrono::nanoseconds delay, Work work) override;
  SteadyTime steady_now() const override;
  Timestamp wall_now() const override;
  std::uint64_t random_bits() override;

  // Runs the task on this thread, which becomes the loop's, and returns when it has ended and
  // nothing is left to do in the pools. An exception of the task comes out here.
  void run(Task<void> task);

  // Calls `on_signal(number)` on the loop's thread for SIGTERM, SIGINT and SIGHUP, until run()
  // ends.
  void handle_signals(std::function<void(int)> on_signal);

  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace betedge::net
