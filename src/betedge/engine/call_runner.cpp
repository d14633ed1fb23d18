#include "betedge/engine/call_runner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "betedge/core/calls.hpp"

namespace betedge::engine {

Task<Result<CallRunner::Data>> CallRunner::bring(Call call, Drafts& drafts, std::stop_token stop) {
  auto opened = co_await source_.open(call, stop);
  if (!opened) {
    upstream_.failed(opened.error());
    if (opened.error().code != ErrorCode::upstream_too_large)
      co_return std::unexpected(std::move(opened).error());
    auto too_large = std::move(opened).error();
    BETEDGE_CO_TRY(const auto parts, co_await parts_of(call, std::move(too_large), stop));
    auto data = Data::none;
    for (const auto& part : parts) {
      BETEDGE_CO_TRY(const auto of_part, co_await bring(part, drafts, stop));
      if (of_part == Data::some) data = Data::some;
    }
    co_return data;
  }
  if (!*opened) {
    upstream_.succeeded();
    co_return Data::none;
  }
  auto answer = *std::move(*opened);
  BETEDGE_CO_TRY_VOID(drafts.begin_answer(call, answer->format()));
  BETEDGE_CO_TRY_VOID(co_await take(std::move(answer), drafts, std::move(stop)));
  co_return Data::some;
}

Task<Result<void>> CallRunner::take(std::unique_ptr<Answer> answer, Drafts& drafts,
                                    std::stop_token stop) {
  while (true) {
    const bool may_go_on = co_await drafts.admit(stop);
    if (!may_go_on) co_return fail(ErrorCode::cancelled, "asked to stop");
    auto next = co_await answer->next();
    if (!next) {
      upstream_.failed(next.error());
      co_return std::unexpected(std::move(next).error());
    }
    if (!*next) break;
    auto chunk = **std::move(next);
    BETEDGE_CO_TRY_VOID(co_await drafts.feed(std::move(chunk)));
  }
  upstream_.succeeded();
  answer.reset();
  co_return co_await drafts.end_answer();
}

// What the call is to be replaced with.
Task<Result<std::vector<Call>>> CallRunner::parts_of(Call call, Error too_large,
                                                     std::stop_token stop) {
  const bool is_of_several_days = call.dates.first != call.dates.last;
  if (call.kind == Kind::option && is_of_several_days && !source_.takes_spans(call))
    co_return std::unexpected(std::move(too_large));
  if (const auto two = halves(call)) co_return std::vector(two->begin(), two->end());
  std::vector<Call> parts;
  if (call.kind == Kind::option && !call.expiration) {
    auto listed = co_await source_.expirations(call, std::move(stop));
    if (!listed) {
      upstream_.failed(listed.error());
      co_return std::unexpected(std::move(listed).error());
    }
    upstream_.succeeded();
    if (*listed) parts = by_expiration(call, **listed);
  }
  if (parts.empty()) {
    too_large.message += ": and it cannot be asked for in smaller parts";
    co_return std::unexpected(std::move(too_large));
  }
  co_return parts;
}

}  // namespace betedge::engine
