#include "betedge/app/logging.hpp"

#include <gtest/gtest.h>

namespace betedge::app {
namespace {

TEST(EventLine, NamesTheEventAndItsFieldsInOrder) {
  EXPECT_EQ(format_event("item_done", {{"job", "018f"}, {"attempt", "1"}}),
            "event=item_done job=018f attempt=1");
}

struct ValueCase {
  std::string name;
  std::string value;
  std::string written;
};

class EventValue : public testing::TestWithParam<ValueCase> {};

TEST_P(EventValue, CannotMakeUpAFieldOrALine) {
  EXPECT_EQ(format_event("e", {{"v", GetParam().value}}), "event=e v=" + GetParam().written);
}

INSTANTIATE_TEST_SUITE_P(
    Values, EventValue,
    testing::Values(ValueCase{"plain", "historical-stock/eod/AAPL/2023/data.parquet",
                              "historical-stock/eod/AAPL/2023/data.parquet"},
                    ValueCase{"empty", "", "\"\""}, ValueCase{"a_space", "a b", "\"a b\""},
                    ValueCase{"an_equals_sign", "a=b", "\"a=b\""},
                    ValueCase{"a_quote", "say \"x\"", "\"say \\\"x\\\"\""},
                    ValueCase{"a_backslash", "a\\nb", "\"a\\\\nb\""},
                    ValueCase{"a_line_break", "a\nevent=forged", "\"a\\nevent=forged\""},
                    ValueCase{"a_control_character", "a\x01\x1b[2J", "\"a\\u0001\\u001b[2J\""},
                    ValueCase{"utf8", "caf\xc3\xa9", "caf\xc3\xa9"}),
    [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace betedge::app
