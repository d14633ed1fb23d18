#include "betedge/wire/upstream.hpp"

#include <fmt/format.h>

#include <charconv>

#include "betedge/wire/body.hpp"
#include "betedge/wire/faults.hpp"
#include "betedge/wire/python_json.hpp"

namespace betedge::wire {

std::string upstream_json(const UpstreamView& upstream) {
  return fmt::format(
      R"({{"name":{},"version":{},"concurrency":{},"allowed":{},"in_use":{},"waiting":{},)"
      R"("circuit":"{}","waiting_for":{},"calls":{},"failed_calls":{},"calls_per_second":{:.3f}}})",
      wire::quoted(upstream.name),
      upstream.version.empty() ? "null" : wire::quoted(upstream.version), upstream.concurrency,
      upstream.allowed, upstream.in_use, upstream.waiting,
      upstream.circuit_is_open ? "open" : "closed",
      upstream.waiting_for ? wire::quoted(*upstream.waiting_for) : "null", upstream.calls,
      upstream.failed_calls, upstream.calls_per_second);
}

std::string upstream_list_json(std::span<const UpstreamView> upstreams) {
  std::string json = R"({"upstreams":[)";
  for (std::string_view separator; const auto& upstream : upstreams) {
    json += separator;
    json += upstream_json(upstream);
    separator = ",";
  }
  return json + "]}";
}

std::expected<std::size_t, Refusal> parse_upstream_change(std::string_view content_type,
                                                          std::string_view body) {
  constexpr std::string_view kName = "concurrency";
  const auto object = read_object(content_type, body);
  if (!object) return std::unexpected(object.error());
  Faults faults;
  const auto* value = object->find(kName);
  if (value == nullptr) {
    faults.add("missing", {"body", kName}, "Field required", to_python_json(*object));
    return std::unexpected(faults.refusal());
  }
  const auto input = to_python_json(*value);
  if (value->type != PythonValue::Type::integer) {
    faults.add("int_type", {"body", kName}, "Input should be a valid integer", input);
    return std::unexpected(faults.refusal());
  }
  int calls = 0;
  const auto& digits = value->text;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), calls);
  const bool is_huge = read.ec != std::errc{};
  if (digits.starts_with('-') || (!is_huge && calls < 1)) {
    faults.add("greater_than_equal", {"body", kName}, "Input should be greater than or equal to 1",
               input, R"({"ge":1})");
    return std::unexpected(faults.refusal());
  }
  if (is_huge || calls > kHighestConcurrency) {
    faults.add("less_than_equal", {"body", kName},
               fmt::format("Input should be less than or equal to {}", kHighestConcurrency), input,
               fmt::format(R"({{"le":{}}})", kHighestConcurrency));
    return std::unexpected(faults.refusal());
  }
  return static_cast<std::size_t>(calls);
}

}  // namespace betedge::wire
