#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <vector>

#include "betedge/server/answers.hpp"
#include "betedge/server/description.hpp"
#include "betedge/server/schemas.hpp"
#include "betedge/server/tokens.hpp"

namespace betedge::server {
namespace {

constexpr std::string_view kStyle = R"css(
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#57606a;--line:#d8dee4;--paper:#fff;--tint:#f3f5f7;--link:#0757b8;--get:#0a6b3d;--post:#0757b8;--put:#8a4b00;--del:#b3261e}
@media (prefers-color-scheme:dark){:root{--ink:#e3e7ec;--soft:#9aa4af;--line:#343b44;--paper:#12161b;--tint:#1c222a;--link:#7ab7ff;--get:#63d297;--post:#7ab7ff;--put:#f0b35f;--del:#ff8a80}}
*{box-sizing:border-box}
html{scroll-padding-top:1rem}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,sans-serif}
main{max-width:60rem;margin:0 auto;padding:1.5rem 1rem 4rem}
h1{margin:0;font-size:1.9rem}
h2{margin:3rem 0 .5rem;padding-top:1rem;border-top:1px solid var(--line);font-size:1.45rem}
h3{margin:2.25rem 0 .25rem;font-size:1.05rem;overflow-wrap:anywhere}
h4{margin:1rem 0 .25rem;font-size:.8rem;letter-spacing:.06em;text-transform:uppercase;color:var(--soft)}
p{margin:.4rem 0}
a{color:var(--link);text-decoration:none}
a:hover,a:focus{text-decoration:underline}
code,pre{font:.88em/1.5 ui-monospace,monospace}
code{background:var(--tint);padding:.1em .3em;border-radius:4px;overflow-wrap:anywhere}
pre{margin:.4rem 0;padding:.7rem .9rem;background:var(--tint);border-radius:8px;white-space:pre-wrap}
pre code{background:none;padding:0}
nav ul{list-style:none;margin:0;padding:0}
nav li{padding:.15rem 0;display:flex;flex-wrap:wrap;gap:0 .8rem}
nav span{color:var(--soft)}
nav a{font:.88em/1.6 ui-monospace,monospace;overflow-wrap:anywhere}
table{width:100%;border-collapse:collapse;margin:.3rem 0}
th,td{text-align:left;vertical-align:top;padding:.35rem .8rem .35rem 0;border-bottom:1px solid var(--line);font-weight:400}
th{white-space:nowrap;width:1%}
td{overflow-wrap:anywhere}
small{color:var(--soft);font-size:.85em}
.summary{font-weight:600}
.get{color:var(--get)}.post{color:var(--post)}.put{color:var(--put)}.delete{color:var(--del)}
.codes{line-height:1.9}
@media (max-width:40rem){th,td{display:block;width:auto;padding-right:0}th{border:0;padding-bottom:0;white-space:normal}td{padding-top:0}}
)css";

std::string escaped(std::string_view text) {
  std::string html;
  for (const char c : text) {
    switch (c) {
      case '&': html += "&amp;"; break;
      case '<': html += "&lt;"; break;
      case '>': html += "&gt;"; break;
      case '"': html += "&quot;"; break;
      default: html += c;
    }
  }
  return html;
}

// A sentence in which `…` is code.
std::string prose(std::string_view text) {
  std::string html;
  bool is_code = false;
  for (std::size_t from = 0;;) {
    const auto tick = text.find('`', from);
    html += escaped(text.substr(from, tick - from));
    if (tick == std::string_view::npos) return html;
    html += is_code ? "</code>" : "<code>";
    is_code = !is_code;
    from = tick + 1;
  }
}

// "get-jobs-job_id-items"
std::string anchor_of(const Endpoint& endpoint) {
  auto anchor = method_name(endpoint.method);
  for (const char c : described(endpoint.pattern)) {
    if (c == '{' || c == '}') continue;
    anchor += c == '/' ? '-' : c;
  }
  if (anchor.ends_with('-')) anchor.pop_back();
  return anchor;
}

std::string call_of(const Endpoint& endpoint) {
  return fmt::format(R"(<b class="{}">{}</b> {})", method_name(endpoint.method),
                     to_text(endpoint.method), escaped(described(endpoint.pattern)));
}

std::string schema_link(std::string_view name) {
  return fmt::format(R"(<a href="#{0}">{0}</a>)", name);
}

// A value's type and bounds in a few words: "integer or null, 0 to 100, default 0".
std::string type_of(const Json& schema) {
  constexpr std::string_view kReference = "#/components/schemas/";
  if (const auto found = schema.find("$ref"); found != schema.end())
    return schema_link(found->get<std::string>().substr(kReference.size()));
  if (const auto found = schema.find("const"); found != schema.end())
    return fmt::format("<code>{}</code>", escaped(found->dump()));
  std::string text;
  const auto add = [&text](std::string_view more, std::string_view separator = ", ") {
    if (!text.empty()) text += separator;
    text += more;
  };
  const auto named = [&add](const Json& type) { add(type.get<std::string>(), " or "); };
  if (const auto type = schema.find("type"); type != schema.end()) {
    if (type->is_array())
      for (const auto& one : *type) named(one);
    else
      named(*type);
  }
  if (const auto items = schema.find("items"); items != schema.end())
    text += fmt::format(" of {}", type_of(*items));
  if (const auto format = schema.find("format"); format != schema.end())
    add(format->get<std::string>());
  if (const auto choices = schema.find("enum"); choices != schema.end() && choices->size() <= 8) {
    std::string list;
    for (const auto& choice : *choices)
      if (choice.is_string() && !choice.get<std::string>().empty())
        list += fmt::format("{}<code>{}</code>", list.empty() ? "" : " ",
                            escaped(choice.get<std::string>()));
    add(list, ": ");
  }
  const auto bound = [&](const char* low, const char* high, std::string_view unit) {
    const auto least = schema.find(low);
    const auto most = schema.find(high);
    if (least != schema.end() && most != schema.end())
      add(fmt::format("{} to {}{}", least->dump(), most->dump(), unit));
    else if (least != schema.end())
      add(fmt::format("at least {}{}", least->dump(), unit));
    else if (most != schema.end())
      add(fmt::format("at most {}{}", most->dump(), unit));
  };
  bound("minimum", "maximum", "");
  bound("minLength", "maxLength", " characters");
  bound("minItems", "maxItems", " of them");
  if (const auto otherwise = schema.find("default"); otherwise != schema.end())
    add(fmt::format("default {}", escaped(otherwise->dump())));
  return text;
}

std::string row(std::string_view name, std::string_view type, std::string_view text) {
  return fmt::format(
      "<tr><th scope=\"row\"><code>{}</code></th><td>{}<br><small>{}</small></td></tr>\n",
      escaped(name), text, type);
}

std::string members_table(const Json& schema) {
  std::string html = "<table>\n";
  const auto required = schema.value("required", Json::array());
  for (const auto& [name, member] : schema.at("properties").items()) {
    auto type = type_of(member);
    if (std::ranges::find(required, Json(name)) == required.end()) type += ", optional";
    html += row(name, type, prose(member.value("description", "")));
  }
  return html + "</table>\n";
}

std::string parameters_table(const Endpoint& endpoint) {
  std::string html = "<h4>Takes</h4>\n<table>\n";
  for (const auto& parameter : endpoint.parameters)
    html +=
        row(parameter.name,
            fmt::format("{}: {}", to_text(parameter.in), type_of(Json::parse(parameter.schema))),
            prose(parameter.text));
  if (!endpoint.body.empty())
    html += fmt::format("<tr><th scope=\"row\">body</th><td>{}, as JSON{}</td></tr>\n",
                        schema_link(endpoint.body), endpoint.is_body_needed ? "" : ", optional");
  return html + "</table>\n";
}

std::string answers_table(const Endpoint& endpoint) {
  std::string html = "<h4>Answers</h4>\n<table>\n";
  for (const auto& answer : endpoint.answers) {
    std::string more;
    if (answer.media_type != "application/json")
      more = fmt::format(" <small>{}</small>", answer.media_type);
    else if (!answer.schema.empty())
      more = " " + schema_link(answer.schema);
    if (!answer.headers.empty()) {
      more += "<br><small>with ";
      for (std::string_view separator; const auto header : answer.headers) {
        more += fmt::format("{}{}", separator, header);
        separator = ", ";
      }
      more += "</small>";
    }
    html += fmt::format("<tr><th scope=\"row\">{}</th><td>{}{}</td></tr>\n", answer.status,
                        prose(answer.text), more);
  }
  html += "</table>\n";
  if (endpoint.problems.empty()) return html;
  html += "<p class=\"codes\"><small>or an error:";
  std::map<int, std::vector<std::string_view>> by_status;
  for (const auto code : endpoint.problems) {
    const auto& problem = wire::problem_of(code);
    by_status[problem.status].push_back(problem.name);
  }
  for (const auto& [status, names] : by_status) {
    html += fmt::format(" {}", status);
    for (const auto name : names) html += fmt::format(R"( <a href="#{0}">{0}</a>)", name);
  }
  return html + R"(; and <a href="#errors">what every request can meet</a></small></p>)" + "\n";
}

std::string_view needed(Access access) {
  switch (access) {
    case Access::open: return "open to everybody";
    case Access::read: return "scope read";
    case Access::submit: return "scope submit";
    case Access::admin: return "scope admin";
  }
  return {};
}

std::string endpoint_section(const Endpoint& endpoint) {
  auto html = fmt::format(
      "<section id=\"{}\">\n<h3><code>{}</code></h3>\n<p><span class=\"summary\">{}</span> "
      "<small>{}</small></p>\n<p>{}</p>\n",
      anchor_of(endpoint), call_of(endpoint), escaped(endpoint.summary), needed(endpoint.access),
      prose(endpoint.text));
  if (!endpoint.parameters.empty() || !endpoint.body.empty()) html += parameters_table(endpoint);
  html += answers_table(endpoint);
  return html + fmt::format("<pre><code>curl \"$BETEDGE_URL{}</code></pre>\n</section>\n",
                            escaped(endpoint.example));
}

std::string problems_table() {
  std::string html = "<table>\n";
  for (const auto& problem : wire::problems())
    html += fmt::format(
        "<tr id=\"{0}\"><th scope=\"row\"><code>{0}</code></th><td>{1} {2}. {3}</td></tr>\n",
        problem.name, problem.status, escaped(problem.title), prose(problem.meaning));
  return html + "</table>\n";
}

}  // namespace

net::ServerResponse docs_page(std::span<const Endpoint> endpoints, std::string_view version) {
  std::string contents;
  std::string sections;
  for (const auto& subject : subjects()) {
    contents += fmt::format("<h4><a href=\"#{}\">{}</a></h4>\n<ul>\n", subject.name, subject.title);
    sections += fmt::format("<h2 id=\"{}\">{}</h2>\n<p>{}</p>\n", subject.name, subject.title,
                            prose(subject.text));
    for (const auto& endpoint : endpoints) {
      if (endpoint.subject != subject.subject) continue;
      contents += fmt::format("<li><a href=\"#{}\">{}</a> <span>{}</span></li>\n",
                              anchor_of(endpoint), call_of(endpoint), escaped(endpoint.summary));
      sections += endpoint_section(endpoint);
    }
    contents += "</ul>\n";
  }
  std::string shapes;
  for (const auto& [name, schema] : schemas().items()) {
    shapes += fmt::format("<section id=\"{0}\">\n<h3><code>{0}</code></h3>\n<p>{1}</p>\n", name,
                          prose(schema.value("description", "")));
    if (schema.contains("properties"))
      shapes += members_table(schema);
    else if (schema.contains("oneOf"))
      for (const auto& one : schema.at("oneOf")) shapes += fmt::format("<p>{}</p>\n", type_of(one));
    else
      shapes += fmt::format("<p><small>{}</small></p>\n", type_of(schema));
    shapes += "</section>\n";
  }
  std::string headers = "<table>\n";
  for (const auto& header : answer_headers())
    headers += fmt::format("<tr><th scope=\"row\"><code>{}</code></th><td>{}</td></tr>\n",
                           header.name, prose(header.text));
  headers += "</table>\n";

  auto page = fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width\">\n<title>betedge: the API</title>\n"
      "<style>{}</style>\n</head>\n<body>\n<main>\n<h1>betedge</h1>\n"
      "<p><small>version {} · <a href=\"/ui\">dashboard</a> · "
      "<a href=\"/openapi.json\">OpenAPI 3.1</a></small></p>\n<p>{}</p>\n",
      kStyle, escaped(version), prose(introduction()));
  page +=
      "<p>The examples work as they are after these two lines; the second only where the server "
      "asks for tokens, and then with <code>--oauth2-bearer \"$BETEDGE_TOKEN\"</code> behind "
      "each.</p>\n"
      "<pre><code>export BETEDGE_URL=http://127.0.0.1:8000\n"
      "export BETEDGE_TOKEN=…</code></pre>\n";
  page += fmt::format(
      "<nav>\n{}<h4><a href=\"#errors\">Errors</a> · <a href=\"#shapes\">Shapes</a> "
      "· <a href=\"#headers\">Headers</a></h4>\n</nav>\n{}",
      contents, sections);
  page += fmt::format(
      "<h2 id=\"errors\">Errors</h2>\n<p>{}</p>\n{}"
      "<h2 id=\"shapes\">Shapes</h2>\n<p>The bodies of requests and answers. Clients ignore "
      "members "
      "that they do not know.</p>\n{}"
      "<h2 id=\"headers\">Headers of answers</h2>\n{}</main>\n</body>\n</html>\n",
      prose("Every error is a "
            "`Problem`, or a `ValidationProblem` that lists all faults. `code` "
            "stays what it is; `detail` may change. Every request can meet those of 400 about its "
            "form, 401 and 403, 404 and 405, 408, 413, 417, 421, 431, 500, 501 and 505."),
      problems_table(), shapes, headers);
  return html_answer(200, std::move(page), fmt::format("'sha256-{}'", to_base64(sha256(kStyle))));
}

}  // namespace betedge::server
