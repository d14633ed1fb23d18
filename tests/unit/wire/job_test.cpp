#include "betedge/wire/job.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

namespace betedge::wire {
namespace {

using namespace std::chrono;

constexpr const char* kId = "0190163d-8694-739b-aea5-966c26f8ad91";

JobInfo some_job() {
  JobInfo job;
  job.job_id = JobId::parse(kId).value();
  job.status = JobStatus::running;
  job.items = {.pending = 7, .running = 2, .succeeded = 9, .skipped = 1, .no_data = 1, .failed = 1};
  job.rows = 123'456;
  job.bytes = 7'890;
  job.created_at = sys_days{2026y / 1 / 2} + 3h + 4min + 5s + 123'456us;
  job.updated_at = sys_days{2026y / 1 / 2} + 3h + 5min;
  job.started_at = job.created_at + 1s;
  job.request_json = R"({"kind":"stock"})";
  job.warnings = {"unknown member 'colour' ignored"};
  job.not_yet_available = {sys_days{2026y / 1 / 2}, sys_days{2026y / 1 / 5}};
  return job;
}

TEST(JobJsonTest, HasPart1sMembersFirstAndInTheirOrder) {
  EXPECT_EQ(
      job_json(some_job(), std::nullopt),
      R"({"job_id":"0190163d-8694-739b-aea5-966c26f8ad91","status":"running",)"
      R"("progress":{"completed":12,"total":21,"percentage":57.14285714285714},)"
      R"("created_at":"2026-01-02T03:04:05.123456+00:00","updated_at":"2026-01-02T03:05:00+00:00",)"
      R"("error_message":null,"state":"running","items":{"pending":7,"running":2,"succeeded":9,)"
      R"("skipped":1,"no_data":1,"failed":1,"cancelled":0},"rows":123456,"bytes":7890,)"
      R"("rate":{"items_per_second":0.223,"rows_per_second":2291.461,"bytes_per_second":146.446},)"
      R"("eta_seconds":40.407,)"
      R"("request":{"kind":"stock"},"started_at":"2026-01-02T03:04:06.123456+00:00",)"
      R"("finished_at":null,"not_yet_available":["20260102","20260105"],)"
      R"("warnings":["unknown member 'colour' ignored"],)"
      R"("links":{"self":"/jobs/0190163d-8694-739b-aea5-966c26f8ad91",)"
      R"("items":"/jobs/0190163d-8694-739b-aea5-966c26f8ad91/items",)"
      R"("failed_items":"/jobs/0190163d-8694-739b-aea5-966c26f8ad91/items?state=failed",)"
      R"("events":"/jobs/0190163d-8694-739b-aea5-966c26f8ad91/events",)"
      R"("cancel":"/jobs/0190163d-8694-739b-aea5-966c26f8ad91/cancel"}})");
}

TEST(JobJsonTest, ProgressIsTheMembersThatMove) {
  const JobInfo job = some_job();
  const auto whole = nlohmann::json::parse(job_json(job, "upstream unavailable"));
  const auto moving = nlohmann::json::parse(progress_json(job, "upstream unavailable"));
  EXPECT_FALSE(moving.contains("request"));
  for (const auto& [name, value] : moving.items()) EXPECT_EQ(value, whole[name]) << name;
}

TEST(PaceTest, IsOfTheJobAsOfItsVersionAndUnknownBeforeAnItemEnded) {
  JobInfo job = some_job();
  EXPECT_NEAR(pace_of(job)->eta_seconds.value(), 40.4, 0.1);
  job.finished_at = job.updated_at;
  job.status = JobStatus::completed;
  EXPECT_EQ(pace_of(job)->eta_seconds, 0);
  job.items = {.pending = 3};
  EXPECT_EQ(pace_of(job), std::nullopt);
  job = some_job();
  job.started_at.reset();
  EXPECT_EQ(pace_of(job), std::nullopt);
}

TEST(JobJsonTest, AnEndedJobLinksToWhatCanBeDoneWithIt) {
  JobInfo job = some_job();
  job.status = JobStatus::completed;
  EXPECT_EQ(job_json(job, {}).find("/cancel"), std::string::npos);
  EXPECT_NE(job_json(job, {}).find("/retry"), std::string::npos);
  job.items.failed = 0;
  EXPECT_EQ(job_json(job, {}).find("/retry"), std::string::npos);
}

TEST(JobJsonTest, SaysWhatItWaitsForUntilItHasEnded) {
  JobInfo job = some_job();
  EXPECT_TRUE(
      job_json(job, "upstream unavailable").ends_with(R"(,"waiting_for":"upstream unavailable"})"));
  job.status = JobStatus::failed;
  EXPECT_EQ(job_json(job, "upstream unavailable").find("waiting_for"), std::string::npos);
}

TEST(JobJsonTest, ADamagedRequestDoesNotDamageTheAnswer) {
  JobInfo job = some_job();
  for (const auto* damaged : {"", "{", "{} {}"}) {
    job.request_json = damaged;
    EXPECT_TRUE(nlohmann::json::parse(job_json(job, {})).at("request").is_null());
  }
}

TEST(JobJsonTest, PercentagesAreShortestAndHaveNoExponent) {
  const std::pair<ItemCounts, std::string> cases[] = {
      {{}, "100.0"},
      {{.pending = 5}, "0.0"},
      {{.pending = 1, .succeeded = 1}, "50.0"},
      {{.pending = 2, .succeeded = 1}, "33.33333333333333"},
      {{.pending = 1, .succeeded = 2}, "66.66666666666666"},
      {{.pending = 9'999'999, .failed = 1}, "0.000009999999999999999"},
      {{.skipped = 3}, "100.0"},
  };
  for (const auto& [items, text] : cases) {
    JobInfo job = some_job();
    job.items = items;
    EXPECT_NE(job_json(job, {}).find("\"percentage\":" + text + "}"), std::string::npos)
        << job_json(job, {});
  }
}

TEST(JobJsonTest, EveryPercentageReadsBackAsTheSameDouble) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 2000; ++i) {
    JobInfo job = some_job();
    const auto total = static_cast<std::uint32_t>(1 + random() % 100'000'000);
    job.items = {.pending = 0, .succeeded = static_cast<std::uint32_t>(random() % (total + 1))};
    job.items.pending = total - job.items.succeeded;
    const auto view = parse_job(job_json(job, {}));
    ASSERT_TRUE(view.has_value());
    ASSERT_EQ(view->percentage, job.progress_percentage());
  }
}

