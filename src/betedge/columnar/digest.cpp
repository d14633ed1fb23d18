#include "betedge/columnar/digest.hpp"

#include <fmt/format.h>
#include <xxhash.h>

#include <bit>
#include <stdexcept>
#include <vector>

namespace betedge::columnar {

// The arrays are hashed as they lie in memory.
static_assert(std::endian::native == std::endian::little);

namespace {

struct FreeState {
  void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
};
using State = std::unique_ptr<XXH3_state_t, FreeState>;

State new_state() {
  State state(XXH3_createState());
  if (!state || XXH3_128bits_reset(state.get()) != XXH_OK) throw std::bad_alloc();
  return state;
}

void append_number(std::string& bytes, std::uint64_t number, int width) {
  bytes.append(reinterpret_cast<const char*>(&number), static_cast<std::size_t>(width));
}

char mark_of(const Column& column) {
  switch (column.type) {
    case ColumnType::uint32: return column.nullable ? 'U' : 'u';
    case ColumnType::float64: return column.nullable ? 'F' : 'f';
    case ColumnType::float32: return column.nullable ? 'R' : 'r';
    case ColumnType::text: return column.nullable ? 'T' : 't';
    case ColumnType::int64: return column.nullable ? 'I' : 'i';
    case ColumnType::timestamp: return column.nullable ? 'M' : 'm';
    case ColumnType::day: return column.nullable ? 'D' : 'd';
    case ColumnType::dollars: return column.nullable ? 'S' : 's';
    case ColumnType::word: return column.nullable ? 'W' : 'w';
  }
  throw std::logic_error("a column type without a mark");
}

}  // namespace

struct ValueDigest::Impl {
  std::span<const Column> columns;
  std::vector<State> states;
};

ValueDigest::ValueDigest(std::span<const Column> columns) : impl_(std::make_unique<Impl>()) {
  impl_->columns = columns;
  for (std::size_t i = 0; i < columns.size(); ++i) impl_->states.push_back(new_state());
}
ValueDigest::~ValueDigest() = default;
ValueDigest::ValueDigest(ValueDigest&&) noexcept = default;

void ValueDigest::add(std::size_t column, std::span<const std::uint32_t> values) {
  XXH3_128bits_update(impl_->states[column].get(), values.data(), values.size_bytes());
}

void ValueDigest::add(std::size_t column, std::span<const double> values) {
  XXH3_128bits_update(impl_->states[column].get(), values.data(), values.size_bytes());
}

void ValueDigest::add(std::size_t column, std::span<const float> values) {
  XXH3_128bits_update(impl_->states[column].get(), values.data(), values.size_bytes());
}

void ValueDigest::add(std::size_t column, std::span<const std::int64_t> values) {
  XXH3_128bits_update(impl_->states[column].get(), values.data(), values.size_bytes());
}

void ValueDigest::add_canonical(std::size_t column, std::string_view canonical) {
  XXH3_128bits_update(impl_->states[column].get(), canonical.data(), canonical.size());
}

void ValueDigest::append_text(std::string& canonical, std::string_view text) {
  append_number(canonical, text.size(), 4);
  canonical += text;
}

void ValueDigest::append_integer(std::string& canonical, std::int64_t value) {
  append_number(canonical, static_cast<std::uint64_t>(value), 8);
}

void ValueDigest::append_float(std::string& canonical, double value) {
  append_number(canonical, std::bit_cast<std::uint64_t>(value), 8);
}

void ValueDigest::append_presence(std::string& canonical, bool is_there) {
  canonical.push_back(is_there ? '\1' : '\0');
}

std::string ValueDigest::hex(std::uint64_t rows) const {
  std::string summary;
  append_number(summary, rows, 8);
  for (std::size_t i = 0; i < impl_->columns.size(); ++i) {
    append_text(summary, impl_->columns[i].name);
    summary.push_back(mark_of(impl_->columns[i]));
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(impl_->states[i].get()));
    summary.append(reinterpret_cast<const char*>(canonical.digest), sizeof canonical.digest);
  }
  const XXH128_hash_t hash = XXH3_128bits(summary.data(), summary.size());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

}  // namespace betedge::columnar
