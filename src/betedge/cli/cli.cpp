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
#include "betedge/sdk/client.hpp"

namespace betedge::cli {

namespace {

Task<void> execute_into(Workplace& workplace, Invocation invocation, int& status) {
  status = co_await execute(workplace, std::move(invocation));
}

int run_client(Console& console, Invocation invocation, const Hooks& hooks) {
  auto address = sdk::address_from_environment();
  const char* const variable = std::getenv(kUrlVariable);
  const bool is_asked_for = !invocation.url.empty() || (variable != nullptr && *variable != '\0');
  if (!invocation.url.empty()) address.url = invocation.url;

  net::AsioRuntime runtime(1, 1);
  auto http = net::make_http_client(runtime, {.ca_file = address.ca_file});
  if (!http) {
    const bool is_file = http.error().code == ErrorCode::invalid_request;
    console.err(fmt::format("betedge: {}{}\n", http.error().message,
                            is_file ? fmt::format("; {} names it", kCaFileVariable) : ""));
    return is_file ? kUsage : kFailed;
  }
  sdk::AsyncClient server(runtime, **http, std::move(address));
  std::stop_source stop;
  runtime.handle_signals([&stop](int) {
    // The first asks politely; who presses twice wants out.
    if (!stop.request_stop()) ::_exit(kInterrupted);
  });
  // Who names a server wants that one, and no lake that lies here.
  Workplace workplace{
      runtime,        server, console, stop.get_token(), is_asked_for ? VerifyHere{} : hooks.verify,
      hooks.read_rows};
  int status = kFailed;
  runtime.run(execute_into(workplace, std::move(invocation), status));
  return status;
}

}  // namespace

int run(int argc, char** argv, const Hooks& hooks) {
  std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
  if (!arguments.empty()) {
    // These have arguments of their own; "betedge help serve" is "betedge serve --help".
    if (arguments.size() == 2 && arguments.front() == "help" && arguments[1] != "--all")
      arguments = {arguments[1], "--help"};
    const std::vector<std::string> rest(arguments.begin() + 1, arguments.end());
    if (arguments.front() == "serve" && hooks.serve) return hooks.serve(rest);
    if (arguments.front() == "sim" && hooks.sim) return hooks.sim(rest);
    if (arguments.front() == "config" && hooks.config) return hooks.config(rest);
    if (arguments.front() == "token" && hooks.token) return hooks.token(rest);
    if (arguments.front() == "doctor" && hooks.doctor) return hooks.doctor(rest);
  }
  const auto console = real_console();
  auto invocation = parse_arguments(arguments);
  if (!invocation) {
    console->out(invocation.error().out);
    console->err(invocation.error().err);
    return invocation.error().exit_code;
  }
  return run_client(*console, *std::move(invocation), hooks);
}

}  // namespace betedge::cli
