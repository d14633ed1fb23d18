#include "betedge/cli/commands.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "betedge/cli/completion.hpp"
#include "betedge/cli/exit_code.hpp"
#include "betedge/cli/follow.hpp"
#include "betedge/cli/job_words.hpp"
#include "betedge/cli/lake_commands.hpp"
#include "betedge/cli/voice.hpp"
#include "betedge/cli/words.hpp"

namespace betedge::cli {

namespace {

constexpr std::size_t kPageOfItems = 1000;
Task<int> submit(Workplace& workplace, SubmitCommand command, Invocation invocation) {
  auto accepted =
      co_await workplace.server.submit(command.kind, std::move(command.form), workplace.stop);
  if (!accepted) {
    const int code = complain(workplace, invocation, accepted.error());
    say_if_maybe_accepted(workplace, accepted.error());
    co_return code;
  }
  co_return co_await follow_accepted(workplace, *std::move(accepted), command.wait, command.timeout,
                                     std::move(invocation));
}

Task<int> plan(Workplace& workplace, PlanCommand command, Invocation invocation) {
  const auto plan =
      co_await workplace.server.plan(command.kind, std::move(command.form), workplace.stop);
  if (!plan) co_return complain(workplace, invocation, plan.error());
  if (invocation.json) {
    workplace.console.out(plan->json + "\n");
  } else {
    show_plan(workplace, plan->view);
  }
  co_return kOk;
}

Task<int> cancel(Workplace& workplace, CancelCommand command, Invocation invocation) {
  const auto job = co_await workplace.server.cancel(command.id, workplace.stop);
  if (!job) co_return complain(workplace, invocation, job.error());
  if (invocation.json) workplace.console.out(job->json + "\n");
  const auto& view = job->view;
  Voice voice(workplace.console, invocation.json);
  if (view.has_ended() && view.state != "cancelled") {
    voice.say(fmt::format("Job {} had ended already: {}\n", view.job_id, state_in_words(view)));
    co_return kOk;
  }
  voice.say(fmt::format("Job {} {}: {} of {} were done\n", view.job_id,
                        view.has_ended() ? "is cancelled" : "is being cancelled",
                        grouped(view.items.succeeded + view.items.skipped + view.items.no_data),
                        counted(view.total, "item")));
  co_return kOk;
}

Task<int> retry(Workplace& workplace, RetryCommand command, Invocation invocation) {
  const auto job = co_await workplace.server.retry_failed(command.id, workplace.stop);
  if (!job) co_return complain(workplace, invocation, job.error());
  const auto id = job->view.job_id;
  Voice voice(workplace.console, invocation.json);
  voice.say(fmt::format("Job {} tries its failed items again\n", id));
  if (command.wait) {
    co_return co_await follow(workplace, id, command.timeout, std::move(invocation));
  }
  if (invocation.json) workplace.console.out(job->json + "\n");
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
  if (auto* const asked = std::get_if<CoverageCommand>(&command)) {
    if (!asked->query) co_return co_await list_roots(workplace, std::move(invocation));
    co_return co_await show_coverage(workplace, *std::move(asked->query), std::move(invocation));
  }
  if (auto* const asked = std::get_if<FillCommand>(&command)) {
    co_return co_await fill(workplace, std::move(*asked), std::move(invocation));
  }
  if (auto* const asked = std::get_if<VerifyCommand>(&command)) {
    co_return co_await verify(workplace, std::move(*asked), std::move(invocation));
  }
  if (auto* const asked = std::get_if<PlanCommand>(&command)) {
    co_return co_await plan(workplace, std::move(*asked), std::move(invocation));
  }
  if (std::holds_alternative<WatchCommand>(command)) {
    co_return co_await watch(workplace, std::move(invocation));
  }
  if (auto* const asked = std::get_if<CancelCommand>(&command)) {
    co_return co_await cancel(workplace, std::move(*asked), std::move(invocation));
  }
  if (auto* const asked = std::get_if<RetryCommand>(&command)) {
    co_return co_await retry(workplace, std::move(*asked), std::move(invocation));
  }
  if (auto* const asked = std::get_if<ListCommand>(&command)) {
    co_return co_await list_objects(workplace, std::move(*asked), std::move(invocation));
  }
  if (auto* const asked = std::get_if<CatCommand>(&command)) {
    co_return co_await show_object(workplace, std::move(*asked), std::move(invocation));
  }
  if (const auto* const asked = std::get_if<CompletionCommand>(&command)) {
    workplace.console.out(std::string(completion_script(asked->shell).value()));
    co_return kOk;
  }
  workplace.console.out(invocation.json ? "{\"version\":\"" BETEDGE_VERSION "\"}\n"
                                        : "betedge " BETEDGE_VERSION "\n");
  co_return kOk;
}

}  // namespace betedge::cli
