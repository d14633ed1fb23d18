#include "betedge/net/http_server.hpp"

#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <cerrno>
#include <coroutine>

#include "betedge/net/asio_runtime_impl.hpp"
#include "betedge/net/http_session.hpp"
#include "betedge/ports/async.hpp"

namespace betedge::net {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

// How many at once get a 503 for want of a place; more than that are closed without.
constexpr std::size_t kMostTurnedAwayAtOnce = 64;

class Server final : public HttpServer {
 public:
  Server(AsioRuntime& runtime, std::unique_ptr<EpollSet> sockets, ServerOptions options,
         Handler handler, tcp::acceptor acceptor, std::shared_ptr<const TlsContext> tls);

  std::uint16_t port() const override { return port_; }
  ServerCounters counters() const override;
  Task<Result<void>> reload_tls() override;
  Task<void> stop(std::chrono::milliseconds grace) override;

  void begin() { tasks_.spawn(accept_all()); }

 private:
  enum class Place : std::uint8_t { taken, none };

  std::size_t open() const { return sessions_.busy.size() + sessions_.idle.size(); }
  Task<void> accept_all();
  void admit(Accepted accepted);
  bool make_place();
  Task<void> serve(Accepted accepted, Place place);
  void arm_sweep();
  void sweep();

  AsioRuntime& runtime_;
  SessionsState sessions_;
  tcp::acceptor acceptor_;
  std::uint16_t port_;
  std::shared_ptr<const TlsContext> tls_;  // null: plain
  std::size_t turned_away_now_ = 0;
  std::chrono::nanoseconds sweep_period_;
  std::unique_ptr<Timer> sweep_timer_;
  Notify fewer_sessions_;
  TaskScope tasks_;
};

Server::Server(AsioRuntime& runtime, std::unique_ptr<EpollSet> sockets, ServerOptions options,
               Handler handler, tcp::acceptor acceptor, std::shared_ptr<const TlsContext> tls)
    : runtime_(runtime),
      sessions_(runtime, std::move(sockets), std::move(options), std::move(handler)),
      acceptor_(std::move(acceptor)),
      port_(acceptor_.local_endpoint().port()),
      tls_(std::move(tls)),
      fewer_sessions_(runtime),
      tasks_(runtime) {
  const auto& given = sessions_.options;
  const auto shortest = std::min({given.header_timeout, given.idle_timeout, given.write_timeout});
  sweep_period_ = std::clamp<std::chrono::milliseconds>(shortest / 4, std::chrono::milliseconds(1),
                                                        std::chrono::milliseconds(500));
}

ServerCounters Server::counters() const {
  auto counters = sessions_.counters;
  counters.open = open();
  return counters;
}

Task<Result<void>> Server::reload_tls() {
  if (!tls_) co_return Result<void>{};
  auto load = [files = *sessions_.options.tls] { return TlsContext::load(files); };
  BETEDGE_CO_TRY(tls_, co_await run_blocking(runtime_, Pool::io, std::move(load)));
  co_return Result<void>{};
}

Task<void> Server::accept_all() {
  struct Waiting {
    tcp::acceptor& acceptor;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) {
      acceptor.async_wait(tcp::acceptor::wait_read,
                          [handle](const error_code&) { handle.resume(); });
    }
    void await_resume() const noexcept {}
  };
  while (true) {
    co_await Waiting{acceptor_};
    if (sessions_.is_stopping) co_return;
    tcp::endpoint peer;
    auto size = static_cast<socklen_t>(peer.capacity());
    Descriptor socket(
        ::accept4(acceptor_.native_handle(), peer.data(), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (socket.get() >= 0) {
      peer.resize(size);
      admit({std::move(socket), peer});
    } else if (const int why = errno; why != EAGAIN && why != ECONNABORTED && why != EINTR) {
      // Not merely gone already. No descriptors left, as a rule: some have to be given back first.
      // What else there may be (accept(2) has a list) must not keep the loop busy.
      if (why == EMFILE || why == ENFILE || why == ENOBUFS || why == ENOMEM) make_place();
      co_await sleep_for(runtime_, std::chrono::milliseconds(20), tasks_.stop_token());
    }
  }
}

void Server::admit(Accepted accepted) {
  auto& counters = sessions_.counters;
  ++counters.accepted;
  if (open() - turned_away_now_ < sessions_.options.max_connections || make_place()) {
    tasks_.spawn(serve(std::move(accepted), Place::taken));
    return;
  }
  ++counters.turned_away;
  if (turned_away_now_ < kMostTurnedAwayAtOnce) {
    tasks_.spawn(serve(std::move(accepted), Place::none));
    return;
  }
  // A reset says at once what a silence would have said after a while.
  reset_when_closed(accepted.socket.get());
}

// Ends the connection that has been idle for longest. A busy one is somebody's request, and is not
// touched.
bool Server::make_place() {
  for (auto* session : sessions_.idle) {
    if (session->has_something_to_read()) continue;
    session->let_go();
    ++sessions_.counters.places_given_up;
    return true;
  }
  return false;
}

Task<void> Server::serve(Accepted accepted, Place place) {
  turned_away_now_ += place == Place::none ? 1 : 0;
  const int descriptor = accepted.socket.get();
  auto transport = tls_ ? tls_->accept(descriptor) : make_plain_transport(descriptor);
  if (transport) {
    Session session(sessions_, std::move(accepted), *std::move(transport));
    if (!sweep_timer_) arm_sweep();
    if (place == Place::taken) {
      co_await session.run();
    } else {
      co_await session.turn_away();
    }
  } else {
    ++sessions_.counters.handshakes_failed;
    if (sessions_.options.handshake_failed) {
      sessions_.options.handshake_failed("-", transport.error().message);
    }
  }
  turned_away_now_ -= place == Place::none ? 1 : 0;
  fewer_sessions_.notify_all();
}

void Server::arm_sweep() {
  sweep_timer_ = runtime_.after(sweep_period_, [this] { sweep(); });
}

void Server::sweep() {
  sweep_timer_.reset();
  const auto now = runtime_.steady_now();
  for (auto* session : sessions_.busy) session->expire_if_due(now);
  for (auto* session : sessions_.idle) session->expire_if_due(now);
  if (open() > 0) arm_sweep();
}

Task<void> Server::stop(std::chrono::milliseconds grace) {
  sessions_.is_stopping = true;
  error_code ignored;
  acceptor_.close(ignored);
  const auto until = runtime_.steady_now() + grace;
  while (!sessions_.idle.empty()) sessions_.idle.front()->let_go();
  while (open() > 0) {
    if (co_await fewer_sessions_.wait({}, until) == Woken::timed_out) break;
  }
  std::vector<std::stop_source> gone;
  for (auto* session : sessions_.busy) gone.push_back(session->cut());
  for (auto* session : sessions_.idle) gone.push_back(session->cut());
  for (auto& source : gone) source.request_stop();
  co_await tasks_.close();
  sweep_timer_.reset();
}

// Set once for all: on Linux an accepted socket has what its listener has.
void set_for_all_connections(tcp::acceptor& acceptor, const ServerOptions& options) {
  const int descriptor = acceptor.native_handle();
  const auto set = [descriptor](int level, int name, int value) {
    ::setsockopt(descriptor, level, name, &value, sizeof value);
  };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  // A peer whose machine is gone says nothing more, not even that: a stream that is silent itself
  // would wait for ever. Probed after a minute, given up after another.
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 60);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 15);
  set(IPPROTO_TCP, TCP_KEEPCNT, 4);
  // What was sent and is never acknowledged: later than our own timeout, which sees only what waits
  // on our side.
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(options.write_timeout.count()) + 10'000);
}

}  // namespace

Result<std::unique_ptr<HttpServer>> make_http_server(AsioRuntime& runtime, ServerOptions options,
                                                     Handler handler) {
  const auto where = fmt::format("{}:{}", options.address, options.port);
  std::shared_ptr<const TlsContext> tls;
  if (options.tls) {
    BETEDGE_TRY(tls, TlsContext::load(*options.tls));
  }
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
  if (!error) set_for_all_connections(acceptor, options);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (!error) acceptor.native_non_blocking(true, error);
  if (error) {
    const bool is_taken = error == asio::error::address_in_use;
    return fail(is_taken ? ErrorCode::conflict : ErrorCode::invalid_request,
                fmt::format("cannot listen on {}: {}", where, error.message()));
  }
  BETEDGE_TRY(auto sockets, EpollSet::make(runtime.impl().io));
  auto server = std::make_unique<Server>(runtime, std::move(sockets), std::move(options),
                                         std::move(handler), std::move(acceptor), std::move(tls));
  server->begin();
  return server;
}

}  // namespace betedge::net
