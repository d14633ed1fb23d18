#include "betedge/sources/thetadata.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <map>

#include "support/virtual_runtime.hpp"

namespace betedge::sources {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Scripted {
  int status = 200;
  std::string body;
  net::Headers headers;
  std::optional<Error> refused;                // instead of any answer
  std::optional<Error> broken_after_the_body;  // instead of the end
};

class ScriptedResponse final : public net::HttpResponse {
 public:
  explicit ScriptedResponse(Scripted script) : script_(std::move(script)) {}
  int status() const override { return script_.status; }
  std::optional<std::string> header(std::string_view name) const override {
    for (const auto& [key, value] : script_.headers) {
      if (key == name) return value;
    }
    return std::nullopt;
  }
  Task<Result<Bytes>> next() override {
    if (!script_.body.empty()) {
      const auto bytes = as_bytes(script_.body);
      Bytes chunk(bytes.begin(), bytes.end());
      script_.body.clear();
      co_return chunk;
    }
    if (script_.broken_after_the_body) co_return std::unexpected(*script_.broken_after_the_body);
    co_return Bytes{};
  }

 private:
  Scripted script_;
};

// Answers each URL with what was put there, in order; the last one stays.
class ScriptedClient final : public net::HttpClient {
 public:
  std::map<std::string, std::deque<Scripted>> answers;
  std::vector<std::string> asked;

  Task<Result<std::unique_ptr<net::HttpResponse>>> send(net::HttpRequest request,
                                                        std::stop_token) override {
    asked.push_back(request.url);
    const auto found = answers.find(request.url);
    if (found == answers.end()) {
      co_return fail(ErrorCode::upstream_unavailable, "connection refused");
    }
    auto script = found->second.front();
    if (found->second.size() > 1) found->second.pop_front();
    if (script.refused) co_return std::unexpected(*script.refused);
    co_return std::make_unique<ScriptedResponse>(std::move(script));
  }
};

class ThetaSourceTest : public ::testing::Test {
 protected:
  const std::string kV3 = "http://127.0.0.1:25503";
  const std::string kV2 = "http://127.0.0.1:25510";
  const std::string kV3Status = kV3 + "/v3/terminal/mdds/status";
  const std::string kV2Status = kV2 + "/v2/system/mdds/status";
  const Date day_ = std::chrono::year{2024} / 1 / 5;
  const Call call_{Kind::stock, Schema::eod, *Symbol::parse("AAPL"), {day_, day_},
                   {},          {},          Role::primary};
  const std::string kV3Call = kV3 + request_target(call_, ThetaVersion::v3, V2Form::csv);
  const std::string kV2Call = kV2 + request_target(call_, ThetaVersion::v2, V2Form::csv);

  struct Read {
    std::optional<Error> error;
    bool no_data = false;
    WireFormat format{};
    std::vector<std::string> chunks;  // '>' before one that begins a document
    std::size_t slots_while_reading = 0;
  };

  Read read(Source& source, Call call) {
    Read read;
    runtime_.run(read_into(source, std::move(call), read));
    return read;
  }

  Task<void> read_into(Source& source, Call call, Read& read) {
    auto opened = co_await source.open(std::move(call), {});
    if (!opened) {
      read.error = opened.error();
      co_return;
    }
    if (!*opened) {
      read.no_data = true;
      co_return;
    }
    auto answer = *std::move(*opened);
    read.format = answer->format();
    read.slots_while_reading = limiter_.in_use();
    while (true) {
      auto next = co_await answer->next();
      if (!next) {
        read.error = next.error();
        co_return;
      }
      if (!*next) co_return;
      read.chunks.push_back((**next).begins_document ? ">" : "");
      read.chunks.back() += as_text((**next).bytes);
    }
  }

  // A month of a chain's end of day.
  Call chain() const {
    auto month = call_;
    month.kind = Kind::option;
    month.dates = {day_, day_ + std::chrono::days{20}};
    return month;
  }

