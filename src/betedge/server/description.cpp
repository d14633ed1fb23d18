#include "betedge/server/description.hpp"
#include "betedge/server/answers.hpp"
namespace betedge::server {
std::string openapi_json(std::span<const Endpoint>, std::string_view) { return "{}"; }
net::ServerResponse docs_page(std::span<const Endpoint>, std::string_view) { return html_answer(200, "<p>docs", "'self'"); }
}
