#include "betedge/sim/simulator.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <deque>
#include <list>
#include <map>
#include <new>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>
#include <vector>

#include "betedge/core/calendar.hpp"
#include "betedge/net/http_server.hpp"
#include "betedge/net/limiter.hpp"
#include "betedge/ports/async.hpp"
#include "betedge/sim/body_cache.hpp"
#include "betedge/sim/earnings_calendar.hpp"
#include "betedge/sim/mix.hpp"
#include "betedge/sim/protocol.hpp"
#include "betedge/sim/replay.hpp"

namespace betedge::sim {

namespace {

using Json = nlohmann::ordered_json;
using net::ServerRequest;
using net::ServerResponse;
using net::SharedBytes;
using std::chrono::milliseconds;

// Of a body's pieces: the last one is small, because the call counts as over when it is handed out.
// A client that has the last byte may at once send its next call, which must not find this one
// still in service.
constexpr std::size_t kPieceBytes = 1 << 20;
constexpr std::size_t kLastPieceBytes = 64 << 10;
constexpr std::uint64_t kTrickle = 16 << 10;  // bytes a second
constexpr milliseconds kLongestStall{3'600'000};

enum class Door : std::uint8_t { v3, v2, control };

// How the terminal as a whole is.
enum class Terminal : std::uint8_t {
  up,
  down,          // takes connections and closes them without an answer
  gone,          // does not even listen
  starting,      // 571
  disconnected,  // 474: has lost its server
  kicked,        // 478: another terminal has logged in
};
constexpr std::array<std::pair<std::string_view, Terminal>, 6> kTerminals{{
    {"up", Terminal::up},
    {"down", Terminal::down},
    {"gone", Terminal::gone},
    {"starting", Terminal::starting},
    {"disconnected", Terminal::disconnected},
    {"kicked", Terminal::kicked},
}};

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

ServerResponse bad_control(std::string why) {
  return answer(400, "application/json", Json{{"error", std::move(why)}}.dump() + "\n");
}

// How often a call was made, and what came of it.
struct CallRecord {
  std::uint64_t calls = 0;
  std::uint64_t pages = 0;  // of v2, after the first
  std::map<std::string, std::uint64_t> outcomes;
};

// Where a body goes wrong.
enum class BodyEnd : std::uint8_t { whole, reset, early_close, stall };

struct Delivery {
  std::uint64_t bytes_per_second = 0;  // 0: as fast as it goes
  BodyEnd end = BodyEnd::whole;
  std::uint64_t end_at = 0;  // bytes; 0: half
};

// --- Changes to a finished body
// -------------------------------------------------------------------

std::size_t after_line(std::string_view text, std::size_t from) {
  const auto end = text.find('\n', from);
  return end == std::string_view::npos ? text.size() : end + 1;
}

std::string without_rows(std::string_view page, Form form) {
  return form == Form::v2_json ? "]}" : std::string(page.substr(0, after_line(page, 0)));
}

// The first half of the rows, whole ones, and what ends the document.
std::string half_of_rows(std::string_view page, Form form) {
  if (form != Form::v2_json) return std::string(page.substr(0, after_line(page, page.size() / 2)));
  const auto cut = page.find("},{", page.size() / 2);
  if (cut != std::string_view::npos) return std::string(page.substr(0, cut + 1)) + "]}";
  const auto row = page.find("],[", page.size() / 2);
  if (row == std::string_view::npos) return std::string(page);
  return std::string(page.substr(0, row + 1)) + "]}";
}

std::string cut_in_a_row(std::string_view page) {
  const auto line = after_line(page, page.size() / 2);
  const auto from = line < page.size() ? line : page.size() / 2;
  return std::string(page.substr(0, std::min(page.size() - 1, from + 25)));
}

std::string misnamed(std::string_view page, Form form, Schema schema) {
  const std::string_view name = schema == Schema::quote ? "bid" : "close";
  const auto header_end = form == Form::v2_json ? page.find(']') : after_line(page, 0);
  auto text = std::string(page);
  for (std::size_t at = text.find(name); at < header_end; at = text.find(name, at + 1)) {
    const auto is_letter = [](char c) { return c == '_' || (c >= 'a' && c <= 'z'); };
    if (at > 0 && is_letter(text[at - 1])) continue;
    if (is_letter(text[at + name.size()])) continue;
    text[at + 1] = '1';
    break;
  }
  return text;
}

// The last column first, and one more that no client knows.
std::string with_other_columns(std::string_view page) {
  std::string text;
  text.reserve(page.size() * 11 / 10);
  bool is_header = true;
  for (std::size_t begin = 0; begin < page.size();) {
    const auto end = after_line(page, begin);
    auto line = page.substr(begin, end - begin);
    begin = end;
    const auto ending = line.ends_with("\r\n") ? std::string_view("\r\n") : std::string_view("\n");
    if (line.ends_with(ending)) line.remove_suffix(ending.size());
    const auto comma = line.rfind(',');
    text += line.substr(comma + 1);
    text += ',';
    text += line.substr(0, comma);
    text += std::exchange(is_header, false) ? ",unheard_of" : ",7";
    text += ending;
  }
  return text;
}

constexpr std::string_view kWebPage =
    "<!DOCTYPE html>\n<html><head><title>Sign in</title></head>\n<body><h1>Please sign in to the "
    "network</h1>\n<p>Your request, and others, will go on then.</p></body></html>\n";

constexpr std::string_view kBlockedPage =
    "<HTML><HEAD>\n<TITLE>Access Denied</TITLE>\n</HEAD><BODY>\n<H1>Access Denied</H1>\nYou don't "
    "have permission to access this server.\n</BODY>\n</HTML>\n";

EarningsShape shape_of(const FaultBook::Chosen& chosen) {
  for (const auto& shape : chosen.shapes) {
    if (shape.kind == FaultKind::twins) return EarningsShape::twins;
    if (shape.kind == FaultKind::doubled) return EarningsShape::doubled;
  }
  if (!chosen.exchange) return EarningsShape::plain;
  switch (chosen.exchange->kind) {
    case FaultKind::truncate: return EarningsShape::half;
    case FaultKind::wrong_header: return EarningsShape::wrong_header;
    case FaultKind::columns: return EarningsShape::columns;
    case FaultKind::header_only: return EarningsShape::no_rows;
    case FaultKind::no_data_200: return EarningsShape::no_data;
    case FaultKind::status:
    case FaultKind::drop:
    case FaultKind::hang:
    case FaultKind::reset:
    case FaultKind::close_early:
    case FaultKind::stall:
    case FaultKind::slow:
    case FaultKind::cut_row:
    case FaultKind::empty:
    case FaultKind::html:
    case FaultKind::doubled:
    case FaultKind::twins:
    case FaultKind::gap:
    case FaultKind::zeros: return EarningsShape::plain;
  }
  return EarningsShape::plain;
}

// "2024-01-02" and nothing else.
std::optional<Date> parse_iso_day(std::string_view text) {
  std::string digits(text);
  std::erase(digits, '-');
  const auto day = parse_yyyymmdd(digits);
  if (!day || to_iso_text(*day) != text) return std::nullopt;
  return day;
}

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

struct Simulator::Impl {
  // A data call in progress: holds its place in the account's limit, and hears when its client or
  // the terminal goes away.
  class Exchange : public std::enable_shared_from_this<Exchange> {
   public:
    Exchange(Impl& sim, std::shared_ptr<CallRecord> record, std::stop_token client_gone)
        : sim_(sim),
          record_(std::move(record)),
          on_client_gone_(std::move(client_gone), StopIt{this}) {
      place_ = sim_.exchanges_.insert(sim_.exchanges_.end(), this);
      sim_.most_outstanding_ = std::max(sim_.most_outstanding_, sim_.outstanding());
    }
    Exchange(const Exchange&) = delete;
    Exchange& operator=(const Exchange&) = delete;
    ~Exchange() {
      sim_.exchanges_.erase(place_);
      if (!is_over_) sim_.count(*record_, "cut");
    }

