#include "betedge/columnar/day_splitter.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

namespace betedge::fuzz {
namespace {

using namespace columnar;  // NOLINT(google-build-using-namespace)

// Two days of a call over four: rows of the others are dropped.
constexpr std::uint32_t kFirstDay = 20240102, kLastDay = 20240105;
constexpr std::uint32_t kDays[] = {20240102, 20240104};

struct Answer {
  Kind kind;
  Schema schema;
  WireFormat format;
  std::string_view body;
};

ObjectSpec spec_of(const Answer& answer, Date first, Date last) {
  const HistoricalRequest request{.kind = answer.kind,
                                  .root = *Symbol::parse("ABC"),
                                  .dates = {first, last},
                                  .schema = answer.schema,
                                  .interval = std::chrono::milliseconds(60'000),
                                  .window = {}};
  return {.request = request,
          .key = object_key(request, first),
          .covers = request.dates,
          .source = "thetadata",
          .request_json = "{}"};
}

// Into a splitter or an encoder; whether it was taken.
template <class Taker>
bool feed(Taker& taker, const Answer& answer, std::size_t piece) {
  const Call call{.kind = answer.kind,
                  .schema = answer.schema,
                  .root = *Symbol::parse("ABC"),
                  .dates = {*from_yyyymmdd(kFirstDay), *from_yyyymmdd(kLastDay)},
                  .interval = std::chrono::milliseconds(60'000),
                  .window = {}};
  if (!taker.begin_answer(call, answer.format) || !taker.begin_document()) std::abort();
  for (auto left = answer.body; !left.empty(); left.remove_prefix(std::min(piece, left.size())))
    if (!taker.feed(std::as_bytes(std::span(left.substr(0, piece))))) return false;
  return taker.end_answer().has_value();
}

// The rows of each day; empty when the answer was refused.
std::vector<std::uint64_t> split(const Answer& answer, std::size_t piece) {
  std::vector<ObjectSpec> specs;
  for (const auto day : kDays)
    specs.push_back(spec_of(answer, *from_yyyymmdd(day), *from_yyyymmdd(day)));
  const auto splitter = *DaySplitter::open(std::move(specs));
  if (!feed(*splitter, answer, piece)) return {};
  std::vector<std::uint64_t> rows;
  for (std::size_t i = 0; i < splitter->size(); ++i) rows.push_back(splitter->of(i).rows());
  return rows;
}

// An answer is taken or refused as an encoder would, has the same rows however it is
// cut, and no day has rows that did not come.
void check(const Answer& answer, std::size_t piece) {
  const auto whole = split(answer, std::string_view::npos), cut = split(answer, piece);
  const auto encoder =
      *ObjectEncoder::open(spec_of(answer, *from_yyyymmdd(kFirstDay), *from_yyyymmdd(kLastDay)));
  const bool is_taken = feed(*encoder, answer, std::string_view::npos);
  std::uint64_t rows = 0;
  for (const auto of_day : whole) rows += of_day;
  // Fewer also where days alternate between twins, which are then neighbours in their day's file
  // alone.
  if (whole != cut || is_taken == whole.empty() || (is_taken && rows > encoder->rows())) {
    std::fprintf(stderr, "split otherwise than it came\n");
    std::abort();
  }
}

}  // namespace
}  // namespace betedge::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace betedge;  // NOLINT(google-build-using-namespace)
  if (size < 2) return 0;
  const WireFormat formats[] = {WireFormat::v3_csv, WireFormat::v2_csv, WireFormat::v2_json};
  fuzz::check({.kind = data[0] % 2 == 0 ? Kind::stock : Kind::option,
               .schema = data[0] / 2 % 2 == 0 ? Schema::ohlc : Schema::quote,
               .format = formats[data[0] / 4 % 3],
               .body = {reinterpret_cast<const char*>(data + 2), size - 2}},
              1u + data[1] % 64u);
  return 0;
}
