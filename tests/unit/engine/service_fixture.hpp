#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <map>

#include "betedge/core/calendar.hpp"
#include "betedge/engine/data_processing_service.hpp"
#include "betedge/jobs/sqlite_store.hpp"
#include "betedge/ports/async.hpp"
#include "betedge/sinks/memory_store.hpp"
#include "support/counted_metrics.hpp"
#include "support/virtual_runtime.hpp"

namespace betedge::engine {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

inline Date day(int year, unsigned month, unsigned number) {
  return std::chrono::year{year} / month / number;
}

// What one call is answered with: rows of a stock's v3 end-of-day CSV, no data, or an error.
struct Scripted {
  std::optional<Error> error;
  bool no_data = false;
  std::string body;
};

class ScriptedAnswer final : public Answer {
 public:
  explicit ScriptedAnswer(std::string body) : body_(std::move(body)) {}
  WireFormat format() const override { return WireFormat::v3_csv; }
  Task<Result<std::optional<Chunk>>> next() override {
    if (body_.empty()) co_return std::nullopt;
    const auto bytes = as_bytes(body_);
    Chunk chunk{Bytes(bytes.begin(), bytes.end()), true};
    body_.clear();
    co_return chunk;
  }

 private:
  std::string body_;
};

// Answers a call with what was put there for its days: one error fails all of it, and the rows of
// days follow each other under the first one's header.
class ScriptedSource final : public Source {
 public:
  explicit ScriptedSource(Runtime& runtime) : runtime_(runtime) {}
  // By day; of several the last one stays.
  std::map<std::pair<Kind, Date>, std::deque<Scripted>> answers;
  // Instead of them: the whole answer, nullopt for no data.
  std::function<std::optional<std::string>(const Call&)> market;
  std::function<std::optional<Error>(const Call&)> refuses_call;  // before anything else
  std::vector<Call> calls;
  std::optional<std::vector<Date>> all_expirations;
  bool takes_chain_spans = false;
  std::optional<std::string> refuses;
  bool is_there = true;
  std::chrono::milliseconds latency{10};

  Task<Result<std::optional<std::unique_ptr<Answer>>>> open(Call call,
                                                            std::stop_token stop) override {
    calls.push_back(call);
    if (!co_await sleep_for(runtime_, latency, stop)) co_return fail(ErrorCode::cancelled, "stop");
    if (!is_there) co_return fail(ErrorCode::upstream_unavailable, "connection refused");
    if (refuses_call)
      if (auto error = refuses_call(call)) co_return std::unexpected(*std::move(error));
    auto body = market ? Result<std::optional<std::string>>(market(call)) : rows_of(call);
    if (!body) co_return std::unexpected(std::move(body).error());
    if (!*body) co_return std::nullopt;
    co_return std::make_unique<ScriptedAnswer>(**std::move(body));
  }
  bool takes_spans(const Call&) const override { return takes_chain_spans; }
  Task<Result<std::optional<std::vector<Date>>>> expirations(Call, std::stop_token) override {
    co_return all_expirations;
  }
  std::optional<std::string> refusal(const Call&) const override { return refuses; }
  std::string version() const override { return "v3"; }
  Task<Result<void>> probe(std::stop_token) override {
    if (!is_there) co_return fail(ErrorCode::upstream_unavailable, "connection refused");
    co_return Result<void>{};
  }

 private:
  static Scripted take(std::deque<Scripted>& script) {
    auto answer = script.front();
    if (script.size() > 1) script.pop_front();
    return answer;
  }

  Result<std::optional<std::string>> rows_of(const Call& call) {
    std::vector<std::deque<Scripted>*> scripts;
    for (Date day = call.dates.first; day <= call.dates.last; day += std::chrono::days{1})
      if (const auto found = answers.find({call.kind, day});
          found != answers.end() && !found->second.empty())
        scripts.push_back(&found->second);
    for (auto* script : scripts)
      if (script->front().error) return std::unexpected(*take(*script).error);
    std::optional<std::string> body;
    for (auto* script : scripts) {
      auto answer = take(*script);
      if (answer.no_data) continue;
      if (body) answer.body.erase(0, answer.body.find('\n') + 1);
      body = body.value_or("") + answer.body;
    }
    return body;
  }

  Runtime& runtime_;
};

class LineLog final : public Log {
 public:
  std::vector<std::string> lines;
  void event(Level, std::string_view name, std::initializer_list<Field> fields) override {
    std::string line(name);
    for (const auto& field : fields) line += " " + std::string(field.name) + "=" + field.value;
    lines.push_back(std::move(line));
  }
};

inline std::string eod_csv(std::string_view iso_day) {
  const std::string day_text(iso_day);
  return "created,last_trade,open,high,low,close,volume,count,bid_size,bid_exchange,bid,"
         "bid_condition,ask_size,ask_exchange,ask,ask_condition\n" +
         day_text + "T17:15:00," + day_text +
         "T15:59:00,10.00,11.00,9.50,10.50,1000,7,1,1,10.40,50,2,1,10.60,50\n";
}

inline std::string ohlc_csv(std::string_view iso_day) {
  return "timestamp,open,high,low,close,volume,count,vwap\n" + std::string(iso_day) +
         "T09:30:00,10.00,11.00,9.50,10.50,1000,7,10.10\n";
}

inline std::string option_ohlc_csv(std::string_view iso_day) {
  return "symbol,expiration,strike,right,timestamp,open,high,low,close,volume,count,vwap\n"
         "AAA,2024-02-16,105.000,CALL," +
         std::string(iso_day) + "T09:30:00,1.00,1.10,0.95,1.05,100,7,1.01\n";
}

class DataProcessingServiceTest : public ::testing::Test {
 protected:
  DataProcessingServiceTest() {
    store_ = *jobs::open_sqlite_store(runtime_, ":memory:");
    open_service({});
  }
  ~DataProcessingServiceTest() override {
    if (!closed_) runtime_.run(service_->close());
  }

