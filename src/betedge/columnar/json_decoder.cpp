#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "betedge/columnar/decoder.hpp"
#include "betedge/columnar/fields.hpp"

namespace betedge::columnar {

namespace {

// The header names some twenty columns.
constexpr std::size_t kLongestHeader = 16 * 1024;
// Up to this length it is looked at with every byte that comes, to refuse early what is no JSON.
constexpr std::size_t kUsualHeader = 1024;
// A contract's ticks of a day: 1,440 at one minute round the clock are 70 kB.
constexpr std::size_t kLongestElement = 16 * 1024 * 1024;

constexpr std::uint32_t kNoDay = 0xffff'ffff;

bool is_space(char c) {
  return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

// The vendor writes "null", null, "" or nothing at all, and means the same (THETA.md 1.4).
bool is_nothing(std::string_view text) {
  return text.empty() || text == "null";
}

// ThetaData v2's JSON (THETA.md 1.4): a header that names the fields, then ticks (a stock's answer)
// or contracts with their ticks (a chain's).
//
// The document is never held as a whole. It is cut after a contract, or after a tick where there
// are no contracts: input is decoded up to the last closing bracket that has come, and a contract
// that is not there to its end is put aside, its rows taken back. Within such a piece every tick is
// followed by a bracket that ends it, so the loop over its numbers needs no other bound.
class JsonDecoder final : public Decoder {
 public:
  JsonDecoder(const Call& call, RowBuffer& rows, RowSink& sink)
      : rules_(call, WireFormat::v2_json), rows_(rows), sink_(sink), constants_(rules_, rows) {
    rows_.reserve(kBatchRows);
  }

  Result<void> begin_document() override {
    if (stage_ != Stage::before_document) BETEDGE_TRY_VOID(end_document());
    stage_ = Stage::prologue;
    return {};
  }

  Result<void> feed(ByteView bytes) override {
    if (bytes.empty()) return {};
    if (stage_ == Stage::before_document) stage_ = Stage::prologue;
    if (stage_ != Stage::prologue) return decode(as_text(bytes));
    carry_.append(as_text(bytes));
    std::optional<std::size_t> length;
    if (carry_.size() <= kUsualHeader || as_text(bytes).contains('[')) {
      BETEDGE_TRY(length, read_prologue(carry_));
    }
    if (!length) {
      if (carry_.size() > kLongestHeader)
        return garbled(fmt::format("expected a JSON header of at most {} bytes, found {}",
                                   kLongestHeader, excerpt(carry_)));
      return {};
    }
    stage_ = Stage::elements;
    place_ = Place::first;
    const std::string rest = std::exchange(carry_, {});
    return decode(std::string_view(rest).substr(*length));
  }

  Result<void> end_answer() override {
    BETEDGE_TRY_VOID(end_document());
    if (rows_of_answer_ == 0) return garbled("expected rows, found a response without any");
    return {};
  }

  std::size_t memory_bytes() const override { return carry_.capacity(); }

 private:
  enum class Stage : std::uint8_t { before_document, prologue, elements, tail, done };
  // Where in the list of elements we are.
  enum class Place : std::uint8_t { first, element, separator };

  struct Slot {
    FieldKind kind;
    std::uint32_t* numbers;
    double* prices;
  };

  std::unexpected<Error> garbled(std::string_view message) const {
    return fail(ErrorCode::upstream_garbled, fmt::format("{}: {}", rules_.what, message));
  }

  Result<void> end_document() {
    switch (stage_) {
      case Stage::before_document: return garbled("expected JSON, found an empty body");
      case Stage::prologue:
        if (std::ranges::all_of(carry_, is_space))
          return garbled("expected JSON, found an empty body");
        return garbled(fmt::format("ended in the middle of the header {}", excerpt(carry_)));
      case Stage::elements:
        return garbled(fmt::format("ended in the middle of the response, after row {}{}",
                                   rows_of_answer_,
                                   carry_.empty() ? "" : ", at " + excerpt(carry_)));
      case Stage::tail:
        return garbled(
            fmt::format("expected a closing brace after row {}, found the end", rows_of_answer_));
      case Stage::done: break;
    }
    stage_ = Stage::before_document;
    return {};
  }

  // `{"header":{…},"response":[`: its length, or nullopt when it has not come to its end.
  Result<std::optional<std::size_t>> read_prologue(std::string_view text) {
    const char* const end = text.data() + text.size();
    incomplete_ = false;
    std::string_view key;
    const char* p = expect(text.data(), end, '{', "a JSON object with a header");
    if (p != nullptr) p = read_key(p, end, key);
    if (p != nullptr && key != "header")
      return garbled(fmt::format("expected \"header\" as the first key, found {}", excerpt(key)));
    if (p != nullptr) p = expect(p, end, ':', "a colon");
    std::string_view header;
    if (p != nullptr) p = find_object(p, end, header);
    if (p != nullptr) p = expect(p, end, ',', "a comma after the header");
    if (p != nullptr) p = read_key(p, end, key);
    if (p != nullptr && key != "response")
      return garbled(fmt::format("expected \"response\" after the header, found {}", excerpt(key)));
    if (p != nullptr) p = expect(p, end, ':', "a colon");
    if (p != nullptr) p = expect(p, end, '[', "the response as a list");
    if (p == nullptr) {
      if (incomplete_) return std::nullopt;
      return garbled(fault_);
    }
    BETEDGE_TRY_VOID(read_header(header));
    return static_cast<std::size_t>(p - text.data());
  }

  // A few hundred bytes once a document, so a general parser does. Not simdjson: the pyarrow
  // wheel's libparquet exports a simdjson of its own, which takes the place of the system's at run
  // time.
  Result<void> read_header(std::string_view text) {
    using nlohmann::json;
    const json header = json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!header.is_object())
      return garbled(fmt::format("expected a JSON header, found {}", excerpt(text)));
    // Missing or no text at all: nothing was said.
    const auto text_of = [&header](const char* key) {
      const auto found = header.find(key);
      return found != header.end() && found->is_string() ? found->get<std::string>()
                                                         : std::string();
    };
    const std::string error_type = text_of("error_type");
    if (!is_nothing(error_type))
      return garbled(fmt::format("the header reports the error {}: {}", excerpt(error_type),
                                 excerpt(text_of("error_msg"))));
    const auto format = header.find("format");
    if (format == header.end() || !format->is_array())
      return garbled(
          fmt::format("expected a header with the list \"format\", found {}", excerpt(text)));
    std::vector<std::string_view> names;
    for (const json& name : *format) {
      if (!name.is_string())
        return garbled("expected the names of columns in the header's \"format\"");
      names.push_back(name.get_ref<const std::string&>());
    }
    BETEDGE_TRY(fields_, bind_fields(names, /*contracts_in_rows=*/false, rules_, rows_));
    constants_.bind(fields_);
    return {};
  }

  // The buffer's arrays, which are others after each batch that was taken and when there are more
  // rows.
  void find_slots() {
    slots_.clear();
    rest_numbers_.clear();
    rest_prices_.clear();
    for (const Field& field : fields_) {
      const bool is_price = field.kind == FieldKind::price;
      const bool is_number = !is_price && field.kind != FieldKind::ignored;
      slots_.push_back({field.kind, is_number ? rows_.numbers(field.column) : nullptr,
                        is_price ? rows_.prices(field.column) : nullptr});
      if (&field == &fields_.front()) continue;
      if (is_price) rest_prices_.push_back(rows_.prices(field.column));
      if (is_number) rest_numbers_.push_back(rows_.numbers(field.column));
    }
  }

  // What follows the prologue.
  Result<void> decode(std::string_view text) {
    const char closer = rules_.has_contracts ? '}' : ']';
    while (!text.empty()) {
      if (stage_ == Stage::tail || stage_ == Stage::done) return read_tail(text);
      if (carry_.empty()) {
        const std::size_t last = text.rfind(closer);
        std::size_t used = 0;
        if (last != std::string_view::npos) {
          BETEDGE_TRY(used, decode_elements(text.substr(0, last + 1)));
        }
        text.remove_prefix(used);
        if (stage_ != Stage::elements) continue;
        if (text.size() > kLongestElement) return element_too_long();
        carry_.assign(text);
        return {};
      }
      const std::size_t next = text.find(closer);
      const std::size_t taken = next == std::string_view::npos ? text.size() : next + 1;
      if (carry_.size() + taken > kLongestElement) return element_too_long();
      carry_.append(text.substr(0, taken));
      text.remove_prefix(taken);
      if (next == std::string_view::npos) return {};
      BETEDGE_TRY(const std::size_t used, decode_elements(carry_));
      carry_.erase(0, used);
      if (stage_ == Stage::tail) BETEDGE_TRY_VOID(read_tail(std::exchange(carry_, {})));
    }
    return {};
  }

  std::unexpected<Error> element_too_long() const {
    return garbled(fmt::format(
        "after row {}: expected {} of at most {} bytes, found no end to it", rows_of_answer_,
        rules_.has_contracts ? "a contract" : "a list of ticks", kLongestElement));
  }

  // After the response: one brace, then nothing but space.
  Result<void> read_tail(std::string_view text) {
    for (const char c : text) {
      if (is_space(c)) continue;
      if (c != '}' || stage_ == Stage::done)
        return garbled(fmt::format("after row {}: expected the end of the document, found {}",
                                   rows_of_answer_, excerpt(text)));
      stage_ = Stage::done;
    }
    return {};
  }

  // As many elements of the response as are there to their end, and the bracket that ends it; how
  // many bytes that were. The text ends with a closing bracket.
  Result<std::size_t> decode_elements(std::string_view text) {
    const char* const begin = text.data();
    const char* const end = begin + text.size();
    const char* used = begin;
    incomplete_ = false;
    find_slots();
    rest_ = nullptr;
    row_ = rows_.size();
    while (true) {
      const char* p = skip_space(used, end);
      used = p;
      if (p == end) break;
      if (*p == ']' && place_ != Place::element) {
        ++used;
        stage_ = Stage::tail;
        break;
      }
      if (place_ == Place::separator) {
        if (*p != ',')
          return garbled(
              fmt::format("after row {}: expected a comma or the end of the response, "
                          "found {}",
                          rows_of_answer_ + row_ - rows_.size(), excerpt({p, end})));
        ++used;
        place_ = Place::element;
        continue;
      }
      p = rules_.has_contracts ? read_contract(p, end) : read_tick(p, end);
      if (p == nullptr) {
        if (!incomplete_) return garbled(fault_);
        place_ = Place::element;
        break;
      }
      used = p;
      place_ = Place::separator;
      if (row_ >= kBatchRows) BETEDGE_TRY_VOID(count_rows());
    }
    if (!rules_.has_contracts) BETEDGE_TRY_VOID(count_rows());
    return static_cast<std::size_t>(used - begin);
  }

  // The rows up to `row_` are complete.
  Result<void> count_rows() {
    const std::size_t from = rows_.size();
    constants_.fill_common(from, row_);
    if (!rules_.has_contracts) constants_.fill_contract(from, row_, {});
    rows_of_answer_ += row_ - from;
    rows_.resize(row_);
    if (rows_.size() >= kBatchRows) {
      BETEDGE_TRY_VOID(sink_.take_full_batches());
      find_slots();
      rest_ = nullptr;
    }
    row_ = rows_.size();
    return {};
  }

  static const char* skip_space(const char* p, const char* end) {
    while (p != end && is_space(*p)) ++p;
    return p;
  }

  // All readers: the byte after what was read, or nullptr with `incomplete_` when the text ends
  // first, or with `fault_`.
  const char* expect(const char* p, const char* end, char wanted, std::string_view what) {
    p = skip_space(p, end);
    if (p == end) return stop_incomplete();
    if (*p != wanted) return stop_at(what, {p, end});
    return p + 1;
  }

  const char* stop_incomplete() {
    incomplete_ = true;
    return nullptr;
  }

  const char* stop_at(std::string_view expected, std::string_view found) {
    fault_ = fmt::format("row {}: expected {}, found {}", row_number(), expected, excerpt(found));
    return nullptr;
  }

  const char* stop_at_field(std::size_t field, const char* p, const char* end) {
    const char* const after =
        std::find_if(p, end, [](char c) { return c == ',' || c == ']' || c == '}'; });
    fault_ =
        fmt::format("row {}, column {}: expected {}, found {}", row_number(), fields_[field].name,
                    expectation(fields_[field].kind, rules_), excerpt({p, after}));
    return nullptr;
  }

  std::uint64_t row_number() const { return rows_of_answer_ + (row_ - rows_.size()) + 1; }

  // A string without escapes: none of the names and values of this protocol has any.
  const char* read_string(const char* p, const char* end, std::string_view& text) {
    p = expect(p, end, '"', "a string");
    if (p == nullptr) return nullptr;
    const char* const start = p;
    while (p != end && *p != '"') {
      if (*p == '\\' || static_cast<unsigned char>(*p) < ' ')
        return stop_at("a string without escapes", {start, end});
      ++p;
    }
    if (p == end) return stop_incomplete();
    text = {start, p};
    return p + 1;
  }

  const char* read_key(const char* p, const char* end, std::string_view& key) {
    return read_string(p, end, key);
  }

  // The extent of an object whose inside is checked later.
  const char* find_object(const char* p, const char* end, std::string_view& object) {
    p = expect(p, end, '{', "an object");
    if (p == nullptr) return nullptr;
    const char* const start = p - 1;
    int depth = 1;
    bool in_string = false;
    for (; p != end; ++p) {
      if (in_string) {
        if (*p == '\\' && p + 1 != end)
          ++p;
        else if (*p == '"')
          in_string = false;
      } else if (*p == '"') {
        in_string = true;
      } else if (*p == '{') {
        ++depth;
      } else if (*p == '}' && --depth == 0) {
        object = {start, p + 1};
        return p + 1;
      }
    }
    return stop_incomplete();
  }

  // {"ticks":[…],"contract":{…}}, either first. Its rows count only when all of it is there.
  const char* read_contract(const char* p, const char* end) {
    const std::size_t first_row = rows_.size();
    row_ = first_row;
    Contract contract;
    bool has_ticks = false, has_contract = false;
    p = expect(p, end, '{', "a contract with its ticks");
    while (p != nullptr) {
      std::string_view key;
      p = read_key(p, end, key);
      if (p != nullptr) p = expect(p, end, ':', "a colon");
      if (p == nullptr) return nullptr;
      if (key == "ticks" && !has_ticks) {
        has_ticks = true;
        p = read_ticks(p, end);
      } else if (key == "contract" && !has_contract) {
        has_contract = true;
        p = read_contract_object(p, end, contract);
      } else {
        return stop_at("\"ticks\" and \"contract\", each once", key);
      }
      if (p == nullptr) return nullptr;
      p = skip_space(p, end);
      if (p == end) return stop_incomplete();
      if (*p == '}') break;
      p = expect(p, end, ',', "a comma or the contract's end");
    }
    if (p == nullptr) return nullptr;
    if (!has_ticks || !has_contract)
      return stop_at("a contract with \"ticks\" and \"contract\"", {p, end});
    constants_.fill_contract(first_row, row_, contract);
    constants_.fill_common(first_row, row_);
    rows_of_answer_ += row_ - first_row;
    rows_.resize(row_);
    return p + 1;
  }

  const char* read_contract_object(const char* p, const char* end, Contract& contract) {
    bool has_root = false, has_expiration = false, has_strike = false, has_right = false;
    p = expect(p, end, '{', "a contract");
    while (p != nullptr) {
      std::string_view key;
      p = read_key(p, end, key);
      if (p != nullptr) p = expect(p, end, ':', "a colon");
      if (p == nullptr) return nullptr;
      p = skip_space(p, end);
      std::string_view value;
      bool is_good = false;
      if (key == "root" && !has_root) {
        has_root = true;
        p = read_string(p, end, value);
        is_good = value == rules_.root;
      } else if (key == "right" && !has_right) {
        has_right = true;
        p = read_string(p, end, value);
        is_good = parse_right(value, contract.right);
      } else if (key == "expiration" && !has_expiration) {
        has_expiration = true;
        p = read_number(p, end, value);
        is_good = parse_expiration(value, contract.expiration);
      } else if (key == "strike" && !has_strike) {
        has_strike = true;
        p = read_number(p, end, value);
        is_good = parse_strike_thousandths(value, contract.strike);
      } else {
        return stop_at("root, expiration, strike and right, each once", key);
      }
      if (p == nullptr) return nullptr;
      if (!is_good) {
        const FieldKind kind = key == "root"         ? FieldKind::root
                               : key == "right"      ? FieldKind::right
                               : key == "expiration" ? FieldKind::expiration
                                                     : FieldKind::strike_thousandths;
        return stop_at(fmt::format("{} as the contract's {}", expectation(kind, rules_), key),
                       value);
      }
      p = skip_space(p, end);
      if (p == end) return stop_incomplete();
      if (*p == '}') break;
      p = expect(p, end, ',', "a comma or the contract's end");
    }
    if (p == nullptr) return nullptr;
    if (!has_root || !has_expiration || !has_strike || !has_right)
      return stop_at("a contract with root, expiration, strike and right", {p, end});
    return p + 1;
  }

  // Digits; JSON has no leading zeros.
  const char* read_number(const char* p, const char* end, std::string_view& digits) {
    const char* const start = p;
    while (p != end && digit_of(*p) <= 9) ++p;
    if (p == end) return stop_incomplete();
    digits = {start, p};
    if (digits.empty() || (digits.size() > 1 && digits.front() == '0'))
      return stop_at("a whole number", {start, end});
    return p;
  }

  const char* read_ticks(const char* p, const char* end) {
    p = expect(p, end, '[', "a list of ticks");
    if (p == nullptr) return nullptr;
    p = skip_space(p, end);
    if (p == end) return stop_incomplete();
    if (*p == ']') return p + 1;
    while (true) {
      if (row_ == rows_.capacity()) {
        rows_.reserve(row_ * 2);
        find_slots();
      }
      p = read_tick(p, end);
      if (p == nullptr) return nullptr;
      p = skip_space(p, end);
      if (p == end) return stop_incomplete();
      if (*p == ']') return p + 1;
      p = expect(p, end, ',', "a comma or the end of the ticks");
      if (p == nullptr) return nullptr;
      p = skip_space(p, end);
      if (p == end) return stop_incomplete();
    }
  }

  // [34200000,1,2,3.5,…]. The text goes on to a closing bracket, so nothing here runs past its end.
  const char* read_tick(const char* p, const char* end) {
    if (*p != '[') return stop_at("a tick in brackets", {p, end});
    ++p;
    const std::size_t count = slots_.size();
    const char* rest = nullptr;
    for (std::size_t i = 0; i < count; ++i) {
      while (is_space(*p)) ++p;
      const char* const after = read_field(p, slots_[i]);
      if (after == nullptr || (*p == '0' && digit_of(p[1]) <= 9)) return stop_at_field(i, p, end);
      const char* const start = p;
      p = after;
      while (is_space(*p)) ++p;
      if (i == 0) {
        if (is_rest_of_tick_before(p, end)) {
          for (std::uint32_t* const numbers : rest_numbers_) numbers[row_] = numbers[row_ - 1];
          for (double* const prices : rest_prices_) prices[row_] = prices[row_ - 1];
          rest_ = p;
          ++row_;
          return p + rest_length_;
        }
        rest = p;
      }
      if (i + 1 == count) break;
      if (*p != ',') {
        if (*p == ']')
          return stop_at(fmt::format("{} fields", count), fmt::format("{} fields", i + 1));
        return stop_at_field(i, start, end);
      }
      ++p;
    }
    if (*p != ']') return stop_at(fmt::format("the end of a tick of {} fields", count), {p, end});
    ++row_;
    ++p;
    rest_ = rest;
    rest_length_ = static_cast<std::size_t>(p - rest);
    return p;
  }

  // As the CSV decoder's: whether a tick goes on, after its first field, with the same bytes as the
  // tick before.
  bool is_rest_of_tick_before(const char* p, const char* end) const {
    return rest_ != nullptr && static_cast<std::size_t>(end - p) >= rest_length_ &&
           std::memcmp(p, rest_, std::min<std::size_t>(8, rest_length_)) == 0 &&
           std::memcmp(p, rest_, rest_length_) == 0;
  }

  [[gnu::always_inline]] const char* read_field(const char* p, const Slot& slot) {
    switch (slot.kind) {
      case FieldKind::number: return read_uint32(p, slot.numbers[row_]);
      case FieldKind::price: return read_price(p, slot.prices[row_]);
      case FieldKind::ms_of_day: {
        std::uint32_t ms = 0;
        p = read_uint32(p, ms);
        slot.numbers[row_] = ms;
        return p == nullptr || ms < rules_.earliest_ms || ms > rules_.latest_ms ? nullptr : p;
      }
      case FieldKind::ms_of_day2: {
        std::uint32_t ms = 0;
        p = read_uint32(p, ms);
        slot.numbers[row_] = ms;
        return p == nullptr || ms > kLastMsOfDay ? nullptr : p;
      }
      case FieldKind::date: {
        std::uint32_t day = 0;
        p = read_uint32(p, day);
        if (p == nullptr || (day != known_day_ && !rules_.has_day(day))) return nullptr;
        slot.numbers[row_] = known_day_ = day;
        return p;
      }
      case FieldKind::ignored: {
        const char* const start = p;
        while (*p != ',' && *p != ']' && *p != '}' && *p != '[' && *p != '{' && !is_space(*p)) ++p;
        return p == start ? nullptr : p;
      }
      case FieldKind::root:
      case FieldKind::expiration:
      case FieldKind::strike_dollars:
      case FieldKind::strike_thousandths:
      case FieldKind::right:
      case FieldKind::timestamp:
      case FieldKind::last_trade: break;
    }
    return nullptr;
  }

  AnswerRules rules_;
  RowBuffer& rows_;
  RowSink& sink_;
  ConstantColumns constants_;
  Stage stage_ = Stage::before_document;
  Place place_ = Place::first;
  std::string carry_;  // the prologue, or the beginning of an element, whose end has not come yet
  std::vector<Field> fields_;
  std::vector<Slot> slots_;
  std::uint32_t known_day_ = kNoDay;  // checked already
  std::uint64_t rows_of_answer_ = 0;
  std::size_t row_ =
      0;  // where the next tick goes; past the buffer's size by the rows not counted yet
  // The bytes of the tick before after its first field, if it lies in this piece of input and its
  // values in the buffer; and the columns of those fields.
  const char* rest_ = nullptr;
  std::size_t rest_length_ = 0;
  std::vector<std::uint32_t*> rest_numbers_;
  std::vector<double*> rest_prices_;
  bool incomplete_ = false;
  std::string fault_;
};

}  // namespace

std::unique_ptr<Decoder> make_json_decoder(const Call& call, RowBuffer& rows, RowSink& sink) {
  return std::make_unique<JsonDecoder>(call, rows, sink);
}

}  // namespace betedge::columnar
