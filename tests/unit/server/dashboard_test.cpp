#include "betedge/server/dashboard.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include <fmt/format.h>
#include <zlib.h>

#include "betedge/server/answers.hpp"
#include "unit/server/api_world.hpp"

namespace betedge::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::string text(std::span<const unsigned char> bytes) {
  return std::string(as_text(std::as_bytes(bytes)));
}

net::ServerRequest asking(net::Headers headers = {}) {
  net::ServerRequest request;
  request.method = "GET";
  request.headers = std::move(headers);
  return request;
}

std::string header(const net::ServerResponse& answer, std::string_view name) {
  for (const auto& [key, value] : answer.headers)
    if (key == name) return value;
  return {};
}

std::string body(const net::ServerResponse& answer) {
  return std::string(as_text(answer.body.bytes));
}

std::string path_of(std::string_view name) {
  return fmt::format("{}/{}", web_version(), name);
}

TEST(DashboardFiles, AreThoseOfTheFolder) {
  for (const auto& file : web_files()) {
    if (file.name == "index.html") continue;
    std::ifstream there(fmt::format("{}/web/{}", BETEDGE_SOURCE_DIR, file.name), std::ios::binary);
    const std::string source{std::istreambuf_iterator<char>(there), {}};
    EXPECT_EQ(text(file.plain), source) << file.name;
  }
}

