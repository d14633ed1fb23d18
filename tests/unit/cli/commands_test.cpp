#include "betedge/cli/commands.hpp"

#include <gmock/gmock.h>

#include <sstream>

#include "unit/cli/command_world.hpp"
#include "unit/sdk/job_answers.hpp"

// The commands against a scripted server, in virtual time: what they ask, print and return.
namespace betedge::cli {
namespace {

using betedge::testing::job_json;
using betedge::testing::JobSketch;
using betedge::testing::kJobId;
using betedge::testing::kNobodyListens;
using betedge::testing::Scripted;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

const std::string kId{kJobId};
const Scripted kAccepted{202, R"({"status":"accepted","job_id":")" + kId +
                                  R"(","message":"","status_url":"/jobs/)" + kId + R"("})"};
const std::string kTimes =
    R"(,"started_at":"2025-06-02T13:00:01+00:00","finished_at":"2025-06-02T13:00:43.400000+00:00")";

Scripted completed(JobSketch job = {
                       .succeeded = 20, .no_data = 1, .rows = 1'234'567, .bytes = 84'123'456}) {
  job.status = "completed";
  job.state = job.failed > 0 ? "completed_with_errors" : "completed";
  job.more += kTimes;
  return {200, job_json(job)};
}

TEST_F(CommandsTest, OptionPrintsTheIdAndHowToFollowIt) {
  answer({kAccepted});
  EXPECT_EQ(run("option AAPL 2024-01-01 2024-01-31 --interval 15m"), 0);
  EXPECT_EQ(console_.on_out,
            "Job " + kId + " accepted\nFollow it with: betedge wait " + kId + "\n");
  EXPECT_THAT(console_.on_err, IsEmpty());
  EXPECT_THAT(http_.asked, ElementsAre("POST http://127.0.0.1:8000/historical/option"));
}

TEST_F(CommandsTest, OptionAsJsonPrintsOneObjectAndTalksOnStandardError) {
  answer({kAccepted});
  EXPECT_EQ(run("option AAPL 2024-01-02 --json"), 0);
  EXPECT_EQ(console_.on_out, R"({"job_id":")" + kId + R"(","status_url":"/jobs/)" + kId + "\"}\n");
  EXPECT_THAT(console_.on_err, HasSubstr("Follow it with"));
}

TEST_F(CommandsTest, WaitingIntoAFileWritesALineAtOnceThenEveryFewSecondsAndASummary) {
  const auto running = [](int done, std::uint64_t bytes) {
    return Scripted{200, job_json({.succeeded = done, .pending = 21 - done, .bytes = bytes})};
  };
  std::vector<Scripted> answers{kAccepted};
  for (int i = 0; i < 20; ++i)
    answers.push_back(running(i, static_cast<std::uint64_t>(i) * 1'000'000));
  answers.push_back(completed());
  answer(answers);
  const auto before = runtime_.steady_now();
  EXPECT_EQ(run("option AAPL 2024-01-01 2024-01-31 --wait"), 0);
  EXPECT_EQ(console_.on_out, "Job " + kId +
                                 " accepted\nCompleted in 0:42: 21 items, 20 written, 1 no data; "
                                 "1,234,567 rows, 84.1 MB\n");
  std::vector<std::string> lines;
  std::istringstream stream(console_.on_err);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  ASSERT_GT(lines.size(), 3U);
  EXPECT_EQ(lines.front(), "0 of 21 items (0%)");
  EXPECT_THAT(lines[1], HasSubstr(" written; "));
  EXPECT_THAT(lines[1], HasSubstr("/s, "));
  EXPECT_THAT(lines.back(), StartsWith("21 of 21 items (100%)"));
  const auto whole = std::chrono::duration<double>(runtime_.steady_now() - before).count();
  EXPECT_LE(static_cast<double>(lines.size()), whole / 5 + 2);
  EXPECT_THAT(console_.on_err, Not(HasSubstr("\x1b")));
  EXPECT_THAT(console_.on_err, Not(HasSubstr("\r")));
}

