#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "betedge/cli/arguments.hpp"
#include "betedge/cli/workplace.hpp"
#include "betedge/ports/task.hpp"

namespace betedge::cli {

// Shows the job on standard error until it has ended, the server has been silent for too long,
// `timeout` is over or Ctrl-C came, and says how it ended or how to come back to it; gives the exit
// status.
Task<int> follow(Workplace& workplace, std::string id,
                 std::optional<std::chrono::milliseconds> timeout, Invocation invocation);

// Shows every job that has not ended until none is left or Ctrl-C came: on a terminal a block that
// is drawn again and again, elsewhere and as JSON a line whenever one changes. How a job ended is
// said on standard output; gives the exit status, which is not about how they ended.
Task<int> watch(Workplace& workplace, Invocation invocation);

// What comes after a submit that was accepted: says so, and follows the job if that is wished.
Task<int> follow_accepted(Workplace& workplace, wire::AcceptedView accepted, bool wait,
                          std::optional<std::chrono::milliseconds> timeout, Invocation invocation);

}  // namespace betedge::cli
