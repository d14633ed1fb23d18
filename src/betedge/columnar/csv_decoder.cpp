#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "betedge/columnar/decoder.hpp"
#include "betedge/columnar/fields.hpp"

namespace betedge::columnar {

namespace {

// A line has at most some 200 bytes; whatever is longer by far is no CSV.
constexpr std::size_t kLongestLine = std::size_t{64} * 1024;

constexpr std::uint32_t kNoDay = 0xffff'ffff;

bool is_line_end(char c) {
  return c == '\n' || c == '\r';
}

// Splits a line without its end. Quotes may stand around a whole field. nullopt on a stray quote.
std::optional<std::vector<std::string_view>> split_fields(std::string_view line) {
  std::vector<std::string_view> fields;
  std::size_t at = 0;
  while (true) {
    if (at < line.size() && line[at] == '"') {
      const std::size_t close = line.find('"', at + 1);
      if (close == std::string_view::npos) return std::nullopt;
      fields.push_back(line.substr(at + 1, close - at - 1));
      at = close + 1;
    } else {
      const std::size_t comma = std::min(line.find(',', at), line.size());
      fields.push_back(line.substr(at, comma - at));
      if (fields.back().find('"') != std::string_view::npos) return std::nullopt;
      at = comma;
    }
    if (at == line.size()) return fields;
    if (line[at] != ',') return std::nullopt;
    ++at;
  }
}

// ThetaData's CSV of either version: a header line, then rows, ended by LF or CRLF.
//
// Whole lines are decoded where they lie, so that every field is followed by a byte that ends it;
// only a line that two pieces of input share is copied together. What repeats from row to row, the
// leading contract columns and the day of a timestamp, is compared with the row before instead of
// being read again: equal bytes have equal values.
class CsvDecoder final : public Decoder {
 public:
  CsvDecoder(const Call& call, WireFormat format, RowBuffer& rows, RowSink& sink)
      : rules_(call, format), rows_(rows), sink_(sink), constants_(rules_, rows) {
    rows_.reserve(kBatchRows);
  }

  Result<void> begin_document() override {
    if (stage_ != Stage::before_document) BETEDGE_TRY_VOID(end_document());
    stage_ = Stage::header;
    return {};
  }

  Result<void> feed(ByteView bytes) override {
    if (bytes.empty()) return {};
    if (stage_ == Stage::before_document) stage_ = Stage::header;
    std::string_view text = as_text(bytes);
    if (!carry_.empty()) {
      const std::size_t line_end = text.find('\n');
      const std::size_t taken = line_end == std::string_view::npos ? text.size() : line_end + 1;
      if (carry_.size() + taken > kLongestLine) return line_too_long();
      carry_.append(text.substr(0, taken));
      if (line_end == std::string_view::npos) return {};
      text.remove_prefix(taken);
      BETEDGE_TRY_VOID(decode_lines(carry_));
      carry_.clear();
    }
    const std::size_t last_end = text.rfind('\n');
    if (last_end != std::string_view::npos) {
      BETEDGE_TRY_VOID(decode_lines(text.substr(0, last_end + 1)));
      text.remove_prefix(last_end + 1);
    }
    if (text.size() > kLongestLine) return line_too_long();
    carry_.assign(text);
    return {};
  }

  Result<void> end_answer() override {
    BETEDGE_TRY_VOID(end_document());
    if (rows_of_answer_ == 0) return garbled("expected rows, found a header alone");
    return {};
  }

  std::size_t memory_bytes() const override { return carry_.capacity() + line_.capacity(); }

 private:
  enum class Stage : std::uint8_t { before_document, header, rows };

  std::unexpected<Error> garbled(std::string_view message) const {
    return fail(ErrorCode::upstream_garbled, fmt::format("{}: {}", rules_.what, message));
  }

  std::unexpected<Error> line_too_long() const {
    return garbled(
        fmt::format("after row {}: expected lines of CSV, found more than {} bytes without "
                    "a line end",
                    rows_of_answer_, kLongestLine));
  }

