#include "betedge/core/calls.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <random>
#include <set>

#include "betedge/core/calendar.hpp"

namespace betedge::core {
namespace {

using namespace std::chrono;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr milliseconds kOpen = 9h + 30min;
constexpr milliseconds kClose = 16h;

Call call_for(Kind kind, Schema schema, Date first, Date last) {
  return {.kind = kind,
          .schema = schema,
          .root = Symbol::parse("TEST").value(),
          .dates = {first, last},
          .interval = schema == Schema::eod ? 0min : 15min};
}

const Date kFriday{2024y / 1 / 5};
const Date kMonday{2024y / 1 / 8};

// What a call asks for, in single stamps: each step of each session, by the vendor that takes a
// window's end as within and by the one that does not.
using Stamps = std::multiset<std::pair<Date, milliseconds>>;
enum class End { within, without };
void add_stamps(Stamps& stamps, const Call& call, milliseconds first_step, End end) {
  const auto from = call.window.start.value_or(kOpen), to = call.window.end.value_or(kClose);
  for (const Date day : sessions(call.dates)) {
    if (call.schema == Schema::eod) stamps.insert({day, 0ms});
    if (call.schema == Schema::eod) continue;
    for (auto at = first_step; at <= to; at += call.interval)
      if (at >= from && (at < to || end == End::within)) stamps.insert({day, at});
  }
}

TEST(Joined, DaysThatFollowEachOtherAreOneCall) {
  const std::array two{call_for(Kind::stock, Schema::ohlc, kFriday, kFriday),
                       call_for(Kind::stock, Schema::ohlc, kMonday, kMonday)};
  EXPECT_EQ(joined(two), call_for(Kind::stock, Schema::ohlc, kFriday, kMonday));
  EXPECT_EQ(joined(std::span(two).first(1)), std::nullopt);
  EXPECT_EQ(joined({}), std::nullopt);
}

TEST(Joined, WhatDiffersInMoreThanItsDatesIsNot) {
  const auto one = call_for(Kind::stock, Schema::ohlc, kFriday, kFriday);
  auto next = call_for(Kind::stock, Schema::ohlc, kMonday, kMonday);
  EXPECT_EQ(joined(std::array{next, one}), std::nullopt) << "out of order";
  EXPECT_EQ(joined(std::array{one, one}), std::nullopt) << "the same day twice";
  for (const auto& change : std::array<void (*)(Call&), 5>{
           [](Call& call) { call.interval = 1min; }, [](Call& call) { call.window.end = 10h; },
           [](Call& call) { call.root = Symbol::parse("ZZZ").value(); },
           [](Call& call) { call.role = Role::underlying; },
           [](Call& call) { call.schema = Schema::quote; }}) {
    auto other = next;
    change(other);
    EXPECT_EQ(joined(std::array{one, other}), std::nullopt);
  }
}

struct HalvesCase {
  std::string name;
  Call call;
  std::array<Call, 2> parts;
};

std::array<Call, 2> in_days(Call call, Date last, Date first) {
  std::array two{call, call};
  two[0].dates.last = last;
  two[1].dates.first = first;
  return two;
}

std::array<Call, 2> in_hours(Call call, milliseconds at) {
  std::array two{call, call};
  two[0].window.end = at - 1ms;
  two[1].window.start = at;
  return two;
}

Call within(Call call, Window window) {
  call.window = window;
  return call;
}

const Call kOneDay = call_for(Kind::stock, Schema::quote, kFriday, kFriday);

class HalvesTest : public testing::TestWithParam<HalvesCase> {};

TEST_P(HalvesTest, AreDaysThenHours) {
  EXPECT_EQ(halves(GetParam().call), GetParam().parts);
}

INSTANTIATE_TEST_SUITE_P(
    Calls, HalvesTest,
    testing::Values(
        HalvesCase{
            "a_weekend_between_is_left_out", call_for(Kind::stock, Schema::quote, kFriday, kMonday),
            in_days(call_for(Kind::stock, Schema::quote, kFriday, kMonday), kFriday, kMonday)},
        HalvesCase{"three_days", call_for(Kind::option, Schema::eod, kFriday - days{1}, kMonday),
                   in_days(call_for(Kind::option, Schema::eod, kFriday - days{1}, kMonday),
                           kFriday - days{1}, kFriday)},
        // 09:30 to 16:00 are 27 stamps: 13 and 14 of them.
        HalvesCase{"a_whole_day", kOneDay, in_hours(kOneDay, kOpen + 13 * 15min)},
        HalvesCase{"a_window", within(kOneDay, {10h, 11h}),
                   in_hours(within(kOneDay, {10h, 11h}), 10h + 30min)},
        HalvesCase{"a_window_off_the_grid_keeps_its_own", within(kOneDay, {10h + 1min, 11h}),
                   in_hours(within(kOneDay, {10h + 1min, 11h}), 10h + 31min)},
        HalvesCase{"two_steps", within(kOneDay, {10h, 10h + 15min}),
                   in_hours(within(kOneDay, {10h, 10h + 15min}), 10h + 15min)}),
    [](const auto& tested) { return tested.param.name; });

TEST(Halves, OneStepAndOneDaysEodAreNotCut) {
  EXPECT_EQ(halves(within(kOneDay, {10h, 10h})), std::nullopt);
  EXPECT_EQ(halves(within(kOneDay, {10h, 10h + 14min})), std::nullopt);
  EXPECT_EQ(halves(within(kOneDay, {17h, std::nullopt})), std::nullopt) << "of no step at all";
  EXPECT_EQ(halves(call_for(Kind::option, Schema::eod, kFriday, kFriday)), std::nullopt);
  EXPECT_EQ(halves(call_for(Kind::stock, Schema::eod, kFriday, kFriday)), std::nullopt);
  EXPECT_EQ(halves(call_for(Kind::earnings, Schema::eod, kFriday, kFriday)), std::nullopt);
}

// Cuts all the way down; what is left over must ask for each stamp once, and end.
TEST(Halves, CoverExactlyTheWholeDownToTheLastStep) {
  std::mt19937_64 random(570);
  const auto below = [&random](std::uint64_t limit) { return static_cast<int>(random() % limit); };
  for (int round = 0; round < 200; ++round) {
    const Date first = Date{2024y / 1 / 2} + days{below(300)};
    auto whole = call_for(below(2) == 0 ? Kind::option : Kind::stock,
                          std::array{Schema::quote, Schema::ohlc, Schema::eod}[random() % 3], first,
                          first + days{below(12)});
    if (sessions(whole.dates).empty()) continue;
    if (whole.schema != Schema::eod) {
      whole.interval =
          std::array<milliseconds, 6>{1min, 5min, 15min, 1h, 60'001ms, 90s}[random() % 6];
      if (below(2) == 0) whole.window.start = kOpen + milliseconds{below(7'200'000)};
      if (below(2) == 0) whole.window.end = kOpen + milliseconds{7'200'000 + below(14'400'000)};
    }
    SCOPED_TRACE(testing::Message()
                 << to_iso_text(whole.dates.first) << " to " << to_iso_text(whole.dates.last)
                 << " every " << whole.interval.count() << " ms");
    std::vector<Call> left{whole}, parts;
    for (int cuts = 0; !left.empty(); ++cuts) {
      ASSERT_LT(cuts, 20'000) << "it does not end";
      const Call call = left.back();
      left.pop_back();
      if (const auto two = halves(call)) {
        left.insert(left.end(), two->begin(), two->end());
      } else {
        parts.push_back(call);
      }
    }
    // Whatever grid the vendor stamps by, its own session's or the call's start.
    for (const auto grid : {kOpen, whole.window.start.value_or(kOpen)}) {
      for (const auto end : {End::within, End::without}) {
        Stamps of_whole, of_parts;
        add_stamps(of_whole, whole, grid, end);
        for (const Call& part : parts) add_stamps(of_parts, part, grid, end);
        ASSERT_EQ(of_parts, of_whole);
      }
    }
    for (const Call& part : parts) ASSERT_LE(most_ticks(part), 1U);
  }
}

TEST(ByExpiration, NamesThoseThatHadNotExpired) {
  const auto chain = call_for(Kind::option, Schema::quote, kFriday, kFriday);
  const std::array expirations{kFriday - days{7}, kFriday, kFriday + days{7}};
  const auto calls = by_expiration(chain, expirations);
  ASSERT_EQ(calls.size(), 2U);
  auto first = chain;
  first.expiration = kFriday;
  EXPECT_EQ(calls[0], first);
  EXPECT_EQ(calls[1].expiration, kFriday + days{7});
  EXPECT_THAT(by_expiration(first, expirations), IsEmpty()) << "it is of one already";
  EXPECT_THAT(by_expiration(kOneDay, expirations), IsEmpty()) << "a stock has none";
  EXPECT_THAT(by_expiration(chain, {}), IsEmpty());
}

TEST(MostTicks, AreTheStepsOfTheSessions) {
  EXPECT_EQ(most_ticks(kOneDay), 27U);
  auto minutes = call_for(Kind::stock, Schema::quote, kFriday, kMonday);
  minutes.interval = 1min;
  EXPECT_EQ(most_ticks(minutes), 2U * 391U);
  EXPECT_EQ(most_ticks(within(minutes, {0ms, 24h - 1ms})), 2U * 1440U);
  EXPECT_EQ(most_ticks(call_for(Kind::stock, Schema::eod, kFriday, kMonday)), 2U);
}

}  // namespace
}  // namespace betedge::core
