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

TEST(FailureAnswer, NamesWhatIsNotAvailable) {
  EXPECT_EQ(header(failure_answer("x", {ErrorCode::store_unavailable, "", 0ms}), "Betedge-Error"),
            "store_unavailable");
  EXPECT_EQ(header(failure_answer("x", {ErrorCode::cancelled, "", 0ms}), "Betedge-Error"),
            "draining");
  EXPECT_EQ(header(failure_answer("x", {ErrorCode::timeout, "", 0ms}), "Betedge-Error"),
            "unavailable");
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

struct AcceptCase {
  std::string name;
  std::string accept;
  bool is_problem;
};
void PrintTo(const AcceptCase& tested, std::ostream* out) {
  *out << tested.name;
}

class AcceptTest : public ::testing::TestWithParam<AcceptCase> {};

TEST_P(AcceptTest, IsWeighedAsRfc9110Says) {
  EXPECT_EQ(prefers_problem_json(GetParam().accept), GetParam().is_problem) << GetParam().accept;
}

INSTANTIATE_TEST_SUITE_P(
    Values, AcceptTest,
    ::testing::Values(
        AcceptCase{"none", "", false}, AcceptCase{"anything", "*/*", false},
        AcceptCase{"any_application", "application/*", false},
        AcceptCase{"json", "application/json", false},
        AcceptCase{"problem", "application/problem+json", true},
        AcceptCase{"in_any_case", "Application/Problem+JSON", true},
        AcceptCase{"both", "application/json, application/problem+json", true},
        AcceptCase{"json_better", "application/json, application/problem+json;q=0.9", false},
        AcceptCase{"problem_better", "application/json;q=0.8 , application/problem+json;q=0.9",
                   true},
        AcceptCase{"spaces", "application/json ; Q=0.1\t,application/problem+json ;\tq=0.2", true},
        AcceptCase{"refused", "application/problem+json;q=0, */*", false},
        AcceptCase{"json_refused", "application/json;q=0, */*", true},
        AcceptCase{"specific_beats_wildcard", "*/*, application/problem+json;q=0.5", false},
        AcceptCase{"beside_a_weaker_wildcard", "*/*;q=0.5, application/problem+json", true},
        AcceptCase{"beside_a_page", "text/html, application/problem+json;q=0.1", true},
        AcceptCase{"charset", "application/problem+json;charset=utf-8", true},
        AcceptCase{"another_type_by_its_parameter", "application/problem+json;profile=x", false},
        AcceptCase{"a_comma_in_quotes", R"(text/x;a=",application/problem+json,")", false},
        AcceptCase{"no_weight", "application/problem+json;q=much", true},
        AcceptCase{"empty_parts", ",, ,application/problem+json,;", true}),
    [](const auto& tested) { return tested.param.name; });

TEST(FinishProblem, AddsTheMembersInTheMediaTypeThatIsLiked) {
  auto plain = problem_answer(wire::ProblemCode::job_not_found, "Job x not found");
  EXPECT_EQ(header(plain, "Betedge-Error"), "job_not_found");
  auto asked = plain;
  finish_problem(plain, "/jobs/x", "*/*");
  EXPECT_EQ(header(plain, "Content-Type"), "application/json");
  EXPECT_EQ(header(plain, "Vary"), "Accept");
  EXPECT_TRUE(as_text(plain.body.bytes).starts_with(R"({"detail":"Job x not found","type":)"));
  finish_problem(asked, "/jobs/x", "application/problem+json");
  EXPECT_EQ(header(asked, "Content-Type"), "application/problem+json");
  EXPECT_TRUE(as_text(asked.body.bytes).starts_with(R"({"type":"/docs#job_not_found",)"));
}

TEST(FinishProblem, LeavesEverythingElseAlone) {
  auto answer = json_answer(503, R"({"status":"starting"})");
  finish_problem(answer, "/health/ready", "application/problem+json");
  EXPECT_EQ(as_text(answer.body.bytes), R"({"status":"starting"})");
  auto page = html_answer(401, "<p>no", "'self'");
  page.headers.emplace_back(kErrorHeader, "unauthorized");
  finish_problem(page, "/login", "application/problem+json");
  EXPECT_EQ(as_text(page.body.bytes), "<p>no");
}

TEST(RetryAfter, IsWholeSecondsAndNeverZero) {
  EXPECT_EQ(retry_after_text(0ms), "1");
  EXPECT_EQ(retry_after_text(1ms), "1");
  EXPECT_EQ(retry_after_text(1000ms), "1");
  EXPECT_EQ(retry_after_text(1001ms), "2");
}

}  // namespace
}  // namespace betedge::server
