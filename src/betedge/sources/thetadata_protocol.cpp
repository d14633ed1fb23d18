#include "betedge/sources/thetadata_protocol.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <ranges>
#include <utility>

#include "betedge/sources/answer_text.hpp"

namespace betedge::sources {

namespace {

using std::chrono::milliseconds;

constexpr std::array<std::pair<milliseconds, std::string_view>, 14> kV3Intervals{{
    {milliseconds{10}, "10ms"},
    {milliseconds{100}, "100ms"},
    {milliseconds{500}, "500ms"},
    {milliseconds{1'000}, "1s"},
    {milliseconds{5'000}, "5s"},
    {milliseconds{10'000}, "10s"},
    {milliseconds{15'000}, "15s"},
    {milliseconds{30'000}, "30s"},
    {milliseconds{60'000}, "1m"},
    {milliseconds{300'000}, "5m"},
    {milliseconds{600'000}, "10m"},
    {milliseconds{900'000}, "15m"},
    {milliseconds{1'800'000}, "30m"},
    {milliseconds{3'600'000}, "1h"},
}};

constexpr milliseconds kRegularOpen{34'200'000};
constexpr milliseconds kRegularClose{57'600'000};

// '^' of an index symbol is the only character of ours that a query must not carry as it is.
std::string query_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '^') {
      out += "%5E";
    } else {
      out += c;
    }
  }
  return out;
}

std::string time_of_day(milliseconds since_midnight) {
  const auto ms = since_midnight.count();
  return fmt::format("{:02}:{:02}:{:02}.{:03}", ms / 3'600'000, ms / 60'000 % 60, ms / 1'000 % 60,
                     ms % 1'000);
}

std::string v3_target(const Call& call) {
  auto target = fmt::format("/v3/{}/history/{}?symbol={}", to_text(call.kind), to_text(call.schema),
                            query_text(call.root.text()));
  if (call.kind == Kind::option)
    target += "&expiration=" + (call.expiration ? to_yyyymmdd_text(*call.expiration) : "*");
  const bool is_eod = call.schema == Schema::eod;
  if (!is_eod && call.dates.first == call.dates.last) {
    target += "&date=" + to_yyyymmdd_text(call.dates.first);
  } else {
    target += fmt::format("&start_date={}&end_date={}", to_yyyymmdd_text(call.dates.first),
                          to_yyyymmdd_text(call.dates.last));
  }
  if (!is_eod) {
    target += fmt::format("&interval={}", v3_interval(call.interval).value());
    if (call.window.start) target += "&start_time=" + time_of_day(*call.window.start);
    if (call.window.end) target += "&end_time=" + time_of_day(*call.window.end);
    // The default, nqb, is Nasdaq's own book; history is the consolidated tape's (THETA.md 2.3).
    if (call.kind == Kind::stock) target += "&venue=utp_cta";
  }
  return target + "&format=csv";
}

std::string v2_target(const Call& call, V2Form form) {
  const bool is_option = call.kind == Kind::option;
  auto target = fmt::format("/v2/{}/{}/{}?root={}", is_option ? "bulk_hist" : "hist",
                            to_text(call.kind), to_text(call.schema), query_text(call.root.text()));
  if (is_option) target += "&exp=" + (call.expiration ? to_yyyymmdd_text(*call.expiration) : "0");
  target += fmt::format("&start_date={}&end_date={}", to_yyyymmdd_text(call.dates.first),
                        to_yyyymmdd_text(call.dates.last));
  if (call.schema != Schema::eod) {
    target += fmt::format("&ivl={}", call.interval.count());
    if (call.window.start) target += fmt::format("&start_time={}", call.window.start->count());
    if (call.window.end) target += fmt::format("&end_time={}", call.window.end->count());
    // A v2 terminal keeps to the regular hours unless it is told not to (THETA.md 1.3).
    if (call.window.start.value_or(kRegularOpen) < kRegularOpen ||
        call.window.end.value_or(kRegularClose) > kRegularClose) {
      target += "&rth=false";
    }
    if (!is_option) target += "&venue=utp_cta";
  }
  if (form == V2Form::csv) target += "&use_csv=true";
  return target;
}

// "2024-01-19", "20240119", either in quotes.
std::optional<Date> list_day(std::string_view text) {
  std::string digits;
  for (const char c : text)
    if (c != '-' && c != '"') digits += c;
  return parse_yyyymmdd(digits);
}

std::unexpected<Error> no_expirations(std::string_view why) {
  return fail(ErrorCode::upstream_garbled, fmt::format("the list of expirations {}", why));
}

Result<std::vector<Date>> v3_expirations(std::string_view body) {
  std::vector<Date> found;
  bool is_header = true;
  for (const auto piece : body | std::views::split('\n')) {
    std::string_view line(piece.begin(), piece.end());
    while (line.ends_with('\r') || line.ends_with(' ')) line.remove_suffix(1);
    const auto comma = line.rfind(',');
    const auto last = comma == std::string_view::npos ? std::string_view() : line.substr(comma + 1);
    if (std::exchange(is_header, false)) {
      if (last != "expiration" && last != "\"expiration\"")
        return no_expirations(fmt::format("begins with '{}'", first_line(line)));
      continue;
    }
    if (last.empty()) continue;
    const auto day = list_day(last);
    if (!day) return no_expirations(fmt::format("has the day '{}'", first_line(last)));
    found.push_back(*day);
  }
  if (is_header) return no_expirations("is empty");
  return found;
}

Result<std::vector<Date>> v2_expirations(std::string_view body) {
  const auto list = nlohmann::json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!list.is_object() || !list.contains("response") || !list["response"].is_array())
    return no_expirations("is no JSON with a response");
  std::vector<Date> found;
  for (const auto& number : list["response"]) {
    const auto day = number.is_number_unsigned() ? from_yyyymmdd(number.get<std::uint32_t>())
                                                 : std::optional<Date>();
    if (!day) return no_expirations(fmt::format("has the day {}", first_line(number.dump())));
    found.push_back(*day);
  }
  return found;
}

bool is_none(std::string_view text) {
  return text.empty() || text == "null";
}

}  // namespace

std::optional<std::string_view> v3_interval(milliseconds interval) {
  for (const auto& [length, label] : kV3Intervals) {
    if (length == interval) return label;
  }
  return std::nullopt;
}

std::string_view v3_intervals() {
  return "1m, 5m, 10m, 15m, 30m, 1h";
}

std::string request_target(const Call& call, ThetaVersion version, V2Form form) {
  return version == ThetaVersion::v3 ? v3_target(call) : v2_target(call, form);
}

std::string expirations_target(const Symbol& root, ThetaVersion version) {
  const auto symbol = query_text(root.text());
  return version == ThetaVersion::v3
             ? fmt::format("/v3/option/list/expirations?symbol={}&format=csv", symbol)
             : fmt::format("/v2/list/expirations?root={}", symbol);
}

Result<std::vector<Date>> expirations_of(std::string_view body, ThetaVersion version) {
  BETEDGE_TRY(auto days, version == ThetaVersion::v3 ? v3_expirations(body) : v2_expirations(body));
  std::ranges::sort(days);
  const auto repeated = std::ranges::unique(days);
  days.erase(repeated.begin(), repeated.end());
  return days;
}

std::string_view status_target(ThetaVersion version) {
  return version == ThetaVersion::v3 ? "/v3/terminal/mdds/status" : "/v2/system/mdds/status";
}

std::variant<NoData, Error> meaning_of(int status, std::string_view body,
                                       std::string_view retry_after) {
  const auto words = first_line(body);
  const auto said = words.empty() ? std::string() : ": " + words;
  const auto error = [&](ErrorCode code, std::string_view what) {
    return Error{code, fmt::format("HTTP {} {}{}", status, what, said),
                 retry_after_of(retry_after)};
  };
  switch (status) {
    case 472: return NoData{};
    case 429: return error(ErrorCode::upstream_throttled, "too many requests");
    case 474:
      return error(ErrorCode::upstream_unavailable,
                   "the terminal has lost its connection to ThetaData and tries to get it back");
    case 476:
      return error(
          ErrorCode::upstream_unavailable,
          "the terminal was first used from another address and serves only that one: "
          "restart it, and let everybody call it as 127.0.0.1, literally (THETA_BASE_URL)");
    case 478:
      return error(ErrorCode::upstream_unavailable,
                   "another terminal has logged in with this account: stop that one, or restart "
                   "this one");
    case 571: return error(ErrorCode::upstream_unavailable, "the terminal is starting");
    case 470: return error(ErrorCode::upstream_failed, "general error");
    case 477: return error(ErrorCode::upstream_failed, "page expired; the request starts over");
    case 500: return error(ErrorCode::upstream_failed, "terminal's internal error");
    case 502:
    case 503:
    case 504: return error(ErrorCode::upstream_failed, "gateway error");
    case 572: return error(ErrorCode::upstream_failed, "terminal's uncaught error");
    case 403:
    case 471: return error(ErrorCode::upstream_denied, "not in this account's subscription");
    case 400:
    case 473: return error(ErrorCode::upstream_refused, "bad parameters");
    case 404: return error(ErrorCode::upstream_refused, "unknown to this terminal");
    case 410: return error(ErrorCode::upstream_refused, "is not served by a v3 terminal");
    case 475: return error(ErrorCode::upstream_refused, "terminal could not parse the request");
    case 570: return error(ErrorCode::upstream_too_large, "request too large");
    default:
      return error(status >= 500 ? ErrorCode::upstream_failed : ErrorCode::upstream_refused,
                   "unexpected status");
  }
}

std::string why_not_ready(int status, std::string_view body) {
  if (status == 200) {
    if (body.starts_with("UNVERIFIED")) {
      return "it is not logged in (UNVERIFIED): another terminal has logged in with this account, "
             "or "
             "its own login failed; stop the other one, or restart this one";
    }
    if (body.starts_with("DISCONNECTED")) {
      return "it has lost its connection to ThetaData (DISCONNECTED) and tries to get it back";
    }
    if (body.starts_with("ERROR")) return "it says ERROR: its own log has the reason";
    return fmt::format("it answers '{}' where its status should be: is that the terminal's port?",
                       first_line(body));
  }
  const auto meaning = meaning_of(status, body, {});
  const auto* const error = std::get_if<Error>(&meaning);
  return error != nullptr ? error->message : fmt::format("HTTP {}", status);
}

Result<std::optional<std::string>> page_target(std::optional<std::string_view> next_page) {
  if (!next_page || is_none(*next_page)) return std::nullopt;
  auto target = *next_page;
  if (const auto scheme = target.find("://"); scheme != std::string_view::npos) {
    const auto path = target.find('/', scheme + 3);
    target = path == std::string_view::npos ? std::string_view() : target.substr(path);
  }
  const bool is_page = target.starts_with("/v2/page/") &&
                       std::ranges::all_of(target, [](char c) { return c > 0x20 && c < 0x7f; });
  if (!is_page) {
    return fail(
        ErrorCode::upstream_garbled,
        fmt::format("the terminal names a next page that is none: '{}'", first_line(*next_page)));
  }
  return std::string(target);
}

Result<std::optional<std::string>> next_page_of_json(std::string_view beginning) {
  // The header's only nesting is the array of column names, so its first '}' ends it.
  constexpr std::size_t kLongestHeader = 64 << 10;
  const auto key = beginning.find("\"header\"");
  const auto open = key == std::string_view::npos ? key : beginning.find('{', key);
  const auto close = open == std::string_view::npos ? open : beginning.find('}', open);
  if (close == std::string_view::npos) {
    if (beginning.size() < kLongestHeader) return std::nullopt;
    return fail(ErrorCode::upstream_garbled, "a v2 JSON answer without a header");
  }
  const auto header = nlohmann::json::parse(beginning.substr(open, close - open + 1), nullptr,
                                            /*allow_exceptions=*/false);
  if (!header.is_object()) {
    return fail(ErrorCode::upstream_garbled, "a v2 JSON answer whose header is no JSON object");
  }
  const auto page = header.find("next_page");
  if (page == header.end() || !page->is_string()) return std::string();
  return page->get<std::string>();
}

std::string base_of(std::string_view url) {
  while (url.ends_with('/')) url.remove_suffix(1);
  if (url.ends_with("/v2") || url.ends_with("/v3")) url.remove_suffix(3);
  while (url.ends_with('/')) url.remove_suffix(1);
  return std::string(url);
}

}  // namespace betedge::sources
