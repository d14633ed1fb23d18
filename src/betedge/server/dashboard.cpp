#include "betedge/server/dashboard.hpp"

#include <algorithm>
#include <array>
#include <string>

#include <fmt/format.h>

#include "betedge/net/http_message.hpp"
#include "betedge/server/answers.hpp"

namespace betedge::server {
namespace {

#include "web_files.inc"

// Scripts and styles of our own files only, no markup made of text, nothing from or to elsewhere.
constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'";

// One of ours lives as long as the program, so nobody owns it.
net::SharedBytes bytes_of(std::span<const unsigned char> file) {
  return {nullptr, std::as_bytes(file)};
}

// Cached: whether the browser may use what it has, and for how long, without asking.
net::ServerResponse answer_with(const net::ServerRequest& request, const WebFile& file,
                                std::string_view cached) {
  const bool is_gzipped = takes_gzip(request.header("Accept-Encoding").value_or(""));
  const auto etag = fmt::format("\"{}{}\"", file.digest, is_gzipped ? "-gzip" : "");
  net::ServerResponse answer;
  answer.headers = {{"ETag", etag},
                    {"Cache-Control", std::string(cached)},
                    {"Vary", "Accept-Encoding"},
                    {"X-Content-Type-Options", "nosniff"},
                    {"Content-Security-Policy", std::string(kPolicy)},
                    {"X-Frame-Options", "DENY"},
                    {"Referrer-Policy", "no-referrer"},
                    {"Cross-Origin-Opener-Policy", "same-origin"},
                    {"Cross-Origin-Resource-Policy", "same-origin"}};
  if (const auto known = request.header("If-None-Match"); known && matches(*known, etag)) {
    answer.status = 304;
    return answer;
  }
  answer.headers.emplace_back("Content-Type", file.media_type);
  if (is_gzipped) answer.headers.emplace_back("Content-Encoding", "gzip");
  answer.body = bytes_of(is_gzipped ? file.gzipped : file.plain);
  return answer;
}

}  // namespace

std::span<const WebFile> web_files() {
  return kFiles;
}

std::string_view web_version() {
  return kVersion;
}

net::ServerResponse dashboard_page(const net::ServerRequest& request) {
  return answer_with(request, *std::ranges::find(kFiles, "index.html", &WebFile::name), "no-cache");
}

net::ServerResponse dashboard_file(const net::ServerRequest& request, std::string_view path) {
  const auto slash = path.find('/');
  const auto* found = kFiles.end();
  if (slash != std::string_view::npos && path.substr(0, slash) == kVersion)
    found = std::ranges::find(kFiles, path.substr(slash + 1), &WebFile::name);
  if (found == kFiles.end()) return problem_answer(wire::ProblemCode::not_found, "Not Found");
  return answer_with(request, *found, "public, max-age=31536000, immutable");
}

}  // namespace betedge::server
