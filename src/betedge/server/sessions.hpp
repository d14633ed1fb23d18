#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "betedge/ports/runtime.hpp"
#include "betedge/server/tokens.hpp"

namespace betedge::server {

// Browsers that have logged in. A session remembers whose token opened it, not what it may: a token
// that is taken away takes its sessions with it. In memory only; a restart logs everybody out.
class Sessions {
 public:
  static constexpr std::chrono::hours kLifetime{12};
  static constexpr std::size_t kMost = 1'000;  // the one that ends first gives way

  // Opens one and returns its secret, for the cookie.
  std::string open(const Digest& token, SteadyTime now);
  // The token behind a session; nullopt for one that is unknown or has ended.
  std::optional<Digest> find(std::string_view secret, SteadyTime now) const;
  void close(std::string_view secret);
  // Ends the sessions of tokens that the table does not have.
  void keep_only(const TokenTable& tokens);
  void clear() { sessions_.clear(); }
  std::size_t size() const { return sessions_.size(); }

 private:
  struct Session {
    Digest token{};
    SteadyTime ends;
  };
  // By the digest of the secret: how long a look-up takes then tells nothing about secrets.
  std::map<Digest, Session> sessions_;
};

// How long an address must wait after failed logins: nothing after the first two, then a second,
// twice as long each time, at most a minute. Forgotten after ten minutes without a failure.
class LoginBackoff {
 public:
  static constexpr std::size_t kMost = 1'000;  // addresses; the one that failed longest ago goes

  // Zero when it may try now.
  std::chrono::nanoseconds wait(std::string_view address, SteadyTime now) const;
  void failed(std::string_view address, SteadyTime now);
  void succeeded(std::string_view address);
  std::size_t size() const { return failures_.size(); }

 private:
  struct Failures {
    int count = 0;
    SteadyTime last;
  };
  std::map<std::string, Failures, std::less<>> failures_;
};

}  // namespace betedge::server
