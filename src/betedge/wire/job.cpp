#include "betedge/wire/job.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "betedge/wire/json_members.hpp"
#include "betedge/wire/python_json.hpp"

namespace betedge::wire {
namespace {

std::string text_or_null(const std::optional<std::string>& text) {
  return text ? wire::quoted(*text) : "null";
}

std::string time_or_null(const std::optional<Timestamp>& time) {
  return time ? fmt::format("\"{}\"", to_iso_text(*time)) : "null";
}

std::string list_json(std::span<const std::string> texts) {
  std::string list;
  for (const std::string& text : texts) {
    if (!list.empty()) list += ',';
    list += wire::quoted(text);
  }
  return "[" + list + "]";
}

std::string days_json(std::span<const Date> days) {
  std::string list;
  for (const Date day : days) {
    if (!list.empty()) list += ',';
    list += fmt::format("\"{}\"", to_yyyymmdd_text(day));
  }
  return "[" + list + "]";
}

// The shortest digits that read back as the same double, never with an exponent.
std::string percentage_text(double value) {
  std::array<char, 400> buffer{};
  const auto [end, error] =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::fixed);
  std::string text(buffer.data(), end);
  return text.contains('.') ? text : text + ".0";
}

// At most three decimals, never with an exponent: a rate need not be exact.
std::string decimal_text(double value) {
  auto text = fmt::format("{:.3f}", value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text;
}

std::unexpected<Error> garbled(std::string_view what, std::string_view json) {
  return fail(ErrorCode::upstream_garbled,
              fmt::format("the server's answer is not {}: {}", what, shown(json)));
}

std::uint32_t count_of(const Json& object, std::string_view name) {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(
      natural_of(object, name).value_or(0), std::numeric_limits<std::uint32_t>::max()));
}

std::optional<JobView> job_view(const Json& json) {
  const auto job_id = text_of(json, "job_id");
  const auto status = text_of(json, "status").and_then([](const std::string& text) {
    return parse_job_status(text);
  });
  const Json* progress = member(json, "progress");
  const auto created_at = text_of(json, "created_at");
  const auto updated_at = text_of(json, "updated_at");
  if (!job_id || !status || progress == nullptr || !created_at || !updated_at) return std::nullopt;
  const auto completed = natural_of(*progress, "completed");
  const auto total = natural_of(*progress, "total");
  const Json* percentage = member(*progress, "percentage");
  if (!completed || !total || percentage == nullptr || !percentage->is_number())
    return std::nullopt;

  JobView view{.job_id = *job_id,
               .status = *status,
               .completed = *completed,
               .total = *total,
               .percentage = percentage->get<double>(),
               .created_at = *created_at,
               .updated_at = *updated_at,
               .error_message = text_of(json, "error_message")};
  view.state = text_of(json, "state").value_or(std::string(to_text(*status)));
  if (const Json* items = member(json, "items"))
    view.items = {.pending = count_of(*items, "pending"),
                  .running = count_of(*items, "running"),
                  .succeeded = count_of(*items, "succeeded"),
                  .skipped = count_of(*items, "skipped"),
                  .no_data = count_of(*items, "no_data"),
                  .failed = count_of(*items, "failed"),
                  .cancelled = count_of(*items, "cancelled")};
  view.rows = natural_of(json, "rows").value_or(0);
  view.bytes = natural_of(json, "bytes").value_or(0);
  if (const Json* request = member(json, "request"); request != nullptr && request->is_object())
    view.request_json = request->dump(-1, ' ', false, Json::error_handler_t::replace);
  view.started_at = text_of(json, "started_at");
  view.finished_at = text_of(json, "finished_at");
  view.not_yet_available = texts_of(json, "not_yet_available");
  view.warnings = texts_of(json, "warnings");
  view.waiting_for = text_of(json, "waiting_for");
  return view;
}

std::optional<ItemView> item_view(const Json& json) {
  const auto key = text_of(json, "key");
  const auto state = text_of(json, "state").and_then([](const std::string& text) {
    return parse_item_state(text);
  });
  if (!key || !state) return std::nullopt;
  return ItemView{.key = *key,
                  .state = *state,
                  .attempts = static_cast<int>(std::min(count_of(json, "attempts"), 0x7fffffffU)),
                  .rows = natural_of(json, "rows").value_or(0),
                  .bytes = natural_of(json, "bytes").value_or(0),
                  .sha256 = text_of(json, "sha256").value_or(""),
                  .error = text_of(json, "error").value_or(""),
                  .note = text_of(json, "note").value_or("")};
}

std::optional<std::string> without_empty(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional(text);
}

// "end_date: end_date must be >= start_date"
std::string fault_text(const Json& fault) {
  std::string message = text_of(fault, "msg").value_or("not valid");
  constexpr std::string_view kByHand = "Value error, ";
  if (message.starts_with(kByHand)) message.erase(0, kByHand.size());
  const Json* place = member(fault, "loc");
  if (place == nullptr || !place->is_array() || place->empty() || !place->back().is_string())
    return message;
  return place->back().get<std::string>() + ": " + message;
}

}  // namespace

