#include "betedge/columnar/earnings_encoder.hpp"

#include <arrow/api.h>
#include <fmt/format.h>

#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "betedge/columnar/batch_digest.hpp"
#include "betedge/columnar/digest.hpp"
#include "betedge/columnar/earnings.hpp"

namespace betedge::columnar {

namespace {

// Two hundred times the largest day seen (THETA.md 4).
constexpr std::size_t kLongestAnswer = 16 << 20;

void require(const arrow::Status& status) {
  if (!status.ok()) throw std::runtime_error(status.ToString());
}

template <class Builder, class Value>
std::shared_ptr<arrow::Array> column_of(const std::vector<Value>& values) {
  Builder builder;
  for (const auto& value : values) require(value ? builder.Append(*value) : builder.AppendNull());
  std::shared_ptr<arrow::Array> array;
  require(builder.Finish(&array));
  return array;
}

class EarningsEncoder final : public ObjectEncoder {
 public:
  EarningsEncoder(ObjectSpec spec, std::unique_ptr<FileWriter> writer)
      : spec_(std::move(spec)),
        columns_(core::columns(Kind::earnings, spec_.request.schema)),
        writer_(std::move(writer)) {}

  Result<void> begin_answer(const Call& call, WireFormat format) override {
    if (day_) return fail(ErrorCode::internal, "an answer begins before the last one ended");
    if (call.kind != Kind::earnings || format != WireFormat::nasdaq_json ||
        call.dates.first != call.dates.last)
      return fail(ErrorCode::internal,
                  fmt::format("the rows of {} from {} to {} do not belong into a file of earnings",
                              to_text(call.kind), to_yyyymmdd(call.dates.first),
                              to_yyyymmdd(call.dates.last)));
    day_ = call.dates.first;
    return {};
  }

  Result<void> begin_document() override {
    if (!day_) return no_answer();
    if (!body_.empty())
      return fail(ErrorCode::upstream_garbled,
                  fmt::format("earnings of {}: more than one document", to_iso_text(*day_)));
    return {};
  }

  Result<void> feed(ByteView bytes) override {
    if (!day_) return no_answer();
    if (bytes.size() > kLongestAnswer - body_.size())
      return fail(ErrorCode::upstream_garbled,
                  fmt::format("earnings of {}: an answer of more than {} MiB", to_iso_text(*day_),
                              kLongestAnswer >> 20));
    body_ += as_text(bytes);
    return {};
  }

  Result<void> end_answer() override {
    if (!day_) return no_answer();
    BETEDGE_TRY(auto answer, parse_earnings_day(*day_, body_));
    for (auto& row : answer.rows) {
      row_bytes_ += sizeof(Line) + row.symbol.capacity() + (row.name ? row.name->capacity() : 0);
      lines_.push_back({*day_, std::move(row)});
    }
    summary_.repeated_rows += answer.repeated_rows;
    summary_.conflicting_rows += answer.conflicting_rows;
    body_ = {};
    day_.reset();
    return {};
  }

  Bytes take_output() override { return writer_->take_output(); }
  std::size_t memory_bytes() const override {
    return body_.capacity() + row_bytes_ + writer_->memory_bytes();
  }
  std::uint64_t rows() const override { return lines_.size(); }

  Result<FileSummary> finish() override {
    if (day_) return fail(ErrorCode::internal, "the file ends in the middle of an answer");
    // Arrow and Parquet may throw, on exhausted memory above all.
    try {
      return write_file();
    } catch (const std::exception& thrown) {
      return fail(ErrorCode::internal, fmt::format("encoding a file: {}", thrown.what()));
    }
  }

 private:
  struct Line {
    Date day;
    EarningsRow row;
  };

  static std::unexpected<Error> no_answer() {
    return fail(ErrorCode::internal, "bytes without an answer that has begun");
  }

  Result<FileSummary> write_file() {
    const auto batch = batch_of_lines();
    ValueDigest digest(columns_);
    BETEDGE_TRY_VOID(add_to_digest(digest, columns_, *batch));
    BETEDGE_TRY_VOID(writer_->write_batch(*batch));
    summary_.rows = lines_.size();
    summary_.digest = digest.hex(summary_.rows);
    BETEDGE_TRY_VOID(writer_->close(describe(spec_, summary_)));
    summary_.size_bytes = writer_->size_bytes();
    summary_.sha256 = writer_->sha256();
    return summary_;
  }

  template <class Builder, class Get>
  std::shared_ptr<arrow::Array> column(Get get) const {
    std::vector<std::decay_t<decltype(get(lines_.front()))>> values;
    values.reserve(lines_.size());
    for (const auto& line : lines_) values.push_back(get(line));
    return column_of<Builder>(values);
  }

  // In the order of core::columns(Kind::earnings).
  std::shared_ptr<arrow::RecordBatch> batch_of_lines() const {
    using arrow::DoubleBuilder;
    using arrow::Int64Builder;
    using arrow::StringBuilder;
    const auto text = [](std::string value) { return std::optional(std::move(value)); };
    arrow::ArrayVector arrays{
        column<StringBuilder>([&](const Line& line) { return text(to_iso_text(line.day)); }),
        column<StringBuilder>([&](const Line& line) { return text(line.row.symbol); }),
        column<StringBuilder>([](const Line& line) { return line.row.name; }),
        column<StringBuilder>([](const Line& line) { return line.row.time; }),
        column<DoubleBuilder>([](const Line& line) { return line.row.eps; }),
        column<DoubleBuilder>([](const Line& line) { return line.row.eps_forecast; }),
        column<DoubleBuilder>([](const Line& line) { return line.row.surprise_pct; }),
        column<Int64Builder>([](const Line& line) { return line.row.market_cap; }),
        column<StringBuilder>([](const Line& line) { return line.row.fiscal_quarter_ending; }),
        column<Int64Builder>([](const Line& line) { return line.row.num_estimates; }),
        column<DoubleBuilder>([](const Line& line) { return line.row.last_year_eps; }),
        column<StringBuilder>([](const Line& line) { return line.row.last_year_report_date; }),
    };
    auto batch = arrow::RecordBatch::Make(
        writer_->schema(), static_cast<std::int64_t>(lines_.size()), std::move(arrays));
    require(batch->Validate());
    return batch;
  }

  ObjectSpec spec_;
  std::span<const Column> columns_;
  std::unique_ptr<FileWriter> writer_;
  std::vector<Line> lines_;
  std::size_t row_bytes_ = 0;
  FileSummary summary_;
  std::optional<Date> day_;  // of the answer that is coming
  std::string body_;         // what has come of it
};

}  // namespace

Result<std::unique_ptr<ObjectEncoder>> open_earnings_encoder(ObjectSpec spec) {
  const auto columns = core::columns(Kind::earnings, spec.request.schema);
  BETEDGE_TRY(auto writer, FileWriter::open(spec.request.format, columns, Texts::as_texts));
  return std::make_unique<EarningsEncoder>(std::move(spec), std::move(writer));
}

}  // namespace betedge::columnar
