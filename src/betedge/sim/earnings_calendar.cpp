#include "betedge/sim/earnings_calendar.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <iterator>
#include <new>
#include <nlohmann/json.hpp>
#include <system_error>
#include <vector>

#include "betedge/core/calendar.hpp"
#include "betedge/sim/mix.hpp"

namespace betedge::sim {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array<std::string_view, 7> kWeekdays{"Sun", "Mon", "Tue", "Wed",
                                                    "Thu", "Fri", "Sat"};

struct Calendar {
  int year;
  unsigned month, day;
};

Calendar of(Date date) {
  const std::chrono::year_month_day parts{date};
  return {static_cast<int>(parts.year()), static_cast<unsigned>(parts.month()),
          static_cast<unsigned>(parts.day())};
}

std::string as_of(Date day) {
  const auto [year, month, number] = of(day);
  return fmt::format("{}, {} {}, {}", kWeekdays[std::chrono::weekday{day}.c_encoding()],
                     kMonths[month - 1], number, year);
}

// "$1,234,567"
std::string dollars(std::uint64_t amount) {
  auto digits = std::to_string(amount);
  for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > 0; at -= 3)
    digits.insert(static_cast<std::size_t>(at), ",");
  return "$" + digits;
}

// "$0.46", "($0.05)", and now and then "$3" for a whole amount.
std::string money(std::int64_t cents) {
  const auto size = static_cast<std::uint64_t>(cents < 0 ? -cents : cents);
  const auto text = size % 100 == 0 ? fmt::format("${}", size / 100)
                                    : fmt::format("${}.{:02}", size / 100, size % 100);
  return cents < 0 ? "(" + text + ")" : text;
}

std::string percent(std::int64_t hundredths) {
  const auto size = hundredths < 0 ? -hundredths : hundredths;
  auto text = fmt::format("{}{}.{:02}", hundredths < 0 ? "-" : "", size / 100, size % 100);
  while (text.ends_with('0')) text.pop_back();
  if (text.ends_with('.')) text.pop_back();
  return text;
}

// How busy the week is, from 0 to 1: most companies report from the third to the sixth week after a
// quarter's end.
double season(Date day) {
  const auto [year, month, number] = of(day);
  const double week = ((month - 1) % 3 * 30.4 + number) / 7.0;
  const double distance = (week - 4.8) / 1.7;
  return std::exp(-distance * distance / 2);
}

std::string symbol_of(std::uint64_t bits, std::size_t number) {
  // The number makes it the day's only one: three letters that count, one or two by chance.
  std::string text;
  for (int i = 0; i < 3; ++i, number /= 26) text += static_cast<char>('A' + number % 26);
  if (bits % 4 != 0) text += static_cast<char>('A' + bits / 4 % 26);
  if (bits % 29 == 0) text += bits % 2 == 0 ? ".A" : ".B";
  return text;
}

std::string quarter_before(Date day) {
  auto [year, month, number] = of(day);
  const unsigned back = (month - 1) % 3 + 1;
  if (month > back) {
    month -= back;
  } else {
    month = month + 12 - back;
    --year;
  }
  return fmt::format("{}/{}", kMonths[month - 1], year);
}

std::string last_year(Date day, std::uint64_t bits) {
  auto then = day - std::chrono::days{364} + std::chrono::days{static_cast<int>(bits % 5) - 2};
  while (!is_session(then)) then -= std::chrono::days{1};
  const auto [year, month, number] = of(then);
  return fmt::format("{}/{:02}/{}", month, number, year);
}

