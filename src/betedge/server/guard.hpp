#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "betedge/net/http_server.hpp"
#include "betedge/ports/log.hpp"
#include "betedge/ports/metrics.hpp"
#include "betedge/ports/runtime.hpp"
#include "betedge/server/sessions.hpp"
#include "betedge/server/tokens.hpp"
#include "betedge/wire/problem.hpp"

namespace betedge::server {

// Who asks, once that is known.
struct Caller {
  std::string client;   // the token's name, else X-Client-Id; empty: it has none
  std::string address;  // the peer's, without its port
  Access access = Access::open;
};

// What decides who may ask, and can change while the server runs.
struct GuardRules {
  // Names that requests may call this server by, beside those that it has by itself.
  std::vector<std::string> allowed_hosts;
  // nullopt: everything is open.
  std::optional<TokenTable> tokens;
};

// The one place through which every request goes before a handler sees it. On the loop's thread;
// runtime, log and metrics outlive it.
//
// - Host must be a name of this server: localhost, a loopback address, the address it listens on
//   (any IP address when it listens on all of them), or one that is allowed by name. Otherwise a
//   page whose name was made to point here (DNS rebinding) could use a browser to ask. 421.
// - What changes something is refused when a page of another origin asks for it (Origin,
//   Sec-Fetch-Site), with and without tokens: a page must not drive a server on its reader's
//   machine. With a cookie the same origin must be shown. 403.
// - With tokens, what is not open needs one, as Bearer or by a session's cookie (401), of enough
//   scope (403).
// - Where no token names the client, X-Client-Id does. 400 when it is no name.
class Guard {
 public:
  struct Options {
    std::string listen_address = "127.0.0.1";  // an IP address, without brackets
    bool is_tls = false;                       // requests come over TLS
  };
  Guard(Runtime& runtime, Log& log, Metrics& metrics, Options options, GuardRules rules);

  // From now on; ends the sessions of tokens that are gone.
  void set_rules(GuardRules rules);

  // Lets the request through to what needs `needed`, or says how it is refused.
  std::expected<Caller, net::ServerResponse> admit(const net::ServerRequest& request,
                                                   Access needed);

  // GET /login: a page with a form for the token.
  net::ServerResponse login_page() const;
  // POST /login: the token, as a form's `token` (answered 303 to "/ui") or as JSON {"token":"…"}
  // (200 {"client","access"}), for the cookie `betedge_session`. 401 for a token that is nobody's,
  // 429 with Retry-After when the address has failed often, 415 for any other body, 409 when this
  // server knows no tokens.
  net::ServerResponse log_in(const net::ServerRequest& request);
  // POST /logout: ends the session. 303 to /login for a browser's form, else 204.
  net::ServerResponse log_out(const net::ServerRequest& request);

  std::size_t open_sessions() const { return sessions_.size(); }

 private:
  bool is_known_host(std::string_view host) const;
  bool is_known_host_again(std::string_view host);
  bool is_own_origin(std::string_view origin, std::string_view host) const;
  std::optional<net::ServerResponse> refuse_foreign(const net::ServerRequest& request) const;
  net::ServerResponse login_refused(bool as_page, wire::ProblemCode code,
                                    std::string_view sentence) const;
  std::string cookie(std::string_view secret, std::chrono::seconds lifetime) const;

  Runtime& runtime_;
  Log& log_;
  Counter& failed_logins_;
  Options options_;
  GuardRules rules_;
  std::string last_known_host_;  // nearly every request names the same
  Sessions sessions_;
  LoginBackoff backoff_;
};

// "127.0.0.1:51234" -> "127.0.0.1", "[::1]:51234" -> "::1"
std::string_view address_of_peer(std::string_view peer);

}  // namespace betedge::server
