#include "betedge/app/load_settings.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace betedge::app {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// A folder of its own, gone with the test.
class SettingsTest : public testing::Test {
 protected:
  SettingsTest() {
    auto pattern = (std::filesystem::temp_directory_path() / "betedge-settings-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    outside_.working_folder = folder_;
    outside_.home = "/home/ann";
  }
  ~SettingsTest() override { std::filesystem::remove_all(folder_); }

  void write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
  }
  Settings load() {
    auto loaded = load_settings(outside_);
    EXPECT_TRUE(loaded) << (loaded ? "" : loaded.error().message);
    return loaded ? loaded->settings : Settings{};
  }
  std::string refusal() {
    auto loaded = load_settings(outside_);
    EXPECT_FALSE(loaded);
    return loaded ? "" : loaded.error().message;
  }

  std::filesystem::path folder_;
  Outside outside_;
};

TEST_F(SettingsTest, NeedNothingToBeSet) {
  const auto settings = load();
  EXPECT_EQ(settings.listen_address, "127.0.0.1");
  EXPECT_EQ(settings.listen_port, 8000);
  EXPECT_EQ(settings.lake_url, "/home/ann/.local/share/betedge/lake");
  EXPECT_EQ(settings.store_url, "/home/ann/.local/share/betedge/jobs.db");
  EXPECT_EQ(settings.theta_concurrency, 4u);
  EXPECT_EQ(settings.theta_api, ThetaApi::automatic);
  EXPECT_EQ(settings.memory_budget_bytes, std::size_t{512} << 20);
  EXPECT_FALSE(settings.force_refresh);
}

TEST_F(SettingsTest, WithoutAHomeTheFilesLieBesideWhereTheServerWasStarted) {
  outside_.home.clear();
  EXPECT_EQ(load().lake_url, "betedge-data/lake");
  EXPECT_EQ(load().store_url, "betedge-data/jobs.db");
  outside_.environment["XDG_DATA_HOME"] = "/var/data";
  EXPECT_EQ(load().lake_url, "/var/data/betedge/lake");
}

TEST_F(SettingsTest, TheStrongerSourceWins) {
  write("betedge.toml", "[theta]\nconcurrency = 2\n");
  EXPECT_EQ(load().theta_concurrency, 2u);
  write(".env", "# the terminal\nexport THETA_CONCURRENCY=\"3\"\n");
  EXPECT_EQ(load().theta_concurrency, 3u);
  outside_.environment["THETA_MAX_CONCURRENT_REQUESTS"] = "5";
  EXPECT_EQ(load().theta_concurrency, 5u);
  outside_.environment["BETEDGE_THETA_CONCURRENCY"] = "6";
  EXPECT_EQ(load().theta_concurrency, 6u);
  outside_.flags["theta.concurrency"] = "7";
  EXPECT_EQ(load().theta_concurrency, 7u);
}

TEST_F(SettingsTest, EverySettingCanBeWrittenInTheFileAsItIsShown) {
  outside_.environment["BETEDGE_LAKE"] = "/srv/lake";
  const auto loaded = load_settings(outside_);
  ASSERT_TRUE(loaded);
  std::string file;
  for (const auto& setting : setting_table()) {
    if (const auto value = setting.show(loaded->settings); !value.empty())
      file += std::string(setting.name) + " = \"" + value + "\"\n";
  }
  write("betedge.toml", file);
  outside_.environment.clear();
  const auto again = load_settings(outside_);
  ASSERT_TRUE(again) << again.error().message;
  for (const auto& setting : setting_table())
    EXPECT_EQ(setting.show(again->settings), setting.show(loaded->settings)) << setting.name;
}

TEST_F(SettingsTest, SetToNothingIsNotSet) {
  outside_.environment["MINIO_ENDPOINT"] = "";
  outside_.environment["THETA_CONCURRENCY"] = "";
  EXPECT_EQ(load().lake_url, "/home/ann/.local/share/betedge/lake");
}

