#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "betedge/net/asio_runtime.hpp"
#include "betedge/ports/task.hpp"
#include "betedge/sim/options.hpp"

namespace betedge::sim {

// A ThetaData terminal that is none: v3 and v2 at once, on two ports of 127.0.0.1, over one market
// or one folder of recordings, with the account's limit shared by both and with bad days on demand
// (docs/simulator.md). NASDAQ's earnings calendar is served on each of the ports too. /sim on each
// port counts what was asked and changes how it behaves.
//
// Belongs to the runtime's loop thread. stop() it, and await that, before dropping it.
class Simulator {
 public:
  // Begins to listen. invalid_request: the recordings cannot be read; conflict: a port is taken.
  static Result<std::unique_ptr<Simulator>> open(net::AsioRuntime& runtime, SimOptions options);
  ~Simulator();

  std::uint16_t v3_port() const;
  std::uint16_t v2_port() const;
  std::optional<std::uint16_t> control_port() const;  // nullopt when there is none

  // What GET /sim/stats answers: JSON.
  std::string stats() const;

  // Cuts what is being answered, stops listening, and waits until nothing runs any more. Once.
  Task<void> stop();

 private:
  struct Impl;
  explicit Simulator(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace betedge::sim
