#pragma once

#include <string_view>

namespace betedge::app {

// One sentence on standard error, "betedge: …"; gives the status back, to be returned.
int complain(std::string_view sentence, int status);

}  // namespace betedge::app
