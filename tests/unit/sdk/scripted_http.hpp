#pragma once

#include <fmt/format.h>

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "betedge/net/http_client.hpp"

namespace betedge::testing {

// One answer of a server, or why there is none.
struct Scripted {
  int status = 200;
  std::string body{};
  net::Headers headers{};
  std::optional<Error> error{};
};

// A server that answers from a list, the last answer again and again, and keeps what it was asked.
class ScriptedHttp final : public net::HttpClient {
 public:
  Task<Result<std::unique_ptr<net::HttpResponse>>> send(net::HttpRequest request,
                                                        std::stop_token stop) override {
    if (stop.stop_requested()) co_return fail(ErrorCode::cancelled, "stopped");
    asked.push_back(fmt::format("{} {}", request.method, request.url));
    requests.push_back(std::move(request));
    auto answer = answers.front();
    if (answers.size() > 1) answers.pop_front();
    if (on_ask) on_ask(asked.size());
    if (answer.error) co_return std::unexpected(*answer.error);
    std::unique_ptr<net::HttpResponse> response = std::make_unique<Response>(std::move(answer));
    co_return response;
  }

  std::deque<Scripted> answers{Scripted{}};
  std::vector<std::string> asked;  // "GET http://127.0.0.1:8000/jobs"
  std::vector<net::HttpRequest> requests;
  std::function<void(std::size_t number)> on_ask;

 private:
  class Response final : public net::HttpResponse {
   public:
    explicit Response(Scripted answer) : answer_(std::move(answer)) {}
    int status() const override { return answer_.status; }
    std::optional<std::string> header(std::string_view name) const override {
      for (const auto& [candidate, value] : answer_.headers) {
        if (candidate == name) return value;
      }
      return std::nullopt;
    }
    Task<Result<Bytes>> next() override {
      const auto bytes = as_bytes(answer_.body);
      Bytes piece(bytes.begin(), bytes.end());
      answer_.body.clear();
      co_return piece;
    }

   private:
    Scripted answer_;
  };
};

inline const Error kNobodyListens{
    ErrorCode::upstream_unavailable, "nobody listens on 127.0.0.1:8000 (connection refused)", {}};

inline constexpr std::string_view kJobId = "01912345-6789-7abc-8def-0123456789ab";

// What of a job a test wants to be different; the rest of its JSON is a plain one's.
struct JobSketch {
  std::string status = "running";
  std::string state = "running";
  int succeeded = 0, skipped = 0, no_data = 0, failed = 0, running = 0, pending = 0;
  std::uint64_t rows = 0, bytes = 0;
  std::string error_message = "null";  // JSON
  std::string more{};                  // further members, each with a comma before it
  std::string created_at = "2025-06-02T13:00:00+00:00";
};

inline std::string job_json(const JobSketch& job) {
  const int completed = job.succeeded + job.skipped + job.no_data + job.failed;
  const int total = completed + job.running + job.pending;
  const double percentage = total == 0 ? 100.0 : 100.0 * completed / total;
  return fmt::format(
      R"({{"job_id":"{}","status":"{}","progress":{{"completed":{},"total":{},"percentage":{}}},)"
      R"("created_at":"{}","updated_at":"2025-06-02T13:00:10+00:00","error_message":{},)"
      R"("state":"{}","items":{{"pending":{},"running":{},"succeeded":{},"skipped":{},)"
      R"("no_data":{},"failed":{},"cancelled":0}},"rows":{},"bytes":{},)"
      R"("request":{{"kind":"option","root":"AAPL","start_date":"20240101","end_date":"20240131",)"
      R"("schema":"quote","interval":900000,"return_format":"parquet","start_time":null,)"
      R"("end_time":null,"force_refresh":false}}{}}})",
      kJobId, job.status, completed, total, percentage, job.created_at, job.error_message,
      job.state, job.pending, job.running, job.succeeded, job.skipped, job.no_data, job.failed,
      job.rows, job.bytes, job.more);
}

}  // namespace betedge::testing
