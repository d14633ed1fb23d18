#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "betedge/core/dates.hpp"
#include "betedge/ports/bytes.hpp"

// AWS Signature Version 4 for S3, as AWS documents it ("Authenticating Requests: Using the
// Authorization Header"). Signed here and not by libcurl: the body's digest is known before it is
// sent, so it is part of the signature and the server refuses what arrives damaged, also over plain
// HTTP; and Debian 12's libcurl signs the path and query as they stand, whatever their order.
namespace betedge::sinks {

// SHA-256, lower-case hex.
std::string sha256_hex(ByteView bytes);

// SHA-256 of what comes in pieces. Once finished it is spent.
class Sha256 {
 public:
  Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  ~Sha256();
  void update(ByteView bytes);
  std::string finish_hex();

 private:
  void* context_;  // EVP_MD_CTX
};

// Percent-encoded as S3 wants it: all but A-Z a-z 0-9 - . _ ~ and '/', upper-case hex.
std::string s3_path(std::string_view path);

struct SigningKey {
  std::string region;
  std::string access_key;
  std::string secret_key;
};

using HeaderList = std::vector<std::pair<std::string, std::string>>;

// A query as it is both signed and sent: names and values percent-encoded ('/' too), in byte order
// of the names; "" for none. "list-type=2&prefix=a%2Fb"; a name without a value keeps its '=':
// "uploads=".
std::string s3_query(HeaderList parameters);

// The headers that sign this request, to be sent with it: the ones given (Host must be among them),
// x-amz-date, x-amz-content-sha256 and Authorization. `path` is s3_path's and `query` s3_query's.
HeaderList signed_headers(std::string_view method, std::string_view path, std::string_view query,
                          HeaderList headers, std::string_view body_sha256, Timestamp now,
                          const SigningKey& key);

}  // namespace betedge::sinks
