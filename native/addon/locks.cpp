// POSIX record locks: who is alive. The kernel releases them with the process, however it dies, and a child
// does not inherit them, so a held lock is proof of a living holder.
//
// Danger: closing *any* descriptor of the file in this process releases its lock. lockHolder opens and closes
// the file, so it must never be asked about a lock of this process.
//
// A run's lock has two bytes: 0 is its ts-dock's, 1 its monitor's. Whoever gets the whole file knows both gone.

#include <fcntl.h>

#include "values.hpp"

namespace tsdock {

namespace {

// byte -1: the whole file.
struct flock region_of(int byte) {
  struct flock region {};
  region.l_type = F_WRLCK;
  region.l_whence = SEEK_SET;
  region.l_start = byte < 0 ? 0 : byte;
  region.l_len = byte < 0 ? 0 : 1;
  return region;
}

// O_NOFOLLOW: a link in its place would make two roots share a lock, or create a file wherever it points.
Napi::Value lock_file(const Args& args) {
  const std::string path = args.text(0);
  const int command = args.flag(1) ? F_SETLKW : F_SETLK;
  Fd fd(checked("openat", ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)));
  struct flock region = region_of(args.value(2).IsUndefined() ? -1 : args.integer(2));
  int result;
  do {
    result = ::fcntl(fd.get(), command, &region);
  } while (result < 0 && errno == EINTR);
  // Both are allowed for "somebody has it"; callers shall need to know one only.
  if (result < 0 && errno == EACCES) errno = EAGAIN;
  checked("fcntl", result);
  return number(args, fd.release());
}

Napi::Value lock_holder(const Args& args) {
  const Fd fd(checked("openat", ::open(args.text(0).c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW)));
  struct flock region = region_of(-1);
  checked("fcntl", ::fcntl(fd.get(), F_GETLK, &region));
  return number(args, region.l_type == F_UNLCK ? 0 : region.l_pid);
}

}  // namespace

void offer_locks(Napi::Object& exports) {
  offer<lock_file>(exports, "lock");
  offer<lock_holder>(exports, "lockHolder");
}

}  // namespace tsdock
