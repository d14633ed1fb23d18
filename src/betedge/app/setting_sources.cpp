#include "betedge/app/setting_sources.hpp"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <toml++/toml.h>

#include "betedge/app/setting_values.hpp"
#include "betedge/app/settings.hpp"

extern char** environ;

namespace betedge::app {
namespace {

using Variables = std::map<std::string, std::string, std::less<>>;

// Names of the Python original and its compose file that mean nothing here.
constexpr std::string_view kUnused[] = {"THETA_USERNAME",
                                        "THETA_PASSWORD",
                                        "THETA_JAR_PATH",
                                        "THETA_DEFAULT_VENUE",
                                        "THETA_USE_CSV",
                                        "THETA_PRETTY_TIME",
                                        "THETA_STOCK_TIER",
                                        "THETA_OPTION_TIER",
                                        "STOCK_TIER",
                                        "OPTION_TIER",
                                        "THETADATA_USERNAME",
                                        "THETADATA_PASSWORD",
                                        "KAFKA_BOOTSTRAP_SERVERS"};

// BETEDGE_ names that other commands read, or that choose the file itself.
constexpr std::string_view kOtherNames[] = {"BETEDGE_CONFIG", "BETEDGE_URL", "BETEDGE_TOKEN",
                                            "BETEDGE_CA_FILE"};

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const auto above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

template <class Names>
std::string nearest(std::string_view name, const Names& names) {
  std::string best;
  auto best_distance = std::string_view::npos;
  for (const auto& candidate : names) {
    const auto distance = edit_distance(name, candidate);
    if (distance >= best_distance) continue;
    best_distance = distance;
    best = candidate;
  }
  return best;
}

template <class Names>
bool is_one_of(const Names& names, std::string_view name) {
  return std::ranges::find(names, name) != std::end(names);
}

constexpr std::string_view kClients = "async.clients";
// BETEDGE_ASYNC_CLIENTS_ANN=true is a rule for "ann".
constexpr std::string_view kClientPrefix = "BETEDGE_ASYNC_CLIENTS_";

// KEY=VALUE lines; "export " before, quotes around, "#" lines between are all right.
Variables read_dotenv(const std::filesystem::path& path) {
  Variables values;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    auto text = trim(line);
    if (text.starts_with("export ")) text = trim(text.substr(7));
    const auto equals = text.find('=');
    if (text.starts_with('#') || equals == std::string_view::npos) continue;
    auto value = trim(text.substr(equals + 1));
    if (value.size() >= 2 && (value.front() == '"' || value.front() == '\'') &&
        value.back() == value.front()) {
      value = value.substr(1, value.size() - 2);
    } else if (const auto comment = value.find(" #"); comment != std::string_view::npos) {
      value = trim(value.substr(0, comment));
    }
    values[std::string(trim(text.substr(0, equals)))] = value;
  }
  return values;
}

void take_environment(RawValues& values, const Variables& variables, std::string_view where) {
  for (const auto& setting : setting_table()) {
    std::vector<std::string> names{environment_name(setting.name)};
    names.insert(names.end(), setting.short_names.begin(), setting.short_names.end());
    for (const auto& name : names) {
      const auto found = variables.find(name);
      // Set to nothing is not set: compose files pass on variables that way.
      if (found == variables.end() || found->second.empty()) continue;
      values[std::string(setting.name)] = {found->second, fmt::format("{} in {}", name, where)};
      break;
    }
  }
  for (const auto& [name, value] : variables) {
    if (!name.starts_with(kClientPrefix) || value.empty()) continue;
    auto& rules = values[std::string(kClients)];
    rules.text += fmt::format("{}{}={}", rules.text.empty() ? "" : ",",
                              lower(std::string_view(name).substr(kClientPrefix.size())), value);
    rules.origin += fmt::format("{}{} in {}", rules.origin.empty() ? "" : ", ", name, where);
  }
}

// A value of the file as text; nullopt for a table and what lies deeper.
std::optional<std::string> text_of(const toml::node& node) {
  if (const auto* string = node.as_string()) return string->get();
  if (const auto* integer = node.as_integer()) return fmt::format("{}", integer->get());
  if (const auto* number = node.as_floating_point()) return fmt::format("{}", number->get());
  if (const auto* boolean = node.as_boolean()) return show_bool(boolean->get());
  return std::nullopt;
}

// The rules of [async.clients], as the setting's text has them.
Result<std::string> text_of_clients(const toml::table& table, const std::string& file) {
  std::string rules;
  for (const auto& [key, node] : table) {
    const auto* is_async = node.as_boolean();
    if (is_async == nullptr || !is_client_name(key.str())) {
      return fail(ErrorCode::invalid_request,
                  fmt::format("{} line {}: {}.{} must be true or false, and the client's name 1 to "
                              "64 printable characters without a comma",
                              file, node.source().begin.line, kClients, key.str()));
    }
    rules += fmt::format("{}{}={}", rules.empty() ? "" : ",", key.str(), is_async->get());
  }
  return rules;
}

// ["a", "b"] as "a,b", for the settings that are lists.
std::optional<std::string> text_of_list(const toml::array& array) {
  std::string text;
  for (const auto& node : array) {
    const auto* string = node.as_string();
    if (string == nullptr) return std::nullopt;
    text += (text.empty() ? "" : ",") + string->get();
  }
  return text;
}

Result<void> take_table(RawValues& values, const toml::table& table, const std::string& prefix,
                        const std::string& file) {
  for (const auto& [key, node] : table) {
    const auto name = prefix + std::string(key.str());
    const auto where = fmt::format("{} line {}", file, node.source().begin.line);
    const auto is_name = [&name](const Setting& setting) { return setting.name == name; };
    const auto begins_name = [&name](const Setting& setting) {
      return setting.name.starts_with(name + ".");
    };
    const auto table_of_settings = setting_table();
    if (node.is_table() && std::ranges::any_of(table_of_settings, begins_name)) {
      BETEDGE_TRY_VOID(take_table(values, *node.as_table(), name + ".", file));
      continue;
    }
    if (std::ranges::none_of(table_of_settings, is_name)) {
      std::vector<std::string_view> names;
      // Of a table, what is nearest is another table.
      for (const auto& setting : table_of_settings) {
        names.push_back(node.is_table() ? setting.name.substr(0, setting.name.find('.'))
                                        : setting.name);
      }
      return fail(ErrorCode::invalid_request,
                  fmt::format("{}: there is no setting {}; did you mean {}?", where, name,
                              nearest(name, names)));
    }
    auto text = text_of(node);
    if (name == kClients && node.is_table()) {
      BETEDGE_TRY(text, text_of_clients(*node.as_table(), file));
    } else if (node.is_array()) {
      text = text_of_list(*node.as_array());
    }
    if (!text) {
      return fail(ErrorCode::invalid_request,
                  fmt::format("{}: {} must be a text, a number, true or false", where, name));
    }
    // An empty table or list sets nothing.
    if (text->empty() && !node.is_string()) continue;
    values[name] = {*std::move(text), where};
  }
  return {};
}

// `name` is what messages call it.
Result<void> take_file(RawValues& values, std::ifstream& file, const std::string& name) {
  std::stringstream content;
  content << file.rdbuf();
  try {
    return take_table(values, toml::parse(content.str()), "", name);
  } catch (const toml::parse_error& error) {
    return fail(ErrorCode::invalid_request,
                fmt::format("{} line {}: not TOML: {}", name, error.source().begin.line,
                            error.description()));
  }
}

// The user's own folder of settings, as the XDG Base Directory Specification has it.
std::filesystem::path user_folder(const Outside& outside) {
  const auto named = outside.environment.find("XDG_CONFIG_HOME");
  if (named != outside.environment.end() && named->second.starts_with('/'))
    return std::filesystem::path(named->second) / "betedge";
  return outside.home.empty() ? std::filesystem::path() : outside.home / ".config/betedge";
}

Result<void> take_files(RawValues& values, const Outside& outside, const Variables& dotenv) {
  std::optional<std::string> asked = outside.config_file;
  std::string asked_by = "--config";
  for (const auto* variables : {&outside.environment, &dotenv}) {
    const auto found = variables->find("BETEDGE_CONFIG");
    if (asked || found == variables->end() || found->second.empty()) continue;
    asked = found->second;
    asked_by = "BETEDGE_CONFIG";
  }
  constexpr std::string_view kName = "betedge.toml";
  if (asked) {
    std::ifstream file(outside.working_folder / *asked);
    if (file) return take_file(values, file, *asked);
    return fail(ErrorCode::invalid_request,
                fmt::format("{} names {}, which cannot be read; make that file or name another",
                            asked_by, *asked));
  }
  // The weakest first: what is said again counts. A service's working folder may be the system's.
  const auto project = outside.working_folder / kName;
  for (const auto& folder : {outside.system_folder, user_folder(outside)}) {
    std::error_code error;
    const auto path = folder / kName;
    if (folder.empty() || std::filesystem::equivalent(path, project, error)) continue;
    std::ifstream file(path);
    if (file) BETEDGE_TRY_VOID(take_file(values, file, path.string()));
  }
  std::ifstream file(project);
  return file ? take_file(values, file, std::string(kName)) : Result<void>();
}

// One sentence for each name that is set and has no use here.
std::vector<std::string> warnings_of(const Variables& dotenv, const Variables& environment) {
  std::vector<std::string> warnings;
  std::vector<std::string> known(std::begin(kOtherNames), std::end(kOtherNames));
  for (const auto& setting : setting_table()) {
    known.push_back(environment_name(setting.name));
    known.insert(known.end(), setting.short_names.begin(), setting.short_names.end());
  }
  for (const auto* variables : {&dotenv, &environment}) {
    for (const auto& [name, value] : *variables) {
      if (is_one_of(kUnused, name)) {
        warnings.push_back(
            fmt::format("{} is set and has no use here: the terminal keeps its own account", name));
      } else if (name.starts_with("BETEDGE_") && !name.starts_with(kClientPrefix) &&
                 !is_one_of(known, name)) {
        warnings.push_back(fmt::format("{} is set and is no setting; did you mean {}?", name,
                                       nearest(name, known)));
      }
    }
  }
  return warnings;
}

}  // namespace

Outside this_process() {
  Outside outside;
  outside.system_folder = "/etc/betedge";
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const auto equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    outside.environment.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  const auto home = outside.environment.find("HOME");
  if (home != outside.environment.end() && home->second.starts_with('/')) {
    outside.home = home->second;
  } else {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): there is no other thread yet
    const auto* const user = getpwuid(geteuid());
    std::error_code ignored;
    if (user != nullptr && user->pw_dir != nullptr &&
        std::filesystem::is_directory(user->pw_dir, ignored))
      outside.home = user->pw_dir;
  }
  return outside;
}

Result<SettingSources> read_sources(const Outside& outside) {
  const auto dotenv = read_dotenv(outside.working_folder / ".env");
  SettingSources sources;
  auto& values = sources.values;  // the weakest first
  BETEDGE_TRY_VOID(take_files(values, outside, dotenv));
  take_environment(values, dotenv, ".env");
  take_environment(values, outside.environment, "the environment");
  for (const auto& [name, text] : outside.flags) values[name] = {text, flag_name(name)};
  sources.warnings = warnings_of(dotenv, outside.environment);
  return sources;
}

}  // namespace betedge::app
