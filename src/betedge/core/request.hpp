#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "betedge/core/dates.hpp"
#include "betedge/core/error.hpp"

namespace betedge::core {

enum class Kind : std::uint8_t { option, stock };
enum class Schema : std::uint8_t { quote, ohlc, eod };
enum class FileFormat : std::uint8_t { parquet, ipc };
// What to do with an object that is there already.
enum class Existing : std::uint8_t { keep, replace };

std::string_view to_text(Kind kind);          // "option"
std::string_view to_text(Schema schema);      // "quote"
std::string_view to_text(FileFormat format);  // "parquet"; also the file's extension
std::optional<Kind> parse_kind(std::string_view text);
std::optional<Schema> parse_schema(std::string_view text);
std::optional<FileFormat> parse_file_format(std::string_view text);

// An underlying's symbol: upper case, [A-Z0-9^][A-Z0-9.^-]{0,15}, never "." or "..", so that it can
// be one folder of an object key (API.md, Submit).
class Symbol {
 public:
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

// A validated, normalised POST /historical/option or /historical/stock. Equal requests compare
// equal.
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

}  // namespace betedge::core
