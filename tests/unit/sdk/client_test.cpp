#include "betedge/sdk/client.hpp"

#include <gmock/gmock.h>

#include <cstdlib>
#include <future>
#include <optional>
#include <thread>

#include "betedge/net/asio_runtime.hpp"
#include "betedge/net/http_server.hpp"
#include "betedge/ports/async.hpp"
#include "unit/sdk/job_answers.hpp"

// The blocking client against a real server on loopback; what it makes of answers is
// async_client_test's.
namespace betedge::sdk {
namespace {

using betedge::testing::job_json;
using betedge::testing::kJobId;

// A server on a thread of its own: GET /jobs/{id} runs for two looks and is then completed;
// POST is accepted; /jobs/endless never ends.
class LittleServer {
 public:
  LittleServer() {
    thread_ = std::thread([this] { runtime_.run(serve()); });
    port_ = ready_.get_future().get();
  }
  ~LittleServer() {
    runtime_.post([this] { ended_.notify_one(); });
    thread_.join();
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

 private:
  Task<void> serve() {
    auto server = net::make_http_server(
        runtime_, {}, [this](net::ServerRequest request) { return answer(std::move(request)); });
    if (!server) throw std::runtime_error(server.error().message);
    ready_.set_value((*server)->port());
    co_await ended_.wait();
    co_await (*server)->stop(std::chrono::seconds{1});
  }

  Task<net::ServerResponse> answer(net::ServerRequest request) {
    net::ServerResponse response;
    response.headers = {{"Content-Type", "application/json"}};
    std::string body = R"({"detail":"Not Found"})";
    if (request.method == "POST") {
      response.status = 202;
      const bool is_endless = request.path == "/historical/stock";
      body = is_endless ? R"({"status":"accepted","job_id":"endless","status_url":"/jobs/endless"})"
                        : R"({"status":"accepted","job_id":"abc","status_url":"/jobs/abc"})";
    } else if (request.path == "/jobs/abc" && ++looks_ > 2) {
      body = job_json({.status = "completed", .state = "completed", .succeeded = 1});
    } else if (request.path == "/jobs/abc" || request.path == "/jobs/endless") {
      body = job_json({.pending = 1});
    } else {
      response.status = 404;
    }
    response.body = net::SharedBytes::of(std::move(body));
    co_return response;
  }

  net::AsioRuntime runtime_{1, 1};
  Notify ended_{runtime_};
  std::promise<std::uint16_t> ready_;
  std::uint16_t port_ = 0;
  int looks_ = 0;
  std::thread thread_;
};

TEST(ClientTest, SubmitsAJobAndWaitsForIt) {
  const LittleServer server;
  auto client = Client::open({.url = server.url()});
  ASSERT_TRUE(client);
  const auto submitted = client->historical().option("A", "2024-01-02", "2024-01-02");
  ASSERT_TRUE(submitted) << submitted.error().message;
  int looks = 0;
  const auto job =
      submitted->wait_for_completion({.first_delay = std::chrono::milliseconds{1},
                                      .longest_delay = std::chrono::milliseconds{1},
                                      .on_progress = [&looks](const JobInfo&) { ++looks; }});
  ASSERT_TRUE(job) << job.error().message;
  EXPECT_EQ(job->view.job_id, kJobId);
  EXPECT_EQ(looks, 3);
  EXPECT_EQ(client->job("unknown").error().problem, Problem::not_found);
  EXPECT_EQ(client->health().error().problem, Problem::not_found);
}

TEST(ClientTest, AStopFromAnotherThreadEndsTheWait) {
  const LittleServer server;
  auto client = Client::open({.url = server.url()});
  ASSERT_TRUE(client);
  std::stop_source stop;
  std::thread stopper;
  const auto endless = client->submit(stock_request("endless", "20240102", "20240102"));
  ASSERT_TRUE(endless);
  const auto job = endless->wait_for_completion(
      {.first_delay = std::chrono::hours{1},
       .longest_delay = std::chrono::hours{1},
       .on_progress =
           [&](const JobInfo&) { stopper = std::thread([&stop] { stop.request_stop(); }); }},
      stop.get_token());
  stopper.join();
  ASSERT_FALSE(job);
  EXPECT_EQ(job.error().problem, Problem::stopped);
}

TEST(ClientTest, AStopBeforehandMeansNoWaitAtAll) {
  const LittleServer server;
  auto client = Client::open({.url = server.url()});
  ASSERT_TRUE(client);
  std::stop_source stop;
  stop.request_stop();
  const auto endless = client->submit(stock_request("endless", "20240102", "20240102"));
  ASSERT_TRUE(endless);
  EXPECT_EQ(endless->wait_for_completion({}, stop.get_token()).error().problem, Problem::stopped);
  EXPECT_TRUE(endless->refresh()) << "the client goes on";
}

TEST(ClientTest, TheEndOfTheClientEndsWhatIsUnderWayAndAnswersIt) {
  const LittleServer server;
  std::promise<Problem> ended;
  std::promise<void> began;
  std::optional<Job> job;
  {
    auto client = Client::open({.url = server.url()});
    ASSERT_TRUE(client);
    job = client->submit(stock_request("endless", "20240102", "20240102")).value();
    job->wait_for_completion(
        {.first_delay = std::chrono::hours{1},
         .longest_delay = std::chrono::hours{1},
         .on_progress = [&](const JobInfo&) { began.set_value(); }},
        {}, [&](Outcome<JobInfo> outcome) { ended.set_value(outcome.error().problem); });
    began.get_future().wait();
  }
  EXPECT_EQ(ended.get_future().get(), Problem::stopped);
  EXPECT_EQ(job->refresh().error().problem, Problem::stopped) << "a job may outlive its client";
}

TEST(ClientTest, ABlockingCallOnItsOwnThreadIsRefused) {
  const LittleServer server;
  auto client = Client::open({.url = server.url()});
  ASSERT_TRUE(client);
  std::promise<Problem> refused;
  client->submit(stock_request("endless", "20240102", "20240102"),
                 [&](Outcome<Job> job) { refused.set_value(job->refresh().error().problem); });
  EXPECT_EQ(refused.get_future().get(), Problem::refused);
}

TEST(ClientTest, NobodyThereIsUnavailable) {
  std::string url;
  {
    const LittleServer gone;
    url = gone.url();
  }
  auto client = Client::open({.url = url});
  ASSERT_TRUE(client);
  EXPECT_EQ(client->health().error().problem, Problem::unavailable);
}

TEST(ClientTest, AWrongUrlIsRefusedInASentence) {
  auto client = Client::open({.url = "ftp://somewhere"});
  ASSERT_TRUE(client);
  const auto health = client->health();
  EXPECT_EQ(health.error().problem, Problem::refused);
  EXPECT_THAT(health.error().message, ::testing::HasSubstr("ftp://somewhere"));
}

TEST(AddressTest, ComesFromTheEnvironmentAsFarAsThatSays) {
  ::unsetenv("BETEDGE_URL");
  ::unsetenv("BETEDGE_TOKEN");
  EXPECT_EQ(address_from_environment().url, ServerAddress{}.url);
  EXPECT_EQ(address_from_environment().token, "");
  ::setenv("BETEDGE_URL", "http://lake.example:7", 1);
  ::setenv("BETEDGE_TOKEN", "betedge_x", 1);
  EXPECT_EQ(address_from_environment().url, "http://lake.example:7");
  EXPECT_EQ(address_from_environment().token, "betedge_x");
  ::setenv("BETEDGE_URL", "", 1);
  EXPECT_EQ(address_from_environment().url, ServerAddress{}.url);
  ::unsetenv("BETEDGE_URL");
  ::unsetenv("BETEDGE_TOKEN");
}

}  // namespace
}  // namespace betedge::sdk
