#include <algorithm>
#include <utility>

#include "betedge/sim/simulator_impl.hpp"

namespace betedge::sim {

namespace {

// Of a body's pieces: the last one is small, because the call counts as over when it is handed out.
// A client that has the last byte may at once send its next call, which must not find this one
// still in service.
constexpr std::size_t kPieceBytes = 1 << 20;
constexpr std::size_t kLastPieceBytes = 64 << 10;

}  // namespace

ServerResponse Simulator::Impl::deliver(std::shared_ptr<Exchange> exchange,
                                        std::vector<SharedBytes> parts, net::Headers headers,
                                        Delivery delivery) {
  const auto stream = std::make_shared<Stream>(Stream{.sim = *this,
                                                      .exchange = std::move(exchange),
                                                      .parts = std::move(parts),
                                                      .delivery = delivery,
                                                      .total = 0,
                                                      .sent = 0,
                                                      .part = 0,
                                                      .offset = 0,
                                                      .began = runtime.steady_now()});
  for (const auto& part : stream->parts) stream->total += part.bytes.size();
  if (stream->delivery.end_at == 0) stream->delivery.end_at = stream->total / 2;
  ServerResponse response;
  response.headers = std::move(headers);
  response.content_length = stream->total;
  response.next = [stream] { return next_piece(stream); };
  return response;
}

Task<Result<SharedBytes>> Simulator::Impl::next_piece(std::shared_ptr<Stream> stream) {
  auto& exchange = *stream->exchange;
  const auto& delivery = stream->delivery;
  const auto cut = [&] {
    return fail(ErrorCode::cancelled, "the simulator ends this answer here");
  };
  if (stream->sent == stream->total) co_return SharedBytes{};
  if (exchange.is_cut()) co_return cut();

  auto most = stream->total - stream->sent;
  if (delivery.end != BodyEnd::whole) {
    if (stream->sent >= delivery.end_at) {
      if (delivery.end == BodyEnd::early_close) co_return SharedBytes{};
      if (delivery.end == BodyEnd::stall) {
        exchange.leave();
        co_await sleep_for(stream->sim.runtime, kLongestStall, exchange.stop_token());
      }
      co_return cut();
    }
    most = delivery.end_at - stream->sent;
  }
  if (delivery.bytes_per_second != 0) {
    // Fifty pieces a second, each when its turn has come.
    most = std::min(most, std::max<std::uint64_t>(1, delivery.bytes_per_second / 50));
    const auto due = stream->began + std::chrono::nanoseconds(static_cast<std::int64_t>(
                                         1e9 * static_cast<double>(stream->sent) /
                                         static_cast<double>(delivery.bytes_per_second)));
    const auto now = stream->sim.runtime.steady_now();
    if (due > now && !co_await sleep_for(stream->sim.runtime, due - now, exchange.stop_token())) {
      co_return cut();
    }
  }
  while (stream->offset == stream->parts[stream->part].bytes.size()) {
    ++stream->part;
    stream->offset = 0;
  }
  const auto& part = stream->parts[stream->part];
  const auto left = part.bytes.size() - stream->offset;
  auto size = std::min<std::uint64_t>({left, most, kPieceBytes});
  const auto left_of_all = stream->total - stream->sent;
  if (left_of_all > kLastPieceBytes && left_of_all - size < kLastPieceBytes) {
    size = std::min(size, left_of_all - kLastPieceBytes);
  }
  const SharedBytes piece{part.owner, part.bytes.subspan(stream->offset, size)};
  stream->offset += size;
  stream->sent += size;
  stream->sim.body_bytes += size;
  if (stream->sent == stream->total) exchange.end("200");
  co_return piece;
}

}  // namespace betedge::sim
