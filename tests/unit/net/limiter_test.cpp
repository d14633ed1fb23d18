#include "betedge/net/limiter.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "support/virtual_runtime.hpp"

namespace betedge::net {
namespace {

using namespace std::chrono_literals;
using testing::VirtualRuntime;

struct Watch {
  std::size_t inside = 0;
  std::size_t most_inside = 0;
  std::vector<int> order;
  int cancelled = 0;
};

Task<void> use(VirtualRuntime& world, Limiter& limiter, Watch& watch, int number,
               std::stop_token stop = {}, Limiter::Turn turn = Limiter::Turn::last) {
  const auto slot = co_await limiter.acquire(std::move(stop), turn);
  if (!slot) {
    EXPECT_EQ(slot.error().code, ErrorCode::cancelled);
    ++watch.cancelled;
    co_return;
  }
  watch.order.push_back(number);
  watch.most_inside = std::max(watch.most_inside, ++watch.inside);
  co_await sleep_for(world, std::chrono::milliseconds(1 + world.random_bits() % 20));
  --watch.inside;
}

void drain(VirtualRuntime& world) {
  while (world.step()) {
  }
  EXPECT_TRUE(world.idle());
}

TEST(Limiter, LetsInAtMostItsLimitAndInTheOrderOfComing) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    VirtualRuntime world(seed);
    Limiter limiter(world, 1 + seed % 5);
    Watch watch;
    for (int number = 0; number < 40; ++number) {
      world.start(use(world, limiter, watch, number));
      for (auto steps = world.random_bits() % 4; steps > 0; --steps) world.step();
    }
    drain(world);
    EXPECT_EQ(watch.most_inside, limiter.limit());
    EXPECT_EQ(watch.order.size(), 40u);
    EXPECT_TRUE(std::ranges::is_sorted(watch.order)) << "seed " << seed;
    EXPECT_EQ(limiter.in_use(), 0u);
  }
}

TEST(Limiter, WhoHadAnAnswerAlreadyIsLetInBeforeThoseWhoHaveNone) {
  VirtualRuntime world(1);
  Limiter limiter(world, 1);
  Watch watch;
  for (int number = 0; number < 3; ++number) world.start(use(world, limiter, watch, number));
  world.step();
  world.start(use(world, limiter, watch, 9, {}, Limiter::Turn::first));
  drain(world);
  EXPECT_EQ(watch.order, (std::vector{0, 9, 1, 2}));
}

TEST(Limiter, StopsAndLimitsThatChangeLoseNoSlot) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    VirtualRuntime world(seed);
    Limiter limiter(world, 3);
    Watch watch;
    std::vector<std::stop_source> stops(40);
    for (int number = 0; number < 40; ++number) {
      world.start(
          use(world, limiter, watch, number, stops[static_cast<std::size_t>(number)].get_token()));
      for (auto steps = world.random_bits() % 3; steps > 0; --steps) world.step();
      if (world.random_bits() % 3 == 0) stops[world.random_bits() % 40].request_stop();
      if (world.random_bits() % 10 == 0) limiter.set_limit(1 + world.random_bits() % 6);
    }
    drain(world);
    EXPECT_EQ(watch.order.size() + static_cast<std::size_t>(watch.cancelled), 40u);
    EXPECT_LE(watch.most_inside, 6u);
    EXPECT_EQ(limiter.in_use(), 0u);
    EXPECT_EQ(limiter.waiting(), 0u);
    limiter.set_limit(1);
    world.run(use(world, limiter, watch, 99));
    EXPECT_EQ(watch.order.back(), 99);
  }
}

TEST(Limiter, ALowerLimitTakesEffectAsSlotsAreGivenBack) {
  VirtualRuntime world(1);
  Limiter limiter(world, 4);
  Watch watch;
  for (int number = 0; number < 4; ++number) world.start(use(world, limiter, watch, number));
  EXPECT_EQ(limiter.in_use(), 4u);
  limiter.set_limit(1);
  EXPECT_EQ(limiter.in_use(), 4u);
  for (int number = 4; number < 8; ++number) world.start(use(world, limiter, watch, number));
  EXPECT_EQ(limiter.waiting(), 4u);
  while (limiter.in_use() > 1) world.step();
  EXPECT_EQ(limiter.waiting(), 4u);
  while (limiter.waiting() > 0) {
    EXPECT_LE(limiter.in_use(), 1u);
    world.step();
  }
  drain(world);
  EXPECT_EQ(watch.order.size(), 8u);
}

