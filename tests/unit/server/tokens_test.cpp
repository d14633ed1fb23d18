#include "betedge/server/tokens.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace betedge::server {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string line(std::string_view name, std::string_view scopes, std::string_view token) {
  return std::string(name) + " " + std::string(scopes) + " " + to_hex(sha256(token)) + "\n";
}

TEST(TokenTable, KnowsATokenByItsDigestAlone) {
  const auto table = TokenTable::parse(line("ann", "read", "a") + line("bob", "submit", "b"), "f");
  ASSERT_TRUE(table) << table.error().message;
  ASSERT_NE(table->find("b"), nullptr);
  EXPECT_EQ(table->find("b")->name, "bob");
  EXPECT_EQ(table->find("b")->access, Access::submit);
  EXPECT_EQ(table->find("c"), nullptr);
  EXPECT_EQ(table->find(""), nullptr);
  EXPECT_EQ(table->find(to_hex(sha256("b"))), nullptr) << "the file's content opens nothing";
}

TEST(TokenTable, ReadsCommentsBlanksAndCarriageReturns) {
  const auto table = TokenTable::parse(
      "# ours\n\n  ann\tread   " + to_hex(sha256("a")) + " # until May\r\n \t\r\n", "f");
  ASSERT_TRUE(table) << table.error().message;
  EXPECT_EQ(table->entries().size(), 1u);
  EXPECT_NE(table->find("a"), nullptr);
}

TEST(TokenTable, LetsANameHaveTwoTokensForTheTimeOfAChange) {
  const auto table =
      TokenTable::parse(line("ann", "read", "old") + line("ann", "read,submit", "new"), "f");
  ASSERT_TRUE(table);
  EXPECT_EQ(table->find("old")->access, Access::read);
  EXPECT_EQ(table->find("new")->access, Access::submit);
}

struct BadFile {
  std::string name;
  std::string text;
  std::string sentence;
};
class BadTokenFile : public testing::TestWithParam<BadFile> {};

TEST_P(BadTokenFile, IsOneSentenceThatSaysWhereAndNeverRepeatsTheLine) {
  const auto table = TokenTable::parse(GetParam().text, "tokens");
  ASSERT_FALSE(table);
  EXPECT_EQ(table.error().code, ErrorCode::invalid_request);
  EXPECT_THAT(table.error().message, HasSubstr(GetParam().sentence));
  EXPECT_THAT(table.error().message, Not(HasSubstr("canary")));
}

INSTANTIATE_TEST_SUITE_P(
    Files, BadTokenFile,
    testing::Values(
        BadFile{"empty", "", "tokens holds no token"},
        BadFile{"comments_only", "# nobody yet\n", "tokens holds no token"},
        BadFile{"a_line_too_short", "# x\nann read\n", "tokens line 2: must be a name"},
        BadFile{"a_line_too_long", line("ann", "read", "a").substr(0, 73) + " canary",
                "tokens line 1: must be a name"},
        BadFile{"the_token_itself", "ann read canary-token", "line 1: ann's token must stand"},
        BadFile{"hex_too_short", "ann read abcdef", "64 hex digits"},
        BadFile{"no_hex", "ann read " + std::string(64, 'g'), "64 hex digits"},
        BadFile{"a_name_with_a_colon", "a:b read " + std::string(64, '0'), "the name must be"},
        BadFile{"a_name_too_long", std::string(65, 'a') + " read " + std::string(64, '0'),
                "the name must be"},
        BadFile{"an_unknown_scope", "ann read,write " + std::string(64, '0'), "ann's scopes"},
        BadFile{"a_scope_that_is_none", "ann open " + std::string(64, '0'), "ann's scopes"},
        BadFile{"an_empty_scope", "ann read, " + std::string(64, '0'), "ann's scopes"},
        BadFile{"one_token_twice", line("ann", "read", "a") + line("bob", "admin", "a"),
                "line 2: bob has the same token as ann"}),
    [](const auto& tested) { return tested.param.name; });

TEST(Scopes, AreTheStrongestOfThem) {
  EXPECT_EQ(parse_scopes("read"), Access::read);
  EXPECT_EQ(parse_scopes("read,submit"), Access::submit);
  EXPECT_EQ(parse_scopes("admin,read"), Access::admin);
  EXPECT_EQ(parse_scopes(""), std::nullopt);
  EXPECT_EQ(parse_scopes("READ"), std::nullopt);
}

TEST(Secret, IsLongUniqueAndPlain) {
  std::set<std::string> secrets;
  for (int i = 0; i < 100; ++i) {
    const auto secret = make_secret();
    EXPECT_THAT(secret, testing::MatchesRegex("[A-Za-z0-9_-]+"));
    EXPECT_EQ(secret.size(), 43u);
    secrets.insert(secret);
  }
  EXPECT_EQ(secrets.size(), 100u);
}

TEST(Sha256, IsTheStandards) {
  EXPECT_EQ(to_hex(sha256("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(to_base64(sha256("abc")), "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
}

}  // namespace
}  // namespace betedge::server
