#include "betedge/app/metered.hpp"

#include <gtest/gtest.h>

#include <deque>

#include "betedge/ports/async.hpp"
#include "betedge/sinks/memory_store.hpp"
#include "support/counted_metrics.hpp"
#include "support/virtual_runtime.hpp"

namespace betedge::app {
namespace {

using namespace std::chrono_literals;

Bytes bytes_of(std::string_view text) {
  const auto view = as_bytes(text);
  return {view.begin(), view.end()};
}

// An answer of two chunks, a second apart, and then whatever the test says.
class SlowAnswer final : public Answer {
 public:
  SlowAnswer(Runtime& runtime, std::optional<Error> end)
      : runtime_(runtime), end_(std::move(end)) {}
  WireFormat format() const override { return WireFormat::v3_csv; }
  Task<Result<std::optional<Chunk>>> next() override {
    (void)co_await sleep_for(runtime_, 1s);
    if (++asked_ <= 2) co_return Chunk{bytes_of("12345"), asked_ == 1};
    if (end_) co_return std::unexpected(*end_);
    co_return std::nullopt;
  }

 private:
  Runtime& runtime_;
  std::optional<Error> end_;
  int asked_ = 0;
};

class SlowSource final : public Source {
 public:
  explicit SlowSource(Runtime& runtime) : runtime_(runtime) {}
  Task<Result<std::optional<std::unique_ptr<Answer>>>> open(Call, std::stop_token) override {
    (void)co_await sleep_for(runtime_, 1s);
    if (refuses) co_return std::unexpected(*refuses);
    if (is_empty) co_return std::nullopt;
    co_return std::make_unique<SlowAnswer>(runtime_, ends_with);
  }
  std::optional<std::string> refusal(const Call&) const override { return "not on Sundays"; }
  bool takes_spans(const Call& call) const override { return call.schema == Schema::eod; }
  Task<Result<std::optional<std::vector<Date>>>> expirations(Call call, std::stop_token) override {
    if (refuses) co_return std::unexpected(*refuses);
    co_return std::vector{call.dates.last};
  }
  std::string version() const override { return "v9"; }
  Task<Result<void>> probe(std::stop_token) override {
    if (refuses) co_return std::unexpected(*refuses);
    co_return Result<void>{};
  }
  std::optional<Error> refuses;
  std::optional<Error> ends_with;
  bool is_empty = false;

 private:
  Runtime& runtime_;
};

class MeteredSourceTest : public ::testing::Test {
 protected:
  static Call call() {
    return {.kind = Kind::option,
            .schema = Schema::quote,
            .root = *Symbol::parse("AAPL"),
            .dates = {*parse_yyyymmdd("20240104"), *parse_yyyymmdd("20240104")}};
  }
  // Opens, and reads so many times.
  Task<void> read(int times) {
    auto opened = co_await metered_->open(call(), {});
    if (!opened || !*opened) co_return;
    for (int i = 0; i < times; ++i) {
      const auto next = co_await (**opened)->next();
      if (!next || !*next) co_return;
    }
  }
  Task<void> probe() { (void)co_await metered_->probe({}); }
  Task<void> list(std::size_t& expirations) {
    const auto listed = co_await metered_->expirations(call(), {});
    expirations = listed && *listed ? (*listed)->size() : 0;
  }
  double seen(std::string_view outcome, std::string_view endpoint = "option_quote") const {
    return metrics_.value(Metric::upstream_request_seconds, {"thetadata", endpoint, outcome});
  }
  double seconds(std::string_view outcome) const {
    return metrics_.sum(Metric::upstream_request_seconds, {"thetadata", "option_quote", outcome});
  }

