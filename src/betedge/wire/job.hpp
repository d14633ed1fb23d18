#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "betedge/core/job.hpp"

// Jobs and their items, from the server to JSON and from JSON to clients (API.md, Status and Part
// 2).
namespace betedge::wire {

// ---- the server's side ----

// How fast a job has been since it started, and how long it will take at that pace; all of it from
// the job as of its version, so that the same version says the same. nullopt before an item ended.
struct Pace {
  double items = 0, rows = 0, bytes = 0;  // a second
  std::optional<double> eta_seconds;      // 0 once ended
};
std::optional<Pace> pace_of(const JobInfo& job);

// GET /jobs/{id}: Part 1's members in their order, then Part 2's. `waiting_for` is a member only
// while the job stands still.
std::string job_json(const JobInfo& job, std::optional<std::string_view> waiting_for);

// What a watcher needs between two whole jobs: how far it is, in the members of job_json.
std::string progress_json(const JobInfo& job, std::optional<std::string_view> waiting_for);

// GET /jobs. `limit` and `status_filter` as they were sent; `waiting_for` says it of each job that
// has not ended.
using WaitingFor = std::function<std::optional<std::string>(const JobInfo&)>;
std::string job_list_json(std::span<const JobInfo> jobs, std::optional<std::size_t> limit,
                          std::optional<std::string_view> status_filter,
                          const WaitingFor& waiting_for);

// The 202 of an asynchronous submit, and that of a synchronous one whose job has ended well.
std::string accepted_json(const JobId& job);
std::string success_json(const JobId& job);

// One line of GET /jobs/{id}/items.
struct ItemView {
  std::string key;
  ItemState state = ItemState::pending;
  int attempts = 0;
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;
  std::string sha256{};  // empty (null in JSON) when there is none
  std::string error{};   // likewise
  std::string note{};    // likewise; the member is left out
};

struct ItemPageView {
  std::vector<ItemView> items;
  std::optional<std::uint32_t> next_cursor;  // what to send as `cursor` for more
};

std::string item_json(const ItemView& item);
std::string item_page_json(const ItemPageView& page);

// ---- the clients' side ----
//
// Reading is tolerant: unknown members are skipped, and Part 2's may be missing (an older server
// sends Part 1 alone). What is not JSON, or lacks Part 1, is upstream_garbled.

// A job as a client shows it. Times and days as they were sent.
struct JobView {
  std::string job_id;
  JobStatus status = JobStatus::pending;
  std::uint64_t completed = 0;
  std::uint64_t total = 0;
  double percentage = 0;
  std::string created_at;
  std::string updated_at;
  std::optional<std::string> error_message{};

  std::string state{};  // status when the server does not know of states
  ItemCounts items{};
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;
  std::string request_json{};  // empty when it was not sent
  std::optional<std::string> started_at{};
  std::optional<std::string> finished_at{};
  std::vector<std::string> not_yet_available{};
  std::vector<std::string> warnings{};
  std::optional<std::string> waiting_for{};

  bool has_ended() const { return status == JobStatus::completed || status == JobStatus::failed; }
};

struct AcceptedView {
  std::string job_id;
  std::string status_url;
};

Result<JobView> parse_job(std::string_view json);
Result<std::vector<JobView>> parse_job_list(std::string_view json);
Result<AcceptedView> parse_accepted(std::string_view json);
Result<ItemPageView> parse_item_page(std::string_view json);

// Why a server refused, in one line for a person: a `detail` of text as it is, one of faults as
// "end_date: end_date must be >= start_date; schema: …", anything else (a proxy's page) shortened.
std::string refusal_text(std::string_view body);

// The body of a submit, from what a person typed; what is left out is the server's to decide, and
// so is what is valid.
struct SubmitForm {
  std::string root;  // empty: left out (earnings have none)
  std::string start_date;
  std::string end_date;
  std::optional<std::string> schema{};
  std::optional<std::int64_t> interval_ms{};
  std::optional<std::string> return_format{};
  std::optional<std::int64_t> start_time_ms{};
  std::optional<std::int64_t> end_time_ms{};
  std::optional<bool> force_refresh{};
  std::vector<std::string> roots{};  // several, instead of `root`
  std::optional<std::string> mode{};
  std::map<std::string, std::string> labels{};
  std::optional<int> priority{};
};
std::string submit_json(const SubmitForm& form);

}  // namespace betedge::wire
