// Gives up waiting after the first news, and cancels the job: stop_token ROOT FIRST LAST
#include <betedge/sdk/client.hpp>
#include <iostream>
#include <stop_token>

using namespace betedge;

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  auto client = sdk::Client::open();
  if (!client) return 1;
  const auto job = client->historical().stock(argv[1], argv[2], argv[3]);
  if (!job) return 1;

  std::stop_source stop;  // may be stopped from any thread
  const auto outcome = job->wait_for_completion(
      {.on_progress = [&stop](const sdk::JobInfo&) { stop.request_stop(); }}, stop.get_token());
  if (outcome || outcome.error().problem != sdk::Problem::stopped) return 1;
  std::cout << outcome.error().message << "\n";

  const auto cancelled = job->cancel();
  if (!cancelled) return 1;
  std::cout << cancelled->view.state << "\n";
}
