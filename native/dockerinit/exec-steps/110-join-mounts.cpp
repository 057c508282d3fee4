// exec.join-mounts: the container's mount namespace; from here on "/" is the container's.
#include <sched.h>

#include "../exec-steps.hpp"

namespace dockerinit {

// After everything that has to be opened on the host. The kernel puts root and working directory onto the
// namespace's own root, so no directory of the host is left but by a descriptor, and the last one, of the
// container's first process, is closed here.
Result<Jailed> join_mounts(Init& init) {
  auto joined = init.kernel.setns(init.target.get(), CLONE_NEWNS, "CLONE_NEWNS");
  if (!joined) return joined.because("cannot join the container's mount namespace");
  init.target.reset();
  if (auto done = init.kernel.chdir("/"); !done) return done.failure();
  return Jailed{};
}

}  // namespace dockerinit
