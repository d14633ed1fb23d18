#pragma once

#include <span>
#include <string_view>

#include "betedge/core/object_key.hpp"
#include "betedge/core/request.hpp"

namespace betedge::core {

// What kind of data something is, in one word, as metrics and dashboards say it: "option_quote",
// "stock_eod", "earnings".
std::string_view dataset_of(Kind kind, Schema schema);

// The same of an object, by the layout of keys (DESIGN.md 11); "other" for a key of none of them.
std::string_view dataset_of(const ObjectKey& key);

// All of them but "other".
std::span<const std::string_view> datasets();

}  // namespace betedge::core
