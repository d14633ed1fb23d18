#include "betedge/server/handlers.hpp"

#include <fmt/format.h>

#include "betedge/server/answers.hpp"

namespace betedge::server {

using net::ServerResponse;

std::optional<std::string_view> last_of(const net::ServerRequest& request, std::string_view name) {
  for (auto it = request.query.rbegin(); it != request.query.rend(); ++it)
    if (it->first == name) return it->second;
  return std::nullopt;
}

Handlers::Handlers(Runtime& runtime, engine::DataProcessingService& service, Log& log, Guard& guard,
                   Api::Options options, Metrics& metrics)
    : runtime_(runtime),
      service_(service),
      log_(log),
      guard_(guard),
      options_(std::move(options)),
      metrics_(metrics),
      feeds_(runtime, service) {}

std::optional<Error> Handlers::closed_for(bool submissions) const {
  if (state == State::starting)
    return Error{ErrorCode::store_unavailable, "the server is starting", std::chrono::seconds{1}};
  if (state == State::draining && submissions)
    return Error{ErrorCode::cancelled, "the server is stopping", std::chrono::seconds{5}};
  return std::nullopt;
}

ServerResponse Handlers::failed(std::string_view event, std::string_view sentence, const Call& call,
                                const Error& error) {
  auto answer = failure_answer(sentence, error);
  log_.event(Level::error, event,
             {{"job", call.job},
              {"method", call.request.method},
              {"path", call.request.path},
              {"status", fmt::format("{}", answer.status)},
              {"code", std::string(to_text(error.code))},
              {"error", error.message}});
  return answer;
}

// The whole surface: what is not here cannot be asked for, and is not described.
std::span<const Handlers::Route> Handlers::routes() {
  using enum Method;
  using enum Subject;
  static const std::vector<Route> kRoutes{
      {{get, "/", Access::read, operations, "What this service is"}, &Handlers::get_root},
      {{post, "/historical/option", Access::submit, Subject::submit,
        "Submit a request for option data"},
       &Handlers::post_option},
      {{post, "/historical/stock", Access::submit, Subject::submit,
        "Submit a request for stock data"},
       &Handlers::post_stock},
      {{post, "/earnings", Access::submit, Subject::submit, "Submit a request for earnings dates"},
       &Handlers::post_earnings},
      {{get, "/jobs", Access::read, jobs, "List jobs, newest first"}, &Handlers::list_jobs},
      {{get, "/jobs/{job_id}", Access::read, jobs, "How a job stands"}, &Handlers::get_job},
      {{del, "/jobs/{job_id}", Access::admin, jobs, "Forget a job that has ended"},
       &Handlers::delete_job},
      {{get, "/jobs/{job_id}/items", Access::read, jobs, "A job's items, page by page"},
       &Handlers::list_items},
      {{post, "/jobs/{job_id}/cancel", Access::submit, jobs, "Stop a job"}, &Handlers::cancel_job},
      {{post, "/jobs/{job_id}/retry", Access::submit, jobs, "Begin a job's failed items anew"},
       &Handlers::retry_job},
      {{get, "/jobs/{job_id}/events", Access::read, watching, "Watch a job"},
       &Handlers::job_events},
      {{get, "/events", Access::read, watching, "Watch all jobs"}, &Handlers::all_events},
      {{get, "/upstreams", Access::read, upstreams, "How the upstreams stand"},
       &Handlers::list_upstreams},
      {{put, "/upstreams/{name}", Access::admin, upstreams,
        "Change how many calls at once an upstream is asked"},
       &Handlers::put_upstream},
      {{get, "/health", Access::open, operations, "Whether the process answers"},
       &Handlers::get_health},
      {{get, "/health/live", Access::open, operations, "Whether the process answers"},
       &Handlers::get_live},
      {{get, "/health/ready", Access::open, operations, "Whether requests can be taken"},
       &Handlers::get_ready},
      {{get, "/version", Access::read, operations, "Which version answers"},
       &Handlers::get_version},
      {{get, "/metrics", Access::read, operations, "What is counted, for Prometheus"},
       &Handlers::get_metrics},
      {{get, "/openapi.json", Access::read, operations, "This description, as OpenAPI 3.1"},
       &Handlers::get_openapi},
      {{get, "/docs", Access::read, operations, "This description, to be read"},
       &Handlers::get_docs},
      {{get, "/login", Access::open, access, "A form to log in with a token"},
       &Handlers::get_login},
      {{post, "/login", Access::open, access, "Log in with a token, for a cookie"},
       &Handlers::post_login},
      {{post, "/logout", Access::open, access, "End the session of a cookie"},
       &Handlers::post_logout},
  };
  return kRoutes;
}

std::span<const Endpoint> Handlers::endpoints() {
  static const std::vector<Endpoint> kEndpoints = [] {
    std::vector<Endpoint> all;
    for (const auto& entry : routes()) all.push_back(entry.endpoint);
    return all;
  }();
  return kEndpoints;
}

}  // namespace betedge::server
