#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string_view>
#include <vector>

#include "betedge/server/router.hpp"

// What the description is made of beside the table of endpoints; description.cpp and docs_page.cpp
// read it.
namespace betedge::server {

using Json = nlohmann::ordered_json;

// The shapes of bodies, by name: OpenAPI's components/schemas.
const Json& schemas();

struct HeaderText {
  std::string_view name;
  std::string_view schema;  // JSON Schema
  std::string_view text;
};
std::span<const HeaderText> answer_headers();

// How a request to this endpoint can be refused, all told: its own ways, those that every request
// meets (guard.hpp, net's rules), and those of asking for what needs a token. In the order of the
// codes.
std::vector<wire::Problem> refusals_of(const Endpoint& endpoint);

struct SubjectText {
  Subject subject;
  std::string_view name;  // also its anchor
  std::string_view title;
  std::string_view text;
};
std::span<const SubjectText> subjects();

std::string method_name(Method method);  // "get", as OpenAPI writes it

// What stands first in both forms of the description.
std::string_view introduction();

}  // namespace betedge::server
