#pragma once

#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "betedge/wire/refusal.hpp"

namespace betedge::wire {

// The faults of one request, as pydantic lists them: in the order in which they are added.
class Faults {
 public:
  using Place = std::initializer_list<std::string_view>;  // {"body", "end_date"}

  // `input` and `context` are JSON; a context left out is no member. `index`: which one, when the
  // place is a list.
  void add(std::string_view type, Place place, std::string_view message, std::string_view input,
           std::string_view context = {}, std::optional<std::size_t> index = std::nullopt);

  // A rule written by hand: "Value error, <message>".
  void value_error(Place place, std::string_view message, std::string_view input);

  bool empty() const { return list_.empty(); }

  // 422 with all of them.
  Refusal refusal() const;

 private:
  std::string list_;
};

}  // namespace betedge::wire
