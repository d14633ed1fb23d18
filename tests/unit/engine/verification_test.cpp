#include "betedge/engine/verification.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <variant>

#include "betedge/columnar/file_metadata.hpp"
#include "betedge/columnar/object_encoder.hpp"
#include "betedge/core/plan.hpp"
#include "unit/engine/lake_world.hpp"

namespace betedge::engine {
namespace {

using namespace std::chrono;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

HistoricalRequest request_of(Date day) {
  return {.kind = Kind::stock,
          .root = *Symbol::parse("AAA"),
          .dates = {day, day},
          .schema = Schema::ohlc,
          .interval = 1min};
}

struct File {
  Bytes bytes;
  columnar::FileSummary summary;
};

// The object of a day, as a job writes it: one bar of this price.
File file_of(Date day, std::string_view price = "10.50") {
  const auto request = request_of(day);
  const auto key = object_key(request, day);
  auto encoder = *columnar::ObjectEncoder::open({.request = request,
                                                 .key = key,
                                                 .covers = {day, day},
                                                 .source = "thetadata",
                                                 .request_json = "{}"});
  const auto call = plan(request, day + days{7}).items.at(0).calls.at(0);
  EXPECT_TRUE(encoder->begin_answer(call, WireFormat::v3_csv).has_value());
  EXPECT_TRUE(encoder->begin_document().has_value());
  const auto text = "timestamp,open,high,low,close,volume,count,vwap\n" + to_iso_text(day) +
                    "T09:30:00,10.00,11.00,9.50," + std::string(price) + ",1000,7,10.10\n";
  EXPECT_TRUE(encoder->feed(as_bytes(text)).has_value());
  EXPECT_TRUE(encoder->end_answer().has_value());
  auto summary = encoder->finish();
  EXPECT_TRUE(summary.has_value());
  return {encoder->take_output(), *std::move(summary)};
}

class VerificationTest : public ::testing::Test {
 protected:
  static constexpr Date kThursday = sys_days{2024y / 1 / 4};
  static constexpr Date kFriday = sys_days{2024y / 1 / 5};

  static ObjectKey key_of(Date day) { return object_key(request_of(day), day); }

  // A day's object in the lake, recorded as it is.
  void write(Date day) {
    auto file = file_of(day);
    world_.jobs.knows({.key = key_of(day),
                       .size_bytes = file.summary.size_bytes,
                       .rows = file.summary.rows,
                       .sha256 = file.summary.sha256,
                       .covers_through = day,
                       .schema_version = kSchemaVersion});
    world_.lake.put(key_of(day), std::move(file.bytes));
  }
  void put(Date day, Bytes bytes) { world_.lake.put(key_of(day), std::move(bytes)); }

  std::vector<VerifyLine> lines(Verification::Options options = {}, std::stop_token stop = {}) {
    Verification verification({world_.runtime, world_.jobs, world_.lake}, std::move(options),
                              std::move(stop));
    std::vector<VerifyLine> all;
    while (true) {
      auto line = world_.get(verification.next());
      if (!line) {
        failure_ = line.error();
        return all;
      }
      if (!*line) return all;
      all.push_back(**std::move(line));
    }
  }
  // "torn historical-stock/…", and the counts at the end.
  std::vector<std::string> told(Verification::Options options = {}) {
    std::vector<std::string> all;
    for (const auto& line : lines(std::move(options))) {
      if (const auto* difference = std::get_if<Difference>(&line)) {
        all.push_back(std::string(to_text(difference->verdict)) + " " + difference->key);
        details_.push_back(difference->detail);
      }
      if (const auto* end = std::get_if<VerifyEnd>(&line)) end_ = *end;
    }
    return all;
  }
  Verification::Options repairing() {
    return {.repair = [this](Submission submission) { return repair(std::move(submission)); }};
  }
  Task<Result<std::string>> repair(Submission submission) {
    if (refuses_) co_return fail(ErrorCode::internal, "the queue is full");
    repairs_.push_back(std::move(submission));
    co_return "job-" + std::to_string(repairs_.size());
  }

