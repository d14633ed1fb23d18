#include "betedge/wire/dry_run.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "betedge/wire/python_json.hpp"

namespace betedge::wire {

namespace {

std::string whole_or_null(std::optional<double> value) {
  return value ? fmt::format("{:.0f}", *value) : "null";
}

}  // namespace

std::string dry_run_json(std::string_view request_json, const DryRunView& run) {
  const auto there =
      static_cast<std::size_t>(std::ranges::count_if(run.items, &DryRunView::Item::is_there));
  std::string json = fmt::format(
      R"({{"request":{},"total":{},"present":{},"missing":{},"calls":{},)"
      R"("expected":{{"bytes":{},"seconds":{},"from_objects":{}}},"not_yet_available":[)",
      request_json, run.items.size(), there, run.items.size() - there, run.calls,
      whole_or_null(run.bytes),
      run.seconds ? fmt::format("{:.1f}", *run.seconds) : std::string("null"), run.like_objects);
  for (std::string_view separator; const Date day : run.not_yet_available) {
    json += fmt::format(R"({}"{}")", separator, to_yyyymmdd_text(day));
    separator = ",";
  }
  json += R"(],"items":[)";
  for (std::string_view separator; const auto& item : run.items) {
    json += fmt::format(R"({}{{"key":{},"state":"{}","covers":["{}","{}"],"calls":{}}})", separator,
                        wire::quoted(item.key), item.is_there ? "present" : "missing",
                        to_yyyymmdd_text(item.covers.first), to_yyyymmdd_text(item.covers.last),
                        item.calls);
    separator = ",";
  }
  return json + "]}";
}

}  // namespace betedge::wire
