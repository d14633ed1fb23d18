#include "betedge/core/job.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace betedge::core {
namespace {

void remove_all(std::string& text, std::string_view part) {
  std::string kept;
  std::size_t at = 0;
  for (std::size_t found; (found = text.find(part, at)) != std::string::npos;
       at = found + part.size())
    kept.append(text, at, found - at);
  kept.append(text, at);
  text = std::move(kept);
}

std::optional<std::uint8_t> hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<std::uint8_t>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<std::uint8_t>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<std::uint8_t>(c - 'A' + 10);
  return std::nullopt;
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::uint32_t without_fault(const ItemCounts& items) {
  return items.succeeded + items.skipped + items.no_data;
}

}  // namespace

std::optional<JobId> JobId::parse(std::string_view text) {
  // uuid.UUID(hex): drop "urn:" and "uuid:" wherever they stand, strip braces, drop dashes.
  std::string without_prefixes;
  if (text.contains(':')) {
    without_prefixes = text;
    remove_all(without_prefixes, "urn:");
    remove_all(without_prefixes, "uuid:");
    text = without_prefixes;
  }
  const auto first = text.find_first_not_of("{}");
  if (first == std::string_view::npos) return std::nullopt;
  JobId id;
  std::size_t digits = 0;
  for (const char c : text.substr(first, text.find_last_not_of("{}") - first + 1)) {
    if (c == '-') continue;
    const auto digit = hex_digit(c);
    if (!digit || digits == id.bytes_.size() * 2) return std::nullopt;
    auto& byte = id.bytes_[digits++ / 2];
    byte = static_cast<std::uint8_t>(byte << 4 | *digit);
  }
  if (digits != id.bytes_.size() * 2) return std::nullopt;
  return id;
}

JobId JobId::make(Timestamp now, std::array<std::uint64_t, 2> entropy) {
  const auto since_1970 = std::chrono::floor<std::chrono::milliseconds>(now).time_since_epoch();
  const auto ms = static_cast<std::uint64_t>(since_1970.count());
  const std::uint64_t high = ms << 16 | 0x7000U | (entropy[0] & 0x0fffU);
  const std::uint64_t low = std::uint64_t{0b10} << 62 | entropy[1] >> 2;
  JobId id;
  for (std::size_t i = 0; i < 8; ++i) {
    id.bytes_[i] = static_cast<std::uint8_t>(high >> (56 - 8 * i));
    id.bytes_[8 + i] = static_cast<std::uint8_t>(low >> (56 - 8 * i));
  }
  return id;
}

std::string JobId::text() const {
  std::string text(36, '-');
  auto to = text.begin();
  for (std::size_t i = 0; i < bytes_.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) ++to;
    *to++ = "0123456789abcdef"[bytes_[i] >> 4];
    *to++ = "0123456789abcdef"[bytes_[i] & 0xf];
  }
  return text;
}

std::string_view to_text(JobStatus status) {
  switch (status) {
    case JobStatus::pending: return "pending";
    case JobStatus::running: return "running";
    case JobStatus::completed: return "completed";
    case JobStatus::failed: return "failed";
  }
  std::unreachable();
}

std::optional<JobStatus> parse_job_status(std::string_view text) {
  std::string lowered(text);
  std::ranges::transform(lowered, lowered.begin(), lower);
  for (const auto status :
       {JobStatus::pending, JobStatus::running, JobStatus::completed, JobStatus::failed})
    if (to_text(status) == lowered) return status;
  return std::nullopt;
}

std::string_view to_text(JobState state) {
  switch (state) {
    case JobState::queued: return "queued";
    case JobState::running: return "running";
    case JobState::cancelling: return "cancelling";
    case JobState::cancelled: return "cancelled";
    case JobState::completed: return "completed";
    case JobState::completed_with_errors: return "completed_with_errors";
    case JobState::failed: return "failed";
  }
  std::unreachable();
}

std::optional<JobState> parse_job_state(std::string_view text) {
  using enum JobState;
  for (const auto state :
       {queued, running, cancelling, cancelled, completed, completed_with_errors, failed})
    if (to_text(state) == text) return state;
  return std::nullopt;
}

