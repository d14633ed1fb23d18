#include "betedge/ports/metrics.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace betedge::ports {
namespace {

TEST(MetricTable, IsFoundByTheMetric) {
  for (const auto& spec : all_metrics()) EXPECT_EQ(spec_of(spec.metric).name, spec.name);
}

TEST(MetricTable, KeepsPrometheusRulesOfNaming) {
  std::set<std::string_view> names;
  for (const auto& spec : all_metrics()) {
    SCOPED_TRACE(spec.name);
    EXPECT_TRUE(names.insert(spec.name).second);
    EXPECT_EQ(spec.name.ends_with("_total"), spec.kind == MetricKind::counter);
    EXPECT_TRUE(spec.name.starts_with("betedge_") || spec.name.starts_with("http_server_") ||
                spec.name.starts_with("process_"));
    EXPECT_FALSE(spec.help.empty());
    EXPECT_FALSE(spec.help.ends_with("."));
    for (const auto label : spec.labels) {
      EXPECT_NE(label, "job") << "Prometheus sets it itself";
      EXPECT_NE(label, "le");
    }
  }
}

TEST(MetricTable, HasBucketsThatGrowForHistogramsOnly) {
  for (const auto& spec : all_metrics()) {
    SCOPED_TRACE(spec.name);
    EXPECT_EQ(spec.buckets.empty(), spec.kind != MetricKind::histogram);
    EXPECT_TRUE(std::ranges::is_sorted(spec.buckets, std::less_equal<>{}));
  }
}

TEST(NoMetricsTest, TakeEverything) {
  no_metrics().counter(Metric::rows, {"stock_eod"}).add(3);
  no_metrics().gauge(Metric::items_inflight).add(1);
  no_metrics().histogram(Metric::item_queue_seconds).observe(1);
  bool was_read = false;
  no_metrics().when_scraped(Metric::items_ready, {}, [&was_read] {
    was_read = true;
    return 1.0;
  });
  EXPECT_FALSE(was_read);
}

}  // namespace
}  // namespace betedge::ports
