#include "betedge/net/asio_runtime.hpp"

#include <array>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <thread>

#include "betedge/net/asio_runtime_impl.hpp"

namespace betedge::net {

namespace asio = boost::asio;

namespace {

unsigned count_of_cores() {
  return std::max(1u, std::thread::hardware_concurrency());
}

class AsioTimer final : public Timer {
 public:
  // Shared with the completion, which Asio may have queued already when the timer is dropped.
  struct State {
    explicit State(asio::io_context& io) : timer(io) {}
    asio::steady_timer timer;
    Runtime::Work work;
  };

  AsioTimer(asio::io_context& io, std::chrono::nanoseconds delay, Runtime::Work work)
      : state_(std::make_shared<State>(io)) {
    state_->work = std::move(work);
    state_->timer.expires_after(std::chrono::duration_cast<asio::steady_timer::duration>(delay));
    state_->timer.async_wait([state = state_](const boost::system::error_code& error) {
      if (error || !state->work) return;
      auto due = std::exchange(state->work, nullptr);
      due();
    });
  }
  AsioTimer(const AsioTimer&) = delete;
  AsioTimer& operator=(const AsioTimer&) = delete;
  ~AsioTimer() override {
    state_->work = nullptr;
    state_->timer.cancel();
  }

 private:
  std::shared_ptr<State> state_;
};

// Owns the root task; frees itself at its end.
struct Driver {
  struct promise_type {
    Driver get_return_object() const noexcept { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { std::terminate(); }
  };
};

Driver drive(AsioRuntime::Impl& impl, Task<void> task) {
  try {
    auto owned = std::move(task);
    co_await std::move(owned);
  } catch (...) {
    impl.root_failure = std::current_exception();
  }
  impl.root_ended = true;
  impl.io.stop();
}

}  // namespace

AsioRuntime::AsioRuntime(unsigned cpu_threads, unsigned io_threads)
    : impl_(std::make_unique<Impl>(cpu_threads == 0 ? count_of_cores() : cpu_threads,
                                   std::max(1u, io_threads))) {
  std::random_device device;
  std::array<std::random_device::result_type, 8> words;
  for (auto& word : words) word = device();
  std::seed_seq seed(words.begin(), words.end());
  impl_->random.seed(seed);
}

AsioRuntime::~AsioRuntime() = default;

void AsioRuntime::post(Work work) {
  asio::post(impl_->io, std::move(work));
}

void AsioRuntime::post_blocking(Pool pool, Work work) {
  impl_->blocking_works.fetch_add(1, std::memory_order_relaxed);
  auto counted = [impl = impl_.get(), given = std::move(work)]() mutable {
    {
      auto owned = std::exchange(given, nullptr);
      owned();
    }
    if (impl->blocking_works.fetch_sub(1) == 1 && impl->finishing.load()) {
      asio::post(impl->io, [] {});  // run() waits for this
    }
  };
  asio::post(pool == Pool::cpu ? impl_->cpu : impl_->io_pool, std::move(counted));
}

std::unique_ptr<Timer> AsioRuntime::after(std::chrono::nanoseconds delay, Work work) {
  return std::make_unique<AsioTimer>(impl_->io, delay, std::move(work));
}

SteadyTime AsioRuntime::steady_now() const {
  return std::chrono::time_point_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now());
}

Timestamp AsioRuntime::wall_now() const {
  return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
}

std::uint64_t AsioRuntime::random_bits() {
  return impl_->random();
}

void AsioRuntime::run(Task<void> task) {
  auto& impl = *impl_;
  impl.root_ended = false;
  impl.finishing = false;
  impl.io.restart();
  const auto guard = asio::make_work_guard(impl.io);
  // From inside the loop, so that a task that ends at once stops a loop that runs.
  asio::post(impl.io, [&impl, root = std::move(task)]() mutable { drive(impl, std::move(root)); });
  impl.io.run();

  // What the task left: work in the pools, and what that posts. Timers and sockets are not waited
  // for.
  impl.finishing = true;
  while (true) {
    impl.io.restart();
    impl.io.poll();
    if (impl.blocking_works == 0) break;
    impl.io.run_one();
  }
  impl.io.restart();
  impl.io.poll();
  impl.signals.reset();
  if (impl.root_failure) std::rethrow_exception(std::exchange(impl.root_failure, nullptr));
}

void AsioRuntime::handle_signals(std::function<void(int)> on_signal) {
  impl_->on_signal = std::move(on_signal);
  impl_->signals.emplace(impl_->io, SIGTERM, SIGINT, SIGHUP);
  impl_->wait_for_signal();
}

void AsioRuntime::Impl::wait_for_signal() {
  signals->async_wait([this](const boost::system::error_code& error, int number) {
    if (error || !signals) return;
    on_signal(number);
    wait_for_signal();
  });
}

}  // namespace betedge::net
