#include "betedge/server/guard.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "betedge/ports/async.hpp"
#include "support/counted_metrics.hpp"
#include "support/virtual_runtime.hpp"

namespace betedge::server {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

class ListLog final : public Log {
 public:
  std::vector<std::string> lines;
  void event(Level, std::string_view name, std::initializer_list<Field> fields) override {
    std::string line(name);
    for (const auto& field : fields) line += " " + std::string(field.name) + "=" + field.value;
    lines.push_back(std::move(line));
  }
};

net::ServerRequest request(std::string method, net::Headers headers = {}, std::string body = {}) {
  net::ServerRequest made;
  made.method = std::move(method);
  made.path = "/jobs";
  made.headers = std::move(headers);
  made.body = std::move(body);
  made.peer = "10.0.0.7:50000";
  return made;
}

std::string header(const net::ServerResponse& answer, std::string_view name) {
  for (const auto& [key, value] : answer.headers)
    if (key == name) return value;
  return {};
}
std::string body(const net::ServerResponse& answer) {
  return std::string(as_text(answer.body.bytes));
}

TokenTable tokens(std::string_view more = {}) {
  std::string file;
  for (const auto* name : {"read", "submit", "admin"})
    file += fmt::format("{}-er {} {}\n", name, name, to_hex(sha256(std::string(name) + "-token")));
  return *TokenTable::parse(file + std::string(more), "tokens");
}

class GuardTest : public ::testing::Test {
 protected:
  Guard open_guard(Guard::Options options = {}, std::vector<std::string> hosts = {}) {
    return {runtime_,
            log_,
            metrics_,
            std::move(options),
            {.allowed_hosts = std::move(hosts), .tokens = {}}};
  }
  Guard token_guard(Guard::Options options = {}) {
    return {
        runtime_, log_, metrics_, std::move(options), {.allowed_hosts = {}, .tokens = tokens()}};
  }
  // The status of the refusal, or 200.
  static int status(Guard& guard, const net::ServerRequest& asked, Access needed = Access::read) {
    const auto caller = guard.admit(asked, needed);
    return caller ? 200 : caller.error().status;
  }
  void pass(std::chrono::nanoseconds time) { runtime_.run(sleep(time)); }

  betedge::testing::VirtualRuntime runtime_{1};
  ListLog log_;
  betedge::testing::CountedMetrics metrics_;

