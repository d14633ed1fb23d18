#include "betedge/app/stop_request.hpp"

#include <signal.h>
#include <unistd.h>

namespace betedge::app {

StopRequest::StopRequest(net::AsioRuntime& runtime, Hangup hangup) : asked_(runtime) {
  struct sigaction before{};
  sigaction(SIGHUP, nullptr, &before);
  const bool is_ignored = before.sa_handler == SIG_IGN;
  runtime.handle_signals([this, hangup, is_ignored](int number) {
    if (number != SIGHUP) {
      on_signal(number);
    } else if (hangup == Hangup::reloads) {
      is_reload_asked_ = true;
      asked_.notify_one();
    } else if (!is_ignored) {
      on_signal(number);
    }
  });
}

void StopRequest::on_signal(int number) {
  if (signal_ != 0) _exit(128 + number);
  signal_ = number;
  source_.request_stop();
  asked_.notify_one();
}

Task<StopRequest::Asked> StopRequest::wait() {
  while (signal_ == 0 && !is_reload_asked_) (void)co_await asked_.wait();
  if (signal_ != 0) co_return Asked::stop;
  is_reload_asked_ = false;
  co_return Asked::reload;
}

std::string StopRequest::signal_name() const {
  return signal_ == SIGINT ? "SIGINT" : signal_ == SIGTERM ? "SIGTERM" : "SIGHUP";
}

}  // namespace betedge::app
