// See read-file.hpp.
#include "read-file.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace dockerinit {

Result<std::string> read_all(const Fd& fd, size_t max) {
  std::string text;
  char bytes[16384];
  for (;;) {
    const ssize_t got = read(fd.get(), bytes, sizeof bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return refuse("read", {std::to_string(fd.get())}, errno, "cannot be read");
    if (got == 0) return text;
    text.append(bytes, static_cast<size_t>(got));
    // The size that fstat told may be outgrown while we read.
    if (text.size() > max) return refuse("read", {std::to_string(fd.get())}, EFBIG, "is too large");
  }
}

Result<std::string> read_file(const Fd& fd, size_t max) {
  struct stat file {};
  if (fstat(fd.get(), &file) != 0)
    return refuse("fstat", {std::to_string(fd.get())}, errno, "cannot be looked at");
  if (!S_ISREG(file.st_mode))
    return refuse("fstat", {std::to_string(fd.get())}, EINVAL, "is not a regular file");
  if (static_cast<uint64_t>(file.st_size) > max) {
    return refuse("fstat", {std::to_string(fd.get())}, EFBIG, "is too large");
  }
  return read_all(fd, max);
}

}  // namespace dockerinit
