#include <exception>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "betedge/app/serve.hpp"
#include "betedge/app/simulate.hpp"

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const std::string command = arguments.empty() ? "" : arguments.front();
  const std::vector<std::string> rest(arguments.begin() + (arguments.empty() ? 0 : 1),
                                      arguments.end());
  try {
    if (command == "serve") return betedge::app::serve(rest);
    if (command == "sim") return betedge::app::simulate(rest);
    if (command == "config") return betedge::app::show_config(rest);
  } catch (const std::exception& fault) {
    fmt::print(stderr, "betedge: {}\n", fault.what());
    return 1;
  }
  return 2;
}
