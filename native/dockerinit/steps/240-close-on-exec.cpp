// init.close-on-exec: nothing but 0, 1, 2 and the pipe stays open, and the pipe closes at execve.
#include <dirent.h>
#include <fcntl.h>
#include <linux/close_range.h>

#include <cstdlib>

#include "../steps.hpp"

namespace dockerinit {
namespace {

// Every open descriptor above the pipe, but for `looking`, through which we look.
std::string strangers(DIR* folder, int looking) {
  std::string found;
  while (const dirent* entry = readdir(folder)) {
    if (entry->d_name[0] == '.') continue;
    const int fd = atoi(entry->d_name);
    if (fd > Pipe::kFd && fd != looking) found += (found.empty() ? "" : " ") + std::to_string(fd);
  }
  return found;
}

}  // namespace

// Marked for execve and also looked for: `WORKDIR /proc/self/fd/7` only works while 7 is open, and marking
// alone left it open for init.chdir (CVE-2024-21626). The mounts' descriptors end here with the proof that
// held them.
Result<DescriptorsClosed> close_on_exec(Init& init, SystemMounts&& mounts) {
  auto self = init.kernel.openat2(mounts.proc(), "self/fd", O_RDONLY | O_DIRECTORY, 0, 0);
  if (!self) return self.because("cannot look at the open descriptors");
  { const SystemMounts closed = std::move(mounts); }
  auto marked = init.kernel.close_range(Pipe::kFd, CLOSE_RANGE_CLOEXEC);
  if (!marked) return marked.failure();
  const int looking = self->get();
  DIR* folder = fdopendir(fcntl(looking, F_DUPFD_CLOEXEC, looking));
  if (folder == nullptr) return refuse("fdopendir", {std::to_string(looking)}, errno, "");
  const int copy = dirfd(folder);
  self->reset();
  const std::string left = strangers(folder, copy);
  closedir(folder);
  if (!left.empty()) return refuse("", {}, EBADF, "descriptors were left open: " + left);
  return DescriptorsClosed{};
}

}  // namespace dockerinit
