#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "betedge/server/tokens.hpp"  // Access
#include "betedge/wire/problem.hpp"

namespace betedge::server {

enum class Method : std::uint8_t { get, post, put, del };
std::string_view to_text(Method method);  // "GET"

// What an endpoint is about; the description groups by it.
enum class Subject : std::uint8_t {
  submit,
  jobs,
  watching,
  lake,
  upstreams,
  dashboard,
  operations,
  access
};

enum class In : std::uint8_t { path, query, header };
std::string_view to_text(In in);  // "path"

// What a request may carry beside its body. Texts, here and below, are sentences in which `…` is
// code.
struct Parameter {
  In in;
  std::string_view name;
  std::string_view schema;  // JSON Schema: type, bounds, default
  std::string_view text;
};

// An answer that is no error.
struct Reply {
  int status;
  std::string_view schema;  // its name among the description's schemas; empty: there is no body
  std::string_view text;
  std::vector<std::string_view> headers{};  // their names; the description says what they are
  std::string_view media_type = "application/json";
};

// What a client may ask for: a method and a path, in which one segment may be a parameter
// ("/jobs/{job_id}/items"), or all that follows ("/objects/{key...}"), and what that takes and
// answers. The whole surface is one table of
// these (api.hpp).
struct Endpoint {
  Method method;
  std::string_view pattern;
  Access access;  // what it needs, where tokens are asked for
  Subject subject;
  std::string_view summary;
  std::string_view text{};
  std::vector<Parameter> parameters{};
  std::string_view body{};  // the name of its schema; empty: it takes none
  bool is_body_needed = true;
  std::vector<Reply> answers{};
  // How it can refuse, beside what every request can meet (description.hpp).
  std::vector<wire::ProblemCode> problems{};
  // What follows `curl "$BETEDGE_URL`: the rest of the URL, its closing quote, options.
  std::string_view example{};
};

// The parameter's value when the path is one of the pattern's, empty when the pattern has none;
// nullopt when it is not. A parameter is one whole segment, or the whole rest, and never empty.
std::optional<std::string_view> match(std::string_view pattern, std::string_view path);

// The pattern as the description writes it: "/objects/{key}".
std::string described(std::string_view pattern);

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