  Result<void> end_document() {
    switch (stage_) {
      case Stage::before_document: return garbled("expected CSV, found an empty body");
      case Stage::header:
        if (carry_.empty()) return garbled("expected CSV, found an empty body");
        return garbled(fmt::format("expected CSV with a header line, found {}", excerpt(carry_)));
      case Stage::rows: break;
    }
    if (!carry_.empty()) {
      // A number cut short is a number too, so a last line without its end may have lost digits:
      // but not v2's, whose last field is a day of eight.
      if (fields_.back().kind != FieldKind::date)
        return garbled(fmt::format("ended in the middle of row {}: expected a line end after {}",
                                   rows_of_answer_ + 1, excerpt(carry_)));
      carry_ += '\n';
      BETEDGE_TRY_VOID(decode_lines(carry_));
      carry_.clear();
    }
    blank_line_ = false;
    stage_ = Stage::before_document;
    return {};
  }

  // Whole lines, the last one with its end.
  Result<void> decode_lines(std::string_view text) {
    if (stage_ == Stage::header) {
      const std::size_t line_end = text.find('\n');
      std::string_view line = text.substr(0, line_end);
      if (line.ends_with('\r')) line.remove_suffix(1);
      BETEDGE_TRY(const bool was_header, read_header(line));
      stage_ = Stage::rows;
      if (was_header) text.remove_prefix(line_end + 1);
    }
    return decode_rows(text.data(), text.data() + text.size());
  }

  // Binds the columns. False when the line is a row already: v2 pages after the first may come
  // without a header, and go on with the one before.
  Result<bool> read_header(std::string_view line) {
    if (!header_.empty() && line == header_) return true;
    const auto names = split_fields(line);
    const bool may_be_row = !header_.empty() && rules_.format == WireFormat::v2_csv;
    if (!names) return garbled(fmt::format("expected a header line, found {}", excerpt(line)));
    auto fields = bind_fields(*names, true, rules_, rows_);
    if (!fields) {
      if (may_be_row) return false;
      return std::unexpected(std::move(fields).error());
    }
    header_ = line;
    fields_ = *std::move(fields);
    constants_.bind(fields_);
    leading_ = 0;
    contract_text_.clear();
    if (rules_.has_contracts) {
      const auto names_contract = [](const Field& field) { return field.kind <= FieldKind::right; };
      const auto others = std::ranges::find_if_not(fields_, names_contract);
      const auto leading = static_cast<std::size_t>(others - fields_.begin());
      // Only when all four lead can a row's contract be told from its first bytes.
      if (leading == 4) leading_ = leading;
    }
    return true;
  }

  // The buffer's arrays, which are others after each batch that was taken.
  void find_slots() {
    if (const auto column = rows_.find("date")) date_column_ = rows_.numbers(*column);
    if (const auto column = rows_.find("expiration"); column && rules_.has_contracts) {
      expirations_ = rows_.numbers(*column);
      strikes_ = rows_.numbers(*rows_.find("strike"));
      rights_ = rows_.codes(*rows_.find("right"));
    }
    slots_.clear();
    for (std::size_t i = leading_; i < fields_.size(); ++i) {
      const Field& field = fields_[i];
      slots_.push_back({field.kind,
                        field.kind == FieldKind::price ? nullptr
                        : field.column < rows_.columns().size() &&
                                rows_.columns()[field.column].type == ColumnType::uint32
                            ? rows_.numbers(field.column)
                            : nullptr,
                        field.kind == FieldKind::price ? rows_.prices(field.column) : nullptr});
    }
    find_what_repeats();
  }

  // Which columns are equal in two rows whose bytes after the first field are.
  void find_what_repeats() {
    rest_numbers_.clear();
    rest_prices_.clear();
    can_repeat_ =
        slots_.front().kind == FieldKind::timestamp || slots_.front().kind == FieldKind::ms_of_day;
    for (const Slot& slot : std::span(slots_).subspan(1)) {
      switch (slot.kind) {
        case FieldKind::number:
        case FieldKind::ms_of_day2:
        case FieldKind::date: rest_numbers_.push_back(slot.numbers); break;
        case FieldKind::price: rest_prices_.push_back(slot.prices); break;
        case FieldKind::ignored: break;
        default: can_repeat_ = false;
      }
    }
  }

