#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "betedge/core/request.hpp"
#include "betedge/net/http_client.hpp"
#include "betedge/ports/runtime.hpp"
#include "betedge/sdk/types.hpp"

namespace betedge::sdk {

// A betedge server, asked from coroutines of the loop's thread (API.md). Several calls at once are
// fine. Runtime and HTTP client outlive it. `stop` ends a call with `stopped`.
class AsyncClient {
 public:
  AsyncClient(Runtime& runtime, net::HttpClient& http, ServerAddress address, Retries retries = {});

  // POST /historical/{kind}. Without retries, and without an answer, the request may have been
  // accepted or not, and `jobs` tells.
  Task<Outcome<wire::AcceptedView>> submit(Kind kind, wire::SubmitForm form, std::stop_token stop);

  // What a submit would do: its objects and calls. Nothing is stored.
  Task<Outcome<Plan>> plan(Kind kind, wire::SubmitForm form, std::stop_token stop);

  // POST /jobs/{id}/cancel: what is finished stays.
  Task<Outcome<JobInfo>> cancel(std::string id, std::stop_token stop);
  // POST /jobs/{id}/retry: the failed items of an ended job once more.
  Task<Outcome<JobInfo>> retry_failed(std::string id, std::stop_token stop);
  // DELETE /jobs/{id}, which has ended; its objects stay.
  Task<Outcome<void>> forget(std::string id, std::stop_token stop);
  // Every page of a job's items.
  Task<Outcome<std::vector<wire::ItemView>>> all_items(std::string job_id,
                                                       std::optional<std::string> state,
                                                       std::stop_token stop);

  Task<Outcome<JobInfo>> job(std::string id, std::stop_token stop);
  // Newest first.
  Task<Outcome<std::vector<JobInfo>>> jobs(JobFilter filter, std::stop_token stop);
  Task<Outcome<ItemPage>> items(std::string job_id, ItemFilter filter, std::stop_token stop);
  Task<Outcome<void>> health(std::stop_token stop);

  // GET /lake/roots: what lies in the lake, series by series.
  Task<Outcome<Roots>> roots(std::stop_token stop);
  // GET /objects: those whose key begins so, at most `limit` (to 1000) of them.
  Task<Outcome<ObjectPage>> objects(std::string prefix, std::size_t limit, std::string cursor,
                                    std::stop_token stop);
  // GET /objects/{key}: the whole object.
  Task<Outcome<std::string>> object(std::string key, std::stop_token stop);
  // GET /lake/coverage: what the lake has of each session of a series.
  Task<Outcome<Coverage>> coverage(wire::CoverageQuery query, std::stop_token stop);
  // POST /lake/fill: one job of exactly what coverage finds missing, failed or stale. As `submit`,
  // not tried again by itself.
  Task<Outcome<Fill>> fill(wire::CoverageQuery query, FillOptions options, std::stop_token stop);
  // What fill would do; nothing is done.
  Task<Outcome<FillPlan>> plan_fill(wire::CoverageQuery query, FillOptions options,
                                    std::stop_token stop);
  // POST /lake/verify: reads every object again, which takes as long as it takes. Returns when all
  // is read; `unavailable` while another verification runs, `server_failed` when it could not be
  // brought to its end, `garbled` when its answer has none. `stop` ends the server's part too.
  Task<Outcome<wire::VerifyEnd>> verify(VerifyOptions options, std::stop_token stop);

  // Returns the job when it has ended, however it did. A server that goes away and comes back in
  // between is waited for; one that no longer knows the job is `not_found`.
  Task<Outcome<JobInfo>> wait_for_completion(std::string id, WaitOptions options,
                                             std::stop_token stop);

  // The same, and a job that did not end well is a Failure: job_failed, job_cancelled, and partial
  // unless that is allowed.
  Task<Outcome<JobInfo>> wait_for_success(std::string id, WaitOptions options,
                                          std::stop_token stop);

  // GET /jobs/{id}/events until the job's `end`. A stream that breaks is taken up again where it
  // was, through restarts of the server too.
  Task<Outcome<void>> events(std::string id, EventOptions options, std::stop_token stop);

  // "http://127.0.0.1:8000"
  const std::string& url() const { return address_.url; }

 private:
  struct Answer {
    int status = 0;
    std::string body;
    std::chrono::milliseconds retry_after{0};
  };
  net::HttpRequest request(std::string method, const std::string& target, std::string body) const;
  Failure refusal(int status, std::chrono::milliseconds retry_after, const std::string& body) const;
  // The answer to a request, if its status is 2xx; tried again as `retries_` has it.
  enum class Repeat : std::uint8_t { yes, no };
  Task<Outcome<Answer>> ask(std::string method, std::string target, std::string body,
                            std::stop_token stop, Repeat repeat = Repeat::yes,
                            net::Headers more = {});
  Task<Outcome<Answer>> ask_once(net::HttpRequest request, std::stop_token stop);
  Task<Outcome<JobInfo>> act(std::string id, std::string action, std::stop_token stop);
  Failure garbled(std::string message) const;

  Runtime& runtime_;
  net::HttpClient& http_;
  ServerAddress address_;
  Retries retries_;
};

}  // namespace betedge::sdk
