#include "loopback.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>

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
  auto server = make_http_server(runtime_, std::move(options), std::move(handler));
  ASSERT_TRUE(server.has_value()) << server.error().message;
  server_ = *std::move(server);
}

void Loopback::run(Task<void> task, std::chrono::milliseconds grace) {
  if (!client_) client_ = make_http_client(runtime_).value();
  runtime_.run(run_and_stop(std::move(task), grace));
}

Task<void> Loopback::run_and_stop(Task<void> task, std::chrono::milliseconds grace) {
  co_await std::move(task);
  if (server_) co_await server_->stop(grace);
}

std::string Loopback::url(std::string_view path) const {
  return fmt::format("http://127.0.0.1:{}{}", server_->port(), path);
}

HttpRequest Loopback::get(std::string_view path) const {
  HttpRequest request;
  request.url = url(path);
  return request;
}

Task<std::string> Loopback::converse(std::string bytes) {
  auto talk = [port = server_->port(), text = std::move(bytes)] {
    RawConnection connection(port);
    connection.send(text);
    return connection.read_to_end();
  };
  co_return co_await run_blocking(runtime_, Pool::io, std::move(talk));
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

RawConnection::RawConnection(std::uint16_t port, int receive_buffer_bytes)
    : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  set_patience(fd_);
  if (receive_buffer_bytes != 0) {
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof receive_buffer_bytes);
  }
  auto address = loopback_address(port);
  if (::connect(fd_, as_sockaddr(address), sizeof address) != 0) {
    throw std::runtime_error("nobody listens");
  }
}

RawConnection::~RawConnection() {
  close();
}

void RawConnection::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

bool RawConnection::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
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
    const auto got = ::recv(fd_, buffer, sizeof buffer, 0);
    if (got < 0 && errno == ECONNRESET) was_reset_ = true;
    if (got < 0 && errno == EAGAIN) left_ += "<nothing came for 20 s>";
    if (got <= 0) return std::exchange(left_, {});
    left_.append(buffer, static_cast<std::size_t>(got));
  }
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
