#include <fmt/format.h>

#include "betedge/server/dashboard.hpp"
#include "unit/server/api_world.hpp"

namespace betedge::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

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
  lake_.put(ObjectKey::parse("a/b").value(), Bytes(1));
  for (const auto& endpoint : Api::endpoints()) {
    auto path = std::string(endpoint.pattern);
    if (const auto at = path.find("{job_id}"); at != std::string::npos) path.replace(at, 8, "x");
    if (const auto at = path.find("{name}"); at != std::string::npos)
      path.replace(at, 6, "thetadata");
    if (const auto at = path.find("{key...}"); at != std::string::npos) path.replace(at, 8, "a/b");
    if (const auto at = path.find("{file...}"); at != std::string::npos)
      path.replace(at, 9, fmt::format("{}/app.js", web_version()));
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
  EXPECT_THAT(open,
              ElementsAre("/health", "/health/live", "/health/ready", "/ui", "/ui/files/{file...}",
                          "/ui/{page...}", "/login", "/login", "/logout"));
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
    } else if (path == "/ui/files/{file...}") {
      EXPECT_EQ(ask(method, path).status, 404);
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

// --- Sync
// ------------------------------------------------------------------------------------

constexpr std::string_view kDay =
    R"({"root":"AAPL","schema":"ohlc","start_date":"20240102","end_date":"20240102"})";

TEST_F(ApiTest, HoldsASyncRequestUntilItsJobEnds) {
  api_.set_rollout({.is_async_by_default = false});
  const auto answer = ask("POST", "/historical/stock", {}, std::string(kDay));
  EXPECT_EQ(answer.status, 202);
  const auto id = answer.header("Location").substr(std::string_view("/jobs/").size());
  EXPECT_EQ(answer.body, R"({"status":"success","request_id":")" + id + R"("})");
  EXPECT_EQ(Json::parse(ask("GET", "/jobs/" + id).body)["status"], "completed");
  EXPECT_EQ(metrics_.value(Metric::sync_requests, {"stock"}), 1);
}

TEST_F(ApiTest, ASyncRequestWhoseItemsFailedIsA500WithTheOriginalsSentence) {
  api_.set_rollout({.is_async_by_default = false});
  source_.failure = Error{ErrorCode::upstream_refused, "HTTP 400", {}};
  nasdaq_.failure = source_.failure;
  EXPECT_THAT(ask("POST", "/historical/stock", {}, std::string(kDay)).body,
              StartsWith(R"({"detail":"Failed to process historical stock request: 1 of 1 items )"
                         R"(failed: 20240102: HTTP 400")"));
  EXPECT_THAT(ask("POST", "/historical/option", {}, std::string(kDay)).body,
              StartsWith(R"({"detail":"Failed to process historical option request: )"));
  const auto earnings =
      ask("POST", "/earnings", {}, R"({"start_date":"202401","end_date":"202401"})");
  EXPECT_EQ(earnings.status, 500);
  EXPECT_THAT(earnings.body, StartsWith(R"({"detail":"Failed to process earnings request: )"));
}

TEST_F(ApiTest, HoldsNoLongerThanTheCallerWants) {
  source_.latency = 1h;
  const auto before = runtime_.steady_now();
  const auto answer =
      ask("POST", "/historical/stock", {}, std::string(kDay), {{"Prefer", "wait=5"}});
  EXPECT_EQ(answer.status, 202);
  EXPECT_EQ(Json::parse(answer.body)["status"], "accepted");
  EXPECT_EQ(answer.header("Preference-Applied"), "wait=5");
  EXPECT_GE(runtime_.steady_now() - before, 5s);
  EXPECT_LT(runtime_.steady_now() - before, 6s);
  EXPECT_EQ(metrics_.value(Metric::sync_requests, {"stock"}), 0) << "it was answered async";
  EXPECT_EQ(log_.last("sync_answered"), "");
}

TEST_F(ApiTest, AHeldRequestGetsA503WithLocationWhenTheServerDrainsAndItsJobGoesOn) {
  api_.set_rollout({.is_async_by_default = false});
  source_.latency = 1h;
  TaskScope scope(runtime_);
  Held held, left;
  ask_later(scope, "POST", "/historical/stock", std::string(kDay), {}, held);
  ask_later(scope, "POST", "/historical/stock", std::string(kDay), {}, left);
  runtime_.run(sleep(10s));
  EXPECT_FALSE(held.is_answered);
  left.gone.request_stop();
  runtime_.run(sleep(1ms));
  EXPECT_TRUE(left.is_answered);
  api_.drain();
  runtime_.run(sleep(1ms));
  ASSERT_TRUE(held.is_answered);
  EXPECT_EQ(held.answer.status, 503);
  EXPECT_THAT(held.answer.header("Location"), StartsWith("/jobs/"));
  EXPECT_EQ(held.answer.header("Retry-After"), "5");
  EXPECT_EQ(Json::parse(ask("GET", held.answer.header("Location")).body)["status"], "running");
  runtime_.run(close_scope(scope));
}

// --- Nothing twice
// ----------------------------------------------------------------------------

TEST_F(ApiTest, AnEqualRequestJoinsAndAKeyReplays) {
  source_.latency = 1h;
  const auto first = ask("POST", "/historical/stock", {}, std::string(kDay));
  const auto joined = ask("POST", "/historical/stock", {}, std::string(kDay));
  EXPECT_EQ(joined.body, first.body);
  EXPECT_EQ(joined.header("Betedge-Joined"), "true");
  const auto other = [](std::string_view day) {
    return R"({"root":"MSFT","schema":"ohlc","start_date":"20240102","end_date":")" +
           std::string(day) + R"("})";
  };
  const auto keyed =
      ask("POST", "/historical/stock", {}, other("20240103"), {{"Idempotency-Key", "\"k\\\"1\""}});
  const auto again =
      ask("POST", "/historical/stock", {}, other("20240103"), {{"Idempotency-Key", "k\"1"}});
  EXPECT_EQ(again.body, keyed.body);
  EXPECT_EQ(again.header("Idempotency-Replayed"), "true");
  const auto reused =
      ask("POST", "/historical/stock", {}, other("20240104"), {{"Idempotency-Key", "k\"1"}});
  EXPECT_EQ(reused.status, 422);
  EXPECT_EQ(Json::parse(reused.body)["detail"][0]["loc"], Json({"header", "Idempotency-Key"}));
  for (const auto& bad :
       {std::string(), std::string(256, 'x'), std::string("\"\""), std::string("k\xc3\xa9")})
    EXPECT_EQ(
        ask("POST", "/historical/stock", {}, other("20240103"), {{"Idempotency-Key", bad}}).status,
        400);
  // Somebody else's key is another one.
  const auto theirs = ask("POST", "/historical/stock", {}, other("20240104"),
                          {{"Idempotency-Key", "k\"1"}, {"X-Client-Id", "bob"}});
  EXPECT_EQ(theirs.status, 202);
}

