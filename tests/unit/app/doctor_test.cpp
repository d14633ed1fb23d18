#include "betedge/app/doctor.hpp"

#include <gmock/gmock.h>

#include <cerrno>

namespace betedge::app::doctor {
namespace {

using Verdict = Finding::Verdict;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Terminal connected() {
  return {.url = "http://127.0.0.1:25503",
          .is_there = true,
          .status = 200,
          .said = "CONNECTED",
          .version = "v3"};
}

TEST(DoctorTerminal, ThatIsConnectedIsGoodAndSaysItsVersion) {
  const auto finding = judge_terminal(connected());
  EXPECT_EQ(finding.verdict, Verdict::good);
  EXPECT_THAT(finding.found, HasSubstr("v3 at http://127.0.0.1:25503 is connected"));
  EXPECT_THAT(finding.remedy, IsEmpty());
}

TEST(DoctorTerminal, SaysWhatTheAccountCovers) {
  auto terminal = connected();
  terminal.trials = {{"options", 200, ""}, {"stocks", 472, "No data found for your request"}};
  const auto covered = judge_terminal(terminal);
  EXPECT_EQ(covered.verdict, Verdict::good);
  EXPECT_THAT(covered.found, HasSubstr("covers quotes and bars of options and stocks"));

  terminal.trials[1] = {"stocks", 403,
                        "Requesting a stock endpoint requiring a value subscription, but you only "
                        "have a FREE subscription.\r\nmore"};
  const auto refused = judge_terminal(terminal);
  EXPECT_EQ(refused.verdict, Verdict::doubtful);
  EXPECT_THAT(refused.found, HasSubstr("of stocks are not in the account's tier: Requesting a "
                                       "stock endpoint requiring a value subscription, but you "
                                       "only have a FREE subscription.; the account's tier "
                                       "covers quotes and bars of options"));
  EXPECT_THAT(refused.remedy, HasSubstr("schema eod alone"));

  terminal.trials = {{"options", 471, ":no"}, {"stocks", 0, "timed out"}};
  terminal.is_exposed = true;
  const auto neither = judge_terminal(terminal);
  EXPECT_THAT(neither.found, HasSubstr("is not known: timed out"));
  EXPECT_EQ(neither.remedy,
            "download options with schema eod alone, or subscribe to VALUE or above; ask again; "
            "close its port with a firewall, or let it listen on 127.0.0.1");
}

TEST(DoctorTerminal, ThatListensBeyondThisMachineIsDoubtful) {
  auto terminal = connected();
  terminal.is_exposed = true;
  const auto finding = judge_terminal(terminal);
  EXPECT_EQ(finding.verdict, Verdict::doubtful);
  EXPECT_THAT(finding.found, HasSubstr("beyond this machine"));
  EXPECT_THAT(finding.remedy, HasSubstr("firewall"));
}

TEST(DoctorTerminal, ThatIsNotConnectedIsBadInItsOwnWords) {
  for (const auto& [status, said] :
       {std::pair{200, "DISCONNECTED"}, {571, "starting"}, {500, ""}}) {
    auto terminal = connected();
    terminal.status = status;
    terminal.said = said;
    const auto finding = judge_terminal(terminal);
    EXPECT_EQ(finding.verdict, Verdict::bad) << status;
    EXPECT_THAT(finding.found, HasSubstr("is not ready")) << status;
    EXPECT_THAT(finding.remedy, HasSubstr("log it in")) << status;
  }
}

TEST(DoctorTerminal, ThatIsNotThereIsBad) {
  const auto finding = judge_terminal({.url = "http://127.0.0.1:1", .said = "connection refused"});
  EXPECT_EQ(finding.verdict, Verdict::bad);
  EXPECT_THAT(finding.found, HasSubstr("nobody answers at http://127.0.0.1:1: connection refused"));
  EXPECT_THAT(finding.remedy, HasSubstr("betedge sim"));
}

TEST(DoctorDisk, IsDoubtfulBelowTenGigabytesAndBadBelowOne) {
  constexpr std::uint64_t kGigabyte = 1'000'000'000;
  EXPECT_EQ(judge_disk("/lake", 10 * kGigabyte, 100 * kGigabyte).verdict, Verdict::good);
  EXPECT_THAT(judge_disk("/lake", 10 * kGigabyte, 100 * kGigabyte).remedy, IsEmpty());
  const auto doubtful = judge_disk("/lake", 10 * kGigabyte - 1, 100 * kGigabyte);
  EXPECT_EQ(doubtful.verdict, Verdict::doubtful);
  EXPECT_EQ(doubtful.found, "10.0 GB of 100.0 GB are free at /lake");
  const auto bad = judge_disk("/lake", kGigabyte - 1, 100 * kGigabyte);
  EXPECT_EQ(bad.verdict, Verdict::bad);
  EXPECT_THAT(bad.remedy, HasSubstr("make room"));
}

TEST(DoctorClock, ThatNobodyKeepsIsDoubtful) {
  EXPECT_EQ(judge_clock(true).verdict, Verdict::good);
  EXPECT_EQ(judge_clock(false).verdict, Verdict::doubtful);
  EXPECT_THAT(judge_clock(false).remedy, HasSubstr("timedatectl set-ntp true"));
}

TEST(DoctorPort, IsGoodWhenFreeOrOursAndBadOtherwise) {
  EXPECT_EQ(judge_port("127.0.0.1:8000", 0, {}).found, "127.0.0.1:8000 is free to listen on");
  const auto ours = judge_port("127.0.0.1:8000", EADDRINUSE, "1.2.3");
  EXPECT_EQ(ours.verdict, Verdict::good);
  EXPECT_EQ(ours.found, "betedge 1.2.3 listens on 127.0.0.1:8000");
  for (const auto& [error, found] :
       {std::pair{EADDRINUSE, "another program"}, {EACCES, "cannot be listened on"}}) {
    const auto bad = judge_port("127.0.0.1:80", error, {});
    EXPECT_EQ(bad.verdict, Verdict::bad);
    EXPECT_THAT(bad.found, HasSubstr(found));
    EXPECT_THAT(bad.remedy, HasSubstr("--listen"));
  }
}

}  // namespace
}  // namespace betedge::app::doctor