std::optional<Pace> pace_of(const JobInfo& job) {
  if (!job.started_at || job.completed_items() == 0) return std::nullopt;
  const auto until = job.finished_at.value_or(job.updated_at);
  const auto seconds = std::chrono::duration<double>(until - *job.started_at).count();
  if (seconds <= 0) return std::nullopt;
  Pace pace{.items = job.completed_items() / seconds,
            .rows = static_cast<double>(job.rows) / seconds,
            .bytes = static_cast<double>(job.bytes) / seconds,
            .eta_seconds = 0};
  if (!has_ended(job.status))
    pace.eta_seconds = (job.total_items() - job.completed_items()) / pace.items;
  return pace;
}

namespace {

// The members that move: how far it is.
std::string moving_members(const JobInfo& job) {
  const ItemCounts& items = job.items;
  std::string json =
      fmt::format(R"("state":"{}","items":{{"pending":{},"running":{},"succeeded":{},"skipped":{},)"
                  R"("no_data":{},"failed":{},"cancelled":{}}},"rows":{},"bytes":{})",
                  to_text(job.state()), items.pending, items.running, items.succeeded,
                  items.skipped, items.no_data, items.failed, items.cancelled, job.rows, job.bytes);
  if (const auto pace = pace_of(job))
    json += fmt::format(
        R"(,"rate":{{"items_per_second":{},"rows_per_second":{},"bytes_per_second":{}}},)"
        R"("eta_seconds":{})",
        decimal_text(pace->items), decimal_text(pace->rows), decimal_text(pace->bytes),
        pace->eta_seconds ? decimal_text(*pace->eta_seconds) : "null");
  else
    json += R"(,"rate":null,"eta_seconds":null)";
  return json;
}

std::string part_one_members(const JobInfo& job) {
  return fmt::format(
      R"("job_id":"{}","status":"{}","progress":{{"completed":{},"total":{},"percentage":{}}},)"
      R"("created_at":"{}","updated_at":"{}","error_message":{})",
      job.job_id.text(), to_text(job.status), job.completed_items(), job.total_items(),
      percentage_text(job.progress_percentage()), to_iso_text(job.created_at),
      to_iso_text(job.updated_at), text_or_null(job.error_message));
}

std::string waiting_member(const JobInfo& job, std::optional<std::string_view> waiting_for) {
  if (!waiting_for || has_ended(job.status)) return {};
  return fmt::format(R"(,"waiting_for":{})", wire::quoted(*waiting_for));
}

}  // namespace

std::string progress_json(const JobInfo& job, std::optional<std::string_view> waiting_for) {
  return fmt::format("{{{},{}{}}}", part_one_members(job), moving_members(job),
                     waiting_member(job, waiting_for));
}

std::string job_json(const JobInfo& job, std::optional<std::string_view> waiting_for) {
  const std::string id = job.job_id.text();
  std::string json = fmt::format("{{{},{}", part_one_members(job), moving_members(job));
  // The store's text goes in as it is; a damaged one must not damage the answer around it.
  json += fmt::format(R"(,"request":{},"started_at":{},"finished_at":{})",
                      Json::accept(job.request_json) ? job.request_json : "null",
                      time_or_null(job.started_at), time_or_null(job.finished_at));
  json +=
      fmt::format(R"(,"not_yet_available":{0},"warnings":{1},)"
                  R"("links":{{"self":"/jobs/{2}","items":"/jobs/{2}/items",)"
                  R"("failed_items":"/jobs/{2}/items?state=failed","events":"/jobs/{2}/events")",
                  days_json(job.not_yet_available), list_json(job.warnings), id);
  if (!has_ended(job.status)) json += fmt::format(R"(,"cancel":"/jobs/{}/cancel")", id);
  if (has_ended(job.status) && job.items.failed > 0)
    json += fmt::format(R"(,"retry":"/jobs/{}/retry")", id);
  return json + "}" + waiting_member(job, waiting_for) + "}";
}

std::string job_list_json(std::span<const JobInfo> jobs, std::optional<std::size_t> limit,
                          std::optional<std::string_view> status_filter,
                          const WaitingFor& waiting_for) {
  std::string json = fmt::format(R"({{"total":{},"limit":{},"status_filter":{},"jobs":[)",
                                 jobs.size(), limit ? std::to_string(*limit) : "null",
                                 status_filter ? wire::quoted(*status_filter) : "null");
  for (std::string_view separator; const JobInfo& job : jobs) {
    json += separator;
    const auto why = waiting_for(job);
    json += job_json(job, why ? std::optional<std::string_view>(*why) : std::nullopt);
    separator = ",";
  }
  return json + "]}";
}

std::string accepted_json(const JobId& job) {
  return fmt::format(
      R"({{"status":"accepted","job_id":"{0}",)"
      R"("message":"Request submitted for background processing","status_url":"/jobs/{0}"}})",
      job.text());
}

