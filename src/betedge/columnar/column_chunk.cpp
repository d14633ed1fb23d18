#include "betedge/columnar/column_chunk.hpp"

#include <zstd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <new>
#include <stdexcept>
#include <type_traits>

namespace betedge::columnar {

using ports::Bytes;
using ports::ByteView;

namespace {

// What an index of 16 bits can name. A column with more values has little to gain by a dictionary.
constexpr std::size_t kLargestDictionary = 65'536;
// What one of 8 bits can.
constexpr std::size_t kNarrowDictionary = 256;
// A dictionary and its indices take more than the values when most of them come once. The first
// rows of a column chunk tell.
constexpr std::size_t kSampleRows = 4096;
// zstd's levels. Where indices of 16 bits, which are prices, differ from row to row, the second
// makes a twentieth less for a tenth of the time; where they stand still, it makes no less.
constexpr int kQuickLevel = 1;
constexpr int kThoroughLevel = 2;
// Runs pay when they are this long on average: a run costs as many bytes as two indices, and zstd
// finds short ones by itself.
constexpr std::size_t kLongRun = 16;

template <class Value>
ByteView bytes_of(std::span<const Value> values) {
  return std::as_bytes(values);
}

template <class Value>
std::string statistic(Value value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

// ULEB128, as the format's run lengths are.
void append_varint(Bytes& bytes, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) bytes.push_back(static_cast<std::byte>(value | 0x80));
  bytes.push_back(static_cast<std::byte>(value));
}

// Neighbours that differ, and one: a loop without branches, which the compiler makes wide.
template <class Value>
std::size_t count_runs(std::span<const Value> values) {
  std::uint32_t changes = 0;
  for (std::size_t i = 1; i < values.size(); ++i) changes += values[i] != values[i - 1];
  return changes + std::size_t{1};
}

// Calls `each` with the first row of a run and its length.
template <class Value, class Each>
void for_each_run(std::span<const Value> values, Each each) {
  for (std::size_t row = 0; row < values.size();) {
    std::size_t end = row + 1;
    while (end < values.size() && values[end] == values[row]) ++end;
    each(row, end - row);
    row = end;
  }
}

// The values of a chunk, each once, in the order in which they came first: an open hash table of
// indices. Values are told apart by their bits.
template <class Value>
class Dictionary {
 public:
  using Key = std::conditional_t<sizeof(Value) == 4, std::uint32_t, std::uint64_t>;

  Dictionary()
      : small_(std::is_integral_v<Value> ? kSmall : 0, kNone),
        slots_(kFewest, kNone),
        shift_(64 - std::countr_zero(kFewest)) {}

  std::size_t size() const { return values_.size(); }
  const std::vector<Value>& values() const { return values_; }
  std::size_t memory_bytes() const {
    return values_.capacity() * (sizeof(Value) + sizeof(std::uint32_t)) +
           (small_.capacity() + slots_.capacity()) * sizeof(std::uint32_t);
  }

  // Past kLargestDictionary it is no more index: ask size() afterwards.
  std::uint32_t index_of(Value value) {
    const Key key = std::bit_cast<Key>(value);
    if (is_small(key)) {
      const std::uint32_t index = small_[key];
      if (index != kNone) return index;
      return small_[key] = add(value);
    }
    for (std::size_t slot = slot_of(key);; slot = (slot + 1) & (slots_.size() - 1)) {
      const std::uint32_t index = slots_[slot];
      if (index == kNone) return add(value, slot);
      if (std::bit_cast<Key>(values_[index]) == key) return index;
    }
  }

  // That an index occurs in the page with this number, from 1 on.
  void mark(std::uint32_t index, std::uint32_t page) { last_page_[index] = page; }
  bool is_marked(std::size_t index, std::uint32_t page) const { return last_page_[index] == page; }

  void clear() {
    values_.clear();
    last_page_.clear();
    hashed_ = 0;
    std::ranges::fill(small_, kNone);
    std::ranges::fill(slots_, kNone);
  }

 private:
  // Sizes, exchanges and conditions are mostly below this, and need no hash.
  static constexpr std::size_t kSmall = 2048;
  static constexpr std::size_t kFewest = 256;
  static constexpr std::uint32_t kNone = 0xffff'ffff;