Json row_of(std::uint64_t seed, Date day, bool is_over, std::size_t number) {
  const auto bits = mix(mix(seed, to_yyyymmdd(day)), number);
  const auto draw = [bits](std::uint64_t what) { return mix(bits, what); };
  const auto symbol = symbol_of(draw(1), number);
  const auto forecast =
      static_cast<std::int64_t>(std::lround(bell(draw(2)) * 90 + (draw(3) % 3 == 0 ? -40 : 110)));
  const bool has_forecast = draw(4) % 5 != 0;
  Json row = Json::object();
  if (is_over) {
    const auto eps = forecast + static_cast<std::int64_t>(std::lround(bell(draw(5)) * 9));
    const bool has_eps = draw(6) % 40 != 0;
    const bool has_surprise = has_eps && has_forecast && forecast != 0;
    row["eps"] = has_eps ? money(eps) : "N/A";
    row["surprise"] =
        has_surprise
            ? percent((eps - forecast) * 10'000 / std::max<std::int64_t>(1, std::abs(forecast)))
            : "N/A";
  } else {
    const bool has_last = draw(7) % 2 == 0;
    row["lastYearRptDt"] = has_last ? last_year(day, draw(8)) : "N/A";
    row["lastYearEPS"] =
        has_last ? money(forecast - static_cast<std::int64_t>(std::lround(bell(draw(9)) * 15)))
                 : "N/A";
  }
  constexpr std::array<std::string_view, 3> kTimes{"time-not-supplied", "time-after-hours",
                                                   "time-pre-market"};
  row["time"] = is_over && draw(10) % 12 != 0 ? kTimes[0] : kTimes[draw(11) % 3];
  row["symbol"] = symbol;
  row["name"] = fmt::format("{} Holdings{}", symbol, draw(12) % 6 == 0 ? " Inc. " : ", Inc.");
  // From twenty million to two trillion.
  const auto cap =
      static_cast<std::uint64_t>(2e7 * std::pow(10.0, 5 * unit(draw(13)) * unit(draw(14))));
  row["marketCap"] = draw(15) % 200 == 0 ? "" : dollars(cap);
  row["fiscalQuarterEnding"] = quarter_before(day);
  row["epsForecast"] = has_forecast ? money(forecast) : "";
  row["noOfEsts"] = has_forecast ? std::to_string(1 + draw(16) % 14) : "N/A";
  return row;
}

Json headers_of(bool is_over) {
  Json headers{{"time", "Time"}, {"symbol", "Symbol"}, {"name", "Company Name"}};
  if (is_over) {
    headers["eps"] = "EPS";
    headers["surprise"] = "% Surprise";
  }
  headers["marketCap"] = "Market Cap";
  headers["fiscalQuarterEnding"] = "Fiscal Quarter Ending";
  headers["epsForecast"] = "Consensus EPS* Forecast";
  headers["noOfEsts"] = "# of Ests";
  if (!is_over) {
    headers["lastYearRptDt"] = "Last Year's Report Date";
    headers["lastYearEPS"] = "Last year's EPS*";
  }
  return headers;
}

void rename(Json& members, const std::string& from, const std::string& to) {
  const auto found = members.find(from);
  if (found == members.end()) return;
  Json value = *found;
  members.erase(found);
  members[to] = std::move(value);
}

void reshape(Json& headers, Json& rows, EarningsShape shape) {
  Json changed = Json::array();
  switch (shape) {
    case EarningsShape::plain:
    case EarningsShape::no_data: return;
    case EarningsShape::half:
      for (std::size_t i = 0; i < rows.size() / 2; ++i) changed.push_back(rows[i]);
      break;
    case EarningsShape::twins:
    case EarningsShape::doubled:
      for (const auto& row : rows) {
        changed.push_back(row);
        changed.push_back(row);
        if (shape == EarningsShape::doubled)
          changed.back()["epsForecast"] = row.at("epsForecast") == "$9.99" ? "$9.98" : "$9.99";
      }
      break;
    case EarningsShape::wrong_header:
    case EarningsShape::columns:
      changed = rows;
      changed.push_back(headers);
      for (auto& members : changed) {
        if (shape == EarningsShape::columns)
          members["unheardOf"] = "7";
        else
          rename(members, "epsForecast", "epsGuess");
      }
      headers = changed.back();
      changed.erase(changed.size() - 1);
      break;
    case EarningsShape::no_rows: break;
  }
  rows = std::move(changed);
}

}  // namespace

std::string earnings_body(std::uint64_t seed, Date day, Date today, EarningsShape shape) {
  const bool is_over = day < today;
  Json body{{"data", nullptr},
            {"message", nullptr},
            {"status", {{"rCode", 200}, {"bCodeMessage", nullptr}, {"developerMessage", nullptr}}}};
  if (shape == EarningsShape::no_data) {
    body["status"]["rCode"] = 400;
    return body.dump();
  }
  body["data"] = {{"asOf", as_of(day)}, {"headers", nullptr}, {"rows", nullptr}};
  if (!is_session(day)) return body.dump();
  const auto bits = mix(mix(seed, "earnings"), to_yyyymmdd(day));
  const auto count = 20 + static_cast<std::size_t>(season(day) * (0.6 + 0.4 * unit(bits)) * 280);
  auto headers = headers_of(is_over);
  Json rows = Json::array();
  for (std::size_t i = 0; i < count; ++i) rows.push_back(row_of(seed, day, is_over, i));
  reshape(headers, rows, shape);
  body["data"]["headers"] = std::move(headers);
  body["data"]["rows"] = std::move(rows);
  return body.dump();
}

Result<std::unique_ptr<EarningsReplay>> EarningsReplay::open(const std::filesystem::path& folder) {
  const auto refuse = [&](std::string_view why) {
    return fail(ErrorCode::invalid_request,
                fmt::format("recorded earnings in {}: {}", folder.string(), why));
  };
  std::error_code wrong;
  std::filesystem::directory_iterator files(folder, wrong);
  if (wrong) return refuse(wrong.message());
  auto replay = std::make_unique<EarningsReplay>();
  for (const auto& file : files) {
    auto digits = file.path().stem().string();  // "2024-07-01"
    std::erase(digits, '-');
    const auto day = parse_yyyymmdd(digits);
    if (!day || file.path().filename() != to_iso_text(*day) + ".json") continue;
    std::ifstream stream(file.path(), std::ios::binary);
    std::string body((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
    if (!stream.good() && !stream.eof())
      return refuse(file.path().filename().string() + " cannot be read");
    replay->days_.emplace(*day, std::move(body));
  }
  if (replay->days_.empty()) return refuse("no file is named after a day, such as 2024-07-01.json");
  return replay;
}

const std::string* EarningsReplay::body(Date day) const {
  const auto found = days_.find(day);
  return found == days_.end() ? nullptr : &found->second;
}

std::string gzipped(std::string_view body) {
  z_stream stream{};
  constexpr int kGzipWindow = 15 + 16;
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzipWindow, 8,
                   Z_DEFAULT_STRATEGY) != Z_OK)
    throw std::bad_alloc();
  std::string packed(deflateBound(&stream, body.size()) + 32, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(body.data()));
  stream.avail_in = static_cast<uInt>(body.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

}  // namespace betedge::sim
