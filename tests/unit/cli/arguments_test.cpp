#include "betedge/cli/arguments.hpp"

#include <gmock/gmock.h>

#include <sstream>

namespace betedge::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

std::vector<std::string> words(const std::string& line) {
  std::istringstream stream(line);
  std::vector<std::string> result;
  for (std::string word; stream >> word;) result.push_back(word);
  return result;
}

SubmitCommand submit_of(const std::string& line) {
  const auto invocation = parse_arguments(words(line));
  EXPECT_TRUE(invocation) << (invocation ? "" : invocation.error().err);
  return invocation ? std::get<SubmitCommand>(invocation->command) : SubmitCommand{};
}

// The request that a command makes is best read as its JSON.
struct SubmitCase {
  std::string name, line, body;
  Kind kind = Kind::option;
};
void PrintTo(const SubmitCase& tested, std::ostream* out) {
  *out << tested.line;
}
class SubmitArguments : public ::testing::TestWithParam<SubmitCase> {};
TEST_P(SubmitArguments, MakeTheRequest) {
  const auto command = submit_of(GetParam().line);
  EXPECT_EQ(wire::submit_json(command.form), GetParam().body);
  EXPECT_EQ(command.kind, GetParam().kind);
}
INSTANTIATE_TEST_SUITE_P(
    Lines, SubmitArguments,
    ::testing::Values(
        SubmitCase{"shortest", "option AAPL 2024-01-02",
                   R"({"root":"AAPL","start_date":"20240102","end_date":"20240102"})"},
        SubmitCase{"range", "stock brk.b 20240101 2024-12-31",
                   R"({"root":"brk.b","start_date":"20240101","end_date":"20241231"})",
                   Kind::stock},
        SubmitCase{
            "all_options",
            "option AAPL 2024-01-01 2024-12-31 --schema quote --interval 15m --start-time 09:30 "
            "--end-time 16:00 --format ipc --force",
            R"({"root":"AAPL","start_date":"20240101","end_date":"20241231","schema":"quote",)"
            R"("interval":900000,"return_format":"ipc","start_time":34200000,)"
            R"("end_time":57600000,"force_refresh":true})"},
        SubmitCase{"options_first_and_equals", "stock --schema=eod --interval=1h ^VIX 20240102",
                   R"({"root":"^VIX","start_date":"20240102","end_date":"20240102",)"
                   R"("schema":"eod","interval":3600000})",
                   Kind::stock}),
    [](const auto& tested) { return tested.param.name; });

TEST(ArgumentsTest, EarningsAreOfWholeMonths) {
  const auto range = submit_of("earnings 2024-01 202403 --force --wait --timeout 10m");
  EXPECT_EQ(range.kind, Kind::earnings);
  EXPECT_EQ(range.form.root, "");
  EXPECT_EQ(range.form.start_date, "202401");
  EXPECT_EQ(range.form.end_date, "202403");
  EXPECT_EQ(range.form.force_refresh, true);
  EXPECT_EQ(range.form.schema, std::nullopt);
  EXPECT_TRUE(range.wait);
  EXPECT_EQ(range.timeout, std::chrono::minutes{10});
  const auto one = submit_of("earnings 202401");
  EXPECT_EQ(one.form.end_date, "202401");
  EXPECT_EQ(one.form.force_refresh, std::nullopt);
}

TEST(ArgumentsTest, WaitTimeoutJsonAndUrlAreForAnyPlace) {
  const auto invocation = parse_arguments(
      words("option --json AAPL 2024-01-02 --wait --timeout 10m --url http://nas:8000"));
  ASSERT_TRUE(invocation);
  const auto& command = std::get<SubmitCommand>(invocation->command);
  EXPECT_TRUE(command.wait);
  EXPECT_EQ(command.timeout, std::chrono::minutes{10});
  EXPECT_TRUE(invocation->json);
  EXPECT_EQ(invocation->url, "http://nas:8000");
  EXPECT_EQ(invocation->name, "option");
}

