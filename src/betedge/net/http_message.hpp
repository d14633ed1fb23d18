#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// The words of HTTP/1.1, without a socket: what a server accepts (RFC 9112, strictly) and the names
// of statuses. Plain functions of bytes.
namespace betedge::net {

using Headers = std::vector<std::pair<std::string, std::string>>;

// Why a request never reaches its handler: a status of 4xx or 5xx and a sentence.
struct Refusal {
  int status = 400;
  std::string reason;
  friend bool operator==(const Refusal&, const Refusal&) = default;
};

template <class T>
using OrRefusal = std::expected<T, Refusal>;

struct RequestHead {
  std::string method;
  std::string path;  // percent-decoded, without the query
  std::vector<std::pair<std::string, std::string>> query;
  Headers headers;  // Host is the target's, when that is in absolute form
  int minor_version = 1;
  bool keep_alive = true;
  bool expects_continue = false;
  bool chunked = false;
  std::uint64_t content_length = 0;  // 0 too when there is none
};

// The size of the head that begins `bytes`, its empty line included; 0 when it has not come whole.
// `scanned` remembers between calls, as more bytes come, how far it was looked at; begin with 0.
// 400 for a line that does not end in CR LF and for the beginning of TLS, at once, and not only
// when a timeout ends the waiting.
OrRefusal<std::size_t> find_head_end(std::string_view bytes, std::size_t& scanned);

// Reads a whole head, up to and with its empty line. 400: malformed, no Host or two or one that is
// none, obs-fold, both Content-Length and Transfer-Encoding, two Content-Lengths, a bad escape.
// 417: an unknown Expect. 431: more than 128 fields. 501: a method or transfer coding that is not
// known. 505: not HTTP/1.x.
OrRefusal<RequestHead> parse_head(std::string_view head);

// "%41b" -> "Ab"; "+" is a space only with `plus_is_space`. nullopt for a bad escape and for %00.
enum class Plus : std::uint8_t { is_itself, is_space };
std::optional<std::string> percent_decode(std::string_view text, Plus plus);

// A chunked body, as it comes in pieces. Extensions and trailers are read over.
class ChunkedDecoder {
 public:
  // At most `max_body_bytes` of body (413) and `max_line_bytes` in a size line or all trailers
  // (400).
  ChunkedDecoder(std::size_t max_body_bytes, std::size_t max_line_bytes)
      : max_body_bytes_(max_body_bytes), max_line_bytes_(max_line_bytes) {}

  // Takes from the front of `bytes`, appends to `body`; how many bytes it took: all of them unless
  // is_done().
  OrRefusal<std::size_t> feed(std::string_view bytes, std::string& body);
  bool is_done() const { return state_ == State::done; }

 private:
  enum class State : std::uint8_t { size_line, data, data_end, trailer_line, done };
  OrRefusal<void> take_line();

  State state_ = State::size_line;
  std::size_t max_body_bytes_;
  std::size_t max_line_bytes_;
  std::size_t trailer_bytes_ = 0;
  std::uint64_t chunk_left_ = 0;
  std::string line_;
};

// "Not Found" for 404; "Unknown" for a number without a name.
std::string_view reason_phrase(int status);

bool equal_ignoring_case(std::string_view a, std::string_view b);

}  // namespace betedge::net
