#include "betedge/net/transport.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

namespace betedge::net {

namespace {

// So that one peer who keeps up with us does not keep the loop to itself.
constexpr std::size_t kMostBytesPerCall = 1 << 20;

Moved after_failure(Moving when_it_would_block) {
  return {errno == EAGAIN ? when_it_would_block : Moving::broken, 0};
}

ssize_t receive(int socket, void* room, std::size_t size, int flags) {
  ssize_t got = 0;
  do {
    got = ::recv(socket, room, size, MSG_DONTWAIT | flags);
  } while (got < 0 && errno == EINTR);
  return got;
}

// --- plain

class PlainTransport final : public Transport {
 public:
  explicit PlainTransport(int socket) : socket_(socket) {}

  bool is_secure() const override { return false; }
  Moved shake_hands() override { return {}; }

  Moved read(std::span<char> room) override { return received(room, 0); }

  Moved look() override {
    char byte = 0;
    return received({&byte, 1}, MSG_PEEK);
  }

  bool holds_input() const override { return false; }
  bool holds_output() const override { return false; }

  Moved write(std::span<const iovec> pieces) override {
    // A piece that is larger than one call may take is cut in the call's copy.
    std::array<iovec, 4> vectors{};
    std::size_t count = 0;
    std::size_t budget = kMostBytesPerCall;
    for (const auto& piece : pieces) {
      if (budget == 0 || count == vectors.size()) break;
      vectors[count] = piece;
      vectors[count].iov_len = std::min(piece.iov_len, budget);
      budget -= vectors[count++].iov_len;
    }
    msghdr message{};
    message.msg_iov = vectors.data();
    message.msg_iovlen = count;
    ssize_t sent = 0;
    do {
      sent = ::sendmsg(socket_, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0) return after_failure(Moving::needs_output);
    bytes_sent_ += static_cast<std::uint64_t>(sent);
    return {Moving::moved, static_cast<std::size_t>(sent)};
  }

  Moved finish() override {
    ::shutdown(socket_, SHUT_WR);
    return {};
  }

  std::string trouble() const override { return {}; }
  bool was_plain_http() const override { return false; }

 private:
  Moved received(std::span<char> room, int flags) const {
    const auto got = receive(socket_, room.data(), room.size(), flags);
    if (got < 0) return after_failure(Moving::needs_input);
    return {got == 0 ? Moving::ended : Moving::moved, static_cast<std::size_t>(got)};
  }

  int socket_;
};

// --- TLS

struct Freed {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
template <class T>
using Owned = std::unique_ptr<T, Freed>;

constexpr std::size_t kRecordBytes = SSL3_RT_MAX_PLAIN_LENGTH;
// What one peer who does not read may cost, besides the kernel's own buffer.
constexpr std::size_t kMostHeldBytes = 4 * kRecordBytes;
// One that was larger once is not kept for the rest of a connection that is silent.
constexpr std::size_t kKeptCapacityBytes = 4 << 10;

// "http request", without the numbers and names of OpenSSL's insides.
std::string last_openssl_words() {
  const auto code = ERR_peek_last_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  if (reason != nullptr) return reason;
  return code == 0 ? std::string("no reason given") : fmt::format("OpenSSL error {}", code);
}

// Between OpenSSL and the socket stands a BIO of our own. OpenSSL's own socket BIO writes without
// MSG_NOSIGNAL, and makes a system call of each record, where an answer's records leave here
// together, in one; a pair of memory BIOs would copy all that comes once more, and keep the room of
// their largest burst for as long as the connection lives.
class TlsTransport final : public Transport {
 public:
  TlsTransport(int socket, Owned<SSL> ssl) : socket_(socket), ssl_(std::move(ssl)) {}
  TlsTransport(const TlsTransport&) = delete;
  TlsTransport& operator=(const TlsTransport&) = delete;

  bool connect_bio() {
    auto* bio = BIO_new(method());
    if (bio == nullptr) return false;
    BIO_set_data(bio, this);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl_.get(), bio, bio);
    SSL_set_accept_state(ssl_.get());
    return true;
  }