TEST_F(ApiTest, AKeyWhoseRequestIsBeingStoredIsAConflict) {
  TaskScope scope(runtime_);
  Held first, second;
  for (auto* held : {&first, &second})
    ask_later(scope, "POST", "/historical/stock", std::string(kDay), {{"Idempotency-Key", "k"}},
              *held);
  runtime_.run(sleep(1s));
  EXPECT_EQ(first.answer.status, 202);
  EXPECT_EQ(second.answer.status, 409);
  EXPECT_EQ(second.answer.header("Retry-After"), "1");
  EXPECT_EQ(second.answer.header("Betedge-Error"), "idempotency_in_flight");
  runtime_.run(close_scope(scope));
}

TEST_F(ApiTest, ADryRunStoresNothing) {
  const auto answer = ask("POST", "/historical/stock", {{"dry_run", "true"}}, std::string(kDay));
  EXPECT_EQ(answer.status, 200);
  const auto run = Json::parse(answer.body);
  EXPECT_EQ(run["total"], 1);
  EXPECT_EQ(run["calls"], 1);
  EXPECT_EQ(run["items"][0]["key"], "historical-stock/ohlc/1m/AAPL/2024/01/02/data.parquet");
  EXPECT_EQ(run["items"][0]["state"], "missing");
  EXPECT_TRUE(run["expected"]["bytes"].is_null());
  EXPECT_EQ(Json::parse(ask("GET", "/jobs").body)["total"], 0);
  EXPECT_EQ(ask("POST", "/historical/stock", {{"dry_run", "perhaps"}}, std::string(kDay)).status,
            422);
}

