#include "betedge/sinks/disk.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>

namespace betedge::sinks {

int Disk::open_at(int folder, const char* name, int flags, mode_t mode) {
  return ::openat(folder, name, flags, mode);
}
int Disk::make_folder_at(int folder, const char* name, mode_t mode) {
  return ::mkdirat(folder, name, mode);
}
ssize_t Disk::write(int file, const std::byte* bytes, std::size_t size) {
  return ::write(file, bytes, size);
}
int Disk::sync(int file) {
  return ::fsync(file);
}
int Disk::rename_at(int from_folder, const char* from, int to_folder, const char* to) {
  return ::renameat(from_folder, from, to_folder, to);
}
int Disk::rename_new_at(int from_folder, const char* from, int to_folder, const char* to) {
  return ::renameat2(from_folder, from, to_folder, to, RENAME_NOREPLACE);
}
int Disk::unlink_at(int folder, const char* name) {
  return ::unlinkat(folder, name, 0);
}

File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

namespace {

ErrorCode code_of(int error_number) {
  switch (error_number) {
    case ENOSPC:
    case EDQUOT: return ErrorCode::storage_full;
    case EACCES:
    case EPERM:
    case EROFS:
    case ELOOP: return ErrorCode::storage_denied;
    default: return ErrorCode::storage_failed;
  }
}

}  // namespace

Error storage_error(std::string_view doing, std::string_view path, int error_number) {
  const auto why = error_number == ELOOP
                       ? "a symbolic link is in the way, and the lake follows none"
                       : std::generic_category().message(error_number);
  return Error{code_of(error_number), fmt::format("cannot {} {}: {}", doing, path, why), {}};
}

bool write_whole(Disk& disk, int file, const std::byte* bytes, std::size_t size) {
  while (size > 0) {
    const auto written = disk.write(file, bytes, size);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes += written;
    size -= static_cast<std::size_t>(written);
  }
  return true;
}

}  // namespace betedge::sinks