    std::stop_token stop_token() const { return stop_.get_token(); }
    bool is_cut() const { return stop_.stop_requested(); }
    void cut() {
      auto stop = stop_;  // whoever wakes may drop this exchange
      stop.request_stop();
    }
    void take(net::Limiter::Slot slot) {
      slot_ = std::move(slot);
      sim_.most_in_service_ = std::max(sim_.most_in_service_, sim_.gate_.in_use());
    }
    void leave() { slot_ = {}; }
    // Once: what came of it. It no longer counts as in service.
    void end(std::string outcome) {
      is_over_ = true;
      sim_.count(*record_, std::move(outcome));
      leave();
    }

   private:
    struct StopIt {
      Exchange* exchange;
      void operator()() const { exchange->cut(); }
    };
    Impl& sim_;
    std::shared_ptr<CallRecord> record_;
    std::list<Exchange*>::iterator place_;
    std::stop_source stop_;
    std::stop_callback<StopIt> on_client_gone_;
    net::Limiter::Slot slot_;
    bool is_over_ = false;
  };

  // A body on its way.
  struct Stream {
    Impl& sim;
    std::shared_ptr<Exchange> exchange;
    std::vector<SharedBytes> parts;
    Delivery delivery;
    std::uint64_t total = 0;
    std::uint64_t sent = 0;
    std::size_t part = 0;
    std::size_t offset = 0;
    SteadyTime began{};
  };

