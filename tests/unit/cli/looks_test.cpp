#include <gtest/gtest.h>

#include <map>

#include "betedge/cli/console.hpp"

namespace betedge::cli {
namespace {

struct LooksCase {
  std::string name;
  std::map<std::string, std::string> environment;
  bool out_is_terminal, err_is_terminal;
  Looks expected;
};
void PrintTo(const LooksCase& tested, std::ostream* out) {
  *out << tested.name;
}

class LooksTest : public ::testing::TestWithParam<LooksCase> {};

TEST_P(LooksTest, FollowTheEnvironment) {
  const auto& tested = GetParam();
  const auto looks = looks_of(
      [&tested](const char* name) -> std::optional<std::string> {
        const auto found = tested.environment.find(name);
        return found == tested.environment.end() ? std::nullopt : std::optional(found->second);
      },
      tested.out_is_terminal, tested.err_is_terminal);
  EXPECT_EQ(looks.animate, tested.expected.animate);
  EXPECT_EQ(looks.color_out, tested.expected.color_out);
  EXPECT_EQ(looks.color_err, tested.expected.color_err);
  EXPECT_EQ(looks.unicode, tested.expected.unicode);
}

// animate, color_out, color_err, unicode
INSTANTIATE_TEST_SUITE_P(
    Environments, LooksTest,
    ::testing::Values(
        LooksCase{"terminal",
                  {{"TERM", "xterm"}, {"LANG", "en_US.UTF-8"}},
                  true,
                  true,
                  {true, true, true, true, true}},
        LooksCase{"nothing_set", {}, true, true, {false, false, false, false, true}},
        LooksCase{"dumb", {{"TERM", "dumb"}}, true, true, {false, false, false, false, true}},
        LooksCase{"both_piped", {{"TERM", "xterm"}}, false, false, {}},
        LooksCase{
            "output_piped", {{"TERM", "xterm"}}, false, true, {true, false, true, false, false}},
        LooksCase{"no_color",
                  {{"TERM", "xterm"}, {"NO_COLOR", "1"}},
                  true,
                  true,
                  {true, false, false, false, true}},
        LooksCase{"no_color_empty",
                  {{"TERM", "xterm"}, {"NO_COLOR", ""}},
                  true,
                  true,
                  {true, true, true, false, true}},
        LooksCase{"clicolor_0",
                  {{"TERM", "xterm"}, {"CLICOLOR", "0"}},
                  true,
                  true,
                  {true, false, false, false, true}},
        LooksCase{"forced_into_a_pipe",
                  {{"CLICOLOR_FORCE", "1"}},
                  false,
                  false,
                  {false, true, true, false, false}},
        LooksCase{"forced_0", {{"CLICOLOR_FORCE", "0"}}, false, false, {}},
        LooksCase{"no_color_wins", {{"CLICOLOR_FORCE", "1"}, {"NO_COLOR", "1"}}, false, false, {}},
        LooksCase{"c_utf8",
                  {{"TERM", "xterm"}, {"LC_ALL", "C.utf8"}, {"LANG", "C"}},
                  true,
                  true,
                  {true, true, true, true, true}},
        LooksCase{"lc_all_c",
                  {{"TERM", "xterm"}, {"LC_ALL", "C"}, {"LANG", "de_DE.UTF-8"}},
                  true,
                  true,
                  {true, true, true, false, true}}),
    [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace betedge::cli
