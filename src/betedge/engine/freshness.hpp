#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "betedge/core/dates.hpp"
#include "betedge/core/request.hpp"
#include "betedge/core/table.hpp"
#include "betedge/ports/job_store.hpp"
#include "betedge/ports/object_store.hpp"

namespace betedge::engine {

// How what lies under a key stands to what a fetch would write there now (DESIGN.md 9).
enum class Standing : std::uint8_t {
  missing,     // nothing lies there, and nothing that can be relied on says why
  fresh,       // it lies there, known and unchanged, and is what would be written
  stale,       // it lies there, and covers less, or is of another size, layout or schema version
  unrecorded,  // it lies there, whole by its date, and nobody has read it yet: an older lake's
  adopted,     // it lies there as it was when we read it; it does not say what its layout is
  no_data,     // nothing lies there, because the vendor said that there is nothing to put there
};

// `found`: what lies in the lake now; `recorded`: what the store knows of the key; `covers`: the
// first and last session that a fetch would bring now; `layout`: of what it would write, for its
// kind.
//
// A record holds while the object has the size that was recorded. What nobody has recorded is taken
// for whole when it was written after the last session it should cover had ended in New York. That
// there is no data is relied on when the vendor said so of as much as is asked for, and later than
// on the day after the last session: what it said before, it may have said because it was late.
Standing standing_of(const std::optional<ObjectInfo>& found,
                     const std::optional<ObjectRecord>& recorded, DateRange covers, Layout layout);

// Whether what the vendor says at this time may come too early: up to the day after the last
// session, in New York, it may still have nothing, or zeros, of what it will have.
bool may_be_late(Timestamp now, Date last_session);

// Whether the vendor is left alone about it. `skip` keeps all that is there or known not to be, an
// unrecorded object once it has been read; `refresh` only what we know to be the same; `force`
// nothing.
bool is_kept(Existing mode, Standing standing);

std::string_view to_text(Standing standing);  // "no_data"

// What is said of an item that is not asked for again: "no data: told 2026-11-20", and of why, when
// it is more than that the vendor has none: "no data (zero_series): told 2026-11-20". The day is
// New York's.
std::string note_of_no_data(const ObjectRecord& recorded);

}  // namespace betedge::engine
