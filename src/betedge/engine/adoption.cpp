#include "betedge/engine/adoption.hpp"

#include <algorithm>

#include "betedge/columnar/file_metadata.hpp"
#include "betedge/core/object_key.hpp"

namespace betedge::engine {

namespace {

// What the file says of its columns and prices; what it leaves out is the default.
Layout layout_said_by(const columnar::FileFacts& facts) {
  const auto says = [&facts](std::string_view name, std::string_view value) {
    const auto found = facts.metadata.find(std::string(name));
    return found != facts.metadata.end() && found->second == value;
  };
  Layout layout;
  if (says(columnar::metadata::kPriceType, to_text(PriceType::float32)))
    layout.price_type = PriceType::float32;
  if (says(columnar::metadata::kColumns, to_text(ColumnStyle::typed)))
    layout.columns = ColumnStyle::typed;
  return layout;
}

}  // namespace

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
          .layout = layout_said_by(facts)};
}

}  // namespace betedge::engine
