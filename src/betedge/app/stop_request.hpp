#pragma once

#include <cstdint>
#include <stop_token>
#include <string>

#include "betedge/net/asio_runtime.hpp"
#include "betedge/ports/async.hpp"

namespace betedge::app {

// What SIGHUP means to a command. One that it stops does not hear it when it was started ignoring
// it (nohup).
enum class Hangup : std::uint8_t { stops, reloads };

// The signals of a command that runs until it is told to stop. The first of SIGTERM and SIGINT (and
// of SIGHUP, where it stops) asks it to; a second one ends the process at once, with 128 and the
// signal's number.
class StopRequest {
 public:
  StopRequest(net::AsioRuntime& runtime, Hangup hangup);

  enum class Asked : std::uint8_t { stop, reload };
  // Until a signal has come; at once when one has already. Several SIGHUPs that nobody has waited
  // for are one.
  Task<Asked> wait();
  std::stop_token token() const { return source_.get_token(); }
  bool is_asked() const { return signal_ != 0; }  // to stop
  std::string signal_name() const;                // "SIGTERM"

 private:
  void on_signal(int number);

  Notify asked_;
  std::stop_source source_;
  int signal_ = 0;
  bool is_reload_asked_ = false;
};

}  // namespace betedge::app
