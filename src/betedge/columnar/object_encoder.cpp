#include "betedge/columnar/object_encoder.hpp"

#include <fmt/format.h>
#include <malloc.h>

#include "betedge/columnar/decoder.hpp"
#include "betedge/columnar/earnings_encoder.hpp"
#include "betedge/columnar/file_metadata.hpp"
#include "betedge/columnar/table_encoder.hpp"

namespace betedge::columnar {

namespace {

class Encoder final : public ObjectEncoder {
 public:
  explicit Encoder(std::unique_ptr<TableEncoder> table) : table_(std::move(table)) {}

  Result<void> begin_answer(const Call& call, WireFormat format) override {
    if (decoder_) return fail(ErrorCode::internal, "an answer begins before the last one ended");
    BETEDGE_TRY_VOID(table_->begin_answer(call));
    BETEDGE_TRY(decoder_, make_decoder(call, format, table_->rows(), *table_));
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
    BETEDGE_TRY_VOID(guarded([&]() -> Result<void> {
      BETEDGE_TRY_VOID(decoder_->end_answer());
      return table_->end_answer();
    }));
    decoder_.reset();
    return {};
  }

  Bytes take_output() override { return table_->take_output(); }
  std::size_t memory_bytes() const override {
    return table_->memory_bytes() + (decoder_ ? decoder_->memory_bytes() : 0);
  }
  std::uint64_t rows() const override { return table_->row_count(); }

  Result<FileSummary> finish() override {
    if (decoder_) return fail(ErrorCode::internal, "the file ends in the middle of an answer");
    return guarded([&] { return table_->finish(); });
  }

 private:
  static std::unexpected<Error> no_answer() {
    return fail(ErrorCode::internal, "bytes without an answer that has begun");
  }

  std::unique_ptr<TableEncoder> table_;
  std::unique_ptr<Decoder> decoder_;
};

}  // namespace

void expect_many_objects() {
#if defined(__GLIBC__)
  mallopt(M_MMAP_THRESHOLD, 32 << 20);  // more is refused
  mallopt(M_TRIM_THRESHOLD, 64 << 20);
#endif
}

KeyValues describe(const ObjectSpec& spec, const FileSummary& summary) {
  KeyValues said{
      {std::string(metadata::kSource), spec.source},
      {std::string(metadata::kRequest), spec.request_json},
      {std::string(metadata::kKey), spec.key.text()},
      {std::string(metadata::kCoversFirst), to_yyyymmdd_text(spec.covers.first)},
      {std::string(metadata::kCoversLast), to_yyyymmdd_text(spec.covers.last)},
      {std::string(metadata::kRows), fmt::to_string(summary.rows)},
      {std::string(metadata::kUnderlyingRows), fmt::to_string(summary.underlying_rows)},
      {std::string(metadata::kSchemaVersion), fmt::to_string(kSchemaVersion)},
      {std::string(metadata::kPriceType), std::string(to_text(spec.layout.price_type))},
      {std::string(metadata::kDigest), summary.digest},
  };
  if (spec.layout.columns != ColumnStyle::plain)
    said.emplace_back(metadata::kColumns, to_text(spec.layout.columns));
  for (const auto& [name, rows] : summary.rules)
    said.emplace_back(fmt::format("{}{}", metadata::kRulePrefix, name), fmt::to_string(rows));
  return said;
}

Result<std::unique_ptr<ObjectEncoder>> ObjectEncoder::open(ObjectSpec spec, std::size_t threads) {
  spec.layout = layout_of(spec.request.kind, spec.layout);
  if (spec.request.kind == Kind::earnings) return open_earnings_encoder(std::move(spec));
  BETEDGE_TRY(auto table, TableEncoder::open(std::move(spec), kBatchRows, threads));
  return std::make_unique<Encoder>(std::move(table));
}

}  // namespace betedge::columnar
