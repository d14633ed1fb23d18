#include "betedge/sinks/local_store.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <sstream>

#include "backends.hpp"
#include "support/virtual_runtime.hpp"

// What only a lake in a folder promises.
namespace betedge::testing {
namespace {

using sinks::Disk;
using sinks::LocalStore;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

ObjectKey key_of(std::string_view text) {
  return ObjectKey::parse(text).value();
}
Bytes text_bytes(std::string_view text) {
  const auto bytes = as_bytes(text);
  return {bytes.begin(), bytes.end()};
}

std::string content(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return file ? text.str() : "<absent>";
}
void write_file(const std::filesystem::path& path, std::string_view text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}
std::vector<std::string> names_in(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    names.push_back(entry.path().filename());
  }
  std::ranges::sort(names);
  return names;
}

Task<void> put_into(ObjectStore& store, ObjectKey key, Bytes bytes, Expected expected,
                    Result<void>& result) {
  auto writer = co_await store.create(std::move(key), std::move(expected));
  if (!writer) {
    result = std::unexpected(writer.error());
    co_return;
  }
  result = co_await (*writer)->write(std::move(bytes));
  if (result) result = co_await (*writer)->commit();
}
Task<void> stat_into(ObjectStore& store, ObjectKey key, Result<std::optional<ObjectInfo>>& result) {
  result = co_await store.stat(std::move(key));
}
Task<void> list_into(ObjectStore& store, Result<ObjectPage>& result) {
  result = co_await store.list("", "", 1000);
}
Task<void> read_into(ObjectStore& store, ObjectKey key, Result<Bytes>& result) {
  result = co_await store.read(std::move(key), 0, 1000);
}

class LocalStoreTest : public ::testing::Test {
 protected:
  std::unique_ptr<LocalStore> open(std::shared_ptr<Disk> disk = nullptr) {
    auto opened = LocalStore::open(runtime_, lake_, std::move(disk));
    EXPECT_TRUE(opened) << opened.error().message;
    return opened ? *std::move(opened) : nullptr;
  }
  Result<void> put(LocalStore& store, std::string_view key, std::string_view text,
                   const Expected& expected = {}) {
    Result<void> result;
    runtime_.run(put_into(store, key_of(key), text_bytes(text), expected, result));
    return result;
  }
  Result<std::optional<ObjectInfo>> stat(LocalStore& store, std::string_view key) {
    Result<std::optional<ObjectInfo>> result;
    runtime_.run(stat_into(store, key_of(key), result));
    return result;
  }
  Result<Bytes> read(LocalStore& store, std::string_view key) {
    Result<Bytes> result;
    runtime_.run(read_into(store, key_of(key), result));
    return result;
  }

  ScratchFolder scratch_;
  std::filesystem::path lake_ = scratch_.path() / "lake";
  VirtualRuntime runtime_{1};
};

// Writes down the calls, and fails or is killed at the one that it is told.
class ScriptedDisk final : public Disk {
 public:
  int open_at(int folder, const char* name, int flags, mode_t mode) override {
    if ((flags & O_CREAT) != 0 && !meet(fmt::format("create {}", name))) return -1;
    return Disk::open_at(folder, name, flags, mode);
  }
  int make_folder_at(int folder, const char* name, mode_t mode) override {
    return meet(fmt::format("mkdir {}", name)) ? Disk::make_folder_at(folder, name, mode) : -1;
  }
  ssize_t write(int file, const std::byte* bytes, std::size_t size) override {
    if (!meet("write")) return -1;
    return Disk::write(file, bytes, short_writes ? (size + 1) / 2 : size);
  }
  int sync(int file) override {
    struct stat status{};
    ::fstat(file, &status);
    return meet(S_ISDIR(status.st_mode) ? "sync folder" : "sync file") ? Disk::sync(file) : -1;
  }
  int rename_at(int from_folder, const char* from, int to_folder, const char* to) override {
    if (!meet(fmt::format("rename to {}", to))) return -1;
    return Disk::rename_at(from_folder, from, to_folder, to);
  }
  int rename_new_at(int from_folder, const char* from, int to_folder, const char* to) override {
    if (!meet(fmt::format("rename new to {}", to))) return -1;
    return Disk::rename_new_at(from_folder, from, to_folder, to);
  }
  int unlink_at(int folder, const char* name) override {
    return meet("unlink") ? Disk::unlink_at(folder, name) : -1;
  }