TEST(ArgumentsTest, ReadsTheCommandsAboutJobs) {
  const auto wait = std::get<WaitCommand>(parse_arguments(words("wait abc --timeout 90"))->command);
  EXPECT_EQ(wait.id, "abc");
  EXPECT_EQ(wait.timeout, std::chrono::seconds{90});
  const auto all = std::get<JobsCommand>(parse_arguments({"jobs"})->command);
  EXPECT_EQ(all.limit, 20U);
  EXPECT_EQ(all.status, std::nullopt);
  const auto some =
      std::get<JobsCommand>(parse_arguments(words("jobs --status running --limit 5"))->command);
  EXPECT_EQ(some.limit, 5U);
  EXPECT_EQ(some.status, "running");
  const auto job =
      std::get<JobCommand>(parse_arguments(words("job abc --items --state failed"))->command);
  EXPECT_EQ(job.id, "abc");
  EXPECT_TRUE(job.items);
  EXPECT_EQ(job.state, "failed");
  EXPECT_TRUE(std::holds_alternative<VersionCommand>(parse_arguments({"version"})->command));
  EXPECT_TRUE(std::holds_alternative<VersionCommand>(parse_arguments({"--version"})->command));
}

struct SeriesCase {
  std::string name, line, target;
};
void PrintTo(const SeriesCase& tested, std::ostream* out) {
  *out << tested.line;
}
class SeriesArguments : public ::testing::TestWithParam<SeriesCase> {};
TEST_P(SeriesArguments, MakeTheQueryOfCoverageAndOfFill) {
  const auto covered = parse_arguments(words("coverage " + GetParam().line));
  ASSERT_TRUE(covered) << covered.error().err;
  const auto& query = std::get<CoverageCommand>(covered->command).query;
  ASSERT_TRUE(query);
  EXPECT_EQ(wire::coverage_target(*query), GetParam().target);
  const auto filled = parse_arguments(words("fill " + GetParam().line));
  ASSERT_TRUE(filled) << filled.error().err;
  EXPECT_EQ(wire::coverage_target(std::get<FillCommand>(filled->command).query), GetParam().target);
}
INSTANTIATE_TEST_SUITE_P(
    Lines, SeriesArguments,
    ::testing::Values(
        SeriesCase{"shortest", "AAPL", "/lake/coverage?kind=option&root=AAPL"},
        SeriesCase{"everything",
                   "AAPL --kind stock --schema ohlc --interval 1m --from 2024-01-01 --to 20241231 "
                   "--start-time 09:30 --end-time 16:00 --format ipc",
                   "/lake/coverage?kind=stock&root=AAPL&schema=ohlc&interval=60000&"
                   "start_date=20240101&end_date=20241231&return_format=ipc&start_time=34200000&"
                   "end_time=57600000"},
        SeriesCase{"earnings", "--kind earnings --from 2024-01",
                   "/lake/coverage?kind=earnings&start_date=202401"}),
    [](const auto& tested) { return tested.param.name; });

TEST(ArgumentsTest, ReadsTheCommandsAboutTheLake) {
  EXPECT_FALSE(std::get<CoverageCommand>(parse_arguments({"coverage"})->command).query);
  const auto fill =
      std::get<FillCommand>(parse_arguments(words("fill AAPL --wait --timeout 10m"))->command);
  EXPECT_TRUE(fill.wait);
  EXPECT_FALSE(fill.dry_run);
  EXPECT_EQ(fill.timeout, std::chrono::minutes{10});
  EXPECT_TRUE(
      std::get<FillCommand>(parse_arguments(words("fill AAPL --dry-run"))->command).dry_run);
  const auto all = std::get<VerifyCommand>(parse_arguments({"verify"})->command);
  EXPECT_EQ(all.prefix, "");
  EXPECT_FALSE(all.repair);
  const auto some =
      std::get<VerifyCommand>(parse_arguments(words("verify earnings/ --repair"))->command);
  EXPECT_EQ(some.prefix, "earnings/");
  EXPECT_TRUE(some.repair);
}

