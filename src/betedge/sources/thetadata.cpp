#include "betedge/sources/thetadata.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <utility>
#include <variant>
#include <vector>

namespace betedge::sources {

namespace {

constexpr std::size_t kLongestErrorBody = 16 << 10;
constexpr std::size_t kLongestList = 4 << 20;
// A terminal's status is a word out of its memory.
constexpr std::chrono::milliseconds kStatusPatience{10'000};
// After so many of its drops between which other calls were answered, a call is its own reason.
constexpr int kDropsByItself = 3;
// And after so many in any case: nobody else may be there to be answered.
constexpr int kMostDrops = 40;

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

// What a failure on the way, of a call that had begun, was: the error itself, or
// upstream_unavailable when the terminal is no longer there. Of the source, which outlives its
// answers.
using Explain = std::function<Task<Error>(Error, std::stop_token)>;

class ThetaAnswer final : public Answer {
 public:
  ThetaAnswer(Explain explain, net::HttpClient& client, net::Limiter::Slot slot,
              std::string base_url, WireFormat format, std::chrono::milliseconds connect_timeout,
              std::chrono::milliseconds idle_timeout, std::unique_ptr<net::HttpResponse> response,
              std::stop_token stop)
      : explain_(std::move(explain)),
        client_(client),
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
      auto came = co_await response_->next();
      if (!came) {
        response_.reset();  // its connection is of no use to the terminal any more
        co_return std::unexpected(co_await explain_(std::move(came).error(), stop_));
      }
      auto bytes = *std::move(came);
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
    auto sent = co_await client_.send(std::move(request), stop_);
    if (!sent) co_return std::unexpected(co_await explain_(std::move(sent).error(), stop_));
    auto response = *std::move(sent);
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

  Explain explain_;
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
    // The underlying's call is the second of its object: a chain that waited for it behind the
    // chains of others would be downloaded for nothing whenever the terminal throttles in between.
    const auto turn =
        call.role == Role::underlying ? net::Limiter::Turn::first : net::Limiter::Turn::last;
    BETEDGE_CO_TRY(auto slot, co_await limiter_.acquire(stop, turn));
    if (!backend_) BETEDGE_CO_TRY_VOID(co_await find_backend(stop));
    const auto backend = *backend_;  // another call may forget it while this one waits
    if (const auto why = refusal_by(call, backend.version)) {
      co_return fail(ErrorCode::upstream_refused, *why);
    }
    if (is_chain_span(call) && backend.version == ThetaVersion::v2) {
      co_return fail(ErrorCode::upstream_refused, "a v2 terminal takes a chain day by day");
    }
    const auto target = request_target(call, backend.version, options_.v2_form);
    auto sent = co_await client_.send(request_for(backend, target), stop);
    if (!sent) co_return std::unexpected(co_await why_unanswered(target, sent.error(), stop));
    ++answered_;
    drops_.erase(target);
    auto response = *std::move(sent);
    if (response->status() == 200) {
      Explain explain = [this](Error error, std::stop_token asked) {
        return explained(std::move(error), std::move(asked));
      };
      co_return std::make_unique<ThetaAnswer>(std::move(explain), client_, std::move(slot),
                                              backend.base_url, wire_format(backend.version),
                                              options_.connect_timeout, options_.idle_timeout,
                                              std::move(response), std::move(stop));
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
    auto sent = co_await client_.send(std::move(request), stop);
    if (!sent) co_return std::unexpected(co_await explained(sent.error(), stop));
    auto response = *std::move(sent);
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

  // A failure of transport asks whether the terminal is there at all: if it is not, it is the
  // terminal that failed and not the call. With the caller's slot held.
  Task<Error> explained(Error error, std::stop_token stop) {
    if (error.code == ErrorCode::upstream_unavailable) {
      forget_backend();
      co_return error;
    }
    if (error.code != ErrorCode::upstream_failed && error.code != ErrorCode::timeout)
      co_return error;
    const auto found = co_await find_backend(std::move(stop));
    if (found || found.error().code == ErrorCode::cancelled) co_return error;
    co_return Error{
        ErrorCode::upstream_unavailable, error.message + "; " + found.error().message, {}};
  }

  // Why a call had no answer. A terminal that is there and drops connections without a word has
  // more of them than it takes (THETA.md 1.8, JettyRateLimiter): that is throttling, and no fault
  // of the call, unless the call is dropped again and again while others are answered.
  Task<Error> why_unanswered(std::string target, Error error, std::stop_token stop) {
    auto why = co_await explained(std::move(error), std::move(stop));
    if (why.code != ErrorCode::upstream_failed) co_return why;
    auto& drops = drops_[target];
    ++drops.in_a_row;
    if (drops.in_a_row == 1 || drops.answered_before != answered_) ++drops.between_answers;
    drops.answered_before = answered_;
    if (drops.between_answers >= kDropsByItself || drops.in_a_row >= kMostDrops) co_return why;
    why.code = ErrorCode::upstream_throttled;
    why.message += ", though the terminal is there: it has more to do than it takes";
    co_return why;
  }

  // Asks each possible terminal for its status. Whoever answers CONNECTED is the backend. With the
  // caller's slot held.
  Task<Result<void>> find_backend(std::stop_token stop) {
    std::string silent, not_ready;
    const auto add = [](std::string& list, const Backend& backend, std::string_view why) {
      if (!list.empty()) list += "; ";
      list += fmt::format("{} at {}: {}", name_of(backend.version), backend.base_url, why);
    };
    for (const auto& candidate : candidates()) {
      auto request = request_for(candidate, std::string(status_target(candidate.version)));
      request.idle_timeout = std::min(request.idle_timeout, kStatusPatience);
      auto sent = co_await client_.send(std::move(request), stop);
      const auto status = sent ? (*sent)->status() : 0;
      auto body = sent ? co_await net::read_all(*std::move(sent), kLongestErrorBody)
                       : Result<std::string>(std::unexpected(std::move(sent).error()));
      if (!body) {
        if (body.error().code == ErrorCode::cancelled) co_return std::unexpected(body.error());
        add(silent, candidate, body.error().message);
        continue;
      }
      if (status == 200 && body->starts_with("CONNECTED")) {
        backend_ = candidate;
        co_return Result<void>{};
      }
      add(not_ready, candidate, why_not_ready(status, *body));
    }
    forget_backend();
    drops_.clear();
    co_return fail(ErrorCode::upstream_unavailable,
                   not_ready.empty() ? "no terminal answers: " + silent
                                     : "the terminal is not ready: " + not_ready);
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
  std::uint64_t answered_ = 0;
  // Of a call that was dropped without an answer and has had none since.
  struct Drops {
    int in_a_row = 0;
    int between_answers = 0;  // of these, not counting those without another's answer between
    std::uint64_t answered_before = 0;
  };
  std::map<std::string, Drops> drops_;  // by target; forgotten with the terminal
};

}  // namespace

std::unique_ptr<Source> make_thetadata_source(net::HttpClient& client, net::Limiter& limiter,
                                              ThetaOptions options) {
  return std::make_unique<ThetaSource>(client, limiter, std::move(options));
}

}  // namespace betedge::sources
