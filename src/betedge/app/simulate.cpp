#include "betedge/app/simulate.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <cstdio>
#include <optional>

#include "betedge/app/command.hpp"
#include "betedge/app/stop_request.hpp"
#include "betedge/net/asio_runtime.hpp"
#include "betedge/sim/simulator.hpp"

namespace betedge::app {
namespace {

constexpr std::string_view kFooter =
    "Beside the options, the symbol asked for can make a bad day: XRESET always, XRESET.2 for the "
    "first\n"
    "two calls. docs/simulator.md lists what there is.";

std::string fault_help() {
  std::string text = "Faults, for --fault and as symbols:\n";
  for (const auto& fault : sim::fault_names()) {
    const auto name = fault.argument.empty() ? std::string(fault.name)
                                             : fmt::format("{}={}", fault.name, fault.argument);
    text += fmt::format("  {:<20} {}\n", name, fault.help);
  }
  return text + std::string(kFooter);
}

// Reads the options; a status when there is nothing more to do.
std::optional<int> read_options(const std::vector<std::string>& arguments,
                                sim::SimOptions& options) {
  CLI::App app("A ThetaData terminal that is none: v3 and v2 over a market of its own.",
               "betedge sim");
  std::optional<Error> wrong;
  for (const auto& option : sim::options()) {
    const auto take = [&options, &wrong, &option](const std::vector<std::string>& values) {
      for (const auto& value : values) {
        auto set = sim::set(options, option.name, value);
        if (!set && !wrong) wrong = std::move(set).error();
      }
      return true;
    };
    auto* added = app.add_option("--" + std::string(option.name), take, std::string(option.help));
    added->type_name(std::string(option.value));
    added->default_str(std::string(option.default_text));
    added->expected(1);
    added->multi_option_policy(option.repeats ? CLI::MultiOptionPolicy::TakeAll
                                              : CLI::MultiOptionPolicy::TakeLast);
    if (option.repeats) added->allow_extra_args(false);
  }
  app.footer(fault_help);
  if (const auto status = read_arguments(app, arguments)) return status;
  if (wrong) return complain(wrong->message, 2);
  return std::nullopt;
}

Task<void> simulate_until_stop(net::AsioRuntime& runtime, sim::SimOptions options,
                               StopRequest& stop, Result<void>& outcome) {
  auto simulator = sim::Simulator::open(runtime, std::move(options));
  if (!simulator) {
    outcome = std::unexpected(std::move(simulator).error());
    co_return;
  }
  const auto control = (*simulator)->control_port();
  fmt::print(
      "betedge {} simulator listening on http://127.0.0.1:{} (v3) and http://127.0.0.1:{} (v2){}\n",
      BETEDGE_VERSION, (*simulator)->v3_port(), (*simulator)->v2_port(),
      control ? fmt::format(" and http://127.0.0.1:{} (control)", *control) : "");
  std::fflush(stdout);
  (void)co_await stop.wait();
  co_await (*simulator)->stop();
}

}  // namespace

int simulate(const std::vector<std::string>& arguments) {
  sim::SimOptions options;
  if (const auto status = read_options(arguments, options)) return *status;
  net::AsioRuntime runtime;
  StopRequest stop(runtime, Hangup::stops);
  Result<void> outcome;
  runtime.run(simulate_until_stop(runtime, std::move(options), stop, outcome));
  if (!outcome) return complain(outcome.error().message, 1);
  return 0;
}

}  // namespace betedge::app
