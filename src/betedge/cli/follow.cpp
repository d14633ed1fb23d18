#include "betedge/cli/follow.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <vector>

#include "betedge/cli/exit_code.hpp"
#include "betedge/cli/job_words.hpp"
#include "betedge/cli/progress.hpp"
#include "betedge/cli/voice.hpp"
#include "betedge/cli/words.hpp"
#include "betedge/ports/async.hpp"

namespace betedge::cli {

namespace {

constexpr std::size_t kFailuresShown = 10;
constexpr std::size_t kJobsWatched = 50;
constexpr auto kRedrawEvery = std::chrono::milliseconds{500};
constexpr auto kPlainLineEvery = std::chrono::seconds{5};

std::string failure_line(const wire::ItemView& item) {
  const auto why = item.error.empty() ? std::string("no reason given") : harmless(item.error);
  return fmt::format("  {}: {}\n", harmless(item.key), why);
}

// A line on standard error that is drawn again and again, or now and then a line below another.
class Watch {
 public:
  explicit Watch(Workplace& workplace) : workplace_(workplace), looks_(workplace.console.looks()) {}

  void progress(const sdk::JobInfo& job) {
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

// The jobs that have not ended, the newest last.
Task<sdk::Outcome<std::vector<sdk::JobInfo>>> active_jobs(Workplace& workplace) {
  std::vector<sdk::JobInfo> active;
  for (const auto* const status : {"pending", "running"}) {
    sdk::JobFilter filter{.status = status, .limit = kJobsWatched};
    auto jobs = co_await workplace.server.jobs(std::move(filter), workplace.stop);
    if (!jobs) co_return std::unexpected(std::move(jobs).error());
    for (auto& job : *jobs) active.push_back(std::move(job));
  }
  std::ranges::sort(active, {}, [](const sdk::JobInfo& job) { return job.view.created_at; });
  co_return active;
}

std::string ended_line(const wire::JobView& job) {
  auto text = fmt::format("{}  {}", job.job_id, state_in_words(job));
  if (const auto outcomes = outcomes_text(job.items); !outcomes.empty()) text += ": " + outcomes;
  return text + "\n";
}

// What `watch` shows of many jobs.
class Board {
 public:
  Board(Workplace& workplace, bool json) : workplace_(workplace), json_(json) {}

  void show(const std::vector<sdk::JobInfo>& jobs) {
    erase();
    const auto looks = workplace_.console.looks();
    for (const auto& job : jobs) {
      auto& seen = seen_[job.view.job_id];
      const auto progress = seen.speed.look(job.view, workplace_.runtime.steady_now());
      if (json_) {
        if (seen.json != job.json) workplace_.console.out(job.json + "\n");
      } else if (looks.animate) {
        const auto columns = std::max<std::size_t>(workplace_.console.columns(), 2) - 1;
        const auto room = columns - std::min<std::size_t>(columns, job.view.job_id.size() + 2);
        const auto line = job.view.job_id + "  " +
                          bar_line(progress, room, BarStyle{looks.color_err, looks.unicode});
        workplace_.console.err((room == 0 ? cut(line, columns, looks.unicode) : line) + "\n");
        ++drawn_;
      } else if (seen.completed != job.view.completed || seen.json.empty()) {
        workplace_.console.err(job.view.job_id + "  " + plain_line(progress) + "\n");
      }
      seen.json = job.json;
      seen.completed = job.view.completed;
    }
  }

  void ended(const sdk::JobInfo& job) {
    erase();
    seen_.erase(job.view.job_id);
    workplace_.console.out(json_ ? job.json + "\n" : ended_line(job.view));
  }
  void forget(const std::string& id) { seen_.erase(id); }

  // Those shown before that are not among these.
  std::vector<std::string> gone(const std::vector<sdk::JobInfo>& jobs) const {
    std::vector<std::string> ids;
    for (const auto& [id, seen] : seen_) {
      const auto is_it = [&id](const sdk::JobInfo& job) { return job.view.job_id == id; };
      if (std::ranges::none_of(jobs, is_it)) ids.push_back(id);
    }
    return ids;
  }

 private:
  struct Seen {
    Speed speed;
    std::string json;
    std::uint64_t completed = 0;
  };
  void erase() {
    if (drawn_ > 0) workplace_.console.err(fmt::format("\r\x1b[{}A\x1b[J", drawn_));
    drawn_ = 0;
  }

  Workplace& workplace_;
  bool json_;
  std::map<std::string, Seen> seen_;
  std::size_t drawn_ = 0;
};

}  // namespace

Task<int> watch(Workplace& workplace, Invocation invocation) {
  Board board(workplace, invocation.json);
  while (true) {
    const auto jobs = co_await active_jobs(workplace);
    if (!jobs && jobs.error().problem != sdk::Problem::stopped) {
      co_return complain(workplace, invocation, jobs.error());
    }
    if (jobs) {
      for (const auto& id : board.gone(*jobs)) {
        const auto job = co_await workplace.server.job(id, workplace.stop);
        if (job && job->view.has_ended()) board.ended(*job);
        if (!job && job.error().problem == sdk::Problem::not_found) board.forget(id);  // deleted
      }
      board.show(*jobs);
      if (jobs->empty() && board.gone(*jobs).empty()) {
        workplace.console.err("No job is left to watch.\n");
        co_return kOk;
      }
    }
    if (!jobs || !co_await sleep_for(workplace.runtime, kRedrawEvery, workplace.stop)) {
      workplace.console.err("Interrupted. The jobs go on; 'betedge watch' shows them again.\n");
      co_return kInterrupted;
    }
  }
}

Task<int> follow(Workplace& workplace, std::string id,
                 std::optional<std::chrono::milliseconds> timeout, Invocation invocation) {
  Watch watch(workplace);
  std::string last_json;
  sdk::WaitOptions options;
  options.timeout = timeout;
  // A bar that stands for seconds looks dead; a log file can wait.
  if (workplace.console.looks().animate) options.longest_delay = kRedrawEvery;
  options.on_progress = [&watch, &last_json](const sdk::JobInfo& job) {
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
  const auto come_back = fmt::format(
      "The job goes on; come back to it with: betedge wait {0}\n"
      "or give it up with: betedge cancel {0}\n",
      id);
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
    case sdk::Problem::job_failed:
    case sdk::Problem::job_cancelled:
    case sdk::Problem::partial:
    case sdk::Problem::garbled: complain(workplace, invocation, outcome.error()); break;
  }
  co_return exit_code_of(outcome.error().problem);
}

Task<int> follow_accepted(Workplace& workplace, wire::AcceptedView accepted, bool wait,
                          std::optional<std::chrono::milliseconds> timeout, Invocation invocation) {
  const auto id = accepted.job_id;
  Voice voice(workplace.console, invocation.json);
  voice.say(fmt::format("Job {} accepted\n", colored(id, "1", voice.color())));
  if (wait) co_return co_await follow(workplace, id, timeout, std::move(invocation));
  if (invocation.json) {
    workplace.console.out(
        fmt::format("{{\"job_id\":\"{}\",\"status_url\":\"{}\"}}\n", id, accepted.status_url));
  }
  voice.say(fmt::format("Follow it with: betedge wait {}\n", id));
  co_return kOk;
}

}  // namespace betedge::cli
