#include <gtest/gtest.h>

#include <map>
#include <utility>

#include "unit/sim/rows.hpp"
#include "unit/sim/world.hpp"

namespace betedge::sim {
namespace {

using namespace std::chrono_literals;

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
TEST(TerminalTest, TheTerminalCanBeTakenAway) {
  play(small(), states);
}

Task<void> starts_slowly(World& world) {
  EXPECT_EQ((co_await world.v3(eod3("IBM"))).status, 571);
  EXPECT_EQ((co_await world.v2("/system/mdds/status")).status, 571);
}
TEST(TerminalTest, StartsForAsLongAsItIsTold) {
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
TEST(TerminalTest, StartsAgainAfterItWasGone) {
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
TEST(TerminalTest, RestartsByItselfWhenToldTo) {
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
TEST(TerminalTest, RefusesCallsOfMoreRowsThanItIsTold) {
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
TEST(TerminalTest, ServesMonthsInOneCall) {
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
TEST(TerminalTest, TheTerminalCanEvenStopListening) {
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
TEST(TerminalTest, TheTerminalMayComeBackByItself) {
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
TEST(TerminalTest, RefusesControlsThatItDoesNotKnow) {
  play(small(), bad_controls);
}

}  // namespace
}  // namespace betedge::sim