JobStatus status_of(JobState state) {
  switch (state) {
    case JobState::queued: return JobStatus::pending;
    case JobState::running:
    case JobState::cancelling: return JobStatus::running;
    case JobState::completed:
    case JobState::completed_with_errors: return JobStatus::completed;
    case JobState::cancelled:
    case JobState::failed: return JobStatus::failed;
  }
  std::unreachable();
}

std::span<const JobTransition> job_transitions() {
  using enum JobState;
  using enum JobEvent;
  static constexpr std::array kTransitions{
      JobTransition{queued, claimed, running},
      JobTransition{queued, items_ended, completed},  // a job without items
      JobTransition{queued, cancel_asked, cancelled}, JobTransition{queued, cannot_go_on, failed},
      JobTransition{running, items_ended, completed},
      JobTransition{running, items_ended, completed_with_errors},
      JobTransition{running, items_ended, failed}, JobTransition{running, cancel_asked, cancelling},
      JobTransition{running, cancel_asked, cancelled},  // nothing of it runs just now
      JobTransition{running, cannot_go_on, failed},
      // Cancelled too late: what was running has ended, and nothing was left to cancel.
      JobTransition{cancelling, items_ended, completed},
      JobTransition{cancelling, items_ended, completed_with_errors},
      JobTransition{cancelling, items_ended, failed},
      JobTransition{cancelling, items_ended, cancelled},
      JobTransition{cancelling, cannot_go_on, failed},
      JobTransition{cancelling, cannot_go_on, cancelled},  // some of it was cancelled before
      JobTransition{completed_with_errors, retried, queued}, JobTransition{failed, retried, queued},
      JobTransition{cancelled, retried, queued},  // when it has failed items
  };
  return kTransitions;
}

std::string_view to_text(ItemState state) {
  switch (state) {
    case ItemState::pending: return "pending";
    case ItemState::running: return "running";
    case ItemState::succeeded: return "succeeded";
    case ItemState::skipped: return "skipped";
    case ItemState::no_data: return "no_data";
    case ItemState::failed: return "failed";
    case ItemState::cancelled: return "cancelled";
  }
  std::unreachable();
}

std::optional<ItemState> parse_item_state(std::string_view text) {
  using enum ItemState;
  for (const auto state : {pending, running, succeeded, skipped, no_data, failed, cancelled})
    if (to_text(state) == text) return state;
  return std::nullopt;
}

std::uint32_t& ItemCounts::of(ItemState state) {
  switch (state) {
    case ItemState::pending: return pending;
    case ItemState::running: return running;
    case ItemState::succeeded: return succeeded;
    case ItemState::skipped: return skipped;
    case ItemState::no_data: return no_data;
    case ItemState::failed: return failed;
    case ItemState::cancelled: return cancelled;
  }
  std::unreachable();
}

double JobInfo::progress_percentage() const {
  if (total_items() == 0) return 100.0;
  return static_cast<double>(completed_items()) / static_cast<double>(total_items()) * 100;
}

JobState JobInfo::state() const {
  switch (status) {
    case JobStatus::pending: return JobState::queued;
    case JobStatus::running: return cancel_requested ? JobState::cancelling : JobState::running;
    case JobStatus::completed:
      return items.failed > 0 ? JobState::completed_with_errors : JobState::completed;
    case JobStatus::failed: return items.cancelled > 0 ? JobState::cancelled : JobState::failed;
  }
  std::unreachable();
}

bool may_become(JobStatus from, JobStatus to) {
  return from != to && std::ranges::any_of(job_transitions(), [&](const JobTransition& t) {
           return t.event != JobEvent::retried && status_of(t.from) == from &&
                  status_of(t.to) == to;
         });
}

JobStatus ended_status(const ItemCounts& items) {
  if (items.cancelled > 0) return JobStatus::failed;
  if (items.failed > 0 && without_fault(items) == 0) return JobStatus::failed;
  return JobStatus::completed;
}

std::optional<std::string> ended_message(const JobId& job, const ItemCounts& items,
                                         std::string_view first_failure) {
  if (items.cancelled > 0) return "cancelled";
  if (items.failed == 0) return std::nullopt;
  std::string message = fmt::format("{} of {} items failed", items.failed, items.total());
  if (without_fault(items) > 0)
    message += fmt::format(", see /jobs/{}/items?state=failed", job.text());
  if (!first_failure.empty()) message += fmt::format(": {}", first_failure);
  return message;
}

}  // namespace betedge::core
