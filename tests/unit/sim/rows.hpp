#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "betedge/sim/data.hpp"

namespace betedge::sim {

using Rows = std::vector<std::pair<Contract, Tick>>;

// Everything a source has for a query.
Rows read_rows(const DataSource& source, const Query& query);

// A small parser of each form, written apart from the renderer: by column name, values back in a
// Tick's units. v3's two timestamps become ms_of_day, ms_of_day2 and date.
Rows parse_csv(std::string_view text, bool is_v3);
// `text`: the whole document, header and all.
Rows parse_json(std::string_view text);

inline Date day(int y, unsigned m, unsigned d) {
  return Date(std::chrono::year{y} / std::chrono::month{m} / std::chrono::day{d});
}

inline Query query_of(Kind kind, Schema schema, std::string symbol, Date first, Date last,
                      std::uint32_t interval_ms = 900'000) {
  Query query;
  query.kind = kind;
  query.schema = schema;
  query.symbol = std::move(symbol);
  query.dates = {first, last};
  query.interval_ms = schema == Schema::eod ? 0 : interval_ms;
  return query;
}

}  // namespace betedge::sim
