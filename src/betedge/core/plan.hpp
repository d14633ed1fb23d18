#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "betedge/core/object_key.hpp"
#include "betedge/core/request.hpp"

namespace betedge::core {

// The rows of an upstream call: the instrument's own, or those of the option's underlying, which
// follow in the same file (DESIGN.md 10).
enum class Role : std::uint8_t { primary, underlying };

// One upstream call, in no vendor's words yet. A source translates it into its protocol.
struct Call {
  Kind kind;
  Schema schema;
  Symbol root;
  DateRange dates;
  std::chrono::milliseconds interval{0};  // zero for eod
  Window window{};
  Role role = Role::primary;
  // Of an option's contracts only those that expire then; all when there is none. Never planned: a
  // call that the vendor finds too large is cut so at last (calls.hpp).
  std::optional<Date> expiration{};
  friend bool operator==(const Call&, const Call&) = default;
};

// One object that a job needs.
struct PlannedItem {
  ObjectKey key;
  // The sessions (for earnings: Mondays to Fridays) of the object's period that had ended when it
  // was planned: first and last.
  DateRange covers;
  // The upstream calls that fill it, in the order in which their rows stand in the file.
  std::vector<Call> calls;
};

struct Plan {
  std::vector<PlannedItem> items;  // in date order; each key once
  // Sessions (for earnings: Mondays to Fridays) asked for that have not ended in New York; the
  // first kMostNotYetAvailable of them.
  std::vector<Date> not_yet_available;
};

// About four years: a request into the far future must not make a job of a million dates.
inline constexpr std::size_t kMostNotYetAvailable = 1000;

// What a request needs, given the day it is in New York (a day has ended when New York's date is
// later). A period is planned whole: eod for 10 to 15 March plans March, up to the last session
// that has ended; one of which no day asked for has ended, or no session, is no item. Option eod is
// called day by day (THETA.md 1.3), everything intraday by the day, stock eod by the year in spans
// of at most 365 days (THETA.md 1.9). No call names a day that is no session as its only day. No
// item at all is an answer, not an error: a weekend has none. Earnings are called for every Monday
// to Friday, also where the exchange is closed: companies report all the same. `only`: as a
// Submission's.
Plan plan(const HistoricalRequest& request, Date today, std::span<const DateRange> only = {});

// The plans of all of its requests, one after the other.
Plan plan(const Submission& submission, Date today);

// What has the same text may be brought by one call (NewFetch::batch): a calendar month of a
// stock's intraday objects, alike in all that the call, the files and what is kept depend on:
// "stock/ohlc/1m/AAPL/202401/parquet/skip", a window with its milliseconds as
// "1m@36000000-39600000". Empty for what is a call of its own: a chain is asked for by the day, eod
// is whole periods already, and a month above kMostTicks (calls.hpp) would be too much.
std::string batch_of(const HistoricalRequest& request, const PlannedItem& item);

// The days of the range that an object of this kind has rows of when the market has any: sessions,
// and for earnings Mondays to Fridays.
std::vector<Date> days_with_data(Kind kind, DateRange range);

}  // namespace betedge::core
