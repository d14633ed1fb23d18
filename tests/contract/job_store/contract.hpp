#pragma once

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "betedge/ports/async.hpp"
#include "betedge/ports/job_store.hpp"
#include "support/virtual_runtime.hpp"

namespace betedge::testing {

// A store under test and the world it lives in.
class StoreWorld {
 public:
  virtual ~StoreWorld() = default;
  virtual Runtime& runtime() = 0;
  virtual JobStore& store() = 0;
  // Runs the task to its end.
  virtual void run(Task<void> task) = 0;
  // Lets so much of the store's time go by.
  virtual void pass(std::chrono::milliseconds time) = 0;
};

// How to make one. A backend is added by one INSTANTIATE_TEST_SUITE_P of the contract's two suites.
struct Backend {
  std::string name;
  std::function<std::unique_ptr<StoreWorld>(std::uint64_t seed)> open;
};
inline void PrintTo(const Backend& backend, std::ostream* out) {
  *out << backend.name;
}

template <class T>
Task<void> keep_value(Task<T> task, std::optional<T>& value) {
  auto owned = std::move(task);
  value.emplace(co_await std::move(owned));
}

// What the task comes to.
template <class T>
T value_of(StoreWorld& world, Task<T> task) {
  std::optional<T> value;
  world.run(keep_value(std::move(task), value));
  return *std::move(value);
}

inline JobId job_id(std::uint64_t number) {
  return JobId::make(Timestamp(std::chrono::milliseconds(1'700'000'000'000 + number)),
                     {number, number});
}

inline ObjectKey key_of(std::uint64_t job, std::size_t seq) {
  return ObjectKey::parse("lake/" + std::to_string(job) + "/" + std::to_string(seq)).value();
}

// A job whose items are called "0", "1", … after their place.
inline NewJob new_job(std::uint64_t number, std::size_t items) {
  NewJob job;
  job.job_id = job_id(number);
  job.created_at = Timestamp(std::chrono::seconds(1'700'000'000 + number));
  job.request_json = R"({"n":)" + std::to_string(number) + "}";
  for (std::size_t seq = 0; seq < items; ++seq)
    job.fetches.push_back(
        {key_of(number, seq), std::to_string(seq), R"({"seq":)" + std::to_string(seq) + "}"});
  return job;
}

inline FetchOutcome ended(ItemState state, std::string error = "") {
  FetchOutcome outcome;
  outcome.state = state;
  outcome.error = std::move(error);
  if (state == ItemState::succeeded) {
    outcome.rows = 10;
    outcome.bytes = 1000;
    outcome.sha256 = "5ead";
  }
  return outcome;
}

// A job that needs objects of job 1 too.
inline NewJob sharing_job(std::uint64_t number, std::vector<std::size_t> seqs) {
  auto job = new_job(number, 0);
  const auto first = new_job(1, 10);
  for (const auto seq : seqs) job.fetches.push_back(first.fetches.at(seq));
  return job;
}

inline std::vector<std::uint32_t> places(const std::vector<ClaimedFetch>& claims) {
  std::vector<std::uint32_t> seqs;
  for (const auto& claim : claims) seqs.push_back(claim.seq);
  return seqs;
}

inline std::vector<JobId> jobs_of(const std::vector<ClaimedFetch>& claims) {
  std::vector<JobId> jobs;
  for (const auto& claim : claims) jobs.push_back(claim.job_id);
  return jobs;
}

inline std::vector<ObjectKey> keys_of(const std::vector<ClaimedFetch>& claims) {
  std::vector<ObjectKey> keys;
  for (const auto& claim : claims) keys.push_back(claim.key);
  return keys;
}

inline std::vector<JobId> ids_of(const std::vector<JobInfo>& jobs) {
  std::vector<JobId> ids;
  for (const auto& job : jobs) ids.push_back(job.job_id);
  return ids;
}

template <class T>
ErrorCode code_of(const Result<T>& result) {
  EXPECT_FALSE(result.has_value());
  return result ? ErrorCode::internal : result.error().code;
}

class JobStoreContract : public ::testing::TestWithParam<Backend> {
 protected:
  static constexpr std::chrono::milliseconds kLease{60'000};

  JobStoreContract() : world_(GetParam().open(1)) {}

  JobStore& store() { return world_->store(); }
  template <class T>
  T get(Task<T> task) {
    return value_of(*world_, std::move(task));
  }
  JobInfo create(std::uint64_t number, std::size_t items) {
    return get(store().create_job(new_job(number, items))).value().job;
  }
  JobStore::Claims claims(std::size_t max) {
    return get(store().claim("thetadata", max, "test", kLease)).value();
  }
  std::vector<ClaimedFetch> claim(std::size_t max) { return claims(max).fetches; }
  ClaimedFetch claim_one() { return claim(1).at(0); }
  // Of a fetch that one job alone needs.
  static Result<JobInfo> only(Result<std::vector<JobInfo>> jobs) {
    if (!jobs) return std::unexpected(std::move(jobs).error());
    EXPECT_EQ(jobs->size(), 1u);
    return jobs->at(0);
  }
  Result<JobInfo> complete(const ClaimedFetch& claim, FetchOutcome outcome) {
    return only(get(store().complete(claim.fetch, claim.fence, std::move(outcome))));
  }
  JobInfo job(std::uint64_t number) { return get(store().get_job(job_id(number))).value().value(); }
  std::vector<ItemRecord> items(std::uint64_t number) {
    return get(store().list_items(job_id(number), {.state = {}, .limit = 100'000})).value().items;
  }
  std::vector<KnownKey> known(const std::string& prefix = "") {
    return get(store().list_known(prefix, "", 1000)).value().keys;
  }
  std::vector<std::string> known_keys(const std::string& prefix) {
    std::vector<std::string> keys;
    for (const auto& one : known(prefix)) keys.push_back(one.key.text());
    return keys;
  }
  std::optional<ObjectRecord> find(const ObjectKey& key) {
    return get(store().find_object(key)).value();
  }
  void record(ObjectRecord object) { get(store().record_object(std::move(object))).value(); }

  std::unique_ptr<StoreWorld> world_;
};

class JobStoreHistory : public ::testing::TestWithParam<Backend> {};

}  // namespace betedge::testing
