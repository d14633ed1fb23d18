#include "betedge/wire/refusal.hpp"

#include <fmt/format.h>

#include <charconv>

#include "betedge/wire/faults.hpp"
#include "betedge/wire/python_json.hpp"

namespace betedge::wire {

std::string detail_json(std::string_view detail) {
  return fmt::format(R"({{"detail":{}}})", wire::quoted(detail));
}

Refusal refuse_field(std::string_view field, std::string_view message, std::string_view body) {
  std::string input = "null";
  if (const auto request = parse_python_json(body))
    if (const PythonValue* sent = request->find(field)) input = to_python_json(*sent);
  Faults faults;
  faults.value_error({"body", field}, message, input);
  return faults.refusal();
}

Refusal internal_error(std::string_view details) {
  return {500,
          fmt::format(R"({{"error_code":"INTERNAL_ERROR","message":"An internal error )"
                      R"(occurred while processing the request","details":{}}})",
                      wire::quoted(details)),
          ProblemCode::internal_error};
}

std::expected<std::optional<std::size_t>, Refusal> parse_limit(
    std::optional<std::string_view> text) {
  if (!text) return std::nullopt;
  std::int64_t limit = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), limit);
  Faults faults;
  if (error != std::errc{} || end != text->data() + text->size())
    faults.add("int_parsing", {"query", "limit"},
               "Input should be a valid integer, unable to parse string as an integer",
               wire::quoted(*text));
  else if (limit < 1)
    faults.add("greater_than_equal", {"query", "limit"},
               "Input should be greater than or equal to 1", wire::quoted(*text), R"({"ge":1})");
  else
    return static_cast<std::size_t>(limit);
  return std::unexpected(faults.refusal());
}

std::expected<std::optional<JobStatus>, Refusal> parse_status_filter(
    std::optional<std::string_view> text) {
  if (!text) return std::nullopt;
  if (const auto status = parse_job_status(*text)) return status;
  return std::unexpected(
      Refusal{400,
              detail_json(fmt::format("Invalid status '{}'. Valid statuses: pending, running, "
                                      "completed, failed",
                                      *text)),
              ProblemCode::invalid_status});
}

}  // namespace betedge::wire
