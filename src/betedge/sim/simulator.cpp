#include "betedge/sim/simulator.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "betedge/sim/simulator_impl.hpp"

namespace betedge::sim {

std::string_view to_text(Terminal terminal) {
  for (const auto& [name, value] : kTerminals) {
    if (value == terminal) return name;
  }
  return "";
}

ServerResponse answer(int status, std::string_view type, std::string body) {
  ServerResponse response;
  response.status = status;
  response.headers = {{"Content-Type", std::string(type)}, {"Server", "Jetty(12.0.14)"}};
  response.body = SharedBytes::of(std::move(body));
  return response;
}

ServerResponse answer(const Json& document) {
  return answer(200, "application/json", document.dump(2) + "\n");
}

namespace {

// Could a listener of this port begin now?
bool is_free(std::uint16_t port) {
  if (port == 0) return true;
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return true;  // listening will say what is wrong
  const int yes = 1;
  ::setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool is_bound =
      ::bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  ::close(descriptor);
  return is_bound;
}

}  // namespace

Result<std::unique_ptr<net::HttpServer>> Simulator::Impl::listen(Door door, std::uint16_t port) {
  net::ServerOptions how;
  how.port = port;
  how.max_body_bytes = 1 << 20;
  return net::make_http_server(runtime, std::move(how), [this, door](ServerRequest request) {
    return handle(std::move(request), door);
  });
}

Task<ServerResponse> Simulator::Impl::handle(ServerRequest request, Door door) {
  if (request.path == "/sim" || request.path.starts_with("/sim/")) {
    co_return co_await handle_control(std::move(request), door);
  }
  if (request.path == kEarningsPath) co_return co_await handle_earnings(std::move(request));
  if (door == Door::control)
    co_return answer(404, "text/plain", "this port serves /sim and the calendar\n");
  const bool is_v3 = door == Door::v3;
  if (request.method != "GET" && request.method != "HEAD") {
    co_return answer(405, "text/plain", "GET only\n");
  }
  const ProtocolOptions understanding{.chain_spans = options.chain_spans};
  auto parsed = is_v3 ? parse_v3(request.path, request.query, understanding)
                      : parse_v2(request.path, request.query, understanding);
  if (std::holds_alternative<StatusCall>(parsed)) {
    ++status_calls;
    switch (state()) {
      case Terminal::up: co_return answer(200, "text/plain", "CONNECTED");
      case Terminal::disconnected: co_return answer(200, "text/plain", "DISCONNECTED");
      case Terminal::kicked: co_return answer(200, "text/plain", "UNVERIFIED");
      case Terminal::wrong_ip:
        co_return answer(476, "text/plain", std::string(status_text(476, is_v3)));
      case Terminal::starting:
        co_return answer(571, "text/plain", std::string(status_text(571, is_v3)));
      case Terminal::down:
      case Terminal::gone: break;
    }
    ServerResponse response;
    response.drop_connection = true;
    co_return response;
  }
  auto key = canonical_call(request.path, request.query);
  if (const auto* const page = std::get_if<PageCall>(&parsed)) {
    co_return co_await handle_page(std::move(request), page->page);
  }
  ++calls;
  const auto record = record_of(key);
  ++record->calls;
  if (auto* const data = std::get_if<DataCall>(&parsed)) {
    auto call = std::move(*data);
    co_return co_await handle_data(std::move(request), door, std::move(call), std::move(key));
  }
  if (auto refused = refusal_of_state(is_v3)) {
    count(*record, refused->drop_connection ? "dropped" : std::to_string(refused->status));
    co_return *std::move(refused);
  }
  auto response =
      std::holds_alternative<ListCall>(parsed)
          ? handle_list(std::get<ListCall>(parsed), is_v3)
          : answer(std::get<Refusal>(parsed).status, std::get<Refusal>(parsed).content_type,
                   std::get<Refusal>(parsed).body);
  count(*record, std::to_string(response.status));
  co_return response;
}

std::optional<ServerResponse> Simulator::Impl::refusal_of_state(bool is_v3) const {
  const auto with = [is_v3](int status) {
    return answer(status, "text/plain", std::string(status_text(status, is_v3)));
  };
  switch (state()) {
    case Terminal::up: return std::nullopt;
    case Terminal::starting: return with(571);
    case Terminal::disconnected: return with(474);
    case Terminal::kicked: return with(478);
    case Terminal::wrong_ip: return with(476);
    case Terminal::down:
    case Terminal::gone: break;
  }
  ServerResponse response;
  response.drop_connection = true;
  return response;
}

ServerResponse Simulator::Impl::throttled(bool is_v3) const {
  auto response = answer(429, "text/plain", std::string(status_text(429, is_v3)));
  if (options.retry_after) {
    response.headers.emplace_back("Retry-After", std::to_string(options.retry_after->count()));
  }
  return response;
}

ServerResponse Simulator::Impl::ended(Exchange& exchange, int status, bool is_v3) {
  exchange.end(std::to_string(status));
  return answer(status, "text/plain", std::string(status_text(status, is_v3)));
}

ServerResponse Simulator::Impl::dropped(Exchange& exchange) {
  exchange.end("dropped");
  ServerResponse response;
  response.drop_connection = true;
  return response;
}

Task<void> Simulator::Impl::hold(Terminal held, std::optional<milliseconds> how_long) {
  const auto change = terminal_changes;
  std::optional<SteadyTime> until;
  if (how_long) until = runtime.steady_now() + *how_long;
  if (held == Terminal::gone) co_await close_doors();
  while (change == terminal_changes && !tasks.stop_token().stop_requested()) {
    if (co_await terminal_changed.wait(tasks.stop_token(), until) == Woken::timed_out) {
      if (change == terminal_changes) terminal = Terminal::up;
      break;
    }
  }
  if (terminal == Terminal::gone || tasks.stop_token().stop_requested()) co_return;
  if (held == Terminal::gone) up_since = runtime.steady_now();
  co_await open_doors();
}

Task<void> Simulator::Impl::restart_again_and_again() {
  while (co_await sleep_for(runtime, options.restart_every, tasks.stop_token())) {
    if (terminal != Terminal::up) continue;
    terminal = Terminal::gone;
    ++terminal_changes;
    cut_all();
    co_await hold(Terminal::gone, options.restart_takes);
  }
}

Task<void> Simulator::Impl::close_doors() {
  // One after the other; each takes what it holds, so that nobody closes it twice.
  for (auto* const door : {&v3, &v2}) {
    const auto server = std::exchange(*door, nullptr);
    if (server) co_await server->stop(milliseconds(200));
  }
  terminal_changed.notify_all();
}

Task<void> Simulator::Impl::open_doors() {
  while (!tasks.stop_token().stop_requested()) {
    const auto open = [this](std::unique_ptr<net::HttpServer>& server, Door door,
                             std::uint16_t port) {
      if (server) return true;
      auto opened = listen(door, port);
      if (opened) server = *std::move(opened);
      return opened.has_value();
    };
    if (open(v3, Door::v3, v3_port) && open(v2, Door::v2, v2_port)) break;
    // Somebody else has the port just now.
    co_await sleep_for(runtime, milliseconds(20), tasks.stop_token());
  }
  terminal_changed.notify_all();
}

Task<void> Simulator::Impl::stop() {
  cut_all();
  co_await tasks.close();
  for (auto* const door : {&v3, &v2, &control}) {
    if (*door) co_await (*door)->stop(milliseconds(200));
  }
}

Result<std::unique_ptr<Simulator>> Simulator::open(net::AsioRuntime& runtime, SimOptions options) {
  auto impl = std::make_unique<Impl>(runtime, std::move(options));
  if (!impl->options.replay.empty()) {
    BETEDGE_TRY(impl->replay, Replay::open(impl->options.replay));
  }
  if (!impl->options.earnings_replay.empty()) {
    BETEDGE_TRY(impl->earnings_replay, EarningsReplay::open(impl->options.earnings_replay));
  }
  struct Wanted {
    Door door;
    std::uint16_t port;
    std::unique_ptr<net::HttpServer>& server;
  };
  std::vector<Wanted> wanted{{Door::v3, impl->options.v3_port, impl->v3},
                             {Door::v2, impl->options.v2_port, impl->v2}};
  if (const auto port = impl->options.control_port) {
    wanted.push_back({Door::control, *port, impl->control});
  }
  // A port that cannot be had is found before anything listens that would then have to be stopped,
  // for which this is no coroutine.
  for (auto one = wanted.begin(); one != wanted.end(); ++one) {
    const bool is_twice =
        one->port != 0 && std::any_of(wanted.begin(), one,
                                      [&](const Wanted& other) { return other.port == one->port; });
    if (is_twice || !is_free(one->port)) {
      return fail(ErrorCode::conflict, fmt::format("port {} is taken", one->port));
    }
  }
  for (auto& one : wanted) {
    auto opened = impl->listen(one.door, one.port);
    if (!opened) {
      if (one.door == Door::v3) return std::unexpected(std::move(opened).error());
      impl.release();  // NOLINT: it listens already, and only the process's end can stop that now
      throw std::runtime_error(opened.error().message);
    }
    one.server = *std::move(opened);
  }
  impl->v3_port = impl->v3->port();
  impl->v2_port = impl->v2->port();
  if (impl->options.restart_every.count() > 0) {
    impl->tasks.spawn(impl->restart_again_and_again());
  }
  return std::unique_ptr<Simulator>(new Simulator(std::move(impl)));
}

Simulator::Simulator(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Simulator::~Simulator() = default;

std::uint16_t Simulator::v3_port() const {
  return impl_->v3_port;
}
std::uint16_t Simulator::v2_port() const {
  return impl_->v2_port;
}
std::optional<std::uint16_t> Simulator::control_port() const {
  if (!impl_->control) return std::nullopt;
  return impl_->control->port();
}
std::string Simulator::stats() const {
  return impl_->stats().dump(2);
}
Task<void> Simulator::stop() {
  return impl_->stop();
}

}  // namespace betedge::sim
