#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "betedge/engine/lake_service.hpp"
#include "betedge/jobs/sqlite_store.hpp"
#include "betedge/ports/async.hpp"
#include "betedge/server/api.hpp"
#include "betedge/sinks/memory_store.hpp"
#include "support/counted_metrics.hpp"
#include "support/interposed_store.hpp"
#include "support/virtual_runtime.hpp"

// The Api in front of the real service, in a world of one thread whose terminal has no data.
namespace betedge::server {

using namespace std::chrono_literals;
using Json = nlohmann::json;

// A job store that fails, or throws, as long as a test wants.
class FragileStore final : public testing::InterposedStore {
 public:
  using InterposedStore::InterposedStore;
  std::optional<Error> failure;
  bool throws = false;

 private:
  Result<void> before(std::string_view call) override {
    if (call == "renew") return {};
    if (throws) throw std::logic_error("/home/ann/jobs.db is broken");
    if (failure) return std::unexpected(*failure);
    return {};
  }
};

// A terminal that says that there is no data for anything.
class EmptySource final : public Source {
 public:
  explicit EmptySource(Runtime& runtime) : runtime_(runtime) {}
  std::optional<std::string> refuses;
  std::optional<Error> failure;  // of every call
  bool is_there = true;
  std::chrono::milliseconds latency{10};

  Task<Result<std::optional<std::unique_ptr<Answer>>>> open(Call, std::stop_token stop) override {
    if (!co_await sleep_for(runtime_, latency, stop)) co_return fail(ErrorCode::cancelled, "stop");
    if (failure) co_return std::unexpected(*failure);
    if (!is_there) co_return fail(ErrorCode::upstream_unavailable, "connection refused");
    co_return std::nullopt;
  }
  std::optional<std::string> refusal(const Call&) const override { return refuses; }
  std::string version() const override { return "v3"; }
  Task<Result<void>> probe(std::stop_token) override {
    if (!is_there) co_return fail(ErrorCode::upstream_unavailable, "connection refused");
    co_return Result<void>{};
  }

 private:
  Runtime& runtime_;
};

class LineLog final : public Log {
 public:
  std::vector<std::string> lines;
  void event(Level level, std::string_view name, std::initializer_list<Field> fields) override {
    constexpr std::string_view kLevels[] = {"debug", "info", "warning", "error"};
    std::string line(kLevels[static_cast<std::size_t>(level)]);
    line += " " + std::string(name);
    for (const auto& field : fields) line += " " + std::string(field.name) + "=" + field.value;
    lines.push_back(std::move(line));
  }
  std::string last(std::string_view name) const {
    for (auto line = lines.rbegin(); line != lines.rend(); ++line)
      if (line->contains(" " + std::string(name))) return *line;
    return {};
  }
};

class ApiTest : public ::testing::Test {
 protected:
  ApiTest()
      : file_(*jobs::open_sqlite_store(runtime_, ":memory:")),
        store_(*file_),
        service_({runtime_,
                  store_,
                  lake_,
                  {{"thetadata", source_, limiter_}, {"nasdaq", nasdaq_, nasdaq_limiter_}},
                  log_},
                 {}),
        lake_service_({runtime_, store_, lake_, service_, log_}, {}),
        api_(runtime_, service_, lake_service_, log_, guard_,
             {.version = "9.8.7", .existing = Existing::keep}, metrics_) {
    runtime_.run(start());
    api_.open();
  }
  ~ApiTest() override {
    store_.failure.reset();
    store_.throws = false;
    runtime_.run(api_.close());
    runtime_.run(service_.close());
  }

  struct Answer {
    int status = 0;
    std::string body;  // of an error without what every error has
    net::Headers headers;
    Json problem{};                         // an error's whole body
    std::string whole{};                    // the body as it came
    std::optional<std::uint64_t> length{};  // of a body in pieces, where it is known
    bool is_cut_off = false;                // a body in pieces that ended with an error
    std::string header(std::string_view name) const {
      for (const auto& [key, value] : headers)
        if (key == name) return value;
      return {};
    }
  };

