#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <map>

#include "betedge/core/calendar.hpp"
#include "betedge/engine/data_processing_service.hpp"
#include "betedge/jobs/sqlite_store.hpp"
#include "betedge/ports/async.hpp"
#include "betedge/sinks/memory_store.hpp"
#include "support/counted_metrics.hpp"
#include "support/virtual_runtime.hpp"

namespace betedge::engine {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

Date day(int year, unsigned month, unsigned number) {
  return std::chrono::year{year} / month / number;
}

// What one call is answered with: rows of a stock's v3 end-of-day CSV, no data, or an error.
struct Scripted {
  std::optional<Error> error;
  bool no_data = false;
  std::string body;
};

class ScriptedAnswer final : public Answer {
 public:
  explicit ScriptedAnswer(std::string body) : body_(std::move(body)) {}
  WireFormat format() const override { return WireFormat::v3_csv; }
  Task<Result<std::optional<Chunk>>> next() override {
    if (body_.empty()) co_return std::nullopt;
    const auto bytes = as_bytes(body_);
    Chunk chunk{Bytes(bytes.begin(), bytes.end()), true};
    body_.clear();
    co_return chunk;
  }

 private:
  std::string body_;
};

class ScriptedSource final : public Source {
 public:
  explicit ScriptedSource(Runtime& runtime) : runtime_(runtime) {}
  std::map<std::pair<Kind, Date>, std::deque<Scripted>>
      answers;  // by first day; the last one stays
  std::vector<Call> calls;
  std::optional<std::string> refuses;
  bool is_there = true;
  std::chrono::milliseconds latency{10};

  Task<Result<std::optional<std::unique_ptr<Answer>>>> open(Call call,
                                                            std::stop_token stop) override {
    calls.push_back(call);
    if (!co_await sleep_for(runtime_, latency, stop)) co_return fail(ErrorCode::cancelled, "stop");
    if (!is_there) co_return fail(ErrorCode::upstream_unavailable, "connection refused");
    auto& script = answers[{call.kind, call.dates.first}];
    if (script.empty()) co_return std::nullopt;
    auto answer = script.front();
    if (script.size() > 1) script.pop_front();
    if (answer.error) co_return std::unexpected(*answer.error);
    if (answer.no_data) co_return std::nullopt;
    co_return std::make_unique<ScriptedAnswer>(answer.body);
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
  void event(Level, std::string_view name, std::initializer_list<Field> fields) override {
    std::string line(name);
    for (const auto& field : fields) line += " " + std::string(field.name) + "=" + field.value;
    lines.push_back(std::move(line));
  }
};

std::string eod_csv(std::string_view iso_day) {
  const std::string day_text(iso_day);
  return "created,last_trade,open,high,low,close,volume,count,bid_size,bid_exchange,bid,"
         "bid_condition,ask_size,ask_exchange,ask,ask_condition\n" +
         day_text + "T17:15:00," + day_text +
         "T15:59:00,10.00,11.00,9.50,10.50,1000,7,1,1,10.40,50,2,1,10.60,50\n";
}

std::string ohlc_csv(std::string_view iso_day) {
  return "timestamp,open,high,low,close,volume,count,vwap\n" + std::string(iso_day) +
         "T09:30:00,10.00,11.00,9.50,10.50,1000,7,10.10\n";
}

std::string option_ohlc_csv(std::string_view iso_day) {
  return "symbol,expiration,strike,right,timestamp,open,high,low,close,volume,count,vwap\n"
         "AAA,2024-02-16,105.000,CALL," +
         std::string(iso_day) + "T09:30:00,1.00,1.10,0.95,1.05,100,7,1.01\n";
}

class DataProcessingServiceTest : public ::testing::Test {
 protected:
  DataProcessingServiceTest() {
    store_ = *jobs::open_sqlite_store(runtime_, ":memory:");
    open_service({});
  }
  ~DataProcessingServiceTest() override {
    if (!closed_) runtime_.run(service_->close());
  }

  // On the store and the lake as they are.
  void open_service(EngineOptions options) {
    options.retry.max_attempts = 3;
    options.items_per_job = 400;
    options.queued_items = 500;
    service_.emplace(DataProcessingService::Ports{runtime_,
                                                  *store_,
                                                  lake_,
                                                  {{"thetadata", source_, limiter_},
                                                   {"nasdaq", nasdaq_, nasdaq_limiter_}},
                                                  log_,
                                                  metrics_},
                     options);
    runtime_.run(must(service_->start()));
  }

  static Task<void> must(Task<Result<void>> task) {
    auto owned = std::move(task);
    const auto result = co_await std::move(owned);
    EXPECT_TRUE(result.has_value());
  }

  HistoricalRequest stock_ohlc(Date first, Date last) const {
    return {.kind = Kind::stock,
            .root = *Symbol::parse("AAA"),
            .dates = {first, last},
            .schema = Schema::ohlc,
            .interval = 1min};
  }