struct UsageCase {
  std::string name, line, says;
};
void PrintTo(const UsageCase& tested, std::ostream* out) {
  *out << tested.line;
}
class UsageError : public ::testing::TestWithParam<UsageCase> {};
TEST_P(UsageError, SaysWhatIsWrongAndWhereHelpIs) {
  const auto invocation = parse_arguments(words(GetParam().line));
  ASSERT_FALSE(invocation);
  EXPECT_EQ(invocation.error().exit_code, 2);
  EXPECT_THAT(invocation.error().out, IsEmpty());
  EXPECT_THAT(invocation.error().err, StartsWith("betedge"));
  EXPECT_THAT(invocation.error().err, HasSubstr(GetParam().says));
  EXPECT_THAT(invocation.error().err, HasSubstr("--help'."));
}
INSTANTIATE_TEST_SUITE_P(
    Lines, UsageError,
    ::testing::Values(
        UsageCase{"unknown_command", "optoin AAPL", "did you mean 'option'?"},
        UsageCase{"foreign_command", "download", "there is no command 'download'"},
        UsageCase{"no_root", "option", "ROOT"}, UsageCase{"no_date", "option AAPL", "START"},
        UsageCase{"no_month", "earnings", "START"},
        UsageCase{"a_day_for_a_month", "earnings 2024-01-02", "'2024-01-02' is not a month"},
        UsageCase{"month_thirteen", "earnings 202413", "'202413' is not a month"},
        UsageCase{"months_reversed", "earnings 2024-02 2024-01",
                  "the last month (2024-01) is before the first (2024-02)"},
        UsageCase{"earnings_have_no_interval", "earnings 2024-01 --interval 1m", "--interval"},
        UsageCase{"no_id", "wait", "ID"},
        UsageCase{"bad_date", "option AAPL 2024-13-01", "'2024-13-01' is not a date"},
        UsageCase{"reversed", "option AAPL 2024-02-01 2024-01-01",
                  "the last day (2024-01-01) is before the first (2024-02-01)"},
        UsageCase{"bad_interval", "option AAPL 20240102 --interval soon", "is not an interval"},
        UsageCase{"bad_schema", "option AAPL 20240102 --schema trades", "quote, ohlc, eod"},
        UsageCase{"bad_format", "option AAPL 20240102 --format csv", "parquet, ipc"},
        UsageCase{"bad_time", "option AAPL 20240102 --start-time 9am", "is not a time of day"},
        UsageCase{"bad_timeout", "wait abc --timeout never", "is not a duration"},
        UsageCase{"timeout_alone", "option AAPL 20240102 --timeout 5m", "add --wait"},
        UsageCase{"unknown_option", "option AAPL 20240102 --intervall 15m", "--intervall"},
        UsageCase{"one_too_many", "option AAPL 20240102 20240103 20240104", "20240104"},
        UsageCase{"limit_zero", "jobs --limit 0", "not in range 1 to"},
        UsageCase{"limit_words", "jobs --limit many", "--limit"},
        UsageCase{"state_without_items", "job abc --state failed", "--items"},
        UsageCase{"coverage_of_no_kind", "coverage AAPL --kind bond", "option, stock, earnings"},
        UsageCase{"coverage_of_no_root", "coverage --schema eod", "betedge coverage AAPL"},
        UsageCase{"coverage_of_a_root_s_earnings", "coverage AAPL --kind earnings",
                  "leave out AAPL"},
        UsageCase{"coverage_of_earnings_by_interval", "coverage --kind earnings --interval 1m",
                  "no schema"},
        UsageCase{"coverage_of_earnings_by_the_day", "coverage --kind earnings --from 2024-01-02",
                  "is not a month"},
        UsageCase{"coverage_reversed", "coverage AAPL --from 2024-02-01 --to 2024-01-01",
                  "--to (2024-01-01) is before --from (2024-02-01)"},
        UsageCase{"fill_of_nothing", "fill", "ROOT"},
        UsageCase{"fill_with_a_timeout_alone", "fill AAPL --timeout 5m", "add --wait"},
        UsageCase{"fill_dry_and_waiting", "fill AAPL --dry-run --wait", "--dry-run"},
        UsageCase{"plan_of_nothing", "plan", "subcommand"},
        UsageCase{"plan_that_waits", "plan option AAPL 2024-01-02 --wait", "--wait"},
        UsageCase{"cancel_nothing", "cancel", "ID"},
        UsageCase{"retry_with_a_timeout_alone", "retry x --timeout 5m", "add --wait"},
        UsageCase{"completion_of_no_shell", "completion", "SHELL"},
        UsageCase{"completion_of_another_shell", "completion csh", "csh"},
        UsageCase{"cat_nothing", "cat", "KEY"},
        UsageCase{"cat_no_rows", "cat k --rows 0", "--rows"},
        UsageCase{"nearly_cancel", "cancle", "did you mean 'cancel'?"},
        UsageCase{"verify_twice", "verify a b", "b"},
        UsageCase{"nearly_verify", "verfy", "did you mean 'verify'?"}),
    [](const auto& tested) { return tested.param.name; });