  bool is_secure() const override { return true; }

  Moved shake_hands() override {
    ERR_clear_error();
    if (!is_shaken_) {
      const auto outcome = SSL_do_handshake(ssl_.get());
      if (outcome != 1) {
        const auto moved = after_ssl(outcome);
        const auto flushed = flush();  // what the peer waits for, or the alert that says why not
        if (moved.what == Moving::needs_input && flushed.what != Moving::moved) return flushed;
        return moved;
      }
      is_shaken_ = true;
    }
    return flush();
  }

  Moved read(std::span<char> room) override {
    if (room.empty()) return {};
    ERR_clear_error();
    std::size_t got = 0;
    return after_reading(SSL_read_ex(ssl_.get(), room.data(), room.size(), &got), got);
  }

  Moved look() override {
    ERR_clear_error();
    char byte = 0;
    std::size_t got = 0;
    return after_reading(SSL_peek_ex(ssl_.get(), &byte, 1, &got), got);
  }

  bool holds_input() const override { return SSL_has_pending(ssl_.get()) == 1; }
  bool holds_output() const override { return sent_of_held_ < held_.size(); }

  Moved write(std::span<const iovec> pieces) override {
    if (const auto flushed = flush(); flushed.what != Moving::moved) return flushed;
    ERR_clear_error();
    std::size_t taken = 0;
    std::size_t begin = 0;  // within the first piece
    std::array<char, kRecordBytes> record;
    while (!pieces.empty() && held_.size() < kMostHeldBytes) {
      // Small pieces share a record: its seal and the call cost more than the copy.
      std::size_t size = 0;
      auto at = begin;
      auto rest = pieces;
      while (!rest.empty() && size < record.size()) {
        const auto& piece = rest.front();
        const auto some = std::min(piece.iov_len - at, record.size() - size);
        std::memcpy(record.data() + size, static_cast<const char*>(piece.iov_base) + at, some);
        size += some;
        at += some;
        if (at == piece.iov_len) {
          rest = rest.subspan(1);
          at = 0;
        }
      }
      if (size == 0) break;
      std::size_t written = 0;
      if (const auto outcome = SSL_write_ex(ssl_.get(), record.data(), size, &written);
          outcome != 1) {
        // Our BIO takes all there is, so that there is nothing to wait for.
        note_trouble();
        return {Moving::broken, taken};
      }
      taken += size;
      pieces = rest;
      begin = at;
    }
    const auto flushed = flush();
    if (pieces.empty() && held_.empty() && held_.capacity() > kKeptCapacityBytes) {
      std::vector<char>().swap(held_);
    }
    return {flushed.what, taken};
  }

  Moved finish() override {
    if (!is_finished_) {
      is_finished_ = true;
      ERR_clear_error();
      // After a fault OpenSSL may not say anything any more, and refuses to.
      if (!is_broken_ && is_shaken_) (void)SSL_shutdown(ssl_.get());
    }
    const auto flushed = flush();
    if (flushed.what == Moving::moved) ::shutdown(socket_, SHUT_WR);
    return flushed;
  }

  std::string trouble() const override { return trouble_; }
  bool was_plain_http() const override { return was_plain_http_; }

 private:
  static TlsTransport& of(BIO* bio) { return *static_cast<TlsTransport*>(BIO_get_data(bio)); }

  static int bio_write(BIO* bio, const char* bytes, std::size_t size, std::size_t* written) {
    auto& held = of(bio).held_;
    held.insert(held.end(), bytes, bytes + size);
    *written = size;
    return 1;
  }

  static int bio_read(BIO* bio, char* room, std::size_t size, std::size_t* read) {
    auto& self = of(bio);
    BIO_clear_retry_flags(bio);
    const auto got = receive(self.socket_, room, size, 0);
    *read = got > 0 ? static_cast<std::size_t>(got) : 0;
    if (got > 0) return 1;
    if (got == 0) self.input_has_ended_ = true;
    if (got < 0 && errno == EAGAIN) BIO_set_retry_read(bio);
    return 0;
  }

