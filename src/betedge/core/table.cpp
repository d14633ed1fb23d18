#include "betedge/core/table.hpp"

#include <array>
#include <utility>

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

constexpr std::array kTypedQuote{
    Column{"timestamp", timestamp},  Column{"bid_size", uint32},
    Column{"bid_exchange", uint32},  Column{"bid", float64},
    Column{"bid_condition", uint32}, Column{"ask_size", uint32},
    Column{"ask_exchange", uint32},  Column{"ask", float64},
    Column{"ask_condition", uint32}, Column{"root", word},
    Column{"expiration", day, true}, Column{"strike", dollars, true},
    Column{"right", word},
};

constexpr std::array kTypedOhlc{
    Column{"timestamp", timestamp},  Column{"open", float64},         Column{"high", float64},
    Column{"low", float64},          Column{"close", float64},        Column{"volume", uint32},
    Column{"count", uint32},         Column{"vwap", float64, true},   Column{"root", word},
    Column{"expiration", day, true}, Column{"strike", dollars, true}, Column{"right", word},
};

constexpr std::array kTypedEod{
    Column{"date", day},
    Column{"created", timestamp},
    Column{"last_trade", timestamp, true},
    Column{"open", float64},
    Column{"high", float64},
    Column{"low", float64},
    Column{"close", float64},
    Column{"volume", uint32},
    Column{"count", uint32},
    Column{"bid_size", uint32},
    Column{"bid_exchange", uint32},
    Column{"bid", float64},
    Column{"bid_condition", uint32},
    Column{"ask_size", uint32},
    Column{"ask_exchange", uint32},
    Column{"ask", float64},
    Column{"ask_condition", uint32},
    Column{"root", word},
    Column{"expiration", day, true},
    Column{"strike", dollars, true},
    Column{"right", word},
};

template <std::size_t size>
constexpr std::array<Column, size> with_narrow_prices(std::array<Column, size> columns) {
  for (Column& column : columns)
    if (column.type == float64) column.type = float32;
  return columns;
}

// One schema's columns in each layout.
template <const auto& plain, const auto& typed>
std::span<const Column> in(Layout layout) {
  static constexpr auto kNarrowPlain = with_narrow_prices(plain);
  static constexpr auto kNarrowTyped = with_narrow_prices(typed);
  const bool is_narrow = layout.price_type == PriceType::float32;
  switch (layout.columns) {
    case ColumnStyle::plain: return is_narrow ? kNarrowPlain : plain;
    case ColumnStyle::typed: return is_narrow ? kNarrowTyped : typed;
  }
  std::unreachable();
}

std::span<const Column> option_columns(Schema schema, Layout layout) {
  switch (schema) {
    case Schema::quote: return in<kQuote, kTypedQuote>(layout);
    case Schema::ohlc: return in<kOhlc, kTypedOhlc>(layout);
    case Schema::eod: return in<kEod, kTypedEod>(layout);
  }
  std::unreachable();
}

constexpr std::size_t kContractColumns = 4;  // root, expiration, strike, right

}  // namespace

std::string_view to_text(ColumnStyle style) {
  switch (style) {
    case ColumnStyle::plain: return "plain";
    case ColumnStyle::typed: return "typed";
  }
  std::unreachable();
}

std::string_view to_text(PriceType type) {
  switch (type) {
    case PriceType::float64: return "float64";
    case PriceType::float32: return "float32";
  }
  std::unreachable();
}

std::span<const Column> columns(Kind kind, Schema schema, Layout layout) {
  const auto all = option_columns(schema, layout);
  switch (kind) {
    case Kind::option: return all;
    case Kind::stock: return all.first(all.size() - kContractColumns);
    case Kind::earnings: return kEarnings;
  }
  std::unreachable();
}

Layout layout_of(Kind kind, Layout asked) {
  return kind == Kind::earnings ? Layout{} : asked;
}

}  // namespace betedge::core
