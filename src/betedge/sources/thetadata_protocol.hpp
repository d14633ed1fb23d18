#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "betedge/core/plan.hpp"
#include "betedge/ports/source.hpp"

// What ThetaData's terminals want to be asked and what their answers mean (THETA.md); no I/O.
namespace betedge::sources {

enum class ThetaVersion : std::uint8_t { v3, v2 };

// How rows are asked for from a v2 terminal; v3 is always asked for CSV (THETA.md 2.6).
enum class V2Form : std::uint8_t { csv, json };

// A v3 terminal serves a fixed list of intervals (THETA.md 2.3): "15m" for 900000 ms. nullopt for
// one that is not on it.
std::optional<std::string_view> v3_interval(std::chrono::milliseconds interval);
// "1m, 5m, 10m, 15m, 30m, 1h": those of a minute and longer.
std::string_view v3_intervals();

// Path and query of a call. The interval must be one that the version serves.
std::string request_target(const Call& call, ThetaVersion version, V2Form form);

// Path and query of the list of all expirations that a root's options ever had or have.
std::string expirations_target(const Symbol& root, ThetaVersion version);

// That list, read: each day once, in order. Days come with or without dashes, and rows may be blank
// (THETA.md 2.8). upstream_garbled when it is none: another header, or a day that is no day.
Result<std::vector<Date>> expirations_of(std::string_view body, ThetaVersion version);

// The path and query that answer "CONNECTED" when the terminal is up and logged in.
std::string_view status_target(ThetaVersion version);

// What the terminal answered to that other than 200 "CONNECTED", for the person on call: whether to
// wait or what to do.
std::string why_not_ready(int status, std::string_view body);

struct NoData {};

// What a status other than 200 means (THETA.md 1.8): 472 is no data by its code, whatever the text.
// `body` is the terminal's own text, of which the first line goes into the message; `retry_after`
// is that header's value in seconds, or empty.
std::variant<NoData, Error> meaning_of(int status, std::string_view body,
                                       std::string_view retry_after);

// A page's address as a v2 terminal gives it, brought back to a path on our own base: the host it
// names is its own view and is never followed (THETA.md 1.7). nullopt for "null", empty and
// missing, which mean the same: no further page. upstream_garbled when it is no /v2/page/… at all.
Result<std::optional<std::string>> page_target(std::optional<std::string_view> next_page);

// The value of "next_page" of a v2 JSON document, given its first bytes; nullopt while the header
// is not complete yet. upstream_garbled when there is no header in the first 64 KiB.
Result<std::optional<std::string>> next_page_of_json(std::string_view beginning);

// A base URL without its trailing '/', "/v2" or "/v3".
std::string base_of(std::string_view url);

}  // namespace betedge::sources
