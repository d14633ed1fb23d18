#include "betedge/jobs/sqlite_schema.hpp"

#include <fmt/format.h>

#include <array>
#include <string>

namespace betedge::jobs::sqlite {

namespace {

// "bted" in the file's header: how we know a database for ours.
constexpr std::int64_t kApplicationId = 0x62746564;

// Numbers stand for core's enums, in their order: item.state 0 pending, 1 running, 5 failed;
// job.status 0 pending, 1 running. Times are microseconds since 1970.
//
// item.run_at is NULL while nothing but its turn keeps a pending fetch back; one that waits for its
// time has it in run_at, and is not counted in job.ready. So claiming looks at two short indexes,
// however long the job or the list of old jobs is. Fetch ids are never used twice: an old fence
// must not fit a new fetch.
constexpr std::array<std::string_view, 1> kSteps = {R"sql(
CREATE TABLE job (
  id INTEGER PRIMARY KEY,
  job_id TEXT NOT NULL UNIQUE,
  status INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  started_at INTEGER,
  finished_at INTEGER,
  version INTEGER NOT NULL,
  pending INTEGER NOT NULL CHECK (pending >= 0),
  running INTEGER NOT NULL CHECK (running >= 0),
  succeeded INTEGER NOT NULL,
  skipped INTEGER NOT NULL,
  no_data INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  cancelled INTEGER NOT NULL,
  ready INTEGER NOT NULL CHECK (ready BETWEEN 0 AND pending),
  last_served INTEGER NOT NULL DEFAULT 0,
  rows INTEGER NOT NULL DEFAULT 0,
  bytes INTEGER NOT NULL DEFAULT 0,
  error_message TEXT,
  request_json TEXT NOT NULL,
  warnings TEXT NOT NULL,
  not_yet_available TEXT NOT NULL
) STRICT;
CREATE INDEX job_to_serve ON job (running, last_served, id) WHERE ready > 0;
CREATE INDEX job_by_time ON job (created_at, id);
CREATE INDEX job_by_status ON job (status, created_at, id);

CREATE TABLE item (
  fetch INTEGER PRIMARY KEY AUTOINCREMENT,
  job INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,
  seq INTEGER NOT NULL,
  object_key TEXT NOT NULL,
  label TEXT NOT NULL,
  spec TEXT NOT NULL,
  state INTEGER NOT NULL DEFAULT 0,
  attempts INTEGER NOT NULL DEFAULT 0,
  crashes INTEGER NOT NULL DEFAULT 0,
  fence INTEGER NOT NULL DEFAULT 0,
  run_at INTEGER,
  lease_until INTEGER,
  lease_owner TEXT,
  rows INTEGER NOT NULL DEFAULT 0,
  bytes INTEGER NOT NULL DEFAULT 0,
  sha256 TEXT NOT NULL DEFAULT '',
  error TEXT NOT NULL DEFAULT '',
  note TEXT NOT NULL DEFAULT '',
  UNIQUE (job, seq),
  CHECK ((state = 1) = (lease_until IS NOT NULL)),
  CHECK (state = 0 OR run_at IS NULL)
) STRICT;
CREATE INDEX item_ready ON item (job, seq) WHERE state = 0 AND run_at IS NULL;
CREATE INDEX item_waiting ON item (run_at) WHERE state = 0 AND run_at IS NOT NULL;
CREATE INDEX item_leased ON item (lease_until) WHERE state = 1;
CREATE INDEX item_failed ON item (job, seq) WHERE state = 5;

CREATE TABLE object (
  object_key TEXT PRIMARY KEY,
  size_bytes INTEGER NOT NULL,
  rows INTEGER NOT NULL,
  sha256 TEXT NOT NULL,
  covers_through INTEGER NOT NULL,  -- days since 1970
  schema_version INTEGER NOT NULL,
  written_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
)sql"};

std::int64_t number(Connection& connection, std::string_view sql) {
  auto query = connection.query(sql);
  return query.next() ? query.integer(0) : 0;
}

}  // namespace

std::span<const std::string_view> schema_steps() {
  return kSteps;
}

Result<void> migrate(Connection& connection, std::span<const std::string_view> steps) {
  try {
    connection.execute("BEGIN IMMEDIATE");
    const auto version = number(connection, "PRAGMA user_version");
    const auto application = number(connection, "PRAGMA application_id");
    const auto tables = number(connection, "SELECT count(*) FROM sqlite_schema");
    const auto refuse = [&connection](std::string why) {
      connection.roll_back();
      return fail(ErrorCode::store_unavailable, std::move(why));
    };
    if (application != kApplicationId && (tables != 0 || version != 0))
      return refuse("the file is the database of another program");
    if (version < 0 || version > std::ssize(steps))
      return refuse(
          fmt::format("it was written by a newer betedge (store version {}, this one knows {}): "
                      "start that one, or give this one another store",
                      version, steps.size()));
    for (const auto step : steps.subspan(static_cast<std::size_t>(version)))
      connection.execute(std::string(step));
    connection.execute(fmt::format("PRAGMA user_version = {}; PRAGMA application_id = {}; COMMIT",
                                   steps.size(), kApplicationId));
  } catch (const Failure& failure) {
    connection.roll_back();
    return fail(ErrorCode::store_unavailable, failure.what());
  }
  return {};
}

}  // namespace betedge::jobs::sqlite
