#include "betedge/sim/simulator.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "betedge/net/http_client.hpp"
#include "betedge/ports/async.hpp"
#include "unit/sim/rows.hpp"

namespace betedge::sim {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::json;

struct Got {
  int status = 0;  // 0: no answer at all
  std::string body;
  std::optional<Error> error;  // of the exchange or of its body
  std::optional<std::string> next_page;
  std::optional<std::string> retry_after;
  std::optional<std::string> length;
};

// A simulator on free ports and a client, in one loop.
class World {
 public:
  explicit World(net::AsioRuntime& runtime_in, std::unique_ptr<net::HttpClient> client_in,
                 std::unique_ptr<Simulator> simulator)
      : runtime(runtime_in),
        client(std::move(client_in)),
        sim(std::move(simulator)),
        scope(runtime) {}

  Task<Got> ask(std::uint16_t port, std::string target, std::string method = "GET",
                std::string body = "", std::chrono::milliseconds patience = 20'000ms) {
    net::HttpRequest request;
    request.method = std::move(method);
    request.url =
        target.starts_with("http") ? target : fmt::format("http://127.0.0.1:{}{}", port, target);
    request.body = std::move(body);
    request.idle_timeout = patience;
    auto sent = co_await client->send(std::move(request), {});
    Got got;
    if (!sent) {
      got.error = sent.error();
      co_return got;
    }
    auto response = *std::move(sent);
    got.status = response->status();
    got.next_page = response->header("Next-Page");
    got.retry_after = response->header("Retry-After");
    got.length = response->header("Content-Length");
    while (true) {
      auto bytes = co_await response->next();
      if (!bytes) got.error = bytes.error();
      if (!bytes || bytes->empty()) break;
      got.body += as_text(*bytes);
    }
    co_return got;
  }
  Task<Got> v3(std::string target) { return ask(sim->v3_port(), "/v3" + std::move(target)); }
  Task<Got> v2(std::string target) { return ask(sim->v2_port(), "/v2" + std::move(target)); }

  Task<Json> stats() {
    const auto got = co_await ask(sim->v3_port(), "/sim/stats");
    co_return Json::parse(got.body);
  }
  Task<Got> put(std::string what, Json body) {
    return ask(sim->v2_port(), "/sim/" + what, "PUT", body.dump());
  }
  // Until the count of that name is what is said. Each look is a whole exchange, so others get on.
  Task<void> until(std::string name, std::size_t value) {
    while (true) {
      const auto now = co_await stats();
      if (now.at(name).get<std::size_t>() == value) co_return;
    }
  }

