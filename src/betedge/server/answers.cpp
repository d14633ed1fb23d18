#include "betedge/server/answers.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "betedge/net/http_message.hpp"
#include "betedge/wire/refusal.hpp"

namespace betedge::server {
namespace {

// How soon to ask again when nobody said: an outage of ours passes in seconds or needs a person.
constexpr std::chrono::seconds kRetryAfter{5};

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t";
  const auto first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

// Takes what stands before the next `end` that is in no quoted string off the text.
std::string_view take_until(std::string_view& text, char end) {
  bool is_quoted = false;
  std::size_t i = 0;
  for (; i < text.size() && (is_quoted || text[i] != end); ++i) {
    if (text[i] == '"') is_quoted = !is_quoted;
    if (is_quoted && text[i] == '\\') ++i;
  }
  const auto taken = text.substr(0, i);
  text.remove_prefix(std::min(i + 1, text.size()));
  return taken;
}

// A weight of RFC 9110, 12.4.2: "1", "0.25"; what is none counts as 1.
double weight_of(std::string_view text) {
  double weight = 1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), weight);
  const bool is_weight =
      error == std::errc{} && end == text.data() + text.size() && weight >= 0 && weight <= 1;
  return is_weight ? weight : 1;
}

struct Quality {
  double value = 0;
  bool is_named = false;  // by the whole type, and not by a wildcard
};

// What `accept` gives to application/<subtype>; 0 when no range fits it.
Quality quality_of(std::string_view accept, std::string_view subtype) {
  Quality best;
  int best_specificity = -1;
  while (!accept.empty()) {
    auto range = take_until(accept, ',');
    const auto type = trimmed(take_until(range, ';'));
    int specificity = -1;
    if (net::equal_ignoring_case(type, fmt::format("application/{}", subtype))) specificity = 2;
    if (net::equal_ignoring_case(type, "application/*")) specificity = 1;
    if (type == "*/*") specificity = 0;
    double weight = 1;
    bool has_parameter = false;  // such a range is for another type than ours, which has none
    while (!range.empty()) {
      const auto parameter = trimmed(take_until(range, ';'));
      if (parameter.size() >= 2 && net::equal_ignoring_case(parameter.substr(0, 2), "q="))
        weight = weight_of(parameter.substr(2));
      else if (!parameter.empty() && !net::equal_ignoring_case(parameter, "charset=utf-8"))
        has_parameter = true;
    }
    if (has_parameter || specificity <= best_specificity) continue;
    best_specificity = specificity;
    best = {weight, specificity == 2};
  }
  return best;
}

}  // namespace

net::ServerResponse json_answer(int status, std::string body) {
  net::ServerResponse answer;
  answer.status = status;
  answer.headers.emplace_back("Content-Type", "application/json");
  answer.body = net::SharedBytes::of(std::move(body));
  return answer;
}

net::ServerResponse html_answer(int status, std::string page, std::string_view style_source) {
  net::ServerResponse answer;
  answer.status = status;
  answer.headers = {
      {"Content-Type", "text/html; charset=utf-8"},
      {"Content-Security-Policy",
       fmt::format("default-src 'none'; style-src {}; form-action 'self'; base-uri 'none'; "
                   "frame-ancestors 'none'",
                   style_source)},
      {"X-Content-Type-Options", "nosniff"},
      {"X-Frame-Options", "DENY"},
      {"Referrer-Policy", "no-referrer"},
      {"Cross-Origin-Opener-Policy", "same-origin"},
      {"Cache-Control", "no-store"},
  };
  answer.body = net::SharedBytes::of(std::move(page));
  return answer;
}

bool matches(std::string_view if_none_match, std::string_view etag) {
  while (!if_none_match.empty()) {
    auto tag = if_none_match.substr(0, if_none_match.find(','));
    if_none_match.remove_prefix(std::min(tag.size() + 1, if_none_match.size()));
    while (tag.starts_with(' ') || tag.starts_with('\t')) tag.remove_prefix(1);
    while (tag.ends_with(' ') || tag.ends_with('\t')) tag.remove_suffix(1);
    if (tag.starts_with("W/")) tag.remove_prefix(2);
    if (tag == "*" || tag == etag) return true;
  }
  return false;
}

bool takes_gzip(std::string_view accept_encoding) {
  double named = -1;
  double any = -1;
  while (!accept_encoding.empty()) {
    auto coding = take_until(accept_encoding, ',');
    const auto name = trimmed(take_until(coding, ';'));
    double weight = 1;
    while (!coding.empty()) {
      const auto parameter = trimmed(take_until(coding, ';'));
      if (parameter.size() >= 2 && net::equal_ignoring_case(parameter.substr(0, 2), "q="))
        weight = weight_of(parameter.substr(2));
    }
    if (net::equal_ignoring_case(name, "gzip") || net::equal_ignoring_case(name, "x-gzip"))
      named = weight;
    if (name == "*") any = weight;
  }
  return (named >= 0 ? named : any) > 0;
}

