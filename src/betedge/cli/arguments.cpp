#include "betedge/cli/arguments.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>

#include "betedge/cli/exit_code.hpp"
#include "betedge/cli/words.hpp"

namespace betedge::cli {

namespace {

// Every command, in the order in which `betedge --help --all` lists them.
struct CommandLine {
  std::string_view name;
  std::string_view summary;
};
constexpr std::array kCommands{
    CommandLine{"serve", "Start the server: everything else talks to it"},
    CommandLine{"sim", "A simulated vendor terminal, to try it without an account"},
    CommandLine{"option", "Download option chains: quotes, bars or daily rows"},
    CommandLine{"stock", "Download a stock's quotes, bars or daily rows"},
    CommandLine{"earnings", "Download the earnings calendar of all companies"},
    CommandLine{"plan", "Say what a download would fetch; nothing is done"},
    CommandLine{"jobs", "List jobs, the newest first"},
    CommandLine{"job", "Show a job in full"},
    CommandLine{"wait", "Follow a job until it has ended"},
    CommandLine{"watch", "Follow all jobs until none is left"},
    CommandLine{"cancel", "Give up the rest of a job"},
    CommandLine{"retry", "Try a job's failed items again"},
    CommandLine{"coverage", "Show what the lake has of each session"},
    CommandLine{"fill", "Download what coverage shows as missing, failed or stale"},
    CommandLine{"verify", "Read the lake's objects again, and say which differ"},
    CommandLine{"ls", "List the lake's objects"},
    CommandLine{"cat", "Show the first rows of an object"},
    CommandLine{"config", "Show every setting and where it came from"},
    CommandLine{"token", "Make a token for a client"},
    CommandLine{"doctor", "Look for what could keep betedge from working"},
    CommandLine{"completion", "Print what completes commands in bash, zsh or fish"},
    CommandLine{"version", "Print the version"}};

constexpr std::string_view kBegin =
    "betedge downloads market history into Parquet files, as jobs that run in the background.\n\n";

constexpr std::string_view kFirstHelp =
    R"(  betedge serve                            start the server: everything below talks to it
  betedge option AAPL 2024-01-01 2024-12-31 --interval 15m --wait
                                           option quotes of a year, and watch them come
  betedge stock AAPL 2023-01-01 2023-12-31 --schema eod
                                           daily stock bars; prints the job's id at once
  betedge jobs                             what runs and what has run
  betedge wait ID                          follow a job to its end
  betedge coverage AAPL                    a calendar of what the lake has of it, and its gaps

All commands: betedge --help --all. Every command has --help, and --json for scripts.
)";

constexpr std::string_view kEnvironment =
    R"(
Every command has --help, and most have --json: one object, or of a list one object a line.
The server's address is --url or BETEDGE_URL (http://127.0.0.1:8000), its token BETEDGE_TOKEN.
An https:// server is verified by the system's authorities, or by those of the file BETEDGE_CA_FILE.
Colour is for terminals only; NO_COLOR turns it off.
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not all as it should be (items failed, sessions are
missing, files differ), 4 not allowed, 5 server not available, 6 no such job, object or series,
7 not done within --timeout, 130 interrupted (the job goes on).
)";

std::string summary_of(std::string_view name) {
  return std::string(std::ranges::find(kCommands, name, &CommandLine::name)->summary);
}

constexpr std::string_view kPlanExamples = R"(Examples:
  betedge plan option AAPL 2024-01-01 2024-12-31 --interval 15m
  betedge plan stock SPY 2012-01-01 2024-12-31 --schema eod --json
  betedge plan earnings 2024-01
With the words of a download it says the objects, the vendor's calls and what that takes.)";

constexpr std::string_view kWatchExamples = R"(Examples:
  betedge watch
  betedge watch --json    a line for each job whenever it changes
Ends when no job is left; Ctrl-C leaves them running. 'betedge wait ID' follows one.)";

constexpr std::string_view kCancelExamples = R"(Examples:
  betedge cancel ID
What is downloaded stays; a job that has ended stays as it is.)";

constexpr std::string_view kRetryExamples = R"(Examples:
  betedge retry ID --wait
