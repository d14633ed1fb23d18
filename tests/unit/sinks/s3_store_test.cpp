#include "betedge/sinks/s3_store.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <filesystem>
#include <optional>

#include "support/scripted_http.hpp"
#include "support/virtual_runtime.hpp"

// What the store makes of every kind of answer. That its requests are right is verified against a
// server in tests/contract.
namespace betedge::sinks {
namespace {

using betedge::testing::Scripted;
using betedge::testing::ScriptedHttp;
using betedge::testing::VirtualRuntime;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::string error_body(std::string_view code) {
  return fmt::format("<?xml version=\"1.0\"?><Error><Code>{}</Code></Error>", code);
}

Task<void> open_into(Runtime& runtime, net::HttpClient& client, S3Settings settings,
                     std::stop_token stop, Result<std::unique_ptr<S3Store>>& result) {
  result = co_await S3Store::open(runtime, client, std::move(settings), std::move(stop));
}
Task<void> put_into(ObjectStore& store, std::string text, Result<void>& result) {
  const auto bytes = as_bytes(text);
  auto writer = co_await store.create(ObjectKey::parse("a/^SPX/data").value());
  if (!writer) {
    result = std::unexpected(writer.error());
    co_return;
  }
  result = co_await (*writer)->write(Bytes(bytes.begin(), bytes.end()));
  if (result) result = co_await (*writer)->commit();
}
Task<void> stat_into(ObjectStore& store, Result<std::optional<ObjectInfo>>& result) {
  result = co_await store.stat(ObjectKey::parse("a/data").value());
}
Task<void> read_into(ObjectStore& store, Result<Bytes>& result) {
  result = co_await store.read(ObjectKey::parse("a/data").value(), 10, 5);
}

class S3StoreTest : public ::testing::Test {
 protected:
  S3StoreTest() {
    settings_.endpoint = "localhost:9000";
    settings_.location = {"bucket", "some/prefix"};
    settings_.access_key = "the-access-key";
    settings_.secret_key = "the-secret-key";
    settings_.spool_folder = std::filesystem::temp_directory_path();
  }
  Result<std::unique_ptr<S3Store>> open() {
    Result<std::unique_ptr<S3Store>> result;
    runtime_.run(open_into(runtime_, client_, settings_, stop_.get_token(), result));
    return result;
  }
  // Open, with an empty record of what was asked.
  std::unique_ptr<S3Store> opened() {
    auto store = open();
    EXPECT_TRUE(store) << store.error().message;
    client_.asked.clear();
    client_.bodies.clear();
    client_.requests.clear();
    return *std::move(store);
  }
  Result<void> put(S3Store& store, std::string text) {
    Result<void> result;
    runtime_.run(put_into(store, std::move(text), result));
    return result;
  }
  Result<std::optional<ObjectInfo>> stat(S3Store& store) {
    Result<std::optional<ObjectInfo>> result;
    runtime_.run(stat_into(store, result));
    return result;
  }
  Result<Bytes> read(S3Store& store) {
    Result<Bytes> result;
    runtime_.run(read_into(store, result));
    return result;
  }

