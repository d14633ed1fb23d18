#pragma once

#include "betedge/cli/arguments.hpp"
#include "betedge/cli/workplace.hpp"
#include "betedge/ports/task.hpp"

namespace betedge::cli {

// Does what was asked for and returns the exit status. What went wrong is on standard error by
// then, in a sentence that says what to do.
Task<int> execute(Workplace& workplace, Invocation invocation);

}  // namespace betedge::cli
