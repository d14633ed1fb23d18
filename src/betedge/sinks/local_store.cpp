#include "betedge/sinks/local_store.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <mutex>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace betedge::sinks {

namespace {

constexpr const char* kOwnFolder = ".betedge-tmp";
constexpr const char* kLockName = "lock";
constexpr std::string_view kUnfinished = "put-";
constexpr std::size_t kWriteBytes = std::size_t{1} << 20;
// Forgetting a folder costs one more sync, so the list need not grow without end.
constexpr std::size_t kMostKnownFolders = 100'000;
constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

std::vector<std::string> segments_of(const ObjectKey& key) {
  std::vector<std::string> segments;
  std::string_view rest = key.text();
  while (true) {
    const auto slash = rest.find('/');
    segments.emplace_back(rest.substr(0, slash));
    if (slash == std::string_view::npos) return segments;
    rest.remove_prefix(slash + 1);
  }
}

Timestamp modification_time(const struct stat& status) {
  return Timestamp{std::chrono::seconds{status.st_mtim.tv_sec} +
                   std::chrono::microseconds{status.st_mtim.tv_nsec / 1000}};
}

ObjectInfo info_of(const struct stat& status) {
  return {.size_bytes = static_cast<std::uint64_t>(status.st_size),
          .modified_at = modification_time(status),
          .etag = fmt::format("{:x}-{:x}-{:x}.{:x}", status.st_ino, status.st_size,
                              status.st_mtim.tv_sec, status.st_mtim.tv_nsec)};
}

// O_DIRECTORY with O_NOFOLLOW answers ENOTDIR for a link as for a file: which was it?
bool is_link(int folder, const char* name) {
  struct stat status{};
  return ::fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(status.st_mode);
}

}  // namespace

// What the store and its writers share. Everything here may block, except name().
struct LocalStore::Lake {
  std::filesystem::path path;
  std::shared_ptr<Disk> disk;
  File root;
  File own_folder;
  File lock;
  std::atomic<std::uint64_t> next_name{0};
  std::mutex mutex;
  std::unordered_set<std::string> known_folders;  // entries of their parents, durably
  std::mutex publishing;  // nobody of us comes between a look at what lies there and a rename

  // The folder that holds the key's object; nullopt: there is none. With `make`, what is missing is
  // made, and durable when this returns.
  enum class Missing : std::uint8_t { is_an_answer, make };
  Result<std::optional<File>> folder_of(const ObjectKey& key,
                                        const std::vector<std::string>& segments, Missing missing) {
    File here{::dup(root.descriptor())};
    if (!here) return std::unexpected(storage_error("open the folder of", key.text(), errno));
    std::string path_here;
    for (std::size_t i = 0; i + 1 < segments.size(); ++i) {
      const char* const name = segments[i].c_str();
      path_here += (i == 0 ? "" : "/") + segments[i];
      if (missing == Missing::make) {
        const bool made = disk->make_folder_at(here.descriptor(), name, 0755) == 0;
        if (!made && errno != EEXIST) {
          return std::unexpected(storage_error("make the folder", path_here, errno));
        }
        // Another writer may have made it a moment ago and not have synced it yet.
        if (made || !is_known(path_here)) {
          if (disk->sync(here.descriptor()) != 0) {
            return std::unexpected(storage_error("sync the folder above", path_here, errno));
          }
          know(path_here);
        }
      }
      File next{disk->open_at(here.descriptor(), name, kFolderFlags | O_NOFOLLOW, 0)};
      if (!next) {
        const int why = errno;
        if (is_link(here.descriptor(), name)) {
          return std::unexpected(storage_error("open the folder", path_here, ELOOP));
        }
        if (missing == Missing::is_an_answer && (why == ENOENT || why == ENOTDIR)) {
          return std::optional<File>{};
        }
        return std::unexpected(storage_error("open the folder", path_here, why));
      }
      here = std::move(next);
    }
    return std::optional(std::move(here));
  }

  bool is_known(const std::string& folder) {
    const std::scoped_lock guard(mutex);
    return known_folders.contains(folder);
  }
  void know(const std::string& folder) {
    const std::scoped_lock guard(mutex);
    if (known_folders.size() >= kMostKnownFolders) known_folders.clear();
    known_folders.insert(folder);
  }

