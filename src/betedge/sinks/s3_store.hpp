#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "betedge/net/http_client.hpp"
#include "betedge/ports/object_store.hpp"
#include "betedge/ports/runtime.hpp"
#include "betedge/sinks/s3_settings.hpp"

namespace betedge::sinks {

class S3Remote;

// A lake in an S3 bucket (AWS, MinIO, versitygw and others), addressed path-style. An object is
// collected in a nameless local file and put by one request, or in parts when it is large, which S3
// shows whole or not at all; each request carries its body's SHA-256, so that a damaged one is
// refused. At most 5 GiB in one request, 5 TiB in parts.
//
// What is expected to lie there is the server's to look at, in one step with the publish, where it
// can (If-None-Match, If-Match); what it can is tried at start. Elsewhere a HEAD comes just before:
// another writer's publish within that request's time, some milliseconds, is not seen. A request of
// which the outcome is unknown is looked up: an object with our SHA-256 and size is ours, also when
// somebody else has put the same bytes.
//
// An upload in parts that fails is ended. One that a crash left is ended when the same object is
// put in parts again, or at a start a day later (S3Settings::orphan_age).
//
// No secret is in a message. The client and the runtime outlive the store. When `stop` is asked
// for, every request ends at once with `cancelled`, but for the end of an upload in parts, which
// may take a second.
class S3Store final : public ObjectStore {
 public:
  // What was found at the start.
  struct Opening {
    bool publishes_conditionally = false;
    std::size_t ended_uploads = 0;  // that a crash had left
    std::string trouble;            // why not all of that could be found out; empty: nothing
  };

  // Makes the bucket if it is missing. storage_denied: credentials, region or rights are wrong.
  //
  // When `stop` is asked for, what opens and publishes ends at once with `cancelled`, but for the
  // end of an upload in parts, which may take a third of a second; when `stop_reading` is, stat(),
  // read() and list() do. Those who read may be people's downloads, which have less time at a
  // shutdown than an object that is nearly there.
  static Task<Result<std::unique_ptr<S3Store>>> open(Runtime& runtime, net::HttpClient& client,
                                                     S3Settings settings, std::stop_token stop,
                                                     std::stop_token stop_reading = {});
  ~S3Store() override;

  Task<Result<std::optional<ObjectInfo>>> stat(ObjectKey key) override;
  Task<Result<std::unique_ptr<ObjectWriter>>> create(ObjectKey key, Expected expected) override;
  Task<Result<Bytes>> read(ObjectKey key, std::uint64_t offset, std::size_t length) override;
  Task<Result<ObjectPage>> list(std::string prefix, std::string after, std::size_t limit) override;
  bool publishes_conditionally() const override;
  std::string name() const override;

  const Opening& opening() const { return opening_; }

 private:
  S3Store(std::shared_ptr<S3Remote> remote, Opening opening);

  std::shared_ptr<S3Remote> remote_;  // shared with the writers, which may outlive the store
  Opening opening_;
};

}  // namespace betedge::sinks
