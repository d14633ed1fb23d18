#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "betedge/sim/data.hpp"

namespace betedge::sim {

struct MarketOptions {
  std::uint64_t seed = 1;
  // Contracts of a symbol's chain on any day; symbols that are not named have their own number.
  std::map<std::string, std::uint32_t, std::less<>> contracts;
  // Nothing traded here before this day.
  Date first_date = Date(std::chrono::year{2012} / 6 / 1);
};

// A market that exists only as a function: every value follows from the seed, the symbol, the day,
// the contract and the minute, so that any call in any protocol and at any time sees the same
// values, and a longer interval's quotes are some of a shorter one's.
//
// Stocks walk around a trend, from minute to minute. A chain has weekly and monthly expirations and
// strikes around the last close of the month before, priced by Black and Scholes under a smile.
// Bars are trades of the minutes between; the day's eod row is the sum of its bars and its last
// quote. On an early close rows run to 16:00 with zeros after the close (THETA.md 2.5). A quote not
// made yet and a bar without a trade are zeros (THETA.md 1.6).
class Market final : public DataSource {
 public:
  explicit Market(MarketOptions options);
  ~Market() override;

  Result<std::size_t> read(const Query& query, const RowSink& sink) const override;

  // The chain's contracts on a session, by expiration, strike and right; empty before the listing
  // and on days without a session.
  std::vector<Contract> chain(std::string_view symbol, Date day) const;

  // All expirations from the listing to what is listed on `day`, ascending.
  std::vector<std::uint32_t> expirations(std::string_view symbol, Date day) const;

  // The symbols that have a character of their own; every other symbol has a market too.
  static std::span<const std::string_view> known_symbols();

  // The first session with data.
  Date listed(std::string_view symbol) const;

 private:
  struct History;
  const History& history(std::string_view symbol) const;
  std::size_t read_stock(const History&, const Query&, Date day, std::vector<Tick>& rows) const;
  std::size_t read_chain(const History&, const Query&, Date day, const RowSink& sink) const;

  MarketOptions options_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, std::unique_ptr<History>, std::less<>> histories_;
};

}  // namespace betedge::sim