  struct WaitingPage {
    BodyCache::Body body;
    DataCall call;
    std::string key;
    std::size_t index = 0;
    SteadyTime since{};
  };

  Impl(net::AsioRuntime& runtime_in, SimOptions options_in)
      : runtime(runtime_in),
        options(std::move(options_in)),
        market(options.market),
        gate_(runtime, options.concurrency),
        cache(runtime, options.cache_bytes),
        faults(options.faults, options.market.seed),
        began(runtime.steady_now()),
        terminal_changed(runtime),
        tasks(runtime) {}

  // --- Whole-terminal state

  Terminal state() const {
    if (terminal == Terminal::up && runtime.steady_now() - began < options.starting) {
      return Terminal::starting;
    }
    return terminal;
  }

  Date today() const { return options.today.value_or(new_york_date(runtime.wall_now())); }

  std::size_t outstanding() const { return exchanges_.size(); }

  void cut_all() {
    std::vector<std::shared_ptr<Exchange>> all;  // cutting one may end others
    for (auto* const exchange : exchanges_) all.push_back(exchange->shared_from_this());
    for (const auto& exchange : all) exchange->cut();
  }

  // --- Counting

  std::shared_ptr<CallRecord> record_of(const std::string& key) {
    auto& record = records[key];
    if (!record) record = std::make_shared<CallRecord>();
    return record;
  }

  void count(CallRecord& record, std::string outcome) {
    ++outcomes[outcome];
    ++record.outcomes[std::move(outcome)];
  }

  Json stats() const {
    Json by_call = Json::object();
    for (const auto& [key, record] : records) {
      by_call[key] = {
          {"calls", record->calls}, {"pages", record->pages}, {"outcomes", record->outcomes}};
    }
    return {{"terminal", to_text(state())},       {"calls", calls},
            {"status_calls", status_calls},       {"outcomes", outcomes},
            {"in_service", gate_.in_use()},       {"outstanding", outstanding()},
            {"max_in_service", most_in_service_}, {"max_outstanding", most_outstanding_},
            {"body_bytes", body_bytes},           {"rendered", cache.rendered()},
            {"cache_bytes", cache.bytes()},       {"waiting_pages", pages.size()},
            {"by_call", std::move(by_call)}};
  }

  // --- Serving

  Task<ServerResponse> handle(ServerRequest request, Door door);
  Task<ServerResponse> handle_data(ServerRequest request, Door door, DataCall call,
                                   std::string key);
  Task<ServerResponse> handle_page(ServerRequest request, std::uint64_t number);
  // NASDAQ's calendar: not the terminal's, so neither its state nor the account's limit is for it.
  Task<ServerResponse> handle_earnings(ServerRequest request);
  // The day's body; the recorded one where there is a folder of them.
  std::string earnings_of(Date day, EarningsShape shape) const;
  ServerResponse handle_list(const ListCall& call, bool is_v3) const;
  Task<ServerResponse> handle_control(ServerRequest request, Door door);
  Task<ServerResponse> put_state(Json body, Door door, std::stop_token client_gone);
  ServerResponse put_options(const Json& body);
  ServerResponse put_faults(const Json& body);

