#pragma once

#include <memory>

#include "betedge/core/error.hpp"  // the names of ports, unqualified
#include "betedge/ports/log.hpp"

namespace betedge::app {

// A log whose least level can be changed while it is written to, from any thread.
class LevelLog : public Log {
 public:
  virtual void set_level(Level level) = 0;
};

// Events to standard error, one line each:
//   time=2026-01-02T03:04:05.123Z level=info event=item_done job=… item=… attempt=1
// A value with a space, a quote, an equals sign or a control character is written as a JSON string,
// so that no value can make up a field or a line. Below `level` nothing is written.
std::unique_ptr<LevelLog> make_log(Level level);

// One event as make_log writes it, without time and level.
std::string format_event(std::string_view name, std::initializer_list<Field> fields);

}  // namespace betedge::app
