#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "betedge/core/job.hpp"
#include "betedge/ports/runtime.hpp"
#include "betedge/wire/job.hpp"

namespace betedge::cli {

// How a running job stands, as a bar shows it.
struct Progress {
  ItemCounts items;
  std::uint64_t completed = 0;
  std::uint64_t total = 0;
  double percentage = 0;
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;
  std::optional<double> bytes_per_second;
  std::optional<std::chrono::seconds> left;
  std::string note;  // why nothing moves; empty while things move
};

// How fast a job goes, from how it stood before: over the last minute, or since we look.
class Speed {
 public:
  // The job as it stands at `now`, which never goes back.
  Progress look(const wire::JobView& job, SteadyTime now);

 private:
  struct Sample {
    SteadyTime time;
    std::uint64_t bytes;
    std::uint32_t worked;  // items ended by work; skipping takes no time
  };
  std::deque<Sample> samples_;
};

struct BarStyle {
  bool color = false;
  bool unicode = false;
};

// One line of at most `columns` columns, without its end: the bar fills what the numbers leave, and
// where that is too little, numbers go, the least telling first. Any width; from 40 all is
// readable.
std::string bar_line(const Progress& progress, std::size_t columns, BarStyle style);

// The same for a log file: "12 of 21 items (57%): 9 written, 2 skipped; 1,234 rows, 84.1 MB, …".
std::string plain_line(const Progress& progress);

}  // namespace betedge::cli
