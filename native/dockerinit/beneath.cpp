// See beneath.hpp.
#include "beneath.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include <cerrno>
#include <vector>

namespace dockerinit {
namespace {

// Without O_NOFOLLOW: with O_PATH that would return a link itself instead of refusing it.
constexpr uint64_t kStrict = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
constexpr uint64_t kInside = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;

std::vector<std::string> components(const std::string& path) {
  std::vector<std::string> parts;
  for (size_t at = 0; at < path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    const std::string part = path.substr(at, end - at);
    if (!part.empty() && part != ".") parts.push_back(part);
    at = end + 1;
  }
  return parts;
}

// Somebody else may make the same name at the same time in a shared volume: what we get must be what we made.
Result<Fd> make(Kernel& kernel, int dir, const std::string& name, bool directory) {
  if (name == "..") return refuse("", {}, EINVAL, "'..' beyond what exists");
  if (directory) {
    if (auto made = kernel.mkdirat(dir, name, 0755); !made) return made.failure();
    return kernel.openat2(dir, name, O_PATH | O_DIRECTORY, 0, kStrict);
  }
  auto made = kernel.openat2(dir, name, O_CREAT | O_EXCL | O_NOFOLLOW | O_RDONLY, 0644, kStrict);
  if (!made) return made.failure();
  return kernel.openat2(dir, name, O_PATH, 0, kStrict);
}

}  // namespace

Result<Fd> ordinary_directory(Kernel& kernel, int dir, const std::string& name) {
  const auto open = [&] {
    return kernel.openat2(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0, kStrict | RESOLVE_NO_XDEV);
  };
  auto found = open();
  if (found.error() == ENOENT) {
    if (auto made = kernel.mkdirat(dir, name, 0755); !made) return made.because("cannot make /" + name);
    found = open();
  }
  if (!found) return found.because("/" + name + " in the image must be an ordinary directory");
  return found;
}

Result<Fd> mounted_directory(Kernel& kernel, int dir, const std::string& name, long magic) {
  auto found = kernel.openat2(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0, kStrict);
  if (!found) return found.because("cannot look at what was mounted on " + name);
  if (magic_of(found->get()) != magic) {
    return refuse("fstatfs", {std::to_string(found->get())}, EINVAL,
                  name + " is not the filesystem just mounted");
  }
  return found;
}

// The longest part that exists is resolved by the kernel from the root each time, so a link in the image
// means inside the image what it would mean to the container; only what is missing is made, relative to the
// last descriptor.
Result<Fd> open_or_make(Kernel& kernel, int root, const std::string& path, bool directory) {
  auto whole = kernel.openat2(root, path, O_PATH, 0, kInside);
  if (whole || whole.error() != ENOENT) return whole;
  const auto parts = components(path);
  std::string prefix;
  auto at = kernel.openat2(root, "/", O_PATH | O_DIRECTORY, 0, kInside);
  bool missing = false;
  for (size_t i = 0; at && i < parts.size(); ++i) {
    prefix += "/" + parts[i];
    if (!missing) {
      auto next = kernel.openat2(root, prefix, O_PATH, 0, kInside);
      if (next || next.error() != ENOENT) {
        at = std::move(next);
        continue;
      }
      missing = true;
    }
    at = make(kernel, at->get(), parts[i], directory || i + 1 < parts.size());
  }
  return at;
}

std::string path_of(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

long magic_of(int fd) {
  struct statfs system {};
  return fstatfs(fd, &system) == 0 ? static_cast<long>(system.f_type) : 0;
}

bool is_null(int fd) {
  struct stat file {};
  return fstat(fd, &file) == 0 && S_ISCHR(file.st_mode) && file.st_rdev == makedev(1, 3);
}

Result<Fd> open_null(Kernel& kernel) {
  auto null = kernel.openat2(AT_FDCWD, "/dev/null", O_PATH, 0, RESOLVE_NO_SYMLINKS);
  if (!null) return null.because("the container's /dev/null must be the null device");
  if (!is_null(null->get())) {
    return refuse("fstat", {std::to_string(null->get())}, ENODEV,
                  "the container's /dev/null is not device 1:3");
  }
  return null;
}

}  // namespace dockerinit
