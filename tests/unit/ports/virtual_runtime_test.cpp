#include "support/virtual_runtime.hpp"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "betedge/ports/async.hpp"

namespace betedge {
namespace {

using namespace std::chrono_literals;
using testing::VirtualRuntime;

Task<void> trace(Runtime& runtime, int worker, std::vector<int>& order) {
  auto nothing = [] {};
  for (int round = 0; round < 5; ++round) {
    co_await run_blocking(runtime, Pool::io, nothing);
    order.push_back(worker);
  }
}

std::vector<int> order_of(std::uint64_t seed) {
  VirtualRuntime world(seed);
  std::vector<int> order;
  for (int worker = 0; worker < 4; ++worker) world.start(trace(world, worker, order));
  while (world.step()) {
  }
  EXPECT_TRUE(world.idle());
  return order;
}

TEST(VirtualRuntime, TheSeedDecidesTheOrderAndDecidesItAgain) {
  EXPECT_EQ(order_of(1), order_of(1));
  EXPECT_NE(order_of(1), order_of(2));
}

TEST(VirtualRuntime, ADroppedTimerDoesNotFire) {
  VirtualRuntime world(1);
  int fired = 0;
  auto kept = world.after(2s, [&fired] { ++fired; });
  auto dropped = world.after(1s, [&fired] { fired += 10; });
  dropped.reset();
  while (world.step()) {
  }
  EXPECT_EQ(fired, 1);
  EXPECT_EQ(world.steady_now().time_since_epoch(), 2s);
  EXPECT_EQ(world.wall_now() - VirtualRuntime(1).wall_now(), 2s);
}

TEST(VirtualRuntime, TimersOfOneMomentFireInTheOrderOfAsking) {
  VirtualRuntime world(1);
  std::string order;
  auto a = world.after(1s, [&order] { order += 'a'; });
  auto b = world.after(1s, [&order] { order += 'b'; });
  world.post([&order] { order += 'p'; });
  while (world.step()) {
  }
  EXPECT_EQ(order, "pab");
}

struct WaitForever {
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) noexcept { frame = handle; }
  void await_resume() const noexcept {}
  std::coroutine_handle<>& frame;
};
Task<void> forever(std::coroutine_handle<>& frame) {
  co_await WaitForever{frame};
}

TEST(VirtualRuntime, ADeadlockIsAnErrorThatSaysSo) {
  VirtualRuntime world(1);
  std::coroutine_handle<> frame;
  try {
    world.run(forever(frame));
    FAIL() << "run() returned";
  } catch (const std::logic_error& error) {
    EXPECT_NE(std::string(error.what()).find("deadlock"), std::string::npos);
  }
  frame.resume();  // so that nothing is lost
}

Task<void> sleep_long(Runtime& runtime, std::stop_token stop) {
  co_await sleep_for(runtime, 48h, std::move(stop));
}

TEST(VirtualRuntime, VirtualTimeHasALimit) {
  VirtualRuntime world(1);
  world.advance_limit(24h);
  std::stop_source source;
  EXPECT_THROW(world.run(sleep_long(world, source.get_token())), std::logic_error);
  source.request_stop();
  while (world.step()) {
  }
  EXPECT_TRUE(world.idle());
}

}  // namespace
}  // namespace betedge
