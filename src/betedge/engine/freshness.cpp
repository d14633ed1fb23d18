#include "betedge/engine/freshness.hpp"

#include "betedge/core/table.hpp"

namespace betedge::engine {

bool is_fresh(Existing existing, const std::optional<ObjectInfo>& found,
              const std::optional<ObjectRecord>& recorded, DateRange covers, Layout layout) {
  if (!found || existing == Existing::replace) return false;
  if (!recorded)
    return existing == Existing::keep && new_york_date(found->modified_at) > covers.last;
  return recorded->size_bytes == found->size_bytes && recorded->schema_version == kSchemaVersion &&
         recorded->layout == layout && recorded->covers_through >= covers.last;
}

}  // namespace betedge::engine