Only the failed items are tried; a job without any is refused.)";

constexpr std::string_view kListExamples = R"(Examples:
  betedge ls
  betedge ls historical-stock/eod/AAPL/    those whose key begins so
  betedge ls --limit 10 --json             one JSON object a line)";

constexpr std::string_view kCatExamples = R"(Examples:
  betedge cat historical-stock/eod/AAPL/2023/data.parquet
  betedge cat KEY --rows 100 --json    one JSON object a row, values as text, nulls as null
'betedge ls' lists the keys.)";

constexpr std::string_view kCompletionExamples = R"(Examples:
  betedge completion bash > /etc/bash_completion.d/betedge
  betedge completion zsh > "${{fpath[1]}}/_betedge"
  betedge completion fish > ~/.config/fish/completions/betedge.fish
What it completes it asks of the program, so it is made once.)";

constexpr std::string_view kSubmitExamples = R"(Examples:
  betedge {0} AAPL 2024-01-02 --wait                       one day, and wait for it
  betedge {0} AAPL 2024-01-01 2024-12-31 --interval 15m    a year; runs in the background
  betedge {0} AAPL 2024-01-01 2024-12-31 --schema eod      daily rows
  betedge {0} SPY 2024-03-01 2024-03-28 --start-time 09:30 --end-time 10:30 --interval 1m
The same command again downloads only what is missing; --force downloads all of it again.)";

constexpr std::string_view kEarningsExamples = R"(Examples:
  betedge earnings 2024-01 --wait        a month, and wait for it
  betedge earnings 2020-01 2024-12       five years; runs in the background
One file a month, of all companies. A month is asked for day by day and takes some twenty seconds.
The same command again downloads only what is missing; --force downloads all of it again.)";

constexpr std::string_view kWaitExamples = R"(Examples:
  betedge wait 01912345-6789-7abc-8def-0123456789ab
  betedge wait ID --timeout 10m    exit code 7 if it takes longer; the job goes on
Ctrl-C leaves the job running.)";

constexpr std::string_view kJobsExamples = R"(Examples:
  betedge jobs                     the newest 20
  betedge jobs --status running
  betedge jobs --limit 1 --json    one JSON object a line)";

constexpr std::string_view kJobExamples = R"(Examples:
  betedge job ID
  betedge job ID --items --state failed    what failed, and why
  betedge job ID --items --json            one JSON object a line)";

constexpr std::string_view kCoverageExamples = R"(Examples:
  betedge coverage                                     what lies in the lake
  betedge coverage AAPL                                its option quotes, from the first day known
  betedge coverage AAPL --kind stock --schema ohlc --from 2024-01-01 --to 2024-12-31
  betedge coverage --kind earnings --from 2020-01      months
Exit code 3 when sessions are missing, failed or stale. 'betedge fill', with the same words,
downloads exactly those.)";

constexpr std::string_view kFillExamples = R"(Examples:
  betedge fill AAPL --from 2024-01-01 --to 2024-12-31 --dry-run    what it would download
  betedge fill AAPL --kind stock --schema ohlc --wait
One job of exactly the sessions that 'betedge coverage' shows as missing, failed or stale.)";

constexpr std::string_view kVerifyExamples = R"(Examples:
  betedge verify                                  every object of the lake
  betedge verify historical-stock/eod/AAPL/       those whose key begins so
  betedge verify --repair                         and download again what is wrong
Each object is read whole. What is found is missing (recorded, not there), torn (cannot be read),
changed (not what was written), foreign (another request's) or unknown (nobody recorded it; it is
from then on). Exit code 3 when there is any of it. Without a server the lake of this machine's
settings is read.)";

// What was typed, before it is read.
struct Typings {
  std::string root, start, end, interval, start_time, end_time, timeout;
  std::string schema, format, kind;
  bool force = false;
};

struct Parser {
  CLI::App app{"", "betedge"};
  Typings typed;
  Invocation invocation;
  SubmitCommand submit;
  WaitCommand wait;
  JobsCommand jobs;
  JobCommand job;
  FillCommand fill;
  VerifyCommand verify;
  CancelCommand cancel;
  RetryCommand retry;
  ListCommand list;
  CatCommand cat;
  CompletionCommand completion;
  CLI::App* planning = nullptr;

