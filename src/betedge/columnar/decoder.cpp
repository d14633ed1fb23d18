#include "betedge/columnar/decoder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "betedge/columnar/fields.hpp"
#include "betedge/core/table.hpp"

namespace betedge::columnar {

namespace {

std::string_view to_text(WireFormat format) {
  switch (format) {
    case WireFormat::v3_csv: return "v3 CSV";
    case WireFormat::v2_csv: return "v2 CSV";
    case WireFormat::v2_json: return "v2 JSON";
    case WireFormat::nasdaq_json: return "NASDAQ JSON";
  }
  return "an unknown form";
}

std::uint32_t clamped_ms(std::chrono::milliseconds time) {
  return static_cast<std::uint32_t>(
      std::clamp<std::chrono::milliseconds::rep>(time.count(), 0, kLastMsOfDay));
}

// The scanners of fields.hpp want a byte after the text that fits nowhere.
template <class Value>
bool parse_whole(std::string_view text, const char* (*read)(const char*, Value&), Value& value) {
  std::array<char, 32> terminated{};
  if (text.empty() || text.size() >= terminated.size()) return false;
  std::ranges::copy(text, terminated.begin());
  return read(terminated.data(), value) == terminated.data() + text.size();
}

}  // namespace

Result<std::unique_ptr<Decoder>> make_decoder(const Call& call, WireFormat format, RowBuffer& rows,
                                              RowSink& sink) {
  switch (format) {
    case WireFormat::v3_csv:
    case WireFormat::v2_csv: return make_csv_decoder(call, format, rows, sink);
    case WireFormat::v2_json: return make_json_decoder(call, rows, sink);
    case WireFormat::nasdaq_json: break;
  }
  return fail(ErrorCode::internal, "a terminal's rows do not come from NASDAQ");
}

AnswerRules::AnswerRules(const Call& call, WireFormat wire)
    : format(wire),
      root(call.root.text()),
      has_contracts(call.kind == Kind::option && call.role == Role::primary),
      is_eod(call.schema == Schema::eod),
      first_day(to_yyyymmdd(call.dates.first)),
      last_day(to_yyyymmdd(call.dates.last)),
      earliest_ms(0),
      latest_ms(kLastMsOfDay) {
  if (!is_eod) {
    if (call.window.start) earliest_ms = clamped_ms(*call.window.start);
    if (call.window.end) latest_ms = clamped_ms(*call.window.end);
  }
  what = fmt::format("{} of {} {} {} {}", to_text(format), core::to_text(call.kind),
                     core::to_text(call.schema), root, first_day);
  if (last_day != first_day) what += fmt::format("-{}", last_day);
}

bool AnswerRules::has_day(std::uint32_t yyyymmdd) const {
  return yyyymmdd >= first_day && yyyymmdd <= last_day && from_yyyymmdd(yyyymmdd).has_value();
}

Result<std::vector<Field>> bind_fields(std::span<const std::string_view> names,
                                       bool contracts_in_rows, const AnswerRules& rules,
                                       const RowBuffer& rows) {
  const bool is_v3 = rules.format == WireFormat::v3_csv;
  struct Wanted {
    std::string_view name;
    FieldKind kind;
    std::size_t column;
    bool required;
  };
  std::vector<Wanted> wanted;
  const auto want = [&](std::string_view name, FieldKind kind, std::string_view column,
                        bool required = true) {
    wanted.push_back({name, kind, rows.find(column).value_or(0), required});
  };
  if (contracts_in_rows) {
    want(is_v3 ? "symbol" : "root", FieldKind::root, "root", rules.has_contracts);
    if (rules.has_contracts) {
      want("expiration", FieldKind::expiration, "expiration");
      want("strike", is_v3 ? FieldKind::strike_dollars : FieldKind::strike_thousandths, "strike");
      want("right", FieldKind::right, "right");
    }
  }
  if (is_v3) {
    want(rules.is_eod ? "created" : "timestamp", FieldKind::timestamp, "ms_of_day");
    if (rules.is_eod) want("last_trade", FieldKind::last_trade, "ms_of_day2");
  }
  for (const Column& column : rows.columns()) {
    if (column.name == "root" || column.name == "expiration" || column.name == "strike" ||
        column.name == "right")
      continue;
    const bool is_ms = column.name == "ms_of_day";
    const bool is_ms2 = column.name == "ms_of_day2";
    const bool is_date = column.name == "date";
    if (is_v3 && (is_ms || is_ms2 || is_date)) continue;
    want(column.name,
         is_ms                                ? FieldKind::ms_of_day
         : is_ms2                             ? FieldKind::ms_of_day2
         : is_date                            ? FieldKind::date
         : column.type == ColumnType::float64 ? FieldKind::price
                                              : FieldKind::number,
         column.name, !column.nullable);
  }

  const auto joined = [&] { return excerpt(fmt::format("{}", fmt::join(names, ","))); };
  std::vector<Field> fields;
  for (const std::string_view name : names) {
    if (std::ranges::count(names, name) > 1)
      return fail(
          ErrorCode::upstream_garbled,
          fmt::format("{}: the header names the column {} twice", rules.what, excerpt(name)));
    if (contracts_in_rows && !rules.has_contracts &&
        (name == "expiration" || name == "strike" || name == "right"))
      return fail(ErrorCode::upstream_garbled,
                  fmt::format("{}: expected a stock's rows, found a header with the column {}",
                              rules.what, excerpt(name)));
    const auto found = std::ranges::find(wanted, name, &Wanted::name);
    if (found == wanted.end())
      fields.push_back({FieldKind::ignored, std::string(name), 0});
    else
      fields.push_back({found->kind, std::string(name), found->column});
  }
  for (const Wanted& one : wanted) {
    if (one.required && std::ranges::find(names, one.name) == names.end())
      return fail(ErrorCode::upstream_garbled,
                  fmt::format("{}: expected a header with the column {}, found {}", rules.what,
                              one.name, joined()));
  }
  return fields;
}

std::string expectation(FieldKind kind, const AnswerRules& rules) {
  switch (kind) {
    case FieldKind::root: return fmt::format("the root {}", rules.root);
    case FieldKind::expiration: return "a day such as 20240119";
    case FieldKind::strike_dollars: return "dollars in whole thousandths such as 187.500";
    case FieldKind::strike_thousandths: return "thousandths of a dollar such as 187500";
    case FieldKind::right: return "CALL or PUT";
    case FieldKind::timestamp:
      return fmt::format(
          "a time such as {}-{:02}-{:02}T09:30:00 within {}..{} and {}..{} ms of the day",
          rules.first_day / 10'000, rules.first_day / 100 % 100, rules.first_day % 100,
          rules.first_day, rules.last_day, rules.earliest_ms, rules.latest_ms);
    case FieldKind::last_trade: return "a time of the row's own day such as 2024-01-02T15:59:59.5";
    case FieldKind::ms_of_day:
      return fmt::format("milliseconds of the day within {}..{}", rules.earliest_ms,
                         rules.latest_ms);
    case FieldKind::ms_of_day2: return fmt::format("milliseconds within 0..{}", kLastMsOfDay);
    case FieldKind::date:
      return fmt::format("a day within {}..{}", rules.first_day, rules.last_day);
    case FieldKind::number: return "a whole number up to 4294967295";
    case FieldKind::price: return "a price such as 12.34";
    case FieldKind::ignored: return "any value";
  }
  return "another value";
}

std::string excerpt(std::string_view text) {
  constexpr std::size_t kLongest = 40;
  std::string shown = "\"";
  for (const char c : text.substr(0, kLongest)) shown += c >= ' ' && c <= '~' ? c : '?';
  shown += text.size() > kLongest ? "…\"" : "\"";
  return shown;
}

bool parse_expiration(std::string_view text, std::uint32_t& yyyymmdd) {
  return parse_whole(text, read_day, yyyymmdd) && from_yyyymmdd(yyyymmdd).has_value();
}

bool parse_strike_dollars(std::string_view text, std::uint32_t& thousandths) {
  return parse_whole(text, read_dollars_as_thousandths, thousandths);
}

bool parse_strike_thousandths(std::string_view text, std::uint32_t& thousandths) {
  return parse_whole(text, read_uint32, thousandths);
}

bool parse_right(std::string_view text, std::uint8_t& right) {
  if (text == "C" || text == "CALL")
    right = RowBuffer::kCall;
  else if (text == "P" || text == "PUT")
    right = RowBuffer::kPut;
  else
    return false;
  return true;
}

ConstantColumns::ConstantColumns(const AnswerRules& rules, RowBuffer& rows)
    : rows_(rows),
      root_(rows.find("root")),
      expiration_(rows.find("expiration")),
      strike_(rows.find("strike")),
      right_(rows.find("right")),
      root_code_(rows.root_code(rules.root)) {}

void ConstantColumns::bind(std::span<const Field> fields) {
  absent_.clear();
  for (std::size_t i = 0; i < rows_.columns().size(); ++i) {
    const auto& column = rows_.columns()[i];
    if (column.nullable && std::ranges::find(fields, column.name, &Field::name) == fields.end())
      absent_.push_back(i);
  }
}

void ConstantColumns::fill_common(std::size_t from, std::size_t to) const {
  if (root_) std::fill(rows_.codes(*root_) + from, rows_.codes(*root_) + to, root_code_);
  for (const std::size_t column : absent_)
    std::fill(rows_.prices(column) + from, rows_.prices(column) + to,
              std::numeric_limits<double>::quiet_NaN());
}

void ConstantColumns::fill_contract(std::size_t from, std::size_t to,
                                    const Contract& contract) const {
  if (!right_) return;
  std::fill(rows_.numbers(*expiration_) + from, rows_.numbers(*expiration_) + to,
            contract.expiration);
  std::fill(rows_.numbers(*strike_) + from, rows_.numbers(*strike_) + to, contract.strike);
  std::fill(rows_.codes(*right_) + from, rows_.codes(*right_) + to, contract.right);
}

}  // namespace betedge::columnar
