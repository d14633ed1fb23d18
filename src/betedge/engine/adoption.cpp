#include "betedge/engine/adoption.hpp"

#include <algorithm>

#include "betedge/core/object_key.hpp"

namespace betedge::engine {

ObjectRecord adopted_record(const ObjectKey& key, const ObjectReading& read,
                            const ObjectInfo& found, Timestamp now) {
  const auto& facts = read.facts.value();
  const auto period = facts_of(key).value().dates;
  const auto day_before = new_york_date(found.modified_at) - std::chrono::days{1};
  const auto covers = facts.covers();
  return {.key = key,
          .what = ObjectRecord::What::adopted,
          .size_bytes = read.size_bytes,
          .rows = facts.rows,
          .sha256 = read.sha256,
          .covers_through = covers ? covers->last : std::min(period.last, day_before),
          .schema_version = facts.schema_version().value_or(0),
          .written_at = now,
          .layout = facts.layout};
}

}  // namespace betedge::engine
