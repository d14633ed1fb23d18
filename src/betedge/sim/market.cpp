#include "betedge/sim/market.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <utility>

#include "betedge/core/calendar.hpp"
#include "betedge/sim/mix.hpp"

namespace betedge::sim {

namespace {

using namespace std::chrono_literals;
using std::chrono::days;
using std::chrono::year;

constexpr int kMinutes = 390;  // of a full session
constexpr std::uint32_t kMinuteMs = 60'000;
constexpr std::int64_t kCent = 100;  // in 1/10000 dollar
constexpr double kRate = 0.03;       // a year, for carrying strikes
constexpr std::uint32_t kOptionCondition = 50;
const Date kEndOfTime{year{2040} / 12 / 31};

// Streams of chance that must not meet.
enum Stream : std::uint64_t { walk = 1, gap, path, stock_bar, stock_quote, eod, smile, option };

struct Character {
  std::string_view symbol;
  double price;       // at the listing
  double volatility;  // a year
  std::uint32_t contracts;
  double minute_volume;  // shares, on average
  bool is_index;         // no stock behind it
  Date listed;           // or the market's first day, if that is later
};

constexpr Date on(int y, unsigned m, unsigned d) {
  return Date(year{y} / std::chrono::month{m} / std::chrono::day{d});
}

// Sizes of the chains: data/README.md and BASELINES.md (MEDIUM, LARGE).
const std::array kCharacters{
    Character{"AAPL", 80, 0.28, 2'000, 180'000, false, on(1980, 12, 12)},
    Character{"ABNB", 140, 0.45, 1'200, 15'000, false, on(2020, 12, 10)},
    Character{"AIG", 45, 0.30, 600, 15'000, false, on(1984, 12, 14)},
    Character{"AMZN", 90, 0.32, 2'200, 110'000, false, on(1997, 5, 15)},
    Character{"GOOG", 85, 0.28, 2'100, 60'000, false, on(2014, 4, 3)},
    Character{"IBM", 130, 0.22, 700, 12'000, false, on(1962, 1, 2)},
    Character{"MSFT", 160, 0.26, 2'000, 65'000, false, on(1986, 3, 13)},
    Character{"NVDA", 60, 0.45, 2'400, 250'000, false, on(1999, 1, 22)},
    Character{"QQQ", 220, 0.21, 8'000, 120'000, false, on(1999, 3, 10)},
    Character{"RIVN", 60, 0.70, 800, 60'000, false, on(2021, 11, 10)},
    Character{"SPX", 2'600, 0.16, 9'000, 0, true, on(1983, 7, 1)},
    Character{"SPY", 260, 0.16, 10'000, 200'000, false, on(1993, 1, 29)},
    Character{"TSLA", 120, 0.55, 3'000, 260'000, false, on(2010, 6, 29)},
    Character{"VIX", 18, 0.90, 1'000, 0, true, on(2006, 2, 24)},
};
constexpr std::array<std::string_view, 14> kNames{"AAPL", "ABNB", "AIG",  "AMZN", "GOOG",
                                                  "IBM",  "MSFT", "NVDA", "QQQ",  "RIVN",
                                                  "SPX",  "SPY",  "TSLA", "VIX"};

Character character_of(std::string_view symbol, std::uint64_t seed) {
  const auto* const known = std::ranges::find(kCharacters, symbol, &Character::symbol);
  if (known != kCharacters.end()) return *known;
  const auto h = mix(seed, symbol);
  return {symbol,
          15.0 + 150.0 * unit(mix(h, 1)),
          0.2 + 0.3 * unit(mix(h, 2)),
          static_cast<std::uint32_t>(200 + 20 * (mix(h, 3) % 21)),
          500.0 + 8'000.0 * unit(mix(h, 4)),
          false,
          on(1990, 1, 2)};
}

std::int64_t in_cents(double dollars) {
  return std::max<std::int64_t>(1, std::llround(dollars * 100)) * kCent;
}

double normal_cdf(double x) {
  return 0.5 * std::erfc(-x * 0.70710678118654752);
}

std::uint32_t at_minute(int minute) {
  return kOpenMs + static_cast<std::uint32_t>(minute) * kMinuteMs;
}

// The quote stamps or bar starts that a query wants of one day, with the minute of each: for a bar
// the first minute that begins in it, and the first that no longer does.
struct Stamp {
  std::uint32_t ms;
  int minute;
  int end_minute;
};

std::vector<Stamp> stamps(const Query& query) {
  std::vector<Stamp> found;
  const bool is_bar = query.schema == Schema::ohlc;
  const auto minute_from = [](std::uint64_t ms) {
    return static_cast<int>((ms - kOpenMs + kMinuteMs - 1) / kMinuteMs);
  };
  for (std::uint64_t ms = kOpenMs; is_bar ? ms < kCloseMs : ms <= kCloseMs;
       ms += query.interval_ms) {
    const auto stamp = static_cast<std::uint32_t>(ms);
    if (!query.wants_time(stamp)) continue;
    if (is_bar) {
      found.push_back(
          {stamp, minute_from(ms), std::min(kMinutes, minute_from(ms + query.interval_ms))});
    } else {
      found.push_back({stamp, static_cast<int>((stamp - kOpenMs) / kMinuteMs), 0});
    }
  }
  return found;
}

// A minute's trades; volume 0 is none.
struct Bar {
  std::int64_t open = 0, high = 0, low = 0, close = 0;
  std::uint32_t volume = 0, count = 0;

  void add(const Bar& later) {
    if (later.volume == 0) return;
    if (volume == 0) {
      *this = later;
      return;
    }
    high = std::max(high, later.high);
    low = std::min(low, later.low);
    close = later.close;
    volume += later.volume;
    count += later.count;
  }
  void put_into(Tick& tick) const {
    tick.open = open;
    tick.high = high;
    tick.low = low;
    tick.close = close;
    tick.volume = volume;
    tick.count = count;
  }
};

// A symbol's price over one session: at each minute from 09:30 to the close, and its logarithm.
struct DayPath {
  int minutes = kMinutes;  // to the close
  std::array<double, kMinutes + 1> price{};
  std::array<double, kMinutes + 1> log_price{};
};

// The listed expirations of a day with their strikes, ascending.
struct Expiration {
  Date day;
  std::uint32_t first_strike;
  std::uint32_t step;
  std::uint32_t strikes;
};

Date session_on_or_before(Date day) {
  while (!is_session(day)) day -= days{1};
  return day;
}

Date third_friday(std::chrono::year_month month) {
  return Date(month / std::chrono::Friday[3]);
}

}  // namespace

std::string Query::key() const {
  return fmt::format("{}/{}/{}/{}-{}/{}/{}-{}/{}/{}/{}/{}", to_text(kind), to_text(schema), symbol,
                     to_yyyymmdd(dates.first), to_yyyymmdd(dates.last), interval_ms, first_ms,
                     last_ms, expiration.value_or(0), strike.value_or(0), right.value_or('*'),
                     max_days_to_expiration ? static_cast<int>(*max_days_to_expiration) : -1);
}

struct Market::History {
  std::string symbol;
  std::uint64_t seed = 0;
  Character character{};
  std::vector<Date> open_days;  // sessions from the listing on
  std::vector<double> closes;   // of those

  std::optional<std::size_t> index_of(Date day) const {
    const auto found = std::ranges::lower_bound(open_days, day);
    if (found == open_days.end() || *found != day) return std::nullopt;
    return static_cast<std::size_t>(found - open_days.begin());
  }

  std::uint64_t chance(Stream stream, Date day) const {
    return mix(mix(seed, stream), to_yyyymmdd(day));
  }

  double daily_volatility() const { return character.volatility / std::sqrt(252.0); }

  DayPath path(std::size_t index) const {
    DayPath result;
    const auto day = open_days[index];
    const auto close = session_close(day).value_or(16h);
    result.minutes = static_cast<int>((close - (9h + 30min)) / 1min);
    const auto before = index == 0 ? character.price : closes[index - 1];
    const auto opening =
        std::log(before) + 0.3 * daily_volatility() * bell(chance(Stream::gap, day));
    const auto closing = std::log(closes[index]);
    const auto n = result.minutes;
    const auto step = daily_volatility() / std::sqrt(static_cast<double>(n));
    std::array<double, kMinutes + 1> wander{};
    const auto base = chance(Stream::path, day);
    for (int i = 1; i <= n; ++i) {
      wander[static_cast<std::size_t>(i)] = wander[static_cast<std::size_t>(i - 1)] +
                                            step * bell(mix(base, static_cast<std::uint64_t>(i)));
    }
    // A bridge: it begins at the opening and ends at the close.
    for (int i = 0; i <= n; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const auto part = static_cast<double>(i) / n;
      const auto log_price = opening + (closing - opening) * part + wander[at] -
                             part * wander[static_cast<std::size_t>(n)];
      result.price[at] = std::max(0.01, std::round(std::exp(log_price) * 100) / 100);
      result.log_price[at] = std::log(result.price[at]);
    }
    return result;
  }

  Bar stock_bar(const DayPath& path, std::uint64_t base, int minute) const {
    const auto h = mix(base, static_cast<std::uint64_t>(minute));
    // Thinly traded stocks have minutes without a trade.
    if (unit(mix(h, 1)) > character.minute_volume / 1'500.0) return {};
    const auto at = static_cast<std::size_t>(minute);
    Bar bar;
    bar.open = in_cents(path.price[at]);
    bar.close = in_cents(path.price[at + 1]);
    const auto reach = std::max<std::int64_t>(1, std::llround(path.price[at] * 0.02));
    bar.high = std::max(bar.open, bar.close) +
               kCent * static_cast<std::int64_t>(h % static_cast<std::uint64_t>(reach + 1));
    bar.low = std::min(bar.open, bar.close) -
              kCent * static_cast<std::int64_t>((h >> 16) % static_cast<std::uint64_t>(reach + 1));
    bar.low = std::max(bar.low, std::min(kCent, bar.low + 10 * kCent));
    if ((h >> 32) % 8 == 0) bar.high += static_cast<std::int64_t>((h >> 36) % 100);  // off the cent
    const auto middle = (static_cast<double>(minute) - 195.0) / 195.0;
    const auto busy = 0.5 + 1.5 * middle * middle;
    bar.volume = 1 + static_cast<std::uint32_t>(character.minute_volume * busy *
                                                (0.3 + 1.4 * unit(mix(h, 2))));
    bar.count = 1 + bar.volume / (80 + static_cast<std::uint32_t>(h >> 40) % 60);
    return bar;
  }

  void put_stock_quote(const DayPath& path, std::uint64_t base, int minute, Tick& tick) const {
    if (minute > path.minutes) return;
    static constexpr std::array<std::uint32_t, 8> kExchanges{1, 3, 7, 9, 57, 60, 63, 73};
    const auto h = mix(base, static_cast<std::uint64_t>(minute));
    const auto middle = in_cents(path.price[static_cast<std::size_t>(minute)]);
    const auto width = kCent * static_cast<std::int64_t>(
                                   1 + h % (2 + static_cast<std::uint64_t>(middle / 1'000'000)));
    tick.bid = std::max(kCent, middle - width / 2 / kCent * kCent);
    tick.ask = tick.bid + width;
    tick.bid_size = 1 + (h >> 8) % 40;
    tick.ask_size = 1 + (h >> 16) % 40;
    tick.bid_exchange = kExchanges[(h >> 24) % kExchanges.size()];
    tick.ask_exchange = kExchanges[(h >> 32) % kExchanges.size()];
  }

  std::vector<Expiration> expirations_on(Date day) const;
  void add_expirations(Date day, std::set<Date>& weekly, std::set<Date>& monthly) const;
};

void Market::History::add_expirations(Date day, std::set<Date>& weekly,
                                      std::set<Date>& monthly) const {
  const std::chrono::year_month_day today{day};
  const auto add = [day](std::set<Date>& to, Date expiration) {
    expiration = session_on_or_before(expiration);
    if (expiration >= day) to.insert(expiration);
  };
  const std::chrono::year_month this_month = today.year() / today.month();
  for (int ahead = 0; ahead <= 12; ++ahead) {
    add(monthly, third_friday(this_month + std::chrono::months{ahead}));
  }
  for (int ahead = 1; ahead <= 2; ++ahead) {
    add(monthly, third_friday((today.year() + std::chrono::years{ahead}) / std::chrono::January));
  }
  const auto friday = day + (std::chrono::Friday - std::chrono::weekday{day});
  for (int week = 0; week < 8; ++week) add(weekly, friday + days{7 * week});
  if (character.contracts >= 8'000) {  // those with an expiration every day
    for (int ahead = 0; ahead <= 14; ++ahead) {
      if (is_session(day + days{ahead})) weekly.insert(day + days{ahead});
    }
  }
  for (const auto expiration : monthly) weekly.erase(expiration);
}

std::vector<Expiration> Market::History::expirations_on(Date day) const {
  std::set<Date> weekly;
  std::set<Date> monthly;
  add_expirations(day, weekly, monthly);

  std::vector<Expiration> found;
  for (const auto expiration : weekly) found.push_back({expiration, 0, 0, 1});
  for (const auto expiration : monthly) found.push_back({expiration, 0, 0, 2});
  std::ranges::sort(found, {}, &Expiration::day);

  // Strikes by weight, and exactly as many in all as the chain is to have.
  const auto pairs = std::max<std::uint32_t>(1, character.contracts / 2);
  if (found.size() > pairs) found.resize(pairs);
  std::uint32_t weights = 0;
  for (const auto& one : found) weights += one.strikes;
  auto left = pairs;
  for (auto& one : found) {
    one.strikes = std::max<std::uint32_t>(
        1, static_cast<std::uint32_t>(std::uint64_t{pairs} * one.strikes / weights));
    left -= std::min(left, one.strikes);
  }
  for (std::size_t i = 0; left > 0; i = (i + 1) % found.size(), --left) ++found[i].strikes;
  for (std::size_t i = found.size(); i-- > 0;) {  // the minimum of 1 each may have given too many
    std::uint32_t sum = 0;
    for (const auto& one : found) sum += one.strikes;
    if (sum <= pairs) break;
    found[i].strikes -= std::min(found[i].strikes - 1, sum - pairs);
  }

  // Around the last close of the month before, so that a contract lives longer than a day.
  const auto month_began = std::ranges::lower_bound(open_days, first_of_month(day));
  const auto reference =
      month_began == open_days.begin()
          ? character.price
          : closes[static_cast<std::size_t>(month_began - open_days.begin()) - 1];
  for (auto& one : found) {
    const bool is_monthly = monthly.contains(one.day);
    if (reference < 25) {
      one.step = 500;
    } else if (reference < 250 || character.contracts >= 8'000) {
      one.step =
          reference < 1'000 ? (is_monthly && character.contracts < 8'000 ? 2'500 : 1'000) : 5'000;
    } else {
      one.step = reference < 1'000 ? 5'000 : 25'000;
    }
    const auto centre = static_cast<std::uint32_t>(std::lround(reference * 1'000 / one.step));
    one.first_strike = (centre > one.strikes / 2 ? centre - one.strikes / 2 : 1) * one.step;
  }
  return found;
}

namespace {

// Both sides of one strike on one day: what quotes and trades are made from.
class Pair {
 public:
  Pair(const DayPath& path, double volatility, bool has_fine_ticks, std::uint64_t base,
       double strike, double days_to_expiration)
      : path_(path),
        has_fine_ticks_(has_fine_ticks),
        base_(base),
        log_strike_(std::log(strike)),
        days_(days_to_expiration) {
    const auto years = (days_ + 1) / 365;
    // Steeper below the money, and for the whole day as seen at the opening.
    const auto m =
        std::clamp((log_strike_ - path.log_price[0]) / std::sqrt(years + 0.02), -2.5, 2.5);
    volatility_ = volatility * std::clamp(1 - 0.12 * m + 0.10 * m * m, 0.4, 3.0);
    carried_strike_ = strike * std::exp(-kRate * years);
    distance_ = std::abs(log_strike_ - path.log_price[0]) / (volatility * std::sqrt(years));
    // Quotes far from the money change seldom and begin late.
    period_ = distance_ < 0.5 ? 1 : distance_ < 1 ? 2 : distance_ < 2 ? 5 : 15;
  }

  double distance() const { return distance_; }

  struct Values {
    double call, put;
  };
  Values values(int minute) const {
    const auto at = static_cast<std::size_t>(minute);
    const auto price = path_.price[at];
    const auto years =
        std::max(2e-5, (days_ + static_cast<double>(path_.minutes - minute) / kMinutes) / 365);
    const auto spread = volatility_ * std::sqrt(years);
    const auto d1 =
        (path_.log_price[at] - log_strike_ + (kRate + volatility_ * volatility_ / 2) * years) /
        spread;
    const auto call = price * normal_cdf(d1) - carried_strike_ * normal_cdf(d1 - spread);
    const auto floor = std::max(0.0, price - carried_strike_);
    const auto bounded = std::max(call, floor);
    return {bounded, std::max(0.0, bounded - price + carried_strike_)};
  }

  // The first minute with a quote.
  int first_minute(char right) const {
    const auto h = mix(base_, static_cast<std::uint64_t>(right));
    return static_cast<int>(distance_ < 1 ? h % 2 : h % 15);
  }

  // The minute whose values the quote at this minute shows.
  int quoted_minute(int minute, char right) const {
    return std::max(minute - minute % period_, first_minute(right));
  }

  void put_quote(const Values& values, int minute, char right, Tick& tick) const {
    const auto value = right == 'C' ? values.call : values.put;
    const double tick_size = has_fine_ticks_ || value < 3 ? 0.01 : 0.05;
    const auto half = std::max(tick_size / 2, 0.008 * value + 0.003 * std::min(distance_, 3.0));
    const auto unit_e4 = std::lround(tick_size * 10'000);
    const auto bid = std::max(0.0, std::floor((value - half) / tick_size));
    const auto ask = std::max(bid + 1, std::ceil((value + half) / tick_size));
    tick.bid = static_cast<std::int64_t>(bid) * unit_e4;
    tick.ask = static_cast<std::int64_t>(ask) * unit_e4;
    static constexpr std::array<std::uint32_t, 12> kExchanges{4,  5,  6,  9,  11, 22,
                                                              42, 43, 46, 47, 60, 69};
    const auto h =
        mix(mix(base_, static_cast<std::uint64_t>(minute)), static_cast<std::uint64_t>(right));
    tick.bid_size =
        tick.bid == 0 ? 0 : 1 + static_cast<std::uint32_t>(h % 64) * (((h >> 6) & 3) == 0 ? 8 : 1);
    tick.ask_size = 1 + static_cast<std::uint32_t>((h >> 8) % 64) * (((h >> 14) & 3) == 0 ? 8 : 1);
    tick.bid_exchange = kExchanges[(h >> 24) % kExchanges.size()];
    tick.ask_exchange = kExchanges[(h >> 32) % kExchanges.size()];
    tick.bid_condition = kOptionCondition;
    tick.ask_condition = kOptionCondition;
  }

  // The day's trades of one side by minute, ascending. Most contracts have few or none.
  void trades(char right, double busy, std::vector<std::pair<int, Bar>>& found) const {
    found.clear();
    const auto chance =
        std::clamp(busy * std::exp(-distance_ * distance_) / (1 + days_ / 90), 0.0004, 0.95);
    const auto log_none = std::log1p(-chance);
    const auto base = mix(base_, mix(0x7472616465, static_cast<std::uint64_t>(right)));
    int minute = -1;
    for (std::uint64_t i = 0;; ++i) {
      const auto h = mix(base, i);
      const auto skipped = std::log1p(-unit(h)) / log_none;
      if (skipped > kMinutes) return;
      minute += 1 + static_cast<int>(skipped);
      if (minute >= path_.minutes) return;
      Tick quote;
      const auto quoted = quoted_minute(minute, right);
      put_quote(values(quoted), quoted, right, quote);
      const auto cents = static_cast<std::uint64_t>((quote.ask - quote.bid) / kCent);
      const auto within = [&](int shift) {
        const auto offset = (mix(h, 5) >> shift) % (cents + 1);
        return std::max(kCent, quote.bid + kCent * static_cast<std::int64_t>(offset));
      };
      Bar bar;
      bar.open = within(0);
      bar.close = within(16);
      bar.high = std::max({bar.open, bar.close, within(32)});
      bar.low = std::min(bar.open, bar.close);
      bar.count = 1 + static_cast<std::uint32_t>(mix(h, 6) % 4);
      bar.volume = bar.count * (1 + static_cast<std::uint32_t>(mix(h, 7) % 25));
      if (bar.count == 1) bar.high = bar.low = bar.close = bar.open;
      found.emplace_back(minute, bar);
    }
  }

 private:
  const DayPath& path_;
  bool has_fine_ticks_;
  std::uint64_t base_;
  double log_strike_, carried_strike_ = 0;
  double days_;
  double volatility_ = 0;
  double distance_ = 0;
  int period_ = 1;
};

}  // namespace

Market::Market(MarketOptions options) : options_(std::move(options)) {}
Market::~Market() = default;

std::span<const std::string_view> Market::known_symbols() {
  return kNames;
}

const Market::History& Market::history(std::string_view symbol) const {
  const std::scoped_lock lock(mutex_);
  if (const auto found = histories_.find(symbol); found != histories_.end()) return *found->second;
  auto made = std::make_unique<History>();
  made->symbol = symbol;
  made->seed = mix(options_.seed, symbol);
  made->character = character_of(made->symbol, options_.seed);
  for (const auto name : {std::string_view("*"), symbol}) {
    const auto wanted = options_.contracts.find(name);
    if (wanted != options_.contracts.end()) made->character.contracts = wanted->second;
  }
  made->open_days = sessions({std::max(options_.first_date, made->character.listed), kEndOfTime});
  const auto trend = std::log(made->character.price);
  auto level = trend;
  for (std::size_t i = 0; i < made->open_days.size(); ++i) {
    // Pulled back to a slow rise, so that no price runs away in decades.
    const auto target = trend + 0.05 * static_cast<double>(i) / 252;
    level += 0.004 * (target - level) +
             made->daily_volatility() * bell(made->chance(Stream::walk, made->open_days[i]));
    made->closes.push_back(std::max(0.5, std::round(std::exp(level) * 100) / 100));
  }
  return *histories_.emplace(std::string(symbol), std::move(made)).first->second;
}

Date Market::listed(std::string_view symbol) const {
  return history(symbol).open_days.front();
}

std::size_t Market::read_stock(const History& history, const Query& query, Date day,
                               std::vector<Tick>& rows) const {
  const auto index = history.index_of(day);
  if (!index || history.character.is_index) return 0;
  const auto path = history.path(*index);
  const auto date = to_yyyymmdd(day);
  const auto bars = history.chance(Stream::stock_bar, day);
  const auto quotes = history.chance(Stream::stock_quote, day);
  if (query.schema == Schema::eod) {
    Tick tick{.date = date};
    Bar whole;
    int last = 0;
    for (int minute = 0; minute < path.minutes; ++minute) {
      const auto bar = history.stock_bar(path, bars, minute);
      if (bar.volume > 0) last = minute;
      whole.add(bar);
    }
    const auto h = history.chance(Stream::eod, day);
    whole.put_into(tick);
    tick.ms_of_day = 62'100'000 + static_cast<std::uint32_t>(h % 180'000);
    if (whole.volume > 0)
      tick.ms_of_day2 = at_minute(last) + static_cast<std::uint32_t>((h >> 20) % kMinuteMs);
    history.put_stock_quote(path, quotes, path.minutes, tick);
    rows.push_back(tick);
    return 1;
  }
  std::size_t count = 0;
  for (const auto& stamp : stamps(query)) {
    Tick tick{.date = date, .ms_of_day = stamp.ms};
    if (query.schema == Schema::quote) {
      history.put_stock_quote(path, quotes, stamp.minute, tick);
    } else {
      Bar bar;
      for (int minute = stamp.minute; minute < std::min(stamp.end_minute, path.minutes); ++minute) {
        bar.add(history.stock_bar(path, bars, minute));
      }
      bar.put_into(tick);
    }
    rows.push_back(tick);
    ++count;
  }
  return count;
}

std::size_t Market::read_chain(const History& history, const Query& query, Date day,
                               const RowSink& sink) const {
  const auto index = history.index_of(day);
  if (!index) return 0;
  const auto path = history.path(*index);
  const auto date = to_yyyymmdd(day);
  const auto chain_base = history.chance(Stream::option, day);
  const auto volatility =
      history.character.volatility * (0.85 + 0.3 * unit(history.chance(Stream::smile, day)));
  const auto busy = history.character.contracts >= 1'500 ? 0.3 : 0.05;
  const bool has_fine_ticks = history.character.contracts >= 8'000;
  const auto grid = query.schema == Schema::eod ? std::vector<Stamp>() : stamps(query);

  std::size_t count = 0;
  std::vector<std::pair<int, Bar>> trades;
  std::array<std::vector<Tick>, 2> rows;
  // Call and put of a strike are valued together, once a minute.
  std::array<Pair::Values, kMinutes + 1> valued{};
  std::array<std::uint32_t, kMinutes + 1> valued_for{};
  std::uint32_t pair_number = 0;
  constexpr std::array kSides{'C', 'P'};
  for (const auto& expiration : history.expirations_on(day)) {
    const auto yyyymmdd = to_yyyymmdd(expiration.day);
    const auto to_expiration = (expiration.day - day).count();
    if (query.expiration && *query.expiration != yyyymmdd) continue;
    if (query.max_days_to_expiration && to_expiration > *query.max_days_to_expiration) continue;
    for (std::uint32_t i = 0; i < expiration.strikes; ++i) {
      const auto strike = expiration.first_strike + i * expiration.step;
      if (query.strike && *query.strike != strike) continue;
      const auto base = mix(mix(chain_base, yyyymmdd), strike);
      const Pair pair(path, volatility, has_fine_ticks, base, strike / 1'000.0,
                      static_cast<double>(to_expiration));
      for (auto& side : rows) side.clear();
      switch (query.schema) {
        case Schema::quote: {
          ++pair_number;
          for (std::size_t side = 0; side < 2; ++side) {
            int last_quoted = -1;
            const auto first = pair.first_minute(kSides[side]);
            for (const auto& stamp : grid) {
              Tick tick{.date = date, .ms_of_day = stamp.ms};
              if (stamp.minute >= first && stamp.minute <= path.minutes) {
                const auto quoted = pair.quoted_minute(stamp.minute, kSides[side]);
                if (quoted == last_quoted) {
                  tick = rows[side].back();
                  tick.ms_of_day = stamp.ms;
                } else {
                  const auto at = static_cast<std::size_t>(quoted);
                  if (std::exchange(valued_for[at], pair_number) != pair_number) {
                    valued[at] = pair.values(quoted);
                  }
                  pair.put_quote(valued[at], quoted, kSides[side], tick);
                  last_quoted = quoted;
                }
              }
              rows[side].push_back(tick);
            }
          }
          break;
        }
        case Schema::ohlc:
          for (std::size_t side = 0; side < 2; ++side) {
            pair.trades(kSides[side], busy, trades);
            if (trades.empty()) continue;  // a contract without a trade that day has no bars
            auto next = trades.begin();
            for (const auto& stamp : grid) {
              Bar bar;
              while (next != trades.end() && next->first < stamp.minute) ++next;
              for (; next != trades.end() && next->first < stamp.end_minute; ++next)
                bar.add(next->second);
              auto& tick = rows[side].emplace_back(Tick{.date = date, .ms_of_day = stamp.ms});
              bar.put_into(tick);
            }
          }
          break;
        case Schema::eod:
          for (std::size_t side = 0; side < 2; ++side) {
            pair.trades(kSides[side], busy, trades);
            Bar whole;
            for (const auto& [minute, bar] : trades) whole.add(bar);
            auto& tick = rows[side].emplace_back(Tick{.date = date});
            whole.put_into(tick);
            const auto h = mix(base, static_cast<std::uint64_t>(kSides[side]));
            tick.ms_of_day = 62'100'000 + static_cast<std::uint32_t>((h >> 8) % 180'000);
            if (!trades.empty()) {
              tick.ms_of_day2 = at_minute(trades.back().first) +
                                static_cast<std::uint32_t>((h >> 32) % kMinuteMs);
            }
            const auto quoted = pair.quoted_minute(path.minutes, kSides[side]);
            pair.put_quote(pair.values(quoted), quoted, kSides[side], tick);
          }
          break;
      }
      for (std::size_t side = 0; side < 2; ++side) {
        const Contract contract{yyyymmdd, strike, kSides[side]};
        if (rows[side].empty() || !query.wants(contract)) continue;
        sink(contract, rows[side]);
        count += rows[side].size();
      }
    }
  }
  return count;
}

Result<std::size_t> Market::read(const Query& query, const RowSink& sink) const {
  const auto& of_symbol = history(query.symbol);
  std::size_t count = 0;
  if (query.kind == Kind::stock) {
    std::vector<Tick> rows;
    for (auto day = query.dates.first; day <= query.dates.last; day += days{1}) {
      count += read_stock(of_symbol, query, day, rows);
    }
    if (!rows.empty()) sink({}, rows);
    return count;
  }
  if (query.dates.first == query.dates.last) {
    return read_chain(of_symbol, query, query.dates.first, sink);
  }
  // A contract's rows of several days stand together.
  std::map<Contract, std::vector<Tick>> collected;
  const RowSink collect = [&collected](const Contract& contract, std::span<const Tick> rows) {
    auto& all = collected[contract];
    all.insert(all.end(), rows.begin(), rows.end());
  };
  for (auto day = query.dates.first; day <= query.dates.last; day += days{1}) {
    count += read_chain(of_symbol, query, day, collect);
  }
  for (const auto& [contract, rows] : collected) sink(contract, rows);
  return count;
}

std::vector<Contract> Market::chain(std::string_view symbol, Date day) const {
  const auto& of_symbol = history(symbol);
  std::vector<Contract> found;
  if (!of_symbol.index_of(day)) return found;
  for (const auto& expiration : of_symbol.expirations_on(day)) {
    for (std::uint32_t i = 0; i < expiration.strikes; ++i) {
      const auto strike = expiration.first_strike + i * expiration.step;
      found.push_back({to_yyyymmdd(expiration.day), strike, 'C'});
      found.push_back({to_yyyymmdd(expiration.day), strike, 'P'});
    }
  }
  return found;
}

std::vector<std::uint32_t> Market::expirations(std::string_view symbol, Date day) const {
  const auto& of_symbol = history(symbol);
  std::set<Date> all;
  for (const auto session : of_symbol.open_days) {
    if (session > day) break;
    std::set<Date> weekly;
    std::set<Date> monthly;
    // Every week shows what was listed in it.
    if (std::chrono::weekday{session} == std::chrono::Wednesday || session + days{5} > day) {
      of_symbol.add_expirations(session, weekly, monthly);
      all.merge(weekly);
      all.merge(monthly);
    }
  }
  std::vector<std::uint32_t> found;
  for (const auto expiration : all) found.push_back(to_yyyymmdd(expiration));
  return found;
}

}  // namespace betedge::sim