  testing::VirtualRuntime runtime_{5};
  testing::CountedMetrics metrics_;
  SlowSource source_{runtime_};
  std::unique_ptr<Source> metered_ = make_metered_source(source_, runtime_, metrics_, "thetadata");
};

TEST_F(MeteredSourceTest, ACallTakesUntilItsLastByteAndCountsItsBytes) {
  runtime_.run(read(9));
  EXPECT_EQ(seen("ok"), 1);
  EXPECT_NEAR(seconds("ok"), 4.0, 0.2);
  EXPECT_EQ(metrics_.value(Metric::bytes, {"downloaded"}), 10);
}

TEST_F(MeteredSourceTest, NoDataAndErrorsAreOutcomesOfTheirOwn) {
  source_.is_empty = true;
  runtime_.run(read(1));
  EXPECT_EQ(seen("no_data"), 1);
  source_.refuses = Error{ErrorCode::upstream_throttled, "429", {}};
  runtime_.run(read(1));
  runtime_.run(probe());
  EXPECT_EQ(seen("upstream_throttled"), 1);
  EXPECT_EQ(seen("upstream_throttled", "probe"), 1);
  source_.refuses.reset();
  source_.is_empty = false;
  source_.ends_with = Error{ErrorCode::upstream_failed, "reset", {}};
  runtime_.run(read(9));
  EXPECT_EQ(seen("upstream_failed"), 1);
  EXPECT_NEAR(seconds("upstream_failed"), 4.0, 0.2);
  EXPECT_EQ(metered_->refusal(call()), "not on Sundays");
}

TEST_F(MeteredSourceTest, ACallThatIsDroppedIsCountedAsCancelled) {
  runtime_.run(read(1));
  EXPECT_EQ(seen("cancelled"), 1);
  EXPECT_NEAR(seconds("cancelled"), 2.0, 0.2);
}

TEST_F(MeteredSourceTest, WhatTheSourceCanAndKnowsIsAskedOfItself) {
  auto eod = call();
  eod.schema = Schema::eod;
  EXPECT_TRUE(metered_->takes_spans(eod));
  EXPECT_FALSE(metered_->takes_spans(call()));
  EXPECT_EQ(metered_->version(), "v9");
  std::size_t expirations = 0;
  runtime_.run(list(expirations));
  EXPECT_EQ(expirations, 1);
  EXPECT_EQ(seen("ok", "expirations"), 1);
  source_.refuses = Error{ErrorCode::upstream_throttled, "429", {}};
  runtime_.run(list(expirations));
  EXPECT_EQ(expirations, 0);
  EXPECT_EQ(seen("upstream_throttled", "expirations"), 1);
}

class MeteredLakeTest : public ::testing::Test {
 protected:
  MeteredLakeTest() {
    auto lake = std::make_unique<sinks::MemoryStore>(runtime_);
    memory_ = lake.get();
    lake_ = make_metered_lake(std::move(lake), runtime_, metrics_, "folder");
  }
  static ObjectKey key() { return *ObjectKey::parse("earnings/2024/01/data.parquet"); }
  Task<void> put(bool commits) {
    auto writer = co_await lake_->create(key());
    if (!writer) co_return;
    (void)co_await (*writer)->write(bytes_of("12345"));
    (void)co_await sleep_for(runtime_, 1h);  // the download's time, not the lake's
    (void)co_await (*writer)->write(bytes_of("678"));
    if (commits) (void)co_await (*writer)->commit();
  }
  Task<void> read_back(std::string& text) {
    const auto found = co_await lake_->stat(key());
    if (!found || !*found) co_return;
    const auto bytes = co_await lake_->read(key(), 0, (*found)->size_bytes);
    text = as_text(*bytes);
  }
  double puts(std::string_view outcome) const {
    return metrics_.value(Metric::storage_put_seconds, {"folder", outcome});
  }
  void fail_at(sinks::MemoryStore::Step where, ErrorCode code) {
    memory_->set_hook([where, code](sinks::MemoryStore::Step step, const ObjectKey&) {
      sinks::MemoryStore::Fate fate;
      if (step == where) fate.failure = Error{code, "as told", {}};
      return fate;
    });
  }

  testing::VirtualRuntime runtime_{5};
  testing::CountedMetrics metrics_;
  sinks::MemoryStore* memory_ = nullptr;
  std::unique_ptr<ObjectStore> lake_;
};

TEST_F(MeteredLakeTest, APutIsCountedWithItsBytesAndTheLakesOwnTime) {
  EXPECT_EQ(puts("storage_full"), 0) << "there before the first failure";
  runtime_.run(put(true));
  EXPECT_EQ(puts("ok"), 1);
  EXPECT_LT(metrics_.sum(Metric::storage_put_seconds, {"folder", "ok"}), 60);
  EXPECT_EQ(metrics_.value(Metric::bytes, {"written"}), 8);
  std::string text;
  runtime_.run(read_back(text));
  EXPECT_EQ(text, "12345678");
  EXPECT_EQ(lake_->name(), memory_->name());
}

TEST_F(MeteredLakeTest, APutThatFailsIsCountedByItsErrorAndItsBytesAreNot) {
  fail_at(sinks::MemoryStore::Step::commit, ErrorCode::storage_full);
  runtime_.run(put(true));
  EXPECT_EQ(puts("storage_full"), 1);
  EXPECT_EQ(puts("ok"), 0);
  EXPECT_EQ(metrics_.value(Metric::bytes, {"written"}), 0);
}

TEST_F(MeteredLakeTest, APutThatIsDroppedHasPutNothing) {
  runtime_.run(put(false));
  EXPECT_EQ(puts("ok"), 0);
  EXPECT_EQ(metrics_.value(Metric::bytes, {"written"}), 0);
}

}  // namespace
}  // namespace betedge::app