// As a browser unpacks it; empty when it could not.
std::string gunzipped(std::span<const unsigned char> bytes) {
  std::string plain(150'000, '\0');
  z_stream stream{};
  stream.next_in = const_cast<unsigned char*>(bytes.data());  // zlib's C, which only reads it
  stream.avail_in = static_cast<unsigned>(bytes.size());
  stream.next_out = reinterpret_cast<unsigned char*>(plain.data());
  stream.avail_out = static_cast<unsigned>(plain.size());
  const bool is_open = inflateInit2(&stream, 16 + MAX_WBITS) == Z_OK;
  const bool is_whole = is_open && inflate(&stream, Z_FINISH) == Z_STREAM_END;
  plain.resize(is_whole ? stream.total_out : 0);
  if (is_open) inflateEnd(&stream);
  return plain;
}

TEST(DashboardFiles, UnpackToWhatTheyAre) {
  for (const auto& file : web_files()) EXPECT_EQ(gunzipped(file.gzipped), text(file.plain));
}

TEST(DashboardFiles, AreSmallAndSmallerOnTheirWay) {
  std::size_t plain = 0;
  std::size_t gzipped = 0;
  for (const auto& file : web_files()) {
    plain += file.plain.size();
    gzipped += file.gzipped.size();
    EXPECT_EQ(text(file.gzipped.first(2)), "\x1f\x8b") << file.name;
    // No time in the head: the same files make the same program.
    EXPECT_EQ(text(file.gzipped.subspan(4, 4)), std::string(4, '\0')) << file.name;
  }
  EXPECT_LT(plain, 150'000U);
  EXPECT_LT(gzipped, 50'000U);
}

// What stands behind each mark, up to a quote of either kind.
void add_names(std::set<std::string>& names, std::string_view in, std::string_view mark) {
  for (auto at = in.find(mark); at != std::string_view::npos; at = in.find(mark, at + 1)) {
    const auto begin = at + mark.size();
    names.emplace(in.substr(begin, in.find_first_of("\"'", begin) - begin));
  }
}

TEST(DashboardPage, NamesFilesThatAreServedAndTheyTheOthers) {
  const auto page = body(dashboard_page(asking()));
  EXPECT_THAT(page, Not(HasSubstr("@FILES@")));
  std::set<std::string> of_page;
  add_names(of_page, page, fmt::format("/ui/files/{}/", web_version()));
  EXPECT_THAT(of_page, ElementsAre("icon.svg", "start.js", "style.css"));
  auto named = of_page;
  for (const auto& file : web_files()) {
    add_names(named, text(file.plain), "from './");
    add_names(named, text(file.plain), "import('./");
  }
  EXPECT_EQ(named.size() + 1, web_files().size());
  for (const auto& name : named)
    EXPECT_EQ(dashboard_file(asking(), path_of(name)).status, 200) << name;
}

TEST(DashboardPage, RunsNothingInlineAndAsksNobodyElse) {
  const auto answer = dashboard_page(asking());
  const auto page = body(answer);
  for (const auto* inlined :
       {"<style", " style=", " onclick", "javascript:", "<script>", "http://", "https://"})
    EXPECT_THAT(page, Not(HasSubstr(inlined)));
  const auto policy = header(answer, "Content-Security-Policy");
  for (const auto* rule :
       {"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'",
        "base-uri 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"})
    EXPECT_THAT(policy, HasSubstr(rule));
  EXPECT_THAT(policy, Not(HasSubstr("unsafe")));
  EXPECT_EQ(header(answer, "X-Content-Type-Options"), "nosniff");
  EXPECT_EQ(header(answer, "X-Frame-Options"), "DENY");
}

TEST(DashboardPage, IsAskedForAgainAndAnsweredShortly) {
  const auto answer = dashboard_page(asking());
  EXPECT_EQ(header(answer, "Cache-Control"), "no-cache");
  const auto again = dashboard_page(asking({{"If-None-Match", header(answer, "ETag")}}));
  EXPECT_EQ(again.status, 304);
  EXPECT_TRUE(body(again).empty());
  EXPECT_EQ(header(again, "ETag"), header(answer, "ETag"));
}

TEST(DashboardFile, IsKeptForEver) {
  const auto answer = dashboard_file(asking(), path_of("app.js"));
  EXPECT_EQ(header(answer, "Cache-Control"), "public, max-age=31536000, immutable");
  EXPECT_EQ(header(answer, "Content-Type"), "text/javascript; charset=utf-8");
  EXPECT_EQ(header(answer, "X-Content-Type-Options"), "nosniff");
}

TEST(DashboardFile, IsGzippedForWhoTakesThat) {
  const auto plain = dashboard_file(asking(), path_of("style.css"));
  const auto gzipped =
      dashboard_file(asking({{"Accept-Encoding", "gzip, deflate, br"}}), path_of("style.css"));
  EXPECT_EQ(header(plain, "Content-Encoding"), "");
  EXPECT_EQ(header(gzipped, "Content-Encoding"), "gzip");
  EXPECT_LT(body(gzipped).size() * 2, body(plain).size());
  EXPECT_NE(header(gzipped, "ETag"), header(plain, "ETag"));
  for (const auto& answer : {plain, gzipped}) EXPECT_EQ(header(answer, "Vary"), "Accept-Encoding");
}

TEST(DashboardFile, IsNotFoundUnderAnyOtherName) {
  for (const std::string& path :
       {std::string("app.js"), path_of(""), path_of("../app.js"), path_of("app.jsx"),
        std::string("000000000000/app.js"), path_of("app.js/"), std::string(web_version())})
    EXPECT_EQ(dashboard_file(asking(), path).status, 404) << path;
}

struct EncodingCase {
  std::string name;
  std::string header;
  bool takes;
};
class AcceptEncodingTest : public ::testing::TestWithParam<EncodingCase> {};
TEST_P(AcceptEncodingTest, IsReadAsTheStandardHasIt) {
  EXPECT_EQ(takes_gzip(GetParam().header), GetParam().takes);
}
INSTANTIATE_TEST_SUITE_P(Headers, AcceptEncodingTest,
                         ::testing::Values(EncodingCase{"none", "", false},
                                           EncodingCase{"named", "gzip", true},
                                           EncodingCase{"any_case", "br, GZip;q=0.5", true},
                                           EncodingCase{"old_name", "x-gzip", true},
                                           EncodingCase{"refused", "gzip;q=0, *", false},
                                           EncodingCase{"any", "*;q=0.1", true},
                                           EncodingCase{"none_at_all", "*;q=0", false},
                                           EncodingCase{"others", "br, zstd", false},
                                           EncodingCase{"plain", "identity", false}),
                         [](const auto& tested) { return tested.param.name; });

class DashboardTest : public ApiTest {};

TEST_F(DashboardTest, IsThePageAtEachOfItsAddresses) {
  const auto home = ask("GET", "/ui");
  EXPECT_EQ(home.status, 200);
  EXPECT_EQ(home.header("Content-Type"), "text/html; charset=utf-8");
  for (const auto* path : {"/ui/", "/ui/jobs", "/ui/jobs/0194f3a2-7c1e-7b52-9d1e-6a3f0c2b8e55",
                           "/ui/submit", "/ui/activity", "/ui/no/such/page"})
    EXPECT_EQ(ask("GET", path).body, home.body) << path;
  EXPECT_EQ(ask("GET", "/ui/files/" + path_of("icon.svg")).header("Content-Type"), "image/svg+xml");
  EXPECT_EQ(ask("GET", "/ui/files/nothing").status, 404);
  EXPECT_EQ(ask("POST", "/ui").status, 405);
}

TEST_F(DashboardTest, IsOpenWhereTokensAreAskedFor) {
  guard_.set_rules({.allowed_hosts = {}, .tokens = TokenTable()});
  EXPECT_EQ(ask("GET", "/jobs").status, 401);
  EXPECT_EQ(ask("GET", "/ui").status, 200);
  EXPECT_EQ(ask("GET", "/ui/files/" + path_of("app.js")).status, 200);
}

}  // namespace
}  // namespace betedge::server
