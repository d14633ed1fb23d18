#include "betedge/sinks/s3_store.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <optional>

#include "betedge/core/retry.hpp"
#include "betedge/ports/async.hpp"
#include "betedge/sinks/disk.hpp"
#include "betedge/sinks/sigv4.hpp"

namespace betedge::sinks {

namespace {

constexpr std::size_t kWriteBytes = std::size_t{1} << 20;
constexpr std::size_t kLargestErrorBody = std::size_t{256} << 10;

// The text of an XML element of S3's short error documents; empty when it is not there.
std::string element(std::string_view xml, std::string_view name) {
  const auto opening = fmt::format("<{}>", name);
  const auto begin = xml.find(opening);
  if (begin == std::string_view::npos) return {};
  const auto from = begin + opening.size();
  const auto end = xml.find(fmt::format("</{}>", name), from);
  if (end == std::string_view::npos) return {};
  return std::string(xml.substr(from, end - from));
}

// "Wed, 21 Oct 2015 07:28:00 GMT" (RFC 9110 5.6.7, the form that servers must send).
std::optional<Timestamp> parse_http_date(std::string_view text) {
  constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  if (text.size() != 29 || !text.ends_with(" GMT")) return std::nullopt;
  const auto number = [text](std::size_t from, std::size_t size) -> std::optional<unsigned> {
    unsigned value = 0;
    const auto* const last = text.data() + from + size;
    const auto [end, error] = std::from_chars(text.data() + from, last, value);
    if (error != std::errc{} || end != last) return std::nullopt;
    return value;
  };
  const auto day = number(5, 2), year = number(12, 4), hour = number(17, 2), minute = number(20, 2),
             second = number(23, 2);
  const auto* const month = std::ranges::find(kMonths, text.substr(8, 3));
  if (!day || !year || !hour || !minute || !second || month == kMonths.end()) return std::nullopt;
  const std::chrono::year_month_day date{
      std::chrono::year{static_cast<int>(*year)},
      std::chrono::month{static_cast<unsigned>(month - kMonths.begin()) + 1},
      std::chrono::day{*day}};
  if (!date.ok()) return std::nullopt;
  return Timestamp{std::chrono::sys_days{date}} + std::chrono::hours{*hour} +
         std::chrono::minutes{*minute} + std::chrono::seconds{*second};
}

std::optional<std::uint64_t> parse_size(const std::optional<std::string>& text) {
  std::uint64_t value = 0;
  if (!text) return std::nullopt;
  const auto* const last = text->data() + text->size();
  const auto [end, error] = std::from_chars(text->data(), last, value);
  if (error != std::errc{} || end != last) return std::nullopt;
  return value;
}

bool is_passing(int status) {
  return status == 408 || status == 409 || status == 429 || status >= 500;
}

// A whole answer; the body is read for errors and for ranges.
struct Reply {
  int status = 0;
  std::optional<std::string> content_length, content_range, last_modified, region;
  std::string body;
};

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

Result<S3Location> parse_s3_url(std::string_view url) {
  // Somebody may have put a user and password into it.
  const auto shown = url.find('@') == std::string_view::npos ? url : "the lake's URL";
  const auto wrong = [shown](std::string_view why) {
    return fail(ErrorCode::invalid_request,
                fmt::format("{} is not a lake in S3: {}; write s3://bucket or s3://bucket/prefix",
                            shown, why));
  };
  constexpr std::string_view kScheme = "s3://";
  if (!url.starts_with(kScheme)) return wrong("it does not begin with s3://");
  const auto rest = url.substr(kScheme.size());
  const auto slash = std::min(rest.find('/'), rest.size());
  S3Location location{std::string(rest.substr(0, slash)), std::string(rest.substr(slash))};
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
  };
  if (location.bucket.size() < 3 || location.bucket.size() > 63 ||
      !std::ranges::all_of(location.bucket, fits)) {
    return wrong("a bucket's name is 3 to 63 letters, digits, dots or dashes");
  }
  auto& prefix = location.prefix;
  while (prefix.ends_with('/')) prefix.pop_back();
  if (!prefix.empty()) prefix.erase(0, 1);
  if (!prefix.empty() && !ObjectKey::parse(prefix)) return wrong("its prefix cannot be a path");
  return location;
}

// What the store and its writers share: one endpoint, one bucket, and how to ask it.
struct S3Store::Remote {
  Runtime& runtime;
  net::HttpClient& client;
  S3Settings settings;
  std::stop_token stop;
  std::string base;  // "http://localhost:9000"
  std::string host;  // "localhost:9000"
  SigningKey signing;

