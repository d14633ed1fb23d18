#include "betedge/server/description.hpp"

#include <algorithm>
#include <map>
#include <string>

#include "betedge/server/answers.hpp"
#include "betedge/server/schemas.hpp"

namespace betedge::server {
namespace {

Json reference(std::string_view kind, std::string_view name) {
  Json json;
  json["$ref"] = std::string("#/components/").append(kind).append("/").append(name);
  return json;
}

Json content(std::string_view media_type, std::string_view schema) {
  Json json;
  json[std::string(media_type)]["schema"] = reference("schemas", schema);
  return json;
}

Json headers_of(std::span<const std::string_view> names) {
  Json json = Json::object();
  for (const auto name : names) json[std::string(name)] = reference("headers", name);
  return json;
}

Json parameter_of(const Parameter& parameter) {
  Json json;
  json["name"] = parameter.name;
  json["in"] = to_text(parameter.in);
  if (parameter.in == In::path) json["required"] = true;
  json["description"] = parameter.text;
  json["schema"] = Json::parse(parameter.schema);
  return json;
}

Json answer_of(const Reply& answer) {
  Json json;
  json["description"] = answer.text;
  if (!answer.headers.empty()) json["headers"] = headers_of(answer.headers);
  if (!answer.schema.empty()) json["content"] = content(answer.media_type, answer.schema);
  return json;
}

// The ways in which an endpoint refuses with one status.
Json refusal_of(std::span<const wire::Problem> problems, const Endpoint& endpoint) {
  const int status = problems.front().status;
  std::string text;
  for (const auto& problem : problems)
    text.append(text.empty() ? "" : "\n")
        .append("- `")
        .append(problem.name)
        .append("`: ")
        .append(problem.title);
  std::vector<std::string_view> headers{kErrorHeader};
  if (status == 429 || status == 503 || status == 409) headers.emplace_back("Retry-After");
  if (status == 401) headers.emplace_back("WWW-Authenticate");
  Json json;
  json["description"] = text;
  json["headers"] = headers_of(headers);
  auto& bodies = json["content"];
  auto& plain = bodies["application/json"]["schema"];
  if (status == 422) {
    plain = reference("schemas", "ValidationProblem");
  } else if (status == 500) {
    plain["oneOf"] =
        Json::array({reference("schemas", "Problem"), reference("schemas", "InternalProblem")});
  } else {
    plain = reference("schemas", "Problem");
  }
  bodies["application/problem+json"]["schema"] = reference("schemas", "Problem");
  if (endpoint.body == "Login") bodies["text/html"]["schema"] = reference("schemas", "Text");
  return json;
}

std::string operation_id(const Endpoint& endpoint) {
  auto id = method_name(endpoint.method);
  for (const char c : described(endpoint.pattern)) {
    if (c == '{' || c == '}') continue;
    id += c == '/' || c == '.' ? '_' : c;
  }
  if (id.ends_with('_')) id.pop_back();
  return id;
}

Json security_of(const Endpoint& endpoint) {
  if (endpoint.access == Access::open) return Json::array();
  // Nothing is needed where the server has no tokens.
  return Json::parse(R"([{"bearer":[]},{"cookie":[]},{}])");
}

Json operation_of(const Endpoint& endpoint) {
  Json json;
  json["operationId"] = operation_id(endpoint);
  const auto subject = std::ranges::find(subjects(), endpoint.subject, &SubjectText::subject);
  json["tags"] = Json::array({subject->title});
  json["summary"] = endpoint.summary;
  json["description"] = endpoint.text;
  json["security"] = security_of(endpoint);
  for (const auto& parameter : endpoint.parameters)
    json["parameters"].push_back(parameter_of(parameter));
  if (!endpoint.body.empty()) {
    json["requestBody"]["required"] = endpoint.is_body_needed;
    json["requestBody"]["content"] = content("application/json", endpoint.body);
    if (endpoint.body == "Login")
      json["requestBody"]["content"].update(
          content("application/x-www-form-urlencoded", endpoint.body));
  }
  auto& responses = json["responses"];
  for (const auto& answer : endpoint.answers)
    responses[std::to_string(answer.status)] = answer_of(answer);
  std::map<int, std::vector<wire::Problem>> refusals;
  for (const auto& problem : refusals_of(endpoint)) refusals[problem.status].push_back(problem);
  for (const auto& [status, problems] : refusals) {
    const auto key = std::to_string(status);
    if (!responses.contains(key)) responses[key] = refusal_of(problems, endpoint);
  }
  return json;
}

}  // namespace

std::string openapi_json(std::span<const Endpoint> endpoints, std::string_view version) {
  Json json;
  json["openapi"] = "3.1.0";
  json["info"]["title"] = "betedge";
  json["info"]["version"] = version;
  json["info"]["description"] = introduction();
  json["servers"] = Json::parse(R"([{"url":"/"}])");
  for (const auto& subject : subjects()) {
    Json tag;
    tag["name"] = subject.title;
    tag["description"] = subject.text;
    json["tags"].push_back(std::move(tag));
  }
  for (const auto& endpoint : endpoints)
    json["paths"][described(endpoint.pattern)][method_name(endpoint.method)] =
        operation_of(endpoint);
  auto& components = json["components"];
  components["schemas"] = schemas();
  for (const auto& header : answer_headers()) {
    auto& described = components["headers"][std::string(header.name)];
    described["description"] = header.text;
    described["schema"] = Json::parse(header.schema);
  }
  components["securitySchemes"] = Json::parse(R"({
    "bearer": {"type": "http", "scheme": "bearer", "description": "A token of the server's file."},
    "cookie": {"type": "apiKey", "in": "cookie", "name": "betedge_session",
               "description": "What `POST /login` gives to a browser."}})");
  return json.dump();
}

}  // namespace betedge::server
