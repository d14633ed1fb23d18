#include "betedge/sinks/sigv4.hpp"

#include <gmock/gmock.h>

#include <algorithm>

namespace betedge::sinks {
namespace {

// The keys, requests and signatures of AWS's documentation, "Authenticating Requests: Using the
// Authorization Header", examples GET Object and PUT Object.
const SigningKey kDocumented{"us-east-1", "AKIAIOSFODNN7EXAMPLE",
                             "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"};
const Timestamp kDocumentedTime =
    Timestamp{std::chrono::sys_days{std::chrono::year{2013} / 5 / 24}};

std::string authorization(const HeaderList& headers) {
  EXPECT_EQ(headers.back().first, "Authorization");
  return headers.back().second;
}

TEST(SigV4Test, SignsAGetAsDocumented) {
  const auto headers = signed_headers(
      "GET", "/test.txt", "", {{"Host", "examplebucket.s3.amazonaws.com"}, {"Range", "bytes=0-9"}},
      sha256_hex({}), kDocumentedTime, kDocumented);
  EXPECT_EQ(authorization(headers),
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
            "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
            "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

TEST(SigV4Test, SignsAPutAsDocumented) {
  const auto headers =
      signed_headers("PUT", s3_path("/test$file.text"), "",
                     {{"Host", "examplebucket.s3.amazonaws.com"},
                      {"Date", "Fri, 24 May 2013 00:00:00 GMT"},
                      {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
                     sha256_hex(as_bytes("Welcome to Amazon S3.")), kDocumentedTime, kDocumented);
  EXPECT_EQ(authorization(headers),
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
            "SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,"
            "Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

TEST(SigV4Test, SignsAQueryAsDocumented) {
  const auto list = signed_headers("GET", "/", s3_query({{"prefix", "J"}, {"max-keys", "2"}}),
                                   {{"Host", "examplebucket.s3.amazonaws.com"}}, sha256_hex({}),
                                   kDocumentedTime, kDocumented);
  EXPECT_THAT(authorization(list),
              ::testing::EndsWith(
                  "Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"));
  const auto lifecycle = signed_headers("GET", "/", s3_query({{"lifecycle", ""}}),
                                        {{"Host", "examplebucket.s3.amazonaws.com"}},
                                        sha256_hex({}), kDocumentedTime, kDocumented);
  EXPECT_THAT(authorization(lifecycle),
              ::testing::EndsWith(
                  "Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"));
}

TEST(SigV4Test, AQueryIsEncodedAndInTheOrderOfItsNames) {
  EXPECT_EQ(s3_query({}), "");
  EXPECT_EQ(s3_query({{"prefix", "a/b c+d"}, {"list-type", "2"}, {"uploads", ""}}),
            "list-type=2&prefix=a%2Fb%20c%2Bd&uploads=");
}

TEST(SigV4Test, WritesTheTimeInUtcWithoutItsFraction) {
  const auto time = Timestamp{std::chrono::sys_days{std::chrono::year{2026} / 1 / 2}} +
                    std::chrono::hours{3} + std::chrono::minutes{4} + std::chrono::seconds{5} +
                    std::chrono::microseconds{999'999};
  const auto headers =
      signed_headers("GET", "/", "", {{"Host", "h"}}, sha256_hex({}), time, kDocumented);
  EXPECT_NE(std::ranges::find(
                headers, std::pair<std::string, std::string>{"x-amz-date", "20260102T030405Z"}),
            headers.end());
}

TEST(SigV4Test, DigestsPiecesAsTheirWhole) {
  Sha256 digest;
  digest.update(as_bytes("Welcome "));
  digest.update({});
  digest.update(as_bytes("to Amazon S3."));
  EXPECT_EQ(digest.finish_hex(),
            "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072");
}

struct PathCase {
  std::string name, path, encoded;
};
class S3PathTest : public ::testing::TestWithParam<PathCase> {};
TEST_P(S3PathTest, IsEncodedAsS3Wants) {
  EXPECT_EQ(s3_path(GetParam().path), GetParam().encoded);
}
INSTANTIATE_TEST_SUITE_P(
    Keys, S3PathTest,
    ::testing::Values(PathCase{"plain_stays", "/a-b_c.d~e/F9", "/a-b_c.d~e/F9"},
                      PathCase{"index_symbol", "all/^SPX/2024", "all/%5ESPX/2024"},
                      PathCase{"window", "15m@100000-110000", "15m%40100000-110000"},
                      PathCase{"space_and_plus", "a b+c", "a%20b%2Bc"},
                      PathCase{"percent_is_no_escape", "a%41", "a%2541"},
                      PathCase{"sub_delimiters",
                               "!$&'()*,;=:", "%21%24%26%27%28%29%2A%2C%3B%3D%3A"},
                      PathCase{"utf8_bytes_upper_case", "\xc3\xa9", "%C3%A9"}),
    [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace betedge::sinks
