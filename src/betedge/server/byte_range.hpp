#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace betedge::server {

// Part of an object's bytes.
struct ByteRange {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

// What the header Range selects of `size` bytes (RFC 9110, 14.1.2): `whole` where it is no range of
// bytes, is malformed, or names several, which this server answers with all of it; `part`; or
// `nothing`, which is a 416.
struct Selected {
  enum class What : std::uint8_t { whole, part, nothing };
  What what = What::whole;
  ByteRange range{};
  friend bool operator==(const Selected&, const Selected&) = default;
};
Selected select_range(std::optional<std::string_view> range, std::uint64_t size);

}  // namespace betedge::server
