#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string_view>

#include "betedge/wire/python_json.hpp"
#include "betedge/wire/request.hpp"

// The bodies of submits: whatever comes, it is either a request that survives being stored and read
// again, or a refusal whose own body is JSON.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace betedge;
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  for (const auto kind : {Kind::option, Kind::stock, Kind::earnings}) {
    const auto parsed = wire::parse_submission(kind, "application/json", body, Existing::keep);
    if (parsed) {
      for (const auto& request : parsed->submission.requests) {
        const auto again = wire::request_from_json(wire::to_json(request));
        if (!again || *again != request) std::abort();
      }
      if (!wire::parse_python_json(wire::to_json(parsed->submission))) std::abort();
    } else if (!nlohmann::json::accept(parsed.error().body)) {
      // Not our own reader: a body given back inside of it may be nested deeper than that takes.
      std::abort();
    }
  }
  return 0;
}
