#include "betedge/net/http_server.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <openssl/ssl.h>

#include <functional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include "certificates.hpp"
#include "loopback.hpp"

namespace betedge::net {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

// What holds on a plain connection holds over TLS.
class HttpServerTest : public Loopback, public ::testing::WithParamInterface<Wire> {
 protected:
  HttpServerTest() : Loopback(GetParam()) {}
};

INSTANTIATE_TEST_SUITE_P(Wires, HttpServerTest, ::testing::Values(Wire::plain, Wire::tls),
                         [](const auto& tested) { return name_of(tested.param); });

Task<ServerResponse> echo(ServerRequest request) {
  co_return text_response(200,
                          fmt::format("{} {} [{}]", request.method, request.path, request.body));
}

Task<void> receive(Task<std::string> talk, std::string& answer) {
  answer = co_await std::move(talk);
}

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t found = 0;
  for (auto at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1))
    ++found;
  return found;
}

// --- what is accepted

struct RawCase {
  std::string name;
  std::string bytes;
  std::string begins;  // of all that the server says
  std::size_t answers = 1;
};
class RawTest : public Loopback, public ::testing::WithParamInterface<std::tuple<RawCase, Wire>> {
 protected:
  RawTest() : Loopback(std::get<1>(GetParam())) {}
};

TEST_P(RawTest, IsAnswered) {
  const auto& tested = std::get<0>(GetParam());
  ServerOptions options;
  options.max_body_bytes = 1000;
  options.max_header_bytes = 2000;
  serve(echo, options);
  std::string answer;
  run(receive(converse(tested.bytes), answer));
  EXPECT_THAT(answer, StartsWith(tested.begins));
  EXPECT_EQ(count(answer, "HTTP/1.1 "), tested.answers) << answer;
  EXPECT_EQ(count(answer, "Connection: close"), 1u) << answer;
}

const std::string kEnd = "Host: x\r\nConnection: close\r\n\r\n";

