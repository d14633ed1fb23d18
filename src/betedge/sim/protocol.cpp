#include "betedge/sim/protocol.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "betedge/sim/faults.hpp"
#include "betedge/sim/text.hpp"

namespace betedge::sim {

namespace {

constexpr int kMostDays = 365;  // of any v3 history (THETA.md 1.9)
constexpr int kMostIntradayDays = 31;
constexpr std::uint32_t kDayMs = 86'400'000;

using Text = std::optional<std::string_view>;

// The parameters of one call, and the refusal in the words of its protocol.
class Reader {
 public:
  Reader(const Parameters& parameters, int bad_status)
      : parameters_(parameters), bad_status_(bad_status) {}

  Text find(std::string_view name) const {
    for (const auto& [key, value] : parameters_) {
      if (key == name) return value;
    }
    return std::nullopt;
  }

  std::expected<std::string_view, Refusal> need(std::string_view name) const {
    const auto value = find(name);
    if (!value || value->empty()) return bad(fmt::format("Missing required parameter: {}", name));
    return *value;
  }

  std::unexpected<Refusal> bad(std::string why) const {
    // v2's texts begin with a colon (THETA.md 1.8).
    return std::unexpected(
        Refusal{bad_status_, "text/plain", bad_status_ == 473 ? ":" + why : std::move(why)});
  }
  std::unexpected<Refusal> bad_value(std::string_view name, std::string_view value) const {
    return bad(fmt::format("Invalid {} {}", name, value));
  }

