#pragma once

#include <span>
#include <string>
#include <string_view>

#include "betedge/net/http_server.hpp"
#include "betedge/server/router.hpp"

// The surface, described from the same table that routes. What every request can meet (a form that
// is no HTTP, a foreign page, a missing token, a fault of ours) stands in every operation by
// itself.
namespace betedge::server {

// OpenAPI 3.1, as JSON.
std::string openapi_json(std::span<const Endpoint> endpoints, std::string_view version);

// The same to be read: one page that needs nothing else.
net::ServerResponse docs_page(std::span<const Endpoint> endpoints, std::string_view version);

}  // namespace betedge::server
