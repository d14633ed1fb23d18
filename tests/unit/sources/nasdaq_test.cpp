#include "betedge/sources/nasdaq.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "support/virtual_runtime.hpp"

namespace betedge::sources {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

struct Scripted {
  int status = 200;
  std::vector<std::string> pieces{};
  net::Headers headers{};
  std::optional<Error> refused{};                // instead of any answer
  std::optional<Error> broken_after_the_body{};  // instead of the end
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
    if (next_ < script_.pieces.size()) {
      const auto bytes = as_bytes(script_.pieces[next_++]);
      co_return Bytes(bytes.begin(), bytes.end());
    }
    if (script_.broken_after_the_body) co_return std::unexpected(*script_.broken_after_the_body);
    co_return Bytes{};
  }

 private:
  Scripted script_;
  std::size_t next_ = 0;
};

class ScriptedClient final : public net::HttpClient {
 public:
  explicit ScriptedClient(Runtime& runtime) : runtime_(runtime) {}
  std::deque<Scripted> answers;  // in this order; the last one stays
  std::vector<net::HttpRequest> asked;
  std::vector<SteadyTime> times;

  Task<Result<std::unique_ptr<net::HttpResponse>>> send(net::HttpRequest request,
                                                        std::stop_token) override {
    asked.push_back(std::move(request));
    times.push_back(runtime_.steady_now());
    auto script = answers.front();
    if (answers.size() > 1) answers.pop_front();
    if (script.refused) co_return std::unexpected(*script.refused);
    co_return std::make_unique<ScriptedResponse>(std::move(script));
  }

 private:
  Runtime& runtime_;
};

Call call_of(Date day) {
  return {.kind = Kind::earnings,
          .schema = Schema::eod,
          .root = {},
          .dates = {day, day},
          .interval = {},
          .window = {},
          .role = Role::primary};
}

class NasdaqSource : public ::testing::Test {
 protected:
  struct Read {
    std::optional<Error> error;
    WireFormat format{};
    std::vector<std::string> chunks;  // '>' before one that begins a document
    std::size_t slots_while_reading = 0;
  };

  Read read(Source& source, Call call, std::stop_token stop = {}) {
    Read read;
    runtime_.run(read_into(source, std::move(call), std::move(stop), read));
    return read;
  }

  Task<void> read_into(Source& source, Call call, std::stop_token stop, Read& read) {
    auto opened = co_await source.open(std::move(call), std::move(stop));
    if (!opened) {
      read.error = opened.error();
      co_return;
    }
    EXPECT_TRUE(opened->has_value());
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

  Read read_status(int status, std::string body, net::Headers headers = {}) {
    client_.answers = {
        {.status = status, .pieces = {std::move(body)}, .headers = std::move(headers)}};
    const auto source = make();
    auto found = read(*source, call_of(day_));
    EXPECT_EQ(limiter_.in_use(), 0);
    return found;
  }

  std::unique_ptr<Source> make(NasdaqOptions options = {}) {
    return make_nasdaq_source(runtime_, client_, limiter_, std::move(options));
  }

  const Date day_ = std::chrono::year{2024} / 7 / 1;
  testing::VirtualRuntime runtime_{1};
  net::Limiter limiter_{runtime_, 1};
  ScriptedClient client_{runtime_};
};

TEST_F(NasdaqSource, AsksForADayAsABrowserWould) {
  client_.answers = {{.pieces = {"{\"da", "ta\":1}"}}};
  const auto source = make();
  const auto found = read(*source, call_of(day_));
  EXPECT_FALSE(found.error) << found.error->message;
  EXPECT_EQ(found.format, WireFormat::nasdaq_json);
  EXPECT_THAT(found.chunks, ElementsAre(">{\"da", "ta\":1}"));
  EXPECT_EQ(found.slots_while_reading, 1);
  EXPECT_EQ(limiter_.in_use(), 0);

  ASSERT_EQ(client_.asked.size(), 1);
  const auto& request = client_.asked.front();
  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.url, "https://api.nasdaq.com/api/calendar/earnings?date=2024-07-01");
  EXPECT_EQ(request.coding, net::ContentCoding::gzip);
  EXPECT_EQ(request.idle_timeout, 30s);
  std::map<std::string, std::string> headers(request.headers.begin(), request.headers.end());
  EXPECT_THAT(headers.at("User-Agent"), ::testing::StartsWith("Mozilla/5.0 ("));
  EXPECT_EQ(headers.at("Accept"), "application/json, text/plain, */*");
  EXPECT_EQ(headers.at("Origin"), "https://www.nasdaq.com");
  EXPECT_EQ(headers.at("Referer"), "https://www.nasdaq.com/");
}

