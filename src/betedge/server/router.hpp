#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "betedge/server/tokens.hpp"  // Access

namespace betedge::server {

enum class Method : std::uint8_t { get, post, put, del };
std::string_view to_text(Method method);  // "GET"

// What an endpoint is about; the description groups by it.
enum class Subject : std::uint8_t { submit, jobs, watching, upstreams, operations, access };

// What a client may ask for: a method and a path, in which one segment may be a parameter
// ("/jobs/{job_id}/items"). The whole surface is one table of these (api.hpp).
struct Endpoint {
  Method method;
  std::string_view pattern;
  Access access;  // what it needs, where tokens are asked for
  Subject subject;
  std::string_view summary;
};

// The parameter's value when the path is one of the pattern's, empty when the pattern has none;
// nullopt when it is not. A parameter is one whole segment and never empty.
std::optional<std::string_view> match(std::string_view pattern, std::string_view path);

struct Found {
  std::size_t endpoint;  // its place in the table
  std::string parameter;
};
struct UnknownPath {};
struct WrongMethod {
  std::string allow;  // "GET, HEAD"
};
using Routing = std::variant<Found, UnknownPath, WrongMethod>;

// HEAD goes wherever GET does (API.md, Part 2).
Routing route(std::span<const Endpoint> endpoints, std::string_view method, std::string_view path);

}  // namespace betedge::server
