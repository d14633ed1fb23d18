#pragma once

#include "betedge/core/dates.hpp"
#include "betedge/engine/object_reading.hpp"
#include "betedge/ports/job_store.hpp"
#include "betedge/ports/object_store.hpp"

namespace betedge::engine {

// What is known from now on of an object that nobody had recorded, and that has been read: an older
// lake's, or somebody else's. It covers what the file itself says; one that does not say covers
// what it could have when it was written, all that had ended in New York the day before. One that
// does not say its schema version has none (0), and its layout is not known. `key` must be one that
// object_key makes, and the reading's facts be there.
ObjectRecord adopted_record(const ObjectKey& key, const ObjectReading& read,
                            const ObjectInfo& found, Timestamp now);

}  // namespace betedge::engine
