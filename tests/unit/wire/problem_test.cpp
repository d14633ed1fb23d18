#include "betedge/wire/problem.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

namespace betedge::wire {
namespace {

using Json = nlohmann::ordered_json;

const Problem& not_found() {
  return problem_of(ProblemCode::job_not_found);
}
const Problem& invalid() {
  return problem_of(ProblemCode::validation_error);
}

std::vector<std::string> names_of(const Json& object) {
  std::vector<std::string> names;
  for (const auto& [name, value] : object.items()) names.push_back(name);
  return names;
}

TEST(ProblemTable, HasEveryCodeOnceWithWordsOfItsOwn) {
  std::set<std::string_view> names;
  std::set<std::string_view> titles;
  for (const auto& problem : problems()) {
    EXPECT_TRUE(names.insert(problem.name).second) << problem.name;
    EXPECT_TRUE(titles.insert(problem.title).second) << problem.title;
    const bool is_plain = std::ranges::all_of(
        problem.name, [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
    EXPECT_TRUE(is_plain) << problem.name;
    EXPECT_TRUE(problem.status >= 400 && problem.status <= 599) << problem.name;
    EXPECT_TRUE(problem.meaning.ends_with('.')) << problem.name;
    EXPECT_EQ(&problem_of(problem.code), &problem);
  }
}

TEST(ProblemJson, KeepsWhatWasThereAndAddsItsMembersBehind) {
  EXPECT_EQ(problem_json(R"({"detail":"Job x not found"})", not_found(), "/jobs/x"),
            R"({"detail":"Job x not found","type":"/docs#job_not_found",)"
            R"("title":"There is no such job","status":404,"instance":"/jobs/x",)"
            R"("code":"job_not_found"})");
}

TEST(ProblemJson, KeepsTheShapeOfAnInternalError) {
  constexpr std::string_view kBody =
      R"({"error_code":"INTERNAL_ERROR","message":"m","details":"d"})";
  const auto& internal = problem_of(ProblemCode::internal_error);
  const std::vector<std::string> expected{"error_code", "message", "details",  "type",
                                          "title",      "status",  "instance", "code"};
  EXPECT_EQ(names_of(Json::parse(problem_json(kBody, internal, "/jobs"))), expected);
  EXPECT_EQ(names_of(Json::parse(rfc9457_json(kBody, internal, "/jobs"))), expected);
}

TEST(ProblemJson, HasNoInstanceWhereThePathIsNotKnown) {
  const auto json = Json::parse(problem_json(R"({"detail":"x"})", not_found(), ""));
  EXPECT_FALSE(json.contains("instance"));
}

TEST(ProblemJson, IsJsonWhateverThePathIs) {
  const auto json = Json::parse(problem_json(R"({"detail":"x"})", not_found(), "/\"\xff\n\\"));
  EXPECT_EQ(json["instance"], "/\"\xEF\xBF\xBD\n\\");
}

TEST(Rfc9457Json, HasTheStandardsMembersFirst) {
  const auto json = Json::parse(rfc9457_json(R"({"detail":"Job x not found"})", not_found(), "/x"));
  EXPECT_EQ(names_of(json),
            (std::vector<std::string>{"type", "title", "status", "instance", "code", "detail"}));
  EXPECT_EQ(json["detail"], "Job x not found");
}

TEST(Rfc9457Json, MovesAListOfFaultsToErrorsAsItWas) {
  const std::string list =
      R"([{"type":"value_error","loc":["body","end_date"],"msg":"Value error, too early",)"
      R"("input":12345678901234567890123}])";
  const auto text = rfc9457_json(R"({"detail":)" + list + "}", invalid(), "/x");
  EXPECT_TRUE(text.ends_with(R"("errors":)" + list + "}")) << text;
}

TEST(Rfc9457Json, TellsTheFaultsInASentence) {
  const auto json = Json::parse(rfc9457_json(
      R"({"detail":[{"type":"missing","loc":["body","root"],"msg":"Field required","input":{}}]})",
      invalid(), "/x"));
  EXPECT_EQ(json["detail"], "root: Field required");
  EXPECT_EQ(json["errors"].size(), 1U);
}

}  // namespace
}  // namespace betedge::wire
