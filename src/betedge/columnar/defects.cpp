#include "betedge/columnar/defects.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <unordered_map>
#include <utility>

#include "betedge/columnar/decoder.hpp"

namespace betedge::columnar {

namespace {

void add(RuleCounts& rules, std::string_view name, std::uint64_t rows) {
  if (rows > 0) rules[std::string(name)] += rows;
}

// Whether any value stands next to its like. Reads all, so that the compiler can take many at once.
bool has_equal_neighbours(const std::uint32_t* values, std::size_t from, std::size_t to) {
  std::uint32_t found = 0;
  for (std::size_t i = from; i < to; ++i) found |= values[i] == values[i - 1] ? 1u : 0u;
  return found != 0;
}

struct KeyColumns {
  explicit KeyColumns(const RowBuffer& rows)
      : dates(rows.numbers(rows.find("date").value())),
        expirations(rows.numbers(rows.find("expiration").value())),
        strikes(rows.numbers(rows.find("strike").value())),
        rights(rows.codes(rows.find("right").value())) {}
  const std::uint32_t *dates, *expirations, *strikes;
  const std::uint8_t* rights;
};

// Whether every row of a contract is of a later day than its rows before, so that none is there
// twice. Answers are so but for the vendor's defects, and this is quicker than sorting them.
bool is_each_day_later(const RowBuffer& rows) {
  const auto [dates, expirations, strikes, rights] = KeyColumns(rows);
  struct Contract {
    std::uint64_t expiration_and_strike;
    std::uint8_t right;
    bool operator==(const Contract&) const = default;
  };
  struct Hash {
    std::size_t operator()(const Contract& contract) const {
      return std::hash<std::uint64_t>()(contract.expiration_and_strike * 4 + contract.right);
    }
  };
  std::unordered_map<Contract, std::uint32_t, Hash> last_dates;
  std::uint32_t* last_date = nullptr;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    const bool is_same_contract = row > 0 && expirations[row] == expirations[row - 1] &&
                                  strikes[row] == strikes[row - 1] &&
                                  rights[row] == rights[row - 1];
    if (!is_same_contract)
      last_date = &last_dates[{std::uint64_t{expirations[row]} << 32 | strikes[row], rights[row]}];
    if (dates[row] <= *last_date) return false;
    *last_date = dates[row];
  }
  return true;
}

// The rows by day, those of one in the order in which they came.
std::vector<std::uint32_t> order_by_day(const RowBuffer& rows) {
  const std::span dates(rows.numbers(rows.find("date").value()), rows.size());
  std::map<std::uint32_t, std::uint32_t> places;  // of each day's next row
  for (const std::uint32_t date : dates) ++places[date];
  std::uint32_t place = 0;
  for (auto& [date, rows_of_day] : places) place += std::exchange(rows_of_day, place);
  std::vector<std::uint32_t> order(rows.size());
  for (std::uint32_t row = 0; row < rows.size(); ++row)
    order[places.find(dates[row])->second++] = row;
  return order;
}

}  // namespace

TwinFilter::TwinFilter(std::span<const Column> columns) : last_(columns, 1) {
  ms_of_day_ = last_.find("ms_of_day").value();
  date_ = last_.find("date").value();
}

std::uint64_t TwinFilter::drop_twins(RowBuffer& rows) {
  const std::size_t size = rows.size();
  const std::uint32_t* const times = rows.numbers(ms_of_day_);
  const std::uint32_t* const dates = rows.numbers(date_);
  std::size_t kept = checked_;
  std::size_t row = checked_;
  if (row == 0 && row < size) {
    if (last_.size() == 0 || !rows.is_same_row(0, last_, 0)) kept = 1;
    row = 1;
  }
  if (kept == row && !(row < size && has_equal_neighbours(times, row, size))) {
    checked_ = size;
    return 0;
  }
  for (; row < size; ++row) {
    // Twins before it are gone, so the row before it is the last one kept, or the one that left.
    const bool is_twin = kept == 0
                             ? rows.is_same_row(row, last_, 0)
                             : times[row] == times[kept - 1] && dates[row] == dates[kept - 1] &&
                                   rows.is_same_row(row, rows, kept - 1);
    if (is_twin) continue;
    if (kept != row) rows.copy_row(row, kept);
    ++kept;
  }
  rows.resize(kept);
  checked_ = kept;
  return size - kept;
}

void TwinFilter::will_drop_front(const RowBuffer& rows, std::size_t count) {
  if (count == 0) return;
  last_.resize(0);
  last_.append(rows, count - 1, 1);
  checked_ -= std::min(count, checked_);
}

DefectCounter::DefectCounter(Kind kind, Schema schema, std::span<const Column> columns)
    : kind_(kind), schema_(schema) {
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].name.starts_with("ms_of_day")) times_.push_back(i);
    if (columns[i].type == ColumnType::float64 && !columns[i].nullable) prices_.push_back(i);
  }
}

void DefectCounter::count(const RowBuffer& rows, std::size_t count) {
  rows_ += count;
  for (const std::size_t column : times_) {
    const std::span times(rows.numbers(column), count);
    midnight_rows_ += static_cast<std::uint64_t>(std::ranges::count(times, kLastMsOfDay));
  }
  if (kind_ == Kind::stock) {
    for (const std::size_t column : prices_)
      has_price_ = has_price_ || std::ranges::any_of(std::span(rows.prices(column), count),
                                                     [](double price) { return price > 0; });
    if (schema_ == Schema::eod) count_zero_sessions(rows, count);
  } else {
    count_underlying(rows, count);
    if (schema_ == Schema::eod) count_quoted_without_trade(rows, count);
  }
}

