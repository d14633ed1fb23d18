#include "betedge/sim/render.hpp"

#include <gtest/gtest.h>

#include "betedge/sim/market.hpp"
#include "unit/sim/rows.hpp"

namespace betedge::sim {
namespace {

const Date kDay = day(2024, 3, 12);

// Rows of the test's own making.
class Fixed final : public DataSource {
 public:
  explicit Fixed(Rows rows) : rows_(std::move(rows)) {}
  Result<std::size_t> read(const Query&, const RowSink& sink) const override {
    for (std::size_t i = 0; i < rows_.size();) {
      std::vector<Tick> ticks;
      const auto contract = rows_[i].first;
      for (; i < rows_.size() && rows_[i].first == contract; ++i) ticks.push_back(rows_[i].second);
      sink(contract, ticks);
    }
    return rows_.size();
  }

 private:
  Rows rows_;
};

std::string body(const DataSource& source, const Query& query, Form form,
                 RenderOptions options = {}) {
  const auto rendered = render(source, query, form, options).value();
  std::string text;
  for (std::size_t i = 0; i < rendered.pages.size(); ++i) text += rendered.page(i);
  return text;
}

Rows parse(Form form, std::string_view page, const Query& query) {
  if (form == Form::v2_json) {
    return parse_json(v2_json_header(query.kind, query.schema, "null") + std::string(page));
  }
  return parse_csv(page, form == Form::v3_csv);
}

TEST(RenderTest, EveryFormShowsTheSameValues) {
  const Market market({.contracts = {{"IBM", 40}}});
  for (const auto kind : {Kind::option, Kind::stock}) {
    for (const auto schema : {Schema::quote, Schema::ohlc, Schema::eod}) {
      const auto query = query_of(kind, schema, "IBM", kDay, kDay);
      const auto rows = read_rows(market, query);
      ASSERT_FALSE(rows.empty());
      for (const auto form : {Form::v3_csv, Form::v2_csv, Form::v2_json}) {
        EXPECT_EQ(parse(form, body(market, query, form), query), rows)
            << to_text(form) << to_text(schema);
      }
    }
  }
}

TEST(RenderTest, WritesV3AsTheTerminalDoes) {
  const Fixed quotes({{{20240419, 220'000, 'C'}, Tick{.date = 20240312, .ms_of_day = 34'200'000}},
                      {{20240419, 220'000, 'C'},
                       Tick{.date = 20240312,
                            .ms_of_day = 34'260'020,
                            .bid_size = 12,
                            .bid_exchange = 5,
                            .bid_condition = 50,
                            .ask_size = 9,
                            .ask_exchange = 42,
                            .ask_condition = 50,
                            .bid = 45'500,
                            .ask = 47'001}}});
  EXPECT_EQ(
      body(quotes, query_of(Kind::option, Schema::quote, "TEST", kDay, kDay), Form::v3_csv),
      "symbol,expiration,strike,right,timestamp,bid_size,bid_exchange,bid,bid_condition,ask_size,"
      "ask_exchange,ask,ask_condition\r\n"
      "TEST,2024-04-19,220.000,CALL,2024-03-12T09:30:00,0,0,0.00,0,0,0,0.00,0\r\n"
      "TEST,2024-04-19,220.000,CALL,2024-03-12T09:31:00.02,12,5,4.5500,50,9,42,4.7001,50\r\n");

  const Fixed bars({{{},
                     Tick{.date = 20240312,
                          .ms_of_day = 34'200'000,
                          .volume = 10,
                          .count = 2,
                          .open = 1'830'870,
                          .high = 1'840'000,
                          .low = 1'830'000,
                          .close = 1'836'000}},
                    {{}, Tick{.date = 20240312, .ms_of_day = 34'260'000}}});
  EXPECT_EQ(body(bars, query_of(Kind::stock, Schema::ohlc, "TEST", kDay, kDay), Form::v3_csv),
            "timestamp,open,high,low,close,volume,count,vwap\r\n"
            "2024-03-12T09:30:00,183.087,184.000,183.000,183.600,10,2,183.533\r\n"
            "2024-03-12T09:31:00,0.00,0.00,0.00,0.00,0,0,183.53\r\n");

  const Fixed eod({{{20240419, 2'500, 'P'},
                    Tick{.date = 20240312,
                         .ms_of_day = 62'226'910,
                         .ask_size = 1,
                         .ask_exchange = 7,
                         .ask = 500}}});
  EXPECT_EQ(
      body(eod, query_of(Kind::option, Schema::eod, "TEST", kDay, kDay), Form::v3_csv,
           {.crlf = false, .quotes_text = true}),
      "symbol,expiration,strike,right,created,last_trade,open,high,low,close,volume,count,bid_size,"
      "bid_exchange,bid,bid_condition,ask_size,ask_exchange,ask,ask_condition\n"
      "\"TEST\",\"2024-04-19\",2.500,\"PUT\",2024-03-12T17:17:06.91,2024-03-12T00:00:00.000,"
      "0.00,0.00,0.00,0.00,0,0,0,0,0.00,0,1,7,0.05,0\n");
}

TEST(RenderTest, WritesV2AsTheTerminalDoes) {
  const Fixed bars({{{20240419, 2'500, 'P'},
                     Tick{.date = 20240312,
                          .ms_of_day = 34'200'000,
                          .volume = 3,
                          .count = 1,
                          .open = 31'500,
                          .high = 40'000,
                          .low = 31'499,
                          .close = 31'510}},
                    {{20240419, 5'000, 'C'}, Tick{.date = 20240312, .ms_of_day = 34'200'000}}});
  const auto query = query_of(Kind::option, Schema::ohlc, "TEST", kDay, kDay);
  EXPECT_EQ(body(bars, query, Form::v2_csv),
            "root,expiration,strike,right,ms_of_day,open,high,low,close,volume,count,date\n"
            "TEST,20240419,2500,P,34200000,3.15,4.0,3.1499,3.151,3,1,20240312\n"
            "TEST,20240419,5000,C,34200000,0.0,0.0,0.0,0.0,0,0,20240312\n");
  EXPECT_EQ(
      v2_json_header(Kind::option, Schema::ohlc, "http://127.0.0.1:1/v2/page/7") +
          body(bars, query, Form::v2_json),
      R"({"header":{"id":1,"latency_ms":1,"error_type":"null","error_msg":"null",)"
      R"("next_page":"http://127.0.0.1:1/v2/page/7",)"
      R"("format":["ms_of_day","open","high","low","close","volume","count","date"]},"response":[)"
      R"({"ticks":[[34200000,3.15,4.0,3.1499,3.151,3,1,20240312]],)"
      R"("contract":{"root":"TEST","expiration":20240419,"strike":2500,"right":"P"}},)"
      R"({"ticks":[[34200000,0.0,0.0,0.0,0.0,0,0,20240312]],)"
      R"("contract":{"root":"TEST","expiration":20240419,"strike":5000,"right":"C"}}]})");
}

TEST(RenderTest, PagesTogetherAreTheWhole) {
  const Market market({.contracts = {{"IBM", 20}}});
  for (const auto kind : {Kind::option, Kind::stock}) {
    const auto query = query_of(kind, Schema::quote, "IBM", kDay, kDay);
    const auto rows = read_rows(market, query);
    for (const auto form : {Form::v2_csv, Form::v2_json}) {
      for (const std::size_t page_rows : {1UL, 7UL, 27UL, 100UL, rows.size(), rows.size() + 1}) {
        for (const bool keeps_contracts : {false, true}) {
          const auto rendered = render(market, query, form,
                                       {.page_rows = page_rows, .keeps_contracts = keeps_contracts})
                                    .value();
          Rows all;
          for (std::size_t i = 0; i < rendered.pages.size(); ++i) {
            const auto page = parse(form, rendered.page(i), query);
            EXPECT_FALSE(page.empty());
            if (!keeps_contracts) EXPECT_LE(page.size(), page_rows);
            all.insert(all.end(), page.begin(), page.end());
          }
          EXPECT_EQ(all, rows);
          if (!keeps_contracts) {
            EXPECT_EQ(rendered.pages.size(), (rows.size() + page_rows - 1) / page_rows);
          }
        }
      }
    }
  }
}

TEST(RenderTest, LaterPagesMayComeWithoutTheHeader) {
  const Market market({});
  const auto query = query_of(Kind::stock, Schema::quote, "IBM", kDay, kDay);
  const auto rendered =
      render(market, query, Form::v2_csv, {.page_rows = 10, .repeats_header = false}).value();
  EXPECT_TRUE(rendered.page(0).starts_with("ms_of_day,"));
  EXPECT_TRUE(rendered.page(1).starts_with("43200000,"));
}

TEST(RenderTest, V3HasNoPages) {
  const Market market({});
  const auto query = query_of(Kind::stock, Schema::quote, "IBM", kDay, kDay);
  EXPECT_EQ(render(market, query, Form::v3_csv, {.page_rows = 10})->pages.size(), 1U);
}

TEST(RenderTest, NoRowsAreNoPage) {
  const Fixed nothing({});
  const auto rendered =
      render(nothing, query_of(Kind::stock, Schema::quote, "IBM", kDay, kDay), Form::v2_csv, {});
  EXPECT_EQ(rendered->rows, 0U);
  EXPECT_TRUE(rendered->pages.empty());
}

TEST(RenderTest, DoubledEodDiffersInCreatedAlone) {
  const Market market({.contracts = {{"IBM", 20}}});
  const auto query = query_of(Kind::option, Schema::eod, "IBM", kDay, kDay);
  const auto rows = read_rows(market, query);
  using Doubled = RenderOptions::Doubled;
  for (const auto form : {Form::v3_csv, Form::v2_csv, Form::v2_json}) {
    for (const auto doubled : {Doubled::side_by_side, Doubled::apart}) {
      auto found = parse(form, body(market, query, form, {.doubled = doubled}), query);
      ASSERT_EQ(found.size(), 2 * rows.size());
      for (std::size_t i = 0; i < rows.size(); ++i) {
        const auto first = doubled == Doubled::apart ? i : 2 * i;
        const auto second = doubled == Doubled::apart ? i + rows.size() : 2 * i + 1;
        EXPECT_EQ(found[first], rows[i]);
        EXPECT_GT(found[second].second.ms_of_day, rows[i].second.ms_of_day);
        found[second].second.ms_of_day = rows[i].second.ms_of_day;
        EXPECT_EQ(found[second], rows[i]);
      }
    }
  }
}

TEST(RenderTest, OfConflictingEodRowsTheLaterHasOtherPrices) {
  const Market market({.contracts = {{"IBM", 20}}});
  const auto query = query_of(Kind::option, Schema::eod, "IBM", kDay, kDay);
  const auto rows = read_rows(market, query);
  for (const auto form : {Form::v3_csv, Form::v2_csv, Form::v2_json}) {
    const auto found =
        parse(form,
              body(market, query, form,
                   {.doubled = RenderOptions::Doubled::side_by_side, .second_differs = true}),
              query);
    ASSERT_EQ(found.size(), 2 * rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      EXPECT_EQ(found[2 * i], rows[i]);
      EXPECT_GT(found[2 * i + 1].second.ms_of_day, rows[i].second.ms_of_day);
      EXPECT_EQ(found[2 * i + 1].second.close, rows[i].second.close + 100);
      EXPECT_EQ(found[2 * i + 1].second.ask, rows[i].second.ask + 100);
      EXPECT_GE(found[2 * i + 1].second.high, found[2 * i + 1].second.close);
    }
  }
}

TEST(RenderTest, ADaysLastRowMayBeStampedMidnight) {
  const Market market({});
  const auto query = query_of(Kind::stock, Schema::quote, "IBM", kDay, day(2024, 3, 13));
  const auto rows = read_rows(market, query);
  auto wanted = rows;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i].second.ms_of_day == kCloseMs) wanted[i].second.ms_of_day = 86'400'000;
  }
  for (const auto form : {Form::v2_csv, Form::v2_json})
    EXPECT_EQ(parse(form, body(market, query, form, {.midnight = true}), query), wanted);
  EXPECT_EQ(body(market, query, Form::v3_csv, {.midnight = true}),
            body(market, query, Form::v3_csv));
}

TEST(RenderTest, MixedScalesAreTheSameValues) {
  const Market market({});
  const auto query = query_of(Kind::stock, Schema::ohlc, "IBM", kDay, kDay);
  const auto rows = read_rows(market, query);
  for (const auto form : {Form::v3_csv, Form::v2_csv, Form::v2_json}) {
    const auto text = body(market, query, form, {.mixed_scales = true});
    EXPECT_NE(text, body(market, query, form));
    EXPECT_EQ(parse(form, text, query), rows);
  }
}

TEST(RenderTest, LeavesDaysAway) {
  const Market market({});
  const auto query =
      query_of(Kind::stock, Schema::eod, "IBM", *from_yyyymmdd(20240311), *from_yyyymmdd(20240322));
  const auto days = [&](Form form, const RenderOptions& options) {
    std::vector<std::uint32_t> found;
    for (const auto& [contract, tick] : parse(form, body(market, query, form, options), query))
      found.push_back(tick.date);
    return found;
  };
  for (const auto form : {Form::v3_csv, Form::v2_csv}) {
    const auto all = days(form, {});
    ASSERT_EQ(all.size(), 10U);
    auto mondays_off = all;
    std::erase_if(mondays_off, [](auto date) { return date == 20240311 || date == 20240318; });
    EXPECT_EQ(days(form, {.no_mondays = true}), mondays_off);
    auto two_off = all;
    std::erase_if(two_off, [](auto date) { return date == 20240312 || date == 20240322; });
    EXPECT_EQ(days(form, {.missing_days = {20240312, 20240322}}), two_off);
  }
  EXPECT_NE(RenderOptions{.missing_days = {20240312}}.key(), RenderOptions{}.key());
  EXPECT_NE(RenderOptions{.no_mondays = true}.key(), RenderOptions{}.key());
}

TEST(RenderTest, TwinsAndZeroBars) {
  const Market market({});
  const auto query = query_of(Kind::stock, Schema::ohlc, "IBM", kDay, kDay);
  const auto rows = read_rows(market, query);
  const auto twins = parse(Form::v3_csv, body(market, query, Form::v3_csv, {.twins = true}), query);
  ASSERT_EQ(twins.size(), 2 * rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(twins[2 * i], rows[i]);
    EXPECT_EQ(twins[2 * i + 1], rows[i]);
  }
  // Byte for byte, the running mean of the prices (vwap) too.
  const auto sound = body(market, query, Form::v3_csv);
  std::string twice = sound.substr(0, sound.find('\n') + 1);
  for (std::size_t begin = twice.size(), end = 0; begin < sound.size(); begin = end) {
    end = sound.find('\n', begin) + 1;
    twice += sound.substr(begin, end - begin) + sound.substr(begin, end - begin);
  }
  EXPECT_EQ(body(market, query, Form::v3_csv, {.twins = true}), twice);
  for (const auto& [contract, tick] :
       parse(Form::v2_csv, body(market, query, Form::v2_csv, {.zero_bars = true}), query)) {
    EXPECT_EQ(tick, (Tick{.date = 20240312, .ms_of_day = tick.ms_of_day}));
  }
  const auto two_days = query_of(Kind::stock, Schema::eod, "IBM", kDay, day(2024, 3, 13));
  const auto one_zero = parse(
      Form::v3_csv,
      body(market, two_days, Form::v3_csv, {.zero_bars = true, .zero_days = {20240313}}), two_days);
  ASSERT_EQ(one_zero.size(), 2U);
  EXPECT_EQ(one_zero[0], read_rows(market, two_days)[0]);
  EXPECT_EQ(one_zero[1].second.close, 0);
  const auto quotes = query_of(Kind::stock, Schema::quote, "IBM", kDay, kDay);
  for (const auto& [contract, tick] :
       parse(Form::v3_csv, body(market, quotes, Form::v3_csv, {.zero_bars = true}), quotes)) {
    EXPECT_EQ(tick, (Tick{.date = 20240312, .ms_of_day = tick.ms_of_day}));
  }
  // Nobody traded, and it is quoted all the same.
  const auto chain = query_of(Kind::option, Schema::eod, "IBM", kDay, kDay);
  std::size_t quoted = 0;
  for (const auto& [contract, tick] :
       parse(Form::v3_csv, body(market, chain, Form::v3_csv, {.zero_bars = true}), chain)) {
    EXPECT_EQ(tick.open + tick.high + tick.low + tick.close, 0);
    if (tick.ask > 0) ++quoted;
  }
  EXPECT_GT(quoted, 0U);
}

}  // namespace
}  // namespace betedge::sim
