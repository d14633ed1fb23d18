#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "betedge/core/request.hpp"
#include "betedge/wire/refusal.hpp"

namespace betedge::wire {

struct ParsedRequest {
  HistoricalRequest request;
  // What was accepted and has no effect, one sentence each: "unknown member 'colour' ignored".
  std::vector<std::string> warnings;
};

// The body of POST /historical/{kind}, as its sender wrote it, to a validated, normalised request;
// or the answer that says everything that is wrong with it, byte for byte as the Python original
// would (API.md, Submit and Errors). A pure function; memory is a small multiple of the body.
//
// `content_type` is the header's value, empty when it was not sent (then, and for application/json
// and application/*+json, the body is read as JSON). `existing` holds when the body has no
// force_refresh.
//
// Where it is stricter or wider than the original, as API.md asks or because the original broke:
//  - root is checked: string_pattern_mismatch for what cannot be one folder of an object key;
//  - option `ohlc` and years before 2020 are allowed; a date before 1900 is a value_error;
//  - the rules of interval (at least 60000) and return_format are told together with all others,
//    not only when nothing else is wrong, and also when no session is asked for;
//  - interval is at most a day (less_than_equal); for `eod` it must be a non-negative integer, and
//    is then ignored;
//  - start_time and end_time are at most 86400000 (less_than_equal) and in order (a value_error of
//    end_time); for `eod`, which has none, they are checked and then ignored with a warning;
//  - `data_schema` is read for `schema`, and faults are told under the name that was sent;
//  - NaN and infinities are told as null, lone surrogates as U+FFFD, since an answer cannot hold
//  them
//    (the original: a 500);
//  - nesting deeper than 32 is a body that cannot be read (400).
std::expected<ParsedRequest, Refusal> parse_historical_request(Kind kind,
                                                               std::string_view content_type,
                                                               std::string_view body,
                                                               Existing existing);

// A request as it is stored, shown in a job and written into files: one line of JSON with the HTTP
// contract's names after "kind". The same request gives the same bytes. eod's interval is null.
std::string to_json(const HistoricalRequest& request);

// Reads what to_json wrote. invalid_request when it is anything else.
Result<HistoricalRequest> request_from_json(std::string_view json);

}  // namespace betedge::wire
