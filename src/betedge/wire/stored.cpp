#include "betedge/wire/stored.hpp"

#include <fmt/compile.h>
#include <fmt/format.h>

#include <chrono>
#include <iterator>

#include "betedge/core/dataset.hpp"
#include "betedge/wire/fetch_spec.hpp"
#include "betedge/wire/python_json.hpp"

namespace betedge::wire {

using namespace std::chrono_literals;

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

// A job of ten thousand items writes as many specs, and they are most of what it writes: their
// formats are read by the compiler, and each grows in one piece of memory on the stack.
using SpecText = fmt::basic_memory_buffer<char, 1024>;

// Of a call only what its item and the request do not say already.
void append_call(SpecText& json, const Call& call, const FetchSpec& spec) {
  const HistoricalRequest& request = spec.request;
  const fmt::appender out(json);
  fmt::format_to(out, FMT_COMPILE(R"({{"role":"{}","kind":"{}")"), role_text(call.role),
                 to_text(call.kind));
  if (call.schema != request.schema)
    fmt::format_to(out, FMT_COMPILE(R"(,"schema":"{}")"), to_text(call.schema));
  if (call.root != request.root)
    fmt::format_to(out, FMT_COMPILE(R"(,"root":{})"), wire::quoted(call.root.text()));
  if (call.dates != spec.item.covers)
    fmt::format_to(out, FMT_COMPILE(R"(,"start_date":"{}","end_date":"{}")"),
                   to_yyyymmdd_text(call.dates.first), to_yyyymmdd_text(call.dates.last));
  if (call.interval != request.interval)
    fmt::format_to(out, FMT_COMPILE(R"(,"interval":{})"), interval_json(call.interval));
  if (call.window != request.window)
    fmt::format_to(out, FMT_COMPILE(R"(,"start_time":{},"end_time":{})"),
                   milliseconds_json(call.window.start), milliseconds_json(call.window.end));
  json.push_back('}');
}

// What a call does not say is its item's and the request's. Older versions said all of it.
std::optional<Call> call_of(const Json& object, const HistoricalRequest& request,
                            const DateRange& covers) {
  const auto says = [&object](std::string_view name) { return member(object, name) != nullptr; };
  const auto role = role_of(object);
  const auto kind = kind_of(object);
  const auto schema = says("schema") ? schema_of(object) : request.schema;
  auto root = says("root") ? symbol_of(object, "root") : request.root;
  if (kind == Kind::earnings) root = Symbol();
  const auto dates =
      says("start_date") || says("end_date") ? dates_of(object, "start_date", "end_date") : covers;
  if (!role || !kind || !schema || !root || !dates) return std::nullopt;
  return Call{.kind = *kind,
              .schema = *schema,
              .root = *root,
              .dates = *dates,
              .interval = says("interval") ? milliseconds_of(object, "interval").value_or(0ms)
                                           : request.interval,
              .window = says("start_time") || says("end_time") ? window_of(object) : request.window,
              .role = *role};
}

// As a job's request is stored, without what says nothing.
void append_request(SpecText& json, const HistoricalRequest& request) {
  if (request.kind == Kind::earnings) return json.append(to_json(request));
  const fmt::appender out(json);
  fmt::format_to(
      out,
      FMT_COMPILE(R"({{"kind":"{}","root":{},"start_date":"{}","end_date":"{}","schema":"{}",)"
                  R"("return_format":"{}","mode":"{}")"),
      to_text(request.kind), wire::quoted(request.root.text()),
      to_yyyymmdd_text(request.dates.first), to_yyyymmdd_text(request.dates.last),
      to_text(request.schema), to_text(request.format), to_text(request.existing));
  if (request.interval != 0ms)
    fmt::format_to(out, FMT_COMPILE(R"(,"interval":{})"), interval_json(request.interval));
  if (request.window.start)
    fmt::format_to(out, FMT_COMPILE(R"(,"start_time":{})"),
                   milliseconds_json(request.window.start));
  if (request.window.end)
    fmt::format_to(out, FMT_COMPILE(R"(,"end_time":{})"), milliseconds_json(request.window.end));
  json.push_back('}');
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
    auto call = call_of(call_json, *request, *covers);
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

namespace {

// "202401" -> 1 January 2024.
std::optional<Date> month_of(const Json& object, std::string_view name) {
  return text_of(object, name).and_then([](const std::string& text) {
    return text.size() == 6 ? parse_yyyymmdd(text + "01") : std::nullopt;
  });
}

std::string month_text(Date day) {
  return to_yyyymmdd_text(day).substr(0, 6);
}

std::optional<Existing> mode_of(const Json& object) {
  if (const auto text = text_of(object, "mode")) return parse_mode(*text);
  // As an older version wrote it.
  const auto force_refresh = boolean_of(object, "force_refresh");
  if (!force_refresh) return std::nullopt;
  return *force_refresh ? Existing::replace : Existing::keep;
}

std::optional<HistoricalRequest> earnings_of(const Json& object, FileFormat format,
                                             Existing existing) {
  const auto first = month_of(object, "start_date"), last = month_of(object, "end_date");
  if (!first || !last || *first > *last) return std::nullopt;
  return HistoricalRequest{.kind = Kind::earnings,
                           .root = {},
                           .dates = {*first, last_of_month(*last)},
                           .schema = Schema::eod,
                           .format = format,
                           .existing = existing};
}

// `who` is the member that names the symbols.
std::string request_json(const HistoricalRequest& request, std::string_view who) {
  const auto modes = fmt::format(FMT_COMPILE(R"("mode":"{}","force_refresh":{})"),
                                 to_text(request.existing), request.existing == Existing::replace);
  if (request.kind == Kind::earnings)
    return fmt::format(
        R"({{"kind":"earnings","start_date":"{}","end_date":"{}","return_format":"{}",{}}})",
        month_text(request.dates.first), month_text(request.dates.last), to_text(request.format),
        modes);
  return fmt::format(
      FMT_COMPILE(
          R"({{"kind":"{}",{},"start_date":"{}","end_date":"{}","schema":"{}","interval":{},)"
          R"("return_format":"{}","start_time":{},"end_time":{},{}}})"),
      to_text(request.kind), who, to_yyyymmdd_text(request.dates.first),
      to_yyyymmdd_text(request.dates.last), to_text(request.schema),
      interval_json(request.interval), to_text(request.format),
      milliseconds_json(request.window.start), milliseconds_json(request.window.end), modes);
}

}  // namespace

std::optional<HistoricalRequest> request_of(const Json& object) {
  const auto kind = kind_of(object);
  const auto format = text_of(object, "return_format").and_then([](const std::string& text) {
    return parse_file_format(text);
  });
  const auto existing = mode_of(object);
  if (!kind || !format || !existing) return std::nullopt;
  if (kind == Kind::earnings) return earnings_of(object, *format, *existing);
  const auto schema = schema_of(object);
  const auto root = symbol_of(object, "root");
  const auto dates = dates_of(object, "start_date", "end_date");
  if (!schema || !root || !dates) return std::nullopt;
  return HistoricalRequest{
      .kind = *kind,
      .root = *root,
      .dates = *dates,
      .schema = *schema,
      .interval = milliseconds_of(object, "interval").value_or(std::chrono::milliseconds{0}),
      .window = window_of(object),
      .format = *format,
      .existing = *existing};
}

std::string to_json(const HistoricalRequest& request) {
  return request_json(request,
                      fmt::format(FMT_COMPILE(R"("root":{})"), wire::quoted(request.root.text())));
}

std::string to_json(const Submission& submission) {
  const auto& first = submission.requests.front();
  std::string json;
  if (submission.requests.size() == 1) {
    json = to_json(first);
  } else {
    std::string roots;
    for (const auto& request : submission.requests) {
      if (!roots.empty()) roots += ',';
      roots += wire::quoted(request.root.text());
    }
    json = request_json(first, fmt::format(R"("roots":[{}])", roots));
  }
  json.pop_back();
  if (!submission.labels.empty()) {
    std::string labels;
    for (const auto& [name, value] : submission.labels) {
      if (!labels.empty()) labels += ',';
      labels += fmt::format("{}:{}", wire::quoted(name), wire::quoted(value));
    }
    json += fmt::format(R"(,"labels":{{{}}})", labels);
  }
  if (!submission.only.empty()) {
    std::string ranges;
    for (const auto& range : submission.only)
      ranges += fmt::format(R"({}["{}","{}"])", ranges.empty() ? "" : ",",
                            to_yyyymmdd_text(range.first), to_yyyymmdd_text(range.last));
    json += fmt::format(R"(,"only":[{}])", ranges);
  }
  if (submission.priority != 0) json += fmt::format(R"(,"priority":{})", submission.priority);
  return json + "}";
}

std::string_view dataset_of_request(std::string_view request_json) {
  const auto object = parse_json(request_json);
  const auto kind = object ? kind_of(*object) : std::nullopt;
  if (!kind) return "other";
  if (kind == Kind::earnings) return dataset_of(*kind, Schema::eod);
  const auto schema = schema_of(*object);
  return schema ? dataset_of(*kind, *schema) : "other";
}

Result<HistoricalRequest> request_from_json(std::string_view json) {
  if (const auto object = parse_json(json))
    if (auto request = request_of(*object)) return *std::move(request);
  return fail(ErrorCode::invalid_request, "not a stored request: " + shown(json));
}

std::string to_json(const FetchSpec& spec) {
  SpecText json;
  json.append(std::string_view(R"({"request":)"));
  append_request(json, spec.request);
  fmt::format_to(fmt::appender(json),
                 FMT_COMPILE(R"(,"key":{},"covers_from":"{}","covers_to":"{}","calls":[)"),
                 wire::quoted(spec.item.key.text()), to_yyyymmdd_text(spec.item.covers.first),
                 to_yyyymmdd_text(spec.item.covers.last));
  for (std::string_view separator; const Call& call : spec.item.calls) {
    json.append(std::exchange(separator, ","));
    append_call(json, call, spec);
  }
  json.append(std::string_view("]}"));
  return fmt::to_string(json);
}

Result<FetchSpec> fetch_spec_from_json(std::string_view json) {
  if (const auto object = parse_json(json))
    if (auto spec = spec_of(*object)) return *std::move(spec);
  return fail(ErrorCode::invalid_request, "not a stored fetch: " + shown(json));
}

}  // namespace betedge::wire
