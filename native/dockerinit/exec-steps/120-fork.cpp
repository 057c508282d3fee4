// exec.fork: a second process, the first of the two that has a pid inside; it goes on alone.
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "../exec-steps.hpp"

namespace dockerinit {

// CLONE_PARENT makes the new one a child of the daemon, which can then wait for it itself. The new one sends
// a descriptor of itself: a number would mean another process outside than inside. The first one ends without
// a word, for all that it knew the second knows.
Result<InsidePids> fork_inside(Init& init, const Jailed&) {
  auto child = init.kernel.clone_sibling();
  if (!child) return child.because("cannot fork into the container's pid namespace");
  if (*child > 0) _exit(0);
  // With a terminal one may leave and come back; without anybody there it hangs up, which ends most programs.
  init.outlives = init.outlives || init.config.tty;
  // What the kernel forgets across a fork. Whoever ended before it was set is seen by the pipe.
  if (!init.outlives) {
    auto armed = init.kernel.prctl(PR_SET_PDEATHSIG, "PR_SET_PDEATHSIG", SIGKILL, "SIGKILL");
    if (!armed) return armed.failure();
  }
  if (auto there = init.pipe.still_there(); !there) return there.failure();
  auto self = init.kernel.pidfd_open(getpid());
  if (!self) return self.because("cannot open this process");
  init.note("pid_inside", static_cast<int64_t>(getpid()));
  if (auto told = init.pipe.child(self->get()); !told) return told.failure();
  return InsidePids{};
}

}  // namespace dockerinit
