#include "betedge/ports/async.hpp"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "support/virtual_runtime.hpp"

namespace betedge {
namespace {

using namespace std::chrono_literals;
using testing::VirtualRuntime;

Task<void> wait_once(Notify& notify, std::vector<Woken>& seen, std::stop_token stop = {},
                     std::optional<SteadyTime> until = std::nullopt) {
  seen.push_back(co_await notify.wait(std::move(stop), until));
}

TEST(Notify, ANotifyBeforeTheWaitIsRememberedOnce) {
  VirtualRuntime world(1);
  Notify notify(world);
  std::vector<Woken> seen;
  notify.notify_one();
  notify.notify_one();
  world.run(wait_once(notify, seen));
  EXPECT_EQ(seen, std::vector{Woken::notified});
  world.run(wait_once(notify, seen, {}, world.steady_now() + 5s));
  EXPECT_EQ(seen.back(), Woken::timed_out);
}

TEST(Notify, WakesWaitersInTheOrderOfTheirComing) {
  VirtualRuntime world(1);
  Notify notify(world);
  std::vector<Woken> first, second;
  world.start(wait_once(notify, first));
  world.start(wait_once(notify, second));
  notify.notify_one();
  while (world.step()) {
  }
  EXPECT_EQ(first.size(), 1u);
  EXPECT_EQ(second.size(), 0u);
  notify.notify_all();
  while (world.step()) {
  }
  EXPECT_EQ(second.size(), 1u);
  EXPECT_TRUE(world.idle());
}

TEST(Notify, NotifyAllWithNobodyWaitingIsNotRemembered) {
  VirtualRuntime world(1);
  Notify notify(world);
  std::vector<Woken> seen;
  notify.notify_all();
  world.run(wait_once(notify, seen, {}, world.steady_now() + 1ms));
  EXPECT_EQ(seen, std::vector{Woken::timed_out});
}

TEST(Notify, TimesOutAtItsTimeAndNotBefore) {
  VirtualRuntime world(1);
  Notify notify(world);
  std::vector<Woken> seen;
  const auto begin = world.steady_now();
  world.run(wait_once(notify, seen, {}, begin + 1500ms));
  EXPECT_EQ(seen, std::vector{Woken::timed_out});
  EXPECT_EQ(world.steady_now() - begin, 1500ms);
}

TEST(Notify, ATimeThatHasPassedTimesOutAtOnce) {
  VirtualRuntime world(1);
  Notify notify(world);
  std::vector<Woken> seen;
  world.run(wait_once(notify, seen, {}, world.steady_now() - 1s));
  EXPECT_EQ(seen, std::vector{Woken::timed_out});
}

TEST(Notify, StopWakesAWaiterOnceAlthoughItIsNotifiedToo) {
  VirtualRuntime world(1);
  Notify notify(world);
  std::stop_source source;
  std::vector<Woken> seen;
  world.start(wait_once(notify, seen, source.get_token(), world.steady_now() + 1h));
  source.request_stop();
  notify.notify_one();
  while (world.step()) {
  }
  EXPECT_EQ(seen, std::vector{Woken::stopped});
  // The notify came when nobody waited any more, so the next one has it.
  world.run(wait_once(notify, seen));
  EXPECT_EQ(seen.back(), Woken::notified);
}

TEST(Notify, AStopThatWasAskedBeforeTheWaitIsSeen) {
  VirtualRuntime world(1);
  Notify notify(world);
  std::stop_source source;
  source.request_stop();
  std::vector<Woken> seen;
  world.run(wait_once(notify, seen, source.get_token()));
  EXPECT_EQ(seen, std::vector{Woken::stopped});
}

Task<void> nap(Runtime& runtime, std::chrono::nanoseconds delay, std::stop_token stop,
               std::optional<bool>& slept) {
  slept = co_await sleep_for(runtime, delay, std::move(stop));
}

TEST(SleepFor, SleepsTheWholeTimeOrSaysThatItWasStopped) {
  VirtualRuntime world(1);
  std::stop_source source;
  std::optional<bool> slept;
  world.run(nap(world, 3h, source.get_token(), slept));
  EXPECT_EQ(slept, true);
  EXPECT_EQ(world.steady_now().time_since_epoch(), 3h);

  slept.reset();
  world.start(nap(world, 3h, source.get_token(), slept));
  source.request_stop();
  while (world.step()) {
  }
  EXPECT_EQ(slept, false);
  EXPECT_EQ(world.steady_now().time_since_epoch(), 3h);
}

Task<void> work_until_stopped(Runtime& runtime, std::stop_token stop, int& ended) {
  while (co_await sleep_for(runtime, 1s, stop)) {
  }
  ++ended;
}

Task<void> slow_end(Runtime& runtime, int& ended) {
  co_await sleep_for(runtime, 10s);
  ++ended;
}

Task<void> open_and_close(Runtime& runtime, int& ended, std::size_t& left) {
  TaskScope scope(runtime);
  scope.spawn(work_until_stopped(runtime, scope.stop_token(), ended));
  scope.spawn(work_until_stopped(runtime, scope.stop_token(), ended));
  scope.spawn(slow_end(runtime, ended));
  EXPECT_EQ(scope.size(), 3u);
  co_await sleep_for(runtime, 4s);
  co_await scope.close();
  left = scope.size();
  scope.spawn(slow_end(runtime, ended));
  EXPECT_EQ(scope.size(), 0u);
}

TEST(TaskScope, CloseAsksToStopWaitsForAllAndTakesNoMore) {
  VirtualRuntime world(1);
  int ended = 0;
  std::size_t left = 99;
  world.run(open_and_close(world, ended, left));
  EXPECT_EQ(ended, 3);
  EXPECT_EQ(left, 0u);
  EXPECT_EQ(world.steady_now().time_since_epoch(), 10s);
}

TEST(TaskScope, CloseOfAnEmptyScopeReturnsAtOnce) {
  VirtualRuntime world(1);
  TaskScope scope(world);
  world.run(scope.close());
  EXPECT_EQ(world.steady_now().time_since_epoch(), 0s);
}

Task<void> compute(Runtime& runtime, int& value, std::string& thrown, bool& ran) {
  auto give = [] { return 42; };
  value = co_await run_blocking(runtime, Pool::cpu, give);
  auto mark = [&ran] { ran = true; };
  co_await run_blocking(runtime, Pool::io, mark);
  auto refuse = []() -> int { throw std::runtime_error("no disk"); };
  try {
    co_await run_blocking(runtime, Pool::io, refuse);
  } catch (const std::runtime_error& error) {
    thrown = error.what();
  }
}

TEST(RunBlocking, BringsValuesNothingAndExceptionsBack) {
  VirtualRuntime world(1);
  int value = 0;
  std::string thrown;
  bool ran = false;
  world.run(compute(world, value, thrown, ran));
  EXPECT_EQ(value, 42);
  EXPECT_EQ(thrown, "no disk");
  EXPECT_TRUE(ran);
}

}  // namespace
}  // namespace betedge
