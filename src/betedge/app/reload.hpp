#pragma once

#include <string>
#include <vector>

#include "betedge/app/load_settings.hpp"
#include "betedge/server/guard.hpp"

namespace betedge::app {

// The settings of a server, with what the files say that they name: read together, and good or not
// at all.
struct ServerSettings {
  LoadedSettings loaded;
  server::GuardRules rules;
  std::vector<std::string> warnings;  // about the token file
};

// Everything that `serve` reads before it listens, and again on SIGHUP; from files alone, so that
// it may run on any thread. Blocks. invalid_request with one sentence: a setting, the token file,
// or an address beyond this machine without tokens, unless that `is_insecure_allowed`.
Result<ServerSettings> load_server_settings(const Outside& outside, bool is_insecure_allowed);

// Whether a server that listens where `listening` says may go by these rules: beyond this machine
// only with tokens, unless that `is_insecure_allowed`. A reload asks it of the address in use,
// which the new settings may no longer name.
Result<void> check_exposure(const Settings& listening, const server::GuardRules& rules,
                            bool is_insecure_allowed);

// What is different in `after`. A change of a setting that only a restart takes up says so each
// time, until there was one.
struct Changes {
  std::vector<std::string> taken_up;
  std::vector<std::string> need_restart;
};
Changes changes_of(const ServerSettings& running, const ServerSettings& after);

// `running` as it is after it has taken up what it can of `after`.
void take_up(ServerSettings& running, ServerSettings after);

// "127.0.0.1:8000", "[::1]:8000"
std::string address_of(const Settings& settings, std::uint16_t port);

}  // namespace betedge::app
