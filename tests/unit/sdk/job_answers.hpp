#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "betedge/core/error.hpp"

namespace betedge::testing {

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
