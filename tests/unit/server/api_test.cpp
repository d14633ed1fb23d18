#include "betedge/server/api.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <stdexcept>

#include "betedge/jobs/sqlite_store.hpp"
#include "betedge/ports/async.hpp"
#include "betedge/sinks/memory_store.hpp"
#include "support/counted_metrics.hpp"
#include "support/interposed_store.hpp"
#include "support/virtual_runtime.hpp"

namespace betedge::server {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
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
  bool is_there = true;

  Task<Result<std::optional<std::unique_ptr<Answer>>>> open(Call, std::stop_token stop) override {
    if (!co_await sleep_for(runtime_, 10ms, stop)) co_return fail(ErrorCode::cancelled, "stop");
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
        service_({runtime_, store_, lake_, {{"thetadata", source_, limiter_}}, log_}, {}),
        api_(runtime_, service_, log_, guard_, {.version = "9.8.7", .existing = Existing::keep},
             metrics_) {
    runtime_.run(start());
    api_.open();
  }
  ~ApiTest() override {
    store_.failure.reset();
    store_.throws = false;
    runtime_.run(service_.close());
  }

  struct Answer {
    int status = 0;
    std::string body;  // of an error without what every error has
    net::Headers headers;
    Json problem;       // an error's whole body
    std::string whole;  // the body as it came
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
  static Task<void> status_of(Api& api, net::ServerRequest request, int& status) {
    status = (co_await api.handle(std::move(request))).status;
  }

  betedge::testing::VirtualRuntime runtime_{7};
  std::unique_ptr<JobStore> file_;
  FragileStore store_;
  sinks::MemoryStore lake_{runtime_};
  EmptySource source_{runtime_};
  net::Limiter limiter_{runtime_, 4};
  LineLog log_;
  betedge::testing::CountedMetrics metrics_;
  engine::DataProcessingService service_;
  Guard guard_{runtime_, log_, {}, {}};
  Api api_;

 private:
  Task<void> start() { EXPECT_TRUE((co_await service_.start()).has_value()); }
  Task<void> ask_into(net::ServerRequest request, Answer& answer) {
    const auto response = co_await api_.handle(std::move(request));
    answer = {response.status, std::string(as_text(response.body.bytes)), response.headers, {}, {}};
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

TEST_F(ApiTest, DescribesItselfWithNothingThatIsNotThere) {
  const auto answer = ask("GET", "/");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"service":"BetEdge Historical Data API","version":"9.8.7",)"
                         R"("endpoints":["/historical/option","/historical/stock","/earnings"],)"
                         R"("docs":"/docs","health":"/health"})");
  for (const std::string path : Json::parse(answer.body)["endpoints"])
    EXPECT_EQ(ask("GET", path).status, 405) << path;
}

TEST_F(ApiTest, AnswersEveryEndpointOfItsTableAndNoOtherMethodOfIt) {
  for (const auto& endpoint : Api::endpoints()) {
    auto path = std::string(endpoint.pattern);
    if (const auto at = path.find("{job_id}"); at != std::string::npos) path.replace(at, 8, "x");
    EXPECT_NE(ask(std::string(to_text(endpoint.method)), path).status, 404) << path;
    const auto wrong = ask("PATCH", path);
    EXPECT_EQ(wrong.status, 405) << path;
    EXPECT_EQ(wrong.body, R"({"detail":"Method Not Allowed"})");
    EXPECT_THAT(wrong.header("Allow"), HasSubstr(to_text(endpoint.method)));
  }
  EXPECT_EQ(ask("GET", "/nope").body, R"({"detail":"Not Found"})");
}

TEST_F(ApiTest, AnErrorSaysItsCodeItsPathAndWhereItIsExplained) {
  const auto answer = ask("GET", "/jobs/x");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.problem["code"], "invalid_job_id");
  EXPECT_EQ(answer.problem["type"], "/docs#invalid_job_id");
  EXPECT_EQ(answer.problem["instance"], "/jobs/x");
  EXPECT_EQ(answer.problem["status"], 400);
  EXPECT_EQ(answer.header("Betedge-Error"), "invalid_job_id");
  EXPECT_EQ(answer.header("Content-Type"), "application/json");
}

TEST_F(ApiTest, SpeaksRfc9457ToWhoAsksForIt) {
  const auto refused = ask("POST", "/historical/stock", {}, R"({"root":"AAPL"})",
                           {{"Accept", "text/html"}, {"Accept", "application/problem+json"}});
  EXPECT_EQ(refused.status, 422);
  EXPECT_EQ(refused.header("Content-Type"), "application/problem+json");
  const auto problem = Json::parse(refused.whole);
  EXPECT_EQ(problem["code"], "validation_error");
  EXPECT_EQ(problem["detail"], "start_date: Field required; end_date: Field required");
  EXPECT_EQ(problem["errors"].size(), 2U);
  const auto fine = ask("GET", "/health", {}, {}, {{"Accept", "application/problem+json"}});
  EXPECT_EQ(fine.header("Content-Type"), "application/json");
}

TEST_F(ApiTest, IsOpenOnlyWhereAnybodyMayAsk) {
  std::vector<std::string_view> open;
  for (const auto& endpoint : Api::endpoints())
    if (endpoint.access == Access::open) open.push_back(endpoint.pattern);
  EXPECT_THAT(
      open, ElementsAre("/health", "/health/live", "/health/ready", "/login", "/login", "/logout"));
}

TEST_F(ApiTest, AsksForATokenBeforeAnythingElse) {
  GuardRules rules;
  rules.tokens = *TokenTable::parse("ann read " + to_hex(sha256("a")), "tokens");
  guard_.set_rules(rules);
  for (const auto& endpoint : Api::endpoints()) {
    const auto method = std::string(to_text(endpoint.method));
    const auto path = std::string(endpoint.pattern);
    const bool is_open = endpoint.access == Access::open;
    if (!is_open) {
      EXPECT_EQ(ask(method, path).status, 401) << path;
      const auto known = ask(method, path, {}, "", {{"Authorization", "Bearer a"}});
      EXPECT_EQ(known.status == 403, endpoint.access > Access::read) << path;
    } else if (path != "/login" || method == "GET") {
      EXPECT_LT(ask(method, path).status, 300) << path;
    }
  }
  EXPECT_EQ(ask("GET", "/nope").status, 404);
  EXPECT_EQ(ask("GET", "/jobs", {}, "", {{"Host", "evil.example"}}).status, 421);
  EXPECT_THAT(log_.last("request_received"), HasSubstr("status=421"));
  ask("GET", "/jobs/x", {}, "", {{"Authorization", "Bearer a"}});
  EXPECT_THAT(log_.last("request_received"), HasSubstr("client=ann"));
}

TEST_F(ApiTest, SaysHowAPreferenceWasMetAndWhenSyncIsSwitchedOff) {
  const std::string day = R"("start_date":"20240102","end_date":"20240102")";
  api_.set_rollout({.is_async_by_default = false, .is_sync_enabled = false});
  const auto asked = submit(day, {{"prefer", "respond-async"}});
  EXPECT_EQ(asked.header("Preference-Applied"), "respond-async");
  EXPECT_EQ(asked.header("Deprecation"), "");
  const auto held = submit(day, {{"X-Client-Id", "old"}});
  EXPECT_EQ(held.status, 202);
  EXPECT_THAT(held.header("Deprecation"), ::testing::MatchesRegex("@[0-9]+"));
  EXPECT_THAT(log_.last("sync_refused"), HasSubstr("client=old"));
  api_.set_rollout({});
  const auto plain = submit(day);
  EXPECT_EQ(plain.header("Preference-Applied") + plain.header("Deprecation"), "");
}

TEST_F(ApiTest, AcceptsARequestAndTellsWhereItsJobIs) {
  const auto answer = submit(R"("start_date":"20240102","end_date":"20240105")");
  EXPECT_EQ(answer.status, 202);
  const std::string id = Json::parse(answer.body)["job_id"];
  EXPECT_EQ(answer.header("Location"), "/jobs/" + id);
  EXPECT_EQ(answer.body, R"({"status":"accepted","job_id":")" + id +
                             R"(","message":"Request submitted for background processing",)"
                             R"("status_url":"/jobs/)" +
                             id + R"("})");
  EXPECT_THAT(log_.last("request_received"),
              StartsWith("info request_received method=POST path=/historical/stock status=202"));
  EXPECT_THAT(log_.last("request_received"), HasSubstr("job=" + id));
}