// --- Control
// --------------------------------------------------------------------------------

TEST_F(ApiTest, CancelsRetriesAndDeletes) {
  source_.latency = 1h;
  const auto id = submit_week();
  runtime_.run(sleep_a_second());
  EXPECT_EQ(ask("DELETE", "/jobs/" + id).status, 409);
  EXPECT_EQ(ask("POST", "/jobs/" + id + "/retry").status, 409);
  const auto cancelled = ask("POST", "/jobs/" + id + "/cancel");
  EXPECT_EQ(cancelled.status, 202);
  EXPECT_EQ(Json::parse(cancelled.body)["state"], "cancelling");
  run_to_end(id);
  const auto ended = Json::parse(ask("GET", "/jobs/" + id).body);
  EXPECT_EQ(ended["state"], "cancelled");
  EXPECT_EQ(ended["status"], "failed");
  EXPECT_EQ(ended["error_message"], "cancelled");
  EXPECT_EQ(ask("POST", "/jobs/" + id + "/cancel").status, 200);
  EXPECT_EQ(ask("DELETE", "/jobs/" + id).status, 204);
  EXPECT_EQ(ask("GET", "/jobs/" + id).status, 404);
  EXPECT_EQ(ask("POST", "/jobs/" + id + "/cancel").status, 404);
  EXPECT_EQ(ask("DELETE", "/jobs/" + id).status, 404);
}

TEST_F(ApiTest, ChangesAnUpstreamsLimitLive) {
  const auto changed = ask("PUT", "/upstreams/thetadata", {}, R"({"concurrency":7})");
  EXPECT_EQ(changed.status, 200);
  EXPECT_EQ(Json::parse(changed.body)["concurrency"], 7);
  EXPECT_EQ(limiter_.limit(), 7U);
  const auto list = Json::parse(ask("GET", "/upstreams").body)["upstreams"];
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(list[1]["version"], "v3");
  EXPECT_EQ(ask("PUT", "/upstreams/mars", {}, R"({"concurrency":7})").status, 404);
  for (const auto* bad :
       {"", "[]", "{}", R"({"concurrency":0})", R"({"concurrency":-1})", R"({"concurrency":257})",
        R"({"concurrency":"7"})", R"({"concurrency":99999999999999999999})"})
    EXPECT_EQ(ask("PUT", "/upstreams/thetadata", {}, bad).status, 422) << bad;
  EXPECT_EQ(limiter_.limit(), 7U);
}

// --- Watching
// -------------------------------------------------------------------------------

TEST_F(ApiTest, AJobsTagIsItsVersionAndWhatItWaitsFor) {
  source_.is_there = false;
  const auto id = submit_week();
  const auto first = ask("GET", "/jobs/" + id);
  EXPECT_THAT(first.header("ETag"), ::testing::MatchesRegex("\"[0-9]+\""));
  EXPECT_EQ(first.header("Retry-After"), "1");
  const auto same = ask("GET", "/jobs/" + id, {}, {}, {{"If-None-Match", first.header("ETag")}});
  EXPECT_TRUE(same.status == 304 || same.header("ETag") != first.header("ETag"));
  runtime_.run(sleep(10s));
  const auto waiting = ask("GET", "/jobs/" + id);
  EXPECT_THAT(waiting.header("ETag"), HasSubstr("-w"));
  const auto still =
      ask("GET", "/jobs/" + id, {}, {}, {{"If-None-Match", "\"x\", W/" + waiting.header("ETag")}});
  EXPECT_EQ(still.status, 304);
  EXPECT_EQ(still.body, "");
  source_.is_there = true;
  run_to_end(id);
  EXPECT_EQ(ask("GET", "/jobs/" + id).header("Retry-After"), "");
}

