#include "betedge/net/http_server.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <coroutine>
#include <list>

#include "betedge/net/asio_runtime_impl.hpp"
#include "betedge/net/http_message.hpp"
#include "betedge/ports/async.hpp"

namespace betedge::net {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

std::optional<std::string_view> ServerRequest::header(std::string_view name) const {
  for (const auto& [candidate, value] : headers) {
    if (equal_ignoring_case(candidate, name)) return value;
  }
  return std::nullopt;
}

std::optional<std::string_view> ServerRequest::parameter(std::string_view name) const {
  for (const auto& [candidate, value] : query) {
    if (candidate == name) return value;
  }
  return std::nullopt;
}

SharedBytes SharedBytes::of(std::string text) {
  const auto owner = std::make_shared<const std::string>(std::move(text));
  return {owner, as_bytes(*owner)};
}

namespace {

constexpr auto kNever = SteadyTime::max();
constexpr std::size_t kFirstBufferBytes = 4 << 10;
constexpr std::size_t kBodyBufferBytes = 64 << 10;
// So that one peer who keeps up with us does not keep the loop to itself.
constexpr std::size_t kMostBytesPerCall = 1 << 20;
constexpr std::size_t kMostBytesBeforeYield = 4 << 20;
// After our last word we read on for a while: closing with something unread would reset the
// connection and might take our answer from the peer.
constexpr auto kLinger = std::chrono::seconds(1);

class Session;

class Server final : public HttpServer {
 public:
  Server(AsioRuntime& runtime, ServerOptions options, Handler handler, tcp::acceptor acceptor);

  std::uint16_t port() const override { return port_; }
  Task<void> stop(std::chrono::milliseconds grace) override;

  void begin() { tasks_.spawn(accept_all()); }

  AsioRuntime& runtime() { return runtime_; }
  const ServerOptions& options() const { return options_; }
  Handler& handler() { return handler_; }
  bool is_stopping() const { return is_stopping_; }
  ServerResponse refusal(int status, std::string reason) const;
  // "Sun, 06 Nov 1994 08:49:37 GMT", of this second.
  const std::string& date();

 private:
  Task<void> accept_all();
  Task<void> serve(tcp::socket socket);
  void arm_sweep();
  void sweep();

  AsioRuntime& runtime_;
  ServerOptions options_;
  Handler handler_;
  tcp::acceptor acceptor_;
  std::uint16_t port_;
  bool is_stopping_ = false;
  std::chrono::nanoseconds sweep_period_;
  std::unique_ptr<Timer> sweep_timer_;
  std::list<Session*> sessions_;
  Notify fewer_sessions_;
  std::chrono::sys_seconds date_second_{};
  std::string date_;
  TaskScope tasks_;
};

// One connection. Lives in the frame of Server::serve.
class Session {
 public:
  Session(Server& server, tcp::socket socket) : server_(server), socket_(std::move(socket)) {
    error_code ignored;
    socket_.set_option(tcp::no_delay(true), ignored);
    const auto remote = socket_.remote_endpoint(ignored);
    const auto host = remote.address().to_string();
    peer_ = remote.address().is_v6() ? fmt::format("[{}]:{}", host, remote.port())
                                     : fmt::format("{}:{}", host, remote.port());
  }

  Task<void> run() {
    while (co_await serve_one()) {
    }
    co_await close();
  }

  // The server's sweep: ends the wait that has gone on for too long.
  void expire_if_due(SteadyTime now) {
    if (now < deadline_) return;
    deadline_ = kNever;
    has_expired_ = true;
    error_code ignored;
    socket_.cancel(ignored);
  }
  void end_if_idle() {
    if (is_idle_) expire_if_due(kNever);
  }
  // The grace is over. The caller asks the returned source to stop.
  std::stop_source cut() {
    is_broken_ = true;
    ::shutdown(socket_.native_handle(), SHUT_RDWR);
    error_code ignored;
    socket_.cancel(ignored);
    return gone_;
  }

