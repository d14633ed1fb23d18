#include "betedge/app/load_settings.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "betedge/app/setting_values.hpp"

namespace betedge::app {
namespace {

std::string default_folder(const Outside& outside) {
  const auto data = outside.environment.find("XDG_DATA_HOME");
  if (data != outside.environment.end() && data->second.starts_with('/'))
    return (std::filesystem::path(data->second) / "betedge").string();
  if (!outside.home.empty()) return (outside.home / ".local/share/betedge").string();
  // A user without a home (a bare container): beside where the server was started.
  return "betedge-data";
}

}  // namespace

Result<LoadedSettings> load_settings(const Outside& outside) {
  BETEDGE_TRY(auto sources, read_sources(outside));

  LoadedSettings loaded;
  loaded.warnings = std::move(sources.warnings);
  for (const auto& setting : setting_table()) {
    const auto found = sources.values.find(setting.name);
    if (found == sources.values.end()) {
      loaded.origins.emplace(setting.name, "default");
      continue;
    }
    const auto text = trim(found->second.text);
    if (!setting.read(loaded.settings, text)) {
      return fail(ErrorCode::invalid_request,
                  fmt::format("{} is \"{}\" (from {}), but must be {}", setting.name,
                              setting.secret ? "***" : text, found->second.origin, setting.rule));
    }
    loaded.origins.emplace(setting.name, found->second.origin);
  }

  auto& settings = loaded.settings;
  if (settings.tls_cert.empty() != settings.tls_key.empty()) {
    const std::string_view given = settings.tls_cert.empty() ? "tls.key" : "tls.cert";
    const std::string_view other = settings.tls_cert.empty() ? "tls.cert" : "tls.key";
    return fail(ErrorCode::invalid_request,
                fmt::format("{} is set (from {}) without {}: https needs both, http neither", given,
                            loaded.origins.find(given)->second, other));
  }
  if (settings.lake_url.empty()) {
    // As the original: who names a MinIO server wants the files there.
    if (loaded.origins["s3.endpoint"] != "default") {
      settings.lake_url = "s3://" + settings.s3_bucket;
      loaded.origins["lake.url"] = "s3.endpoint and s3.bucket";
    } else {
      settings.lake_url = (std::filesystem::path(default_folder(outside)) / "lake").string();
    }
  }
  if (settings.store_url.empty()) {
    // Beside the lake: for a folder, the folder that it lies in.
    const auto lake = std::filesystem::path(settings.lake_url);
    settings.store_url =
        settings.lake_url.starts_with("s3://")
            ? (std::filesystem::path(default_folder(outside)) / "jobs.db").string()
            : ((lake.has_filename() ? lake : lake.parent_path()).parent_path() / "jobs.db")
                  .string();
  }
  return loaded;
}

std::string describe(const LoadedSettings& loaded) {
  std::size_t widest = 0;
  std::vector<std::string> lines;
  for (const auto& setting : setting_table()) {
    const auto value = setting.secret ? std::string("***") : setting.show(loaded.settings);
    lines.push_back(fmt::format("{} = {}", setting.name, value));
    widest = std::max(widest, lines.back().size());
  }
  std::string text;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    text += fmt::format("{:<{}}  # {}\n", lines[i], widest,
                        loaded.origins.find(setting_table()[i].name)->second);
  }
  return text;
}

}  // namespace betedge::app