  static long bio_control(BIO* bio, int command, long /*number*/, void* /*pointer*/) {
    if (command == BIO_CTRL_FLUSH) return 1;
    if (command == BIO_CTRL_EOF) return of(bio).input_has_ended_ ? 1 : 0;
    return 0;
  }

  static const BIO_METHOD* method() {
    static BIO_METHOD* const kMethod = [] {
      auto* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "betedge socket");
      if (made == nullptr) return made;
      BIO_meth_set_write_ex(made, bio_write);
      BIO_meth_set_read_ex(made, bio_read);
      BIO_meth_set_ctrl(made, bio_control);
      return made;
    }();
    return kMethod;
  }

  Moved flush() {
    while (holds_output()) {
      ssize_t sent = 0;
      do {
        sent = ::send(socket_, held_.data() + sent_of_held_, held_.size() - sent_of_held_,
                      MSG_DONTWAIT | MSG_NOSIGNAL);
      } while (sent < 0 && errno == EINTR);
      if (sent < 0) {
        if (errno != EAGAIN) is_broken_ = true;
        return after_failure(Moving::needs_output);
      }
      sent_of_held_ += static_cast<std::size_t>(sent);
      bytes_sent_ += static_cast<std::uint64_t>(sent);
    }
    held_.clear();
    sent_of_held_ = 0;
    return {};
  }

  Moved after_reading(int outcome, std::size_t got) {
    const auto moved = outcome == 1 ? Moved{Moving::moved, got} : after_ssl(outcome);
    // Reading may have something to say: an alert, a refusal to renegotiate. What does not go now
    // goes with the next write.
    if (holds_output()) (void)flush();
    return moved;
  }

  Moved after_ssl(int outcome) {
    switch (SSL_get_error(ssl_.get(), outcome)) {
      case SSL_ERROR_WANT_READ: return {Moving::needs_input, 0};
      case SSL_ERROR_ZERO_RETURN: return {Moving::ended, 0};
      default: note_trouble(); return {Moving::broken, 0};
    }
  }

  void note_trouble() {
    is_broken_ = true;
    const auto code = ERR_peek_last_error();
    was_plain_http_ = !is_shaken_ && ERR_GET_LIB(code) == ERR_LIB_SSL &&
                      ERR_GET_REASON(code) == SSL_R_HTTP_REQUEST;
    if (trouble_.empty()) {
      trouble_ = code != 0          ? last_openssl_words()
                 : input_has_ended_ ? "the peer left in the middle of it"
                                    : "the connection broke";
    }
  }

