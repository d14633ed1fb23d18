#include "betedge/core/rollout.hpp"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace betedge::core {
namespace {

using namespace std::chrono_literals;

struct PreferCase {
  std::string name;
  std::vector<std::string_view> headers;
  Preferences preferences;
};
class Prefer : public testing::TestWithParam<PreferCase> {};

TEST_P(Prefer, IsReadAsRfc7240SaysAndWhatIsUnknownIsIgnored) {
  EXPECT_EQ(parse_prefer(GetParam().headers), GetParam().preferences);
}

INSTANTIATE_TEST_SUITE_P(
    Headers, Prefer,
    testing::Values(
        PreferCase{"none", {}, {}}, PreferCase{"empty", {""}, {}},
        PreferCase{"async", {"respond-async"}, {true, {}}},
        PreferCase{"in_any_case", {"Respond-Async, WAIT=5"}, {true, 5s}},
        PreferCase{"wait", {"wait=10"}, {false, 10s}},
        PreferCase{"both", {"respond-async, wait=10"}, {true, 10s}},
        PreferCase{"in_two_headers", {"respond-async", "wait=10"}, {true, 10s}},
        PreferCase{"with_spaces", {"  wait\t= 7 ,respond-async "}, {true, 7s}},
        PreferCase{"quoted", {R"(wait="7")"}, {false, 7s}},
        PreferCase{"the_first_counts", {"wait=3, wait=9"}, {false, 3s}},
        PreferCase{"the_first_counts_also_when_it_is_wrong", {"wait=x", "wait=9"}, {}},
        PreferCase{"no_wait_at_all", {"wait=0"}, {false, 0s}},
        PreferCase{"too_long", {"wait=31"}, {false, 30s}},
        PreferCase{"longer_than_any_number", {"wait=99999999999999999999999999"}, {false, 30s}},
        PreferCase{"negative", {"wait=-1"}, {}}, PreferCase{"a_fraction", {"wait=1.5"}, {}},
        PreferCase{"without_a_number", {"wait"}, {}}, PreferCase{"a_word", {"wait=soon"}, {}},
        PreferCase{"an_empty_value_is_none", {R"(respond-async="")"}, {true, {}}},
        PreferCase{"a_value_that_means_nothing", {"respond-async=no"}, {}},
        PreferCase{"a_parameter", {"respond-async; priority=5"}, {true, {}}},
        PreferCase{"others", {"return=minimal; foo=\"a, wait=9\", handling=lenient"}, {}},
        PreferCase{"a_quote_with_an_escape", {R"(x="\", wait=9", wait=2)"}, {false, 2s}},
        PreferCase{"a_quote_that_never_ends", {R"(x="y, wait=9)"}, {}},
        PreferCase{"an_escape_at_the_end", {"x=\"\\"}, {}}, PreferCase{"commas_only", {", ,,"}, {}},
        PreferCase{"no_substring", {"no-respond-async, await=5"}, {}}),
    [](const auto& tested) { return tested.param.name; });

constexpr auto kAsync = SubmitMode::async;
constexpr auto kSync = SubmitMode::sync;

// What is not set does not count: every rule against every weaker one that says the opposite.
struct RolloutCase {
  std::string name;
  RolloutSettings settings;
  SubmitQuestion question;
  SubmitDecision decision;
};
class Rollout : public testing::TestWithParam<RolloutCase> {};

TEST_P(Rollout, FollowsTheStrongestThatIsSet) {
  EXPECT_EQ(decide(GetParam().settings, GetParam().question), GetParam().decision);
}

const SubmitQuestion kAnn{"option", "ann", "10.0.0.1", {}};
const SubmitQuestion kNobody{"option", "", "10.0.0.1", {}};

SubmitQuestion prefers(bool respond_async, std::optional<std::chrono::seconds> wait) {
  auto question = kAnn;
  question.preferences = {respond_async, wait};
  return question;
}

INSTANTIATE_TEST_SUITE_P(
    Precedence, Rollout,
    testing::Values(
        RolloutCase{"a_new_install", {}, kNobody, {kAsync, {}, "", false}},
        RolloutCase{"the_default", {.is_async_by_default = false}, kNobody, {kSync, {}, "", false}},
        RolloutCase{"an_endpoint_before_the_default",
                    {.endpoints = {{"option", true}}, .is_async_by_default = false},
                    kNobody,
                    {kAsync, {}, "", false}},
        RolloutCase{"an_endpoint_back_before_the_default",
                    {.endpoints = {{"option", false}}},
                    kNobody,
                    {kSync, {}, "", false}},
        RolloutCase{"another_endpoint_is_not_this_one",
                    {.endpoints = {{"stock", true}}, .is_async_by_default = false},
                    kNobody,
                    {kSync, {}, "", false}},
        RolloutCase{
            "all_before_the_endpoint",
            {.percentage = 100, .endpoints = {{"option", false}}, .is_async_by_default = false},
            kNobody,
            {kAsync, {}, "", false}},
        RolloutCase{"none_before_the_endpoint",
                    {.percentage = 0, .endpoints = {{"option", true}}},
                    kAnn,
                    {kSync, {}, "", false}},
        RolloutCase{"a_client_before_the_percentage",
                    {.clients = {{"ann", true}}, .percentage = 0, .is_async_by_default = false},
                    kAnn,
                    {kAsync, {}, "", false}},
        RolloutCase{"a_client_back_before_the_percentage",
                    {.clients = {{"ann", false}}, .percentage = 100},
                    kAnn,
                    {kSync, {}, "", false}},
        RolloutCase{"another_client_is_not_this_one",
                    {.clients = {{"bob", true}}, .is_async_by_default = false},
                    kAnn,
                    {kSync, {}, "", false}},
        RolloutCase{"no_name_is_no_rules_name",
                    {.clients = {{"", true}}, .is_async_by_default = false},
                    kNobody,
                    {kSync, {}, "", false}},
        RolloutCase{"an_address_is_no_name",
                    {.clients = {{"10.0.0.1", true}}, .is_async_by_default = false},
                    kNobody,
                    {kSync, {}, "", false}},
        RolloutCase{"the_request_before_the_client",
                    {.clients = {{"ann", false}}},
                    prefers(true, {}),
                    {kAsync, {}, "respond-async", false}},
        RolloutCase{"a_wait_before_the_client",
                    {.clients = {{"ann", true}}},
                    prefers(false, 7s),
                    {kSync, 7s, "wait=7", false}},
        RolloutCase{"a_wait_bounds_what_would_be_held_anyway",
                    {.is_async_by_default = false},
                    prefers(false, 7s),
                    {kSync, 7s, "wait=7", false}},
        RolloutCase{"a_wait_and_then_async",
                    {.is_async_by_default = false},
                    prefers(true, 7s),
                    {kSync, 7s, "respond-async, wait=7", false}},
        RolloutCase{"a_wait_of_nothing_is_async",
                    {.is_async_by_default = false},
                    prefers(false, 0s),
                    {kAsync, {}, "wait=0", false}},
        RolloutCase{"a_wait_of_nothing_and_then_async",
                    {.is_async_by_default = false},
                    prefers(true, 0s),
                    {kAsync, {}, "respond-async, wait=0", false}},
        RolloutCase{"sync_off_by_settings",
                    {.is_async_by_default = false, .is_sync_enabled = false},
                    kAnn,
                    {kAsync, {}, "", true}},
        RolloutCase{"sync_off_for_a_client",
                    {.clients = {{"ann", false}}, .is_sync_enabled = false},
                    kAnn,
                    {kAsync, {}, "", true}},
        RolloutCase{"sync_off_by_the_request",
                    {.is_sync_enabled = false},
                    prefers(false, 7s),
                    {kAsync, {}, "", true}},
        RolloutCase{"sync_off_means_nothing_to_async",
                    {.is_sync_enabled = false},
                    kAnn,
                    {kAsync, {}, "", false}},
        RolloutCase{"sync_off_and_async_asked_for",
                    {.is_async_by_default = false, .is_sync_enabled = false},
                    prefers(true, {}),
                    {kAsync, {}, "respond-async", false}},
        RolloutCase{"sync_off_and_either_asked_for",
                    {.is_sync_enabled = false},
                    prefers(true, 7s),
                    {kAsync, {}, "respond-async", false}}),
    [](const auto& tested) { return tested.param.name; });

std::vector<std::string> many_clients() {
  std::vector<std::string> names;
  for (int i = 0; i < 20'000; ++i) names.push_back(fmt::format("client-{}", i));
  return names;
}

TEST(RolloutPercentage, NeverMovesAClientBackWhenItGrows) {
  for (const auto& name : many_clients()) {
    bool was_in = false;
    for (int percentage = 0; percentage <= 100; ++percentage) {
      const bool is_in = is_in_share(percentage, name, "");
      ASSERT_TRUE(is_in || !was_in) << name << " at " << percentage;
      was_in = is_in;
    }
    ASSERT_TRUE(was_in) << name;
    ASSERT_FALSE(is_in_share(0, name, "")) << name;
  }
}

TEST(RolloutPercentage, TakesInTheShareThatItSays) {
  const auto names = many_clients();
  for (const int percentage : {1, 5, 10, 25, 50, 75, 99}) {
    const auto in = std::ranges::count_if(
        names, [&](const auto& name) { return is_in_share(percentage, name, ""); });
    const double share = 100.0 * static_cast<double>(in) / static_cast<double>(names.size());
    EXPECT_NEAR(share, percentage, 1.0);
  }
}

TEST(RolloutPercentage, KnowsAClientByItsNameAndOthersByTheirAddress) {
  int by_address = 0;
  for (const auto& name : many_clients()) {
    // Wherever it calls from.
    ASSERT_EQ(is_in_share(50, name, "10.0.0.1"), is_in_share(50, name, "10.0.0.2"));
    if (is_in_share(50, "", name)) ++by_address;
  }
  EXPECT_GT(by_address, 9'000);
  EXPECT_LT(by_address, 11'000);
}

// A run of today decides as one of tomorrow: restarts and other machines move nobody.
TEST(RolloutPercentage, IsTheSameEverywhere) {
  EXPECT_FALSE(is_in_share(65, "ann", ""));
  EXPECT_TRUE(is_in_share(66, "ann", ""));
}

}  // namespace
}  // namespace betedge::core
