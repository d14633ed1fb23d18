#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

// What a lake is found to be: the words of coverage and of verification.
namespace betedge::core {

// What the lake has of one session.
enum class DayState : std::uint8_t {
  present,  // its object lies there, and is what would be written today
  no_data,  // there is nothing to have: the vendor said so, or its object has no rows of that day
  failed,   // nothing lies there, and the last try to bring it failed
  stale,    // its object lies there and is not what would be written today
  missing,  // nothing lies there
};
inline constexpr std::array kDayStates{DayState::present, DayState::no_data, DayState::failed,
                                       DayState::stale, DayState::missing};
std::string_view to_text(DayState state);  // "no_data"
std::optional<DayState> parse_day_state(std::string_view text);

// In what an object differs from what it should be.
enum class Verdict : std::uint8_t {
  missing,  // recorded, and not there
  torn,     // cannot be read as the file that its name says it is
  changed,  // readable, and not what was recorded, or not what the file itself says of its content
  foreign,  // the file itself says that it belongs under another key
  unknown,  // nobody recorded it
};
inline constexpr std::array kVerdicts{Verdict::missing, Verdict::torn, Verdict::changed,
                                      Verdict::foreign, Verdict::unknown};
std::string_view to_text(Verdict verdict);  // "torn"
std::optional<Verdict> parse_verdict(std::string_view text);

// How many there are of each.
template <class Kind, std::size_t N>
class CountOf {
 public:
  std::uint64_t& of(Kind kind) {
    return counts_[static_cast<std::size_t>(std::to_underlying(kind))];
  }
  std::uint64_t of(Kind kind) const {
    return counts_[static_cast<std::size_t>(std::to_underlying(kind))];
  }
  friend bool operator==(const CountOf&, const CountOf&) = default;

 private:
  std::array<std::uint64_t, N> counts_{};
};
using DayCounts = CountOf<DayState, kDayStates.size()>;
using VerdictCounts = CountOf<Verdict, kVerdicts.size()>;

// What a verification says, one after the other. The last one is a VerifyEnd or a VerifyFailure.
struct Difference {
  std::string key;
  Verdict verdict = Verdict::missing;
  std::string detail;  // a sentence
};
struct VerifyProgress {
  std::uint64_t checked = 0;  // objects so far
};
struct VerifyEnd {
  std::uint64_t checked = 0;
  std::uint64_t sound = 0;
  VerdictCounts differences{};
  std::vector<std::string> repair_jobs{};  // their ids
};
struct VerifyFailure {
  std::string error;
};
using VerifyLine = std::variant<Difference, VerifyProgress, VerifyEnd, VerifyFailure>;

}  // namespace betedge::core
