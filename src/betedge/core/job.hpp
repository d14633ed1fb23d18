#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "betedge/core/dates.hpp"
#include "betedge/core/error.hpp"
#include "betedge/core/object_key.hpp"

namespace betedge::core {

// A job's id: a UUIDv7, so that ids sort by time of creation.
class JobId {
 public:
  JobId() = default;  // the nil UUID
  // Any spelling Python's UUID() reads: braces, "urn:uuid:", dashes anywhere, any case; 32 hex
  // digits must be left (what its int() would forgive on top, "0x" or "_", spells no UUID).
  static std::optional<JobId> parse(std::string_view text);
  // `now` in its first 48 bits, `entropy` in the rest but for version and variant (RFC 9562 5.7).
  static JobId make(Timestamp now, std::array<std::uint64_t, 2> entropy);
  // Lower case with dashes.
  std::string text() const;
  friend auto operator<=>(const JobId&, const JobId&) = default;

 private:
  std::array<std::uint8_t, 16> bytes_{};
};

// SEED.md's status, as GET /jobs/{id} shows it. Fixed: clients were written against it.
enum class JobStatus : std::uint8_t { pending, running, completed, failed };
std::string_view to_text(JobStatus status);
std::optional<JobStatus> parse_job_status(std::string_view text);  // any case

// How a job stands in full (API.md, Part 2, `state`).
enum class JobState : std::uint8_t {
  queued,
  running,
  cancelling,  // asked to stop, while fetches that nobody else needs are still stopping
  cancelled,
  completed,
  completed_with_errors,
  failed
};
std::string_view to_text(JobState state);
std::optional<JobState> parse_job_state(std::string_view text);
// Part 1's coarser view: cancelled is `failed`, completed_with_errors is `completed`.
JobStatus status_of(JobState state);
constexpr bool has_ended(JobState state) {
  return state >= JobState::cancelled;
}
constexpr bool has_ended(JobStatus status) {
  return status >= JobStatus::completed;
}

// What happens to a job, and where it leads. Whatever is not in the table is refused.
enum class JobEvent : std::uint8_t {
  claimed,       // the first of its fetches was
  cancel_asked,  // by a client
  items_ended,   // the last one did, or there is none
  cannot_go_on,  // no space, lake denied
  retried        // by a client: its failed items begin anew
};
struct JobTransition {
  JobState from;
  JobEvent event;
  JobState to;
};
std::span<const JobTransition> job_transitions();

// How an item stands. All but pending and running are ends.
enum class ItemState : std::uint8_t {
  pending,
  running,
  succeeded,
  skipped,
  no_data,
  failed,
  cancelled
};
std::string_view to_text(ItemState state);
std::optional<ItemState> parse_item_state(std::string_view text);
constexpr bool has_ended(ItemState state) {
  return state >= ItemState::succeeded;
}

struct ItemCounts {
  std::uint32_t pending = 0, running = 0, succeeded = 0, skipped = 0, no_data = 0, failed = 0,
                cancelled = 0;
  std::uint32_t total() const {
    return pending + running + succeeded + skipped + no_data + failed + cancelled;
  }
  std::uint32_t ended() const { return succeeded + skipped + no_data + failed + cancelled; }
  std::uint32_t& of(ItemState state);
  friend bool operator==(const ItemCounts&, const ItemCounts&) = default;
};

// A job as its watchers see it (SEED.md, JobInfo).
struct JobInfo {
  JobId job_id;
  JobStatus status = JobStatus::pending;
  ItemCounts items;
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;
  std::optional<std::string> error_message;
  Timestamp created_at{};
  Timestamp updated_at{};
  std::optional<Timestamp> started_at;
  std::optional<Timestamp> finished_at;
  std::uint64_t version = 1;  // grows by at least one with every change
  std::string upstream;       // who brings its data: "thetadata", "nasdaq"
  bool cancel_requested = false;
  std::uint32_t retries = 0;  // how often its failed items were begun anew
  std::string request_json;   // the normalised request, as wire wrote it
  std::vector<std::string> warnings;
  std::vector<Date> not_yet_available;

  std::uint32_t total_items() const { return items.total(); }
  std::uint32_t completed_items() const { return items.ended(); }
  // (completed / total) * 100 in that order, in double; 100.0 when there is nothing to do.
  double progress_percentage() const;
  JobState state() const;
};

// May a job go from one status to the other by itself? pending → running → completed | failed,
// pending → failed (and completed, for a job without items); an ended job goes nowhere. What a
// client's retry does is not asked here.
bool may_become(JobStatus from, JobStatus to);

// What a job whose items have all ended has become (API.md, "What a job's status means").
JobStatus ended_status(const ItemCounts& items);

// The error_message of an ended job: nullopt when nothing failed, else
// "2 of 21 items failed, see /jobs/{id}/items?state=failed: 20240105: HTTP 500 …", or
// "21 of 21 items failed: …" when none succeeded; "cancelled" when any was cancelled.
// `first_failure` is "<what>: <why>".
std::optional<std::string> ended_message(const JobId& job, const ItemCounts& items,
                                         std::string_view first_failure);

}  // namespace betedge::core