 private:
  enum class Fill : std::uint8_t { got_some, peer_closed, timed_out };
  enum class Ending : std::uint8_t { in_peace, at_once, with_reset };
  struct Pieces {
    std::array<iovec, 3> vectors{};
    std::size_t count = 0;
    void add(ByteView bytes) {
      if (bytes.empty()) return;
      vectors[count++] = {const_cast<std::byte*>(bytes.data()), bytes.size()};
    }
  };

  struct Readable {
    Session& session;
    bool await_ready() const noexcept { return !session.is_watching_; }
    void await_suspend(std::coroutine_handle<> handle) noexcept { session.reader_ = handle; }
    void await_resume() const noexcept {}
  };
  struct Writable {
    Session& session;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) {
      session.socket_.async_wait(tcp::socket::wait_write,
                                 [handle](const error_code&) { handle.resume(); });
    }
    void await_resume() const noexcept {}
  };
  struct Yield {
    Session& session;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) {
      asio::post(session.socket_.get_executor(), [handle] { handle.resume(); });
    }
    void await_resume() const noexcept {}
  };

  Task<bool> serve_one();
  Task<OrRefusal<std::optional<RequestHead>>> read_head();
  // nullopt: the peer left.
  Task<OrRefusal<std::optional<std::string>>> read_body(RequestHead head);
  Task<bool> respond(ServerResponse response, bool is_head, int minor_version, bool keep_alive);
  Task<bool> refuse(Refusal refusal);
  Task<bool> write(Pieces pieces);
  Task<Fill> fill();
  Task<void> close();

  std::string_view buffered() const { return {buffer_.data() + begin_, end_ - begin_}; }
  void make_room(std::size_t largest);
  void watch();
  void look_whether_peer_is_there();
  void set_deadline(std::chrono::nanoseconds from_now) {
    deadline_ = server_.runtime().steady_now() + from_now;
  }

  Server& server_;
  tcp::socket socket_;
  std::string peer_;
  std::vector<char> buffer_ = std::vector<char>(kFirstBufferBytes);
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  SteadyTime deadline_ = kNever;
  bool has_expired_ = false;
  bool is_idle_ = false;
  bool is_first_request_ = true;
  bool is_broken_ = false;    // nothing can be sent any more
  bool is_watching_ = false;  // for something to read, which an end is too
  Ending ending_ = Ending::in_peace;
  std::size_t burst_bytes_ = 0;
  std::coroutine_handle<> reader_;
  std::stop_source gone_;
};

// --- reading

void Session::watch() {
  is_watching_ = true;
  socket_.async_wait(tcp::socket::wait_read, [this](const error_code& error) {
    is_watching_ = false;
    if (reader_) {
      std::exchange(reader_, nullptr).resume();
    } else if (!error) {
      look_whether_peer_is_there();
    }
  });
}

void Session::look_whether_peer_is_there() {
  char byte = 0;
  const auto got = ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (got > 0) return;  // the next request, for later
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
    watch();
    return;
  }
  if (got < 0) is_broken_ = true;
  gone_.request_stop();
}

void Session::make_room(std::size_t largest) {
  if (begin_ == end_) begin_ = end_ = 0;
  if (end_ < buffer_.size()) return;
  if (begin_ > 0) {
    std::copy(buffer_.data() + begin_, buffer_.data() + end_, buffer_.data());
    end_ -= begin_;
    begin_ = 0;
  } else {
    buffer_.resize(std::min(buffer_.size() * 2, std::max(largest, buffer_.size() + 1)));
  }
}

Task<Session::Fill> Session::fill() {
  while (true) {
    if (has_expired_) co_return Fill::timed_out;
    if (is_broken_) co_return Fill::peer_closed;
    if (!is_watching_) {
      if (burst_bytes_ > kMostBytesBeforeYield) {
        burst_bytes_ = 0;
        co_await Yield{*this};
        continue;
      }
      const auto got = ::recv(socket_.native_handle(), buffer_.data() + end_, buffer_.size() - end_,
                              MSG_DONTWAIT);
      if (got > 0) {
        end_ += static_cast<std::size_t>(got);
        burst_bytes_ += static_cast<std::size_t>(got);
        co_return Fill::got_some;
      }
      if (got == 0) co_return Fill::peer_closed;
      if (errno == EINTR) continue;
      if (errno != EAGAIN) {
        is_broken_ = true;
        gone_.request_stop();
        continue;
      }
      watch();
    }
    burst_bytes_ = 0;
    co_await Readable{*this};
  }
}

