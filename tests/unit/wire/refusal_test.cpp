#include "betedge/wire/refusal.hpp"

#include <gtest/gtest.h>

namespace betedge::wire {
namespace {

TEST(DetailTest, IsOneMemberOfText) {
  EXPECT_EQ(detail_json("Job \"x\" not found"), R"({"detail":"Job \"x\" not found"})");
}

TEST(RefuseFieldTest, TellsTheValueAsItWasSent) {
  EXPECT_EQ(refuse_field("interval", "v3 serves 60000 and 900000", R"({"interval": "90000"})"),
            (Refusal{422, R"({"detail":[{"type":"value_error","loc":["body","interval"],)"
                          R"("msg":"Value error, v3 serves 60000 and 900000","input":"90000",)"
                          R"("ctx":{"error":{}}}]})"}));
}

TEST(RefuseFieldTest, TellsNullForADefault) {
  for (const auto* body : {"{}", "[]", "not json"})
    EXPECT_NE(refuse_field("interval", "no", body).body.find(R"("input":null)"), std::string::npos);
}

TEST(InternalErrorTest, HasTheOriginalsShape) {
  EXPECT_EQ(internal_error("out of luck"),
            (Refusal{500,
                     R"({"error_code":"INTERNAL_ERROR","message":"An internal error occurred )"
                     R"(while processing the request","details":"out of luck"})",
                     ProblemCode::internal_error}));
}

TEST(LimitTest, IsAPositiveNumberOrLeftOut) {
  EXPECT_EQ(parse_limit(std::nullopt).value(), std::nullopt);
  EXPECT_EQ(parse_limit("25").value(), 25U);
  for (const auto* text : {"", "x", "1.5", "5x", "99999999999999999999", " 5"})
    EXPECT_EQ(parse_limit(text).error().status, 422) << text;
  EXPECT_EQ(parse_limit("ten").error().body,
            R"({"detail":[{"type":"int_parsing","loc":["query","limit"],"msg":"Input should be a )"
            R"(valid integer, unable to parse string as an integer","input":"ten"}]})");
  EXPECT_EQ(
      parse_limit("0").error().body,
      R"({"detail":[{"type":"greater_than_equal","loc":["query","limit"],"msg":"Input should )"
      R"(be greater than or equal to 1","input":"0","ctx":{"ge":1}}]})");
}

TEST(StatusFilterTest, IsReadInAnyCase) {
  EXPECT_EQ(parse_status_filter(std::nullopt).value(), std::nullopt);
  EXPECT_EQ(parse_status_filter("Running").value(), JobStatus::running);
  EXPECT_EQ(parse_status_filter("done").error(),
            (Refusal{400,
                     R"({"detail":"Invalid status 'done'. Valid statuses: pending, running, )"
                     R"(completed, failed"})",
                     ProblemCode::invalid_status}));
}

}  // namespace
}  // namespace betedge::wire
