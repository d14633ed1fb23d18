#include "betedge/engine/coverage.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "betedge/core/calendar.hpp"
#include "betedge/engine/freshness.hpp"

namespace betedge::engine {

namespace {

using std::chrono::days;

// Why an object that lies there is not what would be written.
std::string staleness_of(const LakeEntry& entry, DateRange covers) {
  if (!entry.recorded || entry.recorded->what == ObjectRecord::What::no_data)
    return "not recorded, and written before its last session had ended";
  const auto& recorded = *entry.recorded;
  if (recorded.size_bytes != entry.found->size_bytes)
    return fmt::format("{} bytes, and {} were recorded", entry.found->size_bytes,
                       recorded.size_bytes);
  if (recorded.covers_through < covers.last)
    return "ends with " + to_yyyymmdd_text(recorded.covers_through);
  return "of another layout";
}

// The last day not after this one that has data; nullopt when the calendar knows of none close by.
std::optional<Date> last_with_data(Kind kind, Date day) {
  const auto near = days_with_data(kind, {day - days{14}, day});
  return near.empty() ? std::nullopt : std::optional(near.back());
}

// The first day of the first object of the series that lies there or of which something is known.
Task<Result<std::optional<Date>>> first_known(JobStore& jobs, ObjectStore& lake,
                                              HistoricalRequest series) {
  LakeWalk walk(jobs, lake, series_prefix(series));
  while (true) {
    BETEDGE_CO_TRY(const auto entry, co_await walk.next());
    if (!entry) co_return std::nullopt;
    const auto facts = facts_of(entry->key);
    if (facts && facts->format == series.format) co_return facts->dates.first;
  }
}

Date years_before(Date day, std::chrono::years years) {
  const auto then = std::chrono::year_month_day{day} - years;
  // 29 February of a year that has none.
  return then.ok() ? Date{then} : Date{then.year() / then.month() / std::chrono::last};
}

// Puts the days of one object into the coverage.
void add_days(Coverage& coverage, const HistoricalRequest& series, const PlannedItem& item,
              const LakeEntry& entry, Layout layout) {
  const auto whole = state_of(entry, item.covers, layout);
  coverage.keys.push_back(item.key);
  const DateRange asked{std::max(item.covers.first, coverage.dates->first),
                        std::min(item.covers.last, coverage.dates->last)};
  if (asked.last < asked.first) return;
  for (const Date day : days_with_data(series.kind, asked)) {
    Coverage::Day covered{.date = day,
                          .state = whole.state,
                          .object = coverage.keys.size() - 1,
                          .reason = whole.reason};
    const bool is_without_rows = whole.state == DayState::present && entry.recorded &&
                                 std::ranges::binary_search(entry.recorded->missing_sessions, day);
    if (is_without_rows) {
      covered.state = DayState::no_data;
      covered.reason = "no rows";
    }
    ++coverage.counts.of(covered.state);
    coverage.days.push_back(std::move(covered));
  }
}

// Two ranges are neighbours when no planned object lies between them.
void add_gap(Coverage& coverage, DateRange covers, bool follows_a_gap) {
  if (follows_a_gap)
    coverage.gaps.back().last = covers.last;
  else
    coverage.gaps.push_back(covers);
}

bool is_gap(DayState state) {
  switch (state) {
    case DayState::present:
    case DayState::no_data: return false;
    case DayState::failed:
    case DayState::stale:
    case DayState::missing: return true;
  }
  std::unreachable();
}

}  // namespace

ObjectState state_of(const LakeEntry& entry, DateRange covers, Layout layout) {
  switch (standing_of(entry.found, entry.recorded, covers, layout)) {
    case Standing::fresh:
    case Standing::adopted: return {DayState::present, ""};
    case Standing::unrecorded: return {DayState::present, "not recorded yet"};
    case Standing::no_data: return {DayState::no_data, entry.recorded->reason};
    case Standing::stale: return {DayState::stale, staleness_of(entry, covers)};
    case Standing::missing: break;
  }
  if (entry.failure) return {DayState::failed, entry.failure->error};
  const bool was_there = entry.recorded && entry.recorded->what != ObjectRecord::What::no_data;
  return {DayState::missing, was_there ? "recorded, and not there any more" : ""};
}

Task<Result<Coverage>> coverage_of(JobStore& jobs, ObjectStore& lake, CoverageRequest asked,
                                   Date today, Layout layout) {
  Coverage coverage;
  const auto kind = asked.request.kind;
  if (!asked.last) asked.last = last_with_data(kind, today - days{1});
  if (!asked.first) {
    BETEDGE_CO_TRY(asked.first, co_await first_known(jobs, lake, asked.request));
    if (asked.first && asked.last)
      asked.first = std::max(*asked.first, years_before(*asked.last, kLongestCoverage));
  }
  if (!asked.first || !asked.last) co_return coverage;
  // It begins behind the last session that has ended: no day of it has.
  if (*asked.last < *asked.first) asked.last = asked.first;
  coverage.dates = DateRange{*asked.first, *asked.last};
  auto series = asked.request;
  series.dates = *coverage.dates;
  const auto planned = plan(series, today);
  if (planned.items.empty()) co_return coverage;

  // Behind whatever comes before the first object: its folder's name is not a key.
  const auto& first_key = planned.items.front().key.text();
  LakeWalk walk(jobs, lake, series_prefix(series), first_key.substr(0, first_key.rfind('/')));
  BETEDGE_CO_TRY(auto entry, co_await walk.next());
  bool follows_a_gap = false;
  for (const auto& item : planned.items) {
    while (entry && entry->key < item.key) {
      BETEDGE_CO_TRY(entry, co_await walk.next());
    }
    LakeEntry own{.key = item.key, .found = {}, .recorded = {}, .failure = {}};
    if (entry && entry->key == item.key) own = *entry;
    add_days(coverage, series, item, own, layout);
    const bool is_one = is_gap(state_of(own, item.covers, layout).state);
    if (is_one) add_gap(coverage, item.covers, follows_a_gap);
    follows_a_gap = is_one;
  }
  co_return coverage;
}

}  // namespace betedge::engine