  VirtualRuntime runtime_{1};
  ScriptedHttp client_;
  S3Settings settings_;
  std::stop_source stop_;
};

TEST_F(S3StoreTest, PutsAnObjectWholeUnderItsPrefix) {
  const auto store = opened();
  const std::string text(std::size_t{3} << 20, 'x');
  ASSERT_TRUE(put(*store, text));
  EXPECT_THAT(client_.asked,
              ElementsAre("PUT http://localhost:9000/bucket/some/prefix/a/%5ESPX/data"));
  EXPECT_TRUE(client_.bodies.front() == text);
  EXPECT_EQ(store->name(), "s3://bucket/some/prefix");
}

TEST_F(S3StoreTest, MakesTheBucketOnlyWhenItIsMissing) {
  ASSERT_TRUE(open());
  EXPECT_THAT(client_.asked, ElementsAre("HEAD http://localhost:9000/bucket"));
  client_.asked.clear();
  client_.answers = {Scripted{404, {}, {}, {}}, Scripted{}};
  ASSERT_TRUE(open());
  EXPECT_THAT(client_.asked,
              ElementsAre("HEAD http://localhost:9000/bucket", "PUT http://localhost:9000/bucket"));
  EXPECT_EQ(client_.bodies.back(), "");
}

TEST_F(S3StoreTest, ABucketMadeByAnotherServerInTheSameMomentIsThere) {
  client_.answers = {Scripted{404, {}, {}, {}},
                     Scripted{409, error_body("BucketAlreadyOwnedByYou"), {}, {}}};
  EXPECT_TRUE(open());
}

TEST_F(S3StoreTest, ABucketOfSomebodyElseIsAnError) {
  client_.answers = {Scripted{404, {}, {}, {}},
                     Scripted{409, error_body("BucketAlreadyExists"), {}, {}}};
  EXPECT_THAT(open().error().message, HasSubstr("BucketAlreadyExists"));
}

struct EndpointCase {
  std::string name, endpoint;
  bool secure;
  std::string asked, host;
};
class S3Endpoint : public S3StoreTest, public ::testing::WithParamInterface<EndpointCase> {};
TEST_P(S3Endpoint, IsReadAsPeopleWriteIt) {
  settings_.endpoint = GetParam().endpoint;
  settings_.secure = GetParam().secure;
  settings_.region = "eu-west-1";
  ASSERT_TRUE(open());
  EXPECT_EQ(client_.asked.front(), "HEAD " + GetParam().asked);
  const std::pair<std::string, std::string> host{"Host", GetParam().host};
  EXPECT_THAT(client_.requests.front().headers, ::testing::Contains(host));
}
INSTANTIATE_TEST_SUITE_P(
    Forms, S3Endpoint,
    ::testing::Values(EndpointCase{"as_minio", "localhost:9000", false,
                                   "http://localhost:9000/bucket", "localhost:9000"},
                      EndpointCase{"secure", "minio.lan:9000", true,
                                   "https://minio.lan:9000/bucket", "minio.lan:9000"},
                      EndpointCase{"scheme_decides", "http://minio.lan/", true,
                                   "http://minio.lan/bucket", "minio.lan"},
                      EndpointCase{"usual_port", "https://minio.lan:443", false,
                                   "https://minio.lan/bucket", "minio.lan"},
                      EndpointCase{"aws", "", false, "https://s3.eu-west-1.amazonaws.com/bucket",
                                   "s3.eu-west-1.amazonaws.com"}),
    [](const auto& tested) { return tested.param.name; });

struct Refusal {
  std::string name;
  Scripted answer;
  ErrorCode code;
  std::string says;
  int times_asked;
};
void PrintTo(const Refusal& refusal, std::ostream* out) {
  *out << refusal.name;
}
class S3Refusal : public S3StoreTest, public ::testing::WithParamInterface<Refusal> {};

TEST_P(S3Refusal, OfAPutIsOfItsKindSaysWhyAndKeepsTheSecret) {
  const auto store = opened();
  client_.answers = {GetParam().answer};
  const auto result = put(*store, "text");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, GetParam().code);
  EXPECT_THAT(result.error().message, HasSubstr("a/^SPX/data"));
  EXPECT_THAT(result.error().message, HasSubstr("s3://bucket/some/prefix"));
  EXPECT_THAT(result.error().message, HasSubstr(GetParam().says));
  EXPECT_THAT(result.error().message, Not(HasSubstr("the-secret-key")));
  EXPECT_EQ(client_.asked.size(), static_cast<std::size_t>(GetParam().times_asked));
  for (const auto& body : client_.bodies) EXPECT_EQ(body, "text");
}

INSTANTIATE_TEST_SUITE_P(
    Answers, S3Refusal,
    ::testing::Values(
        Refusal{"forbidden",
                {403, error_body("AccessDenied"), {}, {}},
                ErrorCode::storage_denied,
                "HTTP 403 AccessDenied",
                1},
        Refusal{"forbidden_without_words",
                {403, {}, {}, {}},
                ErrorCode::storage_denied,
                "the rights",
                1},
        Refusal{"unauthorized", {401, {}, {}, {}}, ErrorCode::storage_denied, "HTTP 401", 1},
        Refusal{"wrong_secret",
                {403, error_body("SignatureDoesNotMatch"), {}, {}},
                ErrorCode::storage_denied,
                "the secret key is wrong",
                1},
        Refusal{"unknown_key",
                {403, error_body("InvalidAccessKeyId"), {}, {}},
                ErrorCode::storage_denied,
                "does not know this access key",
                1},
        Refusal{"clock",
                {403, error_body("RequestTimeTooSkewed"), {}, {}},
                ErrorCode::storage_denied,
                "clock",
                1},
        Refusal{"region",
                {301, error_body("PermanentRedirect"), {{"x-amz-bucket-region", "eu-west-3"}}, {}},
                ErrorCode::storage_denied,
                "eu-west-3",
                1},
        Refusal{"bucket_gone",
                {404, error_body("NoSuchBucket"), {}, {}},
                ErrorCode::storage_failed,
                "the bucket is gone",
                1},
        Refusal{"full",
                {507, error_body("XMinioStorageFull"), {}, {}},
                ErrorCode::storage_full,
                "no space",
                1},
        Refusal{"quota",
                {409, error_body("QuotaExceeded"), {}, {}},
                ErrorCode::storage_full,
                "no space",
                1},
        Refusal{"slow_down",
                {503, error_body("SlowDown"), {}, {}},
                ErrorCode::storage_failed,
                "busy",
                4},
        Refusal{"internal",
                {500, error_body("InternalError"), {}, {}},
                ErrorCode::storage_failed,
                "HTTP 500 InternalError",
                4},
        Refusal{"throttled", {429, {}, {}, {}}, ErrorCode::storage_failed, "HTTP 429", 4},
        Refusal{"damaged",
                {400, error_body("XAmzContentSHA256Mismatch"), {}, {}},
                ErrorCode::storage_failed,
                "XAmzContentSHA256Mismatch",
                1},
        Refusal{"unreachable",
                {0, {}, {}, Error{ErrorCode::upstream_unavailable, "connection refused", {}}},
                ErrorCode::storage_failed,
                "connection refused",
                4},
        Refusal{"reset",
                {0, {}, {}, Error{ErrorCode::upstream_failed, "connection reset", {}}},
                ErrorCode::storage_failed,
                "may have been stored all the same",
                4}),
    [](const auto& tested) { return tested.param.name; });

TEST_F(S3StoreTest, APassingFaultPasses) {
  const auto store = opened();
  client_.answers = {Scripted{503, {}, {}, {}},
                     Scripted{0, {}, {}, Error{ErrorCode::upstream_failed, "reset", {}}},
                     Scripted{}};
  EXPECT_TRUE(put(*store, "text"));
  EXPECT_THAT(client_.bodies, ElementsAre("text", "text", "text"));
}

TEST_F(S3StoreTest, StopEndsTheWaitBetweenAttempts) {
  settings_.first_delay = std::chrono::hours{1};
  const auto store = opened();
  client_.answers = {Scripted{503, {}, {}, {}}};
  const auto timer = runtime_.after(std::chrono::seconds{3}, [this] { stop_.request_stop(); });
  const auto before = runtime_.steady_now();
  EXPECT_EQ(put(*store, "text").error().code, ErrorCode::cancelled);
  EXPECT_LT(runtime_.steady_now() - before, std::chrono::minutes{1});
}

TEST_F(S3StoreTest, StatReadsSizeAndTime) {
  const auto store = opened();
  client_.answers = {
      Scripted{200,
               {},
               {{"Content-Length", "1234"}, {"Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT"}},
               {}}};
  const auto info = stat(*store);
  ASSERT_TRUE(info && info->has_value());
  EXPECT_EQ((*info)->size_bytes, 1234);
  EXPECT_EQ(to_iso_text((*info)->modified_at), "2015-10-21T07:28:00+00:00");
  EXPECT_THAT(client_.asked, ElementsAre("HEAD http://localhost:9000/bucket/some/prefix/a/data"));
}

TEST_F(S3StoreTest, StatTellsAbsentFromUnknown) {
  const auto store = opened();
  client_.answers = {Scripted{404, {}, {}, {}}};
  EXPECT_EQ(stat(*store).value(), std::nullopt);
  client_.answers = {Scripted{403, {}, {}, {}}};
  EXPECT_EQ(stat(*store).error().code, ErrorCode::storage_denied);
  client_.answers = {Scripted{503, {}, {}, {}}};
  EXPECT_EQ(stat(*store).error().code, ErrorCode::storage_failed);
  client_.answers = {Scripted{200, {}, {}, {}}};
  EXPECT_EQ(stat(*store).error().code, ErrorCode::storage_failed);
}

TEST_F(S3StoreTest, ReadsThePartThatItAskedForAndNothingElse) {
  const auto store = opened();
  client_.answers = {Scripted{206, "01234", {{"Content-Range", "bytes 10-14/100"}}, {}}};
  EXPECT_EQ(as_text(read(*store).value()), "01234");
  const std::pair<std::string, std::string> range{"Range", "bytes=10-14"};
  EXPECT_THAT(client_.requests.front().headers, ::testing::Contains(range));

  client_.answers = {Scripted{416, error_body("InvalidRange"), {}, {}}};
  EXPECT_THAT(read(*store).value(), IsEmpty());
  client_.answers = {Scripted{404, error_body("NoSuchKey"), {}, {}}};
  EXPECT_EQ(read(*store).error().code, ErrorCode::not_found);
  client_.answers = {Scripted{404, error_body("NoSuchBucket"), {}, {}}};
  EXPECT_EQ(read(*store).error().code, ErrorCode::storage_failed);
  for (const auto& other : {Scripted{200, "the whole of it", {}, {}},
                            Scripted{206, "01234", {{"Content-Range", "bytes 0-4/100"}}, {}}}) {
    client_.answers = {other};
    EXPECT_EQ(read(*store).error().code, ErrorCode::storage_failed);
  }
}

TEST_F(S3StoreTest, ASpoolThatCannotBeMadeFailsBeforeTheDownload) {
  settings_.spool_folder = "/nonexistent/spool";
  const auto store = opened();
  const auto result = put(*store, "text");
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().message, HasSubstr("/nonexistent/spool"));
  EXPECT_THAT(client_.asked, IsEmpty());
}

