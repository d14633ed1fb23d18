#include "betedge/server/api.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <exception>
#include <map>
#include <optional>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "betedge/server/answers.hpp"
#include "betedge/wire/job.hpp"
#include "betedge/wire/python_json.hpp"
#include "betedge/wire/refusal.hpp"
#include "betedge/wire/request.hpp"

namespace betedge::server {
namespace {

using net::ServerRequest;
using net::ServerResponse;

constexpr std::string_view kSubmitFailed = "Failed to submit request";
constexpr std::string_view kStatusFailed = "Failed to get job status";
constexpr std::string_view kListFailed = "Failed to list jobs";
constexpr std::string_view kItemsFailed = "Failed to list items";

// A page of items that does not say how long it shall be, and the longest there is.
constexpr std::size_t kItemsPage = 100;
constexpr std::size_t kLongestItemsPage = 1000;

// As the original's framework reads a query: of several values of one name, the last one counts.
std::optional<std::string_view> last_of(const ServerRequest& request, std::string_view name) {
  for (auto it = request.query.rbegin(); it != request.query.rend(); ++it)
    if (it->first == name) return it->second;
  return std::nullopt;
}

ServerResponse answer_of(wire::Refusal refusal) {
  return json_answer(refusal.status, std::move(refusal.body));
}

std::optional<std::string_view> view_of(const std::optional<std::string>& text) {
  return text ? std::optional<std::string_view>(*text) : std::nullopt;
}

bool has_ended(const JobInfo& job) {
  return job.status == JobStatus::completed || job.status == JobStatus::failed;
}

// The values of the metrics' label `mode`: how a submit is answered.
constexpr std::string_view kAsync = "async";
constexpr std::string_view kSync = "sync";

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
       {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"})
    if (method == known) return known;
  return "_OTHER";
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

constexpr std::array kItemStates{ItemState::pending,  ItemState::running, ItemState::succeeded,
                                 ItemState::skipped,  ItemState::no_data, ItemState::failed,
                                 ItemState::cancelled};

std::string unknown_state_text(std::string_view state) {
  std::string names;
  for (const auto known : kItemStates)
    names += fmt::format("{}{}", names.empty() ? "" : ", ", to_text(known));
  return fmt::format("Invalid state '{}'. Valid states: {}", state, names);
}

std::optional<std::uint32_t> parse_cursor(std::string_view text) {
  std::uint32_t seq = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seq);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return seq;
}

wire::ItemPageView view_of(ItemPage page) {
  wire::ItemPageView view;
  view.next_cursor = page.next;
  for (auto& item : page.items) {
    view.items.push_back({.key = item.key.text(),
                          .state = item.state,
                          .attempts = item.attempts,
                          .rows = item.rows,
                          .bytes = item.bytes,
                          .sha256 = std::move(item.sha256),
                          .error = std::move(item.error),
                          .note = std::move(item.note)});
  }
  return view;
}

}  // namespace

struct Api::Impl {
  enum class State : std::uint8_t { starting, serving, draining };

  // A request on its way, and what its log line will say of it.
  struct Call {
    ServerRequest request;
    std::string parameter;  // the path's
    std::string job;        // the id of the job that it is about, once that is known
    // For the metrics: the endpoint's pattern, empty when there is none; how a submit is answered.
    std::string_view route{};
    std::string_view mode{};
    Caller caller;
  };
  struct Route {
    Endpoint endpoint;
    Task<ServerResponse> (Impl::*handler)(Call& call);
  };
  static const std::vector<Route>& routes();
  static const std::vector<Endpoint>& endpoints();

  Runtime& runtime;
  engine::DataProcessingService& service;
  Log& log;
  Guard& guard;
  Options options;
  Metrics& metrics;
  Gauge& active = metrics.gauge(Metric::http_active_requests);
  using Series = std::tuple<std::string_view, std::string_view, int, std::string_view>;
  std::map<Series, Histogram*> durations{};  // by method, route, status and mode
  RolloutSettings rollout{};
  Timestamp rollout_since{};  // since when it is so
  State state = State::starting;

