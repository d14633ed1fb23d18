#pragma once

#include <memory>
#include <string>

#include "betedge/ports/job_store.hpp"
#include "betedge/ports/metrics.hpp"
#include "betedge/ports/runtime.hpp"

namespace betedge::jobs {

// Jobs in one SQLite file, or in memory while the store lives (":memory:"). Opens or makes the file
// (and its folder), and brings an older one up to date. Blocks: call it at start.
//
// One connection, WAL, synchronous=FULL. Calls queue up on the loop's thread; while there are any,
// one piece of work on Pool::io takes all that are there into one transaction, in which each is
// done whole or not at all, and answers after the commit. So durable costs one fsync for all that
// came in the same moment, and when the commit fails everybody is told store_unavailable and
// nothing has happened.
//
// Fails with store_unavailable, and a sentence for the operator, when the file is held by another
// process (a lock file beside it), cannot be written, is not ours, is damaged, or was written by a
// newer betedge. `metrics` gets each transaction's time and size. Drop the store when none of its
// calls is awaited any more.
Result<std::unique_ptr<JobStore>> open_sqlite_store(Runtime& runtime, std::string path,
                                                    Metrics& metrics = no_metrics());

}  // namespace betedge::jobs
