#include "betedge/cli/lake_commands.hpp"

#include <gmock/gmock.h>

#include "unit/cli/command_world.hpp"
#include "unit/sdk/job_answers.hpp"

// The commands about the lake against a scripted server: what they ask, print and return.
namespace betedge::cli {
namespace {

using betedge::testing::job_json;
using betedge::testing::kJobId;
using betedge::testing::kNobodyListens;
using betedge::testing::Scripted;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

const std::string kId{kJobId};

using LakeCommands = CommandsTest;

std::string coverage_json(const std::string& days, const std::string& counts) {
  return R"({"kind":"stock","root":"AAPL","schema":"ohlc","interval":60000,)"
         R"("return_format":"parquet","start_date":"20240102","end_date":"20240105","counts":{)" +
         counts + R"(},"days":[)" + days + "]}";
}
std::string day(const std::string& date, const std::string& state,
                const std::string& reason = "null") {
  return R"({"date":")" + date + R"(","state":")" + state + R"(","key":"k","reason":)" + reason +
         "}";
}

TEST_F(LakeCommands, CoverageIsACalendarItsGapsAndHowToFillThem) {
  const auto body = coverage_json(day("20240102", "present") + "," +
                                      day("20240103", "no_data", R"("zero_series")") + "," +
                                      day("20240104", "failed", R"("HTTP 500 from the terminal")") +
                                      "," + day("20240105", "missing"),
                                  R"("present":1,"no_data":1,"failed":1,"missing":1)");
  answer({Scripted{200, body}});
  EXPECT_EQ(run("coverage AAPL --kind stock --schema ohlc --from 2024-01-02 --to 2024-01-05"), 3);
  EXPECT_EQ(console_.on_out,
            "AAPL stock ohlc 1m, 2024-01-02 to 2024-01-05\n"
            "50.0% complete: 2 of 4 sessions\n"
            "\n"
            "2024 Jan\n"
            "Mon\n"
            "Tue  #\n"
            "Wed  .\n"
            "Thu  x\n"
            "Fri  o\n"
            "\n"
            "# present 1   . no data 1   x failed 1   ~ stale 0   o missing 1\n"
            "\n"
            "Without data, and why\n"
            "  2024-01-03  1 no data  zero series\n"
            "\n"
            "Gaps\n"
            "  2024-01-04  1 failed   HTTP 500 from the terminal\n"
            "  2024-01-05  1 missing\n"
            "Fill them with: betedge fill AAPL --kind stock --schema ohlc --interval 1m --from "
            "20240102 --to 20240105\n");
  EXPECT_THAT(console_.on_err, IsEmpty());
}

TEST_F(LakeCommands, CoverageWithoutGapsEndsWithZeroAndNoCommand) {
  answer({Scripted{200, coverage_json(day("20240102", "present") + "," + day("20240103", "no_data"),
                                      R"("present":1,"no_data":1)")}});
  EXPECT_EQ(run("coverage AAPL --kind stock"), 0);
  EXPECT_THAT(console_.on_out, HasSubstr("100% complete: 2 of 2 sessions\n"));
  EXPECT_THAT(console_.on_out, Not(HasSubstr("Gaps")));
  EXPECT_THAT(console_.on_out, Not(HasSubstr("fill")));
}

TEST_F(LakeCommands, NearlyCompleteIsNotAHundredPercent) {
  std::string days;
  for (int i = 0; i < 3'999; ++i) days += day("20240102", "present") + ",";
  answer({Scripted{
      200, coverage_json(days + day("20240103", "missing"), R"("present":3999,"missing":1)")}});
  EXPECT_EQ(run("coverage AAPL"), 3);
  EXPECT_THAT(console_.on_out, HasSubstr("99.9% complete: 3,999 of 4,000 sessions\n"));
}

TEST_F(LakeCommands, ManyGapsAreCutShortAndALongReasonFitsTheTerminal) {
  std::string days;
  for (int i = 1; i <= 25; ++i) {
    days += day("202401" + std::to_string(10 + i % 20), "failed",
                "\"" + std::string(200, 'x') + std::to_string(i) + "\"") +
            (i < 25 ? "," : "");
  }
  console_.shown.out_is_terminal = true;
  answer({Scripted{200, coverage_json(days, R"("failed":25)")}});
  EXPECT_EQ(run("coverage AAPL"), 3);
  EXPECT_THAT(console_.on_out, HasSubstr("  and 5 more; --json has all of them\n"));
  std::istringstream stream(console_.on_out);
  for (std::string line; std::getline(stream, line);) {
    if (!line.starts_with("Fill")) EXPECT_LE(line.size(), console_.width) << line;
  }
}

TEST_F(LakeCommands, CoverageAsJsonIsWhatTheServerSaid) {
  const auto body = coverage_json(day("20240102", "missing"), R"("missing":1)");
  answer({Scripted{200, body}});
  EXPECT_EQ(run("coverage AAPL --json"), 3);
  EXPECT_EQ(console_.on_out, body + "\n");
}

TEST_F(LakeCommands, ASeriesThatNothingIsKnownOfIsNotFound) {
  answer({Scripted{200, R"({"kind":"option","root":"AAPL","schema":"quote","interval":900000,)"
                        R"("return_format":"parquet","start_date":null,"end_date":null,)"
                        R"("counts":{},"days":[]})"}});
  EXPECT_EQ(run("coverage AAPL"), 6);
  EXPECT_THAT(console_.on_out, IsEmpty());
  EXPECT_THAT(console_.on_err, StartsWith("Nothing is known of AAPL option quote 15m yet."));
}

TEST_F(LakeCommands, EarningsHaveNeitherRootNorSchema) {
  answer({Scripted{200, R"({"kind":"earnings","root":null,"schema":null,"interval":null,)"
                        R"("return_format":"parquet","start_date":"20240101",)"
                        R"("end_date":"20240131","counts":{"missing":1},"days":[)" +
                            day("20240102", "missing") + "]}"}});
  EXPECT_EQ(run("coverage --kind earnings --from 2024-01"), 3);
  EXPECT_THAT(console_.on_out, StartsWith("earnings, 2024-01-01 to 2024-01-31\n"));
  EXPECT_THAT(console_.on_out, HasSubstr("betedge fill --kind earnings --from 202401\n"));
}

TEST_F(LakeCommands, CoverageOfAServerThatHasNoLakePathsSaysSo) {
  answer({Scripted{404, R"({"detail":"Not Found"})"}});
  EXPECT_EQ(run("coverage AAPL"), 6);
  EXPECT_THAT(console_.on_err, HasSubstr("Is the server older than this program?"));
}

const std::string kRoot =
    R"({"kind":"option","root":"AAPL","schema":"quote","interval":"15m","return_format":"parquet",)"
    R"("objects":252,"bytes":78000000,"rows":13614804,"first":"20240102","last":"20241231"})";
const std::string kEarnings =
    R"({"kind":"earnings","root":null,"schema":null,"interval":null,"return_format":"parquet",)"
    R"("objects":1,"bytes":4200,"rows":null,"first":"20240101","last":"20240131"})";

TEST_F(LakeCommands, CoverageOfEverythingIsATable) {
  const auto body = R"({"lake":"/data/lake","publishes_conditionally":false,"roots":[)" +
                    kEarnings + "," + kRoot + R"(],"other":{"objects":1,"bytes":900}})";
  answer({Scripted{200, body}});
  EXPECT_EQ(run("coverage"), 0);
  EXPECT_EQ(
      console_.on_out,
      "/data/lake\n"
      "KIND      ROOT  SCHEMA  INTERVAL  FORMAT   OBJECTS     SIZE        ROWS  SESSIONS\n"
      "earnings                          parquet        1   4.2 kB           ?  2024-01-01 to "
      "2024-01-31\n"
      "option    AAPL  quote   15m       parquet      252  78.0 MB  13,614,804  2024-01-02 to "
      "2024-12-31\n"
      "Beside them 1 object that is none of these, 900 B\n");
  console_.on_out.clear();
  answer({Scripted{200, body}});
  EXPECT_EQ(run("coverage --json"), 0);
  EXPECT_EQ(console_.on_out, kEarnings + "\n" + kRoot + "\n");
}

TEST_F(LakeCommands, AnEmptyLakeSaysHowToBegin) {
  answer({Scripted{200, R"({"lake":"/data/lake","roots":[]})"}});
  EXPECT_EQ(run("coverage"), 0);
  EXPECT_THAT(console_.on_out, IsEmpty());
  EXPECT_THAT(console_.on_err, StartsWith("Nothing lies in /data/lake yet."));
}

const Scripted kAccepted{202, R"({"status":"accepted","job_id":")" + kId +
                                  R"(","message":"","status_url":"/jobs/)" + kId + R"("})"};
const Scripted kNothing{200,
                        R"({"status":"nothing_to_fill","counts":{"present":250,"no_data":2}})"};

TEST_F(LakeCommands, FillIsASubmit) {
  answer({kAccepted});
  EXPECT_EQ(run("fill AAPL --from 2024-01-02"), 0);
  EXPECT_EQ(console_.on_out,
            "Job " + kId + " accepted\nFollow it with: betedge wait " + kId + "\n");
  EXPECT_THAT(http_.asked, ElementsAre("POST http://127.0.0.1:8000/lake/fill"));
  EXPECT_THAT(http_.bodies,
              ElementsAre(R"({"kind":"option","root":"AAPL","start_date":"20240102"})"));
}

TEST_F(LakeCommands, FillWaitsAndEndsAsItsJob) {
  answer({kAccepted,
          Scripted{200, job_json({.status = "completed",
                                  .state = "completed_with_errors",
                                  .succeeded = 1,
                                  .failed = 1})},
          Scripted{200, R"({"items":[],"next_cursor":null})"}});
  EXPECT_EQ(run("fill AAPL --wait"), 3);
  EXPECT_THAT(console_.on_out, HasSubstr("Completed with errors"));
}

TEST_F(LakeCommands, FillOfNothingIsDone) {
  answer({kNothing});
  EXPECT_EQ(run("fill AAPL --wait"), 0);
  EXPECT_EQ(console_.on_out, "Nothing to fill: 250 of 252 sessions are there, 2 have no data\n");
  console_.on_out.clear();
  answer({kNothing});
  EXPECT_EQ(run("fill AAPL --json"), 0);
  EXPECT_EQ(console_.on_out, kNothing.body + "\n");
  answer({kNothing});
  EXPECT_EQ(run("fill AAPL --dry-run"), 0);
  EXPECT_THAT(console_.on_out, HasSubstr("Nothing to fill"));
}

TEST_F(LakeCommands, ADryRunSaysWhatWouldBeDownloaded) {
  std::string items = R"({"key":"there","state":"present","covers":["20240102","20240102"]})";
  for (int i = 0; i < 12; ++i) {
    items += R"(,{"key":"k)" + std::to_string(i) +
             R"(","state":"missing","covers":["20240102","20240102"],"calls":1})";
  }
  const auto body = R"({"items":[)" + items +
                    R"(],"calls":12,"expected":{"bytes":3600000,"seconds":7.6,"from_objects":3}})";
  answer({Scripted{200, body}});
  EXPECT_EQ(run("fill AAPL --dry-run"), 0);
  EXPECT_THAT(console_.on_out, StartsWith("Would download 12 objects by 12 upstream calls, about "
                                          "3.6 MB, in about 0:08\n  k0\n"));
  EXPECT_THAT(console_.on_out, HasSubstr("  k9\n  and 2 more; --json has all of them\n"));
  EXPECT_THAT(console_.on_out, Not(HasSubstr("there")));
  console_.on_out.clear();
  answer({Scripted{200, body}});
  EXPECT_EQ(run("fill AAPL --dry-run --json"), 0);
  EXPECT_EQ(console_.on_out, body + "\n");
}

