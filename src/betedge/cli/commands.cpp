#include "betedge/cli/commands.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "betedge/cli/exit_code.hpp"
#include "betedge/cli/progress.hpp"
#include "betedge/cli/words.hpp"

namespace betedge::cli {

ExitCode exit_code_of(sdk::Problem problem) {
  switch (problem) {
    case sdk::Problem::refused: return kUsage;
    case sdk::Problem::unauthorized: return kDenied;
    case sdk::Problem::not_found: return kNotFound;
    case sdk::Problem::unavailable: return kUnavailable;
    case sdk::Problem::server_failed:
    case sdk::Problem::garbled: return kFailed;
    case sdk::Problem::timeout: return kTimeout;
    case sdk::Problem::stopped: return kInterrupted;
  }
  std::unreachable();
}

ExitCode exit_code_of(const wire::JobView& job) {
  if (job.status != JobStatus::completed) return kFailed;
  return job.items.failed > 0 || job.state == "completed_with_errors" ? kPartial : kOk;
}

namespace {

constexpr std::size_t kFailuresShown = 10;
constexpr std::size_t kPageOfItems = 1000;
constexpr auto kRedrawEvery = std::chrono::milliseconds{500};
constexpr auto kPlainLineEvery = std::chrono::seconds{5};

// Where text for people goes: standard error when standard output is JSON.
class Voice {
 public:
  Voice(Console& console, bool json) : console_(console), json_(json) {}
  void say(std::string_view text) {
    if (json_) {
      console_.err(text);
    } else {
      console_.out(text);
    }
  }
  bool color() const { return json_ ? console_.looks().color_err : console_.looks().color_out; }

 private:
  Console& console_;
  bool json_;
};

// "betedge option: …", and what to do.
int complain(Workplace& workplace, const Invocation& invocation, const sdk::Failure& failure) {
  const auto who = "betedge " + invocation.name;
  const auto why = harmless(failure.message);
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
      text = fmt::format("{}: {}. 'betedge jobs' lists those that there are.\n", who, why);
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
    case sdk::Problem::timeout: text = fmt::format("{}: {}.\n", who, why); break;
    case sdk::Problem::stopped: text = fmt::format("{}: interrupted.\n", who); break;
  }
  workplace.console.err(text);
  return exit_code_of(failure.problem);
}

std::string state_color(const wire::JobView& job) {
  if (job.state == "completed") return "32";
  if (job.state == "completed_with_errors") return "33";
  return job.status == JobStatus::failed ? "31" : "36";
}

std::string state_in_words(const wire::JobView& job) {
  auto words = harmless(job.state);
  std::ranges::replace(words, '_', ' ');
  return words;
}

std::optional<std::chrono::seconds> time_taken(const wire::JobView& job) {
  const auto from = read_timestamp(job.started_at.value_or(job.created_at));
  const auto to = read_timestamp(job.finished_at.value_or(""));
  if (!from || !to || *to < *from) return std::nullopt;
  return std::chrono::round<std::chrono::seconds>(*to - *from);
}

// "1,234,567 rows, 84.1 MB"; empty when there is none of it.
std::string amounts(const wire::JobView& job) {
  if (job.rows == 0 && job.bytes == 0) return {};
  return fmt::format("{}, {}", counted(job.rows, "row"), size_text(static_cast<double>(job.bytes)));
}

std::string failure_line(const wire::ItemView& item) {
  const auto why = item.error.empty() ? std::string("no reason given") : harmless(item.error);
  return fmt::format("  {}: {}\n", harmless(item.key), why);
}

// A line on standard error that is drawn again and again, or now and then a line below another.
class Watch {
 public:
  explicit Watch(Workplace& workplace) : workplace_(workplace), looks_(workplace.console.looks()) {}

  void progress(const sdk::Job& job) {
    last_ = speed_.look(job.view, workplace_.runtime.steady_now());
    const bool had_ended = job.view.has_ended() && !said_anything_;
    if (had_ended && !looks_.animate) return;  // the summary says it all
    said_anything_ = true;
    show(job.view.has_ended());
  }

  void trouble(const sdk::Failure& failure) {
    if (!last_) last_.emplace();
    last_->note = "no answer from the server, trying again: " + harmless(failure.message);
    said_anything_ = true;
    show(false);
  }

  // The bar stays as it stands; what follows begins below it.
  void end() {
    if (drawn_columns_ > 0) workplace_.console.err("\n");
    drawn_columns_ = 0;
  }

