#include "betedge/sim/protocol.hpp"

#include <gtest/gtest.h>

#include "unit/sim/rows.hpp"

namespace betedge::sim {
namespace {

Parameters parameters(std::string_view query) {
  Parameters found;
  while (!query.empty()) {
    const auto end = std::min(query.find('&'), query.size());
    const auto one = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    const auto equals = one.find('=');
    found.emplace_back(one.substr(0, equals), one.substr(equals + 1));
  }
  return found;
}

ParsedCall v3(std::string_view path, std::string_view query, ProtocolOptions options = {}) {
  return parse_v3(path, parameters(query), options);
}
ParsedCall v2(std::string_view path, std::string_view query, ProtocolOptions options = {}) {
  return parse_v2(path, parameters(query), options);
}

constexpr auto kV3Quote = "/v3/option/history/quote";
constexpr auto kV2Quote = "/v2/bulk_hist/option/quote";

TEST(ProtocolTest, BothProtocolsAskForTheSame) {
  const auto three = std::get<DataCall>(v3(kV3Quote,
                                           "symbol=AAPL&expiration=*&date=20240312&interval=15m&"
                                           "start_time=10:00:00&end_time=11:00:00.000&format=csv"));
  const auto two =
      std::get<DataCall>(v2(kV2Quote,
                            "root=AAPL&exp=0&start_date=20240312&end_date=20240312&ivl=900000&"
                            "start_time=36000000&end_time=39600000&use_csv=true"));
  EXPECT_EQ(three.query.key(), two.query.key());
  EXPECT_EQ(three.form, Form::v3_csv);
  EXPECT_EQ(two.form, Form::v2_csv);
  EXPECT_EQ(three.query.first_ms, 36'000'000U);

  const auto stock3 = std::get<DataCall>(
      v3("/v3/stock/history/eod", "symbol=IBM&start_date=2024-01-01&end_date=20241230"));
  const auto stock2 = std::get<DataCall>(
      v2("/v2/hist/stock/eod", "root=IBM&start_date=20240101&end_date=20241230"));
  EXPECT_EQ(stock3.query.key(), stock2.query.key());
  EXPECT_EQ(stock2.form, Form::v2_json);
}

TEST(ProtocolTest, FiltersOfAChainAreRead) {
  const auto call = std::get<DataCall>(v3("/v3/option/history/eod",
                                          "symbol=AAPL&expiration=2024-04-19&strike=172.5&right="
                                          "put&max_dte=40&start_date=20240301&end_date=20240331"));
  EXPECT_EQ(call.query.expiration, 20240419U);
  EXPECT_EQ(call.query.strike, 172'500U);
  EXPECT_EQ(call.query.right, 'P');
  EXPECT_EQ(call.query.max_days_to_expiration, 40U);
}

struct RefusedCase {
  std::string_view path;
  std::string_view query;
  int status;
  std::string_view says;
};

TEST(ProtocolTest, V3RefusesAsTheTerminalDoes) {
  for (const auto& tested : {
           RefusedCase{kV3Quote, "symbol=AAPL&expiration=*&date=20240312&interval=60000", 400,
                       "Invalid interval 60000"},
           RefusedCase{kV3Quote, "symbol=AAPL&expiration=*&date=20240312&interval=1min", 400,
                       "Invalid interval"},
           RefusedCase{kV3Quote, "symbol=AAPL&expiration=*&date=20240312", 400, "not simulated"},
           RefusedCase{kV3Quote, "expiration=*&date=20240312&interval=1m", 400, "symbol"},
           RefusedCase{kV3Quote, "symbol=AAPL&date=20240312&interval=1m", 400, "expiration"},
           RefusedCase{kV3Quote, "symbol=AAPL&expiration=*&interval=1m", 400, "start_date"},
           RefusedCase{kV3Quote, "symbol=AAPL&expiration=*&date=20240231&interval=1m", 400,
                       "Invalid date"},
           RefusedCase{kV3Quote, "symbol=AAPL&expiration=soon&date=20240312&interval=1m", 400,
                       "Invalid expiration"},
           RefusedCase{kV3Quote, "symbol=aapl&expiration=*&date=20240312&interval=1m", 400,
                       "Invalid symbol"},
           RefusedCase{kV3Quote,
                       "symbol=AAPL&expiration=*&date=20240312&interval=1m&start_time=10:00", 400,
                       "start_time"},
           RefusedCase{kV3Quote, "symbol=AAPL&expiration=*&date=20240312&interval=1m&right=up", 400,
                       "Invalid right"},
           RefusedCase{kV3Quote, "symbol=AAPL&expiration=*&date=20240312&interval=1m&format=xml",
                       400, "Invalid format"},
           RefusedCase{kV3Quote, "symbol=AAPL&expiration=*&date=20240312&interval=1m&format=json",
                       400, "not simulated"},
           RefusedCase{kV3Quote,
                       "symbol=AAPL&expiration=*&start_date=20240311&end_date=20240312&interval=1m",
                       400, "day by day"},
           RefusedCase{"/v3/option/history/eod",
                       "symbol=AAPL&expiration=*&start_date=20240301&end_date=20240331", 400,
                       "day by day"},
           RefusedCase{"/v3/stock/history/eod", "symbol=AAPL&start_date=20240102&end_date=20240101",
                       400, "before"},
           RefusedCase{"/v3/stock/history/eod", "symbol=AAPL&start_date=20240101&end_date=20241231",
                       500, "365"},
           RefusedCase{"/v3/stock/history/quote",
                       "symbol=AAPL&start_date=20240101&end_date=20240301&interval=1h", 400,
                       "month"},
           RefusedCase{"/v3/option/history/greeks", "symbol=AAPL", 404, "<html>"},
           RefusedCase{"/v3/nonsense", "", 404, "<html>"},
           RefusedCase{kV2Quote, "root=AAPL&exp=0", 410, "We have upgraded to API v3."},
           RefusedCase{"/v3/option/list/strikes", "symbol=AAPL&exp=20240419", 410,
                       "Deprecated query parameters:\n\texp -> expiration\nConsult API v3"},
       }) {
    const auto parsed = v3(tested.path, tested.query);
    ASSERT_TRUE(std::holds_alternative<Refusal>(parsed)) << tested.query;
    const auto& refusal = std::get<Refusal>(parsed);
    EXPECT_EQ(refusal.status, tested.status) << tested.path << '?' << tested.query;
    EXPECT_NE(refusal.body.find(tested.says), std::string::npos) << refusal.body;
  }
}

TEST(ProtocolTest, V2RefusesAsTheTerminalDoes) {
  for (const auto& tested : {
           RefusedCase{kV2Quote, "exp=0&start_date=20240312&end_date=20240312&ivl=60000", 473,
                       ":Missing required parameter: root"},
           RefusedCase{kV2Quote, "root=AAPL&start_date=20240312&end_date=20240312&ivl=60000", 473,
                       "exp"},
           RefusedCase{kV2Quote,
                       "root=AAPL&exp=0&start_date=2024-03-12&end_date=20240312&ivl=60000", 473,
                       "start_date"},
           RefusedCase{kV2Quote, "root=AAPL&exp=0&start_date=20240312&end_date=20240312&ivl=1m",
                       473, "Invalid ivl"},
           RefusedCase{kV2Quote, "root=AAPL&exp=0&start_date=20240312&end_date=20240312&ivl=1000",
                       473, "not simulated"},
           RefusedCase{kV2Quote,
                       "root=AAPL&exp=0&start_date=20240312&end_date=20240312&ivl=60000&use_csv=1",
                       473, "use_csv"},
           RefusedCase{kV2Quote, "root=AAPL&exp=0&start_date=20240311&end_date=20240312&ivl=60000",
                       473, "day by day"},
           RefusedCase{"/v2/hist/stock/quote",
                       "root=AAPL&start_date=20240101&end_date=20240312&ivl=60000", 570, "large"},
           RefusedCase{"/v2/hist/option/greeks", "root=AAPL", 404, "not implemented"},
           RefusedCase{kV3Quote, "symbol=AAPL", 404, "not implemented"},
           RefusedCase{"/v2/page/next", "", 404, "not implemented"},
       }) {
    const auto parsed = v2(tested.path, tested.query);
    ASSERT_TRUE(std::holds_alternative<Refusal>(parsed)) << tested.query;
    const auto& refusal = std::get<Refusal>(parsed);
    EXPECT_EQ(refusal.status, tested.status) << tested.path << '?' << tested.query;
    EXPECT_NE(refusal.body.find(tested.says), std::string::npos) << refusal.body;
  }
}

TEST(ProtocolTest, UnknownParametersAreIgnored) {
  EXPECT_TRUE(std::holds_alternative<DataCall>(
      v3(kV3Quote, "symbol=AAPL&expiration=*&date=20240312&interval=1m&adjust=splits&colour=red")));
  EXPECT_TRUE(std::holds_alternative<DataCall>(v2(
      "/v2/hist/stock/eod", "root=AAPL&exp=0&start_date=20240101&end_date=20240131&colour=red")));
}

TEST(ProtocolTest, SpansOfAChainMayBeAllowed) {
  EXPECT_TRUE(std::holds_alternative<DataCall>(
      v3("/v3/option/history/eod", "symbol=AAPL&expiration=*&start_date=20240301&end_date=20240331",
         {.chain_spans = true})));
  EXPECT_TRUE(std::holds_alternative<DataCall>(
      v2("/v2/bulk_hist/option/eod", "root=AAPL&exp=0&start_date=20240301&end_date=20240331",
         {.chain_spans = true})));
}

TEST(ProtocolTest, TheRegularHoursBoundAV2WindowUnlessToldNotTo) {
  const auto window = [](std::string_view more) {
    const auto call = std::get<DataCall>(
        v2(kV2Quote,
           "root=AAPL&exp=0&start_date=20240312&end_date=20240312&ivl=60000" + std::string(more)));
    return std::pair(call.query.first_ms, call.query.last_ms);
  };
  EXPECT_EQ(window(""), (std::pair{34'200'000U, 57'600'000U}));
  EXPECT_EQ(window("&start_time=0"), (std::pair{34'200'000U, 57'600'000U}));
  EXPECT_EQ(window("&rth=false"), (std::pair{0U, 86'399'999U}));
  EXPECT_EQ(window("&rth=false&end_time=50000000"), (std::pair{0U, 50'000'000U}));
}

TEST(ProtocolTest, ACallHasOneCanonicalText) {
  EXPECT_EQ(canonical_call("/a", parameters("c=3&b=2")),
            canonical_call("/a", parameters("b=2&c=3")));
  EXPECT_EQ(canonical_call("/a", parameters("c=3&b=2")), "/a?b=2&c=3");
  EXPECT_EQ(canonical_call("/a", {}), "/a");
}

}  // namespace
}  // namespace betedge::sim
