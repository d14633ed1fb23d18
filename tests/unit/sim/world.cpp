#include "unit/sim/world.hpp"

#include <gtest/gtest.h>

#include "unit/sim/rows.hpp"

namespace betedge::sim {

namespace {

Task<void> play_in(World& world, Play play) {
  co_await play(world);
  co_await world.scope.close();
  co_await world.sim->stop();
}

const std::string kQuote3 =
    "/option/history/quote?symbol={}&expiration=*&date=20240312&interval=15m&format=csv";
const std::string kQuote2 =
    "/bulk_hist/option/"
    "quote?root={}&exp=0&start_date=20240312&end_date=20240312&ivl=900000&use_csv={}";
const std::string kEod3 = "/stock/history/eod?symbol={}&start_date=20240301&end_date=20240331";

}  // namespace

SimOptions small() {
  SimOptions options;
  options.v3_port = options.v2_port = 0;
  options.market.contracts = {{"*", 40}};
  options.today = day(2024, 7, 1);
  return options;
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

std::string quote3(std::string_view symbol) {
  return fmt::format(fmt::runtime(kQuote3), symbol);
}
std::string quote2(std::string_view symbol, bool csv) {
  return fmt::format(fmt::runtime(kQuote2), symbol, csv);
}
std::string eod3(std::string_view symbol) {
  return fmt::format(fmt::runtime(kEod3), symbol);
}

}  // namespace betedge::sim
