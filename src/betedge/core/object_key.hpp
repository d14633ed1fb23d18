#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "betedge/core/request.hpp"

namespace betedge::core {

// Where an object lies in the lake: relative, '/'-separated, at most 1024 bytes, no empty, "." or
// ".." segment, no control character, no backslash; so that it cannot leave the lake's folder.
class ObjectKey {
 public:
  static Result<ObjectKey> parse(std::string_view text);
  const std::string& text() const { return text_; }
  friend auto operator<=>(const ObjectKey&, const ObjectKey&) = default;

 private:
  friend ObjectKey object_key(const HistoricalRequest&, Date);
  explicit ObjectKey(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

// The key of the object that holds `day` for this request (DESIGN.md 11): option eod by month,
// stock eod by year, everything else by day; a window is part of it: "15m@100000-110000" (HHMMSS, a
// side left out is empty; milliseconds follow as ".123" when there are any).
ObjectKey object_key(const HistoricalRequest& request, Date day);

}  // namespace betedge::core
