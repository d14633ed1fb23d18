#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <utility>

#include "betedge/sim/body_faults.hpp"
#include "betedge/sim/mix.hpp"
#include "betedge/sim/simulator_impl.hpp"

namespace betedge::sim {

Task<std::optional<ServerResponse>> Simulator::Impl::enter(std::shared_ptr<Exchange> exchange,
                                                           bool is_v3) {
  if (gate_.in_use() >= gate_.limit() && gate_.waiting() >= options.queue) {
    exchange->end("429");
    co_return throttled(is_v3);
  }
  auto slot = co_await gate_.acquire(exchange->stop_token());
  if (!slot || exchange->is_cut()) co_return dropped(*exchange);
  exchange->take(*std::move(slot));
  if (options.latency.count() > 0 &&
      !co_await sleep_for(runtime, options.latency, exchange->stop_token())) {
    co_return dropped(*exchange);
  }
  if (auto refused = refusal_of_state(is_v3)) {
    exchange->end(refused->drop_connection ? "dropped" : std::to_string(refused->status));
    co_return refused;
  }
  co_return std::nullopt;
}

Task<ServerResponse> Simulator::Impl::handle_data(ServerRequest request, Door door, DataCall call,
                                                  std::string key) {
  const bool is_v3 = door == Door::v3;
  const auto exchange = std::make_shared<Exchange>(*this, record_of(key), request.gone);
  if (auto refused = refusal_of_state(is_v3)) {
    exchange->end(refused->drop_connection ? "dropped" : std::to_string(refused->status));
    co_return *std::move(refused);
  }
  auto refused = co_await enter(exchange, is_v3);
  if (refused) co_return *std::move(refused);

  const auto& query = call.query;
  const auto chosen = faults.choose(
      {.api = is_v3 ? 3 : 2,
       .kind = query.kind,
       .schema = query.schema,
       .symbol = query.symbol,
       .dates = query.dates,
       .key = key,
       .page = 1,
       .since_start = std::chrono::duration_cast<milliseconds>(runtime.steady_now() - began)});
  if (chosen.exchange) {
    const auto& fault = *chosen.exchange;
    if (fault.kind == FaultKind::status) {
      auto response = ended(*exchange, fault.status, is_v3);
      if (fault.status == 429 && fault.argument != 0) {
        response.headers.emplace_back("Retry-After", std::to_string(fault.argument));
      }
      co_return response;
    }
    if (fault.kind == FaultKind::drop) co_return dropped(*exchange);
    if (fault.kind == FaultKind::hang) {
      exchange->leave();  // a client that has left should not keep others waiting
      co_await sleep_for(runtime, kLongestStall, exchange->stop_token());
      co_return dropped(*exchange);
    }
    if (fault.kind == FaultKind::empty || fault.kind == FaultKind::html ||
        fault.kind == FaultKind::no_data_200) {
      exchange->end("200");
      if (fault.kind == FaultKind::empty) co_return answer(200, "text/csv", "");
      if (fault.kind == FaultKind::html) co_return answer(200, "text/html", std::string(kWebPage));
      co_return answer(200, "text/plain", std::string(status_text(472, is_v3)));
    }
  }

  auto how = options.render;
  for (const auto& shape : chosen.shapes) {
    using Doubled = RenderOptions::Doubled;
    if (shape.kind == FaultKind::twins) how.twins = true;
    if (shape.kind == FaultKind::zeros) {
      how.zero_bars = true;
      if (shape.argument != 0) how.zero_days.push_back(static_cast<std::uint32_t>(shape.argument));
    }
    if (shape.kind == FaultKind::midnight) how.midnight = true;
    if (shape.kind == FaultKind::scales) how.mixed_scales = true;
    if (shape.kind == FaultKind::gap && shape.argument == 0) how.no_mondays = true;
    if (shape.kind == FaultKind::gap && shape.argument != 0) {
      how.missing_days.push_back(static_cast<std::uint32_t>(shape.argument));
    }
    const bool doubles = shape.kind == FaultKind::doubled || shape.kind == FaultKind::conflict;
    if (doubles && query.kind == Kind::option && query.schema == Schema::eod) {
      how.doubled = shape.apart ? Doubled::apart : Doubled::side_by_side;
      how.second_differs = shape.kind == FaultKind::conflict;
    }
  }
  const auto last_day = std::min(today() - std::chrono::days{1}, query.dates.last);
  const auto cache_key =
      fmt::format("{}/{}/{}/{}", to_text(call.form), query.key(), how.key(), to_yyyymmdd(last_day));
  BodyCache::Make make = [this, call, how, last_day, falls_back = options.replay_falls_back] {
    return rendered(call, how, last_day, falls_back);
  };
  auto body = co_await cache.get(cache_key, std::move(make));
  if (!body) {
    exchange->end("572");
    co_return answer(572, "text/plain", body.error().message);
  }
  if ((*body)->rows == 0) co_return ended(*exchange, 472, is_v3);
  if (options.too_large != 0 && (*body)->rows > options.too_large) {
    co_return ended(*exchange, 570, is_v3);
  }
  if (exchange->is_cut()) co_return dropped(*exchange);
  co_return page_answer(exchange, *std::move(body), std::move(call), std::move(key), 0,
                        chosen.exchange);
}

Result<Rendered> Simulator::Impl::rendered(const DataCall& call, const RenderOptions& how,
                                           Date last_day, bool falls_back) const {
  try {
    if (replay) {
      BETEDGE_TRY(auto recorded, render(*replay, call.query, call.form, how));
      if (recorded.rows != 0 || !falls_back) return recorded;
    }
    auto query = call.query;
    query.dates.last = last_day;
    if (query.dates.last < query.dates.first) return Rendered{};
    return render(market, query, call.form, how);
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::internal, "the simulator has no memory for this answer");
  }
}

