#pragma once

#include <cstddef>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "betedge/core/job.hpp"
#include "betedge/wire/problem.hpp"

namespace betedge::wire {

// An HTTP answer that says no: its status, and its JSON body.
struct Refusal {
  int status = 0;
  std::string body;
  ProblemCode code = ProblemCode::validation_error;
  friend bool operator==(const Refusal&, const Refusal&) = default;
};

// {"detail":"…"}: how every refusal but a validation fault is told.
std::string detail_json(std::string_view detail);

// 422 for a request that is well-formed and still cannot be taken: a value_error at ["body",
// field], with the field's value as `body` (the request's, as it was sent) had it, null when it had
// none.
Refusal refuse_field(std::string_view field, std::string_view message, std::string_view body);

// 500 for a fault outside every handler: {"error_code":"INTERNAL_ERROR",…,"details":details}.
Refusal internal_error(std::string_view details);

// The query parameter `limit` of a list, nullopt when it was not sent; at least 1. 422 at
// ["query","limit"] for everything else.
std::expected<std::optional<std::size_t>, Refusal> parse_limit(
    std::optional<std::string_view> text);

// The query parameter `job_status`, in any case; 400 for an unknown one.
std::expected<std::optional<JobStatus>, Refusal> parse_status_filter(
    std::optional<std::string_view> text);

}  // namespace betedge::wire
