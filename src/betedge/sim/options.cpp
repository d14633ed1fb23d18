#include "betedge/sim/options.hpp"

#include <fmt/format.h>

#include <array>
#include <limits>

#include "betedge/sim/text.hpp"

namespace betedge::sim {

namespace {

constexpr std::array kOptions{
    SimOption{"v3-port", "PORT", "where the v3 protocol listens; 0 takes a free port", "25503"},
    SimOption{"v2-port", "PORT", "where the v2 protocol listens; 0 takes a free port", "25510"},
    SimOption{"control-port", "PORT",
              "one more port for /sim and earnings, also while the terminal is gone", "none"},
    SimOption{"latency", "TIME", "before a data call's first byte: 200ms, 2s", "0ms", false, true},
    SimOption{"bandwidth", "RATE", "of each answer: 15MB/s; 0 is without limit", "0", false, true},
    SimOption{"concurrency", "N", "data calls at once, over both ports", "4", false, true},
    SimOption{"queue", "N", "data calls that wait for that; more are answered 429", "16", false,
              true},
    SimOption{"retry-after", "SECONDS", "what 429 says in Retry-After", "none", false, true},
    SimOption{"starting", "TIME", "how long the terminal answers 571 after each start", "0ms",
              false, true},
    SimOption{"restart-every", "TIME", "how often the terminal is restarted by itself", "never"},
    SimOption{"restart-takes", "TIME", "how long it is gone then, before it starts", "2s", false,
              true},
    SimOption{"too-large", "TICKS", "570 for a call of more rows than that; 0 is never", "0", false,
              true},
    SimOption{"seed", "N", "which market", "1"},
    SimOption{"contracts", "[SYMBOL=]N", "size of a chain, or of all chains: AAPL=200",
              "AAPL 2000, SPY 10000, …", true},
    SimOption{"first-date", "YYYYMMDD", "the market's first day", "20120601"},
    SimOption{"today", "YYYYMMDD", "this day and later ones have no data, and earnings to come",
              "today in New York", false, true},
    SimOption{"replay", "DIR", "serve recorded answers (manifest.json) instead of the market",
              "none"},
    SimOption{"earnings-replay", "DIR", "serve recorded calendar days (2024-07-01.json) instead",
              "none"},
    SimOption{"replay-fallback", "on|off", "the market for what was not recorded, instead of none",
              "off"},
    SimOption{"v2-page-ticks", "N", "rows of a v2 page", "500000", false, true},
    SimOption{"v2-whole-contracts", "on|off", "end a v2 page only between contracts", "off", false,
              true},
    SimOption{"v2-page-header", "on|off", "repeat the CSV header on each v2 page", "on", false,
              true},
    SimOption{"page-expire", "TIME", "how long an unread v2 page is kept when many wait", "10s",
              false, true},
    SimOption{"page-host", "HOST:PORT", "what Next-Page names", "127.0.0.1 and the v2 port", false,
              true},
    SimOption{"crlf", "on|off", "end v3 lines with CR LF", "on", false, true},
    SimOption{"quoted", "on|off", "quote v3 text fields", "off", false, true},
    SimOption{"chain-span", "day|any", "how long a call for all expirations may be", "day", false,
              true},
    SimOption{"cache", "BYTES", "rendered answers kept in memory", "1GiB"},
    SimOption{"fault", "NAME[=ARG][@SCOPE=VALUE,…]", "what goes wrong (docs/simulator.md)", "none",
              true},
};

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

Result<std::uint64_t> with_unit(std::string_view text, std::span<const Unit> units,
                                std::string_view what) {
  const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = parse_number(text.substr(0, digits));
  const auto name = text.substr(digits);
  for (const auto& unit : units) {
    if (number && unit.name == name &&
        *number <= std::numeric_limits<std::int64_t>::max() / unit.factor) {
      return *number * unit.factor;
    }
  }
  return fail(ErrorCode::invalid_request, fmt::format("'{}' is no {}", text, what));
}

Result<std::uint64_t> parse_up_to(std::string_view text, std::uint64_t most,
                                  std::uint64_t least = 0) {
  const auto number = parse_number(text);
  if (number && *number >= least && *number <= most) return *number;
  return fail(ErrorCode::invalid_request,
              fmt::format("'{}' is no number from {} to {}", text, least, most));
}

Result<Date> parse_date(std::string_view text) {
  if (const auto date = parse_yyyymmdd(text)) return *date;
  return fail(ErrorCode::invalid_request, fmt::format("'{}' is no date (YYYYMMDD)", text));
}

Result<void> set_contracts(SimOptions& options, std::string_view text) {
  const auto equals = text.find('=');
  const auto symbol = equals == std::string_view::npos ? "*" : text.substr(0, equals);
  const auto number = equals == std::string_view::npos ? text : text.substr(equals + 1);
  BETEDGE_TRY(const auto count, parse_up_to(number, 200'000, 2));
  options.market.contracts.insert_or_assign(std::string(symbol), static_cast<std::uint32_t>(count));
  return {};
}

Result<void> set_value(SimOptions& options, std::string_view name, std::string_view text) {
  constexpr auto kMost = std::uint64_t{1} << 40;
  if (name == "v3-port" || name == "v2-port" || name == "control-port") {
    BETEDGE_TRY(const auto port, parse_up_to(text, 65'535));
    const auto value = static_cast<std::uint16_t>(port);
    if (name == "v3-port") options.v3_port = value;
    if (name == "v2-port") options.v2_port = value;
    if (name == "control-port") options.control_port = value;
  } else if (name == "latency") {
    BETEDGE_TRY(options.latency, parse_duration(text));
  } else if (name == "bandwidth") {
    BETEDGE_TRY(options.bytes_per_second, parse_bytes(text));
  } else if (name == "concurrency") {
    BETEDGE_TRY(options.concurrency, parse_up_to(text, 4'096, 1));
  } else if (name == "queue") {
    BETEDGE_TRY(options.queue, parse_up_to(text, 1'000'000));
  } else if (name == "retry-after") {
    BETEDGE_TRY(const auto seconds, parse_up_to(text, 3'600));
    options.retry_after = std::chrono::seconds(seconds);
  } else if (name == "starting") {
    BETEDGE_TRY(options.starting, parse_duration(text));
  } else if (name == "restart-every") {
    BETEDGE_TRY(options.restart_every, parse_duration(text));
  } else if (name == "restart-takes") {
    BETEDGE_TRY(options.restart_takes, parse_duration(text));
  } else if (name == "too-large") {
    BETEDGE_TRY(options.too_large, parse_up_to(text, kMost));
  } else if (name == "seed") {
    BETEDGE_TRY(options.market.seed, parse_up_to(text, std::numeric_limits<std::uint64_t>::max()));
  } else if (name == "contracts") {
    return set_contracts(options, text);
  } else if (name == "first-date") {
    BETEDGE_TRY(options.market.first_date, parse_date(text));
  } else if (name == "today") {
    BETEDGE_TRY(options.today, parse_date(text));
  } else if (name == "replay") {
    options.replay = text;
  } else if (name == "earnings-replay") {
    options.earnings_replay = text;
  } else if (name == "replay-fallback") {
    BETEDGE_TRY(options.replay_falls_back, parse_switch(text));
  } else if (name == "v2-page-ticks") {
    BETEDGE_TRY(options.render.page_rows, parse_up_to(text, kMost, 1));
  } else if (name == "v2-whole-contracts") {
    BETEDGE_TRY(options.render.keeps_contracts, parse_switch(text));
  } else if (name == "v2-page-header") {
    BETEDGE_TRY(options.render.repeats_header, parse_switch(text));
  } else if (name == "page-expire") {
    BETEDGE_TRY(options.page_expire, parse_duration(text));
  } else if (name == "page-host") {
    options.page_host = text;
  } else if (name == "crlf") {
    BETEDGE_TRY(options.render.crlf, parse_switch(text));
  } else if (name == "quoted") {
    BETEDGE_TRY(options.render.quotes_text, parse_switch(text));
  } else if (name == "chain-span") {
    if (text != "day" && text != "any") {
      return fail(ErrorCode::invalid_request, fmt::format("'{}' is neither 'day' nor 'any'", text));
    }
    options.chain_spans = text == "any";
  } else if (name == "cache") {
    BETEDGE_TRY(options.cache_bytes, parse_bytes(text));
  } else if (name == "fault") {
    BETEDGE_TRY(auto fault, parse_fault(text));
    options.faults.push_back(std::move(fault));
  } else {
    return fail(ErrorCode::invalid_request, "there is no such option");
  }
  return {};
}

}  // namespace

Result<std::chrono::milliseconds> parse_duration(std::string_view text) {
  constexpr std::array kUnits{Unit{"", 1}, Unit{"ms", 1}, Unit{"s", 1'000}, Unit{"m", 60'000},
                              Unit{"h", 3'600'000}};
  BETEDGE_TRY(const auto ms, with_unit(text, kUnits, "time (200ms, 2s)"));
  return std::chrono::milliseconds(ms);
}

Result<std::uint64_t> parse_bytes(std::string_view text) {
  constexpr std::array kUnits{
      Unit{"", 1},           Unit{"B", 1},         Unit{"KB", 1'000},         Unit{"KiB", 1 << 10},
      Unit{"MB", 1'000'000}, Unit{"MiB", 1 << 20}, Unit{"GB", 1'000'000'000}, Unit{"GiB", 1 << 30}};
  auto amount = text;
  if (amount.ends_with("/s")) amount.remove_suffix(2);
  return with_unit(amount, kUnits, "amount (20MB, 512KiB)");
}

Result<bool> parse_switch(std::string_view text) {
  if (text == "on" || text == "true" || text == "yes") return true;
  if (text == "off" || text == "false" || text == "no") return false;
  return fail(ErrorCode::invalid_request, fmt::format("'{}' is neither 'on' nor 'off'", text));
}

std::span<const SimOption> options() {
  return kOptions;
}

Result<void> set(SimOptions& options, std::string_view name, std::string_view text) {
  auto done = set_value(options, name, text);
  if (!done) return fail_while(fmt::format("--{}", name), std::move(done).error());
  return {};
}

}  // namespace betedge::sim