bool DefectCounter::is_zero_row(const RowBuffer& rows, std::size_t row) const {
  return std::ranges::none_of(prices_,
                              [&](std::size_t column) { return rows.prices(column)[row] > 0; });
}

void DefectCounter::count_zero_sessions(const RowBuffer& rows, std::size_t count) {
  for (std::size_t row = 0; row < count; ++row) zero_sessions_ += is_zero_row(rows, row) ? 1 : 0;
}

void DefectCounter::count_quoted_without_trade(const RowBuffer& rows, std::size_t count) {
  std::array<const double*, 4> traded{};
  std::ranges::transform(
      std::array<std::string_view, 4>{"open", "high", "low", "close"}, traded.begin(),
      [&](std::string_view name) { return rows.prices(rows.find(name).value()); });
  const double* const bid = rows.prices(rows.find("bid").value());
  const double* const ask = rows.prices(rows.find("ask").value());
  for (std::size_t row = 0; row < count; ++row) {
    const bool is_quoted = bid[row] > 0 || ask[row] > 0;
    const bool is_traded =
        std::ranges::any_of(traded, [row](const double* price) { return price[row] > 0; });
    quoted_without_trade_ += is_quoted && !is_traded ? 1 : 0;
  }
}

void DefectCounter::count_underlying(const RowBuffer& rows, std::size_t count) {
  const std::uint8_t* const rights = rows.codes(rows.find("right").value());
  // They come last, so that most batches have none.
  if (count == 0 || rights[count - 1] != RowBuffer::kUnderlying) return;
  for (std::size_t row = count; row-- > 0 && rights[row] == RowBuffer::kUnderlying;) {
    ++underlying_rows_;
    has_underlying_price_ = has_underlying_price_ || !is_zero_row(rows, row);
  }
}

void DefectCounter::add_to(RuleCounts& rules) const {
  add(rules, rule::kMidnightRows, midnight_rows_);
  add(rules, rule::kZeroSessions, zero_sessions_);
  add(rules, rule::kQuotedWithoutTrade, quoted_without_trade_);
  if (!has_underlying_price_) add(rules, rule::kZeroUnderlying, underlying_rows_);
}

bool DefectCounter::is_zero_series() const {
  return kind_ == Kind::stock && rows_ > 0 && !has_price_;
}

std::vector<std::uint32_t> order_contracts(const RowBuffer& rows, RuleCounts& rules) {
  if (is_each_day_later(rows)) return order_by_day(rows);

  const auto [dates, expirations, strikes, rights] = KeyColumns(rows);
  const std::uint32_t* const created = rows.numbers(rows.find("ms_of_day").value());
  struct Entry {
    std::uint32_t date, expiration, strike, right, row;
    auto operator<=>(const Entry&) const = default;
    bool is_contract_of(const Entry& other) const {
      return date == other.date && expiration == other.expiration && strike == other.strike &&
             right == other.right;
    }
  };
  std::vector<Entry> entries;
  entries.reserve(rows.size());
  for (std::uint32_t row = 0; row < rows.size(); ++row)
    entries.push_back({dates[row], expirations[row], strikes[row], rights[row], row});
  std::ranges::sort(entries);

  // The row with which `other` is compared, but for its `created`.
  RowBuffer but_for_created(rows.columns(), 1);
  const auto differs_otherwise = [&](std::uint32_t row, std::uint32_t other) {
    but_for_created.resize(0);
    but_for_created.append(rows, row, 1);
    but_for_created.numbers(rows.find("ms_of_day").value())[0] = created[other];
    return !but_for_created.is_same_row(0, rows, other);
  };
  struct Kept {
    std::uint32_t date, first_row, row;
    auto operator<=>(const Kept&) const = default;
  };
  std::vector<Kept> kept;
  kept.reserve(entries.size());
  std::uint64_t doubled = 0, conflicting = 0, twins = 0;
  for (std::size_t begin = 0, end = 0; begin < entries.size(); begin = end) {
    std::uint32_t newest = entries[begin].row;
    for (end = begin + 1; end < entries.size() && entries[end].is_contract_of(entries[begin]);
         ++end)
      if (created[entries[end].row] > created[newest]) newest = entries[end].row;
    for (std::size_t i = begin; i < end; ++i) {
      const std::uint32_t row = entries[i].row;
      if (row == newest) continue;
      if (rows.is_same_row(row, rows, newest)) {
        ++twins;
        continue;
      }
      ++doubled;
      if (differs_otherwise(row, newest)) ++conflicting;
    }
    kept.push_back({entries[begin].date, entries[begin].row, newest});
  }
  add(rules, rule::kDoubledContracts, doubled);
  add(rules, rule::kConflictingContracts, conflicting);
  add(rules, rule::kIdenticalTwins, twins);

  std::ranges::sort(kept);
  std::vector<std::uint32_t> order;
  order.reserve(kept.size());
  for (const Kept& one : kept) order.push_back(one.row);
  return order;
}

}  // namespace betedge::columnar