  static bool is_small(Key key) { return std::is_integral_v<Value> && key < kSmall; }

  // Fibonacci hashing: the top bits of the product depend on all bits of the key.
  std::size_t slot_of(Key key) const {
    return static_cast<std::size_t>((std::uint64_t{key} * 0x9e37'79b9'7f4a'7c15U) >> shift_);
  }

  std::uint32_t add(Value value) {
    values_.push_back(value);
    last_page_.push_back(0);
    return static_cast<std::uint32_t>(values_.size() - 1);
  }

  std::uint32_t add(Value value, std::size_t slot) {
    const std::uint32_t index = slots_[slot] = add(value);
    if (2 * ++hashed_ > slots_.size()) grow();
    return index;
  }

  void grow() {
    slots_.assign(2 * slots_.size(), kNone);
    --shift_;
    for (std::uint32_t index = 0; index < values_.size(); ++index) {
      const Key key = std::bit_cast<Key>(values_[index]);
      if (is_small(key)) continue;
      std::size_t slot = slot_of(key);
      while (slots_[slot] != kNone) slot = (slot + 1) & (slots_.size() - 1);
      slots_[slot] = index;
    }
  }

  std::vector<Value> values_;
  std::vector<std::uint32_t> last_page_;
  std::vector<std::uint32_t> small_;  // the index of a small integer
  std::vector<std::uint32_t> slots_;  // indices of the others by hash
  std::size_t hashed_ = 0;            // how many of those
  int shift_;
};

// The indices of a page as the format's RLE_DICTIONARY has them: the width in bits, then runs and
// packed groups of eight. Widths are whole bytes.
class IndexPage {
 public:
  IndexPage(Bytes& out, std::size_t dictionary_size)
      : out_(out), is_wide_(dictionary_size > kNarrowDictionary) {
    out_.clear();
    out_.push_back(is_wide_ ? std::byte{16} : std::byte{8});
  }

  void append_run(std::uint32_t index, std::size_t length) {
    append_varint(out_, std::uint64_t{length} << 1);
    out_.push_back(static_cast<std::byte>(index));
    if (is_wide_) out_.push_back(static_cast<std::byte>(index >> 8));
  }

  void append_packed(std::span<const std::uint16_t> indices) {
    // The last group is filled up with zeros, which readers leave out.
    const std::size_t groups = (indices.size() + 7) / 8;
    append_varint(out_, groups << 1 | 1);
    const std::size_t start = out_.size();
    out_.resize(start + groups * 8 * (is_wide_ ? 2 : 1));
    std::byte* const to = out_.data() + start;
    if (is_wide_) {
      std::memcpy(to, indices.data(), indices.size_bytes());
    } else {
      for (std::size_t i = 0; i < indices.size(); ++i) to[i] = static_cast<std::byte>(indices[i]);
    }
  }

 private:
  Bytes& out_;
  bool is_wide_;
};

template <class Value>
class NumberChunk final : public ColumnChunk {
 public:
  void add_page(const RowBuffer& buffer, std::size_t column, std::size_t rows,
                PageWorkspace& workspace) override {
    const auto values = values_of(buffer, column, rows, workspace.narrow);
    Page page;
    page.rows = rows;
    const std::size_t runs = count_runs(values);
    if (!is_plain_ && !index(values, runs, workspace)) is_plain_ = true;
    if (is_plain_) {
      page.is_plain = true;
      const auto [least, greatest] = std::ranges::minmax(values);
      note_extremes(page, least, greatest);
      keep_page(std::move(page), workspace, bytes_of(values), kQuickLevel);
    } else {
      has_indices_ = true;
      note_extremes_of_marked(page);
      const bool is_restless = dictionary_.size() > kNarrowDictionary && 2 * runs > rows;
      keep_page(std::move(page), workspace, workspace.raw,
                is_restless ? kThoroughLevel : kQuickLevel);
    }
  }

  Bytes dictionary() const override {
    if (!has_indices_) return {};
    const auto bytes = bytes_of(std::span(dictionary_.values()));
    return {bytes.begin(), bytes.end()};
  }
  std::size_t dictionary_size() const override { return has_indices_ ? dictionary_.size() : 0; }
  std::string least() const override { return statistic(least_); }
  std::string greatest() const override { return statistic(greatest_); }

  void clear() override {
    pages_.clear();
    page_bytes_ = 0;
    is_plain_ = has_indices_ = false;
    dictionary_.clear();
    least_ = std::numeric_limits<Value>::max();
    greatest_ = std::numeric_limits<Value>::lowest();
  }

 private:
  std::size_t dictionary_bytes() const override { return dictionary_.memory_bytes(); }

  static std::span<const Value> values_of(const RowBuffer& buffer, std::size_t column,
                                          std::size_t rows, std::vector<float>& narrow) {
    if constexpr (std::is_same_v<Value, std::uint32_t>) {
      return {buffer.numbers(column), rows};
    } else if constexpr (std::is_same_v<Value, double>) {
      return {buffer.prices(column), rows};
    } else {
      narrow = as_float32(std::span(buffer.prices(column), rows));
      return narrow;
    }
  }

  // Indices of the values, as the page has them. False when a dictionary is of no use for them.
  bool index(std::span<const Value> values, std::size_t runs, PageWorkspace& workspace) {
    const auto page = static_cast<std::uint32_t>(pages_.size() + 1);
    if (runs * kLongRun <= values.size()) {
      workspace.runs.clear();
      for_each_run(values, [&](std::size_t row, std::size_t length) {
        const std::uint32_t index = dictionary_.index_of(values[row]);
        dictionary_.mark(index, page);
        workspace.runs.push_back({index, length});
      });
      if (dictionary_.size() > kLargestDictionary) return false;
      IndexPage encoded(workspace.raw, dictionary_.size());
      for (const auto& [index, length] : workspace.runs) encoded.append_run(index, length);
      return true;
    }
    workspace.indices.resize(values.size());
    const auto index_rows = [&](std::size_t from, std::size_t to) {
      for (std::size_t row = from; row < to; ++row) {
        const std::uint32_t index = dictionary_.index_of(values[row]);
        dictionary_.mark(index, page);
        workspace.indices[row] = static_cast<std::uint16_t>(index);
      }
    };
    const std::size_t sample = pages_.empty() && values.size() > kSampleRows ? kSampleRows : 0;
    index_rows(0, sample);
    if (sample > 0 && 4 * dictionary_.size() > 3 * sample) return false;
    index_rows(sample, values.size());
    if (dictionary_.size() > kLargestDictionary) return false;
    IndexPage(workspace.raw, dictionary_.size()).append_packed(workspace.indices);
    return true;
  }

  void note_extremes_of_marked(Page& page) {
    const auto number = static_cast<std::uint32_t>(pages_.size() + 1);
    Value least = std::numeric_limits<Value>::max();
    Value greatest = std::numeric_limits<Value>::lowest();
    for (std::size_t i = 0; i < dictionary_.size(); ++i) {
      if (!dictionary_.is_marked(i, number)) continue;
      least = std::min(least, dictionary_.values()[i]);
      greatest = std::max(greatest, dictionary_.values()[i]);
    }
    note_extremes(page, least, greatest);
  }

  // A zero is the smaller or the larger of the two zeros, for readers that tell them apart (the
  // format's rule for statistics of floating point).
  void note_extremes(Page& page, Value least, Value greatest) {
    if constexpr (std::is_floating_point_v<Value>) {
      if (least == 0) least = -Value{0};
      if (greatest == 0) greatest = Value{0};
    }
    page.least = statistic(least);
    page.greatest = statistic(greatest);
    least_ = std::min(least_, least);
    greatest_ = std::max(greatest_, greatest);
  }

  Dictionary<Value> dictionary_;
  bool has_indices_ = false;
  Value least_ = std::numeric_limits<Value>::max();
  Value greatest_ = std::numeric_limits<Value>::lowest();
};

// Texts come as codes, and the buffer's words are the dictionary.
class TextChunk final : public ColumnChunk {
 public:
  void add_page(const RowBuffer& buffer, std::size_t column, std::size_t rows,
                PageWorkspace& workspace) override {
    words_ = buffer.words(column);
    const std::span<const std::uint8_t> codes(buffer.codes(column), rows);
    std::array<bool, 256> is_used{};
    IndexPage encoded(workspace.raw, words_.size());
    for_each_run(codes, [&](std::size_t row, std::size_t length) {
      is_used[codes[row]] = true;
      encoded.append_run(codes[row], length);
    });
    Page page;
    page.rows = rows;
    bool is_first = true;
    for (std::size_t code = 0; code < words_.size(); ++code) {
      if (!is_used[code]) continue;
      page.least = is_first ? words_[code] : std::min(page.least, words_[code]);
      page.greatest = std::max(page.greatest, words_[code]);
      is_first = false;
    }
    least_ = pages_.empty() ? page.least : std::min(least_, page.least);
    greatest_ = std::max(greatest_, page.greatest);
    keep_page(std::move(page), workspace, workspace.raw, kQuickLevel);
  }

  Bytes dictionary() const override {
    Bytes bytes;
    for (const std::string& word : words_) {
      const auto length = static_cast<std::uint32_t>(word.size());
      const auto length_bytes = std::as_bytes(std::span(&length, 1));
      bytes.insert(bytes.end(), length_bytes.begin(), length_bytes.end());
      const auto text = ports::as_bytes(word);
      bytes.insert(bytes.end(), text.begin(), text.end());
    }
    return bytes;
  }
  std::size_t dictionary_size() const override { return words_.size(); }
  std::string least() const override { return least_; }
  std::string greatest() const override { return greatest_; }
  void clear() override {
    pages_.clear();
    page_bytes_ = 0;
    least_.clear();
    greatest_.clear();
  }

 private:
  std::size_t dictionary_bytes() const override { return 0; }

  std::vector<std::string> words_;
  std::string least_, greatest_;
};

}  // namespace

PageWorkspace::PageWorkspace() : context_(ZSTD_createCCtx(), ZSTD_freeCCtx) {
  if (!context_) throw std::bad_alloc();
}

PageWorkspace::PageWorkspace(PageWorkspace&&) noexcept = default;
PageWorkspace& PageWorkspace::operator=(PageWorkspace&&) noexcept = default;
PageWorkspace::~PageWorkspace() = default;

ByteView PageWorkspace::compress(ByteView page, int zstd_level) {
  compressed_.resize(std::max(compressed_.size(), ZSTD_compressBound(page.size())));
  const std::size_t size = ZSTD_compressCCtx(context_.get(), compressed_.data(), compressed_.size(),
                                             page.data(), page.size(), zstd_level);
  // The room is enough for anything, so only memory can lack.
  if (ZSTD_isError(size)) throw std::bad_alloc();
  return {compressed_.data(), size};
}

std::size_t PageWorkspace::memory_bytes() const {
  return compressed_.capacity() + raw.capacity() + indices.capacity() * sizeof(std::uint16_t) +
         runs.capacity() * sizeof(Run) + narrow.capacity() * sizeof(float) +
         ZSTD_sizeof_CCtx(context_.get());
}

void ColumnChunk::keep_page(Page page, PageWorkspace& workspace, ByteView raw, int zstd_level) {
  const ByteView compressed = workspace.compress(raw, zstd_level);
  page.bytes.assign(compressed.begin(), compressed.end());
  page.raw_bytes = raw.size();
  page_bytes_ += page.bytes.capacity();
  pages_.push_back(std::move(page));
}

std::unique_ptr<ColumnChunk> ColumnChunk::make(ColumnType type) {
  switch (type) {
    case ColumnType::uint32: return std::make_unique<NumberChunk<std::uint32_t>>();
    case ColumnType::float64: return std::make_unique<NumberChunk<double>>();
    case ColumnType::float32: return std::make_unique<NumberChunk<float>>();
    case ColumnType::text: return std::make_unique<TextChunk>();
    case ColumnType::int64:
    case ColumnType::timestamp:
    case ColumnType::day:
    case ColumnType::dollars:
    case ColumnType::word: break;
  }
  throw std::logic_error("a row buffer has no such columns");
}

}  // namespace betedge::columnar
