#pragma once

#include <span>
#include <string_view>

#include "betedge/net/http_server.hpp"

// The dashboard: the files of web/, which the build puts into the program (cmake/EmbedFiles.cmake).
// They hold nothing of anybody's, so they are open; what they show they ask the API for, as whoever
// is logged in.
namespace betedge::server {

struct WebFile {
  std::string_view name;
  std::string_view media_type;
  std::string_view digest;
  std::span<const unsigned char> plain;
  std::span<const unsigned char> gzipped;
};

// All of them, the page (index.html) among them.
std::span<const WebFile> web_files();

// Where the files lie: /ui/files/{web_version()}/{name}. Another one with any change of any of
// them.
std::string_view web_version();

// The page, the same for every address below /ui: what to show there is decided in the browser.
net::ServerResponse dashboard_page(const net::ServerRequest& request);

// A file by what follows /ui/files/, to be kept for ever; not_found for any other name or version.
net::ServerResponse dashboard_file(const net::ServerRequest& request, std::string_view path);

}  // namespace betedge::server
