#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstddef>
#include <exception>
#include <functional>
#include <optional>
#include <random>

#include "betedge/net/asio_runtime.hpp"

namespace betedge::net {

// Seen by asio_runtime.cpp and http_server.cpp only, which keeps Asio out of everybody's compile.
struct AsioRuntime::Impl {
  Impl(unsigned cpu_threads, unsigned io_threads) : cpu(cpu_threads), io_pool(io_threads) {}

  void wait_for_signal();

  // Before the pools, which are joined first: their threads post to the loop to the last.
  boost::asio::io_context io{1};
  std::mt19937_64 random;
  std::function<void(int)> on_signal;
  std::optional<boost::asio::signal_set> signals;
  std::atomic<std::size_t> blocking_works{0};
  std::atomic<bool> finishing{false};
  bool root_ended = true;
  std::exception_ptr root_failure;
  boost::asio::thread_pool cpu;
  boost::asio::thread_pool io_pool;
};

}  // namespace betedge::net
