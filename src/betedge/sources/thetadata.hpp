#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "betedge/net/http_client.hpp"
#include "betedge/net/limiter.hpp"
#include "betedge/ports/source.hpp"
#include "betedge/sources/thetadata_protocol.hpp"

namespace betedge::sources {

struct ThetaOptions {
  // Which protocol; nullopt asks the terminal, v3 first, when a call is made (DESIGN.md, Settings).
  std::optional<ThetaVersion> api{};
  // Where the terminal is, without /v2 or /v3. nullopt: 127.0.0.1 at the version's own port, 25503
  // or 25510 (THETA.md 1.1, 2.1).
  std::optional<std::string> base_url{};
  V2Form v2_form = V2Form::csv;
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::milliseconds idle_timeout{120'000};
};

// A ThetaData terminal, v3 or v2. Every HTTP exchange with it, status probes included, holds one of
// the limiter's slots from the request to the answer's last byte. In `auto`, the version found is
// kept until the terminal is gone or says that it does not know the path, and then asked for again.
// A chain's end of day is asked for over several days until the terminal refuses one such call
// (400, 473, 570); a v2 terminal is not asked. With another terminal that is open again. The ports
// outlive it and its answers; drop the answers first.
std::unique_ptr<Source> make_thetadata_source(net::HttpClient& client, net::Limiter& limiter,
                                              ThetaOptions options);

}  // namespace betedge::sources
