#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "betedge/core/error.hpp"
#include "betedge/wire/refusal.hpp"

namespace betedge::wire {

// One upstream as GET /upstreams shows it.
struct UpstreamView {
  std::string name;
  std::string version;            // empty (null in JSON) while it is not known
  std::uint64_t concurrency = 0;  // calls at once, as set
  std::uint64_t allowed = 0;      // just now: fewer after throttling and silence
  std::uint64_t in_use = 0;
  std::uint64_t waiting = 0;
  bool circuit_is_open = false;
  std::optional<std::string> waiting_for;
  std::uint64_t calls = 0, failed_calls = 0;  // since the start
  double calls_per_second = 0;                // over the last minute
};

std::string upstream_json(const UpstreamView& upstream);
std::string upstream_list_json(std::span<const UpstreamView> upstreams);

inline constexpr int kHighestConcurrency = 256;

// The body of PUT /upstreams/{name}: {"concurrency":n}, 1 to kHighestConcurrency; or the answer
// that lists what is wrong with it.
std::expected<std::size_t, Refusal> parse_upstream_change(std::string_view content_type,
                                                          std::string_view body);

}  // namespace betedge::wire
