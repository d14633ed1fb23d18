#pragma once

#include <memory>
#include <span>
#include <stop_token>
#include <string>

#include "betedge/engine/memory_budget.hpp"
#include "betedge/engine/upstream_watch.hpp"
#include "betedge/ports/job_store.hpp"
#include "betedge/ports/log.hpp"
#include "betedge/ports/metrics.hpp"
#include "betedge/ports/object_store.hpp"
#include "betedge/ports/source.hpp"

namespace betedge::columnar {
class ObjectEncoder;
}

namespace betedge::engine {

// Runs one claimed fetch from its calls to its object: asks the source, decodes while bytes arrive,
// writes, and publishes the object whole. Holds nothing between fetches.
//
// An error leaves the lake as it was, and is for the scheduler to judge (core/retry.hpp); a fence
// that is lost before the publish is `fenced`. Ends soon after stop is asked for, with `cancelled`.
class FetchRunner {
 public:
  struct Ports {
    Runtime& runtime;
    JobStore& jobs;
    ObjectStore& lake;
    Source& source;
    Log& log;
    MemoryBudget& memory;
    UpstreamWatch& upstream;
    Metrics& metrics = no_metrics();
  };
  // Files are written in this layout, of kinds that have the choice.
  FetchRunner(Ports ports, std::chrono::milliseconds lease, Layout layout)
      : ports_(ports), lease_(lease), layout_(layout) {}

  Task<Result<FetchOutcome>> run(ClaimedFetch fetch, std::stop_token stop);

 private:
  struct Work;
  enum class Data : std::uint8_t { some, none };

  static std::string note_of(const Work& work, std::span<const Date> days);
  Task<Result<FetchOutcome>> download(Work& work);
  static std::size_t sessions_missing(const Work& work, std::span<const Date> days);
  void count_what_is_missing(const Work& work, std::span<const Date> days);
  Task<Result<Data>> take_answer(Work& work, Call call);
  Task<Result<void>> write_output(Work& work, Bytes output);

  Ports ports_;
  std::chrono::milliseconds lease_;
  Layout layout_;
};

}  // namespace betedge::engine
