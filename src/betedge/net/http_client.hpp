#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "betedge/net/http_message.hpp"  // Headers
#include "betedge/ports/bytes.hpp"
#include "betedge/ports/runtime.hpp"
#include "betedge/ports/task.hpp"

namespace betedge::net {

// How a body may be packed on its way. What HttpResponse::next() gives is unpacked; one that cannot
// be unpacked is upstream_failed.
enum class ContentCoding : std::uint8_t { identity, gzip };

struct HttpRequest {
  std::string method = "GET";
  std::string url;
  Headers headers;
  ContentCoding coding = ContentCoding::identity;  // gzip: sends Accept-Encoding, and unpacks
  // Sent with its Content-Length; an empty one is said (Content-Length: 0) for POST, PUT and PATCH.
  std::string body;
  // Instead of `body`: `upload_bytes` of a file to send, from `upload_offset`. Stays open
  // meanwhile.
  int upload_fd = -1;
  std::uint64_t upload_offset = 0;
  std::uint64_t upload_bytes = 0;
  std::chrono::milliseconds connect_timeout{5'000};
  // No byte for this long ends the exchange; there is no total limit (THETA.md 1.9).
  std::chrono::milliseconds idle_timeout{120'000};
};

// An answer whose head has come and whose body is arriving. The body is read only as fast as it is
// asked for. Dropping it closes the exchange.
class HttpResponse {
 public:
  virtual ~HttpResponse() = default;
  virtual int status() const = 0;
  // The first header of that name, whatever its case; nullopt when there is none.
  virtual std::optional<std::string> header(std::string_view name) const = 0;
  // The next bytes; empty at the end of a body that came whole by its framing. A body cut short,
  // a reset is upstream_failed, silence is timeout; `cancelled` after stop was asked for.
  virtual Task<Result<Bytes>> next() = 0;
};

// Outgoing HTTP. Connections are kept and reused; redirects are not followed. Safe for several
// coroutines of the loop's thread.
class HttpClient {
 public:
  virtual ~HttpClient() = default;
  // Answers when the head is there. upstream_unavailable: nobody listens or the name is unknown;
  // upstream_failed: closed or reset; timeout: silence; cancelled; invalid_request: no http:// or
  // https:// URL. Every HTTP status is an answer, not an error.
  virtual Task<Result<std::unique_ptr<HttpResponse>>> send(HttpRequest request,
                                                           std::stop_token stop) = 0;
};

struct HttpClientOptions {
  // PEM certificates of the authorities that https servers are verified by, instead of the
  // system's; a self-signed certificate is its own authority. Empty: the system's.
  std::string ca_file{};
};

// libcurl's, with a thread of its own. Close it (drop it) after all its responses are gone. https
// servers are verified, name and all; one that cannot be is upstream_unavailable, with the reason.
// invalid_request: `ca_file` cannot be read or has no certificate.
Result<std::unique_ptr<HttpClient>> make_http_client(Runtime& runtime,
                                                     HttpClientOptions options = {});

// The whole body, refused as upstream_garbled when it is larger than `limit_bytes`.
Task<Result<std::string>> read_all(std::unique_ptr<HttpResponse> response, std::size_t limit_bytes);

}  // namespace betedge::net