TEST_F(CommandsTest, WaitingOnATerminalRedrawsOneLineInPlace) {
  console_.shown = {.animate = true, .unicode = true};
  answer({Scripted{200, job_json({.pending = 4})}, Scripted{200, job_json({.pending = 4})},
          Scripted{200, job_json({.succeeded = 2, .pending = 2})}, completed({.succeeded = 4})});
  EXPECT_EQ(run("wait " + kId), 0);
  EXPECT_EQ(std::ranges::count(console_.on_err, '\n'), 1) << "only when the bar is done";
  EXPECT_EQ(std::ranges::count(console_.on_err, '\r'), 3);
  EXPECT_THAT(console_.on_err, StartsWith("\r  0%  ░"));
  EXPECT_THAT(console_.on_err, HasSubstr("4/4  4 written\x1b[K\n"));
}

TEST_F(CommandsTest, ANarrowerTerminalGetsTheBrokenLinesCleared) {
  console_.shown = {.animate = true};
  console_.width = 121;
  http_.on_ask = [this](std::size_t number) {
    if (number == 3) console_.width = 41;
  };
  JobSketch busy{.succeeded = 100, .skipped = 100, .no_data = 100, .failed = 100, .pending = 100};
  busy.rows = 123'456'789;
  busy.bytes = 123'456'789;
  answer(
      {Scripted{200, job_json(busy)}, Scripted{200, job_json(busy)}, completed({.succeeded = 1})});
  run("wait " + kId);
  EXPECT_THAT(console_.on_err, HasSubstr("\r\x1b[2A\x1b[J"));
}

TEST_F(CommandsTest, WaitForAJobThatHasEndedJustSaysHow) {
  answer({completed()});
  EXPECT_EQ(run("wait " + kId), 0);
  EXPECT_THAT(console_.on_err, IsEmpty());
  EXPECT_THAT(console_.on_out, StartsWith("Completed in 0:42: 21 items"));
}

TEST_F(CommandsTest, WaitingAsJsonPrintsTheLastJobOnce) {
  const auto end = completed();
  answer({Scripted{200, job_json({.pending = 2})}, Scripted{200, job_json({.pending = 2})}, end});
  EXPECT_EQ(run("wait --json " + kId), 0);
  EXPECT_EQ(console_.on_out, end.body + "\n");
  EXPECT_THAT(console_.on_err, HasSubstr("Completed in 0:42"));
}

