#include "betedge/sim/market.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <numeric>

#include "betedge/core/calendar.hpp"
#include "unit/sim/rows.hpp"

namespace betedge::sim {
namespace {

const Date kDay = day(2024, 3, 12);      // a full session
const Date kShortDay = day(2024, 7, 3);  // closes at 13:00
const std::uint32_t kHour = 3'600'000;

Query option(Schema schema, std::string symbol = "IBM", Date on = kDay,
             std::uint32_t interval = 900'000) {
  return query_of(Kind::option, schema, std::move(symbol), on, on, interval);
}
Query stock(Schema schema, std::string symbol = "IBM", Date on = kDay,
            std::uint32_t interval = 900'000) {
  return query_of(Kind::stock, schema, std::move(symbol), on, on, interval);
}

TEST(MarketTest, SaysTheSameWhateverWasAskedBefore) {
  const Market one({.seed = 7, .contracts = {}});
  const Market other({.seed = 7, .contracts = {}});
  const auto first = read_rows(one, option(Schema::quote));
  read_rows(other, stock(Schema::eod, "AAPL"));
  read_rows(other, option(Schema::eod, "IBM", day(2023, 5, 2)));
  EXPECT_EQ(first, read_rows(other, option(Schema::quote)));
  EXPECT_EQ(first, read_rows(one, option(Schema::quote)));
}

TEST(MarketTest, IsAnotherMarketUnderAnotherSeed) {
  const Market one({.seed = 1, .contracts = {}});
  const Market other({.seed = 2, .contracts = {}});
  EXPECT_NE(read_rows(one, stock(Schema::ohlc)), read_rows(other, stock(Schema::ohlc)));
}

TEST(MarketTest, QuotesOfALongIntervalAreSomeOfAShortOnes) {
  const Market market({});
  for (const auto kind : {Kind::option, Kind::stock}) {
    const auto of = [&](std::uint32_t interval) {
      std::map<std::pair<Contract, std::uint32_t>, Tick> rows;
      for (const auto& [contract, tick] :
           read_rows(market, query_of(kind, Schema::quote, "IBM", kDay, kDay, interval))) {
        rows.emplace(std::pair(contract, tick.ms_of_day), tick);
      }
      return rows;
    };
    const auto minutes = of(60'000);
    const auto quarters = of(900'000);
    ASSERT_EQ(quarters.size() / 27 * 391, minutes.size());
    for (const auto& [key, tick] : quarters) EXPECT_EQ(minutes.at(key), tick);
  }
}

TEST(MarketTest, EodIsTheSumOfTheDaysBars) {
  const Market market({});
  for (const auto kind : {Kind::option, Kind::stock}) {
    std::map<Contract, Tick> sums;
    for (const auto& [contract, tick] :
         read_rows(market, query_of(kind, Schema::ohlc, "IBM", kDay, kDay, 60'000))) {
      if (tick.volume == 0) continue;
      auto& sum = sums[contract];
      if (sum.volume == 0) {
        sum.open = tick.open;
        sum.low = tick.low;
      }
      sum.high = std::max(sum.high, tick.high);
      sum.low = std::min(sum.low, tick.low);
      sum.close = tick.close;
      sum.volume += tick.volume;
      sum.count += tick.count;
    }
    ASSERT_FALSE(sums.empty());
    std::size_t untraded = 0;
    for (const auto& [contract, eod] :
         read_rows(market, query_of(kind, Schema::eod, "IBM", kDay, kDay))) {
      const auto& sum = sums[contract];
      EXPECT_EQ(std::tuple(eod.open, eod.high, eod.low, eod.close, eod.volume, eod.count),
                std::tuple(sum.open, sum.high, sum.low, sum.close, sum.volume, sum.count));
      EXPECT_EQ(eod.ms_of_day2 == 0, eod.volume == 0);
      untraded += eod.volume == 0;
    }
    if (kind == Kind::option) EXPECT_GT(untraded, 0U);
  }
}

TEST(MarketTest, LongBarsAreMadeOfShortOnes) {
  const Market market({});
  const auto volume = [](const Rows& rows) {
    return std::accumulate(rows.begin(), rows.end(), std::uint64_t{0},
                           [](auto sum, const auto& row) { return sum + row.second.volume; });
  };
  const auto minutes = volume(read_rows(market, option(Schema::ohlc, "IBM", kDay, 60'000)));
  EXPECT_GT(minutes, 0U);
  for (const std::uint32_t interval : {90'000U, 900'000U, kHour, 7 * kHour}) {
    EXPECT_EQ(volume(read_rows(market, option(Schema::ohlc, "IBM", kDay, interval))), minutes)
        << interval;
  }
}

struct GridCase {
  Schema schema;
  std::uint32_t interval;
  std::size_t rows;
  std::uint32_t last_ms;
};

TEST(MarketTest, RowsStandOnTheVendorsGrid) {  // THETA.md 2.5
  const Market market({});
  for (const auto& tested : {GridCase{Schema::quote, 60'000, 391, 57'600'000},
                             GridCase{Schema::quote, 300'000, 79, 57'600'000},
                             GridCase{Schema::quote, kHour, 7, 55'800'000},
                             GridCase{Schema::ohlc, 60'000, 390, 57'540'000},
                             GridCase{Schema::ohlc, kHour, 7, 55'800'000},
                             GridCase{Schema::quote, 90'000, 261, 57'600'000}}) {
    for (const auto on : {kDay, kShortDay}) {
      const auto rows = read_rows(market, stock(tested.schema, "IBM", on, tested.interval));
      ASSERT_EQ(rows.size(), tested.rows);
      EXPECT_EQ(rows.front().second.ms_of_day, 34'200'000U);
      EXPECT_EQ(rows.back().second.ms_of_day, tested.last_ms);
    }
  }
}

TEST(MarketTest, AWindowTakesQuotesWithBothEndsAndBarsWithoutTheLast) {
  const Market market({});
  auto quotes = stock(Schema::quote, "IBM", kDay, 900'000);
  quotes.first_ms = 36'000'000;
  quotes.last_ms = 39'600'000;
  EXPECT_EQ(read_rows(market, quotes).size(), 5U);
  auto bars = quotes;
  bars.schema = Schema::ohlc;
  EXPECT_EQ(read_rows(market, bars).size(), 4U);
}

TEST(MarketTest, AnEarlyCloseLeavesATailOfZeros) {
  const Market market({});
  const auto close_ms = static_cast<std::uint32_t>(
      std::chrono::milliseconds(session_close(kShortDay).value()).count());
  ASSERT_EQ(close_ms, 46'800'000U);
  for (const auto& [contract, tick] : read_rows(market, option(Schema::quote, "IBM", kShortDay))) {
    if (tick.ms_of_day > close_ms) EXPECT_EQ(tick.ask, 0);
    if (tick.ms_of_day == close_ms) EXPECT_GT(tick.ask, 0);
  }
  for (const auto& [contract, tick] : read_rows(market, stock(Schema::ohlc, "SPY", kShortDay))) {
    EXPECT_EQ(tick.volume == 0, tick.ms_of_day >= close_ms);
  }
}

TEST(MarketTest, QuotesArePlausible) {
  const Market market({});
  for (const auto* const symbol : {"AAPL", "IBM", "ZZTOP", "SPX", "RIVN"}) {
    std::size_t live = 0;
    for (const auto& [contract, tick] : read_rows(market, option(Schema::quote, symbol))) {
      if (tick.ask == 0) {
        EXPECT_EQ(tick, (Tick{.date = tick.date, .ms_of_day = tick.ms_of_day}));
        continue;
      }
      ++live;
      ASSERT_LT(tick.bid, tick.ask);
      ASSERT_GE(tick.bid, 0);
      ASSERT_LT(tick.ask, 100'000'000);
      ASSERT_EQ(tick.bid == 0, tick.bid_size == 0);
      ASSERT_GT(tick.ask_size, 0U);
      ASSERT_LT(tick.ask_size, 1'000U);
      for (const auto exchange : {tick.bid_exchange, tick.ask_exchange}) {
        ASSERT_GE(exchange, 1U);  // THETA.md 3: codes 1 to 77
        ASSERT_LE(exchange, 77U);
      }
      ASSERT_LE(tick.bid_condition, 74U);
    }
    EXPECT_GT(live, 1'000U) << symbol;
  }
}

TEST(MarketTest, BarsArePlausible) {
  const Market market({});
  for (const auto kind : {Kind::option, Kind::stock}) {
    std::size_t traded = 0;
    for (const auto& [contract, tick] :
         read_rows(market, query_of(kind, Schema::ohlc, "AAPL", kDay, kDay, 60'000))) {
      if (tick.volume == 0) {
        ASSERT_EQ(tick.close, 0);
        continue;
      }
      ++traded;
      ASSERT_LE(tick.low, std::min(tick.open, tick.close));
      ASSERT_GE(tick.high, std::max(tick.open, tick.close));
      ASSERT_GT(tick.low, 0);
      ASSERT_GE(tick.volume, tick.count);
      ASSERT_GT(tick.count, 0U);
    }
    EXPECT_GT(traded, 300U);
  }
}

TEST(MarketTest, CallsAndPutsOfAStrikeFitTheStocksPrice) {
  const Market market({});
  const auto last = [](const Rows& rows, std::uint32_t ms) {
    std::map<Contract, Tick> at;
    for (const auto& [contract, tick] : rows) {
      if (tick.ms_of_day == ms) at.emplace(contract, tick);
    }
    return at;
  };
  const auto spot = last(read_rows(market, stock(Schema::quote, "AAPL")), 50'400'000).at({});
  const auto price = static_cast<double>(spot.bid + spot.ask) / 20'000;
  std::size_t compared = 0;
  const auto chain = last(read_rows(market, option(Schema::quote, "AAPL")), 50'400'000);
  for (const auto& [contract, call] : chain) {
    if (contract.right != 'C') continue;
    const auto put = chain.at({contract.expiration, contract.strike, 'P'});
    const auto years =
        static_cast<double>((*from_yyyymmdd(contract.expiration) - kDay).count() + 1) / 365;
    const auto carried = contract.strike / 1'000.0 * std::exp(-0.03 * years);
    const auto middle = [](const Tick& tick) {
      return static_cast<double>(tick.bid + tick.ask) / 20'000;
    };
    const auto spreads = static_cast<double>(call.ask - call.bid + put.ask - put.bid) / 20'000;
    // A quote far from the money may be minutes old: a percent of the price is allowed for that.
    EXPECT_NEAR(middle(call) - middle(put), price - carried, spreads + 0.01 * price);
    ++compared;
  }
  EXPECT_EQ(compared, 1'000U);
}

TEST(MarketTest, ChainsAreAsLargeAsTheRealOnes) {  // BASELINES.md: MEDIUM, LARGE
  const Market market({});
  for (const auto on : {day(2012, 8, 7), kDay, kShortDay, day(2026, 1, 16)}) {
    EXPECT_EQ(market.chain("AAPL", on).size(), 2'000U);
    EXPECT_EQ(market.chain("SPY", on).size(), 10'000U);
  }
  EXPECT_EQ(read_rows(market, option(Schema::quote, "AAPL")).size(), 2'000U * 27);
}

TEST(MarketTest, ChainsHaveTheSizeThatIsAskedFor) {
  const Market market({.contracts = {{"*", 40}, {"AAPL", 6}}});
  EXPECT_EQ(market.chain("IBM", kDay).size(), 40U);
  EXPECT_EQ(market.chain("AAPL", kDay).size(), 6U);
}

TEST(MarketTest, ChainsAreSortedDistinctAndExpireOnSessions) {
  const Market market({});
  const auto chain = market.chain("AAPL", kDay);
  EXPECT_TRUE(std::ranges::is_sorted(chain));
  EXPECT_EQ(std::ranges::adjacent_find(chain), chain.end());
  for (const auto& contract : chain) {
    const auto expiration = from_yyyymmdd(contract.expiration).value();
    ASSERT_TRUE(is_session(expiration));
    ASSERT_GE(expiration, kDay);
    ASSERT_GT(contract.strike, 0U);
  }
  const auto listed = market.expirations("AAPL", kDay);
  for (const auto& contract : chain)
    ASSERT_TRUE(std::ranges::binary_search(listed, contract.expiration));
}

TEST(MarketTest, ContractsLiveOnFromDayToDay) {
  const Market market({});
  const auto today = market.chain("AAPL", kDay);
  const auto tomorrow = market.chain("AAPL", kDay + std::chrono::days{1});
  std::vector<Contract> both;
  std::ranges::set_intersection(today, tomorrow, std::back_inserter(both));
  EXPECT_GT(both.size(), 1'900U);
}

TEST(MarketTest, HasNoDataWhereThereIsNone) {
  const Market market({});
  EXPECT_TRUE(
      read_rows(market, stock(Schema::eod, "AAPL", day(2024, 3, 16))).empty());  // a Saturday
  EXPECT_TRUE(
      read_rows(market, stock(Schema::eod, "AAPL", day(2024, 3, 29))).empty());  // Good Friday
  EXPECT_TRUE(
      read_rows(market, stock(Schema::eod, "AAPL", day(2012, 5, 31))).empty());  // too early
  EXPECT_TRUE(read_rows(market, option(Schema::quote, "RIVN", day(2021, 11, 9)))
                  .empty());                                          // not listed yet
  EXPECT_TRUE(read_rows(market, stock(Schema::eod, "SPX")).empty());  // an index
  EXPECT_FALSE(read_rows(market, option(Schema::eod, "SPX")).empty());
}

TEST(MarketTest, AYearOfEodHasEverySession) {
  const Market market({});
  const auto rows = read_rows(
      market, query_of(Kind::stock, Schema::eod, "AAPL", day(2023, 1, 1), day(2023, 12, 31)));
  EXPECT_EQ(rows.size(), 250U);
  for (const auto& [contract, tick] : rows) {
    EXPECT_GE(tick.ms_of_day, 62'100'000U);  // the report of 17:15
    EXPECT_GT(tick.bid, 0);
    EXPECT_GT(tick.volume, 1'000'000U);
  }
}

TEST(MarketTest, SeveralDaysOfAContractStandTogether) {
  const Market market({.contracts = {{"IBM", 60}}});
  const auto rows = read_rows(
      market, query_of(Kind::option, Schema::eod, "IBM", day(2024, 3, 1), day(2024, 3, 31)));
  std::vector<Contract> order;
  for (const auto& [contract, tick] : rows) {
    if (order.empty() || order.back() != contract) order.push_back(contract);
  }
  EXPECT_TRUE(std::ranges::is_sorted(order));
  EXPECT_EQ(std::ranges::adjacent_find(order), order.end());
  EXPECT_EQ(rows.size(), 20U * 60);
}

TEST(MarketTest, FiltersOfAChainTakeTheSameRows) {
  const Market market({});
  const auto all = read_rows(market, option(Schema::quote));
  auto query = option(Schema::quote);
  query.expiration = all[all.size() / 2].first.expiration;
  query.right = 'P';
  Rows wanted;
  for (const auto& row : all) {
    if (query.wants(row.first)) wanted.push_back(row);
  }
  ASSERT_FALSE(wanted.empty());
  EXPECT_EQ(read_rows(market, query), wanted);
}

}  // namespace
}  // namespace betedge::sim
