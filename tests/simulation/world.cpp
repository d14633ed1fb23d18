#include "simulation/world.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <utility>

#include "betedge/core/calendar.hpp"
#include "betedge/jobs/sqlite_store.hpp"
#include "betedge/net/limiter.hpp"
#include "betedge/sinks/memory_store.hpp"
#include "support/virtual_runtime.hpp"

namespace betedge::simulation {

namespace {

using namespace std::chrono_literals;

std::string sha256_of(const Bytes& bytes) {
  std::array<unsigned char, 32> sum{};
  unsigned length = 0;
  EVP_Digest(bytes.data(), bytes.size(), sum.data(), &length, EVP_sha256(), nullptr);
  std::string text;
  for (const auto byte : sum) text += fmt::format("{:02x}", byte);
  return text;
}

bool happens(Runtime& runtime, double probability) {
  return luck(runtime) < probability;
}

// Bad weather by the clock: of each ten seconds, the first `outage` share is one.
bool in_outage(Runtime& runtime, const Weather& weather) {
  const auto into = runtime.steady_now().time_since_epoch() % 10s;
  return into < std::chrono::duration_cast<std::chrono::nanoseconds>(10s * weather.outage);
}

class FakeAnswer final : public Answer {
 public:
  FakeAnswer(Runtime& runtime, net::Limiter::Slot slot, std::string body, std::optional<Error> end,
             std::stop_token stop)
      : runtime_(runtime),
        slot_(std::move(slot)),
        body_(std::move(body)),
        end_(std::move(end)),
        stop_(std::move(stop)) {}

  WireFormat format() const override { return WireFormat::v3_csv; }

  Task<Result<std::optional<Chunk>>> next() override {
    const bool slept = co_await sleep_for(runtime_, 1ms * (runtime_.random_bits() % 5), stop_);
    if (!slept) co_return fail(ErrorCode::cancelled, "asked to stop");
    if (sent_ == body_.size()) {
      if (end_) co_return std::unexpected(*end_);
      slot_ = {};
      co_return std::nullopt;
    }
    const auto size = std::min<std::size_t>(1 + runtime_.random_bits() % 900, body_.size() - sent_);
    const auto view = as_bytes(std::string_view(body_).substr(sent_, size));
    const bool begins = sent_ == 0;
    sent_ += size;
    co_return Chunk{Bytes(view.begin(), view.end()), begins};
  }

 private:
  Runtime& runtime_;
  net::Limiter::Slot slot_;
  std::string body_;
  std::optional<Error> end_;
  std::stop_token stop_;
  std::size_t sent_ = 0;
};

// Intraday rows that a call may have before it is too large.
constexpr std::uint64_t kMostRows = 30;

// Half of all terminals take a chain over several days; the others refuse, and are asked no more.
class FakeSource final : public Source {
 public:
  FakeSource(Runtime& runtime, const FakeMarket& market, const Weather& weather,
             std::size_t concurrency)
      : runtime_(runtime),
        market_(market),
        weather_(weather),
        limiter_(runtime, concurrency),
        serves_chain_spans_(runtime.random_bits() % 2 == 0) {}

  net::Limiter& limiter() { return limiter_; }
  std::string version() const override { return "v3"; }

