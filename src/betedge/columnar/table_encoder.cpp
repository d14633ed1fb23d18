#include "betedge/columnar/table_encoder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <stdexcept>

#include "betedge/columnar/earnings_encoder.hpp"

namespace betedge::columnar {

namespace {

// Contracts make long runs of one word, so the copies double.
void append_copies(std::string& text, std::string_view word, std::size_t count) {
  const std::size_t start = text.size();
  const std::size_t end = start + word.size() * count;
  text.append(word);
  while (text.size() < end) text.append(text, start, end - text.size());
}

// A contract's second row of a day may come last.
bool is_held(const ObjectSpec& spec) {
  return spec.request.kind == Kind::option && spec.request.schema == Schema::eod;
}

constexpr int kTypedDate = 0;  // the column of eod's day in the typed layout

}  // namespace

Result<std::unique_ptr<TableEncoder>> TableEncoder::open(ObjectSpec spec, std::size_t capacity,
                                                         std::size_t threads) {
  const auto columns = core::columns(spec.request.kind, spec.request.schema, spec.layout);
  // Only what is held is known to be in order before its first row is written. Plain files do not
  // say so, to stay the bytes that they have always been.
  std::optional<int> sorted_by;
  if (is_held(spec) && spec.layout.columns == ColumnStyle::typed) sorted_by = kTypedDate;
  BETEDGE_TRY(auto writer,
              FileWriter::open(spec.request.format, columns, Texts::as_codes, sorted_by, threads));
  return std::make_unique<TableEncoder>(std::move(spec), capacity, std::move(writer));
}

TableEncoder::TableEncoder(ObjectSpec spec, std::size_t capacity,
                           std::unique_ptr<FileWriter> writer)
    : spec_(std::move(spec)),
      columns_(row_columns(spec_.request.kind, spec_.request.schema, spec_.layout.columns)),
      rows_(columns_, capacity),
      date_(rows_.find("date").value()),
      twins_(columns_),
      defects_(spec_.request.kind, spec_.request.schema, columns_),
      digest_(core::columns(spec_.request.kind, spec_.request.schema, spec_.layout)),
      writer_(std::move(writer)) {
  if (is_held(spec_)) held_.emplace(columns_, 0);
  if (spec_.layout.columns == ColumnStyle::typed)
    typed_.emplace(spec_.request.kind, spec_.request.schema, spec_.layout, writer_->schema());
}

Result<void> TableEncoder::begin_answer(const Call& call) {
  const bool is_underlying = call.role == Role::underlying;
  if (call.schema != spec_.request.schema || (!is_underlying && call.kind != spec_.request.kind) ||
      (is_underlying && (spec_.request.kind != Kind::option || call.kind != Kind::stock)))
    return fail(ErrorCode::internal,
                fmt::format("the rows of {} {} do not belong into a file of {} {}",
                            to_text(call.kind), to_text(call.schema), to_text(spec_.request.kind),
                            to_text(spec_.request.schema)));
  rows_before_answer_ = row_count();
  answer_is_underlying_ = is_underlying;
  rows_.root_code(call.root.text());
  return {};
}

Result<void> TableEncoder::end_answer() {
  BETEDGE_TRY_VOID(take_full_batches());
  if (answer_is_underlying_) underlying_rows_ += row_count() - rows_before_answer_;
  return {};
}

std::size_t TableEncoder::memory_bytes() const {
  return rows_.memory_bytes() + writer_->memory_bytes() + canonical_.capacity() +
         (held_ ? held_->memory_bytes() : 0);
}

std::uint64_t TableEncoder::row_count() const {
  return rows_written_ + rows_.size() + (held_ ? held_->size() : 0);
}

Result<void> TableEncoder::take_full_batches() {
  if (held_) return hold_rows();
  if (const auto dropped = twins_.drop_twins(rows_); dropped > 0)
    rules_[std::string(rule::kIdenticalTwins)] += dropped;
  while (rows_.size() >= kBatchRows) BETEDGE_TRY_VOID(write_batch(kBatchRows));
  return {};
}

Result<void> TableEncoder::hold_rows() {
  held_->append(rows_, 0, rows_.size());
  rows_.drop_front(rows_.size());
  return {};
}

Result<void> TableEncoder::write_held() {
  BETEDGE_TRY_VOID(hold_rows());
  const RowBuffer held = *std::exchange(held_, std::nullopt);
  const auto order = order_contracts(held, rules_);
  for (std::span<const std::uint32_t> left(order); !left.empty();) {
    const std::size_t count = std::min(left.size(), kBatchRows);
    rows_.append(held, left.first(count));
    BETEDGE_TRY_VOID(write_batch(count));
    left = left.subspan(count);
  }
  return {};
}

// The first `count` rows of the buffer, at most one batch.
Result<void> TableEncoder::write_batch(std::size_t count) {
  defects_.count(rows_, count);
  note_days(std::span(rows_.numbers(date_), count));
  twins_.will_drop_front(rows_, count);  // while they lie there
  if (typed_) {
    BETEDGE_TRY_VOID(typed_->write(rows_, count, digest_, *writer_));
  } else {
    BETEDGE_TRY_VOID(write_plain(count));
  }
  rows_written_ += count;
  rows_.drop_front(count);
  return {};
}

Result<void> TableEncoder::write_plain(std::size_t count) {
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    switch (columns_[i].type) {
      case ColumnType::uint32: digest_.add(i, std::span(rows_.numbers(i), count)); break;
      case ColumnType::float64: BETEDGE_TRY_VOID(digest_prices(i, count)); break;
      case ColumnType::text: digest_texts(i, count); break;
      case ColumnType::float32:
      case ColumnType::int64:
      case ColumnType::timestamp:
      case ColumnType::day:
      case ColumnType::dollars:
      case ColumnType::word: throw std::logic_error("a row buffer has no such columns");
    }
  }
  return writer_->write(rows_, count);
}

