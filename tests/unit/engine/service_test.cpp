#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/engine/service_fixture.hpp"

namespace betedge::engine {
namespace {

TEST_F(DataProcessingServiceTest, ProcessRequestAnswersBeforeAnyUpstreamCall) {
  const auto submitted = submit(stock_ohlc(day(2024, 1, 2), day(2024, 1, 5)));
  ASSERT_TRUE(submitted.has_value());
  EXPECT_EQ(submitted->total_items(), 4U);
  EXPECT_EQ(submitted->completed_items(), 0U);
  EXPECT_EQ(lake_.keys().size(), 0U);
  EXPECT_THAT(submitted->warnings, ::testing::ElementsAre("unknown member 'colour' ignored"));
}

TEST_F(DataProcessingServiceTest, AJobRunsInTheBackgroundToItsObjects) {
  source_.answers[{Kind::stock, day(2024, 1, 4)}] = {{{}, false, ohlc_csv("2024-01-04")}};
  source_.answers[{Kind::stock, day(2024, 1, 5)}] = {{{}, false, ohlc_csv("2024-01-05")}};
  const auto info = run_to_end(submit(stock_ohlc(day(2024, 1, 4), day(2024, 1, 7)))->job_id);
  EXPECT_EQ(info.status, JobStatus::completed);
  EXPECT_EQ(info.items.succeeded, 2U);
  EXPECT_EQ(info.rows, 2U);
  EXPECT_EQ(info.error_message, std::nullopt);
  ASSERT_EQ(lake_.keys().size(), 2U);
  EXPECT_EQ(lake_.keys()[0].text(), "historical-stock/ohlc/1m/AAA/2024/01/04/data.parquet");
  const auto all = items(info.job_id);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].bytes, lake_.find(all[0].key)->size());
  EXPECT_EQ(all[0].sha256.size(), 64U);
}

TEST_F(DataProcessingServiceTest, TheSameRequestAgainSkipsWhatIsThereAndForceReplacesIt) {
  source_.answers[{Kind::stock, day(2024, 1, 4)}] = {{{}, false, ohlc_csv("2024-01-04")}};
  auto request = stock_ohlc(day(2024, 1, 4), day(2024, 1, 4));
  run_to_end(submit(request)->job_id);
  EXPECT_EQ(source_.calls.size(), 1U);
  EXPECT_EQ(run_to_end(submit(request)->job_id).items.skipped, 1U);
  EXPECT_EQ(source_.calls.size(), 1U);
  request.existing = Existing::replace;
  EXPECT_EQ(run_to_end(submit(request)->job_id).items.succeeded, 1U);
  EXPECT_EQ(source_.calls.size(), 2U);
}

TEST_F(DataProcessingServiceTest, TheSameObjectIsTheSameBytesWhicheverJobAskedForIt) {
  source_.answers[{Kind::stock, day(2024, 1, 4)}] = {{{}, false, ohlc_csv("2024-01-04")}};
  run_to_end(submit(stock_ohlc(day(2024, 1, 4), day(2024, 1, 4)))->job_id);
  const auto first = *lake_.find(lake_.keys()[0]);
  auto wider = stock_ohlc(day(2024, 1, 2), day(2024, 1, 8));
  wider.existing = Existing::replace;
  run_to_end(submit(wider)->job_id);
  EXPECT_EQ(*lake_.find(lake_.keys()[0]), first);
}

TEST_F(DataProcessingServiceTest, AnObjectWithPricesOfAnotherTypeIsDownloadedAgain) {
  source_.answers[{Kind::stock, day(2024, 1, 4)}] = {{{}, false, ohlc_csv("2024-01-04")}};
  const auto request = stock_ohlc(day(2024, 1, 4), day(2024, 1, 4));
  run_to_end(submit(request)->job_id);
  const auto wide = *lake_.find(lake_.keys()[0]);

  runtime_.run(service_->close());
  EngineOptions narrow;
  narrow.layout.price_type = PriceType::float32;
  open_service(narrow);
  EXPECT_EQ(dry_run(request)->calls, 1U);
  EXPECT_EQ(run_to_end(submit(request)->job_id).items.succeeded, 1U);
  EXPECT_NE(*lake_.find(lake_.keys()[0]), wide);
  EXPECT_EQ(dry_run(request)->calls, 0U);
  EXPECT_EQ(run_to_end(submit(request)->job_id).items.skipped, 1U);

  runtime_.run(service_->close());
  open_service({});
  EXPECT_EQ(run_to_end(submit(request)->job_id).items.succeeded, 1U);
  EXPECT_EQ(*lake_.find(lake_.keys()[0]), wide);
}

