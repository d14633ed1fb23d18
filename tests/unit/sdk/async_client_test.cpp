#include "betedge/sdk/async_client.hpp"

#include <gmock/gmock.h>

#include "support/scripted_http.hpp"
#include "support/virtual_runtime.hpp"
#include "unit/sdk/job_answers.hpp"

namespace betedge::sdk {
namespace {

using betedge::testing::job_json;
using betedge::testing::JobSketch;
using betedge::testing::kJobId;
using betedge::testing::kNobodyListens;
using betedge::testing::Scripted;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const std::string kBase = "http://127.0.0.1:8000";

template <class T>
Task<void> keep(Task<Outcome<T>> task, std::optional<Outcome<T>>& outcome) {
  outcome = co_await std::move(task);
}

class AsyncClientTest : public ::testing::Test {
 protected:
  AsyncClient client(ServerAddress address = {}) {
    return AsyncClient(runtime_, http_, std::move(address));
  }
  template <class T>
  Outcome<T> run(Task<Outcome<T>> task) {
    std::optional<Outcome<T>> outcome;
    runtime_.run(keep(std::move(task), outcome));
    return *std::move(outcome);
  }
  void answer(std::vector<Scripted> answers) { http_.answers = {answers.begin(), answers.end()}; }
  Outcome<JobInfo> wait(WaitOptions options = {}) {
    auto asking = client();
    return run(
        asking.wait_for_completion(std::string(kJobId), std::move(options), stop_.get_token()));
  }

