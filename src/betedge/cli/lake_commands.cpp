#include "betedge/cli/lake_commands.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <variant>
#include <vector>

#include "betedge/cli/calendar.hpp"
#include "betedge/cli/exit_code.hpp"
#include "betedge/cli/follow.hpp"
#include "betedge/cli/voice.hpp"
#include "betedge/cli/words.hpp"
#include "betedge/wire/python_json.hpp"

namespace betedge::cli {

namespace {

constexpr std::size_t kStretchesShown = 20;
constexpr std::size_t kKeysShown = 10;
constexpr std::size_t kPageOfObjects = 1000;
constexpr auto kPlainLineEvery = std::chrono::seconds{5};

// "2024-01-02"; as it is when it is no day.
std::string day_text(const std::string& yyyymmdd) {
  const auto date = parse_yyyymmdd(yyyymmdd);
  return date ? to_iso_text(*date) : harmless(yyyymmdd);
}

std::string span_text(const std::string& first, const std::string& last) {
  return first == last ? day_text(first) : day_text(first) + " to " + day_text(last);
}

// "AAPL option quote 15m", "earnings"
std::string series_text(const wire::Coverage& coverage) {
  if (!coverage.root) return harmless(coverage.kind);
  auto text = fmt::format("{} {} {}", harmless(*coverage.root), harmless(coverage.kind),
                          harmless(coverage.schema.value_or("")));
  if (coverage.interval_ms) {
    text += " " + interval_label(std::chrono::milliseconds{*coverage.interval_ms});
  }
  return text;
}

// How the same series is asked for by another command: what the server took for granted is said.
std::string arguments_of(const wire::CoverageQuery& query, const wire::Coverage& coverage) {
  std::string text;
  if (coverage.root) text += " " + *coverage.root;
  text += " --kind " + coverage.kind;
  if (coverage.schema && coverage.root) text += " --schema " + *coverage.schema;
  if (coverage.interval_ms) {
    text += " --interval " + interval_label(std::chrono::milliseconds{*coverage.interval_ms});
  }
  if (query.start_time_ms) text += fmt::format(" --start-time {}", *query.start_time_ms);
  if (query.end_time_ms) text += fmt::format(" --end-time {}", *query.end_time_ms);
  if (query.start_date) text += " --from " + *query.start_date;
  if (query.end_date) text += " --to " + *query.end_date;
  if (coverage.return_format != "parquet") text += " --format " + coverage.return_format;
  return harmless(text);
}

// 100% is said only when all is there.
std::string share_text(std::size_t part, std::size_t whole) {
  if (whole == 0) return "100%";
  if (part == whole) return "100%";
  return fmt::format(
      "{:.1f}%", std::min(99.9, 100.0 * static_cast<double>(part) / static_cast<double>(whole)));
}

void say_stretches(Console& console, const std::vector<Stretch>& stretches) {
  const auto looks = console.looks();
  const auto shown = std::min(stretches.size(), kStretchesShown);
  const auto widest_of = [&](auto text) {
    std::size_t widest = 0;
    for (std::size_t i = 0; i < shown; ++i) widest = std::max(widest, text(stretches[i]).size());
    return widest;
  };
  const auto days = [](const Stretch& stretch) { return span_text(stretch.first, stretch.last); };
  const auto what = [](const Stretch& stretch) {
    return fmt::format("{} {}", grouped(stretch.sessions), words_of(stretch.state));
  };
  const auto width = widest_of(days), count = widest_of(what);
  for (std::size_t i = 0; i < shown; ++i) {
    const auto& stretch = stretches[i];
    auto why = harmless(stretch.reason);
    std::ranges::replace(why, '_', ' ');
    auto line =
        fmt::format("  {:<{}}  {:<{}}  {}", days(stretch), width, what(stretch), count, why);
    line.erase(line.find_last_not_of(' ') + 1);
    console.out(cut(line, looks.out_is_terminal ? console.columns() : line.size(), looks.unicode) +
                "\n");
  }
  if (shown < stretches.size()) {
    console.out(
        fmt::format("  and {} more; --json has all of them\n", grouped(stretches.size() - shown)));
  }
}

void draw_coverage(Console& console, const wire::CoverageQuery& query,
                   const wire::Coverage& coverage) {
  const auto looks = console.looks();
  const BarStyle style{looks.color_out, looks.unicode};
  // The last column stays free: some terminals wrap as soon as it is written.
  const auto columns = std::max<std::size_t>(console.columns(), 2) - 1;
  const auto sessions = sessions_of(coverage.counts), settled = settled_of(coverage.counts);
  console.out(fmt::format(
      "{}, {}\n{} complete: {} of {}\n", colored(series_text(coverage), "1", looks.color_out),
      span_text(*coverage.start_date, *coverage.end_date), share_text(settled, sessions),
      grouped(settled), counted(sessions, "session")));
  if (sessions == 0) return;
  console.out("\n" + calendar(coverage, columns, style) + "\n" +
              legend(coverage.counts, columns, style));
  if (const auto oddities = oddities_of(coverage); !oddities.empty()) {
    console.out("\nWithout data, and why\n");
    say_stretches(console, oddities);
  }
  const auto gaps = gaps_of(coverage);
  if (gaps.empty()) return;
  console.out("\nGaps\n");
  say_stretches(console, gaps);
  console.out(fmt::format("Fill them with: betedge fill{}\n", arguments_of(query, coverage)));
}

// Lines below each other on a terminal's standard output, with one that is drawn again and again
// below them on standard error; elsewhere that one comes now and then.
class Ticker {
 public:
  explicit Ticker(Workplace& workplace)
      : console_(workplace.console),
        runtime_(workplace.runtime),
        said_at_(workplace.runtime.steady_now()) {}