  net::AsioRuntime& runtime;
  std::unique_ptr<net::HttpClient> client;
  std::unique_ptr<Simulator> sim;
  TaskScope scope;
};

SimOptions small() {
  SimOptions options;
  options.v3_port = options.v2_port = 0;
  options.market.contracts = {{"*", 40}};
  options.today = day(2024, 7, 1);
  return options;
}

using Play = Task<void> (*)(World&);

Task<void> play_in(World& world, Play play) {
  co_await play(world);
  co_await world.scope.close();
  co_await world.sim->stop();
}

void play(SimOptions options, Play what) {
  net::AsioRuntime runtime(2, 2);
  auto client = net::make_http_client(runtime);
  ASSERT_TRUE(client);
  auto sim = Simulator::open(runtime, std::move(options));
  ASSERT_TRUE(sim) << sim.error().message;
  World world(runtime, *std::move(client), *std::move(sim));
  runtime.run(play_in(world, what));
}

const std::string kQuote3 =
    "/option/history/quote?symbol={}&expiration=*&date=20240312&interval=15m&format=csv";
const std::string kQuote2 =
    "/bulk_hist/option/"
    "quote?root={}&exp=0&start_date=20240312&end_date=20240312&ivl=900000&use_csv={}";
const std::string kEod3 = "/stock/history/eod?symbol={}&start_date=20240301&end_date=20240331";

std::string quote3(std::string_view symbol) {
  return fmt::format(fmt::runtime(kQuote3), symbol);
}
std::string quote2(std::string_view symbol, bool csv = true) {
  return fmt::format(fmt::runtime(kQuote2), symbol, csv);
}
std::string eod3(std::string_view symbol) {
  return fmt::format(fmt::runtime(kEod3), symbol);
}

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

// --- The terminal goes and comes
// ------------------------------------------------------------------

Task<void> states(World& world) {
  struct Case {
    std::string terminal;
    int status;
    std::string says;
    int data_status;
  };
  for (const auto& tested :
       {Case{"starting", 571, "The server is starting.", 571},
        Case{"disconnected", 200, "DISCONNECTED", 474}, Case{"kicked", 200, "UNVERIFIED", 478},
        Case{"wrong-ip", 476, ":The terminal was first used from another address.", 476},
        Case{"down", 0, "", 0}, Case{"up", 200, "CONNECTED", 200}}) {
    EXPECT_EQ((co_await world.put("state", {{"terminal", tested.terminal}})).status, 200);
    const auto status = co_await world.v3("/terminal/mdds/status");
    EXPECT_EQ(status.status, tested.status) << tested.terminal;
    EXPECT_EQ(status.body, tested.says);
    EXPECT_EQ((co_await world.v3(eod3("IBM"))).status, tested.data_status) << tested.terminal;
    EXPECT_EQ((co_await world.stats()).at("terminal"), tested.terminal);
  }
}
TEST(SimulatorTest, TheTerminalCanBeTakenAway) {
  play(small(), states);
}

Task<void> starts_slowly(World& world) {
  EXPECT_EQ((co_await world.v3(eod3("IBM"))).status, 571);
  EXPECT_EQ((co_await world.v2("/system/mdds/status")).status, 571);
}
TEST(SimulatorTest, StartsForAsLongAsItIsTold) {
  auto options = small();
  options.starting = 1h;
  play(std::move(options), starts_slowly);
}

Task<void> starts_again(World& world) {
  EXPECT_EQ((co_await world.put("options", {{"starting", "1h"}})).status, 200);
  EXPECT_EQ((co_await world.v3("/terminal/mdds/status")).status, 571);
  EXPECT_EQ((co_await world.put("options", {{"starting", "0ms"}})).status, 200);
  EXPECT_EQ((co_await world.v3("/terminal/mdds/status")).status, 200);
  // Gone and back is a new process.
  EXPECT_EQ((co_await world.put("options", {{"starting", "60s"}})).status, 200);
  EXPECT_EQ((co_await world.put("state", {{"terminal", "gone"}, {"for_ms", 1}})).status, 200);
  int status = 200;
  while (status == 200 || status == 0) status = (co_await world.v3("/terminal/mdds/status")).status;
  EXPECT_EQ(status, 571);
}
TEST(SimulatorTest, StartsAgainAfterItWasGone) {
  play(small(), starts_again);
}

Task<void> restarts(World& world) {
  for (int round = 0; round < 2; ++round) {
    while ((co_await world.v3("/terminal/mdds/status")).status == 200) {
    }
    while ((co_await world.v3("/terminal/mdds/status")).status != 200) {
    }
  }
}
TEST(SimulatorTest, RestartsByItselfWhenToldTo) {
  auto options = small();
  options.restart_every = 100ms;
  options.restart_takes = 20ms;
  play(std::move(options), restarts);
}

// By size, so that smaller calls have what a large one is refused: of fewer days, of a part of the
// day, of one expiration (THETA.md 1.8).
Task<void> too_large(World& world) {
  EXPECT_EQ((co_await world.v3(eod3("IBM"))).status, 200);
  const auto refused = co_await world.v3(quote3("IBM"));
  EXPECT_EQ(refused.status, 570);
  EXPECT_FALSE(refused.body.empty());
  EXPECT_EQ((co_await world.v2(quote2("IBM"))).status, 570);
  EXPECT_EQ((co_await world.v2(quote2("IBM", false))).status, 570);

  Rows in_parts;
  const auto take = [&](const Got& got) {
    EXPECT_EQ(got.status, 200);
    const auto rows = parse_csv(got.body, true);
    in_parts.insert(in_parts.end(), rows.begin(), rows.end());
  };
  const auto list = (co_await world.v3("/option/list/expirations?symbol=IBM")).body;
  std::size_t expirations = 0;
  for (auto at = list.find("IBM,"); at != std::string::npos; at = list.find("IBM,", at + 1)) {
    const auto expiration = list.substr(at + 4, 10);
    if (expiration < "2024-03-12") continue;
    const auto got = co_await world.v3(
        "/option/history/quote?symbol=IBM&date=20240312&interval=15m&expiration=" + expiration);
    if (got.status == 472) continue;
    ++expirations;
    take(got);
  }
  EXPECT_GT(expirations, 1U);
  EXPECT_EQ(in_parts.size(), 40U * 27);

  const auto by_hours = std::exchange(in_parts, {});
  take(co_await world.v3(quote3("IBM") + "&start_time=09:30:00&end_time=10:00:00"));
  EXPECT_EQ(in_parts.size(), 40U * 3);

  EXPECT_EQ((co_await world.put("options", {{"too-large", "0"}})).status, 200);
  EXPECT_EQ(parse_csv((co_await world.v3(quote3("IBM"))).body, true), by_hours);
  const auto stats = co_await world.stats();
  EXPECT_EQ(stats.at("outcomes").at("570"), 3);
  EXPECT_EQ(stats.at("by_endpoint").at("/v3/stock/history/eod"), 1);
  EXPECT_EQ(stats.at("by_endpoint").at("/v3/option/list/expirations"), 1);
  EXPECT_EQ(stats.at("by_endpoint").at("/v2/bulk_hist/option/quote"), 2);
}
TEST(SimulatorTest, RefusesCallsOfMoreRowsThanItIsTold) {
  auto options = small();
  options.too_large = 600;
  play(std::move(options), too_large);
}

Task<void> spans(World& world) {
  // Stock rows of a month are one call, in both protocols.
  const auto three = co_await world.v3(
      "/stock/history/ohlc?symbol=IBM&start_date=20240301&end_date=20240331&interval=1m");
  const auto bars = parse_csv(three.body, true);
  EXPECT_EQ(bars.size(), 20U * 390);
  const auto two = co_await world.v2(
      "/hist/stock/ohlc?root=IBM&start_date=20240301&end_date=20240331&ivl=60000&use_csv=true");
  EXPECT_EQ(parse_csv(two.body, false), bars);
  // A chain's are not, unless it is told to.
  const auto chain3 =
      "/option/history/eod?symbol=IBM&expiration=*&start_date=20240301&end_date=20240331";
  const auto chain2 =
      "/bulk_hist/option/eod?root=IBM&exp=0&start_date=20240301&end_date=20240331&use_csv=true";
  EXPECT_EQ((co_await world.v3(chain3)).status, 400);
  EXPECT_EQ((co_await world.v2(chain2)).status, 473);
  EXPECT_EQ((co_await world.put("options", {{"chain-span", "any"}})).status, 200);
  const auto month = parse_csv((co_await world.v3(chain3)).body, true);
  std::map<std::uint32_t, std::size_t> by_day;
  for (const auto& [contract, tick] : month) ++by_day[tick.date];
  EXPECT_EQ(by_day.size(), 20U);
  for (const auto& [date, count] : by_day) EXPECT_EQ(count, 40U) << date;
  EXPECT_EQ(parse_csv((co_await world.v2(chain2)).body, false), month);
}
TEST(SimulatorTest, ServesMonthsInOneCall) {
  play(small(), spans);
}

Task<void> gone_and_back(World& world) {
  const auto control = world.sim->control_port().value();
  const auto put = [&](Json body) { return world.ask(control, "/sim/state", "PUT", body.dump()); };
  EXPECT_EQ((co_await world.ask(control, "/v3/terminal/mdds/status")).status, 404);
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ((co_await put({{"terminal", "gone"}})).status, 200);
    for (const auto port : {world.sim->v3_port(), world.sim->v2_port()}) {
      const auto refused = co_await world.ask(port, "/v3/terminal/mdds/status");
      EXPECT_TRUE(refused.error.has_value());
      if (refused.error) EXPECT_EQ(refused.error->code, ErrorCode::upstream_unavailable);
    }
    EXPECT_EQ((co_await put({{"terminal", "up"}})).status, 200);
    EXPECT_EQ((co_await world.v3(eod3("IBM"))).status, 200);
    EXPECT_EQ((co_await world.v2("/system/mdds/status")).body, "CONNECTED");
  }
}
TEST(SimulatorTest, TheTerminalCanEvenStopListening) {
  auto options = small();
  options.control_port = 0;
  play(std::move(options), gone_and_back);
}