  Result<std::optional<ObjectInfo>> stat(const ObjectKey& key) {
    const auto segments = segments_of(key);
    BETEDGE_TRY(const auto folder, folder_of(key, segments, Missing::is_an_answer));
    if (!folder) return std::optional<ObjectInfo>{};
    struct stat status{};
    if (::fstatat(folder->descriptor(), segments.back().c_str(), &status, AT_SYMLINK_NOFOLLOW) !=
        0) {
      if (errno == ENOENT) return std::optional<ObjectInfo>{};
      return std::unexpected(storage_error("look at", key.text(), errno));
    }
    BETEDGE_TRY_VOID(check_is_file(key, status));
    return std::optional(info_of(status));
  }

  Result<Bytes> read(const ObjectKey& key, std::uint64_t offset, std::size_t length) {
    const auto absent = [&key] {
      return fail(ErrorCode::not_found, fmt::format("there is no {} in the lake", key.text()));
    };
    const auto segments = segments_of(key);
    BETEDGE_TRY(const auto folder, folder_of(key, segments, Missing::is_an_answer));
    if (!folder) return absent();
    // O_NONBLOCK: opening somebody's FIFO must not wait for a writer.
    const File file{disk->open_at(folder->descriptor(), segments.back().c_str(),
                                  O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0)};
    if (!file) {
      if (errno == ENOENT) return absent();
      return std::unexpected(storage_error("open", key.text(), errno));
    }
    struct stat status{};
    if (::fstat(file.descriptor(), &status) != 0) {
      return std::unexpected(storage_error("look at", key.text(), errno));
    }
    BETEDGE_TRY_VOID(check_is_file(key, status));
    const auto size = static_cast<std::uint64_t>(status.st_size);
    const auto from = std::min(offset, size);
    Bytes bytes(std::min<std::uint64_t>(length, size - from));
    std::size_t filled = 0;
    while (filled < bytes.size()) {
      const auto count = ::pread(file.descriptor(), bytes.data() + filled, bytes.size() - filled,
                                 static_cast<off_t>(from + filled));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return std::unexpected(storage_error("read", key.text(), errno));
      if (count == 0) break;
      filled += static_cast<std::size_t>(count);
    }
    bytes.resize(filled);
    return bytes;
  }

  // The entries of `folder`, which is `here` ("a/b/", empty for the lake's own): their keys, with a
  // slash behind a folder's, in byte order, so that "a.b" comes before "a/b" as the keys do.
  static Result<std::vector<std::string>> entries_of(const File& folder, const std::string& here) {
    const auto failed = [&here] {
      return std::unexpected(storage_error("list the folder", here.empty() ? "/" : here, errno));
    };
    const int listing = ::openat(folder.descriptor(), ".", kFolderFlags);
    if (listing < 0) return failed();
    const std::unique_ptr<DIR, decltype(&::closedir)> entries(::fdopendir(listing), &::closedir);
    if (!entries) {
      const int why = errno;
      ::close(listing);
      errno = why;
      return failed();
    }
    std::vector<std::string> names;
    while (true) {
      errno = 0;
      // NOLINTNEXTLINE(concurrency-mt-unsafe): of a stream of our own
      const auto* const entry = ::readdir(entries.get());
      if (entry == nullptr) break;
      const std::string_view name = entry->d_name;
      if (name == "." || name == ".." || (here.empty() && name == kOwnFolder)) continue;
      struct stat status{};
      const bool is_folder =
          entry->d_type == DT_UNKNOWN
              ? ::fstatat(folder.descriptor(), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
                    S_ISDIR(status.st_mode)
              : entry->d_type == DT_DIR;
      names.push_back(here + std::string(name) + (is_folder ? "/" : ""));
    }
    if (errno != 0) return failed();
    std::ranges::sort(names);
    return names;
  }

  // Adds what `folder` has for the page, folder by folder. False when the page is full. What goes
  // away meanwhile, links, and what is neither file nor folder are left out.
  Result<bool> list(const File& folder, const std::string& here, const std::string& prefix,
                    const std::string& after, std::size_t limit, ObjectPage& page) {
    BETEDGE_TRY(const auto names, entries_of(folder, here));
    for (const auto& name : names) {
      const bool is_folder = name.ends_with('/');
      const auto common = std::min(name.size(), prefix.size());
      if (name.compare(0, common, prefix, 0, common) != 0) continue;
      if (is_folder) {
        // Either all that is in it comes after `after`, or some of it, or nothing.
        if (name <= after && !after.starts_with(name)) continue;
        const auto last = name.substr(here.size(), name.size() - here.size() - 1);
        if (!ObjectKey::parse(name.substr(0, name.size() - 1))) continue;
        const File next{
            disk->open_at(folder.descriptor(), last.c_str(), kFolderFlags | O_NOFOLLOW, 0)};
        if (!next) {
          if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP) continue;
          return std::unexpected(storage_error("open the folder", name, errno));
        }
        BETEDGE_TRY(const bool goes_on, list(next, name, prefix, after, limit, page));
        if (!goes_on) return false;
        continue;
      }
      if (name.size() < prefix.size() || name <= after) continue;
      auto key = ObjectKey::parse(name);
      struct stat status{};
      if (!key ||
          ::fstatat(folder.descriptor(), name.c_str() + here.size(), &status,
                    AT_SYMLINK_NOFOLLOW) != 0 ||
          !S_ISREG(status.st_mode)) {
        continue;
      }
      if (page.objects.size() == limit) {
        page.next_after = page.objects.back().key.text();
        return false;
      }
      page.objects.push_back({*std::move(key), info_of(status)});
    }
    return true;
  }

