#include "betedge/sim/render.hpp"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <map>
#include <new>

namespace betedge::sim {

namespace {

// --- Numbers as text. One pass, no locale, no allocation.
// -------------------------------------------

struct DigitPairs {
  std::array<char, 200> text{};
  constexpr DigitPairs() {
    for (std::size_t i = 0; i < 100; ++i) {
      text[2 * i] = static_cast<char>('0' + i / 10);
      text[2 * i + 1] = static_cast<char>('0' + i % 10);
    }
  }
};
constexpr DigitPairs kPairs;

char* put_two(char* out, std::uint64_t value) {
  std::memcpy(out, &kPairs.text[2 * value], 2);
  return out + 2;
}

char* put(char* out, std::uint64_t value) {
  if (value < 10) {
    *out = static_cast<char>('0' + value);
    return out + 1;
  }
  if (value < 100) return put_two(out, value);
  std::array<char, 20> digits;
  auto at = digits.size();
  while (value >= 100) {
    at -= 2;
    std::memcpy(&digits[at], &kPairs.text[2 * (value % 100)], 2);
    value /= 100;
  }
  if (value >= 10) {
    at -= 2;
    std::memcpy(&digits[at], &kPairs.text[2 * value], 2);
  } else {
    digits[--at] = static_cast<char>('0' + value);
  }
  std::memcpy(out, &digits[at], digits.size() - at);
  return out + (digits.size() - at);
}

char* put(char* out, std::string_view text) {
  std::memcpy(out, text.data(), text.size());
  return out + text.size();
}

// With exactly `scale` digits behind the point: 2, 3 or 4.
char* put_price(char* out, std::int64_t price, int scale) {
  if (price < 0) {
    *out++ = '-';
    price = -price;
  }
  const auto whole = static_cast<std::uint64_t>(price) / 10'000;
  const auto part = static_cast<std::uint64_t>(price) % 10'000;
  out = put(out, whole);
  *out++ = '.';
  out = put_two(out, part / 100);
  if (scale == 3) *out++ = static_cast<char>('0' + part % 100 / 10);
  if (scale == 4) out = put_two(out, part % 100);
  return out;
}

// As short as it goes, with at least one digit behind the point: 0.0, 150.6, 31.56.
char* put_shortest_price(char* out, std::int64_t price) {
  out = put_price(out, price, 4);
  for (int trailing = 0; trailing < 3 && out[-1] == '0'; ++trailing) --out;
  return out;
}

int scale_of(std::int64_t price) {
  return price % 100 == 0 ? 2 : price % 10 == 0 ? 3 : 4;
}

constexpr std::uint32_t kDayMs = 86'400'000;

char* put_iso_date(char* out, std::uint32_t date) {
  out = put_two(out, date / 1'000'000);
  out = put_two(out, date / 10'000 % 100);
  *out++ = '-';
  out = put_two(out, date / 100 % 100);
  *out++ = '-';
  return put_two(out, date % 100);
}

// HH:MM:SS and a fraction without its trailing zeros (THETA.md 2.5).
char* put_time(char* out, std::uint32_t ms_of_day) {
  const auto seconds = ms_of_day / 1'000;
  const auto ms = ms_of_day % 1'000;
  out = put_two(out, seconds / 3'600);
  *out++ = ':';
  out = put_two(out, seconds / 60 % 60);
  *out++ = ':';
  out = put_two(out, seconds % 60);
  if (ms == 0) return out;
  *out++ = '.';
  *out++ = static_cast<char>('0' + ms / 100);
  if (ms % 100 != 0) *out++ = static_cast<char>('0' + ms / 10 % 10);
  if (ms % 10 != 0) *out++ = static_cast<char>('0' + ms % 10);
  return out;
}

// --- Columns
// ---------------------------------------------------------------------------------------

constexpr std::array<std::string_view, 8> kQuote{"bid_size",      "bid_exchange", "bid",
                                                 "bid_condition", "ask_size",     "ask_exchange",
                                                 "ask",           "ask_condition"};
constexpr std::array<std::string_view, 6> kBar{"open", "high", "low", "close", "volume", "count"};

std::vector<std::string_view> tick_columns(Form form, Schema schema) {
  std::vector<std::string_view> names;
  const bool is_v3 = form == Form::v3_csv;
  if (schema == Schema::eod) {
    names = is_v3 ? std::vector<std::string_view>{"created", "last_trade"}
                  : std::vector<std::string_view>{"ms_of_day", "ms_of_day2"};
  } else {
    names = {is_v3 ? "timestamp" : "ms_of_day"};
  }
  if (schema != Schema::quote) names.insert(names.end(), kBar.begin(), kBar.end());
  if (schema == Schema::ohlc && is_v3) names.emplace_back("vwap");
  if (schema != Schema::ohlc) names.insert(names.end(), kQuote.begin(), kQuote.end());
  if (!is_v3) names.emplace_back("date");
  return names;
}

std::string joined(const std::vector<std::string_view>& names, std::string_view separator) {
  std::string text;
  for (const auto name : names) {
    if (!text.empty()) text += separator;
    text += name;
  }
  return text;
}

// The longest row of any form but for its prefix: some 20 numbers of at most 20 digits.
constexpr std::size_t kLongestRow = 512;

// Writes rows into pages.
class Renderer {
 public:
  Renderer(const Query& query, Form form, const RenderOptions& options)
      : query_(query),
        form_(form),
        options_(options),
        line_end_(form == Form::v3_csv && options.crlf ? "\r\n" : "\n") {}

  void take(const Contract& contract, std::span<const Tick> ticks, std::uint32_t created_later_ms) {
    created_later_ms_ = created_later_ms;
    while (!ticks.empty()) {
      if (options_.keeps_contracts && form_ != Form::v3_csv && page_rows_ > 0 &&
          page_rows_ + ticks.size() > options_.page_rows) {
        end_page();
      }
      auto fits = ticks.size();
      if (form_ != Form::v3_csv && !options_.keeps_contracts) {
        fits = std::min(fits, options_.page_rows - page_rows_);
      }
      if (page_rows_ == 0) begin_page();
      take_part(contract, ticks.first(fits));
      page_rows_ += fits;
      result_.rows += fits;
      ticks = ticks.subspan(fits);
      if (form_ != Form::v3_csv && page_rows_ >= options_.page_rows) end_page();
    }
  }

  Rendered finish() {
    end_page();
    result_.memory.trim();
    return std::move(result_);
  }

 private:
  // Asked once a row.
  bool has_long_prices() { return options_.mixed_scales && ++rows_written_ % 2 == 0; }

  void begin_page() {
    page_begin_ = result_.memory.size();
    if (form_ == Form::v2_json) return;
    if (!result_.pages.empty() && !options_.repeats_header) return;
    result_.memory.append(joined(column_names(form_, query_.kind, query_.schema), ","));
    result_.memory.append(line_end_);
  }

  void end_page() {
    if (page_rows_ == 0) return;
    if (form_ == Form::v2_json) result_.memory.append("]}");
    result_.pages.emplace_back(page_begin_, result_.memory.size() - page_begin_);
    page_rows_ = 0;
  }

  void take_part(const Contract& contract, std::span<const Tick> ticks) {
    switch (form_) {
      case Form::v3_csv: take_v3(contract, ticks); break;
      case Form::v2_csv: take_v2_csv(contract, ticks); break;
      case Form::v2_json: take_v2_json(contract, ticks); break;
    }
  }

  void take_v3(const Contract& contract, std::span<const Tick> ticks) {
    std::array<char, 128> prefix;
    char* end = prefix.data();
    if (query_.kind == Kind::option) {
      const std::string_view quote = options_.quotes_text ? "\"" : "";
      end = put(put(put(end, quote), query_.symbol), quote);
      *end++ = ',';
      end = put(put_iso_date(put(end, quote), contract.expiration), quote);
      *end++ = ',';
      end = put_price(end, std::int64_t{contract.strike} * 10, 3);
      *end++ = ',';
      end = put(put(put(end, quote), contract.right == 'C' ? "CALL" : "PUT"), quote);
      *end++ = ',';
    }
    const std::string_view before(prefix.data(), static_cast<std::size_t>(end - prefix.data()));
    std::uint64_t volume = 0;
    std::int64_t traded_e4 = 0;
    std::uint32_t day = 0;
    const Tick* before_it = nullptr;
    for (const auto& tick : ticks) {
      // Shown twice, traded once.
      const bool is_twin = before_it != nullptr && *before_it == tick;
      before_it = &tick;
      char* const begin = result_.memory.room(kLongestRow);
      char* out = put(begin, before);
      const auto time = [&](std::uint32_t ms) {
        out = put_iso_date(out, tick.date);
        *out++ = 'T';
        // Midnight is the one time with all its zeros: an eod row without a trade (THETA.md 2.5).
        out = ms == 0 ? put(out, "00:00:00.000") : put_time(out, ms);
        *out++ = ',';
      };
      const auto price = [&](std::int64_t value, int scale) {
        out = put_price(out, value, scale);
        *out++ = ',';
      };
      const auto number = [&](std::uint64_t value) {
        out = put(out, value);
        *out++ = ',';
      };
      const auto ohlc = query_.schema != Schema::quote;
      const auto quote = query_.schema != Schema::ohlc;
      // All prices of a row have the widest scale that one of them needs (THETA.md 2.5).
      int scale = 2;
      if (ohlc) {
        scale = std::max(
            {scale_of(tick.open), scale_of(tick.high), scale_of(tick.low), scale_of(tick.close)});
      }
      if (quote) scale = std::max({scale, scale_of(tick.bid), scale_of(tick.ask)});
      if (has_long_prices()) scale = 4;
      if (query_.schema == Schema::eod) {
        time(tick.ms_of_day + created_later_ms_);
        time(tick.ms_of_day2);
      } else {
        time(tick.ms_of_day);
      }
      if (ohlc) {
        price(tick.open, scale);
        price(tick.high, scale);
        price(tick.low, scale);
        price(tick.close, scale);
        number(tick.volume);
        number(tick.count);
      }
      if (query_.schema == Schema::ohlc) {
        // Cumulative from the session's first row on, as the terminal's is (THETA.md 2.5).
        if (std::exchange(day, tick.date) != tick.date) volume = 0, traded_e4 = 0;
        if (!is_twin) {
          volume += tick.volume;
          traded_e4 += tick.volume * ((tick.high + tick.low + tick.close) / 3);
        }
        const auto vwap = volume == 0 ? 0 : traded_e4 / static_cast<std::int64_t>(volume);
        price(vwap, scale);
      }
      if (quote) {
        number(tick.bid_size);
        number(tick.bid_exchange);
        price(tick.bid, scale);
        number(tick.bid_condition);
        number(tick.ask_size);
        number(tick.ask_exchange);
        price(tick.ask, scale);
        number(tick.ask_condition);
      }
      out = put(out - 1, line_end_);  // over the last comma
      result_.memory.advance(static_cast<std::size_t>(out - begin));
    }
  }

  // The ticks' own fields, separated by commas, without one at the end.
  char* put_v2_fields(char* out, const Tick& tick) {
    const auto number = [&out](std::uint64_t value) {
      out = put(out, value);
      *out++ = ',';
    };
    const bool is_long = has_long_prices();
    const auto price = [&out, is_long](std::int64_t value) {
      out = is_long ? put_price(out, value, 4) : put_shortest_price(out, value);
      *out++ = ',';
    };
    number(tick.ms_of_day + created_later_ms_);
    if (query_.schema == Schema::eod) number(tick.ms_of_day2);
    if (query_.schema != Schema::quote) {
      price(tick.open);
      price(tick.high);
      price(tick.low);
      price(tick.close);
      number(tick.volume);
      number(tick.count);
    }
    if (query_.schema != Schema::ohlc) {
      number(tick.bid_size);
      number(tick.bid_exchange);
      price(tick.bid);
      number(tick.bid_condition);
      number(tick.ask_size);
      number(tick.ask_exchange);
      price(tick.ask);
      number(tick.ask_condition);
    }
    return put(out, tick.date);
  }

  void take_v2_csv(const Contract& contract, std::span<const Tick> ticks) {
    std::array<char, 128> prefix;
    char* end = prefix.data();
    if (query_.kind == Kind::option) {
      end = put(end, query_.symbol);
      *end++ = ',';
      end = put(end, contract.expiration);
      *end++ = ',';
      end = put(end, contract.strike);
      *end++ = ',';
      *end++ = contract.right;
      *end++ = ',';
    }
    const std::string_view before(prefix.data(), static_cast<std::size_t>(end - prefix.data()));
    for (const auto& tick : ticks) {
      char* const begin = result_.memory.room(kLongestRow);
      char* out = put_v2_fields(put(begin, before), tick);
      *out++ = '\n';
      result_.memory.advance(static_cast<std::size_t>(out - begin));
    }
  }

  void take_v2_json(const Contract& contract, std::span<const Tick> ticks) {
    const bool is_chain = query_.kind == Kind::option;
    bool is_first = is_chain || result_.memory.size() == page_begin_;
    if (is_chain) {
      result_.memory.append(result_.memory.size() == page_begin_ ? R"({"ticks":[)"
                                                                 : R"(,{"ticks":[)");
    }
    for (const auto& tick : ticks) {
      char* const begin = result_.memory.room(kLongestRow);
      char* out = begin;
      if (!std::exchange(is_first, false)) *out++ = ',';
      *out++ = '[';
      out = put_v2_fields(out, tick);
      *out++ = ']';
      result_.memory.advance(static_cast<std::size_t>(out - begin));
    }
    if (is_chain) {
      result_.memory.append(
          fmt::format(R"(],"contract":{{"root":"{}","expiration":{},"strike":{},"right":"{}"}}}})",
                      query_.symbol, contract.expiration, contract.strike, contract.right));
    }
  }

  const Query& query_;
  Form form_;
  const RenderOptions& options_;
  std::string_view line_end_;
  std::uint32_t created_later_ms_ = 0;
  Rendered result_;
  std::size_t page_begin_ = 0;
  std::size_t page_rows_ = 0;
  std::size_t rows_written_ = 0;
};

constexpr std::size_t kFirstCapacity = 64 << 10;
constexpr std::uint32_t kSecondCreatedLaterMs = 37'250;
constexpr std::int64_t kTickE4 = 100;  // one cent

std::size_t whole_pages(std::size_t bytes) {
  return (bytes + 4'095) / 4'096 * 4'096;
}

}  // namespace

std::string_view to_text(Form form) {
  switch (form) {
    case Form::v3_csv: return "v3-csv";
    case Form::v2_csv: return "v2-csv";
    case Form::v2_json: return "v2-json";
  }
  return "";
}

Mapping::Mapping(Mapping&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      capacity_(std::exchange(other.capacity_, 0)) {}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(capacity_, other.capacity_);
  return *this;
}

Mapping::~Mapping() {
  if (data_ != nullptr) ::munmap(data_, capacity_);
}

namespace {

// A larger place with what `data` held, or MAP_FAILED.
void* moved_to_larger(void* data, std::size_t capacity, std::size_t wanted) {
#if __has_feature(thread_sanitizer)
  // It does not know mremap: what another thread once had at the new place would seem a race.
  void* const larger =
      ::mmap(nullptr, wanted, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (larger == MAP_FAILED) return larger;
  std::memcpy(larger, data, capacity);
  ::munmap(data, capacity);
  return larger;
#else
  return ::mremap(data, capacity, wanted, MREMAP_MAYMOVE);
#endif
}

}  // namespace

char* Mapping::room(std::size_t more) {
  if (size_ + more > capacity_) {
    const auto wanted = std::max(std::bit_ceil(size_ + more), kFirstCapacity);
    void* moved = data_ == nullptr ? ::mmap(nullptr, wanted, PROT_READ | PROT_WRITE,
                                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                                   : moved_to_larger(data_, capacity_, wanted);
    if (moved == MAP_FAILED) throw std::bad_alloc();
    data_ = static_cast<char*>(moved);
    capacity_ = wanted;
    // Fewer and larger page faults where the kernel can; nothing depends on it.
    if (wanted >= (4U << 20)) ::madvise(data_, capacity_, MADV_HUGEPAGE);
  }
  return data_ + size_;
}

void Mapping::append(std::string_view text) {
  std::memcpy(room(text.size()), text.data(), text.size());
  advance(text.size());
}

void Mapping::trim() {
  const auto needed = whole_pages(size_);
  if (data_ == nullptr || needed == 0 || needed >= capacity_) return;
  void* const moved = ::mremap(data_, capacity_, needed, MREMAP_MAYMOVE);
  if (moved == MAP_FAILED) return;  // it only keeps more than it needs
  data_ = static_cast<char*>(moved);
  capacity_ = needed;
}

std::string RenderOptions::key() const {
  return fmt::format("{}/{}/{}/{}/{}/{}/{}/{}/{}/{}/{}/{}/{}/{}", page_rows, keeps_contracts,
                     repeats_header, crlf, quotes_text, static_cast<int>(doubled), second_differs,
                     twins, zero_bars, fmt::join(zero_days, "+"), midnight, mixed_scales,
                     no_mondays, fmt::join(missing_days, "+"));
}

std::vector<std::string_view> column_names(Form form, Kind kind, Schema schema) {
  auto names = tick_columns(form, schema);
  if (kind == Kind::option && form != Form::v2_json) {
    const auto contract =
        form == Form::v3_csv
            ? std::array<std::string_view, 4>{"symbol", "expiration", "strike", "right"}
            : std::array<std::string_view, 4>{"root", "expiration", "strike", "right"};
    names.insert(names.begin(), contract.begin(), contract.end());
  }
  return names;
}

std::string v2_json_header(Kind kind, Schema schema, std::string_view next_page) {
  return fmt::format(
      R"({{"header":{{"id":1,"latency_ms":1,"error_type":"null","error_msg":"null","next_page":"{}","format":["{}"]}},"response":[)",
      next_page, joined(column_names(Form::v2_json, kind, schema), R"(",")"));
}

std::string price_text(std::int64_t price_e4, int scale) {
  std::array<char, 32> text;
  char* const end = put_price(text.data(), price_e4, scale);
  return {text.data(), end};
}

namespace {

bool changes_ticks(const RenderOptions& options) {
  return options.twins || options.zero_bars || options.midnight || options.no_mondays ||
         !options.missing_days.empty();
}

bool is_last_of_day(std::span<const Tick> ticks, std::size_t i) {
  return i + 1 == ticks.size() || ticks[i + 1].date != ticks[i].date;
}

bool is_zero_day(const RenderOptions& options, std::uint32_t date) {
  return options.zero_days.empty() ||
         std::ranges::find(options.zero_days, date) != options.zero_days.end();
}

bool leaves_away(const RenderOptions& options, std::uint32_t date) {
  if (std::ranges::find(options.missing_days, date) != options.missing_days.end()) return true;
  return options.no_mondays &&
         std::chrono::weekday(from_yyyymmdd(date).value()) == std::chrono::Monday;
}

}  // namespace

Result<Rendered> render(const DataSource& source, const Query& query, Form form,
                        const RenderOptions& options) {
  using Doubled = RenderOptions::Doubled;
  Renderer renderer(query, form, options);
  std::vector<Tick> changed;
  std::vector<Tick> second;
  const auto pass = [&](bool again) -> Result<std::size_t> {
    return source.read(query, [&](const Contract& contract, std::span<const Tick> ticks) {
      if (changes_ticks(options)) {
        changed.clear();
        for (std::size_t i = 0; i < ticks.size(); ++i) {
          auto tick = ticks[i];
          if (leaves_away(options, tick.date)) continue;
          if (options.zero_bars && is_zero_day(options, tick.date)) {
            tick.open = tick.high = tick.low = tick.close = 0;
            tick.volume = tick.count = tick.ms_of_day2 = 0;
            if (query.kind == Kind::stock) tick = {.date = tick.date, .ms_of_day = tick.ms_of_day};
          }
          if (options.midnight && form != Form::v3_csv && query.schema != Schema::eod &&
              is_last_of_day(ticks, i)) {
            tick.ms_of_day = kDayMs;
          }
          changed.push_back(tick);
          if (options.twins) changed.push_back(tick);
        }
        ticks = changed;
      }
      if (!again) renderer.take(contract, ticks, 0);
      if (again || options.doubled == Doubled::side_by_side) {
        if (options.second_differs) {
          second.assign(ticks.begin(), ticks.end());
          for (auto& tick : second) {
            tick.close += kTickE4;
            tick.high = std::max(tick.high, tick.close);
            tick.ask += kTickE4;
          }
          ticks = second;
        }
        renderer.take(contract, ticks, kSecondCreatedLaterMs);
      }
    });
  };
  BETEDGE_TRY_VOID(pass(false));
  if (options.doubled == Doubled::apart) BETEDGE_TRY_VOID(pass(true));
  return renderer.finish();
}

}  // namespace betedge::sim
