#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "betedge/ports/metrics.hpp"
#include "betedge/ports/runtime.hpp"

namespace betedge::app {

// The program's metrics, kept by prometheus-cpp; with them what the system says of this process and
// of the disks, read at each scrape. Those without labels are there from the start.
//
// `disks`: what the space is told of, by the value of its label: {"lake": "/home/ann/lake"}. One
// that cannot be read is left out of the scrape, so that it is missing and not wrong. `runtime`
// outlives it; scrape() reads off the loop's thread what may block.
std::unique_ptr<Metrics> make_metrics(Runtime& runtime, std::string version,
                                      std::map<std::string, std::filesystem::path> disks);

}  // namespace betedge::app
