#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "betedge/ports/object_store.hpp"
#include "betedge/ports/runtime.hpp"

namespace betedge::testing {

// A folder of the test's own, gone with it.
class ScratchFolder {
 public:
  ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder();
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// The S3 server of s3_server.py, one for the program, started when first asked for.
struct S3Server {
  struct Keys {
    std::string access_key, secret_key;
  };
  std::string endpoint;
  Keys may_all, may_nothing;
};
// nullptr where moto is not installed; a failure of the test when CI is set.
const S3Server* s3_server();

// Something that a store can be opened upon and a test be run against.
class Backend {
 public:
  using Scenario = std::function<Task<void>(Runtime& runtime, ObjectStore& store)>;
  virtual ~Backend() = default;
  // Opens the store, runs the scenario to its end and what it left to the pools, drops the store.
  // A second call opens the same lake again.
  virtual void run(Scenario scenario) = 0;
  // What an unfinished object may have left behind in the lake; 0 after all writers are gone.
  virtual std::size_t leftovers() const = 0;
};

// "memory", "folder" (seeded order), "folder_on_threads", "s3". nullptr: not here (see s3_server).
std::unique_ptr<Backend> make_backend(const std::string& name);

}  // namespace betedge::testing