 private:
  Task<void> sleep(std::chrono::nanoseconds time) { (void)co_await sleep_for(runtime_, time); }
};

struct HostCase {
  std::string name;
  std::string listen;
  std::string host;
  int status;
};
class GuardHost : public GuardTest, public ::testing::WithParamInterface<HostCase> {};

TEST_P(GuardHost, IsANameOfThisServer) {
  auto guard = open_guard({.listen_address = GetParam().listen}, {"lake.example", "Betedge"});
  for (const auto* method : {"GET", "POST"}) {
    const auto asked = request(method, {{"Host", GetParam().host}});
    EXPECT_EQ(status(guard, asked, Access::open), GetParam().status);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Names, GuardHost,
    ::testing::Values(HostCase{"localhost", "127.0.0.1", "localhost:8000", 200},
                      HostCase{"localhost_in_capitals", "127.0.0.1", "LOCALHOST", 200},
                      HostCase{"localhost_in_full", "127.0.0.1", "localhost.:8000", 200},
                      HostCase{"loopback", "127.0.0.1", "127.0.0.1:8000", 200},
                      HostCase{"another_loopback", "127.0.0.1", "127.9.9.9", 200},
                      HostCase{"loopback_six", "127.0.0.1", "[::1]:8000", 200},
                      HostCase{"loopback_six_in_full", "127.0.0.1", "[0:0:0:0:0:0:0:1]", 200},
                      HostCase{"loopback_mapped", "127.0.0.1", "[::ffff:127.0.0.1]", 200},
                      HostCase{"listen_address", "10.1.2.3", "10.1.2.3:8000", 200},
                      HostCase{"listen_address_six", "fd00::1", "[fd00:0::1]:8000", 200},
                      HostCase{"another_address", "10.1.2.3", "10.1.2.4:8000", 421},
                      HostCase{"any_address_on_all", "0.0.0.0", "192.168.7.7:8000", 200},
                      HostCase{"any_address_on_all_six", "::", "[fd00::7]:8000", 200},
                      HostCase{"a_name_on_all", "0.0.0.0", "evil.example:8000", 421},
                      HostCase{"allowed", "127.0.0.1", "lake.example:8000", 200},
                      HostCase{"allowed_in_another_case", "127.0.0.1", "betedge", 200},
                      HostCase{"a_part_of_an_allowed_one", "127.0.0.1", "example", 421},
                      HostCase{"below_an_allowed_one", "127.0.0.1", "x.lake.example", 421},
                      HostCase{"a_rebound_name", "127.0.0.1", "evil.example:8000", 421},
                      HostCase{"a_name_that_begins_like_an_address", "127.0.0.1",
                               "127.0.0.1.evil.example", 421},
                      HostCase{"a_name_below_localhost", "127.0.0.1", "evil.localhost", 421},
                      HostCase{"no_port", "127.0.0.1", "localhost:http", 421},
                      HostCase{"user", "127.0.0.1", "localhost:8000@evil.example", 421},
                      HostCase{"no_end", "127.0.0.1", "[::1", 421},
                      HostCase{"junk_behind", "127.0.0.1", "[::1]x", 421},
                      HostCase{"only_a_port", "127.0.0.1", ":8000", 421},
                      HostCase{"empty", "127.0.0.1", "", 421}),
    [](const auto& tested) { return tested.param.name; });

TEST_F(GuardTest, AnUnknownHostIsToldWhatToDo) {
  auto guard = open_guard();
  const auto refused = guard.admit(request("GET", {{"Host", "evil.example"}}), Access::open);
  ASSERT_FALSE(refused);
  EXPECT_THAT(body(refused.error()), AllOf(StartsWith(R"({"detail":")"), HasSubstr("evil.example"),
                                           HasSubstr("server.allowed_hosts")));
}

struct OriginCase {
  std::string name;
  net::Headers headers;
  int status;
  bool is_tls = false;
};
class GuardOrigin : public GuardTest, public ::testing::WithParamInterface<OriginCase> {};

TEST_P(GuardOrigin, OfWhatChangesSomethingIsOurs) {
  auto guard = open_guard({.is_tls = GetParam().is_tls});
  auto headers = GetParam().headers;
  headers.emplace_back("Host", "localhost:8000");
  for (const auto* method : {"POST", "PUT", "DELETE"})
    EXPECT_EQ(status(guard, request(method, headers), Access::submit), GetParam().status);
  for (const auto* method : {"GET", "HEAD", "OPTIONS"})
    EXPECT_EQ(status(guard, request(method, headers)), 200) << "reading changes nothing";
}

INSTANTIATE_TEST_SUITE_P(
    Origins, GuardOrigin,
    ::testing::Values(
        OriginCase{"a_program", {}, 200},
        OriginCase{"our_page", {{"Origin", "http://localhost:8000"}}, 200},
        OriginCase{"our_page_behind_a_proxy", {{"Origin", "https://localhost:8000"}}, 200},
        OriginCase{"our_page_over_tls", {{"Origin", "https://localhost:8000"}}, 200, true},
        OriginCase{"plain_before_tls", {{"Origin", "http://localhost:8000"}}, 403, true},
        OriginCase{"another_port", {{"Origin", "http://localhost:80001"}}, 403},
        OriginCase{"no_port", {{"Origin", "http://localhost"}}, 403},
        OriginCase{"a_shorter_port", {{"Origin", "http://localhost:800"}}, 403},
        OriginCase{"another_name_for_here", {{"Origin", "http://127.0.0.1:8000"}}, 403},
        OriginCase{"another_scheme", {{"Origin", "ftp://localhost:8000"}}, 403},
        OriginCase{"elsewhere", {{"Origin", "https://evil.example"}}, 403},
        OriginCase{"hidden", {{"Origin", "null"}}, 403}, OriginCase{"empty", {{"Origin", ""}}, 403},
        OriginCase{"fetched_from_here", {{"Sec-Fetch-Site", "same-origin"}}, 200},
        OriginCase{"fetched_by_the_user", {{"Sec-Fetch-Site", "none"}}, 200},
        OriginCase{"fetched_from_a_neighbour", {{"Sec-Fetch-Site", "same-site"}}, 403},
        OriginCase{"fetched_from_elsewhere", {{"Sec-Fetch-Site", "cross-site"}}, 403},
        OriginCase{"one_of_both_is_elsewhere",
                   {{"Origin", "http://localhost:8000"}, {"Sec-Fetch-Site", "cross-site"}},
                   403}),
    [](const auto& tested) { return tested.param.name; });

TEST_F(GuardTest, WithoutTokensEverythingIsOpenAndXClientIdNamesTheClient) {
  auto guard = open_guard();
  auto caller = guard.admit(request("DELETE", {{"X-Client-Id", "backtest 7"}}), Access::admin);
  ASSERT_TRUE(caller);
  EXPECT_EQ(caller->client, "backtest 7");
  EXPECT_EQ(caller->address, "10.0.0.7");
  caller = guard.admit(request("GET", {{"Authorization", "Bearer whatever"}}), Access::read);
  ASSERT_TRUE(caller);
  EXPECT_EQ(caller->client, "");
}

TEST_F(GuardTest, AClientIdIsBoundedAndPrintable) {
  auto guard = open_guard();
  for (const auto& bad : {std::string(), std::string(65, 'a'), std::string("a\tb"),
                          std::string("caf\xc3\xa9"), std::string("a\x7f")}) {
    EXPECT_EQ(status(guard, request("GET", {{"X-Client-Id", bad}})), 400) << bad;
  }
  EXPECT_EQ(status(guard, request("GET", {{"X-Client-Id", std::string(64, 'a')}})), 200);
}

struct ScopeCase {
  std::string token;
  Access needed;
  int status;
};
TEST_F(GuardTest, EachScopeMayWhatTheWeakerOnesMay) {
  auto guard = token_guard();
  for (const auto& [token, needed, expected] :
       {ScopeCase{"read", Access::open, 200}, ScopeCase{"read", Access::read, 200},
        ScopeCase{"read", Access::submit, 403}, ScopeCase{"read", Access::admin, 403},
        ScopeCase{"submit", Access::read, 200}, ScopeCase{"submit", Access::submit, 200},
        ScopeCase{"submit", Access::admin, 403}, ScopeCase{"admin", Access::read, 200},
        ScopeCase{"admin", Access::submit, 200}, ScopeCase{"admin", Access::admin, 200}}) {
    const auto asked = request("POST", {{"Authorization", "Bearer " + token + "-token"}});
    EXPECT_EQ(status(guard, asked, needed), expected) << token << " " << to_text(needed);
  }
}

TEST_F(GuardTest, ATokensNameIsTheClientsWhateverElseItSays) {
  auto guard = token_guard();
  const auto caller = guard.admit(
      request("GET", {{"authorization", "bearer   read-token "}, {"X-Client-Id", "somebody"}}),
      Access::read);
  ASSERT_TRUE(caller);
  EXPECT_EQ(caller->client, "read-er");
  EXPECT_EQ(caller->access, Access::read);
}

TEST_F(GuardTest, ARefusalSaysHowToAsk) {
  auto guard = token_guard();
  const auto missing = guard.admit(request("GET"), Access::read);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().status, 401);
  EXPECT_EQ(header(missing.error(), "WWW-Authenticate"), "Bearer");
  EXPECT_THAT(body(missing.error()), HasSubstr("/login"));

  const auto wrong =
      guard.admit(request("GET", {{"Authorization", "Bearer read-tokeN"}}), Access::read);
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().status, 401);
  EXPECT_EQ(header(wrong.error(), "WWW-Authenticate"), R"(Bearer error="invalid_token")");
  EXPECT_THAT(body(wrong.error()), Not(HasSubstr("read-tokeN")));

