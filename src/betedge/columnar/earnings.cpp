#include "betedge/columnar/earnings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <nlohmann/json.hpp>
#include <span>

#include "betedge/columnar/decoder.hpp"

namespace betedge::columnar {

namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 7> kAlways{
    "symbol", "name", "time", "marketCap", "fiscalQuarterEnding", "epsForecast", "noOfEsts"};
constexpr std::array<std::string_view, 2> kReported{"eps", "surprise"};
constexpr std::array<std::string_view, 2> kExpected{"lastYearEPS", "lastYearRptDt"};

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const auto first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

std::string upper(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return result;
}

bool is_symbol(std::string_view text) {
  constexpr std::size_t kLongest = 32;
  return text.size() <= kLongest &&
         std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

// The vendor's words for "no value".
bool is_none(std::string_view text) {
  return text.empty() || text == "N/A" || text == "NA" || text == "--";
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// "71,008,400,000" -> "71008400000": commas between groups of three, or none. nullopt when it is no
// whole number of at most 18 digits, so that it fits an int64.
std::optional<std::string> whole_digits(std::string_view text) {
  constexpr std::size_t kMostDigits = 18;
  std::string digits;
  const bool has_commas = text.contains(',');
  std::size_t group = 0;
  bool is_first_group = true;
  for (const char c : text) {
    if (c == ',') {
      if (group == 0 || group > 3 || (!is_first_group && group != 3)) return std::nullopt;
      group = 0;
      is_first_group = false;
    } else if (is_digit(c)) {
      digits += c;
      ++group;
    } else {
      return std::nullopt;
    }
  }
  if (digits.empty() || digits.size() > kMostDigits || (has_commas && group != 3))
    return std::nullopt;
  return digits;
}

std::optional<std::int64_t> to_integer(std::string_view text) {
  const auto digits = whole_digits(text);
  if (!digits) return std::nullopt;
  std::int64_t value = 0;
  std::from_chars(digits->data(), digits->data() + digits->size(), value);
  return value;
}

// "1,234.5", ".5", "12"; no sign.
std::optional<double> to_decimal(std::string_view text) {
  const auto point = text.find('.');
  auto whole = text.substr(0, point);
  const auto fraction = point == std::string_view::npos ? "0" : text.substr(point + 1);
  if (whole.empty() && point != std::string_view::npos) whole = "0";
  auto digits = whole_digits(whole);
  constexpr std::size_t kMostFraction = 18;
  if (!digits || fraction.empty() || fraction.size() > kMostFraction ||
      !std::ranges::all_of(fraction, is_digit))
    return std::nullopt;
  *digits += '.';
  *digits += fraction;
  double value = 0;
  std::from_chars(digits->data(), digits->data() + digits->size(), value);
  return value;
}

// A sign in one of its places at most, a dollar sign or none: "$1.23", "($0.05)", "$(0.12)",
// "-$1.00", "$-1", "-20.9".
std::optional<double> to_signed(std::string_view text) {
  bool is_negative = false;
  bool has_dollar = false;
  const auto take = [&text](char c) {
    if (!text.starts_with(c)) return false;
    text.remove_prefix(1);
    return true;
  };
  const auto take_parentheses = [&] {
    if (is_negative || !text.starts_with('(') || !text.ends_with(')') || text.size() < 2)
      return false;
    text = text.substr(1, text.size() - 2);
    return true;
  };
  is_negative = take_parentheses();
  if (!is_negative) is_negative = take('-');
  has_dollar = take('$');
  if (has_dollar && !is_negative) is_negative = take_parentheses() || take('-');
  const auto value = to_decimal(text);
  if (!value) return std::nullopt;
  return is_negative && *value != 0 ? -*value : *value;
}

std::optional<double> to_percent(std::string_view text) {
  if (text.ends_with('%')) text.remove_suffix(1);
  if (text.contains('$') || text.contains('(')) return std::nullopt;
  return to_signed(text);
}

std::optional<std::int64_t> to_dollars(std::string_view text) {
  if (text.starts_with('$')) text.remove_prefix(1);
  return to_integer(text);
}

std::optional<Date> to_day(unsigned year, unsigned month, unsigned day) {
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(year)),
                                         std::chrono::month(month), std::chrono::day(day)};
  if (!date.ok()) return std::nullopt;
  return Date(date);
}

// One or two digits; four for a year.
std::optional<unsigned> short_number(std::string_view text, std::size_t least, std::size_t most) {
  if (text.size() < least || text.size() > most || !std::ranges::all_of(text, is_digit))
    return std::nullopt;
  unsigned value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// "5/08/2023" -> "2023-05-08"
std::optional<std::string> to_iso_day(std::string_view text) {
  const auto first = text.find('/');
  const auto second = first == std::string_view::npos ? first : text.find('/', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  const auto month = short_number(text.substr(0, first), 1, 2);
  const auto day = short_number(text.substr(first + 1, second - first - 1), 1, 2);
  const auto year = short_number(text.substr(second + 1), 4, 4);
  if (!month || !day || !year) return std::nullopt;
  const auto date = to_day(*year, *month, *day);
  if (!date) return std::nullopt;
  return to_iso_text(*date);
}

// "Fri, Nov 3, 2023"
std::optional<Date> to_as_of_day(std::string_view text) {
  constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  if (text.size() < 15 || text.substr(3, 2) != ", " || text[8] != ' ') return std::nullopt;
  const auto month = std::ranges::find(kMonths, text.substr(5, 3));
  const auto comma = text.find(", ", 9);
  if (month == kMonths.end() || comma == std::string_view::npos) return std::nullopt;
  const auto day = short_number(text.substr(9, comma - 9), 1, 2);
  const auto year = short_number(text.substr(comma + 2), 4, 4);
  if (!day || !year) return std::nullopt;
  return to_day(*year, static_cast<unsigned>(month - kMonths.begin()) + 1, *day);
}

std::optional<std::string> to_any_text(std::string_view text) {
  return std::string(text);
}

// Reads one answer; holds what every message needs.
class DayReader {
 public:
  explicit DayReader(Date day) : day_(day) {}

  Result<EarningsDay> read(std::string_view body) const {
    if (body.empty()) return garbled("expected JSON, found an empty body");
    const auto document = json::parse(body, nullptr, /*allow_exceptions=*/false);
    if (document.is_discarded()) {
      const auto text = trimmed(body);
      if (!text.starts_with('{'))
        return garbled(
            fmt::format("expected JSON, found {} ({} bytes)", excerpt(text), body.size()));
      return garbled(fmt::format("the JSON is cut off or broken; {} bytes that begin with {}",
                                 body.size(), excerpt(text)));
    }
    if (!document.is_object())
      return garbled(fmt::format("expected a JSON object, found {}", shown(document)));
    const auto data = document.find("data");
    if (data == document.end())
      return garbled(fmt::format("expected the member data, found {}", excerpt(body)));
    const auto code = status_code(document);
    if (data->is_null()) return without_data(code, document);
    if (code && *code != 200)
      return garbled(fmt::format("the answer's own status is {}, beside data", *code));
    return read_data(*data);
  }

 private:
  std::unexpected<Error> garbled(std::string_view message) const {
    return fail(ErrorCode::upstream_garbled,
                fmt::format("earnings of {}: {}", to_iso_text(day_), message));
  }
  std::unexpected<Error> garbled_field(std::string_view symbol, std::string_view field,
                                       std::string_view expected, const json& found) const {
    return garbled(
        fmt::format("{}: {} should be {}, and is {}", symbol, field, expected, shown(found)));
  }

  // For messages; never the whole of a nested value, however deep somebody nests one.
  static std::string shown(const json& value) {
    if (value.is_string()) return excerpt(value.get_ref<const std::string&>());
    if (value.is_array()) return fmt::format("a list of {}", value.size());
    if (!value.is_object()) return value.dump();
    return "an object with " + excerpt(fmt::format("{}", fmt::join(names_of(value), ",")));
  }

  // rCode of the status in the body; nullopt when it has none.
  static std::optional<std::int64_t> status_code(const json& document) {
    const auto status = document.find("status");
    if (status == document.end() || !status->is_object()) return std::nullopt;
    const auto code = status->find("rCode");
    if (code == status->end() || !code->is_number_integer()) return std::nullopt;
    return code->get<std::int64_t>();
  }

  // `data` is null. Reported of days without any report, with 400 (THETA.md 4); a fault of theirs
  // looks the same but for the number, and must not become an empty day.
  Result<EarningsDay> without_data(std::optional<std::int64_t> code, const json& document) const {
    if (!code) return garbled(fmt::format("neither data nor a status, in {}", shown(document)));
    const bool says_none = *code == 200 || *code == 204 || *code == 400 || *code == 404;
    if (says_none) return EarningsDay{};
    return garbled(fmt::format("no data, and the answer's own status is {}", *code));
  }

  Result<EarningsDay> read_data(const json& data) const {
    if (!data.is_object())
      return garbled(fmt::format("data should be an object, and is {}", shown(data)));
    BETEDGE_TRY_VOID(check_day(data));
    const auto rows = data.find("rows");
    if (rows == data.end()) return garbled(fmt::format("data has no rows member: {}", shown(data)));
    if (rows->is_null() || (rows->is_array() && rows->empty())) return EarningsDay{};
    if (!rows->is_array())
      return garbled(fmt::format("rows should be a list, and is {}", shown(*rows)));
    if (const auto headers = data.find("headers"); headers != data.end() && !headers->is_null()) {
      if (!headers->is_object())
        return garbled(fmt::format("headers should be an object, and is {}", shown(*headers)));
      BETEDGE_TRY_VOID(check_names(*headers, "the header"));
    }
    EarningsDay day;
    std::map<std::string, std::vector<std::size_t>> places;  // by symbol
    for (const auto& row : *rows) {
      BETEDGE_TRY(auto read, read_row(row, day.rows.size() + day.repeated_rows + 1));
      auto& same_symbol = places[read.symbol];
      if (std::ranges::any_of(same_symbol, [&](std::size_t i) { return day.rows[i] == read; })) {
        ++day.repeated_rows;
        continue;
      }
      if (!same_symbol.empty()) ++day.conflicting_rows;
      same_symbol.push_back(day.rows.size());
      day.rows.push_back(std::move(read));
    }
    return day;
  }

  // The answer says itself which day it is of.
  Result<void> check_day(const json& data) const {
    const auto as_of = data.find("asOf");
    if (as_of == data.end() || as_of->is_null()) return {};
    const auto said = as_of->is_string()
                          ? to_as_of_day(trimmed(as_of->get_ref<const std::string&>()))
                          : std::nullopt;
    if (!said)
      return garbled(fmt::format("asOf should be a day such as \"Fri, Nov 3, 2023\", and is {}",
                                 shown(*as_of)));
    if (*said != day_)
      return garbled(fmt::format("the answer is of another day: {}", to_iso_text(*said)));
    return {};
  }

  Result<void> check_names(const json& members, std::string_view where) const {
    const auto lacks = [&](std::span<const std::string_view> names) -> std::string_view {
      for (const auto name : names)
        if (!members.contains(name)) return name;
      return {};
    };
    auto missing = lacks(kAlways);
    if (missing.empty() && !lacks(kReported).empty() && !lacks(kExpected).empty()) {
      // Which of the two it was meant to be shows in what there is of it.
      const bool reported = members.contains("eps") || members.contains("surprise");
      missing = reported ? lacks(kReported) : lacks(kExpected);
    }
    if (missing.empty()) return {};
    return garbled(fmt::format("{} lacks the field {}: {}", where, missing, shown(members)));
  }

  static std::vector<std::string> names_of(const json& members) {
    std::vector<std::string> names;
    for (const auto& [name, value] : members.items()) names.push_back(name);
    return names;
  }

  Result<EarningsRow> read_row(const json& row, std::size_t number) const {
    if (!row.is_object())
      return garbled(fmt::format("row {} should be an object, and is {}", number, shown(row)));
    EarningsRow read;
    const auto symbol = row.find("symbol");
    if (symbol != row.end() && symbol->is_string())
      read.symbol = upper(trimmed(symbol->get_ref<const std::string&>()));
    if (read.symbol.empty())
      return garbled(fmt::format("row {} has no symbol: {}", number, shown(row)));
    if (!is_symbol(read.symbol))
      return garbled(fmt::format("row {}: symbol should be a word such as MOG.A, and is {}", number,
                                 excerpt(read.symbol)));
    BETEDGE_TRY_VOID(check_names(row, read.symbol));

    constexpr std::string_view kMoney = "an amount such as $1.23 or ($0.05)";
    const auto take = [&](std::string_view field, std::string_view expected, auto read_text,
                          auto& value) -> Result<void> {
      const auto found = row.find(field);
      if (found == row.end() || found->is_null()) return {};  // the other layout's, or a plain null
      const bool is_known = found->is_string() || found->is_number();
      const auto text = found->is_string() ? found->template get<std::string>()
                        : is_known         ? found->dump()
                                           : std::string();
      const auto bare = trimmed(text);
      if (is_known && is_none(bare)) return {};
      if (is_known) value = read_text(bare);
      if (!value) return garbled_field(read.symbol, field, expected, *found);
      return {};
    };
    BETEDGE_TRY_VOID(take("eps", kMoney, to_signed, read.eps));
    BETEDGE_TRY_VOID(take("epsForecast", kMoney, to_signed, read.eps_forecast));
    BETEDGE_TRY_VOID(take("lastYearEPS", kMoney, to_signed, read.last_year_eps));
    BETEDGE_TRY_VOID(take("surprise", "a percentage such as -20.9", to_percent, read.surprise_pct));
    BETEDGE_TRY_VOID(
        take("marketCap", "whole dollars such as $71,008,400,000", to_dollars, read.market_cap));
    BETEDGE_TRY_VOID(take("noOfEsts", "a whole number", to_integer, read.num_estimates));
    BETEDGE_TRY_VOID(
        take("lastYearRptDt", "a day such as 5/08/2023", to_iso_day, read.last_year_report_date));
    BETEDGE_TRY_VOID(
        take("fiscalQuarterEnding", "a text", to_any_text, read.fiscal_quarter_ending));
    BETEDGE_TRY_VOID(take("time", "a text", to_any_text, read.time));
    if (read.time == "time-not-supplied") read.time.reset();  // as the Python original has it
    BETEDGE_TRY_VOID(take_name(row, read));
    return read;
  }

  // A company may be called "NA".
  Result<void> take_name(const json& row, EarningsRow& read) const {
    const auto& name = row.at("name");
    if (name.is_null()) return {};
    if (!name.is_string()) return garbled_field(read.symbol, "name", "a text", name);
    const auto text = trimmed(name.get_ref<const std::string&>());
    if (!text.empty()) read.name = text;
    return {};
  }

  Date day_;
};

}  // namespace

Result<EarningsDay> parse_earnings_day(Date day, std::string_view body) {
  return DayReader(day).read(body);
}

}  // namespace betedge::columnar
