// Random histories: whatever is asked of a store, in whatever order, its promises hold.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "contract/job_store/contract.hpp"

namespace betedge::testing {
namespace {

using namespace std::chrono_literals;

constexpr auto kLease = 10s;
constexpr int kMaxCrashes = 4;

// What has been seen so far, and must not be contradicted.
class Witness {
 public:
  void saw_job(const JobInfo& now) {
    SCOPED_TRACE("job " + now.job_id.text());
    const auto [found, is_new] = jobs_.try_emplace(now.job_id, now);
    auto& before = found->second;
    EXPECT_GE(now.version, before.version);
    if (now.version == before.version) {
      EXPECT_EQ(now.items, before.items);
      EXPECT_EQ(now.status, before.status);
      EXPECT_EQ(now.updated_at, before.updated_at);
    } else {
      const bool is_retried = now.retries > before.retries;
      EXPECT_TRUE(is_retried || !has_ended(before)) << "an ended job has changed";
      EXPECT_TRUE(leads_to(before, now))
          << to_text(before.state()) << " to " << to_text(now.state());
      if (!is_retried) EXPECT_GE(now.completed_items(), before.completed_items());
    }
    EXPECT_EQ(now.total_items(), before.total_items());
    EXPECT_GE(now.updated_at, before.updated_at);
    EXPECT_EQ(has_ended(now), now.completed_items() == now.total_items());
    EXPECT_EQ(has_ended(now), now.finished_at.has_value());
    before = now;
  }
  // It was deleted: its id may be another job's one day.
  void forget(const JobId& job) {
    jobs_.erase(job);
    std::erase_if(ends_, [&job](const auto& entry) { return entry.first.first == job; });
  }
  void saw_claims(const std::vector<ClaimedFetch>& claims, std::size_t max) {
    std::set<ObjectKey> keys;
    std::size_t batches = 0;
    std::size_t in_this = 0;
    for (std::size_t i = 0; i < claims.size(); ++i) {
      const auto& claim = claims[i];
      EXPECT_GT(claim.fence, fences_[claim.fetch]) << "of fetch " << claim.fetch;
      fences_[claim.fetch] = claim.fence;
      EXPECT_TRUE(keys.insert(claim.key).second) << "two at once write " << claim.key.text();
      if (!claim.batch.empty()) EXPECT_EQ(claim.attempts_made, 0);
      const bool goes_along = i > 0 && !claim.batch.empty() && claim.batch == claims[i - 1].batch;
      if (goes_along) EXPECT_LT(claims[i - 1].key, claim.key);
      batches += goes_along ? 0 : 1;
      in_this = goes_along ? in_this + 1 : 1;
      EXPECT_LE(in_this, JobStore::kLargestBatch);
    }
    EXPECT_LE(batches, max);
  }
  // Each item's end, once and for all.
  void saw_items(const JobInfo& job, const std::vector<ItemRecord>& items) {
    SCOPED_TRACE("job " + job.job_id.text());
    ItemCounts counted;
    std::uint64_t rows = 0, bytes = 0;
    for (const auto& item : items) {
      ++counted.of(item.state);
      rows += item.rows;
      bytes += item.bytes;
      // Once and for all, unless it failed and is tried anew.
      const auto [found, is_new] = ends_.try_emplace({job.job_id, item.seq}, item.state);
      if (core::has_ended(found->second) && found->second != ItemState::failed)
        EXPECT_EQ(item.state, found->second);
      if (found->second == ItemState::failed && item.state != ItemState::failed)
        EXPECT_GT(job.retries, 0u);
      EXPECT_EQ(core::has_ended(item.state), item.ended_version > 0);
      EXPECT_LE(item.ended_version, job.version);
      found->second = item.state;
    }
    EXPECT_EQ(counted, job.items) << "the counters disagree with the items";
    EXPECT_EQ(rows, job.rows);
    EXPECT_EQ(bytes, job.bytes);
  }
  static bool has_ended(const JobInfo& job) { return core::has_ended(job.status); }

