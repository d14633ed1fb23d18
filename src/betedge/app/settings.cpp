#include "betedge/app/settings.hpp"

#include <arpa/inet.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <toml++/toml.h>

extern char** environ;

namespace betedge::app {
namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return result;
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const auto first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

template <class Number>
std::optional<Number> read_number(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// The original reads only true, 1 and yes as true, and anything else as false; a typing error is
// worth a sentence, so what is neither is refused.
std::optional<bool> read_bool(std::string_view text) {
  const auto word = lower(text);
  if (word == "true" || word == "1" || word == "yes" || word == "on") return true;
  if (word == "false" || word == "0" || word == "no" || word == "off") return false;
  return std::nullopt;
}

bool read_bool_into(bool& value, std::string_view text) {
  const auto read = read_bool(text);
  if (read) value = *read;
  return read.has_value();
}

// "90", "1.5" (seconds), "500ms", "90s", "2m"
std::optional<std::chrono::milliseconds> read_duration(std::string_view text) {
  const auto unit_at = text.find_first_not_of("0123456789.");
  const auto number = read_number<double>(text.substr(0, unit_at));
  if (!number) return std::nullopt;
  const auto unit = unit_at == std::string_view::npos ? "s" : trim(text.substr(unit_at));
  const double milliseconds = unit == "ms"  ? *number
                              : unit == "s" ? *number * 1e3
                              : unit == "m" ? *number * 6e4
                                            : -1.0;
  if (milliseconds < 0.0 || milliseconds > 8.64e7) return std::nullopt;
  return std::chrono::milliseconds(static_cast<std::int64_t>(milliseconds));
}

std::string show_duration(std::chrono::milliseconds duration) {
  return duration.count() % 1000 == 0 ? fmt::format("{}s", duration.count() / 1000)
                                      : fmt::format("{}ms", duration.count());
}

// "536870912", "512MiB", "1GiB", "500 MB"
std::optional<std::size_t> read_size(std::string_view text) {
  const auto unit_at = text.find_first_not_of("0123456789");
  const auto number = read_number<std::size_t>(text.substr(0, unit_at));
  if (!number) return std::nullopt;
  const auto unit = unit_at == std::string_view::npos ? "b" : lower(trim(text.substr(unit_at)));
  const std::size_t factor = unit == "b"                    ? 1
                             : unit == "kib"                ? std::size_t{1} << 10
                             : unit == "mib" || unit == "m" ? std::size_t{1} << 20
                             : unit == "gib" || unit == "g" ? std::size_t{1} << 30
                             : unit == "kb"                 ? 1'000
                             : unit == "mb"                 ? 1'000'000
                             : unit == "gb"                 ? 1'000'000'000
                                                            : 0;
  if (factor == 0 || *number > (std::size_t{1} << 50) / factor) return std::nullopt;
  return *number * factor;
}

std::string show_size(std::size_t bytes) {
  return bytes % (std::size_t{1} << 20) == 0 ? fmt::format("{}MiB", bytes >> 20)
                                             : fmt::format("{}", bytes);
}

// "127.0.0.1:8000", "[::1]:8000", "localhost:8000"
bool read_listen(Settings& settings, std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return false;
  auto host = std::string(text.substr(0, colon));
  const auto port = read_number<std::uint16_t>(text.substr(colon + 1));
  if (!port) return false;
  if (host == "localhost") host = "127.0.0.1";
  in_addr four{};
  in6_addr six{};
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    if (inet_pton(AF_INET6, host.c_str(), &six) != 1) return false;
  } else if (inet_pton(AF_INET, host.c_str(), &four) != 1) {
    return false;
  }
  settings.listen_address = std::move(host);
  settings.listen_port = *port;
  return true;
}

std::string show_listen(const Settings& settings) {
  const bool six = settings.listen_address.contains(':');
  return fmt::format("{}{}{}:{}", six ? "[" : "", settings.listen_address, six ? "]" : "",
                     settings.listen_port);
}

bool read_store(Settings& settings, std::string_view text) {
  if (text.empty() || (text.contains("://") && !text.starts_with("sqlite://"))) return false;
  if (text.starts_with("sqlite://")) text.remove_prefix(9);
  settings.store_url = text;
  return !text.empty();
}

bool read_lake(Settings& settings, std::string_view text) {
  if (text.starts_with("file://")) text.remove_prefix(7);
  if (text.starts_with("s3://") ? text.size() == 5 || text[5] == '/' : text.contains("://"))
    return false;
  settings.lake_url = text;
  return !text.empty();
}

// The base without its "/v2" or "/v3", which theta.api decides.
bool read_theta_url(Settings& settings, std::string_view text) {
  if (!text.starts_with("http://") && !text.starts_with("https://")) return false;
  while (text.ends_with('/')) text.remove_suffix(1);
  if (text.ends_with("/v2") || text.ends_with("/v3")) text.remove_suffix(3);
  while (text.ends_with('/')) text.remove_suffix(1);
  if (text == "http:" || text == "https:" || text.contains(' ')) return false;
  settings.theta_base_url = text;
  return true;
}

bool read_nasdaq_url(Settings& settings, std::string_view text) {
  if (!text.starts_with("http://") && !text.starts_with("https://")) return false;
  while (text.ends_with('/')) text.remove_suffix(1);
  if (text == "http:" || text == "https:" || text.contains(' ')) return false;
  settings.nasdaq_base_url = text;
  return true;
}

template <class Choice>
struct Named {
  std::string_view name;
  Choice choice;
};

template <class Choice, std::size_t size>
bool read_choice(Choice& value, const Named<Choice> (&choices)[size], std::string_view text) {
  for (const auto& named : choices) {
    if (named.name != lower(text)) continue;
    value = named.choice;
    return true;
  }
  return false;
}

template <class Choice, std::size_t size>
std::string show_choice(Choice value, const Named<Choice> (&choices)[size]) {
  for (const auto& named : choices)
    if (named.choice == value) return std::string(named.name);
  return {};
}

constexpr Named<ThetaApi> kThetaApis[] = {
    {"auto", ThetaApi::automatic}, {"v3", ThetaApi::v3}, {"v2", ThetaApi::v2}};
constexpr Named<PriceType> kPriceTypes[] = {{"float64", PriceType::float64},
                                            {"float32", PriceType::float32}};
constexpr Named<ColumnStyle> kColumnStyles[] = {{"plain", ColumnStyle::plain},
                                                {"typed", ColumnStyle::typed}};
constexpr Named<V2Format> kV2Formats[] = {{"csv", V2Format::csv}, {"json", V2Format::json}};
// The Python original's names too.
constexpr Named<Level> kLevels[] = {{"debug", Level::debug},     {"info", Level::info},
                                    {"warning", Level::warning}, {"error", Level::error},
                                    {"warn", Level::warning},    {"critical", Level::error}};

bool read_text(std::string& value, std::string_view text) {
  value = text;
  return !text.empty();
}

std::string show_bool(bool value) {
  return value ? "true" : "false";
}

// The parts of "a, b,c", without the spaces around them.
std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto comma = text.find(',');
    parts.push_back(trim(text.substr(0, comma)));
    if (comma == std::string_view::npos) return parts;
    text.remove_prefix(comma + 1);
  }
}

