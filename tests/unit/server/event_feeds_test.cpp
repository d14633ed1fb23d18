#include "betedge/server/event_feeds.hpp"

#include <algorithm>

#include "unit/server/api_world.hpp"

namespace betedge::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Event {
  std::string name, id, data;
};

// The events of a stream's text so far (WHATWG HTML, 9.2.6); comments are passed over.
std::vector<Event> events_of(const std::string& text) {
  std::vector<Event> events;
  Event now;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = text.find('\n', at);
    const auto line = text.substr(at, end - at);
    at = end + 1;
    if (line.empty()) {
      if (!now.name.empty()) events.push_back(std::exchange(now, {}));
      continue;
    }
    const auto value = [&](std::string_view field) -> std::optional<std::string> {
      if (!line.starts_with(field)) return std::nullopt;
      return line.substr(field.size());
    };
    if (const auto name = value("event: ")) now.name = *name;
    if (const auto id = value("id: ")) now.id = *id;
    if (const auto data = value("data: ")) now.data = *data;
  }
  return events;
}

std::vector<std::string> names_of(const std::vector<Event>& events) {
  std::vector<std::string> names;
  for (const auto& event : events) names.push_back(event.name);
  return names;
}

class EventFeedsTest : public ApiTest {
 protected:
  // A stream being read.
  struct Stream {
    net::ServerResponse answer;
    std::string text;
    bool has_ended = false;
    std::vector<Event> events() const { return events_of(text); }
  };

