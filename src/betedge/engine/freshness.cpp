#include "betedge/engine/freshness.hpp"

#include <fmt/format.h>

#include <chrono>
#include <utility>

namespace betedge::engine {

namespace {

using What = ObjectRecord::What;

constexpr std::chrono::days kMayBeLate{1};

// A file that does not say what it is (What::adopted, of an older lake) has no schema version.
bool says_its_layout(const ObjectRecord& recorded) {
  return recorded.what != What::adopted || recorded.schema_version != 0;
}

}  // namespace

bool may_be_late(Timestamp now, Date last_session) {
  return new_york_date(now) <= last_session + kMayBeLate;
}

Standing standing_of(const std::optional<ObjectInfo>& found,
                     const std::optional<ObjectRecord>& recorded, DateRange covers, Layout layout) {
  const bool is_of_an_object = recorded && recorded->what != What::no_data;
  if (!found) {
    if (!recorded || is_of_an_object || recorded->covers_through < covers.last)
      return Standing::missing;
    return may_be_late(recorded->written_at, covers.last) ? Standing::missing : Standing::no_data;
  }
  if (!is_of_an_object)  // somebody has put it there since
    return new_york_date(found->modified_at) > covers.last ? Standing::unrecorded : Standing::stale;
  if (recorded->size_bytes != found->size_bytes || recorded->covers_through < covers.last)
    return Standing::stale;
  if (!says_its_layout(*recorded)) return Standing::adopted;
  const bool is_alike = recorded->schema_version == kSchemaVersion && recorded->layout == layout;
  return is_alike ? Standing::fresh : Standing::stale;
}

bool is_kept(Existing mode, Standing standing) {
  if (mode == Existing::replace) return false;
  switch (standing) {
    case Standing::missing:
    case Standing::stale: return false;
    case Standing::fresh: return true;
    case Standing::unrecorded:
    case Standing::adopted:
    case Standing::no_data: return mode == Existing::keep;
  }
  std::unreachable();
}

std::string note_of_no_data(const ObjectRecord& recorded) {
  const auto why = recorded.reason == "no_data" ? "" : fmt::format(" ({})", recorded.reason);
  return fmt::format("no data{}: told {}", why, to_iso_text(new_york_date(recorded.written_at)));
}

std::string_view to_text(Standing standing) {
  switch (standing) {
    case Standing::missing: return "missing";
    case Standing::fresh: return "fresh";
    case Standing::stale: return "stale";
    case Standing::unrecorded: return "unrecorded";
    case Standing::adopted: return "adopted";
    case Standing::no_data: return "no_data";
  }
  std::unreachable();
}

}  // namespace betedge::engine
