// init.lsm: tells AppArmor or SELinux which profile or label the program gets at execve.
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>

#include "../beneath.hpp"
#include "../steps.hpp"

namespace dockerinit {
namespace {

// Docker 1.2.0 wrote to /proc/self/attr/exec by path, after volumes could cover it: the write was swallowed
// and the container ran unconfined (CVE-2015-3631, 2019-16884, 2025-52881). The descriptor is of the procfs
// that we mounted, and what was opened must itself be procfs.
Status write_attribute(Init& init, int proc, const std::string& name, const std::string& text) {
  auto file =
      init.kernel.openat2(proc, name, O_WRONLY, 0, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV);
  if (!file) return file.failure();
  if (magic_of(file->get()) != PROC_SUPER_MAGIC)
    return refuse("fstatfs", {name}, EINVAL, name + " is not in procfs");
  return init.kernel.write(file->get(), text);
}

Status apply_apparmor(Init& init, int proc) {
  const std::string text = "exec " + init.config.apparmor_profile;
  auto done = write_attribute(init, proc, "thread-self/attr/apparmor/exec", text);
  // Kernels before 5.8 have one file for whichever security module came first.
  if (done.error() == ENOENT) done = write_attribute(init, proc, "thread-self/attr/exec", text);
  if (!done) return done.because("cannot apply the AppArmor profile '" + init.config.apparmor_profile + "'");
  return done;
}

}  // namespace

Status lsm(Init& init, const Jailed&, const SystemMounts& mounts) {
  const bool apparmor = !init.config.apparmor_profile.empty();
  const bool selinux = !init.config.process_label.empty();
  init.note("apparmor", apparmor ? init.config.apparmor_profile : "none configured");
  if (apparmor) {
    if (auto done = apply_apparmor(init, mounts.proc()); !done) return done;
  }
  if (!selinux) return Done{};
  init.note("selinux", init.config.process_label);
  auto done = write_attribute(init, mounts.proc(), "thread-self/attr/exec", init.config.process_label);
  if (!done) return done.because("cannot apply the process label '" + init.config.process_label + "'");
  return done;
}

}  // namespace dockerinit
