#include "betedge/sinks/s3_remote.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>

#include "betedge/ports/async.hpp"
#include "betedge/sinks/s3_xml.hpp"

namespace betedge::sinks {

namespace {

// A server that asks for more patience than this gets it from whoever asked us.
constexpr std::chrono::seconds kLongestRetryAfter{30};
constexpr std::chrono::seconds kLongestDelay{5};
constexpr std::chrono::milliseconds kLastCall{300};

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

std::optional<std::uint64_t> parse_size(std::string_view text) {
  std::uint64_t value = 0;
  const auto* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, value);
  if (error != std::errc{} || end != last || text.empty()) return std::nullopt;
  return value;
}

// Seconds, or a date (RFC 9110 10.2.3); zero for nothing, for the past and for nonsense.
std::chrono::milliseconds parse_retry_after(const std::optional<std::string>& text, Timestamp now) {
  constexpr std::chrono::hours kMost{24};
  if (!text) return {};
  if (const auto seconds = parse_size(*text)) {
    return std::min<std::uint64_t>(*seconds, 86'400) * std::chrono::milliseconds{1'000};
  }
  const auto date = parse_http_date(*text);
  if (!date || *date <= now) return {};
  return std::chrono::ceil<std::chrono::milliseconds>(
      std::min<Timestamp::duration>(*date - now, kMost));
}

}  // namespace

S3Body text_body(std::string text) {
  auto digest = sha256_hex(as_bytes(text));
  const auto size = text.size();
  return {.text = std::move(text), .size = size, .sha256 = std::move(digest)};
}

HeaderList condition_headers(const Expected& expected) {
  switch (expected.what) {
    case Expected::What::anything: return {};
    case Expected::What::nothing: return {{"If-None-Match", "*"}};
    case Expected::What::this_one: return {{"If-Match", fmt::format("\"{}\"", expected.etag)}};
  }
  std::unreachable();
}

bool is_as_expected(const std::optional<S3Found>& found, const Expected& expected) {
  switch (expected.what) {
    case Expected::What::anything: return true;
    case Expected::What::nothing: return !found;
    case Expected::What::this_one: return found && found->info.etag == expected.etag;
  }
  std::unreachable();
}

bool is_passing(const S3Reply& reply) {
  constexpr std::array<std::string_view, 5> kDamagedOnItsWay = {
      "RequestTimeout", "XAmzContentSHA256Mismatch", "BadDigest", "IncompleteBody", "SlowDown"};
  const int status = reply.status;
  if (status == 501 || status == 505) return false;
  return status == 408 || status == 409 || status == 429 || status >= 500 ||
         (status == 400 && std::ranges::find(kDamagedOnItsWay, parse_s3_error(reply.body).code) !=
                               kDamagedOnItsWay.end());
}

S3Remote::S3Remote(Runtime& runtime, net::HttpClient& client, S3Settings settings, S3Stops stops)
    : runtime_(runtime),
      client_(client),
      settings_(std::move(settings)),
      stops_(std::move(stops)),
      signing_{settings_.region, settings_.access_key, settings_.secret_key} {
  std::string_view endpoint = settings_.endpoint;
  bool secure = settings_.secure;
  if (endpoint.empty()) {
    secure = true;
    host_ = fmt::format("s3.{}.amazonaws.com", settings_.region);
  } else {
    for (const auto& [scheme, is_secure] : {std::pair<std::string_view, bool>{"http://", false},
                                            std::pair<std::string_view, bool>{"https://", true}}) {
      if (!endpoint.starts_with(scheme)) continue;
      secure = is_secure;
      endpoint.remove_prefix(scheme.size());
    }
    while (endpoint.ends_with('/')) endpoint.remove_suffix(1);
    host_ = endpoint;
  }
  // The default port is not part of the Host header that clients send and servers verify.
  const std::string_view usual = secure ? ":443" : ":80";
  if (host_.ends_with(usual)) host_.resize(host_.size() - usual.size());
  base_ = (secure ? "https://" : "http://") + host_;
  if (settings_.spool_folder.empty()) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody here changes the environment
    const char* const chosen = std::getenv("TMPDIR");
    settings_.spool_folder = chosen != nullptr && *chosen != '\0' ? chosen : "/var/tmp";
  }
}

std::string S3Remote::name() const {
  const auto& [bucket, prefix] = settings_.location;
  return fmt::format("s3://{}{}{}", bucket, prefix.empty() ? "" : "/", prefix);
}

std::string S3Remote::bucket_path() const {
  return "/" + s3_path(settings_.location.bucket);
}

