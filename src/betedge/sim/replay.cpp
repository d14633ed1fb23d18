#include "betedge/sim/replay.hpp"

#include <fmt/format.h>
#include <simdjson.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>

namespace betedge::sim {

namespace {

struct Endpoint {
  std::string_view path;
  Kind kind;
  Schema schema;
};
constexpr std::array kEndpoints{
    Endpoint{"/v2/bulk_hist/option/eod", Kind::option, Schema::eod},
    Endpoint{"/v2/bulk_hist/option/ohlc", Kind::option, Schema::ohlc},
    Endpoint{"/v2/bulk_hist/option/quote", Kind::option, Schema::quote},
    Endpoint{"/v2/hist/stock/eod", Kind::stock, Schema::eod},
    Endpoint{"/v2/hist/stock/ohlc", Kind::stock, Schema::ohlc},
    Endpoint{"/v2/hist/stock/quote", Kind::stock, Schema::quote},
};

Result<simdjson::padded_string> unzip(const std::filesystem::path& file) {
  const auto close = [](gzFile handle) { ::gzclose(handle); };
  const std::unique_ptr<gzFile_s, decltype(close)> handle(::gzopen(file.c_str(), "rb"), close);
  if (!handle) return fail(ErrorCode::storage_failed, fmt::format("cannot open {}", file.string()));
  ::gzbuffer(handle.get(), 256 << 10);
  std::string text(1 << 20, '\0');
  std::size_t size = 0;
  while (true) {
    if (size == text.size()) text.resize(2 * text.size());
    const auto wanted = std::min<std::size_t>(text.size() - size, 64 << 20);
    const auto got = ::gzread(handle.get(), text.data() + size, static_cast<unsigned>(wanted));
    if (got < 0) {
      return fail(ErrorCode::storage_failed, fmt::format("{} is no gzip file", file.string()));
    }
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  text.resize(size);
  return simdjson::padded_string(text);
}

// Which field of a Tick a column of the recording fills: a number as it is, or a price.
struct Target {
  std::string_view name;
  std::uint32_t Tick::* number;
  std::int64_t Tick::* price;
};
constexpr std::array kTargets{
    Target{"ms_of_day", &Tick::ms_of_day, nullptr},
    Target{"ms_of_day2", &Tick::ms_of_day2, nullptr},
    Target{"open", nullptr, &Tick::open},
    Target{"high", nullptr, &Tick::high},
    Target{"low", nullptr, &Tick::low},
    Target{"close", nullptr, &Tick::close},
    Target{"volume", &Tick::volume, nullptr},
    Target{"count", &Tick::count, nullptr},
    Target{"bid_size", &Tick::bid_size, nullptr},
    Target{"bid_exchange", &Tick::bid_exchange, nullptr},
    Target{"bid", nullptr, &Tick::bid},
    Target{"bid_condition", &Tick::bid_condition, nullptr},
    Target{"ask_size", &Tick::ask_size, nullptr},
    Target{"ask_exchange", &Tick::ask_exchange, nullptr},
    Target{"ask", nullptr, &Tick::ask},
    Target{"ask_condition", &Tick::ask_condition, nullptr},
    Target{"date", &Tick::date, nullptr},
};

using simdjson::ondemand::array;
using simdjson::ondemand::object;
using simdjson::ondemand::value;

// Reads one recording, with simdjson's exceptions inside.
class Reader {
 public:
  Reader(const Query& query, const RowSink& sink)
      : query_(query),
        sink_(sink),
        first_(to_yyyymmdd(query.dates.first)),
        last_(to_yyyymmdd(query.dates.last)) {}

  void read(simdjson::padded_string& text) {
    simdjson::ondemand::parser parser;
    auto document = parser.iterate(text);
    for (std::string_view name : document["header"]["format"].get_array()) {
      const auto* const target = std::ranges::find(kTargets, name, &Target::name);
      columns_.push_back(target == kTargets.end() ? nullptr : target);
    }
    if (query_.kind == Kind::stock) {
      for (array row : document["response"].get_array()) take(row);
      if (!rows_.empty()) sink_({}, rows_);
      return;
    }
    for (object entry : document["response"].get_array()) {
      rows_.clear();
      for (array row : entry["ticks"].get_array()) take(row);
      object named = entry["contract"];
      Contract contract;
      contract.expiration = static_cast<std::uint32_t>(named["expiration"].get_uint64());
      contract.strike = static_cast<std::uint32_t>(named["strike"].get_uint64());
      contract.right = std::string_view(named["right"].get_string()).at(0);
      if (!rows_.empty() && wants(contract)) sink_(contract, rows_);
    }
  }

 private:
  void take(array row) {
    Tick tick;
    std::size_t column = 0;
    for (value field : row) {
      const auto* const target = column < columns_.size() ? columns_[column] : nullptr;
      ++column;
      if (target == nullptr) continue;
      if (target->number != nullptr) {
        tick.*target->number = static_cast<std::uint32_t>(field.get_uint64());
      } else {
        tick.*target->price = std::llround(double(field.get_double()) * 10'000);
      }
    }
    if (tick.date < first_ || tick.date > last_) return;
    if (query_.schema != Schema::eod && !query_.wants_time(tick.ms_of_day)) return;
    rows_.push_back(tick);
  }

  bool wants(const Contract& contract) const {
    if (!query_.wants(contract)) return false;
    if (!query_.max_days_to_expiration) return true;
    const auto expiration = from_yyyymmdd(contract.expiration);
    return expiration &&
           (*expiration - query_.dates.first).count() <= *query_.max_days_to_expiration;
  }

  const Query& query_;
  const RowSink& sink_;
  std::uint32_t first_, last_;
  std::vector<const Target*> columns_;
  std::vector<Tick> rows_;
};

bool holds(const DateRange& outer, const DateRange& inner) {
  return outer.first <= inner.first && inner.last <= outer.last;
}

}  // namespace

Result<std::unique_ptr<Replay>> Replay::open(std::filesystem::path folder) {
  const auto name = folder / "manifest.json";
  const auto refuse = [&name](std::string_view why) {
    return fail(ErrorCode::invalid_request, fmt::format("{}: {}", name.string(), why));
  };
  std::ifstream stream(name, std::ios::binary);
  if (!stream) return refuse("cannot be read");
  std::ostringstream text;
  text << stream.rdbuf();
  const auto manifest = nlohmann::json::parse(text.str(), nullptr, /*allow_exceptions=*/false);
  if (!manifest.is_object() || !manifest.contains("responses")) {
    return refuse("has no \"responses\"");
  }
  auto replay = std::make_unique<Replay>();
  replay->folder_ = std::move(folder);
  try {
    for (const auto& response : manifest.at("responses")) {
      const auto path = response.at("endpoint").get<std::string>();
      const auto* const endpoint = std::ranges::find(kEndpoints, path, &Endpoint::path);
      if (endpoint == kEndpoints.end()) continue;
      const auto& params = response.at("params");
      const auto first = from_yyyymmdd(params.at("start_date").get<std::uint32_t>());
      const auto last = from_yyyymmdd(params.at("end_date").get<std::uint32_t>());
      if (!first || !last || *last < *first) return refuse("has dates that are none");
      const Series series{endpoint->kind, endpoint->schema, params.at("root").get<std::string>(),
                          params.value("ivl", 0U)};
      replay->series_[series].push_back({{*first, *last}, response.at("file").get<std::string>()});
    }
  } catch (const nlohmann::json::exception& error) {
    return refuse(error.what());
  }
  return replay;
}

std::size_t Replay::recordings() const {
  std::size_t count = 0;
  for (const auto& [series, all] : series_) count += all.size();
  return count;
}

std::vector<Replay::Recording> Replay::recordings_for(const Query& query) const {
  const auto found =
      series_.find(Series{query.kind, query.schema, query.symbol, query.interval_ms});
  if (found == series_.end()) return {};
  std::vector<Recording> candidates;
  for (const auto& one : found->second) {
    if (one.dates == query.dates) return {one};
    if (one.dates.first <= query.dates.last && query.dates.first <= one.dates.last) {
      candidates.push_back(one);
    }
  }
  const auto length = [](const Recording& one) { return one.dates.last - one.dates.first; };
  std::ranges::sort(candidates, {}, length);
  for (const auto& one : candidates) {  // the shortest that holds all of it
    if (holds(one.dates, query.dates)) return {one};
  }
  // The longest first; a recording whose days are told already would tell them twice.
  std::vector<Recording> chosen;
  for (auto one = candidates.rbegin(); one != candidates.rend(); ++one) {
    const bool is_told = std::ranges::any_of(
        chosen, [&](const Recording& other) { return holds(other.dates, one->dates); });
    if (!is_told) chosen.push_back(*one);
  }
  std::ranges::sort(chosen, {}, [](const Recording& one) { return one.dates.first; });
  return chosen;
}

Result<void> Replay::read_file(const std::filesystem::path& file, const Query& query,
                               const RowSink& sink) {
  BETEDGE_TRY(auto text, unzip(file));
  try {
    Reader(query, sink).read(text);
  } catch (const simdjson::simdjson_error& error) {
    return fail(ErrorCode::storage_failed, fmt::format("{}: {}", file.string(), error.what()));
  } catch (const std::out_of_range&) {
    return fail(ErrorCode::storage_failed,
                fmt::format("{}: a contract without a right", file.string()));
  }
  return {};
}

Result<std::size_t> Replay::read(const Query& query, const RowSink& sink) const {
  const auto chosen = recordings_for(query);
  std::size_t count = 0;
  if (chosen.size() <= 1) {
    const RowSink counted = [&](const Contract& contract, std::span<const Tick> rows) {
      count += rows.size();
      sink(contract, rows);
    };
    for (const auto& one : chosen) BETEDGE_TRY_VOID(read_file(folder_ / one.file, query, counted));
    return count;
  }
  // A contract's rows of several files stand together, in the order in which contracts first come.
  std::vector<std::pair<Contract, std::vector<Tick>>> all;
  std::map<Contract, std::size_t> places;
  const RowSink collect = [&](const Contract& contract, std::span<const Tick> rows) {
    const auto [place, is_new] = places.try_emplace(contract, all.size());
    if (is_new) all.emplace_back(contract, std::vector<Tick>());
    auto& into = all[place->second].second;
    into.insert(into.end(), rows.begin(), rows.end());
    count += rows.size();
  };
  for (const auto& one : chosen) BETEDGE_TRY_VOID(read_file(folder_ / one.file, query, collect));
  for (const auto& [contract, rows] : all) sink(contract, rows);
  return count;
}

}  // namespace betedge::sim