TEST_F(LakeCommands, AFillThatMayHaveBeenAcceptedSaysHowToKnow) {
  answer({Scripted{.error = Error{ErrorCode::cancelled, "stopped", {}}}});
  EXPECT_EQ(run("fill AAPL"), 130);
  EXPECT_THAT(console_.on_err, HasSubstr("'betedge jobs' shows whether"));
}

const std::string kTorn = R"({"key":"a/data.parquet","verdict":"torn","detail":"no footer"})";
const std::string kUnknown =
    R"({"key":"b/data.parquet","verdict":"unknown","detail":"recorded now"})";
std::string end_json(const std::string& differences, const std::string& jobs = "") {
  return R"({"checked":3,"sound":1,"differences":{)" + differences + R"(},"repair_jobs":[)" + jobs +
         "]}";
}

TEST_F(LakeCommands, VerifySaysEachDifferenceAndHowToRepairIt) {
  answer({Scripted{200, kTorn + "\n{\"checked\":2}\n" + kUnknown + "\n" +
                            end_json(R"("torn":1,"unknown":1)") + "\n"}});
  EXPECT_EQ(run("verify historical-"), 3);
  EXPECT_EQ(console_.on_out,
            "torn     a/data.parquet  no footer\n"
            "unknown  b/data.parquet  recorded now\n"
            "3 objects checked: 1 sound, 1 torn, 1 unknown\n"
            "Download it again with: betedge verify historical- --repair\n");
  EXPECT_THAT(console_.on_err, IsEmpty()) << "no progress into a file within seconds";
  EXPECT_THAT(http_.bodies, ElementsAre(R"({"prefix":"historical-","repair":false})"));
}

