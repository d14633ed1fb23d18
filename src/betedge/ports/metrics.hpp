#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "betedge/ports/task.hpp"

namespace betedge::ports {

// Every metric there is. Its place in the table (all_metrics) is its number.
enum class Metric : std::uint8_t {
  http_request_seconds,
  http_active_requests,
  http_refused_requests,
  sync_requests,
  event_watchers,
  jobs,
  jobs_unfinished,
  job_standstill_seconds,
  items,
  items_inflight,
  items_ready,
  oldest_ready_item_seconds,
  item_queue_seconds,
  item_run_seconds,
  item_retries,
  lease_lost,
  items_rescued,
  sessions_missing,
  underlying_missing,
  rule_rows,
  rows,
  bytes,
  upstream_request_seconds,
  upstream_slots,
  upstream_circuit_state,
  upstream_circuit_opened,
  storage_put_seconds,
  storage_free_bytes,
  storage_size_bytes,
  store_commit_seconds,
  store_commit_operations,
  memory_bytes,
  memory_budget_bytes,
  config_last_reload_successful,
  failed_logins,
  build_info,
  process_cpu_seconds,
  process_resident_memory_bytes,
  process_virtual_memory_bytes,
  process_open_fds,
  process_max_fds,
  process_start_time_seconds,
};

enum class MetricKind : std::uint8_t { counter, gauge, histogram };

// What a metric is, for the scrape, the documents and the dashboard, which are checked against it.
struct MetricSpec {
  Metric metric;
  std::string_view name;  // with its unit, as Prometheus wants names
  MetricKind kind;
  std::vector<std::string_view> labels;  // each of few values: no job ids, no symbols
  std::string_view help;
  std::vector<double> buckets{};  // of a histogram: upper bounds, growing
};

std::span<const MetricSpec> all_metrics();
const MetricSpec& spec_of(Metric metric);

// What counts, resolved once and then cheap; from any thread, as long as the Metrics it is from.
class Counter {
 public:
  virtual ~Counter() = default;
  virtual void add(double amount = 1) = 0;  // not negative
};
class Gauge {
 public:
  virtual ~Gauge() = default;
  virtual void add(double amount) = 0;
  virtual void set(double value) = 0;
};
class Histogram {
 public:
  virtual ~Histogram() = default;
  virtual void observe(double value) = 0;
};

// The values of a metric's labels, in the order of its spec; an empty one is as good as none.
using LabelValues = std::initializer_list<std::string_view>;

// What the program counts, for whoever scrapes it. One is asked for a series by its metric and the
// values of its labels: the same gives the same, and a series is there from the first time that it
// is asked for, at zero (a rise from nothing is none, to Prometheus: who counts failures asks for
// them beforehand). A metric of another kind, or another number of labels, is a broken invariant
// and throws std::logic_error.
class Metrics {
 public:
  virtual ~Metrics() = default;

  // From any thread.
  virtual Counter& counter(Metric metric, LabelValues labels = {}) = 0;
  virtual Gauge& gauge(Metric metric, LabelValues labels = {}) = 0;
  virtual Histogram& histogram(Metric metric, LabelValues labels = {}) = 0;

  // A gauge whose value is looked up when it is scraped, on the loop's thread. What it reads must
  // live until the last scrape.
  virtual void when_scraped(Metric metric, LabelValues labels, std::function<double()> read) = 0;

  // All series in Prometheus' text format 0.0.4.
  virtual Task<std::string> scrape() = 0;
};

// Counts nothing: for tests, and for who is not asked.
Metrics& no_metrics();

// Why an item ended as it did, beside its outcome: "none" when there is nothing to say;
// "incomplete" for one that succeeded with something missing inside (its note says what); for a
// failed one the error's code, or "crashes" when it was given up because whoever ran it kept dying.
inline constexpr std::string_view kNoReason = "none";
inline constexpr std::string_view kIncomplete = "incomplete";
inline constexpr std::string_view kCrashes = "crashes";

}  // namespace betedge::ports