  Remote(Runtime& its_runtime, net::HttpClient& its_client, S3Settings its_settings,
         std::stop_token its_stop)
      : runtime(its_runtime),
        client(its_client),
        settings(std::move(its_settings)),
        stop(std::move(its_stop)),
        signing{settings.region, settings.access_key, settings.secret_key} {
    std::string_view endpoint = settings.endpoint;
    bool secure = settings.secure;
    if (endpoint.empty()) {
      secure = true;
      host = fmt::format("s3.{}.amazonaws.com", settings.region);
    } else {
      for (const auto& [scheme, is_secure] :
           {std::pair<std::string_view, bool>{"http://", false},
            std::pair<std::string_view, bool>{"https://", true}}) {
        if (!endpoint.starts_with(scheme)) continue;
        secure = is_secure;
        endpoint.remove_prefix(scheme.size());
      }
      while (endpoint.ends_with('/')) endpoint.remove_suffix(1);
      host = endpoint;
    }
    // The default port is not part of the Host header that clients send and servers verify.
    const std::string_view usual = secure ? ":443" : ":80";
    if (host.ends_with(usual)) host.resize(host.size() - usual.size());
    base = (secure ? "https://" : "http://") + host;
    if (settings.spool_folder.empty()) {
      // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody here changes the environment
      const char* const chosen = std::getenv("TMPDIR");
      settings.spool_folder = chosen != nullptr && *chosen != '\0' ? chosen : "/var/tmp";
    }
  }

  std::string name() const {
    const auto& [bucket, prefix] = settings.location;
    return fmt::format("s3://{}{}{}", bucket, prefix.empty() ? "" : "/", prefix);
  }

  std::string bucket_path() const { return "/" + s3_path(settings.location.bucket); }
  std::string path(const ObjectKey& key) const {
    const auto& prefix = settings.location.prefix;
    return bucket_path() + "/" + s3_path(prefix.empty() ? key.text() : prefix + "/" + key.text());
  }

  // A body of the request: text, or a file from its beginning.
  struct Body {
    std::string text;
    int file = -1;
    std::uint64_t size = 0;
    std::string sha256;
  };
  static Body no_body() { return body_of(""); }
  static Body body_of(std::string text) {
    auto digest = sha256_hex(as_bytes(text));
    const auto size = text.size();
    return Body{std::move(text), -1, size, std::move(digest)};
  }

  Task<Result<Reply>> ask_once(std::string method, std::string path, net::Headers headers,
                               Body body, std::size_t limit_bytes) {
    net::HttpRequest request;
    headers.emplace_back("Host", host);
    request.headers =
        signed_headers(method, path, std::move(headers), body.sha256, runtime.wall_now(), signing);
    request.method = std::move(method);
    request.url = base + path;
    request.body = std::move(body.text);
    request.upload_fd = body.file;
    request.upload_bytes = body.size;
    request.idle_timeout = settings.idle_timeout;
    BETEDGE_CO_TRY(auto response, co_await client.send(std::move(request), stop));
    Reply reply;
    reply.status = response->status();
    reply.content_length = response->header("Content-Length");
    reply.content_range = response->header("Content-Range");
    reply.last_modified = response->header("Last-Modified");
    reply.region = response->header("x-amz-bucket-region");
    BETEDGE_CO_TRY(reply.body, co_await net::read_all(std::move(response), limit_bytes));
    co_return reply;
  }

  // Asks until an answer is more than a passing fault. Every answer that is none is given back,
  // refusals too. The last passing fault is the error.
  Task<Result<Reply>> ask(std::string doing, std::string method, std::string path,
                          net::Headers headers, Body body, std::size_t limit_bytes) {
    const RetryPolicy policy{settings.attempts, settings.first_delay, std::chrono::seconds{5}};
    for (int attempt = 1;; ++attempt) {
      auto reply = co_await ask_once(method, path, headers, body, limit_bytes);
      if (reply && !is_passing(reply->status)) co_return reply;
      auto error = reply ? refusal(doing, *reply) : in_our_words(doing, reply.error());
      if (error.code == ErrorCode::cancelled) co_return std::unexpected(std::move(error));
      const auto delay = next_delay(error, attempt, policy, luck(runtime));
      if (!delay) co_return std::unexpected(std::move(error));
      if (!co_await sleep_for(runtime, *delay, stop)) {
        co_return fail(ErrorCode::cancelled, doing + ": stopped");
      }
    }
  }

  Error in_our_words(const std::string& doing, Error error) const {
    if (error.code == ErrorCode::cancelled) return error;
    return Error{ErrorCode::storage_failed,
                 fmt::format("cannot {} in {}: {} ({})", doing, name(), error.message, base),
                 {}};
  }