  Result<void> decode_rows(const char* p, const char* end) {
    find_slots();
    rest_ = nullptr;
    std::size_t row = rows_.size();
    while (p != end) {
      if (is_line_end(*p) || blank_line_) {
        // Blank lines may end a document, nothing else.
        if (*p == '\r') ++p;
        if (*p != '\n') {
          count_rows(row);
          return garbled(fmt::format("row {}: expected a row, found a blank line or {}",
                                     rows_of_answer_ + 1, excerpt(line_at(p, end))));
        }
        blank_line_ = true;
        ++p;
        continue;
      }
      const char* next = decode_row(p, end, row);
      if (next == nullptr) [[unlikely]] {
        if (!decode_quoted_row(line_at(p, end), row)) {
          count_rows(row);
          return explain(line_at(p, end));
        }
        next =
            static_cast<const char*>(std::memchr(p, '\n', static_cast<std::size_t>(end - p))) + 1;
        rest_ = nullptr;
      }
      p = next;
      if (++row == kBatchRows) {
        count_rows(row);
        BETEDGE_TRY_VOID(sink_.take_full_batches());
        find_slots();
        row = rows_.size();
        rest_ = nullptr;
      }
    }
    count_rows(row);
    return {};
  }

  // The rows from the buffer's end to `row` are complete.
  void count_rows(std::size_t row) {
    constants_.fill_common(rows_.size(), row);
    if (!rules_.has_contracts) constants_.fill_contract(rows_.size(), row, {});
    rows_of_answer_ += row - rows_.size();
    rows_.resize(row);
  }

  // One row, from its first byte to past its line end. nullptr when a field is not what it must be;
  // `fault_` then says which.
  const char* decode_row(const char* p, const char* end, std::size_t row) {
    if (leading_ > 0) {
      const auto left = static_cast<std::size_t>(end - p);
      if (!contract_text_.empty() && left > contract_text_.size() &&
          std::memcmp(p, contract_text_.data(), contract_text_.size()) == 0) {
        p += contract_text_.size();
      } else {
        p = read_contract(p);
        if (p == nullptr) return nullptr;
      }
      expirations_[row] = contract_.expiration;
      strikes_[row] = contract_.strike;
      rights_[row] = contract_.right;
    }
    std::uint32_t day = 0, last_trade_day = 0;
    const Slot* slot = slots_.data();
    const Slot* const last = slot + slots_.size() - 1;
    const auto stop = [&] {
      fault_ = leading_ + static_cast<std::size_t>(slot - slots_.data());
      return nullptr;
    };
    p = read_field(p, end, *slot, row, day, last_trade_day);
    if (p == nullptr) return stop();
    const char* const rest = p;
    if (is_rest_of_row_before(rest, end)) {
      for (std::uint32_t* const numbers : rest_numbers_) numbers[row] = numbers[row - 1];
      for (double* const prices : rest_prices_) prices[row] = prices[row - 1];
      rest_ = rest;
      return rest + rest_length_;
    }
    while (slot != last) {
      if (*p != ',') return stop();
      ++slot;
      p = read_field(p + 1, end, *slot, row, day, last_trade_day);
      if (p == nullptr) return stop();
    }
    if (last_trade_day != 0 && last_trade_day != day) {
      fault_ = field_of(FieldKind::last_trade);
      return nullptr;
    }
    if (*p == '\r') ++p;
    if (*p != '\n') {
      fault_ = fields_.size() - 1;
      return nullptr;
    }
    ++p;
    if (can_repeat_) {
      rest_ = rest;
      rest_length_ = static_cast<std::size_t>(p - rest);
    }
    return p;
  }

  // Whether the row goes on, after its first field, with the same bytes as the row before. Half of
  // a day's quotes and more do: a quote stands until there is another.
  bool is_rest_of_row_before(const char* p, const char* end) const {
    return rest_ != nullptr && static_cast<std::size_t>(end - p) >= rest_length_ &&
           std::memcmp(p, rest_, std::min<std::size_t>(8, rest_length_)) == 0 &&
           std::memcmp(p, rest_, rest_length_) == 0;
  }