  void open(std::string path, Stream& stream, std::string last_event_id = {}) {
    net::ServerRequest request;
    request.method = "GET";
    request.path = std::move(path);
    if (!last_event_id.empty())
      request.headers.emplace_back("Last-Event-ID", std::move(last_event_id));
    runtime_.run(open_into(std::move(request), stream));
  }
  // Reads on until the stream ends, or this many pieces have come.
  void read(Stream& stream, int pieces = 1'000) { runtime_.run(read_into(stream, pieces)); }

  std::string submit_failing_week() {
    source_.failure = Error{ErrorCode::upstream_refused, "HTTP 400", {}};
    return submit_week();
  }

 private:
  Task<void> open_into(net::ServerRequest request, Stream& stream) {
    stream.answer = co_await api_.handle(std::move(request));
  }
  static Task<void> read_into(Stream& stream, int pieces) {
    for (int i = 0; i < pieces && !stream.has_ended; ++i) {
      auto piece = co_await stream.answer.next();
      if (!piece || piece->bytes.empty()) {
        stream.has_ended = true;
      } else {
        stream.text += as_text(piece->bytes);
      }
    }
  }
};

TEST_F(EventFeedsTest, AStreamIsASnapshotProgressAndTheEnd) {
  source_.latency = 1s;
  const auto id = submit_week();
  Stream stream;
  open("/jobs/" + id + "/events", stream);
  EXPECT_EQ(stream.answer.status, 200);
  EXPECT_EQ(stream.answer.headers[0].second, "text/event-stream; charset=utf-8");
  read(stream);
  const auto events = stream.events();
  ASSERT_GE(events.size(), 3U) << stream.text;
  EXPECT_EQ(events.front().name, "snapshot");
  EXPECT_EQ(events.back().name, "end");
  EXPECT_EQ(Json::parse(events.back().data)["status"], "completed");
  std::uint64_t last = 0, completed = 0;
  for (const auto& event : events) {
    EXPECT_GE(std::stoull(event.id), last);
    last = std::stoull(event.id);
    const auto job = Json::parse(event.data);
    EXPECT_EQ(job["job_id"], id);
    EXPECT_GE(job["progress"]["completed"].get<std::uint64_t>(), completed);
    completed = job["progress"]["completed"];
  }
  EXPECT_TRUE(stream.has_ended);
}

TEST_F(EventFeedsTest, AReconnectAfterTheEndHasNothingMoreToSay) {
  const auto id = submit_week();
  run_to_end(id);
  Stream stream;
  open("/jobs/" + id + "/events", stream);
  read(stream);
  EXPECT_THAT(names_of(stream.events()), ElementsAre("snapshot", "end"));
  Stream again;
  open("/jobs/" + id + "/events", again, stream.events().back().id);
  EXPECT_EQ(again.answer.status, 204);
  Stream unknown;
  open("/jobs/0190163d-8694-739b-aea5-966c26f8ad91/events", unknown);
  EXPECT_EQ(unknown.answer.status, 404);
}

TEST_F(EventFeedsTest, NewsComesAtMostFourTimesASecondHoweverFastItHappens) {
  source_.latency = 1ms;
  const auto began = runtime_.steady_now();
  const auto answer = submit(R"("start_date":"20230102","end_date":"20231229")");
  const std::string id = Json::parse(answer.body)["job_id"];
  Stream stream;
  open("/jobs/" + id + "/events", stream);
  read(stream);
  const std::chrono::duration<double> took = runtime_.steady_now() - began;
  EXPECT_LE(static_cast<double>(stream.events().size()), 4 * took.count() + 4);
}

TEST_F(EventFeedsTest, EveryFailedItemIsToldOnceToOneWhoKeepsReading) {
  const auto id = submit_failing_week();
  Stream stream;
  open("/jobs/" + id + "/events", stream);
  read(stream);
  std::vector<std::string> keys;
  for (const auto& event : stream.events())
    if (event.name == "item_failed") keys.push_back(Json::parse(event.data)["key"]);
  EXPECT_EQ(keys.size(), 5U) << stream.text;
  std::ranges::sort(keys);
  EXPECT_EQ(std::ranges::adjacent_find(keys), keys.end());
  EXPECT_THAT(stream.text, HasSubstr("HTTP 400"));
}

// Whatever event was the last that was seen, a reconnect is told of every failure since.
TEST_F(EventFeedsTest, AReconnectMissesNoFailedItem) {
  source_.latency = 400ms;
  const auto id = submit_failing_week();
  Stream whole;
  open("/jobs/" + id + "/events", whole);
  read(whole);
  const auto events = whole.events();
  for (std::size_t cut = 0; cut < events.size(); ++cut) {
    SCOPED_TRACE(cut);
    std::vector<std::string> keys;
    for (std::size_t i = 0; i <= cut; ++i)
      if (events[i].name == "item_failed") keys.push_back(Json::parse(events[i].data)["key"]);
    Stream again;
    open("/jobs/" + id + "/events", again, events[cut].id);
    if (again.answer.status == 204) {
      EXPECT_EQ(events[cut].name, "end");
    } else {
      read(again);
      EXPECT_EQ(again.events().back().name, "end");
      for (const auto& event : again.events())
        if (event.name == "item_failed") keys.push_back(Json::parse(event.data)["key"]);
    }
    std::ranges::sort(keys);
    keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
    EXPECT_EQ(keys.size(), 5U);
  }
}

TEST_F(EventFeedsTest, OneWhoFallsBehindIsBroughtUpToDateAndMissesNoFailure) {
  source_.latency = 1s;
  source_.failure = Error{ErrorCode::upstream_refused, "HTTP 400", {}};
  // Chains end one by one.
  const auto answer =
      ask("POST", "/historical/option", {},
          R"({"root":"AAPL","schema":"ohlc","start_date":"20240102","end_date":"20240531"})");
  const std::string id = Json::parse(answer.body)["job_id"];
  Stream slow;
  open("/jobs/" + id + "/events", slow);
  read(slow, 3);
  run_to_end(id);  // far more batches than are kept
  runtime_.run(sleep(1s));
  read(slow);
  std::vector<std::string> keys;
  for (const auto& event : slow.events())
    if (event.name == "item_failed") keys.push_back(Json::parse(event.data)["key"]);
  std::ranges::sort(keys);
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  EXPECT_EQ(keys.size(), 105U);
  EXPECT_EQ(std::ranges::count(names_of(slow.events()), "snapshot"), 2);
  EXPECT_EQ(slow.events().back().name, "end");
  EXPECT_LT(slow.events().size(), 105U + 30U);
}

TEST_F(EventFeedsTest, AllJobsAreWatchedInOneStream) {
  source_.latency = 500ms;
  Stream stream;
  open("/events", stream);
  read(stream, 2);
  ASSERT_THAT(names_of(stream.events()), ElementsAre("snapshot"));
  EXPECT_THAT(Json::parse(stream.events()[0].data)["jobs"], IsEmpty());
  const auto first = submit_week();
  const auto second =
      Json::parse(submit(R"("start_date":"20240109","end_date":"20240110")").body)["job_id"];
  for (int i = 0; i < 100; ++i) {
    read(stream, 1);
    const auto events = stream.events();
    const auto ends = std::ranges::count(names_of(events), "end");
    if (ends == 2) break;
  }
  std::vector<std::string> ended;
  for (const auto& event : stream.events())
    if (event.name == "end") ended.push_back(Json::parse(event.data)["job_id"]);
  EXPECT_THAT(ended, ::testing::UnorderedElementsAre(first, second.get<std::string>()));
  EXPECT_EQ(metrics_.value(Metric::event_watchers, {}), 1);
}

TEST_F(EventFeedsTest, AStreamOfAllJobsIsGoneOnWithOnlyWhenNothingWasMissed) {
  source_.latency = 500ms;
  std::string last;
  {
    Stream stream;
    open("/events", stream);
    const auto id = submit_week();
    read(stream, 4);
    last = stream.events().back().id;
    Stream beside;  // keeps the feed going
    open("/events", beside);
    Stream again;
    open("/events", again, last);
    read(again, 3);
    EXPECT_EQ(std::ranges::count(names_of(again.events()), "snapshot"), 0) << again.text;
    run_to_end(id);
  }
  submit(R"("start_date":"20240109","end_date":"20240110")");
  Stream late;
  open("/events", late, last);
  read(late, 2);
  ASSERT_FALSE(late.events().empty());
  EXPECT_EQ(late.events()[0].name, "snapshot");
}

TEST_F(EventFeedsTest, StreamsEndWhenTheServerDrainsOrTheReaderIsGone) {
  source_.latency = 1h;
  const auto id = submit_week();
  Stream stream;
  open("/jobs/" + id + "/events", stream);
  read(stream, 2);
  EXPECT_FALSE(stream.has_ended);
  api_.drain();
  read(stream);
  EXPECT_TRUE(stream.has_ended);
  Stream late;
  open("/jobs/" + id + "/events", late);
  EXPECT_EQ(late.answer.status, 503);
}

TEST_F(EventFeedsTest, ASilentStreamSaysNowAndThenThatItIsThere) {
  source_.latency = 1h;
  const auto id = submit_week();
  Stream stream;
  open("/jobs/" + id + "/events", stream);
  read(stream, 4);
  EXPECT_THAT(stream.text, HasSubstr("\n: still here\n\n"));
}

}  // namespace
}  // namespace betedge::server