TEST_F(NasdaqSource, TakesABaseWithOrWithoutASlash) {
  client_.answers = {{.pieces = {"{}"}}};
  const auto source = make({.base_url = "http://127.0.0.1:1/"});
  read(*source, call_of(day_));
  EXPECT_EQ(client_.asked.front().url, "http://127.0.0.1:1/api/calendar/earnings?date=2024-07-01");
}

TEST_F(NasdaqSource, LeavesTimeBetweenCalls) {
  client_.answers = {{.pieces = {"{}"}}};
  const auto source = make();
  for (int i = 0; i < 50; ++i) read(*source, call_of(day_ + std::chrono::days{i}));
  ASSERT_EQ(client_.times.size(), 50);
  auto shortest = 1h + 0ns, longest = 0ns;
  for (std::size_t i = 1; i < client_.times.size(); ++i) {
    shortest = std::min(shortest, client_.times[i] - client_.times[i - 1]);
    longest = std::max(longest, client_.times[i] - client_.times[i - 1]);
  }
  EXPECT_GE(shortest, 250ms);
  EXPECT_LT(longest, 1001ms);
  EXPECT_GT(longest - shortest, 200ms);  // and not like clockwork
}

TEST_F(NasdaqSource, DoesNotWaitForASimulatorOnThisMachine) {
  client_.answers = {{.pieces = {"{}"}}};
  for (const auto* const base :
       {"http://127.0.0.1:25503", "http://localhost:1", "http://[::1]:1"}) {
    client_.times.clear();
    const auto source = make({.base_url = base});
    read(*source, call_of(day_));
    read(*source, call_of(day_));
    EXPECT_EQ(client_.times[0], client_.times[1]) << base;
  }
}

TEST_F(NasdaqSource, PacesFailedCallsToo) {
  client_.answers = {{.status = 503, .pieces = {"busy"}}};
  const auto source = make({.pace = 500ms});
  read(*source, call_of(day_));
  read(*source, call_of(day_));
  EXPECT_GE(client_.times[1] - client_.times[0], 250ms);
}

TEST_F(NasdaqSource, StopsWhileItWaitsForItsTurn) {
  client_.answers = {{.pieces = {"{}"}}};
  const auto source = make({.pace = 10min});
  read(*source, call_of(day_));
  std::stop_source stop;
  Read second;
  runtime_.start(read_into(*source, call_of(day_), stop.get_token(), second));
  const auto timer = runtime_.after(1s, [&stop] { stop.request_stop(); });
  while (!runtime_.idle()) ASSERT_TRUE(runtime_.step());
  ASSERT_TRUE(second.error);
  EXPECT_EQ(second.error->code, ErrorCode::cancelled);
  EXPECT_EQ(client_.asked.size(), 1);
  EXPECT_EQ(limiter_.in_use(), 0);
}

TEST_F(NasdaqSource, ABlockAtTheEdgePassesAndSaysWhatItIs) {
  const auto found = read_status(403, "<HTML><HEAD>\n<TITLE>Access Denied</TITLE>");
  ASSERT_TRUE(found.error);
  EXPECT_EQ(found.error->code, ErrorCode::upstream_failed);
  EXPECT_THAT(found.error->message, HasSubstr("earnings of 2024-07-01"));
  EXPECT_THAT(found.error->message, HasSubstr("403"));
  EXPECT_THAT(found.error->message, HasSubstr("blocks"));
  EXPECT_THAT(found.error->message, Not(HasSubstr("<")));
}

