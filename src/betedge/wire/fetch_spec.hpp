#pragma once

#include <string>
#include <string_view>

#include "betedge/core/plan.hpp"
#include "betedge/wire/request.hpp"

namespace betedge::wire {

// All that is needed to run a fetch, also after a restart or by another version: what was asked,
// and what was planned for it then.
struct FetchSpec {
  HistoricalRequest request;
  PlannedItem item;
};

// One line of JSON; the same spec gives the same bytes.
std::string to_json(const FetchSpec& spec);

// Reads what to_json wrote. invalid_request when it is anything else.
Result<FetchSpec> fetch_spec_from_json(std::string_view json);

}  // namespace betedge::wire
