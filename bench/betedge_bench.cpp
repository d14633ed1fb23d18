// Our side of `make bench` (bench/run.py has the peer's, and drives both):
//
//   betedge_bench render FORM INTERVAL_MS FILE
//     a day of AAPL option quotes, as the simulator sends it
//   betedge_bench encode FORM INTERVAL_MS FILE [plain|typed [OUT]]
//     that file through the encoder, from memory to memory, on one thread: once for each line of
//     standard input, so that others have their turn in between; prints seconds, rows and bytes out
//     each time. At the end of input the last file goes into OUT

#include <charconv>
#include <chrono>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "betedge/columnar/object_encoder.hpp"
#include "betedge/sim/market.hpp"
#include "betedge/sim/render.hpp"

namespace betedge {
namespace {

constexpr Date kDay{std::chrono::year{2024} / 1 / 16};
constexpr std::size_t kPieceBytes = std::size_t{256}
                                    << 10;  // about what comes off a socket at once

struct Form {
  std::string_view name;
  sim::Form sent;
  WireFormat read;
};
constexpr Form kForms[] = {{"v3_csv", sim::Form::v3_csv, WireFormat::v3_csv},
                           {"v2_csv", sim::Form::v2_csv, WireFormat::v2_csv},
                           {"v2_json", sim::Form::v2_json, WireFormat::v2_json}};

Result<void> render(const Form& form, std::uint32_t interval_ms, const std::string& path) {
  const sim::Market market{{}};
  sim::Query query;
  query.kind = Kind::option;
  query.schema = Schema::quote;
  query.symbol = "AAPL";
  query.dates = {kDay, kDay};
  query.interval_ms = interval_ms;
  sim::RenderOptions options;
  options.page_rows = SIZE_MAX;
  BETEDGE_TRY(const auto rendered, sim::render(market, query, form.sent, options));
  std::ofstream file(path, std::ios::binary);
  if (form.sent == sim::Form::v2_json)
    file << sim::v2_json_header(query.kind, query.schema, "null");
  file << rendered.page(0);
  if (!file.flush()) return fail(ErrorCode::storage_failed, "cannot write " + path);
  return {};
}

struct Encoded {
  std::uint64_t rows = 0;
  std::size_t bytes = 0;
};

// Into `file` go the file's bytes as they come.
Result<Encoded> encode_once(const Form& form, std::uint32_t interval_ms, std::string_view input,
                            core::ColumnStyle style, std::vector<ports::Bytes>& file) {
  const std::chrono::milliseconds interval{interval_ms};
  const auto root = *Symbol::parse("AAPL");
  const HistoricalRequest request{.kind = Kind::option,
                                  .root = root,
                                  .dates = {kDay, kDay},
                                  .schema = Schema::quote,
                                  .interval = interval,
                                  .window = {}};
  const Call call{.kind = Kind::option,
                  .schema = Schema::quote,
                  .root = root,
                  .dates = {kDay, kDay},
                  .interval = interval,
                  .window = {}};
  const columnar::ObjectSpec spec{.request = request,
                                  .key = object_key(request, kDay),
                                  .covers = {kDay, kDay},
                                  .source = "thetadata",
                                  .request_json = "{}",
                                  .layout = {.columns = style}};
  Encoded encoded;
  const auto take = [&](ports::Bytes bytes) {
    encoded.bytes += bytes.size();
    if (!bytes.empty()) file.push_back(std::move(bytes));
  };
  BETEDGE_TRY(const auto encoder, columnar::ObjectEncoder::open(spec));
  BETEDGE_TRY_VOID(encoder->begin_answer(call, form.read));
  BETEDGE_TRY_VOID(encoder->begin_document());
  for (std::string_view left = input; !left.empty();) {
    const auto piece = left.substr(0, kPieceBytes);
    left.remove_prefix(piece.size());
    BETEDGE_TRY_VOID(encoder->feed(as_bytes(piece)));
    take(encoder->take_output());
  }
  BETEDGE_TRY_VOID(encoder->end_answer());
  BETEDGE_TRY(const auto summary, encoder->finish());
  take(encoder->take_output());
  encoded.rows = summary.rows;
  return encoded;
}

Result<void> encode(const Form& form, std::uint32_t interval_ms, const std::string& path,
                    core::ColumnStyle style, const std::string& out) {
  std::ifstream source(path, std::ios::binary | std::ios::ate);
  std::string input(static_cast<std::size_t>(source.tellg()), '\0');
  source.seekg(0).read(input.data(), static_cast<std::streamsize>(input.size()));
  if (!source) return fail(ErrorCode::storage_failed, "cannot read " + path);
  columnar::expect_many_objects();
  std::vector<ports::Bytes> file;
  for (std::string line; std::getline(std::cin, line);) {
    file.clear();
    const auto start = std::chrono::steady_clock::now();
    BETEDGE_TRY(const Encoded encoded, encode_once(form, interval_ms, input, style, file));
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    fmt::print("{{\"seconds\": {:.6f}, \"rows\": {}, \"bytes\": {}}}\n", taken.count(),
               encoded.rows, encoded.bytes);
    std::fflush(stdout);
  }
  if (out.empty()) return {};
  std::ofstream written(out, std::ios::binary);
  for (const auto& bytes : file) written << as_text(bytes);
  if (!written.flush()) return fail(ErrorCode::storage_failed, "cannot write " + out);
  return {};
}

int main_of(std::span<char*> arguments) {
  if (arguments.size() < 5 || arguments.size() > 7) {
    fmt::print(stderr,
               "usage: betedge_bench render|encode FORM INTERVAL_MS FILE [plain|typed [OUT]]\n");
    return 2;
  }
  const std::string_view what = arguments[1], form_name = arguments[2], number = arguments[3];
  std::uint32_t interval_ms = 0;
  std::from_chars(number.data(), number.data() + number.size(), interval_ms);
  const Form* form = nullptr;
  for (const auto& candidate : kForms)
    if (candidate.name == form_name) form = &candidate;
  const auto style = arguments.size() > 5 && std::string_view(arguments[5]) == "typed"
                         ? core::ColumnStyle::typed
                         : core::ColumnStyle::plain;
  const std::string out = arguments.size() > 6 ? arguments[6] : "";
  if (form == nullptr || interval_ms == 0) return 2;
  const auto done = what == "render" ? render(*form, interval_ms, arguments[4])
                                     : encode(*form, interval_ms, arguments[4], style, out);
  if (done) return 0;
  fmt::print(stderr, "{}: {}\n", to_text(done.error().code), done.error().message);
  return 1;
}

}  // namespace
}  // namespace betedge

int main(int count, char** arguments) {
  return betedge::main_of({arguments, static_cast<std::size_t>(count)});
}
