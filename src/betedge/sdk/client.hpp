#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "betedge/core/request.hpp"
#include "betedge/sdk/types.hpp"

namespace betedge::sdk {

// Where BETEDGE_URL says, with the token of BETEDGE_TOKEN and the authorities of BETEDGE_CA_FILE;
// what is not set, or set to nothing, keeps its default. Read it before other threads change the
// environment.
ServerAddress address_from_environment();

// A betedge server, for programs without an event loop: every call blocks until it has its answer
// or its failure. Holds a few idle threads and the open connection. One call at a time. A stop
// token may be stopped from any thread.
class Client {
 public:
  // Does not ask the server anything yet; fails when libcurl does not start, and when the file of
  // certificate authorities is none.
  static Outcome<Client> open(ServerAddress address);
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  ~Client();

  [[nodiscard]] Outcome<wire::AcceptedView> submit(Kind kind, wire::SubmitForm form);
  [[nodiscard]] Outcome<Job> job(std::string id);
  [[nodiscard]] Outcome<std::vector<Job>> jobs(JobFilter filter = {});
  [[nodiscard]] Outcome<ItemPage> items(std::string job_id, ItemFilter filter = {});
  [[nodiscard]] Outcome<void> health();

  // The lake; see AsyncClient.
  [[nodiscard]] Outcome<Roots> roots();
  [[nodiscard]] Outcome<Coverage> coverage(wire::CoverageQuery query);
  [[nodiscard]] Outcome<Fill> fill(wire::CoverageQuery query, FillOptions options = {});
  [[nodiscard]] Outcome<FillPlan> plan_fill(wire::CoverageQuery query, FillOptions options = {});
  [[nodiscard]] Outcome<wire::VerifyEnd> verify(VerifyOptions options = {},
                                                std::stop_token stop = {});

  // Returns the job when it has ended, however it did; see AsyncClient::wait_for_completion. The
  // options' functions are called on this thread's behalf, before the call returns.
  [[nodiscard]] Outcome<Job> wait_for_completion(std::string id, WaitOptions options = {},
                                                 std::stop_token stop = {});

 private:
  struct Impl;
  explicit Client(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace betedge::sdk
