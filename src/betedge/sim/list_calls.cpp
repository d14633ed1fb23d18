#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "betedge/core/calendar.hpp"
#include "betedge/sim/mix.hpp"
#include "betedge/sim/simulator_impl.hpp"

namespace betedge::sim {

ServerResponse Simulator::Impl::handle_list(const ListCall& call, bool is_v3) const {
  const auto no_data = [is_v3] {
    return answer(472, "text/plain", std::string(status_text(472, is_v3)));
  };
  if (replay && !options.replay_falls_back) return no_data();
  const auto last_day = today() - std::chrono::days{1};
  // Numbers as v2 has them; v3 shows dates with dashes and strikes in dollars.
  std::vector<std::uint32_t> numbers;
  std::vector<std::string> texts;
  std::string_view column;
  switch (call.what) {
    case ListCall::What::symbols:
      column = is_v3 ? "symbol" : "root";
      for (const auto symbol : Market::known_symbols()) texts.emplace_back(symbol);
      break;
    case ListCall::What::expirations:
      column = "expiration";
      numbers = market.expirations(call.symbol, last_day);
      break;
    case ListCall::What::dates:
      column = "date";
      for (const auto day :
           sessions({market.listed(call.symbol), std::max(last_day, market.listed(call.symbol))})) {
        if (day <= last_day) numbers.push_back(to_yyyymmdd(day));
      }
      break;
    case ListCall::What::strikes: {
      column = "strike";
      auto day = from_yyyymmdd(call.expiration).value_or(last_day);
      day = std::min(day, last_day);
      while (!is_session(day)) day -= std::chrono::days{1};
      for (const auto& contract : market.chain(call.symbol, day)) {
        if (contract.expiration == call.expiration && contract.right == 'C') {
          numbers.push_back(contract.strike);
        }
      }
      // As a terminal lists them: in no order (THETA.md 2.4).
      std::ranges::sort(numbers, {},
                        [&](std::uint32_t strike) { return mix(call.expiration, strike); });
      break;
    }
  }
  const bool has_symbol =
      call.what == ListCall::What::strikes || call.what == ListCall::What::expirations;
  for (const auto number : numbers) {
    if (!is_v3) {
      texts.push_back(std::to_string(number));
    } else if (call.what == ListCall::What::strikes) {
      texts.push_back(price_text(std::int64_t{number} * 10, 3));
    } else {
      texts.push_back(to_iso_text(from_yyyymmdd(number).value()));
    }
  }
  if (texts.empty()) return no_data();
  if (!is_v3 && !call.csv) {
    Json list = Json::array();
    for (const auto number : numbers) list.push_back(number);
    if (numbers.empty()) list = texts;
    const Json document{{"header",
                         {{"id", 1},
                          {"latency_ms", 1},
                          {"error_type", "null"},
                          {"error_msg", "null"},
                          {"next_page", "null"},
                          {"format", nullptr}}},
                        {"response", std::move(list)}};
    return answer(200, "application/json", document.dump());
  }
  const auto ending = is_v3 && options.render.crlf ? "\r\n" : "\n";
  const bool names_symbol = is_v3 && has_symbol;
  auto text = fmt::format("{}{}{}", names_symbol ? "symbol," : "", column, ending);
  for (const auto& entry : texts) {
    if (names_symbol) text += call.symbol + ",";
    text += entry;
    text += ending;
  }
  return answer(200, "text/csv", std::move(text));
}

}  // namespace betedge::sim
