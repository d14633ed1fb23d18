#include "betedge/sdk/client.hpp"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <future>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "betedge/net/asio_runtime.hpp"
#include "betedge/ports/async.hpp"
#include "betedge/sdk/async_client.hpp"

namespace betedge::sdk {

ServerAddress address_from_environment() {
  ServerAddress address;
  if (const char* const url = std::getenv("BETEDGE_URL"); url != nullptr && *url != '\0')
    address.url = url;
  if (const char* const token = std::getenv("BETEDGE_TOKEN"); token != nullptr)
    address.token = token;
  if (const char* const file = std::getenv("BETEDGE_CA_FILE"); file != nullptr)
    address.ca_file = file;
  return address;
}

namespace {

// Stop tokens of coroutines are stopped on the loop's thread; the caller's may be on any.
class StopFromAnyThread {
 public:
  StopFromAnyThread(Runtime& runtime, std::stop_token outer)
      : watch_(std::move(outer), PassOn{runtime, inner_}) {}
  std::stop_token token() const { return inner_->get_token(); }
  // For the loop's thread.
  auto stopper() const {
    return [source = inner_] { source->request_stop(); };
  }

 private:
  // The source is shared with what is posted, which may come after the call has returned.
  using Source = std::shared_ptr<std::stop_source>;
  struct PassOn {
    Runtime& runtime;
    Source source;
    void operator()() const {
      runtime.post([source = source] { source->request_stop(); });
    }
  };
  Source inner_ = std::make_shared<std::stop_source>();
  std::stop_callback<PassOn> watch_;
};

}  // namespace

// Everything a client does happens on one thread, its loop's. Signals stay the program's: no thread
// of ours takes any.
class Engine {
 public:
  static Outcome<std::shared_ptr<Engine>> open(ServerAddress address, Retries retries) {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    auto engine = std::make_shared<Engine>();
    auto http = net::make_http_client(engine->runtime_, {.ca_file = address.ca_file});
    if (http) {
      engine->http_ = *std::move(http);
      engine->client_.emplace(engine->runtime_, *engine->http_, std::move(address), retries);
      engine->thread_ = std::thread([raw = engine.get()] { raw->runtime_.run(raw->live()); });
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (http) return engine;
    const auto problem =
        http.error().code == ErrorCode::invalid_request ? Problem::refused : Problem::server_failed;
    return std::unexpected(Failure{problem, 0, std::move(http.error().message)});
  }

  // Stops all calls, each of which still gets its answer, and waits until they are gone.
  void close() {
    {
      const std::lock_guard lock(mutex_);
      if (std::exchange(is_closed_, true)) return;
      runtime_.post([this] { ended_.notify_one(); });
    }
    thread_.join();
  }

  // `make(AsyncClient&, std::stop_token)` gives the call's task.
  template <class T, class Make>
  void start(Make make, std::stop_token stop, Then<T> then) {
    {
      const std::lock_guard lock(mutex_);
      if (!is_closed_) {
        runtime_.post([this, make = std::move(make), stop = std::move(stop),
                       then = std::move(then)]() mutable {
          scope_.spawn(run<T>(std::move(make), std::move(stop), std::move(then)));
        });
        return;
      }
    }
    then(std::unexpected(Failure{Problem::stopped, 0, "the client is closed"}));
  }

  template <class T, class Make>
  Outcome<T> wait(Make make, std::stop_token stop = {}) {
    if (std::this_thread::get_id() == thread_.get_id()) {
      return std::unexpected(Failure{
          Problem::refused, 0,
          "a blocking call on the client's own thread would wait for itself; use its other form"});
    }
    auto promise = std::make_shared<std::promise<Outcome<T>>>();
    auto outcome = promise->get_future();
    start<T>(std::move(make), std::move(stop),
             [promise](Outcome<T> value) { promise->set_value(std::move(value)); });
    return outcome.get();
  }

 private:
  template <class T, class Make>
  Task<void> run(Make make, std::stop_token stop, Then<T> then) {
    std::optional<Outcome<T>> outcome;
    {
      StopFromAnyThread inner(runtime_, std::move(stop));
      const std::stop_callback closing(scope_.stop_token(), inner.stopper());
      outcome = co_await make(*client_, inner.token());
    }
    then(*std::move(outcome));
  }

  Task<void> live() {
    co_await ended_.wait();
    co_await scope_.close();
  }

  net::AsioRuntime runtime_{1, 1};
  Notify ended_{runtime_};
  TaskScope scope_{runtime_};
  std::unique_ptr<net::HttpClient> http_;
  std::optional<AsyncClient> client_;
  std::mutex mutex_;
  bool is_closed_ = false;
  std::thread thread_;
};

Day::Day(std::chrono::year_month_day day)
    : text(fmt::format("{:04}{:02}{:02}", static_cast<int>(day.year()),
                       static_cast<unsigned>(day.month()), static_cast<unsigned>(day.day()))) {}

Day::Day(std::string day) : text(std::move(day)) {
  std::erase(text, '-');
}

namespace {

Request request_of(Kind kind, std::vector<std::string> roots, Day first, Day last,
                   RequestOptions options) {
  wire::SubmitForm form;
  if (roots.size() == 1) {
    form.root = std::move(roots.front());
  } else {
    form.roots = std::move(roots);
  }
  form.start_date = std::move(first.text);
  form.end_date = std::move(last.text);
  const auto text = [](auto value) { return std::string(to_text(value)); };
  const auto count = [](std::chrono::milliseconds value) { return std::int64_t{value.count()}; };
  form.schema = options.schema.transform(text);
  form.interval_ms = options.interval.transform(count);
  form.start_time_ms = options.start_time.transform(count);
  form.end_time_ms = options.end_time.transform(count);
  form.mode = options.mode.transform(text);
  form.return_format = options.format.transform(text);
  form.labels = std::move(options.labels);
  form.priority = options.priority;
  return Request{kind, std::move(form)};
}

auto submission(Request request) {
  return [request = std::move(request)](AsyncClient& client, std::stop_token stop) mutable {
    return client.submit(request.kind, std::move(request.form), std::move(stop));
  };
}

auto waiting(std::string id, WaitOptions options) {
  return [id = std::move(id), options = std::move(options)](AsyncClient& client,
                                                            std::stop_token stop) mutable {
    return client.wait_for_success(std::move(id), std::move(options), std::move(stop));
  };
}

auto watching(std::string id, std::function<void(const Event&)> on_event) {
  return [id = std::move(id), on_event = std::move(on_event)](AsyncClient& client,
                                                              std::stop_token stop) mutable {
    EventOptions options{.on_event = std::move(on_event)};
    return client.events(std::move(id), std::move(options), std::move(stop));
  };
}

auto listing(std::string id, std::optional<std::string> state) {
  return [id = std::move(id), state = std::move(state)](AsyncClient& client,
                                                        std::stop_token stop) mutable {
    return client.all_items(std::move(id), std::move(state), std::move(stop));
  };
}

// A call of a job that takes its id alone.
template <class T>
auto of_job(std::string id, Task<Outcome<T>> (AsyncClient::*call)(std::string, std::stop_token)) {
  return [id = std::move(id), call](AsyncClient& client, std::stop_token stop) mutable {
    return (client.*call)(std::move(id), std::move(stop));
  };
}

// A call of the client that takes its arguments and a stop token.
template <class Call, class... Arguments>
auto of_client(Call call, Arguments... arguments) {
  return [call, ... arguments = std::move(arguments)](AsyncClient& client,
                                                      std::stop_token stop) mutable {
    return (client.*call)(std::move(arguments)..., std::move(stop));
  };
}

}  // namespace

Request option_request(Symbols roots, Day first, Day last, RequestOptions options) {
  return request_of(Kind::option, std::move(roots.all), std::move(first), std::move(last),
                    std::move(options));
}

Request stock_request(Symbols roots, Day first, Day last, RequestOptions options) {
  return request_of(Kind::stock, std::move(roots.all), std::move(first), std::move(last),
                    std::move(options));
}

Request earnings_request(Day first, Day last, RequestOptions options) {
  first.text.resize(std::min<std::size_t>(first.text.size(), 6));
  last.text.resize(std::min<std::size_t>(last.text.size(), 6));
  return request_of(Kind::earnings, {}, std::move(first), std::move(last), std::move(options));
}

// ---- Job ----

Outcome<JobInfo> Job::refresh() const {
  return engine_->wait<JobInfo>(of_job(id_, &AsyncClient::job));
}
void Job::refresh(Then<JobInfo> then) const {
  engine_->start<JobInfo>(of_job(id_, &AsyncClient::job), {}, std::move(then));
}

Outcome<JobInfo> Job::wait_for_completion(WaitOptions options, std::stop_token stop) const {
  return engine_->wait<JobInfo>(waiting(id_, std::move(options)), std::move(stop));
}
void Job::wait_for_completion(WaitOptions options, std::stop_token stop, Then<JobInfo> then) const {
  engine_->start<JobInfo>(waiting(id_, std::move(options)), std::move(stop), std::move(then));
}

Outcome<void> Job::events(std::function<void(const Event&)> on_event, std::stop_token stop) const {
  return engine_->wait<void>(watching(id_, std::move(on_event)), std::move(stop));
}
void Job::events(std::function<void(const Event&)> on_event, std::stop_token stop,
                 Then<void> then) const {
  engine_->start<void>(watching(id_, std::move(on_event)), std::move(stop), std::move(then));
}

Outcome<Job::Items> Job::items(std::optional<std::string> state) const {
  return engine_->wait<Items>(listing(id_, std::move(state)));
}
void Job::items(std::optional<std::string> state, Then<Items> then) const {
  engine_->start<Items>(listing(id_, std::move(state)), {}, std::move(then));
}

Outcome<JobInfo> Job::cancel() const {
  return engine_->wait<JobInfo>(of_job(id_, &AsyncClient::cancel));
}
void Job::cancel(Then<JobInfo> then) const {
  engine_->start<JobInfo>(of_job(id_, &AsyncClient::cancel), {}, std::move(then));
}

Outcome<JobInfo> Job::retry_failed() const {
  return engine_->wait<JobInfo>(of_job(id_, &AsyncClient::retry_failed));
}
void Job::retry_failed(Then<JobInfo> then) const {
  engine_->start<JobInfo>(of_job(id_, &AsyncClient::retry_failed), {}, std::move(then));
}

Outcome<void> Job::forget() const {
  return engine_->wait<void>(of_job(id_, &AsyncClient::forget));
}

// ---- Client ----

Outcome<Client> Client::open(ServerAddress address, ClientOptions options) {
  BETEDGE_TRY(auto engine, Engine::open(std::move(address), options.retries));
  return Client(std::move(engine));
}

Client::Client(std::shared_ptr<Engine> engine) : engine_(std::move(engine)) {}
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&& other) noexcept {
  if (this != &other) {
    if (engine_) engine_->close();
    engine_ = std::move(other.engine_);
  }
  return *this;
}
Client::~Client() {
  if (engine_) engine_->close();
}

Historical Client::historical() {
  return Historical(*this);
}

Outcome<Job> Client::earnings(Day first, Day last, RequestOptions options) {
  return submit(earnings_request(std::move(first), std::move(last), std::move(options)));
}

Outcome<Job> Client::submit(Request request) {
  BETEDGE_TRY(auto accepted, engine_->wait<wire::AcceptedView>(submission(std::move(request))));
  return Job(engine_, std::move(accepted.job_id));
}
void Client::submit(Request request, Then<Job> then) {
  engine_->start<wire::AcceptedView>(
      submission(std::move(request)), {},
      [engine = engine_, then = std::move(then)](Outcome<wire::AcceptedView> accepted) {
        if (!accepted) return then(std::unexpected(std::move(accepted).error()));
        then(Job(engine, std::move(accepted->job_id)));
      });
}

Outcome<Plan> Client::plan(Request request) {
  return engine_->wait<Plan>(of_client(&AsyncClient::plan, request.kind, std::move(request.form)));
}

Outcome<Job> Client::job(std::string id) {
  BETEDGE_TRY(auto info, Job(engine_, std::move(id)).refresh());
  return Job(engine_, std::move(info.view.job_id));
}

Outcome<std::vector<JobInfo>> Client::jobs(JobFilter filter) {
  return engine_->wait<std::vector<JobInfo>>(of_client(&AsyncClient::jobs, std::move(filter)));
}

Outcome<void> Client::health() {
  return engine_->wait<void>(of_client(&AsyncClient::health));
}

Outcome<Roots> Client::roots() {
  return engine_->wait<Roots>(of_client(&AsyncClient::roots));
}

Outcome<Coverage> Client::coverage(wire::CoverageQuery query) {
  return engine_->wait<Coverage>(of_client(&AsyncClient::coverage, std::move(query)));
}

Outcome<Fill> Client::fill(wire::CoverageQuery query, FillOptions options) {
  return engine_->wait<Fill>(of_client(&AsyncClient::fill, std::move(query), std::move(options)));
}

Outcome<FillPlan> Client::plan_fill(wire::CoverageQuery query, FillOptions options) {
  return engine_->wait<FillPlan>(
      of_client(&AsyncClient::plan_fill, std::move(query), std::move(options)));
}

Outcome<wire::VerifyEnd> Client::verify(VerifyOptions options, std::stop_token stop) {
  return engine_->wait<wire::VerifyEnd>(of_client(&AsyncClient::verify, std::move(options)),
                                        std::move(stop));
}

}  // namespace betedge::sdk
