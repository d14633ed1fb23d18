#include "betedge/wire/stored.hpp"

#include <fmt/format.h>

#include "betedge/wire/fetch_spec.hpp"
#include "betedge/wire/python_json.hpp"

namespace betedge::wire {
namespace {

std::string_view role_text(Role role) {
  switch (role) {
    case Role::primary: return "primary";
    case Role::underlying: return "underlying";
  }
  std::unreachable();
}

std::optional<Role> role_of(const Json& object) {
  const auto text = text_of(object, "role");
  for (const Role role : {Role::primary, Role::underlying})
    if (text == role_text(role)) return role;
  return std::nullopt;
}

// An interval of zero is none.
std::string interval_json(std::chrono::milliseconds interval) {
  return interval.count() == 0 ? "null" : milliseconds_json(interval);
}

std::string call_json(const Call& call) {
  return fmt::format(
      R"({{"role":"{}","kind":"{}","schema":"{}","root":{},"start_date":"{}","end_date":"{}",)"
      R"("interval":{},"start_time":{},"end_time":{}}})",
      role_text(call.role), to_text(call.kind), to_text(call.schema),
      wire::quoted(call.root.text()), to_yyyymmdd_text(call.dates.first),
      to_yyyymmdd_text(call.dates.last), interval_json(call.interval),
      milliseconds_json(call.window.start), milliseconds_json(call.window.end));
}

std::optional<Call> call_of(const Json& object) {
  const auto role = role_of(object);
  const auto kind = kind_of(object);
  const auto schema = schema_of(object);
  const auto root = symbol_of(object, "root");
  const auto dates = dates_of(object, "start_date", "end_date");
  if (!role || !kind || !schema || !root || !dates) return std::nullopt;
  return Call{
      .kind = *kind,
      .schema = *schema,
      .root = *root,
      .dates = *dates,
      .interval = milliseconds_of(object, "interval").value_or(std::chrono::milliseconds{0}),
      .window = window_of(object),
      .role = *role};
}

std::optional<FetchSpec> spec_of(const Json& object) {
  const Json* request_json = member(object, "request");
  const Json* calls_json = member(object, "calls");
  const auto key_text = text_of(object, "key");
  const auto covers = dates_of(object, "covers_from", "covers_to");
  if (request_json == nullptr || calls_json == nullptr || !calls_json->is_array() || !key_text ||
      !covers)
    return std::nullopt;
  const auto request = request_of(*request_json);
  auto key = ObjectKey::parse(*key_text);
  if (!request || !key) return std::nullopt;
  std::vector<Call> calls;
  for (const Json& call_json : *calls_json) {
    auto call = call_of(call_json);
    if (!call) return std::nullopt;
    calls.push_back(*std::move(call));
  }
  return FetchSpec{*request,
                   {.key = *std::move(key), .covers = *covers, .calls = std::move(calls)}};
}

}  // namespace

std::string milliseconds_json(std::optional<std::chrono::milliseconds> time) {
  return time ? std::to_string(time->count()) : "null";
}

std::optional<std::chrono::milliseconds> milliseconds_of(const Json& object,
                                                         std::string_view name) {
  const auto count = integer_of(object, name);
  if (!count || *count < 0) return std::nullopt;
  return std::chrono::milliseconds{*count};
}

Window window_of(const Json& object) {
  return {milliseconds_of(object, "start_time"), milliseconds_of(object, "end_time")};
}

std::optional<Symbol> symbol_of(const Json& object, std::string_view name) {
  return text_of(object, name).and_then([](const std::string& text) {
    return Symbol::parse(text);
  });
}

std::optional<DateRange> dates_of(const Json& object, std::string_view first,
                                  std::string_view last) {
  const auto day_of = [&](std::string_view name) {
    return text_of(object, name).and_then([](const std::string& text) {
      return parse_yyyymmdd(text);
    });
  };
  const auto from = day_of(first), to = day_of(last);
  if (!from || !to || *from > *to) return std::nullopt;
  return DateRange{*from, *to};
}

std::optional<Kind> kind_of(const Json& object) {
  return text_of(object, "kind").and_then([](const std::string& text) { return parse_kind(text); });
}

std::optional<Schema> schema_of(const Json& object) {
  return text_of(object, "schema").and_then([](const std::string& text) {
    return parse_schema(text);
  });
}

std::optional<HistoricalRequest> request_of(const Json& object) {
  const auto kind = kind_of(object);
  const auto schema = schema_of(object);
  const auto root = symbol_of(object, "root");
  const auto dates = dates_of(object, "start_date", "end_date");
  const auto format = text_of(object, "return_format").and_then([](const std::string& text) {
    return parse_file_format(text);
  });
  const auto force_refresh = boolean_of(object, "force_refresh");
  if (!kind || !schema || !root || !dates || !format || !force_refresh) return std::nullopt;
  return HistoricalRequest{
      .kind = *kind,
      .root = *root,
      .dates = *dates,
      .schema = *schema,
      .interval = milliseconds_of(object, "interval").value_or(std::chrono::milliseconds{0}),
      .window = window_of(object),
      .format = *format,
      .existing = *force_refresh ? Existing::replace : Existing::keep};
}

std::string to_json(const HistoricalRequest& request) {
  return fmt::format(
      R"({{"kind":"{}","root":{},"start_date":"{}","end_date":"{}","schema":"{}","interval":{},)"
      R"("return_format":"{}","start_time":{},"end_time":{},"force_refresh":{}}})",
      to_text(request.kind), wire::quoted(request.root.text()),
      to_yyyymmdd_text(request.dates.first), to_yyyymmdd_text(request.dates.last),
      to_text(request.schema), interval_json(request.interval), to_text(request.format),
      milliseconds_json(request.window.start), milliseconds_json(request.window.end),
      request.existing == Existing::replace);
}

Result<HistoricalRequest> request_from_json(std::string_view json) {
  if (const auto object = parse_json(json))
    if (auto request = request_of(*object)) return *std::move(request);
  return fail(ErrorCode::invalid_request, "not a stored request: " + shown(json));
}

std::string to_json(const FetchSpec& spec) {
  std::string calls;
  for (const Call& call : spec.item.calls) {
    if (!calls.empty()) calls += ',';
    calls += call_json(call);
  }
  return fmt::format(
      R"({{"request":{},"key":{},"covers_from":"{}","covers_to":"{}","calls":[{}]}})",
      to_json(spec.request), wire::quoted(spec.item.key.text()),
      to_yyyymmdd_text(spec.item.covers.first), to_yyyymmdd_text(spec.item.covers.last), calls);
}

Result<FetchSpec> fetch_spec_from_json(std::string_view json) {
  if (const auto object = parse_json(json))
    if (auto spec = spec_of(*object)) return *std::move(spec);
  return fail(ErrorCode::invalid_request, "not a stored fetch: " + shown(json));
}

}  // namespace betedge::wire
