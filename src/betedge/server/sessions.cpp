#include "betedge/server/sessions.hpp"

#include <algorithm>

namespace betedge::server {
namespace {

constexpr int kFreeFailures = 2;
constexpr std::chrono::seconds kFirstWait{1};
constexpr std::chrono::seconds kLongestWait{60};
constexpr std::chrono::minutes kForgottenAfter{10};

std::chrono::nanoseconds wait_after(int failures) {
  if (failures <= kFreeFailures) return {};
  const int doublings = std::min(failures - kFreeFailures - 1, 6);
  return std::min<std::chrono::nanoseconds>(kFirstWait * (1 << doublings), kLongestWait);
}

}  // namespace

std::string Sessions::open(const Digest& token, SteadyTime now) {
  std::erase_if(sessions_, [now](const auto& entry) { return entry.second.ends <= now; });
  if (sessions_.size() >= kMost) {
    sessions_.erase(std::ranges::min_element(sessions_, {},
                                             [](const auto& entry) { return entry.second.ends; }));
  }
  auto secret = make_secret();
  sessions_[sha256(secret)] = {token, now + kLifetime};
  return secret;
}

std::optional<Digest> Sessions::find(std::string_view secret, SteadyTime now) const {
  const auto found = sessions_.find(sha256(secret));
  if (found == sessions_.end() || found->second.ends <= now) return std::nullopt;
  return found->second.token;
}

void Sessions::close(std::string_view secret) {
  sessions_.erase(sha256(secret));
}

void Sessions::keep_only(const TokenTable& tokens) {
  std::erase_if(sessions_, [&tokens](const auto& entry) {
    return tokens.find(entry.second.token) == nullptr;
  });
}

std::chrono::nanoseconds LoginBackoff::wait(std::string_view address, SteadyTime now) const {
  const auto found = failures_.find(address);
  if (found == failures_.end() || now - found->second.last >= kForgottenAfter) return {};
  const auto passed = now - found->second.last;
  return std::max<std::chrono::nanoseconds>(wait_after(found->second.count) - passed, {});
}

void LoginBackoff::failed(std::string_view address, SteadyTime now) {
  auto found = failures_.find(address);
  if (found != failures_.end() && now - found->second.last >= kForgottenAfter) {
    failures_.erase(found);
    found = failures_.end();
  }
  if (found == failures_.end()) {
    if (failures_.size() >= kMost) {
      failures_.erase(std::ranges::min_element(
          failures_, {}, [](const auto& entry) { return entry.second.last; }));
    }
    found = failures_.emplace(address, Failures{}).first;
  }
  found->second.count += 1;
  found->second.last = now;
}

void LoginBackoff::succeeded(std::string_view address) {
  const auto found = failures_.find(address);
  if (found != failures_.end()) failures_.erase(found);
}

}  // namespace betedge::server
