#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "betedge/net/http_client.hpp"  // Headers
#include "betedge/ports/bytes.hpp"
#include "betedge/ports/runtime.hpp"
#include "betedge/ports/task.hpp"

namespace betedge::net {

// A request, read whole and parsed strictly (RFC 9112): one Host, no obs-fold, never both
// Content-Length and Transfer-Encoding.
struct ServerRequest {
  std::string method;
  std::string path;  // percent-decoded, without the query
  std::vector<std::pair<std::string, std::string>> query;  // decoded, in order
  Headers headers;
  std::string body;
  std::string peer;  // "127.0.0.1:51234"

  std::optional<std::string_view> header(std::string_view name) const;     // any case
  std::optional<std::string_view> parameter(std::string_view name) const;  // the first of that name
};

// Bytes that somebody keeps alive: a mapped file, a cached body.
struct SharedBytes {
  std::shared_ptr<const void> owner;
  ByteView bytes;
  static SharedBytes of(std::string text);
};

struct ServerResponse {
  int status = 200;
  Headers headers;   // Content-Length, Transfer-Encoding, Connection and Date are the server's
  SharedBytes body;  // used when `next` is empty
  // A body in pieces: empty bytes end it; an error resets the connection in mid-body (RST), which
  // the simulator wants and a real handler uses when it cannot go on.
  std::function<Task<Result<SharedBytes>>()> next;
  // For `next`: what Content-Length says; without it the body is chunked.
  std::optional<std::uint64_t> content_length;
  // Ends the connection without an answer at all (a terminal that drops connections).
  bool drop_connection = false;
};

using Handler = std::function<Task<ServerResponse>(ServerRequest)>;

struct ServerOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;  // 0 takes a free one
  std::size_t max_body_bytes = 1 << 20;
  std::size_t max_header_bytes = 16 << 10;
  std::chrono::milliseconds header_timeout{10'000};  // a request's head must come within
  std::chrono::milliseconds idle_timeout{75'000};    // between requests of a connection
  std::chrono::milliseconds write_timeout{60'000};   // without a byte taken by the peer
  std::size_t max_connections = 16'384;
  // Called for what never reaches the handler: 400, 408, 413, 431, 501. The body it should have.
  std::function<ServerResponse(int status, std::string reason)> refusal;
};

// HTTP/1.1 on one port. Handlers run on the loop's thread; HEAD is answered as GET without the body.
// A handler that throws is answered by `refusal(500, what)`.
class HttpServer {
 public:
  virtual ~HttpServer() = default;
  virtual std::uint16_t port() const = 0;
  // Stops accepting, lets requests in progress finish for at most `grace`, then closes. Once.
  virtual Task<void> stop(std::chrono::milliseconds grace) = 0;
};

class AsioRuntime;
Result<std::unique_ptr<HttpServer>> make_http_server(AsioRuntime& runtime, ServerOptions options,
                                                     Handler handler);

}  // namespace betedge::net
