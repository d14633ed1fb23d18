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
  testing::VirtualRuntime runtime_{1};
  ProbedSource source_;
  NamesLog log_;
  int changes_ = 0;
  UpstreamWatch watch_{runtime_, source_, log_, [this] { ++changes_; }};
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

TEST_F(UpstreamWatchTest, CloseEndsTheProbing) {
  for (int i = 0; i < 100; ++i) source_.probes.push_back(std::unexpected(gone_));
  watch_.failed(gone_);
  runtime_.run(watch_.close());
  EXPECT_TRUE(watch_.is_open());
  EXPECT_FALSE(runtime_.step()) << "nothing is left of it";
}

}  // namespace
}  // namespace betedge::engine
