#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "betedge/wire/dry_run.hpp"
#include "betedge/wire/job.hpp"
#include "betedge/wire/lake.hpp"

// What the client of a betedge server speaks in, blocking (client.hpp) or as coroutines
// (async_client.hpp).
namespace betedge::sdk {

// Why a call did not give what was asked for, as far as a caller decides by it.
enum class Problem : std::uint8_t {
  refused,        // the server will not do it, and says why: 400, 422 and the like
  unauthorized,   // 401, 403: a token is missing or not allowed to
  not_found,      // 404: no such job
  unavailable,    // nobody listens, the connection broke, or 429, 502, 503, 504: try again later
  server_failed,  // 500
  garbled,        // an answer that is not betedge's: is this its address?
  timeout,        // the caller's own time was over; the job goes on
  stopped,        // the caller asked to stop; the job goes on
  // How a job ended, of Job::wait_for_completion alone:
  job_failed,     // as a whole, or with all of its items; `message` says why
  job_cancelled,  // before its end; what was done stays
  partial,        // some items failed; `faults` has each with its error
};

struct Failure {
  Problem problem = Problem::server_failed;
  int http_status = 0;  // 0 when there was no answer
  std::string message;  // one line, for a person
  // Of a request that does not hold: each fault on its own, "end_date: end_date must be >= …".
  std::vector<std::string> faults{};
  std::chrono::milliseconds retry_after{0};  // what the server asked for; zero when nothing
  // Nobody listens at the address, or it is none: there is no server to have done anything.
  bool is_nobody_there = false;
};

template <class T>
using Outcome = std::expected<T, Failure>;

struct ServerAddress {
  std::string url = "http://127.0.0.1:8000";  // "http://" may be left out
  std::string token{};                        // empty: none is sent
  std::string client_id{};                    // X-Client-Id; empty: none is sent
  // Of https://: PEM certificates that the server is verified by; empty: the system's.
  std::string ca_file{};
};

// How often a call is made again that failed for a reason that may pass: no connection, 408, 429,
// 5xx. All tries of a submit carry one Idempotency-Key, so that a lost answer makes no second job.
struct Retries {
  int most = 0;
  std::chrono::milliseconds first_delay{250};  // doubled each time, a quarter of chance either way
  std::chrono::milliseconds longest_delay{8'000};
};

// A job as the server tells it: read, and as it came.
struct JobInfo {
  wire::JobView view;
  std::string json;
  std::chrono::milliseconds retry_after{0};  // when to ask again, if the server says so
};

struct JobFilter {
  std::optional<std::string> status{};  // "running", in any case
  std::optional<std::size_t> limit{};   // at least 1
};

struct ItemFilter {
  std::optional<std::string> state{};   // "failed"
  std::optional<std::size_t> limit{};   // at least 1; the server has an own maximum
  std::optional<std::string> cursor{};  // of the page before
};

struct ItemPage {
  std::vector<wire::ItemView> items;
  std::vector<std::string> json;  // each item as it came
  std::optional<std::string> next_cursor;
};

// How to wait for a job. The distance of the looks grows by half each time, with a fifth of chance
// either way, and is never shorter than the server asks for.
struct WaitOptions {
  std::chrono::milliseconds first_delay{250};
  std::chrono::milliseconds longest_delay{5'000};
  // Then `timeout`; nullopt: as long as it takes.
  std::optional<std::chrono::milliseconds> timeout{};
  // A server that does not answer for so long has not just been restarted: `unavailable`.
  std::chrono::milliseconds patience{std::chrono::minutes{10}};
  // After every look, the last one included; never after the wait has returned.
  std::function<void(const JobInfo&)> on_progress{};
  // Of Job::wait_for_completion: a job that ended with failed items is no failure.
  bool allow_partial = false;
  // After every look that failed and is not the last.
  std::function<void(const Failure&)> on_trouble{};
};

// Something that happened to a job, as the server sends it.
struct Event {
  std::string name;  // "snapshot", "progress", "item_failed", "end"
  std::string id;    // of use to the server alone
  std::string data;  // JSON
  // The job as of now; item_failed does not change it.
  std::optional<JobInfo> job{};
};

struct EventOptions {
  // In order, `end` last; never after the call has returned.
  std::function<void(const Event&)> on_event{};
  // A server that does not answer for so long has not just been restarted: `unavailable`.
  std::chrono::milliseconds patience{std::chrono::minutes{10}};
  std::chrono::milliseconds first_delay{250};  // before a broken stream is taken up again
  std::chrono::milliseconds longest_delay{5'000};
};

// What lies in the lake, as the server tells it: read, and as it came.
struct Roots {
  wire::LakeRoots view;
  std::vector<std::string> json;  // each root
};

struct Coverage {
  wire::Coverage view;
  std::string json;
};

struct FillOptions {
  std::map<std::string, std::string> labels{};  // as a submit's
  std::optional<int> priority{};
};

// What became of a wish to fill gaps.
struct Fill {
  std::optional<wire::AcceptedView> job;  // nullopt: there is no gap
  core::DayCounts counts;                 // then only
  std::string json;
};

// What a submit would do.
struct Plan {
  wire::DryRunView view;
  std::string json;
};

// Some of the lake's objects, in the order of their keys.
struct ObjectPage {
  std::vector<wire::LakeObject> objects;
  std::vector<std::string> json;           // each as it came
  std::optional<std::string> next_cursor;  // nullopt: there are no more
};

// What a fill would do.
struct FillPlan {
  std::optional<wire::DryRunView> view;  // nullopt: there is no gap
  core::DayCounts counts;                // then only
  std::string json;
};

struct VerifyLine {
  wire::VerifyLine view;
  std::string json;  // without its end of line
};

struct VerifyOptions {
  std::string prefix{};  // objects whose key begins so; empty: all
  bool repair = false;   // download again what is wrong
  // After every line, as it comes: differences, progress, and the end; never after the call has
  // returned.
  std::function<void(const VerifyLine&)> on_line{};
};

}  // namespace betedge::sdk
