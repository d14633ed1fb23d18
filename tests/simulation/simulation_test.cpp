#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <random>

#include "simulation/world.hpp"

// The whole engine in one thread, in a world whose delays, faults and crashes come from a seed,
// held against the rules of a history checker: what was acknowledged is there after any crash and
// ends; each of its items is what the vendor's truth says; no object is torn, missing unsaid,
// without an item, or published again after it was done; progress never falls.
namespace betedge::simulation {
namespace {

using namespace std::chrono_literals;

// How many seeds: 100 unless BETEDGE_SEEDS says otherwise; BETEDGE_SEED runs that one alone.
std::vector<std::uint64_t> seeds() {
  if (const auto* one = std::getenv("BETEDGE_SEED")) return {std::strtoull(one, nullptr, 10)};
  const auto* count = std::getenv("BETEDGE_SEEDS");
  std::vector<std::uint64_t> all(count ? std::strtoull(count, nullptr, 10) : 100);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = i + 1;
  return all;
}

class Draw {
 public:
  explicit Draw(std::uint64_t seed) : chance_(seed * 0x9e3779b97f4a7c15ULL) {}
  std::uint64_t below(std::uint64_t limit) { return chance_() % limit; }
  double share(double most) { return most * static_cast<double>(below(1001)) / 1000.0; }

 private:
  std::mt19937_64 chance_;
};

HistoricalRequest draw_request(Draw& draw) {
  static constexpr std::array kRoots{"AAA", "BBB", "CCC", "DDD", "EEE", "FFF", "GONE", "DENIED"};
  HistoricalRequest request{.kind = draw.below(2) == 0 ? Kind::option : Kind::stock,
                            .root = *Symbol::parse(kRoots[draw.below(kRoots.size())]),
                            .dates = {}};
  request.schema = std::array{Schema::quote, Schema::ohlc, Schema::eod}[draw.below(3)];
  if (request.schema != Schema::eod) request.interval = 15min;
  const Date first = Date{std::chrono::year{2024} / 1 / 2} + std::chrono::days{draw.below(300)};
  request.dates = {first, first + std::chrono::days{draw.below(25)}};
  return request;
}

class Simulation : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(Simulation, KeepsEveryPromiseThroughFaultsAndCrashes) {
  Draw draw(GetParam());
  const Weather weather{.call_fault = draw.share(0.08),
                        .lake_fault = draw.share(0.03),
                        .outage = draw.below(3) == 0 ? draw.share(0.5) : 0,
                        .latency = 1ms * (1 + draw.below(200))};
  std::vector<HistoricalRequest> requests;
  for (std::uint64_t i = 0; i < 1 + draw.below(4); ++i) requests.push_back(draw_request(draw));

  const auto base =
      std::filesystem::temp_directory_path() /
      ("betedge-simulation-" + std::to_string(::getpid()) + "-" + std::to_string(GetParam()));
  std::filesystem::create_directories(base);
  Memory memory;
  const auto crashes = draw.below(4);
  bool ended = false;
  for (std::uint64_t life = 0; life <= crashes && !ended; ++life) {
    const auto store = base / (std::to_string(life) + ".db");
    if (life != 0) {
      // What a killed process leaves: the files as they are, its locks gone.
      const auto before = base / (std::to_string(life - 1) + ".db");
      for (const auto* part : {"", "-wal"}) {
        if (!std::filesystem::exists(before.string() + part)) continue;
        std::filesystem::copy_file(before.string() + part, store.string() + part);
      }
    }
    const bool is_last = life == crashes;
    Life server(GetParam() * 1'000 + life, weather, memory, store.string(),
                life == 0 ? requests : std::vector<HistoricalRequest>{});
    ended = server.live(is_last ? 50'000'000 : draw.below(3'000));
  }
  std::filesystem::remove_all(base);
  EXPECT_TRUE(ended);
  EXPECT_THAT(memory.violations, ::testing::IsEmpty()) << "BETEDGE_SEED=" << GetParam();
}

INSTANTIATE_TEST_SUITE_P(Seeds, Simulation, ::testing::ValuesIn(seeds()),
                         [](const auto& tested) { return std::to_string(tested.param); });

}  // namespace
}  // namespace betedge::simulation
