#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "betedge/ports/metrics.hpp"

namespace betedge::testing {

// Metrics that a test can ask. Loop thread only.
class CountedMetrics final : public Metrics {
 public:
  Counter& counter(Metric metric, LabelValues labels) override;
  Gauge& gauge(Metric metric, LabelValues labels) override;
  Histogram& histogram(Metric metric, LabelValues labels) override;
  void when_scraped(Metric metric, LabelValues labels, std::function<double()> read) override;
  // What is looked up at scrapes is looked up; one line a series, "name{a,b} 1".
  Task<std::string> scrape() override;

  // A counter's or a gauge's value, or how often a histogram was told something; what is looked up
  // at scrapes is looked up now. NaN for a series that nobody asked for.
  double value(Metric metric, LabelValues labels = {}) const;
  // The sum of what a histogram was told.
  double sum(Metric metric, LabelValues labels = {}) const;

 private:
  using Key = std::pair<Metric, std::vector<std::string>>;
  struct Series final : Counter, Gauge, Histogram {
    void add(double amount) override { value += amount; }
    void set(double to) override { value = to; }
    void observe(double observed) override {
      value += 1;
      sum += observed;
    }
    double value = 0;
    double sum = 0;
    std::function<double()> read;
  };
  static Key key_of(Metric metric, LabelValues labels);
  Series& series(MetricKind kind, Metric metric, LabelValues labels);
  const Series* find(Metric metric, LabelValues labels) const;

  std::map<Key, std::unique_ptr<Series>> series_;
};

}  // namespace betedge::testing