  const auto weak =
      guard.admit(request("POST", {{"Authorization", "Bearer read-token"}}), Access::submit);
  ASSERT_FALSE(weak);
  EXPECT_EQ(body(weak.error()),
            R"({"detail":"this needs a token with the scope submit; read-er's has read"})");

  EXPECT_EQ(status(guard, request("GET", {{"Authorization", "Basic cmVhZA=="}})), 401);
  EXPECT_EQ(status(guard, request("GET", {{"Authorization", "Bearer"}})), 401);
  EXPECT_EQ(status(guard, request("GET", {{"Authorization", "Bearer nobodys"}}), Access::open), 200)
      << "what is open does not look";
}

class GuardLogin : public GuardTest {
 protected:
  static net::ServerRequest form(std::string token) {
    return request("POST",
                   {{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"},
                    {"Host", "localhost:8000"},
                    {"Origin", "http://localhost:8000"}},
                   "other=x&token=" + std::move(token));
  }
  static net::ServerRequest json(std::string text) {
    return request("POST", {{"Content-Type", "application/json"}}, std::move(text));
  }
  // The cookie that an answer sets, as a browser sends it back.
  static std::string cookie_of(const net::ServerResponse& answer) {
    const auto set = header(answer, "Set-Cookie");
    return set.substr(0, set.find(';'));
  }
  static net::ServerRequest with_cookie(std::string method, std::string cookie,
                                        net::Headers more = {}) {
    more.emplace_back("Cookie", "theme=dark; " + std::move(cookie) + "; x");
    more.emplace_back("Host", "localhost:8000");
    return request(std::move(method), std::move(more));
  }
};

TEST_F(GuardLogin, GivesABrowserACookieForItsToken) {
  auto guard = token_guard();
  const auto answer = guard.log_in(form("read%2Dtoken"));
  EXPECT_EQ(answer.status, 303);
  EXPECT_EQ(header(answer, "Location"), "/ui");
  EXPECT_THAT(header(answer, "Set-Cookie"),
              ::testing::MatchesRegex("betedge_session=[A-Za-z0-9_-]{43}; Path=/; Max-Age=43200; "
                                      "HttpOnly; SameSite=Strict"));
  EXPECT_THAT(log_.lines, ElementsAre("login client=read-er peer=10.0.0.7:50000"));
  const auto caller = guard.admit(with_cookie("GET", cookie_of(answer)), Access::read);
  ASSERT_TRUE(caller);
  EXPECT_EQ(caller->client, "read-er");
  EXPECT_EQ(status(guard, with_cookie("GET", cookie_of(answer)), Access::submit), 403);
  EXPECT_EQ(status(guard, with_cookie("GET", "betedge_session=guess")), 401);
}

TEST_F(GuardLogin, TakesJsonToo) {
  auto guard = token_guard({.is_tls = true});
  const auto answer = guard.log_in(json(R"({"token":"submit-token"})"));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(body(answer), R"({"client":"submit-er","access":"submit"})");
  EXPECT_THAT(header(answer, "Set-Cookie"), HasSubstr("; Secure"));
}

TEST_F(GuardLogin, RefusesWhatIsNoToken) {
  auto guard = token_guard();
  EXPECT_EQ(guard.log_in(form("nobodys")).status, 401);
  pass(2min);
  const auto answer = guard.log_in(json(R"({"token":"nobodys"})"));
  EXPECT_EQ(answer.status, 401);
  EXPECT_EQ(header(answer, "Set-Cookie"), "");
  EXPECT_THAT(log_.lines, ::testing::Each("login_failed peer=10.0.0.7:50000"));
  EXPECT_EQ(metrics_.value(Metric::failed_logins), static_cast<double>(log_.lines.size()));
  for (const auto* bad :
       {"", "{", "[]", R"({"token":7})", R"({"token":""})", R"({"tokens":"x"})"}) {
    pass(15min);
    EXPECT_EQ(guard.log_in(json(bad)).status, 401) << bad;
  }
  pass(15min);
  EXPECT_EQ(guard.log_in(form("%zz")).status, 401);
  EXPECT_EQ(guard.log_in(request("POST", {{"Content-Type", "text/plain"}}, "token=x")).status, 415);
  EXPECT_EQ(guard.log_in(request("POST", {}, "token=x")).status, 415);
  EXPECT_EQ(guard.open_sessions(), 0u);
}

TEST_F(GuardLogin, IsSlowedAfterFailures) {
  auto guard = token_guard();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(guard.log_in(json(R"({"token":"x"})")).status, 401);
  const auto slowed = guard.log_in(json(R"({"token":"read-token"})"));
  EXPECT_EQ(slowed.status, 429);
  EXPECT_EQ(header(slowed, "Retry-After"), "1");
  EXPECT_EQ(guard.log_in(form("read-token")).status, 429);
  auto elsewhere = json(R"({"token":"read-token"})");
  elsewhere.peer = "10.0.0.8:50000";
  EXPECT_EQ(guard.log_in(elsewhere).status, 200);
  pass(1s);
  EXPECT_EQ(guard.log_in(json(R"({"token":"read-token"})")).status, 200);
}

TEST_F(GuardLogin, ACookieMayChangeSomethingOnlyFromOurOwnPages) {
  auto guard = token_guard();
  const auto cookie = cookie_of(guard.log_in(form("admin-token")));
  const auto post = [&](net::Headers headers) {
    return status(guard, with_cookie("POST", cookie, std::move(headers)), Access::submit);
  };
  EXPECT_EQ(post({}), 403);
  EXPECT_EQ(post({{"Sec-Fetch-Site", "none"}}), 403);
  EXPECT_EQ(post({{"Sec-Fetch-Site", "same-site"}}), 403);
  EXPECT_EQ(post({{"Origin", "http://localhost:80001"}}), 403);
  EXPECT_EQ(post({{"Origin", "http://localhost:8000"}}), 200);
  EXPECT_EQ(post({{"Sec-Fetch-Site", "same-origin"}}), 200);
  EXPECT_EQ(post({{"Authorization", "Bearer submit-token"}}), 200) << "no page can send that";
}

TEST_F(GuardLogin, EndsWithTheLogout) {
  auto guard = token_guard();
  const auto cookie = cookie_of(guard.log_in(form("read-token")));
  auto leaving = with_cookie("POST", cookie, {{"Sec-Fetch-Site", "same-origin"}});
  const auto gone = guard.log_out(leaving);
  EXPECT_EQ(gone.status, 204);
  EXPECT_EQ(header(gone, "Set-Cookie"),
            "betedge_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict");
  EXPECT_EQ(status(guard, with_cookie("GET", cookie)), 401);
  leaving.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
  EXPECT_EQ(guard.log_out(leaving).status, 303);
}

TEST_F(GuardLogin, EndsAfterItsLifetime) {
  auto guard = token_guard();
  const auto cookie = cookie_of(guard.log_in(form("read-token")));
  pass(Sessions::kLifetime - 1s);
  EXPECT_EQ(status(guard, with_cookie("GET", cookie)), 200);
  pass(1s);
  EXPECT_EQ(status(guard, with_cookie("GET", cookie)), 401);
}

TEST_F(GuardLogin, EndsWhenItsTokenIsTakenAway) {
  auto guard = token_guard();
  const auto cookie = cookie_of(guard.log_in(form("read-token")));
  guard.set_rules({.allowed_hosts = {}, .tokens = tokens("new read " + to_hex(sha256("n")))});
  EXPECT_EQ(status(guard, with_cookie("GET", cookie)), 200);
  guard.set_rules({.allowed_hosts = {},
                   .tokens = *TokenTable::parse("new read " + to_hex(sha256("n")), "tokens")});
  EXPECT_EQ(status(guard, with_cookie("GET", cookie)), 401);
  EXPECT_EQ(guard.open_sessions(), 0u);
  EXPECT_EQ(status(guard, request("GET", {{"Authorization", "Bearer n"}})), 200);
  guard.set_rules({});
  EXPECT_EQ(status(guard, request("GET")), 200);
}

TEST_F(GuardLogin, WithoutTokensThereIsNothingToLogInTo) {
  auto guard = open_guard();
  EXPECT_EQ(guard.log_in(json(R"({"token":"x"})")).status, 409);
  EXPECT_EQ(guard.log_in(form("x")).status, 409);
  EXPECT_THAT(body(guard.login_page()), HasSubstr("asks for no token"));
  EXPECT_THAT(log_.lines, IsEmpty());
}

TEST_F(GuardLogin, ThePageHasNoScriptAndItsStyleIsTheOneThatIsAllowed) {
  auto guard = token_guard();
  for (const auto& answer : {guard.login_page(), guard.log_in(form("x"))}) {
    const auto page = body(answer);
    EXPECT_THAT(page, Not(HasSubstr("<script")));
    EXPECT_THAT(page, HasSubstr(R"(method="post" action="/login")"));
    const auto begin = page.find("<style>") + 7;
    const auto style = page.substr(begin, page.find("</style>") - begin);
    const auto policy = header(answer, "Content-Security-Policy");
    EXPECT_THAT(policy, StartsWith("default-src 'none'; "));
    EXPECT_THAT(policy, HasSubstr("style-src 'sha256-" + to_base64(sha256(style)) + "';"));
    EXPECT_THAT(policy, HasSubstr("frame-ancestors 'none'"));
    EXPECT_EQ(header(answer, "X-Content-Type-Options"), "nosniff");
    EXPECT_EQ(header(answer, "Cache-Control"), "no-store");
  }
}

TEST(AddressOfPeer, IsWithoutItsPort) {
  EXPECT_EQ(address_of_peer("127.0.0.1:51234"), "127.0.0.1");
  EXPECT_EQ(address_of_peer("[::1]:51234"), "::1");
  EXPECT_EQ(address_of_peer(""), "");
}

}  // namespace
}  // namespace betedge::server
