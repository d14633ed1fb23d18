#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "betedge/core/error.hpp"
#include "betedge/net/http_server.hpp"

// The shapes of API.md's answers; plain functions.
namespace betedge::server {

net::ServerResponse json_answer(int status, std::string body);

// A page, with the headers that keep it to itself: no script, no frame, nothing from elsewhere.
// `style_source` is what its Content-Security-Policy allows as style: "'self'", or the hash of an
// inline one. Never cached.
net::ServerResponse html_answer(int status, std::string page, std::string_view style_source);

// {"detail":"…"}
net::ServerResponse detail_answer(int status, std::string_view detail);

// {"detail":"<sentence>: <reason>"} with the status that the error's code means. A known outage is
// 503 with Retry-After. The reason is our own words for the code: the error's message, which may
// name a path or a host, is for the log.
net::ServerResponse failure_answer(std::string_view sentence, const Error& error);

// What a failed call of the service is to a client.
int http_status(ErrorCode code);
std::string_view public_reason(ErrorCode code);

// Seconds, rounded up, at least 1.
std::string retry_after_text(std::chrono::milliseconds delay);

}  // namespace betedge::server
