#include "betedge/sdk/async_client.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>
#include <variant>

#include "betedge/ports/async.hpp"

namespace betedge::sdk {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kLargestAnswer = std::size_t{256} << 20;
constexpr std::size_t kLongestLine = std::size_t{1} << 20;
constexpr double kGrowth = 1.5;
constexpr std::chrono::milliseconds kLongestRetryAfter{60'000};
// The server says something (a comment at least) every fifteen seconds.
constexpr std::chrono::milliseconds kLongestSilence{60'000};

std::string encoded(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      result += c;
    } else {
      fmt::format_to(std::back_inserter(result), "%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return result;
}

void add_parameter(std::string& target, std::string_view name, std::string_view value) {
  target += target.contains('?') ? '&' : '?';
  target += fmt::format("{}={}", name, encoded(value));
}

// Retry-After in seconds; its other form, a date, is not one that betedge sends.
std::chrono::milliseconds retry_after_of(const std::optional<std::string>& text) {
  unsigned seconds = 0;
  if (!text) return {};
  const auto* const last = text->data() + text->size();
  const auto [end, error] = std::from_chars(text->data(), last, seconds);
  if (error != std::errc{} || end != last || seconds > 86'400) return {};
  return std::chrono::seconds{seconds};
}

Problem problem_of(int status) {
  switch (status) {
    case 401:
    case 403: return Problem::unauthorized;
    case 404: return Problem::not_found;
    case 429:
    case 502:
    case 503:
    case 504: return Problem::unavailable;
    default: break;
  }
  if (status >= 500) return Problem::server_failed;
  // No redirect is followed: betedge sends none, so this is somebody else.
  return status >= 400 ? Problem::refused : Problem::garbled;
}

Problem problem_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::cancelled: return Problem::stopped;
    case ErrorCode::invalid_request: return Problem::refused;
    case ErrorCode::upstream_garbled: return Problem::garbled;
    case ErrorCode::internal: return Problem::server_failed;
    case ErrorCode::not_found:
    case ErrorCode::conflict:
    case ErrorCode::fenced:
    case ErrorCode::timeout:
    case ErrorCode::upstream_unavailable:
    case ErrorCode::upstream_throttled:
    case ErrorCode::upstream_failed:
    case ErrorCode::upstream_refused:
    case ErrorCode::upstream_too_large:
    case ErrorCode::upstream_denied:
    case ErrorCode::storage_failed:
    case ErrorCode::storage_full:
    case ErrorCode::storage_denied:
    case ErrorCode::store_unavailable: return Problem::unavailable;
  }
  std::unreachable();
}

// Of a request that got no answer, or none that is whole.
Failure failure_of(Error error) {
  Failure failure{problem_of(error.code), 0, std::move(error.message)};
  failure.is_nobody_there = error.code == ErrorCode::upstream_unavailable;
  return failure;
}

// May the next look succeed without anybody doing something about it?
bool may_pass(Problem problem) {
  switch (problem) {
    case Problem::unavailable:
    case Problem::server_failed: return true;
    case Problem::refused:
    case Problem::unauthorized:
    case Problem::not_found:
    case Problem::garbled:
    case Problem::timeout:
    case Problem::stopped:
    case Problem::job_failed:
    case Problem::job_cancelled:
    case Problem::partial: return false;
  }
  std::unreachable();
}

// The elements of a member that is an array, each as its JSON.
std::vector<std::string> elements(const Json& object, const char* name) {
  std::vector<std::string> result;
  if (!object.is_object() || !object.contains(name) || !object[name].is_array()) return result;
  for (const auto& element : object[name]) {
    result.push_back(element.dump(-1, ' ', false, Json::error_handler_t::replace));
  }
  return result;
}

Json parsed(const std::string& body) {
  return Json::parse(body, nullptr, false);
}

// Sent back as it came, whatever it is made of.
std::optional<std::string> cursor_of(const Json& page) {
  const auto found = page.find("next_cursor");
  if (found == page.end() || found->is_null()) return std::nullopt;
  return found->is_string() ? found->get<std::string>() : found->dump();
}

// Lines of an event stream (WHATWG HTML, 9.2.6) to events.
class EventReader {
 public:
  // The next whole event of what was added; nullopt: more is needed.
  void add(std::string_view bytes) { rest_.append(bytes); }
  std::size_t held() const { return rest_.size() + event_.data.size(); }
  std::optional<Event> next() {
    std::size_t begin = 0;
    std::optional<Event> whole;
    for (auto end = rest_.find('\n'); end != std::string::npos && !whole;
         end = rest_.find('\n', begin)) {
      auto line = std::string_view(rest_).substr(begin, end - begin);
      begin = end + 1;
      if (line.ends_with('\r')) line.remove_suffix(1);
      whole = take(line);
    }
    rest_.erase(0, begin);
    return whole;
  }

 private:
  std::optional<Event> take(std::string_view line) {
    if (line.empty()) {
      auto event = std::exchange(event_, Event{});
      if (event.data.empty()) return std::nullopt;
      if (event.name.empty()) event.name = "message";
      return event;
    }
    const auto colon = std::min(line.find(':'), line.size());
    const auto name = line.substr(0, colon);
    auto value = line.substr(std::min(colon + 1, line.size()));
    if (value.starts_with(' ')) value.remove_prefix(1);
    if (name == "event") event_.name = value;
    if (name == "id") event_.id = value;
    if (name == "data") {
      if (!event_.data.empty()) event_.data += '\n';
      event_.data += value;
    }
    return std::nullopt;
  }

  std::string rest_;
  Event event_;
};

// The job as of the event: `snapshot` and `end` say all of it, `progress` what has changed.
void note_job(Event& event, Json& known) {
  const auto said = parsed(event.data);
  const bool is_of_job =
      event.name == "snapshot" || event.name == "progress" || event.name == "end";
  if (is_of_job && said.is_object()) known.update(said);
  auto json = known.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (auto view = wire::parse_job(json)) event.job = JobInfo{*std::move(view), std::move(json), {}};
}

}  // namespace

AsyncClient::AsyncClient(Runtime& runtime, net::HttpClient& http, ServerAddress address,
                         Retries retries)
    : runtime_(runtime), http_(http), address_(std::move(address)), retries_(retries) {
  auto& url = address_.url;
  if (!url.contains("://")) url = "http://" + url;
  while (url.ends_with('/')) url.pop_back();
}

Failure AsyncClient::garbled(std::string message) const {
  return Failure{
      Problem::garbled, 0,
      fmt::format("{} does not answer like a betedge server: {}", address_.url, message)};
}

net::HttpRequest AsyncClient::request(std::string method, const std::string& target,
                                      std::string body) const {
  net::HttpRequest request;
  request.method = std::move(method);
  request.url = address_.url + target;
  request.headers = {{"Accept", "application/json"}, {"User-Agent", "betedge"}};
  if (!body.empty()) request.headers.emplace_back("Content-Type", "application/json");
  if (!address_.token.empty()) {
    request.headers.emplace_back("Authorization", "Bearer " + address_.token);
  }
  if (!address_.client_id.empty()) {
    request.headers.emplace_back("X-Client-Id", address_.client_id);
  }
  request.body = std::move(body);
  request.idle_timeout = std::chrono::seconds{30};
  return request;
}

Failure AsyncClient::refusal(int status, std::chrono::milliseconds retry_after,
                             const std::string& body) const {
  auto message = wire::refusal_text(body);
  if (message.empty()) message = fmt::format("HTTP {} from {}", status, address_.url);
  std::vector<std::string> faults;
  for (const auto& fault : elements(parsed(body), "detail")) {
    faults.push_back(wire::refusal_text("{\"detail\":[" + fault + "]}"));
  }
  return Failure{problem_of(status), status, std::move(message), std::move(faults), retry_after};
}

Task<Outcome<AsyncClient::Answer>> AsyncClient::ask(std::string method, std::string target,
                                                    std::string body, std::stop_token stop,
                                                    Repeat repeat, net::Headers more) {
  const auto most = repeat == Repeat::yes ? retries_.most : 0;
  auto asked = request(std::move(method), target, std::move(body));
  for (auto& header : more) asked.headers.push_back(std::move(header));
  auto delay = retries_.first_delay;
  for (int made = 1;; ++made) {
    auto copy = asked;
    auto answer = co_await ask_once(std::move(copy), stop);
    if (answer || made > most) co_return answer;
    const auto& failure = answer.error();
    const bool passes = may_pass(failure.problem) || failure.http_status == 408 ||
                        // The same key is being answered just now.
                        (failure.http_status == 409 && failure.retry_after.count() > 0);
    if (!passes) co_return answer;
    auto pause =
        std::chrono::duration_cast<std::chrono::nanoseconds>(delay * (0.75 + 0.5 * luck(runtime_)));
    pause = std::max<std::chrono::nanoseconds>(
        pause, std::min<std::chrono::milliseconds>(failure.retry_after, kLongestRetryAfter));
    if (!co_await sleep_for(runtime_, pause, stop)) {
      co_return std::unexpected(Failure{Problem::stopped, 0, "stopped"});
    }
    delay = std::min(delay * 2, retries_.longest_delay);
  }
}

Task<Outcome<AsyncClient::Answer>> AsyncClient::ask_once(net::HttpRequest asked,
                                                         std::stop_token stop) {
  auto sent = co_await http_.send(std::move(asked), stop);
  if (!sent) co_return std::unexpected(failure_of(std::move(sent).error()));
  Answer answer;
  answer.status = (*sent)->status();
  answer.retry_after = retry_after_of((*sent)->header("Retry-After"));
  auto read = co_await net::read_all(*std::move(sent), kLargestAnswer);
  if (!read) co_return std::unexpected(failure_of(std::move(read).error()));
  answer.body = *std::move(read);
  if (answer.status >= 200 && answer.status < 300) co_return answer;
  co_return std::unexpected(refusal(answer.status, answer.retry_after, answer.body));
}

Task<Outcome<wire::AcceptedView>> AsyncClient::submit(Kind kind, wire::SubmitForm form,
                                                      std::stop_token stop) {
  auto target = kind == Kind::earnings ? std::string("/earnings")
                                       : fmt::format("/historical/{}", to_text(kind));
  auto body = wire::submit_json(form);
  net::Headers more{{"Prefer", "respond-async"}};
  if (retries_.most > 0) {
    more.emplace_back("Idempotency-Key", fmt::format("{:016x}{:016x}", runtime_.random_bits(),
                                                     runtime_.random_bits()));
  }
  BETEDGE_CO_TRY(const auto answer, co_await ask("POST", std::move(target), std::move(body),
                                                 std::move(stop), Repeat::yes, std::move(more)));
  auto accepted = wire::parse_accepted(answer.body);
  if (!accepted) co_return std::unexpected(garbled(accepted.error().message));
  co_return *std::move(accepted);
}

Task<Outcome<Plan>> AsyncClient::plan(Kind kind, wire::SubmitForm form, std::stop_token stop) {
  auto target = kind == Kind::earnings ? std::string("/earnings?dry_run=true")
                                       : fmt::format("/historical/{}?dry_run=true", to_text(kind));
  auto body = wire::submit_json(form);
  BETEDGE_CO_TRY(auto answer,
                 co_await ask("POST", std::move(target), std::move(body), std::move(stop)));
  auto plan = wire::parse_dry_run(answer.body);
  if (!plan) co_return std::unexpected(garbled(plan.error().message));
  co_return Plan{*std::move(plan), std::move(answer.body)};
}

Task<Outcome<JobInfo>> AsyncClient::act(std::string id, std::string action, std::stop_token stop) {
  auto target = fmt::format("/jobs/{}/{}", encoded(id), action);
  BETEDGE_CO_TRY(auto answer, co_await ask("POST", std::move(target), "", std::move(stop)));
  auto view = wire::parse_job(answer.body);
  if (!view) co_return std::unexpected(garbled(view.error().message));
  co_return JobInfo{*std::move(view), std::move(answer.body), answer.retry_after};
}

Task<Outcome<JobInfo>> AsyncClient::cancel(std::string id, std::stop_token stop) {
  return act(std::move(id), "cancel", std::move(stop));
}

Task<Outcome<JobInfo>> AsyncClient::retry_failed(std::string id, std::stop_token stop) {
  return act(std::move(id), "retry", std::move(stop));
}

Task<Outcome<void>> AsyncClient::forget(std::string id, std::stop_token stop) {
  auto target = "/jobs/" + encoded(id);
  BETEDGE_CO_TRY_VOID(co_await ask("DELETE", std::move(target), "", std::move(stop)));
  co_return Outcome<void>{};
}

Task<Outcome<std::vector<wire::ItemView>>> AsyncClient::all_items(std::string job_id,
                                                                  std::optional<std::string> state,
                                                                  std::stop_token stop) {
  std::vector<wire::ItemView> all;
  ItemFilter filter{.state = std::move(state)};
  do {
    BETEDGE_CO_TRY(auto page, co_await items(job_id, filter, stop));
    all.insert(all.end(), std::make_move_iterator(page.items.begin()),
               std::make_move_iterator(page.items.end()));
    filter.cursor = std::move(page.next_cursor);
  } while (filter.cursor);
  co_return all;
}

Task<Outcome<JobInfo>> AsyncClient::job(std::string id, std::stop_token stop) {
  auto target = "/jobs/" + encoded(id);
  BETEDGE_CO_TRY(auto answer, co_await ask("GET", std::move(target), "", std::move(stop)));
  auto view = wire::parse_job(answer.body);
  if (!view) co_return std::unexpected(garbled(view.error().message));
  co_return JobInfo{*std::move(view), std::move(answer.body), answer.retry_after};
}

Task<Outcome<std::vector<JobInfo>>> AsyncClient::jobs(JobFilter filter, std::stop_token stop) {
  std::string target = "/jobs";
  if (filter.limit) add_parameter(target, "limit", std::to_string(*filter.limit));
  if (filter.status) add_parameter(target, "job_status", *filter.status);
  BETEDGE_CO_TRY(const auto answer, co_await ask("GET", std::move(target), "", std::move(stop)));
  auto views = wire::parse_job_list(answer.body);
  if (!views) co_return std::unexpected(garbled(views.error().message));
  auto json = elements(parsed(answer.body), "jobs");
  std::vector<JobInfo> jobs;
  for (std::size_t i = 0; i < views->size(); ++i) {
    jobs.push_back(JobInfo{std::move((*views)[i]), std::move(json[i]), {}});
  }
  co_return jobs;
}

Task<Outcome<ItemPage>> AsyncClient::items(std::string job_id, ItemFilter filter,
                                           std::stop_token stop) {
  auto target = fmt::format("/jobs/{}/items", encoded(job_id));
  if (filter.state) add_parameter(target, "state", *filter.state);
  if (filter.limit) add_parameter(target, "limit", std::to_string(*filter.limit));
  if (filter.cursor) add_parameter(target, "cursor", *filter.cursor);
  BETEDGE_CO_TRY(const auto answer, co_await ask("GET", std::move(target), "", std::move(stop)));
  auto page = wire::parse_item_page(answer.body);
  if (!page) co_return std::unexpected(garbled(page.error().message));
  const auto body = parsed(answer.body);
  co_return ItemPage{std::move(page->items), elements(body, "items"), cursor_of(body)};
}

Task<Outcome<void>> AsyncClient::health(std::stop_token stop) {
  BETEDGE_CO_TRY_VOID(co_await ask("GET", "/health", "", std::move(stop)));
  co_return Outcome<void>{};
}

Task<Outcome<Roots>> AsyncClient::roots(std::stop_token stop) {
  BETEDGE_CO_TRY(const auto answer, co_await ask("GET", "/lake/roots", "", std::move(stop)));
  auto view = wire::parse_roots(answer.body);
  if (!view) co_return std::unexpected(garbled(view.error().message));
  co_return Roots{*std::move(view), elements(parsed(answer.body), "roots")};
}

Task<Outcome<ObjectPage>> AsyncClient::objects(std::string prefix, std::size_t limit,
                                               std::string cursor, std::stop_token stop) {
  auto target = wire::objects_target(prefix, limit, cursor);
  BETEDGE_CO_TRY(const auto answer, co_await ask("GET", std::move(target), "", std::move(stop)));
  auto page = wire::parse_object_page(answer.body);
  if (!page) co_return std::unexpected(garbled(page.error().message));
  co_return ObjectPage{std::move(page->objects), elements(parsed(answer.body), "objects"),
                       std::move(page->next_cursor)};
}

Task<Outcome<std::string>> AsyncClient::object(std::string key, std::stop_token stop) {
  auto target = wire::object_target(key);
  BETEDGE_CO_TRY(auto answer, co_await ask("GET", std::move(target), "", std::move(stop)));
  co_return std::move(answer.body);
}

Task<Outcome<Coverage>> AsyncClient::coverage(wire::CoverageQuery query, std::stop_token stop) {
  auto target = wire::coverage_target(query);
  BETEDGE_CO_TRY(auto answer, co_await ask("GET", std::move(target), "", std::move(stop)));
  auto view = wire::parse_coverage(answer.body);
  if (!view) co_return std::unexpected(garbled(view.error().message));
  co_return Coverage{*std::move(view), std::move(answer.body)};
}

Task<Outcome<Fill>> AsyncClient::fill(wire::CoverageQuery query, FillOptions options,
                                      std::stop_token stop) {
  auto body = wire::fill_json(query, options.labels, options.priority);
  BETEDGE_CO_TRY(auto answer,
                 co_await ask("POST", "/lake/fill", std::move(body), std::move(stop), Repeat::no));
  if (const auto counts = wire::parse_nothing_to_fill(answer.body)) {
    co_return Fill{std::nullopt, *counts, std::move(answer.body)};
  }
  auto accepted = wire::parse_accepted(answer.body);
  if (!accepted) co_return std::unexpected(garbled(accepted.error().message));
  co_return Fill{*std::move(accepted), {}, std::move(answer.body)};
}

Task<Outcome<FillPlan>> AsyncClient::plan_fill(wire::CoverageQuery query, FillOptions options,
                                               std::stop_token stop) {
  auto body = wire::fill_json(query, options.labels, options.priority);
  BETEDGE_CO_TRY(auto answer,
                 co_await ask("POST", "/lake/fill?dry_run=true", std::move(body), std::move(stop)));
  if (const auto counts = wire::parse_nothing_to_fill(answer.body)) {
    co_return FillPlan{std::nullopt, *counts, std::move(answer.body)};
  }
  auto plan = wire::parse_dry_run(answer.body);
  if (!plan) co_return std::unexpected(garbled(plan.error().message));
  co_return FillPlan{*std::move(plan), {}, std::move(answer.body)};
}

Task<Outcome<wire::VerifyEnd>> AsyncClient::verify(VerifyOptions options, std::stop_token stop) {
  auto asked = request("POST", "/lake/verify", wire::verify_json(options.prefix, options.repair));
  auto sent = co_await http_.send(std::move(asked), stop);
  if (!sent) co_return std::unexpected(failure_of(std::move(sent).error()));
  const auto answer = *std::move(sent);
  if (answer->status() != 200) {
    const int status = answer->status();
    const auto retry_after = retry_after_of(answer->header("Retry-After"));
    std::string body;
    while (body.size() < kLongestLine) {
      auto piece = co_await answer->next();
      if (!piece) co_return std::unexpected(failure_of(std::move(piece).error()));
      if (piece->empty()) break;
      body += as_text(*piece);
    }
    auto failure = refusal(status, retry_after, body);
    // One verification at a time: the other one will have an end.
    if (status == 409) failure.problem = Problem::unavailable;
    co_return std::unexpected(std::move(failure));
  }

  std::string rest;  // a line that is not whole yet
  while (true) {
    auto piece = co_await answer->next();
    if (!piece) co_return std::unexpected(failure_of(std::move(piece).error()));
    if (piece->empty()) {
      co_return std::unexpected(garbled("the verification's answer has no end"));
    }
    rest += as_text(*piece);
    std::size_t begin = 0;
    for (auto end = rest.find('\n'); end != std::string::npos; end = rest.find('\n', begin)) {
      const auto text = std::string_view(rest).substr(begin, end - begin);
      begin = end + 1;
      auto line = wire::parse_verify_line(text);
      if (!line) co_return std::unexpected(garbled(line.error().message));
      if (options.on_line) options.on_line(VerifyLine{*line, std::string(text)});
      if (auto* const failed = std::get_if<wire::VerifyFailure>(&*line)) {
        co_return std::unexpected(Failure{Problem::server_failed, 200, std::move(failed->error)});
      }
      if (auto* const done = std::get_if<wire::VerifyEnd>(&*line)) co_return *std::move(done);
    }
    rest.erase(0, begin);
    if (rest.size() > kLongestLine) {
      co_return std::unexpected(garbled("a line of the verification's answer has no end"));
    }
  }
}

Task<Outcome<JobInfo>> AsyncClient::wait_for_completion(std::string id, WaitOptions options,
                                                        std::stop_token stop) {
  const auto stopped = [] {
    return std::unexpected(Failure{Problem::stopped, 0, "stopped; the job goes on"});
  };
  const auto begin = runtime_.steady_now();
  auto delay = options.first_delay;
  std::optional<SteadyTime> silent_since;
  while (true) {
    auto job = co_await this->job(id, stop);
    std::chrono::milliseconds asked_for{0};
    if (job) {
      silent_since.reset();
      asked_for = job->retry_after;
      if (options.on_progress) options.on_progress(*job);
      if (job->view.has_ended()) co_return job;
    } else if (job.error().problem == Problem::stopped) {
      co_return stopped();
    } else {
      const auto now = runtime_.steady_now();
      if (!silent_since) silent_since = now;
      const bool give_up =
          !may_pass(job.error().problem) || now - *silent_since >= options.patience;
      if (give_up) co_return job;
      asked_for = job.error().retry_after;
      if (options.on_trouble) options.on_trouble(job.error());
    }

    auto pause =
        std::chrono::duration_cast<std::chrono::nanoseconds>(delay * (0.8 + 0.4 * luck(runtime_)));
    pause = std::max<std::chrono::nanoseconds>(pause, asked_for);
    if (options.timeout) {
      const auto left = *options.timeout - (runtime_.steady_now() - begin);
      if (left <= std::chrono::nanoseconds::zero()) {
        const auto text = job ? fmt::format("the job is still {}, {} of {} items done",
                                            job->view.state, job->view.completed, job->view.total)
                              : job.error().message;
        co_return std::unexpected(
            Failure{Problem::timeout, 0, fmt::format("not done in time: {}", text)});
      }
      pause = std::min<std::chrono::nanoseconds>(pause, left);  // for a last look
    }
    if (!co_await sleep_for(runtime_, pause, stop)) co_return stopped();
    const auto grown = std::chrono::duration_cast<std::chrono::milliseconds>(delay * kGrowth);
    delay = std::min(grown, options.longest_delay);
  }
}

Task<Outcome<JobInfo>> AsyncClient::wait_for_success(std::string id, WaitOptions options,
                                                     std::stop_token stop) {
  const bool allow_partial = options.allow_partial;
  BETEDGE_CO_TRY(auto job, co_await wait_for_completion(id, std::move(options), stop));
  const auto& view = job.view;
  const auto why = view.error_message.value_or("");
  if (view.state == "cancelled") {
    auto text =
        fmt::format("job {} was cancelled after {} of {} items", id, view.completed, view.total);
    co_return std::unexpected(Failure{Problem::job_cancelled, 0, std::move(text)});
  }
  if (view.status == JobStatus::failed) {
    auto text = fmt::format("job {} failed: {}", id, why);
    co_return std::unexpected(Failure{Problem::job_failed, 0, std::move(text)});
  }
  if (view.state == "completed_with_errors" && !allow_partial) {
    BETEDGE_CO_TRY(const auto failed, co_await all_items(id, "failed", stop));
    Failure failure{Problem::partial, 0, fmt::format("job {}: {}", id, why)};
    for (const auto& item : failed) failure.faults.push_back(item.key + ": " + item.error);
    co_return std::unexpected(std::move(failure));
  }
  co_return job;
}

Task<Outcome<void>> AsyncClient::events(std::string id, EventOptions options,
                                        std::stop_token stop) {
  Json known = Json::object();
  std::string last_id;
  auto delay = options.first_delay;
  std::optional<SteadyTime> silent_since;
  while (true) {
    auto asked = request("GET", fmt::format("/jobs/{}/events", encoded(id)), "");
    asked.headers.front() = {"Accept", "text/event-stream"};
    asked.idle_timeout = kLongestSilence;
    if (!last_id.empty()) asked.headers.emplace_back("Last-Event-ID", last_id);
    auto sent = co_await http_.send(std::move(asked), stop);

    Failure trouble{Problem::unavailable, 0, "the stream of events ended before the job"};
    if (!sent) {
      trouble = failure_of(std::move(sent).error());
    } else if ((*sent)->status() == 204) {
      co_return Outcome<void>{};  // it ended with the last event that we had
    } else if ((*sent)->status() != 200) {
      const int status = (*sent)->status();
      const auto retry_after = retry_after_of((*sent)->header("Retry-After"));
      const auto body = co_await net::read_all(*std::move(sent), kLongestLine);
      trouble = refusal(status, retry_after, body.value_or(""));
    } else {
      EventReader reader;
      while (true) {
        auto piece = co_await (*sent)->next();
        if (!piece) trouble = failure_of(std::move(piece).error());
        if (!piece || piece->empty()) break;
        reader.add(as_text(*piece));
        while (auto event = reader.next()) {
          silent_since.reset();
          delay = options.first_delay;
          if (!event->id.empty()) last_id = event->id;
          note_job(*event, known);
          if (options.on_event) options.on_event(*event);
          if (event->name == "end") co_return Outcome<void>{};
        }
        if (reader.held() > kLongestLine) {
          co_return std::unexpected(garbled("an event has no end"));
        }
      }
    }

    const auto now = runtime_.steady_now();
    if (!silent_since) silent_since = now;
    // A stream that broke in the middle is nothing that anybody said.
    const bool gives_up = !may_pass(trouble.problem) || now - *silent_since >= options.patience;
    if (gives_up) co_return std::unexpected(std::move(trouble));
    auto pause =
        std::chrono::duration_cast<std::chrono::nanoseconds>(delay * (0.8 + 0.4 * luck(runtime_)));
    pause = std::max<std::chrono::nanoseconds>(pause, trouble.retry_after);
    if (!co_await sleep_for(runtime_, pause, stop)) {
      co_return std::unexpected(Failure{Problem::stopped, 0, "stopped; the job goes on"});
    }
    const auto grown = std::chrono::duration_cast<std::chrono::milliseconds>(delay * kGrowth);
    delay = std::min(grown, options.longest_delay);
  }
}

}  // namespace betedge::sdk