TEST_F(ApiTest, CountsEveryRequestByItsPatternNotItsPath) {
  const auto seen = [this](std::string_view method, std::string_view route, std::string_view status,
                           std::string_view mode) {
    return metrics_.value(Metric::http_request_seconds, {method, route, status, mode});
  };
  EXPECT_EQ(seen("POST", "/historical/stock", "202", "async"), 0);
  EXPECT_EQ(metrics_.value(Metric::sync_requests, {"stock"}), 0) << "there before the first";
  const auto id = submit_week();
  ask("GET", "/jobs/" + id);
  ask("GET", "/jobs/not-a-uuid");
  ask("GET", "/nope");
  ask("BREW", "/jobs");
  submit(R"("start_date":"never")");
  EXPECT_EQ(seen("POST", "/historical/stock", "202", "async"), 1);
  EXPECT_EQ(seen("POST", "/historical/stock", "422", "async"), 1);
  EXPECT_EQ(seen("GET", "/jobs/{job_id}", "200", ""), 1);
  EXPECT_EQ(seen("GET", "/jobs/{job_id}", "400", ""), 1);
  EXPECT_EQ(seen("GET", "", "404", ""), 1);
  EXPECT_EQ(seen("_OTHER", "", "405", ""), 1);
  EXPECT_EQ(metrics_.value(Metric::sync_requests, {"stock"}), 0);
}

