#include "betedge/net/asio_runtime.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>

#include "betedge/ports/async.hpp"

namespace betedge::net {
namespace {

using namespace std::chrono_literals;

Task<void> nothing() {
  co_return;
}
Task<void> broken() {
  throw std::runtime_error("broken");
  co_return;
}

TEST(AsioRuntime, RunsATaskAndAnotherAfterIt) {
  AsioRuntime runtime(1, 1);
  runtime.run(nothing());
  EXPECT_THROW(runtime.run(broken()), std::runtime_error);
  runtime.run(nothing());
}

Task<void> hop(Runtime& runtime, std::set<std::thread::id>& loop, std::set<std::thread::id>& pool) {
  auto where = [] { return std::this_thread::get_id(); };
  for (int i = 0; i < 100; ++i) {
    pool.insert(co_await run_blocking(runtime, i % 2 == 0 ? Pool::cpu : Pool::io, where));
    loop.insert(std::this_thread::get_id());
  }
}

TEST(AsioRuntime, CoroutinesGoOnOnTheLoopsThreadAndBlockingWorkElsewhere) {
  AsioRuntime runtime(2, 2);
  std::set<std::thread::id> loop, pool;
  runtime.run(hop(runtime, loop, pool));
  EXPECT_EQ(loop, std::set{std::this_thread::get_id()});
  EXPECT_FALSE(pool.contains(std::this_thread::get_id()));
}

Task<void> leave_work(AsioRuntime& runtime, std::atomic<int>& done) {
  for (int i = 0; i < 20; ++i) {
    runtime.post_blocking(Pool::io, [&runtime, &done] {
      ++done;
      runtime.post([&runtime, &done] { runtime.post_blocking(Pool::cpu, [&done] { ++done; }); });
    });
  }
  co_return;
}

TEST(AsioRuntime, RunWaitsForTheWorkThatTheTaskLeftInThePools) {
  AsioRuntime runtime(2, 2);
  std::atomic<int> done = 0;
  runtime.run(leave_work(runtime, done));
  EXPECT_EQ(done, 40);
}

Task<void> time_it(AsioRuntime& runtime, std::string& order) {
  Notify end(runtime);
  const auto begin = runtime.steady_now();
  auto late = runtime.after(40ms, [&order, &end] {
    order += 'c';
    end.notify_one();
  });
  auto dropped = runtime.after(5ms, [&order] { order += 'x'; });
  auto early = runtime.after(10ms, [&order] { order += 'b'; });
  runtime.post([&order] { order += 'a'; });
  dropped.reset();
  co_await end.wait();
  EXPECT_GE(runtime.steady_now() - begin, 40ms);
}

TEST(AsioRuntime, TimersFireInTheirOrderAndDroppedOnesDoNot) {
  AsioRuntime runtime(1, 1);
  std::string order;
  runtime.run(time_it(runtime, order));
  EXPECT_EQ(order, "abc");
}

Task<void> wait_for_signal(AsioRuntime& runtime, int& seen) {
  Notify signalled(runtime);
  runtime.handle_signals([&seen, &signalled](int number) {
    seen = number;
    signalled.notify_one();
  });
  std::raise(SIGHUP);
  co_await signalled.wait();
}

TEST(AsioRuntime, SignalsArriveOnTheLoop) {
  AsioRuntime runtime(1, 1);
  int seen = 0;
  runtime.run(wait_for_signal(runtime, seen));
  EXPECT_EQ(seen, SIGHUP);
}

TEST(AsioRuntime, ChanceIsNotTheSameTwice) {
  AsioRuntime one(1, 1), other(1, 1);
  EXPECT_NE(one.random_bits(), other.random_bits());
}

}  // namespace
}  // namespace betedge::net
