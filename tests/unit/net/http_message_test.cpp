#include "betedge/net/http_message.hpp"

#include <gtest/gtest.h>

#include <string>

namespace betedge::net {
namespace {

struct HeadCase {
  std::string name;
  std::string head;  // without the last CR LF CR LF
  int status;        // 0: accepted
};

class HeadTest : public ::testing::TestWithParam<HeadCase> {};

TEST_P(HeadTest, IsAcceptedOrRefused) {
  const auto head = parse_head(GetParam().head + "\r\n\r\n");
  EXPECT_EQ(head ? 0 : head.error().status, GetParam().status)
      << (head ? "accepted" : head.error().reason);
}

std::string with(const std::string& headers) {
  return "POST /a HTTP/1.1\r\nHost: x\r\n" + headers;
}

INSTANTIATE_TEST_SUITE_P(
    Rfc9112, HeadTest,
    ::testing::Values(
        HeadCase{"plain", "GET /a?b=c HTTP/1.1\r\nHost: x", 0},
        HeadCase{"absolute_form", "GET http://x/a?b HTTP/1.1\r\nHost: x", 0},
        HeadCase{"absolute_form_without_path", "GET http://x HTTP/1.1\r\nHost: x", 0},
        HeadCase{"absolute_form_without_host", "GET http:///a HTTP/1.1\r\nHost: x", 400},
        HeadCase{"absolute_form_with_user", "GET http://me@x/ HTTP/1.1\r\nHost: x", 400},
        HeadCase{"absolute_form_with_bad_port", "GET http://x:8a/ HTTP/1.1\r\nHost: x", 400},
        HeadCase{"absolute_form_with_port_alone", "GET http://:80/ HTTP/1.1\r\nHost: x", 400},
        HeadCase{"absolute_form_of_ftp", "GET ftp://x/ HTTP/1.1\r\nHost: x", 400},
        HeadCase{"absolute_form_without_host_header", "GET http://x/ HTTP/1.1\r\nA: b", 400},
        HeadCase{"authority_form_for_get", "GET x:80 HTTP/1.1\r\nHost: x", 400},
        HeadCase{"asterisk_for_options", "OPTIONS * HTTP/1.1\r\nHost: x", 0},
        HeadCase{"asterisk_for_get", "GET * HTTP/1.1\r\nHost: x", 400},
        HeadCase{"authority_form", "CONNECT x:80 HTTP/1.1\r\nHost: x", 501},
        HeadCase{"no_slash", "GET a HTTP/1.1\r\nHost: x", 400},
        HeadCase{"empty_target", "GET  HTTP/1.1\r\nHost: x", 400},
        HeadCase{"two_spaces", "GET /a  HTTP/1.1\r\nHost: x", 400},
        HeadCase{"tab_for_space", "GET\t/a HTTP/1.1\r\nHost: x", 400},
        HeadCase{"space_before_method", " GET /a HTTP/1.1\r\nHost: x", 400},
        HeadCase{"space_after_version", "GET /a HTTP/1.1 \r\nHost: x", 400},
        HeadCase{"nul_in_target", std::string("GET /a\0b HTTP/1.1\r\nHost: x", 27), 400},
        HeadCase{"lone_cr_in_target", "GET /a\rb HTTP/1.1\r\nHost: x", 400},
        HeadCase{"delete_in_target", "GET /a\x7f HTTP/1.1\r\nHost: x", 400},
        HeadCase{"line_injected_by_escape", "GET /a%0d%0aB:%20c HTTP/1.1\r\nHost: x", 0},
        HeadCase{"space_in_target", "GET /a b HTTP/1.1\r\nHost: x", 400},
        HeadCase{"fragment", "GET /a#b HTTP/1.1\r\nHost: x", 400},
        HeadCase{"raw_utf8", "GET /\xc3\xa4 HTTP/1.1\r\nHost: x", 400},
        HeadCase{"bad_escape", "GET /%zz HTTP/1.1\r\nHost: x", 400},
        HeadCase{"cut_escape", "GET /%a HTTP/1.1\r\nHost: x", 400},
        HeadCase{"nul_escape", "GET /%00 HTTP/1.1\r\nHost: x", 400},
        HeadCase{"bad_escape_in_query", "GET /?a=%g0 HTTP/1.1\r\nHost: x", 400},
        HeadCase{"no_version", "GET /a", 400},
        HeadCase{"version_in_lower_case", "GET /a http/1.1\r\nHost: x", 400},
        HeadCase{"version_2", "GET /a HTTP/2.0\r\nHost: x", 505},
        HeadCase{"version_1_0_without_host", "GET /a HTTP/1.0", 0},
        HeadCase{"method_for_the_handler_to_refuse", "TRACE /a HTTP/1.1\r\nHost: x", 0},
        HeadCase{"method_of_late", "QUERY /a HTTP/1.1\r\nHost: x", 0},
        HeadCase{"unknown_method", "BREW /a HTTP/1.1\r\nHost: x", 501},
        HeadCase{"method_in_lower_case", "get /a HTTP/1.1\r\nHost: x", 501},
        HeadCase{"method_no_token", "G(T /a HTTP/1.1\r\nHost: x", 400},
        HeadCase{"no_host", "GET /a HTTP/1.1\r\nAccept: x", 400},
        HeadCase{"two_hosts", "GET /a HTTP/1.1\r\nHost: x\r\nHost: x", 400},
        HeadCase{"host_with_user", "GET /a HTTP/1.1\r\nHost: me@x", 400},
        HeadCase{"empty_host", "GET /a HTTP/1.1\r\nHost:", 0},
        HeadCase{"host_with_port", "GET /a HTTP/1.1\r\nHost: x.y-z:8000", 0},
        HeadCase{"host_of_ipv6", "GET /a HTTP/1.1\r\nHost: [::1]:8000", 0},
        HeadCase{"host_of_ipv6_open", "GET /a HTTP/1.1\r\nHost: [::1", 400},
        HeadCase{"host_of_ipv6_bare", "GET /a HTTP/1.1\r\nHost: ::1", 400},
        HeadCase{"host_of_ipv6_no_address", "GET /a HTTP/1.1\r\nHost: [x]", 400},
        HeadCase{"host_list", "GET /a HTTP/1.1\r\nHost: x y", 400},
        HeadCase{"host_with_path", "GET /a HTTP/1.1\r\nHost: x/a", 400},
        HeadCase{"host_with_query", "GET /a HTTP/1.1\r\nHost: x?a", 400},
        HeadCase{"host_with_backslash", "GET /a HTTP/1.1\r\nHost: x\\y", 400},
        HeadCase{"host_with_8_bit", "GET /a HTTP/1.1\r\nHost: \xc3\xa4", 400},
        HeadCase{"host_with_word_for_port", "GET /a HTTP/1.1\r\nHost: x:http", 400},
        HeadCase{"host_with_two_ports", "GET /a HTTP/1.1\r\nHost: x:1:2", 400},
        HeadCase{"folded_header", with("A: b\r\n c"), 400},
        HeadCase{"space_before_colon", with("A : b"), 400}, HeadCase{"no_colon", with("A"), 400},
        HeadCase{"no_name", with(": b"), 400},
        HeadCase{"nul_in_value", with(std::string("A: b\0c", 6)), 400},
        HeadCase{"lone_cr_in_value", with("A: b\rc"), 400},
        HeadCase{"escape_in_value", with("A: b\x1b[2J"), 400},
        HeadCase{"delete_in_value", with("A: b\x7f"), 400},
        HeadCase{"8_bit_in_value", with("A: \xe4"), 0},
        HeadCase{"8_bit_in_name", with("\xe4: b"), 400},
        HeadCase{"nul_in_name", with(std::string("A\0: b", 5)), 400},
        HeadCase{"first_header_folded", "GET /a HTTP/1.1\r\n Host: x", 400},
        HeadCase{"folded_by_tab", with("A: b\r\n\tc"), 400},
        HeadCase{"length_in_hex", with("Content-Length: 0x5"), 400},
        HeadCase{"length_with_space", with("Content-Length: 5 5"), 400},
        HeadCase{"length_twice_otherwise", with("Content-Length: 5\r\ncontent-length: 6"), 400},
        HeadCase{"coding_with_space_before_colon", with("Transfer-Encoding : chunked"), 400},
        HeadCase{"coding_empty", with("Transfer-Encoding:"), 501},
        HeadCase{"coding_list_twice", with("Transfer-Encoding: chunked, chunked"), 501},
        HeadCase{"coding_identity", with("Transfer-Encoding: identity"), 501},
        HeadCase{"coding_with_vertical_tab",
                 with("Transfer-Encoding: \x0b"
                      "chunked"),
                 400},
        HeadCase{"tab_in_value", with("A: b\tc"), 0},
        HeadCase{"length", with("Content-Length: 5"), 0},
        HeadCase{"length_with_sign", with("Content-Length: +5"), 400},
        HeadCase{"length_negative", with("Content-Length: -5"), 400},
        HeadCase{"length_list", with("Content-Length: 5, 5"), 400},
        HeadCase{"length_twice", with("Content-Length: 5\r\nContent-Length: 5"), 400},
        HeadCase{"length_too_long_for_64_bits", with("Content-Length: 18446744073709551616"), 400},
        HeadCase{"length_empty", with("Content-Length:"), 400},
        HeadCase{"chunked", with("Transfer-Encoding: Chunked"), 0},
        HeadCase{"chunked_and_length", with("Transfer-Encoding: chunked\r\nContent-Length: 5"),
                 400},
        HeadCase{"length_and_chunked", with("Content-Length: 5\r\nTransfer-Encoding: chunked"),
                 400},
        HeadCase{"chunked_twice", with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
                 400},
        HeadCase{"gzip", with("Transfer-Encoding: gzip, chunked"), 501},
        HeadCase{"hidden_chunked", with("Transfer-Encoding: xchunked"), 501},
        HeadCase{"chunked_in_1_0", "POST /a HTTP/1.0\r\nTransfer-Encoding: chunked", 400},
        HeadCase{"continue", with("Expect: 100-continue"), 0},
        HeadCase{"other_expectation", with("Expect: tea"), 417}),
    [](const auto& tested) { return tested.param.name; });

TEST(Head, IsReadIntoItsParts) {
  const auto head = parse_head(
      "PUT /a%20b/%C3%A4?x=1+2&y&z=%2B&x=&&=v HTTP/1.1\r\nHost: h:1\r\nX-Y: \t one two \r\n"
      "content-LENGTH: 12\r\nConnection: foo, Close\r\n\r\n");
  ASSERT_TRUE(head) << head.error().reason;
  EXPECT_EQ(head->method, "PUT");
  EXPECT_EQ(head->path, "/a b/\xc3\xa4");
  const std::vector<std::pair<std::string, std::string>> query = {
      {"x", "1 2"}, {"y", ""}, {"z", "+"}, {"x", ""}, {"", "v"}};
  EXPECT_EQ(head->query, query);
  EXPECT_EQ(head->headers.at(1), (std::pair<std::string, std::string>("X-Y", "one two")));
  EXPECT_EQ(head->content_length, 12u);
  EXPECT_FALSE(head->keep_alive);
}

TEST(Head, TheHostOfAnAbsoluteFormIsTheOneThatCounts) {
  const auto head = parse_head("GET http://Real:8000/a HTTP/1.1\r\nHost: other\r\n\r\n");
  ASSERT_TRUE(head) << head.error().reason;
  EXPECT_EQ(head->headers.at(0), (std::pair<std::string, std::string>("Host", "Real:8000")));
  EXPECT_EQ(head->path, "/a");
}

TEST(Head, HasAtMost128Headers) {
  std::string text = "GET / HTTP/1.1\r\nHost: x\r\n";
  for (int i = 0; i < 127; ++i) text += "A: b\r\n";
  EXPECT_TRUE(parse_head(text + "\r\n"));
  const auto refused = parse_head(text + "A: b\r\n\r\n");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().status, 431);
}

TEST(HeadEnd, IsFoundHoweverTheBytesCome) {
  const std::string head = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
  const std::string bytes = head + "body\n";
  for (std::size_t step = 1; step <= bytes.size(); ++step) {
    std::size_t scanned = 0;
    std::size_t found = 0;
    for (std::size_t size = step; found == 0 && size < bytes.size() + step; size += step) {
      const auto end = find_head_end(std::string_view(bytes).substr(0, size), scanned);
      ASSERT_TRUE(end);
      found = *end;
    }
    EXPECT_EQ(found, head.size()) << "in steps of " << step;
  }
}

TEST(HeadEnd, ALineFeedAloneIsRefusedAtOnce) {
  for (const std::string_view text : {"GET / HTTP/1.1\n", "\n", "GET / HTTP/1.1\r\nHost: x\n\n"}) {
    std::size_t scanned = 0;
    const auto end = find_head_end(text, scanned);
    ASSERT_FALSE(end);
    EXPECT_EQ(end.error().status, 400);
  }
}

TEST(HeadEnd, TheBeginningOfTlsIsRefusedAtOnceAndSaidSo) {
  std::size_t scanned = 0;
  const auto end = find_head_end("\x16", scanned);
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().status, 400);
  EXPECT_NE(end.error().reason.find("use http://"), std::string::npos);
}