Task<ServerResponse> Simulator::Impl::handle_page(ServerRequest request, std::uint64_t number) {
  if (auto refused = refusal_of_state(false)) co_return *std::move(refused);
  auto found = pages.extract(number);
  if (found.empty()) co_return answer(477, "text/plain", std::string(status_text(477, false)));
  auto page = std::move(found.mapped());
  const auto record = record_of(page.key);
  ++record->pages;
  const auto exchange = std::make_shared<Exchange>(*this, record, request.gone);
  auto refused = co_await enter(exchange, false);
  if (refused) co_return *std::move(refused);
  const auto& query = page.call.query;
  const auto chosen = faults.choose(
      {.api = 2,
       .kind = query.kind,
       .schema = query.schema,
       .symbol = query.symbol,
       .dates = query.dates,
       .key = page.key,
       .page = page.index + 1,
       .since_start = std::chrono::duration_cast<milliseconds>(runtime.steady_now() - began)});
  if (chosen.exchange && chosen.exchange->kind == FaultKind::status) {
    co_return ended(*exchange, chosen.exchange->status, false);
  }
  if (chosen.exchange && chosen.exchange->kind == FaultKind::drop) co_return dropped(*exchange);
  co_return page_answer(exchange, std::move(page.body), std::move(page.call), std::move(page.key),
                        page.index, chosen.exchange);
}

std::uint64_t Simulator::Impl::keep_page(WaitingPage page) {
  const auto now = runtime.steady_now();
  // THETA.md 1.7: only when many wait are the old ones dropped.
  if (pages.size() >= 2 * gate_.limit()) {
    std::erase_if(pages, [&](const auto& waiting) {
      return now - waiting.second.since > options.page_expire;
    });
  }
  page.since = now;
  // Global and not consecutive for one request.
  last_page += 1 + mix(options.market.seed, last_page) % 3;
  pages.emplace(last_page, std::move(page));
  return last_page;
}

ServerResponse Simulator::Impl::page_answer(std::shared_ptr<Exchange> exchange,
                                            BodyCache::Body body, DataCall call, std::string key,
                                            std::size_t index, const std::optional<Fault>& fault) {
  const auto form = call.form;
  const auto kind = call.query.kind;
  const auto schema = call.query.schema;
  net::Headers headers{{"Server", "Jetty(12.0.14)"},
                       {"Content-Type", form == Form::v2_json ? "application/json" : "text/csv"}};
  std::string next_page = "null";
  if (form != Form::v3_csv) {
    if (index + 1 < body->pages.size()) {
      const auto host =
          options.page_host.empty() ? fmt::format("127.0.0.1:{}", v2_port) : options.page_host;
      const auto number = keep_page({body, std::move(call), std::move(key), index + 1, {}});
      next_page = fmt::format("http://{}/v2/page/{}", host, number);
    }
    headers.emplace_back("Next-Page", next_page);
  }

  Delivery delivery{.bytes_per_second = options.bytes_per_second};
  auto header = form == Form::v2_json ? v2_json_header(kind, schema, next_page) : std::string();
  const auto page = body->page(index);
  std::optional<std::string> changed;
  if (fault) {
    switch (fault->kind) {
      case FaultKind::reset:
        delivery.end = BodyEnd::reset;
        delivery.end_at = fault->argument;
        break;
      case FaultKind::close_early:
        delivery.end = BodyEnd::early_close;
        delivery.end_at = fault->argument;
        break;
      case FaultKind::stall:
        delivery.end = BodyEnd::stall;
        delivery.end_at = fault->argument;
        break;
      case FaultKind::slow:
        delivery.bytes_per_second = fault->argument == 0 ? kTrickle : fault->argument;
        break;
      case FaultKind::truncate: changed = half_of_rows(page, form); break;
      case FaultKind::cut_row: changed = cut_in_a_row(page); break;
      case FaultKind::header_only: changed = without_rows(page, form); break;
      case FaultKind::wrong_header:
        if (form == Form::v2_json) {
          header = misnamed(header, form, schema);
        } else {
          changed = misnamed(page, form, schema);
        }
        break;
      case FaultKind::columns:
        if (form != Form::v2_json) changed = with_other_columns(page);
        break;
      case FaultKind::status:
      case FaultKind::drop:
      case FaultKind::hang:
      case FaultKind::empty:
      case FaultKind::html:
      case FaultKind::no_data_200:
      case FaultKind::doubled:
      case FaultKind::conflict:
      case FaultKind::twins:
      case FaultKind::zeros:
      case FaultKind::midnight:
      case FaultKind::scales:
      case FaultKind::gap: break;
    }
  }
  std::vector<SharedBytes> parts;
  if (!header.empty()) parts.push_back(SharedBytes::of(std::move(header)));
  if (changed) {
    parts.push_back(SharedBytes::of(*std::move(changed)));
  } else {
    parts.push_back({body, as_bytes(page)});
  }
  return deliver(std::move(exchange), std::move(parts), std::move(headers), delivery);
}

}  // namespace betedge::sim
