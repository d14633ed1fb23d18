#include "betedge/sim/replay.hpp"

#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <unordered_map>

#include "betedge/sim/render.hpp"
#include "unit/sim/rows.hpp"

namespace betedge::sim {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// A recording of the test's own making.
class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "betedge-replay-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = name;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { fs::remove_all(path_); }

  // One contract's eod rows, (date, close in dollars).
  void add_eod(
      const std::string& file, std::uint32_t first, std::uint32_t last,
      const std::vector<std::tuple<std::uint32_t, std::uint32_t, double>>& strike_date_close) {
    Json response = Json::array();
    for (const auto& [strike, date, close] : strike_date_close) {
      response.push_back(
          {{"ticks",
            {{62'100'000, 57'000'000, 1, 1.5, 0.5, close, 3, 1, 2, 5, 1.25, 50, 3, 6, 1.3, 50,
              date}}},
           {"contract",
            {{"root", "OWN"}, {"expiration", 20240621}, {"strike", strike}, {"right", "C"}}}});
    }
    const Json document{{"header",
                         {{"latency_ms", 0},
                          {"next_page", "null"},
                          {"format",
                           {"ms_of_day", "ms_of_day2", "open", "high", "low", "close", "volume",
                            "count", "bid_size", "bid_exchange", "bid", "bid_condition", "ask_size",
                            "ask_exchange", "ask", "ask_condition", "date"}}}},
                        {"response", response}};
    const auto text = document.dump();
    auto* const out = ::gzopen((path_ / file).c_str(), "wb");
    ::gzwrite(out, text.data(), static_cast<unsigned>(text.size()));
    ::gzclose(out);
    manifest_["responses"].push_back(
        {{"endpoint", "/v2/bulk_hist/option/eod"},
         {"params", {{"root", "OWN"}, {"exp", 0}, {"start_date", first}, {"end_date", last}}},
         {"file", file}});
  }

