#include "betedge/jobs/sqlite_schema.hpp"

#include <fmt/format.h>

#include <array>
#include <string>

namespace betedge::jobs::sqlite {

namespace {

// "bted" in the file's header: how we know a database for ours.
constexpr std::int64_t kApplicationId = 0x62746564;

// Numbers stand for core's enums, in their order: item.state 0 pending, 1 running, 5 failed,
// 6 cancelled; job.status 0 pending, 1 running; fetch.state 0 pending, 1 running, 2 ended. Times
// are microseconds since 1970.
//
// An item is ready while its fetch is pending and waits for nothing but its turn; a fetch that
// waits for its time has it in run_at, and its items are not counted in job.ready. So claiming
// looks at two short indexes, however long the job or the list of old jobs is. Fetch ids are never
// used twice: an old fence must not fit a new fetch.
//
// A step that has once been released is never changed; what comes later is a step of its own.
constexpr std::array<std::string_view, 3> kSteps = {R"sql(
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
)sql",
                                                    R"sql(
-- What is claimed, leased and fenced becomes a table of its own, so that several jobs can wait for
-- one fetch.
CREATE TABLE fetch (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
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
  CHECK ((state = 1) = (lease_until IS NOT NULL)),
  CHECK (state = 0 OR run_at IS NULL)
) STRICT;
INSERT INTO fetch SELECT fetch, object_key, label, spec, min(state, 2), attempts, crashes, fence,
  run_at, lease_until, lease_owner, rows, bytes, sha256, error, note FROM item;
CREATE INDEX fetch_active ON fetch (object_key) WHERE state < 2;
CREATE INDEX fetch_waiting ON fetch (run_at) WHERE state = 0 AND run_at IS NOT NULL;
CREATE INDEX fetch_leased ON fetch (lease_until) WHERE state = 1;

ALTER TABLE item RENAME TO item_1;
CREATE TABLE item (
  job INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,
  seq INTEGER NOT NULL,
  fetch INTEGER NOT NULL REFERENCES fetch (id),
  state INTEGER NOT NULL DEFAULT 0,
  ready INTEGER NOT NULL DEFAULT 0,
  ended_version INTEGER NOT NULL DEFAULT 0,
  error TEXT,  -- where it is not its fetch's: the job's as a whole
  PRIMARY KEY (job, seq),
  CHECK (ready = 0 OR state = 0)
) STRICT, WITHOUT ROWID;
INSERT INTO item SELECT i.job, i.seq, i.fetch, i.state, i.state = 0 AND i.run_at IS NULL,
  CASE WHEN i.state > 1 THEN j.version ELSE 0 END, NULL FROM item_1 i JOIN job j ON j.id = i.job;
DROP TABLE item_1;
CREATE INDEX item_ready ON item (job, seq) WHERE ready = 1;
CREATE INDEX item_of_fetch ON item (fetch);
CREATE INDEX item_failed ON item (job, seq) WHERE state = 5;

ALTER TABLE job ADD COLUMN upstream TEXT NOT NULL DEFAULT 'thetadata';
ALTER TABLE job ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN labels TEXT NOT NULL DEFAULT '{}';
ALTER TABLE job ADD COLUMN equal_to TEXT NOT NULL DEFAULT '';
ALTER TABLE job ADD COLUMN cancel_requested INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN retries INTEGER NOT NULL DEFAULT 0;
DROP INDEX job_to_serve;
CREATE INDEX job_to_serve ON job (upstream, priority DESC, running, last_served, id)
  WHERE ready > 0;
CREATE INDEX job_equal ON job (equal_to) WHERE status < 2 AND equal_to <> '';

CREATE TABLE idempotency (
  principal TEXT NOT NULL,
  key TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  job INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (principal, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_expiry ON idempotency (expires_at);
CREATE INDEX idempotency_of_job ON idempotency (job);

ALTER TABLE object ADD COLUMN took_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE object ADD COLUMN price_type INTEGER NOT NULL DEFAULT 0;  -- 0 float64, 1 float32
)sql",
                                                    R"sql(
-- Fetches of one batch are claimed together, but for one that was tried before, or was lost twice
-- with whoever ran it.
ALTER TABLE fetch ADD COLUMN batch TEXT NOT NULL DEFAULT '';
CREATE INDEX fetch_batch ON fetch (batch)
  WHERE state = 0 AND run_at IS NULL AND attempts = 0 AND crashes < 2 AND batch <> '';

-- What is known of a key: of its object, of the last try that failed, or of both. Without an object
-- `what` is NULL, and the numbers say nothing.
ALTER TABLE object ADD COLUMN what INTEGER DEFAULT 0;  -- 0 written, 1 adopted, 2 no_data
ALTER TABLE object ADD COLUMN column_style INTEGER NOT NULL DEFAULT 0;  -- 0 plain, 1 typed
ALTER TABLE object ADD COLUMN reason TEXT NOT NULL DEFAULT '';
ALTER TABLE object ADD COLUMN missing_sessions TEXT NOT NULL DEFAULT '[]';
ALTER TABLE object ADD COLUMN error TEXT CHECK (what IS NOT NULL OR error IS NOT NULL);
ALTER TABLE object ADD COLUMN failed_at INTEGER CHECK ((failed_at IS NULL) = (error IS NULL));
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
