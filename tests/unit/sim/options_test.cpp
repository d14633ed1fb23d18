#include "betedge/sim/options.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>

namespace betedge::sim {
namespace {

using namespace std::chrono_literals;

TEST(SimOptionsTest, EveryOptionIsNamedOnceAndExplained) {
  std::set<std::string_view> names;
  for (const auto& option : options()) {
    EXPECT_TRUE(names.insert(option.name).second) << option.name;
    EXPECT_FALSE(option.help.empty());
    EXPECT_FALSE(option.value.empty());
    EXPECT_FALSE(option.default_text.empty());
  }
}

TEST(SimOptionsTest, EveryOptionInTheTableCanBeSet) {
  for (const auto& option : options()) {
    SimOptions target;
    const auto tried = set(target, option.name, "?");
    if (tried) continue;  // takes any text
    EXPECT_EQ(tried.error().message.find("no such option"), std::string::npos) << option.name;
    EXPECT_TRUE(tried.error().message.starts_with("--")) << tried.error().message;
  }
  SimOptions target;
  EXPECT_EQ(set(target, "colour", "red").error().code, ErrorCode::invalid_request);
}

TEST(SimOptionsTest, TheManualNamesEveryOptionAndFault) {
  std::ifstream stream(std::string(BETEDGE_SOURCE_DIR) + "/docs/simulator.md");
  const std::string manual(std::istreambuf_iterator<char>(stream), {});
  ASSERT_FALSE(manual.empty());
  for (const auto& option : options()) {
    EXPECT_NE(manual.find("`--" + std::string(option.name) + " "), std::string::npos)
        << option.name;
  }
  for (const auto& fault : fault_names()) {
    EXPECT_NE(manual.find("| `" + std::string(fault.name)), std::string::npos) << fault.name;
  }
}

TEST(SimOptionsTest, TextsBecomeValues) {
  SimOptions target;
  for (const auto& [name, text] :
       std::initializer_list<std::pair<std::string_view, std::string_view>>{
           {"v3-port", "0"},
           {"v2-port", "65535"},
           {"control-port", "1"},
           {"latency", "200ms"},
           {"bandwidth", "20MB/s"},
           {"concurrency", "8"},
           {"queue", "0"},
           {"retry-after", "3"},
           {"starting", "2s"},
           {"restart-every", "1h"},
           {"restart-takes", "30s"},
           {"too-large", "1000000"},
           {"seed", "42"},
           {"contracts", "300"},
           {"contracts", "AAPL=20"},
           {"first-date", "20200102"},
           {"today", "20240105"},
           {"replay", "/some/where"},
           {"replay-fallback", "on"},
           {"v2-page-ticks", "100"},
           {"v2-whole-contracts", "on"},
           {"v2-page-header", "off"},
           {"page-expire", "1m"},
           {"page-host", "10.0.0.1:1"},
           {"crlf", "off"},
           {"quoted", "yes"},
           {"chain-span", "any"},
           {"cache", "64MiB"},
           {"fault", "571@first=2"},
           {"fault", "drop"}}) {
    const auto done = set(target, name, text);
    EXPECT_TRUE(done) << done.error().message;
  }
  EXPECT_EQ(target.v3_port, 0);
  EXPECT_EQ(target.v2_port, 65'535);
  EXPECT_EQ(target.control_port, 1);
  EXPECT_EQ(target.latency, 200ms);
  EXPECT_EQ(target.bytes_per_second, 20'000'000U);
  EXPECT_EQ(target.concurrency, 8U);
  EXPECT_EQ(target.queue, 0U);
  EXPECT_EQ(target.retry_after, 3s);
  EXPECT_EQ(target.starting, 2s);
  EXPECT_EQ(target.restart_every, 1h);
  EXPECT_EQ(target.restart_takes, 30s);
  EXPECT_EQ(target.too_large, 1'000'000U);
  EXPECT_EQ(target.market.seed, 42U);
  EXPECT_EQ(target.market.contracts, (decltype(target.market.contracts){{"*", 300}, {"AAPL", 20}}));
  EXPECT_EQ(to_yyyymmdd(target.market.first_date), 20200102U);
  EXPECT_EQ(to_yyyymmdd(target.today.value()), 20240105U);
  EXPECT_EQ(target.replay, "/some/where");
  EXPECT_TRUE(target.replay_falls_back);
  EXPECT_EQ(target.render.page_rows, 100U);
  EXPECT_TRUE(target.render.keeps_contracts);
  EXPECT_FALSE(target.render.repeats_header);
  EXPECT_EQ(target.page_expire, 60s);
  EXPECT_EQ(target.page_host, "10.0.0.1:1");
  EXPECT_FALSE(target.render.crlf);
  EXPECT_TRUE(target.render.quotes_text);
  EXPECT_TRUE(target.chain_spans);
  EXPECT_EQ(target.cache_bytes, 64U << 20);
  EXPECT_EQ(target.faults.size(), 2U);
}

TEST(SimOptionsTest, BadTextsAreRefused) {
  for (const auto& [name, text] :
       std::initializer_list<std::pair<std::string_view, std::string_view>>{
           {"v3-port", "65536"},
           {"v2-port", "-1"},
           {"latency", "fast"},
           {"latency", "ms"},
           {"bandwidth", "20 MB"},
           {"concurrency", "0"},
           {"queue", ""},
           {"seed", "1x"},
           {"contracts", "AAPL=1"},
           {"today", "20240230"},
           {"crlf", "maybe"},
           {"chain-span", "month"},
           {"v2-page-ticks", "0"},
           {"cache", "99999999999GiB"},
           {"fault", "no-such-fault"}}) {
    SimOptions target;
    const auto done = set(target, name, text);
    ASSERT_FALSE(done) << name << ' ' << text;
    EXPECT_EQ(done.error().code, ErrorCode::invalid_request);
    EXPECT_TRUE(done.error().message.starts_with("--" + std::string(name))) << done.error().message;
  }
}

TEST(FaultTest, EveryNamedFaultIsReadAndHasASymbol) {
  for (const auto& fault : fault_names()) {
    EXPECT_TRUE(parse_fault(fault.name)) << fault.name;
    std::string symbol = "X";
    for (const char c : fault.name) {
      if (c != '-') symbol += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
    EXPECT_TRUE(Symbol::parse(symbol)) << symbol;
    ASSERT_TRUE(fault_of_symbol(symbol)) << symbol;
    EXPECT_EQ(fault_of_symbol(symbol)->kind, parse_fault(fault.name)->kind);
  }
}

TEST(FaultTest, ArgumentsAndScopesAreRead) {
  const auto fault =
      parse_fault(
          "reset=100KB@symbol=AAPL,kind=option,schema=quote,api=v2,date=20240105,page=3,first=2,"
          "every=4,after=5,chance=0.25,for=2s")
          .value();
  EXPECT_EQ(fault.kind, FaultKind::reset);
  EXPECT_EQ(fault.argument, 100'000U);
  EXPECT_EQ(fault.symbol, "AAPL");
  EXPECT_EQ(fault.call_kind, Kind::option);
  EXPECT_EQ(fault.schema, Schema::quote);
  EXPECT_EQ(fault.api, 2);
  EXPECT_EQ(to_yyyymmdd(fault.date.value()), 20240105U);
  EXPECT_EQ(fault.page, 3U);
  EXPECT_EQ(fault.first, 2U);
  EXPECT_EQ(fault.every, 4U);
  EXPECT_EQ(fault.after, 5U);
  EXPECT_EQ(fault.chance, 0.25);
  EXPECT_EQ(fault.until, 2s);
  EXPECT_EQ(parse_fault("429=7")->argument, 7U);
  EXPECT_TRUE(parse_fault("doubled=apart")->apart);
  EXPECT_EQ(parse_fault("gap=20240105")->argument, 20240105U);
}

TEST(FaultTest, WhatIsNotUnderstoodIsRefused) {
  for (const auto* const text :
       {"", "200", "reset=0", "reset=x", "drop=1", "571=2", "doubled=twice", "drop@", "drop@symbol",
        "drop@planet=mars", "drop@first=0", "drop@chance=2", "drop@api=v1", "drop@date=20240230",
        "drop@for=soon", "gap=20240230", "gap=x"}) {
    if (std::string_view(text) == "drop@") {
      EXPECT_TRUE(parse_fault(text));  // an empty scope is all
      continue;
    }
    EXPECT_FALSE(parse_fault(text)) << text;
  }
}

TEST(FaultTest, OrdinarySymbolsAskForNoFault) {
  for (const auto* const symbol :
       {"AAPL", "X", "XOM", "XLF", "X200", "XRESET.", "XRESET.0", "XRESET.X"}) {
    EXPECT_FALSE(fault_of_symbol(symbol)) << symbol;
  }
  EXPECT_EQ(fault_of_symbol("X571.3")->first, 3U);
  EXPECT_EQ(fault_of_symbol("X571.3")->status, 571);
}

CallFacts facts(std::string key, std::string symbol = "AAPL") {
  return {.symbol = std::move(symbol), .dates = {}, .key = std::move(key)};
}

std::vector<bool> met(FaultBook& book, const std::vector<std::string>& keys) {
  std::vector<bool> found;
  for (const auto& key : keys) found.push_back(book.choose(facts(key)).exchange.has_value());
  return found;
}

TEST(FaultTest, ScopesCount) {
  using Met = std::vector<bool>;
  FaultBook first({parse_fault("571@first=1").value()}, 1);
  EXPECT_EQ(met(first, {"a", "b", "a", "b", "c"}), (Met{true, true, false, false, true}));
  FaultBook every({parse_fault("571@every=3").value()}, 1);
  EXPECT_EQ(met(every, {"a", "b", "c", "d", "e", "f"}),
            (Met{false, false, true, false, false, true}));
  FaultBook after({parse_fault("571@after=2").value()}, 1);
  EXPECT_EQ(met(after, {"a", "b", "c", "d"}), (Met{false, false, true, true}));
}

TEST(FaultTest, ChanceIsTheSeeds) {
  const auto share = [](std::uint64_t seed) {
    FaultBook book({parse_fault("drop@chance=0.3").value()}, seed);
    std::vector<bool> found;
    for (int i = 0; i < 1'000; ++i)
      found.push_back(book.choose(facts(std::to_string(i))).exchange.has_value());
    return found;
  };
  const auto once = share(1);
  EXPECT_EQ(once, share(1));
  EXPECT_NE(once, share(2));
  EXPECT_NEAR(static_cast<double>(std::ranges::count(once, true)), 300, 60);
}

TEST(FaultTest, OnlyTheCallsInScopeAreMet) {
  FaultBook book({parse_fault("drop@symbol=AAPL,kind=option,api=v3,date=20240105").value()}, 1);
  auto call = facts("a");
  call.kind = Kind::option;
  const auto on = [](unsigned d) { return *from_yyyymmdd(20240100 + d); };
  call.dates = {on(2), on(8)};
  EXPECT_TRUE(book.choose(call).exchange);
  auto other = call;
  other.symbol = "IBM";
  EXPECT_FALSE(book.choose(other).exchange);
  other = call;
  other.kind = Kind::stock;
  EXPECT_FALSE(book.choose(other).exchange);
  other = call;
  other.api = 2;
  EXPECT_FALSE(book.choose(other).exchange);
  other = call;
  other.dates = {on(8), on(9)};
  EXPECT_FALSE(book.choose(other).exchange);
  other = call;
  other.page = 2;
  EXPECT_FALSE(book.choose(other).exchange);
}

TEST(FaultTest, ShapesGoTogetherAndTheSymbolsOwnFaultComesFirst) {
  FaultBook book(
      {parse_fault("twins").value(), parse_fault("500").value(), parse_fault("doubled").value()},
      1);
  const auto plain = book.choose(facts("a"));
  EXPECT_EQ(plain.shapes.size(), 2U);
  EXPECT_EQ(plain.exchange->status, 500);
  EXPECT_EQ(book.choose(facts("b", "X403")).exchange->status, 403);
}

}  // namespace
}  // namespace betedge::sim
