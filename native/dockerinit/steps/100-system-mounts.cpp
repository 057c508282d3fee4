// init.system-mounts: the container's own proc, /dev with what belongs into it, and sysfs.
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>

#include "../beneath.hpp"
#include "../steps.hpp"

namespace dockerinit {
namespace {

constexpr long kMqueueMagic = 0x19800202;

struct SystemMount {
  const char* source;
  const char* name;
  const char* type;
  unsigned long flags;
  std::string data;
  long magic;
};

// An image may bring /proc as a link to a directory of its own making; then labels, masks and read-only paths
// would be written there and the container would run without them (CVE-2019-16884, 2019-19921). So: the
// target is opened without links, mounted on by descriptor, and what then lies there is asked for its
// filesystem.
Result<Fd> mount_on(Init& init, int dir, const SystemMount& what) {
  auto target = ordinary_directory(init.kernel, dir, what.name);
  if (!target) return target;
  const char* data = what.data.empty() ? nullptr : what.data.c_str();
  auto done = init.kernel.mount(what.source, path_of(target->get()), what.type, what.flags, data);
  if (!done) return done.because(std::string("cannot mount ") + what.type);
  return mounted_directory(init.kernel, dir, what.name, what.magic);
}

// With SELinux a tmpfs must be born with the container's label, or nobody inside may use it.
std::string labelled(const Init& init, std::string data) {
  if (!init.config.mount_label.empty()) data += ",context=\"" + init.config.mount_label + "\"";
  return data;
}

}  // namespace

Result<SystemMounts> system_mounts(Init& init, const RootBound& root) {
  constexpr unsigned long kHarmless = MS_NOSUID | MS_NODEV | MS_NOEXEC;
  auto proc = mount_on(init, root.fd(), {"proc", "proc", "proc", kHarmless, "", PROC_SUPER_MAGIC});
  if (!proc) return proc.failure();
  auto dev = mount_on(
      init, root.fd(),
      {"tmpfs", "dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, labelled(init, "mode=755"), TMPFS_MAGIC});
  if (!dev) return dev.failure();
  const std::string size = std::to_string(init.config.shm_size);
  auto shm =
      mount_on(init, dev->get(),
               {"shm", "shm", "tmpfs", kHarmless, labelled(init, "mode=1777,size=" + size), TMPFS_MAGIC});
  if (!shm) return shm.failure();
  auto pts = mount_on(init, dev->get(),
                      {"devpts", "pts", "devpts", MS_NOSUID | MS_NOEXEC,
                       labelled(init, "newinstance,ptmxmode=0666,mode=620,gid=5"), DEVPTS_SUPER_MAGIC});
  if (!pts) return pts.failure();
  auto mqueue = mount_on(init, dev->get(), {"mqueue", "mqueue", "mqueue", kHarmless, "", kMqueueMagic});
  if (!mqueue) return mqueue.failure();
  // Writable sysfs is only for the privileged: /sys/firmware, /sys/power and the like are the host's.
  const unsigned long sealed = init.config.restrict_sys ? static_cast<unsigned long>(MS_RDONLY) : 0UL;
  auto sys = mount_on(init, root.fd(), {"sysfs", "sys", "sysfs", kHarmless | sealed, "", SYSFS_MAGIC});
  if (!sys) return sys.failure();
  return SystemMounts{std::move(*proc), std::move(*sys), std::move(*dev), std::move(*pts)};
}

}  // namespace dockerinit