Task<OrRefusal<std::optional<RequestHead>>> Session::read_head() {
  const auto& options = server_.options();
  std::size_t scanned = 0;
  is_idle_ = begin_ == end_;
  if (is_idle_ && server_.is_stopping()) co_return std::nullopt;
  set_deadline(is_idle_ && !is_first_request_ ? options.idle_timeout : options.header_timeout);
  while (true) {
    // RFC 9112 2.2: an empty line before the request line is read over.
    while (scanned == 0 && buffered().starts_with("\r\n")) begin_ += 2;
    const auto size = find_head_end(buffered(), scanned);
    if (!size) co_return std::unexpected(size.error());
    if (*size > options.max_header_bytes ||
        (*size == 0 && buffered().size() >= options.max_header_bytes)) {
      co_return std::unexpected(Refusal{431, "the head of the request is too large"});
    }
    if (*size != 0) {
      deadline_ = kNever;
      auto head = parse_head(buffered().substr(0, *size));
      begin_ += *size;
      if (!head) co_return std::unexpected(std::move(head).error());
      co_return *std::move(head);
    }
    make_room(options.max_header_bytes);
    if (scanned == 1) scanned = 0;  // a lone CR, perhaps of an empty line
    switch (co_await fill()) {
      case Fill::got_some: break;
      case Fill::peer_closed: co_return std::nullopt;
      case Fill::timed_out:
        if (is_idle_) co_return std::nullopt;
        co_return std::unexpected(Refusal{408, "the head of the request did not come in time"});
    }
    if (is_idle_) {
      is_idle_ = false;
      set_deadline(options.header_timeout);
    }
  }
}

Task<OrRefusal<std::optional<std::string>>> Session::read_body(RequestHead head) {
  const auto& options = server_.options();
  std::string body;
  if (!head.chunked && head.content_length == 0) co_return body;
  if (head.content_length > options.max_body_bytes) {
    co_return std::unexpected(Refusal{413, "the body is too large"});
  }
  if (head.expects_continue && begin_ == end_) {
    Pieces pieces;
    pieces.add(as_bytes("HTTP/1.1 100 Continue\r\n\r\n"));
    if (!co_await write(pieces)) co_return std::nullopt;
  }
  ChunkedDecoder chunks(options.max_body_bytes, options.max_header_bytes);
  while (true) {
    if (head.chunked) {
      const auto taken = chunks.feed(buffered(), body);
      if (!taken) co_return std::unexpected(taken.error());
      begin_ += *taken;
      if (chunks.is_done()) break;
    } else {
      const auto some = buffered().substr(0, head.content_length - body.size());
      body += some;
      begin_ += some.size();
      if (body.size() == head.content_length) break;
    }
    if (begin_ == end_ && buffer_.size() < kBodyBufferBytes) buffer_.resize(kBodyBufferBytes);
    make_room(kBodyBufferBytes);
    set_deadline(options.header_timeout);
    switch (co_await fill()) {
      case Fill::got_some: break;
      case Fill::peer_closed: co_return std::nullopt;
      case Fill::timed_out:
        co_return std::unexpected(Refusal{408, "the body of the request did not come in time"});
    }
  }
  deadline_ = kNever;
  co_return body;
}

// --- answering

