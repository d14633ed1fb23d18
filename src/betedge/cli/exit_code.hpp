#pragma once

#include "betedge/sdk/types.hpp"

namespace betedge::cli {

// What scripts decide by; fixed, and printed by `betedge --help`.
enum ExitCode : int {
  kOk = 0,
  kFailed = 1,
  kUsage = 2,        // the command, or the request that it made, does not hold
  kPartial = 3,      // done, but not all is as it should be: items failed; a session is missing,
                     // failed or stale (coverage); an object is not what it was (verify)
  kDenied = 4,       // a token is missing or not allowed to
  kUnavailable = 5,  // the server cannot be reached or cannot do it now: try again
  kNotFound = 6,     // no such job; nothing is known of the series (coverage)
  kTimeout = 7,      // --timeout passed; the job goes on
  kInterrupted = 130,
};

ExitCode exit_code_of(sdk::Problem problem);

// Of a job that has ended.
ExitCode exit_code_of(const wire::JobView& job);

}  // namespace betedge::cli
