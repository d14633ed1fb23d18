#include "betedge/sources/thetadata.hpp"

#include <fmt/format.h>

#include <utility>
#include <variant>
#include <vector>

namespace betedge::sources {

namespace {

constexpr std::size_t kLongestErrorBody = 16 << 10;
constexpr std::size_t kLongestList = 4 << 20;

struct Backend {
  ThetaVersion version;
  std::string base_url;
};

// Of all contracts, over more than one day: not served everywhere (THETA.md 1.9).
bool is_chain_span(const Call& call) {
  return call.kind == Kind::option && !call.expiration && call.dates.first != call.dates.last;
}

std::string_view name_of(ThetaVersion version) {
  return version == ThetaVersion::v3 ? "v3" : "v2";
}

// What an exchange whose status is not 200 means, its body read.
Task<std::variant<NoData, Error>> read_meaning(std::unique_ptr<net::HttpResponse> response) {
  const auto status = response->status();
  const auto retry_after = response->header("Retry-After").value_or("");
  auto body = co_await net::read_all(std::move(response), kLongestErrorBody);
  // The status decides; a text that cannot be read does not change it.
  const auto text = body.has_value() ? *std::move(body) : std::string();
  co_return meaning_of(status, text, retry_after);
}

class ThetaAnswer final : public Answer {
 public:
  ThetaAnswer(net::HttpClient& client, net::Limiter::Slot slot, std::string base_url,
              WireFormat format, std::chrono::milliseconds connect_timeout,
              std::chrono::milliseconds idle_timeout, std::unique_ptr<net::HttpResponse> response,
              std::stop_token stop)
      : client_(client),
        slot_(std::move(slot)),
        base_url_(std::move(base_url)),
        format_(format),
        connect_timeout_(connect_timeout),
        idle_timeout_(idle_timeout),
        response_(std::move(response)),
        stop_(std::move(stop)) {}

  WireFormat format() const override { return format_; }

  Task<Result<std::optional<Chunk>>> next() override {
    while (response_) {
      BETEDGE_CO_TRY(auto bytes, co_await response_->next());
      if (!bytes.empty()) {
        if (format_ == WireFormat::v2_json) BETEDGE_CO_TRY_VOID(look_for_next_page(bytes));
        co_return Chunk{std::move(bytes), std::exchange(begins_document_, false)};
      }
      if (begins_document_) {
        co_return fail(ErrorCode::upstream_garbled, "the terminal answered 200 with an empty body");
      }
      BETEDGE_CO_TRY_VOID(co_await turn_page());
    }
    slot_ = {};
    co_return std::nullopt;
  }

 private:
  // v2 JSON names its next page in the document's header.
  Result<void> look_for_next_page(ByteView bytes) {
    if (next_page_in_body_) return {};
    beginning_ += as_text(bytes);
    BETEDGE_TRY(next_page_in_body_, next_page_of_json(beginning_));
    return {};
  }

  // The document is over: on to the next one, or to the end.
  Task<Result<void>> turn_page() {
    auto named = response_->header("Next-Page");
    if (format_ == WireFormat::v2_json && (!named || *named == "null")) named = next_page_in_body_;
    response_.reset();
    if (format_ == WireFormat::v3_csv) co_return Result<void>{};  // v3 has no pages
    BETEDGE_CO_TRY(const auto target, page_target(named));
    if (!target) co_return Result<void>{};

    net::HttpRequest request;
    request.url = base_url_ + *target;
    request.connect_timeout = connect_timeout_;
    request.idle_timeout = idle_timeout_;
    BETEDGE_CO_TRY(auto response, co_await client_.send(std::move(request), stop_));
    if (response->status() != 200) {
      auto meaning = co_await read_meaning(std::move(response));
      if (std::holds_alternative<NoData>(meaning)) {
        co_return fail(ErrorCode::upstream_garbled, "the terminal says of a next page: no data");
      }
      co_return fail_while("next page", std::get<Error>(std::move(meaning)));
    }
    response_ = std::move(response);
    begins_document_ = true;
    beginning_.clear();
    next_page_in_body_.reset();
    co_return Result<void>{};
  }

