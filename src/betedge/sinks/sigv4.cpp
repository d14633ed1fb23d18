#include "betedge/sinks/sigv4.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <span>
#include <stdexcept>

namespace betedge::sinks {

namespace {

using Digest = std::array<unsigned char, 32>;

std::string hex(std::span<const unsigned char> bytes) {
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const auto byte : bytes) fmt::format_to(std::back_inserter(text), "{:02x}", byte);
  return text;
}

Digest hmac(std::span<const unsigned char> key, std::string_view text) {
  Digest digest{};
  unsigned size = 0;
  const auto bytes = as_bytes(text);
  if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
           reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest.data(),
           &size) == nullptr) {
    throw std::runtime_error("OpenSSL refuses HMAC-SHA256");
  }
  return digest;
}

std::string lower(std::string_view text) {
  std::string lowered(text);
  for (auto& c : lowered) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lowered;
}

}  // namespace

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  if (context_ == nullptr ||
      EVP_DigestInit_ex(static_cast<EVP_MD_CTX*>(context_), EVP_sha256(), nullptr) != 1) {
    throw std::runtime_error("OpenSSL refuses SHA-256");
  }
}

Sha256::~Sha256() {
  EVP_MD_CTX_free(static_cast<EVP_MD_CTX*>(context_));
}

void Sha256::update(ByteView bytes) {
  if (EVP_DigestUpdate(static_cast<EVP_MD_CTX*>(context_), bytes.data(), bytes.size()) != 1) {
    throw std::runtime_error("OpenSSL refuses SHA-256");
  }
}

std::string Sha256::finish_hex() {
  Digest digest{};
  if (EVP_DigestFinal_ex(static_cast<EVP_MD_CTX*>(context_), digest.data(), nullptr) != 1) {
    throw std::runtime_error("OpenSSL refuses SHA-256");
  }
  return hex(digest);
}

std::string sha256_hex(ByteView bytes) {
  Sha256 digest;
  digest.update(bytes);
  return digest.finish_hex();
}

namespace {

std::string percent_encoded(std::string_view text, bool keeps_slashes) {
  std::string encoded;
  for (const char c : text) {
    const bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~' || (c == '/' && keeps_slashes);
    if (plain) {
      encoded += c;
    } else {
      fmt::format_to(std::back_inserter(encoded), "%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return encoded;
}

}  // namespace

std::string s3_path(std::string_view path) {
  return percent_encoded(path, true);
}

std::string s3_query(HeaderList parameters) {
  for (auto& [name, value] : parameters) {
    name = percent_encoded(name, false);
    value = percent_encoded(value, false);
  }
  std::ranges::sort(parameters);
  std::string query;
  for (const auto& [name, value] : parameters) {
    fmt::format_to(std::back_inserter(query), "{}{}={}", query.empty() ? "" : "&", name, value);
  }
  return query;
}

HeaderList signed_headers(std::string_view method, std::string_view path, std::string_view query,
                          HeaderList headers, std::string_view body_sha256, Timestamp now,
                          const SigningKey& key) {
  const auto day = std::chrono::floor<std::chrono::days>(now);
  const std::chrono::hh_mm_ss time(std::chrono::floor<std::chrono::seconds>(now - day));
  const auto date = to_yyyymmdd_text(day);
  const auto stamp = fmt::format("{}T{:02}{:02}{:02}Z", date, time.hours().count(),
                                 time.minutes().count(), time.seconds().count());
  headers.emplace_back("x-amz-content-sha256", body_sha256);
  headers.emplace_back("x-amz-date", stamp);

  HeaderList canonical;
  for (const auto& [name, value] : headers) canonical.emplace_back(lower(name), value);
  std::ranges::sort(canonical);
  std::string canonical_headers;
  std::string names;
  for (const auto& [name, value] : canonical) {
    fmt::format_to(std::back_inserter(canonical_headers), "{}:{}\n", name, value);
    names += (names.empty() ? "" : ";") + name;
  }
  const auto canonical_request = fmt::format("{}\n{}\n{}\n{}\n{}\n{}", method, path, query,
                                             canonical_headers, names, body_sha256);

  const auto scope = fmt::format("{}/{}/s3/aws4_request", date, key.region);
  const auto to_sign = fmt::format("AWS4-HMAC-SHA256\n{}\n{}\n{}", stamp, scope,
                                   sha256_hex(as_bytes(canonical_request)));
  const auto first = "AWS4" + key.secret_key;
  const auto of_date =
      hmac(std::span(reinterpret_cast<const unsigned char*>(first.data()), first.size()), date);
  const auto of_region = hmac(of_date, key.region);
  const auto of_service = hmac(of_region, "s3");
  const auto of_request = hmac(of_service, "aws4_request");
  headers.emplace_back(
      "Authorization",
      fmt::format("AWS4-HMAC-SHA256 Credential={}/{},SignedHeaders={},Signature={}", key.access_key,
                  scope, names, hex(hmac(of_request, to_sign))));
  return headers;
}

}  // namespace betedge::sinks