TEST_F(ApiTest, MetricsAreTextForPrometheusAndCountTheirOwnReader) {
  const auto answer = ask("GET", "/metrics");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.header("Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_THAT(answer.body, HasSubstr("http_server_active_requests{} 1\n"));
  EXPECT_EQ(metrics_.value(Metric::http_active_requests), 0) << "it is over";
}

TEST_F(ApiTest, ShowsAJobWithPartOneFirst) {
  const auto id = submit_week();
  const auto pending = ask("GET", "/jobs/" + id);
  EXPECT_EQ(pending.status, 200);
  EXPECT_THAT(pending.body, StartsWith(R"({"job_id":")" + id + R"(","status":")"));
  run_to_end(id);
  const auto ended = ask("GET", "/jobs/" + id);
  EXPECT_THAT(ended.body,
              StartsWith(R"({"job_id":")" + id +
                         R"(","status":"completed","progress":{"completed":5,"total":5,)"
                         R"("percentage":100.0},"created_at":")"));
  EXPECT_THAT(log_.last("request_received"), StartsWith("debug "));
}

TEST_F(ApiTest, SaysWhyAJobStandsStillOnlyWhileItHasNotEnded) {
  source_.is_there = false;
  const auto id = submit_week();
  runtime_.run(sleep_a_second());
  EXPECT_THAT(ask("GET", "/jobs/" + id).body, HasSubstr(R"("waiting_for":"upstream)"));
  source_.is_there = true;
  run_to_end(id);
  EXPECT_THAT(ask("GET", "/jobs/" + id).body, Not(HasSubstr("waiting_for")));
}

struct IdCase {
  std::string name;
  std::string id;
  int status;
  std::string body;
};
class JobIdInPath : public ApiTest, public ::testing::WithParamInterface<IdCase> {};

TEST_P(JobIdInPath, IsReadAsPythonDoesAndGivenBackAsSent) {
  for (const auto* suffix : {"", "/items"}) {
    const auto answer = ask("GET", "/jobs/" + GetParam().id + suffix);
    EXPECT_EQ(answer.status, GetParam().status);
    EXPECT_EQ(answer.body, GetParam().body);
  }
}
INSTANTIATE_TEST_SUITE_P(
    Spellings, JobIdInPath,
    ::testing::Values(
        IdCase{"no_id", "not-a-uuid", 400, R"({"detail":"Invalid job ID format"})"},
        IdCase{"dashed", "00000000-0000-0000-0000-000000000000", 404,
               R"({"detail":"Job 00000000-0000-0000-0000-000000000000 not found"})"},
        IdCase{"braced", "{00000000-0000-0000-0000-00000000000A}", 404,
               R"({"detail":"Job {00000000-0000-0000-0000-00000000000A} not found"})"},
        IdCase{"urn", "urn:uuid:00000000-0000-0000-0000-000000000000", 404,
               R"({"detail":"Job urn:uuid:00000000-0000-0000-0000-000000000000 not found"})"}),
    [](const auto& tested) { return tested.param.name; });

TEST_F(ApiTest, ListsJobsNewestFirstAsManyAsAreAskedFor) {
  const auto first = submit_week();
  run_to_end(first);
  const auto second = submit_week();
  auto list = Json::parse(ask("GET", "/jobs").body);
  EXPECT_EQ(list["total"], 2);
  EXPECT_EQ(list["limit"], nullptr);
  EXPECT_EQ(list["status_filter"], nullptr);
  EXPECT_EQ(list["jobs"][0]["job_id"], second);
  EXPECT_EQ(list["jobs"][1]["job_id"], first);
  list = Json::parse(ask("GET", "/jobs", {{"limit", "7"}, {"limit", "1"}}).body);
  EXPECT_EQ(list["total"], 1);
  EXPECT_EQ(list["limit"], 1);
  list = Json::parse(ask("GET", "/jobs", {{"job_status", "Completed"}}).body);
  EXPECT_EQ(list["status_filter"], "Completed");
  EXPECT_EQ(list["total"], 1);
  EXPECT_EQ(list["jobs"][0]["job_id"], first);
  list = Json::parse(ask("GET", "/jobs", {{"job_status", ""}}).body);
  EXPECT_EQ(list["status_filter"], "");
  EXPECT_EQ(list["total"], 2);
}

TEST_F(ApiTest, RefusesAListThatIsNoneOfThese) {
  const auto status = ask("GET", "/jobs", {{"job_status", "x"}});
  EXPECT_EQ(status.status, 400);
  EXPECT_THAT(status.body, StartsWith(R"({"detail":"Invalid status 'x'. Valid statuses: )"));
  const auto limit = ask("GET", "/jobs", {{"limit", "many"}});
  EXPECT_EQ(limit.status, 422);
  EXPECT_EQ(limit.body,
            R"({"detail":[{"type":"int_parsing","loc":["query","limit"],"msg":"Input should be a )"
            R"(valid integer, unable to parse string as an integer","input":"many"}]})");
}

