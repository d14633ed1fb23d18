#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "betedge/net/http_message.hpp"  // Headers
#include "betedge/ports/bytes.hpp"
#include "betedge/ports/runtime.hpp"
#include "betedge/ports/task.hpp"

namespace betedge::net {

// A request, read whole and parsed strictly (RFC 9112): one Host, no obs-fold, never both
// Content-Length and Transfer-Encoding.
struct ServerRequest {
  std::string method;
  std::string path;                                        // percent-decoded, without the query
  std::vector<std::pair<std::string, std::string>> query;  // decoded, in order
  Headers headers;
  std::string body;
  std::string peer;          // "127.0.0.1:51234", "[::1]:51234"
  std::string peer_address;  // the same without the port: "127.0.0.1", "::1"
  bool is_secure = false;    // it came over TLS
  // Asked to stop when the peer has closed its side (the answer is sent all the same, in case it
  // still reads), when the connection broke, and when the server has waited out its `grace`. A
  // handler that waits long, or streams events, watches it; stop() waits for handlers.
  std::stop_token gone;

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

// PEM files: the certificate with what leads from it to its authority, and its key, which is not
// encrypted.
struct TlsFiles {
  std::string certificate;
  std::string key;
};

struct ServerOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;  // 0 takes a free one
  // TLS 1.2 and 1.3 instead of plain HTTP.
  std::optional<TlsFiles> tls;
  std::size_t max_body_bytes = 1 << 20;
  std::size_t max_header_bytes = 16 << 10;
  // A TLS handshake, and then a request's head, must come whole within this; a body without a
  // longer silence.
  std::chrono::milliseconds header_timeout{10'000};
  std::chrono::milliseconds idle_timeout{75'000};  // between requests of a connection
  // How long a peer may take nothing while something waits to be sent to it. A body in pieces that
  // has nothing to say may be silent for ever.
  std::chrono::milliseconds write_timeout{60'000};
  // What a peer must send of a body in the long run, after a first header_timeout, and take of an
  // answer that waits, over each write_timeout. Less is a peer that only holds a place. 0: anything
  // but silence will do.
  std::size_t min_bytes_per_second = 4'096;
  // Beyond these a connection that is idle, the longest so, gives its place to a new one; when none
  // is idle, the new one is answered 503 with Retry-After and closed. Nobody is left waiting in the
  // kernel's backlog, where a client cannot tell a full server from a dead one, and where a
  // balancer goes on sending.
  std::size_t max_connections = 16'384;
  // Called for what never reaches the handler: 400, 408, 413, 417, 431, 501, 503, 505
  // (http_message.hpp says when). The answer it should have; plain text unless given. 408 is for a
  // request that has begun: a connection that is merely idle is closed without a word.
  std::function<ServerResponse(int status, std::string reason)> refusal;
  // Called when a TLS handshake has failed, and why. Not for a peer that left without a word, nor
  // for one that spoke plain HTTP, which gets its answer.
  std::function<void(std::string peer, std::string reason)> handshake_failed;
};

// What has happened at the door since the server began.
struct ServerCounters {
  std::size_t open = 0;                 // connections now
  std::uint64_t accepted = 0;           // connections, those turned away included
  std::uint64_t turned_away = 0;        // answered 503, or closed when even that was too much
  std::uint64_t places_given_up = 0;    // idle connections closed for a new one
  std::uint64_t handshakes_failed = 0;  // what handshake_failed was called for
  std::uint64_t too_slow = 0;           // ended by header_timeout (408), write_timeout or the rate
  std::uint64_t refused = 0;            // requests that never reached the handler, 408 included
};

// HTTP/1.1 (and 1.0) on one port. Handlers run on the loop's thread; HEAD is answered as GET
// without the body. Requests of one connection are answered one after the other, in order. A
// handler that throws is answered by `refusal(500, what)`. A `next` that ends before
// `content_length` bytes closes the connection; one that goes beyond them, or throws, resets it,
// and so does a peer that does not take its answer. All of it holds over TLS too, where a
// connection ends with close_notify unless it is reset or dropped. Timeouts are kept to within a
// quarter of the shortest, and half a second.
//
// Belongs to the loop's thread. stop() it, and await that, before dropping it.
class HttpServer {
 public:
  virtual ~HttpServer() = default;
  virtual std::uint16_t port() const = 0;
  virtual ServerCounters counters() const = 0;
  // Reads the files of `tls` again, for connections that come from now on: a certificate was
  // renewed. An error, as make_http_server has it, leaves the old one in use. Without `tls` nothing
  // is done.
  virtual Task<Result<void>> reload_tls() = 0;
  // Stops accepting, closes what is idle, lets requests in progress finish for at most `grace`,
  // then asks `gone` and closes. Returns when every handler has returned. Once.
  virtual Task<void> stop(std::chrono::milliseconds grace) = 0;
};

class AsioRuntime;
// `conflict` when the address is taken, invalid_request when it is none of this machine's, or when
// the files of `tls` cannot be used: one is missing or not PEM, or the key is another's.
Result<std::unique_ptr<HttpServer>> make_http_server(AsioRuntime& runtime, ServerOptions options,
                                                     Handler handler);

}  // namespace betedge::net
