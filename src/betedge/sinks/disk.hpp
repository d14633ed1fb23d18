#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "betedge/core/error.hpp"

namespace betedge::sinks {

// The system calls that change a lake, as the system has them: -1 and errno on failure. A door of
// its own so that a test can fail, record or be killed at any of them.
class Disk {
 public:
  virtual ~Disk() = default;
  virtual int open_at(int folder, const char* name, int flags, mode_t mode);
  virtual int make_folder_at(int folder, const char* name, mode_t mode);
  virtual ssize_t write(int file, const std::byte* bytes, std::size_t size);
  virtual int sync(int file);
  virtual int rename_at(int from_folder, const char* from, int to_folder, const char* to);
  // As rename_at, and EEXIST when there is something of that name. EINVAL or ENOSYS where the file
  // system cannot do it.
  virtual int rename_new_at(int from_folder, const char* from, int to_folder, const char* to);
  virtual int unlink_at(int folder, const char* name);
};

// Closes the file descriptor when dropped.
class File {
 public:
  File() = default;
  explicit File(int descriptor) : descriptor_(descriptor) {}
  File(File&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  File& operator=(File&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~File();
  int descriptor() const { return descriptor_; }
  explicit operator bool() const { return descriptor_ >= 0; }

 private:
  int descriptor_ = -1;
};

// What a failed system call means for a job. ENOSPC and EDQUOT are storage_full; EACCES, EPERM and
// EROFS, and a symbolic link where none may be (ELOOP), are storage_denied; the rest may pass.
// "cannot <doing> <path>: No space left on device".
Error storage_error(std::string_view doing, std::string_view path, int error_number);

// All of the bytes, however many calls that takes. False, with errno, when the disk refuses.
bool write_whole(Disk& disk, int file, const std::byte* bytes, std::size_t size);

}  // namespace betedge::sinks
