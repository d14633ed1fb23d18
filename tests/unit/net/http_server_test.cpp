#include "betedge/net/http_server.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "loopback.hpp"

namespace betedge::net {
namespace {

using namespace std::chrono_literals;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class HttpServerTest : public Loopback {};

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
class RawTest : public Loopback, public ::testing::WithParamInterface<RawCase> {};

TEST_P(RawTest, IsAnswered) {
  ServerOptions options;
  options.max_body_bytes = 1000;
  options.max_header_bytes = 2000;
  serve(echo, options);
  std::string answer;
  run(receive(converse(GetParam().bytes), answer));
  EXPECT_THAT(answer, StartsWith(GetParam().begins));
  EXPECT_EQ(count(answer, "HTTP/1.1 "), GetParam().answers) << answer;
  EXPECT_EQ(count(answer, "Connection: close"), 1u) << answer;
}

const std::string kEnd = "Host: x\r\nConnection: close\r\n\r\n";

INSTANTIATE_TEST_SUITE_P(
    Requests, RawTest,
    ::testing::Values(
        RawCase{"plain", "GET /a HTTP/1.1\r\n" + kEnd, "HTTP/1.1 200 OK\r\n"},
        RawCase{"after_empty_lines", "\r\n\r\nGET /a HTTP/1.1\r\n" + kEnd, "HTTP/1.1 200 OK\r\n"},
        RawCase{"http_1_0", "GET /a HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK\r\n"},
        RawCase{
            "two_pipelined",
            "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhiGET /b HTTP/1.1\r\n" + kEnd,
            "HTTP/1.1 200 OK\r\n", 2},
        RawCase{"chunked_and_pipelined",
                "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                "2\r\nhi\r\n0\r\n\r\nGET /b HTTP/1.1\r\n" +
                    kEnd,
                "HTTP/1.1 200 OK\r\n", 2},
        RawCase{"expecting_continue",
                "POST /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n" + kEnd + "hi",
                "HTTP/1.1 200 OK\r\n"},
        RawCase{"smuggled",
                "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n"
                "\r\n0\r\n\r\nGET /b HTTP/1.1\r\n" +
                    kEnd,
                "HTTP/1.1 400 Bad Request\r\n"},
        RawCase{"two_hosts", "GET /a HTTP/1.1\r\nHost: y\r\n" + kEnd, "HTTP/1.1 400 "},
        RawCase{"no_host", "GET /a HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "},
        RawCase{"folded", "GET /a HTTP/1.1\r\nA: b\r\n c\r\n" + kEnd, "HTTP/1.1 400 "},
        RawCase{"line_feeds_alone", "GET /a HTTP/1.1\nHost: x\n\n", "HTTP/1.1 400 "},
        RawCase{"tls", "\x16\x03\x01\x02\n", "HTTP/1.1 400 "},
        RawCase{"bad_escape", "GET /%4 HTTP/1.1\r\n" + kEnd, "HTTP/1.1 400 "},
        RawCase{"unknown_method", "BREW /a HTTP/1.1\r\n" + kEnd,
                "HTTP/1.1 501 Not Implemented\r\n"},
        RawCase{"huge_header", "GET /a HTTP/1.1\r\nA: " + std::string(5000, 'a') + "\r\n" + kEnd,
                "HTTP/1.1 431 "},
        RawCase{"huge_request_line", "GET /" + std::string(100'000, 'a'), "HTTP/1.1 431 "},
        RawCase{
            "huge_body",
            "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n" + std::string(1001, 'a'),
            "HTTP/1.1 413 Content Too Large\r\n"},
        RawCase{"huge_chunk",
                "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" +
                    std::string(1001, 'a'),
                "HTTP/1.1 413 "},
        RawCase{"after_a_good_one_a_bad_one", "GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET b\r\n\r\n",
                "HTTP/1.1 200 OK\r\n", 2}),
    [](const auto& tested) { return tested.param.name; });

TEST_F(HttpServerTest, ReadsTheBodyAndDecodesThePath) {
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
  auto response = text_response(200, text);
  response.headers.emplace_back("X-Split", "a\r\nX-Evil: b");
  response.headers.emplace_back("content-length", "3");
  response.headers.emplace_back("Connection", "upgrade");
  co_return response;
}

TEST_F(HttpServerTest, GivesTheHandlerHeadersParametersAndPeerAndKeepsItsOwnHeaders) {
  serve(show);
  std::string answer;
  run(receive(converse("GET /?a=1&b=x%2By+z&b=2 HTTP/1.1\r\nX-THING: 7 \r\n" + kEnd), answer));
  EXPECT_THAT(answer, EndsWith("\r\n\r\n7|x+y z|local"));
  EXPECT_THAT(answer, HasSubstr("X-Split: a  X-Evil: b\r\n"));
  EXPECT_EQ(count(answer, "ontent-"), 2u) << answer;  // the type, and one length
  EXPECT_THAT(answer, Not(HasSubstr("upgrade")));
}

TEST_F(HttpServerTest, AnswersHeadLikeGetWithoutTheBody) {
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

TEST_F(HttpServerTest, ANoContentHasNeitherBodyNorLength) {
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

TEST_F(HttpServerTest, AHandlerThatThrowsIsA500AndTheConnectionGoesOn) {
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

TEST_F(HttpServerTest, RefusalsHaveTheBodyTheyShouldHave) {
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

TEST_F(HttpServerTest, SendsPiecesChunkedAndTheNextAnswerAfterThem) {
  Script script{.pieces = {"hello", std::string(16, 'x')}};
  serve(script.handler());
  std::string answer;
  run(receive(converse("GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\n" + kEnd), answer));
  const std::string body = "\r\n\r\n5\r\nhello\r\n10\r\nxxxxxxxxxxxxxxxx\r\n0\r\n\r\n";
  EXPECT_EQ(count(answer, body), 2u) << answer;
  EXPECT_EQ(count(answer, "Transfer-Encoding: chunked\r\n"), 2u);
}

TEST_F(HttpServerTest, SendsPiecesOfAKnownLengthPlainly) {
  Script script{.pieces = {"hello", " world"}, .content_length = 11};
  serve(script.handler());
  std::string answer;
  run(receive(converse("GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\n" + kEnd), answer));
  EXPECT_EQ(count(answer, "\r\n\r\nhello world"), 2u) << answer;
  EXPECT_EQ(count(answer, "Content-Length: 11\r\n"), 2u);
}

TEST_F(HttpServerTest, EndsABodyInPiecesForHttp10WithTheConnection) {
  Script script{.pieces = {"hello", " world"}};
  serve(script.handler());
  std::string answer;
  run(receive(converse("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), answer));
  EXPECT_THAT(answer, EndsWith("Connection: close\r\n\r\nhello world"));
}

TEST_F(HttpServerTest, DoesNotAskForPiecesForHead) {
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
};
Task<void> listen(Runtime& runtime, std::uint16_t port, Heard& heard) {
  auto talk = [port, &heard] {
    RawConnection connection(port);
    connection.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    heard.text = connection.read_to_end();
    heard.was_reset = connection.was_reset();
  };
  co_await run_blocking(runtime, Pool::io, std::move(talk));
}

TEST_F(HttpServerTest, AnErrorOfNextResetsTheConnection) {
  Script script{.pieces = {"hello", fail(ErrorCode::internal, "out of rows")}};
  serve(script.handler());
  Heard heard;
  run(listen(runtime_, server_->port(), heard));
  EXPECT_TRUE(heard.was_reset);
}

TEST_F(HttpServerTest, PiecesBeyondTheContentLengthResetTheConnection) {
  Script script{.pieces = {"hello", " world"}, .content_length = 8};
  serve(script.handler());
  Heard heard;
  run(listen(runtime_, server_->port(), heard));
  EXPECT_TRUE(heard.was_reset);
}

TEST_F(HttpServerTest, PiecesThatEndTooEarlyCloseTheConnection) {
  Script script{.pieces = {"hello"}, .content_length = 8};
  serve(script.handler());
  Heard heard;
  run(listen(runtime_, server_->port(), heard));
  EXPECT_FALSE(heard.was_reset);
  EXPECT_THAT(heard.text, EndsWith("\r\n\r\nhello"));
}

Task<ServerResponse> drop(ServerRequest) {
  ServerResponse response;
  response.drop_connection = true;
  co_return response;
}

TEST_F(HttpServerTest, ADroppedConnectionIsOneWithoutAnAnswer) {
  serve(drop);
  Heard heard;
  run(listen(runtime_, server_->port(), heard));
  EXPECT_EQ(heard.text, "");
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
Task<void> never_read(Runtime& runtime, HttpClient& client, HttpRequest quick, std::uint16_t port,
                      Endless& endless) {
  auto connect = [port] {
    RawConnection connection(port, 8192);
    connection.send("GET /endless HTTP/1.1\r\nHost: x\r\n\r\n");
    return connection;
  };
  auto stalled = co_await run_blocking(runtime, Pool::io, std::move(connect));
  while (endless.asked == 0) co_await endless.asked_more.wait();
  auto answer = co_await client.send(quick, {});
  EXPECT_TRUE(answer.has_value());
  if (!answer) co_return;
  const auto body = co_await read_all(*std::move(answer), 100);
  EXPECT_EQ(body, "quick");
  auto read = [&stalled] { return stalled.read_to_end().size(); };
  const auto size = co_await run_blocking(runtime, Pool::io, std::move(read));
  EXPECT_LT(size, endless.asked << 20);
}

TEST_F(HttpServerTest, APeerThatDoesNotReadIsDroppedAndHoldsNobodyUp) {
  ServerOptions options;
  options.write_timeout = 100ms;
  Endless endless(runtime_);
  serve(endless.handler(), options);
  client_ = make_http_client(runtime_).value();
  run(never_read(runtime_, *client_, get("/quick"), server_->port(), endless));
}

Task<void> leave(Runtime& runtime, std::uint16_t port, Endless& endless) {
  auto talk = [port] {
    RawConnection connection(port);
    connection.send("GET /endless HTTP/1.1\r\nHost: x\r\n\r\n");
    connection.read_until("\r\n\r\n");
  };
  co_await run_blocking(runtime, Pool::io, std::move(talk));
  EXPECT_GT(endless.asked, 0u);
}

TEST_F(HttpServerTest, NoMorePiecesAreAskedForOnceThePeerIsGone) {
  Endless endless(runtime_);
  serve(endless.handler());
  // An hour: stop() returns when the session has ended by itself.
  run(leave(runtime_, server_->port(), endless), 1h);
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

Task<void> send_and_leave(std::uint16_t port, Waiting& waiting) {
  RawConnection connection(port);
  connection.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  co_await waiting.begun.wait();
  connection.close();
  co_await waiting.ended.wait();
}

TEST_F(HttpServerTest, AHandlerThatWaitsIsToldThatItsPeerIsGone) {
  Waiting waiting(runtime_);
  serve(waiting.handler());
  run(send_and_leave(server_->port(), waiting));
  EXPECT_EQ(waiting.woken, Woken::stopped);
}

TEST_F(HttpServerTest, AHeadThatComesTooSlowlyIsA408) {
  ServerOptions options;
  options.header_timeout = 40ms;
  serve(echo, options);
  std::string answer;
  run(receive(converse("GET / HTTP/1.1\r\nHos"), answer));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 408 Request Timeout\r\n"));
}

TEST_F(HttpServerTest, ABodyThatStopsComingIsA408) {
  ServerOptions options;
  options.header_timeout = 40ms;
  serve(echo, options);
  std::string answer;
  run(receive(converse("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"), answer));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 408 Request Timeout\r\n"));
}

TEST_F(HttpServerTest, AnIdleConnectionIsClosedWithoutAWord) {
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

Task<void> flood(Runtime& runtime, HttpClient& client, HttpRequest quick, std::uint16_t port) {
  auto flooding = std::make_unique<RawConnection>(port);
  flooding->send("NONSENSE\r\n\r\n");
  // Goes on until the server, which has refused, stops reading it away.
  auto send = [&flooding] {
    const std::string bytes(1 << 20, 'x');
    while (flooding->send(bytes)) {
    }
  };
  TaskScope scope(runtime);
  struct Flood {
    static Task<void> run(Runtime& on, decltype(send) work) {
      co_await run_blocking(on, Pool::io, std::move(work));
    }
  };
  scope.spawn(Flood::run(runtime, send));
  const auto answer = co_await client.send(std::move(quick), {});
  EXPECT_TRUE(answer.has_value());
  co_await scope.close();
}

TEST_F(HttpServerTest, APeerThatFloodsAfterARefusalHoldsNobodyUpAndIsCutOff) {
  serve(echo);
  client_ = make_http_client(runtime_).value();
  run(flood(runtime_, *client_, get("/quick"), server_->port()));
}

// --- stopping

Task<void> stop_while_handling(Runtime& runtime, HttpServer& server, Waiting& waiting,
                               std::string& answer, bool lets_go) {
  RawConnection idle(server.port());
  RawConnection busy(server.port());
  busy.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  co_await waiting.begun.wait();
  TaskScope scope(runtime);
  scope.spawn(server.stop(lets_go ? std::chrono::milliseconds(1h) : 20ms));
  auto read_idle = [&idle] { return idle.read_to_end(); };
  EXPECT_EQ(co_await run_blocking(runtime, Pool::io, std::move(read_idle)), "");
  EXPECT_THROW(RawConnection{server.port()}, std::runtime_error);
  if (lets_go) waiting.go.notify_one();
  auto read_busy = [&busy] { return busy.read_to_end(); };
  answer = co_await run_blocking(runtime, Pool::io, std::move(read_busy));
  co_await scope.close();
}

TEST_F(HttpServerTest, StopLetsARequestInProgressFinish) {
  Waiting waiting(runtime_);
  serve(waiting.handler());
  std::string answer;
  const auto server = std::move(server_);
  run(stop_while_handling(runtime_, *server, waiting, answer, true));
  EXPECT_EQ(waiting.woken, Woken::notified);
  EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\ndone"));
}

TEST_F(HttpServerTest, StopCutsOffWhatIsLeftAfterTheGrace) {
  Waiting waiting(runtime_);
  serve(waiting.handler());
  std::string answer;
  const auto server = std::move(server_);
  run(stop_while_handling(runtime_, *server, waiting, answer, false));
  EXPECT_EQ(waiting.woken, Woken::stopped);
  EXPECT_EQ(answer, "");
}

// --- listening

TEST_F(HttpServerTest, APortThatIsTakenIsAConflict) {
  serve(echo);
  ServerOptions options;
  options.port = server_->port();
  const auto second = make_http_server(runtime_, options, echo);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, ErrorCode::conflict);
  EXPECT_THAT(second.error().message, StartsWith("cannot listen on 127.0.0.1:"));
  run([]() -> Task<void> { co_return; }());
}

TEST_F(HttpServerTest, AnAddressThatIsNoneIsRefused) {
  ServerOptions options;
  options.address = "here";
  const auto server = make_http_server(runtime_, options, echo);
  ASSERT_FALSE(server.has_value());
  EXPECT_EQ(server.error().code, ErrorCode::invalid_request);
}

Task<void> knock(Runtime& runtime, std::uint16_t port, std::vector<std::string>& answers) {
  auto first = std::make_unique<RawConnection>(port);
  first->send("GET /1 HTTP/1.1\r\nHost: x\r\n\r\n");
  auto read_first = [&first] { return first->read_until("[]"); };
  answers.push_back(co_await run_blocking(runtime, Pool::io, read_first));
  RawConnection second(port);
  second.send("GET /2 HTTP/1.1\r\nHost: x\r\n\r\n");
  first->send("GET /3 HTTP/1.1\r\nHost: x\r\n\r\n");
  answers.push_back(co_await run_blocking(runtime, Pool::io, read_first));
  first.reset();
  auto read_second = [&second] { return second.read_until("[]"); };
  answers.push_back(co_await run_blocking(runtime, Pool::io, read_second));
}

TEST_F(HttpServerTest, ConnectionsBeyondTheMostWaitTheirTurn) {
  ServerOptions options;
  options.max_connections = 1;
  serve(echo, options);
  std::vector<std::string> answers;
  run(knock(runtime_, server_->port(), answers));
  ASSERT_EQ(answers.size(), 3u);
  EXPECT_THAT(answers[0], EndsWith("GET /1 []"));
  EXPECT_THAT(answers[1], EndsWith("GET /3 []"));
  EXPECT_THAT(answers[2], EndsWith("GET /2 []"));
}

}  // namespace
}  // namespace betedge::net