 private:
  void show(bool is_last) {
    if (looks_.animate) {
      redraw();
      return;
    }
    const auto now = workplace_.runtime.steady_now();
    const bool is_due = !plain_line_at_ || now - *plain_line_at_ >= kPlainLineEvery ||
                        last_->note.empty() != last_note_was_empty_;
    if (!is_due && !is_last) return;
    plain_line_at_ = now;
    last_note_was_empty_ = last_->note.empty();
    workplace_.console.err(plain_line(*last_) + "\n");
  }

  void redraw() {
    // The last column stays free: some terminals wrap as soon as it is written.
    const auto columns = std::max<std::size_t>(workplace_.console.columns(), 2) - 1;
    const BarStyle style{looks_.color_err, looks_.unicode};
    workplace_.console.err(go_to_begin() + bar_line(*last_, columns, style) + "\x1b[K");
    const BarStyle plain{false, looks_.unicode};
    drawn_columns_ = columns_of(bar_line(*last_, columns, plain));
  }

  // A terminal that became narrower has broken our line into several.
  std::string go_to_begin() const {
    const auto columns = std::max<std::size_t>(workplace_.console.columns(), 1);
    const auto lines_above = drawn_columns_ == 0 ? 0 : (drawn_columns_ - 1) / columns;
    return lines_above == 0 ? "\r" : fmt::format("\r\x1b[{}A\x1b[J", lines_above);
  }

