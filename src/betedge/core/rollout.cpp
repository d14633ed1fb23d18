#include "betedge/core/rollout.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace betedge::core {
namespace {

bool is_space(char c) {
  return c == ' ' || c == '\t';
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return result;
}

// Takes what stands before the next `separator` that is not inside quotes.
std::string_view take_until(std::string_view& text, char separator) {
  bool quoted = false;
  std::size_t at = 0;
  for (; at < text.size(); ++at) {
    if (quoted && text[at] == '\\') {
      ++at;
    } else if (text[at] == '"') {
      quoted = !quoted;
    } else if (text[at] == separator && !quoted) {
      break;
    }
  }
  at = std::min(at, text.size());
  const auto taken = text.substr(0, at);
  text.remove_prefix(std::min(at + 1, text.size()));
  return taken;
}

// A word is a token or a quoted string; neither of the values known here needs an escape.
std::string_view unquoted(std::string_view text) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"')
    return text.substr(1, text.size() - 2);
  return text;
}

// delta-seconds: digits, however many.
std::optional<std::chrono::seconds> parse_wait(std::string_view text) {
  if (text.empty()) return std::nullopt;
  std::chrono::seconds wait{0};
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    wait = std::min(wait * 10 + std::chrono::seconds{c - '0'}, kLongestWait);
  }
  return wait;
}

// FNV-1a, and a finisher without which names that differ only at their end would lie together.
std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3;
  }
  hash ^= hash >> 33;
  hash *= 0xff51afd7ed558ccd;
  hash ^= hash >> 33;
  return hash;
}

bool is_async_by_settings(const RolloutSettings& settings, const SubmitQuestion& question) {
  if (!question.client.empty()) {
    const auto rule = settings.clients.find(question.client);
    if (rule != settings.clients.end()) return rule->second;
  }
  if (settings.percentage)
    return is_in_share(*settings.percentage, question.client, question.address);
  const auto rule = settings.endpoints.find(question.endpoint);
  if (rule != settings.endpoints.end()) return rule->second;
  return settings.is_async_by_default;
}

}  // namespace

Preferences parse_prefer(std::span<const std::string_view> headers) {
  Preferences preferences;
  bool seen_async = false;
  bool seen_wait = false;
  for (auto header : headers) {
    while (!header.empty()) {
      auto preference = take_until(header, ',');
      auto value = take_until(preference, ';');  // parameters mean nothing here
      const auto name = lower(trim(take_until(value, '=')));
      value = unquoted(trim(value));
      if (name == "respond-async" && !seen_async) {
        seen_async = true;
        preferences.respond_async = value.empty();
      } else if (name == "wait" && !seen_wait) {
        seen_wait = true;
        preferences.wait = parse_wait(value);
      }
    }
  }
  return preferences;
}

bool is_in_share(int percentage, std::string_view client, std::string_view address) {
  constexpr std::uint64_t kBuckets = 10'000;
  const auto bucket = hash_of(client.empty() ? address : client) % kBuckets;
  return bucket < static_cast<std::uint64_t>(std::clamp(percentage, 0, 100)) * (kBuckets / 100);
}

SubmitDecision decide(const RolloutSettings& settings, const SubmitQuestion& question) {
  const auto& [respond_async, wait] = question.preferences;
  SubmitDecision decision;
  if (respond_async || wait) {
    const bool asks_for_sync = !respond_async && *wait > std::chrono::seconds{0};
    if (!settings.is_sync_enabled) {
      decision.is_sync_refused = asks_for_sync;
      if (respond_async) decision.preference_applied = "respond-async";
      return decision;
    }
    if (respond_async) decision.preference_applied = "respond-async";
    if (wait) {
      decision.preference_applied +=
          fmt::format("{}wait={}", respond_async ? ", " : "", wait->count());
      if (wait->count() > 0) {
        decision.mode = SubmitMode::sync;
        decision.longest_hold = wait;
      }
    }
    return decision;
  }
  if (is_async_by_settings(settings, question)) return decision;
  if (settings.is_sync_enabled) {
    decision.mode = SubmitMode::sync;
  } else {
    decision.is_sync_refused = true;
  }
  return decision;
}

}  // namespace betedge::core
