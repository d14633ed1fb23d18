#include "betedge/app/command.hpp"

#include <fmt/format.h>

#include <cstdio>

namespace betedge::app {

int complain(std::string_view sentence, int status) {
  fmt::print(stderr, "betedge: {}\n", sentence);
  return status;
}

}  // namespace betedge::app
