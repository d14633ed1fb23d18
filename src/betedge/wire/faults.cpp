#include "betedge/wire/faults.hpp"

#include <fmt/format.h>

#include "betedge/wire/python_json.hpp"

namespace betedge::wire {

void Faults::add(std::string_view type, Place place, std::string_view message,
                 std::string_view input, std::string_view context,
                 std::optional<std::size_t> index) {
  std::string where;
  for (const std::string_view part : place) {
    if (!where.empty()) where += ',';
    where += wire::quoted(part);
  }
  if (index) where += fmt::format(",{}", *index);
  if (!list_.empty()) list_ += ',';
  list_ += fmt::format(R"({{"type":{},"loc":[{}],"msg":{},"input":{})", wire::quoted(type), where,
                       wire::quoted(message), input);
  if (!context.empty()) list_ += fmt::format(R"(,"ctx":{})", context);
  list_ += '}';
}

void Faults::value_error(Place place, std::string_view message, std::string_view input) {
  add("value_error", place, fmt::format("Value error, {}", message), input, R"({"error":{}})");
}

Refusal Faults::refusal() const {
  return {422, fmt::format(R"({{"detail":[{}]}})", list_)};
}

}  // namespace betedge::wire
