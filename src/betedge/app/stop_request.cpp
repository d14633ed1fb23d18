#include "betedge/app/stop_request.hpp"

#include <signal.h>
#include <unistd.h>

namespace betedge::app {

StopRequest::StopRequest(net::AsioRuntime& runtime) : asked_(runtime) {
  struct sigaction hangup{};
  sigaction(SIGHUP, nullptr, &hangup);
  const bool ignores_hangup = hangup.sa_handler == SIG_IGN;
  runtime.handle_signals([this, ignores_hangup](int number) {
    if (number == SIGHUP && on_hangup_) {
      on_hangup_();
    } else if (number != SIGHUP || !ignores_hangup) {
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

Task<void> StopRequest::wait() {
  (void)co_await asked_.wait();
}

std::string StopRequest::signal_name() const {
  return signal_ == SIGINT ? "SIGINT" : signal_ == SIGTERM ? "SIGTERM" : "SIGHUP";
}

}  // namespace betedge::app
