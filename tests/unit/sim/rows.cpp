#include "unit/sim/rows.hpp"

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace betedge::sim {

namespace {

std::vector<std::string> split(std::string_view line) {
  std::vector<std::string> fields(1);
  for (const char c : line) {
    if (c == ',') {
      fields.emplace_back();
    } else if (c != '"') {
      fields.back() += c;
    }
  }
  return fields;
}

std::uint32_t number(std::string_view text) {
  return static_cast<std::uint32_t>(std::stoul(std::string(text)));
}

std::int64_t e4(const std::string& text) {
  return std::llround(std::stod(text) * 10'000);
}

std::uint32_t iso_date(std::string_view text) {
  return number(text.substr(0, 4)) * 10'000 + number(text.substr(5, 2)) * 100 +
         number(text.substr(8, 2));
}

// "09:30:00.02" is 20 milliseconds: digits of the fraction are left-aligned.
std::uint32_t iso_time(std::string_view text) {
  const auto time = text.substr(text.find('T') + 1);
  auto ms = (number(time.substr(0, 2)) * 3'600 + number(time.substr(3, 2)) * 60 +
             number(time.substr(6, 2))) *
            1'000;
  if (time.size() > 8) {
    auto fraction = std::string(time.substr(9));
    fraction.resize(3, '0');
    ms += number(fraction);
  }
  return ms;
}

void put_field(const std::string& name, const std::string& text, Contract& contract, Tick& tick) {
  static const std::map<std::string, std::uint32_t Tick::*> kNumbers{
      {"ms_of_day", &Tick::ms_of_day},
      {"ms_of_day2", &Tick::ms_of_day2},
      {"date", &Tick::date},
      {"volume", &Tick::volume},
      {"count", &Tick::count},
      {"bid_size", &Tick::bid_size},
      {"bid_exchange", &Tick::bid_exchange},
      {"bid_condition", &Tick::bid_condition},
      {"ask_size", &Tick::ask_size},
      {"ask_exchange", &Tick::ask_exchange},
      {"ask_condition", &Tick::ask_condition}};
  static const std::map<std::string, std::int64_t Tick::*> kPrices{
      {"open", &Tick::open},   {"high", &Tick::high}, {"low", &Tick::low},
      {"close", &Tick::close}, {"bid", &Tick::bid},   {"ask", &Tick::ask}};
  if (const auto found = kNumbers.find(name); found != kNumbers.end()) {
    tick.*found->second = number(text);
  } else if (const auto price = kPrices.find(name); price != kPrices.end()) {
    tick.*price->second = e4(text);
  } else if (name == "timestamp" || name == "created") {
    tick.date = iso_date(text);
    tick.ms_of_day = iso_time(text);
  } else if (name == "last_trade") {
    tick.ms_of_day2 = iso_time(text);
  } else if (name == "expiration") {
    contract.expiration = text.contains('-') ? iso_date(text) : number(text);
  } else if (name == "strike") {
    contract.strike = text.contains('.')
                          ? static_cast<std::uint32_t>(std::llround(std::stod(text) * 1'000))
                          : number(text);
  } else if (name == "right") {
    contract.right = text.at(0);
  } else if (name != "symbol" && name != "root" && name != "vwap") {
    throw std::runtime_error("unknown column " + name);
  }
}

}  // namespace

Rows read_rows(const DataSource& source, const Query& query) {
  Rows rows;
  const auto count = source.read(query, [&](const Contract& contract, std::span<const Tick> ticks) {
    for (const auto& tick : ticks) rows.emplace_back(contract, tick);
  });
  if (!count || *count != rows.size()) throw std::runtime_error("the source miscounts its rows");
  return rows;
}

Rows parse_csv(std::string_view text, bool is_v3) {
  Rows rows;
  std::vector<std::string> names;
  while (!text.empty()) {
    const auto end = text.find('\n');
    if (end == std::string_view::npos) throw std::runtime_error("a line without an end");
    auto line = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    const auto fields = split(line);
    if (names.empty()) {
      names = fields;
      continue;
    }
    if (fields == names) continue;  // a v2 page's header
    if (fields.size() != names.size()) throw std::runtime_error("a row of another width");
    auto& [contract, tick] = rows.emplace_back();
    for (std::size_t i = 0; i < names.size(); ++i) put_field(names[i], fields[i], contract, tick);
  }
  if (is_v3 && !names.empty() && names[0] == "root") throw std::runtime_error("v2 names in v3");
  return rows;
}

Rows parse_json(std::string_view text) {
  const auto document = nlohmann::json::parse(text);
  std::vector<std::string> names = document.at("header").at("format");
  Rows rows;
  const auto take = [&](const nlohmann::json& fields, const Contract& contract) {
    auto& [of, tick] = rows.emplace_back();
    of = contract;
    for (std::size_t i = 0; i < names.size(); ++i)
      put_field(names[i], fields.at(i).dump(), of, tick);
  };
  for (const auto& entry : document.at("response")) {
    if (entry.is_array()) {
      take(entry, {});
      continue;
    }
    const auto& named = entry.at("contract");
    const Contract contract{named.at("expiration"), named.at("strike"),
                            named.at("right").get<std::string>().at(0)};
    for (const auto& fields : entry.at("ticks")) take(fields, contract);
  }
  return rows;
}

}  // namespace betedge::sim
