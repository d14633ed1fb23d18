#include "betedge/app/reload.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "betedge/app/token_file.hpp"

namespace betedge::app {
namespace {

bool is_loopback(const std::string& address) {
  return address == "::1" || address.starts_with("127.");
}

bool is_live(std::string_view name) {
  const auto table = setting_table();
  return std::ranges::find(table, name, &Setting::name)->is_live;
}

}  // namespace

std::string address_of(const Settings& settings, std::uint16_t port) {
  const bool six = settings.listen_address.contains(':');
  return fmt::format("{}{}{}:{}", six ? "[" : "", settings.listen_address, six ? "]" : "", port);
}

Result<ServerSettings> load_server_settings(const Outside& outside, bool is_insecure_allowed) {
  ServerSettings read;
  BETEDGE_TRY(read.loaded, load_settings(outside));
  const auto& settings = read.loaded.settings;
  read.rules.allowed_hosts = settings.allowed_hosts;
  if (!settings.tokens_file.empty()) {
    BETEDGE_TRY(auto file, read_token_file(settings.tokens_file));
    read.rules.tokens = std::move(file.tokens);
    if (file.warning) read.warnings.push_back(*std::move(file.warning));
  }
  BETEDGE_TRY_VOID(check_exposure(settings, read.rules, is_insecure_allowed));
  return read;
}

Result<void> check_exposure(const Settings& listening, const server::GuardRules& rules,
                            bool is_insecure_allowed) {
  if (rules.tokens || is_insecure_allowed || is_loopback(listening.listen_address)) return {};
  return fail(
      ErrorCode::invalid_request,
      fmt::format("will not listen on {} without tokens, where others could submit jobs; make one "
                  "with `betedge token NAME --file tokens` and set BETEDGE_TOKENS=tokens, or use "
                  "--listen 127.0.0.1:{}, or --insecure-listen if only you can reach it",
                  address_of(listening, listening.listen_port), listening.listen_port));
}

Changes changes_of(const ServerSettings& running, const ServerSettings& after) {
  Changes changes;
  for (const auto name : differences(running.loaded.settings, after.loaded.settings))
    (is_live(name) ? changes.taken_up : changes.need_restart).emplace_back(name);
  // The file may say something else under the same name.
  if (running.rules.tokens != after.rules.tokens &&
      std::ranges::find(changes.taken_up, "tokens") == changes.taken_up.end())
    changes.taken_up.emplace_back("tokens");
  return changes;
}

void take_up(ServerSettings& running, ServerSettings after) {
  auto& to = running.loaded.settings;
  auto& from = after.loaded.settings;
  to.rollout = std::move(from.rollout);
  to.tokens_file = std::move(from.tokens_file);
  to.allowed_hosts = std::move(from.allowed_hosts);
  to.log_level = from.log_level;
  running.rules = std::move(after.rules);
}

}  // namespace betedge::app
