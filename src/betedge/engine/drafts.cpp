#include "betedge/engine/drafts.hpp"

#include <numeric>
#include <utility>
#include <variant>

#include "betedge/columnar/day_splitter.hpp"

namespace betedge::engine {

using columnar::DaySplitter;
using columnar::ObjectEncoder;

struct Drafts::Encoders {
  std::variant<std::unique_ptr<ObjectEncoder>, std::unique_ptr<DaySplitter>> either;

  // The two are fed alike.
  auto with(auto function) const {
    return std::visit([&](const auto& encoder) { return function(*encoder); }, either);
  }
  ObjectEncoder& of(std::size_t object) const {
    if (const auto* splitter = std::get_if<std::unique_ptr<DaySplitter>>(&either))
      return (*splitter)->of(object);
    return *std::get<std::unique_ptr<ObjectEncoder>>(either);
  }
  std::size_t memory_bytes() const {
    return with([](const auto& encoder) { return encoder.memory_bytes(); });
  }
};

Result<std::unique_ptr<Drafts>> Drafts::open(Runtime& runtime, ObjectStore& lake,
                                             MemoryBudget& memory, std::vector<Object> objects) {
  auto encoders = std::make_unique<Encoders>();
  if (objects.size() == 1) {
    BETEDGE_TRY(encoders->either, ObjectEncoder::open(objects.front().spec, /*threads=*/2));
  } else {
    std::vector<columnar::ObjectSpec> specs;
    for (const auto& object : objects) specs.push_back(object.spec);
    BETEDGE_TRY(encoders->either, DaySplitter::open(std::move(specs)));
  }
  return std::unique_ptr<Drafts>(
      new Drafts(runtime, lake, memory, std::move(objects), std::move(encoders)));
}

Drafts::Drafts(Runtime& runtime, ObjectStore& lake, MemoryBudget& memory,
               std::vector<Object> objects, std::unique_ptr<Encoders> encoders)
    : runtime_(runtime),
      lake_(lake),
      objects_(std::move(objects)),
      memory_(memory),
      encoders_(std::move(encoders)),
      writers_(objects_.size()) {}

Drafts::~Drafts() = default;

Task<bool> Drafts::admit(std::stop_token stop) {
  co_return co_await memory_.admit(std::move(stop));
}

Result<void> Drafts::begin_answer(const Call& call, WireFormat format) {
  return encoders_->with([&](auto& encoder) { return encoder.begin_answer(call, format); });
}

Task<Result<void>> Drafts::feed(Answer::Chunk chunk) {
  memory_.holds({.download = chunk.bytes.size(), .decode = encoders_->memory_bytes()});
  auto decode = [encoders = encoders_.get(), objects = objects_.size(),
                 chunk = std::move(chunk)]() -> Result<std::vector<Bytes>> {
    BETEDGE_TRY_VOID(encoders->with([&](auto& encoder) -> Result<void> {
      if (chunk.begins_document) BETEDGE_TRY_VOID(encoder.begin_document());
      return encoder.feed(chunk.bytes);
    }));
    std::vector<Bytes> outputs;
    for (std::size_t i = 0; i < objects; ++i) outputs.push_back(encoders->of(i).take_output());
    return outputs;
  };
  BETEDGE_CO_TRY(auto outputs, co_await run_blocking(runtime_, Pool::cpu, std::move(decode)));
  auto left = std::accumulate(outputs.begin(), outputs.end(), std::size_t{0},
                              [](auto sum, const Bytes& output) { return sum + output.size(); });
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i].empty()) continue;
    memory_.holds({.decode = encoders_->memory_bytes(), .encode = left});
    left -= outputs[i].size();
    BETEDGE_CO_TRY_VOID(co_await write(i, std::move(outputs[i])));
  }
  memory_.holds({.decode = encoders_->memory_bytes()});
  co_return Result<void>{};
}

Task<Result<void>> Drafts::end_answer() {
  auto end = [encoders = encoders_.get()] {
    return encoders->with([](auto& encoder) { return encoder.end_answer(); });
  };
  co_return co_await run_blocking(runtime_, Pool::cpu, std::move(end));
}

std::uint64_t Drafts::rows(std::size_t object) const {
  return encoders_->of(object).rows();
}

Task<Result<columnar::FileSummary>> Drafts::finish(std::size_t object) {
  auto end = [&encoder = encoders_->of(object)] {
    auto summary = encoder.finish();
    return std::pair(std::move(summary), encoder.take_output());
  };
  auto [summary, last_output] = co_await run_blocking(runtime_, Pool::cpu, std::move(end));
  if (!summary) co_return std::unexpected(std::move(summary).error());
  memory_.holds({.decode = encoders_->memory_bytes(), .encode = last_output.size()});
  BETEDGE_CO_TRY_VOID(co_await write(object, std::move(last_output)));
  memory_.holds({.decode = encoders_->memory_bytes()});
  co_return *std::move(summary);
}

Task<Result<void>> Drafts::publish(std::size_t object) {
  co_return co_await writers_[object]->commit();
}

Task<Result<void>> Drafts::write(std::size_t object, Bytes output) {
  if (output.empty()) co_return Result<void>{};
  auto& writer = writers_[object];
  if (!writer) {
    auto key = objects_[object].spec.key;
    auto expected = objects_[object].expected;
    BETEDGE_CO_TRY(writer, co_await lake_.create(std::move(key), std::move(expected)));
  }
  co_return co_await writer->write(std::move(output));
}

}  // namespace betedge::engine