 private:
  // By one transition of core's table, or several that nobody saw one by one.
  static bool leads_to(const JobInfo& before, const JobInfo& now) {
    std::set<JobState> reached{before.state()};
    for (std::size_t known = 0; known != reached.size();) {
      known = reached.size();
      for (const auto& step : job_transitions())
        if (reached.contains(step.from)) reached.insert(step.to);
    }
    return reached.contains(now.state());
  }

  std::map<JobId, JobInfo> jobs_;
  std::map<FetchId, std::uint64_t> fences_;
  std::map<std::pair<JobId, std::uint32_t>, ItemState> ends_;
};

class Player {
 public:
  Player(StoreWorld& world, std::uint64_t seed) : world_(world), chance_(seed) {}

  void play(int steps) {
    for (int step = 0; step < steps && !::testing::Test::HasFailure(); ++step) {
      one_step();
      check();
    }
  }

  // Everything that was begun comes to its end when somebody does the work.
  void finish() {
    while (!::testing::Test::HasFailure()) {
      // The taking back is often the last that ends a job: let leases run out.
      world_.pass(kLease + 1s);
      take(value_of(world_, store().take_back(JobStore::Which::expired, kMaxCrashes)));
      auto claims = value_of(world_, store().claim("thetadata", 100, "last", kLease)).value();
      if (claims.fetches.empty() && !claims.next_ready_in &&
          value_of(world_, store().active_jobs()).value().empty())
        break;
      witness_.saw_claims(claims.fetches, 100);
      for (const auto& claim : claims.fetches) {
        EXPECT_TRUE(value_of(world_, store().complete(claim.fetch, claim.fence,
                                                      ended(ItemState::succeeded)))
                        .has_value());
      }
      check();
    }
    check();
  }

 private:
  JobStore& store() { return world_.store(); }
  std::uint64_t up_to(std::uint64_t most) { return chance_() % (most + 1); }

  void take(const Result<JobInfo>& job) {
    if (job) witness_.saw_job(*job);
  }
  // Whoever is refused has changed nothing.
  void take(const Result<std::vector<JobInfo>>& jobs) {
    if (!jobs) return;
    for (const auto& job : *jobs) witness_.saw_job(job);
  }

  // Often one that needs what an earlier one needs, or something of its batch.
  NewJob any_job(std::uint64_t number) {
    auto job = batched_by_place(new_job(number, up_to(6)));
    if (number == 1 || up_to(1) == 0) return job;
    for (auto& fetch : batched_by_place(new_job(1 + up_to(number - 2), 3)).fetches) {
      if (up_to(1) == 0) continue;
      if (up_to(3) == 0) fetch.spec_json = "another way to the same object";
      job.fetches.push_back(std::move(fetch));
    }
    job.priority = static_cast<int>(up_to(2)) - 1;
    return job;
  }

  // Three batches, whatever the job, and some that have none.
  static NewJob batched_by_place(NewJob job) {
    for (std::size_t seq = 0; seq < job.fetches.size(); ++seq)
      if (seq % 4 != 0) job.fetches[seq].batch = "batch " + std::to_string(seq % 4);
    return job;
  }

  ItemState any_end() {
    return static_cast<ItemState>(static_cast<std::uint64_t>(ItemState::succeeded) + up_to(3));
  }

  // A claim of any age; often one that is no longer held.
  ClaimedFetch* any_claim() {
    return claims_.empty() ? nullptr : &claims_[up_to(claims_.size() - 1)];
  }