TEST_F(LakeCommands, VerifyOfASoundLakeEndsWithZero) {
  answer({Scripted{200, R"({"checked":3,"sound":3,"differences":{},"repair_jobs":[]})"
                        "\n"}});
  EXPECT_EQ(run("verify"), 0);
  EXPECT_EQ(console_.on_out, "3 objects checked: all sound\n");
}

TEST_F(LakeCommands, VerifyOfAnEmptyLakeEndsWithZero) {
  answer({Scripted{200, R"({"checked":0,"sound":0,"differences":{},"repair_jobs":[]})"
                        "\n"}});
  EXPECT_EQ(run("verify"), 0);
  EXPECT_EQ(console_.on_out, "0 objects checked: 0 sound\n");
}

TEST_F(LakeCommands, WhatNobodyRecordedIsNothingToRepair) {
  answer({Scripted{200, kUnknown + "\n" + end_json(R"("unknown":1)") + "\n"}});
  EXPECT_EQ(run("verify"), 3);
  EXPECT_THAT(console_.on_out, Not(HasSubstr("--repair")));
}

TEST_F(LakeCommands, ARepairNamesItsJobs) {
  answer({Scripted{200, kTorn + "\n" + end_json(R"("torn":1)", R"("j1","j2")") + "\n"}});
  EXPECT_EQ(run("verify --repair"), 3);
  EXPECT_THAT(console_.on_out, HasSubstr("follow it with: betedge wait j1\n"));
  EXPECT_THAT(console_.on_out, HasSubstr("follow it with: betedge wait j2\n"));
  console_.on_out.clear();
  answer({Scripted{200, kTorn + "\n" + end_json(R"("torn":1)") + "\n"}});
  EXPECT_EQ(run("verify --repair"), 3);
  EXPECT_THAT(console_.on_out, HasSubstr("None of it has a key"));
}