TEST_F(ApiTest, ListsItemsPageByPage) {
  const auto id = submit_week();
  run_to_end(id);
  const auto path = "/jobs/" + id + "/items";
  std::vector<std::string> keys;
  std::vector<std::pair<std::string, std::string>> query{{"limit", "2"}};
  for (int pages = 1;; ++pages) {
    const auto page = Json::parse(ask("GET", path, query).body);
    for (const auto& item : page["items"]) {
      EXPECT_EQ(item["state"], "no_data");
      keys.push_back(item["key"]);
    }
    if (page["next_cursor"].is_null()) {
      EXPECT_EQ(pages, 3);
      break;
    }
    query = {{"limit", "2"}, {"cursor", page["next_cursor"].dump()}};
  }
  EXPECT_THAT(keys, ElementsAre("historical-stock/ohlc/1m/AAPL/2024/01/02/data.parquet",
                                "historical-stock/ohlc/1m/AAPL/2024/01/03/data.parquet",
                                "historical-stock/ohlc/1m/AAPL/2024/01/04/data.parquet",
                                "historical-stock/ohlc/1m/AAPL/2024/01/05/data.parquet",
                                "historical-stock/ohlc/1m/AAPL/2024/01/08/data.parquet"));
  EXPECT_EQ(Json::parse(ask("GET", path, {{"state", "no_data"}}).body)["items"].size(), 5u);
  EXPECT_EQ(Json::parse(ask("GET", path, {{"state", "failed"}}).body)["items"].size(), 0u);
  EXPECT_EQ(ask("GET", path, {{"state", "bad"}}).body,
            R"({"detail":"Invalid state 'bad'. Valid states: pending, running, succeeded, )"
            R"(skipped, no_data, failed, cancelled"})");
  EXPECT_EQ(ask("GET", path, {{"cursor", "-1"}}).body, R"({"detail":"Invalid cursor"})");
}

TEST_F(ApiTest, TellsWhatTheUpstreamCannotServeAtTheFieldThatAsksForIt) {
  source_.refuses = "interval 90s is not one that a v3 terminal serves: 1m, 5m";
  const auto answer = submit(R"("start_date":"20240102","end_date":"20240105","interval":90000)");
  EXPECT_EQ(answer.status, 422);
  const auto fault = Json::parse(answer.body)["detail"][0];
  EXPECT_EQ(fault["loc"], (Json{"body", "interval"}));
  EXPECT_EQ(fault["input"], 90000);
  EXPECT_THAT(fault["msg"].get<std::string>(), HasSubstr("1m, 5m"));
}