  int socket_;
  Owned<SSL> ssl_;
  std::vector<char> held_;  // sealed, and not sent yet from sent_of_held_ on
  std::size_t sent_of_held_ = 0;
  bool is_shaken_ = false;
  bool is_finished_ = false;
  bool is_broken_ = false;
  bool input_has_ended_ = false;
  bool was_plain_http_ = false;
  std::string trouble_;
};

int choose_protocol(SSL* /*ssl*/, const unsigned char** chosen, unsigned char* chosen_size,
                    const unsigned char* offered, unsigned int offered_size, void* /*user*/) {
  static constexpr std::array<unsigned char, 9> kSpoken = {8,   'h', 't', 't', 'p',
                                                           '/', '1', '.', '1'};
  unsigned char* found = nullptr;
  if (SSL_select_next_proto(&found, chosen_size, kSpoken.data(), kSpoken.size(), offered,
                            offered_size) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;  // RFC 7301 3.2: no_application_protocol
  }
  *chosen = found;
  return SSL_TLSEXT_ERR_OK;
}

// A file with a passphrase is refused: a server asks nobody.
int no_passphrase(char* /*room*/, int /*size*/, int /*writes*/, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

class OpensslContext final : public TlsContext {
 public:
  explicit OpensslContext(Owned<SSL_CTX> context) : context_(std::move(context)) {}

  Result<std::unique_ptr<Transport>> accept(int socket) const override {
    Owned<SSL> ssl(SSL_new(context_.get()));
    if (!ssl) return fail(ErrorCode::internal, "no memory for a TLS connection");
    auto transport = std::make_unique<TlsTransport>(socket, std::move(ssl));
    if (!transport->connect_bio()) {
      return fail(ErrorCode::internal, "no memory for a TLS connection");
    }
    return transport;
  }

 private:
  Owned<SSL_CTX> context_;
};

std::unexpected<Error> refuse_file(std::string_view what, const std::string& file,
                                   std::string_view why) {
  return fail(ErrorCode::invalid_request, fmt::format("the {} {} {}", what, file, why));
}

Result<Owned<BIO>> open_pem(std::string_view what, const std::string& file) {
  errno = 0;
  Owned<BIO> bio(BIO_new_file(file.c_str(), "r"));
  if (!bio) {
    return refuse_file(
        what, file,
        fmt::format("cannot be read: {}", errno != 0 ? std::strerror(errno) : "unknown reason"));
  }
  return bio;
}

}  // namespace

std::unique_ptr<Transport> make_plain_transport(int socket) {
  return std::make_unique<PlainTransport>(socket);
}

Result<std::shared_ptr<const TlsContext>> TlsContext::load(TlsFiles files) {
  ERR_clear_error();
  Owned<SSL_CTX> context(SSL_CTX_new(TLS_server_method()));
  if (!context) {
    return fail(ErrorCode::internal, fmt::format("TLS does not start: {}", last_openssl_words()));
  }
  auto* ctx = context.get();
  SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
  // A peer that leaves without a goodbye is no fault of the bytes before: HTTP's own framing says
  // whether they are whole.
  SSL_CTX_set_options(
      ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  // TLS 1.2 with forward secrecy and authenticated ciphers only; 1.3 has no others.
  SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20");
  // Clients come back by their tickets; a cache here would only grow.
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(ctx, 1);
  SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, nullptr);

  const auto& certificate = files.certificate;
  BETEDGE_TRY(const auto certificate_file, open_pem("certificate", certificate));
  const Owned<X509> first(PEM_read_bio_X509(certificate_file.get(), nullptr, nullptr, nullptr));
  if (!first) {
    return refuse_file("certificate", certificate,
                       "has no certificate in PEM form (-----BEGIN CERTIFICATE-----)");
  }
  ERR_clear_error();
  if (SSL_CTX_use_certificate_chain_file(ctx, certificate.c_str()) != 1) {
    return refuse_file("certificate", certificate,
                       fmt::format("cannot be used: {}", last_openssl_words()));
  }
  BETEDGE_TRY(const auto key_file, open_pem("key", files.key));
  bool asked_for_passphrase = false;
  ERR_clear_error();
  const Owned<EVP_PKEY> key(
      PEM_read_bio_PrivateKey(key_file.get(), nullptr, no_passphrase, &asked_for_passphrase));
  if (asked_for_passphrase) {
    return refuse_file("key", files.key,
                       "is encrypted: give one without a passphrase, readable to this user only");
  }
  if (!key) {
    return refuse_file("key", files.key,
                       "has no private key in PEM form (-----BEGIN PRIVATE KEY-----)");
  }
  ERR_clear_error();
  if (X509_check_private_key(first.get(), key.get()) != 1) {
    return refuse_file("key", files.key,
                       fmt::format("does not belong to the certificate {}", certificate));
  }
  if (SSL_CTX_use_PrivateKey(ctx, key.get()) != 1) {
    return refuse_file("key", files.key, fmt::format("cannot be used: {}", last_openssl_words()));
  }
  ERR_clear_error();
  std::shared_ptr<const TlsContext> loaded = std::make_shared<OpensslContext>(std::move(context));
  return loaded;
}

}  // namespace betedge::net
