// What is known of objects: the one that lies under a key, and the last try that failed to bring
// it.
#include <algorithm>

#include "betedge/jobs/sqlite_transactions.hpp"
#include "betedge/jobs/sqlite_values.hpp"

namespace betedge::jobs::sqlite {

namespace {

#define BETEDGE_OBJECT_COLUMNS                                                               \
  "object_key, what, size_bytes, rows, sha256, covers_through, schema_version, written_at, " \
  "took_ms, column_style, price_type, reason, missing_sessions"

// A row of which only a failure is known is none.
std::optional<ObjectRecord> read_object(const Query& query) {
  if (query.is_null(1)) return std::nullopt;
  return ObjectRecord{.key = read_key(query.text(0)),
                      .what = static_cast<ObjectRecord::What>(query.integer(1)),
                      .size_bytes = query.as<std::uint64_t>(2),
                      .rows = query.as<std::uint64_t>(3),
                      .sha256 = query.text(4),
                      .covers_through = Date(std::chrono::days(query.integer(5))),
                      .schema_version = query.as<int>(6),
                      .written_at = query.time(7),
                      .took = std::chrono::milliseconds(query.integer(8)),
                      .layout = {.columns = static_cast<ColumnStyle>(query.integer(9)),
                                 .price_type = static_cast<PriceType>(query.integer(10))},
                      .reason = query.text(11),
                      .missing_sessions = read_dates(query.text(12))};
}

}  // namespace

// Whatever was known of the key, a failure too, makes way.
void Transactions::record(const ObjectRecord& object) {
  db_.query("INSERT OR REPLACE INTO object (" BETEDGE_OBJECT_COLUMNS
            ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            object.key.text(), number(object.what), object.size_bytes, object.rows, object.sha256,
            object.covers_through.time_since_epoch().count(), object.schema_version,
            object.written_at, object.took.count(), number(object.layout.columns),
            number(object.layout.price_type), object.reason, dates_text(object.missing_sessions))
      .run();
}

// What is known of the object itself stays.
void Transactions::record_failure(FetchId fetch, const std::string& error, Moment now) {
  db_.query(
         "INSERT INTO object (object_key, what, size_bytes, rows, sha256, covers_through, "
         "schema_version, written_at, error, failed_at) "
         "SELECT object_key, NULL, 0, 0, '', 0, 0, 0, ?, ? FROM fetch WHERE id = ? "
         "ON CONFLICT (object_key) DO UPDATE SET error = excluded.error, "
         "failed_at = excluded.failed_at",
         error, now.wall, fetch)
      .run();
}

Result<std::optional<ObjectRecord>> Transactions::find_object(const ObjectKey& key) {
  auto query =
      db_.query("SELECT " BETEDGE_OBJECT_COLUMNS " FROM object WHERE object_key = ?", key.text());
  if (!query.next()) return std::nullopt;
  return read_object(query);
}

Result<void> Transactions::record_object(const ObjectRecord& object) {
  record(object);
  return {};
}

Result<KnownKeyPage> Transactions::list_known(const std::string& prefix, const std::string& after,
                                              std::size_t limit) {
  // From there on in byte order; what begins otherwise comes behind all that begins so.
  auto query = db_.query("SELECT " BETEDGE_OBJECT_COLUMNS
                         ", error, failed_at FROM object WHERE object_key >= ? ORDER BY object_key",
                         std::max(prefix, after));
  KnownKeyPage page;
  while (query.next()) {
    auto key = query.text(0);
    if (!key.starts_with(prefix)) break;
    if (key == after) continue;
    if (page.keys.size() == limit) {
      page.next_after = page.keys.empty() ? after : page.keys.back().key.text();
      break;
    }
    KnownKey known{.key = read_key(key), .object = read_object(query), .failure = {}};
    if (!query.is_null(13))
      known.failure = FailureRecord{.error = query.text(13), .failed_at = query.time(14)};
    page.keys.push_back(std::move(known));
  }
  return page;
}

Result<Experience> Transactions::experience(const std::string& key_prefix) {
  auto query = db_.query(
      "SELECT count(*), coalesce(sum(size_bytes), 0), coalesce(sum(took_ms), 0) FROM object "
      "WHERE object_key >= ? AND object_key < ? AND what = 0",
      key_prefix, key_prefix + "\x7f");  // keys of ours are ASCII: nothing sorts behind it
  Experience found;
  if (!query.next()) return found;
  found.objects = query.as<std::uint64_t>(0);
  if (found.objects == 0) return found;
  const auto objects = static_cast<double>(found.objects);
  found.mean_bytes = static_cast<double>(query.integer(1)) / objects;
  found.mean_seconds = static_cast<double>(query.integer(2)) / 1000 / objects;
  return found;
}

}  // namespace betedge::jobs::sqlite
