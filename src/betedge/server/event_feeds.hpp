#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "betedge/core/job.hpp"
#include "betedge/engine/data_processing_service.hpp"
#include "betedge/net/http_server.hpp"
#include "betedge/ports/async.hpp"

namespace betedge::server {

// Server-sent events (WHATWG HTML, 9.2) of one job or of all: `snapshot` first, then `progress` at
// most four times a second, an `item_failed` for each failed item, and `end`; a comment now and
// then so that a dead connection is noticed.
//
// What is new is written once for all watchers of a job; a watcher holds no queue of its own, only
// its place. One who falls behind further than the last batches is brought up to date from the
// store and with a new snapshot, so a slow watcher costs what any other does and holds up nobody.
// Nor do many: they are woken some at a time, other work goes on between, and where they are so
// many that telling them takes long, `progress` comes more seldom (every two seconds at the least,
// while there is any).
//
// Of one job, an event's id is the job's version: a reconnect with it as Last-Event-ID is told of
// the items that failed since (those of a batch that was cut in the middle once more). Of all jobs
// it counts this process's batches; what cannot be resumed begins with a snapshot. On the loop's
// thread; close() before dropping it.
class EventFeeds {
 public:
  EventFeeds(Runtime& runtime, engine::DataProcessingService& service);
  ~EventFeeds();

  // The job as it is now; for the service's on_change.
  void job_changed(const JobInfo& job);

  // The stream's answer. `seen`: Last-Event-ID, as it was sent. 204 when the job had ended already
  // with that event.
  net::ServerResponse watch_job(const JobInfo& job, std::string_view seen, std::stop_token gone);
  net::ServerResponse watch_all(std::string_view seen, std::stop_token gone);

  std::size_t watchers() const;

  // Ends every stream at its next event or at once; no new ones are begun.
  void end_streams();
  Task<void> close();

 private:
  struct Feed;
  class Watcher;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace betedge::server
