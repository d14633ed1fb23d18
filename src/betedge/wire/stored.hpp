#pragma once

#include "betedge/core/request.hpp"
#include "betedge/wire/json_members.hpp"

// The parts that stored requests and fetch specs share.
namespace betedge::wire {

// "900000", or "null" where there is no value.
std::string milliseconds_json(std::optional<std::chrono::milliseconds> time);

// nullopt: not a non-negative integer, null or absent.
std::optional<std::chrono::milliseconds> milliseconds_of(const Json& object, std::string_view name);
// The window in the members start_time and end_time.
Window window_of(const Json& object);

std::optional<Symbol> symbol_of(const Json& object, std::string_view name);
std::optional<DateRange> dates_of(const Json& object, std::string_view first,
                                  std::string_view last);
std::optional<Kind> kind_of(const Json& object);
std::optional<Schema> schema_of(const Json& object);
std::optional<HistoricalRequest> request_of(const Json& object);

}  // namespace betedge::wire
