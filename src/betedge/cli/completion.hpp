#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace betedge::cli {

// A script that completes commands and their options in "bash", "zsh" or "fish"; nullopt for any
// other shell. It asks the program itself, `betedge --help --all` and `betedge COMMAND --help`, so
// that it is never behind what those say.
std::optional<std::string_view> completion_script(std::string_view shell);

}  // namespace betedge::cli
