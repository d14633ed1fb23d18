#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "betedge/server/answers.hpp"
#include "betedge/server/dashboard.hpp"
#include "betedge/server/description.hpp"
#include "betedge/server/handlers.hpp"
#include "betedge/wire/python_json.hpp"
#include "betedge/wire/refusal.hpp"
#include "betedge/wire/upstream.hpp"

namespace betedge::server {

using net::ServerResponse;

namespace {

wire::UpstreamView view_of(const engine::UpstreamStatus& status) {
  return {.name = status.name,
          .version = status.version,
          .concurrency = status.slots,
          .allowed = status.slots_allowed,
          .in_use = status.slots_in_use,
          .waiting = status.calls_waiting,
          .circuit_is_open = status.circuit_is_open,
          .waiting_for = status.waiting_for,
          .calls = status.calls.calls,
          .failed_calls = status.calls.failed,
          .calls_per_second = status.calls.per_second};
}

// "ok", or what is wrong in our own words; the log has the rest.
std::string check_json(std::string_view name, const std::optional<Error>& error) {
  if (!error) return fmt::format(R"("{}":{{"status":"ok"}})", name);
  return fmt::format(R"("{}":{{"status":"failing","reason":{}}})", name,
                     wire::quoted(public_reason(error->code)));
}

}  // namespace

Task<ServerResponse> Handlers::get_root(Call&) {
  std::string submissions;
  for (const auto& endpoint : endpoints()) {
    if (endpoint.subject != Subject::submit) continue;
    submissions += submissions.empty() ? "" : ",";
    submissions += wire::quoted(endpoint.pattern);
  }
  co_return json_answer(200, fmt::format(R"({{"service":"BetEdge Historical Data API",)"
                                         R"("version":{},"endpoints":[{}],"docs":"/docs",)"
                                         R"("health":"/health"}})",
                                         wire::quoted(options_.version), submissions));
}

Task<ServerResponse> Handlers::get_health(Call&) {
  co_return json_answer(200, R"({"status":"healthy","service":"betedge-historical-data"})");
}

Task<ServerResponse> Handlers::get_live(Call&) {
  co_return json_answer(200, R"({"status":"alive"})");
}

// Ready to take requests: they can be stored, and the lake answers. An upstream that is gone is
// named and makes jobs wait; it does not make the service less ready to take them.
Task<ServerResponse> Handlers::get_ready(Call& call) {
  engine::DataProcessingService::Readiness found;
  const auto closed = closed_for(true);
  if (!closed) found = co_await service_.readiness();
  const bool is_ready = !closed && !found.store && !found.lake;
  std::string upstreams;
  for (const auto& upstream : service_.upstreams()) {
    if (!upstreams.empty()) upstreams += ',';
    upstreams += fmt::format(R"("{}":{{"status":"{}","reason":{}}})", upstream.name,
                             upstream.circuit_is_open ? "waiting" : "ok",
                             upstream.waiting_for ? wire::quoted(*upstream.waiting_for) : "null");
  }
  for (const auto& [name, error] : {std::pair("store", found.store), std::pair("lake", found.lake)})
    if (error)
      log_.event(Level::warning, "not_ready",
                 {{"part", name}, {"path", call.request.path}, {"error", error->message}});
  std::string_view status = is_ready ? "ready" : "not ready";
  if (closed) status = state == State::starting ? "starting" : "stopping";
  auto answer =
      json_answer(is_ready ? 200 : 503, fmt::format(R"({{"status":"{}",{},{},"upstreams":{{{}}}}})",
                                                    status, check_json("store", found.store),
                                                    check_json("lake", found.lake), upstreams));
  if (!is_ready) answer.headers.emplace_back("Retry-After", "5");
  co_return answer;
}

Task<ServerResponse> Handlers::get_version(Call&) {
  co_return json_answer(200, fmt::format(R"({{"service":"betedge","version":{},"api":"1"}})",
                                         wire::quoted(options_.version)));
}

Task<ServerResponse> Handlers::get_metrics(Call&) {
  auto text = co_await metrics_.scrape();
  ServerResponse answer;
  answer.headers.emplace_back("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
  answer.body = net::SharedBytes::of(std::move(text));
  co_return answer;
}

Task<ServerResponse> Handlers::list_upstreams(Call&) {
  std::vector<wire::UpstreamView> views;
  for (const auto& upstream : service_.upstreams()) views.push_back(view_of(upstream));
  co_return json_answer(200, wire::upstream_list_json(views));
}

Task<ServerResponse> Handlers::put_upstream(Call& call) {
  const auto wanted = wire::parse_upstream_change(call.request.header("content-type").value_or(""),
                                                  call.request.body);
  if (!wanted) co_return problem_answer(wanted.error());
  const auto status = service_.set_concurrency(call.parameter, *wanted);
  if (!status)
    co_return problem_answer(wire::ProblemCode::upstream_not_found,
                             fmt::format("Upstream {} not found", call.parameter));
  co_return json_answer(200, wire::upstream_json(view_of(*status)));
}

Task<ServerResponse> Handlers::get_openapi(Call&) {
  static const auto kText =
      std::make_shared<const std::string>(openapi_json(endpoints(), options_.version));
  auto answer = json_answer(200, {});
  answer.body = {kText, as_bytes(*kText)};
  co_return answer;
}

Task<ServerResponse> Handlers::get_docs(Call&) {
  co_return docs_page(endpoints(), options_.version);
}

Task<ServerResponse> Handlers::get_dashboard(Call& call) {
  co_return dashboard_page(call.request);
}

Task<ServerResponse> Handlers::get_dashboard_file(Call& call) {
  co_return dashboard_file(call.request, call.parameter);
}

Task<ServerResponse> Handlers::get_login(Call&) {
  co_return guard_.login_page();
}
Task<ServerResponse> Handlers::post_login(Call& call) {
  co_return guard_.log_in(call.request);
}
Task<ServerResponse> Handlers::post_logout(Call& call) {
  co_return guard_.log_out(call.request);
}

}  // namespace betedge::server
