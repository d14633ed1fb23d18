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
    case Problem::stopped: return false;
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

}  // namespace

AsyncClient::AsyncClient(Runtime& runtime, net::HttpClient& http, ServerAddress address)
    : runtime_(runtime), http_(http), address_(std::move(address)) {
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
                                                    std::string body, std::stop_token stop) {
  auto asked = request(std::move(method), target, std::move(body));
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
  BETEDGE_CO_TRY(const auto answer,
                 co_await ask("POST", std::move(target), std::move(body), std::move(stop)));
  auto accepted = wire::parse_accepted(answer.body);
  if (!accepted) co_return std::unexpected(garbled(accepted.error().message));
  co_return *std::move(accepted);
}

Task<Outcome<Job>> AsyncClient::job(std::string id, std::stop_token stop) {
  auto target = "/jobs/" + encoded(id);
  BETEDGE_CO_TRY(auto answer, co_await ask("GET", std::move(target), "", std::move(stop)));
  auto view = wire::parse_job(answer.body);
  if (!view) co_return std::unexpected(garbled(view.error().message));
  co_return Job{*std::move(view), std::move(answer.body), answer.retry_after};
}

Task<Outcome<std::vector<Job>>> AsyncClient::jobs(JobFilter filter, std::stop_token stop) {
  std::string target = "/jobs";
  if (filter.limit) add_parameter(target, "limit", std::to_string(*filter.limit));
  if (filter.status) add_parameter(target, "job_status", *filter.status);
  BETEDGE_CO_TRY(const auto answer, co_await ask("GET", std::move(target), "", std::move(stop)));
  auto views = wire::parse_job_list(answer.body);
  if (!views) co_return std::unexpected(garbled(views.error().message));
  auto json = elements(parsed(answer.body), "jobs");
  std::vector<Job> jobs;
  for (std::size_t i = 0; i < views->size(); ++i) {
    jobs.push_back(Job{std::move((*views)[i]), std::move(json[i]), {}});
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
  BETEDGE_CO_TRY(auto answer, co_await ask("POST", "/lake/fill", std::move(body), std::move(stop)));
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

Task<Outcome<Job>> AsyncClient::wait_for_completion(std::string id, WaitOptions options,
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

}  // namespace betedge::sdk