  void out(const std::string& line) {
    end();
    console_.out(line);
  }
  void tick(const std::string& line) {
    const auto looks = console_.looks();
    if (looks.animate) {
      const auto columns = std::max<std::size_t>(console_.columns(), 2) - 1;
      console_.err("\r" + cut(line, columns, looks.unicode) + "\x1b[K");
      is_drawn_ = true;
      return;
    }
    const auto now = runtime_.steady_now();
    if (now - said_at_ < kPlainLineEvery) return;
    said_at_ = now;
    console_.err(line + "\n");
  }
  void end() {
    if (is_drawn_) console_.err("\r\x1b[K");
    is_drawn_ = false;
  }

 private:
  Console& console_;
  Runtime& runtime_;
  SteadyTime said_at_;
  bool is_drawn_ = false;
};

std::string_view color_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::missing:
    case Verdict::torn:
    case Verdict::changed:
    case Verdict::foreign: return "31";
    case Verdict::unknown: return "33";
  }
  std::unreachable();
}

// Shows a verification line by line.
class Verification {
 public:
  Verification(Workplace& workplace, bool json)
      : console_(workplace.console), json_(json), ticker_(workplace) {
    tick(0);  // something to look at while the first objects are read
  }

  void line(const wire::VerifyLine& line, const std::string& json) {
    if (const auto* const difference = std::get_if<wire::Difference>(&line)) {
      ++differences_;
      ticker_.out(json_ ? json + "\n" : text_of(*difference));
    } else if (const auto* const progress = std::get_if<wire::VerifyProgress>(&line)) {
      tick(progress->checked);
    } else if (json_) {  // the end, whichever
      ticker_.out(json + "\n");
    }
  }
  void end() { ticker_.end(); }

  // What the end says, and what to do; the exit status.
  int summarise(const wire::VerifyEnd& end, const VerifyCommand& command) {
    Voice voice(console_, json_);
    std::string found;
    std::uint64_t to_repair = 0;
    for (const auto verdict : kVerdicts) {
      const auto count = end.differences.of(verdict);
      if (count == 0) continue;
      found += fmt::format(", {}", colored(fmt::format("{} {}", grouped(count), to_text(verdict)),
                                           color_of(verdict), voice.color()));
      if (verdict != Verdict::unknown) to_repair += count;
    }
    voice.say(fmt::format("{} checked: {} sound{}\n", counted(end.checked, "object"),
                          end.sound == end.checked && end.sound > 0 ? "all" : grouped(end.sound),
                          found));
    if (command.repair) {
      for (const auto& job : end.repair_jobs) {
        voice.say(
            fmt::format("Repaired by a job; follow it with: betedge wait {}\n", harmless(job)));
      }
      if (end.repair_jobs.empty() && to_repair > 0) {
        voice.say("None of it has a key that could be downloaded again.\n");
      }
    } else if (to_repair > 0) {
      voice.say(fmt::format("Download {} again with: betedge verify {}{}--repair\n",
                            to_repair == 1 ? "it" : "them", harmless(command.prefix),
                            command.prefix.empty() ? "" : " "));
    }
    return found.empty() ? kOk : kPartial;
  }

