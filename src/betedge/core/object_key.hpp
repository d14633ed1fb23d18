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
// stock eod by year, earnings by month, everything else by day; a window is part of it:
// "15m@100000-110000" (HHMMSS, a side left out is empty; milliseconds follow as ".123" when there
// are any).
ObjectKey object_key(const HistoricalRequest& request, Date day);

// The folder of such a key that names its interval, with the window behind it.
std::string interval_folder(const HistoricalRequest& request);

// What a key says of its object: the request whose object_key it is, with `dates` from the first to
// the last day of the object's period, a day, a month or a year. nullopt for a key that object_key
// makes of no request: what others have put into the lake, or a spelling that it does not use.
std::optional<HistoricalRequest> facts_of(const ObjectKey& key);
// What all keys of this request's series begin with: its key up to the date, with the slash. For
// earnings "earnings/". Keys of other formats begin so, too.
std::string series_prefix(const HistoricalRequest& request);

}  // namespace betedge::core
