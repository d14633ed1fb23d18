#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "betedge/core/object_key.hpp"
#include "betedge/core/retry.hpp"
#include "betedge/net/http_client.hpp"
#include "betedge/ports/object_store.hpp"
#include "betedge/ports/runtime.hpp"
#include "betedge/sinks/s3_settings.hpp"
#include "betedge/sinks/sigv4.hpp"

namespace betedge::sinks {

// Our own names below the lake's prefix begin with this: no objects of the lake, never listed.
constexpr std::string_view kS3OwnFolder = ".betedge-tmp/";

// A body of a request: text, or a piece of a file that stays open meanwhile.
struct S3Body {
  std::string text;
  int file = -1;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  std::string sha256;
};
S3Body text_body(std::string text);

constexpr std::size_t kLargestS3Document = std::size_t{8} << 20;

struct S3Request {
  std::string doing;  // for messages: "store a/data"
  std::string method;
  std::string path;    // encoded: bucket_path(), path()
  HeaderList query{};  // not encoded
  HeaderList headers{};
  S3Body body = text_body({});
  std::size_t limit_bytes = kLargestS3Document;
  enum class Purpose : std::uint8_t {
    publishing,
    reading,      // ends with the stop of readers
    cleaning_up,  // is done even when a stop was asked for, and then within a third of a second
  };
  Purpose purpose = Purpose::publishing;
};

// When requests end before their answers: with `cancelled`, at once.
struct S3Stops {
  std::stop_token publishing;  // and all else but readers
  std::stop_token reading;     // stat(), read() and list() of the store
};

// A whole answer; the body is read for documents and for ranges.
struct S3Reply {
  int status = 0;
  std::optional<std::string> content_length, content_range, last_modified, etag, region, sha256;
  std::optional<std::string> retry_after;
  std::string body;
};

// What a HEAD says of an object.
struct S3Found {
  ObjectInfo info;
  std::string sha256;  // as we put it there; empty on what others did
};

// What a server can look at in one step with a publish.
struct S3Conditions {
  struct Of {
    bool nothing = false;   // If-None-Match: *
    bool this_one = false;  // If-Match
    bool can(Expected::What what) const {
      return what == Expected::What::anything ||
             (what == Expected::What::nothing ? nothing : this_one);
    }
  };
  Of put;
  Of completion;  // of an upload in parts
  bool are_all() const {
    return put.nothing && put.this_one && completion.nothing && completion.this_one;
  }
};
// The header that asks for it; none for `anything`.
HeaderList condition_headers(const Expected& expected);
bool is_as_expected(const std::optional<S3Found>& found, const Expected& expected);

// An upload in parts that has begun and has not ended.
struct S3Upload {
  std::string path;  // of its object, encoded
  std::string id;
};

// One endpoint, one bucket, and how to ask it. What the store and its writers share; loop thread.
class S3Remote {
 public:
  S3Remote(Runtime& runtime, net::HttpClient& client, S3Settings settings, S3Stops stops);

  Runtime& runtime() const { return runtime_; }
  const S3Settings& settings() const { return settings_; }
  const S3Stops& stops() const { return stops_; }
  // "s3://bucket/prefix"
  std::string name() const;
  std::string bucket_path() const;
  // Of an object by its name below the lake's prefix.
  std::string path(std::string_view name) const;
  // The name in the bucket of a name below the lake's prefix.
  std::string full_name(std::string_view name) const;

  // One try. An answer of any status is an answer; an error is in our words, of the kinds that
  // ObjectStore names, or `cancelled`.
  Task<Result<S3Reply>> ask_once(S3Request request);
  // Asks until an answer is more than a passing fault, or the tries are used up: then that fault is
  // the error. Every other answer is given back, refusals too.
  Task<Result<S3Reply>> ask(S3Request request);
  // How long to wait after the failed try of this number; nullopt: not again.
  std::optional<std::chrono::milliseconds> delay_after(const Error& error, int tries) const;
  // The kind and the sentence of an answer that is not the one hoped for.
  Error refusal(std::string_view doing, const S3Reply& reply) const;

  // What lies there; one try or several.
  enum class Tries : std::uint8_t { one, several };
  Task<Result<std::optional<S3Found>>> find(std::string doing, std::string path, Tries tries,
                                            S3Request::Purpose purpose);

  // Ends an upload and frees what it holds; one that cannot be ended now is remembered for
  // end_abandoned().
  Task<void> end_upload(S3Upload upload);
  Task<void> end_abandoned();
  // Ends the uploads whose object's whole name in the bucket begins with `prefix` and that began
  // before `time`; of one object only with Names::equal. How many it ended.
  enum class Names : std::uint8_t { beginning, equal };
  Task<Result<std::size_t>> end_uploads(std::string prefix, Names names, Timestamp before);

  S3Conditions conditions;

 private:
  Error in_our_words(std::string_view doing, Error error) const;
  Task<bool> end_upload_once(S3Upload upload, S3Request::Purpose purpose);

  Runtime& runtime_;
  net::HttpClient& client_;
  S3Settings settings_;
  S3Stops stops_;
  std::string base_;  // "http://localhost:9000"
  std::string host_;  // "localhost:9000"
  SigningKey signing_;
  std::vector<S3Upload> abandoned_;
};

// Whether the same request may succeed a little later.
bool is_passing(const S3Reply& reply);

}  // namespace betedge::sinks