TEST_F(LakeCommands, VerifyAsJsonIsALineADifferenceAndTheEnd) {
  const auto end = end_json(R"("torn":1)");
  answer({Scripted{200, kTorn + "\n{\"checked\":2}\n" + end + "\n"}});
  EXPECT_EQ(run("verify --json"), 3);
  EXPECT_EQ(console_.on_out, kTorn + "\n" + end + "\n");
  EXPECT_THAT(console_.on_err, HasSubstr("3 objects checked"));
}

TEST_F(LakeCommands, VerifyOnATerminalRedrawsHowFarItIs) {
  console_.shown = {.animate = true, .out_is_terminal = true};
  answer({Scripted{
      200, "{\"checked\":1}\n" + kTorn + "\n{\"checked\":2}\n" + end_json(R"("torn":1)") + "\n"}});
  EXPECT_EQ(run("verify"), 3);
  EXPECT_EQ(
      console_.on_err,
      "\r0 objects checked, 0 differences\x1b[K\r1 object checked, 0 differences\x1b[K\r\x1b[K"
      "\r2 objects checked, 1 difference\x1b[K\r\x1b[K");
}

TEST_F(LakeCommands, AVerificationThatFailsSaysWhy) {
  answer({Scripted{200, kTorn + "\n{\"error\":\"the lake cannot be read\"}\n"}});
  EXPECT_EQ(run("verify"), 1);
  EXPECT_THAT(console_.on_out, HasSubstr("torn"));
  EXPECT_THAT(console_.on_err, HasSubstr("the lake cannot be read"));
  answer({Scripted{409, R"({"detail":"a verification runs already"})"}});
  EXPECT_EQ(run("verify"), 5);
  EXPECT_THAT(console_.on_err, HasSubstr("a verification runs already"));
}

// Stands for the lake of this machine: says these lines, then gives the end.
Task<Result<wire::VerifyEnd>> read_sound_lake(Runtime&, LocalVerification asked) {
  asked.on_open("the lake /data/lake (" + asked.prefix + ")");
  asked.on_line(wire::VerifyProgress{1});
  asked.on_line(wire::Difference{"a/data.parquet", Verdict::changed, "12 bytes, recorded 13"});
  wire::VerifyEnd end{.checked = 1, .sound = 0, .differences = {}, .repair_jobs = {}};
  end.differences.of(Verdict::changed) = 1;
  co_return end;
}
Task<Result<wire::VerifyEnd>> find_a_locked_lake(Runtime&, LocalVerification) {
  co_return fail(ErrorCode::conflict, "the lake is in use by process 12");
}
Task<Result<wire::VerifyEnd>> be_interrupted(Runtime&, LocalVerification) {
  co_return fail(ErrorCode::cancelled, "");
}

