// The callback form: submits a job and watches it while this thread is free: events ROOT FIRST LAST
#include <betedge/sdk/client.hpp>
#include <future>
#include <iostream>

using namespace betedge;

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  std::promise<bool> ended;  // before the client, which may still answer while it ends
  auto client = sdk::Client::open();
  if (!client) return 1;

  // These run on the client's own thread.
  const auto on_event = [](const sdk::Event& event) {
    std::cout << event.name;
    if (event.job) std::cout << " " << event.job->view.completed << "/" << event.job->view.total;
    std::cout << std::endl;
  };
  const auto on_end = [&ended](sdk::Outcome<void> outcome) {
    ended.set_value(outcome.has_value());
  };
  client->submit(sdk::stock_request(argv[1], argv[2], argv[3]), [&](sdk::Outcome<sdk::Job> job) {
    if (!job) return ended.set_value(false);
    job->events(on_event, {}, on_end);
  });
  return ended.get_future().get() ? 0 : 1;
}
