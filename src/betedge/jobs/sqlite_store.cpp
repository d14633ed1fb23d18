#include "betedge/jobs/sqlite_store.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <coroutine>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "betedge/jobs/sqlite_connection.hpp"
#include "betedge/jobs/sqlite_schema.hpp"
#include "betedge/jobs/sqlite_transactions.hpp"

namespace betedge::jobs {

namespace {

using sqlite::Connection;
using sqlite::Moment;
using sqlite::Transactions;

std::unexpected<Error> unavailable(std::string_view why) {
  return fail(ErrorCode::store_unavailable, fmt::format("job store: {}", why));
}

// The lock file beside the store, held as long as this lives; the kernel lets go of it when the
// process ends, however it ends. The file stays: removing it would let two processes in.
class StoreLock {
 public:
  static Result<StoreLock> take(const std::string& path) {
    StoreLock lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    if (lock.file_ < 0)
      return unavailable(fmt::format("cannot make the lock file {}: {}", path,
                                     std::generic_category().message(errno)));
    if (::flock(lock.file_, LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK)
        return unavailable(
            fmt::format("cannot lock {}: {}", path, std::generic_category().message(errno)));
      std::array<char, 32> holder{};
      const auto size = ::read(lock.file_, holder.data(), holder.size());
      std::string who(holder.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
      while (!who.empty() && who.back() == '\n') who.pop_back();
      return unavailable(
          fmt::format("another betedge is using it (process {}, lock {}): stop that one, or give "
                      "this one a store of its own",
                      who.empty() ? "unknown" : who, path));
    }
    // For the person who wants to know who holds it; the lock is the flock, not the text.
    const auto self = fmt::format("{}\n", ::getpid());
    if (::ftruncate(lock.file_, 0) != 0 ||
        ::write(lock.file_, self.data(), self.size()) != std::ssize(self))
      return unavailable(
          fmt::format("cannot write {}: {}", path, std::generic_category().message(errno)));
    return lock;
  }
  StoreLock(StoreLock&& other) noexcept : file_(std::exchange(other.file_, -1)) {}
  StoreLock& operator=(StoreLock&&) = delete;
  ~StoreLock() {
    if (file_ >= 0) ::close(file_);
  }

 private:
  explicit StoreLock(int file) : file_(file) {}
  int file_;
};

// Makes the folder and those above it, each one's entry durable, so that a store in it survives the
// plug being pulled.
Result<void> make_folder(const std::filesystem::path& folder) {
  std::error_code error;
  if (folder.empty() || std::filesystem::is_directory(folder, error)) return {};
  BETEDGE_TRY_VOID(make_folder(folder.parent_path()));
  std::filesystem::create_directory(folder, error);
  if (error)
    return unavailable(fmt::format("cannot make {}: {}", folder.string(), error.message()));
  const int parent = ::open(folder.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (parent >= 0) {
    ::fsync(parent);
    ::close(parent);
  }
  return {};
}

// One call of the store, in the frame of the coroutine that awaits it.
struct Operation {
  Operation() = default;
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;
  virtual ~Operation() = default;
  // On the pool, in a transaction. False when it was refused, and what it did must be undone. May
  // be run again after it was undone. Throws Failure.
  virtual bool run(Transactions& transactions, Moment now) = 0;
  virtual void fail_with(Error error) = 0;

  std::size_t rows = 1;  // about how much it is to write
  std::coroutine_handle<> caller;
};

// A commit takes what waits, but not much more than this: while it is on the pool, the loop answers
// those of the one before and gets the next ready. With all of them in one commit, each of the two
// would wait for the other.
constexpr std::size_t kRowsACommit = 512;

// How long the log of commits may be before it is brought into the file, in pages (SQLite's own
// measure, and its default): behind the answers of a commit, not before them. A submit of ten
// thousand items would wait for the checkpoint for a fifth of its time.
constexpr int kLogPages = 1000;

// A checkpoint on the pool, which whoever drops the store waits for, or keeps from beginning.
struct Checkpointing {
  std::mutex running;
  bool is_wanted = true;  // under the mutex; changed on the loop
};

class SqliteStore final : public JobStore {
 public:
  SqliteStore(Runtime& runtime, std::optional<StoreLock> lock, Connection connection,
              Metrics& metrics)
      : runtime_(runtime),
        lock_(std::move(lock)),
        connection_(std::move(connection)),
        transactions_(connection_),
        committed_seconds_(metrics.histogram(Metric::store_commit_seconds, {"ok"})),
        failed_seconds_(metrics.histogram(Metric::store_commit_seconds, {"failed"})),
        operations_(metrics.histogram(Metric::store_commit_operations)),
        opened_wall_(runtime.wall_now()),
        opened_steady_(runtime.steady_now()) {}
  SqliteStore(const SqliteStore&) = delete;
  SqliteStore& operator=(const SqliteStore&) = delete;
  ~SqliteStore() override {
    const std::lock_guard lock(checkpointing_->running);
    checkpointing_->is_wanted = false;
  }

  Task<Result<CreatedJob>> create_job(NewJob job) override {
    auto work = [&](Transactions& t, Moment now) { return t.create_job(job, now); };
    Call call(*this, work);
    call.rows += job.fetches.size();
    co_return co_await call;
  }
  Task<Result<Claims>> claim(std::string upstream, std::size_t max, std::string owner,
                             std::chrono::milliseconds lease) override {
    auto work = [&](Transactions& t, Moment now) {
      return t.claim(upstream, max, owner, lease, now);
    };
    Call call(*this, work);
    co_return co_await call;
  }
  Task<Result<void>> renew(FetchId fetch, std::uint64_t fence,
                           std::chrono::milliseconds lease) override {
    auto work = [&](Transactions& t, Moment now) { return t.renew(fetch, fence, lease, now); };
    Call call(*this, work);
    co_return co_await call;
  }
  Task<Result<std::vector<JobInfo>>> complete(FetchId fetch, std::uint64_t fence,
                                              FetchOutcome outcome) override {
    auto work = [&](Transactions& t, Moment now) { return t.complete(fetch, fence, outcome, now); };
    Call call(*this, work);
    co_return co_await call;
  }
  Task<Result<std::vector<JobInfo>>> put_back(FetchId fetch, std::uint64_t fence,
                                              std::chrono::milliseconds delay, bool counts_attempt,
                                              std::string error) override {
    auto work = [&](Transactions& t, Moment now) {
      return t.put_back(fetch, fence, delay, counts_attempt, error, now);
    };
    Call call(*this, work);
    co_return co_await call;
  }
  Task<Result<Changes>> fail_jobs(FetchId fetch, std::uint64_t fence, std::string error) override {
    auto work = [&](Transactions& t, Moment now) { return t.fail_jobs(fetch, fence, error, now); };
    Call call(*this, work);
    co_return co_await call;
  }
  Task<Result<std::vector<JobInfo>>> take_back(Which which, int max_crashes) override {
    auto work = [&](Transactions& t, Moment now) { return t.take_back(which, max_crashes, now); };
    Call call(*this, work);
    co_return co_await call;
  }
  Task<Result<Changes>> cancel_job(JobId job) override {
    auto work = [&](Transactions& t, Moment now) { return t.cancel_job(job, now); };
    Call call(*this, work);
    co_return co_await call;
  }
  Task<Result<JobInfo>> retry_job(JobId job) override {
    auto work = [&](Transactions& t, Moment now) { return t.retry_job(job, now); };
    Call call(*this, work);
    co_return co_await call;
  }
  Task<Result<void>> delete_job(JobId job) override {
    auto work = [&](Transactions& t, Moment) { return t.delete_job(job); };
    Call call(*this, work);
    co_return co_await call;
  }
  Task<Result<std::optional<JobInfo>>> get_job(JobId job) override {
    auto work = [&](Transactions& t, Moment) { return t.get_job(job); };
    Call call(*this, work);
    co_return co_await call;
  }
  Task<Result<std::vector<JobInfo>>> list_jobs(JobFilter filter) override {
    auto work = [&](Transactions& t, Moment) { return t.list_jobs(filter); };
    Call call(*this, work);
    co_return co_await call;
  }
  Task<Result<std::vector<JobInfo>>> active_jobs() override {
    auto work = [&](Transactions& t, Moment) { return t.active_jobs(); };
    Call call(*this, work);
    co_return co_await call;
  }
  Task<Result<ItemPage>> list_items(JobId job, ItemFilter filter) override {
    auto work = [&](Transactions& t, Moment) { return t.list_items(job, filter); };
    Call call(*this, work);
    co_return co_await call;
  }
  Task<Result<Experience>> experience(std::string key_prefix) override {
    auto work = [&](Transactions& t, Moment) { return t.experience(key_prefix); };
    Call call(*this, work);
    co_return co_await call;
  }
  Task<Result<std::optional<ObjectRecord>>> find_object(ObjectKey key) override {
    auto work = [&key](Transactions& t, Moment) { return t.find_object(key); };
    Call call(*this, work);
    co_return co_await call;
  }
  Task<Result<void>> record_object(ObjectRecord object) override {
    auto work = [&object](Transactions& t, Moment) { return t.record_object(object); };
    Call call(*this, work);
    co_return co_await call;
  }
  Task<Result<KnownKeyPage>> list_known(std::string prefix, std::string after,
                                        std::size_t limit) override {
    auto work = [&](Transactions& t, Moment) { return t.list_known(prefix, after, limit); };
    Call call(*this, work);
    co_return co_await call;
  }

 private:
  using Batch = std::vector<Operation*>;

  template <class Work>
  class Call final : public Operation {
   public:
    using Answer = std::invoke_result_t<Work&, Transactions&, Moment>;
    Call(SqliteStore& store, Work& work) : store_(store), work_(work) {}

    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) {
      caller = handle;
      store_.enqueue(*this);
    }
    Answer await_resume() { return std::move(answer_); }

    bool run(Transactions& transactions, Moment now) override {
      answer_ = work_(transactions, now);
      return answer_.has_value();
    }
    void fail_with(Error error) override { answer_ = std::unexpected(std::move(error)); }

   private:
    SqliteStore& store_;
    Work& work_;
    Answer answer_ = fail(ErrorCode::internal, "not answered");
  };

  void enqueue(Operation& operation) {
    queue_.push_back(&operation);
    if (writing_) return;
    writing_ = true;
    runtime_.post([this] { write_queue(); });  // what else comes in this turn goes along
  }

  void write_queue() {
    const auto since = runtime_.steady_now() - opened_steady_;
    const Moment now{runtime_.wall_now(),
                     opened_wall_ + std::chrono::floor<std::chrono::microseconds>(since)};
    runtime_.post_blocking(Pool::io, [this, now, batch = next_batch()]() mutable {
      run(batch, now);
      runtime_.post([this, batch = std::move(batch)] { answer(batch); });
    });
  }

  Batch next_batch() {
    auto end = queue_.begin();
    for (std::size_t rows = 0; end != queue_.end() && rows < kRowsACommit; ++end)
      rows += (*end)->rows;
    Batch batch(queue_.begin(), end);
    queue_.erase(queue_.begin(), end);
    return batch;
  }

  void answer(const Batch& batch) {
    if (connection_.log_pages() >= kLogPages) {
      checkpoint();
    } else {
      go_on();
    }
    // Each resumed from the loop: the first may drop the store.
    for (auto* operation : batch) runtime_.post([caller = operation->caller] { caller.resume(); });
  }

  void go_on() {
    if (queue_.empty()) {
      writing_ = false;
    } else {
      write_queue();
    }
  }

  // While the callers have their answers already; the next commit comes behind it.
  void checkpoint() {
    runtime_.post_blocking(Pool::io, [this, &runtime = runtime_, state = checkpointing_] {
      {
        const std::lock_guard lock(state->running);
        if (!state->is_wanted) return;
        connection_.checkpoint();
      }
      runtime.post([this, state] {
        if (state->is_wanted) go_on();
      });
    });
  }

  // On the pool; nothing else touches the connection meanwhile.
  void run(const Batch& batch, Moment now) noexcept {
    const auto began = runtime_.steady_now();
    auto* seconds = &committed_seconds_;
    try {
      if (!run_together(batch, now)) run_apart(batch, now);
    } catch (const std::exception& failure) {
      undo();
      for (auto* operation : batch) operation->fail_with(unavailable(failure.what()).error());
      seconds = &failed_seconds_;
    }
    const std::chrono::duration<double> took = runtime_.steady_now() - began;
    seconds->observe(took.count());
    operations_.observe(static_cast<double>(batch.size()));
  }

  // As nearly every batch goes: nothing has to be undone. A savepoint copies each page that is
  // changed under it, to undo that; a hundred of them to a commit cost more than all the rest.
  // False, and nothing done, when one of the operations has to be undone alone.
  bool run_together(const Batch& batch, Moment now) {
    connection_.execute("BEGIN IMMEDIATE");
    try {
      for (auto* operation : batch) {
        const auto changes = connection_.total_changes();
        const bool keep = operation->run(transactions_, now);
        if (!keep && connection_.total_changes() != changes) {
          undo();
          return false;
        }
      }
      transactions_.write_jobs();
    } catch (const std::exception&) {
      undo();
      return false;
    }
    connection_.execute("COMMIT");
    return true;
  }

  void undo() noexcept {
    connection_.roll_back();
    transactions_.forget_jobs();
  }

  // Each under a savepoint of its own.
  void run_apart(const Batch& batch, Moment now) {
    connection_.execute("BEGIN IMMEDIATE");
    for (auto* operation : batch) run_one(*operation, now);
    connection_.execute("COMMIT");
  }

  void run_one(Operation& operation, Moment now) {
    bool keep = false;
    connection_.execute("SAVEPOINT one");
    try {
      keep = operation.run(transactions_, now);
      transactions_.write_jobs();
    } catch (const std::exception& failure) {
      // With the transaction gone, so is what the others of the batch did: nobody gets an answer.
      if (!connection_.in_transaction()) throw;
      operation.fail_with(unavailable(failure.what()).error());
      keep = false;
    }
    transactions_.forget_jobs();
    connection_.execute(keep ? "RELEASE one" : "ROLLBACK TO one; RELEASE one");
  }

  Runtime& runtime_;
  std::optional<StoreLock> lock_;  // none in memory; let go of after the connection is closed
  Connection connection_;
  Transactions transactions_;
  Histogram& committed_seconds_;
  Histogram& failed_seconds_;
  Histogram& operations_;
  Timestamp opened_wall_;
  SteadyTime opened_steady_;
  std::shared_ptr<Checkpointing> checkpointing_ = std::make_shared<Checkpointing>();
  Batch queue_;  // of the loop's thread, as is writing_
  bool writing_ = false;
};

}  // namespace

Result<std::unique_ptr<JobStore>> open_sqlite_store(Runtime& runtime, std::string path,
                                                    Metrics& metrics) {
  std::optional<StoreLock> lock;
  const bool in_memory = path == ":memory:";
  if (!in_memory) {
    std::error_code error;
    const auto file = std::filesystem::weakly_canonical(path, error);
    if (path.empty() || error) return unavailable(fmt::format("'{}' is no path", path));
    BETEDGE_TRY_VOID(make_folder(file.parent_path()));
    path = file.string();
    BETEDGE_TRY(auto taken, StoreLock::take(path + ".lock"));
    lock.emplace(std::move(taken));
  }
  const auto at = fmt::format("job store {}", path);
  auto opened = Connection::open(path);
  if (!opened) return fail_while(at, std::move(opened).error());
  auto connection = std::move(*opened);
  try {
    connection.execute("PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON");
    std::string mode;
    {
      auto query = connection.query("PRAGMA journal_mode = WAL");
      if (query.next()) mode = query.text(0);
    }
    if (mode != (in_memory ? "memory" : "wal"))
      return fail_while(at, {ErrorCode::store_unavailable,
                             fmt::format("its file system does not do WAL ({})", mode)});
    // The log is cut back after a burst; a commit is an fsync of it. What a large submit changes
    // stays in memory until its commit: written early it would be read again and written twice.
    connection.execute(
        "PRAGMA synchronous = FULL; PRAGMA cache_spill = 0; PRAGMA journal_size_limit = 67108864");
    if (auto migrated = sqlite::migrate(connection, sqlite::schema_steps()); !migrated)
      return fail_while(at, std::move(migrated).error());
    return std::make_unique<SqliteStore>(runtime, std::move(lock), std::move(connection), metrics);
  } catch (const sqlite::Failure& failure) {
    return fail_while(at, {ErrorCode::store_unavailable, failure.what()});
  }
}

}  // namespace betedge::jobs