TEST_F(ApiTest, ALongPollAnswersWithTheNextChange) {
  source_.latency = 20s;
  const auto id = submit_week();
  runtime_.run(sleep(1s));
  const auto before = runtime_.steady_now();
  const auto tag = ask("GET", "/jobs/" + id).header("ETag");
  const auto changed = ask("GET", "/jobs/" + id, {{"wait", "60"}}, {}, {{"If-None-Match", tag}});
  EXPECT_EQ(changed.status, 200);
  EXPECT_NE(changed.header("ETag"), tag);
  EXPECT_GT(runtime_.steady_now() - before, 10s);
  // One that is known to be old is answered at once.
  const auto now = runtime_.steady_now();
  EXPECT_EQ(ask("GET", "/jobs/" + id, {{"wait", "60"}}, {}, {{"If-None-Match", tag}}).status, 200);
  EXPECT_LT(runtime_.steady_now() - now, 1s);
  source_.latency = 1h;
  runtime_.run(sleep(30s));
  const auto last = ask("GET", "/jobs/" + id).header("ETag");
  EXPECT_EQ(ask("GET", "/jobs/" + id, {{"wait", "3"}}, {}, {{"If-None-Match", last}}).status, 304);
  EXPECT_EQ(ask("GET", "/jobs/" + id, {{"wait", "-1"}}).status, 422);
  EXPECT_EQ(ask("GET", "/jobs/" + id, {{"wait", "soon"}}).status, 422);
}

TEST_F(ApiTest, IsReadyWhenStoreAndLakeAnswerAndNamesWhatDoesNot) {
  EXPECT_EQ(ask("GET", "/health/ready").status, 200);
  store_.failure = Error{ErrorCode::store_unavailable, "disk I/O error on /home/ann", {}};
  const auto answer = ask("GET", "/health/ready");
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(Json::parse(answer.body)["store"]["status"], "failing");
  EXPECT_EQ(Json::parse(answer.body)["lake"]["status"], "ok");
  EXPECT_THAT(answer.body, Not(HasSubstr("/home")));
  store_.failure.reset();
  api_.drain();
  EXPECT_EQ(Json::parse(ask("GET", "/health/ready").body)["status"], "stopping");
  EXPECT_EQ(ask("GET", "/health/live").status, 200);
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
  const std::string second =
      Json::parse(submit(R"("start_date":"20240311","end_date":"20240315")").body)["job_id"];
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
  Api early(runtime_, service_, lake_service_, log_, guard_,
            {.version = "1", .existing = Existing::keep});
  net::ServerRequest request;
  request.method = "GET";
  request.path = "/jobs";
  net::ServerResponse answer;
  runtime_.run(answer_of(early, std::move(request), answer));
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(Json::parse(as_text(answer.body.bytes))["code"], "starting");
}

TEST_F(ApiTest, ForceRefreshIsTheServersWhenTheRequestSaysNothing) {
  Api forcing(runtime_, service_, lake_service_, log_, guard_,
              {.version = "1", .existing = Existing::replace});
  forcing.open();
  net::ServerRequest request;
  request.method = "POST";
  request.path = "/historical/stock";
  request.headers = {{"Content-Type", "application/json"}};
  request.body = R"({"root":"AAPL","start_date":"20240102","end_date":"20240102"})";
  net::ServerResponse answer;
  runtime_.run(answer_of(forcing, std::move(request), answer));
  EXPECT_EQ(answer.status, 202);
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
