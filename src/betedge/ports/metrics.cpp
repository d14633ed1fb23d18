#include "betedge/ports/metrics.hpp"

namespace betedge::ports {

namespace {

using Kind = MetricKind;

// OpenTelemetry's for HTTP (semantic conventions 1.44, http.server.request.duration).
const std::vector<double> kRequestSeconds{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25,
                                          0.5,   0.75, 1,     2.5,  5,     7.5, 10};
// An upstream call takes from milliseconds to the minutes of a full-day chain.
const std::vector<double> kWorkSeconds{0.01, 0.05, 0.1, 0.25, 0.5, 1,   2.5,
                                       5,    10,   30,  60,   120, 300, 600};
// From a moment to a night.
const std::vector<double> kQueueSeconds{0.01, 0.1, 0.5,  1,    5,     15,    60,
                                        300,  900, 3600, 7200, 14400, 28800, 86400};
// An fsync of a log: a tenth of a millisecond on NVRAM, seconds on a disk in trouble.
const std::vector<double> kCommitSeconds{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                         0.05,   0.1,   0.25,   0.5,   1,    5};
const std::vector<double> kOperations{1, 2, 5, 10, 20, 50, 100, 200, 500};

const std::vector<MetricSpec>& table() {
  static const std::vector<MetricSpec> kTable{
      // HTTP
      {Metric::http_request_seconds,
       "http_server_request_duration_seconds",
       Kind::histogram,
       {"http_request_method", "http_route", "http_response_status_code", "mode"},
       "Time from a request's head to its answer; mode is sync or async on submits, else empty",
       kRequestSeconds},
      {Metric::http_active_requests,
       "http_server_active_requests",
       Kind::gauge,
       {},
       "Requests being answered now"},
      {Metric::http_refused_requests,
       "http_server_refused_requests_total",
       Kind::counter,
       {"http_response_status_code"},
       "Requests that never reached an endpoint: no HTTP, too large, too slow"},
      {Metric::sync_requests,
       "betedge_sync_requests_total",
       Kind::counter,
       {"endpoint"},
       "Submits answered synchronously; when it has stood still for long, sync.enabled may be "
       "false"},
      {Metric::event_watchers,
       "betedge_event_watchers",
       Kind::gauge,
       {},
       "Clients that watch events of jobs now"},

      // Jobs and items
      {Metric::jobs,
       "betedge_jobs_total",
       Kind::counter,
       {"dataset", "outcome"},
       "Jobs that ended: completed, completed_with_errors, failed, cancelled"},
      {Metric::jobs_unfinished,
       "betedge_jobs_unfinished",
       Kind::gauge,
       {},
       "Jobs that have not ended"},
      {Metric::job_standstill_seconds,
       "betedge_job_standstill_seconds",
       Kind::gauge,
       {},
       "How long the unfinished job that stands still longest has ended no item; 0 without one"},
      {Metric::items,
       "betedge_items_total",
       Kind::counter,
       {"dataset", "outcome", "reason"},
       "Items that ended: succeeded, skipped, no_data, failed, cancelled; reason is the failure's "
       "code, incomplete for a success with something missing inside, else none"},
      {Metric::items_inflight,
       "betedge_items_inflight",
       Kind::gauge,
       {},
       "Items being downloaded now"},
      {Metric::items_ready,
       "betedge_items_ready",
       Kind::gauge,
       {},
       "Items that wait to be downloaded"},
      {Metric::oldest_ready_item_seconds,
       "betedge_oldest_ready_item_age_seconds",
       Kind::gauge,
       {},
       "Age of the oldest job with items that wait; 0 without one"},
      {Metric::item_queue_seconds,
       "betedge_item_queue_seconds",
       Kind::histogram,
       {},
       "From the acceptance of an item's job to the claim of the item's first attempt",
       kQueueSeconds},
      {Metric::item_run_seconds,
       "betedge_item_run_seconds",
       Kind::histogram,
       {"dataset"},
       "From an item's claim to the end of that attempt, whatever it was",
       kWorkSeconds},
      {Metric::item_retries,
       "betedge_item_retries_total",
       Kind::counter,
       {"reason"},
       "Attempts that failed in passing, by the error's code; the item is tried again"},
      {Metric::lease_lost,
       "betedge_lease_lost_total",
       Kind::counter,
       {},
       "Attempts whose result was dropped since somebody else had the item"},
      {Metric::items_rescued,
       "betedge_items_rescued_total",
       Kind::counter,
       {},
       "Items taken back from a process that died or went silent"},
      {Metric::sessions_missing,
       "betedge_sessions_missing_total",
       Kind::counter,
       {"dataset"},
       "Sessions without any data inside published objects of several sessions"},
      {Metric::underlying_missing,
       "betedge_underlying_missing_total",
       Kind::counter,
       {"dataset"},
       "Published option objects without the underlying's rows"},
      {Metric::rule_rows,
       "betedge_rule_rows_total",
       Kind::counter,
       {"dataset", "rule"},
       "Rows in which a rule about the vendor's defects was met, dropped or kept as the rule says"},
      {Metric::rows,
       "betedge_rows_total",
       Kind::counter,
       {"dataset"},
       "Rows of items that succeeded"},
      {Metric::bytes,
       "betedge_bytes_total",
       Kind::counter,
       {"direction"},
       "Bytes downloaded from upstreams, and bytes of objects written to the lake"},

      // Upstream
      {Metric::upstream_request_seconds,
       "betedge_upstream_request_duration_seconds",
       Kind::histogram,
       {"upstream", "endpoint", "outcome"},
       "One upstream call, from asking for a slot to its last byte; outcome is ok, no_data or the "
       "error's code",
       kWorkSeconds},
      {Metric::upstream_slots,
       "betedge_upstream_slots",
       Kind::gauge,
       {"upstream", "state"},
       "Calls that the upstream may get at once (limit), may get just now after throttling and "
       "silence (allowed), has now (in_use), and that wait (waiting)"},
      {Metric::upstream_circuit_state,
       "betedge_upstream_circuit_state",
       Kind::gauge,
       {"upstream"},
       "0 while the upstream is called, 1 while it is gone and only probed"},
      {Metric::upstream_circuit_opened,
       "betedge_upstream_circuit_opened_total",
       Kind::counter,
       {"upstream"},
       "How often the upstream was found to be gone"},

      // Lake and store
      {Metric::storage_put_seconds,
       "betedge_storage_put_duration_seconds",
       Kind::histogram,
       {"backend", "outcome"},
       "Time that the lake took for one object, from its creation to its publication; outcome is "
       "ok "
       "or the error's code",
       kWorkSeconds},
      {Metric::storage_free_bytes,
       "betedge_storage_free_bytes",
       Kind::gauge,
       {"place"},
       "Free space where the lake, if a folder, and the store, if a file, are"},
      {Metric::storage_size_bytes,
       "betedge_storage_size_bytes",
       Kind::gauge,
       {"place"},
       "Size of the file systems where the lake and the store are"},
      {Metric::store_commit_seconds,
       "betedge_store_commit_seconds",
       Kind::histogram,
       {"outcome"},
       "One transaction of the job store, with all that came in the same moment",
       kCommitSeconds},
      {Metric::store_commit_operations,
       "betedge_store_commit_operations",
       Kind::histogram,
       {},
       "Calls of the job store that one transaction answered",
       kOperations},

      // Memory
      {Metric::memory_bytes,
       "betedge_memory_bytes",
       Kind::gauge,
       {"kind"},
       "Data in flight: download (received, not decoded yet), decode (columns in the making), "
       "encode (bytes of files on their way to the lake)"},
      {Metric::memory_budget_bytes,
       "betedge_memory_budget_bytes",
       Kind::gauge,
       {},
       "What data in flight may take; overdrawn by one item's working set at most"},

      // The process
      {Metric::config_last_reload_successful,
       "betedge_config_last_reload_successful",
       Kind::gauge,
       {},
       "1 while the last SIGHUP took up what it read, and from the start; 0 when settings, token "
       "file or certificate were refused and the old ones go on"},
      {Metric::failed_logins,
       "betedge_failed_logins_total",
       Kind::counter,
       {},
       "Logins at /login with a token that is nobody's"},
      {Metric::build_info, "betedge_build_info", Kind::gauge, {"version"}, "Always 1"},
      {Metric::process_cpu_seconds,
       "process_cpu_seconds_total",
       Kind::counter,
       {},
       "User and system CPU time"},
      {Metric::process_resident_memory_bytes,
       "process_resident_memory_bytes",
       Kind::gauge,
       {},
       "Resident memory"},
      {Metric::process_virtual_memory_bytes,
       "process_virtual_memory_bytes",
       Kind::gauge,
       {},
       "Virtual memory"},
      {Metric::process_open_fds, "process_open_fds", Kind::gauge, {}, "Open file descriptors"},
      {Metric::process_max_fds,
       "process_max_fds",
       Kind::gauge,
       {},
       "File descriptors that may be open"},
      {Metric::process_start_time_seconds,
       "process_start_time_seconds",
       Kind::gauge,
       {},
       "When the process started, in seconds since 1970"},
  };
  return kTable;
}

class NoMetrics final : public Metrics {
 public:
  Counter& counter(Metric, LabelValues) override { return counter_; }
  Gauge& gauge(Metric, LabelValues) override { return gauge_; }
  Histogram& histogram(Metric, LabelValues) override { return histogram_; }
  void when_scraped(Metric, LabelValues, std::function<double()>) override {}
  Task<std::string> scrape() override { co_return std::string(); }

 private:
  struct NoCounter final : Counter {
    void add(double) override {}
  };
  struct NoGauge final : Gauge {
    void add(double) override {}
    void set(double) override {}
  };
  struct NoHistogram final : Histogram {
    void observe(double) override {}
  };
  NoCounter counter_;
  NoGauge gauge_;
  NoHistogram histogram_;
};

}  // namespace

std::span<const MetricSpec> all_metrics() {
  return table();
}

const MetricSpec& spec_of(Metric metric) {
  return table().at(static_cast<std::size_t>(metric));
}

Metrics& no_metrics() {
  static NoMetrics none;
  return none;
}

}  // namespace betedge::ports
