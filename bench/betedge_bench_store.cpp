// The job store beside SQLite by hand (bench/store_rows.py drives both, in turns). Each prints the
// seconds that it took:
//
//   betedge_bench_store create ours|raw FILE JOBS ITEMS
//     so many jobs of so many items into a new store, one commit a job
//   betedge_bench_store claims ours|raw FILE ITEMS
//     the items of a job claimed and completed, a hundred to a commit; making the job is not
//     counted
//   betedge_bench_store fill FILE JOBS ITEMS waiting|ended
//     jobs for a server to know; ended ones were cancelled, which is the quickest end
//
// By hand is one table of the same items with the same texts, a counter for progress, a record of
// each object, and what a queue cannot do without: a fence and a lease.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <sqlite3.h>

#include "betedge/jobs/sqlite_store.hpp"
#include "betedge/net/asio_runtime.hpp"
#include "betedge/ports/async.hpp"
#include "betedge/wire/fetch_spec.hpp"

namespace betedge {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kOperationsACommit = 100;
constexpr std::string_view kSha =
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

[[noreturn]] void give_up(std::string_view why) {
  fmt::print(stderr, "{}\n", why);
  std::exit(1);
}

template <class T>
T value_of(Result<T> result) {
  if (!result) give_up(result.error().message);
  return *std::move(result);
}

std::string symbol(std::size_t number) {
  std::string text = "AAAAA";
  for (auto at = text.rbegin(); at != text.rend() && number > 0; ++at, number /= 26)
    *at = static_cast<char>('A' + number % 26);
  return text;
}

// As a plan makes them: the days of a year of one symbol, as many symbols as it takes.
std::vector<NewFetch> fetches_of(std::size_t first_symbol, std::size_t items) {
  constexpr std::size_t kDays = 252;
  std::vector<NewFetch> fetches;
  fetches.reserve(items);
  for (std::size_t i = 0; i < items; ++i) {
    const auto root = core::Symbol::parse(symbol(first_symbol + i / kDays)).value();
    const auto day =
        std::chrono::sys_days(std::chrono::year{2024} / 1 / 1) + std::chrono::days(i % kDays);
    const auto date = to_yyyymmdd_text(day);
    const core::HistoricalRequest request{.kind = core::Kind::option,
                                          .root = root,
                                          .dates = {day, day},
                                          .schema = core::Schema::quote,
                                          .interval = std::chrono::minutes(15)};
    core::Call call{.kind = request.kind,
                    .schema = request.schema,
                    .root = root,
                    .dates = request.dates,
                    .interval = request.interval};
    core::PlannedItem item{
        .key = value_of(ObjectKey::parse(
            fmt::format("historical-options/quote/15m/all/{}/{}/{}/{}/data.parquet", root.text(),
                        date.substr(0, 4), date.substr(4, 2), date.substr(6, 2)))),
        .covers = request.dates,
        .calls = {call}};
    call.kind = core::Kind::stock;
    call.role = core::Role::underlying;
    item.calls.push_back(call);
    auto key = item.key;
    fetches.push_back({std::move(key), date, wire::to_json({request, std::move(item)})});
  }
  return fetches;
}

NewJob job_of(Runtime& runtime, std::size_t first_symbol, std::size_t items) {
  NewJob job;
  job.created_at = runtime.wall_now();
  job.job_id = JobId::make(job.created_at, {runtime.random_bits(), runtime.random_bits()});
  job.request_json = fmt::format(
      R"({{"kind":"option","root":"{}","start_date":"20240101","end_date":"20241231",)"
      R"("schema":"quote","interval":900000,"return_format":"parquet","start_time":null,)"
      R"("end_time":null,"mode":"skip","force_refresh":false}})",
      symbol(first_symbol));
  job.fetches = fetches_of(first_symbol, items);
  return job;
}

double seconds_since(Clock::time_point began) {
  return std::chrono::duration<double>(Clock::now() - began).count();
}

// --- ours

Task<void> create_ours(Runtime& runtime, JobStore& store, std::size_t jobs, std::size_t items,
                       double& seconds) {
  for (std::size_t i = 0; i < jobs; ++i) {
    auto job = job_of(runtime, i * (1 + items / 252), items);
    const auto began = Clock::now();
    value_of(co_await store.create_job(std::move(job)));
    seconds += seconds_since(began);
  }
}

Task<void> complete_ours(JobStore& store, const ClaimedFetch& claim) {
  FetchOutcome outcome;
  outcome.state = ItemState::succeeded;
  outcome.rows = 52'000;
  outcome.bytes = 300'000;
  outcome.sha256 = kSha;
  outcome.object = ObjectRecord{.key = claim.key,
                                .size_bytes = outcome.bytes,
                                .rows = outcome.rows,
                                .sha256 = outcome.sha256,
                                .schema_version = 2};
  value_of(co_await store.complete(claim.fetch, claim.fence, std::move(outcome)));
}

Task<void> claims_ours(Runtime& runtime, JobStore& store, std::size_t items, double& seconds) {
  value_of(co_await store.create_job(job_of(runtime, 0, items)));
  const auto began = Clock::now();
  for (std::size_t done = 0; done < items;) {
    const auto claims = value_of(
        co_await store.claim("thetadata", kOperationsACommit, "bench", std::chrono::minutes(1)));
    TaskScope together(runtime);  // into one commit
    for (const auto& claim : claims.fetches) together.spawn(complete_ours(store, claim));
    co_await together.close();
    done += claims.fetches.size();
  }
  seconds = seconds_since(began);
}

Task<void> fill(Runtime& runtime, JobStore& store, std::size_t jobs, std::size_t items,
                bool are_ended) {
  for (std::size_t i = 0; i < jobs; ++i) {
    auto job = job_of(runtime, i * (1 + items / 252), items);
    const auto id = job.job_id;
    value_of(co_await store.create_job(std::move(job)));
    if (are_ended) value_of(co_await store.cancel_job(id));
  }
}

// --- by hand

class Raw {
 public:
  explicit Raw(const std::string& path) {
    if (sqlite3_open(path.c_str(), &db_) != SQLITE_OK) refused();
    run("PRAGMA journal_mode = WAL");
    run("PRAGMA synchronous = FULL");
    run("CREATE TABLE job (id INTEGER PRIMARY KEY, job_id TEXT UNIQUE, request TEXT, done "
        "INTEGER)");
    run("CREATE TABLE item (id INTEGER PRIMARY KEY, job INTEGER, object_key TEXT, label TEXT, spec "
        "TEXT, state INTEGER DEFAULT 0, fence INTEGER DEFAULT 0, lease_until INTEGER, rows "
        "INTEGER, "
        "bytes INTEGER, sha256 TEXT)");
    run("CREATE TABLE object (object_key TEXT PRIMARY KEY, size_bytes INTEGER, rows INTEGER, "
        "sha256 "
        "TEXT, written_at INTEGER) WITHOUT ROWID");
    run("CREATE INDEX item_ready ON item (id) WHERE state = 0");
  }
  ~Raw() {
    for (auto* statement : {insert_job_, insert_item_, claim_, complete_, record_, progress_})
      sqlite3_finalize(statement);
    sqlite3_close(db_);
  }
  Raw(const Raw&) = delete;
  Raw& operator=(const Raw&) = delete;

