#include "betedge/sources/nasdaq.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "betedge/sources/answer_text.hpp"

namespace betedge::sources {

namespace {

constexpr std::size_t kLongestErrorBody = 16 << 10;
// A Sunday without reports: the smallest answer that there is.
constexpr auto kProbedDay = std::chrono::year{2023} / 11 / 26;

// Its edge lets browsers in, and nobody who says that he is none (THETA.md 4).
const net::Headers& browser_headers() {
  static const net::Headers kHeaders{
      {"User-Agent",
       "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
       "Chrome/126.0.0.0 Safari/537.36"},
      {"Accept", "application/json, text/plain, */*"},
      {"Accept-Language", "en-US,en;q=0.9"},
      {"Origin", "https://www.nasdaq.com"},
      {"Referer", "https://www.nasdaq.com/"},
      {"Sec-Fetch-Site", "same-site"},
      {"Sec-Fetch-Mode", "cors"},
      {"Sec-Fetch-Dest", "empty"}};
  return kHeaders;
}

std::chrono::milliseconds usual_pace(std::string_view base_url) {
  auto host = base_url.substr(std::min(base_url.find("://") + 3, base_url.size()));
  host = host.substr(0, host.find('/'));
  const bool is_here =
      host.starts_with("127.") || host.starts_with("localhost") || host.starts_with("[::1]");
  return std::chrono::milliseconds{is_here ? 0 : 500};
}

// What a status other than 200 means. Of a web page's text nothing is worth repeating.
Error meaning_of(int status, std::string_view body, std::string_view retry_after) {
  const auto words = body.contains('<') ? std::string() : first_line(body);
  const auto said = words.empty() ? std::string() : ": " + words;
  const auto error = [&](ErrorCode code, std::string_view what) {
    return Error{code, fmt::format("NASDAQ answered HTTP {}: {}{}", status, what, said),
                 retry_after_of(retry_after)};
  };
  if (status == 429) return error(ErrorCode::upstream_throttled, "too many requests");
  if (status == 403)
    return error(ErrorCode::upstream_failed,
                 "its edge blocks this address for now, which passes by itself; try again later or "
                 "from another network");
  if (status == 408 || status >= 500)
    return error(ErrorCode::upstream_failed, "it cannot serve this now");
  if (status >= 300 && status < 400)
    return error(ErrorCode::upstream_failed, "it sends us somewhere else instead of answering");
  return error(ErrorCode::upstream_refused,
               "it does not know this request; has its calendar moved?");
}

class NasdaqAnswer final : public Answer {
 public:
  NasdaqAnswer(net::Limiter::Slot slot, std::string what,
               std::unique_ptr<net::HttpResponse> response)
      : slot_(std::move(slot)), what_(std::move(what)), response_(std::move(response)) {}

  WireFormat format() const override { return WireFormat::nasdaq_json; }

  Task<Result<std::optional<Chunk>>> next() override {
    if (!response_) co_return std::nullopt;
    auto bytes = co_await response_->next();
    if (!bytes) co_return fail_while(what_, std::move(bytes).error());
    if (!bytes->empty()) co_return Chunk{*std::move(bytes), std::exchange(is_first_, false)};
    if (is_first_) {
      co_return fail(ErrorCode::upstream_garbled,
                     what_ + ": NASDAQ answered 200 with an empty body");
    }
    response_.reset();
    slot_ = {};
    co_return std::nullopt;
  }

 private:
  net::Limiter::Slot slot_;
  std::string what_;
  std::unique_ptr<net::HttpResponse> response_;
  bool is_first_ = true;
};

class NasdaqSource final : public Source {
 public:
  NasdaqSource(Runtime& runtime, net::HttpClient& client, net::Limiter& limiter,
               NasdaqOptions options)
      : runtime_(runtime), client_(client), limiter_(limiter), options_(std::move(options)) {
    while (options_.base_url.ends_with('/')) options_.base_url.pop_back();
    pace_ = options_.pace.value_or(usual_pace(options_.base_url));
  }

  Task<Result<std::optional<std::unique_ptr<Answer>>>> open(Call call,
                                                            std::stop_token stop) override {
    if (const auto why = refusal(call)) co_return fail(ErrorCode::upstream_refused, *why);
    const auto day = call.dates.first;
    const auto what = "earnings of " + to_iso_text(day);
    BETEDGE_CO_TRY(auto slot, co_await limiter_.acquire(stop));
    auto sent = co_await ask(day, stop);
    if (!sent) co_return fail_while(what, std::move(sent).error());
    auto response = *std::move(sent);
    const auto status = response->status();
    if (status == 200) {
      co_return std::make_unique<NasdaqAnswer>(std::move(slot), what, std::move(response));
    }
    const auto retry_after = response->header("Retry-After").value_or("");
    auto body = co_await net::read_all(std::move(response), kLongestErrorBody);
    // The status decides; a text that cannot be read does not change it.
    if (!body && body.error().code == ErrorCode::cancelled) co_return std::unexpected(body.error());
    co_return fail_while(what, meaning_of(status, body.value_or(""), retry_after));
  }

  std::optional<std::string> refusal(const Call& call) const override {
    if (call.kind != Kind::earnings)
      return fmt::format("NASDAQ's calendar has earnings, and no {} data", to_text(call.kind));
    if (call.dates.first != call.dates.last)
      return std::string("NASDAQ's calendar is asked for one day at a time");
    return std::nullopt;
  }

  // Whatever it answers, it is there: what a status means is the call's own matter.
  Task<Result<void>> probe(std::stop_token stop) override {
    BETEDGE_CO_TRY(const auto slot, co_await limiter_.acquire(stop));
    auto sent = co_await ask(Date(kProbedDay), stop);
    if (!sent) co_return std::unexpected(std::move(sent).error());
    co_return Result<void>{};
  }

 private:
  // When its turn has come; with the caller's slot held.
  Task<Result<std::unique_ptr<net::HttpResponse>>> ask(Date day, std::stop_token stop) {
    const auto now = runtime_.steady_now();
    const auto turn = std::max(now, next_turn_);
    const auto share = 0.5 + 1.5 * luck(runtime_);
    next_turn_ = turn + std::chrono::duration_cast<std::chrono::nanoseconds>(pace_ * share);
    if (turn > now && !co_await sleep_for(runtime_, turn - now, stop)) {
      co_return fail(ErrorCode::cancelled, "stopped while waiting for the next call's turn");
    }
    net::HttpRequest request;
    request.url =
        fmt::format("{}/api/calendar/earnings?date={}", options_.base_url, to_iso_text(day));
    request.headers = browser_headers();
    request.coding = net::ContentCoding::gzip;
    request.connect_timeout = options_.connect_timeout;
    request.idle_timeout = options_.idle_timeout;
    co_return co_await client_.send(std::move(request), stop);
  }

  Runtime& runtime_;
  net::HttpClient& client_;
  net::Limiter& limiter_;
  NasdaqOptions options_;
  std::chrono::milliseconds pace_{};
  SteadyTime next_turn_{};
};

}  // namespace

std::unique_ptr<Source> make_nasdaq_source(Runtime& runtime, net::HttpClient& client,
                                           net::Limiter& limiter, NasdaqOptions options) {
  return std::make_unique<NasdaqSource>(runtime, client, limiter, std::move(options));
}

}  // namespace betedge::sources
