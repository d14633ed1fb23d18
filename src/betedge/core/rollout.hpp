#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace betedge::core {

// Who is answered at once with a job (async), and who is held until the job ends (sync), while
// clients move from one to the other (API.md, Rollout). What is not set does not count.
struct RolloutSettings {
  std::map<std::string, bool, std::less<>> clients{};    // by name; true: async
  std::optional<int> percentage{};                       // of the clients without a rule, 0 to 100
  std::map<std::string, bool, std::less<>> endpoints{};  // "option", "stock", "earnings"
  bool is_async_by_default = true;
  bool is_sync_enabled = true;  // false: the last step, nobody is held any more
  friend bool operator==(const RolloutSettings&, const RolloutSettings&) = default;
};

// What a request's Prefer headers ask for (RFC 7240), as far as it is known here.
struct Preferences {
  bool respond_async = false;
  std::optional<std::chrono::seconds> wait;  // 0 to kLongestWait
  friend bool operator==(const Preferences&, const Preferences&) = default;
};

// The longest that `Prefer: wait=N` may ask for; a longer wait is cut to it, and the answer's
// Preference-Applied says so.
inline constexpr std::chrono::seconds kLongestWait{30};

// The values of a request's Prefer headers, in their order. Of a preference that is given twice the
// first counts; what is unknown or malformed is ignored (RFC 7240, section 2).
Preferences parse_prefer(std::span<const std::string_view> headers);

enum class SubmitMode : std::uint8_t {
  async,  // answered at once
  sync,   // held until the job ends
};

struct SubmitDecision {
  SubmitMode mode = SubmitMode::async;
  // Of `sync` only: after so long without an end the answer is the async one. nullopt: held as long
  // as it takes.
  std::optional<std::chrono::seconds> longest_hold;
  std::string preference_applied;  // the header's value; empty: no such header
  // Sync was asked for, by settings or by the request, and is switched off: the answer is async and
  // says Deprecation.
  bool is_sync_refused = false;
  friend bool operator==(const SubmitDecision&, const SubmitDecision&) = default;
};

struct SubmitQuestion {
  std::string_view endpoint;  // "option", "stock", "earnings"
  std::string_view client;    // its token's name, else X-Client-Id; empty: it has none
  std::string_view address;   // the client's, without port: its name for the percentage
  Preferences preferences;
};

// The whole precedence, strongest first: the request's preferences, the client's rule, the
// percentage, the endpoint's rule, the default. `respond-async` and `wait=N` together are: hold for
// N seconds, then go async. `wait=N` alone asks for sync, but no longer than that.
SubmitDecision decide(const RolloutSettings& settings, const SubmitQuestion& question);

// Whether the percentage takes this client in. Stable: it depends on the name alone, and who is in
// at one percentage is in at every larger one.
bool is_in_share(int percentage, std::string_view client, std::string_view address);

}  // namespace betedge::core
