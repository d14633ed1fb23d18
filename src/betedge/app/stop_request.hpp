#pragma once

#include <functional>
#include <stop_token>
#include <string>

#include "betedge/net/asio_runtime.hpp"
#include "betedge/ports/async.hpp"

namespace betedge::app {

// The end of a command that runs until it is told to stop. The first of SIGTERM, SIGINT and SIGHUP
// asks it to; a second one ends the process at once, with 128 and the signal's number. SIGHUP means
// nothing to a process that was started ignoring it (nohup), and is no stop where it has another
// meaning.
class StopRequest {
 public:
  explicit StopRequest(net::AsioRuntime& runtime);

  // From now on SIGHUP calls this, on the loop's thread, instead of asking for a stop; also in a
  // process that was started ignoring it. Empty: as before.
  void on_hangup(std::function<void()> work) { on_hangup_ = std::move(work); }

  // Until a signal has come; at once when one has already.
  Task<void> wait();
  std::stop_token token() const { return source_.get_token(); }
  bool is_asked() const { return signal_ != 0; }
  std::string signal_name() const;  // "SIGTERM"

 private:
  void on_signal(int number);

  Notify asked_;
  std::stop_source source_;
  int signal_ = 0;
  std::function<void()> on_hangup_;
};

}  // namespace betedge::app
