#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "betedge/net/http_server.hpp"
#include "betedge/net/limiter.hpp"
#include "betedge/ports/async.hpp"
#include "betedge/sim/body_cache.hpp"
#include "betedge/sim/earnings_calendar.hpp"
#include "betedge/sim/protocol.hpp"
#include "betedge/sim/replay.hpp"
#include "betedge/sim/simulator.hpp"

// What the simulator's parts share: seen by them only. simulator.cpp opens, dispatches and stops;
// data_calls.cpp serves rows, delivery.cpp sends a body, list_calls.cpp and earnings_calls.cpp
// serve theirs, control_calls.cpp is /sim.
namespace betedge::sim {

using Json = nlohmann::ordered_json;
using net::ServerRequest;
using net::ServerResponse;
using net::SharedBytes;
using std::chrono::milliseconds;

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
  wrong_ip,      // 476: was first asked from another address
};
constexpr std::array<std::pair<std::string_view, Terminal>, 7> kTerminals{{
    {"up", Terminal::up},
    {"down", Terminal::down},
    {"gone", Terminal::gone},
    {"starting", Terminal::starting},
    {"disconnected", Terminal::disconnected},
    {"kicked", Terminal::kicked},
    {"wrong-ip", Terminal::wrong_ip},
}};

std::string_view to_text(Terminal terminal);

ServerResponse answer(int status, std::string_view type, std::string body);
ServerResponse answer(const Json& document);

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
        up_since(began),
        terminal_changed(runtime),
        tasks(runtime) {}

  // --- Whole-terminal state

  Terminal state() const {
    if (terminal == Terminal::up && runtime.steady_now() - up_since < options.starting) {
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
    std::map<std::string, std::uint64_t> by_endpoint;
    for (const auto& [key, record] : records) {
      by_call[key] = {
          {"calls", record->calls}, {"pages", record->pages}, {"outcomes", record->outcomes}};
      by_endpoint[key.substr(0, key.find('?'))] += record->calls;
    }
    return {{"terminal", to_text(state())},
            {"calls", calls},
            {"status_calls", status_calls},
            {"outcomes", outcomes},
            {"in_service", gate_.in_use()},
            {"outstanding", outstanding()},
            {"max_in_service", most_in_service_},
            {"max_outstanding", most_outstanding_},
            {"body_bytes", body_bytes},
            {"rendered", cache.rendered()},
            {"cache_bytes", cache.bytes()},
            {"waiting_pages", pages.size()},
            {"by_endpoint", std::move(by_endpoint)},
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
  // For `restart_every`.
  Task<void> restart_again_and_again();
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
  SteadyTime up_since;  // began, or came back

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

}  // namespace betedge::sim
