#include "betedge/net/http_client.hpp"

#include <curl/curl.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/pem.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>

#include "betedge/net/descriptor.hpp"
#include "betedge/ports/async.hpp"

namespace betedge::net {

namespace {

using Clock = std::chrono::steady_clock;

// What waits for the reader, besides what it holds itself. curl may hold as much again of what it
// had received when we paused it.
constexpr std::size_t kMostArrivedBytes = 512 << 10;
constexpr long kReceiveBufferBytes = 512 << 10;
constexpr long kMostKeptConnections = 64;

// One request and its answer: shared by the thread that moves the bytes and the coroutine that
// waits for them, and gone with the last of the two.
struct Exchange {
  Exchange(Runtime& given_runtime, HttpRequest given)
      : runtime(given_runtime), request(std::move(given)), changed(given_runtime) {}

  Runtime& runtime;
  HttpRequest request;
  Descriptor upload;  // a copy: the caller may close its own as soon as it has given up
  std::string endpoint;
  Notify changed;  // loop thread

  // The curl thread's.
  CURL* easy = nullptr;
  curl_slist* headers = nullptr;
  std::array<char, CURL_ERROR_SIZE> error_text{};
  Clock::time_point last_activity{};
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  bool has_news = false;

  std::mutex mutex;
  // Under the mutex.
  int status = 0;
  Headers answer_headers;
  bool head_is_there = false;
  Bytes arrived;
  bool is_paused = false;
  bool resume_is_ordered = false;
  bool reader_waits = false;
  std::optional<Result<void>> ended;