  std::vector<std::string> calls;
  bool short_writes = false;
  std::string fail_at;  // the beginning of a call's text
  int with = EIO;
  std::size_t die_before = SIZE_MAX;  // the call of this number

 private:
  bool meet(std::string call) {
    if (calls.size() == die_before) ::raise(SIGKILL);
    calls.push_back(std::move(call));
    if (fail_at.empty() || !calls.back().starts_with(fail_at)) return true;
    errno = with;
    return false;
  }
};

TEST_F(LocalStoreTest, SyncsTheFileBeforeItIsNamedAndEveryFolderThatChanged) {
  auto disk = std::make_shared<ScriptedDisk>();
  const auto store = open(disk);
  disk->calls.clear();
  ASSERT_TRUE(put(*store, "a/b/data", "x"));
  EXPECT_THAT(disk->calls,
              ElementsAre("create put-0", "write", "sync file", "mkdir a", "sync folder", "mkdir b",
                          "sync folder", "rename to data", "sync folder"));
}

TEST_F(LocalStoreTest, SyncsAFolderThatSomebodyElseMadeOnceMoreAndThenKnowsIt) {
  std::filesystem::create_directories(lake_ / "a");
  auto disk = std::make_shared<ScriptedDisk>();
  const auto store = open(disk);
  for (const auto& syncs : {2, 1}) {  // a's entry in the lake, the object's in a; then only that
    disk->calls.clear();
    ASSERT_TRUE(put(*store, "a/data", "x"));
    EXPECT_EQ(std::ranges::count(disk->calls, "sync folder"), syncs);
  }
}

TEST_F(LocalStoreTest, WritesInPiecesOfAMebibyteAndGoesOnAfterAShortWrite) {
  auto disk = std::make_shared<ScriptedDisk>();
  const auto store = open(disk);
  disk->calls.clear();
  const std::string half(std::size_t{1} << 19, 'x');
  ASSERT_TRUE(put(*store, "small", half));
  EXPECT_EQ(std::ranges::count(disk->calls, "write"), 1);
  disk->short_writes = true;
  const std::string whole(std::size_t{3} << 20, 'y');
  ASSERT_TRUE(put(*store, "large", whole));
  EXPECT_TRUE(content(lake_ / "large") == whole);
}

struct Fault {
  std::string name, at;
  int error_number;
  ErrorCode code;
  bool is_visible;
};
void PrintTo(const Fault& fault, std::ostream* out) {
  *out << fault.name;
}

class LocalStoreFault : public LocalStoreTest, public ::testing::WithParamInterface<Fault> {};

TEST_P(LocalStoreFault, FailsTheObjectOnceAndLeavesNothingUnfinished) {
  const auto& fault = GetParam();
  auto disk = std::make_shared<ScriptedDisk>();
  const auto store = open(disk);
  ASSERT_TRUE(put(*store, "kept/data", "old"));
  disk->calls.clear();
  disk->fail_at = fault.at;
  disk->with = fault.error_number;

  const auto result = put(*store, "new/kept/data", "new");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, fault.code) << result.error().message;
  EXPECT_THAT(result.error().message, HasSubstr("new"));
  EXPECT_EQ(result.error().message.find(scratch_.path().string()), std::string::npos);
  EXPECT_EQ(std::ranges::count_if(disk->calls,
                                  [&](const auto& call) { return call.starts_with(fault.at); }),
            1)
      << "asked again";
  disk->fail_at.clear();
  EXPECT_EQ(content(lake_ / "new/kept/data"), fault.is_visible ? "new" : "<absent>");
  EXPECT_EQ(content(lake_ / "kept/data"), "old");
  EXPECT_THAT(names_in(lake_ / ".betedge-tmp"), ElementsAre("lock"));
  EXPECT_TRUE(put(*store, "new/kept/data", "new"));
  EXPECT_EQ(content(lake_ / "new/kept/data"), "new");
}