  // A place in service; an answer instead when there is none or the terminal goes away meanwhile.
  Task<std::optional<ServerResponse>> enter(std::shared_ptr<Exchange> exchange, bool is_v3);
  std::optional<ServerResponse> refusal_of_state(bool is_v3) const;
  ServerResponse throttled(bool is_v3) const;
  // Ends the exchange with a status and its text.
  ServerResponse ended(Exchange& exchange, int status, bool is_v3);
  ServerResponse dropped(Exchange& exchange);

  // On the pool, so from nothing that changes while the simulator runs.
  Result<Rendered> rendered(const DataCall& call, const RenderOptions& how, Date last_day,
                            bool falls_back) const;
  ServerResponse page_answer(std::shared_ptr<Exchange> exchange, BodyCache::Body body,
                             DataCall call, std::string key, std::size_t index,
                             const std::optional<Fault>& fault);
  std::uint64_t keep_page(WaitingPage page);
  ServerResponse deliver(std::shared_ptr<Exchange> exchange, std::vector<SharedBytes> parts,
                         net::Headers headers, Delivery delivery);
  static Task<Result<SharedBytes>> next_piece(std::shared_ptr<Stream> stream);

  Result<std::unique_ptr<net::HttpServer>> listen(Door door, std::uint16_t port);
  // Keeps a state for its time, or until another is set. Of `gone` it also closes and opens the
  // doors.
  Task<void> hold(Terminal held, std::optional<milliseconds> how_long);
  Task<void> close_doors();
  Task<void> open_doors();
  Task<void> stop();

  net::AsioRuntime& runtime;
  SimOptions options;
  Market market;
  std::unique_ptr<Replay> replay;
  std::unique_ptr<EarningsReplay> earnings_replay;
  net::Limiter gate_;
  BodyCache cache;
  FaultBook faults;
  SteadyTime began;

  Terminal terminal = Terminal::up;
  std::uint64_t terminal_changes = 0;
  Notify terminal_changed;  // also when the doors have opened or closed

  std::map<std::string, std::shared_ptr<CallRecord>, std::less<>> records;
  std::map<std::string, std::uint64_t> outcomes;
  std::uint64_t calls = 0;
  std::uint64_t status_calls = 0;
  std::uint64_t body_bytes = 0;
  std::size_t most_in_service_ = 0;
  std::size_t most_outstanding_ = 0;
  std::list<Exchange*> exchanges_;

  std::map<std::uint64_t, WaitingPage> pages;
  std::uint64_t last_page = 0;

