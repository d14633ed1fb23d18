#include "betedge/server/answers.hpp"

#include <gtest/gtest.h>

namespace betedge::server {
namespace {

using namespace std::chrono_literals;

std::string header(const net::ServerResponse& answer, std::string_view name) {
  for (const auto& [key, value] : answer.headers)
    if (key == name) return value;
  return {};
}

TEST(FailureAnswer, IsAnOutageWithRetryAfterWhenTheStoreIsDown) {
  const auto answer = failure_answer(
      "Failed to submit request", {ErrorCode::store_unavailable, "/var/jobs.db: disk full", 0ms});
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(header(answer, "Retry-After"), "5");
  EXPECT_EQ(as_text(answer.body.bytes),
            R"({"detail":"Failed to submit request: the job store is not available"})");
}

TEST(FailureAnswer, PassesOnHowLongToWait) {
  const auto answer = failure_answer("x", {ErrorCode::store_unavailable, "", 1500ms});
  EXPECT_EQ(header(answer, "Retry-After"), "2");
}

TEST(FailureAnswer, IsAFaultOfOursOtherwiseAndNeverTellsTheErrorsOwnWords) {
  for (int code = 0; code <= static_cast<int>(ErrorCode::internal); ++code) {
    const Error error{static_cast<ErrorCode>(code), "/home/ann/secret", 0ms};
    const auto answer = failure_answer("Failed to list jobs", error);
    EXPECT_TRUE(answer.status == 500 || answer.status == 503) << code;
    EXPECT_EQ(header(answer, "Retry-After").empty(), answer.status == 500) << code;
    const auto body = as_text(answer.body.bytes);
    EXPECT_EQ(body.find("/home"), std::string_view::npos) << code;
    EXPECT_TRUE(body.starts_with(R"({"detail":"Failed to list jobs: )")) << body;
    EXPECT_EQ(header(answer, "Content-Type"), "application/json");
  }
}

TEST(RetryAfter, IsWholeSecondsAndNeverZero) {
  EXPECT_EQ(retry_after_text(0ms), "1");
  EXPECT_EQ(retry_after_text(1ms), "1");
  EXPECT_EQ(retry_after_text(1000ms), "1");
  EXPECT_EQ(retry_after_text(1001ms), "2");
}

}  // namespace
}  // namespace betedge::server
