#include "simulation/fake_market.hpp"

#include <fmt/format.h>

#include "betedge/core/calendar.hpp"

namespace betedge::simulation {

namespace {

std::uint64_t hash(std::string_view root, Date day, std::uint64_t salt) {
  std::uint64_t h = 0xcbf29ce484222325ULL ^ salt;
  for (const char c : root) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  h ^= static_cast<std::uint64_t>(day.time_since_epoch().count());
  h *= 0x9e3779b97f4a7c15ULL;
  return h ^ (h >> 29);
}

bool has_day(const Call& call, Date day) {
  if (call.root.text() == "GONE") return false;
  return hash(call.root.text(), day, 1) % 12 != 0;
}

constexpr std::string_view kQuote =
    "bid_size,bid_exchange,bid,bid_condition,ask_size,ask_exchange,ask,ask_condition";

std::string header(const Call& call) {
  std::string line = call.kind == Kind::option ? "symbol,expiration,strike,right," : "";
  switch (call.schema) {
    case Schema::quote: line += fmt::format("timestamp,{}", kQuote); break;
    case Schema::ohlc: line += "timestamp,open,high,low,close,volume,count,vwap"; break;
    case Schema::eod:
      line += fmt::format("created,last_trade,open,high,low,close,volume,count,{}", kQuote);
      break;
  }
  return line + "\n";
}

void add_row(std::string& out, const Call& call, Date day, std::uint64_t number) {
  const auto iso = to_iso_text(day);
  const auto value = hash(call.root.text(), day, number + 7) % 90'000 + 10'000;
  if (call.kind == Kind::option) {
    out +=
        fmt::format("{},{},{}.000,{},", call.root.text(), to_iso_text(day + std::chrono::days{7}),
                    100 + number / 2, number % 2 == 0 ? "CALL" : "PUT");
  }
  const auto price = fmt::format("{}.{:02}", value / 100, value % 100);
  const auto quote = fmt::format("{},1,{},50,{},2,{},50", number + 1, price, number + 2, price);
  const auto bar = fmt::format("{0},{0},{0},{0},{1},1", price, number + 3);
  switch (call.schema) {
    case Schema::quote:
      out += fmt::format("{}T{:02}:30:00.{:03},{}\n", iso, 9 + number % 6, number % 1000, quote);
      break;
    case Schema::ohlc:
      out += fmt::format("{}T{:02}:30:00,{},{}\n", iso, 9 + number % 6, bar, price);
      break;
    case Schema::eod:
      out += fmt::format("{0}T17:15:00.25,{0}T15:59:58.5,{1},{2}\n", iso, bar, quote);
      break;
  }
}

// When a row of a day is stamped; of an end of day there is one, whatever the window.
std::chrono::milliseconds time_of(const Call& call, std::uint64_t number) {
  using namespace std::chrono_literals;
  const auto time = 9h + 30min + 1h * (number % 6);
  return call.schema == Schema::quote ? time + 1ms * (number % 1000) : time;
}

bool is_asked_for(const Call& call, std::uint64_t number) {
  if (call.schema == Schema::eod) return true;
  const auto time = time_of(call, number);
  return time >= call.window.start.value_or(time) && time <= call.window.end.value_or(time);
}

std::uint64_t rows_of_day(const Call& call, Date day) {
  if (!has_day(call, day)) return 0;
  return call.kind == Kind::option
             ? 2 + hash(call.root.text(), day, 2) % 40
             : 1 + (call.schema == Schema::eod ? 0 : day.time_since_epoch().count() % 5);
}

}  // namespace

FakeMarket::Has FakeMarket::has(const Call& call) const {
  if (call.root.text() == "DENIED") return Has::denied;
  return rows(call) == 0 ? Has::no_data : Has::rows;
}

std::uint64_t FakeMarket::rows(const Call& call) const {
  std::uint64_t sum = 0;
  for (const auto day : sessions(call.dates))
    for (std::uint64_t number = 0; number < rows_of_day(call, day); ++number)
      if (is_asked_for(call, number)) ++sum;
  return sum;
}

std::string FakeMarket::csv(const Call& call) const {
  auto out = header(call);
  for (const auto day : sessions(call.dates)) {
    for (std::uint64_t number = 0; number < rows_of_day(call, day); ++number) {
      if (is_asked_for(call, number)) add_row(out, call, day, number);
    }
  }
  return out;
}

FakeMarket::Has FakeMarket::has(const PlannedItem& item) const {
  if (has(item.calls.front()) == Has::denied) return Has::denied;
  return rows(item) == 0 ? Has::no_data : Has::rows;
}

std::uint64_t FakeMarket::rows(const PlannedItem& item) const {
  std::uint64_t sum = 0;
  for (const auto& call : item.calls) {
    if (call.role == Role::underlying && sum == 0) continue;  // no chain, no underlying
    sum += rows(call);
  }
  return sum;
}

}  // namespace betedge::simulation
