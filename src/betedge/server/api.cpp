#include "betedge/server/api.hpp"

#include <algorithm>
#include <exception>
#include <map>
#include <optional>
#include <tuple>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "betedge/server/answers.hpp"
#include "betedge/server/handlers.hpp"
#include "betedge/wire/refusal.hpp"

namespace betedge::server {
namespace {

using net::ServerRequest;
using net::ServerResponse;

// The name under which the metrics count submits of this endpoint; empty for any other endpoint.
std::string_view submit_endpoint(std::string_view pattern) {
  if (pattern == "/historical/option") return "option";
  if (pattern == "/historical/stock") return "stock";
  if (pattern == "/earnings") return "earnings";
  return {};
}

// As OpenTelemetry has it, so that a client cannot make series without end.
std::string_view known_method(std::string_view method) {
  for (const std::string_view known :
       {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "QUERY", "CONNECT"})
    if (method == known) return known;
  return "_OTHER";
}

// What never reached a handler, by the status with which `net` refuses it.
wire::ProblemCode code_of_refusal(int status) {
  using enum wire::ProblemCode;
  switch (status) {
    case 408: return request_timeout;
    case 413: return payload_too_large;
    case 417: return expectation_failed;
    case 431: return headers_too_large;
    case 501: return not_implemented;
    case 505: return version_not_supported;
    default: return bad_request;
  }
}

// A request being answered, for as long as this lives.
class Active {
 public:
  explicit Active(Gauge& gauge) : gauge_(gauge) { gauge_.add(1); }
  ~Active() { gauge_.add(-1); }
  Active(const Active&) = delete;
  Active& operator=(const Active&) = delete;

 private:
  Gauge& gauge_;
};

}  // namespace

struct Api::Impl {
  Impl(Runtime& on, engine::DataProcessingService& asked, engine::LakeService& lake, Log& to,
       Guard& by, Options with, Metrics& counted)
      : runtime(on),
        service(asked),
        log(to),
        guard(by),
        metrics(counted),
        active(counted.gauge(Metric::http_active_requests)),
        handlers(on, asked, lake, to, by, std::move(with), counted) {
    service.on_change([this](const JobInfo& job) { handlers.feeds().job_changed(job); });
    metrics.when_scraped(Metric::event_watchers, {},
                         [this] { return static_cast<double>(handlers.feeds().watchers()); });
    begin_series();
  }

  // Series that must be there before the first request, so that it is seen as a rise.
  void begin_series() {
    for (const auto& endpoint : endpoints())
      if (const auto name = submit_endpoint(endpoint.pattern); !name.empty()) {
        metrics.counter(Metric::sync_requests, {name});
        for (const std::string_view mode : {"async", "sync"})
          duration("POST", endpoint.pattern, 202, mode);
      }
  }

  Histogram& duration(std::string_view method, std::string_view route, int status,
                      std::string_view mode) {
    auto& known = durations[{method, route, status, mode}];
    if (known == nullptr)
      known = &metrics.histogram(Metric::http_request_seconds,
                                 {method, route, fmt::format("{}", status), mode});
    return *known;
  }

  void count(const RequestInHand& call, int status, std::chrono::duration<double> took) {
    duration(known_method(call.request.method), call.route, status, call.mode)
        .observe(took.count());
    if (call.mode == "sync")
      metrics.counter(Metric::sync_requests, {submit_endpoint(call.route)}).add();
  }

  void log_request(const RequestInHand& call, int status_code,
                   std::chrono::duration<double, std::milli> took) {
    // Who polls would otherwise fill the log with what nobody reads.
    const bool is_read = call.request.method == "GET" || call.request.method == "HEAD";
    const auto level = is_read && status_code < 400 ? Level::debug : Level::info;
    if (!log.takes(level)) return;
    const auto status = fmt::format("{}", status_code);
    const auto duration_ms = fmt::format("{:.3f}", took.count());
    if (call.job.empty()) {
      log.event(level, "request_received",
                {{"method", call.request.method},
                 {"path", call.request.path},
                 {"status", status},
                 {"duration_ms", duration_ms},
                 {"peer", call.request.peer},
                 {"client", call.caller.client}});
    } else {
      log.event(level, "request_received",
                {{"method", call.request.method},
                 {"path", call.request.path},
                 {"status", status},
                 {"duration_ms", duration_ms},
                 {"peer", call.request.peer},
                 {"client", call.caller.client},
                 {"job", call.job}});
    }
  }