  Workplace& workplace_;
  Looks looks_;
  Speed speed_;
  std::optional<Progress> last_;
  bool said_anything_ = false;
  std::optional<SteadyTime> plain_line_at_;
  bool last_note_was_empty_ = true;
  std::size_t drawn_columns_ = 0;
};

// How the job ended, with what failed and what to do about it.
Task<void> summarise(Workplace& workplace, wire::JobView job, bool json) {
  Voice voice(workplace.console, json);
  const auto taken = time_taken(job);
  const auto in_time = taken ? " in " + clock_text(*taken) : std::string{};
  auto title = state_in_words(job);
  if (!title.empty() && title[0] >= 'a') title[0] = static_cast<char>(title[0] - 'a' + 'A');
  auto text = colored(title, "1;" + state_color(job), voice.color()) + in_time;
  if (job.status == JobStatus::failed && job.error_message) {
    text += ": " + harmless(*job.error_message);
  } else if (job.total == 0) {
    text += ": nothing to download";
  } else {
    text += ": " + counted(job.total, "item");
    if (const auto outcomes = outcomes_text(job.items); !outcomes.empty()) text += ", " + outcomes;
  }
  if (const auto how_much = amounts(job); !how_much.empty()) text += "; " + how_much;
  voice.say(text + "\n");

  for (const auto& warning : job.warnings) {
    workplace.console.err("Warning: " + harmless(warning) + "\n");
  }
  if (!job.not_yet_available.empty()) {
    const auto count = job.not_yet_available.size();
    voice.say(fmt::format("Not available yet: {} from {}. Ask again when {} over.\n",
                          counted(count, "day"), harmless(job.not_yet_available.front()),
                          count == 1 ? "it is" : "they are"));
  }
  if (job.items.failed == 0) co_return;

  sdk::ItemFilter filter{.state = "failed", .limit = kFailuresShown};
  const auto failed =
      co_await workplace.server.items(job.job_id, std::move(filter), workplace.stop);
  if (failed) {
    for (const auto& item : failed->items) voice.say(failure_line(item));
  }
  const std::uint64_t shown = failed ? failed->items.size() : 0;
  if (shown < job.items.failed) {
    voice.say(fmt::format("  and {} more: betedge job {} --items --state failed\n",
                          grouped(job.items.failed - shown), job.job_id));
  }
  voice.say("To try them again, give the same request again: what is there already is skipped.\n");
}

Task<int> follow(Workplace& workplace, std::string id,
                 std::optional<std::chrono::milliseconds> timeout, Invocation invocation) {
  Watch watch(workplace);
  std::string last_json;
  sdk::WaitOptions options;
  options.timeout = timeout;
  // A bar that stands for seconds looks dead; a log file can wait.
  if (workplace.console.looks().animate) options.longest_delay = kRedrawEvery;
  options.on_progress = [&watch, &last_json](const sdk::Job& job) {
    last_json = job.json;
    watch.progress(job);
  };
  options.on_trouble = [&watch](const sdk::Failure& failure) { watch.trouble(failure); };
  auto outcome =
      co_await workplace.server.wait_for_completion(id, std::move(options), workplace.stop);
  watch.end();
  if (invocation.json && !last_json.empty()) workplace.console.out(last_json + "\n");
  if (outcome) {
    co_await summarise(workplace, outcome->view, invocation.json);
    co_return exit_code_of(outcome->view);
  }
  const auto come_back =
      fmt::format("The job goes on; come back to it with: betedge wait {}\n", id);
  switch (outcome.error().problem) {
    case sdk::Problem::stopped: workplace.console.err("Interrupted. " + come_back); break;
    case sdk::Problem::timeout:
      complain(workplace, invocation, outcome.error());
      workplace.console.err(come_back);
      break;
    case sdk::Problem::refused:
    case sdk::Problem::unauthorized:
    case sdk::Problem::not_found:
    case sdk::Problem::unavailable:
    case sdk::Problem::server_failed:
    case sdk::Problem::garbled: complain(workplace, invocation, outcome.error()); break;
  }
  co_return exit_code_of(outcome.error().problem);
}

Task<int> submit(Workplace& workplace, SubmitCommand command, Invocation invocation) {
  auto accepted =
      co_await workplace.server.submit(command.kind, std::move(command.form), workplace.stop);
  if (!accepted) {
    const int code = complain(workplace, invocation, accepted.error());
    // A request that was sent and not answered may have been accepted.
    if (accepted.error().problem == sdk::Problem::stopped) {
      workplace.console.err("'betedge jobs' shows whether the request was accepted.\n");
    }
    co_return code;
  }
  const auto id = accepted->job_id;
  Voice voice(workplace.console, invocation.json);
  voice.say(fmt::format("Job {} accepted\n", colored(id, "1", voice.color())));
  if (command.wait) co_return co_await follow(workplace, id, command.timeout, invocation);
  if (invocation.json) {
    workplace.console.out(
        fmt::format("{{\"job_id\":\"{}\",\"status_url\":\"{}\"}}\n", id, accepted->status_url));
  }
  voice.say(fmt::format("Follow it with: betedge wait {}\n", id));
  co_return kOk;
}

// `wait`: a server that is not there at the beginning is not waited for; it may be the wrong one.
Task<int> wait_for(Workplace& workplace, WaitCommand command, Invocation invocation) {
  const auto there = co_await workplace.server.job(command.id, workplace.stop);
  if (!there) co_return complain(workplace, invocation, there.error());
  co_return co_await follow(workplace, there->view.job_id, command.timeout, invocation);
}

std::string age_of(const std::string& since, Timestamp now) {
  const auto time = read_timestamp(since);
  return time ? age_text(std::chrono::floor<std::chrono::seconds>(now - *time)) : "?";
}

Task<int> list_jobs(Workplace& workplace, JobsCommand command, Invocation invocation) {
  auto& console = workplace.console;
  sdk::JobFilter filter{.status = command.status, .limit = command.limit};
  const auto jobs = co_await workplace.server.jobs(std::move(filter), workplace.stop);
  if (!jobs) co_return complain(workplace, invocation, jobs.error());
  if (invocation.json) {
    for (const auto& job : *jobs) console.out(job.json + "\n");
    co_return kOk;
  }
  if (jobs->empty()) {
    console.err(command.status ? "No such jobs.\n"
                               : "No jobs yet. Start one: betedge option AAPL 2024-01-02 --wait\n");
    co_return kOk;
  }
  std::size_t widest = 6;
  for (const auto& job : *jobs) widest = std::max(widest, columns_of(state_in_words(job.view)));
  const auto looks = console.looks();
  const auto now = workplace.runtime.wall_now();
  const auto line = [&](const std::string& id, const std::string& state, std::string_view color,
                        std::string_view progress, std::string_view age, const std::string& words) {
    const auto padded = fmt::format("{:<{}}", state, widest);
    const auto begin = fmt::format("{:<36}  {}  {:>15}  {:>4}  ", id,
                                   colored(padded, color, looks.color_out), progress, age);
    const auto taken = 36 + 2 + widest + 2 + 15 + 2 + 4 + 2;
    const auto room = looks.out_is_terminal && console.columns() > taken + 10
                          ? console.columns() - taken
                          : std::string::npos;
    console.out(begin + cut(words, room, looks.unicode) + "\n");
  };
  line("JOB", "STATUS", "", "PROGRESS", "AGE", "REQUEST");
  for (const auto& job : *jobs) {
    const auto& view = job.view;
    const auto progress =
        fmt::format("{}/{} {:>3.0f}%", view.completed, view.total, std::floor(view.percentage));
    line(harmless(view.job_id), state_in_words(view), state_color(view), progress,
         age_of(view.created_at, now), request_text(view.request_json));
  }
  co_return kOk;
}

Task<int> list_items(Workplace& workplace, JobCommand command, Invocation invocation) {
  auto& console = workplace.console;
  sdk::ItemFilter filter{.state = command.state, .limit = kPageOfItems};
  bool is_first = true;
  while (true) {
    const auto page = co_await workplace.server.items(command.id, filter, workplace.stop);
    if (!page) co_return complain(workplace, invocation, page.error());
    if (invocation.json) {
      for (const auto& item : page->json) console.out(item + "\n");
    } else {
      if (is_first && !page->items.empty()) {
        console.out(fmt::format("{:<9}  {:>12}  {:>9}  {}\n", "STATE", "ROWS", "SIZE", "KEY"));
      }
      for (const auto& item : page->items) {
        const bool is_there = item.bytes > 0;
        auto text = fmt::format(
            "{:<9}  {:>12}  {:>9}  {}", to_text(item.state), is_there ? grouped(item.rows) : "",
            is_there ? size_text(static_cast<double>(item.bytes)) : "", harmless(item.key));
        for (const auto& remark : {item.error, item.note}) {
          if (!remark.empty()) text += "\n           " + harmless(remark);
        }
        console.out(text + "\n");
      }
    }
    is_first = false;
    if (!page->next_cursor || page->items.empty()) co_return kOk;
    filter.cursor = page->next_cursor;
  }
}

Task<int> show_job(Workplace& workplace, JobCommand command, Invocation invocation) {
  if (command.items) co_return co_await list_items(workplace, std::move(command), invocation);
  auto& console = workplace.console;
  const auto found = co_await workplace.server.job(command.id, workplace.stop);
  if (!found) co_return complain(workplace, invocation, found.error());
  if (invocation.json) {
    console.out(found->json + "\n");
    co_return kOk;
  }
  const auto& job = found->view;
  const bool color = console.looks().color_out;
  const auto now = workplace.runtime.wall_now();
  const auto line = [&console](std::string_view name, const std::string& text) {
    if (!text.empty()) console.out(fmt::format("  {:<11} {}\n", name, text));
  };
  const auto time = [](const std::optional<std::string>& text) {
    auto shown = harmless(text.value_or("")).substr(0, 19);  // to the second
    std::ranges::replace(shown, 'T', ' ');
    return shown.empty() ? shown : shown + " UTC";
  };
  console.out(fmt::format("Job {}\n", colored(job.job_id, "1", color)));
  line("request", request_text(job.request_json));
  line("status", colored(state_in_words(job), state_color(job), color) +
                     fmt::format(", {} of {} ({:.0f}%)", grouped(job.completed),
                                 counted(job.total, "item"), std::floor(job.percentage)));
  auto items = outcomes_text(job.items);
  for (const auto& [count, word] :
       {std::pair{job.items.running, "running"}, std::pair{job.items.pending, "to do"}}) {
    if (count > 0) items += fmt::format("{}{} {}", items.empty() ? "" : ", ", grouped(count), word);
  }
  line("items", items);
  line("data", amounts(job));
  line("created", fmt::format("{} ({} ago)", time(job.created_at), age_of(job.created_at, now)));
  line("started", time(job.started_at));
  const auto taken = time_taken(job);
  line("finished", time(job.finished_at) + (taken ? ", took " + clock_text(*taken) : ""));
  line("waiting for", colored(harmless(job.waiting_for.value_or("")), "33", color));
  line("error", colored(harmless(job.error_message.value_or("")), "31", color));
  std::string days;
  for (const auto& day : job.not_yet_available) days += (days.empty() ? "" : ", ") + harmless(day);
  line("not yet", days);
  for (const auto& warning : job.warnings) line("warning", harmless(warning));
  line("files", fmt::format("betedge job {} --items", job.job_id));
  co_return kOk;
}

}  // namespace

Task<int> execute(Workplace& workplace, Invocation invocation) {
  auto command = invocation.command;
  if (auto* const asked = std::get_if<SubmitCommand>(&command)) {
    co_return co_await submit(workplace, std::move(*asked), std::move(invocation));
  }
  if (auto* const asked = std::get_if<WaitCommand>(&command)) {
    co_return co_await wait_for(workplace, std::move(*asked), std::move(invocation));
  }
  if (auto* const asked = std::get_if<JobsCommand>(&command)) {
    co_return co_await list_jobs(workplace, std::move(*asked), std::move(invocation));
  }
  if (auto* const asked = std::get_if<JobCommand>(&command)) {
    co_return co_await show_job(workplace, std::move(*asked), std::move(invocation));
  }
  workplace.console.out(invocation.json ? "{\"version\":\"" BETEDGE_VERSION "\"}\n"
                                        : "betedge " BETEDGE_VERSION "\n");
  co_return kOk;
}

}  // namespace betedge::cli
