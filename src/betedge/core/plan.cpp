#include "betedge/core/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "betedge/core/calendar.hpp"
#include "betedge/core/calls.hpp"

namespace betedge::core {
namespace {

using std::chrono::days;

// The part of the calendar that the object holding `day` is for.
DateRange period_of(const HistoricalRequest& request, Date day) {
  if (request.schema != Schema::eod) return {day, day};
  switch (request.kind) {
    case Kind::option: return {first_of_month(day), last_of_month(day)};
    case Kind::stock: return {first_of_year(day), last_of_year(day)};
    case Kind::earnings: return {first_of_month(day), last_of_month(day)};
  }
  std::unreachable();
}

bool is_reporting_day(Date day) {
  const std::chrono::weekday weekday{day};
  return weekday != std::chrono::Saturday && weekday != std::chrono::Sunday;
}

bool has_data(Kind kind, Date day) {
  return kind == Kind::earnings ? is_reporting_day(day) : is_session(day);
}

// Whether one of these days lies in one of those ranges, all in order; in no range, any.
bool has_one_in(std::span<const Date> covered, std::span<const DateRange> only) {
  if (only.empty()) return true;
  return std::ranges::any_of(covered, [only](Date day) {
    const auto range = std::ranges::lower_bound(only, day, {}, &DateRange::last);
    return range != only.end() && range->first <= day;
  });
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

std::string time_text(std::optional<std::chrono::milliseconds> time) {
  return time ? fmt::to_string(time->count()) : std::string();
}

}  // namespace

std::vector<Date> days_with_data(Kind kind, DateRange range) {
  if (kind != Kind::earnings) return sessions(range);
  std::vector<Date> found;
  for (Date day = range.first; day <= range.last; day += days{1})
    if (is_reporting_day(day)) found.push_back(day);
  return found;
}

Plan plan(const HistoricalRequest& request, Date today, std::span<const DateRange> only) {
  Plan planned;
  const Date last_ended = today - days{1};
  Date day = request.dates.first;
  while (day <= std::min(request.dates.last, last_ended)) {
    const DateRange period = period_of(request, day);
    const auto covered =
        days_with_data(request.kind, {period.first, std::min(period.last, last_ended)});
    if (!covered.empty() && has_one_in(covered, only))
      planned.items.push_back(PlannedItem{.key = object_key(request, day),
                                          .covers = {covered.front(), covered.back()},
                                          .calls = calls_for(request, covered)});
    day = period.last + days{1};
  }
  for (day = std::max(request.dates.first, today); day <= request.dates.last; day += days{1}) {
    if (planned.not_yet_available.size() == kMostNotYetAvailable) break;
    if (has_data(request.kind, day)) planned.not_yet_available.push_back(day);
  }
  return planned;
}

Plan plan(const Submission& submission, Date today) {
  Plan all;
  for (const auto& request : submission.requests) {
    auto one = plan(request, today, submission.only);
    // Alike but for the symbol: the days that are still to come are the same.
    if (all.not_yet_available.empty()) all.not_yet_available = std::move(one.not_yet_available);
    all.items.insert(all.items.end(), std::make_move_iterator(one.items.begin()),
                     std::make_move_iterator(one.items.end()));
  }
  return all;
}

std::string batch_of(const HistoricalRequest& request, const PlannedItem& item) {
  if (request.kind != Kind::stock || request.schema == Schema::eod) return {};
  const Date day = item.covers.first;
  Call month = item.calls.front();
  month.dates = {first_of_month(day), last_of_month(day)};
  if (most_ticks(month) > kMostTicks) return {};
  auto steps = interval_label(request.interval);
  if (!request.window.is_whole_day())
    steps += fmt::format("@{}-{}", time_text(request.window.start), time_text(request.window.end));
  return fmt::format("{}/{}/{}/{}/{}/{}/{}", to_text(request.kind), to_text(request.schema), steps,
                     request.root.text(), to_yyyymmdd_text(day).substr(0, 6),
                     to_text(request.format), to_text(request.existing));
}

}  // namespace betedge::core
