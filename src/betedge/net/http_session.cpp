#include "betedge/net/http_session.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <initializer_list>
#include <utility>

namespace betedge::net {

namespace asio = boost::asio;

void reset_when_closed(int socket) {
  const linger none{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(socket, SOL_SOCKET, SO_LINGER, &none, sizeof none);
}

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
constexpr std::size_t kMostBytesBeforeYield = 4 << 20;
// After our last word we read on for a while: closing with something unread would reset the
// connection and might take our answer from the peer.
constexpr auto kLinger = std::chrono::seconds(1);

}  // namespace

// --- what sessions share

ServerResponse SessionsState::refusal(int status, std::string reason) const {
  if (options.refusal) return options.refusal(status, std::move(reason));
  ServerResponse response;
  response.status = status;
  response.headers.emplace_back("Content-Type", "text/plain; charset=utf-8");
  response.body = SharedBytes::of(std::move(reason) + "\n");
  return response;
}

const std::string& SessionsState::date() {
  const auto second = std::chrono::floor<std::chrono::seconds>(runtime.wall_now());
  if (second != date_second_ || date_.empty()) {
    date_second_ = second;
    const auto time = std::chrono::system_clock::to_time_t(
        std::chrono::time_point_cast<std::chrono::system_clock::duration>(second));
    date_ = fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", fmt::gmtime(time));
  }
  return date_;
}

// --- waiting

struct Session::Readable {
  Session& session;
  bool await_ready() const noexcept { return !session.is_watching_; }
  void await_suspend(std::coroutine_handle<> handle) noexcept { session.reader_ = handle; }
  void await_resume() const noexcept {}
};

struct Session::Writable {
  Session& session;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) noexcept { session.writer_ = handle; }
  void await_resume() const noexcept {}
};

struct Session::Yield {
  Session& session;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) {
    session.server_.runtime.post([handle] { handle.resume(); });
  }
  void await_resume() const noexcept {}
};

// Edge-triggered: what is told here is told once. So whoever waits has seen before that there was
// nothing left, and tries again, whatever has happened.
void Session::on_ready(std::uint32_t events) {
  may_have_input_ = true;
  has_hung_up_ = has_hung_up_ || (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
  const bool was_watching = std::exchange(is_watching_, false);
  if (reader_) {
    std::exchange(reader_, nullptr).resume();  // this may be gone now
    return;
  }
  // Before the writer, who may end this; nobody else can while he waits.
  auto writer = std::exchange(writer_, nullptr);
  if (was_watching) look_whether_peer_is_there();
  if (writer) writer.resume();
}

Session::Session(SessionsState& server, Accepted accepted, std::unique_ptr<Transport> transport)
    : server_(server),
      socket_(std::move(accepted.socket)),
      transport_(std::move(transport)),
      place_(server.busy.insert(server.busy.end(), this)),
      buffer_(kFirstBufferBytes) {
  auto address = accepted.peer.address();
  // An IPv4 peer of a socket that takes both is known by its IPv4 address.
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    address = asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
  }
  peer_address_ = address.to_string();
  const auto port = accepted.peer.port();
  peer_ = address.is_v6() ? fmt::format("[{}]:{}", peer_address_, port)
                          : fmt::format("{}:{}", peer_address_, port);
  if (!server.sockets->add(socket_.get(), *this)) {  // the kernel takes no more
    is_broken_ = true;
    ++server.counters.turned_away;
  }
}

Session::~Session() {
  server_.sockets->remove(socket_.get(), *this);
  (is_idle_ ? server_.idle : server_.busy).erase(place_);
}

Task<void> Session::run() {
  if (co_await shake_hands()) {
    while (co_await serve_one()) {
    }
  }
  co_await close();
}

Task<void> Session::turn_away() {
  is_turned_away_ = true;
  if (co_await shake_hands()) {
    Refusal full{503, "all connections that this server takes are in use: try again in a moment"};
    co_await refuse(std::move(full));
  }
  co_await close();
}

