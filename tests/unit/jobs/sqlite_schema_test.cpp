#include "betedge/jobs/sqlite_schema.hpp"

#include <gmock/gmock.h>

#include <array>

#include "betedge/jobs/sqlite_transactions.hpp"

namespace betedge::jobs::sqlite {
namespace {

using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr std::array<std::string_view, 3> kSteps = {
    "CREATE TABLE note (text TEXT NOT NULL)",
    "ALTER TABLE note ADD COLUMN stars INTEGER NOT NULL DEFAULT 3",
    "UPDATE note SET text = text || '!'",
};

std::span<const std::string_view> steps(std::size_t count) {
  return std::span(kSteps).first(count);
}

std::int64_t number(Connection& connection, std::string_view sql) {
  auto query = connection.query(sql);
  return query.next() ? query.integer(0) : -1;
}

std::string text(Connection& connection, std::string_view sql) {
  auto query = connection.query(sql);
  return query.next() ? query.text(0) : "(none)";
}

class SqliteSchemaTest : public ::testing::Test {
 protected:
  Connection connection_ = Connection::open(":memory:").value();
};

TEST_F(SqliteSchemaTest, AnOlderStoreIsBroughtUpToDateWithWhatIsInIt) {
  migrate(connection_, steps(1)).value();
  connection_.execute("INSERT INTO note (text) VALUES ('kept')");
  migrate(connection_, steps(3)).value();
  EXPECT_EQ(text(connection_, "SELECT text FROM note"), "kept!");
  EXPECT_EQ(number(connection_, "SELECT stars FROM note"), 3);
  EXPECT_EQ(number(connection_, "PRAGMA user_version"), 3);
}

TEST_F(SqliteSchemaTest, AStoreThatIsUpToDateIsLeftAlone) {
  migrate(connection_, steps(3)).value();
  connection_.execute("INSERT INTO note (text) VALUES ('once')");
  migrate(connection_, steps(3)).value();
  EXPECT_EQ(text(connection_, "SELECT text FROM note"), "once");
}

TEST_F(SqliteSchemaTest, AStepThatFailsLeavesTheStoreAsItWas) {
  migrate(connection_, steps(1)).value();
  connection_.execute("INSERT INTO note (text) VALUES ('kept')");
  constexpr std::array<std::string_view, 3> broken = {kSteps[0], kSteps[1], "UPDATE nothing SET x"};
  const auto result = migrate(connection_, broken);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, ErrorCode::store_unavailable);
  EXPECT_EQ(number(connection_, "PRAGMA user_version"), 1);
  EXPECT_EQ(number(connection_, "SELECT count(*) FROM pragma_table_info('note')"), 1);
  EXPECT_FALSE(connection_.in_transaction());
}

TEST_F(SqliteSchemaTest, ANewerStoreIsRefusedByNameAndUntouched) {
  migrate(connection_, steps(3)).value();
  const auto result = migrate(connection_, steps(2));
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, ErrorCode::store_unavailable);
  EXPECT_THAT(result.error().message,
              HasSubstr("written by a newer betedge (store version 3, this one knows 2)"));
  EXPECT_EQ(number(connection_, "PRAGMA user_version"), 3);
  EXPECT_FALSE(connection_.in_transaction());
}

TEST_F(SqliteSchemaTest, AnotherProgramsDatabaseIsRefusedAndUntouched) {
  connection_.execute("CREATE TABLE songs (title TEXT)");
  const auto result = migrate(connection_, steps(1));
  ASSERT_FALSE(result.has_value());
  EXPECT_THAT(result.error().message, HasSubstr("another program"));
  EXPECT_EQ(number(connection_, "SELECT count(*) FROM sqlite_schema"), 1);
}

TEST_F(SqliteSchemaTest, TheReleasedStepsMakeTheTablesOfTheStore) {
  migrate(connection_, schema_steps()).value();
  EXPECT_EQ(number(connection_,
                   "SELECT count(*) FROM sqlite_schema WHERE name IN ('job', 'item', 'object')"),
            3);
  EXPECT_EQ(text(connection_, "PRAGMA integrity_check"), "ok");
}

TEST_F(SqliteSchemaTest, ARowOfAnObjectSaysSomething) {
  migrate(connection_, schema_steps()).value();
  const auto insert = [&](const std::string& what, const std::string& error,
                          const std::string& failed_at) {
    connection_.execute(
        "INSERT INTO object (object_key, what, size_bytes, rows, sha256, covers_through, "
        "schema_version, written_at, error, failed_at) VALUES ('k', " +
        what + ", 0, 0, '', 0, 0, 0, " + error + ", " + failed_at + ")");
  };
  EXPECT_THROW(insert("NULL", "NULL", "NULL"), Failure);
  EXPECT_THROW(insert("0", "'broke'", "NULL"), Failure);
  EXPECT_THROW(insert("0", "NULL", "1"), Failure);
  EXPECT_NO_THROW(insert("NULL", "'broke'", "1"));
}

// What SQLite does to answer a query of ours, step by step.
std::vector<std::string> plan_of(std::string_view sql) {
  const auto asked = "EXPLAIN QUERY PLAN " + std::string(sql);  // outlives the connection
  auto connection = Connection::open(":memory:").value();
  migrate(connection, schema_steps()).value();
  std::vector<std::string> plan;
  auto query = connection.query(asked);
  while (query.next()) plan.push_back(query.text(3));
  return plan;
}

TEST(SqlitePlanTest, AClaimSearchesAndNeverScans) {
  for (const auto sql : {kChooseFetch, kChooseBatch}) {
    const auto plan = plan_of(sql);
    EXPECT_THAT(plan, Each(AnyOf(StartsWith("SEARCH "), StartsWith("CORRELATED SCALAR SUBQUERY"),
                                 "USE TEMP B-TREE FOR ORDER BY")))
        << sql;
  }
  const auto chosen = plan_of(kChooseFetch);
  EXPECT_THAT(chosen, Contains(HasSubstr("item_ready (job=?)")));
  EXPECT_THAT(chosen, Contains(HasSubstr("fetch_active (object_key=?)")));
  EXPECT_THAT(chosen, Not(Contains(HasSubstr("TEMP B-TREE")))) << "a year's items are not sorted";
  EXPECT_THAT(plan_of(kChooseBatch), Contains(HasSubstr("fetch_batch (batch=?)")));
}

TEST(SqlitePlanTest, WhatIsKnownBelowAPrefixIsOneRange) {
  EXPECT_THAT(plan_of(kKnownFrom), ElementsAre(HasSubstr("SEARCH object USING "
                                                         "PRIMARY KEY (object_key>?)")));
}

}  // namespace
}  // namespace betedge::jobs::sqlite