  betedge::testing::VirtualRuntime runtime_{3};
  betedge::testing::ScriptedHttp http_;
  std::stop_source stop_;
};

TEST_F(AsyncClientTest, SubmitsWhatWasGivenAndNothingElse) {
  answer({{202, R"({"status":"accepted","job_id":"abc","message":"…","status_url":"/jobs/abc"})"}});
  auto asking = client({"localhost:9000/", "secret", "notebook"});
  wire::SubmitForm form{.root = "AAPL", .start_date = "20240101", .end_date = "20240131"};
  form.interval_ms = 60'000;
  const auto accepted = run(asking.submit(Kind::stock, form, {}));
  ASSERT_TRUE(accepted) << accepted.error().message;
  EXPECT_EQ(accepted->job_id, "abc");
  EXPECT_THAT(http_.asked, ElementsAre("POST http://localhost:9000/historical/stock"));
  const auto& request = http_.requests.front();
  EXPECT_EQ(request.body,
            R"({"root":"AAPL","start_date":"20240101","end_date":"20240131","interval":60000})");
  using Header = std::pair<std::string, std::string>;
  EXPECT_THAT(request.headers, Contains(Header{"Content-Type", "application/json"}));
  EXPECT_THAT(request.headers, Contains(Header{"Authorization", "Bearer secret"}));
  EXPECT_THAT(request.headers, Contains(Header{"X-Client-Id", "notebook"}));
}

TEST_F(AsyncClientTest, ARequestThatDoesNotHoldComesBackWithEveryFault) {
  answer({{422, R"({"detail":[
      {"type":"value_error","loc":["body","end_date"],"msg":"Value error, end_date must be >= start_date","input":"20240101"},
      {"type":"missing","loc":["body","root"],"msg":"Field required","input":{}}]})"}});
  auto asking = client();
  const auto accepted = run(asking.submit(Kind::option, {}, {}));
  ASSERT_FALSE(accepted);
  EXPECT_EQ(accepted.error().problem, Problem::refused);
  EXPECT_EQ(accepted.error().http_status, 422);
  EXPECT_THAT(accepted.error().faults,
              ElementsAre("end_date: end_date must be >= start_date", "root: Field required"));
}

struct ProblemCase {
  std::string name;
  Scripted answer;
  Problem problem;
  std::string says;
};
void PrintTo(const ProblemCase& tested, std::ostream* out) {
  *out << tested.name;
}
class AsyncClientProblem : public AsyncClientTest,
                           public ::testing::WithParamInterface<ProblemCase> {};

TEST_P(AsyncClientProblem, IsToldApart) {
  answer({GetParam().answer});
  auto asking = client();
  const auto job = run(asking.job("abc", {}));
  ASSERT_FALSE(job);
  EXPECT_EQ(job.error().problem, GetParam().problem);
  EXPECT_THAT(job.error().message, HasSubstr(GetParam().says));
  EXPECT_EQ(http_.asked.size(), 1U) << "asked again";
}

INSTANTIATE_TEST_SUITE_P(
    Answers, AsyncClientProblem,
    ::testing::Values(
        ProblemCase{"bad_id",
                    {400, R"({"detail":"Invalid job ID format"})"},
                    Problem::refused,
                    "Invalid job ID format"},
        ProblemCase{"no_token",
                    {401, R"({"detail":"a token is needed"})"},
                    Problem::unauthorized,
                    "a token is needed"},
        ProblemCase{
            "wrong_scope", {403, R"({"detail":"read only"})"}, Problem::unauthorized, "read only"},
        ProblemCase{"absent",
                    {404, R"({"detail":"Job abc not found"})"},
                    Problem::not_found,
                    "Job abc not found"},
        ProblemCase{"fault",
                    {500, R"({"detail":"Failed to get job status: x"})"},
                    Problem::server_failed,
                    "Failed to get job status: x"},
        ProblemCase{
            "starting", {503, R"({"detail":"starting"})"}, Problem::unavailable, "starting"},
        ProblemCase{"throttled", {429, ""}, Problem::unavailable, "HTTP 429"},
        ProblemCase{"redirect", {302, ""}, Problem::garbled, "HTTP 302"},
        ProblemCase{"a_web_page",
                    {200, "<html>hello</html>"},
                    Problem::garbled,
                    "does not answer like a betedge server"},
        ProblemCase{
            "other_json", {200, "{}"}, Problem::garbled, "does not answer like a betedge server"},
        ProblemCase{"nobody", {0, "", {}, kNobodyListens}, Problem::unavailable, "nobody listens"},
        ProblemCase{"reset",
                    {0, "", {}, Error{ErrorCode::upstream_failed, "reset", {}}},
                    Problem::unavailable,
                    "reset"}),
    [](const auto& tested) { return tested.param.name; });

TEST_F(AsyncClientTest, KeepsAJobsJsonAsItCame) {
  const auto json = job_json({.succeeded = 1, .pending = 2});
  answer({{200, json, {{"Retry-After", "3"}}}});
  auto asking = client();
  const auto job = run(asking.job("a/b?c", {}));
  ASSERT_TRUE(job) << job.error().message;
  EXPECT_EQ(job->json, json);
  EXPECT_EQ(job->view.total, 3U);
  EXPECT_EQ(job->retry_after, seconds{3});
  EXPECT_THAT(http_.asked, ElementsAre("GET " + kBase + "/jobs/a%2Fb%3Fc"));
}

TEST_F(AsyncClientTest, ListsJobsWithWhatWasAskedFor) {
  const auto one = job_json({.succeeded = 1}), two = job_json({.failed = 1});
  answer({{200, R"({"total":2,"limit":2,"status_filter":null,"jobs":[)" + one + "," + two + "]}"}});
  auto asking = client();
  const auto jobs = run(asking.jobs({.status = "running", .limit = 2}, {}));
  ASSERT_TRUE(jobs) << jobs.error().message;
  ASSERT_EQ(jobs->size(), 2U);
  EXPECT_EQ((*jobs)[1].view.items.failed, 1U);
  EXPECT_EQ((*jobs)[0].json, one);
  EXPECT_THAT(http_.asked, ElementsAre("GET " + kBase + "/jobs?limit=2&job_status=running"));
}

TEST_F(AsyncClientTest, GoesThroughItemsPageByPage) {
  const std::string item =
      R"({"key":"a/data.parquet","state":"failed","attempts":4,"rows":0,"bytes":0,"sha256":null,"error":"HTTP 500"})";
  answer({{200, R"({"items":[)" + item + R"(],"next_cursor":17})"},
          {200, R"({"items":[],"next_cursor":null})"}});
  auto asking = client();
  const auto first = run(asking.items("abc", {.state = "failed", .limit = 1}, {}));
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(first->items.front().error, "HTTP 500");
  EXPECT_THAT(first->json, ElementsAre(item));
  const auto second = run(asking.items("abc", {.cursor = first->next_cursor}, {}));
  ASSERT_TRUE(second);
  EXPECT_FALSE(second->next_cursor);
  EXPECT_THAT(http_.asked, ElementsAre("GET " + kBase + "/jobs/abc/items?state=failed&limit=1",
                                       "GET " + kBase + "/jobs/abc/items?cursor=17"));
}

TEST_F(AsyncClientTest, TellsWhetherTheServerIsHealthy) {
  answer({{200, R"({"status":"healthy"})"}, {0, "", {}, kNobodyListens}});
  auto asking = client();
  EXPECT_TRUE(run(asking.health({})));
  EXPECT_EQ(run(asking.health({})).error().problem, Problem::unavailable);
}

TEST_F(AsyncClientTest, WaitsUntilTheJobHasEndedAndShowsEveryLook) {
  answer({{200, job_json({.status = "pending", .state = "queued", .pending = 2})},
          {200, job_json({.succeeded = 1, .pending = 1})},
          {200, job_json({.status = "completed", .state = "completed", .succeeded = 2})}});
  std::vector<std::uint64_t> seen;
  const auto job =
      wait({.on_progress = [&seen](const JobInfo& at) { seen.push_back(at.view.completed); }});
  ASSERT_TRUE(job) << job.error().message;
  EXPECT_EQ(job->view.state, "completed");
  EXPECT_THAT(seen, ElementsAre(0, 1, 2));
}

TEST_F(AsyncClientTest, LooksLessAndLessOftenUpToTheLongestDelay) {
  std::vector<double> pauses;
  auto last = runtime_.steady_now();
  http_.on_ask = [&](std::size_t) {
    pauses.push_back(std::chrono::duration<double>(runtime_.steady_now() - last).count());
    last = runtime_.steady_now();
  };
  answer({{200, job_json({.pending = 1})}});
  EXPECT_EQ(wait({.timeout = seconds{120}}).error().problem, Problem::timeout);
  double expected = 0.25;
  ASSERT_GT(pauses.size(), 20U);
  for (std::size_t i = 1; i + 1 < pauses.size(); ++i) {
    EXPECT_GE(pauses[i], expected * 0.8 - 0.002) << i;
    EXPECT_LE(pauses[i], expected * 1.2 + 0.002) << i;
    expected = std::min(expected * 1.5, 5.0);
  }
}

TEST_F(AsyncClientTest, NeverAsksEarlierThanTheServerWants) {
  std::vector<SteadyTime> times;
  http_.on_ask = [&](std::size_t) { times.push_back(runtime_.steady_now()); };
  answer({{200, job_json({.pending = 1}), {{"Retry-After", "7"}}},
          {503, R"({"detail":"busy"})", {{"Retry-After", "9"}}},
          {200, job_json({.status = "completed", .state = "completed", .succeeded = 1})}});
  ASSERT_TRUE(wait());
  ASSERT_EQ(times.size(), 3U);
  EXPECT_GE(times[1] - times[0], seconds{7});
  EXPECT_GE(times[2] - times[1], seconds{9});
}

TEST_F(AsyncClientTest, SurvivesARestartOfTheServer) {
  answer({{200, job_json({.succeeded = 1, .pending = 1})},
          {0, "", {}, kNobodyListens},
          {0, "", {}, Error{ErrorCode::upstream_failed, "reset", {}}},
          {503, R"({"detail":"the server is starting"})"},
          {200, job_json({.status = "completed", .state = "completed", .succeeded = 2})}});
  std::vector<std::string> troubles;
  const auto job =
      wait({.on_trouble = [&](const Failure& failure) { troubles.push_back(failure.message); }});
  ASSERT_TRUE(job) << job.error().message;
  EXPECT_THAT(troubles, ElementsAre(HasSubstr("nobody listens"), "reset", HasSubstr("starting")));
}

TEST_F(AsyncClientTest, GivesUpAServerThatStaysAway) {
  answer({{0, "", {}, kNobodyListens}});
  const auto before = runtime_.steady_now();
  const auto job = wait({.patience = seconds{30}});
  ASSERT_FALSE(job);
  EXPECT_EQ(job.error().problem, Problem::unavailable);
  EXPECT_GE(runtime_.steady_now() - before, seconds{30});
  EXPECT_LE(runtime_.steady_now() - before, seconds{37});
}

TEST_F(AsyncClientTest, AJobThatTheServerNoLongerKnowsEndsTheWait) {
  answer({{200, job_json({.pending = 1})}, {404, R"({"detail":"Job x not found"})"}});
  EXPECT_EQ(wait().error().problem, Problem::not_found);
}

TEST_F(AsyncClientTest, LooksOnceMoreAtTheTimeoutAndThenSaysHowFarItIs) {
  answer({{200, job_json({.succeeded = 3, .pending = 4})}});
  const auto before = runtime_.steady_now();
  const auto job = wait({.timeout = seconds{10}});
  EXPECT_EQ(runtime_.steady_now() - before, seconds{10});
  EXPECT_EQ(job.error().problem, Problem::timeout);
  EXPECT_THAT(job.error().message, HasSubstr("running, 3 of 7 items done"));
}

TEST_F(AsyncClientTest, StopEndsTheWaitAtOnceAndNoProgressComesAfterwards) {
  answer({{200, job_json({.pending = 1}), {{"Retry-After", "1000"}}}});
  int looks = 0;
  const auto timer = runtime_.after(seconds{5}, [this] { stop_.request_stop(); });
  const auto before = runtime_.steady_now();
  const auto job = wait({.on_progress = [&looks](const JobInfo&) { ++looks; }});
  EXPECT_EQ(job.error().problem, Problem::stopped);
  EXPECT_EQ(runtime_.steady_now() - before, seconds{5});
  EXPECT_EQ(looks, 1);
}

}  // namespace
}  // namespace betedge::sdk
