#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "betedge/sim/simulator_impl.hpp"

namespace betedge::sim {

namespace {

ServerResponse bad_control(std::string why) {
  return answer(400, "application/json", Json{{"error", std::move(why)}}.dump() + "\n");
}

}  // namespace

Task<ServerResponse> Simulator::Impl::handle_control(ServerRequest request, Door door) {
  const auto is = [&](std::string_view method, std::string_view path) {
    return request.method == method && request.path == path;
  };
  if (is("GET", "/sim/stats")) co_return answer(stats());
  if (is("POST", "/sim/reset")) {
    records.clear();
    outcomes.clear();
    calls = status_calls = body_bytes = 0;
    most_in_service_ = gate_.in_use();
    most_outstanding_ = outstanding();
    faults.forget_counts();
    pages.clear();
    co_return answer(stats());
  }
  if (request.method == "PUT") {
    const auto body = Json::parse(request.body, nullptr, /*allow_exceptions=*/false);
    if (!body.is_object()) co_return bad_control("the body is no JSON object");
    if (request.path == "/sim/state") co_return co_await put_state(body, door, request.gone);
    if (request.path == "/sim/options") co_return put_options(body);
    if (request.path == "/sim/faults") co_return put_faults(body);
  }
  co_return answer(
      404, "text/plain",
      "GET /sim/stats\nPUT /sim/state {\"terminal\":\"up|down|gone|starting|"
      "disconnected|kicked|wrong-ip\",\"for_ms\":N,\"drop_all\":true}\nPUT /sim/options "
      "{\"latency\":\"50ms\"}\nPUT /sim/faults {\"faults\":[\"571@first=1\"]}\n"
      "POST /sim/reset\n");
}

Task<ServerResponse> Simulator::Impl::put_state(Json body, Door door, std::stop_token client_gone) {
  std::optional<Terminal> wanted;
  std::optional<milliseconds> how_long;
  bool drop_all = false;
  for (const auto& [name, value] : body.items()) {
    if (name == "terminal" && value.is_string()) {
      for (const auto& [text, named] : kTerminals) {
        if (text == value.get<std::string>()) wanted = named;
      }
      if (!wanted) co_return bad_control("there is no such state of the terminal");
    } else if (name == "drop_all" && value.is_boolean()) {
      drop_all = value.get<bool>();
    } else if (name == "for_ms" && value.is_number_unsigned()) {
      how_long = milliseconds(value.get<std::uint32_t>());
    } else {
      co_return bad_control("takes terminal, drop_all and for_ms");
    }
  }
  if (wanted == Terminal::gone && !how_long && !control) {
    co_return bad_control("gone needs for_ms, or a control port to come back by");
  }
  if (how_long && (!wanted || *wanted == Terminal::up)) {
    co_return bad_control("for_ms goes with a terminal that is not up");
  }
  if (drop_all || wanted == Terminal::down || wanted == Terminal::gone) cut_all();
  if (wanted) {
    terminal = *wanted;
    ++terminal_changes;
    terminal_changed.notify_all();
    if (how_long || *wanted == Terminal::gone) tasks.spawn(hold(*wanted, how_long));
    // Who asks by the control port is answered when it is so. The other doors cannot wait for
    // themselves to close.
    if (door == Door::control) {
      while ((terminal == Terminal::gone) == static_cast<bool>(v2)) {
        if (co_await terminal_changed.wait(client_gone) == Woken::stopped) break;
      }
    }
  }
  co_return answer(stats());
}

ServerResponse Simulator::Impl::put_options(const Json& body) {
  auto changed = options;
  for (const auto& [name, value] : body.items()) {
    const auto known = sim::options();
    const auto option = std::ranges::find(known, std::string_view(name), &SimOption::name);
    if (option == known.end() || !option->live) {
      return bad_control(fmt::format("'{}' is no option that may be changed now", name));
    }
    if (!value.is_string()) return bad_control("values are texts, as on the command line");
    const auto done = set(changed, name, value.get<std::string>());
    if (!done) return bad_control(done.error().message);
  }
  options = std::move(changed);
  gate_.set_limit(options.concurrency);
  return answer(stats());
}

ServerResponse Simulator::Impl::put_faults(const Json& body) {
  if (body.size() != 1 || !body.contains("faults") || !body.at("faults").is_array()) {
    return bad_control("takes faults: a list of texts, as --fault takes them");
  }
  std::vector<Fault> wanted;
  for (const auto& text : body.at("faults")) {
    if (!text.is_string()) return bad_control("a fault is a text, as --fault takes it");
    auto fault = parse_fault(text.get<std::string>());
    if (!fault) return bad_control(fault.error().message);
    wanted.push_back(*std::move(fault));
  }
  faults.replace(std::move(wanted));
  return answer(stats());
}

}  // namespace betedge::sim
