#include "backends.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>

#include "betedge/net/asio_runtime.hpp"
#include "betedge/net/http_client.hpp"
#include "betedge/sinks/local_store.hpp"
#include "betedge/sinks/memory_store.hpp"
#include "betedge/sinks/s3_store.hpp"
#include "support/virtual_runtime.hpp"

namespace betedge::testing {

ScratchFolder::ScratchFolder() {
  auto name = (std::filesystem::temp_directory_path() / "betedge-test-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no scratch folder: " + name);
  path_ = name;
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

namespace {

class S3Process {
 public:
  S3Process() {
    const std::string python = BETEDGE_SOURCE_DIR "/.deps/venv/bin/python";
    const std::string script = BETEDGE_SOURCE_DIR "/tests/contract/object_store/s3_server.py";
    if (::access(python.c_str(), X_OK) != 0) return;
    // "versitygw" or "minio": that one instead of moto (s3_server.py).
    const char* const kind = ::getenv("BETEDGE_TEST_S3");
    std::array<int, 2> to_child{}, from_child{};
    if (::pipe(to_child.data()) != 0 || ::pipe(from_child.data()) != 0) return;
    process_ = ::fork();
    if (process_ == 0) {
      ::dup2(to_child[0], STDIN_FILENO);
      ::dup2(from_child[1], STDOUT_FILENO);
      for (const int fd : {to_child[0], to_child[1], from_child[0], from_child[1]}) ::close(fd);
      ::execl(python.c_str(), python.c_str(), script.c_str(), kind, nullptr);
      ::_exit(127);
    }
    ::close(to_child[0]);
    ::close(from_child[1]);
    lifeline_ = to_child[1];
    std::string line;
    char c = 0;
    while (::read(from_child[0], &c, 1) == 1 && c != '\n') line += c;
    ::close(from_child[0]);
    const auto ready = nlohmann::json::parse(line, nullptr, false);
    if (!ready.is_object()) return;
    const auto keys = [&ready](const char* name) {
      return S3Server::Keys{ready[name]["access_key"], ready[name]["secret_key"]};
    };
    server_ = S3Server{ready["endpoint"], keys("may_all"), keys("may_nothing")};
  }
  S3Process(const S3Process&) = delete;
  S3Process& operator=(const S3Process&) = delete;
  ~S3Process() {
    if (lifeline_ >= 0) ::close(lifeline_);
    if (process_ > 0) {
      ::kill(process_, SIGTERM);
      ::waitpid(process_, nullptr, 0);
    }
  }
  const S3Server* server() const { return server_ ? &*server_ : nullptr; }

 private:
  pid_t process_ = -1;
  int lifeline_ = -1;
  std::optional<S3Server> server_;
};

}  // namespace

const S3Server* s3_server() {
  static const S3Process process;
  if (process.server() == nullptr && ::getenv("CI") != nullptr) {
    ADD_FAILURE() << "moto is not installed in .deps/venv";
  }
  return process.server();
}

namespace {

class MemoryBackend final : public Backend {
 public:
  void run(Scenario scenario) override { runtime_.run(scenario(runtime_, store_)); }
  std::size_t leftovers() const override { return store_.open_writers(); }

 private:
  VirtualRuntime runtime_{7};
  sinks::MemoryStore store_{runtime_};
};

std::size_t files_in(const std::filesystem::path& folder) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().filename() != "lock") ++count;
  }
  return count;
}

template <class SomeRuntime>
class FolderBackend final : public Backend {
 public:
  void run(Scenario scenario) override {
    auto runtime = make_runtime();
    auto opened = sinks::LocalStore::open(*runtime, folder_.path() / "lake");
    ASSERT_TRUE(opened) << opened.error().message;
    runtime->run(scenario(*runtime, **opened));
  }
  std::size_t leftovers() const override { return files_in(folder_.path() / "lake/.betedge-tmp"); }

 private:
  static std::unique_ptr<SomeRuntime> make_runtime() {
    if constexpr (std::is_same_v<SomeRuntime, VirtualRuntime>) {
      return std::make_unique<VirtualRuntime>(7);
    } else {
      return std::make_unique<SomeRuntime>(2, 4);
    }
  }
  ScratchFolder folder_;
};

class S3Backend final : public Backend {
 public:
  explicit S3Backend(const S3Server& server) {
    static std::atomic<int> next{0};
    settings_.endpoint = server.endpoint;
    settings_.location = {"contract-" + std::to_string(next.fetch_add(1)), "some/prefix"};
    settings_.access_key = server.may_all.access_key;
    settings_.secret_key = server.may_all.secret_key;
    settings_.spool_folder = folder_.path();
  }
  void run(Scenario scenario) override {
    net::AsioRuntime runtime(2, 4);
    auto client = net::make_http_client(runtime);
    ASSERT_TRUE(client) << client.error().message;
    runtime.run(open_and_run(runtime, **client, settings_, std::move(scenario)));
  }
  std::size_t leftovers() const override { return files_in(folder_.path()); }

 private:
  static Task<void> open_and_run(Runtime& runtime, net::HttpClient& client,
                                 sinks::S3Settings settings, Scenario scenario) {
    auto opened = co_await sinks::S3Store::open(runtime, client, std::move(settings), {});
    if (!opened) {
      ADD_FAILURE() << opened.error().message;
      co_return;
    }
    co_await scenario(runtime, **opened);
  }
  ScratchFolder folder_;
  sinks::S3Settings settings_;
};

}  // namespace

std::unique_ptr<Backend> make_backend(const std::string& name) {
  if (name == "memory") return std::make_unique<MemoryBackend>();
  if (name == "folder") return std::make_unique<FolderBackend<VirtualRuntime>>();
  if (name == "folder_on_threads") return std::make_unique<FolderBackend<net::AsioRuntime>>();
  const auto* const server = s3_server();
  if (server == nullptr) return nullptr;
  return std::make_unique<S3Backend>(*server);
}

}  // namespace betedge::testing
