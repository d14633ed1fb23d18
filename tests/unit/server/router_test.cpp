#include "betedge/server/router.hpp"

#include <gtest/gtest.h>

namespace betedge::server {
namespace {

struct MatchCase {
  std::string name;
  std::string pattern;
  std::string path;
  std::optional<std::string> parameter;
};

class PathMatch : public testing::TestWithParam<MatchCase> {};

TEST_P(PathMatch, IsWholeSegmentByWholeSegment) {
  const auto found = match(GetParam().pattern, GetParam().path);
  ASSERT_EQ(found.has_value(), GetParam().parameter.has_value());
  if (found) EXPECT_EQ(*found, *GetParam().parameter);
}

INSTANTIATE_TEST_SUITE_P(
    Paths, PathMatch,
    testing::Values(MatchCase{"root", "/", "/", ""}, MatchCase{"root_only", "/", "/x", {}},
                    MatchCase{"fixed", "/health", "/health", ""},
                    MatchCase{"fixed_longer", "/health", "/health/live", {}},
                    MatchCase{"fixed_with_slash", "/health", "/health/", {}},
                    MatchCase{"prefix", "/health", "/healthy", {}},
                    MatchCase{"parameter", "/jobs/{job_id}", "/jobs/7", "7"},
                    MatchCase{"parameter_odd", "/jobs/{job_id}", "/jobs/{7} x", "{7} x"},
                    MatchCase{"parameter_empty", "/jobs/{job_id}", "/jobs/", {}},
                    MatchCase{"parameter_missing", "/jobs/{job_id}", "/jobs", {}},
                    MatchCase{"parameter_inside", "/jobs/{job_id}/items", "/jobs/7/items", "7"},
                    MatchCase{"parameter_never_two", "/jobs/{job_id}", "/jobs/7/items", {}},
                    MatchCase{"rest", "/objects/{key...}", "/objects/a/b.c", "a/b.c"},
                    MatchCase{"rest_of_one", "/objects/{key...}", "/objects/a", "a"},
                    MatchCase{"rest_odd", "/objects/{key...}", "/objects//a/", "/a/"},
                    MatchCase{"rest_empty", "/objects/{key...}", "/objects/", {}},
                    MatchCase{"rest_missing", "/objects/{key...}", "/objects", {}},
                    MatchCase{"no_slash", "/jobs", "jobs", {}},
                    MatchCase{"empty", "/jobs", "", {}}),
    [](const auto& tested) { return tested.param.name; });

const Endpoint kEndpoints[] = {
    {Method::get, "/jobs", Access::open, Subject::jobs, ""},
    {Method::post, "/jobs", Access::open, Subject::jobs, ""},
    {Method::get, "/jobs/{job_id}", Access::open, Subject::jobs, ""},
    {Method::post, "/historical/option", Access::open, Subject::jobs, ""}};

TEST(Router, ARestIsDescribedAsAParameter) {
  EXPECT_EQ(described("/objects/{key...}"), "/objects/{key}");
  EXPECT_EQ(described("/jobs/{job_id}/items"), "/jobs/{job_id}/items");
}

TEST(Router, FindsTheEndpointAndItsParameter) {
  const auto found = route(kEndpoints, "GET", "/jobs/7");
  ASSERT_TRUE(std::holds_alternative<Found>(found));
  EXPECT_EQ(std::get<Found>(found).endpoint, 2u);
  EXPECT_EQ(std::get<Found>(found).parameter, "7");
}

TEST(Router, AnswersHeadWhereverItAnswersGet) {
  const auto found = route(kEndpoints, "HEAD", "/jobs");
  ASSERT_TRUE(std::holds_alternative<Found>(found));
  EXPECT_EQ(std::get<Found>(found).endpoint, 0u);
  EXPECT_TRUE(std::holds_alternative<WrongMethod>(route(kEndpoints, "HEAD", "/historical/option")));
}

TEST(Router, SaysWhichMethodsAKnownPathTakes) {
  const auto option = route(kEndpoints, "GET", "/historical/option");
  ASSERT_TRUE(std::holds_alternative<WrongMethod>(option));
  EXPECT_EQ(std::get<WrongMethod>(option).allow, "POST");
  const auto jobs = route(kEndpoints, "DELETE", "/jobs");
  ASSERT_TRUE(std::holds_alternative<WrongMethod>(jobs));
  EXPECT_EQ(std::get<WrongMethod>(jobs).allow, "GET, HEAD, POST");
}

TEST(Router, DoesNotKnowOtherPaths) {
  EXPECT_TRUE(std::holds_alternative<UnknownPath>(route(kEndpoints, "GET", "/nope")));
  EXPECT_TRUE(std::holds_alternative<UnknownPath>(route(kEndpoints, "get", "/nope")));
}

}  // namespace
}  // namespace betedge::server