  Parser() {
    app.require_subcommand(1, 1);
    add_how_to_submit(add_download(app, "option", kSubmitExamples));
    add_how_to_submit(add_download(app, "stock", kSubmitExamples));
    add_how_to_submit(add_download(app, "earnings", kEarningsExamples));

    planning = app.add_subcommand("plan", summary_of("plan"));
    planning->set_help_flag("-h,--help", "Show this");
    planning->footer("\n" + std::string(kPlanExamples));
    planning->require_subcommand(1, 1);
    for (const auto* const kind : {"option", "stock", "earnings"}) {
      add_download(*planning, kind, kPlanExamples);
    }

    add("watch", kWatchExamples);
    add("cancel", kCancelExamples)->add_option("ID", cancel.id, "The job's id")->required();
    auto* const retrying = add("retry", kRetryExamples);
    retrying->add_option("ID", retry.id, "The job's id")->required();
    retrying->add_flag("--wait", retry.wait, "Follow the job until it has ended");
    add_timeout(retrying);

    auto* const keys = add("ls", kListExamples);
    keys->add_option("PREFIX", list.prefix, "Only objects whose key begins so");
    keys->add_option("--limit", list.limit, "At most so many")
        ->type_name("N")
        ->check(CLI::Range(std::size_t{1}, std::size_t{1'000'000'000}));
    auto* const head = add("cat", kCatExamples);
    head->add_option("KEY", cat.key, "The object's key")->required();
    head->add_option("--rows", cat.rows, "So many rows")
        ->type_name("N")
        ->default_str("10")
        ->check(CLI::Range(std::size_t{1}, std::size_t{100'000}));

    auto* const waiting = add("wait", kWaitExamples);
    waiting->add_option("ID", wait.id, "The job's id")->required();
    add_timeout(waiting);

    auto* const listing = add("jobs", kJobsExamples);
    listing
        ->add_option("--status", jobs.status, "Only those: pending, running, completed or failed")
        ->type_name("STATUS");
    listing->add_option("--limit", jobs.limit, "At most so many")
        ->type_name("N")
        ->default_str("20")
        ->check(CLI::Range(std::size_t{1}, std::size_t{1'000'000}));

    auto* const showing = add("job", kJobExamples);
    showing->add_option("ID", job.id, "The job's id")->required();
    auto* const items = showing->add_flag("--items", job.items, "List its items (files)");
    showing
        ->add_option("--state", job.state,
                     "Only items that are pending, running, succeeded, skipped, no_data, failed "
                     "or cancelled")
        ->type_name("STATE")
        ->needs(items);

    auto* const covering = add("coverage", kCoverageExamples);
    add_series(covering);
    auto* const filling = add("fill", kFillExamples);
    add_series(filling);
    filling->add_flag("--dry-run", fill.dry_run, "Only say what it would download");
    filling->add_flag("--wait", fill.wait, "Follow the job until it has ended");
    add_timeout(filling);

    auto* const verifying = add("verify", kVerifyExamples);
    verifying->add_option("PREFIX", verify.prefix, "Only objects whose key begins so");
    verifying->add_flag("--repair", verify.repair, "Download again what is wrong");

    add("completion", kCompletionExamples)
        ->add_option("SHELL", completion.shell, "bash, zsh or fish")
        ->required()
        ->check(CLI::IsMember({"bash", "zsh", "fish"}));

    add("version", "");
  }

  CLI::App* add(const std::string& name, std::string_view examples) {
    return add_to(app, name, examples);
  }

  CLI::App* add_to(CLI::App& parent, const std::string& name, std::string_view examples) {
    auto* const command = parent.add_subcommand(name, summary_of(name));
    command->set_help_flag("-h,--help", "Show this");
    command->footer("\n" + fmt::format(fmt::runtime(examples), name));
    command->add_flag("--json", invocation.json, "JSON on standard output, for scripts");
    if (name == "version") return command;
    command->add_option("--url", invocation.url, "The server's address, instead of BETEDGE_URL")
        ->type_name("URL");
    return command;
  }

  void add_timeout(CLI::App* command) {
    command->add_option("--timeout", typed.timeout, "Wait no longer than this: 90s, 10m, 2h")
        ->type_name("TIME");
  }

  // What is to be downloaded: `betedge option …`, `betedge plan option …`
  CLI::App* add_download(CLI::App& parent, const std::string& name, std::string_view examples) {
    auto* const command = add_to(parent, name, examples);
    if (name == "earnings") {
      command->add_option("START", typed.start, "The first month: 2024-01 or 202401")->required();
      command->add_option("END", typed.end, "The last month; left out: one month only");
    } else {
      command->add_option("ROOT", typed.root, "The underlying's symbol: AAPL")->required();
      command->add_option("START", typed.start, "The first day: 2024-01-01 or 20240101")
          ->required();
      command->add_option("END", typed.end, "The last day; left out: one day only");
      add_what(command, name == "option" ? "15m" : "1m");
    }
    command->add_flag("--force", typed.force, "Download again what is there already");
    return command;
  }

  // Which rows of a root.
  void add_what(CLI::App* command, const std::string& usual_interval) {
    command->add_option("--schema", typed.schema, "quote, ohlc or eod [quote]")->type_name("WHAT");
    command
        ->add_option("--interval", typed.interval,
                     "Distance of quotes, length of bars: 1m, 15m, 1h [" + usual_interval + "]")
        ->type_name("TIME");
    command->add_option("--start-time", typed.start_time, "Of each day, in New York: 09:30")
        ->type_name("TIME");
    command->add_option("--end-time", typed.end_time, "Of each day, in New York: 16:00")
        ->type_name("TIME");
    command->add_option("--format", typed.format, "parquet or ipc (Arrow) [parquet]")
        ->type_name("FORMAT");
  }

  void add_series(CLI::App* command) {
    command->add_option("ROOT", typed.root, "The underlying's symbol: AAPL; earnings have none");
    command->add_option("--kind", typed.kind, "option, stock or earnings [option]")
        ->type_name("KIND");
    add_what(command, "option 15m, stock 1m");
    command
        ->add_option("--from", typed.start,
                     "The first day: 2024-01-01 (earnings: a month) [the "
                     "first that lies there]")
        ->type_name("DATE");
    command->add_option("--to", typed.end, "The last day [the last session that is over]")
        ->type_name("DATE");
  }

  void add_how_to_submit(CLI::App* command) {
    command->add_flag("--wait", submit.wait, "Follow the job until it has ended");
    add_timeout(command);
  }

  // Reads what was typed into what it means.
  Typed<void> finish(const std::string& name) {
    const auto timeout = [this]() -> Typed<std::optional<std::chrono::milliseconds>> {
      if (typed.timeout.empty()) return std::nullopt;
      BETEDGE_TRY(const auto time, read_duration(typed.timeout));
      return time;
    };
    if (name == "option" || name == "stock" || name == "earnings") {
      BETEDGE_TRY_VOID(name == "earnings" ? finish_earnings() : finish_submit(name));
      BETEDGE_TRY(submit.timeout, timeout());
      if (submit.timeout && !submit.wait) {
        return std::unexpected("--timeout is for waiting: add --wait");
      }
      invocation.command = submit;
    } else if (name == "plan") {
      const auto kind = planning->get_subcommands().front()->get_name();
      BETEDGE_TRY_VOID(kind == "earnings" ? finish_earnings() : finish_submit(kind));
      invocation.command = PlanCommand{submit.kind, submit.form};
    } else if (name == "watch") {
      invocation.command = WatchCommand{};
    } else if (name == "cancel") {
      invocation.command = cancel;
    } else if (name == "retry") {
      BETEDGE_TRY(retry.timeout, timeout());
      if (retry.timeout && !retry.wait) {
        return std::unexpected("--timeout is for waiting: add --wait");
      }
      invocation.command = retry;
    } else if (name == "ls") {
      invocation.command = list;
    } else if (name == "completion") {
      invocation.command = completion;
    } else if (name == "cat") {
      invocation.command = cat;
    } else if (name == "wait") {
      BETEDGE_TRY(wait.timeout, timeout());
      invocation.command = wait;
    } else if (name == "jobs") {
      invocation.command = jobs;
    } else if (name == "job") {
      invocation.command = job;
    } else if (name == "coverage") {
      BETEDGE_TRY(auto query, series(name));
      invocation.command = CoverageCommand{std::move(query)};
    } else if (name == "fill") {
      BETEDGE_TRY(auto query, series(name));
      if (!query) return std::unexpected("of what? Name a ROOT, or say --kind earnings");
      fill.query = *std::move(query);
      BETEDGE_TRY(fill.timeout, timeout());
      if (fill.timeout && !fill.wait) {
        return std::unexpected("--timeout is for waiting: add --wait");
      }
      if (fill.wait && fill.dry_run) {
        return std::unexpected("--dry-run submits nothing that --wait could wait for");
      }
      invocation.command = fill;
    } else if (name == "verify") {
      invocation.command = verify;
    } else {
      invocation.command = VersionCommand{};
    }
    return {};
  }

  Typed<void> finish_submit(const std::string& name) {
    auto& form = submit.form;
    submit.kind = name == "option" ? Kind::option : Kind::stock;
    form.root = typed.root;
    BETEDGE_TRY(form.start_date, read_date(typed.start));
    BETEDGE_TRY(form.end_date, read_date(typed.end.empty() ? typed.start : typed.end));
    if (form.end_date < form.start_date) {
      return std::unexpected(
          fmt::format("the last day ({}) is before the first ({})", typed.end, typed.start));
    }
    BETEDGE_TRY_VOID(finish_what(form));
    if (typed.force) form.force_refresh = true;
    return {};
  }

  // Of a submit's form or a coverage's query, which call them alike.
  template <class Form>
  Typed<void> finish_what(Form& form) {
    if (!typed.schema.empty()) {
      if (!parse_schema(typed.schema))
        return unknown(typed.schema, "a schema", {"quote", "ohlc", "eod"});
      form.schema = typed.schema;
    }
    if (!typed.format.empty()) {
      if (!parse_file_format(typed.format))
        return unknown(typed.format, "a format", {"parquet", "ipc"});
      form.return_format = typed.format;
    }
    if (!typed.interval.empty()) {
      BETEDGE_TRY(const auto interval, read_interval(typed.interval));
      form.interval_ms = interval.count();
    }
    if (!typed.start_time.empty()) {
      BETEDGE_TRY(const auto time, read_time_of_day(typed.start_time));
      form.start_time_ms = time.count();
    }
    if (!typed.end_time.empty()) {
      BETEDGE_TRY(const auto time, read_time_of_day(typed.end_time));
      form.end_time_ms = time.count();
    }
    return {};
  }

  // The series of `coverage` and `fill`; nullopt: nothing was said that would name one.
  Typed<std::optional<wire::CoverageQuery>> series(const std::string& command) {
    wire::CoverageQuery query;
    query.kind = typed.kind.empty() ? "option" : typed.kind;
    query.root = typed.root;
    const auto kind = parse_kind(query.kind);
    if (!kind) return unknown(typed.kind, "a kind", {"option", "stock", "earnings"});
    const bool is_of_root = *kind != Kind::earnings;
    const bool says_what = !typed.schema.empty() || !typed.interval.empty() ||
                           !typed.start_time.empty() || !typed.end_time.empty();
    if (!is_of_root && !typed.root.empty()) {
      return std::unexpected(
          fmt::format("earnings are of all companies: leave out {}", harmless(typed.root)));
    }
    if (!is_of_root && says_what) {
      return std::unexpected("earnings have no schema, interval or times of day");
    }
    if (is_of_root && typed.root.empty()) {
      const bool says_anything = says_what || !typed.kind.empty() || !typed.format.empty() ||
                                 !typed.start.empty() || !typed.end.empty();
      if (says_anything) {
        return std::unexpected(fmt::format("of what? Name a ROOT: betedge {} AAPL", command));
      }
      return std::nullopt;
    }
    const auto read = is_of_root ? read_date : read_month;
    if (!typed.start.empty()) {
      BETEDGE_TRY(query.start_date, read(typed.start));
    }
    if (!typed.end.empty()) {
      BETEDGE_TRY(query.end_date, read(typed.end));
    }
    if (query.start_date && query.end_date && *query.end_date < *query.start_date) {
      return std::unexpected(
          fmt::format("--to ({}) is before --from ({})", typed.end, typed.start));
    }
    BETEDGE_TRY_VOID(finish_what(query));
    return query;
  }

  Typed<void> finish_earnings() {
    auto& form = submit.form;
    submit.kind = Kind::earnings;
    BETEDGE_TRY(form.start_date, read_month(typed.start));
    BETEDGE_TRY(form.end_date, read_month(typed.end.empty() ? typed.start : typed.end));
    if (form.end_date < form.start_date) {
      return std::unexpected(
          fmt::format("the last month ({}) is before the first ({})", typed.end, typed.start));
    }
    if (typed.force) form.force_refresh = true;
    return {};
  }

  static std::unexpected<std::string> unknown(std::string_view text, std::string_view what,
                                              std::initializer_list<std::string_view> known) {
    return std::unexpected(
        fmt::format("'{}' is not {}: write {}", harmless(text), what, fmt::join(known, ", ")));
  }
};

Told usage_error(std::string_view command, std::string_view why) {
  const auto name = command.empty() ? "betedge" : fmt::format("betedge {}", command);
  return Told{kUsage, {}, fmt::format("{}: {}\nTry '{} --help'.\n", name, why, name)};
}

}  // namespace

std::string help_text() {
  return std::string(kBegin) + std::string(kFirstHelp);
}

std::string full_help_text() {
  auto text = std::string(kBegin);
  for (const auto& [name, summary] : kCommands) {
    text += fmt::format("  betedge {:<10} {}\n", name, summary);
  }
  return text + std::string(kEnvironment);
}

std::expected<Invocation, Told> parse_arguments(const std::vector<std::string>& given) {
  auto arguments = given;
  if (arguments.empty()) return std::unexpected(Told{kUsage, {}, help_text()});
  if (arguments.front() == "help") {  // "betedge help option"
    arguments.erase(arguments.begin());
    if (!arguments.empty() && arguments.front() == "--all") {
      arguments = {"--help", "--all"};
    } else if (!arguments.empty()) {
      arguments = {arguments.front(), "--help"};
    }
  }
  if (arguments.empty() || arguments.front() == "--help" || arguments.front() == "-h") {
    if (arguments.size() == 2 && arguments[1] == "--all") {
      return std::unexpected(Told{kOk, full_help_text(), {}});
    }
    return std::unexpected(Told{kOk, help_text(), {}});
  }
  if (arguments.front() == "--version") arguments.front() = "version";

  const auto name = arguments.front();
  // The others are run before this is asked (cli.cpp).
  const auto others = {std::string_view{"serve"}, std::string_view{"sim"},
                       std::string_view{"config"}, std::string_view{"token"},
                       std::string_view{"doctor"}};
  const bool is_known = std::ranges::find(kCommands, name, &CommandLine::name) != kCommands.end() &&
                        std::ranges::find(others, name) == others.end();
  if (!is_known) {
    std::vector<std::string_view> names{"help"};
    for (const auto& command : kCommands) names.push_back(command.name);
    const auto meant = nearest(name, names);
    const auto hint = meant.empty() ? std::string{} : fmt::format("; did you mean '{}'?", meant);
    return std::unexpected(
        usage_error("", fmt::format("there is no command '{}'{}", harmless(name), hint)));
  }

  Parser parser;
  try {
    std::ranges::reverse(arguments);  // as CLI11 wants them
    parser.app.parse(arguments);
  } catch (const CLI::CallForHelp&) {
    return std::unexpected(Told{kOk, parser.app.get_subcommand(name)->help("betedge"), {}});
  } catch (const CLI::ParseError& error) {
    return std::unexpected(usage_error(name, harmless(error.what())));
  }
  parser.invocation.name = name;
  if (const auto read = parser.finish(name); !read) {
    return std::unexpected(usage_error(name, read.error()));
  }
  return parser.invocation;
}

}  // namespace betedge::cli