Task<void> gone_for_a_while(World& world) {
  EXPECT_EQ((co_await world.put("state", {{"terminal", "gone"}})).status, 400);  // no way back
  EXPECT_EQ((co_await world.put("state", {{"terminal", "gone"}, {"for_ms", 50}})).status, 200);
  while ((co_await world.v3("/terminal/mdds/status")).status != 200) {
  }
  EXPECT_EQ((co_await world.put("state", {{"terminal", "kicked"}, {"for_ms", 1}})).status, 200);
  while ((co_await world.v3("/terminal/mdds/status")).body != "CONNECTED") {
  }
}
TEST(SimulatorTest, TheTerminalMayComeBackByItself) {
  play(small(), gone_for_a_while);
}

Task<void> bad_controls(World& world) {
  EXPECT_EQ((co_await world.ask(world.sim->v3_port(), "/sim")).status, 404);
  for (const auto& [what, body] : std::initializer_list<std::pair<std::string, Json>>{
           {"state", {{"terminal", "asleep"}}},
           {"state", {{"mood", "bad"}}},
           {"state", {{"terminal", "up"}, {"for_ms", 5}}},
           {"options", {{"seed", "3"}}},
           {"options", {{"latency", 5}}},
           {"options", {{"latency", "soon"}}},
           {"faults", {{"fault", "drop"}}}}) {
    const auto got = co_await world.put(what, body);
    EXPECT_EQ(got.status, 400) << body.dump();
    EXPECT_TRUE(Json::parse(got.body).contains("error"));
  }
  EXPECT_EQ((co_await world.ask(world.sim->v3_port(), "/sim/state", "PUT", "no JSON")).status, 400);
}
TEST(SimulatorTest, RefusesControlsThatItDoesNotKnow) {
  play(small(), bad_controls);
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
