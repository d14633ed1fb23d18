#include "betedge/server/description.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "betedge/server/api.hpp"
#include "betedge/server/schemas.hpp"

namespace betedge::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const Json& description() {
  static const auto kJson = Json::parse(openapi_json(Api::endpoints(), "9.8.7"));
  return kJson;
}

std::string page() {
  return std::string(as_text(docs_page(Api::endpoints(), "9.8.7").body.bytes));
}

void walk(const Json& json, const std::function<void(const Json&)>& look) {
  look(json);
  if (json.is_structured())
    for (const auto& part : json) walk(part, look);
}

TEST(Description, HasEveryRouteAndNothingElse) {
  EXPECT_EQ(description()["openapi"], "3.1.0");
  EXPECT_EQ(description()["info"]["version"], "9.8.7");
  std::set<std::string> described;
  for (const auto& [path, operations] : description()["paths"].items())
    for (const auto& [method, operation] : operations.items()) described.insert(method + path);
  std::set<std::string> routed;
  for (const auto& endpoint : Api::endpoints())
    routed.insert(method_name(endpoint.method).append(server::described(endpoint.pattern)));
  EXPECT_EQ(described, routed);
}

TEST(Description, SaysOfEveryEndpointWhatItTakesAndAnswers) {
  std::set<std::string> ids;
  for (const auto& endpoint : Api::endpoints()) {
    SCOPED_TRACE(std::string(to_text(endpoint.method)) + " " + std::string(endpoint.pattern));
    EXPECT_TRUE(endpoint.text.ends_with('.'));
    EXPECT_FALSE(endpoint.example.empty());
    ASSERT_FALSE(endpoint.answers.empty());
    const auto& operation =
        description()["paths"][described(endpoint.pattern)][method_name(endpoint.method)];
    EXPECT_TRUE(ids.insert(operation["operationId"]).second);
    auto path = described(endpoint.pattern);
    for (const auto& parameter : endpoint.parameters) {
      EXPECT_TRUE(Json::accept(parameter.schema)) << parameter.name;
      EXPECT_TRUE(parameter.text.ends_with('.')) << parameter.name;
      if (parameter.in != In::path) continue;
      const auto at = path.find("{" + std::string(parameter.name) + "}");
      ASSERT_NE(at, std::string::npos) << parameter.name;
      path.erase(at, parameter.name.size() + 2);
    }
    EXPECT_THAT(path, Not(HasSubstr("{"))) << "a parameter of the path is not described";
    for (const auto& answer : endpoint.answers)
      EXPECT_TRUE(operation["responses"].contains(std::to_string(answer.status)));
    for (const auto code : endpoint.problems)
      EXPECT_TRUE(operation["responses"].contains(std::to_string(wire::problem_of(code).status)));
  }
}

TEST(Description, EveryReferenceLeadsSomewhere) {
  int references = 0;
  walk(description(), [&](const Json& json) {
    if (!json.is_object() || !json.contains("$ref")) return;
    ++references;
    const auto to = json["$ref"].get<std::string>();
    ASSERT_TRUE(to.starts_with("#/")) << to;
    EXPECT_TRUE(description().contains(Json::json_pointer(to.substr(1)))) << to;
  });
  EXPECT_GT(references, 100);
}

TEST(Description, EverySchemaIsUsed) {
  const auto text = description().dump();
  for (const auto& [name, schema] : schemas().items())
    EXPECT_THAT(text, HasSubstr(R"("#/components/schemas/)" + name + "\"")) << name;
}

TEST(Description, RefusesWithoutATokenOnlyWhereOneIsNeeded) {
  for (const auto& endpoint : Api::endpoints()) {
    const auto refusals = refusals_of(endpoint);
    const bool may_ask = std::ranges::any_of(
        refusals, [](const auto& one) { return one.code == wire::ProblemCode::forbidden; });
    EXPECT_EQ(may_ask, endpoint.access != Access::open) << endpoint.pattern;
  }
}

TEST(DocsPage, HasAnAnchorForEveryLinkAndEveryCode) {
  const auto html = page();
  for (const auto& problem : wire::problems())
    EXPECT_THAT(html, HasSubstr("id=\"" + std::string(problem.name) + "\""));
  int links = 0;
  for (auto at = html.find("href=\"#"); at != std::string::npos;
       at = html.find("href=\"#", at + 1)) {
    const auto begin = at + 7;
    const auto anchor = html.substr(begin, html.find('"', begin) - begin);
    EXPECT_THAT(html, HasSubstr("id=\"" + anchor + "\"")) << anchor;
    ++links;
  }
  EXPECT_GT(links, 50);
}

TEST(DocsPage, HasEveryEndpointWithAnExample) {
  const auto html = page();
  for (const auto& endpoint : Api::endpoints()) EXPECT_THAT(html, HasSubstr(endpoint.summary));
  std::size_t examples = 0;
  for (auto at = html.find("curl \""); at != std::string::npos; at = html.find("curl \"", at + 1))
    ++examples;
  EXPECT_EQ(examples, Api::endpoints().size());
}

TEST(DocsPage, AsksForNothingElseAndRunsNothing) {
  const auto html = page();
  for (const auto* tag : {"<script", "<link", "<img", "<iframe", "src=", "url(", "@import",
                          "http://www", "https://", " style=", " onclick"})
    EXPECT_THAT(html, Not(HasSubstr(tag)));
}

}  // namespace
}  // namespace betedge::server
