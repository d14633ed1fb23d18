#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "betedge/net/asio_runtime.hpp"
#include "betedge/net/http_client.hpp"
#include "betedge/net/http_server.hpp"
#include "betedge/ports/async.hpp"

namespace betedge::net {

// A real loop, a real server on a free port, a real client.
class Loopback : public ::testing::Test {
 protected:
  ~Loopback() override;

  void serve(Handler handler, ServerOptions options = {});
  // Runs the task on the loop, then stops the server.
  void run(Task<void> task, std::chrono::milliseconds grace = std::chrono::milliseconds(0));

  std::string url(std::string_view path) const;
  HttpRequest get(std::string_view path) const;
  // Sends these bytes to the server, says no more, and reads until the server closes.
  Task<std::string> converse(std::string bytes);

  AsioRuntime runtime_{2, 6};
  std::unique_ptr<HttpServer> server_;
  std::unique_ptr<HttpClient> client_;

 private:
  Task<void> run_and_stop(Task<void> task, std::chrono::milliseconds grace);
};

// A listener that answers each connection from a script, one connection after the other.
class ScriptedServer {
 public:
  struct Step {
    std::string answer;      // sent once a request's head has come
    bool resets = false;     // ends with RST instead of FIN
    bool says_more = false;  // keeps the connection for the next step
  };
  explicit ScriptedServer(std::vector<Step> steps);
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;
  ~ScriptedServer();

  std::uint16_t port() const { return port_; }
  // Plays the script; blocks, so on a pool.
  void play();

 private:
  std::vector<Step> steps_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
};

// A blocking connection, whose reads fail rather than wait longer than 20 seconds.
class RawConnection {
 public:
  explicit RawConnection(std::uint16_t port, int receive_buffer_bytes = 0);
  RawConnection(RawConnection&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;
  ~RawConnection();
  bool send(std::string_view bytes);
  // Up to and with `until`, or what came before the connection ended.
  std::string read_until(std::string_view until);
  std::string read_to_end();
  // The connection was reset rather than closed.
  bool was_reset() const { return was_reset_; }
  void close();

 private:
  int fd_ = -1;
  bool was_reset_ = false;
  std::string left_;
};

// A port on which nobody listens (it was free a moment ago).
std::uint16_t closed_port();

ServerResponse text_response(int status, std::string text);

}  // namespace betedge::net
