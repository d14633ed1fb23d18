#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

// The names of core and ports are the words every module speaks; they are seen unqualified
// everywhere inside betedge.
namespace betedge {
namespace core {}
namespace ports {}
using namespace core;   // NOLINT(google-build-using-namespace)
using namespace ports;  // NOLINT(google-build-using-namespace)
}  // namespace betedge

namespace betedge::core {

// What went wrong, for programs. Switches over it have no `default`, so that a new code makes the
// compiler list every decision that is still to be taken.
enum class ErrorCode : std::uint8_t {
  invalid_request,       // the caller's fault; the same request will fail again
  not_found,             // no such job, object or page
  conflict,              // refused by the job state machine, or exists already
  fenced,                // the claim's fence is old: somebody else has the fetch now
  cancelled,             // asked to stop
  timeout,               // the deadline passed, or the other side was silent for too long
  upstream_unavailable,  // terminal gone, starting (571) or disconnected (474): wait, burn no
                         // attempt
  upstream_throttled,    // 429, or it drops connections though it is there: back off; retry_after
                         // is honoured
  upstream_failed,       // a passing fault: reset, 470, 477, 500, 572
  upstream_refused,      // permanent for this call: 400, 404, 410, 473, 475
  upstream_too_large,    // 570: the same rows may come by several smaller calls
  upstream_denied,       // permanent for this account: 403, 471
  upstream_garbled,   // answered 200 with what is not the data asked for: short, HTML, wrong header
  storage_failed,     // a write or read of the lake failed and may succeed later
  storage_full,       // no space: the job as a whole cannot go on
  storage_denied,     // the lake refuses us: the job as a whole cannot go on
  store_unavailable,  // the job store cannot be written or read
  internal,           // an invariant of ours is broken
};

// The code as text, as logs and machine-readable errors print it: "upstream_throttled".
std::string_view to_text(ErrorCode code);

// A failure somebody has to handle. `message` is for the person on call; each layer adds what it
// was doing. Never holds a secret.
struct Error {
  ErrorCode code = ErrorCode::internal;
  std::string message;
  // How long the other side asked us to wait (Retry-After); zero when it said nothing.
  std::chrono::milliseconds retry_after{0};

  friend bool operator==(const Error&, const Error&) = default;
};

template <class T>
using Result = std::expected<T, Error>;

[[nodiscard]] inline std::unexpected<Error> fail(ErrorCode code, std::string message,
                                                 std::chrono::milliseconds retry_after = {}) {
  return std::unexpected<Error>(Error{code, std::move(message), retry_after});
}

// The same error, with what we were doing put before its message.
[[nodiscard]] inline std::unexpected<Error> fail_while(std::string_view doing, Error error) {
  error.message = std::string(doing) + ": " + error.message;
  return std::unexpected<Error>(std::move(error));
}

}  // namespace betedge::core

// BETEDGE_TRY(const auto x, expression): x is the value of a Result, or the function returns its
// error. The CO_ forms are for coroutines. The _VOID forms take a Result<void>.
#define BETEDGE_CONCAT_(a, b) a##b
#define BETEDGE_CONCAT(a, b) BETEDGE_CONCAT_(a, b)
#define BETEDGE_TRY_(result, declaration, returning, ...)                        \
  auto result = (__VA_ARGS__);                                                   \
  if (!result.has_value()) returning std::unexpected(std::move(result).error()); \
  declaration = *std::move(result)
#define BETEDGE_TRY(declaration, ...) \
  BETEDGE_TRY_(BETEDGE_CONCAT(betedge_try_, __COUNTER__), declaration, return, __VA_ARGS__)
#define BETEDGE_CO_TRY(declaration, ...) \
  BETEDGE_TRY_(BETEDGE_CONCAT(betedge_try_, __COUNTER__), declaration, co_return, __VA_ARGS__)
#define BETEDGE_TRY_VOID_(result, returning, ...)       \
  if (auto result = (__VA_ARGS__); !result.has_value()) \
  returning std::unexpected(std::move(result).error())
#define BETEDGE_TRY_VOID(...) \
  BETEDGE_TRY_VOID_(BETEDGE_CONCAT(betedge_try_, __COUNTER__), return, __VA_ARGS__)
#define BETEDGE_CO_TRY_VOID(...) \
  BETEDGE_TRY_VOID_(BETEDGE_CONCAT(betedge_try_, __COUNTER__), co_return, __VA_ARGS__)
