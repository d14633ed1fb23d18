#include "support/counted_metrics.hpp"

#include <limits>
#include <sstream>
#include <stdexcept>

namespace betedge::testing {

CountedMetrics::Key CountedMetrics::key_of(Metric metric, LabelValues labels) {
  return {metric, {labels.begin(), labels.end()}};
}

CountedMetrics::Series& CountedMetrics::series(MetricKind kind, Metric metric, LabelValues labels) {
  const auto& spec = spec_of(metric);
  if (spec.kind != kind || spec.labels.size() != labels.size())
    throw std::logic_error(std::string(spec.name) + " is asked for as what it is not");
  auto& known = series_[key_of(metric, labels)];
  if (!known) known = std::make_unique<Series>();
  return *known;
}

Counter& CountedMetrics::counter(Metric metric, LabelValues labels) {
  return series(MetricKind::counter, metric, labels);
}
Gauge& CountedMetrics::gauge(Metric metric, LabelValues labels) {
  return series(MetricKind::gauge, metric, labels);
}
Histogram& CountedMetrics::histogram(Metric metric, LabelValues labels) {
  return series(MetricKind::histogram, metric, labels);
}
void CountedMetrics::when_scraped(Metric metric, LabelValues labels, std::function<double()> read) {
  series(MetricKind::gauge, metric, labels).read = std::move(read);
}

Task<std::string> CountedMetrics::scrape() {
  std::ostringstream text;
  for (const auto& [key, one] : series_) {
    text << spec_of(key.first).name << '{';
    for (std::size_t i = 0; i < key.second.size(); ++i) text << (i > 0 ? "," : "") << key.second[i];
    text << "} " << (one->read ? one->read() : one->value) << '\n';
  }
  co_return text.str();
}

const CountedMetrics::Series* CountedMetrics::find(Metric metric, LabelValues labels) const {
  const auto found = series_.find(key_of(metric, labels));
  return found == series_.end() ? nullptr : found->second.get();
}

double CountedMetrics::value(Metric metric, LabelValues labels) const {
  const auto* one = find(metric, labels);
  if (one == nullptr) return std::numeric_limits<double>::quiet_NaN();
  return one->read ? one->read() : one->value;
}

double CountedMetrics::sum(Metric metric, LabelValues labels) const {
  const auto* one = find(metric, labels);
  return one == nullptr ? std::numeric_limits<double>::quiet_NaN() : one->sum;
}

}  // namespace betedge::testing
