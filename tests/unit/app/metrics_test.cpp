#include "betedge/app/metrics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <sstream>
#include <stdexcept>
#include <thread>

#include "support/virtual_runtime.hpp"

namespace betedge::app {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class MetricsTest : public ::testing::Test {
 protected:
  std::string scrape() {
    std::string text;
    runtime_.run(scrape_into(text));
    return text;
  }
  // The value behind a series' name and labels as they are written; NaN when it is not there.
  double value(const std::string& series) {
    std::istringstream text(scrape());
    for (std::string line; std::getline(text, line);)
      if (line.starts_with(series + " ")) return std::stod(line.substr(series.size() + 1));
    return std::numeric_limits<double>::quiet_NaN();
  }

  testing::VirtualRuntime runtime_{3};
  std::unique_ptr<Metrics> metrics_ =
      make_metrics(runtime_, "9.8.7", {{"lake", "."}, {"store", "/nowhere/at/all"}});

 private:
  Task<void> scrape_into(std::string& text) { text = co_await metrics_->scrape(); }
};

TEST_F(MetricsTest, TheSameSeriesIsTheSameCounter) {
  auto& first = metrics_->counter(Metric::rows, {"stock_eod"});
  EXPECT_EQ(&first, &metrics_->counter(Metric::rows, {"stock_eod"}));
  EXPECT_NE(&first, &metrics_->counter(Metric::rows, {"stock_quote"}));
  EXPECT_EQ(value(R"(betedge_rows_total{dataset="stock_quote"})"), 0) << "there, at zero";
  first.add();
  first.add(41);
  EXPECT_EQ(value(R"(betedge_rows_total{dataset="stock_eod"})"), 42);
}

TEST_F(MetricsTest, SeriesWithoutLabelsAreThereFromTheStart) {
  EXPECT_EQ(value("betedge_lease_lost_total"), 0);
  EXPECT_EQ(value("betedge_event_watchers"), 0);
  EXPECT_EQ(value("betedge_item_queue_seconds_count"), 0);
  EXPECT_EQ(value(R"(betedge_build_info{version="9.8.7"})"), 1);
}

TEST_F(MetricsTest, AHistogramCountsIntoTheBucketsOfItsSpec) {
  auto& seconds = metrics_->histogram(Metric::http_request_seconds, {"GET", "/jobs", "200", ""});
  seconds.observe(0.003);
  seconds.observe(0.02);
  seconds.observe(99);
  const auto text = scrape();
  EXPECT_THAT(text, HasSubstr("# TYPE http_server_request_duration_seconds histogram\n"));
  EXPECT_THAT(text, Not(HasSubstr("mode=\"\"")));
  constexpr auto kLabels =
      R"(http_request_method="GET",http_response_status_code="200",http_route="/jobs")";
  const auto bucket = [&](const std::string& bound) {
    return value("http_server_request_duration_seconds_bucket{" + std::string(kLabels) + ",le=\"" +
                 bound + "\"}");
  };
  EXPECT_EQ(bucket("0.005"), 1);
  EXPECT_EQ(bucket("0.025"), 2);
  EXPECT_EQ(bucket("10"), 2);
  EXPECT_EQ(bucket("+Inf"), 3);
}

TEST_F(MetricsTest, AGaugeIsLookedUpWhenItIsScraped) {
  double jobs = 2;
  metrics_->when_scraped(Metric::jobs_unfinished, {}, [&jobs] { return jobs; });
  EXPECT_EQ(value("betedge_jobs_unfinished"), 2);
  jobs = 0;
  EXPECT_EQ(value("betedge_jobs_unfinished"), 0);
}

TEST_F(MetricsTest, TellsOfTheProcessWhatTheSystemSays) {
  const auto resident = value("process_resident_memory_bytes");
  EXPECT_GT(resident, 1 << 20);
  EXPECT_LE(resident, value("process_virtual_memory_bytes"));
  EXPECT_GE(value("process_cpu_seconds_total"), 0);
  const auto files = value("process_open_fds");
  const int one_more = ::dup(0);
  EXPECT_EQ(value("process_open_fds"), files + 1);
  ::close(one_more);
  EXPECT_LE(files, value("process_max_fds"));
  EXPECT_GT(value("process_start_time_seconds"), 1'600'000'000);
  EXPECT_THAT(scrape(), HasSubstr("# TYPE process_cpu_seconds_total counter\n"));
}

TEST_F(MetricsTest, ADiskThatCannotBeReadIsMissingRatherThanWrong) {
  const auto size = value(R"(betedge_storage_size_bytes{place="lake"})");
  EXPECT_GT(size, 0);
  EXPECT_LE(value(R"(betedge_storage_free_bytes{place="lake"})"), size);
  EXPECT_THAT(scrape(), Not(HasSubstr("place=\"store\"")));
}

TEST_F(MetricsTest, AskedForAsWhatItIsNotItThrows) {
  EXPECT_THROW(metrics_->gauge(Metric::rows, {"stock_eod"}), std::logic_error);
  EXPECT_THROW(metrics_->counter(Metric::rows), std::logic_error);
}

TEST_F(MetricsTest, CountsFromSeveralThreadsAtOnce) {
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([this] {
        for (int n = 0; n < 10'000; ++n) {
          metrics_->counter(Metric::rows, {"stock_eod"}).add();
          metrics_->histogram(Metric::store_commit_operations).observe(1);
        }
      });
  }
  EXPECT_EQ(value(R"(betedge_rows_total{dataset="stock_eod"})"), 40'000);
  EXPECT_EQ(value("betedge_store_commit_operations_count"), 40'000);
}

}  // namespace
}  // namespace betedge::app
