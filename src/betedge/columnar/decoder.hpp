#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "betedge/columnar/row_buffer.hpp"
#include "betedge/core/error.hpp"
#include "betedge/core/plan.hpp"
#include "betedge/ports/bytes.hpp"
#include "betedge/ports/source.hpp"

namespace betedge::columnar {

// Rows are handed on in batches of exactly this many, however the bytes were cut.
inline constexpr std::size_t kBatchRows = 65'536;

// Takes the rows of a buffer that is at least one batch long, leaving less than a batch.
class RowSink {
 public:
  virtual ~RowSink() = default;
  virtual Result<void> take_full_batches() = 0;
};

// One answer in one wire form: bytes in, validated rows out into the buffer. Every failure is
// upstream_garbled, with a sentence that says where and what was expected. After an error it is
// only good for dropping.
class Decoder {
 public:
  virtual ~Decoder() = default;
  // The next page begins. Without it the first bytes begin the first one.
  virtual Result<void> begin_document() = 0;
  virtual Result<void> feed(ByteView bytes) = 0;
  virtual Result<void> end_answer() = 0;
  // Input that waits for the rest of its row or contract.
  virtual std::size_t memory_bytes() const = 0;
};

std::unique_ptr<Decoder> make_csv_decoder(const Call& call, WireFormat format, RowBuffer& rows,
                                          RowSink& sink);
std::unique_ptr<Decoder> make_json_decoder(const Call& call, RowBuffer& rows, RowSink& sink);
// Either; `internal` for a form that no terminal sends.
Result<std::unique_ptr<Decoder>> make_decoder(const Call& call, WireFormat format, RowBuffer& rows,
                                              RowSink& sink);

// What the rows of an answer must be, worked out from the call once.
struct AnswerRules {
  AnswerRules(const Call& call, WireFormat format);

  WireFormat format;
  std::string root;
  bool has_contracts;  // each row belongs to a contract; else `right` is the underlying's
  bool is_eod;
  std::uint32_t first_day;  // yyyymmdd, both included
  std::uint32_t last_day;
  std::uint32_t earliest_ms;  // of `ms_of_day`, both included
  std::uint32_t latest_ms;
  std::string what;  // for messages: "v3 CSV of option quote AAPL 20240102"

  bool has_day(std::uint32_t yyyymmdd) const;  // a real day within the call's dates
};

inline constexpr std::uint32_t kLastMsOfDay = 86'400'000;

// What a field of the wire is, and where its value goes.
enum class FieldKind : std::uint8_t {
  root,                // must be the call's
  expiration,          // a day
  strike_dollars,      // v3
  strike_thousandths,  // v2
  right,
  timestamp,   // v3: gives ms_of_day and date
  last_trade,  // v3 eod: gives ms_of_day2
  ms_of_day,
  ms_of_day2,
  date,
  number,
  price,
  ignored,  // a column that the file does not have, such as vwap in a plain one
};

struct Field {
  FieldKind kind;
  std::string name;
  std::size_t column = 0;  // of the buffer; for timestamp that of ms_of_day
};

// Binds the names of a header, in the order of the wire, to the buffer's columns. Fails when a name
// that is needed is missing or comes twice, or when a stock's answer names contracts.
// `contracts_in_rows` is false where the contract is named outside of the rows (v2 JSON).
Result<std::vector<Field>> bind_fields(std::span<const std::string_view> names,
                                       bool contracts_in_rows, const AnswerRules& rules,
                                       const RowBuffer& rows);

// For messages: what a field of this kind should have been.
std::string expectation(FieldKind kind, const AnswerRules& rules);
// At most 40 bytes of it, printable, in quotes.
std::string excerpt(std::string_view text);

// The contract that the rows being read belong to.
struct Contract {
  std::uint32_t expiration = 0;
  std::uint32_t strike = 0;
  std::uint8_t right = RowBuffer::kUnderlying;
};

// Whole texts of contract fields. False when it is not one.
bool parse_expiration(std::string_view text, std::uint32_t& yyyymmdd);
bool parse_strike_dollars(std::string_view text, std::uint32_t& thousandths);
bool parse_strike_thousandths(std::string_view text, std::uint32_t& thousandths);
bool parse_right(std::string_view text, std::uint8_t& right);

// The buffer's columns that no field of the row fills: the root, and the contract where rows have
// none of their own or it is named once for many.
class ConstantColumns {
 public:
  ConstantColumns(const AnswerRules& rules, RowBuffer& rows);
  // Says which columns the rows of this document have.
  void bind(std::span<const Field> fields);
  // The root, and NaN in the columns that may be absent and are.
  void fill_common(std::size_t from, std::size_t to) const;
  // Nothing for a stock file, which has no such columns.
  void fill_contract(std::size_t from, std::size_t to, const Contract& contract) const;

 private:
  RowBuffer& rows_;
  std::optional<std::size_t> root_, expiration_, strike_, right_;
  std::vector<std::size_t> absent_;
  std::uint8_t root_code_ = 0;
};

}  // namespace betedge::columnar