void Session::set_deadline(std::chrono::nanoseconds from_now) {
  deadline_ = server_.runtime.steady_now() + from_now;
}

void Session::expire_if_due(SteadyTime now) {
  if (now < deadline_) return;
  deadline_ = kNever;
  has_expired_ = true;
  server_.sockets->wake(*this);
}

void Session::set_idle(bool is_idle) {
  if (is_idle == is_idle_ || is_turned_away_) return;
  is_idle_ = is_idle;
  auto& from = is_idle ? server_.busy : server_.idle;
  auto& to = is_idle ? server_.idle : server_.busy;
  to.splice(to.end(), from, place_);
}

void Session::let_go() {
  set_idle(false);
  was_let_go_ = true;
  expire_if_due(kNever);
}

bool Session::has_something_to_read() const {
  char byte = 0;
  return transport_->holds_input() || ::recv(socket_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

std::stop_source Session::cut() {
  is_broken_ = true;
  ::shutdown(socket_.get(), SHUT_RDWR);
  server_.sockets->wake(*this);
  return gone_;
}

// --- reading

void Session::look_whether_peer_is_there() {
  switch (transport_->look().what) {
    case Moving::moved: return;  // the next request, for later
    case Moving::needs_input:
    case Moving::needs_output: watch(); return;
    case Moving::ended: gone_.request_stop(); return;
    case Moving::broken: give_up(); return;
  }
}

// Nothing more can be sent.
void Session::give_up() {
  is_broken_ = true;
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
      const auto moved = transport_->read({buffer_.data() + end_, buffer_.size() - end_});
      switch (moved.what) {
        case Moving::moved:
          // Less than there was room for is all there was; under TLS that is said of one record.
          if (moved.bytes < buffer_.size() - end_ && !has_hung_up_ && !transport_->is_secure())
            may_have_input_ = false;
          end_ += moved.bytes;
          burst_bytes_ += moved.bytes;
          co_return Fill::got_some;
        case Moving::ended: co_return Fill::peer_closed;
        case Moving::broken: give_up(); continue;
        case Moving::needs_input:
        case Moving::needs_output: watch();
      }
    }
    burst_bytes_ = 0;
    co_await Readable{*this};
  }
}

// False when the connection has ended without one.
Task<bool> Session::shake_hands() {
  if (!transport_->is_secure()) co_return true;
  ending_ = Ending::abruptly;
  set_idle(true);
  set_deadline(server_.options.header_timeout);
  while (!has_expired_ && !is_broken_) {
    switch (transport_->shake_hands().what) {
      case Moving::moved:
        deadline_ = kNever;
        set_idle(false);
        ending_ = Ending::in_peace;
        co_return true;
      case Moving::needs_input:
        watch();
        co_await Readable{*this};
        break;
      case Moving::needs_output: co_await Writable{*this}; break;
      case Moving::ended: co_return false;
      case Moving::broken:
        set_idle(false);
        if (transport_->was_plain_http()) {
          transport_ = make_plain_transport(socket_.get());
          ending_ = Ending::in_peace;
          Refusal plain{400, "plain HTTP was spoken to a port that speaks TLS: use https:// here"};
          co_await refuse(std::move(plain));
          co_return false;
        }
        ++server_.counters.handshakes_failed;
        if (server_.options.handshake_failed) {
          server_.options.handshake_failed(peer_, transport_->trouble());
        }
        co_return false;
    }
  }
  if (has_expired_ && !was_let_go_) ++server_.counters.too_slow;
  co_return false;
}

Task<OrRefusal<std::optional<RequestHead>>> Session::read_head() {
  const auto& options = server_.options;
  std::size_t scanned = 0;
  set_idle(begin_ == end_);
  if (is_idle_ && server_.is_stopping) co_return std::nullopt;
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
        if (is_idle_ || was_let_go_) co_return std::nullopt;
        ++server_.counters.too_slow;
        co_return std::unexpected(Refusal{408, "the head of the request did not come in time"});
    }
    if (is_idle_) {
      set_idle(false);
      set_deadline(options.header_timeout);
    }
  }
}

