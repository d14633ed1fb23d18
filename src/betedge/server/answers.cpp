#include "betedge/server/answers.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "betedge/wire/refusal.hpp"

namespace betedge::server {
namespace {

// How soon to ask again when nobody said: an outage of ours passes in seconds or needs a person.
constexpr std::chrono::seconds kRetryAfter{5};

}  // namespace

net::ServerResponse json_answer(int status, std::string body) {
  net::ServerResponse answer;
  answer.status = status;
  answer.headers.emplace_back("Content-Type", "application/json");
  answer.body = net::SharedBytes::of(std::move(body));
  return answer;
}

net::ServerResponse html_answer(int status, std::string page, std::string_view style_source) {
  net::ServerResponse answer;
  answer.status = status;
  answer.headers = {
      {"Content-Type", "text/html; charset=utf-8"},
      {"Content-Security-Policy",
       fmt::format("default-src 'none'; style-src {}; form-action 'self'; base-uri 'none'; "
                   "frame-ancestors 'none'",
                   style_source)},
      {"X-Content-Type-Options", "nosniff"},
      {"X-Frame-Options", "DENY"},
      {"Referrer-Policy", "no-referrer"},
      {"Cross-Origin-Opener-Policy", "same-origin"},
      {"Cache-Control", "no-store"},
  };
  answer.body = net::SharedBytes::of(std::move(page));
  return answer;
}

net::ServerResponse detail_answer(int status, std::string_view detail) {
  return json_answer(status, wire::detail_json(detail));
}

net::ServerResponse failure_answer(std::string_view sentence, const Error& error) {
  const int status = http_status(error.code);
  auto answer = detail_answer(status, fmt::format("{}: {}", sentence, public_reason(error.code)));
  if (status == 503) {
    const auto delay = error.retry_after.count() > 0 ? error.retry_after : kRetryAfter;
    answer.headers.emplace_back("Retry-After", retry_after_text(delay));
  }
  return answer;
}

int http_status(ErrorCode code) {
  switch (code) {
    case ErrorCode::store_unavailable:
    case ErrorCode::cancelled:
    case ErrorCode::timeout:
    case ErrorCode::upstream_unavailable:
    case ErrorCode::upstream_throttled: return 503;
    case ErrorCode::invalid_request:
    case ErrorCode::not_found:
    case ErrorCode::conflict:
    case ErrorCode::fenced:
    case ErrorCode::upstream_failed:
    case ErrorCode::upstream_refused:
    case ErrorCode::upstream_denied:
    case ErrorCode::upstream_garbled:
    case ErrorCode::storage_failed:
    case ErrorCode::storage_full:
    case ErrorCode::storage_denied:
    case ErrorCode::internal: return 500;
  }
  return 500;
}

std::string_view public_reason(ErrorCode code) {
  switch (code) {
    case ErrorCode::store_unavailable: return "the job store is not available";
    case ErrorCode::cancelled: return "the server is stopping";
    case ErrorCode::timeout: return "it took too long";
    case ErrorCode::upstream_unavailable: return "the upstream is not available";
    case ErrorCode::upstream_throttled: return "the upstream asks us to wait";
    case ErrorCode::upstream_failed:
    case ErrorCode::upstream_refused:
    case ErrorCode::upstream_denied:
    case ErrorCode::upstream_garbled: return "the upstream failed";
    case ErrorCode::storage_failed:
    case ErrorCode::storage_full:
    case ErrorCode::storage_denied: return "the lake failed";
    case ErrorCode::conflict: return "the job exists already";
    case ErrorCode::not_found: return "there is no such thing";
    case ErrorCode::fenced:
    case ErrorCode::invalid_request:
    case ErrorCode::internal: return "an internal error";
  }
  return "an internal error";
}

std::string retry_after_text(std::chrono::milliseconds delay) {
  return fmt::format(
      "{}", std::max<std::int64_t>(1, std::chrono::ceil<std::chrono::seconds>(delay).count()));
}

}  // namespace betedge::server
