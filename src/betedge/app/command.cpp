#include "betedge/app/command.hpp"

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

namespace betedge::app {

int complain(std::string_view sentence, int status) {
  fmt::print(stderr, "betedge: {}\n", sentence);
  return status;
}

std::optional<int> read_arguments(CLI::App& app, std::vector<std::string> arguments) {
  std::ranges::reverse(arguments);  // CLI11 takes them from the back
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::CallForHelp&) {
    fmt::print("{}", app.help());
    return 0;
  } catch (const CLI::ParseError& error) {
    return complain(
        fmt::format("{}; `{} --help` lists what there is", error.what(), app.get_name()), 2);
  }
  return std::nullopt;
}

}  // namespace betedge::app
