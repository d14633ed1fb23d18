#include "unit/server/api_world.hpp"

// The lake over HTTP, in a world whose terminal has no data.
namespace betedge::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Step = sinks::MemoryStore::Step;

constexpr std::string_view kKey = "historical-stock/ohlc/1m/AAPL/2024/01/03/data.parquet";

class LakeApiTest : public ApiTest {
 protected:
  void put(std::string_view key, std::string_view bytes = "0123456789") {
    const auto view = as_bytes(bytes);
    lake_.put(ObjectKey::parse(key).value(), Bytes(view.begin(), view.end()));
  }
  void fail_lake() {
    lake_.set_hook([](Step, const ObjectKey&) {
      return sinks::MemoryStore::Fate{
          .failure = Error{ErrorCode::storage_failed, "/home/ann/lake is gone", {}}};
    });
  }
  using Query = std::vector<std::pair<std::string, std::string>>;
  static Query week(std::string_view kind = "stock") {
    return {{"kind", std::string(kind)},
            {"root", "AAPL"},
            {"schema", "ohlc"},
            {"start_date", "20240102"},
            {"end_date", "20240105"}};
  }
  std::string fill(const std::string& more = "") {
    return R"({"kind":"stock","root":"AAPL","schema":"ohlc","start_date":"20240102",)"
           R"("end_date":"20240105")" +
           more + "}";
  }
};

TEST_F(LakeApiTest, RootsAreSeriesAndWhatIsNoneOfThem) {
  put(kKey);
  put("historical-stock/ohlc/1m/AAPL/2024/01/05/data.parquet", "01234");
  put("historical-options/quote/15m@100000-110000/all/SPX/2024/01/05/data.ipc");
  put("earnings/2024/02/data.parquet");
  put("manifests/x.json", "{}");
  const auto answer = ask("GET", "/lake/roots");
  EXPECT_EQ(answer.status, 200);
  const auto roots = Json::parse(answer.body);
  EXPECT_EQ(roots["lake"], "memory");
  EXPECT_EQ(roots["publishes_conditionally"], true);
  EXPECT_EQ(roots["other"], Json::parse(R"({"objects":1,"bytes":2})"));
  ASSERT_EQ(roots["roots"].size(), 3U);
  EXPECT_EQ(roots["roots"][0],
            Json::parse(R"({"kind":"earnings","root":null,"schema":null,"interval":null,
              "return_format":"parquet","objects":1,"bytes":10,"rows":null,"first":"20240201",
              "last":"20240229"})"));
  EXPECT_EQ(roots["roots"][1]["interval"], "15m@100000-110000");
  EXPECT_EQ(roots["roots"][1]["return_format"], "ipc");
  EXPECT_EQ(roots["roots"][2],
            Json::parse(R"({"kind":"stock","root":"AAPL","schema":"ohlc","interval":"1m",
              "return_format":"parquet","objects":2,"bytes":15,"rows":null,"first":"20240103",
              "last":"20240105"})"));
}