TEST(StateTest, TellsMoreThanTheStatus) {
  const std::tuple<JobStatus, ItemCounts, std::string_view> cases[] = {
      {JobStatus::pending, {.pending = 1}, "queued"},
      {JobStatus::running, {.running = 1}, "running"},
      {JobStatus::completed, {.succeeded = 1}, "completed"},
      {JobStatus::completed, {.succeeded = 1, .failed = 1}, "completed_with_errors"},
      {JobStatus::failed, {.failed = 1}, "failed"},
      {JobStatus::failed, {.succeeded = 1, .cancelled = 1}, "cancelled"},
  };
  for (const auto& [status, items, state] : cases) {
    JobInfo job;
    job.status = status;
    job.items = items;
    EXPECT_EQ(to_text(job.state()), state);
  }
}

TEST(JobViewTest, HasAllThatTheServerSent) {
  JobInfo job = some_job();
  job.error_message = "2 of 21 items failed: \"é\"\n";
  job.finished_at = job.updated_at;
  const auto view = parse_job(job_json(job, "upstream unavailable"));
  ASSERT_TRUE(view.has_value()) << view.error().message;
  EXPECT_EQ(view->job_id, kId);
  EXPECT_EQ(view->status, JobStatus::running);
  EXPECT_FALSE(view->has_ended());
  EXPECT_EQ(view->completed, 12U);
  EXPECT_EQ(view->total, 21U);
  EXPECT_EQ(view->created_at, "2026-01-02T03:04:05.123456+00:00");
  EXPECT_EQ(view->updated_at, "2026-01-02T03:05:00+00:00");
  EXPECT_EQ(view->error_message, job.error_message);
  EXPECT_EQ(view->state, "running");
  EXPECT_EQ(view->items, job.items);
  EXPECT_EQ(view->rows, job.rows);
  EXPECT_EQ(view->bytes, job.bytes);
  EXPECT_EQ(view->request_json, job.request_json);
  EXPECT_EQ(view->started_at, "2026-01-02T03:04:06.123456+00:00");
  EXPECT_EQ(view->finished_at, view->updated_at);
  EXPECT_EQ(view->not_yet_available, (std::vector<std::string>{"20260102", "20260105"}));
  EXPECT_EQ(view->warnings, job.warnings);
  EXPECT_EQ(view->waiting_for, "upstream unavailable");
}

TEST(JobViewTest, WhatIsNoJobIsGarbled) {
  const std::string whole = job_json(some_job(), {});
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    const auto view = parse_job(whole.substr(0, cut));
    ASSERT_FALSE(view.has_value());
    ASSERT_EQ(view.error().code, ErrorCode::upstream_garbled);
  }
  for (
      const auto* text :
      {"<html>", "[]", "null", R"({"job_id":5})",
       R"({"job_id":"x","status":"odd","progress":{"completed":0,"total":0,"percentage":1.0},"created_at":"","updated_at":""})",
       R"({"job_id":"x","status":"running","progress":{"completed":-1,"total":0,"percentage":1.0},"created_at":"","updated_at":""})"})
    EXPECT_FALSE(parse_job(text).has_value()) << text;
}

