#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "betedge/core/error.hpp"

namespace betedge::server {

// What a request needs, and what a token may: each holds what stands before it (API.md, auth).
enum class Access : std::uint8_t { open, read, submit, admin };
std::string_view to_text(Access access);  // "submit"

using Digest = std::array<unsigned char, 32>;  // SHA-256

// Who may ask: the content of a token file. A line is `name scopes sha256-of-token`, the scopes
// with commas between (read, submit, admin), the digest in hex; "#" begins a comment. The tokens
// themselves are nowhere. One name may have several, so that a new one can be handed out before the
// old one ends.
class TokenTable {
 public:
  struct Entry {
    std::string name;
    Access access = Access::read;  // the strongest of its scopes
    Digest digest{};
    friend bool operator==(const Entry&, const Entry&) = default;
  };

  // invalid_request with `file` and the line in its sentence, for a line that is none, a digest
  // that is there twice, and a file without a token.
  static Result<TokenTable> parse(std::string_view text, std::string_view file);

  // Whose token it is; null when it is nobody's. Every entry is compared, each in constant time, so
  // that the time taken tells nothing.
  const Entry* find(std::string_view token) const;
  // By what a session remembers of its token.
  const Entry* find(const Digest& digest) const;

  const std::vector<Entry>& entries() const { return entries_; }
  friend bool operator==(const TokenTable&, const TokenTable&) = default;

 private:
  std::vector<Entry> entries_;
};

// 1 to 64 of letters, digits, ".", "_" and "-".
bool is_token_name(std::string_view name);
// "read", "read,submit": the strongest of them; nullopt when one is none.
std::optional<Access> parse_scopes(std::string_view text);

Digest sha256(std::string_view bytes);
std::string to_hex(const Digest& digest);
// Standard base64, padded.
std::string to_base64(const Digest& digest);
// A secret of 256 bits from the system's generator, as 43 characters that need no escape anywhere.
std::string make_secret();

}  // namespace betedge::server
