#include "betedge/core/table.hpp"

#include <gtest/gtest.h>

#include <string>

namespace betedge::core {
namespace {

std::string spelled(std::span<const Column> columns) {
  std::string text;
  for (const Column& column : columns) {
    if (!text.empty()) text += ' ';
    text += column.name;
    switch (column.type) {
      case ColumnType::uint32: break;
      case ColumnType::float64: text += ":f"; break;
      case ColumnType::float32: text += ":s"; break;
      case ColumnType::text: text += ":t"; break;
      case ColumnType::int64: text += ":i"; break;
      case ColumnType::timestamp: text += ":time"; break;
      case ColumnType::day: text += ":day"; break;
      case ColumnType::dollars: text += ":dollars"; break;
      case ColumnType::word: text += ":word"; break;
    }
    if (column.nullable) text += '?';
  }
  return text;
}

constexpr const char* kContract = " root:t expiration strike right:t";

TEST(TableTest, ColumnsStandInTheOrderOfTheLayout) {
  const std::pair<Schema, std::string> layouts[] = {
      {Schema::quote,
       "ms_of_day bid_size bid_exchange bid:f bid_condition ask_size ask_exchange ask:f "
       "ask_condition date"},
      {Schema::ohlc, "ms_of_day open:f high:f low:f close:f volume count date"},
      {Schema::eod,
       "ms_of_day ms_of_day2 open:f high:f low:f close:f volume count bid_size bid_exchange bid:f "
       "bid_condition ask_size ask_exchange ask:f ask_condition date"},
  };
  for (const auto& [schema, layout] : layouts) {
    EXPECT_EQ(spelled(columns(Kind::stock, schema)), layout);
    EXPECT_EQ(spelled(columns(Kind::option, schema)), layout + kContract);
  }
}

constexpr Layout kTyped{.columns = ColumnStyle::typed};
constexpr Layout kNarrow{.price_type = PriceType::float32};

TEST(TableTest, TypedColumnsSayWhatTheyAre) {
  const std::pair<Schema, std::string> layouts[] = {
      {Schema::quote,
       "timestamp:time bid_size bid_exchange bid:f bid_condition ask_size ask_exchange ask:f "
       "ask_condition"},
      {Schema::ohlc, "timestamp:time open:f high:f low:f close:f volume count vwap:f?"},
      {Schema::eod,
       "date:day created:time last_trade:time? open:f high:f low:f close:f volume count bid_size "
       "bid_exchange bid:f bid_condition ask_size ask_exchange ask:f ask_condition"},
  };
  for (const auto& [schema, layout] : layouts) {
    EXPECT_EQ(spelled(columns(Kind::stock, schema, kTyped)), layout);
    EXPECT_EQ(spelled(columns(Kind::option, schema, kTyped)),
              layout + " root:word expiration:day? strike:dollars? right:word");
  }
}

TEST(TableTest, PricesAreNarrowWhereThatIsAsked) {
  EXPECT_EQ(spelled(columns(Kind::option, Schema::quote, kNarrow)),
            "ms_of_day bid_size bid_exchange bid:s bid_condition ask_size ask_exchange ask:s "
            "ask_condition date root:t expiration strike right:t");
  for (const auto kind : {Kind::option, Kind::stock}) {
    for (const auto schema : {Schema::quote, Schema::ohlc, Schema::eod}) {
      for (const auto style : {ColumnStyle::plain, ColumnStyle::typed}) {
        auto wide = spelled(columns(kind, schema, {.columns = style}));
        for (std::size_t at = 0; (at = wide.find(":f", at)) != std::string::npos;)
          wide[at + 1] = 's';
        EXPECT_EQ(
            spelled(columns(kind, schema, {.columns = style, .price_type = PriceType::float32})),
            wide);
      }
    }
  }
}

TEST(TableTest, EarningsHaveOneTableWhateverTheSchema) {
  const Layout asked{.columns = ColumnStyle::typed, .price_type = PriceType::float32};
  EXPECT_EQ(layout_of(Kind::earnings, asked), Layout{});
  EXPECT_EQ(layout_of(Kind::stock, asked), asked);
  for (const auto schema : {Schema::quote, Schema::eod})
    EXPECT_EQ(spelled(columns(Kind::earnings, schema, asked)),
              "date:t symbol:t name:t? time:t? eps:f? eps_forecast:f? surprise_pct:f? "
              "market_cap:i? fiscal_quarter_ending:t? num_estimates:i? last_year_eps:f? "
              "last_year_report_date:t?");
}

}  // namespace
}  // namespace betedge::core
