#include "betedge/app/doctor.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "betedge/app/command.hpp"
#include "betedge/app/lake.hpp"
#include "betedge/app/load_settings.hpp"
#include "betedge/cli/exit_code.hpp"
#include "betedge/cli/words.hpp"
#include "betedge/net/asio_runtime.hpp"
#include "betedge/net/http_client.hpp"
#include "betedge/sources/thetadata_protocol.hpp"
#include "betedge/wire/json_members.hpp"
#include "betedge/wire/python_json.hpp"

namespace betedge::app {
namespace {

using namespace std::chrono_literals;

using Verdict = Finding::Verdict;
using sources::ThetaVersion;

constexpr std::uint64_t kGigabyte = 1'000'000'000;
constexpr std::size_t kShortAnswer = std::size_t{64} << 10;

std::string gigabytes(std::uint64_t bytes) {
  return fmt::format("{:.1f} GB", static_cast<double>(bytes) / kGigabyte);
}

std::string in_words(int error) {
  return std::error_code(error, std::generic_category()).message();
}

struct Answer {
  int status = 0;
  std::string body;
};
Task<Result<Answer>> get(net::HttpClient& http, std::string url,
                         std::chrono::milliseconds patience = 5'000ms) {
  net::HttpRequest request;
  request.url = std::move(url);
  request.connect_timeout = 2'000ms;
  request.idle_timeout = patience;
  BETEDGE_CO_TRY(auto response, co_await http.send(std::move(request), {}));
  Answer answer{.status = response->status(), .body = {}};
  BETEDGE_CO_TRY(answer.body, co_await net::read_all(std::move(response), kShortAnswer));
  co_return answer;
}

// --- lake and store

// The folder that something will be made in: itself, or the nearest that is there.
std::filesystem::path nearest_folder(std::filesystem::path path) {
  std::error_code error;
  path = std::filesystem::absolute(path, error);
  while (!std::filesystem::is_directory(path, error) && path.has_relative_path())
    path = path.parent_path();
  return path;
}

// Writes a file beside the lake's own unfinished ones, reads it back, publishes it as an object is
// published (a link fails when the name is taken), and removes all of it. An errno, 0 for well.
int try_folder(const std::filesystem::path& lake) {
  std::error_code error;
  const bool was_there = std::filesystem::is_directory(lake, error);
  const auto folder = was_there ? lake : nearest_folder(lake);
  const auto name = fmt::format(".betedge-doctor-{}", ::getpid());
  const auto written = folder / name;
  const auto published = folder / (name + "-published");
  const std::string_view text = "betedge doctor\n";
  const auto attempt = [&]() -> int {
    const int file = ::open(written.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    if (file < 0) return errno;
    const auto sent = ::write(file, text.data(), text.size());
    int failed = sent == static_cast<ssize_t>(text.size()) ? 0 : (sent < 0 ? errno : ENOSPC);
    if (failed == 0 && ::fsync(file) != 0) failed = errno;
    ::close(file);
    if (failed != 0) return failed;
    std::ifstream back(written);
    if (std::string(std::istreambuf_iterator<char>(back), {}) != text) return EIO;
    if (::link(written.c_str(), published.c_str()) != 0) return errno;
    // A second one must not replace it.
    return ::link(written.c_str(), published.c_str()) == 0 ? EIO : 0;
  };
  const int failed = attempt();
  std::filesystem::remove(written, error);
  std::filesystem::remove(published, error);
  return failed;
}

Task<Finding> look_at_lake(Runtime& runtime, net::HttpClient& http, const Settings& settings) {
  Finding finding{.check = "lake", .found = {}};
  if (is_bucket(settings)) {
    const auto bucket = co_await open_bucket(runtime, http, settings, {});
    if (!bucket) {
      finding.verdict = Verdict::bad;
      finding.found = bucket.error().message;
      finding.remedy =
          "check s3.endpoint, s3.access_key, s3.secret_key and s3.region; docs/s3.md "
          "says what the keys must be allowed";
    } else if (!(*bucket)->publishes_conditionally()) {
      finding.verdict = Verdict::doubtful;
      finding.found =
          fmt::format("{} can be written and read, without conditional writes", (*bucket)->name());
      finding.remedy =
          "let one server alone write into it, or use an S3 server that looks at "
          "If-None-Match";
    } else {
      finding.found =
          fmt::format("{} can be written and read, with conditional writes", (*bucket)->name());
    }
    co_return finding;
  }
  if (const int error = try_folder(settings.lake_url); error != 0) {
    finding.verdict = Verdict::bad;
    finding.found = fmt::format("{} cannot be written: {}", settings.lake_url, in_words(error));
    finding.remedy = error == ENOSPC
                         ? "make room on its disk, or put the lake elsewhere with --lake"
                         : "give this user the right to write there, or put the lake "
                           "elsewhere with --lake or BETEDGE_LAKE";
    co_return finding;
  }
  std::error_code error;
  finding.found = fmt::format(
      "{} can be {}", settings.lake_url,
      std::filesystem::is_directory(settings.lake_url, error) ? "written and read" : "made");
  co_return finding;
}

Finding look_at_store(const Settings& settings) {
  Finding finding{.check = "store", .found = {}};
  if (settings.store_url == ":memory:") {
    finding.verdict = Verdict::doubtful;
    finding.found = "jobs are kept in memory alone: a restart forgets them";
    finding.remedy = "name a file with --store or BETEDGE_STORE";
    return finding;
  }
  std::error_code error;
  const std::filesystem::path file(settings.store_url);
  if (!std::filesystem::exists(file, error)) {
    const auto folder = nearest_folder(file.parent_path());
    if (::access(folder.c_str(), W_OK) == 0) {
      finding.found = fmt::format("{} can be made", settings.store_url);
      return finding;
    }
    finding.verdict = Verdict::bad;
    finding.found = fmt::format("{} cannot be made: {}", settings.store_url, in_words(errno));
  } else {
    std::ifstream store(file, std::ios::binary);
    std::string head(16, '\0');
    store.read(head.data(), 16);
    const bool is_database = store.gcount() == 0 || head == std::string("SQLite format 3\0", 16);
    if (::access(file.c_str(), R_OK | W_OK) != 0) {
      finding.found = fmt::format("{} cannot be written: {}", settings.store_url, in_words(errno));
    } else if (is_database) {
      finding.found = fmt::format("{} can be read and written", settings.store_url);
      return finding;
    } else {
      finding.found = fmt::format("{} is no job store", settings.store_url);
    }
    finding.verdict = Verdict::bad;
  }
  finding.remedy =
      "give this user the right to write there, or name another file with --store or "
      "BETEDGE_STORE";
  return finding;
}

Finding look_at_disk(const std::string& place) {
  const auto folder = nearest_folder(place);
  struct statvfs disk{};
  if (::statvfs(folder.c_str(), &disk) != 0) return doctor::judge_disk(folder.string(), 0, 0);
  return doctor::judge_disk(folder.string(), std::uint64_t{disk.f_bavail} * disk.f_frsize,
                            std::uint64_t{disk.f_blocks} * disk.f_frsize);
}

// --- network

// Whether a server could listen there: an errno, 0 for yes.
int try_to_bind(const Settings& settings) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const auto port = std::to_string(settings.listen_port);
  if (::getaddrinfo(settings.listen_address.c_str(), port.c_str(), &hints, &found) != 0)
    return EADDRNOTAVAIL;
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> address(found, ::freeaddrinfo);
  const int listener = ::socket(found->ai_family, found->ai_socktype | SOCK_CLOEXEC, 0);
  if (listener < 0) return errno;
  const int on = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const int error = ::bind(listener, found->ai_addr, found->ai_addrlen) == 0 ? 0 : errno;
  ::close(listener);
  return error;
}

Task<Finding> look_at_port(net::HttpClient& http, const Settings& settings) {
  const auto host = settings.listen_address.contains(':')
                        ? fmt::format("[{}]", settings.listen_address)
                        : settings.listen_address;
  const auto address = fmt::format("{}:{}", host, settings.listen_port);
  const int error = settings.listen_port == 0 ? 0 : try_to_bind(settings);
  std::optional<std::string> version;
  if (error == EADDRINUSE) {
    // Who listens on all addresses is asked on loopback.
    const auto there = settings.listen_address == "0.0.0.0"
                           ? fmt::format("127.0.0.1:{}", settings.listen_port)
                           : address;
    if (const auto answer = co_await get(http, fmt::format("http://{}/version", there)))
      if (const auto said = wire::parse_json(answer->body))
        version = wire::text_of(*said, "version");
  }
  co_return doctor::judge_port(address, error, version);
}

// Whether a port of this machine listens on an address beyond loopback, by the kernel's own list
// (proc(5), net/tcp): its third column is the peer, its fourth 0A for a listener.
bool listens_beyond_loopback(std::uint16_t port) {
  for (const auto* const list : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream lines(list);
    std::string number, local, peer, state, rest;
    std::getline(lines, rest);  // the heading
    while (lines >> number >> local >> peer >> state && std::getline(lines, rest)) {
      const auto colon = local.rfind(':');
      if (state != "0A" || colon == std::string::npos) continue;
      if (std::stoul(local.substr(colon + 1), nullptr, 16) != port) continue;
      const auto address = local.substr(0, colon);
      const bool is_loopback =
          address.size() == 8
              ? address.ends_with("7F")
              : address == "00000000000000000000000001000000" ||
                    (address.starts_with("0000000000000000FFFF0000") && address.ends_with("7F"));
      if (!is_loopback) return true;
    }
  }
  return false;
}

// One quote of each contract of an expiration, and of a stock: little to send, and refused like
// every other call of the tier.
Task<std::vector<doctor::Trial>> try_account(net::HttpClient& http, std::string url,
                                             ThetaVersion version) {
  const Date day(std::chrono::year{2024} / 3 / 12);
  Call call{.kind = Kind::option,
            .schema = Schema::quote,
            .root = *Symbol::parse("AAPL"),
            .dates = {day, day},
            .interval = std::chrono::hours(1),
            .window = {.start = std::chrono::hours(10), .end = std::chrono::hours(10)},
            .expiration = Date(std::chrono::year{2024} / 3 / 15)};
  std::vector<doctor::Trial> trials;
  for (const auto kind : {Kind::option, Kind::stock}) {
    call.kind = kind;
    if (kind == Kind::stock) call.expiration.reset();
    const auto target = sources::request_target(call, version, sources::V2Form::csv);
    // Behind a server's own calls the terminal lets it wait.
    const auto answer = co_await get(http, url + target, 30'000ms);
    trials.push_back({.of = kind == Kind::option ? "options" : "stocks",
                      .status = answer ? answer->status : 0,
                      .said = answer ? answer->body : answer.error().message});
  }
  co_return trials;
}

Task<Finding> look_at_terminal(net::HttpClient& http, const Settings& settings) {
  doctor::Terminal best;
  for (const auto version : {ThetaVersion::v3, ThetaVersion::v2}) {
    const bool is_v3 = version == ThetaVersion::v3;
    if (settings.theta_api != ThetaApi::automatic && (settings.theta_api == ThetaApi::v3) != is_v3)
      continue;
    doctor::Terminal found;
    found.version = is_v3 ? "v3" : "v2";
    found.url = !settings.theta_base_url.empty() ? settings.theta_base_url
                : is_v3                          ? "http://127.0.0.1:25503"
                                                 : "http://127.0.0.1:25510";
    const auto answer =
        co_await get(http, found.url + std::string(sources::status_target(version)));
    if (answer) {
      found.is_there = true;
      found.status = answer->status;
      found.said = answer->body;
      if (settings.theta_base_url.empty())
        found.is_exposed = listens_beyond_loopback(is_v3 ? 25503 : 25510);
    } else {
      found.said = answer.error().message;
    }
    if (doctor::is_ready(found)) found.trials = co_await try_account(http, found.url, version);
    if (found.status == 200) co_return doctor::judge_terminal(found);
    if (best.url.empty() || (found.is_there && !best.is_there)) best = std::move(found);
  }
  co_return doctor::judge_terminal(best);
}

Task<void> examine(Runtime& runtime, net::HttpClient& http, const Settings& settings,
                   std::vector<Finding>& findings) {
  findings.push_back(co_await look_at_lake(runtime, http, settings));
  findings.push_back(look_at_store(settings));
  findings.push_back(look_at_disk(is_bucket(settings) ? "/var/tmp" : settings.lake_url));
  findings.push_back(co_await look_at_port(http, settings));
  findings.push_back(co_await look_at_terminal(http, settings));
  struct timex now{};
  findings.push_back(doctor::judge_clock(::adjtimex(&now) != TIME_ERROR));
}

std::string_view word(Verdict verdict) {
  switch (verdict) {
    case Verdict::good: return "ok";
    case Verdict::doubtful: return "warning";
    case Verdict::bad: return "wrong";
  }
  std::unreachable();
}

void print(const Finding& finding, bool json) {
  if (json) {
    fmt::print("{{\"check\":{},\"verdict\":{},\"found\":{},\"remedy\":{}}}\n",
               wire::quoted(finding.check), wire::quoted(word(finding.verdict)),
               wire::quoted(finding.found),
               finding.remedy.empty() ? "null" : wire::quoted(finding.remedy));
    return;
  }
  fmt::print("{:<9} {:<8} {}\n", word(finding.verdict), finding.check, finding.found);
  if (!finding.remedy.empty()) fmt::print("{:<18} → {}\n", "", finding.remedy);
}

}  // namespace

namespace doctor {

bool is_ready(const Terminal& terminal) {
  return terminal.is_there && terminal.status == 200 && terminal.said.contains("CONNECTED") &&
         !terminal.said.contains("DISCONNECTED");
}

Finding judge_terminal(const Terminal& terminal) {
  Finding finding{.check = "terminal", .found = {}};
  if (!terminal.is_there) {
    finding.verdict = Verdict::bad;
    finding.found = fmt::format("nobody answers at {}: {}", terminal.url, terminal.said);
    finding.remedy =
        "start the ThetaData terminal, or betedge sim to try without one; "
        "THETA_BASE_URL says where else it is";
    return finding;
  }
  if (!is_ready(terminal)) {
    finding.verdict = Verdict::bad;
    finding.found = fmt::format("the terminal at {} is not ready: {}", terminal.url,
                                sources::why_not_ready(terminal.status, terminal.said));
    finding.remedy = "wait if it is starting; else look at what it printed, and log it in";
    return finding;
  }
  finding.found = fmt::format("{} at {} is connected", terminal.version, terminal.url);
  const auto doubt = [&](std::string_view found, std::string_view remedy) {
    finding.verdict = Verdict::doubtful;
    finding.found += fmt::format("; {}", found);
    finding.remedy += fmt::format("{}{}", finding.remedy.empty() ? "" : "; ", remedy);
  };
  std::vector<std::string_view> covered;
  for (const auto& trial : terminal.trials) {
    const auto line = trial.said.substr(0, trial.said.find_first_of("\r\n"));
    if (trial.status == 200 || trial.status == 472) {
      covered.push_back(trial.of);
    } else if (trial.status == 403 || trial.status == 471) {
      doubt(fmt::format("quotes and bars of {} are not in the account's tier: {}", trial.of,
                        cli::harmless(line)),
            fmt::format("download {} with schema eod alone, or subscribe to VALUE or above",
                        trial.of));
    } else {
      doubt(fmt::format("whether the account's tier covers {} is not known: {}", trial.of,
                        trial.status == 0 ? trial.said : fmt::format("HTTP {}", trial.status)),
            "ask again");
    }
  }
  if (!covered.empty())
    finding.found += fmt::format("; the account's tier covers quotes and bars of {}",
                                 fmt::join(covered, " and "));
  if (terminal.is_exposed)
    doubt("it listens beyond this machine, where it asks nobody for a password",
          "close its port with a firewall, or let it listen on 127.0.0.1");
  return finding;
}

Finding judge_disk(std::string_view folder, std::uint64_t free_bytes, std::uint64_t all_bytes) {
  Finding finding{.check = "disk",
                  .found = fmt::format("{} of {} are free at {}", gigabytes(free_bytes),
                                       gigabytes(all_bytes), folder)};
  if (free_bytes >= 10 * kGigabyte) return finding;
  finding.verdict = free_bytes >= kGigabyte ? Verdict::doubtful : Verdict::bad;
  finding.remedy =
      "make room, or put the lake on a larger disk with --lake; betedge plan says how "
      "much a download takes";
  return finding;
}

Finding judge_clock(bool is_synchronised) {
  if (is_synchronised) return {.check = "clock", .found = "kept by a time server"};
  return {.check = "clock",
          .verdict = Verdict::doubtful,
          .found = "not known to be kept by a time server; which session has ended is told by it",
          .remedy = "timedatectl set-ntp true, or another keeper of the time"};
}

Finding judge_port(std::string_view address, int error, const std::optional<std::string>& server) {
  Finding finding{.check = "port", .found = {}};
  if (error == 0) {
    finding.found = fmt::format("{} is free to listen on", address);
  } else if (error == EADDRINUSE && server) {
    finding.found = fmt::format("betedge {} listens on {}", *server, address);
  } else {
    finding.verdict = Verdict::bad;
    finding.found =
        error == EADDRINUSE
            ? fmt::format("another program, or betedge behind TLS, listens on {}", address)
            : fmt::format("{} cannot be listened on: {}", address, in_words(error));
    finding.remedy = "choose another with --listen or BETEDGE_LISTEN, such as 127.0.0.1:8001";
  }
  return finding;
}

}  // namespace doctor

int run_doctor(const std::vector<std::string>& arguments) {
  CLI::App app("Looks for what could keep betedge from working, and says what to do about it.",
               "betedge doctor");
  bool json = false;
  app.add_flag("--json", json, "One JSON object a check, for scripts");
  if (const auto status = read_arguments(app, arguments)) return *status;

  const auto loaded = load_settings(this_process());
  if (!loaded) {
    print({.check = "settings",
           .verdict = Verdict::bad,
           .found = loaded.error().message,
           .remedy = "correct it, or take it out; betedge config shows every setting"},
          json);
    return cli::kPartial;
  }
  std::vector<Finding> findings;
  Finding settings{.check = "settings", .found = "they can be read"};
  if (!loaded->warnings.empty()) {
    settings.verdict = Verdict::doubtful;
    settings.found = fmt::format("{}", fmt::join(loaded->warnings, "; "));
    settings.remedy = "take it out where it is set";
  }
  findings.push_back(std::move(settings));
  net::AsioRuntime runtime(1, 1);
  const auto http = net::make_http_client(runtime);
  if (!http) return complain(http.error().message, cli::kFailed);
  runtime.run(examine(runtime, **http, loaded->settings, findings));
  bool is_bad = false;
  for (const auto& finding : findings) {
    print(finding, json);
    is_bad = is_bad || finding.verdict == Verdict::bad;
  }
  return is_bad ? cli::kPartial : cli::kOk;
}

}  // namespace betedge::app
