#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "betedge/net/http_client.hpp"
#include "betedge/ports/object_store.hpp"
#include "betedge/ports/runtime.hpp"

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
  // What to do about passing faults (no connection, 5xx, 429) before an operation fails.
  int attempts = 4;
  std::chrono::milliseconds first_delay{200};
  std::chrono::milliseconds idle_timeout{60'000};
};

// A lake in an S3 bucket (AWS, MinIO and others), addressed path-style. An object is collected in a
// nameless local file and put whole by one request, which S3 shows whole or not at all; the request
// carries the body's SHA-256, so that a damaged one is refused. At most 5 GiB an object.
//
// No secret is in a message. The client and the runtime outlive the store.
class S3Store final : public ObjectStore {
 public:
  // Makes the bucket if it is missing. storage_denied: credentials, region or rights are wrong.
  static Task<Result<std::unique_ptr<S3Store>>> open(Runtime& runtime, net::HttpClient& client,
                                                     S3Settings settings, std::stop_token stop);
  ~S3Store() override;

  Task<Result<std::optional<ObjectInfo>>> stat(ObjectKey key) override;
  Task<Result<std::unique_ptr<ObjectWriter>>> create(ObjectKey key, Expected expected) override;
  Task<Result<Bytes>> read(ObjectKey key, std::uint64_t offset, std::size_t length) override;
  Task<Result<ObjectPage>> list(std::string prefix, std::string after, std::size_t limit) override;
  bool publishes_conditionally() const override;
  std::string name() const override;

 private:
  struct Remote;
  class Writer;
  explicit S3Store(std::shared_ptr<Remote> remote) : remote_(std::move(remote)) {}

  std::shared_ptr<Remote> remote_;  // shared with the writers, which may outlive the store
};

}  // namespace betedge::sinks