TEST_F(LakeApiTest, CoverageSaysWhatThereIsDayByDay) {
  put(kKey);
  const auto answer = ask("GET", "/lake/coverage", week());
  EXPECT_EQ(answer.status, 200);
  const auto coverage = Json::parse(answer.body);
  EXPECT_EQ(coverage["kind"], "stock");
  EXPECT_EQ(coverage["interval"], 60'000);
  EXPECT_EQ(coverage["start_date"], "20240102");
  EXPECT_EQ(coverage["counts"]["missing"], 3);
  EXPECT_EQ(coverage["days"][1], Json::parse(R"({"date":"20240103","state":"present",
              "key":"historical-stock/ohlc/1m/AAPL/2024/01/03/data.parquet",
              "reason":"not recorded yet"})"));
}

TEST_F(LakeApiTest, CoverageOfNothingHasNoDates) {
  const auto answer = ask("GET", "/lake/coverage", {{"kind", "earnings"}});
  EXPECT_EQ(answer.status, 200);
  const auto coverage = Json::parse(answer.body);
  EXPECT_EQ(coverage["root"], nullptr);
  EXPECT_EQ(coverage["start_date"], nullptr);
  EXPECT_EQ(coverage["days"], Json::array());
}

TEST_F(LakeApiTest, CoverageListsEveryFaultOfItsQuery) {
  const auto answer = ask("GET", "/lake/coverage", {{"kind", "stock"}, {"interval", "7"}});
  EXPECT_EQ(answer.status, 422);
  EXPECT_THAT(answer.body, HasSubstr(R"(["query","root"])"));
  EXPECT_THAT(answer.body, HasSubstr(R"(["query","interval"])"));
  EXPECT_EQ(answer.problem["code"], "validation_error");
}

TEST_F(LakeApiTest, FillSubmitsExactlyTheGaps) {
  put(kKey);
  const auto answer = ask("POST", "/lake/fill", {}, fill(R"(,"labels":{"a":"b"},"priority":3)"));
  EXPECT_EQ(answer.status, 202) << answer.body;
  const std::string job = Json::parse(answer.body)["job_id"];
  EXPECT_EQ(answer.header("Location"), "/jobs/" + job);
  const auto info = Json::parse(ask("GET", "/jobs/" + job).body);
  EXPECT_EQ(info["progress"]["total"], 3);
  EXPECT_EQ(info["request"]["only"],
            Json::parse(R"([["20240102","20240102"],["20240104","20240105"]])"));
  EXPECT_EQ(info["request"]["mode"], "skip");
  EXPECT_EQ(info["request"]["labels"]["a"], "b");
  EXPECT_EQ(info["request"]["priority"], 3);
  run_to_end(job);
}

TEST_F(LakeApiTest, AnEqualFillJoinsTheOneThatGoesOn) {
  source_.latency = 1h;
  const auto first = ask("POST", "/lake/fill", {}, fill());
  const auto second = ask("POST", "/lake/fill", {}, fill());
  EXPECT_EQ(second.header("Betedge-Joined"), "true");
  EXPECT_EQ(first.body, second.body);
}

TEST_F(LakeApiTest, AFillIsNeverHeld) {
  api_.set_rollout({.is_async_by_default = false});
  source_.latency = 1h;
  EXPECT_EQ(ask("POST", "/lake/fill", {}, fill(), {{"Prefer", "wait=100"}}).status, 202);
}

TEST_F(LakeApiTest, TheSameFillWithAKeyIsTheSameJobWhateverIsMissingByThen) {
  const net::Headers key{{"Idempotency-Key", "once"}};
  const auto first = ask("POST", "/lake/fill", {}, fill(), key);
  const std::string job = Json::parse(first.body)["job_id"];
  run_to_end(job);
  for (int day = 2; day <= 5; ++day)
    put("historical-stock/ohlc/1m/AAPL/2024/01/0" + std::to_string(day) + "/data.parquet");
  const auto again = ask("POST", "/lake/fill", {}, fill(), key);
  EXPECT_EQ(again.status, 202);
  EXPECT_EQ(again.header("Idempotency-Replayed"), "true");
  EXPECT_EQ(Json::parse(again.body)["job_id"], job);
  const auto other = ask("POST", "/lake/fill", {}, fill(R"(,"priority":1)"), key);
  EXPECT_EQ(other.status, 422);
  EXPECT_EQ(other.problem["code"], "idempotency_key_reused");
  const auto without = ask("POST", "/lake/fill", {}, fill());
  EXPECT_EQ(without.status, 200);
  const auto nothing = Json::parse(without.body);
  EXPECT_EQ(nothing["status"], "nothing_to_fill");
  EXPECT_EQ(nothing["counts"]["present"], 4);
}

TEST_F(LakeApiTest, ADryFillStoresNothing) {
  put(kKey);
  const auto answer = ask("POST", "/lake/fill", {{"dry_run", "true"}}, fill());
  EXPECT_EQ(answer.status, 200);
  const auto run = Json::parse(answer.body);
  EXPECT_EQ(run["total"], 3);
  EXPECT_EQ(run["request"]["only"].size(), 2U);
  EXPECT_EQ(Json::parse(ask("GET", "/jobs").body)["total"], 0);
  for (int day = 2; day <= 5; ++day)
    put("historical-stock/ohlc/1m/AAPL/2024/01/0" + std::to_string(day) + "/data.parquet");
  EXPECT_EQ(Json::parse(ask("POST", "/lake/fill", {{"dry_run", "true"}}, fill()).body)["status"],
            "nothing_to_fill");
}

TEST_F(LakeApiTest, AFillOfWhatIsUnknownMustSayWhereItBegins) {
  const auto answer =
      ask("POST", "/lake/fill", {}, R"({"kind":"stock","root":"NEW","schema":"eod"})");
  EXPECT_EQ(answer.status, 422);
  EXPECT_THAT(answer.body, HasSubstr("say where it begins"));
  EXPECT_THAT(answer.body, HasSubstr(R"(["body","start_date"])"));
  EXPECT_EQ(ask("POST", "/lake/fill", {}, "{}").status, 422);
  EXPECT_EQ(ask("POST", "/lake/fill", {{"dry_run", "perhaps"}}, fill()).status, 422);
}

TEST_F(LakeApiTest, VerifyTellsLineByLine) {
  put(kKey);
  const auto answer = ask("POST", "/lake/verify");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.header("Content-Type"), "application/x-ndjson");
  const auto end = answer.body.find('\n');
  const auto difference = Json::parse(answer.body.substr(0, end));
  EXPECT_EQ(difference["key"], kKey);
  EXPECT_EQ(difference["verdict"], "torn");
  const auto last = Json::parse(answer.body.substr(end + 1));
  EXPECT_EQ(last["checked"], 1);
  EXPECT_EQ(last["sound"], 0);
  EXPECT_EQ(last["repair_jobs"], Json::array());
  EXPECT_EQ(
      Json::parse(ask("POST", "/lake/verify", {}, R"({"prefix":"earnings/"})").body)["checked"], 0);
}

