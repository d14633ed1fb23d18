#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
}

namespace betedge::app {

// One sentence on standard error, "betedge: …"; gives the status back, to be returned.
int complain(std::string_view sentence, int status);

// Reads what stands behind a command's name into what the options of `app`, "betedge NAME", fill. A
// status when there is nothing more to do: 0, --help was asked for and is printed; 2, the arguments
// do not hold, and a sentence has said so.
std::optional<int> read_arguments(CLI::App& app, std::vector<std::string> arguments);

}  // namespace betedge::app