net::ServerResponse problem_answer(wire::ProblemCode code, std::string_view detail) {
  const auto& problem = wire::problem_of(code);
  return problem_answer({problem.status, wire::detail_json(detail), code});
}

net::ServerResponse problem_answer(wire::Refusal refusal) {
  auto answer = json_answer(refusal.status, std::move(refusal.body));
  answer.headers.emplace_back(kErrorHeader, wire::problem_of(refusal.code).name);
  return answer;
}

bool prefers_problem_json(std::string_view accept) {
  const Quality problem = quality_of(accept, "problem+json");
  const Quality plain = quality_of(accept, "json");
  if (problem.value != plain.value) return problem.value > plain.value;
  // Both named alike: the new one. Both by the same wildcard: what clients have always got.
  return problem.value > 0 && problem.is_named;
}

void finish_problem(net::ServerResponse& answer, std::string_view path, std::string_view accept) {
  const auto header = std::ranges::find(answer.headers, kErrorHeader, [](const auto& named) {
    return std::string_view(named.first);
  });
  if (header == answer.headers.end()) return;
  const auto problem = std::ranges::find(wire::problems(), header->second, &wire::Problem::name);
  const auto type = std::ranges::find(answer.headers, "Content-Type", [](const auto& named) {
    return std::string_view(named.first);
  });
  // The login page says it in words.
  if (type == answer.headers.end() || type->second != "application/json") return;
  const auto body = as_text(answer.body.bytes);
  const bool is_asked = prefers_problem_json(accept);
  auto finished = is_asked ? wire::rfc9457_json(body, *problem, path)
                           : wire::problem_json(body, *problem, path);
  answer.body = net::SharedBytes::of(std::move(finished));
  if (is_asked) type->second = "application/problem+json";
  answer.headers.emplace_back("Vary", "Accept");
}

net::ServerResponse failure_answer(std::string_view sentence, const Error& error) {
  auto answer = problem_answer(problem_code(error.code),
                               fmt::format("{}: {}", sentence, public_reason(error.code)));
  if (answer.status == 503) {
    const auto delay = error.retry_after.count() > 0 ? error.retry_after : kRetryAfter;
    answer.headers.emplace_back("Retry-After", retry_after_text(delay));
  }
  return answer;
}

wire::ProblemCode problem_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::store_unavailable: return wire::ProblemCode::store_unavailable;
    case ErrorCode::cancelled: return wire::ProblemCode::draining;
    case ErrorCode::timeout:
    case ErrorCode::upstream_unavailable:
    case ErrorCode::upstream_throttled: return wire::ProblemCode::unavailable;
    case ErrorCode::invalid_request:
    case ErrorCode::not_found:
    case ErrorCode::conflict:
    case ErrorCode::fenced:
    case ErrorCode::upstream_failed:
    case ErrorCode::upstream_refused:
    case ErrorCode::upstream_too_large:
    case ErrorCode::upstream_denied:
    case ErrorCode::upstream_garbled:
    case ErrorCode::storage_failed:
    case ErrorCode::storage_full:
    case ErrorCode::storage_denied:
    case ErrorCode::internal: return wire::ProblemCode::internal_error;
  }
  return wire::ProblemCode::internal_error;
}

std::string_view public_reason(ErrorCode code) {
  switch (code) {
    case ErrorCode::store_unavailable: return "the job store is not available";
    case ErrorCode::cancelled: return "the server is stopping";
    case ErrorCode::timeout: return "it took too long";
    case ErrorCode::upstream_unavailable: return "the upstream is not available";
    case ErrorCode::upstream_throttled: return "the upstream asks us to wait";
    case ErrorCode::upstream_failed:
    case ErrorCode::upstream_refused:
    case ErrorCode::upstream_too_large:
    case ErrorCode::upstream_denied:
    case ErrorCode::upstream_garbled: return "the upstream failed";
    case ErrorCode::storage_failed:
    case ErrorCode::storage_full:
    case ErrorCode::storage_denied: return "the lake failed";
    case ErrorCode::conflict: return "the job exists already";
    case ErrorCode::not_found: return "there is no such thing";
    case ErrorCode::fenced:
    case ErrorCode::invalid_request:
    case ErrorCode::internal: return "an internal error";
  }
  return "an internal error";
}

std::string retry_after_text(std::chrono::milliseconds delay) {
  return fmt::format(
      "{}", std::max<std::int64_t>(1, std::chrono::ceil<std::chrono::seconds>(delay).count()));
}

}  // namespace betedge::server
