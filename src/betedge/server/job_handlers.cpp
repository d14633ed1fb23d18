#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "betedge/server/answers.hpp"
#include "betedge/server/handlers.hpp"
#include "betedge/wire/faults.hpp"
#include "betedge/wire/job.hpp"
#include "betedge/wire/python_json.hpp"
#include "betedge/wire/refusal.hpp"

namespace betedge::server {

using net::ServerResponse;
using wire::ProblemCode;

namespace {

constexpr std::string_view kStatusFailed = "Failed to get job status";
constexpr std::string_view kListFailed = "Failed to list jobs";
constexpr std::string_view kItemsFailed = "Failed to list items";

// A page of items that does not say how long it shall be, and the longest there is.
constexpr std::size_t kItemsPage = 100;
constexpr std::size_t kLongestItemsPage = 1000;

// Of so many jobs the last description is kept.
constexpr std::size_t kDescribedKept = 256;

// A long poll may ask to be held so long.
constexpr int kLongestPollSeconds = 60;

ServerResponse answer_of(wire::Refusal refusal) {
  return problem_answer(std::move(refusal));
}

std::optional<std::string_view> view_of(const std::optional<std::string>& text) {
  return text ? std::optional<std::string_view>(*text) : std::nullopt;
}

std::string unknown_state_text(std::string_view state) {
  std::string names;
  for (const auto known :
       {ItemState::pending, ItemState::running, ItemState::succeeded, ItemState::skipped,
        ItemState::no_data, ItemState::failed, ItemState::cancelled})
    names += fmt::format("{}{}", names.empty() ? "" : ", ", to_text(known));
  return fmt::format("Invalid state '{}'. Valid states: {}", state, names);
}

template <class Number>
std::optional<Number> number_of(std::string_view text) {
  Number number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// `?wait=`, in seconds; nullopt after a fault.
std::expected<std::optional<std::chrono::seconds>, wire::Refusal> parse_wait(
    std::optional<std::string_view> text) {
  if (!text) return std::nullopt;
  const auto seconds = number_of<int>(*text);
  wire::Faults faults;
  if (!seconds)
    faults.add("int_parsing", {"query", "wait"},
               "Input should be a valid integer, unable to parse string as an integer",
               wire::quoted(*text));
  else if (*seconds < 0)
    faults.add("greater_than_equal", {"query", "wait"},
               "Input should be greater than or equal to 0", wire::quoted(*text), R"({"ge":0})");
  else
    return std::chrono::seconds(std::min(*seconds, kLongestPollSeconds));
  return std::unexpected(faults.refusal());
}

wire::ItemPageView view_of(ItemPage page) {
  wire::ItemPageView view;
  view.next_cursor = page.next;
  for (auto& item : page.items) {
    view.items.push_back({.key = item.key.text(),
                          .state = item.state,
                          .attempts = item.attempts,
                          .rows = item.rows,
                          .bytes = item.bytes,
                          .sha256 = std::move(item.sha256),
                          .error = std::move(item.error),
                          .note = std::move(item.note)});
  }
  return view;
}

}  // namespace

Task<std::expected<JobInfo, ServerResponse>> Handlers::find_job(Call& call) {
  using None = std::unexpected<ServerResponse>;
  const auto id = JobId::parse(call.parameter);
  if (!id) co_return None(problem_answer(ProblemCode::invalid_job_id, "Invalid job ID format"));
  call.job = id->text();
  if (const auto closed = closed_for(false))
    co_return None(failed("status_failed", kStatusFailed, call, *closed));
  auto found = co_await service_.get_job_status(*id);
  if (!found) co_return None(failed("status_failed", kStatusFailed, call, found.error()));
  if (!*found)
    co_return None(problem_answer(ProblemCode::job_not_found,
                                  fmt::format("Job {} not found", call.parameter)));
  co_return **std::move(found);
}

// Strong: it changes with whatever the answer says. That is the job's version, and while the job
// waits for something, the words for that.
std::string Handlers::etag_of(const JobInfo& job) const {
  const auto waiting = service_.waiting_for(job);
  if (!waiting) return '"' + std::to_string(job.version) + '"';
  return fmt::format("\"{}-w{:x}\"", job.version, std::hash<std::string>{}(*waiting));
}

ServerResponse Handlers::job_answer(int status, const JobInfo& job) {
  auto etag = etag_of(job);
  auto described = described_.find(job.job_id);
  if (described == described_.end() || described->second.etag != etag) {
    if (described_.size() >= kDescribedKept) described_.clear();
    auto json = wire::job_json(job, view_of(service_.waiting_for(job)));
    described =
        described_
            .insert_or_assign(job.job_id, Described{etag, net::SharedBytes::of(std::move(json))})
            .first;
  }
  ServerResponse answer;
  answer.status = status;
  answer.headers.reserve(4);
  answer.headers.emplace_back("Content-Type", "application/json");
  answer.headers.emplace_back("ETag", std::move(etag));
  answer.headers.emplace_back("Cache-Control", "private, no-cache");
  if (!has_ended(job.status)) answer.headers.emplace_back("Retry-After", "1");
  answer.body = described->second.body;
  return answer;
}

ServerResponse Handlers::status_answer(const Call& call, const JobInfo& job) {
  const auto known = call.request.header("If-None-Match");
  if (!known || !matches(*known, etag_of(job))) return job_answer(200, job);
  ServerResponse unchanged;
  unchanged.status = 304;
  unchanged.headers = {{"ETag", etag_of(job)}, {"Cache-Control", "private, no-cache"}};
  if (!has_ended(job.status)) unchanged.headers.emplace_back("Retry-After", "1");
  return unchanged;
}

Task<ServerResponse> Handlers::get_job(Call& call) {
  // What is polled is mostly there, and asked for as it stands.
  if (!closed_for(false) && !call.request.parameter("wait")) {
    const auto id = JobId::parse(call.parameter);
    if (const auto* active = id ? service_.find_active(*id) : nullptr) {
      call.job = id->text();
      co_return status_answer(call, *active);
    }
  }
  auto job = co_await find_job(call);
  if (!job) co_return std::move(job).error();
  const auto wait = parse_wait(last_of(call.request, "wait"));
  if (!wait) co_return answer_of(wait.error());
  const auto known = call.request.header("If-None-Match");
  if (*wait) {
    const auto until = runtime_.steady_now() + **wait;
    const auto before = etag_of(*job);
    while (!has_ended(job->status) &&
           (known ? matches(*known, etag_of(*job)) : etag_of(*job) == before)) {
      const auto woken = co_await service_.wait_for_change(job->job_id, call.request.gone, until);
      auto again = co_await find_job(call);
      if (!again) co_return std::move(again).error();
      job = std::move(again);
      if (woken != Woken::notified) break;
    }
  }
  co_return status_answer(call, *job);
}

Task<ServerResponse> Handlers::list_jobs(Call& call) {
  const auto limit = wire::parse_limit(last_of(call.request, "limit"));
  if (!limit) co_return answer_of(limit.error());
  const auto filter = last_of(call.request, "job_status");
  // As the original: an empty one filters nothing, and is given back all the same.
  const auto status = wire::parse_status_filter(filter && filter->empty() ? std::nullopt : filter);
  if (!status) co_return answer_of(status.error());
  std::optional<std::pair<std::string, std::string>> label;
  if (const auto text = last_of(call.request, "label")) {
    const auto colon = text->find(':');
    if (colon == std::string_view::npos || colon == 0)
      co_return problem_answer(ProblemCode::invalid_label,
                               fmt::format("Invalid label '{}'. Say name:value", *text));
    label.emplace(text->substr(0, colon), text->substr(colon + 1));
  }
  if (const auto closed = closed_for(false))
    co_return failed("status_failed", kListFailed, call, *closed);
  JobFilter wanted{.status = *status, .label = std::move(label), .limit = *limit};
  const auto jobs = co_await service_.list_jobs(std::move(wanted));
  if (!jobs) co_return failed("status_failed", kListFailed, call, jobs.error());
  const auto waiting = [this](const JobInfo& job) { return service_.waiting_for(job); };
  co_return json_answer(200, wire::job_list_json(*jobs, *limit, filter, waiting));
}

Task<ServerResponse> Handlers::list_items(Call& call) {
  const auto id = JobId::parse(call.parameter);
  if (!id) co_return problem_answer(ProblemCode::invalid_job_id, "Invalid job ID format");
  call.job = id->text();
  const auto limit = wire::parse_limit(last_of(call.request, "limit"));
  if (!limit) co_return answer_of(limit.error());
  ItemFilter filter{.state = {}, .limit = std::min(limit->value_or(kItemsPage), kLongestItemsPage)};
  if (const auto text = last_of(call.request, "state"); text && !text->empty()) {
    filter.state = parse_item_state(*text);
    if (!filter.state)
      co_return problem_answer(ProblemCode::invalid_state, unknown_state_text(*text));
  }
  if (const auto text = last_of(call.request, "cursor")) {
    const auto cursor = number_of<std::uint32_t>(*text);
    if (!cursor) co_return problem_answer(ProblemCode::invalid_cursor, "Invalid cursor");
    filter.from_seq = *cursor;
  }
  if (const auto closed = closed_for(false))
    co_return failed("status_failed", kItemsFailed, call, *closed);
  auto page = co_await service_.list_items(*id, filter);
  if (!page && page.error().code == ErrorCode::not_found)
    co_return problem_answer(ProblemCode::job_not_found,
                             fmt::format("Job {} not found", call.parameter));
  if (!page) co_return failed("status_failed", kItemsFailed, call, page.error());
  co_return json_answer(200, wire::item_page_json(view_of(*std::move(page))));
}

ServerResponse Handlers::change_refused(const Call& call, std::string_view sentence,
                                        const Error& error) {
  if (error.code == ErrorCode::not_found)
    return problem_answer(ProblemCode::job_not_found,
                          fmt::format("Job {} not found", call.parameter));
  if (error.code == ErrorCode::conflict)
    return problem_answer(ProblemCode::conflict, error.message);
  return failed("status_failed", sentence, call, error);
}

Task<ServerResponse> Handlers::cancel_job(Call& call) {
  auto job = co_await find_job(call);
  if (!job) co_return std::move(job).error();
  const auto cancelled = co_await service_.cancel_job(job->job_id);
  if (!cancelled) co_return change_refused(call, "Failed to cancel job", cancelled.error());
  co_return job_answer(has_ended(cancelled->status) ? 200 : 202, *cancelled);
}

Task<ServerResponse> Handlers::retry_job(Call& call) {
  auto job = co_await find_job(call);
  if (!job) co_return std::move(job).error();
  const auto retried = co_await service_.retry_job(job->job_id);
  if (!retried) co_return change_refused(call, "Failed to retry job", retried.error());
  auto answer = job_answer(202, *retried);
  answer.headers.emplace_back("Location", "/jobs/" + call.job);
  co_return answer;
}

Task<ServerResponse> Handlers::delete_job(Call& call) {
  auto job = co_await find_job(call);
  if (!job) co_return std::move(job).error();
  const auto deleted = co_await service_.delete_job(job->job_id);
  if (!deleted) co_return change_refused(call, "Failed to delete job", deleted.error());
  ServerResponse answer;
  answer.status = 204;
  co_return answer;
}

Task<ServerResponse> Handlers::job_events(Call& call) {
  auto job = co_await find_job(call);
  if (!job) co_return std::move(job).error();
  if (const auto closed = closed_for(true))
    co_return failed("status_failed", kStatusFailed, call, *closed);
  co_return feeds_.watch_job(*job, call.request.header("Last-Event-ID").value_or(""),
                             call.request.gone);
}

Task<ServerResponse> Handlers::all_events(Call& call) {
  if (const auto closed = closed_for(true))
    co_return failed("status_failed", kListFailed, call, *closed);
  co_return feeds_.watch_all(call.request.header("Last-Event-ID").value_or(""), call.request.gone);
}

}  // namespace betedge::server
