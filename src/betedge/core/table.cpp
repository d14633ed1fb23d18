#include "betedge/core/table.hpp"

#include <array>

namespace betedge::core {
namespace {

using enum ColumnType;

constexpr std::array kQuote{
    Column{"ms_of_day", uint32},
    Column{"bid_size", uint32},
    Column{"bid_exchange", uint32},
    Column{"bid", float64},
    Column{"bid_condition", uint32},
    Column{"ask_size", uint32},
    Column{"ask_exchange", uint32},
    Column{"ask", float64},
    Column{"ask_condition", uint32},
    Column{"date", uint32},
    Column{"root", text},
    Column{"expiration", uint32},
    Column{"strike", uint32},
    Column{"right", text},
};

constexpr std::array kOhlc{
    Column{"ms_of_day", uint32},  Column{"open", float64},  Column{"high", float64},
    Column{"low", float64},       Column{"close", float64}, Column{"volume", uint32},
    Column{"count", uint32},      Column{"date", uint32},   Column{"root", text},
    Column{"expiration", uint32}, Column{"strike", uint32}, Column{"right", text},
};

constexpr std::array kEod{
    Column{"ms_of_day", uint32},  Column{"ms_of_day2", uint32},
    Column{"open", float64},      Column{"high", float64},
    Column{"low", float64},       Column{"close", float64},
    Column{"volume", uint32},     Column{"count", uint32},
    Column{"bid_size", uint32},   Column{"bid_exchange", uint32},
    Column{"bid", float64},       Column{"bid_condition", uint32},
    Column{"ask_size", uint32},   Column{"ask_exchange", uint32},
    Column{"ask", float64},       Column{"ask_condition", uint32},
    Column{"date", uint32},       Column{"root", text},
    Column{"expiration", uint32}, Column{"strike", uint32},
    Column{"right", text},
};

// As the Python original's, then what NASDAQ says of a day that is still to come.
constexpr std::array kEarnings{
    Column{"date", text},
    Column{"symbol", text},
    Column{"name", text, true},
    Column{"time", text, true},
    Column{"eps", float64, true},
    Column{"eps_forecast", float64, true},
    Column{"surprise_pct", float64, true},
    Column{"market_cap", int64, true},
    Column{"fiscal_quarter_ending", text, true},
    Column{"num_estimates", int64, true},
    Column{"last_year_eps", float64, true},
    Column{"last_year_report_date", text, true},
};

std::span<const Column> option_columns(Schema schema) {
  switch (schema) {
    case Schema::quote: return kQuote;
    case Schema::ohlc: return kOhlc;
    case Schema::eod: return kEod;
  }
  std::unreachable();
}

constexpr std::size_t kContractColumns = 4;  // root, expiration, strike, right

}  // namespace

std::span<const Column> columns(Kind kind, Schema schema) {
  const auto all = option_columns(schema);
  switch (kind) {
    case Kind::option: return all;
    case Kind::stock: return all.first(all.size() - kContractColumns);
    case Kind::earnings: return kEarnings;
  }
  std::unreachable();
}

}  // namespace betedge::core
