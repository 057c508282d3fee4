// init.restrict: paths of /proc and /sys that the container may read but not write, and paths that it may not
// see.
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "../beneath.hpp"
#include "../steps.hpp"

namespace dockerinit {
namespace {

constexpr uint64_t kHarmless = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

// Opened beneath the filesystem that the path begins with, without links: the descriptor is of our procfs or
// sysfs even if something covers /proc.
Result<Fd> open_path(Init& init, const SystemMounts& mounts, const std::string& path) {
  const bool proc = path.starts_with("/proc/");
  if (!proc && !path.starts_with("/sys/")) {
    return refuse("", {}, EINVAL, "only paths under /proc and /sys are restricted, not " + path);
  }
  const std::string rest = path.substr(proc ? 6 : 5);
  return init.kernel.openat2(proc ? mounts.proc() : mounts.sys(), rest, O_PATH, 0,
                             RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

Status bind_over(Init& init, int what, int where, unsigned recursive, uint64_t attributes) {
  auto tree =
      init.kernel.open_tree(what, "", AT_EMPTY_PATH | recursive | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  if (!tree) return tree.failure();
  if (attributes != 0) {
    auto set = init.kernel.mount_setattr(tree->get(), AT_EMPTY_PATH | recursive, attributes, 0);
    if (!set) return set;
  }
  return init.kernel.move_mount(tree->get(), where);
}

// A file is hidden by the null device. Docker bound the container's /dev/null by path; an image or volume
// that made it a link to /proc/sys/kernel/core_pattern got that file, writable, as its "mask"
// (CVE-2025-31133). Here one descriptor, looked at once, is bound each time.
Status mask(Init& init, int target, int null) {
  struct stat file {};
  if (fstat(target, &file) != 0) return refuse("fstat", {std::to_string(target)}, errno, "");
  if (!S_ISDIR(file.st_mode)) return bind_over(init, null, target, 0, 0);
  return init.kernel.mount("tmpfs", path_of(target), "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
                           "size=0k,nr_inodes=2");
}

// Which of these paths exist differs from kernel to kernel; what does not exist needs no protection.
template <class Apply>
Status each(Init& init, const SystemMounts& mounts, const std::vector<std::string>& paths, const char* what,
            Apply apply) {
  int64_t done = 0;
  std::string absent;
  for (const std::string& path : paths) {
    auto target = open_path(init, mounts, path);
    if (target.error() == ENOENT) {
      absent += (absent.empty() ? "" : " ") + path;
      continue;
    }
    if (!target) return target.because("cannot restrict " + path);
    if (auto applied = apply(target->get()); !applied) return applied.because("cannot restrict " + path);
    ++done;
  }
  init.note(what, done);
  if (!absent.empty()) init.note(std::string(what) + "_absent", absent);
  return Done{};
}

}  // namespace

Status restrict_paths(Init& init, const Jailed&, const SystemMounts& mounts) {
  init.note("restricted", init.config.restrict_sys);
  if (!init.config.restrict_sys) return Done{};
  const auto& today = init.config;
  auto done = each(init, mounts, today.readonly_paths, "readonly", [&](int target) {
    return bind_over(init, target, target, AT_RECURSIVE, MOUNT_ATTR_RDONLY | kHarmless);
  });
  if (!done || today.masked_paths.empty()) return done;
  auto null = open_null(init.kernel);
  if (!null) return null.failure();
  return each(init, mounts, today.masked_paths, "masked",
              [&](int target) { return mask(init, target, null->get()); });
}

}  // namespace dockerinit