std::string S3Remote::full_name(std::string_view name) const {
  const auto& prefix = settings_.location.prefix;
  return fmt::format("{}{}{}", prefix, prefix.empty() ? "" : "/", name);
}

std::string S3Remote::path(std::string_view name) const {
  return bucket_path() + "/" + s3_path(full_name(name));
}

Task<Result<S3Reply>> S3Remote::ask_once(S3Request request) {
  const auto query = s3_query(std::move(request.query));
  request.headers.emplace_back("Host", host_);
  net::HttpRequest http;
  http.headers = signed_headers(request.method, request.path, query, std::move(request.headers),
                                request.body.sha256, runtime_.wall_now(), signing_);
  http.method = std::move(request.method);
  http.url = base_ + request.path + (query.empty() ? "" : "?") + query;
  http.body = std::move(request.body.text);
  http.upload_fd = request.body.file;
  http.upload_offset = request.body.offset;
  http.upload_bytes = request.body.size;
  http.idle_timeout = settings_.idle_timeout;
  auto stop = request.purpose == S3Request::Purpose::reading ? stops_.reading : stops_.publishing;
  if (request.purpose == S3Request::Purpose::cleaning_up && stop.stop_requested()) {
    stop = {};
    http.idle_timeout = std::min(http.idle_timeout, kLastCall);
    http.connect_timeout = std::min(http.connect_timeout, kLastCall);
  }
  auto response = co_await client_.send(std::move(http), std::move(stop));
  if (!response) {
    co_return std::unexpected(in_our_words(request.doing, std::move(response).error()));
  }
  S3Reply reply;
  reply.status = (*response)->status();
  reply.content_length = (*response)->header("Content-Length");
  reply.content_range = (*response)->header("Content-Range");
  reply.last_modified = (*response)->header("Last-Modified");
  reply.etag = (*response)->header("ETag");
  reply.region = (*response)->header("x-amz-bucket-region");
  reply.sha256 = (*response)->header("x-amz-meta-betedge-sha256");
  reply.retry_after = (*response)->header("Retry-After");
  auto body = co_await net::read_all(*std::move(response), request.limit_bytes);
  if (!body) co_return std::unexpected(in_our_words(request.doing, std::move(body).error()));
  reply.body = *std::move(body);
  co_return reply;
}

Task<Result<S3Reply>> S3Remote::ask(S3Request request) {
  for (int tries = 1;; ++tries) {
    auto copy = request;
    auto reply = co_await ask_once(std::move(copy));
    if (reply && !is_passing(*reply)) co_return reply;
    auto error = reply ? refusal(request.doing, *reply) : std::move(reply).error();
    const auto delay = delay_after(error, tries);
    if (!delay) co_return std::unexpected(std::move(error));
    const bool reads = request.purpose == S3Request::Purpose::reading;
    if (!co_await sleep_for(runtime_, *delay, reads ? stops_.reading : stops_.publishing)) {
      co_return fail(ErrorCode::cancelled, request.doing + ": stopped");
    }
  }
}

std::optional<std::chrono::milliseconds> S3Remote::delay_after(const Error& error,
                                                               int tries) const {
  if (error.code == ErrorCode::cancelled || error.retry_after > kLongestRetryAfter) {
    return std::nullopt;
  }
  return next_delay(error, tries, {settings_.attempts, settings_.first_delay, kLongestDelay},
                    luck(runtime_));
}

Error S3Remote::in_our_words(std::string_view doing, Error error) const {
  if (error.code == ErrorCode::cancelled) return error;
  return Error{ErrorCode::storage_failed,
               error.code == ErrorCode::upstream_unavailable
                   ? fmt::format("cannot {} in {}: the S3 server {} cannot be reached: {}", doing,
                                 name(), base_, error.message)
                   : fmt::format("cannot {} in {}: {} ({})", doing, name(), error.message, base_),
               {}};
}