Task<OrRefusal<std::optional<std::string>>> Session::read_body(const RequestHead& head) {
  const auto& options = server_.options;
  std::string body;
  if (head.content_length > options.max_body_bytes) {
    co_return std::unexpected(Refusal{413, "the body is too large"});
  }
  if (head.expects_continue && begin_ == end_) {
    Pieces pieces;
    pieces.add(as_bytes("HTTP/1.1 100 Continue\r\n\r\n"));
    if (!co_await write(pieces)) co_return std::nullopt;
  }
  const auto begun = server_.runtime.steady_now();
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
    if (options.min_bytes_per_second > 0) {
      // By what has come of the body itself: chunks of one byte are no progress.
      const auto earned =
          std::chrono::milliseconds(body.size() * 1000 / options.min_bytes_per_second);
      deadline_ = std::min(deadline_, begun + options.header_timeout + earned);
    }
    switch (co_await fill()) {
      case Fill::got_some: break;
      case Fill::peer_closed: co_return std::nullopt;
      case Fill::timed_out:
        ++server_.counters.too_slow;
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
    ending_ = Ending::quietly;
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
  request.peer_address = peer_address_;
  request.is_secure = transport_->is_secure();
  request.gone = gone_.get_token();
  if (found.chunked || found.content_length > 0) {
    auto body = co_await read_body(found);
    if (!body) co_return co_await refuse(std::move(body).error());
    if (!body->has_value()) {
      ending_ = Ending::quietly;
      co_return false;
    }
    request.body = **std::move(body);
  }

  const bool is_head = request.method == "HEAD";
  if (!is_watching_ && begin_ == end_) {
    may_have_input_ || transport_->holds_input() ? look_whether_peer_is_there() : watch();
  }
  std::optional<ServerResponse> response;
  std::string thrown;
  try {
    response = co_await server_.handler(std::move(request));
  } catch (const std::exception& error) {
    thrown = error.what();
  } catch (...) {
    thrown = "a handler threw";
  }
  if (!response) response = server_.refusal(500, std::move(thrown));
  if (response->drop_connection) {
    ending_ = Ending::abruptly;
    co_return false;
  }
  co_return co_await respond(*std::move(response), is_head, found.minor_version,
                             found.keep_alive && !server_.is_stopping);
}

Task<bool> Session::refuse(Refusal refusal) {
  has_expired_ = false;
  ++server_.counters.refused;
  auto response = server_.refusal(refusal.status, std::move(refusal.reason));
  const auto is_retry_after = [](const auto& header) {
    return equal_ignoring_case(header.first, "Retry-After");
  };
  if (refusal.status == 503 && std::ranges::none_of(response.headers, is_retry_after)) {
    response.headers.emplace_back("Retry-After", "1");
  }
  co_await respond(std::move(response), false, 1, false);
  co_return false;
}

bool is_servers_own(std::string_view name) {
  constexpr std::array<std::string_view, 4> kOwn = {"Content-Length", "Transfer-Encoding",
                                                    "Connection", "Date"};
  return std::ranges::any_of(kOwn, [name](auto own) { return equal_ignoring_case(own, name); });
}

void append(std::string& head, std::initializer_list<std::string_view> pieces) {
  for (const auto piece : pieces) head += piece;
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
  head.reserve(512);
  append(head, {"HTTP/1.1 ", std::to_string(response.status), " ", reason_phrase(response.status),
                "\r\nDate: ", server_.date(), "\r\n"});
  for (const auto& [name, value] : response.headers) {
    if (!is_servers_own(name)) append_line(head, name, value);
  }
  if (chunked) {
    head += "Transfer-Encoding: chunked\r\n";
  } else if (!has_no_body && (!in_pieces || response.content_length)) {
    append(head, {"Content-Length: ",
                  std::to_string(in_pieces ? *response.content_length : response.body.bytes.size()),
                  "\r\n"});
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
    ending_ = Ending::with_reset;
    co_return false;
  }
  if (!sends_body || !in_pieces) co_return keep_alive;

  std::uint64_t left = response.content_length.value_or(UINT64_MAX);
  while (!is_broken_) {
    Result<SharedBytes> piece;
    try {
      piece = co_await response.next();
    } catch (...) {  // the peer must see that the body is not whole
      piece = fail(ErrorCode::internal, "a handler threw in the middle of its body");
    }
    if (!piece || piece->bytes.size() > left) {
      ending_ = Ending::with_reset;
      co_return false;
    }
    const auto bytes = piece->bytes;
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
  // What is cut off must not look whole, and the kernel need not keep it for a peer who took none.
  ending_ = Ending::with_reset;
  co_return false;
}

// What the peer's side has acknowledged.
std::uint64_t Session::bytes_taken_by_peer() const {
  int waiting = 0;
  ::ioctl(socket_.get(), SIOCOUTQ, &waiting);
  return transport_->bytes_sent() - static_cast<std::uint64_t>(waiting);
}

// False when the peer is gone, or took too little for the write timeout.
Task<bool> Session::write(Pieces pieces) {
  const auto& options = server_.options;
  // The least that a peer must take over one write timeout, measured from when it began to make us
  // wait: what fits into the kernel's buffer says nothing about the peer.
  const auto least = std::max<std::uint64_t>(
      1, options.min_bytes_per_second * static_cast<std::uint64_t>(options.write_timeout.count()) /
             1000);
  std::optional<SteadyTime> waits_since;
  std::uint64_t taken_then = 0;
  while (!pieces.left().empty() || transport_->holds_output()) {
    if (has_expired_ && waits_since && bytes_taken_by_peer() - taken_then >= least) {
      has_expired_ = false;
      waits_since.reset();
    }
    if (has_expired_) ++server_.counters.too_slow;
    if (is_broken_ || has_expired_) co_return false;
    if (burst_bytes_ > kMostBytesBeforeYield) {
      burst_bytes_ = 0;
      co_await Yield{*this};
    }
    const auto moved = transport_->write(pieces.left());
    pieces.take(moved.bytes);
    burst_bytes_ += moved.bytes;
    switch (moved.what) {
      case Moving::moved: break;
      case Moving::needs_output:
        burst_bytes_ = 0;
        if (!waits_since) {
          waits_since = server_.runtime.steady_now();
          taken_then = bytes_taken_by_peer();
        }
        deadline_ = *waits_since + options.write_timeout;
        co_await Writable{*this};
        deadline_ = kNever;
        break;
      case Moving::needs_input:
      case Moving::ended:
      case Moving::broken: give_up(); co_return false;
    }
  }
  co_return true;
}

void Session::Pieces::add(ByteView bytes) {
  if (bytes.empty()) return;
  vectors[count++] = {const_cast<std::byte*>(bytes.data()), bytes.size()};
}

void Session::Pieces::take(std::size_t bytes) {
  while (first < count && bytes >= vectors[first].iov_len) bytes -= vectors[first++].iov_len;
  if (bytes > 0) {
    auto& partly = vectors[first];
    partly.iov_base = static_cast<std::byte*>(partly.iov_base) + bytes;
    partly.iov_len -= bytes;
  }
}

Task<void> Session::close() {
  if (ending_ == Ending::with_reset) {
    reset_when_closed(socket_.get());
  } else if (ending_ == Ending::in_peace && !is_broken_) {
    has_expired_ = false;
    set_deadline(kLinger);
    while (!has_expired_ && !is_broken_ && transport_->finish().what == Moving::needs_output) {
      co_await Writable{*this};
    }
    do {
      begin_ = end_ = 0;
    } while (co_await fill() == Fill::got_some);
  } else if (ending_ == Ending::quietly && !is_broken_ && transport_->is_secure()) {
    (void)transport_->finish();
  }
  deadline_ = kNever;
}

}  // namespace betedge::net
