#include "betedge/server/handlers.hpp"

namespace betedge::server {

// The lake's part of the table (handlers.cpp has the rest).
std::vector<Handlers::Route> Handlers::lake_routes() {
  using enum Method;
  using enum Subject;
  using enum wire::ProblemCode;
  const Parameter job_id{In::path, "job_id", R"({"type":"string","format":"uuid"})",
                         "The job's id, in any spelling of a UUID."};
  const Parameter key{In::path, "key",
                      R"({"type":"string","minLength":1,"maxLength":1024,)"
                      R"("examples":["historical-stock/eod/AAPL/2023/data.parquet"]})",
                      "The object's key, slashes and all; percent-encoded as usual."};
  const std::vector<wire::ProblemCode> of_the_lake{lake_unavailable, starting, store_unavailable,
                                                   unavailable};
  const auto and_also = [](std::vector<wire::ProblemCode> codes,
                           std::initializer_list<wire::ProblemCode> more) {
    codes.insert(codes.end(), more);
    return codes;
  };
  return {
      {{.method = get,
        .pattern = "/lake/roots",
        .access = Access::read,
        .subject = lake,
        .summary = "What lies in the lake",
        .text = "By series: a symbol, a schema, an interval and a format. One pass over all of the "
                "lake, which takes seconds for a million objects.",
        .answers = {{200, "LakeRoots", "What there is."}},
        .problems = of_the_lake,
        .example = "/lake/roots\""},
       &Handlers::lake_roots},
      {{.method = get,
        .pattern = "/lake/coverage",
        .access = Access::read,
        .subject = lake,
        .summary = "Which days of a series there are",
        .text = "Each session of the range, for earnings each weekday: `present`, `no_data` (the "
                "vendor has none, or the day's object has no rows of it), `failed` (the last try "
                "did), `stale` (what lies there is not what would be written today) or `missing`. "
                "Only what lies in the lake at that moment is present. Days that have not ended in "
                "New York are left out.",
        .parameters =
            {{In::query, "kind", R"({"type":"string","enum":["option","stock","earnings"]})",
              "What it is of. Needed."},
             {In::query, "root",
              R"({"type":"string","pattern":"^[A-Za-z0-9^][A-Za-z0-9.^-]{0,15}$"})",
              "The underlying's symbol. Needed but for earnings, which have none."},
             {In::query, "schema",
              R"({"type":"string","enum":["quote","ohlc","eod"],"default":"quote"})",
              "As a submission's."},
             {In::query, "interval", R"({"type":"integer","minimum":60000,"maximum":86400000})",
              "Milliseconds, as a submission's: left out, 900000 for options and 60000 for "
              "stocks."},
             {In::query, "start_date", R"({"type":"string","pattern":"^[0-9]{6}([0-9]{2})?$"})",
              "The first day, `YYYYMMDD`, for earnings the first month, `YYYYMM`. Left out: the "
              "first that is known of the series."},
             {In::query, "end_date", R"({"type":"string","pattern":"^[0-9]{6}([0-9]{2})?$"})",
              "The last day, or month; at most 10 years. Left out: the last session that has "
              "ended."},
             {In::query, "return_format",
              R"({"type":"string","enum":["parquet","ipc"],"default":"parquet"})",
              "As a submission's."},
             {In::query, "start_time", R"({"type":"integer","minimum":0,"maximum":86400000})",
              "As a submission's: objects of a window are a series of their own."},
             {In::query, "end_time", R"({"type":"integer","minimum":0,"maximum":86400000})",
              "Likewise."}},
        .answers = {{200, "Coverage", "The days."}},
        .problems = and_also(of_the_lake, {validation_error}),
        .example =
            "/lake/coverage?kind=stock&root=AAPL&schema=eod&start_date=20240102&end_date=20240131"
            "\""},
       &Handlers::lake_coverage},
      {{.method = post,
        .pattern = "/lake/fill",
        .access = Access::submit,
        .subject = lake,
        .summary = "Submit what is missing of a series",
        .text = "One job of exactly the objects whose days are missing, failed or stale; its "
                "`request` says under `only` which days those are. Always answered at once: a "
                "request is never held here, whatever the rollout's settings and `Prefer` say. An "
                "equal job that is active is joined.",
        .parameters =
            {{In::query, "dry_run", R"({"type":"boolean","default":false})",
              "`true`: say what would be done, and do nothing. `1` and `yes` are true, too."},
             {In::header, "Idempotency-Key",
              R"({"type":"string","minLength":1,"maxLength":255,"pattern":"^[!#-~]+$"})",
              "A name of your own for this request, kept for 24 hours: sent again with it, the "
              "same fill gets the same job, whatever is missing by then."},
             {In::header, "X-Client-Id",
              R"({"type":"string","minLength":1,"maxLength":64,"pattern":"^[!-~]+$"})",
              "Who asks, where no token says it."}},
        .body = "FillRequest",
        .answers = {{202,
                     "JobAccepted",
                     "The job is stored.",
                     {"Location", "Retry-After", "Idempotency-Replayed", "Betedge-Joined"}},
                    {200, "Filled",
                     "Nothing is missing: `NothingToFill`. With `dry_run`, what would be done: "
                     "`DryRun`."}},
        .problems = and_also(of_the_lake,
                             {body_unreadable, invalid_idempotency_key, idempotency_in_flight,
                              idempotency_key_reused, validation_error, quota_exceeded, draining}),
        .example = R"(/lake/fill?dry_run=true" --json '{"kind":"stock","root":"AAPL",)"
                   R"("schema":"eod","start_date":"20240102","end_date":"20240131"}')"},
       &Handlers::fill_lake},
      {{.method = post,
        .pattern = "/lake/verify",
        .access = Access::read,
        .subject = lake,
        .summary = "Read the lake again, and compare",
        .text =
            "Each object under a key of ours is read whole: its size, SHA-256, rows and the digest "
            "of its values are compared with what was recorded and with what the file says of "
            "itself. A line for each difference, a line of progress now and then, and a last line "
            "with the counts, or with an `error`; without such a last line the answer is not "
            "whole. An object that nobody recorded is named `unknown`, and, when it is in order, "
            "recorded. There is one verification at a time; it ends when its caller goes away. "
            "With `repair`, which needs the scope submit, what is missing, torn, changed or "
            "foreign is downloaded again: one job a series.",
        .body = "VerifyRequest",
        .is_body_needed = false,
        .answers = {{200,
                     "VerifyLine",
                     "The lines, as they come.",
                     {"Cache-Control"},
                     "application/x-ndjson"}},
        .problems = {body_unreadable, validation_error, verification_in_progress, draining,
                     starting},
        .example = R"(/lake/verify" -N --json '{"prefix":"historical-stock/"}')"},
       &Handlers::verify_lake},
      {{.method = get,
        .pattern = "/objects",
        .access = Access::read,
        .subject = lake,
        .summary = "List objects",
        .text = "In the byte order of their keys, a page at a time.",
        .parameters =
            {{In::query, "prefix", R"({"type":"string","maxLength":1023,"examples":["earnings/"]})",
              "What their keys begin with."},
             {In::query, "limit", R"({"type":"integer","minimum":1,"default":100})",
              "The most objects to return; more than 1000 are taken as 1000."},
             {In::query, "cursor", R"({"type":"string"})", "`next_cursor` of the page before."}},
        .answers = {{200, "ObjectPage", "The objects."}},
        .problems = and_also(of_the_lake, {invalid_cursor, validation_error}),
        .example = "/objects?prefix=historical-stock/eod/\""},
       &Handlers::list_objects},
      {{.method = get,
        .pattern = "/objects/{key...}",
        .access = Access::read,
        .subject = lake,
        .summary = "Download an object",
        .text =
            "Its bytes, or with `Range` some of them. The `ETag` is strong: it is another one when "
            "the object is written again, and with `If-Range` a download goes on only where it "
            "is the same. One that is written again while it is being sent is cut off.",
        .parameters =
            {key,
             {In::header, "Range", R"({"type":"string","examples":["bytes=0-1023"]})",
              "One range of bytes. Several, and what is none, are answered with all of it."},
             {In::header, "If-None-Match", R"({"type":"string"})",
              "The `ETag` that is known: 304 while it is still right."},
             {In::header, "If-Range", R"({"type":"string"})",
              "The `ETag` of what was begun: `Range` counts only while it is still right."}},
        .answers = {{200,
                     "Bytes",
                     "The object.",
                     {"ETag", "Cache-Control", "Accept-Ranges", "Content-Disposition"},
                     "application/*"},
                    {206,
                     "Bytes",
                     "The part of it.",
                     {"ETag", "Cache-Control", "Accept-Ranges", "Content-Range",
                      "Content-Disposition"},
                     "application/*"},
                    {304, "", "It is as `If-None-Match` says.", {"ETag", "Cache-Control"}}},
        .problems = and_also(of_the_lake, {object_not_found, range_not_satisfiable}),
        .example = "/objects/historical-stock/ohlc/1m/AAPL/2024/01/02/data.parquet\" -OJ"},
       &Handlers::get_object},
      {{.method = get,
        .pattern = "/jobs/{job_id}/manifest",
        .access = Access::read,
        .subject = lake,
        .summary = "What a job has brought, object by object",
        .text = "All of its objects with rows, bytes and SHA-256, at once; of one that was there "
                "already, what is recorded of it now.",
        .parameters = {job_id},
        .answers = {{200, "Manifest", "The manifest.", {"Cache-Control"}}},
        .problems = {invalid_job_id, job_not_found, starting, store_unavailable, unavailable},
        .example = "/jobs/$JOB/manifest\""},
       &Handlers::get_manifest},
      {{.method = put,
        .pattern = "/jobs/{job_id}/manifest",
        .access = Access::submit,
        .subject = lake,
        .summary = "Write a job's manifest into the lake",
        .text = "As `manifests/{job_id}.json`, whole or not at all, in place of the one of before. "
                "Only of a job that has ended.",
        .parameters = {job_id},
        .answers = {{201, "ManifestWritten", "It lies there.", {"Location"}}},
        .problems = and_also(of_the_lake, {invalid_job_id, job_not_found, conflict, draining}),
        .example = "/jobs/$JOB/manifest\" -X PUT"},
       &Handlers::put_manifest},
  };
}

}  // namespace betedge::server
