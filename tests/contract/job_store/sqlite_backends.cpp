#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include "betedge/jobs/sqlite_store.hpp"
#include "contract/job_store/contract.hpp"

namespace betedge::testing {
namespace {

class SqliteWorld final : public StoreWorld {
 public:
  enum class Where { memory, disk };
  SqliteWorld(Where where, std::uint64_t seed) : runtime_(seed) {
    std::string path = ":memory:";
    if (where == Where::disk) {
      std::string name = ::testing::TempDir() + "betedge-store-XXXXXX";
      if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no folder for the test");
      folder_ = name;
      path = name + "/jobs.db";
    }
    store_ = jobs::open_sqlite_store(runtime_, path).value();
  }
  ~SqliteWorld() override {
    store_.reset();
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }

  Runtime& runtime() override { return runtime_; }
  JobStore& store() override { return *store_; }
  void run(Task<void> task) override { runtime_.run(std::move(task)); }
  void pass(std::chrono::milliseconds time) override { runtime_.run(wait(time)); }

 private:
  Task<void> wait(std::chrono::milliseconds time) { co_await sleep_for(runtime_, time); }

  VirtualRuntime runtime_;
  std::filesystem::path folder_;
  std::unique_ptr<JobStore> store_;
};

std::vector<Backend> backends() {
  using Where = SqliteWorld::Where;
  return {{"sqlite_in_memory",
           [](std::uint64_t seed) { return std::make_unique<SqliteWorld>(Where::memory, seed); }},
          {"sqlite_on_disk",
           [](std::uint64_t seed) { return std::make_unique<SqliteWorld>(Where::disk, seed); }}};
}

INSTANTIATE_TEST_SUITE_P(Sqlite, JobStoreContract, ::testing::ValuesIn(backends()),
                         [](const auto& tested) { return tested.param.name; });
INSTANTIATE_TEST_SUITE_P(Sqlite, JobStoreHistory, ::testing::ValuesIn(backends()),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace betedge::testing
