#include "betedge/engine/memory_budget.hpp"

#include <gtest/gtest.h>

#include <optional>

#include "support/virtual_runtime.hpp"

namespace betedge::engine {
namespace {

class MemoryBudgetTest : public ::testing::Test {
 protected:
  Task<void> admit(MemoryBudget::Share& share, std::optional<bool>& admitted,
                   std::stop_token stop = {}) {
    admitted = co_await share.admit(stop);
  }
  void settle() {
    while (runtime_.step()) {
    }
  }

  testing::VirtualRuntime runtime_{1};
  MemoryBudget budget_{runtime_, 100};
};

TEST_F(MemoryBudgetTest, EverybodyIsAdmittedWithinTheBudget) {
  MemoryBudget::Share first(budget_);
  MemoryBudget::Share second(budget_);
  first.holds({.decode = 60});
  second.holds({.decode = 40});
  std::optional<bool> admitted;
  runtime_.run(admit(second, admitted));
  EXPECT_EQ(admitted, true);
  EXPECT_EQ(budget_.in_use_bytes(), 100U);
}

TEST_F(MemoryBudgetTest, SaysWhereTheBytesAreAndForgetsThoseOfAFetchThatIsGone) {
  MemoryBudget::Share first(budget_);
  {
    MemoryBudget::Share second(budget_);
    first.holds({.download = 1, .decode = 20, .encode = 300});
    second.holds({.download = 4, .decode = 50});
    first.holds({.decode = 10, .encode = 600});
    EXPECT_EQ(budget_.in_use().download, 4U);
    EXPECT_EQ(budget_.in_use().decode, 60U);
    EXPECT_EQ(budget_.in_use().encode, 600U);
    EXPECT_EQ(budget_.in_use_bytes(), 664U);
  }
  EXPECT_EQ(budget_.in_use().download, 0U);
  EXPECT_EQ(budget_.in_use_bytes(), 610U);
}

TEST_F(MemoryBudgetTest, AYoungerFetchWaitsOverTheBudgetAndTheOldestGoesOn) {
  MemoryBudget::Share first(budget_);
  MemoryBudget::Share second(budget_);
  first.holds({.decode = 80});
  second.holds({.decode = 40});
  std::optional<bool> first_admitted;
  std::optional<bool> second_admitted;
  runtime_.start(admit(second, second_admitted));
  runtime_.start(admit(first, first_admitted));
  settle();
  EXPECT_EQ(first_admitted, true);
  EXPECT_EQ(second_admitted, std::nullopt);
  first.holds({.decode = 10});
  settle();
  EXPECT_EQ(second_admitted, true);
}

TEST_F(MemoryBudgetTest, AShareThatIsDroppedGivesItsBytesAndItsAgeBack) {
  std::optional<MemoryBudget::Share> first;
  first.emplace(budget_);
  MemoryBudget::Share second(budget_);
  first->holds({.decode = 80});
  second.holds({.decode = 140});
  std::optional<bool> admitted;
  runtime_.start(admit(second, admitted));
  settle();
  EXPECT_EQ(admitted, std::nullopt);
  first.reset();
  settle();
  EXPECT_EQ(admitted, true) << "the oldest one goes on although it is over the budget by itself";
  EXPECT_EQ(budget_.in_use_bytes(), 140U);
}

TEST_F(MemoryBudgetTest, StopEndsTheWait) {
  MemoryBudget::Share first(budget_);
  MemoryBudget::Share second(budget_);
  first.holds({.decode = 200});
  std::stop_source stop;
  std::optional<bool> admitted;
  runtime_.start(admit(second, admitted, stop.get_token()));
  settle();
  EXPECT_EQ(admitted, std::nullopt);
  stop.request_stop();
  settle();
  EXPECT_EQ(admitted, false);
}

}  // namespace
}  // namespace betedge::engine
