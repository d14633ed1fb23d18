#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "betedge/ports/object_store.hpp"
#include "betedge/sinks/disk.hpp"
#include "betedge/sinks/s3_remote.hpp"

namespace betedge::sinks {

// What an answer to a request that publishes says.
enum class S3Said : std::uint8_t {
  stored,
  unsure,        // perhaps it was done, perhaps not: a look tells, and it may be asked again
  contradicted,  // what lies there is not what was expected
  upload_gone,   // the upload in parts has ended: by this very request, or by somebody
  refused,
};
// A pure decision over one answer (an error: there was none). `completes`: the request was the one
// that ends an upload in parts, where a status of 200 is no answer yet: the document behind it is.
S3Said meaning_of(const Result<S3Reply>& reply, bool completes);

// An object of a lake in S3: collected in a file without a name, digested on the way, and sent when
// it is committed, by one request or in parts.
class S3Writer final : public ObjectWriter {
 public:
  S3Writer(std::shared_ptr<S3Remote> remote, ObjectKey key, Expected expected);

  // Blocks.
  Result<void> open();
  Task<Result<void>> write(Bytes bytes) override;
  Task<Result<void>> commit() override;

 private:
  Result<void> may_go_on() const;
  Result<void> flush();
  Task<Result<void>> publish();
  Task<Result<S3Reply>> ask_to_publish();
  Task<Result<void>> send_parts();
  Result<S3Body> part(std::uint64_t offset, std::uint64_t size) const;
  bool is_ours(const std::optional<S3Found>& found) const;
  Error fenced() const;

  std::shared_ptr<S3Remote> remote_;
  ObjectKey key_;
  Expected expected_;
  std::string path_;
  Disk disk_;
  File spool_;
  Bytes buffer_;
  Sha256 digest_;
  std::string sha256_;
  std::uint64_t size_ = 0;
  bool committed_ = false;
  std::optional<Error> failure_;
  std::optional<S3Upload> upload_;  // as long as it has not ended
  std::vector<std::string> etags_;  // of its parts
};

}  // namespace betedge::sinks