TEST_F(CommandsTest, WhatFailedIsListedWithWhatToDoAboutIt) {
  std::string items;
  for (int i = 0; i < 10; ++i) {
    items += fmt::format(R"({}{{"key":"a/0{}/data.parquet","state":"failed","attempts":4,"rows":0,)"
                         R"("bytes":0,"sha256":null,"error":"HTTP 500\u001b[2J"}})",
                         i == 0 ? "" : ",", i);
  }
  answer({completed({.succeeded = 9, .failed = 12}), completed({.succeeded = 9, .failed = 12}),
          Scripted{200, R"({"items":[)" + items + R"(],"next_cursor":10})"}});
  EXPECT_EQ(run("wait " + kId), 3);
  EXPECT_THAT(console_.on_out,
              StartsWith("Completed with errors in 0:42: 21 items, 9 written, 12 failed\n"
                         "  a/00/data.parquet: HTTP 500 [2J\n"));
  EXPECT_THAT(console_.on_out,
              HasSubstr("  and 2 more: betedge job " + kId + " --items --state failed\n"));
  EXPECT_THAT(console_.on_out, HasSubstr("To try them again, give the same request again"));
  EXPECT_EQ(http_.asked.back(),
            "GET http://127.0.0.1:8000/jobs/" + kId + "/items?state=failed&limit=10");
}

TEST_F(CommandsTest, AFailedJobSaysWhy) {
  answer({Scripted{200, job_json({.status = "failed",
                                  .state = "failed",
                                  .pending = 3,
                                  .error_message = R"("no space left in the lake")"})}});
  EXPECT_EQ(run("wait " + kId), 1);
  EXPECT_EQ(console_.on_out, "Failed: no space left in the lake\n");
}

TEST_F(CommandsTest, NothingToDoIsDoneAndSaysWhatIsNotThereYet) {
  JobSketch nothing;
  nothing.more =
      R"(,"not_yet_available":["20250602","20250603"],"warnings":["unknown member 'x' ignored"])";
  answer({completed(nothing)});
  EXPECT_EQ(run("wait " + kId), 0);
  EXPECT_EQ(console_.on_out,
            "Completed in 0:42: nothing to download\n"
            "Not available yet: 2 days from 20250602. Ask again when they are over.\n");
  EXPECT_EQ(console_.on_err, "Warning: unknown member 'x' ignored\n");
}

TEST_F(CommandsTest, AJobThatStandsStillSaysWhatItWaitsFor) {
  answer(
      {Scripted{200, job_json({.pending = 2})},
       Scripted{200, job_json({.pending = 2, .more = R"(,"waiting_for":"upstream unavailable")"})},
       Scripted{200, job_json({.pending = 2, .more = R"(,"waiting_for":"upstream unavailable")"})},
       completed()});
  EXPECT_EQ(run("wait " + kId), 0);
  EXPECT_THAT(console_.on_err, HasSubstr("0 of 2 items (0%); waiting: upstream unavailable\n"));
}

TEST_F(CommandsTest, ARestartOfTheServerIsWaitedOutAndSaid) {
  answer({Scripted{200, job_json({.pending = 2})}, Scripted{200, job_json({.pending = 2})},
          Scripted{0, "", {}, kNobodyListens}, Scripted{0, "", {}, kNobodyListens}, completed()});
  EXPECT_EQ(run("wait " + kId), 0);
  EXPECT_THAT(console_.on_err, HasSubstr("waiting: no answer from the server, trying again"));
}

TEST_F(CommandsTest, CtrlCLeavesTheJobRunningAndSaysHowToComeBack) {
  console_.shown = {.animate = true};
  answer({kAccepted, Scripted{200, job_json({.succeeded = 1, .pending = 3})}});
  const auto timer = runtime_.after(seconds{30}, [this] { stop_.request_stop(); });
  EXPECT_EQ(run("stock AAPL 2024-01-01 2024-12-31 --wait"), 130);
  EXPECT_THAT(console_.on_err,
              ::testing::EndsWith(
                  "\x1b[K\nInterrupted. The job goes on; come back to it with: betedge wait " +
                  kId + "\nor give it up with: betedge cancel " + kId + "\n"));
}

TEST_F(CommandsTest, CancelSaysWhatWasDone) {
  answer({Scripted{200, job_json({.status = "failed", .state = "cancelled", .succeeded = 3})}});
  EXPECT_EQ(run("cancel " + kId), 0);
  EXPECT_THAT(http_.asked, ElementsAre("POST http://127.0.0.1:8000/jobs/" + kId + "/cancel"));
  EXPECT_EQ(console_.on_out, "Job " + kId + " is cancelled: 3 of 3 items were done\n");
  answer({Scripted{
      200, job_json({.status = "running", .state = "cancelling", .succeeded = 1, .pending = 4})}});
  console_.on_out.clear();
  EXPECT_EQ(run("cancel --json " + kId), 0);
  EXPECT_THAT(console_.on_out, StartsWith("{"));
  EXPECT_THAT(console_.on_err, HasSubstr("is being cancelled: 1 of 5 items were done"));
}

TEST_F(CommandsTest, CancelOfAnEndedJobIsRefusedInItsOwnWords) {
  answer({Scripted{409, R"({"detail":"the job has ended","code":"conflict"})"}});
  EXPECT_EQ(run("cancel " + kId), 2);
  EXPECT_THAT(console_.on_err, HasSubstr("the job has ended"));
}

TEST_F(CommandsTest, RetrySaysHowToFollowOrFollows) {
  answer({Scripted{200, job_json({.succeeded = 2, .pending = 1})}});
  EXPECT_EQ(run("retry " + kId), 0);
  EXPECT_THAT(http_.asked, ElementsAre("POST http://127.0.0.1:8000/jobs/" + kId + "/retry"));
  EXPECT_EQ(
      console_.on_out,
      "Job " + kId + " tries its failed items again\nFollow it with: betedge wait " + kId + "\n");
  answer({Scripted{200, job_json({.succeeded = 20, .pending = 1})}, completed()});
  EXPECT_EQ(run("retry --wait " + kId), 0);
  EXPECT_THAT(console_.on_out, HasSubstr("Completed in 0:42"));
}

TEST_F(CommandsTest, PlanShowsWhatASubmitWouldDo) {
  answer({Scripted{200, R"({"status":"dry_run","total":3,"present":1,"missing":2,"calls":4,)"
                        R"("expected":{"bytes":400000,"seconds":2.5,"from_objects":7},"items":[)"
                        R"({"key":"a","covers":["20240102","20240102"],"state":"present"},)"
                        R"({"key":"b","covers":["20240103","20240103"],"state":"missing"},)"
                        R"({"key":"c","covers":["20240104","20240104"],"state":"missing"}],)"
                        R"("not_yet_available":[],"warnings":[]})"}});
  EXPECT_EQ(run("plan option AAPL 2024-01-02 2024-01-04"), 0);
  EXPECT_THAT(http_.asked,
              ElementsAre("POST http://127.0.0.1:8000/historical/option?dry_run=true"));
  EXPECT_THAT(console_.on_out,
              StartsWith("Would download 2 objects by 4 upstream calls, about 400.0 kB"));
  EXPECT_THAT(console_.on_out, HasSubstr("\n  b\n  c\n"));
}

TEST_F(CommandsTest, WatchFollowsAllJobsUntilNoneIsLeft) {
  const auto list = [](const std::string& jobs) {
    return Scripted{200, R"({"jobs":[)" + jobs + "]}"};
  };
  const auto running = job_json({.status = "running", .succeeded = 1, .pending = 20});
  answer({list(""), list(running), list(""), list(""), completed()});
  EXPECT_EQ(run("watch"), 0);
  EXPECT_THAT(console_.on_err, HasSubstr(kId + "  1 of 21 items (4%)"));
  EXPECT_THAT(console_.on_out, HasSubstr(kId + "  completed: 20 written, 1 no data\n"));
  EXPECT_THAT(console_.on_err, HasSubstr("No job is left to watch.\n"));
}

TEST_F(CommandsTest, CtrlCEndsAWatchAndNoJob) {
  answer({Scripted{200, R"({"jobs":[]})"},
          Scripted{200, R"({"jobs":[)" + job_json({.status = "running", .pending = 2}) + "]}"}});
  stop_.request_stop();
  EXPECT_EQ(run("watch"), 130);
  EXPECT_THAT(console_.on_err, HasSubstr("The jobs go on"));
}

TEST_F(CommandsTest, CtrlCWhileSubmittingSaysThatItMayHaveBeenAccepted) {
  stop_.request_stop();
  EXPECT_EQ(run("stock AAPL 2024-01-02"), 130);
  EXPECT_THAT(console_.on_err, HasSubstr("'betedge jobs' shows whether the request was accepted"));
}

TEST_F(CommandsTest, ATimeoutSaysHowFarItIsAndHowToComeBack) {
  answer({Scripted{200, job_json({.succeeded = 1, .pending = 3})}});
  EXPECT_EQ(run("wait --timeout 20s " + kId), 7);
  EXPECT_THAT(console_.on_err,
              HasSubstr("not done in time: the job is still running, 1 of 4 items done"));
  EXPECT_THAT(console_.on_err, HasSubstr("betedge wait " + kId));
}

struct Complaint {
  std::string name;
  Scripted answer;
  int status;
  std::vector<std::string> says;
};
void PrintTo(const Complaint& complaint, std::ostream* out) {
  *out << complaint.name;
}
class CommandsComplaint : public CommandsTest, public ::testing::WithParamInterface<Complaint> {};

TEST_P(CommandsComplaint, SaysWhatToDoAndEndsWithItsCode) {
  for (const auto* line :
       {"option AAPL 2024-01-02 --wait", "jobs", "job abc", "job abc --items", "wait abc"}) {
    console_.on_err.clear();
    answer({GetParam().answer});
    EXPECT_EQ(run(line), GetParam().status) << line;
    for (const auto& part : GetParam().says) EXPECT_THAT(console_.on_err, HasSubstr(part)) << line;
    EXPECT_THAT(
        console_.on_err,
        StartsWith("betedge " + std::string(line).substr(0, std::string(line).find(' ')) + ": "));
    EXPECT_THAT(console_.on_out, IsEmpty());
  }
}

INSTANTIATE_TEST_SUITE_P(
    Answers, CommandsComplaint,
    ::testing::Values(
        Complaint{"no_server",
                  {0, "", {}, kNobodyListens},
                  5,
                  {"cannot reach the server: nobody listens on 127.0.0.1:8000", "betedge serve",
                   "BETEDGE_URL"}},
        Complaint{"draining",
                  {503, R"({"detail":"the server is stopping"})", {{"Retry-After", "5"}}},
                  5,
                  {"the server is stopping", "Try again in 5 s."}},
        Complaint{
            "throttled", {429, R"({"detail":"too many"})"}, 5, {"too many", "Try again later."}},
        Complaint{"no_token",
                  {401, R"({"detail":"a token is needed"})"},
                  4,
                  {"a token is needed", "BETEDGE_TOKEN"}},
        Complaint{"absent",
                  {404, R"({"detail":"Job abc not found"})"},
                  6,
                  {"Job abc not found", "betedge jobs"}},
        Complaint{
            "bad_id", {400, R"({"detail":"Invalid job ID format"})"}, 2, {"Invalid job ID format"}},
        Complaint{
            "fault", {500, R"({"detail":"Failed to get job status: disk"})"}, 1, {"disk", "log"}},
        Complaint{
            "other_server", {200, "<html>"}, 1, {"does not answer like a betedge server", "--url"}},
        Complaint{"faults",
                  {422, R"({"detail":[{"loc":["body","interval"],"msg":"too short"},)"
                        R"({"loc":["body","root"],"msg":"String should match pattern"}]})"},
                  2,
                  {"the server refuses this request:\n  interval: too short\n  root: String should "
                   "match pattern\n"}},
        Complaint{"fault_alone",
                  {422, R"({"detail":[{"loc":["body","interval"],"msg":"too short"}]})"},
                  2,
                  {"interval: too short\n"}}),
    [](const auto& tested) { return tested.param.name; });

TEST_F(CommandsTest, JobsIsATableCutToTheTerminal) {
  runtime_.set_wall_start(
      Timestamp{std::chrono::sys_days{std::chrono::year{2025} / 6 / 2} + std::chrono::hours{16}});
  const auto list =
      R"({"total":2,"limit":20,"status_filter":null,"jobs":[)" +
      job_json({.succeeded = 12, .pending = 9}) + "," +
      job_json(
          {.status = "completed", .state = "completed_with_errors", .succeeded = 1, .failed = 1}) +
      "]}";
  answer({Scripted{200, list}});
  EXPECT_EQ(run("jobs"), 0);
  EXPECT_EQ(console_.on_out,
            "JOB                                   STATUS                        PROGRESS   AGE  "
            "REQUEST\n" +
                kId +
                "  running                     12/21  57%    3h  AAPL option quote 15m, 2024-01-01 "
                "to 2024-01-31\n" +
                kId +
                "  completed with errors         2/2 100%    3h  AAPL option quote 15m, 2024-01-01 "
                "to 2024-01-31\n");
  console_.on_out.clear();
  console_.shown.out_is_terminal = true;
  console_.width = 110;
  EXPECT_EQ(run("jobs"), 0);
  std::istringstream stream(console_.on_out);
  for (std::string line; std::getline(stream, line);) EXPECT_LE(line.size(), 110U) << line;
}

TEST_F(CommandsTest, JobsAsJsonIsOneObjectALine) {
  const auto one = job_json({.succeeded = 1}), two = job_json({.failed = 1});
  answer({Scripted{
      200, R"({"total":2,"limit":20,"status_filter":null,"jobs":[)" + one + "," + two + "]}"}});
  EXPECT_EQ(run("jobs --json"), 0);
  EXPECT_EQ(console_.on_out, one + "\n" + two + "\n");
}

TEST_F(CommandsTest, NoJobsIsNoError) {
  answer({Scripted{200, R"({"total":0,"limit":20,"status_filter":null,"jobs":[]})"}});
  EXPECT_EQ(run("jobs"), 0);
  EXPECT_THAT(console_.on_out, IsEmpty());
  EXPECT_THAT(console_.on_err, HasSubstr("Start one: betedge option AAPL"));
}

TEST_F(CommandsTest, JobShowsAllThatIsKnown) {
  runtime_.set_wall_start(
      Timestamp{std::chrono::sys_days{std::chrono::year{2025} / 6 / 2} + std::chrono::hours{16}});
  answer({completed({.succeeded = 19,
                     .failed = 2,
                     .rows = 1'000,
                     .bytes = 84'123'456,
                     .error_message = R"("2 of 21 items failed")",
                     .more = R"(,"warnings":["careful"])"})});
  EXPECT_EQ(run("job " + kId), 0) << "showing it is not judging it";
  EXPECT_EQ(console_.on_out, "Job " + kId + R"(
  request     AAPL option quote 15m, 2024-01-01 to 2024-01-31
  status      completed with errors, 21 of 21 items (100%)
  items       19 written, 2 failed
  data        1,000 rows, 84.1 MB
  created     2025-06-02 13:00:00 UTC (3h ago)
  started     2025-06-02 13:00:01 UTC
  finished    2025-06-02 13:00:43 UTC, took 0:42
  error       2 of 21 items failed
  warning     careful
  files       betedge job )" + kId +
                                 " --items\n");
}