  void create(const NewJob& job) {
    prepare(insert_job_, "INSERT INTO job (job_id, request, done) VALUES (?, ?, 0)");
    prepare(insert_item_, "INSERT INTO item (job, object_key, label, spec) VALUES (?, ?, ?, ?)");
    run("BEGIN IMMEDIATE");
    const auto id = job.job_id.text();
    bind(insert_job_, 1, id);
    bind(insert_job_, 2, job.request_json);
    step(insert_job_);
    const auto number = sqlite3_last_insert_rowid(db_);
    for (const auto& fetch : job.fetches) {
      sqlite3_bind_int64(insert_item_, 1, number);
      bind(insert_item_, 2, fetch.key.text());
      bind(insert_item_, 3, fetch.label);
      bind(insert_item_, 4, fetch.spec_json);
      step(insert_item_);
    }
    run("COMMIT");
  }

  void claim_and_complete(std::size_t items) {
    prepare(claim_,
            "UPDATE item SET state = 1, fence = fence + 1, lease_until = ? WHERE id = (SELECT id "
            "FROM item WHERE state = 0 ORDER BY id LIMIT 1) RETURNING id, fence, job, object_key, "
            "spec");
    prepare(complete_,
            "UPDATE item SET state = 2, lease_until = NULL, rows = ?, bytes = ?, sha256 = ? "
            "WHERE id = ? AND fence = ? AND state = 1");
    prepare(record_,
            "INSERT OR REPLACE INTO object VALUES (?, 300000, 52000, ?, 1700000000000000)");
    prepare(progress_, "UPDATE job SET done = done + 1 WHERE id = ?");
    struct Claim {
      std::int64_t id, fence, job;
      std::string key, spec;
    };
    for (std::size_t done = 0; done < items;) {
      std::vector<Claim> claims;
      run("BEGIN IMMEDIATE");
      while (claims.size() < kOperationsACommit && done + claims.size() < items) {
        sqlite3_bind_int64(claim_, 1, 1'700'000'000'000'000);
        if (sqlite3_step(claim_) != SQLITE_ROW) refused();
        claims.push_back({sqlite3_column_int64(claim_, 0), sqlite3_column_int64(claim_, 1),
                          sqlite3_column_int64(claim_, 2), text(claim_, 3), text(claim_, 4)});
        step(claim_);
      }
      run("COMMIT");
      run("BEGIN IMMEDIATE");
      for (const auto& claim : claims) {
        sqlite3_bind_int64(complete_, 1, 52'000);
        sqlite3_bind_int64(complete_, 2, 300'000);
        bind(complete_, 3, kSha);
        sqlite3_bind_int64(complete_, 4, claim.id);
        sqlite3_bind_int64(complete_, 5, claim.fence);
        step(complete_);
        bind(record_, 1, claim.key);
        bind(record_, 2, kSha);
        step(record_);
        sqlite3_bind_int64(progress_, 1, claim.job);
        step(progress_);
      }
      run("COMMIT");
      done += claims.size();
    }
  }

 private:
  [[noreturn]] void refused() { give_up(sqlite3_errmsg(db_)); }
  void run(const char* sql) {
    if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) refused();
  }
  void prepare(sqlite3_stmt*& statement, const char* sql) {
    if (statement == nullptr && sqlite3_prepare_v2(db_, sql, -1, &statement, nullptr) != SQLITE_OK)
      refused();
  }
  static void bind(sqlite3_stmt* statement, int index, std::string_view value) {
    sqlite3_bind_text(statement, index, value.data(), static_cast<int>(value.size()),
                      SQLITE_STATIC);
  }
  static std::string text(sqlite3_stmt* statement, int column) {
    return reinterpret_cast<const char*>(sqlite3_column_text(statement, column));
  }
  void step(sqlite3_stmt* statement) {
    if (sqlite3_step(statement) != SQLITE_DONE) refused();
    sqlite3_reset(statement);
  }

  sqlite3* db_ = nullptr;
  sqlite3_stmt* insert_job_ = nullptr;
  sqlite3_stmt* insert_item_ = nullptr;
  sqlite3_stmt* claim_ = nullptr;
  sqlite3_stmt* complete_ = nullptr;
  sqlite3_stmt* record_ = nullptr;
  sqlite3_stmt* progress_ = nullptr;
};

int main_of(std::span<char*> arguments) {
  const std::vector<std::string_view> words(arguments.begin() + 1, arguments.end());
  const auto number = [&](std::size_t at) {
    return at < words.size() ? static_cast<std::size_t>(std::atoll(words[at].data())) : 0;
  };
  net::AsioRuntime runtime(1, 1);
  double seconds = 0;
  if (words.size() == 5 && words[0] == "fill") {
    const auto store = value_of(jobs::open_sqlite_store(runtime, std::string(words[1])));
    runtime.run(fill(runtime, *store, number(2), number(3), words[4] == "ended"));
    return 0;
  }
  const bool is_create = words.size() == 5 && words[0] == "create";
  const bool is_claims = words.size() == 4 && words[0] == "claims";
  if ((!is_create && !is_claims) || (words[1] != "ours" && words[1] != "raw")) {
    fmt::print(stderr,
               "usage: betedge_bench_store create ours|raw FILE JOBS ITEMS\n"
               "       betedge_bench_store claims ours|raw FILE ITEMS\n"
               "       betedge_bench_store fill FILE JOBS ITEMS waiting|ended\n");
    return 2;
  }
  const std::string file(words[2]);
  if (words[1] == "ours") {
    const auto store = value_of(jobs::open_sqlite_store(runtime, file));
    runtime.run(is_create ? create_ours(runtime, *store, number(3), number(4), seconds)
                          : claims_ours(runtime, *store, number(3), seconds));
  } else {
    Raw raw(file);
    for (std::size_t i = 0; i < (is_create ? number(3) : 1); ++i) {
      const auto items = is_create ? number(4) : number(3);
      const auto job = job_of(runtime, i * (1 + items / 252), items);
      const auto began = Clock::now();
      raw.create(job);
      seconds += seconds_since(began);
    }
    if (is_claims) {
      const auto began = Clock::now();
      raw.claim_and_complete(number(3));
      seconds = seconds_since(began);
    }
  }
  fmt::print("{:.6f}\n", seconds);
  return 0;
}

}  // namespace
}  // namespace betedge

int main(int count, char** arguments) {
  return betedge::main_of({arguments, static_cast<std::size_t>(count)});
}