  net::HttpClient& client_;
  net::Limiter::Slot slot_;
  std::string base_url_;
  WireFormat format_;
  std::chrono::milliseconds connect_timeout_;
  std::chrono::milliseconds idle_timeout_;
  std::unique_ptr<net::HttpResponse> response_;
  std::stop_token stop_;
  bool begins_document_ = true;
  std::string beginning_;
  std::optional<std::string> next_page_in_body_;
};

class ThetaSource final : public Source {
 public:
  ThetaSource(net::HttpClient& client, net::Limiter& limiter, ThetaOptions options)
      : client_(client), limiter_(limiter), options_(std::move(options)) {
    if (options_.base_url) options_.base_url = base_of(*options_.base_url);
  }

  Task<Result<std::optional<std::unique_ptr<Answer>>>> open(Call call,
                                                            std::stop_token stop) override {
    BETEDGE_CO_TRY(auto slot, co_await limiter_.acquire(stop));
    if (!backend_) BETEDGE_CO_TRY_VOID(co_await find_backend(stop));
    const auto backend = *backend_;  // another call may forget it while this one waits
    if (const auto why = refusal_by(call, backend.version)) {
      co_return fail(ErrorCode::upstream_refused, *why);
    }
    if (is_chain_span(call) && backend.version == ThetaVersion::v2) {
      co_return fail(ErrorCode::upstream_refused, "a v2 terminal takes a chain day by day");
    }
    auto request = request_for(backend, request_target(call, backend.version, options_.v2_form));
    auto sent = co_await client_.send(std::move(request), stop);
    if (!sent) {
      if (sent.error().code == ErrorCode::upstream_unavailable) forget_backend();
      co_return std::unexpected(std::move(sent).error());
    }
    auto response = *std::move(sent);
    if (response->status() == 200) {
      co_return std::make_unique<ThetaAnswer>(
          client_, std::move(slot), backend.base_url, wire_format(backend.version),
          options_.connect_timeout, options_.idle_timeout, std::move(response), std::move(stop));
    }
    const auto status = response->status();
    // 410: the terminal has become v3; 404: perhaps it has gone back. The next call asks anew.
    if (status == 404 || status == 410) forget_backend();
    if (is_chain_span(call) && (status == 400 || status == 473 || status == 570))
      refuses_chain_spans_ = true;
    auto meaning = co_await read_meaning(std::move(response));
    if (std::holds_alternative<NoData>(meaning)) co_return std::nullopt;
    co_return std::unexpected(std::get<Error>(std::move(meaning)));
  }

  // Intraday chains are never tried: one day may be hundreds of megabytes as it is.
  bool takes_spans(const Call& call) const override {
    if (call.kind != Kind::option || call.expiration) return true;
    const auto version = backend_ ? std::optional(backend_->version) : options_.api;
    return call.schema == Schema::eod && version != ThetaVersion::v2 && !refuses_chain_spans_;
  }

  Task<Result<std::optional<std::vector<Date>>>> expirations(Call call,
                                                             std::stop_token stop) override {
    BETEDGE_CO_TRY(const auto slot, co_await limiter_.acquire(stop));
    if (!backend_) BETEDGE_CO_TRY_VOID(co_await find_backend(stop));
    const auto backend = *backend_;
    auto request = request_for(backend, expirations_target(call.root, backend.version));
    BETEDGE_CO_TRY(auto response, co_await client_.send(std::move(request), stop));
    if (response->status() != 200) {
      auto meaning = co_await read_meaning(std::move(response));
      if (std::holds_alternative<NoData>(meaning)) co_return std::vector<Date>{};
      co_return fail_while("list of expirations", std::get<Error>(std::move(meaning)));
    }
    BETEDGE_CO_TRY(const auto body, co_await net::read_all(std::move(response), kLongestList));
    co_return expirations_of(body, backend.version);
  }

