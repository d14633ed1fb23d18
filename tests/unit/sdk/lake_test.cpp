#include <gmock/gmock.h>

#include "betedge/sdk/async_client.hpp"
#include "support/scripted_http.hpp"
#include "support/virtual_runtime.hpp"
#include "unit/sdk/job_answers.hpp"

// What the client makes of the lake's endpoints.
namespace betedge::sdk {
namespace {

using betedge::testing::kNobodyListens;
using betedge::testing::Scripted;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

template <class T>
Task<void> keep(Task<Outcome<T>> task, std::optional<Outcome<T>>& outcome) {
  outcome = co_await std::move(task);
}

class LakeTest : public ::testing::Test {
 protected:
  template <class T>
  Outcome<T> run(Task<Outcome<T>> task) {
    std::optional<Outcome<T>> outcome;
    runtime_.run(keep(std::move(task), outcome));
    return *std::move(outcome);
  }
  void answer(Scripted answer) { http_.answers = {std::move(answer)}; }
  // Verifies against these lines, and keeps those that come.
  Outcome<wire::VerifyEnd> verify(Scripted answer, VerifyOptions options = {}) {
    http_.answers = {std::move(answer), Scripted{200, ""}};
    options.on_line = [this](const VerifyLine& line) { lines_.push_back(line.json); };
    return run(client_.verify(std::move(options), stop_.get_token()));
  }