bool is_client_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 &&
         std::ranges::all_of(name, [](char c) { return c >= ' ' && c <= '~' && c != ','; });
}

// "ann=true,bob=false"; of two rules for one name the last counts.
bool read_clients(Settings& settings, std::string_view text) {
  std::map<std::string, bool, std::less<>> clients;
  for (const auto part : split(text)) {
    const auto equals = part.rfind('=');
    if (equals == std::string_view::npos) return false;
    const auto name = trim(part.substr(0, equals));
    const auto is_async = read_bool(trim(part.substr(equals + 1)));
    if (!is_async || !is_client_name(name)) return false;
    clients.insert_or_assign(std::string(name), *is_async);
  }
  settings.rollout.clients = std::move(clients);
  return true;
}

std::string show_clients(const Settings& settings) {
  std::string text;
  for (const auto& [name, is_async] : settings.rollout.clients)
    text += fmt::format("{}{}={}", text.empty() ? "" : ",", name, show_bool(is_async));
  return text;
}

bool read_endpoint(Settings& settings, std::string_view endpoint, std::string_view text) {
  const auto is_async = read_bool(text);
  if (is_async) settings.rollout.endpoints.insert_or_assign(std::string(endpoint), *is_async);
  return is_async.has_value();
}

std::string show_endpoint(const Settings& settings, std::string_view endpoint) {
  const auto found = settings.rollout.endpoints.find(endpoint);
  return found == settings.rollout.endpoints.end() ? std::string{} : show_bool(found->second);
}