TEST(Limiter, BacksOffByHalfAndGrowsBackByOneARound) {
  VirtualRuntime world(1);
  Limiter limiter(world, 8);
  const auto well = [&](int calls) {
    for (int i = 0; i < calls; ++i) limiter.went_well();
    return limiter.allowed();
  };
  EXPECT_EQ(well(100), 8u) << "never more than the limit";
  limiter.back_off();
  EXPECT_EQ(limiter.allowed(), 4u);
  limiter.back_off();
  limiter.back_off();
  EXPECT_EQ(limiter.allowed(), 1u);
  limiter.back_off();
  EXPECT_EQ(limiter.allowed(), 1u) << "never nothing";
  EXPECT_EQ(limiter.limit(), 8u);
  EXPECT_EQ(well(1), 2u);
  EXPECT_EQ(well(1), 2u);
  EXPECT_EQ(well(1), 3u);
  EXPECT_EQ(well(2), 3u);
  EXPECT_EQ(well(1), 4u);
  EXPECT_EQ(well(4 + 5 + 6 + 7), 8u);
}

TEST(Limiter, ASetLimitBeginsAnew) {
  VirtualRuntime world(1);
  Limiter limiter(world, 8);
  limiter.back_off();
  limiter.set_limit(6);
  EXPECT_EQ(limiter.allowed(), 6u);
}

TEST(Limiter, WhatWasSentBeforeADecreaseCountsNeitherWay) {
  VirtualRuntime world(1);
  Limiter limiter(world, 8);
  Watch watch;
  for (int number = 0; number < 8; ++number) world.start(use(world, limiter, watch, number));
  EXPECT_EQ(limiter.in_use(), 8u);
  limiter.back_off();  // the first of eight that fail of one and the same jam
  for (int others = 0; others < 8; ++others) limiter.back_off();
  EXPECT_EQ(limiter.allowed(), 4u);
  limiter.back_off();
  EXPECT_EQ(limiter.allowed(), 2u) << "one that was sent since";
  drain(world);
}

TEST(Limiter, LetsNobodyInWhileItIsHeld) {
  VirtualRuntime world(1);
  Limiter limiter(world, 4);
  Watch watch;
  world.start(use(world, limiter, watch, 0));
  limiter.hold();
  std::stop_source gives_up;
  for (int number = 1; number < 4; ++number) world.start(use(world, limiter, watch, number));
  world.start(use(world, limiter, watch, 4, gives_up.get_token()));
  EXPECT_EQ(limiter.in_use(), 1u);
  gives_up.request_stop();
  while (world.step()) {
  }
  EXPECT_EQ(watch.cancelled, 1);
  EXPECT_EQ(limiter.in_use(), 0u) << "who is inside comes out";
  EXPECT_EQ(limiter.waiting(), 3u);
  limiter.go_on();
  EXPECT_EQ(limiter.in_use(), 3u);
  drain(world);
  EXPECT_EQ(watch.order.size(), 4u);
}

TEST(Limiter, KeepsToWhatIsAllowedAndLetsInTheRestAsItGrows) {
  VirtualRuntime world(1);
  Limiter limiter(world, 4);
  limiter.back_off();
  Watch watch;
  for (int number = 0; number < 12; ++number) world.start(use(world, limiter, watch, number));
  EXPECT_EQ(limiter.in_use(), 2u);
  EXPECT_EQ(limiter.waiting(), 10u);
  for (int i = 0; i < 2; ++i) limiter.went_well();
  EXPECT_EQ(limiter.in_use(), 3u) << "let in at once, not at the next release";
  drain(world);
  EXPECT_EQ(watch.most_inside, 3u);
  EXPECT_EQ(watch.order.size(), 12u);
}

}  // namespace
}  // namespace betedge::net