  Task<Result<std::optional<std::unique_ptr<Answer>>>> open(Call call,
                                                            std::stop_token stop) override {
    BETEDGE_CO_TRY(auto slot, co_await limiter_.acquire(stop));
    const auto longest = static_cast<std::uint64_t>(weather_.latency.count()) + 1;
    const bool slept = co_await sleep_for(runtime_, 1ms * (runtime_.random_bits() % longest), stop);
    if (!slept) co_return fail(ErrorCode::cancelled, "asked to stop");
    if (in_outage(runtime_, weather_)) {
      co_return fail(ErrorCode::upstream_unavailable, "connection refused");
    }
    const bool fault = happens(runtime_, weather_.call_fault);
    const auto kind = runtime_.random_bits() % 5;
    if (fault && kind == 0) co_return fail(ErrorCode::upstream_failed, "HTTP 500");
    if (fault && kind == 1) co_return fail(ErrorCode::upstream_throttled, "HTTP 429", 1s);
    const bool is_chain_span = call.kind == Kind::option && call.dates.first != call.dates.last;
    if (is_chain_span && !serves_chain_spans_) {
      refuses_chain_spans_ = true;
      co_return fail(ErrorCode::upstream_refused, "HTTP 400 day by day");
    }
    if (call.schema != Schema::eod && market_.rows(call) > kMostRows)
      co_return fail(ErrorCode::upstream_too_large, "HTTP 570 request too large");
    switch (market_.has(call)) {
      case FakeMarket::Has::denied:
        co_return fail(ErrorCode::upstream_denied, "HTTP 403 not in this account's subscription");
      case FakeMarket::Has::no_data: co_return std::nullopt;
      case FakeMarket::Has::rows: break;
    }
    auto body = market_.csv(call);
    std::optional<Error> end;
    if (fault && kind == 2) {  // the connection breaks in the middle
      body.resize(runtime_.random_bits() % body.size());
      end = Error{ErrorCode::upstream_failed, "connection reset", {}};
    }
    if (fault && kind == 3) {  // it ends early and honestly says so; a row is cut in two
      body.resize(body.size() - 1 - runtime_.random_bits() % 20);
    }
    if (fault && kind == 4) body = "<html>Bad day</html>";
    co_return std::make_unique<FakeAnswer>(runtime_, std::move(slot), std::move(body),
                                           std::move(end), std::move(stop));
  }

  std::optional<std::string> refusal(const Call&) const override { return std::nullopt; }
  bool takes_spans(const Call& call) const override {
    return call.kind != Kind::option || (call.schema == Schema::eod && !refuses_chain_spans_);
  }

  Task<Result<void>> probe(std::stop_token stop) override {
    BETEDGE_CO_TRY(const auto slot, co_await limiter_.acquire(stop));
    if (!co_await sleep_for(runtime_, 5ms, stop)) {
      co_return fail(ErrorCode::cancelled, "asked to stop");
    }
    if (in_outage(runtime_, weather_)) {
      co_return fail(ErrorCode::upstream_unavailable, "connection refused");
    }
    co_return Result<void>{};
  }

 private:
  Runtime& runtime_;
  const FakeMarket& market_;
  const Weather& weather_;
  net::Limiter limiter_;
  bool serves_chain_spans_;
  bool refuses_chain_spans_ = false;
};

// A lake whose steps take time and fail; half of the commits that fail happened all the same. It
// notices when what was said to be done is published again.
sinks::MemoryStore::Hook faulty_lake(Runtime& runtime, const Weather& weather, Memory& memory) {
  return [&runtime, &weather, &memory](sinks::MemoryStore::Step step, const ObjectKey& key) {
    if (step == sinks::MemoryStore::Step::commit && memory.done_keys.contains(key.text())) {
      memory.violations.push_back("published again after it was done: " + key.text());
    }
    sinks::MemoryStore::Fate fate;
    fate.delay = 1ms * (runtime.random_bits() % 4);
    if (happens(runtime, weather.lake_fault)) {
      fate.failure = Error{ErrorCode::storage_failed, "injected fault of the lake", {}};
      fate.done_all_the_same = happens(runtime, 0.5);
    }
    return fate;
  };
}

class MemoryLog final : public Log {
 public:
  explicit MemoryLog(Memory& memory) : memory_(memory) {}
  void event(Level, std::string_view name, std::initializer_list<Field> fields) override {
    if (name != "item_done") return;
    std::string job;
    std::string item;
    for (const auto& field : fields) {
      if (field.name == "job") job = field.value;
      if (field.name == "item") item = field.value;
    }
    if (++memory_.items_done[job + " " + item] > 1) {
      memory_.violations.push_back("done twice: " + job + " " + item);
    }
    memory_.done_keys.insert(item);
  }