 private:
  void tick(std::uint64_t checked) {
    ticker_.tick(fmt::format("{} checked, {}", counted(checked, "object"),
                             counted(differences_, "difference")));
  }
  std::string text_of(const wire::Difference& difference) const {
    const auto verdict = fmt::format("{:<7}", to_text(difference.verdict));
    return fmt::format("{}  {}  {}\n",
                       colored(verdict, color_of(difference.verdict), console_.looks().color_out),
                       harmless(difference.key), harmless(difference.detail));
  }

  Console& console_;
  bool json_;
  Ticker ticker_;
  std::uint64_t differences_ = 0;
};

// Without its end of line.
std::string json_of(const wire::VerifyLine& line) {
  auto json = wire::verify_line_json(line);
  if (json.ends_with('\n')) json.pop_back();
  return json;
}

Task<int> verify_here(Workplace& workplace, VerifyCommand command, bool json) {
  Verification shown(workplace, json);
  LocalVerification asked;
  asked.prefix = command.prefix;
  asked.on_open = [&workplace](const std::string& lake) {
    workplace.console.err(fmt::format("No server runs at {}; reading {} without one.\n",
                                      workplace.server.url(), harmless(lake)));
  };
  asked.on_line = [&shown](const wire::VerifyLine& line) { shown.line(line, json_of(line)); };
  asked.stop = workplace.stop;
  const auto end = co_await workplace.verify_here(workplace.runtime, std::move(asked));
  shown.end();
  if (!end) {
    const bool is_stopped = end.error().code == ErrorCode::cancelled;
    workplace.console.err(fmt::format("betedge verify: {}.\n",
                                      is_stopped ? "interrupted" : harmless(end.error().message)));
    co_return is_stopped ? kInterrupted : kFailed;
  }
  shown.line(*end, json_of(*end));
  co_return shown.summarise(*end, command);
}

void say_nothing_to_fill(Voice& voice, const core::DayCounts& counts) {
  voice.say(fmt::format("Nothing to fill: {} of {} are there, {} have no data\n",
                        grouped(counts.of(DayState::present)),
                        counted(sessions_of(counts), "session"),
                        grouped(counts.of(DayState::no_data))));
}

// A cell of numbers stands to the right.
bool is_number(std::string_view text) {
  return text.find_first_not_of("0123456789.+-eE") == std::string_view::npos;
}

std::string json_of(const FirstRows& found, const std::vector<std::string>& row) {
  std::string line = "{";
  for (std::size_t i = 0; i < row.size(); ++i) {
    line += fmt::format("{}{}:{}", i == 0 ? "" : ",", wire::quoted(found.columns[i]),
                        row[i].empty() ? std::string("null") : wire::quoted(row[i]));
  }
  return line + "}\n";
}

void draw_rows(Console& console, const FirstRows& found) {
  const auto looks = console.looks();
  std::vector<std::size_t> widths(found.columns.size());
  std::vector<bool> is_right(found.columns.size(), true);
  for (std::size_t i = 0; i < widths.size(); ++i) {
    widths[i] = columns_of(found.columns[i]);
    for (const auto& row : found.rows) {
      widths[i] = std::max(widths[i], columns_of(row[i]));
      is_right[i] = is_right[i] && is_number(row[i]);
    }
  }
  const auto draw = [&](const std::vector<std::string>& cells) {
    std::string line;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const auto text = harmless(cells[i]);
      const std::string padding(widths[i] - std::min(widths[i], columns_of(text)), ' ');
      line += (i == 0 ? "" : "  ") + (is_right[i] ? padding + text : text + padding);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    const auto room = looks.out_is_terminal ? console.columns() : columns_of(line);
    console.out(cut(line, room, looks.unicode) + "\n");
  };
  draw(found.columns);
  for (const auto& row : found.rows) draw(row);
}

}  // namespace