  using Expirations = Result<std::optional<std::vector<Date>>>;
  Task<void> expirations_into(Source& source, std::optional<Expirations>& answer) {
    answer = co_await source.expirations(call_, {});
  }
  Expirations expirations(Source& source) {
    std::optional<Expirations> answer;
    runtime_.run(expirations_into(source, answer));
    return *std::move(answer);
  }

  std::unique_ptr<Source> make(ThetaOptions options = {}) {
    return make_thetadata_source(client_, limiter_, std::move(options));
  }

  testing::VirtualRuntime runtime_{1};
  net::Limiter limiter_{runtime_, 4};
  ScriptedClient client_;
};

TEST_F(ThetaSourceTest, AutoFindsAV3TerminalFirstAndKeepsIt) {
  client_.answers[kV3Status] = {{200, "CONNECTED", {}, {}, {}}};
  client_.answers[kV3Call] = {{200, "rows", {}, {}, {}}};
  const auto source = make();
  EXPECT_THAT(read(*source, call_).chunks, ElementsAre(">rows"));
  EXPECT_EQ(read(*source, call_).format, WireFormat::v3_csv);
  EXPECT_THAT(client_.asked, ElementsAre(kV3Status, kV3Call, kV3Call));
}

TEST_F(ThetaSourceTest, AutoFallsBackToAV2Terminal) {
  client_.answers[kV2Status] = {{200, "CONNECTED", {}, {}, {}}};
  client_.answers[kV2Call] = {{200, "rows", {{"Next-Page", "null"}}, {}, {}}};
  const auto source = make();
  const auto got = read(*source, call_);
  EXPECT_EQ(got.format, WireFormat::v2_csv);
  EXPECT_THAT(got.chunks, ElementsAre(">rows"));
}

TEST_F(ThetaSourceTest, ATerminalThatBecameV3IsAskedAnew) {
  client_.answers[kV2Status] = {{200, "CONNECTED", {}, {}, {}}};
  client_.answers[kV2Call] = {{410, "We have upgraded to API v3.", {}, {}, {}}};
  const auto source = make();
  EXPECT_EQ(read(*source, call_).error->code, ErrorCode::upstream_refused);
  client_.answers[kV3Status] = {{200, "CONNECTED", {}, {}, {}}};
  client_.answers[kV3Call] = {{200, "rows", {}, {}, {}}};
  EXPECT_EQ(read(*source, call_).format, WireFormat::v3_csv);
}

TEST_F(ThetaSourceTest, NobodyThereIsUnavailableAndNamesBothPlaces) {
  const auto source = make();
  const auto got = read(*source, call_);
  ASSERT_TRUE(got.error);
  EXPECT_EQ(got.error->code, ErrorCode::upstream_unavailable);
  EXPECT_THAT(got.error->message, HasSubstr("v3 at http://127.0.0.1:25503: connection refused"));
  EXPECT_THAT(got.error->message, HasSubstr("v2 at http://127.0.0.1:25510: connection refused"));
  EXPECT_EQ(limiter_.in_use(), 0U);
}

TEST_F(ThetaSourceTest, ATerminalThatIsNotConnectedIsUnavailable) {
  client_.answers[kV3Status] = {{200, "DISCONNECTED", {}, {}, {}}};
  const auto source = make({.api = ThetaVersion::v3});
  const auto got = read(*source, call_);
  EXPECT_EQ(got.error->code, ErrorCode::upstream_unavailable);
  EXPECT_THAT(got.error->message, HasSubstr("DISCONNECTED"));
}

TEST_F(ThetaSourceTest, NoDataIsAnAnswer) {
  client_.answers[kV3Status] = {{200, "CONNECTED", {}, {}, {}}};
  client_.answers[kV3Call] = {{472, "No data found for your request", {}, {}, {}}};
  const auto source = make();
  const auto got = read(*source, call_);
  EXPECT_TRUE(got.no_data);
  EXPECT_FALSE(got.error);
}

TEST_F(ThetaSourceTest, PagesAreFollowedToTheLastOneOnOurOwnBase) {
  client_.answers[kV2Status] = {{200, "CONNECTED", {}, {}, {}}};
  client_.answers[kV2Call] = {{200, "a", {{"Next-Page", "http://inside/v2/page/1"}}, {}, {}}};
  client_.answers[kV2 + "/v2/page/1"] = {{200, "b", {{"Next-Page", "/v2/page/9"}}, {}, {}}};
  client_.answers[kV2 + "/v2/page/9"] = {{200, "c", {{"Next-Page", "null"}}, {}, {}}};
  const auto source = make({.api = ThetaVersion::v2});
  const auto got = read(*source, call_);
  EXPECT_THAT(got.chunks, ElementsAre(">a", ">b", ">c"));
  EXPECT_EQ(got.slots_while_reading, 1U);
  EXPECT_EQ(limiter_.in_use(), 0U);
}

TEST_F(ThetaSourceTest, JsonPagesAreFollowedByTheBodysHeader) {
  const auto json_call = kV2 + request_target(call_, ThetaVersion::v2, V2Form::json);
  const std::string first = R"({"header":{"next_page":"http://x/v2/page/2"},"response":[]})";
  const std::string last = R"({"header":{"next_page":"null"},"response":[]})";
  client_.answers[kV2Status] = {{200, "CONNECTED", {}, {}, {}}};
  client_.answers[json_call] = {{200, first, {}, {}, {}}};
  client_.answers[kV2 + "/v2/page/2"] = {{200, last, {}, {}, {}}};
  const auto source = make({.api = ThetaVersion::v2, .v2_form = V2Form::json});
  EXPECT_THAT(read(*source, call_).chunks, ElementsAre(">" + first, ">" + last));
}

TEST_F(ThetaSourceTest, AnExpiredPageIsAPassingFault) {
  client_.answers[kV2Status] = {{200, "CONNECTED", {}, {}, {}}};
  client_.answers[kV2Call] = {{200, "a", {{"Next-Page", "/v2/page/1"}}, {}, {}}};
  client_.answers[kV2 + "/v2/page/1"] = {{477, "gone", {}, {}, {}}};
  const auto source = make({.api = ThetaVersion::v2});
  const auto got = read(*source, call_);
  ASSERT_TRUE(got.error);
  EXPECT_EQ(got.error->code, ErrorCode::upstream_failed);
}

TEST_F(ThetaSourceTest, AnEmptyBodyWith200IsGarbled) {
  client_.answers[kV3Status] = {{200, "CONNECTED", {}, {}, {}}};
  client_.answers[kV3Call] = {{200, "", {}, {}, {}}};
  const auto source = make();
  EXPECT_EQ(read(*source, call_).error->code, ErrorCode::upstream_garbled);
}

TEST_F(ThetaSourceTest, AResetInTheMiddleIsAnErrorAndNoEnd) {
  client_.answers[kV3Status] = {{200, "CONNECTED", {}, {}, {}}};
  client_.answers[kV3Call] = {
      {200, "half", {}, {}, Error{ErrorCode::upstream_failed, "connection reset", {}}}};
  const auto source = make();
  const auto got = read(*source, call_);
  EXPECT_THAT(got.chunks, ElementsAre(">half"));
  EXPECT_EQ(got.error->code, ErrorCode::upstream_failed);
  EXPECT_EQ(limiter_.in_use(), 0U);
}

// A restart cuts what is under way: that is the terminal's failure and not the call's.
TEST_F(ThetaSourceTest, AResetByATerminalThatIsNoLongerThereIsUnavailable) {
  client_.answers[kV3Status] = {{200, "CONNECTED", {}, {}, {}}, {571, "starting", {}, {}, {}}};
  client_.answers[kV3Call] = {
      {200, "half", {}, {}, Error{ErrorCode::upstream_failed, "connection reset", {}}}};
  const auto source = make({.api = ThetaVersion::v3});
  const auto got = read(*source, call_);
  ASSERT_TRUE(got.error);
  EXPECT_EQ(got.error->code, ErrorCode::upstream_unavailable);
  EXPECT_EQ(got.error->message,
            "connection reset; the terminal is not ready: v3 at http://127.0.0.1:25503: HTTP 571 "
            "the terminal is starting: starting");
  EXPECT_EQ(limiter_.in_use(), 0U);
}

TEST_F(ThetaSourceTest, ACutBetweenPagesIsUnavailableToo) {
  client_.answers[kV2Status] = {{200, "CONNECTED", {}, {}, {}}, {200, "DISCONNECTED", {}, {}, {}}};
  client_.answers[kV2Call] = {{200, "a", {{"Next-Page", "/v2/page/1"}}, {}, {}}};
  client_.answers[kV2 + "/v2/page/1"] = {
      {0, {}, {}, Error{ErrorCode::timeout, "said nothing", {}}, {}}};
  const auto source = make({.api = ThetaVersion::v2});
  EXPECT_EQ(read(*source, call_).error->code, ErrorCode::upstream_unavailable);
}

TEST_F(ThetaSourceTest, SilenceOfATerminalThatIsThereIsATimeout) {
  client_.answers[kV3Status] = {{200, "CONNECTED", {}, {}, {}}};
  client_.answers[kV3Call] = {{0, {}, {}, Error{ErrorCode::timeout, "said nothing", {}}, {}}};
  const auto source = make();
  EXPECT_EQ(read(*source, call_).error->code, ErrorCode::timeout);
}

// JettyRateLimiter (THETA.md 1.8).
TEST_F(ThetaSourceTest, ADropWithoutAnAnswerIsThrottlingAsLongAsItMeetsEverybody) {
  const Error dropped{ErrorCode::upstream_failed, "closed without an answer", {}};
  client_.answers[kV3Status] = {{200, "CONNECTED", {}, {}, {}}};
  client_.answers[kV3Call] = {{0, {}, {}, dropped, {}}};
  const auto source = make();
  for (int tries = 0; tries < 20; ++tries) {
    const auto got = read(*source, call_);
    ASSERT_TRUE(got.error);
    EXPECT_EQ(got.error->code, ErrorCode::upstream_throttled);
    EXPECT_THAT(got.error->message, HasSubstr("it has more to do than it takes"));
  }
  for (int tries = 20; tries < 39; ++tries) read(*source, call_);
  EXPECT_EQ(read(*source, call_).error->code, ErrorCode::upstream_failed) << "nor for ever";
}

TEST_F(ThetaSourceTest, ACallThatIsDroppedWhileOthersAreAnsweredIsItsOwnReason) {
  const Error dropped{ErrorCode::upstream_failed, "closed without an answer", {}};
  auto other = call_;
  other.root = *Symbol::parse("IBM");
  const auto other_call = kV3 + request_target(other, ThetaVersion::v3, V2Form::csv);
  client_.answers[kV3Status] = {{200, "CONNECTED", {}, {}, {}}};
  client_.answers[kV3Call] = {{0, {}, {}, dropped, {}}};
  client_.answers[other_call] = {{472, "", {}, {}, {}}};
  const auto source = make();
  std::vector<ErrorCode> codes;
  for (int tries = 0; tries < 4; ++tries) {
    codes.push_back(read(*source, call_).error->code);
    EXPECT_TRUE(read(*source, other).no_data);
  }
  EXPECT_THAT(codes, ElementsAre(ErrorCode::upstream_throttled, ErrorCode::upstream_throttled,
                                 ErrorCode::upstream_failed, ErrorCode::upstream_failed));
  client_.answers[kV3Call] = {{200, "rows", {}, {}, {}}, {0, {}, {}, dropped, {}}};
  EXPECT_FALSE(read(*source, call_).error);
  EXPECT_EQ(read(*source, call_).error->code, ErrorCode::upstream_throttled) << "counted anew";
}

TEST_F(ThetaSourceTest, ATerminalThatAnswersIsNamedAndThoseThatDoNotAreNot) {
  client_.answers[kV3Status] = {{571, "", {}, {}, {}}};
  const auto source = make();
  EXPECT_EQ(read(*source, call_).error->message,
            "the terminal is not ready: v3 at http://127.0.0.1:25503: HTTP 571 the terminal is "
            "starting");
}

TEST_F(ThetaSourceTest, AnIntervalThatV3DoesNotServeIsRefusedWithTheListOfThoseItDoes) {
  client_.answers[kV3Status] = {{200, "CONNECTED", {}, {}, {}}};
  auto odd = call_;
  odd.schema = Schema::quote;
  odd.interval = 90s;
  const auto source = make();
  EXPECT_EQ(source->refusal(odd), std::nullopt) << "not known before the terminal was asked";
  const auto got = read(*source, odd);
  ASSERT_TRUE(got.error);
  EXPECT_EQ(got.error->code, ErrorCode::upstream_refused);
  EXPECT_THAT(got.error->message, HasSubstr("90s"));
  EXPECT_THAT(got.error->message, HasSubstr("1m, 5m, 10m, 15m, 30m, 1h"));
  EXPECT_TRUE(source->refusal(odd).has_value());
  EXPECT_EQ(source->refusal(call_), std::nullopt);
}

TEST_F(ThetaSourceTest, AProbeHoldsASlotLikeEveryOtherExchange) {
  net::Limiter one(runtime_, 1);
  const auto source = make_thetadata_source(client_, one, {});
  std::optional<Result<void>> probed;
  const auto probe = [](Source& asked, std::optional<Result<void>>& answer) -> Task<void> {
    answer = co_await asked.probe({});
  };
  client_.answers[kV3Status] = {{200, "CONNECTED", {}, {}, {}}};
  runtime_.run(probe(*source, probed));
  ASSERT_TRUE(probed.has_value());
  EXPECT_TRUE(probed->has_value());
  EXPECT_EQ(one.in_use(), 0U);
}

// --- Chains over several days

TEST_F(ThetaSourceTest, AChainIsAskedForOverSeveralDaysUntilThatIsRefused) {
  client_.answers[kV3Status] = {{200, "CONNECTED", {}, {}, {}}};
  for (const int status : {400, 473, 570}) {
    auto month = chain();
    const auto url = kV3 + request_target(month, ThetaVersion::v3, V2Form::csv);
    client_.answers[url] = {{200, "rows", {}, {}, {}}, {status, "day by day", {}, {}, {}}};
    const auto source = make();
    EXPECT_TRUE(source->takes_spans(month));
    EXPECT_THAT(read(*source, month).chunks, ElementsAre(">rows"));
    EXPECT_TRUE(source->takes_spans(month));
    EXPECT_TRUE(read(*source, month).error.has_value());
    EXPECT_FALSE(source->takes_spans(month)) << status;
    EXPECT_TRUE(source->takes_spans(call_)) << "a stock's days are another matter";
  }
}

TEST_F(ThetaSourceTest, APassingFaultOfAChainSaysNothingAboutSpans) {
  client_.answers[kV3Status] = {{200, "CONNECTED", {}, {}, {}}};
  const auto url = kV3 + request_target(chain(), ThetaVersion::v3, V2Form::csv);
  client_.answers[url] = {{500, "", {}, {}, {}}, {472, "", {}, {}, {}}};
  const auto source = make();
  EXPECT_EQ(read(*source, chain()).error->code, ErrorCode::upstream_failed);
  EXPECT_TRUE(source->takes_spans(chain()));
  EXPECT_TRUE(read(*source, chain()).no_data);
  EXPECT_TRUE(source->takes_spans(chain()));
}

TEST_F(ThetaSourceTest, AnotherTerminalIsAskedAnew) {
  client_.answers[kV3Status] = {{200, "CONNECTED", {}, {}, {}}};
  const auto url = kV3 + request_target(chain(), ThetaVersion::v3, V2Form::csv);
  client_.answers[url] = {{400, "day by day", {}, {}, {}}};
  client_.answers[kV3Call] = {
      {0, "", {}, Error{ErrorCode::upstream_unavailable, "connection refused", {}}, {}}};
  const auto source = make();
  read(*source, chain());
  EXPECT_FALSE(source->takes_spans(chain()));
  read(*source, call_);
  EXPECT_TRUE(source->takes_spans(chain()));
}

TEST_F(ThetaSourceTest, AV2TerminalIsNeverAskedForAChainOverSeveralDays) {
  client_.answers[kV2Status] = {{200, "CONNECTED", {}, {}, {}}};
  const auto source = make();
  EXPECT_TRUE(source->takes_spans(chain())) << "it is not known yet which one is there";
  EXPECT_EQ(read(*source, chain()).error->code, ErrorCode::upstream_refused);
  EXPECT_THAT(client_.asked, ElementsAre(kV3Status, kV2Status));
  EXPECT_FALSE(source->takes_spans(chain()));
  EXPECT_FALSE(make({.api = ThetaVersion::v2})->takes_spans(chain()));
}

TEST_F(ThetaSourceTest, AnIntradayChainIsADaysMatter) {
  auto intraday = chain();
  intraday.schema = Schema::quote;
  intraday.interval = 1min;
  EXPECT_FALSE(make()->takes_spans(intraday));
  intraday.expiration = day_;
  EXPECT_TRUE(make()->takes_spans(intraday)) << "that is one contract list, and no chain";
}

// --- Expirations

TEST_F(ThetaSourceTest, ExpirationsAreReadFromTheTerminalThatIsThere) {
  client_.answers[kV3Status] = {{200, "CONNECTED", {}, {}, {}}};
  client_.answers[kV3 + expirations_target(call_.root, ThetaVersion::v3)] = {
      {200, "symbol,expiration\nAAPL,2024-01-12\nAAPL,2024-01-05\n", {}, {}, {}}};
  const auto found = expirations(*make());
  ASSERT_TRUE(found.has_value());
  EXPECT_THAT(**found, ElementsAre(day_, day_ + std::chrono::days{7}));
  EXPECT_EQ(limiter_.in_use(), 0U);

  client_.answers.erase(kV3Status);
  client_.answers[kV2Status] = {{200, "CONNECTED", {}, {}, {}}};
  client_.answers[kV2 + expirations_target(call_.root, ThetaVersion::v2)] = {
      {200, R"({"response":[20240105]})", {}, {}, {}}};
  EXPECT_THAT(**expirations(*make()), ElementsAre(day_));
}

TEST_F(ThetaSourceTest, ExpirationsThatCannotBeReadAreAnError) {
  client_.answers[kV3Status] = {{200, "CONNECTED", {}, {}, {}}};
  const auto url = kV3 + expirations_target(call_.root, ThetaVersion::v3);
  client_.answers[url] = {{472, "No data found", {}, {}, {}},
                          {500, "oh", {}, {}, {}},
                          {200, "<html>", {}, {}, {}},
                          {200, std::string(5 << 20, '\n'), {}, {}, {}}};
  const auto source = make();
  EXPECT_THAT(**expirations(*source), ::testing::IsEmpty()) << "there are none";
  const auto failed = expirations(*source);
  EXPECT_EQ(failed.error().code, ErrorCode::upstream_failed);
  EXPECT_THAT(failed.error().message, HasSubstr("list of expirations: HTTP 500"));
  EXPECT_EQ(expirations(*source).error().code, ErrorCode::upstream_garbled);
  EXPECT_EQ(expirations(*source).error().code, ErrorCode::upstream_garbled) << "endless";
}

}  // namespace
}  // namespace betedge::sources
