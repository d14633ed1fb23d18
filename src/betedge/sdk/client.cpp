#include "betedge/sdk/client.hpp"

#include <cstdlib>
#include <optional>
#include <utility>

#include "betedge/net/asio_runtime.hpp"
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

struct Client::Impl {
  explicit Impl(ServerAddress its_address) : address(std::move(its_address)) {}

  template <class T>
  static Task<void> keep(Task<Outcome<T>> task, std::optional<Outcome<T>>& outcome) {
    outcome = co_await std::move(task);
  }

  // Runs the call's loop on this thread until it has ended.
  template <class T>
  Outcome<T> run(Task<Outcome<T>> task) {
    std::optional<Outcome<T>> outcome;
    runtime.run(keep(std::move(task), outcome));
    return *std::move(outcome);
  }

  ServerAddress address;
  net::AsioRuntime runtime{1, 1};
  std::unique_ptr<net::HttpClient> http;
  std::optional<AsyncClient> client;
};

Outcome<Client> Client::open(ServerAddress address) {
  auto impl = std::make_unique<Impl>(std::move(address));
  auto http = net::make_http_client(impl->runtime, {.ca_file = impl->address.ca_file});
  if (!http) {
    const auto problem =
        http.error().code == ErrorCode::invalid_request ? Problem::refused : Problem::server_failed;
    return std::unexpected(Failure{problem, 0, std::move(http.error().message)});
  }
  impl->http = *std::move(http);
  impl->client.emplace(impl->runtime, *impl->http, impl->address);
  return Client(std::move(impl));
}

Client::Client(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
Client::~Client() = default;

Outcome<wire::AcceptedView> Client::submit(Kind kind, wire::SubmitForm form) {
  return impl_->run(impl_->client->submit(kind, std::move(form), {}));
}

Outcome<Job> Client::job(std::string id) {
  return impl_->run(impl_->client->job(std::move(id), {}));
}

Outcome<std::vector<Job>> Client::jobs(JobFilter filter) {
  return impl_->run(impl_->client->jobs(std::move(filter), {}));
}

Outcome<ItemPage> Client::items(std::string job_id, ItemFilter filter) {
  return impl_->run(impl_->client->items(std::move(job_id), std::move(filter), {}));
}

Outcome<void> Client::health() {
  return impl_->run(impl_->client->health({}));
}

Outcome<Roots> Client::roots() {
  return impl_->run(impl_->client->roots({}));
}

Outcome<Coverage> Client::coverage(wire::CoverageQuery query) {
  return impl_->run(impl_->client->coverage(std::move(query), {}));
}

Outcome<Fill> Client::fill(wire::CoverageQuery query, FillOptions options) {
  return impl_->run(impl_->client->fill(std::move(query), std::move(options), {}));
}

Outcome<FillPlan> Client::plan_fill(wire::CoverageQuery query, FillOptions options) {
  return impl_->run(impl_->client->plan_fill(std::move(query), std::move(options), {}));
}

Outcome<wire::VerifyEnd> Client::verify(VerifyOptions options, std::stop_token stop) {
  StopFromAnyThread inner(impl_->runtime, std::move(stop));
  return impl_->run(impl_->client->verify(std::move(options), inner.token()));
}

Outcome<Job> Client::wait_for_completion(std::string id, WaitOptions options,
                                         std::stop_token stop) {
  StopFromAnyThread inner(impl_->runtime, std::move(stop));
  return impl_->run(
      impl_->client->wait_for_completion(std::move(id), std::move(options), inner.token()));
}

}  // namespace betedge::sdk
