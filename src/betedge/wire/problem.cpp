#include "betedge/wire/problem.hpp"

#include <fmt/format.h>

#include <array>
#include <cstddef>

#include "betedge/wire/job.hpp"
#include "betedge/wire/json_members.hpp"
#include "betedge/wire/python_json.hpp"

namespace betedge::wire {
namespace {

using enum ProblemCode;

constexpr std::array kProblems{
    Problem{bad_request, 400, "bad_request", "Not a request of HTTP/1.1",
            "What came is not HTTP as this server reads it; `detail` says which rule it breaks."},
    Problem{body_unreadable, 400, "body_unreadable", "The body cannot be read",
            "The body is not UTF-8, or nested deeper than 32. Send JSON."},
    Problem{invalid_client_id, 400, "invalid_client_id", "X-Client-Id is no name",
            "`X-Client-Id` takes 1 to 64 printable ASCII characters."},
    Problem{invalid_cursor, 400, "invalid_cursor", "The cursor is none of ours",
            "`cursor` takes what `next_cursor` of the page before said, and nothing else."},
    Problem{invalid_idempotency_key, 400, "invalid_idempotency_key",
            "The Idempotency-Key is not valid",
            "`Idempotency-Key` takes 1 to 255 printable ASCII characters."},
    Problem{invalid_job_id, 400, "invalid_job_id", "Not a job's id",
            "The path's id is not a UUID. Take it from the answer of the submission."},
    Problem{invalid_label, 400, "invalid_label", "The label cannot be read",
            "`label` takes a name, a colon and a value: `label=team:research`."},
    Problem{invalid_state, 400, "invalid_state", "There is no such item state",
            "`state` takes one of the states that `detail` lists."},
    Problem{invalid_status, 400, "invalid_status", "There is no such job status",
            "`job_status` takes `pending`, `running`, `completed` or `failed`."},
    Problem{unauthorized, 401, "unauthorized", "A token is needed",
            "Send a token as `Authorization: Bearer …`, or log in at `/login`; a token that was "
            "replaced is not known any more."},
    Problem{forbidden, 403, "forbidden", "The token's scope is too weak",
            "Ask with a token that has the scope which `detail` names."},
    Problem{
        foreign_origin, 403, "foreign_origin", "Asked by a page of another origin",
        "A browser asked on behalf of another site's page. Ask from this server's own pages, or "
        "from a program."},
    Problem{not_found, 404, "not_found", "There is nothing at this path",
            "Compare the path with this page."},
    Problem{job_not_found, 404, "job_not_found", "There is no such job",
            "The id is well-formed, and no job has it: it was deleted, or belongs to another "
            "server."},
    Problem{upstream_not_found, 404, "upstream_not_found", "There is no such upstream",
            "`GET /upstreams` lists those that there are."},
    Problem{object_not_found, 404, "object_not_found", "There is no such object",
            "Nothing lies in the lake under this key. `GET /objects` lists what there is."},
    Problem{method_not_allowed, 405, "method_not_allowed", "The path does not take this method",
            "The header `Allow` lists the methods that it takes."},
    Problem{request_timeout, 408, "request_timeout", "The request came too slowly",
            "The head has to come whole within 10 s, and the body without a longer silence."},
    Problem{conflict, 409, "conflict", "The job's state does not allow it",
            "For instance to delete a job that runs. `detail` says what is in the way."},
    Problem{idempotency_in_flight, 409, "idempotency_in_flight",
            "A request with this key is being stored",
            "Send the same request again in a moment: its answer will be there."},
    Problem{login_not_needed, 409, "login_not_needed", "This server asks for no token",
            "Nothing needs a login here."},
    Problem{verification_in_progress, 409, "verification_in_progress",
            "A verification is going on already",
            "There is one at a time. Ask again when it has ended, or its caller has gone."},
    Problem{payload_too_large, 413, "payload_too_large", "The body is too large",
            "Split the request; the limit is the setting `limits.body_bytes`, 1 MiB by itself."},
    Problem{unsupported_media_type, 415, "unsupported_media_type",
            "The body's media type is not taken here",
            "Send the token as a form's field or as JSON."},
    Problem{range_not_satisfiable, 416, "range_not_satisfiable",
            "The object has none of these bytes", "`Content-Range` says how many bytes it has."},
    Problem{expectation_failed, 417, "expectation_failed", "The expectation is not known",
            "The only one that is known is `Expect: 100-continue`."},
    Problem{misdirected, 421, "misdirected", "This server is not called so",
            "Add the name by which you called it to the setting `server.allowed_hosts`."},
    Problem{idempotency_key_reused, 422, "idempotency_key_reused",
            "This key was sent with another request",
            "Use a new `Idempotency-Key` for a new request."},
    Problem{validation_error, 422, "validation_error", "The request is not valid",
            "Every fault is listed: where (`loc`), what (`msg`) and with which value (`input`)."},
    Problem{quota_exceeded, 429, "quota_exceeded", "Too many items are waiting already",
            "Submit again after the seconds of `Retry-After`, when some have ended."},
    Problem{too_many_logins, 429, "too_many_logins", "Too many failed logins",
            "Try again after the seconds of `Retry-After`."},
    Problem{headers_too_large, 431, "headers_too_large", "The request's head is too large",
            "Send at most 16 KiB and 128 headers."},
    Problem{internal_error, 500, "internal_error", "A fault of the server",
            "The server's log says more. The same request may succeed later."},
    Problem{job_failed, 500, "job_failed", "The job ended, and some of it failed",
            "Only where a request is held until its job ends. `Location` is the job; what was done "
            "stays done, and the same request again does the rest."},
    Problem{not_implemented, 501, "not_implemented", "Not a method or coding that is known",
            "Use the methods of this page; a body may be chunked, and not otherwise encoded."},
    Problem{draining, 503, "draining", "The server is stopping",
            "Ask again after the seconds of `Retry-After`; jobs go on at the next start."},
    Problem{starting, 503, "starting", "The server is starting",
            "Ask again after the seconds of `Retry-After`."},
    Problem{store_unavailable, 503, "store_unavailable", "The job store is not available",
            "Ask again after the seconds of `Retry-After`. A disk that is full needs a person."},
    Problem{lake_unavailable, 503, "lake_unavailable", "The lake is not available",
            "Ask again after the seconds of `Retry-After`. A disk that is full or a lake that "
            "refuses needs a person."},
    Problem{unavailable, 503, "unavailable", "Something that this needs is not available",
            "Ask again after the seconds of `Retry-After`."},
    Problem{version_not_supported, 505, "version_not_supported", "Only HTTP/1.1 is spoken here",
            "HTTP/1.0 is read, too."},
};

constexpr bool in_order() {
  for (std::size_t i = 0; i < kProblems.size(); ++i)
    if (static_cast<std::size_t>(kProblems[i].code) != i) return false;
  return kProblems.size() == static_cast<std::size_t>(version_not_supported) + 1;
}
static_assert(in_order());

// `"type":…,"code":…`
std::string members_of(const Problem& problem, std::string_view path) {
  const auto instance = path.empty() ? "" : fmt::format(R"("instance":{},)", wire::quoted(path));
  return fmt::format(R"("type":"/docs#{0}","title":{1},"status":{2},{3}"code":"{0}")", problem.name,
                     wire::quoted(problem.title), problem.status, instance);
}

}  // namespace

std::span<const Problem> problems() {
  return kProblems;
}

const Problem& problem_of(ProblemCode code) {
  return kProblems[static_cast<std::size_t>(code)];
}

std::string problem_json(std::string_view body, const Problem& problem, std::string_view path) {
  body.remove_suffix(1);
  return fmt::format("{},{}}}", body, members_of(problem, path));
}

std::string rfc9457_json(std::string_view body, const Problem& problem, std::string_view path) {
  const auto own = parse_json(body);
  const Json* detail = own ? member(*own, "detail") : nullptr;
  if (detail == nullptr) return problem_json(body, problem, path);
  auto json = "{" + members_of(problem, path);
  if (!detail->is_array()) return json + fmt::format(R"(,"detail":{}}})", detail->dump());
  const auto faults = refusal_text(body);
  // The list's own text, so that no number in it changes: it begins after `{"detail":`.
  constexpr std::string_view kBefore = R"({"detail":)";
  body.remove_prefix(kBefore.size());
  body.remove_suffix(1);
  return json + fmt::format(R"(,"detail":{},"errors":{}}})", wire::quoted(faults), body);
}

}  // namespace betedge::wire