TEST_F(DataProcessingServiceTest, AnItemsErrorIsCountedAndTheJobGoesOn) {
  source_.answers[{Kind::stock, day(2024, 1, 4)}] = {
      {Error{ErrorCode::upstream_refused, "HTTP 400 bad parameters", {}}, false, ""}};
  source_.answers[{Kind::stock, day(2024, 1, 5)}] = {{{}, false, ohlc_csv("2024-01-05")}};
  const auto info = run_to_end(submit(stock_ohlc(day(2024, 1, 4), day(2024, 1, 5)))->job_id);
  EXPECT_EQ(info.status, JobStatus::completed);
  EXPECT_EQ(info.items.failed, 1U);
  EXPECT_EQ(info.items.succeeded, 1U);
  EXPECT_EQ(info.completed_items(), 2U);
  ASSERT_TRUE(info.error_message);
  EXPECT_THAT(*info.error_message, HasSubstr("1 of 2 items failed"));
  EXPECT_THAT(*info.error_message, HasSubstr("20240104: HTTP 400 bad parameters"));
}

TEST_F(DataProcessingServiceTest, APassingFaultIsTriedAgainAndALastingOneUsesItsAttemptsUp) {
  const Error reset{ErrorCode::upstream_failed, "connection reset", {}};
  source_.answers[{Kind::stock, day(2024, 1, 4)}] = {
      {reset, false, ""}, {reset, false, ""}, {{}, false, ohlc_csv("2024-01-04")}};
  source_.answers[{Kind::stock, day(2024, 1, 5)}] = {{reset, false, ""}};
  const auto info = run_to_end(submit(stock_ohlc(day(2024, 1, 4), day(2024, 1, 5)))->job_id);
  EXPECT_EQ(info.items.succeeded, 1U);
  EXPECT_EQ(info.items.failed, 1U);
  EXPECT_EQ(source_.calls.size(), 5U) << "once together, then each alone up to three attempts";
}

TEST_F(DataProcessingServiceTest, ADiskThatIsFullFailsTheJobWithTheReason) {
  for (const auto date : {day(2024, 1, 4), day(2024, 1, 5)}) {
    source_.answers[{Kind::stock, date}] = {{{}, false, ohlc_csv(to_iso_text(date))}};
  }
  lake_.set_hook([](sinks::MemoryStore::Step step, const ObjectKey&) {
    sinks::MemoryStore::Fate fate;
    if (step == sinks::MemoryStore::Step::commit) {
      fate.failure = Error{ErrorCode::storage_full, "no space left on the lake's disk", {}};
    }
    return fate;
  });
  const auto info = run_to_end(submit(stock_ohlc(day(2024, 1, 4), day(2024, 1, 5)))->job_id);
  EXPECT_EQ(info.status, JobStatus::failed);
  EXPECT_THAT(info.error_message.value_or(""), HasSubstr("no space left"));
  EXPECT_EQ(lake_.keys().size(), 0U);
}

TEST_F(DataProcessingServiceTest, AnUploadThatFailsFailsItsItem) {
  source_.answers[{Kind::stock, day(2024, 1, 4)}] = {{{}, false, ohlc_csv("2024-01-04")}};
  lake_.set_hook([](sinks::MemoryStore::Step step, const ObjectKey&) {
    sinks::MemoryStore::Fate fate;
    if (step == sinks::MemoryStore::Step::commit) {
      fate.failure = Error{ErrorCode::storage_failed, "the bucket answered 500", {}};
    }
    return fate;
  });
  const auto info = run_to_end(submit(stock_ohlc(day(2024, 1, 4), day(2024, 1, 4)))->job_id);
  EXPECT_EQ(info.status, JobStatus::failed);
  EXPECT_EQ(info.items.failed, 1U);
  EXPECT_THAT(info.error_message.value_or(""), HasSubstr("the bucket answered 500"));
}

