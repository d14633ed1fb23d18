#include "betedge/app/serve.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <map>
#include <optional>
#include <system_error>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "betedge/app/command.hpp"
#include "betedge/app/lake.hpp"
#include "betedge/app/load_settings.hpp"
#include "betedge/app/logging.hpp"
#include "betedge/app/metered.hpp"
#include "betedge/app/metrics.hpp"
#include "betedge/app/reload.hpp"
#include "betedge/app/stop_request.hpp"
#include "betedge/columnar/object_encoder.hpp"
#include "betedge/engine/data_processing_service.hpp"
#include "betedge/engine/lake_service.hpp"
#include "betedge/jobs/sqlite_store.hpp"
#include "betedge/net/asio_runtime.hpp"
#include "betedge/net/http_client.hpp"
#include "betedge/net/http_server.hpp"
#include "betedge/net/limiter.hpp"
#include "betedge/ports/async.hpp"
#include "betedge/server/api.hpp"
#include "betedge/server/guard.hpp"
#include "betedge/sources/nasdaq.hpp"
#include "betedge/sources/thetadata.hpp"

namespace betedge::app {
namespace {

// Together they keep the promise of ten seconds between SIGTERM and the end.
constexpr std::chrono::milliseconds kDrainGrace{1'000};
constexpr std::chrono::milliseconds kFetchGrace{8'500};
// A little later, so that the fetches whose requests it ends have been told to stop.
constexpr std::chrono::milliseconds kLakeGrace{8'600};

// NASDAQ's calendar is no bulk service: one day after the other.
constexpr std::size_t kNasdaqConcurrency = 1;

sources::ThetaOptions theta_options(const Settings& settings) {
  sources::ThetaOptions options;
  switch (settings.theta_api) {
    case ThetaApi::automatic: break;
    case ThetaApi::v3: options.api = sources::ThetaVersion::v3; break;
    case ThetaApi::v2: options.api = sources::ThetaVersion::v2; break;
  }
  if (!settings.theta_base_url.empty()) options.base_url = settings.theta_base_url;
  switch (settings.theta_v2_format) {
    case V2Format::csv: options.v2_form = sources::V2Form::csv; break;
    case V2Format::json: options.v2_form = sources::V2Form::json; break;
  }
  options.idle_timeout = settings.theta_timeout;
  return options;
}

// As many connections as half of the descriptors that this process may have: files, SQLite and the
// terminal need theirs, whatever comes at the door.
std::size_t most_connections() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    // The low one is for programs that use select(), which this is not.
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    ::getrlimit(RLIMIT_NOFILE, &limit);
  }
  const net::ServerOptions defaults;
  if (limit.rlim_cur == 0) return defaults.max_connections;
  return std::min<std::size_t>(defaults.max_connections,
                               std::max<std::size_t>(1, limit.rlim_cur / 2));
}

// Whether the certificate that lies there now is in use.
Task<bool> reload_certificate(net::HttpServer& http, Log& log, std::string file) {
  const auto reloaded = co_await http.reload_tls();
  if (reloaded) {
    log.event(Level::info, "certificate_reloaded", {{"certificate", file}});
  } else {
    log.event(Level::error, "certificate_not_reloaded",
              {{"certificate", file}, {"error", reloaded.error().message}});
  }
  co_return reloaded.has_value();
}

engine::EngineOptions engine_options(const Settings& settings) {
  engine::EngineOptions options;
  options.memory_budget_bytes = settings.memory_budget_bytes;
  options.items_per_job = settings.limit_items_per_job;
  options.queued_items = settings.limit_queued_items;
  options.layout = settings.lake_layout;
  options.stop_grace = kFetchGrace;
  options.retry.max_attempts = settings.theta_retry_attempts;
  options.retry.first_delay = settings.theta_retry_delay;
  options.retry.longest_delay = std::max(options.retry.longest_delay, settings.theta_retry_delay);
  return options;
}

void log_bucket(const sinks::S3Store& store, Log& log) {
  const auto& found = store.opening();
  log.event(Level::info, "bucket_opened",
            {{"lake", store.name()},
             {"publishes_conditionally", found.publishes_conditionally ? "true" : "false"},
             {"ended_uploads", fmt::format("{}", found.ended_uploads)}});
  if (found.trouble.empty()) return;
  log.event(Level::warning, "bucket_uploads_unknown",
            {{"lake", store.name()}, {"error", found.trouble}});
}

// A bucket's requests may go on while those may who wait for them; one that nobody answers must not
// hold up the end.
Task<void> end_lake_requests(Runtime& runtime, std::chrono::milliseconds grace,
                             std::stop_source lake, std::stop_token nevermind) {
  const bool time_is_up = co_await sleep_for(runtime, grace, nevermind);
  if (time_is_up) lake.request_stop();
}

// What lives as long as the server does, opened in this order.
struct Parts {
  std::unique_ptr<Metrics> metrics;
  std::unique_ptr<net::HttpClient> client;
  std::unique_ptr<ObjectStore> lake;
  std::unique_ptr<JobStore> jobs;
};

void say_slots_at_scrapes(Metrics& metrics, std::string_view upstream, net::Limiter& limiter) {
  const auto say = [&](std::string_view state, std::size_t (net::Limiter::*count)() const) {
    metrics.when_scraped(Metric::upstream_slots, {upstream, state},
                         [&limiter, count] { return static_cast<double>((limiter.*count)()); });
  };
  say("limit", &net::Limiter::limit);
  say("allowed", &net::Limiter::allowed);
  say("in_use", &net::Limiter::in_use);
  say("waiting", &net::Limiter::waiting);
}

struct Command {
  Outside outside;
  bool insecure_listen = false;
  bool migrate = false;
  bool only_set = false;
  bool json = false;
};

// "a, b"
std::string listed(const std::vector<std::string>& names) {
  return fmt::format("{}", fmt::join(names, ", "));
}

void warn(Log& log, const ServerSettings& read) {
  for (const auto& warning : read.loaded.warnings)
    log.event(Level::warning, "setting_unused", {{"message", warning}});
  for (const auto& warning : read.warnings)
    log.event(Level::warning, "tokens_exposed", {{"message", warning}});
}

// What SIGHUP does: reads all of it again, and takes up what can change while it runs. What is
// wrong changes nothing. `https`: the server, when it speaks TLS.
// Gives whether nothing was wrong.
Task<bool> reload(net::AsioRuntime& runtime, Command command, ServerSettings& running,
                  server::Guard& guard, server::Api& api, net::HttpServer* https, LevelLog& log) {
  // The files are what changes here, not the settings that name them.
  bool is_good = true;
  if (https != nullptr)
    is_good = co_await reload_certificate(*https, log, running.loaded.settings.tls_cert);
  const bool is_insecure_allowed = command.insecure_listen;
  auto read = [command = std::move(command)] {
    return load_server_settings(command.outside, command.insecure_listen);
  };
  auto after = co_await run_blocking(runtime, Pool::io, std::move(read));
  if (after) {
    auto checked = check_exposure(running.loaded.settings, after->rules, is_insecure_allowed);
    if (!checked) after = std::unexpected(std::move(checked).error());
  }
  if (!after) {
    log.event(Level::error, "settings_rejected", {{"error", after.error().message}});
    co_return false;
  }
  const auto changes = changes_of(running, *after);
  const auto level_before = running.loaded.settings.log_level;
  warn(log, *after);
  take_up(running, *std::move(after));
  const auto& settings = running.loaded.settings;
  guard.set_rules(running.rules);
  api.set_rollout(settings.rollout);
  // Under the talkative one of both levels, so that it is seen whichever way that went.
  log.set_level(std::min(level_before, settings.log_level));
  log.event(Level::info, "settings_reloaded", {{"changed", listed(changes.taken_up)}});
  log.set_level(settings.log_level);
  if (!changes.need_restart.empty()) {
    log.event(Level::warning, "settings_need_restart",
              {{"settings", listed(changes.need_restart)}});
  }
  co_return is_good;
}

// Serves until a stop is asked for; an error says why it could not begin.
Task<Result<void>> serve_until_stop(net::AsioRuntime& runtime, Command command,
                                    ServerSettings& running, Parts& parts, LevelLog& log,
                                    StopRequest& stop) {
  const auto settings = running.loaded.settings;
  std::stop_source lake_stop, lake_readers_stop;
  if (!parts.lake) {
    const std::stop_callback while_opening(stop.token(),
                                           [&lake_stop] { lake_stop.request_stop(); });
    auto lake = co_await open_bucket(runtime, *parts.client, settings, lake_stop.get_token(),
                                     lake_readers_stop.get_token());
    if (!lake) co_return std::unexpected(std::move(lake).error());
    log_bucket(**lake, log);
    parts.lake = make_metered_lake(*std::move(lake), runtime, *parts.metrics, "s3");
  }
  net::Limiter limiter(runtime, settings.theta_concurrency);
  const std::string theta(upstream_of(Kind::option)), nasdaq(upstream_of(Kind::earnings));
  say_slots_at_scrapes(*parts.metrics, theta, limiter);
  const auto terminal =
      sources::make_thetadata_source(*parts.client, limiter, theta_options(settings));
  const auto terminal_source = make_metered_source(*terminal, runtime, *parts.metrics, theta);
  net::Limiter nasdaq_limiter(runtime, kNasdaqConcurrency);
  say_slots_at_scrapes(*parts.metrics, nasdaq, nasdaq_limiter);
  const auto calendar = sources::make_nasdaq_source(
      runtime, *parts.client, nasdaq_limiter, {.base_url = settings.nasdaq_base_url, .pace = {}});
  const auto calendar_source = make_metered_source(*calendar, runtime, *parts.metrics, nasdaq);
  engine::DataProcessingService service({.runtime = runtime,
                                         .jobs = *parts.jobs,
                                         .lake = *parts.lake,
                                         .upstreams = {{theta, *terminal_source, limiter},
                                                       {nasdaq, *calendar_source, nasdaq_limiter}},
                                         .log = log,
                                         .metrics = *parts.metrics},
                                        engine_options(settings));
  engine::LakeService lake({.runtime = runtime,
                            .jobs = *parts.jobs,
                            .lake = *parts.lake,
                            .service = service,
                            .log = log},
                           settings.lake_layout);
  server::Guard guard(
      runtime, log, *parts.metrics,
      {.listen_address = settings.listen_address, .is_tls = !settings.tls_cert.empty()},
      running.rules);
  server::Api api(runtime, service, lake, log, guard,
                  {.version = BETEDGE_VERSION,
                   .existing = settings.force_refresh ? Existing::replace : Existing::keep},
                  *parts.metrics);

  api.set_rollout(settings.rollout);

  net::ServerOptions options;
  options.address = settings.listen_address;
  options.port = settings.listen_port;
  options.max_connections = most_connections();
  if (!settings.tls_cert.empty()) {
    options.tls = net::TlsFiles{.certificate = settings.tls_cert, .key = settings.tls_key};
    options.handshake_failed = [&log](std::string peer, std::string reason) {
      log.event(Level::info, "handshake_failed",
                {{"peer", std::move(peer)}, {"error", std::move(reason)}});
    };
  }
  const bool is_tls = options.tls.has_value();
  options.max_body_bytes = settings.limit_body_bytes;
  options.refusal = [&metrics = *parts.metrics](int status, std::string reason) {
    metrics.counter(Metric::http_refused_requests, {fmt::format("{}", status)}).add();
    return server::Api::refusal(status, reason);
  };
  // Bound before anything is taken up, so that a taken port leaves no trace in the jobs.
  auto http = net::make_http_server(
      runtime, std::move(options),
      [&api](net::ServerRequest request) { return api.handle(std::move(request)); });
  if (!http && http.error().code != ErrorCode::conflict) {
    co_return std::unexpected(std::move(http).error());
  }
  if (!http) {
    co_return fail_while(fmt::format("cannot listen on {} (choose another with --listen)",
                                     address_of(settings, settings.listen_port)),
                         std::move(http).error());
  }
  auto started = co_await service.start();
  if (!started) {
    co_await (*http)->stop(std::chrono::milliseconds{0});
    co_await service.close();
    co_return fail_while("cannot take up the jobs", std::move(started).error());
  }
  api.open();

  const auto address = address_of(settings, (*http)->port());
  log.event(Level::info, "service_started",
            {{"version", BETEDGE_VERSION},
             {"listen", address},
             {"lake", parts.lake->name()},
             {"store", settings.store_url}});
  fmt::print("betedge {} listening on {}://{}\n", BETEDGE_VERSION, is_tls ? "https" : "http",
             address);
  std::fflush(stdout);

  auto& was_reloaded = parts.metrics->gauge(Metric::config_last_reload_successful);
  was_reloaded.set(1);
  while (co_await stop.wait() == StopRequest::Asked::reload) {
    const bool is_good =
        co_await reload(runtime, command, running, guard, api, is_tls ? http->get() : nullptr, log);
    was_reloaded.set(is_good ? 1 : 0);
  }
  log.event(Level::info, "service_stopping", {{"signal", stop.signal_name()}});
  api.drain();
  TaskScope ending(runtime);
  ending.spawn(end_lake_requests(runtime, kDrainGrace, lake_readers_stop, ending.stop_token()));
  co_await (*http)->stop(kDrainGrace);
  co_await api.close();
  ending.spawn(end_lake_requests(runtime, kLakeGrace, lake_stop, ending.stop_token()));
  co_await service.close();
  co_await ending.close();
  log.event(Level::info, "service_stopped", {});
  co_return Result<void>{};
}

Task<void> run_server(net::AsioRuntime& runtime, Command command, ServerSettings& running,
                      Parts& parts, LevelLog& log, StopRequest& stop, Result<void>& outcome) {
  outcome = co_await serve_until_stop(runtime, std::move(command), running, parts, log, stop);
}

// Where space is measured: a lake or a store that is no file of this machine is not.
std::map<std::string, std::filesystem::path> disks_of(const Settings& settings) {
  std::map<std::string, std::filesystem::path> disks;
  if (!is_bucket(settings)) disks.emplace("lake", settings.lake_url);
  if (settings.store_url != ":memory:")
    disks.emplace("store", std::filesystem::absolute(settings.store_url).parent_path());
  return disks;
}

Result<void> open_parts(net::AsioRuntime& runtime, const Settings& settings, Parts& parts) {
  parts.metrics = make_metrics(runtime, BETEDGE_VERSION, disks_of(settings));
  if (!is_bucket(settings)) {
    BETEDGE_TRY(auto lake, open_folder(runtime, settings));
    parts.lake = make_metered_lake(std::move(lake), runtime, *parts.metrics, "folder");
  }
  auto jobs = jobs::open_sqlite_store(runtime, settings.store_url, *parts.metrics);
  if (!jobs) return fail_while("the job store " + settings.store_url, std::move(jobs).error());
  parts.jobs = *std::move(jobs);
  BETEDGE_TRY(parts.client, net::make_http_client(runtime));
  return {};
}

// Reads the flags; a status when there is nothing more to do.
std::optional<int> read_command(const std::string& name, const std::string& description,
                                const std::vector<std::string>& arguments, Command& command) {
  CLI::App app(description, "betedge " + name);
  command.outside = this_process();
  const Settings defaults;
  for (const auto& setting : setting_table()) {
    // A process's arguments are everybody's to read.
    if (setting.secret) continue;
    const auto key = std::string(setting.name);
    const bool is_switch = setting.rule == kSwitchRule;
    const auto take = [&command, key, is_switch](const std::vector<std::string>& values) {
      const bool bare = values.empty() || values.back().empty();
      command.outside.flags[key] = bare ? (is_switch ? "true" : "") : values.back();
      return true;
    };
    const auto value = setting.show(defaults);
    auto* option = app.add_option(
        flag_name(setting.name), take,
        value.empty() ? std::string(setting.help) : fmt::format("{} [{}]", setting.help, value));
    // Only a switch may stand alone.
    option->expected(is_switch ? 0 : 1, 1);
    option->type_name(is_switch ? "" : "VALUE");
  }
  app.add_option_function<std::string>(
      "--config", [&command](const std::string& file) { command.outside.config_file = file; },
      "the only settings file; else BETEDGE_CONFIG's, else ./betedge.toml over "
      "~/.config/betedge/betedge.toml over /etc/betedge/betedge.toml");
  if (name == "serve") {
    app.add_flag("--insecure-listen", command.insecure_listen,
                 "listen beyond this machine although anyone there may then submit jobs");
  } else {
    app.add_flag("--origin", command.only_set, "only what is set somewhere, with where it was set");
    app.add_flag("--json", command.json, "an object a setting: name, value, origin");
    app.add_flag("--migrate", command.migrate,
                 "instead: write a settings file to begin a migration from the Python original "
                 "with, in which nobody is async yet (docs/migration.md)");
  }
  app.footer(
      "Nothing has to be set. Each setting can also stand in betedge.toml under its name, or in "
      "the\n"
      "environment as BETEDGE_ and its name; `betedge config` shows all of them and where they "
      "came "
      "from.");
  return read_arguments(app, arguments);
}

// The settings that a migration begins with. A file that is there is never written over: what it
// lacks is said, for a person to add.
constexpr std::string_view kMigration =
    "# The start of a migration from the Python service (docs/migration.md): every submission is\n"
    "# held until its job has ended, as there. SIGHUP takes changes up.\n"
    "[async]\n"
    "default = false\n"
    "\n"
    "# Prices as the original's files have them, so that the way back to it stays open. Takes a\n"
    "# restart.\n"
    "[lake]\n"
    "price_type = \"float32\"\n";

int write_migration(const Outside& outside, const Result<LoadedSettings>& loaded) {
  auto name = outside.config_file.value_or("betedge.toml");
  const auto variable = outside.environment.find("BETEDGE_CONFIG");
  if (!outside.config_file && variable != outside.environment.end() && !variable->second.empty())
    name = variable->second;
  const auto path = (outside.working_folder / name).string();
  std::FILE* const file = std::fopen(path.c_str(), "wx");
  if (file == nullptr && errno == EEXIST) {
    if (!loaded) return complain(loaded.error().message, 2);
    const auto origin = loaded->origins.find("async.default")->second;
    if (!loaded->settings.rollout.is_async_by_default && origin.starts_with(name + " line"))
      return complain(fmt::format("{} says so already, in {}", name, origin), 0);
    return complain(fmt::format("{} exists and is not written over; add to it: async.default = "
                                "false, and lake.price_type = \"float32\" for a lake that the "
                                "original is to read",
                                name),
                    1);
  }
  if (file == nullptr)
    return complain(
        fmt::format("{} cannot be made: {}", name, std::generic_category().message(errno)), 1);
  const bool is_written =
      std::fwrite(kMigration.data(), 1, kMigration.size(), file) == kMigration.size();
  if (std::fclose(file) != 0 || !is_written)
    return complain(
        fmt::format("{} cannot be written: {}", name, std::generic_category().message(errno)), 1);
  fmt::print("{}:\n{}", name, kMigration);
  return 0;
}

}  // namespace

int serve(const std::vector<std::string>& arguments) {
  Command command;
  if (const auto status = read_command(
          "serve", "Takes requests over HTTP and runs them as jobs, until it is told to stop.",
          arguments, command))
    return *status;
  auto running = load_server_settings(command.outside, command.insecure_listen);
  if (!running) return complain(running.error().message, 2);
  const auto log = make_log(running->loaded.settings.log_level);
  warn(*log, *running);

  columnar::expect_many_objects();
  net::AsioRuntime runtime;
  Parts parts;
  if (auto opened = open_parts(runtime, running->loaded.settings, parts); !opened)
    return complain(opened.error().message, 1);
  StopRequest stop(runtime, Hangup::reloads);
  Result<void> outcome;
  runtime.run(run_server(runtime, std::move(command), *running, parts, *log, stop, outcome));
  // The lake may still use the client.
  parts.jobs.reset();
  parts.lake.reset();
  parts.client.reset();
  if (!outcome && stop.is_asked()) return 0;
  if (!outcome) return complain(outcome.error().message, 1);
  return 0;
}

int show_config(const std::vector<std::string>& arguments) {
  Command command;
  if (const auto status =
          read_command("config", "Shows every setting and where it came from.", arguments, command))
    return *status;
  const auto loaded = load_settings(command.outside);
  if (command.migrate) return write_migration(command.outside, loaded);
  if (!loaded) return complain(loaded.error().message, 2);
  for (const auto& warning : loaded->warnings) complain(warning, 0);
  const auto listing = command.json ? (command.only_set ? Listing::json_of_set : Listing::json)
                                    : (command.only_set ? Listing::set : Listing::all);
  fmt::print("{}", describe(*loaded, listing));
  return 0;
}

}  // namespace betedge::app
