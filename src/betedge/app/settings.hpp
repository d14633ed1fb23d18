#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "betedge/core/error.hpp"
#include "betedge/core/rollout.hpp"
#include "betedge/core/table.hpp"
#include "betedge/ports/log.hpp"

namespace betedge::app {

// Which protocol the terminal is spoken to in; `automatic` asks the terminal.
enum class ThetaApi : std::uint8_t { automatic, v3, v2 };
// The form in which a v2 terminal is asked for bulk data.
enum class V2Format : std::uint8_t { csv, json };

// Everything that can be set, checked and typed (DESIGN.md, Settings). The defaults are right for
// one person on one machine.
struct Settings {
  std::string listen_address = "127.0.0.1";  // an IP address, without brackets
  std::string lake_url;   // a folder, or "s3://bucket/prefix"; never empty once loaded
  std::string store_url;  // a SQLite file, or ":memory:"; never empty once loaded

  std::string s3_endpoint = "minio:9000";  // host:port, as the Python original's
  std::string s3_access_key = "minioadmin";
  std::string s3_secret_key = "minioadmin123";
  std::string s3_bucket = "betedge-data";
  std::string s3_region = "us-east-1";

  std::string theta_base_url;  // without /v2 or /v3; empty: the vendor's own ports on this machine
  std::string nasdaq_base_url = "https://api.nasdaq.com";
  std::size_t theta_concurrency = 4;
  std::chrono::milliseconds theta_timeout{120'000};  // without a byte
  std::chrono::milliseconds theta_retry_delay{500};  // before the second attempt; then it grows
  int theta_retry_attempts = 4;                      // in all, the first included

  std::string tls_cert;  // PEM files; both or neither
  std::string tls_key;

  std::uint16_t listen_port = 8000;  // 0 takes a free one
  bool s3_secure = false;
  Layout lake_layout;
  ThetaApi theta_api = ThetaApi::automatic;
  V2Format theta_v2_format = V2Format::csv;
  bool force_refresh = false;
  Level log_level = Level::info;
  std::size_t memory_budget_bytes = std::size_t{512} << 20;

  RolloutSettings rollout;
  std::string tokens_file;                 // empty: nobody is asked for a token
  std::vector<std::string> allowed_hosts;  // names, without port
  std::size_t limit_body_bytes = std::size_t{1} << 20;
  std::size_t limit_items_per_job = 100'000;
  std::size_t limit_queued_items = 1'000'000;  // of all jobs, not ended
};

// One thing that can be set: its name in the file, what else it is called, how it is read and
// shown.
struct Setting {
  std::string_view name;  // "theta.concurrency"
  // In the environment, beside BETEDGE_THETA_CONCURRENCY, which is looked for first.
  std::vector<std::string_view> short_names;
  std::string_view help;
  std::string_view rule;  // what a good value is, ending a sentence that begins with "must be"
  bool secret = false;
  bool is_live = false;  // SIGHUP takes a change up; the others need a restart
  // False when the text is no good value.
  bool (*read)(Settings&, std::string_view text) = nullptr;
  std::string (*show)(const Settings&) = nullptr;
};

// The rule of settings that are on or off.
inline constexpr std::string_view kSwitchRule = "true or false";

// All of them, in the order in which `betedge config` prints them.
std::span<const Setting> setting_table();

// "theta.concurrency" -> "BETEDGE_THETA_CONCURRENCY"
std::string environment_name(std::string_view setting);
// "theta.concurrency" -> "--theta-concurrency"; "lake.url" and "store.url" -> "--lake", "--store"
std::string flag_name(std::string_view setting);

// What the outside says; a plain value, so that tests need no process around them.
struct Outside {
  std::map<std::string, std::string, std::less<>> flags;  // by the setting's name
  std::map<std::string, std::string, std::less<>> environment;
  std::filesystem::path working_folder = ".";
  std::optional<std::string> config_file;  // --config
  std::filesystem::path home;              // the user's; empty when there is none
};

// This process's environment and working folder; the home folder from HOME, else from the user
// database.
Outside this_process();

struct LoadedSettings {
  Settings settings;
  std::map<std::string, std::string, std::less<>>
      origins;                        // by name: "THETA_API in the environment"
  std::vector<std::string> warnings;  // one sentence each
};

// Flags over environment over .env over the file over defaults. The file is --config, else
// BETEDGE_CONFIG, which must exist, else ./betedge.toml if it does. invalid_request with one
// sentence: which setting, from where, what it must be.
Result<LoadedSettings> load_settings(const Outside& outside);

// The names of the settings whose values differ, in the table's order.
std::vector<std::string_view> differences(const Settings& before, const Settings& after);

// `betedge config`: a line for each setting, "name = value  # origin", secrets masked.
std::string describe(const LoadedSettings& loaded);

}  // namespace betedge::app