TEST_F(SettingsTest, AMinioEndpointPutsTheLakeIntoItsBucket) {
  outside_.environment["MINIO_ENDPOINT"] = "127.0.0.1:9000";
  EXPECT_EQ(load().lake_url, "s3://betedge-data");
  EXPECT_EQ(load().store_url, "/home/ann/.local/share/betedge/jobs.db");
  EXPECT_EQ(load().s3_access_key, "minioadmin");
  outside_.environment["MINIO_BUCKET"] = "mine";
  EXPECT_EQ(load().lake_url, "s3://mine");
  outside_.environment["BETEDGE_LAKE"] = "/srv/lake";
  EXPECT_EQ(load().lake_url, "/srv/lake");
}

TEST_F(SettingsTest, TheStoreLiesBesideTheLake) {
  outside_.environment["BETEDGE_LAKE"] = "/srv/market/lake/";
  EXPECT_EQ(load().store_url, "/srv/market/jobs.db");
  outside_.environment["BETEDGE_LAKE"] = "lake";
  EXPECT_EQ(load().store_url, "jobs.db");
}

struct AddressCase {
  std::string name;
  std::string text;
  std::string base;
};
class ThetaAddress : public SettingsTest, public testing::WithParamInterface<AddressCase> {};

TEST_P(ThetaAddress, IsReadWithAndWithoutItsVersion) {
  outside_.environment["THETA_BASE_URL"] = GetParam().text;
  EXPECT_EQ(load().theta_base_url, GetParam().base);
}
INSTANTIATE_TEST_SUITE_P(
    Forms, ThetaAddress,
    testing::Values(AddressCase{"bare", "http://127.0.0.1:25510", "http://127.0.0.1:25510"},
                    AddressCase{"v2", "http://127.0.0.1:25510/v2", "http://127.0.0.1:25510"},
                    AddressCase{"v3_slash", "http://[::1]:25503/v3/", "http://[::1]:25503"},
                    AddressCase{"a_path", "https://proxy/theta/v3", "https://proxy/theta"}),
    [](const auto& tested) { return tested.param.name; });

TEST_F(SettingsTest, NasdaqIsWhereItIsUnlessSomebodySaysOtherwise) {
  EXPECT_EQ(load().nasdaq_base_url, "https://api.nasdaq.com");
  outside_.environment["NASDAQ_BASE_URL"] = "http://127.0.0.1:25503/";
  EXPECT_EQ(load().nasdaq_base_url, "http://127.0.0.1:25503");
}

struct BadCase {
  std::string name;
  std::string variable;
  std::string value;
  std::string sentence;
};
class BadSetting : public SettingsTest, public testing::WithParamInterface<BadCase> {};