  // Gives an unfinished file of ours its place, if what lies there is what is expected: in one step
  // when that is nothing, where the file system can; else a look comes just before, under the lock.
  Result<void> publish(const std::string& unfinished, const File& folder, const std::string& name,
                       const ObjectKey& key, const Expected& expected) {
    const std::scoped_lock guard(publishing);
    const auto fenced = [&key] {
      return fail(ErrorCode::fenced, key.text() + " was written by somebody else meanwhile");
    };
    if (expected.what == Expected::What::nothing) {
      if (disk->rename_new_at(own_folder.descriptor(), unfinished.c_str(), folder.descriptor(),
                              name.c_str()) == 0) {
        return {};
      }
      if (errno == EEXIST) return fenced();
      if (errno != EINVAL && errno != ENOSYS) {
        return std::unexpected(storage_error("publish", key.text(), errno));
      }
    }
    if (expected.what != Expected::What::anything) {
      struct stat status{};
      const bool is_there =
          ::fstatat(folder.descriptor(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
      if (!is_there && errno != ENOENT) {
        return std::unexpected(storage_error("look at", key.text(), errno));
      }
      const bool is_expected = expected.what == Expected::What::nothing
                                   ? !is_there
                                   : is_there && info_of(status).etag == expected.etag;
      if (!is_expected) return fenced();
    }
    if (disk->rename_at(own_folder.descriptor(), unfinished.c_str(), folder.descriptor(),
                        name.c_str()) != 0) {
      return std::unexpected(storage_error("publish", key.text(), errno));
    }
    return {};
  }

  static Result<void> check_is_file(const ObjectKey& key, const struct stat& status) {
    if (S_ISREG(status.st_mode)) return {};
    if (S_ISLNK(status.st_mode)) return std::unexpected(storage_error("open", key.text(), ELOOP));
    return fail(ErrorCode::storage_failed, fmt::format("{} in the lake is not a file", key.text()));
  }

  // Somebody asks for a key inside our own folder: not an object of the lake.
  static Result<void> check_is_not_ours(const ObjectKey& key) {
    const std::string_view text = key.text();
    if (text != kOwnFolder && !text.starts_with(std::string(kOwnFolder) + "/")) return {};
    return fail(ErrorCode::invalid_request,
                fmt::format("{} is betedge's own folder, not an object of the lake", kOwnFolder));
  }

  void sweep() {
    const File listing{::openat(own_folder.descriptor(), ".", kFolderFlags)};
    if (!listing) return;
    const int again = ::dup(listing.descriptor());
    DIR* const entries = again < 0 ? nullptr : ::fdopendir(again);
    if (entries == nullptr) {
      if (again >= 0) ::close(again);
      return;
    }
    std::vector<std::string> unfinished;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): of a stream of our own
    while (const auto* const entry = ::readdir(entries)) {
      const std::string_view name = entry->d_name;
      if (name.starts_with(kUnfinished)) unfinished.emplace_back(name);
    }
    ::closedir(entries);
    for (const auto& name : unfinished) disk->unlink_at(own_folder.descriptor(), name.c_str());
  }
};

// An unfinished file in the lake's own folder.
class LocalStore::Writer final : public ObjectWriter {
 public:
  Writer(Runtime& runtime, std::shared_ptr<Lake> lake, ObjectKey key, Expected expected)
      : runtime_(runtime),
        lake_(std::move(lake)),
        key_(std::move(key)),
        expected_(std::move(expected)) {}

