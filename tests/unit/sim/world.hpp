#pragma once

#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "betedge/net/http_client.hpp"
#include "betedge/ports/async.hpp"
#include "betedge/sim/simulator.hpp"

// A simulator on free ports and a client of it, for tests that ask it over HTTP.
namespace betedge::sim {

using Json = nlohmann::json;

struct Got {
  int status = 0;  // 0: no answer at all
  std::string body;
  std::optional<Error> error;  // of the exchange or of its body
  std::optional<std::string> next_page;
  std::optional<std::string> retry_after;
  std::optional<std::string> length;
};

// A simulator on free ports and a client, in one loop.
class World {
 public:
  explicit World(net::AsioRuntime& runtime_in, std::unique_ptr<net::HttpClient> client_in,
                 std::unique_ptr<Simulator> simulator)
      : runtime(runtime_in),
        client(std::move(client_in)),
        sim(std::move(simulator)),
        scope(runtime) {}

  Task<Got> ask(std::uint16_t port, std::string target, std::string method = "GET",
                std::string body = "",
                std::chrono::milliseconds patience = std::chrono::seconds(20)) {
    net::HttpRequest request;
    request.method = std::move(method);
    request.url =
        target.starts_with("http") ? target : fmt::format("http://127.0.0.1:{}{}", port, target);
    request.body = std::move(body);
    request.idle_timeout = patience;
    auto sent = co_await client->send(std::move(request), {});
    Got got;
    if (!sent) {
      got.error = sent.error();
      co_return got;
    }
    auto response = *std::move(sent);
    got.status = response->status();
    got.next_page = response->header("Next-Page");
    got.retry_after = response->header("Retry-After");
    got.length = response->header("Content-Length");
    while (true) {
      auto bytes = co_await response->next();
      if (!bytes) got.error = bytes.error();
      if (!bytes || bytes->empty()) break;
      got.body += as_text(*bytes);
    }
    co_return got;
  }
  Task<Got> v3(std::string target) { return ask(sim->v3_port(), "/v3" + std::move(target)); }
  Task<Got> v2(std::string target) { return ask(sim->v2_port(), "/v2" + std::move(target)); }

  Task<Json> stats() {
    const auto got = co_await ask(sim->v3_port(), "/sim/stats");
    co_return Json::parse(got.body);
  }
  Task<Got> put(std::string what, Json body) {
    return ask(sim->v2_port(), "/sim/" + what, "PUT", body.dump());
  }
  // Until the count of that name is what is said. Each look is a whole exchange, so others get on.
  Task<void> until(std::string name, std::size_t value) {
    while (true) {
      const auto now = co_await stats();
      if (now.at(name).get<std::size_t>() == value) co_return;
    }
  }

  net::AsioRuntime& runtime;
  std::unique_ptr<net::HttpClient> client;
  std::unique_ptr<Simulator> sim;
  TaskScope scope;
};

// Forty contracts a chain, and nothing after June 2024.
SimOptions small();

using Play = Task<void> (*)(World&);
void play(SimOptions options, Play what);

// Paths and queries of calls behind /v3 and /v2.
std::string quote3(std::string_view symbol);
std::string quote2(std::string_view symbol, bool csv = true);
std::string eod3(std::string_view symbol);

}  // namespace betedge::sim
