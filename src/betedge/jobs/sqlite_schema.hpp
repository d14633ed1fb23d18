#pragma once

#include <span>
#include <string_view>

#include "betedge/core/error.hpp"
#include "betedge/jobs/sqlite_connection.hpp"

namespace betedge::jobs::sqlite {

// One step of the schema a release has added; step i takes a store from version i to i + 1. Never
// edited once released, only added to.
std::span<const std::string_view> schema_steps();

// Brings the store to the version of `steps`, all of it in one transaction. store_unavailable, with
// nothing touched, when the file is another program's database, was written by a newer betedge, or
// is no database.
Result<void> migrate(Connection& connection, std::span<const std::string_view> steps);

}  // namespace betedge::jobs::sqlite
