#include "betedge/app/metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fmt/format.h>

#include <fstream>
#include <iterator>
#include <limits>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

namespace betedge::app {

namespace {

class CounterHandle final : public Counter {
 public:
  CounterHandle(prometheus::Family<prometheus::Counter>& family, const prometheus::Labels& labels)
      : counter_(family.Add(labels)) {}
  void add(double amount) override { counter_.Increment(amount); }

 private:
  prometheus::Counter& counter_;
};

class GaugeHandle final : public Gauge {
 public:
  GaugeHandle(prometheus::Family<prometheus::Gauge>& family, const prometheus::Labels& labels)
      : gauge_(family.Add(labels)) {}
  void add(double amount) override { gauge_.Increment(amount); }
  void set(double value) override { gauge_.Set(value); }

 private:
  prometheus::Gauge& gauge_;
};

class HistogramHandle final : public Histogram {
 public:
  HistogramHandle(prometheus::Family<prometheus::Histogram>& family,
                  const prometheus::Labels& labels, const std::vector<double>& buckets)
      : histogram_(family.Add(labels, buckets)) {}
  void observe(double value) override { histogram_.Observe(value); }

 private:
  prometheus::Histogram& histogram_;
};

// An empty value is no label: to Prometheus they are the same, and the text is shorter.
prometheus::Labels labels_of(const MetricSpec& spec, const std::vector<std::string>& values) {
  prometheus::Labels labels;
  for (std::size_t i = 0; i < values.size(); ++i)
    if (!values[i].empty()) labels.emplace(spec.labels[i], values[i]);
  return labels;
}

// --- What the system says, at a scrape -------------------------------------------------------

prometheus::MetricFamily single(Metric metric, double value) {
  const auto& spec = spec_of(metric);
  prometheus::MetricFamily family;
  family.name = spec.name;
  family.help = spec.help;
  prometheus::ClientMetric one;
  if (spec.kind == MetricKind::counter) {
    family.type = prometheus::MetricType::Counter;
    one.counter.value = value;
  } else {
    family.type = prometheus::MetricType::Gauge;
    one.gauge.value = value;
  }
  family.metric.push_back(std::move(one));
  return family;
}

// The fields of /proc/self/stat behind the program's name, which may hold anything; the first of
// them is the third of proc(5). Empty when it cannot be read.
std::vector<std::string> stat_fields() {
  std::ifstream file("/proc/self/stat");
  std::string text;
  std::getline(file, text);
  const auto end = text.rfind(')');
  if (end == std::string::npos) return {};
  std::vector<std::string> fields;
  std::size_t at = end + 1;
  while ((at = text.find_first_not_of(' ', at)) != std::string::npos) {
    const auto stop = std::min(text.find(' ', at), text.size());
    fields.push_back(text.substr(at, stop - at));
    at = stop;
  }
  return fields;
}

std::optional<double> boot_time() {
  std::ifstream file("/proc/stat");
  std::string word;
  while (file >> word) {
    double value = 0;
    if (word == "btime" && file >> value) return value;
    file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  return std::nullopt;
}

std::optional<double> open_files() {
  std::error_code error;
  const auto folder = std::filesystem::directory_iterator("/proc/self/fd", error);
  if (error) return std::nullopt;
  // Less the one that looks.
  return static_cast<double>(std::distance(begin(folder), end(folder)) - 1);
}

void add_process(std::vector<prometheus::MetricFamily>& families) {
  // Of proc(5), fields 14, 15, 22, 23 and 24: utime, stime, starttime, vsize, rss.
  constexpr std::size_t kUser = 11;
  constexpr std::size_t kSystem = 12;
  constexpr std::size_t kStart = 19;
  constexpr std::size_t kVirtual = 20;
  constexpr std::size_t kResident = 21;
  if (const auto stat = stat_fields(); stat.size() > kResident) {
    const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
    const auto page = static_cast<double>(::sysconf(_SC_PAGESIZE));
    families.push_back(single(Metric::process_cpu_seconds,
                              (std::stod(stat[kUser]) + std::stod(stat[kSystem])) / ticks));
    families.push_back(
        single(Metric::process_resident_memory_bytes, std::stod(stat[kResident]) * page));
    families.push_back(single(Metric::process_virtual_memory_bytes, std::stod(stat[kVirtual])));
    if (const auto boot = boot_time())
      families.push_back(
          single(Metric::process_start_time_seconds, *boot + std::stod(stat[kStart]) / ticks));
  }
  if (const auto open = open_files()) families.push_back(single(Metric::process_open_fds, *open));
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
    families.push_back(single(Metric::process_max_fds, static_cast<double>(limit.rlim_cur)));
}

void add_disks(std::vector<prometheus::MetricFamily>& families,
               const std::map<std::string, std::filesystem::path>& disks) {
  auto free = single(Metric::storage_free_bytes, 0);
  auto size = single(Metric::storage_size_bytes, 0);
  free.metric.clear();
  size.metric.clear();
  for (const auto& [place, path] : disks) {
    std::error_code error;
    const auto space = std::filesystem::space(path, error);
    if (error) continue;
    prometheus::ClientMetric one;
    one.label.push_back({std::string(spec_of(Metric::storage_free_bytes).labels.front()), place});
    one.gauge.value = static_cast<double>(space.available);
    free.metric.push_back(one);
    one.gauge.value = static_cast<double>(space.capacity);
    size.metric.push_back(std::move(one));
  }
  if (free.metric.empty()) return;
  families.push_back(std::move(free));
  families.push_back(std::move(size));
}

class PrometheusMetrics final : public Metrics {
 public:
  PrometheusMetrics(Runtime& runtime, std::map<std::string, std::filesystem::path> disks)
      : runtime_(runtime), disks_(std::move(disks)) {}

  Counter& counter(Metric metric, LabelValues labels) override {
    return series(counters_, MetricKind::counter, metric, labels,
                  [this](const MetricSpec& spec, const prometheus::Labels& values) {
                    auto& family = prometheus::BuildCounter()
                                       .Name(std::string(spec.name))
                                       .Help(std::string(spec.help))
                                       .Register(registry_);
                    return std::make_unique<CounterHandle>(family, values);
                  });
  }

  Gauge& gauge(Metric metric, LabelValues labels) override {
    return series(gauges_, MetricKind::gauge, metric, labels,
                  [this](const MetricSpec& spec, const prometheus::Labels& values) {
                    auto& family = prometheus::BuildGauge()
                                       .Name(std::string(spec.name))
                                       .Help(std::string(spec.help))
                                       .Register(registry_);
                    return std::make_unique<GaugeHandle>(family, values);
                  });
  }

  Histogram& histogram(Metric metric, LabelValues labels) override {
    return series(histograms_, MetricKind::histogram, metric, labels,
                  [this](const MetricSpec& spec, const prometheus::Labels& values) {
                    auto& family = prometheus::BuildHistogram()
                                       .Name(std::string(spec.name))
                                       .Help(std::string(spec.help))
                                       .Register(registry_);
                    return std::make_unique<HistogramHandle>(family, values, spec.buckets);
                  });
  }

  void when_scraped(Metric metric, LabelValues labels, std::function<double()> read) override {
    auto& series = gauge(metric, labels);
    readings_.emplace_back(series, std::move(read));
  }

  Task<std::string> scrape() override {
    for (const auto& [gauge, read] : readings_) gauge.set(read());
    auto write = [this] {
      auto families = registry_.Collect();
      add_process(families);
      add_disks(families, disks_);
      return prometheus::TextSerializer().Serialize(families);
    };
    co_return co_await run_blocking(runtime_, Pool::io, std::move(write));
  }

 private:
  using Key = std::pair<Metric, std::vector<std::string>>;
  template <class Handle>
  using Series = std::map<Key, std::unique_ptr<Handle>>;

  template <class Handle, class Make>
  Handle& series(Series<Handle>& known, MetricKind kind, Metric metric, LabelValues labels,
                 const Make& make) {
    const auto& spec = spec_of(metric);
    if (spec.kind != kind || spec.labels.size() != labels.size())
      throw std::logic_error(
          fmt::format("the metric {} is asked for as what it is not", spec.name));
    Key key(metric, {labels.begin(), labels.end()});
    const std::scoped_lock lock(mutex_);
    auto& handle = known[key];
    if (!handle) handle = make(spec, labels_of(spec, key.second));
    return *handle;
  }

  Runtime& runtime_;
  std::map<std::string, std::filesystem::path> disks_;
  prometheus::Registry registry_;
  std::mutex mutex_;  // of the three maps
  Series<Counter> counters_;
  Series<Gauge> gauges_;
  Series<Histogram> histograms_;
  std::vector<std::pair<Gauge&, std::function<double()>>> readings_;  // of the loop's thread
};

// Told by the system, at the scrape.
bool is_the_systems(Metric metric) {
  return metric >= Metric::process_cpu_seconds;
}

}  // namespace

std::unique_ptr<Metrics> make_metrics(Runtime& runtime, std::string version,
                                      std::map<std::string, std::filesystem::path> disks) {
  auto metrics = std::make_unique<PrometheusMetrics>(runtime, std::move(disks));
  for (const auto& spec : all_metrics()) {
    if (!spec.labels.empty() || is_the_systems(spec.metric)) continue;
    switch (spec.kind) {
      case MetricKind::counter: metrics->counter(spec.metric, {}); break;
      case MetricKind::gauge: metrics->gauge(spec.metric, {}); break;
      case MetricKind::histogram: metrics->histogram(spec.metric, {}); break;
    }
  }
  metrics->gauge(Metric::build_info, {version}).set(1);
  return metrics;
}

}  // namespace betedge::app
