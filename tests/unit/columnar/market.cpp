#include "unit/columnar/market.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "betedge/core/table.hpp"

namespace betedge::columnar::testing {

namespace {

constexpr std::array<std::uint32_t, 4> kDays = {20240102, 20240103, 20240104, 20240105};

bool is_contract_column(std::string_view name) {
  return name == "root" || name == "expiration" || name == "strike" || name == "right";
}

std::string dashed(std::string_view yyyymmdd) {
  return fmt::format("{}-{}-{}", yyyymmdd.substr(0, 4), yyyymmdd.substr(4, 2),
                     yyyymmdd.substr(6, 2));
}

// The terminal trims a fraction's trailing zeros.
std::string clock_time(std::string_view ms_of_day) {
  const auto ms = std::stoul(std::string(ms_of_day));
  auto text = fmt::format("{:02}:{:02}:{:02}", ms / 3'600'000, ms / 60'000 % 60, ms / 1000 % 60);
  if (ms % 1000 != 0) {
    text += fmt::format(".{:03}", ms % 1000);
    while (text.ends_with('0')) text.pop_back();
  }
  return text;
}

std::string dollars(std::string_view thousandths) {
  const auto number = std::stoul(std::string(thousandths));
  return fmt::format("{}.{:03}", number / 1000, number % 1000);
}

std::string random_number(std::mt19937_64& random) {
  switch (random() % 8) {
    case 0: return "0";
    case 1: return "4294967295";
    case 2: return fmt::to_string(static_cast<std::uint32_t>(random()));
    default: return fmt::to_string(random() % 500);
  }
}

std::string random_price(std::mt19937_64& random) {
  switch (random() % 8) {
    case 0: return "0";
    case 1: return "0.00";
    case 2: return fmt::format("{}.{:04}", random() % 100'000, random() % 10'000);
    case 3: return fmt::format("{}", random() % 100'000);
    case 4: return fmt::format("{}.{:017}", random() % 1000, random() % 100'000'000'000'000'000);
    default: return fmt::format("{}.{:02}", random() % 1000, random() % 100);
  }
}

std::string line_end(const Style& style) {
  return style.crlf ? "\r\n" : "\n";
}

}  // namespace

const std::string& Table::cell(std::size_t row, std::string_view column) const {
  const auto found = std::ranges::find(columns, column);
  return rows.at(row).at(static_cast<std::size_t>(found - columns.begin()));
}

HistoricalRequest request_for(Kind kind, Schema schema, FileFormat format) {
  return {.kind = kind,
          .root = *Symbol::parse("ABC"),
          .dates = {*from_yyyymmdd(kFirstDay), *from_yyyymmdd(kLastDay)},
          .schema = schema,
          .interval = std::chrono::milliseconds(schema == Schema::eod ? 0 : 60'000),
          .window = {},
          .format = format,
          .existing = Existing::keep};
}

Call call_for(Kind kind, Schema schema) {
  const auto request = request_for(kind, schema);
  return {.kind = kind,
          .schema = schema,
          .root = request.root,
          .dates = request.dates,
          .interval = request.interval,
          .window = {},
          .role = Role::primary};
}

ObjectSpec spec_for(const HistoricalRequest& request) {
  return {.request = request,
          .key = object_key(request, request.dates.first),
          .covers = request.dates,
          .source = "thetadata",
          .request_json = R"({"root":"ABC"})"};
}

Table random_table(Kind kind, Schema schema, std::size_t contracts, std::size_t rows_of_each,
                   std::mt19937_64& random) {
  Table table;
  for (const Column& column : core::columns(kind, schema)) table.columns.emplace_back(column.name);
  for (std::size_t contract = 0; contract < contracts; ++contract) {
    const auto expiration = fmt::format("2024{:02}{:02}", 1 + random() % 12, 1 + random() % 28);
    const auto strike = fmt::to_string(500 * (contract + 1) + random() % 3);
    const std::string right = contract % 2 == 0 ? "C" : "P";
    for (std::size_t i = 0; i < rows_of_each; ++i) {
      const auto date = fmt::to_string(kDays[i * kDays.size() / rows_of_each]);
      // Half of the rows are as the one before but for their time, as quotes that stand still are.
      const bool repeats = schema != Schema::eod && i > 0 && random() % 2 == 0;
      const auto before = repeats ? table.rows.back() : std::vector<std::string>();
      auto& row = table.rows.emplace_back();
      for (const Column& column : core::columns(kind, schema)) {
        if (column.name == "ms_of_day")
          row.push_back(fmt::to_string(schema == Schema::eod ? random() % 86'400'000
                                                             : 34'200'000 + 60'000 * (i % 391)));
        else if (column.name == "ms_of_day2")
          row.push_back(fmt::to_string(random() % 3 == 0 ? 0 : random() % 86'400'000));
        else if (column.name == "date")
          row.push_back(date);
        else if (column.name == "root")
          row.emplace_back("ABC");
        else if (column.name == "expiration")
          row.push_back(expiration);
        else if (column.name == "strike")
          row.push_back(strike);
        else if (column.name == "right")
          row.push_back(right);
        else if (repeats)
          row.push_back(before[row.size()]);
        else if (column.type == ColumnType::float64)
          row.push_back(random_price(random));
        else
          row.push_back(random_number(random));
      }
    }
  }
  return table;
}

std::string as_v3_csv(const Table& table, std::size_t from, std::size_t to, Style style) {
  const bool has_contracts = std::ranges::find(table.columns, "right") != table.columns.end();
  const bool is_eod = std::ranges::find(table.columns, "ms_of_day2") != table.columns.end();
  std::string text;
  if (has_contracts) text += "symbol,expiration,strike,right,";
  text += is_eod ? "created,last_trade" : "timestamp";
  for (const std::string& column : table.columns)
    if (!is_contract_column(column) && column != "date" && !column.starts_with("ms_of_day"))
      text += "," + column;
  if (style.more_columns) text += ",vwap";
  text += line_end(style);
  const auto quoted = [&](const std::string& value) {
    return style.quotes ? "\"" + value + "\"" : value;
  };
  for (std::size_t row = from; row < to; ++row) {
    const auto day = dashed(table.cell(row, "date"));
    if (has_contracts)
      text += fmt::format("{},{},{},{},", quoted(table.cell(row, "root")),
                          quoted(dashed(table.cell(row, "expiration"))),
                          dollars(table.cell(row, "strike")),
                          quoted(table.cell(row, "right") == "C" ? "CALL" : "PUT"));
    text += quoted(day + "T" + clock_time(table.cell(row, "ms_of_day")));
    if (is_eod) text += "," + quoted(day + "T" + clock_time(table.cell(row, "ms_of_day2")));
    for (const std::string& column : table.columns)
      if (!is_contract_column(column) && column != "date" && !column.starts_with("ms_of_day"))
        text += "," + table.cell(row, column);
    if (style.more_columns) text += ",0.0200";
    text += line_end(style);
  }
  return text;
}

std::string as_v2_csv(const Table& table, std::size_t from, std::size_t to, Style style) {
  const bool has_contracts = std::ranges::find(table.columns, "right") != table.columns.end();
  std::string text;
  if (from == 0 || style.page_headers) {
    if (has_contracts) text += "root,expiration,strike,right,";
    std::string separator;
    for (const std::string& column : table.columns) {
      if (is_contract_column(column)) continue;
      text += separator + column;
      separator = ",";
    }
    text += line_end(style);
  }
  for (std::size_t row = from; row < to; ++row) {
    if (has_contracts)
      text += fmt::format("{},{},{},{},", table.cell(row, "root"), table.cell(row, "expiration"),
                          table.cell(row, "strike"), table.cell(row, "right"));
    std::string separator;
    for (const std::string& column : table.columns) {
      if (is_contract_column(column)) continue;
      text += separator + table.cell(row, column);
      separator = ",";
    }
    text += line_end(style);
  }
  return text;
}

std::string as_v2_json(const Table& table, std::size_t from, std::size_t to, Style style) {
  const bool has_contracts = std::ranges::find(table.columns, "right") != table.columns.end();
  const std::string gap = style.spaces ? " \n\t" : "";
  std::string names;
  for (const std::string& column : table.columns)
    if (!is_contract_column(column))
      names += fmt::format("{}\"{}\"", names.empty() ? "" : "," + gap, column);
  std::string text = fmt::format(
      R"({0}{{{0}"header":{0}{{"id":1,"latency_ms":89,"error_type":"null","error_msg":"null","next_page":"null","format":[{1}]}}{0},{0}"response":{0}[{0})",
      gap, names);
  const auto contract_of = [&](std::size_t row) {
    return fmt::format(
        R"("contract":{4}{{"root":"{0}",{4}"expiration":{1},"strike":{2}{4},"right":"{3}"}})",
        table.cell(row, "root"), table.cell(row, "expiration"), table.cell(row, "strike"),
        table.cell(row, "right"), gap);
  };
  for (std::size_t row = from; row < to; ++row) {
    const bool begins = has_contracts && (row == from || contract_of(row) != contract_of(row - 1));
    const bool ends = has_contracts && (row + 1 == to || contract_of(row) != contract_of(row + 1));
    if (row != from) text += gap + ",";
    if (begins) {
      text += gap + "{" + gap;
      if (style.contract_first) text += contract_of(row) + "," + gap;
      text += "\"ticks\":" + gap + "[";
    }
    text += gap + "[";
    std::string separator;
    for (const std::string& column : table.columns) {
      if (is_contract_column(column)) continue;
      text += separator + gap + table.cell(row, column) + gap;
      separator = ",";
    }
    text += "]";
    if (ends) {
      text += gap + "]";
      if (!style.contract_first) text += gap + "," + contract_of(row);
      text += gap + "}";
    }
  }
  return text + gap + "]" + gap + "}" + gap;
}

Result<Encoded> encode(const HistoricalRequest& request, const Call& call, WireFormat format,
                       const std::vector<std::string>& documents,
                       const std::function<std::size_t()>& next_length) {
  BETEDGE_TRY(const auto encoder, ObjectEncoder::open(spec_for(request)));
  Encoded encoded;
  const auto take = [&] {
    const Bytes bytes = encoder->take_output();
    encoded.bytes.insert(encoded.bytes.end(), bytes.begin(), bytes.end());
  };
  BETEDGE_TRY_VOID(encoder->begin_answer(call, format));
  for (const std::string& document : documents) {
    BETEDGE_TRY_VOID(encoder->begin_document());
    std::string_view rest = document;
    while (!rest.empty()) {
      const std::size_t length = std::min(std::max<std::size_t>(next_length(), 1), rest.size());
      // A copy of its own, so that a sanitizer sees a read past the piece.
      const std::vector<char> piece(rest.begin(),
                                    rest.begin() + static_cast<std::ptrdiff_t>(length));
      BETEDGE_TRY_VOID(encoder->feed(std::as_bytes(std::span(piece))));
      rest.remove_prefix(length);
      take();
    }
  }
  BETEDGE_TRY_VOID(encoder->end_answer());
  BETEDGE_TRY(encoded.summary, encoder->finish());
  take();
  return encoded;
}

Result<Encoded> encode(const HistoricalRequest& request, const Call& call, WireFormat format,
                       const std::vector<std::string>& documents) {
  return encode(request, call, format, documents, [] { return std::string::npos; });
}

}  // namespace betedge::columnar::testing
