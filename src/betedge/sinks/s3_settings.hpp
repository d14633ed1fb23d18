#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "betedge/core/error.hpp"

namespace betedge::sinks {

// Where a lake in S3 lies: "s3://bucket/prefix".
struct S3Location {
  std::string bucket;
  std::string prefix;  // without slashes at its ends; empty for the bucket itself
};

// invalid_request unless it is "s3://", a bucket of 3 to 63 letters, digits, '.', '-' or '_', and
// perhaps a prefix that could be an object key.
Result<S3Location> parse_s3_url(std::string_view url);

struct S3Settings {
  // "localhost:9000", or with its "http://" or "https://", which then decides instead of `secure`.
  // Empty: AWS's own for the region, over https.
  std::string endpoint;
  bool secure = false;
  std::string region = "us-east-1";
  S3Location location;
  std::string access_key;
  std::string secret_key;
  // Where an object is collected before it is sent, in a file without a name. Empty: $TMPDIR, else
  // /var/tmp (which, unlike /tmp, is not memory).
  std::filesystem::path spool_folder;
  // A larger object is sent in parts of this size (the last one may be smaller), so that a broken
  // connection costs a part and not the whole. S3 wants 5 MiB to 5 GiB, and at most 10,000 parts:
  // they grow when there would be more.
  std::uint64_t multipart_above = std::uint64_t{32} << 20;
  std::uint64_t part_size = std::uint64_t{16} << 20;
  // What to do about passing faults (no connection, 5xx, 429) before an operation fails: so many
  // tries in all, the wait between them doubling from the first to five seconds; longer when the
  // server says Retry-After, up to half a minute.
  int attempts = 6;
  std::chrono::milliseconds first_delay{200};
  // A request without a byte for so long is given up, and tried again.
  std::chrono::milliseconds idle_timeout{60'000};
  // Uploads in parts that a crash left unfinished are ended at start once they are as old as this:
  // longer than any upload of another server that is still going on.
  std::chrono::milliseconds orphan_age = std::chrono::hours{24};
};

}  // namespace betedge::sinks
