#include "betedge/server/sessions.hpp"

#include <gtest/gtest.h>

namespace betedge::server {
namespace {

using namespace std::chrono_literals;

const SteadyTime kStart{1'000h};

TEST(SessionsTest, KnowTheirTokenUntilTheyEnd) {
  Sessions sessions;
  const auto token = sha256("a");
  const auto secret = sessions.open(token, kStart);
  EXPECT_EQ(sessions.find(secret, kStart), token);
  EXPECT_EQ(sessions.find(secret, kStart + Sessions::kLifetime - 1ns), token);
  EXPECT_EQ(sessions.find(secret, kStart + Sessions::kLifetime), std::nullopt);
  EXPECT_EQ(sessions.find(secret + "x", kStart), std::nullopt);
  EXPECT_EQ(sessions.find("", kStart), std::nullopt);
}

TEST(SessionsTest, CanBeClosed) {
  Sessions sessions;
  const auto secret = sessions.open(sha256("a"), kStart);
  const auto other = sessions.open(sha256("a"), kStart);
  sessions.close(secret);
  sessions.close("unknown");
  EXPECT_EQ(sessions.find(secret, kStart), std::nullopt);
  EXPECT_NE(sessions.find(other, kStart), std::nullopt);
}

TEST(SessionsTest, AreBoundedAndTheOneThatEndsFirstGivesWay) {
  Sessions sessions;
  const auto first = sessions.open(sha256("a"), kStart);
  const auto second = sessions.open(sha256("a"), kStart + 1s);
  for (std::size_t i = 2; i <= Sessions::kMost; ++i) sessions.open(sha256("a"), kStart + 2s);
  EXPECT_EQ(sessions.size(), Sessions::kMost);
  EXPECT_EQ(sessions.find(first, kStart + 2s), std::nullopt);
  EXPECT_NE(sessions.find(second, kStart + 2s), std::nullopt);
}

TEST(SessionsTest, ThatHaveEndedTakeNoRoom) {
  Sessions sessions;
  for (int i = 0; i < 10; ++i) sessions.open(sha256("a"), kStart);
  sessions.open(sha256("a"), kStart + Sessions::kLifetime);
  EXPECT_EQ(sessions.size(), 1u);
}

TEST(SessionsTest, EndWithTheirToken) {
  Sessions sessions;
  const auto kept = sessions.open(sha256("a"), kStart);
  const auto gone = sessions.open(sha256("b"), kStart);
  sessions.keep_only(*TokenTable::parse("ann read " + to_hex(sha256("a")), "f"));
  EXPECT_NE(sessions.find(kept, kStart), std::nullopt);
  EXPECT_EQ(sessions.find(gone, kStart), std::nullopt);
}

TEST(LoginBackoffTest, GrowsByAddressAndIsForgotten) {
  LoginBackoff backoff;
  const std::vector<std::chrono::seconds> waits{0s, 0s, 1s, 2s, 4s, 8s, 16s, 32s, 60s, 60s, 60s};
  auto now = kStart;
  for (const auto wait : waits) {
    backoff.failed("10.0.0.1", now);
    EXPECT_EQ(backoff.wait("10.0.0.1", now), wait);
    EXPECT_EQ(backoff.wait("10.0.0.2", now), 0s);
    now += wait;
    EXPECT_EQ(backoff.wait("10.0.0.1", now), 0s);
  }
  now += 10min;
  backoff.failed("10.0.0.1", now);
  EXPECT_EQ(backoff.wait("10.0.0.1", now), 0s);
}

TEST(LoginBackoffTest, EndsWithASuccess) {
  LoginBackoff backoff;
  for (int i = 0; i < 5; ++i) backoff.failed("10.0.0.1", kStart);
  EXPECT_EQ(backoff.wait("10.0.0.1", kStart), 4s);
  backoff.succeeded("10.0.0.1");
  backoff.succeeded("10.0.0.9");
  EXPECT_EQ(backoff.wait("10.0.0.1", kStart), 0s);
}

TEST(LoginBackoffTest, RemembersABoundedNumberOfAddresses) {
  LoginBackoff backoff;
  for (int i = 0; i < 5; ++i) backoff.failed("first", kStart);
  for (std::size_t i = 0; i < 3 * LoginBackoff::kMost; ++i)
    backoff.failed(std::to_string(i), kStart + 1s);
  EXPECT_EQ(backoff.size(), LoginBackoff::kMost);
  EXPECT_EQ(backoff.wait("first", kStart + 1s), 0s);
}

}  // namespace
}  // namespace betedge::server
