#include "betedge/server/schemas.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "betedge/core/request.hpp"
#include "betedge/wire/request.hpp"
#include "betedge/wire/upstream.hpp"

namespace betedge::server {
namespace {

// Members that the three submissions share, and those of the two that have a symbol. Where a bound
// is a constant of the code, schemas() sets it.
constexpr std::string_view kShared = R"json({
  "mode": {"type": ["string", "null"], "enum": ["skip", "refresh", "force", null], "description":
    "What to do with an object that is there: `skip` keeps it when it is fresh, `refresh` keeps it only when this server's own records say that it is right, `force` downloads again. Left out: what `force_refresh` says."},
  "force_refresh": {"type": "boolean", "description":
    "`true` is `mode` `force`, `false` is `skip`. Left out: the server's setting. `\"yes\"`, `1` and the like are read, too."},
  "labels": {"type": ["object", "null"], "additionalProperties": {"type": "string"}, "propertyNames": {"minLength": 1}, "examples": [{"team": "research"}], "description":
    "Words of your own, to find the job again: `GET /jobs?label=team:research`."},
  "priority": {"type": ["integer", "null"], "default": 0, "description":
    "Items of a job with a higher one are served first."}
})json";

constexpr std::string_view kHistorical = R"json({
  "root": {"type": "string", "pattern": "^[A-Za-z0-9^][A-Za-z0-9.^-]{0,15}$", "examples": ["AAPL"], "description":
    "The underlying's symbol; read in upper case. Either this or `roots`."},
  "roots": {"type": "array", "items": {"type": "string", "pattern": "^[A-Za-z0-9^][A-Za-z0-9.^-]{0,15}$"}, "minItems": 1, "examples": [["AAPL", "MSFT"]], "description":
    "Several symbols in one job, instead of `root`."},
  "start_date": {"type": "string", "pattern": "^[0-9]{8}$", "examples": ["20240102"], "description":
    "The first day, `YYYYMMDD`, from 19000101."},
  "end_date": {"type": "string", "pattern": "^[0-9]{8}$", "examples": ["20240131"], "description":
    "The last day, not before `start_date`."},
  "schema": {"type": "string", "enum": ["quote", "ohlc", "eod"], "default": "quote", "description":
    "What to download: quotes or bars at an interval, or the end of day. Also read under the name `data_schema`."},
  "data_schema": {"type": "string", "enum": ["quote", "ohlc", "eod"], "description": "Another name of `schema`, which is read first."},
  "interval": {"type": "integer", "minimum": 0, "description":
    "Milliseconds between rows, 60000 to 86400000; `\"900000\"` is read, too. Ignored for `eod`."},
  "return_format": {"type": "string", "enum": ["parquet", "ipc"], "default": "parquet", "description":
    "The objects' format: Parquet, or an Arrow IPC file."},
  "start_time": {"type": ["integer", "null"], "minimum": 0, "maximum": 86400000, "default": null, "description":
    "Milliseconds since midnight in New York, up to 86400000: where each day begins. Ignored for `eod`."},
  "end_time": {"type": ["integer", "null"], "minimum": 0, "maximum": 86400000, "default": null, "description":
    "Likewise, where each day ends; not before `start_time`."}
})json";

constexpr std::string_view kMonths = R"json({
  "start_date": {"type": "string", "pattern": "^[0-9]{6}$", "examples": ["202401"], "description":
    "The first month, `YYYYMM`, from 190001."},
  "end_date": {"type": "string", "pattern": "^[0-9]{6}$", "examples": ["202403"], "description":
    "The last month, not before `start_date`."},
  "return_format": {"type": "string", "pattern": "^[Pp][Aa][Rr][Qq][Uu][Ee][Tt]$", "default": "parquet", "description":
    "The objects' format: `parquet`."}
})json";

