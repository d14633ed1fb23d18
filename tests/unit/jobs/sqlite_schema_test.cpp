#include "betedge/jobs/sqlite_schema.hpp"

#include <gmock/gmock.h>

#include <array>

namespace betedge::jobs::sqlite {
namespace {

using ::testing::HasSubstr;

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

}  // namespace
}  // namespace betedge::jobs::sqlite
