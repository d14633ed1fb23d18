#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "betedge/ports/bytes.hpp"
#include "betedge/sim/data.hpp"

namespace betedge::sim {

enum class Form : std::uint8_t { v3_csv, v2_csv, v2_json };
std::string_view to_text(Form form);

// Anonymous memory that grows by remapping instead of copying, and is read in place when it is
// sent. Running out of memory throws std::bad_alloc.
class Mapping {
 public:
  Mapping() = default;
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&& other) noexcept;
  ~Mapping();

  // Room for `more` bytes behind what is there; write there, then advance().
  char* room(std::size_t more);
  void advance(std::size_t written) { size_ += written; }
  void append(std::string_view text);
  // Gives back what was reserved and not used.
  void trim();

  std::size_t size() const { return size_; }
  std::size_t reserved() const { return capacity_; }
  std::string_view text() const { return {data_, size_}; }

 private:
  char* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

// An answer's bodies, rendered once: one, or v2's pages. A v2 JSON page begins with its first row:
// the header, which names the next page, differs from call to call (v2_json_header).
struct Rendered {
  Mapping memory;
  std::vector<std::pair<std::size_t, std::size_t>> pages;  // offset and length in the memory
  std::size_t rows = 0;                                    // 0: no data, and no page
  std::string_view page(std::size_t index) const {
    return memory.text().substr(pages[index].first, pages[index].second);
  }
};

struct RenderOptions {
  // A v2 page ends after this many rows, in the middle of a contract too unless `keeps_contracts`.
  std::size_t page_rows = 500'000;
  bool keeps_contracts = false;
  bool repeats_header = true;  // on each v2 CSV page
  bool crlf = true;            // v3; v2 has plain line feeds
  bool quotes_text = false;    // v3: symbol, expiration and right in quotes (THETA.md 2.4)
  // How option eod is shown: each contract twice, `created` (v2: ms_of_day) differing (THETA.md
  // 2.8).
  enum class Doubled : std::uint8_t { no, side_by_side, apart } doubled = Doubled::no;
  bool second_differs = false;  // the second, the later one, has other prices
  bool twins = false;           // every row twice, byte for byte
  // Every open, high, low, close and volume zero; of a stock the quotes too, as a series has them
  // that the vendor does not have. An option that nobody traded is quoted all the same.
  bool zero_bars = false;
  std::vector<std::uint32_t> zero_days{};     // only of these, yyyymmdd; empty: of all
  bool midnight = false;                      // v2, intraday: a day's last row is stamped 86400000
  bool mixed_scales = false;                  // every second row's prices with all four decimals
  bool no_mondays = false;                    // without the rows of any Monday
  std::vector<std::uint32_t> missing_days{};  // without the rows of these, yyyymmdd
  std::string key() const;                    // equal for equal options, and only then
};

// The whole answer. Does not block but for reading a replayed file; takes long for a big one, so
// that it belongs on a pool. Errors are the source's.
Result<Rendered> render(const DataSource& source, const Query& query, Form form,
                        const RenderOptions& options);

// The columns of a form, as its header line or its "format" has them.
std::vector<std::string_view> column_names(Form form, Kind kind, Schema schema);

// What goes before a v2 JSON page. `next_page`: a URL, or "null" at the end.
std::string v2_json_header(Kind kind, Schema schema, std::string_view next_page);

// 183.0872 at scale 4, "183.08" at 2: digits behind the point, cut, not rounded. For tests and
// lists.
std::string price_text(std::int64_t price_e4, int scale);

}  // namespace betedge::sim
