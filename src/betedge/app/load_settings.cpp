#include "betedge/app/load_settings.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "betedge/app/setting_values.hpp"
#include "betedge/wire/python_json.hpp"

namespace betedge::app {
namespace {

constexpr std::string_view kDefault = "default";  // where a value came from that nobody sets

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
      loaded.origins.emplace(setting.name, kDefault);
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
    if (loaded.origins["s3.endpoint"] != kDefault) {
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

std::string describe(const LoadedSettings& loaded, Listing listing) {
  struct Line {
    std::string name, value, origin;
  };
  const bool is_json = listing == Listing::json || listing == Listing::json_of_set;
  const bool is_of_set = listing == Listing::set || listing == Listing::json_of_set;
  std::size_t widest = 0;
  std::vector<Line> lines;
  for (const auto& setting : setting_table()) {
    Line line{std::string(setting.name),
              setting.secret ? std::string("***") : setting.show(loaded.settings),
              loaded.origins.find(setting.name)->second};
    if (is_of_set && line.origin == kDefault) continue;
    widest = std::max(widest, line.name.size() + 3 + line.value.size());
    lines.push_back(std::move(line));
  }
  std::string text;
  for (const auto& [name, value, origin] : lines) {
    text += is_json ? fmt::format("{{\"name\":{},\"value\":{},\"origin\":{}}}\n",
                                  wire::quoted(name), wire::quoted(value), wire::quoted(origin))
                    : fmt::format("{:<{}}  # {}\n", fmt::format("{} = {}", name, value), widest,
                                  origin);
  }
  return text;
}

}  // namespace betedge::app