void show_plan(Workplace& workplace, const wire::DryRunView& plan) {
  auto& console = workplace.console;
  std::size_t to_fill = 0;
  for (const auto& item : plan.items) to_fill += item.is_there ? 0 : 1;
  if (to_fill == 0) {
    console.out(
        plan.items.empty()
            ? std::string("Nothing to download\n")
            : fmt::format("Nothing to download: {} there already\n",
                          plan.items.size() == 1
                              ? std::string("the object is")
                              : fmt::format("all {} are", counted(plan.items.size(), "object"))));
    return;
  }
  auto text = fmt::format("Would download {} by {}", counted(to_fill, "object"),
                          counted(plan.calls, "upstream call"));
  if (plan.bytes) text += ", about " + size_text(*plan.bytes);
  if (plan.seconds) {
    text += ", in about " +
            clock_text(std::chrono::seconds{static_cast<std::int64_t>(*plan.seconds + 0.5)});
  }
  console.out(text + "\n");
  std::size_t shown = 0;
  for (const auto& item : plan.items) {
    if (item.is_there) continue;
    if (shown++ == kKeysShown) break;
    console.out(fmt::format("  {}\n", harmless(item.key)));
  }
  if (to_fill > kKeysShown) {
    console.out(
        fmt::format("  and {} more; --json has all of them\n", grouped(to_fill - kKeysShown)));
  }
}

Task<int> list_objects(Workplace& workplace, ListCommand command, Invocation invocation) {
  auto& console = workplace.console;
  auto left = command.limit.value_or(std::string::npos);
  std::string cursor;
  bool is_first = true;
  while (left > 0) {
    const auto limit = std::min(left, kPageOfObjects);
    const auto page =
        co_await workplace.server.objects(command.prefix, limit, cursor, workplace.stop);
    if (!page) co_return complain(workplace, invocation, page.error());
    if (is_first && page->objects.empty()) {
      console.err(command.prefix.empty()
                      ? std::string("The lake has no objects yet.\n")
                      : fmt::format("No object's key begins with {}.\n", harmless(command.prefix)));
      co_return kOk;
    }
    if (is_first && !invocation.json) {
      console.out(
          fmt::format("{:<19}  {:>9}  {:>12}  {}\n", "MODIFIED (UTC)", "SIZE", "ROWS", "KEY"));
    }
    is_first = false;
    for (std::size_t i = 0; i < page->objects.size(); ++i) {
      const auto& object = page->objects[i];
      auto time = harmless(object.modified_at).substr(0, 19);  // to the second
      std::ranges::replace(time, 'T', ' ');
      console.out(invocation.json ? page->json[i] + "\n"
                                  : fmt::format("{:<19}  {:>9}  {:>12}  {}\n", time,
                                                size_text(static_cast<double>(object.bytes)),
                                                object.rows ? grouped(*object.rows) : "?",
                                                harmless(object.key)));
    }
    left -= std::min(left, page->objects.size());
    if (!page->next_cursor || page->objects.empty()) break;
    cursor = *page->next_cursor;
  }
  co_return kOk;
}

Task<int> show_object(Workplace& workplace, CatCommand command, Invocation invocation) {
  auto& console = workplace.console;
  auto object = co_await workplace.server.object(command.key, workplace.stop);
  if (!object) co_return complain(workplace, invocation, object.error());
  const auto found = workplace.read_rows(*std::move(object), command.rows);
  if (!found) {
    console.err(fmt::format("betedge cat: {}: {}.\n", harmless(command.key),
                            harmless(found.error().message)));
    co_return kFailed;
  }
  if (!invocation.json) draw_rows(console, *found);
  if (invocation.json) {
    for (const auto& row : found->rows) console.out(json_of(*found, row));
  }
  co_return kOk;
}