TEST_P(BadSetting, IsOneSentenceThatSaysWhatWhereAndWhatInstead) {
  outside_.environment[GetParam().variable] = GetParam().value;
  EXPECT_EQ(refusal(), GetParam().sentence);
}
INSTANTIATE_TEST_SUITE_P(
    Values, BadSetting,
    testing::Values(
        BadCase{"concurrency", "THETA_CONCURRENCY", "many",
                "theta.concurrency is \"many\" (from THETA_CONCURRENCY in the environment), but "
                "must be a whole number from 1 to 64, for example 4"},
        BadCase{"concurrency_zero", "THETA_CONCURRENCY", "0",
                "theta.concurrency is \"0\" (from THETA_CONCURRENCY in the environment), but must "
                "be a whole number from 1 to 64, for example 4"},
        BadCase{"listen", "BETEDGE_LISTEN", "8000",
                "listen is \"8000\" (from BETEDGE_LISTEN in the environment), but must be an IP "
                "address and a port, for example 127.0.0.1:8000"},
        BadCase{"port", "BETEDGE_LISTEN", "127.0.0.1:65536",
                "listen is \"127.0.0.1:65536\" (from BETEDGE_LISTEN in the environment), but must "
                "be an IP address and a port, for example 127.0.0.1:8000"},
        BadCase{"api", "THETA_API", "v4",
                "theta.api is \"v4\" (from THETA_API in the environment), but must be auto, v3 or "
                "v2"},
        BadCase{"lake", "BETEDGE_LAKE", "gs://bucket",
                "lake.url is \"gs://bucket\" (from BETEDGE_LAKE in the environment), but must be a "
                "folder or s3://bucket/prefix"},
        BadCase{"columns", "BETEDGE_LAKE_COLUMNS", "wide",
                "lake.columns is \"wide\" (from BETEDGE_LAKE_COLUMNS in the environment), but "
                "must be plain or typed"},
        BadCase{"price_type", "BETEDGE_LAKE_PRICE_TYPE", "float",
                "lake.price_type is \"float\" (from BETEDGE_LAKE_PRICE_TYPE in the environment), "
                "but must be float64 or float32"},
        BadCase{"store", "BETEDGE_STORE", "mysql://h/d",
                "store.url is \"mysql://h/d\" (from BETEDGE_STORE in the environment), but must be "
                "a SQLite file or :memory:"},
        BadCase{"level", "LOG_LEVEL", "loud",
                "log.level is \"loud\" (from LOG_LEVEL in the environment), but must be debug, "
                "info, warning or error"},
        BadCase{"part_size", "BETEDGE_S3_PART_SIZE", "1MiB",
                "s3.part_size is \"1MiB\" (from BETEDGE_S3_PART_SIZE in the environment), but must "
                "be a size of 5MiB to 5GiB, for example 16MiB"},
        BadCase{"s3_timeout", "BETEDGE_S3_TIMEOUT", "100ms",
                "s3.timeout is \"100ms\" (from BETEDGE_S3_TIMEOUT in the environment), but must be "
                "a time of at least 1s, for example 60s"},
        BadCase{"budget", "BETEDGE_MEMORY_BUDGET", "1MiB",
                "memory.budget is \"1MiB\" (from BETEDGE_MEMORY_BUDGET in the environment), but "
                "must be a size of at least 32MiB, for example 512MiB"}),
    [](const auto& tested) { return tested.param.name; });

TEST_F(SettingsTest, AnUnknownNameInTheFileIsRefusedWithTheNearestOne) {
  write("betedge.toml", "listen = \"127.0.0.1:0\"\n\n[theta]\nconcurency = 2\n");
  EXPECT_EQ(refusal(),
            "betedge.toml line 4: there is no setting theta.concurency; did you mean "
            "theta.concurrency?");
  write("betedge.toml", "[lakes]\nurl = \"/srv\"\n");
  EXPECT_EQ(refusal(), "betedge.toml line 1: there is no setting lakes; did you mean lake?");
}

TEST_F(SettingsTest, AFileThatIsNotTomlIsRefusedWithItsLine) {
  write("betedge.toml", "listen = \"127.0.0.1:0\"\nlake\n");
  EXPECT_THAT(refusal(), HasSubstr("betedge.toml line 2: not TOML: "));
}

TEST_F(SettingsTest, AFileThatIsNamedMustBeThere) {
  outside_.environment["BETEDGE_CONFIG"] = "other.toml";
  EXPECT_EQ(
      refusal(),
      "BETEDGE_CONFIG names other.toml, which cannot be read; make that file or name another");
  write("other.toml", "force_refresh = true\n");
  EXPECT_TRUE(load().force_refresh);
}

TEST_F(SettingsTest, ForceRefreshIsReadAsTheOriginalDid) {
  for (const auto* yes : {"true", "TRUE", "1", "Yes"}) {
    outside_.environment["FORCE_REFRESH"] = yes;
    EXPECT_TRUE(load().force_refresh) << yes;
  }
  for (const auto* no : {"false", "0", "no"}) {
    outside_.environment["FORCE_REFRESH"] = no;
    EXPECT_FALSE(load().force_refresh) << no;
  }
}