 private:
  Memory& memory_;
};

constexpr std::size_t kConcurrency = 4;

engine::EngineOptions engine_options() {
  engine::EngineOptions options;
  options.lease = 20s;
  options.stop_grace = 5s;
  // Faults here pass in the end; that retries are used up is another test's matter.
  options.retry.max_attempts = 1'000;
  options.retry.longest_delay = 5s;
  return options;
}

}  // namespace

struct Life::World {
  World(std::uint64_t seed, Weather given, Memory& remembered, std::string store_path,
        std::vector<HistoricalRequest> requests)
      : runtime(seed),
        weather(given),
        memory(remembered),
        to_submit(std::move(requests)),
        source(runtime, memory.market, weather, kConcurrency),
        lake(runtime, faulty_lake(runtime, weather, memory)),
        log(memory) {
    for (const auto& [key, bytes] : memory.lake) lake.put(key, bytes);
    auto opened = jobs::open_sqlite_store(runtime, std::move(store_path));
    if (!opened) throw std::runtime_error("store: " + opened.error().message);
    store = *std::move(opened);
    service.emplace(
        engine::DataProcessingService::Ports{
            runtime, *store, lake, {{"thetadata", source, source.limiter()}}, log},
        engine_options());
    runtime.start(live());
  }

  // What lies in the lake goes on when this life is over.
  void leave_the_lake() {
    for (const auto& key : lake.keys()) memory.lake[key] = *lake.find(key);
  }

  void broken(std::string rule) { memory.violations.push_back(std::move(rule)); }

  // What a client does: submits, then watches all that was ever promised until it has ended.
  Task<void> live() {
    auto started = co_await service->start();
    if (!started) {
      broken("start: " + started.error().message);
      co_return;
    }
    for (auto& request : to_submit) {
      co_await sleep_for(runtime, 1ms * (runtime.random_bits() % 300));
      const auto id =
          JobId::make(runtime.wall_now(), {runtime.random_bits(), runtime.random_bits()});
      auto submitted = co_await service->process_request(
          {.requests = {request}, .labels = {}, .priority = 0}, id, {}, std::nullopt);
      if (submitted) memory.promised.insert_or_assign(id, Memory::Promise{request});
    }
    while (co_await watch() != 0) co_await sleep_for(runtime, 20ms);
    co_await check_items();
    co_await check_lake();
    co_await service->close();
    closed = true;
  }

  // Looks at each promised job; returns how many have not ended.
  Task<int> watch() {
    int unfinished = 0;
    for (auto& [id, promise] : memory.promised) {
      auto read = co_await service->get_job_status(id);
      if (!read || !*read) {
        broken("acknowledged and gone: " + id.text());
        continue;
      }
      const auto& job = **read;
      if (job.completed_items() < promise.completed) broken("progress fell: " + id.text());
      if (job.version < promise.version) broken("version fell: " + id.text());
      if (job.completed_items() > job.total_items()) broken("more than the total: " + id.text());
      promise.completed = job.completed_items();
      promise.version = job.version;
      const bool ended = job.status == JobStatus::completed || job.status == JobStatus::failed;
      if (ended && job.completed_items() != job.total_items()) {
        broken("ended before its items: " + id.text());
      }
      if (!ended) ++unfinished;
    }
    co_return unfinished;
  }

