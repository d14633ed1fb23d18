#include "betedge/server/handlers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "betedge/server/answers.hpp"
#include "betedge/server/dashboard.hpp"

namespace betedge::server {

using net::ServerResponse;

std::optional<std::string_view> last_of(const net::ServerRequest& request, std::string_view name) {
  for (auto it = request.query.rbegin(); it != request.query.rend(); ++it)
    if (it->first == name) return it->second;
  return std::nullopt;
}

Handlers::Handlers(Runtime& runtime, engine::DataProcessingService& service,
                   engine::LakeService& lake, Log& log, Guard& guard, Api::Options options,
                   Metrics& metrics)
    : runtime_(runtime),
      service_(service),
      lake_(lake),
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
  if (state == State::starting) {
    answer = problem_answer(wire::ProblemCode::starting,
                            fmt::format("{}: the server is starting", sentence));
    answer.headers.emplace_back("Retry-After", retry_after_text(error.retry_after));
  }
  log_.event(Level::error, event,
             {{"job", call.job},
              {"method", call.request.method},
              {"path", call.request.path},
              {"status", fmt::format("{}", answer.status)},
              {"code", std::string(to_text(error.code))},
              {"error", error.message}});
  return answer;
}

std::vector<Handlers::Route> Handlers::job_routes() {
  using enum Method;
  using enum Subject;
  using enum wire::ProblemCode;
  static const Parameter kJobId{In::path, "job_id", R"({"type":"string","format":"uuid"})",
                                "The job's id, in any spelling of a UUID."};
  static const Parameter kDryRun{
      In::query, "dry_run", R"({"type":"boolean","default":false})",
      "`true`: say what would be done, and do nothing. `1` and `yes` are true, too."};
  static const Parameter kPrefer{In::header, "Prefer",
                                 R"({"type":"string","examples":["respond-async","wait=30"]})",
                                 "RFC 7240: `respond-async` to be answered at once, `wait=N` to be "
                                 "held for N seconds at most."};
  static const Parameter kKey{
      In::header, "Idempotency-Key",
      R"({"type":"string","minLength":1,"maxLength":255,"pattern":"^[!#-~]+$"})",
      "A name of your own for this request, kept for 24 hours: sent again "
      "with it, the same request "
      "gets the same job."};
  static const Parameter kClient{
      In::header, "X-Client-Id",
      R"({"type":"string","minLength":1,"maxLength":64,"pattern":"^[!-~]+$"})",
      "Who asks, where no token says it."};
  static const Parameter kLastEvent{
      In::header, "Last-Event-ID", R"({"type":"string"})",
      "The `id` of the last event that was seen, to go on behind it."};
  const std::vector<Parameter> of_submit{kDryRun, kPrefer, kKey, kClient};
  const std::vector<Parameter> of_job{kJobId};
  const std::vector<std::string_view> with_job{
      "Location",    "Retry-After",          "Preference-Applied",
      "Deprecation", "Idempotency-Replayed", "Betedge-Joined"};
  const std::vector<Reply> submitted{
      {202, "Submitted",
       "The job is stored: `JobAccepted`. Where requests are held, the job has ended well: "
       "`JobSucceeded`.",
       with_job},
      {200, "DryRun", "With `dry_run`: what would be done."}};
  const std::vector<wire::ProblemCode> of_submitting{body_unreadable,
                                                     invalid_idempotency_key,
                                                     idempotency_in_flight,
                                                     idempotency_key_reused,
                                                     validation_error,
                                                     quota_exceeded,
                                                     job_failed,
                                                     draining,
                                                     starting,
                                                     store_unavailable,
                                                     unavailable};
  const std::vector<wire::ProblemCode> of_reading{invalid_job_id, job_not_found, starting,
                                                  store_unavailable, unavailable};
  const auto and_also = [](std::vector<wire::ProblemCode> codes,
                           std::initializer_list<wire::ProblemCode> more) {
    codes.insert(codes.end(), more);
    return codes;
  };
  const std::vector<std::string_view> of_state{"ETag", "Cache-Control", "Retry-After"};
  constexpr std::string_view kStream = "text/event-stream";
  constexpr std::string_view kHtml = "text/html";
  static const auto kFileExample = fmt::format("/ui/files/{}/app.js\"", web_version());
  return {
      {{.method = get,
        .pattern = "/",
        .access = Access::read,
        .subject = operations,
        .summary = "What this service is",
        .text = "The service's name and version, and where submissions go.",
        .answers = {{200, "Service", "What this is."}},
        .example = "/\""},
       &Handlers::get_root},
      {{.method = post,
        .pattern = "/historical/option",
        .access = Access::submit,
        .subject = Subject::submit,
        .summary = "Submit a request for option data",
        .text = "The whole chain of an underlying: every expiration and strike. `eod` makes one "
                "object a calendar month, `quote` and `ohlc` one a trading day. A period is "
                "downloaded whole; days that have not ended in New York are no items yet, and the "
                "job names them. A request equal to that of an active job joins it.",
        .parameters = of_submit,
        .body = "OptionRequest",
        .answers = submitted,
        .problems = of_submitting,
        .example = R"(/historical/option" --json '{"root":"AAPL","start_date":"20240102",)"
                   R"("end_date":"20240131","schema":"eod"}')"},
       &Handlers::post_option},
      {{.method = post,
        .pattern = "/historical/stock",
        .access = Access::submit,
        .subject = Subject::submit,
        .summary = "Submit a request for stock data",
        .text = "`eod` makes one object a calendar year, `quote` and `ohlc` one a trading day; all "
                "else is as for options.",
        .parameters = of_submit,
        .body = "StockRequest",
        .answers = submitted,
        .problems = of_submitting,
        .example = R"(/historical/stock" --json '{"root":"AAPL","start_date":"20240102",)"
                   R"("end_date":"20240105","schema":"quote","interval":60000}')"},
       &Handlers::post_stock},
      {{.method = post,
        .pattern = "/earnings",
        .access = Access::submit,
        .subject = Subject::submit,
        .summary = "Submit a request for earnings dates",
        .text = "The earnings calendar of the whole market, one object a calendar month.",
        .parameters = of_submit,
        .body = "EarningsRequest",
        .answers = submitted,
        .problems = of_submitting,
        .example =
            R"(/earnings?dry_run=true" --json '{"start_date":"202401","end_date":"202403"}')"},
       &Handlers::post_earnings},
      {{.method = get,
        .pattern = "/jobs",
        .access = Access::read,
        .subject = jobs,
        .summary = "List jobs, newest first",
        .text = "`total` is the number of jobs returned.",
        .parameters =
            {{In::query, "limit", R"({"type":"integer","minimum":1})",
              "The most jobs to return; left out, all."},
             {In::query, "job_status",
              R"({"type":"string","pattern":)"
              R"("^([Pp][Ee][Nn][Dd][Ii][Nn][Gg]|[Rr][Uu][Nn][Nn][Ii][Nn][Gg]|)"
              R"([Cc][Oo][Mm][Pp][Ll][Ee][Tt][Ee][Dd]|[Ff][Aa][Ii][Ll][Ee][Dd])?$"})",
              "Only jobs of this status: `pending`, `running`, `completed` or `failed`, in "
              "any case."},
             {In::query, "label", R"({"type":"string","pattern":"^[^:]+:"})",
              "Only jobs with this label, as `name:value`."}},
        .answers = {{200, "JobList", "The jobs."}},
        .problems = {invalid_status, invalid_label, validation_error, starting, store_unavailable,
                     unavailable},
        .example = "/jobs?job_status=running&limit=20\""},
       &Handlers::list_jobs},
      {{.method = get,
        .pattern = "/jobs/{job_id}",
        .access = Access::read,
        .subject = jobs,
        .summary = "How a job stands",
        .text =
            "With `wait` the answer comes when the job has changed, or after as many seconds: a "
            "long poll. With `If-None-Match` it waits until the job differs from that state.",
        .parameters = {kJobId,
                       {In::query, "wait", R"({"type":"integer","minimum":0,"maximum":2147483647})",
                        "Seconds to wait for a change. More than 60 are taken as 60."},
                       {In::header, "If-None-Match", R"({"type":"string"})",
                        "The `ETag` that is known: 304 while it is still right."}},
        .answers = {{200, "JobInfo", "The job.", of_state},
                    {304, "", "It is as `If-None-Match` says.", of_state}},
        .problems = and_also(of_reading, {validation_error}),
        .example = "/jobs/$JOB?wait=30\""},
       &Handlers::get_job},
      {{.method = del,
        .pattern = "/jobs/{job_id}",
        .access = Access::admin,
        .subject = jobs,
        .summary = "Forget a job that has ended",
        .text = "Its objects stay in the lake.",
        .parameters = of_job,
        .answers = {{204, "", "It is gone."}},
        .problems = and_also(of_reading, {conflict}),
        .example = "/jobs/$JOB\" -X DELETE"},
       &Handlers::delete_job},
      {{.method = get,
        .pattern = "/jobs/{job_id}/items",
        .access = Access::read,
        .subject = jobs,
        .summary = "A job's items, page by page",
        .text =
            "An item is one object. For the next page send `next_cursor` as `cursor`; it is null "
            "on the last one.",
        .parameters = {kJobId,
                       {In::query, "state",
                        R"({"type":"string","enum":["","pending","running",)"
                        R"("succeeded","skipped","no_data","failed","cancelled"]})",
                        "Only items of this state; empty, all."},
                       {In::query, "limit", R"({"type":"integer","minimum":1,"default":100})",
                        "The most items of a page. More than 1000 are taken as 1000."},
                       {In::query, "cursor",
                        R"({"type":"integer","minimum":0,"maximum":4294967295,"default":0})",
                        "Where the page begins: `next_cursor` of the page before."}},
        .answers = {{200, "ItemPage", "A page of items."}},
        .problems = and_also(of_reading, {invalid_state, invalid_cursor, validation_error}),
        .example = "/jobs/$JOB/items?state=failed\""},
       &Handlers::list_items},
      {{.method = post,
        .pattern = "/jobs/{job_id}/cancel",
        .access = Access::submit,
        .subject = jobs,
        .summary = "Stop a job",
        .text = "Running downloads stop within seconds unless another job needs them; finished "
                "objects stay.",
        .parameters = of_job,
        .answers = {{202, "JobInfo", "It is being cancelled.", of_state},
                    {200, "JobInfo", "It has ended.", of_state}},
        .problems = and_also(of_reading, {conflict}),
        .example = "/jobs/$JOB/cancel\" -X POST"},
       &Handlers::cancel_job},
      {{.method = post,
        .pattern = "/jobs/{job_id}/retry",
        .access = Access::submit,
        .subject = jobs,
        .summary = "Begin a job's failed items anew",
        .text = "Only of a job that has ended with failed items; all others keep their outcome.",
        .parameters = of_job,
        .answers = {{202,
                     "JobInfo",
                     "It is pending again.",
                     {"Location", "ETag", "Cache-Control", "Retry-After"}}},
        .problems = and_also(of_reading, {conflict}),
        .example = "/jobs/$JOB/retry\" -X POST"},
       &Handlers::retry_job},
      {{.method = get,
        .pattern = "/jobs/{job_id}/events",
        .access = Access::read,
        .subject = watching,
        .summary = "Watch a job",
        .text =
            "Server-sent events: `snapshot` (the whole job) first, `progress` at most four times "
            "a second, `item_failed` for each item that fails, and `end`, after which the server "
            "closes. Each event's `data` is JSON, its `id` the job's version.",
        .parameters = {kJobId, kLastEvent},
        .answers = {{200, "EventStream", "The events.", {}, kStream},
                    {204, "",
                     "The job has ended, and `Last-Event-ID` was its last event: do not "
                     "connect again."}},
        .problems = and_also(of_reading, {draining}),
        .example = "/jobs/$JOB/events\" -N"},
       &Handlers::job_events},
      {{.method = get,
        .pattern = "/events",
        .access = Access::read,
        .subject = watching,
        .summary = "Watch all jobs",
        .text = "The same events of all jobs, each with its `job_id`, without an end.",
        .parameters = {kLastEvent},
        .answers = {{200, "EventStream", "The events.", {}, kStream}},
        .problems = {draining, starting},
        .example = "/events\" -N"},
       &Handlers::all_events},
      {{.method = get,
        .pattern = "/upstreams",
        .access = Access::read,
        .subject = upstreams,
        .summary = "How the upstreams stand",
        .text = "Calls at once, calls waiting, and whether the upstream is there.",
        .answers = {{200, "UpstreamList", "The upstreams."}},
        .example = "/upstreams\""},
       &Handlers::list_upstreams},
      {{.method = put,
        .pattern = "/upstreams/{name}",
        .access = Access::admin,
        .subject = upstreams,
        .summary = "Change how many calls at once an upstream is asked",
        .text = "From now on, and until the server ends; calls that are running end.",
        .parameters = {{In::path, "name", R"({"type":"string","examples":["thetadata"]})",
                        "The upstream's name, as `GET /upstreams` says it."}},
        .body = "UpstreamChange",
        .answers = {{200, "Upstream", "The upstream as it is now."}},
        .problems = {body_unreadable, upstream_not_found, validation_error},
        .example = R"(/upstreams/thetadata" -X PUT --json '{"concurrency":4}')"},
       &Handlers::put_upstream},
      {{.method = get,
        .pattern = "/health",
        .access = Access::open,
        .subject = operations,
        .summary = "Whether the process answers",
        .text = "As the Python original said it.",
        .answers = {{200, "Health", "It does."}},
        .example = "/health\""},
       &Handlers::get_health},
      {{.method = get,
        .pattern = "/health/live",
        .access = Access::open,
        .subject = operations,
        .summary = "Whether the process answers",
        .text = "For whoever restarts it when it does not.",
        .answers = {{200, "Liveness", "It does."}},
        .example = "/health/live\""},
       &Handlers::get_live},
      {{.method = get,
        .pattern = "/health/ready",
        .access = Access::open,
        .subject = operations,
        .summary = "Whether requests can be taken",
        .text =
            "They can when the job store and the lake answer. An upstream that is gone is named, "
            "and makes jobs wait; requests are taken all the same.",
        .answers = {{200, "Readiness", "Ready."},
                    {503,
                     "Readiness",
                     "Not ready: a part fails, or the server starts or stops.",
                     {"Retry-After"}}},
        .example = "/health/ready\""},
       &Handlers::get_ready},
      {{.method = get,
        .pattern = "/version",
        .access = Access::read,
        .subject = operations,
        .summary = "Which version answers",
        .text = "betedge's own, and that of the contract.",
        .answers = {{200, "Version", "The version."}},
        .example = "/version\""},
       &Handlers::get_version},
      {{.method = get,
        .pattern = "/metrics",
        .access = Access::read,
        .subject = operations,
        .summary = "What is counted, for Prometheus",
        .text = "In Prometheus' text format, version 0.0.4.",
        .answers = {{200, "Text", "The metrics.", {}, "text/plain"}},
        .example = "/metrics\""},
       &Handlers::get_metrics},
      {{.method = get,
        .pattern = "/openapi.json",
        .access = Access::read,
        .subject = operations,
        .summary = "This description, as OpenAPI 3.1",
        .text = "For programs that make clients and tests.",
        .answers = {{200, "OpenApi", "The description."}},
        .example = "/openapi.json\""},
       &Handlers::get_openapi},
      {{.method = get,
        .pattern = "/docs",
        .access = Access::read,
        .subject = operations,
        .summary = "This description, to be read",
        .text = "One page that needs nothing else.",
        .answers = {{200, "Text", "The page.", {}, kHtml}},
        .example = "/docs\""},
       &Handlers::get_docs},
      {{.method = get,
        .pattern = "/ui",
        .access = Access::open,
        .subject = dashboard,
        .summary = "The dashboard",
        .text = "A page that asks this API for all that it shows; where tokens are asked for, it "
                "begins with a login.",
        .parameters = {{In::header, "If-None-Match", R"({"type":"string"})",
                        "The `ETag` that is known: 304 while it is still right."}},
        .answers = {{200, "Text", "The page.", {"ETag", "Cache-Control"}, kHtml},
                    {304, "", "It is as `If-None-Match` says.", {"ETag", "Cache-Control"}}},
        .example = "/ui\""},
       &Handlers::get_dashboard},
      {{.method = get,
        .pattern = "/ui/files/{file...}",
        .access = Access::open,
        .subject = dashboard,
        .summary = "A file of the dashboard",
        .text = "Scripts, styles and the icon, below a digest of all of them: to be kept for ever.",
        .parameters = {{In::path, "file", R"({"type":"string","minLength":1,"maxLength":256})",
                        "The digest and the file's name, as the page names them."},
                       {In::header, "If-None-Match", R"({"type":"string"})",
                        "The `ETag` that is known: 304 while it is still right."}},
        .answers = {{200, "Text", "The file.", {"ETag", "Cache-Control"}, "*/*"},
                    {304, "", "It is as `If-None-Match` says.", {"ETag", "Cache-Control"}}},
        .problems = {not_found},
        .example = kFileExample},
       &Handlers::get_dashboard_file},
      {{.method = get,
        .pattern = "/ui/{page...}",
        .access = Access::open,
        .subject = dashboard,
        .summary = "A page of the dashboard",
        .text = "The same page as `/ui`, which shows what the address names: `/ui/jobs`, "
                "`/ui/jobs/{job_id}`, `/ui/submit`, `/ui/activity`.",
        .parameters = {{In::path, "page",
                        R"({"type":"string","minLength":1,"maxLength":256,"examples":["jobs"]})",
                        "What to show."},
                       {In::header, "If-None-Match", R"({"type":"string"})",
                        "The `ETag` that is known: 304 while it is still right."}},
        .answers = {{200, "Text", "The page.", {"ETag", "Cache-Control"}, kHtml},
                    {304, "", "It is as `If-None-Match` says.", {"ETag", "Cache-Control"}}},
        .example = "/ui/jobs\""},
       &Handlers::get_dashboard},
      {{.method = get,
        .pattern = "/login",
        .access = Access::open,
        .subject = access,
        .summary = "A form to log in with a token",
        .text = "For browsers.",
        .answers = {{200, "Text", "The form.", {}, kHtml}},
        .example = "/login\""},
       &Handlers::get_login},
      {{.method = post,
        .pattern = "/login",
        .access = Access::open,
        .subject = access,
        .summary = "Log in with a token, for a cookie",
        .text =
            "The token as JSON or as a form's field; the cookie is good for 12 hours. A form is "
            "answered with a page.",
        .body = "Login",
        .answers = {{200, "LoggedIn", "Logged in, asked with JSON.", {"Set-Cookie"}},
                    {303, "", "Logged in, asked with a form.", {"Set-Cookie", "Location"}}},
        .problems = {unauthorized, login_not_needed, unsupported_media_type, too_many_logins},
        .example = R"(/login" -c cookies --json "{\"token\":\"$BETEDGE_TOKEN\"}")"},
       &Handlers::post_login},
      {{.method = post,
        .pattern = "/logout",
        .access = Access::open,
        .subject = access,
        .summary = "End the session of a cookie",
        .text = "Without a session it does nothing.",
        .answers = {{204, "", "There is no session any more.", {"Set-Cookie"}},
                    {303, "", "Likewise, asked with a form.", {"Set-Cookie", "Location"}}},
        .example = "/logout\" -X POST"},
       &Handlers::post_logout},
  };
}

// The whole surface: what is not here cannot be asked for, and is not described.
std::span<const Handlers::Route> Handlers::routes() {
  static const std::vector<Route> kRoutes = [] {
    auto all = job_routes();
    std::ranges::move(lake_routes(), std::back_inserter(all));
    return all;
  }();
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
