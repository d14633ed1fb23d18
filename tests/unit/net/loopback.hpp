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

// What a connection to the server under test speaks.
enum class Wire : std::uint8_t { plain, tls };
inline std::string name_of(Wire wire) {
  return wire == Wire::tls ? "over_tls" : "plain";
}

class RawConnection;

// Where the server under test is.
struct Door {
  Runtime& runtime;
  std::uint16_t port;
  Wire wire;
  // Off the loop, where the server has to answer the handshake.
  Task<std::unique_ptr<RawConnection>> connect(int receive_buffer_bytes = 0) const;
};

// A real loop, a real server on a free port, a real client.
class Loopback : public ::testing::Test {
 protected:
  explicit Loopback(Wire wire = Wire::plain) : wire_(wire) {}
  ~Loopback() override;

  void serve(Handler handler, ServerOptions options = {});
  // A client that trusts the server.
  void connect_client();
  Door door() { return {runtime_, server_->port(), wire_}; }
  // Runs the task on the loop, then stops the server.
  void run(Task<void> task, std::chrono::milliseconds grace = std::chrono::milliseconds(0));

  std::string url(std::string_view path) const;
  HttpRequest get(std::string_view path) const;
  // Sends these bytes to the server, says no more, and reads until the server closes.
  Task<std::string> converse(std::string bytes);

  const Wire wire_;
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

// How a client speaks TLS. Numbers as OpenSSL has them (TLS1_2_VERSION); 0: what both know best.
struct TlsManners {
  int newest_version = 0;
  std::string protocols{};  // ALPN, as on the wire: "\x02h2\x08http/1.1"
};

// A blocking connection, whose reads fail rather than wait longer than 20 seconds. Trusts
// everybody.
class RawConnection {
 public:
  // Throws std::runtime_error when there is no connection; its text says what TLS says.
  explicit RawConnection(std::uint16_t port, int receive_buffer_bytes = 0, Wire wire = Wire::plain,
                         TlsManners manners = {});
  RawConnection(RawConnection&& other) noexcept;
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;
  ~RawConnection();
  bool send(std::string_view bytes);
  // Whether an answer, or the end, begins to come within that time.
  bool answers_within(std::chrono::milliseconds time);
  // Up to and with `until`, or what came before the connection ended.
  std::string read_until(std::string_view until);
  std::string read_to_end();
  // At most so many bytes, or one of TLS's records; false at the end.
  bool read_some(std::size_t bytes);
  // The connection was reset rather than closed.
  bool was_reset() const { return was_reset_; }
  // TLS's own last word came before the end of the connection.
  bool had_goodbye() const { return had_goodbye_; }
  std::string tls_version() const;        // "TLSv1.3"
  std::string protocol() const;           // of ALPN; empty when there was none
  std::string certificates_name() const;  // of the server
  bool renegotiate();
  // Says TLS's last word and goes on reading.
  void say_goodbye();
  void close();

 private:
  struct Tls;
  long receive(char* room, std::size_t size);

  int fd_ = -1;
  std::unique_ptr<Tls> tls_;
  bool was_reset_ = false;
  bool had_goodbye_ = false;
  std::string left_;
};

// A port on which nobody listens (it was free a moment ago).
std::uint16_t closed_port();

ServerResponse text_response(int status, std::string text);

}  // namespace betedge::net
