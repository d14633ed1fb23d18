#include "loopback.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <stdexcept>

#include "certificates.hpp"

namespace betedge::net {

namespace {

sockaddr_in loopback_address(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

sockaddr* as_sockaddr(sockaddr_in& address) {
  return reinterpret_cast<sockaddr*>(&address);
}

std::uint16_t bind_to_free_port(int fd) {
  auto address = loopback_address(0);
  socklen_t size = sizeof address;
  if (::bind(fd, as_sockaddr(address), size) != 0 ||
      ::getsockname(fd, as_sockaddr(address), &size) != 0) {
    throw std::runtime_error("no free port");
  }
  return ntohs(address.sin_port);
}

void set_patience(int fd) {
  const timeval patience{20, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

}  // namespace

Loopback::~Loopback() = default;

void Loopback::serve(Handler handler, ServerOptions options) {
  if (wire_ == Wire::tls) {
    const auto& files = shared_certificate();
    options.tls = TlsFiles{files.certificate, files.key};
  }
  auto server = make_http_server(runtime_, std::move(options), std::move(handler));
  ASSERT_TRUE(server.has_value()) << server.error().message;
  server_ = *std::move(server);
}

void Loopback::connect_client() {
  client_ = make_http_client(runtime_, {.ca_file = shared_certificate().certificate}).value();
}

void Loopback::run(Task<void> task, std::chrono::milliseconds grace) {
  if (!client_) connect_client();
  runtime_.run(run_and_stop(std::move(task), grace));
}

Task<void> Loopback::run_and_stop(Task<void> task, std::chrono::milliseconds grace) {
  co_await std::move(task);
  if (server_) co_await server_->stop(grace);
}

std::string Loopback::url(std::string_view path) const {
  return fmt::format("{}://127.0.0.1:{}{}", wire_ == Wire::tls ? "https" : "http", server_->port(),
                     path);
}

HttpRequest Loopback::get(std::string_view path) const {
  HttpRequest request;
  request.url = url(path);
  return request;
}

Task<std::string> Loopback::converse(std::string bytes) {
  auto talk = [port = server_->port(), wire = wire_, text = std::move(bytes)] {
    RawConnection connection(port, 0, wire);
    connection.send(text);
    return connection.read_to_end();
  };
  co_return co_await run_blocking(runtime_, Pool::io, std::move(talk));
}

Task<std::unique_ptr<RawConnection>> Door::connect(int receive_buffer_bytes) const {
  auto begin = [receive_buffer_bytes, to = port, speaking = wire] {
    return std::make_unique<RawConnection>(to, receive_buffer_bytes, speaking);
  };
  co_return co_await run_blocking(runtime, Pool::io, std::move(begin));
}

ScriptedServer::ScriptedServer(std::vector<Step> steps)
    : steps_(std::move(steps)), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  port_ = bind_to_free_port(listener_);
  set_patience(listener_);
  ::listen(listener_, 8);
}

ScriptedServer::~ScriptedServer() {
  ::close(listener_);
}

void ScriptedServer::play() {
  int fd = -1;
  for (const auto& step : steps_) {
    if (fd < 0) fd = ::accept(listener_, nullptr, nullptr);
    if (fd < 0) return;
    set_patience(fd);
    std::string request;
    char byte = 0;
    while (!request.ends_with("\r\n\r\n") && ::recv(fd, &byte, 1, 0) == 1) request += byte;
    ::send(fd, step.answer.data(), step.answer.size(), MSG_NOSIGNAL);
    if (step.says_more) continue;
    if (step.resets) {
      const linger now{1, 0};
      ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
    ::close(fd);
    fd = -1;
  }
  if (fd >= 0) ::close(fd);
}

struct RawConnection::Tls {
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context{SSL_CTX_new(TLS_client_method()),
                                                            SSL_CTX_free};
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl{nullptr, SSL_free};
};

namespace {

// OpenSSL's own BIO writes to a socket that may be closed; only here may that be no signal.
class WithoutSigpipe {
 public:
  WithoutSigpipe() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  WithoutSigpipe(const WithoutSigpipe&) = delete;
  WithoutSigpipe& operator=(const WithoutSigpipe&) = delete;
  ~WithoutSigpipe() {
    const int error = errno;  // of what was done under it
    const timespec at_once{};
    while (sigtimedwait(&pipe_, nullptr, &at_once) > 0) {
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    errno = error;
  }

 private:
  sigset_t pipe_{};
  sigset_t before_{};
};

}  // namespace

RawConnection::RawConnection(std::uint16_t port, int receive_buffer_bytes, Wire wire,
                             TlsManners manners)
    : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  set_patience(fd_);
  if (receive_buffer_bytes != 0) {
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof receive_buffer_bytes);
  }
  auto address = loopback_address(port);
  if (::connect(fd_, as_sockaddr(address), sizeof address) != 0) {
    close();
    throw std::runtime_error("nobody listens");
  }
  if (wire == Wire::plain) return;
  tls_ = std::make_unique<Tls>();
  auto* context = tls_->context.get();
  // What a careful client would not even offer, so that it is the server who refuses.
  SSL_CTX_set_security_level(context, 0);
  SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
  SSL_CTX_set_max_proto_version(context, manners.newest_version);
  SSL_CTX_set_alpn_protos(context, reinterpret_cast<const unsigned char*>(manners.protocols.data()),
                          static_cast<unsigned>(manners.protocols.size()));
  tls_->ssl.reset(SSL_new(context));
  SSL_set_fd(tls_->ssl.get(), fd_);
  const WithoutSigpipe quiet;
  ERR_clear_error();
  if (SSL_connect(tls_->ssl.get()) != 1) {
    const char* reason = ERR_reason_error_string(ERR_peek_last_error());
    close();
    throw std::runtime_error(reason != nullptr ? reason : "no handshake");
  }
}

RawConnection::RawConnection(RawConnection&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      tls_(std::move(other.tls_)),
      was_reset_(other.was_reset_),
      had_goodbye_(other.had_goodbye_),
      left_(std::move(other.left_)) {}

RawConnection::~RawConnection() {
  close();
}

void RawConnection::close() {
  tls_.reset();
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

bool RawConnection::send(std::string_view bytes) {
  if (tls_) {
    const WithoutSigpipe quiet;
    std::size_t sent = 0;
    ERR_clear_error();
    return bytes.empty() || SSL_write_ex(tls_->ssl.get(), bytes.data(), bytes.size(), &sent) == 1;
  }
  while (!bytes.empty()) {
    const auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

bool RawConnection::answers_within(std::chrono::milliseconds time) {
  // The session tickets that come after a handshake are no answer.
  if (tls_) {
    char byte = 0;
    std::size_t got = 0;
    timeval patience{0, static_cast<suseconds_t>(time.count()) * 1000};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ERR_clear_error();
    const auto outcome = SSL_peek_ex(tls_->ssl.get(), &byte, 1, &got);
    const bool waits =
        outcome != 1 && SSL_get_error(tls_->ssl.get(), outcome) == SSL_ERROR_WANT_READ;
    set_patience(fd_);
    return !waits;
  }
  pollfd wait{fd_, POLLIN, 0};
  return ::poll(&wait, 1, static_cast<int>(time.count())) > 0;
}

std::string RawConnection::tls_version() const {
  return SSL_get_version(tls_->ssl.get());
}

std::string RawConnection::protocol() const {
  const unsigned char* chosen = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(tls_->ssl.get(), &chosen, &size);
  return {reinterpret_cast<const char*>(chosen), size};
}

std::string RawConnection::certificates_name() const {
  const std::unique_ptr<X509, decltype(&X509_free)> peer(SSL_get1_peer_certificate(tls_->ssl.get()),
                                                         X509_free);
  std::array<char, 64> name{};
  X509_NAME_get_text_by_NID(X509_get_subject_name(peer.get()), NID_commonName, name.data(),
                            static_cast<int>(name.size()));
  return name.data();
}

bool RawConnection::renegotiate() {
  const WithoutSigpipe quiet;
  ERR_clear_error();
  return SSL_renegotiate(tls_->ssl.get()) == 1 && SSL_do_handshake(tls_->ssl.get()) == 1;
}

void RawConnection::say_goodbye() {
  const WithoutSigpipe quiet;
  SSL_shutdown(tls_->ssl.get());
}

// As recv() has it.
long RawConnection::receive(char* room, std::size_t size) {
  if (!tls_) return ::recv(fd_, room, size, 0);
  const WithoutSigpipe quiet;  // an end without a goodbye is answered with an alert
  ERR_clear_error();
  errno = 0;
  const auto got = SSL_read(tls_->ssl.get(), room, static_cast<int>(size));
  if (got > 0) return got;
  const auto error = SSL_get_error(tls_->ssl.get(), got);
  if (error == SSL_ERROR_ZERO_RETURN) {
    had_goodbye_ = true;
    return 0;
  }
  return errno != 0 ? -1 : 0;
}

std::string RawConnection::read_until(std::string_view until) {
  while (true) {
    const auto at = until.empty() ? std::string::npos : left_.find(until);
    if (at != std::string::npos) {
      auto text = left_.substr(0, at + until.size());
      left_.erase(0, text.size());
      return text;
    }
    char buffer[65536];
    const auto got = receive(buffer, sizeof buffer);
    if (got < 0 && errno == ECONNRESET) was_reset_ = true;
    if (got < 0 && errno == EAGAIN) left_ += "<nothing came for 20 s>";
    if (got <= 0) return std::exchange(left_, {});
    left_.append(buffer, static_cast<std::size_t>(got));
  }
}

bool RawConnection::read_some(std::size_t bytes) {
  std::string room(bytes, '\0');
  const auto got = receive(room.data(), room.size());
  if (got < 0 && errno == ECONNRESET) was_reset_ = true;
  return got > 0;
}

std::string RawConnection::read_to_end() {
  return read_until({});
}

std::uint16_t closed_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const auto port = bind_to_free_port(fd);
  ::close(fd);
  return port;
}

ServerResponse text_response(int status, std::string text) {
  ServerResponse response;
  response.status = status;
  response.headers.emplace_back("Content-Type", "text/plain");
  response.body = SharedBytes::of(std::move(text));
  return response;
}

}  // namespace betedge::net