Task<bool> Session::serve_one() {
  auto head = co_await read_head();
  if (!head) co_return co_await refuse(std::move(head).error());
  if (!head->has_value()) {
    ending_ = Ending::at_once;
    co_return false;
  }
  is_first_request_ = false;
  auto& found = **head;
  ServerRequest request;
  request.method = std::move(found.method);
  request.path = std::move(found.path);
  request.query = std::move(found.query);
  request.headers = std::move(found.headers);
  request.peer = peer_;
  request.gone = gone_.get_token();
  auto body = co_await read_body(found);
  if (!body) co_return co_await refuse(std::move(body).error());
  if (!body->has_value()) {
    ending_ = Ending::at_once;
    co_return false;
  }
  request.body = **std::move(body);

  const bool is_head = request.method == "HEAD";
  if (!is_watching_ && begin_ == end_) watch();
  std::optional<ServerResponse> response;
  std::string thrown = "a handler threw";
  try {
    response = co_await server_.handler()(std::move(request));
  } catch (const std::exception& error) {
    thrown = error.what();
  } catch (...) {  // answered below, with nothing to say about it
  }
  if (!response) response = server_.refusal(500, std::move(thrown));
  if (response->drop_connection) {
    ending_ = Ending::at_once;
    co_return false;
  }
  co_return co_await respond(*std::move(response), is_head, found.minor_version,
                             found.keep_alive && !server_.is_stopping());
}

Task<bool> Session::refuse(Refusal refusal) {
  has_expired_ = false;
  auto response = server_.refusal(refusal.status, std::move(refusal.reason));
  co_await respond(std::move(response), false, 1, false);
  co_return false;
}

bool is_servers_own(std::string_view name) {
  constexpr std::array<std::string_view, 4> kOwn = {"Content-Length", "Transfer-Encoding",
                                                    "Connection", "Date"};
  return std::ranges::any_of(kOwn, [name](auto own) { return equal_ignoring_case(own, name); });
}

// What a handler puts into a header cannot end it.
void append_line(std::string& head, std::string_view name, std::string_view value) {
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 && c != '\t'; };
  head += name;
  head += ": ";
  const auto begin = head.size();
  head += value;
  std::replace_if(head.begin() + static_cast<std::ptrdiff_t>(begin), head.end(), is_control, ' ');
  head += "\r\n";
}

Task<bool> Session::respond(ServerResponse response, bool is_head, int minor_version,
                            bool keep_alive) {
  const bool has_no_body = response.status == 204 || response.status == 304;
  const bool in_pieces = static_cast<bool>(response.next);
  const bool chunked = in_pieces && !response.content_length && minor_version == 1 && !has_no_body;
  // Without a length and without chunks, the end of the connection is the end of the body.
  if (in_pieces && !response.content_length && !chunked && !has_no_body) keep_alive = false;

  std::string head;
  head.reserve(256);
  fmt::format_to(std::back_inserter(head), "HTTP/1.1 {} {}\r\nDate: {}\r\n", response.status,
                 reason_phrase(response.status), server_.date());
  for (const auto& [name, value] : response.headers) {
    if (!is_servers_own(name)) append_line(head, name, value);
  }
  if (chunked) {
    head += "Transfer-Encoding: chunked\r\n";
  } else if (!has_no_body && (!in_pieces || response.content_length)) {
    fmt::format_to(std::back_inserter(head), "Content-Length: {}\r\n",
                   in_pieces ? *response.content_length : response.body.bytes.size());
  }
  if (!keep_alive) {
    head += "Connection: close\r\n";
  } else if (minor_version == 0) {
    head += "Connection: keep-alive\r\n";
  }
  head += "\r\n";

  Pieces first;
  first.add(as_bytes(head));
  const bool sends_body = !is_head && !has_no_body;
  if (sends_body && !in_pieces) first.add(response.body.bytes);
  if (!co_await write(first)) {
    ending_ = Ending::at_once;
    co_return false;
  }
  if (!sends_body || !in_pieces) co_return keep_alive;

  std::uint64_t left = response.content_length.value_or(UINT64_MAX);
  while (!is_broken_) {
    std::optional<Result<SharedBytes>> piece;
    try {
      piece = co_await response.next();
    } catch (...) {  // as an error: the peer must see that the body is not whole
    }
    if (!piece || !piece->has_value() || (*piece)->bytes.size() > left) {
      ending_ = Ending::with_reset;
      co_return false;
    }
    const auto bytes = (*piece)->bytes;
    Pieces pieces;
    if (bytes.empty()) {
      if (chunked) pieces.add(as_bytes("0\r\n\r\n"));
      if (!co_await write(pieces)) break;
      if (response.content_length && left != 0) co_return false;
      co_return keep_alive;
    }
    left -= bytes.size();
    std::array<char, 24> size_line{};
    if (chunked) {
      const auto* end = fmt::format_to(size_line.data(), "{:x}\r\n", bytes.size());
      pieces.add(as_bytes({size_line.data(), static_cast<std::size_t>(end - size_line.data())}));
    }
    pieces.add(bytes);
    if (chunked) pieces.add(as_bytes("\r\n"));
    if (!co_await write(pieces)) break;
  }
  ending_ = Ending::at_once;
  co_return false;
}

