#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "betedge/core/plan.hpp"

namespace betedge::simulation {

// A vendor's truth, without a vendor: what each call's answer is, from the call alone. Values are
// made up. The symbol decides what can go wrong for good: "GONE" has no data on any day, "DENIED"
// is refused; of all others about one session in twelve has no data. Calls may span days and have
// windows.
struct FakeMarket {
  enum class Has : std::uint8_t { rows, no_data, denied };

  Has has(const Call& call) const;
  // v3 CSV; only for a call that has rows.
  std::string csv(const Call& call) const;
  std::uint64_t rows(const Call& call) const;

  // What an object of these calls must come to.
  Has has(const PlannedItem& item) const;
  std::uint64_t rows(const PlannedItem& item) const;
};

}  // namespace betedge::simulation
