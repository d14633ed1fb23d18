#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "betedge/core/error.hpp"

// Where settings are said: flags, the environment, `.env` and the file. Here they are texts; what
// they mean is for `load_settings`.
namespace betedge::app {

// What the outside says; a plain value, so that tests need no process around them.
struct Outside {
  std::map<std::string, std::string, std::less<>> flags;  // by the setting's name
  std::map<std::string, std::string, std::less<>> environment;
  std::filesystem::path working_folder = ".";
  std::optional<std::string> config_file;  // --config
  std::filesystem::path home;              // the user's; empty when there is none
  std::filesystem::path system_folder;     // "/etc/betedge"; empty when there is none
};

// This process's environment and working folder; the home folder from HOME, else from the user
// database.
Outside this_process();

// One setting as it was said.
struct Raw {
  std::string text;
  std::string origin;  // "THETA_API in the environment"
};
using RawValues = std::map<std::string, Raw, std::less<>>;  // by setting

struct SettingSources {
  RawValues values;                   // those that are set, each from the strongest that says it
  std::vector<std::string> warnings;  // one sentence for each name that is set and has no use
};

// Flags over environment over .env over files. --config, else BETEDGE_CONFIG, names the only file,
// which must exist; else ./betedge.toml goes over ~/.config/betedge/betedge.toml (or below
// XDG_CONFIG_HOME) over /etc/betedge/betedge.toml, those that exist. invalid_request with one
// sentence: a file that is named and not there, that is no TOML, or that names a setting there is
// none of. Blocks.
Result<SettingSources> read_sources(const Outside& outside);

}  // namespace betedge::app
