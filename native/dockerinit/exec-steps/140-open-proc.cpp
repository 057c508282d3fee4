// exec.open-proc: a procfs of our own, and with -t the container's devpts.
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>

#include "../beneath.hpp"
#include "../exec-steps.hpp"

namespace dockerinit {

// What lies at /proc by now is the container's to decide: labels that were written there once went nowhere
// (CVE-2019-16884, CVE-2025-52881). This one is mounted nowhere, so nothing can be put over it, and it goes
// with its descriptor.
Result<SystemMounts> open_proc(Init& init, const Jailed&, const InsidePids&) {
  auto proc = init.kernel.detached_mount("proc");
  if (!proc) return proc.because("cannot make a procfs");
  Fd pts;
  if (init.config.tty) {
    auto found = init.kernel.openat2(AT_FDCWD, "/dev/pts", O_PATH | O_DIRECTORY, 0, RESOLVE_NO_SYMLINKS);
    if (!found) return found.because("cannot open the container's /dev/pts");
    if (magic_of(found->get()) != DEVPTS_SUPER_MAGIC)
      return refuse("fstatfs", {"/dev/pts"}, EINVAL, "the container's /dev/pts is no devpts any more");
    pts = std::move(*found);
  }
  return SystemMounts{std::move(*proc), Fd(), Fd(), std::move(pts)};
}

}  // namespace dockerinit
