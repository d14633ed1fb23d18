#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "betedge/engine/data_processing_service.hpp"
#include "simulation/fake_market.hpp"

namespace betedge::simulation {

// How bad a world is; drawn from its seed.
struct Weather {
  double call_fault = 0;  // of a call: reset, cut short, garbled, throttled, general error
  double lake_fault = 0;  // of a write or commit; half of the failing commits happened all the same
  double outage = 0;      // share of time in which the terminal is gone
  std::chrono::milliseconds latency{50};  // a call takes up to this long
};

// What goes on through every crash: the truth, the lake, and what was promised to clients.
struct Memory {
  FakeMarket market;
  std::map<ObjectKey, Bytes> lake;  // what was committed, whole
  struct Promise {
    HistoricalRequest request;
    std::uint32_t completed = 0;  // the most that was ever seen
    std::uint64_t version = 0;
  };
  std::map<JobId, Promise> promised;      // acknowledged with a job id
  std::map<std::string, int> items_done;  // "job item" → how often it was said to be done
  std::set<std::string> done_keys;        // published and acknowledged
  std::vector<std::string> violations;    // of the rules; must stay empty
};

// One life of the server, from start to a crash or to the end of all its jobs.
class Life {
 public:
  Life(std::uint64_t seed, Weather weather, Memory& memory, std::string store_path,
       std::vector<HistoricalRequest> to_submit);
  ~Life();

  // Lets it live for so many steps; true when all jobs have ended, were checked against the truth,
  // and it has closed.
  bool live(std::uint64_t steps);

 private:
  struct World;
  std::unique_ptr<World> world_;
};

}  // namespace betedge::simulation
