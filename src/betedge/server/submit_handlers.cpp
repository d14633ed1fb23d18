#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "betedge/server/answers.hpp"
#include "betedge/server/handlers.hpp"
#include "betedge/wire/dry_run.hpp"
#include "betedge/wire/faults.hpp"
#include "betedge/wire/job.hpp"
#include "betedge/wire/python_json.hpp"
#include "betedge/wire/refusal.hpp"
#include "betedge/wire/request.hpp"

namespace betedge::server {

using net::ServerResponse;
using wire::ProblemCode;

namespace {

constexpr std::string_view kSubmitFailed = "Failed to submit request";
constexpr std::size_t kLongestKey = 255;

// The original's sentence for a request that it had processed and failed at.
std::string_view process_failed(Kind kind) {
  switch (kind) {
    case Kind::option: return "Failed to process historical option request";
    case Kind::stock: return "Failed to process historical stock request";
    case Kind::earnings: return "Failed to process earnings request";
  }
  std::unreachable();
}

// `?dry_run=`: true or false as a query's boolean; nullopt when it is neither.
std::optional<bool> flag_of(std::optional<std::string_view> text) {
  if (!text) return false;
  for (const std::string_view yes : {"true", "1", "yes", ""})
    if (net::equal_ignoring_case(*text, yes)) return true;
  for (const std::string_view no : {"false", "0", "no"})
    if (net::equal_ignoring_case(*text, no)) return false;
  return std::nullopt;
}

// Idempotency-Key: a quoted string of RFC 8941, or bare. nullopt: it is none.
std::optional<std::string> key_of(std::string_view header) {
  while (header.starts_with(' ')) header.remove_prefix(1);
  while (header.ends_with(' ')) header.remove_suffix(1);
  std::string key(header);
  if (header.size() >= 2 && header.starts_with('"') && header.ends_with('"')) {
    key.clear();
    for (std::size_t i = 1; i + 1 < header.size(); ++i) {
      if (header[i] == '\\' && i + 2 < header.size()) ++i;
      key += header[i];
    }
  }
  const bool is_printable = std::ranges::all_of(key, [](char c) { return c >= 0x20 && c < 0x7f; });
  if (key.empty() || key.size() > kLongestKey || !is_printable) return std::nullopt;
  return key;
}

wire::DryRunView view_of(const engine::DryRun& run) {
  wire::DryRunView view{.items = {},
                        .not_yet_available = run.not_yet_available,
                        .calls = run.calls,
                        .bytes = run.bytes,
                        .seconds = run.seconds,
                        .like_objects = run.like_objects};
  for (const auto& item : run.items)
    view.items.push_back({item.key.text(), item.covers, item.calls, item.is_there});
  return view;
}

}  // namespace

SubmitDecision Handlers::decide_mode(const Call& call, Kind kind) const {
  std::vector<std::string_view> prefer;
  for (const auto& [name, value] : call.request.headers)
    if (net::equal_ignoring_case(name, "Prefer")) prefer.push_back(value);
  return decide(rollout, {.endpoint = to_text(kind),
                          .client = call.caller.client,
                          .address = call.caller.address,
                          .preferences = parse_prefer(prefer)});
}

// What an answer says about how it came to be answered so.
void Handlers::tell_mode(const SubmitDecision& decision, const Call& call, ServerResponse& answer) {
  if (!decision.preference_applied.empty())
    answer.headers.emplace_back("Preference-Applied", decision.preference_applied);
  if (call.mode == "sync")
    log_.event(Level::info, "sync_answered",
               {{"job", call.job},
                {"path", call.request.path},
                {"client", call.caller.client},
                {"peer", call.request.peer}});
  if (!decision.is_sync_refused) return;
  const auto since = std::chrono::floor<std::chrono::seconds>(rollout_since).time_since_epoch();
  answer.headers.emplace_back("Deprecation", fmt::format("@{}", since.count()));  // RFC 9745
  log_.event(Level::warning, "sync_refused",
             {{"job", call.job},
              {"path", call.request.path},
              {"client", call.caller.client},
              {"peer", call.request.peer}});
}

ServerResponse Handlers::submit_refused(Call& call,
                                        engine::DataProcessingService::SubmitFailure failure) {
  call.job.clear();  // there is none
  if (const auto* rejection = std::get_if<engine::Rejection>(&failure)) {
    auto refusal = wire::refuse_field(rejection->field, rejection->message, call.request.body);
    return problem_answer(std::move(refusal));
  }
  if (const auto* full = std::get_if<engine::QueueFull>(&failure)) {
    auto answer = problem_answer(ProblemCode::quota_exceeded,
                                 fmt::format("{}: {}", kSubmitFailed, full->message));
    answer.headers.emplace_back("Retry-After", retry_after_text(full->retry_after));
    return answer;
  }
  return failed("submit_failed", kSubmitFailed, call, std::get<Error>(failure));
}

std::expected<bool, ServerResponse> Handlers::is_dry_run(const Call& call) {
  const auto text = last_of(call.request, "dry_run");
  if (const auto is_dry = flag_of(text)) return *is_dry;
  wire::Faults faults;
  faults.add("bool_parsing", {"query", "dry_run"},
             "Input should be a valid boolean, unable to interpret input", wire::quoted(*text));
  return std::unexpected(problem_answer(faults.refusal()));
}

// The request's Idempotency-Key, taken for as long as it is being stored; or the answer that it
// cannot be.
std::expected<Handlers::TakenKey, ServerResponse> Handlers::take_key(const Call& call) {
  TakenKey taken;
  const auto header = call.request.header("Idempotency-Key");
  if (!header) return taken;
  auto key = key_of(*header);
  if (!key)
    return std::unexpected(problem_answer(
        ProblemCode::invalid_idempotency_key,
        fmt::format("Idempotency-Key must be 1 to {} printable characters", kLongestKey)));
  const auto [place, is_free] = keys_in_flight_.emplace(call.caller.client, *key);
  if (!is_free) {
    auto answer = problem_answer(
        ProblemCode::idempotency_in_flight,
        "A request with this Idempotency-Key is being stored; ask again in a moment");
    answer.headers.emplace_back("Retry-After", "1");
    return std::unexpected(std::move(answer));
  }
  taken.in_flight = std::make_unique<KeyInFlight>(keys_in_flight_, place);
  taken.idempotency =
      IdempotencyKey{.principal = call.caller.client, .key = *std::move(key), .fingerprint = {}};
  return taken;
}

JobId Handlers::new_job_id() {
  return JobId::make(runtime_.wall_now(), {runtime_.random_bits(), runtime_.random_bits()});
}

// What an answer says about how it came to this job; or the answer that it came to none.
std::expected<net::Headers, ServerResponse> Handlers::tell_how(Call& call,
                                                               const CreatedJob& created) {
  call.job = created.job.job_id.text();
  switch (created.how) {
    case CreatedJob::How::key_used_otherwise: {
      call.job.clear();
      wire::Faults faults;
      faults.value_error({"header", "Idempotency-Key"},
                         "this key was sent with another request before; use a new key for a new "
                         "request",
                         wire::quoted(*call.request.header("Idempotency-Key")));
      auto refusal = faults.refusal();
      refusal.code = ProblemCode::idempotency_key_reused;
      return std::unexpected(problem_answer(std::move(refusal)));
    }
    case CreatedJob::How::made:
    case CreatedJob::How::not_made: break;  // the latter is a QueueFull
    case CreatedJob::How::joined: return net::Headers{{"Betedge-Joined", "true"}};
    case CreatedJob::How::replayed: return net::Headers{{"Idempotency-Replayed", "true"}};
  }
  return net::Headers{};
}

ServerResponse Handlers::accepted_answer(const Call& call) {
  auto answer = json_answer(202, wire::accepted_json(JobId::parse(call.job).value()));
  answer.headers.emplace_back("Location", "/jobs/" + call.job);
  answer.headers.emplace_back("Retry-After", "1");
  return answer;
}

Task<ServerResponse> Handlers::submit(Call& call, Kind kind) {
  call.mode = "async";
  if (const auto closed = closed_for(true))
    co_return failed("submit_failed", kSubmitFailed, call, *closed);
  const auto is_dry = is_dry_run(call);
  if (!is_dry) co_return std::move(is_dry).error();
  auto parsed = wire::parse_submission(kind, call.request.header("content-type").value_or(""),
                                       call.request.body, options_.existing);
  if (!parsed) co_return problem_answer(std::move(parsed).error());
  if (*is_dry) co_return co_await dry_run(call, std::move(parsed->submission));

  auto key = take_key(call);
  if (!key) co_return std::move(key).error();

  const auto decision = decide_mode(call, kind);
  const auto id = new_job_id();
  call.job = id.text();
  auto outcome = co_await service_.process_request(
      std::move(parsed->submission), id, std::move(parsed->warnings), std::move(key->idempotency));
  key->in_flight.reset();
  if (!outcome) co_return submit_refused(call, std::move(outcome).error());
  auto headers = tell_how(call, *outcome);
  if (!headers) co_return std::move(headers).error();

  auto& job = outcome->job;
  ServerResponse answer;
  if (decision.mode == SubmitMode::sync) {
    call.mode = "sync";
    answer = co_await hold(call, kind, std::move(job), decision);
  } else {
    answer = accepted_answer(call);
  }
  std::ranges::move(*headers, std::back_inserter(answer.headers));
  tell_mode(decision, call, answer);
  co_return answer;
}

// Until the job ends, or as long as the caller wants to be held; the job goes on whatever becomes
// of the caller.
Task<ServerResponse> Handlers::hold(Call& call, Kind kind, JobInfo job, SubmitDecision decision) {
  const auto location = "/jobs/" + call.job;
  std::optional<SteadyTime> until;
  if (decision.longest_hold) until = runtime_.steady_now() + *decision.longest_hold;
  while (!has_ended(job.status)) {
    // As it stands now: it may have gone on since it was stored, or since the last change.
    auto found = co_await service_.get_job_status(job.job_id);
    if (!found) co_return failed("submit_failed", process_failed(kind), call, found.error());
    if (!*found) {
      co_return problem_answer(ProblemCode::job_failed,
                               fmt::format("{}: its job was deleted", process_failed(kind)));
    }
    job = **std::move(found);
    if (has_ended(job.status)) break;
    const auto woken = co_await service_.wait_for_change(job.job_id, call.request.gone, until);
    if (state == State::draining) {
      auto answer = problem_answer(
          ProblemCode::draining,
          fmt::format("{}: the server is stopping; the job goes on at its next start",
                      process_failed(kind)));
      answer.headers.emplace_back("Location", location);
      answer.headers.emplace_back("Retry-After", "5");
      co_return answer;
    }
    if (woken == Woken::stopped || woken == Woken::timed_out) {
      // Who waited long enough is answered async after all, as was preferred; who has gone was
      // sync.
      if (woken == Woken::timed_out) call.mode = "async";
      co_return accepted_answer(call);
    }
  }
  auto answer =
      job.error_message
          ? problem_answer(ProblemCode::job_failed,
                           fmt::format("{}: {}", process_failed(kind), *job.error_message))
          : json_answer(202, wire::success_json(job.job_id));
  answer.headers.emplace_back("Location", location);
  co_return answer;
}

ServerResponse Handlers::dry_run_answer(const Submission& submission, const engine::DryRun& run) {
  return json_answer(200, wire::dry_run_json(wire::to_json(submission), view_of(run)));
}

Task<ServerResponse> Handlers::dry_run(Call& call, Submission submission) {
  auto run = co_await service_.dry_run(submission);
  if (!run) co_return submit_refused(call, std::move(run).error());
  co_return dry_run_answer(submission, *run);
}

}  // namespace betedge::server