TEST_F(SettingsTest, CertificateAndKeyAreBothSetOrNeither) {
  outside_.flags["tls.cert"] = "cert.pem";
  const auto alone = load_settings(outside_);
  ASSERT_FALSE(alone);
  EXPECT_EQ(alone.error().message,
            "tls.cert is set (from --tls-cert) without tls.key: https needs both, http neither");
  outside_.environment["BETEDGE_TLS_KEY"] = "key.pem";
  EXPECT_EQ(load().tls_cert, "cert.pem");
  EXPECT_EQ(load().tls_key, "key.pem");
  outside_.flags.clear();
  const auto key_alone = load_settings(outside_);
  ASSERT_FALSE(key_alone);
  EXPECT_EQ(
      key_alone.error().message,
      "tls.key is set (from BETEDGE_TLS_KEY in the environment) without tls.cert: https needs "
      "both, http neither");
}

TEST_F(SettingsTest, NamesWithoutUseGiveOneWarningEach) {
  outside_.environment["THETA_USERNAME"] = "ann";
  outside_.environment["THETA_PASSWORD"] = "hush";
  outside_.environment["BETEDGE_STOR"] = "x";
  outside_.environment["BETEDGE_URL"] = "http://127.0.0.1:8000";
  outside_.environment["BETEDGE_CA_FILE"] = "ca.pem";
  const auto loaded = load_settings(outside_);
  ASSERT_TRUE(loaded);
  EXPECT_THAT(loaded->warnings,
              ElementsAre("BETEDGE_STOR is set and is no setting; did you mean BETEDGE_STORE?",
                          "THETA_PASSWORD is set and has no use here: the terminal keeps its own "
                          "account",
                          "THETA_USERNAME is set and has no use here: the terminal keeps its own "
                          "account"));
}

TEST_F(SettingsTest, DurationsAndSizesHaveUnits) {
  outside_.environment["THETA_TIMEOUT"] = "90";
  outside_.environment["THETA_RETRY_DELAY"] = "250ms";
  outside_.environment["BETEDGE_MEMORY_BUDGET"] = "2GiB";
  const auto settings = load();
  EXPECT_EQ(settings.theta_timeout, std::chrono::seconds{90});
  EXPECT_EQ(settings.theta_retry_delay, std::chrono::milliseconds{250});
  EXPECT_EQ(settings.memory_budget_bytes, std::size_t{2} << 30);
  outside_.environment["THETA_RETRY_DELAY"] = "1.5";
  EXPECT_EQ(load().theta_retry_delay, std::chrono::milliseconds{1500});
}

TEST_F(SettingsTest, AreDescribedWithTheirOriginAndWithoutSecrets) {
  outside_.environment["MINIO_SECRET_KEY"] = "hush-hush";
  outside_.flags["listen"] = "[::1]:0";
  const auto loaded = load_settings(outside_);
  ASSERT_TRUE(loaded);
  const auto text = describe(*loaded);
  EXPECT_THAT(text, HasSubstr("listen = [::1]:0"));
  EXPECT_THAT(text, HasSubstr("# --listen\n"));
  EXPECT_THAT(text, HasSubstr("s3.secret_key = ***"));
  EXPECT_THAT(text, HasSubstr("# MINIO_SECRET_KEY in the environment\n"));
  EXPECT_EQ(text.find("hush"), std::string::npos);
}

TEST_F(SettingsTest, AreListedWhereTheyWereSetAndForPrograms) {
  outside_.environment["MINIO_SECRET_KEY"] = "hush-hush";
  outside_.flags["listen"] = "[::1]:0";
  const auto loaded = load_settings(outside_);
  ASSERT_TRUE(loaded);
  EXPECT_EQ(describe(*loaded, Listing::set),
            "listen = [::1]:0     # --listen\n"
            "s3.secret_key = ***  # MINIO_SECRET_KEY in the environment\n");
  EXPECT_EQ(
      describe(*loaded, Listing::json_of_set),
      R"({"name":"listen","value":"[::1]:0","origin":"--listen"})"
      "\n"
      R"({"name":"s3.secret_key","value":"***","origin":"MINIO_SECRET_KEY in the environment"})"
      "\n");
  EXPECT_THAT(describe(*loaded, Listing::json),
              HasSubstr(R"({"name":"theta.concurrency","value":"4","origin":"default"})"));
}

