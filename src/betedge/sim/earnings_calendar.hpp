#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "betedge/core/dates.hpp"
#include "betedge/core/error.hpp"

// NASDAQ's earnings calendar as the simulator has it (THETA.md 4; docs/simulator.md).
namespace betedge::sim {

inline constexpr std::string_view kEarningsPath = "/api/calendar/earnings";

// What is wrong with a day's rows, on purpose.
enum class EarningsShape : std::uint8_t {
  plain,
  half,          // half of the rows is left away
  twins,         // each row twice
  doubled,       // each symbol twice, the forecast differing
  wrong_header,  // a field that is needed has another name
  columns,       // one field more, that nobody knows
  no_rows,       // the header, and an empty list
  no_data,       // `data` null, and 400 in the body's status
};

// The whole body of a day's answer: a function of the seed, the day and whether it is over on
// `today`. Some 20 rows out of season and 300 within it; none on a weekend or an exchange holiday.
// A day that is over has eps and surprise, any other what is expected and last year's.
std::string earnings_body(std::uint64_t seed, Date day, Date today, EarningsShape shape);

// Recorded days: files 2024-07-01.json of a folder, served byte for byte.
class EarningsReplay {
 public:
  // invalid_request: the folder cannot be read, or holds no such file.
  static Result<std::unique_ptr<EarningsReplay>> open(const std::filesystem::path& folder);
  // nullptr for a day that was not recorded.
  const std::string* body(Date day) const;

 private:
  std::map<Date, std::string> days_;
};

// The body packed as gzip.
std::string gzipped(std::string_view body);

}  // namespace betedge::sim
