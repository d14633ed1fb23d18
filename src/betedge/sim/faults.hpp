#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "betedge/sim/data.hpp"

namespace betedge::sim {

// What can go wrong with a call, on purpose (THETA.md 1.8, 2.8, 7; docs/simulator.md).
enum class FaultKind : std::uint8_t {
  status,        // answers with a status other than 200, and its text
  drop,          // closes the connection without an answer
  hang,          // never answers
  reset,         // resets the connection in the middle of the body
  close_early,   // closes it there, short of Content-Length
  stall,         // sends nothing more there
  slow,          // trickles
  truncate,      // leaves rows away; the framing is honest
  cut_row,       // ends in the middle of a row; the framing is honest
  wrong_header,  // misnames a column that is needed
  columns,       // CSV: columns in another order, and one more
  header_only,   // the header and no row
  empty,         // 200 and no byte
  html,          // 200 and a web page
  no_data_200,   // the text of 472 with 200
  doubled,       // option eod: each contract twice, but for `created` the same
  twins,         // each row twice, byte for byte
  conflict,      // option eod: each contract twice, later `created` and other prices
  zeros,         // bars all zeros; of a stock every price and size
  midnight,      // v2, intraday: a day's last row is stamped 86400000
  scales,        // every second row's prices with four decimals
  gap,           // a day's rows are not there
};

struct Fault {
  FaultKind kind = FaultKind::status;
  int status = 0;              // of `status`
  std::uint64_t argument = 0;  // bytes, bytes a second, seconds or a day, by kind; 0: its default
  bool apart = false;          // of `doubled` and `conflict`: the second time after the whole list

  // Which calls it meets; what is not said meets all.
  std::optional<std::string> symbol;
  std::optional<Kind> call_kind;
  std::optional<Schema> schema;
  std::optional<int> api;              // 2 or 3
  std::optional<Date> date;            // a day within the call's
  std::size_t page = 1;                // which page of v2's; 1 is the call itself
  std::uint64_t first = 0;             // the first N calls of each key; 0: all
  std::uint64_t every = 0;             // each N-th call that it could meet; 0: all
  std::uint64_t after = 0;             // not the first N calls that it could meet
  double chance = 1;                   // by the seed, the key and how often it was called
  std::chrono::milliseconds until{0};  // since the start; 0: for ever
};

// "571", "reset=100KB", "429=2@first=1,symbol=AAPL": NAME[=ARGUMENT][@SCOPE=VALUE[,…]].
// invalid_request says what is not understood.
Result<Fault> parse_fault(std::string_view text);

// The fault that a symbol asks for: "XRESET" always, "XRESET.2" for the first two calls of each
// key.
std::optional<Fault> fault_of_symbol(std::string_view symbol);

struct FaultName {
  std::string_view name;      // as --fault takes it; statuses are taken by their number
  std::string_view argument;  // what "=" gives; empty when nothing
  std::string_view help;
};
std::span<const FaultName> fault_names();

// What a terminal says with a status: the body of its text/plain answer.
std::string_view status_text(int status, bool is_v3);

struct CallFacts {
  int api = 3;
  Kind kind = Kind::stock;
  Schema schema = Schema::eod;
  std::string symbol;
  DateRange dates{};
  std::string key;       // the call, canonically
  std::size_t page = 1;  // 1: the call itself
  std::chrono::milliseconds since_start{0};
};

// Which faults a call meets. Counts as it is asked, so ask once a call.
class FaultBook {
 public:
  FaultBook(std::vector<Fault> faults, std::uint64_t seed);
  void replace(std::vector<Fault> faults);
  void forget_counts();

  struct Chosen {
    std::optional<Fault> exchange;  // the first that changes how, or whether, the answer comes
    std::vector<Fault> shapes;      // all that change its rows
  };
  Chosen choose(const CallFacts& facts);

 private:
  bool meets(std::size_t number, const Fault& fault, const CallFacts& facts);

  std::vector<Fault> faults_;
  std::uint64_t seed_;
  std::map<std::size_t, std::uint64_t> seen_;
  std::map<std::pair<std::size_t, std::string>, std::uint64_t> seen_by_key_;
};

}  // namespace betedge::sim