TEST_F(LakeApiTest, VerifyDownloadsAgainWhenItIsAskedTo) {
  put(kKey);
  const auto answer = ask("POST", "/lake/verify", {}, R"({"repair":true})");
  const auto last = Json::parse(answer.body.substr(answer.body.find('\n') + 1));
  ASSERT_EQ(last["repair_jobs"].size(), 1U);
  const std::string job = last["repair_jobs"][0];
  const auto info = Json::parse(ask("GET", "/jobs/" + job).body);
  EXPECT_EQ(info["request"]["mode"], "force");
  EXPECT_EQ(info["request"]["only"], Json::parse(R"([["20240103","20240103"]])"));
  run_to_end(job);
}

TEST_F(LakeApiTest, ThereIsOneVerificationAtATime) {
  net::ServerRequest request;
  request.method = "POST";
  request.path = "/lake/verify";
  request.peer = "127.0.0.1:1";
  net::ServerResponse first;
  runtime_.run(answer_of(api_, request, first));
  EXPECT_EQ(first.status, 200);
  const auto second = ask("POST", "/lake/verify");
  EXPECT_EQ(second.status, 409);
  EXPECT_EQ(second.problem["code"], "verification_in_progress");
  // The first one's caller goes away.
  first = {};
  EXPECT_EQ(ask("POST", "/lake/verify").status, 200);
}

TEST_F(LakeApiTest, AVerificationThatCannotGoOnSaysSoAndNotWhere) {
  put(kKey);
  fail_lake();
  const auto answer = ask("POST", "/lake/verify");
  EXPECT_EQ(answer.body, "{\"error\":\"the verification could not go on\"}\n");
  EXPECT_THAT(log_.last("verification_failed"), HasSubstr("/home/ann/lake"));
}

TEST_F(LakeApiTest, ObjectsAreListedAPageAtATime) {
  put("a/1");
  put("a/2");
  put("b/1");
  const auto first = Json::parse(ask("GET", "/objects", {{"prefix", "a/"}, {"limit", "1"}}).body);
  EXPECT_EQ(first["objects"].size(), 1U);
  EXPECT_EQ(first["objects"][0]["key"], "a/1");
  EXPECT_EQ(first["objects"][0]["bytes"], 10);
  EXPECT_EQ(first["objects"][0]["sha256"], nullptr);
  EXPECT_EQ(first["next_cursor"], "a/1");
  const auto second = Json::parse(
      ask("GET", "/objects", {{"prefix", "a/"}, {"limit", "1"}, {"cursor", "a/1"}}).body);
  EXPECT_EQ(second["objects"][0]["key"], "a/2");
  EXPECT_EQ(second["next_cursor"], nullptr);
  EXPECT_EQ(Json::parse(ask("GET", "/objects").body)["objects"].size(), 3U);
  EXPECT_EQ(ask("GET", "/objects", {{"cursor", "../x"}}).problem["code"], "invalid_cursor");
  EXPECT_EQ(ask("GET", "/objects", {{"prefix", "../"}}).status, 422);
  EXPECT_EQ(ask("GET", "/objects", {{"limit", "0"}}).status, 422);
}

