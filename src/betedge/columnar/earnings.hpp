#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "betedge/core/dates.hpp"
#include "betedge/core/error.hpp"

namespace betedge::columnar {

// One company's line in NASDAQ's earnings calendar, as the file has it (DESIGN.md 10). What NASDAQ
// says of a day that is over (eps, surprise) and of one still to come (last year's) is one table;
// what an answer does not have is null.
struct EarningsRow {
  std::string symbol;                  // trimmed, upper case
  std::optional<std::string> name;     // trimmed
  std::optional<std::string> time;     // "time-pre-market"; null for "time-not-supplied"
  std::optional<double> eps;           // dollars
  std::optional<double> eps_forecast;  // dollars
  std::optional<double> surprise_pct;
  std::optional<std::int64_t> market_cap;            // whole dollars
  std::optional<std::string> fiscal_quarter_ending;  // "Sep/2023"
  std::optional<std::int64_t> num_estimates;
  std::optional<double> last_year_eps;               // dollars
  std::optional<std::string> last_year_report_date;  // "2023-05-08"

  friend bool operator==(const EarningsRow&, const EarningsRow&) = default;
};

struct EarningsDay {
  std::vector<EarningsRow> rows;  // in the order of the answer
  // A symbol that comes twice with the same values is taken once; with other values both are kept.
  std::uint64_t repeated_rows = 0;     // left out for that reason
  std::uint64_t conflicting_rows = 0;  // kept beside another of their symbol
};

// Reads the whole body of one day's answer (THETA.md 4). A day without rows is an answer: `rows`
// null or empty, or no `data` and a status in the body that says so. upstream_garbled, with the
// day, the symbol, the field and the value, when it is anything else that we do not know: a value
// of another form, a row without its symbol or a field, another day's rows, a web page, half a
// body. Nothing is turned into a null but the vendor's own words for it: "", "N/A", "NA", "--".
Result<EarningsDay> parse_earnings_day(Date day, std::string_view body);

}  // namespace betedge::columnar
