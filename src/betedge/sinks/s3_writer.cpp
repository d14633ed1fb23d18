#include "betedge/sinks/s3_writer.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "betedge/ports/async.hpp"
#include "betedge/sinks/s3_xml.hpp"

namespace betedge::sinks {

namespace {

constexpr std::size_t kWriteBytes = std::size_t{1} << 20;
constexpr std::uint64_t kMostParts = 10'000;

// A file without a name: gone with its descriptor, whatever happens to us.
Result<File> open_spool(const std::filesystem::path& folder) {
  const int nameless = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (nameless >= 0) return File{nameless};
  auto name = (folder / "betedge-XXXXXX").string();  // not every file system has O_TMPFILE
  const int named = ::mkostemp(name.data(), O_CLOEXEC);
  if (named < 0) {
    return std::unexpected(storage_error("collect an object for S3 in", folder.string(), errno));
  }
  ::unlink(name.c_str());
  return File{named};
}

}  // namespace

S3Said meaning_of(const Result<S3Reply>& reply, bool completes) {
  if (!reply) return reply.error().code == ErrorCode::cancelled ? S3Said::refused : S3Said::unsure;
  if (reply->status == 200) {
    if (!completes || is_s3_completion(reply->body)) return S3Said::stored;
    return S3Said::unsure;
  }
  if (reply->status == 412) return S3Said::contradicted;
  const auto code = parse_s3_error(reply->body).code;
  if (code == "NoSuchUpload") return S3Said::upload_gone;
  // What should have been replaced has been removed.
  if (reply->status == 404 && code == "NoSuchKey") return S3Said::contradicted;
  return is_passing(*reply) ? S3Said::unsure : S3Said::refused;
}

S3Writer::S3Writer(std::shared_ptr<S3Remote> remote, ObjectKey key, Expected expected)
    : remote_(std::move(remote)),
      key_(std::move(key)),
      expected_(std::move(expected)),
      path_(remote_->path(key_.text())) {}

Result<void> S3Writer::open() {
  BETEDGE_TRY(spool_, open_spool(remote_->settings().spool_folder));
  return {};
}

Task<Result<void>> S3Writer::write(Bytes bytes) {
  BETEDGE_CO_TRY_VOID(may_go_on());
  if (buffer_.empty()) {
    buffer_ = std::move(bytes);
  } else {
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  }
  if (buffer_.size() < kWriteBytes) co_return Result<void>{};
  auto step = [this] { return flush(); };
  co_return co_await run_blocking(remote_->runtime(), Pool::io, std::move(step));
}

Result<void> S3Writer::may_go_on() const {
  if (failure_) return std::unexpected(*failure_);
  if (committed_) return fail(ErrorCode::internal, key_.text() + " is committed already");
  return {};
}

Result<void> S3Writer::flush() {
  digest_.update(buffer_);
  size_ += buffer_.size();
  if (!write_whole(disk_, spool_.descriptor(), buffer_.data(), buffer_.size())) {
    failure_ = storage_error("collect an object for S3 in",
                             remote_->settings().spool_folder.string(), errno);
    return std::unexpected(*failure_);
  }
  buffer_.clear();
  return {};
}

Task<Result<void>> S3Writer::commit() {
  BETEDGE_CO_TRY_VOID(may_go_on());
  auto step = [this]() -> Result<std::string> {
    BETEDGE_TRY_VOID(flush());
    return digest_.finish_hex();
  };
  BETEDGE_CO_TRY(sha256_, co_await run_blocking(remote_->runtime(), Pool::io, std::move(step)));
  committed_ = true;
  const bool in_parts = size_ > remote_->settings().multipart_above;
  if (in_parts) BETEDGE_CO_TRY_VOID(co_await send_parts());
  auto published = co_await publish();
  if (upload_) co_await remote_->end_upload(*std::exchange(upload_, {}));
  if (!published) co_return published;
  // What tries for this object left behind, this one's too, of which we may not even know the name
  // (the answer that had it was lost): whoever has published the object owns its key. Another
  // writer's upload that ends so is begun again (upload_gone). Best effort; the rest is found at
  // the next start.
  if (in_parts) {
    co_await remote_->end_uploads(remote_->full_name(key_.text()), S3Remote::Names::equal,
                                  Timestamp::max());
  }
  co_await remote_->end_abandoned();
  co_return published;
}

bool S3Writer::is_ours(const std::optional<S3Found>& found) const {
  return found && found->sha256 == sha256_ && found->info.size_bytes == size_;
}

Error S3Writer::fenced() const {
  return Error{
      ErrorCode::fenced,
      fmt::format("{} in {} was written by somebody else meanwhile", key_.text(), remote_->name()),
      {}};
}

Task<Result<S3Reply>> S3Writer::ask_to_publish() {
  S3Request request{.doing = "store " + key_.text(), .method = "PUT", .path = path_};
  const auto& can = upload_ ? remote_->conditions.completion : remote_->conditions.put;
  if (can.can(expected_.what)) request.headers = condition_headers(expected_);
  if (upload_) {
    request.method = "POST";
    request.query = {{"uploadId", upload_->id}};
    request.body = text_body(s3_completion(etags_));
  } else {
    request.headers.emplace_back("x-amz-meta-betedge-sha256", sha256_);
    request.body = {.text = {}, .file = spool_.descriptor(), .size = size_, .sha256 = sha256_};
  }
  co_return co_await remote_->ask_once(std::move(request));
}

// Asks until it is known that the object is there, or that it is not to be. An outcome that is not
// known is looked up before the request is sent again: our digest and size under the key are our
// object, whoever says what.
Task<Result<void>> S3Writer::publish() {
  const auto doing = "store " + key_.text();
  const bool is_in_one_step =
      (upload_ ? remote_->conditions.completion : remote_->conditions.put).can(expected_.what);
  bool may_be_there = false;
  for (int tries = 1;; ++tries) {
    if (!is_in_one_step) {
      BETEDGE_CO_TRY(const auto found,
                     co_await remote_->find(doing, path_, S3Remote::Tries::several,
                                            S3Request::Purpose::publishing));
      if (may_be_there && is_ours(found)) co_return Result<void>{};
      if (!is_as_expected(found, expected_)) co_return std::unexpected(fenced());
    }
    auto reply = co_await ask_to_publish();
    const auto said = meaning_of(reply, upload_.has_value());
    if (said == S3Said::stored) {
      upload_.reset();
      co_return Result<void>{};
    }
    auto error = reply ? remote_->refusal(doing, *reply) : std::move(reply).error();
    if (error.code == ErrorCode::storage_full || error.code == ErrorCode::storage_denied ||
        said == S3Said::refused) {
      if (error.code == ErrorCode::cancelled) error.message += "; it may have been stored";
      co_return std::unexpected(std::move(error));
    }
    may_be_there |= said == S3Said::unsure || said == S3Said::upload_gone;

    const bool must_know = said == S3Said::contradicted;
    const auto found = co_await remote_->find(
        doing, path_, must_know ? S3Remote::Tries::several : S3Remote::Tries::one,
        S3Request::Purpose::publishing);
    if (found && is_ours(*found)) {
      if (said == S3Said::upload_gone) upload_.reset();
      co_return Result<void>{};
    }
    if (must_know) {
      if (!found) co_return std::unexpected(found.error());
      co_return std::unexpected(fenced());
    }
    if (found && !is_as_expected(*found, expected_)) co_return std::unexpected(fenced());
    if (said == S3Said::upload_gone) upload_.reset();

    const auto delay = remote_->delay_after(error, tries);
    if (!delay) {
      if (may_be_there) error.message += "; it may have been stored all the same";
      co_return std::unexpected(std::move(error));
    }
    if (!co_await sleep_for(remote_->runtime(), *delay, remote_->stops().publishing)) {
      co_return fail(ErrorCode::cancelled, doing + ": stopped");
    }
    if (said == S3Said::upload_gone) BETEDGE_CO_TRY_VOID(co_await send_parts());
  }
}

// Begins an upload and sends all of its parts, each tried again alone. The upload is ended when
// that fails.
Task<Result<void>> S3Writer::send_parts() {
  const auto doing = "store " + key_.text();
  S3Request begin{.doing = doing,
                  .method = "POST",
                  .path = path_,
                  .query = {{"uploads", ""}},
                  .headers = {{"x-amz-meta-betedge-sha256", sha256_}}};
  BETEDGE_CO_TRY(const auto begun, co_await remote_->ask(std::move(begin)));
  if (begun.status != 200) co_return std::unexpected(remote_->refusal(doing, begun));
  auto id = parse_s3_upload_id(begun.body);
  if (!id) co_return fail_while("cannot " + doing, std::move(id).error());
  upload_ = S3Upload{path_, *std::move(id)};
  etags_.clear();

  const auto part_size =
      std::max(remote_->settings().part_size, (size_ + kMostParts - 1) / kMostParts);
  for (std::uint64_t offset = 0; offset < size_; offset += part_size) {
    auto step = [this, offset, part_size] {
      return part(offset, std::min(part_size, size_ - offset));
    };
    auto body = co_await run_blocking(remote_->runtime(), Pool::io, std::move(step));
    Result<S3Reply> sent = body ? Result<S3Reply>{} : std::unexpected(body.error());
    if (body) {
      S3Request request{
          .doing = fmt::format("{} (part {})", doing, etags_.size() + 1),
          .method = "PUT",
          .path = path_,
          .query = {{"partNumber", std::to_string(etags_.size() + 1)}, {"uploadId", upload_->id}},
          .body = *std::move(body)};
      sent = co_await remote_->ask(std::move(request));
    }
    if (sent && sent->status == 200 && sent->etag) {
      etags_.push_back(*std::move(sent->etag));
      continue;
    }
    auto error = sent ? remote_->refusal(doing, *sent) : std::move(sent).error();
    co_await remote_->end_upload(*std::exchange(upload_, {}));
    co_return std::unexpected(std::move(error));
  }
  co_return Result<void>{};
}

// Blocks.
Result<S3Body> S3Writer::part(std::uint64_t offset, std::uint64_t size) const {
  Sha256 digest;
  Bytes piece(std::min<std::uint64_t>(size, kWriteBytes));
  for (std::uint64_t at = 0; at < size;) {
    const auto wanted = std::min<std::uint64_t>(size - at, piece.size());
    const auto got =
        ::pread(spool_.descriptor(), piece.data(), wanted, static_cast<off_t>(offset + at));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      return std::unexpected(storage_error("read what was collected for S3 in",
                                           remote_->settings().spool_folder.string(),
                                           got < 0 ? errno : EIO));
    }
    digest.update(ByteView(piece).first(static_cast<std::size_t>(got)));
    at += static_cast<std::uint64_t>(got);
  }
  return S3Body{.text = {},
                .file = spool_.descriptor(),
                .offset = offset,
                .size = size,
                .sha256 = digest.finish_hex()};
}

}  // namespace betedge::sinks
