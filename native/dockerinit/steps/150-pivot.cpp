// init.pivot: the container's tree becomes "/", and the host's is gone.
#include <fcntl.h>
#include <sys/mount.h>

#include "../steps.hpp"

namespace dockerinit {

// Docker 1.2.0 made a temporary directory in the image for the old root. With pivot_root(".", ".") the old
// root lies on top of the new one and is unmounted from there: nothing is written into the image. Slave
// first, so that the unmount cannot travel to the host even if a mount were shared after all.
Result<Jailed> pivot(Init& init, RootBound&& root) {
  auto old = init.kernel.openat2(AT_FDCWD, "/", O_PATH | O_DIRECTORY, 0, 0);
  if (!old) return old.failure();
  if (auto done = init.kernel.fchdir(root.fd()); !done) return done.failure();
  if (auto done = init.kernel.pivot_root(".", "."); !done)
    return done.because("cannot pivot into the rootfs");
  if (auto done = init.kernel.fchdir(old->get()); !done) return done.failure();
  if (auto done = init.kernel.mount(nullptr, ".", nullptr, MS_SLAVE | MS_REC, nullptr); !done)
    return done.failure();
  if (auto done = init.kernel.umount2(".", MNT_DETACH); !done)
    return done.because("cannot let go of the host's tree");
  if (auto done = init.kernel.chdir("/"); !done) return done.failure();
  return Jailed{};
}

}  // namespace dockerinit
