#pragma once

#include <optional>
#include <string>
#include <vector>

#include "betedge/core/error.hpp"
#include "betedge/server/tokens.hpp"

namespace betedge::app {

struct TokenFile {
  server::TokenTable tokens;
  // One sentence, when others on this machine can read the file or write to it.
  std::optional<std::string> warning;
};

// invalid_request with one sentence when it cannot be read or a line is wrong. Blocks.
Result<TokenFile> read_token_file(const std::string& path);

// `betedge token NAME [--scope read|submit|admin] [--file FILE] [--json]`: makes a token. It is
// printed once, on a line of its own, and is kept nowhere; its line for the token file is appended
// to FILE, which is made (mode 0600) when it is not there, or printed below. Returns the exit
// status: 0, 1 when the file cannot be written, 2 for wrong arguments.
int make_token(const std::vector<std::string>& arguments);

}  // namespace betedge::app
