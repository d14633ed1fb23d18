// What is SQLite's own: the file, its lock, its faults, and being killed. The promises of every
// store are in tests/contract/job_store.
#include "betedge/jobs/sqlite_store.hpp"

#include <gmock/gmock.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <random>
#include <stdexcept>

#include "betedge/jobs/sqlite_connection.hpp"
#include "betedge/jobs/sqlite_schema.hpp"
#include "contract/job_store/contract.hpp"
#include "support/counted_metrics.hpp"

namespace betedge::jobs {
namespace {

using namespace std::chrono_literals;
using testing::ended;
using ::testing::HasSubstr;
using testing::job_id;
using testing::new_job;

class Folder {
 public:
  Folder() {
    if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error("no folder for the test");
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_ = ::testing::TempDir() + "betedge-jobs-XXXXXX";
};

// A store in a virtual world, as it is from one start to the next.
class Life {
 public:
  explicit Life(const std::string& path, std::uint64_t seed = 1)
      : runtime(seed), store(open_sqlite_store(runtime, path, metrics).value()) {}
  template <class T>
  T get(Task<T> task) {
    std::optional<T> value;
    runtime.run(testing::keep_value(std::move(task), value));
    return *std::move(value);
  }
  std::optional<JobInfo> job(std::uint64_t number) {
    return get(store->get_job(job_id(number))).value();
  }

  // How many transactions ended so.
  double commits(std::string_view outcome) const {
    return metrics.value(Metric::store_commit_seconds, {outcome});
  }

