#include "betedge/cli/cli.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <variant>

#include "betedge/cli/arguments.hpp"
#include "betedge/cli/commands.hpp"
#include "betedge/cli/console.hpp"
#include "betedge/cli/exit_code.hpp"
#include "betedge/net/asio_runtime.hpp"
#include "betedge/net/http_client.hpp"

namespace betedge::cli {

namespace {

std::string variable(const char* name) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody here changes the environment
  const char* const value = std::getenv(name);
  return value == nullptr ? std::string{} : std::string(value);
}

Task<void> execute_into(Workplace& workplace, Invocation invocation, int& status) {
  status = co_await execute(workplace, std::move(invocation));
}

int run_client(Console& console, Invocation invocation) {
  sdk::ServerAddress address;
  if (auto url = variable(kUrlVariable); !url.empty()) address.url = std::move(url);
  if (!invocation.url.empty()) address.url = invocation.url;
  address.token = variable(kTokenVariable);

  net::AsioRuntime runtime(1, 1);
  auto http = net::make_http_client(runtime);
  if (!http) {
    console.err(fmt::format("betedge: {}\n", http.error().message));
    return kFailed;
  }
  sdk::AsyncClient server(runtime, **http, std::move(address));
  std::stop_source stop;
  runtime.handle_signals([&stop](int) {
    // The first asks politely; who presses twice wants out.
    if (!stop.request_stop()) ::_exit(kInterrupted);
  });
  Workplace workplace{runtime, server, console, stop.get_token()};
  int status = kFailed;
  runtime.run(execute_into(workplace, std::move(invocation), status));
  return status;
}

}  // namespace

int run(int argc, char** argv, const Hooks& hooks) {
  std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
  if (!arguments.empty()) {
    // These have arguments of their own; "betedge help serve" is "betedge serve --help".
    if (arguments.size() == 2 && arguments.front() == "help") arguments = {arguments[1], "--help"};
    const std::vector<std::string> rest(arguments.begin() + 1, arguments.end());
    if (arguments.front() == "serve" && hooks.serve) return hooks.serve(rest);
    if (arguments.front() == "sim" && hooks.sim) return hooks.sim(rest);
    if (arguments.front() == "config" && hooks.config) return hooks.config(rest);
  }
  const auto console = real_console();
  auto invocation = parse_arguments(arguments);
  if (!invocation) {
    console->out(invocation.error().out);
    console->err(invocation.error().err);
    return invocation.error().exit_code;
  }
  return run_client(*console, *std::move(invocation));
}

}  // namespace betedge::cli
