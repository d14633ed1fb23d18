#pragma once

#include <functional>
#include <string>
#include <vector>

#include "betedge/cli/workplace.hpp"

namespace betedge::cli {

// What the command line runs and does not know: each takes the arguments behind its command's name
// and gives the exit status.
struct Hooks {
  using Command = std::function<int(const std::vector<std::string>& arguments)>;
  Command serve;
  Command sim;
  Command config;
  Command token;
  Command doctor;
  VerifyHere verify;   // `betedge verify` where no server runs
  ReadRows read_rows;  // `betedge cat`
};

// `betedge …`: what main() does. Returns the exit status (exit_code.hpp).
int run(int argc, char** argv, const Hooks& hooks);

}  // namespace betedge::cli
