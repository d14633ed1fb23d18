#include "betedge/wire/dry_run.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "betedge/wire/json_members.hpp"
#include "betedge/wire/python_json.hpp"

namespace betedge::wire {

namespace {

std::string whole_or_null(std::optional<double> value) {
  return value ? fmt::format("{:.0f}", *value) : "null";
}

std::optional<double> number_of(const Json& object, std::string_view name) {
  const Json* number = member(object, name);
  return number != nullptr && number->is_number() ? std::optional(number->get<double>())
                                                  : std::nullopt;
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

Result<DryRunView> parse_dry_run(std::string_view json) {
  const auto parsed = parse_json(json);
  const Json* items = parsed ? member(*parsed, "items") : nullptr;
  const auto garbled = [json] {
    return fail(ErrorCode::upstream_garbled,
                fmt::format("the server's answer is not a plan: {}", shown(json)));
  };
  if (items == nullptr || !items->is_array()) return garbled();
  DryRunView run;
  for (const Json& item : *items) {
    auto key = text_of(item, "key");
    const auto covers = texts_of(item, "covers");
    const auto first = covers.size() == 2 ? parse_yyyymmdd(covers[0]) : std::nullopt;
    const auto last = covers.size() == 2 ? parse_yyyymmdd(covers[1]) : std::nullopt;
    if (!key || !first || !last) return garbled();
    run.items.push_back({.key = *std::move(key),
                         .covers = {*first, *last},
                         .calls = natural_of(item, "calls").value_or(0),
                         .is_there = text_of(item, "state") == "present"});
  }
  for (const auto& day : texts_of(*parsed, "not_yet_available"))
    if (const auto date = parse_yyyymmdd(day)) run.not_yet_available.push_back(*date);
  run.calls = natural_of(*parsed, "calls").value_or(0);
  if (const Json* expected = member(*parsed, "expected")) {
    run.bytes = number_of(*expected, "bytes");
    run.seconds = number_of(*expected, "seconds");
    run.like_objects = natural_of(*expected, "from_objects").value_or(0);
  }
  return run;
}

}  // namespace betedge::wire
