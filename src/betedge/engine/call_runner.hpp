#pragma once

#include <cstdint>
#include <stop_token>
#include <vector>

#include "betedge/engine/drafts.hpp"
#include "betedge/engine/upstream_watch.hpp"
#include "betedge/ports/source.hpp"

namespace betedge::engine {

// Brings the rows of calls into drafts, while they come. A call that the vendor finds too large is
// cut in halves until it does not (core/calls.hpp): days, then hours, at last into one call an
// expiration. All parts go into the same drafts, so that an object put together is complete.
class CallRunner {
 public:
  // Both outlive it.
  CallRunner(Source& source, UpstreamWatch& upstream) : source_(source), upstream_(upstream) {}

  // `none`: the vendor says that there is no data for any of it.
  enum class Data : std::uint8_t { some, none };
  // upstream_too_large: and nothing is left to cut, or it is a chain over days that the source has
  // just learnt not to ask for; upstream_refused, upstream_too_large and upstream_denied of the
  // first answer leave the drafts as they were.
  Task<Result<Data>> bring(Call call, Drafts& drafts, std::stop_token stop);

 private:
  Task<Result<void>> take(std::unique_ptr<Answer> answer, Drafts& drafts, std::stop_token stop);
  Task<Result<std::vector<Call>>> parts_of(Call call, Error too_large, std::stop_token stop);

  Source& source_;
  UpstreamWatch& upstream_;
};

}  // namespace betedge::engine
