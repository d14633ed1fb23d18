#pragma once

#include <string>
#include <vector>

namespace betedge::app {

// `betedge serve`: everything in one process until SIGTERM or SIGINT. `arguments` are those behind
// "serve". Prints one line when it is ready, "betedge VERSION listening on http://HOST:PORT", and
// events to standard error. Returns the exit status: 0 after a stop that was asked for, 1 when it
// could not start, 2 when it was called or set wrongly; each with one sentence on standard error.
int serve(const std::vector<std::string>& arguments);

// `betedge config`: every setting, its value and where it came from.
int show_config(const std::vector<std::string>& arguments);

}  // namespace betedge::app
