#pragma once

#include <string>
#include <vector>

namespace betedge::app {

// `betedge sim`: the terminal simulator until SIGTERM or SIGINT (docs/simulator.md). `arguments`
// are those behind "sim". Prints one line when it is ready, "betedge VERSION simulator listening on
// http://127.0.0.1:PORT (v3) and http://127.0.0.1:PORT (v2)", with the control port's address
// behind if there is one. Returns the exit status: 0, 1 when it could not start, 2 for wrong
// arguments.
int simulate(const std::vector<std::string>& arguments);

}  // namespace betedge::app