  testing::VirtualRuntime runtime;
  testing::CountedMetrics metrics;
  std::unique_ptr<JobStore> store;
};

std::string refusal(const std::string& path) {
  testing::VirtualRuntime runtime(1);
  const auto opened = open_sqlite_store(runtime, path);
  EXPECT_FALSE(opened.has_value());
  if (opened) return "";
  EXPECT_EQ(opened.error().code, ErrorCode::store_unavailable);
  return opened.error().message;
}

// In a process of its own; what it returns is what that process exits with.
int in_child(const std::function<int()>& work) {
  const auto child = ::fork();
  if (child == 0) ::_exit(work());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

TEST(SqliteStoreTest, JobsAreThereAfterAReopen) {
  const Folder folder;
  const auto path = folder / "jobs.db";
  std::optional<JobInfo> before;
  {
    Life life(path);
    life.get(life.store->create_job(new_job(1, 3))).value();
    const auto claimed = life.get(life.store->claim("thetadata", 2, "test", 60s)).value().fetches;
    auto outcome = ended(ItemState::succeeded);
    outcome.object = ObjectRecord{
        .key = testing::key_of(1, 0), .size_bytes = 1000, .rows = 10, .sha256 = "5ead"};
    before =
        life.get(life.store->complete(claimed[0].fetch, claimed[0].fence, outcome)).value().at(0);
  }
  Life life(path);
  const auto after = life.job(1).value();
  EXPECT_EQ(after.version, before->version);
  EXPECT_EQ(after.items, (ItemCounts{.pending = 1, .running = 1, .succeeded = 1}));
  EXPECT_EQ(after.updated_at, before->updated_at);
  EXPECT_EQ(life.get(life.store->find_object(testing::key_of(1, 0))).value()->rows, 10u);
  // What was running when the process went is taken back, and no fence is used twice.
  const auto taken = life.get(life.store->take_back(JobStore::Which::all, 9)).value();
  ASSERT_EQ(taken.size(), 1u);
  const auto again = life.get(life.store->claim("thetadata", 1, "test", 60s)).value().fetches.at(0);
  EXPECT_EQ(again.seq, 1u);
  EXPECT_EQ(again.fence, 3u);
}

TEST(SqliteStoreTest, FairnessGoesOnAfterAReopen) {
  const Folder folder;
  const auto serve = [](Life& life) {
    const auto claim =
        life.get(life.store->claim("thetadata", 1, "test", 60s)).value().fetches.at(0);
    life.get(life.store->complete(claim.fetch, claim.fence, ended(ItemState::skipped))).value();
    return claim.job_id;
  };
  {
    Life life(folder / "jobs.db");
    for (const std::uint64_t number : {1, 2, 3})
      life.get(life.store->create_job(new_job(number, 9))).value();
    EXPECT_EQ(serve(life), job_id(1));
    EXPECT_EQ(serve(life), job_id(2));
  }
  Life life(folder / "jobs.db");
  EXPECT_EQ(serve(life), job_id(3));
  EXPECT_EQ(serve(life), job_id(1));
}

TEST(SqliteStoreTest, InMemoryLeavesNothingBehind) {
  const auto here = std::filesystem::current_path() / ":memory:";
  {
    Life life(":memory:");
    life.get(life.store->create_job(new_job(1, 3))).value();
    EXPECT_TRUE(life.job(1).has_value());
    EXPECT_FALSE(std::filesystem::exists(here));
    EXPECT_FALSE(std::filesystem::exists(here.string() + ".lock"));
  }
  Life life(":memory:");
  EXPECT_EQ(life.job(1), std::nullopt);
}

TEST(SqliteStoreTest, ItsFolderIsMadeWhenItIsMissing) {
  const Folder folder;
  Life life(folder / "a/b/c/jobs.db");
  life.get(life.store->create_job(new_job(1, 3))).value();
  EXPECT_TRUE(std::filesystem::exists(folder / "a/b/c/jobs.db"));
}

TEST(SqliteStoreTest, TimeShownNeverGoesBackAndLeasesDoNotCareForTheWallClock) {
  Life life(":memory:");
  life.get(life.store->create_job(new_job(1, 2))).value();
  const auto claimed = life.get(life.store->claim("thetadata", 1, "test", 60s)).value();
  const auto shown = claimed.changed_jobs[0].updated_at;
  life.runtime.set_wall_start(Timestamp(1'710'000'000s));  // a year and more back
  const auto info =
      life.get(life.store->complete(claimed.fetches[0].fetch, claimed.fetches[0].fence,
                                    ended(ItemState::skipped)))
          .value()
          .at(0);
  EXPECT_EQ(info.updated_at, shown);
  const auto second = life.get(life.store->claim("thetadata", 1, "test", 60s)).value();
  life.runtime.set_wall_start(Timestamp(1'900'000'000s));  // and years ahead
  EXPECT_TRUE(life.get(life.store->take_back(JobStore::Which::expired, 9)).value().empty());
}

TEST(SqliteStoreTest, ASecondProcessIsRefusedAndToldWhoHoldsIt) {
  const Folder folder;
  const auto path = folder / "jobs.db";
  std::filesystem::create_symlink(path, folder / "other-name.db");
  {
    Life life(path);
    for (const auto& name : {path, folder / "other-name.db"})
      EXPECT_EQ(in_child([&] {
                  testing::VirtualRuntime runtime(1);
                  const auto opened = open_sqlite_store(runtime, name);
                  const auto who =
                      "another betedge is using it (process " + std::to_string(::getppid()) + ",";
                  return !opened && opened.error().message.find(who) != std::string::npos ? 0 : 1;
                }),
                0)
          << name;
  }
  Life again(path);  // let go of with the store
  EXPECT_EQ(again.job(1), std::nullopt);
}

TEST(SqliteStoreTest, ANewerStoreIsRefusedByName) {
  const Folder folder;
  const auto path = folder / "jobs.db";
  {
    Life life(path);
  }
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(db, "PRAGMA user_version = 4711", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(db);
  EXPECT_THAT(refusal(path), HasSubstr("newer betedge (store version 4711"));
}

TEST(SqliteStoreTest, AFileThatIsNoDatabaseIsRefusedAndUntouched) {
  const Folder folder;
  const auto path = folder / "notes.txt";
  const std::string notes(5000, 'n');
  std::ofstream(path) << notes;
  EXPECT_THAT(refusal(path), HasSubstr("not a database"));
  std::string left(5001, ' ');
  std::ifstream in(path);
  in.read(left.data(), std::ssize(left));
  EXPECT_EQ(in.gcount(), 5000);
  EXPECT_EQ(left.substr(0, 5000), notes);
}

TEST(SqliteStoreTest, APathThatCannotBeAFileIsRefused) {
  const Folder folder;
  std::filesystem::create_directory(folder / "folder");
  std::ofstream(folder / "file") << "x";
  EXPECT_THAT(refusal(folder / "folder"), HasSubstr("unable to open database file"));
  EXPECT_THAT(refusal(folder / "file/jobs.db"), HasSubstr("cannot make"));
  EXPECT_THAT(refusal(""), HasSubstr("is no path"));
}

TEST(SqliteStoreTest, AWriteProtectedFileIsRefused) {
  const Folder folder;
  const auto path = folder / "jobs.db";
  {
    Life life(path);
  }
  std::filesystem::permissions(folder / "", std::filesystem::perms(0755));
  std::filesystem::permissions(path, std::filesystem::perms(0444));
  std::filesystem::permissions(path + ".lock", std::filesystem::perms(0666));
  EXPECT_EQ(in_child([&] {
              constexpr unsigned kNobody = 65534;  // root may write everything
              if (::geteuid() == 0 && (::setgid(kNobody) != 0 || ::setuid(kNobody) != 0)) return 2;
              testing::VirtualRuntime runtime(1);
              const auto opened = open_sqlite_store(runtime, path);
              if (opened || opened.error().code != ErrorCode::store_unavailable) return 1;
              return opened.error().message.find("write-protected") != std::string::npos ? 0 : 3;
            }),
            0);
}

TEST(SqliteStoreTest, ADamagedFileIsAnErrorAndNoCrash) {
  const Folder folder;
  const auto path = folder / "jobs.db";
  {
    Life life(path);
    for (std::uint64_t number = 1; number <= 20; ++number)
      life.get(life.store->create_job(new_job(number, 50))).value();
  }
  const auto size = std::filesystem::file_size(path);
  std::mt19937_64 chance(7);
  int refused = 0;
  for (int round = 0; round < 30; ++round) {
    const auto copy = folder / ("damaged" + std::to_string(round) + ".db");
    std::filesystem::copy_file(path, copy);
    {
      std::fstream file(copy, std::ios::in | std::ios::out | std::ios::binary);
      for (int hole = 0; hole < 40; ++hole) {
        file.seekp(static_cast<std::streamoff>(100 + chance() % (size - 600)));
        for (int i = 0; i < 500; ++i) file.put(static_cast<char>(chance()));
      }
    }
    testing::VirtualRuntime runtime(1);
    auto opened = open_sqlite_store(runtime, copy);
    if (!opened) {
      ++refused;
      continue;
    }
    const auto look = [&]<class T>(Task<Result<T>> task) {
      std::optional<Result<T>> value;
      runtime.run(testing::keep_value(std::move(task), value));
      if (!value->has_value()) {
        EXPECT_EQ(value->error().code, ErrorCode::store_unavailable) << value->error().message;
        ++refused;
      }
    };
    look((*opened)->list_jobs({}));
    look((*opened)->claim("thetadata", 100, "test", 60s));
    look((*opened)->take_back(JobStore::Which::all, 9));
  }
  EXPECT_GT(refused, 20);
}

// While it lives no file of this process may grow beyond so many bytes.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(std::uintmax_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    auto limit = before_;
    limit.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &limit);
    signal_before_ = std::signal(SIGXFSZ, SIG_IGN);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, signal_before_);
  }

 private:
  rlimit before_{};
  void (*signal_before_)(int) = SIG_DFL;
};

Task<void> create_into(JobStore& store, NewJob job, std::optional<Result<CreatedJob>>& answer) {
  answer.emplace(co_await store.create_job(std::move(job)));
}

Task<void> three_at_once(Runtime& runtime, JobStore& store,
                         std::array<std::optional<Result<CreatedJob>>, 3>& answers) {
  TaskScope scope(runtime);
  scope.spawn(create_into(store, new_job(11, 3), answers[0]));
  scope.spawn(create_into(store, new_job(12, 300), answers[1]));
  scope.spawn(create_into(store, new_job(13, 3), answers[2]));
  co_await scope.close();
}

TEST(SqliteStoreTest, WhenTheCommitFailsNobodyInItHasDoneAnything) {
  const Folder folder;
  const auto path = folder / "jobs.db";
  std::array<std::optional<Result<CreatedJob>>, 3> answers;
  {
    Life life(path);
    EXPECT_EQ(life.commits("failed"), 0) << "there before the first failure";
    life.get(life.store->create_job(new_job(1, 3))).value();
    {
      const FileSizeLimit full(std::filesystem::file_size(path + "-wal") + 20'000);
      life.runtime.run(three_at_once(life.runtime, *life.store, answers));
      for (const auto& answer : answers) {
        ASSERT_FALSE(answer->has_value());
        EXPECT_EQ(answer->error().code, ErrorCode::store_unavailable);
        EXPECT_THAT(answer->error().message, HasSubstr("SQLite"));
      }
      EXPECT_EQ(life.commits("failed"), 1) << "of all three together";
      EXPECT_EQ(life.job(11), std::nullopt);
      EXPECT_TRUE(life.job(1).has_value());
    }
    // The disk has room again: the store goes on.
    life.runtime.run(three_at_once(life.runtime, *life.store, answers));
    for (const auto& answer : answers) EXPECT_TRUE(answer->has_value());
  }
  Life life(path);
  EXPECT_EQ(life.get(life.store->list_jobs({})).value().size(), 4u);
}

Task<void> claim_and_create(Runtime& runtime, JobStore& store,
                            std::optional<Result<JobStore::Claims>>& claims,
                            std::array<std::optional<Result<CreatedJob>>, 2>& created) {
  TaskScope scope(runtime);
  scope.spawn(create_into(store, new_job(11, 1), created[0]));
  scope.spawn(testing::keep_value(store.claim("thetadata", 9, "test", 60s), claims));
  scope.spawn(create_into(store, new_job(12, 1), created[1]));
  co_await scope.close();
}

// A job of version 0.1's first store: one item of each standing.
TEST(SqliteStoreTest, AStoreOfTheFirstLayoutGoesOnWhereItStood) {
  const Folder folder;
  const auto path = folder / "jobs.db";
  {
    auto connection = sqlite::Connection::open(path).value();
    sqlite::migrate(connection, sqlite::schema_steps().first(1)).value();
    connection.execute(R"sql(
      INSERT INTO job (job_id, status, created_at, updated_at, started_at, version, pending,
        running, succeeded, skipped, no_data, failed, cancelled, ready, rows, bytes, request_json,
        warnings, not_yet_available)
      VALUES ('018bcfe5-6801-7001-8000-000000000001', 1, 1700000000000000, 1700000001000000,
        1700000000500000, 9, 2, 1, 1, 0, 0, 1, 0, 1, 10, 1000,
        '{"kind":"stock","root":"A","start_date":"20240102","end_date":"20240108","schema":"ohlc",'
        || '"interval":60000,"return_format":"parquet","start_time":null,"end_time":null,'
        || '"force_refresh":false}', '[]', '[]');
      INSERT INTO item (fetch, job, seq, object_key, label, spec, state, attempts, fence, run_at,
        lease_until, lease_owner, rows, bytes, sha256, error)
      VALUES (11, 1, 0, 'lake/1/0', '0', 's0', 2, 1, 3, NULL, NULL, NULL, 10, 1000, '5ead', ''),
             (12, 1, 1, 'lake/1/1', '1', 's1', 5, 4, 5, NULL, NULL, NULL, 0, 0, '', 'HTTP 500'),
             (13, 1, 2, 'lake/1/2', '2', 's2', 1, 1, 7, NULL, 1, 'killed', 0, 0, '', ''),
             (14, 1, 3, 'lake/1/3', '3', 's3', 0, 2, 4, 5, NULL, NULL, 0, 0, '', 'HTTP 502'),
             (15, 1, 4, 'lake/1/4', '4', 's4', 0, 0, 0, NULL, NULL, NULL, 0, 0, '', '');
      INSERT INTO object VALUES ('lake/1/0', 1000, 10, '5ead', 19724, 1, 1700000000900000))sql");
  }
  Life life(path);
  const auto id = JobId::parse("018bcfe5-6801-7001-8000-000000000001").value();
  const auto job = life.get(life.store->get_job(id)).value().value();
  EXPECT_EQ(job.items, (ItemCounts{.pending = 2, .running = 1, .succeeded = 1, .failed = 1}));
  EXPECT_EQ(job.upstream, "thetadata");
  EXPECT_EQ(job.retries, 0u);
  const auto items = life.get(life.store->list_items(id, {})).value().items;
  ASSERT_EQ(items.size(), 5u);
  EXPECT_EQ(items[0].sha256, "5ead");
  EXPECT_EQ(items[0].ended_version, 9u);
  EXPECT_EQ(items[1].error, "HTTP 500");
  EXPECT_EQ(items[1].attempts, 4);
  EXPECT_EQ(items[3].label, "3");
  const auto object = life.get(life.store->find_object(testing::key_of(1, 0))).value().value();
  const ObjectRecord as_it_was{.key = testing::key_of(1, 0),
                               .size_bytes = 1000,
                               .rows = 10,
                               .sha256 = "5ead",
                               .covers_through = Date(std::chrono::days(19'724)),
                               .schema_version = 1,
                               .written_at = Timestamp(1'700'000'000'900'000us)};
  EXPECT_EQ(object, as_it_was);

  const auto known = life.get(life.store->list_known("lake/", "", 9)).value().keys;
  ASSERT_EQ(known.size(), 1u) << "what had failed before was not remembered";
  EXPECT_EQ(known[0].object, as_it_was);

  life.get(life.store->take_back(JobStore::Which::all, 9)).value();
  const auto claims = life.get(life.store->claim("thetadata", 9, "test", 60s)).value().fetches;
  ASSERT_EQ(claims.size(), 3u);
  for (const auto& claim : claims) EXPECT_EQ(claim.batch, "");
  const std::map<std::string, std::uint64_t> before{{"2", 7}, {"3", 4}, {"4", 0}};
  for (const auto& claim : claims) {
    EXPECT_GT(claim.fence, before.at(claim.label));
    life.get(life.store->complete(claim.fetch, claim.fence, ended(ItemState::succeeded))).value();
  }
  EXPECT_EQ(life.get(life.store->get_job(id)).value()->state(), JobState::completed_with_errors);
  // What is new there gets an id that no fetch had before.
  life.get(life.store->create_job(new_job(2, 1))).value();
  EXPECT_GT(life.get(life.store->claim("thetadata", 1, "test", 60s)).value().fetches.at(0).fetch,
            15);
}

// What version 0.1 made with its second layout: a job with one of each, in the middle of its work.
TEST(SqliteStoreTest, AStoreOfTheSecondLayoutGoesOnWhereItStood) {
  const Folder folder;
  const auto path = folder / "jobs.db";
  {
    auto connection = sqlite::Connection::open(path).value();
    sqlite::migrate(connection, sqlite::schema_steps().first(2)).value();
    connection.execute(R"sql(
      INSERT INTO job (id, job_id, status, created_at, updated_at, started_at, version, pending,
        running, succeeded, skipped, no_data, failed, cancelled, ready, rows, bytes, request_json,
        warnings, not_yet_available)
      VALUES (1, '018bcfe5-6801-7001-8000-000000000001', 1, 1700000000000000, 1700000001000000,
        1700000000500000, 9, 2, 1, 1, 0, 0, 1, 0, 1, 10, 1000, '{"kind":"stock"}', '[]', '[]');
      INSERT INTO fetch (id, object_key, label, spec, state, attempts, fence, run_at, lease_until,
        lease_owner, rows, bytes, sha256, error)
      VALUES (11, 'lake/1/0', '0', 's0', 2, 1, 3, NULL, NULL, NULL, 10, 1000, '5ead', ''),
             (12, 'lake/1/1', '1', 's1', 2, 4, 5, NULL, NULL, NULL, 0, 0, '', 'HTTP 500'),
             (13, 'lake/1/2', '2', 's2', 1, 0, 7, NULL, 1, 'killed', 0, 0, '', ''),
             (14, 'lake/1/3', '3', 's3', 0, 2, 4, 5, NULL, NULL, 0, 0, '', 'HTTP 502'),
             (15, 'lake/1/4', '4', 's4', 0, 0, 0, NULL, NULL, NULL, 0, 0, '', '');
      INSERT INTO item (job, seq, fetch, state, ready, ended_version)
      VALUES (1, 0, 11, 2, 0, 4), (1, 1, 12, 5, 0, 6), (1, 2, 13, 1, 0, 0), (1, 3, 14, 0, 0, 0),
             (1, 4, 15, 0, 1, 0);
      INSERT INTO object VALUES
        ('lake/1/0', 1000, 10, '5ead', 19724, 1, 1700000000900000, 250, 1))sql");
  }
  Life life(path);
  const auto id = JobId::parse("018bcfe5-6801-7001-8000-000000000001").value();
  const auto known = life.get(life.store->list_known("", "", 9)).value().keys;
  ASSERT_EQ(known.size(), 1u);
  EXPECT_FALSE(known[0].failure.has_value());
  EXPECT_EQ(known[0].object, (ObjectRecord{.key = testing::key_of(1, 0),
                                           .size_bytes = 1000,
                                           .rows = 10,
                                           .sha256 = "5ead",
                                           .covers_through = Date(std::chrono::days(19'724)),
                                           .schema_version = 1,
                                           .written_at = Timestamp(1'700'000'000'900'000us),
                                           .took = 250ms,
                                           .layout = {.price_type = PriceType::float32}}));
  EXPECT_EQ(life.get(life.store->experience("lake/")).value().objects, 1u);

  life.get(life.store->take_back(JobStore::Which::all, 9)).value();
  // A new job with batches shares what is there; that has none, and is brought alone.
  auto next = new_job(1, 7);
  next.job_id = job_id(2);
  for (auto& fetch : next.fetches) fetch.batch = "batch";
  next.fetches[4].spec_json = "s4";
  life.get(life.store->create_job(std::move(next))).value();
  std::size_t batched = 0;
  for (const auto& claim :
       life.get(life.store->claim("thetadata", 9, "test", 60s)).value().fetches) {
    batched += claim.batch == "batch" ? 1 : 0;
    if (claim.label == "4") EXPECT_EQ(claim.batch, "");
    if (claim.label == "2" && claim.job_id == id) EXPECT_GT(claim.fence, 7u);
    life.get(life.store->complete(claim.fetch, claim.fence, ended(ItemState::succeeded))).value();
  }
  EXPECT_EQ(batched, 5u) << "of 7: one is the old job's, one waits for an object that it writes";
  for (const auto& claim : life.get(life.store->claim("thetadata", 9, "test", 60s)).value().fetches)
    life.get(life.store->complete(claim.fetch, claim.fence, ended(ItemState::succeeded))).value();
  EXPECT_EQ(life.get(life.store->get_job(id)).value()->state(), JobState::completed_with_errors);
  EXPECT_EQ(life.job(2)->state(), JobState::completed);
}

TEST(SqliteStoreTest, ACallThatFailsHalfWayIsUndoneAloneAndTheOthersOfItsCommitAreNot) {
  const Folder folder;
  const auto path = folder / "jobs.db";
  {
    Life life(path);
    life.get(life.store->create_job(new_job(1, 2))).value();
  }
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
  // A counter that promises a fetch more than there is: the claim trips over it after two.
  ASSERT_EQ(sqlite3_exec(db, "UPDATE job SET pending = 3, ready = 3", nullptr, nullptr, nullptr),
            SQLITE_OK);
  sqlite3_close(db);
  Life life(path);
  std::optional<Result<JobStore::Claims>> claims;
  std::array<std::optional<Result<CreatedJob>>, 2> created;
  life.runtime.run(claim_and_create(life.runtime, *life.store, claims, created));
  ASSERT_FALSE(claims->has_value());
  EXPECT_EQ(claims->error().code, ErrorCode::store_unavailable);
  for (const auto& answer : created) EXPECT_TRUE(answer->has_value());
  EXPECT_TRUE(life.job(11).has_value());
  EXPECT_EQ(life.job(1)->status, JobStatus::pending);
  EXPECT_EQ(life.job(11)->status, JobStatus::pending);
  const auto items = life.get(life.store->list_items(job_id(1), {})).value().items;
  for (const auto& item : items) EXPECT_EQ(item.state, ItemState::pending);
}

TEST(SqliteStoreTest, CallsOfTheSameMomentShareOneCommit) {
  const Folder folder;
  const auto path = folder / "jobs.db";
  Life life(path);
  life.get(life.store->create_job(new_job(1, 0))).value();
  const auto log_size = [&] { return std::filesystem::file_size(path + "-wal"); };
  const auto empty = log_size();
  life.get(life.store->create_job(new_job(2, 0))).value();
  const auto by_one = log_size() - empty;
  std::array<std::optional<Result<CreatedJob>>, 20> answers;
  const auto all = [](Runtime& runtime, JobStore& store, auto& into) -> Task<void> {
    TaskScope scope(runtime);
    for (std::size_t i = 0; i < into.size(); ++i)
      scope.spawn(create_into(store, new_job(100 + i, 0), into[i]));
    co_await scope.close();
  };
  const auto before = log_size();
  const auto commits_before = life.commits("ok");
  const auto calls_before = life.metrics.sum(Metric::store_commit_operations);
  life.runtime.run(all(life.runtime, *life.store, answers));
  EXPECT_EQ(life.commits("ok") - commits_before, 1);
  EXPECT_EQ(life.metrics.sum(Metric::store_commit_operations) - calls_before, 20);
  // A commit of its own for each would write the same pages twenty times over.
  EXPECT_LT(log_size() - before, 3 * by_one);
  for (const auto& answer : answers) EXPECT_TRUE(answer->has_value());
}

// What a life that may end at any moment tells about what it was told is done.
struct Acknowledged {
  enum class What : std::uint8_t { created, ended } what;
  std::uint64_t job;
  std::uint32_t seq;
  ItemState state;
};
constexpr ::ssize_t kRecord = sizeof(Acknowledged);

// Makes jobs and works them off, for ever, telling the pipe whatever has been acknowledged.
[[noreturn]] void work_until_killed(const std::string& path, std::uint64_t first_job, int pipe) {
  Life life(path, first_job);
  const auto tell = [pipe](Acknowledged done) {
    if (::write(pipe, &done, sizeof done) != kRecord) ::_exit(3);
  };
  life.get(life.store->take_back(JobStore::Which::all, 1'000'000)).value();
  std::mt19937_64 chance(first_job);
  for (auto number = first_job;; ++number) {
    life.get(life.store->create_job(new_job(number, 3))).value();
    tell({Acknowledged::What::created, number, 0, {}});
    const auto claims = life.get(life.store->claim("thetadata", 3, "child", 60s)).value();
    for (const auto& claim : claims.fetches) {
      const auto state = chance() % 2 == 0 ? ItemState::succeeded : ItemState::failed;
      life.get(life.store->complete(claim.fetch, claim.fence, ended(state, "broke"))).value();
      // The item's key says whose it is: "lake/{job}/{seq}".
      const auto& key = claim.key.text();
      const auto job = std::stoull(key.substr(5, key.rfind('/') - 5));
      tell({Acknowledged::What::ended, job, claim.seq, state});
    }
  }
}

// Each adds 2.4 MB to the log, of which a checkpoint takes 4 MB.
void create_two_large_jobs(Life& life) {
  for (const std::uint64_t job : {1, 2})
    life.get(life.store->create_job(new_job(job, 20'000))).value();
}

TEST(SqliteStoreTest, TheLogIsBroughtIntoTheFileBehindTheAnswers) {
  const Folder folder;
  const auto path = folder / "jobs.db";
  Life life(path);
  create_two_large_jobs(life);
  EXPECT_GT(std::filesystem::file_size(path + "-wal"), 4'000'000U);
  EXPECT_TRUE(life.job(2).has_value());  // behind the checkpoint
  EXPECT_GT(std::filesystem::file_size(path), 4'000'000U);
  // The next ones lie where the first two did.
  for (const std::uint64_t job : {3, 4, 5, 6})
    life.get(life.store->create_job(new_job(job, 20'000))).value();
  EXPECT_LT(std::filesystem::file_size(path + "-wal"), 8'000'000U);
}

// With the answer behind which a checkpoint comes: it is still on its way, or has just begun.
Task<bool> create_and_drop(std::unique_ptr<JobStore>& store) {
  for (const std::uint64_t job : {1, 2}) (co_await store->create_job(new_job(job, 20'000))).value();
  store.reset();
  co_return true;
}

TEST(SqliteStoreTest, AStoreThatIsDroppedWithTheAnswerLeavesItsCheckpointUndone) {
  for (const std::uint64_t seed : {1, 2, 3}) {
    const Folder folder;
    const auto path = folder / "jobs.db";
    {
      Life life(path, seed);
      life.get(create_and_drop(life.store));
      life.get(sleep_for(life.runtime, 1s));  // in virtual time: whatever was on its way
    }
    Life life(path);
    EXPECT_EQ(life.job(2).value().items.pending, 20'000U);
  }
}

TEST(SqliteStoreTest, WhatWasAcknowledgedIsThereAfterAKillAtAnyMoment) {
  const Folder folder;
  const auto path = folder / "jobs.db";
  std::mt19937_64 chance(11);
  std::vector<Acknowledged> all;
  for (std::uint64_t life_number = 1; life_number <= 15; ++life_number) {
    std::array<int, 2> pipe{};
    ASSERT_EQ(::pipe(pipe.data()), 0);
    const auto child = ::fork();
    if (child == 0) {
      ::close(pipe[0]);
      work_until_killed(path, life_number * 10'000, pipe[1]);
    }
    ::close(pipe[1]);
    const auto kill_after = 1 + chance() % 25;
    std::uint64_t read = 0;
    Acknowledged done{};
    while (::read(pipe[0], &done, sizeof done) == kRecord) {
      all.push_back(done);
      if (++read == kill_after) {
        // Somewhere in the next call: before, in or after its commit.
        for (volatile std::uint64_t spin = chance() % 3'000'000; spin > 0; spin = spin - 1) {
        }
        ::kill(child, SIGKILL);
      }
    }
    ::close(pipe[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself: " << status;
    ASSERT_GE(read, kill_after);

    Life life(path);
    for (const auto& acknowledged : all) {
      const auto job = life.job(acknowledged.job);
      ASSERT_TRUE(job.has_value()) << "job " << acknowledged.job << " is lost";
      const auto items = life.get(life.store->list_items(job->job_id, {})).value().items;
      ItemCounts counted;
      for (const auto& item : items) ++counted.of(item.state);
      ASSERT_EQ(counted, job->items);
      if (acknowledged.what == Acknowledged::What::ended)
        ASSERT_EQ(items.at(acknowledged.seq).state, acknowledged.state);
    }
  }
}

}  // namespace
}  // namespace betedge::jobs