constexpr std::string_view kAnswers = R"json({
  "JobAccepted": {"type": "object", "required": ["status", "job_id", "message", "status_url"],
    "description": "The job is stored; nothing was downloaded yet.",
    "properties": {
      "status": {"const": "accepted"},
      "job_id": {"type": "string", "format": "uuid", "description": "The job's id."},
      "message": {"type": "string", "description": "A sentence for people."},
      "status_url": {"type": "string", "description": "Where to ask how it stands."}},
    "examples": [{"status": "accepted", "job_id": "0194f3a2-7c1e-7b52-9d1e-6a3f0c2b8e55", "message": "Request submitted for background processing", "status_url": "/jobs/0194f3a2-7c1e-7b52-9d1e-6a3f0c2b8e55"}]},
  "JobSucceeded": {"type": "object", "required": ["status", "request_id"],
    "description": "The answer of a request that was held until its job ended well.",
    "properties": {
      "status": {"const": "success"},
      "request_id": {"type": "string", "format": "uuid", "description": "The job's id."}}},
  "Submitted": {"oneOf": [{"$ref": "#/components/schemas/JobAccepted"}, {"$ref": "#/components/schemas/JobSucceeded"}]},
  "JobStatus": {"type": "string", "enum": ["pending", "running", "completed", "failed"],
    "description": "How far a job is. `completed` and `failed` are ends; `completed` can have failed items, which `state` and `error_message` say."},
  "JobState": {"type": "string", "enum": ["queued", "running", "cancelling", "cancelled", "completed", "completed_with_errors", "failed"],
    "description": "The whole truth about a job, where `status` has four words."},
  "JobProgress": {"type": "object", "required": ["completed", "total", "percentage"],
    "description": "Items that have ended, however they ended.",
    "properties": {
      "completed": {"type": "integer", "minimum": 0, "description": "Items that have ended."},
      "total": {"type": "integer", "minimum": 0, "description": "All items."},
      "percentage": {"type": "number", "minimum": 0, "maximum": 100, "description": "100 times the one by the other; 100.0 for a job without items."}}},
  "ItemCounts": {"type": "object", "required": ["pending", "running", "succeeded", "skipped", "no_data", "failed", "cancelled"],
    "description": "How many items are in each state.",
    "properties": {
      "pending": {"type": "integer", "minimum": 0, "description": "Not begun."},
      "running": {"type": "integer", "minimum": 0, "description": "Being downloaded, or waiting for another try."},
      "succeeded": {"type": "integer", "minimum": 0, "description": "The object was written."},
      "skipped": {"type": "integer", "minimum": 0, "description": "The object was there, and fresh."},
      "no_data": {"type": "integer", "minimum": 0, "description": "The vendor has none: a fact, not an error."},
      "failed": {"type": "integer", "minimum": 0, "description": "Every try failed."},
      "cancelled": {"type": "integer", "minimum": 0, "description": "Given up by `cancel`."}}},
  "JobInfo": {"type": "object",
    "required": ["job_id", "status", "progress", "created_at", "updated_at", "error_message", "state", "items", "rows", "bytes", "rate", "eta_seconds", "request", "started_at", "finished_at", "not_yet_available", "warnings", "links"],
    "description": "A job. The first six members are what the Python original had. Times are UTC.",
    "properties": {
      "job_id": {"type": "string", "format": "uuid", "description": "A UUID of version 7."},
      "status": {"$ref": "#/components/schemas/JobStatus"},
      "progress": {"$ref": "#/components/schemas/JobProgress"},
      "created_at": {"type": "string", "format": "date-time", "description": "When it was submitted."},
      "updated_at": {"type": "string", "format": "date-time", "description": "When it last changed."},
      "error_message": {"type": ["string", "null"], "description": "What went wrong: how many items failed and the first of them, or why the job as a whole cannot go on."},
      "state": {"$ref": "#/components/schemas/JobState"},
      "items": {"$ref": "#/components/schemas/ItemCounts"},
      "rows": {"type": "integer", "minimum": 0, "description": "Rows written."},
      "bytes": {"type": "integer", "minimum": 0, "description": "Bytes of the objects written."},
      "rate": {"type": ["object", "null"], "description": "The pace since it started: `items_per_second`, `rows_per_second`, `bytes_per_second`; null before an item has ended.", "required": ["items_per_second", "rows_per_second", "bytes_per_second"], "properties": {
        "items_per_second": {"type": "number", "minimum": 0}, "rows_per_second": {"type": "number", "minimum": 0}, "bytes_per_second": {"type": "number", "minimum": 0}}},
      "eta_seconds": {"type": ["number", "null"], "minimum": 0, "description": "How long it will take at that pace."},
      "request": {"type": ["object", "null"], "description": "What was asked, with every default filled in."},
      "started_at": {"type": ["string", "null"], "format": "date-time", "description": "When its first item was begun."},
      "finished_at": {"type": ["string", "null"], "format": "date-time", "description": "When it ended."},
      "not_yet_available": {"type": "array", "items": {"type": "string"}, "description": "Days that had not ended in New York when it was submitted, `YYYYMMDD`: no items of it."},
      "warnings": {"type": "array", "items": {"type": "string"}, "description": "What was accepted and has no effect, such as an unknown member."},
      "links": {"type": "object", "additionalProperties": {"type": "string"}, "description": "Where to go from here: `self`, `items`, `failed_items`, `events`, and `cancel` or `retry` when that can be done."},
      "waiting_for": {"type": "string", "description": "Only while it stands still: what it waits for."}},
    "examples": [{"job_id": "0194f3a2-7c1e-7b52-9d1e-6a3f0c2b8e55", "status": "running", "progress": {"completed": 12, "total": 21, "percentage": 57.14285714285714}, "created_at": "2026-01-02T03:04:05.123456+00:00", "updated_at": "2026-01-02T03:05:05.123456+00:00", "error_message": null, "state": "running", "items": {"pending": 5, "running": 4, "succeeded": 11, "skipped": 0, "no_data": 1, "failed": 0, "cancelled": 0}, "rows": 310000, "bytes": 4100000, "rate": {"items_per_second": 0.2, "rows_per_second": 5166.667, "bytes_per_second": 68333.333}, "eta_seconds": 45, "request": {"kind": "option", "root": "AAPL"}, "started_at": "2026-01-02T03:04:05.2+00:00", "finished_at": null, "not_yet_available": [], "warnings": [], "links": {"self": "/jobs/0194f3a2-7c1e-7b52-9d1e-6a3f0c2b8e55"}}]},
  "JobList": {"type": "object", "required": ["total", "limit", "status_filter", "jobs"],
    "description": "Jobs, newest first.",
    "properties": {
      "total": {"type": "integer", "minimum": 0, "description": "How many are returned."},
      "limit": {"type": ["integer", "null"], "description": "As it was sent."},
      "status_filter": {"type": ["string", "null"], "description": "`job_status` as it was sent."},
      "jobs": {"type": "array", "items": {"$ref": "#/components/schemas/JobInfo"}, "description": "The jobs."}}},
  "Item": {"type": "object", "required": ["key", "state", "attempts", "rows", "bytes", "sha256", "error"],
    "description": "One object that a job needs.",
    "properties": {
      "key": {"type": "string", "description": "Its place in the lake."},
      "state": {"type": "string", "enum": ["pending", "running", "succeeded", "skipped", "no_data", "failed", "cancelled"], "description": "As in `ItemCounts`."},
      "attempts": {"type": "integer", "minimum": 0, "description": "How often it was tried."},
      "rows": {"type": "integer", "minimum": 0, "description": "Rows written."},
      "bytes": {"type": "integer", "minimum": 0, "description": "The object's size."},
      "sha256": {"type": ["string", "null"], "description": "The object's checksum, in hexadecimal."},
      "error": {"type": ["string", "null"], "description": "Why it failed."},
      "note": {"type": "string", "description": "What is missing inside the object, such as sessions without data."}},
    "examples": [{"key": "historical-stock/eod/AAPL/2023/data.parquet", "state": "succeeded", "attempts": 1, "rows": 250, "bytes": 14021, "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "error": null}]},
  "ItemPage": {"type": "object", "required": ["items", "next_cursor"],
    "description": "Some of a job's items, in the order of its plan.",
    "properties": {
      "items": {"type": "array", "items": {"$ref": "#/components/schemas/Item"}, "description": "The items."},
      "next_cursor": {"type": ["integer", "null"], "description": "What to send as `cursor` for more; null: there are no more."}}},
  "DryRun": {"type": "object", "required": ["request", "total", "present", "missing", "calls", "expected", "not_yet_available", "items"],
    "description": "What a request would do. Nothing was stored.",
    "properties": {
      "request": {"type": "object", "description": "The request, with every default filled in."},
      "total": {"type": "integer", "minimum": 0, "description": "Items of the job."},
      "present": {"type": "integer", "minimum": 0, "description": "Objects that are there."},
      "missing": {"type": "integer", "minimum": 0, "description": "Objects that would be downloaded."},
      "calls": {"type": "integer", "minimum": 0, "description": "Calls that the upstream would get."},
      "expected": {"type": "object", "required": ["bytes", "seconds", "from_objects"], "description": "What the missing objects will take: `bytes`, `seconds`, null when there is nothing to go by, and `from_objects`, the number of objects that it is worked out from.", "properties": {
        "bytes": {"type": ["integer", "null"], "minimum": 0}, "seconds": {"type": ["number", "null"], "minimum": 0}, "from_objects": {"type": "integer", "minimum": 0}}},
      "not_yet_available": {"type": "array", "items": {"type": "string"}, "description": "Days that have not ended in New York, `YYYYMMDD`."},
      "items": {"type": "array", "items": {"$ref": "#/components/schemas/PlannedItem"}, "description": "Each object."}}},
  "PlannedItem": {"type": "object", "required": ["key", "state", "covers", "calls"],
    "description": "An object that a request needs.",
    "properties": {
      "key": {"type": "string", "description": "Its place in the lake."},
      "state": {"type": "string", "enum": ["present", "missing"], "description": "Whether it is there, and fresh."},
      "covers": {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2, "description": "Its first and last day, `YYYYMMDD`."},
      "calls": {"type": "integer", "minimum": 0, "description": "Calls that the upstream would get for it."}}},
  "Upstream": {"type": "object", "required": ["name", "version", "concurrency", "allowed", "in_use", "waiting", "circuit", "waiting_for", "calls", "failed_calls", "calls_per_second"],
    "description": "Where data comes from.",
    "properties": {
      "name": {"type": "string", "description": "What to call it."},
      "version": {"type": ["string", "null"], "description": "The protocol it speaks; null while that is not known."},
      "concurrency": {"type": "integer", "minimum": 0, "description": "Calls at once that it may get."},
      "allowed": {"type": "integer", "minimum": 0, "description": "Of these just now: fewer after it throttled calls or was silent, growing back as calls go well."},
      "in_use": {"type": "integer", "minimum": 0, "description": "Calls that it has now."},
      "waiting": {"type": "integer", "minimum": 0, "description": "Calls that wait for their turn."},
      "circuit": {"type": "string", "enum": ["closed", "open"], "description": "`open` while it is gone and only probed."},
      "waiting_for": {"type": ["string", "null"], "description": "Why nothing goes on: it is gone, is not ready, or throttles calls."},
      "calls": {"type": "integer", "minimum": 0, "description": "Calls since the start."},
      "failed_calls": {"type": "integer", "minimum": 0, "description": "Those that failed."},
      "calls_per_second": {"type": "number", "minimum": 0, "description": "Over the last minute."}}},
  "UpstreamList": {"type": "object", "required": ["upstreams"],
    "description": "All of them.",
    "properties": {"upstreams": {"type": "array", "items": {"$ref": "#/components/schemas/Upstream"}, "description": "The upstreams."}}},
  "UpstreamChange": {"type": "object", "required": ["concurrency"],
    "description": "What to change.",
    "properties": {"concurrency": {"type": "integer", "minimum": 1, "examples": [4], "description": "How many calls at once it is asked."}}},
  "EventStream": {
    "description": "Server-sent events as the HTML standard has them: lines of these names, an empty line after each event, and a comment now and then.",
    "properties": {
      "id": {"type": "string", "description": "What to send as `Last-Event-ID`."},
      "event": {"type": "string", "enum": ["snapshot", "progress", "item_failed", "end"], "description": "What happened."},
      "data": {"type": "string", "description": "JSON: the whole job (`JobInfo`) of `snapshot` and `end`, its first members of `progress`, an `Item` with its `job_id` of `item_failed`."}}},
  "Text": {"type": "string"},
  "OpenApi": {"type": "object", "required": ["openapi", "info", "paths"], "properties": {"openapi": {"const": "3.1.0"}, "info": {"type": "object"}, "paths": {"type": "object"}}, "description": "OpenAPI 3.1."},
  "Service": {"type": "object", "required": ["service", "version", "endpoints", "docs", "health"],
    "description": "What answers here.",
    "properties": {
      "service": {"type": "string", "description": "Its name."}, "version": {"type": "string", "description": "betedge's version."},
      "endpoints": {"type": "array", "items": {"type": "string"}, "description": "Where submissions go."},
      "docs": {"type": "string", "description": "The page to read."}, "health": {"type": "string", "description": "The probe."}}},
  "Health": {"type": "object", "required": ["status", "service"], "description": "It answers.",
    "properties": {"status": {"const": "healthy"}, "service": {"const": "betedge-historical-data"}}},
  "Liveness": {"type": "object", "required": ["status"], "description": "It answers.", "properties": {"status": {"const": "alive"}}},
  "Check": {"type": "object", "required": ["status"], "description": "One part of the service.",
    "properties": {
      "status": {"type": "string", "enum": ["ok", "failing", "waiting"], "description": "How it is."},
      "reason": {"type": ["string", "null"], "description": "What is wrong with it."}}},
  "Readiness": {"type": "object", "required": ["status", "store", "lake", "upstreams"],
    "description": "Whether requests can be taken, and each part by name.",
    "properties": {
      "status": {"type": "string", "enum": ["ready", "not ready", "starting", "stopping"], "description": "All in all."},
      "store": {"$ref": "#/components/schemas/Check"}, "lake": {"$ref": "#/components/schemas/Check"},
      "upstreams": {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/Check"}, "description": "Each by its name."}}},
  "Version": {"type": "object", "required": ["service", "version", "api"], "description": "Versions.",
    "properties": {"service": {"const": "betedge"}, "version": {"type": "string", "description": "betedge's version."}, "api": {"type": "string", "description": "The contract's version."}}},
  "Login": {"type": "object", "required": ["token"], "description": "Who wants to log in.",
    "properties": {"token": {"type": "string", "description": "The token."}}},
  "LoggedIn": {"type": "object", "required": ["client", "access"], "description": "Who has logged in.",
    "properties": {
      "client": {"type": "string", "description": "The token's name."},
      "access": {"type": "string", "enum": ["read", "submit", "admin"], "description": "What it may do."}}},
  "Problem": {"type": "object", "required": ["detail", "type", "title", "status", "code"],
    "description": "An error. With `Accept: application/problem+json` it comes in that media type (RFC 9457).",
    "properties": {
      "detail": {"type": "string", "description": "What was wrong, in a sentence."},
      "type": {"type": "string", "format": "uri-reference", "description": "Where this page explains the code."},
      "title": {"type": "string", "description": "The code in words; the same every time."},
      "status": {"type": "integer", "minimum": 400, "maximum": 599, "description": "The answer's status."},
      "instance": {"type": "string", "description": "The request's path; left out when no request could be read."},
      "code": {"type": "string", "description": "What to switch on."}},
    "examples": [{"detail": "Job 0194f3a2-7c1e-7b52-9d1e-6a3f0c2b8e55 not found", "type": "/docs#job_not_found", "title": "There is no such job", "status": 404, "instance": "/jobs/0194f3a2-7c1e-7b52-9d1e-6a3f0c2b8e55", "code": "job_not_found"}]},
  "Fault": {"type": "object", "required": ["type", "loc", "msg", "input"],
    "description": "One thing that is wrong with a request.",
    "properties": {
      "type": {"type": "string", "description": "The kind of fault."},
      "loc": {"type": "array", "items": {"type": ["string", "integer"]}, "description": "Where: `body`, `query` or `header`, then the member's name."},
      "msg": {"type": "string", "description": "What is wrong."},
      "input": {"description": "What was sent there."},
      "ctx": {"type": "object", "description": "The rule's numbers."}}},
  "ValidationProblem": {"type": "object", "required": ["detail", "type", "title", "status", "code"],
    "description": "An error with every fault of the request. As problem+json, `detail` is a text, and the list is `errors`.",
    "properties": {
      "detail": {"type": "array", "items": {"$ref": "#/components/schemas/Fault"}, "minItems": 1, "description": "Every fault."},
      "type": {"type": "string", "format": "uri-reference", "description": "Where this page explains the code."},
      "title": {"type": "string", "description": "The code in words."},
      "status": {"const": 422, "description": "The answer's status."},
      "instance": {"type": "string", "description": "The request's path."},
      "code": {"type": "string", "enum": ["validation_error", "idempotency_key_reused"], "description": "What to switch on."}}},
  "InternalProblem": {"type": "object", "required": ["error_code", "message", "details", "type", "title", "status", "code"],
    "description": "A fault outside everything that was thought of.",
    "properties": {
      "error_code": {"const": "INTERNAL_ERROR"}, "message": {"type": "string", "description": "A sentence for people."},
      "details": {"type": "string", "description": "Where to look."},
      "type": {"type": "string", "format": "uri-reference", "description": "Where this page explains the code."},
      "title": {"type": "string", "description": "The code in words."}, "status": {"const": 500},
      "instance": {"type": "string", "description": "The request's path."}, "code": {"const": "internal_error"}}}
})json";

// Of the lake.
constexpr std::string_view kLake = R"json({
  "LakeRoot": {"type": "object", "required": ["kind", "root", "schema", "interval", "return_format", "objects", "bytes", "rows", "first", "last"],
    "description": "What there is of one series.",
    "properties": {
      "kind": {"type": "string", "enum": ["option", "stock", "earnings"], "description": "What it is of."},
      "root": {"type": ["string", "null"], "description": "The symbol; null of earnings."},
      "schema": {"type": ["string", "null"], "enum": ["quote", "ohlc", "eod", null], "description": "Likewise."},
      "interval": {"type": ["string", "null"], "examples": ["1m", "15m@100000-110000"], "description": "As in the keys, with its window; null of `eod` and earnings."},
      "return_format": {"type": "string", "enum": ["parquet", "ipc"], "description": "The objects' format."},
      "objects": {"type": "integer", "minimum": 0, "description": "How many there are; 0 where every try failed, the vendor had nothing, or they are gone."},
      "bytes": {"type": "integer", "minimum": 0, "description": "Of all of them."},
      "rows": {"type": ["integer", "null"], "minimum": 0, "description": "Likewise; null while one of them is not recorded."},
      "first": {"type": "string", "description": "The first day of the first period that lies there or is known, `YYYYMMDD`."},
      "last": {"type": "string", "description": "The last day of the last such period."}}},
  "LakeRoots": {"type": "object", "required": ["lake", "publishes_conditionally", "roots", "other"],
    "description": "What lies in the lake, and what was asked for and does not.",
    "properties": {
      "lake": {"type": "string", "description": "Where it is."},
      "publishes_conditionally": {"type": "boolean", "description": "Whether it publishes an object only when nobody else has been there."},
      "roots": {"type": "array", "items": {"$ref": "#/components/schemas/LakeRoot"}, "description": "The series, by key."},
      "other": {"type": "object", "required": ["objects", "bytes"], "description": "What lies there under keys that are no series', such as manifests.", "properties": {
        "objects": {"type": "integer", "minimum": 0}, "bytes": {"type": "integer", "minimum": 0}}}}},
  "DayState": {"type": "string", "enum": ["present", "no_data", "failed", "stale", "missing"],
    "description": "What the lake has of one day."},
  "DayCounts": {"type": "object", "required": ["present", "no_data", "failed", "stale", "missing"],
    "description": "How many days are in each state.",
    "properties": {
      "present": {"type": "integer", "minimum": 0, "description": "It lies there, and is what would be written today."},
      "no_data": {"type": "integer", "minimum": 0, "description": "There is nothing to have."},
      "failed": {"type": "integer", "minimum": 0, "description": "Nothing lies there, and the last try failed."},
      "stale": {"type": "integer", "minimum": 0, "description": "It lies there, and is not what would be written today."},
      "missing": {"type": "integer", "minimum": 0, "description": "Nothing lies there."}}},
  "CoverageDay": {"type": "object", "required": ["date", "state", "key", "reason"],
    "description": "One day.",
    "properties": {
      "date": {"type": "string", "description": "`YYYYMMDD`."},
      "state": {"$ref": "#/components/schemas/DayState"},
      "key": {"type": "string", "description": "The object that holds it, or would."},
      "reason": {"type": ["string", "null"], "description": "What there is to say: of `failed` the error, of `no_data` `no_data`, `zero_series` or `no rows`, of a present object that it is not recorded yet, of a stale one why."}}},
  "Coverage": {"type": "object", "required": ["kind", "root", "schema", "interval", "return_format", "start_date", "end_date", "counts", "days"],
    "description": "A series, day by day.",
    "properties": {
      "kind": {"type": "string", "enum": ["option", "stock", "earnings"], "description": "What it is of."},
      "root": {"type": ["string", "null"], "description": "The symbol; null of earnings."},
      "schema": {"type": ["string", "null"], "description": "Likewise."},
      "interval": {"type": ["integer", "null"], "description": "In milliseconds; null of `eod` and earnings."},
      "return_format": {"type": "string", "enum": ["parquet", "ipc"], "description": "The objects' format."},
      "start_date": {"type": ["string", "null"], "description": "The first day that was looked at; null when it was not sent, and nothing is known of the series."},
      "end_date": {"type": ["string", "null"], "description": "The last one."},
      "counts": {"$ref": "#/components/schemas/DayCounts"},
      "days": {"type": "array", "items": {"$ref": "#/components/schemas/CoverageDay"}, "description": "The days, in order."}}},
  "NothingToFill": {"type": "object", "required": ["status", "counts"],
    "description": "Nothing is missing.",
    "properties": {"status": {"const": "nothing_to_fill"}, "counts": {"$ref": "#/components/schemas/DayCounts"}}},
  "Filled": {"oneOf": [{"$ref": "#/components/schemas/NothingToFill"}, {"$ref": "#/components/schemas/DryRun"}]},
  "VerifyRequest": {"type": "object",
    "description": "What to verify.",
    "properties": {
      "prefix": {"type": ["string", "null"], "default": "", "examples": ["historical-stock/"], "description": "What the objects' keys begin with."},
      "repair": {"type": ["boolean", "null"], "default": false, "description": "Download again what is missing, torn, changed or foreign."}},
    "examples": [{"prefix": "historical-stock/", "repair": false}]},
  "VerifyLine": {"type": "object",
    "description": "One line: a difference has `key`, `verdict` and `detail`; progress `checked` alone; the last one also `sound`, `differences` and `repair_jobs`, or else an `error`.",
    "properties": {
      "key": {"type": "string", "description": "The object's."},
      "verdict": {"type": "string", "enum": ["missing", "torn", "changed", "foreign", "unknown"], "description": "`missing`: recorded, and not there. `torn`: cannot be read as the file it should be. `changed`: readable, and not what was recorded, or what the file says of itself. `foreign`: the file says that it belongs under another key. `unknown`: nobody recorded it."},
      "detail": {"type": "string", "description": "How, in a sentence."},
      "checked": {"type": "integer", "minimum": 0, "description": "Objects so far, or all told."},
      "sound": {"type": "integer", "minimum": 0, "description": "Those without a difference."},
      "differences": {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}, "description": "How many of each verdict."},
      "repair_jobs": {"type": "array", "items": {"type": "string", "format": "uuid"}, "description": "The jobs that download again."},
      "error": {"type": "string", "description": "Why it could not go on."}}},
  "Object": {"type": "object", "required": ["key", "bytes", "modified_at", "etag", "sha256", "rows"],
    "description": "An object of the lake.",
    "properties": {
      "key": {"type": "string", "description": "Its place."},
      "bytes": {"type": "integer", "minimum": 0, "description": "Its size."},
      "modified_at": {"type": "string", "format": "date-time", "description": "When it was written."},
      "etag": {"type": "string", "description": "As the header of its download says it."},
      "sha256": {"type": ["string", "null"], "description": "As it was recorded; null when it was not."},
      "rows": {"type": ["integer", "null"], "minimum": 0, "description": "Likewise."}}},
  "ObjectPage": {"type": "object", "required": ["objects", "next_cursor"],
    "description": "Some of the lake's objects.",
    "properties": {
      "objects": {"type": "array", "items": {"$ref": "#/components/schemas/Object"}, "description": "The objects, by key."},
      "next_cursor": {"type": ["string", "null"], "description": "What to send as `cursor` for more; null at the end."}}},
  "Bytes": {"type": "string", "description": "An object's bytes."},
  "ManifestObject": {"type": "object", "required": ["key", "state", "rows", "bytes", "sha256", "note", "error"],
    "description": "One object of a job.",
    "properties": {
      "key": {"type": "string", "description": "Its place in the lake."},
      "state": {"type": "string", "enum": ["pending", "running", "succeeded", "skipped", "no_data", "failed", "cancelled"], "description": "As in `ItemCounts`."},
      "rows": {"type": "integer", "minimum": 0, "description": "Its rows."},
      "bytes": {"type": "integer", "minimum": 0, "description": "Its size."},
      "sha256": {"type": ["string", "null"], "description": "Its checksum, in hexadecimal."},
      "note": {"type": ["string", "null"], "description": "What a reader should know, such as sessions without data."},
      "error": {"type": ["string", "null"], "description": "Why it failed."}}},
  "Manifest": {"type": "object", "required": ["job_id", "state", "created_at", "finished_at", "request", "objects"],
    "description": "What a job has brought.",
    "properties": {
      "job_id": {"type": "string", "format": "uuid", "description": "The job."},
      "state": {"$ref": "#/components/schemas/JobState"},
      "created_at": {"type": "string", "format": "date-time", "description": "When it was submitted."},
      "finished_at": {"type": ["string", "null"], "format": "date-time", "description": "When it ended."},
      "request": {"type": ["object", "null"], "description": "What was asked, with every default filled in."},
      "objects": {"type": "array", "items": {"$ref": "#/components/schemas/ManifestObject"}, "description": "All of its objects, in the order of its plan."}}},
  "ManifestWritten": {"type": "object", "required": ["key"], "description": "Where it lies.",
    "properties": {"key": {"type": "string", "description": "Its place in the lake."}}}
})json";

// A request's schema: `own` members first, then the shared ones.
Json request_schema(std::string_view description, std::string_view own, Json example) {
  auto members = Json::parse(own);
  members.update(Json::parse(kShared));
  members["labels"]["maxProperties"] = kMostLabels;
  members["labels"]["propertyNames"]["maxLength"] = kLongestLabelName;
  members["labels"]["additionalProperties"]["maxLength"] = kLongestLabelValue;
  members["priority"]["minimum"] = -kHighestPriority;
  members["priority"]["maximum"] = kHighestPriority;
  Json schema;
  schema["type"] = "object";
  schema["description"] = description;
  schema["required"] = {"start_date", "end_date"};
  if (members.contains("roots")) {
    members["roots"]["maxItems"] = wire::kMostRoots;
    Json one;
    one["required"] = Json::array({"root"});
    Json several;
    several["required"] = Json::array({"roots"});
    schema["oneOf"] = Json::array({std::move(one), std::move(several)});
  }
  schema["properties"] = std::move(members);
  schema["examples"] = Json::array({std::move(example)});
  return schema;
}

// A submission's members, but that both dates may be left out.
Json fill_schema() {
  auto members = Json::parse(kHistorical);
  const auto shared = Json::parse(kShared);
  members.erase("roots");
  Json schema;
  schema["type"] = "object";
  schema["description"] =
      "Which series, and which of its days. Dates that are left out are as those of "
      "`GET /lake/coverage`; of earnings they are months.";
  schema["required"] = {"kind"};
  auto& properties = schema["properties"];
  properties["kind"] = Json::parse(
      R"({"type":"string","enum":["option","stock","earnings"],"description":"What it is of."})");
  properties.update(members);
  for (const std::string_view name : {"labels", "priority"})
    properties[std::string(name)] = shared.at(std::string(name));
  properties["root"]["description"] =
      "The underlying's symbol. Needed but for earnings, which have none.";
  for (const std::string_view name : {"start_date", "end_date"}) {
    auto& date = properties[std::string(name)];
    date["type"] = {"string", "null"};
    date["pattern"] = "^[0-9]{6}([0-9]{2})?$";
  }
  properties["labels"]["maxProperties"] = kMostLabels;
  properties["labels"]["propertyNames"]["maxLength"] = kLongestLabelName;
  properties["labels"]["additionalProperties"]["maxLength"] = kLongestLabelValue;
  properties["priority"]["minimum"] = -kHighestPriority;
  properties["priority"]["maximum"] = kHighestPriority;
  schema["examples"] = Json::array(
      {Json::parse(R"({"kind":"stock","root":"AAPL","schema":"eod","start_date":"20240102"})")});
  return schema;
}

Json all_schemas() {
  Json all;
  all["OptionRequest"] = request_schema(
      "What to download of an underlying's options. Other members are accepted, and named in the "
      "job's `warnings`.",
      kHistorical,
      Json::parse(
          R"({"root":"AAPL","start_date":"20240102","end_date":"20240131","schema":"eod"})"));
  all["OptionRequest"]["properties"]["interval"]["default"] = 900'000;
  all["StockRequest"] = request_schema(
      "What to download of a stock. Other members are accepted, and named in the job's `warnings`.",
      kHistorical,
      Json::parse(
          R"({"root":"AAPL","start_date":"20240102","end_date":"20240105","interval":60000})"));
  all["StockRequest"]["properties"]["interval"]["default"] = 60'000;
  all["EarningsRequest"] =
      request_schema("Which months of the earnings calendar to download.", kMonths,
                     Json::parse(R"({"start_date":"202401","end_date":"202403"})"));
  all.update(Json::parse(kAnswers));
  all.update(Json::parse(kLake));
  all["FillRequest"] = fill_schema();
  auto& concurrency = all["UpstreamChange"]["properties"]["concurrency"];
  concurrency["maximum"] = wire::kHighestConcurrency;
  auto& codes = all["Problem"]["properties"]["code"]["enum"];
  for (const auto& problem : wire::problems()) codes.push_back(problem.name);
  return all;
}

constexpr std::string_view kText = R"({"type":"string"})";
constexpr std::string_view kTrue = R"({"type":"string","enum":["true"]})";

constexpr std::array kHeaders{
    HeaderText{"Location", kText, "Where to go on: the job, or a page."},
    HeaderText{"Retry-After", R"({"type":"integer","minimum":1})",
               "Seconds after which to ask again; a job has it until it ends."},
    HeaderText{"ETag", kText, "The state's name, for `If-None-Match`."},
    HeaderText{"Cache-Control", kText, "Nobody else may keep it."},
    HeaderText{"Preference-Applied", kText, "The preference of `Prefer` that was followed."},
    HeaderText{
        "Deprecation", kText,
        "Since when requests are not held any more here (RFC 9745); only where this one would "
        "have been."},
    HeaderText{"Idempotency-Replayed", kTrue, "The key was known: this is its job."},
    HeaderText{"Betedge-Joined", kTrue, "An equal request is active already: this is its job."},
    HeaderText{"Accept-Ranges", kText, "That `Range` is understood."},
    HeaderText{"Content-Range", kText, "Which bytes these are, and of how many."},
    HeaderText{"Content-Disposition", kText, "What to save it as."},
    HeaderText{"Set-Cookie", kText, "The session's cookie."},
    HeaderText{"Allow", kText, "The methods that the path takes."},
    HeaderText{"WWW-Authenticate", kText, "How to show a token."},
    HeaderText{"Betedge-Error", kText, "The error's `code`; `HEAD` has no other place for it."},
};

constexpr std::array kSubjects{
    SubjectText{Subject::submit, "submit", "Submit",
                "A submission is stored as a job and answered at once with the job's id; the "
                "downloads are done in the background. Where the server is set so, or with "
                "`Prefer: wait`, it is held until the job ends instead."},
    SubjectText{Subject::jobs, "jobs", "Jobs",
                "A job is as many items as objects are needed. One item's failure never stops the "
                "others."},
    SubjectText{Subject::watching, "watching", "Watching",
                "Events instead of asking again and again. A watcher who is slow misses nothing "
                "that matters: it is brought up to date with a new snapshot."},
    SubjectText{Subject::lake, "lake", "Lake",
                "What the jobs have brought, as it lies there: what there is, what is missing, "
                "whether it is still what was written, and the bytes themselves."},
    SubjectText{Subject::upstreams, "upstreams", "Upstreams", "Where the data comes from."},
    SubjectText{Subject::dashboard, "dashboard", "Dashboard",
                "The same in a browser, at `/ui`: what the lake has and lacks, day by day, jobs "
                "while they run, submitting, and the upstreams."},
    SubjectText{Subject::operations, "operations", "Operations",
                "Probes, metrics, and what this is."},
    SubjectText{
        Subject::access, "access", "Access",
        "Only where the server has a file of tokens; else nobody needs one. A program sends "
        "its token as `Authorization: Bearer …`; a browser logs in for a cookie."},
};

}  // namespace

