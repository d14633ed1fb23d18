#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

// What an error answer says to machines (API.md, Part 2): RFC 9457's members and a stable code.
namespace betedge::wire {

// Every way in which a request can be refused or fail. A name, once published, stays.
enum class ProblemCode : std::uint8_t {
  bad_request,
  body_unreadable,
  invalid_client_id,
  invalid_cursor,
  invalid_idempotency_key,
  invalid_job_id,
  invalid_label,
  invalid_state,
  invalid_status,
  unauthorized,
  forbidden,
  foreign_origin,
  not_found,
  job_not_found,
  upstream_not_found,
  object_not_found,
  method_not_allowed,
  request_timeout,
  conflict,
  idempotency_in_flight,
  login_not_needed,
  verification_in_progress,
  payload_too_large,
  unsupported_media_type,
  range_not_satisfiable,
  expectation_failed,
  misdirected,
  idempotency_key_reused,
  validation_error,
  quota_exceeded,
  too_many_logins,
  headers_too_large,
  internal_error,
  job_failed,
  not_implemented,
  draining,
  starting,
  store_unavailable,
  lake_unavailable,
  unavailable,
  version_not_supported,
};

struct Problem {
  ProblemCode code;
  int status;
  std::string_view name;     // "job_not_found"
  std::string_view title;    // the same for every answer of this code
  std::string_view meaning;  // what it means and what to do, for the documentation
};

// All of them, in the order of the enum.
std::span<const Problem> problems();
const Problem& problem_of(ProblemCode code);

// An error's body with the members that make it a problem: after its own members `type`, `title`,
// `status`, `instance` (the request's path; left out when it is empty) and `code`. `body` is a JSON
// object that has members; it stays as it is, byte for byte, up to its closing brace.
std::string problem_json(std::string_view body, const Problem& problem, std::string_view path);

// The same as application/problem+json: `detail` is a text, and a list of faults stands under
// `errors`; RFC 9457's members come first. A body without `detail` is extended like the other.
std::string rfc9457_json(std::string_view body, const Problem& problem, std::string_view path);

}  // namespace betedge::wire
