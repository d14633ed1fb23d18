#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "betedge/core/error.hpp"

struct epoll_event;

// Which of many sockets have become ready. Included by http_session and http_server only, which
// keeps Asio out of everybody's compile.
namespace betedge::net {

// A socket is registered once, edge-triggered (epoll(7)): its member hears of each arrival of
// input, and of room for output after a send that found none, and has to read or write until there
// is nothing left before it can wait for the next. Asio, which would ask the kernel anew for each
// wait, waits for the set as a whole; that call was a tenth of a status request.
//
// Belongs to the loop's thread. Outlives its members.
class EpollSet {
 public:
  class Member {
   public:
    virtual ~Member() = default;
    // `events`: EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLHUP, EPOLLERR; 0 for wake(). May remove this
    // member and others, and drop the set once none is left.
    virtual void on_ready(std::uint32_t events) = 0;
  };

  // `internal` when the process has no descriptor left.
  static Result<std::unique_ptr<EpollSet>> make(boost::asio::io_context& loop);
  ~EpollSet();
  EpollSet(const EpollSet&) = delete;
  EpollSet& operator=(const EpollSet&) = delete;

  // False when the kernel refuses one more (memory, or the user's limit).
  bool add(int socket, Member& member);
  // Before the socket is closed. The member hears nothing more, not even what was found already.
  void remove(int socket, Member& member);
  // The member is called soon, from the loop.
  void wake(Member& member);

 private:
  EpollSet(boost::asio::io_context& loop, int descriptor);
  void wait();
  void tell_found();
  void tell_woken();

  boost::asio::posix::stream_descriptor set_;
  std::span<epoll_event> found_{};  // and not told yet
  std::vector<Member*> woken_{};    // likewise
  // What Asio has queued when the set is dropped finds it gone.
  std::shared_ptr<EpollSet*> self_;
};

}  // namespace betedge::net