  std::unique_ptr<Replay> open() {
    std::ofstream(path_ / "manifest.json") << manifest_.dump();
    return Replay::open(path_).value();
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
  Json manifest_{{"responses", Json::array()}};
};

Query own(Date first, Date last) {
  return query_of(Kind::option, Schema::eod, "OWN", first, last);
}

std::vector<std::tuple<std::uint32_t, std::uint32_t, std::int64_t>> closes(const Rows& rows) {
  std::vector<std::tuple<std::uint32_t, std::uint32_t, std::int64_t>> found;
  for (const auto& [contract, tick] : rows)
    found.emplace_back(contract.strike, tick.date, tick.close);
  return found;
}

TEST(ReplayTest, ServesADayOutOfAMonth) {
  Folder folder;
  folder.add_eod("month.gz", 20240301, 20240331,
                 {{5'000, 20240311, 1.25}, {5'000, 20240312, 1.0501}, {6'000, 20240311, 2}});
  const auto replay = folder.open();
  EXPECT_EQ(closes(read_rows(*replay, own(day(2024, 3, 12), day(2024, 3, 12)))),
            (std::vector{std::tuple(5'000U, 20240312U, std::int64_t{10'501})}));
  EXPECT_TRUE(read_rows(*replay, own(day(2024, 3, 13), day(2024, 3, 13))).empty());
}

TEST(ReplayTest, PutsAMonthTogetherOutOfItsDays) {
  Folder folder;
  folder.add_eod("b.gz", 20240312, 20240312, {{6'000, 20240312, 3}, {5'000, 20240312, 4}});
  folder.add_eod("a.gz", 20240311, 20240311, {{5'000, 20240311, 1}, {6'000, 20240311, 2}});
  folder.add_eod("c.gz", 20240401, 20240401, {{5'000, 20240401, 5}});
  const auto replay = folder.open();
  EXPECT_EQ(closes(read_rows(*replay, own(day(2024, 3, 1), day(2024, 3, 31)))),
            (std::vector{std::tuple(5'000U, 20240311U, std::int64_t{10'000}),
                         std::tuple(5'000U, 20240312U, std::int64_t{40'000}),
                         std::tuple(6'000U, 20240311U, std::int64_t{20'000}),
                         std::tuple(6'000U, 20240312U, std::int64_t{30'000})}));
}

TEST(ReplayTest, TellsADayOnceThatLiesInTwoFiles) {
  Folder folder;
  folder.add_eod("day.gz", 20240311, 20240311, {{5'000, 20240311, 1}});
  folder.add_eod("month.gz", 20240301, 20240331, {{5'000, 20240311, 1}, {5'000, 20240312, 2}});
  folder.add_eod("april.gz", 20240401, 20240430, {{5'000, 20240401, 3}});
  const auto replay = folder.open();
  EXPECT_EQ(read_rows(*replay, own(day(2024, 3, 1), day(2024, 4, 30))).size(), 3U);
  EXPECT_EQ(read_rows(*replay, own(day(2024, 3, 11), day(2024, 3, 12))).size(), 2U);
}

TEST(ReplayTest, HasNothingThatWasNotRecorded) {
  Folder folder;
  folder.add_eod("day.gz", 20240311, 20240311, {{5'000, 20240311, 1}});
  const auto replay = folder.open();
  EXPECT_TRUE(read_rows(*replay, query_of(Kind::option, Schema::eod, "OTHER", day(2024, 3, 11),
                                          day(2024, 3, 11)))
                  .empty());
  EXPECT_TRUE(read_rows(*replay, query_of(Kind::stock, Schema::eod, "OWN", day(2024, 3, 11),
                                          day(2024, 3, 11)))
                  .empty());
  EXPECT_TRUE(read_rows(*replay, query_of(Kind::option, Schema::quote, "OWN", day(2024, 3, 11),
                                          day(2024, 3, 11)))
                  .empty());
}

TEST(ReplayTest, SaysWhatIsWrongWithAFolder) {
  Folder folder;
  EXPECT_EQ(Replay::open(folder.path()).error().code, ErrorCode::invalid_request);
  std::ofstream(folder.path() / "manifest.json") << "{]";
  EXPECT_EQ(Replay::open(folder.path()).error().code, ErrorCode::invalid_request);
}

TEST(ReplayTest, SaysWhichFileIsBroken) {
  Folder folder;
  folder.add_eod("day.gz", 20240311, 20240311, {{5'000, 20240311, 1}});
  const auto replay = folder.open();
  std::ofstream(folder.path() / "day.gz") << "this is neither gzip nor JSON";
  const auto read = replay->read(own(day(2024, 3, 11), day(2024, 3, 11)), [](const auto&, auto) {});
  ASSERT_FALSE(read.has_value());
  EXPECT_EQ(read.error().code, ErrorCode::storage_failed);
  EXPECT_NE(read.error().message.find("day.gz"), std::string::npos);
}

// Every recorded answer, in every form, against what another program worked out from the raw
// source.
TEST(ReplayTest, EveryRecordedAnswerHasTheManifestsRows) {
  const fs::path folder = fs::path(BETEDGE_SHARED_DATA) / "replay";
  if (!fs::exists(folder / "manifest.json")) {
    if (std::getenv("CI") != nullptr) FAIL() << "missing: " << folder;
    GTEST_SKIP() << "missing: " << folder;
  }
  const auto replay = Replay::open(folder).value();
  const auto manifest = nlohmann::json::parse(std::ifstream(folder / "manifest.json"));
  EXPECT_EQ(replay->recordings(), manifest.at("responses").size());
  for (const auto& response : manifest.at("responses")) {
    const auto path = response.at("endpoint").get<std::string>();
    const auto kind = path.find("/option/") != std::string::npos ? Kind::option : Kind::stock;
    const auto schema = parse_schema(path.substr(path.rfind('/') + 1)).value();
    const auto& params = response.at("params");
    const auto query =
        query_of(kind, schema, params.at("root"), *from_yyyymmdd(params.at("start_date")),
                 *from_yyyymmdd(params.at("end_date")), params.value("ivl", 0U));
    std::unordered_map<std::string, std::int64_t> sums;
    std::set<Contract> contracts;
    const auto rows =
        replay->read(query, [&](const Contract& contract, std::span<const Tick> ticks) {
          contracts.insert(contract);
          for (const auto& tick : ticks) {
            sums["ms_of_day"] += tick.ms_of_day;
            sums["ms_of_day2"] += tick.ms_of_day2;
            sums["date"] += tick.date;
            sums["volume"] += tick.volume;
            sums["bid_size"] += tick.bid_size;
            sums["ask_size"] += tick.ask_size;
            sums["open_e4"] += tick.open;
            sums["high_e4"] += tick.high;
            sums["low_e4"] += tick.low;
            sums["close_e4"] += tick.close;
            sums["bid_e4"] += tick.bid;
            sums["ask_e4"] += tick.ask;
          }
        });
    const auto& expected = response.at("expected");
    ASSERT_EQ(*rows, expected.at("rows").get<std::size_t>()) << response.at("file");
    if (kind == Kind::option)
      EXPECT_EQ(contracts.size(), expected.at("contracts").get<std::size_t>());
    for (const auto& [column, figures] : expected.at("columns").items()) {
      if (sums.contains(column)) {
        EXPECT_EQ(sums[column], figures.at("sum").get<std::int64_t>())
            << response.at("file") << column;
      }
    }
    // The large ones are parsed back by the service tests; here the small ones in every form.
    if (*rows > 5'000) continue;
    const auto all = read_rows(*replay, query);
    for (const auto form : {Form::v3_csv, Form::v2_csv, Form::v2_json}) {
      const auto rendered = render(*replay, query, form, {}).value();
      const auto page = std::string(rendered.page(0));
      EXPECT_EQ(form == Form::v2_json ? parse_json(v2_json_header(kind, schema, "null") + page)
                                      : parse_csv(page, form == Form::v3_csv),
                all);
    }
  }
}

}  // namespace
}  // namespace betedge::sim
