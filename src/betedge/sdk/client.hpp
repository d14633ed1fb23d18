#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "betedge/core/request.hpp"
#include "betedge/sdk/types.hpp"

// The installed C++ SDK (docs/cpp.md): find_package(betedge), link betedge::sdk.
namespace betedge::sdk {

// Where BETEDGE_URL says, with the token of BETEDGE_TOKEN and the authorities of BETEDGE_CA_FILE;
// what is not set, or set to nothing, keeps its default. Read it before other threads change the
// environment.
ServerAddress address_from_environment();

// What takes an answer that is not waited for. Called once, on the client's own thread: be brief
// there, let no exception out, and make no blocking call (it is refused), only others like itself.
template <class T>
using Then = std::function<void(Outcome<T>)>;

// A day: std::chrono's, or text, "2024-01-02" or "20240102"; of earnings a month, "2024-01". The
// server says whether it is one.
struct Day {
  Day(std::chrono::year_month_day day);
  Day(const char* day) : Day(std::string(day)) {}
  Day(std::string day);
  std::string text;  // digits alone
};

// One symbol, or several in one job.
struct Symbols {
  Symbols(const char* root) : all{root} {}
  Symbols(std::string root) : all{std::move(root)} {}
  Symbols(std::vector<std::string> roots) : all(std::move(roots)) {}
  std::vector<std::string> all;
};

// What may be said beside symbol and days; what is left out is the server's to decide.
struct RequestOptions {
  std::optional<Schema> schema{};                         // quote; not of earnings
  std::optional<std::chrono::milliseconds> interval{};    // at least a minute; not of eod
  std::optional<std::chrono::milliseconds> start_time{};  // since midnight in New York
  std::optional<std::chrono::milliseconds> end_time{};    // likewise, included
  std::optional<Existing> mode{};                         // what becomes of objects that are there
  std::optional<FileFormat> format{};
  std::map<std::string, std::string> labels{};  // at most 16, of 64 and 512 bytes
  std::optional<int> priority{};                // -100 to 100; higher ones are served first
};

// What to submit, or to plan.
struct Request {
  Kind kind;
  wire::SubmitForm form;
};
// Days from first to last, both included.
Request option_request(Symbols roots, Day first, Day last, RequestOptions options = {});
Request stock_request(Symbols roots, Day first, Day last, RequestOptions options = {});
// Whole months.
Request earnings_request(Day first, Day last, RequestOptions options = {});

struct ClientOptions {
  Retries retries{.most = 2};
};

class Engine;

// A job on the server: its id, and what may be asked of it. May be copied, and may outlive its
// Client, whose end makes every call `stopped`.
//
// Each call has two forms: blocking, and with a Then as the last argument, which returns at once.
class Job {
 public:
  const std::string& id() const { return id_; }

  // How it stands now.
  [[nodiscard]] Outcome<JobInfo> refresh() const;
  void refresh(Then<JobInfo> then) const;

  // Waits until it has ended, through restarts of the server too. Failures: `timeout` after
  // options.timeout and `stopped`, the job going on; job_failed, job_cancelled, and `partial`
  // unless options.allow_partial. on_progress and on_trouble are called on the client's thread.
  [[nodiscard]] Outcome<JobInfo> wait_for_completion(WaitOptions options = {},
                                                     std::stop_token stop = {}) const;
  void wait_for_completion(WaitOptions options, std::stop_token stop, Then<JobInfo> then) const;

  // Its events as they come, on the client's thread, until its `end`; a stream that breaks is taken
  // up again where it was.
  [[nodiscard]] Outcome<void> events(std::function<void(const Event&)> on_event,
                                     std::stop_token stop = {}) const;
  void events(std::function<void(const Event&)> on_event, std::stop_token stop,
              Then<void> then) const;

