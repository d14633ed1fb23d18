#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "betedge/columnar/earnings.hpp"

// A day's answer is read or refused as garbled, with the day in the sentence; what was read has a
// symbol in every row.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace betedge;  // NOLINT(google-build-using-namespace)
  const auto day = columnar::parse_earnings_day(
      *from_yyyymmdd(20240305), std::string_view(reinterpret_cast<const char*>(data), size));
  const auto give_up = [](const char* why) {
    std::fputs(why, stderr);
    std::abort();
  };
  if (!day) {
    if (day.error().code != ErrorCode::upstream_garbled) give_up("not garbled");
    if (!day.error().message.contains("2024-03-05")) give_up("the sentence has no day");
    return 0;
  }
  for (const auto& row : day->rows) {
    if (row.symbol.empty()) give_up("a row without a symbol");
    if (row.num_estimates.value_or(0) < 0) give_up("fewer estimates than none");
  }
  return 0;
}
