#include "betedge/engine/fetch_runner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "betedge/core/calls.hpp"
#include "unit/engine/service_fixture.hpp"

// How fetches are brought: together, in parts, or not at all.
namespace betedge::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class FetchRunnerTest : public DataProcessingServiceTest {
 protected:
  void script(Date date) { source_.answers[{Kind::stock, date}] = {ohlc_of(date)}; }
  void script_sessions(Date first, Date last) {
    for (const auto one : core::sessions({first, last})) script(one);
  }
  static Scripted ohlc_of(Date date) { return {{}, false, ohlc_csv(to_iso_text(date))}; }
  JobInfo bring(const HistoricalRequest& request) {
    return run_to_end(submit(request).value().job_id);
  }
  std::vector<ItemRecord> items_of(const JobInfo& job) { return items(job.job_id); }
  void forget_everything() {
    runtime_.run(service_->close());
    store_ = *jobs::open_sqlite_store(runtime_, ":memory:");
    open_service({});
  }
  const Date kFirst = day(2024, 1, 2), kLast = day(2024, 1, 31);
};

// --- Together

TEST_F(FetchRunnerTest, AMonthOfAStocksDaysIsOneCall) {
  script_sessions(kFirst, day(2024, 2, 9));
  const auto info = bring(stock_ohlc(kFirst, day(2024, 2, 9)));
  EXPECT_EQ(info.items.succeeded, 28U);
  EXPECT_EQ(info.rows, 28U);
  ASSERT_EQ(source_.calls.size(), 2U);
  std::ranges::sort(source_.calls, {}, [](const Call& call) { return call.dates.first; });
  EXPECT_EQ(source_.calls[0].dates, (DateRange{kFirst, kLast}));
  EXPECT_EQ(source_.calls[1].dates, (DateRange{day(2024, 2, 1), day(2024, 2, 9)}));
}

TEST_F(FetchRunnerTest, AnObjectIsTheSameBytesWhetherItCameAloneOrWithOthers) {
  script_sessions(kFirst, kLast);
  for (const auto one : core::sessions({kFirst, kLast})) bring(stock_ohlc(one, one));
  EXPECT_EQ(source_.calls.size(), 21U);
  std::map<ObjectKey, Bytes> alone;
  for (const auto& key : lake_.keys()) alone[key] = *lake_.find(key);
  auto again = stock_ohlc(kFirst, kLast);
  again.existing = Existing::replace;
  EXPECT_EQ(bring(again).items.succeeded, 21U);
  EXPECT_EQ(source_.calls.size(), 22U);
  for (const auto& [key, bytes] : alone) EXPECT_EQ(*lake_.find(key), bytes) << key.text();
}

TEST_F(FetchRunnerTest, WhatIsThereIsLeftOutOfTheCall) {
  script_sessions(kFirst, kLast);
  bring(stock_ohlc(kFirst, day(2024, 1, 5)));
  bring(stock_ohlc(day(2024, 1, 10), day(2024, 1, 10)));
  source_.calls.clear();
  const auto info = bring(stock_ohlc(kFirst, day(2024, 1, 12)));
  EXPECT_EQ(info.items.skipped, 5U);
  EXPECT_EQ(info.items.succeeded, 4U);
  ASSERT_EQ(source_.calls.size(), 1U);
  EXPECT_EQ(source_.calls[0].dates, (DateRange{day(2024, 1, 8), day(2024, 1, 12)}));
}

TEST_F(FetchRunnerTest, ADayWithoutRowsAmongOthersIsAskedForAloneBeforeItIsNoData) {
  script(day(2024, 1, 2));
  script(day(2024, 1, 4));
  const auto info = bring(stock_ohlc(kFirst, day(2024, 1, 4)));
  EXPECT_EQ(info.items.succeeded, 2U);
  EXPECT_EQ(info.items.no_data, 1U);
  ASSERT_EQ(source_.calls.size(), 2U);
  EXPECT_EQ(source_.calls[1].dates, (DateRange{day(2024, 1, 3), day(2024, 1, 3)}));
}

