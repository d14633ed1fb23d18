#pragma once

#include <stop_token>
#include <string>

#include "betedge/cli/arguments.hpp"
#include "betedge/cli/console.hpp"
#include "betedge/ports/runtime.hpp"
#include "betedge/sdk/async_client.hpp"

namespace betedge::cli {

// What the commands work with; all of it outlives them. Loop thread only.
struct Workplace {
  Runtime& runtime;
  sdk::AsyncClient& server;
  Console& console;
  std::stop_token stop;  // Ctrl-C
};

// Does what was asked for and returns the exit status. What went wrong is on standard error by
// then, in a sentence that says what to do.
Task<int> execute(Workplace& workplace, Invocation invocation);

// How to call the server's address and token, for messages and for run().
inline constexpr const char* kUrlVariable = "BETEDGE_URL";
inline constexpr const char* kTokenVariable = "BETEDGE_TOKEN";
// A file of PEM certificates that an https:// server is verified by, instead of the system's.
inline constexpr const char* kCaFileVariable = "BETEDGE_CA_FILE";

}  // namespace betedge::cli
