#include "betedge/columnar/fields.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>
#include <random>
#include <string>

namespace betedge::columnar {
namespace {

// The value when the reader takes the whole text, as a decoder asks for.
template <class Value>
std::optional<Value> whole(const char* (*read)(const char*, Value&), const std::string& text) {
  Value value{};
  const std::string line = text + "\n";
  const char* const after = read(line.c_str(), value);
  if (after == nullptr || after != line.c_str() + text.size()) return std::nullopt;
  return value;
}

template <class Value>
struct FieldCase {
  std::string text;
  std::optional<Value> value;
};

TEST(Numbers, AreDigitsWithinThirtyTwoBits) {
  const FieldCase<std::uint32_t> cases[] = {
      {"0", 0},
      {"7", 7},
      {"4294967295", 4294967295},
      {"4294967296", {}},
      {"9999999999", {}},
      {"00000000001", {}},
      {"18446744073709551617", {}},
      {"", {}},
      {"-1", {}},
      {"+1", {}},
      {"1.0", {}},
      {"1e3", {}},
      {" 1", {}},
      {"1 ", {}},
      {"0x10", {}},
      {"NaN", {}},
      {"\xb1", {}},
  };
  for (const auto& tested : cases)
    EXPECT_EQ(whole(read_uint32, tested.text), tested.value) << tested.text;
}

TEST(Prices, AreDecimalTextsWithoutSignOrExponent) {
  const FieldCase<double> cases[] = {
      {"0", 0.0},
      {"0.00", 0.0},
      {"12.34", 12.34},
      {"0.1", 0.1},
      {"187.0001", 187.0001},
      {"9007199254740993", 9007199254740992.0},
      {"0.30000000000000004", 0.30000000000000004},
      {"123456789012345.6", 123456789012345.6},
      {".5", {}},
      {"5.", {}},
      {"", {}},
      {"-1.5", {}},
      {"+1.5", {}},
      {"1e5", {}},
      {"1.5E-4", {}},
      {"NaN", {}},
      {"inf", {}},
      {"1,5", {}},
      {"1.2.3", {}},
      {" 1", {}},
      {std::string(41, '1'), {}},
  };
  for (const auto& tested : cases)
    EXPECT_EQ(whole(read_price, tested.text), tested.value) << tested.text;
}

TEST(Prices, AreTheNearestDoubleOfAnyDecimalText) {
  std::mt19937_64 random(20240102);
  for (int i = 0; i < 200'000; ++i) {
    std::string text;
    const auto whole_digits = 1 + random() % 12;
    const auto fraction_digits = random() % 10;
    for (std::uint64_t digit = 0; digit < whole_digits; ++digit)
      text += static_cast<char>('0' + random() % 10);
    if (fraction_digits > 0) text += '.';
    for (std::uint64_t digit = 0; digit < fraction_digits; ++digit)
      text += static_cast<char>('0' + random() % 10);
    ASSERT_EQ(whole(read_price, text), std::strtod(text.c_str(), nullptr)) << text;
  }
}

TEST(Days, ComeWithDashesOrWithout) {
  const FieldCase<std::uint32_t> cases[] = {
      {"20240102", 20240102}, {"2024-01-02", 20240102}, {"2024-0102", {}},
      {"202401-02", {}},      {"2024-1-02", {}},        {"2024010", {}},
      {"202401021", {}},      {"2024/01/02", {}},       {"", {}},
  };
  for (const auto& tested : cases)
    EXPECT_EQ(whole(read_day, tested.text), tested.value) << tested.text;
}

TEST(TimesOfDay, HaveAFractionAlignedLeft) {
  const FieldCase<std::uint32_t> cases[] = {
      {"00:00:00", 0},
      {"09:30:00", 34'200'000},
      {"09:30:00.000", 34'200'000},
      {"17:17:06.02", 62'226'020},
      {"17:17:06.9", 62'226'900},
      {"23:59:59.999", 86'399'999},
      {"24:00:00", {}},
      {"09:60:00", {}},
      {"09:30:60", {}},
      {"9:30:00", {}},
      {"09:30", {}},
      {"09:30:00.", {}},
      {"09:30:00.1234", {}},
      {"09:30:00Z", {}},
      {"09-30-00", {}},
      {"", {}},
  };
  for (const auto& tested : cases)
    EXPECT_EQ(whole(read_time_of_day, tested.text), tested.value) << tested.text;
}

TEST(TimesOfDay, OfEveryMillisecondAreReadBack) {
  for (std::uint32_t ms = 0; ms < 86'400'000; ms += 997) {
    const auto text = fmt::format("{:02}:{:02}:{:02}.{:03}", ms / 3'600'000, ms / 60'000 % 60,
                                  ms / 1000 % 60, ms % 1000);
    ASSERT_EQ(whole(read_time_of_day, text), ms) << text;
  }
}

TEST(Strikes, AreExactThousandths) {
  const FieldCase<std::uint32_t> cases[] = {
      {"220.000", 220'000},
      {"220", 220'000},
      {"0.5", 500},
      {"2.125", 2'125},
      {"28.5700", 28'570},
      {"2.1255", {}},
      {"4294967.295", 4'294'967'295},
      {"4294967.296", {}},
      {"1000000000000", {}},
      {".5", {}},
      {"5.", {}},
      {"-1", {}},
      {"", {}},
  };
  for (const auto& tested : cases)
    EXPECT_EQ(whole(read_dollars_as_thousandths, tested.text), tested.value) << tested.text;
}

}  // namespace
}  // namespace betedge::columnar