  struct Slot {
    FieldKind kind;
    std::uint32_t* numbers;
    double* prices;
  };

  [[gnu::always_inline]] const char* read_field(const char* p, const char* end, const Slot& slot,
                                                std::size_t row, std::uint32_t& day,
                                                std::uint32_t& last_trade_day) {
    switch (slot.kind) {
      case FieldKind::number: return read_uint32(p, slot.numbers[row]);
      case FieldKind::price: return read_price(p, slot.prices[row]);
      case FieldKind::timestamp: {
        p = read_date_of_timestamp(p, end, day);
        if (p == nullptr) return nullptr;
        std::uint32_t& ms = slot.numbers[row];
        p = read_time_of_day(p, ms);
        if (p == nullptr || ms < rules_.earliest_ms || ms > rules_.latest_ms) return nullptr;
        date_column_[row] = day;
        return p;
      }
      case FieldKind::last_trade: {
        p = read_day(p, last_trade_day);
        if (p == nullptr || *p != 'T' || last_trade_day == 0) return nullptr;
        return read_time_of_day(p + 1, slot.numbers[row]);
      }
      case FieldKind::ms_of_day: {
        std::uint32_t& ms = slot.numbers[row];
        p = read_uint32(p, ms);
        return p == nullptr || ms < rules_.earliest_ms || ms > rules_.latest_ms ? nullptr : p;
      }
      case FieldKind::ms_of_day2:
        p = read_uint32(p, slot.numbers[row]);
        return p == nullptr || slot.numbers[row] > kLastMsOfDay ? nullptr : p;
      case FieldKind::date: {
        p = read_day(p, day);
        if (p == nullptr || !is_day_of_call(day)) return nullptr;
        slot.numbers[row] = day;
        return p;
      }
      case FieldKind::ignored:
        while (*p != ',' && !is_line_end(*p)) ++p;
        return p;
      case FieldKind::root:
      case FieldKind::expiration:
      case FieldKind::strike_dollars:
      case FieldKind::strike_thousandths:
      case FieldKind::right: {
        p = read_contract_field(p, slot.kind);
        if (p == nullptr || !rules_.has_contracts) return p;
        expirations_[row] = contract_.expiration;
        strikes_[row] = contract_.strike;
        rights_[row] = contract_.right;
        return p;
      }
    }
    return nullptr;
  }

  bool is_day_of_call(std::uint32_t day) {
    if (day == known_day_) return true;
    if (!rules_.has_day(day)) return false;
    known_day_ = day;
    return true;
  }

  // "2024-01-02T"
  const char* read_date_of_timestamp(const char* p, const char* end, std::uint32_t& day) {
    constexpr std::size_t kLength = 11;
    if (static_cast<std::size_t>(end - p) > kLength && timestamp_day_ != 0 &&
        std::memcmp(p, timestamp_text_.data(), kLength) == 0) {
      day = timestamp_day_;
      return p + kLength;
    }
    const char* const after = read_day(p, day);
    if (after == nullptr || after - p != kLength - 1 || *after != 'T' || !is_day_of_call(day))
      return nullptr;
    std::memcpy(timestamp_text_.data(), p, kLength);
    timestamp_day_ = day;
    return p + kLength;
  }

  // The leading contract fields with the comma after each; remembers their bytes.
  const char* read_contract(const char* const start) {
    contract_text_.clear();
    const char* p = start;
    for (std::size_t i = 0; i < leading_; ++i) {
      fault_ = i;
      p = read_contract_field(p, fields_[i].kind);
      if (p == nullptr || *p != ',') return nullptr;
      ++p;
    }
    contract_text_.assign(start, p);
    return p;
  }

