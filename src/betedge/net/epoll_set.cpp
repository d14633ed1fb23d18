#include "betedge/net/epoll_set.hpp"

#include <fmt/format.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <system_error>
#include <utility>

namespace betedge::net {

namespace {

// How many sockets are told before whoever else waits for the loop has its turn.
constexpr std::size_t kToldAtOnce = 16;

}  // namespace

Result<std::unique_ptr<EpollSet>> EpollSet::make(boost::asio::io_context& loop) {
  const int descriptor = ::epoll_create1(EPOLL_CLOEXEC);
  if (descriptor < 0) {
    return fail(ErrorCode::internal, fmt::format("no epoll set can be made: {}",
                                                 std::generic_category().message(errno)));
  }
  return std::unique_ptr<EpollSet>(new EpollSet(loop, descriptor));
}

EpollSet::EpollSet(boost::asio::io_context& loop, int descriptor)
    : set_(loop, descriptor), self_(std::make_shared<EpollSet*>(this)) {
  wait();
}

EpollSet::~EpollSet() {
  *self_ = nullptr;
}

bool EpollSet::add(int socket, Member& member) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = &member;
  return ::epoll_ctl(set_.native_handle(), EPOLL_CTL_ADD, socket, &event) == 0;
}

void EpollSet::remove(int socket, Member& member) {
  ::epoll_ctl(set_.native_handle(), EPOLL_CTL_DEL, socket, nullptr);
  for (auto& event : found_) {
    if (event.data.ptr == &member) event.data.ptr = nullptr;
  }
  std::ranges::replace(woken_, &member, nullptr);
}

void EpollSet::wake(Member& member) {
  if (woken_.empty()) {
    boost::asio::post(set_.get_executor(), [self = self_] {
      if (*self) (*self)->tell_woken();
    });
  }
  woken_.push_back(&member);
}

// Asked anew after each time, so that what is left over, or came meanwhile, is found.
void EpollSet::wait() {
  set_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                  [self = self_](const boost::system::error_code& error) {
                    if (error || !*self) return;
                    (*self)->tell_found();
                  });
}

void EpollSet::tell_found() {
  const auto self = self_;  // whoever is told last may drop the set
  std::array<epoll_event, kToldAtOnce> events;
  const int count = ::epoll_wait(set_.native_handle(), events.data(), kToldAtOnce, 0);
  found_ = {events.data(), static_cast<std::size_t>(std::max(count, 0))};
  while (!found_.empty()) {
    const auto event = found_.front();
    found_ = found_.subspan(1);
    if (event.data.ptr) static_cast<Member*>(event.data.ptr)->on_ready(event.events);
    if (!*self) return;
  }
  wait();
}

void EpollSet::tell_woken() {
  const auto self = self_;
  // Those that are woken meanwhile are told in this turn too; nobody wakes itself for ever.
  for (std::size_t i = 0; i < woken_.size(); ++i) {
    if (auto* member = std::exchange(woken_[i], nullptr)) member->on_ready(0);
    if (!*self) return;
  }
  woken_.clear();
}

}  // namespace betedge::net
