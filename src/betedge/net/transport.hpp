#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "betedge/core/error.hpp"
#include "betedge/net/http_server.hpp"  // TlsFiles

// The bytes of a server's connection, plain or under TLS. Knows no loop: nothing here waits.
namespace betedge::net {

// What became of an attempt to move bytes.
enum class Moving : std::uint8_t {
  moved,         // some, or all that there was to do
  needs_input,   // again when the socket is readable
  needs_output,  // again when it is writable
  ended,         // the peer has said that it sends no more
  broken,        // the connection is of no use any more
};

struct Moved {
  Moving what = Moving::moved;
  std::size_t bytes = 0;
};

// Works on a connected socket, which somebody else owns, keeps open meanwhile and closes.
class Transport {
 public:
  virtual ~Transport() = default;

  virtual bool is_secure() const = 0;
  // Before anything else, until it has moved.
  virtual Moved shake_hands() = 0;
  // `moved` comes with at least one byte, unless there is no room.
  virtual Moved read(std::span<char> room) = 0;
  // Whether a read would find something, without taking it.
  virtual Moved look() = 0;
  // Bytes, or the beginning of them, were taken from the socket and not read yet: whoever waits for
  // the socket to be readable has to look() first.
  virtual bool holds_input() const = 0;
  // Takes from the front of the pieces; how much. Says needs_output too when it took something.
  virtual Moved write(std::span<const iovec> pieces) = 0;
  // Something that write() took is not in the socket yet: write({}) goes on with it.
  virtual bool holds_output() const = 0;
  // Says that we send no more. Until it has moved; no write() after it.
  virtual Moved finish() = 0;
  // Why it is broken, in words; empty when that says nothing that the socket's end does not.
  virtual std::string trouble() const = 0;
  // The handshake broke because plain HTTP was spoken to us.
  virtual bool was_plain_http() const = 0;

  // All that was handed to the socket, as it was sent.
  std::uint64_t bytes_sent() const { return bytes_sent_; }

 protected:
  std::uint64_t bytes_sent_ = 0;
};

std::unique_ptr<Transport> make_plain_transport(int socket);

// A certificate with its key, and the rules by which we speak TLS: 1.2 and 1.3, no renegotiation,
// HTTP/1.1 where ALPN is used.
class TlsContext {
 public:
  // invalid_request, with the file's name and what to do: one that cannot be read or is not PEM, a
  // key that is encrypted or belongs to another certificate, a certificate that is too weak.
  static Result<std::shared_ptr<const TlsContext>> load(TlsFiles files);
  virtual ~TlsContext() = default;
  // The connection keeps the context as it is now, whatever is loaded later. `internal` when memory
  // ran out.
  virtual Result<std::unique_ptr<Transport>> accept(int socket) const = 0;
};

}  // namespace betedge::net
