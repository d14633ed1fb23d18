#include "fuzz/decoder_fuzz.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "betedge/columnar/decoder.hpp"
#include "betedge/columnar/digest.hpp"
#include "betedge/core/table.hpp"

namespace betedge::fuzz {

namespace {

using namespace columnar;  // NOLINT(google-build-using-namespace)

struct Shape {
  Kind file;
  Schema schema;
  Role role;
  friend auto operator<=>(const Shape&, const Shape&) = default;
};

Shape shape_of(std::uint8_t choice) {
  const Schema schemas[] = {Schema::quote, Schema::ohlc, Schema::eod};
  const Schema schema = schemas[choice % 3];
  switch (choice / 3 % 3) {
    case 0: return {Kind::option, schema, Role::primary};
    case 1: return {Kind::stock, schema, Role::primary};
    default: return {Kind::option, schema, Role::underlying};
  }
}

Call call_of(const Shape& shape) {
  return {.kind = shape.role == Role::underlying ? Kind::stock : shape.file,
          .schema = shape.schema,
          .root = *Symbol::parse("ABC"),
          .dates = {*from_yyyymmdd(20240102), *from_yyyymmdd(20240105)},
          .interval = std::chrono::milliseconds(60'000),
          .window = {std::chrono::hours(9), std::nullopt},
          .role = shape.role};
}

// Rows end here: their digest is what is compared.
class Digester final : public RowSink {
 public:
  explicit Digester(RowBuffer& rows) : rows_(rows), digest_(rows.columns()) { rows_.resize(0); }

  Result<void> take_full_batches() override {
    take(rows_.size());
    return {};
  }
  std::string finish() {
    take(rows_.size());
    return digest_.hex(count_);
  }

 private:
  void take(std::size_t count) {
    for (std::size_t i = 0; i < rows_.columns().size(); ++i) {
      switch (rows_.columns()[i].type) {
        case ColumnType::uint32: digest_.add(i, std::span(rows_.numbers(i), count)); break;
        case ColumnType::float64: digest_.add(i, std::span(rows_.prices(i), count)); break;
        case ColumnType::float32:
        case ColumnType::int64:
        case ColumnType::timestamp:
        case ColumnType::day:
        case ColumnType::dollars:
        case ColumnType::word: std::abort();  // a row buffer has no such columns
        case ColumnType::text: {
          std::string texts;
          for (std::size_t row = 0; row < count; ++row)
            ValueDigest::append_text(texts, rows_.words(i).at(rows_.codes(i)[row]));
          digest_.add_canonical(i, texts);
          break;
        }
      }
    }
    count_ += count;
    rows_.drop_front(count);
  }

  RowBuffer& rows_;
  ValueDigest digest_;
  std::uint64_t count_ = 0;
};

template <class NextLength>
Result<std::string> decode(WireFormat format, const Shape& shape, std::string_view body,
                           NextLength next_length) {
  // The arrays are large, and the same for every input.
  static std::map<Shape, std::unique_ptr<RowBuffer>> buffers;
  auto& rows = buffers[shape];
  if (!rows)
    rows = std::make_unique<RowBuffer>(core::columns(shape.file, shape.schema), kBatchRows);
  Digester digester(*rows);
  const Call call = call_of(shape);
  const auto decoder = format == WireFormat::v2_json
                           ? make_json_decoder(call, *rows, digester)
                           : make_csv_decoder(call, format, *rows, digester);
  while (true) {
    BETEDGE_TRY_VOID(decoder->begin_document());
    const std::size_t page_end = std::min(body.find('\f'), body.size());
    std::string_view page = body.substr(0, page_end);
    while (!page.empty()) {
      const std::size_t length = std::clamp<std::size_t>(next_length(), 1, page.size());
      // A copy of its own, so that a read past the piece is seen.
      const std::vector<char> piece(page.begin(),
                                    page.begin() + static_cast<std::ptrdiff_t>(length));
      BETEDGE_TRY_VOID(decoder->feed(std::as_bytes(std::span(piece))));
      page.remove_prefix(length);
    }
    if (page_end == body.size()) break;
    body.remove_prefix(page_end + 1);
  }
  BETEDGE_TRY_VOID(decoder->end_answer());
  return digester.finish();
}

[[noreturn]] void give_up(std::string_view why) {
  std::fprintf(stderr, "%.*s\n", static_cast<int>(why.size()), why.data());
  std::abort();
}

}  // namespace

void decode_whole_and_cut(WireFormat format, const std::uint8_t* data, std::size_t size) {
  if (size < 2) return;
  const Shape shape = shape_of(data[0]);
  const std::string_view body(reinterpret_cast<const char*>(data + 2), size - 2);
  const auto whole = decode(format, shape, body, [] { return std::string::npos; });
  std::uint32_t cut = data[1] + 1u;
  const auto in_pieces = decode(format, shape, body, [&] {
    cut = cut * 1'664'525u + 1'013'904'223u;
    return std::size_t{1} + (cut >> 24) % (1u + data[1] % 64u);
  });
  if (whole.has_value() != in_pieces.has_value())
    give_up("cut: " + (in_pieces ? *in_pieces : in_pieces.error().message) +
            "\nwhole: " + (whole ? *whole : whole.error().message));
  if (whole.has_value()) {
    if (*whole != *in_pieces) give_up("other rows when the input is cut");
  } else if (whole.error().code != ErrorCode::upstream_garbled ||
             in_pieces.error().code != ErrorCode::upstream_garbled) {
    give_up("not garbled: " + whole.error().message);
  }
}

}  // namespace betedge::fuzz
