#pragma once

#include <chrono>
#include <cstddef>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "betedge/core/request.hpp"
#include "betedge/wire/job.hpp"
#include "betedge/wire/lake.hpp"

namespace betedge::cli {

// `betedge option`, `betedge stock`, `betedge earnings`
struct SubmitCommand {
  Kind kind = Kind::option;
  wire::SubmitForm form;
  bool wait = false;
  std::optional<std::chrono::milliseconds> timeout;
};
// `betedge plan option …`
struct PlanCommand {
  Kind kind = Kind::option;
  wire::SubmitForm form;
};
// `betedge watch`: all jobs that have not ended.
struct WatchCommand {};
struct CancelCommand {
  std::string id;
};
struct RetryCommand {
  std::string id;
  bool wait = false;
  std::optional<std::chrono::milliseconds> timeout;
};
struct ListCommand {
  std::string prefix;  // of the objects' keys; empty: all
  std::optional<std::size_t> limit;
};
struct CatCommand {
  std::string key;
  std::size_t rows = 10;
};
struct CompletionCommand {
  std::string shell;
};
struct WaitCommand {
  std::string id;
  std::optional<std::chrono::milliseconds> timeout;
};
struct JobsCommand {
  std::optional<std::string> status;
  std::size_t limit = 20;
};
struct JobCommand {
  std::string id;
  bool items = false;
  std::optional<std::string> state;  // of the items
};
// `betedge coverage` of a series; without one, of all of them at a glance.
struct CoverageCommand {
  std::optional<wire::CoverageQuery> query;
};
struct FillCommand {
  wire::CoverageQuery query;
  bool dry_run = false;
  bool wait = false;
  std::optional<std::chrono::milliseconds> timeout;
};
struct VerifyCommand {
  std::string prefix;  // of the objects' keys; empty: all
  bool repair = false;
};
struct VersionCommand {};

struct Invocation {
  std::variant<SubmitCommand, WaitCommand, JobsCommand, JobCommand, CoverageCommand, FillCommand,
               VerifyCommand, PlanCommand, WatchCommand, CancelCommand, RetryCommand, ListCommand,
               CatCommand, CompletionCommand, VersionCommand>
      command;
  std::string name;  // of the command, for messages
  std::string url;   // empty: not given here
  bool json = false;
};

// The command line asked for help, or does not hold: what to print, and where it ends.
struct Told {
  int exit_code = 0;
  std::string out;
  std::string err;
};

// The arguments behind "betedge". `serve`, `sim`, `config` and `token` are not for here.
std::expected<Invocation, Told> parse_arguments(const std::vector<std::string>& arguments);

// `betedge --help`: six commands to begin with.
std::string help_text();
// `betedge --help --all`: every command.
std::string full_help_text();

}  // namespace betedge::cli