  const char* read_contract_field(const char* p, FieldKind kind) {
    const bool is_quoted = *p == '"';
    if (is_quoted) ++p;
    const char* const start = p;
    while (*p != (is_quoted ? '"' : ',') && !is_line_end(*p)) ++p;
    const std::string_view text(start, p);
    if (is_quoted) {
      if (*p != '"') return nullptr;
      ++p;
    }
    bool is_good = false;
    switch (kind) {
      case FieldKind::root: is_good = text == rules_.root; break;
      case FieldKind::expiration: is_good = parse_expiration(text, contract_.expiration); break;
      case FieldKind::strike_dollars: is_good = parse_strike_dollars(text, contract_.strike); break;
      case FieldKind::strike_thousandths:
        is_good = parse_strike_thousandths(text, contract_.strike);
        break;
      case FieldKind::right: is_good = parse_right(text, contract_.right); break;
      default: break;
    }
    return is_good ? p : nullptr;
  }

  // A row with quotes where the quick way does not take them: once more without the quotes. A comma
  // within quotes has no place in any of our fields.
  bool decode_quoted_row(std::string_view line, std::size_t row) {
    if (line.find('"') == std::string_view::npos) return false;
    const auto fields = split_fields(line);
    if (!fields || fields->size() != fields_.size()) return false;
    for (const std::string_view field : *fields)
      if (field.find(',') != std::string_view::npos) return false;
    line_ = fmt::format("{}\n", fmt::join(*fields, ","));
    return decode_row(line_.data(), line_.data() + line_.size(), row) != nullptr;
  }

  static std::string_view line_at(const char* p, const char* end) {
    std::string_view line(p, end);
    line = line.substr(0, line.find('\n'));
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
  }

  std::size_t field_of(FieldKind kind) const {
    return static_cast<std::size_t>(std::ranges::find(fields_, kind, &Field::kind) -
                                    fields_.begin());
  }

  std::unexpected<Error> explain(std::string_view line) const {
    const std::uint64_t row = rows_of_answer_ + 1;
    const auto found = split_fields(line);
    if (!found)
      return garbled(
          fmt::format("row {}: expected fields with quotes around the whole or none, "
                      "found {}",
                      row, excerpt(line)));
    if (found->size() != fields_.size())
      return garbled(fmt::format("row {}: expected {} fields, found {} in {}", row, fields_.size(),
                                 found->size(), excerpt(line)));
    return garbled(fmt::format("row {}, column {}: expected {}, found {}", row,
                               fields_[fault_].name, expectation(fields_[fault_].kind, rules_),
                               excerpt((*found)[fault_])));
  }

  AnswerRules rules_;
  RowBuffer& rows_;
  RowSink& sink_;
  ConstantColumns constants_;
  Stage stage_ = Stage::before_document;
  std::string carry_;  // the beginning of a line whose end has not come yet
  std::string line_;   // a line without its quotes
  bool blank_line_ = false;
  std::uint64_t rows_of_answer_ = 0;

  std::string header_;
  std::vector<Field> fields_;
  std::size_t leading_ = 0;  // how many contract fields lead every row: four or none
  std::vector<Slot> slots_;  // the fields after them
  std::size_t fault_ = 0;    // which field stopped decode_row

  std::string contract_text_;  // the leading fields of the row before, commas included
  Contract contract_;
  bool can_repeat_ = false;
  // The bytes of the row before after its first field, line end included, if it lies in this piece
  // of input and its values in the buffer.
  const char* rest_ = nullptr;
  std::size_t rest_length_ = 0;
  std::vector<std::uint32_t*> rest_numbers_;
  std::vector<double*> rest_prices_;
  std::array<char, 11> timestamp_text_{};
  std::uint32_t timestamp_day_ = 0;
  std::uint32_t known_day_ = kNoDay;  // checked already

  std::uint32_t* date_column_ = nullptr;
  std::uint32_t* expirations_ = nullptr;
  std::uint32_t* strikes_ = nullptr;
  std::uint8_t* rights_ = nullptr;
};

}  // namespace

std::unique_ptr<Decoder> make_csv_decoder(const Call& call, WireFormat format, RowBuffer& rows,
                                          RowSink& sink) {
  return std::make_unique<CsvDecoder>(call, format, rows, sink);
}

}  // namespace betedge::columnar
