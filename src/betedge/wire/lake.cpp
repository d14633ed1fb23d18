#include "betedge/wire/lake.hpp"

#include <fmt/format.h>

#include "betedge/wire/json_members.hpp"
#include "betedge/wire/python_json.hpp"

namespace betedge::wire {
namespace {

std::string text_or_null(const std::optional<std::string>& text) {
  return text ? wire::quoted(*text) : "null";
}
std::string text_or_null(const std::string& text) {
  return text.empty() ? "null" : wire::quoted(text);
}
template <class Number>
std::string number_or_null(const std::optional<Number>& number) {
  return number ? std::to_string(*number) : "null";
}

// {"present":21,"no_data":0,…}
template <class Counts, class Kinds>
std::string counts_json(const Counts& counts, const Kinds& kinds) {
  std::string json;
  for (const auto kind : kinds)
    json += fmt::format(R"({}"{}":{})", json.empty() ? "" : ",", to_text(kind), counts.of(kind));
  return "{" + json + "}";
}

// Those that are left out are none.
template <class Counts, class Kinds>
Counts counts_of(const Json* json, const Kinds& kinds) {
  Counts counts;
  if (json != nullptr)
    for (const auto kind : kinds) counts.of(kind) = natural_of(*json, to_text(kind)).value_or(0);
  return counts;
}

std::unexpected<Error> garbled(std::string_view what, std::string_view json) {
  return fail(ErrorCode::upstream_garbled,
              fmt::format("the server's answer is not {}: {}", what, shown(json)));
}

// The views of a member that is a list; nullopt when it is none, or one of it cannot be read.
template <class View, class Read>
std::optional<std::vector<View>> views_of(const Json& object, std::string_view name, Read read) {
  const Json* list = member(object, name);
  if (list == nullptr || !list->is_array()) return std::nullopt;
  std::vector<View> views;
  for (const Json& entry : *list) {
    std::optional<View> view = read(entry);
    if (!view) return std::nullopt;
    views.push_back(*std::move(view));
  }
  return views;
}

// RFC 3986: all but its unreserved characters, and the slash where it may stay.
enum class Slash : std::uint8_t { stays, is_encoded };
std::string percent_encoded(std::string_view text, Slash slash) {
  std::string encoded;
  for (const char c : text) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || std::string_view("-._~").contains(c) ||
                          (c == '/' && slash == Slash::stays);
    if (is_plain)
      encoded += c;
    else
      encoded += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return encoded;
}

std::optional<LakeRoot> root_view(const Json& json) {
  auto kind = text_of(json, "kind");
  if (!kind) return std::nullopt;
  return LakeRoot{.kind = *std::move(kind),
                  .root = text_of(json, "root"),
                  .schema = text_of(json, "schema"),
                  .interval = text_of(json, "interval"),
                  .return_format = text_of(json, "return_format").value_or("parquet"),
                  .objects = natural_of(json, "objects").value_or(0),
                  .bytes = natural_of(json, "bytes").value_or(0),
                  .rows = natural_of(json, "rows"),
                  .first = text_of(json, "first").value_or(""),
                  .last = text_of(json, "last").value_or("")};
}

std::optional<CoverageDay> day_view(const Json& json) {
  auto date = text_of(json, "date");
  const auto state = text_of(json, "state").and_then([](const std::string& text) {
    return parse_day_state(text);
  });
  if (!date || !state) return std::nullopt;
  return CoverageDay{.date = *std::move(date),
                     .state = *state,
                     .key = text_of(json, "key").value_or(""),
                     .reason = text_of(json, "reason").value_or("")};
}

std::optional<LakeObject> object_view(const Json& json) {
  auto key = text_of(json, "key");
  const auto bytes = natural_of(json, "bytes");
  if (!key || !bytes) return std::nullopt;
  return LakeObject{.key = *std::move(key),
                    .bytes = *bytes,
                    .modified_at = text_of(json, "modified_at").value_or(""),
                    .etag = text_of(json, "etag").value_or(""),
                    .sha256 = text_of(json, "sha256").value_or(""),
                    .rows = natural_of(json, "rows")};
}

std::optional<ManifestObject> manifest_object_view(const Json& json) {
  auto key = text_of(json, "key");
  auto state = text_of(json, "state");
  if (!key || !state) return std::nullopt;
  return ManifestObject{.key = *std::move(key),
                        .state = *std::move(state),
                        .rows = natural_of(json, "rows").value_or(0),
                        .bytes = natural_of(json, "bytes").value_or(0),
                        .sha256 = text_of(json, "sha256").value_or(""),
                        .note = text_of(json, "note").value_or(""),
                        .error = text_of(json, "error").value_or("")};
}

// The members of a query, by name and JSON value: "kind":"stock","interval":60000.
using Members = std::vector<std::pair<std::string_view, std::string>>;
Members members_of(const CoverageQuery& query) {
  Members members{{"kind", query.kind}};
  const auto add = [&](std::string_view name, const std::optional<std::string>& text) {
    if (text) members.emplace_back(name, *text);
  };
  const auto number = [](const std::optional<std::int64_t>& value) {
    return value ? std::optional(std::to_string(*value)) : std::nullopt;
  };
  if (!query.root.empty()) add("root", query.root);
  add("schema", query.schema);
  add("interval", number(query.interval_ms));
  add("start_date", query.start_date);
  add("end_date", query.end_date);
  add("return_format", query.return_format);
  add("start_time", number(query.start_time_ms));
  add("end_time", number(query.end_time_ms));
  return members;
}

bool is_number(std::string_view name) {
  return name == "interval" || name == "start_time" || name == "end_time";
}

}  // namespace

std::string roots_json(const LakeRoots& roots) {
  std::string json = fmt::format(R"({{"lake":{},"publishes_conditionally":{},"roots":[)",
                                 wire::quoted(roots.lake), roots.publishes_conditionally);
  for (std::string_view separator; const LakeRoot& root : roots.roots) {
    json +=
        fmt::format(R"({}{{"kind":"{}","root":{},"schema":{},"interval":{},"return_format":"{}",)"
                    R"("objects":{},"bytes":{},"rows":{},"first":"{}","last":"{}"}})",
                    separator, root.kind, text_or_null(root.root), text_or_null(root.schema),
                    text_or_null(root.interval), root.return_format, root.objects, root.bytes,
                    number_or_null(root.rows), root.first, root.last);
    separator = ",";
  }
  return json + fmt::format(R"(],"other":{{"objects":{},"bytes":{}}}}})", roots.other_objects,
                            roots.other_bytes);
}

Result<LakeRoots> parse_roots(std::string_view json) {
  const auto parsed = parse_json(json);
  auto roots = parsed ? views_of<LakeRoot>(*parsed, "roots", root_view) : std::nullopt;
  if (!roots) return garbled("what lies in a lake", json);
  LakeRoots view{
      .lake = text_of(*parsed, "lake").value_or(""),
      .publishes_conditionally = boolean_of(*parsed, "publishes_conditionally").value_or(false),
      .roots = *std::move(roots)};
  if (const Json* other = member(*parsed, "other")) {
    view.other_objects = natural_of(*other, "objects").value_or(0);
    view.other_bytes = natural_of(*other, "bytes").value_or(0);
  }
  return view;
}

std::string coverage_target(const CoverageQuery& query) {
  std::string target = "/lake/coverage";
  for (char separator = '?'; const auto& [name, value] : members_of(query)) {
    target += fmt::format("{}{}={}", separator, name, percent_encoded(value, Slash::is_encoded));
    separator = '&';
  }
  return target;
}

std::string fill_json(const CoverageQuery& query, const std::map<std::string, std::string>& labels,
                      std::optional<int> priority) {
  std::string json;
  for (const auto& [name, value] : members_of(query))
    json += fmt::format(R"({}"{}":{})", json.empty() ? "" : ",", name,
                        is_number(name) ? value : wire::quoted(value));
  if (!labels.empty()) {
    std::string pairs;
    for (const auto& [name, value] : labels)
      pairs +=
          fmt::format("{}{}:{}", pairs.empty() ? "" : ",", wire::quoted(name), wire::quoted(value));
    json += fmt::format(R"(,"labels":{{{}}})", pairs);
  }
  if (priority) json += fmt::format(R"(,"priority":{})", *priority);
  return "{" + json + "}";
}

std::string coverage_json(const Coverage& coverage) {
  std::string json =
      fmt::format(R"({{"kind":"{}","root":{},"schema":{},"interval":{},"return_format":"{}",)"
                  R"("start_date":{},"end_date":{},"counts":{},"days":[)",
                  coverage.kind, text_or_null(coverage.root), text_or_null(coverage.schema),
                  number_or_null(coverage.interval_ms), coverage.return_format,
                  text_or_null(coverage.start_date), text_or_null(coverage.end_date),
                  counts_json(coverage.counts, kDayStates));
  for (std::string_view separator; const CoverageDay& day : coverage.days) {
    json +=
        fmt::format(R"({}{{"date":"{}","state":"{}","key":{},"reason":{}}})", separator, day.date,
                    to_text(day.state), wire::quoted(day.key), text_or_null(day.reason));
    separator = ",";
  }
  return json + "]}";
}

Result<Coverage> parse_coverage(std::string_view json) {
  const auto parsed = parse_json(json);
  auto days = parsed ? views_of<CoverageDay>(*parsed, "days", day_view) : std::nullopt;
  if (!days) return garbled("a coverage", json);
  return Coverage{.kind = text_of(*parsed, "kind").value_or(""),
                  .root = text_of(*parsed, "root"),
                  .schema = text_of(*parsed, "schema"),
                  .interval_ms = integer_of(*parsed, "interval"),
                  .return_format = text_of(*parsed, "return_format").value_or("parquet"),
                  .start_date = text_of(*parsed, "start_date"),
                  .end_date = text_of(*parsed, "end_date"),
                  .counts = counts_of<DayCounts>(member(*parsed, "counts"), kDayStates),
                  .days = *std::move(days)};
}

namespace {
constexpr std::string_view kNothingToFill = "nothing_to_fill";
}  // namespace

std::string nothing_to_fill_json(const DayCounts& counts) {
  return fmt::format(R"({{"status":"{}","counts":{}}})", kNothingToFill,
                     counts_json(counts, kDayStates));
}

std::optional<DayCounts> parse_nothing_to_fill(std::string_view json) {
  const auto parsed = parse_json(json);
  if (!parsed || text_of(*parsed, "status") != kNothingToFill) return std::nullopt;
  return counts_of<DayCounts>(member(*parsed, "counts"), kDayStates);
}

std::string verify_line_json(const VerifyLine& line) {
  struct Writer {
    std::string operator()(const Difference& difference) const {
      return fmt::format(R"({{"key":{},"verdict":"{}","detail":{}}})", wire::quoted(difference.key),
                         to_text(difference.verdict), wire::quoted(difference.detail));
    }
    std::string operator()(const VerifyProgress& progress) const {
      return fmt::format(R"({{"checked":{}}})", progress.checked);
    }
    std::string operator()(const VerifyEnd& end) const {
      std::string jobs;
      for (const auto& job : end.repair_jobs) jobs += (jobs.empty() ? "" : ",") + wire::quoted(job);
      return fmt::format(R"({{"checked":{},"sound":{},"differences":{},"repair_jobs":[{}]}})",
                         end.checked, end.sound, counts_json(end.differences, kVerdicts), jobs);
    }
    std::string operator()(const VerifyFailure& failure) const {
      return fmt::format(R"({{"error":{}}})", wire::quoted(failure.error));
    }
  };
  return std::visit(Writer{}, line) + "\n";
}

Result<VerifyLine> parse_verify_line(std::string_view line) {
  const auto parsed = parse_json(line);
  if (!parsed) return garbled("a line of a verification", line);
  if (auto error = text_of(*parsed, "error")) return VerifyFailure{*std::move(error)};
  if (auto key = text_of(*parsed, "key")) {
    const auto verdict = text_of(*parsed, "verdict").and_then([](const std::string& text) {
      return parse_verdict(text);
    });
    if (!verdict) return garbled("a line of a verification", line);
    return Difference{*std::move(key), *verdict, text_of(*parsed, "detail").value_or("")};
  }
  const auto checked = natural_of(*parsed, "checked");
  if (!checked) return garbled("a line of a verification", line);
  const auto sound = natural_of(*parsed, "sound");
  if (!sound) return VerifyProgress{*checked};
  return VerifyEnd{
      .checked = *checked,
      .sound = *sound,
      .differences = counts_of<VerdictCounts>(member(*parsed, "differences"), kVerdicts),
      .repair_jobs = texts_of(*parsed, "repair_jobs")};
}

std::string verify_json(std::string_view prefix, bool repair) {
  return fmt::format(R"({{"prefix":{},"repair":{}}})", wire::quoted(prefix), repair);
}

std::string object_page_json(const LakeObjectPage& page) {
  std::string json = R"({"objects":[)";
  for (std::string_view separator; const LakeObject& object : page.objects) {
    json += fmt::format(
        R"({}{{"key":{},"bytes":{},"modified_at":"{}","etag":{},"sha256":{},"rows":{}}})",
        separator, wire::quoted(object.key), object.bytes, object.modified_at,
        wire::quoted(object.etag), text_or_null(object.sha256), number_or_null(object.rows));
    separator = ",";
  }
  return json + fmt::format(R"(],"next_cursor":{}}})", text_or_null(page.next_cursor));
}

Result<LakeObjectPage> parse_object_page(std::string_view json) {
  const auto parsed = parse_json(json);
  auto objects = parsed ? views_of<LakeObject>(*parsed, "objects", object_view) : std::nullopt;
  if (!objects) return garbled("a page of objects", json);
  return LakeObjectPage{*std::move(objects), text_of(*parsed, "next_cursor")};
}

std::string objects_target(std::string_view prefix, std::optional<std::size_t> limit,
                           std::string_view cursor) {
  std::string query;
  const auto add = [&](std::string_view name, std::string_view value) {
    if (value.empty()) return;
    query += fmt::format("{}{}={}", query.empty() ? '?' : '&', name,
                         percent_encoded(value, Slash::is_encoded));
  };
  add("prefix", prefix);
  if (limit) add("limit", std::to_string(*limit));
  add("cursor", cursor);
  return "/objects" + query;
}

std::string object_target(std::string_view key) {
  return "/objects/" + percent_encoded(key, Slash::stays);
}

std::string manifest_head_json(const Manifest& manifest) {
  return fmt::format(
      R"({{"job_id":{},"state":{},"created_at":{},"finished_at":{},"request":{},"objects":[)",
      wire::quoted(manifest.job_id), wire::quoted(manifest.state),
      wire::quoted(manifest.created_at), text_or_null(manifest.finished_at),
      // The store's text goes in as it is; a damaged one must not damage the answer around it.
      Json::accept(manifest.request_json) ? manifest.request_json : "null");
}

std::string manifest_object_json(const ManifestObject& object, bool is_first) {
  return fmt::format(
      R"({}{{"key":{},"state":"{}","rows":{},"bytes":{},"sha256":{},"note":{},"error":{}}})",
      is_first ? "" : ",", wire::quoted(object.key), object.state, object.rows, object.bytes,
      text_or_null(object.sha256), text_or_null(object.note), text_or_null(object.error));
}

std::string manifest_tail_json() {
  return "]}\n";
}

Result<Manifest> parse_manifest(std::string_view json) {
  const auto parsed = parse_json(json);
  auto objects =
      parsed ? views_of<ManifestObject>(*parsed, "objects", manifest_object_view) : std::nullopt;
  auto job_id = parsed ? text_of(*parsed, "job_id") : std::nullopt;
  if (!objects || !job_id) return garbled("a manifest", json);
  Manifest manifest{.job_id = *std::move(job_id),
                    .state = text_of(*parsed, "state").value_or(""),
                    .created_at = text_of(*parsed, "created_at").value_or(""),
                    .finished_at = text_of(*parsed, "finished_at"),
                    .request_json = {},
                    .objects = *std::move(objects)};
  if (const Json* request = member(*parsed, "request"); request != nullptr && request->is_object())
    manifest.request_json = request->dump(-1, ' ', false, Json::error_handler_t::replace);
  return manifest;
}

std::string manifest_written_json(std::string_view key) {
  return fmt::format(R"({{"key":{}}})", wire::quoted(key));
}

Result<std::string> parse_manifest_written(std::string_view json) {
  if (const auto parsed = parse_json(json))
    if (auto key = text_of(*parsed, "key")) return *std::move(key);
  return garbled("a written manifest", json);
}

}  // namespace betedge::wire