 private:
  const Parameters& parameters_;
  int bad_status_;
};

template <class T>
using OrRefusal = std::expected<T, Refusal>;

// The path's endpoint in the form of "/option/history/eod".
struct Endpoint {
  std::string_view path;
  Kind kind;
  Schema schema;
};
constexpr std::array kV3Endpoints{
    Endpoint{"/v3/option/history/eod", Kind::option, Schema::eod},
    Endpoint{"/v3/option/history/ohlc", Kind::option, Schema::ohlc},
    Endpoint{"/v3/option/history/quote", Kind::option, Schema::quote},
    Endpoint{"/v3/stock/history/eod", Kind::stock, Schema::eod},
    Endpoint{"/v3/stock/history/ohlc", Kind::stock, Schema::ohlc},
    Endpoint{"/v3/stock/history/quote", Kind::stock, Schema::quote},
};
constexpr std::array kV2Endpoints{
    Endpoint{"/v2/bulk_hist/option/eod", Kind::option, Schema::eod},
    Endpoint{"/v2/bulk_hist/option/ohlc", Kind::option, Schema::ohlc},
    Endpoint{"/v2/bulk_hist/option/quote", Kind::option, Schema::quote},
    Endpoint{"/v2/hist/stock/eod", Kind::stock, Schema::eod},
    Endpoint{"/v2/hist/stock/ohlc", Kind::stock, Schema::ohlc},
    Endpoint{"/v2/hist/stock/quote", Kind::stock, Schema::quote},
};

std::optional<std::string> parse_symbol(std::string_view text) {
  const auto symbol = Symbol::parse(text);
  // A terminal knows its symbols in upper case only.
  if (!symbol || symbol->text() != text) return std::nullopt;
  return symbol->text();
}

// "20240112", and "2024-01-12" where dashes are allowed.
std::optional<Date> parse_day(std::string_view text) {
  if (text.size() == 10 && text[4] == '-' && text[7] == '-') {
    return parse_yyyymmdd(std::string(text.substr(0, 4)) + std::string(text.substr(5, 2)) +
                          std::string(text.substr(8, 2)));
  }
  return parse_yyyymmdd(text);
}

// "09:30:00" or "09:30:00.250".
std::optional<std::uint32_t> parse_time(std::string_view text) {
  if (text.size() < 8 || text.size() > 12 || text[2] != ':' || text[5] != ':') return std::nullopt;
  const auto hours = parse_number(text.substr(0, 2));
  const auto minutes = parse_number(text.substr(3, 2));
  const auto seconds = parse_number(text.substr(6, 2));
  std::uint64_t ms = 0;
  if (text.size() > 8) {
    auto fraction = std::string(text.substr(9));
    if (text[8] != '.' || fraction.empty()) return std::nullopt;
    fraction.resize(3, '0');
    const auto parsed = parse_number(fraction);
    if (!parsed) return std::nullopt;
    ms = *parsed;
  }
  if (!hours || !minutes || !seconds || *hours > 23 || *minutes > 59 || *seconds > 59) {
    return std::nullopt;
  }
  return static_cast<std::uint32_t>(((*hours * 60 + *minutes) * 60 + *seconds) * 1'000 + ms);
}

// Dollars, "220.000" or "220", to thousandths.
std::optional<std::uint32_t> parse_dollars(std::string_view text) {
  double dollars = 0;
  const auto* const end = text.data() + text.size();
  const auto [stopped, fault] = std::from_chars(text.data(), end, dollars);
  if (fault != std::errc{} || stopped != end || dollars <= 0 || dollars > 4'000'000)
    return std::nullopt;
  return static_cast<std::uint32_t>(std::lround(dollars * 1'000));
}

struct Interval {
  std::string_view label;
  std::uint32_t ms;  // 0: the terminal serves it, the simulator does not
};
constexpr std::array kV3Intervals{
    Interval{"1m", 60'000},   Interval{"5m", 300'000},    Interval{"10m", 600'000},
    Interval{"15m", 900'000}, Interval{"30m", 1'800'000}, Interval{"1h", 3'600'000},
    Interval{"tick", 0},      Interval{"10ms", 0},        Interval{"100ms", 0},
    Interval{"500ms", 0},     Interval{"1s", 0},          Interval{"5s", 0},
    Interval{"10s", 0},       Interval{"15s", 0},         Interval{"30s", 0},
};

Refusal no_such_page() {
  return {404, "text/html",
          "<html><head><title>Error 404 Not Found</title></head>"
          "<body><h2>HTTP ERROR 404 Not Found</h2></body></html>\n"};
}

// A v2 name on a v3 terminal (THETA.md 1.8); the text as one was recorded.
std::optional<Refusal> deprecated(const Parameters& parameters) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kRenamed{{
      {"root", "symbol"},
      {"exp", "expiration"},
      {"ivl", "interval"},
      {"use_csv", "format"},
      {"rth", "start_time, end_time"},
  }};
  std::string found;
  for (const auto& [name, value] : parameters) {
    for (const auto& [old, now] : kRenamed) {
      if (name == old) found += fmt::format("\t{} -> {}\n", old, now);
    }
  }
  if (found.empty()) return std::nullopt;
  return Refusal{410, "text/plain",
                 fmt::format("{}\nDeprecated query parameters:\n{}Consult API v3 documentation for "
                             "more information: https://docs.thetadata.us/",
                             status_text(410, true), found)};
}

OrRefusal<DateRange> check_range(const Reader& reader, Date first, Date last) {
  if (last < first) return reader.bad("end_date is before start_date");
  return DateRange{first, last};
}

int days_of(const DateRange& range) {
  return static_cast<int>((range.last - range.first).count()) + 1;
}

OrRefusal<DateRange> v3_dates(const Reader& reader, Schema schema) {
  const auto date = schema == Schema::eod ? Text() : reader.find("date");
  if (date) {
    const auto day = parse_day(*date);
    if (!day) return reader.bad_value("date", *date);
    return DateRange{*day, *day};
  }
  std::array<Date, 2> days;
  constexpr std::array<std::string_view, 2> kNames{"start_date", "end_date"};
  for (std::size_t i = 0; i < 2; ++i) {
    BETEDGE_TRY(const auto text, reader.need(kNames[i]));
    const auto day = parse_day(text);
    if (!day) return reader.bad_value(kNames[i], text);
    days[i] = *day;
  }
  return check_range(reader, days[0], days[1]);
}

OrRefusal<void> v3_interval_and_window(const Reader& reader, Query& query) {
  const auto interval = reader.find("interval").value_or("1s");  // the documented default
  const auto* const known = std::ranges::find(kV3Intervals, interval, &Interval::label);
  if (known == kV3Intervals.end()) return reader.bad_value("interval", interval);
  if (known->ms == 0) return reader.bad(fmt::format("Interval {} is not simulated", interval));
  query.interval_ms = known->ms;
  if (const auto text = reader.find("start_time")) {
    const auto time = parse_time(*text);
    if (!time) return reader.bad_value("start_time", *text);
    query.first_ms = *time;
  }
  if (const auto text = reader.find("end_time")) {
    const auto time = parse_time(*text);
    if (!time) return reader.bad_value("end_time", *text);
    query.last_ms = *time;
  }
  if (const auto venue = reader.find("venue"); venue && *venue != "nqb" && *venue != "utp_cta") {
    return reader.bad_value("venue", *venue);
  }
  return {};
}

OrRefusal<void> v3_contracts(const Reader& reader, Query& query) {
  BETEDGE_TRY(const auto expiration, reader.need("expiration"));
  if (expiration != "*") {
    const auto day = parse_day(expiration);
    if (!day) return reader.bad_value("expiration", expiration);
    query.expiration = to_yyyymmdd(*day);
  }
  if (const auto text = reader.find("strike"); text && *text != "*") {
    query.strike = parse_dollars(*text);
    if (!query.strike) return reader.bad_value("strike", *text);
  }
  if (const auto text = reader.find("right"); text && *text != "both") {
    if (*text != "call" && *text != "put" && *text != "C" && *text != "P") {
      return reader.bad_value("right", *text);
    }
    query.right = *text == "call" || *text == "C" ? 'C' : 'P';
  }
  if (const auto text = reader.find("max_dte"); text && query.schema != Schema::ohlc) {
    const auto days = parse_number(*text);
    if (!days || *days > 100'000) return reader.bad_value("max_dte", *text);
    query.max_days_to_expiration = static_cast<std::uint32_t>(*days);
  }
  if (reader.find("strike_range")) return reader.bad("strike_range is not simulated");
  return {};
}

OrRefusal<void> v3_format(const Reader& reader) {
  const auto format = reader.find("format").value_or("csv");
  if (format == "csv") return {};
  if (format == "json" || format == "ndjson" || format == "html") {
    return reader.bad(fmt::format("Format {} is not simulated", format));
  }
  return reader.bad_value("format", format);
}

OrRefusal<DataCall> v3_data(const Endpoint& endpoint, const Parameters& parameters,
                            ProtocolOptions options) {
  const Reader reader(parameters, 400);
  DataCall call;
  auto& query = call.query;
  query.kind = endpoint.kind;
  query.schema = endpoint.schema;
  BETEDGE_TRY(const auto symbol, reader.need("symbol"));
  const auto known = parse_symbol(symbol);
  if (!known) return reader.bad_value("symbol", symbol);
  query.symbol = *known;
  if (query.kind == Kind::option) BETEDGE_TRY_VOID(v3_contracts(reader, query));
  BETEDGE_TRY(query.dates, v3_dates(reader, query.schema));
  if (query.schema != Schema::eod) BETEDGE_TRY_VOID(v3_interval_and_window(reader, query));
  BETEDGE_TRY_VOID(v3_format(reader));

  const auto days = days_of(query.dates);
  if (days > kMostDays) {
    return std::unexpected(Refusal{500, "text/plain", "The date range must not exceed 365 days"});
  }
  if (query.kind == Kind::option && !query.expiration && days > 1 && !options.chain_spans) {
    return reader.bad("Requests for all expirations must be made day by day");
  }
  if (query.schema != Schema::eod && days > kMostIntradayDays) {
    return reader.bad("The date range must not exceed one month");
  }
  return call;
}

OrRefusal<ListCall> v3_list(ListCall::What what, const Parameters& parameters) {
  const Reader reader(parameters, 400);
  BETEDGE_TRY_VOID(v3_format(reader));
  ListCall call{.what = what, .symbol = {}, .expiration = 0, .csv = true};
  if (what == ListCall::What::symbols) return call;
  BETEDGE_TRY(const auto symbol, reader.need("symbol"));
  const auto known = parse_symbol(symbol);
  if (!known) return reader.bad_value("symbol", symbol);
  call.symbol = *known;
  if (what == ListCall::What::strikes) {
    BETEDGE_TRY(const auto expiration, reader.need("expiration"));
    const auto day = parse_day(expiration);
    if (!day) return reader.bad_value("expiration", expiration);
    call.expiration = to_yyyymmdd(*day);
  }
  return call;
}

OrRefusal<bool> v2_switch(const Reader& reader, std::string_view name, bool otherwise) {
  const auto text = reader.find(name);
  if (!text) return otherwise;
  if (*text != "true" && *text != "false") return reader.bad_value(name, *text);
  return *text == "true";
}

OrRefusal<DataCall> v2_data(const Endpoint& endpoint, const Parameters& parameters,
                            ProtocolOptions options) {
  const Reader reader(parameters, 473);
  DataCall call;
  auto& query = call.query;
  query.kind = endpoint.kind;
  query.schema = endpoint.schema;
  BETEDGE_TRY(const auto symbol, reader.need("root"));
  const auto known = parse_symbol(symbol);
  if (!known) return reader.bad_value("root", symbol);
  query.symbol = *known;
  if (query.kind == Kind::option) {
    BETEDGE_TRY(const auto expiration, reader.need("exp"));
    if (expiration != "0") {
      const auto day = parse_yyyymmdd(expiration);
      if (!day) return reader.bad_value("exp", expiration);
      query.expiration = to_yyyymmdd(*day);
    }
  }
  std::array<Date, 2> days;
  constexpr std::array<std::string_view, 2> kNames{"start_date", "end_date"};
  for (std::size_t i = 0; i < 2; ++i) {
    BETEDGE_TRY(const auto text, reader.need(kNames[i]));
    const auto day = parse_yyyymmdd(text);
    if (!day) return reader.bad_value(kNames[i], text);
    days[i] = *day;
  }
  BETEDGE_TRY(query.dates, check_range(reader, days[0], days[1]));
  BETEDGE_TRY(const auto csv, v2_switch(reader, "use_csv", false));
  call.form = csv ? Form::v2_csv : Form::v2_json;
  BETEDGE_TRY(const auto pretty, v2_switch(reader, "pretty_time", false));
  if (pretty) return reader.bad("pretty_time is not simulated");

  if (query.schema != Schema::eod) {
    const auto interval = reader.find("ivl").value_or("0");
    const auto ms = parse_number(interval);
    if (!ms || *ms > kDayMs) return reader.bad_value("ivl", interval);
    if (*ms < 60'000) return reader.bad(fmt::format("Interval {} is not simulated", interval));
    query.interval_ms = static_cast<std::uint32_t>(*ms);
    BETEDGE_TRY(const auto regular, v2_switch(reader, "rth", true));
    query.first_ms = 0;
    query.last_ms = kDayMs - 1;
    for (const auto name : {"start_time", "end_time"}) {
      const auto text = reader.find(name);
      if (!text) continue;
      const auto time = parse_number(*text);
      if (!time || *time >= kDayMs) return reader.bad_value(name, *text);
      (std::string_view(name) == "start_time" ? query.first_ms : query.last_ms) =
          static_cast<std::uint32_t>(*time);
    }
    if (regular) {
      query.first_ms = std::max(query.first_ms, kOpenMs);
      query.last_ms = std::min(query.last_ms, kCloseMs);
    }
    if (const auto venue = reader.find("venue"); venue && *venue != "nqb" && *venue != "utp_cta") {
      return reader.bad_value("venue", *venue);
    }
    if (days_of(query.dates) > kMostIntradayDays) {
      return std::unexpected(Refusal{570, "text/plain", std::string(status_text(570, false))});
    }
  }
  if (query.kind == Kind::option && !query.expiration && days_of(query.dates) > 1 &&
      !options.chain_spans) {
    return reader.bad("Requests with exp=0 must be made day by day");
  }
  return call;
}

OrRefusal<ListCall> v2_list(ListCall::What what, const Parameters& parameters) {
  const Reader reader(parameters, 473);
  BETEDGE_TRY(const auto csv, v2_switch(reader, "use_csv", false));
  ListCall call{.what = what, .symbol = {}, .expiration = 0, .csv = csv};
  if (what == ListCall::What::symbols) return call;
  BETEDGE_TRY(const auto symbol, reader.need("root"));
  const auto known = parse_symbol(symbol);
  if (!known) return reader.bad_value("root", symbol);
  call.symbol = *known;
  if (what == ListCall::What::strikes) {
    BETEDGE_TRY(const auto expiration, reader.need("exp"));
    const auto day = parse_yyyymmdd(expiration);
    if (!day) return reader.bad_value("exp", expiration);
    call.expiration = to_yyyymmdd(*day);
  }
  return call;
}

template <class Call>
ParsedCall either(OrRefusal<Call> call) {
  if (call) return *std::move(call);
  return std::move(call).error();
}

}  // namespace

ParsedCall parse_v3(std::string_view path, const Parameters& parameters, ProtocolOptions options) {
  if (path.starts_with("/v2/"))
    return Refusal{410, "text/plain", std::string(status_text(410, true))};
  if (path == "/v3/terminal/mdds/status" || path == "/v3/terminal/fpss/status") return StatusCall{};
  const auto* const endpoint = std::ranges::find(kV3Endpoints, path, &Endpoint::path);
  const bool is_list = path.starts_with("/v3/option/list/") || path.starts_with("/v3/stock/list/");
  if (endpoint == kV3Endpoints.end() && !is_list) return no_such_page();
  if (auto refusal = deprecated(parameters)) return *std::move(refusal);
  if (endpoint != kV3Endpoints.end()) return either(v3_data(*endpoint, parameters, options));
  using What = ListCall::What;
  if (path == "/v3/option/list/symbols" || path == "/v3/stock/list/symbols") {
    return either(v3_list(What::symbols, parameters));
  }
  if (path == "/v3/option/list/expirations") return either(v3_list(What::expirations, parameters));
  if (path == "/v3/option/list/strikes") return either(v3_list(What::strikes, parameters));
  if (path == "/v3/stock/list/dates/quote" || path == "/v3/stock/list/dates/trade") {
    return either(v3_list(What::dates, parameters));
  }
  return no_such_page();
}

ParsedCall parse_v2(std::string_view path, const Parameters& parameters, ProtocolOptions options) {
  if (path == "/v2/system/mdds/status" || path == "/v2/system/fpss/status") return StatusCall{};
  constexpr std::string_view kPage = "/v2/page/";
  if (path.starts_with(kPage)) {
    if (const auto page = parse_number(path.substr(kPage.size()))) return PageCall{*page};
  }
  const auto* const endpoint = std::ranges::find(kV2Endpoints, path, &Endpoint::path);
  if (endpoint != kV2Endpoints.end()) return either(v2_data(*endpoint, parameters, options));
  using What = ListCall::What;
  if (path == "/v2/list/roots/option" || path == "/v2/list/roots/stock") {
    return either(v2_list(What::symbols, parameters));
  }
  if (path == "/v2/list/expirations") return either(v2_list(What::expirations, parameters));
  if (path == "/v2/list/strikes") return either(v2_list(What::strikes, parameters));
  if (path == "/v2/list/dates/stock/quote" || path == "/v2/list/dates/stock/trade") {
    return either(v2_list(What::dates, parameters));
  }
  return Refusal{404, "text/plain", std::string(status_text(404, false))};
}

std::string canonical_call(std::string_view path, Parameters parameters) {
  std::ranges::sort(parameters);
  auto text = std::string(path);
  char before = '?';
  for (const auto& [name, value] : parameters) {
    text += fmt::format("{}{}={}", before, name, value);
    before = '&';
  }
  return text;
}

}  // namespace betedge::sim
