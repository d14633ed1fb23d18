#include "betedge/cli/voice.hpp"

#include <fmt/format.h>

#include <chrono>
#include <variant>

#include "betedge/cli/exit_code.hpp"
#include "betedge/cli/words.hpp"

namespace betedge::cli {

int complain(Workplace& workplace, const Invocation& invocation, const sdk::Failure& failure) {
  const auto who = "betedge " + invocation.name;
  const auto why = harmless(failure.message);
  const bool is_about_lake = std::holds_alternative<CoverageCommand>(invocation.command) ||
                             std::holds_alternative<FillCommand>(invocation.command) ||
                             std::holds_alternative<VerifyCommand>(invocation.command);
  std::string text;
  switch (failure.problem) {
    case sdk::Problem::refused:
      if (failure.faults.size() > 1) {
        text = fmt::format("{}: the server refuses this request:\n", who);
        for (const auto& fault : failure.faults) text += fmt::format("  {}\n", harmless(fault));
      } else {
        text = fmt::format("{}: {}\n", who, why);
      }
      break;
    case sdk::Problem::unauthorized:
      text = fmt::format("{}: the server does not let us: {}. Set {} to a token that may.\n", who,
                         why, kTokenVariable);
      break;
    case sdk::Problem::not_found:
      if (std::holds_alternative<CatCommand>(invocation.command)) {
        text = fmt::format("{}: {}. 'betedge ls' lists those that there are.\n", who, why);
        break;
      }
      text = is_about_lake
                 ? fmt::format("{}: {}. Is the server older than this program?\n", who, why)
                 : fmt::format("{}: {}. 'betedge jobs' lists those that there are.\n", who, why);
      break;
    case sdk::Problem::unavailable:
      if (failure.http_status == 0) {
        const bool is_tls = workplace.server.url().starts_with("https:");
        text = is_tls ? fmt::format(
                            "{}: cannot reach the server: {}. Is --url or {} right? {} names the "
                            "file of the authorities that certificates are verified by.\n",
                            who, why, kUrlVariable, kCaFileVariable)
                      : fmt::format(
                            "{}: cannot reach the server: {}. Start it with 'betedge serve', or "
                            "say where it is with --url or {}.\n",
                            who, why, kUrlVariable);
      } else {
        const auto seconds = std::chrono::ceil<std::chrono::seconds>(failure.retry_after).count();
        const auto when = seconds > 0 ? fmt::format("in {} s", seconds) : std::string("later");
        text = fmt::format("{}: the server cannot do it now: {}. Try again {}.\n", who, why, when);
      }
      break;
    case sdk::Problem::server_failed:
      text = fmt::format("{}: the server failed: {}. Its log says more.\n", who, why);
      break;
    case sdk::Problem::garbled:
      text = fmt::format("{}: {}. Is --url or {} right?\n", who, why, kUrlVariable);
      break;
    case sdk::Problem::job_failed:
    case sdk::Problem::job_cancelled:
    case sdk::Problem::partial:
    case sdk::Problem::timeout: text = fmt::format("{}: {}.\n", who, why); break;
    case sdk::Problem::stopped: text = fmt::format("{}: interrupted.\n", who); break;
  }
  workplace.console.err(text);
  return exit_code_of(failure.problem);
}

void say_if_maybe_accepted(Workplace& workplace, const sdk::Failure& failure) {
  // A request that was sent and not answered may have been accepted.
  if (failure.problem != sdk::Problem::stopped) return;
  workplace.console.err("'betedge jobs' shows whether the request was accepted.\n");
}

}  // namespace betedge::cli