TEST(HelpTest, TeachesSixCommandsByExample) {
  const auto help = parse_arguments({"--help"});
  ASSERT_FALSE(help);
  EXPECT_EQ(help.error().exit_code, 0);
  EXPECT_EQ(help.error().out, help_text());
  std::size_t last = 0;
  for (const auto* command : {"betedge serve", "betedge option AAPL", "betedge stock AAPL",
                              "betedge jobs", "betedge wait ID", "betedge coverage AAPL"}) {
    const auto found = help_text().find(command);
    ASSERT_NE(found, std::string::npos) << command;
    EXPECT_GE(found, last) << command << " is out of order";
    last = found;
  }
  EXPECT_THAT(help_text(), HasSubstr("betedge --help --all"));
  EXPECT_THAT(help_text(), ::testing::Not(HasSubstr("betedge cancel")));
}

TEST(HelpTest, AllOfItNamesEveryCommandAndEveryExitCode) {
  for (const auto& words :
       {std::vector<std::string>{"--help", "--all"}, {"-h", "--all"}, {"help", "--all"}}) {
    const auto help = parse_arguments(words);
    ASSERT_FALSE(help);
    EXPECT_EQ(help.error().exit_code, 0);
    EXPECT_EQ(help.error().out, full_help_text());
  }
  for (const auto* command :
       {"serve", "sim",    "option", "stock",  "earnings",   "plan",   "jobs",   "job",
        "wait",  "watch",  "cancel", "retry",  "coverage",   "fill",   "verify", "ls",
        "cat",   "config", "token",  "doctor", "completion", "version"})
    EXPECT_THAT(full_help_text(), HasSubstr(std::string("  betedge ") + command + " ")) << command;
  for (const auto* code : {"0 done", "1 failed", "2 ", "3 ", "4 ", "5 ", "6 ", "7 ", "130 "})
    EXPECT_THAT(full_help_text(), HasSubstr(code));
  for (const auto& text : {help_text(), full_help_text()}) {
    std::istringstream lines{text};
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 100U) << line;
  }
}

TEST(HelpTest, EveryCommandHasItsOwnWithExamples) {
  for (const auto* command : {"option", "stock", "earnings", "plan", "wait", "watch", "jobs", "job",
                              "cancel", "retry", "coverage", "fill", "verify", "ls", "cat"}) {
    for (const auto& line :
         {std::vector<std::string>{command, "--help"}, {command, "-h"}, {"help", command}}) {
      const auto help = parse_arguments(line);
      ASSERT_FALSE(help);
      EXPECT_EQ(help.error().exit_code, 0);
      EXPECT_THAT(help.error().out, HasSubstr(std::string("betedge ") + command));
      EXPECT_THAT(help.error().out, HasSubstr("Examples:"));
      EXPECT_THAT(help.error().out, HasSubstr("--json"));
    }
  }
}

TEST(HelpTest, WithoutACommandHelpIsTheComplaint) {
  const auto told = parse_arguments({});
  ASSERT_FALSE(told);
  EXPECT_EQ(told.error().exit_code, 2);
  EXPECT_EQ(told.error().err, help_text());
}

}  // namespace
}  // namespace betedge::cli
