// The store on real threads: the loop's and the pool's, where a race would be one.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include "betedge/jobs/sqlite_store.hpp"
#include "betedge/net/asio_runtime.hpp"
#include "contract/job_store/contract.hpp"

namespace betedge::jobs {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kJobs = 6;
constexpr std::size_t kItems = 25;

Task<void> work_off(JobStore& store, std::size_t& done) {
  while (done < kJobs * kItems) {
    auto claims = co_await store.claim("thetadata", 2, "test", 60s);
    for (const auto& claim : claims.value().fetches) {
      auto outcome = testing::ended(ItemState::succeeded);
      auto info = co_await store.complete(claim.fetch, claim.fence, std::move(outcome));
      if (info.has_value()) ++done;
    }
  }
}

Task<void> submit(JobStore& store, std::uint64_t number) {
  (co_await store.create_job(testing::new_job(number, kItems))).value();
}

Task<void> watch(JobStore& store, std::uint64_t number, std::size_t& done) {
  std::uint32_t seen = 0;
  while (done < kJobs * kItems) {
    const auto job = co_await store.get_job(testing::job_id(number));
    if (!job.value()) continue;
    EXPECT_GE((*job)->completed_items(), seen);
    seen = (*job)->completed_items();
  }
}

Task<void> everything(Runtime& runtime, JobStore& store, std::size_t& done) {
  TaskScope scope(runtime);
  for (std::uint64_t number = 1; number <= kJobs; ++number) {
    scope.spawn(submit(store, number));
    scope.spawn(work_off(store, done));
    scope.spawn(watch(store, number, done));
  }
  co_await scope.close();
}

TEST(SqliteStoreOnThreads, SubmittersWorkersAndWatchersShareOneStore) {
  std::string folder = ::testing::TempDir() + "betedge-jobs-XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  {
    net::AsioRuntime runtime(2, 4);
    auto store = open_sqlite_store(runtime, folder + "/jobs.db").value();
    std::size_t done = 0;
    runtime.run(everything(runtime, *store, done));
    EXPECT_EQ(done, kJobs * kItems);
    std::optional<Result<std::vector<JobInfo>>> jobs;
    runtime.run(testing::keep_value(
        store->list_jobs({.status = JobStatus::completed, .label = {}, .limit = {}}), jobs));
    EXPECT_EQ(jobs->value().size(), kJobs);
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace betedge::jobs
