#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "betedge/wire/job.hpp"

// A job in a person's words.
namespace betedge::cli {

// The colour that its state is shown in ("32").
std::string state_color(const wire::JobView& job);
// "completed with errors"
std::string state_in_words(const wire::JobView& job);
// From its start to its end; nullopt before that.
std::optional<std::chrono::seconds> time_taken(const wire::JobView& job);
// "1,234,567 rows, 84.1 MB"; empty when there is none of it.
std::string amounts(const wire::JobView& job);

}  // namespace betedge::cli
