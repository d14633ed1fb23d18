#pragma once

#include <memory>
#include <span>
#include <string>

#include "betedge/core/request.hpp"
#include "betedge/core/rollout.hpp"
#include "betedge/engine/data_processing_service.hpp"
#include "betedge/engine/lake_service.hpp"
#include "betedge/net/http_server.hpp"
#include "betedge/ports/log.hpp"
#include "betedge/ports/metrics.hpp"
#include "betedge/ports/runtime.hpp"
#include "betedge/server/guard.hpp"
#include "betedge/server/router.hpp"

namespace betedge::server {

// The HTTP contract (API.md) in front of the service: bodies and queries in, answers out,
// one request_received event each. On the loop's thread; all given outlive it.
//
// It begins closed: everything that needs the service is 503 until open(), and submissions are 503
// again after drain().
class Api {
 public:
  struct Options {
    std::string version;                 // betedge's own, for "/"
    Existing existing = Existing::keep;  // FORCE_REFRESH: for requests that say nothing
  };
  Api(Runtime& runtime, engine::DataProcessingService& service, engine::LakeService& lake, Log& log,
      Guard& guard, Options options, Metrics& metrics = no_metrics());
  ~Api();

  // From now on; until then, a new install's.
  void set_rollout(RolloutSettings rollout);

  void open();
  // Held requests are answered with 503, streams end.
  void drain();
  // After the HTTP server has stopped: returns when nothing of it is left running. Once.
  Task<void> close();

  // Everything that can be asked for, in one table: routing, 404, 405 with Allow and HEAD come from
  // it.
  static std::span<const Endpoint> endpoints();

  // Never throws: what a handler lets out becomes 500 INTERNAL_ERROR.
  Task<net::ServerResponse> handle(net::ServerRequest request);

  // The answer to what never reached a handler: a request that is no HTTP, too large or too slow.
  static net::ServerResponse refusal(int status, std::string_view reason);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace betedge::server
