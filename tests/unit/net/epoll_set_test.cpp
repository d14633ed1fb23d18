#include "betedge/net/epoll_set.hpp"

#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <list>

#include "betedge/net/descriptor.hpp"

namespace betedge::net {
namespace {

class EpollSetTest : public ::testing::Test {
 protected:
  // One end of a pair, which counts what it is told.
  struct End final : EpollSet::Member {
    Descriptor socket, other;
    int told = 0;
    std::uint32_t events = 0;
    std::function<void()> then = [] {};

    void on_ready(std::uint32_t what) override {
      ++told;
      events |= what;
      then();
    }
    void arrive() const { ASSERT_EQ(::send(other.get(), "x", 1, 0), 1); }
  };

  EpollSetTest() : set_(EpollSet::make(loop_).value()) {}
  ~EpollSetTest() override {
    set_.reset();
    loop_.poll();
  }

  // Registered, and with its first news (that it can be written to) heard.
  End& end() {
    auto& made = ends_.emplace_back();
    std::array<int, 2> pair{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair.data()), 0);
    made.socket = Descriptor(pair[0]);
    made.other = Descriptor(pair[1]);
    EXPECT_TRUE(set_->add(pair[0], made));
    turn();
    made.told = 0;
    made.events = 0;
    return made;
  }

  // All that the loop has to do now.
  void turn() {
    loop_.restart();
    while (loop_.poll() > 0) {
    }
  }

  boost::asio::io_context loop_{1};
  std::unique_ptr<EpollSet> set_;
  std::list<End> ends_;
};

TEST_F(EpollSetTest, TellsEachArrivalOnceWhetherItIsReadOrNot) {
  auto& one = end();
  turn();
  EXPECT_EQ(one.told, 0);
  one.arrive();
  turn();
  EXPECT_EQ(one.told, 1);
  EXPECT_TRUE(one.events & EPOLLIN);
  turn();
  EXPECT_EQ(one.told, 1);
  one.arrive();
  turn();
  EXPECT_EQ(one.told, 2);
  EXPECT_FALSE(one.events & EPOLLRDHUP);
  one.other = Descriptor();
  turn();
  EXPECT_EQ(one.told, 3);
  EXPECT_TRUE(one.events & EPOLLRDHUP);
}

// More than one turn of the loop takes.
TEST_F(EpollSetTest, TellsAllOfMany) {
  for (int i = 0; i < 100; ++i) end();
  for (const auto& each : ends_) each.arrive();
  turn();
  for (const auto& each : ends_) EXPECT_EQ(each.told, 1);
}

TEST_F(EpollSetTest, WhoIsRemovedHearsNothingMoreNotEvenWhatWasFoundWithTheOthers) {
  auto& one = end();
  auto& two = end();
  const auto remove = [this](End& which) {
    return [this, &which] { set_->remove(which.socket.get(), which); };
  };
  one.then = remove(two);
  two.then = remove(one);
  one.arrive();
  two.arrive();
  turn();
  EXPECT_EQ(one.told + two.told, 1);
}

TEST_F(EpollSetTest, WhoIsWokenIsToldFromTheLoopAndOnceForEach) {
  auto& one = end();
  auto& two = end();
  one.then = [this, &one, &two] {
    if (one.told == 1) set_->wake(two);
  };
  set_->wake(one);
  EXPECT_EQ(one.told, 0);
  turn();
  EXPECT_EQ(one.told, 1);
  EXPECT_EQ(two.told, 1);
  EXPECT_EQ(one.events, 0u);
  set_->wake(one);
  turn();
  EXPECT_EQ(one.told, 2);
}

TEST_F(EpollSetTest, WhoIsRemovedIsNotWoken) {
  auto& one = end();
  auto& two = end();
  one.then = [this, &two] { set_->remove(two.socket.get(), two); };
  set_->wake(one);
  set_->wake(two);
  turn();
  EXPECT_EQ(one.told, 1);
  EXPECT_EQ(two.told, 0);
}

TEST_F(EpollSetTest, ASetThatIsDroppedTellsNobody) {
  auto& one = end();
  auto& two = end();
  one.arrive();
  set_->wake(two);
  set_.reset();
  turn();
  EXPECT_EQ(one.told, 0);
  EXPECT_EQ(two.told, 0);
}

TEST_F(EpollSetTest, TheLastThatIsToldMayDropTheSet) {
  auto& one = end();
  one.then = [this, &one] {
    set_->remove(one.socket.get(), one);
    set_.reset();
  };
  one.arrive();
  turn();
  EXPECT_EQ(one.told, 1);
}

TEST_F(EpollSetTest, TheLastThatIsWokenMayDropTheSet) {
  auto& one = end();
  one.then = [this, &one] {
    set_->remove(one.socket.get(), one);
    set_.reset();
  };
  set_->wake(one);
  turn();
  EXPECT_EQ(one.told, 1);
}

}  // namespace
}  // namespace betedge::net
