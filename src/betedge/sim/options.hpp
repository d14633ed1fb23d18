#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "betedge/sim/faults.hpp"
#include "betedge/sim/market.hpp"
#include "betedge/sim/render.hpp"

namespace betedge::sim {

// How a simulated terminal behaves. The defaults are a well-behaved one on the vendor's own ports.
struct SimOptions {
  std::uint16_t v3_port = 25503;  // 0 takes a free one
  std::uint16_t v2_port = 25510;
  std::optional<std::uint16_t>
      control_port;  // serves /sim, and earnings, also while the terminal is gone
  std::chrono::milliseconds latency{0};             // before the first byte of a data call
  std::uint64_t bytes_per_second = 0;               // of each answer; 0: as fast as it goes
  std::size_t concurrency = 4;                      // data calls in service, over both ports
  std::size_t queue = 16;                           // data calls that wait for that; more are 429
  std::optional<std::chrono::seconds> retry_after;  // said with 429
  std::chrono::milliseconds starting{0};            // 571 for so long after each start
  std::chrono::milliseconds restart_every{0};       // goes away by itself so often; 0: never
  std::chrono::milliseconds restart_takes{2'000};   // and is gone for so long
  std::size_t too_large = 0;                        // 570 for a call of more rows; 0: never
  MarketOptions market;
  std::optional<Date> today;     // this and later days are not over; nullopt: New York's today
  std::filesystem::path replay;  // empty: the market
  std::filesystem::path earnings_replay;  // a folder of recorded calendar days; empty: the market's
  bool replay_falls_back = false;         // to the market, for what was not recorded
  RenderOptions render;
  bool chain_spans = false;  // expiration=* over more than a day, instead of refusing it
  std::chrono::milliseconds page_expire{10'000};
  std::string page_host;                   // what Next-Page names; empty: 127.0.0.1 and the v2 port
  std::uint64_t cache_bytes = 1ULL << 30;  // of rendered answers kept
  std::vector<Fault> faults;
};

// An option as the command line shows it, without its dashes.
struct SimOption {
  std::string_view name;
  std::string_view value;  // what stands for the value: "MS"
  std::string_view help;
  std::string_view default_text;
  bool repeats = false;
  bool live = false;  // may be changed while it runs, by PUT /sim/options
};

std::span<const SimOption> options();

// Sets an option from its text; a repeating one adds. invalid_request: there is no such option, or
// the text is none for it.
Result<void> set(SimOptions& options, std::string_view name, std::string_view text);

}  // namespace betedge::sim
