#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "betedge/core/dates.hpp"
#include "betedge/core/error.hpp"

// The XML documents that S3 answers with, and the two that it is sent. A document that cannot be
// read, or that lacks what it must have, is storage_failed with a sentence; none is ever believed
// in part. Namespaces are not looked at: servers differ in them.
namespace betedge::sinks {

// Of an <Error>; empty texts where there is none.
struct S3ErrorText {
  std::string code;    // "NoSuchBucket"
  std::string region;  // where the bucket is, of a refusal for that reason
};
S3ErrorText parse_s3_error(std::string_view xml);

// Of a <ListBucketResult> (ListObjectsV2).
struct S3Listing {
  struct Object {
    std::string key;
    std::uint64_t size_bytes = 0;
    Timestamp modified_at{};  // whole seconds, as HEAD says it
    std::string etag;         // without its quotes
  };
  std::vector<Object> objects;
  bool is_truncated = false;
};
Result<S3Listing> parse_s3_listing(std::string_view xml);

// Of a <ListMultipartUploadsResult>.
struct S3Uploads {
  struct Upload {
    std::string key;
    std::string id;
    Timestamp initiated_at{};
  };
  std::vector<Upload> uploads;
  // Where to go on; nullopt at the end.
  struct Next {
    std::string key_marker, id_marker;
  };
  std::optional<Next> next;
};
Result<S3Uploads> parse_s3_uploads(std::string_view xml);

// The UploadId of an <InitiateMultipartUploadResult>.
Result<std::string> parse_s3_upload_id(std::string_view xml);

// Whether this is the <CompleteMultipartUploadResult> that says that an object is there. S3 may
// answer 200 and then write an <Error>, or break off.
bool is_s3_completion(std::string_view xml);

// Of the parts' ETags, quotes and all, in order from part 1.
std::string s3_completion(const std::vector<std::string>& etags);
// Empty where none is needed.
std::string s3_bucket_configuration(std::string_view region);

// An ETag without its quotes and without a leading "W/".
std::string_view bare_etag(std::string_view etag);

}  // namespace betedge::sinks