std::string success_json(const JobId& job) {
  return fmt::format(R"({{"status":"success","request_id":"{}"}})", job.text());
}

std::string item_json(const ItemView& item) {
  std::string json = fmt::format(
      R"({{"key":{},"state":"{}","attempts":{},"rows":{},"bytes":{},"sha256":{},"error":{})",
      wire::quoted(item.key), to_text(item.state), item.attempts, item.rows, item.bytes,
      text_or_null(without_empty(item.sha256)), text_or_null(without_empty(item.error)));
  if (!item.note.empty()) json += fmt::format(R"(,"note":{})", wire::quoted(item.note));
  return json + "}";
}

std::string item_page_json(const ItemPageView& page) {
  std::string json = R"({"items":[)";
  for (std::string_view separator; const ItemView& item : page.items) {
    json += separator;
    json += item_json(item);
    separator = ",";
  }
  return json + fmt::format(R"(],"next_cursor":{}}})",
                            page.next_cursor ? std::to_string(*page.next_cursor) : "null");
}

Result<JobView> parse_job(std::string_view json) {
  if (const auto parsed = parse_json(json))
    if (auto view = job_view(*parsed)) return *std::move(view);
  return garbled("a job", json);
}

Result<std::vector<JobView>> parse_job_list(std::string_view json) {
  const auto parsed = parse_json(json);
  const Json* jobs = parsed ? member(*parsed, "jobs") : nullptr;
  if (jobs == nullptr || !jobs->is_array()) return garbled("a list of jobs", json);
  std::vector<JobView> views;
  for (const Json& job : *jobs) {
    auto view = job_view(job);
    if (!view) return garbled("a list of jobs", json);
    views.push_back(*std::move(view));
  }
  return views;
}

Result<AcceptedView> parse_accepted(std::string_view json) {
  if (const auto parsed = parse_json(json)) {
    auto job_id = text_of(*parsed, "job_id");
    auto status_url = text_of(*parsed, "status_url");
    if (job_id && status_url) return AcceptedView{*std::move(job_id), *std::move(status_url)};
  }
  return garbled("an accepted request", json);
}

Result<ItemPageView> parse_item_page(std::string_view json) {
  const auto parsed = parse_json(json);
  const Json* items = parsed ? member(*parsed, "items") : nullptr;
  if (items == nullptr || !items->is_array()) return garbled("a page of items", json);
  ItemPageView page;
  for (const Json& item : *items) {
    auto view = item_view(item);
    if (!view) return garbled("a page of items", json);
    page.items.push_back(*std::move(view));
  }
  if (const auto next = natural_of(*parsed, "next_cursor");
      next && *next <= std::numeric_limits<std::uint32_t>::max())
    page.next_cursor = static_cast<std::uint32_t>(*next);
  return page;
}

std::string refusal_text(std::string_view body) {
  const auto parsed = parse_json(body);
  const Json* detail = parsed ? member(*parsed, "detail") : nullptr;
  if (detail != nullptr && detail->is_string()) return shown(detail->get<std::string>(), 2000);
  if (detail != nullptr && detail->is_array()) {
    std::string text;
    for (const Json& fault : *detail) {
      if (!text.empty()) text += "; ";
      text += fault_text(fault);
    }
    return shown(text, 2000);
  }
  if (parsed)
    if (const auto details = text_of(*parsed, "details")) return shown(*details, 2000);
  return shown(body);
}

std::string submit_json(const SubmitForm& form) {
  std::string json = "{";
  if (!form.root.empty()) json += fmt::format(R"("root":{},)", wire::quoted(form.root));
  if (!form.roots.empty()) {
    json += R"("roots":[)";
    for (const auto& root : form.roots) json += wire::quoted(root) + ",";
    json.back() = ']';
    json += ",";
  }
  json += fmt::format(R"("start_date":{},"end_date":{})", wire::quoted(form.start_date),
                      wire::quoted(form.end_date));
  const auto add = [&](std::string_view name, const auto& value, auto print) {
    if (value) json += fmt::format(R"(,"{}":{})", name, print(*value));
  };
  const auto number = [](std::int64_t value) { return std::to_string(value); };
  add("schema", form.schema, wire::quoted);
  add("interval", form.interval_ms, number);
  add("return_format", form.return_format, wire::quoted);
  add("start_time", form.start_time_ms, number);
  add("end_time", form.end_time_ms, number);
  add("force_refresh", form.force_refresh, [](bool value) { return value ? "true" : "false"; });
  add("mode", form.mode, wire::quoted);
  add("priority", form.priority, number);
  if (!form.labels.empty()) {
    json += R"(,"labels":{)";
    for (const auto& [name, value] : form.labels) {
      json += fmt::format("{}:{},", wire::quoted(name), wire::quoted(value));
    }
    json.back() = '}';
  }
  return json + "}";
}

}  // namespace betedge::wire