Error S3Remote::refusal(std::string_view doing, const S3Reply& reply) const {
  const auto [code, its_region] = parse_s3_error(reply.body);
  const auto said = code.empty() ? fmt::format("HTTP {}", reply.status)
                                 : fmt::format("HTTP {} {}", reply.status, code);
  const auto sentence = [&](ErrorCode kind, std::string_view advice) {
    return Error{kind,
                 fmt::format("cannot {} in {}: {}{}{}", doing, name(), said,
                             advice.empty() ? "" : ": ", advice),
                 parse_retry_after(reply.retry_after, runtime_.wall_now())};
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
  if (code == "InvalidAccessKeyId" || code == "XAdminUserNotFound") {  // versitygw's, with a 404
    return sentence(ErrorCode::storage_denied, "the server does not know this access key");
  }
  // A HEAD has no body to say it in, but its header does.
  const bool is_elsewhere =
      reply.status == 301 || reply.status == 307 ||
      (reply.status == 400 && reply.region && *reply.region != settings_.region);
  if (is_elsewhere || code == "AuthorizationHeaderMalformed" ||
      code == "IllegalLocationConstraintException") {
    const auto region = reply.region.value_or(its_region);
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
  if (code == "SlowDown" || reply.status == 429) {
    return sentence(ErrorCode::storage_failed, "the server asks for fewer requests");
  }
  return sentence(ErrorCode::storage_failed,
                  is_passing(reply) ? "the server is busy or broken" : "");
}

Task<Result<std::optional<S3Found>>> S3Remote::find(std::string doing, std::string path,
                                                    Tries tries, S3Request::Purpose purpose) {
  S3Request request{.doing = doing, .method = "HEAD", .path = std::move(path), .purpose = purpose};
  auto asked = tries == Tries::one ? ask_once(std::move(request)) : ask(std::move(request));
  BETEDGE_CO_TRY(const auto reply, co_await std::move(asked));
  if (reply.status == 404) co_return std::optional<S3Found>{};
  if (reply.status != 200) co_return std::unexpected(refusal(doing, reply));
  const auto size = parse_size(reply.content_length.value_or(""));
  if (!size) {
    co_return fail(
        ErrorCode::storage_failed,
        fmt::format("cannot {} in {}: the server does not say how large it is", doing, name()));
  }
  const auto modified = parse_http_date(reply.last_modified.value_or(""));
  co_return std::optional(S3Found{.info = {.size_bytes = *size,
                                           .modified_at = modified.value_or(Timestamp{}),
                                           .etag = std::string(bare_etag(reply.etag.value_or("")))},
                                  .sha256 = reply.sha256.value_or("")});
}

Task<bool> S3Remote::end_upload_once(S3Upload upload, S3Request::Purpose purpose) {
  S3Request request{.doing = "end an upload",
                    .method = "DELETE",
                    .path = std::move(upload.path),
                    .query = {{"uploadId", std::move(upload.id)}},
                    .purpose = purpose};
  const auto reply = co_await ask_once(std::move(request));
  // 404: it has ended already. A refusal for good will not be another one tomorrow.
  co_return reply && !is_passing(*reply);
}

Task<void> S3Remote::end_upload(S3Upload upload) {
  auto copy = upload;
  if (!co_await end_upload_once(std::move(copy), S3Request::Purpose::cleaning_up))
    abandoned_.push_back(std::move(upload));
}

Task<void> S3Remote::end_abandoned() {
  const auto abandoned = std::exchange(abandoned_, {});
  for (const auto& upload : abandoned) co_await end_upload(upload);
}

Task<Result<std::size_t>> S3Remote::end_uploads(std::string prefix, Names names, Timestamp before) {
  const std::string doing = "look for unfinished uploads";
  std::size_t ended = 0;
  std::optional<S3Uploads::Next> from = S3Uploads::Next{};
  while (from) {
    S3Request request{.doing = doing,
                      .method = "GET",
                      .path = bucket_path(),
                      .query = {{"uploads", ""}, {"prefix", prefix}, {"encoding-type", "url"}}};
    if (!from->key_marker.empty()) {
      request.query.emplace_back("key-marker", from->key_marker);
      request.query.emplace_back("upload-id-marker", from->id_marker);
    }
    BETEDGE_CO_TRY(const auto reply, co_await ask(std::move(request)));
    if (reply.status != 200) co_return std::unexpected(refusal(doing, reply));
    auto page = parse_s3_uploads(reply.body);
    if (!page) co_return fail_while(fmt::format("cannot {} in {}", doing, name()), page.error());
    for (const auto& upload : page->uploads) {
      const bool is_ours =
          names == Names::equal ? upload.key == prefix : upload.key.starts_with(prefix);
      if (!is_ours || upload.initiated_at >= before) continue;
      S3Upload orphan{bucket_path() + "/" + s3_path(upload.key), upload.id};
      if (co_await end_upload_once(std::move(orphan), S3Request::Purpose::publishing)) ++ended;
    }
    // A server that does not go on would keep us here for ever.
    if (page->next && page->next->key_marker == from->key_marker &&
        page->next->id_marker == from->id_marker) {
      break;
    }
    from = std::move(page->next);
  }
  co_return ended;
}

}  // namespace betedge::sinks