  testing::LakeWorld world_;
  std::vector<std::string> details_;
  VerifyEnd end_;
  std::optional<Error> failure_;
  std::vector<Submission> repairs_;
  bool refuses_ = false;
};

std::string named(std::string_view verdict, Date day) {
  return std::string(verdict) + " " + object_key(request_of(day), day).text();
}

TEST_F(VerificationTest, OfASoundLakeItTellsOnlyHowMuchItRead) {
  write(kThursday);
  write(kFriday);
  EXPECT_THAT(told(), IsEmpty());
  EXPECT_EQ(end_.checked, 2U);
  EXPECT_EQ(end_.sound, 2U);
  EXPECT_THAT(end_.repair_jobs, IsEmpty());
}

TEST_F(VerificationTest, NamesWhatIsRecordedAndNotThere) {
  write(kThursday);
  world_.lake.erase(key_of(kThursday));
  EXPECT_THAT(told(), ElementsAre(named("missing", kThursday)));
  EXPECT_EQ(end_.checked, 1U);
  EXPECT_EQ(end_.sound, 0U);
  EXPECT_EQ(end_.differences.of(Verdict::missing), 1U);
}

TEST_F(VerificationTest, WhereThereIsNoDataNothingIsMissing) {
  world_.jobs.knows({.key = key_of(kThursday),
                     .what = ObjectRecord::What::no_data,
                     .sha256 = "",
                     .reason = "no_data"});
  EXPECT_THAT(told(), IsEmpty());
  EXPECT_EQ(end_.checked, 0U);
}

TEST_F(VerificationTest, ATruncatedFileIsTorn) {
  write(kThursday);
  auto bytes = file_of(kThursday).bytes;
  bytes.resize(bytes.size() / 2);
  put(kThursday, std::move(bytes));
  EXPECT_THAT(told(), ElementsAre(named("torn", kThursday)));
}

TEST_F(VerificationTest, EveryFlippedByteIsFound) {
  write(kThursday);
  const auto whole = file_of(kThursday).bytes;
  for (std::size_t at = 0; at < whole.size(); at += 1 + whole.size() / 64) {
    auto bytes = whole;
    bytes[at] ^= std::byte{1};
    put(kThursday, std::move(bytes));
    const auto found = told();
    ASSERT_EQ(found.size(), 1U) << at;
  }
}

TEST_F(VerificationTest, AFileOfTheOtherFormatIsTorn) {
  write(kThursday);
  auto request = request_of(kThursday);
  request.format = FileFormat::ipc;
  world_.lake.put(object_key(request, kThursday), file_of(kThursday).bytes);
  const auto found = told();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_THAT(found[0], ::testing::StartsWith("torn"));
  EXPECT_EQ(details_[0], "it is a file of format parquet, not ipc");
}

TEST_F(VerificationTest, ASoundFileOfOtherValuesIsChanged) {
  write(kThursday);
  put(kThursday, file_of(kThursday, "10.75").bytes);
  EXPECT_THAT(told(), ElementsAre(named("changed", kThursday)));
}

TEST_F(VerificationTest, AFileFromAnotherKeyIsForeign) {
  write(kThursday);
  put(kThursday, file_of(kFriday).bytes);
  EXPECT_THAT(told(), ElementsAre(named("foreign", kThursday)));
  EXPECT_THAT(details_[0], HasSubstr(key_of(kFriday).text()));
}

TEST_F(VerificationTest, WhatNobodyRecordedIsUnknownOnceAndThenKnown) {
  put(kThursday, file_of(kThursday).bytes);
  EXPECT_THAT(told(), ElementsAre(named("unknown", kThursday)));
  ASSERT_EQ(world_.jobs.recorded.size(), 1U);
  const auto& adopted = world_.jobs.recorded[0];
  EXPECT_EQ(adopted.what, ObjectRecord::What::adopted);
  EXPECT_EQ(adopted.rows, 1U);
  EXPECT_EQ(adopted.sha256, file_of(kThursday).summary.sha256);
  EXPECT_EQ(adopted.covers_through, kThursday);
  EXPECT_EQ(adopted.schema_version, kSchemaVersion);
  EXPECT_THAT(told(), IsEmpty());
}

TEST_F(VerificationTest, WhatNobodyRecordedAndIsNotInOrderIsNotTakenUp) {
  put(kThursday, Bytes(10));
  put(kFriday, file_of(kThursday).bytes);
  EXPECT_THAT(told(), ElementsAre(named("torn", kThursday), named("foreign", kFriday)));
  EXPECT_THAT(world_.jobs.recorded, IsEmpty());
}

TEST_F(VerificationTest, WhatIsNoneOfOursIsLeftAlone) {
  world_.put("manifests/0194f3a2.json", "{}");
  world_.put("notes.txt");
  EXPECT_THAT(told(), IsEmpty());
  EXPECT_EQ(end_.checked, 0U);
}

TEST_F(VerificationTest, OnlyWhatBeginsWithThePrefixIsRead) {
  write(kThursday);
  write(kFriday);
  world_.lake.erase(key_of(kThursday));
  world_.lake.erase(key_of(kFriday));
  EXPECT_THAT(told({.prefix = "historical-stock/ohlc/1m/AAA/2024/01/05"}),
              ElementsAre(named("missing", kFriday)));
  EXPECT_THAT(told({.prefix = "earnings/"}), IsEmpty());
}

TEST_F(VerificationTest, WhatAJobWritesMeanwhileIsNoDifference) {
  write(kThursday);
  put(kThursday, Bytes(10));
  bool is_done = false;
  world_.lake.set_hook([&](sinks::MemoryStore::Step step, const ObjectKey&) {
    if (step == sinks::MemoryStore::Step::stat && !std::exchange(is_done, true)) write(kThursday);
    return sinks::MemoryStore::Fate{};
  });
  EXPECT_THAT(told(), IsEmpty());
  EXPECT_EQ(end_.sound, 1U);
  // And one that is taken away while it is read is missing.
  is_done = false;
  world_.lake.set_hook([&](sinks::MemoryStore::Step step, const ObjectKey&) {
    if (step == sinks::MemoryStore::Step::read && !std::exchange(is_done, true))
      world_.lake.erase(key_of(kThursday));
    return sinks::MemoryStore::Fate{};
  });
  EXPECT_THAT(told(), ElementsAre(named("missing", kThursday)));
}

TEST_F(VerificationTest, RepairsByOneJobASeries) {
  write(kThursday);
  write(kFriday);
  world_.lake.erase(key_of(kThursday));
  put(kFriday, Bytes(10));
  put(sys_days{2024y / 1 / 8}, file_of(sys_days{2024y / 1 / 8}).bytes);  // unknown: nothing to do
  auto other = request_of(kThursday);
  other.root = *Symbol::parse("BBB");
  world_.lake.put(object_key(other, kThursday), file_of(kThursday).bytes);
  EXPECT_EQ(told(repairing()).size(), 4U);
  ASSERT_EQ(repairs_.size(), 2U);
  const auto& first = repairs_[0];
  EXPECT_EQ(first.requests.front().root.text(), "AAA");
  EXPECT_EQ(first.requests.front().existing, Existing::replace);
  EXPECT_EQ(first.requests.front().dates, (DateRange{kThursday, kFriday}));
  EXPECT_THAT(first.only,
              ElementsAre(DateRange{kThursday, kThursday}, DateRange{kFriday, kFriday}));
  EXPECT_EQ(repairs_[1].requests.front().root.text(), "BBB");
  EXPECT_THAT(end_.repair_jobs, ElementsAre("job-1", "job-2"));
}

TEST_F(VerificationTest, ARepairThatIsRefusedIsAFailureThatSaysSo) {
  write(kThursday);
  world_.lake.erase(key_of(kThursday));
  refuses_ = true;
  const auto all = lines(repairing());
  ASSERT_EQ(all.size(), 2U);
  ASSERT_TRUE(std::holds_alternative<VerifyFailure>(all[1]));
  EXPECT_THAT(std::get<VerifyFailure>(all[1]).error, HasSubstr("the queue is full"));
}

TEST_F(VerificationTest, AFaultOfTheLakeIsTheLastLine) {
  write(kThursday);
  world_.lake.set_hook([](sinks::MemoryStore::Step step, const ObjectKey&) {
    sinks::MemoryStore::Fate fate;
    if (step == sinks::MemoryStore::Step::read)
      fate.failure = Error{ErrorCode::storage_failed, "no answer", {}};
    return fate;
  });
  const auto all = lines();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(std::get<VerifyFailure>(all[0]).error, "no answer");
}

TEST_F(VerificationTest, StopsWhenItIsAskedTo) {
  write(kThursday);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THAT(lines({}, stop.get_token()), IsEmpty());
  EXPECT_EQ(failure_->code, ErrorCode::cancelled);
}

TEST_F(VerificationTest, SaysNowAndThenHowFarItIs) {
  write(kThursday);
  write(kFriday);
  world_.lake.set_hook([](sinks::MemoryStore::Step step, const ObjectKey&) {
    return sinks::MemoryStore::Fate{.delay = step == sinks::MemoryStore::Step::read ? 4s : 0s,
                                    .failure = {}};
  });
  const auto all = lines();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(std::get<VerifyProgress>(all[0]).checked, 2U);
}

TEST_F(VerificationTest, SaysWhenItIsDropped) {
  int ended = 0;
  (void)lines({.ended = [&] { ++ended; }});
  EXPECT_EQ(ended, 1);
}

}  // namespace
}  // namespace betedge::engine