Result<void> TableEncoder::digest_prices(std::size_t column, std::size_t count) {
  const std::span<const double> prices(rows_.prices(column), count);
  if (spec_.layout.price_type == PriceType::float64) {
    digest_.add(column, prices);
    return {};
  }
  BETEDGE_TRY_VOID(check_float32(columns_[column].name, prices));
  digest_.add(column, std::span<const float>(as_float32(prices)));
  return {};
}

// A day's rows stand together, so that the set is asked once for many.
void TableEncoder::note_days(std::span<const std::uint32_t> dates) {
  for (const std::uint32_t date : dates) {
    if (date != last_date_) days_.insert(last_date_ = date);
  }
}

void TableEncoder::digest_texts(std::size_t column, std::size_t count) {
  std::vector<std::string> canonical_words;
  for (const std::string& word : rows_.words(column))
    ValueDigest::append_text(canonical_words.emplace_back(), word);
  canonical_.clear();
  const std::uint8_t* const codes = rows_.codes(column);
  for (std::size_t row = 0; row < count;) {
    const std::size_t run = row;
    while (row < count && codes[row] == codes[run]) ++row;
    append_copies(canonical_, canonical_words[codes[run]], row - run);
  }
  digest_.add_canonical(column, canonical_);
}

Result<FileSummary> TableEncoder::finish() {
  if (held_) BETEDGE_TRY_VOID(write_held());
  if (rows_.size() > 0) BETEDGE_TRY_VOID(write_batch(rows_.size()));
  FileSummary summary;
  summary.rows = rows_written_;
  summary.underlying_rows = underlying_rows_;
  for (const std::uint32_t day : days_) summary.days.push_back(from_yyyymmdd(day).value());
  summary.digest = digest_.hex(rows_written_);
  summary.rules = rules_;
  defects_.add_to(summary.rules);
  summary.is_zero_series = defects_.is_zero_series();
  BETEDGE_TRY_VOID(writer_->close(describe(spec_, summary)));
  summary.size_bytes = writer_->size_bytes();
  summary.sha256 = writer_->sha256();
  return summary;
}

}  // namespace betedge::columnar
