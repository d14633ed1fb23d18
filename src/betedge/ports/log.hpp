#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace betedge::ports {

enum class Level : std::uint8_t { debug, info, warning, error };

struct Field {
  std::string_view name;  // snake_case
  std::string value;
};

// One event, one line: `event=item_done job=… item=… attempt=1`. The names of events are part of
// what operators rely on (docs/operations.md). Values are quoted by whoever writes them. No
// secrets. From any thread.
class Log {
 public:
  virtual ~Log() = default;
  virtual void event(Level level, std::string_view name, std::initializer_list<Field> fields) = 0;
  // Whether events of this level are written: for who would otherwise make fields for nobody.
  virtual bool takes(Level) const { return true; }
};

}  // namespace betedge::ports
