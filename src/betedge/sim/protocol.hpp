#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "betedge/sim/data.hpp"
#include "betedge/sim/render.hpp"

// What a call to a terminal asks for, read as strictly as the terminal reads it (THETA.md 1.2, 1.3,
// 2.2, 2.3). No I/O.
namespace betedge::sim {

using Parameters = std::vector<std::pair<std::string, std::string>>;

struct DataCall {
  Query query;
  Form form = Form::v3_csv;
};

struct ListCall {
  enum class What : std::uint8_t { symbols, expirations, strikes, dates } what = What::symbols;
  std::string symbol;
  std::uint32_t expiration = 0;  // of strikes
  bool csv = true;
};

struct StatusCall {};  // "CONNECTED"

struct PageCall {
  std::uint64_t page = 0;
};

// An answer that needs no data.
struct Refusal {
  int status = 400;
  std::string content_type = "text/plain";
  std::string body;
};

using ParsedCall = std::variant<DataCall, ListCall, StatusCall, PageCall, Refusal>;

struct ProtocolOptions {
  bool chain_spans = false;
};

// What a v3 or a v2 terminal understands. Of a parameter that comes twice, the first counts.
ParsedCall parse_v3(std::string_view path, const Parameters& parameters, ProtocolOptions options);
ParsedCall parse_v2(std::string_view path, const Parameters& parameters, ProtocolOptions options);

// Path and parameters in one text, sorted, so that the same call always has the same one.
std::string canonical_call(std::string_view path, Parameters parameters);

}  // namespace betedge::sim
