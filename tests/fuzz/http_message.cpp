#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>

#include "betedge/net/http_message.hpp"

// The first byte says in what steps the rest arrives. Whatever the steps are, a server must see the
// same head and the same body in it; and a head that it accepts must say one length, one way.

using namespace betedge::net;

namespace {

void insist(bool holds) {
  if (!holds) std::abort();
}

OrRefusal<std::size_t> head_end_in_steps(std::string_view bytes, std::size_t step) {
  std::size_t scanned = 0;
  for (std::size_t size = std::min(step, bytes.size());;
       size = std::min(size + step, bytes.size())) {
    const auto end = find_head_end(bytes.substr(0, size), scanned);
    if (!end || *end != 0 || size == bytes.size()) return end;
  }
}

struct Decoded {
  std::string body;
  bool is_done = false;
  int refused = 0;
  std::size_t taken = 0;
  friend bool operator==(const Decoded&, const Decoded&) = default;
};

Decoded decode_in_steps(std::string_view bytes, std::size_t step) {
  Decoded decoded;
  ChunkedDecoder decoder(1000, 100);
  while (decoded.taken < bytes.size() && !decoder.is_done()) {
    const auto taken = decoder.feed(bytes.substr(decoded.taken, step), decoded.body);
    if (!taken) return {.body = {}, .refused = taken.error().status};
    decoded.taken += *taken;
  }
  decoded.is_done = decoder.is_done();
  insist(decoded.body.size() <= 1000);
  return decoded;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t step = 1 + data[0] % 16;

  const auto end = head_end_in_steps(bytes, bytes.size() + 1);
  insist(end == head_end_in_steps(bytes, step));
  if (end && *end > 2) {
    const auto head = parse_head(bytes.substr(0, *end));
    if (head) {
      insist(!(head->chunked && head->content_length != 0));
      insist(head->path.starts_with('/') || head->path == "*");
      insist(head->path.find('\0') == std::string::npos);
      std::size_t hosts = 0;
      for (const auto& [name, value] : head->headers) {
        insist(value.find_first_of("\r\n") == std::string::npos);
        hosts += equal_ignoring_case(name, "host") ? 1 : 0;
      }
      insist(hosts == 1 || (hosts == 0 && head->minor_version == 0));
    }
  }
  insist(decode_in_steps(bytes, bytes.size() + 1) == decode_in_steps(bytes, step));
  return 0;
}
