#pragma once

#include <string_view>

// The names under which a file says what it is, in its own metadata (DESIGN.md 9): Parquet's
// key-value metadata, or the custom metadata of an Arrow file's footer.
namespace betedge::columnar::metadata {

inline constexpr std::string_view kSource = "betedge.source";
inline constexpr std::string_view kRequest = "betedge.request";  // canonical JSON
inline constexpr std::string_view kKey = "betedge.key";
inline constexpr std::string_view kCoversFirst = "betedge.covers_first";  // yyyymmdd
inline constexpr std::string_view kCoversLast = "betedge.covers_last";    // yyyymmdd
inline constexpr std::string_view kRows = "betedge.rows";
inline constexpr std::string_view kUnderlyingRows = "betedge.underlying_rows";
inline constexpr std::string_view kSchemaVersion = "betedge.schema_version";
// plain or typed; not written into plain files, which are older than the choice.
inline constexpr std::string_view kColumns = "betedge.columns";
inline constexpr std::string_view kPriceType = "betedge.price_type";  // float64 or float32
inline constexpr std::string_view kDigest = "betedge.digest";         // digest.hpp
// Before the name of each rule that met something (defects.hpp): how many rows.
inline constexpr std::string_view kRulePrefix = "betedge.rule.";

}  // namespace betedge::columnar::metadata