TEST_F(LakeApiTest, AnObjectComesWholeWithItsName) {
  put(kKey);
  const auto answer = ask("GET", "/objects/" + std::string(kKey));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "0123456789");
  EXPECT_EQ(answer.length, 10U);
  EXPECT_EQ(answer.header("Content-Type"), "application/vnd.apache.parquet");
  EXPECT_EQ(answer.header("Accept-Ranges"), "bytes");
  EXPECT_EQ(answer.header("Content-Disposition"),
            "attachment; filename=\"historical-stock-ohlc-1m-AAPL-2024-01-03-data.parquet\"");
  const auto etag = answer.header("ETag");
  EXPECT_EQ(etag.front(), '"');
  EXPECT_EQ(Json::parse(ask("GET", "/objects").body)["objects"][0]["etag"], etag);
  const auto head = ask("HEAD", "/objects/" + std::string(kKey), {}, {}, {{"Range", "bytes=0-1"}});
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.length, 10U);
  EXPECT_EQ(head.header("ETag"), etag);
}

TEST_F(LakeApiTest, ALargeObjectComesInPieces) {
  std::string text;
  for (int i = 0; text.size() < 700'000; ++i) text += std::to_string(i);
  put("a.ipc", text);
  const auto answer = ask("GET", "/objects/a.ipc");
  EXPECT_EQ(answer.body, text);
  EXPECT_EQ(answer.header("Content-Type"), "application/vnd.apache.arrow.file");
  EXPECT_EQ(ask("GET", "/objects/a.ipc", {}, {}, {{"Range", "bytes=300000-"}}).body,
            text.substr(300'000));
}

TEST_F(LakeApiTest, AnEmptyObjectIsAnObject) {
  put("a", "");
  const auto answer = ask("GET", "/objects/a");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.length, 0U);
  EXPECT_EQ(ask("GET", "/objects/a", {}, {}, {{"Range", "bytes=0-"}}).status, 416);
}

TEST_F(LakeApiTest, ARangeIsAPartOfIt) {
  put("a");
  const auto part = ask("GET", "/objects/a", {}, {}, {{"Range", "bytes=3-5"}});
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.body, "345");
  EXPECT_EQ(part.header("Content-Range"), "bytes 3-5/10");
  const auto none = ask("GET", "/objects/a", {}, {}, {{"Range", "bytes=10-"}});
  EXPECT_EQ(none.status, 416);
  EXPECT_EQ(none.header("Content-Range"), "bytes */10");
  EXPECT_EQ(none.problem["code"], "range_not_satisfiable");
  EXPECT_EQ(ask("GET", "/objects/a", {}, {}, {{"Range", "bytes=0-1,3-4"}}).status, 200);
}

TEST_F(LakeApiTest, IfRangeKeepsTwoObjectsApart) {
  put("a");
  const auto etag = ask("GET", "/objects/a").header("ETag");
  const net::Headers same{{"Range", "bytes=3-5"}, {"If-Range", etag}};
  EXPECT_EQ(ask("GET", "/objects/a", {}, {}, same).status, 206);
  put("a", "abcdefghij");
  const auto other = ask("GET", "/objects/a", {}, {}, same);
  EXPECT_EQ(other.status, 200);
  EXPECT_EQ(other.body, "abcdefghij");
}

TEST_F(LakeApiTest, WhatIsKnownIsNotSentAgain) {
  put("a");
  const auto etag = ask("GET", "/objects/a").header("ETag");
  const auto known = ask("GET", "/objects/a", {}, {}, {{"If-None-Match", "\"x\", " + etag}});
  EXPECT_EQ(known.status, 304);
  EXPECT_EQ(known.body, "");
  EXPECT_EQ(known.header("ETag"), etag);
  put("a", "abc");
  EXPECT_EQ(ask("GET", "/objects/a", {}, {}, {{"If-None-Match", etag}}).status, 200);
}

TEST_F(LakeApiTest, AnObjectThatIsWrittenAgainWhileItIsSentIsCutOff) {
  std::string text(600'000, 'x');
  put("a", text);
  int reads = 0;
  lake_.set_hook([&](Step step, const ObjectKey&) {
    if (step == Step::read && ++reads == 2) put("a", std::string(600'000, 'y'));
    return sinks::MemoryStore::Fate{};
  });
  const auto answer = ask("GET", "/objects/a");
  EXPECT_TRUE(answer.is_cut_off);
  EXPECT_LT(answer.body.size(), text.size());
}

TEST_F(LakeApiTest, WhatIsNoObjectIsNotFound) {
  for (const std::string path :
       {"/objects/a", "/objects/../jobs.db", "/objects/a//b", "/objects//etc/passwd"}) {
    const auto answer = ask("GET", path);
    EXPECT_EQ(answer.status, 404) << path;
    EXPECT_EQ(answer.problem["code"], "object_not_found") << path;
  }
  EXPECT_EQ(ask("DELETE", "/objects/a").status, 405);
}

TEST_F(LakeApiTest, AManifestNamesEveryObjectOfItsJob) {
  const auto job = submit_week();
  EXPECT_EQ(ask("PUT", "/jobs/" + job + "/manifest").status, 409);
  run_to_end(job);
  const auto answer = ask("GET", "/jobs/" + job + "/manifest");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.header("Content-Type"), "application/json");
  const auto manifest = Json::parse(answer.body);
  EXPECT_EQ(manifest["job_id"], job);
  EXPECT_EQ(manifest["request"]["root"], "AAPL");
  ASSERT_EQ(manifest["objects"].size(), 5U);
  EXPECT_EQ(manifest["objects"][0]["state"], "no_data");

  const auto written = ask("PUT", "/jobs/" + job + "/manifest");
  EXPECT_EQ(written.status, 201);
  EXPECT_EQ(written.body, R"({"key":"manifests/)" + job + R"(.json"})");
  EXPECT_EQ(written.header("Location"), "/objects/manifests/" + job + ".json");
  EXPECT_EQ(ask("GET", written.header("Location")).body, answer.body);
  EXPECT_EQ(ask("PUT", "/jobs/" + job + "/manifest").status, 201);

  EXPECT_EQ(ask("GET", "/jobs/x/manifest").status, 400);
  EXPECT_EQ(ask("GET", "/jobs/0194f3a2-7c1e-7b52-9d1e-6a3f0c2b8e55/manifest").status, 404);
}

TEST_F(LakeApiTest, ALakeThatCannotBeAskedIsAnOutage) {
  fail_lake();
  for (const std::string path : {"/lake/roots", "/objects", "/objects/a"}) {
    const auto answer = ask("GET", path);
    EXPECT_EQ(answer.status, 503) << path;
    EXPECT_EQ(answer.problem["code"], "lake_unavailable") << path;
    EXPECT_EQ(answer.header("Retry-After"), "5") << path;
    EXPECT_EQ(answer.body, R"({"detail":"Failed to read the lake: the lake is not available"})");
  }
  EXPECT_EQ(ask("GET", "/lake/coverage", week()).status, 503);
  store_.failure = Error{ErrorCode::store_unavailable, "locked", {}};
  EXPECT_EQ(ask("GET", "/lake/coverage", week()).problem["code"], "lake_unavailable");
  lake_.set_hook({});
  EXPECT_EQ(ask("GET", "/lake/coverage", week()).problem["code"], "store_unavailable");
  EXPECT_EQ(ask("POST", "/lake/fill", {}, fill()).status, 503);
}

TEST_F(LakeApiTest, WhileItDrainsNothingIsBegun) {
  put(kKey);
  api_.drain();
  EXPECT_EQ(ask("POST", "/lake/verify").problem["code"], "draining");
  EXPECT_EQ(ask("POST", "/lake/fill", {}, fill()).problem["code"], "draining");
  EXPECT_EQ(ask("GET", "/objects/" + std::string(kKey)).status, 200);
}

TEST_F(LakeApiTest, ARepairNeedsTheScopeSubmit) {
  const auto hash = [](std::string_view token) { return to_hex(sha256(token)); };
  guard_.set_rules({.allowed_hosts = {},
                    .tokens = TokenTable::parse("ann read " + hash("secret"), "tokens").value()});
  const net::Headers ann{{"Authorization", "Bearer secret"}};
  EXPECT_EQ(ask("POST", "/lake/verify", {}, "{}", ann).status, 200);
  const auto refused = ask("POST", "/lake/verify", {}, R"({"repair":true})", ann);
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(refused.problem["code"], "forbidden");
  EXPECT_EQ(ask("POST", "/lake/fill", {}, fill(), ann).status, 403);
  EXPECT_EQ(ask("GET", "/lake/roots", {}, {}, ann).status, 200);
  EXPECT_EQ(ask("GET", "/lake/roots").status, 401);
}

}  // namespace
}  // namespace betedge::server
