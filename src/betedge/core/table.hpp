#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "betedge/core/request.hpp"

namespace betedge::core {

enum class ColumnType : std::uint8_t { uint32, float64, text, int64 };

struct Column {
  std::string_view name;
  ColumnType type;
  bool nullable = false;
};

// Bumped when the columns, their types or their meaning change; written into every file.
inline constexpr int kSchemaVersion = 1;

// The columns of a file in their order (DESIGN.md 10). Stock files are the option's without the
// last four: root, expiration, strike and right. Earnings have one table, whatever the schema.
std::span<const Column> columns(Kind kind, Schema schema);

}  // namespace betedge::core