  // Its items, all or those in one state ("succeeded"), in order.
  using Items = std::vector<wire::ItemView>;
  [[nodiscard]] Outcome<Items> items(std::optional<std::string> state = {}) const;
  void items(std::optional<std::string> state, Then<Items> then) const;
  // Its failed items, each with its error.
  [[nodiscard]] Outcome<Items> failures() const { return items("failed"); }
  void failures(Then<Items> then) const { items("failed", std::move(then)); }

  // Stops it; what is finished stays.
  [[nodiscard]] Outcome<JobInfo> cancel() const;
  void cancel(Then<JobInfo> then) const;
  // Its failed items once more; refused while it runs.
  [[nodiscard]] Outcome<JobInfo> retry_failed() const;
  void retry_failed(Then<JobInfo> then) const;
  // Deletes it from the server, ended as it must be; its objects stay.
  [[nodiscard]] Outcome<void> forget() const;

 private:
  friend class Client;
  Job(std::shared_ptr<Engine> engine, std::string id)
      : engine_(std::move(engine)), id_(std::move(id)) {}
  std::shared_ptr<Engine> engine_;  // shared: whoever of client and jobs goes last
  std::string id_;
};

// `client.historical().option(…)`.
class Historical;

// A betedge server. Has a thread of its own, on which everything is done; any number of threads may
// call it. Its end stops what is under way and waits for that; it must not come on its own thread.
// A blocking call whose failure may pass is made again (ClientOptions), with one Idempotency-Key a
// submit. A stop token may be stopped from any thread.
class Client {
 public:
  // Does not ask the server anything yet; fails when libcurl does not start, and when the file of
  // certificate authorities is none.
  static Outcome<Client> open(ServerAddress address = address_from_environment(),
                              ClientOptions options = {});
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  ~Client();

  Historical historical();
  // The job is durable when this returns.
  [[nodiscard]] Outcome<Job> earnings(Day first, Day last, RequestOptions options = {});
  [[nodiscard]] Outcome<Job> submit(Request request);
  void submit(Request request, Then<Job> then);
  // What the request would do. Stores nothing, and nobody is called.
  [[nodiscard]] Outcome<Plan> plan(Request request);

  // A job that is known by its id; not_found when there is none.
  [[nodiscard]] Outcome<Job> job(std::string id);
  // Newest first.
  [[nodiscard]] Outcome<std::vector<JobInfo>> jobs(JobFilter filter = {});
  [[nodiscard]] Outcome<void> health();

  // The lake: what lies there, series by series; what it has of each session of a series; one job
  // of exactly what coverage finds missing, failed or stale, or what that would do; every object
  // read again, which takes as long as it takes (`unavailable` while another verification runs).
  [[nodiscard]] Outcome<Roots> roots();
  [[nodiscard]] Outcome<Coverage> coverage(wire::CoverageQuery query);
  [[nodiscard]] Outcome<Fill> fill(wire::CoverageQuery query, FillOptions options = {});
  [[nodiscard]] Outcome<FillPlan> plan_fill(wire::CoverageQuery query, FillOptions options = {});
  [[nodiscard]] Outcome<wire::VerifyEnd> verify(VerifyOptions options = {},
                                                std::stop_token stop = {});

 private:
  explicit Client(std::shared_ptr<Engine> engine);
  std::shared_ptr<Engine> engine_;
};

class Historical {
 public:
  // Whole option chains with their underlyings.
  [[nodiscard]] Outcome<Job> option(Symbols roots, Day first, Day last, RequestOptions more = {}) {
    return client_.submit(
        option_request(std::move(roots), std::move(first), std::move(last), std::move(more)));
  }
  [[nodiscard]] Outcome<Job> stock(Symbols roots, Day first, Day last, RequestOptions more = {}) {
    return client_.submit(
        stock_request(std::move(roots), std::move(first), std::move(last), std::move(more)));
  }

 private:
  friend class Client;
  explicit Historical(Client& client) : client_(client) {}
  Client& client_;
};

}  // namespace betedge::sdk
