#pragma once

#include <chrono>
#include <cstddef>
#include <expected>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "betedge/core/request.hpp"
#include "betedge/wire/refusal.hpp"

namespace betedge::wire {

struct ParsedSubmission {
  Submission submission;
  // What was accepted and has no effect, one sentence each: "unknown member 'colour' ignored".
  std::vector<std::string> warnings;
};

// The body of POST /historical/option, /historical/stock or /earnings, as its sender wrote it, to a
// validated, normalised submission; or the answer that says everything that is wrong with it, byte
// for byte as the Python original would (API.md, Submit and Errors). A pure function; memory is a
// small multiple of the body.
//
// `content_type` is the header's value, empty when it was not sent (then, and for application/json
// and application/*+json, the body is read as JSON). `existing` holds when the body has neither
// mode nor force_refresh.
//
// Part 2's members: `roots` (1 to kMostRoots symbols, in place of `root`; one named twice is taken
// once, with a warning), `mode` (skip, refresh, force), `labels` (an object of texts), `priority`
// (-100 to 100).
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
//  - earnings of years before 2020 are allowed;
//  - `data_schema` is read for `schema`, and faults are told under the name that was sent;
//  - NaN and infinities are told as null, lone surrogates as U+FFFD, since an answer cannot hold
//  them
//    (the original: a 500);
//  - nesting deeper than 32 is a body that cannot be read (400).
std::expected<ParsedSubmission, Refusal> parse_submission(Kind kind, std::string_view content_type,
                                                          std::string_view body, Existing existing);

// Which series of the lake, and which of its days (GET /lake/coverage, POST /lake/fill).
struct ParsedSeries {
  HistoricalRequest request;  // but for its dates
  std::optional<Date> first{};
  std::optional<Date> last{};
  std::map<std::string, std::string> labels{};  // of a body alone, as is priority
  int priority = 0;
  std::vector<std::string> warnings{};
};

// The members of a submit but for roots and modes, with `kind` (option, stock, earnings), and with
// both dates optional; of earnings the dates are months. The range, up to `today` when its end was
// not sent, must not be longer than `longest` (a value_error of end_date). Of a query the last
// value of a name counts; its faults are at ["query", name].
std::expected<ParsedSeries, Refusal> parse_series(
    std::span<const std::pair<std::string, std::string>> query, Date today,
    std::chrono::years longest);
std::expected<ParsedSeries, Refusal> parse_fill(std::string_view content_type,
                                                std::string_view body, Date today,
                                                std::chrono::years longest);

// The body of POST /lake/verify; an empty one asks for all, and repairs nothing.
struct ParsedVerify {
  std::string prefix{};
  bool repair = false;
};
std::expected<ParsedVerify, Refusal> parse_verify(std::string_view content_type,
                                                  std::string_view body);

// `?prefix=`, what keys begin with: a value_error when none can.
std::expected<std::string, Refusal> parse_prefix(std::optional<std::string_view> text);

inline constexpr std::size_t kMostRoots = 10'000;

// The submission as its job shows it: the request's members, `roots` in place of `root` when there
// are several, labels, priority and `only` when there are any. The same submission gives the same
// bytes.
std::string to_json(const Submission& submission);

// Which dataset (core/dataset.hpp) a job's request is of; "other" when it cannot be told.
std::string_view dataset_of_request(std::string_view request_json);

// A request as it is stored, shown in a job and written into files: one line of JSON with the HTTP
// contract's names after "kind". The same request gives the same bytes. eod's interval is null;
// earnings have months ("202401"), and no root, schema, interval or times.
std::string to_json(const HistoricalRequest& request);

// Reads what to_json wrote. invalid_request when it is anything else.
Result<HistoricalRequest> request_from_json(std::string_view json);

}  // namespace betedge::wire
