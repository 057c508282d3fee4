// init.bind-rootfs: the working directory, which is the container's rootfs, becomes a mount of its own.
#include <fcntl.h>
#include <sys/mount.h>

#include "../steps.hpp"

namespace dockerinit {

// pivot_root wants a mount point. From here on the tree is hostile: it is only reached through this
// descriptor, never by its path, which somebody who can write to the store's parents might exchange
// (CVE-2021-30465 class).
Result<RootBound> bind_rootfs(Init& init, const PrivateMounts&) {
  auto rootfs = init.kernel.openat2(AT_FDCWD, ".", O_PATH | O_DIRECTORY, 0, 0);
  if (!rootfs) return rootfs.because("cannot open the rootfs");
  auto tree = init.kernel.open_tree(rootfs->get(), "",
                                    AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
  if (!tree) return tree.because("cannot clone the rootfs as a mount");
  if (auto moved = init.kernel.move_mount(tree->get(), rootfs->get()); !moved) {
    return moved.because("cannot bind the rootfs onto itself");
  }
  return RootBound{std::move(*tree)};
}

}  // namespace dockerinit