  Task<ServerResponse> dispatch(RequestInHand& call) {
    // What people type into an address bar.
    if (call.request.path == "/ui/") call.request.path.pop_back();
    auto routing = route(endpoints(), call.request.method, call.request.path);
    auto* found = std::get_if<Found>(&routing);
    const auto needed = found == nullptr ? Access::open : endpoints()[found->endpoint].access;
    auto caller = guard.admit(call.request, needed);
    if (!caller) co_return std::move(caller).error();
    call.caller = *std::move(caller);
    if (const auto* wrong = std::get_if<WrongMethod>(&routing)) {
      auto answer = problem_answer(wire::ProblemCode::method_not_allowed, "Method Not Allowed");
      answer.headers.emplace_back("Allow", wrong->allow);
      co_return answer;
    }
    if (found == nullptr) co_return problem_answer(wire::ProblemCode::not_found, "Not Found");
    call.parameter = std::move(found->parameter);
    call.route = endpoints()[found->endpoint].pattern;
    co_return co_await (handlers.*Handlers::routes()[found->endpoint].handler)(call);
  }

  Runtime& runtime;
  engine::DataProcessingService& service;
  Log& log;
  Guard& guard;
  Metrics& metrics;
  Gauge& active;
  Handlers handlers;
  using Series = std::tuple<std::string_view, std::string_view, int, std::string_view>;
  std::map<Series, Histogram*> durations{};  // by method, route, status and mode
};

std::span<const Endpoint> Api::endpoints() {
  return Handlers::endpoints();
}

Api::Api(Runtime& runtime, engine::DataProcessingService& service, engine::LakeService& lake,
         Log& log, Guard& guard, Options options, Metrics& metrics)
    : impl_(std::make_unique<Impl>(runtime, service, lake, log, guard, std::move(options),
                                   metrics)) {}

Api::~Api() {
  impl_->service.on_change({});
}

void Api::set_rollout(RolloutSettings rollout) {
  if (rollout == impl_->handlers.rollout) return;
  impl_->handlers.rollout = std::move(rollout);
  impl_->handlers.rollout_since = impl_->runtime.wall_now();
}

void Api::open() {
  impl_->handlers.state = Handlers::State::serving;
}

void Api::drain() {
  impl_->handlers.state = Handlers::State::draining;
  impl_->service.release_waiters();
  impl_->handlers.feeds().end_streams();
}

Task<void> Api::close() {
  co_await impl_->handlers.feeds().close();
}

Task<ServerResponse> Api::handle(ServerRequest request) {
  auto& log = impl_->log;
  const auto began = impl_->runtime.steady_now();
  const Active counted(impl_->active);
  RequestInHand call{.request = std::move(request)};
  ServerResponse answer;
  try {
    answer = co_await impl_->dispatch(call);
  } catch (const std::exception& fault) {
    log.event(
        Level::error, "handler_failed",
        {{"method", call.request.method}, {"path", call.request.path}, {"error", fault.what()}});
    answer = problem_answer(wire::internal_error("the server's log has it under handler_failed"));
  }
  if (answer.status >= 400) {
    std::string accept;
    for (const auto& [name, value] : call.request.headers)
      if (net::equal_ignoring_case(name, "Accept")) accept += (accept.empty() ? "" : ",") + value;
    finish_problem(answer, call.request.path, accept);
  }
  const std::chrono::duration<double, std::milli> took = impl_->runtime.steady_now() - began;
  impl_->count(call, answer.status, took);
  impl_->log_request(call, answer.status, took);
  co_return answer;
}

ServerResponse Api::refusal(int status, std::string_view reason) {
  auto answer = problem_answer(
      status == 500 ? wire::internal_error(reason)
                    : wire::Refusal{status, wire::detail_json(reason), code_of_refusal(status)});
  finish_problem(answer, "", "");
  return answer;
}

}  // namespace betedge::server
