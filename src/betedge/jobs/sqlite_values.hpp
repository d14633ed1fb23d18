#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <expected>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "betedge/core/dates.hpp"
#include "betedge/core/error.hpp"
#include "betedge/core/job.hpp"
#include "betedge/core/object_key.hpp"

// How values lie in the store's columns; for the .cpp files of Transactions.
namespace betedge::jobs::sqlite {

// As Transactions::read_row() reads them.
#define BETEDGE_JOB_COLUMNS                                                                 \
  "id, ready, last_served, job_id, status, pending, running, succeeded, skipped, no_data, " \
  "failed, cancelled, rows, bytes, error_message, created_at, updated_at, started_at, "     \
  "finished_at, version, request_json, warnings, not_yet_available, upstream, "             \
  "cancel_requested, retries "

template <class Enum>
std::int64_t number(Enum value) {
  return static_cast<std::int64_t>(value);
}

// Texts of other people may be no UTF-8.
template <class Texts>
std::string json_text(const Texts& texts) {
  using nlohmann::json;
  return json(texts).dump(-1, ' ', false, json::error_handler_t::replace);
}

inline std::string dates_text(const std::vector<Date>& dates) {
  if (dates.empty()) return "[]";
  auto numbers = nlohmann::json::array();
  for (const auto date : dates) numbers.push_back(to_yyyymmdd(date));
  return numbers.dump();
}

inline std::vector<Date> read_dates(const std::string& text) {
  std::vector<Date> dates;
  for (const auto& entry : nlohmann::json::parse(text))
    dates.push_back(from_yyyymmdd(entry.get<std::uint32_t>()).value());
  return dates;
}

inline ObjectKey read_key(const std::string& text) {
  return ObjectKey::parse(text).value();
}

inline std::unexpected<Error> no_such_job(const JobId& job) {
  return fail(ErrorCode::not_found, fmt::format("no job {}", job.text()));
}

// For LIMIT; one more can be added to it.
inline std::int64_t limit_or_all(std::optional<std::size_t> limit) {
  constexpr auto most = std::numeric_limits<std::int64_t>::max() - 1;
  return limit ? static_cast<std::int64_t>(std::min<std::size_t>(*limit, most)) : -1;
}

}  // namespace betedge::jobs::sqlite
