#include "betedge/cli/progress.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "betedge/cli/words.hpp"

namespace betedge::cli {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;

Progress half_way() {
  return {.items =
              {.pending = 8, .running = 4, .succeeded = 9, .skipped = 2, .no_data = 1, .failed = 1},
          .completed = 12,
          .total = 21,
          .percentage = 100.0 * 12 / 21,
          .rows = 1'234'567,
          .bytes = 84'123'456,
          .bytes_per_second = 12'300'000,
          .left = seconds{42},
          .note = {}};
}
Progress at_begin() {
  return {.items = {.pending = 21},
          .completed = 0,
          .total = 21,
          .percentage = 0,
          .rows = 0,
          .bytes = 0,
          .bytes_per_second = {},
          .left = {},
          .note = {}};
}
Progress at_end() {
  return {.items = {.succeeded = 504},
          .completed = 504,
          .total = 504,
          .percentage = 100,
          .rows = 98'765'432,
          .bytes = 3'200'000'000,
          .bytes_per_second = 45'600'000,
          .left = {},
          .note = {}};
}
Progress standing() {
  auto progress = half_way();
  progress.note = "upstream unavailable since 14:03: connection refused";
  return progress;
}

struct Golden {
  std::string name;
  Progress progress;
  std::size_t columns;
  BarStyle style;
  std::string line;
};
void PrintTo(const Golden& golden, std::ostream* out) {
  *out << golden.name;
}

class BarLine : public ::testing::TestWithParam<Golden> {};

TEST_P(BarLine, IsAsDrawnHere) {
  const auto& golden = GetParam();
  EXPECT_EQ(bar_line(golden.progress, golden.columns, golden.style), golden.line);
}

constexpr BarStyle kAscii{false, false};
constexpr BarStyle kUnicode{false, true};
constexpr BarStyle kColor{true, true};

INSTANTIATE_TEST_SUITE_P(
    Widths, BarLine,
    ::testing::Values(
        Golden{"w40", half_way(), 40, kAscii, " 57%  ###---  12/21  1 failed  0:42 left"},
        Golden{"w60", half_way(), 60, kAscii,
               " 57%  ########-------  12/21  1 failed  12.3 MB/s  0:42 left"},
        Golden{"w80", half_way(), 80, kAscii,
               " 57%  #######------  12/21  9 written  2 skipped  1 failed  12.3 MB/s  0:42 left"},
        Golden{"w100", half_way(), 100, kAscii,
               " 57%  #######------  12/21  9 written  2 skipped  1 no data  1 failed  84.1 MB  "
               "12.3 MB/s  0:42 left"},
        Golden{"w120", half_way(), 120, kAscii,
               " 57%  #########--------  12/21  9 written  2 skipped  1 no data  1 failed  "
               "1,234,567 rows  84.1 MB  12.3 MB/s  0:42 left"},
        Golden{"w200", half_way(), 200, kAscii,
               " 57%  ######################------------------  12/21  9 written  2 skipped  1 no "
               "data  1 failed  1,234,567 rows  84.1 MB  12.3 MB/s  0:42 left"},
        Golden{"w80_unicode", half_way(), 80, kUnicode,
               " 57%  ███████░░░░░░  12/21  9 written  2 skipped  1 failed  12.3 MB/s  0:42 left"},
        Golden{"w60_color", half_way(), 60, kColor,
               "\x1b[1m 57%\x1b[0m  \x1b[32m████████\x1b[0m\x1b[2m░░░░░░░\x1b[0m  12/21  \x1b[31m1 "
               "failed\x1b[0m  12.3 MB/s  0:42 left"},
        Golden{"begin_w80", at_begin(), 80, kAscii, "  0%  --------------------  0/21"},
        Golden{"end_w80", at_end(), 80, kAscii,
               "100%  ################  504/504  504 written  98,765,432 rows  3.2 GB  45.6 MB/s"},
        Golden{"end_w40", at_end(), 40, kAscii, "100%  ##########  504/504  45.6 MB/s"},
        Golden{"standing_w40", standing(), 40, kAscii, " 57%  12/21  1 failed  waiting: upstr..."},
        Golden{"standing_w80", standing(), 80, kAscii,
               " 57%  ###---  12/21  1 failed  waiting: upstream unavailable since 14:03: con..."},
        Golden{"standing_w120", standing(), 120, kUnicode,
               " 57%  █████████████████░░░░░░░░░░░░░  12/21  1 failed  waiting: upstream "
               "unavailable since 14:03: connection refused"},
        Golden{"w12", half_way(), 12, kAscii, " 57%  12/21"},
        Golden{"w3", half_way(), 3, kAscii, "57%"}),
    [](const auto& tested) { return tested.param.name; });

std::size_t visible(std::string line) {
  for (auto at = line.find('\x1b'); at != std::string::npos; at = line.find('\x1b')) {
    line.erase(at, line.find('m', at) - at + 1);
  }
  return columns_of(line);
}

TEST(BarLineTest, NeverIsWiderThanTheTerminalWhateverItsWidth) {
  auto large = half_way();
  large.items = {.pending = 1'000'000,
                 .running = 4'000,
                 .succeeded = 3'000'000'000,
                 .skipped = 2'000'000'000,
                 .no_data = 1'000'000,
                 .failed = 1'000'000'000,
                 .cancelled = 1'000'000};
  large.completed = 4'000'000'000;
  large.total = 5'000'000'000;
  large.note = "überall gestört";
  for (const auto& progress : {half_way(), at_begin(), at_end(), standing(), large}) {
    for (std::size_t columns = 0; columns <= 260; ++columns) {
      for (const auto style : {kAscii, kUnicode, kColor}) {
        EXPECT_LE(visible(bar_line(progress, columns, style)), columns) << columns;
      }
    }
  }
}

TEST(BarLineTest, AlwaysShowsPercentAndCountFromFortyColumnsOn) {
  for (const auto& progress : {half_way(), at_begin(), at_end(), standing()}) {
    for (std::size_t columns = 40; columns <= 220; ++columns) {
      const auto line = bar_line(progress, columns, kAscii);
      EXPECT_THAT(line, HasSubstr("%  ")) << columns;
      EXPECT_THAT(line, HasSubstr(fmt::format("  {}/{}", progress.completed, progress.total)))
          << columns;
      if (progress.items.failed > 0) EXPECT_THAT(line, HasSubstr("failed")) << columns;
    }
  }
}

TEST(BarLineTest, SaysOneHundredOnlyWhenAllIsDone) {
  auto almost = at_end();
  almost.completed = 99'999;
  almost.total = 100'000;
  almost.percentage = 99.999;
  EXPECT_THAT(bar_line(almost, 80, kAscii), HasSubstr(" 99%"));
  almost.percentage = 100;  // rounded by somebody
  EXPECT_THAT(bar_line(almost, 80, kAscii), HasSubstr(" 99%"));
  EXPECT_THAT(bar_line(at_end(), 80, kAscii), HasSubstr("100%"));
}

TEST(PlainLineTest, SaysTheSameInWords) {
  EXPECT_EQ(plain_line(half_way()),
            "12 of 21 items (57%): 9 written, 2 skipped, 1 no data, 1 failed; 1,234,567 rows, "
            "84.1 MB, 12.3 MB/s, 0:42 left");
  EXPECT_EQ(plain_line(at_begin()), "0 of 21 items (0%)");
  EXPECT_EQ(plain_line(standing()),
            "12 of 21 items (57%): 9 written, 2 skipped, 1 no data, 1 failed; 1,234,567 rows, "
            "84.1 MB; waiting: upstream unavailable since 14:03: connection refused");
}

wire::JobView job_with(ItemCounts items, std::uint64_t bytes) {
  wire::JobView job;
  job.items = items;
  job.completed = items.ended();
  job.total = items.total();
  job.percentage = 100.0 * static_cast<double>(job.completed) / static_cast<double>(job.total);
  job.bytes = bytes;
  return job;
}
SteadyTime at(int second) {
  return SteadyTime{seconds{second}};
}

TEST(SpeedTest, SaysNothingBeforeASecondHasPassed) {
  Speed speed;
  EXPECT_FALSE(speed.look(job_with({.pending = 10}, 0), at(0)).bytes_per_second);
  const auto soon = speed.look(job_with({.pending = 9, .succeeded = 1}, 1'000),
                               SteadyTime{std::chrono::milliseconds{900}});
  EXPECT_FALSE(soon.bytes_per_second);
  EXPECT_FALSE(soon.left);
}

TEST(SpeedTest, TellsRateAndTimeLeftFromWhatWasDone) {
  Speed speed;
  speed.look(job_with({.pending = 10}, 0), at(0));
  const auto later =
      speed.look(job_with({.pending = 8, .succeeded = 1, .no_data = 1}, 40'000), at(4));
  EXPECT_EQ(later.bytes_per_second, 10'000);
  EXPECT_EQ(later.left, seconds{16});
}

TEST(SpeedTest, SkippedItemsPromiseNothing) {
  Speed speed;
  speed.look(job_with({.pending = 100}, 0), at(0));
  const auto skipping = speed.look(job_with({.pending = 50, .skipped = 50}, 0), at(1));
  EXPECT_FALSE(skipping.left);
  const auto working =
      speed.look(job_with({.pending = 49, .succeeded = 1, .skipped = 50}, 9), at(11));
  EXPECT_EQ(working.left, seconds{11 * 49});
}

TEST(SpeedTest, ForgetsWhatIsMoreThanAMinuteAgo) {
  Speed speed;
  for (int second = 0; second <= 60; ++second) speed.look(job_with({.pending = 9}, 0), at(second));
  Progress last;
  for (int second = 61; second <= 180; ++second) {
    const auto bytes = static_cast<std::uint64_t>(second - 60) * 1'000;
    last = speed.look(job_with({.pending = 9}, bytes), at(second));
  }
  EXPECT_DOUBLE_EQ(last.bytes_per_second.value(), 1'000);
}

TEST(SpeedTest, AJobThatGoesBackHasNoSpeedAndNoNegativeOne) {
  Speed speed;
  speed.look(job_with({.pending = 5, .succeeded = 5}, 5'000), at(0));
  const auto retried = speed.look(job_with({.pending = 10}, 0), at(5));
  EXPECT_FALSE(retried.bytes_per_second);
  EXPECT_FALSE(retried.left);
}

TEST(SpeedTest, ShowsWhyNothingMovesWithoutControlCharacters) {
  Speed speed;
  auto job = job_with({.pending = 1}, 0);
  job.waiting_for = "gone\x1b[2J";
  EXPECT_EQ(speed.look(job, at(0)).note, "gone [2J");
}

}  // namespace
}  // namespace betedge::cli
