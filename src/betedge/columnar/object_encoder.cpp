#include "betedge/columnar/object_encoder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <limits>
#include <set>
#include <stdexcept>

#include "betedge/columnar/decoder.hpp"
#include "betedge/columnar/digest.hpp"
#include "betedge/columnar/earnings_encoder.hpp"
#include "betedge/columnar/file_metadata.hpp"
#include "betedge/columnar/file_writer.hpp"
#include "betedge/columnar/row_buffer.hpp"

namespace betedge::columnar {

namespace {

// Contracts make long runs of one word, so the copies double.
void append_copies(std::string& text, std::string_view word, std::size_t count) {
  const std::size_t start = text.size();
  const std::size_t end = start + word.size() * count;
  text.append(word);
  while (text.size() < end) text.append(text, start, end - text.size());
}

class Encoder final : public ObjectEncoder, private RowSink {
 public:
  Encoder(ObjectSpec spec, std::unique_ptr<FileWriter> writer)
      : spec_(std::move(spec)),
        columns_(core::columns(spec_.request.kind, spec_.request.schema)),
        rows_(columns_, kBatchRows),
        date_(rows_.find("date").value()),
        digest_(core::columns(spec_.request.kind, spec_.request.schema, spec_.price_type)),
        writer_(std::move(writer)) {}

  Result<void> begin_answer(const Call& call, WireFormat format) override {
    if (decoder_) return fail(ErrorCode::internal, "an answer begins before the last one ended");
    const bool is_underlying = call.role == Role::underlying;
    if (call.schema != spec_.request.schema ||
        (!is_underlying && call.kind != spec_.request.kind) ||
        (is_underlying && (spec_.request.kind != Kind::option || call.kind != Kind::stock)))
      return fail(ErrorCode::internal,
                  fmt::format("the rows of {} {} do not belong into a file of {} {}",
                              to_text(call.kind), to_text(call.schema), to_text(spec_.request.kind),
                              to_text(spec_.request.schema)));
    rows_before_answer_ = rows();
    answer_is_underlying_ = is_underlying;
    switch (format) {
      case WireFormat::v3_csv:
      case WireFormat::v2_csv: decoder_ = make_csv_decoder(call, format, rows_, *this); break;
      case WireFormat::v2_json: decoder_ = make_json_decoder(call, rows_, *this); break;
      case WireFormat::nasdaq_json:
        return fail(ErrorCode::internal, "a terminal's rows do not come from NASDAQ");
    }
    return {};
  }

  Result<void> begin_document() override {
    if (!decoder_) return no_answer();
    return guarded([&] { return decoder_->begin_document(); });
  }

  Result<void> feed(ByteView bytes) override {
    if (!decoder_) return no_answer();
    return guarded([&] { return decoder_->feed(bytes); });
  }

  Result<void> end_answer() override {
    if (!decoder_) return no_answer();
    BETEDGE_TRY_VOID(guarded([&] { return decoder_->end_answer(); }));
    BETEDGE_TRY_VOID(take_full_batches());
    decoder_.reset();
    if (answer_is_underlying_) underlying_rows_ += rows() - rows_before_answer_;
    return {};
  }

  Bytes take_output() override { return writer_->take_output(); }

  std::size_t memory_bytes() const override {
    return rows_.memory_bytes() + writer_->memory_bytes() + canonical_.capacity() +
           (decoder_ ? decoder_->memory_bytes() : 0);
  }

  std::uint64_t rows() const override { return rows_written_ + rows_.size(); }

  Result<FileSummary> finish() override {
    if (decoder_) return fail(ErrorCode::internal, "the file ends in the middle of an answer");
    return guarded([&]() -> Result<FileSummary> {
      if (rows_.size() > 0) BETEDGE_TRY_VOID(write_batch(rows_.size()));
      FileSummary summary;
      summary.rows = rows_written_;
      summary.underlying_rows = underlying_rows_;
      for (const std::uint32_t day : days_) summary.days.push_back(from_yyyymmdd(day).value());
      summary.digest = digest_.hex(rows_written_);
      BETEDGE_TRY_VOID(writer_->close(describe(spec_, summary)));
      summary.size_bytes = writer_->size_bytes();
      summary.sha256 = writer_->sha256();
      return summary;
    });
  }

 private:
  static std::unexpected<Error> no_answer() {
    return fail(ErrorCode::internal, "bytes without an answer that has begun");
  }

