#include "betedge/cli/words.hpp"

#include <gmock/gmock.h>

namespace betedge::cli {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

// What was typed, and what it is read as; empty: refused.
struct Reading {
  std::string typed;
  std::string read;
};
void PrintTo(const Reading& reading, std::ostream* out) {
  *out << '"' << reading.typed << '"';
}

std::string text(const Typed<std::string>& value) {
  return value.value_or("");
}
std::string text(const Typed<std::chrono::milliseconds>& value) {
  return value ? std::to_string(value->count()) : "";
}

class ReadDate : public ::testing::TestWithParam<Reading> {};
TEST_P(ReadDate, TakesBothWays) {
  EXPECT_EQ(text(read_date(GetParam().typed)), GetParam().read);
}
INSTANTIATE_TEST_SUITE_P(
    Typed, ReadDate,
    ::testing::Values(Reading{"2024-01-02", "20240102"}, Reading{"20240102", "20240102"},
                      Reading{"2024-02-29", "20240229"}, Reading{"2023-02-29", ""},
                      Reading{"2024-1-2", ""}, Reading{"2024/01/02", ""}, Reading{"2024-0102", ""},
                      Reading{"202401-02", ""}, Reading{"", ""}, Reading{"today", ""}));

class ReadMonth : public ::testing::TestWithParam<Reading> {};
TEST_P(ReadMonth, TakesBothWays) {
  EXPECT_EQ(text(read_month(GetParam().typed)), GetParam().read);
}
INSTANTIATE_TEST_SUITE_P(Typed, ReadMonth,
                         ::testing::Values(Reading{"2024-01", "202401"},
                                           Reading{"202412", "202412"}, Reading{"2024-13", ""},
                                           Reading{"2024-00", ""}, Reading{"2024-1", ""},
                                           Reading{"2024/01", ""}, Reading{"20240101", ""},
                                           Reading{"2024-01-01", ""}, Reading{"", ""},
                                           Reading{"today", ""}));

class ReadInterval : public ::testing::TestWithParam<Reading> {};
TEST_P(ReadInterval, TakesUnitsAndMilliseconds) {
  EXPECT_EQ(text(read_interval(GetParam().typed)), GetParam().read);
}
INSTANTIATE_TEST_SUITE_P(Typed, ReadInterval,
                         ::testing::Values(Reading{"15m", "900000"}, Reading{"1h", "3600000"},
                                           Reading{"90s", "90000"}, Reading{"1d", "86400000"},
                                           Reading{"60001ms", "60001"}, Reading{"900000", "900000"},
                                           Reading{"0", ""}, Reading{"0m", ""}, Reading{"-1m", ""},
                                           Reading{"1.5h", ""}, Reading{"15 m", ""},
                                           Reading{"15min", ""}, Reading{"m", ""}, Reading{"", ""},
                                           Reading{"99999999999999999999m", ""},
                                           Reading{"9999999999999999h", ""}));

class ReadTimeOfDay : public ::testing::TestWithParam<Reading> {};
TEST_P(ReadTimeOfDay, TakesClocksAndMilliseconds) {
  EXPECT_EQ(text(read_time_of_day(GetParam().typed)), GetParam().read);
}
INSTANTIATE_TEST_SUITE_P(
    Typed, ReadTimeOfDay,
    ::testing::Values(Reading{"09:30", "34200000"}, Reading{"9:30", "34200000"},
                      Reading{"16:00:00", "57600000"}, Reading{"09:30:15.250", "34215250"},
                      Reading{"00:00", "0"}, Reading{"24:00", "86400000"},
                      Reading{"34200000", "34200000"}, Reading{"0", "0"}, Reading{"24:01", ""},
                      Reading{"25:00", ""}, Reading{"09:60", ""}, Reading{"09:30:60", ""},
                      Reading{"09:30:15.25", ""}, Reading{"09:30.250", ""},
                      Reading{"09:30:00:00", ""}, Reading{":30", ""}, Reading{"9:", ""},
                      Reading{"86400001", ""}, Reading{"9am", ""}, Reading{"", ""}));

class ReadDuration : public ::testing::TestWithParam<Reading> {};
TEST_P(ReadDuration, TakesUnitsAndSeconds) {
  EXPECT_EQ(text(read_duration(GetParam().typed)), GetParam().read);
}
INSTANTIATE_TEST_SUITE_P(Typed, ReadDuration,
                         ::testing::Values(Reading{"90", "90000"}, Reading{"10m", "600000"},
                                           Reading{"2h", "7200000"}, Reading{"1000ms", "1000"},
                                           Reading{"999ms", ""}, Reading{"0", ""},
                                           Reading{"forever", ""}));

TEST(ReadingTest, SaysHowToWriteItAndShowsNoControlCharacters) {
  EXPECT_EQ(read_date("2024-13-01").error(),
            "'2024-13-01' is not a date: write 2024-12-31 or 20241231");
  EXPECT_EQ(read_interval("\x1b[2J").error(),
            "' [2J' is not an interval: write 1m, 15m, 1h, 90s or milliseconds");
}

TEST(WordsTest, GroupsDigits) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1'000), "1,000");
  EXPECT_EQ(grouped(1'234'567'890), "1,234,567,890");
  EXPECT_EQ(counted(1, "item"), "1 item");
  EXPECT_EQ(counted(0, "item"), "0 items");
  EXPECT_EQ(counted(1'001, "item"), "1,001 items");
}

TEST(WordsTest, SaysSizesInDecimalUnits) {
  EXPECT_EQ(size_text(0), "0 B");
  EXPECT_EQ(size_text(999), "999 B");
  EXPECT_EQ(size_text(1'000), "1.0 kB");
  EXPECT_EQ(size_text(999'949), "999.9 kB");
  EXPECT_EQ(size_text(999'950), "1.0 MB");
  EXPECT_EQ(size_text(84'123'456), "84.1 MB");
  EXPECT_EQ(size_text(5e15), "5000.0 TB");
}

TEST(WordsTest, SaysTimesLikeAClock) {
  EXPECT_EQ(clock_text(seconds{0}), "0:00");
  EXPECT_EQ(clock_text(seconds{42}), "0:42");
  EXPECT_EQ(clock_text(seconds{723}), "12:03");
  EXPECT_EQ(clock_text(seconds{3'723}), "1:02:03");
  EXPECT_EQ(clock_text(seconds{2 * 86'400 + 3 * 3'600 + 4 * 60 + 5}), "2d 3:04:05");
  EXPECT_EQ(clock_text(seconds{-5}), "0:00");
}

TEST(WordsTest, SaysAges) {
  EXPECT_EQ(age_text(seconds{-3}), "now");
  EXPECT_EQ(age_text(seconds{59}), "59s");
  EXPECT_EQ(age_text(seconds{60}), "1m");
  EXPECT_EQ(age_text(seconds{7'200}), "2h");
  EXPECT_EQ(age_text(seconds{86'400 * 9}), "9d");
}

TEST(WordsTest, SaysOutcomesThatAreThere) {
  EXPECT_EQ(outcomes_text({}), "");
  EXPECT_EQ(outcomes_text({.pending = 3, .running = 1}), "");
  EXPECT_EQ(
      outcomes_text({.succeeded = 9, .skipped = 2, .no_data = 1, .failed = 4, .cancelled = 5}),
      "9 written, 2 skipped, 1 no data, 4 failed, 5 cancelled");
}

TEST(WordsTest, SaysARequestInWords) {
  const auto request = [](std::string_view schema, std::string_view interval, std::string_view last,
                          std::string_view window) {
    return std::string(R"({"kind":"option","root":"AAPL","start_date":"20240101","end_date":")") +
           std::string(last) + R"(","schema":")" + std::string(schema) + R"(","interval":)" +
           std::string(interval) + R"(,"return_format":"parquet",)" + std::string(window) +
           R"(,"force_refresh":false})";
  };
  constexpr std::string_view kWhole = R"("start_time":null,"end_time":null)";
  EXPECT_EQ(request_text(request("quote", "900000", "20241231", kWhole)),
            "AAPL option quote 15m, 2024-01-01 to 2024-12-31");
  EXPECT_EQ(request_text(request("eod", "null", "20240101", kWhole)),
            "AAPL option eod, 2024-01-01");
  EXPECT_EQ(request_text(request("ohlc", "60000", "20240101",
                                 R"("start_time":34200000,"end_time":37800000)")),
            "AAPL option ohlc 1m from 09:30 until 10:30, 2024-01-01");
  EXPECT_EQ(request_text("{}"), "");
  EXPECT_EQ(request_text(""), "");
}

TEST(WordsTest, ReadsTheServersTimes) {
  const Timestamp noon{std::chrono::sys_days{std::chrono::year{2026} / 1 / 2} +
                       std::chrono::hours{12}};
  EXPECT_EQ(read_timestamp("2026-01-02T12:00:00+00:00"), noon);
  EXPECT_EQ(read_timestamp("2026-01-02T12:00:00.000007+00:00"),
            noon + std::chrono::microseconds{7});
  for (const auto* wrong : {"", "2026-01-02", "2026-01-02T12:00:00Z", "2026-01-02T12:00:00.5+00:00",
                            "2026-99-02T12:00:00+00:00"}) {
    EXPECT_EQ(read_timestamp(wrong), std::nullopt) << wrong;
  }
}

TEST(WordsTest, CutsByColumnsAndNotInsideACharacter) {
  EXPECT_EQ(columns_of("a█é"), 3U);
  EXPECT_EQ(cut("abc", 3, true), "abc");
  EXPECT_EQ(cut("abcd", 3, true), "ab…");
  EXPECT_EQ(cut("abcdef", 5, false), "ab...");
  EXPECT_EQ(cut("abcd", 3, false), "abc");
  EXPECT_EQ(cut("████", 2, true), "█…");
  EXPECT_EQ(cut("abcd", 1, true), "a");
  EXPECT_EQ(cut("abcd", 0, true), "");
}

TEST(WordsTest, MakesForeignTextHarmless) {
  EXPECT_EQ(harmless("a\x1b[31mb\nc\x7f"), "a [31mb c ");
  EXPECT_EQ(harmless("caf\xc3\xa9"), "caf\xc3\xa9");
  EXPECT_EQ(harmless("\xc2\x9b"
                     "31m"),
            " 31m");
}

TEST(WordsTest, FindsTheNearestWord) {
  const auto near = [](std::string_view typed) {
    return nearest(typed, {"option", "stock", "wait", "jobs", "job"});
  };
  EXPECT_EQ(near("optoin"), "option");
  EXPECT_EQ(near("stok"), "stock");
  EXPECT_EQ(near("jobss"), "jobs");
  EXPECT_EQ(near("download"), "");
}

}  // namespace
}  // namespace betedge::cli