INSTANTIATE_TEST_SUITE_P(
    Requests, RawTest,
    ::testing::Combine(
        ::testing::Values(
            RawCase{"plain", "GET /a HTTP/1.1\r\n" + kEnd, "HTTP/1.1 200 OK\r\n"},
            RawCase{"after_empty_lines", "\r\n\r\nGET /a HTTP/1.1\r\n" + kEnd,
                    "HTTP/1.1 200 OK\r\n"},
            RawCase{"http_1_0", "GET /a HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK\r\n"},
            RawCase{
                "two_pipelined",
                "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhiGET /b HTTP/1.1\r\n" +
                    kEnd,
                "HTTP/1.1 200 OK\r\n", 2},
            RawCase{"chunked_and_pipelined",
                    "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "2\r\nhi\r\n0\r\n\r\nGET /b HTTP/1.1\r\n" +
                        kEnd,
                    "HTTP/1.1 200 OK\r\n", 2},
            RawCase{
                "expecting_continue",
                "POST /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n" + kEnd + "hi",
                "HTTP/1.1 200 OK\r\n"},
            RawCase{
                "smuggled",
                "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n"
                "\r\n0\r\n\r\nGET /b HTTP/1.1\r\n" +
                    kEnd,
                "HTTP/1.1 400 Bad Request\r\n"},
            RawCase{"two_hosts", "GET /a HTTP/1.1\r\nHost: y\r\n" + kEnd, "HTTP/1.1 400 "},
            RawCase{"no_host", "GET /a HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "},
            RawCase{"folded", "GET /a HTTP/1.1\r\nA: b\r\n c\r\n" + kEnd, "HTTP/1.1 400 "},
            RawCase{"line_feeds_alone", "GET /a HTTP/1.1\nHost: x\n\n", "HTTP/1.1 400 "},
            RawCase{"tls", "\x16\x03\x01\x02\n", "HTTP/1.1 400 "},
            RawCase{"tls_without_a_line", std::string("\x16\x03\x01\x00\xf4\x01", 6),
                    "HTTP/1.1 400 "},
            RawCase{"bad_escape", "GET /%4 HTTP/1.1\r\n" + kEnd, "HTTP/1.1 400 "},
            RawCase{"unknown_method", "BREW /a HTTP/1.1\r\n" + kEnd,
                    "HTTP/1.1 501 Not Implemented\r\n"},
            RawCase{"huge_header",
                    "GET /a HTTP/1.1\r\nA: " + std::string(5000, 'a') + "\r\n" + kEnd,
                    "HTTP/1.1 431 "},
            RawCase{"huge_request_line", "GET /" + std::string(100'000, 'a'), "HTTP/1.1 431 "},
            RawCase{"huge_body",
                    "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n" +
                        std::string(1001, 'a'),
                    "HTTP/1.1 413 Content Too Large\r\n"},
            RawCase{"huge_chunk",
                    "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" +
                        std::string(1001, 'a'),
                    "HTTP/1.1 413 "},
            RawCase{"after_a_good_one_a_bad_one", "GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET b\r\n\r\n",
                    "HTTP/1.1 200 OK\r\n", 2}),
        ::testing::Values(Wire::plain, Wire::tls)),
    [](const auto& tested) {
      return std::get<0>(tested.param).name + "_" + name_of(std::get<1>(tested.param));
    });

TEST_P(HttpServerTest, EveryMethodThatIsKnownReachesTheHandler) {
  serve(echo);
  std::string bytes;
  for (const auto* method : {"GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"}) {
    bytes += fmt::format("{} /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi", method);
  }
  std::string answer;
  run(receive(converse(bytes + "OPTIONS * HTTP/1.1\r\n" + kEnd), answer));
  EXPECT_EQ(count(answer, "HTTP/1.1 200 OK\r\n"), 7u) << answer;
  for (const auto* method : {"GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"}) {
    EXPECT_THAT(answer, HasSubstr(fmt::format("\r\n\r\n{} /a [hi]", method)));
  }
  EXPECT_THAT(answer, EndsWith("OPTIONS * []"));
}

TEST_P(HttpServerTest, ReadsTheBodyAndDecodesThePath) {
  serve(echo);
  std::string answer;
  run(receive(converse("POST /a%20b?c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                       "2\r\nhi\r\n1\r\n!\r\n0\r\n\r\nGET /2 HTTP/1.1\r\n" +
                       kEnd),
              answer));
  EXPECT_THAT(answer, HasSubstr("\r\n\r\nPOST /a b [hi!]HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\nGET /2 []"));
  EXPECT_EQ(count(answer, "\r\nDate: "), 2u);
}

Task<ServerResponse> show(ServerRequest request) {
  std::string text = fmt::format("{}|{}|", request.header("x-Thing").value_or("-"),
                                 request.parameter("b").value_or("-"));
  text += request.peer.starts_with("127.0.0.1:") ? "local" : request.peer;
  text += fmt::format("|{}|{}", request.peer_address, request.is_secure ? "secure" : "plain");
  auto response = text_response(200, text);
  response.headers.emplace_back("X-Split", "a\r\nX-Evil: b");
  response.headers.emplace_back("content-length", "3");
  response.headers.emplace_back("Connection", "upgrade");
  co_return response;
}

TEST_P(HttpServerTest, GivesTheHandlerHeadersParametersAndPeerAndKeepsItsOwnHeaders) {
  serve(show);
  std::string answer;
  run(receive(converse("GET /?a=1&b=x%2By+z&b=2 HTTP/1.1\r\nX-THING: 7 \r\n" + kEnd), answer));
  EXPECT_THAT(answer, EndsWith(GetParam() == Wire::tls ? "\r\n\r\n7|x+y z|local|127.0.0.1|secure"
                                                       : "\r\n\r\n7|x+y z|local|127.0.0.1|plain"));
  EXPECT_THAT(answer, HasSubstr("X-Split: a  X-Evil: b\r\n"));
  EXPECT_EQ(count(answer, "ontent-"), 2u) << answer;  // the type, and one length
  EXPECT_THAT(answer, Not(HasSubstr("upgrade")));
}

TEST_P(HttpServerTest, AnswersHeadLikeGetWithoutTheBody) {
  serve(echo);
  std::string answer;
  run(receive(converse("HEAD /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\n" + kEnd), answer));
  EXPECT_THAT(answer, HasSubstr("Content-Length: 10\r\n\r\nHTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, EndsWith("GET /b []"));
}

Task<ServerResponse> no_content(ServerRequest) {
  ServerResponse response;
  response.status = 204;
  response.body = SharedBytes::of("not to be sent");
  co_return response;
}

TEST_P(HttpServerTest, ANoContentHasNeitherBodyNorLength) {
  serve(no_content);
  std::string answer;
  run(receive(converse("GET /a HTTP/1.1\r\n" + kEnd), answer));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 204 No Content\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\n"));
  EXPECT_THAT(answer, Not(HasSubstr("Content-Length")));
}

Task<ServerResponse> throws(ServerRequest) {
  throw std::runtime_error("the shelf is empty");
  co_return ServerResponse{};
}

TEST_P(HttpServerTest, AHandlerThatThrowsIsA500AndTheConnectionGoesOn) {
  ServerOptions options;
  options.refusal = [](int status, const std::string& reason) {
    return text_response(status, fmt::format("<{}>", reason));
  };
  serve(throws, options);
  std::string answer;
  run(receive(converse("GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\n" + kEnd), answer));
  EXPECT_EQ(count(answer, "HTTP/1.1 500 Internal Server Error\r\n"), 2u);
  EXPECT_EQ(count(answer, "<the shelf is empty>"), 2u);
}

TEST_P(HttpServerTest, RefusalsHaveTheBodyTheyShouldHave) {
  ServerOptions options;
  options.refusal = [](int status, const std::string& reason) {
    return text_response(status, fmt::format("{{\"{}\":\"{}\"}}", status, reason));
  };
  serve(echo, options);
  std::string answer;
  run(receive(converse("GET /a HTTP/1.1\r\n\r\n"), answer));
  EXPECT_THAT(answer, EndsWith("{\"400\":\"a request has exactly one Host\"}"));
}

// --- bodies in pieces

struct Script {
  std::vector<Result<std::string>> pieces;
  std::optional<std::uint64_t> content_length = std::nullopt;
  std::size_t asked = 0;

  Task<Result<SharedBytes>> next() {
    const auto at = asked++;
    if (at == pieces.size()) co_return SharedBytes{};
    if (!pieces[at]) co_return std::unexpected(pieces[at].error());
    co_return SharedBytes::of(*pieces[at]);
  }
  Task<ServerResponse> handle(ServerRequest) {
    asked = 0;
    ServerResponse response;
    response.content_length = content_length;
    response.next = [this] { return next(); };
    co_return response;
  }
  Handler handler() {
    return [this](ServerRequest request) { return handle(std::move(request)); };
  }
};

TEST_P(HttpServerTest, SendsPiecesChunkedAndTheNextAnswerAfterThem) {
  Script script{.pieces = {"hello", std::string(16, 'x')}};
  serve(script.handler());
  std::string answer;
  run(receive(converse("GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\n" + kEnd), answer));
  const std::string body = "\r\n\r\n5\r\nhello\r\n10\r\nxxxxxxxxxxxxxxxx\r\n0\r\n\r\n";
  EXPECT_EQ(count(answer, body), 2u) << answer;
  EXPECT_EQ(count(answer, "Transfer-Encoding: chunked\r\n"), 2u);
}

TEST_P(HttpServerTest, SendsPiecesOfAKnownLengthPlainly) {
  Script script{.pieces = {"hello", " world"}, .content_length = 11};
  serve(script.handler());
  std::string answer;
  run(receive(converse("GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\n" + kEnd), answer));
  EXPECT_EQ(count(answer, "\r\n\r\nhello world"), 2u) << answer;
  EXPECT_EQ(count(answer, "Content-Length: 11\r\n"), 2u);
}

TEST_P(HttpServerTest, EndsABodyInPiecesForHttp10WithTheConnection) {
  Script script{.pieces = {"hello", " world"}};
  serve(script.handler());
  std::string answer;
  run(receive(converse("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), answer));
  EXPECT_THAT(answer, EndsWith("Connection: close\r\n\r\nhello world"));
}

TEST_P(HttpServerTest, DoesNotAskForPiecesForHead) {
  Script script{.pieces = {"hello"}, .content_length = 5};
  serve(script.handler());
  std::string answer;
  run(receive(converse("HEAD /a HTTP/1.1\r\n" + kEnd), answer));
  EXPECT_THAT(answer, HasSubstr("Content-Length: 5\r\n"));
  EXPECT_EQ(script.asked, 0u);
}

struct Heard {
  std::string text;
  bool was_reset = false;
  bool had_goodbye = false;
};
Task<void> listen(Door door, Heard& heard,
                  std::string request = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n") {
  auto talk = [door, &heard, asked = std::move(request)] {
    RawConnection connection(door.port, 0, door.wire);
    connection.send(asked);
    heard.text = connection.read_to_end();
    heard.was_reset = connection.was_reset();
    heard.had_goodbye = connection.had_goodbye();
  };
  co_await run_blocking(door.runtime, Pool::io, std::move(talk));
}

TEST_P(HttpServerTest, AnErrorOfNextResetsTheConnection) {
  Script script{.pieces = {"hello", fail(ErrorCode::internal, "out of rows")}};
  serve(script.handler());
  Heard heard;
  run(listen(door(), heard));
  EXPECT_TRUE(heard.was_reset);
}

TEST_P(HttpServerTest, PiecesBeyondTheContentLengthResetTheConnection) {
  Script script{.pieces = {"hello", " world"}, .content_length = 8};
  serve(script.handler());
  Heard heard;
  run(listen(door(), heard));
  EXPECT_TRUE(heard.was_reset);
}

TEST_P(HttpServerTest, PiecesThatEndTooEarlyCloseTheConnection) {
  Script script{.pieces = {"hello"}, .content_length = 8};
  serve(script.handler());
  Heard heard;
  run(listen(door(), heard));
  EXPECT_FALSE(heard.was_reset);
  EXPECT_EQ(heard.had_goodbye, GetParam() == Wire::tls);
  EXPECT_THAT(heard.text, EndsWith("\r\n\r\nhello"));
}

Task<ServerResponse> drop(ServerRequest) {
  ServerResponse response;
  response.drop_connection = true;
  co_return response;
}

TEST_P(HttpServerTest, ADroppedConnectionIsOneWithoutAnAnswer) {
  serve(drop);
  Heard heard;
  run(listen(door(), heard));
  EXPECT_EQ(heard.text, "");
  EXPECT_FALSE(heard.had_goodbye);
}

// --- slow, dead and departing peers

struct Endless {
  explicit Endless(Runtime& runtime) : asked_more(runtime), gone(runtime) {}
  SharedBytes piece = SharedBytes::of(std::string(1 << 20, 'x'));
  std::size_t asked = 0;
  Notify asked_more;
  Notify gone;

  Task<Result<SharedBytes>> next() {
    ++asked;
    asked_more.notify_all();
    co_return piece;
  }
  Task<ServerResponse> handle(ServerRequest request) {
    if (request.path == "/quick") co_return text_response(200, "quick");
    ServerResponse response;
    response.next = [this] { return next(); };
    co_return response;
  }
  Handler handler() {
    return [this](ServerRequest request) { return handle(std::move(request)); };
  }
};

// The loop goes on, meanwhile, until the server closes this connection, which never reads.
Task<void> never_read(Door door, HttpClient& client, HttpRequest quick, Endless& endless) {
  const auto stalled = co_await door.connect(8192);
  stalled->send("GET /endless HTTP/1.1\r\nHost: x\r\n\r\n");
  while (endless.asked == 0) co_await endless.asked_more.wait();
  auto answer = co_await client.send(quick, {});
  EXPECT_TRUE(answer.has_value());
  if (!answer) co_return;
  const auto body = co_await read_all(*std::move(answer), 100);
  EXPECT_EQ(body, "quick");
  auto read = [&stalled] { return stalled->read_to_end().size(); };
  const auto size = co_await run_blocking(door.runtime, Pool::io, std::move(read));
  EXPECT_LT(size, endless.asked << 20);
  EXPECT_TRUE(stalled->was_reset());
}

TEST_P(HttpServerTest, APeerThatDoesNotReadIsDroppedAndHoldsNobodyUp) {
  ServerOptions options;
  options.write_timeout = 100ms;
  Endless endless(runtime_);
  serve(endless.handler(), options);
  connect_client();
  run(never_read(door(), *client_, get("/quick"), endless));
  EXPECT_EQ(server_->counters().too_slow, 1u);
}

// Takes a megabyte, and no more until an idle connection has met its timeout, over and over.
Task<void> take_slowly(Door door, Endless& endless, std::size_t& taken) {
  const auto slow = co_await door.connect(8192);
  slow->send("GET /endless HTTP/1.1\r\nHost: x\r\n\r\n");
  while (endless.asked == 0) co_await endless.asked_more.wait();
  auto take = [&slow, &taken] {
    for (std::size_t i = 0; i < 64; ++i) taken += slow->read_some(16 << 10) ? 1 : 0;
  };
  for (int i = 0; i < 15; ++i) {
    co_await run_blocking(door.runtime, Pool::io, take);
    Heard ignored;
    co_await listen(door, ignored, "");
  }
}

TEST_P(HttpServerTest, APeerThatTakesEnoughIsServedHoweverManyTimeoutsThatTakes) {
  ServerOptions options;
  options.header_timeout = 100ms;  // fifteen of these are more than one of those
  options.write_timeout = 1s;
  Endless endless(runtime_);
  serve(endless.handler(), options);
  std::size_t taken = 0;
  run(take_slowly(door(), endless, taken));
  EXPECT_EQ(taken, 15u * 64u);
  EXPECT_EQ(server_->counters().too_slow, 0u);
}

// Takes a few bytes whenever a look at the clock of the loop says that the server is alive: enough
// not to be silent, and far too little.
Task<void> sip(Door door, HttpClient& client, HttpRequest quick, Endless& endless) {
  const auto slow = co_await door.connect(4096);
  slow->send("GET /endless HTTP/1.1\r\nHost: x\r\n\r\n");
  while (endless.asked == 0) co_await endless.asked_more.wait();
  auto swallow = [&slow] { return slow->read_some(16) && !slow->was_reset(); };
  while (co_await run_blocking(door.runtime, Pool::io, swallow)) {
    auto answer = co_await client.send(quick, {});
    EXPECT_TRUE(answer.has_value());
    if (!answer) co_return;
    (void)co_await read_all(*std::move(answer), 100);
  }
  EXPECT_TRUE(slow->was_reset());
}

TEST_P(HttpServerTest, APeerThatSipsAtItsAnswerIsDropped) {
  ServerOptions options;
  options.write_timeout = 100ms;
  options.min_bytes_per_second = 10 << 20;
  Endless endless(runtime_);
  serve(endless.handler(), options);
  connect_client();
  run(sip(door(), *client_, get("/quick"), endless));
  EXPECT_EQ(server_->counters().too_slow, 1u);
}

Task<void> leave(Door door, Endless& endless) {
  auto talk = [door] {
    RawConnection connection(door.port, 0, door.wire);
    connection.send("GET /endless HTTP/1.1\r\nHost: x\r\n\r\n");
    connection.read_until("\r\n\r\n");
  };
  co_await run_blocking(door.runtime, Pool::io, std::move(talk));
  EXPECT_GT(endless.asked, 0u);
}

TEST_P(HttpServerTest, NoMorePiecesAreAskedForOnceThePeerIsGone) {
  Endless endless(runtime_);
  serve(endless.handler());
  // An hour: stop() returns when the session has ended by itself.
  run(leave(door(), endless), 1h);
}

struct Waiting {
  explicit Waiting(Runtime& runtime) : begun(runtime), ended(runtime), go(runtime) {}
  Notify begun;
  Notify ended;
  Notify go;
  std::optional<Woken> woken;

  Task<ServerResponse> handle(ServerRequest request) {
    begun.notify_one();
    woken = co_await go.wait(request.gone);
    ended.notify_one();
    co_return text_response(200, "done");
  }
  Handler handler() {
    return [this](ServerRequest request) { return handle(std::move(request)); };
  }
};

Task<void> send_and_leave(Door door, Waiting& waiting) {
  const auto connection = co_await door.connect();
  connection->send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  co_await waiting.begun.wait();
  connection->close();
  co_await waiting.ended.wait();
}

TEST_P(HttpServerTest, AHandlerThatWaitsIsToldThatItsPeerIsGone) {
  Waiting waiting(runtime_);
  serve(waiting.handler());
  run(send_and_leave(door(), waiting));
  EXPECT_EQ(waiting.woken, Woken::stopped);
}

Task<void> send_and_leave_at_once(Door door, Waiting& waiting) {
  const auto connection = co_await door.connect();
  connection->send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  connection->close();
  co_await waiting.ended.wait();
}

// The end came with the request, before the server's loop had its turn, and is not news again.
TEST_P(HttpServerTest, AnEndThatCameWithTheRequestIsTold) {
  Waiting waiting(runtime_);
  serve(waiting.handler());
  run(send_and_leave_at_once(door(), waiting));
  EXPECT_EQ(waiting.woken, Woken::stopped);
}

// The first fills a new connection's buffer to the last byte, and the news was of both.
TEST_P(HttpServerTest, ARequestLeftInTheSocketByAFullReadIsAnswered) {
  serve(echo);
  constexpr std::size_t kBuffer = 4096;
  std::string bytes = "GET /1 HTTP/1.1\r\nHost: x\r\nX-Pad: ";
  bytes.append(kBuffer - bytes.size() - 4, 'x');
  bytes += "\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  std::string answers;
  run(receive(converse(bytes), answers));
  EXPECT_EQ(count(answers, "HTTP/1.1 200"), 2u) << answers;
}

TEST_P(HttpServerTest, RequestsThatCameTogetherAreAllAnswered) {
  serve(echo);
  constexpr std::size_t kRequests = 1000;
  std::string bytes;
  for (std::size_t i = 0; i < kRequests; ++i) {
    bytes += fmt::format("GET /{} HTTP/1.1\r\nHost: x\r\n{}\r\n", i,
                         i + 1 == kRequests ? "Connection: close\r\n" : "");
  }
  std::string answers;
  run(receive(converse(bytes), answers));
  EXPECT_EQ(count(answers, "HTTP/1.1 200"), kRequests);
  EXPECT_THAT(answers, HasSubstr(fmt::format("GET /{} [", kRequests - 1)));
}

TEST_P(HttpServerTest, AHeadThatComesTooSlowlyIsA408) {
  ServerOptions options;
  options.header_timeout = 40ms;
  serve(echo, options);
  std::string answer;
  run(receive(converse("GET / HTTP/1.1\r\nHos"), answer));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 408 Request Timeout\r\n"));
}

TEST_P(HttpServerTest, ABodyThatStopsComingIsA408) {
  ServerOptions options;
  options.header_timeout = 40ms;
  serve(echo, options);
  std::string answer;
  run(receive(converse("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"), answer));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 408 Request Timeout\r\n"));
}

// Says a little more as long as no answer begins to come: never silent, and never done.
Task<void> trickle(Door door, std::string beginning, std::string more, std::string& answer) {
  auto talk = [door, begins = std::move(beginning), goes_on = std::move(more), &answer] {
    RawConnection connection(door.port, 0, door.wire);
    connection.send(begins);
    for (int i = 0; i < 3000 && !connection.answers_within(5ms); ++i) connection.send(goes_on);
    answer = connection.read_to_end();
  };
  co_await run_blocking(door.runtime, Pool::io, std::move(talk));
}

struct TrickleCase {
  std::string name;
  std::string begins;
  std::string goes_on;
};
class TrickleTest : public Loopback,
                    public ::testing::WithParamInterface<std::tuple<TrickleCase, Wire>> {
 protected:
  TrickleTest() : Loopback(std::get<1>(GetParam())) {}
};

TEST_P(TrickleTest, IsA408) {
  ServerOptions options;
  options.header_timeout = 200ms;
  serve(echo, options);
  std::string answer;
  const auto& tested = std::get<0>(GetParam());
  run(trickle(door(), tested.begins, tested.goes_on, answer));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 408 Request Timeout\r\n"));
  EXPECT_EQ(server_->counters().too_slow, 1u);
}

INSTANTIATE_TEST_SUITE_P(
    Requests, TrickleTest,
    ::testing::Combine(
        ::testing::Values(
            TrickleCase{"head", "GET / HTTP/1.1\r\nA: ", "b"},
            TrickleCase{"empty_lines", "\r\n", "\r\n"},
            TrickleCase{"body", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n", "b"},
            TrickleCase{"chunks",
                        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
                        "1;" + std::string(500, 'e') + "\r\nb\r\n"},
            TrickleCase{"trailers",
                        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
                        "A: b\r\n"}),
        ::testing::Values(Wire::plain, Wire::tls)),
    [](const auto& tested) {
      return std::get<0>(tested.param).name + "_" + name_of(std::get<1>(tested.param));
    });

TEST_P(HttpServerTest, WithoutALeastRateASlowBodyIsWaitedFor) {
  ServerOptions options;
  options.header_timeout = 1s;
  options.min_bytes_per_second = 0;
  serve(echo, options);
  std::string answer;
  run(trickle(door(), "POST / HTTP/1.1\r\nContent-Length: 250\r\n" + kEnd, "b", answer));
  EXPECT_THAT(answer, EndsWith("[" + std::string(250, 'b') + "]"));
}

struct SilentStream {
  explicit SilentStream(Runtime& runtime) : go(runtime) {}
  Notify go;
  int pieces = 0;

  Task<Result<SharedBytes>> next() {
    if (++pieces == 1) co_return SharedBytes::of("first ");
    if (pieces == 3) co_return SharedBytes{};
    co_await go.wait();
    co_return SharedBytes::of("second");
  }
  Task<ServerResponse> handle(ServerRequest request) {
    if (request.path != "/stream") co_return text_response(200, "[]");
    ServerResponse response;
    response.next = [this] { return next(); };
    co_return response;
  }
};

// Meanwhile others, who are idle, meet every timeout three times over.
Task<void> follow(Door door, SilentStream& stream, std::string& heard) {
  const auto follower = co_await door.connect();
  follower->send("GET /stream HTTP/1.1\r\n" + kEnd);
  auto read_first = [&follower] { return follower->read_until("first "); };
  heard = co_await run_blocking(door.runtime, Pool::io, std::move(read_first));
  for (int i = 0; i < 3; ++i) {
    Heard ignored;
    co_await listen(door, ignored);
  }
  stream.go.notify_one();
  auto read_rest = [&follower] { return follower->read_to_end(); };
  heard += co_await run_blocking(door.runtime, Pool::io, std::move(read_rest));
}

TEST_P(HttpServerTest, AStreamMayBeSilentForLongerThanAnyTimeout) {
  ServerOptions options;
  options.header_timeout = options.idle_timeout = options.write_timeout = 100ms;
  SilentStream stream(runtime_);
  serve([&stream](ServerRequest request) { return stream.handle(std::move(request)); }, options);
  std::string heard;
  run(follow(door(), stream, heard));
  EXPECT_THAT(heard, EndsWith("\r\n6\r\nfirst \r\n6\r\nsecond\r\n0\r\n\r\n"));
}

TEST_P(HttpServerTest, AnIdleConnectionIsClosedWithoutAWord) {
  ServerOptions options;
  options.header_timeout = 40ms;
  options.idle_timeout = 40ms;
  serve(echo, options);
  std::string silent, after_one;
  run(receive(converse(""), silent));
  serve(echo, options);
  run(receive(converse("GET /a HTTP/1.1\r\nHost: x\r\n\r\n"), after_one));
  EXPECT_EQ(silent, "");
  EXPECT_THAT(after_one, EndsWith("\r\n\r\nGET /a []"));
}

Task<void> flood(Door door, HttpClient& client, HttpRequest quick) {
  const auto flooding = co_await door.connect();
  flooding->send("NONSENSE\r\n\r\n");
  // Goes on until the server, which has refused, stops reading it away.
  auto send = [&flooding] {
    const std::string bytes(1 << 20, 'x');
    while (flooding->send(bytes)) {
    }
  };
  TaskScope scope(door.runtime);
  struct Flood {
    static Task<void> run(Runtime& on, decltype(send) work) {
      co_await run_blocking(on, Pool::io, std::move(work));
    }
  };
  scope.spawn(Flood::run(door.runtime, send));
  const auto answer = co_await client.send(std::move(quick), {});
  EXPECT_TRUE(answer.has_value());
  co_await scope.close();
}

TEST_P(HttpServerTest, APeerThatFloodsAfterARefusalHoldsNobodyUpAndIsCutOff) {
  serve(echo);
  connect_client();
  run(flood(door(), *client_, get("/quick")));
}

// --- stopping

Task<void> stop_while_handling(Door door, HttpServer& server, Waiting& waiting, std::string& answer,
                               bool lets_go) {
  auto& runtime = door.runtime;
  const auto idle = co_await door.connect();
  const auto busy = co_await door.connect();
  busy->send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  co_await waiting.begun.wait();
  TaskScope scope(runtime);
  scope.spawn(server.stop(lets_go ? std::chrono::milliseconds(1h) : 20ms));
  auto read_idle = [&idle] { return idle->read_to_end(); };
  EXPECT_EQ(co_await run_blocking(runtime, Pool::io, std::move(read_idle)), "");
  EXPECT_EQ(idle->had_goodbye(), door.wire == Wire::tls);
  EXPECT_THROW(RawConnection{server.port()}, std::runtime_error);
  if (lets_go) waiting.go.notify_one();
  auto read_busy = [&busy] { return busy->read_to_end(); };
  answer = co_await run_blocking(runtime, Pool::io, std::move(read_busy));
  co_await scope.close();
}

TEST_P(HttpServerTest, StopLetsARequestInProgressFinish) {
  Waiting waiting(runtime_);
  serve(waiting.handler());
  std::string answer;
  const auto where = door();
  const auto server = std::move(server_);
  run(stop_while_handling(where, *server, waiting, answer, true));
  EXPECT_EQ(waiting.woken, Woken::notified);
  EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\ndone"));
}

TEST_P(HttpServerTest, StopCutsOffWhatIsLeftAfterTheGrace) {
  Waiting waiting(runtime_);
  serve(waiting.handler());
  std::string answer;
  const auto where = door();
  const auto server = std::move(server_);
  run(stop_while_handling(where, *server, waiting, answer, false));
  EXPECT_EQ(waiting.woken, Woken::stopped);
  EXPECT_EQ(answer, "");
}

// --- listening

TEST_P(HttpServerTest, APortThatIsTakenIsAConflict) {
  serve(echo);
  ServerOptions options;
  options.port = server_->port();
  const auto second = make_http_server(runtime_, options, echo);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, ErrorCode::conflict);
  EXPECT_THAT(second.error().message, StartsWith("cannot listen on 127.0.0.1:"));
  run([]() -> Task<void> { co_return; }());
}

TEST_P(HttpServerTest, AnAddressThatIsNoneIsRefused) {
  ServerOptions options;
  options.address = "here";
  const auto server = make_http_server(runtime_, options, echo);
  ASSERT_FALSE(server.has_value());
  EXPECT_EQ(server.error().code, ErrorCode::invalid_request);
}

// --- places

Task<std::string> ask(Runtime& runtime, RawConnection& connection, std::string path) {
  connection.send("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n");
  auto read = [&connection] { return connection.read_until("[]"); };
  co_return co_await run_blocking(runtime, Pool::io, std::move(read));
}

Task<void> take_the_place(Door door, std::vector<std::string>& answers) {
  const auto first = co_await door.connect();
  answers.push_back(co_await ask(door.runtime, *first, "/1"));
  const auto second = co_await door.connect();
  answers.push_back(co_await ask(door.runtime, *second, "/2"));
  auto read = [&first] { return first->read_to_end(); };
  answers.push_back(co_await run_blocking(door.runtime, Pool::io, std::move(read)));
  EXPECT_EQ(first->had_goodbye(), door.wire == Wire::tls);
}

TEST_P(HttpServerTest, ANewConnectionTakesThePlaceOfTheOneThatIsIdleForLongest) {
  ServerOptions options;
  options.max_connections = 1;
  serve(echo, options);
  std::vector<std::string> answers;
  run(take_the_place(door(), answers));
  ASSERT_EQ(answers.size(), 3u);
  EXPECT_THAT(answers[0], EndsWith("GET /1 []"));
  EXPECT_THAT(answers[1], EndsWith("GET /2 []"));
  EXPECT_EQ(answers[2], "");
  const auto counters = server_->counters();
  EXPECT_EQ(counters.places_given_up, 1u);
  EXPECT_EQ(counters.accepted, 2u);
  EXPECT_EQ(counters.turned_away, 0u);
  EXPECT_EQ(counters.too_slow, 0u);
  EXPECT_EQ(counters.open, 0u);
}

Task<void> be_one_too_many(Door door, Waiting& waiting, Heard& heard, std::string& served) {
  const auto busy = co_await door.connect();
  busy->send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  co_await waiting.begun.wait();
  co_await listen(door, heard);
  waiting.go.notify_one();
  auto read = [&busy] { return busy->read_until("done"); };
  served = co_await run_blocking(door.runtime, Pool::io, std::move(read));
}

TEST_P(HttpServerTest, WithoutAnyIdleTheNextConnectionIsTold503AndNobodyLosesHisPlace) {
  ServerOptions options;
  options.max_connections = 1;
  Waiting waiting(runtime_);
  serve(waiting.handler(), options);
  Heard heard;
  std::string served;
  run(be_one_too_many(door(), waiting, heard, served));
  EXPECT_THAT(heard.text, StartsWith("HTTP/1.1 503 Service Unavailable\r\n"));
  EXPECT_THAT(heard.text, HasSubstr("\r\nRetry-After: 1\r\n"));
  EXPECT_THAT(heard.text, HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(heard.text, HasSubstr("try again"));
  EXPECT_FALSE(heard.was_reset);
  EXPECT_THAT(served, EndsWith("done"));
  EXPECT_EQ(server_->counters().turned_away, 1u);
  EXPECT_EQ(server_->counters().refused, 1u);
}

Task<void> crowd(Door door, Waiting& waiting, bool& was_reset) {
  const auto busy = co_await door.connect();
  busy->send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  co_await waiting.begun.wait();
  // Turned away, and waited for: they do not even shake hands.
  std::vector<std::unique_ptr<RawConnection>> silent;
  for (int i = 0; i < 64; ++i) silent.push_back(std::make_unique<RawConnection>(door.port));
  auto connect = [&door, &was_reset] {
    RawConnection last(door.port);
    last.read_to_end();
    was_reset = last.was_reset();
  };
  co_await run_blocking(door.runtime, Pool::io, std::move(connect));
  waiting.go.notify_one();
}

class TlsServerTest : public Loopback {
 protected:
  TlsServerTest() : Loopback(Wire::tls) {}
};

TEST_F(TlsServerTest, WhenTooManyAreBeingTurnedAwayTheNextIsReset) {
  ServerOptions options;
  options.max_connections = 1;
  options.header_timeout = 1h;
  Waiting waiting(runtime_);
  serve(waiting.handler(), options);
  bool was_reset = false;
  run(crowd(door(), waiting, was_reset));
  EXPECT_TRUE(was_reset);
  EXPECT_EQ(server_->counters().turned_away, 65u);
}

// --- TLS itself

struct Met {
  std::string trouble;
  std::string version;
  std::string protocol;
  std::string name;
};
Task<void> meet(Door door, TlsManners manners, Met& met) {
  auto talk = [door, manners, &met] {
    try {
      const RawConnection connection(door.port, 0, Wire::tls, manners);
      met = {"", connection.tls_version(), connection.protocol(), connection.certificates_name()};
    } catch (const std::runtime_error& error) {
      met.trouble = error.what();
    }
  };
  co_await run_blocking(door.runtime, Pool::io, std::move(talk));
}

struct VersionCase {
  std::string name;
  int newest;
  std::string spoken;  // empty: refused
};
class TlsVersionTest : public Loopback, public ::testing::WithParamInterface<VersionCase> {
 protected:
  TlsVersionTest() : Loopback(Wire::tls) {}
};

TEST_P(TlsVersionTest, IsSpokenFrom12On) {
  ServerOptions options;
  std::vector<std::string> failures;
  options.handshake_failed = [&failures](const std::string& peer, const std::string& reason) {
    EXPECT_THAT(peer, StartsWith("127.0.0.1:"));
    failures.push_back(reason);
  };
  serve(echo, options);
  Met met;
  run(meet(door(), {.newest_version = GetParam().newest}, met));
  EXPECT_EQ(met.version, GetParam().spoken);
  const bool is_refused = GetParam().spoken.empty();
  EXPECT_EQ(met.trouble.empty(), !is_refused) << met.trouble;
  EXPECT_EQ(server_->counters().handshakes_failed, is_refused ? 1u : 0u);
  if (is_refused) {
    EXPECT_THAT(failures, ElementsAre("unsupported protocol"));
    EXPECT_THAT(met.trouble, HasSubstr("protocol version"));
  } else {
    EXPECT_THAT(failures, IsEmpty());
  }
}

INSTANTIATE_TEST_SUITE_P(Versions, TlsVersionTest,
                         ::testing::Values(VersionCase{"v1_0", TLS1_VERSION, ""},
                                           VersionCase{"v1_1", TLS1_1_VERSION, ""},
                                           VersionCase{"v1_2", TLS1_2_VERSION, "TLSv1.2"},
                                           VersionCase{"v1_3", TLS1_3_VERSION, "TLSv1.3"}),
                         [](const auto& tested) { return tested.param.name; });

struct ProtocolCase {
  std::string name;
  std::string offered;
  std::string spoken;
  bool is_refused = false;
};
class TlsProtocolTest : public Loopback, public ::testing::WithParamInterface<ProtocolCase> {
 protected:
  TlsProtocolTest() : Loopback(Wire::tls) {}
};

TEST_P(TlsProtocolTest, IsHttp11WhereAskedFor) {
  serve(echo);
  Met met;
  run(meet(door(), {.protocols = GetParam().offered}, met));
  EXPECT_EQ(met.protocol, GetParam().spoken);
  EXPECT_EQ(!met.trouble.empty(), GetParam().is_refused) << met.trouble;
}

INSTANTIATE_TEST_SUITE_P(Offers, TlsProtocolTest,
                         ::testing::Values(ProtocolCase{"none", "", ""},
                                           ProtocolCase{"http11", "\x08http/1.1", "http/1.1"},
                                           ProtocolCase{"both", std::string("\x02h2\x08http/1.1"),
                                                        "http/1.1"},
                                           ProtocolCase{"h2_only", "\x02h2", "", true}),
                         [](const auto& tested) { return tested.param.name; });

Task<void> renegotiate(Door door, bool& succeeded) {
  auto talk = [door, &succeeded] {
    RawConnection connection(door.port, 0, Wire::tls, {.newest_version = TLS1_2_VERSION});
    connection.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    connection.read_until("[]");
    succeeded = connection.renegotiate();
  };
  co_await run_blocking(door.runtime, Pool::io, std::move(talk));
}

TEST_F(TlsServerTest, DoesNotRenegotiate) {
  serve(echo);
  bool succeeded = true;
  run(renegotiate(door(), succeeded));
  EXPECT_FALSE(succeeded);
}

TEST_F(TlsServerTest, PlainHttpIsToldToUseHttps) {
  serve(echo);
  Heard heard;
  auto to = door();
  to.wire = Wire::plain;
  run(listen(to, heard));
  EXPECT_THAT(heard.text, StartsWith("HTTP/1.1 400 Bad Request\r\n"));
  EXPECT_THAT(heard.text, EndsWith("use https:// here\n"));
  EXPECT_FALSE(heard.was_reset);
  EXPECT_EQ(server_->counters().handshakes_failed, 0u);
}

TEST_F(TlsServerTest, AHandshakeThatDoesNotComeIsNotWaitedForLong) {
  ServerOptions options;
  options.header_timeout = 40ms;
  serve(echo, options);
  Heard heard;
  auto to = door();
  to.wire = Wire::plain;
  run(listen(to, heard, "\x16\x03\x01"));
  EXPECT_EQ(heard.text, "");
  EXPECT_EQ(server_->counters().too_slow, 1u);
}

TEST_F(TlsServerTest, WhatIsNoTlsAtAllIsAFailedHandshake) {
  ServerOptions options;
  std::vector<std::string> failures;
  options.handshake_failed = [&failures](const std::string&, const std::string& reason) {
    failures.push_back(reason);
  };
  serve(echo, options);
  Heard heard;
  auto to = door();
  to.wire = Wire::plain;
  run(listen(to, heard, std::string(100, '\0')));
  EXPECT_EQ(failures.size(), 1u);
}

Task<void> say_goodbye_and_listen(Door door, Waiting& waiting, std::string& answer) {
  const auto connection = co_await door.connect();
  connection->send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  co_await waiting.begun.wait();
  connection->say_goodbye();
  co_await waiting.ended.wait();
  auto read = [&connection] { return connection->read_to_end(); };
  answer = co_await run_blocking(door.runtime, Pool::io, std::move(read));
}

TEST_F(TlsServerTest, AGoodbyeIsTheEndOfThePeersSideAndItGetsItsAnswer) {
  Waiting waiting(runtime_);
  serve(waiting.handler());
  std::string answer;
  run(say_goodbye_and_listen(door(), waiting, answer));
  EXPECT_EQ(waiting.woken, Woken::stopped);
  EXPECT_THAT(answer, EndsWith("\r\n\r\ndone"));
}

// --- certificates

struct FilesCase {
  std::string name;
  std::function<TlsFiles(const TemporaryFolder&, const Certificate&)> make;
  std::string message;
};
class TlsFilesTest : public Loopback, public ::testing::WithParamInterface<FilesCase> {};

TEST_P(TlsFilesTest, ThatCannotBeUsedAreOneSentence) {
  const TemporaryFolder folder;
  ServerOptions options;
  options.tls = GetParam().make(folder, make_certificate("one"));
  const auto server = make_http_server(runtime_, options, echo);
  ASSERT_FALSE(server.has_value());
  EXPECT_EQ(server.error().code, ErrorCode::invalid_request);
  EXPECT_THAT(server.error().message, HasSubstr(GetParam().message));
  EXPECT_THAT(server.error().message, HasSubstr(folder.path("")));
}

INSTANTIATE_TEST_SUITE_P(
    Files, TlsFilesTest,
    ::testing::Values(
        FilesCase{"no_certificate",
                  [](const TemporaryFolder& folder, const Certificate& made) {
                    return TlsFiles{folder.path("cert"), folder.write("key", made.key_pem)};
                  },
                  "cert cannot be read: No such file or directory"},
        FilesCase{"certificate_is_none",
                  [](const TemporaryFolder& folder, const Certificate& made) {
                    return TlsFiles{folder.write("cert", "hello"),
                                    folder.write("key", made.key_pem)};
                  },
                  "cert has no certificate in PEM form"},
        FilesCase{"certificate_is_cut",
                  [](const TemporaryFolder& folder, const Certificate& made) {
                    return TlsFiles{folder.write("cert", made.certificate_pem.substr(0, 200)),
                                    folder.write("key", made.key_pem)};
                  },
                  "cert has no certificate in PEM form"},
        FilesCase{"no_key",
                  [](const TemporaryFolder& folder, const Certificate& made) {
                    return TlsFiles{folder.write("cert", made.certificate_pem), folder.path("key")};
                  },
                  "key cannot be read: No such file or directory"},
        FilesCase{"key_is_none",
                  [](const TemporaryFolder& folder, const Certificate& made) {
                    const auto file = folder.write("cert", made.certificate_pem);
                    return TlsFiles{file, file};
                  },
                  "cert has no private key in PEM form"},
        FilesCase{"key_is_encrypted",
                  [](const TemporaryFolder& folder, const Certificate& made) {
                    return TlsFiles{folder.write("cert", made.certificate_pem),
                                    folder.write("key", made.encrypted_key_pem)};
                  },
                  "key is encrypted: give one without a passphrase"},
        FilesCase{"key_of_another",
                  [](const TemporaryFolder& folder, const Certificate& made) {
                    return TlsFiles{folder.write("cert", made.certificate_pem),
                                    folder.write("key", make_certificate("two").key_pem)};
                  },
                  "key does not belong to the certificate "}),
    [](const auto& tested) { return tested.param.name; });

struct Reloading {
  TemporaryFolder folder;
  std::string old_connection;
  std::vector<std::string> names;
  std::optional<Result<void>> good;
  std::optional<Result<void>> bad;

  TlsFiles write(const std::string& name) const {
    const auto made = make_certificate(name);
    return {folder.write("cert", made.certificate_pem), folder.write("key", made.key_pem)};
  }
};

Task<void> renew(Door door, HttpServer& server, Reloading& reloading) {
  const auto old = co_await door.connect();
  reloading.names.push_back(old->certificates_name());
  reloading.write("two");
  reloading.good = co_await server.reload_tls();
  const auto renewed = co_await door.connect();
  reloading.names.push_back(renewed->certificates_name());
  reloading.folder.write("key", "hello");
  reloading.bad = co_await server.reload_tls();
  const auto later = co_await door.connect();
  reloading.names.push_back(later->certificates_name());
  reloading.old_connection = co_await ask(door.runtime, *old, "/old");
}

class HttpServerReloadTest : public Loopback {};

TEST_F(HttpServerReloadTest, TakesANewCertificateForNewConnectionsAndKeepsTheOldWhenItIsBad) {
  Reloading reloading;
  ServerOptions options;
  options.tls = reloading.write("one");
  serve(echo, options);
  run(renew({runtime_, server_->port(), Wire::tls}, *server_, reloading));
  EXPECT_THAT(reloading.names, ElementsAre("one", "two", "two"));
  EXPECT_TRUE(reloading.good->has_value());
  ASSERT_FALSE(reloading.bad->has_value());
  EXPECT_THAT(reloading.bad->error().message, HasSubstr("has no private key in PEM form"));
  EXPECT_THAT(reloading.old_connection, EndsWith("GET /old []"));
}

}  // namespace
}  // namespace betedge::net