  // Arrow and Parquet may throw, on exhausted memory above all.
  template <class Function>
  static auto guarded(Function function) -> decltype(function()) {
    try {
      return function();
    } catch (const std::exception& thrown) {
      return fail(ErrorCode::internal, fmt::format("encoding a file: {}", thrown.what()));
    }
  }

  Result<void> take_full_batches() override {
    while (rows_.size() >= kBatchRows) BETEDGE_TRY_VOID(write_batch(kBatchRows));
    return {};
  }

  // The first `count` rows of the buffer, which is at most one batch.
  Result<void> write_batch(std::size_t count) {
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      switch (columns_[i].type) {
        case ColumnType::uint32: digest_.add(i, std::span(rows_.numbers(i), count)); break;
        case ColumnType::float64: BETEDGE_TRY_VOID(digest_prices(i, count)); break;
        case ColumnType::text: digest_texts(i, count); break;
        case ColumnType::float32:
        case ColumnType::int64: throw std::logic_error("a row buffer has no such columns");
      }
    }
    note_days(std::span(rows_.numbers(date_), count));
    BETEDGE_TRY_VOID(writer_->write(rows_, count));
    rows_written_ += count;
    rows_.drop_front(count);
    return {};
  }

  Result<void> digest_prices(std::size_t column, std::size_t count) {
    const std::span<const double> prices(rows_.prices(column), count);
    if (spec_.price_type == PriceType::float64) {
      digest_.add(column, prices);
      return {};
    }
    const double largest = std::ranges::max(prices);
    if (largest > std::numeric_limits<float>::max())
      return fail(ErrorCode::upstream_garbled,
                  fmt::format("{} is {}, which no price is and float32 cannot hold",
                              columns_[column].name, largest));
    digest_.add(column, std::span<const float>(as_float32(prices)));
    return {};
  }

  // A day's rows stand together, so that the set is asked once for many.
  void note_days(std::span<const std::uint32_t> dates) {
    for (const std::uint32_t date : dates) {
      if (date != last_date_) days_.insert(last_date_ = date);
    }
  }

  void digest_texts(std::size_t column, std::size_t count) {
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

  ObjectSpec spec_;
  std::span<const Column> columns_;  // of the rows: their prices are double whatever the file's are
  RowBuffer rows_;
  std::size_t date_;  // the column of it
  ValueDigest digest_;
  std::unique_ptr<FileWriter> writer_;
  std::unique_ptr<Decoder> decoder_;
  std::string canonical_;
  std::set<std::uint32_t> days_;  // that rows have been written of
  std::uint32_t last_date_ = 0;
  bool answer_is_underlying_ = false;
  std::uint64_t rows_before_answer_ = 0;
  std::uint64_t rows_written_ = 0;
  std::uint64_t underlying_rows_ = 0;
};

}  // namespace

KeyValues describe(const ObjectSpec& spec, const FileSummary& summary) {
  return {
      {std::string(metadata::kSource), spec.source},
      {std::string(metadata::kRequest), spec.request_json},
      {std::string(metadata::kKey), spec.key.text()},
      {std::string(metadata::kCoversFirst), to_yyyymmdd_text(spec.covers.first)},
      {std::string(metadata::kCoversLast), to_yyyymmdd_text(spec.covers.last)},
      {std::string(metadata::kRows), fmt::to_string(summary.rows)},
      {std::string(metadata::kUnderlyingRows), fmt::to_string(summary.underlying_rows)},
      {std::string(metadata::kSchemaVersion), fmt::to_string(kSchemaVersion)},
      {std::string(metadata::kPriceType), std::string(to_text(spec.price_type))},
      {std::string(metadata::kDigest), summary.digest},
  };
}

Result<std::unique_ptr<ObjectEncoder>> ObjectEncoder::open(ObjectSpec spec) {
  spec.price_type = price_type_of(spec.request.kind, spec.price_type);
  if (spec.request.kind == Kind::earnings) return open_earnings_encoder(std::move(spec));
  const auto columns = core::columns(spec.request.kind, spec.request.schema, spec.price_type);
  BETEDGE_TRY(auto writer, FileWriter::open(spec.request.format, columns));
  return std::make_unique<Encoder>(std::move(spec), std::move(writer));
}

}  // namespace betedge::columnar
