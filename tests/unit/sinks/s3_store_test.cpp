#include "betedge/sinks/s3_store.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <vector>

#include "s3_store_fixture.hpp"

// What the store makes of every kind of answer. That its requests are right is verified against a
// server in tests/contract.
namespace betedge::sinks {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

Task<void> stat_into(ObjectStore& store, Result<std::optional<ObjectInfo>>& result) {
  result = co_await store.stat(ObjectKey::parse("a/data").value());
}
Task<void> read_into(ObjectStore& store, Result<Bytes>& result) {
  result = co_await store.read(ObjectKey::parse("a/data").value(), 10, 5);
}
Task<void> list_into(ObjectStore& store, std::string prefix, std::string after,
                     Result<ObjectPage>& result) {
  result = co_await store.list(std::move(prefix), std::move(after), 100);
}

Task<void> use_own(ObjectStore& store, ObjectKey key, Result<std::optional<ObjectInfo>>& found,
                   Result<Bytes>& bytes) {
  found = co_await store.stat(key);
  bytes = co_await store.read(key, 0, 1);
  EXPECT_EQ((co_await store.create(key)).error().code, ErrorCode::invalid_request);
}

class S3StoreAnswers : public S3StoreTest {
 protected:
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
  Result<ObjectPage> list(S3Store& store, std::string prefix, std::string after) {
    Result<ObjectPage> result;
    runtime_.run(list_into(store, std::move(prefix), std::move(after), result));
    return result;
  }
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
  EXPECT_EQ(client_.asked.front(), "HEAD http://localhost:9000/bucket");
  EXPECT_THAT(client_.asked, Not(Contains("PUT http://localhost:9000/bucket")));
  client_.asked.clear();
  client_.bodies.clear();
  client_.answers = {Scripted{404, {}, {}, {}}, Scripted{}};
  ASSERT_TRUE(open());
  ASSERT_GT(client_.asked.size(), 2);
  EXPECT_EQ(client_.asked[0], "HEAD http://localhost:9000/bucket");
  EXPECT_EQ(client_.asked[1], "PUT http://localhost:9000/bucket");
  EXPECT_EQ(client_.bodies[1], "");
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
  EXPECT_THAT(client_.requests.front().headers, Contains(host));
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
  int puts = 0;
  for (std::size_t i = 0; i < client_.requests.size(); ++i) {
    if (client_.requests[i].method != "PUT") continue;  // a look at what lies there
    EXPECT_EQ(client_.bodies[i], "text");
    ++puts;
  }
  EXPECT_EQ(puts, GetParam().times_asked);
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
        Refusal{"unknown_key_of_versitygw",
                {404, error_body("XAdminUserNotFound"), {}, {}},
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
                "the server asks for fewer requests",
                4},
        Refusal{
            "region_in_words",
            {400,
             "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-3</Region></Error>",
             {},
             {}},
            ErrorCode::storage_denied,
            "the bucket's region is eu-west-3",
            1},
        Refusal{"cannot",
                {501, error_body("NotImplemented"), {}, {}},
                ErrorCode::storage_failed,
                "HTTP 501 NotImplemented",
                1},
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
                4},
        Refusal{"unreachable",
                {0, {}, {}, Error{ErrorCode::upstream_unavailable, "connection refused", {}}},
                ErrorCode::storage_failed,
                "the S3 server http://localhost:9000 cannot be reached: connection refused",
                4},
        Refusal{"reset",
                {0, {}, {}, Error{ErrorCode::upstream_failed, "connection reset", {}}},
                ErrorCode::storage_failed,
                "may have been stored all the same",
                4}),
    [](const auto& tested) { return tested.param.name; });

