#include "betedge/sinks/s3_xml.hpp"

#include <gtest/gtest.h>

// The documents as servers write them. What they are made of is from AWS's API reference.
namespace betedge::sinks {
namespace {

TEST(S3XmlTest, AnErrorHasACodeAndPerhapsARegion) {
  const auto error = parse_s3_error(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>PermanentRedirect</Code>"
      "<Message>a &lt;b&gt;</Message><Region>eu-west-3</Region></Error>");
  EXPECT_EQ(error.code, "PermanentRedirect");
  EXPECT_EQ(error.region, "eu-west-3");
  for (const auto* other : {"", "busy", "<html><Code>x</Code></html>", "<Error><Code>x", "<Error/>",
                            "<Errors><Code>x</Code></Errors>"}) {
    EXPECT_EQ(parse_s3_error(other).code, "") << other;
  }
}

constexpr std::string_view kListing =
    "<?xml version=\"1.0\"?><ListBucketResult "
    "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name><IsTruncated>true</"
    "IsTruncated>"
    "<EncodingType>url</EncodingType><Contents><Key>a%2Fb+c%25%c3%a9</Key>"
    "<LastModified>2024-02-29T23:59:59.999Z</LastModified><ETag>&quot;abc-2&quot;</ETag>"
    "<Size>18446744073709551615</Size><StorageClass>STANDARD</StorageClass></Contents>"
    "</ListBucketResult>";

TEST(S3XmlTest, AListingHasKeysSizesTimesAndTags) {
  const auto listing = parse_s3_listing(kListing);
  ASSERT_TRUE(listing) << listing.error().message;
  EXPECT_TRUE(listing->is_truncated);
  ASSERT_EQ(listing->objects.size(), 1);
  const auto& object = listing->objects.front();
  EXPECT_EQ(object.key, "a/b c%\xc3\xa9");
  EXPECT_EQ(object.size_bytes, UINT64_MAX);
  EXPECT_EQ(to_iso_text(object.modified_at), "2024-02-29T23:59:59+00:00");
  EXPECT_EQ(object.etag, "abc-2");
}

TEST(S3XmlTest, AKeyIsEncodedOnlyWhereTheServerSaysSo) {
  std::string plain(kListing);
  plain.erase(plain.find("<EncodingType>"), std::string("<EncodingType>url</EncodingType>").size());
  EXPECT_EQ(parse_s3_listing(plain)->objects.front().key, "a%2Fb+c%25%c3%a9");
}

TEST(S3XmlTest, EveryPieceOfAListingIsNeeded) {
  for (const std::string_view piece :
       {"<IsTruncated>true</IsTruncated>", "<Key>a%2Fb+c%25%c3%a9</Key>",
        "<LastModified>2024-02-29T23:59:59.999Z</LastModified>",
        "<Size>18446744073709551615</Size>", "</ListBucketResult>"}) {
    std::string torn(kListing);
    torn.erase(torn.find(piece), piece.size());
    EXPECT_EQ(parse_s3_listing(torn).error().code, ErrorCode::storage_failed) << piece;
  }
}

struct Wrong {
  std::string_view piece, instead;
};
TEST(S3XmlTest, NonsenseIsNoListing) {
  for (const auto& [piece, instead] :
       {Wrong{"18446744073709551615", "18446744073709551616"}, Wrong{"18446744073709551615", "-1"},
        Wrong{"18446744073709551615", "1 "}, Wrong{"2024-02-29", "2023-02-29"},
        Wrong{"2024-02-29T", "2024-02-29 "}, Wrong{"%25", "%2"}, Wrong{"%25", "%zz"},
        Wrong{"true", "perhaps"}, Wrong{"ListBucketResult>", "ListBucketsResult>"}}) {
    std::string wrong(kListing);
    wrong.replace(wrong.rfind(piece), piece.size(), instead);
    EXPECT_FALSE(parse_s3_listing(wrong)) << instead;
  }
  for (std::size_t size = 0; size < kListing.size(); ++size) {
    EXPECT_FALSE(parse_s3_listing(kListing.substr(0, size))) << size;
  }
}

TEST(S3XmlTest, AnEmptyListingIsOne) {
  const auto listing =
      parse_s3_listing("<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>");
  ASSERT_TRUE(listing);
  EXPECT_FALSE(listing->is_truncated);
  EXPECT_TRUE(listing->objects.empty());
}

TEST(S3XmlTest, UploadsHaveKeysNamesAndTimesAndPerhapsGoOn) {
  const auto uploads = parse_s3_uploads(
      "<ListMultipartUploadsResult><IsTruncated>true</IsTruncated><NextKeyMarker>k+m</"
      "NextKeyMarker>"
      "<NextUploadIdMarker>im</NextUploadIdMarker><EncodingType>url</"
      "EncodingType><Upload><Key>a+b</Key>"
      "<UploadId>i+d==</UploadId><Initiated>2024-01-02T03:04:05Z</Initiated></Upload>"
      "</ListMultipartUploadsResult>");
  ASSERT_TRUE(uploads) << uploads.error().message;
  ASSERT_EQ(uploads->uploads.size(), 1);
  EXPECT_EQ(uploads->uploads[0].key, "a b");
  EXPECT_EQ(uploads->uploads[0].id, "i+d==");
  EXPECT_EQ(to_iso_text(uploads->uploads[0].initiated_at), "2024-01-02T03:04:05+00:00");
  ASSERT_TRUE(uploads->next);
  EXPECT_EQ(uploads->next->key_marker, "k m");
  EXPECT_EQ(uploads->next->id_marker, "im");
  EXPECT_TRUE(parse_s3_uploads("<ListMultipartUploadsResult/>")->uploads.empty());
  for (const auto* wrong :
       {"", "<ListMultipartUploadsResult><Upload/></ListMultipartUploadsResult>",
        "<ListMultipartUploadsResult><IsTruncated>true</IsTruncated></"
        "ListMultipartUploadsResult>"}) {
    EXPECT_FALSE(parse_s3_uploads(wrong)) << wrong;
  }
}

TEST(S3XmlTest, AnUploadHasAName) {
  EXPECT_EQ(
      parse_s3_upload_id("<a:InitiateMultipartUploadResult xmlns:a=\"b\"><a:UploadId>x</a:UploadId>"
                         "</a:InitiateMultipartUploadResult>"),
      "x");
  EXPECT_FALSE(parse_s3_upload_id("<InitiateMultipartUploadResult/>"));
  EXPECT_FALSE(parse_s3_upload_id("<Error><UploadId>x</UploadId></Error>"));
}

TEST(S3XmlTest, OnlyACompletionIsOne) {
  EXPECT_TRUE(
      is_s3_completion("\n \n<?xml version=\"1.0\"?>\n<CompleteMultipartUploadResult>"
                       "<ETag>x</ETag></CompleteMultipartUploadResult>"));
  for (const auto* other : {"", "  ", "<Error><Code>InternalError</Code></Error>",
                            "<CompleteMultipartUploadResult><ETag>x</ETag>", "ok"}) {
    EXPECT_FALSE(is_s3_completion(other)) << other;
  }
}

TEST(S3XmlTest, ACompletionNamesThePartsInTheirOrder) {
  EXPECT_EQ(s3_completion({"\"a\"", "<&>"}),
            "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
            "<Part><PartNumber>1</PartNumber><ETag>&quot;a&quot;</ETag></Part>"
            "<Part><PartNumber>2</PartNumber><ETag>&lt;&amp;></ETag></Part>"
            "</CompleteMultipartUpload>");
}

TEST(S3XmlTest, ATagIsBareOfItsQuotes) {
  EXPECT_EQ(bare_etag("\"a\""), "a");
  EXPECT_EQ(bare_etag("W/\"a\""), "a");
  EXPECT_EQ(bare_etag("a"), "a");
  EXPECT_EQ(bare_etag("\""), "\"");
  EXPECT_EQ(bare_etag(""), "");
}

}  // namespace
}  // namespace betedge::sinks