TEST_F(FetchRunnerTest, AMonthWithoutAnyDataIsToldByOneCall) {
  const auto info = bring(stock_ohlc(kFirst, kLast));
  EXPECT_EQ(info.items.no_data, 21U);
  EXPECT_EQ(source_.calls.size(), 1U);
}

TEST_F(FetchRunnerTest, ABadDayOfAMonthFailsAlone) {
  script_sessions(kFirst, kLast);
  source_.answers[{Kind::stock, day(2024, 1, 17)}] = {{{}, false, "<html>\nBad day</html>\n"}};
  const auto info = bring(stock_ohlc(kFirst, kLast));
  EXPECT_EQ(info.items.succeeded, 20U);
  EXPECT_EQ(info.items.failed, 1U);
  EXPECT_THAT(info.error_message.value_or(""), HasSubstr("20240117"));
  EXPECT_LE(source_.calls.size(), 2U * 5U + 1U + 2U) << "halves, and its own attempts";
}

TEST_F(FetchRunnerTest, APassingFaultOfAMonthIsTriedAgainDayByDay) {
  script_sessions(kFirst, day(2024, 1, 4));
  source_.answers[{Kind::stock, day(2024, 1, 3)}] = {
      {Error{ErrorCode::upstream_failed, "connection reset", {}}, false, ""},
      ohlc_of(day(2024, 1, 3))};
  const auto info = bring(stock_ohlc(kFirst, day(2024, 1, 4)));
  EXPECT_EQ(info.items.succeeded, 3U);
  EXPECT_EQ(source_.calls.size(), 4U);
  for (const auto& item : items_of(info)) EXPECT_EQ(item.attempts, 2) << item.key.text();
}

