#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "betedge/core/dates.hpp"
#include "betedge/core/error.hpp"

namespace betedge::wire {

// What a request would do, without doing it (API.md, Part 2, "plan before paying").
struct DryRunView {
  struct Item {
    std::string key;
    DateRange covers;
    // None when the object is there and fresh, or comes with the call of an item before it.
    std::uint64_t calls = 0;
    bool is_there = false;
  };
  std::vector<Item> items;
  std::vector<Date> not_yet_available;
  std::uint64_t calls = 0;
  // Of what is not there; null in JSON when there is nothing to go by.
  std::optional<double> bytes, seconds;
  std::uint64_t like_objects = 0;  // how many that is worked out from
};

// `request_json` is the submission's, as a job would show it.
std::string dry_run_json(std::string_view request_json, const DryRunView& run);

// From JSON, tolerantly: upstream_garbled for what is not JSON or has no items.
Result<DryRunView> parse_dry_run(std::string_view json);

}  // namespace betedge::wire