  Task<void> check_items() {
    for (const auto& [id, promise] : memory.promised) {
      const auto planned = plan(promise.request, new_york_date(runtime.wall_now()));
      auto listed = co_await service->list_items(id, {.state = {}, .limit = 10'000});
      if (!listed || listed->items.size() != planned.items.size()) {
        broken("items missing: " + id.text());
        continue;
      }
      for (std::size_t i = 0; i < planned.items.size(); ++i) {
        check_item(planned.items[i], listed->items[i]);
      }
    }
  }

  // Nothing lies in the lake that no item answers for; the jobs whose 202 was lost are among them.
  Task<void> check_lake() {
    std::set<ObjectKey> owned;
    const auto jobs = co_await service->list_jobs({});
    if (!jobs) co_return broken("the jobs cannot be listed: " + jobs.error().message);
    for (const auto& job : *jobs) {
      const auto listed = co_await service->list_items(job.job_id, {.state = {}, .limit = 10'000});
      if (!listed) co_return broken("the items cannot be listed: " + listed.error().message);
      for (const auto& item : listed->items) {
        // One that has not ended yet may have been published already.
        if (item.state != ItemState::no_data && item.state != ItemState::failed)
          owned.insert(item.key);
      }
    }
    for (const auto& key : lake.keys())
      if (!owned.contains(key)) broken("an object that no item answers for: " + key.text());
  }

  void check_item(const PlannedItem& planned, const ItemRecord& item) {
    const auto name = fmt::format("{} ({})", item.key.text(), to_text(item.state));
    if (item.key != planned.key) broken("another key than planned: " + name);
    switch (memory.market.has(planned)) {
      case FakeMarket::Has::denied:
        if (item.state != ItemState::failed)
          broken("refused by the vendor, and not failed: " + name);
        return;
      case FakeMarket::Has::no_data:
        if (item.state != ItemState::no_data) broken("no data, and not said so: " + name);
        return;
      case FakeMarket::Has::rows: break;
    }
    const auto object = lake.find(item.key);
    if (!object) return broken("a silent gap: " + name);
    if (item.state == ItemState::skipped) return;
    if (item.state != ItemState::succeeded) return broken("not succeeded: " + name + item.error);
    if (item.rows != memory.market.rows(planned)) broken("rows: " + name);
    if (item.bytes != object->size()) broken("size: " + name);
    if (item.sha256 != sha256_of(*object)) broken("sha256: " + name);
    const auto expected = gaps_in(planned);
    if (item.note.substr(0, item.note.find(':')) != expected)
      broken(fmt::format("a gap inside: '{}' instead of '{}': {}", item.note, expected, name));
  }

  // How the note of an item must begin whose object lacks sessions.
  std::string gaps_in(const PlannedItem& planned) const {
    const auto covered = sessions(planned.covers);
    auto call = planned.calls.front();
    const auto missing = std::ranges::count_if(covered, [&](Date day) {
      call.dates = {day, day};
      return memory.market.rows(call) == 0;
    });
    if (missing == 0) return {};
    return fmt::format("no data on {} of {} sessions", missing, covered.size());
  }

  ::betedge::testing::VirtualRuntime runtime;
  Weather weather;
  Memory& memory;
  std::vector<HistoricalRequest> to_submit;
  FakeSource source;
  sinks::MemoryStore lake;
  MemoryLog log;
  std::unique_ptr<JobStore> store;
  std::optional<engine::DataProcessingService> service;
  bool closed = false;
};

Life::Life(std::uint64_t seed, Weather weather, Memory& memory, std::string store_path,
           std::vector<HistoricalRequest> to_submit)
    : world_(std::make_unique<World>(seed, weather, memory, std::move(store_path),
                                     std::move(to_submit))) {}

Life::~Life() {
  world_->leave_the_lake();
  if (world_->closed) return;
  // A crash: nothing of it runs on, and nothing is cleaned up either, as when a process is killed.
  // Its suspended coroutines hold each other, so it is kept for good.
  static auto* const graveyard = new std::vector<std::unique_ptr<World>>;
  graveyard->push_back(std::move(world_));
}

bool Life::live(std::uint64_t steps) {
  for (std::uint64_t i = 0; i < steps && !world_->closed; ++i) {
    if (!world_->runtime.step()) {
      world_->broken("everything waits and nothing is left to happen");
      return false;
    }
  }
  if (!world_->closed) return false;
  while (world_->runtime.step()) {
  }
  return true;
}

}  // namespace betedge::simulation