  Answer ask(std::string method, std::string path,
             std::vector<std::pair<std::string, std::string>> query = {}, std::string body = {},
             net::Headers headers = {}) {
    net::ServerRequest request;
    request.method = std::move(method);
    request.path = std::move(path);
    request.query = std::move(query);
    request.body = std::move(body);
    request.headers = std::move(headers);
    request.headers.emplace_back("Content-Type", "application/json");
    request.peer = "127.0.0.1:50000";
    Answer answer;
    runtime_.run(ask_into(std::move(request), answer));
    return answer;
  }
  // Begins to ask, and does not wait: for what is held. What it comes to is in `answer`.
  struct Held {
    Answer answer;
    bool is_answered = false;
    std::stop_source gone;
  };
  void ask_later(TaskScope& scope, std::string method, std::string path, std::string body,
                 net::Headers headers, Held& held,
                 std::vector<std::pair<std::string, std::string>> query = {}) {
    net::ServerRequest request;
    request.method = std::move(method);
    request.path = std::move(path);
    request.query = std::move(query);
    request.body = std::move(body);
    request.headers = std::move(headers);
    request.headers.emplace_back("Content-Type", "application/json");
    request.peer = "127.0.0.1:50001";
    request.gone = held.gone.get_token();
    scope.spawn(ask_and_note(std::move(request), held));
  }
  static Task<void> close_scope(TaskScope& scope) { co_await scope.close(); }

  Answer submit(const std::string& members, net::Headers headers = {}) {
    return ask("POST", "/historical/stock", {},
               R"({"root":"AAPL","schema":"ohlc",)" + members + "}", std::move(headers));
  }
  std::string submit_week() {
    const auto answer = submit(R"("start_date":"20240102","end_date":"20240108")");
    EXPECT_EQ(answer.status, 202) << answer.body;
    return Json::parse(answer.body)["job_id"];
  }
  void run_to_end(const std::string& job) { runtime_.run(until_ended(job)); }

  Task<void> sleep_a_second() { (void)co_await sleep_for(runtime_, 1s); }
  static Task<void> answer_of(Api& api, net::ServerRequest request, net::ServerResponse& answer) {
    answer = co_await api.handle(std::move(request));
  }

  betedge::testing::VirtualRuntime runtime_{7};
  std::unique_ptr<JobStore> file_;
  FragileStore store_;
  sinks::MemoryStore lake_{runtime_};
  EmptySource source_{runtime_}, nasdaq_{runtime_};
  net::Limiter limiter_{runtime_, 4}, nasdaq_limiter_{runtime_, 1};
  LineLog log_;
  betedge::testing::CountedMetrics metrics_;
  engine::DataProcessingService service_;
  engine::LakeService lake_service_;
  Guard guard_{runtime_, log_, no_metrics(), {}, {}};
  Api api_;

  Task<void> sleep(std::chrono::nanoseconds time) { (void)co_await sleep_for(runtime_, time); }

 private:
  Task<void> ask_and_note(net::ServerRequest request, Held& held) {
    co_await ask_into(std::move(request), held.answer);
    held.is_answered = true;
  }
  Task<void> start() { EXPECT_TRUE((co_await service_.start()).has_value()); }
  Task<void> ask_into(net::ServerRequest request, Answer& answer) {
    const bool is_head = request.method == "HEAD";
    const auto response = co_await api_.handle(std::move(request));
    answer = {response.status, std::string(as_text(response.body.bytes)), response.headers, {}, {}};
    answer.length = response.content_length;
    // A stream of events may have no end.
    const bool has_end = !answer.header("Content-Type").starts_with("text/event-stream");
    while (response.next && has_end && !is_head) {
      const auto piece = co_await response.next();
      answer.is_cut_off = !piece;
      if (!piece || piece->bytes.empty()) break;
      answer.body += as_text(piece->bytes);
    }
    answer.whole = answer.body;
    // What every error has behind what it says (problem_test.cpp).
    constexpr std::string_view kMembers = R"(,"type":"/docs#)";
    const auto at = answer.body.find(kMembers);
    if (at == std::string::npos) co_return;
    answer.problem = Json::parse(answer.body);
    answer.body = answer.body.substr(0, at) + "}";
  }
  Task<void> until_ended(std::string job) {
    const auto id = *JobId::parse(job);
    while (true) {
      const auto found = co_await service_.get_job_status(id);
      if ((*found)->finished_at) co_return;
      (void)co_await sleep_for(runtime_, 10ms);
    }
  }
};

}  // namespace betedge::server
