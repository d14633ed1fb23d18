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

class CircuitBreakerTest : public ::testing::TestWithParam<BreakerCase> {};

TEST_P(CircuitBreakerTest, IsInTheState) {
  CircuitBreaker breaker({.failures_to_open = 3});
  for (const auto& step : GetParam().steps) {
    if (step.succeeds) {
      breaker.succeeded();
    } else {
      breaker.failed({step.code, "it broke"}, SteadyTime{1s});
    }
  }
  EXPECT_EQ(breaker.state(), GetParam().state);
}

INSTANTIATE_TEST_SUITE_P(
    Steps, CircuitBreakerTest,
    ::testing::Values(BreakerCase{"closed_at_first", {}, State::closed},
                      BreakerCase{"open_at_once_when_nobody_listens", {kGone}, State::open},
                      BreakerCase{"closed_after_two_failures", {kFailed, kLate}, State::closed},
                      BreakerCase{
                          "open_after_three_failures", {kFailed, kLate, kFailed}, State::open},
                      BreakerCase{"closed_when_a_success_is_between",
                                  {kFailed, kLate, kOk, kFailed, kFailed},
                                  State::closed},
                      BreakerCase{"unmoved_by_answers",
                                  {{ErrorCode::upstream_refused},
                                   {ErrorCode::upstream_throttled},
                                   {ErrorCode::upstream_denied},
                                   {ErrorCode::upstream_garbled},
                                   {ErrorCode::cancelled},
                                   {ErrorCode::storage_failed}},
                                  State::closed},
                      BreakerCase{"closed_by_a_probe_that_succeeds", {kGone, kOk}, State::closed}),
    [](const auto& tested) { return tested.param.name; });

TEST(CircuitBreaker, ProbesAtDistancesThatDoubleUpToTheLongest) {
  CircuitBreaker breaker({.first_probe_after = 250ms, .longest_probe_after = 1500ms});
  auto now = SteadyTime{10s};
  breaker.failed({ErrorCode::upstream_unavailable, "nobody listens"}, now);
  EXPECT_EQ(breaker.open_since(), now);
  EXPECT_EQ(breaker.reason(), "nobody listens");
  for (const auto distance : {250ms, 500ms, 1000ms, 1500ms, 1500ms}) {
    EXPECT_EQ(breaker.probe_at() - now, distance);
    now = breaker.probe_at();
    breaker.failed({ErrorCode::upstream_failed, "reset"}, now);
  }
  EXPECT_EQ(breaker.reason(), "reset");
  EXPECT_EQ(breaker.open_since(), SteadyTime{10s});
  breaker.succeeded();
  breaker.failed({ErrorCode::upstream_unavailable, "again"}, now);
  EXPECT_EQ(breaker.probe_at() - now, 250ms);
}

TEST(CircuitBreaker, CallsThatWereUnderWayWhenItOpenedDoNotPutOffTheProbe) {
  CircuitBreaker breaker({});
  breaker.failed({ErrorCode::upstream_unavailable, "nobody listens"}, SteadyTime{10s});
  const auto probe_at = breaker.probe_at();
  for (int call = 0; call < 8; ++call) {
    breaker.failed({ErrorCode::upstream_failed, "reset"}, SteadyTime{10s + 1ms * call});
  }
  EXPECT_EQ(breaker.probe_at(), probe_at);
  EXPECT_EQ(breaker.reason(), "nobody listens");
}

}  // namespace
}  // namespace betedge::net