  // The sentence for an answer that is not the one hoped for.
  Error refusal(const std::string& doing, const Reply& reply) const {
    const auto code = element(reply.body, "Code");
    const auto said = code.empty() ? fmt::format("HTTP {}", reply.status)
                                   : fmt::format("HTTP {} {}", reply.status, code);
    const auto sentence = [&](ErrorCode kind, std::string_view advice) {
      return Error{kind,
                   fmt::format("cannot {} in {}: {}{}{}", doing, name(), said,
                               advice.empty() ? "" : ": ", advice),
                   {}};
    };
    if (code == "RequestTimeTooSkewed") {
      return sentence(ErrorCode::storage_denied, "this machine's clock and the server's differ");
    }
    if (code == "QuotaExceeded" || code == "XMinioStorageFull" || reply.status == 507) {
      return sentence(ErrorCode::storage_full, "there is no space left");
    }
    if (code == "SignatureDoesNotMatch") {
      return sentence(ErrorCode::storage_denied, "the secret key is wrong");
    }
    if (code == "InvalidAccessKeyId") {
      return sentence(ErrorCode::storage_denied, "the server does not know this access key");
    }
    if (reply.status == 301 || reply.status == 307 || code == "AuthorizationHeaderMalformed") {
      auto region = reply.region.value_or(element(reply.body, "Region"));
      return sentence(ErrorCode::storage_denied,
                      region.empty() ? "the bucket is in another region, or at another endpoint"
                                     : "the bucket's region is " + region);
    }
    if (reply.status == 401 || reply.status == 403) {
      return sentence(ErrorCode::storage_denied,
                      "access key, secret key or the rights that they have are wrong (reading, "
                      "writing and listing the bucket are needed)");
    }
    if (code == "NoSuchBucket") return sentence(ErrorCode::storage_failed, "the bucket is gone");
    return sentence(ErrorCode::storage_failed,
                    is_passing(reply.status) ? "the server is busy or broken" : "");
  }

  Task<Result<void>> find_or_make_bucket() {
    const std::string doing = "find the bucket";
    BETEDGE_CO_TRY(const auto found,
                   co_await ask(doing, "HEAD", bucket_path(), {}, no_body(), kLargestErrorBody));
    if (found.status == 200) co_return Result<void>{};
    if (found.status != 404) co_return std::unexpected(refusal(doing, found));

    // AWS wants the region named everywhere but in its first one, where it refuses it.
    auto body =
        settings.region == "us-east-1" || settings.region.empty()
            ? no_body()
            : body_of(fmt::format("<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/"
                                  "2006-03-01/\"><LocationConstraint>{}</LocationConstraint>"
                                  "</CreateBucketConfiguration>",
                                  settings.region));
    const std::string making = "make the bucket";
    BETEDGE_CO_TRY(const auto made,
                   co_await ask_once("PUT", bucket_path(), {}, std::move(body), kLargestErrorBody));
    // Another server may have made it in the same moment.
    if (made.status == 200 || element(made.body, "Code") == "BucketAlreadyOwnedByYou") {
      co_return Result<void>{};
    }
    co_return std::unexpected(refusal(making, made));
  }
};

// An object being collected in its spool file, digested on the way.
class S3Store::Writer final : public ObjectWriter {
 public:
  Writer(std::shared_ptr<Remote> remote, ObjectKey key)
      : remote_(std::move(remote)), key_(std::move(key)) {}

  // Blocks.
  Result<void> open() {
    BETEDGE_TRY(spool_, open_spool(remote_->settings.spool_folder));
    return {};
  }

  Task<Result<void>> write(Bytes bytes) override {
    BETEDGE_CO_TRY_VOID(may_go_on());
    if (buffer_.empty()) {
      buffer_ = std::move(bytes);
    } else {
      buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
    }
    if (buffer_.size() < kWriteBytes) co_return Result<void>{};
    auto step = [this] { return flush(); };
    co_return co_await run_blocking(remote_->runtime, Pool::io, std::move(step));
  }

  Task<Result<void>> commit() override {
    BETEDGE_CO_TRY_VOID(may_go_on());
    auto step = [this]() -> Result<std::string> {
      BETEDGE_TRY_VOID(flush());
      return digest_.finish_hex();
    };
    BETEDGE_CO_TRY(auto digest, co_await run_blocking(remote_->runtime, Pool::io, std::move(step)));
    committed_ = true;
    Remote::Body body{{}, spool_.descriptor(), size_, std::move(digest)};
    auto doing = "store " + key_.text();
    auto path = remote_->path(key_);
    auto reply = co_await remote_->ask(doing, "PUT", std::move(path), {}, std::move(body),
                                       kLargestErrorBody);
    if (!reply) {
      // A request that was sent and not answered may have been carried out.
      reply.error().message += "; it may have been stored all the same";
      co_return std::unexpected(std::move(reply).error());
    }
    if (reply->status != 200) co_return std::unexpected(remote_->refusal(doing, *reply));
    co_return Result<void>{};
  }

