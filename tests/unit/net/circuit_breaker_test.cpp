#include "betedge/net/circuit_breaker.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace betedge::net {
namespace {

using namespace std::chrono_literals;
using State = CircuitBreaker::State;

struct Step {
  ErrorCode code;
  bool succeeds = false;
};
struct BreakerCase {
  std::string name;
  std::vector<Step> steps;
  State state;
};
const Step kOk{ErrorCode::internal, true};
const Step kGone{ErrorCode::upstream_unavailable};
const Step kFailed{ErrorCode::upstream_failed};
const Step kLate{ErrorCode::timeout};
const Step kThrottled{ErrorCode::upstream_throttled};

class CircuitBreakerTest : public ::testing::TestWithParam<BreakerCase> {};

TEST_P(CircuitBreakerTest, IsInTheState) {
  CircuitBreaker breaker({.failures_to_open = 3});
  for (const auto& step : GetParam().steps) {
    if (step.succeeds) {
      breaker.succeeded();
    } else {
      breaker.failed({step.code, "it broke", {}}, SteadyTime{1s});
    }
  }
  EXPECT_EQ(breaker.state(), GetParam().state);
}

INSTANTIATE_TEST_SUITE_P(
    Steps, CircuitBreakerTest,
    ::testing::Values(
        BreakerCase{"closed_at_first", {}, State::closed},
        BreakerCase{"open_at_once_when_nobody_listens", {kGone}, State::open},
        BreakerCase{"held_at_once_when_it_throttles", {kThrottled}, State::held},
        BreakerCase{"closed_after_two_failures", {kFailed, kLate}, State::closed},
        BreakerCase{"open_after_three_failures", {kFailed, kLate, kFailed}, State::open},
        BreakerCase{"closed_when_a_success_is_between",
                    {kFailed, kLate, kOk, kFailed, kFailed},
                    State::closed},
        BreakerCase{
            "unmoved_by_what_says_nothing",
            {{ErrorCode::upstream_garbled}, {ErrorCode::cancelled}, {ErrorCode::storage_failed}},
            State::closed},
        BreakerCase{"closed_when_refusals_are_between",
                    {kFailed,
                     kFailed,
                     {ErrorCode::upstream_refused},
                     kFailed,
                     kFailed,
                     {ErrorCode::upstream_too_large},
                     kFailed,
                     kFailed,
                     {ErrorCode::upstream_denied},
                     kFailed,
                     kFailed},
                    State::closed},
        BreakerCase{"unmoved_by_calls_from_before", {kGone, kOk}, State::open},
        BreakerCase{"held_though_such_a_call_finds_it_gone", {kThrottled, kGone}, State::held}),
    [](const auto& tested) { return tested.param.name; });

const Error kNobody{ErrorCode::upstream_unavailable, "nobody listens", {}};

TEST(CircuitBreaker, ProbesAtDistancesThatDoubleUpToTheLongest) {
  CircuitBreaker breaker({.first_distance = 250ms, .longest_distance = 1500ms});
  auto now = SteadyTime{10s};
  breaker.failed(kNobody, now);
  EXPECT_EQ(breaker.reason(), "nobody listens");
  for (const auto distance : {250ms, 500ms, 1000ms, 1500ms, 1500ms}) {
    EXPECT_EQ(breaker.retry_at() - now, distance);
    now = breaker.retry_at();
    breaker.probe_failed({ErrorCode::upstream_failed, "reset", {}}, now);
  }
  EXPECT_EQ(breaker.reason(), "reset");
  breaker.try_again();
  EXPECT_EQ(breaker.state(), State::closed);
  breaker.succeeded();
  EXPECT_EQ(breaker.reason(), "");
  breaker.failed(kNobody, now);
  EXPECT_EQ(breaker.retry_at() - now, 250ms) << "all is forgotten with a success";
}

// It answers probes and refuses calls: another terminal holds the account, or too much load.
TEST(CircuitBreaker, OneThatFailsAgainWithoutASuccessBetweenIsLeftAloneForLonger) {
  CircuitBreaker breaker({.first_distance = 250ms, .longest_distance = 1500ms});
  auto now = SteadyTime{10s};
  for (const auto distance : {250ms, 500ms, 1000ms, 1500ms, 1500ms}) {
    EXPECT_EQ(breaker.is_doubted(), distance > 500ms);
    breaker.failed(kNobody, now);
    EXPECT_EQ(breaker.retry_at() - now, distance);
    now = breaker.retry_at();
    breaker.try_again();
    EXPECT_EQ(breaker.state(), State::closed);
  }
  EXPECT_TRUE(breaker.is_doubted());
  EXPECT_EQ(breaker.reason(), "nobody listens");
  breaker.succeeded();
  EXPECT_FALSE(breaker.is_doubted());
}

TEST(CircuitBreaker, HoldsForAsLongAsItIsTold) {
  CircuitBreaker breaker({.first_distance = 250ms});
  const SteadyTime now{10s};
  breaker.failed({ErrorCode::upstream_throttled, "429", 7s}, now);
  EXPECT_EQ(breaker.state(), State::held);
  EXPECT_EQ(breaker.retry_at() - now, 7s);
  breaker.failed({ErrorCode::upstream_throttled, "429", 3s}, now + 1s);
  EXPECT_EQ(breaker.retry_at() - now, 7s) << "a shorter wait said later does not shorten it";
  breaker.failed({ErrorCode::upstream_throttled, "429", 9s}, now + 1s);
  EXPECT_EQ(breaker.retry_at() - now, 10s);
  breaker.try_again();
  EXPECT_EQ(breaker.state(), State::closed);
  breaker.failed({ErrorCode::upstream_throttled, "429", {}}, now + 10s);
  EXPECT_EQ(breaker.retry_at() - now, 10s + 500ms) << "nothing said: twice the last distance";
}

TEST(CircuitBreaker, CallsThatWereUnderWayWhenItOpenedDoNotPutOffTheProbe) {
  CircuitBreaker breaker({});
  breaker.failed(kNobody, SteadyTime{10s});
  const auto retry_at = breaker.retry_at();
  for (int call = 0; call < 8; ++call) {
    breaker.failed({ErrorCode::upstream_failed, "reset", {}}, SteadyTime{10s + 1ms * call});
  }
  EXPECT_EQ(breaker.retry_at(), retry_at);
  EXPECT_EQ(breaker.reason(), "nobody listens");
}

}  // namespace
}  // namespace betedge::net