  betedge::testing::VirtualRuntime runtime_{3};
  betedge::testing::ScriptedHttp http_;
  AsyncClient client_{runtime_, http_, {}};
  std::stop_source stop_;
  std::vector<std::string> lines_;
};

TEST_F(LakeTest, RootsComeReadAndAsTheyCame) {
  answer({200, R"({"lake":"/data/lake","publishes_conditionally":true,"roots":[)"
               R"({"kind":"stock","root":"AAPL","schema":"eod","interval":null,)"
               R"("return_format":"parquet","objects":2,"bytes":10,"rows":null,)"
               R"("first":"20230103","last":"20241231"}]})"});
  const auto roots = run(client_.roots({}));
  ASSERT_TRUE(roots) << roots.error().message;
  EXPECT_EQ(roots->view.lake, "/data/lake");
  ASSERT_EQ(roots->view.roots.size(), 1U);
  EXPECT_EQ(roots->view.roots[0].rows, std::nullopt);
  EXPECT_THAT(roots->json, ElementsAre(HasSubstr(R"("root":"AAPL")")));
  EXPECT_THAT(http_.asked, ElementsAre("GET http://127.0.0.1:8000/lake/roots"));
}

TEST_F(LakeTest, CoverageIsOfTheSeriesThatIsAskedFor) {
  const std::string body =
      R"({"kind":"stock","root":"^VIX","schema":"eod","interval":null,"return_format":"parquet",)"
      R"("start_date":"20240102","end_date":"20240102","counts":{"missing":1},)"
      R"("days":[{"date":"20240102","state":"missing","key":"k","reason":null}]})";
  answer({200, body});
  const auto coverage =
      run(client_.coverage({.kind = "stock", .root = "^VIX", .schema = "eod"}, {}));
  ASSERT_TRUE(coverage) << coverage.error().message;
  EXPECT_EQ(coverage->json, body);
  EXPECT_EQ(coverage->view.counts.of(DayState::missing), 1U);
  EXPECT_THAT(http_.asked, ElementsAre("GET http://127.0.0.1:8000/lake/coverage?kind=stock&root="
                                       "%5EVIX&schema=eod"));
}

TEST_F(LakeTest, AFillIsAJobOrNothing) {
  answer({202, R"({"status":"accepted","job_id":"abc","message":"","status_url":"/jobs/abc"})"});
  const auto filled = run(client_.fill({.kind = "option", .root = "AAPL"},
                                       {.labels = {{"why", "nightly"}}, .priority = 5}, {}));
  ASSERT_TRUE(filled) << filled.error().message;
  ASSERT_TRUE(filled->job);
  EXPECT_EQ(filled->job->job_id, "abc");
  EXPECT_EQ(http_.bodies.back(),
            R"({"kind":"option","root":"AAPL","labels":{"why":"nightly"},"priority":5})");
  answer({200, R"({"status":"nothing_to_fill","counts":{"present":21}})"});
  const auto nothing = run(client_.fill({.kind = "option", .root = "AAPL"}, {}, {}));
  ASSERT_TRUE(nothing);
  EXPECT_FALSE(nothing->job);
  EXPECT_EQ(nothing->counts.of(DayState::present), 21U);
}

TEST_F(LakeTest, APlanOfAFillSubmitsNothing) {
  answer({200, R"({"items":[{"key":"k","state":"missing","covers":["20240102","20240102"],)"
               R"("calls":2}],"calls":2})"});
  const auto plan = run(client_.plan_fill({.kind = "option", .root = "AAPL"}, {}, {}));
  ASSERT_TRUE(plan) << plan.error().message;
  ASSERT_TRUE(plan->view);
  EXPECT_EQ(plan->view->calls, 2U);
  EXPECT_THAT(http_.asked, ElementsAre("POST http://127.0.0.1:8000/lake/fill?dry_run=true"));
  answer({200, R"({"status":"nothing_to_fill","counts":{"present":21}})"});
  EXPECT_FALSE(run(client_.plan_fill({.kind = "option", .root = "AAPL"}, {}, {}))->view);
}

TEST_F(LakeTest, AnAnswerOfSomebodyElseIsGarbled) {
  answer({200, "<html>hello</html>"});
  EXPECT_EQ(run(client_.roots({})).error().problem, Problem::garbled);
  EXPECT_EQ(run(client_.coverage({}, {})).error().problem, Problem::garbled);
  EXPECT_EQ(run(client_.fill({}, {}, {})).error().problem, Problem::garbled);
  EXPECT_EQ(run(client_.plan_fill({}, {}, {})).error().problem, Problem::garbled);
  EXPECT_EQ(run(client_.verify({}, {})).error().problem, Problem::garbled);
}

const std::string kTorn = R"({"key":"a","verdict":"torn","detail":"no footer"})";
const std::string kEnd = R"({"checked":2,"sound":1,"differences":{"torn":1},"repair_jobs":["j1"]})";

TEST_F(LakeTest, AVerificationIsToldLineByLine) {
  const auto end = verify({200, kTorn + "\n{\"checked\":2}\n" + kEnd + "\n"},
                          {.prefix = "historical-", .repair = true});
  ASSERT_TRUE(end) << end.error().message;
  EXPECT_EQ(end->checked, 2U);
  EXPECT_EQ(end->differences.of(Verdict::torn), 1U);
  EXPECT_THAT(end->repair_jobs, ElementsAre("j1"));
  EXPECT_THAT(lines_, ElementsAre(kTorn, R"({"checked":2})", kEnd));
  EXPECT_EQ(http_.bodies.back(), R"({"prefix":"historical-","repair":true})");
}

TEST_F(LakeTest, LinesMayComeInPieces) {
  for (const std::size_t bytes : {1U, 7U, 100U}) {
    lines_.clear();
    ASSERT_TRUE(
        verify({.body = kTorn + "\n{\"checked\":2}\n" + kEnd + "\n", .piece_bytes = bytes}));
    EXPECT_THAT(lines_, ElementsAre(kTorn, R"({"checked":2})", kEnd));
  }
}

TEST_F(LakeTest, AVerificationThatBreaksOffIsNoEnd) {
  const auto cut = verify({200, kTorn + "\n{\"checked\":2}\n"});
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().problem, Problem::garbled);
  EXPECT_THAT(cut.error().message, HasSubstr("no end"));
  EXPECT_EQ(lines_.size(), 2U) << "what came was told";
  EXPECT_EQ(verify({200, kEnd}).error().problem, Problem::garbled) << "half a line";
  EXPECT_EQ(verify({200, "what?\n"}).error().problem, Problem::garbled);
}

TEST_F(LakeTest, AVerificationThatTheServerCannotEndSaysWhy) {
  const auto failed = verify({200, "{\"error\":\"the lake is gone\"}\n"});
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().problem, Problem::server_failed);
  EXPECT_EQ(failed.error().message, "the lake is gone");
}

TEST_F(LakeTest, AVerificationBesideAnotherIsForLater) {
  const auto second = verify({409, R"({"detail":"a verification runs"})"});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().problem, Problem::unavailable);
  EXPECT_EQ(second.error().message, "a verification runs");
  EXPECT_EQ(verify({403, R"({"detail":"no"})"}).error().problem, Problem::unauthorized);
}

TEST_F(LakeTest, NobodyThereIsNotAServerThatIsBusy) {
  answer({.error = kNobodyListens});
  EXPECT_TRUE(run(client_.verify({}, {})).error().is_nobody_there);
  answer({.error = Error{ErrorCode::upstream_failed, "reset", {}}});
  EXPECT_FALSE(run(client_.verify({}, {})).error().is_nobody_there);
  answer({503, R"({"detail":"draining"})"});
  EXPECT_FALSE(run(client_.verify({}, {})).error().is_nobody_there);
}

TEST_F(LakeTest, AStopEndsAVerification) {
  stop_.request_stop();
  EXPECT_EQ(verify({200, kEnd + "\n"}).error().problem, Problem::stopped);
}

}  // namespace
}  // namespace betedge::sdk
