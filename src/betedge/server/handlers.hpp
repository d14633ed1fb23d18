#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "betedge/core/rollout.hpp"
#include "betedge/engine/data_processing_service.hpp"
#include "betedge/engine/lake_service.hpp"
#include "betedge/net/http_server.hpp"
#include "betedge/ports/log.hpp"
#include "betedge/ports/metrics.hpp"
#include "betedge/server/api.hpp"
#include "betedge/server/event_feeds.hpp"
#include "betedge/server/guard.hpp"
#include "betedge/server/router.hpp"

// What stands behind each endpoint: Api's inside, and nobody else's.
namespace betedge::server {

// A request on its way, and what its log line and its metrics will say of it.
struct RequestInHand {
  net::ServerRequest request;
  std::string parameter{};   // the path's
  std::string job{};         // the id of the job that it is about, once that is known
  std::string_view route{};  // the endpoint's pattern, empty when there is none
  std::string_view mode{};   // how a submit is answered: "async", "sync"; else empty
  Caller caller{};
};

// While it lives an idempotency key is taken: its request is being stored.
class KeyInFlight {
 public:
  using Keys = std::set<std::pair<std::string, std::string>>;  // client and key
  KeyInFlight(Keys& keys, Keys::iterator place) : keys_(keys), place_(place) {}
  ~KeyInFlight() { keys_.erase(place_); }
  KeyInFlight(const KeyInFlight&) = delete;
  KeyInFlight& operator=(const KeyInFlight&) = delete;

 private:
  Keys& keys_;
  Keys::iterator place_;
};

// One member function an endpoint; its place in routes() is the only place where it is named. On
// the loop's thread.
class Handlers {
 public:
  Handlers(Runtime& runtime, engine::DataProcessingService& service, engine::LakeService& lake,
           Log& log, Guard& guard, Api::Options options, Metrics& metrics);

  using Call = RequestInHand;
  using Handler = Task<net::ServerResponse> (Handlers::*)(Call& call);
  struct Route {
    Endpoint endpoint;
    Handler handler;
  };
  static std::span<const Route> routes();  // first those of jobs and the service, then the lake's
  static std::vector<Route> job_routes();
  static std::vector<Route> lake_routes();
  static std::span<const Endpoint> endpoints();

  enum class State : std::uint8_t { starting, serving, draining };
  State state = State::starting;
  RolloutSettings rollout{};
  Timestamp rollout_since{};  // since when it is so

  EventFeeds& feeds() { return feeds_; }

 private:
  // submit_handlers.cpp
  Task<net::ServerResponse> post_option(Call& call) { return submit(call, Kind::option); }
  Task<net::ServerResponse> post_stock(Call& call) { return submit(call, Kind::stock); }
  Task<net::ServerResponse> post_earnings(Call& call) { return submit(call, Kind::earnings); }
  Task<net::ServerResponse> submit(Call& call, Kind kind);
  Task<net::ServerResponse> dry_run(Call& call, Submission submission);
  static net::ServerResponse dry_run_answer(const Submission& submission,
                                            const engine::DryRun& run);
  struct TakenKey {
    std::optional<IdempotencyKey> idempotency{};
    std::unique_ptr<KeyInFlight> in_flight{};
  };
  static std::expected<bool, net::ServerResponse> is_dry_run(const Call& call);
  std::expected<TakenKey, net::ServerResponse> take_key(const Call& call);
  static std::expected<net::Headers, net::ServerResponse> tell_how(Call& call,
                                                                   const CreatedJob& created);
  // The 202 of an asynchronous submit of call.job.
  static net::ServerResponse accepted_answer(const Call& call);
  JobId new_job_id();
  Task<net::ServerResponse> hold(Call& call, Kind kind, JobInfo job, SubmitDecision decision);
  net::ServerResponse submit_refused(Call& call,
                                     engine::DataProcessingService::SubmitFailure failure);
  SubmitDecision decide_mode(const Call& call, Kind kind) const;
  void tell_mode(const SubmitDecision& decision, const Call& call, net::ServerResponse& answer);

  // job_handlers.cpp
  Task<net::ServerResponse> list_jobs(Call& call);
  Task<net::ServerResponse> get_job(Call& call);
  Task<net::ServerResponse> list_items(Call& call);
  Task<net::ServerResponse> cancel_job(Call& call);
  Task<net::ServerResponse> retry_job(Call& call);
  Task<net::ServerResponse> delete_job(Call& call);
  Task<net::ServerResponse> job_events(Call& call);
  Task<net::ServerResponse> all_events(Call& call);
  // The job that the path names, or the answer that there is none.
  Task<std::expected<JobInfo, net::ServerResponse>> find_job(Call& call);
  net::ServerResponse job_answer(int status, const JobInfo& job);
  net::ServerResponse status_answer(const Call& call, const JobInfo& job);
  std::string etag_of(const JobInfo& job) const;
  net::ServerResponse change_refused(const Call& call, std::string_view sentence,
                                     const Error& error);

  // lake_handlers.cpp
  Task<net::ServerResponse> lake_roots(Call& call);
  Task<net::ServerResponse> lake_coverage(Call& call);
  Task<net::ServerResponse> fill_lake(Call& call);
  Task<net::ServerResponse> verify_lake(Call& call);
  Task<net::ServerResponse> list_objects(Call& call);
  Task<net::ServerResponse> get_object(Call& call);
  Task<net::ServerResponse> get_manifest(Call& call);
  Task<net::ServerResponse> put_manifest(Call& call);
  net::ServerResponse lake_failed(std::string_view sentence, const Call& call, const Error& error);
  Date today() const { return new_york_date(runtime_.wall_now()); }

  // service_handlers.cpp
  Task<net::ServerResponse> get_root(Call& call);
  Task<net::ServerResponse> get_health(Call& call);
  Task<net::ServerResponse> get_live(Call& call);
  Task<net::ServerResponse> get_ready(Call& call);
  Task<net::ServerResponse> get_version(Call& call);
  Task<net::ServerResponse> get_metrics(Call& call);
  Task<net::ServerResponse> list_upstreams(Call& call);
  Task<net::ServerResponse> put_upstream(Call& call);
  Task<net::ServerResponse> get_openapi(Call& call);
  Task<net::ServerResponse> get_docs(Call& call);
  Task<net::ServerResponse> get_dashboard(Call& call);
  Task<net::ServerResponse> get_dashboard_file(Call& call);
  Task<net::ServerResponse> get_login(Call& call);
  Task<net::ServerResponse> post_login(Call& call);
  Task<net::ServerResponse> post_logout(Call& call);

  // Why the service cannot be asked just now; nullopt when it can.
  std::optional<Error> closed_for(bool submissions) const;
  // The answer to a fault, with its event in the log.
  net::ServerResponse failed(std::string_view event, std::string_view sentence, const Call& call,
                             const Error& error);

  Runtime& runtime_;
  engine::DataProcessingService& service_;
  engine::LakeService& lake_;
  Log& log_;
  Guard& guard_;
  Api::Options options_;
  Metrics& metrics_;
  EventFeeds feeds_;
  KeyInFlight::Keys keys_in_flight_;
  // How jobs were last described: between two changes of a job, whoever polls it is told the same.
  struct Described {
    std::string etag;
    net::SharedBytes body;
  };
  std::map<JobId, Described> described_;
};

// As the original's framework reads a query: of several values of one name, the last one counts.
std::optional<std::string_view> last_of(const net::ServerRequest& request, std::string_view name);

}  // namespace betedge::server
