#include "betedge/server/router.hpp"

#include <vector>

namespace betedge::server {
namespace {

constexpr std::string_view kTail = "...}";

// Takes the first segment off a path: "/jobs/x" -> "jobs", leaving "/x".
std::string_view take_segment(std::string_view& path) {
  path.remove_prefix(1);
  const auto end = path.find('/');
  const auto segment = path.substr(0, end);
  path = end == std::string_view::npos ? std::string_view{} : path.substr(end);
  return segment;
}

}  // namespace

std::string_view to_text(Method method) {
  switch (method) {
    case Method::get: return "GET";
    case Method::post: return "POST";
    case Method::put: return "PUT";
    case Method::del: return "DELETE";
  }
  return {};
}

std::string_view to_text(In in) {
  switch (in) {
    case In::path: return "path";
    case In::query: return "query";
    case In::header: return "header";
  }
  return {};
}

std::optional<std::string_view> match(std::string_view pattern, std::string_view path) {
  std::string_view parameter;
  while (pattern.starts_with('/') && path.starts_with('/')) {
    const auto wanted = take_segment(pattern);
    if (wanted.starts_with('{') && wanted.ends_with(kTail)) {
      path.remove_prefix(1);
      return path.empty() ? std::nullopt : std::optional(path);
    }
    const auto segment = take_segment(path);
    if (wanted.starts_with('{')) {
      if (segment.empty()) return std::nullopt;
      parameter = segment;
    } else if (segment != wanted) {
      return std::nullopt;
    }
  }
  if (!pattern.empty() || !path.empty()) return std::nullopt;
  return parameter;
}

std::string described(std::string_view pattern) {
  std::string text(pattern);
  if (text.ends_with(kTail)) text.replace(text.size() - kTail.size(), kTail.size(), "}");
  return text;
}

Routing route(std::span<const Endpoint> endpoints, std::string_view method, std::string_view path) {
  if (method == "HEAD") method = "GET";
  std::vector<std::string_view> allowed;
  for (std::size_t i = 0; i < endpoints.size(); ++i) {
    // Most differ in the first letter already.
    const auto pattern = endpoints[i].pattern;
    if (pattern.size() > 1 && path.size() > 1 && pattern[1] != '{' && pattern[1] != path[1])
      continue;
    const auto parameter = match(endpoints[i].pattern, path);
    if (!parameter) continue;
    if (to_text(endpoints[i].method) == method) return Found{i, std::string(*parameter)};
    allowed.push_back(to_text(endpoints[i].method));
    if (endpoints[i].method == Method::get) allowed.push_back("HEAD");
  }
  if (allowed.empty()) return UnknownPath{};
  WrongMethod wrong;
  for (const auto name : allowed) {
    if (!wrong.allow.empty()) wrong.allow += ", ";
    wrong.allow += name;
  }
  return wrong;
}

}  // namespace betedge::server
