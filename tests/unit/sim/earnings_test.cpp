#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "betedge/columnar/earnings.hpp"
#include "betedge/core/calendar.hpp"
#include "betedge/net/asio_runtime.hpp"
#include "betedge/net/http_client.hpp"
#include "betedge/net/limiter.hpp"
#include "betedge/sim/earnings_calendar.hpp"
#include "betedge/sim/simulator.hpp"
#include "betedge/sources/nasdaq.hpp"
#include "unit/sim/rows.hpp"

namespace betedge::sim {
namespace {

using Json = nlohmann::json;
using columnar::EarningsDay;
using columnar::parse_earnings_day;
using std::chrono::days;
using ::testing::HasSubstr;

Json rows_of(const std::string& body) {
  return Json::parse(body).at("data").at("rows");
}

std::size_t count_of(Date day, std::uint64_t seed = 1) {
  return rows_of(earnings_body(seed, day, day + days{1}, EarningsShape::plain)).size();
}

// The number that a text of the wire shows, by another way than the decoder's.
std::optional<double> number_in(std::string text) {
  if (text.empty() || text == "N/A") return std::nullopt;
  const bool is_negative = text.starts_with('(');
  std::erase_if(text, [](char c) { return c == '$' || c == ',' || c == '(' || c == ')'; });
  return std::strtod(text.c_str(), nullptr) * (is_negative ? -1 : 1);
}

template <class Value>
std::optional<double> as_double(const std::optional<Value>& value) {
  return value ? std::optional(static_cast<double>(*value)) : std::nullopt;
}

TEST(EarningsCalendar, EveryRowItCanMakeIsReadAsItIs) {
  std::size_t rows = 0;
  for (const std::uint64_t seed : {1, 2}) {
    const auto today = day(2024, 4, 1);
    for (Date date = day(2023, 10, 1); date < day(2024, 7, 1); date += days{1}) {
      const auto body = earnings_body(seed, date, today, EarningsShape::plain);
      const auto read = parse_earnings_day(date, body);
      ASSERT_TRUE(read.has_value()) << read.error().message;
      const auto wire = rows_of(body);
      ASSERT_EQ(read->rows.size(), wire.size());
      ASSERT_EQ(read->repeated_rows + read->conflicting_rows, 0) << to_iso_text(date);
      for (std::size_t i = 0; i < wire.size(); ++i) {
        const auto& row = read->rows[i];
        const auto text = [&](const char* name) { return wire[i].value(name, std::string()); };
        EXPECT_EQ(row.symbol, text("symbol"));
        EXPECT_EQ(as_double(row.eps), number_in(text("eps")));
        EXPECT_EQ(as_double(row.eps_forecast), number_in(text("epsForecast")));
        EXPECT_EQ(as_double(row.surprise_pct), number_in(text("surprise")));
        EXPECT_EQ(as_double(row.market_cap), number_in(text("marketCap")));
        EXPECT_EQ(as_double(row.num_estimates), number_in(text("noOfEsts")));
        EXPECT_EQ(as_double(row.last_year_eps), number_in(text("lastYearEPS")));
        EXPECT_EQ(row.last_year_report_date.has_value(),
                  date >= today && text("lastYearRptDt") != "N/A");
        EXPECT_EQ(row.time.value_or("time-not-supplied"), text("time"));
      }
      rows += wire.size();
    }
  }
  EXPECT_GT(rows, 15'000);
}

TEST(EarningsCalendar, HasSeasonsAndNoReportsWhereTheExchangeIsClosed) {
  std::size_t least = 1'000, most = 0;
  for (Date date = day(2024, 1, 1); date <= day(2024, 12, 31); date += days{1}) {
    const auto count = count_of(date);
    if (!is_session(date)) {
      EXPECT_EQ(count, 0) << to_iso_text(date);
      continue;
    }
    least = std::min(least, count);
    most = std::max(most, count);
  }
  EXPECT_EQ(least, 20);
  EXPECT_GT(most, 200);
  EXPECT_LE(most, 300);
  EXPECT_GT(count_of(day(2024, 5, 2)), 4 * count_of(day(2024, 6, 20)));
}

TEST(EarningsCalendar, IsAFunctionOfSeedDayAndToday) {
  const auto date = day(2024, 5, 2);
  const auto body = [&](std::uint64_t seed, Date today) {
    return earnings_body(seed, date, today, EarningsShape::plain);
  };
  EXPECT_EQ(body(1, date + days{1}), body(1, date + days{90}));
  EXPECT_NE(body(1, date + days{1}), body(2, date + days{1}));
  EXPECT_NE(body(1, date + days{1}), body(1, date));
  EXPECT_TRUE(rows_of(body(1, date + days{1}))[0].contains("surprise"));
  EXPECT_TRUE(rows_of(body(1, date))[0].contains("lastYearRptDt"));  // today is not over
}

TEST(EarningsCalendar, HasWhatTheRealOneHas) {
  std::size_t class_shares = 0, negative = 0, nothing = 0, no_cap = 0, blanks = 0, whole = 0;
  for (Date date = day(2024, 4, 1); date < day(2024, 6, 1); date += days{1}) {
    for (const auto& row : rows_of(earnings_body(1, date, day(2025, 1, 1), EarningsShape::plain))) {
      const auto eps = row.at("eps").get<std::string>();
      class_shares += row.at("symbol").get<std::string>().contains('.');
      negative += eps.starts_with("($");
      nothing += eps == "N/A";
      whole += eps.starts_with('$') && !eps.contains('.');
      no_cap += row.at("marketCap") == "";
      blanks += row.at("name").get<std::string>().ends_with(' ');
    }
  }
  for (const auto count : {class_shares, negative, nothing, no_cap, blanks, whole})
    EXPECT_GT(count, 3);
}

TEST(EarningsCalendar, ItsFaultsAreWhatTheySay) {
  const auto date = day(2024, 5, 2);
  const auto shaped = [&](EarningsShape shape) {
    return earnings_body(1, date, date + days{1}, shape);
  };
  const auto count = count_of(date);
  EXPECT_EQ(parse_earnings_day(date, shaped(EarningsShape::half))->rows.size(), count / 2);
  EXPECT_EQ(parse_earnings_day(date, shaped(EarningsShape::columns))->rows.size(), count);
  EXPECT_EQ(parse_earnings_day(date, shaped(EarningsShape::no_rows))->rows.size(), 0);
  EXPECT_EQ(parse_earnings_day(date, shaped(EarningsShape::no_data))->rows.size(), 0);
  EXPECT_EQ(parse_earnings_day(date, shaped(EarningsShape::twins))->repeated_rows, count);
  EXPECT_EQ(parse_earnings_day(date, shaped(EarningsShape::doubled))->conflicting_rows, count);
  const auto renamed = parse_earnings_day(date, shaped(EarningsShape::wrong_header));
  ASSERT_FALSE(renamed.has_value());
  EXPECT_THAT(renamed.error().message, HasSubstr("epsForecast"));
}

// --- Over a socket, through the source that the server has

struct World {
  net::AsioRuntime& runtime;
  net::HttpClient& client;
  Simulator& sim;
  net::Limiter limiter;
  std::unique_ptr<Source> source;
};

struct Got {
  std::optional<Error> error;
  std::string body;
};

Task<Got> ask(World& world, Date date) {
  Call call{.kind = Kind::earnings,
            .schema = Schema::eod,
            .root = {},
            .dates = {date, date},
            .interval = {},
            .window = {},
            .role = Role::primary};
  Got got;
  auto opened = co_await world.source->open(std::move(call), {});
  if (!opened) {
    got.error = opened.error();
    co_return got;
  }
  auto answer = *std::move(*opened);
  while (true) {
    auto next = co_await answer->next();
    if (!next) got.error = next.error();
    if (!next || !*next) break;
    got.body += as_text((**next).bytes);
  }
  co_return got;
}

using Play = Task<void> (*)(World&);

Task<void> play_in(World& world, Play play) {
  co_await play(world);
  co_await world.sim.stop();
}

void play(SimOptions options, Play what) {
  options.v3_port = options.v2_port = 0;
  options.control_port = 0;
  net::AsioRuntime runtime(2, 2);
  auto client = net::make_http_client(runtime);
  ASSERT_TRUE(client);
  auto sim = Simulator::open(runtime, std::move(options));
  ASSERT_TRUE(sim) << sim.error().message;
  World world{runtime, **client, **sim, net::Limiter(runtime, 1), nullptr};
  world.source = sources::make_nasdaq_source(
      runtime, world.client, world.limiter,
      {.base_url = fmt::format("http://127.0.0.1:{}", (*sim)->v3_port()),
       .pace = std::chrono::milliseconds{0}});
  runtime.run(play_in(world, what));
}

SimOptions with_faults(std::initializer_list<std::string_view> faults) {
  SimOptions options;
  options.today = day(2024, 7, 1);
  for (const auto fault : faults) EXPECT_TRUE(set(options, "fault", fault));
  return options;
}

Task<void> serves_a_day(World& world) {
  const auto date = day(2024, 5, 2);
  const auto got = co_await ask(world, date);
  EXPECT_FALSE(got.error) << got.error->message;
  EXPECT_EQ(got.body, earnings_body(1, date, day(2024, 7, 1), EarningsShape::plain));
  const auto to_come = co_await ask(world, day(2024, 7, 1));
  EXPECT_THAT(to_come.body, HasSubstr("lastYearEPS"));
  const auto stats = Json::parse(world.sim.stats());
  EXPECT_EQ(stats.at("outcomes").at("200"), 2);
  EXPECT_EQ(stats.at("by_call").at("/api/calendar/earnings?date=2024-05-02").at("calls"), 1);
  EXPECT_EQ(stats.at("max_in_service"), 0);  // the account's limit is not for it
  // It came packed: fewer bytes than the body has.
  EXPECT_LT(stats.at("body_bytes").get<std::size_t>(), got.body.size());
}
TEST(EarningsOverHttp, ServesADayToASourceThatLooksLikeABrowser) {
  play(with_faults({}), serves_a_day);
}

Task<void> refuses_libraries(World& world) {
  net::HttpRequest request;
  for (const auto port : {world.sim.v3_port(), world.sim.v2_port(), *world.sim.control_port()}) {
    request.url = fmt::format("http://127.0.0.1:{}/api/calendar/earnings?date=2024-05-02", port);
    request.headers = {{"User-Agent", "python-requests/2.32"}};
    auto sent = co_await world.client.send(request, {});
    EXPECT_EQ((*sent)->status(), 403);
    auto body = co_await net::read_all(*std::move(sent), 1 << 20);
    EXPECT_THAT(*body, HasSubstr("Access Denied"));
    request.headers = {{"User-Agent", "Mozilla/5.0"}};
    sent = co_await world.client.send(request, {});
    EXPECT_EQ((*sent)->status(), 200);
    body = co_await net::read_all(*std::move(sent), 1 << 20);
    EXPECT_TRUE(Json::accept(*body));
    for (const auto* const date : {"20240502", "2024-5-2", "2024-02-30", ""}) {
      request.url = fmt::format("http://127.0.0.1:{}/api/calendar/earnings?date={}", port, date);
      sent = co_await world.client.send(request, {});
      EXPECT_EQ((*sent)->status(), 400) << date;
    }
  }
}
TEST(EarningsOverHttp, LetsInBrowsersAndADayAsItIsWritten) {
  play(with_faults({}), refuses_libraries);
}

Task<void> has_bad_days(World& world) {
  struct Case {
    Date date;
    ErrorCode code;
    std::string_view says;
  };
  const auto date = [](unsigned number) { return day(2024, 5, number); };
  for (const auto& tested : {
           Case{date(1), ErrorCode::upstream_failed, "403"},
           Case{date(2), ErrorCode::upstream_throttled, "429"},
           Case{date(3), ErrorCode::upstream_failed, "503"},
           Case{date(6), ErrorCode::upstream_failed, ""},  // the connection broke, or was closed
           Case{date(7), ErrorCode::upstream_failed, ""},
           Case{date(8), ErrorCode::upstream_failed, ""},
           Case{date(9), ErrorCode::upstream_garbled, "empty"},
       }) {
    const auto got = co_await ask(world, tested.date);
    EXPECT_TRUE(got.error) << to_iso_text(tested.date);
    if (!got.error) continue;
    EXPECT_EQ(got.error->code, tested.code) << got.error->message;
    EXPECT_THAT(got.error->message, HasSubstr(std::string(tested.says)));
    EXPECT_THAT(got.error->message, HasSubstr(to_iso_text(tested.date)));
    if (tested.code == ErrorCode::upstream_throttled)
      EXPECT_EQ(got.error->retry_after, std::chrono::seconds{3});
    // Each has its fault once.
    const auto again = co_await ask(world, tested.date);
    EXPECT_FALSE(again.error) << again.error->message;
  }
  for (const auto number : {10U, 13U, 14U}) {  // 200, and what is no calendar
    const auto got = co_await ask(world, date(number));
    EXPECT_FALSE(got.error) << got.error->message;
    const auto read = parse_earnings_day(date(number), got.body);
    EXPECT_FALSE(read.has_value()) << number;
  }
  const auto slow = co_await ask(world, date(15));
  EXPECT_EQ(slow.body, earnings_body(1, date(15), day(2024, 7, 1), EarningsShape::plain));
}
TEST(EarningsOverHttp, HasTheTerminalsBadDays) {
  play(
      with_faults({"403@date=20240501,first=1", "429=3@date=20240502,first=1",
                   // libcurl sends again by itself when a kept connection closes without an answer.
                   "503@date=20240503,first=1", "drop@date=20240506,first=2",
                   "reset=1KB@date=20240507,first=1", "short@date=20240508,first=1",
                   "empty@date=20240509,first=1", "html@date=20240510", "cut-row@date=20240513",
                   "wrong-header@kind=earnings,date=20240514", "slow=1MB@date=20240515",
                   "571@kind=stock", "571@api=v3", "571@api=v2"}),
      has_bad_days);
}

// --- Recorded days

class Folder {
 public:
  Folder() : path_(std::filesystem::temp_directory_path() / "betedge_earnings_XXXXXX") {
    auto name = path_.string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no folder");
    path_ = name;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path_); }
  void put(const std::string& name, const std::string& text) const {
    std::ofstream(path_ / name, std::ios::binary) << text;
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

TEST(EarningsReplay, ServesTheDaysOfAFolder) {
  const Folder folder;
  folder.put("2024-07-01.json", "{\"of\":\"that day\"}");
  folder.put("2024-13-01.json", "no day");
  folder.put("20240702.json", "not so named");
  folder.put("index.json", "{}");
  const auto replay = EarningsReplay::open(folder.path());
  ASSERT_TRUE(replay.has_value()) << replay.error().message;
  ASSERT_NE((*replay)->body(day(2024, 7, 1)), nullptr);
  EXPECT_EQ(*(*replay)->body(day(2024, 7, 1)), "{\"of\":\"that day\"}");
  EXPECT_EQ((*replay)->body(day(2024, 7, 2)), nullptr);
}

TEST(EarningsReplay, RefusesAFolderWithoutDays) {
  const Folder folder;
  folder.put("index.json", "{}");
  for (const auto& path : {folder.path(), folder.path() / "none"}) {
    const auto replay = EarningsReplay::open(path);
    ASSERT_FALSE(replay.has_value());
    EXPECT_EQ(replay.error().code, ErrorCode::invalid_request);
    EXPECT_THAT(replay.error().message, HasSubstr(path.string()));
  }
}

Task<void> replays(World& world) {
  EXPECT_EQ((co_await ask(world, day(2024, 5, 2))).body, "{\"of\":\"that day\"}");
  const auto other = co_await ask(world, day(2024, 5, 3));
  const auto read = parse_earnings_day(day(2024, 5, 3), other.body);
  EXPECT_TRUE(read.has_value());
  EXPECT_EQ(read->rows.size(), 0);
}
Task<void> falls_back(World& world) {
  EXPECT_EQ((co_await ask(world, day(2024, 5, 2))).body, "{\"of\":\"that day\"}");
  EXPECT_EQ((co_await ask(world, day(2024, 5, 3))).body,
            earnings_body(1, day(2024, 5, 3), day(2024, 7, 1), EarningsShape::plain));
}
TEST(EarningsReplay, IsServedAndFallsBackWhenAsked) {
  const Folder folder;
  folder.put("2024-05-02.json", "{\"of\":\"that day\"}");
  auto options = with_faults({});
  ASSERT_TRUE(set(options, "earnings-replay", folder.path().string()));
  play(options, replays);
  ASSERT_TRUE(set(options, "replay-fallback", "on"));
  play(options, falls_back);
}

}  // namespace
}  // namespace betedge::sim
