#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "betedge/sinks/s3_store.hpp"
#include "support/scripted_http.hpp"
#include "support/virtual_runtime.hpp"

namespace betedge::sinks {

using betedge::testing::Scripted;
using betedge::testing::ScriptedHttp;
using betedge::testing::VirtualRuntime;

inline std::string error_body(std::string_view code) {
  return fmt::format("<?xml version=\"1.0\"?><Error><Code>{}</Code></Error>", code);
}
inline Scripted error_answer(int status, std::string_view code) {
  return {status, error_body(code), {}, {}};
}
inline Scripted upload_begun(std::string_view id) {
  return {200,
          fmt::format("<InitiateMultipartUploadResult><UploadId>{}</UploadId>"
                      "</InitiateMultipartUploadResult>",
                      id),
          {},
          {}};
}
const Scripted kNoUploads{200, "<ListMultipartUploadsResult/>", {}, {}};

// What a store asks when it opens, and then only: which conditions the server knows, and what a
// crash has left. This one knows all of them.
inline std::optional<Scripted> able_server(const net::HttpRequest& request) {
  const auto asks = [&](std::string_view what) { return request.url.contains(what); };
  if (!asks(".betedge-tmp/probe") && !asks("?encoding-type=url&prefix=")) return std::nullopt;
  if (request.method == "DELETE") return Scripted{204, {}, {}, {}};
  if (asks("?uploads=")) return upload_begun("probing");
  if (asks("partNumber=")) return Scripted{200, {}, {{"ETag", "\"part\""}}, {}};
  if (request.method == "GET") return kNoUploads;
  return error_answer(412, "PreconditionFailed");
}
// As one that looks at no condition.
inline std::optional<Scripted> plain_server(const net::HttpRequest& request) {
  auto answer = able_server(request);
  if (answer && answer->status == 412) {
    answer->status = 200;
    answer->body = "<CompleteMultipartUploadResult/>";
  }
  return answer;
}

inline Task<void> open_into(Runtime& runtime, net::HttpClient& client, S3Settings settings,
                            std::stop_token stop, std::stop_token stop_reading,
                            Result<std::unique_ptr<S3Store>>& result) {
  result = co_await S3Store::open(runtime, client, std::move(settings), std::move(stop),
                                  std::move(stop_reading));
}
inline Task<void> put_into(ObjectStore& store, std::string text, Expected expected,
                           Result<void>& result) {
  const auto bytes = as_bytes(text);
  auto writer = co_await store.create(ObjectKey::parse("a/^SPX/data").value(), std::move(expected));
  if (!writer) {
    result = std::unexpected(writer.error());
    co_return;
  }
  result = co_await (*writer)->write(Bytes(bytes.begin(), bytes.end()));
  if (result) result = co_await (*writer)->commit();
}

// A store whose server answers from a list. That its requests are right is verified against servers
// in tests/contract.
class S3StoreTest : public ::testing::Test {
 protected:
  S3StoreTest() {
    settings_.endpoint = "localhost:9000";
    settings_.location = {"bucket", "some/prefix"};
    settings_.access_key = "the-access-key";
    settings_.secret_key = "the-secret-key";
    settings_.spool_folder = std::filesystem::temp_directory_path();
    settings_.attempts = 4;
    client_.answer_first = able_server;
  }
  Result<std::unique_ptr<S3Store>> open() {
    Result<std::unique_ptr<S3Store>> result;
    runtime_.run(open_into(runtime_, client_, settings_, stop_.get_token(),
                           stop_reading_.get_token(), result));
    return result;
  }
  // Open, with an empty record of what was asked.
  std::unique_ptr<S3Store> opened() {
    auto store = open();
    EXPECT_TRUE(store) << store.error().message;
    client_.asked.clear();
    client_.bodies.clear();
    client_.requests.clear();
    client_.answer_first = nullptr;
    return *std::move(store);
  }
  Result<void> put(S3Store& store, std::string text, Expected expected = {}) {
    Result<void> result;
    runtime_.run(put_into(store, std::move(text), std::move(expected), result));
    return result;
  }

  VirtualRuntime runtime_{1};
  ScriptedHttp client_;
  S3Settings settings_;
  std::stop_source stop_, stop_reading_;
};

}  // namespace betedge::sinks
