#include "betedge/app/metered.hpp"

#include <chrono>
#include <utility>

#include "betedge/core/dataset.hpp"

namespace betedge::app {

namespace {

using Seconds = std::chrono::duration<double>;

// One call of the upstream, from the wish to its end; said once.
class Measured {
 public:
  Measured(Runtime& runtime, Metrics& metrics, std::string upstream, std::string_view endpoint)
      : runtime_(runtime),
        metrics_(metrics),
        upstream_(std::move(upstream)),
        endpoint_(endpoint),
        began_(runtime.steady_now()) {}
  Measured(const Measured&) = delete;
  Measured& operator=(const Measured&) = delete;
  ~Measured() { end(to_text(ErrorCode::cancelled)); }

  void end(std::string_view outcome) {
    if (std::exchange(is_over_, true)) return;
    metrics_.histogram(Metric::upstream_request_seconds, {upstream_, endpoint_, outcome})
        .observe(Seconds(runtime_.steady_now() - began_).count());
  }

 private:
  Runtime& runtime_;
  Metrics& metrics_;
  std::string upstream_;
  std::string_view endpoint_;
  SteadyTime began_;
  bool is_over_ = false;
};

class MeteredAnswer final : public Answer {
 public:
  MeteredAnswer(std::unique_ptr<Answer> answer, std::unique_ptr<Measured> call, Counter& bytes)
      : answer_(std::move(answer)), call_(std::move(call)), bytes_(bytes) {}

  WireFormat format() const override { return answer_->format(); }

  Task<Result<std::optional<Chunk>>> next() override {
    auto next = co_await answer_->next();
    if (!next) {
      call_->end(to_text(next.error().code));
    } else if (!*next) {
      call_->end("ok");
    } else {
      bytes_.add(static_cast<double>((*next)->bytes.size()));
    }
    co_return next;
  }

 private:
  std::unique_ptr<Answer> answer_;
  std::unique_ptr<Measured> call_;
  Counter& bytes_;
};

class MeteredSource final : public Source {
 public:
  MeteredSource(Source& source, Runtime& runtime, Metrics& metrics, std::string upstream)
      : source_(source),
        runtime_(runtime),
        metrics_(metrics),
        upstream_(std::move(upstream)),
        bytes_(metrics.counter(Metric::bytes, {"downloaded"})) {}

  Task<Result<std::optional<std::unique_ptr<Answer>>>> open(Call call,
                                                            std::stop_token stop) override {
    auto measured = std::make_unique<Measured>(runtime_, metrics_, upstream_,
                                               dataset_of(call.kind, call.schema));
    auto opened = co_await source_.open(std::move(call), std::move(stop));
    if (!opened) {
      measured->end(to_text(opened.error().code));
      co_return std::unexpected(std::move(opened).error());
    }
    if (!*opened) {
      measured->end("no_data");
      co_return std::nullopt;
    }
    std::unique_ptr<Answer> answer =
        std::make_unique<MeteredAnswer>(std::move(**opened), std::move(measured), bytes_);
    co_return std::optional(std::move(answer));
  }

  std::optional<std::string> refusal(const Call& call) const override {
    return source_.refusal(call);
  }
  bool takes_spans(const Call& call) const override { return source_.takes_spans(call); }
  std::string version() const override { return source_.version(); }

  Task<Result<std::optional<std::vector<Date>>>> expirations(Call call,
                                                             std::stop_token stop) override {
    Measured measured(runtime_, metrics_, upstream_, "expirations");
    auto listed = co_await source_.expirations(std::move(call), std::move(stop));
    measured.end(listed ? "ok" : to_text(listed.error().code));
    co_return listed;
  }

  Task<Result<void>> probe(std::stop_token stop) override {
    Measured measured(runtime_, metrics_, upstream_, "probe");
    auto answered = co_await source_.probe(std::move(stop));
    measured.end(answered ? "ok" : to_text(answered.error().code));
    co_return answered;
  }

