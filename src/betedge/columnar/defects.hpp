#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "betedge/columnar/row_buffer.hpp"

// The vendor's known defects (THETA.md 2.8) as rules, each with a name under which the rows that it
// met are counted in FileSummary::rules and in the file's metadata. What is not said to be dropped
// is kept as it came.
namespace betedge::columnar {

namespace rule {
// An option's eod row of a contract and day that has another with a later `created`: dropped.
inline constexpr std::string_view kDoubledContracts = "doubled_contracts";
// Of these, rows with another value than `created` that differs from the row kept.
inline constexpr std::string_view kConflictingContracts = "conflicting_contracts";
// Rows equal in every column to the row before, and in an option's eod to any other: dropped.
inline constexpr std::string_view kIdenticalTwins = "identical_twins";
// Rows with a time of 86'400'000 ms, the midnight after their day.
inline constexpr std::string_view kMidnightRows = "midnight_rows";
// An option's eod rows without a trade (open, high, low and close are 0) but with a bid or an ask.
inline constexpr std::string_view kQuotedWithoutTrade = "quoted_without_trade";
// A stock's eod rows of which all prices are 0: days on which the vendor has nothing.
inline constexpr std::string_view kZeroSessions = "zero_sessions";
// The underlying's rows in an option's file, when all prices of all of them are 0.
inline constexpr std::string_view kZeroUnderlying = "zero_underlying";
}  // namespace rule

using RuleCounts = std::map<std::string, std::uint64_t>;

// Drops rows that equal the row before, across all that pass through one buffer. Rows of a series
// never have one time twice (intervals are a minute or longer), so nothing else is lost. A list
// that comes a second time after the whole of it is not seen: that would take the whole day in
// memory, and has been seen of eod alone.
class TwinFilter {
 public:
  explicit TwinFilter(std::span<const Column> columns);

  // Looks at the rows that came since the last call; how many it dropped.
  std::uint64_t drop_twins(RowBuffer& rows);
  // The first `count` rows are about to be dropped from the front. Call drop_twins() before.
  void will_drop_front(const RowBuffer& rows, std::size_t count);

 private:
  std::size_t ms_of_day_, date_;
  RowBuffer last_;           // the last row that left the buffer, or none
  std::size_t checked_ = 0;  // rows of the buffer that have been looked at
};

// Counts what stays, batch by batch.
class DefectCounter {
 public:
  DefectCounter(Kind kind, Schema schema, std::span<const Column> columns);

  // The first `count` rows of the buffer.
  void count(const RowBuffer& rows, std::size_t count);
  // Adds the rules that met something.
  void add_to(RuleCounts& rules) const;
  // Of a stock: there were rows, and no price above zero.
  bool is_zero_series() const;

 private:
  bool is_zero_row(const RowBuffer& rows, std::size_t row) const;
  void count_zero_sessions(const RowBuffer& rows, std::size_t count);
  void count_quoted_without_trade(const RowBuffer& rows, std::size_t count);
  void count_underlying(const RowBuffer& rows, std::size_t count);

  Kind kind_;
  Schema schema_;
  std::vector<std::size_t> times_, prices_;  // columns
  std::uint64_t rows_ = 0, midnight_rows_ = 0, zero_sessions_ = 0, quoted_without_trade_ = 0;
  std::uint64_t underlying_rows_ = 0;
  bool has_price_ = false, has_underlying_price_ = false;
};

// The rows of an option's eod object, in the order in which they are written: by day, and within
// one in the order in which the contracts came first, so that a month's answer and its days' make
// the same file. Of a contract's rows of a day the one with the latest `created` is kept, of
// several the first. The dropped ones are counted in `rules`.
std::vector<std::uint32_t> order_contracts(const RowBuffer& rows, RuleCounts& rules);

}  // namespace betedge::columnar
