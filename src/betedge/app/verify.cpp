#include "betedge/app/verify.hpp"

#include <filesystem>
#include <memory>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "betedge/app/lake.hpp"
#include "betedge/app/load_settings.hpp"
#include "betedge/columnar/file_reader.hpp"
#include "betedge/engine/verification.hpp"
#include "betedge/jobs/sqlite_store.hpp"
#include "betedge/net/http_client.hpp"

namespace betedge::app {
namespace {

// Somebody may be watching.
constexpr std::chrono::milliseconds kSilence{500};

Result<void> check_folder(const Settings& settings) {
  std::error_code error;
  if (std::filesystem::is_directory(settings.lake_url, error)) return {};
  return fail(ErrorCode::not_found,
              fmt::format("there is no lake at {}; BETEDGE_LAKE names another, and --url a server",
                          settings.lake_url));
}

}  // namespace

Task<Result<VerifyEnd>> verify_here(Runtime& runtime, cli::LocalVerification asked) {
  BETEDGE_CO_TRY(const auto loaded, load_settings(this_process()));
  const auto& settings = loaded.settings;
  BETEDGE_CO_TRY(const auto client, net::make_http_client(runtime));
  std::unique_ptr<ObjectStore> lake;
  if (is_bucket(settings)) {
    BETEDGE_CO_TRY(lake, co_await open_bucket(runtime, *client, settings, asked.stop));
  } else {
    BETEDGE_CO_TRY_VOID(check_folder(settings));
    BETEDGE_CO_TRY(lake, open_folder(runtime, settings));
  }
  auto jobs = jobs::open_sqlite_store(runtime, settings.store_url);
  if (!jobs) co_return fail_while("the job store " + settings.store_url, std::move(jobs).error());
  asked.on_open(fmt::format("the lake {}", lake->name()));
  engine::Verification::Options options;
  options.prefix = asked.prefix;
  options.silence = kSilence;
  engine::Verification verification({.runtime = runtime, .jobs = **jobs, .lake = *lake},
                                    std::move(options), asked.stop);
  while (true) {
    BETEDGE_CO_TRY(auto line, co_await verification.next());
    if (!line) co_return fail(ErrorCode::internal, "the verification has no end");
    if (auto* const end = std::get_if<VerifyEnd>(&*line)) co_return *std::move(end);
    if (auto* const failure = std::get_if<VerifyFailure>(&*line))
      co_return fail(ErrorCode::storage_failed, std::move(failure->error));
    asked.on_line(*line);
  }
}

Result<cli::FirstRows> read_rows(std::string object, std::size_t rows) {
  columnar::RandomAccess file;
  file.size_bytes = object.size();
  file.read = [&object](std::uint64_t offset, std::size_t length) -> Result<Bytes> {
    const auto bytes = as_bytes(std::string_view(object).substr(offset, length));
    return Bytes(bytes.begin(), bytes.end());
  };
  BETEDGE_TRY(auto found, columnar::preview(std::move(file), rows));
  return cli::FirstRows{std::move(found.columns), std::move(found.rows)};
}

}  // namespace betedge::app