  // On the store and the lake as they are.
  void open_service(EngineOptions options) {
    options.retry.max_attempts = 3;
    options.items_per_job = 400;
    options.queued_items = 500;
    service_.emplace(DataProcessingService::Ports{runtime_,
                                                  *store_,
                                                  lake_,
                                                  {{"thetadata", source_, limiter_},
                                                   {"nasdaq", nasdaq_, nasdaq_limiter_}},
                                                  log_,
                                                  metrics_},
                     options);
    runtime_.run(must(service_->start()));
  }

  static Task<void> must(Task<Result<void>> task) {
    auto owned = std::move(task);
    const auto result = co_await std::move(owned);
    EXPECT_TRUE(result.has_value());
  }

  HistoricalRequest stock_ohlc(Date first, Date last) const {
    return {.kind = Kind::stock,
            .root = *Symbol::parse("AAA"),
            .dates = {first, last},
            .schema = Schema::ohlc,
            .interval = 1min};
  }

  using Submitted = std::expected<JobInfo, DataProcessingService::SubmitFailure>;
  Task<void> submit_into(HistoricalRequest request, std::optional<Submitted>& answer) {
    const auto id =
        JobId::make(runtime_.wall_now(), {runtime_.random_bits(), runtime_.random_bits()});
    std::vector<std::string> warnings{"unknown member 'colour' ignored"};
    Submission submission{.requests = {request}, .labels = {}, .priority = 0};
    co_await submit_whole(std::move(submission), id, std::move(warnings), answer);
  }
  Task<void> submit_whole(Submission submission, JobId id, std::vector<std::string> warnings,
                          std::optional<Submitted>& answer) {
    auto created = co_await service_->process_request(std::move(submission), id,
                                                      std::move(warnings), std::nullopt);
    if (created) {
      how_ = created->how;
      answer.emplace(created->job);
    } else {
      answer.emplace(std::unexpected(created.error()));
    }
  }
  Submitted submit(const HistoricalRequest& request) {
    std::optional<Submitted> answer;
    runtime_.run(submit_into(request, answer));
    return *answer;
  }

  Task<void> read_into(JobId id, JobInfo& info) {
    auto read = co_await service_->get_job_status(id);
    if (read && *read) info = **read;
  }
  JobInfo job(JobId id) {
    JobInfo info;
    runtime_.run(read_into(id, info));
    return info;
  }
  Task<void> ended(JobId id, JobInfo& info) {
    while (true) {
      co_await read_into(id, info);
      if (info.status == JobStatus::completed || info.status == JobStatus::failed) co_return;
      co_await sleep_for(runtime_, 10ms);
    }
  }
  JobInfo run_to_end(JobId id) {
    JobInfo info;
    runtime_.run(ended(id, info));
    return info;
  }
  Task<void> items_into(JobId id, std::vector<ItemRecord>& items) {
    auto page = co_await service_->list_items(id, {.state = {}, .limit = 1'000});
    if (page) items = page->items;
  }
  std::vector<ItemRecord> items(JobId id) {
    std::vector<ItemRecord> all;
    runtime_.run(items_into(id, all));
    return all;
  }

  Task<void> sleep(std::chrono::nanoseconds time) { (void)co_await sleep_for(runtime_, time); }
  Task<void> change(Task<Result<JobInfo>> task) {
    auto owned = std::move(task);
    changed_ = co_await std::move(owned);
  }
  // What refused the change; `internal` when nothing did.
  ErrorCode change_of(Task<Result<JobInfo>> task) {
    runtime_.run(change(std::move(task)));
    return changed_ ? ErrorCode::internal : changed_.error().code;
  }
  Task<void> delete_into(JobId id, Result<void>& answer) {
    answer = co_await service_->delete_job(id);
  }
  Result<void> deleted(JobId id) {
    Result<void> answer;
    runtime_.run(delete_into(id, answer));
    return answer;
  }
  using Dry = std::expected<DryRun, DataProcessingService::SubmitFailure>;
  Task<void> dry_run_into(HistoricalRequest request, std::optional<Dry>& answer) {
    Submission submission{.requests = {std::move(request)}, .labels = {}, .priority = 0};
    answer.emplace(co_await service_->dry_run(std::move(submission)));
  }
  Dry dry_run(const HistoricalRequest& request) {
    std::optional<Dry> answer;
    runtime_.run(dry_run_into(request, answer));
    return *std::move(answer);
  }
  Task<void> record_into(ObjectKey key, std::optional<ObjectRecord>& record) {
    auto found = co_await store_->find_object(std::move(key));
    if (found) record = *std::move(found);
  }
  std::optional<ObjectRecord> recorded(const ObjectKey& key) {
    std::optional<ObjectRecord> record;
    runtime_.run(record_into(key, record));
    return record;
  }
  Task<void> wait(JobId id, std::optional<SteadyTime> until, std::optional<Woken>& woken) {
    woken = co_await service_->wait_for_change(id, {}, until);
  }

  Result<JobInfo> changed_ = JobInfo{};
  testing::VirtualRuntime runtime_{7};
  sinks::MemoryStore lake_{runtime_};
  ScriptedSource source_{runtime_}, nasdaq_{runtime_};
  net::Limiter limiter_{runtime_, 4}, nasdaq_limiter_{runtime_, 1};
  CreatedJob::How how_ = CreatedJob::How::made;
  LineLog log_;
  betedge::testing::CountedMetrics metrics_;
  std::unique_ptr<JobStore> store_;
  std::optional<DataProcessingService> service_;
  bool closed_ = false;
};

}  // namespace betedge::engine
