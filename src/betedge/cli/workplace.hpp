#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "betedge/cli/console.hpp"
#include "betedge/ports/runtime.hpp"
#include "betedge/sdk/async_client.hpp"
#include "betedge/wire/lake.hpp"

namespace betedge::cli {

// Reads the lake that this machine's settings name again, as a server would; only app knows how.
struct LocalVerification {
  std::string prefix;                                    // of the objects' keys; empty: all
  std::function<void(const std::string& lake)> on_open;  // before anything is read
  std::function<void(const wire::VerifyLine&)> on_line;  // differences and progress
  std::stop_token stop;
};
// An error is a sentence: the settings, the lake or the store cannot be read, or a server has them.
using VerifyHere =
    std::function<Task<Result<wire::VerifyEnd>>(Runtime& runtime, LocalVerification asked)>;

// The first rows of an object as text; an empty text for a null.
struct FirstRows {
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;
};
// Of a whole Parquet or Arrow file; only app knows how.
using ReadRows = std::function<Result<FirstRows>(std::string object, std::size_t rows)>;

// What the commands work with; all of it outlives them. Loop thread only.
struct Workplace {
  Runtime& runtime;
  sdk::AsyncClient& server;
  Console& console;
  std::stop_token stop;  // Ctrl-C
  // For when no server runs, and none was asked for by its address; empty: never.
  VerifyHere verify_here{};
  ReadRows read_rows{};  // for `betedge cat`
};

// How to call the server's address and token, for messages and for run().
inline constexpr const char* kUrlVariable = "BETEDGE_URL";
inline constexpr const char* kTokenVariable = "BETEDGE_TOKEN";
// A file of PEM certificates that an https:// server is verified by, instead of the system's.
inline constexpr const char* kCaFileVariable = "BETEDGE_CA_FILE";

}  // namespace betedge::cli