  std::optional<std::string> refusal(const Call& call) const override {
    if (backend_) return refusal_by(call, backend_->version);
    return options_.api ? refusal_by(call, *options_.api) : std::nullopt;
  }

  std::string version() const override {
    return backend_ ? std::string(name_of(backend_->version)) : std::string();
  }

  Task<Result<void>> probe(std::stop_token stop) override {
    BETEDGE_CO_TRY(const auto slot, co_await limiter_.acquire(stop));
    co_return co_await find_backend(stop);
  }

 private:
  static std::optional<std::string> refusal_by(const Call& call, ThetaVersion version) {
    if (version == ThetaVersion::v2 || call.schema == Schema::eod || v3_interval(call.interval)) {
      return std::nullopt;
    }
    return fmt::format("a v3 terminal does not serve an interval of {}; it serves {}",
                       interval_label(call.interval), v3_intervals());
  }

  std::vector<Backend> candidates() const {
    std::vector<Backend> found;
    for (const auto version : {ThetaVersion::v3, ThetaVersion::v2}) {
      if (options_.api && *options_.api != version) continue;
      const auto* const own =
          version == ThetaVersion::v3 ? "http://127.0.0.1:25503" : "http://127.0.0.1:25510";
      found.push_back({version, options_.base_url.value_or(own)});
    }
    return found;
  }

  // Asks each possible terminal for its status. Whoever answers CONNECTED is the backend. With the
  // caller's slot held.
  Task<Result<void>> find_backend(std::stop_token stop) {
    std::string why;
    for (const auto& candidate : candidates()) {
      auto request = request_for(candidate, std::string(status_target(candidate.version)));
      auto sent = co_await client_.send(std::move(request), stop);
      auto text = std::string();
      if (sent) {
        const auto status = (*sent)->status();
        auto body = co_await net::read_all(*std::move(sent), kLongestErrorBody);
        if (status == 200 && body && body->starts_with("CONNECTED")) {
          backend_ = candidate;
          co_return Result<void>{};
        }
        if (!body) {
          if (body.error().code == ErrorCode::cancelled) co_return std::unexpected(body.error());
          text = body.error().message;
        } else {
          text =
              fmt::format("status {} '{}'", status, body->substr(0, body->find_first_of("\r\n")));
        }
      } else {
        if (sent.error().code == ErrorCode::cancelled) co_return std::unexpected(sent.error());
        text = sent.error().message;
      }
      if (!why.empty()) why += "; ";
      why += fmt::format("{} at {}: {}", name_of(candidate.version), candidate.base_url, text);
    }
    forget_backend();
    co_return fail(ErrorCode::upstream_unavailable, "no terminal answers: " + why);
  }

  void forget_backend() {
    backend_.reset();
    refuses_chain_spans_ = false;
  }

  net::HttpRequest request_for(const Backend& backend, std::string target) const {
    net::HttpRequest request;
    request.url = backend.base_url + std::move(target);
    request.connect_timeout = options_.connect_timeout;
    request.idle_timeout = options_.idle_timeout;
    return request;
  }

  WireFormat wire_format(ThetaVersion version) const {
    if (version == ThetaVersion::v3) return WireFormat::v3_csv;
    return options_.v2_form == V2Form::csv ? WireFormat::v2_csv : WireFormat::v2_json;
  }

  net::HttpClient& client_;
  net::Limiter& limiter_;
  ThetaOptions options_;
  std::optional<Backend> backend_;
  bool refuses_chain_spans_ = false;
};

}  // namespace

std::unique_ptr<Source> make_thetadata_source(net::HttpClient& client, net::Limiter& limiter,
                                              ThetaOptions options) {
  return std::make_unique<ThetaSource>(client, limiter, std::move(options));
}

}  // namespace betedge::sources
