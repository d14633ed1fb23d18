#include "betedge/app/reload.hpp"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "betedge/app/token_file.hpp"

namespace betedge::app {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const std::string kAnn = "ann read " + std::string(64, 'a') + "\n";
const std::string kBob = "bob admin " + std::string(64, 'b') + "\n";

class ReloadTest : public testing::Test {
 protected:
  ReloadTest() {
    auto pattern = (std::filesystem::temp_directory_path() / "betedge-reload-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    outside_.working_folder = folder_;
    outside_.home = "/home/ann";
  }
  ~ReloadTest() override { std::filesystem::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& text, mode_t mode = 0600) {
    const auto path = folder_ / name;
    std::ofstream(path) << text;
    EXPECT_EQ(chmod(path.c_str(), mode), 0);
    return path.string();
  }
  ServerSettings load() {
    auto read = load_server_settings(outside_, false);
    EXPECT_TRUE(read) << (read ? "" : read.error().message);
    return read ? *std::move(read) : ServerSettings{};
  }
  std::string refusal() {
    const auto read = load_server_settings(outside_, false);
    EXPECT_FALSE(read);
    return read ? "" : read.error().message;
  }

  std::filesystem::path folder_;
  Outside outside_;
};

TEST_F(ReloadTest, ReadsTheTokensThatTheSettingsName) {
  outside_.environment["BETEDGE_TOKENS"] = write("tokens", kAnn);
  const auto read = load();
  ASSERT_TRUE(read.rules.tokens);
  EXPECT_EQ(read.rules.tokens->entries().at(0).name, "ann");
  EXPECT_THAT(read.warnings, IsEmpty());
}

TEST_F(ReloadTest, WarnsOfATokenFileThatOthersCanReadOrWrite) {
  for (const mode_t mode : {0644, 0602, 0620}) {
    outside_.environment["BETEDGE_TOKENS"] = write("tokens", kAnn, mode);
    EXPECT_THAT(load().warnings, ElementsAre(HasSubstr("chmod 600")));
  }
  outside_.environment["BETEDGE_TOKENS"] = write("tokens", kAnn, 0640);
  EXPECT_THAT(load().warnings, IsEmpty()) << "a group may be let in";
}

TEST_F(ReloadTest, ABadTokenFileIsOneSentence) {
  outside_.environment["BETEDGE_TOKENS"] = (folder_ / "none").string();
  EXPECT_THAT(refusal(), HasSubstr("cannot be read: No such file"));
  outside_.environment["BETEDGE_TOKENS"] = folder_.string();
  EXPECT_THAT(refusal(), HasSubstr("cannot be read: Is a directory"));
  outside_.environment["BETEDGE_TOKENS"] = write("tokens", "# none\n");
  EXPECT_THAT(refusal(), HasSubstr("holds no token"));
  outside_.environment["BETEDGE_TOKENS"] = write("tokens", kAnn + "ann\n");
  EXPECT_THAT(refusal(), HasSubstr("tokens line 2: must be a name"));
  outside_.environment["BETEDGE_TOKENS"] = write("tokens", std::string((1 << 20) + 1, '#'));
  EXPECT_THAT(refusal(), HasSubstr("larger than 1 MiB"));
}

TEST_F(ReloadTest, BeyondThisMachineItNeedsTokensOrToBeToldByName) {
  for (const auto* address : {"127.0.0.1:0", "127.8.8.8:0", "[::1]:0"}) {
    outside_.flags["listen"] = address;
    EXPECT_EQ(address_of(load().loaded.settings, 0), address);
  }
  for (const auto* address : {"0.0.0.0:0", "10.0.0.1:0", "[::]:0", "[::ffff:127.0.0.1]:0"}) {
    outside_.flags["listen"] = address;
    EXPECT_THAT(refusal(), testing::AllOf(HasSubstr(address), HasSubstr("betedge token NAME"),
                                          HasSubstr("--insecure-listen")));
    EXPECT_TRUE(load_server_settings(outside_, true));
  }
  outside_.environment["BETEDGE_TOKENS"] = write("tokens", kAnn);
  EXPECT_EQ(load().loaded.settings.listen_address, "::ffff:127.0.0.1");
}

TEST_F(ReloadTest, WhatIsRightForLoopbackIsNotForAnAddressInUseElsewhere) {
  Settings listening;
  EXPECT_TRUE(check_exposure(listening, {}, false));
  listening.listen_address = "0.0.0.0";
  EXPECT_FALSE(check_exposure(listening, {}, false));
  EXPECT_TRUE(check_exposure(listening, {}, true));
  server::GuardRules rules;
  rules.tokens = *server::TokenTable::parse(kAnn, "tokens");
  EXPECT_TRUE(check_exposure(listening, rules, false));
}

// One value for each setting that is not its default.
TEST_F(ReloadTest, TakesUpEveryLiveSettingAndNamesTheOthersUntilARestart) {
  const std::map<std::string, std::string, std::less<>> kOther{
      {"listen", "127.0.0.1:1"},
      {"lake.url", "/srv/lake"},
      {"lake.columns", "typed"},
      {"lake.price_type", "float32"},
      {"store.url", "/srv/jobs"},
      {"theta.api", "v2"},
      {"theta.base_url", "http://t"},
      {"theta.concurrency", "9"},
      {"theta.timeout", "9"},
      {"theta.retry_attempts", "9"},
      {"theta.retry_delay", "9"},
      {"theta.v2_format", "json"},
      {"nasdaq.base_url", "http://n"},
      {"memory.budget", "64MiB"},
      {"force_refresh", "true"},
      {"log.level", "error"},
      {"s3.access_key", "x"},
      {"s3.secret_key", "x"},
      {"s3.endpoint", "x:1"},
      {"s3.bucket", "x"},
      {"s3.secure", "true"},
      {"s3.region", "x"},
      {"s3.timeout", "9"},
      {"s3.multipart_above", "9MiB"},
      {"s3.part_size", "9MiB"},
      {"async.default", "false"},
      {"async.percentage", "5"},
      {"async.clients", "ann=true"},
      {"async.endpoints.option", "true"},
      {"async.endpoints.stock", "true"},
      {"async.endpoints.earnings", "true"},
      {"sync.enabled", "false"},
      {"tokens", write("tokens", kAnn)},
      {"server.allowed_hosts", "lake.example"},
      {"tls.cert", "/srv/cert"},
      {"tls.key", "/srv/key"},
      {"limits.body_bytes", "2MiB"},
      {"limits.items_per_job", "9"},
      {"limits.queued_items", "9"},
  };
  for (const auto& setting : setting_table()) {
    const auto name = std::string(setting.name);
    ASSERT_TRUE(kOther.contains(name)) << name << " needs a value here";
    outside_.flags = {{"lake.url", "/lake"},
                      {"store.url", "/jobs"},
                      {"tls.cert", "/cert"},
                      {"tls.key", "/key"}};  // neither can be set alone
    auto running = load();
    outside_.flags[name] = kOther.at(name);
    const auto changes = changes_of(running, load());
    EXPECT_THAT(setting.is_live ? changes.taken_up : changes.need_restart, ElementsAre(name));
    EXPECT_THAT(setting.is_live ? changes.need_restart : changes.taken_up, IsEmpty());
    take_up(running, load());
    const auto again = changes_of(running, load());
    EXPECT_THAT(again.taken_up, IsEmpty()) << name;
    EXPECT_EQ(again.need_restart, changes.need_restart) << name;
  }
}

TEST_F(ReloadTest, SeesATokenFileWhoseContentChanged) {
  outside_.environment["BETEDGE_TOKENS"] = write("tokens", kAnn);
  auto running = load();
  EXPECT_THAT(changes_of(running, load()).taken_up, IsEmpty());
  write("tokens", kAnn + kBob);
  EXPECT_THAT(changes_of(running, load()).taken_up, ElementsAre("tokens"));
  take_up(running, load());
  EXPECT_EQ(running.rules.tokens->entries().size(), 2u);
}

class MakeToken : public ReloadTest {
 protected:
  static int run(std::vector<std::string> arguments) {
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    const int status = make_token(arguments);
    out() = testing::internal::GetCapturedStdout();
    err() = testing::internal::GetCapturedStderr();
    return status;
  }
  static std::string& out() {
    static std::string text;
    return text;
  }
  static std::string& err() {
    static std::string text;
    return text;
  }
};

TEST_F(MakeToken, ShowsItOnceAndAppendsItsLine) {
  const auto file = (folder_ / "tokens").string();
  ASSERT_EQ(run({"ann", "--file", file}), 0) << err();
  const auto first = out().substr(0, out().find('\n'));
  ASSERT_EQ(run({"ann", "--scope", "admin", "--file", file}), 0) << err();
  const auto second = out().substr(0, out().find('\n'));
  struct stat status{};
  ASSERT_EQ(stat(file.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  const auto read = read_token_file(file);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->warning, std::nullopt);
  EXPECT_EQ(read->tokens.find(first)->access, server::Access::submit);
  EXPECT_EQ(read->tokens.find(second)->access, server::Access::admin);
  EXPECT_THAT(err(), Not(HasSubstr(second)));
}

TEST_F(MakeToken, EndsALineThatSomebodyLeftOpen) {
  const auto file = write("tokens", "# mine");
  ASSERT_EQ(run({"ann", "--file", file}), 0);
  EXPECT_EQ(read_token_file(file)->tokens.entries().size(), 1u);
}

TEST_F(MakeToken, WithoutAFilePrintsTheLine) {
  ASSERT_EQ(run({"ann", "--scope", "read"}), 0);
  const auto end = out().find('\n');
  const auto table = server::TokenTable::parse(out().substr(end + 1), "f");
  ASSERT_TRUE(table) << table.error().message;
  EXPECT_EQ(table->find(out().substr(0, end))->access, server::Access::read);
}

TEST_F(MakeToken, RefusesWhatWouldNotHold) {
  EXPECT_EQ(run({}), 2);
  EXPECT_EQ(run({"a b"}), 2);
  EXPECT_THAT(err(), HasSubstr("NAME must be"));
  EXPECT_EQ(run({"ann", "--scope", "all"}), 2);
  EXPECT_THAT(err(), HasSubstr("--scope must be"));
  EXPECT_EQ(run({"ann", "--nope"}), 2);
  EXPECT_EQ(run({"ann", "--file", (folder_ / "none/tokens").string()}), 1);
  EXPECT_THAT(err(), HasSubstr("cannot be opened"));
  EXPECT_EQ(out(), "") << "a token that opens nothing is not shown";
  EXPECT_EQ(run({"--help"}), 0);
  EXPECT_THAT(out(), HasSubstr("BETEDGE_TOKENS=tokens betedge serve"));
}

}  // namespace
}  // namespace betedge::app
