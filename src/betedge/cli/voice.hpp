#pragma once

#include <string_view>

#include "betedge/cli/arguments.hpp"
#include "betedge/cli/workplace.hpp"
#include "betedge/sdk/types.hpp"

namespace betedge::cli {

// Where text for people goes: standard error when standard output is JSON.
class Voice {
 public:
  Voice(Console& console, bool json) : console_(console), json_(json) {}
  void say(std::string_view text) {
    if (json_) {
      console_.err(text);
    } else {
      console_.out(text);
    }
  }
  bool color() const { return json_ ? console_.looks().color_err : console_.looks().color_out; }

 private:
  Console& console_;
  bool json_;
};

// Says on standard error what went wrong with a call, "betedge option: …", and what to do; gives
// the exit status.
int complain(Workplace& workplace, const Invocation& invocation, const sdk::Failure& failure);

// After a submit that failed so: whether it may have been accepted all the same, and how to know.
void say_if_maybe_accepted(Workplace& workplace, const sdk::Failure& failure);

}  // namespace betedge::cli