  void one_step() {
    const auto what = up_to(114);
    if (what < 8) {
      const auto number = 1 + up_to(jobs_ + 1);  // now and then one that is there
      const bool is_new = number > jobs_;
      if (is_new) jobs_ = number;
      known_.insert({number, 0});
      const auto made = value_of(world_, store().create_job(any_job(number)));
      if (made) {
        known_[number] = 1;
        witness_.saw_job(made->job);
      }
    } else if (what < 33) {
      const auto max = up_to(4);
      auto claims = value_of(world_, store().claim("thetadata", max, "player", kLease)).value();
      for (const auto& job : claims.changed_jobs) witness_.saw_job(job);
      witness_.saw_claims(claims.fetches, max);
      for (auto& claim : claims.fetches) claims_.push_back(std::move(claim));
    } else if (what < 60) {
      if (const auto* claim = any_claim()) end(*claim);
    } else if (what < 75) {
      if (const auto* claim = any_claim())
        take(value_of(world_,
                      store().put_back(claim->fetch, claim->fence, std::chrono::seconds(up_to(20)),
                                       up_to(1) == 1, "again")));
    } else if (what < 82) {
      if (const auto* claim = any_claim())
        (void)value_of(world_, store().renew(claim->fetch, claim->fence, kLease));
    } else if (what < 90) {
      world_.pass(std::chrono::seconds(up_to(12)));
    } else if (what < 96) {
      take(value_of(world_, store().take_back(JobStore::Which::expired, kMaxCrashes)));
    } else if (what < 98) {
      take(value_of(world_, store().take_back(JobStore::Which::all, kMaxCrashes)));
    } else if (what < 100) {
      if (const auto* claim = any_claim())
        if (const auto changes =
                value_of(world_, store().fail_jobs(claim->fetch, claim->fence, "cannot go on")))
          for (const auto& job : changes->jobs) witness_.saw_job(job);
    } else if (jobs_ > 0) {
      const auto number = 1 + up_to(jobs_ - 1);
      if (what < 104) {
        if (const auto changes = value_of(world_, store().cancel_job(job_id(number))))
          for (const auto& job : changes->jobs) witness_.saw_job(job);
      } else if (what < 113) {
        take(value_of(world_, store().retry_job(job_id(number))));
      } else if (value_of(world_, store().delete_job(job_id(number)))) {
        known_[number] = 0;
        witness_.forget(job_id(number));
      }
    }
  }

  // Some way; what it tells of the object is known then, and nothing else of it.
  void end(const ClaimedFetch& claim) {
    auto outcome = ended(any_end(), "broke");
    const bool has_failed = outcome.state == ItemState::failed;
    if (!has_failed) outcome.object = ObjectRecord{.key = claim.key, .rows = claim.fence};
    const auto jobs = value_of(world_, store().complete(claim.fetch, claim.fence, outcome));
    take(jobs);
    if (!jobs) return;
    const auto& key = claim.key.text();
    const auto known = value_of(world_, store().list_known(key, "", 1)).value().keys;
    ASSERT_EQ(known.size(), 1u);
    EXPECT_EQ(known[0].key, claim.key);
    EXPECT_EQ(known[0].failure.has_value(), has_failed);
    if (!has_failed) EXPECT_EQ(known[0].object, outcome.object);
  }

  void check() {
    for (const auto& [number, made] : known_) {
      if (made == 0) continue;
      const auto job = value_of(world_, store().get_job(job_id(number))).value();
      ASSERT_TRUE(job.has_value()) << "a job that was acknowledged is gone";
      witness_.saw_job(*job);
      const auto items =
          value_of(world_, store().list_items(job_id(number), {.state = {}, .limit = 1000}))
              .value();
      witness_.saw_items(*job, items.items);
    }
  }

  StoreWorld& world_;
  std::mt19937_64 chance_;
  Witness witness_;
  std::vector<ClaimedFetch> claims_;
  std::map<std::uint64_t, int> known_;
  std::uint64_t jobs_ = 0;
};

TEST_P(JobStoreHistory, PromisesHoldWhateverIsAsked) {
  for (std::uint64_t seed = 1; seed <= 8 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const auto world = GetParam().open(seed);
    Player player(*world, seed);
    player.play(200);
    player.finish();
  }
}

}  // namespace
}  // namespace betedge::testing
