#include "betedge/core/request.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace betedge::core {
namespace {

constexpr std::size_t kLongestSymbol = 16;

char upper(char c) {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

bool may_begin_symbol(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '^';
}
bool may_follow_in_symbol(char c) {
  return may_begin_symbol(c) || c == '.' || c == '-';
}

template <class Value, std::size_t N>
std::optional<Value> among(const std::array<Value, N>& values, std::string_view text) {
  const auto found =
      std::ranges::find_if(values, [&](Value value) { return to_text(value) == text; });
  if (found == values.end()) return std::nullopt;
  return *found;
}

}  // namespace

std::string_view to_text(Kind kind) {
  switch (kind) {
    case Kind::option: return "option";
    case Kind::stock: return "stock";
    case Kind::earnings: return "earnings";
  }
  std::unreachable();
}

std::string_view upstream_of(Kind kind) {
  switch (kind) {
    case Kind::option:
    case Kind::stock: return "thetadata";
    case Kind::earnings: return "nasdaq";
  }
  std::unreachable();
}

std::string_view to_text(Schema schema) {
  switch (schema) {
    case Schema::quote: return "quote";
    case Schema::ohlc: return "ohlc";
    case Schema::eod: return "eod";
  }
  std::unreachable();
}

std::string_view to_text(FileFormat format) {
  switch (format) {
    case FileFormat::parquet: return "parquet";
    case FileFormat::ipc: return "ipc";
  }
  std::unreachable();
}

std::string_view to_text(Existing mode) {
  switch (mode) {
    case Existing::keep: return "skip";
    case Existing::refresh: return "refresh";
    case Existing::replace: return "force";
  }
  std::unreachable();
}

std::optional<Kind> parse_kind(std::string_view text) {
  return among(std::array{Kind::option, Kind::stock, Kind::earnings}, text);
}

std::optional<Schema> parse_schema(std::string_view text) {
  return among(std::array{Schema::quote, Schema::ohlc, Schema::eod}, text);
}

std::optional<FileFormat> parse_file_format(std::string_view text) {
  return among(std::array{FileFormat::parquet, FileFormat::ipc}, text);
}

std::optional<Existing> parse_mode(std::string_view text) {
  return among(std::array{Existing::keep, Existing::refresh, Existing::replace}, text);
}

std::optional<Symbol> Symbol::parse(std::string_view text) {
  if (text.empty() || text.size() > kLongestSymbol) return std::nullopt;
  std::string symbol(text);
  std::ranges::transform(symbol, symbol.begin(), upper);
  if (!may_begin_symbol(symbol.front())) return std::nullopt;
  if (!std::ranges::all_of(symbol, may_follow_in_symbol)) return std::nullopt;
  return Symbol(std::move(symbol));
}

std::string interval_label(std::chrono::milliseconds interval) {
  using namespace std::chrono;
  struct Unit {
    milliseconds length;
    std::string_view suffix;
  };
  static constexpr std::array kUnits{Unit{24h, "d"}, Unit{1h, "h"}, Unit{1min, "m"}, Unit{1s, "s"}};
  for (const Unit& unit : kUnits)
    if (interval != 0ms && interval % unit.length == 0ms)
      return fmt::format("{}{}", interval / unit.length, unit.suffix);
  return fmt::format("{}ms", interval.count());
}

}  // namespace betedge::core