TEST_F(LakeCommands, WithoutAServerTheLakeIsReadHere) {
  verify_here_ = read_sound_lake;
  answer({Scripted{.error = kNobodyListens}});
  EXPECT_EQ(run("verify earnings/"), 3);
  EXPECT_EQ(console_.on_err,
            "No server runs at http://127.0.0.1:8000; reading the lake /data/lake (earnings/) "
            "without one.\n");
  EXPECT_EQ(console_.on_out,
            "changed  a/data.parquet  12 bytes, recorded 13\n"
            "1 object checked: 0 sound, 1 changed\n"
            "Download it again with: betedge verify earnings/ --repair\n");
  console_.on_out.clear();
  answer({Scripted{.error = kNobodyListens}});
  EXPECT_EQ(run("verify --json"), 3);
  EXPECT_THAT(console_.on_out, StartsWith(R"({"key":"a/data.parquet","verdict":"changed",)"));
  EXPECT_THAT(console_.on_out, HasSubstr("\n{\"checked\":1,\"sound\":0,"));
}

TEST_F(LakeCommands, ALakeThatSomebodyHasIsLeftAlone) {
  verify_here_ = find_a_locked_lake;
  answer({Scripted{.error = kNobodyListens}});
  EXPECT_EQ(run("verify"), 1);
  EXPECT_EQ(console_.on_err, "betedge verify: the lake is in use by process 12.\n");
  verify_here_ = be_interrupted;
  EXPECT_EQ(run("verify"), 130);
}

TEST_F(LakeCommands, ARepairWithoutAServerSaysThatOneIsNeeded) {
  verify_here_ = read_sound_lake;
  answer({Scripted{.error = kNobodyListens}});
  EXPECT_EQ(run("verify --repair"), 5);
  EXPECT_THAT(console_.on_err, HasSubstr("betedge serve"));
  EXPECT_THAT(console_.on_err, HasSubstr("betedge verify --repair"));
  EXPECT_THAT(console_.on_out, IsEmpty());
}

TEST_F(LakeCommands, AServerThatWasAskedForIsNotReplaced) {
  answer({Scripted{.error = kNobodyListens}});
  EXPECT_EQ(run("verify"), 5) << "run() gives no verify_here when an address was named";
  EXPECT_THAT(console_.on_err, HasSubstr("cannot reach the server"));
  verify_here_ = read_sound_lake;
  answer({Scripted{503, R"({"detail":"draining"})"}});
  EXPECT_EQ(run("verify"), 5) << "nor when one answers";
}

std::string object_json(const std::string& key) {
  return R"({"key":")" + key +
         R"(","bytes":1500,"rows":250,"sha256":null,)"
         R"("modified_at":"2024-02-01T10:20:30.123456+00:00"})";
}

TEST_F(LakeCommands, LsIsATableOfAllPages) {
  answer({Scripted{200, R"({"objects":[)" + object_json("a/1") + R"(],"next_cursor":"a/1"})"},
          Scripted{200, R"({"objects":[)" + object_json("a/2") + R"(],"next_cursor":null})"}});
  EXPECT_EQ(run("ls a/"), 0);
  EXPECT_EQ(console_.on_out,
            "MODIFIED (UTC)            SIZE          ROWS  KEY\n"
            "2024-02-01 10:20:30     1.5 kB           250  a/1\n"
            "2024-02-01 10:20:30     1.5 kB           250  a/2\n");
}

TEST_F(LakeCommands, LsAsJsonIsAnObjectALineAndAsManyAsAskedFor) {
  answer({Scripted{200, R"({"objects":[)" + object_json("a/1") + R"(],"next_cursor":"a/1"})"}});
  EXPECT_EQ(run("ls --limit 1 --json"), 0);
  EXPECT_EQ(console_.on_out, object_json("a/1") + "\n");
}

TEST_F(LakeCommands, LsOfNothingSaysSo) {
  answer({Scripted{200, R"({"objects":[],"next_cursor":null})"}});
  EXPECT_EQ(run("ls nowhere/"), 0);
  EXPECT_THAT(console_.on_out, IsEmpty());
  EXPECT_THAT(console_.on_err, HasSubstr("No object's key begins with nowhere/."));
}

TEST_F(LakeCommands, CatOfWhatIsNotThereIsNotFound) {
  answer({Scripted{404, R"({"detail":"there is no such object","code":"object_not_found"})"}});
  EXPECT_EQ(run("cat a/b"), 6);
  EXPECT_THAT(console_.on_err, HasSubstr("there is no such object"));
}

}  // namespace
}  // namespace betedge::cli