  ~Writer() override {
    if (!file_) return;
    // Named for the pool: removing a large file takes its time.
    auto remove = [lake = lake_, file = std::move(file_), name = temporary_name_] {
      lake->disk->unlink_at(lake->own_folder.descriptor(), name.c_str());
    };
    runtime_.post_blocking(Pool::io, std::move(remove));
  }

  // Blocks. Opens the unfinished file, so that a lake that refuses us says so before a download.
  Result<void> open() {
    while (true) {
      temporary_name_ = fmt::format("{}{}", kUnfinished, lake_->next_name.fetch_add(1));
      file_ =
          File{lake_->disk->open_at(lake_->own_folder.descriptor(), temporary_name_.c_str(),
                                    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644)};
      if (file_) return {};
      if (errno == EEXIST) continue;  // one that the sweep could not remove
      return std::unexpected(storage_error("begin", key_.text(), errno));
    }
  }

  Task<Result<void>> write(Bytes bytes) override {
    BETEDGE_CO_TRY_VOID(may_go_on());
    if (buffer_.empty()) {
      buffer_ = std::move(bytes);
    } else {
      buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
    }
    if (buffer_.size() < kWriteBytes) co_return Result<void>{};
    auto step = [this] { return keep_failure(flush()); };
    co_return co_await run_blocking(runtime_, Pool::io, std::move(step));
  }

  Task<Result<void>> commit() override {
    BETEDGE_CO_TRY_VOID(may_go_on());
    auto step = [this] { return keep_failure(publish()); };
    co_return co_await run_blocking(runtime_, Pool::io, std::move(step));
  }

 private:
  Result<void> may_go_on() const {
    if (failure_) return std::unexpected(*failure_);
    if (!file_) return fail(ErrorCode::internal, key_.text() + " is committed already");
    return {};
  }

  Result<void> keep_failure(Result<void> result) {
    if (!result) failure_ = result.error();
    return result;
  }

  Result<void> flush() {
    const bool written =
        write_whole(*lake_->disk, file_.descriptor(), buffer_.data(), buffer_.size());
    const int why = errno;
    buffer_.clear();
    if (!written) return std::unexpected(storage_error("write", key_.text(), why));
    return {};
  }

  Result<void> publish() {
    BETEDGE_TRY_VOID(flush());
    if (lake_->disk->sync(file_.descriptor()) != 0) {
      return std::unexpected(storage_error("sync", key_.text(), errno));
    }
    const auto segments = segments_of(key_);
    BETEDGE_TRY(const auto folder, lake_->folder_of(key_, segments, Lake::Missing::make));
    BETEDGE_TRY_VOID(lake_->publish(temporary_name_, *folder, segments.back(), key_, expected_));
    file_ = File{};
    if (lake_->disk->sync(folder->descriptor()) != 0) {
      auto error = storage_error("sync the folder of", key_.text(), errno);
      error.message += "; the object is visible, but may not survive a power loss";
      return std::unexpected(std::move(error));
    }
    return {};
  }