INSTANTIATE_TEST_SUITE_P(
    EachStep, LocalStoreFault,
    ::testing::Values(
        Fault{"begin_denied", "create put-", EACCES, ErrorCode::storage_denied, false},
        Fault{"write_full", "write", ENOSPC, ErrorCode::storage_full, false},
        Fault{"write_quota", "write", EDQUOT, ErrorCode::storage_full, false},
        Fault{"write_broken", "write", EIO, ErrorCode::storage_failed, false},
        Fault{"sync_broken", "sync file", EIO, ErrorCode::storage_failed, false},
        Fault{"sync_full", "sync file", ENOSPC, ErrorCode::storage_full, false},
        Fault{"mkdir_denied", "mkdir new", EACCES, ErrorCode::storage_denied, false},
        Fault{"mkdir_read_only", "mkdir new", EROFS, ErrorCode::storage_denied, false},
        Fault{"mkdir_full", "mkdir kept", ENOSPC, ErrorCode::storage_full, false},
        Fault{"folder_sync_broken", "sync folder", EIO, ErrorCode::storage_failed, false},
        Fault{"rename_not_permitted", "rename", EPERM, ErrorCode::storage_denied, false},
        Fault{"rename_across_disks", "rename", EXDEV, ErrorCode::storage_failed, false}),
    [](const auto& tested) { return tested.param.name; });

const Expected kNothing{Expected::What::nothing, {}};

TEST_F(LocalStoreTest, RenamesSoThatNothingIsReplacedWhereNothingIsExpected) {
  auto disk = std::make_shared<ScriptedDisk>();
  const auto store = open(disk);
  ASSERT_TRUE(put(*store, "a/data", "first", kNothing));
  EXPECT_EQ(std::ranges::count(disk->calls, "rename new to data"), 1);
  EXPECT_EQ(std::ranges::count(disk->calls, "rename to data"), 0);
  EXPECT_EQ(put(*store, "a/data", "second", kNothing).error().code, ErrorCode::fenced);
  EXPECT_EQ(content(lake_ / "a/data"), "first");
  EXPECT_THAT(names_in(lake_ / ".betedge-tmp"), ElementsAre("lock"));
}

TEST_F(LocalStoreTest, LooksBeforeItRenamesWhereTheFileSystemCannotDoBoth) {
  auto disk = std::make_shared<ScriptedDisk>();
  const auto store = open(disk);
  disk->fail_at = "rename new";
  for (const int cannot : {EINVAL, ENOSYS}) {
    disk->with = cannot;
    const auto key = fmt::format("a/data-{}", cannot);
    EXPECT_TRUE(put(*store, key, "first", kNothing));
    EXPECT_EQ(put(*store, key, "second", kNothing).error().code, ErrorCode::fenced);
    EXPECT_EQ(content(lake_ / key), "first");
  }
  disk->with = EIO;
  EXPECT_EQ(put(*store, "a/other", "x", kNothing).error().code, ErrorCode::storage_failed);
  EXPECT_THAT(names_in(lake_ / ".betedge-tmp"), ElementsAre("lock"));
}

TEST_F(LocalStoreTest, AnObjectThatAnotherProgramHasReplacedIsNotTheExpectedOne) {
  const auto store = open();
  ASSERT_TRUE(put(*store, "a/data", "ours"));
  const auto expected = Expected::as_found(stat(*store, "a/data").value());
  write_file(lake_ / "a/new", "them");
  std::filesystem::rename(lake_ / "a/new", lake_ / "a/data");
  EXPECT_EQ(put(*store, "a/data", "late", expected).error().code, ErrorCode::fenced);
  EXPECT_EQ(content(lake_ / "a/data"), "them");
}