  using Submitted = std::expected<JobInfo, DataProcessingService::SubmitFailure>;
  Task<void> submit_into(HistoricalRequest request, std::optional<Submitted>& answer) {
    const auto id =
        JobId::make(runtime_.wall_now(), {runtime_.random_bits(), runtime_.random_bits()});
    std::vector<std::string> warnings{"unknown member 'colour' ignored"};
    Submission submission{.requests = {request}, .labels = {}, .priority = 0};
    co_await submit_whole(std::move(submission), id, std::move(warnings), answer);
  }
  Task<void> submit_whole(Submission submission, JobId id, std::vector<std::string> warnings,
                          std::optional<Submitted>& answer) {
    auto created = co_await service_->process_request(std::move(submission), id,
                                                      std::move(warnings), std::nullopt);
    if (created) {
      how_ = created->how;
      answer.emplace(created->job);
    } else {
      answer.emplace(std::unexpected(created.error()));
    }
  }
  Submitted submit(const HistoricalRequest& request) {
    std::optional<Submitted> answer;
    runtime_.run(submit_into(request, answer));
    return *answer;
  }

  Task<void> read_into(JobId id, JobInfo& info) {
    auto read = co_await service_->get_job_status(id);
    if (read && *read) info = **read;
  }
  JobInfo job(JobId id) {
    JobInfo info;
    runtime_.run(read_into(id, info));
    return info;
  }
  Task<void> ended(JobId id, JobInfo& info) {
    while (true) {
      co_await read_into(id, info);
      if (info.status == JobStatus::completed || info.status == JobStatus::failed) co_return;
      co_await sleep_for(runtime_, 10ms);
    }
  }
  JobInfo run_to_end(JobId id) {
    JobInfo info;
    runtime_.run(ended(id, info));
    return info;
  }
  Task<void> items_into(JobId id, std::vector<ItemRecord>& items) {
    auto page = co_await service_->list_items(id, {.state = {}, .limit = 1'000});
    if (page) items = page->items;
  }
  std::vector<ItemRecord> items(JobId id) {
    std::vector<ItemRecord> all;
    runtime_.run(items_into(id, all));
    return all;
  }

  Task<void> sleep(std::chrono::nanoseconds time) { (void)co_await sleep_for(runtime_, time); }
  Task<void> change(Task<Result<JobInfo>> task) {
    auto owned = std::move(task);
    changed_ = co_await std::move(owned);
  }
  // What refused the change; `internal` when nothing did.
  ErrorCode change_of(Task<Result<JobInfo>> task) {
    runtime_.run(change(std::move(task)));
    return changed_ ? ErrorCode::internal : changed_.error().code;
  }
  Task<void> delete_into(JobId id, Result<void>& answer) {
    answer = co_await service_->delete_job(id);
  }
  Result<void> deleted(JobId id) {
    Result<void> answer;
    runtime_.run(delete_into(id, answer));
    return answer;
  }
  using Dry = std::expected<DryRun, DataProcessingService::SubmitFailure>;
  Task<void> dry_run_into(HistoricalRequest request, std::optional<Dry>& answer) {
    Submission submission{.requests = {std::move(request)}, .labels = {}, .priority = 0};
    answer.emplace(co_await service_->dry_run(std::move(submission)));
  }
  Dry dry_run(const HistoricalRequest& request) {
    std::optional<Dry> answer;
    runtime_.run(dry_run_into(request, answer));
    return *std::move(answer);
  }
  Task<void> wait(JobId id, std::optional<SteadyTime> until, std::optional<Woken>& woken) {
    woken = co_await service_->wait_for_change(id, {}, until);
  }

  Result<JobInfo> changed_ = JobInfo{};
  testing::VirtualRuntime runtime_{7};
  sinks::MemoryStore lake_{runtime_};
  ScriptedSource source_{runtime_}, nasdaq_{runtime_};
  net::Limiter limiter_{runtime_, 4}, nasdaq_limiter_{runtime_, 1};
  CreatedJob::How how_ = CreatedJob::How::made;
  LineLog log_;
  betedge::testing::CountedMetrics metrics_;
  std::unique_ptr<JobStore> store_;
  std::optional<DataProcessingService> service_;
  bool closed_ = false;
};

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
  EXPECT_EQ(source_.calls.size(), 6U) << "three attempts each";
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
  EXPECT_EQ(source_.calls.size(), 4U);
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
      {{}, false, ohlc_csv("2024-01-04")}};
  source_.answers[{Kind::stock, day(2024, 1, 5)}] = {{{}, false, ohlc_csv("2024-01-05")}};
  const auto id = submit(stock_ohlc(day(2024, 1, 4), day(2024, 1, 5)))->job_id;
  EXPECT_EQ(run_to_end(id).state(), JobState::completed_with_errors);
  EXPECT_EQ(change_of(service_->cancel_job(id)), ErrorCode::internal) << "an ended job is shown";
  EXPECT_EQ(change_of(service_->retry_job(id)), ErrorCode::internal);
  EXPECT_EQ(run_to_end(id).state(), JobState::completed);
  EXPECT_EQ(source_.calls.size(), 3U);
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
  EXPECT_EQ(run.calls, 3U);
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
  const auto id = submit(stock_ohlc(day(2024, 1, 2), day(2024, 1, 31)))->job_id;
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