// Names as a request's Host has them, without port, scheme and wildcards.
bool read_hosts(Settings& settings, std::string_view text) {
  std::vector<std::string> hosts;
  for (const auto part : split(text)) {
    const bool is_six = part.contains(':');
    in6_addr six{};
    if (is_six && inet_pton(AF_INET6, std::string(part).c_str(), &six) != 1) return false;
    const auto is_letter = [is_six](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
             c == '-' || c == '.' || c == '_' || (is_six && c == ':');
    };
    if (part.empty() || !std::ranges::all_of(part, is_letter)) return false;
    hosts.emplace_back(part);
  }
  settings.allowed_hosts = std::move(hosts);
  return true;
}

template <class Number>
bool read_count(Number& value, std::string_view text, Number least, Number most) {
  const auto number = read_number<Number>(text);
  if (!number || *number < least || *number > most) return false;
  value = *number;
  return true;
}

std::vector<Setting> make_table() {
  std::vector<Setting> table;
  const auto add = [&table](Setting setting) { table.push_back(std::move(setting)); };
  add({.name = "listen",
       .short_names = {},
       .help = "address and port to serve on; port 0 takes a free one",
       .rule = "an IP address and a port, for example 127.0.0.1:8000",
       .read = read_listen,
       .show = show_listen});
  add({.name = "tls.cert",
       .short_names = {},
       .help =
           "PEM file of the certificate to serve https with, and of what leads to its authority",
       .rule = "a file",
       .read = [](Settings& s, std::string_view t) { return read_text(s.tls_cert, t); },
       .show = [](const Settings& s) { return s.tls_cert; }});
  add({.name = "tls.key",
       .short_names = {},
       .help = "PEM file of that certificate's key, without a passphrase",
       .rule = "a file",
       .read = [](Settings& s, std::string_view t) { return read_text(s.tls_key, t); },
       .show = [](const Settings& s) { return s.tls_key; }});
  add({.name = "lake.url",
       .short_names = {"BETEDGE_LAKE"},
       .help = "where the files go: a folder, or s3://bucket/prefix",
       .rule = "a folder or s3://bucket/prefix",
       .read = read_lake,
       .show = [](const Settings& s) { return s.lake_url; }});
  add({.name = "lake.columns",
       .short_names = {},
       .help = "how columns lie: plain, as the Python original's, or typed, with timestamps, days "
               "and decimals",
       .rule = "plain or typed",
       .read =
           [](Settings& s, std::string_view t) {
             return read_choice(s.lake_layout.columns, kColumnStyles, t);
           },
       .show =
           [](const Settings& s) { return show_choice(s.lake_layout.columns, kColumnStyles); }});
  add({.name = "lake.price_type",
       .short_names = {},
       .help = "what prices are written as; float32 for a lake that the Python original reads too",
       .rule = "float64 or float32",
       .read =
           [](Settings& s, std::string_view t) {
             return read_choice(s.lake_layout.price_type, kPriceTypes, t);
           },
       .show =
           [](const Settings& s) { return show_choice(s.lake_layout.price_type, kPriceTypes); }});
  add({.name = "store.url",
       .short_names = {"BETEDGE_STORE"},
       .help = "where the jobs live: a SQLite file, or :memory: to keep nothing",
       .rule = "a SQLite file or :memory:",
       .read = read_store,
       .show = [](const Settings& s) { return s.store_url; }});
  add({.name = "theta.api",
       .short_names = {"THETA_API"},
       .help = "the terminal's protocol; auto asks it",
       .rule = "auto, v3 or v2",
       .read = [](Settings& s,
                  std::string_view t) { return read_choice(s.theta_api, kThetaApis, t); },
       .show = [](const Settings& s) { return show_choice(s.theta_api, kThetaApis); }});
  add({.name = "theta.base_url",
       .short_names = {"THETA_BASE_URL"},
       .help = "where the terminal is, with or without /v2 or /v3; empty: its own ports on this "
               "machine",
       .rule = "an http:// address, for example http://127.0.0.1:25503",
       .read = read_theta_url,
       .show = [](const Settings& s) { return s.theta_base_url; }});
  add({.name = "theta.concurrency",
       .short_names = {"THETA_CONCURRENCY", "THETA_MAX_CONCURRENT_REQUESTS"},
       .help = "calls at once that the account allows",
       .rule = "a whole number from 1 to 64, for example 4",
       .read =
           [](Settings& s, std::string_view t) {
             const auto number = read_number<std::size_t>(t);
             if (!number || *number < 1 || *number > 64) return false;
             s.theta_concurrency = *number;
             return true;
           },
       .show = [](const Settings& s) { return fmt::format("{}", s.theta_concurrency); }});
  add({.name = "theta.timeout",
       .short_names = {"THETA_TIMEOUT"},
       .help = "how long the terminal may send nothing before a call is tried again",
       .rule = "seconds from 1 to 86400, for example 120 (or 2m)",
       .read =
           [](Settings& s, std::string_view t) {
             const auto duration = read_duration(t);
             if (!duration || *duration < std::chrono::seconds{1}) return false;
             s.theta_timeout = *duration;
             return true;
           },
       .show = [](const Settings& s) { return show_duration(s.theta_timeout); }});
  add({.name = "theta.retry_attempts",
       .short_names = {"THETA_RETRY_ATTEMPTS"},
       .help = "attempts in all before an item has failed",
       .rule = "a whole number from 1 to 100, for example 4",
       .read =
           [](Settings& s, std::string_view t) {
             const auto number = read_number<int>(t);
             if (!number || *number < 1 || *number > 100) return false;
             s.theta_retry_attempts = *number;
             return true;
           },
       .show = [](const Settings& s) { return fmt::format("{}", s.theta_retry_attempts); }});
  add({.name = "theta.retry_delay",
       .short_names = {"THETA_RETRY_DELAY"},
       .help = "the wait before the second attempt; it doubles from there",
       .rule = "seconds from 0 to 86400, for example 0.5 (or 500ms)",
       .read =
           [](Settings& s, std::string_view t) {
             const auto duration = read_duration(t);
             if (duration) s.theta_retry_delay = *duration;
             return duration.has_value();
           },
       .show = [](const Settings& s) { return show_duration(s.theta_retry_delay); }});
  add({.name = "theta.v2_format",
       .short_names = {},
       .help = "what a v2 terminal is asked for",
       .rule = "csv or json",
       .read = [](Settings& s,
                  std::string_view t) { return read_choice(s.theta_v2_format, kV2Formats, t); },
       .show = [](const Settings& s) { return show_choice(s.theta_v2_format, kV2Formats); }});
  add({.name = "nasdaq.base_url",
       .short_names = {"NASDAQ_BASE_URL"},
       .help = "where NASDAQ's earnings calendar is",
       .rule = "an http:// or https:// address, for example https://api.nasdaq.com",
       .read = read_nasdaq_url,
       .show = [](const Settings& s) { return s.nasdaq_base_url; }});
  add({.name = "memory.budget",
       .short_names = {},
       .help = "memory for data on its way, downloaded, decoded and being written",
       .rule = "a size of at least 32MiB, for example 512MiB",
       .read =
           [](Settings& s, std::string_view t) {
             const auto size = read_size(t);
             if (!size || *size < (std::size_t{32} << 20)) return false;
             s.memory_budget_bytes = *size;
             return true;
           },
       .show = [](const Settings& s) { return show_size(s.memory_budget_bytes); }});
  add({.name = "force_refresh",
       .short_names = {"FORCE_REFRESH"},
       .help = "download again what lies in the lake, unless a request says otherwise",
       .rule = kSwitchRule,
       .read = [](Settings& s, std::string_view t) { return read_bool_into(s.force_refresh, t); },
       .show = [](const Settings& s) { return show_bool(s.force_refresh); }});
  add({.name = "log.level",
       .short_names = {"LOG_LEVEL"},
       .help = "the least of what is logged",
       .rule = "debug, info, warning or error",
       .is_live = true,
       .read = [](Settings& s, std::string_view t) { return read_choice(s.log_level, kLevels, t); },
       .show = [](const Settings& s) { return show_choice(s.log_level, kLevels); }});
  add({.name = "s3.endpoint",
       .short_names = {"MINIO_ENDPOINT"},
       .help = "the S3 server; setting it puts the lake there unless lake.url says otherwise",
       .rule = "host:port, for example minio:9000",
       .read =
           [](Settings& s, std::string_view t) {
             // The original takes no scheme; with one, it decides instead of s3.secure.
             while (t.ends_with('/')) t.remove_suffix(1);
             auto host = t;
             if (host.starts_with("http://")) host.remove_prefix(7);
             if (host.starts_with("https://")) host.remove_prefix(8);
             if (host.empty() || host.contains('/') || host.contains(' ')) return false;
             return read_text(s.s3_endpoint, t);
           },
       .show = [](const Settings& s) { return s.s3_endpoint; }});
  add({.name = "s3.access_key",
       .short_names = {"MINIO_ACCESS_KEY"},
       .help = "the S3 server's access key",
       .rule = "a text",
       .read = [](Settings& s, std::string_view t) { return read_text(s.s3_access_key, t); },
       .show = [](const Settings& s) { return s.s3_access_key; }});
  add({.name = "s3.secret_key",
       .short_names = {"MINIO_SECRET_KEY"},
       .help = "the S3 server's secret key",
       .rule = "a text",
       .secret = true,
       .read = [](Settings& s, std::string_view t) { return read_text(s.s3_secret_key, t); },
       .show = [](const Settings& s) { return s.s3_secret_key; }});
  add({.name = "s3.bucket",
       .short_names = {"MINIO_BUCKET"},
       .help = "the bucket when s3.endpoint chooses the lake; made if missing",
       .rule = "a bucket's name",
       .read = [](Settings& s,
                  std::string_view t) { return !t.contains('/') && read_text(s.s3_bucket, t); },
       .show = [](const Settings& s) { return s.s3_bucket; }});
  add({.name = "s3.secure",
       .short_names = {"MINIO_SECURE"},
       .help = "https to the S3 server",
       .rule = kSwitchRule,
       .read = [](Settings& s, std::string_view t) { return read_bool_into(s.s3_secure, t); },
       .show = [](const Settings& s) { return show_bool(s.s3_secure); }});
  add({.name = "s3.region",
       .short_names = {"MINIO_REGION"},
       .help = "the S3 server's region",
       .rule = "a region's name, for example us-east-1",
       .read = [](Settings& s, std::string_view t) { return read_text(s.s3_region, t); },
       .show = [](const Settings& s) { return s.s3_region; }});
  add({.name = "async.default",
       .short_names = {},
       .help = "whether a submission is answered at once with its job, or held until the job ends",
       .rule = kSwitchRule,
       .is_live = true,
       .read = [](Settings& s,
                  std::string_view t) { return read_bool_into(s.rollout.is_async_by_default, t); },
       .show = [](const Settings& s) { return show_bool(s.rollout.is_async_by_default); }});
  add({.name = "async.endpoints.option",
       .short_names = {},
       .help = "the same for POST /historical/option, before async.default",
       .rule = kSwitchRule,
       .is_live = true,
       .read = [](Settings& s, std::string_view t) { return read_endpoint(s, "option", t); },
       .show = [](const Settings& s) { return show_endpoint(s, "option"); }});
  add({.name = "async.endpoints.stock",
       .short_names = {},
       .help = "the same for POST /historical/stock",
       .rule = kSwitchRule,
       .is_live = true,
       .read = [](Settings& s, std::string_view t) { return read_endpoint(s, "stock", t); },
       .show = [](const Settings& s) { return show_endpoint(s, "stock"); }});
  add({.name = "async.endpoints.earnings",
       .short_names = {},
       .help = "the same for POST /earnings",
       .rule = kSwitchRule,
       .is_live = true,
       .read = [](Settings& s, std::string_view t) { return read_endpoint(s, "earnings", t); },
       .show = [](const Settings& s) { return show_endpoint(s, "earnings"); }});
  add({.name = "async.percentage",
       .short_names = {},
       .help = "of the clients without a rule so many are async and the others are not, before "
               "async.endpoints",
       .rule = "a whole number from 0 to 100",
       .is_live = true,
       .read =
           [](Settings& s, std::string_view t) {
             int percentage = 0;
             if (!read_count(percentage, t, 0, 100)) return false;
             s.rollout.percentage = percentage;
             return true;
           },
       .show =
           [](const Settings& s) {
             return s.rollout.percentage ? fmt::format("{}", *s.rollout.percentage) : std::string{};
           }});
  add({.name = "async.clients",
       .short_names = {},
       .help = "rules for clients by name, before async.percentage: ann=true,bob=false",
       .rule = "names of clients, each with true or false: ann=true,bob=false",
       .is_live = true,
       .read = read_clients,
       .show = show_clients});
  add({.name = "sync.enabled",
       .short_names = {},
       .help = "false: nobody is held any more; who would be is answered at once, and told so",
       .rule = kSwitchRule,
       .is_live = true,
       .read = [](Settings& s,
                  std::string_view t) { return read_bool_into(s.rollout.is_sync_enabled, t); },
       .show = [](const Settings& s) { return show_bool(s.rollout.is_sync_enabled); }});
  add({.name = "tokens",
       .short_names = {},
       .help =
           "the file of who may ask, made with betedge token; empty: everybody who can reach it",
       .rule = "a file",
       .is_live = true,
       .read = [](Settings& s, std::string_view t) { return read_text(s.tokens_file, t); },
       .show = [](const Settings& s) { return s.tokens_file; }});
  add({.name = "server.allowed_hosts",
       .short_names = {},
       .help = "names that clients call this server by, beside localhost and its address",
       .rule = "names without port, with commas between: lake.example,betedge",
       .is_live = true,
       .read = read_hosts,
       .show = [](const Settings& s) {
         return fmt::format("{}", fmt::join(s.allowed_hosts, ","));
       }});
  add({.name = "limits.body_bytes",
       .short_names = {},
       .help = "the largest body of a request; a larger one is answered 413",
       .rule = "a size from 1KiB to 64MiB",
       .read =
           [](Settings& s, std::string_view t) {
             const auto size = read_size(t);
             if (!size || *size < 1024 || *size > (std::size_t{64} << 20)) return false;
             s.limit_body_bytes = *size;
             return true;
           },
       .show = [](const Settings& s) { return show_size(s.limit_body_bytes); }});
  add({.name = "limits.items_per_job",
       .short_names = {},
       .help = "the most objects that one request may ask for; more is answered 422",
       .rule = "a whole number from 1 to 10000000",
       .read =
           [](Settings& s, std::string_view t) {
             return read_count<std::size_t>(s.limit_items_per_job, t, 1, 10'000'000);
           },
       .show = [](const Settings& s) { return fmt::format("{}", s.limit_items_per_job); }});
  add({.name = "limits.queued_items",
       .short_names = {},
       .help =
           "the most items of all jobs that have not ended; a request beyond it is answered 429",
       .rule = "a whole number from 1 to 100000000",
       .read =
           [](Settings& s, std::string_view t) {
             return read_count<std::size_t>(s.limit_queued_items, t, 1, 100'000'000);
           },
       .show = [](const Settings& s) { return fmt::format("{}", s.limit_queued_items); }});
  return table;
}

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

