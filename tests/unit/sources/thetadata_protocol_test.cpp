#include "betedge/sources/thetadata_protocol.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace betedge::sources {
namespace {

using namespace std::chrono_literals;

Date day(int year, unsigned month, unsigned number) {
  return std::chrono::year{year} / month / number;
}

Call call(Kind kind, Schema schema, DateRange dates, std::chrono::milliseconds interval = {},
          Window window = {}, std::string_view root = "AAPL") {
  return {kind, schema, *Symbol::parse(root), dates, interval, window, Role::primary};
}

const DateRange kOneDay{day(2024, 1, 5), day(2024, 1, 5)};
const DateRange kYear{day(2023, 1, 1), day(2023, 12, 31)};

Call of_one_expiration(Call one) {
  one.expiration = day(2024, 1, 19);
  return one;
}

struct TargetCase {
  std::string name;
  Call call;
  ThetaVersion version;
  V2Form form;
  std::string target;
};

class RequestTarget : public ::testing::TestWithParam<TargetCase> {};

TEST_P(RequestTarget, IsWhatTheTerminalDocuments) {
  EXPECT_EQ(request_target(GetParam().call, GetParam().version, GetParam().form),
            GetParam().target);
}

INSTANTIATE_TEST_SUITE_P(
    All, RequestTarget,
    ::testing::Values(
        TargetCase{"v3_option_quote", call(Kind::option, Schema::quote, kOneDay, 15min),
                   ThetaVersion::v3, V2Form::csv,
                   "/v3/option/history/quote?symbol=AAPL&expiration=*&date=20240105&interval=15m"
                   "&format=csv"},
        TargetCase{"v3_option_eod_is_always_a_range", call(Kind::option, Schema::eod, kOneDay),
                   ThetaVersion::v3, V2Form::csv,
                   "/v3/option/history/eod?symbol=AAPL&expiration=*&start_date=20240105"
                   "&end_date=20240105&format=csv"},
        TargetCase{"v3_stock_names_the_consolidated_tape",
                   call(Kind::stock, Schema::ohlc, kOneDay, 1min), ThetaVersion::v3, V2Form::csv,
                   "/v3/stock/history/ohlc?symbol=AAPL&date=20240105&interval=1m&venue=utp_cta"
                   "&format=csv"},
        TargetCase{"v3_stock_eod", call(Kind::stock, Schema::eod, kYear), ThetaVersion::v3,
                   V2Form::csv,
                   "/v3/stock/history/eod?symbol=AAPL&start_date=20230101&end_date=20231231"
                   "&format=csv"},
        TargetCase{"v3_window", call(Kind::option, Schema::quote, kOneDay, 1min, {10h, 11h + 1ms}),
                   ThetaVersion::v3, V2Form::csv,
                   "/v3/option/history/quote?symbol=AAPL&expiration=*&date=20240105&interval=1m"
                   "&start_time=10:00:00.000&end_time=11:00:00.001&format=csv"},
        TargetCase{"v3_index_symbol_is_escaped",
                   call(Kind::stock, Schema::eod, kOneDay, {}, {}, "^SPX"), ThetaVersion::v3,
                   V2Form::csv,
                   "/v3/stock/history/eod?symbol=%5ESPX&start_date=20240105&end_date=20240105"
                   "&format=csv"},
        TargetCase{"v3_one_expiration",
                   of_one_expiration(call(Kind::option, Schema::quote, kOneDay, 15min)),
                   ThetaVersion::v3, V2Form::csv,
                   "/v3/option/history/quote?symbol=AAPL&expiration=20240119&date=20240105"
                   "&interval=15m&format=csv"},
        TargetCase{"v3_stock_over_several_days", call(Kind::stock, Schema::ohlc, kYear, 1min),
                   ThetaVersion::v3, V2Form::csv,
                   "/v3/stock/history/ohlc?symbol=AAPL&start_date=20230101&end_date=20231231"
                   "&interval=1m&venue=utp_cta&format=csv"},
        TargetCase{"v2_one_expiration", of_one_expiration(call(Kind::option, Schema::eod, kOneDay)),
                   ThetaVersion::v2, V2Form::json,
                   "/v2/bulk_hist/option/eod?root=AAPL&exp=20240119&start_date=20240105"
                   "&end_date=20240105"},
        TargetCase{"v2_option_quote_csv", call(Kind::option, Schema::quote, kOneDay, 15min),
                   ThetaVersion::v2, V2Form::csv,
                   "/v2/bulk_hist/option/quote?root=AAPL&exp=0&start_date=20240105"
                   "&end_date=20240105&ivl=900000&use_csv=true"},
        TargetCase{"v2_option_eod_json", call(Kind::option, Schema::eod, kOneDay), ThetaVersion::v2,
                   V2Form::json,
                   "/v2/bulk_hist/option/eod?root=AAPL&exp=0&start_date=20240105"
                   "&end_date=20240105"},
        TargetCase{"v2_stock_quote", call(Kind::stock, Schema::quote, kOneDay, 90s),
                   ThetaVersion::v2, V2Form::csv,
                   "/v2/hist/stock/quote?root=AAPL&start_date=20240105&end_date=20240105"
                   "&ivl=90000&venue=utp_cta&use_csv=true"},
        TargetCase{"v2_window_inside_the_regular_hours",
                   call(Kind::option, Schema::ohlc, kOneDay, 1min, {10h, 11h}), ThetaVersion::v2,
                   V2Form::csv,
                   "/v2/bulk_hist/option/ohlc?root=AAPL&exp=0&start_date=20240105"
                   "&end_date=20240105&ivl=60000&start_time=36000000&end_time=39600000"
                   "&use_csv=true"},
        TargetCase{"v2_window_outside_the_regular_hours_says_so",
                   call(Kind::option, Schema::ohlc, kOneDay, 1min, {4h, std::nullopt}),
                   ThetaVersion::v2, V2Form::csv,
                   "/v2/bulk_hist/option/ohlc?root=AAPL&exp=0&start_date=20240105"
                   "&end_date=20240105&ivl=60000&start_time=14400000&rth=false&use_csv=true"}),
    [](const auto& tested) { return tested.param.name; });

TEST(Expirations, AreAskedForByTheRoot) {
  EXPECT_EQ(expirations_target(*Symbol::parse("^SPX"), ThetaVersion::v3),
            "/v3/option/list/expirations?symbol=%5ESPX&format=csv");
  EXPECT_EQ(expirations_target(*Symbol::parse("AAPL"), ThetaVersion::v2),
            "/v2/list/expirations?root=AAPL");
}

TEST(Expirations, OfV3AreDaysInWhateverForm) {
  const auto found = expirations_of(
      "symbol,expiration\r\nAAPL,2024-01-19\r\n\"AAPL\",\"2024-01-12\"\r\n,\r\nAAPL,20240119\r\n",
      ThetaVersion::v3);
  ASSERT_TRUE(found.has_value()) << found.error().message;
  EXPECT_THAT(*found, ::testing::ElementsAre(day(2024, 1, 12), day(2024, 1, 19)));
  EXPECT_THAT(*expirations_of("symbol,expiration\n", ThetaVersion::v3), ::testing::IsEmpty());
}

TEST(Expirations, OfV2AreNumbers) {
  const auto found = expirations_of(R"({"header":{"format":null},"response":[20240119,20240112]})",
                                    ThetaVersion::v2);
  ASSERT_TRUE(found.has_value()) << found.error().message;
  EXPECT_THAT(*found, ::testing::ElementsAre(day(2024, 1, 12), day(2024, 1, 19)));
}

TEST(Expirations, AreGarbledWhereTheyAreNone) {
  for (const auto* body : {"", "<html>Bad day</html>", "symbol,strike\nAAPL,100.0\n",
                           "symbol,expiration\nAAPL,2024-02-30\n"})
    EXPECT_EQ(expirations_of(body, ThetaVersion::v3).error().code, ErrorCode::upstream_garbled)
        << body;
  for (const auto* body :
       {"", "<html>", "{}", R"({"response":{}})", R"({"response":["2024-01-19"]})",
        R"({"response":[20240230]})", R"({"response":[-1]})"})
    EXPECT_EQ(expirations_of(body, ThetaVersion::v2).error().code, ErrorCode::upstream_garbled)
        << body;
}

TEST(V3Interval, ServesTheVendorsListOnly) {
  EXPECT_EQ(v3_interval(1min), "1m");
  EXPECT_EQ(v3_interval(15min), "15m");
  EXPECT_EQ(v3_interval(1h), "1h");
  EXPECT_EQ(v3_interval(90s), std::nullopt);
  EXPECT_EQ(v3_interval(2h), std::nullopt);
  EXPECT_EQ(v3_interval(0ms), std::nullopt);
}

struct MeaningCase {
  int status;
  ErrorCode code;
};

class Meaning : public ::testing::TestWithParam<MeaningCase> {};

TEST_P(Meaning, OfAStatusIsTheVendorsTable) {
  const auto meaning = meaning_of(GetParam().status, "Some words.\nand more", "");
  ASSERT_TRUE(std::holds_alternative<Error>(meaning));
  EXPECT_EQ(std::get<Error>(meaning).code, GetParam().code);
  EXPECT_THAT(std::get<Error>(meaning).message, ::testing::EndsWith(": Some words."));
  EXPECT_THAT(std::get<Error>(meaning).message,
              ::testing::StartsWith("HTTP " + std::to_string(GetParam().status)));
}

INSTANTIATE_TEST_SUITE_P(All, Meaning,
                         ::testing::Values(MeaningCase{400, ErrorCode::upstream_refused},
                                           MeaningCase{403, ErrorCode::upstream_denied},
                                           MeaningCase{404, ErrorCode::upstream_refused},
                                           MeaningCase{410, ErrorCode::upstream_refused},
                                           MeaningCase{418, ErrorCode::upstream_refused},
                                           MeaningCase{429, ErrorCode::upstream_throttled},
                                           MeaningCase{470, ErrorCode::upstream_failed},
                                           MeaningCase{471, ErrorCode::upstream_denied},
                                           MeaningCase{473, ErrorCode::upstream_refused},
                                           MeaningCase{474, ErrorCode::upstream_unavailable},
                                           MeaningCase{475, ErrorCode::upstream_refused},
                                           MeaningCase{476, ErrorCode::upstream_unavailable},
                                           MeaningCase{477, ErrorCode::upstream_failed},
                                           MeaningCase{478, ErrorCode::upstream_unavailable},
                                           MeaningCase{500, ErrorCode::upstream_failed},
                                           MeaningCase{503, ErrorCode::upstream_failed},
                                           MeaningCase{570, ErrorCode::upstream_too_large},
                                           MeaningCase{571, ErrorCode::upstream_unavailable},
                                           MeaningCase{572, ErrorCode::upstream_failed},
                                           MeaningCase{599, ErrorCode::upstream_failed}),
                         [](const auto& tested) { return std::to_string(tested.param.status); });

TEST(Meaning, NoDataIsKnownByItsCodeWhateverTheText) {
  for (const auto* text : {":No data for the specified timeframe & contract.",
                           "No data found for your request", "", "anything"}) {
    EXPECT_TRUE(std::holds_alternative<NoData>(meaning_of(472, text, "")));
  }
}

TEST(Meaning, RetryAfterIsHonouredUpToTwoMinutesAndOnlyWhenItIsANumber) {
  const auto waits = [](std::string_view header) {
    return std::get<Error>(meaning_of(429, "", header)).retry_after;
  };
  EXPECT_EQ(waits("7"), 7s);
  EXPECT_EQ(waits("86400"), 120s);
  EXPECT_EQ(waits(""), 0ms);
  EXPECT_EQ(waits("-5"), 0ms);
  EXPECT_EQ(waits("soon"), 0ms);
  EXPECT_EQ(std::get<Error>(meaning_of(503, "", "7")).retry_after, 7s) << "not 429 alone";
}

TEST(Meaning, ControlCharactersOfTheTerminalDoNotReachTheLog) {
  const auto meaning = meaning_of(500, "a\x1b[31m\tb", "");
  EXPECT_THAT(std::get<Error>(meaning).message, ::testing::EndsWith(": a [31m b"));
}

// What a tired operator reads at night.
TEST(Meaning, SaysWhatToDoOrThatItPasses) {
  const auto says = [](int status) {
    return std::get<Error>(meaning_of(status, "Some words.", "")).message;
  };
  EXPECT_EQ(says(474),
            "HTTP 474 the terminal has lost its connection to ThetaData and tries to get it back: "
            "Some words.");
  EXPECT_EQ(says(476),
            "HTTP 476 the terminal was first used from another address and serves only that one: "
            "restart it, and let everybody call it as 127.0.0.1, literally (THETA_BASE_URL): "
            "Some words.");
  EXPECT_EQ(says(478),
            "HTTP 478 another terminal has logged in with this account: stop that one, or restart "
            "this one: Some words.");
  EXPECT_EQ(says(571), "HTTP 571 the terminal is starting: Some words.");
}

struct NotReadyCase {
  std::string name;
  int status;
  std::string body;
  std::string why;
};
class NotReady : public ::testing::TestWithParam<NotReadyCase> {};

TEST_P(NotReady, SaysWhy) {
  EXPECT_THAT(why_not_ready(GetParam().status, GetParam().body),
              ::testing::HasSubstr(GetParam().why));
}

INSTANTIATE_TEST_SUITE_P(
    All, NotReady,
    ::testing::Values(
        NotReadyCase{"kicked", 200, "UNVERIFIED", "another terminal has logged in"},
        NotReadyCase{"lost", 200, "DISCONNECTED", "has lost its connection to ThetaData"},
        NotReadyCase{"error", 200, "ERROR", "its own log has the reason"},
        NotReadyCase{"something_else", 200, "<html>", "'<html>'"},
        NotReadyCase{"starting", 571, ":The server is starting.", "the terminal is starting"},
        NotReadyCase{"wrong_address", 476, "", "127.0.0.1, literally"},
        NotReadyCase{"busy", 429, "", "too many requests"},
        NotReadyCase{"no_data", 472, "", "HTTP 472"}),
    [](const auto& tested) { return tested.param.name; });

TEST(PageTarget, KeepsThePathAndForgetsTheHost) {
  EXPECT_EQ(page_target("http://127.0.0.1:25510/v2/page/17").value(), "/v2/page/17");
  EXPECT_EQ(page_target("http://elsewhere.example/v2/page/1?x=1").value(), "/v2/page/1?x=1");
  EXPECT_EQ(page_target("/v2/page/2").value(), "/v2/page/2");
}

TEST(PageTarget, TheStringNullEmptyAndMissingMeanTheLastPage) {
  EXPECT_EQ(page_target("null").value(), std::nullopt);
  EXPECT_EQ(page_target("").value(), std::nullopt);
  EXPECT_EQ(page_target(std::nullopt).value(), std::nullopt);
}

TEST(PageTarget, RefusesWhatIsNoPage) {
  for (const auto* text : {"http://127.0.0.1/v2/system/terminal/shutdown", "http://host", "x",
                           "/v2/page/1 HTTP/1.1", "/v2/page/1\r\nHost: x"}) {
    ASSERT_FALSE(page_target(text).has_value()) << text;
    EXPECT_EQ(page_target(text).error().code, ErrorCode::upstream_garbled);
  }
}

TEST(NextPageOfJson, IsFoundWhereverTheBytesAreCut) {
  const std::string document =
      R"({"header":{"id":1,"next_page":"http://127.0.0.1:25510/v2/page/3","format":["date"]},"response":[]})";
  bool seen = false;
  for (std::size_t size = 0; size <= document.size(); ++size) {
    const auto found = next_page_of_json(document.substr(0, size));
    ASSERT_TRUE(found.has_value());
    if (seen) EXPECT_TRUE(found->has_value());
    if (!found->has_value()) continue;
    seen = true;
    EXPECT_EQ(**found, "http://127.0.0.1:25510/v2/page/3");
  }
  EXPECT_TRUE(seen);
}

TEST(NextPageOfJson, NullInEachOfItsFormsIsTheLastPage) {
  for (const auto* header : {R"("next_page":"null")", R"("next_page":null)", R"("id":1)"}) {
    const auto found = next_page_of_json(R"({"header":{)" + std::string(header) + "},");
    ASSERT_TRUE(found.has_value() && found->has_value()) << header;
    EXPECT_EQ(page_target(**found).value(), std::nullopt) << header;
  }
}

TEST(NextPageOfJson, ADocumentWithoutAHeaderIsGarbled) {
  EXPECT_FALSE(next_page_of_json(std::string(65 << 10, ' ')).has_value());
  EXPECT_FALSE(next_page_of_json(R"({"header":{nonsense}})").has_value());
}

TEST(BaseOf, AcceptsTheUrlWithOrWithoutItsVersion) {
  for (const auto* url : {"http://host:25510", "http://host:25510/", "http://host:25510/v2",
                          "http://host:25510/v3/", "http://host:25510//v2//"}) {
    EXPECT_EQ(base_of(url), "http://host:25510") << url;
  }
}

}  // namespace
}  // namespace betedge::sources
