#include "betedge/app/serve.hpp"

#include <sys/resource.h>

#include <cstdio>
#include <filesystem>
#include <optional>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "betedge/app/command.hpp"
#include "betedge/app/logging.hpp"
#include "betedge/app/settings.hpp"
#include "betedge/app/stop_request.hpp"
#include "betedge/engine/data_processing_service.hpp"
#include "betedge/jobs/sqlite_store.hpp"
#include "betedge/net/asio_runtime.hpp"
#include "betedge/net/http_client.hpp"
#include "betedge/net/http_server.hpp"
#include "betedge/net/limiter.hpp"
#include "betedge/server/api.hpp"
#include "betedge/sinks/local_store.hpp"
#include "betedge/sinks/s3_store.hpp"
#include "betedge/sources/thetadata.hpp"

namespace betedge::app {
namespace {

// Together they keep the promise of ten seconds between SIGTERM and the end.
constexpr std::chrono::milliseconds kDrainGrace{1'000};
constexpr std::chrono::milliseconds kFetchGrace{8'500};

std::string address_of(const Settings& settings, std::uint16_t port) {
  const bool six = settings.listen_address.contains(':');
  return fmt::format("{}{}{}:{}", six ? "[" : "", settings.listen_address, six ? "]" : "", port);
}

bool is_loopback(const std::string& address) {
  return address == "::1" || address.starts_with("127.");
}

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

Task<void> reload_certificate(net::HttpServer& http, Log& log, std::string file) {
  const auto reloaded = co_await http.reload_tls();
  if (reloaded) {
    log.event(Level::info, "certificate_reloaded", {{"certificate", file}});
  } else {
    log.event(Level::error, "certificate_not_reloaded",
              {{"certificate", file}, {"error", reloaded.error().message}});
  }
}

engine::EngineOptions engine_options(const Settings& settings) {
  engine::EngineOptions options;
  options.concurrency = settings.theta_concurrency;
  options.memory_budget_bytes = settings.memory_budget_bytes;
  options.stop_grace = kFetchGrace;
  options.retry.max_attempts = settings.theta_retry_attempts;
  options.retry.first_delay = settings.theta_retry_delay;
  options.retry.longest_delay = std::max(options.retry.longest_delay, settings.theta_retry_delay);
  return options;
}

Task<Result<std::unique_ptr<ObjectStore>>> open_bucket(Runtime& runtime, net::HttpClient& client,
                                                       Settings settings, std::stop_token stop) {
  sinks::S3Settings s3;
  BETEDGE_CO_TRY(s3.location, sinks::parse_s3_url(settings.lake_url));
  s3.endpoint = settings.s3_endpoint;
  s3.secure = settings.s3_secure;
  s3.region = settings.s3_region;
  s3.access_key = settings.s3_access_key;
  s3.secret_key = settings.s3_secret_key;
  BETEDGE_CO_TRY(auto store, co_await sinks::S3Store::open(runtime, client, std::move(s3), stop));
  co_return std::move(store);
}

// What lives as long as the server does, opened in this order.
struct Parts {
  std::unique_ptr<net::HttpClient> client;
  std::unique_ptr<ObjectStore> lake;
  std::unique_ptr<JobStore> jobs;
};

// Serves until a stop is asked for; an error says why it could not begin.
Task<Result<void>> serve_until_stop(net::AsioRuntime& runtime, Settings settings, Parts& parts,
                                    Log& log, StopRequest& stop) {
  if (!parts.lake) {
    auto lake = co_await open_bucket(runtime, *parts.client, settings, stop.token());
    if (!lake) co_return fail_while("the lake " + settings.lake_url, std::move(lake).error());
    parts.lake = *std::move(lake);
  }
  net::Limiter limiter(runtime, settings.theta_concurrency);
  const auto source =
      sources::make_thetadata_source(*parts.client, limiter, theta_options(settings));
  engine::DataProcessingService service(
      {.runtime = runtime, .jobs = *parts.jobs, .lake = *parts.lake, .source = *source, .log = log},
      engine_options(settings));
  server::Api api(runtime, service, log,
                  {.version = BETEDGE_VERSION,
                   .existing = settings.force_refresh ? Existing::replace : Existing::keep});

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
  options.refusal = [](int status, std::string reason) {
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
  TaskScope reloads(runtime);
  if (is_tls) {
    stop.on_hangup([&reloads, &http, &log, file = settings.tls_cert] {
      reloads.spawn(reload_certificate(**http, log, file));
    });
  }
  fmt::print("betedge {} listening on {}://{}\n", BETEDGE_VERSION, is_tls ? "https" : "http",
             address);
  std::fflush(stdout);

  co_await stop.wait();
  stop.on_hangup({});
  log.event(Level::info, "service_stopping", {{"signal", stop.signal_name()}});
  api.drain();
  co_await reloads.close();
  co_await (*http)->stop(kDrainGrace);
  co_await service.close();
  log.event(Level::info, "service_stopped", {});
  co_return Result<void>{};
}

Task<void> run_server(net::AsioRuntime& runtime, const Settings& settings, Parts& parts, Log& log,
                      StopRequest& stop, Result<void>& outcome) {
  outcome = co_await serve_until_stop(runtime, settings, parts, log, stop);
}

Result<void> open_parts(net::AsioRuntime& runtime, const Settings& settings, Parts& parts) {
  if (!settings.lake_url.starts_with("s3://")) {
    auto lake = sinks::LocalStore::open(runtime, settings.lake_url);
    if (!lake) return fail_while("the lake " + settings.lake_url, std::move(lake).error());
    parts.lake = *std::move(lake);
  }
  auto jobs = jobs::open_sqlite_store(runtime, settings.store_url);
  if (!jobs) return fail_while("the job store " + settings.store_url, std::move(jobs).error());
  parts.jobs = *std::move(jobs);
  BETEDGE_TRY(parts.client, net::make_http_client(runtime));
  return {};
}

struct Command {
  Outside outside;
  bool insecure_listen = false;
};

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
      "the settings file; else BETEDGE_CONFIG, else ./betedge.toml");
  app.add_flag("--insecure-listen", command.insecure_listen,
               "listen beyond this machine although anyone there may then submit jobs");
  app.footer(
      "Nothing has to be set. Each setting can also stand in betedge.toml under its name, or in "
      "the\n"
      "environment as BETEDGE_ and its name; `betedge config` shows all of them and where they "
      "came "
      "from.");
  // CLI11 takes the arguments from the back.
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  try {
    app.parse(std::move(reversed));
  } catch (const CLI::CallForHelp&) {
    fmt::print("{}", app.help());
    return 0;
  } catch (const CLI::ParseError& error) {
    return complain(fmt::format("{}; `betedge {} --help` lists what there is", error.what(), name),
                    2);
  }
  return std::nullopt;
}

}  // namespace

int serve(const std::vector<std::string>& arguments) {
  Command command;
  if (const auto status = read_command(
          "serve", "Takes requests over HTTP and runs them as jobs, until it is told to stop.",
          arguments, command))
    return *status;
  const auto loaded = load_settings(command.outside);
  if (!loaded) return complain(loaded.error().message, 2);
  const auto& settings = loaded->settings;
  if (!is_loopback(settings.listen_address) && !command.insecure_listen) {
    return complain(
        fmt::format("will not listen on {}, where others could submit jobs; use --listen "
                    "127.0.0.1:{}, or --insecure-listen if only you can reach it",
                    address_of(settings, settings.listen_port), settings.listen_port),
        2);
  }

  const auto log = make_log(settings.log_level);
  for (const auto& warning : loaded->warnings)
    log->event(Level::warning, "setting_unused", {{"message", warning}});

  net::AsioRuntime runtime;
  Parts parts;
  if (auto opened = open_parts(runtime, settings, parts); !opened)
    return complain(opened.error().message, 1);
  StopRequest stop(runtime);
  Result<void> outcome;
  runtime.run(run_server(runtime, settings, parts, *log, stop, outcome));
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
  if (!loaded) return complain(loaded.error().message, 2);
  for (const auto& warning : loaded->warnings) complain(warning, 0);
  fmt::print("{}", describe(*loaded));
  return 0;
}

}  // namespace betedge::app