TEST_F(FetchRunnerTest, AMonthThatWaitsForItsTerminalIsOneCallStill) {
  source_.is_there = false;
  script_sessions(kFirst, kLast);
  const auto id = submit(stock_ohlc(kFirst, kLast))->job_id;
  for (int i = 0; i < 5'000 && runtime_.steady_now().time_since_epoch() < 1h; ++i) runtime_.step();
  source_.is_there = true;
  source_.calls.clear();
  EXPECT_EQ(run_to_end(id).items.succeeded, 21U);
  EXPECT_EQ(source_.calls.size(), 1U);
  for (const auto& item : items(id)) EXPECT_EQ(item.attempts, 1);
}

TEST_F(FetchRunnerTest, AnObjectOfAMonthThatCannotBeWrittenFailsAlone) {
  script_sessions(kFirst, day(2024, 1, 4));
  lake_.set_hook([](sinks::MemoryStore::Step step, const ObjectKey& key) {
    sinks::MemoryStore::Fate fate;
    if (step == sinks::MemoryStore::Step::commit && key.text().contains("/03/"))
      fate.failure = Error{ErrorCode::storage_failed, "the bucket answered 500", {}};
    return fate;
  });
  const auto info = bring(stock_ohlc(kFirst, day(2024, 1, 4)));
  EXPECT_EQ(info.items.succeeded, 2U);
  EXPECT_EQ(info.items.failed, 1U);
  EXPECT_EQ(source_.calls.size(), 3U) << "the month, and two more attempts for the day";
}

TEST_F(FetchRunnerTest, WhatAnObjectTookIsItsShareOfTheCall) {
  script_sessions(kFirst, kLast);
  source_.latency = 21s;
  const auto info = bring(stock_ohlc(kFirst, kLast));
  for (const auto& item : items_of(info)) {
    const auto record = recorded(item.key);
    ASSERT_TRUE(record.has_value());
    EXPECT_GE(record->took, 1s);
    EXPECT_LT(record->took, 2s);
  }
}

// --- Too large

// A chain's rows: two contracts every step, one of each expiration; and the underlying's.
std::optional<std::string> chain_market(const Call& call) {
  const std::array expirations{day(2024, 1, 5), day(2024, 1, 12)};
  const bool is_option = call.kind == Kind::option;
  std::string csv = is_option ? "symbol,expiration,strike,right," : "";
  csv += "timestamp,open,high,low,close,volume,count,vwap\n";
  bool has_rows = false;
  for (const auto expiration : expirations) {
    if (!is_option && expiration != expirations[0]) continue;
    if (call.expiration && *call.expiration != expiration) continue;
    for (auto at = 9h + 30min; at <= 16h; at += 15min) {
      if (at < call.window.start.value_or(0ms) || at > call.window.end.value_or(24h)) continue;
      if (is_option) csv += fmt::format("AAA,{},105.000,CALL,", to_iso_text(expiration));
      csv += fmt::format("{}T{:02}:{:02}:00,1.00,1.10,0.95,1.05,100,7,1.01\n",
                         to_iso_text(call.dates.first), at / 1h, at % 1h / 1min);
      has_rows = true;
    }
  }
  return has_rows ? std::optional(csv) : std::nullopt;
}

class TooLargeTest : public FetchRunnerTest {
 protected:
  TooLargeTest() {
    source_.market = chain_market;
    request_.kind = Kind::option;
    request_.interval = 15min;
  }
  // 570 for a chain's call of more rows than this.
  void refuse_above(std::size_t rows) {
    source_.refuses_call = [rows](const Call& call) -> std::optional<Error> {
      const auto csv = chain_market(call).value_or("\n");
      const auto in_call = static_cast<std::size_t>(std::ranges::count(csv, '\n')) - 1;
      if (call.kind == Kind::stock || in_call <= rows) return std::nullopt;
      return Error{ErrorCode::upstream_too_large, "HTTP 570 request too large", {}};
    };
  }
  HistoricalRequest request_ = stock_ohlc(day(2024, 1, 4), day(2024, 1, 4));
};

TEST_F(TooLargeTest, ADayIsPutTogetherOutOfItsHours) {
  refuse_above(14);
  const auto info = bring(request_);
  EXPECT_EQ(info.items.succeeded, 1U);
  EXPECT_EQ(info.rows, 2U * 27U + 27U);
  EXPECT_EQ(items_of(info)[0].note, "");
  for (const auto& call : source_.calls) EXPECT_EQ(call.expiration, std::nullopt);
  EXPECT_EQ(items_of(info)[0].attempts, 1);
}

TEST_F(TooLargeTest, AtLastOutOfTheExpirationsThatHaveNotExpired) {
  refuse_above(1);
  source_.all_expirations = {day(2023, 12, 29), day(2024, 1, 5), day(2024, 1, 12)};
  const auto info = bring(request_);
  EXPECT_EQ(info.items.succeeded, 1U);
  EXPECT_EQ(info.rows, 2U * 27U + 27U);
  EXPECT_EQ(std::ranges::count(source_.calls, day(2023, 12, 29), &Call::expiration), 0);
  EXPECT_EQ(std::ranges::count(source_.calls, day(2024, 1, 12), &Call::expiration), 27);
}

TEST_F(TooLargeTest, WhatCannotBeCutAnyFurtherFailsAndSaysSo) {
  refuse_above(0);
  for (const auto& listed : {std::optional<std::vector<Date>>{}, std::optional(std::vector<Date>{}),
                             std::optional(std::vector{day(2024, 1, 12)})}) {
    source_.all_expirations = listed;
    const auto info = bring(request_);
    EXPECT_EQ(info.items.failed, 1U);
    EXPECT_THAT(info.error_message.value_or(""),
                HasSubstr("request too large: and it cannot be asked for in smaller parts"));
    EXPECT_EQ(items_of(info)[0].attempts, 1) << "another time would go no better";
    EXPECT_THAT(lake_.keys(), IsEmpty());
  }
}

TEST_F(TooLargeTest, AMonthOfAStockIsCutIntoItsDays) {
  source_.market = nullptr;
  script_sessions(kFirst, kLast);
  source_.refuses_call = [](const Call& call) -> std::optional<Error> {
    if (core::sessions(call.dates).size() <= 5) return std::nullopt;
    return Error{ErrorCode::upstream_too_large, "HTTP 570 request too large", {}};
  };
  const auto info = bring(stock_ohlc(kFirst, kLast));
  EXPECT_EQ(info.items.succeeded, 21U);
  EXPECT_EQ(source_.calls.size(), 1U + 2U + 4U + 2U) << "21, 10 and 11, 5 5 5 6, 3 3";
}

// --- A month's chain

class ChainMonthTest : public FetchRunnerTest {
 protected:
  ChainMonthTest() {
    for (const auto one : core::sessions({kFirst, kLast})) {
      auto csv = eod_csv(to_iso_text(one));
      csv.insert(csv.find('\n') + 1, "AAA,2024-02-16,105.000,PUT,");
      csv.insert(0, "symbol,expiration,strike,right,");
      source_.answers[{Kind::option, one}] = {{{}, false, csv}};
    }
  }
  const HistoricalRequest kJanuary{.kind = Kind::option,
                                   .root = *Symbol::parse("AAA"),
                                   .dates = {day(2024, 1, 10), day(2024, 1, 10)},
                                   .schema = Schema::eod};
};

TEST_F(ChainMonthTest, IsOneCallWhereTheVendorTakesIt) {
  bring(kJanuary);
  EXPECT_EQ(source_.calls.size(), 21U) << "day by day, where it does not";
  const auto by_day = *lake_.find(lake_.keys()[0]);
  auto again = kJanuary;
  again.existing = Existing::replace;
  source_.takes_chain_spans = true;
  source_.calls.clear();
  EXPECT_EQ(bring(again).rows, 21U);
  ASSERT_EQ(source_.calls.size(), 1U);
  EXPECT_EQ(source_.calls[0].dates, (DateRange{kFirst, kLast}));
  EXPECT_EQ(*lake_.find(lake_.keys()[0]), by_day) << "the same rows are the same bytes";
}

TEST_F(ChainMonthTest, IsAskedForByTheDayOnceTheVendorHasRefusedIt) {
  for (const auto code : {ErrorCode::upstream_refused, ErrorCode::upstream_too_large}) {
    source_.takes_chain_spans = true;
    source_.calls.clear();
    source_.refuses_call = [this, code](const Call& call) -> std::optional<Error> {
      if (call.dates.first == call.dates.last) return std::nullopt;
      source_.takes_chain_spans = false;  // as a source learns it
      return Error{code, "HTTP 400", {}};
    };
    auto request = kJanuary;
    request.existing = Existing::replace;
    const auto info = bring(request);
    EXPECT_EQ(info.rows, 21U);
    EXPECT_EQ(source_.calls.size(), 22U);
    EXPECT_EQ(items_of(info)[0].attempts, 1);
  }
}

TEST_F(ChainMonthTest, ThatIsTooLargeIsHalvedWhereSpansAreTaken) {
  source_.takes_chain_spans = true;
  source_.refuses_call = [](const Call& call) -> std::optional<Error> {
    if (core::sessions(call.dates).size() < 12) return std::nullopt;
    return Error{ErrorCode::upstream_too_large, "HTTP 570", {}};
  };
  EXPECT_EQ(bring(kJanuary).rows, 21U);
  EXPECT_EQ(source_.calls.size(), 3U);
}

TEST_F(ChainMonthTest, ThatFailsForAnotherReasonIsNotAskedForByTheDay) {
  source_.takes_chain_spans = true;
  source_.refuses_call = [](const Call&) {
    return Error{ErrorCode::upstream_denied, "HTTP 403", {}};
  };
  EXPECT_EQ(bring(kJanuary).items.failed, 1U);
  EXPECT_EQ(source_.calls.size(), 1U);
}

// --- What the vendor's defects come to

TEST_F(ChainMonthTest, WhatRulesMetIsSaidWithTheItemAndCounted) {
  auto& first = source_.answers[{Kind::option, kFirst}].front().body;
  const auto row = first.substr(first.find('\n') + 1);
  auto later = row;
  later.replace(later.find("T17:15:00"), 9, "T17:16:00");
  first += later;
  const auto info = bring(kJanuary);
  EXPECT_EQ(info.rows, 21U);
  EXPECT_THAT(items_of(info)[0].note, HasSubstr("doubled_contracts: 1 rows"));
  EXPECT_EQ(metrics_.value(Metric::rule_rows, {"option_eod", "doubled_contracts"}), 1);
  EXPECT_EQ(metrics_.value(Metric::items, {"option_eod", "succeeded", "none"}), 1)
      << "nothing is missing";
}

std::string zero_csv(std::string_view iso_day) {
  return "timestamp,open,high,low,close,volume,count,vwap\n" + std::string(iso_day) +
         "T09:30:00,0.00,0.00,0.00,0.00,0,0,0.00\n";
}

TEST_F(FetchRunnerTest, ASeriesOfZerosOfAnEndedPeriodIsNoData) {
  source_.answers[{Kind::stock, kFirst}] = {{{}, false, zero_csv("2024-01-02")}};
  const auto info = bring(stock_ohlc(kFirst, kFirst));
  EXPECT_EQ(info.items.no_data, 1U);
  EXPECT_THAT(lake_.keys(), IsEmpty());
  const auto item = items_of(info)[0];
  EXPECT_THAT(item.note, HasSubstr("every price of its 1 rows is zero"));
  const auto record = recorded(item.key);
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(record->what, ObjectRecord::What::no_data);
  EXPECT_EQ(record->reason, "zero_series");
  const auto again = bring(stock_ohlc(kFirst, kFirst));
  EXPECT_EQ(items_of(again)[0].note, "no data (zero_series): told 2025-06-02");
  EXPECT_EQ(source_.calls.size(), 1U);
}

TEST_F(FetchRunnerTest, ASeriesOfZerosOfAFreshPeriodIsAFailureThatIsTriedAgain) {
  runtime_.run(sleep(24h));
  const auto monday = day(2025, 6, 2);
  source_.answers[{Kind::stock, monday}] = {
      {{}, false, zero_csv("2025-06-02")}, {{}, false, zero_csv("2025-06-02")}, ohlc_of(monday)};
  const auto info = bring(stock_ohlc(monday, monday));
  EXPECT_EQ(info.items.succeeded, 1U);
  EXPECT_EQ(source_.calls.size(), 3U);
}

// --- What is there, and what is known not to be

TEST_F(FetchRunnerTest, NoDataIsRememberedAndAskedForAgainByRefresh) {
  auto request = stock_ohlc(kFirst, kFirst);
  const auto first = bring(request);
  EXPECT_EQ(first.items.no_data, 1U);
  const auto record = recorded(items_of(first)[0].key);
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(record->reason, "no_data");
  EXPECT_EQ(source_.calls.size(), 1U);
  EXPECT_EQ(dry_run(request)->calls, 0U);

  const auto again = bring(request);
  EXPECT_EQ(again.items.no_data, 1U);
  EXPECT_EQ(items_of(again)[0].note, "no data: told 2025-06-02");
  EXPECT_EQ(source_.calls.size(), 1U);

  script(kFirst);
  request.existing = Existing::refresh;
  EXPECT_EQ(bring(request).items.succeeded, 1U);
  EXPECT_EQ(recorded(items_of(again)[0].key)->what, ObjectRecord::What::written);
  request.existing = Existing::keep;
  EXPECT_EQ(bring(request).items.skipped, 1U);
}

TEST_F(FetchRunnerTest, NoDataThatWasToldTooEarlyIsAskedForAgain) {
  runtime_.run(sleep(24h));
  const auto monday = day(2025, 6, 2);
  EXPECT_EQ(bring(stock_ohlc(monday, monday)).items.no_data, 1U);
  script(monday);
  EXPECT_EQ(bring(stock_ohlc(monday, monday)).items.succeeded, 1U);
}

TEST_F(FetchRunnerTest, NoDataLeavesWhatLiesThere) {
  script(kFirst);
  auto request = stock_ohlc(kFirst, kFirst);
  const auto key = items_of(bring(request))[0].key;
  source_.answers.clear();
  request.existing = Existing::replace;
  const auto info = bring(request);
  EXPECT_EQ(info.items.no_data, 1U);
  EXPECT_EQ(items_of(info)[0].note, "what was published before stays");
  EXPECT_NE(lake_.find(key), nullptr);
  EXPECT_EQ(recorded(key)->what, ObjectRecord::What::written);
}

TEST_F(FetchRunnerTest, AnObjectThatNobodyRecordedIsReadAndAdopted) {
  script(kFirst);
  auto request = stock_ohlc(kFirst, kFirst);
  const auto written = *recorded(items_of(bring(request))[0].key);
  forget_everything();
  source_.calls.clear();
  EXPECT_EQ(dry_run(request)->calls, 0U);
  const auto info = bring(request);
  EXPECT_EQ(info.items.skipped, 1U);
  EXPECT_EQ(items_of(info)[0].note, "adopted: 1 rows");
  const auto record = recorded(written.key);
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(record->what, ObjectRecord::What::adopted);
  EXPECT_EQ(record->rows, 1U);
  EXPECT_EQ(record->sha256, written.sha256);
  EXPECT_EQ(record->covers_through, kFirst);
  EXPECT_EQ(record->schema_version, kSchemaVersion);

  request.existing = Existing::refresh;
  const auto again = bring(request);
  EXPECT_EQ(again.items.skipped, 1U) << "it says what it is";
  EXPECT_EQ(items_of(again)[0].note, "");
  EXPECT_THAT(source_.calls, IsEmpty());
}

TEST_F(FetchRunnerTest, RefreshDownloadsWhatNobodyRecorded) {
  script(kFirst);
  auto request = stock_ohlc(kFirst, kFirst);
  bring(request);
  forget_everything();
  request.existing = Existing::refresh;
  EXPECT_EQ(bring(request).items.succeeded, 1U);
}

TEST_F(FetchRunnerTest, WhatCannotBeReadOrIsSomethingElseIsDownloadedAgain) {
  script_sessions(kFirst, day(2024, 1, 3));
  const auto info = bring(stock_ohlc(kFirst, day(2024, 1, 3)));
  const auto key = items_of(info)[0].key, other = items_of(info)[1].key;
  const auto whole = *lake_.find(key);
  const std::string rubbish = "PAR1 and nothing more";
  for (const auto& [bytes, verdict] :
       {std::pair(Bytes(as_bytes(rubbish).begin(), as_bytes(rubbish).end()), "torn"),
        std::pair(Bytes(whole.begin(), whole.end() - 100), "torn"),
        std::pair(*lake_.find(other), "foreign")}) {
    forget_everything();
    lake_.put(key, bytes);
    const auto again = bring(stock_ohlc(kFirst, kFirst));
    EXPECT_EQ(again.items.succeeded, 1U);
    EXPECT_THAT(items_of(again)[0].note,
                HasSubstr(fmt::format("what lay there was {} and was downloaded again", verdict)));
    EXPECT_EQ(*lake_.find(key), whole);
  }
}

TEST_F(FetchRunnerTest, AnAdoptedFileOfLessThanIsAskedForIsDownloadedAgain) {
  // The year is 2025, and its file ends with Friday 30 May.
  HistoricalRequest year{.kind = Kind::stock,
                         .root = *Symbol::parse("AAA"),
                         .dates = {day(2025, 1, 2), day(2025, 1, 2)},
                         .schema = Schema::eod};
  source_.answers[{Kind::stock, day(2025, 1, 2)}] = {{{}, false, eod_csv("2025-01-02")}};
  bring(year);
  runtime_.run(sleep(24h * 3));
  const auto key = lake_.keys()[0];
  const auto bytes = *lake_.find(key);
  forget_everything();
  lake_.put(key, bytes);  // copied here today: its date says nothing, and its metadata all
  source_.calls.clear();
  EXPECT_EQ(bring(year).items.succeeded, 1U);
  ASSERT_EQ(source_.calls.size(), 1U);
  EXPECT_EQ(source_.calls[0].dates.last, day(2025, 6, 4));
}

TEST_F(FetchRunnerTest, AnAdoptedFileIsToldTheSessionsThatItLacks) {
  HistoricalRequest year{.kind = Kind::stock,
                         .root = *Symbol::parse("AAA"),
                         .dates = {day(2025, 1, 2), day(2025, 1, 2)},
                         .schema = Schema::eod};
  source_.answers[{Kind::stock, day(2025, 1, 2)}] = {{{}, false, eod_csv("2025-01-02")}};
  const auto written = *recorded(items_of(bring(year))[0].key);
  ASSERT_FALSE(written.missing_sessions.empty());
  forget_everything();
  const auto info = bring(year);
  EXPECT_EQ(info.items.skipped, 1U);
  EXPECT_THAT(items_of(info)[0].note, ::testing::HasSubstr("adopted: 1 rows; no data on "));
  EXPECT_EQ(recorded(written.key)->missing_sessions, written.missing_sessions);
}

TEST_F(FetchRunnerTest, ALakeThatCannotBeReadIsTriedAgain) {
  script(kFirst);
  bring(stock_ohlc(kFirst, kFirst));
  forget_everything();
  int reads = 0;
  lake_.set_hook([&reads](sinks::MemoryStore::Step step, const ObjectKey&) {
    sinks::MemoryStore::Fate fate;
    if (step == sinks::MemoryStore::Step::read && ++reads == 1)
      fate.failure = Error{ErrorCode::storage_failed, "the bucket answered 500", {}};
    return fate;
  });
  const auto info = bring(stock_ohlc(kFirst, kFirst));
  EXPECT_EQ(info.items.skipped, 1U);
  EXPECT_EQ(items_of(info)[0].attempts, 2);
}

TEST_F(FetchRunnerTest, TheSessionsThatAnObjectLacksAreRecorded) {
  HistoricalRequest year{.kind = Kind::stock,
                         .root = *Symbol::parse("AAA"),
                         .dates = {day(2025, 1, 2), day(2025, 1, 2)},
                         .schema = Schema::eod};
  source_.answers[{Kind::stock, day(2025, 1, 2)}] = {{{}, false, eod_csv("2025-01-02")}};
  const auto record = recorded(items_of(bring(year))[0].key);
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(record->missing_sessions, core::sessions({day(2025, 1, 3), day(2025, 5, 30)}));
}

// --- Somebody else's object

TEST_F(FetchRunnerTest, WhatSomebodyElseWroteMeanwhileIsNotReplacedButLookedAtAgain) {
  script(kFirst);
  script(day(2024, 1, 3));
  bring(stock_ohlc(kFirst, kFirst));
  const auto key = lake_.keys()[0];
  const auto theirs = *lake_.find(key);
  forget_everything();
  lake_.erase(key);
  source_.calls.clear();
  int commits = 0;
  lake_.set_hook([&](sinks::MemoryStore::Step step, const ObjectKey& at) {
    if (step == sinks::MemoryStore::Step::commit && at == key && ++commits == 1)
      lake_.put(key, theirs);
    return sinks::MemoryStore::Fate{};
  });
  const auto info = bring(stock_ohlc(kFirst, day(2024, 1, 3)));
  EXPECT_EQ(info.items.succeeded, 1U) << "the other day is none of theirs";
  EXPECT_EQ(info.items.skipped, 1U);
  EXPECT_EQ(items_of(info)[0].note, "adopted: 1 rows");
  EXPECT_EQ(items_of(info)[0].attempts, 1) << "it waited, and that is no attempt";
  EXPECT_EQ(commits, 1);
  EXPECT_THAT(log_.lines, ::testing::Contains(HasSubstr("item_waits")));
}

}  // namespace
}  // namespace betedge::engine
