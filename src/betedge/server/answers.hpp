#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "betedge/core/error.hpp"
#include "betedge/net/http_server.hpp"
#include "betedge/wire/problem.hpp"
#include "betedge/wire/refusal.hpp"

// The shapes of API.md's answers; plain functions.
namespace betedge::server {

net::ServerResponse json_answer(int status, std::string body);

// A page, with the headers that keep it to itself: no script, no frame, nothing from elsewhere.
// `style_source` is what its Content-Security-Policy allows as style: "'self'", or the hash of an
// inline one. Never cached.
net::ServerResponse html_answer(int status, std::string page, std::string_view style_source);

// RFC 9110, 13.1.2: whether If-None-Match is "*" or lists this tag, compared weakly.
bool matches(std::string_view if_none_match, std::string_view etag);

// RFC 9110, 12.5.3: whether Accept-Encoding takes gzip.
bool takes_gzip(std::string_view accept_encoding);

// The header that names an error's code; also for HEAD, which has no body to read it from.
inline constexpr std::string_view kErrorHeader = "Betedge-Error";

// {"detail":"…"} with the code's status and its name in kErrorHeader.
net::ServerResponse problem_answer(wire::ProblemCode code, std::string_view detail);
net::ServerResponse problem_answer(wire::Refusal refusal);

// Gives an answer that names an error its machine-readable members, in the media type that `accept`
// (the header's value, empty when there is none) likes better. `path` is the request's, empty when
// it is not known. Any other answer stays as it is.
void finish_problem(net::ServerResponse& answer, std::string_view path, std::string_view accept);

// Whether application/problem+json is liked better than application/json, as RFC 9110 (12.5.1)
// weighs them: the most specific range that fits gives the quality. A tie, as with "*/*" alone, is
// no: a client has to ask for it.
bool prefers_problem_json(std::string_view accept);

// {"detail":"<sentence>: <reason>"} with the status that the error's code means. A known outage is
// 503 with Retry-After. The reason is our own words for the code: the error's message, which may
// name a path or a host, is for the log.
net::ServerResponse failure_answer(std::string_view sentence, const Error& error);

// What a failed call of the service is to a client.
wire::ProblemCode problem_code(ErrorCode code);
std::string_view public_reason(ErrorCode code);

// Seconds, rounded up, at least 1.
std::string retry_after_text(std::chrono::milliseconds delay);

}  // namespace betedge::server