TEST_F(LocalStoreTest, ListsFilesOnly) {
  const auto outside = scratch_.path() / "outside";
  write_file(outside / "data", "not yours");
  const auto store = open();
  write_file(lake_ / "b/data", "x");
  write_file(lake_ / "c/.betedge-tmp/data", "somebody's, and not in our own place");
  write_file(lake_ / "bad\\name", "no key");
  write_file(lake_ / "bad\\folder/data", "no key");
  std::filesystem::create_directories(lake_ / "empty/empty");
  std::filesystem::create_directory_symlink(outside, lake_ / "a");
  std::filesystem::create_symlink(outside / "data", lake_ / "b/link");
  ASSERT_EQ(::mkfifo((lake_ / "fifo").c_str(), 0600), 0);
  Result<ObjectPage> page;
  runtime_.run(list_into(*store, page));
  ASSERT_TRUE(page) << page.error().message;
  std::vector<std::string> keys;
  for (const auto& entry : page->objects) keys.push_back(entry.key.text());
  EXPECT_THAT(keys, ElementsAre("b/data", "c/.betedge-tmp/data"));
  EXPECT_EQ(page->next_after, std::nullopt);
}

TEST_F(LocalStoreTest, SaysThatTheObjectMayBeVisibleWhenItsFolderCannotBeSynced) {
  auto disk = std::make_shared<ScriptedDisk>();
  const auto store = open(disk);
  ASSERT_TRUE(put(*store, "a/one", "1"));  // a is known now: the only sync left is the last one
  disk->fail_at = "sync folder";
  const auto result = put(*store, "a/two", "2");
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().message, HasSubstr("the object is visible"));
  EXPECT_EQ(content(lake_ / "a/two"), "2");
}

