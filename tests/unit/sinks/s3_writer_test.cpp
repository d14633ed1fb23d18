#include "betedge/sinks/s3_writer.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <deque>
#include <ranges>

#include "s3_store_fixture.hpp"

// How an object gets there, and what is made of answers from which that is not clear.
namespace betedge::sinks {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

const std::string kText = "0123456789abcdefghij";
const std::string kObject = "http://localhost:9000/bucket/some/prefix/a/%5ESPX/data";
const Expected kAnything{};
const Expected kNothing{Expected::What::nothing, {}};
const Expected kThisOne{Expected::What::this_one, "old"};

const Scripted kDone{};
const Scripted kAbsent{404, {}, {}, {}};
const Scripted kCut{0, {}, {}, Error{ErrorCode::upstream_failed, "the connection broke", {}}};
const Scripted kBroken{500, {}, {}, {}};
Scripted found(std::string_view sha256, std::string_view etag = "some") {
  return {200,
          {},
          {{"Content-Length", std::to_string(kText.size())},
           {"ETag", fmt::format("\"{}\"", etag)},
           {"x-amz-meta-betedge-sha256", std::string(sha256)}},
          {}};
}
Scripted ours() {
  return found(sha256_hex(as_bytes(kText)));
}
const Scripted kOther = found("another's", "other");
const Scripted kOld = found("of the old one", "old");
Scripted part_done(std::string_view etag) {
  return {200, {}, {{"ETag", fmt::format("\"{}\"", etag)}}, {}};
}
const Scripted kCompleted{200, " \n<CompleteMultipartUploadResult/>", {}, {}};
const Scripted kEnded{204, {}, {}, {}};

// One letter a request: P for a put, H for a look, B for the begin of an upload, 1 to 9 for its
// parts, C for its completion, E for its end, L for a list of unfinished ones.
std::string letters(const std::vector<net::HttpRequest>& requests) {
  std::string text;
  for (const auto& [method, url] :
       requests | std::views::transform([](const auto& r) { return std::pair(r.method, r.url); })) {
    const auto part = url.find("partNumber=");
    if (method == "HEAD")
      text += 'H';
    else if (method == "DELETE")
      text += 'E';
    else if (method == "GET")
      text += 'L';
    else if (part != std::string::npos)
      text += url[part + 11];
    else if (method == "PUT")
      text += 'P';
    else
      text += url.contains("?uploads=") ? 'B' : 'C';
  }
  return text;
}

struct Publish {
  std::string name;
  Expected expected;
  std::deque<Scripted> answers;
  std::optional<ErrorCode> code;  // nullopt: stored
  std::string asked;
  std::string says{};
};
void PrintTo(const Publish& publish, std::ostream* out) {
  *out << publish.name;
}
const auto name_of = [](const auto& tested) { return tested.param.name; };

class S3Publish : public S3StoreTest, public ::testing::WithParamInterface<Publish> {
 protected:
  void publish() {
    const auto store = opened();
    client_.answers = GetParam().answers;
    const auto result = put(*store, kText, GetParam().expected);
    EXPECT_EQ(result.has_value(), !GetParam().code) << (result ? "" : result.error().message);
    if (!result && GetParam().code) {
      EXPECT_EQ(result.error().code, *GetParam().code) << result.error().message;
      EXPECT_THAT(result.error().message, HasSubstr(GetParam().says));
    }
    EXPECT_EQ(letters(client_.requests), GetParam().asked);
  }
};

class S3PublishWhole : public S3Publish {};
TEST_P(S3PublishWhole, EndsAsItsAnswersSay) {
  publish();
}
INSTANTIATE_TEST_SUITE_P(
    Answers, S3PublishWhole,
    ::testing::Values(
        Publish{"done", kNothing, {kDone}, {}, "P"},
        Publish{"cut_and_there", kAnything, {kCut, ours()}, {}, "PH"},
        Publish{"cut_and_not_there", kNothing, {kCut, kAbsent, kDone}, {}, "PHP"},
        Publish{"broken_and_there", kAnything, {kBroken, ours()}, {}, "PH"},
        Publish{"cut_and_the_old_one_there", kThisOne, {kCut, kOld, kDone}, {}, "PHP"},
        Publish{"cut_and_the_look_too", kNothing, {kCut, kCut, kDone}, {}, "PHP"},
        Publish{"cut_and_another_one_there",
                kNothing,
                {kCut, kOther},
                ErrorCode::fenced,
                "PH",
                "written by somebody else"},
        Publish{"cut_and_anything_there", kAnything, {kCut, kOther, kDone}, {}, "PHP"},
        // The first try was done after all, later than the look.
        Publish{"done_behind_our_back",
                kNothing,
                {kCut, kAbsent, error_answer(412, "PreconditionFailed"), ours()},
                {},
                "PHPH"},
        Publish{"contradicted",
                kNothing,
                {error_answer(412, "PreconditionFailed"), kOther},
                ErrorCode::fenced,
                "PH"},
        Publish{"contradicted_by_the_same",
                kNothing,
                {error_answer(412, "PreconditionFailed"), ours()},
                {},
                "PH"},
        Publish{"the_old_one_is_gone",
                kThisOne,
                {error_answer(404, "NoSuchKey"), kAbsent},
                ErrorCode::fenced,
                "PH"},
        Publish{"contradicted_and_no_look",
                kNothing,
                {error_answer(412, "PreconditionFailed"), kBroken},
                ErrorCode::storage_failed,
                "PHHHH"},
        Publish{"conflict_passes",
                kThisOne,
                {error_answer(409, "ConditionalRequestConflict"), kOld, kDone},
                {},
                "PHP"},
        Publish{"conflict_lost",
                kThisOne,
                {error_answer(409, "ConditionalRequestConflict"), kOther},
                ErrorCode::fenced,
                "PH"},
        Publish{"never",
                kNothing,
                {kCut, kAbsent, kCut, kAbsent, kCut, kAbsent, kCut, kAbsent},
                ErrorCode::storage_failed,
                "PHPHPHPH",
                "it may have been stored all the same"},
        Publish{"denied_at_last",
                kNothing,
                {kCut, kAbsent, error_answer(403, "AccessDenied")},
                ErrorCode::storage_denied,
                "PHP"}),
    name_of);

// Parts of 8 bytes for what is above 10.
class S3PublishInParts : public S3Publish {
 protected:
  S3PublishInParts() {
    settings_.multipart_above = 10;
    settings_.part_size = 8;
  }
};
TEST_P(S3PublishInParts, EndsAsItsAnswersSay) {
  publish();
}
const std::deque<Scripted> kParts = {upload_begun("u"), part_done("1"), part_done("2"),
                                     part_done("3")};
std::deque<Scripted> after_parts(std::deque<Scripted> more) {
  auto all = kParts;
  all.insert(all.end(), more.begin(), more.end());
  return all;
}
const Scripted kInnerError{200, error_body("InternalError"), {}, {}};
const Scripted kNoUpload = error_answer(404, "NoSuchUpload");

INSTANTIATE_TEST_SUITE_P(
    Answers, S3PublishInParts,
    ::testing::Values(
        Publish{"done", kNothing, after_parts({kCompleted, kNoUploads}), {}, "B123CL"},
        Publish{"a_part_again",
                kNothing,
                {upload_begun("u"), part_done("1"), kCut, part_done("2"), kBroken, part_done("3"),
                 kCompleted, kNoUploads},
                {},
                "B12233CL"},
        Publish{"a_part_never",
                kNothing,
                {upload_begun("u"), part_done("1"), kCut, kCut, kCut, kCut, kEnded},
                ErrorCode::storage_failed,
                "B12222E",
                "part 2"},
        Publish{"a_part_without_a_tag",
                kNothing,
                {upload_begun("u"), Scripted{}, kEnded},
                ErrorCode::storage_failed,
                "B1E"},
        Publish{"no_begin",
                kNothing,
                {error_answer(403, "AccessDenied")},
                ErrorCode::storage_denied,
                "B"},
        Publish{"no_name",
                kNothing,
                {Scripted{200, "<html/>", {}, {}}},
                ErrorCode::storage_failed,
                "B"},
        Publish{"error_in_a_good_answer",
                kNothing,
                after_parts({kInnerError, kAbsent, kCompleted, kNoUploads}),
                {},
                "B123CHCL"},
        Publish{"empty_good_answer_and_there",
                kNothing,
                after_parts({Scripted{}, ours(), kEnded, kNoUploads}),
                {},
                "B123CHEL"},
        Publish{"error_in_every_good_answer", kNothing,
                after_parts({kInnerError, kAbsent, kInnerError, kAbsent, kInnerError, kAbsent,
                             kInnerError, kAbsent, kEnded}),
                ErrorCode::storage_failed, "B123CHCHCHCHE", "InternalError"},
        Publish{"cut_and_there",
                kNothing,
                after_parts({kCut, ours(), kEnded, kNoUploads}),
                {},
                "B123CHEL"},
        Publish{"cut_then_ended_and_there",
                kNothing,
                after_parts({kCut, kAbsent, kNoUpload, ours(), kNoUploads}),
                {},
                "B123CHCHL"},
        Publish{"somebody_ended_it",
                kNothing,
                after_parts({kNoUpload, kAbsent, upload_begun("v"), part_done("1"), part_done("2"),
                             part_done("3"), kCompleted, kNoUploads}),
                {},
                "B123CHB123CL"},
        Publish{"contradicted", kNothing,
                after_parts({error_answer(412, "PreconditionFailed"), kOther, kEnded}),
                ErrorCode::fenced, "B123CHE"},
        Publish{"denied", kNothing, after_parts({error_answer(403, "AccessDenied"), kEnded}),
                ErrorCode::storage_denied, "B123CE"},
        Publish{"no_list",
                kNothing,
                after_parts({kCompleted, error_answer(403, "AccessDenied")}),
                {},
                "B123CL"}),
    name_of);

TEST_F(S3PublishInParts, SendsEachPartAndNamesThemAll) {
  const auto store = opened();
  client_.answers = after_parts({kCompleted, kNoUploads});
  ASSERT_TRUE(put(*store, kText, kThisOne));
  EXPECT_THAT(client_.asked, ElementsAre("POST " + kObject + "?uploads=",
                                         "PUT " + kObject + "?partNumber=1&uploadId=u",
                                         "PUT " + kObject + "?partNumber=2&uploadId=u",
                                         "PUT " + kObject + "?partNumber=3&uploadId=u",
                                         "POST " + kObject + "?uploadId=u", StartsWith("GET ")));
  EXPECT_EQ(client_.bodies[1] + "|" + client_.bodies[2] + "|" + client_.bodies[3],
            "01234567|89abcdef|ghij");
  EXPECT_THAT(client_.bodies[4],
              AllOf(HasSubstr("<PartNumber>3</PartNumber><ETag>&quot;3&quot;</ETag>"),
                    Not(HasSubstr("<PartNumber>4"))));
  const std::pair<std::string, std::string> digest{"x-amz-meta-betedge-sha256",
                                                   sha256_hex(as_bytes(kText))};
  EXPECT_THAT(client_.requests[0].headers, Contains(digest));
  const std::pair<std::string, std::string> condition{"If-Match", "\"old\""};
  EXPECT_THAT(client_.requests[4].headers, Contains(condition));
}

TEST_F(S3PublishInParts, GrowsItsPartsWhereTheyWouldBeTooMany) {
  settings_.part_size = 1;
  settings_.multipart_above = 10'000;
  const auto store = opened();
  client_.answer_first = [](const net::HttpRequest& request) -> std::optional<Scripted> {
    if (request.method == "PUT") return part_done("x");
    if (request.method == "GET") return kNoUploads;
    return request.url.contains("?uploads=") ? upload_begun("u") : kCompleted;
  };
  ASSERT_TRUE(put(*store, std::string(20'001, 'x')));
  EXPECT_EQ(client_.requests[1].upload_bytes, 3);
  EXPECT_EQ(client_.requests.size(), 1 + 6'667 + 2);
}

TEST_F(S3PublishInParts, EndsWhatTriesForItsKeyLeftBehindWhenItWasBegun) {
  const auto store = opened();
  const auto upload = [](std::string_view key, std::string_view id) {
    return fmt::format(
        "<Upload><Key>{}</Key><UploadId>{}</UploadId>"
        // As a server tells it whose clock is ahead of ours.
        "<Initiated>2099-01-01T00:00:00.000Z</Initiated></Upload>",
        key, id);
  };
  client_.answers = after_parts(
      {kCompleted,
       Scripted{200,
                "<ListMultipartUploadsResult>" + upload("some/prefix/a/^SPX/data", "lost") +
                    upload("some/prefix/a/^SPX/data.more", "not-ours") +
                    "</ListMultipartUploadsResult>",
                {},
                {}},
       kEnded});
  ASSERT_TRUE(put(*store, kText));
  EXPECT_EQ(letters(client_.requests), "B123CLE");
  EXPECT_EQ(client_.asked.back(), "DELETE " + kObject + "?uploadId=lost");
}

TEST_F(S3PublishInParts, RemembersAnUploadThatItCannotEndAndEndsItLater) {
  const auto store = opened();
  client_.answers = {upload_begun("u"), error_answer(403, "AccessDenied"), kCut};
  EXPECT_FALSE(put(*store, kText));
  EXPECT_EQ(letters(client_.requests), "B1E");
  client_.requests.clear();
  client_.answers = {kDone, kEnded};
  EXPECT_TRUE(put(*store, "small"));
  EXPECT_EQ(letters(client_.requests), "PE");
  client_.requests.clear();
  client_.answers = {kDone};
  EXPECT_TRUE(put(*store, "small"));
  EXPECT_EQ(letters(client_.requests), "P");
}

TEST_F(S3PublishInParts, AStopEndsTheUploadAllTheSameAndSoon) {
  const auto store = opened();
  client_.answers = {upload_begun("u"), kBroken, kEnded};
  client_.on_ask = [this](std::size_t number) {
    if (number == 2) stop_.request_stop();
  };
  const auto before = runtime_.steady_now();
  EXPECT_EQ(put(*store, kText).error().code, ErrorCode::cancelled);
  EXPECT_LT(runtime_.steady_now() - before, std::chrono::seconds{1});
  EXPECT_EQ(letters(client_.requests), "B1E");
  EXPECT_LE(client_.requests.back().idle_timeout, std::chrono::seconds{1});
  EXPECT_LE(client_.requests.back().connect_timeout, std::chrono::seconds{1});
}

TEST_F(S3StoreTest, AsksForWhatItExpectsWhereTheServerCanLook) {
  const auto store = opened();
  ASSERT_TRUE(put(*store, kText, kNothing));
  ASSERT_TRUE(put(*store, kText, kThisOne));
  ASSERT_TRUE(put(*store, kText, kAnything));
  EXPECT_EQ(letters(client_.requests), "PPP");
  const std::pair<std::string, std::string> nothing{"If-None-Match", "*"},
      old{"If-Match", "\"old\""};
  EXPECT_THAT(client_.requests[0].headers, Contains(nothing));
  EXPECT_THAT(client_.requests[1].headers, Contains(old));
  for (const auto& [name, value] : client_.requests[2].headers)
    EXPECT_THAT(name, Not(StartsWith("If-")));
}

class S3PublishAfterALook : public S3Publish {
 protected:
  S3PublishAfterALook() { client_.answer_first = plain_server; }
};
TEST_P(S3PublishAfterALook, EndsAsItsAnswersSay) {
  publish();
  for (const auto& request : client_.requests) {
    for (const auto& [name, value] : request.headers) EXPECT_THAT(name, Not(StartsWith("If-")));
  }
}
INSTANTIATE_TEST_SUITE_P(
    Answers, S3PublishAfterALook,
    ::testing::Values(
        Publish{"anything", kAnything, {kDone}, {}, "P"},
        Publish{"nothing_there", kNothing, {kAbsent, kDone}, {}, "HP"},
        Publish{"something_there", kNothing, {kOther}, ErrorCode::fenced, "H"},
        Publish{"the_old_one_there", kThisOne, {kOld, kDone}, {}, "HP"},
        Publish{"another_one_there", kThisOne, {kOther}, ErrorCode::fenced, "H"},
        Publish{"the_old_one_gone", kThisOne, {kAbsent}, ErrorCode::fenced, "H"},
        Publish{"no_look",
                kNothing,
                {error_answer(403, "AccessDenied")},
                ErrorCode::storage_denied,
                "H"},
        Publish{"cut_and_done_later", kNothing, {kAbsent, kCut, kAbsent, ours()}, {}, "HPHH"},
        Publish{
            "cut_and_lost", kNothing, {kAbsent, kCut, kAbsent, kOther}, ErrorCode::fenced, "HPHH"}),
    name_of);

TEST_F(S3StoreTest, WaitsAsLongAsTheServerAsks) {
  const auto store = opened();
  const auto slow = [](std::string_view after) {
    return Scripted{503, error_body("SlowDown"), {{"Retry-After", std::string(after)}}, {}};
  };
  client_.answers = {slow("7"), kAbsent, kDone};
  auto before = runtime_.steady_now();
  ASSERT_TRUE(put(*store, kText));
  EXPECT_GE(runtime_.steady_now() - before, std::chrono::seconds{7});
  EXPECT_LT(runtime_.steady_now() - before, std::chrono::seconds{9});

  // More than half a minute is for whoever asked us to wait.
  client_.requests.clear();
  client_.answers = {slow("3600"), kAbsent, kDone};
  before = runtime_.steady_now();
  const auto result = put(*store, kText);
  EXPECT_EQ(result.error().code, ErrorCode::storage_failed);
  EXPECT_EQ(result.error().retry_after, std::chrono::hours{1});
  EXPECT_LT(runtime_.steady_now() - before, std::chrono::seconds{1});
  EXPECT_EQ(letters(client_.requests), "PH");

  client_.answers = {slow("Wed, 21 Oct 1998 07:28:00 GMT"), kAbsent, slow("soon"), kAbsent, kDone};
  before = runtime_.steady_now();
  ASSERT_TRUE(put(*store, kText));
  EXPECT_LT(runtime_.steady_now() - before, std::chrono::seconds{2});
}

}  // namespace
}  // namespace betedge::sinks