TEST_F(DataProcessingServiceTest, WhileTheTerminalIsGoneTheJobWaitsSaysSoAndBurnsNoAttempt) {
  source_.is_there = false;
  source_.answers[{Kind::stock, day(2024, 1, 4)}] = {{{}, false, ohlc_csv("2024-01-04")}};
  const auto id = submit(stock_ohlc(day(2024, 1, 4), day(2024, 1, 4)))->job_id;
  for (int i = 0; i < 5'000 && runtime_.steady_now().time_since_epoch() < 1h; ++i) runtime_.step();
  EXPECT_THAT(service_->waiting_for(job(id)).value_or(""), HasSubstr("connection refused"));
  EXPECT_EQ(job(id).completed_items(), 0U);
  EXPECT_LE(source_.calls.size(), 3U);
  source_.is_there = true;
  const auto info = run_to_end(id);
  EXPECT_EQ(info.items.succeeded, 1U);
  EXPECT_EQ(service_->waiting_for(info), std::nullopt);
  EXPECT_LE(items(id)[0].attempts, 1);
}

TEST_F(DataProcessingServiceTest, AnOptionsObjectHasItsUnderlyingsRowsToo) {
  auto request = stock_ohlc(day(2024, 1, 4), day(2024, 1, 4));
  request.kind = Kind::option;
  source_.answers[{Kind::option, day(2024, 1, 4)}] = {{{}, false, option_ohlc_csv("2024-01-04")}};
  source_.answers[{Kind::stock, day(2024, 1, 4)}] = {{{}, false, ohlc_csv("2024-01-04")}};
  const auto info = run_to_end(submit(request)->job_id);
  EXPECT_EQ(info.rows, 2U);
  EXPECT_EQ(source_.calls.size(), 2U);
}

TEST_F(DataProcessingServiceTest,
       AnUnderlyingWithoutDataOrWithoutEntitlementLeavesTheOptionAndSaysSo) {
  auto request = stock_ohlc(day(2024, 1, 4), day(2024, 1, 5));
  request.kind = Kind::option;
  source_.answers[{Kind::option, day(2024, 1, 4)}] = {{{}, false, option_ohlc_csv("2024-01-04")}};
  source_.answers[{Kind::option, day(2024, 1, 5)}] = {{{}, false, option_ohlc_csv("2024-01-05")}};
  source_.answers[{Kind::stock, day(2024, 1, 5)}] = {
      {Error{ErrorCode::upstream_denied, "HTTP 403", {}}, false, ""}};
  const auto info = run_to_end(submit(request)->job_id);
  EXPECT_EQ(info.items.succeeded, 2U);
  EXPECT_EQ(info.rows, 2U);
  for (const auto& item : items(info.job_id)) EXPECT_THAT(item.note, HasSubstr("underlying"));
  EXPECT_EQ(metrics_.value(Metric::underlying_missing, {"option_ohlc"}), 2);
}

TEST_F(DataProcessingServiceTest, AnUnderlyingThatIsRefusedFailsTheItemRatherThanBeingLeftOut) {
  auto request = stock_ohlc(day(2024, 1, 4), day(2024, 1, 4));
  request.kind = Kind::option;
  source_.answers[{Kind::option, day(2024, 1, 4)}] = {{{}, false, option_ohlc_csv("2024-01-04")}};
  source_.answers[{Kind::stock, day(2024, 1, 4)}] = {
      {Error{ErrorCode::upstream_refused, "HTTP 404", {}}, false, ""}};
  const auto info = run_to_end(submit(request)->job_id);
  EXPECT_EQ(info.items.failed, 1U);
  EXPECT_EQ(lake_.keys().size(), 0U);
}

TEST_F(DataProcessingServiceTest, APassingFaultOfTheUnderlyingRetriesTheWholeFetch) {
  auto request = stock_ohlc(day(2024, 1, 4), day(2024, 1, 4));
  request.kind = Kind::option;
  source_.answers[{Kind::option, day(2024, 1, 4)}] = {{{}, false, option_ohlc_csv("2024-01-04")}};
  source_.answers[{Kind::stock, day(2024, 1, 4)}] = {
      {Error{ErrorCode::upstream_failed, "HTTP 500", {}}, false, ""},
      {{}, false, ohlc_csv("2024-01-04")}};
  const auto info = run_to_end(submit(request)->job_id);
  EXPECT_EQ(info.rows, 2U);
  EXPECT_EQ(source_.calls.size(), 4U);
}

TEST_F(DataProcessingServiceTest, AChainWithoutDataIsAFactAndItsUnderlyingIsNotAskedFor) {
  auto request = stock_ohlc(day(2024, 1, 4), day(2024, 1, 4));
  request.kind = Kind::option;
  source_.answers[{Kind::stock, day(2024, 1, 4)}] = {{{}, false, ohlc_csv("2024-01-04")}};
  const auto info = run_to_end(submit(request)->job_id);
  EXPECT_EQ(info.status, JobStatus::completed);
  EXPECT_EQ(info.items.no_data, 1U);
  EXPECT_EQ(source_.calls.size(), 1U);
  EXPECT_EQ(lake_.keys().size(), 0U);
}

TEST_F(DataProcessingServiceTest, SessionsMissingInsideAMonthAreNamedInTheItem) {
  HistoricalRequest request{.kind = Kind::option,
                            .root = *Symbol::parse("AAA"),
                            .dates = {day(2024, 1, 10), day(2024, 1, 10)},
                            .schema = Schema::eod};
  for (unsigned number = 1; number <= 31; ++number) {
    if (number == 17 || number == 18) continue;
    const auto iso = to_iso_text(day(2024, 1, number));
    auto csv = eod_csv(iso);
    csv.insert(csv.find('\n') + 1, "AAA,2024-02-16,105.000,PUT,");
    csv.insert(0, "symbol,expiration,strike,right,");
    source_.answers[{Kind::option, day(2024, 1, number)}] = {{{}, false, csv}};
  }
  const auto info = run_to_end(submit(request)->job_id);
  ASSERT_EQ(info.items.succeeded, 1U);
  EXPECT_EQ(info.rows, 19U);
  EXPECT_EQ(items(info.job_id)[0].note, "no data on 2 of 21 sessions: 20240117 20240118");
  EXPECT_EQ(metrics_.value(Metric::sessions_missing, {"option_eod"}), 2);
  EXPECT_EQ(metrics_.value(Metric::items, {"option_eod", "succeeded", "incomplete"}), 1);
  EXPECT_EQ(metrics_.value(Metric::items, {"option_eod", "succeeded", "none"}), 0);
}

TEST_F(DataProcessingServiceTest, SessionsMissingInsideAYearsOneAnswerAreNamedInTheItem) {
  HistoricalRequest request{.kind = Kind::stock,
                            .root = *Symbol::parse("AAA"),
                            .dates = {day(2024, 3, 4), day(2024, 3, 4)},
                            .schema = Schema::eod};
  auto csv = eod_csv("2024-01-02");
  for (const auto one : core::sessions({day(2024, 1, 3), day(2024, 12, 31)})) {
    if (one == day(2024, 5, 1) || one == day(2024, 12, 31)) continue;
    const auto of_day = eod_csv(to_iso_text(one));
    csv += of_day.substr(of_day.find('\n') + 1);
  }
  source_.answers[{Kind::stock, day(2024, 1, 2)}] = {{{}, false, csv}};
  const auto info = run_to_end(submit(request)->job_id);
  ASSERT_EQ(info.items.succeeded, 1U);
  EXPECT_EQ(info.rows, 250U);
  EXPECT_EQ(source_.calls.size(), 1U);
  EXPECT_EQ(items(info.job_id)[0].note, "no data on 2 of 252 sessions: 20240501 20241231");
}

TEST_F(DataProcessingServiceTest, ARequestOfDaysThatHaveNotEndedIsRejectedAndSaysSo) {
  // The world begins on Monday 2 June 2025, at half past nine in New York.
  const auto submitted = submit(stock_ohlc(day(2025, 6, 2), day(2025, 6, 6)));
  ASSERT_FALSE(submitted.has_value());
  const auto* const rejection = std::get_if<Rejection>(&submitted.error());
  ASSERT_NE(rejection, nullptr);
  EXPECT_EQ(rejection->field, "end_date");
  EXPECT_THAT(rejection->message, HasSubstr("20250602"));
}

TEST_F(DataProcessingServiceTest, DaysThatHaveNotEndedAreNamedBesideThoseThatHave) {
  const auto submitted = submit(stock_ohlc(day(2025, 5, 30), day(2025, 6, 3)));
  ASSERT_TRUE(submitted.has_value());
  EXPECT_EQ(submitted->total_items(), 1U);
  EXPECT_THAT(submitted->not_yet_available,
              ::testing::ElementsAre(day(2025, 6, 2), day(2025, 6, 3)));
}

TEST_F(DataProcessingServiceTest, AnIntervalThatTheTerminalCannotServeIsRejectedAtSubmit) {
  source_.refuses = "a v3 terminal does not serve an interval of 90s; it serves 1m, 5m";
  const auto submitted = submit(stock_ohlc(day(2024, 1, 4), day(2024, 1, 4)));
  ASSERT_FALSE(submitted.has_value());
  EXPECT_EQ(std::get<Rejection>(submitted.error()).field, "interval");
}

TEST_F(DataProcessingServiceTest, AWeekendIsAJobThatIsCompletedAtOnce) {
  const auto submitted = submit(stock_ohlc(day(2024, 1, 6), day(2024, 1, 7)));
  ASSERT_TRUE(submitted.has_value());
  EXPECT_EQ(submitted->status, JobStatus::completed);
  EXPECT_EQ(submitted->progress_percentage(), 100.0);
  EXPECT_THAT(log_.lines, ::testing::Contains(HasSubstr("job_completed")));
  EXPECT_EQ(metrics_.value(Metric::jobs, {"stock_ohlc", "completed"}), 1);
}

TEST_F(DataProcessingServiceTest, MetricsSayOfItemsWhatTheJobSays) {
  EXPECT_EQ(metrics_.value(Metric::items, {"stock_ohlc", "failed", "upstream_refused"}), 0)
      << "there before the first failure, so that it is a rise";
  source_.answers[{Kind::stock, day(2024, 1, 3)}] = {{{}, false, ohlc_csv("2024-01-03")}};
  run_to_end(submit(stock_ohlc(day(2024, 1, 3), day(2024, 1, 3)))->job_id);
  source_.answers[{Kind::stock, day(2024, 1, 4)}] = {
      {Error{ErrorCode::upstream_refused, "HTTP 400", {}}, false, ""}};
  const Error reset{ErrorCode::upstream_failed, "connection reset", {}};
  source_.answers[{Kind::stock, day(2024, 1, 5)}] = {{reset, false, ""},
                                                     {{}, false, ohlc_csv("2024-01-05")}};
  const auto info = run_to_end(submit(stock_ohlc(day(2024, 1, 2), day(2024, 1, 5)))->job_id);
  EXPECT_EQ(info.items, (ItemCounts{.succeeded = 1, .skipped = 1, .no_data = 1, .failed = 1}));
  const auto items = [this](std::string_view outcome, std::string_view reason) {
    return metrics_.value(Metric::items, {"stock_ohlc", outcome, reason});
  };
  EXPECT_EQ(items("succeeded", "none"), 2);
  EXPECT_EQ(items("succeeded", "incomplete"), 0);
  EXPECT_EQ(items("skipped", "none"), 1);
  EXPECT_EQ(items("no_data", "none"), 1);
  EXPECT_EQ(items("failed", "upstream_refused"), 1);
  EXPECT_EQ(metrics_.value(Metric::item_retries, {"upstream_failed"}), 1);
  EXPECT_EQ(metrics_.value(Metric::rows, {"stock_ohlc"}), 2);
  EXPECT_EQ(metrics_.value(Metric::jobs, {"stock_ohlc", "completed"}), 1);
  EXPECT_EQ(metrics_.value(Metric::jobs, {"stock_ohlc", "completed_with_errors"}), 1);
  EXPECT_EQ(metrics_.value(Metric::item_run_seconds, {"stock_ohlc"}), 6) << "attempts";
  EXPECT_EQ(metrics_.value(Metric::item_queue_seconds), 5) << "items, once each";
  EXPECT_EQ(metrics_.value(Metric::items_inflight), 0);
  EXPECT_EQ(metrics_.value(Metric::jobs_unfinished), 0);
}

TEST_F(DataProcessingServiceTest, MetricsSayOfAJobThatFailsAsAWholeWhyItsItemsFailed) {
  source_.answers[{Kind::stock, day(2024, 1, 4)}] = {{{}, false, ohlc_csv("2024-01-04")}};
  lake_.set_hook([](sinks::MemoryStore::Step step, const ObjectKey&) {
    sinks::MemoryStore::Fate fate;
    if (step == sinks::MemoryStore::Step::commit)
      fate.failure = Error{ErrorCode::storage_full, "no space left", {}};
    return fate;
  });
  const auto info = run_to_end(submit(stock_ohlc(day(2024, 1, 4), day(2024, 1, 31)))->job_id);
  ASSERT_EQ(info.status, JobStatus::failed);
  EXPECT_EQ(metrics_.value(Metric::items, {"stock_ohlc", "failed", "storage_full"}),
            info.items.failed);
  EXPECT_EQ(metrics_.value(Metric::jobs, {"stock_ohlc", "failed"}), 1);
  EXPECT_EQ(metrics_.value(Metric::lease_lost), 0) << "its own job's end is no theft";
}

TEST_F(DataProcessingServiceTest, MetricsSayHowLongAJobStandsStillAndThatTheCircuitIsOpen) {
  EXPECT_EQ(metrics_.value(Metric::job_standstill_seconds), 0);
  source_.is_there = false;
  source_.answers[{Kind::stock, day(2024, 1, 4)}] = {{{}, false, ohlc_csv("2024-01-04")}};
  const auto id = submit(stock_ohlc(day(2024, 1, 4), day(2024, 1, 4)))->job_id;
  const auto began = runtime_.steady_now();
  while (runtime_.steady_now() < began + 1h && runtime_.step()) {
  }
  EXPECT_EQ(metrics_.value(Metric::upstream_circuit_state, {"thetadata"}), 1);
  EXPECT_EQ(metrics_.value(Metric::upstream_circuit_opened, {"thetadata"}), 1);
  EXPECT_EQ(metrics_.value(Metric::jobs_unfinished), 1);
  EXPECT_EQ(metrics_.value(Metric::items_ready), 1);
  EXPECT_GE(metrics_.value(Metric::oldest_ready_item_seconds), 3590);
  EXPECT_GE(metrics_.value(Metric::job_standstill_seconds), 3590);
  source_.is_there = true;
  run_to_end(id);
  EXPECT_EQ(metrics_.value(Metric::upstream_circuit_state, {"thetadata"}), 0);
  EXPECT_EQ(metrics_.value(Metric::job_standstill_seconds), 0);
  EXPECT_EQ(metrics_.value(Metric::oldest_ready_item_seconds), 0);
}

TEST_F(DataProcessingServiceTest, CloseLeavesNothingRunningAndHandsUnfinishedFetchesBack) {
  source_.latency = 1h;
  const auto id = submit(stock_ohlc(day(2024, 1, 2), day(2024, 1, 31)))->job_id;
  for (int i = 0; i < 200; ++i) runtime_.step();
  EXPECT_EQ(job(id).status, JobStatus::running);
  runtime_.run(service_->close());
  closed_ = true;
  EXPECT_EQ(job(id).items.running, 0U);
  EXPECT_EQ(job(id).completed_items(), 0U);
  EXPECT_FALSE(runtime_.step()) << "nothing is left to happen";
  const auto refused = submit(stock_ohlc(day(2024, 1, 2), day(2024, 1, 31)));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(std::get<Error>(refused.error()).code, ErrorCode::store_unavailable);
}

// --- Several at once
// ----------------------------------------------------------------------------

TEST_F(DataProcessingServiceTest, AnEqualRequestJoinsTheJobThatHasNotEnded) {
  const auto request = stock_ohlc(day(2024, 1, 2), day(2024, 1, 5));
  const auto first = submit(request)->job_id;
  EXPECT_EQ(submit(request)->job_id, first);
  EXPECT_EQ(how_, CreatedJob::How::joined);
  auto other = request;
  other.existing = Existing::replace;
  EXPECT_NE(submit(other)->job_id, first);
  run_to_end(first);
  EXPECT_NE(submit(request)->job_id, first);
}

TEST_F(DataProcessingServiceTest, ARequestThatGoesOnIsNotJoinedOnTheNextDay) {
  source_.is_there = false;
  // Until Friday; the world begins on Monday 2 June 2025.
  const auto request = stock_ohlc(day(2025, 5, 28), day(2025, 6, 6));
  const auto monday = submit(request);
  runtime_.run(sleep(24h));
  const auto tuesday = submit(request);
  EXPECT_NE(tuesday->job_id, monday->job_id) << "Monday would be missing, and nobody say so";
  EXPECT_EQ(tuesday->total_items(), monday->total_items() + 1);
}

TEST_F(DataProcessingServiceTest, TwoJobsThatNeedOneObjectDownloadItOnceAndBothCountIt) {
  for (unsigned number = 2; number <= 5; ++number)
    source_.answers[{Kind::stock, day(2024, 1, number)}] = {
        {{}, false, ohlc_csv(to_iso_text(day(2024, 1, number)))}};
  const auto first = submit(stock_ohlc(day(2024, 1, 2), day(2024, 1, 4)))->job_id;
  const auto second = submit(stock_ohlc(day(2024, 1, 3), day(2024, 1, 5)))->job_id;
  EXPECT_EQ(run_to_end(first).items.succeeded, 3U);
  EXPECT_EQ(run_to_end(second).items.succeeded, 3U);
  EXPECT_EQ(source_.calls.size(), 2U) << "the second job's last day is all that is left to bring";
}

TEST_F(DataProcessingServiceTest, SeveralSymbolsAreOneJob) {
  Submission submission;
  for (const auto* root : {"AAA", "BBB"}) {
    auto request = stock_ohlc(day(2024, 1, 4), day(2024, 1, 5));
    request.root = *Symbol::parse(root);
    submission.requests.push_back(std::move(request));
  }
  source_.answers[{Kind::stock, day(2024, 1, 5)}] = {
      {Error{ErrorCode::upstream_refused, "HTTP 400", {}}, false, ""}};
  std::optional<Submitted> answer;
  runtime_.run(submit_whole(submission, JobId::make(runtime_.wall_now(), {1, 2}), {}, answer));
  const auto info = run_to_end((*answer)->job_id);
  EXPECT_EQ(info.total_items(), 4U);
  EXPECT_THAT(items(info.job_id)[3].key.text(), HasSubstr("/BBB/2024/01/05/"));
  EXPECT_THAT(info.error_message.value_or(""), HasSubstr("AAA 20240105: HTTP 400"));
}

TEST_F(DataProcessingServiceTest, AnUpstreamThatIsGoneHoldsOnlyItsOwnJobs) {
  source_.is_there = false;
  const auto waiting = submit(stock_ohlc(day(2024, 1, 4), day(2024, 1, 4)))->job_id;
  const auto other = submit({.kind = Kind::earnings,
                             .root = {},
                             .dates = {day(2024, 1, 1), day(2024, 1, 31)},
                             .schema = Schema::eod});
  EXPECT_EQ(run_to_end(other->job_id).items.no_data, 1U);
  EXPECT_EQ(nasdaq_.calls.size(), 23U) << "every Monday to Friday, New Year's Day too";
  for (int i = 0; i < 5'000 && runtime_.steady_now().time_since_epoch() < 1h; ++i) runtime_.step();
  EXPECT_TRUE(service_->waiting_for(job(waiting)).has_value());
  for (const auto& upstream : service_->upstreams())
    EXPECT_EQ(upstream.circuit_is_open, upstream.name == "thetadata");
}

// --- Control
// ------------------------------------------------------------------------------------

TEST_F(DataProcessingServiceTest, ACancelStopsWhatRunsAndKeepsWhatIsFinished) {
  source_.answers[{Kind::stock, day(2024, 1, 2)}] = {{{}, false, ohlc_csv("2024-01-02")}};
  const auto id = submit(stock_ohlc(day(2024, 1, 2), day(2024, 1, 31)))->job_id;
  while (lake_.keys().empty()) runtime_.step();
  source_.latency = 1h;
  while (job(id).items.running < 4) runtime_.step();
  const auto before = runtime_.steady_now();
  const auto calls = source_.calls.size();
  runtime_.run(change(service_->cancel_job(id)));
  const auto info = run_to_end(id);
  EXPECT_LT(runtime_.steady_now() - before, 2s);
  EXPECT_EQ(info.state(), JobState::cancelled);
  EXPECT_EQ(info.error_message, "cancelled");
  EXPECT_EQ(source_.calls.size(), calls);
  EXPECT_EQ(lake_.keys().size(), 1U);
  EXPECT_THAT(log_.lines, ::testing::Contains(HasSubstr("job_cancelled")));
}

TEST_F(DataProcessingServiceTest, ACancelLeavesADownloadThatAnotherJobNeeds) {
  source_.latency = 1min;
  source_.answers[{Kind::stock, day(2024, 1, 4)}] = {{{}, false, ohlc_csv("2024-01-04")}};
  const auto first = submit(stock_ohlc(day(2024, 1, 4), day(2024, 1, 4)))->job_id;
  const auto second = submit(stock_ohlc(day(2024, 1, 4), day(2024, 1, 5)))->job_id;
  while (job(first).items.running == 0) runtime_.step();
  runtime_.run(change(service_->cancel_job(first)));
  EXPECT_EQ(job(first).state(), JobState::cancelled);
  EXPECT_EQ(run_to_end(second).items.succeeded, 1U);
  EXPECT_EQ(source_.calls.size(), 2U);
}

TEST_F(DataProcessingServiceTest, ARetryDoesTheFailedItemsAgainAndADeleteForgetsTheJob) {
  source_.answers[{Kind::stock, day(2024, 1, 4)}] = {
      {Error{ErrorCode::upstream_refused, "HTTP 400", {}}, false, ""},
      {Error{ErrorCode::upstream_refused, "HTTP 400", {}}, false, ""},
      {{}, false, ohlc_csv("2024-01-04")}};
  source_.answers[{Kind::stock, day(2024, 1, 5)}] = {{{}, false, ohlc_csv("2024-01-05")}};
  const auto id = submit(stock_ohlc(day(2024, 1, 4), day(2024, 1, 5)))->job_id;
  EXPECT_EQ(run_to_end(id).state(), JobState::completed_with_errors);
  EXPECT_EQ(change_of(service_->cancel_job(id)), ErrorCode::internal) << "an ended job is shown";
  EXPECT_EQ(change_of(service_->retry_job(id)), ErrorCode::internal);
  EXPECT_EQ(run_to_end(id).state(), JobState::completed);
  EXPECT_EQ(source_.calls.size(), 4U) << "both together, each alone, and the one again";
  EXPECT_EQ(change_of(service_->retry_job(id)), ErrorCode::conflict);
  EXPECT_TRUE(deleted(id).has_value());
  EXPECT_EQ(deleted(id).error().code, ErrorCode::not_found);
  EXPECT_EQ(job(id).created_at, Timestamp{}) << "it is gone";
  EXPECT_EQ(lake_.keys().size(), 2U);
}

TEST_F(DataProcessingServiceTest, ADryRunTellsWhatIsThereAndStoresNothing) {
  source_.answers[{Kind::stock, day(2024, 1, 4)}] = {{{}, false, ohlc_csv("2024-01-04")}};
  run_to_end(submit(stock_ohlc(day(2024, 1, 4), day(2024, 1, 4)))->job_id);
  const auto calls = source_.calls.size();
  const auto run = dry_run(stock_ohlc(day(2024, 1, 2), day(2024, 1, 5))).value();
  ASSERT_EQ(run.items.size(), 4U);
  EXPECT_EQ(run.calls, 1U) << "a month's days come by one call";
  EXPECT_EQ(run.items[0].calls, 1U);
  EXPECT_EQ(run.items[1].calls, 0U);
  EXPECT_TRUE(run.items[2].is_there);
  EXPECT_FALSE(run.items[3].is_there);
  EXPECT_EQ(run.like_objects, 1U);
  EXPECT_GT(run.bytes.value_or(0), 1'000);
  EXPECT_TRUE(run.seconds.has_value());
  EXPECT_EQ(source_.calls.size(), calls);
  auto forced = stock_ohlc(day(2024, 1, 4), day(2024, 1, 4));
  forced.existing = Existing::replace;
  EXPECT_EQ(dry_run(forced)->calls, 1U);
  auto unknown = stock_ohlc(day(2024, 1, 4), day(2024, 1, 4));
  unknown.root = *Symbol::parse("ZZZ");
  EXPECT_EQ(dry_run(unknown)->bytes, std::nullopt);
  EXPECT_FALSE(dry_run(stock_ohlc(day(2025, 6, 2), day(2025, 6, 6))).has_value());
}

TEST_F(DataProcessingServiceTest, WhatIsTooMuchIsRefusedBeforeItIsPlanned) {
  const auto large = submit(stock_ohlc(day(2020, 1, 1), day(2024, 1, 1)));
  ASSERT_FALSE(large.has_value());
  EXPECT_THAT(std::get<Rejection>(large.error()).message, HasSubstr("a job may have 400"));
  source_.is_there = false;
  submit(stock_ohlc(day(2023, 1, 1), day(2023, 12, 31)));
  auto more = stock_ohlc(day(2022, 1, 1), day(2022, 12, 31));
  const auto full = submit(more);
  ASSERT_FALSE(full.has_value());
  EXPECT_THAT(std::get<QueueFull>(full.error()).message, HasSubstr("500"));
  EXPECT_GT(std::get<QueueFull>(full.error()).retry_after, 0s);
  // One that is known adds nothing to the queue.
  const auto known = submit(stock_ohlc(day(2023, 1, 1), day(2023, 12, 31)));
  ASSERT_TRUE(known.has_value());
  EXPECT_EQ(how_, CreatedJob::How::joined);
}

TEST_F(DataProcessingServiceTest, TheLimitOfAnUpstreamIsChangedLive) {
  source_.latency = 1h;
  auto chain = stock_ohlc(day(2024, 1, 2), day(2024, 1, 31));
  chain.kind = Kind::option;
  const auto id = submit(chain)->job_id;
  while (job(id).items.running < 4) runtime_.step();
  EXPECT_EQ(service_->set_concurrency("thetadata", 6)->slots, 6U);
  while (job(id).items.running < 6) runtime_.step();
  EXPECT_EQ(service_->set_concurrency("mars", 6).error().code, ErrorCode::not_found);
  EXPECT_EQ(limiter_.limit(), 6U);
}

TEST_F(DataProcessingServiceTest, WhoWaitsForAChangeIsWokenByItAndByTheEnd) {
  const auto id = submit(stock_ohlc(day(2024, 1, 4), day(2024, 1, 4)))->job_id;
  const auto version = job(id).version;
  std::optional<Woken> woken;
  runtime_.run(wait(id, std::nullopt, woken));
  EXPECT_EQ(woken, Woken::notified);
  EXPECT_GT(job(id).version, version);
  run_to_end(id);
  runtime_.run(wait(id, runtime_.steady_now() + 1s, woken));
  EXPECT_EQ(woken, Woken::timed_out);
  service_->release_waiters();
  runtime_.run(wait(id, std::nullopt, woken));
  EXPECT_EQ(woken, Woken::stopped);
}

}  // namespace
}  // namespace betedge::engine
