#pragma once

#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "betedge/engine/call_runner.hpp"
#include "betedge/engine/memory_budget.hpp"
#include "betedge/engine/upstream_watch.hpp"
#include "betedge/ports/job_store.hpp"
#include "betedge/ports/log.hpp"
#include "betedge/ports/metrics.hpp"
#include "betedge/ports/object_store.hpp"
#include "betedge/ports/source.hpp"

namespace betedge::columnar {
struct FileSummary;
}

namespace betedge::engine {

// Runs claimed fetches from their calls to their objects: looks whether what lies there will do,
// asks the source, decodes while bytes arrive, writes, and publishes each object whole. Fetches of
// one batch are brought by one call over all of their days. Holds nothing between runs.
//
// Of a batch, a day that has no rows in an answer with others is asked for alone before it is taken
// to have none; an answer that is refused or cannot be read is asked for again in halves, so that a
// bad day fails alone. An error leaves the lake as it was, and is for the scheduler to judge
// (core/retry.hpp); `fenced` when the fence is lost before the publish, or when somebody else has
// written the object meanwhile. Ends soon after stop is asked for, with `cancelled`.
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
      : ports_(ports), lease_(lease), layout_(layout), calls_(ports.source, ports.upstream) {}

  // One result a fetch, in their order.
  Task<std::vector<Result<FetchOutcome>>> run(std::vector<ClaimedFetch> batch,
                                              std::stop_token stop);

 private:
  struct Target;  // one fetch of a run
  using Targets = std::span<Target* const>;

  Task<Result<void>> look_at(Target& target, std::stop_token stop);
  Task<Result<void>> adopt(Target& target, ObjectInfo found, std::stop_token stop);
  Task<void> bring(Targets targets, std::stop_token stop);
  Task<void> bring_together(Targets targets, std::stop_token stop);
  static void fail_all(Targets targets, const Error& error);
  Task<void> bring_alone(Target& target, std::stop_token stop);
  Task<Result<void>> bring_calls(Target& target, Drafts& drafts, std::stop_token stop);
  Task<Result<FetchOutcome>> publish(Target& target, Drafts& drafts, std::size_t object,
                                     std::size_t objects_of_the_call, std::stop_token stop);
  Result<std::unique_ptr<Drafts>> drafts_of(Targets targets);
  FetchOutcome no_data(const Target& target, std::string reason, std::string note);
  void count(const Target& target, const columnar::FileSummary& summary, std::size_t missing);

  Ports ports_;
  std::chrono::milliseconds lease_;
  Layout layout_;
  CallRunner calls_;
};

}  // namespace betedge::engine
