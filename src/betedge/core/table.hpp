#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "betedge/core/request.hpp"

namespace betedge::core {

enum class ColumnType : std::uint8_t {
  uint32,
  float64,
  float32,
  text,
  int64,
  // Of the typed layout alone.
  timestamp,  // an instant, to the millisecond, shown as New York's time
  day,        // a calendar day
  dollars,    // a decimal of at most twelve digits, of which three are behind the point
  word,       // a text of which a file has few, many times: a dictionary's
};

// How prices lie in the files of the terminal's data. The Python original's are float32, which
// loses cents above some thousand dollars; a lake that it reads too keeps to that. Numbers of the
// store: not to be reordered.
enum class PriceType : std::uint8_t { float64 = 0, float32 = 1 };
std::string_view to_text(PriceType type);  // "float64"

// How the columns of a file lie (DESIGN.md 10): `plain` as the Python original's, integers for days
// and times; `typed` with timestamps, days and decimals, and what only v3 has. Numbers of the
// store: not to be reordered.
enum class ColumnStyle : std::uint8_t { plain = 0, typed = 1 };
std::string_view to_text(ColumnStyle style);  // "plain"

// What a lake's files look like, beyond what they hold: `lake.columns` and `lake.price_type`.
struct Layout {
  ColumnStyle columns = ColumnStyle::plain;
  PriceType price_type = PriceType::float64;
  friend bool operator==(const Layout&, const Layout&) = default;
};

struct Column {
  std::string_view name;
  ColumnType type;
  bool nullable = false;
};

// Bumped when the columns, their types or their meaning change; written into every file.
inline constexpr int kSchemaVersion = 1;

// The columns of a file in their order (DESIGN.md 10). Stock files are the option's without the
// last four: root, expiration, strike and right. Earnings have one table, whatever the schema and
// the layout.
//
// Typed files (THETA.md 6) have `timestamp` where plain ones have ms_of_day and date; of eod
// `date`, `created` and `last_trade`, null where the day had no trade. `vwap` is null where the
// protocol that brought the rows does not have it; `expiration` and `strike` are null in the
// underlying's rows.
std::span<const Column> columns(Kind kind, Schema schema, Layout layout = {});

// The layout of a file of this kind where `asked` is set: earnings are plain and have float64
// always, as the original's do.
Layout layout_of(Kind kind, Layout asked);

}  // namespace betedge::core