// False when the peer is gone, or took nothing for the write timeout.
Task<bool> Session::write(Pieces pieces) {
  std::size_t first = 0;
  while (first < pieces.count) {
    if (is_broken_ || has_expired_) co_return false;
    if (burst_bytes_ > kMostBytesBeforeYield) {
      burst_bytes_ = 0;
      co_await Yield{*this};
    }
    // A piece that is larger than one call may take is cut in the call's copy.
    std::array<iovec, 3> vectors{};
    std::size_t count = 0;
    std::size_t budget = kMostBytesPerCall;
    for (auto i = first; i < pieces.count && budget > 0; ++i) {
      vectors[count] = pieces.vectors[i];
      vectors[count].iov_len = std::min(vectors[count].iov_len, budget);
      budget -= vectors[count++].iov_len;
    }
    msghdr message{};
    message.msg_iov = vectors.data();
    message.msg_iovlen = count;
    const auto sent = ::sendmsg(socket_.native_handle(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) {
        is_broken_ = true;
        gone_.request_stop();
        co_return false;
      }
      burst_bytes_ = 0;
      set_deadline(server_.options().write_timeout);
      co_await Writable{*this};
      deadline_ = kNever;
      continue;
    }
    auto left = static_cast<std::size_t>(sent);
    burst_bytes_ += left;
    while (first < pieces.count && left >= pieces.vectors[first].iov_len) {
      left -= pieces.vectors[first++].iov_len;
    }
    if (left > 0) {
      auto& partly = pieces.vectors[first];
      partly.iov_base = static_cast<std::byte*>(partly.iov_base) + left;
      partly.iov_len -= left;
    }
  }
  co_return true;
}

Task<void> Session::close() {
  error_code ignored;
  if (ending_ == Ending::with_reset) {
    socket_.set_option(asio::socket_base::linger(true, 0), ignored);
  } else if (ending_ == Ending::in_peace && !is_broken_) {
    ::shutdown(socket_.native_handle(), SHUT_WR);
    has_expired_ = false;
    set_deadline(kLinger);
    do {
      begin_ = end_ = 0;
    } while (co_await fill() == Fill::got_some);
  }
  deadline_ = kNever;
  socket_.close(ignored);
  co_await Readable{*this};  // what still watches has to come back before this is gone
}

// --- the server

Server::Server(AsioRuntime& runtime, ServerOptions options, Handler handler, tcp::acceptor acceptor)
    : runtime_(runtime),
      options_(std::move(options)),
      handler_(std::move(handler)),
      acceptor_(std::move(acceptor)),
      port_(acceptor_.local_endpoint().port()),
      fewer_sessions_(runtime),
      tasks_(runtime) {
  const auto shortest =
      std::min({options_.header_timeout, options_.idle_timeout, options_.write_timeout});
  sweep_period_ = std::clamp<std::chrono::milliseconds>(shortest / 4, std::chrono::milliseconds(1),
                                                        std::chrono::milliseconds(500));
}

