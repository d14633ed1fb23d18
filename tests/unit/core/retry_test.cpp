#include "betedge/core/retry.hpp"

#include <gtest/gtest.h>

#include <utility>

namespace betedge::core {
namespace {

using namespace std::chrono_literals;
using enum ErrorCode;
using enum AfterFailure;

constexpr std::pair<ErrorCode, AfterFailure> kDecisions[] = {
    {invalid_request, give_up},
    {not_found, give_up},
    {conflict, give_up},
    {fenced, wait},
    {cancelled, wait},
    {timeout, try_again},
    {upstream_unavailable, wait},
    {upstream_throttled, wait},
    {upstream_failed, try_again},
    {upstream_refused, give_up},
    {upstream_too_large, give_up},
    {upstream_denied, give_up},
    {upstream_garbled, try_again},
    {storage_failed, try_again},
    {storage_full, fail_job},
    {storage_denied, fail_job},
    {store_unavailable, wait},
    {internal, try_again},
};

TEST(AfterFailureTest, EveryCodeHasItsDecision) {
  for (const auto& [code, decision] : kDecisions)
    EXPECT_EQ(after_failure(code), decision) << to_text(code);
}

TEST(IsOfTheUpstreamTest, WhatAnUpstreamThatIsOutAnswersOrDoesNot) {
  for (const auto& [code, decision] : kDecisions) {
    const bool is = code == upstream_unavailable || code == upstream_throttled ||
                    code == upstream_failed || code == timeout;
    EXPECT_EQ(is_of_the_upstream(code), is) << to_text(code);
  }
}

TEST(NextDelayTest, GivesUpWhenThereIsNoUse) {
  for (const auto& [code, decision] : kDecisions) {
    const Error error{code, "x"};
    const bool first = next_delay(error, 1, {}, 0).has_value();
    const bool fourth = next_delay(error, 4, {}, 0).has_value();
    EXPECT_EQ(first, decision == try_again || decision == wait) << to_text(code);
    EXPECT_EQ(fourth, decision == wait) << to_text(code) << ": waiting burns no attempt";
  }
}

TEST(NextDelayTest, DoublesUpToTheLongest) {
  const Error error{upstream_throttled, "429"};
  const RetryPolicy policy{.max_attempts = 4, .first_delay = 500ms, .longest_delay = 30s};
  const std::chrono::milliseconds upper_ends[] = {500ms, 1s, 2s, 4s, 8s, 16s, 30s, 30s};
  int attempts = 1;
  for (const auto upper : upper_ends) {
    EXPECT_EQ(next_delay(error, attempts, policy, 0.0), upper / 2) << attempts;
    EXPECT_LE(*next_delay(error, attempts, policy, 0.999999), upper) << attempts;
    EXPECT_GE(*next_delay(error, attempts, policy, 0.999999), upper * 99 / 100) << attempts;
    ++attempts;
  }
  EXPECT_EQ(next_delay(error, 2'000'000'000, policy, 0.0), 15s);
}

TEST(NextDelayTest, NeverComesBeforeTheOtherSideAsked) {
  Error error{upstream_throttled, "429", 7s};
  EXPECT_EQ(next_delay(error, 1, {}, 0.5), 7s);
  error.retry_after = 1ms;
  EXPECT_EQ(next_delay(error, 1, {}, 0.5), 375ms);
  error.retry_after = 1h;
  EXPECT_EQ(next_delay(error, 1, {}, 0.5), 1h) << "even beyond the longest delay of ours";
}

TEST(NextDelayTest, StopsAtTheLastAttempt) {
  const Error error{upstream_failed, "HTTP 500"};
  const RetryPolicy policy{.max_attempts = 2};
  EXPECT_TRUE(next_delay(error, 1, policy, 0).has_value());
  EXPECT_FALSE(next_delay(error, 2, policy, 0).has_value());
  EXPECT_FALSE(next_delay(error, 3, policy, 0).has_value());
}

TEST(NextDelayTest, AFirstDelayBeyondTheLongestIsCut) {
  const Error error{timeout, "late"};
  EXPECT_EQ(next_delay(error, 1, {.first_delay = 10s, .longest_delay = 4s}, 0.0), 2s);
}

}  // namespace
}  // namespace betedge::core
