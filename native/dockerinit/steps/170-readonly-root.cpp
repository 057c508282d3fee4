// init.readonly-root: with --read-only the root mount, and only it, is made read-only.
#include <fcntl.h>
#include <sys/mount.h>

#include "../steps.hpp"

namespace dockerinit {

// Not before here: until now places for mounts were made in the tree. Not recursive: /dev and the volumes are
// mounts of their own and keep what they were asked to be.
Status readonly_root(Init& init, const Jailed&) {
  init.note("read_only", init.config.readonly_fs);
  if (!init.config.readonly_fs) return Done{};
  auto root = init.kernel.openat2(AT_FDCWD, "/", O_PATH | O_DIRECTORY, 0, 0);
  if (!root) return root.failure();
  auto done = init.kernel.mount_setattr(root->get(), AT_EMPTY_PATH, MOUNT_ATTR_RDONLY, 0);
  if (!done) return done.because("cannot make the root read-only");
  return Done{};
}

}  // namespace dockerinit