Task<int> list_roots(Workplace& workplace, Invocation invocation) {
  auto& console = workplace.console;
  const auto roots = co_await workplace.server.roots(workplace.stop);
  if (!roots) co_return complain(workplace, invocation, roots.error());
  if (invocation.json) {
    for (const auto& root : roots->json) console.out(root + "\n");
    co_return kOk;
  }
  const auto& view = roots->view;
  if (view.roots.empty()) {
    console.err(
        fmt::format("Nothing lies in {} yet. Start: betedge option AAPL 2024-01-02 --wait\n",
                    harmless(view.lake)));
    co_return kOk;
  }
  console.out(harmless(view.lake) + "\n");
  const std::array<std::string, 9> head{"KIND",    "ROOT", "SCHEMA", "INTERVAL", "FORMAT",
                                        "OBJECTS", "SIZE", "ROWS",   "SESSIONS"};
  std::vector<std::array<std::string, 9>> rows{head};
  for (const auto& root : view.roots) {
    rows.push_back({harmless(root.kind), harmless(root.root.value_or("")),
                    harmless(root.schema.value_or("")), harmless(root.interval.value_or("")),
                    harmless(root.return_format), grouped(root.objects),
                    size_text(static_cast<double>(root.bytes)),
                    root.rows ? grouped(*root.rows) : "?", span_text(root.first, root.last)});
  }
  std::array<std::size_t, 9> widths{};
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const bool is_number = i >= 5 && i <= 7;
      if (widths[i] == 0) continue;
      line += is_number ? fmt::format("{:>{}}  ", row[i], widths[i])
                        : fmt::format("{:<{}}  ", row[i], widths[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    console.out(line + "\n");
  }
  if (view.other_objects > 0) {
    console.out(fmt::format(
        "Beside them {} that {} none of these, {}\n", counted(view.other_objects, "object"),
        view.other_objects == 1 ? "is" : "are", size_text(static_cast<double>(view.other_bytes))));
  }
  co_return kOk;
}

Task<int> show_coverage(Workplace& workplace, wire::CoverageQuery query, Invocation invocation) {
  auto& console = workplace.console;
  const auto coverage = co_await workplace.server.coverage(query, workplace.stop);
  if (!coverage) co_return complain(workplace, invocation, coverage.error());
  const auto& view = coverage->view;
  const bool is_known = view.start_date && view.end_date;
  if (invocation.json) {
    console.out(coverage->json + "\n");
  } else if (is_known) {
    draw_coverage(console, query, view);
  } else {
    console.err(fmt::format(
        "Nothing is known of {} yet. 'betedge coverage' lists what there is; with --from and --to "
        "the sessions between are shown.\n",
        series_text(view)));
  }
  if (!is_known) co_return kNotFound;
  co_return settled_of(view.counts) == sessions_of(view.counts) ? kOk : kPartial;
}

Task<int> fill(Workplace& workplace, FillCommand command, Invocation invocation) {
  Voice voice(workplace.console, invocation.json);
  if (command.dry_run) {
    const auto plan =
        co_await workplace.server.plan_fill(std::move(command.query), {}, workplace.stop);
    if (!plan) co_return complain(workplace, invocation, plan.error());
    if (invocation.json) {
      workplace.console.out(plan->json + "\n");
    } else if (plan->view) {
      show_plan(workplace, *plan->view);
    } else {
      say_nothing_to_fill(voice, plan->counts);
    }
    co_return kOk;
  }
  auto filled = co_await workplace.server.fill(std::move(command.query), {}, workplace.stop);
  if (!filled) {
    const int code = complain(workplace, invocation, filled.error());
    say_if_maybe_accepted(workplace, filled.error());
    co_return code;
  }
  if (!filled->job) {
    if (invocation.json) workplace.console.out(filled->json + "\n");
    say_nothing_to_fill(voice, filled->counts);
    co_return kOk;
  }
  co_return co_await follow_accepted(workplace, *std::move(filled->job), command.wait,
                                     command.timeout, std::move(invocation));
}

Task<int> verify(Workplace& workplace, VerifyCommand command, Invocation invocation) {
  Verification shown(workplace, invocation.json);
  sdk::VerifyOptions options{.prefix = command.prefix, .repair = command.repair};
  options.on_line = [&shown](const sdk::VerifyLine& line) { shown.line(line.view, line.json); };
  const auto end = co_await workplace.server.verify(std::move(options), workplace.stop);
  shown.end();
  if (end) co_return shown.summarise(*end, command);
  if (!end.error().is_nobody_there || !workplace.verify_here) {
    co_return complain(workplace, invocation, end.error());
  }
  if (command.repair) {
    workplace.console.err(fmt::format(
        "betedge verify: --repair downloads, which takes a server, and none runs at {}. "
        "Start it with 'betedge serve', then: betedge verify {}{}--repair\n",
        workplace.server.url(), harmless(command.prefix), command.prefix.empty() ? "" : " "));
    co_return kUnavailable;
  }
  co_return co_await verify_here(workplace, std::move(command), invocation.json);
}

}  // namespace betedge::cli
