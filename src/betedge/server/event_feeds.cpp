#include "betedge/server/event_feeds.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <deque>
#include <set>
#include <utility>
#include <vector>

#include "betedge/wire/job.hpp"

namespace betedge::server {

using net::ServerResponse;
using net::SharedBytes;
using namespace std::chrono_literals;

namespace {

constexpr auto kBetweenBatches = 250ms;
constexpr auto kKeepAlive = 15s;
// Telling thousands takes the loop's thread a while. So many are woken before whoever else waits
// for the thread has his turn, and batches for more come so seldom that telling takes a fifth of
// it.
constexpr std::size_t kWokenAtOnce = 4;
constexpr int kShareOfTheLoop = 5;
constexpr auto kLongestBetweenBatches = 2s;
// What a watcher may lag behind before it is brought up to date from the store.
constexpr std::size_t kBatchesKept = 16;
constexpr std::size_t kLargestBatchBytes = 64 << 10;
constexpr std::size_t kItemsAtOnce = 100;
// Jobs of which the stream of all remembers how much it has told.
constexpr std::size_t kMostTold = 4'096;

std::string event_text(std::string_view name, std::string_view id, std::string_view data) {
  return fmt::format("id: {}\nevent: {}\ndata: {}\n\n", id, name, data);
}

std::string failure_data(const JobId& job, ItemRecord item) {
  auto json = wire::item_json({.key = item.key.text(),
                               .state = item.state,
                               .attempts = item.attempts,
                               .rows = item.rows,
                               .bytes = item.bytes,
                               .sha256 = std::move(item.sha256),
                               .error = std::move(item.error),
                               .note = std::move(item.note)});
  json.insert(1, fmt::format(R"("job_id":"{}",)", job.text()));
  return json;
}

std::optional<std::uint64_t> number_of(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

// What the watchers of one job, or of all, share.
struct EventFeeds::Feed {
  Feed(Runtime& runtime, std::optional<JobId> of) : job(of), news(runtime) {}

  struct Batch {
    std::uint64_t number;
    SharedBytes text;
    bool is_end;
    std::uint64_t told;  // of one job: as below, once this has been read
  };

  std::optional<JobId> job;             // nullopt: all
  std::set<JobId> changed;              // since the last batch
  std::map<JobId, std::uint64_t> told;  // the version up to which a job's failures were told
  std::deque<Batch> batches;
  std::uint64_t next_number = 1;
  SteadyTime next_flush{};  // not before
  bool is_flushing = false;
  std::size_t watchers = 0;
  std::size_t waiting = 0;  // of them, for news
  Notify news;

  void add(std::string text, bool is_end) {
    batches.push_back(
        {next_number++, SharedBytes::of(std::move(text)), is_end, job ? told.at(*job) : 0});
    if (batches.size() > kBatchesKept) batches.pop_front();
  }
};

struct EventFeeds::Impl {
  Impl(Runtime& on, engine::DataProcessingService& asked)
      : runtime(on), service(asked), all(std::make_shared<Feed>(on, std::nullopt)), work(on) {
    // So that a number of an earlier process is not taken for one of this.
    boot = fmt::format("{:x}", runtime.random_bits());
  }

  std::shared_ptr<Feed> feed_of(const JobInfo& job) {
    auto& feed = jobs[job.job_id];
    if (!feed) {
      feed = std::make_shared<Feed>(runtime, job.job_id);
      feed->told[job.job_id] = job.version;
    }
    return feed;
  }

  void mark(const std::shared_ptr<Feed>& feed, const JobInfo& job) {
    if (feed->watchers == 0) return;
    feed->told.try_emplace(job.job_id, job.version == 0 ? 0 : job.version - 1);
    feed->changed.insert(job.job_id);
    if (std::exchange(feed->is_flushing, true)) return;
    work.spawn(flush(feed));
  }

  // Of all jobs: the batch before, so that one that was cut in the middle comes again as a whole.
  std::string id_of(const Feed& feed, std::uint64_t version) const {
    return feed.job ? fmt::format("{}", version) : fmt::format("{}-{}", boot, feed.next_number - 1);
  }

  std::string progress(const JobInfo& job) const {
    const auto why = service.waiting_for(job);
    return wire::progress_json(job, why ? std::optional<std::string_view>(*why) : std::nullopt);
  }
  std::string whole(const JobInfo& job) const {
    const auto why = service.waiting_for(job);
    return wire::job_json(job, why ? std::optional<std::string_view>(*why) : std::nullopt);
  }

  // Writes batches until nothing is new, not more often than they may come.
  Task<void> flush(std::shared_ptr<Feed> feed) {
    while (!feed->changed.empty() && feed->watchers > 0) {
      if (const auto now = runtime.steady_now(); now < feed->next_flush) {
        const bool slept = co_await sleep_for(runtime, feed->next_flush - now, work.stop_token());
        if (!slept) break;
      }
      feed->next_flush = runtime.steady_now() + kBetweenBatches;
      const auto changed = std::exchange(feed->changed, {});
      const auto next_number = feed->next_number;
      std::string text;
      for (const auto& id : changed) co_await tell(feed, id, text);
      if (!text.empty()) feed->add(std::move(text), false);
      if (feed->next_number > next_number) co_await wake(feed);
      if (feed->told.size() > kMostTold) forget_ended(*feed);
    }
    feed->changed.clear();
    feed->is_flushing = false;
  }

  // What was told of jobs that have ended is of no use once they are not marked any more.
  void forget_ended(Feed& feed) const {
    std::set<JobId> wanted = feed.changed;
    for (const auto* job : service.active_jobs()) wanted.insert(job->job_id);
    std::erase_if(feed.told,
                  [&wanted](const auto& entry) { return !wanted.contains(entry.first); });
  }

  // All who wait, the first to wait first; who waits again meanwhile is behind them.
  Task<void> wake(std::shared_ptr<Feed> feed) {
    const auto began = runtime.steady_now();
    bool are_many = false;
    for (auto left = feed->waiting; left > 0;) {
      const auto some = std::min(left, kWokenAtOnce);
      for (std::size_t i = 0; i < some; ++i) feed->news.notify_one();
      left -= some;
      are_many = are_many || left > 0;
      if (are_many) co_await sleep_for(runtime, 0s, work.stop_token());
    }
    if (!are_many) co_return;
    const auto now = runtime.steady_now();
    const auto pause = std::min<std::chrono::nanoseconds>((now - began) * (kShareOfTheLoop - 1),
                                                          kLongestBetweenBatches);
    feed->next_flush = std::max(feed->next_flush, now + pause);
  }

  // Appends what is new of one job.
  Task<void> tell(std::shared_ptr<Feed> feed, JobId id, std::string& text) {
    const auto found = co_await service.get_job_status(id);
    if (!found || !*found) co_return;  // deleted, or the store is out: the next change tells
    const auto job = **found;
    const auto told = feed->told[id];
    // Marked again while its end was being told.
    if (has_ended(job.status) && job.version <= told) co_return;
    if (job.items.failed > 0 && job.version > told) {
      ItemFilter filter{.state = ItemState::failed,
                        .from_seq = 0,
                        .limit = kItemsAtOnce,
                        .ended_after_version = told};
      while (true) {
        auto page = co_await service.list_items(id, filter);
        if (!page) {  // the store is out: again with the next batch
          feed->changed.insert(id);
          co_return;
        }
        for (auto& item : page->items) {
          if (item.ended_version > job.version) continue;  // for the next batch
          text += event_text("item_failed", id_of(*feed, told), failure_data(id, std::move(item)));
        }
        if (text.size() > kLargestBatchBytes) {
          feed->add(std::exchange(text, {}), false);
          co_await wake(feed);
        }
        if (!page->next) break;
        filter.from_seq = *page->next;
      }
    }
    feed->told[id] = job.version;
    if (!has_ended(job.status)) {
      text += event_text("progress", id_of(*feed, job.version), progress(job));
      co_return;
    }
    text += event_text("end", id_of(*feed, job.version), whole(job));
    if (feed->job) feed->add(std::exchange(text, {}), true);
  }

  Runtime& runtime;
  engine::DataProcessingService& service;
  std::string boot;
  std::map<JobId, std::shared_ptr<Feed>> jobs;  // that somebody watches
  std::shared_ptr<Feed> all;
  std::stop_source ended;  // the streams are to end
  TaskScope work;
};

// One stream: what is sent next. Lives as long as its answer.
class EventFeeds::Watcher {
 public:
  Watcher(Impl& impl, std::shared_ptr<Feed> feed, std::optional<std::uint64_t> failures_since,
          std::optional<std::uint64_t> next_batch, std::stop_token gone)
      : impl_(impl),
        feed_(std::move(feed)),
        since_(failures_since),
        next_(next_batch.value_or(0)),
        must_catch_up_(!next_batch.has_value()),
        gone_(std::move(gone)) {
    ++feed_->watchers;
  }
  ~Watcher() {
    if (--feed_->watchers > 0) return;
    if (feed_->job) {
      impl_.jobs.erase(*feed_->job);
      return;
    }
    // What happens while nobody watches is in no batch: none of before may be gone on from.
    feed_->batches.clear();
    feed_->told.clear();
    feed_->next_number += 1;
  }
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  // Empty at the end of the stream.
  Task<Result<SharedBytes>> next() {
    if (std::exchange(is_new_, false)) co_return SharedBytes::of("retry: 2000\n\n");
    while (!has_ended_ && !impl_.ended.stop_requested() && !gone_.stop_requested()) {
      const bool has_news = next_ < feed_->next_number;
      const bool has_lost_some =
          has_news && (feed_->batches.empty() || next_ < feed_->batches.front().number);
      if (must_catch_up_ || has_lost_some) co_return co_await catch_up();
      if (has_news) {
        const auto& batch = feed_->batches[next_ - feed_->batches.front().number];
        ++next_;
        has_ended_ = batch.is_end;
        since_ = batch.told;
        co_return batch.text;
      }
      ++feed_->waiting;
      const auto woken = co_await feed_->news.wait(gone_, impl_.runtime.steady_now() + kKeepAlive);
      --feed_->waiting;
      if (woken == Woken::timed_out) co_return SharedBytes::of(": still here\n\n");
    }
    co_return SharedBytes{};
  }

 private:
  // The failures since the last event that was seen, page by page, then a snapshot; from there on
  // batches: those that are added from now on, so that none falls in between.
  Task<Result<SharedBytes>> catch_up() {
    if (!std::exchange(is_catching_up_, true)) {
      must_catch_up_ = true;
      from_seq_ = 0;
      next_ = feed_->next_number;
      told_ = feed_->job ? feed_->told.at(*feed_->job) : 0;
    }
    if (!feed_->job) {
      std::string list;
      for (const auto* job : impl_.service.active_jobs()) {
        if (!list.empty()) list += ',';
        list += impl_.progress(*job);
      }
      must_catch_up_ = is_catching_up_ = false;
      co_return SharedBytes::of(
          event_text("snapshot", impl_.id_of(*feed_, 0), fmt::format(R"({{"jobs":[{}]}})", list)));
    }
    const auto id = *feed_->job;
    // Read before its failures are: whatever failed up to this version is told before the snapshot,
    // also when the job ends meanwhile.
    const auto found = co_await impl_.service.get_job_status(id);
    if (!found) co_return std::unexpected(found.error());
    if (!*found) {
      has_ended_ = true;  // deleted meanwhile
      co_return SharedBytes{};
    }
    const auto& job = **found;
    if (since_) {
      if (from_seq_ == 0) listed_ = job.version;
      auto page = co_await impl_.service.list_items(id, {.state = ItemState::failed,
                                                         .from_seq = from_seq_,
                                                         .limit = kItemsAtOnce,
                                                         .ended_after_version = *since_});
      if (!page) co_return std::unexpected(std::move(page).error());
      if (!page->items.empty()) {
        std::string text;
        for (auto& item : page->items)
          text += event_text("item_failed", fmt::format("{}", *since_),
                             failure_data(id, std::move(item)));
        from_seq_ = page->next.value_or(0);
        if (!page->next) since_ = listed_;
        co_return SharedBytes::of(std::move(text));
      }
    }
    must_catch_up_ = is_catching_up_ = false;
    since_ = told_;
    auto text = event_text("snapshot", fmt::format("{}", told_), impl_.whole(job));
    if (has_ended(job.status)) {
      text += event_text("end", fmt::format("{}", job.version), impl_.whole(job));
      has_ended_ = true;
    }
    co_return SharedBytes::of(std::move(text));
  }

  Impl& impl_;
  std::shared_ptr<Feed> feed_;
  std::optional<std::uint64_t> since_;  // the version up to which failures were told
  std::uint64_t next_;                  // the batch to send next
  std::uint64_t told_ = 0;              // while catching up: what batches will go on from
  std::uint32_t from_seq_ = 0;
  std::uint64_t listed_ = 0;  // the job's version when this round of failures was begun
  bool is_new_ = true;
  bool must_catch_up_;
  bool is_catching_up_ = false;
  bool has_ended_ = false;
  std::stop_token gone_;
};

namespace {

ServerResponse stream_answer() {
  ServerResponse answer;
  answer.headers = {{"Content-Type", "text/event-stream; charset=utf-8"},
                    {"Cache-Control", "no-store"},
                    {"X-Accel-Buffering", "no"}};
  return answer;
}

}  // namespace

EventFeeds::EventFeeds(Runtime& runtime, engine::DataProcessingService& service)
    : impl_(std::make_unique<Impl>(runtime, service)) {}

EventFeeds::~EventFeeds() = default;

void EventFeeds::job_changed(const JobInfo& job) {
  impl_->mark(impl_->all, job);
  if (const auto feed = impl_->jobs.find(job.job_id); feed != impl_->jobs.end())
    impl_->mark(feed->second, job);
}

ServerResponse EventFeeds::watch_job(const JobInfo& job, std::string_view seen,
                                     std::stop_token gone) {
  const auto since = number_of(seen);
  if (has_ended(job.status) && since && *since >= job.version) {
    ServerResponse nothing;
    nothing.status = 204;
    return nothing;
  }
  auto answer = stream_answer();
  const auto watcher =
      std::make_shared<Watcher>(*impl_, impl_->feed_of(job), since, std::nullopt, std::move(gone));
  answer.next = [watcher] { return watcher->next(); };
  return answer;
}

ServerResponse EventFeeds::watch_all(std::string_view seen, std::stop_token gone) {
  auto& feed = impl_->all;
  std::optional<std::uint64_t> next_batch;
  const auto prefix = impl_->boot + "-";
  if (seen.starts_with(prefix)) {
    const auto number = number_of(seen.substr(prefix.size()));
    if (number && !feed->batches.empty() && *number + 1 >= feed->batches.front().number &&
        *number < feed->next_number)
      next_batch = *number + 1;
  }
  auto answer = stream_answer();
  const auto watcher =
      std::make_shared<Watcher>(*impl_, feed, std::nullopt, next_batch, std::move(gone));
  answer.next = [watcher] { return watcher->next(); };
  return answer;
}

std::size_t EventFeeds::watchers() const {
  auto count = impl_->all->watchers;
  for (const auto& [job, feed] : impl_->jobs) count += feed->watchers;
  return count;
}

void EventFeeds::end_streams() {
  impl_->ended.request_stop();
  impl_->all->news.notify_all();
  for (auto& [job, feed] : impl_->jobs) feed->news.notify_all();
}

Task<void> EventFeeds::close() {
  end_streams();
  co_await impl_->work.close();
}

}  // namespace betedge::server
