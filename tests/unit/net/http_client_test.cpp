#include "betedge/net/http_client.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include <map>
#include <string>
#include <vector>

#include "certificates.hpp"
#include "loopback.hpp"

namespace betedge::net {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

struct Got {
  std::optional<Error> error;
  int status = 0;
  std::string body;
};

Task<void> fetch(HttpClient& client, HttpRequest request, Got& got, std::stop_token stop = {}) {
  auto response = co_await client.send(std::move(request), stop);
  if (!response) {
    got.error = response.error();
    co_return;
  }
  got.status = (*response)->status();
  while (true) {
    const auto bytes = co_await (*response)->next();
    if (!bytes) {
      got.error = bytes.error();
      co_return;
    }
    if (bytes->empty()) co_return;
    got.body += as_text(*bytes);
  }
}

class HttpClientTest : public Loopback {
 protected:
  HttpClientTest() { client_ = make_http_client(runtime_).value(); }
};

// --- requests

std::string in_words(const ServerRequest& request) {
  std::string text = fmt::format("{} {}\n", request.method, request.path);
  for (const auto& [name, value] : request.headers) text += fmt::format("{}: {}\n", name, value);
  return text + "\n" + request.body;
}

Task<ServerResponse> echo(ServerRequest request) {
  auto response = text_response(207, in_words(request));
  response.headers.emplace_back("X-Thing", "one");
  response.headers.emplace_back("X-Thing", "two");
  co_return response;
}

TEST_F(HttpClientTest, SendsItsMethodHeadersAndBody) {
  serve(echo);
  auto request = get("/a/../b?c=%20");
  request.method = "POST";
  request.headers = {{"X-One", "1"}, {"X-Empty", ""}};
  request.body = "hello";
  Got got;
  run(fetch(*client_, request, got));
  EXPECT_EQ(got.error, std::nullopt);
  EXPECT_EQ(got.status, 207);
  EXPECT_EQ(got.body, fmt::format("POST /a/../b\nHost: 127.0.0.1:{}\nAccept: */*\nX-One: 1\n"
                                  "X-Empty: \nContent-Length: 5\n\nhello",
                                  server_->port()));
}

// --- packed bodies

std::string gzipped(std::string_view text) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string packed(deflateBound(&stream, text.size()) + 32, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

std::string long_text() {
  std::string text;
  for (int i = 0; i < 400'000; ++i) text += fmt::format("{:x},", i * std::int64_t{7919});
  return text;
}

Task<ServerResponse> packed(ServerRequest request) {
  if (!request.header("Accept-Encoding").value_or("").contains("gzip"))
    co_return text_response(200, "not asked for");
  auto text =
      request.path == "/broken" ? std::string("this is no gzip at all") : gzipped(long_text());
  auto response = text_response(200, std::move(text));
  response.headers.emplace_back("Content-Encoding", "gzip");
  co_return response;
}

TEST_F(HttpClientTest, UnpacksABodyWhenItAskedForAPackedOne) {
  serve(packed);
  Got got;
  auto request = get("/");
  request.coding = ContentCoding::gzip;
  run(fetch(*client_, request, got));
  EXPECT_EQ(got.error, std::nullopt);
  EXPECT_EQ(got.body, long_text());
}

TEST_F(HttpClientTest, DoesNotAskForAPackedBodyByItself) {
  serve(packed);
  Got got;
  run(fetch(*client_, get("/"), got));
  EXPECT_EQ(got.body, "not asked for");
}

TEST_F(HttpClientTest, FailsOnABodyThatCannotBeUnpacked) {
  serve(packed);
  Got got;
  auto request = get("/broken");
  request.coding = ContentCoding::gzip;
  run(fetch(*client_, request, got));
  ASSERT_TRUE(got.error);
  EXPECT_EQ(got.error->code, ErrorCode::upstream_failed);
}

struct MethodCase {
  std::string method;
  std::string body;
  bool says_length;
};
class MethodTest : public Loopback, public ::testing::WithParamInterface<MethodCase> {};

TEST_P(MethodTest, HasItsLength) {
  ServerOptions options;
  options.max_body_bytes = 100 << 20;
  serve(echo, options);
  auto request = get("/a");
  request.method = GetParam().method;
  request.body = GetParam().body;
  Got got;
  client_ = make_http_client(runtime_).value();
  run(fetch(*client_, request, got));
  EXPECT_EQ(got.error, std::nullopt);
  EXPECT_TRUE(got.body.starts_with(GetParam().method + " /a\n"));
  EXPECT_TRUE(got.body.ends_with("\n\n" + GetParam().body));
  const auto length = fmt::format("Content-Length: {}\n", GetParam().body.size());
  EXPECT_EQ(got.body.find(length) != std::string::npos, GetParam().says_length);
  EXPECT_EQ(got.body.find("Expect"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(
    Methods, MethodTest,
    ::testing::Values(MethodCase{"GET", "", false}, MethodCase{"DELETE", "", false},
                      MethodCase{"POST", "", true}, MethodCase{"PUT", "", true},
                      MethodCase{"POST", "x", true}, MethodCase{"PUT", "xyz", true},
                      MethodCase{"DELETE", "xyz", true},
                      MethodCase{"POST", std::string(5 << 20, 'y'), true}),
    [](const auto& tested) {
      return tested.param.method + std::to_string(tested.param.body.size());
    });

Task<void> look_at_headers(HttpClient& client, HttpRequest request) {
  auto response = co_await client.send(std::move(request), {});
  EXPECT_TRUE(response.has_value());
  if (!response) co_return;
  EXPECT_EQ((*response)->header("x-thing"), "one");
  EXPECT_EQ((*response)->header("X-NONE"), std::nullopt);
  const auto body = co_await (*response)->next();
  EXPECT_TRUE(body.has_value() && body->empty());
}

TEST_F(HttpClientTest, AnswersToHeadHaveHeadersAndNoBody) {
  serve(echo);
  auto request = get("/a");
  request.method = "HEAD";
  run(look_at_headers(*client_, request));
}

TEST_F(HttpClientTest, SendsAFileFromItsBeginning) {
  ServerOptions options;
  options.max_body_bytes = 100 << 20;
  serve(echo, options);
  std::string content;
  for (int i = 0; content.size() < 3'000'000; ++i) content += std::to_string(i);
  const int fd = ::memfd_create("upload", MFD_CLOEXEC);
  ASSERT_EQ(::write(fd, content.data(), content.size()), static_cast<ssize_t>(content.size()));
  auto request = get("/a");
  request.method = "PUT";
  request.upload_fd = fd;
  request.upload_bytes = content.size();
  Got got;
  run(fetch(*client_, request, got));
  ::close(fd);
  EXPECT_EQ(got.error, std::nullopt);
  EXPECT_TRUE(got.body.ends_with("\n\n" + content));
}

TEST_F(HttpClientTest, AFileShorterThanWasSaidIsOurFault) {
  serve(echo);
  const int fd = ::memfd_create("upload", MFD_CLOEXEC);
  ASSERT_EQ(::write(fd, "abc", 3), 3);
  auto request = get("/a");
  request.method = "PUT";
  request.upload_fd = fd;
  request.upload_bytes = 10;
  Got got;
  run(fetch(*client_, request, got));
  ::close(fd);
  ASSERT_TRUE(got.error);
  EXPECT_EQ(got.error->code, ErrorCode::internal);
}

Task<ServerResponse> peer_of(ServerRequest request) {
  co_return text_response(200, request.peer);
}

Task<void> fetch_both(HttpClient& client, HttpRequest request, Got& first, Got& second) {
  co_await fetch(client, request, first);
  co_await fetch(client, request, second);
}

TEST_F(HttpClientTest, ReusesItsConnection) {
  serve(peer_of);
  Got first, second;
  run(fetch_both(*client_, get("/"), first, second));
  EXPECT_EQ(first.error, std::nullopt);
  EXPECT_EQ(first.body, second.body);
}

TEST_F(HttpClientTest, TakesNoProxyFromTheEnvironment) {
  serve(peer_of);
  ::setenv("http_proxy", fmt::format("http://127.0.0.1:{}", closed_port()).c_str(), 1);
  Got got;
  run(fetch(*client_, get("/"), got));
  ::unsetenv("http_proxy");
  EXPECT_EQ(got.error, std::nullopt);
}

Task<ServerResponse> elsewhere(ServerRequest) {
  auto response = text_response(302, "there");
  response.headers.emplace_back("Location", "/there");
  co_return response;
}

TEST_F(HttpClientTest, DoesNotFollowRedirects) {
  serve(elsewhere);
  Got got;
  run(fetch(*client_, get("/"), got));
  EXPECT_EQ(got.status, 302);
}

// --- failures

TEST_F(HttpClientTest, APortWithoutListenerIsUnavailable) {
  Got got;
  HttpRequest request;
  const auto port = closed_port();
  request.url = fmt::format("http://127.0.0.1:{}/", port);
  run(fetch(*client_, request, got));
  ASSERT_TRUE(got.error);
  EXPECT_EQ(got.error->code, ErrorCode::upstream_unavailable);
  EXPECT_EQ(got.error->message,
            fmt::format("nobody listens on 127.0.0.1:{} (connection refused)", port));
}

class BadUrlTest : public Loopback, public ::testing::WithParamInterface<std::string> {};

TEST_P(BadUrlTest, IsAnInvalidRequest) {
  Got got;
  HttpRequest request;
  request.url = GetParam();
  client_ = make_http_client(runtime_).value();
  run(fetch(*client_, request, got));
  ASSERT_TRUE(got.error);
  EXPECT_EQ(got.error->code, ErrorCode::invalid_request);
}

INSTANTIATE_TEST_SUITE_P(Urls, BadUrlTest,
                         ::testing::Values("file:///etc/hostname", "", "127.0.0.1:1/a",
                                           "ftp://127.0.0.1/", "http://", "http://[::1/"));

struct BrokenCase {
  std::string name;
  std::string answer;
  bool resets = false;
  std::string message;
  std::string body = {};
};
class BrokenTest : public Loopback, public ::testing::WithParamInterface<BrokenCase> {};

Task<void> fetch_from_script(Runtime& runtime, HttpClient& client, ScriptedServer& script,
                             HttpRequest request, Got& got) {
  // The listener is there already, so it does not matter which of the two begins.
  TaskScope scope(runtime);
  scope.spawn(fetch(client, std::move(request), got));
  auto play = [&script] { script.play(); };
  co_await run_blocking(runtime, Pool::io, std::move(play));
  co_await scope.close();
}

TEST_P(BrokenTest, IsUpstreamFailedInWords) {
  ScriptedServer script({{GetParam().answer, GetParam().resets}});
  HttpRequest request;
  request.url = fmt::format("http://127.0.0.1:{}/", script.port());
  Got got;
  client_ = make_http_client(runtime_).value();
  run(fetch_from_script(runtime_, *client_, script, request, got));
  ASSERT_TRUE(got.error) << got.body;
  EXPECT_EQ(got.error->code, ErrorCode::upstream_failed) << got.error->message;
  EXPECT_THAT(got.error->message, HasSubstr(GetParam().message));
  EXPECT_THAT(got.error->message, HasSubstr(fmt::format("127.0.0.1:{}", script.port())));
  if (!GetParam().resets) {
    EXPECT_EQ(got.body, GetParam().body);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Answers, BrokenTest,
    ::testing::Values(
        BrokenCase{"nothing", "", false, "closed the connection without an answer"},
        BrokenCase{"reset_at_once", "", true, "broke"},
        BrokenCase{"half_a_head", "HTTP/1.1 200 OK\r\nContent-Le", false,
                   "in the middle of an answer's head"},
        BrokenCase{"short_by_length", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", false,
                   "in the middle of its answer, after 5 of 10 bytes", "hello"},
        BrokenCase{"short_by_chunk",
                   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nwo",
                   false, "in the middle of its answer, after 7 bytes", "hellowo"},
        BrokenCase{"no_last_chunk",
                   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", false,
                   "in the middle of its answer, after 5 bytes", "hello"},
        BrokenCase{"reset_in_mid_body", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", true,
                   ""},
        BrokenCase{"bad_chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
                   false, "broke: Illegal"},
        BrokenCase{"no_http", "SSH-2.0-OpenSSH_9.2\r\n", false, "not HTTP"},
        BrokenCase{"length_no_number", "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", false,
                   "not HTTP"}),
    [](const auto& tested) { return tested.param.name; });

struct WholeCase {
  std::string name;
  std::string answer;
  std::string body;
};
class WholeTest : public Loopback, public ::testing::WithParamInterface<WholeCase> {};

TEST_P(WholeTest, EndsWhereItsFramingSays) {
  ScriptedServer script({{GetParam().answer}});
  HttpRequest request;
  request.url = fmt::format("http://127.0.0.1:{}/", script.port());
  Got got;
  client_ = make_http_client(runtime_).value();
  run(fetch_from_script(runtime_, *client_, script, request, got));
  EXPECT_EQ(got.error, std::nullopt);
  EXPECT_EQ(got.body, GetParam().body);
}

INSTANTIATE_TEST_SUITE_P(
    Answers, WholeTest,
    ::testing::Values(
        WholeCase{"by_the_connections_end", "HTTP/1.1 200 OK\r\n\r\nhello", "hello"},
        WholeCase{"longer_than_its_length",
                  "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello world", "hello"},
        WholeCase{
            "with_trailers",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n",
            "hello"},
        WholeCase{"after_an_interim_answer",
                  "HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: "
                  "2\r\n\r\nhi",
                  "hi"},
        WholeCase{"empty", "HTTP/1.1 204 No Content\r\n\r\n", ""}),
    [](const auto& tested) { return tested.param.name; });

Task<void> fetch_both_from_script(Runtime& runtime, HttpClient& client, ScriptedServer& script,
                                  HttpRequest request, Got& first, Got& second) {
  TaskScope scope(runtime);
  scope.spawn(fetch_both(client, std::move(request), first, second));
  auto play = [&script] { script.play(); };
  co_await run_blocking(runtime, Pool::io, std::move(play));
  co_await scope.close();
}

TEST_F(HttpClientTest, AKeptConnectionThatHasDiedIsReplaced) {
  ScriptedServer script({{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"},
                         {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nagain"}});
  HttpRequest request;
  request.method = "POST";
  request.body = "question";
  request.url = fmt::format("http://127.0.0.1:{}/", script.port());
  Got first, second;
  run(fetch_both_from_script(runtime_, *client_, script, request, first, second));
  EXPECT_EQ(first.body, "hi");
  EXPECT_EQ(second.error, std::nullopt);
  EXPECT_EQ(second.body, "again");
}

// --- large bodies

constexpr std::size_t kPiece = 256 << 10;

// Sends `total` pieces, and says how far it is.
struct Pieces {
  explicit Pieces(Runtime& runtime, std::size_t count) : total(count), moved(runtime) {}
  std::size_t total;
  std::size_t sent = 0;
  bool was_told_gone = false;
  Notify moved;
  std::stop_token gone;
  std::optional<std::stop_callback<std::function<void()>>> on_gone;

  Task<Result<SharedBytes>> next() {
    if (sent == total) co_return SharedBytes{};
    ++sent;
    moved.notify_all();
    co_return SharedBytes::of(std::string(kPiece, static_cast<char>('a' + sent % 26)));
  }
  Task<ServerResponse> handle(ServerRequest request) {
    on_gone.emplace(request.gone, [this] {
      was_told_gone = true;
      moved.notify_all();
    });
    ServerResponse response;
    response.next = [this] { return next(); };
    co_return response;
  }
  Handler handler() {
    return [this](ServerRequest request) { return handle(std::move(request)); };
  }
};

// Reads only when the sender is well ahead, and looks how far ahead it ever gets.
Task<void> read_slowly(HttpClient& client, HttpRequest request, Pieces& pieces,
                       std::size_t& received, std::size_t& furthest_ahead) {
  auto response = co_await client.send(std::move(request), {});
  EXPECT_TRUE(response.has_value());
  if (!response) co_return;
  while (true) {
    while (pieces.sent < pieces.total && pieces.sent * kPiece < received + (2 << 20)) {
      co_await pieces.moved.wait();
    }
    furthest_ahead = std::max(furthest_ahead, pieces.sent * kPiece - received);
    const auto bytes = co_await (*response)->next();
    EXPECT_TRUE(bytes.has_value());
    if (!bytes || bytes->empty()) co_return;
    EXPECT_LE(bytes->size(), 1u << 20);
    for (const std::size_t at : {std::size_t{0}, bytes->size() - 1}) {
      const auto piece = (received + at) / kPiece + 1;
      EXPECT_EQ(static_cast<char>((*bytes)[at]), static_cast<char>('a' + piece % 26));
    }
    received += bytes->size();
  }
}

TEST_F(HttpClientTest, AHundredMegabytesForASlowReaderTakeLittleMemory) {
  Pieces pieces(runtime_, (100 << 20) / kPiece);
  serve(pieces.handler());
  std::size_t received = 0;
  std::size_t furthest_ahead = 0;
  run(read_slowly(*client_, get("/"), pieces, received, furthest_ahead));
  EXPECT_EQ(received, 100u << 20);
  // Both sockets' buffers are in it: up to 4 MiB of the sender's and 6 MiB of the receiver's.
  EXPECT_LT(furthest_ahead, 20u << 20);
  EXPECT_GE(furthest_ahead, 2u << 20);
}

struct Whole {
  SharedBytes body = SharedBytes::of(std::string(100 << 20, 'w'));
  Task<ServerResponse> handle(ServerRequest) {
    ServerResponse response;
    response.body = body;
    co_return response;
  }
};

TEST_F(HttpClientTest, AWholeBodyOfAHundredMegabytesArrives) {
  Whole whole;
  serve([&whole](ServerRequest request) { return whole.handle(std::move(request)); });
  Got got;
  run(fetch(*client_, get("/"), got));
  EXPECT_EQ(got.error, std::nullopt);
  EXPECT_EQ(got.body.size(), 100u << 20);
  EXPECT_EQ(got.body.find_first_not_of('w'), std::string::npos);
}

// --- silence, stopping, dropping

struct Silent {
  explicit Silent(Runtime& runtime) : begun(runtime), ended(runtime), never(runtime) {}
  Notify begun;
  Notify ended;
  Notify never;
  bool first = true;

  Task<Result<SharedBytes>> next(std::stop_token gone) {
    if (std::exchange(first, false)) co_return SharedBytes::of("first");
    begun.notify_one();
    co_await never.wait(std::move(gone));
    ended.notify_one();
    co_return SharedBytes{};
  }
  Task<ServerResponse> handle(ServerRequest request) {
    if (request.path == "/pieces") {
      ServerResponse response;
      response.next = [this, gone = request.gone] { return next(gone); };
      co_return response;
    }
    begun.notify_one();
    co_await never.wait(request.gone);
    ended.notify_one();
    co_return ServerResponse{};
  }
  Handler handler() {
    return [this](ServerRequest request) { return handle(std::move(request)); };
  }
};

TEST_F(HttpClientTest, SilenceBeforeAnAnswerIsATimeout) {
  Silent silent(runtime_);
  serve(silent.handler());
  auto request = get("/");
  request.idle_timeout = 60ms;
  Got got;
  run(fetch(*client_, request, got));
  ASSERT_TRUE(got.error);
  EXPECT_EQ(got.error->code, ErrorCode::timeout);
  EXPECT_THAT(got.error->message, HasSubstr("said nothing for 60 ms"));
}

// Slower than any total limit would allow, and never silent.
struct Trickle {
  explicit Trickle(AsioRuntime& owner) : runtime(owner) {}
  AsioRuntime& runtime;
  int left = 12;

  Task<Result<SharedBytes>> next(std::stop_token gone) {
    if (left-- == 0) co_return SharedBytes{};
    co_await sleep_for(runtime, 20ms, std::move(gone));
    co_return SharedBytes::of("x");
  }
  Task<ServerResponse> handle(ServerRequest request) {
    ServerResponse response;
    response.next = [this, gone = request.gone] { return next(gone); };
    co_return response;
  }
};

TEST_F(HttpClientTest, ATrickleMayTakeAsLongAsItLikes) {
  Trickle trickle(runtime_);
  serve([&trickle](ServerRequest request) { return trickle.handle(std::move(request)); });
  auto request = get("/");
  request.idle_timeout = 120ms;  // half of what the whole takes
  Got got;
  run(fetch(*client_, request, got));
  EXPECT_FALSE(got.error) << got.error->message;
  EXPECT_EQ(got.body, "xxxxxxxxxxxx");
}

TEST_F(HttpClientTest, SilenceInMidBodyIsATimeout) {
  Silent silent(runtime_);
  serve(silent.handler());
  auto request = get("/pieces");
  request.idle_timeout = 60ms;
  Got got;
  run(fetch(*client_, request, got));
  EXPECT_EQ(got.status, 200);
  EXPECT_EQ(got.body, "first");
  ASSERT_TRUE(got.error);
  EXPECT_EQ(got.error->code, ErrorCode::timeout);
}

// Does not read for longer than the idle timeout: while another exchange times out, twice.
Task<void> pause_long(HttpClient& client, HttpRequest request, HttpRequest silent, Pieces& pieces,
                      std::size_t& received) {
  auto response = co_await client.send(std::move(request), {});
  EXPECT_TRUE(response.has_value());
  if (!response) co_return;
  while (pieces.sent * kPiece < (2u << 20)) co_await pieces.moved.wait();
  for (int i = 0; i < 2; ++i) {
    Got got;
    co_await fetch(client, silent, got);
    EXPECT_TRUE(got.error.has_value());
  }
  while (true) {
    const auto bytes = co_await (*response)->next();
    EXPECT_TRUE(bytes.has_value()) << bytes.error().message;
    if (!bytes || bytes->empty()) co_return;
    received += bytes->size();
  }
}

TEST_F(HttpClientTest, AReaderWhoPausesDoesNotTimeOut) {
  Pieces pieces(runtime_, 200);
  Silent silent(runtime_);
  serve([&pieces, &silent](ServerRequest request) {
    return request.path == "/silent" ? silent.handle(std::move(request))
                                     : pieces.handle(std::move(request));
  });
  auto request = get("/");
  request.idle_timeout = 300ms;
  auto other = get("/silent");
  other.idle_timeout = 300ms;
  std::size_t received = 0;
  run(pause_long(*client_, request, other, pieces, received));
  EXPECT_EQ(received, 200 * kPiece);
}

Task<void> stop_when_begun(Runtime& runtime, HttpClient& client, HttpRequest request,
                           Silent& silent, Got& got) {
  std::stop_source source;
  TaskScope scope(runtime);
  scope.spawn(fetch(client, std::move(request), got, source.get_token()));
  co_await silent.begun.wait();
  source.request_stop();
  co_await scope.close();
  co_await silent.ended.wait();  // the server sees the connection go
}

TEST_F(HttpClientTest, StopBeforeTheAnswerIsCancelledAndClosesTheConnection) {
  Silent silent(runtime_);
  serve(silent.handler());
  Got got;
  run(stop_when_begun(runtime_, *client_, get("/"), silent, got));
  ASSERT_TRUE(got.error);
  EXPECT_EQ(got.error->code, ErrorCode::cancelled);
}

Task<void> stop_in_mid_body(HttpClient& client, HttpRequest request, Silent& silent) {
  std::stop_source source;
  auto response = co_await client.send(std::move(request), source.get_token());
  EXPECT_TRUE(response.has_value());
  if (!response) co_return;
  const auto first = co_await (*response)->next();
  EXPECT_TRUE(first.has_value() && as_text(*first) == "first");
  co_await silent.begun.wait();
  source.request_stop();
  const auto second = co_await (*response)->next();
  EXPECT_TRUE(!second && second.error().code == ErrorCode::cancelled);
  response->reset();
  co_await silent.ended.wait();
}

TEST_F(HttpClientTest, StopInMidBodyIsCancelledAndDroppingItClosesTheConnection) {
  Silent silent(runtime_);
  serve(silent.handler());
  run(stop_in_mid_body(*client_, get("/pieces"), silent));
}

TEST_F(HttpClientTest, AStopAskedForBeforeSendsNothing) {
  Silent silent(runtime_);
  serve(silent.handler());
  std::stop_source source;
  source.request_stop();
  Got got;
  run(fetch(*client_, get("/"), got, source.get_token()));
  ASSERT_TRUE(got.error);
  EXPECT_EQ(got.error->code, ErrorCode::cancelled);
}

Task<void> drop_response(HttpClient& client, HttpRequest request, Pieces& pieces) {
  {
    auto response = co_await client.send(std::move(request), {});
    EXPECT_TRUE(response.has_value());
    if (!response) co_return;
    const auto first = co_await (*response)->next();
    EXPECT_TRUE(first.has_value());
  }
  while (!pieces.was_told_gone) co_await pieces.moved.wait();
}

TEST_F(HttpClientTest, DroppingAnAnswerClosesTheExchange) {
  Pieces pieces(runtime_, SIZE_MAX);
  serve(pieces.handler());
  run(drop_response(*client_, get("/"), pieces), 1h);
}

Task<void> read_limited(HttpClient& client, HttpRequest request, std::size_t limit,
                        Result<std::string>& body) {
  auto response = co_await client.send(std::move(request), {});
  EXPECT_TRUE(response.has_value());
  if (!response) co_return;
  body = co_await read_all(*std::move(response), limit);
}

TEST_F(HttpClientTest, ReadAllRefusesABodyBeyondItsLimit) {
  Pieces pieces(runtime_, 4);
  serve(pieces.handler());
  Result<std::string> body;
  run(read_limited(*client_, get("/"), 4 * kPiece - 1, body));
  ASSERT_FALSE(body.has_value());
  EXPECT_EQ(body.error().code, ErrorCode::upstream_garbled);

  pieces.sent = 0;
  serve(pieces.handler());
  run(read_limited(*client_, get("/"), 4 * kPiece, body));
  ASSERT_TRUE(body.has_value());
  EXPECT_EQ(body->size(), 4 * kPiece);
}

// --- https

class HttpsClientTest : public Loopback {
 protected:
  HttpsClientTest() : Loopback(Wire::tls) {}
};

Task<ServerResponse> secure(ServerRequest request) {
  co_return text_response(200, request.is_secure ? "secure" : "plain");
}

TEST_F(HttpsClientTest, TrustsTheAuthoritiesOfItsFile) {
  serve(secure);
  connect_client();
  Got got;
  run(fetch(*client_, get("/"), got));
  EXPECT_EQ(got.error, std::nullopt);
  EXPECT_EQ(got.body, "secure");
}

TEST_F(HttpsClientTest, ACertificateThatNobodyVouchesForIsNotTrusted) {
  serve(secure);
  client_ = make_http_client(runtime_).value();  // the system's authorities
  Got got;
  run(fetch(*client_, get("/"), got));
  ASSERT_TRUE(got.error);
  EXPECT_EQ(got.error->code, ErrorCode::upstream_unavailable);
  EXPECT_EQ(got.error->message,
            fmt::format("the certificate of 127.0.0.1:{} is not trusted: self-signed certificate",
                        server_->port()));
  EXPECT_EQ(server_->counters().handshakes_failed, 1u);
}

TEST_F(HttpsClientTest, AnotherFilesAuthoritiesAreNotEnough) {
  serve(secure);
  const TemporaryFolder folder;
  const auto other = folder.write("ca.pem", make_certificate("betedge test").certificate_pem);
  client_ = make_http_client(runtime_, {.ca_file = other}).value();
  Got got;
  run(fetch(*client_, get("/"), got));
  ASSERT_TRUE(got.error);
  EXPECT_THAT(got.error->message, HasSubstr("is not trusted"));
}

TEST_F(HttpsClientTest, ACertificateOfAnotherNameIsNotTrusted) {
  serve(secure);
  connect_client();
  HttpRequest request;
  request.url = fmt::format("https://localhost:{}/", server_->port());
  Got got;
  run(fetch(*client_, request, got));
  ASSERT_TRUE(got.error);
  EXPECT_EQ(got.error->code, ErrorCode::upstream_unavailable);
  EXPECT_THAT(
      got.error->message,
      HasSubstr(fmt::format("the certificate of localhost:{} is not trusted: no alternative "
                            "certificate subject name matches",
                            server_->port())));
}

TEST_F(HttpClientTest, AServerWithoutTlsIsToldApart) {
  serve(secure);
  auto request = get("/");
  request.url.replace(0, 4, "https");
  Got got;
  run(fetch(*client_, request, got));
  ASSERT_TRUE(got.error);
  EXPECT_EQ(got.error->code, ErrorCode::upstream_unavailable);
  EXPECT_EQ(got.error->message,
            fmt::format("127.0.0.1:{} does not speak TLS: is it http:// rather than https://?",
                        server_->port()));
}

TEST_F(HttpClientTest, AFileOfAuthoritiesThatIsNoneIsAnInvalidRequest) {
  const TemporaryFolder folder;
  const auto absent = make_http_client(runtime_, {.ca_file = folder.path("absent")});
  ASSERT_FALSE(absent.has_value());
  EXPECT_EQ(absent.error().code, ErrorCode::invalid_request);
  EXPECT_THAT(absent.error().message, HasSubstr("absent cannot be read: No such file"));
  const auto other = make_http_client(runtime_, {.ca_file = folder.write("other", "hello")});
  ASSERT_FALSE(other.has_value());
  EXPECT_EQ(other.error().code, ErrorCode::invalid_request);
  EXPECT_THAT(other.error().message, HasSubstr("other has no certificate in PEM form"));
}

}  // namespace
}  // namespace betedge::net
