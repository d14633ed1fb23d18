#include "betedge/jobs/sqlite_connection.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

namespace betedge::jobs::sqlite {

namespace {

// What a person needs: SQLite's sentence, and the extended code to look up.
std::string explain(sqlite3* handle) {
  return fmt::format("{} (SQLite {})", sqlite3_errmsg(handle), sqlite3_extended_errcode(handle));
}

}  // namespace

void Connection::Close::operator()(sqlite3* handle) const {
  sqlite3_close_v2(handle);
}
void Connection::Finalize::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

Result<Connection> Connection::open(const std::string& path) {
  // Statistics that nobody reads, at the price of a lock for each piece of memory. Refused, and of
  // no matter, once SQLite is in use.
  sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  sqlite3* handle = nullptr;
  const int answer = sqlite3_open_v2(
      path.c_str(), &handle,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
      nullptr);
  Connection connection(handle);  // SQLite makes a handle for most failures too
  if (answer != SQLITE_OK)
    return fail(ErrorCode::store_unavailable,
                handle == nullptr ? "out of memory" : explain(handle));
  // SQLite opens a write-protected file for reading without a word.
  if (sqlite3_db_readonly(handle, "main") == 1)
    return fail(ErrorCode::store_unavailable, "the file is write-protected");
  sqlite3_wal_hook(handle, note_commit, connection.log_pages_.get());
  return connection;
}

// In place of SQLite's own hook, which checkpoints inside of the commit.
int Connection::note_commit(void* log_pages, sqlite3*, const char*, int pages) {
  *static_cast<int*>(log_pages) = pages;
  return SQLITE_OK;
}

void Connection::checkpoint() noexcept {
  sqlite3_wal_checkpoint_v2(handle_.get(), nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  *log_pages_ = 0;
}

void Connection::execute(const std::string& sql) {
  if (sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) refused();
}

void Connection::roll_back() noexcept {
  // SQLite has often done so already; that it then says no is no news.
  sqlite3_exec(handle_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
}

std::int64_t Connection::last_row_id() const {
  return sqlite3_last_insert_rowid(handle_.get());
}
std::int64_t Connection::changes() const {
  return sqlite3_changes64(handle_.get());
}
std::int64_t Connection::total_changes() const {
  return sqlite3_total_changes64(handle_.get());
}
bool Connection::in_transaction() const {
  return sqlite3_get_autocommit(handle_.get()) == 0;
}

sqlite3_stmt* Connection::prepared(std::string_view sql) {
  const auto found = statements_.find(sql.data());
  if (found != statements_.end()) return found->second.get();
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v3(handle_.get(), sql.data(), static_cast<int>(sql.size()),
                         SQLITE_PREPARE_PERSISTENT, &statement, nullptr) != SQLITE_OK)
    refused();
  statements_.emplace(sql.data(), statement);
  return statement;
}

void Connection::refused() const {
  throw Failure(explain(handle_.get()));
}

Query::~Query() {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

bool Query::next() {
  const int answer = sqlite3_step(statement_);
  if (answer == SQLITE_ROW) return true;
  if (answer != SQLITE_DONE) connection_.refused();
  return false;
}

bool Query::is_null(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}
std::int64_t Query::integer(int column) const {
  return sqlite3_column_int64(statement_, column);
}
std::string Query::text(int column) const {
  const void* bytes = sqlite3_column_blob(statement_, column);  // text as it lies there
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
  return bytes == nullptr ? std::string() : std::string(static_cast<const char*>(bytes), size);
}

void Query::bind(int index, std::string_view value) {
  bind_text(index, value, reinterpret_cast<void (*)(void*)>(-1));  // SQLITE_TRANSIENT
}
void Query::bind(int index, Lasting value) {
  bind_text(index, value.text, nullptr);  // SQLITE_STATIC
}
void Query::bind_text(int index, std::string_view value, void (*drop)(void*)) {
  // An empty view may point nowhere, which SQLite would take for NULL.
  const char* bytes = value.empty() ? "" : value.data();
  if (sqlite3_bind_text64(statement_, index, bytes, value.size(), drop, SQLITE_UTF8) != SQLITE_OK)
    connection_.refused();
}
void Query::bind(int index, std::nullopt_t) {
  if (sqlite3_bind_null(statement_, index) != SQLITE_OK) connection_.refused();
}
void Query::bind_integer(int index, std::int64_t value) {
  if (sqlite3_bind_int64(statement_, index, value) != SQLITE_OK) connection_.refused();
}

}  // namespace betedge::jobs::sqlite
