#include "betedge/cli/job_words.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "betedge/cli/words.hpp"

namespace betedge::cli {

std::string state_color(const wire::JobView& job) {
  if (job.state == "completed") return "32";
  if (job.state == "completed_with_errors") return "33";
  return job.status == JobStatus::failed ? "31" : "36";
}

std::string state_in_words(const wire::JobView& job) {
  auto words = harmless(job.state);
  std::ranges::replace(words, '_', ' ');
  return words;
}

std::optional<std::chrono::seconds> time_taken(const wire::JobView& job) {
  const auto from = read_timestamp(job.started_at.value_or(job.created_at));
  const auto to = read_timestamp(job.finished_at.value_or(""));
  if (!from || !to || *to < *from) return std::nullopt;
  return std::chrono::round<std::chrono::seconds>(*to - *from);
}

std::string amounts(const wire::JobView& job) {
  if (job.rows == 0 && job.bytes == 0) return {};
  return fmt::format("{}, {}", counted(job.rows, "row"), size_text(static_cast<double>(job.bytes)));
}

}  // namespace betedge::cli