TEST_F(NasdaqSource, IsThrottledForAsLongAsItIsTold) {
  const auto found = read_status(429, "slow down", {{"Retry-After", "7"}});
  ASSERT_TRUE(found.error);
  EXPECT_EQ(found.error->code, ErrorCode::upstream_throttled);
  EXPECT_EQ(found.error->retry_after, 7s);
  EXPECT_THAT(found.error->message, HasSubstr("slow down"));
  EXPECT_EQ(read_status(429, "").error->retry_after, 0s);
  EXPECT_EQ(
      read_status(429, "", {{"Retry-After", "Wed, 21 Oct 2026 07:28:00 GMT"}}).error->retry_after,
      0s);
  EXPECT_EQ(read_status(429, "", {{"Retry-After", "86400"}}).error->retry_after, 120s);
}

TEST_F(NasdaqSource, KnowsPassingStatusesFromLastingOnes) {
  for (const int status : {408, 500, 502, 503, 504, 520, 302})
    EXPECT_EQ(read_status(status, "x").error->code, ErrorCode::upstream_failed) << status;
  for (const int status : {400, 401, 404, 410})
    EXPECT_EQ(read_status(status, "x").error->code, ErrorCode::upstream_refused) << status;
}

TEST_F(NasdaqSource, PassesOnWhatTheConnectionSays) {
  client_.answers = {{.refused = Error{ErrorCode::upstream_unavailable, "nobody listens", {}}}};
  const auto source = make();
  auto found = read(*source, call_of(day_));
  EXPECT_EQ(found.error->code, ErrorCode::upstream_unavailable);
  EXPECT_THAT(found.error->message, HasSubstr("nobody listens"));
  client_.answers = {
      {.pieces = {"{"}, .broken_after_the_body = Error{ErrorCode::upstream_failed, "reset", {}}}};
  found = read(*source, call_of(day_));
  EXPECT_EQ(found.error->code, ErrorCode::upstream_failed);
  EXPECT_THAT(found.error->message, HasSubstr("2024-07-01"));
  EXPECT_EQ(limiter_.in_use(), 0);
}

TEST_F(NasdaqSource, AnEmptyBodyIsNoEmptyDay) {
  client_.answers = {{}};
  const auto source = make();
  const auto found = read(*source, call_of(day_));
  ASSERT_TRUE(found.error);
  EXPECT_EQ(found.error->code, ErrorCode::upstream_garbled);
}

TEST_F(NasdaqSource, RefusesWhatTheCalendarDoesNotHave) {
  const auto source = make();
  auto stock = call_of(day_);
  stock.kind = Kind::stock;
  EXPECT_THAT(source->refusal(stock).value_or(""), HasSubstr("stock"));
  auto month = call_of(day_);
  month.dates.last += std::chrono::days{30};
  EXPECT_THAT(source->refusal(month).value_or(""), HasSubstr("one day"));
  EXPECT_EQ(read(*source, month).error->code, ErrorCode::upstream_refused);
  EXPECT_FALSE(source->refusal(call_of(day_)));
  EXPECT_TRUE(client_.asked.empty());
}

Task<void> probe_into(Source& source, Result<void>& outcome) {
  outcome = co_await source.probe({});
}

TEST_F(NasdaqSource, IsThereWhenItAnswersAtAll) {
  const auto source = make();
  Result<void> outcome;
  client_.answers = {{.status = 403, .pieces = {"no"}}};
  runtime_.run(probe_into(*source, outcome));
  EXPECT_TRUE(outcome.has_value());
  client_.answers = {{.refused = Error{ErrorCode::upstream_unavailable, "nobody listens", {}}}};
  runtime_.run(probe_into(*source, outcome));
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().code, ErrorCode::upstream_unavailable);
  EXPECT_EQ(limiter_.in_use(), 0);
}

}  // namespace
}  // namespace betedge::sources
