#include "betedge/sinks/s3_store.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "betedge/ports/async.hpp"
#include "betedge/sinks/s3_remote.hpp"
#include "betedge/sinks/s3_writer.hpp"
#include "betedge/sinks/s3_xml.hpp"

namespace betedge::sinks {

namespace {

// Somebody asks for a key inside our own folder: not an object of the lake.
Result<void> check_is_not_ours(const ObjectKey& key) {
  if (!(key.text() + "/").starts_with(kS3OwnFolder)) return {};
  return fail(ErrorCode::invalid_request,
              fmt::format("{} is betedge's own folder, not an object of the lake",
                          kS3OwnFolder.substr(0, kS3OwnFolder.size() - 1)));
}

Task<Result<void>> find_or_make_bucket(S3Remote& remote) {
  S3Request look{.doing = "find the bucket", .method = "HEAD", .path = remote.bucket_path()};
  BETEDGE_CO_TRY(const auto found, co_await remote.ask(std::move(look)));
  if (found.status == 200) co_return Result<void>{};
  if (found.status != 404) co_return std::unexpected(remote.refusal("find the bucket", found));

  S3Request make{.doing = "make the bucket",
                 .method = "PUT",
                 .path = remote.bucket_path(),
                 .body = text_body(s3_bucket_configuration(remote.settings().region))};
  BETEDGE_CO_TRY(const auto made, co_await remote.ask_once(std::move(make)));
  // Another server may have made it in the same moment.
  if (made.status == 200 || parse_s3_error(made.body).code == "BucketAlreadyOwnedByYou") {
    co_return Result<void>{};
  }
  co_return std::unexpected(remote.refusal("make the bucket", made));
}

const Expected kNothing{Expected::What::nothing, {}};
const Expected kAnother{Expected::What::this_one, "00000000000000000000000000000000"};

// Whether the server refuses to publish against a condition that does not hold. Servers that do not
// know a condition do as if it were not there, or answer 501.
Task<Result<bool>> refuses(S3Remote& remote, S3Request request) {
  const auto doing = request.doing;
  BETEDGE_CO_TRY(const auto reply, co_await remote.ask(std::move(request)));
  if (reply.status == 412) co_return true;
  if (reply.status == 200 || reply.status == 400 || reply.status == 501) co_return false;
  co_return std::unexpected(remote.refusal(doing, reply));
}

// What the server can look at in one step with a publish, tried on a small object of our own, which
// stays there: a start finds it and writes nothing.
Task<Result<void>> find_conditions(S3Remote& remote) {
  const std::string doing = "find out what the server can";
  const auto path = remote.path(std::string(kS3OwnFolder) + "probe");
  const auto put = [&](const Expected& expected) {
    return S3Request{.doing = doing,
                     .method = "PUT",
                     .path = path,
                     .headers = condition_headers(expected),
                     .body = text_body("betedge tries here what the server can\n")};
  };
  auto& can = remote.conditions;
  // The first one makes it, unless it is there.
  BETEDGE_CO_TRY(can.put.nothing, co_await refuses(remote, put(kNothing)));
  if (!can.put.nothing) {
    BETEDGE_CO_TRY(can.put.nothing, co_await refuses(remote, put(kNothing)));
  }
  BETEDGE_CO_TRY(can.put.this_one, co_await refuses(remote, put(kAnother)));

  for (const auto* expected : {&kNothing, &kAnother}) {
    S3Request begin{.doing = doing, .method = "POST", .path = path, .query = {{"uploads", ""}}};
    BETEDGE_CO_TRY(const auto begun, co_await remote.ask(std::move(begin)));
    if (begun.status != 200) co_return std::unexpected(remote.refusal(doing, begun));
    BETEDGE_CO_TRY(const auto id, parse_s3_upload_id(begun.body));
    S3Request part{.doing = doing,
                   .method = "PUT",
                   .path = path,
                   .query = {{"partNumber", "1"}, {"uploadId", id}},
                   .body = text_body("betedge tries here what the server can\n")};
    auto sent = co_await remote.ask(std::move(part));
    auto refused = sent && (sent->status != 200 || !sent->etag)
                       ? Result<bool>(std::unexpected(remote.refusal(doing, *sent)))
                       : Result<bool>(false);
    if (!sent) refused = std::unexpected(sent.error());
    if (refused) {
      S3Request complete{.doing = doing,
                         .method = "POST",
                         .path = path,
                         .query = {{"uploadId", id}},
                         .headers = condition_headers(*expected),
                         .body = text_body(s3_completion({*sent->etag}))};
      refused = co_await refuses(remote, std::move(complete));
    }
    // Also after an answer that looks as if it had been completed: then there is none.
    S3Upload upload{path, id};
    co_await remote.end_upload(std::move(upload));
    if (!refused) co_return std::unexpected(refused.error());
    (expected == &kNothing ? can.completion.nothing : can.completion.this_one) = *refused;
  }
  co_return Result<void>{};
}

}  // namespace

S3Store::S3Store(std::shared_ptr<S3Remote> remote, Opening opening)
    : remote_(std::move(remote)), opening_(std::move(opening)) {}

S3Store::~S3Store() = default;

Task<Result<std::unique_ptr<S3Store>>> S3Store::open(Runtime& runtime, net::HttpClient& client,
                                                     S3Settings settings, std::stop_token stop,
                                                     std::stop_token stop_reading) {
  const auto cannot = [](Error error) {
    return fail_while("the lake cannot be opened", std::move(error));
  };
  S3Stops stops{.publishing = std::move(stop), .reading = std::move(stop_reading)};
  auto remote = std::make_shared<S3Remote>(runtime, client, std::move(settings), std::move(stops));
  auto found = co_await find_or_make_bucket(*remote);
  if (!found) co_return cannot(std::move(found).error());
  // A lake that cannot be written is told so now, and not after the first download.
  auto conditions = co_await find_conditions(*remote);
  if (!conditions) co_return cannot(std::move(conditions).error());

  Opening opening{
      .publishes_conditionally = remote->conditions.are_all(), .ended_uploads = 0, .trouble = {}};
  auto ended = co_await remote->end_uploads(remote->full_name({}), S3Remote::Names::beginning,
                                            runtime.wall_now() - remote->settings().orphan_age);
  // Space may be wasted, and nothing else is wrong: some keys may not list what is unfinished.
  if (ended) {
    opening.ended_uploads = *ended;
  } else if (ended.error().code == ErrorCode::cancelled) {
    co_return cannot(std::move(ended).error());
  } else {
    opening.trouble = ended.error().message;
  }
  co_return std::unique_ptr<S3Store>(new S3Store(std::move(remote), std::move(opening)));
}

std::string S3Store::name() const {
  return remote_->name();
}

bool S3Store::publishes_conditionally() const {
  return opening_.publishes_conditionally;
}

Task<Result<std::optional<ObjectInfo>>> S3Store::stat(ObjectKey key) {
  BETEDGE_CO_TRY_VOID(check_is_not_ours(key));
  auto path = remote_->path(key.text());
  BETEDGE_CO_TRY(const auto found,
                 co_await remote_->find("look for " + key.text(), std::move(path),
                                        S3Remote::Tries::several, S3Request::Purpose::reading));
  co_return found ? std::optional(found->info) : std::nullopt;
}

Task<Result<std::unique_ptr<ObjectWriter>>> S3Store::create(ObjectKey key, Expected expected) {
  BETEDGE_CO_TRY_VOID(check_is_not_ours(key));
  auto writer = std::make_unique<S3Writer>(remote_, std::move(key), std::move(expected));
  auto step = [opening = writer.get()] { return opening->open(); };
  BETEDGE_CO_TRY_VOID(co_await run_blocking(remote_->runtime(), Pool::io, std::move(step)));
  co_return std::unique_ptr<ObjectWriter>(std::move(writer));
}

Task<Result<Bytes>> S3Store::read(ObjectKey key, std::uint64_t offset, std::size_t length) {
  BETEDGE_CO_TRY_VOID(check_is_not_ours(key));
  const auto absent = "there is no " + key.text() + " in " + remote_->name();
  const auto doing = "read " + key.text();
  if (length == 0) {  // no range says "nothing"
    BETEDGE_CO_TRY(const auto found, co_await stat(std::move(key)));
    if (!found) co_return fail(ErrorCode::not_found, absent);
    co_return Bytes{};
  }
  const auto last = offset + std::min<std::uint64_t>(
                                 length - 1, std::numeric_limits<std::int64_t>::max() - offset);
  S3Request request{.doing = doing,
                    .method = "GET",
                    .path = remote_->path(key.text()),
                    .headers = {{"Range", fmt::format("bytes={}-{}", offset, last)}},
                    .limit_bytes = std::max(length, kLargestS3Document),
                    .purpose = S3Request::Purpose::reading};
  BETEDGE_CO_TRY(const auto reply, co_await remote_->ask(std::move(request)));
  if (reply.status == 404 && parse_s3_error(reply.body).code != "NoSuchBucket") {
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

Task<Result<ObjectPage>> S3Store::list(std::string prefix, std::string after, std::size_t limit) {
  const std::string doing = "list the lake";
  const auto wrong = [&](std::string_view why) {
    return fail(ErrorCode::storage_failed,
                fmt::format("cannot {} in {}: {}", doing, remote_->name(), why));
  };
  const auto above = remote_->full_name({});
  S3Request request{
      .doing = doing,
      .method = "GET",
      .path = remote_->bucket_path(),
      .query = {{"list-type", "2"},
                {"prefix", above + prefix},
                {"encoding-type", "url"},
                {"max-keys", std::to_string(std::clamp<std::size_t>(limit, 1, 1000))}},
      .purpose = S3Request::Purpose::reading};
  if (!after.empty()) request.query.emplace_back("start-after", above + after);
  BETEDGE_CO_TRY(const auto reply, co_await remote_->ask(std::move(request)));
  if (reply.status != 200) co_return std::unexpected(remote_->refusal(doing, reply));
  auto listing = parse_s3_listing(reply.body);
  if (!listing) co_return wrong(listing.error().message);

  ObjectPage page;
  auto previous = above + after;
  for (auto& object : listing->objects) {
    // Else the next page would leave some out, or never end.
    if (object.key <= previous) co_return wrong("the server's keys are not in the order of bytes");
    previous = object.key;
    if (!object.key.starts_with(above + prefix)) {
      co_return wrong("the server lists what it was not asked for");
    }
    const auto name = std::string_view(object.key).substr(above.size());
    auto key = ObjectKey::parse(name);  // others may have put what is no key of ours
    if (!key || !check_is_not_ours(*key)) continue;
    page.objects.push_back({*std::move(key),
                            {.size_bytes = object.size_bytes,
                             .modified_at = object.modified_at,
                             .etag = std::move(object.etag)}});
  }
  if (listing->is_truncated) {
    if (listing->objects.empty()) co_return wrong("the server's listing does not go on");
    page.next_after = previous.substr(above.size());
  }
  co_return page;
}

}  // namespace betedge::sinks
