#include "betedge/server/tokens.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>

namespace betedge::server {
namespace {

constexpr std::size_t kLongestName = 64;
constexpr std::string_view kSpace = " \t\r";

std::string_view take_word(std::string_view& line) {
  const auto first = std::min(line.find_first_not_of(kSpace), line.size());
  line.remove_prefix(first);
  const auto end = std::min(line.find_first_of(kSpace), line.size());
  const auto word = line.substr(0, end);
  line.remove_prefix(end);
  return word;
}

std::optional<unsigned> hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
  return std::nullopt;
}

std::optional<Digest> parse_hex(std::string_view text) {
  Digest digest{};
  if (text.size() != 2 * digest.size()) return std::nullopt;
  for (std::size_t i = 0; i < digest.size(); ++i) {
    const auto high = hex_digit(text[2 * i]);
    const auto low = hex_digit(text[2 * i + 1]);
    if (!high || !low) return std::nullopt;
    digest[i] = static_cast<unsigned char>(*high * 16 + *low);
  }
  return digest;
}

Result<TokenTable::Entry> parse_line(std::string_view line) {
  const auto name = take_word(line);
  const auto scopes = take_word(line);
  const auto hex = take_word(line);
  const auto wrong = [](std::string what) {
    return fail(ErrorCode::invalid_request, std::move(what));
  };
  // The line is not repeated: somebody may have put the token itself there.
  if (hex.empty() || !take_word(line).empty())
    return wrong(
        "must be a name, its scopes and the SHA-256 of its token in hex, with spaces "
        "between; `betedge token NAME --scope submit` makes such a line");
  if (!is_token_name(name))
    return wrong("the name must be 1 to 64 letters, digits, dots, dashes and underscores");
  const auto access = parse_scopes(scopes);
  if (!access)
    return wrong(
        fmt::format("{}'s scopes must be read, submit or admin, with commas between", name));
  const auto digest = parse_hex(hex);
  if (!digest)
    return wrong(fmt::format("{}'s token must stand there as its SHA-256, 64 hex digits", name));
  return TokenTable::Entry{std::string(name), *access, *digest};
}

}  // namespace

std::string_view to_text(Access access) {
  switch (access) {
    case Access::open: return "open";
    case Access::read: return "read";
    case Access::submit: return "submit";
    case Access::admin: return "admin";
  }
  return {};
}

Result<TokenTable> TokenTable::parse(std::string_view text, std::string_view file) {
  TokenTable table;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const auto end = text.find('\n');
    auto line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    line = line.substr(0, line.find('#'));
    if (line.find_first_not_of(kSpace) == std::string_view::npos) continue;
    auto entry = parse_line(line);
    if (!entry) return fail_while(fmt::format("{} line {}", file, number), entry.error());
    const auto* same = table.find(entry->digest);
    if (same != nullptr) {
      return fail(ErrorCode::invalid_request,
                  fmt::format("{} line {}: {} has the same token as {}; make each its own", file,
                              number, entry->name, same->name));
    }
    table.entries_.push_back(*std::move(entry));
  }
  if (table.entries_.empty()) {
    return fail(ErrorCode::invalid_request,
                fmt::format("{} holds no token, so that nobody could ask; `betedge token NAME "
                            "--scope submit --file {}` makes one",
                            file, file));
  }
  return table;
}

const TokenTable::Entry* TokenTable::find(std::string_view token) const {
  return find(sha256(token));
}

const TokenTable::Entry* TokenTable::find(const Digest& digest) const {
  const Entry* found = nullptr;
  for (const auto& entry : entries_) {
    if (CRYPTO_memcmp(entry.digest.data(), digest.data(), digest.size()) == 0) found = &entry;
  }
  return found;
}

bool is_token_name(std::string_view name) {
  return !name.empty() && name.size() <= kLongestName && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
}

std::optional<Access> parse_scopes(std::string_view text) {
  auto strongest = Access::open;
  while (true) {
    const auto comma = text.find(',');
    const auto scope = text.substr(0, comma);
    auto access = Access::open;
    for (const auto known : {Access::read, Access::submit, Access::admin})
      if (to_text(known) == scope) access = known;
    if (access == Access::open) return std::nullopt;
    strongest = std::max(strongest, access);
    if (comma == std::string_view::npos) return strongest;
    text.remove_prefix(comma + 1);
  }
}

Digest sha256(std::string_view bytes) {
  Digest digest{};
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, EVP_sha256(), nullptr) != 1)
    throw std::runtime_error("OpenSSL refuses SHA-256");
  return digest;
}

std::string to_hex(const Digest& digest) {
  std::string text;
  for (const auto byte : digest) text += fmt::format("{:02x}", byte);
  return text;
}

std::string to_base64(const Digest& digest) {
  std::string text(4 * ((digest.size() + 2) / 3) + 1, '\0');  // and a zero behind
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), digest.data(),
                                   static_cast<int>(digest.size()));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

std::string make_secret() {
  Digest bits{};
  if (RAND_bytes(bits.data(), static_cast<int>(bits.size())) != 1)
    throw std::runtime_error("OpenSSL has no random bytes");
  auto text = to_base64(bits);
  while (text.ends_with('=')) text.pop_back();
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  return text;
}

}  // namespace betedge::server
