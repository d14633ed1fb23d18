#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "betedge/columnar/object_encoder.hpp"

// Tables of invented values, and the same table as each wire form would bring it.
namespace betedge::columnar::testing {

// A table's cells as text, in the columns of the file: "34200000", "12.34", "AAPL", "20240119",
// "187500" (thousandths), "C".
struct Table {
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;

  const std::string& cell(std::size_t row, std::string_view column) const;
};

inline constexpr std::uint32_t kFirstDay = 20240102;
inline constexpr std::uint32_t kLastDay = 20240105;

// The request and the call for these tables, all of root "ABC" and of the days above.
HistoricalRequest request_for(Kind kind, Schema schema, FileFormat format = FileFormat::parquet);
Call call_for(Kind kind, Schema schema);
ObjectSpec spec_for(const HistoricalRequest& request);

// Rows contract by contract (or a stock's), with numbers and prices of every size; of quotes and
// bars half repeat the row before.
Table random_table(Kind kind, Schema schema, std::size_t contracts, std::size_t rows_of_each,
                   std::mt19937_64& random);

struct Style {
  bool crlf = false;
  bool quotes = false;        // around texts, in v3
  bool more_columns = false;  // such as vwap
  bool page_headers = true;   // of v2 CSV, from the second page on
  bool spaces = false;        // in JSON
  bool contract_first = false;
};

// The table's rows [from, to) as one document.
std::string as_v3_csv(const Table& table, std::size_t from, std::size_t to, Style style = {});
std::string as_v2_csv(const Table& table, std::size_t from, std::size_t to, Style style = {});
std::string as_v2_json(const Table& table, std::size_t from, std::size_t to, Style style = {});

struct Encoded {
  Bytes bytes;
  FileSummary summary;
};

// Feeds the documents as one answer, cut into pieces of the lengths that `next_length` gives.
Result<Encoded> encode(const HistoricalRequest& request, const Call& call, WireFormat format,
                       const std::vector<std::string>& documents,
                       const std::function<std::size_t()>& next_length);
// The same, each document whole.
Result<Encoded> encode(const HistoricalRequest& request, const Call& call, WireFormat format,
                       const std::vector<std::string>& documents);

}  // namespace betedge::columnar::testing
