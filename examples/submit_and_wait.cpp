// Submits a year's end of day of a stock and waits for it: submit_and_wait ROOT FIRST LAST
#include <betedge/sdk/client.hpp>
#include <iostream>

using namespace betedge;

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  auto client = sdk::Client::open();  // BETEDGE_URL, BETEDGE_TOKEN
  if (!client) {
    std::cerr << client.error().message << "\n";
    return 1;
  }
  const auto job = client->historical().stock(argv[1], argv[2], argv[3], {.schema = Schema::ohlc});
  if (!job) {
    std::cerr << job.error().message << "\n";
    return 1;
  }
  const auto done = job->wait_for_completion({.on_progress = [](const sdk::JobInfo& now) {
    std::cout << now.view.state << " " << now.view.completed << "/" << now.view.total << std::endl;
  }});
  if (!done) {
    std::cerr << done.error().message << "\n";
    for (const auto& fault : done.error().faults) std::cerr << "  " << fault << "\n";
    return 1;
  }
  std::cout << done->view.rows << " rows\n";
  const auto items = job->items();
  if (!items) return 1;
  for (const auto& item : *items) std::cout << item.key << "\n";
}