  std::uint64_t body_size() const {
    return upload.get() >= 0 ? request.upload_bytes : request.body.size();
  }
};

using ExchangePtr = std::shared_ptr<Exchange>;

// Tells the reader, if it waits, that there is something to see. From the curl thread.
void tell_reader(const ExchangePtr& exchange) {
  {
    const std::lock_guard lock(exchange->mutex);
    if (!std::exchange(exchange->reader_waits, false)) return;
  }
  exchange->runtime.post([exchange] { exchange->changed.notify_one(); });
}

std::size_t on_header(char* data, std::size_t size, std::size_t count, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  exchange.last_activity = Clock::now();
  std::string_view line(data, size * count);
  while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
  const std::lock_guard lock(exchange.mutex);
  if (exchange.head_is_there) return size * count;  // a trailer
  if (line.starts_with("HTTP/")) {
    exchange.answer_headers.clear();
    exchange.status = 0;
    const auto space = line.find(' ');
    if (space != std::string_view::npos) {
      for (const char digit : line.substr(space + 1, 3)) {
        if (digit >= '0' && digit <= '9') exchange.status = exchange.status * 10 + (digit - '0');
      }
    }
  } else if (line.empty()) {
    if (exchange.status >= 200) {
      exchange.head_is_there = true;
      exchange.has_news = true;
    }
  } else if (const auto colon = line.find(':'); colon != std::string_view::npos) {
    const auto value = line.substr(colon + 1);
    const auto first = value.find_first_not_of(" \t");
    const auto last = value.find_last_not_of(" \t");
    exchange.answer_headers.emplace_back(
        line.substr(0, colon),
        first == std::string_view::npos ? "" : value.substr(first, last - first + 1));
  }
  return size * count;
}

std::size_t on_body(char* data, std::size_t size, std::size_t count, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  const auto length = size * count;
  exchange.last_activity = Clock::now();
  const std::lock_guard lock(exchange.mutex);
  auto& arrived = exchange.arrived;
  if (!arrived.empty() && arrived.size() + length > kMostArrivedBytes) {
    exchange.is_paused = true;
    return CURL_WRITEFUNC_PAUSE;
  }
  if (arrived.size() + length > arrived.capacity()) {
    // A little body takes little; one that goes on gets its whole room at once.
    arrived.reserve(arrived.empty() ? length : kMostArrivedBytes);
  }
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  arrived.insert(arrived.end(), bytes, bytes + length);
  exchange.bytes_received += length;
  exchange.has_news = true;
  return length;
}

std::size_t on_upload(char* buffer, std::size_t size, std::size_t count, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  exchange.last_activity = Clock::now();
  const auto wanted =
      std::min<std::uint64_t>(size * count, exchange.body_size() - exchange.bytes_sent);
  if (wanted == 0) return 0;
  if (exchange.upload.get() < 0) {
    std::memcpy(buffer, exchange.request.body.data() + exchange.bytes_sent, wanted);
    exchange.bytes_sent += wanted;
    return wanted;
  }
  ssize_t got = 0;
  do {
    got = ::pread(exchange.upload.get(), buffer, wanted,
                  static_cast<off_t>(exchange.request.upload_offset + exchange.bytes_sent));
  } while (got < 0 && errno == EINTR);
  if (got <= 0) return CURL_READFUNC_ABORT;  // unreadable, or shorter than was said
  exchange.bytes_sent += static_cast<std::uint64_t>(got);
  return static_cast<std::size_t>(got);
}

// curl goes back when a kept connection turns out to be dead and the request is sent anew.
int on_seek(void* user, curl_off_t offset, int origin) {
  auto& exchange = *static_cast<Exchange*>(user);
  if (origin != SEEK_SET || offset < 0) return CURL_SEEKFUNC_CANTSEEK;
  exchange.bytes_sent = static_cast<std::uint64_t>(offset);
  return CURL_SEEKFUNC_OK;
}

// "127.0.0.1:25503", for messages; an error unless it is a URL that we speak.
Result<std::string> endpoint_of(const std::string& url) {
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> parsed(curl_url(), curl_url_cleanup);
  const auto part = [&parsed](CURLUPart which) -> std::optional<std::string> {
    char* text = nullptr;
    if (curl_url_get(parsed.get(), which, &text, CURLU_DEFAULT_PORT) != CURLUE_OK) {
      return std::nullopt;
    }
    std::string copy(text);
    curl_free(text);
    return copy;
  };
  if (curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) {
    return fail(ErrorCode::invalid_request, fmt::format("'{}' is no URL", url));
  }
  const auto scheme = part(CURLUPART_SCHEME);
  if (scheme != "http" && scheme != "https") {
    return fail(ErrorCode::invalid_request,
                fmt::format("'{}' begins neither with http:// nor with https://", url));
  }
  return part(CURLUPART_HOST).value_or("") + ":" + part(CURLUPART_PORT).value_or("");
}

std::string in_words(std::chrono::milliseconds time) {
  return time.count() % 1000 == 0 ? fmt::format("{} s", time.count() / 1000)
                                  : fmt::format("{} ms", time.count());
}

// What curl says of a TLS connection that did not come about, without the names of OpenSSL's
// insides.
Error tls_error(const std::string& endpoint, CURLcode code, std::string_view detail) {
  constexpr std::string_view kProblem = "SSL certificate problem: ";
  constexpr std::string_view kRoutines = "SSL routines::";
  if (code == CURLE_PEER_FAILED_VERIFICATION) {
    if (detail.starts_with(kProblem)) detail.remove_prefix(kProblem.size());
    if (detail.starts_with("SSL: ")) detail.remove_prefix(5);
    return {ErrorCode::upstream_unavailable,
            fmt::format("the certificate of {} is not trusted: {}", endpoint, detail)};
  }
  if (detail.contains("wrong version number") || detail.contains("packet length too long") ||
      detail.contains("record layer failure")) {
    return {ErrorCode::upstream_unavailable,
            fmt::format("{} does not speak TLS: is it http:// rather than https://?", endpoint)};
  }
  if (const auto at = detail.find(kRoutines); at != std::string_view::npos) {
    detail.remove_prefix(at + kRoutines.size());
  }
  return {ErrorCode::upstream_unavailable,
          fmt::format("no TLS connection to {}: {}", endpoint, detail)};
}

// What went wrong, for the person on call.
Error error_of(const Exchange& exchange, CURLcode code) {
  const auto& endpoint = exchange.endpoint;
  long system_error = 0;
  curl_easy_getinfo(exchange.easy, CURLINFO_OS_ERRNO, &system_error);
  const std::string_view detail =
      exchange.error_text[0] != '\0' ? exchange.error_text.data() : curl_easy_strerror(code);
  const auto received = exchange.bytes_received;
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
      return {ErrorCode::upstream_unavailable,
              fmt::format("the name of {} is not known", endpoint)};
    case CURLE_COULDNT_CONNECT:
      if (system_error == ECONNREFUSED) {
        return {ErrorCode::upstream_unavailable,
                fmt::format("nobody listens on {} (connection refused)", endpoint)};
      }
      return {ErrorCode::upstream_unavailable,
              fmt::format("cannot connect to {}: {}", endpoint, detail)};
    case CURLE_OPERATION_TIMEDOUT:
      return {ErrorCode::upstream_unavailable,
              fmt::format("{} did not take the connection within {}", endpoint,
                          in_words(exchange.request.connect_timeout))};
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR: return tls_error(endpoint, code, detail);
    case CURLE_GOT_NOTHING:
      return {ErrorCode::upstream_failed,
              fmt::format("{} closed the connection without an answer", endpoint)};
    case CURLE_PARTIAL_FILE: {
      curl_off_t promised = -1;
      curl_easy_getinfo(exchange.easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &promised);
      const auto of = promised >= 0 ? fmt::format(" of {}", promised) : std::string{};
      return {ErrorCode::upstream_failed,
              fmt::format("{} closed the connection in the middle of its answer, after {}{} bytes",
                          endpoint, received, of)};
    }
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
      return {ErrorCode::upstream_failed,
              received == 0
                  ? fmt::format("the connection to {} broke: {}", endpoint, detail)
                  : fmt::format("the connection to {} broke after {} bytes of the answer: {}",
                                endpoint, received, detail)};
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
      return {ErrorCode::upstream_failed,
              fmt::format("{} answered with what is not HTTP/1.1: {}", endpoint, detail)};
    case CURLE_ABORTED_BY_CALLBACK:
      return {ErrorCode::internal,
              fmt::format("the file to send to {} cannot be read or is shorter than {} bytes",
                          endpoint, exchange.request.upload_bytes)};
    default:
      return {ErrorCode::upstream_failed,
              fmt::format("the exchange with {} failed: {}", endpoint, detail)};
  }
}

class CurlClient final : public HttpClient {
 public:
  CurlClient(Runtime& runtime, CURLM* multi, HttpClientOptions options)
      : runtime_(runtime), multi_(multi), options_(std::move(options)) {
    thread_ = std::thread([this] { move_bytes(); });
  }
  CurlClient(const CurlClient&) = delete;
  CurlClient& operator=(const CurlClient&) = delete;

