#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>

#include "betedge/ports/async.hpp"
#include "betedge/ports/runtime.hpp"
#include "betedge/sim/render.hpp"

namespace betedge::sim {

// Answers that were rendered once and are sent again. Renders on the CPU pool; calls for the same
// answer wait for one rendering. When there is too much, what was asked for longest ago is
// forgotten; whoever still sends it keeps it alive. Loop thread only.
class BodyCache {
 public:
  using Body = std::shared_ptr<const Rendered>;
  using Make = std::function<Result<Rendered>()>;

  BodyCache(Runtime& runtime, std::uint64_t limit_bytes)
      : runtime_(runtime), limit_bytes_(limit_bytes) {}

  // An error is told to those who wait and not kept.
  Task<Result<Body>> get(std::string key, Make make);

  std::uint64_t bytes() const { return bytes_; }
  std::uint64_t rendered() const { return rendered_; }

 private:
  struct Entry {
    explicit Entry(Runtime& runtime) : done(runtime) {}
    std::optional<Result<Body>> result;
    Notify done;
  };
  struct Kept {
    Body body;
    std::list<std::string>::iterator place;
  };
  void keep(const std::string& key, Body body);

  Runtime& runtime_;
  std::uint64_t limit_bytes_;
  std::uint64_t bytes_ = 0;
  std::uint64_t rendered_ = 0;
  std::list<std::string> recent_;  // the one asked for last at the front
  std::map<std::string, Kept, std::less<>> kept_;
  std::map<std::string, std::shared_ptr<Entry>, std::less<>> rendering_;
};

}  // namespace betedge::sim
