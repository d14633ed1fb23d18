#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Reading members of JSON that may be anything. A member that is absent and one of another type are
// the same here: nullopt.
namespace betedge::wire {

using Json = nlohmann::ordered_json;

std::optional<Json> parse_json(std::string_view text);

// nullptr when `object` is none or has no such member.
const Json* member(const Json& object, std::string_view name);

std::optional<std::string> text_of(const Json& object, std::string_view name);
std::optional<bool> boolean_of(const Json& object, std::string_view name);
std::optional<std::int64_t> integer_of(const Json& object, std::string_view name);
std::optional<std::uint64_t> natural_of(const Json& object, std::string_view name);
// Empty when absent; what is no text in it is left out.
std::vector<std::string> texts_of(const Json& object, std::string_view name);

// At most `longest` bytes of the text, cut between characters, control characters as spaces: fit to
// be shown on a terminal.
std::string shown(std::string_view text, std::size_t longest = 300);

}  // namespace betedge::wire
