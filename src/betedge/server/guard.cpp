#include "betedge/server/guard.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstring>

#include <fmt/format.h>

#include "betedge/server/answers.hpp"
#include "betedge/wire/python_json.hpp"

namespace betedge::server {
namespace {

using net::equal_ignoring_case;
using net::ServerRequest;
using net::ServerResponse;
using wire::ProblemCode;

constexpr std::string_view kCookie = "betedge_session";
constexpr std::size_t kLongestClientId = 64;

constexpr std::string_view kStyle =
    "body{font:16px/1.5 system-ui,sans-serif;margin:15vh auto;max-width:24rem;padding:0 1rem;"
    "color-scheme:light dark}input,button{font:inherit;width:100%;box-sizing:border-box;"
    "padding:.5rem;margin:.25rem 0}";

bool changes_something(std::string_view method) {
  return method != "GET" && method != "HEAD" && method != "OPTIONS";
}

// A Host without its port and brackets; nullopt when it is none.
std::optional<std::string_view> name_of(std::string_view host) {
  std::string_view name;
  std::string_view port;
  if (host.starts_with('[')) {
    const auto end = host.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    name = host.substr(1, end - 1);
    port = host.substr(end + 1);
  } else {
    const auto colon = std::min(host.find(':'), host.size());
    name = host.substr(0, colon);
    port = host.substr(colon);
  }
  if (!port.empty() && port.front() != ':') return std::nullopt;
  if (port.find_first_not_of("0123456789", 1) != std::string_view::npos) return std::nullopt;
  if (name.ends_with('.')) name.remove_suffix(1);  // the same name, fully qualified
  if (name.empty()) return std::nullopt;
  return name;
}

// Both families as 16 bytes, so that two spellings of an address are equal.
std::optional<std::array<unsigned char, 16>> parse_ip(std::string_view text) {
  const std::string copy(text);
  std::array<unsigned char, 16> bytes{};
  if (inet_pton(AF_INET6, copy.c_str(), bytes.data()) == 1) return bytes;
  bytes = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (inet_pton(AF_INET, copy.c_str(), bytes.data() + 12) == 1) return bytes;
  return std::nullopt;
}

bool is_loopback(const std::array<unsigned char, 16>& ip) {
  constexpr std::array<unsigned char, 12> kFour{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  constexpr std::array<unsigned char, 16> kSix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  return ip == kSix || (std::ranges::equal(std::span(ip).first(12), kFour) && ip[12] == 127);
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t";
  const auto first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

// The token of "Authorization: Bearer …"; nullopt for another scheme or none.
std::optional<std::string_view> bearer_of(const ServerRequest& request) {
  const auto header = request.header("Authorization");
  if (!header) return std::nullopt;
  const auto space = std::min(header->find(' '), header->size());
  if (!equal_ignoring_case(header->substr(0, space), "Bearer")) return std::nullopt;
  return trim(header->substr(space));
}

// Every session that the request's cookies name; another site of the same host may have set one.
std::vector<std::string_view> sessions_of(const ServerRequest& request) {
  std::vector<std::string_view> found;
  for (const auto& [name, value] : request.headers) {
    if (!equal_ignoring_case(name, "Cookie")) continue;
    for (std::string_view rest = value; !rest.empty();) {
      const auto end = std::min(rest.find(';'), rest.size());
      const auto pair = trim(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
      const auto equals = pair.find('=');
      if (equals != std::string_view::npos && pair.substr(0, equals) == kCookie)
        found.push_back(pair.substr(equals + 1));
    }
  }
  return found;
}

bool is_client_id(std::string_view text) {
  return !text.empty() && text.size() <= kLongestClientId &&
         std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

bool has_type(const ServerRequest& request, std::string_view type) {
  const auto header = request.header("Content-Type").value_or("");
  return equal_ignoring_case(trim(header.substr(0, header.find(';'))), type);
}

bool is_form(const ServerRequest& request) {
  return has_type(request, "application/x-www-form-urlencoded");
}

std::optional<std::string> token_of_form(std::string_view body) {
  while (!body.empty()) {
    const auto end = std::min(body.find('&'), body.size());
    const auto field = body.substr(0, end);
    body.remove_prefix(std::min(end + 1, body.size()));
    if (field.starts_with("token="))
      return net::percent_decode(field.substr(6), net::Plus::is_space);
  }
  return std::nullopt;
}

std::optional<std::string> token_of_json(std::string_view body) {
  const auto json = wire::parse_python_json(body);
  if (!json) return std::nullopt;
  const auto* token = json->find("token");
  if (token == nullptr || token->type != wire::PythonValue::Type::text) return std::nullopt;
  return token->text;
}

ServerResponse unauthorized(std::string_view detail, bool has_bad_token) {
  auto answer = problem_answer(ProblemCode::unauthorized, detail);
  answer.headers.emplace_back("WWW-Authenticate",
                              has_bad_token ? R"(Bearer error="invalid_token")" : "Bearer");
  return answer;
}

ServerResponse see_other(std::string_view where) {
  ServerResponse answer;
  answer.status = 303;
  answer.headers.emplace_back("Location", where);
  answer.headers.emplace_back("Cache-Control", "no-store");
  return answer;
}

ServerResponse form_page(int status, std::string_view sentence) {
  const auto page = fmt::format(
      R"(<!doctype html><html lang="en"><head><meta charset="utf-8"><title>betedge: log in</title>)"
      R"(<meta name="viewport" content="width=device-width"><style>{}</style></head><body>)"
      R"(<h1>betedge</h1><form method="post" action="/login"><label for="token">Token</label>)"
      R"(<input id="token" name="token" type="password" autocomplete="current-password" required )"
      R"(autofocus><button>Log in</button></form><p role="status">{}</p></body></html>)",
      kStyle, sentence);
  return html_answer(status, page, fmt::format("'sha256-{}'", to_base64(sha256(kStyle))));
}

}  // namespace

std::string_view address_of_peer(std::string_view peer) {
  auto address = peer.substr(0, peer.rfind(':'));
  if (address.starts_with('[') && address.ends_with(']'))
    address = address.substr(1, address.size() - 2);
  return address;
}

Guard::Guard(Runtime& runtime, Log& log, Metrics& metrics, Options options, GuardRules rules)
    : runtime_(runtime),
      log_(log),
      failed_logins_(metrics.counter(Metric::failed_logins)),
      options_(std::move(options)),
      rules_(std::move(rules)) {}

void Guard::set_rules(GuardRules rules) {
  rules_ = std::move(rules);
  last_known_host_.clear();
  if (rules_.tokens) {
    sessions_.keep_only(*rules_.tokens);
  } else {
    sessions_.clear();
  }
}

bool Guard::is_known_host(std::string_view host) const {
  const auto name = name_of(host);
  if (!name) return false;
  if (const auto ip = parse_ip(*name)) {
    if (is_loopback(*ip)) return true;
    // No name is looked up for an address, so that none can be made to point here.
    if (options_.listen_address == "0.0.0.0" || options_.listen_address == "::") return true;
    if (ip == parse_ip(options_.listen_address)) return true;
  }
  if (equal_ignoring_case(*name, "localhost")) return true;
  return std::ranges::any_of(rules_.allowed_hosts, [&name](const auto& allowed) {
    return equal_ignoring_case(allowed, *name);
  });
}

bool Guard::is_known_host_again(std::string_view host) {
  if (!host.empty() && host == last_known_host_) return true;
  if (!is_known_host(host)) return false;
  last_known_host_ = host;
  return true;
}

bool Guard::is_own_origin(std::string_view origin, std::string_view host) const {
  for (const std::string_view scheme : {"https://", "http://"}) {
    // Without TLS of our own, https is a proxy's in front of us. With it, http is somebody else.
    if (scheme == "http://" && options_.is_tls) continue;
    if (origin.starts_with(scheme) && origin.substr(scheme.size()) == host) return true;
  }
  return false;
}

std::optional<ServerResponse> Guard::refuse_foreign(const ServerRequest& request) const {
  if (!changes_something(request.method)) return std::nullopt;
  const auto origin = request.header("Origin");
  const auto site = request.header("Sec-Fetch-Site");
  const bool is_ours = origin && is_own_origin(*origin, request.header("Host").value_or(""));
  if ((origin && !is_ours) || (site && *site != "same-origin" && *site != "none")) {
    return problem_answer(
        ProblemCode::foreign_origin,
        "a page of another origin may not do this; ask from this server's own pages");
  }
  const bool by_cookie = !bearer_of(request) && !sessions_of(request).empty();
  if (by_cookie && !is_ours && site != "same-origin") {
    return problem_answer(ProblemCode::foreign_origin,
                          "with a cookie this needs Origin or Sec-Fetch-Site, which show where it "
                          "comes from; a program sends Authorization: Bearer instead");
  }
  return std::nullopt;
}

std::expected<Caller, ServerResponse> Guard::admit(const ServerRequest& request, Access needed) {
  if (const auto host = request.header("Host"); host && !is_known_host_again(*host)) {
    return std::unexpected(problem_answer(
        ProblemCode::misdirected,
        fmt::format("this server is not called '{}'; if it is, add that name, without a port, "
                    "to server.allowed_hosts",
                    *host)));
  }
  if (auto refused = refuse_foreign(request)) return std::unexpected(*std::move(refused));

  Caller caller{.client = {}, .address = std::string(address_of_peer(request.peer))};
  if (!rules_.tokens) {
    caller.access = Access::admin;
  } else {
    const auto bearer = bearer_of(request);
    const TokenTable::Entry* entry = nullptr;
    if (bearer) {
      entry = rules_.tokens->find(*bearer);
    } else {
      const auto now = runtime_.steady_now();
      for (const auto secret : sessions_of(request)) {
        const auto token = sessions_.find(secret, now);
        if (token && entry == nullptr) entry = rules_.tokens->find(*token);
      }
    }
    if (entry != nullptr) {
      caller.client = entry->name;
      caller.access = entry->access;
    }
    if (needed > Access::open && entry == nullptr) {
      return std::unexpected(unauthorized(
          bearer ? "this token is not known here; it may have been replaced"
                 : "a token is needed: send it as Authorization: Bearer, or log in at /login",
          bearer.has_value()));
    }
    if (needed > caller.access) {
      return std::unexpected(
          problem_answer(ProblemCode::forbidden,
                         fmt::format("this needs a token with the scope {}; {}'s has {}",
                                     to_text(needed), caller.client, to_text(caller.access))));
    }
  }
  if (caller.client.empty()) {
    if (const auto id = request.header("X-Client-Id")) {
      if (!is_client_id(*id)) {
        return std::unexpected(
            problem_answer(ProblemCode::invalid_client_id,
                           fmt::format("X-Client-Id must be 1 to {} printable ASCII characters",
                                       kLongestClientId)));
      }
      caller.client = *id;
    }
  }
  return caller;
}

ServerResponse Guard::login_page() const {
  return form_page(200, rules_.tokens ? "" : "This server asks for no token.");
}

ServerResponse Guard::login_refused(bool as_page, ProblemCode code,
                                    std::string_view sentence) const {
  if (as_page) {
    const auto& problem = wire::problem_of(code);
    auto page = form_page(problem.status, sentence);
    page.headers.emplace_back(kErrorHeader, problem.name);
    return page;
  }
  return code == ProblemCode::unauthorized ? unauthorized(sentence, true)
                                           : problem_answer(code, sentence);
}

ServerResponse Guard::log_in(const ServerRequest& request) {
  const bool as_page = is_form(request);
  if (!as_page && !has_type(request, "application/json")) {
    return problem_answer(
        ProblemCode::unsupported_media_type,
        R"(the token must come as a form's field "token" or as JSON {"token":"..."})");
  }
  if (!rules_.tokens)
    return login_refused(as_page, ProblemCode::login_not_needed, "this server asks for no token");

  const auto address = address_of_peer(request.peer);
  const auto now = runtime_.steady_now();
  if (const auto wait = backoff_.wait(address, now); wait.count() > 0) {
    const auto delay = std::chrono::ceil<std::chrono::milliseconds>(wait);
    const auto seconds = retry_after_text(delay);
    auto answer = login_refused(
        as_page, ProblemCode::too_many_logins,
        fmt::format("too many failed logins from this address; try again in {} s", seconds));
    answer.headers.emplace_back("Retry-After", seconds);
    return answer;
  }

  const auto token = as_page ? token_of_form(request.body) : token_of_json(request.body);
  const auto* entry = token ? rules_.tokens->find(trim(*token)) : nullptr;
  if (entry == nullptr) {
    backoff_.failed(address, now);
    failed_logins_.add();
    log_.event(Level::warning, "login_failed", {{"peer", request.peer}});
    return login_refused(as_page, ProblemCode::unauthorized, "this token is not known here");
  }
  backoff_.succeeded(address);
  log_.event(Level::info, "login", {{"client", entry->name}, {"peer", request.peer}});
  auto answer = as_page ? see_other("/ui")
                        : json_answer(200, fmt::format(R"({{"client":{},"access":{}}})",
                                                       wire::quoted(entry->name),
                                                       wire::quoted(to_text(entry->access))));
  answer.headers.emplace_back("Set-Cookie",
                              cookie(sessions_.open(entry->digest, now), Sessions::kLifetime));
  return answer;
}

ServerResponse Guard::log_out(const ServerRequest& request) {
  for (const auto secret : sessions_of(request)) sessions_.close(secret);
  ServerResponse answer;
  if (is_form(request)) {
    answer = see_other("/login");
  } else {
    answer.status = 204;
  }
  answer.headers.emplace_back("Set-Cookie", cookie("", std::chrono::seconds{0}));
  return answer;
}

std::string Guard::cookie(std::string_view secret, std::chrono::seconds lifetime) const {
  return fmt::format("{}={}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict{}", kCookie, secret,
                     lifetime.count(), options_.is_tls ? "; Secure" : "");
}

}  // namespace betedge::server