  ~CurlClient() override {
    {
      const std::lock_guard lock(mutex_);
      quits_ = true;
    }
    curl_multi_wakeup(multi_);
    thread_.join();
    curl_multi_cleanup(multi_);
  }

  Task<Result<std::unique_ptr<HttpResponse>>> send(HttpRequest request,
                                                   std::stop_token stop) override;

  enum class Order : std::uint8_t { begin, resume, abort };

  // From the loop thread.
  void order(Order what, ExchangePtr exchange) {
    bool is_first = false;
    {
      const std::lock_guard lock(mutex_);
      is_first = orders_.empty();
      orders_.emplace_back(what, std::move(exchange));
    }
    if (is_first) curl_multi_wakeup(multi_);
  }

 private:
  // The rest runs on the thread of its own.
  void move_bytes();
  bool take_orders();
  void begin(const ExchangePtr& exchange);
  void set_up(Exchange& exchange);
  void end(CURL* easy, std::optional<Result<void>> outcome);
  void end_finished();
  void end_idle();
  int milliseconds_to_next_timeout() const;

  Runtime& runtime_;
  CURLM* multi_;
  const HttpClientOptions options_;
  std::mutex mutex_;
  std::vector<std::pair<Order, ExchangePtr>> orders_;
  bool quits_ = false;
  std::unordered_map<CURL*, ExchangePtr> active_;
  std::thread thread_;
};

void CurlClient::move_bytes() {
  // OpenSSL writes without MSG_NOSIGNAL; a peer that is gone is an error here, not a signal.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  while (take_orders()) {
    int running = 0;
    curl_multi_perform(multi_, &running);
    end_finished();
    end_idle();
    // Once a round, and not for each 16 KiB that curl hands over.
    for (auto& [easy, exchange] : active_) {
      if (std::exchange(exchange->has_news, false)) tell_reader(exchange);
    }
    curl_multi_poll(multi_, nullptr, 0, milliseconds_to_next_timeout(), nullptr);
  }
  while (!active_.empty()) {
    end(active_.begin()->first, fail(ErrorCode::cancelled, "the HTTP client was closed"));
  }
}

