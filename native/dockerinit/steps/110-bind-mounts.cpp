// init.bind-mounts: volumes and the files of the daemon, each bound onto its place in the container.
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>

#include "../beneath.hpp"
#include "../steps.hpp"

namespace dockerinit {
namespace {

// /a must be mounted before /a/b, or it hides it. Docker 1.2.0 walked a Go map: a different order each time.
std::vector<BindMount> by_depth(std::vector<BindMount> mounts) {
  const auto depth = [](const BindMount& mount) {
    return std::count(mount.destination.begin(), mount.destination.end(), '/');
  };
  std::stable_sort(mounts.begin(), mounts.end(),
                   [&](const BindMount& one, const BindMount& two) { return depth(one) < depth(two); });
  return mounts;
}

bool same_place(int one, int two) {
  struct statx first {};
  struct statx second {};
  constexpr unsigned kWanted = STATX_INO | STATX_MNT_ID;
  if (statx(one, "", AT_EMPTY_PATH, kWanted, &first) != 0) return true;
  if (statx(two, "", AT_EMPTY_PATH, kWanted, &second) != 0) return true;
  return first.stx_ino == second.stx_ino && first.stx_mnt_id == second.stx_mnt_id;
}

// Judged by what the destination turned out to be, not by its spelling: `/x/../proc` and a link `x -> /proc`
// in the image end here as well. A volume over /proc could fake the files that the next steps write to
// (CVE-2015-3631).
Status allowed(int destination, const RootBound& root, const std::string& path, bool directory) {
  if (same_place(destination, root.fd())) return refuse("", {}, EINVAL, "a volume on '/' (" + path + ")");
  const long magic = magic_of(destination);
  if (magic == PROC_SUPER_MAGIC || magic == SYSFS_MAGIC) {
    return refuse("", {}, EINVAL, "a volume may not lie under /proc or /sys (" + path + ")");
  }
  struct stat file {};
  if (fstat(destination, &file) != 0 || S_ISDIR(file.st_mode) != directory) {
    return refuse("", {}, ENOTDIR, "a directory goes on a directory, a file on a file (" + path + ")");
  }
  return Done{};
}

// The clone is made read-only before anybody can see it, and all of it: Docker 1.2.0's remount changed the
// top mount only, so whatever was mounted below a read-only volume stayed writable.
Result<Fd> clone_tree(Init& init, int source, bool writable) {
  auto tree =
      init.kernel.open_tree(source, "", AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  if (!tree) return tree;
  const uint64_t set = writable ? 0 : MOUNT_ATTR_RDONLY;
  auto done = init.kernel.mount_setattr(tree->get(), AT_EMPTY_PATH | AT_RECURSIVE, set, MS_PRIVATE);
  if (!done) return done.failure();
  return tree;
}

Status bind(Init& init, const RootBound& root, const BindMount& mount) {
  const std::string which = mount.source + " on " + mount.destination;
  auto source = init.kernel.openat2(AT_FDCWD, mount.source, O_PATH, 0, 0);
  if (!source) return source.because("cannot open the source of the volume " + which);
  struct stat file {};
  if (fstat(source->get(), &file) != 0) return refuse("fstat", {mount.source}, errno, "");
  const bool directory = S_ISDIR(file.st_mode);
  auto destination = open_or_make(init.kernel, root.fd(), mount.destination, directory);
  if (!destination) return destination.because("cannot find or make the place for the volume " + which);
  if (auto fine = allowed(destination->get(), root, mount.destination, directory); !fine) return fine;
  auto tree = clone_tree(init, source->get(), mount.writable);
  if (!tree) return tree.because("cannot clone the volume " + which);
  if (auto moved = init.kernel.move_mount(tree->get(), destination->get()); !moved) {
    return moved.because("cannot mount the volume " + which);
  }
  return Done{};
}

}  // namespace

Status bind_mounts(Init& init, const RootBound& root, const SystemMounts&) {
  for (const BindMount& mount : by_depth(init.config.mounts)) {
    if (auto done = bind(init, root, mount); !done) return done;
  }
  init.note("volumes", static_cast<int64_t>(init.config.mounts.size()));
  return Done{};
}

}  // namespace dockerinit
