#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>

#include "betedge/core/dates.hpp"
#include "betedge/core/error.hpp"

struct sqlite3;
struct sqlite3_stmt;

// SQLite's own C interface behind two small owners. Not SQLiteCpp: the store must know after an
// error whether its transaction has survived and what the extended code is, keeps its statements
// prepared, and has to reset one that failed without a second exception: all of which go past that
// wrapper.
namespace betedge::jobs::sqlite {

// What SQLite refused. Thrown inside a transaction only, and ends at its edge as store_unavailable:
// a statement has no other way to fail than one that ends the whole operation.
class Failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class Query;

// A text to bind that outlives the query: SQLite reads it where it lies. Others it copies first.
struct Lasting {
  std::string_view text;
};

// One connection; used by one thread at a time, whichever that is.
class Connection {
 public:
  // Opens or makes the file; ":memory:" lives as long as the connection. store_unavailable when it
  // cannot be opened for writing.
  static Result<Connection> open(const std::string& path);

  // Statements without parameters or rows; several may follow each other. Throws Failure.
  void execute(const std::string& sql);

  // Ends the transaction without its changes, if there is one.
  void roll_back() noexcept;

  // One use of a statement, which stays prepared for the next. `sql` must be a literal, or else
  // live as long as the connection. Throws Failure.
  template <class... Values>
  Query query(std::string_view sql, const Values&... values);

  std::int64_t last_row_id() const;
  // How many rows the last statement changed.
  std::int64_t changes() const;
  // How many rows were changed since the connection was opened, also by what was undone since.
  std::int64_t total_changes() const;
  // The log of the commits, which a checkpoint brings into the file: its pages at the last commit.
  // SQLite does not begin checkpoints by itself here (see SqliteStore).
  int log_pages() const { return *log_pages_; }
  // As far as readers let it; what is left over is the next one's. Never fails: the log is as
  // durable as the file, and a disk that is full or broken says so at the next commit.
  void checkpoint() noexcept;

  // False once SQLite has rolled back by itself (a full disk, an I/O error).
  bool in_transaction() const;

 private:
  friend class Query;
  struct Close {
    void operator()(sqlite3* handle) const;
  };
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  explicit Connection(sqlite3* handle) : handle_(handle) {}
  static int note_commit(void* log_pages, sqlite3* handle, const char* database, int pages);
  sqlite3_stmt* prepared(std::string_view sql);
  [[noreturn]] void refused() const;

  std::unique_ptr<int> log_pages_ = std::make_unique<int>(0);  // where the hook finds it
  std::unique_ptr<sqlite3, Close> handle_;
  // By where their text lies: it is asked for often enough for its comparison to cost something.
  std::unordered_map<const char*, std::unique_ptr<sqlite3_stmt, Finalize>> statements_;
};

// A statement with its values bound; resets itself when dropped. Throws Failure.
class Query {
 public:
  ~Query();
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  // Binds more values, behind those that are bound: for statements of many rows.
  template <class... Values>
  void add(const Values&... values) {
    (bind(++bound_, values), ...);
  }

  // True when there is a row to read.
  bool next();
  // For statements without rows.
  void run() {
    while (next()) {
    }
  }

  // Columns from 0 of the current row.
  bool is_null(int column) const;
  std::int64_t integer(int column) const;
  std::string text(int column) const;
  template <std::integral T>
  T as(int column) const {
    return static_cast<T>(integer(column));
  }
  Timestamp time(int column) const { return Timestamp(std::chrono::microseconds(integer(column))); }
  std::optional<Timestamp> optional_time(int column) const {
    return is_null(column) ? std::nullopt : std::optional(time(column));
  }

 private:
  friend class Connection;
  template <class... Values>
  Query(Connection& connection, sqlite3_stmt* statement, const Values&... values)
      : connection_(connection), statement_(statement) {
    add(values...);
  }

  void bind(int index, std::string_view value);
  void bind(int index, Lasting value);
  void bind(int index, std::nullopt_t);
  void bind(int index, const std::string& value) { bind(index, std::string_view(value)); }
  void bind(int index, Timestamp value) { bind(index, value.time_since_epoch().count()); }
  template <std::integral T>
  void bind(int index, T value) {
    bind_integer(index, static_cast<std::int64_t>(value));
  }
  template <class T>
  void bind(int index, const std::optional<T>& value) {
    if (value) {
      bind(index, *value);
    } else {
      bind(index, std::nullopt);
    }
  }
  void bind_text(int index, std::string_view value, void (*drop)(void*));
  void bind_integer(int index, std::int64_t value);

  Connection& connection_;
  sqlite3_stmt* statement_;
  int bound_ = 0;
};

template <class... Values>
Query Connection::query(std::string_view sql, const Values&... values) {
  return Query(*this, prepared(sql), values...);
}

}  // namespace betedge::jobs::sqlite