  Runtime& runtime_;
  std::shared_ptr<Lake> lake_;
  ObjectKey key_;
  Expected expected_;
  std::string temporary_name_;
  File file_;  // open as long as the unfinished file is there
  Bytes buffer_;
  std::optional<Error> failure_;
};

namespace {

Error cannot_open(const std::filesystem::path& root, std::string_view doing, int why) {
  auto error = storage_error(doing, root.string(), why);
  error.message = "the lake cannot be opened: " + error.message;
  return error;
}

// "process 1234", as far as the lock's file tells.
std::string holder_of(int lock) {
  std::array<char, 32> text{};
  const auto size = ::pread(lock, text.data(), text.size(), 0);
  long process = 0;
  if (size > 0) std::from_chars(text.data(), text.data() + size, process);
  return process > 0 ? fmt::format("process {}", process) : "another process";
}

}  // namespace

Result<std::unique_ptr<LocalStore>> LocalStore::open(Runtime& runtime, std::filesystem::path root,
                                                     std::shared_ptr<Disk> disk) {
  auto lake = std::make_shared<Lake>();
  std::error_code ignored;
  lake->path = std::filesystem::absolute(root, ignored).lexically_normal();
  if (!lake->path.has_filename()) lake->path = lake->path.parent_path();
  lake->disk = disk ? std::move(disk) : std::make_shared<Disk>();

  std::filesystem::path made;
  for (const auto& part : lake->path) {
    const auto above = made;
    made /= part;
    if (::mkdir(made.c_str(), 0700) != 0) {
      if (errno == EEXIST || std::filesystem::is_directory(made, ignored)) continue;
      return std::unexpected(cannot_open(lake->path, "make the folder", errno));
    }
    const File folder{::open(above.c_str(), kFolderFlags)};
    if (!folder || lake->disk->sync(folder.descriptor()) != 0) {
      return std::unexpected(cannot_open(lake->path, "sync the folder above", errno));
    }
  }
  lake->root = File{::open(lake->path.c_str(), kFolderFlags)};
  if (!lake->root) return std::unexpected(cannot_open(lake->path, "open the folder", errno));

  const int root_folder = lake->root.descriptor();
  if (lake->disk->make_folder_at(root_folder, kOwnFolder, 0700) != 0 && errno != EEXIST) {
    return std::unexpected(cannot_open(lake->path, "write into", errno));
  }
  lake->own_folder =
      File{lake->disk->open_at(root_folder, kOwnFolder, kFolderFlags | O_NOFOLLOW, 0)};
  if (!lake->own_folder) {
    const int why = is_link(root_folder, kOwnFolder) ? ELOOP : errno;
    return std::unexpected(cannot_open(lake->path / kOwnFolder, "open the folder", why));
  }
  lake->lock = File{lake->disk->open_at(lake->own_folder.descriptor(), kLockName,
                                        O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600)};
  if (!lake->lock) return std::unexpected(cannot_open(lake->path, "lock", errno));
  if (::flock(lake->lock.descriptor(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return std::unexpected(cannot_open(lake->path, "lock", errno));
    return fail(
        ErrorCode::conflict,
        fmt::format("the lake {} is in use by another betedge server ({}): stop that one, or "
                    "choose another folder with BETEDGE_LAKE",
                    lake->path.string(), holder_of(lake->lock.descriptor())));
  }
  // For the sentence above only; the lock is what counts.
  const auto process = fmt::format("{}\n", ::getpid());
  if (::ftruncate(lake->lock.descriptor(), 0) != 0 ||
      ::pwrite(lake->lock.descriptor(), process.data(), process.size(), 0) < 0) {
    return std::unexpected(cannot_open(lake->path, "lock", errno));
  }
  lake->sweep();
  return std::unique_ptr<LocalStore>(new LocalStore(runtime, std::move(lake)));
}

LocalStore::LocalStore(Runtime& runtime, std::shared_ptr<Lake> lake)
    : runtime_(runtime), lake_(std::move(lake)) {}

LocalStore::~LocalStore() = default;

std::string LocalStore::name() const {
  return lake_->path.string();
}

Task<Result<std::optional<ObjectInfo>>> LocalStore::stat(ObjectKey key) {
  BETEDGE_CO_TRY_VOID(Lake::check_is_not_ours(key));
  auto step = [lake = lake_, key = std::move(key)] { return lake->stat(key); };
  co_return co_await run_blocking(runtime_, Pool::io, std::move(step));
}

Task<Result<std::unique_ptr<ObjectWriter>>> LocalStore::create(ObjectKey key, Expected expected) {
  BETEDGE_CO_TRY_VOID(Lake::check_is_not_ours(key));
  auto writer = std::make_unique<Writer>(runtime_, lake_, std::move(key), std::move(expected));
  auto step = [opening = writer.get()] { return opening->open(); };
  BETEDGE_CO_TRY_VOID(co_await run_blocking(runtime_, Pool::io, std::move(step)));
  co_return std::unique_ptr<ObjectWriter>(std::move(writer));
}

Task<Result<ObjectPage>> LocalStore::list(std::string prefix, std::string after,
                                          std::size_t limit) {
  auto step = [lake = lake_, prefix = std::move(prefix), after = std::move(after),
               limit]() -> Result<ObjectPage> {
    ObjectPage page;
    BETEDGE_TRY_VOID(lake->list(lake->root, {}, prefix, after, limit, page));
    return page;
  };
  co_return co_await run_blocking(runtime_, Pool::io, std::move(step));
}

bool LocalStore::publishes_conditionally() const {
  return false;
}

Task<Result<Bytes>> LocalStore::read(ObjectKey key, std::uint64_t offset, std::size_t length) {
  BETEDGE_CO_TRY_VOID(Lake::check_is_not_ours(key));
  auto step = [lake = lake_, key = std::move(key), offset, length] {
    return lake->read(key, offset, length);
  };
  co_return co_await run_blocking(runtime_, Pool::io, std::move(step));
}

}  // namespace betedge::sinks