 private:
  Source& source_;
  Runtime& runtime_;
  Metrics& metrics_;
  std::string upstream_;
  Counter& bytes_;
};

class MeteredWriter final : public ObjectWriter {
 public:
  MeteredWriter(std::unique_ptr<ObjectWriter> writer, Runtime& runtime, Metrics& metrics,
                std::string backend, Seconds so_far)
      : writer_(std::move(writer)),
        runtime_(runtime),
        metrics_(metrics),
        backend_(std::move(backend)),
        took_(so_far) {}

  Task<Result<void>> write(Bytes bytes) override {
    const auto size = bytes.size();
    const auto began = runtime_.steady_now();
    auto written = co_await writer_->write(std::move(bytes));
    took_ += runtime_.steady_now() - began;
    size_bytes_ += size;
    if (!written) say(to_text(written.error().code));
    co_return written;
  }

  Task<Result<void>> commit() override {
    const auto began = runtime_.steady_now();
    auto committed = co_await writer_->commit();
    took_ += runtime_.steady_now() - began;
    if (committed) {
      say("ok");
      metrics_.counter(Metric::bytes, {"written"}).add(static_cast<double>(size_bytes_));
    } else {
      say(to_text(committed.error().code));
    }
    co_return committed;
  }

 private:
  void say(std::string_view outcome) {
    metrics_.histogram(Metric::storage_put_seconds, {backend_, outcome}).observe(took_.count());
  }

  std::unique_ptr<ObjectWriter> writer_;
  Runtime& runtime_;
  Metrics& metrics_;
  std::string backend_;
  Seconds took_;
  std::size_t size_bytes_ = 0;
};

class MeteredLake final : public ObjectStore {
 public:
  MeteredLake(std::unique_ptr<ObjectStore> lake, Runtime& runtime, Metrics& metrics,
              std::string_view backend)
      : lake_(std::move(lake)), runtime_(runtime), metrics_(metrics), backend_(backend) {
    metrics.counter(Metric::bytes, {"written"});
    for (const auto outcome :
         {std::string_view("ok"), to_text(ErrorCode::storage_failed),
          to_text(ErrorCode::storage_full), to_text(ErrorCode::storage_denied)})
      metrics.histogram(Metric::storage_put_seconds, {backend_, outcome});
  }

  Task<Result<std::optional<ObjectInfo>>> stat(ObjectKey key) override {
    return lake_->stat(std::move(key));
  }

  Task<Result<std::unique_ptr<ObjectWriter>>> create(ObjectKey key, Expected expected) override {
    const auto began = runtime_.steady_now();
    auto created = co_await lake_->create(std::move(key), std::move(expected));
    const Seconds took = runtime_.steady_now() - began;
    if (!created) {
      metrics_.histogram(Metric::storage_put_seconds, {backend_, to_text(created.error().code)})
          .observe(took.count());
      co_return std::unexpected(std::move(created).error());
    }
    std::unique_ptr<ObjectWriter> writer =
        std::make_unique<MeteredWriter>(*std::move(created), runtime_, metrics_, backend_, took);
    co_return std::move(writer);
  }

  Task<Result<Bytes>> read(ObjectKey key, std::uint64_t offset, std::size_t length) override {
    return lake_->read(std::move(key), offset, length);
  }

  Task<Result<ObjectPage>> list(std::string prefix, std::string after, std::size_t limit) override {
    return lake_->list(std::move(prefix), std::move(after), limit);
  }
  bool publishes_conditionally() const override { return lake_->publishes_conditionally(); }

  std::string name() const override { return lake_->name(); }

 private:
  std::unique_ptr<ObjectStore> lake_;
  Runtime& runtime_;
  Metrics& metrics_;
  std::string backend_;
};

}  // namespace

std::unique_ptr<Source> make_metered_source(Source& source, Runtime& runtime, Metrics& metrics,
                                            std::string upstream) {
  return std::make_unique<MeteredSource>(source, runtime, metrics, std::move(upstream));
}

std::unique_ptr<ObjectStore> make_metered_lake(std::unique_ptr<ObjectStore> lake, Runtime& runtime,
                                               Metrics& metrics, std::string_view backend) {
  return std::make_unique<MeteredLake>(std::move(lake), runtime, metrics, backend);
}

}  // namespace betedge::app
