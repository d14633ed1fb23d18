#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "betedge/core/error.hpp"
#include "betedge/core/lake.hpp"

// The lake over HTTP, from the server to JSON and from JSON to clients (API.md, Part 2, `lake`).
// Days are "yyyymmdd" everywhere, times as they were sent. Reading is tolerant: unknown members are
// skipped; what is not JSON, or lacks what a view cannot do without, is upstream_garbled.
namespace betedge::wire {

// ---- GET /lake/roots ----

// What lies in the lake of one series: one symbol, schema, interval, window and format. A series
// of which something is known has one also where nothing lies there: `objects` is 0.
struct LakeRoot {
  std::string kind;
  std::optional<std::string> root;      // none of earnings
  std::optional<std::string> schema;    // likewise
  std::optional<std::string> interval;  // "1m", with a window "15m@100000-110000"; none of eod
  std::string return_format;
  std::uint64_t objects = 0;
  std::uint64_t bytes = 0;
  std::optional<std::uint64_t> rows;  // nullopt while it is not known of every object
  std::string first;                  // first and last day of what lies there or is known
  std::string last;
};

struct LakeRoots {
  std::string lake;  // ObjectStore::name
  bool publishes_conditionally = false;
  std::vector<LakeRoot> roots;
  // What lies there under a key that is none of ours; manifests are such.
  std::uint64_t other_objects = 0;
  std::uint64_t other_bytes = 0;
};
std::string roots_json(const LakeRoots& roots);
Result<LakeRoots> parse_roots(std::string_view json);

// ---- GET /lake/coverage, POST /lake/fill ----

// Which series, and which of its days; what is left out is the server's to decide. Days are
// "yyyymmdd", of earnings "yyyymm".
struct CoverageQuery {
  std::string kind;  // option, stock, earnings
  std::string root;  // empty: left out (earnings have none)
  std::optional<std::string> schema{};
  std::optional<std::int64_t> interval_ms{};
  std::optional<std::string> start_date{};
  std::optional<std::string> end_date{};
  std::optional<std::string> return_format{};
  std::optional<std::int64_t> start_time_ms{};
  std::optional<std::int64_t> end_time_ms{};
};
// "/lake/coverage?kind=stock&root=AAPL"
std::string coverage_target(const CoverageQuery& query);
// The body of POST /lake/fill.
std::string fill_json(const CoverageQuery& query, const std::map<std::string, std::string>& labels,
                      std::optional<int> priority);

struct CoverageDay {
  std::string date;
  DayState state = DayState::missing;
  std::string key;     // of the object that holds it, or would
  std::string reason;  // empty (null in JSON) when there is nothing to say
};

struct Coverage {
  std::string kind;
  std::optional<std::string> root;
  std::optional<std::string> schema;
  std::optional<std::int64_t> interval_ms;  // none of eod
  std::string return_format;
  // Nullopt when neither was asked for, and nothing is known of the series.
  std::optional<std::string> start_date;
  std::optional<std::string> end_date;
  DayCounts counts;
  std::vector<CoverageDay> days;  // in order
};
std::string coverage_json(const Coverage& coverage);
Result<Coverage> parse_coverage(std::string_view json);

// The 200 of POST /lake/fill when there is no gap; a 202 is that of a submit (parse_accepted).
std::string nothing_to_fill_json(const DayCounts& counts);
// nullopt: a fill was submitted, or would be (the answer is of another shape).
std::optional<DayCounts> parse_nothing_to_fill(std::string_view json);

// ---- POST /lake/verify ----

// Its answer is of lines, each one JSON object and one of these (core/lake.hpp); the last one is a
// VerifyEnd or a VerifyFailure, or else the answer is not whole.
using core::Difference;
using core::VerifyEnd;
using core::VerifyFailure;
using core::VerifyLine;
using core::VerifyProgress;
// With its end of line.
std::string verify_line_json(const VerifyLine& line);
// With or without its end of line.
Result<VerifyLine> parse_verify_line(std::string_view line);

// The body of POST /lake/verify: objects whose key begins with `prefix`.
std::string verify_json(std::string_view prefix, bool repair);

// ---- GET /objects ----

struct LakeObject {
  std::string key;
  std::uint64_t bytes = 0;
  std::string modified_at;            // UTC, ISO 8601
  std::string etag;                   // as the header ETag has it, with its quotes
  std::string sha256;                 // empty (null in JSON) when it is not known
  std::optional<std::uint64_t> rows;  // likewise
};
struct LakeObjectPage {
  std::vector<LakeObject> objects;
  std::optional<std::string> next_cursor;  // what to send as `cursor` for more
};
std::string object_page_json(const LakeObjectPage& page);
Result<LakeObjectPage> parse_object_page(std::string_view json);

// "/objects?prefix=…&limit=…&cursor=…"; what is empty is left out.
std::string objects_target(std::string_view prefix, std::optional<std::size_t> limit,
                           std::string_view cursor);
// "/objects/historical-stock/…", percent-encoded.
std::string object_target(std::string_view key);

// ---- GET /jobs/{id}/manifest ----

struct ManifestObject {
  std::string key;
  std::string state;  // an item's
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;
  std::string sha256;  // empty (null in JSON) when there is none
  std::string note;    // likewise
  std::string error;   // likewise
};
struct Manifest {
  std::string job_id;
  std::string state;  // the job's
  std::string created_at;
  std::optional<std::string> finished_at;
  std::string request_json;  // empty when it was not sent
  std::vector<ManifestObject> objects;
};
// A manifest is written in parts: the head, each object, the tail; so that it need not be held.
std::string manifest_head_json(const Manifest& manifest);  // without its objects
std::string manifest_object_json(const ManifestObject& object, bool is_first);
std::string manifest_tail_json();
Result<Manifest> parse_manifest(std::string_view json);

// The 201 of PUT /jobs/{id}/manifest: where it lies in the lake.
std::string manifest_written_json(std::string_view key);
Result<std::string> parse_manifest_written(std::string_view json);

}  // namespace betedge::wire
