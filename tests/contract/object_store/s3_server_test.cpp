#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backends.hpp"
#include "betedge/net/asio_runtime.hpp"
#include "betedge/net/http_client.hpp"
#include "betedge/sinks/s3_store.hpp"

// Opening a lake in S3, against a server that verifies every signature and digest.
namespace betedge::testing {
namespace {

using sinks::S3Settings;
using sinks::S3Store;
using ::testing::HasSubstr;
using ::testing::Not;

Task<void> open_into(Runtime& runtime, net::HttpClient& client, S3Settings settings,
                     Result<std::string>& name) {
  auto opened = co_await S3Store::open(runtime, client, std::move(settings), {});
  if (opened) {
    name = (*opened)->name();
  } else {
    name = std::unexpected(opened.error());
  }
}

class S3ServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* const server = s3_server();
    if (server == nullptr) GTEST_SKIP() << "no S3 server: moto is not installed in .deps/venv";
    settings_.endpoint = server->endpoint;
    settings_.access_key = server->may_all.access_key;
    settings_.secret_key = server->may_all.secret_key;
    settings_.first_delay = std::chrono::milliseconds{1};
    may_nothing_ = server->may_nothing;
  }
  Result<std::string> open() {
    net::AsioRuntime runtime(1, 2);
    auto client = net::make_http_client(runtime);
    Result<std::string> name;
    runtime.run(open_into(runtime, **client, settings_, name));
    return name;
  }
  S3Settings settings_;
  S3Server::Keys may_nothing_;
};

TEST_F(S3ServerTest, MakesABucketThatIsMissingAndFindsOneThatIsThere) {
  settings_.location = {"opened-twice", "p"};
  EXPECT_EQ(open(), "s3://opened-twice/p");
  EXPECT_EQ(open(), "s3://opened-twice/p");
}

TEST_F(S3ServerTest, NamesItsRegionWhenItMakesABucket) {
  if (::getenv("BETEDGE_TEST_S3") != nullptr) GTEST_SKIP() << "only moto is in every region";
  settings_.region = "eu-central-1";
  settings_.location = {"in-europe", ""};
  EXPECT_EQ(open(), "s3://in-europe");
}

TEST_F(S3ServerTest, AWrongSecretIsDeniedAndNotPrinted) {
  settings_.location = {"some-bucket", ""};
  settings_.secret_key = "the-wrong-secret";
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::storage_denied);
  EXPECT_THAT(opened.error().message, HasSubstr("the lake cannot be opened"));
  EXPECT_THAT(opened.error().message, Not(HasSubstr("the-wrong-secret")));
}

TEST_F(S3ServerTest, AUserWithoutRightsIsDenied) {
  if (::getenv("BETEDGE_TEST_S3") != nullptr) GTEST_SKIP() << "only moto has such a user";
  settings_.location = {"some-bucket", ""};
  settings_.access_key = may_nothing_.access_key;
  settings_.secret_key = may_nothing_.secret_key;
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::storage_denied);
  EXPECT_THAT(opened.error().message, HasSubstr("reading, writing and listing"));
}

TEST_F(S3ServerTest, AnUnknownUserIsDenied) {
  settings_.location = {"some-bucket", ""};
  settings_.access_key = "AKIDUNKNOWN";
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::storage_denied);
}

TEST_F(S3ServerTest, AServerThatIsNotThereMayComeBack) {
  const int taken = ::socket(AF_INET, SOCK_STREAM, 0);  // bound, and nobody listens
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  ASSERT_EQ(::bind(taken, generic, size), 0);
  ASSERT_EQ(::getsockname(taken, generic, &size), 0);
  settings_.endpoint = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  settings_.location = {"some-bucket", ""};
  const auto opened = open();
  ::close(taken);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::storage_failed);
  EXPECT_THAT(opened.error().message, HasSubstr("http://" + settings_.endpoint));
}

}  // namespace
}  // namespace betedge::testing
