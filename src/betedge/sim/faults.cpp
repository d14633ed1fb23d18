#include "betedge/sim/faults.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "betedge/sim/mix.hpp"
#include "betedge/sim/text.hpp"

namespace betedge::sim {

namespace {

struct Entry {
  FaultName name;
  FaultKind kind;
};
constexpr std::array kEntries{
    Entry{{"drop", "", "close the connection without an answer"}, FaultKind::drop},
    Entry{{"hang", "", "never answer"}, FaultKind::hang},
    Entry{{"reset", "BYTES", "reset the connection after so many bytes of the body (half)"},
          FaultKind::reset},
    Entry{{"short", "BYTES", "close it there, short of Content-Length"}, FaultKind::close_early},
    Entry{{"stall", "BYTES", "send nothing more after so many bytes"}, FaultKind::stall},
    Entry{{"slow", "RATE", "trickle (16KiB/s)"}, FaultKind::slow},
    Entry{{"trunc", "", "leave half of the rows away; the framing is honest"}, FaultKind::truncate},
    Entry{{"cut-row", "", "end in the middle of a row; the framing is honest"}, FaultKind::cut_row},
    Entry{{"wrong-header", "", "misname a column that is needed"}, FaultKind::wrong_header},
    Entry{{"columns", "", "CSV: columns in another order, and one nobody knows"},
          FaultKind::columns},
    Entry{{"header-only", "", "the header, and no row"}, FaultKind::header_only},
    Entry{{"empty", "", "200 without a byte"}, FaultKind::empty},
    Entry{{"html", "", "200 with a web page"}, FaultKind::html},
    Entry{{"no-data-200", "", "the text of 472 with status 200"}, FaultKind::no_data_200},
    Entry{{"page-expired", "", "477 instead of a v2 answer's second page"}, FaultKind::status},
    Entry{{"too-large", "", "570"}, FaultKind::status},
    Entry{{"doubled", "apart", "option eod: each contract twice, `created` differing"},
          FaultKind::doubled},
    Entry{{"conflict", "apart", "option eod: twice, the later `created` with other prices"},
          FaultKind::conflict},
    Entry{{"twins", "", "each row twice, byte for byte"}, FaultKind::twins},
    Entry{{"zeros", "YYYYMMDD", "bars of that day (of all) zeros; of a stock quotes too"},
          FaultKind::zeros},
    Entry{{"midnight", "", "v2, intraday: each day's last row is stamped 86400000"},
          FaultKind::midnight},
    Entry{{"scales", "", "every second row's prices with four decimals"}, FaultKind::scales},
    Entry{{"gap", "YYYYMMDD", "leave the rows of that day away (of every Monday)"}, FaultKind::gap},
};
constexpr auto kNames = [] {
  std::array<FaultName, kEntries.size()> names{};
  for (std::size_t i = 0; i < names.size(); ++i) names[i] = kEntries[i].name;
  return names;
}();

constexpr std::array kStatuses{400, 403, 404, 410, 429, 470, 471, 472, 473, 474, 475,
                               476, 477, 478, 500, 502, 503, 504, 570, 571, 572};

std::unexpected<Error> refuse(std::string_view text, std::string_view why) {
  return fail(ErrorCode::invalid_request, fmt::format("fault '{}': {}", text, why));
}

// Without its argument and scope. Dashes do not count, nor does case: a symbol has neither.
std::optional<Fault> named(std::string_view name) {
  Fault fault;
  if (const auto number = parse_number(name)) {
    if (std::ranges::find(kStatuses, static_cast<int>(*number)) == kStatuses.end()) {
      return std::nullopt;
    }
    fault.status = static_cast<int>(*number);
    if (fault.status == 477) fault.page = 2;
    return fault;
  }
  const auto plain = [](std::string_view text) {
    std::string found;
    for (const char c : text) {
      if (c != '-') found += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    return found;
  };
  for (const auto& entry : kEntries) {
    if (plain(entry.name.name) != plain(name)) continue;
    fault.kind = entry.kind;
    if (entry.name.name == "page-expired") {
      fault.status = 477;
      fault.page = 2;
    }
    if (entry.name.name == "too-large") fault.status = 570;
    return fault;
  }
  return std::nullopt;
}

Result<void> set_scope(Fault& fault, std::string_view name, std::string_view value) {
  const auto number = parse_number(value);
  const auto refuse_value = [&] {
    return fail(ErrorCode::invalid_request, fmt::format("'{}' is no value for {}", value, name));
  };
  if (name == "symbol") {
    fault.symbol = value;
  } else if (name == "kind") {
    fault.call_kind = parse_kind(value);
    if (!fault.call_kind) return refuse_value();
  } else if (name == "schema") {
    fault.schema = parse_schema(value);
    if (!fault.schema) return refuse_value();
  } else if (name == "api") {
    if (value != "v2" && value != "v3") return refuse_value();
    fault.api = value == "v2" ? 2 : 3;
  } else if (name == "date") {
    fault.date = parse_yyyymmdd(value);
    if (!fault.date) return refuse_value();
  } else if (name == "for") {
    BETEDGE_TRY(fault.until, parse_duration(value));
  } else if (name == "chance") {
    double chance = 0;
    const auto* const end = value.data() + value.size();
    const auto [stopped, wrong] = std::from_chars(value.data(), end, chance);
    if (wrong != std::errc{} || stopped != end || chance < 0 || chance > 1) return refuse_value();
    fault.chance = chance;
  } else if (name == "first" || name == "every" || name == "after" || name == "page") {
    if (!number || *number == 0) return refuse_value();
    if (name == "first") fault.first = *number;
    if (name == "every") fault.every = *number;
    if (name == "after") fault.after = *number;
    if (name == "page") fault.page = *number;
  } else {
    return fail(ErrorCode::invalid_request, fmt::format("there is no scope '{}'", name));
  }
  return {};
}

bool is_shape(FaultKind kind) {
  return kind == FaultKind::doubled || kind == FaultKind::conflict || kind == FaultKind::twins ||
         kind == FaultKind::zeros || kind == FaultKind::midnight || kind == FaultKind::scales ||
         kind == FaultKind::gap;
}

bool could_meet(const Fault& fault, const CallFacts& facts) {
  return fault.page == facts.page && (!fault.symbol || *fault.symbol == facts.symbol) &&
         (!fault.call_kind || *fault.call_kind == facts.kind) &&
         (!fault.schema || *fault.schema == facts.schema) &&
         (!fault.api || *fault.api == facts.api) &&
         (!fault.date || (facts.dates.first <= *fault.date && *fault.date <= facts.dates.last)) &&
         (fault.until.count() == 0 || facts.since_start < fault.until);
}

}  // namespace

std::span<const FaultName> fault_names() {
  return kNames;
}

Result<Fault> parse_fault(std::string_view text) {
  const auto at = text.find('@');
  const auto what = text.substr(0, at);
  const auto equals = what.find('=');
  auto fault = named(what.substr(0, equals));
  if (!fault) return refuse(text, "there is no fault of that name");
  if (equals != std::string_view::npos) {
    const auto argument = what.substr(equals + 1);
    switch (fault->kind) {
      case FaultKind::status: {
        const auto seconds = parse_number(argument);
        if (fault->status != 429 || !seconds) return refuse(text, "only 429 takes seconds");
        fault->argument = *seconds;
        break;
      }
      case FaultKind::reset:
      case FaultKind::close_early:
      case FaultKind::stall:
      case FaultKind::slow: {
        const auto bytes = parse_bytes(argument);
        if (!bytes || *bytes == 0) return refuse(text, "takes a number of bytes, 1 at least");
        fault->argument = *bytes;
        break;
      }
      case FaultKind::doubled:
      case FaultKind::conflict:
        if (argument != "apart") return refuse(text, "takes 'apart' or nothing");
        fault->apart = true;
        break;
      case FaultKind::zeros:
      case FaultKind::gap: {
        const auto day = parse_yyyymmdd(argument);
        if (!day) return refuse(text, "takes a day as YYYYMMDD, or nothing");
        fault->argument = to_yyyymmdd(*day);
        break;
      }
      case FaultKind::drop:
      case FaultKind::hang:
      case FaultKind::truncate:
      case FaultKind::cut_row:
      case FaultKind::wrong_header:
      case FaultKind::columns:
      case FaultKind::header_only:
      case FaultKind::empty:
      case FaultKind::html:
      case FaultKind::no_data_200:
      case FaultKind::twins:
      case FaultKind::midnight:
      case FaultKind::scales: return refuse(text, "takes no argument");
    }
  }
  auto scopes = at == std::string_view::npos ? std::string_view() : text.substr(at + 1);
  while (!scopes.empty()) {
    const auto end = scopes.find(',');
    const auto scope = scopes.substr(0, end);
    scopes = end == std::string_view::npos ? std::string_view() : scopes.substr(end + 1);
    const auto split = scope.find('=');
    if (split == std::string_view::npos) return refuse(text, "a scope is NAME=VALUE");
    const auto set = set_scope(*fault, scope.substr(0, split), scope.substr(split + 1));
    if (!set) return refuse(text, set.error().message);
  }
  return *fault;
}

std::optional<Fault> fault_of_symbol(std::string_view symbol) {
  if (!symbol.starts_with('X')) return std::nullopt;
  const auto dot = symbol.find('.');
  auto fault = named(symbol.substr(1, dot == std::string_view::npos ? dot : dot - 1));
  if (!fault || dot == std::string_view::npos) return fault;
  const auto first = parse_number(symbol.substr(dot + 1));
  if (!first || *first == 0) return std::nullopt;
  fault->first = *first;
  return fault;
}

std::string_view status_text(int status, bool is_v3) {
  switch (status) {
    case 400: return "Invalid request";
    case 403:
      return "Requesting an option endpoint requiring a value subscription, but you only have a "
             "FREE subscription.";
    case 404: return ":The request path is not implemented.";
    case 410: return "We have upgraded to API v3. Please use API v3 query parameters instead. ";
    case 429: return "Too many requests: the request queue is full.";
    case 470: return ":General error.";
    case 471: return ":Your subscription does not permit this request.";
    case 472:
      return is_v3 ? "No data found for your request"
                   : ":No data for the specified timeframe & contract.";
    case 473: return ":Invalid parameters.";
    case 474:
      return is_v3 ? "Connection lost to Theta Data MDDS." : ":Connection lost to Theta Data MDDS.";
    case 475: return ":The terminal could not parse the request.";
    case 476: return ":The terminal was first used from another address.";
    case 477: return ":No such page.";
    case 478: return ":Invalid session: another terminal has logged in.";
    case 500: return "Internal server error";
    case 502: return "Bad gateway";
    case 503: return "Service unavailable";
    case 504: return "Gateway timeout";
    case 570: return "Request too large: ask for less at once.";
    case 571: return is_v3 ? "The server is starting." : ":The server is starting.";
    case 572: return ":Uncaught error.";
    default: return "";
  }
}

FaultBook::FaultBook(std::vector<Fault> faults, std::uint64_t seed)
    : faults_(std::move(faults)), seed_(seed) {}

void FaultBook::replace(std::vector<Fault> faults) {
  faults_ = std::move(faults);
  forget_counts();
}

void FaultBook::forget_counts() {
  seen_.clear();
  seen_by_key_.clear();
}

bool FaultBook::meets(std::size_t number, const Fault& fault, const CallFacts& facts) {
  if (!could_meet(fault, facts)) return false;
  const auto seen = ++seen_[number];
  const auto seen_by_key = ++seen_by_key_[{number, facts.key}];
  if (seen <= fault.after) return false;
  if (fault.every != 0 && seen % fault.every != 0) return false;
  if (fault.first != 0 && seen_by_key > fault.first) return false;
  return fault.chance >= 1 ||
         unit(mix(mix(mix(seed_, number), facts.key), seen_by_key)) < fault.chance;
}

FaultBook::Chosen FaultBook::choose(const CallFacts& facts) {
  Chosen chosen;
  const auto take = [&](std::size_t number, const Fault& fault) {
    if (!meets(number, fault, facts)) return;
    if (is_shape(fault.kind)) {
      chosen.shapes.push_back(fault);
    } else if (!chosen.exchange) {
      chosen.exchange = fault;
    }
  };
  // The symbol's own comes first, and has a number that no other has.
  if (const auto own = fault_of_symbol(facts.symbol)) take(faults_.size(), *own);
  for (std::size_t i = 0; i < faults_.size(); ++i) take(i, faults_[i]);
  return chosen;
}

}  // namespace betedge::sim