  // Why the service cannot be asked just now; nullopt when it can.
  std::optional<Error> closed_for(bool submissions) const {
    if (state == State::starting)
      return Error{ErrorCode::store_unavailable, "the server is starting", std::chrono::seconds{1}};
    if (state == State::draining && submissions)
      return Error{ErrorCode::cancelled, "the server is stopping", std::chrono::seconds{5}};
    return std::nullopt;
  }

  ServerResponse failed(std::string_view event, std::string_view sentence, const Call& call,
                        const Error& error) {
    auto answer = failure_answer(sentence, error);
    log.event(Level::error, event,
              {{"job", call.job},
               {"method", call.request.method},
               {"path", call.request.path},
               {"status", fmt::format("{}", answer.status)},
               {"code", std::string(to_text(error.code))},
               {"error", error.message}});
    return answer;
  }

  Task<ServerResponse> get_root(Call&) {
    std::string submissions;
    for (const auto& endpoint : endpoints()) {
      if (endpoint.method != Method::post || endpoint.access != Access::submit) continue;
      submissions += submissions.empty() ? "" : ",";
      submissions += wire::quoted(endpoint.pattern);
    }
    co_return json_answer(200, fmt::format(R"({{"service":"BetEdge Historical Data API",)"
                                           R"("version":{},"endpoints":[{}],"docs":null,)"
                                           R"("health":"/health"}})",
                                           wire::quoted(options.version), submissions));
  }

  Task<ServerResponse> get_health(Call&) {
    co_return json_answer(200, R"({"status":"healthy","service":"betedge-historical-data"})");
  }