  std::uint16_t v3_port = 0;
  std::uint16_t v2_port = 0;
  std::unique_ptr<net::HttpServer> v3;
  std::unique_ptr<net::HttpServer> v2;
  std::unique_ptr<net::HttpServer> control;
  TaskScope tasks;
};

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

Task<std::optional<ServerResponse>> Simulator::Impl::enter(std::shared_ptr<Exchange> exchange,
                                                           bool is_v3) {
  if (gate_.in_use() >= gate_.limit() && gate_.waiting() >= options.queue) {
    exchange->end("429");
    co_return throttled(is_v3);
  }
  auto slot = co_await gate_.acquire(exchange->stop_token());
  if (!slot || exchange->is_cut()) co_return dropped(*exchange);
  exchange->take(*std::move(slot));
  if (options.latency.count() > 0 &&
      !co_await sleep_for(runtime, options.latency, exchange->stop_token())) {
    co_return dropped(*exchange);
  }
  if (auto refused = refusal_of_state(is_v3)) {
    exchange->end(refused->drop_connection ? "dropped" : std::to_string(refused->status));
    co_return refused;
  }
  co_return std::nullopt;
}

Task<ServerResponse> Simulator::Impl::handle_data(ServerRequest request, Door door, DataCall call,
                                                  std::string key) {
  const bool is_v3 = door == Door::v3;
  const auto exchange = std::make_shared<Exchange>(*this, record_of(key), request.gone);
  if (auto refused = refusal_of_state(is_v3)) {
    exchange->end(refused->drop_connection ? "dropped" : std::to_string(refused->status));
    co_return *std::move(refused);
  }
  auto refused = co_await enter(exchange, is_v3);
  if (refused) co_return *std::move(refused);

  const auto& query = call.query;
  const auto chosen = faults.choose(
      {.api = is_v3 ? 3 : 2,
       .kind = query.kind,
       .schema = query.schema,
       .symbol = query.symbol,
       .dates = query.dates,
       .key = key,
       .page = 1,
       .since_start = std::chrono::duration_cast<milliseconds>(runtime.steady_now() - began)});
  if (chosen.exchange) {
    const auto& fault = *chosen.exchange;
    if (fault.kind == FaultKind::status) {
      auto response = ended(*exchange, fault.status, is_v3);
      if (fault.status == 429 && fault.argument != 0) {
        response.headers.emplace_back("Retry-After", std::to_string(fault.argument));
      }
      co_return response;
    }
    if (fault.kind == FaultKind::drop) co_return dropped(*exchange);
    if (fault.kind == FaultKind::hang) {
      exchange->leave();  // a client that has left should not keep others waiting
      co_await sleep_for(runtime, kLongestStall, exchange->stop_token());
      co_return dropped(*exchange);
    }
    if (fault.kind == FaultKind::empty || fault.kind == FaultKind::html ||
        fault.kind == FaultKind::no_data_200) {
      exchange->end("200");
      if (fault.kind == FaultKind::empty) co_return answer(200, "text/csv", "");
      if (fault.kind == FaultKind::html) co_return answer(200, "text/html", std::string(kWebPage));
      co_return answer(200, "text/plain", std::string(status_text(472, is_v3)));
    }
  }

  auto how = options.render;
  for (const auto& shape : chosen.shapes) {
    using Doubled = RenderOptions::Doubled;
    if (shape.kind == FaultKind::twins) how.twins = true;
    if (shape.kind == FaultKind::zeros) how.zero_bars = true;
    if (shape.kind == FaultKind::gap && shape.argument == 0) how.no_mondays = true;
    if (shape.kind == FaultKind::gap && shape.argument != 0) {
      how.missing_days.push_back(static_cast<std::uint32_t>(shape.argument));
    }
    if (shape.kind == FaultKind::doubled && is_v3 && query.kind == Kind::option &&
        query.schema == Schema::eod) {
      how.doubled = shape.apart ? Doubled::apart : Doubled::side_by_side;
    }
  }
  const auto last_day = std::min(today() - std::chrono::days{1}, query.dates.last);
  const auto cache_key =
      fmt::format("{}/{}/{}/{}", to_text(call.form), query.key(), how.key(), to_yyyymmdd(last_day));
  BodyCache::Make make = [this, call, how, last_day, falls_back = options.replay_falls_back] {
    return rendered(call, how, last_day, falls_back);
  };
  auto body = co_await cache.get(cache_key, std::move(make));
  if (!body) {
    exchange->end("572");
    co_return answer(572, "text/plain", body.error().message);
  }
  if ((*body)->rows == 0) co_return ended(*exchange, 472, is_v3);
  if (exchange->is_cut()) co_return dropped(*exchange);
  co_return page_answer(exchange, *std::move(body), std::move(call), std::move(key), 0,
                        chosen.exchange);
}

Result<Rendered> Simulator::Impl::rendered(const DataCall& call, const RenderOptions& how,
                                           Date last_day, bool falls_back) const {
  try {
    if (replay) {
      BETEDGE_TRY(auto recorded, render(*replay, call.query, call.form, how));
      if (recorded.rows != 0 || !falls_back) return recorded;
    }
    auto query = call.query;
    query.dates.last = last_day;
    if (query.dates.last < query.dates.first) return Rendered{};
    return render(market, query, call.form, how);
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::internal, "the simulator has no memory for this answer");
  }
}

Task<ServerResponse> Simulator::Impl::handle_page(ServerRequest request, std::uint64_t number) {
  if (auto refused = refusal_of_state(false)) co_return *std::move(refused);
  auto found = pages.extract(number);
  if (found.empty()) co_return answer(477, "text/plain", std::string(status_text(477, false)));
  auto page = std::move(found.mapped());
  const auto record = record_of(page.key);
  ++record->pages;
  const auto exchange = std::make_shared<Exchange>(*this, record, request.gone);
  auto refused = co_await enter(exchange, false);
  if (refused) co_return *std::move(refused);
  const auto& query = page.call.query;
  const auto chosen = faults.choose(
      {.api = 2,
       .kind = query.kind,
       .schema = query.schema,
       .symbol = query.symbol,
       .dates = query.dates,
       .key = page.key,
       .page = page.index + 1,
       .since_start = std::chrono::duration_cast<milliseconds>(runtime.steady_now() - began)});
  if (chosen.exchange && chosen.exchange->kind == FaultKind::status) {
    co_return ended(*exchange, chosen.exchange->status, false);
  }
  if (chosen.exchange && chosen.exchange->kind == FaultKind::drop) co_return dropped(*exchange);
  co_return page_answer(exchange, std::move(page.body), std::move(page.call), std::move(page.key),
                        page.index, chosen.exchange);
}

std::string Simulator::Impl::earnings_of(Date day, EarningsShape shape) const {
  if (earnings_replay) {
    if (const auto* const recorded = earnings_replay->body(day)) return *recorded;
    // As on a day on which nobody reports.
    if (!options.replay_falls_back) {
      return R"({"data":{"asOf":null,"headers":null,"rows":null},"message":null,)"
             R"("status":{"rCode":200,"bCodeMessage":null,"developerMessage":null}})";
    }
  }
  return earnings_body(options.market.seed, day, today(), shape);
}

Task<ServerResponse> Simulator::Impl::handle_earnings(ServerRequest request) {
  if (request.method != "GET" && request.method != "HEAD") {
    co_return answer(405, "text/plain", "GET only\n");
  }
  auto key = canonical_call(request.path, request.query);
  ++calls;
  const auto record = record_of(key);
  ++record->calls;
  const auto exchange = std::make_shared<Exchange>(*this, record, request.gone);
  const auto end = [&](int status, std::string_view type, std::string body) {
    exchange->end(std::to_string(status));
    return answer(status, type, std::move(body));
  };
  // Its edge serves browsers only (THETA.md 4).
  if (!request.header("User-Agent").value_or("").starts_with("Mozilla/")) {
    co_return end(403, "text/html", std::string(kBlockedPage));
  }
  const auto day = parse_iso_day(request.parameter("date").value_or(""));
  if (!day) co_return end(400, "text/plain", "date=YYYY-MM-DD is needed\n");
  if (options.latency.count() > 0 &&
      !co_await sleep_for(runtime, options.latency, exchange->stop_token())) {
    co_return dropped(*exchange);
  }
  const auto chosen = faults.choose(
      {.api = 0,  // neither v2 nor v3
       .kind = Kind::earnings,
       .schema = Schema::eod,
       .symbol = {},
       .dates = {*day, *day},
       .key = key,
       .page = 1,
       .since_start = std::chrono::duration_cast<milliseconds>(runtime.steady_now() - began)});
  Delivery delivery{.bytes_per_second = options.bytes_per_second};
  bool cuts_row = false;
  if (chosen.exchange) {
    const auto& fault = *chosen.exchange;
    switch (fault.kind) {
      case FaultKind::status: {
        auto response = fault.status == 403
                            ? end(403, "text/html", std::string(kBlockedPage))
                            : end(fault.status, "text/plain",
                                  std::string(status_text(fault.status, /*is_v3=*/true)));
        const auto seconds = fault.argument != 0
                                 ? std::optional(std::chrono::seconds(fault.argument))
                                 : options.retry_after;
        if (fault.status == 429 && seconds) {
          response.headers.emplace_back("Retry-After", std::to_string(seconds->count()));
        }
        co_return response;
      }
      case FaultKind::drop: co_return dropped(*exchange);
      case FaultKind::hang:
        co_await sleep_for(runtime, kLongestStall, exchange->stop_token());
        co_return dropped(*exchange);
      case FaultKind::empty: co_return end(200, "application/json", "");
      case FaultKind::html: co_return end(200, "text/html", std::string(kWebPage));
      case FaultKind::reset:
        delivery.end = BodyEnd::reset;
        delivery.end_at = fault.argument;
        break;
      case FaultKind::close_early:
        delivery.end = BodyEnd::early_close;
        delivery.end_at = fault.argument;
        break;
      case FaultKind::stall:
        delivery.end = BodyEnd::stall;
        delivery.end_at = fault.argument;
        break;
      case FaultKind::slow:
        delivery.bytes_per_second = fault.argument == 0 ? kTrickle : fault.argument;
        break;
      case FaultKind::cut_row: cuts_row = true; break;
      case FaultKind::truncate:
      case FaultKind::wrong_header:
      case FaultKind::columns:
      case FaultKind::header_only:
      case FaultKind::no_data_200:
      case FaultKind::doubled:
      case FaultKind::twins:
      case FaultKind::gap:
      case FaultKind::zeros: break;  // of the rows, if anything
    }
  }
  auto body = earnings_of(*day, shape_of(chosen));
  if (cuts_row) body.resize(body.size() / 2);
  net::Headers headers{{"Server", "Kestrel"},
                       {"Content-Type", "application/json; charset=utf-8"},
                       {"Cache-Control", "no-store"}};
  if (request.header("Accept-Encoding").value_or("").contains("gzip")) {
    headers.emplace_back("Content-Encoding", "gzip");
    body = gzipped(body);
  }
  std::vector<SharedBytes> parts;
  parts.push_back(SharedBytes::of(std::move(body)));
  co_return deliver(exchange, std::move(parts), std::move(headers), delivery);
}

std::uint64_t Simulator::Impl::keep_page(WaitingPage page) {
  const auto now = runtime.steady_now();
  // THETA.md 1.7: only when many wait are the old ones dropped.
  if (pages.size() >= 2 * gate_.limit()) {
    std::erase_if(pages, [&](const auto& waiting) {
      return now - waiting.second.since > options.page_expire;
    });
  }
  page.since = now;
  // Global and not consecutive for one request.
  last_page += 1 + mix(options.market.seed, last_page) % 3;
  pages.emplace(last_page, std::move(page));
  return last_page;
}

ServerResponse Simulator::Impl::page_answer(std::shared_ptr<Exchange> exchange,
                                            BodyCache::Body body, DataCall call, std::string key,
                                            std::size_t index, const std::optional<Fault>& fault) {
  const auto form = call.form;
  const auto kind = call.query.kind;
  const auto schema = call.query.schema;
  net::Headers headers{{"Server", "Jetty(12.0.14)"},
                       {"Content-Type", form == Form::v2_json ? "application/json" : "text/csv"}};
  std::string next_page = "null";
  if (form != Form::v3_csv) {
    if (index + 1 < body->pages.size()) {
      const auto host =
          options.page_host.empty() ? fmt::format("127.0.0.1:{}", v2_port) : options.page_host;
      const auto number = keep_page({body, std::move(call), std::move(key), index + 1, {}});
      next_page = fmt::format("http://{}/v2/page/{}", host, number);
    }
    headers.emplace_back("Next-Page", next_page);
  }

  Delivery delivery{.bytes_per_second = options.bytes_per_second};
  auto header = form == Form::v2_json ? v2_json_header(kind, schema, next_page) : std::string();
  const auto page = body->page(index);
  std::optional<std::string> changed;
  if (fault) {
    switch (fault->kind) {
      case FaultKind::reset:
        delivery.end = BodyEnd::reset;
        delivery.end_at = fault->argument;
        break;
      case FaultKind::close_early:
        delivery.end = BodyEnd::early_close;
        delivery.end_at = fault->argument;
        break;
      case FaultKind::stall:
        delivery.end = BodyEnd::stall;
        delivery.end_at = fault->argument;
        break;
      case FaultKind::slow:
        delivery.bytes_per_second = fault->argument == 0 ? kTrickle : fault->argument;
        break;
      case FaultKind::truncate: changed = half_of_rows(page, form); break;
      case FaultKind::cut_row: changed = cut_in_a_row(page); break;
      case FaultKind::header_only: changed = without_rows(page, form); break;
      case FaultKind::wrong_header:
        if (form == Form::v2_json) {
          header = misnamed(header, form, schema);
        } else {
          changed = misnamed(page, form, schema);
        }
        break;
      case FaultKind::columns:
        if (form != Form::v2_json) changed = with_other_columns(page);
        break;
      case FaultKind::status:
      case FaultKind::drop:
      case FaultKind::hang:
      case FaultKind::empty:
      case FaultKind::html:
      case FaultKind::no_data_200:
      case FaultKind::doubled:
      case FaultKind::twins:
      case FaultKind::zeros:
      case FaultKind::gap: break;
    }
  }
  std::vector<SharedBytes> parts;
  if (!header.empty()) parts.push_back(SharedBytes::of(std::move(header)));
  if (changed) {
    parts.push_back(SharedBytes::of(*std::move(changed)));
  } else {
    parts.push_back({body, as_bytes(page)});
  }
  return deliver(std::move(exchange), std::move(parts), std::move(headers), delivery);
}

ServerResponse Simulator::Impl::deliver(std::shared_ptr<Exchange> exchange,
                                        std::vector<SharedBytes> parts, net::Headers headers,
                                        Delivery delivery) {
  const auto stream = std::make_shared<Stream>(Stream{.sim = *this,
                                                      .exchange = std::move(exchange),
                                                      .parts = std::move(parts),
                                                      .delivery = delivery,
                                                      .total = 0,
                                                      .sent = 0,
                                                      .part = 0,
                                                      .offset = 0,
                                                      .began = runtime.steady_now()});
  for (const auto& part : stream->parts) stream->total += part.bytes.size();
  if (stream->delivery.end_at == 0) stream->delivery.end_at = stream->total / 2;
  ServerResponse response;
  response.headers = std::move(headers);
  response.content_length = stream->total;
  response.next = [stream] { return next_piece(stream); };
  return response;
}

Task<Result<SharedBytes>> Simulator::Impl::next_piece(std::shared_ptr<Stream> stream) {
  auto& exchange = *stream->exchange;
  const auto& delivery = stream->delivery;
  const auto cut = [&] {
    return fail(ErrorCode::cancelled, "the simulator ends this answer here");
  };
  if (stream->sent == stream->total) co_return SharedBytes{};
  if (exchange.is_cut()) co_return cut();

  auto most = stream->total - stream->sent;
  if (delivery.end != BodyEnd::whole) {
    if (stream->sent >= delivery.end_at) {
      if (delivery.end == BodyEnd::early_close) co_return SharedBytes{};
      if (delivery.end == BodyEnd::stall) {
        exchange.leave();
        co_await sleep_for(stream->sim.runtime, kLongestStall, exchange.stop_token());
      }
      co_return cut();
    }
    most = delivery.end_at - stream->sent;
  }
  if (delivery.bytes_per_second != 0) {
    // Fifty pieces a second, each when its turn has come.
    most = std::min(most, std::max<std::uint64_t>(1, delivery.bytes_per_second / 50));
    const auto due = stream->began + std::chrono::nanoseconds(static_cast<std::int64_t>(
                                         1e9 * static_cast<double>(stream->sent) /
                                         static_cast<double>(delivery.bytes_per_second)));
    const auto now = stream->sim.runtime.steady_now();
    if (due > now && !co_await sleep_for(stream->sim.runtime, due - now, exchange.stop_token())) {
      co_return cut();
    }
  }
  while (stream->offset == stream->parts[stream->part].bytes.size()) {
    ++stream->part;
    stream->offset = 0;
  }
  const auto& part = stream->parts[stream->part];
  const auto left = part.bytes.size() - stream->offset;
  auto size = std::min<std::uint64_t>({left, most, kPieceBytes});
  const auto left_of_all = stream->total - stream->sent;
  if (left_of_all > kLastPieceBytes && left_of_all - size < kLastPieceBytes) {
    size = std::min(size, left_of_all - kLastPieceBytes);
  }
  const SharedBytes piece{part.owner, part.bytes.subspan(stream->offset, size)};
  stream->offset += size;
  stream->sent += size;
  stream->sim.body_bytes += size;
  if (stream->sent == stream->total) exchange.end("200");
  co_return piece;
}

// --- Lists
// ----------------------------------------------------------------------------------------

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

// --- /sim
// -----------------------------------------------------------------------------------------

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
  co_return answer(404, "text/plain",
                   "GET /sim/stats\nPUT /sim/state {\"terminal\":\"up|down|gone|starting|"
                   "disconnected|kicked\",\"for_ms\":N,\"drop_all\":true}\nPUT /sim/options "
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
  if (terminal != Terminal::gone && !tasks.stop_token().stop_requested()) co_await open_doors();
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
