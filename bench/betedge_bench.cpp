// Our side of `make bench` (bench/answers.py has the peers', and drives both):
//
//   betedge_bench render OPTIONS   an answer about option rows, as the terminal sends it, into a
//   file betedge_bench encode OPTIONS   that file through the encoder, from memory to memory, on
//   one
//     thread: once for each line of standard input, so that others have their turn in between;
//     prints seconds, rows and bytes out each time. At the end of input the last file goes into
//     `out`, if there is one.
//   betedge_bench plan             a request's body read, checked and planned: twenty symbols' year
//
// Options, as name=value: form (v3_csv, v2_csv, v2_json), schema (quote, ohlc, eod), interval (ms),
// root, first and last (yyyymmdd), contracts (of the chain on any day), columns (plain, typed),
// file, out.

#include <algorithm>
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
#include "betedge/core/plan.hpp"
#include "betedge/sim/market.hpp"
#include "betedge/sim/render.hpp"
#include "betedge/wire/request.hpp"

namespace betedge {
namespace {

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

struct Options {
  Form form = kForms[0];
  Schema schema = Schema::quote;
  std::uint32_t interval_ms = 900'000;
  std::string root = "AAPL";
  DateRange dates{std::chrono::year{2024} / 1 / 16, std::chrono::year{2024} / 1 / 16};
  std::uint32_t contracts = 2'000;
  core::ColumnStyle columns = core::ColumnStyle::plain;
  std::uint32_t threads = 1;
  std::string file, out;
};

Result<std::uint32_t> number_of(std::string_view text) {
  std::uint32_t number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size())
    return fail(ErrorCode::invalid_request, fmt::format("expected a number, found \"{}\"", text));
  return number;
}

Result<Date> day_of(std::string_view text) {
  BETEDGE_TRY(const auto number, number_of(text));
  const auto day = from_yyyymmdd(number);
  if (!day) return fail(ErrorCode::invalid_request, fmt::format("{} is no day", text));
  return *day;
}

Result<Options> read_options(std::span<char*> words) {
  Options options;
  for (const std::string_view word : words) {
    const std::size_t equals = word.find('=');
    const std::string_view name = word.substr(0, equals);
    const std::string_view value = equals == word.npos ? "" : word.substr(equals + 1);
    const Form* const form = std::ranges::find(kForms, value, &Form::name);
    if (name == "form" && form != std::end(kForms)) {
      options.form = *form;
    } else if (name == "schema") {
      options.schema = value == "eod"    ? Schema::eod
                       : value == "ohlc" ? Schema::ohlc
                                         : Schema::quote;
    } else if (name == "interval") {
      BETEDGE_TRY(options.interval_ms, number_of(value));
    } else if (name == "root") {
      options.root = value;
    } else if (name == "first") {
      BETEDGE_TRY(options.dates.first, day_of(value));
    } else if (name == "last") {
      BETEDGE_TRY(options.dates.last, day_of(value));
    } else if (name == "contracts") {
      BETEDGE_TRY(options.contracts, number_of(value));
    } else if (name == "columns") {
      options.columns = value == "typed" ? core::ColumnStyle::typed : core::ColumnStyle::plain;
    } else if (name == "threads") {
      BETEDGE_TRY(options.threads, number_of(value));
    } else if (name == "file") {
      options.file = value;
    } else if (name == "out") {
      options.out = value;
    } else {
      return fail(ErrorCode::invalid_request, fmt::format("no option \"{}\"", word));
    }
  }
  return options;
}

std::string contents_of(const std::string& path) {
  std::ifstream source(path, std::ios::binary | std::ios::ate);
  std::string contents(source ? static_cast<std::size_t>(source.tellg()) : 0, '\0');
  source.seekg(0).read(contents.data(), static_cast<std::streamsize>(contents.size()));
  return contents;
}

Result<void> render(const Options& options) {
  sim::MarketOptions market_options;
  market_options.contracts[options.root] = options.contracts;
  const sim::Market market{market_options};
  sim::Query query;
  query.kind = Kind::option;
  query.schema = options.schema;
  query.symbol = options.root;
  query.dates = options.dates;
  query.interval_ms = options.schema == Schema::eod ? 0 : options.interval_ms;
  sim::RenderOptions how;
  how.page_rows = SIZE_MAX;
  BETEDGE_TRY(const auto rendered, sim::render(market, query, options.form.sent, how));
  std::ofstream file(options.file, std::ios::binary);
  if (options.form.sent == sim::Form::v2_json)
    file << sim::v2_json_header(query.kind, query.schema, "null");
  file << rendered.page(0);
  if (!file.flush())
    return fail(ErrorCode::storage_failed, "cannot write \"" + options.file + "\"");
  return {};
}

struct Encoded {
  std::uint64_t rows = 0;
  std::size_t bytes = 0;
};

// Into `file` go the file's bytes as they come.
Result<Encoded> encode_once(const Options& options, std::string_view input,
                            std::vector<ports::Bytes>& file) {
  const std::chrono::milliseconds interval(options.schema == Schema::eod ? 0 : options.interval_ms);
  const auto root = Symbol::parse(options.root);
  if (!root) return fail(ErrorCode::invalid_request, options.root + " is no symbol");
  const HistoricalRequest request{.kind = Kind::option,
                                  .root = *root,
                                  .dates = options.dates,
                                  .schema = options.schema,
                                  .interval = interval,
                                  .window = {}};
  const Call call{.kind = Kind::option,
                  .schema = options.schema,
                  .root = *root,
                  .dates = options.dates,
                  .interval = interval,
                  .window = {}};
  const columnar::ObjectSpec spec{.request = request,
                                  .key = object_key(request, options.dates.first),
                                  .covers = options.dates,
                                  .source = "thetadata",
                                  .request_json = "{}",
                                  .layout = {.columns = options.columns}};
  Encoded encoded;
  const auto take = [&](ports::Bytes bytes) {
    encoded.bytes += bytes.size();
    if (!bytes.empty()) file.push_back(std::move(bytes));
  };
  BETEDGE_TRY(const auto encoder, columnar::ObjectEncoder::open(spec, options.threads));
  BETEDGE_TRY_VOID(encoder->begin_answer(call, options.form.read));
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

Result<void> encode(const Options& options) {
  const std::string input = contents_of(options.file);
  if (input.empty()) return fail(ErrorCode::storage_failed, "cannot read \"" + options.file + "\"");
  columnar::expect_many_objects();
  std::vector<ports::Bytes> file;
  for (std::string line; std::getline(std::cin, line);) {
    file.clear();
    const auto start = std::chrono::steady_clock::now();
    BETEDGE_TRY(const Encoded encoded, encode_once(options, input, file));
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    fmt::print("{{\"seconds\": {:.6f}, \"rows\": {}, \"bytes\": {}}}\n", taken.count(),
               encoded.rows, encoded.bytes);
    std::fflush(stdout);
  }
  if (options.out.empty()) return {};
  std::ofstream written(options.out, std::ios::binary);
  for (const auto& bytes : file) written << as_text(bytes);
  if (!written.flush())
    return fail(ErrorCode::storage_failed, "cannot write \"" + options.out + "\"");
  return {};
}

// What a submit computes before it is written down; for counting instructions (bench/check.py).
Result<void> plan() {
  constexpr std::string_view kBody =
      R"({"roots": ["A","B","C","D","E","F","G","H","I","J","K","L","M","N","O","P","Q","R","S","T"],
          "start_date": "20230101", "end_date": "20231231", "schema": "quote", "interval": 900000})";
  const auto parsed =
      wire::parse_submission(Kind::option, "application/json", kBody, Existing::keep);
  if (!parsed) return fail(ErrorCode::internal, "the body was refused");
  const auto planned =
      core::plan(parsed->submission, Date(std::chrono::year{2024} / std::chrono::June / 3));
  std::size_t bytes = 0;
  for (const auto& item : planned.items) bytes += item.key.text().size();
  fmt::print("{{\"items\": {}, \"bytes of keys\": {}}}\n", planned.items.size(), bytes);
  return {};
}

int main_of(std::span<char*> arguments) {
  const std::string_view what = arguments.size() > 1 ? arguments[1] : "";
  if (what != "render" && what != "encode" && what != "plan") {
    fmt::print(stderr, "usage: betedge_bench render|encode|plan NAME=VALUE…\n");
    return 2;
  }
  const auto options = read_options(arguments.subspan(2));
  const auto done = !options           ? std::unexpected(options.error())
                    : what == "render" ? render(*options)
                    : what == "encode" ? encode(*options)
                                       : plan();
  if (done) return 0;
  fmt::print(stderr, "{}: {}\n", to_text(done.error().code), done.error().message);
  return 1;
}

}  // namespace
}  // namespace betedge

int main(int count, char** arguments) {
  return betedge::main_of({arguments, static_cast<std::size_t>(count)});
}