ServerResponse Server::refusal(int status, std::string reason) const {
  if (options_.refusal) return options_.refusal(status, std::move(reason));
  ServerResponse response;
  response.status = status;
  response.headers.emplace_back("Content-Type", "text/plain; charset=utf-8");
  response.body = SharedBytes::of(std::move(reason) + "\n");
  return response;
}

const std::string& Server::date() {
  const auto second = std::chrono::floor<std::chrono::seconds>(runtime_.wall_now());
  if (second != date_second_ || date_.empty()) {
    date_second_ = second;
    const auto time = std::chrono::system_clock::to_time_t(
        std::chrono::time_point_cast<std::chrono::system_clock::duration>(second));
    date_ = fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", fmt::gmtime(time));
  }
  return date_;
}

Task<void> Server::accept_all() {
  struct Accept {
    tcp::acceptor& acceptor;
    error_code error{};
    std::optional<tcp::socket> socket{};
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) {
      acceptor.async_accept([this, handle](const error_code& code, tcp::socket accepted) {
        error = code;
        socket.emplace(std::move(accepted));
        handle.resume();
      });
    }
    std::optional<tcp::socket> await_resume() {
      if (error) return std::nullopt;
      return std::move(socket);
    }
  };
  while (!is_stopping_) {
    if (sessions_.size() >= options_.max_connections) {
      co_await fewer_sessions_.wait(tasks_.stop_token());  // the rest waits in the backlog
      continue;
    }
    auto socket = co_await Accept{acceptor_};
    if (is_stopping_) break;
    if (socket) {
      tasks_.spawn(serve(*std::move(socket)));
    } else {
      // No descriptors left, as a rule: some have to be given back first.
      co_await sleep_for(runtime_, std::chrono::milliseconds(20), tasks_.stop_token());
    }
  }
}

Task<void> Server::serve(tcp::socket socket) {
  Session session(*this, std::move(socket));
  const auto place = sessions_.insert(sessions_.end(), &session);
  if (!sweep_timer_) arm_sweep();
  co_await session.run();
  sessions_.erase(place);
  fewer_sessions_.notify_all();
}

void Server::arm_sweep() {
  sweep_timer_ = runtime_.after(sweep_period_, [this] { sweep(); });
}

void Server::sweep() {
  sweep_timer_.reset();
  const auto now = runtime_.steady_now();
  for (auto* session : sessions_) session->expire_if_due(now);
  if (!sessions_.empty()) arm_sweep();
}

Task<void> Server::stop(std::chrono::milliseconds grace) {
  is_stopping_ = true;
  error_code ignored;
  acceptor_.close(ignored);
  const auto until = runtime_.steady_now() + grace;
  for (auto* session : sessions_) session->end_if_idle();
  while (!sessions_.empty()) {
    if (co_await fewer_sessions_.wait({}, until) == Woken::timed_out) break;
  }
  std::vector<std::stop_source> gone;
  for (auto* session : sessions_) gone.push_back(session->cut());
  for (auto& source : gone) source.request_stop();
  co_await tasks_.close();
  sweep_timer_.reset();
}

}  // namespace

Result<std::unique_ptr<HttpServer>> make_http_server(AsioRuntime& runtime, ServerOptions options,
                                                     Handler handler) {
  const auto where = fmt::format("{}:{}", options.address, options.port);
  error_code error;
  const auto address =
      asio::ip::make_address(options.address == "localhost" ? "127.0.0.1" : options.address, error);
  if (error) {
    return fail(ErrorCode::invalid_request,
                fmt::format("'{}' is no IP address to listen on", options.address));
  }
  const tcp::endpoint endpoint(address, options.port);
  tcp::acceptor acceptor(runtime.impl().io);
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    const bool is_taken = error == asio::error::address_in_use;
    return fail(is_taken ? ErrorCode::conflict : ErrorCode::invalid_request,
                fmt::format("cannot listen on {}: {}", where, error.message()));
  }
  auto server = std::make_unique<Server>(runtime, std::move(options), std::move(handler),
                                         std::move(acceptor));
  server->begin();
  return server;
}

}  // namespace betedge::net