TEST_F(SettingsTest, TheProjectsFileGoesOverTheUsersOverTheSystems) {
  outside_.home = folder_ / "home";
  outside_.system_folder = folder_ / "etc";
  std::filesystem::create_directories(folder_ / "home/.config/betedge");
  std::filesystem::create_directories(folder_ / "etc");
  write("etc/betedge.toml", "[theta]\nconcurrency = 5\nretry_attempts = 5\ntimeout = \"5s\"\n");
  write("home/.config/betedge/betedge.toml", "[theta]\nconcurrency = 6\nretry_attempts = 6\n");
  write("betedge.toml", "[theta]\nconcurrency = 7\n");
  const auto loaded = load_settings(outside_);
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(loaded->settings.theta_concurrency, 7u);
  EXPECT_EQ(loaded->settings.theta_retry_attempts, 6);
  EXPECT_EQ(loaded->settings.theta_timeout, std::chrono::seconds{5});
  const auto text = describe(*loaded, Listing::set);
  EXPECT_THAT(text, HasSubstr("# betedge.toml line 2\n"));
  EXPECT_THAT(text, HasSubstr("home/.config/betedge/betedge.toml line 3\n"));
  EXPECT_THAT(text, HasSubstr("etc/betedge.toml line 4\n"));
  // Somewhere else, for the user's.
  std::filesystem::create_directories(folder_ / "xdg/betedge");
  write("xdg/betedge/betedge.toml", "[theta]\nretry_attempts = 8\n");
  outside_.environment["XDG_CONFIG_HOME"] = folder_ / "xdg";
  EXPECT_EQ(load().theta_retry_attempts, 8);
  // A file that is named is the only one.
  write("mine.toml", "[theta]\ntimeout = \"9s\"\n");
  outside_.config_file = "mine.toml";
  EXPECT_EQ(load().theta_concurrency, 4u);
  EXPECT_EQ(load().theta_timeout, std::chrono::seconds{9});
}

TEST_F(SettingsTest, WhatIsWrongInTheUsersFileIsNamedByItsPath) {
  outside_.home = folder_ / "home";
  std::filesystem::create_directories(folder_ / "home/.config/betedge");
  write("home/.config/betedge/betedge.toml", "concurrency = 6\n");
  EXPECT_THAT(refusal(),
              HasSubstr("home/.config/betedge/betedge.toml line 1: there is no setting"));
}

TEST_F(SettingsTest, AServiceThatWorksInTheSystemsFolderReadsItsFileOnce) {
  outside_.system_folder = folder_;
  write("betedge.toml", "[theta]\nconcurrency = 5\n");
  const auto loaded = load_settings(outside_);
  ASSERT_TRUE(loaded);
  EXPECT_THAT(describe(*loaded, Listing::set), HasSubstr("# betedge.toml line 2\n"));
}

TEST_F(SettingsTest, ANewInstallIsAsyncAndAsksForNoToken) {
  const auto settings = load();
  EXPECT_EQ(settings.rollout, RolloutSettings{});
  EXPECT_TRUE(settings.rollout.is_async_by_default);
  EXPECT_EQ(settings.tokens_file, "");
  EXPECT_THAT(settings.allowed_hosts, testing::IsEmpty());
}

TEST_F(SettingsTest, TheRolloutIsReadAsItStands) {
  write("betedge.toml",
        "[async]\ndefault = false\npercentage = 25\n[async.endpoints]\noption = true\n"
        "earnings = false\n[async.clients]\nann = true\n\"Bob's loader\" = false\n"
        "[sync]\nenabled = false\n");
  const auto settings = load();
  EXPECT_EQ(settings.rollout, (RolloutSettings{.clients = {{"ann", true}, {"Bob's loader", false}},
                                               .percentage = 25,
                                               .endpoints = {{"option", true}, {"earnings", false}},
                                               .is_async_by_default = false,
                                               .is_sync_enabled = false}));
}

