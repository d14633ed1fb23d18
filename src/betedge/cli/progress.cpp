#include "betedge/cli/progress.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "betedge/cli/console.hpp"
#include "betedge/cli/words.hpp"

namespace betedge::cli {

namespace {

constexpr std::size_t kShortestBar = 6;
constexpr std::size_t kShortestNote = 30;
// And no more than a quarter of the line: numbers that come up must not make it jump much.
constexpr std::size_t kLongestBar = 40;
constexpr auto kWindow = std::chrono::seconds{60};

// A piece of the line: what it says, its colour, and how much it would be missed.
struct Piece {
  std::string text;
  std::string_view color;
  int rank;  // the highest goes first when there is no room
  std::string_view before = "  ";
};

std::string bar(double fraction, std::size_t columns, BarStyle style) {
  const auto full = static_cast<std::size_t>(std::clamp(
      std::floor(fraction * static_cast<double>(columns)), 0.0, static_cast<double>(columns)));
  std::string done, open;
  for (std::size_t i = 0; i < columns; ++i) {
    if (i < full) {
      done += style.unicode ? "█" : "#";
    } else {
      open += style.unicode ? "░" : "-";
    }
  }
  return colored(done, "32", style.color) + colored(open, "2", style.color);
}

// 100% is said only when all is done.
int whole_percent(const Progress& progress) {
  const auto percent = static_cast<int>(std::floor(progress.percentage));
  return progress.completed < progress.total ? std::min(percent, 99) : std::min(percent, 100);
}

std::size_t width_of(const std::vector<Piece>& pieces) {
  std::size_t width = 0;
  for (const auto& piece : pieces) width += columns_of(piece.text) + piece.before.size();
  return width;
}

}  // namespace

Progress Speed::look(const wire::JobView& job, SteadyTime now) {
  Progress progress;
  progress.items = job.items;
  progress.completed = job.completed;
  progress.total = job.total;
  progress.percentage = job.percentage;
  progress.rows = job.rows;
  progress.bytes = job.bytes;
  if (job.waiting_for) progress.note = harmless(*job.waiting_for);

  const auto worked = job.items.ended() - job.items.skipped;
  samples_.push_back({now, job.bytes, worked});
  while (samples_.size() > 2 && now - samples_[1].time >= kWindow) samples_.pop_front();
  const auto& before = samples_.front();
  const auto seconds = std::chrono::duration<double>(now - before.time).count();
  // Less than a second says nothing yet; a retry may take counts back.
  if (seconds < 1 || job.bytes < before.bytes || worked < before.worked) return progress;
  progress.bytes_per_second = static_cast<double>(job.bytes - before.bytes) / seconds;
  if (worked > before.worked && progress.completed < progress.total) {
    const auto remaining = static_cast<double>(progress.total - progress.completed);
    const auto each = seconds / static_cast<double>(worked - before.worked);
    progress.left = std::chrono::seconds{static_cast<std::int64_t>(std::ceil(remaining * each))};
  }
  return progress;
}

std::string bar_line(const Progress& progress, std::size_t columns, BarStyle style) {
  const auto percent = fmt::format("{:>3}%", whole_percent(progress));
  const bool stands_still = !progress.note.empty();

  std::vector<Piece> pieces;
  pieces.push_back(
      {fmt::format("{}/{}", grouped(progress.completed), grouped(progress.total)), "", 1});
  const auto add_count = [&pieces](std::uint32_t count, std::string_view word,
                                   std::string_view color, int rank) {
    if (count > 0) pieces.push_back({fmt::format("{} {}", grouped(count), word), color, rank});
  };
  if (!stands_still) {
    add_count(progress.items.succeeded, "written", "32", 5);
    add_count(progress.items.skipped, "skipped", "36", 6);
    add_count(progress.items.no_data, "no data", "33", 7);
  }
  add_count(progress.items.failed, "failed", "31", 2);
  add_count(progress.items.cancelled, "cancelled", "31", 3);
  if (!stands_still) {
    if (progress.rows > 0) pieces.push_back({grouped(progress.rows) + " rows", "", 9});
    if (progress.bytes > 0)
      pieces.push_back({size_text(static_cast<double>(progress.bytes)), "", 8});
    if (progress.bytes_per_second && *progress.bytes_per_second >= 1) {
      pieces.push_back({size_text(*progress.bytes_per_second) + "/s", "", 4});
    }
    if (progress.left) pieces.push_back({clock_text(*progress.left) + " left", "", 3});
  }

  // "57%", the bar between two blanks, the pieces.
  const auto room_for_bar = [&] {
    const auto taken = percent.size() + 2 + width_of(pieces);
    return columns > taken ? columns - taken : 0;
  };
  while (pieces.size() > 1 && room_for_bar() < kShortestBar) {
    pieces.erase(std::ranges::max_element(pieces, {}, &Piece::rank));
  }
  bool has_bar = room_for_bar() >= kShortestBar;
  if (stands_still) {  // why it does is worth more than the bar
    const auto note = "waiting: " + progress.note;
    const auto taken = percent.size() + width_of(pieces) + 2;
    const auto wanted = std::min(columns_of(note), kShortestNote);
    has_bar = columns >= taken + 2 + kShortestBar + wanted;
    const auto for_note = taken + (has_bar ? 2 + kShortestBar : 0);
    if (columns > for_note) {
      pieces.push_back({cut(note, columns - for_note, style.unicode), "33", 0});
    }
  }

  if (columns < percent.size() + width_of(pieces)) {
    return cut(fmt::format("{}%", whole_percent(progress)), columns, style.unicode);
  }
  auto line = colored(percent, "1", style.color);
  if (has_bar) {
    line += "  " + bar(progress.percentage / 100,
                       std::min(room_for_bar(), std::clamp(columns / 4, kShortestBar, kLongestBar)),
                       style);
  }
  for (const auto& piece : pieces) {
    line += piece.before;
    line += piece.color.empty() ? piece.text : colored(piece.text, piece.color, style.color);
  }
  return line;
}

std::string plain_line(const Progress& progress) {
  auto line = fmt::format("{} of {} ({}%)", grouped(progress.completed),
                          counted(progress.total, "item"), whole_percent(progress));
  if (const auto outcomes = outcomes_text(progress.items); !outcomes.empty()) {
    line += ": " + outcomes;
  }
  std::string amounts;
  const auto add = [&amounts](const std::string& text) {
    amounts += (amounts.empty() ? "" : ", ") + text;
  };
  if (progress.rows > 0) add(counted(progress.rows, "row"));
  if (progress.bytes > 0) add(size_text(static_cast<double>(progress.bytes)));
  if (progress.note.empty()) {
    if (progress.bytes_per_second && *progress.bytes_per_second >= 1) {
      add(size_text(*progress.bytes_per_second) + "/s");
    }
    if (progress.left) add(clock_text(*progress.left) + " left");
  }
  if (!amounts.empty()) line += "; " + amounts;
  if (!progress.note.empty()) line += "; waiting: " + progress.note;
  return line;
}

}  // namespace betedge::cli