struct Raw {
  std::string text;
  std::string origin;
};
using RawValues = std::map<std::string, Raw, std::less<>>;  // by setting

constexpr std::string_view kClients = "async.clients";
// BETEDGE_ASYNC_CLIENTS_ANN=true is a rule for "ann".
constexpr std::string_view kClientPrefix = "BETEDGE_ASYNC_CLIENTS_";

// KEY=VALUE lines; "export " before, quotes around, "#" lines between are all right.
std::map<std::string, std::string, std::less<>> read_dotenv(const std::filesystem::path& path) {
  std::map<std::string, std::string, std::less<>> values;
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

void take_environment(RawValues& values,
                      const std::map<std::string, std::string, std::less<>>& variables,
                      std::string_view where) {
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

Result<void> take_file(RawValues& values, const Outside& outside,
                       const std::map<std::string, std::string, std::less<>>& dotenv) {
  std::optional<std::string> asked = outside.config_file;
  std::string asked_by = "--config";
  for (const auto* variables : {&outside.environment, &dotenv}) {
    const auto found = variables->find("BETEDGE_CONFIG");
    if (asked || found == variables->end() || found->second.empty()) continue;
    asked = found->second;
    asked_by = "BETEDGE_CONFIG";
  }
  const auto name = asked.value_or("betedge.toml");
  const auto path = outside.working_folder / name;
  std::ifstream file(path);
  if (!file) {
    if (!asked) return {};
    return fail(ErrorCode::invalid_request,
                fmt::format("{} names {}, which cannot be read; make that file or name another",
                            asked_by, name));
  }
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

std::string default_folder(const Outside& outside) {
  const auto data = outside.environment.find("XDG_DATA_HOME");
  if (data != outside.environment.end() && data->second.starts_with('/'))
    return (std::filesystem::path(data->second) / "betedge").string();
  if (!outside.home.empty()) return (outside.home / ".local/share/betedge").string();
  // A user without a home (a bare container): beside where the server was started.
  return "betedge-data";
}

}  // namespace

std::span<const Setting> setting_table() {
  static const std::vector<Setting> kTable = make_table();
  return kTable;
}

std::string environment_name(std::string_view setting) {
  std::string name = "BETEDGE_";
  for (const char c : setting)
    name += c == '.' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return name;
}

std::string flag_name(std::string_view setting) {
  if (setting == "lake.url" || setting == "store.url") setting.remove_suffix(4);
  std::string name = "--";
  for (const char c : setting) name += c == '.' || c == '_' ? '-' : c;
  return name;
}

Outside this_process() {
  Outside outside;
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

Result<LoadedSettings> load_settings(const Outside& outside) {
  const auto dotenv = read_dotenv(outside.working_folder / ".env");
  RawValues values;  // the weakest first
  BETEDGE_TRY_VOID(take_file(values, outside, dotenv));
  take_environment(values, dotenv, ".env");
  take_environment(values, outside.environment, "the environment");
  for (const auto& [name, text] : outside.flags) values[name] = {text, flag_name(name)};

  LoadedSettings loaded;
  for (const auto& setting : setting_table()) {
    const auto found = values.find(setting.name);
    if (found == values.end()) {
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

  std::vector<std::string> known(std::begin(kOtherNames), std::end(kOtherNames));
  for (const auto& setting : setting_table()) {
    known.push_back(environment_name(setting.name));
    known.insert(known.end(), setting.short_names.begin(), setting.short_names.end());
  }
  for (const auto* variables : {&dotenv, &outside.environment}) {
    for (const auto& [name, value] : *variables) {
      if (is_one_of(kUnused, name)) {
        loaded.warnings.push_back(
            fmt::format("{} is set and has no use here: the terminal keeps its own account", name));
      } else if (name.starts_with("BETEDGE_") && !name.starts_with(kClientPrefix) &&
                 !is_one_of(known, name)) {
        loaded.warnings.push_back(fmt::format("{} is set and is no setting; did you mean {}?", name,
                                              nearest(name, known)));
      }
    }
  }
  return loaded;
}

std::vector<std::string_view> differences(const Settings& before, const Settings& after) {
  std::vector<std::string_view> names;
  for (const auto& setting : setting_table())
    if (setting.show(before) != setting.show(after)) names.push_back(setting.name);
  return names;
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
