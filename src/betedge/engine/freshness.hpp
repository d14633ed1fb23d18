#pragma once

#include <optional>

#include "betedge/core/dates.hpp"
#include "betedge/ports/job_store.hpp"
#include "betedge/ports/object_store.hpp"

namespace betedge::engine {

// Is the object that lies there what a fetch covering `covers` would write (DESIGN.md 9)?
//
// One that we recorded is, when it still has the size that we wrote, today's columns, and covers as
// much, in the layout that is asked for. One that we did not record (an older lake's) is
// taken for whole with Existing::keep when it was written after the last session it should cover
// had ended in New York, and never with Existing::refresh. With Existing::replace nothing is.
// `found`: what lies in the lake now; `recorded`: what the store knows of it.
bool is_fresh(Existing existing, const std::optional<ObjectInfo>& found,
              const std::optional<ObjectRecord>& recorded, DateRange covers, Layout layout);

}  // namespace betedge::engine