struct UrlCase {
  std::string name, url, bucket, prefix;
};
class S3Url : public ::testing::TestWithParam<UrlCase> {};
TEST_P(S3Url, NamesABucketAndPerhapsAPrefix) {
  const auto location = parse_s3_url(GetParam().url);
  if (GetParam().bucket.empty()) {
    ASSERT_FALSE(location);
    EXPECT_EQ(location.error().code, ErrorCode::invalid_request);
    EXPECT_THAT(location.error().message, EndsWith("write s3://bucket or s3://bucket/prefix"));
    EXPECT_THAT(location.error().message, Not(HasSubstr("secret")));
    return;
  }
  ASSERT_TRUE(location) << location.error().message;
  EXPECT_EQ(location->bucket, GetParam().bucket);
  EXPECT_EQ(location->prefix, GetParam().prefix);
}
INSTANTIATE_TEST_SUITE_P(
    Forms, S3Url,
    ::testing::Values(UrlCase{"bucket", "s3://betedge-data", "betedge-data", ""},
                      UrlCase{"slash", "s3://betedge-data/", "betedge-data", ""},
                      UrlCase{"prefix", "s3://b.c_D/a/b", "b.c_D", "a/b"},
                      UrlCase{"prefix_slash", "s3://bucket/a/b//", "bucket", "a/b"},
                      UrlCase{"other_scheme", "http://bucket", "", ""},
                      UrlCase{"short_name", "s3://ab", "", ""},
                      UrlCase{"no_name", "s3:///prefix", "", ""},
                      UrlCase{"user_and_host", "s3://key:secret@bucket", "", ""},
                      UrlCase{"climbing", "s3://bucket/../other", "", ""},
                      UrlCase{"empty_part", "s3://bucket//a", "", ""}),
    [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace betedge::sinks
