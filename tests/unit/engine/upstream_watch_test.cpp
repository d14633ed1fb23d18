#include "betedge/engine/upstream_watch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "support/virtual_runtime.hpp"

namespace betedge::engine {
namespace {

using namespace std::chrono_literals;

class ProbedSource final : public Source {
 public:
  std::deque<Result<void>> probes;  // empty: it is there
  int probed = 0;

  Task<Result<std::optional<std::unique_ptr<Answer>>>> open(Call, std::stop_token) override {
    co_return std::nullopt;
  }
  std::optional<std::string> refusal(const Call&) const override { return std::nullopt; }
  Task<Result<void>> probe(std::stop_token) override {
    ++probed;
    if (probes.empty()) co_return Result<void>{};
    auto answer = probes.front();
    probes.pop_front();
    co_return answer;
  }
};

class NamesLog final : public Log {
 public:
  std::vector<std::string> names;
  void event(Level, std::string_view name, std::initializer_list<Field>) override {
    names.emplace_back(name);
  }
};

class UpstreamWatchTest : public ::testing::Test {
 protected:
  void settle() {
    while (runtime_.step()) {
    }
  }
  const Error gone_{ErrorCode::upstream_unavailable, "connection refused", {}};
  const Error reset_{ErrorCode::upstream_failed, "connection reset", {}};
  const Error throttled_{ErrorCode::upstream_throttled, "HTTP 429 too many requests", 30s};
  testing::VirtualRuntime runtime_{1};
  ProbedSource source_;
  NamesLog log_;
  int changes_ = 0;
  net::Limiter limiter_{runtime_, 4};
  UpstreamWatch watch_{runtime_, source_, limiter_, log_, [this] { ++changes_; }};
};

TEST_F(UpstreamWatchTest, SaysSinceWhenAndWhyNothingMovesAndProbesUntilItIsBack) {
  source_.probes = {std::unexpected(gone_), std::unexpected(gone_)};
  watch_.failed(gone_);
  EXPECT_TRUE(watch_.is_open());
  EXPECT_THAT(*watch_.waiting_for(),
              ::testing::MatchesRegex(
                  "upstream unavailable since 2025-06-02T13:30:00\\+00:00: .*refused.*"));
  settle();
  EXPECT_FALSE(watch_.is_open());
  EXPECT_EQ(watch_.waiting_for(), std::nullopt);
  EXPECT_EQ(source_.probed, 3);
  EXPECT_EQ(changes_, 2) << "opened once, closed once";
  EXPECT_THAT(log_.names, ::testing::ElementsAre("upstream_unavailable", "upstream_available"));
}

TEST_F(UpstreamWatchTest, FailuresInARowOpenItAndAnAnswerBetweenThemDoesNot) {
  for (int i = 0; i < 4; ++i) watch_.failed(reset_);
  watch_.succeeded();
  for (int i = 0; i < 4; ++i) watch_.failed(reset_);
  EXPECT_FALSE(watch_.is_open());
  watch_.failed(reset_);
  EXPECT_TRUE(watch_.is_open());
  settle();
  EXPECT_FALSE(watch_.is_open());
}

TEST_F(UpstreamWatchTest, WhatTheVendorRefusesSaysNothingAboutItsHealth) {
  for (int i = 0; i < 20; ++i) watch_.failed({ErrorCode::upstream_refused, "HTTP 400", {}});
  EXPECT_FALSE(watch_.is_open());
}

TEST_F(UpstreamWatchTest, ThrottlingIsWaitedOutWithoutAProbeAndSaysUntilWhen) {
  watch_.failed(throttled_);
  EXPECT_FALSE(watch_.takes_calls());
  EXPECT_FALSE(watch_.is_open()) << "it is there";
  EXPECT_EQ(
      *watch_.waiting_for(),
      "upstream throttles us since 2025-06-02T13:30:00+00:00: HTTP 429 too many requests; goes "
      "on at 2025-06-02T13:30:30+00:00, 2 of 4 calls at once");
  std::optional<Result<net::Limiter::Slot>> slot;
  const auto call = [](net::Limiter& limiter, auto& into) -> Task<void> {
    into = co_await limiter.acquire({});
  };
  runtime_.start(call(limiter_, slot));
  EXPECT_EQ(limiter_.waiting(), 1U) << "a fetch that is under way waits with its next call";
  settle();
  EXPECT_TRUE(slot.has_value());
  EXPECT_TRUE(watch_.takes_calls());
  EXPECT_EQ(runtime_.wall_now(),
            Timestamp{std::chrono::sys_days{std::chrono::year{2025} / 6 / 2} + 13h + 30min + 30s});
  EXPECT_EQ(watch_.waiting_for(), std::nullopt);
  EXPECT_EQ(source_.probed, 0);
  EXPECT_EQ(changes_, 2);
  EXPECT_THAT(log_.names, ::testing::ElementsAre("upstream_throttled"));
  EXPECT_EQ(limiter_.allowed(), 2U);
  for (int calls = 0; calls < 5; ++calls) watch_.succeeded();
  EXPECT_EQ(limiter_.allowed(), 4U);
}

TEST_F(UpstreamWatchTest, SilenceMakesFewerCallsAtOnceAndOtherFailuresDoNot) {
  watch_.failed(reset_);
  watch_.failed({ErrorCode::upstream_refused, "HTTP 400", {}});
  EXPECT_EQ(limiter_.allowed(), 4U);
  watch_.failed({ErrorCode::timeout, "said nothing for 120 s", {}});
  EXPECT_EQ(limiter_.allowed(), 2U);
  EXPECT_TRUE(watch_.takes_calls());
}

TEST_F(UpstreamWatchTest, OneThatAnswersProbesAndRefusesCallsSaysSoUntilACallSucceeds) {
  watch_.failed(gone_);
  settle();
  EXPECT_EQ(watch_.waiting_for(), std::nullopt) << "the first time it is believed";
  const auto since = *[&] {
    watch_.failed(gone_);
    return watch_.waiting_for();
  }();
  settle();
  EXPECT_TRUE(watch_.takes_calls());
  EXPECT_TRUE(watch_.is_open()) << "an alert that waits for half an hour must see no gaps";
  EXPECT_THAT(*watch_.waiting_for(),
              ::testing::MatchesRegex("upstream refuses calls since .*: connection refused; trying "
                                      "again"));
  watch_.failed(gone_);
  EXPECT_EQ(*watch_.waiting_for(), since) << "the time of the first refusal in a row stays";
  settle();
  changes_ = 0;
  watch_.failed({ErrorCode::upstream_refused, "HTTP 400", {}});  // is an answer
  EXPECT_EQ(watch_.waiting_for(), std::nullopt);
  EXPECT_FALSE(watch_.is_open());
  EXPECT_EQ(changes_, 1);
}

TEST_F(UpstreamWatchTest, CloseEndsTheProbing) {
  for (int i = 0; i < 100; ++i) source_.probes.push_back(std::unexpected(gone_));
  watch_.failed(gone_);
  runtime_.run(watch_.close());
  EXPECT_TRUE(watch_.is_open());
  EXPECT_FALSE(runtime_.step()) << "nothing is left of it";
}

}  // namespace
}  // namespace betedge::engine