 private:
  Result<void> may_go_on() const {
    if (failure_) return std::unexpected(*failure_);
    if (committed_) return fail(ErrorCode::internal, key_.text() + " is committed already");
    return {};
  }

  Result<void> flush() {
    digest_.update(buffer_);
    size_ += buffer_.size();
    if (!write_whole(disk_, spool_.descriptor(), buffer_.data(), buffer_.size())) {
      failure_ = storage_error("collect an object for S3 in",
                               remote_->settings.spool_folder.string(), errno);
      return std::unexpected(*failure_);
    }
    buffer_.clear();
    return {};
  }

  std::shared_ptr<Remote> remote_;
  ObjectKey key_;
  Disk disk_;
  File spool_;
  Bytes buffer_;
  Sha256 digest_;
  std::uint64_t size_ = 0;
  bool committed_ = false;
  std::optional<Error> failure_;
};

Task<Result<std::unique_ptr<S3Store>>> S3Store::open(Runtime& runtime, net::HttpClient& client,
                                                     S3Settings settings, std::stop_token stop) {
  auto remote = std::make_shared<Remote>(runtime, client, std::move(settings), std::move(stop));
  auto opened = co_await remote->find_or_make_bucket();
  if (!opened) co_return fail_while("the lake cannot be opened", std::move(opened).error());
  co_return std::unique_ptr<S3Store>(new S3Store(std::move(remote)));
}

S3Store::~S3Store() = default;

std::string S3Store::name() const {
  return remote_->name();
}

Task<Result<std::optional<ObjectInfo>>> S3Store::stat(ObjectKey key) {
  const auto doing = "look for " + key.text();
  auto path = remote_->path(key);
  BETEDGE_CO_TRY(const auto reply, co_await remote_->ask(doing, "HEAD", std::move(path), {},
                                                         Remote::no_body(), kLargestErrorBody));
  if (reply.status == 404) co_return std::optional<ObjectInfo>{};
  if (reply.status != 200) co_return std::unexpected(remote_->refusal(doing, reply));
  const auto size = parse_size(reply.content_length);
  if (!size) {
    co_return fail(ErrorCode::storage_failed,
                   fmt::format("cannot {} in {}: the server does not say how large it is", doing,
                               remote_->name()));
  }
  const auto modified = parse_http_date(reply.last_modified.value_or(""));
  co_return std::optional(ObjectInfo{*size, modified.value_or(Timestamp{})});
}

Task<Result<std::unique_ptr<ObjectWriter>>> S3Store::create(ObjectKey key, Expected) {
  auto writer = std::make_unique<Writer>(remote_, std::move(key));
  auto step = [opening = writer.get()] { return opening->open(); };
  BETEDGE_CO_TRY_VOID(co_await run_blocking(remote_->runtime, Pool::io, std::move(step)));
  co_return std::unique_ptr<ObjectWriter>(std::move(writer));
}

Task<Result<ObjectPage>> S3Store::list(std::string, std::string, std::size_t) {
  co_return fail(ErrorCode::internal, "not written yet");
}

bool S3Store::publishes_conditionally() const {
  return false;
}

Task<Result<Bytes>> S3Store::read(ObjectKey key, std::uint64_t offset, std::size_t length) {
  const auto absent = "there is no " + key.text() + " in " + remote_->name();
  if (length == 0) {  // no range says "nothing"
    BETEDGE_CO_TRY(const auto found, co_await stat(std::move(key)));
    if (!found) co_return fail(ErrorCode::not_found, absent);
    co_return Bytes{};
  }
  const auto doing = "read " + key.text();
  auto path = remote_->path(key);
  const auto last = offset + std::min<std::uint64_t>(length - 1, UINT64_MAX - offset);
  net::Headers headers{{"Range", fmt::format("bytes={}-{}", offset, last)}};
  BETEDGE_CO_TRY(const auto reply,
                 co_await remote_->ask(doing, "GET", std::move(path), std::move(headers),
                                       Remote::no_body(), std::max(length, kLargestErrorBody)));
  if (reply.status == 404 && element(reply.body, "Code") != "NoSuchBucket") {
    co_return fail(ErrorCode::not_found, absent);
  }
  if (reply.status == 416) co_return Bytes{};  // begins at or after the end
  if (reply.status != 206 ||
      !reply.content_range.value_or("").starts_with(fmt::format("bytes {}-", offset))) {
    if (reply.status != 200 && reply.status != 206) {
      co_return std::unexpected(remote_->refusal(doing, reply));
    }
    co_return fail(ErrorCode::storage_failed,
                   fmt::format("cannot {} in {}: the server does not serve parts of objects", doing,
                               remote_->name()));
  }
  const auto bytes = as_bytes(std::string_view(reply.body).substr(0, length));
  co_return Bytes(bytes.begin(), bytes.end());
}

}  // namespace betedge::sinks
