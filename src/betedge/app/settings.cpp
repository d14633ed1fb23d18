#include "betedge/app/settings.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <map>
#include <optional>

#include <fmt/format.h>

#include "betedge/app/setting_values.hpp"

namespace betedge::app {
namespace {

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
  add({.name = "s3.timeout",
       .short_names = {},
       .help =
           "how long the S3 server may send nothing before a request is looked up and tried again",
       .rule = "a time of at least 1s, for example 60s",
       .read =
           [](Settings& s, std::string_view t) {
             const auto duration = read_duration(t);
             if (!duration || *duration < std::chrono::seconds{1}) return false;
             s.s3_timeout = *duration;
             return true;
           },
       .show = [](const Settings& s) { return show_duration(s.s3_timeout); }});
  add({.name = "s3.multipart_above",
       .short_names = {},
       .help = "a larger object is sent to S3 in parts",
       .rule = "a size of at most 5GiB, for example 32MiB",
       .read =
           [](Settings& s, std::string_view t) {
             const auto size = read_size(t);
             if (!size || *size > (std::size_t{5} << 30)) return false;
             s.s3_multipart_above = *size;
             return true;
           },
       .show = [](const Settings& s) { return show_size(s.s3_multipart_above); }});
  add({.name = "s3.part_size",
       .short_names = {},
       .help = "how large such a part is",
       .rule = "a size of 5MiB to 5GiB, for example 16MiB",
       .read =
           [](Settings& s, std::string_view t) {
             const auto size = read_size(t);
             if (!size || *size < (std::size_t{5} << 20) || *size > (std::size_t{5} << 30))
               return false;
             s.s3_part_size = *size;
             return true;
           },
       .show = [](const Settings& s) { return show_size(s.s3_part_size); }});
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

std::vector<std::string_view> differences(const Settings& before, const Settings& after) {
  std::vector<std::string_view> names;
  for (const auto& setting : setting_table())
    if (setting.show(before) != setting.show(after)) names.push_back(setting.name);
  return names;
}

}  // namespace betedge::app
