#include <algorithm>
#include <utility>

#include "betedge/sim/body_faults.hpp"
#include "betedge/sim/simulator_impl.hpp"

namespace betedge::sim {

namespace {

constexpr std::string_view kBlockedPage =
    "<HTML><HEAD>\n<TITLE>Access Denied</TITLE>\n</HEAD><BODY>\n<H1>Access Denied</H1>\nYou don't "
    "have permission to access this server.\n</BODY>\n</HTML>\n";

EarningsShape shape_of(const FaultBook::Chosen& chosen) {
  for (const auto& shape : chosen.shapes) {
    if (shape.kind == FaultKind::twins) return EarningsShape::twins;
    if (shape.kind == FaultKind::doubled) return EarningsShape::doubled;
  }
  if (!chosen.exchange) return EarningsShape::plain;
  switch (chosen.exchange->kind) {
    case FaultKind::truncate: return EarningsShape::half;
    case FaultKind::wrong_header: return EarningsShape::wrong_header;
    case FaultKind::columns: return EarningsShape::columns;
    case FaultKind::header_only: return EarningsShape::no_rows;
    case FaultKind::no_data_200: return EarningsShape::no_data;
    case FaultKind::status:
    case FaultKind::drop:
    case FaultKind::hang:
    case FaultKind::reset:
    case FaultKind::close_early:
    case FaultKind::stall:
    case FaultKind::slow:
    case FaultKind::cut_row:
    case FaultKind::empty:
    case FaultKind::html:
    case FaultKind::doubled:
    case FaultKind::twins:
    case FaultKind::conflict:
    case FaultKind::gap:
    case FaultKind::midnight:
    case FaultKind::scales:
    case FaultKind::zeros: return EarningsShape::plain;
  }
  return EarningsShape::plain;
}

// "2024-01-02" and nothing else.
std::optional<Date> parse_iso_day(std::string_view text) {
  std::string digits(text);
  std::erase(digits, '-');
  const auto day = parse_yyyymmdd(digits);
  if (!day || to_iso_text(*day) != text) return std::nullopt;
  return day;
}

}  // namespace

std::string Simulator::Impl::earnings_of(Date day, EarningsShape shape) const {
  if (earnings_replay) {
    if (const auto* const recorded = earnings_replay->body(day)) return *recorded;
    // As on a day on which nobody reports.
    if (!options.replay_falls_back) {
      return R"({"data":{"asOf":null,"headers":null,"rows":null},"message":null,)"
             R"("status":{"rCode":200,"bCodeMessage":null,"developerMessage":null}})";
    }
  }
  return earnings_body(options.market.seed, day, today(), shape);
}

Task<ServerResponse> Simulator::Impl::handle_earnings(ServerRequest request) {
  if (request.method != "GET" && request.method != "HEAD") {
    co_return answer(405, "text/plain", "GET only\n");
  }
  auto key = canonical_call(request.path, request.query);
  ++calls;
  const auto record = record_of(key);
  ++record->calls;
  const auto exchange = std::make_shared<Exchange>(*this, record, request.gone);
  const auto end = [&](int status, std::string_view type, std::string body) {
    exchange->end(std::to_string(status));
    return answer(status, type, std::move(body));
  };
  // Its edge serves browsers only (THETA.md 4).
  if (!request.header("User-Agent").value_or("").starts_with("Mozilla/")) {
    co_return end(403, "text/html", std::string(kBlockedPage));
  }
  const auto day = parse_iso_day(request.parameter("date").value_or(""));
  if (!day) co_return end(400, "text/plain", "date=YYYY-MM-DD is needed\n");
  if (options.latency.count() > 0 &&
      !co_await sleep_for(runtime, options.latency, exchange->stop_token())) {
    co_return dropped(*exchange);
  }
  const auto chosen = faults.choose(
      {.api = 0,  // neither v2 nor v3
       .kind = Kind::earnings,
       .schema = Schema::eod,
       .symbol = {},
       .dates = {*day, *day},
       .key = key,
       .page = 1,
       .since_start = std::chrono::duration_cast<milliseconds>(runtime.steady_now() - began)});
  Delivery delivery{.bytes_per_second = options.bytes_per_second};
  bool cuts_row = false;
  if (chosen.exchange) {
    const auto& fault = *chosen.exchange;
    switch (fault.kind) {
      case FaultKind::status: {
        auto response = fault.status == 403
                            ? end(403, "text/html", std::string(kBlockedPage))
                            : end(fault.status, "text/plain",
                                  std::string(status_text(fault.status, /*is_v3=*/true)));
        const auto seconds = fault.argument != 0
                                 ? std::optional(std::chrono::seconds(fault.argument))
                                 : options.retry_after;
        if (fault.status == 429 && seconds) {
          response.headers.emplace_back("Retry-After", std::to_string(seconds->count()));
        }
        co_return response;
      }
      case FaultKind::drop: co_return dropped(*exchange);
      case FaultKind::hang:
        co_await sleep_for(runtime, kLongestStall, exchange->stop_token());
        co_return dropped(*exchange);
      case FaultKind::empty: co_return end(200, "application/json", "");
      case FaultKind::html: co_return end(200, "text/html", std::string(kWebPage));
      case FaultKind::reset:
        delivery.end = BodyEnd::reset;
        delivery.end_at = fault.argument;
        break;
      case FaultKind::close_early:
        delivery.end = BodyEnd::early_close;
        delivery.end_at = fault.argument;
        break;
      case FaultKind::stall:
        delivery.end = BodyEnd::stall;
        delivery.end_at = fault.argument;
        break;
      case FaultKind::slow:
        delivery.bytes_per_second = fault.argument == 0 ? kTrickle : fault.argument;
        break;
      case FaultKind::cut_row: cuts_row = true; break;
      case FaultKind::truncate:
      case FaultKind::wrong_header:
      case FaultKind::columns:
      case FaultKind::header_only:
      case FaultKind::no_data_200:
      case FaultKind::doubled:
      case FaultKind::conflict:
      case FaultKind::twins:
      case FaultKind::gap:
      case FaultKind::midnight:
      case FaultKind::scales:
      case FaultKind::zeros: break;  // of the rows, if anything
    }
  }
  auto body = earnings_of(*day, shape_of(chosen));
  if (cuts_row) body.resize(body.size() / 2);
  net::Headers headers{{"Server", "Kestrel"},
                       {"Content-Type", "application/json; charset=utf-8"},
                       {"Cache-Control", "no-store"}};
  if (request.header("Accept-Encoding").value_or("").contains("gzip")) {
    headers.emplace_back("Content-Encoding", "gzip");
    body = gzipped(body);
  }
  std::vector<SharedBytes> parts;
  parts.push_back(SharedBytes::of(std::move(body)));
  co_return deliver(exchange, std::move(parts), std::move(headers), delivery);
}

}  // namespace betedge::sim