bool CurlClient::take_orders() {
  std::vector<std::pair<Order, ExchangePtr>> orders;
  {
    const std::lock_guard lock(mutex_);
    if (quits_) return false;
    orders.swap(orders_);
  }
  for (auto& [what, exchange] : orders) {
    switch (what) {
      case Order::begin: begin(exchange); break;
      case Order::resume:
        if (exchange->easy == nullptr) break;
        exchange->last_activity = Clock::now();
        {
          const std::lock_guard lock(exchange->mutex);
          exchange->is_paused = exchange->resume_is_ordered = false;
        }
        curl_easy_pause(exchange->easy, CURLPAUSE_CONT);
        break;
      case Order::abort:
        if (exchange->easy != nullptr) {
          end(exchange->easy, fail(ErrorCode::cancelled, "the answer was dropped"));
        }
        break;
    }
  }
  return true;
}

void CurlClient::begin(const ExchangePtr& exchange) {
  exchange->easy = curl_easy_init();
  if (exchange->easy == nullptr) throw std::bad_alloc();
  exchange->last_activity = Clock::now();
  set_up(*exchange);
  active_.emplace(exchange->easy, exchange);
  curl_multi_add_handle(multi_, exchange->easy);
}

void CurlClient::set_up(Exchange& exchange) {
  auto* easy = exchange.easy;
  const auto& request = exchange.request;
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, exchange.error_text.data());
  curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  if (!options_.ca_file.empty()) {
    curl_easy_setopt(easy, CURLOPT_CAINFO, options_.ca_file.c_str());
    curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr);
  }
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  // An exchange that is given up does not wait for the resolver's thread.
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
  curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, kReceiveBufferBytes);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(request.connect_timeout.count()));
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, &exchange);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &exchange);
  if (request.coding == ContentCoding::gzip)
    curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");

  const auto& method = request.method;
  const bool has_body = exchange.body_size() != 0 || method == "POST" || method == "PUT" ||
                        method == "PATCH" || exchange.upload.get() >= 0;
  if (has_body) {
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(exchange.body_size()));
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_upload);
    curl_easy_setopt(easy, CURLOPT_READDATA, &exchange);
    curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
    curl_easy_setopt(easy, CURLOPT_SEEKDATA, &exchange);
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, kReceiveBufferBytes);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method.c_str());
  } else if (method == "HEAD") {
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  } else if (method != "GET") {
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method.c_str());
  }

  for (const auto& [name, value] : request.headers) {
    // curl's own way to say a header without a value is "Name;".
    const auto line = value.empty() ? name + ";" : fmt::format("{}: {}", name, value);
    exchange.headers = curl_slist_append(exchange.headers, line.c_str());
  }
  // Without this curl asks before it sends a large body, and waits a second for the answer.
  exchange.headers = curl_slist_append(exchange.headers, "Expect:");
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, exchange.headers);
}