TEST_F(ApiTest, AnOutageOfTheStoreIsA503ThatSaysWhenToComeBack) {
  const auto id = submit_week();
  run_to_end(id);
  store_.failure = Error{ErrorCode::store_unavailable, "/var/lib/jobs.db: disk full", 0ms};
  const auto refused = submit(R"("start_date":"20240102","end_date":"20240105")");
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.header("Retry-After"), "5");
  EXPECT_EQ(refused.body,
            R"({"detail":"Failed to submit request: the job store is not available"})");
  EXPECT_THAT(log_.last("submit_failed"), HasSubstr("status=503"));
  EXPECT_THAT(log_.last("submit_failed"), HasSubstr("error=/var/lib/jobs.db: disk full"));

  const auto unknown = ask("GET", "/jobs/00000000-0000-0000-0000-000000000000");
  EXPECT_EQ(unknown.status, 503);
  EXPECT_EQ(unknown.body,
            R"({"detail":"Failed to get job status: the job store is not available"})");
  EXPECT_THAT(log_.last("status_failed"), HasSubstr("job=00000000-0000-0000-0000-000000000000"));
  EXPECT_EQ(ask("GET", "/jobs").body,
            R"({"detail":"Failed to list jobs: the job store is not available"})");
  EXPECT_EQ(ask("GET", "/jobs/" + id + "/items").status, 503);
  EXPECT_EQ(ask("GET", "/health").status, 200);

  store_.failure.reset();
  EXPECT_EQ(submit(R"("start_date":"20240102","end_date":"20240105")").status, 202);
}

TEST_F(ApiTest, AFaultWhileSubmittingIsA500WithoutItsInsides) {
  store_.failure = Error{ErrorCode::internal, "at /src/store.cpp:17", 0ms};
  const auto refused = submit(R"("start_date":"20240102","end_date":"20240105")");
  EXPECT_EQ(refused.status, 500);
  EXPECT_EQ(refused.body, R"({"detail":"Failed to submit request: an internal error"})");
}

TEST_F(ApiTest, AFaultThatNoHandlerExpectsIsAnInternalError) {
  store_.throws = true;
  const auto answer = ask("GET", "/jobs");
  EXPECT_EQ(answer.status, 500);
  EXPECT_THAT(answer.body,
              StartsWith(R"({"error_code":"INTERNAL_ERROR","message":"An internal error occurred )"
                         R"(while processing the request","details":")"));
  EXPECT_EQ(answer.problem["code"], "internal_error");
  EXPECT_THAT(answer.whole, Not(HasSubstr("/home")));
  EXPECT_THAT(log_.last("handler_failed"), HasSubstr("/home/ann/jobs.db is broken"));
}

TEST_F(ApiTest, TakesNothingNewOnceItDrains) {
  const auto id = submit_week();
  api_.drain();
  const auto refused = submit(R"("start_date":"20240102","end_date":"20240105")");
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.body, R"({"detail":"Failed to submit request: the server is stopping"})");
  EXPECT_EQ(refused.header("Retry-After"), "5");
  EXPECT_EQ(ask("GET", "/jobs/" + id).status, 200);
}

TEST_F(ApiTest, AsksTheServiceNothingBeforeItIsOpened) {
  Api early(runtime_, service_, log_, guard_, {.version = "1", .existing = Existing::keep});
  net::ServerRequest request;
  request.method = "GET";
  request.path = "/jobs";
  int status = 0;
  runtime_.run(status_of(early, std::move(request), status));
  EXPECT_EQ(status, 503);
}

TEST_F(ApiTest, ForceRefreshIsTheServersWhenTheRequestSaysNothing) {
  Api forcing(runtime_, service_, log_, guard_, {.version = "1", .existing = Existing::replace});
  forcing.open();
  net::ServerRequest request;
  request.method = "POST";
  request.path = "/historical/stock";
  request.headers = {{"Content-Type", "application/json"}};
  request.body = R"({"root":"AAPL","start_date":"20240102","end_date":"20240102"})";
  int status = 0;
  runtime_.run(status_of(forcing, std::move(request), status));
  EXPECT_EQ(status, 202);
  const auto jobs = Json::parse(ask("GET", "/jobs").body)["jobs"];
  EXPECT_EQ(jobs[0]["request"]["force_refresh"], true);
}

TEST(ApiRefusal, HasTheShapeOfEveryOtherRefusal) {
  const auto answer = Api::refusal(413, "Content Too Large");
  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(as_text(answer.body.bytes),
            R"({"detail":"Content Too Large","type":"/docs#payload_too_large",)"
            R"("title":"The body is too large","status":413,"code":"payload_too_large"})");
  for (const int status : {400, 408, 413, 417, 431, 500, 501, 505}) {
    const auto refused = Api::refusal(status, "x");
    EXPECT_EQ(refused.status, status);
    EXPECT_EQ(Json::parse(as_text(refused.body.bytes))["status"], status);
  }
  EXPECT_THAT(std::string(as_text(Api::refusal(500, "x").body.bytes)),
              StartsWith(R"({"error_code":"INTERNAL_ERROR")"));
}

}  // namespace
}  // namespace betedge::server