const Json& schemas() {
  static const Json kAll = all_schemas();
  return kAll;
}

std::span<const HeaderText> answer_headers() {
  return kHeaders;
}

std::span<const SubjectText> subjects() {
  return kSubjects;
}

std::string method_name(Method method) {
  std::string name(to_text(method));
  std::ranges::transform(name, name.begin(),
                         [](char c) { return static_cast<char>(c - 'A' + 'a'); });
  return name;
}

std::string_view introduction() {
  return "betedge turns a request for a stretch of market history into files. `HEAD` is answered "
         "wherever `GET` is. Errors have a sentence in `detail`, and a stable `code` for programs; "
         "with `Accept: application/problem+json` they come as RFC 9457 has them.";
}

std::vector<wire::Problem> refusals_of(const Endpoint& endpoint) {
  using enum wire::ProblemCode;
  std::set<wire::ProblemCode> codes(endpoint.problems.begin(), endpoint.problems.end());
  // What net reads before anybody is asked, and what the guard says to everybody.
  codes.insert({bad_request, invalid_client_id, request_timeout, payload_too_large,
                expectation_failed, misdirected, headers_too_large, internal_error, not_implemented,
                version_not_supported});
  if (endpoint.access != Access::open) codes.insert({unauthorized, forbidden});
  if (endpoint.method != Method::get) codes.insert(foreign_origin);
  std::vector<wire::Problem> found;
  for (const auto code : codes) found.push_back(wire::problem_of(code));
  return found;
}

}  // namespace betedge::server
