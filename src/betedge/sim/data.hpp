#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "betedge/core/dates.hpp"
#include "betedge/core/error.hpp"
#include "betedge/core/request.hpp"

namespace betedge::sim {

// One row of any schema, before it takes a vendor's form; a schema uses its part and leaves the
// rest 0. Times are milliseconds since midnight in New York, prices whole 1/10000 dollars, so that
// every form shows exactly the same value.
struct Tick {
  std::uint32_t date = 0;  // YYYYMMDD
  std::uint32_t ms_of_day = 0;
  std::uint32_t ms_of_day2 = 0;  // eod: the last trade; 0 when there was none
  std::uint32_t volume = 0;
  std::uint32_t count = 0;
  std::uint32_t bid_size = 0, bid_exchange = 0, bid_condition = 0;
  std::uint32_t ask_size = 0, ask_exchange = 0, ask_condition = 0;
  std::int64_t open = 0, high = 0, low = 0, close = 0;
  std::int64_t bid = 0, ask = 0;
  friend bool operator==(const Tick&, const Tick&) = default;
};

// An option contract; a stock's rows come under a Contract of zeros.
struct Contract {
  std::uint32_t expiration = 0;  // YYYYMMDD
  std::uint32_t strike = 0;      // 1/1000 dollar
  char right = 0;                // 'C' or 'P'; 0 for a stock
  friend auto operator<=>(const Contract&, const Contract&) = default;
};

inline constexpr std::uint32_t kOpenMs = 34'200'000;   // 09:30
inline constexpr std::uint32_t kCloseMs = 57'600'000;  // 16:00

// What a data call asks for, in no protocol's words.
struct Query {
  Kind kind = Kind::stock;
  Schema schema = Schema::eod;
  std::string symbol;
  DateRange dates{};
  std::uint32_t interval_ms = 0;  // at least 60000; 0 for eod
  // Quotes stamped within, ends included; bars that begin within, the end excluded. Rows stay on
  // the session's grid, which begins at 09:30.
  std::uint32_t first_ms = kOpenMs;
  std::uint32_t last_ms = kCloseMs;
  // Of a chain; nullopt takes all.
  std::optional<std::uint32_t> expiration;
  std::optional<std::uint32_t> strike;
  std::optional<char> right;
  std::optional<std::uint32_t> max_days_to_expiration;

  // Equal for equal queries, and only then.
  std::string key() const;
  // Does the window of an intraday query take a row of this time?
  bool wants_time(std::uint32_t ms_of_day) const {
    return ms_of_day >= first_ms &&
           (schema == Schema::ohlc ? ms_of_day < last_ms : ms_of_day <= last_ms);
  }
  bool wants(const Contract& contract) const {
    return (!expiration || *expiration == contract.expiration) &&
           (!strike || *strike == contract.strike) && (!right || *right == contract.right);
  }
};

// Takes one contract's rows at a time, in the order in which they are to be sent. A contract may
// come again with rows of another day.
using RowSink = std::function<void(const Contract&, std::span<const Tick>)>;

// Where rows come from. Safe to read from several threads at once.
class DataSource {
 public:
  virtual ~DataSource() = default;
  // How many rows went to the sink; 0 means "no data". Errors: the recording cannot be read.
  virtual Result<std::size_t> read(const Query& query, const RowSink& sink) const = 0;
};

}  // namespace betedge::sim
