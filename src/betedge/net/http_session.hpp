#pragma once

#include <sys/uio.h>

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <coroutine>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "betedge/net/asio_runtime.hpp"
#include "betedge/net/descriptor.hpp"
#include "betedge/net/epoll_set.hpp"
#include "betedge/net/http_message.hpp"
#include "betedge/net/http_server.hpp"
#include "betedge/net/transport.hpp"

// One connection of the HTTP server. Included by http_session.cpp and http_server.cpp only, which
// keeps Asio out of everybody's compile.
namespace betedge::net {

class Session;

// What the sessions of one server share. Outlives them.
struct SessionsState {
  SessionsState(AsioRuntime& its_runtime, std::unique_ptr<EpollSet> its_sockets,
                ServerOptions its_options, Handler its_handler)
      : runtime(its_runtime),
        sockets(std::move(its_sockets)),
        options(std::move(its_options)),
        handler(std::move(its_handler)) {}

  ServerResponse refusal(int status, std::string reason) const;
  // "Sun, 06 Nov 1994 08:49:37 GMT", of this second.
  const std::string& date();

  AsioRuntime& runtime;
  std::unique_ptr<EpollSet> sockets;
  ServerOptions options;
  Handler handler;
  bool is_stopping = false;
  ServerCounters counters;
  // Every session is in one of the two; the idle ones in the order in which they became so.
  std::list<Session*> busy;
  std::list<Session*> idle;

 private:
  std::chrono::sys_seconds date_second_{};
  std::string date_;
};

// A connected socket, which does not block, and who is at its other end.
struct Accepted {
  Descriptor socket;
  boost::asio::ip::tcp::endpoint peer;
};

// What is still to be sent is dropped with the connection, and its peer told so by a reset.
void reset_when_closed(int socket);

class Session final : private EpollSet::Member {
 public:
  Session(SessionsState& server, Accepted accepted, std::unique_ptr<Transport> transport);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() override;

  // Answers requests until the connection has ended.
  Task<void> run();
  // Instead, for one too many: answers 503. Never counts as idle, so that nobody gets a place by
  // it.
  Task<void> turn_away();

  // The server's sweep: ends the wait that has gone on for too long.
  void expire_if_due(SteadyTime now);
  // Of one that is idle: ends it, and counts it as busy until it is gone.
  void let_go();
  // A request that has come already, and has not been read yet.
  bool has_something_to_read() const;
  // The grace is over. The caller asks the returned source to stop.
  std::stop_source cut();

 private:
  enum class Fill : std::uint8_t { got_some, peer_closed, timed_out };
  // quietly: nobody waits for a last word. abruptly: not even TLS says goodbye.
  enum class Ending : std::uint8_t { in_peace, quietly, abruptly, with_reset };
  struct Pieces {
    std::array<iovec, 3> vectors{};
    std::size_t first = 0;
    std::size_t count = 0;
    void add(ByteView bytes);
    void take(std::size_t bytes);
    std::span<const iovec> left() const { return {vectors.data() + first, count - first}; }
  };
  struct Readable;
  struct Writable;
  struct Yield;

  void on_ready(std::uint32_t events) override;
  Task<bool> shake_hands();
  Task<bool> serve_one();
  Task<OrRefusal<std::optional<RequestHead>>> read_head();
  // Of a request that has one. nullopt: the peer left.
  Task<OrRefusal<std::optional<std::string>>> read_body(const RequestHead& head);
  Task<bool> respond(ServerResponse response, bool is_head, int minor_version, bool keep_alive);
  Task<bool> refuse(Refusal refusal);
  Task<bool> write(Pieces pieces);
  Task<Fill> fill();
  Task<void> close();

  std::string_view buffered() const { return {buffer_.data() + begin_, end_ - begin_}; }
  void make_room(std::size_t largest);
  void set_idle(bool is_idle);
  void watch() { is_watching_ = true; }
  void look_whether_peer_is_there();
  void give_up();
  std::uint64_t bytes_taken_by_peer() const;
  void set_deadline(std::chrono::nanoseconds from_now);

  SessionsState& server_;
  Descriptor socket_;
  std::unique_ptr<Transport> transport_;
  std::list<Session*>::iterator place_;
  std::string peer_address_;
  std::string peer_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  SteadyTime deadline_ = SteadyTime::max();
  bool has_expired_ = false;
  bool was_let_go_ = false;
  bool is_turned_away_ = false;
  bool is_idle_ = false;
  bool is_first_request_ = true;
  bool is_broken_ = false;  // nothing can be sent any more
  // Nothing was left to read when we last looked: on_ready() says when there is, which an end is
  // too.
  bool is_watching_ = false;
  bool may_have_input_ = true;  // in the socket
  bool has_hung_up_ = false;    // an end may stand behind the last bytes, and is not told again
  Ending ending_ = Ending::in_peace;
  std::size_t burst_bytes_ = 0;
  std::coroutine_handle<> reader_;
  std::coroutine_handle<> writer_;
  std::stop_source gone_;
};

}  // namespace betedge::net
