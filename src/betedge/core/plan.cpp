#include "betedge/core/plan.hpp"

#include <algorithm>

#include "betedge/core/calendar.hpp"

namespace betedge::core {
namespace {

using std::chrono::days;

// The part of the calendar that the object holding `day` is for.
DateRange period_of(const HistoricalRequest& request, Date day) {
  if (request.schema != Schema::eod) return {day, day};
  switch (request.kind) {
    case Kind::option: return {first_of_month(day), last_of_month(day)};
    case Kind::stock: return {first_of_year(day), last_of_year(day)};
  }
  std::unreachable();
}

std::vector<Call> calls_for(const HistoricalRequest& request, const std::vector<Date>& covered) {
  Call call{.kind = request.kind,
            .schema = request.schema,
            .root = request.root,
            .dates = {covered.front(), covered.back()}};
  if (request.schema == Schema::eod) {
    // New Year's Day is never a session, so a year's sessions span at most 365 days, leap years
    // too.
    if (request.kind == Kind::stock) return {call};
    std::vector<Call> calls;
    for (const Date day : covered) {
      call.dates = {day, day};
      calls.push_back(call);
    }
    return calls;
  }
  call.interval = request.interval;
  call.window = request.window;
  std::vector<Call> calls{call};
  if (request.kind == Kind::option) {
    call.kind = Kind::stock;
    call.role = Role::underlying;
    calls.push_back(call);
  }
  return calls;
}

}  // namespace

Plan plan(const HistoricalRequest& request, Date today) {
  Plan planned;
  const Date last_ended = today - days{1};
  Date day = request.dates.first;
  while (day <= std::min(request.dates.last, last_ended)) {
    const DateRange period = period_of(request, day);
    const auto covered = sessions({period.first, std::min(period.last, last_ended)});
    if (!covered.empty())
      planned.items.push_back(PlannedItem{.key = object_key(request, day),
                                          .covers = {covered.front(), covered.back()},
                                          .calls = calls_for(request, covered)});
    day = period.last + days{1};
  }
  for (day = std::max(request.dates.first, today); day <= request.dates.last; day += days{1}) {
    if (planned.not_yet_available.size() == kMostNotYetAvailable) break;
    if (is_session(day)) planned.not_yet_available.push_back(day);
  }
  return planned;
}

}  // namespace betedge::core