// Runs `work` in a process of its own and returns how that ended.
template <class Work>
int in_a_child(Work work) {
  const auto child = ::fork();
  if (child == 0) {
    work();
    ::_exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return status;
}

TEST_F(LocalStoreTest, AProcessKilledAtAnyStepLeavesTheOldObjectOrTheNewOneAndIsSweptUp) {
  auto disk = std::make_shared<ScriptedDisk>();
  std::size_t opened_after = 0;
  const std::string old_text(100, 'o'), new_text(std::size_t{3} << 20, 'n');
  {
    const auto store = open();
    ASSERT_TRUE(put(*store, "a/b/data", old_text));
  }
  {
    const auto store = open(disk);
    opened_after = disk->calls.size();
    ASSERT_TRUE(put(*store, "a/b/data", old_text));
  }
  const auto steps = disk->calls.size();
  ASSERT_GT(steps, opened_after + 5);
  bool seen_old = false, seen_new = false;
  for (std::size_t step = 0; step < steps; ++step) {
    const int status = in_a_child([&] {
      auto killer = std::make_shared<ScriptedDisk>();
      killer->die_before = step;
      const auto store = open(killer);
      put(*store, "a/b/data", new_text).value();
    });
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << "step " << step;
    const auto there = content(lake_ / "a/b/data");
    seen_old |= there == old_text;
    seen_new |= there == new_text;
    EXPECT_TRUE(there == old_text || there == new_text) << "torn before step " << step;
    const auto store = open();  // the lock went with the process
    EXPECT_THAT(names_in(lake_ / ".betedge-tmp"), ElementsAre("lock")) << "step " << step;
    ASSERT_TRUE(put(*store, "a/b/data", old_text));
  }
  EXPECT_TRUE(seen_old && seen_new);
}

TEST_F(LocalStoreTest, SweepsOnlyItsOwnUnfinishedFiles) {
  write_file(lake_ / ".betedge-tmp/put-17", "torn");
  write_file(lake_ / ".betedge-tmp/notes.txt", "somebody's");
  write_file(lake_ / "put-17/data", "an object");
  const auto store = open();
  EXPECT_THAT(names_in(lake_ / ".betedge-tmp"), ElementsAre("lock", "notes.txt"));
  EXPECT_EQ(content(lake_ / "put-17/data"), "an object");
}

TEST_F(LocalStoreTest, ASecondServerIsToldWhoHasTheLake) {
  auto first = open();
  const auto second = LocalStore::open(runtime_, lake_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::conflict);
  EXPECT_THAT(second.error().message, HasSubstr("is in use by another betedge server"));
  EXPECT_THAT(second.error().message, HasSubstr(fmt::format("process {}", ::getpid())));
  first.reset();
  EXPECT_TRUE(LocalStore::open(runtime_, lake_));
}

TEST_F(LocalStoreTest, MakesTheLakesFolderForItsOwnerOnly) {
  lake_ = scratch_.path() / "some/where/lake";
  const auto store = open();
  struct stat status{};
  ASSERT_EQ(::stat(lake_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700U);
  EXPECT_EQ(store->name(), lake_.string());
}

TEST_F(LocalStoreTest, NamesTheLakeWithoutItsLastSlash) {
  const auto store = LocalStore::open(runtime_, lake_ / "");
  ASSERT_TRUE(store);
  EXPECT_EQ((*store)->name(), lake_.string());
}

TEST_F(LocalStoreTest, FollowsNoLinkOutOfTheLake) {
  const auto outside = scratch_.path() / "outside";
  write_file(outside / "data", "not yours");
  const auto store = open();
  std::filesystem::create_directory_symlink(outside, lake_ / "folder");
  std::filesystem::create_directory(lake_ / "real");
  std::filesystem::create_symlink(outside / "data", lake_ / "real/link");
  std::filesystem::create_symlink(outside / "missing", lake_ / "real/dangling");
  for (const auto* key : {"folder/data", "folder/sub/data", "real/link", "real/dangling"}) {
    EXPECT_EQ(stat(*store, key).error().code, ErrorCode::storage_denied) << key;
    const auto bytes = read(*store, key);
    ASSERT_FALSE(bytes) << key;
    EXPECT_EQ(bytes.error().code, ErrorCode::storage_denied) << key;
    EXPECT_THAT(bytes.error().message, HasSubstr("symbolic link")) << key;
  }
  EXPECT_EQ(put(*store, "folder/new", "x").error().code, ErrorCode::storage_denied);
  EXPECT_EQ(put(*store, "folder/sub/new", "x").error().code, ErrorCode::storage_denied);
  EXPECT_THAT(names_in(outside), ElementsAre("data"));
  // A link in an object's place is replaced, not written through.
  ASSERT_TRUE(put(*store, "real/link", "ours"));
  EXPECT_EQ(content(outside / "data"), "not yours");
  EXPECT_EQ(content(lake_ / "real/link"), "ours");
}

TEST_F(LocalStoreTest, RefusesALinkInThePlaceOfItsOwnFolder) {
  std::filesystem::create_directories(lake_);
  const auto outside = scratch_.path() / "outside";
  write_file(outside / "put-1", "not yours");
  std::filesystem::create_directory_symlink(outside, lake_ / ".betedge-tmp");
  const auto opened = LocalStore::open(runtime_, lake_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::storage_denied);
  EXPECT_THAT(names_in(outside), ElementsAre("put-1"));
}

TEST_F(LocalStoreTest, TheLakesFolderItselfMayBeALink) {
  std::filesystem::create_directories(scratch_.path() / "disk2");
  std::filesystem::create_directory_symlink(scratch_.path() / "disk2", lake_);
  const auto store = open();
  ASSERT_TRUE(put(*store, "a/data", "x"));
  EXPECT_EQ(content(scratch_.path() / "disk2/a/data"), "x");
}

TEST_F(LocalStoreTest, ItsOwnFolderHoldsNoObjects) {
  const auto store = open();
  for (const auto* key : {".betedge-tmp/lock", ".betedge-tmp", ".betedge-tmp/put-0"}) {
    EXPECT_EQ(stat(*store, key).error().code, ErrorCode::invalid_request) << key;
    EXPECT_EQ(read(*store, key).error().code, ErrorCode::invalid_request) << key;
    EXPECT_EQ(put(*store, key, "x").error().code, ErrorCode::invalid_request) << key;
  }
  EXPECT_TRUE(put(*store, ".betedge-tmpx/data", "x"));
}

TEST_F(LocalStoreTest, WhatIsNoFileIsAnErrorAndDoesNotBlock) {
  const auto store = open();
  std::filesystem::create_directories(lake_ / "folder/data");
  ASSERT_EQ(::mkfifo((lake_ / "fifo").c_str(), 0600), 0);
  for (const auto* key : {"folder/data", "fifo"}) {
    EXPECT_EQ(stat(*store, key).error().code, ErrorCode::storage_failed) << key;
    EXPECT_EQ(read(*store, key).error().code, ErrorCode::storage_failed) << key;
  }
  EXPECT_EQ(put(*store, "folder/data", "x").error().code, ErrorCode::storage_failed);
  EXPECT_THAT(names_in(lake_ / ".betedge-tmp"), ElementsAre("lock"));
}

TEST_F(LocalStoreTest, BelowAFileThereIsNoObject) {
  const auto store = open();
  ASSERT_TRUE(put(*store, "a/data", "x"));
  EXPECT_EQ(stat(*store, "a/data/below").value(), std::nullopt);
  EXPECT_EQ(read(*store, "a/data/below").error().code, ErrorCode::not_found);
}

// Gives up root's rights in the child that calls it, for good.
void become_nobody() {
  constexpr uid_t kNobody = 65534;
  ASSERT_EQ(::setgid(kNobody), 0);
  ASSERT_EQ(::setuid(kNobody), 0);
}

TEST_F(LocalStoreTest, ALakeThatRefusesUsIsDenied) {
  const bool is_root = ::geteuid() == 0;
  std::filesystem::create_directories(lake_ / "closed");
  std::filesystem::create_directories(lake_ / ".betedge-tmp");
  write_file(lake_ / "closed/data", "x");
  if (is_root) {
    for (const auto& path : {scratch_.path(), lake_, lake_ / ".betedge-tmp"}) {
      std::filesystem::permissions(path, std::filesystem::perms::all);
    }
  }
  std::filesystem::permissions(lake_ / "closed", std::filesystem::perms::none);
  const int status = in_a_child([&] {
    if (is_root) become_nobody();
    const auto store = open();
    EXPECT_EQ(put(*store, "closed/new", "x").error().code, ErrorCode::storage_denied);
    EXPECT_EQ(stat(*store, "closed/data").error().code, ErrorCode::storage_denied);
    EXPECT_EQ(read(*store, "closed/data").error().code, ErrorCode::storage_denied);
    EXPECT_TRUE(put(*store, "open/new", "x"));
  });
  std::filesystem::permissions(lake_ / "closed", std::filesystem::perms::owner_all);
  EXPECT_EQ(status, 0);
}

TEST_F(LocalStoreTest, ALakeThatCannotBeMadeSaysWhichAndWhy) {
  write_file(scratch_.path() / "file", "x");
  const auto opened = LocalStore::open(runtime_, scratch_.path() / "file/lake");
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, HasSubstr("the lake cannot be opened"));
  EXPECT_THAT(opened.error().message, HasSubstr((scratch_.path() / "file/lake").string()));
  EXPECT_THAT(opened.error().message, HasSubstr("Not a directory"));
}

TEST_F(LocalStoreTest, AFullDiskIsFullAndKeepsWhatWasThere) {
  std::filesystem::create_directories(lake_);
  if (::mount("tmpfs", lake_.c_str(), "tmpfs", 0, "size=2m,mode=700") != 0) {
    GTEST_SKIP() << "mounting a small tmpfs is not permitted here";
  }
  {
    const auto store = open();
    EXPECT_TRUE(put(*store, "a/data", "old"));
    const auto result = put(*store, "a/data", std::string(std::size_t{8} << 20, 'x'));
    EXPECT_EQ(result.error().code, ErrorCode::storage_full);
    EXPECT_THAT(result.error().message, HasSubstr("No space left on device"));
    EXPECT_EQ(content(lake_ / "a/data"), "old");
    EXPECT_THAT(names_in(lake_ / ".betedge-tmp"), ElementsAre("lock"));
    EXPECT_TRUE(put(*store, "a/data", "new"));
  }
  EXPECT_EQ(::umount(lake_.c_str()), 0);
}

}  // namespace
}  // namespace betedge::testing