  Task<ServerResponse> get_metrics(Call&) {
    auto text = co_await metrics.scrape();
    ServerResponse answer;
    answer.headers.emplace_back("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    answer.body = net::SharedBytes::of(std::move(text));
    co_return answer;
  }

  // Series that must be there before the first request, so that it is seen as a rise.
  void begin_series() {
    for (const auto& endpoint : endpoints())
      if (const auto name = submit_endpoint(endpoint.pattern); !name.empty()) {
        metrics.counter(Metric::sync_requests, {name});
        duration("POST", endpoint.pattern, 202, kAsync);
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

  void count(const Call& call, int status, std::chrono::duration<double> took) {
    duration(known_method(call.request.method), call.route, status, call.mode)
        .observe(took.count());
    if (call.mode == kSync)
      metrics.counter(Metric::sync_requests, {submit_endpoint(call.route)}).add();
  }

  Task<ServerResponse> get_login(Call&) { co_return guard.login_page(); }
  Task<ServerResponse> post_login(Call& call) { co_return guard.log_in(call.request); }
  Task<ServerResponse> post_logout(Call& call) { co_return guard.log_out(call.request); }

  SubmitDecision decide_mode(const Call& call, Kind kind) const {
    std::vector<std::string_view> prefer;
    for (const auto& [name, value] : call.request.headers)
      if (net::equal_ignoring_case(name, "Prefer")) prefer.push_back(value);
    return decide(rollout, {.endpoint = to_text(kind),
                            .client = call.caller.client,
                            .address = call.caller.address,
                            .preferences = parse_prefer(prefer)});
  }

  // What an answer says about how it came to be answered at once.
  void tell_mode(const SubmitDecision& decision, const Call& call, ServerResponse& answer) {
    if (decision.mode == SubmitMode::async && !decision.preference_applied.empty())
      answer.headers.emplace_back("Preference-Applied", decision.preference_applied);
    if (!decision.is_sync_refused) return;
    const auto since = std::chrono::floor<std::chrono::seconds>(rollout_since).time_since_epoch();
    answer.headers.emplace_back("Deprecation", fmt::format("@{}", since.count()));  // RFC 9745
    log.event(Level::warning, "sync_refused",
              {{"job", call.job},
               {"path", call.request.path},
               {"client", call.caller.client},
               {"peer", call.request.peer}});
  }

  Task<ServerResponse> post_option(Call& call) { return submit(call, Kind::option); }
  Task<ServerResponse> post_stock(Call& call) { return submit(call, Kind::stock); }

  Task<ServerResponse> submit(Call& call, Kind kind) {
    call.mode = kAsync;
    if (const auto closed = closed_for(true))
      co_return failed("submit_failed", kSubmitFailed, call, *closed);
    auto parsed =
        wire::parse_historical_request(kind, call.request.header("content-type").value_or(""),
                                       call.request.body, options.existing);
    if (!parsed) co_return answer_of(std::move(parsed).error());

    const auto id = JobId::make(runtime.wall_now(), {runtime.random_bits(), runtime.random_bits()});
    call.job = id.text();
    auto outcome = co_await service.process_request(std::move(parsed->request), id,
                                                    std::move(parsed->warnings));
    if (!outcome) {
      if (const auto* rejection = std::get_if<engine::Rejection>(&outcome.error())) {
        call.job.clear();  // there is none
        co_return answer_of(
            wire::refuse_field(rejection->field, rejection->message, call.request.body));
      }
      co_return failed("submit_failed", kSubmitFailed, call, std::get<Error>(outcome.error()));
    }
    auto answer = json_answer(202, wire::accepted_json(id));
    answer.headers.emplace_back("Location", "/jobs/" + call.job);
    tell_mode(decide_mode(call, kind), call, answer);
    co_return answer;
  }

  Task<ServerResponse> get_job(Call& call) {
    const auto id = JobId::parse(call.parameter);
    if (!id) co_return detail_answer(400, "Invalid job ID format");
    call.job = id->text();
    if (const auto closed = closed_for(false))
      co_return failed("status_failed", kStatusFailed, call, *closed);
    const auto found = co_await service.get_job_status(*id);
    if (!found) co_return failed("status_failed", kStatusFailed, call, found.error());
    if (!*found) co_return detail_answer(404, fmt::format("Job {} not found", call.parameter));
    const auto waiting = has_ended(**found) ? std::nullopt : service.waiting_for();
    co_return json_answer(200, wire::job_json(**found, view_of(waiting)));
  }

  Task<ServerResponse> list_jobs(Call& call) {
    const auto limit = wire::parse_limit(last_of(call.request, "limit"));
    if (!limit) co_return answer_of(limit.error());
    const auto filter = last_of(call.request, "job_status");
    // As the original: an empty one filters nothing, and is given back all the same.
    const auto status =
        wire::parse_status_filter(filter && filter->empty() ? std::nullopt : filter);
    if (!status) co_return answer_of(status.error());
    if (const auto closed = closed_for(false))
      co_return failed("status_failed", kListFailed, call, *closed);
    const auto jobs = co_await service.list_jobs(*status, *limit);
    if (!jobs) co_return failed("status_failed", kListFailed, call, jobs.error());
    const auto waiting = service.waiting_for();
    co_return json_answer(200, wire::job_list_json(*jobs, *limit, filter, view_of(waiting)));
  }

  Task<ServerResponse> list_items(Call& call) {
    const auto id = JobId::parse(call.parameter);
    if (!id) co_return detail_answer(400, "Invalid job ID format");
    call.job = id->text();
    const auto limit = wire::parse_limit(last_of(call.request, "limit"));
    if (!limit) co_return answer_of(limit.error());
    std::optional<ItemState> item_state;
    if (const auto text = last_of(call.request, "state"); text && !text->empty()) {
      item_state = parse_item_state(*text);
      if (!item_state) co_return detail_answer(400, unknown_state_text(*text));
    }
    std::uint32_t from_seq = 0;
    if (const auto text = last_of(call.request, "cursor")) {
      const auto cursor = parse_cursor(*text);
      if (!cursor) co_return detail_answer(400, "Invalid cursor");
      from_seq = *cursor;
    }
    if (const auto closed = closed_for(false))
      co_return failed("status_failed", kItemsFailed, call, *closed);
    auto page = co_await service.list_items(
        *id, item_state, from_seq, std::min(limit->value_or(kItemsPage), kLongestItemsPage));
    if (!page && page.error().code == ErrorCode::not_found)
      co_return detail_answer(404, fmt::format("Job {} not found", call.parameter));
    if (!page) co_return failed("status_failed", kItemsFailed, call, page.error());
    co_return json_answer(200, wire::item_page_json(view_of(*std::move(page))));
  }

  Task<ServerResponse> dispatch(Call& call) {
    auto routing = route(endpoints(), call.request.method, call.request.path);
    const auto* target = std::get_if<Found>(&routing);
    const auto needed = target == nullptr ? Access::open : endpoints()[target->endpoint].access;
    auto caller = guard.admit(call.request, needed);
    if (!caller) co_return std::move(caller).error();
    call.caller = *std::move(caller);
    if (const auto* wrong = std::get_if<WrongMethod>(&routing)) {
      auto answer = detail_answer(405, "Method Not Allowed");
      answer.headers.emplace_back("Allow", wrong->allow);
      co_return answer;
    }
    auto* found = std::get_if<Found>(&routing);
    if (found == nullptr) co_return detail_answer(404, "Not Found");
    call.parameter = std::move(found->parameter);
    call.route = endpoints()[found->endpoint].pattern;
    co_return co_await (this->*routes()[found->endpoint].handler)(call);
  }
};

const std::vector<Api::Impl::Route>& Api::Impl::routes() {
  static const std::vector<Route> kRoutes{
      {{Method::get, "/", Access::read, "What this service is"}, &Impl::get_root},
      {{Method::get, "/health", Access::open, "Whether the process answers"}, &Impl::get_health},
      {{Method::post, "/historical/option", Access::submit, "Submit a request for option data"},
       &Impl::post_option},
      {{Method::post, "/historical/stock", Access::submit, "Submit a request for stock data"},
       &Impl::post_stock},
      {{Method::get, "/metrics", Access::read, "What is counted, for Prometheus"}, &Impl::get_metrics},
      {{Method::get, "/jobs", Access::read, "List jobs, newest first"}, &Impl::list_jobs},
      {{Method::get, "/jobs/{job_id}", Access::read, "How a job stands"}, &Impl::get_job},
      {{Method::get, "/jobs/{job_id}/items", Access::read, "A job's items, page by page"},
       &Impl::list_items},
      {{Method::get, "/login", Access::open, "A form to log in with a token"}, &Impl::get_login},
      {{Method::post, "/login", Access::open, "Log in with a token, for a cookie"},
       &Impl::post_login},
      {{Method::post, "/logout", Access::open, "End the session of a cookie"}, &Impl::post_logout},
  };
  return kRoutes;
}

const std::vector<Endpoint>& Api::Impl::endpoints() {
  static const std::vector<Endpoint> kEndpoints = [] {
    std::vector<Endpoint> all;
    for (const auto& entry : routes()) all.push_back(entry.endpoint);
    return all;
  }();
  return kEndpoints;
}

std::span<const Endpoint> Api::endpoints() {
  return Impl::endpoints();
}

Api::Api(Runtime& runtime, engine::DataProcessingService& service, Log& log, Guard& guard,
         Options options, Metrics& metrics)
    : impl_(std::make_unique<Impl>(runtime, service, log, guard, std::move(options), metrics)) {
  impl_->begin_series();
}

Api::~Api() = default;

void Api::set_rollout(RolloutSettings rollout) {
  if (rollout == impl_->rollout) return;
  impl_->rollout = std::move(rollout);
  impl_->rollout_since = impl_->runtime.wall_now();
}

void Api::open() {
  impl_->state = Impl::State::serving;
}
void Api::drain() {
  impl_->state = Impl::State::draining;
}

Task<ServerResponse> Api::handle(ServerRequest request) {
  auto& log = impl_->log;
  const auto began = impl_->runtime.steady_now();
  const Active counted(impl_->active);
  Impl::Call call{.request = std::move(request), .parameter = {}, .job = {}, .caller = {}};
  ServerResponse answer;
  try {
    answer = co_await impl_->dispatch(call);
  } catch (const std::exception& fault) {
    log.event(
        Level::error, "handler_failed",
        {{"method", call.request.method}, {"path", call.request.path}, {"error", fault.what()}});
    answer = refusal(500, "the server's log has it under handler_failed");
  }
  const std::chrono::duration<double, std::milli> took = impl_->runtime.steady_now() - began;
  impl_->count(call, answer.status, took);
  // Who polls would otherwise fill the log with what nobody reads.
  const bool is_routine = answer.status < 300 && call.request.method != "POST";
  const auto level = is_routine ? Level::debug : Level::info;
  const auto status = fmt::format("{}", answer.status);
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
  co_return answer;
}

ServerResponse Api::refusal(int status, std::string_view reason) {
  if (status == 500) return answer_of(wire::internal_error(reason));
  return detail_answer(status, reason);
}

}  // namespace betedge::server