TEST(Chunked, IsDecodedHoweverTheBytesCome) {
  const std::string bytes = "5\r\nhello\r\n06 ; x=\"y\"\r\n world\r\n0\r\nTrailer: t\r\n\r\nGET";
  for (std::size_t step = 1; step <= bytes.size(); ++step) {
    ChunkedDecoder decoder(100, 100);
    std::string body;
    std::size_t at = 0;
    while (!decoder.is_done()) {
      ASSERT_LT(at, bytes.size());
      const auto taken = decoder.feed(std::string_view(bytes).substr(at, step), body);
      ASSERT_TRUE(taken) << taken.error().reason;
      at += *taken;
    }
    EXPECT_EQ(body, "hello world");
    EXPECT_EQ(bytes.substr(at), "GET");
  }
}

struct ChunkedCase {
  std::string name;
  std::string bytes;
  int status;
};
class ChunkedTest : public ::testing::TestWithParam<ChunkedCase> {};

TEST_P(ChunkedTest, IsRefused) {
  ChunkedDecoder decoder(10, 20);
  std::string body;
  const auto taken = decoder.feed(GetParam().bytes, body);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().status, GetParam().status);
}

INSTANTIATE_TEST_SUITE_P(
    Broken, ChunkedTest,
    ::testing::Values(
        ChunkedCase{"no_number", "x\r\n", 400}, ChunkedCase{"empty_size", "\r\n", 400},
        ChunkedCase{"space_before", " 5\r\n", 400}, ChunkedCase{"space_after", "5 \r\n", 400},
        ChunkedCase{"tab_alone", "\t\r\n", 400}, ChunkedCase{"plus", "+5\r\n", 400},
        ChunkedCase{"underscore", "1_0\r\n", 400}, ChunkedCase{"extension_alone", ";a\r\n", 400},
        ChunkedCase{"lone_cr_in_extension", "5;a\rb\r\n", 400},
        ChunkedCase{"nul_in_extension", std::string("5;\0\r\n", 5), 400},
        ChunkedCase{"line_feed_in_extension", "5;\nhello", 400},
        ChunkedCase{"trailer_without_colon", "0\r\nA\r\n", 400},
        ChunkedCase{"trailer_folded", "0\r\nA: b\r\n c\r\n", 400},
        ChunkedCase{"trailer_with_lone_cr", "0\r\nA: b\rc\r\n", 400},
        ChunkedCase{"negative", "-1\r\n", 400}, ChunkedCase{"prefix", "0x5\r\n", 400},
        ChunkedCase{"line_feed_alone", "5\nhello", 400},
        ChunkedCase{"longer_than_its_size", "2\r\nhello\r\n", 400},
        ChunkedCase{"size_too_long_for_64_bits", "fffffffffffffffff\r\n", 400},
        ChunkedCase{"nearly_64_bits", "ffffffffffffffff\r\n", 413},
        ChunkedCase{"too_large", "5\r\nhello\r\n6\r\n", 413},
        ChunkedCase{"long_extension", "5;" + std::string(30, 'a'), 400},
        ChunkedCase{"long_trailers", "0\r\nA: bcdefghijk\r\nB: cdefghijkl\r\n", 400}),
    [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace betedge::net
