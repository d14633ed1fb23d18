#include "betedge/server/byte_range.hpp"

#include <gtest/gtest.h>

#include <string>

namespace betedge::server {
namespace {

using What = Selected::What;

struct RangeCase {
  std::string name;
  std::string header;
  std::uint64_t size;
  Selected selected;
};

class RangeHeader : public testing::TestWithParam<RangeCase> {};

TEST_P(RangeHeader, SelectsBytes) {
  EXPECT_EQ(select_range(GetParam().header, GetParam().size), GetParam().selected);
}

constexpr Selected part(std::uint64_t offset, std::uint64_t length) {
  return {What::part, {offset, length}};
}
constexpr Selected kWhole{};
constexpr Selected kNothing{.what = What::nothing};

INSTANTIATE_TEST_SUITE_P(
    All, RangeHeader,
    testing::Values(
        RangeCase{"first_byte", "bytes=0-0", 10, part(0, 1)},
        RangeCase{"all_of_it", "bytes=0-", 10, part(0, 10)},
        RangeCase{"the_end", "bytes=7-", 10, part(7, 3)},
        RangeCase{"the_last_so_many", "bytes=-3", 10, part(7, 3)},
        RangeCase{"more_than_there_are", "bytes=-30", 10, part(0, 10)},
        RangeCase{"beyond_the_end", "bytes=5-99", 10, part(5, 5)},
        RangeCase{"far_beyond", "bytes=5-99999999999999999999", 10, part(5, 5)},
        RangeCase{"any_case_and_space", " Bytes = 1-2 ", 10, part(1, 2)},
        RangeCase{"behind_the_end", "bytes=10-", 10, kNothing},
        RangeCase{"far_behind", "bytes=99999999999999999999-", 10, kNothing},
        RangeCase{"the_last_none", "bytes=-0", 10, kNothing},
        RangeCase{"of_nothing", "bytes=0-", 0, kNothing},
        RangeCase{"the_last_of_nothing", "bytes=-1", 0, kNothing},
        RangeCase{"backwards", "bytes=5-4", 10, kWhole},
        RangeCase{"several", "bytes=0-1,3-4", 10, kWhole},
        RangeCase{"other_unit", "rows=0-1", 10, kWhole}, RangeCase{"no_unit", "0-1", 10, kWhole},
        RangeCase{"no_number", "bytes=a-b", 10, kWhole},
        RangeCase{"half_a_number", "bytes=1-2x", 10, kWhole},
        RangeCase{"negative", "bytes=--1", 10, kWhole}, RangeCase{"no_dash", "bytes=5", 10, kWhole},
        RangeCase{"only_a_dash", "bytes=-", 10, kWhole}, RangeCase{"empty", "", 10, kWhole}),
    [](const auto& tested) { return tested.param.name; });

TEST(NoRangeHeader, IsAllOfIt) {
  EXPECT_EQ(select_range(std::nullopt, 10), kWhole);
}

}  // namespace
}  // namespace betedge::server
