#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "betedge/net/http_client.hpp"
#include "betedge/net/limiter.hpp"
#include "betedge/ports/source.hpp"

namespace betedge::sources {

struct NasdaqOptions {
  // Without a trailing path.
  std::string base_url = "https://api.nasdaq.com";
  // Between the beginnings of two calls: half of it to twice as long, by chance; zero does not
  // wait. nullopt: 500 ms (NASDAQ publishes no limit; 0.25 to 1 s is what has been borne, THETA.md
  // 4), but zero where the base is this machine itself, which is a simulator.
  std::optional<std::chrono::milliseconds> pace{};
  std::chrono::milliseconds connect_timeout{10'000};
  std::chrono::milliseconds idle_timeout{30'000};
};

// NASDAQ's earnings calendar: one day a call, for calls of Kind::earnings (THETA.md 4). Every
// exchange holds one of the limiter's slots from before its turn has come to the answer's last
// byte. A day without reports is an answer with a body that says so, so open() never says "no
// data". Refused by the server's edge (403), throttled (429, Retry-After is honoured) and 5xx are
// passing faults; so is a redirect. The ports outlive it and its answers; drop the answers first.
std::unique_ptr<Source> make_nasdaq_source(Runtime& runtime, net::HttpClient& client,
                                           net::Limiter& limiter, NasdaqOptions options);

}  // namespace betedge::sources
