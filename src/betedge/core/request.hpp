#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "betedge/core/dates.hpp"
#include "betedge/core/error.hpp"

namespace betedge::core {

enum class Kind : std::uint8_t { option, stock, earnings };
enum class Schema : std::uint8_t { quote, ohlc, eod };
enum class FileFormat : std::uint8_t { parquet, ipc };
// Who brings it: "thetadata", or "nasdaq" for earnings.
std::string_view upstream_of(Kind kind);

// What to do with an object that is there already (API.md, Part 2, `mode`): keep it when it is
// fresh ("skip"); keep it only when our own records say so ("refresh": what an older lake left, or
// somebody else wrote, is downloaded again); download in any case ("force").
enum class Existing : std::uint8_t { keep, refresh, replace };

std::string_view to_text(Kind kind);          // "option"
std::string_view to_text(Schema schema);      // "quote"
std::string_view to_text(FileFormat format);  // "parquet"; also the file's extension
std::string_view to_text(Existing mode);      // "skip", "refresh", "force"
std::optional<Kind> parse_kind(std::string_view text);
std::optional<Schema> parse_schema(std::string_view text);
std::optional<FileFormat> parse_file_format(std::string_view text);
std::optional<Existing> parse_mode(std::string_view text);

// An underlying's symbol: upper case, [A-Z0-9^][A-Z0-9.^-]{0,15}, never "." or "..", so that it can
// be one folder of an object key (API.md, Submit).
class Symbol {
 public:
  // No symbol: earnings are the whole market's.
  Symbol() = default;
  // Upper-cases, then checks. nullopt when the rule above is broken.
  static std::optional<Symbol> parse(std::string_view text);
  const std::string& text() const { return text_; }
  friend auto operator<=>(const Symbol&, const Symbol&) = default;

 private:
  explicit Symbol(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

inline constexpr std::chrono::milliseconds kShortestInterval{60'000};

// The length of a bar or the distance of quotes, exact to the millisecond. "1m", "15m", "1h", "1d";
// any other value exactly: 90000 ms is "90s", 60001 ms is "60001ms".
std::string interval_label(std::chrono::milliseconds interval);

// Part of a trading day, milliseconds since midnight in New York, ends included. A side left out is
// the vendor's default.
struct Window {
  std::optional<std::chrono::milliseconds> start;
  std::optional<std::chrono::milliseconds> end;
  bool is_whole_day() const { return !start && !end; }
  friend bool operator==(const Window&, const Window&) = default;
};

// What is asked of one symbol: a validated, normalised POST /historical/option or
// /historical/stock, or of the whole market: POST /earnings. Equal requests compare equal. Earnings
// have no symbol, are of whole months (`dates` from a first to a last day) and stand under
// Schema::eod, which has neither interval nor window.
struct HistoricalRequest {
  Kind kind;
  Symbol root;
  DateRange dates;
  Schema schema = Schema::quote;
  std::chrono::milliseconds interval{0};  // zero for eod, which has none
  Window window{};
  FileFormat format = FileFormat::parquet;
  Existing existing = Existing::keep;
  friend bool operator==(const HistoricalRequest&, const HistoricalRequest&) = default;
};

inline constexpr std::size_t kMostLabels = 16;
inline constexpr std::size_t kLongestLabelName = 64;    // bytes
inline constexpr std::size_t kLongestLabelValue = 512;  // bytes
inline constexpr int kHighestPriority = 100;            // and the lowest is its negative

// What one call asks for: a job's content.
struct Submission {
  // One a symbol, in the order in which they were sent, alike but for the symbol; at least one.
  std::vector<HistoricalRequest> requests;
  // The caller's own words, for finding the job again.
  std::map<std::string, std::string> labels;
  // Jobs of a higher one are served first.
  int priority = 0;
  // Of what the requests need, only the objects of which a session lies in one of these; all of it
  // when there is none. In order, none overlapping another.
  std::vector<DateRange> only{};
  friend bool operator==(const Submission&, const Submission&) = default;
};

}  // namespace betedge::core
