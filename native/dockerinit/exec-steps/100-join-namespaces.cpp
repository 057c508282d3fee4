// exec.join-namespaces: ipc, uts, net and pid of the container's first process.
#include <sched.h>

#include "../exec-steps.hpp"

namespace dockerinit {

// By one descriptor of the process itself, which the daemon opened and looked at: a name such as /proc/PID/ns
// could be another process's by now. The pid namespace is not entered by this, only our children will be in
// it.
Status join_namespaces(Init& init) {
  constexpr int kAll = CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWPID;
  auto joined =
      init.kernel.setns(init.target.get(), kAll, "CLONE_NEWIPC|CLONE_NEWUTS|CLONE_NEWNET|CLONE_NEWPID");
  if (!joined) return joined.because("cannot join the container's namespaces");
  return joined;
}

}  // namespace dockerinit
