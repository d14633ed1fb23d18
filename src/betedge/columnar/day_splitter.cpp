#include "betedge/columnar/day_splitter.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "betedge/columnar/decoder.hpp"
#include "betedge/columnar/table_encoder.hpp"

namespace betedge::columnar {

namespace {

// A day of one-minute bars has 390 rows, and a batch may have hundreds of days.
constexpr std::size_t kFirstCapacity = 512;

// One object, whose rows come from the splitter.
class Share final : public ObjectEncoder {
 public:
  explicit Share(std::unique_ptr<TableEncoder> table)
      : table_(std::move(table)),
        first_day_(to_yyyymmdd(table_->spec().covers.first)),
        last_day_(to_yyyymmdd(table_->spec().covers.last)) {}

  Result<void> begin_answer(const Call&, WireFormat) override { return not_fed(); }
  Result<void> begin_document() override { return not_fed(); }
  Result<void> feed(ByteView) override { return not_fed(); }
  Result<void> end_answer() override { return not_fed(); }

  Bytes take_output() override { return table_->take_output(); }
  std::size_t memory_bytes() const override { return table_->memory_bytes(); }
  std::uint64_t rows() const override { return table_->row_count(); }
  Result<FileSummary> finish() override {
    if (answer_has_begun_)
      return fail(ErrorCode::internal, "the file ends in the middle of an answer");
    return guarded([&] { return table_->finish(); });
  }

  TableEncoder& table() { return *table_; }
  std::uint32_t first_day() const { return first_day_; }
  std::uint32_t last_day() const { return last_day_; }
  void note_answer(bool has_begun) { answer_has_begun_ = has_begun; }

 private:
  static std::unexpected<Error> not_fed() {
    return fail(ErrorCode::internal, "an object of a span takes its rows from the splitter");
  }

  std::unique_ptr<TableEncoder> table_;
  std::uint32_t first_day_, last_day_;  // yyyymmdd
  bool answer_has_begun_ = false;
};

class Splitter final : public DaySplitter, private RowSink {
 public:
  Splitter(std::vector<std::unique_ptr<Share>> shares, std::span<const Column> columns)
      : shares_(std::move(shares)), rows_(columns, kBatchRows), date_(*rows_.find("date")) {}

  Result<void> begin_answer(const Call& call, WireFormat format) override {
    if (decoder_) return fail(ErrorCode::internal, "an answer begins before the last one ended");
    for (const auto& share : shares_) {
      BETEDGE_TRY_VOID(share->table().begin_answer(call));
      share->note_answer(true);
    }
    BETEDGE_TRY(decoder_, make_decoder(call, format, rows_, *this));
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
      BETEDGE_TRY_VOID(take_full_batches());
      for (const auto& share : shares_) {
        BETEDGE_TRY_VOID(share->table().end_answer());
        share->note_answer(false);
      }
      return {};
    }));
    decoder_.reset();
    return {};
  }

  std::size_t size() const override { return shares_.size(); }
  ObjectEncoder& of(std::size_t i) override { return *shares_.at(i); }
  std::size_t memory_bytes() const override {
    std::size_t bytes = rows_.memory_bytes() + (decoder_ ? decoder_->memory_bytes() : 0);
    for (const auto& share : shares_) bytes += share->memory_bytes();
    return bytes;
  }

 private:
  static std::unexpected<Error> no_answer() {
    return fail(ErrorCode::internal, "bytes without an answer that has begun");
  }

  // All rows go to their day's object, run by run.
  Result<void> take_full_batches() override {
    const std::uint32_t* const dates = rows_.numbers(date_);
    for (std::size_t begin = 0, end = 0; begin < rows_.size(); begin = end) {
      while (end < rows_.size() && dates[end] == dates[begin]) ++end;
      Share* const share = share_of(dates[begin]);
      if (share == nullptr) continue;
      share->table().rows().append(rows_, begin, end - begin);
      if (share->table().rows().size() >= kBatchRows)
        BETEDGE_TRY_VOID(share->table().take_full_batches());
    }
    rows_.drop_front(rows_.size());
    return {};
  }

  Share* share_of(std::uint32_t day) {
    const auto found = std::ranges::lower_bound(
        shares_, day, {}, [](const auto& share) { return share->last_day(); });
    return found == shares_.end() || (*found)->first_day() > day ? nullptr : found->get();
  }

  std::vector<std::unique_ptr<Share>> shares_;  // in date order
  RowBuffer rows_;                              // not split yet
  std::size_t date_;                            // the column of it
  std::unique_ptr<Decoder> decoder_;
};

}  // namespace

Result<std::unique_ptr<DaySplitter>> DaySplitter::open(std::vector<ObjectSpec> specs) {
  if (specs.empty()) return fail(ErrorCode::internal, "a span without an object");
  const ObjectSpec first = specs.front();
  const auto& request = first.request;
  if (request.kind == Kind::earnings)
    return fail(ErrorCode::internal, "earnings are called for day by day");
  std::vector<std::unique_ptr<Share>> shares;
  for (ObjectSpec& spec : specs) {
    if (spec.request.kind != request.kind || spec.request.schema != request.schema ||
        spec.layout != first.layout)
      return fail(ErrorCode::internal,
                  fmt::format("{} and {} are not of one call", first.key.text(), spec.key.text()));
    if (!shares.empty() && to_yyyymmdd(spec.covers.first) <= shares.back()->last_day())
      return fail(ErrorCode::internal,
                  fmt::format("{} is not of days after the one before it", spec.key.text()));
    BETEDGE_TRY(auto table, TableEncoder::open(std::move(spec), kFirstCapacity));
    shares.push_back(std::make_unique<Share>(std::move(table)));
  }
  return std::make_unique<Splitter>(
      std::move(shares), row_columns(request.kind, request.schema, first.layout.columns));
}

}  // namespace betedge::columnar