TEST_F(CommandsTest, JobShowsWhatIsStillToDo) {
  answer({Scripted{200, job_json({.succeeded = 1,
                                  .running = 4,
                                  .pending = 16,
                                  .more = R"(,"waiting_for":"upstream unavailable")"})}});
  EXPECT_EQ(run("job " + kId), 0);
  EXPECT_THAT(console_.on_out, HasSubstr("  items       1 written, 4 running, 16 to do\n"));
  EXPECT_THAT(console_.on_out, HasSubstr("  waiting for upstream unavailable\n"));
  EXPECT_THAT(console_.on_out, Not(HasSubstr("finished")));
}

const std::string kItem =
    R"({"key":"a/data.parquet","state":"succeeded","attempts":1,"rows":1234,"bytes":84123,"sha256":"00","error":null})";
const std::string kFailedItem =
    R"({"key":"b/data.parquet","state":"failed","attempts":4,"rows":0,"bytes":0,"sha256":null,"error":"HTTP 500"})";

TEST_F(CommandsTest, ItemsAreListedPageByPage) {
  answer({Scripted{200, R"({"items":[)" + kItem + R"(],"next_cursor":1})"},
          Scripted{200, R"({"items":[)" + kFailedItem + R"(],"next_cursor":null})"}});
  EXPECT_EQ(run("job abc --items"), 0);
  EXPECT_EQ(console_.on_out,
            "STATE              ROWS       SIZE  KEY\n"
            "succeeded         1,234    84.1 kB  a/data.parquet\n"
            "failed                              b/data.parquet\n"
            "           HTTP 500\n");
  EXPECT_THAT(http_.asked,
              ElementsAre("GET http://127.0.0.1:8000/jobs/abc/items?limit=1000",
                          "GET http://127.0.0.1:8000/jobs/abc/items?limit=1000&cursor=1"));
}

TEST_F(CommandsTest, ItemsAsJsonAreOneObjectALineAndOnlyOfTheStateAskedFor) {
  answer({Scripted{200, R"({"items":[)" + kFailedItem + R"(],"next_cursor":null})"}});
  EXPECT_EQ(run("job abc --items --state failed --json"), 0);
  EXPECT_EQ(console_.on_out, kFailedItem + "\n");
  EXPECT_THAT(http_.asked.front(), HasSubstr("state=failed"));
}

TEST_F(CommandsTest, VersionNeedsNoServer) {
  EXPECT_EQ(run("version"), 0);
  EXPECT_THAT(console_.on_out, ::testing::MatchesRegex("betedge [0-9]+\\.[0-9]+\\.[0-9]+\n"));
  console_.on_out.clear();
  EXPECT_EQ(run("version --json"), 0);
  EXPECT_THAT(console_.on_out, ::testing::MatchesRegex("\\{\"version\":\"[0-9.]+\"\\}\n"));
  EXPECT_THAT(http_.asked, IsEmpty());
}

}  // namespace
}  // namespace betedge::cli