TEST_F(S3StoreTest, APassingFaultPasses) {
  const auto store = opened();
  const Scripted absent{404, {}, {}, {}};
  client_.answers = {Scripted{503, {}, {}, {}}, absent,
                     Scripted{0, {}, {}, Error{ErrorCode::upstream_failed, "reset", {}}}, absent,
                     Scripted{}};
  EXPECT_TRUE(put(*store, "text"));
  EXPECT_THAT(client_.bodies, ElementsAre("text", "", "text", "", "text"));
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

TEST_F(S3StoreAnswers, ReadersAreStoppedBeforeThosePublishing) {
  const auto store = opened();
  stop_reading_.request_stop();
  EXPECT_EQ(stat(*store).error().code, ErrorCode::cancelled);
  EXPECT_EQ(read(*store).error().code, ErrorCode::cancelled);
  EXPECT_EQ(list(*store, "", "").error().code, ErrorCode::cancelled);
  client_.answers = {Scripted{503, {}, {}, {}}, Scripted{404, {}, {}, {}}, Scripted{}};
  EXPECT_TRUE(put(*store, "text"));
  stop_.request_stop();
  EXPECT_EQ(put(*store, "text").error().code, ErrorCode::cancelled);
}

TEST_F(S3StoreAnswers, StatReadsSizeAndTime) {
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

TEST_F(S3StoreAnswers, StatTellsAbsentFromUnknown) {
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

TEST_F(S3StoreAnswers, ReadsThePartThatItAskedForAndNothingElse) {
  const auto store = opened();
  client_.answers = {Scripted{206, "01234", {{"Content-Range", "bytes 10-14/100"}}, {}}};
  EXPECT_EQ(as_text(read(*store).value()), "01234");
  const std::pair<std::string, std::string> range{"Range", "bytes=10-14"};
  EXPECT_THAT(client_.requests.front().headers, Contains(range));

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

TEST_F(S3StoreAnswers, ListsWhatLiesBelowItsPrefixAndIsAKey) {
  const auto store = opened();
  const auto entry = [](std::string_view key) {
    return fmt::format(
        "<Contents><Key>{}</Key><LastModified>2024-01-02T03:04:05.678Z</LastModified>"
        "<ETag>&quot;e&quot;</ETag><Size>7</Size></Contents>",
        key);
  };
  const auto page = [&](std::string_view truncated, std::string_view entries) {
    return Scripted{200,
                    fmt::format("<ListBucketResult><IsTruncated>{}</IsTruncated>"
                                "<EncodingType>url</EncodingType>{}</ListBucketResult>",
                                truncated, entries),
                    {},
                    {}};
  };
  client_.answers = {page("true", entry("some/prefix/.betedge-tmp/probe") +
                                      entry("some/prefix/a/b+c%2Bd") +
                                      entry("some/prefix/a/dir/"))};
  const auto first = list(*store, "", "");
  ASSERT_TRUE(first) << first.error().message;
  ASSERT_EQ(first->objects.size(), 1);
  EXPECT_EQ(first->objects[0].key.text(), "a/b c+d");
  EXPECT_EQ(first->objects[0].info.etag, "e");
  EXPECT_EQ(first->objects[0].info.size_bytes, 7);
  EXPECT_EQ(to_iso_text(first->objects[0].info.modified_at), "2024-01-02T03:04:05+00:00");
  EXPECT_EQ(first->next_after, "a/dir/");
  EXPECT_THAT(client_.asked,
              ElementsAre("GET http://localhost:9000/bucket?encoding-type=url&list-type=2&"
                          "max-keys=100&prefix=some%2Fprefix%2F"));
  client_.answers = {page("false", "")};
  EXPECT_EQ(list(*store, "a/", "a/dir/")->next_after, std::nullopt);
  EXPECT_THAT(client_.asked.back(),
              EndsWith("prefix=some%2Fprefix%2Fa%2F&start-after=some%2Fprefix%2Fa%2Fdir%2F"));

  // What would lose objects, or never end, is no answer.
  for (const auto& wrong :
       {page("true", ""), page("false", entry("some/prefix/b") + entry("some/prefix/a")),
        page("false", entry("another/prefix/a")), page("false", entry("a")),
        page("", entry("some/prefix/a")), Scripted{200, "<html></html>", {}, {}},
        Scripted{200, "<ListBucketResult><IsTruncated>false", {}, {}},
        Scripted{404, error_body("NoSuchBucket"), {}, {}}}) {
    client_.answers = {wrong};
    EXPECT_EQ(list(*store, "", "").error().code, ErrorCode::storage_failed) << wrong.body;
  }
  client_.answers = {page("false", entry("some/prefix/a"))};
  EXPECT_FALSE(list(*store, "", "b"));
  client_.answers = {Scripted{403, {}, {}, {}}};
  EXPECT_EQ(list(*store, "", "").error().code, ErrorCode::storage_denied);
}

TEST_F(S3StoreTest, ItsOwnFolderHoldsNoObjects) {
  const auto store = opened();
  for (const auto* text : {".betedge-tmp", ".betedge-tmp/probe"}) {
    Result<std::optional<ObjectInfo>> found;
    Result<Bytes> bytes;
    const auto key = ObjectKey::parse(text).value();
    runtime_.run(use_own(*store, key, found, bytes));
    EXPECT_EQ(found.error().code, ErrorCode::invalid_request);
    EXPECT_EQ(bytes.error().code, ErrorCode::invalid_request);
  }
  EXPECT_THAT(client_.asked, IsEmpty());
}

TEST_F(S3StoreTest, TellsAtItsStartWhatTheServerCan) {
  auto store = open();
  ASSERT_TRUE(store) << store.error().message;
  EXPECT_TRUE((*store)->publishes_conditionally());
  EXPECT_TRUE((*store)->opening().publishes_conditionally);
  EXPECT_EQ((*store)->opening().trouble, "");
  // Both uploads that were tried have ended.
  EXPECT_EQ(std::ranges::count_if(client_.asked,
                                  [](const auto& asked) { return asked.starts_with("DELETE "); }),
            2);
  const auto without_conditions = [](const net::HttpRequest& request) {
    auto answer = able_server(request);
    if (answer && answer->status == 412) answer->status = 501;
    return answer;
  };
  for (const auto& server : {std::function(plain_server), std::function(without_conditions)}) {
    client_.answer_first = server;
    client_.asked.clear();
    store = open();
    ASSERT_TRUE(store) << store.error().message;
    EXPECT_FALSE((*store)->publishes_conditionally());
    EXPECT_EQ(std::ranges::count_if(client_.asked,
                                    [](const auto& asked) { return asked.starts_with("DELETE "); }),
              2);
  }
}

TEST_F(S3StoreTest, ALakeThatMayNotBeWrittenDoesNotOpen) {
  client_.answer_first = nullptr;
  client_.answers = {Scripted{}, error_answer(403, "AccessDenied")};
  const auto store = open();
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, ErrorCode::storage_denied);
  EXPECT_THAT(store.error().message, HasSubstr("the rights"));
}

TEST_F(S3StoreTest, ABucketInAnotherRegionSaysWhichAlsoWithoutABody) {
  settings_.region = "us-east-1";
  client_.answers = {Scripted{400, {}, {{"x-amz-bucket-region", "eu-west-3"}}, {}}};
  const auto store = open();
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, ErrorCode::storage_denied);
  EXPECT_THAT(store.error().message, HasSubstr("the bucket's region is eu-west-3"));
}

TEST_F(S3StoreTest, EndsAtItsStartTheUploadsOfItsOwnThatAreADayOld) {
  const auto upload = [this](std::string_view key, std::string_view id, std::chrono::hours age) {
    return fmt::format(
        "<Upload><Key>{}</Key><UploadId>{}</UploadId><Initiated>{}.000Z</Initiated></Upload>", key,
        id, to_iso_text(runtime_.wall_now() - age).substr(0, 19));
  };
  const std::chrono::hours young{23}, old{25};
  client_.answer_first = [&](const net::HttpRequest& request) -> std::optional<Scripted> {
    if (request.method == "GET" && request.url.contains("uploads=")) return std::nullopt;
    return able_server(request);
  };
  const auto page = [](std::string_view more, const std::string& uploads) {
    return Scripted{
        200,
        fmt::format("<ListMultipartUploadsResult>{}{}</ListMultipartUploadsResult>", more, uploads),
        {},
        {}};
  };
  client_.answers = {Scripted{},
                     page("<IsTruncated>true</IsTruncated><NextKeyMarker>k</NextKeyMarker>"
                          "<NextUploadIdMarker>u</NextUploadIdMarker>",
                          upload("some/prefix/a", "1", old) + upload("some/prefix/b", "2", young) +
                              upload("some/prefix-of-another/a", "3", old)),
                     Scripted{204, {}, {}, {}}, page("", upload("some/prefix/c d", "4", old)),
                     Scripted{204, {}, {}, {}}};
  const auto store = open();
  ASSERT_TRUE(store) << store.error().message;
  EXPECT_EQ((*store)->opening().ended_uploads, 2);
  const std::vector<std::string> last(client_.asked.end() - 4, client_.asked.end());
  EXPECT_THAT(
      last,
      ElementsAre(
          "GET http://localhost:9000/bucket?encoding-type=url&prefix=some%2Fprefix%2F&uploads=",
          "DELETE http://localhost:9000/bucket/some/prefix/a?uploadId=1",
          "GET http://localhost:9000/bucket?encoding-type=url&key-marker=k&"
          "prefix=some%2Fprefix%2F&upload-id-marker=u&uploads=",
          "DELETE http://localhost:9000/bucket/some/prefix/c%20d?uploadId=4"));
}

TEST_F(S3StoreTest, KeysThatMayNotListUnfinishedUploadsOpenTheLakeAllTheSame) {
  client_.answer_first = [](const net::HttpRequest& request) -> std::optional<Scripted> {
    if (request.method == "GET" && request.url.contains("uploads=")) {
      return error_answer(403, "AccessDenied");
    }
    return able_server(request);
  };
  const auto store = open();
  ASSERT_TRUE(store) << store.error().message;
  EXPECT_THAT((*store)->opening().trouble, HasSubstr("cannot look for unfinished uploads"));
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
