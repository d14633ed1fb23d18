#include "betedge/engine/object_reading.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "betedge/columnar/file_metadata.hpp"
#include "betedge/columnar/sha256.hpp"

namespace betedge::engine {

namespace {

constexpr std::size_t kPiece = std::size_t{1} << 20;

std::unexpected<Error> disk_error(std::string_view doing) {
  const int number = errno;
  return fail(number == ENOSPC ? ErrorCode::storage_full : ErrorCode::storage_failed,
              fmt::format("cannot {} a temporary file: {}", doing, std::strerror(number)));
}

// A file that is gone when this is. Used by one thread at a time.
class Spool {
 public:
  Spool() = default;
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;
  ~Spool() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }

  Result<void> open() {
    // Not /tmp, which may be memory: an object may be larger than the budget of that.
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody here changes the environment
    const char* const chosen = std::getenv("TMPDIR");
    auto name =
        std::string(chosen != nullptr && *chosen != '\0' ? chosen : "/var/tmp") + "/betedge-XXXXXX";
    descriptor_ = ::mkostemp(name.data(), O_CLOEXEC);
    if (descriptor_ < 0) return disk_error("make");
    ::unlink(name.c_str());
    return {};
  }

  Result<void> append(ByteView bytes) {
    hash_.update(bytes);
    while (!bytes.empty()) {
      const auto count = ::write(descriptor_, bytes.data(), bytes.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return disk_error("write");
      bytes = bytes.subspan(static_cast<std::size_t>(count));
      size_ += static_cast<std::uint64_t>(count);
    }
    return {};
  }

  Result<Bytes> read(std::uint64_t offset, std::size_t length) const {
    Bytes bytes(length);
    std::size_t filled = 0;
    while (filled < length) {
      const auto count = ::pread(descriptor_, bytes.data() + filled, length - filled,
                                 static_cast<off_t>(offset + filled));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return disk_error("read");
      if (count == 0) return fail(ErrorCode::storage_failed, "a temporary file is too short");
      filled += static_cast<std::size_t>(count);
    }
    return bytes;
  }

  ObjectReading judge() {
    const auto access = [this] {
      return columnar::RandomAccess{
          size_, [this](std::uint64_t offset, std::size_t length) { return read(offset, length); }};
    };
    ObjectReading reading{.size_bytes = size_, .sha256 = hash_.hex(), .digest = std::string()};
    reading.facts = columnar::read_facts(access());
    if (!reading.facts) return reading;
    // One that says none may have columns that ours do not have, and be in order.
    if (reading.facts->metadata.contains(std::string(columnar::metadata::kDigest)))
      reading.digest = columnar::digest_of(access());
    if (!reading.digest) return reading;
    auto days = columnar::days_of(access());
    if (days)
      reading.days = *std::move(days);
    else
      reading.digest = std::unexpected(std::move(days).error());
    return reading;
  }

 private:
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
  columnar::Sha256 hash_;
};

}  // namespace

Task<Result<ObjectReading>> read_object(Runtime& runtime, ObjectStore& lake, ObjectKey key,
                                        std::stop_token stop) {
  const auto spool = std::make_shared<Spool>();
  auto open = [spool] { return spool->open(); };
  BETEDGE_CO_TRY_VOID(co_await run_blocking(runtime, Pool::io, std::move(open)));
  for (std::uint64_t offset = 0;;) {
    if (stop.stop_requested()) co_return fail(ErrorCode::cancelled, "asked to stop");
    BETEDGE_CO_TRY(auto bytes, co_await lake.read(key, offset, kPiece));
    const auto count = bytes.size();
    offset += count;
    auto append = [spool, bytes = std::move(bytes)] { return spool->append(bytes); };
    BETEDGE_CO_TRY_VOID(co_await run_blocking(runtime, Pool::io, std::move(append)));
    if (count < kPiece) break;
  }
  auto judge = [spool] { return spool->judge(); };
  co_return co_await run_blocking(runtime, Pool::io, std::move(judge));
}

}  // namespace betedge::engine