TEST(JobListTest, TellsItsFilterAsItWasSent) {
  const WaitingFor nobody_waits = [](const JobInfo&) { return std::nullopt; };
  const std::vector<JobInfo> jobs{some_job(), some_job()};
  EXPECT_EQ(job_list_json({}, std::nullopt, std::nullopt, nobody_waits),
            R"({"total":0,"limit":null,"status_filter":null,"jobs":[]})");
  const std::string json = job_list_json(jobs, 5, "Running", nobody_waits);
  EXPECT_TRUE(
      json.starts_with(R"({"total":2,"limit":5,"status_filter":"Running","jobs":[{"job_id")"));
  const auto views = parse_job_list(json);
  ASSERT_TRUE(views.has_value());
  ASSERT_EQ(views->size(), 2U);
  EXPECT_EQ(views->at(1).items, jobs[1].items);
  EXPECT_FALSE(parse_job_list("{}").has_value());
  EXPECT_FALSE(parse_job_list(R"({"jobs":[{}]})").has_value());
}

TEST(AcceptedTest, ComesBack) {
  const std::string json = accepted_json(JobId::parse(kId).value());
  EXPECT_EQ(json, R"({"status":"accepted","job_id":"0190163d-8694-739b-aea5-966c26f8ad91",)"
                  R"("message":"Request submitted for background processing",)"
                  R"("status_url":"/jobs/0190163d-8694-739b-aea5-966c26f8ad91"})");
  const auto view = parse_accepted(json);
  ASSERT_TRUE(view.has_value());
  EXPECT_EQ(view->job_id, kId);
  EXPECT_EQ(view->status_url, "/jobs/" + std::string(kId));
  EXPECT_FALSE(parse_accepted("{}").has_value());
}

TEST(ItemPageTest, ComesBack) {
  const ItemPageView page{.items = {{.key = "a/b.parquet",
                                     .state = ItemState::succeeded,
                                     .attempts = 1,
                                     .rows = 5,
                                     .bytes = 6,
                                     .sha256 = "ab",
                                     .error = "",
                                     .note = "no data on 1 of 2 sessions"},
                                    {.key = "a/c.parquet",
                                     .state = ItemState::failed,
                                     .attempts = 4,
                                     .error = "HTTP 500"}},
                          .next_cursor = 2};
  const std::string json = item_page_json(page);
  EXPECT_EQ(json,
            R"({"items":[{"key":"a/b.parquet","state":"succeeded","attempts":1,"rows":5,"bytes":6,)"
            R"("sha256":"ab","error":null,"note":"no data on 1 of 2 sessions"},)"
            R"({"key":"a/c.parquet","state":"failed","attempts":4,"rows":0,"bytes":0,)"
            R"("sha256":null,"error":"HTTP 500"}],"next_cursor":2})");
  const auto read = parse_item_page(json);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(item_page_json(*read), json);
  EXPECT_EQ(item_page_json(parse_item_page(R"({"items":[],"next_cursor":null})").value()),
            R"({"items":[],"next_cursor":null})");
  for (const auto* text :
       {"", "{}", R"({"items":[{}]})", R"({"items":[{"key":"a","state":"odd"}]})"})
    EXPECT_FALSE(parse_item_page(text).has_value()) << text;
}

TEST(RefusalTextTest, IsOneLineForAPerson) {
  EXPECT_EQ(refusal_text(R"({"detail":"Job x not found"})"), "Job x not found");
  EXPECT_EQ(
      refusal_text(
          R"({"detail":[{"type":"missing","loc":["body","root"],"msg":"Field required","input":{}},)"
          R"({"type":"value_error","loc":["body","end_date"],"msg":"Value error, end_date must be >= start_date"},)"
          R"({"type":"json_invalid","loc":["body",3],"msg":"JSON decode error"}]})"),
      "root: Field required; end_date: end_date must be >= start_date; JSON decode error");
  EXPECT_EQ(refusal_text(R"({"error_code":"INTERNAL_ERROR","details":"bug"})"), "bug");
  EXPECT_EQ(refusal_text("Bad\r\n\x1b[31mGateway"), "Bad   [31mGateway");
  EXPECT_EQ(refusal_text(std::string(299, 'x') + "é" + "y"), std::string(299, 'x') + "…");
}

TEST(SubmitJsonTest, SaysOnlyWhatWasTyped) {
  EXPECT_EQ(submit_json({.root = "a\"", .start_date = "1", .end_date = "2"}),
            R"({"root":"a\"","start_date":"1","end_date":"2"})");
  EXPECT_EQ(submit_json({.root = "A",
                         .start_date = "20230102",
                         .end_date = "20230103",
                         .schema = "ohlc",
                         .interval_ms = 60'000,
                         .return_format = "ipc",
                         .start_time_ms = 1,
                         .end_time_ms = 2,
                         .force_refresh = false}),
            R"({"root":"A","start_date":"20230102","end_date":"20230103","schema":"ohlc",)"
            R"("interval":60000,"return_format":"ipc","start_time":1,"end_time":2,)"
            R"("force_refresh":false})");
}

}  // namespace
}  // namespace betedge::wire