// Without an outcome: as curl says that it ended.
void CurlClient::end(CURL* easy, std::optional<Result<void>> outcome) {
  const auto found = active_.find(easy);
  const auto exchange = found->second;
  active_.erase(found);
  curl_multi_remove_handle(multi_, easy);
  curl_easy_cleanup(easy);
  curl_slist_free_all(exchange->headers);
  exchange->easy = nullptr;
  {
    const std::lock_guard lock(exchange->mutex);
    exchange->ended = std::move(outcome);
  }
  tell_reader(exchange);
}

void CurlClient::end_finished() {
  int left = 0;
  while (const auto* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    auto* easy = message->easy_handle;
    const auto code = message->data.result;
    Result<void> outcome;
    if (code != CURLE_OK) outcome = std::unexpected(error_of(*active_.at(easy), code));
    end(easy, std::move(outcome));
  }
}

void CurlClient::end_idle() {
  const auto now = Clock::now();
  std::vector<ExchangePtr> idle;
  for (const auto& [easy, exchange] : active_) {
    if (now - exchange->last_activity < exchange->request.idle_timeout) continue;
    const std::lock_guard lock(exchange->mutex);
    if (!exchange->is_paused) idle.push_back(exchange);  // silence of our own making does not count
  }
  for (const auto& exchange : idle) {
    end(exchange->easy,
        fail(ErrorCode::timeout,
             fmt::format("{} said nothing for {}, after {} bytes of the answer", exchange->endpoint,
                         in_words(exchange->request.idle_timeout), exchange->bytes_received)));
  }
}

