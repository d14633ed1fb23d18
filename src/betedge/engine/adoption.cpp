#include "betedge/engine/adoption.hpp"

#include <algorithm>
#include <utility>

#include "betedge/core/object_key.hpp"
#include "betedge/engine/gaps.hpp"

namespace betedge::engine {

ObjectRecord adopted_record(const ObjectKey& key, const ObjectReading& read,
                            const ObjectInfo& found, Timestamp now) {
  const auto& facts = read.facts.value();
  const auto period = facts_of(key).value().dates;
  const auto day_before = new_york_date(found.modified_at) - std::chrono::days{1};
  const auto covers = facts.covers();
  const auto last = covers ? covers->last : std::min(period.last, day_before);
  // Without a column of days nothing can be told of a file that has rows.
  const bool tells_days = facts.rows == 0 || !read.days.empty();
  const bool has_sessions = facts_of(key).value().kind != Kind::earnings;
  std::vector<Date> missing;
  if (has_sessions && tells_days) missing = missing_sessions({period.first, last}, read.days);
  return {.key = key,
          .what = ObjectRecord::What::adopted,
          .size_bytes = read.size_bytes,
          .rows = facts.rows,
          .sha256 = read.sha256,
          .covers_through = last,
          .schema_version = facts.schema_version().value_or(0),
          .written_at = now,
          .layout = facts.layout,
          .missing_sessions = std::move(missing)};
}

}  // namespace betedge::engine