TEST_F(SettingsTest, RulesForClientsCanComeFromTheEnvironmentOneByOne) {
  write("betedge.toml", "[async.clients]\nann = true\nbob = true\n");
  outside_.environment["BETEDGE_ASYNC_CLIENTS_BOB"] = "false";
  outside_.environment["BETEDGE_ASYNC_CLIENTS_EVE"] = "yes";
  outside_.environment["BETEDGE_ASYNC_CLIENTS_NOBODY"] = "";
  const auto loaded = load_settings(outside_);
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(loaded->settings.rollout.clients, (std::map<std::string, bool, std::less<>>{
                                                  {"ann", true}, {"bob", false}, {"eve", true}}));
  EXPECT_THAT(loaded->warnings, testing::IsEmpty());
  EXPECT_THAT(loaded->origins.at("async.clients"),
              testing::AllOf(HasSubstr("betedge.toml line"), HasSubstr("_BOB in the environment")));
  // All of them at once, which says everything.
  outside_.environment["BETEDGE_ASYNC_CLIENTS"] = "zoe=true, ann=no";
  EXPECT_EQ(load().rollout.clients,
            (std::map<std::string, bool, std::less<>>{
                {"ann", false}, {"bob", false}, {"eve", true}, {"zoe", true}}));
}

TEST_F(SettingsTest, HostsAreAListInTheFileAndElsewhere) {
  write("betedge.toml", "server.allowed_hosts = [\"lake.example\", \"betedge\"]\n");
  EXPECT_THAT(load().allowed_hosts, ElementsAre("lake.example", "betedge"));
  outside_.environment["BETEDGE_SERVER_ALLOWED_HOSTS"] = "a , fd00::1";
  EXPECT_THAT(load().allowed_hosts, ElementsAre("a", "fd00::1"));
  write("betedge.toml", "server.allowed_hosts = []\n");
  outside_.environment.clear();
  EXPECT_THAT(load().allowed_hosts, testing::IsEmpty());
}

struct WrongCase {
  std::string name;
  std::string file;
  std::string sentence;
};
class WrongSetting : public SettingsTest, public testing::WithParamInterface<WrongCase> {};

TEST_P(WrongSetting, IsOneSentence) {
  write("betedge.toml", GetParam().file);
  EXPECT_THAT(refusal(), HasSubstr(GetParam().sentence));
}
INSTANTIATE_TEST_SUITE_P(
    Access, WrongSetting,
    testing::Values(
        WrongCase{"percentage_above", "async.percentage = 101",
                  "async.percentage is \"101\" (from betedge.toml line 1), but must be a whole "
                  "number from 0 to 100"},
        WrongCase{"percentage_below", "async.percentage = -1", "a whole number from 0 to 100"},
        WrongCase{"percentage_between", "async.percentage = 0.5", "a whole number from 0 to 100"},
        WrongCase{"endpoint_unknown", "async.endpoints.options = true",
                  "did you mean async.endpoints.option?"},
        WrongCase{"endpoint_value", "async.endpoints.stock = \"maybe\"", "true or false"},
        WrongCase{"client_value", "[async.clients]\nann = 1",
                  "line 2: async.clients.ann must be true or false"},
        WrongCase{"client_name", "[async.clients]\n\"a,b\" = true", "without a comma"},
        WrongCase{"clients_text", "async.clients = \"ann\"", "ann=true,bob=false"},
        WrongCase{"clients_no_name", "async.clients = \"=true\"", "ann=true,bob=false"},
        WrongCase{"host_with_port", "server.allowed_hosts = \"a:80\"", "names without port"},
        WrongCase{"host_with_scheme", "server.allowed_hosts = \"http://a\"", "names without port"},
        WrongCase{"host_with_wildcard", "server.allowed_hosts = \"*\"", "names without port"},
        WrongCase{"host_numbers", "server.allowed_hosts = [1]", "must be a text"},
        WrongCase{"body_too_small", "limits.body_bytes = 1", "a size from 1KiB to 64MiB"},
        WrongCase{"body_too_large", "limits.body_bytes = \"65MiB\"", "a size from 1KiB to 64MiB"}),
    [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace betedge::app
