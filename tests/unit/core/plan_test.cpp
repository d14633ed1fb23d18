#include "betedge/core/plan.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "betedge/core/calendar.hpp"

namespace betedge::core {
namespace {

using namespace std::chrono;

HistoricalRequest request_for(Kind kind, Schema schema, Date first, Date last) {
  return {.kind = kind,
          .root = Symbol::parse("TEST").value(),
          .dates = {first, last},
          .schema = schema,
          .interval = schema == Schema::eod ? 0min : 15min};
}

std::vector<std::string> keys_of(const Plan& planned) {
  std::vector<std::string> keys;
  for (const PlannedItem& item : planned.items) keys.push_back(item.key.text());
  return keys;
}

bool contains(const std::vector<Date>& sorted, Date day) {
  return std::binary_search(sorted.begin(), sorted.end(), day);
}

constexpr Date kLater = sys_days{2031y / 1 / 1};

TEST(PlanTest, IntradayIsOneItemASession) {
  // 28 March 2024 to 2 April: Good Friday and a weekend between.
  const Plan planned =
      plan(request_for(Kind::stock, Schema::quote, 2024y / 3 / 28, 2024y / 4 / 2), kLater);
  EXPECT_EQ(keys_of(planned),
            (std::vector<std::string>{"historical-stock/quote/15m/TEST/2024/03/28/data.parquet",
                                      "historical-stock/quote/15m/TEST/2024/04/01/data.parquet",
                                      "historical-stock/quote/15m/TEST/2024/04/02/data.parquet"}));
}

TEST(PlanTest, AnOptionsDayIsItsOwnCallThenItsUnderlyings) {
  for (const auto schema : {Schema::quote, Schema::ohlc}) {
    auto request = request_for(Kind::option, schema, 2024y / 1 / 5, 2024y / 1 / 5);
    request.window = {10h, 11h};
    const Plan planned = plan(request, kLater);
    ASSERT_EQ(planned.items.size(), 1U);
    const Call option{.kind = Kind::option,
                      .schema = schema,
                      .root = request.root,
                      .dates = request.dates,
                      .interval = 15min,
                      .window = request.window,
                      .role = Role::primary};
    Call underlying = option;
    underlying.kind = Kind::stock;
    underlying.role = Role::underlying;
    EXPECT_EQ(planned.items[0].calls, (std::vector<Call>{option, underlying}));
  }
}

TEST(PlanTest, OptionEodIsAWholeMonthDayByDay) {
  const Plan planned =
      plan(request_for(Kind::option, Schema::eod, 2024y / 2 / 12, 2024y / 2 / 13), kLater);
  ASSERT_EQ(keys_of(planned),
            (std::vector<std::string>{"historical-options/eod/TEST/2024/02/data.parquet"}));
  const PlannedItem& item = planned.items[0];
  EXPECT_EQ(item.covers, (DateRange{sys_days{2024y / 2 / 1}, sys_days{2024y / 2 / 29}}));
  const auto february = sessions({sys_days{2024y / 2 / 1}, sys_days{2024y / 2 / 29}});
  ASSERT_EQ(item.calls.size(), february.size());
  for (std::size_t i = 0; i < february.size(); ++i) {
    EXPECT_EQ(item.calls[i].dates, (DateRange{february[i], february[i]}));
    EXPECT_EQ(item.calls[i].kind, Kind::option);
    EXPECT_EQ(item.calls[i].role, Role::primary);
    EXPECT_EQ(item.calls[i].interval, 0ms);
  }
}

TEST(PlanTest, StockEodIsAWholeYearInOneCallOfItsSessions) {
  const Plan planned =
      plan(request_for(Kind::stock, Schema::eod, 2023y / 12 / 20, 2024y / 1 / 3), kLater);
  ASSERT_EQ(keys_of(planned),
            (std::vector<std::string>{"historical-stock/eod/TEST/2023/data.parquet",
                                      "historical-stock/eod/TEST/2024/data.parquet"}));
  ASSERT_EQ(planned.items[1].calls.size(), 1U);
  EXPECT_EQ(planned.items[1].calls[0].dates,
            (DateRange{sys_days{2024y / 1 / 2}, sys_days{2024y / 12 / 31}}));
}

TEST(PlanTest, NoYearsSessionsSpanMoreThan365Days) {
  const Plan planned =
      plan(request_for(Kind::stock, Schema::eod, 1990y / 1 / 1, 2030y / 12 / 31), kLater);
  EXPECT_EQ(planned.items.size(), 41U);
  for (const PlannedItem& item : planned.items)
    for (const Call& call : item.calls)
      EXPECT_LE(call.dates.last - call.dates.first + days{1}, days{365});
}

TEST(PlanTest, TodayHasNotEnded) {
  const Date friday = 2024y / 1 / 5;
  const auto request = request_for(Kind::stock, Schema::ohlc, 2024y / 1 / 4, 2024y / 1 / 9);
  const Plan planned = plan(request, friday);
  EXPECT_EQ(keys_of(planned),
            (std::vector<std::string>{"historical-stock/ohlc/15m/TEST/2024/01/04/data.parquet"}));
  EXPECT_EQ(planned.not_yet_available, (std::vector<Date>{friday, 2024y / 1 / 8, 2024y / 1 / 9}));
}

TEST(PlanTest, AMonthThatRunsIsPlannedUpToItsLastEndedSession) {
  // Monday 18 March 2024: Friday the 15th was the last one that ended.
  const Plan planned =
      plan(request_for(Kind::option, Schema::eod, 2024y / 3 / 10, 2024y / 3 / 19), 2024y / 3 / 18);
  ASSERT_EQ(planned.items.size(), 1U);
  EXPECT_EQ(planned.items[0].covers,
            (DateRange{sys_days{2024y / 3 / 1}, sys_days{2024y / 3 / 15}}));
  EXPECT_EQ(planned.not_yet_available, (std::vector<Date>{2024y / 3 / 18, 2024y / 3 / 19}));
}

TEST(PlanTest, APeriodOfWhichNoDayAskedForHasEndedIsNoItem) {
  const Plan planned =
      plan(request_for(Kind::option, Schema::eod, 2024y / 3 / 18, 2024y / 3 / 19), 2024y / 3 / 18);
  EXPECT_TRUE(planned.items.empty());
  EXPECT_EQ(planned.not_yet_available.size(), 2U);
}

TEST(PlanTest, APeriodWithoutAnEndedSessionIsNoItem) {
  for (const auto kind : {Kind::option, Kind::stock}) {
    const Plan planned =
        plan(request_for(kind, Schema::eod, 2024y / 1 / 1, 2024y / 1 / 2), 2024y / 1 / 2);
    EXPECT_TRUE(planned.items.empty());
    EXPECT_EQ(planned.not_yet_available, (std::vector<Date>{2024y / 1 / 2}));
  }
}

TEST(PlanTest, AWeekendHasNoIntradayItemAndBelongsToItsEodMonth) {
  const Date saturday = 2024y / 1 / 6, sunday = 2024y / 1 / 7;
  const Plan intraday = plan(request_for(Kind::option, Schema::quote, saturday, sunday), kLater);
  EXPECT_TRUE(intraday.items.empty());
  EXPECT_TRUE(intraday.not_yet_available.empty());
  EXPECT_EQ(plan(request_for(Kind::option, Schema::eod, saturday, sunday), kLater).items.size(),
            1U);
}

TEST(PlanTest, AFarFutureIsNamedOnlyInPart) {
  const Plan planned =
      plan(request_for(Kind::stock, Schema::quote, 2024y / 1 / 1, 9999y / 12 / 31), 2024y / 1 / 1);
  EXPECT_TRUE(planned.items.empty());
  EXPECT_EQ(planned.not_yet_available.size(), kMostNotYetAvailable);
}

// What must hold of every plan, over random requests and random days to plan them on.
class PlanPropertyTest : public testing::TestWithParam<std::tuple<Kind, Schema>> {};

TEST_P(PlanPropertyTest, NamesEachEndedSessionOnceAndNothingElse) {
  const auto [kind, schema] = GetParam();
  std::mt19937_64 random(20240102);
  for (int round = 0; round < 300; ++round) {
    const Date first = Date{2003y / 6 / 1} + days{static_cast<int>(random() % 9000)};
    const Date last = first + days{static_cast<int>(random() % (round % 3 == 0 ? 1200 : 40))};
    const Date today = first + days{static_cast<int>(random() % 1300) - 60};
    SCOPED_TRACE(to_iso_text(first) + " to " + to_iso_text(last) + " on " + to_iso_text(today));
    const auto request = request_for(kind, schema, first, last);
    const Plan planned = plan(request, today);

    std::set<std::string> keys;
    std::vector<Date> covered;
    for (const PlannedItem& item : planned.items) {
      ASSERT_TRUE(keys.insert(item.key.text()).second) << item.key.text() << " comes twice";
      ASSERT_EQ(item.key, object_key(request, item.covers.first));
      ASSERT_EQ(item.key, object_key(request, item.covers.last));
      ASSERT_TRUE(is_session(item.covers.first) && is_session(item.covers.last));
      ASSERT_LT(item.covers.last, today);
      if (!covered.empty()) ASSERT_GT(item.covers.first, covered.back()) << "out of order";
      const auto in_item = sessions(item.covers);
      covered.insert(covered.end(), in_item.begin(), in_item.end());

      std::vector<Date> called;
      for (const Call& call : item.calls) {
        ASSERT_EQ(call.schema, schema);
        ASSERT_LE(call.dates.last, item.covers.last);
        if (call.role == Role::underlying) continue;
        const auto in_call = sessions(call.dates);
        ASSERT_FALSE(in_call.empty());
        called.insert(called.end(), in_call.begin(), in_call.end());
      }
      ASSERT_EQ(called, in_item);
    }

    for (const Date day : sessions(request.dates)) {
      const bool listed = contains(planned.not_yet_available, day);
      ASSERT_EQ(contains(covered, day), day < today) << to_iso_text(day);
      ASSERT_EQ(listed, day >= today) << to_iso_text(day);
    }
    if (schema != Schema::eod) ASSERT_EQ(covered.size(), planned.items.size());
    ASSERT_EQ(plan(request, today).items.size(), planned.items.size());
  }
}

INSTANTIATE_TEST_SUITE_P(Requests, PlanPropertyTest,
                         testing::Combine(testing::Values(Kind::option, Kind::stock),
                                          testing::Values(Schema::quote, Schema::ohlc,
                                                          Schema::eod)),
                         [](const auto& tested) {
                           return std::string(to_text(std::get<0>(tested.param))) + "_" +
                                  std::string(to_text(std::get<1>(tested.param)));
                         });

TEST(PlanEarningsTest, IsOneItemAMonthAndOneCallAMondayToFriday) {
  const HistoricalRequest request{.kind = Kind::earnings,
                                  .root = {},
                                  .dates = {sys_days{2023y / 12 / 1}, sys_days{2024y / 2 / 29}},
                                  .schema = Schema::eod};
  const auto planned = plan(request, sys_days{2024y / 2 / 14});  // a Wednesday
  ASSERT_EQ(planned.items.size(), 3U);
  EXPECT_EQ(planned.items[0].key.text(), "earnings/2023/12/data.parquet");
  EXPECT_EQ(planned.items[1].calls.size(), 23U);  // New Year's Day is a Monday too
  EXPECT_EQ(planned.items[1].calls[0].dates.first, sys_days{2024y / 1 / 1});
  EXPECT_EQ(planned.items[2].covers.last, sys_days{2024y / 2 / 13});
  EXPECT_EQ(planned.items[2].calls.size(), 9U);
  ASSERT_EQ(planned.not_yet_available.size(), 12U);
  EXPECT_EQ(planned.not_yet_available.front(), sys_days{2024y / 2 / 14});
  for (const auto& item : planned.items)
    for (const auto& call : item.calls) EXPECT_EQ(call.kind, Kind::earnings);
}

TEST(PlanSubmissionTest, IsThePlansOfItsSymbolsOneAfterTheOther) {
  auto request =
      request_for(Kind::stock, Schema::ohlc, sys_days{2024y / 1 / 2}, sys_days{2024y / 1 / 5});
  Submission submission{.requests = {request}, .labels = {}, .priority = 0};
  request.root = Symbol::parse("ZZZ").value();
  submission.requests.push_back(request);
  const auto planned = plan(submission, sys_days{2024y / 1 / 4});
  ASSERT_EQ(planned.items.size(), 4U);
  EXPECT_EQ(planned.items[2].calls[0].root, request.root);
  EXPECT_EQ(planned.items[2].covers, planned.items[0].covers);
  EXPECT_EQ(planned.not_yet_available.size(), 2U) << "each day once";
}

TEST(PlanTest, OfSomeDaysOnlyTheObjectsThatHoldThemArePlanned) {
  const auto request = request_for(Kind::stock, Schema::ohlc, 2024y / 1 / 2, 2024y / 1 / 12);
  const std::vector<DateRange> only{{2024y / 1 / 3, 2024y / 1 / 4}, {2024y / 1 / 9, 2024y / 1 / 9}};
  EXPECT_EQ(keys_of(plan(request, kLater, only)),
            (std::vector<std::string>{"historical-stock/ohlc/15m/TEST/2024/01/03/data.parquet",
                                      "historical-stock/ohlc/15m/TEST/2024/01/04/data.parquet",
                                      "historical-stock/ohlc/15m/TEST/2024/01/09/data.parquet"}));
}

TEST(PlanTest, AnObjectOfAPeriodIsPlannedForAnyOfItsSessions) {
  const auto request = request_for(Kind::option, Schema::eod, 2024y / 1 / 1, 2024y / 4 / 30);
  // A day of February; and a weekend of March, which is no session of it.
  const std::vector<DateRange> only{{2024y / 2 / 14, 2024y / 2 / 14},
                                    {2024y / 3 / 2, 2024y / 3 / 3}};
  const auto planned = plan(request, kLater, only);
  ASSERT_EQ(keys_of(planned),
            std::vector<std::string>{"historical-options/eod/TEST/2024/02/data.parquet"});
  EXPECT_EQ(planned.items[0].covers, (DateRange{2024y / 2 / 1, 2024y / 2 / 29}));
}

TEST(PlanTest, ASubmissionOfSomeDaysIsSoForEachOfItsRequests) {
  auto one = request_for(Kind::stock, Schema::quote, 2024y / 1 / 2, 2024y / 1 / 5);
  auto two = one;
  two.root = Symbol::parse("OTHER").value();
  const Submission submission{
      .requests = {one, two}, .labels = {}, .only = {{2024y / 1 / 4, 2024y / 1 / 4}}};
  EXPECT_EQ(plan(submission, kLater).items.size(), 2U);
}

}  // namespace
}  // namespace betedge::core
