#include "betedge/sim/simulator.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "unit/sim/rows.hpp"
#include "unit/sim/world.hpp"

namespace betedge::sim {
namespace {

using namespace std::chrono_literals;

Task<void> same_values(World& world) {
  const auto three = co_await world.v3(quote3("IBM"));
  EXPECT_EQ(three.status, 200);
  const auto rows = parse_csv(three.body, true);
  EXPECT_EQ(rows.size(), 40U * 27);
  EXPECT_EQ(rows, parse_csv((co_await world.v2(quote2("IBM"))).body, false));
  EXPECT_EQ(rows, parse_json((co_await world.v2(quote2("IBM", false))).body));
}
TEST(SimulatorTest, ShowsTheSameMarketInBothProtocols) {
  play(small(), same_values);
}

Task<void> says_connected(World& world) {
  for (const auto* const path : {"/v3/terminal/mdds/status", "/v3/terminal/fpss/status"}) {
    const auto got = co_await world.ask(world.sim->v3_port(), path);
    EXPECT_EQ(got.status, 200);
    EXPECT_EQ(got.body, "CONNECTED");
  }
  EXPECT_EQ((co_await world.v2("/system/mdds/status")).body, "CONNECTED");
  const auto stats = co_await world.stats();
  EXPECT_EQ(stats.at("status_calls"), 3);
  EXPECT_EQ(stats.at("calls"), 0);
}
TEST(SimulatorTest, SaysThatItIsConnected) {
  play(small(), says_connected);
}

Task<void> answers_with_statuses(World& world) {
  struct Case {
    bool is_v3;
    std::string target;
    int status;
    std::string body;
  };
  const auto no_data2 = ":No data for the specified timeframe & contract.";
  const auto no_data3 = "No data found for your request";
  for (const auto& tested : {
           Case{true, "/stock/history/eod?symbol=IBM&start_date=20240316&end_date=20240317", 472,
                no_data3},
           Case{true, "/stock/history/eod?symbol=SPX&start_date=20240301&end_date=20240305", 472,
                no_data3},
           Case{true, "/stock/history/eod?symbol=IBM&start_date=20240701&end_date=20240701", 472,
                no_data3},
           Case{false, "/hist/stock/eod?root=IBM&start_date=20240329&end_date=20240329", 472,
                no_data2},
           Case{true, "/option/list/strikes?symbol=IBM&expiration=20240313", 472, no_data3},
           Case{false, "/hist/stock/eod?root=IBM&start_date=1&end_date=20240329", 473,
                ":Invalid start_date 1"},
           Case{false, "/page/12345", 477, ":No such page."},
       }) {
    const auto got =
        tested.is_v3 ? co_await world.v3(tested.target) : co_await world.v2(tested.target);
    EXPECT_EQ(got.status, tested.status) << tested.target;
    EXPECT_EQ(got.body, tested.body);
  }
  const auto gone = co_await world.ask(world.sim->v3_port(), "/v2/hist/stock/eod?root=IBM");
  EXPECT_EQ(gone.status, 410);
  EXPECT_EQ((co_await world.ask(world.sim->v3_port(), "/elsewhere")).status, 404);
  EXPECT_EQ((co_await world.ask(world.sim->v3_port(), "/v3/stock/history/eod", "POST", "x")).status,
            405);
}
TEST(SimulatorTest, AnswersWithTheVendorsStatuses) {
  play(small(), answers_with_statuses);
}

Task<void> nothing_of_today(World& world) {
  const auto got =
      co_await world.v3("/stock/history/eod?symbol=IBM&start_date=20240624&end_date=20240705");
  const auto rows = parse_csv(got.body, true);
  EXPECT_EQ(rows.size(), 5U);
  if (!rows.empty()) EXPECT_EQ(rows.back().second.date, 20240628U);
}
TEST(SimulatorTest, HasNothingOfTodayAndLater) {
  play(small(), nothing_of_today);
}

Task<void> lists(World& world) {
  const auto expirations = co_await world.v3("/option/list/expirations?symbol=IBM");
  EXPECT_TRUE(expirations.body.starts_with("symbol,expiration\r\nIBM,2012-06-"));
  EXPECT_NE(expirations.body.find("IBM,2024-04-19\r\n"), std::string::npos);
  const auto strikes = co_await world.v3("/option/list/strikes?symbol=AAPL&expiration=20240621");
  EXPECT_TRUE(strikes.body.starts_with("symbol,strike\r\nAAPL,"));
  const auto json = Json::parse((co_await world.v2("/list/strikes?root=AAPL&exp=20240621")).body);
  EXPECT_GT(json.at("response").size(), 0U);
  EXPECT_EQ(json.at("header").at("next_page"), "null");
  const auto dates = co_await world.v2("/list/dates/stock/quote?root=AAPL&use_csv=true");
  EXPECT_TRUE(dates.body.starts_with("date\n20120601\n"));
  EXPECT_TRUE(dates.body.ends_with("20240628\n"));
  EXPECT_EQ(Json::parse((co_await world.v2("/list/roots/stock")).body).at("response").at(0),
            "AAPL");
}
TEST(SimulatorTest, ListsWhatThereIs) {
  play(small(), lists);
}

Task<void> pages(World& world) {
  const auto whole = parse_csv((co_await world.v3(quote3("IBM"))).body, true);
  for (const bool csv : {true, false}) {
    Rows rows;
    auto got = co_await world.v2(quote2("IBM", csv));
    std::size_t count = 0;
    std::string second;
    while (true) {
      EXPECT_EQ(got.status, 200);
      ++count;
      const auto page = csv ? parse_csv(got.body, false) : parse_json(got.body);
      rows.insert(rows.end(), page.begin(), page.end());
      if (!csv)
        EXPECT_EQ(Json::parse(got.body).at("header").at("next_page"), got.next_page.value());
      if (!got.next_page || got.next_page == "null" || got.status != 200) break;
      if (count == 1) second = *got.next_page;
      EXPECT_TRUE(got.next_page->starts_with(
          fmt::format("http://127.0.0.1:{}/v2/page/", world.sim->v2_port())));
      got = co_await world.ask(0, *got.next_page);
    }
    EXPECT_EQ(count, 4U);  // 1080 rows of 300
    EXPECT_EQ(rows, whole);
    EXPECT_EQ((co_await world.ask(0, second)).status, 477);  // once only
  }
  const auto stats = co_await world.stats();
  EXPECT_EQ(stats.at("calls"), 3);
  EXPECT_EQ(stats.at("waiting_pages"), 0);
  for (const auto& [key, record] : stats.at("by_call").items()) {
    if (key.starts_with("/v2/")) EXPECT_EQ(record.at("pages"), 3) << key;
  }
}
TEST(SimulatorTest, HandsOutV2PagesOneByOne) {
  auto options = small();
  options.render.page_rows = 300;
  play(std::move(options), pages);
}

Task<void> old_pages(World& world) {
  std::vector<std::string> next;
  for (int i = 0; i < 4; ++i)
    next.push_back((co_await world.v2(quote2("IBM"))).next_page.value_or(""));
  EXPECT_EQ((co_await world.ask(0, next[0])).status, 477);  // dropped when others came
  EXPECT_EQ((co_await world.ask(0, next[3])).status, 200);
}
TEST(SimulatorTest, DropsOldPagesWhenManyWait) {
  auto options = small();
  options.render.page_rows = 1'000;
  options.concurrency = 1;
  options.page_expire = 0ms;
  play(std::move(options), old_pages);
}

Task<void> foreign_host(World& world) {
  EXPECT_TRUE(
      (co_await world.v2(quote2("IBM"))).next_page->starts_with("http://10.1.2.3:99/v2/page/"));
}
TEST(SimulatorTest, NamesAnotherHostInNextPageWhenToldTo) {
  auto options = small();
  options.render.page_rows = 300;
  options.page_host = "10.1.2.3:99";
  play(std::move(options), foreign_host);
}

Task<void> ask_into(World& world, std::string target, std::vector<Got>& all) {
  auto got = co_await world.v3(std::move(target));
  all.push_back(std::move(got));
}

Task<void> limits(World& world) {
  std::vector<Got> cut;
  for (int i = 0; i < 3; ++i)
    world.scope.spawn(ask_into(world, quote3(fmt::format("SYM{}", i)), cut));
  co_await world.until("outstanding", 3);
  auto stats = co_await world.stats();
  EXPECT_EQ(stats.at("in_service"), 2);
  // The limit is the account's: the other protocol is refused too.
  const auto full = co_await world.v2(quote2("IBM"));
  EXPECT_EQ(full.status, 429);
  EXPECT_EQ(full.retry_after, "2");
  EXPECT_EQ((co_await world.v3("/terminal/mdds/status")).body, "CONNECTED");  // not limited

  EXPECT_EQ((co_await world.put("state", {{"drop_all", true}})).status, 200);
  co_await world.until("outstanding", 0);
  while (cut.size() < 3) co_await world.stats();
  for (const auto& got : cut) EXPECT_TRUE(got.error.has_value());

  EXPECT_EQ((co_await world.put("options", {{"latency", "0ms"}})).status, 200);
  EXPECT_EQ((co_await world.v2(quote2("IBM"))).status, 200);
  stats = co_await world.stats();
  EXPECT_EQ(stats.at("max_in_service"), 2);
  EXPECT_EQ(stats.at("outcomes").at("dropped"), 3);
  EXPECT_EQ(stats.at("outcomes").at("429"), 1);
}
TEST(SimulatorTest, QueuesBeyondTheLimitAndRefusesBeyondTheQueue) {
  auto options = small();
  options.concurrency = 2;
  options.queue = 1;
  options.latency = 1h;
  options.retry_after = 2s;
  play(std::move(options), limits);
}

Task<void> in_turn(World& world) {
  std::vector<Got> all;
  for (int i = 0; i < 12; ++i)
    world.scope.spawn(ask_into(world, quote3(fmt::format("SYM{}", i)), all));
  while (all.size() < 12) co_await world.stats();
  for (const auto& got : all) EXPECT_EQ(got.status, 200);
  const auto stats = co_await world.stats();
  EXPECT_LE(stats.at("max_in_service"), 3);
  EXPECT_EQ(stats.at("outcomes").at("200"), 12);
}
TEST(SimulatorTest, ServesThoseWhoQueueInTurn) {
  auto options = small();
  options.concurrency = 3;
  play(std::move(options), in_turn);
}

Task<void> counts(World& world) {
  co_await world.v3(eod3("IBM"));
  co_await world.v3(eod3("IBM"));
  co_await world.v3(
      "/stock/history/eod?end_date=20240331&start_date=20240301&symbol=IBM");  // the same call
  co_await world.v3("/stock/history/eod?symbol=IBM");
  const auto stats = co_await world.stats();
  EXPECT_EQ(stats.at("calls"), 4);
  EXPECT_EQ(stats.at("rendered"), 1);
  EXPECT_EQ(stats.at("outcomes"), (Json{{"200", 3}, {"400", 1}}));
  EXPECT_EQ(stats.at("by_call"),
            (Json{{"/v3/stock/history/eod?end_date=20240331&start_date=20240301&symbol=IBM",
                   {{"calls", 3}, {"pages", 0}, {"outcomes", {{"200", 3}}}}},
                  {"/v3/stock/history/eod?symbol=IBM",
                   {{"calls", 1}, {"pages", 0}, {"outcomes", {{"400", 1}}}}}}));
  EXPECT_EQ(Json::parse(world.sim->stats()).at("calls"), 4);
  const auto reset = co_await world.ask(world.sim->v3_port(), "/sim/reset", "POST", "{}");
  EXPECT_EQ(Json::parse(reset.body).at("calls"), 0);
  EXPECT_TRUE(Json::parse(reset.body).at("by_call").empty());
}
TEST(SimulatorTest, CountsEachCallAndRendersItOnce) {
  play(small(), counts);
}

Task<void> forgets(World& world) {
  co_await world.v3(quote3("AAA"));
  co_await world.v3(quote3("BBB"));
  co_await world.v3(quote3("BBB"));
  co_await world.v3(quote3("AAA"));
  const auto stats = co_await world.stats();
  EXPECT_EQ(stats.at("rendered"), 3);
  EXPECT_GT(stats.at("cache_bytes"), 0);
}
TEST(SimulatorTest, KeepsNoMoreRenderedAnswersThanItMay) {
  auto options = small();
  options.cache_bytes = 1;
  play(std::move(options), forgets);
}

Task<void> paced(World& world) {
  const auto began = world.runtime.steady_now();
  const auto got = co_await world.v3(eod3("IBM"));
  const auto took = world.runtime.steady_now() - began;
  // All but the last piece, a fiftieth of a second long, have had to wait for their turn.
  const auto least =
      std::chrono::duration<double>((static_cast<double>(got.body.size()) - 400) / 20'000);
  EXPECT_GT(got.body.size(), 1'500U);
  EXPECT_GE(took, least + 30ms);
  EXPECT_EQ(parse_csv(got.body, true).size(), 20U);
}
TEST(SimulatorTest, KeepsToLatencyAndBandwidth) {
  auto options = small();
  options.bytes_per_second = 20'000;
  options.latency = 30ms;
  play(std::move(options), paced);
}

// --- Bad days -----------------------------------------------------------------------------------

Task<void> bad_statuses(World& world) {
  for (const int status : {403, 429, 470, 471, 472, 474, 478, 500, 570, 571, 572}) {
    const auto got = co_await world.v3(quote3(fmt::format("X{}", status)));
    EXPECT_EQ(got.status, status);
    EXPECT_FALSE(got.body.empty());
  }
}
TEST(SimulatorTest, GivesTheStatusThatTheSymbolAsksFor) {
  play(small(), bad_statuses);
}

Task<void> passing(World& world) {
  for (const int status : {571, 571, 200, 200})
    EXPECT_EQ((co_await world.v3(quote3("X571.2"))).status, status);
  EXPECT_EQ((co_await world.v2(quote2("X571.2"))).status, 571);  // a call of its own
  const auto stats = co_await world.stats();
  EXPECT_EQ(stats.at("outcomes"), (Json{{"571", 3}, {"200", 2}}));
}
TEST(SimulatorTest, FaultsMayPass) {
  play(small(), passing);
}

Task<void> scoped(World& world) {
  EXPECT_EQ((co_await world.v3(quote3("IBM"))).status, 474);
  EXPECT_EQ((co_await world.v3(quote3("AIG"))).status, 200);
  EXPECT_EQ((co_await world.v3(eod3("IBM"))).status, 200);
  const auto throttled = co_await world.v2(quote2("MSFT"));
  EXPECT_EQ(throttled.status, 429);
  EXPECT_EQ(throttled.retry_after, "3");
  EXPECT_EQ((co_await world.put("faults", {{"faults", Json::array({"500"})}})).status, 200);
  EXPECT_EQ((co_await world.v3(eod3("IBM"))).status, 500);
  EXPECT_EQ((co_await world.put("faults", {{"faults", Json::array()}})).status, 200);
  EXPECT_EQ((co_await world.v3(quote3("IBM"))).status, 200);
  EXPECT_EQ((co_await world.put("faults", {{"faults", Json::array({"nonsense"})}})).status, 400);
}
TEST(SimulatorTest, FaultsHaveScopesAndCanBeChanged) {
  auto options = small();
  options.faults = {parse_fault("474@symbol=IBM,schema=quote").value(),
                    parse_fault("429=3@symbol=MSFT").value()};
  play(std::move(options), scoped);
}

Task<void> broken_transports(World& world) {
  const auto whole = co_await world.v3(quote3("IBM"));
  const auto dropped = co_await world.v3(quote3("XDROP"));
  EXPECT_EQ(dropped.status, 0);
  EXPECT_TRUE(dropped.error.has_value());
  for (const auto* const symbol : {"XRESET", "XSHORT"}) {
    const auto got = co_await world.v3(quote3(symbol));
    EXPECT_EQ(got.status, 200) << symbol;
    EXPECT_TRUE(got.error.has_value()) << symbol;
    EXPECT_LT(got.body.size(), std::stoul(got.length.value())) << symbol;
    EXPECT_EQ(got.error->code, ErrorCode::upstream_failed) << symbol;
  }
  const auto early = co_await world.v3(quote3("XSHORT"));
  EXPECT_EQ(early.body.size(), std::stoul(early.length.value()) / 2);
  for (const auto* const symbol : {"XSTALL", "XHANG"}) {
    const auto target = "/v3" + quote3(symbol);
    const auto got = co_await world.ask(world.sim->v3_port(), target, "GET", "", 100ms);
    EXPECT_TRUE(got.error.has_value()) << symbol;
  }
  // Clients that gave up hold no place.
  co_await world.until("in_service", 0);
  const auto stats = co_await world.stats();
  EXPECT_EQ(stats.at("outcomes").at("cut"), 4);
  // A client may send a call again by itself when a connection that it used before dies.
  EXPECT_GE(stats.at("outcomes").at("dropped"), 2);
  EXPECT_EQ(stats.at("outcomes").at("200"), 1);
}
TEST(SimulatorTest, BreaksTheTransport) {
  play(small(), broken_transports);
}

Task<void> bad_bodies(World& world) {
  for (const auto form : {Form::v3_csv, Form::v2_csv, Form::v2_json}) {
    const auto ask = [&](std::string_view symbol) {
      return form == Form::v3_csv ? world.v3(quote3(symbol))
                                  : world.v2(quote2(symbol, form == Form::v2_csv));
    };
    const auto rows = [form](const Got& got) {
      return (form == Form::v2_json ? parse_json(got.body)
                                    : parse_csv(got.body, form == Form::v3_csv))
          .size();
    };
    const std::size_t all = 6 * 27;
    EXPECT_EQ(rows(co_await ask("IBM")), all);
    EXPECT_EQ(rows(co_await ask("XSLOW")), all);
    const auto half = rows(co_await ask("XTRUNC"));
    EXPECT_GT(half, all / 4);
    EXPECT_LT(half, all * 3 / 4);
    EXPECT_EQ(rows(co_await ask("XHEADERONLY")), 0U);
    EXPECT_EQ(rows(co_await ask("XTWINS")), 2 * all);
    EXPECT_EQ((co_await ask("XEMPTY")).body, "");
    EXPECT_TRUE((co_await ask("XHTML")).body.starts_with("<!DOCTYPE html>"));
    EXPECT_NE((co_await ask("XNODATA200")).body.find("No data"), std::string::npos);
    EXPECT_THROW(rows(co_await ask("XCUTROW")), std::exception);
    EXPECT_THROW(rows(co_await ask("XWRONGHEADER")), std::exception);
    const auto misnamed = co_await ask("XWRONGHEADER");
    EXPECT_NE(misnamed.body.substr(0, 300).find("b1d"), std::string::npos);
    const auto columns = co_await ask("XCOLUMNS");
    if (form == Form::v2_json) {
      EXPECT_EQ(rows(columns), all);
    } else {
      EXPECT_NE(columns.body.find(",unheard_of"), std::string::npos);
      EXPECT_TRUE(
          columns.body.starts_with(form == Form::v3_csv ? "ask_condition,symbol," : "date,root,"));
    }
    for (const auto* const symbol : {"XTRUNC", "XCUTROW", "XHEADERONLY", "XWRONGHEADER"}) {
      const auto got = co_await ask(symbol);
      EXPECT_FALSE(got.error.has_value()) << symbol;  // the framing is honest
      EXPECT_EQ(got.status, 200);
    }
  }
}
TEST(SimulatorTest, BreaksTheBody) {
  auto options = small();
  options.market.contracts = {{"*", 6}};
  play(std::move(options), bad_bodies);
}

Task<void> bad_rows(World& world) {
  const auto eod = [](std::string_view symbol) {
    return fmt::format(
        "/option/history/eod?symbol={}&expiration=*&start_date=20210312&end_date=20210312", symbol);
  };
  const auto rows = parse_csv((co_await world.v3(eod("XDOUBLED"))).body, true);
  EXPECT_EQ(rows.size(), 80U);
  if (rows.size() == 80) {
    EXPECT_EQ(rows[0].first, rows[1].first);
    EXPECT_NE(rows[0].second.ms_of_day, rows[1].second.ms_of_day);
  }
  const auto zeros = parse_csv((co_await world.v3(eod3("XZEROS"))).body, true);
  EXPECT_EQ(zeros.size(), 20U);
  for (const auto& [contract, tick] : zeros) EXPECT_EQ(tick.close, 0);
  const auto history = [](std::string_view symbol) {
    return fmt::format("/stock/history/eod?symbol={}&start_date=20210308&end_date=20210319",
                       symbol);
  };
  EXPECT_EQ(parse_csv((co_await world.v3(history("IBM"))).body, false).size(), 10U);
  const auto gap = parse_csv((co_await world.v3(history("XGAP"))).body, false);
  EXPECT_EQ(gap.size(), 8U);
  for (const auto& [contract, tick] : gap)
    EXPECT_TRUE(tick.date != 20210308 && tick.date != 20210315);
  // A call whose rows are all left away has no data: 8 March was a Monday.
  const auto none =
      co_await world.v3("/stock/history/eod?symbol=XGAP&start_date=20210308&end_date=20210308");
  EXPECT_EQ(none.status, 472);
}
TEST(SimulatorTest, SpoilsTheRows) {
  play(small(), bad_rows);
}

Task<void> page_faults(World& world) {
  const auto first = co_await world.v2(quote2("XPAGEEXPIRED.1"));
  EXPECT_EQ(first.status, 200);
  EXPECT_EQ((co_await world.ask(0, first.next_page.value())).status, 477);
  const auto again = co_await world.v2(quote2("XPAGEEXPIRED.1"));
  EXPECT_EQ((co_await world.ask(0, again.next_page.value())).status, 200);

  co_await world.put("faults", {{"faults", Json::array({"reset@page=3"})}});
  auto got = co_await world.v2(quote2("IBM"));
  got = co_await world.ask(0, got.next_page.value());
  EXPECT_FALSE(got.error.has_value());
  got = co_await world.ask(0, got.next_page.value());
  EXPECT_TRUE(got.error.has_value());
}
TEST(SimulatorTest, LosesPages) {
  auto options = small();
  options.render.page_rows = 300;
  play(std::move(options), page_faults);
}

Task<void> stopped_in_the_middle(World& world) {
  std::vector<Got> cut;
  world.scope.spawn(ask_into(world, quote3("XHANG"), cut));
  world.scope.spawn(ask_into(world, quote3("XSTALL"), cut));
  co_await world.until("outstanding", 2);
  co_await world.put("state", {{"drop_all", true}});
  while (cut.size() < 2) co_await world.stats();
}
TEST(SimulatorTest, StopsWhileCallsHang) {
  play(small(), stopped_in_the_middle);
}

TEST(SimulatorTest, RefusesPortsThatAreTaken) {
  net::AsioRuntime runtime(1, 1);
  auto first = Simulator::open(runtime, small());
  ASSERT_TRUE(first);
  for (int which = 0; which < 2; ++which) {
    auto options = small();
    (which == 0 ? options.v3_port : options.v2_port) = (*first)->v2_port();
    const auto second = Simulator::open(runtime, std::move(options));
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, ErrorCode::conflict);
  }
  auto twice = small();
  twice.v3_port = twice.v2_port = 1;
  EXPECT_FALSE(Simulator::open(runtime, std::move(twice)));
  auto recordings = small();
  recordings.replay = "/nowhere";
  EXPECT_EQ(Simulator::open(runtime, std::move(recordings)).error().code,
            ErrorCode::invalid_request);
  runtime.run((*first)->stop());
}

// --- Recordings
// -----------------------------------------------------------------------------------

Task<void> recorded(World& world) {
  // A stock's bars need no gzip: zlib reads plain files too.
  const auto got = co_await world.v3("/stock/history/ohlc?symbol=OWN&date=20240312&interval=1h");
  EXPECT_EQ(got.body,
            "timestamp,open,high,low,close,volume,count,vwap\r\n"
            "2024-03-12T09:30:00,1.50,2.00,1.00,1.75,10,3,1.58\r\n");
  const auto json = co_await world.v2(
      "/hist/stock/ohlc?root=OWN&start_date=20240312&end_date=20240312&ivl=3600000");
  EXPECT_EQ(parse_json(json.body), parse_csv(got.body, true));
  EXPECT_EQ((co_await world.v3("/stock/history/ohlc?symbol=OWN&date=20240312&interval=5m")).status,
            472);
  EXPECT_EQ((co_await world.v3(eod3("IBM"))).status, 472);
  EXPECT_EQ((co_await world.put("options", {{"today", "20240701"}})).status, 200);
}
Task<void> recorded_or_market(World& world) {
  EXPECT_EQ(
      parse_csv(
          (co_await world.v3("/stock/history/ohlc?symbol=OWN&date=20240312&interval=1h")).body,
          true)
          .size(),
      1U);
  EXPECT_EQ((co_await world.v3(eod3("IBM"))).status, 200);
}
TEST(SimulatorTest, ServesRecordings) {
  std::string folder = (std::filesystem::temp_directory_path() / "betedge-sim-XXXXXX").string();
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  std::ofstream(folder + "/manifest.json")
      << R"({"responses":[{"endpoint":"/v2/hist/stock/ohlc","params":{"root":"OWN","start_date":20240312,)"
      << R"("end_date":20240312,"ivl":3600000},"file":"own.json"}]})";
  std::ofstream(folder + "/own.json")
      << R"({"header":{"format":["ms_of_day","open","high","low","close","volume","count","date"]},)"
      << R"("response":[[34200000,1.5,2.0,1.0,1.75,10,3,20240312]]})";
  auto options = small();
  options.replay = folder;
  play(options, recorded);
  options.replay_falls_back = true;
  play(options, recorded_or_market);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace betedge::sim