int CurlClient::milliseconds_to_next_timeout() const {
  auto next = std::chrono::milliseconds(60'000);
  const auto now = Clock::now();
  for (const auto& [easy, exchange] : active_) {
    const auto left = exchange->last_activity + exchange->request.idle_timeout - now;
    const auto rounded = std::chrono::ceil<std::chrono::milliseconds>(left);
    // One that is paused past its time is looked at again every second.
    next = std::min(next, rounded.count() > 0 ? rounded : std::chrono::milliseconds(1000));
  }
  return static_cast<int>(next.count());
}

class CurlResponse final : public HttpResponse {
 public:
  CurlResponse(CurlClient& client, ExchangePtr exchange, std::stop_token stop)
      : client_(client), exchange_(std::move(exchange)), stop_(std::move(stop)) {
    const std::lock_guard lock(exchange_->mutex);
    status_ = exchange_->status;
    headers_ = exchange_->answer_headers;
  }
  CurlResponse(const CurlResponse&) = delete;
  CurlResponse& operator=(const CurlResponse&) = delete;
  ~CurlResponse() override {
    if (!has_ended_) client_.order(CurlClient::Order::abort, exchange_);
  }

  int status() const override { return status_; }

  std::optional<std::string> header(std::string_view name) const override {
    for (const auto& [candidate, value] : headers_) {
      if (equal_ignoring_case(candidate, name)) return value;
    }
    return std::nullopt;
  }

  Task<Result<Bytes>> next() override {
    while (true) {
      if (stop_.stop_requested()) co_return cancelled();
      bool resume = false;
      Bytes bytes;
      {
        const std::lock_guard lock(exchange_->mutex);
        if (!exchange_->arrived.empty()) {
          bytes.swap(exchange_->arrived);
          resume = exchange_->is_paused && !std::exchange(exchange_->resume_is_ordered, true);
        } else if (exchange_->ended) {
          has_ended_ = true;
          if (!exchange_->ended->has_value()) {
            co_return std::unexpected(exchange_->ended->error());
          }
          co_return Bytes{};
        } else {
          exchange_->reader_waits = true;
        }
      }
      if (!bytes.empty()) {
        if (resume) client_.order(CurlClient::Order::resume, exchange_);
        co_return std::move(bytes);
      }
      if (co_await exchange_->changed.wait(stop_) == Woken::stopped) co_return cancelled();
    }
  }

 private:
  std::unexpected<Error> cancelled() const {
    return fail(ErrorCode::cancelled,
                fmt::format("stopped while reading the answer of {}", exchange_->endpoint));
  }

  CurlClient& client_;
  ExchangePtr exchange_;
  std::stop_token stop_;
  int status_ = 0;
  Headers headers_;
  bool has_ended_ = false;
};

Task<Result<std::unique_ptr<HttpResponse>>> CurlClient::send(HttpRequest request,
                                                             std::stop_token stop) {
  const auto exchange = std::make_shared<Exchange>(runtime_, std::move(request));
  BETEDGE_CO_TRY(exchange->endpoint, endpoint_of(exchange->request.url));
  if (stop.stop_requested()) {
    co_return fail(ErrorCode::cancelled,
                   fmt::format("stopped before a request to {}", exchange->endpoint));
  }
  if (exchange->request.upload_fd >= 0) {
    const int copy = ::fcntl(exchange->request.upload_fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) {
      co_return fail(ErrorCode::internal, fmt::format("cannot copy the descriptor of a file: {}",
                                                      std::generic_category().message(errno)));
    }
    exchange->upload = Descriptor(copy);
  }
  exchange->reader_waits = true;
  order(Order::begin, exchange);
  while (true) {
    if (co_await exchange->changed.wait(stop) == Woken::stopped) {
      order(Order::abort, exchange);
      co_return fail(ErrorCode::cancelled,
                     fmt::format("stopped while waiting for an answer of {}", exchange->endpoint));
    }
    const std::lock_guard lock(exchange->mutex);
    if (exchange->head_is_there) break;
    if (exchange->ended) {
      if (!exchange->ended->has_value()) co_return std::unexpected(exchange->ended->error());
      // curl takes a head that is cut short for an answer.
      co_return fail(ErrorCode::upstream_failed,
                     fmt::format("{} closed the connection in the middle of an answer's head",
                                 exchange->endpoint));
    }
    exchange->reader_waits = true;
  }
  co_return std::make_unique<CurlResponse>(*this, exchange, std::move(stop));
}

// Here and not at the first request, where curl says of a bad file only that it is bad.
Result<void> check_ca_file(const std::string& file) {
  errno = 0;
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new_file(file.c_str(), "r"), BIO_free);
  if (!bio) {
    return fail(ErrorCode::invalid_request,
                fmt::format("the file of certificate authorities {} cannot be read: {}", file,
                            errno != 0 ? std::strerror(errno) : "unknown reason"));
  }
  const std::unique_ptr<X509, decltype(&X509_free)> first(
      PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), X509_free);
  if (!first) {
    return fail(ErrorCode::invalid_request,
                fmt::format("the file of certificate authorities {} has no certificate in PEM form "
                            "(-----BEGIN CERTIFICATE-----)",
                            file));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<HttpClient>> make_http_client(Runtime& runtime, HttpClientOptions options) {
  if (!options.ca_file.empty()) BETEDGE_TRY_VOID(check_ca_file(options.ca_file));
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (started != CURLE_OK) {
    return fail(ErrorCode::internal,
                fmt::format("libcurl does not start: {}", curl_easy_strerror(started)));
  }
  auto* multi = curl_multi_init();
  if (multi == nullptr) return fail(ErrorCode::internal, "libcurl does not start");
  curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, kMostKeptConnections);
  return std::make_unique<CurlClient>(runtime, multi, std::move(options));
}

Task<Result<std::string>> read_all(std::unique_ptr<HttpResponse> response,
                                   std::size_t limit_bytes) {
  std::string body;
  while (true) {
    BETEDGE_CO_TRY(const auto bytes, co_await response->next());
    if (bytes.empty()) co_return body;
    if (bytes.size() > limit_bytes - body.size()) {
      co_return fail(ErrorCode::upstream_garbled,
                     fmt::format("the answer is longer than {} bytes", limit_bytes));
    }
    body += as_text(bytes);
  }
}

}  // namespace betedge::net
